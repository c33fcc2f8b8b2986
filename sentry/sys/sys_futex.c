/* SPDX-License-Identifier: Apache-2.0 */
/* futex(2), futex_waitv(2), robust lists. */
#include <stdlib.h>

#include "platform/host/host.h"
#include "sentry/kernel/futex_internal.h"
#include "sentry/kernel/task.h"
#include "sentry/kernel/timers.h"
#include "sentry/mm/uaccess.h"
#include "sentry/sys/syscall.h"

static bool futex_has_timeout(unsigned cmd)
{
	return cmd == LINUX_FUTEX_WAIT || cmd == LINUX_FUTEX_LOCK_PI || cmd == LINUX_FUTEX_LOCK_PI2 ||
	       cmd == LINUX_FUTEX_WAIT_BITSET || cmd == LINUX_FUTEX_WAIT_REQUEUE_PI;
}

/* FUTEX_WAIT's time is relative; the others' is of CLOCK_MONOTONIC, or CLOCK_REALTIME where it was asked for or is the rule. */
static int futex_deadline(unsigned cmd, unsigned flags, uaddr_t uts, deadline_t *ret)
{
	bool realtime = (flags & FUTEX_CLOCKRT) || cmd == LINUX_FUTEX_LOCK_PI;
	int64_t ns;
	int err;

	*ret = NO_DEADLINE;
	if (!uts || !futex_has_timeout(cmd))
		return 0;
	err = get_user_timespec(uts, &ns);
	if (err)
		return err;
	if (cmd == LINUX_FUTEX_WAIT)
		*ret = deadline_after(ns);
	else if (realtime)
		*ret = deadline_after(MAX(ns - host_clock_ns(LINUX_CLOCK_REALTIME), 0));
	else
		*ret = ns;
	return 0;
}

SYSCALL_DEFINE6(futex, uaddr_t, uaddr, int, op, uint32_t, val, uaddr_t, utime, uaddr_t, uaddr2, uint32_t, val3)
{
	unsigned cmd = (unsigned)op & LINUX_FUTEX_CMD_MASK;
	unsigned flags = op & LINUX_FUTEX_PRIVATE_FLAG ? 0 : FUTEX_SHARED;
	int val2 = (int)utime; /* where there is no time-out */
	deadline_t deadline;
	int err;

	if (op & LINUX_FUTEX_CLOCK_REALTIME) {
		flags |= FUTEX_CLOCKRT;
		if (cmd != LINUX_FUTEX_WAIT_BITSET && cmd != LINUX_FUTEX_WAIT_REQUEUE_PI && cmd != LINUX_FUTEX_LOCK_PI2)
			return -LINUX_ENOSYS;
	}
	err = futex_deadline(cmd, flags, utime, &deadline);
	if (err)
		return err;
	switch (cmd) {
	case LINUX_FUTEX_WAIT:
		return futex_wait(uaddr, flags, val, deadline, LINUX_FUTEX_BITSET_MATCH_ANY);
	case LINUX_FUTEX_WAIT_BITSET:
		return futex_wait(uaddr, flags, val, deadline, val3);
	case LINUX_FUTEX_WAKE:
		return futex_wake(uaddr, flags, (int)val, LINUX_FUTEX_BITSET_MATCH_ANY);
	case LINUX_FUTEX_WAKE_BITSET:
		return futex_wake(uaddr, flags, (int)val, val3);
	case LINUX_FUTEX_REQUEUE:
		return futex_requeue(uaddr, flags, uaddr2, (int)val, val2, NULL, false);
	case LINUX_FUTEX_CMP_REQUEUE:
		return futex_requeue(uaddr, flags, uaddr2, (int)val, val2, &val3, false);
	case LINUX_FUTEX_WAKE_OP:
		return futex_wake_op(uaddr, flags, uaddr2, (int)val, val2, val3);
	case LINUX_FUTEX_LOCK_PI:
	case LINUX_FUTEX_LOCK_PI2:
		return futex_lock_pi(uaddr, flags, deadline, false);
	case LINUX_FUTEX_TRYLOCK_PI:
		return futex_lock_pi(uaddr, flags, NO_DEADLINE, true);
	case LINUX_FUTEX_UNLOCK_PI:
		return futex_unlock_pi(uaddr, flags);
	case LINUX_FUTEX_WAIT_REQUEUE_PI:
		return futex_wait_requeue_pi(uaddr, flags, val, deadline, LINUX_FUTEX_BITSET_MATCH_ANY, uaddr2);
	case LINUX_FUTEX_CMP_REQUEUE_PI:
		return futex_requeue(uaddr, flags, uaddr2, (int)val, val2, &val3, true);
	default:
		return -LINUX_ENOSYS;
	}
}

/* --- futex_waitv --- */

static int futex_parse_waitv(struct futex_wait_item *items, uaddr_t uwaiters, unsigned nr)
{
	struct linux_futex_waitv w;

	for (unsigned i = 0; i < nr; i++) {
		if (get_user(&w, uwaiters + i * sizeof(w)))
			return -LINUX_EFAULT;
		if ((w.flags & ~(LINUX_FUTEX_32 | LINUX_FUTEX_PRIVATE_FLAG)) || w.reserved)
			return -LINUX_EINVAL;
		if (!(w.flags & LINUX_FUTEX_32) || w.val > UINT32_MAX)
			return -LINUX_EINVAL;
		items[i].uaddr = w.uaddr;
		items[i].val = (uint32_t)w.val;
		items[i].flags = w.flags & LINUX_FUTEX_PRIVATE_FLAG ? 0 : FUTEX_SHARED;
	}
	return 0;
}

SYSCALL_DEFINE5(futex_waitv, uaddr_t, uwaiters, unsigned, nr, unsigned, flags, uaddr_t, uts, int, clock)
{
	deadline_t deadline = NO_DEADLINE;
	struct futex_wait_item *items;
	int64_t ns, ret;

	if (flags || !nr || nr > LINUX_FUTEX_WAITV_MAX || !uwaiters)
		return -LINUX_EINVAL;
	if (uts) {
		if (clock != LINUX_CLOCK_MONOTONIC && clock != LINUX_CLOCK_REALTIME)
			return -LINUX_EINVAL;
		ret = get_user_timespec(uts, &ns);
		if (!ret)
			ret = clock_deadline(clock, ns, true, &deadline);
		if (ret)
			return ret;
	}
	items = calloc(nr, sizeof(*items));
	if (!items)
		return -LINUX_ENOMEM;
	ret = futex_parse_waitv(items, uwaiters, nr);
	if (!ret)
		ret = futex_wait_multiple(items, nr, deadline);
	free(items);
	return ret;
}

/* --- robust lists --- */

SYSCALL_DEFINE2(set_robust_list, uaddr_t, head, size_t, len)
{
	if (len != sizeof(struct linux_robust_list_head))
		return -LINUX_EINVAL;
	current->robust_list = head;
	return 0;
}

SYSCALL_DEFINE3(get_robust_list, int32_t, pid, uaddr_t, uhead, uaddr_t, ulen)
{
	struct task *t = pid ? task_find_get(pid) : task_get(current);
	uaddr_t head;
	bool may;

	if (!t)
		return -LINUX_ESRCH;
	may = task_may_access(t, false);
	head = READ_ONCE(t->robust_list);
	task_put(t);
	if (!may)
		return -LINUX_EPERM;
	if (put_user(sizeof(struct linux_robust_list_head), ulen, uint64_t))
		return -LINUX_EFAULT;
	return put_user(head, uhead, uint64_t);
}
