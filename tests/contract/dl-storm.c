/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hundred libraries with constructors and destructors, opened and closed in random order by several threads: each
 * constructor finds its data fresh, each destructor its own, and every function computes what it should.
 */
#include "tests/contract/dl.h"

#define THREADS 4
#define ROUNDS 400

static int constructed[NR_LIBS + 1], destructed[NR_LIBS + 1], wrong;

void dl_event(int lib, int what)
{
	if (what == 1)
		__atomic_add_fetch(&constructed[lib], 1, __ATOMIC_SEQ_CST);
	else if (what == 2)
		__atomic_add_fetch(&destructed[lib], 1, __ATOMIC_SEQ_CST);
	else
		__atomic_add_fetch(&wrong, 1, __ATOMIC_SEQ_CST);
}

static unsigned next(unsigned *seed)
{
	*seed = *seed * 1103515245 + 12345;
	return *seed >> 8;
}

/* Thread i uses the libraries whose number modulo THREADS is i, so that what it sees does not depend on the others. */
static void *worker(void *arg)
{
	int me = (int)(long)arg;
	unsigned seed = 1000 + me, sum = 0;
	void *handle[NR_LIBS + 1] = { 0 };

	for (int i = 0; i < ROUNDS; i++) {
		int lib = (int)(next(&seed) % (NR_LIBS / THREADS)) * THREADS + me + 1;

		if (handle[lib]) {
			sum = sum * 31 + dl_call(handle[lib], i);
			if (next(&seed) % 3 == 0) {
				sum = sum * 31 + dlclose(handle[lib]);
				handle[lib] = NULL;
			}
		} else {
			handle[lib] = dl_open(lib, next(&seed) % 2 ? RTLD_NOW : RTLD_LAZY);
			sum = sum * 31 + (handle[lib] != NULL);
		}
	}
	for (int lib = 1; lib <= NR_LIBS; lib++)
		if (handle[lib])
			sum = sum * 31 + dlclose(handle[lib]);
	return (void *)(long)sum;
}

int main(void)
{
	pthread_t t[THREADS];
	int opened = 0, closed = 0, same = 0;

	for (long i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, worker, (void *)i);
	for (int i = 0; i < THREADS; i++) {
		void *r;

		pthread_join(t[i], &r);
		say("thread %d: %lx", i, (long)r);
	}
	for (int i = 1; i <= NR_LIBS; i++) {
		opened += constructed[i];
		closed += destructed[i];
		same += constructed[i] == destructed[i];
	}
	say("%d constructed, %d destructed, %d libraries balanced, %d wrong", opened, closed, same, wrong);
	return 0;
}
