/* SPDX-License-Identifier: Apache-2.0 */
/* The signals of CPU timers go to the threads that use the CPU. */
#include "tests/contract/contract.h"

static volatile int stop, mine[2];
static __thread int number = -1;

static void tick(int sig)
{
	(void)sig;
	if (number >= 0)
		mine[number]++;
}

static void *burn(void *arg)
{
	number = (int)(intptr_t)arg;
	while (!stop)
		;
	return NULL;
}

static void *idle(void *arg)
{
	(void)arg;
	while (!stop)
		sleep_ms(5);
	return NULL;
}

/* Until both of those who burn were hit. */
static void wait_for_ticks(void)
{
	for (int i = 0; i < 4000 && (mine[0] < 3 || mine[1] < 3); i++)
		sleep_ms(5);
	YES(mine[0] >= 3);
	YES(mine[1] >= 3);
	mine[0] = mine[1] = 0;
}

int main(void)
{
	struct sigaction sa = { .sa_handler = tick, .sa_flags = SA_RESTART };
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	struct itimerval it = { { 0, 10000 }, { 0, 10000 } }, off = { 0 };
	struct itimerspec its = { { 0, 10000000 }, { 0, 10000000 } };
	pthread_t th[3];
	timer_t timer;

	MUST(sigaction(SIGPROF, &sa, NULL));
	MUST(sigaction(SIGVTALRM, &sa, NULL));
	MUST(sigaction(SIGUSR1, &sa, NULL));
	for (intptr_t i = 0; i < 2; i++)
		pthread_create(&th[i], NULL, burn, (void *)i);
	pthread_create(&th[2], NULL, idle, NULL);
	SECTION("ITIMER_PROF");
	MUST(setitimer(ITIMER_PROF, &it, NULL));
	wait_for_ticks();
	MUST(setitimer(ITIMER_PROF, &off, NULL));
	SECTION("ITIMER_VIRTUAL");
	MUST(setitimer(ITIMER_VIRTUAL, &it, NULL));
	wait_for_ticks();
	MUST(setitimer(ITIMER_VIRTUAL, &off, NULL));
	SECTION("CLOCK_PROCESS_CPUTIME_ID");
	MUST(timer_create(CLOCK_PROCESS_CPUTIME_ID, &ev, &timer));
	MUST(timer_settime(timer, 0, &its, NULL));
	wait_for_ticks();
	MUST(timer_delete(timer));
	stop = 1;
	for (int i = 0; i < 3; i++)
		pthread_join(th[i], NULL);
	return 0;
}
