/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Life of an address space: new, fork, end.
 */
#include "sentry/mm/mm.h"

#include <stdlib.h>
#include <string.h>

#include "sentry/mm/mm_internal.h"

/* The top of mappings until the loader chooses: room for a stack of default size above. */
#define DEFAULT_MMAP_BASE (GUEST_TASK_SIZE - (128UL << 20))

_Thread_local struct mm *current_mm;

static void mm_free(struct mm *mm)
{
	page_table_free(mm->pt);
	mutex_fini(&mm->pt_lock);
	rwlock_fini(&mm->lock);
	free(mm);
}

struct mm *mm_new(void)
{
	struct mm *mm = calloc(1, sizeof(*mm));
	struct platform_aspace *as;

	if (!mm)
		return ERR_PTR(-LINUX_ENOMEM);
	ref_init(&mm->users);
	rwlock_init(&mm->lock);
	mutex_init(&mm->pt_lock);
	vma_set_init(&mm->vmas);
	mm->mmap_base = DEFAULT_MMAP_BASE;
	mm->rlim_as = mm->rlim_data = mm->rlim_stack = mm->rlim_memlock = UINT64_MAX;
	mm->dumpable = true;
	mm->pt = page_table_new();
	if (!mm->pt) {
		mm_free(mm);
		return ERR_PTR(-LINUX_ENOMEM);
	}
	as = platform->aspace_new();
	if (IS_ERR(as)) {
		mm_free(mm);
		return (struct mm *)as;
	}
	mm->as = as;
	return mm;
}

/* Takes all vmas out of the rmap: from now on nobody else reaches the mm. */
static void unlink_all(struct mm *mm, struct vma_gc *gc)
{
	struct vma *v, *next;

	rwlock_write(&mm->lock);
	for (v = vma_first(&mm->vmas); v; v = next) {
		next = vma_next(v);
		mm_vma_unlink(mm, v, gc);
	}
	rwlock_unlock(&mm->lock);
}

void mm_put(struct mm *mm)
{
	struct vma_gc gc = { NULL };
	struct platform_aspace *as;

	if (!mm || !ref_put(&mm->users))
		return;
	/*
	 * A truncation that comes now must not find the vmas of an address space that has no platform any more, and frames
	 * must not be put while the platform maps them: so the rmap first, then the platform, then the pages.
	 */
	unlink_all(mm, &gc);
	as = mm->as;
	mm->as = NULL;
	platform->aspace_free(as);
	mutex_lock(&mm->pt_lock);
	mm_pt_zap(mm, 0, GUEST_TASK_SIZE, true);
	mutex_unlock(&mm->pt_lock);
	vma_gc_run(&gc);
	if (mm->exe)
		mm->exe->ops->put(mm->exe);
	mm_free(mm);
}

uint64_t mm_rss(struct mm *mm)
{
	uint64_t rss = 0;

	mutex_lock(&mm->pt_lock);
	for (unsigned i = 0; i < NR_MM_COUNTERS; i++)
		rss += mm->rss[i];
	mutex_unlock(&mm->pt_lock);
	return rss;
}

/* --- fork --- */

static void copy_fields(struct mm *mm, const struct mm *old)
{
	mm->start_code = old->start_code;
	mm->end_code = old->end_code;
	mm->start_data = old->start_data;
	mm->end_data = old->end_data;
	mm->start_brk = old->start_brk;
	mm->brk = old->brk;
	mm->brk_limit = old->brk_limit;
	mm->mmap_base = old->mmap_base;
	mm->start_stack = old->start_stack;
	mm->arg_start = old->arg_start;
	mm->arg_end = old->arg_end;
	mm->env_start = old->env_start;
	mm->env_end = old->env_end;
	mm->vdso = old->vdso;
	memcpy(mm->saved_auxv, old->saved_auxv, sizeof(mm->saved_auxv));
	mm->dumpable = old->dumpable;
	atomic_init(&mm->membarrier_private, atomic_load(&old->membarrier_private));
	mm->rlim_as = old->rlim_as;
	mm->rlim_data = old->rlim_data;
	mm->rlim_stack = old->rlim_stack;
	mm->rlim_memlock = old->rlim_memlock;
	mm->cap_ipc_lock = old->cap_ipc_lock;
	mm->exe = old->exe;
	if (mm->exe)
		mm->exe->ops->get(mm->exe);
}

/*
 * The child's copy of @v.  It stands behind the parent's on the rmap before PTEs are copied, so that a truncation, which
 * goes through the list in order under its lock, can't miss a page that is being copied.
 */
static int fork_vma(struct mm *mm, struct mm *old, struct vma *v)
{
	struct vma *copy = mm_vma_dup(mm, v);
	int err = 0;

	if (!copy)
		return -LINUX_ENOMEM;
	copy->flags &= ~(VM_LOCKED | VM_LOCKONFAULT);
	mm_vma_link(mm, copy, vma_backing(v) ? v : NULL);
	/* All data pages or, after the guest unmapped some, none. */
	if (v->flags & VM_VVAR)
		return v->end - v->start == platform_vdso()->vvar_size ? platform->map_vvar(mm->as, v->end) : 0;
	if (v->flags & (VM_SHARED | VM_WIPEONFORK))
		return 0;
	if (is_accountable(v->flags) && !mm_enough_memory(vma_pages(v)))
		return -LINUX_ENOMEM;
	mutex_lock(&old->pt_lock);
	mutex_lock(&mm->pt_lock);
	err = mm_pt_copy(mm, old, v->start, v->end);
	mutex_unlock(&mm->pt_lock);
	mutex_unlock(&old->pt_lock);
	return err;
}

struct mm *mm_fork(struct mm *old)
{
	struct mm *mm = mm_new();
	int err = 0;

	if (IS_ERR(mm))
		return mm;
	rwlock_write(&old->lock);
	rwlock_write(&mm->lock);
	copy_fields(mm, old);
	for (struct vma *v = vma_first(&old->vmas); v && !err; v = vma_next(v))
		if (!(v->flags & VM_DONTFORK))
			err = fork_vma(mm, old, v);
	rwlock_unlock(&mm->lock);
	rwlock_unlock(&old->lock);
	if (err) {
		mm_put(mm);
		return ERR_PTR(err);
	}
	return mm;
}
