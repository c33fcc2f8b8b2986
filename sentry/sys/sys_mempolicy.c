/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NUMA policy, set_mempolicy(2) and its kin, of a machine with one node: policies are checked as mm/mempolicy.c does, kept and told,
 * and wherever a page is wanted, it is there already.
 */
#include "sentry/kernel/task.h"
#include "sentry/mm/mm.h"
#include "sentry/mm/uaccess.h"
#include "sentry/sys/syscall.h"
#include "vfs/cred.h"

enum { MPOL_DEFAULT, MPOL_PREFERRED, MPOL_BIND, MPOL_INTERLEAVE, MPOL_LOCAL, MPOL_PREFERRED_MANY, MPOL_WEIGHTED_INTERLEAVE, MPOL_MAX };

#define MPOL_F_NUMA_BALANCING 0x2000
#define MPOL_F_RELATIVE_NODES 0x4000
#define MPOL_F_STATIC_NODES 0x8000
#define MPOL_MODE_FLAGS 0xe000
#define MPOL_HAS_NODE 0x10000 /* ours: node 0 is in the set */

#define MPOL_F_NODE 1
#define MPOL_F_ADDR 2
#define MPOL_F_MEMS_ALLOWED 4

#define MPOL_MF_STRICT 1
#define MPOL_MF_MOVE 2
#define MPOL_MF_MOVE_ALL 4

#define MAX_NODES 64
#define MAX_MASK_BITS (PAGE_SIZE * 8)

/* The set of @maxnode - 1 bits at @umask.  Bits that no machine has are refused. */
static int nodes_from_user(uaddr_t umask, uint64_t maxnode, uint64_t *ret)
{
	uint64_t bits = maxnode - 1, word;

	*ret = 0;
	if (!bits || !maxnode || !umask)
		return 0;
	if (bits > MAX_MASK_BITS)
		return -LINUX_EINVAL;
	for (uint64_t at = 0; at < bits; at += 64) {
		if (copy_from_user(&word, umask + at / 8, sizeof(word)))
			return -LINUX_EFAULT;
		if (bits - at < 64)
			word &= (1ULL << (bits - at)) - 1;
		if (at && word)
			return -LINUX_EINVAL;
		if (!at)
			*ret = word;
	}
	return 0;
}

static int nodes_to_user(uaddr_t umask, uint64_t maxnode, bool node)
{
	uint64_t bytes = (maxnode - 1 + 63) / 64 * 8, word = node;

	if (bytes > MAX_NODES / 8) {
		if (bytes > PAGE_SIZE)
			return -LINUX_EINVAL;
		if (clear_user(umask + MAX_NODES / 8, bytes - MAX_NODES / 8))
			return -LINUX_EFAULT;
		bytes = MAX_NODES / 8;
	}
	return copy_to_user(umask, &word, bytes) ? -LINUX_EFAULT : 0;
}

/* mpol_new() and mpol_set_nodemask(): *ret as it is kept, 0 for the default. */
static int policy_make(unsigned mode, uint64_t nodes, uint32_t *ret)
{
	unsigned flags = mode & MPOL_MODE_FLAGS, about_nodes = flags & (MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES);

	mode &= ~MPOL_MODE_FLAGS;
	if (mode >= MPOL_MAX || about_nodes == (MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES))
		return -LINUX_EINVAL;
	if (flags & MPOL_F_NUMA_BALANCING && mode != MPOL_BIND && mode != MPOL_PREFERRED_MANY)
		return -LINUX_EINVAL;
	*ret = 0;
	if (mode == MPOL_DEFAULT)
		return nodes ? -LINUX_EINVAL : 0;
	if (mode == MPOL_LOCAL || (mode == MPOL_PREFERRED && !nodes)) {
		if (nodes || about_nodes)
			return -LINUX_EINVAL;
		*ret = MPOL_LOCAL;
		return 0;
	}
	/* Relative numbers go round the nodes there are. */
	if (!nodes || (!(nodes & 1) && !(about_nodes & MPOL_F_RELATIVE_NODES)))
		return -LINUX_EINVAL;
	*ret = mode | flags | MPOL_HAS_NODE;
	return 0;
}

SYSCALL_DEFINE3(set_mempolicy, int, mode, uaddr_t, umask, uint64_t, maxnode)
{
	uint32_t policy;
	uint64_t nodes;
	int err = (unsigned)mode & ~(0xfffU | MPOL_MODE_FLAGS) ? -LINUX_EINVAL : nodes_from_user(umask, maxnode, &nodes);

	if (!err)
		err = policy_make((unsigned)mode, nodes, &policy);
	if (!err)
		current->mempolicy = policy;
	return err;
}

SYSCALL_DEFINE5(get_mempolicy, uaddr_t, umode, uaddr_t, umask, uint64_t, maxnode, uaddr_t, addr, uint64_t, flags)
{
	uint32_t policy = current->mempolicy;
	int32_t mode;
	int err = 0;

	if ((umask && maxnode < 1) || flags & ~(uint64_t)(MPOL_F_NODE | MPOL_F_ADDR | MPOL_F_MEMS_ALLOWED))
		return -LINUX_EINVAL;
	if (flags & MPOL_F_MEMS_ALLOWED) {
		if (flags & (MPOL_F_NODE | MPOL_F_ADDR))
			return -LINUX_EINVAL;
		policy = MPOL_HAS_NODE;
	} else if (flags & MPOL_F_ADDR) {
		err = mm_get_policy(current_mm, addr, &policy);
	} else if (addr) {
		err = -LINUX_EINVAL;
	}
	if (err)
		return err;
	mode = (int32_t)(policy & ~MPOL_HAS_NODE);
	if (flags & MPOL_F_NODE) {
		unsigned kind = (unsigned)mode & ~MPOL_MODE_FLAGS;

		if (!(flags & MPOL_F_ADDR) && kind != MPOL_INTERLEAVE && kind != MPOL_WEIGHTED_INTERLEAVE)
			return -LINUX_EINVAL;
		mode = 0;
	}
	if (umode && put_user(mode, umode, int32_t))
		return -LINUX_EFAULT;
	return umask ? nodes_to_user(umask, maxnode, policy & MPOL_HAS_NODE) : 0;
}

SYSCALL_DEFINE6(mbind, uaddr_t, addr, uint64_t, len, uint64_t, mode, uaddr_t, umask, uint64_t, maxnode, unsigned, flags)
{
	uaddr_t end = addr + PAGE_ALIGN(len);
	uint32_t policy;
	uint64_t nodes;
	int err;

	if (mode & ~(uint64_t)(0xfff | MPOL_MODE_FLAGS))
		return -LINUX_EINVAL;
	err = nodes_from_user(umask, maxnode, &nodes);
	if (err)
		return err;
	if (flags & ~(MPOL_MF_STRICT | MPOL_MF_MOVE | MPOL_MF_MOVE_ALL))
		return -LINUX_EINVAL;
	if (flags & MPOL_MF_MOVE_ALL && !capable(CAP_SYS_NICE))
		return -LINUX_EPERM;
	if (PAGE_OFFSET(addr) || end < addr)
		return -LINUX_EINVAL;
	if (end == addr)
		return 0;
	err = policy_make((unsigned)mode, nodes, &policy);
	return err ? err : mm_set_policy(current_mm, addr, end, policy);
}

/* --- other processes --- */

static struct mm *target_mm(int pid, bool all)
{
	struct task *t _cleanup_task_ = pid ? task_find_get(pid) : task_get(current);
	struct mm *mm;

	if (all && !capable(CAP_SYS_NICE))
		return ERR_PTR(-LINUX_EPERM);
	if (!t)
		return ERR_PTR(-LINUX_ESRCH);
	if (t->tg != current->tg && !task_may_access(t, false))
		return ERR_PTR(-LINUX_EPERM);
	mm = task_mm_get(t);
	return mm ? mm : ERR_PTR(-LINUX_EINVAL);
}

static int move_one(struct mm *mm, uint64_t i, uaddr_t upages, uaddr_t unodes, uaddr_t ustatus)
{
	int32_t node = 0, status;
	uint8_t state;
	uint64_t addr;

	if (get_user(&addr, upages + i * 8))
		return -LINUX_EFAULT;
	if (unodes && get_user(&node, unodes + i * 4))
		return -LINUX_EFAULT;
	if (node)
		return -LINUX_ENODEV;
	if (addr >= GUEST_TASK_SIZE)
		state = 0;
	else
		mm_page_states(mm, addr & ~(PAGE_SIZE - 1), 1, &state);
	status = !(state & MM_PAGE_MAPPED) ? -LINUX_EFAULT : state & MM_PAGE_PRESENT ? 0 : -LINUX_ENOENT;
	return put_user(status, ustatus + i * 4, int32_t) ? -LINUX_EFAULT : 0;
}

SYSCALL_DEFINE6(move_pages, int32_t, pid, uint64_t, nr, uaddr_t, upages, uaddr_t, unodes, uaddr_t, ustatus, int, flags)
{
	struct mm *mm;
	int err = 0;

	if (flags & ~(MPOL_MF_MOVE | MPOL_MF_MOVE_ALL))
		return -LINUX_EINVAL;
	mm = target_mm(pid, flags & MPOL_MF_MOVE_ALL);
	if (IS_ERR(mm))
		return PTR_ERR(mm);
	for (uint64_t i = 0; i < nr && !err && !kernel_signal_killed(); i++)
		err = move_one(mm, i, upages, unodes, ustatus);
	mm_put(mm);
	return err;
}

/* All pages are on the one node, and stay. */
SYSCALL_DEFINE4(migrate_pages, int32_t, pid, uint64_t, maxnode, uaddr_t, uold, uaddr_t, unew)
{
	uint64_t old, new;
	struct mm *mm;
	int err = nodes_from_user(uold, maxnode, &old);

	if (!err)
		err = nodes_from_user(unew, maxnode, &new);
	if (err)
		return err;
	mm = target_mm(pid, false);
	if (IS_ERR(mm))
		return PTR_ERR(mm);
	mm_put(mm);
	if (!new)
		return -LINUX_EINVAL;
	return new & ~1ULL ? (capable(CAP_SYS_NICE) ? -LINUX_EINVAL : -LINUX_EPERM) : 0;
}
