/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's clocks.  They are the host's, because the vDSO in the guest reads those; CPU clocks are the sentry's own
 * accounting.
 */
#include "platform/host/host.h"
#include "sentry/abi/errno.h"
#include "sentry/kernel/task.h"
#include "sentry/kernel/timers.h"
#include "sentry/mm/uaccess.h"

/* Dynamic CPU clocks, clock_getcpuclockid(3): ~pid << 3 | thread bit 4 | which. */
#define CPUCLOCK_THREAD 4
#define CPUCLOCK_WHICH(clock) ((clock) & 3)
#define CPUCLOCK_PROF 0
#define CPUCLOCK_VIRT 1
#define CPUCLOCK_SCHED 2

int get_user_timespec(uaddr_t uts, int64_t *ret_ns)
{
	struct linux_timespec ts;

	if (get_user(&ts, uts))
		return -LINUX_EFAULT;
	if (!timespec_valid(&ts))
		return -LINUX_EINVAL;
	*ret_ns = timespec_ns(&ts);
	return 0;
}

int put_user_timespec(int64_t ns, uaddr_t uts)
{
	struct linux_timespec ts = ns_timespec(ns);

	return copy_to_user(uts, &ts, sizeof(ts));
}

static int cpu_clock_of_task(struct task *t, int which, bool thread, int64_t *ret_ns)
{
	uint64_t utime, stime;

	if (thread)
		task_cputime(t, &utime, &stime);
	else
		tgroup_cputime(t->tg, &utime, &stime);
	*ret_ns = (int64_t)(which == CPUCLOCK_VIRT ? utime : utime + stime);
	return 0;
}

/* The task a dynamic clock names: a thread of the caller's process, or any process.  A reference or NULL. */
static struct task *cpu_clock_task(int clock)
{
	int pid = ~(clock >> 3);
	struct task *t;

	if (!pid)
		return task_get(current);
	t = task_find_get(pid);
	if (!t)
		return NULL;
	if (clock & CPUCLOCK_THREAD ? t->tg == current->tg : task_is_leader(t) || t->tg == current->tg)
		return t;
	task_put(t);
	return NULL;
}

static int cpu_clock_read(int clock, int64_t *ret_ns)
{
	struct task *t;
	int err;

	if (CPUCLOCK_WHICH(clock) > CPUCLOCK_SCHED)
		return -LINUX_EINVAL;
	t = cpu_clock_task(clock);
	if (!t)
		return -LINUX_EINVAL;
	err = cpu_clock_of_task(t, CPUCLOCK_WHICH(clock), clock & CPUCLOCK_THREAD, ret_ns);
	task_put(t);
	return err;
}

int clock_read(int clock, int64_t *ret_ns)
{
	if (clock < 0)
		return cpu_clock_read(clock, ret_ns);
	switch (clock) {
	case LINUX_CLOCK_PROCESS_CPUTIME_ID:
		return cpu_clock_of_task(current, CPUCLOCK_SCHED, false, ret_ns);
	case LINUX_CLOCK_THREAD_CPUTIME_ID:
		return cpu_clock_of_task(current, CPUCLOCK_SCHED, true, ret_ns);
	case LINUX_CLOCK_REALTIME_ALARM:
		clock = LINUX_CLOCK_REALTIME;
		break;
	case LINUX_CLOCK_BOOTTIME_ALARM:
		clock = LINUX_CLOCK_BOOTTIME;
		break;
	case LINUX_CLOCK_REALTIME:
	case LINUX_CLOCK_MONOTONIC:
	case LINUX_CLOCK_MONOTONIC_RAW:
	case LINUX_CLOCK_REALTIME_COARSE:
	case LINUX_CLOCK_MONOTONIC_COARSE:
	case LINUX_CLOCK_BOOTTIME:
	case LINUX_CLOCK_TAI:
		break;
	default:
		return -LINUX_EINVAL;
	}
	*ret_ns = host_clock_ns(clock);
	return 0;
}

int clock_sleep_base(int clock)
{
	switch (clock) {
	case LINUX_CLOCK_REALTIME:
	case LINUX_CLOCK_TAI:
	case LINUX_CLOCK_MONOTONIC:
	case LINUX_CLOCK_BOOTTIME:
		return clock;
	case LINUX_CLOCK_REALTIME_ALARM:
	case LINUX_CLOCK_BOOTTIME_ALARM:
		/* As on a machine without a clock that can wake it up. */
		return -LINUX_EOPNOTSUPP;
	case LINUX_CLOCK_MONOTONIC_RAW:
	case LINUX_CLOCK_REALTIME_COARSE:
	case LINUX_CLOCK_MONOTONIC_COARSE:
		return -LINUX_EOPNOTSUPP;
	default:
		return -LINUX_EINVAL;
	}
}

/*
 * Deadlines are host CLOCK_MONOTONIC.  An absolute time of another clock is translated once: if somebody sets the host's
 * wall clock later, the sleep doesn't follow it.
 */
int clock_deadline(int clock, int64_t ns, bool abs, deadline_t *ret)
{
	int base = clock_sleep_base(clock);

	if (base < 0)
		return base;
	if (!abs)
		*ret = deadline_after(ns);
	else if (base == LINUX_CLOCK_MONOTONIC)
		*ret = ns;
	else
		*ret = deadline_after(MAX(ns - host_clock_ns(base), 0));
	return 0;
}
