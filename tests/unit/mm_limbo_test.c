/* SPDX-License-Identifier: Apache-2.0 */
/* Frames that an address space has unmapped, and that stay with it for a while (sentry/mm/limbo.c). */
#include <criterion/criterion.h>

#include "sentry/abi/signal.h"
#include "tests/unit/fake_file.h"
#include "tests/unit/fake_platform.h"

#define RW (LINUX_PROT_READ | LINUX_PROT_WRITE)
#define ANON (LINUX_MAP_PRIVATE | LINUX_MAP_ANONYMOUS)
#define FIXED (ANON | LINUX_MAP_FIXED)
#define SOMEWHERE 0x100000000UL

static struct mm *mm;
static struct fake_file *file;

static void setup(void)
{
	cr_assert_eq(frames_init(64UL << 20), 0);
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

TestSuite(mm_limbo, .init = setup, .fini = teardown, .timeout = 400);

static int64_t map(uaddr_t addr, unsigned pages, unsigned prot, unsigned flags)
{
	struct mmap_args a = { .addr = addr, .len = pages * PAGE_SIZE, .prot = prot, .flags = flags };

	return mm_mmap(mm, &a);
}

static int64_t map_file(uaddr_t addr, unsigned pages)
{
	struct mmap_args a = { .addr = addr, .len = pages * PAGE_SIZE, .prot = RW, .flags = LINUX_MAP_SHARED | LINUX_MAP_FIXED };

	a.file = &file->vm;
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

static uint64_t get(uaddr_t addr)
{
	cr_assert_eq(rd(addr), 0, "%#lx can't be read", (unsigned long)addr);
	return word;
}

/* A small range that is unmapped stays on the host, out of reach, until something else comes there. */
Test(mm_limbo, what_was_parked_comes_back_clean)
{
	struct fake_aspace *fa = container_of(mm->as, struct fake_aspace, as);
	uaddr_t p = map(0, 4, RW, ANON), q;
	struct mm *child;
	unsigned calls;

	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 4; i++) {
			cr_assert_eq(get(p + i * PAGE_SIZE), 0);
			cr_assert_eq(wr(p + i * PAGE_SIZE, 7), 0);
		}
		cr_assert_eq(mm_munmap(mm, p, 4 * PAGE_SIZE), 0);
		cr_assert_eq(mm->nr_parked, 1);
		cr_assert_eq(mm_rss(mm), 0);
		cr_assert_eq(rd(p), LINUX_SIGSEGV);
		cr_assert_eq(fault.si_code, LINUX_SEGV_MAPERR);
		fake_check(mm, NULL, 0);
		calls = fa->nr_calls;
		cr_assert_eq(map(0, 4, RW, ANON), p);
		cr_assert_eq(fa->nr_calls, calls + 1);
		cr_assert_eq(mm->nr_parked, 0);
		fake_check(mm, NULL, 0);
	}
	/* What is there now decides, not what was. */
	mm_munmap(mm, p, 4 * PAGE_SIZE);
	cr_assert_eq(map(p, 4, LINUX_PROT_READ, FIXED), p);
	cr_assert_eq(wr(p, 1), LINUX_SIGSEGV);
	cr_assert_eq(get(p), 0);
	cr_assert_eq(mm->nr_parked, 0);
	mm_munmap(mm, p, 4 * PAGE_SIZE);
	cr_assert_eq(map(p, 4, RW, FIXED), p);
	cr_assert_eq(wr(p, 1), 0);
	mm_munmap(mm, p, 4 * PAGE_SIZE);
	cr_assert_eq(map_file(p + PAGE_SIZE, 1), p + PAGE_SIZE);
	cr_assert_eq(wr(p + PAGE_SIZE, 9), 0);
	cr_assert_eq(rd(p), LINUX_SIGSEGV);
	cr_assert_eq(rd(p + 2 * PAGE_SIZE), LINUX_SIGSEGV);
	fake_check(mm, NULL, 0);
	mm_munmap(mm, p, 4 * PAGE_SIZE);

	/* A child has nothing of it, and the oldest give way. */
	for (int i = 0; i < 3 * MM_PARKED_MAX; i++) {
		q = SOMEWHERE + i * 16 * PAGE_SIZE;
		cr_assert_eq(map(q, 2, RW, FIXED), q);
		cr_assert_eq(wr(q, 5), 0);
		mm_munmap(mm, q, 2 * PAGE_SIZE);
		fake_check(mm, NULL, 0);
	}
	cr_assert_eq(mm->nr_parked, MM_PARKED_MAX);
	child = mm_fork(mm);
	cr_assert_eq(touch_in(child, q, ACCESS_READ), LINUX_SIGSEGV);
	cr_assert_eq(child->nr_parked, 0);
	/* Two tasks in it: the host must have lost it when the call returns. */
	ref_get(&mm->users);
	cr_assert_eq(map(q, 2, RW, FIXED), q);
	cr_assert_eq(wr(q, 5), 0);
	calls = mm->nr_parked;
	mm_munmap(mm, q, 2 * PAGE_SIZE);
	cr_assert_eq(mm->nr_parked, calls);
	cr_assert_not(ref_put(&mm->users));
	mm_put(child);
	/* When memory is short they go. */
	cr_assert(mm_drop_ahead(mm));
	cr_assert_eq(mm->nr_parked + mm->nr_limbo, 0);
}
