/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who pays for frames: the memory controller of control groups, as mm/memcontrol.c of Linux has it.
 *
 * A frame is charged, when it is allocated, to the group of the task that asks, and to all groups above; it stays charged there, wherever
 * that task goes, until it is freed.  A frame counts once, however many map it.  The root group is NULL, and has no counters.
 *
 * An allocation that a group has no room for fails like one that the whole limit has no room for: what can be freed is freed first,
 * then the caller finds out of memory (sentry/kernel/oom.c), and memcg_blocker() tells whose.
 *
 * Locks: memcg_lock, which is the allocator's frame_lock, guards all counters.
 */
#ifndef SENTRY_MM_MEMCG_H
#define SENTRY_MM_MEMCG_H

#include "sentry/base/lock.h"
#include "sentry/base/types.h"

#define MEMCG_NONE UINT64_MAX

struct memcg_events {
	uint64_t high, max, oom, oom_kill;
};

struct memcg {
	struct memcg *parent;	   /* immutable; NULL: the root is above */
	void *owner;		   /* immutable; the cgroup, for who looks at it while that lives */
	uint16_t id;		   /* immutable */
	bool dead;		   /* the cgroup has gone: freed with its last frame */
	unsigned nr_children;	   /* that are not freed */
	uint64_t usage, local;	   /* pages: with those below, without */
	uint64_t peak, max, high;  /* pages; MEMCG_NONE */
	struct memcg_events events; /* of it and those below */
};

/* What the calling thread's allocations are charged to: the place of its process's pointer, which changes under the lock.  NULL: nobody. */
extern _Thread_local struct memcg *const *current_memcg;

/* Below @parent, or NULL when out of memory or numbers. */
struct memcg *memcg_new(struct memcg *parent, void *owner);
/* Nobody will charge to it any more. */
void memcg_kill(struct memcg *mc);
/* Changes a process's pointer. */
void memcg_set(struct memcg **slot, struct memcg *mc);
/* A copy of the counters. */
void memcg_get(const struct memcg *mc, struct memcg *ret);
/* In pages.  May be less than is in use: memcg_shrink frees what can be, the rest is the next allocation's trouble. */
void memcg_set_limits(struct memcg *mc, uint64_t max, uint64_t high);
/* Without locks. */
void memcg_shrink(struct memcg *mc);

/* The group that stood in the way of the calling thread's last allocation that failed, once; NULL: the whole limit did. */
struct memcg *memcg_blocker(void);
/* Whether @mc is @above, or below it. */
bool memcg_is_below(const struct memcg *mc, const struct memcg *above);
/* An out of memory in @mc: somebody was killed, or nobody could be. */
void memcg_count_oom(struct memcg *mc, bool killed);
/* Whether the calling thread went over a `high` since it was asked last: it had better slow down. */
bool memcg_take_high(void);
/* Puts the calling thread's narrowest limit, and what is in use of it, in the place of *limit and *used where it leaves less room. */
void memcg_narrow(uint64_t *limit, uint64_t *used);

/* --- for frame.c; memcg_lock held --- */

extern struct mutex *const memcg_lock;
/* The pages that the calling thread may charge; notes who has no room for @nr. */
uint64_t memcg_room_locked(uint64_t nr);
/* Charges @nr pages to the calling thread's group: its id, 0 for the root. */
uint16_t memcg_charge_locked(uint64_t nr);
void memcg_uncharge_locked(uint16_t id, uint64_t nr);

#endif
