/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sleeper's word:
 *
 *     RUNNING  no wake is pending and the thread isn't (about to be) asleep in the futex
 *     WOKEN    a wake is pending; the next sleep consumes it and returns at once
 *     ASLEEP   the thread is in, or about to enter, the futex: a waker must make the futex call
 *
 * Only the owner goes to ASLEEP and RUNNING; any thread goes to WOKEN.  Waking a thread that is awake is one exchange
 * and no host call.
 */
#include "sentry/base/waitq.h"

#include <time.h>

#include "sentry/abi/errno.h"
#include "sentry/base/futex_host.h"
#include "sentry/base/trace.h"

enum { SLEEPER_RUNNING, SLEEPER_WOKEN, SLEEPER_ASLEEP };

static _Thread_local struct sleeper default_sleeper;
static _Thread_local struct sleeper *own_sleeper;
void (*sleeper_blocks)(bool asleep);

static int64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int64_t monotonic_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

int64_t realtime_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}

deadline_t deadline_after(int64_t ns)
{
	deadline_t deadline;

	if (ns < 0 || __builtin_add_overflow(monotonic_ns(), ns, &deadline))
		return NO_DEADLINE;
	return deadline;
}

struct sleeper *sleeper_self(void)
{
	return own_sleeper ? own_sleeper : &default_sleeper;
}

void sleeper_set_self(struct sleeper *s)
{
	own_sleeper = s;
}

void sleeper_init(struct sleeper *s)
{
	atomic_init(&s->word, SLEEPER_RUNNING);
	atomic_init(&s->interrupted, false);
	atomic_init(&s->killed, false);
	atomic_init(&s->nr_sleeps, 0);
}

bool sleeper_asleep(const struct sleeper *s)
{
	return atomic_load_explicit(&((struct sleeper *)s)->word, memory_order_relaxed) == SLEEPER_ASLEEP;
}

#define MAX_HELD_WAKES 16

static _Thread_local struct {
	unsigned depth, nr;
	atomic_uint *word[MAX_HELD_WAKES];
} held_wakes;

void sleeper_wake(struct sleeper *s)
{
	if (atomic_exchange(&s->word, SLEEPER_WOKEN) != SLEEPER_ASLEEP)
		return;
	if (held_wakes.depth && held_wakes.nr < MAX_HELD_WAKES)
		held_wakes.word[held_wakes.nr++] = &s->word;
	else
		host_futex_wake(&s->word, 1);
}

void sleeper_wakes_hold(void)
{
	held_wakes.depth++;
}

void sleeper_wakes_release(void)
{
	if (--held_wakes.depth)
		return;
	while (held_wakes.nr)
		host_futex_wake(held_wakes.word[--held_wakes.nr], 1);
}

static bool sleeper_interrupted(struct sleeper *s, enum sleep_mode mode)
{
	if (mode == SLEEP_UNINTERRUPTIBLE)
		return false;
	return atomic_load(&s->killed) || (mode == SLEEP_INTERRUPTIBLE && atomic_load(&s->interrupted));
}

/* In the futex until somebody changes the word or @deadline.  Leaves the word RUNNING. */
static int sleeper_block(struct sleeper *s, enum sleep_mode mode, deadline_t deadline)
{
	int err = 0;

	atomic_fetch_add_explicit(&s->nr_sleeps, 1, memory_order_relaxed);
	trace_sleep(mode, deadline);
	if (sleeper_blocks)
		sleeper_blocks(true);
	while (atomic_load(&s->word) == SLEEPER_ASLEEP && err != -LINUX_ETIMEDOUT)
		err = host_futex_wait(&s->word, SLEEPER_ASLEEP, deadline);
	err = atomic_exchange(&s->word, SLEEPER_RUNNING) == SLEEPER_WOKEN ? 0 : -LINUX_ETIMEDOUT;
	if (sleeper_blocks)
		sleeper_blocks(false);
	trace_wake(err);
	return err;
}

/*
 * The interrupter sets its flag and then wakes, so testing the flag once, after the word was changed, is enough: a flag
 * that is set later is followed by a wake that finds the new word.
 */
int sleeper_sleep(enum sleep_mode mode, deadline_t deadline)
{
	struct sleeper *s = sleeper_self();
	unsigned word = SLEEPER_RUNNING;

	if (!atomic_compare_exchange_strong(&s->word, &word, SLEEPER_ASLEEP)) {
		/* A pending wake; interruption comes first, so that a storm of wakes can't hide a signal. */
		atomic_store(&s->word, SLEEPER_RUNNING);
		return sleeper_interrupted(s, mode) ? -LINUX_ERESTARTSYS : 0;
	}
	if (sleeper_interrupted(s, mode)) {
		atomic_store(&s->word, SLEEPER_RUNNING);
		return -LINUX_ERESTARTSYS;
	}
	return sleeper_block(s, mode, deadline);
}

void waitq_init(struct waitq *q)
{
	mutex_init(&q->lock);
	list_init(&q->entries);
	atomic_init(&q->nr_entries, 0);
}

void waitq_fini(struct waitq *q)
{
	BUG_ON(!list_empty(&q->entries));
	mutex_fini(&q->lock);
}

static bool wake_sleeper(struct waitq_entry *e, unsigned key __unused)
{
	sleeper_wake(e->data);
	return true;
}

void waitq_entry_init(struct waitq_entry *e)
{
	waitq_entry_init_fn(e, wake_sleeper, sleeper_self());
}

void waitq_entry_init_fn(struct waitq_entry *e, waitq_wake_fn wake, void *data)
{
	list_init(&e->link);
	e->wake = wake;
	e->data = data;
	e->exclusive = false;
}

void waitq_add(struct waitq *q, struct waitq_entry *e)
{
	mutex_lock(&q->lock);
	BUG_ON(!list_empty(&e->link));
	if (e->exclusive)
		list_add_tail(&e->link, &q->entries);
	else
		list_add(&e->link, &q->entries);
	/* A full barrier between this and the caller's test of its condition: the other half of waitq_active's. */
	atomic_fetch_add(&q->nr_entries, 1);
	mutex_unlock(&q->lock);
}

void waitq_del(struct waitq *q, struct waitq_entry *e)
{
	mutex_lock(&q->lock);
	if (!list_empty(&e->link)) {
		list_del(&e->link);
		atomic_fetch_sub(&q->nr_entries, 1);
	}
	mutex_unlock(&q->lock);
}

void waitq_wake(struct waitq *q, unsigned key)
{
	waitq_wake_nr(q, key, INT32_MAX);
}

void waitq_wake_nr(struct waitq *q, unsigned key, int nr)
{
	struct waitq_entry *e, *tmp;

	if (!waitq_active(q))
		return;
	trace_waitq_wake(q, key, nr);
	sleeper_wakes_hold();
	mutex_lock(&q->lock);
	list_for_each_entry_safe(e, tmp, &q->entries, link) {
		if (e->exclusive && nr <= 0)
			break;
		if (e->wake(e, key) && e->exclusive)
			nr--;
	}
	mutex_unlock(&q->lock);
	sleeper_wakes_release();
}
