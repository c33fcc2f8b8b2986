/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The laws of guest memory, one test each, and what the rest of the sentry builds on.  The platform is fake_platform.c.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "sentry/abi/signal.h"
#include "sentry/mm/uaccess.h"
#include "tests/unit/fake_file.h"
#include "tests/unit/fake_platform.h"

#define MIB (1UL << 20)
#define RW (LINUX_PROT_READ | LINUX_PROT_WRITE)
#define RX (LINUX_PROT_READ | LINUX_PROT_EXEC)
#define ANON (LINUX_MAP_PRIVATE | LINUX_MAP_ANONYMOUS)
#define FIXED (ANON | LINUX_MAP_FIXED)
#define SOMEWHERE 0x100000000UL

static struct mm *mm;
static struct fake_file *file;

static void setup(void)
{
	cr_assert_eq(frames_init(64 * MIB), 0);
	fake_platform_init();
	mm = current_mm = mm_new();
	file = fake_file_new(20);
}

static void teardown(void)
{
	struct frame_stats st;

	fake_check(mm, NULL, 0);
	mm_put(mm);
	fake_file_free(file);
	frame_get_stats(&st);
	cr_assert_eq(st.used, 0);
	frame_check();
	frames_fini();
}

TestSuite(mm, .init = setup, .fini = teardown, .timeout = 400);

static int64_t map(uaddr_t addr, unsigned pages, unsigned prot, unsigned flags)
{
	struct mmap_args a = { .addr = addr, .len = pages * PAGE_SIZE, .prot = prot, .flags = flags };

	return mm_mmap(mm, &a);
}

static int64_t map_file(uaddr_t addr, unsigned pgoff, unsigned pages, unsigned prot, unsigned flags)
{
	struct mmap_args a = { .addr = addr, .len = pages * PAGE_SIZE, .prot = prot, .flags = flags };

	a.file = &file->vm;
	a.off = pgoff * PAGE_SIZE;
	a.may_write = true;
	return mm_mmap(mm, &a);
}

/* The signal of one access, 0 for none; reads leave the word in `word`. */
static uint64_t word;
static struct mm_fault fault;

static int touch_in(struct mm *m, uaddr_t addr, enum platform_access access)
{
	return fake_guest_access(m, addr, access, &word, &fault) ? fault.signo : 0;
}

static int rd(uaddr_t addr)
{
	return touch_in(mm, addr, ACCESS_READ);
}

static int wr(uaddr_t addr, uint64_t val)
{
	word = val;
	return touch_in(mm, addr, ACCESS_WRITE);
}

static int ex(uaddr_t addr)
{
	return touch_in(mm, addr, ACCESS_EXEC);
}

static uint64_t get(uaddr_t addr)
{
	cr_assert_eq(rd(addr), 0, "%#lx can't be read", (unsigned long)addr);
	return word;
}

/* --- brk --- */

Test(mm, brk_and_mmap_never_overlap)
{
	uaddr_t heap = 0x5000000;

	cr_assert_eq(map(0x4000000, 100, RX, FIXED), 0x4000000);
	cr_assert_eq(mm_set_brk_start(mm, heap), 0);
	/* A loader that maps late, and more than fits above the heap: the search goes below it rather than into it. */
	mm->mmap_base = mm->brk_limit + 64 * PAGE_SIZE;
	for (int i = 0; i < 300; i++) {
		int64_t p = map(0, 1 + i % 5, RW, ANON);

		cr_assert_gt(p, 0);
		cr_assert(p >= (int64_t)mm->brk_limit || p + (1 + i % 5) * PAGE_SIZE <= heap, "mmap at %#lx, in the heap's range",
			  (unsigned long)p);
	}
	cr_assert_eq(mm_brk(mm, heap + 32 * MIB), heap + 32 * MIB);
	/* What is mapped in the way stops the break, exactly one page before it. */
	cr_assert_eq(map(heap + 40 * MIB, 1, RW, FIXED), (int64_t)(heap + 40 * MIB));
	cr_assert_eq(mm_brk(mm, heap + 41 * MIB), heap + 32 * MIB);
	cr_assert_eq(mm_brk(mm, heap + 40 * MIB), heap + 32 * MIB);
	cr_assert_eq(mm_brk(mm, heap + 40 * MIB - PAGE_SIZE), heap + 40 * MIB - PAGE_SIZE);
}

Test(mm, a_fixed_mapping_in_the_heap_leaves_brk_working)
{
	uaddr_t heap = 0x5000000, brk;

	/* As musl's allocator does. */
	cr_assert_eq(mm_set_brk_start(mm, heap), 0);
	brk = mm_brk(mm, heap + 2 * PAGE_SIZE);
	cr_assert_eq(map(heap, 1, LINUX_PROT_NONE, FIXED), (int64_t)heap);
	for (int i = 0; i < 10; i++) {
		cr_assert_eq(mm_brk(mm, brk + PAGE_SIZE), brk + PAGE_SIZE);
		brk += PAGE_SIZE;
		cr_assert_eq(wr(brk - 8, i), 0);
	}
	cr_assert_eq(rd(heap), LINUX_SIGSEGV);
	cr_assert_eq(mm->start_brk, heap);
	/* In the middle, too; and shrinking below it takes it along. */
	cr_assert_eq(map(heap + 4 * PAGE_SIZE, 2, LINUX_PROT_NONE, FIXED), (int64_t)(heap + 4 * PAGE_SIZE));
	cr_assert_eq(mm_brk(mm, brk + 1), brk + 1);
	cr_assert_eq(mm_brk(mm, heap + PAGE_SIZE), heap + PAGE_SIZE);
	cr_assert_eq(rd(heap + 4 * PAGE_SIZE), LINUX_SIGSEGV);
	cr_assert_eq(mm_brk(mm, heap + 6 * PAGE_SIZE), heap + 6 * PAGE_SIZE);
	cr_assert_eq(get(heap + 4 * PAGE_SIZE), 0);
}

Test(mm, brk_edges)
{
	uaddr_t heap = 0x5000123;

	cr_assert_eq(mm_set_brk_start(mm, heap), 0);
	cr_assert_eq(mm_brk(mm, 0), heap);
	cr_assert_eq(mm_brk(mm, heap - 1), heap);
	cr_assert_eq(mm_brk(mm, UINT64_MAX), heap);
	cr_assert_eq(mm_brk(mm, heap + 100), heap + 100);
	cr_assert_eq(mm_brk(mm, 0x5001001), 0x5001001);
	cr_assert_eq(wr(0x5001ff8, 1), 0);
	mm->rlim_data = 2 * PAGE_SIZE;
	cr_assert_eq(mm_brk(mm, heap + 3 * PAGE_SIZE), 0x5001001);
}

/* --- vmas end where they end --- */

Test(mm, windows_stop_at_the_end)
{
	int64_t p = map(SOMEWHERE, 1000, RW, FIXED);

	cr_assert_eq(mm_munmap(mm, p + 600 * PAGE_SIZE, 400 * PAGE_SIZE), 0);
	for (unsigned i = 0; i < 600; i++)
		cr_assert_eq(wr(p + i * PAGE_SIZE, i + 1), 0);
	cr_assert_eq(page_table_get(mm->pt, p + 600 * PAGE_SIZE), 0);
	cr_assert_eq(rd(p + 600 * PAGE_SIZE), LINUX_SIGSEGV);
	cr_assert_eq(fault.si_code, LINUX_SEGV_MAPERR);
	/* The same with a populated mapping and with a neighbour of another protection. */
	cr_assert_eq(map(p, 10, RW, FIXED | LINUX_MAP_POPULATE), p);
	cr_assert_eq(map(p + 10 * PAGE_SIZE, 10, LINUX_PROT_READ, FIXED), p + 10 * (int64_t)PAGE_SIZE);
	cr_assert_eq(page_table_get(mm->pt, p + 10 * PAGE_SIZE), 0);
	cr_assert_eq(wr(p + 10 * PAGE_SIZE, 1), LINUX_SIGSEGV);
	cr_assert_eq(fault.si_code, LINUX_SEGV_ACCERR);
}

Test(mm, a_recycled_range_has_no_stale_page)
{
	int64_t p = map(SOMEWHERE, 16, RW, FIXED);

	for (unsigned i = 0; i < 16; i++)
		cr_assert_eq(wr(p + i * PAGE_SIZE, 0x1111), 0);
	cr_assert_eq(mm_munmap(mm, p, 16 * PAGE_SIZE), 0);
	for (unsigned i = 0; i < 16; i++)
		cr_assert_not(fake_mapped(mm, p + i * PAGE_SIZE, PTE_PROT));
	cr_assert_eq(map(p, 8, RW, FIXED), p);
	for (unsigned i = 0; i < 8; i++)
		cr_assert_eq(get(p + i * PAGE_SIZE), 0);
	cr_assert_eq(rd(p + 8 * PAGE_SIZE), LINUX_SIGSEGV);
	/* A file in its place shows the file, at once. */
	cr_assert_eq(wr(p, 0x2222), 0);
	cr_assert_eq(map_file(p, 3, 2, LINUX_PROT_READ, LINUX_MAP_PRIVATE | LINUX_MAP_FIXED), p);
	cr_assert_eq(get(p), file->store[3]);
}

Test(mm, a_fixed_mapping_splits_a_large_one)
{
	int64_t p = map(SOMEWHERE, 100, RW, FIXED);

	for (unsigned i = 0; i < 100; i++)
		cr_assert_eq(wr(p + i * PAGE_SIZE, i), 0);
	cr_assert_eq(map(p + 40 * PAGE_SIZE, 20, LINUX_PROT_READ, FIXED), p + 40 * (int64_t)PAGE_SIZE);
	cr_assert_eq(mm->vmas.nr, 3);
	cr_assert_eq(get(p + 39 * PAGE_SIZE), 39);
	cr_assert_eq(get(p + 40 * PAGE_SIZE), 0);
	cr_assert_eq(get(p + 59 * PAGE_SIZE), 0);
	cr_assert_eq(get(p + 60 * PAGE_SIZE), 60);
	cr_assert_eq(wr(p + 40 * PAGE_SIZE, 1), LINUX_SIGSEGV);
}

Test(mm, a_librarys_exact_range_unmaps_and_comes_back_clean)
{
	for (int round = 0; round < 3; round++) {
		/* Text, data with a private copy, bss: as a dynamic linker maps them over one reservation. */
		int64_t p = map_file(SOMEWHERE, 0, 12, LINUX_PROT_READ, LINUX_MAP_PRIVATE);

		cr_assert_eq(p, SOMEWHERE);
		cr_assert_eq(map_file(p + 2 * PAGE_SIZE, 2, 4, RX, LINUX_MAP_PRIVATE | LINUX_MAP_FIXED), p + 2 * 4096);
		cr_assert_eq(map_file(p + 6 * PAGE_SIZE, 6, 4, RW, LINUX_MAP_PRIVATE | LINUX_MAP_FIXED), p + 6 * 4096);
		cr_assert_eq(map(p + 10 * PAGE_SIZE, 2, RW, FIXED), p + 10 * 4096);
		cr_assert_eq(clear_user(p + 9 * PAGE_SIZE + 8, PAGE_SIZE - 8), 0);
		cr_assert_eq(get(p + 9 * PAGE_SIZE), file->store[9]);
		cr_assert_eq(get(p + 6 * PAGE_SIZE), file->store[6], "data of the last round is still there");
		cr_assert_eq(get(p + 11 * PAGE_SIZE), 0);
		cr_assert_eq(wr(p + 6 * PAGE_SIZE, 77), 0);
		cr_assert_eq(wr(p + 11 * PAGE_SIZE, 77), 0);
		cr_assert_eq(mm_mprotect(mm, p + 6 * PAGE_SIZE, PAGE_SIZE, LINUX_PROT_READ), 0);
		cr_assert_eq(get(p + 6 * PAGE_SIZE), 77);
		cr_assert_eq(ex(p + 2 * PAGE_SIZE), 0);
		cr_assert_eq(mm_munmap(mm, p, 12 * PAGE_SIZE), 0);
		cr_assert_eq(mm->vmas.nr, 0);
	}
}

/* --- addresses --- */

Test(mm, hints)
{
	int64_t p = map(SOMEWHERE, 4, RW, ANON);

	cr_assert_eq(p, SOMEWHERE, "a free hint is exact");
	cr_assert_eq(map(SOMEWHERE + 0x123000 + 7, 1, RW, ANON), SOMEWHERE + 0x123000);
	cr_assert_neq(map(SOMEWHERE, 1, RW, ANON), SOMEWHERE);
	cr_assert_eq(map(SOMEWHERE + 4 * PAGE_SIZE, 1, RW, ANON), SOMEWHERE + 4 * PAGE_SIZE);
	for (uaddr_t hint = 1; hint < GUEST_MIN_ADDR; hint += 0x1001)
		cr_assert_geq(map(hint, 1, RW, ANON), (int64_t)GUEST_MIN_ADDR);
	cr_assert_eq(map(0x1000, 1, RW, FIXED), -LINUX_EPERM);
	cr_assert_eq(map(SOMEWHERE + 1, 1, RW, FIXED), -LINUX_EINVAL);
	cr_assert_eq(map(GUEST_TASK_SIZE, 1, RW, FIXED), -LINUX_ENOMEM);
	cr_assert_gt(map(GUEST_TASK_SIZE, 1, RW, ANON), 0);
	cr_assert_eq(map(SOMEWHERE, 1, RW, ANON | LINUX_MAP_FIXED_NOREPLACE), -LINUX_EEXIST);
	cr_assert_lt(map(0, 1, RW, ANON | LINUX_MAP_32BIT), 0x80000000L);
}

/* --- files --- */

Test(mm, shared_pages_are_dirty_when_written_and_only_then)
{
	int64_t p = map_file(SOMEWHERE, 0, 20, RW, LINUX_MAP_SHARED);

	for (unsigned i = 0; i < 20; i++)
		cr_assert_eq(get(p + i * PAGE_SIZE), file->store[i]);
	for (unsigned i = 0; i < 20; i++)
		cr_assert_not(file->dirty[i]);
	cr_assert_eq(wr(p + 5 * PAGE_SIZE, 55), 0);
	cr_assert(file->dirty[5]);
	cr_assert_not(file->dirty[4]);
	fake_file_writeback(file);
	cr_assert_eq(file->store[5], 55);
	cr_assert_not(file->dirty[5]);
	cr_assert_eq(get(p + 5 * PAGE_SIZE), 55);
	cr_assert_not(file->dirty[5]);
	cr_assert_eq(wr(p + 5 * PAGE_SIZE, 56), 0);
	cr_assert(file->dirty[5], "a write after write-back was not noticed");
	/* Gone with the mapping, but not from the cache. */
	cr_assert_eq(mm_munmap(mm, p, 20 * PAGE_SIZE), 0);
	cr_assert(file->dirty[5]);
	fake_file_writeback(file);
	cr_assert_eq(file->store[5], 56);
}

Test(mm, truncation_and_growth_under_a_mapping)
{
	int64_t p = map_file(SOMEWHERE, 0, 24, RW, LINUX_MAP_SHARED);
	int64_t q = map_file(SOMEWHERE + MIB, 0, 24, RW, LINUX_MAP_PRIVATE);

	cr_assert_eq(wr(p + 10 * PAGE_SIZE, 1), 0);
	cr_assert_eq(wr(q + 10 * PAGE_SIZE, 2), 0);
	cr_assert_eq(wr(q + 3 * PAGE_SIZE, 3), 0);
	cr_assert_eq(rd(p + 20 * PAGE_SIZE), LINUX_SIGBUS);
	cr_assert_eq(fault.si_code, LINUX_BUS_ADRERR);
	fake_file_truncate(file, 10);
	cr_assert_eq(rd(p + 10 * PAGE_SIZE), LINUX_SIGBUS);
	cr_assert_eq(rd(q + 10 * PAGE_SIZE), LINUX_SIGBUS, "a private copy past the end stayed");
	cr_assert_eq(get(q + 3 * PAGE_SIZE), 3);
	cr_assert_eq(get(p + 9 * PAGE_SIZE), file->store[9]);
	file->size = 22;
	cr_assert_eq(get(p + 20 * PAGE_SIZE), 0);
	cr_assert_eq(get(q + 10 * PAGE_SIZE), 0);
	/* The sentry's own copies fail where the guest's do. */
	cr_assert_eq(copy_from_user(&word, p + 22 * PAGE_SIZE, 8), -LINUX_EFAULT);
	cr_assert_eq(copy_from_user_partial(&word, p + 22 * PAGE_SIZE - 4, 8), 4);
}

static void truncate_hook(struct fake_file *f)
{
	fake_file_truncate(f, 2);
}

static void evict_hook(struct fake_file *f)
{
	fake_file_writeback(f);
	fake_file_evict(f, 5);
}

Test(mm, a_page_that_goes_while_a_fault_installs_it)
{
	int64_t p = map_file(SOMEWHERE, 0, 20, RW, LINUX_MAP_SHARED), q = map_file(SOMEWHERE + MIB, 0, 20, RW, LINUX_MAP_PRIVATE);

	/* Written back and reclaimed between the look-up and the installation: the write must dirty the page that comes next. */
	file->hook = evict_hook;
	cr_assert_eq(wr(p + 5 * PAGE_SIZE, 55), 0);
	cr_assert(file->dirty[5]);
	fake_file_writeback(file);
	cr_assert_eq(file->store[5], 55);
	file->hook = evict_hook;
	cr_assert_eq(get(q + 5 * PAGE_SIZE), 55);
	/* Truncated: no page past the end, neither there nor around. */
	file->hook = truncate_hook;
	cr_assert_eq(rd(p + 4 * PAGE_SIZE), LINUX_SIGBUS);
	for (unsigned i = 2; i < 20; i++)
		cr_assert_eq(page_table_get(mm->pt, p + i * PAGE_SIZE), 0);
	file->size = 20;
	file->hook = truncate_hook;
	cr_assert_eq(wr(q + 9 * PAGE_SIZE, 1), LINUX_SIGBUS);
}

Test(mm, the_cache_is_never_written_through_a_private_mapping)
{
	int64_t p = map_file(SOMEWHERE, 0, 20, RW, LINUX_MAP_PRIVATE);
	struct mm *child;

	cr_assert_eq(wr(p, 1), 0);			 /* not present */
	get(p + PAGE_SIZE);
	cr_assert_eq(wr(p + PAGE_SIZE, 2), 0);		 /* present, read-only */
	cr_assert_eq(clear_user(p + 2 * PAGE_SIZE, 8), 0); /* the sentry */
	cr_assert_eq(mm_mprotect(mm, p + 3 * PAGE_SIZE, PAGE_SIZE, LINUX_PROT_READ), 0);
	cr_assert_eq(mm_copy_to(mm, p + 3 * PAGE_SIZE, "debugger", 8, true), 8);
	child = mm_fork(mm);
	word = 9;
	cr_assert_eq(touch_in(child, p + 4 * PAGE_SIZE, ACCESS_WRITE), 0);
	cr_assert_eq(touch_in(child, p, ACCESS_WRITE), 0);
	mm_put(child);
	for (unsigned i = 0; i < 20; i++) {
		cr_assert_not(file->dirty[i]);
		if (file->pfn[i] != PFN_NONE)
			cr_assert_eq(*(uint64_t *)frame_ptr(file->pfn[i]), file->store[i], "page %u of the cache", i);
	}
	cr_assert_eq(get(p), 1);
	cr_assert_eq(get(p + PAGE_SIZE), 2);
	cr_assert_eq(get(p + 2 * PAGE_SIZE), 0);
}

Test(mm, exec_survives_splits_merges_and_faults)
{
	int64_t p = map_file(SOMEWHERE, 0, 16, RX, LINUX_MAP_PRIVATE);

	for (unsigned i = 0; i < 16; i++)
		cr_assert_eq(ex(p + i * PAGE_SIZE), 0);
	cr_assert_eq(mm_mprotect(mm, p + 4 * PAGE_SIZE, 4 * PAGE_SIZE, RW | LINUX_PROT_EXEC), 0);
	cr_assert_eq(wr(p + 5 * PAGE_SIZE, 1), 0);
	cr_assert_eq(ex(p + 5 * PAGE_SIZE), 0);
	cr_assert_eq(mm_mprotect(mm, p + 4 * PAGE_SIZE, 4 * PAGE_SIZE, RX), 0);
	cr_assert_eq(mm->vmas.nr, 1);
	for (unsigned i = 0; i < 16; i++)
		cr_assert_eq(ex(p + i * PAGE_SIZE), 0);
	cr_assert_eq(mm_munmap(mm, p + 8 * PAGE_SIZE, PAGE_SIZE), 0);
	cr_assert_eq(ex(p + 7 * PAGE_SIZE), 0);
	cr_assert_eq(ex(p + 9 * PAGE_SIZE), 0);
	cr_assert_eq(mm_mprotect(mm, p, PAGE_SIZE, LINUX_PROT_READ), 0);
	cr_assert_eq(ex(p), LINUX_SIGSEGV);
	cr_assert_eq(fault.si_code, LINUX_SEGV_ACCERR);
	cr_assert_eq(ex(p + PAGE_SIZE), 0);
	/* Nothing else may be executed. */
	cr_assert_gt(map(p + MIB, 1, RW, FIXED), 0);
	cr_assert_eq(wr(p + MIB, 1), 0);
	cr_assert_eq(ex(p + MIB), LINUX_SIGSEGV);
}

/* --- faults --- */

Test(mm, a_fault_without_progress_becomes_a_signal)
{
	int64_t p = map(SOMEWHERE, 1, RW, FIXED);
	struct mm_fault f = { .addr = p, .access = ACCESS_WRITE, .ip = 0x1234 };
	int rounds = 0;

	/* A platform that reports the same fault whatever is done. */
	cr_assert_eq(mm_fault(mm, &f), 0);
	while (mm_fault(mm, &f) == 0)
		cr_assert_lt(++rounds, 100000);
	cr_assert_eq(f.signo, LINUX_SIGSEGV);
	cr_assert_str_eq(f.what, "no progress");
	/* Faults that alternate are none. */
	for (int i = 0; i < 5000; i++) {
		f.addr = p + i % 2 * 8;
		cr_assert_eq(mm_fault(mm, &f), 0);
	}
}

Test(mm, fork_write_protects_and_does_not_unmap)
{
	int64_t p = map(SOMEWHERE, 64, RW, FIXED);
	struct mm *child;
	unsigned calls;

	fork_copy_max = 0;
	for (unsigned i = 0; i < 64; i++)
		cr_assert_eq(wr(p + i * PAGE_SIZE, i), 0);
	calls = container_of(mm->as, struct fake_aspace, as)->nr_calls;
	child = mm_fork(mm);
	cr_assert_eq(container_of(mm->as, struct fake_aspace, as)->nr_calls, calls + 1, "one call for one run");
	for (unsigned i = 0; i < 64; i++) {
		cr_assert(fake_mapped(mm, p + i * PAGE_SIZE, PTE_READ));
		cr_assert_not(fake_mapped(mm, p + i * PAGE_SIZE, PTE_WRITE));
	}
	cr_assert_eq(wr(p, 1000), 0);
	cr_assert_eq(touch_in(child, p, ACCESS_READ), 0);
	cr_assert_eq(word, 0);
	word = 2000;
	cr_assert_eq(touch_in(child, p + PAGE_SIZE, ACCESS_WRITE), 0);
	cr_assert_eq(get(p + PAGE_SIZE), 1);
	fake_check(child, NULL, 0);
	mm_put(child);
	/* Alone again: one fault makes all of them writable. */
	cr_assert_eq(wr(p + 20 * PAGE_SIZE, 3), 0);
	cr_assert(fake_mapped(mm, p + 60 * PAGE_SIZE, PTE_WRITE));
}

Test(mm, fork_copies_what_is_small)
{
	int64_t p = map(SOMEWHERE, 500, RW, FIXED);
	struct mm *child;
	unsigned calls;

	for (unsigned i = 0; i < 40; i++)
		cr_assert_eq(wr(p + i * 3 * PAGE_SIZE, i), 0);
	calls = container_of(mm->as, struct fake_aspace, as)->nr_calls;
	child = mm_fork(mm);
	cr_assert_eq(container_of(mm->as, struct fake_aspace, as)->nr_calls, calls, "the parent's pages were touched");
	for (unsigned i = 0; i < 40; i++) {
		cr_assert(fake_mapped(mm, p + i * 3 * PAGE_SIZE, PTE_WRITE));
		word = 1000 + i;
		cr_assert_eq(touch_in(child, p + i * 3 * PAGE_SIZE, ACCESS_WRITE), 0);
		cr_assert_eq(get(p + i * 3 * PAGE_SIZE), i);
	}
	fake_check(child, NULL, 0);
	mm_put(child);
}

Test(mm, isolated_touches_stay_isolated_and_walks_widen)
{
	int64_t p = map(SOMEWHERE, 512, RW, FIXED);
	unsigned calls;

	cr_assert_eq(wr(p, 1), 0);
	cr_assert_eq(wr(p + 2 * PAGE_SIZE, 1), 0);
	/* Given ahead or not, what nobody touched does not count. */
	cr_assert_eq(mm_rss(mm), 2);
	calls = container_of(mm->as, struct fake_aspace, as)->nr_calls;
	for (unsigned i = 3; i < 512; i++)
		cr_assert_eq(wr(p + i * PAGE_SIZE, 1), 0);
	cr_assert_lt(container_of(mm->as, struct fake_aspace, as)->nr_calls - calls, 20);
	/* And down, as a stack does. */
	p = map(SOMEWHERE + 16 * MIB, 512, RW, FIXED);
	calls = container_of(mm->as, struct fake_aspace, as)->nr_calls;
	for (int i = 511; i >= 0; i--)
		cr_assert_eq(wr(p + i * PAGE_SIZE, 1), 0);
	cr_assert_lt(container_of(mm->as, struct fake_aspace, as)->nr_calls - calls, 20);
}

Test(mm, what_was_given_ahead_gives_way_when_memory_is_short)
{
	uaddr_t p = map(SOMEWHERE, 32768, RW, FIXED | LINUX_MAP_NORESERVE);
	struct frame_stats st;

	/* 16384 frames in all.  Touches far apart are given neighbours, and in the end nearly all frames are theirs. */
	for (unsigned i = 0; i < 32768; i += 24)
		cr_assert_eq(wr(p + i * PAGE_SIZE, i + 1), 0);
	cr_assert_eq(mm_rss(mm), 1366);
	frame_get_stats(&st);
	cr_assert_gt(st.used, 3000, "%lu", st.used);
	/* All that is left can still be had, page by page. */
	for (unsigned i = 1; i < 32768; i += i % 24 == 11 ? 14 : 1)
		cr_assert_eq(wr(p + i * PAGE_SIZE, i + 1), 0, "page %u", i);
	for (unsigned i = 0; i < 32768; i += 24) {
		cr_assert_eq(rd(p + i * PAGE_SIZE), 0);
		cr_assert_eq(word, i + 1);
	}
}

Test(mm, a_child_gets_what_was_touched_ahead_of_a_fault)
{
	int64_t p = map(SOMEWHERE, 16, RW, FIXED);
	unsigned calls = container_of(mm->as, struct fake_aspace, as)->nr_calls;
	struct mm *child, *other = mm_get(mm);

	/* No fault tells the sentry of these. */
	cr_assert_eq(wr(p + 3 * PAGE_SIZE, 33), 0);
	cr_assert_eq(wr(p + 4 * PAGE_SIZE, 44), 0);
	cr_assert_eq(container_of(mm->as, struct fake_aspace, as)->nr_calls, calls);
	child = mm_fork(mm);
	cr_assert_eq(touch_in(child, p + 3 * PAGE_SIZE, ACCESS_READ), 0);
	cr_assert_eq(word, 33);
	cr_assert_eq(touch_in(child, p + 4 * PAGE_SIZE, ACCESS_WRITE), 0);
	cr_assert_eq(touch_in(child, p + 5 * PAGE_SIZE, ACCESS_READ), 0);
	cr_assert_eq(word, 0);
	fake_check(child, NULL, 0);
	mm_put(child);
	/* With other users there may be threads: what was not touched yet is protected before it is judged. */
	child = mm_fork(mm);
	cr_assert(!fake_mapped(mm, p + 6 * PAGE_SIZE, PTE_WRITE));
	cr_assert_eq(wr(p + 6 * PAGE_SIZE, 66), 0);
	cr_assert_eq(touch_in(child, p + 6 * PAGE_SIZE, ACCESS_READ), 0);
	cr_assert_eq(word, 0);
	mm_put(child);
	mm_put(other);
	cr_assert_eq(mm_rss(mm), 3);
}

Test(mm, the_stack_grows_to_its_limit_and_not_into_a_neighbour)
{
	struct mmap_args a = { .addr = SOMEWHERE + 64 * MIB, .len = 4 * PAGE_SIZE, .prot = RW, .flags = FIXED };
	uaddr_t top = a.addr + a.len;

	a.vm_flags = VM_STACK | VM_GROWSDOWN;
	mm->rlim_stack = 8 * MIB;
	cr_assert_eq(mm_mmap(mm, &a), (int64_t)a.addr);
	cr_assert_eq(wr(top - MIB, 1), 0);
	cr_assert_eq(wr(top - 8 * MIB, 1), 0);
	cr_assert_eq(wr(top - 8 * MIB - 8, 1), LINUX_SIGSEGV);
	cr_assert_eq(fault.si_code, LINUX_SEGV_MAPERR);
	mm->rlim_stack = 64 * MIB;
	cr_assert_gt(map(top - 10 * MIB, 1, RW, FIXED), 0);
	cr_assert_eq(wr(top - 9 * MIB, 1), LINUX_SIGSEGV, "into the guard gap");
	cr_assert_eq(wr(top - 9 * MIB + 8 * PAGE_SIZE, 1), 0);
	/* The sentry grows it, too. */
	cr_assert_eq(mm_munmap(mm, top - 10 * MIB, PAGE_SIZE), 0);
	cr_assert_eq(copy_to_user(top - 20 * MIB, "x", 1), 0);
	/* The search keeps its distance. */
	mm->mmap_base = top - 20 * MIB;
	cr_assert_leq(map(0, 1, RW, ANON), (int64_t)(top - 20 * MIB - STACK_GUARD_GAP - PAGE_SIZE));
}

Test(mm, the_memory_limit_is_met_without_a_signal_number)
{
	int64_t p = map(SOMEWHERE, 20000, RW, FIXED | LINUX_MAP_NORESERVE);
	int ret = 0;

	for (unsigned i = 0; i < 20000 && !ret; i++) {
		word = i;
		ret = fake_guest_access(mm, p + i * PAGE_SIZE, ACCESS_WRITE, &word, &fault);
	}
	cr_assert_eq(ret, -1);
	cr_assert_eq(fault.signo, 0);
	cr_assert_eq(mm_munmap(mm, p, 20000 * PAGE_SIZE), 0);
	cr_assert_eq(map(SOMEWHERE, 20000, RW, FIXED), -LINUX_ENOMEM, "an obvious overcommit");
}

/* What a page cache gives up: clean pages that nobody maps. */
static bool reclaim_file(unsigned nr __unused)
{
	bool any = false;

	for (unsigned i = 0; i < 20; i++)
		if (file->pfn[i] != PFN_NONE && frame_refs(file->pfn[i]) == 1) {
			fake_file_evict(file, i);
			any = true;
		}
	return any;
}

Test(mm, mapped_pages_of_files_give_way_to_memory)
{
	int64_t p = 0, q = map(SOMEWHERE + MIB, 20000, RW, FIXED | LINUX_MAP_NORESERVE);
	struct frame_stats st;
	uint64_t n = 0;

	/* Often enough that it is no small rest which all is in use. */
	for (unsigned i = 0; i < 20 * 20; i++) {
		p = i % 20 ? p : map_file(0, 0, 20, LINUX_PROT_READ, LINUX_MAP_PRIVATE);
		cr_assert_eq(get(p + i % 20 * PAGE_SIZE), file->store[i % 20]);
	}
	frame_reclaim = reclaim_file;
	word = 1;
	while (fake_guest_access(mm, q + n * PAGE_SIZE, ACCESS_WRITE, &word, &fault) == 0)
		n++;
	frame_reclaim = NULL;
	frame_get_stats(&st);
	cr_assert_eq(n, st.limit, "the file kept %lu pages", (unsigned long)(st.limit - n));
	cr_assert_eq(mm_munmap(mm, q, 20000 * PAGE_SIZE), 0);
	cr_assert_eq(get(p + 19 * PAGE_SIZE), file->store[19]);
}

/* --- limits and errors --- */

Test(mm, limits)
{
	mm->rlim_as = 10 * PAGE_SIZE;
	cr_assert_eq(map(SOMEWHERE, 11, RW, FIXED), -LINUX_ENOMEM);
	cr_assert_gt(map(SOMEWHERE, 10, RW, FIXED), 0);
	cr_assert_eq(map(0, 1, RW, ANON), -LINUX_ENOMEM);
	cr_assert_gt(map(SOMEWHERE, 10, LINUX_PROT_READ, FIXED), 0, "in place of itself");
	mm->rlim_as = UINT64_MAX;
	mm->rlim_data = 10 * PAGE_SIZE;
	cr_assert_eq(mm_mprotect(mm, SOMEWHERE, 10 * PAGE_SIZE, RW), 0);
	cr_assert_eq(map(0, 1, RW, ANON), -LINUX_ENOMEM);
	cr_assert_gt(map(0, 1, LINUX_PROT_READ, ANON), 0);
	mm->rlim_data = UINT64_MAX;
	mm->rlim_memlock = 4 * PAGE_SIZE;
	cr_assert_eq(mm_mlock(mm, SOMEWHERE, 4 * PAGE_SIZE, 0), 0);
	cr_assert_eq(mm_mlock(mm, SOMEWHERE, 5 * PAGE_SIZE, 0), -LINUX_ENOMEM);
	cr_assert_eq(map(0, 1, RW, ANON | LINUX_MAP_LOCKED), -LINUX_EAGAIN);
	mm->rlim_memlock = 0;
	cr_assert_eq(mm_mlock(mm, SOMEWHERE, PAGE_SIZE, 0), -LINUX_EPERM);
	mm->cap_ipc_lock = true;
	cr_assert_eq(mm_mlockall(mm, LINUX_MCL_CURRENT), 0);
	cr_assert_eq(mm_munlockall(mm), 0);
	cr_assert_eq(mm->locked_vm, 0);
}

Test(mm, the_number_of_mappings_is_limited)
{
	unsigned n = 0;
	int64_t p;

	for (; n < 70000; n++) {
		p = map(SOMEWHERE + n * 2 * PAGE_SIZE, 1, n % 2 ? RW : LINUX_PROT_READ, FIXED);
		if (p < 0)
			break;
	}
	cr_assert_eq(p, -LINUX_ENOMEM);
	cr_assert_geq(n, LINUX_DEFAULT_MAX_MAP_COUNT);
	cr_assert_leq(n, LINUX_DEFAULT_MAX_MAP_COUNT + 1);
}

/* --- copies --- */

Test(mm, copies_stop_at_the_bad_page)
{
	int64_t p = map(SOMEWHERE, 3, RW, FIXED);
	char *buf = malloc(8 * PAGE_SIZE);

	memset(buf, 'c', 8 * PAGE_SIZE);
	cr_assert_eq(copy_to_user_partial(p + 100, buf, 4 * PAGE_SIZE), 3 * PAGE_SIZE - 100);
	cr_assert_eq(copy_to_user(p, buf, 3 * PAGE_SIZE), 0);
	cr_assert_eq(copy_to_user(p, buf, 3 * PAGE_SIZE + 1), -LINUX_EFAULT);
	cr_assert_eq(copy_from_user(buf, p - 1, 2), -LINUX_EFAULT);
	cr_assert_eq(copy_from_user(buf, UINT64_MAX - 3, 8), -LINUX_EFAULT);
	cr_assert_eq(copy_from_user(buf, GUEST_TASK_SIZE, 1), -LINUX_EFAULT);
	cr_assert_eq(copy_from_user(buf, 0, 0), 0);
	cr_assert_eq(mm_mprotect(mm, p, PAGE_SIZE, LINUX_PROT_READ), 0);
	cr_assert_eq(copy_to_user(p, buf, 1), -LINUX_EFAULT, "the PTE was writable before mprotect");
	cr_assert_eq(mm_mprotect(mm, p, PAGE_SIZE, LINUX_PROT_NONE), 0);
	cr_assert_eq(copy_from_user(buf, p, 1), -LINUX_EFAULT);
	cr_assert_eq(mm_copy_from(mm, buf, p, 4, true), 4);
	free(buf);
}

Test(mm, strings_and_structures)
{
	int64_t p = map(SOMEWHERE, 2, RW, FIXED);
	uint64_t st[4];
	char s[32];

	cr_assert_eq(copy_to_user(p + PAGE_SIZE - 3, "hello", 6), 0);
	cr_assert_eq(strncpy_from_user(s, p + PAGE_SIZE - 3, sizeof(s)), 5);
	cr_assert_str_eq(s, "hello");
	cr_assert_eq(strncpy_from_user(s, p + PAGE_SIZE - 3, 5), 5);
	cr_assert_eq(copy_to_user(p + 2 * PAGE_SIZE - 2, "ab", 2), 0);
	cr_assert_eq(strncpy_from_user(s, p + 2 * PAGE_SIZE - 2, sizeof(s)), -LINUX_EFAULT);
	cr_assert_eq(clear_user(p, 64), 0);
	cr_assert_eq(put_user(7, p, uint64_t), 0);
	memset(st, 0xff, sizeof(st));
	cr_assert_eq(copy_struct_from_user(st, sizeof(st), p, 8), 0);
	cr_assert(st[0] == 7 && st[1] == 0 && st[3] == 0);
	cr_assert_eq(copy_struct_from_user(st, 16, p, 64), 0);
	cr_assert_eq(put_user(1, p + 40, uint8_t), 0);
	cr_assert_eq(copy_struct_from_user(st, 16, p, 64), -LINUX_E2BIG);
	cr_assert_eq(copy_struct_from_user(st, 16, 16, 8), -LINUX_EFAULT);
}

Test(mm, words)
{
	int64_t p = map(SOMEWHERE, 1, RW, FIXED);
	uint32_t val;

	cr_assert_eq(user_cmpxchg_u32(p + 4, 0, 5, &val), 0);
	cr_assert_eq(val, 0);
	cr_assert_eq(user_cmpxchg_u32(p + 4, 0, 6, &val), 0);
	cr_assert_eq(val, 5);
	cr_assert_eq(user_read_u32(p + 4, &val), 0);
	cr_assert_eq(val, 5);
	cr_assert_eq(user_read_u32(p + 2, &val), -LINUX_EFAULT);
	cr_assert_eq(user_read_u32(p + PAGE_SIZE, &val), -LINUX_EFAULT);
}

Test(mm, iterators)
{
	int64_t p = map(SOMEWHERE, 4, RW, FIXED);
	struct linux_iovec vec[3] = { { p, 5 }, { p + 100, 0 }, { p + PAGE_SIZE, 10 } }, *storage = NULL;
	struct iov_iter it;
	char buf[32];

	cr_assert_eq(copy_to_user(p + 2 * PAGE_SIZE, vec, sizeof(vec)), 0);
	cr_assert_eq(iov_iter_import(&it, p + 2 * PAGE_SIZE, 3, &storage), 0);
	cr_assert_eq(it.count, 15);
	cr_assert_eq(iov_iter_copy_to(&it, "0123456789abcdef", 16), 15);
	cr_assert_eq(it.count, 0);
	iov_iter_revert(&it, 12);
	cr_assert_eq(iov_iter_copy_from(&it, buf, 4), 4);
	cr_assert_eq(memcmp(buf, "3456", 4), 0);
	iov_iter_advance(&it, 1);
	cr_assert_eq(iov_iter_zero(&it, 100), 7);
	cr_assert_eq(copy_from_user(buf, p + PAGE_SIZE, 10), 0);
	cr_assert_eq(memcmp(buf, "567\0\0\0\0\0\0\0", 10), 0);
	free(storage);
	cr_assert_eq(iov_iter_import(&it, p, LINUX_UIO_MAXIOV + 1, &storage), -LINUX_EINVAL);
	vec[1].len = UINT64_MAX;
	cr_assert_eq(copy_to_user(p + 2 * PAGE_SIZE, vec, sizeof(vec)), 0);
	cr_assert_eq(iov_iter_import(&it, p + 2 * PAGE_SIZE, 3, &storage), -LINUX_EINVAL);
	iov_iter_init_kernel(&it, buf, 8);
	cr_assert_eq(iov_iter_copy_to(&it, "kernel buffer", 13), 8);
	iov_iter_revert(&it, 8);
	iov_iter_truncate(&it, 6);
	cr_assert_eq(iov_iter_copy_from(&it, buf + 10, 20), 6);
	cr_assert_eq(memcmp(buf + 10, "kernel", 6), 0);
}

/* --- what others see --- */

Test(mm, residency)
{
	int64_t p = map(SOMEWHERE, 8, RW, FIXED), out = map(SOMEWHERE + MIB, 1, RW, FIXED);
	unsigned char vec[8];

	cr_assert_eq(wr(p + PAGE_SIZE, 1), 0);
	cr_assert_eq(wr(p + 5 * PAGE_SIZE, 1), 0);
	cr_assert_eq(mm_mincore(mm, p, 8 * PAGE_SIZE, out), 0);
	cr_assert_eq(copy_from_user(vec, out, 8), 0);
	cr_assert_eq(memcmp(vec, "\0\1\0\0\0\1\0\0", 8), 0);
	cr_assert_eq(mm_madvise(mm, p, 8 * PAGE_SIZE, LINUX_MADV_DONTNEED), 0);
	cr_assert_eq(mm_rss(mm), 1);
	cr_assert_eq(mm_mincore(mm, p, 9 * PAGE_SIZE, out), -LINUX_ENOMEM);
	cr_assert_eq(mm_mincore(mm, p + 1, 1, out), -LINUX_EINVAL);
	cr_assert_eq(mm_mincore(mm, p, PAGE_SIZE, 8), -LINUX_EFAULT);
}

Test(mm, maps_have_the_kernels_columns)
{
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;
	uaddr_t heap = 0x1000000;

	cr_assert_eq(mm_set_brk_start(mm, heap), 0);
	cr_assert_eq(mm_brk(mm, heap + PAGE_SIZE), heap + PAGE_SIZE);
	cr_assert_gt(map(0x10000000, 2, RX, FIXED), 0);
	cr_assert_gt(map_file(SOMEWHERE, 3, 2, RW, LINUX_MAP_SHARED), 0);
	mm_show_maps(mm, &sb, false);
	cr_assert_str_eq(strbuf_str(&sb),
			 "01000000-01001000 rw-p 00000000 00:00 0                                  [heap]\n"
			 "10000000-10002000 r-xp 00000000 00:00 0 \n"
			 "100000000-100002000 rw-s 00003000 08:01 1234                             /fake file\n");
	cr_assert_eq(strcspn(strbuf_str(&sb), "["), 73);
	strbuf_reset(&sb);
	mm_show_smaps_rollup(mm, &sb);
	cr_assert_not_null(strstr(strbuf_str(&sb), "[rollup]\nRss:                   0 kB\n"));
}

Test(mm, futex_keys_meet_where_memory_is_shared)
{
	int64_t p = map_file(SOMEWHERE, 0, 2, RW, LINUX_MAP_SHARED), q = map_file(SOMEWHERE + MIB, 1, 1, RW, LINUX_MAP_SHARED);
	int64_t r = map(SOMEWHERE + 2 * MIB, 1, RW, FIXED);
	struct futex_key a, b;

	cr_assert_eq(mm_futex_key(mm, p + PAGE_SIZE + 8, true, false, &a), 0);
	cr_assert_eq(mm_futex_key(mm, q + 8, true, true, &b), 0);
	cr_assert(a.obj == b.obj && a.off == b.off && a.file && b.file);
	a.file->ops->put(a.file);
	b.file->ops->put(b.file);
	cr_assert_eq(mm_futex_key(mm, r, true, false, &a), 0);
	cr_assert_eq(mm_futex_key(mm, r, false, false, &b), 0);
	cr_assert(a.obj == b.obj && a.off == b.off && !a.file && !b.file);
	cr_assert_eq(mm_futex_key(mm, r + 2, false, false, &a), -LINUX_EINVAL);
	cr_assert_eq(mm_futex_key(mm, r + PAGE_SIZE, true, false, &a), -LINUX_EFAULT);
}
