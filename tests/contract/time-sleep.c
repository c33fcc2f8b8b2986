/* SPDX-License-Identifier: Apache-2.0 */
/* nanosleep and clock_nanosleep: durations, absolute times, remaining times, clocks, refusals. */
#include "tests/contract/contract.h"

static void on_signal(int sig)
{
	(void)sig;
}

static struct timespec after(clockid_t clock, long ms)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	ts.tv_nsec += ms * 1000000;
	ts.tv_sec += ts.tv_nsec / 1000000000;
	ts.tv_nsec %= 1000000000;
	return ts;
}

int main(void)
{
	static const int clocks[] = { CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, 11 };
	struct timespec ts = { 0, 20000000 }, rem = { 7, 7 };
	long before;

	SECTION("relative");
	before = now_ms();
	CALL(nanosleep(&ts, &rem));
	YES(now_ms() - before >= 19 && now_ms() - before < 3000);
	say("%ld %ld", rem.tv_sec, rem.tv_nsec);
	for (size_t i = 0; i < ARRAY_SIZE(clocks); i++) {
		before = now_ms();
		ts = (struct timespec){ 0, 20000000 };
		CALL(syscall(SYS_clock_nanosleep, clocks[i], 0, &ts, NULL));
		YES(now_ms() - before >= 19);
		ts = after(clocks[i], 20);
		before = now_ms();
		CALL(syscall(SYS_clock_nanosleep, clocks[i], TIMER_ABSTIME, &ts, NULL));
		YES(now_ms() - before >= 18);
		ts = (struct timespec){ 1, 0 };
		CALL(syscall(SYS_clock_nanosleep, clocks[i], TIMER_ABSTIME, &ts, NULL));
	}
	ts = (struct timespec){ 0, 0 };
	CALL(nanosleep(&ts, NULL));
	ts = (struct timespec){ 0, 1 };
	CALL(nanosleep(&ts, NULL));
	SECTION("interrupted");
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	sigaction(SIGALRM, &sa, NULL);
	struct itimerval it = { { 0, 0 }, { 0, 50000 } };
	setitimer(ITIMER_REAL, &it, NULL);
	ts = (struct timespec){ 10, 0 };
	CALL(nanosleep(&ts, &rem));
	YES(rem.tv_sec == 9 && rem.tv_nsec > 0);
	setitimer(ITIMER_REAL, &it, NULL);
	CALL(syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &ts, BAD_PTR));
	setitimer(ITIMER_REAL, &it, NULL);
	ts = after(CLOCK_MONOTONIC, 10000);
	rem = (struct timespec){ 7, 7 };
	CALL(syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, &rem));
	say("%ld %ld", rem.tv_sec, rem.tv_nsec);
	SECTION("refusals");
	ts = (struct timespec){ 0, 1000000000 };
	CALL(nanosleep(&ts, NULL));
	ts = (struct timespec){ -1, 0 };
	CALL(nanosleep(&ts, NULL));
	ts = (struct timespec){ 0, -1 };
	CALL(nanosleep(&ts, NULL));
	ts = (struct timespec){ 0, 1 };
	CALL(syscall(SYS_clock_nanosleep, CLOCK_THREAD_CPUTIME_ID, 0, &ts, NULL));
	CALL(syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC_RAW, 0, &ts, NULL));
	CALL(syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC_COARSE, 0, &ts, NULL));
	CALL(syscall(SYS_clock_nanosleep, 77, 0, &ts, NULL));
	CALL(nanosleep(BAD_PTR, NULL));
	SECTION("CPU time passes only while running");
	ts = (struct timespec){ 0, 10000000 };
	IN_CHILD("process CPU clock") {
		pid_t pid = MUST(fork());

		if (pid == 0) {
			for (;;)
				;
		}
		clockid_t id;
		SHOW(clock_getcpuclockid(pid, &id));
		CALL(syscall(SYS_clock_nanosleep, id, 0, &ts, NULL));
		kill(pid, SIGKILL);
		reap("spinner", pid);
	}
	return 0;
}
