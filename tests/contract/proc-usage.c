/* SPDX-License-Identifier: Apache-2.0 */
/* getrusage, times, wait4's usage, CPU clocks: they move forward, and children are added when they are waited for. */
#include "tests/contract/contract.h"
#include <sys/times.h>

static void burn(long ms)
{
	struct timespec a, b;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
	do
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
	while ((b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000 < ms);
}

static long used_ms(const struct rusage *ru)
{
	return (ru->ru_utime.tv_sec + ru->ru_stime.tv_sec) * 1000 + (ru->ru_utime.tv_usec + ru->ru_stime.tv_usec) / 1000;
}

int main(void)
{
	struct rusage before, after, kids;
	struct tms t;
	struct timespec ts;
	clockid_t id;

	SECTION("own time");
	CALL(getrusage(RUSAGE_SELF, &before));
	burn(60);
	CALL(getrusage(RUSAGE_SELF, &after));
	YES(used_ms(&after) - used_ms(&before) >= 40);
	YES(used_ms(&after) - used_ms(&before) < 3000);
	YES(after.ru_maxrss > 100);
	YES(after.ru_minflt > 0);
	CALL(getrusage(RUSAGE_THREAD, &after));
	YES(used_ms(&after) >= 40);
	CALL(getrusage(77, &after));
	YES(times(&t) > 0);
	YES(t.tms_utime + t.tms_stime >= 4);
	SECTION("children");
	CALL(getrusage(RUSAGE_CHILDREN, &kids));
	SHOW(used_ms(&kids));
	pid_t pid = MUST(fork());
	if (pid == 0) {
		burn(60);
		_exit(0);
	}
	siginfo_t si;
	MUST(waitid(P_PID, pid, &si, WEXITED | WNOWAIT));
	getrusage(RUSAGE_CHILDREN, &kids);
	SHOW(used_ms(&kids));
	struct rusage ru;
	int st;
	YES(wait4(pid, &st, 0, &ru) == pid);
	YES(used_ms(&ru) >= 40);
	getrusage(RUSAGE_CHILDREN, &kids);
	YES(used_ms(&kids) >= 40);
	times(&t);
	YES(t.tms_cutime + t.tms_cstime >= 4);
	SECTION("clocks");
	CALL(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts));
	YES(ts.tv_sec * 1000 + ts.tv_nsec / 1000000 >= 50);
	CALL(clock_getcpuclockid(0, &id));
	CALL(clock_gettime(id, &ts));
	YES(ts.tv_sec * 1000 + ts.tv_nsec / 1000000 >= 50);
	CALL(clock_getcpuclockid(0x7ffffff0, &id) == ESRCH);
	SECTION("sleeping costs nothing");
	struct timespec a, b;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
	sleep_ms(100);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
	YES((b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000 < 50);
	YES(clock() > 0);
	return 0;
}
