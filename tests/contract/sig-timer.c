/* SPDX-License-Identifier: Apache-2.0 */
/* timer_create and family: signals with values, SIGEV_THREAD_ID, SIGEV_NONE, overruns, absolute times, refusals. */
#include "tests/contract/contract.h"

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

static volatile int ticks, value, code, overrun;
static volatile pid_t ran_in;

static void on_tick(int sig, siginfo_t *si, void *uc)
{
	(void)sig;
	(void)uc;
	ticks++;
	value = si->si_value.sival_int;
	code = si->si_code;
	overrun = si->si_overrun;
	ran_in = get_tid();
}

static long k_create(clockid_t clock, struct sigevent *sev, int *id)
{
	return syscall(SYS_timer_create, clock, sev, id);
}

static long k_settime(int id, int flags, struct itimerspec *its, struct itimerspec *old)
{
	return syscall(SYS_timer_settime, id, flags, its, old);
}

static void *target(void *arg)
{
	*(volatile pid_t *)arg = get_tid();
	for (int i = 0; i < 1000 && !ticks; i++)
		sleep_ms(5);
	return NULL;
}

int main(void)
{
	struct sigaction sa = { .sa_sigaction = on_tick, .sa_flags = SA_SIGINFO };
	struct sigevent sev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN, .sigev_value.sival_int = 42 };
	struct itimerspec its = { { 0, 0 }, { 0, 20000000 } }, old;
	volatile pid_t tid = 0;
	struct timespec now;
	int id, id2;
	pthread_t t;

	sigaction(SIGRTMIN, &sa, NULL);
	sigaction(SIGALRM, &sa, NULL);
	SECTION("one-shot with a value");
	CALL(k_create(CLOCK_MONOTONIC, &sev, &id));
	SHOW(id);
	CALL(k_settime(id, 0, &its, NULL));
	for (int i = 0; i < 1000 && !ticks; i++)
		sleep_ms(2);
	say("ticks %d value %d code %d overrun %d", ticks, value, code, overrun);
	CALL(syscall(SYS_timer_gettime, id, &old));
	YES(old.it_value.tv_sec == 0 && old.it_value.tv_nsec == 0);
	SECTION("no sigevent: SIGALRM and the id");
	CALL(k_create(CLOCK_REALTIME, NULL, &id2));
	ticks = 0;
	CALL(k_settime(id2, 0, &its, NULL));
	for (int i = 0; i < 1000 && !ticks; i++)
		sleep_ms(2);
	YES(value == id2);
	CALL(syscall(SYS_timer_delete, id2));
	SECTION("absolute time, in the future and in the past");
	clock_gettime(CLOCK_MONOTONIC, &now);
	its.it_value = now;
	its.it_value.tv_sec -= 5;
	ticks = 0;
	CALL(k_settime(id, TIMER_ABSTIME, &its, NULL));
	for (int i = 0; i < 1000 && !ticks; i++)
		sleep_ms(2);
	SHOW(ticks);
	its.it_value.tv_sec += 100;
	CALL(k_settime(id, TIMER_ABSTIME, &its, NULL));
	CALL(syscall(SYS_timer_gettime, id, &old));
	YES(old.it_value.tv_sec > 90 && old.it_value.tv_sec <= 95);
	SECTION("overruns while blocked");
	sigset_t set, none;
	sigemptyset(&none);
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	its = (struct itimerspec){ { 0, 5000000 }, { 0, 5000000 } };
	ticks = 0;
	CALL(k_settime(id, 0, &its, &old));
	YES(old.it_value.tv_sec > 80);
	sleep_ms(60);
	siginfo_t si;
	struct timespec zero = { 0, 0 };
	SHOW(sigtimedwait(&set, &si, &zero) == SIGRTMIN);
	YES(si.si_overrun >= 5);
	YES(syscall(SYS_timer_getoverrun, id) == si.si_overrun);
	its = (struct itimerspec){ { 0, 0 }, { 0, 0 } };
	CALL(k_settime(id, 0, &its, &old));
	SHOW(old.it_interval.tv_nsec);
	while (sigtimedwait(&set, &si, &zero) == SIGRTMIN)
		;
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	SECTION("SIGEV_THREAD_ID");
	ticks = 0;
	pthread_create(&t, NULL, target, (void *)&tid);
	while (!tid)
		sleep_ms(1);
	sev.sigev_notify = SIGEV_THREAD_ID;
	sev.sigev_notify_thread_id = tid;
	CALL(k_create(CLOCK_MONOTONIC, &sev, &id2));
	its = (struct itimerspec){ { 0, 0 }, { 0, 10000000 } };
	CALL(k_settime(id2, 0, &its, NULL));
	pthread_join(t, NULL);
	YES(ran_in == tid);
	sev.sigev_notify_thread_id = 0x7ffffff0;
	CALL(k_create(CLOCK_MONOTONIC, &sev, &id2));
	SECTION("SIGEV_NONE");
	sev.sigev_notify = SIGEV_NONE;
	CALL(k_create(CLOCK_MONOTONIC, &sev, &id2));
	its = (struct itimerspec){ { 0, 0 }, { 10, 0 } };
	CALL(k_settime(id2, 0, &its, NULL));
	CALL(syscall(SYS_timer_gettime, id2, &old));
	YES(old.it_value.tv_sec >= 8);
	SECTION("refusals");
	sev.sigev_notify = SIGEV_SIGNAL;
	sev.sigev_signo = 65;
	CALL(k_create(CLOCK_MONOTONIC, &sev, &id2));
	sev.sigev_signo = 0;
	CALL(k_create(CLOCK_MONOTONIC, &sev, &id2));
	sev.sigev_signo = SIGRTMIN;
	sev.sigev_notify = 77;
	CALL(k_create(CLOCK_MONOTONIC, &sev, &id2));
	sev.sigev_notify = SIGEV_SIGNAL;
	CALL(k_create(77, &sev, &id2));
	CALL(k_create(CLOCK_MONOTONIC, BAD_PTR, &id2));
	CALL(k_create(CLOCK_MONOTONIC, &sev, BAD_PTR));
	CALL(k_settime(12345, 0, &its, NULL));
	CALL(k_settime(id, 0, BAD_PTR, NULL));
	CALL(k_settime(id, 0, NULL, NULL));
	its.it_value.tv_nsec = 1000000000;
	CALL(k_settime(id, 0, &its, NULL));
	CALL(syscall(SYS_timer_gettime, 12345, &old));
	CALL(syscall(SYS_timer_getoverrun, 12345));
	CALL(syscall(SYS_timer_delete, 12345));
	CALL(syscall(SYS_timer_delete, id));
	CALL(syscall(SYS_timer_delete, id));
	SECTION("CPU time");
	sev.sigev_signo = SIGRTMIN;
	CALL(k_create(CLOCK_PROCESS_CPUTIME_ID, &sev, &id));
	its = (struct itimerspec){ { 0, 0 }, { 0, 20000000 } };
	ticks = 0;
	CALL(k_settime(id, 0, &its, NULL));
	for (long end = now_ms() + 5000; !ticks && now_ms() < end;)
		;
	SHOW(ticks);
	IN_CHILD("not inherited")
		CALL(syscall(SYS_timer_gettime, id, &old));
	return 0;
}
