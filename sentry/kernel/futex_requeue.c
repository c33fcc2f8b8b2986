/* SPDX-License-Identifier: Apache-2.0 */
/* Operations on two futexes: FUTEX_REQUEUE, FUTEX_CMP_REQUEUE, FUTEX_CMP_REQUEUE_PI, FUTEX_WAKE_OP. */
#include "sentry/kernel/futex_internal.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/uaccess.h"

struct futex_pair {
	struct futex_key key1, key2;
	struct futex_bucket *b1, *b2;
};

static int futex_pair_get(struct futex_pair *p, uaddr_t uaddr1, uaddr_t uaddr2, unsigned flags, bool write2)
{
	int err = futex_get_key(uaddr1, flags, false, &p->key1);

	if (err)
		return err;
	err = futex_get_key(uaddr2, flags, write2, &p->key2);
	if (err) {
		futex_put_key(&p->key1);
		return err;
	}
	p->b1 = futex_bucket_of(&p->key1);
	p->b2 = futex_bucket_of(&p->key2);
	return 0;
}

static void futex_pair_put(struct futex_pair *p)
{
	futex_put_key(&p->key1);
	futex_put_key(&p->key2);
}

/* --- requeue --- */

/*
 * The waiter keeps the reference of its first key.  The object of the new one may go away under it, and another one take its
 * address: then the waiter may be woken for nothing, which futex(2) allows.
 */
static void futex_move(struct futex_waiter *w, const struct futex_pair *p)
{
	futex_dequeue_locked(w);
	futex_queue_locked(w, &p->key2, p->b2);
}

static int64_t futex_requeue_pi_locked(struct futex_pair *p, uaddr_t uaddr2, int nr_wake, int nr_requeue)
{
	struct futex_waiter *w, *tmp;
	int64_t done = 0;

	list_for_each_entry_safe(w, tmp, &p->b1->waiters, link) {
		int ret;

		if (!futex_key_equal(&w->key, &p->key1))
			continue;
		if (done - nr_wake >= nr_requeue)
			break;
		if (!w->requeue_pi || w->pi || !futex_key_equal(&w->requeue_key, &p->key2))
			return done ? done : -LINUX_EINVAL;
		ret = futex_requeue_pi_one(w, uaddr2, &p->key2, p->b2);
		if (ret < 0)
			return done ? done : ret;
		done++;
	}
	return done;
}

static int64_t futex_requeue_locked(struct futex_pair *p, int nr_wake, int nr_requeue)
{
	struct futex_waiter *w, *tmp;
	int64_t done = 0;

	list_for_each_entry_safe(w, tmp, &p->b1->waiters, link) {
		if (!futex_key_equal(&w->key, &p->key1))
			continue;
		if (done - nr_wake >= nr_requeue)
			break;
		if (w->pi || w->requeue_pi)
			return -LINUX_EINVAL;
		if (++done <= nr_wake)
			futex_wake_locked(w);
		else if (!futex_key_equal(&p->key1, &p->key2))
			futex_move(w, p);
	}
	return done;
}

int64_t futex_requeue(uaddr_t uaddr1, unsigned flags, uaddr_t uaddr2, int nr_wake, int nr_requeue,
		      const uint32_t *cmpval, bool pi)
{
	struct futex_pair p;
	int64_t ret;
	uint32_t now;

	if (nr_wake < 0 || nr_requeue < 0)
		return -LINUX_EINVAL;
	if (pi && (uaddr1 == uaddr2 || nr_wake != 1))
		return -LINUX_EINVAL;
	ret = futex_pair_get(&p, uaddr1, uaddr2, flags, pi);
	if (ret)
		return ret;
	if (pi && futex_key_equal(&p.key1, &p.key2)) {
		futex_pair_put(&p);
		return -LINUX_EINVAL;
	}
	if (pi)
		mutex_lock(&futex_pi_lock);
	futex_lock_two(p.b1, p.b2);
	if (cmpval)
		ret = user_read_u32(uaddr1, &now);
	if (!ret && cmpval && now != *cmpval)
		ret = -LINUX_EAGAIN;
	if (!ret)
		ret = pi ? futex_requeue_pi_locked(&p, uaddr2, nr_wake, nr_requeue)
			 : futex_requeue_locked(&p, nr_wake, nr_requeue);
	futex_unlock_two(p.b1, p.b2);
	if (pi)
		mutex_unlock(&futex_pi_lock);
	futex_pair_put(&p);
	return ret;
}

/* --- FUTEX_WAKE_OP --- */

static int32_t sign_extend_12(uint32_t v)
{
	return (int32_t)(v << 20) >> 20;
}

static int wake_op_apply(unsigned op, uint32_t old, int32_t arg, uint32_t *ret)
{
	switch (op) {
	case 0:
		*ret = (uint32_t)arg;
		return 0;
	case 1:
		*ret = old + (uint32_t)arg;
		return 0;
	case 2:
		*ret = old | (uint32_t)arg;
		return 0;
	case 3:
		*ret = old & ~(uint32_t)arg;
		return 0;
	case 4:
		*ret = old ^ (uint32_t)arg;
		return 0;
	default:
		return -LINUX_ENOSYS;
	}
}

static int wake_op_compare(unsigned cmp, int32_t old, int32_t arg)
{
	switch (cmp) {
	case 0:
		return old == arg;
	case 1:
		return old != arg;
	case 2:
		return old < arg;
	case 3:
		return old <= arg;
	case 4:
		return old > arg;
	case 5:
		return old >= arg;
	default:
		return -LINUX_ENOSYS;
	}
}

/* Changes the word as @encoded says; whether its old value compares true, or -errno. */
static int futex_atomic_op(uaddr_t uaddr, uint32_t encoded)
{
	unsigned op = encoded >> 28 & 7, cmp = encoded >> 24 & 15;
	int32_t arg = sign_extend_12(encoded >> 12 & 0xfff), cmparg = sign_extend_12(encoded & 0xfff);
	uint32_t old, new, prev;
	int err;

	if (encoded & 8U << 28)
		arg = (int32_t)(1U << (arg & 31));
	err = user_read_u32(uaddr, &old);
	while (!err) {
		err = wake_op_apply(op, old, arg, &new);
		if (!err)
			err = user_cmpxchg_u32(uaddr, old, new, &prev);
		if (err || prev == old)
			break;
		old = prev;
	}
	return err ? err : wake_op_compare(cmp, (int32_t)old, cmparg);
}

static int64_t futex_wake_bucket(struct futex_bucket *b, const struct futex_key *key, int nr)
{
	struct futex_waiter *w, *tmp;
	int64_t woken = 0;

	list_for_each_entry_safe(w, tmp, &b->waiters, link) {
		if (!futex_key_equal(&w->key, key))
			continue;
		if (w->pi || w->requeue_pi)
			return -LINUX_EINVAL;
		futex_wake_locked(w);
		if (++woken >= nr)
			break;
	}
	return woken;
}

int64_t futex_wake_op(uaddr_t uaddr1, unsigned flags, uaddr_t uaddr2, int nr_wake, int nr_wake2, uint32_t op)
{
	struct futex_pair p;
	int64_t ret, more = 0;
	int cmp;

	ret = futex_pair_get(&p, uaddr1, uaddr2, flags, true);
	if (ret)
		return ret;
	futex_lock_two(p.b1, p.b2);
	cmp = futex_atomic_op(uaddr2, op);
	if (cmp >= 0)
		ret = futex_wake_bucket(p.b1, &p.key1, nr_wake);
	if (cmp > 0 && ret >= 0)
		more = futex_wake_bucket(p.b2, &p.key2, nr_wake2);
	futex_unlock_two(p.b1, p.b2);
	futex_pair_put(&p);
	if (cmp < 0)
		return cmp;
	return ret < 0 ? ret : more < 0 ? more : ret + more;
}
