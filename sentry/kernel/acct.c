/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accounting: CPU time, faults, switches.
 *
 * User time is the time spent inside the guest, as the sentry thread's clock sees it.  System time is the CPU time of the
 * sentry thread, which works for no one else: the host counts it, so it costs nothing until somebody asks.
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
		return (uint64_t)host_thread_cpu_ns();
	if (!t->has_thread || pthread_getcpuclockid(t->thread, &clock))
		return t->final_stime;
	return (uint64_t)host_clock_ns(clock);
}

static uint64_t task_utime(struct task *t)
{
	uint64_t utime = atomic_load(&t->utime);
	int64_t since = atomic_load(&t->run_since), now;

	if (!since)
		return utime;
	now = monotonic_ns();
	return utime + (now > since ? (uint64_t)(now - since) : 0);
}

static void acct_add_task_locked(struct rusage_acct *sum, struct task *t)
{
	sum->utime += task_utime(t);
	sum->stime += task_stime_locked(t);
	sum->min_flt += atomic_load(&t->min_flt);
	sum->maj_flt += atomic_load(&t->maj_flt);
	sum->nvcsw += atomic_load(&t->sleeper.nr_sleeps);
	sum->nivcsw += atomic_load(&t->nr_interrupts);
	sum->inblock += atomic_load(&t->read_bytes) / 512;
	sum->oublock += atomic_load(&t->write_bytes) / 512;
}

void acct_add(struct rusage_acct *sum, const struct rusage_acct *a)
{
	sum->utime += a->utime;
	sum->stime += a->stime;
	sum->min_flt += a->min_flt;
	sum->maj_flt += a->maj_flt;
	sum->nvcsw += a->nvcsw;
	sum->nivcsw += a->nivcsw;
	sum->inblock += a->inblock;
	sum->oublock += a->oublock;
	sum->maxrss = MAX(sum->maxrss, a->maxrss);
}

/* A thread leaves the process: what it used goes to the sum. */
void acct_thread_exit_locked(struct task *t)
{
	acct_add_task_locked(&t->tg->acct, t);
}

/* The sentry thread of current is about to end. */
void acct_thread_end(struct task *t)
{
	MUTEX_GUARD(&t->tg->siglock);
	t->final_stime = (uint64_t)host_thread_cpu_ns();
	t->has_thread = false;
}

void task_cputime_locked(struct task *t, uint64_t *ret_utime, uint64_t *ret_stime)
{
	mutex_assert_held(&t->tg->siglock);
	*ret_utime = task_utime(t);
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
	ret->maxrss = t->tg->acct.maxrss;
	mutex_unlock(&t->tg->siglock);
	ret->maxrss = MAX(ret->maxrss, task_maxrss(t));
}
