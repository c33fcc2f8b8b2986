/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/mm/memcg.h"

#include <stdlib.h>

#include "sentry/base/lock.h"
#include "sentry/mm/frame.h"

_Thread_local struct memcg *const *current_memcg;
static _Thread_local struct memcg *blocker;
static _Thread_local bool over_high;

static struct memcg *groups[UINT16_MAX + 1]; /* memcg_lock; by id; 0 is nobody's */
static unsigned last_id;		     /* memcg_lock */

static struct memcg *mine_locked(void)
{
	return current_memcg ? *current_memcg : NULL;
}

/* --- groups --- */

static bool take_id_locked(struct memcg *mc)
{
	for (unsigned tries = 0; tries < UINT16_MAX; tries++) {
		last_id = last_id % UINT16_MAX + 1;
		if (groups[last_id])
			continue;
		groups[last_id] = mc;
		mc->id = (uint16_t)last_id;
		return true;
	}
	return false;
}

struct memcg *memcg_new(struct memcg *parent, void *owner)
{
	struct memcg *mc = calloc(1, sizeof(*mc));
	bool found;

	if (!mc)
		return NULL;
	mc->parent = parent;
	mc->owner = owner;
	mc->max = mc->high = MEMCG_NONE;
	mutex_lock(memcg_lock);
	found = take_id_locked(mc);
	if (found && parent)
		parent->nr_children++;
	mutex_unlock(memcg_lock);
	if (found)
		return mc;
	free(mc);
	return NULL;
}

/* Frees @mc when it is nobody's, then perhaps those above.  Their storage is small: free() is called with the lock held. */
static void release_locked(struct memcg *mc)
{
	while (mc && mc->dead && !mc->local && !mc->nr_children) {
		struct memcg *parent = mc->parent;

		groups[mc->id] = NULL;
		free(mc);
		if (parent)
			parent->nr_children--;
		mc = parent;
	}
}

void memcg_kill(struct memcg *mc)
{
	if (!mc)
		return;
	mutex_lock(memcg_lock);
	mc->dead = true;
	mc->owner = NULL;
	release_locked(mc);
	mutex_unlock(memcg_lock);
}

void memcg_set(struct memcg **slot, struct memcg *mc)
{
	mutex_lock(memcg_lock);
	*slot = mc;
	mutex_unlock(memcg_lock);
}

void memcg_get(const struct memcg *mc, struct memcg *ret)
{
	mutex_lock(memcg_lock);
	*ret = *mc;
	mutex_unlock(memcg_lock);
}

/* Until @mc has at most @pages, or nothing more can be freed. */
static void shrink(struct memcg *mc, uint64_t pages)
{
	struct memcg now;

	for (;;) {
		memcg_get(mc, &now);
		if (now.usage <= pages || !frame_make_room((unsigned)MIN(now.usage - pages, (uint64_t)4096)))
			return;
	}
}

void memcg_set_limits(struct memcg *mc, uint64_t max, uint64_t high)
{
	mutex_lock(memcg_lock);
	mc->max = max;
	mc->high = high;
	mutex_unlock(memcg_lock);
}

void memcg_shrink(struct memcg *mc)
{
	struct memcg now;

	memcg_get(mc, &now);
	shrink(mc, MIN(now.max, now.high));
}

bool memcg_is_below(const struct memcg *mc, const struct memcg *above)
{
	while (mc && mc != above)
		mc = mc->parent;
	return mc == above;
}

/* --- what a thread is told --- */

struct memcg *memcg_blocker(void)
{
	struct memcg *mc = blocker;

	blocker = NULL;
	return mc;
}

void memcg_count_oom(struct memcg *mc, bool killed)
{
	mutex_lock(memcg_lock);
	for (; mc; mc = mc->parent) {
		mc->events.oom++;
		mc->events.oom_kill += killed;
	}
	mutex_unlock(memcg_lock);
}

bool memcg_take_high(void)
{
	bool was = over_high;

	over_high = false;
	return was;
}

void memcg_narrow(uint64_t *limit, uint64_t *used)
{
	if (!current_memcg || !READ_ONCE(*current_memcg))
		return;
	mutex_lock(memcg_lock);
	for (struct memcg *mc = mine_locked(); mc; mc = mc->parent) {
		uint64_t most = MIN(mc->max, mc->high), room = most > mc->usage ? most - mc->usage : 0;

		if (room >= *limit - MIN(*used, *limit))
			continue;
		*limit = most;
		*used = mc->usage;
	}
	mutex_unlock(memcg_lock);
}

/* --- charging --- */

uint64_t memcg_room_locked(uint64_t nr)
{
	uint64_t room = UINT64_MAX;

	blocker = NULL;
	for (struct memcg *mc = mine_locked(); mc; mc = mc->parent) {
		uint64_t here = mc->max > mc->usage ? mc->max - mc->usage : 0;

		room = MIN(room, here);
		if (here < nr)
			blocker = mc;
		for (struct memcg *up = here ? NULL : mc; up; up = up->parent)
			up->events.max++;
	}
	return room;
}

uint16_t memcg_charge_locked(uint64_t nr)
{
	struct memcg *mine = mine_locked();

	if (!mine)
		return 0;
	mine->local += nr;
	for (struct memcg *mc = mine; mc; mc = mc->parent) {
		mc->usage += nr;
		mc->peak = MAX(mc->peak, mc->usage);
		if (mc->usage <= mc->high)
			continue;
		over_high = true;
		for (struct memcg *up = mc; up; up = up->parent)
			up->events.high++;
	}
	return mine->id;
}

void memcg_uncharge_locked(uint16_t id, uint64_t nr)
{
	struct memcg *mine = groups[id];

	mine->local -= nr;
	for (struct memcg *mc = mine; mc; mc = mc->parent)
		mc->usage -= nr;
	release_locked(mine);
}
