/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The law of the heap: brk and mmap never overlap, however large an interpreter is or how late a library is mapped.  The search
 * for free space leaves the heap's reservation alone when nothing else is left, and the heap can have all of it.
 */
#include <criterion/criterion.h>

#include "tests/unit/fake_platform.h"

#define GIB (1UL << 30)
#define RW (LINUX_PROT_READ | LINUX_PROT_WRITE)
#define HEAP 0x20000000UL

static struct mm *mm;

static void setup(void)
{
	cr_assert_eq(frames_init(16 * GIB), 0);
	fake_platform_init();
	mm = current_mm = mm_new();
	mm->mmap_base = 16 * GIB;
	cr_assert_eq(mm_set_brk_start(mm, HEAP), 0);
	cr_assert_gt(mm->brk_limit, HEAP + GIB);
}

static void teardown(void)
{
	fake_check(mm, NULL, 0);
	mm_put(mm);
	frames_fini();
}

TestSuite(mm_heap, .init = setup, .fini = teardown, .timeout = 400);

static int64_t map(uint64_t len, unsigned flags)
{
	struct mmap_args a = { .len = len, .prot = RW };

	a.flags = LINUX_MAP_PRIVATE | LINUX_MAP_ANONYMOUS | LINUX_MAP_NORESERVE | flags;
	return mm_mmap(mm, &a);
}

/* Fills all there is below the area's top; nothing may come from [start, end). */
static void fill(uaddr_t start, uaddr_t end, unsigned flags)
{
	for (uint64_t len = 8 * GIB; len >= GIB / 16; len /= 2)
		for (int64_t p = map(len, flags); p >= 0; p = map(len, flags)) {
			cr_assert(p + len <= start || (uaddr_t)p >= end, "%#lx of %#lx bytes lies in the heap", (unsigned long)p,
				  (unsigned long)len);
			/* Searches from below begin far above, where there is no end of room. */
			if ((uaddr_t)p >= mm->mmap_base)
				break;
		}
}

Test(mm_heap, the_search_leaves_the_reservation_alone)
{
	fill(HEAP, mm->brk_limit, 0);
	cr_assert_eq(mm_brk(mm, mm->brk_limit - PAGE_SIZE), mm->brk_limit - PAGE_SIZE, "the heap has what was kept for it");
}

Test(mm_heap, a_heap_in_use_is_left_alone_whatever_is_asked)
{
	uaddr_t brk = HEAP + GIB + 5;

	cr_assert_eq(mm_brk(mm, brk), brk);
	fill(HEAP, PAGE_ALIGN(brk), LINUX_MAP_32BIT);
	fill(HEAP, mm->brk_limit, 0);
	cr_assert_eq(mm_brk(mm, brk + 2 * PAGE_SIZE), brk, "what lies there now stops it");
}
