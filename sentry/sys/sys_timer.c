/* SPDX-License-Identifier: Apache-2.0 */
/* Interval timers and POSIX timers. */
#include "sentry/kernel/posix_timer.h"
#include "sentry/kernel/task.h"
#include "sentry/kernel/timers.h"
#include "sentry/mm/uaccess.h"
#include "sentry/sys/syscall.h"

/* --- setitimer --- */

static int timeval_to_ns(const struct linux_timeval *tv, int64_t *ret)
{
	if (tv->tv_sec < 0 || tv->tv_usec < 0 || tv->tv_usec >= 1000000)
		return -LINUX_EINVAL;
	*ret = tv->tv_sec >= INT64_MAX / 1000000000 ? INT64_MAX : tv->tv_sec * 1000000000 + tv->tv_usec * 1000;
	return 0;
}

static int put_itimerval(uaddr_t uptr, int64_t value, int64_t interval)
{
	/* Rounded up, so that what is armed never reads as off. */
	struct linux_itimerval it = { ns_timeval(interval), ns_timeval(value > INT64_MAX - 999 ? value : value + 999) };

	return copy_to_user(uptr, &it, sizeof(it));
}

SYSCALL_DEFINE2(getitimer, int, which, uaddr_t, uvalue)
{
	int64_t value, interval;

	if (which < LINUX_ITIMER_REAL || which > LINUX_ITIMER_PROF)
		return -LINUX_EINVAL;
	itimer_get(current->tg, which, &value, &interval);
	return put_itimerval(uvalue, value, interval);
}

SYSCALL_DEFINE3(setitimer, int, which, uaddr_t, unew, uaddr_t, uold)
{
	int64_t value = 0, interval = 0, old_value, old_interval;
	struct linux_itimerval it;

	/* A missing value disarms, as Linux does for old programs. */
	if (unew) {
		if (get_user(&it, unew))
			return -LINUX_EFAULT;
		if (timeval_to_ns(&it.it_value, &value) || timeval_to_ns(&it.it_interval, &interval))
			return -LINUX_EINVAL;
	}
	if (which < LINUX_ITIMER_REAL || which > LINUX_ITIMER_PROF)
		return -LINUX_EINVAL;
	itimer_set(current->tg, which, value, interval, &old_value, &old_interval);
	return uold ? put_itimerval(uold, old_value, old_interval) : 0;
}

SYSCALL_DEFINE1(alarm, unsigned, seconds)
{
	int64_t old_value, old_interval, secs;

	itimer_set(current->tg, LINUX_ITIMER_REAL, (int64_t)MIN(seconds, (unsigned)INT32_MAX) * 1000000000, 0, &old_value,
		   &old_interval);
	/* To the nearest second, but an alarm that is set never reads as 0. */
	secs = (old_value + 500000000) / 1000000000;
	return old_value && !secs ? 1 : secs;
}

/* --- timer_create --- */

SYSCALL_DEFINE3(timer_create, int, clock, uaddr_t, uevent, uaddr_t, uid)
{
	struct linux_sigevent ev;
	int id;

	if (uevent && get_user(&ev, uevent))
		return -LINUX_EFAULT;
	id = posix_timer_create(clock, uevent ? &ev : NULL);
	if (id < 0)
		return id;
	if (put_user(id, uid, int32_t)) {
		posix_timer_delete(id);
		return -LINUX_EFAULT;
	}
	return 0;
}

static int put_itimerspec(uaddr_t uptr, int64_t value, int64_t interval)
{
	struct linux_itimerspec it = { ns_timespec(interval), ns_timespec(value) };

	return copy_to_user(uptr, &it, sizeof(it));
}

SYSCALL_DEFINE4(timer_settime, int, id, int, flags, uaddr_t, unew, uaddr_t, uold)
{
	int64_t old_value, old_interval;
	struct linux_itimerspec it;
	int err;

	if (!unew)
		return -LINUX_EINVAL;
	if (get_user(&it, unew))
		return -LINUX_EFAULT;
	if (!timespec_valid(&it.it_value) || !timespec_valid(&it.it_interval))
		return -LINUX_EINVAL;
	err = posix_timer_settime(id, flags, timespec_ns(&it.it_value), timespec_ns(&it.it_interval), &old_value,
				  &old_interval);
	if (err || !uold)
		return err;
	return put_itimerspec(uold, old_value, old_interval);
}

SYSCALL_DEFINE2(timer_gettime, int, id, uaddr_t, uvalue)
{
	int64_t value, interval;
	int err = posix_timer_gettime(id, &value, &interval);

	return err ? err : put_itimerspec(uvalue, value, interval);
}

SYSCALL_DEFINE1(timer_getoverrun, int, id)
{
	return posix_timer_getoverrun(id);
}

SYSCALL_DEFINE1(timer_delete, int, id)
{
	return posix_timer_delete(id);
}
