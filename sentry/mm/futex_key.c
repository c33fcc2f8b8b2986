/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/mm/mm_internal.h"

/* get_futex_key in Linux. */
int mm_futex_key(struct mm *mm, uaddr_t addr, bool shared, bool write, struct futex_key *ret)
{
	struct mm_fault f = { .addr = addr, .access = write ? ACCESS_WRITE : ACCESS_READ };
	const struct vma *v;
	int err = 0;

	if (addr & 3)
		return -LINUX_EINVAL;
	if (addr >= GUEST_TASK_SIZE)
		return -LINUX_EFAULT;
	ret->obj = mm;
	ret->off = addr;
	ret->file = NULL;
	if (!shared)
		return 0;
	/* The word must be there, as it must for a key by page. */
	err = mm_handle_fault(mm, &f, 0);
	if (err)
		return err;
	rwlock_read(&mm->lock);
	v = vma_find(&mm->vmas, addr);
	/* Private memory that can't be written will never change. */
	if (!v || !(v->flags & (VM_SHARED | VM_WRITE))) {
		err = -LINUX_EFAULT;
	} else if ((v->flags & VM_SHARED) && vma_backing(v)) {
		ret->obj = vma_backing(v);
		ret->off = (vma_pgoff(v, addr) << PAGE_SHIFT) | PAGE_OFFSET(addr);
		ret->file = v->file;
		ret->file->ops->get(ret->file);
	}
	rwlock_unlock(&mm->lock);
	return err;
}
