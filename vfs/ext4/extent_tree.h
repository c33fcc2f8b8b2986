/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An extent tree on the way from its root to a leaf, for extent_write.c and extent_range.c.  ei->lock is held while it is changed.
 */
#ifndef SENTRY_VFS_EXT4_EXTENT_TREE_H
#define SENTRY_VFS_EXT4_EXTENT_TREE_H

#include "vfs/ext4/ext4_rw.h"

#define MAX_DEPTH 5

struct level {
	struct ext3_extent_header *eh;
	uint64_t blk; /* 0: the root, in the inode */
	int at;	      /* the index entry that was followed */
};

struct tree {
	struct ext4_sb_info *es;
	struct ext4_inode_info *ei;
	int depth;
	bool keep; /* blocks that are taken out of the tree are not freed: they go elsewhere */
	struct level l[MAX_DEPTH + 2];
	uint64_t lo, hi; /* what the leaf speaks for */
};

struct ext {
	uint64_t lblk, len, pblk;
	bool unwritten;
};

static inline struct level *leaf_of(struct tree *t)
{
	return &t->l[t->depth];
}

static inline struct ext3_extent *ext_of(const struct level *l)
{
	return (struct ext3_extent *)(l->eh + 1);
}

struct ext ext_decode(const struct ext3_extent *x);
/* Says that the tree is damaged; -EFSCORRUPTED. */
int tree_corrupted(struct tree *t);
int tree_open(struct tree *t, struct ext4_sb_info *es, struct ext4_inode_info *ei);
/* Goes down to the leaf that speaks for @lblk, or whose first block is the next one. */
int tree_find(struct tree *t, uint64_t lblk);
/* [lblk, lblk + len) is at @pblk (0: nowhere) from now on; what was there is freed unless it stays or t->keep says so. */
int tree_set(struct tree *t, uint64_t lblk, uint64_t len, uint64_t pblk, enum ext4_ext_state state);
/* Entries of a node in a block. */
int tree_node_max(const struct ext4_sb_info *es);

#endif
