/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A fault on its way through fault.c (vma, access, host mapping), fault_anon.c (new and copied private pages) and fault_file.c
 * (pages of the page cache).
 */
#ifndef SENTRY_MM_FAULT_H
#define SENTRY_MM_FAULT_H

#include "sentry/mm/mm_internal.h"

enum step {
	STEP_DONE,
	STEP_RETRY,	/* something changed meanwhile: from the start */
	STEP_NO_MEMORY, /* no frame without reclaim */
	STEP_GROW,	/* below a VM_GROWSDOWN vma */
	STEP_SIGNAL,	/* f->signo and si_code are filled */
};

struct fault {
	struct mm *mm;
	struct vma *vma;
	struct mm_fault *f;
	uaddr_t page;
	unsigned want; /* PTE_READ, PTE_WRITE or PTE_EXEC */
	unsigned flags;
};

/* Fills in the signal; STEP_SIGNAL. */
enum step fault_signal(struct fault *ft, int signo, int si_code, const char *what);
/* Whether an access that the platform took for a read is a write, as far as its instruction can be seen.  pt_lock held. */
bool fault_is_hidden_write(const struct fault *ft);

static inline pte_t fault_pte(const struct fault *ft, uaddr_t addr)
{
	return page_table_get(ft->mm->pt, addr);
}

/*
 * How many of the pages directly below (or, with @up, above) @ft's, in the same vma, have all of @bits, counting up to @max.
 * pt_lock held.
 */
unsigned fault_present_run(const struct fault *ft, bool up, unsigned bits, unsigned max);

/* No PTE, no file.  pt_lock held. */
enum step fault_anon(struct fault *ft);
/* A write to a private page that has the PTE @pte.  pt_lock held. */
enum step fault_private_write(struct fault *ft, pte_t pte);
/* No PTE, or one that a shared mapping may not write yet.  mm->lock held, no pt_lock on entry; held when it returns. */
enum step fault_file(struct fault *ft);

#endif
