/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ranges of a file's blocks, as the rest of ext4 asks for them: set, look, cut, shift, convert.  extent_write.c changes the tree.
 */
#include <stdlib.h>
#include <string.h>

#include "vfs/ext4/extent_tree.h"

#define CUT_MAX 24	 /* extents freed in one operation: each may be in a group of its own */
#define SHIFT_LEAVES 100 /* full leaves that one operation may move */

int ext4_ext_set(struct ext4_sb_info *es, struct ext4_inode_info *ei, uint64_t lblk, uint64_t len, uint64_t pblk,
		 enum ext4_ext_state state)
{
	struct tree t;
	int err = ext4_migrate(es, ei);
	MUTEX_GUARD(&ei->lock);

	if (!err)
		err = tree_open(&t, es, ei);
	return err ? err : tree_set(&t, lblk, len, pblk, state);
}

/* What is at @lblk: an extent's rest, or (pblk 0) a hole. */
static int tree_get(struct tree *t, uint64_t lblk, struct ext *ret)
{
	struct ext3_extent *x;
	int err = tree_find(t, lblk), lo = 0, hi;

	if (err)
		return err;
	x = ext_of(leaf_of(t));
	hi = leaf_of(t)->eh->eh_entries;
	/* The first extent that ends behind lblk. */
	while (lo < hi) {
		int mid = (lo + hi) / 2;
		struct ext e = ext_decode(&x[mid]);

		if (e.lblk + e.len <= lblk)
			lo = mid + 1;
		else
			hi = mid;
	}
	*ret = (struct ext){ lblk, t->hi - lblk, 0, false };
	if (lo < leaf_of(t)->eh->eh_entries) {
		struct ext e = ext_decode(&x[lo]);

		if (e.lblk > lblk) {
			ret->len = e.lblk - lblk;
			return 0;
		}
		if (!ext4_blocks_valid(t->es, e.pblk, e.len))
			return tree_corrupted(t);
		*ret = (struct ext){ lblk, e.lblk + e.len - lblk, e.pblk + (lblk - e.lblk), e.unwritten };
	}
	return 0;
}

int ext4_ext_get(struct ext4_sb_info *es, struct ext4_inode_info *ei, uint64_t lblk, uint64_t *ret_len, uint64_t *ret_pblk,
		 enum ext4_ext_state *ret_state)
{
	struct ext e;
	struct tree t;
	int err = ext4_migrate(es, ei);

	if (!err)
		err = tree_open(&t, es, ei);
	if (!err)
		err = tree_get(&t, lblk, &e);
	if (err)
		return err;
	*ret_len = e.len;
	*ret_pblk = e.pblk;
	*ret_state = !e.pblk ? EXT4_EXT_HOLE : e.unwritten ? EXT4_EXT_UNWRITTEN : EXT4_EXT_WRITTEN;
	return 0;
}

/* Where the part of the leaf ends, from @lblk on, that one operation may free. */
static uint64_t cut_end(struct tree *t, uint64_t lblk, uint64_t end)
{
	struct ext3_extent *x = ext_of(leaf_of(t));
	unsigned seen = 0;

	for (int i = 0; i < leaf_of(t)->eh->eh_entries; i++) {
		struct ext e = ext_decode(&x[i]);

		if (e.lblk + e.len <= lblk)
			continue;
		if (seen++ == CUT_MAX)
			return MIN(end, e.lblk);
	}
	return MIN(end, t->hi);
}

int ext4_ext_cut(struct ext4_sb_info *es, struct ext4_inode_info *ei, uint64_t *lblk, uint64_t end)
{
	struct tree t;
	uint64_t stop;
	int err = ext4_migrate(es, ei);
	MUTEX_GUARD(&ei->lock);

	if (!err)
		err = tree_open(&t, es, ei);
	if (!err)
		err = tree_find(&t, *lblk);
	if (err)
		return err;
	stop = cut_end(&t, *lblk, end);
	err = tree_set(&t, *lblk, stop - *lblk, 0, EXT4_EXT_HOLE);
	*lblk = stop;
	return err;
}

/* --- blocks that move within the file --- */

struct ext_vec {
	struct ext *v;
	size_t nr, max;
};

static int exts_collect(struct tree *t, uint64_t from, struct ext_vec *ret)
{
	for (uint64_t at = from; at < EXT4_MAX_LBLK;) {
		struct ext e;
		int err = tree_get(t, at, &e);

		if (err)
			return err;
		at += e.len;
		if (!e.pblk)
			continue;
		if (ret->nr >= SHIFT_LEAVES * (size_t)tree_node_max(t->es))
			return -LINUX_EOPNOTSUPP;
		if (ret->nr == ret->max) {
			size_t max = ret->max * 2 + 64;
			struct ext *v = realloc(ret->v, max * sizeof(*v));

			if (!v)
				return -LINUX_ENOMEM;
			ret->v = v;
			ret->max = max;
		}
		ret->v[ret->nr++] = e;
	}
	return 0;
}

int ext4_ext_shift(struct ext4_sb_info *es, struct ext4_inode_info *ei, uint64_t from, uint64_t to)
{
	struct ext_vec exts = { NULL, 0, 0 };
	struct tree t;
	int err = ext4_migrate(es, ei);
	MUTEX_GUARD(&ei->lock);

	if (!err)
		err = tree_open(&t, es, ei);
	if (!err)
		err = exts_collect(&t, from, &exts);
	if (!err) {
		t.keep = true;
		err = tree_set(&t, from, EXT4_MAX_LBLK - from, 0, EXT4_EXT_HOLE);
		t.keep = false;
	}
	for (size_t i = 0; i < exts.nr && !err; i++) {
		const struct ext *e = &exts.v[i];
		uint64_t lblk = e->lblk - from + to;

		err = lblk + e->len > EXT4_MAX_LBLK ? -LINUX_EFBIG :
		      tree_set(&t, lblk, e->len, e->pblk, e->unwritten ? EXT4_EXT_UNWRITTEN : EXT4_EXT_WRITTEN);
	}
	free(exts.v);
	return err;
}

int ext4_ext_convert(struct ext4_sb_info *es, struct ext4_inode_info *ei, const struct ext4_seg_list *segs)
{
	uint32_t old[ARRAY_SIZE(ext4_raw(ei)->i_block)], flags = ei->flags;
	struct tree t;
	int err;
	MUTEX_GUARD(&ei->lock);

	memcpy(old, ext4_raw(ei)->i_block, sizeof(old));
	ext4_ext_init(ei);
	err = tree_open(&t, es, ei);
	for (uint32_t i = 0; i < segs->nr && !err; i++)
		err = tree_set(&t, segs->segs[i].lblk, segs->segs[i].len, segs->segs[i].pblk, EXT4_EXT_WRITTEN);
	/* Readers, who only wait for ei->lock, must not see half of it. */
	if (err) {
		memcpy(ext4_raw_rw(ei)->i_block, old, sizeof(old));
		ei->flags = flags;
	}
	return err;
}

uint64_t ext4_goal(struct ext4_sb_info *es, struct ext4_inode_info *ei, uint64_t lblk)
{
	uint32_t group = (ei->vfs.ino - 1) / es->fs->super->s_inodes_per_group;
	struct tree t;

	if (lblk != UINT64_MAX && !tree_open(&t, es, ei) && !tree_find(&t, lblk)) {
		struct level *leaf = leaf_of(&t);

		for (int i = leaf->eh->eh_entries; i--;) {
			struct ext e = ext_decode(&ext_of(leaf)[i]);

			if (e.lblk <= lblk)
				return e.pblk + (lblk - e.lblk);
		}
	}
	return MAX(ext2fs_group_first_block2(es->fs, group), (uint64_t)es->first_block + 1);
}
