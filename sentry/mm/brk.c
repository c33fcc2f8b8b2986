/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brk(2).
 *
 *     start_brk            brk                                        brk_limit
 *     | heap               | reserved: never returned by the search    |
 *
 * The break is a number of its own.  What a program maps into the heap with MAP_FIXED (musl's guard page) does not move
 * it; growth looks at the vmas only to see that there is nothing in its way.
 */
#include "sentry/mm/mm_internal.h"

/* How much address space the search for free space leaves to the heap, where that much is free. */
#define HEAP_RESERVE (1UL << 40)

int mm_set_brk_start(struct mm *mm, uaddr_t start)
{
	const struct vma *next;
	uaddr_t limit;

	if (start > GUEST_TASK_SIZE - PAGE_SIZE)
		return -LINUX_EINVAL;
	rwlock_write(&mm->lock);
	mm->start_brk = mm->brk = start;
	limit = start + HEAP_RESERVE;
	/* No more than half of what lies between the heap and the area for mappings above it. */
	if (mm->mmap_base > start)
		limit = MIN(limit, start + (mm->mmap_base - start) / 2);
	next = vma_find_from(&mm->vmas, PAGE_ALIGN(start));
	if (next)
		limit = MIN(limit, next->start);
	mm->brk_limit = MAX(PAGE_DOWN(MIN(limit, GUEST_TASK_SIZE)), PAGE_ALIGN(start));
	rwlock_unlock(&mm->lock);
	return 0;
}

static bool data_limit_allows(const struct mm *mm, uaddr_t brk)
{
	uint64_t limit = READ_ONCE(mm->rlim_data);

	return limit == UINT64_MAX || (brk - mm->start_brk) + (mm->end_data - mm->start_data) <= limit;
}

/* Adds [from, to) to the heap. */
static int heap_grow(struct mm *mm, uaddr_t from, uaddr_t to)
{
	unsigned flags = VM_READ | VM_WRITE | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC | mm->def_flags;
	uint64_t pages = (to - from) >> PAGE_SHIFT;
	const struct vma *next = vma_find_from(&mm->vmas, from);
	struct vma *v;

	/* A page stays free between the heap and what follows, and the stack's guard gap. */
	if (next && to + PAGE_SIZE > vma_start_gap(next))
		return -LINUX_ENOMEM;
	if (!mm_may_expand(mm, flags, pages) || mm->vmas.nr > max_map_count() || !mm_enough_memory(pages))
		return -LINUX_ENOMEM;
	if ((flags & VM_LOCKED) && !mm_may_lock(mm, pages))
		return -LINUX_EAGAIN;
	v = mm_vma_new(mm, from, to, flags, from >> PAGE_SHIFT, NULL);
	if (!v)
		return -LINUX_ENOMEM;
	mm_vma_link(mm, v, NULL);
	mm_vma_merge_range(mm, from, to);
	mm_anon_ahead(mm, vma_find(&mm->vmas, from), from, to);
	return 0;
}

static int brk_locked(struct mm *mm, uaddr_t brk, struct vma_gc *gc)
{
	uaddr_t from = PAGE_ALIGN(mm->brk), to = PAGE_ALIGN(brk);
	int err = 0;

	if (brk < mm->start_brk || brk > GUEST_TASK_SIZE - PAGE_SIZE || !data_limit_allows(mm, brk))
		return -LINUX_ENOMEM;
	if (to < from)
		err = mm_unmap_range(mm, to, from, gc);
	else if (to > from)
		err = heap_grow(mm, from, to);
	if (!err)
		mm->brk = brk;
	return err;
}

uaddr_t mm_brk(struct mm *mm, uaddr_t brk)
{
	struct vma_gc gc = { NULL };
	uaddr_t old, now;
	bool populate;

	rwlock_write(&mm->lock);
	old = mm->brk;
	brk_locked(mm, brk, &gc);
	now = mm->brk;
	populate = (mm->def_flags & VM_LOCKED) && !(mm->def_flags & VM_LOCKONFAULT) && PAGE_ALIGN(now) > PAGE_ALIGN(old);
	rwlock_unlock(&mm->lock);
	vma_gc_run(&gc);
	if (populate)
		mm_populate(mm, PAGE_ALIGN(old), PAGE_ALIGN(now), true);
	return now;
}
