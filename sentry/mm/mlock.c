/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mlock(2) and family.  Guest memory is never swapped by the sentry, so locking brings pages in, counts against
 * RLIMIT_MEMLOCK, and makes MADV_DONTNEED fail: what a program can see of it.
 */
#include "sentry/mm/mm_internal.h"

#define VM_LOCKED_MASK (VM_LOCKED | VM_LOCKONFAULT)

static bool can_lock(const struct mm *mm)
{
	return READ_ONCE(mm->cap_ipc_lock) || READ_ONCE(mm->rlim_memlock);
}

static int lock_vma(struct mm *mm, struct vma *v, uaddr_t start, uaddr_t end, unsigned lock_flags)
{
	unsigned flags = (v->flags & ~VM_LOCKED_MASK) | lock_flags;
	int err;

	if (flags == v->flags || (v->flags & VM_SPECIAL))
		return 0;
	err = mm_vma_split_range(mm, start, end);
	if (err)
		return err;
	mm_vma_set_flags(mm, vma_find(&mm->vmas, start), flags);
	return 0;
}

/* apply_vma_lock_flags: vma by vma up to the first hole. */
static int lock_range(struct mm *mm, uaddr_t start, uaddr_t end, unsigned lock_flags)
{
	uaddr_t from = start;
	int err = 0;

	while (start < end && !err) {
		struct vma *v = vma_find(&mm->vmas, start);
		uaddr_t to;

		if (!v) {
			err = -LINUX_ENOMEM;
			break;
		}
		to = MIN(v->end, end);
		err = lock_vma(mm, v, start, to, lock_flags);
		start = to;
	}
	mm_vma_merge_range(mm, from, end);
	return err;
}

/* Pages of the range that are locked already and so count once. */
static uint64_t locked_pages(struct mm *mm, uaddr_t start, uaddr_t end)
{
	uint64_t pages = 0;

	for (struct vma *v = vma_find_intersection(&mm->vmas, start, end); v && v->start < end; v = vma_next(v))
		if (v->flags & VM_LOCKED)
			pages += (MIN(v->end, end) - MAX(v->start, start)) >> PAGE_SHIFT;
	return pages;
}

static bool range_fits_limit(struct mm *mm, uaddr_t start, uint64_t len)
{
	uint64_t pages = len >> PAGE_SHIFT;

	return mm_may_lock(mm, pages) || mm_may_lock(mm, pages - MIN(pages, locked_pages(mm, start, start + len)));
}

int mm_mlock(struct mm *mm, uaddr_t addr, uint64_t len, unsigned flags)
{
	unsigned lock_flags = VM_LOCKED | (flags & LINUX_MLOCK_ONFAULT ? VM_LOCKONFAULT : 0);
	uaddr_t start = PAGE_DOWN(addr);
	int err;

	if (flags & ~LINUX_MLOCK_ONFAULT)
		return -LINUX_EINVAL;
	if (!can_lock(mm))
		return -LINUX_EPERM;
	len = PAGE_ALIGN(len + PAGE_OFFSET(addr));
	rwlock_write(&mm->lock);
	if (!range_fits_limit(mm, start, len))
		err = -LINUX_ENOMEM;
	else if (start + len < start)
		err = -LINUX_EINVAL;
	else
		err = lock_range(mm, start, start + len, lock_flags);
	rwlock_unlock(&mm->lock);
	if (err || (lock_flags & VM_LOCKONFAULT))
		return err;
	/* POSIX's names for what faults report. */
	err = mm_populate_range(mm, start, start + len);
	return err == -LINUX_EFAULT ? -LINUX_ENOMEM : err == -LINUX_ENOMEM ? -LINUX_EAGAIN : err;
}

int mm_munlock(struct mm *mm, uaddr_t addr, uint64_t len)
{
	uaddr_t start = PAGE_DOWN(addr);
	int err;

	len = PAGE_ALIGN(len + PAGE_OFFSET(addr));
	if (start + len < start)
		return -LINUX_EINVAL;
	rwlock_write(&mm->lock);
	err = lock_range(mm, start, start + len, 0);
	rwlock_unlock(&mm->lock);
	return err;
}

/* The flags of every vma; what can't be split or is special is passed over, as apply_mlockall_flags does. */
static void lock_all(struct mm *mm, unsigned lock_flags)
{
	for (struct vma *v = vma_first(&mm->vmas); v; v = vma_next(v))
		lock_vma(mm, v, v->start, v->end, lock_flags);
	mm_vma_merge_range(mm, 0, GUEST_TASK_SIZE);
}

int mm_mlockall(struct mm *mm, unsigned flags)
{
	unsigned lock_flags = VM_LOCKED | (flags & LINUX_MCL_ONFAULT ? VM_LOCKONFAULT : 0);
	int err = 0;

	if (!flags || (flags & ~(LINUX_MCL_CURRENT | LINUX_MCL_FUTURE | LINUX_MCL_ONFAULT)) || flags == LINUX_MCL_ONFAULT)
		return -LINUX_EINVAL;
	if (!can_lock(mm))
		return -LINUX_EPERM;
	rwlock_write(&mm->lock);
	if ((flags & LINUX_MCL_CURRENT) && !READ_ONCE(mm->cap_ipc_lock) && mm->total_vm > READ_ONCE(mm->rlim_memlock) >> PAGE_SHIFT) {
		err = -LINUX_ENOMEM;
	} else {
		mm->def_flags &= ~VM_LOCKED_MASK;
		if (flags & LINUX_MCL_FUTURE)
			mm->def_flags |= lock_flags;
		if (flags & LINUX_MCL_CURRENT)
			lock_all(mm, lock_flags);
	}
	rwlock_unlock(&mm->lock);
	if (!err && (flags & LINUX_MCL_CURRENT) && !(flags & LINUX_MCL_ONFAULT))
		mm_populate_range(mm, 0, GUEST_TASK_SIZE);
	return err;
}

int mm_munlockall(struct mm *mm)
{
	rwlock_write(&mm->lock);
	mm->def_flags &= ~VM_LOCKED_MASK;
	lock_all(mm, 0);
	rwlock_unlock(&mm->lock);
	return 0;
}
