/* SPDX-License-Identifier: Apache-2.0 */
/* Interval timers and CPU-time limits of a process. */
#include "sentry/kernel/timers.h"

#include "sentry/kernel/posix_timer.h"
#include "sentry/kernel/task.h"

/* CPU clocks are looked at no more often than this: a tick. */
#define CPU_CHECK_MIN_NS 2000000LL

static void send_kernel_to_locked(struct task *t, int sig)
{
	struct linux_siginfo info;

	siginfo_init(&info, sig, LINUX_SI_KERNEL);
	if (t)
		signal_send_locked(t, &info, true, 0);
}

static void send_kernel_locked(struct tgroup *tg, int sig)
{
	send_kernel_to_locked(tgroup_first_locked(tg), sig);
}

/* --- ITIMER_REAL --- */

static void itimer_real_fire(struct timer *timer)
{
	struct tgroup *tg = timer->data;

	MUTEX_GUARD(&tg->siglock);
	/* The interval goes on when the signal is taken. */
	tg->itimer_real_expired = timer->deadline;
	send_kernel_locked(tg, LINUX_SIGALRM);
}

void itimer_real_rearm_locked(struct tgroup *tg)
{
	int64_t next = tg->itimer_real_expired, interval = tg->itimer_real_interval;

	mutex_assert_held(&tg->siglock);
	if (!interval || tg->itimer_real.armed)
		return;
	timer_forward(&next, monotonic_ns(), interval);
	timer_arm(&tg->itimer_real, next);
}

/* --- CPU time --- */

/*
 * Who is told that a CPU clock of the process ran out.  On Linux that is the thread whose tick it was, and profilers rely on it; here
 * it is the one that used most since it was told last.
 */
struct task *tgroup_busiest_locked(struct tgroup *tg)
{
	uint64_t utime, stime, used, most = 0;
	struct task *t, *best = NULL;

	list_for_each_entry(t, &tg->threads, thread_link) {
		if (t->exiting)
			continue;
		task_cputime_locked(t, &utime, &stime);
		used = utime + stime - MIN(t->cpu_told, utime + stime);
		if (!best || used > most) {
			best = t;
			most = used;
		}
	}
	if (best)
		best->cpu_told += most;
	return best;
}

static void itimer_cpu_check_locked(struct tgroup *tg, int i, uint64_t now, int sig, uint64_t *next)
{
	if (!tg->itimer_cpu[i].expires)
		return;
	if (now >= tg->itimer_cpu[i].expires) {
		if (tg->itimer_cpu[i].interval)
			tg->itimer_cpu[i].expires += (uint64_t)tg->itimer_cpu[i].interval;
		else
			tg->itimer_cpu[i].expires = 0;
		send_kernel_to_locked(tgroup_busiest_locked(tg), sig);
	}
	if (tg->itimer_cpu[i].expires)
		*next = MIN(*next, tg->itimer_cpu[i].expires > now ? tg->itimer_cpu[i].expires - now : 1);
}

/* As check_process_timers() in Linux: SIGXCPU each second from the soft limit on, SIGKILL at the hard one. */
static void rlimit_cpu_check_locked(struct tgroup *tg, uint64_t now, uint64_t *next)
{
	struct linux_rlimit lim;
	uint64_t secs = now / 1000000000;

	mutex_lock(&tg->rlim_lock);
	lim = tg->rlim[LINUX_RLIMIT_CPU];
	if (lim.rlim_cur != LINUX_RLIM_INFINITY && secs >= lim.rlim_cur && secs < lim.rlim_max)
		tg->rlim[LINUX_RLIMIT_CPU].rlim_cur++;
	mutex_unlock(&tg->rlim_lock);
	if (lim.rlim_cur == LINUX_RLIM_INFINITY)
		return;
	if (secs >= lim.rlim_max) {
		send_kernel_locked(tg, LINUX_SIGKILL);
		return;
	}
	if (secs >= lim.rlim_cur) {
		send_kernel_locked(tg, LINUX_SIGXCPU);
		*next = MIN(*next, 1000000000);
	} else if (lim.rlim_cur - secs < INT64_MAX / 1000000000) {
		*next = MIN(*next, lim.rlim_cur * 1000000000 - now);
	}
}

static void cpu_timers_check_locked(struct tgroup *tg)
{
	uint64_t utime, stime, next = UINT64_MAX, posix;

	tgroup_cputime_locked(tg, &utime, &stime);
	itimer_cpu_check_locked(tg, 0, utime, LINUX_SIGVTALRM, &next);
	itimer_cpu_check_locked(tg, 1, utime + stime, LINUX_SIGPROF, &next);
	rlimit_cpu_check_locked(tg, utime + stime, &next);
	posix = posix_cpu_timers_check_locked(tg);
	if (posix)
		next = MIN(next, posix);
	if (next == UINT64_MAX || !tg->nr_live)
		return;
	next = MIN(next / MAX(tg->nr_threads, 1U), (uint64_t)INT64_MAX / 2);
	timer_arm(&tg->cpu_timer, deadline_after(MAX((int64_t)next, CPU_CHECK_MIN_NS)));
}

static void cpu_timer_fire(struct timer *timer)
{
	struct tgroup *tg = timer->data;

	MUTEX_GUARD(&tg->siglock);
	cpu_timers_check_locked(tg);
}

void cpu_timers_start_locked(struct tgroup *tg)
{
	mutex_assert_held(&tg->siglock);
	cpu_timers_check_locked(tg);
}

/* --- setitimer(2) --- */

static void itimer_get_locked(struct tgroup *tg, int which, int64_t *ret_value, int64_t *ret_interval)
{
	uint64_t utime, stime, now, expires;

	if (which == LINUX_ITIMER_REAL) {
		*ret_value = tg->itimer_real.armed ? MAX(tg->itimer_real.deadline - monotonic_ns(), 1000) : 0;
		*ret_interval = tg->itimer_real_interval;
		return;
	}
	tgroup_cputime_locked(tg, &utime, &stime);
	now = which == LINUX_ITIMER_VIRTUAL ? utime : utime + stime;
	expires = tg->itimer_cpu[which - 1].expires;
	*ret_value = !expires ? 0 : expires > now ? (int64_t)(expires - now) : 1000;
	*ret_interval = tg->itimer_cpu[which - 1].interval;
}

void itimer_get(struct tgroup *tg, int which, int64_t *ret_value, int64_t *ret_interval)
{
	MUTEX_GUARD(&tg->siglock);
	itimer_get_locked(tg, which, ret_value, ret_interval);
}

static void itimer_cpu_set_locked(struct tgroup *tg, int which, int64_t value, int64_t interval)
{
	uint64_t utime, stime, now;

	tgroup_cputime_locked(tg, &utime, &stime);
	now = which == LINUX_ITIMER_VIRTUAL ? utime : utime + stime;
	tg->itimer_cpu[which - 1].expires = value ? now + (uint64_t)value : 0;
	tg->itimer_cpu[which - 1].interval = interval;
	if (value)
		cpu_timers_start_locked(tg);
}

void itimer_set(struct tgroup *tg, int which, int64_t value, int64_t interval, int64_t *ret_old_value,
		int64_t *ret_old_interval)
{
	MUTEX_GUARD(&tg->siglock);
	itimer_get_locked(tg, which, ret_old_value, ret_old_interval);
	if (which != LINUX_ITIMER_REAL) {
		itimer_cpu_set_locked(tg, which, value, interval);
		return;
	}
	tg->itimer_real_interval = value ? interval : 0;
	timer_arm(&tg->itimer_real, value ? deadline_after(value) : NO_DEADLINE);
}

/* --- life --- */

void timers_init(struct tgroup *tg)
{
	timer_init(&tg->itimer_real, itimer_real_fire, tg);
	timer_init(&tg->cpu_timer, cpu_timer_fire, tg);
	list_init(&tg->posix_timers);
}

void timers_exit(struct tgroup *tg)
{
	mutex_lock(&tg->siglock);
	tg->itimer_real_interval = 0;
	mutex_unlock(&tg->siglock);
	posix_timers_delete_all(tg);
	timer_cancel(&tg->itimer_real);
	timer_cancel(&tg->cpu_timer);
}
