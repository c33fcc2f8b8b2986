/* SPDX-License-Identifier: Apache-2.0 */
/* Clocks. */
#include <errno.h>
#include <time.h>

#include "platform/host/host.h"
#include "platform/host/host_internal.h"

/* The kernel's: what runs and what was run. */
#define CPUCLOCK_SCHED 2U

static_assert(sizeof(struct host_timespec) == sizeof(struct timespec), "struct timespec");

int host_clock_gettime(int clock, struct host_timespec *ret_ts)
{
	struct timespec ts;

	if (clock_gettime(clock, &ts) < 0)
		return -errno;
	*ret_ts = (struct host_timespec){ ts.tv_sec, ts.tv_nsec };
	return 0;
}

int host_clock_getres(int clock, struct host_timespec *ret_ts)
{
	struct timespec ts;

	if (clock_getres(clock, &ts) < 0)
		return -errno;
	*ret_ts = (struct host_timespec){ ts.tv_sec, ts.tv_nsec };
	return 0;
}

int64_t host_clock_ns(int clock)
{
	struct timespec ts;

	if (clock_gettime(clock, &ts) < 0)
		return 0;
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int64_t host_thread_cpu_ns(void)
{
	return host_clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

int64_t host_process_cpu_ns(pid_t pid)
{
	/* As clock_getcpuclockid(3), which asks the kernel whether there is such a process: so does clock_gettime. */
	clockid_t clock = (clockid_t)(~(unsigned)pid << 3 | CPUCLOCK_SCHED);
	struct timespec ts;

	if (clock_gettime(clock, &ts) < 0)
		return -errno;
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int host_nanosleep(int64_t ns)
{
	struct timespec ts = { ns / 1000000000, ns % 1000000000 };

	return ret_errno(nanosleep(&ts, NULL));
}
