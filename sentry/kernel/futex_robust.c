/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Robust futexes: at exit the kernel walks the list of locks a thread holds, which lives in the guest's memory, marks each
 * as left behind by a dead owner and wakes one waiter.  The list is the guest's: it's read with care, and bounded.
 */
#include "sentry/kernel/futex_internal.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/uaccess.h"

/* Bit 0 of a list pointer: it's a PI futex. */
static int robust_fetch(uaddr_t at, uaddr_t *ret_entry, bool *ret_pi)
{
	uint64_t p;

	if (get_user(&p, at))
		return -LINUX_EFAULT;
	*ret_entry = p & ~1UL;
	*ret_pi = p & 1;
	return 0;
}

/* handle_futex_death() in Linux. */
static int robust_mark_dead(uaddr_t uaddr, bool pi, bool pending_op)
{
	uint32_t tid = (uint32_t)task_tid(current), val, new, prev;
	int err;

	if (uaddr % 4)
		return -LINUX_EINVAL;
	err = user_read_u32(uaddr, &val);
	for (;;) {
		if (err)
			return err;
		/*
		 * The thread was unlocking, or about to lock, when it died, and nobody owns the futex: a waiter that was to be
		 * woken might not have been.
		 */
		if (pending_op && !pi && !(val & LINUX_FUTEX_TID_MASK)) {
			futex_wake(uaddr, FUTEX_SHARED, 1, LINUX_FUTEX_BITSET_MATCH_ANY);
			return 0;
		}
		if ((val & LINUX_FUTEX_TID_MASK) != tid)
			return 0;
		new = (val & LINUX_FUTEX_WAITERS) | LINUX_FUTEX_OWNER_DIED;
		err = user_cmpxchg_u32(uaddr, val, new, &prev);
		if (!err && prev == val)
			break;
		val = prev;
	}
	/* PI waiters are woken by the hand-over. */
	if (!pi && (val & LINUX_FUTEX_WAITERS))
		futex_wake(uaddr, FUTEX_SHARED, 1, LINUX_FUTEX_BITSET_MATCH_ANY);
	return 0;
}

static void robust_exit(struct task *t)
{
	uaddr_t head = t->robust_list, entry, next, pending;
	bool pi, next_pi, pending_pi;
	int64_t offset;
	int err;

	t->robust_list = 0;
	if (robust_fetch(head, &entry, &pi) ||
	    get_user(&offset, head + offsetof(struct linux_robust_list_head, futex_offset)) ||
	    robust_fetch(head + offsetof(struct linux_robust_list_head, list_op_pending), &pending, &pending_pi))
		return;
	for (unsigned n = 0; entry != head && n < LINUX_ROBUST_LIST_LIMIT; n++) {
		/* The next one first: once marked, the entry may be reused. */
		err = robust_fetch(entry, &next, &next_pi);
		if (entry != pending && robust_mark_dead(entry + (uint64_t)offset, pi, false))
			return;
		if (err)
			return;
		entry = next;
		pi = next_pi;
	}
	if (pending)
		robust_mark_dead(pending + (uint64_t)offset, pending_pi, true);
}

void futex_exit(struct task *t)
{
	if (t->robust_list)
		robust_exit(t);
	futex_pi_exit(t);
}
