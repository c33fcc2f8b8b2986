/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Priority-inheritance futexes.
 *
 * The word holds the owner's tid.  While somebody waits, the sentry keeps a futex_pi_state for the key: who owns it, who
 * waits, in order.  Unlocking hands the futex over: the sentry writes the next owner's tid, so that nobody can barge in.
 * Priorities are not lent (the host schedules), but the order of waiters follows them, ownership, deadlock detection
 * and what happens when an owner dies are as on Linux.
 *
 * futex_pi_lock guards all of it, outside the bucket locks: owners form chains across futexes.
 */
#include <stdlib.h>

#include "sentry/kernel/futex_internal.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/uaccess.h"

/* All fields: futex_pi_lock. */
struct futex_pi_state {
	struct list_head owner_link; /* owner->pi_state_list */
	struct list_head waiters;    /* pi_waiter.link, next owner first */
	struct task *owner;	     /* borrowed: an exiting task hands over */
	struct futex_key key;	     /* compared only */
	struct list_head all_link;   /* pi_states */
};

/* A futex_waiter's place in a pi_state. */
struct pi_waiter {
	struct list_head link;
	struct futex_waiter *w;
	uaddr_t uaddr; /* of the word in the waiter's address space */
};

struct mutex futex_pi_lock = MUTEX_INIT;
static LIST_HEAD(pi_states);

static struct futex_pi_state *pi_find(const struct futex_key *key)
{
	struct futex_pi_state *pi;

	list_for_each_entry(pi, &pi_states, all_link)
		if (futex_key_equal(&pi->key, key))
			return pi;
	return NULL;
}

static void pi_set_owner(struct futex_pi_state *pi, struct task *owner)
{
	list_del(&pi->owner_link);
	pi->owner = owner;
	if (owner)
		list_add_tail(&pi->owner_link, &owner->pi_state_list);
}

static struct futex_pi_state *pi_new(const struct futex_key *key, struct task *owner)
{
	struct futex_pi_state *pi = calloc(1, sizeof(*pi));

	if (!pi)
		return NULL;
	pi->key = *key;
	list_init(&pi->owner_link);
	list_init(&pi->waiters);
	list_add_tail(&pi->all_link, &pi_states);
	pi_set_owner(pi, owner);
	return pi;
}

static void pi_free_if_unused(struct futex_pi_state *pi)
{
	if (!list_empty(&pi->waiters))
		return;
	list_del(&pi->owner_link);
	list_del(&pi->all_link);
	free(pi);
}

/* Higher real-time priority first, then first come. */
static void pi_enqueue(struct futex_pi_state *pi, struct pi_waiter *pw)
{
	int prio = pw->w->task->sched_priority;
	struct pi_waiter *pos;

	list_for_each_entry(pos, &pi->waiters, link)
		if (pos->w->task->sched_priority < prio)
			break;
	/* Behind the last one that isn't lower: before @pos, or at the tail when the loop ran out. */
	list_add_tail(&pw->link, &pos->link);
	pw->w->pi = pi;
	pw->w->task->pi_blocked_on = pi;
}

static void pi_dequeue(struct futex_pi_state *pi, struct pi_waiter *pw)
{
	list_del(&pw->link);
	pw->w->pi = NULL;
	pw->w->task->pi_blocked_on = NULL;
	pi_free_if_unused(pi);
}

/* Whether @t, by waiting for @owner, would wait for itself. */
static bool pi_would_deadlock(struct task *t, struct task *owner)
{
	for (int depth = 0; owner && depth < 1024; depth++) {
		if (owner == t)
			return true;
		if (!owner->pi_blocked_on)
			return false;
		owner = owner->pi_blocked_on->owner;
	}
	return owner != NULL;
}

/* --- locking --- */

/*
 * Tries to take the futex for @t, or prepares the word for waiting.  1: taken; 0: *ret_pi is what to wait for; or -errno.
 * @set_waiters: others wait on the word, so the bit is set when it's taken.
 */
static int pi_lock_word(uaddr_t uaddr, const struct futex_key *key, struct task *t, bool set_waiters,
			struct futex_pi_state **ret_pi)
{
	uint32_t tid = (uint32_t)task_tid(t), val, prev, new;
	struct futex_pi_state *pi = pi_find(key);
	struct task *owner;
	int err;

	err = user_read_u32(uaddr, &val);
	if (err)
		return err;
	for (;;) {
		if ((val & LINUX_FUTEX_TID_MASK) == tid)
			return -LINUX_EDEADLK;
		if (pi && pi->owner) {
			/* The word must agree with what the sentry knows. */
			if ((val & LINUX_FUTEX_TID_MASK) != (uint32_t)task_tid(pi->owner))
				return -LINUX_EINVAL;
		} else if (!(val & LINUX_FUTEX_TID_MASK)) {
			new = (val & LINUX_FUTEX_OWNER_DIED) | tid | (set_waiters || pi ? LINUX_FUTEX_WAITERS : 0);
			err = user_cmpxchg_u32(uaddr, val, new, &prev);
			if (err)
				return err;
			if (prev == val)
				return 1;
			val = prev;
			continue;
		}
		new = val | LINUX_FUTEX_WAITERS;
		err = new == val ? 0 : user_cmpxchg_u32(uaddr, val, new, &prev);
		if (err)
			return err;
		if (new == val || prev == val)
			break;
		val = prev;
	}
	if (!pi) {
		owner = task_find_get((int)(val & LINUX_FUTEX_TID_MASK));
		if (!owner)
			return -LINUX_ESRCH;
		if (owner->futex_exiting)
			err = -LINUX_EBUSY;
		else
			pi = pi_new(key, owner);
		task_put(owner);
		if (err || !pi)
			return err ? err : -LINUX_ENOMEM;
	}
	if (pi_would_deadlock(t, pi->owner)) {
		pi_free_if_unused(pi);
		return -LINUX_EDEADLK;
	}
	*ret_pi = pi;
	return 0;
}

/* Sleeps until the futex was handed over.  No locks held. */
static int pi_wait(struct futex_waiter *w, struct pi_waiter *pw, deadline_t deadline)
{
	int err = 0;

	while (!atomic_load(&w->woken) && !err)
		err = sleeper_sleep(SLEEP_INTERRUPTIBLE, deadline);
	mutex_lock(&futex_pi_lock);
	futex_unqueue(w);
	if (w->granted)
		err = 0;
	else if (w->pi)
		pi_dequeue(w->pi, pw);
	mutex_unlock(&futex_pi_lock);
	/* The wait is made again from the start, whatever the handler says. */
	return err == -LINUX_ERESTARTSYS ? -LINUX_ERESTARTNOINTR : err;
}

static int futex_lock_pi_once(uaddr_t uaddr, struct futex_key *key, deadline_t deadline, bool trylock)
{
	struct futex_bucket *b = futex_bucket_of(key);
	struct futex_pi_state *pi = NULL;
	struct futex_waiter w;
	struct pi_waiter pw = { .w = &w, .uaddr = uaddr };
	int ret;

	futex_waiter_init(&w, LINUX_FUTEX_BITSET_MATCH_ANY);
	list_init(&pw.link);
	mutex_lock(&futex_pi_lock);
	mutex_lock(&b->lock);
	ret = pi_lock_word(uaddr, key, current, false, &pi);
	if (!ret && trylock) {
		pi_free_if_unused(pi);
		ret = -LINUX_EWOULDBLOCK;
	}
	if (!ret) {
		w.pi_slot = &pw;
		futex_queue_locked(&w, key, b);
		pi_enqueue(pi, &pw);
	}
	mutex_unlock(&b->lock);
	mutex_unlock(&futex_pi_lock);
	if (ret)
		return ret < 0 ? ret : 0;
	return pi_wait(&w, &pw, deadline);
}

int64_t futex_lock_pi(uaddr_t uaddr, unsigned flags, deadline_t deadline, bool trylock)
{
	struct futex_key key;
	int err;

	err = futex_get_key(uaddr, flags, true, &key);
	if (err)
		return err;
	/* An owner in the middle of exiting marks the word in a moment. */
	while ((err = futex_lock_pi_once(uaddr, &key, deadline, trylock)) == -LINUX_EBUSY)
		if (sleeper_sleep(SLEEP_INTERRUPTIBLE, deadline_after(1000000)) == -LINUX_ERESTARTSYS) {
			err = -LINUX_ERESTARTNOINTR;
			break;
		}
	futex_put_key(&key);
	return err;
}

/* --- handing over --- */

/*
 * Makes the first waiter the owner: the word, through an address space in which it's mapped, and the waiter.  @died:
 * LINUX_FUTEX_OWNER_DIED or 0.  The bucket's lock is held.
 */
static int pi_hand_over(struct futex_pi_state *pi, uint32_t died)
{
	struct pi_waiter *pw = list_first_entry(&pi->waiters, struct pi_waiter, link);
	struct futex_waiter *w = pw->w;
	struct task *next = w->task;
	uint32_t val, prev, new;
	int err;

	err = user_read_u32_mm(next->mm, pw->uaddr, &val);
	while (!err) {
		new = (uint32_t)task_tid(next) | LINUX_FUTEX_WAITERS | died;
		err = user_cmpxchg_u32_mm(next->mm, pw->uaddr, val, new, &prev);
		if (err || prev == val)
			break;
		val = prev;
	}
	if (err)
		return err;
	pi_set_owner(pi, next);
	w->granted = true;
	pi_dequeue(pi, pw);
	futex_wake_locked(w);
	return 0;
}

static int futex_unlock_pi_locked(uaddr_t uaddr, const struct futex_key *key)
{
	struct futex_pi_state *pi = pi_find(key);
	uint32_t val, prev;
	int err;

	err = user_read_u32(uaddr, &val);
	if (err)
		return err;
	if ((val & LINUX_FUTEX_TID_MASK) != (uint32_t)task_tid(current))
		return -LINUX_EPERM;
	if (pi)
		return pi->owner == current ? pi_hand_over(pi, 0) : -LINUX_EINVAL;
	/* Waiters left in the meantime. */
	err = user_cmpxchg_u32(uaddr, val, 0, &prev);
	if (err)
		return err;
	return prev == val ? 0 : -LINUX_EAGAIN;
}

int64_t futex_unlock_pi(uaddr_t uaddr, unsigned flags)
{
	struct futex_bucket *b;
	struct futex_key key;
	int err;

	err = futex_get_key(uaddr, flags, true, &key);
	if (err)
		return err;
	b = futex_bucket_of(&key);
	do {
		mutex_lock(&futex_pi_lock);
		mutex_lock(&b->lock);
		err = futex_unlock_pi_locked(uaddr, &key);
		mutex_unlock(&b->lock);
		mutex_unlock(&futex_pi_lock);
	} while (err == -LINUX_EAGAIN);
	futex_put_key(&key);
	return err;
}

void futex_pi_exit(struct task *t)
{
	mutex_lock(&futex_pi_lock);
	t->futex_exiting = true;
	while (!list_empty(&t->pi_state_list)) {
		struct futex_pi_state *pi =
			list_first_entry(&t->pi_state_list, struct futex_pi_state, owner_link);
		struct pi_waiter *pw = list_first_entry(&pi->waiters, struct pi_waiter, link);
		struct futex_bucket *b = futex_waiter_lock(pw->w);

		/* A word that can't be written any more: its waiters time out. */
		if (pi_hand_over(pi, LINUX_FUTEX_OWNER_DIED))
			pi_set_owner(pi, NULL);
		mutex_unlock(&b->lock);
	}
	mutex_unlock(&futex_pi_lock);
}

/* --- requeueing --- */

int futex_requeue_pi_one(struct futex_waiter *w, uaddr_t uaddr2, const struct futex_key *key2, struct futex_bucket *b2)
{
	struct pi_waiter *pw = w->pi_slot;
	struct futex_pi_state *pi = NULL;
	int ret;

	mutex_assert_held(&futex_pi_lock);
	ret = pi_lock_word(uaddr2, key2, w->task, true, &pi);
	if (ret < 0)
		return ret;
	if (ret) {
		w->granted = true;
		futex_wake_locked(w);
		return 1;
	}
	futex_dequeue_locked(w);
	futex_queue_locked(w, key2, b2);
	pi_enqueue(pi, pw);
	return 0;
}

int64_t futex_wait_requeue_pi(uaddr_t uaddr, unsigned flags, uint32_t val, deadline_t deadline, uint32_t bitset,
			      uaddr_t uaddr2)
{
	struct futex_waiter w;
	struct pi_waiter pw = { .w = &w, .uaddr = uaddr2 };
	struct futex_key key, key2;
	struct futex_bucket *b;
	bool requeued = false;
	int err;

	if (uaddr == uaddr2 || !bitset)
		return -LINUX_EINVAL;
	err = futex_get_key(uaddr, flags, false, &key);
	if (err)
		return err;
	err = futex_get_key(uaddr2, flags, true, &key2);
	if (err) {
		futex_put_key(&key);
		return err;
	}
	list_init(&pw.link);
	futex_waiter_init(&w, bitset);
	w.requeue_pi = true;
	w.requeue_key = key2;
	w.pi_slot = &pw;
	b = futex_bucket_of(&key);
	mutex_lock(&b->lock);
	err = futex_queue_if_locked(&w, &key, b, uaddr, val);
	mutex_unlock(&b->lock);
	if (!err) {
		err = pi_wait(&w, &pw, deadline);
		requeued = futex_key_equal(&w.key, &key2);
		/* Still on the first futex: the handler may run, and the wait is not made again. */
		if (err == -LINUX_ERESTARTNOINTR)
			err = requeued ? -LINUX_EWOULDBLOCK : -LINUX_ERESTARTNOINTR;
	}
	futex_put_key(&key2);
	futex_put_key(&key);
	return err;
}
