/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timerfd_create(2).  All deadlines are kept on the monotonic clock; CLOCK_REALTIME ones are converted when they are set.
 */
#include <stdlib.h>

#include "sentry/abi/fcntl.h"
#include "sentry/abi/poll.h"
#include "sentry/base/timer.h"
#include "vfs/anon/event.h"

#define NSEC_PER_SEC 1000000000LL

struct timerfd {
	struct mutex lock;
	struct waitq wait;
	struct timer timer;
	int clockid;
	unsigned settime_flags; /* lock, as all below */
	int64_t expires;	/* monotonic ns; 0: disarmed */
	int64_t interval;
	uint64_t ticks;
};

/* Counts what has expired by @now and moves on to the next expiry. */
static void timerfd_update_locked(struct timerfd *t, int64_t now)
{
	if (!t->expires || now < t->expires)
		return;
	if (t->interval) {
		t->ticks += (uint64_t)timer_forward(&t->expires, now, t->interval);
	} else {
		t->expires = 0;
		t->ticks++;
	}
}

static void timerfd_fire(struct timer *timer)
{
	struct timerfd *t = timer->data;

	mutex_lock(&t->lock);
	timerfd_update_locked(t, monotonic_ns());
	if (t->expires)
		timer_arm(&t->timer, t->expires);
	mutex_unlock(&t->lock);
	waitq_wake(&t->wait, LINUX_EPOLLIN);
}

static int64_t timerfd_read(struct file *f, struct iov_iter *to, uint64_t *pos __unused)
{
	struct timerfd *t = f->private_data;
	uint64_t ticks;
	int err = 0;

	if (to->count < sizeof(ticks))
		return -LINUX_EINVAL;
	mutex_lock(&t->lock);
	timerfd_update_locked(t, monotonic_ns());
	if (!t->ticks && (atomic_load(&f->flags) & LINUX_O_NONBLOCK))
		err = -LINUX_EAGAIN;
	else
		err = waitq_wait_locked(&t->wait, &t->lock, t->ticks, SLEEP_INTERRUPTIBLE, NO_DEADLINE);
	ticks = t->ticks;
	if (!err)
		t->ticks = 0;
	mutex_unlock(&t->lock);
	if (err)
		return err;
	return iov_iter_copy_to(to, &ticks, sizeof(ticks)) == sizeof(ticks) ? (int64_t)sizeof(ticks) : -LINUX_EFAULT;
}

static unsigned timerfd_poll(struct file *f, struct poll_table *pt)
{
	struct timerfd *t = f->private_data;

	poll_wait(f, &t->wait, pt);
	MUTEX_GUARD(&t->lock);
	timerfd_update_locked(t, monotonic_ns());
	return t->ticks ? LINUX_EPOLLIN : 0;
}

static void timerfd_release(struct file *f)
{
	struct timerfd *t = f->private_data;

	timer_cancel(&t->timer);
	waitq_fini(&t->wait);
	mutex_fini(&t->lock);
	free(t);
}

static int64_t timerfd_remaining_locked(struct timerfd *t)
{
	return t->expires ? MAX(t->expires - monotonic_ns(), 0) : 0;
}

static void timerfd_show_fdinfo(struct file *f, struct strbuf *sb)
{
	struct timerfd *t = f->private_data;
	int64_t left;
	MUTEX_GUARD(&t->lock);

	left = timerfd_remaining_locked(t);
	strbuf_addf(sb, "clockid: %d\nticks: %llu\nsettime flags: 0%o\nit_value: (%lld, %lld)\nit_interval: (%lld, %lld)\n",
		    t->clockid, (unsigned long long)t->ticks, t->settime_flags, (long long)(left / NSEC_PER_SEC),
		    (long long)(left % NSEC_PER_SEC), (long long)(t->interval / NSEC_PER_SEC),
		    (long long)(t->interval % NSEC_PER_SEC));
}

static const struct file_ops timerfd_ops = {
	.read = timerfd_read,
	.llseek = noop_llseek,
	.poll = timerfd_poll,
	.release = timerfd_release,
	.show_fdinfo = timerfd_show_fdinfo,
};

static bool timespec_valid(const struct linux_timespec *ts)
{
	return ts->tv_sec >= 0 && (uint64_t)ts->tv_nsec < NSEC_PER_SEC;
}

static int64_t timespec_ns(const struct linux_timespec *ts)
{
	if (ts->tv_sec >= INT64_MAX / NSEC_PER_SEC)
		return INT64_MAX;
	return ts->tv_sec * NSEC_PER_SEC + ts->tv_nsec;
}

static struct linux_timespec ns_timespec(int64_t ns)
{
	return (struct linux_timespec){ ns / NSEC_PER_SEC, ns % NSEC_PER_SEC };
}

static void timerfd_get_locked(struct timerfd *t, struct linux_itimerspec *ret)
{
	timerfd_update_locked(t, monotonic_ns());
	ret->it_value = ns_timespec(timerfd_remaining_locked(t));
	ret->it_interval = ns_timespec(t->interval);
}

/* The monotonic time of @its' first expiry; never 0, which means disarmed. */
static int64_t timerfd_deadline(struct timerfd *t, unsigned flags, const struct linux_timespec *value)
{
	int64_t ns = timespec_ns(value), now = monotonic_ns();
	bool real = t->clockid == LINUX_CLOCK_REALTIME || t->clockid == LINUX_CLOCK_REALTIME_ALARM;

	if (flags & LINUX_TFD_TIMER_ABSTIME)
		ns -= real ? realtime_ns() : now;
	return MAX(deadline_after(MAX(ns, 0)), 1);
}

struct file *timerfd_file_new(int clockid, unsigned flags)
{
	struct timerfd *t;
	struct file *f;

	if (flags & ~(LINUX_O_CLOEXEC | LINUX_O_NONBLOCK))
		return ERR_PTR(-LINUX_EINVAL);
	if (clockid != LINUX_CLOCK_REALTIME && clockid != LINUX_CLOCK_MONOTONIC && clockid != LINUX_CLOCK_BOOTTIME &&
	    clockid != LINUX_CLOCK_REALTIME_ALARM && clockid != LINUX_CLOCK_BOOTTIME_ALARM)
		return ERR_PTR(-LINUX_EINVAL);
	if ((clockid == LINUX_CLOCK_REALTIME_ALARM || clockid == LINUX_CLOCK_BOOTTIME_ALARM) && !capable(CAP_WAKE_ALARM))
		return ERR_PTR(-LINUX_EPERM);
	t = calloc(1, sizeof(*t));
	if (!t)
		return ERR_PTR(-LINUX_ENOMEM);
	mutex_init(&t->lock);
	waitq_init(&t->wait);
	timer_init(&t->timer, timerfd_fire, t);
	t->clockid = clockid;
	f = anon_file_new("anon_inode:[timerfd]", 0600, &timerfd_ops, LINUX_O_RDWR | (flags & LINUX_O_NONBLOCK), t);
	if (IS_ERR(f))
		free(t);
	return f;
}

bool timerfd_args_valid(unsigned flags, const struct linux_itimerspec *its)
{
	return !(flags & ~(LINUX_TFD_TIMER_ABSTIME | LINUX_TFD_TIMER_CANCEL_ON_SET)) && timespec_valid(&its->it_value) &&
	       timespec_valid(&its->it_interval);
}

int timerfd_settime(struct file *f, unsigned flags, const struct linux_itimerspec *its, struct linux_itimerspec *ret_old)
{
	struct linux_itimerspec old;
	struct timerfd *t;
	int err = 0;

	if (!timerfd_args_valid(flags, its) || f->ops != &timerfd_ops)
		return -LINUX_EINVAL;
	t = f->private_data;
	timer_cancel(&t->timer);
	mutex_lock(&t->lock);
	timerfd_get_locked(t, &old);
	t->ticks = 0;
	t->settime_flags = flags;
	t->interval = timespec_ns(&its->it_interval);
	t->expires = 0;
	if (its->it_value.tv_sec || its->it_value.tv_nsec) {
		t->expires = timerfd_deadline(t, flags, &its->it_value);
		err = timer_arm(&t->timer, t->expires);
	}
	mutex_unlock(&t->lock);
	if (!err && ret_old)
		*ret_old = old;
	return err;
}

int timerfd_gettime(struct file *f, struct linux_itimerspec *ret)
{
	struct timerfd *t = f->private_data;

	if (f->ops != &timerfd_ops)
		return -LINUX_EINVAL;
	MUTEX_GUARD(&t->lock);
	timerfd_get_locked(t, ret);
	return 0;
}
