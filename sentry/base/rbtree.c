/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A red-black tree: (1) the root is black, (2) a red node has black children, (3) every path from the root down to a
 * missing child passes the same number of black nodes.  A missing child counts as black.
 *
 * Augmented data: insertion and removal first recompute the path from the lowest changed node to the root, on the tree's
 * shape before any rotation.  A rotation leaves the set of nodes below its top unchanged, so it recomputes its two
 * nodes and nothing above them.
 */
#include "sentry/base/rbtree.h"

static bool is_red(const struct rb_node *n)
{
	return n && n->red;
}

/* The place that points to @n. */
static struct rb_node **node_link(struct rb_root *root, struct rb_node *n)
{
	if (!n->parent)
		return &root->node;
	return n->parent->left == n ? &n->parent->left : &n->parent->right;
}

void rb_augment_path(struct rb_root *root, struct rb_node *n)
{
	if (!root->augment)
		return;
	for (; n; n = n->parent)
		root->augment(n);
}

/* @n's right child takes its place and @n becomes that child's left one.  Returns the child. */
static struct rb_node *rotate_left(struct rb_root *root, struct rb_node *n)
{
	struct rb_node *top = n->right;

	n->right = top->left;
	if (n->right)
		n->right->parent = n;
	*node_link(root, n) = top;
	top->parent = n->parent;
	top->left = n;
	n->parent = top;
	if (root->augment) {
		root->augment(n);
		root->augment(top);
	}
	return top;
}

static struct rb_node *rotate_right(struct rb_root *root, struct rb_node *n)
{
	struct rb_node *top = n->left;

	n->left = top->right;
	if (n->left)
		n->left->parent = n;
	*node_link(root, n) = top;
	top->parent = n->parent;
	top->right = n;
	n->parent = top;
	if (root->augment) {
		root->augment(n);
		root->augment(top);
	}
	return top;
}

/* @n is red and its parent may be, too: the only rule that may be broken. */
static void insert_fixup(struct rb_root *root, struct rb_node *n)
{
	while (is_red(n->parent)) {
		struct rb_node *parent = n->parent, *grand = parent->parent;
		bool left = grand->left == parent;
		struct rb_node *uncle = left ? grand->right : grand->left;

		if (is_red(uncle)) {
			parent->red = uncle->red = false;
			grand->red = true;
			n = grand;
			continue;
		}
		/* An inner grandchild is first made an outer one. */
		if (n == (left ? parent->right : parent->left))
			parent = left ? rotate_left(root, parent) : rotate_right(root, parent);
		parent->red = false;
		grand->red = true;
		if (left)
			rotate_right(root, grand);
		else
			rotate_left(root, grand);
		break;
	}
	root->node->red = false;
}

void rb_insert_at(struct rb_root *root, struct rb_node *n, struct rb_node *parent, struct rb_node **link)
{
	n->parent = parent;
	n->left = n->right = NULL;
	n->red = true;
	*link = n;
	rb_augment_path(root, n);
	insert_fixup(root, n);
}

void rb_insert(struct rb_root *root, struct rb_node *n, rb_cmp_fn cmp)
{
	struct rb_node *parent = NULL, **link = &root->node;

	while (*link) {
		parent = *link;
		link = cmp(n, parent) < 0 ? &parent->left : &parent->right;
	}
	rb_insert_at(root, n, parent, link);
}

/*
 * The paths through @n (perhaps NULL), a child of @parent, have one black node too few.  The sibling is never NULL then:
 * its paths have at least one black node more.
 */
static void erase_fixup(struct rb_root *root, struct rb_node *n, struct rb_node *parent)
{
	while (parent && !is_red(n)) {
		bool left = parent->left == n;
		struct rb_node *sibling = left ? parent->right : parent->left;
		struct rb_node *outer, *inner;

		if (sibling->red) {
			sibling->red = false;
			parent->red = true;
			if (left)
				rotate_left(root, parent);
			else
				rotate_right(root, parent);
			sibling = left ? parent->right : parent->left;
		}
		outer = left ? sibling->right : sibling->left;
		inner = left ? sibling->left : sibling->right;
		if (!is_red(outer) && !is_red(inner)) {
			sibling->red = true;
			n = parent;
			parent = n->parent;
			continue;
		}
		if (!is_red(outer)) {
			inner->red = false;
			sibling->red = true;
			outer = sibling;
			sibling = left ? rotate_right(root, sibling) : rotate_left(root, sibling);
		}
		sibling->red = parent->red;
		parent->red = outer->red = false;
		if (left)
			rotate_left(root, parent);
		else
			rotate_right(root, parent);
		return;
	}
	if (n)
		n->red = false;
}

/* Puts @next, the leftmost node of @n's right subtree, in @n's place and colour.  Returns the parent @next had, or @next. */
static struct rb_node *replace_by_next(struct rb_root *root, struct rb_node *n, struct rb_node *next)
{
	struct rb_node *low = next;

	if (next != n->right) {
		low = next->parent;
		low->left = next->right;
		if (next->right)
			next->right->parent = low;
		next->right = n->right;
		next->right->parent = next;
	}
	next->left = n->left;
	next->left->parent = next;
	*node_link(root, n) = next;
	next->parent = n->parent;
	next->red = n->red;
	return low;
}

void rb_erase(struct rb_root *root, struct rb_node *n)
{
	struct rb_node *child, *low;
	bool removed_red = n->red;

	if (n->left && n->right) {
		struct rb_node *next = rb_next(n);

		removed_red = next->red;
		child = next->right;
		low = replace_by_next(root, n, next);
	} else {
		child = n->left ? n->left : n->right;
		low = n->parent;
		*node_link(root, n) = child;
		if (child)
			child->parent = low;
	}
	rb_augment_path(root, low);
	if (!removed_red)
		erase_fixup(root, child, low);
	n->parent = n->left = n->right = NULL;
}

struct rb_node *rb_first(const struct rb_root *root)
{
	struct rb_node *n = root->node;

	while (n && n->left)
		n = n->left;
	return n;
}

struct rb_node *rb_last(const struct rb_root *root)
{
	struct rb_node *n = root->node;

	while (n && n->right)
		n = n->right;
	return n;
}

struct rb_node *rb_next(const struct rb_node *n)
{
	struct rb_node *up;

	if (n->right) {
		for (up = n->right; up->left; up = up->left)
			;
		return up;
	}
	for (up = n->parent; up && n == up->right; up = up->parent)
		n = up;
	return up;
}

struct rb_node *rb_prev(const struct rb_node *n)
{
	struct rb_node *up;

	if (n->left) {
		for (up = n->left; up->right; up = up->right)
			;
		return up;
	}
	for (up = n->parent; up && n == up->left; up = up->parent)
		n = up;
	return up;
}
