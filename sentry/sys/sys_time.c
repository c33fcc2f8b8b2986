/* SPDX-License-Identifier: Apache-2.0 */
/* Clocks and sleeping. */
#include "platform/host/host.h"
#include "sentry/kernel/task.h"
#include "sentry/kernel/timers.h"
#include "sentry/mm/uaccess.h"
#include "sentry/sys/syscall.h"

/* --- reading --- */

SYSCALL_DEFINE2(clock_gettime, int, clock, uaddr_t, uts)
{
	int64_t ns;
	int err = clock_read(clock, &ns);

	return err ? err : put_user_timespec(ns, uts);
}

SYSCALL_DEFINE2(clock_getres, int, clock, uaddr_t, uts)
{
	struct host_timespec res = { 0, 1 };
	int64_t ns;
	int err = clock_read(clock, &ns);

	if (err)
		return err;
	if (clock == LINUX_CLOCK_REALTIME_COARSE || clock == LINUX_CLOCK_MONOTONIC_COARSE)
		host_clock_getres(clock, &res);
	return uts ? put_user_timespec(res.sec * 1000000000 + res.nsec, uts) : 0;
}

SYSCALL_DEFINE2(gettimeofday, uaddr_t, utv, uaddr_t, utz)
{
	struct linux_timeval tv = ns_timeval(host_clock_ns(LINUX_CLOCK_REALTIME));
	struct linux_timezone tz = { 0, 0 };

	if (utv && copy_to_user(utv, &tv, sizeof(tv)))
		return -LINUX_EFAULT;
	if (utz && copy_to_user(utz, &tz, sizeof(tz)))
		return -LINUX_EFAULT;
	return 0;
}

SYSCALL_DEFINE1(time, uaddr_t, utime)
{
	int64_t now = host_clock_ns(LINUX_CLOCK_REALTIME) / 1000000000;

	if (utime && put_user(now, utime, int64_t))
		return -LINUX_EFAULT;
	return now;
}

static int64_t ticks(uint64_t ns)
{
	return (int64_t)(ns / (1000000000 / LINUX_USER_HZ));
}

SYSCALL_DEFINE1(times, uaddr_t, utms)
{
	struct rusage_acct self, children;
	struct linux_tms tms;

	if (utms) {
		tgroup_rusage(current->tg, &self, &children);
		tms = (struct linux_tms){ ticks(self.utime), ticks(self.stime), ticks(children.utime),
					  ticks(children.stime) };
		if (copy_to_user(utms, &tms, sizeof(tms)))
			return -LINUX_EFAULT;
	}
	return ticks((uint64_t)boottime_ns());
}

/* --- setting: the clocks are the host's, which nobody in the guest may set --- */

/* The clock is the host's: it can be set to what it is. */
static int set_clock(int64_t sec)
{
	int64_t off = sec - current_time().sec;

	return capable(CAP_SYS_TIME) && off >= -2 && off <= 2 ? 0 : -LINUX_EPERM;
}

SYSCALL_DEFINE2(clock_settime, int, clock, uaddr_t, uts)
{
	int64_t ns;
	int err;

	if (clock != LINUX_CLOCK_REALTIME)
		return -LINUX_EINVAL;
	err = get_user_timespec(uts, &ns);
	return err ? err : set_clock(ns / 1000000000);
}

SYSCALL_DEFINE2(settimeofday, uaddr_t, utv, uaddr_t, utz)
{
	struct linux_timezone tz;
	struct linux_timeval tv;

	if (utv && get_user(&tv, utv))
		return -LINUX_EFAULT;
	if (utv && (tv.tv_usec < 0 || tv.tv_usec >= 1000000))
		return -LINUX_EINVAL;
	if (utz && get_user(&tz, utz))
		return -LINUX_EFAULT;
	if (!capable(CAP_SYS_TIME))
		return -LINUX_EPERM;
	/* The time zone alone is nobody's; hwclock --systz sets it. */
	return utv ? set_clock(tv.tv_sec) : 0;
}

/* Reads the state of an unsynchronised clock; every change needs CAP_SYS_TIME over the host. */
static int64_t do_adjtimex(int clock, uaddr_t utx)
{
	struct linux_timex tx;

	if (clock != LINUX_CLOCK_REALTIME)
		return clock_sleep_base(clock) < 0 ? -LINUX_EINVAL : -LINUX_EOPNOTSUPP;
	if (get_user(&tx, utx))
		return -LINUX_EFAULT;
	if (tx.modes)
		return -LINUX_EPERM;
	tx = (struct linux_timex){
		.maxerror = 16000000, .esterror = 16000000, .status = 0x40 /* STA_UNSYNC */, .constant = 2,
		.precision = 1, .tolerance = 32768000, .tick = 10000,
		.time = ns_timeval(host_clock_ns(LINUX_CLOCK_REALTIME)),
	};
	if (copy_to_user(utx, &tx, sizeof(tx)))
		return -LINUX_EFAULT;
	return 5; /* TIME_ERROR: not synchronised */
}

SYSCALL_DEFINE1(adjtimex, uaddr_t, utx)
{
	return do_adjtimex(LINUX_CLOCK_REALTIME, utx);
}

SYSCALL_DEFINE2(clock_adjtime, int, clock, uaddr_t, utx)
{
	return do_adjtimex(clock, utx);
}

/* --- sleeping --- */

static int sleep_until(deadline_t deadline)
{
	int err;

	do
		err = sleeper_sleep(SLEEP_INTERRUPTIBLE, deadline);
	while (!err);
	return err == -LINUX_ETIMEDOUT ? 0 : err;
}

static int64_t nanosleep_until(deadline_t deadline, uaddr_t rmtp);

static int64_t nanosleep_restart(struct restart_block *rb)
{
	return nanosleep_until(rb->nanosleep.deadline, rb->nanosleep.rmtp);
}

/* A relative sleep: interrupted, it tells what is left, and goes on to the same deadline. */
static int64_t nanosleep_until(deadline_t deadline, uaddr_t rmtp)
{
	struct restart_block *rb = &current->restart;

	if (!sleep_until(deadline))
		return 0;
	if (rmtp && put_user_timespec(MAX(deadline - monotonic_ns(), 0), rmtp))
		return -LINUX_EFAULT;
	rb->fn = nanosleep_restart;
	rb->nanosleep.deadline = deadline;
	rb->nanosleep.rmtp = rmtp;
	return -LINUX_ERESTART_RESTARTBLOCK;
}

SYSCALL_DEFINE2(nanosleep, uaddr_t, uts, uaddr_t, rmtp)
{
	int64_t ns;
	int err = get_user_timespec(uts, &ns);

	return err ? err : nanosleep_until(deadline_after(ns), rmtp);
}

/*
 * CPU clocks: sleeps until they have gone on far enough, looking as often as all threads of the process running could take
 * them there.
 */
static int64_t cpu_clock_nanosleep(int clock, int flags, int64_t ns, uaddr_t rmtp)
{
	int64_t now, until = ns;
	int err = clock_read(clock, &now);

	if (err)
		return err;
	if (!(flags & LINUX_TIMER_ABSTIME) && __builtin_add_overflow(now, ns, &until))
		until = INT64_MAX;
	while (now < until) {
		int64_t step = MAX((until - now) / (int64_t)MAX(tgroup_nr_threads(current->tg), 1U), 1000000);

		err = sleeper_sleep(SLEEP_INTERRUPTIBLE, deadline_after(step));
		clock_read(clock, &now);
		if (err != -LINUX_ERESTARTSYS)
			continue;
		if (flags & LINUX_TIMER_ABSTIME)
			return -LINUX_ERESTARTNOHAND;
		if (rmtp && put_user_timespec(MAX(until - now, 0), rmtp))
			return -LINUX_EFAULT;
		return -LINUX_EINTR;
	}
	return 0;
}

SYSCALL_DEFINE4(clock_nanosleep, int, clock, int, flags, uaddr_t, uts, uaddr_t, rmtp)
{
	deadline_t deadline;
	int64_t ns;
	bool cpu;
	int err;

	/* One's own CPU time doesn't go on while one sleeps. */
	if (clock == LINUX_CLOCK_THREAD_CPUTIME_ID)
		return -LINUX_EOPNOTSUPP;
	cpu = clock < 0 || clock == LINUX_CLOCK_PROCESS_CPUTIME_ID;
	err = cpu ? clock_read(clock, &ns) : MIN(clock_sleep_base(clock), 0);
	if (err)
		return err;
	err = get_user_timespec(uts, &ns);
	if (err)
		return err;
	if (cpu)
		return cpu_clock_nanosleep(clock, flags, ns, rmtp);
	clock_deadline(clock, ns, flags & LINUX_TIMER_ABSTIME, &deadline);
	if (!(flags & LINUX_TIMER_ABSTIME))
		return nanosleep_until(deadline, rmtp);
	return sleep_until(deadline) ? -LINUX_ERESTARTNOHAND : 0;
}
