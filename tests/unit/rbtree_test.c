/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random operations on the tree and on a model (a sorted array); after each the red-black rules, the order and the
 * augmented data are checked from scratch.
 */
#include "sentry/base/rbtree.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

TestSuite(rbtree, .timeout = 400);

#define MAX_ITEMS 300

struct item {
	struct rb_node node;
	int key, weight;
	long sum; /* of the weights of the subtree: the augmented data */
};

static struct item *item_of(const struct rb_node *n)
{
	return rb_entry((struct rb_node *)n, struct item, node);
}

static long subtree_sum(const struct rb_node *n)
{
	return n ? item_of(n)->sum : 0;
}

static void sum_augment(struct rb_node *n)
{
	item_of(n)->sum = item_of(n)->weight + subtree_sum(n->left) + subtree_sum(n->right);
}

static int key_cmp(const struct rb_node *a, const struct rb_node *b)
{
	return (item_of(a)->key > item_of(b)->key) - (item_of(a)->key < item_of(b)->key);
}

/* Checks the subtree @n.  Returns its black height; adds its size to *@nr. */
static int check_subtree(const struct rb_node *n, const struct rb_node *parent, int *nr)
{
	int left, right;

	if (!n)
		return 1;
	cr_assert_eq(n->parent, parent);
	cr_assert(!n->red || !parent || !parent->red, "a red node has a red child");
	left = check_subtree(n->left, n, nr);
	right = check_subtree(n->right, n, nr);
	cr_assert_eq(left, right, "black heights differ");
	cr_assert_eq(item_of(n)->sum, item_of(n)->weight + subtree_sum(n->left) + subtree_sum(n->right));
	++*nr;
	return left + !n->red;
}

/* Checks the whole tree against the model: the items that must be in it, in order. */
static void check_tree(const struct rb_root *root, struct item *const *model, int nr)
{
	const struct rb_node *n;
	int found = 0, i = 0;

	cr_assert(!root->node || !root->node->red, "the root is red");
	check_subtree(root->node, NULL, &found);
	cr_assert_eq(found, nr);
	for (n = rb_first(root); n; n = rb_next(n))
		cr_assert_eq(item_of(n), model[i++]);
	for (n = rb_last(root); n; n = rb_prev(n))
		cr_assert_eq(item_of(n), model[--i]);
	cr_assert_eq(i, 0);
}

/* Inserts into the model behind equal keys, as rb_insert promises. */
static void model_insert(struct item **model, int *nr, struct item *it)
{
	int at = *nr;

	while (at > 0 && model[at - 1]->key > it->key)
		at--;
	memmove(&model[at + 1], &model[at], (size_t)(*nr - at) * sizeof(*model));
	model[at] = it;
	++*nr;
}

static struct item *model_remove(struct item **model, int *nr, int at)
{
	struct item *it = model[at];

	--*nr;
	memmove(&model[at], &model[at + 1], (size_t)(*nr - at) * sizeof(*model));
	return it;
}

static void random_ops(unsigned seed, int max_items, int key_range, int steps)
{
	static struct item items[MAX_ITEMS];
	struct item *model[MAX_ITEMS], *spare[MAX_ITEMS], *it;
	struct rb_root root = { NULL, sum_augment };
	int nr = 0, nr_spare = 0;

	srandom(seed);
	while (nr_spare < max_items) {
		spare[nr_spare] = &items[nr_spare];
		nr_spare++;
	}
	for (int step = 0; step < steps; step++) {
		/* Grows and shrinks in waves, so that both the full and the empty tree are met. */
		bool grow = random() % 100 < (step / (max_items * 2) % 2 ? 25 : 75);

		if (grow ? nr_spare > 0 : nr == 0) {
			if (!nr_spare)
				continue;
			it = spare[--nr_spare];
			it->key = (int)(random() % key_range);
			it->weight = (int)(random() % 1000);
			rb_insert(&root, &it->node, key_cmp);
			model_insert(model, &nr, it);
		} else if (nr && random() % 8 == 0) {
			it = model[random() % nr];
			it->weight = (int)(random() % 1000);
			rb_augment_path(&root, &it->node);
		} else if (nr) {
			it = model_remove(model, &nr, (int)(random() % nr));
			rb_erase(&root, &it->node);
			spare[nr_spare++] = it;
		}
		check_tree(&root, model, nr);
	}
	while (nr) {
		rb_erase(&root, &model_remove(model, &nr, (int)(random() % nr))->node);
		check_tree(&root, model, nr);
	}
}

Test(rbtree, random_operations_small)
{
	for (unsigned seed = 1; seed <= 200; seed++)
		random_ops(seed, 8, 8, 200);
}

Test(rbtree, random_operations_large)
{
	for (unsigned seed = 1; seed <= 4; seed++)
		random_ops(seed, MAX_ITEMS, 1000, 4000);
}

Test(rbtree, equal_keys_keep_insertion_order)
{
	random_ops(7, 64, 1, 2000);
}

static void ordered(bool up)
{
	static struct item items[MAX_ITEMS];
	struct item *model[MAX_ITEMS];
	struct rb_root root = { NULL, sum_augment };
	int nr = 0;

	for (int i = 0; i < MAX_ITEMS; i++) {
		items[i] = (struct item){ .key = up ? i : -i, .weight = i };
		rb_insert(&root, &items[i].node, key_cmp);
		model_insert(model, &nr, &items[i]);
		check_tree(&root, model, nr);
	}
	while (nr) {
		rb_erase(&root, &model_remove(model, &nr, 0)->node);
		check_tree(&root, model, nr);
	}
}

Test(rbtree, ascending)
{
	ordered(true);
}

Test(rbtree, descending)
{
	ordered(false);
}

Test(rbtree, insert_at_an_own_place_and_no_augmentation)
{
	struct rb_root root = RB_ROOT;
	struct item a = { .key = 1 }, b = { .key = 2 }, c = { .key = 3 };

	cr_assert_null(rb_first(&root));
	cr_assert_null(rb_last(&root));
	rb_insert_at(&root, &b.node, NULL, &root.node);
	rb_insert_at(&root, &a.node, &b.node, &b.node.left);
	rb_insert_at(&root, &c.node, &b.node, &b.node.right);
	cr_assert_eq(rb_first(&root), &a.node);
	cr_assert_eq(rb_next(&a.node), &b.node);
	cr_assert_eq(rb_last(&root), &c.node);
	cr_assert_eq(a.sum + b.sum + c.sum, 0);
	cr_assert_null(rb_entry_or_null(rb_next(&c.node), struct item, node));
	cr_assert_eq(rb_entry_or_null(rb_prev(&c.node), struct item, node), &b);
}
