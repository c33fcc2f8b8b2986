/* SPDX-License-Identifier: Apache-2.0 */
/* mbind(2) of a range: what is kept is what get_mempolicy(2) tells, for there is one node. */
#include "sentry/mm/mm_internal.h"

static int policy_piece(struct mm *mm, uaddr_t start, uaddr_t end, uint32_t policy)
{
	struct vma *v = vma_find(&mm->vmas, start);
	int err;

	if (v->policy == policy)
		return 0;
	err = mm_vma_split_range(mm, start, end);
	if (!err)
		vma_find(&mm->vmas, start)->policy = policy;
	return err;
}

int mm_set_policy(struct mm *mm, uaddr_t start, uaddr_t end, uint32_t policy)
{
	uaddr_t at = start, to;
	struct vma *v;
	int err = 0;

	rwlock_write(&mm->lock);
	/* A hole is an error before anything is done. */
	for (uaddr_t p = start; p < end && !err; p = v ? v->end : end) {
		v = vma_find(&mm->vmas, p);
		if (!v)
			err = -LINUX_EFAULT;
	}
	while (at < end && !err) {
		to = MIN(vma_find(&mm->vmas, at)->end, end);
		err = policy_piece(mm, at, to, policy);
		at = to;
	}
	mm_vma_merge_range(mm, start, end);
	rwlock_unlock(&mm->lock);
	return err;
}

int mm_get_policy(struct mm *mm, uaddr_t addr, uint32_t *ret)
{
	struct vma *v;

	rwlock_read(&mm->lock);
	v = vma_find(&mm->vmas, addr);
	if (v)
		*ret = v->policy;
	rwlock_unlock(&mm->lock);
	return v ? 0 : -LINUX_EFAULT;
}
