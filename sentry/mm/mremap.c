/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mremap(2): shrinking, growing in place, moving, and the two ways of keeping the old range (old_len 0 for shared mappings,
 * MREMAP_DONTUNMAP).  Checks in the order of mm/mremap.c in Linux 6.17, which also moves ranges of several vmas.
 */
#include <string.h>

#include "sentry/mm/mm_internal.h"

#define MREMAP_KNOWN (LINUX_MREMAP_MAYMOVE | LINUX_MREMAP_FIXED | LINUX_MREMAP_DONTUNMAP)

struct mremap {
	uaddr_t addr;
	uint64_t old_len, new_len;
	unsigned flags;
	uaddr_t new_addr;
	struct vma_gc *gc;
};

/* Whether the vma at m->addr may get the new size (vma_to_resize). */
static int check_resize(struct mm *mm, const struct mremap *m, struct vma **ret_vma)
{
	struct vma *v = vma_find(&mm->vmas, m->addr);
	uint64_t pgoff, grow;

	if (!v)
		return -LINUX_EFAULT;
	/* Length 0 makes a second mapping of the same pages, which private memory can't have. */
	if (!m->old_len && !(v->flags & VM_SHARED))
		return -LINUX_EINVAL;
	if ((m->flags & LINUX_MREMAP_DONTUNMAP) && (v->flags & VM_SPECIAL))
		return -LINUX_EINVAL;
	/* What shrinks loses its tail first, whatever is mapped there. */
	if (MIN(m->old_len, m->new_len) > v->end - m->addr || (v->flags & VM_VVAR))
		return -LINUX_EFAULT;
	*ret_vma = v;
	if (m->new_len <= m->old_len)
		return 0;
	pgoff = vma_pgoff(v, m->addr);
	if (pgoff + (m->new_len >> PAGE_SHIFT) < pgoff)
		return -LINUX_EINVAL;
	if (v->flags & VM_SPECIAL)
		return -LINUX_EFAULT;
	grow = (m->new_len - m->old_len) >> PAGE_SHIFT;
	if ((v->flags & VM_LOCKED) && !mm_may_lock(mm, grow))
		return -LINUX_EAGAIN;
	return mm_may_expand(mm, v->flags, grow) ? 0 : -LINUX_ENOMEM;
}

static bool expand_in_place(struct mm *mm, struct vma *v, uint64_t delta)
{
	uaddr_t end = v->end + delta;

	if (end < v->end || end > GUEST_TASK_SIZE || vma_find_intersection(&mm->vmas, v->end, end))
		return false;
	mm_vma_adjust(mm, v, v->start, end);
	mm_vma_merge_range(mm, v->start, end);
	return true;
}

/* Moves the pages; a truncation sees them in one of the two vmas, because it waits for i_mmap_lock. */
static int move_pages(struct mm *mm, const struct vma *v, uaddr_t from, uaddr_t to, uint64_t len)
{
	struct backing *b = vma_backing(v);
	int err;

	if (b)
		mutex_lock(&b->i_mmap_lock);
	mutex_lock(&mm->pt_lock);
	err = mm_pt_move(mm, from, to, len);
	mutex_unlock(&mm->pt_lock);
	if (b)
		mutex_unlock(&b->i_mmap_lock);
	return err;
}

static bool has_pages(struct mm *mm, uaddr_t start, uaddr_t end)
{
	struct pt_leaf *leaf;
	bool any = false;
	uaddr_t addr;

	mutex_lock(&mm->pt_lock);
	mm_pt_settle(mm, start, end);
	page_table_for_each(mm->pt, leaf, addr, start, end) {
		any = !(leaf->pte[pte_index(addr)] & PTE_AHEAD);
		if (any)
			goto out;
	}
out:
	mutex_unlock(&mm->pt_lock);
	return any;
}

/* Memory without pages gets the page offsets of its new place, so that it merges with its neighbours there. */
static uint64_t moved_pgoff(struct mm *mm, const struct vma *v, const struct mremap *m, uaddr_t to)
{
	return v->file || has_pages(mm, v->start, v->end) ? vma_pgoff(v, m->addr) : to >> PAGE_SHIFT;
}

/* Moves [addr, addr + old_len) of @v to @to, which is free, and makes it new_len long there. */
static int move_vma(struct mm *mm, struct vma *v, const struct mremap *m, uaddr_t to)
{
	bool keep = m->flags & LINUX_MREMAP_DONTUNMAP;
	struct vma *new;
	int err;

	if (mm->vmas.nr >= max_map_count() - 3)
		return -LINUX_ENOMEM;
	if (is_accountable(v->flags) && !mm_enough_memory((m->new_len - (keep ? 0 : m->old_len)) >> PAGE_SHIFT))
		return -LINUX_ENOMEM;
	new = mm_vma_dup(mm, v);
	if (!new)
		return -LINUX_ENOMEM;
	new->start = to;
	new->end = to + m->new_len;
	new->pgoff = moved_pgoff(mm, v, m, to);
	mm_vma_link(mm, new, vma_backing(v) ? v : NULL);
	err = m->old_len ? move_pages(mm, v, m->addr, to, m->old_len) : 0;
	if (err) {
		mm_vma_unlink(mm, new, m->gc);
		return err;
	}
	if (keep)
		mm_vma_set_flags(mm, v, v->flags & ~(VM_LOCKED | VM_LOCKONFAULT));
	else if (m->old_len)
		err = mm_unmap_range(mm, m->addr, m->addr + m->old_len, m->gc);
	/* The pages have moved whatever becomes of the old, now empty, range. */
	mm_vma_merge_range(mm, to, to + m->new_len);
	return 0;
}

/* MREMAP_FIXED or MREMAP_DONTUNMAP (mremap_to). */
static int64_t remap_to(struct mm *mm, struct mremap *m)
{
	bool fixed = m->flags & LINUX_MREMAP_FIXED;
	struct vma *v;
	int64_t to;
	int err;

	if (mm->vmas.nr + 2 >= max_map_count() - 3)
		return -LINUX_ENOMEM;
	if (fixed && m->new_addr < GUEST_MIN_ADDR)
		return -LINUX_EPERM;
	err = check_resize(mm, m, &v);
	if (!err && fixed)
		err = mm_unmap_range(mm, m->new_addr, m->new_addr + m->new_len, m->gc);
	if (!err && m->old_len > m->new_len) {
		err = mm_unmap_range(mm, m->addr + m->new_len, m->addr + m->old_len, m->gc);
		m->old_len = m->new_len;
	}
	if (err)
		return err;
	/* Unmapping may have cut it. */
	v = vma_find(&mm->vmas, m->addr);
	if ((m->flags & LINUX_MREMAP_DONTUNMAP) && !mm_may_expand(mm, v->flags, m->old_len >> PAGE_SHIFT))
		return -LINUX_ENOMEM;
	to = mm_get_unmapped_area(mm, m->new_addr, m->new_len, fixed ? LINUX_MAP_FIXED : 0);
	if (to < 0)
		return to;
	err = move_vma(mm, v, m, to);
	return err ? err : to;
}

/* Moves what is mapped in [addr, addr + old_len), vma by vma, keeping holes (remap_move). */
static int64_t remap_range(struct mm *mm, const struct mremap *m)
{
	uaddr_t at = m->addr, end = m->addr + m->old_len;
	const struct vma *v = vma_find(&mm->vmas, at);
	int64_t ret = -LINUX_EFAULT;

	while (v && at < end) {
		struct mremap piece = *m;

		piece.addr = at;
		piece.old_len = piece.new_len = MIN(v->end, end) - at;
		piece.new_addr = m->new_addr + (at - m->addr);
		ret = remap_to(mm, &piece);
		if (ret < 0)
			return ret;
		at += piece.old_len;
		v = vma_find_intersection(&mm->vmas, at, end);
		at = v ? MAX(at, v->start) : end;
	}
	return ret < 0 ? ret : (int64_t)m->new_addr;
}

/* check_mremap_params */
static int check_params(const struct mremap *m)
{
	if (m->flags & ~MREMAP_KNOWN)
		return -LINUX_EINVAL;
	if ((m->flags & (LINUX_MREMAP_FIXED | LINUX_MREMAP_DONTUNMAP)) && !(m->flags & LINUX_MREMAP_MAYMOVE))
		return -LINUX_EINVAL;
	if ((m->flags & LINUX_MREMAP_DONTUNMAP) && m->old_len != m->new_len)
		return -LINUX_EINVAL;
	if (PAGE_OFFSET(m->addr) || !m->new_len || m->new_len > GUEST_TASK_SIZE)
		return -LINUX_EINVAL;
	if (!(m->flags & (LINUX_MREMAP_FIXED | LINUX_MREMAP_DONTUNMAP)))
		return 0;
	if (PAGE_OFFSET(m->new_addr) || m->new_addr > GUEST_TASK_SIZE - m->new_len)
		return -LINUX_EINVAL;
	if (m->addr + m->old_len > m->new_addr && m->new_addr + m->new_len > m->addr)
		return -LINUX_EINVAL;
	return 0;
}

static int64_t remap_locked(struct mm *mm, struct mremap *m)
{
	struct vma *v = vma_find(&mm->vmas, m->addr);
	int64_t to;
	int err;

	if (!v)
		return -LINUX_EFAULT;
	if ((m->flags & LINUX_MREMAP_FIXED) && m->old_len == m->new_len)
		return remap_range(mm, m);
	if (m->flags & (LINUX_MREMAP_FIXED | LINUX_MREMAP_DONTUNMAP))
		return remap_to(mm, m);
	if (m->old_len >= m->new_len) {
		err = m->old_len > m->new_len ?
			      mm_munmap_check(m->addr + m->new_len, m->old_len - m->new_len) : 0;
		if (!err)
			err = mm_unmap_range(mm, m->addr + m->new_len, m->addr + m->old_len, m->gc);
		return err ? err : (int64_t)m->addr;
	}
	err = check_resize(mm, m, &v);
	if (err)
		return err;
	if (m->old_len == v->end - m->addr) {
		uint64_t delta = m->new_len - m->old_len;

		if (is_accountable(v->flags) && !mm_enough_memory(delta >> PAGE_SHIFT))
			return -LINUX_ENOMEM;
		if (expand_in_place(mm, v, delta))
			return m->addr;
	}
	if (!(m->flags & LINUX_MREMAP_MAYMOVE))
		return -LINUX_ENOMEM;
	to = mm_get_unmapped_area(mm, 0, m->new_len, 0);
	if (to < 0)
		return to;
	err = move_vma(mm, v, m, to);
	return err ? err : to;
}

int64_t mm_mremap(struct mm *mm, uaddr_t addr, uint64_t old_len, uint64_t new_len, unsigned flags, uaddr_t new_addr)
{
	struct vma_gc gc = { NULL };
	struct mremap m = { addr, PAGE_ALIGN(old_len), PAGE_ALIGN(new_len), flags, new_addr, &gc };
	const struct vma *v;
	bool locked = false;
	int64_t ret;

	ret = check_params(&m);
	if (ret)
		return ret;
	rwlock_write(&mm->lock);
	ret = remap_locked(mm, &m);
	v = ret >= 0 ? vma_find(&mm->vmas, ret) : NULL;
	locked = v && (v->flags & VM_LOCKED) && !(v->flags & VM_LOCKONFAULT);
	rwlock_unlock(&mm->lock);
	vma_gc_run(&gc);
	if (locked && m.new_len > m.old_len)
		mm_populate_range(mm, ret + m.old_len, ret + m.new_len);
	return ret;
}
