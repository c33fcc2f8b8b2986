/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vma set, linked alone: random changes against an array of pages, and the search for free space against a scan of that
 * array.
 */
#include "sentry/mm/vma.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

TestSuite(vma, .timeout = 400);

#define BASE 0x10000000UL
#define NR_PAGES 600 /* more than two guard gaps */
#define AT(page) (BASE + (uaddr_t)(page) * PAGE_SIZE)

static struct vma_set set;
static struct vma *owner[NR_PAGES]; /* the model: whose each page is */

static struct vma *vma_make(unsigned first, unsigned end, unsigned flags)
{
	struct vma *v = calloc(1, sizeof(*v));

	v->start = AT(first);
	v->end = AT(end);
	v->flags = flags;
	v->pgoff = v->start >> PAGE_SHIFT;
	return v;
}

static void model_set(struct vma *v, struct vma *value)
{
	for (uaddr_t a = v->start; a < v->end; a += PAGE_SIZE)
		owner[(a - BASE) / PAGE_SIZE] = value;
}

static void add_random(void)
{
	unsigned first = rand() % NR_PAGES, end = first;
	struct vma *v;

	while (end < NR_PAGES && !owner[end] && end - first < 1U + rand() % 40)
		end++;
	if (end == first)
		return;
	v = vma_make(first, end, rand() % 8 ? VM_READ : VM_READ | VM_GROWSDOWN);
	vma_insert(&set, v);
	model_set(v, v);
}

static void remove_random(void)
{
	struct vma *v = owner[rand() % NR_PAGES];

	if (!v)
		return;
	model_set(v, NULL);
	vma_remove(&set, v);
	free(v);
}

/* Moves an end of a vma into free space, or shrinks it. */
static void adjust_random(void)
{
	struct vma *v = owner[rand() % NR_PAGES];
	unsigned first, end;

	if (!v)
		return;
	first = (v->start - BASE) / PAGE_SIZE;
	end = (v->end - BASE) / PAGE_SIZE;
	model_set(v, NULL);
	switch (rand() % 3) {
	case 0:
		for (int n = rand() % 10; n && first && !owner[first - 1]; n--)
			first--;
		break;
	case 1:
		for (int n = rand() % 10; n && end < NR_PAGES && !owner[end]; n--)
			end++;
		break;
	default:
		if (end - first > 1)
			first += rand() % (end - first);
	}
	vma_set_bounds(&set, v, AT(first), AT(end));
	model_set(v, v);
}

static struct vma *model_find_from(unsigned page)
{
	for (; page < NR_PAGES; page++)
		if (owner[page])
			return owner[page];
	return NULL;
}

static void check_lookups(void)
{
	unsigned page = rand() % NR_PAGES, end = page + 1 + rand() % 20;
	struct vma *from = model_find_from(page);

	cr_assert_eq(vma_find(&set, AT(page) + rand() % PAGE_SIZE), owner[page]);
	cr_assert_eq(vma_find_from(&set, AT(page)), from);
	cr_assert_eq(vma_find_intersection(&set, AT(page), AT(end)), from && from->start < AT(end) ? from : NULL);
	cr_assert_eq(vma_first(&set), model_find_from(0));
	if (from) {
		struct vma *next = model_find_from((from->end - BASE) / PAGE_SIZE);

		cr_assert_eq(vma_next(from), next);
		if (next)
			cr_assert_eq(vma_prev(next), from);
	}
}

/* Whether a mapping may be put at [start, start + len): free, and not in the guard below a stack that follows directly. */
static bool model_fits(uaddr_t start, uint64_t len)
{
	const struct vma *next;

	for (uaddr_t a = start; a < start + len; a += PAGE_SIZE)
		if (owner[(a - BASE) / PAGE_SIZE])
			return false;
	next = model_find_from((start + len - BASE) / PAGE_SIZE);
	return !next || start + len <= vma_start_gap(next);
}

static uaddr_t model_gap(uint64_t len, uint64_t align, uaddr_t low, uaddr_t high, uaddr_t hole, uaddr_t hole_end, bool down)
{
	for (unsigned i = 0; i < NR_PAGES; i++) {
		uaddr_t a = AT(down ? NR_PAGES - 1 - i : i);

		if (a % align || a < low || a + len > high || a + len > AT(NR_PAGES))
			continue;
		if (hole < hole_end && a < hole_end && a + len > hole)
			continue;
		if (model_fits(a, len))
			return a;
	}
	return 0;
}

static void check_gaps(void)
{
	uint64_t len = (1 + rand() % (rand() % 4 ? 8 : 200)) * PAGE_SIZE, align = PAGE_SIZE << (rand() % 3 ? 0 : rand() % 5);
	unsigned lo = rand() % NR_PAGES, hi = lo + rand() % (NR_PAGES + 1 - lo), ho = rand() % NR_PAGES;
	unsigned he = rand() % 2 ? 0 : ho + rand() % (NR_PAGES + 1 - ho);
	uaddr_t hole = he ? AT(ho) : 0, hole_end = he ? AT(he) : 0;

	if (rand() % 4 == 0) {
		lo = 0;
		hi = NR_PAGES;
	}
	cr_assert_eq(vma_find_gap_down(&set, len, align, AT(lo), AT(hi), hole, hole_end),
		     model_gap(len, align, AT(lo), AT(hi), hole, hole_end, true));
	cr_assert_eq(vma_find_gap_up(&set, len, align, AT(lo), AT(hi), hole, hole_end),
		     model_gap(len, align, AT(lo), AT(hi), hole, hole_end, false));
}

Test(vma, random_changes_equal_the_model)
{
	for (unsigned seed = 1; seed <= 8; seed++) {
		srand(seed);
		vma_set_init(&set);
		memset(owner, 0, sizeof(owner));
		for (int i = 0; i < 1000; i++) {
			int op = rand() % 10;

			if (op < 4)
				add_random();
			else if (op < 6)
				remove_random();
			else if (op < 8)
				adjust_random();
			vma_set_check(&set);
			check_lookups();
			check_gaps();
		}
		while (set.nr) {
			struct vma *v = vma_first(&set);

			vma_remove(&set, v);
			free(v);
		}
		cr_assert_eq(set.pages, 0);
	}
}

Test(vma, an_empty_set_is_one_gap)
{
	vma_set_init(&set);
	cr_assert_null(vma_first(&set));
	cr_assert_null(vma_last(&set));
	cr_assert_null(vma_find(&set, 0));
	cr_assert_eq(vma_find_gap_down(&set, PAGE_SIZE, PAGE_SIZE, BASE, AT(10), 0, 0), AT(9));
	cr_assert_eq(vma_find_gap_up(&set, PAGE_SIZE, PAGE_SIZE, BASE, AT(10), 0, 0), BASE);
	cr_assert_eq(vma_find_gap_down(&set, 11 * PAGE_SIZE, PAGE_SIZE, BASE, AT(10), 0, 0), 0);
	cr_assert_eq(vma_find_gap_down(&set, 4 * PAGE_SIZE, PAGE_SIZE, BASE, AT(10), AT(3), AT(8)), 0);
	cr_assert_eq(vma_find_gap_down(&set, 3 * PAGE_SIZE, PAGE_SIZE, BASE, AT(10), AT(3), AT(8)), BASE);
}

Test(vma, merging_needs_everything_equal)
{
	struct vma a = { .start = AT(0), .end = AT(2), .flags = VM_READ, .pgoff = 10 };
	struct vma b = { .start = AT(2), .end = AT(3), .flags = VM_READ, .pgoff = 12 };
	char name[] = "x", same[] = "x";

	cr_assert(vma_can_merge(&a, &b));
	cr_assert_not(vma_can_merge(&b, &a));
	b.pgoff = 13;
	cr_assert_not(vma_can_merge(&a, &b));
	b.pgoff = 12;
	b.flags |= VM_EXEC;
	cr_assert_not(vma_can_merge(&a, &b), "PROT_EXEC may not be lost in a merge");
	b.flags = a.flags;
	b.anon_name = name;
	cr_assert_not(vma_can_merge(&a, &b));
	a.anon_name = same;
	cr_assert(vma_can_merge(&a, &b));
	b.file = (struct vm_file *)&b;
	cr_assert_not(vma_can_merge(&a, &b));
	a.file = b.file;
	cr_assert(vma_can_merge(&a, &b));
	a.flags = b.flags |= VM_SPECIAL;
	cr_assert_not(vma_can_merge(&a, &b));
}
