/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The page table of a guest address space: a radix tree of four levels of 512 slots, as x86-64's, whose leaves hold PTEs.
 * Pure data structure: it knows no frames' references and no platform.  Empty tables are freed by page_table_prune, and range
 * walks skip what is not there, so a walk costs what is present and not the size of the range.
 *
 * Locks: the caller's (mm->pt_lock).
 */
#ifndef SENTRY_MM_PAGE_TABLE_H
#define SENTRY_MM_PAGE_TABLE_H

#include "sentry/base/types.h"

/*
 * A PTE is a frame number and flags; 0 when there is no page.
 *
 * The low three bits are what the guest may do with the page now (equal to PLATFORM_READ...): what the vma allows, without
 * writing unless PTE_OWNED.  So they alone decide for a fault, for a copy by the sentry and for the host mapping.
 */
enum pte_flags {
	PTE_READ = 1,
	PTE_WRITE = 2,
	PTE_EXEC = 4,
	PTE_PROT = 7,
	PTE_PRESENT = 8,
	PTE_MAPPED = 0x10, /* the platform maps the page with exactly PTE_PROT */
	PTE_ANON = 0x20,   /* a private page of this address space (perhaps shared by fork), not the page cache's */
	PTE_OWNED = 0x40,  /* may be written in place when the vma allows writing: no copy, no notice to the page cache needed */
	PTE_SHMEM = 0x80,  /* a page of shared memory, for the RSS counters */
	/*
	 * An anonymous page that was given ahead of a touch.  It counts nowhere until mm_pt_settle finds out that it was touched, and
	 * may be taken back as long as it wasn't.  Nobody else holds its frame.
	 */
	PTE_AHEAD = 0x100,
};

typedef uint64_t pte_t;

#define PTE_FLAGS_MASK 0xfffULL
#define PTE_MAKE(pfn, flags) (((pte_t)(pfn) << PAGE_SHIFT) | (flags))
#define PTE_PFN(pte) ((pfn_t)((pte) >> PAGE_SHIFT))

#define PT_SLOTS 512
#define PT_LEAF_SIZE (PT_SLOTS * PAGE_SIZE) /* bytes of guest memory below a leaf */
#define PT_ADDR_BITS 48

struct pt_leaf {
	unsigned nr; /* PTEs that are not 0 */
	pte_t pte[PT_SLOTS];
};

struct page_table {
	void *root;
	struct pt_leaf *last; /* the leaf found last, and its address: most look-ups are near the one before */
	uaddr_t last_addr;
	uint64_t nr_tables; /* for /proc/pid/status VmPTE */
};

/* Empty, or NULL. */
struct page_table *page_table_new(void);
/* Frees the tables.  What the PTEs stand for is the caller's. */
void page_table_free(struct page_table *pt);

/* The leaf that holds @addr, or NULL. */
struct pt_leaf *page_table_leaf(struct page_table *pt, uaddr_t addr);
/* The same, made when it is missing; NULL when memory is short. */
struct pt_leaf *page_table_leaf_make(struct page_table *pt, uaddr_t addr);
/* The PTE of @addr, 0 when there is none. */
pte_t page_table_get(struct page_table *pt, uaddr_t addr);
/*
 * The first leaf with PTEs that covers part of [*addr, end); *addr moves up to the first address covered.  NULL: none.
 * Between two calls PTEs may be changed and cleared, but not pruned.
 */
struct pt_leaf *page_table_next_leaf(struct page_table *pt, uaddr_t *addr, uaddr_t end);
/* Frees tables without PTEs in [start, end). */
void page_table_prune(struct page_table *pt, uaddr_t start, uaddr_t end);

static inline unsigned pte_index(uaddr_t addr)
{
	return (addr >> PAGE_SHIFT) & (PT_SLOTS - 1);
}

static inline uaddr_t pt_leaf_end(uaddr_t addr)
{
	return (addr & ~(PT_LEAF_SIZE - 1)) + PT_LEAF_SIZE;
}

/* Changes a slot of @leaf, keeping its count. */
static inline void pte_set(struct pt_leaf *leaf, unsigned index, pte_t pte)
{
	leaf->nr += (pte != 0) - (leaf->pte[index] != 0);
	leaf->pte[index] = pte;
}

/*
 * Runs the statement for each PTE that is not 0 in [start, end): @leaf, @addr and the index pte_index(addr) name it.  The
 * body may change the PTE with pte_set; it leaves the loop by goto or return, never by break.
 */
#define page_table_for_each(pt, leaf, addr, start, end_)                                                               \
	for ((addr) = (start); ((leaf) = page_table_next_leaf((pt), &(addr), (end_)));                                 \
	     (addr) = pt_leaf_end((addr) - 1))                                                                         \
		for (uaddr_t hi_ = MIN(pt_leaf_end(addr), (end_)); (addr) < hi_; (addr) += PAGE_SIZE)                  \
			if ((leaf)->pte[pte_index(addr)])

#endif
