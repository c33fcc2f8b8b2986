/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Anonymous pages given ahead of a touch (PTE_AHEAD), so that the touch is the host's business.
 *
 *     given          frame allocated and charged, zero, mapped for the guest
 *       touched      found out when somebody asks, by mm_pt_settle: from then on an ordinary page
 *       dropped      by munmap and the like, or because memory is short (drop_all)
 *
 * Two kinds of frames are given.  Those that hold no memory of the host's (!frame_is_resident) get it at the touch, and the memfd
 * tells which did.  Recycled ones were zeroed beforehand, and one that is still all zero was not touched as far as
 * anybody can tell.  So what counts as resident, in RSS and for mincore(2), is what was touched, and fork need not copy the rest.
 */
#include <string.h>

#include "sentry/mm/mm_internal.h"

/* Shorter stretches are taken for touched when they go: asking costs as much as zeroing them again. */
#define ASK_MIN 8

/* Pages that follow each other, here and on the memfd, of one kind. */
struct ahead_run {
	struct pt_leaf *leaf;
	uaddr_t addr;
	pfn_t pfn;
	unsigned nr;
	bool resident;
};

/* What is done with each page of a run once it is known whether it was touched. */
typedef void judge_fn(struct mm *mm, struct pt_leaf *leaf, uaddr_t addr, bool touched);

/* The next one in [*addr, end); *addr moves behind it. */
static bool next_run(struct mm *mm, uaddr_t *addr, uaddr_t end, struct ahead_run *run)
{
	struct pt_leaf *leaf;

	while (mm->nr_ahead && (leaf = page_table_next_leaf(mm->pt, addr, end))) {
		uaddr_t high = MIN(pt_leaf_end(*addr), end);

		for (; *addr < high; *addr += PAGE_SIZE) {
			const pte_t *pte = &leaf->pte[pte_index(*addr)];
			unsigned n = 1, max = (high - *addr) >> PAGE_SHIFT;
			pfn_t pfn = PTE_PFN(*pte);

			if (!(*pte & PTE_AHEAD))
				continue;
			*run = (struct ahead_run){ leaf, *addr, pfn, 1, frame_is_resident(pfn) };
			while (n < max && (pte[n] & PTE_AHEAD) && PTE_PFN(pte[n]) == pfn + n &&
			       frame_is_resident(pfn + n) == run->resident)
				n++;
			run->nr = n;
			*addr += n * PAGE_SIZE;
			return true;
		}
	}
	return false;
}

/* The guest may write meanwhile: then it is as if it had done so before or after. */
static bool page_is_zero(pfn_t pfn)
{
	const uint64_t *word = frame_ptr(pfn);

	for (unsigned i = 0; i < PAGE_SIZE / sizeof(*word); i += 8)
		if (word[i] | word[i + 1] | word[i + 2] | word[i + 3] | word[i + 4] | word[i + 5] | word[i + 6] | word[i + 7])
			return false;
	return true;
}

static void judge_run(struct mm *mm, const struct ahead_run *run, struct frame_extent *known, judge_fn *page)
{
	if (!run->resident)
		frames_settle(run->pfn, run->nr, known);
	for (unsigned i = 0; i < run->nr; i++) {
		bool touched = run->resident ? !page_is_zero(run->pfn + i) : frame_is_resident(run->pfn + i);

		page(mm, run->leaf, run->addr + i * PAGE_SIZE, touched);
	}
}

static void settle_page(struct mm *mm, struct pt_leaf *leaf, uaddr_t addr, bool touched)
{
	if (touched)
		mm_pt_touched(mm, leaf, addr);
}

void mm_pt_settle(struct mm *mm, uaddr_t start, uaddr_t end)
{
	struct frame_extent known = { 0 };
	struct ahead_run run;

	mutex_assert_held(&mm->pt_lock);
	while (next_run(mm, &start, end, &run))
		judge_run(mm, &run, &known, settle_page);
}

void mm_pt_ahead_close(struct mm *mm, uaddr_t start, uaddr_t end)
{
	struct frame_extent known = { 0 };
	struct ahead_run run;

	while (next_run(mm, &start, end, &run)) {
		if (run.resident)
			continue;
		if (run.nr < ASK_MIN)
			frames_set_resident(run.pfn, run.nr);
		else
			frames_settle(run.pfn, run.nr, &known);
	}
}

void mm_settle(struct mm *mm)
{
	MUTEX_GUARD(&mm->pt_lock);
	mm_pt_settle(mm, 0, GUEST_TASK_SIZE);
}

static void drop_page(struct mm *mm, struct pt_leaf *leaf, uaddr_t addr, bool touched)
{
	if (touched)
		mm_pt_touched(mm, leaf, addr);
	else
		mm_pt_drop_ahead(mm, leaf, addr);
}

bool mm_drop_ahead(struct mm *mm)
{
	struct ahead_run run;
	uaddr_t addr = 0;
	bool any;

	MUTEX_GUARD(&mm->pt_lock);
	any = mm->nr_limbo || mm->nr_parked;
	mm_pt_limbo_end(mm);
	while (next_run(mm, &addr, GUEST_TASK_SIZE, &run)) {
		uint64_t before = mm->nr_ahead, rss = mm->rss[MM_ANONPAGES];
		struct frame_extent known = { 0 };

		/* No touch can come after the judgement, which must not rest on what was known before. */
		mm_pt_unmap_host(mm, run.addr, run.addr + run.nr * PAGE_SIZE);
		mm_pt_sync(mm);
		judge_run(mm, &run, &known, drop_page);
		any |= before - mm->nr_ahead > mm->rss[MM_ANONPAGES] - rss;
	}
	if (any)
		page_table_prune(mm->pt, 0, GUEST_TASK_SIZE);
	/* What was in limbo may be somebody else's, too: then the next round finds nothing. */
	return any;
}
