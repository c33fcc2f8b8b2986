/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What keeps members of a cgroup from running: cgroup.freeze, and cpu.max, when a period's time is spent.  Both are bits in tgroup.held,
 * at which tasks look where they look for signals (sentry/kernel/signal_deliver.c).
 *
 *     freeze: 0 --write 1--> tasks are interrupted, sleep one by one --the last one sleeps--> "frozen 1" in cgroup.events
 *
 *     cpu.max: one thread looks at all cgroups with a quota every few milliseconds, as long as there is one (or a weight)
 *         runs --usage - base >= quota--> throttled --the next period, base += quota--> runs, if that is enough
 */
#include <stdlib.h>

#include "platform/host/host.h"
#include "platform/host/host_thread.h"
#include "sentry/base/log.h"
#include "sentry/kernel/signal.h"
#include "vfs/cgroup/cgroup.h"

#define TICK_NS 5000000LL
#define THREAD_STACK (64UL << 10)

static unsigned nr_freezing; /* pids_lock; cgroups that are to be frozen */

unsigned cgroup_holds_locked(const struct cgroup *cg)
{
	unsigned held = 0;

	for (; cg; cg = cg->parent)
		held |= (cg->freeze ? TG_HELD_FROZEN : 0) | (cg->cpu.throttled || cg->cpu.outweighed ? TG_HELD_THROTTLED : 0);
	return held;
}

void cgroup_apply_holds_locked(const struct cgroup *cg)
{
	struct tgroup *tg;

	list_for_each_entry(tg, &all_tgroups, all_link) {
		unsigned held;

		if (!cgroup_is_below(READ_ONCE(tg->cgroup), cg))
			continue;
		held = cgroup_holds_locked(READ_ONCE(tg->cgroup));
		if (held)
			tgroup_hold(tg, held, true);
		if (~held & atomic_load(&tg->held))
			tgroup_hold(tg, ~held & atomic_load(&tg->held), false);
	}
}

/* --- freeze --- */

static bool task_is_frozen(struct task *t)
{
	return atomic_load(&t->is_held) || t->exiting || t->exit_state != EXIT_NONE ||
	       (atomic_load(&t->jobctl) & (JOBCTL_STOPPED | JOBCTL_TRACED));
}

static bool all_frozen_locked(const struct cgroup *cg)
{
	struct tgroup *tg;
	struct task *t;

	list_for_each_entry(tg, &all_tgroups, all_link) {
		if (tg->cgroup_left || !cgroup_is_below(READ_ONCE(tg->cgroup), cg))
			continue;
		list_for_each_entry(t, &tg->threads, thread_link)
			if (!task_is_frozen(t))
				return false;
	}
	return true;
}

struct cgroup *cgroup_next_locked(struct cgroup *cg)
{
	if (!list_empty(&cg->children))
		return list_first_entry(&cg->children, struct cgroup, link);
	for (; cg->parent; cg = cg->parent)
		if (cg->link.next != &cg->parent->children)
			return container_of(cg->link.next, struct cgroup, link);
	return NULL;
}

/* One cgroup whose "frozen" is not as it should be, mended and with a reference; NULL: there is none. */
static struct cgroup *mend_one(void)
{
	MUTEX_GUARD(&pids_lock);
	MUTEX_GUARD(&cgroup_lock);
	for (struct cgroup *cg = &cgroup_root; cg; cg = cgroup_next_locked(cg)) {
		bool frozen = cgroup_holds_locked(cg) & TG_HELD_FROZEN && all_frozen_locked(cg);

		if (frozen == cg->frozen)
			continue;
		WRITE_ONCE(cg->frozen, frozen);
		cg->events_seq++;
		return cgroup_get(cg);
	}
	return NULL;
}

static void mend_all(void)
{
	struct cgroup *cg;

	while ((cg = mend_one())) {
		cgroup_notify(cg, CGF_EVENTS);
		cgroup_put(cg);
	}
}

void cgroup_update_frozen(void)
{
	if (READ_ONCE(nr_freezing))
		mend_all();
}

void cgroup_frozen_changed(struct tgroup *tg __unused)
{
	cgroup_update_frozen();
}

int cgroup_set_freeze(struct cgroup *cg, bool on)
{
	mutex_lock(&pids_lock);
	if (cg->freeze != on) {
		nr_freezing += on ? 1U : -1U;
		cg->freeze = on;
		cgroup_apply_holds_locked(cg);
	}
	mutex_unlock(&pids_lock);
	mend_all();
	return 0;
}

/* --- cpu.max, and the thread that looks --- */

static LIST_HEAD(quotas); /* pids_lock; by cpu.link, with references */
static bool ticking;	  /* pids_lock; the thread is there */

static void throttle_locked(struct cgroup *cg, bool on, uint64_t now)
{
	if (cg->cpu.throttled == on)
		return;
	cg->cpu.throttled = on;
	if (on) {
		cg->cpu.nr_throttled++;
		cg->cpu.throttled_since = now;
	} else {
		cg->cpu.throttled_ns += now - cg->cpu.throttled_since;
	}
	cgroup_apply_holds_locked(cg);
}

static uint64_t usage_locked(struct cgroup *cg)
{
	struct rusage_acct u;

	cgroup_usage_locked(cg, &u);
	return u.utime + u.stime;
}

static void quota_tick_locked(struct cgroup *cg, uint64_t now)
{
	uint64_t usage = usage_locked(cg), quota = (uint64_t)cg->cpu.quota;

	if (now - cg->cpu.period_start >= (uint64_t)cg->cpu.period) {
		uint64_t periods = (now - cg->cpu.period_start) / (uint64_t)cg->cpu.period;

		cg->cpu.period_start += periods * (uint64_t)cg->cpu.period;
		cg->cpu.nr_periods += usage != cg->cpu.base ? periods : 0;
		/* What was spent beyond the quota is owed; what was not is lost. */
		cg->cpu.base = usage - cg->cpu.base > quota * periods ? cg->cpu.base + quota * periods : usage;
	}
	throttle_locked(cg, usage - cg->cpu.base >= quota, now);
}

/* False when there is no quota and no weight any more. */
static bool tick_all(void)
{
	uint64_t now = (uint64_t)monotonic_ns();
	struct cgroup *cg, *tmp;
	MUTEX_GUARD(&pids_lock);

	list_for_each_entry_safe(cg, tmp, &quotas, cpu.link) {
		if (cg->cpu.quota != CGROUP_UNLIMITED && !READ_ONCE(cg->dead)) {
			quota_tick_locked(cg, now);
			continue;
		}
		throttle_locked(cg, false, now);
		list_del(&cg->cpu.link);
		cgroup_put(cg);
	}
	ticking = cgroup_weigh_locked() || !list_empty(&quotas);
	return ticking;
}

static void *tick_main(void *arg __unused)
{
	do
		host_nanosleep(TICK_NS);
	while (tick_all());
	return NULL;
}

int cgroup_tick_start_locked(void)
{
	if (!ticking && host_thread_start_detached(tick_main, NULL, THREAD_STACK))
		return -LINUX_EAGAIN;
	ticking = true;
	return 0;
}

int cgroup_set_cpu_max(struct cgroup *cg, int64_t quota, int64_t period)
{
	MUTEX_GUARD(&pids_lock);
	if (quota != CGROUP_UNLIMITED && cgroup_tick_start_locked())
		return -LINUX_EAGAIN;
	if (quota != CGROUP_UNLIMITED && list_empty(&cg->cpu.link))
		list_add_tail(&cgroup_get(cg)->cpu.link, &quotas);
	cg->cpu.quota = quota;
	cg->cpu.period = period;
	cg->cpu.period_start = (uint64_t)monotonic_ns();
	cg->cpu.base = usage_locked(cg);
	throttle_locked(cg, false, cg->cpu.period_start);
	return 0;
}
