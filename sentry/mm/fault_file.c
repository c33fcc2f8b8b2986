/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages of the page cache: found by ops->fault, which may sleep, and installed under pt_lock unless the cache changed
 * meanwhile (zap_seq, see rmap.c), together with what else of the file is cached around.
 */
#include "sentry/abi/signal.h"
#include "sentry/mm/fault.h"

#define AROUND_MIN 16	       /* pages of a file mapped around a fault, as Linux's fault_around_bytes */
#define AROUND_IMAGE 64	       /* the same for constants of programs and libraries */
#define AROUND_EXEC PT_SLOTS   /* and for their text */

/* Pages of the cache around a fault. */
struct around {
	uaddr_t start;
	unsigned nr;
	pfn_t pfns[PT_SLOTS];
};

static void around_put(struct around *ar)
{
	pfn_t held[PT_SLOTS];
	unsigned n = 0;

	for (unsigned i = 0; i < ar->nr; i++)
		if (ar->pfns[i] != PFN_NONE)
			held[n++] = ar->pfns[i];
	if (n)
		frame_put_many(held, n);
	ar->nr = 0;
}

/* Chooses the range: an aligned window, or a longer one in front of a sequential walk. */
static void around_choose(struct fault *ft, struct around *ar)
{
	unsigned nr = ft->vma->flags & VM_EXEC ? AROUND_EXEC : ft->vma->flags & VM_IMAGE ? AROUND_IMAGE : AROUND_MIN;
	bool align = !(ft->flags & FAULT_CACHED); /* else what follows the first page */
	uaddr_t low = MAX(ft->vma->start, ft->page & ~(PT_LEAF_SIZE - 1));
	uaddr_t high = MIN(ft->vma->end, pt_leaf_end(ft->page));
	unsigned run;

	mutex_lock(&ft->mm->pt_lock);
	run = fault_present_run(ft, false, PTE_PRESENT, PT_SLOTS);
	mutex_unlock(&ft->mm->pt_lock);
	ar->start = run > nr || !align ? ft->page : ALIGN_DOWN(ft->page, nr * PAGE_SIZE);
	high = MIN(high, ar->start + MAX(run, nr) * PAGE_SIZE);
	ar->start = MAX(ar->start, low);
	ar->nr = ft->vma->flags & VM_RAND_READ ? 0 : (high - ar->start) >> PAGE_SHIFT;
}

static void around_install(struct fault *ft, struct pt_leaf *leaf, struct around *ar, unsigned flags)
{
	for (unsigned i = 0; i < ar->nr; i++) {
		uaddr_t addr = ar->start + i * PAGE_SIZE;

		if (ar->pfns[i] == PFN_NONE || leaf->pte[pte_index(addr)])
			continue;
		mm_pt_install(ft->mm, leaf, addr, PTE_MAKE(ar->pfns[i], flags));
		ar->pfns[i] = PFN_NONE;
	}
}

/* Puts the cache's page @pfn (reference taken over) where @ft wants it.  pt_lock held, zap_seq checked. */
static enum step file_install(struct fault *ft, pfn_t pfn, unsigned flags, struct around *ar)
{
	struct pt_leaf *leaf = page_table_leaf_make(ft->mm->pt, ft->page);
	unsigned i = pte_index(ft->page);
	pte_t pte;

	if (!leaf) {
		frame_put(pfn);
		return STEP_NO_MEMORY;
	}
	pte = leaf->pte[i];
	if (!pte) {
		mm_pt_install(ft->mm, leaf, ft->page, PTE_MAKE(pfn, flags));
	} else if (!(pte & PTE_ANON) && (flags & PTE_OWNED)) {
		/* A shared page becomes writable, or moved to another frame meanwhile. */
		pte = PTE_MAKE(pfn, flags);
		mm_pt_replace(ft->mm, ft->page, 1, &pte);
	} else {
		/* Another thread was faster: its page is as good, or the next round deals with it. */
		frame_put(pfn);
		return STEP_RETRY;
	}
	around_install(ft, leaf, ar, flags);
	return STEP_DONE;
}

static int find_page(const struct fault *ft, struct backing *b, bool write, pfn_t *ret_pfn)
{
	uint64_t pgoff = vma_pgoff(ft->vma, ft->page);

	if (!(ft->flags & FAULT_CACHED))
		return b->ops->fault(b, pgoff, write, ret_pfn);
	if (!b->ops->fault_around)
		return -LINUX_EFAULT;
	b->ops->fault_around(b, pgoff, 1, write, ret_pfn);
	return *ret_pfn == PFN_NONE ? -LINUX_EFAULT : 0;
}

enum step fault_file(struct fault *ft)
{
	struct backing *b = vma_backing(ft->vma);
	unsigned vm_flags = ft->vma->flags;
	bool shared = vm_flags & VM_SHARED;
	bool write = shared && (ft->want == PTE_WRITE || (b->shmem && (vm_flags & VM_WRITE)));
	unsigned seq = atomic_load(&b->zap_seq);
	struct around ar = { .nr = 0 };
	unsigned flags = PTE_PRESENT | (write ? PTE_OWNED : 0) | (b->shmem ? PTE_SHMEM : 0);
	enum step step;
	pfn_t pfn;
	int err;

	flags |= pte_prot(flags, vm_flags);
	ft->f->what = write ? "file write" : "file";
	err = find_page(ft, b, write, &pfn);
	if (!err && b->ops->fault_around) {
		around_choose(ft, &ar);
		if (ar.nr)
			b->ops->fault_around(b, vma_pgoff(ft->vma, ar.start), ar.nr, write, ar.pfns);
	}
	mutex_lock(&ft->mm->pt_lock);
	if (err == -LINUX_ENOMEM)
		return STEP_NO_MEMORY;
	/* Being allowed comes before being there. */
	if (err && !(vm_flags & VM_WRITE) && fault_is_hidden_write(ft))
		return fault_signal(ft, LINUX_SIGSEGV, LINUX_SEGV_ACCERR, "access");
	if (err)
		return fault_signal(ft, LINUX_SIGBUS, LINUX_BUS_ADRERR, "sigbus");
	if (atomic_load(&b->zap_seq) != seq) {
		frame_put(pfn);
		step = STEP_RETRY;
	} else {
		step = file_install(ft, pfn, flags, &ar);
	}
	around_put(&ar);
	/* A private write copies what was just installed, and perhaps its neighbours. */
	if (step == STEP_DONE && !shared && ft->want == PTE_WRITE)
		step = fault_private_write(ft, fault_pte(ft, ft->page));
	return step;
}
