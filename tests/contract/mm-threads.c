/* SPDX-License-Identifier: Apache-2.0 */
/* Threads that map, touch, protect and unmap at the same time, each in ranges of its own: no fault is lost or misplaced. */
#include "tests/contract/contract.h"

#define THREADS 4
#define ROUNDS 200

static pthread_barrier_t barrier;
static char *common;

static void *worker(void *arg)
{
	long me = (long)arg, bad = 0;

	pthread_barrier_wait(&barrier);
	for (int i = 0; i < ROUNDS; i++) {
		size_t len = (i % 5 + 1) * PAGE;
		char *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (!all_bytes(p, 0, len))
			bad++;
		memset(p, (int)me + 1, len);
		mprotect(p, len, PROT_READ);
		if (!all_bytes(p, (int)me + 1, len))
			bad++;
		munmap(p, len);
		/* first touches of pages next to those of the other threads */
		common[(i * THREADS + me) * PAGE] = (char)me;
	}
	return (void *)bad;
}

int main(void)
{
	pthread_t t[THREADS];
	long bad = 0, wrong = 0;

	common = mmap(NULL, THREADS * ROUNDS * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_barrier_init(&barrier, NULL, THREADS);
	for (long i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, worker, (void *)i);
	for (int i = 0; i < THREADS; i++) {
		void *r;

		pthread_join(t[i], &r);
		bad += (long)r;
	}
	for (int i = 0; i < THREADS * ROUNDS; i++)
		wrong += common[i * PAGE] != i % THREADS;
	SHOW(bad);
	SHOW(wrong);
	return 0;
}
