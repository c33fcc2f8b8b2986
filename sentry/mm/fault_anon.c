/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private pages: new ones, and copies of those that may not be written in place.
 *
 * How much is brought in at once follows from what is there: next to a run of n present pages, n more (up to a bound), so
 * that a walk through memory doubles its stride.  Around an isolated touch come a few, twice as many with each further one
 * in the same vma; those that nobody touches count nowhere (ahead.c).
 */
#include "sentry/mm/fault.h"
#include "sentry/mm/memcg.h"

#define ANON_WINDOW PT_SLOTS   /* most pages of new anonymous memory at once */
#define ANON_RUN_MIN 4	       /* a shorter run is no pattern yet */
#define ANON_KNOWN 16	       /* first pages of a heap, a stack or .bss */
#define ANON_FIRST 2	       /* log2 of the pages around the first isolated touch in a vma */
#define ANON_RECYCLED_MAX 6    /* log2 of how far that grows where pages have to be zeroed ... */
#define ANON_FRESH_MAX 9       /* ... and where they cost nothing until they are touched */
#define ANON_MMAP 16	       /* pages given when memory is mapped, before any touch */
#define ANON_MMAP_CALLS 4      /* host mappings made for them */
#define COPY_RUN_MIN 2	       /* this many written pages in front make a run */
#define COPY_RUN_FILE 8	       /* the same where a copy that was not needed can be seen */
#define COPY_GROUP 16	       /* pages copied together */

unsigned fault_present_run(const struct fault *ft, bool up, unsigned bits, unsigned max)
{
	uaddr_t addr = ft->page;
	unsigned n = 0;

	while (n < max) {
		if (up ? addr + PAGE_SIZE >= ft->vma->end : addr <= ft->vma->start)
			break;
		addr += up ? PAGE_SIZE : -PAGE_SIZE;
		if ((fault_pte(ft, addr) & bits) != bits)
			break;
		n++;
	}
	return n;
}

/* The pages from @ft's on, upwards or downwards, at most @max, that have no PTE and lie in the vma and the same leaf. */
static unsigned absent_run(const struct fault *ft, bool up, unsigned max)
{
	uaddr_t low = MAX(ft->vma->start, ft->page & ~(PT_LEAF_SIZE - 1));
	uaddr_t high = MIN(ft->vma->end, pt_leaf_end(ft->page));
	uint64_t room = up ? (high - ft->page) >> PAGE_SHIFT : ((ft->page - low) >> PAGE_SHIFT) + 1;
	unsigned n = 1;

	max = MIN(max, room);
	while (n < max && !fault_pte(ft, up ? ft->page + n * PAGE_SIZE : ft->page - n * PAGE_SIZE))
		n++;
	return n;
}

/* The frame that would continue the pages below @addr on the memfd, or PFN_NONE. */
static pfn_t near_frame(const struct fault *ft, uaddr_t addr)
{
	pte_t below = addr > ft->vma->start ? fault_pte(ft, addr - PAGE_SIZE) : 0;

	return below & PTE_ANON ? PTE_PFN(below) + 1 : PFN_NONE;
}

/* --- anonymous memory --- */

/* New pages: where, and what is known of them. */
struct anon_range {
	uaddr_t start; /* all without PTE and in one leaf */
	unsigned nr;
	pfn_t near;
	bool wanted;   /* they will be used as far as one can tell, and count */
	uaddr_t touch; /* this one is being touched; 0 */
};

/* Returns how many pages could be had. */
static unsigned anon_fill(struct mm *mm, unsigned vm_flags, const struct anon_range *r)
{
	struct pt_leaf *leaf = page_table_leaf_make(mm->pt, r->start);
	unsigned flags = PTE_PRESENT | PTE_ANON | PTE_OWNED | vma_prot(vm_flags);
	/* One alone that is touched has nothing ahead of it, and can't be taken back. */
	unsigned how = FRAME_ZERO | FRAME_NORECLAIM | (r->nr > 1 || !r->touch ? FRAME_UNTOUCHED : 0);
	unsigned done = 0, n, parked;
	pfn_t pfn, near = r->near;

	while (leaf && done < r->nr) {
		uaddr_t start = r->start + done * PAGE_SIZE;

		parked = mm_unpark(mm, start, r->nr - done, &pfn);
		n = parked ? parked : frame_alloc_run(r->nr - done, how, near, &pfn);
		if (!n)
			break;
		for (unsigned i = 0; i < n; i++, done++) {
			uaddr_t addr = r->start + done * PAGE_SIZE;
			bool known = frame_is_resident(pfn + i) && (r->wanted || addr == r->touch);

			mm_pt_install(mm, leaf, addr, PTE_MAKE(pfn + i, flags | (known ? 0 : PTE_AHEAD)));
		}
		if (parked)
			mm_pt_unparked(mm, start, n);
		near = pfn + n;
	}
	return done;
}

/*
 * How many pages may be given together: one when memory is short, as then each is needed for what is really touched.  Never all
 * there are, or the wanted one might not be among those that could be had, again and again.
 */
static unsigned give_max(const struct frame_stats *st)
{
	uint64_t room = st->limit - MIN(st->used, st->limit);

	return room < st->limit / 8 ? 1 : MIN(room / 2, (uint64_t)ANON_WINDOW);
}

void mm_anon_ahead(struct mm *mm, const struct vma *v, uaddr_t start, uaddr_t end)
{
	struct anon_range r = { .start = start };
	struct frame_stats st;
	pte_t below;

	if (vma_backing(v) || !(v->flags & VM_WRITE) || (v->flags & (VM_SHARED | VM_GROWSDOWN | VM_STACK | VM_SPECIAL | VM_LOCKED)))
		return;
	frame_get_stats(&st);
	memcg_narrow(&st.limit, &st.used);
	if (give_max(&st) < ANON_MMAP)
		return;
	r.nr = MIN(MIN(end, pt_leaf_end(start)) - start, ANON_MMAP * PAGE_SIZE) >> PAGE_SHIFT;
	mutex_lock(&mm->pt_lock);
	below = start > v->start ? page_table_get(mm->pt, start - PAGE_SIZE) : 0;
	r.near = below & PTE_ANON ? PTE_PFN(below) + 1 : PFN_NONE;
	anon_fill(mm, v->flags, &r);
	mm_pt_map_range(mm, start, start + r.nr * PAGE_SIZE, ANON_MMAP_CALLS);
	mutex_unlock(&mm->pt_lock);
}

/*
 * Whether @v is part of a program or library: marked as such by the loader, as glibc and the sentry do, or laid out like one,
 * behind a private mapping of the part of the file before it (perhaps sharing the page on the border).
 */
static bool is_image(const struct vma *v)
{
	const struct vma *prev;
	uint64_t pgoff;

	if (!v->file || (v->flags & (VM_SHARED | VM_IMAGE)))
		return v->flags & VM_IMAGE;
	prev = vma_prev(v);
	if (!prev || prev->end != v->start || prev->file != v->file || (prev->flags & VM_SHARED))
		return false;
	pgoff = prev->pgoff + vma_pages(prev);
	return v->pgoff && (v->pgoff == pgoff || v->pgoff == pgoff - 1);
}

/*
 * Whether programs are known to use @ft's memory densely: heaps made by brk, stacks, and what lies directly behind the data of
 * a program or library, its .bss.  Elsewhere only a pattern of touches says so.
 */
static bool is_dense(const struct fault *ft)
{
	const struct vma *v = ft->vma, *prev;

	if ((v->flags & VM_STACK) || (v->start < ft->mm->brk && v->end > ft->mm->start_brk))
		return true;
	prev = vma_prev(v);
	return prev && prev->end == v->start && is_image(prev);
}

/* What to give around an isolated touch: an aligned group, or, where programs go on upwards, what follows. */
static void anon_window(struct fault *ft, const struct frame_stats *st, struct anon_range *r)
{
	unsigned max = st->free_resident >= PT_SLOTS ? ANON_RECYCLED_MAX : ANON_FRESH_MAX, back;
	unsigned order = MIN(max, (unsigned)ANON_FIRST + ft->vma->ahead);

	ft->vma->ahead += ft->vma->ahead < ANON_FRESH_MAX;
	if (give_max(st) < MAX(1U << order, (unsigned)ANON_KNOWN))
		return;
	r->wanted = false;
	if (ft->vma->flags & VM_STACK) {
		r->nr = absent_run(ft, false, ANON_KNOWN);
		r->start -= (r->nr - 1) * PAGE_SIZE;
		r->near = PFN_NONE;
		return;
	}
	if (is_dense(ft)) {
		r->nr = absent_run(ft, true, MAX(1U << order, (unsigned)ANON_KNOWN));
		return;
	}
	back = absent_run(ft, false, ((ft->page >> PAGE_SHIFT) & ((1U << order) - 1)) + 1) - 1;
	r->nr = back + absent_run(ft, true, (1U << order) - back);
	r->start -= back * PAGE_SIZE;
	if (back)
		r->near = near_frame(ft, r->start);
}

enum step fault_anon(struct fault *ft)
{
	unsigned below = fault_present_run(ft, false, PTE_PRESENT | PTE_ANON, ANON_WINDOW);
	unsigned above = below ? 0 : fault_present_run(ft, true, PTE_PRESENT | PTE_ANON, ANON_WINDOW);
	struct anon_range r = { ft->page, 1, near_frame(ft, ft->page), true, ft->page };
	unsigned run = MAX(below, above);
	bool up = below || !above;
	struct frame_stats st;

	ft->f->what = "anon";
	frame_get_stats(&st);
	memcg_narrow(&st.limit, &st.used);
	if (run < ANON_RUN_MIN) {
		anon_window(ft, &st, &r);
	} else {
		r.nr = absent_run(ft, up, MIN(run, give_max(&st)));
		if (!up) {
			pfn_t next = PTE_PFN(fault_pte(ft, ft->page + PAGE_SIZE));

			r.start -= (r.nr - 1) * PAGE_SIZE;
			r.near = next >= r.nr ? next - r.nr : PFN_NONE;
		}
	}
	if (anon_fill(ft->mm, ft->vma->flags, &r) == r.nr || page_table_get(ft->mm->pt, ft->page))
		return STEP_DONE;
	/* The wanted page was not among those that could be had: settle for it alone. */
	r = (struct anon_range){ ft->page, 1, PFN_NONE, true, ft->page };
	return anon_fill(ft->mm, ft->vma->flags, &r) ? STEP_DONE : STEP_NO_MEMORY;
}

/* --- copy on write --- */

/* A page that is copied along: of the same kind as the wanted one, and not to be had without a copy. */
static bool worth_copying(pte_t pte, bool anon)
{
	if (!anon)
		return pte && !(pte & PTE_ANON);
	return (pte & (PTE_ANON | PTE_OWNED)) == PTE_ANON && frame_refs(PTE_PFN(pte)) > 1;
}

/*
 * The pages to copy with @ft's, whose PTE is @pte: *start moves down, the result is their number.
 *
 * Behind a run of pages that were written, as many again: relocation, a sweep of a collector.  In the data of a program or
 * library, and, after a fork, while the credit lasts, everywhere, the neighbours in an aligned group: what is written lies
 * close together, and a page more costs a fraction of a fault.
 */
static unsigned copy_window(struct fault *ft, pte_t pte, uaddr_t *start)
{
	unsigned run = fault_present_run(ft, false, PTE_PRESENT | PTE_ANON | PTE_OWNED, REPLACE_MAX);
	bool anon = pte & PTE_ANON;
	uaddr_t low = ft->page, high = ft->page + PAGE_SIZE, end = high;

	/* Elsewhere a program may see that a page of a file no longer follows the file, and expect otherwise. */
	if (!anon && run < COPY_RUN_FILE && !is_image(ft->vma))
		return 1;
	if (run >= COPY_RUN_MIN) {
		high = ft->page + run * PAGE_SIZE;
	} else if (!anon && vma_pages(ft->vma) <= COPY_GROUP) {
		low = ft->vma->start;
		high = ft->vma->end;
	} else if (!anon || ft->mm->copy_credit >= COPY_GROUP) {
		low = ALIGN_DOWN(ft->page, COPY_GROUP * PAGE_SIZE);
		high = low + COPY_GROUP * PAGE_SIZE;
	}
	while (*start > MAX(low, ft->vma->start) && worth_copying(fault_pte(ft, *start - PAGE_SIZE), anon))
		*start -= PAGE_SIZE;
	while (end < MIN(high, ft->vma->end) && worth_copying(fault_pte(ft, end), anon))
		end += PAGE_SIZE;
	if (anon && run < COPY_RUN_MIN)
		ft->mm->copy_credit -= MIN(ft->mm->copy_credit, ((end - *start) >> PAGE_SHIFT) - 1);
	return (end - *start) >> PAGE_SHIFT;
}

/* Replaces @nr pages from @start on by private copies, as far as frames can be had.  Returns how many. */
static unsigned copy_pages(struct fault *ft, uaddr_t start, unsigned nr)
{
	pfn_t pfn, near = near_frame(ft, start);
	pte_t ptes[REPLACE_MAX];
	unsigned done = 0, n;

	while (done < nr) {
		n = frame_alloc_run(nr - done, FRAME_NORECLAIM, near, &pfn);
		if (!n)
			break;
		for (unsigned i = 0; i < n; i++, done++) {
			pte_t old = fault_pte(ft, start + done * PAGE_SIZE);

			frame_copy(pfn + i, PTE_PFN(old));
			ptes[done] = PTE_MAKE(pfn + i, PTE_PRESENT | PTE_ANON | PTE_OWNED);
			ptes[done] |= pte_prot(ptes[done], ft->vma->flags);
		}
		near = pfn + n;
	}
	mm_pt_replace(ft->mm, start, done, ptes);
	return done;
}

enum step fault_private_write(struct fault *ft, pte_t pte)
{
	uaddr_t start = ft->page;
	unsigned nr;

	if ((pte & PTE_ANON) && frame_refs(PTE_PFN(pte)) == 1) {
		ft->f->what = "own";
		mm_pt_own_around(ft->mm, ft->page, ft->vma->start, ft->vma->end, ft->vma->flags);
		return STEP_DONE;
	}
	ft->f->what = "cow";
	nr = copy_window(ft, pte, &start);
	if (start + copy_pages(ft, start, nr) * PAGE_SIZE > ft->page)
		return STEP_DONE;
	/* Memory ran out before the page that matters. */
	return copy_pages(ft, ft->page, 1) ? STEP_DONE : STEP_NO_MEMORY;
}
