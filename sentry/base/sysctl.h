/* SPDX-License-Identifier: Apache-2.0 */
/* A number that /proc/sys shows and sets within bounds: whoever honours it has one, and a line in vfs/proc/proc_sys.c names it. */
#ifndef SENTRY_BASE_SYSCTL_H
#define SENTRY_BASE_SYSCTL_H

#include <stdatomic.h>
#include <stdint.h>

struct sysctl_int {
	_Atomic int64_t value;
	int64_t min, max;
};

static inline int64_t sysctl_read(const struct sysctl_int *v)
{
	return atomic_load_explicit((_Atomic int64_t *)&v->value, memory_order_relaxed);
}

#endif
