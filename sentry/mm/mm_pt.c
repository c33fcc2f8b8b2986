/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PTEs and the host mappings that follow them.
 *
 * The platform's mappings are a cache of the page table: what is mapped on the host is at most what the PTE says, always.
 * So whoever takes something away from a PTE takes it from the host before pt_lock is released, and before the frame is put;
 * whoever adds something may leave it to the next fault.
 *
 * A page is mapped as owned (PLATFORM_OWNED) when it has PTE_OWNED, else so that the guest can't come to write it whatever
 * it does to its stub.  So a page that is shared from now on, or must be noticed when it is written, is mapped anew.
 *
 * Host calls are what is dear here.  Operations gather ranges (struct host_run) and make one call for each.  When the host
 * refuses a call, everything it maps for the address space is dropped: the pages fault in again.
 */
#include <string.h>

#include "sentry/base/log.h"
#include "sentry/mm/mm_internal.h"

#define MAP_RUN_MAX PT_SLOTS /* pages in front of and behind the wanted one in one host mapping */
#define PUT_BATCH 128
#define LIMBO_FRESH_MAX 16
#define REMAP_MAX_CALLS 32

/* --- host calls that can't fail --- */

static void forget_mapped(struct mm *mm, uaddr_t start, uaddr_t end)
{
	struct pt_leaf *leaf;
	uaddr_t addr;

	page_table_for_each(mm->pt, leaf, addr, start, end)
		leaf->pte[pte_index(addr)] &= ~(pte_t)PTE_MAPPED;
}

static void host_reset(struct mm *mm)
{
	mm_park_forget(mm, 0, GUEST_TASK_SIZE, false);
	/* A failure means that the execution vehicle is gone: its contexts stop with STOP_DEAD. */
	if (platform->aspace_reset(mm->as) < 0)
		log_debug("the platform could not drop an address space's mappings");
	forget_mapped(mm, 0, GUEST_TASK_SIZE);
}

void mm_pt_host_unmap(struct mm *mm, uaddr_t start, uaddr_t end)
{
	if (mm->as && platform->unmap(mm->as, start, end - start) < 0)
		host_reset(mm);
}

static void host_protect(struct mm *mm, uaddr_t start, uaddr_t end, unsigned prot)
{
	if (mm->as && platform->protect(mm->as, start, end - start, prot) < 0)
		host_reset(mm);
}

void mm_pt_host_sync(struct mm *mm, bool frames)
{
	/* It fails when nothing runs any more. */
	if (mm->as && platform->sync)
		platform->sync(mm->as, frames);
}

/*
 * Maps pages again that are mapped as what they were and have lost PTE_MAPPED: those that many calls don't reach fault in.
 */
static void host_remap(struct mm *mm, uaddr_t start, uaddr_t end)
{
	unsigned calls = 0;

	for (; start < end && calls < REMAP_MAX_CALLS; start += PAGE_SIZE) {
		if (page_table_get(mm->pt, start) & PTE_MAPPED)
			continue;
		mm_pt_map(mm, start);
		calls++;
		if (!(page_table_get(mm->pt, start) & PTE_MAPPED))
			mm_pt_host_unmap(mm, start, start + PAGE_SIZE);
	}
	if (start < end)
		mm_pt_host_unmap(mm, start, end);
}

/* A range that waits for its host call: unmapping (prot 0), a new protection, or RUN_REMAP.  Empty when start == end. */
struct host_run {
	uaddr_t start, end;
	unsigned prot;
};
#define RUN_REMAP (PTE_PROT + 1)

static void host_run_flush(struct mm *mm, struct host_run *run)
{
	if (run->start == run->end)
		return;
	if (run->prot == RUN_REMAP)
		host_remap(mm, run->start, run->end);
	else if (run->prot)
		host_protect(mm, run->start, run->end, run->prot);
	else
		mm_pt_host_unmap(mm, run->start, run->end);
	run->start = run->end = 0;
}

/* Adds the mapped page at @addr, whose PTE has changed already.  Unmapping may run over holes; a protected range has none. */
static void host_run_add(struct mm *mm, struct host_run *run, uaddr_t addr, unsigned prot)
{
	if (run->start == run->end || run->prot != prot || (prot && run->end != addr)) {
		host_run_flush(mm, run);
		run->start = addr;
		run->prot = prot;
	}
	run->end = addr + PAGE_SIZE;
}

/* Pages that the host may have no memory for yet: they are mapped apart, as they must not be populated. */
static bool is_lazy(pte_t pte)
{
	return (pte & PTE_AHEAD) && !frame_is_resident(PTE_PFN(pte));
}

/* --- counters --- */

static enum mm_counter pte_counter(pte_t pte)
{
	return pte & PTE_ANON ? MM_ANONPAGES : pte & PTE_SHMEM ? MM_SHMEMPAGES : MM_FILEPAGES;
}

static void count_add(struct mm *mm, pte_t pte)
{
	long rss = 0;

	if (pte & PTE_AHEAD) {
		mm->nr_ahead++;
		return;
	}
	mm->rss[pte_counter(pte)]++;
	for (unsigned i = 0; i < NR_MM_COUNTERS; i++)
		rss += mm->rss[i];
	mm->rss_peak = MAX(mm->rss_peak, rss);
}

static void count_sub(struct mm *mm, pte_t pte)
{
	if (pte & PTE_AHEAD)
		mm->nr_ahead--;
	else
		mm->rss[pte_counter(pte)]--;
}

void mm_pt_install(struct mm *mm, struct pt_leaf *leaf, uaddr_t addr, pte_t pte)
{
	unsigned i = pte_index(addr);

	BUG_ON(leaf->pte[i] || (pte & PTE_MAPPED));
	pte_set(leaf, i, pte);
	count_add(mm, pte);
}

void mm_pt_touched(struct mm *mm, struct pt_leaf *leaf, uaddr_t addr)
{
	pte_t *pte = &leaf->pte[pte_index(addr)];

	BUG_ON(!(*pte & PTE_AHEAD) || !frame_is_resident(PTE_PFN(*pte)));
	count_sub(mm, *pte);
	*pte &= ~(pte_t)PTE_AHEAD;
	count_add(mm, *pte);
}

/* --- removal --- */

void mm_pt_drop_ahead(struct mm *mm, struct pt_leaf *leaf, uaddr_t addr)
{
	pte_t pte = leaf->pte[pte_index(addr)];

	BUG_ON((pte & (PTE_AHEAD | PTE_MAPPED)) != PTE_AHEAD);
	count_sub(mm, pte);
	pte_set(leaf, pte_index(addr), 0);
	frame_put(PTE_PFN(pte));
}

struct put_batch {
	unsigned nr;
	pfn_t pfns[PUT_BATCH];
};

static void put_flush(struct put_batch *b)
{
	if (b->nr)
		frame_put_many(b->pfns, b->nr);
	b->nr = 0;
}

/* What a removal takes with it. */
struct zap_count {
	unsigned nr, nr_mapped;
	unsigned nr_fresh; /* of those given ahead, frames of which it is not known whether they have memory */
};

/* Takes pages from the host. */
static void zap_host(struct mm *mm, uaddr_t start, uaddr_t end, bool anon_too, struct zap_count *c)
{
	struct host_run run = { 0 };
	struct pt_leaf *leaf;
	uaddr_t addr;

	mm_park_forget(mm, start, end, true);
	page_table_for_each(mm->pt, leaf, addr, start, end) {
		pte_t pte = leaf->pte[pte_index(addr)];

		if ((pte & PTE_ANON) && !anon_too) {
			if (pte & PTE_MAPPED)
				host_run_flush(mm, &run);
			continue;
		}
		c->nr++;
		c->nr_fresh += is_lazy(pte);
		if (pte & PTE_MAPPED) {
			c->nr_mapped++;
			host_run_add(mm, &run, addr, 0);
		}
	}
	host_run_flush(mm, &run);
}

/* What becomes of the frames. */
enum zap { ZAP_PUT, ZAP_LIMBO, ZAP_PARKED };

/* Takes them from the page table. */
static void zap_ptes(struct mm *mm, uaddr_t start, uaddr_t end, bool anon_too, enum zap to)
{
	struct put_batch batch = { .nr = 0 };
	struct pt_leaf *leaf;
	uaddr_t addr;

	page_table_for_each(mm->pt, leaf, addr, start, end) {
		pte_t pte = leaf->pte[pte_index(addr)];

		if ((pte & PTE_ANON) && !anon_too)
			continue;
		count_sub(mm, pte);
		pte_set(leaf, pte_index(addr), 0);
		/* A touch may still come. */
		if (to != ZAP_PUT && (pte & PTE_AHEAD))
			frames_set_resident(PTE_PFN(pte), 1);
		if (to == ZAP_LIMBO)
			mm->limbo[mm->nr_limbo++] = PTE_PFN(pte);
		if (to != ZAP_PUT)
			continue;
		batch.pfns[batch.nr++] = PTE_PFN(pte);
		if (batch.nr == PUT_BATCH)
			put_flush(&batch);
	}
	put_flush(&batch);
	page_table_prune(mm->pt, start, end);
}

void mm_pt_zap(struct mm *mm, uaddr_t start, uaddr_t end, bool anon_too)
{
	struct zap_count c = { 0 };

	mutex_assert_held(&mm->pt_lock);
	zap_host(mm, start, end, anon_too, &c);
	if (!c.nr)
		return;
	if (c.nr_mapped)
		mm_pt_host_sync(mm, true);
	if (anon_too)
		mm_pt_ahead_close(mm, start, end);
	zap_ptes(mm, start, end, anon_too, ZAP_PUT);
}

void mm_pt_zap_own(struct mm *mm, uaddr_t start, uaddr_t end, bool park)
{
	struct zap_count c = { 0 };
	bool defer;

	mutex_assert_held(&mm->pt_lock);
	if (park && mm_park(mm, start, end)) {
		zap_ptes(mm, start, end, true, ZAP_PARKED);
		return;
	}
	zap_host(mm, start, end, true, &c);
	if (!c.nr)
		return;
	/* Frames that may never have been touched are worth asking about, which comes after the wait. */
	defer = c.nr_mapped && c.nr_fresh <= LIMBO_FRESH_MAX && mm_limbo_has_room(mm, c.nr);
	if (c.nr_mapped && !defer)
		mm_pt_host_sync(mm, true);
	if (!defer)
		mm_pt_ahead_close(mm, start, end);
	zap_ptes(mm, start, end, true, defer ? ZAP_LIMBO : ZAP_PUT);
}

/* --- protection --- */

/* Gives the page new access bits, PTE_OWNED among them, and takes the host along: who owns a page can't be changed by protecting it. */
static void pte_reprotect(struct mm *mm, struct host_run *run, struct pt_leaf *leaf, uaddr_t addr, pte_t pte)
{
	unsigned i = pte_index(addr);
	unsigned prot = pte & PTE_PROT, change = (pte ^ leaf->pte[i]) & (PTE_PROT | PTE_OWNED);
	bool mapped = pte & PTE_MAPPED;

	if (mapped && (!prot || (change & PTE_OWNED)))
		pte &= ~(pte_t)PTE_MAPPED;
	pte_set(leaf, i, pte);
	if (mapped && change)
		host_run_add(mm, run, addr, change & PTE_OWNED ? RUN_REMAP : prot);
}

void mm_pt_protect(struct mm *mm, uaddr_t start, uaddr_t end, unsigned vm_flags)
{
	struct host_run run = { 0 };
	struct pt_leaf *leaf;
	uaddr_t addr;

	mutex_assert_held(&mm->pt_lock);
	page_table_for_each(mm->pt, leaf, addr, start, end) {
		pte_t pte = leaf->pte[pte_index(addr)];
		unsigned prot = pte_prot(pte, vm_flags);

		if ((pte & PTE_PROT) != prot)
			pte_reprotect(mm, &run, leaf, addr, (pte & ~(pte_t)PTE_PROT) | prot);
		else if (pte & PTE_MAPPED)
			host_run_flush(mm, &run);
	}
	host_run_flush(mm, &run);
	mm_pt_host_sync(mm, false);
}

void mm_pt_ahead_protect(struct mm *mm, uaddr_t start, uaddr_t end)
{
	struct host_run run = { 0 };
	struct pt_leaf *leaf;
	uaddr_t addr;

	mutex_assert_held(&mm->pt_lock);
	if (!mm->nr_ahead)
		return;
	page_table_for_each(mm->pt, leaf, addr, start, end) {
		pte_t pte = leaf->pte[pte_index(addr)];

		if ((pte & PTE_AHEAD) && (pte & PTE_OWNED))
			pte_reprotect(mm, &run, leaf, addr, pte & ~(pte_t)(PTE_OWNED | PTE_WRITE));
	}
	host_run_flush(mm, &run);
	mm_pt_host_sync(mm, false);
}

void mm_pt_write_protect(struct mm *mm, uaddr_t start, uaddr_t end)
{
	struct host_run run = { 0 };
	struct pt_leaf *leaf;
	uaddr_t addr;

	mutex_assert_held(&mm->pt_lock);
	page_table_for_each(mm->pt, leaf, addr, start, end) {
		pte_t pte = leaf->pte[pte_index(addr)];

		if (!(pte & PTE_ANON) && (pte & PTE_OWNED))
			pte_reprotect(mm, &run, leaf, addr, pte & ~(pte_t)(PTE_OWNED | PTE_WRITE));
	}
	host_run_flush(mm, &run);
	/* What is written from here on must be noticed. */
	mm_pt_host_sync(mm, true);
}

/* --- mapping --- */

/* Whether @pte is the page that continues, @step pages away, a run that starts with @first. */
static bool continues_run(pte_t pte, pte_t first, int64_t step)
{
	return (pte & PTE_PRESENT) && !(pte & PTE_MAPPED) && !((pte ^ first) & (PTE_PROT | PTE_OWNED)) &&
	       PTE_PFN(pte) == PTE_PFN(first) + step && is_lazy(pte) == is_lazy(first);
}

void mm_pt_map(struct mm *mm, uaddr_t addr)
{
	uaddr_t start = PAGE_DOWN(addr), end = start + PAGE_SIZE;
	pte_t pte = page_table_get(mm->pt, start);
	unsigned prot = pte & PTE_PROT, hint = (is_lazy(pte) ? PLATFORM_LAZY : 0) | (pte & PTE_OWNED ? PLATFORM_OWNED : 0);
	int err = -LINUX_ENOMEM;
	uint64_t off;

	mutex_assert_held(&mm->pt_lock);
	if (!(pte & PTE_PRESENT) || !prot || !mm->as)
		return;
	for (int64_t n = 1; n <= MAP_RUN_MAX && start > GUEST_MIN_ADDR; n++, start -= PAGE_SIZE)
		if (!continues_run(page_table_get(mm->pt, start - PAGE_SIZE), pte, -n))
			break;
	for (int64_t n = 1; n <= MAP_RUN_MAX && end < GUEST_TASK_SIZE; n++, end += PAGE_SIZE)
		if (!continues_run(page_table_get(mm->pt, end), pte, n))
			break;
	mm_park_forget(mm, start, end, false);
	off = (PTE_PFN(pte) << PAGE_SHIFT) - (PAGE_DOWN(addr) - start);
	for (int try = 0; err == -LINUX_ENOMEM && try < 2; try++) {
		err = platform->map(mm->as, start, end - start, prot | hint, PLATFORM_MEMORY, off);
		/* Too many host mappings: begin again with this one. */
		if (err)
			host_reset(mm);
	}
	if (err)
		return;
	for (uaddr_t at = start; at < end; at += PAGE_SIZE)
		page_table_leaf(mm->pt, at)->pte[pte_index(at)] |= PTE_MAPPED;
}

void mm_pt_unparked(struct mm *mm, uaddr_t start, unsigned nr)
{
	struct pt_leaf *leaf = page_table_leaf(mm->pt, start);
	pte_t *pte = &leaf->pte[pte_index(start)];

	for (unsigned i = 0; i < nr; i++)
		pte[i] |= PTE_MAPPED;
	host_protect(mm, start, start + nr * PAGE_SIZE, *pte & PTE_PROT);
}

unsigned mm_pt_map_range(struct mm *mm, uaddr_t start, uaddr_t end, unsigned max)
{
	struct pt_leaf *leaf;
	unsigned n = 0;
	uaddr_t addr;

	mutex_assert_held(&mm->pt_lock);
	page_table_for_each(mm->pt, leaf, addr, start, end) {
		pte_t pte = leaf->pte[pte_index(addr)];

		if ((pte & PTE_MAPPED) || !(pte & PTE_PROT))
			continue;
		if (n == max)
			return n;
		mm_pt_map(mm, addr);
		n++;
	}
	return n;
}

void mm_pt_remap(struct mm *mm, uaddr_t addr)
{
	struct pt_leaf *leaf = page_table_leaf(mm->pt, addr);
	unsigned i = pte_index(addr), low = i, high = i + 1;
	pte_t pte = leaf->pte[i];

	mutex_assert_held(&mm->pt_lock);
	/* The run that one call maps; mapping over what is still there changes nothing. */
	while (low > 0 && leaf->pte[low - 1] == pte - ((pte_t)(i - low + 1) << PAGE_SHIFT) &&
	       is_lazy(leaf->pte[low - 1]) == is_lazy(pte))
		low--;
	while (high < PT_SLOTS && leaf->pte[high] == pte + ((pte_t)(high - i) << PAGE_SHIFT) &&
	       is_lazy(leaf->pte[high]) == is_lazy(pte))
		high++;
	for (i = low; i < high; i++)
		leaf->pte[i] &= ~(pte_t)PTE_MAPPED;
	mm_pt_map(mm, addr);
}

void mm_pt_remap_all(struct mm *mm, unsigned max)
{
	mutex_assert_held(&mm->pt_lock);
	forget_mapped(mm, 0, GUEST_TASK_SIZE);
	mm_park_forget(mm, 0, GUEST_TASK_SIZE, false);
	mm_pt_map_range(mm, 0, GUEST_TASK_SIZE, max);
}

void mm_pt_unmap_host(struct mm *mm, uaddr_t start, uaddr_t end)
{
	mutex_assert_held(&mm->pt_lock);
	forget_mapped(mm, start, end);
	mm_park_forget(mm, start, end, false);
	mm_pt_host_unmap(mm, start, end);
	mm_pt_host_sync(mm, false);
}

static pte_t pte_exchange(struct mm *mm, uaddr_t addr, pte_t pte)
{
	struct pt_leaf *leaf = page_table_leaf(mm->pt, addr);
	pte_t old = leaf->pte[pte_index(addr)];

	BUG_ON(!old || ((pte | old) & PTE_AHEAD) || (pte & PTE_MAPPED));
	leaf->pte[pte_index(addr)] = pte;
	count_sub(mm, old);
	count_add(mm, pte);
	return old;
}

void mm_pt_replace(struct mm *mm, uaddr_t addr, unsigned nr, const pte_t *ptes)
{
	pte_t old[REPLACE_MAX];
	pfn_t pfns[REPLACE_MAX];
	bool displaced = false;

	mutex_assert_held(&mm->pt_lock);
	BUG_ON(nr > REPLACE_MAX);
	for (unsigned i = 0; i < nr; i++) {
		old[i] = pte_exchange(mm, addr + i * PAGE_SIZE, ptes[i]);
		pfns[i] = PTE_PFN(old[i]);
	}
	/* One call both maps new pages and displaces the old ones. */
	for (unsigned i = 0; i < nr; i++) {
		uaddr_t at = addr + i * PAGE_SIZE;

		if (!(old[i] & PTE_MAPPED) || (page_table_get(mm->pt, at) & PTE_MAPPED))
			continue;
		mm_pt_map(mm, at);
		if (!(page_table_get(mm->pt, at) & PTE_MAPPED))
			mm_pt_host_unmap(mm, at, at + PAGE_SIZE);
		displaced = true;
	}
	if (displaced && mm_limbo_has_room(mm, nr)) {
		memcpy(&mm->limbo[mm->nr_limbo], pfns, nr * sizeof(*pfns));
		mm->nr_limbo += nr;
		return;
	}
	if (displaced)
		mm_pt_host_sync(mm, true);
	frame_put_many(pfns, nr);
}

void mm_pt_sync(struct mm *mm)
{
	mm_pt_host_sync(mm, true);
}

/* --- ownership of private pages --- */

static bool may_own(pte_t pte)
{
	return (pte & (PTE_ANON | PTE_OWNED)) == PTE_ANON && frame_refs(PTE_PFN(pte)) == 1;
}

void mm_pt_own_around(struct mm *mm, uaddr_t addr, uaddr_t start, uaddr_t end, unsigned vm_flags)
{
	struct pt_leaf *leaf = page_table_leaf(mm->pt, addr);
	uaddr_t base = addr & ~(PT_LEAF_SIZE - 1);
	unsigned low = pte_index(addr), high = low + 1;
	unsigned min = start > base ? pte_index(start) : 0;
	unsigned max = end < base + PT_LEAF_SIZE ? pte_index(end) : PT_SLOTS;
	struct host_run run = { 0 };

	mutex_assert_held(&mm->pt_lock);
	while (low > min && may_own(leaf->pte[low - 1]))
		low--;
	while (high < max && may_own(leaf->pte[high]))
		high++;
	for (unsigned i = low; i < high; i++) {
		pte_t pte = (leaf->pte[i] | PTE_OWNED) & ~(pte_t)PTE_PROT;

		pte_reprotect(mm, &run, leaf, base + i * PAGE_SIZE, pte | pte_prot(pte, vm_flags));
	}
	host_run_flush(mm, &run);
}

/* The child's PTE for a page that is shared from now on; the parent's loses the right to write. */
static pte_t share_pte(struct mm *src, struct host_run *run, struct pt_leaf *leaf, uaddr_t addr)
{
	pte_t pte = leaf->pte[pte_index(addr)];

	if (pte & PTE_ANON) {
		pte &= ~(pte_t)(PTE_OWNED | PTE_WRITE);
		pte_reprotect(src, run, leaf, addr, pte);
	}
	return pte & ~(pte_t)PTE_MAPPED;
}

int mm_pt_share(struct mm *dst, struct mm *src, uaddr_t start, uaddr_t end, uaddr_t anon_start)
{
	struct host_run run = { 0 };
	struct pt_leaf *leaf, *to;
	uaddr_t addr;
	int err = 0;

	mutex_assert_held(&src->pt_lock);
	mutex_assert_held(&dst->pt_lock);
	page_table_for_each(src->pt, leaf, addr, start, end) {
		pte_t pte = leaf->pte[pte_index(addr)];

		/* Untouched pages are zero for the child, too. */
		if ((pte & PTE_AHEAD) || ((pte & PTE_ANON) && addr < anon_start))
			continue;
		to = page_table_leaf_make(dst->pt, addr);
		if (!to) {
			err = -LINUX_ENOMEM;
			goto out;
		}
		pte = share_pte(src, &run, leaf, addr);
		frame_get(PTE_PFN(pte));
		mm_pt_install(dst, to, addr, pte);
	}
out:
	host_run_flush(src, &run);
	return err;
}

int mm_pt_move(struct mm *mm, uaddr_t old, uaddr_t new, uint64_t len)
{
	struct host_run run = { 0 };
	struct pt_leaf *leaf, *to;
	uaddr_t addr;

	mutex_assert_held(&mm->pt_lock);
	/* All tables first, so that nothing fails half way. */
	page_table_for_each(mm->pt, leaf, addr, old, old + len)
		if (!page_table_leaf_make(mm->pt, new + (addr - old))) {
			page_table_prune(mm->pt, new, new + len);
			return -LINUX_ENOMEM;
		}
	page_table_for_each(mm->pt, leaf, addr, old, old + len) {
		pte_t pte = leaf->pte[pte_index(addr)];

		to = page_table_leaf(mm->pt, new + (addr - old));
		pte_set(to, pte_index(new + (addr - old)), pte & ~(pte_t)PTE_MAPPED);
		pte_set(leaf, pte_index(addr), 0);
		if (pte & PTE_MAPPED)
			host_run_add(mm, &run, addr, 0);
	}
	host_run_flush(mm, &run);
	mm_pt_host_sync(mm, false);
	page_table_prune(mm->pt, old, old + len);
	return 0;
}
