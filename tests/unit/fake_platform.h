/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A platform for tests of mm: it records what is mapped where, and "runs the guest" by looking an address up there and
 * touching the frame.  What it maps can be compared with what the page table says.  What is wrong is a BUG: the fakes are
 * linked into several tests and know no test framework.
 */
#ifndef SENTRY_TESTS_UNIT_FAKE_PLATFORM_H
#define SENTRY_TESTS_UNIT_FAKE_PLATFORM_H

#include "sentry/mm/mm_internal.h"

struct fake_aspace {
	struct platform_aspace as;
	struct mutex lock;
	struct page_table *pt; /* lock; the host's mappings: pfn and PTE_PROT */
	unsigned nr_pages;     /* lock */
	unsigned nr_calls;
};

struct fake_options {
	bool knows_access;  /* faults tell reads from writes; else everything not present is a read, as with ptrace */
	unsigned max_pages; /* map fails with -ENOMEM beyond this; 0: no limit */
};
extern struct fake_options fake_options;

/* Makes the fake the platform in use. */
void fake_platform_init(void);

/*
 * One access of the guest to the 8-byte word at @addr: reads into *val or writes it.  Faults as often as needed.  0, or -1 when it
 * ends in the signal that *f says.
 */
int fake_guest_access(struct mm *mm, uaddr_t addr, enum platform_access access, uint64_t *val, struct mm_fault *f);

/* The fault's page was in the host's mappings with that access: for laws about what may be there. */
bool fake_mapped(struct mm *mm, uaddr_t addr, unsigned prot);

/*
 * BUG unless what must always hold for a quiet mm holds: vmas sound, every host mapping equal to its PTE, every PTE inside a vma and with
 * the access the vma gives, counters right.  Adds the PTEs' references to @refs (indexed by pfn, @nr_refs entries; may be NULL).
 */
void fake_check(struct mm *mm, int *refs, unsigned nr_refs);

#endif
