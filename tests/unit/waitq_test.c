/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/base/waitq.h"

#include <criterion/criterion.h>
#include <pthread.h>

#include "sentry/abi/errno.h"

TestSuite(waitq, .timeout = 400);

#define MS 1000000LL

Test(waitq, deadlines)
{
	int64_t now = monotonic_ns();

	cr_assert_eq(deadline_after(-1), NO_DEADLINE);
	cr_assert_eq(deadline_after(INT64_MAX), NO_DEADLINE);
	cr_assert_geq(deadline_after(5), now + 5);
	cr_assert_eq(sleeper_sleep(SLEEP_INTERRUPTIBLE, 0), -LINUX_ETIMEDOUT);
	cr_assert_eq(sleeper_sleep(SLEEP_UNINTERRUPTIBLE, -1), -LINUX_ETIMEDOUT);
	cr_assert_eq(sleeper_sleep(SLEEP_INTERRUPTIBLE, deadline_after(20 * MS)), -LINUX_ETIMEDOUT);
	cr_assert_geq(monotonic_ns(), now + 20 * MS);
}

Test(waitq, a_wake_before_the_sleep_is_kept_once)
{
	sleeper_wake(sleeper_self());
	sleeper_wake(sleeper_self());
	cr_assert_eq(sleeper_sleep(SLEEP_INTERRUPTIBLE, NO_DEADLINE), 0);
	cr_assert_eq(sleeper_sleep(SLEEP_INTERRUPTIBLE, 0), -LINUX_ETIMEDOUT);
}

Test(waitq, interruption_by_mode)
{
	struct sleeper s;

	sleeper_init(&s);
	sleeper_set_self(&s);
	atomic_store(&s.interrupted, true);
	cr_assert_eq(sleeper_sleep(SLEEP_INTERRUPTIBLE, NO_DEADLINE), -LINUX_ERESTARTSYS);
	cr_assert_eq(sleeper_sleep(SLEEP_KILLABLE, 0), -LINUX_ETIMEDOUT);
	sleeper_wake(&s);
	cr_assert_eq(sleeper_sleep(SLEEP_INTERRUPTIBLE, NO_DEADLINE), -LINUX_ERESTARTSYS);
	atomic_store(&s.interrupted, false);
	atomic_store(&s.killed, true);
	cr_assert_eq(sleeper_sleep(SLEEP_INTERRUPTIBLE, NO_DEADLINE), -LINUX_ERESTARTSYS);
	cr_assert_eq(sleeper_sleep(SLEEP_KILLABLE, NO_DEADLINE), -LINUX_ERESTARTSYS);
	cr_assert_eq(sleeper_sleep(SLEEP_UNINTERRUPTIBLE, 0), -LINUX_ETIMEDOUT);
	sleeper_set_self(NULL);
	cr_assert_neq(sleeper_self(), &s);
}

/* A condition that is true when the wait ends counts as success, whatever ended the sleep. */
Test(waitq, a_true_condition_beats_the_reason)
{
	struct waitq q = WAITQ_INIT(q);
	int calls = 0;

	atomic_store(&sleeper_self()->interrupted, true);
	cr_assert_eq(waitq_wait(&q, calls++ >= 2, SLEEP_INTERRUPTIBLE, NO_DEADLINE), 0);
	calls = -10;
	cr_assert_eq(waitq_wait(&q, calls++ >= 2, SLEEP_INTERRUPTIBLE, NO_DEADLINE), -LINUX_ERESTARTSYS);
	atomic_store(&sleeper_self()->interrupted, false);
	cr_assert_eq(waitq_wait(&q, false, SLEEP_INTERRUPTIBLE, deadline_after(MS)), -LINUX_ETIMEDOUT);
	cr_assert_eq(waitq_wait(&q, true, SLEEP_INTERRUPTIBLE, 0), 0);
	cr_assert_not(waitq_active(&q));
	waitq_fini(&q);
}

static int order[8];
static int nr_woken;
static unsigned last_key;

static bool record_wake(struct waitq_entry *e, unsigned key)
{
	order[nr_woken++] = (int)(intptr_t)e->data;
	last_key = key;
	return (intptr_t)e->data != 3; /* entry 3 declines an exclusive wake */
}

Test(waitq, exclusive_entries)
{
	struct waitq q;
	struct waitq_entry e[6];

	waitq_init(&q);
	for (int i = 0; i < 6; i++) {
		waitq_entry_init_fn(&e[i], record_wake, (void *)(intptr_t)i);
		e[i].exclusive = i >= 2;
		waitq_add(&q, &e[i]);
	}
	/* Plain entries come first, the latest in front; of the exclusive ones the decliner does not count. */
	waitq_wake_nr(&q, 0x11, 2);
	cr_assert_eq(nr_woken, 5);
	cr_assert_eq(last_key, 0x11u);
	cr_assert(order[0] == 1 && order[1] == 0 && order[2] == 2 && order[3] == 3 && order[4] == 4);
	nr_woken = 0;
	waitq_wake_nr(&q, 0, 0);
	cr_assert_eq(nr_woken, 2);
	nr_woken = 0;
	waitq_wake(&q, 0);
	cr_assert_eq(nr_woken, 6);
	for (int i = 0; i < 6; i++)
		waitq_del(&q, &e[i]);
	waitq_del(&q, &e[0]);
	cr_assert_not(waitq_active(&q));
	nr_woken = 0;
	waitq_wake(&q, 0);
	cr_assert_eq(nr_woken, 0);
	waitq_fini(&q);
}

/*
 * Lost wakes.  Two threads hand a token to and fro; each waits without a deadline, so that one lost wake hangs the test
 * (and its timeout fails it).
 */
#define NR_ROUNDS 40000

struct ping {
	struct waitq q[2];
	atomic_uint turn;
};

static void *ping_thread(void *arg)
{
	struct ping *p = arg;

	for (unsigned i = 0; i < NR_ROUNDS; i++) {
		waitq_wait(&p->q[1], atomic_load(&p->turn) == 2 * i + 1, SLEEP_UNINTERRUPTIBLE, NO_DEADLINE);
		atomic_store(&p->turn, 2 * i + 2);
		waitq_wake(&p->q[0], 0);
	}
	return NULL;
}

Test(waitq, no_wake_is_lost_between_two_threads)
{
	static struct ping p;
	pthread_t other;

	waitq_init(&p.q[0]);
	waitq_init(&p.q[1]);
	cr_assert_eq(pthread_create(&other, NULL, ping_thread, &p), 0);
	for (unsigned i = 0; i < NR_ROUNDS; i++) {
		waitq_wait(&p.q[0], atomic_load(&p.turn) == 2 * i, SLEEP_UNINTERRUPTIBLE, NO_DEADLINE);
		atomic_store(&p.turn, 2 * i + 1);
		waitq_wake(&p.q[1], 0);
	}
	pthread_join(other, NULL);
	cr_assert_eq(atomic_load(&p.turn), 2u * NR_ROUNDS);
}

/* A bounded buffer under one lock, several producers and consumers, exclusive and plain waits, short deadlines mixed in. */
#define NR_WORKERS 4
#define NR_ITEMS 20000

struct buffer {
	struct mutex lock;
	struct waitq not_empty, not_full;
	int used;	    /* lock */
	long put, got;	    /* lock */
	atomic_int timeouts;
};

static void buffer_wait(struct buffer *b, struct waitq *q, int blocked_at, unsigned seed)
{
	int err;

	do {
		deadline_t deadline = seed % 16 ? NO_DEADLINE : deadline_after((int64_t)(seed % 64) * 1000);

		err = waitq_wait_locked(q, &b->lock, b->used != blocked_at, SLEEP_INTERRUPTIBLE, deadline);
		if (err == -LINUX_ETIMEDOUT)
			atomic_fetch_add(&b->timeouts, 1);
		seed = 1;
	} while (err);
}

static void *buffer_producer(void *arg)
{
	struct buffer *b = arg;

	for (unsigned i = 0; i < NR_ITEMS; i++) {
		mutex_lock(&b->lock);
		buffer_wait(b, &b->not_full, 3, i);
		b->used++;
		b->put += i;
		mutex_unlock(&b->lock);
		waitq_wake(&b->not_empty, 0);
	}
	return NULL;
}

static void *buffer_consumer(void *arg)
{
	struct buffer *b = arg;

	for (unsigned i = 0; i < NR_ITEMS; i++) {
		mutex_lock(&b->lock);
		buffer_wait(b, &b->not_empty, 0, i);
		b->used--;
		b->got += i;
		mutex_unlock(&b->lock);
		waitq_wake(&b->not_full, 0);
	}
	return NULL;
}

Test(waitq, bounded_buffer)
{
	static struct buffer b;
	pthread_t t[2 * NR_WORKERS];

	mutex_init(&b.lock);
	waitq_init(&b.not_empty);
	waitq_init(&b.not_full);
	for (int i = 0; i < 2 * NR_WORKERS; i++)
		cr_assert_eq(pthread_create(&t[i], NULL, i % 2 ? buffer_producer : buffer_consumer, &b), 0);
	for (int i = 0; i < 2 * NR_WORKERS; i++)
		pthread_join(t[i], NULL);
	cr_assert_eq(b.used, 0);
	cr_assert_eq(b.put, b.got);
	cr_assert_not(waitq_active(&b.not_empty));
	cr_assert_not(waitq_active(&b.not_full));
}

/* An interrupter that sets the flag and wakes, at any instant, always ends the sleep. */
static void *interrupted_thread(void *arg)
{
	struct sleeper *s = arg;
	struct waitq q = WAITQ_INIT(q);

	sleeper_set_self(s);
	for (int i = 0; i < NR_ROUNDS / 4; i++) {
		cr_assert_eq(waitq_wait(&q, false, SLEEP_INTERRUPTIBLE, NO_DEADLINE), -LINUX_ERESTARTSYS);
		atomic_store(&s->interrupted, false);
	}
	return NULL;
}

Test(waitq, no_interruption_is_lost)
{
	static struct sleeper s;
	pthread_t other;

	sleeper_init(&s);
	cr_assert_eq(pthread_create(&other, NULL, interrupted_thread, &s), 0);
	for (int i = 0; i < NR_ROUNDS / 4; i++) {
		atomic_store(&s.interrupted, true);
		sleeper_wake(&s);
		while (atomic_load(&s.interrupted))
			sched_yield();
	}
	pthread_join(other, NULL);
}

Test(waitq, locks)
{
	struct mutex m = MUTEX_INIT;
	struct rwlock rw;

	rwlock_init(&rw);
	cr_assert(mutex_trylock(&m));
	mutex_assert_held(&m);
	mutex_unlock(&m);
	{
		MUTEX_GUARD(&m);

		mutex_assert_held(&m);
	}
	cr_assert(mutex_trylock(&m));
	mutex_unlock(&m);
	rwlock_read(&rw);
	cr_assert_not(rwlock_try_write(&rw));
	rwlock_unlock(&rw);
	cr_assert(rwlock_try_write(&rw));
	rwlock_unlock(&rw);
	rwlock_fini(&rw);
	mutex_fini(&m);
}
