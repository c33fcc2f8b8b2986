/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The page table, linked alone: random PTEs in clusters all over the address space against a sorted array.
 */
#include "sentry/mm/page_table.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

TestSuite(page_table, .timeout = 400);

#define NR_CLUSTERS 12
#define CLUSTER_PAGES 700 /* more than a leaf */
#define NR_SLOTS (NR_CLUSTERS * CLUSTER_PAGES)

static uaddr_t cluster[NR_CLUSTERS]; /* ascending, far apart */
static pte_t model[NR_SLOTS];

static uaddr_t slot_addr(unsigned slot)
{
	return cluster[slot / CLUSTER_PAGES] + slot % CLUSTER_PAGES * PAGE_SIZE;
}

static void clusters_init(void)
{
	uaddr_t at = 0x10000;

	for (unsigned i = 0; i < NR_CLUSTERS; i++) {
		cluster[i] = at;
		/* Neighbours in one table, in the next one, and terabytes away. */
		at += CLUSTER_PAGES * PAGE_SIZE + ((uaddr_t)(rand() % 1000) << (12 + rand() % 22));
	}
	cr_assert_lt(at, 1UL << PT_ADDR_BITS);
	memset(model, 0, sizeof(model));
}

static void set_random(struct page_table *pt)
{
	unsigned slot = rand() % NR_SLOTS, n = 1 + rand() % (rand() % 8 ? 3 : 600);

	for (; n-- && slot < NR_SLOTS; slot++) {
		struct pt_leaf *leaf = page_table_leaf_make(pt, slot_addr(slot));

		cr_assert_not_null(leaf);
		model[slot] = PTE_MAKE(rand(), PTE_PRESENT | (rand() & PTE_PROT));
		pte_set(leaf, pte_index(slot_addr(slot)), model[slot]);
	}
}

static void clear_random(struct page_table *pt)
{
	unsigned slot = rand() % NR_SLOTS, wide = slot + rand() % 1500, end = MIN(wide, NR_SLOTS - 1);
	uaddr_t from = slot_addr(slot), to = slot_addr(end), addr;
	struct pt_leaf *leaf;

	if (from >= to)
		return;
	page_table_for_each(pt, leaf, addr, from, to)
		pte_set(leaf, pte_index(addr), 0);
	for (; slot < end; slot++)
		model[slot] = 0;
	if (rand() % 2)
		page_table_prune(pt, from, to);
}

static void check_range(struct page_table *pt)
{
	unsigned slot = rand() % NR_SLOTS, end = slot + rand() % (NR_SLOTS - slot);
	uaddr_t addr;
	struct pt_leaf *leaf;

	page_table_for_each(pt, leaf, addr, slot_addr(slot), slot_addr(end)) {
		while (slot < end && !model[slot])
			slot++;
		cr_assert_lt(slot, end);
		cr_assert_eq(addr, slot_addr(slot));
		cr_assert_eq(leaf->pte[pte_index(addr)], model[slot]);
		slot++;
	}
	while (slot < end && !model[slot])
		slot++;
	cr_assert_eq(slot, end, "the walk missed a page");
}

Test(page_table, random_changes_equal_the_model)
{
	for (unsigned seed = 1; seed <= 15; seed++) {
		struct page_table *pt = page_table_new();

		srand(seed);
		clusters_init();
		for (int i = 0; i < 300; i++) {
			unsigned slot = rand() % NR_SLOTS;

			if (rand() % 3)
				set_random(pt);
			else
				clear_random(pt);
			check_range(pt);
			cr_assert_eq(page_table_get(pt, slot_addr(slot)), model[slot]);
		}
		page_table_free(pt);
	}
}

Test(page_table, pruning_gives_every_table_back)
{
	struct page_table *pt = page_table_new();
	uaddr_t addr;
	struct pt_leaf *leaf;

	srand(7);
	clusters_init();
	for (int i = 0; i < 50; i++)
		set_random(pt);
	cr_assert_gt(pt->nr_tables, 4);
	page_table_for_each(pt, leaf, addr, 0, 1UL << PT_ADDR_BITS)
		pte_set(leaf, pte_index(addr), 0);
	page_table_prune(pt, 0, 1UL << PT_ADDR_BITS);
	cr_assert_eq(pt->nr_tables, 0);
	cr_assert_null(pt->root);
	cr_assert_null(page_table_leaf(pt, cluster[0]), "a remembered leaf outlived its table");
	page_table_free(pt);
}

Test(page_table, walks_over_the_whole_range_are_short)
{
	struct page_table *pt = page_table_new();
	uaddr_t addr = 0;

	/* Two pages at the ends of the address space: the walk between them may not visit 2^35 slots. */
	pte_set(page_table_leaf_make(pt, 0), 0, PTE_MAKE(1, PTE_PRESENT));
	pte_set(page_table_leaf_make(pt, (1UL << PT_ADDR_BITS) - PAGE_SIZE), 511, PTE_MAKE(2, PTE_PRESENT));
	cr_assert_not_null(page_table_next_leaf(pt, &addr, 1UL << PT_ADDR_BITS));
	cr_assert_eq(addr, 0);
	addr = PT_LEAF_SIZE;
	cr_assert_not_null(page_table_next_leaf(pt, &addr, 1UL << PT_ADDR_BITS));
	cr_assert_eq(addr, (1UL << PT_ADDR_BITS) - PT_LEAF_SIZE);
	addr = PT_LEAF_SIZE;
	cr_assert_null(page_table_next_leaf(pt, &addr, (1UL << PT_ADDR_BITS) - PT_LEAF_SIZE));
	cr_assert_null(page_table_leaf_make(pt, 1UL << PT_ADDR_BITS));
	cr_assert_eq(page_table_get(pt, UINT64_MAX), 0);
	page_table_free(pt);
}
