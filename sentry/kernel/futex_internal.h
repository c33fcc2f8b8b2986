/* SPDX-License-Identifier: Apache-2.0 */
/* What futex.c, futex_requeue.c, futex_pi.c and futex_robust.c share. */
#ifndef SENTRY_KERNEL_FUTEX_INTERNAL_H
#define SENTRY_KERNEL_FUTEX_INTERNAL_H

#include "sentry/base/list.h"
#include "sentry/base/lock.h"
#include "sentry/kernel/futex.h"
#include "sentry/mm/mm.h"

struct task;
struct futex_pi_state;
struct pi_waiter;

struct futex_bucket {
	struct mutex lock;
	struct list_head waiters; /* lock; futex_waiter.link, oldest first */
};

/* A sleeping thread; on its stack. */
struct futex_waiter {
	struct list_head link;	     /* bucket's lock; empty: woken */
	struct futex_key key;	     /* bucket's lock */
	struct futex_bucket *bucket; /* its lock to change (requeue); read with futex_waiter_lock */
	uint32_t bitset;
	struct task *task;	     /* borrowed: it sleeps here */
	atomic_bool woken;
	int woken_index;	     /* futex_waitv: which one; -1 */
	/* PI: see futex_pi.c; futex_pi_lock */
	struct futex_pi_state *pi;   /* waits for this one's ownership; NULL: an ordinary waiter */
	struct pi_waiter *pi_slot;   /* futex_pi.c's part of the same stack frame */
	bool requeue_pi;	     /* FUTEX_WAIT_REQUEUE_PI: may be moved to requeue_key */
	struct futex_key requeue_key;
	bool granted;		     /* owns the PI futex now */
};

enum futex_flags { FUTEX_SHARED = 1, FUTEX_CLOCKRT = 2 };

static inline bool futex_key_equal(const struct futex_key *a, const struct futex_key *b)
{
	return a->obj == b->obj && a->off == b->off;
}

/* The key of the word at @uaddr of current: 0, -LINUX_EINVAL (alignment), -LINUX_EFAULT.  futex_key_put when done. */
int futex_get_key(uaddr_t uaddr, unsigned flags, bool write, struct futex_key *ret);
void futex_put_key(struct futex_key *key);
struct futex_bucket *futex_bucket_of(const struct futex_key *key);
/* Two buckets, which may be one. */
void futex_lock_two(struct futex_bucket *a, struct futex_bucket *b);
void futex_unlock_two(struct futex_bucket *a, struct futex_bucket *b);

void futex_waiter_init(struct futex_waiter *w, uint32_t bitset);
/* The bucket's lock is held.  @key is one of current's address space. */
void futex_queue_locked(struct futex_waiter *w, const struct futex_key *key, struct futex_bucket *b);
/* Queues it if the word at @uaddr, which has @key, is @val: 0, -LINUX_EAGAIN or -LINUX_EFAULT. */
int futex_queue_if_locked(struct futex_waiter *w, const struct futex_key *key, struct futex_bucket *b, uaddr_t uaddr,
			  uint32_t val);
/* Takes it off its bucket, whose lock is held; false: it was off already. */
bool futex_dequeue_locked(struct futex_waiter *w);
/* Locks the bucket a waiter is in now. */
struct futex_bucket *futex_waiter_lock(struct futex_waiter *w);
/* Takes it off its bucket; true: it was still waiting. */
bool futex_unqueue(struct futex_waiter *w);
/* Takes @w off its bucket, whose lock is held, and wakes its thread.  @w may be gone afterwards. */
void futex_wake_locked(struct futex_waiter *w);

int64_t futex_wait(uaddr_t uaddr, unsigned flags, uint32_t val, deadline_t deadline, uint32_t bitset);
int64_t futex_wake(uaddr_t uaddr, unsigned flags, int nr, uint32_t bitset);
int64_t futex_wake_op(uaddr_t uaddr1, unsigned flags, uaddr_t uaddr2, int nr_wake, int nr_wake2, uint32_t op);
/* @cmpval NULL: not compared.  @pi: to the PI futex at uaddr2. */
int64_t futex_requeue(uaddr_t uaddr1, unsigned flags, uaddr_t uaddr2, int nr_wake, int nr_requeue,
		      const uint32_t *cmpval, bool pi);
int64_t futex_lock_pi(uaddr_t uaddr, unsigned flags, deadline_t deadline, bool trylock);
int64_t futex_unlock_pi(uaddr_t uaddr, unsigned flags);
int64_t futex_wait_requeue_pi(uaddr_t uaddr, unsigned flags, uint32_t val, deadline_t deadline, uint32_t bitset,
			      uaddr_t uaddr2);
/* Hands over what the exiting task @t owns. */
void futex_pi_exit(struct task *t);

struct futex_wait_item {
	uaddr_t uaddr;
	unsigned flags;
	uint32_t val;
};
/* futex_waitv(2): the index of the woken one. */
int64_t futex_wait_multiple(const struct futex_wait_item *items, unsigned nr, deadline_t deadline);

/*
 * CMP_REQUEUE_PI's part: gives uaddr2 to @w, or makes it wait for it.  1: it owns it and is woken; 0: it waits there; or
 * -errno.  futex_pi_lock and both buckets held.
 */
int futex_requeue_pi_one(struct futex_waiter *w, uaddr_t uaddr2, const struct futex_key *key2, struct futex_bucket *b2);
extern struct mutex futex_pi_lock; /* outside bucket locks */

#endif
