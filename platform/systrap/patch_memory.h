/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Patch memory: pages of a memfd for copies of text, trampolines and slots.  The sentry writes them, stubs map them to read
 * and execute.  Page numbers start at 1.  Locks: one of its own, a leaf.
 */
#ifndef SENTRY_PLATFORM_SYSTRAP_PATCH_MEMORY_H
#define SENTRY_PLATFORM_SYSTRAP_PATCH_MEMORY_H

#include "sentry/base/types.h"

/* Makes the file; its descriptor in *ret_fd stays patch memory's own. */
int patch_memory_init(int *ret_fd);
/* A page with any contents, or 0. */
unsigned patch_memory_alloc(void);
/* No stub may use it any more. */
void patch_memory_free(unsigned page);
void *patch_memory_ptr(unsigned page);

static inline uint64_t patch_memory_off(unsigned page)
{
	return (uint64_t)page << PAGE_SHIFT;
}

#endif
