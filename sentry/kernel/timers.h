/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Timers of processes: setitimer(2), alarm(2), timer_create(2), RLIMIT_CPU.  What is due is found by the timer service
 * thread, which sends the signal; an interval goes on when the signal is taken, so that a timer is never pending twice.
 *
 * CPU-time timers have no clock that calls back: a process with one armed is looked at again when its CPU time could have
 * run out at the earliest (as many threads as there are, all of them running).
 */
#ifndef SENTRY_KERNEL_TIMERS_H
#define SENTRY_KERNEL_TIMERS_H

#include "sentry/abi/time.h"
#include "sentry/kernel/signal.h"

struct posix_timer;
struct tgroup;

void timers_init(struct tgroup *tg);
/* The process ends: nothing fires any more.  No locks. */
void timers_exit(struct tgroup *tg);
/* exec: POSIX timers go, interval timers stay. */
void posix_timers_delete_all(struct tgroup *tg);

/* A timer's signal was taken: fills in the overrun count and starts the next interval.  siglock. */
void posix_timer_rearm_locked(struct posix_timer *timer, struct linux_siginfo *info);
void itimer_real_rearm_locked(struct tgroup *tg);
/* A CPU-time limit or timer of @tg was set: look from now on.  siglock. */
void cpu_timers_start_locked(struct tgroup *tg);
/* The CPU-time POSIX timers of @tg: sends what is due, returns the ns of CPU time until the next (0: none).  siglock. */
uint64_t posix_cpu_timers_check_locked(struct tgroup *tg);

/* itimers: value and interval in ns, 0 off. */
void itimer_get(struct tgroup *tg, int which, int64_t *ret_value, int64_t *ret_interval);
void itimer_set(struct tgroup *tg, int which, int64_t value, int64_t interval, int64_t *ret_old_value,
		int64_t *ret_old_interval);

/* --- clocks --- */

/* Reads any guest clock, dynamic CPU clocks included: 0 or -LINUX_EINVAL. */
int clock_read(int clock, int64_t *ret_ns);
/*
 * Whether the clock exists, and whether it can be slept on and armed: the host clock its time follows with the deadline
 * for @ns (@abs: a time of that clock).  -LINUX_EINVAL, -LINUX_EOPNOTSUPP.
 */
int clock_deadline(int clock, int64_t ns, bool abs, deadline_t *ret);

/* The host clock to sleep on for @clock, or the same errors. */
int clock_sleep_base(int clock);

/* Nanoseconds of a valid, non-negative timespec; capped at INT64_MAX. */
static inline bool timespec_valid(const struct linux_timespec *ts)
{
	return ts->tv_sec >= 0 && (uint64_t)ts->tv_nsec < 1000000000UL;
}
static inline int64_t timespec_ns(const struct linux_timespec *ts)
{
	if (ts->tv_sec >= INT64_MAX / 1000000000)
		return INT64_MAX;
	return ts->tv_sec * 1000000000 + ts->tv_nsec;
}
static inline struct linux_timespec ns_timespec(int64_t ns)
{
	return (struct linux_timespec){ ns / 1000000000, ns % 1000000000 };
}
static inline struct linux_timeval ns_timeval(int64_t ns)
{
	return (struct linux_timeval){ ns / 1000000000, ns % 1000000000 / 1000 };
}
/* A timespec from the guest: 0, -LINUX_EFAULT or -LINUX_EINVAL. */
int get_user_timespec(uaddr_t uts, int64_t *ret_ns);
int put_user_timespec(int64_t ns, uaddr_t uts);

/* The thread that used most CPU time since it was chosen last; siglock; borrowed; NULL when all are exiting. */
struct task *tgroup_busiest_locked(struct tgroup *tg);

#endif
