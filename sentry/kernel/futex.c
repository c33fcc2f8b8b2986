/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/kernel/futex.h"

#include <stdlib.h>

#include "sentry/kernel/futex_internal.h"
#include "sentry/kernel/task.h"
#include "sentry/kernel/timers.h"
#include "sentry/mm/uaccess.h"

#define FUTEX_BUCKETS 256

static struct futex_bucket buckets[FUTEX_BUCKETS];
static pthread_once_t buckets_once = PTHREAD_ONCE_INIT;

static void buckets_init(void)
{
	for (int i = 0; i < FUTEX_BUCKETS; i++) {
		mutex_init(&buckets[i].lock);
		list_init(&buckets[i].waiters);
	}
}

/* --- keys and buckets --- */

int futex_get_key(uaddr_t uaddr, unsigned flags, bool write, struct futex_key *ret)
{
	int err;

	if (uaddr % 4)
		return -LINUX_EINVAL;
	if (!access_ok(uaddr, 4))
		return -LINUX_EFAULT;
	err = mm_futex_key(current->mm, uaddr, flags & FUTEX_SHARED, write, ret);
	/* A shared operation on private memory doesn't meet a private one: FUT_OFF_MMSHARED. */
	if (!err && (flags & FUTEX_SHARED) && !ret->file)
		ret->off |= 1;
	return err;
}

void futex_put_key(struct futex_key *key)
{
	if (key->file)
		key->file->ops->put(key->file);
	key->file = NULL;
}

struct futex_bucket *futex_bucket_of(const struct futex_key *key)
{
	uint64_t h = ((uintptr_t)key->obj >> 4) * 0x9e3779b97f4a7c15UL ^ (key->off >> 2) * 0xff51afd7ed558ccdUL;

	pthread_once(&buckets_once, buckets_init);
	return &buckets[(h >> 40) % FUTEX_BUCKETS];
}

void futex_lock_two(struct futex_bucket *a, struct futex_bucket *b)
{
	mutex_lock(a < b ? &a->lock : &b->lock);
	if (a != b)
		mutex_lock(a < b ? &b->lock : &a->lock);
}

void futex_unlock_two(struct futex_bucket *a, struct futex_bucket *b)
{
	mutex_unlock(&a->lock);
	if (a != b)
		mutex_unlock(&b->lock);
}

/* --- waiters --- */

void futex_waiter_init(struct futex_waiter *w, uint32_t bitset)
{
	*w = (struct futex_waiter){ .bitset = bitset, .task = current, .woken_index = -1 };
	list_init(&w->link);
}

/*
 * The platform answers a FUTEX_WAKE of a private futex for which nobody is counted.  So a waiter is counted before it looks at the word.
 * @key is current's.  A waiter of another address space, requeued to ours from a shared futex, stays counted for ever.
 */
static void futex_count(const struct futex_key *key)
{
	if (platform->futex_count && !key->file)
		platform->futex_count(((struct mm *)key->obj)->as, key->off, 1);
}

static void futex_uncount(const struct futex_waiter *w)
{
	if (platform->futex_count && !w->key.file && w->key.obj == w->task->mm)
		platform->futex_count(w->task->mm->as, w->key.off, -1);
}

void futex_queue_locked(struct futex_waiter *w, const struct futex_key *key, struct futex_bucket *b)
{
	mutex_assert_held(&b->lock);
	futex_count(key);
	w->key = *key;
	WRITE_ONCE(w->bucket, b);
	list_add_tail(&w->link, &b->waiters);
}

struct futex_bucket *futex_waiter_lock(struct futex_waiter *w)
{
	for (;;) {
		struct futex_bucket *b = READ_ONCE(w->bucket);

		mutex_lock(&b->lock);
		if (b == READ_ONCE(w->bucket))
			return b;
		mutex_unlock(&b->lock);
	}
}

bool futex_dequeue_locked(struct futex_waiter *w)
{
	if (list_empty(&w->link))
		return false;
	futex_uncount(w);
	list_del(&w->link);
	return true;
}

bool futex_unqueue(struct futex_waiter *w)
{
	struct futex_bucket *b = futex_waiter_lock(w);
	bool waiting = futex_dequeue_locked(w);

	mutex_unlock(&b->lock);
	return waiting;
}

int futex_queue_if_locked(struct futex_waiter *w, const struct futex_key *key, struct futex_bucket *b, uaddr_t uaddr,
			  uint32_t val)
{
	uint32_t now;
	int err;

	futex_queue_locked(w, key, b);
	err = user_read_u32(uaddr, &now);
	if (!err && now != val)
		err = -LINUX_EAGAIN;
	if (err)
		futex_dequeue_locked(w);
	return err;
}

/* Once `woken` is set the waiter may return, and its stack be reused: only its task is still there. */
void futex_wake_locked(struct futex_waiter *w)
{
	struct task *t = task_get(w->task);

	futex_dequeue_locked(w);
	atomic_store(&w->woken, true);
	sleeper_wake(&t->sleeper);
	task_put(t);
}

static int futex_sleep(struct futex_waiter *w, deadline_t deadline)
{
	int err = 0;

	while (!atomic_load(&w->woken) && !err)
		err = sleeper_sleep(SLEEP_INTERRUPTIBLE, deadline);
	/* Whoever was in the middle of waking it has the bucket's lock. */
	if (err && !futex_unqueue(w))
		err = 0;
	return err;
}

/* --- FUTEX_WAIT --- */

static int64_t futex_wait_restart(struct restart_block *rb)
{
	return futex_wait(rb->futex.uaddr, rb->futex.flags, rb->futex.val, rb->futex.deadline, rb->futex.bitset);
}

static int futex_wait_once(uaddr_t uaddr, unsigned flags, uint32_t val, deadline_t deadline, uint32_t bitset)
{
	struct futex_bucket *b;
	struct futex_waiter w;
	struct futex_key key;
	int err;

	err = futex_get_key(uaddr, flags, false, &key);
	if (err)
		return err;
	futex_waiter_init(&w, bitset);
	b = futex_bucket_of(&key);
	mutex_lock(&b->lock);
	err = futex_queue_if_locked(&w, &key, b, uaddr, val);
	mutex_unlock(&b->lock);
	if (!err)
		err = futex_sleep(&w, deadline);
	futex_put_key(&key);
	return err;
}

int64_t futex_wait(uaddr_t uaddr, unsigned flags, uint32_t val, deadline_t deadline, uint32_t bitset)
{
	struct restart_block *rb = &current->restart;
	int err;

	if (!bitset)
		return -LINUX_EINVAL;
	err = futex_wait_once(uaddr, flags, val, deadline, bitset);
	if (err != -LINUX_ERESTARTSYS || deadline == NO_DEADLINE)
		return err;
	rb->fn = futex_wait_restart;
	rb->futex.uaddr = uaddr;
	rb->futex.val = val;
	rb->futex.bitset = bitset;
	rb->futex.flags = flags;
	rb->futex.deadline = deadline;
	return -LINUX_ERESTART_RESTARTBLOCK;
}

/* --- futex_waitv(2) --- */

/* Queues all, unless a word differs.  *ret_nr: how many are queued. */
static int futex_queue_multiple(const struct futex_wait_item *items, struct futex_waiter *w, struct futex_key *keys,
				unsigned nr, unsigned *ret_nr)
{
	for (unsigned i = 0; i < nr; i++) {
		struct futex_bucket *b;
		int err;

		futex_waiter_init(&w[i], LINUX_FUTEX_BITSET_MATCH_ANY);
		err = futex_get_key(items[i].uaddr, items[i].flags, false, &keys[i]);
		if (err)
			return err;
		b = futex_bucket_of(&keys[i]);
		mutex_lock(&b->lock);
		err = futex_queue_if_locked(&w[i], &keys[i], b, items[i].uaddr, items[i].val);
		mutex_unlock(&b->lock);
		if (err) {
			futex_put_key(&keys[i]);
			return err;
		}
		*ret_nr = i + 1;
	}
	return 0;
}

static bool futex_any_woken(struct futex_waiter *w, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++)
		if (atomic_load(&w[i].woken))
			return true;
	return false;
}

/* Takes all off their buckets.  The highest one that was woken, or -1. */
static int futex_unqueue_multiple(struct futex_waiter *w, struct futex_key *keys, unsigned nr)
{
	int woken = -1;

	for (unsigned i = 0; i < nr; i++) {
		if (!futex_unqueue(&w[i]))
			woken = (int)i;
		futex_put_key(&keys[i]);
	}
	return woken;
}

int64_t futex_wait_multiple(const struct futex_wait_item *items, unsigned nr, deadline_t deadline)
{
	struct futex_waiter *w = calloc(nr, sizeof(*w));
	struct futex_key *keys = calloc(nr, sizeof(*keys));
	unsigned queued = 0;
	int err, woken;

	err = w && keys ? futex_queue_multiple(items, w, keys, nr, &queued) : -LINUX_ENOMEM;
	while (!err && !futex_any_woken(w, nr))
		err = sleeper_sleep(SLEEP_INTERRUPTIBLE, deadline);
	woken = w ? futex_unqueue_multiple(w, keys, queued) : -1;
	free(w);
	free(keys);
	return woken >= 0 ? woken : err;
}

/* --- FUTEX_WAKE --- */

int64_t futex_wake(uaddr_t uaddr, unsigned flags, int nr, uint32_t bitset)
{
	struct futex_waiter *w, *tmp;
	struct futex_bucket *b;
	struct futex_key key;
	int64_t woken = 0;
	int err;

	if (!bitset)
		return -LINUX_EINVAL;
	err = futex_get_key(uaddr, flags, false, &key);
	if (err)
		return err;
	b = futex_bucket_of(&key);
	sleeper_wakes_hold();
	mutex_lock(&b->lock);
	list_for_each_entry_safe(w, tmp, &b->waiters, link) {
		if (!futex_key_equal(&w->key, &key))
			continue;
		if (w->pi || w->requeue_pi) {
			woken = -LINUX_EINVAL;
			break;
		}
		if (!(w->bitset & bitset))
			continue;
		futex_wake_locked(w);
		/* Counted afterwards, as on Linux: a count of 0 wakes one. */
		if (++woken >= nr)
			break;
	}
	mutex_unlock(&b->lock);
	sleeper_wakes_release();
	futex_put_key(&key);
	return woken;
}

void futex_wake_user(uaddr_t uaddr, int nr)
{
	futex_wake(uaddr, FUTEX_SHARED, nr, LINUX_FUTEX_BITSET_MATCH_ANY);
}
