/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which program text a platform may change for itself (platform_ops.patch): private and not writable, so that every way to change
 * its bytes passes mm.  What the platform maps is its own; the page table, and with it all that the sentry reads, keeps the
 * program's bytes.
 *
 * A page of a file that others write to through the file, while it is mapped private, stays what it was when it was patched:
 * mmap(2) leaves open whether such changes show.
 */
#include "sentry/mm/mm_internal.h"

#define SYSCALL_LENGTH 2

static bool vma_is_text(const struct vma *v)
{
	return (v->flags & (VM_EXEC | VM_WRITE | VM_SHARED | VM_VVAR)) == VM_EXEC;
}

static void patch_locked(struct mm *mm, struct platform_ctx *ctx, uaddr_t site)
{
	const struct vma *v = vma_find(&mm->vmas, site);
	pte_t pte;

	if (!v || !vma_is_text(v))
		return;
	MUTEX_GUARD(&mm->pt_lock);
	pte = page_table_get(mm->pt, site);
	if ((pte & (PTE_PRESENT | PTE_MAPPED | PTE_EXEC | PTE_WRITE)) != (PTE_PRESENT | PTE_MAPPED | PTE_EXEC))
		return;
	platform->patch(ctx, &(struct platform_text){
		.site = site,
		.page = frame_ptr(PTE_PFN(pte)),
		.prot = pte & PTE_PROT,
		.backing = PLATFORM_MEMORY,
		.off = PTE_PFN(pte) << PAGE_SHIFT,
		.low_free = !vma_find_intersection(&mm->vmas, PLATFORM_LOW_START, PLATFORM_LOW_END),
	});
}

void mm_patch(struct mm *mm, struct platform_ctx *ctx)
{
	if (!platform->patch)
		return;
	rwlock_read(&mm->lock);
	patch_locked(mm, ctx, ctx->regs.rip - SYSCALL_LENGTH);
	rwlock_unlock(&mm->lock);
}

void mm_patch_off(struct mm *mm)
{
	if (likely(atomic_exchange(&mm->patch_off, true)))
		return;
	MUTEX_GUARD(&mm->pt_lock);
	if (platform->unpatch && mm->as)
		platform->unpatch(mm->as, 0, SIZE_MAX);
}
