/* SPDX-License-Identifier: Apache-2.0 */
#include "vfs/radix.h"

#include <stdlib.h>

#include "sentry/abi/errno.h"
#include "sentry/base/bug.h"

#define RADIX_BITS 6
#define RADIX_SLOTS (1U << RADIX_BITS)
#define RADIX_MAX_HEIGHT ((64 + RADIX_BITS - 1) / RADIX_BITS)

struct radix_node {
	uint64_t present, tagged; /* bit per slot; for an inner node: something below is */
	union {
		struct radix_node *child[RADIX_SLOTS];
		uint64_t entry[RADIX_SLOTS];
	};
};

static unsigned slot_of(uint64_t index, unsigned level)
{
	return (index >> (level * RADIX_BITS)) & (RADIX_SLOTS - 1);
}

/* The largest index a tree of @height levels holds. */
static uint64_t max_index(unsigned height)
{
	return height * RADIX_BITS >= 64 ? UINT64_MAX : (1ULL << (height * RADIX_BITS)) - 1;
}

static struct radix_node *leaf_find(const struct radix_root *root, uint64_t index)
{
	struct radix_node *n = root->node;

	if (!n || index > max_index(root->height))
		return NULL;
	for (unsigned level = root->height - 1; n && level; level--)
		n = n->child[slot_of(index, level)];
	return n;
}

uint64_t *radix_find(const struct radix_root *root, uint64_t index)
{
	struct radix_node *n = leaf_find(root, index);
	unsigned slot = slot_of(index, 0);

	return n && n->present & BIT(slot) ? &n->entry[slot] : NULL;
}

static int radix_grow(struct radix_root *root, uint64_t index)
{
	if (!root->node) {
		root->height = 1;
		while (index > max_index(root->height))
			root->height++;
		root->node = calloc(1, sizeof(*root->node));
		return root->node ? 0 : -LINUX_ENOMEM;
	}
	while (index > max_index(root->height)) {
		struct radix_node *n = calloc(1, sizeof(*n));

		if (!n)
			return -LINUX_ENOMEM;
		n->child[0] = root->node;
		n->present = !!root->node->present;
		n->tagged = !!root->node->tagged;
		root->node = n;
		root->height++;
	}
	return 0;
}

int radix_insert(struct radix_root *root, uint64_t index, uint64_t entry)
{
	struct radix_node *path[RADIX_MAX_HEIGHT], *n;
	int err = radix_grow(root, index);

	if (err)
		return err;
	n = root->node;
	for (unsigned level = root->height - 1; level; level--) {
		struct radix_node **child = &n->child[slot_of(index, level)];

		path[level] = n;
		if (!*child) {
			*child = calloc(1, sizeof(**child));
			/* Empty nodes on the way stay for the next insertion; they are not marked present. */
			if (!*child)
				return -LINUX_ENOMEM;
		}
		n = *child;
	}
	BUG_ON(n->present & BIT(slot_of(index, 0)));
	n->entry[slot_of(index, 0)] = entry;
	n->present |= BIT(slot_of(index, 0));
	for (unsigned level = 1; level < root->height; level++)
		path[level]->present |= BIT(slot_of(index, level));
	return 0;
}

static void node_free(struct radix_node *n, unsigned level)
{
	if (level)
		for (unsigned i = 0; i < RADIX_SLOTS; i++)
			if (n->child[i])
				node_free(n->child[i], level - 1);
	free(n);
}

uint64_t radix_erase(struct radix_root *root, uint64_t index)
{
	struct radix_node *path[RADIX_MAX_HEIGHT], *n = root->node;
	uint64_t entry, bit = BIT(slot_of(index, 0));

	if (!n || index > max_index(root->height))
		return 0;
	for (unsigned level = root->height - 1; level; level--) {
		path[level] = n;
		n = n->child[slot_of(index, level)];
		if (!n)
			return 0;
	}
	if (!(n->present & bit))
		return 0;
	entry = n->entry[slot_of(index, 0)];
	n->present &= ~bit;
	n->tagged &= ~bit;
	for (unsigned level = 1; level < root->height; level++) {
		bit = BIT(slot_of(index, level));
		if (!n->tagged)
			path[level]->tagged &= ~bit;
		if (!n->present) {
			node_free(n, level - 1);
			path[level]->child[slot_of(index, level)] = NULL;
			path[level]->present &= ~bit;
		}
		n = path[level];
	}
	if (!n->present)
		radix_fini(root);
	return entry;
}

/* The first slot >= @from of @mask, or RADIX_SLOTS. */
static unsigned next_bit(uint64_t mask, unsigned from)
{
	mask = from < RADIX_SLOTS ? mask & (~0ULL << from) : 0;
	return mask ? (unsigned)__builtin_ctzll(mask) : RADIX_SLOTS;
}

static uint64_t *node_next(struct radix_node *n, unsigned level, uint64_t index, bool tagged, uint64_t *ret_index)
{
	uint64_t mask = tagged ? n->tagged : n->present;
	unsigned first = slot_of(index, level);

	for (unsigned slot = next_bit(mask, first); slot < RADIX_SLOTS; slot = next_bit(mask, slot + 1)) {
		uint64_t *found;

		/* Beyond the first slot everything below counts, from its start. */
		if (slot != first)
			index = (index >> (level * RADIX_BITS) >> RADIX_BITS << RADIX_BITS | slot)
				<< (level * RADIX_BITS);
		if (!level) {
			*ret_index = index;
			return &n->entry[slot];
		}
		found = node_next(n->child[slot], level - 1, index, tagged, ret_index);
		if (found)
			return found;
	}
	return NULL;
}

uint64_t *radix_next(const struct radix_root *root, uint64_t index, bool tagged, uint64_t *ret_index)
{
	if (!root->node || index > max_index(root->height))
		return NULL;
	return node_next(root->node, root->height - 1, index, tagged, ret_index);
}

uint64_t radix_next_absent(const struct radix_root *root, uint64_t index)
{
	for (;;) {
		struct radix_node *n = leaf_find(root, index);
		unsigned slot = slot_of(index, 0), absent;

		if (!n)
			return index;
		absent = next_bit(~n->present, slot);
		index += absent - slot;
		if (absent < RADIX_SLOTS || !index)
			return index;
	}
}

void radix_tag(struct radix_root *root, uint64_t index, bool on)
{
	struct radix_node *path[RADIX_MAX_HEIGHT], *n = root->node;

	for (unsigned level = root->height - 1; level; level--) {
		path[level] = n;
		n = n->child[slot_of(index, level)];
	}
	if (on)
		n->tagged |= BIT(slot_of(index, 0));
	else
		n->tagged &= ~BIT(slot_of(index, 0));
	for (unsigned level = 1; level < root->height; level++) {
		uint64_t bit = BIT(slot_of(index, level));

		if (n->tagged)
			path[level]->tagged |= bit;
		else
			path[level]->tagged &= ~bit;
		n = path[level];
	}
}

bool radix_tagged(const struct radix_root *root, uint64_t index)
{
	struct radix_node *n = leaf_find(root, index);

	return n && n->tagged & BIT(slot_of(index, 0));
}

void radix_fini(struct radix_root *root)
{
	if (root->node)
		node_free(root->node, root->height - 1);
	root->node = NULL;
	root->height = 0;
}
