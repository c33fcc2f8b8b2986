/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Intrusive red-black tree with an optional augmentation callback (kept data about a subtree, such as the largest gap
 * below a vma).  No locking.
 */
#ifndef SENTRY_BASE_RBTREE_H
#define SENTRY_BASE_RBTREE_H

#include "sentry/base/types.h"

struct rb_node {
	struct rb_node *parent, *left, *right;
	bool red;
};

struct rb_root {
	struct rb_node *node;
	/* Recomputes @n's augmented data from @n itself and its children; NULL when there is none. */
	void (*augment)(struct rb_node *n);
};

#define RB_ROOT { NULL, NULL }

/* < 0 when @a sorts before @b.  Equal keys go to the right. */
typedef int (*rb_cmp_fn)(const struct rb_node *a, const struct rb_node *b);

void rb_insert(struct rb_root *root, struct rb_node *n, rb_cmp_fn cmp);
/* Links @n as @link's new child: @link is &parent->left, &parent->right or &root->node with @parent NULL. */
void rb_insert_at(struct rb_root *root, struct rb_node *n, struct rb_node *parent, struct rb_node **link);
void rb_erase(struct rb_root *root, struct rb_node *n);
/* @n's own key data changed without a change of order: recompute the path to the root. */
void rb_augment_path(struct rb_root *root, struct rb_node *n);
struct rb_node *rb_first(const struct rb_root *root);
struct rb_node *rb_last(const struct rb_root *root);
struct rb_node *rb_next(const struct rb_node *n);
struct rb_node *rb_prev(const struct rb_node *n);

#define rb_entry(ptr, type, member) container_of(ptr, type, member)
#define rb_entry_or_null(ptr, type, member) ({ struct rb_node *n_ = (ptr); n_ ? rb_entry(n_, type, member) : NULL; })

#endif
