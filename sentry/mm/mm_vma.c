/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes of an mm's vma set that keep the reverse maps, the counters and the files' references right.
 *
 * The bounds and the membership of a vma that maps a backing change only with its i_mmap_lock held as well, so a walk of
 * i_mmap sees every vma whole.
 */
#include <stdlib.h>
#include <string.h>

#include "sentry/mm/mm_internal.h"

static void vma_file_get(struct vma *v)
{
	if (v->file)
		v->file->ops->get(v->file);
}

static void i_mmap_lock(const struct vma *v)
{
	if (vma_backing(v))
		mutex_lock(&vma_backing(v)->i_mmap_lock);
}

static void i_mmap_unlock(const struct vma *v)
{
	if (vma_backing(v))
		mutex_unlock(&vma_backing(v)->i_mmap_lock);
}

static bool may_become_writable(unsigned flags)
{
	return (flags & (VM_SHARED | VM_MAYWRITE)) == (VM_SHARED | VM_MAYWRITE);
}

static void i_mmap_add_locked(struct vma *v, struct vma *after)
{
	struct backing *b = vma_backing(v);

	if (!b)
		return;
	if (after)
		list_add(&v->i_mmap, &after->i_mmap);
	else
		list_add_tail(&v->i_mmap, &b->i_mmap);
	if (may_become_writable(v->flags))
		atomic_fetch_add(&b->nr_writable, 1);
}

static void i_mmap_del_locked(struct vma *v)
{
	struct backing *b = vma_backing(v);

	if (!b)
		return;
	list_del(&v->i_mmap);
	if (may_become_writable(v->flags))
		atomic_fetch_sub(&b->nr_writable, 1);
}

/* vm_stat_account in Linux. */
static void account(struct mm *mm, unsigned flags, int64_t pages)
{
	mm->total_vm += pages;
	mm->peak_vm = MAX(mm->peak_vm, mm->total_vm);
	if (flags & (VM_STACK | VM_GROWSDOWN))
		mm->stack_vm += pages;
	else if ((flags & (VM_EXEC | VM_WRITE)) == VM_EXEC)
		mm->exec_vm += pages;
	else if (is_data_mapping(flags))
		mm->data_vm += pages;
	if (flags & VM_LOCKED)
		mm->locked_vm += pages;
}

struct vma *mm_vma_new(struct mm *mm, uaddr_t start, uaddr_t end, unsigned flags, uint64_t pgoff, struct vm_file *file)
{
	struct vma *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	v->mm = mm;
	v->start = start;
	v->end = end;
	v->flags = flags;
	v->pgoff = pgoff;
	v->file = file;
	list_init(&v->i_mmap);
	vma_file_get(v);
	return v;
}

struct vma *mm_vma_dup(struct mm *mm, const struct vma *v)
{
	char *anon_name = NULL;
	struct vma *new;

	if (v->anon_name) {
		anon_name = strdup(v->anon_name);
		if (!anon_name)
			return NULL;
	}
	new = mm_vma_new(mm, v->start, v->end, v->flags, v->pgoff, v->file);
	if (!new) {
		free(anon_name);
		return NULL;
	}
	new->name = v->name;
	new->anon_name = anon_name;
	new->policy = v->policy;
	return new;
}

void mm_vma_free(struct vma *v)
{
	if (v->file)
		v->file->ops->put(v->file);
	free(v->anon_name);
	free(v);
}

void vma_gc_run(struct vma_gc *gc)
{
	while (gc->head) {
		struct vma *v = gc->head;

		gc->head = v->next_free;
		mm_vma_free(v);
	}
}

/* Addresses that the platform may use while they are free. */
static void take_low(struct mm *mm, uaddr_t start, uaddr_t end)
{
	if (unlikely(start < PLATFORM_LOW_END && end > PLATFORM_LOW_START) && mm->as && platform->low_taken)
		platform->low_taken(mm->as);
}

void mm_vma_link(struct mm *mm, struct vma *v, struct vma *after)
{
	take_low(mm, v->start, v->end);
	i_mmap_lock(v);
	vma_insert(&mm->vmas, v);
	i_mmap_add_locked(v, after);
	i_mmap_unlock(v);
	account(mm, v->flags, vma_pages(v));
}

void mm_vma_unlink(struct mm *mm, struct vma *v, struct vma_gc *gc)
{
	i_mmap_lock(v);
	vma_remove(&mm->vmas, v);
	i_mmap_del_locked(v);
	i_mmap_unlock(v);
	account(mm, v->flags, -(int64_t)vma_pages(v));
	v->next_free = gc->head;
	gc->head = v;
}

void mm_vma_adjust(struct mm *mm, struct vma *v, uaddr_t start, uaddr_t end)
{
	take_low(mm, start, end);
	account(mm, v->flags, -(int64_t)vma_pages(v));
	i_mmap_lock(v);
	v->pgoff += (int64_t)(start - v->start) >> PAGE_SHIFT;
	vma_set_bounds(&mm->vmas, v, start, end);
	i_mmap_unlock(v);
	account(mm, v->flags, vma_pages(v));
}

void mm_vma_set_flags(struct mm *mm, struct vma *v, unsigned flags)
{
	if (v->flags == flags)
		return;
	account(mm, v->flags, -(int64_t)vma_pages(v));
	i_mmap_lock(v);
	v->flags = flags;
	/* VM_GROWSDOWN belongs to a vma from birth, so the gaps do not change. */
	i_mmap_unlock(v);
	account(mm, v->flags, vma_pages(v));
}

static int vma_split(struct mm *mm, struct vma *v, uaddr_t addr)
{
	struct vma *upper;

	if (mm->vmas.nr >= max_map_count())
		return -LINUX_ENOMEM;
	upper = mm_vma_dup(mm, v);
	if (!upper)
		return -LINUX_ENOMEM;
	upper->pgoff = vma_pgoff(v, addr);
	upper->start = addr;
	i_mmap_lock(v);
	vma_set_bounds(&mm->vmas, v, v->start, addr);
	vma_insert(&mm->vmas, upper);
	i_mmap_add_locked(upper, v);
	i_mmap_unlock(v);
	return 0;
}

int mm_vma_split_at(struct mm *mm, uaddr_t addr)
{
	struct vma *v = vma_find(&mm->vmas, addr);

	return v && v->start < addr ? vma_split(mm, v, addr) : 0;
}

int mm_vma_split_range(struct mm *mm, uaddr_t start, uaddr_t end)
{
	int err = mm_vma_split_at(mm, start);

	return err ? err : mm_vma_split_at(mm, end);
}

/* @next, directly behind @v, becomes part of it. */
static void vma_merge(struct mm *mm, struct vma *v, struct vma *next)
{
	uaddr_t end = next->end;

	i_mmap_lock(v);
	vma_remove(&mm->vmas, next);
	i_mmap_del_locked(next);
	vma_set_bounds(&mm->vmas, v, v->start, end);
	i_mmap_unlock(v);
	/* @v holds the file, too, so this put is never the last. */
	mm_vma_free(next);
}

void mm_vma_merge_range(struct mm *mm, uaddr_t start, uaddr_t end)
{
	struct vma *v = vma_find_from(&mm->vmas, start ? start - 1 : 0);

	while (v && v->start < end) {
		struct vma *next = vma_next(v);

		if (next && vma_can_merge(v, next))
			vma_merge(mm, v, next);
		else
			v = next;
	}
}

/* --- limits --- */

bool mm_may_expand(struct mm *mm, unsigned vm_flags, uint64_t pages)
{
	uint64_t as = READ_ONCE(mm->rlim_as), data = READ_ONCE(mm->rlim_data);

	if (mm->total_vm + pages > as >> PAGE_SHIFT)
		return false;
	return !is_data_mapping(vm_flags) || mm->data_vm + pages <= data >> PAGE_SHIFT;
}

bool mm_enough_memory(uint64_t pages)
{
	struct frame_stats st;

	frame_get_stats(&st);
	return pages <= st.limit;
}

bool mm_may_lock(struct mm *mm, uint64_t pages)
{
	return READ_ONCE(mm->cap_ipc_lock) || mm->locked_vm + pages <= READ_ONCE(mm->rlim_memlock) >> PAGE_SHIFT;
}

/* --- unmapping --- */

int mm_unmap_range(struct mm *mm, uaddr_t start, uaddr_t end, struct vma_gc *gc)
{
	struct vma *v, *next;
	int err;

	if (start >= end || !vma_find_intersection(&mm->vmas, start, end))
		return 0;
	err = mm_vma_split_range(mm, start, end);
	if (err)
		return err;
	/*
	 * Pages first, then the vmas: as long as the rmap shows a vma a truncation finds its pages.  No fault comes in between,
	 * mm->lock is held for writing.
	 */
	mutex_lock(&mm->pt_lock);
	mm_pt_zap_own(mm, start, end, true);
	mutex_unlock(&mm->pt_lock);
	for (v = vma_find_intersection(&mm->vmas, start, end); v && v->start < end; v = next) {
		next = vma_next(v);
		if (v->flags & VM_VVAR) {
			mutex_lock(&mm->pt_lock);
			mm_pt_unmap_host(mm, v->start, v->end);
			mutex_unlock(&mm->pt_lock);
		}
		mm_vma_unlink(mm, v, gc);
	}
	return 0;
}
