/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Out of guest memory.  The process that frees most is killed, as mm/oom_kill.c of Linux chooses it: resident pages, shifted
 * by oom_score_adj thousandths of the whole.  Linux never kills init; here init may be the one program that was to be run, so it is
 * killed where it has more than all others together, or is alone.
 */
#include "sentry/base/log.h"
#include "sentry/kernel/kernel.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/memcg.h"
#include "vfs/cgroup/cgroup.h"

/* So often a copy to or from the guest waits for a victim: it may hold a lock that the victim needs to end. */
#define OOM_MAX_TRIES 50

/* How long the one who asked waits for the victim's memory before it tries again. */
#define OOM_PATIENCE_NS (100 * 1000000LL)

static int64_t oom_score(struct tgroup *tg, uint64_t total)
{
	int adj = READ_ONCE(tg->oom_score_adj);
	struct task *t;
	struct mm *mm = NULL;
	int64_t score;
	int tid = 0;

	if (adj == -1000)
		return INT64_MIN;
	/* The leader may have left its address space to the other threads. */
	for (; !mm && (t = tgroup_next_thread_get(tg, tid)); task_put(t)) {
		mm = task_mm_get(t);
		tid = task_tid(t) + 1;
	}
	if (!mm)
		return INT64_MIN;
	score = (int64_t)mm_rss(mm) + (int64_t)adj * (int64_t)total / 1000;
	mm_put(mm);
	return score;
}

static bool oom_is_dying(struct tgroup *tg)
{
	return atomic_load(&tg->flags) & TG_EXITING;
}

/* The victim of those that @mc (NULL: all) pays for, with a reference, NULL for none; *ret_dying: somebody is on the way out already. */
static struct tgroup *oom_choose(const struct memcg *mc, uint64_t total, bool *ret_dying)
{
	struct tgroup *best = NULL, *init = NULL, *tg;
	int64_t best_score = INT64_MIN, init_score = 0, others = 0, score;
	int tgid = 1;

	*ret_dying = false;
	for (; (tg = tgroup_next_get(tgid)); tgroup_put(tg)) {
		tgid = tg->pid->nr + 1;
		score = !mc || memcg_is_below(READ_ONCE(tg->memcg), mc) ? oom_score(tg, total) : INT64_MIN;
		if (score == INT64_MIN)
			continue;
		if (oom_is_dying(tg)) {
			*ret_dying = true;
			continue;
		}
		if (tg->pid->nr == 1) {
			init = tgroup_get(tg);
			init_score = score;
			continue;
		}
		others += MAX(score, 0);
		if (score <= best_score)
			continue;
		tgroup_put(best);
		best = tgroup_get(tg);
		best_score = score;
	}
	if (init && (!best || init_score > others)) {
		tgroup_put(best);
		return init;
	}
	tgroup_put(init);
	return best;
}

void oom_kill(void)
{
	static struct mutex oom_lock = MUTEX_INIT;
	PID_VIEW_GUARD(NULL);
	struct memcg *mc = memcg_blocker();
	struct frame_stats stats;
	struct tgroup *victim;
	struct task *leader;
	char comm[TASK_COMM_LEN] = "";
	bool dying;

	mutex_lock(&oom_lock);
	frame_get_stats(&stats);
	if (mc) {
		struct memcg now;

		memcg_get(mc, &now);
		stats.limit = now.max;
	}
	victim = oom_choose(mc, stats.limit, &dying);
	if (victim && !dying) {
		leader = tgroup_leader_get(victim);
		if (leader)
			task_comm(leader, comm);
		task_put(leader);
		log_warn("out of memory (limit %lu MiB%s): killing process %d (%s)",
			 (unsigned long)(stats.limit >> (20 - PAGE_SHIFT)), mc ? " of its cgroup" : "", victim->pid->nr, comm);
		if (!mc || !cgroup_oom_killed(mc))
			signal_kill_tgroup(victim);
	} else if (!victim && !dying) {
		/* Everybody is protected: the one who asks can't go on. */
		log_warn("out of memory (limit %lu MiB), and no process may be killed but %d",
			 (unsigned long)(stats.limit >> (20 - PAGE_SHIFT)), task_tgid(current));
		signal_kill_tgroup(current->tg);
	}
	tgroup_put(victim);
	mutex_unlock(&oom_lock);
	if (!signal_fatal_pending())
		sleeper_sleep(SLEEP_KILLABLE, deadline_after(OOM_PATIENCE_NS));
}

bool oom_kill_for_copy(unsigned tries)
{
	if (!current || tries >= OOM_MAX_TRIES || signal_fatal_pending())
		return false;
	oom_kill();
	return !signal_fatal_pending();
}
