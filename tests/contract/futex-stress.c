/* SPDX-License-Identifier: Apache-2.0 */
/* Mutexes of our own over futexes, many threads: nothing is lost, nobody sleeps for ever. */
#include "tests/contract/futex.h"

#define THREADS 6
#define ROUNDS 3000

static uint32_t lock_word;
static long counter;
static uint32_t sequence;

/* The classic three-state mutex: 0 free, 1 taken, 2 taken with waiters. */
static void lock(void)
{
	uint32_t c = 0;

	if (__atomic_compare_exchange_n(&lock_word, &c, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return;
	while (__atomic_exchange_n(&lock_word, 2, __ATOMIC_ACQUIRE))
		futex(&lock_word, FUTEX_WAIT_PRIVATE, 2, NULL, NULL, 0);
}

static void unlock(void)
{
	if (__atomic_exchange_n(&lock_word, 0, __ATOMIC_RELEASE) == 2)
		futex(&lock_word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void *worker(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		lock();
		long c = counter;
		if (i % 64 == 0)
			sched_yield();
		counter = c + 1;
		unlock();
	}
	return arg;
}

static void *relay(void *arg)
{
	uint32_t me = (uint32_t)(long)arg;

	for (uint32_t i = 0; i < 200; i++) {
		uint32_t want = i * THREADS + me, now;

		while ((now = __atomic_load_n(&sequence, __ATOMIC_SEQ_CST)) != want)
			futex(&sequence, FUTEX_WAIT_PRIVATE, now, NULL, NULL, 0);
		__atomic_store_n(&sequence, want + 1, __ATOMIC_SEQ_CST);
		futex(&sequence, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
	}
	return NULL;
}

int main(void)
{
	pthread_t t[THREADS];

	for (long i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, worker, (void *)i);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	SHOW(counter);
	SHOW(lock_word);
	for (long i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, relay, (void *)i);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	SHOW(sequence);
	return 0;
}
