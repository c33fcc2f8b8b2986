/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a backing to the PTEs that map it, through the vmas on its i_mmap list.
 *
 * The race with a fault, and why zap_seq closes it:
 *
 *     fault                                    truncation
 *     seq = zap_seq
 *     ops->fault finds the page
 *                                              drops the page from the cache
 *                                              zap_seq++
 *                                              zaps PTEs under pt_lock
 *     pt_lock; zap_seq != seq: asks again
 *
 * If the installation had come before the increment, the zapping, which comes after it, would have removed the PTE.
 */
#include "sentry/mm/mm_internal.h"

void backing_init(struct backing *b, const struct backing_ops *ops)
{
	b->ops = ops;
	mutex_init(&b->i_mmap_lock);
	list_init(&b->i_mmap);
	atomic_init(&b->nr_writable, 0);
	atomic_init(&b->zap_seq, 0);
	b->shmem = false;
}

void backing_fini(struct backing *b)
{
	BUG_ON(!list_empty(&b->i_mmap));
	mutex_fini(&b->i_mmap_lock);
}

/* The addresses at which @v maps the pages [start, end); false when none. */
static bool vma_intersect(const struct vma *v, uint64_t start, uint64_t end, uaddr_t *ret_start, uaddr_t *ret_end)
{
	uint64_t first = v->pgoff, last = v->pgoff + vma_pages(v);

	start = MAX(start, first);
	end = MIN(end, last);
	if (start >= end)
		return false;
	*ret_start = v->start + ((start - first) << PAGE_SHIFT);
	*ret_end = v->start + ((end - first) << PAGE_SHIFT);
	return true;
}

void backing_unmap(struct backing *b, uint64_t start, uint64_t end, bool cows)
{
	struct vma *v;
	uaddr_t from, to;

	MUTEX_GUARD(&b->i_mmap_lock);
	atomic_fetch_add(&b->zap_seq, 1);
	list_for_each_entry(v, &b->i_mmap, i_mmap) {
		if (!vma_intersect(v, start, end, &from, &to))
			continue;
		MUTEX_GUARD(&v->mm->pt_lock);
		mm_pt_zap(v->mm, from, to, cows);
	}
}

void backing_write_protect(struct backing *b, uint64_t start, uint64_t end)
{
	struct vma *v;
	uaddr_t from, to;

	MUTEX_GUARD(&b->i_mmap_lock);
	atomic_fetch_add(&b->zap_seq, 1);
	list_for_each_entry(v, &b->i_mmap, i_mmap) {
		if (!(v->flags & VM_SHARED) || !vma_intersect(v, start, end, &from, &to))
			continue;
		MUTEX_GUARD(&v->mm->pt_lock);
		mm_pt_write_protect(v->mm, from, to);
	}
}
