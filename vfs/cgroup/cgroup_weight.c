/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cpu.weight.  The host shares its processors among threads and knows nothing of the guest's cgroups; so who is ahead of the siblings
 * that want to run is held (TG_HELD_THROTTLED) until they have caught up.
 *
 *     vtime of a cgroup: what it used, by its weight; a cgroup that comes back from sleep begins where the others are
 *     ahead: more than SLACK beyond the sibling that is due most, and those that are due can use all processors without it
 *
 * This is done while a weight is not the default one, among siblings whose parent has the cpu controller: cgroups of equal weights get
 * what their threads get, and no processor idles for a weight.
 */
#include "vfs/cgroup/cgroup.h"
#include "vfs/proc/proc.h"

#define SLACK_NS 4000000ULL

static unsigned nr_weights; /* pids_lock; cgroups whose weight is not the default */

static bool wants_to_run(const struct cgroup *cg)
{
	return cg->cpu.runnable > 0;
}

/* Usage and runnable tasks of all cgroups, in one pass over the processes. */
static void look_locked(void)
{
	struct tgroup *tg;
	struct task *t;

	for (struct cgroup *cg = &cgroup_root; cg; cg = cgroup_next_locked(cg))
		cg->cpu.live = cg->cpu.runnable = 0;
	list_for_each_entry(tg, &all_tgroups, all_link) {
		struct rusage_acct used;
		unsigned runnable = 0;

		if (tg->cgroup_left || !tg->cgroup)
			continue;
		cgroup_tgroup_usage(tg, &used);
		list_for_each_entry(t, &tg->threads, thread_link)
			runnable += atomic_load(&t->is_held) || task_state_char(t) == 'R';
		for (struct cgroup *cg = tg->cgroup; cg; cg = cg->parent) {
			cg->cpu.live += used.utime + used.stime;
			cg->cpu.runnable += runnable;
		}
	}
}

static void hold(struct cgroup *cg, bool on, bool *changed)
{
	*changed |= cg->cpu.outweighed != on;
	cg->cpu.outweighed = on;
}

static void weigh_children(struct cgroup *parent, bool *changed)
{
	uint64_t due = UINT64_MAX;
	unsigned nr_due = 0;
	struct cgroup *cg;

	list_for_each_entry(cg, &parent->children, link) {
		uint64_t used = cg->usage.utime + cg->usage.stime + cg->cpu.live;

		cg->cpu.vtime += (used - MIN(used, cg->cpu.used)) * CGROUP_WEIGHT_DEFAULT / cg->cpu.weight;
		cg->cpu.used = used;
		if (wants_to_run(cg))
			due = MIN(due, cg->cpu.vtime);
	}
	list_for_each_entry(cg, &parent->children, link) {
		if (!wants_to_run(cg))
			cg->cpu.vtime = due == UINT64_MAX ? cg->cpu.vtime : MAX(cg->cpu.vtime, due);
		else if (cg->cpu.vtime <= due + SLACK_NS)
			nr_due += cg->cpu.runnable;
	}
	list_for_each_entry(cg, &parent->children, link)
		hold(cg, wants_to_run(cg) && cg->cpu.vtime > due + SLACK_NS && nr_due >= proc_nr_cpus(), changed);
}

bool cgroup_weigh_locked(void)
{
	bool changed = false;

	mutex_assert_held(&pids_lock);
	mutex_lock(&cgroup_lock);
	if (nr_weights)
		look_locked();
	for (struct cgroup *cg = &cgroup_root; cg; cg = cgroup_next_locked(cg)) {
		struct cgroup *child;

		if (nr_weights && cg->subtree_control & CGROUP_CPU)
			weigh_children(cg, &changed);
		else
			list_for_each_entry(child, &cg->children, link)
				hold(child, false, &changed);
	}
	mutex_unlock(&cgroup_lock);
	if (changed)
		cgroup_apply_holds_locked(&cgroup_root);
	return nr_weights;
}

int cgroup_set_cpu_weight(struct cgroup *cg, unsigned weight)
{
	MUTEX_GUARD(&pids_lock);
	if (weight != CGROUP_WEIGHT_DEFAULT && cgroup_tick_start_locked())
		return -LINUX_EAGAIN;
	if (READ_ONCE(cg->dead))
		return -LINUX_ENODEV;
	nr_weights += (weight != CGROUP_WEIGHT_DEFAULT) - (cg->cpu.weight != CGROUP_WEIGHT_DEFAULT);
	cg->cpu.weight = weight;
	return 0;
}

void cgroup_forget_weight_locked(struct cgroup *cg)
{
	nr_weights -= cg->cpu.weight != CGROUP_WEIGHT_DEFAULT;
	cg->cpu.weight = CGROUP_WEIGHT_DEFAULT;
	cg->cpu.outweighed = false;
}
