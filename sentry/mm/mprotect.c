/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mprotect(2).  Vmas are changed one after the other: where one refuses, those before it keep what they were given, as in
 * Linux.
 */
#include "sentry/mm/mm_internal.h"

#define PROT_GROWS (LINUX_PROT_GROWSDOWN | LINUX_PROT_GROWSUP)
#define PROT_KNOWN (LINUX_PROT_READ | LINUX_PROT_WRITE | LINUX_PROT_EXEC | LINUX_PROT_SEM)

/* Whether private memory that becomes writable can be had (mprotect_fixup's accounting). */
static int check_writable(struct mm *mm, unsigned old_flags, unsigned new_flags, uint64_t pages)
{
	if (!(new_flags & VM_WRITE) || (old_flags & VM_WRITE))
		return 0;
	if (!mm_may_expand(mm, new_flags, pages) && mm_may_expand(mm, old_flags, pages))
		return -LINUX_ENOMEM;
	if (!(old_flags & (VM_SHARED | VM_NORESERVE)) && !mm_enough_memory(pages))
		return -LINUX_ENOMEM;
	return 0;
}

/* Protects [start, end), which lies in @v. */
static int protect_vma(struct mm *mm, struct vma *v, uaddr_t start, uaddr_t end, unsigned prot)
{
	unsigned flags = (v->flags & ~VM_ACCESS_FLAGS) | prot;
	int err;

	/* VM_MAY* are four bits above what they allow. */
	if ((flags & ~(flags >> 4)) & VM_ACCESS_FLAGS)
		return -LINUX_EACCES;
	if (READ_ONCE(mm->mdwe) && (flags & ~v->flags) & VM_EXEC)
		return -LINUX_EACCES;
	if (flags == v->flags)
		return 0;
	/* The platform's own pages can't follow. */
	if (v->flags & VM_VVAR)
		return -LINUX_EACCES;
	err = check_writable(mm, v->flags, flags, (end - start) >> PAGE_SHIFT);
	if (!err)
		err = mm_vma_split_range(mm, start, end);
	if (err)
		return err;
	v = vma_find(&mm->vmas, start);
	mm_vma_set_flags(mm, v, flags);
	mutex_lock(&mm->pt_lock);
	mm_pt_protect(mm, start, end, flags);
	mutex_unlock(&mm->pt_lock);
	return 0;
}

static int protect_range(struct mm *mm, uaddr_t start, uaddr_t end, unsigned prot)
{
	while (start < end) {
		struct vma *v = vma_find(&mm->vmas, start);
		uaddr_t to;
		int err;

		if (!v)
			return -LINUX_ENOMEM;
		to = MIN(v->end, end);
		err = protect_vma(mm, v, start, to, prot);
		if (err)
			return err;
		start = to;
	}
	return 0;
}

/* PROT_GROWSDOWN: the whole stack vma below @end, whose start replaces *start. */
static int extend_down(struct mm *mm, uaddr_t *start, uaddr_t end)
{
	const struct vma *v = vma_find_from(&mm->vmas, *start);

	if (!v || v->start >= end)
		return -LINUX_ENOMEM;
	if (!(v->flags & VM_GROWSDOWN))
		return -LINUX_EINVAL;
	*start = v->start;
	return 0;
}

int mm_mprotect(struct mm *mm, uaddr_t addr, uint64_t len, unsigned prot)
{
	unsigned grows = prot & PROT_GROWS;
	uaddr_t start = addr, end;
	int err = 0;

	prot &= ~PROT_GROWS;
	if (grows == PROT_GROWS || PAGE_OFFSET(start))
		return -LINUX_EINVAL;
	if (!len)
		return 0;
	end = start + PAGE_ALIGN(len);
	if (end <= start)
		return -LINUX_ENOMEM;
	if (prot & ~PROT_KNOWN)
		return -LINUX_EINVAL;
	rwlock_write(&mm->lock);
	if (!vma_find_from(&mm->vmas, start))
		err = -LINUX_ENOMEM;
	else if (grows & LINUX_PROT_GROWSDOWN)
		err = extend_down(mm, &start, end);
	else if (grows && vma_find(&mm->vmas, start))
		err = -LINUX_EINVAL;
	if (!err)
		err = protect_range(mm, start, end, prot & VM_ACCESS_FLAGS);
	mm_vma_merge_range(mm, start, end);
	rwlock_unlock(&mm->lock);
	return err;
}
