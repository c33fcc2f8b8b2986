/* SPDX-License-Identifier: Apache-2.0 */
/* setitimer, getitimer, alarm: one-shot, periodic, the three clocks, remaining time, refusals. */
#include "tests/contract/contract.h"
#include <sys/time.h>

static volatile int ticks, last_sig;

static void on_tick(int sig)
{
	ticks++;
	last_sig = sig;
}

static void await(int n)
{
	for (long end = now_ms() + 5000; ticks < n && now_ms() < end;)
		;
}

int main(void)
{
	struct itimerval it = { { 0, 0 }, { 0, 30000 } }, old;
	long before;

	signal(SIGALRM, on_tick);
	signal(SIGVTALRM, on_tick);
	signal(SIGPROF, on_tick);
	SECTION("one-shot");
	before = now_ms();
	CALL(setitimer(ITIMER_REAL, &it, NULL));
	pause();
	YES(now_ms() - before >= 29);
	SHOW(ticks);
	CALL(getitimer(ITIMER_REAL, &old));
	YES(old.it_value.tv_sec == 0 && old.it_value.tv_usec == 0);
	SECTION("periodic");
	it = (struct itimerval){ { 0, 10000 }, { 0, 10000 } };
	ticks = 0;
	CALL(setitimer(ITIMER_REAL, &it, NULL));
	while (ticks < 5)
		pause();
	CALL(getitimer(ITIMER_REAL, &old));
	SHOW(old.it_interval.tv_usec);
	YES(old.it_value.tv_usec > 0 && old.it_value.tv_usec <= 10000);
	it = (struct itimerval){ { 0, 0 }, { 0, 0 } };
	CALL(setitimer(ITIMER_REAL, &it, &old));
	SHOW(old.it_interval.tv_usec);
	ticks = 0;
	sleep_ms(30);
	SHOW(ticks);
	SECTION("virtual and profiling time");
	it = (struct itimerval){ { 0, 0 }, { 0, 20000 } };
	CALL(setitimer(ITIMER_VIRTUAL, &it, NULL));
	await(1);
	STR(signal_name(last_sig));
	CALL(setitimer(ITIMER_PROF, &it, NULL));
	await(2);
	STR(signal_name(last_sig));
	SECTION("virtual time stands still in a sleep");
	it = (struct itimerval){ { 0, 0 }, { 0, 50000 } };
	ticks = 0;
	CALL(setitimer(ITIMER_VIRTUAL, &it, NULL));
	sleep_ms(100);
	SHOW(ticks);
	it.it_value.tv_usec = 0;
	CALL(setitimer(ITIMER_VIRTUAL, &it, &old));
	YES(old.it_value.tv_usec > 0);
	SECTION("alarm");
	SHOW(alarm(50));
	SHOW(alarm(20));
	CALL(getitimer(ITIMER_REAL, &old));
	YES(old.it_value.tv_sec == 19 || old.it_value.tv_sec == 20);
	IN_CHILD("not inherited")
		SHOW(alarm(0));
	SHOW(alarm(0));
	SHOW(alarm(0));
	SECTION("refusals");
	it.it_value.tv_usec = 1000000;
	CALL(setitimer(ITIMER_REAL, &it, NULL));
	it.it_value.tv_usec = -1;
	CALL(setitimer(ITIMER_REAL, &it, NULL));
	it.it_value.tv_usec = 0;
	it.it_value.tv_sec = -1;
	CALL(setitimer(ITIMER_REAL, &it, NULL));
	it.it_value.tv_sec = 0;
	CALL(setitimer(77, &it, NULL));
	CALL(getitimer(77, &old));
	CALL(syscall(SYS_setitimer, ITIMER_REAL, BAD_PTR, NULL));
	CALL(syscall(SYS_getitimer, ITIMER_REAL, BAD_PTR));
	SECTION("lives through exec");
	IN_CHILD("killed by the alarm") {
		signal(SIGALRM, SIG_DFL);
		it = (struct itimerval){ { 0, 0 }, { 0, 100000 } };
		setitimer(ITIMER_REAL, &it, NULL);
		execl("/bin/sleep", "sleep", "5", NULL);
	}
	return 0;
}
