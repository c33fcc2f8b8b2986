/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mapping operations as the host calls that they become: what is the same whoever makes them in the stub.
 *
 * A queue of calls is bounded and needs no memory when one is added.  Since a mapping is a cache entry, a queue that has no room
 * can be replaced by one that unmaps everything (mapping_reset).
 *
 * The vDSO's data pages are the exception: there is one instance of them per stub, which is moved, and is lost when it is
 * unmapped.
 *
 * No locks: a queue is guarded by who owns it.
 */
#ifndef SENTRY_PLATFORM_MAPPING_H
#define SENTRY_PLATFORM_MAPPING_H

#include "platform/vdso.h"

struct mapping_call {
	uint64_t nr;	 /* SYS_mmap, munmap, mprotect or mremap */
	uint64_t arg[6];
};

#define MAPPING_QUEUE_MAX 64

struct mapping_queue {
	unsigned nr;
	struct mapping_call call[MAPPING_QUEUE_MAX];
};

/* Whether the guest may have something mapped there. */
static inline bool mapping_range_is_valid(uaddr_t addr, size_t len)
{
	return !PAGE_OFFSET(addr | len) && len && addr < GUEST_TASK_SIZE && len <= GUEST_TASK_SIZE - addr;
}

/* The arguments are valid, and @prot is not 0.  @fd is the stub's. */
struct mapping_call mapping_map(uaddr_t addr, size_t len, unsigned prot, int fd, uint64_t off);
struct mapping_call mapping_unmap(uaddr_t from, uaddr_t to);
struct mapping_call mapping_protect(uaddr_t addr, size_t len, unsigned prot);
/*
 * The moves of the vDSO data from one place to another, if need be over @home, which lies outside the guest's range.  At most
 * MAPPING_VVAR_MAX; their number.
 */
#define MAPPING_VVAR_MAX (2 * VDSO_MAX_PIECES)
unsigned mapping_vvar_moves(struct mapping_call *call, uaddr_t from, uaddr_t to, uaddr_t home);
/*
 * The calls that empty the guest's range, and bring the vDSO data from @now (0: lost) to @vvar (0: @home).  At most
 * MAPPING_RESET_MAX; their number.
 */
#define MAPPING_RESET_MAX (2 + MAPPING_VVAR_MAX)
unsigned mapping_reset(struct mapping_call *call, uaddr_t now, uaddr_t vvar, uaddr_t home);

/* Makes one call of two when @call continues the last one in address (and offset); false when it can't. */
bool mapping_queue_merge(struct mapping_queue *queue, const struct mapping_call *call);
static inline bool mapping_queue_has_room(const struct mapping_queue *queue, unsigned nr)
{
	return queue->nr + nr <= MAPPING_QUEUE_MAX;
}
/* There is room. */
void mapping_queue_add(struct mapping_queue *queue, const struct mapping_call *call);
/*
 * Puts @nr calls before all others.  A queue without room for them is forgotten: nothing of it is mapped yet, so each page
 * will fault in.
 */
void mapping_queue_prepend(struct mapping_queue *queue, const struct mapping_call *call, unsigned nr);

#endif
