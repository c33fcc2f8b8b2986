/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changing extent trees.
 *
 * There is one primitive: what a range of blocks is from now on (tree_set).  It is done leaf by leaf: the leaf's extents
 * are rewritten as an array, split into two leaves when there are too many, taken out of the tree when none is left.
 * Every index entry names the first block of what is below it, as e2fsck and Linux want it.
 */
#include <stdlib.h>
#include <string.h>

#include "vfs/ext4/extent_tree.h"

#define ROOT_MAX ((sizeof(((struct ext2_inode_large *)0)->i_block) - sizeof(struct ext3_extent_header)) / sizeof(struct ext3_extent))
#define WRITTEN_MAX EXT_INIT_MAX_LEN
#define UNWRITTEN_MAX EXT_UNINIT_MAX_LEN

static struct ext3_extent_idx *idx_of(const struct level *l)
{
	return (struct ext3_extent_idx *)(l->eh + 1);
}

static uint64_t idx_pblk(const struct ext3_extent_idx *ix)
{
	return ix->ei_leaf | (uint64_t)ix->ei_leaf_hi << 32;
}

struct ext ext_decode(const struct ext3_extent *x)
{
	bool unwritten = x->ee_len > EXT_INIT_MAX_LEN;

	return (struct ext){ x->ee_block, unwritten ? x->ee_len - EXT_INIT_MAX_LEN : x->ee_len,
			     x->ee_start | (uint64_t)x->ee_start_hi << 32, unwritten };
}

static void ext_encode(struct ext3_extent *x, const struct ext *e)
{
	x->ee_block = e->lblk;
	x->ee_len = e->unwritten ? e->len + EXT_INIT_MAX_LEN : e->len;
	x->ee_start = (uint32_t)e->pblk;
	x->ee_start_hi = e->pblk >> 32;
}

int tree_corrupted(struct tree *t)
{
	return ext4_error(t->es, EFSCORRUPTED, "bad extent tree in inode %llu", (unsigned long long)t->ei->vfs.ino);
}

void ext4_ext_init(struct ext4_inode_info *ei)
{
	struct ext3_extent_header *eh = (void *)ext4_raw_rw(ei)->i_block;

	memset(ext4_raw_rw(ei)->i_block, 0, sizeof(ext4_raw(ei)->i_block));
	eh->eh_magic = EXT3_EXT_MAGIC;
	eh->eh_max = ROOT_MAX;
	ei->flags |= EXT4_EXTENTS_FL;
}

/* --- walking --- */

int tree_open(struct tree *t, struct ext4_sb_info *es, struct ext4_inode_info *ei)
{
	if (!(ei->flags & EXT4_EXTENTS_FL))
		return -LINUX_EOPNOTSUPP; /* ext4_migrate was not here */
	t->es = es;
	t->ei = ei;
	t->depth = 0;
	t->keep = false;
	t->l[0] = (struct level){ (void *)ext4_raw_rw(ei)->i_block, 0, 0 };
	return ext4_extent_check(ei, t->l[0].eh, sizeof(ext4_raw(ei)->i_block), -1);
}

static int level_read(struct tree *t, uint64_t blk, int depth, struct level *ret)
{
	uint8_t *b;
	int err;

	if (!ext4_blocks_valid(t->es, blk, 1))
		return tree_corrupted(t);
	b = ext4_mread(t->es, blk);
	if (IS_ERR(b))
		return PTR_ERR(b);
	err = ext4_extent_check(t->ei, (void *)b, t->es->blocksize, depth);
	if (!err && ext4_mfirst(t->es, blk))
		err = ext4_extent_csum_check(t->ei, (void *)b);
	*ret = (struct level){ (void *)b, blk, 0 };
	return err;
}

/* Goes down to the leaf that speaks for @lblk, or whose first block is the next one. */
int tree_find(struct tree *t, uint64_t lblk)
{
	int depth = t->l[0].eh->eh_depth;

	t->depth = 0;
	t->lo = 0;
	t->hi = EXT4_MAX_LBLK;
	if (depth > MAX_DEPTH)
		return tree_corrupted(t);
	for (; t->depth < depth; t->depth++) {
		struct level *l = &t->l[t->depth];
		struct ext3_extent_idx *ix = idx_of(l);
		int lo = 0, hi = l->eh->eh_entries, err;

		if (!hi)
			return tree_corrupted(t);
		while (lo + 1 < hi) {
			int mid = (lo + hi) / 2;

			if (ix[mid].ei_block <= lblk)
				lo = mid;
			else
				hi = mid;
		}
		l->at = lo;
		if (lo)
			t->lo = ix[lo].ei_block;
		if (lo + 1 < l->eh->eh_entries)
			t->hi = ix[lo + 1].ei_block;
		if (lblk < t->lo || lblk >= t->hi)
			return tree_corrupted(t);
		err = level_read(t, idx_pblk(&ix[lo]), depth - t->depth - 1, l + 1);
		if (err)
			return err;
	}
	return 0;
}

/* The node at @l is going to be changed. */
static int level_write(struct tree *t, struct level *l)
{
	uint8_t *b = l->blk ? ext4_mwrite(t->es, l->blk) : NULL;

	return IS_ERR(b) ? PTR_ERR(b) : 0;
}

static void level_done(struct tree *t, struct level *l)
{
	size_t tail = sizeof(*l->eh) + (size_t)l->eh->eh_max * sizeof(struct ext3_extent);

	if (l->blk && t->es->metadata_csum)
		*(uint32_t *)((char *)l->eh + tail) = ext4_crc32c(t->ei->csum_seed, l->eh, tail);
}

/* --- nodes that come and go --- */

int tree_node_max(const struct ext4_sb_info *es)
{
	return (es->blocksize - sizeof(struct ext3_extent_header) - sizeof(uint32_t)) / sizeof(struct ext3_extent);
}

static int node_new(struct tree *t, int depth, struct level *ret)
{
	uint64_t blk, goal = t->l[t->depth].blk ? t->l[t->depth].blk : ext4_goal(t->es, t->ei, UINT64_MAX);
	uint32_t got;
	uint8_t *b;
	int err = ext4_alloc_blocks(t->es, goal, 1, &blk, &got);

	if (err)
		return err;
	b = ext4_mnew(t->es, blk);
	if (IS_ERR(b))
		return PTR_ERR(b);
	*ret = (struct level){ (void *)b, blk, 0 };
	ret->eh->eh_magic = EXT3_EXT_MAGIC;
	ret->eh->eh_max = tree_node_max(t->es);
	ret->eh->eh_depth = depth;
	t->ei->vfs.blocks += t->es->blocksize / 512;
	return 0;
}

static int node_free(struct tree *t, uint64_t blk)
{
	int err = ext4_mforget(t->es, blk);

	t->ei->vfs.blocks -= t->es->blocksize / 512;
	return err ? err : ext4_free_blocks(t->es, blk, 1);
}

/* The first block below level @d changed: so do the index entries that say so. */
static int keys_fix(struct tree *t, int d, uint32_t key)
{
	while (d--) {
		struct level *l = &t->l[d];
		int err = level_write(t, l);

		if (err)
			return err;
		idx_of(l)[l->at].ei_block = key;
		level_done(t, l);
		if (l->at)
			break;
	}
	return 0;
}

/* The root moves to a node of its own, and points to that. */
static int tree_grow(struct tree *t)
{
	struct level *root = &t->l[0], node;
	struct ext3_extent_idx *ix;
	int err;

	if (root->eh->eh_depth >= MAX_DEPTH)
		return -LINUX_EFBIG;
	err = node_new(t, root->eh->eh_depth, &node);
	if (err)
		return err;
	memcpy(node.eh + 1, root->eh + 1, root->eh->eh_entries * sizeof(struct ext3_extent));
	node.eh->eh_entries = root->eh->eh_entries;
	node.at = root->at;
	memmove(&t->l[2], &t->l[1], t->depth * sizeof(t->l[0]));
	t->l[1] = node;
	t->depth++;
	level_done(t, &t->l[1]);
	ix = idx_of(root);
	ix->ei_block = ((struct ext3_extent *)(node.eh + 1))->ee_block; /* the same place in both kinds */
	ix->ei_leaf = (uint32_t)node.blk;
	ix->ei_leaf_hi = node.blk >> 32;
	ix->ei_unused = 0;
	root->eh->eh_entries = 1;
	root->eh->eh_depth++;
	root->eh->eh_max = ROOT_MAX;
	root->at = 0;
	return 0;
}

/* Enters a child behind the one that was followed, @height levels above the leaves. */
static int idx_insert(struct tree *t, int height, uint32_t key, uint64_t child)
{
	struct level *l = &t->l[t->depth - height], node;
	struct ext3_extent_idx *ix;
	int err, n = l->eh->eh_entries;

	if (n >= l->eh->eh_max && t->depth == height) {
		err = tree_grow(t);
		if (err)
			return err;
		l = &t->l[t->depth - height];
	}
	if (n >= l->eh->eh_max) {
		int keep = l->at + 1 == n ? n : n / 2;

		err = node_new(t, l->eh->eh_depth, &node);
		if (err)
			return err;
		err = level_write(t, l);
		if (err)
			return err;
		memcpy(node.eh + 1, idx_of(l) + keep, (n - keep) * sizeof(*ix));
		node.eh->eh_entries = n - keep;
		l->eh->eh_entries = keep;
		level_done(t, l);
		if (keep == n) {
			/* Growing at the end: the new node begins with the new child. */
			ix = idx_of(&node);
			*ix = (struct ext3_extent_idx){ key, (uint32_t)child, child >> 32, 0 };
			node.eh->eh_entries = 1;
			level_done(t, &node);
			return idx_insert(t, height + 1, key, node.blk);
		}
		level_done(t, &node);
		err = idx_insert(t, height + 1, idx_of(&node)->ei_block, node.blk);
		if (err)
			return err;
		l = &t->l[t->depth - height];
		if (l->at >= keep) {
			node.at = l->at - keep;
			*l = node;
		}
	}
	err = level_write(t, l);
	if (err)
		return err;
	ix = idx_of(l);
	n = l->eh->eh_entries;
	memmove(&ix[l->at + 2], &ix[l->at + 1], (n - l->at - 1) * sizeof(*ix));
	ix[l->at + 1] = (struct ext3_extent_idx){ key, (uint32_t)child, child >> 32, 0 };
	l->eh->eh_entries = n + 1;
	level_done(t, l);
	return 0;
}

/* The leaf is empty: takes it out, and what is empty above it then. */
static int leaf_remove(struct tree *t)
{
	int err, d;

	for (d = t->depth; d > 0; d--) {
		struct level *l = &t->l[d - 1];
		struct ext3_extent_idx *ix = idx_of(l);
		int n = l->eh->eh_entries;

		err = node_free(t, t->l[d].blk);
		if (!err)
			err = level_write(t, l);
		if (err)
			return err;
		memmove(&ix[l->at], &ix[l->at + 1], (n - l->at - 1) * sizeof(*ix));
		l->eh->eh_entries = n - 1;
		level_done(t, l);
		if (n > 1)
			return l->at ? 0 : keys_fix(t, d - 1, ix[0].ei_block);
	}
	t->l[0].eh->eh_depth = 0;
	t->l[0].eh->eh_max = ROOT_MAX;
	return 0;
}

/* A tree of one leaf whose extents fit into the inode: they go there. */
static int tree_shrink(struct tree *t)
{
	struct level *root = &t->l[0], leaf;
	int err, n;

	while (root->eh->eh_depth && root->eh->eh_entries == 1) {
		err = level_read(t, idx_pblk(idx_of(root)), root->eh->eh_depth - 1, &leaf);
		if (err)
			return err;
		n = leaf.eh->eh_entries;
		if (n > (int)ROOT_MAX)
			break;
		memcpy(root->eh + 1, leaf.eh + 1, n * sizeof(struct ext3_extent));
		root->eh->eh_entries = n;
		root->eh->eh_depth--;
		root->eh->eh_max = ROOT_MAX;
		err = node_free(t, leaf.blk);
		if (err)
			return err;
	}
	return 0;
}

/* --- one leaf, rewritten --- */

struct ext_list {
	struct ext *v;
	unsigned nr;
};

static void ext_push(struct ext_list *l, struct ext e)
{
	uint64_t max = e.unwritten ? UNWRITTEN_MAX : WRITTEN_MAX;

	while (e.len) {
		struct ext *last = l->nr ? &l->v[l->nr - 1] : NULL;
		uint64_t part;

		if (last && last->unwritten == e.unwritten && last->lblk + last->len == e.lblk &&
		    last->pblk + last->len == e.pblk && last->len < max) {
			part = MIN(e.len, max - last->len);
			last->len += part;
		} else {
			part = MIN(e.len, max);
			l->v[l->nr++] = (struct ext){ e.lblk, part, e.pblk, e.unwritten };
		}
		e.lblk += part;
		e.pblk += part;
		e.len -= part;
	}
}

static struct ext ext_part(const struct ext *e, uint64_t lo, uint64_t hi)
{
	return (struct ext){ lo, hi - lo, e->pblk + (lo - e->lblk), e->unwritten };
}

/* Frees the part [lo, hi) of @e, unless @new puts the same blocks there. */
static int part_free(struct tree *t, const struct ext *e, uint64_t lo, uint64_t hi, const struct ext *new)
{
	struct ext p = ext_part(e, lo, hi);

	if (t->keep || (new->pblk && new->pblk + (lo - new->lblk) == p.pblk))
		return 0;
	/* What directories and symlinks hold is metadata, which the log may have. */
	for (uint64_t i = 0; i < p.len && !LINUX_S_ISREG(t->ei->vfs.mode); i++) {
		int err = ext4_mforget(t->es, p.pblk + i);

		if (err)
			return err;
	}
	t->ei->vfs.blocks -= p.len * (t->es->blocksize / 512);
	return ext4_free_blocks(t->es, p.pblk, p.len);
}

/* The leaf's extents with @new (pblk 0: a hole) in their midst. */
static int leaf_merge(struct tree *t, const struct ext *new, struct ext_list *out)
{
	uint64_t lo = new->lblk, hi = new->lblk + new->len, next = t->lo;
	struct ext3_extent *x = ext_of(leaf_of(t));
	int n = leaf_of(t)->eh->eh_entries, err;
	bool done = !new->pblk;

	for (int i = 0; i < n; i++) {
		struct ext e = ext_decode(&x[i]);
		uint64_t end = e.lblk + e.len;

		if (!e.len || e.lblk < next || end > t->hi || !ext4_blocks_valid(t->es, e.pblk, e.len))
			return tree_corrupted(t);
		next = end;
		if (e.lblk < lo)
			ext_push(out, ext_part(&e, e.lblk, MIN(end, lo)));
		if (!done && end > lo) {
			ext_push(out, *new);
			done = true;
		}
		if (e.lblk < hi && end > lo) {
			err = part_free(t, &e, MAX(e.lblk, lo), MIN(end, hi), new);
			if (err)
				return err;
		}
		if (end > hi)
			ext_push(out, ext_part(&e, MAX(e.lblk, hi), end));
	}
	if (!done)
		ext_push(out, *new);
	return 0;
}

static void exts_store(struct tree *t, struct level *l, const struct ext *v, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		ext_encode(&ext_of(l)[i], &v[i]);
	l->eh->eh_entries = n;
	level_done(t, l);
}

static int leaf_store(struct tree *t, const struct ext_list *l, bool append)
{
	struct level *leaf, node;
	unsigned max, left;
	int err = level_write(t, leaf_of(t));

	if (err)
		return err;
	if (!l->nr && t->depth)
		return leaf_remove(t);
	if (l->nr > leaf_of(t)->eh->eh_max && !t->depth) {
		err = tree_grow(t);
		if (err)
			return err;
	}
	leaf = leaf_of(t);
	max = leaf->eh->eh_max;
	left = l->nr <= max ? l->nr : append ? max : l->nr / 2;
	exts_store(t, leaf, l->v, left);
	if (left && t->depth)
		err = keys_fix(t, t->depth, l->v[0].lblk);
	if (err || left == l->nr)
		return err;
	if (l->nr - left > (unsigned)tree_node_max(t->es))
		return -EFSCORRUPTED;
	err = node_new(t, 0, &node);
	if (err)
		return err;
	exts_store(t, &node, l->v + left, l->nr - left);
	return idx_insert(t, 1, l->v[left].lblk, node.blk);
}

/* A write that goes on where the last extent ends only makes that longer. */
static bool leaf_extend(struct tree *t, const struct ext *new)
{
	struct level *leaf = leaf_of(t);
	int n = leaf->eh->eh_entries;
	struct ext e;

	if (!n || !new->pblk)
		return false;
	e = ext_decode(&ext_of(leaf)[n - 1]);
	if (e.unwritten != new->unwritten || e.lblk + e.len != new->lblk || e.pblk + e.len != new->pblk ||
	    e.len + new->len > (e.unwritten ? UNWRITTEN_MAX : WRITTEN_MAX))
		return false;
	e.len += new->len;
	ext_encode(&ext_of(leaf)[n - 1], &e);
	level_done(t, leaf);
	return true;
}

static int leaf_apply(struct tree *t, const struct ext *new)
{
	struct level *leaf = leaf_of(t);
	unsigned n = leaf->eh->eh_entries, chunks = 2 + new->len / UNWRITTEN_MAX;
	struct ext_list out = { NULL, 0 };
	bool append;
	int err = level_write(t, leaf);

	if (err)
		return err;
	if (leaf_extend(t, new))
		return 0;
	append = n && ext_of(leaf)[n - 1].ee_block < new->lblk;
	out.v = malloc((n + 2 + (new->pblk ? chunks : 0)) * sizeof(*out.v));
	if (!out.v)
		return -LINUX_ENOMEM;
	err = leaf_merge(t, new, &out);
	if (!err)
		err = leaf_store(t, &out, append);
	free(out.v);
	return err;
}

/* --- the primitive --- */

int tree_set(struct tree *t, uint64_t lblk, uint64_t len, uint64_t pblk, enum ext4_ext_state state)
{
	int err = 0;

	while (len && !err) {
		struct ext new = { lblk, len, pblk, state == EXT4_EXT_UNWRITTEN };

		err = tree_find(t, lblk);
		if (err)
			break;
		new.len = MIN(len, t->hi - lblk);
		err = leaf_apply(t, &new);
		lblk += new.len;
		len -= new.len;
		if (pblk)
			pblk += new.len;
	}
	if (!err && !pblk)
		err = tree_shrink(t);
	t->ei->nr_segs = 0;
	return err;
}
