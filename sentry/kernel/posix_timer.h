/* SPDX-License-Identifier: Apache-2.0 */
/* timer_create(2) and its kin. */
#ifndef SENTRY_KERNEL_POSIX_TIMER_H
#define SENTRY_KERNEL_POSIX_TIMER_H

#include "sentry/abi/signal.h"
#include "sentry/abi/time.h"

/* A timer of current's process; @ev NULL: SIGALRM with the timer's id.  Its id, or -errno. */
int posix_timer_create(int clock, const struct linux_sigevent *ev);
/* Frees timer @id.  0 or -LINUX_EINVAL. */
int posix_timer_delete(int id);
/* @flags: LINUX_TIMER_ABSTIME; times in ns.  The old setting's outputs may be NULL.  0 or -LINUX_EINVAL. */
int posix_timer_settime(int id, int flags, int64_t value, int64_t interval, int64_t *ret_old_value,
			int64_t *ret_old_interval);
int posix_timer_gettime(int id, int64_t *ret_value, int64_t *ret_interval);
int posix_timer_getoverrun(int id);

#endif
