/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/mm/page_table.h"

#include <stdlib.h>

/*
 * Level 0 is a leaf (struct pt_leaf); 1..3 are interior tables.  A table at level L covers 2^(12 + 9 * (L + 1)) bytes, a
 * slot of it 2^(12 + 9 * L).
 */
#define PT_ROOT_LEVEL 3

struct pt_dir {
	unsigned nr;		     /* slots that are not NULL */
	uint64_t used[PT_SLOTS / 64]; /* a bit for each of them: most tables are nearly empty */
	void *slot[PT_SLOTS];
};

static unsigned slot_shift(unsigned level)
{
	return PAGE_SHIFT + 9 * level;
}

static unsigned slot_index(uaddr_t addr, unsigned level)
{
	return (addr >> slot_shift(level)) & (PT_SLOTS - 1);
}

/* The first slot from @i on that is not NULL; PT_SLOTS: none. */
static unsigned slot_next(const struct pt_dir *dir, unsigned i)
{
	uint64_t word;

	if (i >= PT_SLOTS)
		return PT_SLOTS;
	word = dir->used[i / 64] >> i % 64;
	if (word)
		return i + (unsigned)__builtin_ctzll(word);
	for (i = i / 64 + 1; i < PT_SLOTS / 64; i++)
		if (dir->used[i])
			return i * 64 + (unsigned)__builtin_ctzll(dir->used[i]);
	return PT_SLOTS;
}

static void slot_set(struct pt_dir *dir, unsigned i, void *table)
{
	dir->slot[i] = table;
	dir->used[i / 64] ^= 1ULL << i % 64;
	dir->nr += table ? 1 : -1U;
}

struct page_table *page_table_new(void)
{
	return calloc(1, sizeof(struct page_table));
}

static void table_free(void *table, unsigned level)
{
	if (!table)
		return;
	if (level) {
		struct pt_dir *dir = table;

		for (unsigned i = slot_next(dir, 0); i < PT_SLOTS; i = slot_next(dir, i + 1))
			table_free(dir->slot[i], level - 1);
	}
	free(table);
}

void page_table_free(struct page_table *pt)
{
	if (!pt)
		return;
	table_free(pt->root, PT_ROOT_LEVEL);
	free(pt);
}

static struct pt_leaf *leaf_remember(struct page_table *pt, uaddr_t addr, struct pt_leaf *leaf)
{
	pt->last = leaf;
	pt->last_addr = addr & ~(PT_LEAF_SIZE - 1);
	return leaf;
}

struct pt_leaf *page_table_leaf(struct page_table *pt, uaddr_t addr)
{
	void *table = pt->root;

	if (pt->last && (addr & ~(PT_LEAF_SIZE - 1)) == pt->last_addr)
		return pt->last;
	if (addr >> PT_ADDR_BITS)
		return NULL;
	for (unsigned level = PT_ROOT_LEVEL; level && table; level--)
		table = ((struct pt_dir *)table)->slot[slot_index(addr, level)];
	return table ? leaf_remember(pt, addr, table) : NULL;
}

struct pt_leaf *page_table_leaf_make(struct page_table *pt, uaddr_t addr)
{
	struct pt_leaf *leaf = page_table_leaf(pt, addr);
	struct pt_dir *parent = NULL;
	void *table = pt->root;

	if (leaf || addr >> PT_ADDR_BITS)
		return leaf;
	for (unsigned level = PT_ROOT_LEVEL;; level--) {
		if (!table) {
			table = calloc(1, level ? sizeof(struct pt_dir) : sizeof(struct pt_leaf));
			if (!table) {
				page_table_prune(pt, addr & ~(PT_LEAF_SIZE - 1), pt_leaf_end(addr));
				return NULL;
			}
			pt->nr_tables++;
			if (parent)
				slot_set(parent, slot_index(addr, level + 1), table);
			else
				pt->root = table;
		}
		if (!level)
			return leaf_remember(pt, addr, table);
		parent = table;
		table = parent->slot[slot_index(addr, level)];
	}
}

pte_t page_table_get(struct page_table *pt, uaddr_t addr)
{
	struct pt_leaf *leaf = page_table_leaf(pt, addr);

	return leaf ? leaf->pte[pte_index(addr)] : 0;
}

static struct pt_leaf *next_leaf(void *table, unsigned level, uaddr_t *addr, uaddr_t end)
{
	struct pt_dir *dir = table;

	if (!level)
		return ((struct pt_leaf *)table)->nr ? table : NULL;
	for (unsigned first = slot_index(*addr, level), i = slot_next(dir, first); i < PT_SLOTS; i = slot_next(dir, i + 1)) {
		uaddr_t at = *addr;
		struct pt_leaf *leaf;

		/* In a later slot than the first everything is asked for. */
		if (i != first)
			at = ((at >> slot_shift(level)) + (i - first)) << slot_shift(level);
		if (at >= end)
			return NULL;
		leaf = next_leaf(dir->slot[i], level - 1, &at, end);
		if (leaf) {
			*addr = at;
			return leaf;
		}
	}
	return NULL;
}

struct pt_leaf *page_table_next_leaf(struct page_table *pt, uaddr_t *addr, uaddr_t end)
{
	uaddr_t at = *addr;
	struct pt_leaf *leaf;

	end = MIN(end, 1UL << PT_ADDR_BITS);
	if (!pt->root || at >= end)
		return NULL;
	leaf = next_leaf(pt->root, PT_ROOT_LEVEL, &at, end);
	if (leaf)
		*addr = at;
	return leaf;
}

/* Frees what is empty below @table, which covers addresses from @base; true when @table itself is empty now. */
static bool prune(struct page_table *pt, void *table, unsigned level, uaddr_t base, uaddr_t start, uaddr_t end)
{
	struct pt_dir *dir = table;

	if (!level)
		return ((struct pt_leaf *)table)->nr == 0;
	for (unsigned i = slot_next(dir, slot_index(MAX(start, base), level)); i < PT_SLOTS; i = slot_next(dir, i + 1)) {
		uaddr_t at = base + ((uaddr_t)i << slot_shift(level));

		if (at >= end)
			break;
		if (!prune(pt, dir->slot[i], level - 1, at, start, end))
			continue;
		free(dir->slot[i]);
		slot_set(dir, i, NULL);
		pt->nr_tables--;
	}
	return dir->nr == 0;
}

void page_table_prune(struct page_table *pt, uaddr_t start, uaddr_t end)
{
	end = MIN(end, 1UL << PT_ADDR_BITS);
	if (!pt->root || start >= end)
		return;
	pt->last = NULL;
	if (!prune(pt, pt->root, PT_ROOT_LEVEL, 0, start, end))
		return;
	free(pt->root);
	pt->root = NULL;
	pt->nr_tables--;
}
