/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fork: a copy of an address space.
 *
 * Private pages are shared copy-on-write, both sides write-protected; pages of files are shared as they are; shared mappings
 * fault in again.  A fault costs as much as copying dozens of pages, and what a process writes most, its stack and
 * the data of its libraries, it will write again in parent and child.  So small private areas are copied at once, within a
 * budget: the parent goes on as if nothing had happened, and the child finds its pages in a few contiguous runs.  These, and
 * as much else as a few host calls can do, are mapped before the child runs.
 */
#include <string.h>

#include "sentry/abi/sched.h"
#include "sentry/mm/mm_internal.h"

#define COPY_MAX_PAGES 256  /* copied at once in one fork */
#define MAP_MAX_CALLS 40    /* host mappings made ahead for the child */
#define MAP_MAX_CALLS_VMA 6 /* in one vma */
#define COPY_CREDIT 128	    /* pages copied ahead by later faults, in parent and child each */

/* Copied at once in one vma; what has more is shared. */
unsigned fork_copy_max = 64;

struct fork {
	struct mm *parent, *child;
	unsigned copy_left, map_left;
};

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
	mm->dumpable = READ_ONCE(old->dumpable);
	mm->mdwe = READ_ONCE(old->mdwe) & LINUX_PR_MDWE_NO_INHERIT ? 0 : READ_ONCE(old->mdwe);
	atomic_init(&mm->membarrier_private, atomic_load(&old->membarrier_private));
	mm->rlim_as = old->rlim_as;
	mm->rlim_data = old->rlim_data;
	mm->rlim_stack = old->rlim_stack;
	mm->rlim_memlock = old->rlim_memlock;
	mm->cap_ipc_lock = READ_ONCE(old->cap_ipc_lock);
	mm->exe = old->exe;
	if (mm->exe)
		mm->exe->ops->get(mm->exe);
}

/* A page that is not the page cache's, and was touched. */
static bool is_private(pte_t pte)
{
	return (pte & (PTE_ANON | PTE_AHEAD)) == PTE_ANON;
}

/* The private pages of @v, counting up to one more than may be copied. */
static unsigned count_private(struct mm *mm, const struct vma *v, unsigned max)
{
	struct pt_leaf *leaf;
	unsigned n = 0;
	uaddr_t addr;

	page_table_for_each(mm->pt, leaf, addr, v->start, v->end) {
		n += is_private(leaf->pte[pte_index(addr)]);
		if (n > max)
			return n;
	}
	return n;
}

/* Copies @nr private pages from @addr on.  Returns how many could be had. */
static unsigned copy_run(struct fork *fk, uaddr_t addr, unsigned nr, unsigned vm_flags, pfn_t near)
{
	unsigned flags = PTE_PRESENT | PTE_ANON | PTE_OWNED | vma_prot(vm_flags);
	unsigned done = 0, n;
	pfn_t pfn;

	while (done < nr) {
		n = frame_alloc_run(nr - done, FRAME_NORECLAIM, near, &pfn);
		if (!n)
			break;
		for (unsigned i = 0; i < n; i++, done++) {
			uaddr_t at = addr + done * PAGE_SIZE;
			struct pt_leaf *leaf = page_table_leaf_make(fk->child->pt, at);

			/* What is not installed is put; fork then fails for want of the table. */
			if (!leaf) {
				for (; i < n; i++)
					frame_put(pfn + i);
				return done;
			}
			frame_copy(pfn + i, PTE_PFN(page_table_get(fk->parent->pt, at)));
			mm_pt_install(fk->child, leaf, at, PTE_MAKE(pfn + i, flags));
		}
		near = pfn + n;
	}
	return done;
}

/* Copies the private pages of @v from @start on as far as memory allows.  Returns where it stopped. */
static uaddr_t copy_vma_pages(struct fork *fk, const struct vma *v)
{
	pfn_t near = PFN_NONE;
	uaddr_t addr = v->start;

	while (addr < v->end) {
		unsigned nr = 0, done;

		while (addr + nr * PAGE_SIZE < v->end &&
		       is_private(page_table_get(fk->parent->pt, addr + nr * PAGE_SIZE)))
			nr++;
		if (!nr) {
			addr += PAGE_SIZE;
			if (!page_table_next_leaf(fk->parent->pt, &addr, v->end))
				break;
			continue;
		}
		done = copy_run(fk, addr, nr, v->flags, near);
		addr += done * PAGE_SIZE;
		fk->copy_left -= MIN(done, fk->copy_left);
		if (done < nr)
			return addr;
		near = PTE_PFN(page_table_get(fk->child->pt, addr - PAGE_SIZE)) + 1;
	}
	return v->end;
}

/* Whether @v's private pages are few, likely to be written, and within the budget. */
static bool worth_copying(const struct fork *fk, const struct vma *v)
{
	unsigned max = MIN(fk->copy_left, fork_copy_max);

	return (v->flags & VM_WRITE) && count_private(fk->parent, v, max) <= max;
}

/* The pages of a private vma.  Both pt_locks held. */
static int fork_pages(struct fork *fk, const struct vma *v)
{
	uaddr_t copied = v->start;
	unsigned calls;
	int err;

	/*
	 * Pages that the parent touched are the child's, too.  Another thread must not touch one unseen and then write about it
	 * to a page that the child gets.
	 */
	if (ref_read(&fk->parent->users) > 1)
		mm_pt_ahead_protect(fk->parent, v->start, v->end);
	mm_pt_settle(fk->parent, v->start, v->end);
	if (worth_copying(fk, v))
		copied = copy_vma_pages(fk, v);
	/* Pages of files, and private ones that were not copied. */
	err = mm_pt_share(fk->child, fk->parent, v->start, v->end, copied);
	if (err)
		return err;
	calls = MIN(fk->map_left, (unsigned)MAP_MAX_CALLS_VMA);
	fk->map_left -= mm_pt_map_range(fk->child, v->start, v->end, calls);
	return 0;
}

/*
 * The child's copy of @v.  It stands behind the parent's on the rmap before PTEs are copied, so that a truncation, which
 * goes through the list in order under its lock, can't miss a page that is being copied.
 */
static int fork_vma(struct fork *fk, struct vma *v)
{
	struct vma *copy = mm_vma_dup(fk->child, v);
	int err;

	if (!copy)
		return -LINUX_ENOMEM;
	copy->flags &= ~(VM_LOCKED | VM_LOCKONFAULT);
	mm_vma_link(fk->child, copy, vma_backing(v) ? v : NULL);
	if (v->flags & (VM_SHARED | VM_WIPEONFORK | VM_VVAR))
		return 0;
	if (is_accountable(v->flags) && !mm_enough_memory(vma_pages(v)))
		return -LINUX_ENOMEM;
	mutex_lock(&fk->parent->pt_lock);
	mutex_lock(&fk->child->pt_lock);
	err = fork_pages(fk, v);
	mutex_unlock(&fk->child->pt_lock);
	mutex_unlock(&fk->parent->pt_lock);
	return err;
}

/* The vDSO's data pages, all of them or, after the guest unmapped some, none.  First: a platform may forget what came before. */
static int fork_vvar(struct mm *mm, const struct mm *old)
{
	const struct vma *v = old->vdso ? vma_find_intersection(&old->vmas, old->vdso - 1, old->vdso) : NULL;

	if (!v || !(v->flags & VM_VVAR) || v->end - v->start != platform_vdso()->vvar_size)
		return 0;
	return platform->map_vvar(mm->as, v->end);
}

struct mm *mm_fork(struct mm *old)
{
	struct fork fk = { .parent = old, .child = mm_new(), .copy_left = COPY_MAX_PAGES, .map_left = MAP_MAX_CALLS };
	int err = 0;

	if (IS_ERR(fk.child))
		return fk.child;
	rwlock_write(&old->lock);
	rwlock_write(&fk.child->lock);
	copy_fields(fk.child, old);
	err = fork_vvar(fk.child, old);
	for (struct vma *v = vma_first(&old->vmas); v && !err; v = vma_next(v))
		if (!(v->flags & VM_DONTFORK))
			err = fork_vma(&fk, v);
	/* What one of them writes from here on must not be seen by the other. */
	mm_pt_sync(old);
	mutex_lock(&old->pt_lock);
	old->copy_credit = fk.child->copy_credit = COPY_CREDIT;
	mutex_unlock(&old->pt_lock);
	rwlock_unlock(&fk.child->lock);
	rwlock_unlock(&old->lock);
	if (err) {
		mm_put(fk.child);
		return ERR_PTR(err);
	}
	return fk.child;
}
