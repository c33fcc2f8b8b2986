/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Page faults, of guests and of the sentry's own copies.
 *
 * A fault takes mm->lock for reading, finds the vma, checks the access, and brings the PTE in order under pt_lock.  What may
 * sleep (ops->fault) comes before pt_lock and is checked again behind it.  Steps answer with an enum step:
 *
 *     no vma, access not allowed .......................... signal
 *     PTE allows the access ............................... map it on the host; nothing else to do
 *     no PTE, anonymous ................................... new zero pages
 *     no PTE, file ........................................ page of the cache, and those around it; private write: as next
 *     PTE without write, private, page is ours alone ...... own it, and others around it
 *     PTE without write, private, page is shared .......... copy
 *     PTE without write, shared mapping ................... tell the page cache, then allow writing
 *
 * How much is brought in at once follows from what is there: next to a run of n present pages, n more (up to a bound).  An
 * isolated touch brings in one page, so that sparse memory stays sparse; a walk through memory doubles its stride.
 */
#include <string.h>

#include "platform/insn.h"
#include "sentry/abi/signal.h"
#include "sentry/base/log.h"
#include "sentry/mm/mm_internal.h"

#define ANON_WINDOW PT_SLOTS   /* most pages of new anonymous memory at once */
#define ANON_RUN_MIN 4	       /* a shorter run is no pattern yet */
#define ANON_KNOWN 8	       /* first pages of a heap, a stack or .bss */
#define MAP_AHEAD_CALLS 4      /* host mappings made for pages around a fault, besides the one that holds it */
#define MAP_AHEAD_PAGES 64     /* how far around */
#define COPY_RUN_MIN 2	       /* this many written pages in front make a run */
#define COPY_GROUP REPLACE_MAX /* pages copied together */
#define AROUND_MIN 16	       /* pages of a file mapped around a fault, as Linux's fault_around_bytes */
#define AROUND_EXEC 128	       /* the same for program text */
#define NO_PROGRESS_LIMIT 1000 /* identical faults with nothing to do before it is called a loop */

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

static enum step fault_signal(struct fault *ft, int signo, int si_code, const char *what)
{
	ft->f->signo = signo;
	ft->f->si_code = si_code;
	ft->f->what = what;
	return STEP_SIGNAL;
}

static bool fault_allowed(const struct fault *ft)
{
	unsigned flags = ft->vma->flags;

	if (flags & VM_VVAR)
		return false;
	if (!(ft->flags & FAULT_FORCE))
		return vma_prot(flags) & ft->want;
	/* As FOLL_FORCE: reads whatever was readable once, writes where that makes a private copy. */
	if (ft->want != PTE_WRITE)
		return flags & VM_MAYREAD;
	return (flags & VM_WRITE) || (flags & (VM_SHARED | VM_MAYWRITE)) == VM_MAYWRITE;
}

/* Whether @pte lets the access go ahead. */
static bool pte_allows(pte_t pte, unsigned want, unsigned flags)
{
	if (!(pte & PTE_PRESENT))
		return false;
	if (pte & want)
		return true;
	return (flags & FAULT_FORCE) && (want != PTE_WRITE || (pte & (PTE_ANON | PTE_OWNED)) == (PTE_ANON | PTE_OWNED));
}

/* --- patterns --- */

static pte_t pte_at(const struct fault *ft, uaddr_t addr)
{
	return page_table_get(ft->mm->pt, addr);
}

/* How many of the pages directly below (or, with @up, above) @ft's have all of @bits, counting up to @max. */
static unsigned present_run(const struct fault *ft, bool up, unsigned bits, unsigned max)
{
	uaddr_t addr = ft->page;
	unsigned n = 0;

	while (n < max) {
		if (up ? addr + PAGE_SIZE >= ft->vma->end : addr <= ft->vma->start)
			break;
		addr += up ? PAGE_SIZE : -PAGE_SIZE;
		if ((pte_at(ft, addr) & bits) != bits)
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
	while (n < max && !pte_at(ft, up ? ft->page + n * PAGE_SIZE : ft->page - n * PAGE_SIZE))
		n++;
	return n;
}

/* The frame that would continue the pages below @addr on the memfd, or PFN_NONE. */
static pfn_t near_frame(const struct fault *ft, uaddr_t addr)
{
	pte_t below = addr > ft->vma->start ? pte_at(ft, addr - PAGE_SIZE) : 0;

	return below & PTE_ANON ? PTE_PFN(below) + 1 : PFN_NONE;
}

/* --- anonymous memory --- */

/* New pages in [start, start + nr), all without PTE and in one leaf.  Returns how many could be had. */
static unsigned anon_fill(struct fault *ft, uaddr_t start, unsigned nr, pfn_t near)
{
	struct pt_leaf *leaf = page_table_leaf_make(ft->mm->pt, start);
	unsigned flags = PTE_PRESENT | PTE_ANON | PTE_OWNED | vma_prot(ft->vma->flags);
	unsigned done = 0, n;
	pfn_t pfn;

	while (leaf && done < nr) {
		n = frame_alloc_run(nr - done, FRAME_ZERO | FRAME_NORECLAIM, near, &pfn);
		if (!n)
			break;
		for (unsigned i = 0; i < n; i++)
			mm_pt_install(ft->mm, leaf, start + (done + i) * PAGE_SIZE, PTE_MAKE(pfn + i, flags));
		done += n;
		near = pfn + n;
	}
	return done;
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

static enum step fault_anon(struct fault *ft)
{
	unsigned below = present_run(ft, false, PTE_PRESENT | PTE_ANON, ANON_WINDOW);
	unsigned above = below ? 0 : present_run(ft, true, PTE_PRESENT | PTE_ANON, ANON_WINDOW);
	unsigned run = MAX(below, above), nr = 1;
	bool up = below || !above;
	uaddr_t start = ft->page;
	pfn_t near = near_frame(ft, start);

	ft->f->what = "anon";
	if (run >= ANON_RUN_MIN)
		nr = absent_run(ft, up, run);
	else if (is_dense(ft))
		nr = absent_run(ft, up, ANON_KNOWN);
	if (!up) {
		pfn_t next = PTE_PFN(pte_at(ft, ft->page + PAGE_SIZE));

		start -= (nr - 1) * PAGE_SIZE;
		near = next >= nr ? next - nr : PFN_NONE;
	}
	if (anon_fill(ft, start, nr, near) == nr || page_table_get(ft->mm->pt, ft->page))
		return STEP_DONE;
	/* Downwards, the wanted page comes last: settle for it alone. */
	return anon_fill(ft, ft->page, 1, PFN_NONE) ? STEP_DONE : STEP_NO_MEMORY;
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
	unsigned run = present_run(ft, false, PTE_PRESENT | PTE_ANON | PTE_OWNED, REPLACE_MAX);
	bool anon = pte & PTE_ANON;
	uaddr_t low = ft->page, high = ft->page + PAGE_SIZE, end = high;

	/* Elsewhere a program may see that a page of the file no longer follows the file. */
	if (!anon && !is_image(ft->vma))
		return 1;
	if (run >= COPY_RUN_MIN) {
		high = ft->page + run * PAGE_SIZE;
	} else if (!anon || ft->mm->copy_credit >= COPY_GROUP) {
		low = ALIGN_DOWN(ft->page, COPY_GROUP * PAGE_SIZE);
		high = low + COPY_GROUP * PAGE_SIZE;
	}
	while (*start > MAX(low, ft->vma->start) && worth_copying(pte_at(ft, *start - PAGE_SIZE), anon))
		*start -= PAGE_SIZE;
	while (end < MIN(high, ft->vma->end) && worth_copying(pte_at(ft, end), anon))
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
			pte_t old = pte_at(ft, start + done * PAGE_SIZE);

			frame_copy(pfn + i, PTE_PFN(old));
			ptes[done] = PTE_MAKE(pfn + i, PTE_PRESENT | PTE_ANON | PTE_OWNED);
			ptes[done] |= pte_prot(ptes[done], ft->vma->flags);
		}
		near = pfn + n;
	}
	mm_pt_replace(ft->mm, start, done, ptes);
	return done;
}

/* A write to a private page that has a PTE. */
static enum step fault_private_write(struct fault *ft, pte_t pte)
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

/* --- files --- */

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
	unsigned nr = ft->vma->flags & VM_EXEC ? AROUND_EXEC : AROUND_MIN;
	uaddr_t low = MAX(ft->vma->start, ft->page & ~(PT_LEAF_SIZE - 1));
	uaddr_t high = MIN(ft->vma->end, pt_leaf_end(ft->page));
	unsigned run;

	mutex_lock(&ft->mm->pt_lock);
	run = present_run(ft, false, PTE_PRESENT, PT_SLOTS);
	mutex_unlock(&ft->mm->pt_lock);
	ar->start = run > nr ? ft->page : ALIGN_DOWN(ft->page, nr * PAGE_SIZE);
	ar->start = MAX(ar->start, low);
	high = MIN(high, run > nr ? ar->start + run * PAGE_SIZE : ALIGN_DOWN(ft->page, nr * PAGE_SIZE) + nr * PAGE_SIZE);
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

/* No PTE, or one that a shared mapping may not write yet.  mm->lock held, no pt_lock on entry; held when it returns. */
static enum step fault_file(struct fault *ft)
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
		step = fault_private_write(ft, pte_at(ft, ft->page));
	return step;
}

/* --- one attempt --- */

/* The access is allowed by the PTE: only the host's mapping can be missing. */
static enum step fault_map(struct fault *ft)
{
	bool guest = ft->flags & FAULT_GUEST;
	uaddr_t low, high;

	/* Pages that the sentry writes are read by the guest next, so mapping them now saves a fault. */
	if (!guest && ft->want != PTE_WRITE)
		return STEP_DONE;
	if (!(pte_at(ft, ft->page) & PTE_MAPPED)) {
		mm_pt_map(ft->mm, ft->page);
		low = MAX(ft->vma->start, ft->page - MIN(ft->page, MAP_AHEAD_PAGES * PAGE_SIZE));
		high = MIN(ft->vma->end, ft->page + MAP_AHEAD_PAGES * PAGE_SIZE);
		mm_pt_map_range(ft->mm, low, high, MAP_AHEAD_CALLS);
	}
	/* One too many, and the host has dropped all. */
	if (!(pte_at(ft, ft->page) & PTE_MAPPED))
		mm_pt_map(ft->mm, ft->page);
	if (guest && ft->mm->as && !(pte_at(ft, ft->page) & PTE_MAPPED))
		return fault_signal(ft, 0, 0, "the host refused the mapping");
	return STEP_DONE;
}

/* The guest's bytes at @addr that are present, without a fault. */
static size_t peek(const struct fault *ft, uaddr_t addr, uint8_t *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		pte_t pte = pte_at(ft, addr + done);
		size_t n = MIN(len - done, PAGE_SIZE - PAGE_OFFSET(addr + done));

		if (!(pte & PTE_EXEC))
			break;
		memcpy(buf + done, (char *)frame_ptr(PTE_PFN(pte)) + PAGE_OFFSET(addr + done), n);
		done += n;
	}
	return done;
}

/*
 * Whether an access that the platform took for a read is a write, where that makes a difference: read faults here bring in a
 * page that can't be written, and a write would fault again.
 */
static bool is_hidden_write(const struct fault *ft, pte_t pte)
{
	uint8_t insn[INSN_MAX_LEN];
	int access;
	size_t len;

	if (ft->want != PTE_READ || ft->f->present || !ft->f->regs || !(ft->vma->flags & VM_WRITE) || (pte & PTE_WRITE))
		return false;
	if (!pte && !vma_backing(ft->vma))
		return false;
	len = peek(ft, ft->f->ip, insn, sizeof(insn));
	access = len ? platform_decode_access(insn, len, ft->f->regs, ft->f->addr) : 0;
	return access > 0 && (access & PLATFORM_WRITE);
}

static enum step fault_page(struct fault *ft)
{
	pte_t pte = pte_at(ft, ft->page);

	if (is_hidden_write(ft, pte)) {
		ft->want = PTE_WRITE;
		ft->f->access = ACCESS_WRITE;
	}
	if (pte_allows(pte, ft->want, ft->flags)) {
		ft->f->what = pte & PTE_MAPPED ? "spurious" : "map";
		/* The host had no mapping although we know one: another thread was faster, or the platform lost it. */
		if ((pte & PTE_MAPPED) && (ft->flags & FAULT_GUEST) && !ft->f->present)
			mm_pt_remap(ft->mm, ft->page);
		return STEP_DONE;
	}
	if (!pte && !vma_backing(ft->vma))
		return fault_anon(ft);
	if (pte && !(ft->vma->flags & VM_SHARED))
		return fault_private_write(ft, pte);
	mutex_unlock(&ft->mm->pt_lock);
	return fault_file(ft);
}

static enum step fault_try(struct fault *ft)
{
	enum step step;

	ft->vma = vma_find_from(&ft->mm->vmas, ft->page);
	if (!ft->vma)
		return fault_signal(ft, LINUX_SIGSEGV, LINUX_SEGV_MAPERR, "no mapping");
	if (ft->vma->start > ft->page) {
		if (!(ft->vma->flags & VM_GROWSDOWN))
			return fault_signal(ft, LINUX_SIGSEGV, LINUX_SEGV_MAPERR, "no mapping");
		return STEP_GROW;
	}
	if (!fault_allowed(ft))
		return fault_signal(ft, LINUX_SIGSEGV, LINUX_SEGV_ACCERR, "access");
	mutex_lock(&ft->mm->pt_lock);
	step = fault_page(ft);
	if (step == STEP_DONE)
		step = fault_map(ft);
	mutex_unlock(&ft->mm->pt_lock);
	return step;
}

int mm_handle_fault(struct mm *mm, struct mm_fault *f, unsigned flags)
{
	struct fault ft = { .mm = mm, .f = f, .page = PAGE_DOWN(f->addr), .flags = flags };
	enum step step;

	ft.want = f->access == ACCESS_WRITE ? PTE_WRITE : f->access == ACCESS_EXEC ? PTE_EXEC : PTE_READ;
	f->signo = f->si_code = 0;
	for (;;) {
		rwlock_read(&mm->lock);
		step = fault_try(&ft);
		rwlock_unlock(&mm->lock);
		switch (step) {
		case STEP_DONE:
			return 0;
		case STEP_SIGNAL:
			return -LINUX_EFAULT;
		case STEP_RETRY:
			break;
		case STEP_GROW:
			if (mm_expand_stack(mm, ft.page) == 0)
				break;
			fault_signal(&ft, LINUX_SIGSEGV, LINUX_SEGV_MAPERR, "stack limit");
			return -LINUX_EFAULT;
		case STEP_NO_MEMORY:
			if (frame_make_room(1))
				break;
			f->signo = 0;
			f->what = "out of memory";
			return -LINUX_EFAULT;
		}
	}
}

/* --- entry points --- */

/* The calling thread's last guest fault that found nothing to do. */
static _Thread_local struct {
	struct mm *mm;
	uaddr_t addr, ip;
	enum platform_access access;
	unsigned count;
} idle_fault;

/* Counts a fault that found everything in order.  True when the same one came so often that it must be a loop. */
static bool no_progress(struct mm *mm, const struct mm_fault *f)
{
	if (idle_fault.mm != mm || idle_fault.addr != f->addr || idle_fault.ip != f->ip || idle_fault.access != f->access) {
		idle_fault.mm = mm;
		idle_fault.addr = f->addr;
		idle_fault.ip = f->ip;
		idle_fault.access = f->access;
		idle_fault.count = 0;
	}
	return ++idle_fault.count >= NO_PROGRESS_LIMIT;
}

/*
 * A platform that does not know whether an access reads or writes says "read".  When the page was mapped and readable, it
 * was something else: a write, or the fetch of an instruction.
 */
static void guess_access(struct mm *mm, struct mm_fault *f)
{
	pte_t pte;

	if (f->access != ACCESS_READ || !f->present)
		return;
	mutex_lock(&mm->pt_lock);
	pte = page_table_get(mm->pt, f->addr);
	mutex_unlock(&mm->pt_lock);
	if (!(pte & PTE_MAPPED) || !(pte & PTE_READ))
		return;
	if (!(pte & PTE_EXEC) && f->addr - f->ip < 16)
		f->access = ACCESS_EXEC;
	else if (!(pte & PTE_WRITE))
		f->access = ACCESS_WRITE;
}

int mm_fault(struct mm *mm, struct mm_fault *f)
{
	int err;

	f->what = "";
	if (!f->ip)
		return mm_handle_fault(mm, f, 0);
	guess_access(mm, f);
	err = mm_handle_fault(mm, f, FAULT_GUEST);
	if (err || strcmp(f->what, "spurious") != 0) {
		idle_fault.count = 0;
		return err;
	}
	if (!no_progress(mm, f))
		return 0;
	log_warn("a fault at %#lx by the instruction at %#lx makes no progress: the page is there", (unsigned long)f->addr,
		 (unsigned long)f->ip);
	idle_fault.count = 0;
	f->signo = LINUX_SIGSEGV;
	f->si_code = LINUX_SEGV_ACCERR;
	f->what = "no progress";
	return -LINUX_EFAULT;
}

void mm_prefault(struct mm *mm, uaddr_t addr, unsigned vm_flags)
{
	struct mm_fault f = { .addr = addr, .access = ACCESS_READ };

	/* The data of a program is relocated: write right away. */
	if ((vm_flags & (VM_IMAGE | VM_WRITE)) == (VM_IMAGE | VM_WRITE))
		f.access = ACCESS_WRITE;
	mm_handle_fault(mm, &f, FAULT_GUEST | FAULT_CACHED);
}

int mm_populate(struct mm *mm, uaddr_t start, uaddr_t end, bool write)
{
	int ret = 0, err;

	for (uaddr_t addr = start; addr < end; addr += PAGE_SIZE) {
		struct mm_fault f = { .addr = addr, .access = write ? ACCESS_WRITE : ACCESS_READ };

		err = mm_handle_fault(mm, &f, FAULT_GUEST);
		if (err && !f.signo)
			return -LINUX_ENOMEM;
		if (err && !ret)
			ret = err;
	}
	return ret;
}

int mm_populate_range(struct mm *mm, uaddr_t start, uaddr_t end)
{
	int ret = 0, err;

	while (start < end) {
		const struct vma *v;
		uaddr_t to;
		bool write;

		rwlock_read(&mm->lock);
		v = vma_find_intersection(&mm->vmas, start, end);
		if (v) {
			start = MAX(start, v->start);
			to = MIN(end, v->end);
			write = (v->flags & (VM_WRITE | VM_SHARED)) == VM_WRITE;
		}
		rwlock_unlock(&mm->lock);
		if (!v)
			break;
		err = mm_populate(mm, start, to, write);
		if (err && !ret)
			ret = err;
		start = to;
	}
	return ret;
}
