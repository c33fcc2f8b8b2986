/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames: random allocation and release against a model that knows who holds what and what is written there; the allocator's
 * own lists are checked on the way.
 */
#include "sentry/mm/frame.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define MIB (1UL << 20)
#define LIMIT (64 * MIB)
#define NR_LIMIT (LIMIT >> PAGE_SHIFT)

static void setup(void)
{
	frame_reclaim = NULL;
	cr_assert_eq(frames_init(LIMIT), 0);
}

static void teardown(void)
{
	frame_check();
	frames_fini();
}

TestSuite(frame, .init = setup, .fini = teardown, .timeout = 400);

static uint64_t nr_used(void)
{
	struct frame_stats st;

	frame_get_stats(&st);
	return st.used;
}

static bool is_zero(pfn_t pfn)
{
	const uint64_t *p = frame_ptr(pfn);

	for (unsigned i = 0; i < PAGE_SIZE / 8; i++)
		if (p[i])
			return false;
	return true;
}

/* Marks a page as ours, so that two holders of one frame are noticed. */
static void stamp(pfn_t pfn, uint64_t id)
{
	uint64_t *p = frame_ptr(pfn);

	p[0] = id;
	p[PAGE_SIZE / 8 - 1] = ~id;
}

static void check_stamp(pfn_t pfn, uint64_t id)
{
	const uint64_t *p = frame_ptr(pfn);

	cr_assert_eq(p[0], id);
	cr_assert_eq(p[PAGE_SIZE / 8 - 1], ~id);
}

Test(frame, a_new_frame_is_zero_and_ours)
{
	pfn_t pfn = frame_alloc(0, FRAME_ZERO, PFN_NONE);

	cr_assert_neq(pfn, PFN_NONE);
	cr_assert(is_zero(pfn));
	cr_assert_eq(frame_refs(pfn), 1);
	frame_get(pfn);
	cr_assert_eq(frame_refs(pfn), 2);
	frame_put(pfn);
	cr_assert_eq(nr_used(), 1);
	frame_put(pfn);
	cr_assert_eq(nr_used(), 0);
}

Test(frame, a_run_is_contiguous_and_freed_one_by_one)
{
	for (unsigned order = 0; order <= FRAME_MAX_ORDER; order++) {
		pfn_t pfn = frame_alloc(order, FRAME_ZERO, PFN_NONE);

		cr_assert_neq(pfn, PFN_NONE);
		cr_assert_eq(pfn & ((1UL << order) - 1), 0);
		for (unsigned i = 0; i < 1U << order; i++) {
			cr_assert(is_zero(pfn + i));
			stamp(pfn + i, pfn + i);
		}
		for (unsigned i = 0; i < 1U << order; i += 2)
			frame_put(pfn + i);
		frame_check();
		for (unsigned i = 1; i < 1U << order; i += 2) {
			check_stamp(pfn + i, pfn + i);
			frame_put(pfn + i);
		}
		frame_check();
	}
}

Test(frame, zero_is_zero_after_use_small_and_large)
{
	for (unsigned order = 0; order <= FRAME_MAX_ORDER; order++) {
		pfn_t first = frame_alloc(order, 0, PFN_NONE), again;

		for (unsigned i = 0; i < 1U << order; i++)
			memset(frame_ptr(first + i), 0xaa, PAGE_SIZE);
		for (unsigned i = 0; i < 1U << order; i++)
			frame_put(first + i);
		again = frame_alloc(order, FRAME_ZERO, PFN_NONE);
		for (unsigned i = 0; i < 1U << order; i++)
			cr_assert(is_zero(again + i), "order %u page %u", order, i);
		for (unsigned i = 0; i < 1U << order; i++)
			frame_put(again + i);
	}
}

Test(frame, near_is_taken_when_free)
{
	pfn_t a = frame_alloc(0, 0, PFN_NONE), b, run;

	b = frame_alloc(0, 0, a + 1);
	cr_assert_eq(b, a + 1);
	cr_assert_neq(frame_alloc(0, 0, a + 1), a + 1);
	/* A run from there on, as long as it can be. */
	cr_assert_gt(frame_alloc_run(5, FRAME_ZERO, b + 1, &run), 0);
	if (run == b + 1)
		cr_assert_eq(frame_refs(b + 1), 1);
	frame_check();
}

Test(frame, runs_grow_over_block_borders)
{
	pfn_t pfn, near = PFN_NONE, first = PFN_NONE;
	unsigned done = 0, n;

	/* What a program does that touches memory page by page: all of it ends up in one piece. */
	while (done < 2000) {
		n = frame_alloc_run(MIN(1 + done, 300), FRAME_ZERO, near, &pfn);
		cr_assert_gt(n, 0);
		if (first == PFN_NONE)
			first = pfn;
		cr_assert_eq(pfn, first + done);
		done += n;
		near = pfn + n;
	}
	frame_check();
}

Test(frame, the_limit_holds_and_reclaim_is_asked)
{
	pfn_t pfns[NR_LIMIT];
	unsigned n = 0, got;
	pfn_t run;

	for (pfn_t pfn; n < NR_LIMIT && (pfn = frame_alloc(0, 0, PFN_NONE)) != PFN_NONE; n++)
		pfns[n] = pfn;
	cr_assert_eq(n, NR_LIMIT);
	cr_assert_eq(frame_alloc(0, 0, PFN_NONE), PFN_NONE);
	cr_assert_eq(frame_alloc_run(4, 0, PFN_NONE, &run), 0);
	frame_put(pfns[--n]);
	frame_put(pfns[--n]);
	cr_assert_eq(frame_alloc(2, 0, PFN_NONE), PFN_NONE);
	got = frame_alloc_run(4, 0, PFN_NONE, &run);
	cr_assert(got == 1 || got == 2);
	frame_put(run);
	if (got == 2)
		frame_put(run + 1);
	frame_put_many(pfns, n);
	cr_assert_eq(nr_used(), 0);
}

static pfn_t victim = PFN_NONE;

static bool give_up_one(unsigned nr __unused)
{
	if (victim == PFN_NONE)
		return false;
	frame_put(victim);
	victim = PFN_NONE;
	return true;
}

Test(frame, reclaim_makes_room)
{
	pfn_t pfn;

	frame_reclaim = give_up_one;
	for (unsigned i = 0; i < NR_LIMIT; i++)
		victim = frame_alloc(0, FRAME_NORECLAIM, PFN_NONE);
	cr_assert_eq(frame_alloc(0, FRAME_NORECLAIM, PFN_NONE), PFN_NONE);
	pfn = victim;
	cr_assert_eq(frame_alloc(0, FRAME_ZERO, PFN_NONE), pfn);
	cr_assert(is_zero(pfn));
	cr_assert_eq(frame_alloc(0, 0, PFN_NONE), PFN_NONE);
}

Test(frame, trimming_gives_memory_back)
{
	struct frame_stats st;
	pfn_t pfn = frame_alloc(FRAME_MAX_ORDER, 0, PFN_NONE);

	for (unsigned i = 0; i < 512; i++)
		stamp(pfn + i, i);
	for (unsigned i = 0; i < 512; i++)
		frame_put(pfn + i);
	frame_get_stats(&st);
	cr_assert_eq(st.free_resident, 512);
	frame_trim(100);
	frame_get_stats(&st);
	cr_assert_leq(st.free_resident, 100);
	frame_trim(0);
	frame_get_stats(&st);
	cr_assert_eq(st.free_resident, 0);
	frame_check();
	pfn = frame_alloc(FRAME_MAX_ORDER, FRAME_ZERO, PFN_NONE);
	for (unsigned i = 0; i < 512; i++)
		cr_assert(is_zero(pfn + i));
}

/* --- storms --- */

#define NR_HELD 3000

struct held {
	pfn_t pfn;
	uint64_t id;
	int refs;
};

static void storm_alloc(struct held *held, unsigned *nr, unsigned *seed, uint64_t *id)
{
	unsigned want = 1 + rand_r(seed) % (rand_r(seed) % 6 ? 4 : 300), n;
	bool zero = rand_r(seed) % 2;
	pfn_t near = *nr && rand_r(seed) % 2 ? held[rand_r(seed) % *nr].pfn + 1 : PFN_NONE;
	pfn_t pfn;

	if (*nr + want > NR_HELD)
		return;
	n = frame_alloc_run(want, zero ? FRAME_ZERO : 0, near, &pfn);
	cr_assert_leq(n, want);
	for (unsigned i = 0; i < n; i++) {
		if (zero)
			cr_assert(is_zero(pfn + i));
		held[*nr] = (struct held){ pfn + i, ++*id, 1 };
		stamp(pfn + i, *id);
		++*nr;
	}
}

static void storm_release(struct held *held, unsigned *nr, unsigned *seed)
{
	unsigned i = rand_r(seed) % *nr;

	check_stamp(held[i].pfn, held[i].id);
	if (rand_r(seed) % 3 == 0) {
		frame_get(held[i].pfn);
		held[i].refs++;
		return;
	}
	frame_put(held[i].pfn);
	if (--held[i].refs == 0)
		held[i] = held[--*nr];
}

static void storm(unsigned seed, unsigned rounds, bool check)
{
	struct held *held = calloc(NR_HELD, sizeof(*held));
	uint64_t id = (uint64_t)seed << 32;
	unsigned nr = 0;

	for (unsigned i = 0; i < rounds; i++) {
		if (!nr || rand_r(&seed) % 50 < 8)
			storm_alloc(held, &nr, &seed, &id);
		else
			storm_release(held, &nr, &seed);
		if (rand_r(&seed) % 2000 == 0)
			frame_trim(rand_r(&seed) % 200);
		if (check && i % 500 == 0)
			frame_check();
	}
	while (nr) {
		nr--;
		check_stamp(held[nr].pfn, held[nr].id);
		while (held[nr].refs--)
			frame_put(held[nr].pfn);
	}
	free(held);
}

Test(frame, a_storm_equals_the_model)
{
	for (unsigned seed = 1; seed <= 5; seed++) {
		storm(seed, 20000, true);
		cr_assert_eq(nr_used(), 0);
		frame_check();
	}
}

static void *storm_thread(void *arg)
{
	storm((unsigned)(uintptr_t)arg, 20000, false);
	return NULL;
}

Test(frame, threads_never_share_a_frame)
{
	pthread_t t[4];

	for (uintptr_t i = 0; i < ARRAY_SIZE(t); i++)
		pthread_create(&t[i], NULL, storm_thread, (void *)(i + 100));
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++)
		pthread_join(t[i], NULL);
	cr_assert_eq(nr_used(), 0);
}
