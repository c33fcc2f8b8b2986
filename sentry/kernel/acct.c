/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accounting: CPU time, faults, switches.
 *
 * The host counts both kinds of time, so they cost nothing until somebody asks.  System time is the CPU time of the sentry thread,
 * which works for no one else.  User time is the CPU time of the address space's stub, which tells no threads apart: they
 * share it by the time they spent in the guest, where each of them wants to run all the time.  A process that has its
 * address space to itself, as nearly all have, has all of it.
 */
#include "platform/host/host.h"
#include "sentry/kernel/kernel.h"
#include "sentry/kernel/task.h"

int64_t boottime_ns(void)
{
	return host_clock_ns(LINUX_CLOCK_BOOTTIME);
}

/* The sentry thread's CPU time; its handle is valid while has_thread. */
static uint64_t task_stime_locked(struct task *t)
{
	clockid_t clock;

	mutex_assert_held(&t->tg->siglock);
	if (t == current)
		return (uint64_t)host_thread_cpu_ns() - t->thread_stime;
	if (!t->has_thread || pthread_getcpuclockid(t->thread, &clock))
		return t->final_stime;
	return (uint64_t)host_clock_ns(clock) - t->thread_stime;
}

/* The run at hand, ns. */
static uint64_t task_run_time(struct task *t)
{
	int64_t since = atomic_load(&t->run_since), now;

	if (!since)
		return 0;
	now = monotonic_ns();
	return now > since ? (uint64_t)(now - since) : 0;
}

/* Inside the guest, ns. */
static uint64_t task_guest_time(struct task *t)
{
	/* In this order a run that ends meanwhile is seen late rather than twice. */
	uint64_t time = atomic_load(&t->guest_time);

	return time + task_run_time(t);
}

static uint64_t tgroup_guest_time_locked(struct tgroup *tg)
{
	uint64_t sum = tg->guest_time;
	struct task *t;

	list_for_each_entry(t, &tg->threads, thread_link)
		sum += task_guest_time(t);
	return sum;
}

struct mm_times {
	uint64_t cpu, guest;
	bool sole; /* no other process has used the mm */
};

static bool task_mm_times(struct task *t, struct mm_times *ret)
{
	MUTEX_GUARD(&t->lock);
	if (!t->mm)
		return false;
	/* In this order: CPU time that was used before is in the guest's time. */
	ret->cpu = platform->cpu_time(t->mm->as);
	ret->guest = atomic_load(&t->mm->guest_time);
	ret->sole = !atomic_load(&t->mm->many_tgroups);
	return true;
}

/* Of the mm that the threads share, with the runs that are still going on; false when there is none any more. */
static bool tgroup_mm_times_locked(struct tgroup *tg, struct mm_times *ret)
{
	bool found = false;
	struct task *t;

	list_for_each_entry(t, &tg->threads, thread_link) {
		found = task_mm_times(t, ret);
		if (found)
			break;
	}
	if (!found)
		return false;
	list_for_each_entry(t, &tg->threads, thread_link)
		ret->guest += task_run_time(t);
	return true;
}

/* The CPU time since the last look is divided as the time in the guest since then. */
static void cpu_share_update(struct cpu_share *s, const struct mm_times *now, uint64_t time, bool all)
{
	uint64_t cpu, mine, total;

	if (now->cpu < s->cpu || now->guest < s->mm_time || time < s->time)
		return;
	cpu = now->cpu - s->cpu;
	mine = time - s->time;
	total = now->guest - s->mm_time;
	if (!all && mine < total)
		cpu = (uint64_t)((unsigned __int128)cpu * mine / total);
	*s = (struct cpu_share){ s->used + cpu, now->cpu, now->guest, time };
}

static uint64_t task_utime_locked(struct task *t)
{
	struct mm_times now;

	if (tgroup_mm_times_locked(t->tg, &now))
		cpu_share_update(&t->utime, &now, task_guest_time(t), false);
	return t->utime.used;
}

static uint64_t tgroup_utime_locked(struct tgroup *tg)
{
	struct mm_times now;

	if (tgroup_mm_times_locked(tg, &now))
		cpu_share_update(&tg->utime, &now, tgroup_guest_time_locked(tg), now.sole);
	return tg->utime.used;
}

void acct_mm_leave(struct task *t)
{
	MUTEX_GUARD(&t->tg->siglock);
	/* Others of the process have the same one, and see to it. */
	if (t->tg->nr_live > !t->exiting)
		return;
	task_utime_locked(t);
	tgroup_utime_locked(t->tg);
}

void acct_mm_enter(struct task *t)
{
	struct mm_times now;

	MUTEX_GUARD(&t->tg->siglock);
	if (!task_mm_times(t, &now))
		return;
	t->utime = (struct cpu_share){ t->utime.used, now.cpu, now.guest, task_guest_time(t) };
	t->tg->utime = (struct cpu_share){ t->tg->utime.used, now.cpu, now.guest, tgroup_guest_time_locked(t->tg) };
}

/* All but user time. */
static void acct_add_task_locked(struct rusage_acct *sum, struct task *t)
{
	sum->stime += task_stime_locked(t);
	sum->min_flt += atomic_load(&t->min_flt);
	sum->maj_flt += atomic_load(&t->maj_flt);
	sum->nvcsw += atomic_load(&t->sleeper.nr_sleeps);
	sum->nivcsw += atomic_load(&t->nr_interrupts);
	sum->rbytes += atomic_load(&t->io.rbytes);
	sum->wbytes += atomic_load(&t->io.wbytes);
	sum->rios += atomic_load(&t->io.rios);
	sum->wios += atomic_load(&t->io.wios);
}

void acct_add(struct rusage_acct *sum, const struct rusage_acct *a)
{
	sum->utime += a->utime;
	sum->stime += a->stime;
	sum->min_flt += a->min_flt;
	sum->maj_flt += a->maj_flt;
	sum->nvcsw += a->nvcsw;
	sum->nivcsw += a->nivcsw;
	sum->rbytes += a->rbytes;
	sum->wbytes += a->wbytes;
	sum->rios += a->rios;
	sum->wios += a->wios;
	sum->maxrss = MAX(sum->maxrss, a->maxrss);
}

/* A thread leaves the process: what it used goes to the sum. */
void acct_thread_exit_locked(struct task *t)
{
	acct_add_task_locked(&t->tg->acct, t);
	t->tg->guest_time += task_guest_time(t);
}

/* The sentry thread of current is about to end. */
void acct_thread_end(struct task *t)
{
	MUTEX_GUARD(&t->tg->siglock);
	t->final_stime = (uint64_t)host_thread_cpu_ns() - t->thread_stime;
	t->has_thread = false;
}

void task_cputime_locked(struct task *t, uint64_t *ret_utime, uint64_t *ret_stime)
{
	mutex_assert_held(&t->tg->siglock);
	*ret_utime = task_utime_locked(t);
	*ret_stime = task_stime_locked(t);
}

void task_cputime(struct task *t, uint64_t *ret_utime, uint64_t *ret_stime)
{
	MUTEX_GUARD(&t->tg->siglock);
	task_cputime_locked(t, ret_utime, ret_stime);
}

static void tgroup_acct_locked(struct tgroup *tg, struct rusage_acct *ret)
{
	struct task *t;

	*ret = tg->acct;
	ret->utime = tgroup_utime_locked(tg);
	list_for_each_entry(t, &tg->threads, thread_link)
		acct_add_task_locked(ret, t);
}

void tgroup_cputime_locked(struct tgroup *tg, uint64_t *ret_utime, uint64_t *ret_stime)
{
	struct rusage_acct acct;

	mutex_assert_held(&tg->siglock);
	tgroup_acct_locked(tg, &acct);
	*ret_utime = acct.utime;
	*ret_stime = acct.stime;
}

void tgroup_cputime(struct tgroup *tg, uint64_t *ret_utime, uint64_t *ret_stime)
{
	MUTEX_GUARD(&tg->siglock);
	tgroup_cputime_locked(tg, ret_utime, ret_stime);
}

/*
 * The peak of the address space a task has now, pages.  Not with a reference: putting the last one would tear the address space
 * down, and callers hold pids_lock.
 */
static uint64_t task_maxrss(struct task *t)
{
	MUTEX_GUARD(&t->lock);
	return t->mm ? (uint64_t)atomic_load(&t->mm->rss_peak) : 0;
}

void tgroup_rusage(struct tgroup *tg, struct rusage_acct *ret_self, struct rusage_acct *ret_children)
{
	struct task *t;

	mutex_lock(&tg->siglock);
	if (ret_self)
		tgroup_acct_locked(tg, ret_self);
	if (ret_children)
		*ret_children = tg->cacct;
	list_for_each_entry(t, &tg->threads, thread_link)
		if (ret_self)
			ret_self->maxrss = MAX(ret_self->maxrss, task_maxrss(t));
	mutex_unlock(&tg->siglock);
}

void task_rusage(struct task *t, struct rusage_acct *ret)
{
	*ret = (struct rusage_acct){ 0 };
	mutex_lock(&t->tg->siglock);
	acct_add_task_locked(ret, t);
	ret->utime = task_utime_locked(t);
	ret->maxrss = t->tg->acct.maxrss;
	mutex_unlock(&t->tg->siglock);
	ret->maxrss = MAX(ret->maxrss, task_maxrss(t));
}
