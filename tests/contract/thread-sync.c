/* SPDX-License-Identifier: Apache-2.0 */
/* Condition variables, barriers, read-write locks, semaphores, once, timed waits, priority-inheriting and robust mutexes. */
#include "tests/contract/contract.h"
#include <semaphore.h>

#define N 4

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static pthread_rwlock_t rw = PTHREAD_RWLOCK_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static sem_t sem;
static int turn, rounds, inits, serial, shared_value;

static void init(void)
{
	inits++;
}

static void *ring(void *arg)
{
	int me = (int)(long)arg;

	for (int i = 0; i < 100; i++) {
		pthread_mutex_lock(&lock);
		while (turn != me)
			pthread_cond_wait(&cond, &lock);
		turn = (turn + 1) % N;
		rounds++;
		pthread_cond_broadcast(&cond);
		pthread_mutex_unlock(&lock);
	}
	pthread_once(&once, init);
	for (int i = 0; i < 50; i++)
		if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD)
			__atomic_add_fetch(&serial, 1, __ATOMIC_SEQ_CST);
	for (int i = 0; i < 200; i++) {
		if (i % 10 == 0) {
			pthread_rwlock_wrlock(&rw);
			shared_value++;
			pthread_rwlock_unlock(&rw);
		} else {
			pthread_rwlock_rdlock(&rw);
			pthread_rwlock_unlock(&rw);
		}
		sem_wait(&sem);
		sem_post(&sem);
	}
	return NULL;
}

static void *holder(void *arg)
{
	pthread_mutex_lock(arg);
	return NULL; /* dies with it */
}

int main(void)
{
	pthread_t t[N];
	pthread_mutexattr_t ma;
	pthread_mutex_t m;
	struct timespec ts;
	long before;

	pthread_barrier_init(&barrier, NULL, N);
	sem_init(&sem, 0, 2);
	for (long i = 0; i < N; i++)
		pthread_create(&t[i], NULL, ring, (void *)i);
	for (int i = 0; i < N; i++)
		pthread_join(t[i], NULL);
	SHOW(rounds);
	SHOW(inits);
	SHOW(serial);
	SHOW(shared_value);
	SECTION("timed waits");
	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_nsec += 50000000;
	if (ts.tv_nsec >= 1000000000)
		ts.tv_sec++, ts.tv_nsec -= 1000000000;
	before = now_ms();
	pthread_mutex_lock(&lock);
	SHOW(pthread_cond_timedwait(&cond, &lock, &ts) == ETIMEDOUT);
	pthread_mutex_unlock(&lock);
	YES(now_ms() - before >= 45);
	SHOW(pthread_mutex_lock(&lock));
	SHOW(pthread_mutex_timedlock(&lock, &ts) == ETIMEDOUT);
	SHOW(pthread_mutex_trylock(&lock) == EBUSY);
	pthread_mutex_unlock(&lock);
	sem_wait(&sem);
	sem_wait(&sem);
	CALL(sem_timedwait(&sem, &ts));
	CALL(sem_trywait(&sem));
	SECTION("error checking, recursive");
	pthread_mutexattr_init(&ma);
	pthread_mutexattr_settype(&ma, PTHREAD_MUTEX_ERRORCHECK);
	pthread_mutex_init(&m, &ma);
	SHOW(pthread_mutex_lock(&m));
	SHOW(pthread_mutex_lock(&m) == EDEADLK);
	SHOW(pthread_mutex_unlock(&m));
	SHOW(pthread_mutex_unlock(&m) == EPERM);
	SECTION("robust: the owner died");
	pthread_mutexattr_init(&ma);
	pthread_mutexattr_setrobust(&ma, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&m, &ma);
	pthread_create(&t[0], NULL, holder, &m);
	pthread_join(t[0], NULL);
	SHOW(pthread_mutex_lock(&m) == EOWNERDEAD);
	SHOW(pthread_mutex_consistent(&m));
	SHOW(pthread_mutex_unlock(&m));
	SHOW(pthread_mutex_lock(&m));
	pthread_mutex_unlock(&m);
	pthread_create(&t[0], NULL, holder, &m);
	pthread_join(t[0], NULL);
	SHOW(pthread_mutex_lock(&m) == EOWNERDEAD);
	SHOW(pthread_mutex_unlock(&m));
	SHOW(pthread_mutex_lock(&m) == ENOTRECOVERABLE);
	SECTION("priority inheritance");
	pthread_mutexattr_init(&ma);
	SHOW(pthread_mutexattr_setprotocol(&ma, PTHREAD_PRIO_INHERIT));
	SHOW(pthread_mutex_init(&m, &ma));
	SHOW(pthread_mutex_lock(&m));
	SHOW(pthread_mutex_trylock(&m) == EBUSY);
	SHOW(pthread_mutex_timedlock(&m, &ts) != 0);
	SHOW(pthread_mutex_unlock(&m));
	return 0;
}
