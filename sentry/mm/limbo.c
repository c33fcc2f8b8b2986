/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames that an address space has lost while the host may still map them.
 *
 * Limbo.  To wait until the host has lost a page costs more than most calls that unmap a little, and matters only to somebody else
 * who gets the frame.  So a few frames are kept, and waited for together.  The guest's only thread goes on when what was
 * queued for the host is done, as always.
 *
 * Parked.  Who unmaps a little maps as much soon, and gets the same addresses.  So the pages of a small range stay where they are on the
 * host, inaccessible, and when memory is wanted at that very place they are zeroed and come back: two changes of protection, which the
 * platform may leave to the guest, in the place of unmapping and mapping.  When something else is mapped over them, or another range
 * needs the room, they go to limbo.
 *
 * Both together hold at most MM_LIMBO_MAX frames, which stay charged.
 */
#include <string.h>

#include "sentry/mm/mm_internal.h"

#define PARK_PAGES_MAX 16

static unsigned nr_kept(const struct mm *mm)
{
	unsigned nr = mm->nr_limbo;

	for (unsigned i = 0; i < mm->nr_parked; i++)
		nr += mm->parked[i].nr;
	return nr;
}

bool mm_limbo_has_room(struct mm *mm, unsigned nr)
{
	if (!platform->sync || !mm->as || mm != current_mm || ref_read(&mm->users) != 1 || nr > MM_LIMBO_MAX)
		return false;
	if (nr_kept(mm) + nr > MM_LIMBO_MAX)
		mm_pt_limbo_end(mm);
	return true;
}

void mm_pt_limbo_end(struct mm *mm)
{
	mutex_assert_held(&mm->pt_lock);
	mm_park_forget(mm, 0, GUEST_TASK_SIZE, true);
	if (!mm->nr_limbo)
		return;
	mm_pt_host_sync(mm, true);
	frame_put_many(mm->limbo, mm->nr_limbo);
	mm->nr_limbo = 0;
}

/* --- parked --- */

static void parked_remove(struct mm *mm, unsigned i)
{
	mm->nr_parked--;
	memmove(&mm->parked[i], &mm->parked[i + 1], (mm->nr_parked - i) * sizeof(mm->parked[0]));
}

static void parked_to_limbo(struct mm *mm, unsigned i)
{
	const struct mm_parked *p = &mm->parked[i];

	for (unsigned n = 0; n < p->nr; n++)
		mm->limbo[mm->nr_limbo++] = p->pfn + n;
	parked_remove(mm, i);
}

void mm_park_forget(struct mm *mm, uaddr_t start, uaddr_t end, bool unmap)
{
	unsigned i = 0;

	while (i < mm->nr_parked) {
		const struct mm_parked p = mm->parked[i];
		uaddr_t p_end = p.start + p.nr * PAGE_SIZE;

		if (p.start >= end || p_end <= start) {
			i++;
			continue;
		}
		parked_to_limbo(mm, i);
		/* Which may reset the address space, and then there is nothing left. */
		if (unmap || p.start < start || p_end > end)
			mm_pt_host_unmap(mm, p.start, p_end);
		i = 0;
	}
}

/* Whether [start, end) has nothing but a run of private pages, all mapped, that are the address space's own. */
static bool is_parkable(struct mm *mm, uaddr_t start, uaddr_t end, struct mm_parked *ret)
{
	const unsigned flags = PTE_ANON | PTE_OWNED | PTE_MAPPED;
	struct mm_parked p = { .nr = 0 };
	struct pt_leaf *leaf;
	uaddr_t addr;

	page_table_for_each(mm->pt, leaf, addr, start, end) {
		pte_t pte = leaf->pte[pte_index(addr)];

		if (!p.nr) {
			p.start = addr;
			p.pfn = PTE_PFN(pte);
		}
		if ((pte & flags) != flags || addr != p.start + p.nr * PAGE_SIZE || PTE_PFN(pte) != p.pfn + p.nr ||
		    p.nr == PARK_PAGES_MAX)
			return false;
		p.nr++;
	}
	*ret = p;
	return p.nr;
}

bool mm_park(struct mm *mm, uaddr_t start, uaddr_t end)
{
	struct mm_parked p;

	mutex_assert_held(&mm->pt_lock);
	if (!platform->park || !is_parkable(mm, start, end, &p) || !mm_limbo_has_room(mm, p.nr))
		return false;
	if (platform->park(mm->as, p.start, p.nr * PAGE_SIZE) < 0)
		return false;
	if (mm->nr_parked == MM_PARKED_MAX)
		mm_park_forget(mm, mm->parked[0].start, mm->parked[0].start + 1, true);
	mm->parked[mm->nr_parked++] = p;
	return true;
}

unsigned mm_unpark(struct mm *mm, uaddr_t addr, unsigned max, pfn_t *ret_pfn)
{
	for (unsigned i = 0; i < mm->nr_parked; i++) {
		const struct mm_parked p = mm->parked[i];

		if (p.start != addr || p.nr > max)
			continue;
		parked_remove(mm, i);
		memset(frame_ptr(p.pfn), 0, p.nr * PAGE_SIZE);
		*ret_pfn = p.pfn;
		return p.nr;
	}
	return 0;
}
