/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Address spaces against a model of pages: random mmap, munmap, mprotect, mremap, madvise, mlock, fork, exit, truncation,
 * write-back and reclaim on a few processes and two files.  The model knows for each page of a window what is mapped there, with
 * which access, and which word it holds.  After each step every page that is present is compared without touching it, and the
 * invariants of PTEs, host mappings and references are checked.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "sentry/abi/signal.h"
#include "sentry/mm/uaccess.h"
#include "tests/unit/fake_file.h"
#include "tests/unit/fake_platform.h"

TestSuite(mm_model, .timeout = 800);

#define NR_PAGES 80
#define BASE (0x200000000UL + PT_LEAF_SIZE - 40 * PAGE_SIZE) /* the window crosses from one leaf to the next */
#define AT(page) (BASE + (uaddr_t)(page) * PAGE_SIZE)
#define MAX_GUESTS 4
#define NR_FILES 2
#define MEMORY (16UL << 20)
#define MAX_PFN (1U << 16)

struct mpage {
	bool mapped, shared, maywrite, own, dontfork, wipe, locked, onfault;
	unsigned prot;
	int file; /* -1: anonymous */
	unsigned pgoff;
	uint64_t val; /* of an own page */
};

struct guest {
	struct mm *mm;
	struct mpage page[NR_PAGES];
};

static struct guest guests[MAX_GUESTS];
static unsigned nr_guests;
static struct fake_file *files[NR_FILES];
static uint64_t file_val[NR_FILES][FAKE_FILE_PAGES];
static uint64_t next_val;

static unsigned rnd(unsigned n)
{
	return (unsigned)rand() % n;
}

/* --- the model --- */

static void model_unmap(struct guest *g, unsigned first, unsigned nr)
{
	memset(&g->page[first], 0, nr * sizeof(struct mpage));
}

static bool past_end(const struct mpage *p)
{
	return !p->own && p->pgoff >= files[p->file]->size;
}

static uint64_t model_value(const struct mpage *p)
{
	return p->own ? p->val : file_val[p->file][p->pgoff];
}

/* The signal an access ends in, 0 for none; *ret_code its code. */
static int model_signal(const struct mpage *p, unsigned want, int *ret_code)
{
	*ret_code = LINUX_SEGV_MAPERR;
	if (!p->mapped)
		return LINUX_SIGSEGV;
	*ret_code = LINUX_SEGV_ACCERR;
	if (!p->prot || (want != VM_READ && !(p->prot & want)))
		return LINUX_SIGSEGV;
	*ret_code = LINUX_BUS_ADRERR;
	return past_end(p) ? LINUX_SIGBUS : 0;
}

static void model_write(struct mpage *p, uint64_t val)
{
	if (p->shared) {
		file_val[p->file][p->pgoff] = val;
	} else {
		p->own = true;
		p->val = val;
	}
}

/* MAP_POPULATE and mlock write to private memory that may be written: their own copies from then on. */
static void model_populate(struct guest *g, unsigned first, unsigned nr)
{
	for (unsigned i = first; i < first + nr; i++) {
		struct mpage *p = &g->page[i];

		if (p->mapped && !p->own && !p->shared && (p->prot & VM_WRITE) && !past_end(p))
			model_write(p, model_value(p));
	}
}

/* A page that just appeared at the end of the mapping whose last page is @last. */
static struct mpage model_next_page(const struct mpage *last)
{
	struct mpage p = *last;

	p.pgoff++;
	p.val = 0;
	p.own = p.file < 0;
	return p;
}

/* --- comparison --- */

static void check_page(struct guest *g, unsigned i)
{
	pte_t pte = page_table_get(g->mm->pt, AT(i));
	struct mpage *p = &g->page[i];

	if (!pte)
		return;
	cr_assert(p->mapped, "page %u is present and not mapped", i);
	cr_assert_eq(*(uint64_t *)frame_ptr(PTE_PFN(pte)), model_value(p), "page %u holds %lu, not %lu", i,
		     (unsigned long)*(uint64_t *)frame_ptr(PTE_PFN(pte)), (unsigned long)model_value(p));
	/* Copied along with a neighbour that was written. */
	if (p->file >= 0 && !p->shared && !p->own && (pte & PTE_ANON))
		model_write(p, model_value(p));
	if (p->file >= 0)
		cr_assert_eq(!!(pte & PTE_ANON), p->own);
	if (p->shared && (pte & PTE_OWNED))
		cr_assert(files[p->file]->dirty[p->pgoff], "a clean page may be written");
}

static void check_vma(const struct guest *g, unsigned i)
{
	const struct vma *v = vma_find(&g->mm->vmas, AT(i));
	const struct mpage *p = &g->page[i];

	cr_assert_eq(v != NULL, p->mapped, "page %u", i);
	if (!v)
		return;
	cr_assert_eq(v->flags & VM_ACCESS_FLAGS, p->prot);
	cr_assert_eq(!!(v->flags & VM_SHARED), p->shared);
	cr_assert_eq(!!(v->flags & VM_LOCKED), p->locked);
	cr_assert_eq(v->file, p->file >= 0 ? &files[p->file]->vm : NULL);
	if (v->file)
		cr_assert_eq(vma_pgoff(v, AT(i)), p->pgoff);
}

static void check_all(void)
{
	static int refs[MAX_PFN];
	uint64_t used = 0;
	struct frame_stats st;

	memset(refs, 0, sizeof(refs));
	for (unsigned n = 0; n < nr_guests; n++) {
		fake_check(guests[n].mm, refs, MAX_PFN);
		for (unsigned i = 0; i < NR_PAGES; i++) {
			check_vma(&guests[n], i);
			check_page(&guests[n], i);
		}
	}
	for (unsigned n = 0; n < NR_FILES; n++)
		for (unsigned i = 0; i < FAKE_FILE_PAGES; i++)
			if (files[n]->pfn[i] != PFN_NONE)
				refs[files[n]->pfn[i]]++;
	for (unsigned i = 0; i < MAX_PFN; i++) {
		if (!refs[i])
			continue;
		cr_assert_eq(frame_refs(i), refs[i]);
		used++;
	}
	frame_get_stats(&st);
	cr_assert_eq(st.used, used, "frames are held by nobody");
}

/* --- steps --- */

static void do_access(struct guest *g)
{
	static const enum platform_access kinds[] = { ACCESS_READ, ACCESS_WRITE, ACCESS_EXEC };
	static const unsigned wants[] = { VM_READ, VM_WRITE, VM_EXEC };
	unsigned i = rnd(NR_PAGES), k = rnd(5) % 3, n = rnd(3) ? 1 : 1 + rnd(20);

	/* Now and then a walk, up or down, so that windows grow. */
	for (int step = rnd(2) ? 1 : -1; n-- && i < NR_PAGES; i += step) {
		struct mpage *p = &g->page[i];
		uint64_t val = ++next_val;
		struct mm_fault f;
		int code, sig = model_signal(p, wants[k], &code);

		if (fake_guest_access(g->mm, AT(i), kinds[k], &val, &f)) {
			/* Who takes every access for a read first meets the end of the file first. */
			if (!fake_options.knows_access && f.signo == LINUX_SIGBUS && p->mapped && p->prot && past_end(p))
				continue;
			cr_assert_eq(f.signo, sig, "page %u: signal %d, not %d", i, f.signo, sig);
			cr_assert_eq(f.si_code, code);
			continue;
		}
		cr_assert_eq(sig, 0, "page %u: an access went through that is signal %d", i, sig);
		if (kinds[k] == ACCESS_WRITE)
			model_write(p, val);
		else
			cr_assert_eq(val, model_value(p));
	}
}

static void do_sentry_copy(struct guest *g)
{
	unsigned i = rnd(NR_PAGES);
	struct mpage *p = &g->page[i];
	bool write = rnd(2), force = rnd(4) == 0;
	uint64_t val = ++next_val;
	int code, sig = model_signal(p, write ? VM_WRITE : VM_READ, &code);
	size_t n;

	if (force && p->mapped) {
		/* As a debugger: any page, but shared ones only as their access allows writing. */
		bool denied = write && p->shared && !(p->prot & VM_WRITE);

		sig = denied ? LINUX_SIGSEGV : past_end(p) ? LINUX_SIGBUS : 0;
	}
	n = write ? mm_copy_to(g->mm, AT(i), &val, 8, force) : mm_copy_from(g->mm, &val, AT(i), 8, force);
	cr_assert_eq(n == 8, sig == 0, "page %u", i);
	if (sig)
		return;
	if (write)
		model_write(p, val);
	else
		cr_assert_eq(val, model_value(p));
}

static void choose_range(unsigned *first, unsigned *nr)
{
	*first = rnd(NR_PAGES);
	*nr = 1 + rnd(rnd(3) ? 8 : NR_PAGES);
	*nr = MIN(*nr, NR_PAGES - *first);
}

static const unsigned prots[] = { 0, 1, 3, 3, 3, 5, 7, 2, 4, 1 };

static void do_mmap(struct guest *g)
{
	unsigned first, nr, prot = prots[rnd(ARRAY_SIZE(prots))];
	struct mpage p = { .mapped = true, .prot = prot, .file = -1, .maywrite = true, .own = true };
	struct mmap_args a = { .prot = prot, .flags = LINUX_MAP_PRIVATE };
	int64_t ret;

	choose_range(&first, &nr);
	if (rnd(2)) {
		p.file = rnd(NR_FILES);
		p.pgoff = rnd(FAKE_FILE_PAGES - 1);
		nr = MIN(nr, FAKE_FILE_PAGES - p.pgoff);
		p.shared = rnd(2);
		p.maywrite = !p.shared || rnd(3) || (prot & VM_WRITE);
		p.own = false;
		a.file = &files[p.file]->vm;
		a.off = (uint64_t)p.pgoff << PAGE_SHIFT;
		a.may_write = p.maywrite;
		a.flags = p.shared ? LINUX_MAP_SHARED : LINUX_MAP_PRIVATE;
	}
	a.addr = AT(first);
	a.len = nr * PAGE_SIZE;
	a.flags |= rnd(3) ? LINUX_MAP_FIXED : 0;
	a.flags |= rnd(6) ? 0 : LINUX_MAP_POPULATE;
	ret = mm_mmap(g->mm, &a);
	cr_assert_gt(ret, 0, "%ld", (long)ret);
	if (a.flags & LINUX_MAP_FIXED)
		cr_assert_eq(ret, (int64_t)a.addr);
	if (ret < (int64_t)BASE || ret + a.len > AT(NR_PAGES)) {
		cr_assert_eq(mm_munmap(g->mm, ret, a.len), 0);
		return;
	}
	first = (ret - BASE) >> PAGE_SHIFT;
	for (unsigned i = 0; i < nr; i++, p.pgoff++) {
		cr_assert((a.flags & LINUX_MAP_FIXED) || !g->page[first + i].mapped, "the search found what is in use");
		g->page[first + i] = p;
	}
	if (a.flags & LINUX_MAP_POPULATE)
		model_populate(g, first, nr);
}

static void do_munmap(struct guest *g)
{
	unsigned first, nr;

	choose_range(&first, &nr);
	cr_assert_eq(mm_munmap(g->mm, AT(first), nr * PAGE_SIZE), 0);
	model_unmap(g, first, nr);
}

static void do_mprotect(struct guest *g)
{
	unsigned first, nr, prot = prots[rnd(ARRAY_SIZE(prots))];
	int want = 0;

	choose_range(&first, &nr);
	for (unsigned i = first; i < first + nr && !want; i++) {
		if (!g->page[i].mapped)
			want = -LINUX_ENOMEM;
		else if ((prot & VM_WRITE) && !g->page[i].maywrite)
			want = -LINUX_EACCES;
		else
			g->page[i].prot = prot;
	}
	cr_assert_eq(mm_mprotect(g->mm, AT(first), nr * PAGE_SIZE, prot), want);
}

static int advise_page(struct mpage *p, int advice)
{
	switch (advice) {
	case LINUX_MADV_DONTNEED:
		if (p->locked)
			return -LINUX_EINVAL;
		p->own = p->file < 0;
		p->val = 0;
		return 0;
	case LINUX_MADV_WIPEONFORK:
		if (p->file >= 0)
			return -LINUX_EINVAL;
		p->wipe = true;
		return 0;
	case LINUX_MADV_KEEPONFORK:
		p->wipe = false;
		return 0;
	default:
		p->dontfork = advice == LINUX_MADV_DONTFORK;
		return 0;
	}
}

static void do_madvise(struct guest *g)
{
	static const int advices[] = { LINUX_MADV_DONTNEED, LINUX_MADV_DONTNEED, LINUX_MADV_DONTFORK, LINUX_MADV_DOFORK,
				       LINUX_MADV_WIPEONFORK, LINUX_MADV_KEEPONFORK };
	int advice = advices[rnd(ARRAY_SIZE(advices))], want = 0, err = 0;
	unsigned first, nr;

	choose_range(&first, &nr);
	for (unsigned i = first; i < first + nr && !err; i++) {
		if (!g->page[i].mapped)
			want = -LINUX_ENOMEM;
		else
			err = advise_page(&g->page[i], advice);
	}
	cr_assert_eq(mm_madvise(g->mm, AT(first), nr * PAGE_SIZE, advice), err ? err : want);
}

static void do_mlock(struct guest *g)
{
	unsigned first, nr, i;
	bool lock = rnd(2), onfault = rnd(2);
	int ret;

	choose_range(&first, &nr);
	ret = lock ? mm_mlock(g->mm, AT(first), nr * PAGE_SIZE, onfault) : mm_munlock(g->mm, AT(first), nr * PAGE_SIZE);
	for (i = first; i < first + nr && g->page[i].mapped; i++) {
		g->page[i].locked = lock;
		g->page[i].onfault = onfault;
	}
	if (i < first + nr)
		cr_assert_eq(ret, -LINUX_ENOMEM);
	else if (lock && !onfault)
		model_populate(g, first, nr);
}

/* mremap(2) succeeded: what was [@from, @nr_old) is at @to now, @nr_new long. */
static void model_remap(struct guest *g, unsigned from, unsigned nr_old, int64_t to, unsigned nr_new, bool keep)
{
	struct mpage moved[NR_PAGES];

	for (unsigned i = 0; i < nr_new; i++)
		moved[i] = i < nr_old ? g->page[from + i] : model_next_page(&moved[i - 1]);
	if (keep)
		for (unsigned i = 0; i < nr_old; i++) {
			g->page[from + i].own = g->page[from + i].file < 0;
			g->page[from + i].val = 0;
		}
	else
		model_unmap(g, from, nr_old);
	if (to >= 0)
		memcpy(&g->page[to], moved, nr_new * sizeof(moved[0]));
}

static void do_mremap(struct guest *g)
{
	unsigned from, nr_old, nr_new = 1 + rnd(12), to = rnd(NR_PAGES), flags = LINUX_MREMAP_MAYMOVE;
	const struct vma *v;
	bool unlock[NR_PAGES] = { false }, populate;
	uaddr_t vma_start, vma_end;
	int64_t ret;

	choose_range(&from, &nr_old);
	v = vma_find(&g->mm->vmas, AT(from));
	if (!v || v->end < AT(from + nr_old))
		return;
	vma_start = v->start;
	vma_end = v->end;
	switch (rnd(4)) {
	case 0:
		flags = 0;
		break;
	case 1:
		flags |= LINUX_MREMAP_FIXED;
		break;
	case 2:
		flags |= LINUX_MREMAP_DONTUNMAP | (rnd(2) ? LINUX_MREMAP_FIXED : 0);
		nr_new = nr_old;
	}
	if (to + nr_new > NR_PAGES || (v->file && vma_pgoff(v, AT(from)) + nr_new > FAKE_FILE_PAGES))
		return;
	ret = mm_mremap(g->mm, AT(from), nr_old * PAGE_SIZE, nr_new * PAGE_SIZE, flags, AT(to));
	if (ret < 0) {
		bool overlap = from < to + nr_new && to < from + nr_old;

		cr_assert(ret == -LINUX_ENOMEM ? !(flags & LINUX_MREMAP_MAYMOVE) : ret == -LINUX_EINVAL && overlap);
		return;
	}
	if (flags & LINUX_MREMAP_FIXED)
		cr_assert_eq(ret, (int64_t)AT(to));
	if ((flags & LINUX_MREMAP_FIXED) && to > from)
		vma_end = MIN(vma_end, AT(to));
	else if (flags & LINUX_MREMAP_FIXED)
		vma_start = MAX(vma_start, AT(to + nr_new));
	populate = g->page[from].locked && !g->page[from].onfault;
	/* DONTUNMAP unlocks the old vma, all of it; what moves keeps its lock. */
	for (unsigned i = 0; (flags & LINUX_MREMAP_DONTUNMAP) && i < NR_PAGES; i++)
		unlock[i] = AT(i) >= vma_start && AT(i) < vma_end;
	if (ret < (int64_t)BASE || ret + nr_new * PAGE_SIZE > AT(NR_PAGES)) {
		cr_assert_eq(mm_munmap(g->mm, ret, nr_new * PAGE_SIZE), 0);
		model_remap(g, from, nr_old, -1, nr_new, flags & LINUX_MREMAP_DONTUNMAP);
	} else {
		model_remap(g, from, nr_old, (ret - BASE) >> PAGE_SHIFT, nr_new, flags & LINUX_MREMAP_DONTUNMAP);
		for (unsigned i = (ret - BASE) >> PAGE_SHIFT, n = nr_new; n--; i++)
			unlock[i] = false;
		if (populate && nr_new > nr_old)
			model_populate(g, ((ret - BASE) >> PAGE_SHIFT) + nr_old, nr_new - nr_old);
	}
	for (unsigned i = 0; i < NR_PAGES; i++)
		if (unlock[i])
			g->page[i].locked = false;
}

static void do_fork(struct guest *g)
{
	struct guest *c = &guests[nr_guests];

	if (nr_guests == MAX_GUESTS)
		return;
	c->mm = mm_fork(g->mm);
	cr_assert_not(IS_ERR(c->mm));
	memcpy(c->page, g->page, sizeof(c->page));
	for (unsigned i = 0; i < NR_PAGES; i++) {
		c->page[i].locked = false;
		if (c->page[i].dontfork)
			model_unmap(c, i, 1);
		else if (c->page[i].wipe)
			c->page[i].val = 0;
	}
	nr_guests++;
}

static void do_exit(struct guest *g)
{
	if (nr_guests == 1)
		return;
	mm_put(g->mm);
	*g = guests[--nr_guests];
}

static void do_truncate(void)
{
	unsigned n = rnd(NR_FILES), size = rnd(FAKE_FILE_PAGES + 1);

	fake_file_truncate(files[n], size);
	for (unsigned i = size; i < FAKE_FILE_PAGES; i++)
		file_val[n][i] = 0;
	for (unsigned k = 0; k < nr_guests; k++)
		for (unsigned i = 0; i < NR_PAGES; i++) {
			struct mpage *p = &guests[k].page[i];

			if (p->file == (int)n && p->mapped && p->pgoff >= size)
				p->own = false;
		}
}

static void do_step(void)
{
	struct guest *g = &guests[rnd(nr_guests)];
	unsigned op = rnd(100);

	if (op < 40)
		do_access(g);
	else if (op < 50)
		do_sentry_copy(g);
	else if (op < 62)
		do_mmap(g);
	else if (op < 67)
		do_munmap(g);
	else if (op < 74)
		do_mprotect(g);
	else if (op < 80)
		do_mremap(g);
	else if (op < 85)
		do_madvise(g);
	else if (op < 88)
		do_mlock(g);
	else if (op < 91)
		do_fork(g);
	else if (op < 93)
		do_exit(g);
	else if (op < 95)
		do_truncate();
	else if (op < 97)
		fake_file_writeback(files[rnd(NR_FILES)]);
	else
		fake_file_evict(files[rnd(NR_FILES)], rnd(FAKE_FILE_PAGES));
}

static void run(unsigned seed, unsigned steps)
{
	struct frame_stats st;

	srand(seed);
	memset(guests, 0, sizeof(guests));
	nr_guests = 1;
	guests[0].mm = mm_new();
	/* The search for free space begins inside the window. */
	guests[0].mm->mmap_base = AT(NR_PAGES);
	for (unsigned n = 0; n < NR_FILES; n++) {
		files[n] = fake_file_new(FAKE_FILE_PAGES / 2 + n * 10);
		memcpy(file_val[n], files[n]->store, sizeof(file_val[n]));
	}
	for (unsigned i = 0; i < steps; i++) {
		do_step();
		check_all();
	}
	while (nr_guests)
		mm_put(guests[--nr_guests].mm);
	for (unsigned n = 0; n < NR_FILES; n++)
		fake_file_free(files[n]);
	frame_get_stats(&st);
	cr_assert_eq(st.used, 0);
	frame_check();
}

static void run_seeds(unsigned from, unsigned nr)
{
	cr_assert_eq(frames_init(MEMORY), 0);
	fake_platform_init();
	for (unsigned seed = from; seed < from + nr; seed++) {
		/* fork shares everything, copies some areas, copies nearly all. */
		fork_copy_max = seed % 3 * 8;
		run(seed, 600);
	}
}

Test(mm_model, platform_that_knows_the_access)
{
	fake_options.knows_access = true;
	run_seeds(1, 40);
}

Test(mm_model, platform_that_does_not)
{
	run_seeds(1000, 40);
}

Test(mm_model, host_that_refuses_many_mappings)
{
	fake_options.max_pages = 12;
	run_seeds(2000, 40);
}
