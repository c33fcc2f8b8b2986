/* SPDX-License-Identifier: Apache-2.0 */
/* Clocks seen by many threads: monotonic across them, CPU clocks that add up, timers and sleeps at the same time. */
#include "tests/contract/contract.h"

#define THREADS 4

static int64_t latest;
static int backwards;
static int64_t cpu[THREADS];

static int64_t ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static void *watch(void *arg)
{
	for (int i = 0; i < 5000; i++) {
		int64_t seen = __atomic_load_n(&latest, __ATOMIC_SEQ_CST), t = ns(CLOCK_MONOTONIC);

		if (t < seen)
			__atomic_add_fetch(&backwards, 1, __ATOMIC_SEQ_CST);
		while (t > seen && !__atomic_compare_exchange_n(&latest, &seen, t, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			;
	}
	cpu[(long)arg] = ns(CLOCK_THREAD_CPUTIME_ID);
	return NULL;
}

static void *sleeper(void *arg)
{
	struct timespec ts = { 0, 5000000L * ((long)arg + 1) };
	int64_t before = ns(CLOCK_MONOTONIC);

	for (int i = 0; i < 4; i++)
		clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL);
	return (void *)(long)(ns(CLOCK_MONOTONIC) - before >= 4 * ts.tv_nsec);
}

int main(void)
{
	pthread_t t[8];
	int64_t sum = 0;
	long enough = 0;

	for (long i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, watch, (void *)i);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	SHOW(backwards);
	for (int i = 0; i < THREADS; i++) {
		if (cpu[i] <= 0)
			say("a thread without time");
		sum += cpu[i];
	}
	/* the process has at least the time of its threads */
	YES(ns(CLOCK_PROCESS_CPUTIME_ID) >= sum * 9 / 10);
	for (long i = 0; i < 8; i++)
		pthread_create(&t[i], NULL, sleeper, (void *)i);
	for (int i = 0; i < 8; i++) {
		void *r;

		pthread_join(t[i], &r);
		enough += (long)r;
	}
	SHOW(enough);
	return 0;
}
