/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POSIX timers.
 *
 * A timer owns the queue entry of its signal: it is pending at most once, and while it is, the timer stands still.  When the
 * signal is taken, the expirations missed since are counted as overruns and the timer goes on from its own schedule.
 *
 * All state is guarded by siglock.  A timer is freed after timer_cancel, with no lock held, so its function never runs on
 * freed storage.
 */
#include "sentry/kernel/posix_timer.h"

#include <stdlib.h>

#include "platform/host/host.h"
#include "sentry/kernel/task.h"
#include "sentry/kernel/timers.h"
#include "sentry/kernel/user.h"

struct posix_timer {
	struct list_head link;	/* tg->posix_timers */
	struct tgroup *tg;	/* borrowed: the process outlives its timers */
	struct task *target;	/* SIGEV_THREAD_ID: the thread; reference */
	int id, clock, notify;
	bool cpu;		/* runs on a CPU clock: checked by cpu_timers_check */
	struct task *cpu_task;	/* CLOCK_THREAD_CPUTIME_ID: whose; reference */
	int64_t expires;	/* on its clock (wall clocks: CLOCK_MONOTONIC), ns; 0: disarmed */
	int64_t interval;
	int64_t overrun, overrun_last;
	bool rearm;		/* the signal is pending, and taking it starts the next interval */
	struct sigqueue q;
	struct timer timer;
};

static int64_t posix_timer_now(struct posix_timer *pt)
{
	uint64_t utime, stime;

	if (!pt->cpu)
		return monotonic_ns();
	mutex_assert_held(&pt->tg->siglock);
	if (pt->cpu_task)
		task_cputime_locked(pt->cpu_task, &utime, &stime);
	else
		tgroup_cputime_locked(pt->tg, &utime, &stime);
	return (int64_t)(utime + stime);
}

static void posix_timer_start_locked(struct posix_timer *pt)
{
	if (!pt->expires || pt->notify == LINUX_SIGEV_NONE)
		return;
	if (pt->cpu)
		cpu_timers_start_locked(pt->tg);
	else
		timer_arm(&pt->timer, pt->expires);
}

static void posix_timer_expire_locked(struct posix_timer *pt, int64_t now)
{
	struct task *t = pt->target;

	pt->rearm = pt->interval != 0;
	if (!t)
		t = pt->cpu ? tgroup_busiest_locked(pt->tg) : tgroup_first_locked(pt->tg);
	if (t && !t->exiting && signal_send_owned_locked(t, &pt->q, !pt->target)) {
		if (!pt->interval)
			pt->expires = 0;
		return;
	}
	/* Ignored: it can't be taken, so the next interval starts here, not too soon. */
	pt->rearm = false;
	if (!pt->interval) {
		pt->expires = 0;
		return;
	}
	pt->overrun += timer_forward(&pt->expires, now, pt->interval);
	if (!pt->cpu)
		timer_arm(&pt->timer, MAX(pt->expires, now + 1000000));
}

static void posix_timer_fire(struct timer *timer)
{
	struct posix_timer *pt = timer->data;

	MUTEX_GUARD(&pt->tg->siglock);
	/* It may have been set anew, or deleted, on the way here. */
	if (list_empty(&pt->link) || pt->timer.armed || !pt->expires)
		return;
	posix_timer_expire_locked(pt, monotonic_ns());
}

void posix_timer_rearm_locked(struct posix_timer *pt, struct linux_siginfo *info)
{
	if (pt->rearm) {
		pt->rearm = false;
		pt->overrun += timer_forward(&pt->expires, posix_timer_now(pt), pt->interval) - 1;
		posix_timer_start_locked(pt);
	}
	pt->overrun_last = pt->overrun;
	pt->overrun = 0;
	info->timer.overrun = (int32_t)MIN(MAX(pt->overrun_last, 0), INT32_MAX);
	info->timer.sys_private = 0;
}

uint64_t posix_cpu_timers_check_locked(struct tgroup *tg)
{
	struct posix_timer *pt;
	uint64_t next = 0;

	list_for_each_entry(pt, &tg->posix_timers, link) {
		int64_t now;

		if (!pt->cpu || !pt->expires || pt->rearm || pt->notify == LINUX_SIGEV_NONE)
			continue;
		now = posix_timer_now(pt);
		if (pt->expires <= now)
			posix_timer_expire_locked(pt, now);
		if (pt->expires && !pt->rearm) {
			uint64_t left = (uint64_t)MAX(pt->expires - now, 1);

			next = next ? MIN(next, left) : left;
		}
	}
	return next;
}

/* --- system calls --- */

static struct posix_timer *posix_timer_find_locked(int id)
{
	struct posix_timer *pt;

	list_for_each_entry(pt, &current->tg->posix_timers, link)
		if (pt->id == id)
			return pt;
	return NULL;
}

static int posix_timer_set_clock(struct posix_timer *pt, int clock)
{
	int64_t now;
	int err;

	pt->clock = clock;
	if (clock == LINUX_CLOCK_PROCESS_CPUTIME_ID || clock == LINUX_CLOCK_THREAD_CPUTIME_ID || clock < 0) {
		pt->cpu = true;
		err = clock_read(clock, &now);
		if (err)
			return err;
		/* Another process's CPU time as a timer is not offered. */
		if (clock < 0 && ~(clock >> 3) && !(clock & 4) && ~(clock >> 3) != task_tgid(current))
			return -LINUX_EINVAL;
		if (clock == LINUX_CLOCK_THREAD_CPUTIME_ID)
			pt->cpu_task = task_get(current);
		else if (clock < 0 && (clock & 4))
			pt->cpu_task = ~(clock >> 3) ? task_find_get(~(clock >> 3)) : task_get(current);
		return 0;
	}
	err = clock_sleep_base(clock);
	return err < 0 ? err : 0;
}

static int posix_timer_set_event(struct posix_timer *pt, const struct linux_sigevent *ev)
{
	struct task *t;

	pt->notify = ev->sigev_notify;
	if (pt->notify == LINUX_SIGEV_NONE)
		return 0;
	if (pt->notify != LINUX_SIGEV_SIGNAL && pt->notify != LINUX_SIGEV_THREAD && pt->notify != LINUX_SIGEV_THREAD_ID)
		return -LINUX_EINVAL;
	if (!sig_valid(ev->sigev_signo))
		return -LINUX_EINVAL;
	if (pt->notify == LINUX_SIGEV_THREAD_ID) {
		t = task_find_get(ev->sigev_tid);
		if (!t || t->tg != current->tg) {
			if (t)
				task_put(t);
			return -LINUX_EINVAL;
		}
		pt->target = t;
	}
	return 0;
}

static void posix_timer_free(struct posix_timer *pt)
{
	timer_cancel(&pt->timer);
	if (pt->target)
		task_put(pt->target);
	if (pt->cpu_task)
		task_put(pt->cpu_task);
	if (pt->q.user) {
		atomic_fetch_sub(&pt->q.user->nr_sigpending, 1);
		user_put(pt->q.user);
	}
	free(pt);
}

/* The queue entry counts against RLIMIT_SIGPENDING from the start. */
static int posix_timer_charge(struct posix_timer *pt)
{
	struct user *user = current->user;

	if ((uint64_t)(atomic_fetch_add(&user->nr_sigpending, 1) + 1) > current_rlimit(LINUX_RLIMIT_SIGPENDING)) {
		atomic_fetch_sub(&user->nr_sigpending, 1);
		return -LINUX_EAGAIN;
	}
	pt->q.user = user_get(user);
	return 0;
}

int posix_timer_create(int clock, const struct linux_sigevent *ev)
{
	struct linux_sigevent by_default = { .sigev_signo = LINUX_SIGALRM, .sigev_notify = LINUX_SIGEV_SIGNAL };
	struct tgroup *tg = current->tg;
	struct posix_timer *pt = calloc(1, sizeof(*pt));
	int err;

	if (!pt)
		return -LINUX_EAGAIN;
	list_init(&pt->link);
	list_init(&pt->q.link);
	pt->q.timer = pt;
	pt->tg = tg;
	timer_init(&pt->timer, posix_timer_fire, pt);
	err = posix_timer_set_clock(pt, clock);
	if (!err)
		err = posix_timer_charge(pt);
	if (!err)
		err = posix_timer_set_event(pt, ev ? ev : &by_default);
	if (err) {
		posix_timer_free(pt);
		return err;
	}
	siginfo_init(&pt->q.info, ev ? ev->sigev_signo : LINUX_SIGALRM, LINUX_SI_TIMER);
	MUTEX_GUARD(&tg->siglock);
	do
		pt->id = tg->next_timer_id++ & INT32_MAX;
	while (posix_timer_find_locked(pt->id));
	pt->q.info.timer.tid = pt->id;
	pt->q.info.timer.value = ev ? ev->sigev_value : (uint64_t)pt->id;
	list_add_tail(&pt->link, &tg->posix_timers);
	return pt->id;
}

/* Takes @pt and its pending signal off all lists; the caller frees it without locks. */
static void posix_timer_unlink_locked(struct posix_timer *pt)
{
	struct task *t;

	list_del(&pt->link);
	pt->expires = 0;
	timer_disarm(&pt->timer);
	if (list_empty(&pt->q.link))
		return;
	sigpending_remove(&pt->tg->shared_pending, &pt->q);
	list_for_each_entry(t, &pt->tg->threads, thread_link)
		sigpending_remove(&t->pending, &pt->q);
}

int posix_timer_delete(int id)
{
	struct tgroup *tg = current->tg;
	struct posix_timer *pt;

	mutex_lock(&tg->siglock);
	pt = posix_timer_find_locked(id);
	if (pt)
		posix_timer_unlink_locked(pt);
	mutex_unlock(&tg->siglock);
	if (!pt)
		return -LINUX_EINVAL;
	posix_timer_free(pt);
	return 0;
}

void posix_timers_delete_all(struct tgroup *tg)
{
	struct posix_timer *pt;

	for (;;) {
		mutex_lock(&tg->siglock);
		pt = list_first_entry_or_null(&tg->posix_timers, struct posix_timer, link);
		if (pt)
			posix_timer_unlink_locked(pt);
		mutex_unlock(&tg->siglock);
		if (!pt)
			break;
		posix_timer_free(pt);
	}
	tg->next_timer_id = 0;
}

static void posix_timer_get_locked(struct posix_timer *pt, int64_t *ret_value, int64_t *ret_interval)
{
	int64_t now = posix_timer_now(pt), expires = pt->expires;

	*ret_interval = pt->interval;
	*ret_value = 0;
	if (!expires)
		return;
	if (expires <= now && pt->interval)
		expires += ((now - expires) / pt->interval + 1) * pt->interval;
	if (expires > now)
		*ret_value = expires - now;
	else if (pt->notify != LINUX_SIGEV_NONE)
		*ret_value = 1; /* it will fire in a moment: 0 would mean disarmed */
}

int posix_timer_gettime(int id, int64_t *ret_value, int64_t *ret_interval)
{
	struct tgroup *tg = current->tg;
	struct posix_timer *pt;

	MUTEX_GUARD(&tg->siglock);
	pt = posix_timer_find_locked(id);
	if (!pt)
		return -LINUX_EINVAL;
	posix_timer_get_locked(pt, ret_value, ret_interval);
	return 0;
}

/* When @value, given on the timer's clock, is in terms of what `expires` counts. */
static int64_t posix_timer_expiry(struct posix_timer *pt, int flags, int64_t value)
{
	deadline_t deadline;
	int64_t sum;

	if (pt->cpu) {
		if (flags & LINUX_TIMER_ABSTIME)
			return value;
		return __builtin_add_overflow(posix_timer_now(pt), value, &sum) ? INT64_MAX : sum;
	}
	if (clock_deadline(pt->clock, value, flags & LINUX_TIMER_ABSTIME, &deadline))
		return 0;
	return MAX(deadline, 1);
}

int posix_timer_settime(int id, int flags, int64_t value, int64_t interval, int64_t *ret_old_value,
			int64_t *ret_old_interval)
{
	struct tgroup *tg = current->tg;
	struct posix_timer *pt;

	MUTEX_GUARD(&tg->siglock);
	pt = posix_timer_find_locked(id);
	if (!pt)
		return -LINUX_EINVAL;
	posix_timer_get_locked(pt, ret_old_value, ret_old_interval);
	timer_disarm(&pt->timer);
	pt->rearm = false;
	pt->overrun = pt->overrun_last = 0;
	pt->expires = 0;
	pt->interval = value ? interval : 0;
	if (value) {
		pt->expires = posix_timer_expiry(pt, flags, value);
		posix_timer_start_locked(pt);
	}
	return 0;
}

int posix_timer_getoverrun(int id)
{
	struct tgroup *tg = current->tg;
	struct posix_timer *pt;

	MUTEX_GUARD(&tg->siglock);
	pt = posix_timer_find_locked(id);
	return pt ? (int)MIN(MAX(pt->overrun_last, 0), INT32_MAX) : -LINUX_EINVAL;
}
