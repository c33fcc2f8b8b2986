/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hash tree of a directory, written.  Its inner blocks (Documentation/filesystems/ext4/directory.rst):
 *
 *     root: "." "..", dx_root_info, { limit, count, block } { hash, block }...
 *     node: one unused entry over the block, the same table
 *
 * A table entry stands for the hashes from its own up to the next one's; the lowest bit says that the block in front ends
 * with the same hash.
 */
#include <stdlib.h>
#include <string.h>

#include "vfs/ext4/dir_index.h"
#include "vfs/name_hash.h"

#define ROOT_TABLE 32 /* where the table is in the root, and in a node */
#define NODE_TABLE 8
#define LINK_LEVELS 2 /* of tables, as Linux without large_dir */

struct frame {
	uint32_t off; /* of the block */
	int at;	      /* the entry that was followed */
};

static uint32_t dx_table(const struct dir_work *w, uint32_t off)
{
	(void)w;
	return off ? NODE_TABLE : ROOT_TABLE;
}

static struct ext2_dx_countlimit *dx_count(const struct dir_work *w, uint32_t off)
{
	return (struct ext2_dx_countlimit *)(w->x->data + off + dx_table(w, off));
}

static struct ext2_dx_entry *dx_entries(const struct dir_work *w, uint32_t off)
{
	return (struct ext2_dx_entry *)dx_count(w, off);
}

void dir_dx_csum_set(struct dir_work *w, uint32_t off)
{
	struct ext2_dx_countlimit *c = dx_count(w, off);
	struct ext2_dx_tail *t = (void *)(dx_entries(w, off) + c->limit);
	uint32_t csum, zero = 0;

	csum = ext4_crc32c(w->ei->csum_seed, w->x->data + off, dx_table(w, off) + c->count * sizeof(struct ext2_dx_entry));
	csum = ext4_crc32c(csum, &t->dt_reserved, sizeof(t->dt_reserved));
	t->dt_checksum = ext4_crc32c(csum, &zero, sizeof(zero));
}

/* --- the hash tree --- */

struct hashed {
	uint32_t hash, size;
	uint32_t off; /* in the copy that is being spread */
	struct dir_slot *slot;
};

static int hashed_cmp(const void *a, const void *b)
{
	const struct hashed *x = a, *y = b;

	return x->hash < y->hash ? -1 : x->hash > y->hash;
}

static uint32_t dx_hash(struct dir_work *w, unsigned version, const char *name, size_t len)
{
	ext2_dirhash_t hash = 0, minor;

	if (w->es->fs->super->s_flags & EXT2_FLAGS_UNSIGNED_HASH)
		version += 3;
	ext2fs_dirhash2(version, name, len, NULL, 0, w->es->fs->super->s_hash_seed, &hash, &minor);
	return hash;
}

static struct ext2_dx_root_info *dx_info(const struct dir_work *w)
{
	return (struct ext2_dx_root_info *)(w->x->data + 24);
}

static int dx_bad(struct dir_work *w)
{
	return ext4_error(w->es, EFSCORRUPTED, "bad hash tree of directory %llu", (unsigned long long)w->ei->vfs.ino);
}

static uint32_t dx_limit(const struct dir_work *w, uint32_t off)
{
	uint32_t room = w->x->chunk - dx_table(w, off) - (w->es->metadata_csum ? sizeof(struct ext2_dx_tail) : 0);

	return room / sizeof(struct ext2_dx_entry);
}

static bool dx_ok(struct dir_work *w, uint32_t off)
{
	const struct ext2_dx_countlimit *c = dx_count(w, off);

	return c->limit == dx_limit(w, off) && c->count && c->count <= c->limit;
}

/* From the root to the leaf for @hash; *ret_nr frames. */
static int dx_find(struct dir_work *w, uint32_t hash, struct frame *frames, int *ret_nr, uint32_t *ret_leaf)
{
	int levels = dx_info(w)->indirect_levels + 1;
	uint32_t off = 0;

	if (levels > 3 || dx_info(w)->info_length != 8 || dx_info(w)->hash_version > EXT2_HASH_TEA)
		return dx_bad(w);
	for (int i = 0; i < levels; i++) {
		struct ext2_dx_entry *e = dx_entries(w, off);
		int lo = 0, hi;

		if (!dx_ok(w, off) || !dir_is_dx_block(w->ei, w->x, off))
			return dx_bad(w);
		hi = dx_count(w, off)->count;
		while (lo + 1 < hi) {
			int mid = (lo + hi) / 2;

			if (e[mid].hash <= hash)
				lo = mid;
			else
				hi = mid;
		}
		frames[i] = (struct frame){ off, lo };
		if ((e[lo].block & 0x0fffffff) >= w->x->size / w->x->chunk || !(e[lo].block & 0x0fffffff))
			return dx_bad(w);
		off = (e[lo].block & 0x0fffffff) * w->x->chunk;
	}
	*ret_nr = levels;
	*ret_leaf = off;
	return 0;
}

static void dx_table_init(struct dir_work *w, uint32_t off, uint32_t block)
{
	if (off) {
		struct ext2_dir_entry_2 *de = dir_entry_at(w->x, off);

		memset(w->x->data + off, 0, w->x->chunk);
		dir_rec_len_set(w->x, de, w->x->chunk);
	}
	dx_count(w, off)->limit = dx_limit(w, off);
	dx_count(w, off)->count = 1;
	dx_entries(w, off)[0].block = block;
}

/* Enters @block for hashes from @hash on behind the entry that was followed in frames[d]. */
static int dx_insert(struct dir_work *w, struct frame *frames, int *nr, int d, uint32_t hash, uint32_t block)
{
	int max = ext2fs_has_feature_largedir(w->es->fs->super) ? 3 : LINK_LEVELS, n, err;
	struct ext2_dx_entry *e, *e2;
	uint32_t off2;

	if (dx_count(w, frames[d].off)->count < dx_limit(w, frames[d].off)) {
		e = dx_entries(w, frames[d].off);
		n = dx_count(w, frames[d].off)->count++;
		memmove(&e[frames[d].at + 2], &e[frames[d].at + 1], (n - frames[d].at - 1) * sizeof(*e));
		e[frames[d].at + 1] = (struct ext2_dx_entry){ hash, block };
		return dir_block_put(w, frames[d].off);
	}
	if (!d && *nr >= max)
		return -LINUX_ENOSPC;
	err = dir_block_append(w, &off2);
	if (err)
		return err;
	dx_table_init(w, off2, 0);
	e = dx_entries(w, frames[d].off);
	e2 = dx_entries(w, off2);
	n = dx_count(w, frames[d].off)->count;
	if (!d) {
		/* The root's table moves into a node, which has room: it is larger, or is split next. */
		int keep = MIN((uint32_t)n, dx_limit(w, off2));

		memcpy(&e2[1], &e[1], (keep - 1) * sizeof(*e));
		e2[0].block = e[0].block;
		dx_count(w, off2)->count = keep;
		dx_count(w, 0)->count = 1;
		e[0].block = off2 / w->x->chunk;
		dx_info(w)->indirect_levels++;
		memmove(&frames[1], &frames[0], *nr * sizeof(*frames));
		frames[1].off = off2;
		frames[0].at = 0;
		(*nr)++;
		err = dir_block_put(w, 0);
		if (!err)
			err = dir_block_put(w, off2);
		return err ? err : dx_insert(w, frames, nr, 1, hash, block);
	}
	/* A full node: its upper half goes to a new one. */
	int half = n / 2;
	uint32_t hash2 = e[half].hash;

	e2[0].block = e[half].block;
	memcpy(&e2[1], &e[half + 1], (n - half - 1) * sizeof(*e));
	dx_count(w, off2)->count = n - half;
	dx_count(w, frames[d].off)->count = half;
	err = dir_block_put(w, off2);
	if (!err)
		err = dir_block_put(w, frames[d].off);
	if (!err) {
		int before = *nr;

		err = dx_insert(w, frames, nr, d - 1, hash2, off2 / w->x->chunk);
		d += *nr - before;
	}
	if (err)
		return err;
	if (frames[d].at >= half) {
		frames[d].off = off2;
		frames[d].at -= half;
	}
	return dx_insert(w, frames, nr, d, hash, block);
}

/* The names of a block, of which @copy is a copy, with their hashes; before any of them moves. */
static unsigned leaf_collect(struct dir_work *w, const uint8_t *copy, unsigned version, struct hashed *v)
{
	unsigned n = 0;

	for (uint32_t at = 0, end = dir_leaf_end(w); at < end;) {
		const struct ext2_dir_entry_2 *de = (const void *)(copy + at);

		if (dir_is_child(de))
			v[n++] = (struct hashed){ dx_hash(w, version, de->name, de->name_len), dir_entry_size(de->name_len), at,
						  dir_slot_of(w->x, de->name, de->name_len,
							      name_hash(de->name, de->name_len)) };
		at += dir_rec_len(w->x, de);
	}
	return n;
}

/* Fills the block at @off with those of @v, which are in @copy. */
static int leaf_fill(struct dir_work *w, uint32_t off, const uint8_t *copy, const struct hashed *v, unsigned n)
{
	uint32_t at = off, end = off + dir_leaf_end(w), last = off;

	dir_block_empty(w, off);
	for (unsigned i = 0; i < n; i++) {
		const struct ext2_dir_entry_2 *de = (const void *)(copy + v[i].off);

		memcpy(w->x->data + at, de, 8 + de->name_len);
		dir_rec_len_set(w->x, dir_entry_at(w->x, at), v[i].size);
		v[i].slot->off = at;
		w->x->order[v[i].slot->seq] = at;
		last = at;
		at += v[i].size;
	}
	if (n)
		dir_rec_len_set(w->x, dir_entry_at(w->x, last), end - last);
	return dir_block_put(w, off);
}

/* Splits the leaf at @off by hash.  *ret_off: where a name of @hash goes now. */
static int leaf_split(struct dir_work *w, struct frame *frames, int nr, uint32_t off, uint32_t hash, uint32_t *ret_off)
{
	unsigned n, split, max = w->x->chunk / 12 + 1, version = dx_info(w)->hash_version;
	struct hashed *v = malloc(max * sizeof(*v));
	uint8_t *copy = malloc(w->x->chunk);
	uint32_t off2, sum = 0, hash2;
	int err = v && copy ? dir_block_append(w, &off2) : -LINUX_ENOMEM;

	if (err)
		goto out;
	memcpy(copy, w->x->data + off, w->x->chunk);
	n = leaf_collect(w, copy, version, v);
	qsort(v, n, sizeof(*v), hashed_cmp);
	for (split = n; split > 1 && sum + v[split - 1].size / 2 <= w->x->chunk / 2; split--)
		sum += v[split - 1].size;
	if (!n || split == n) {
		err = n ? -LINUX_ENOSPC : dx_bad(w);
		goto out;
	}
	hash2 = v[split].hash;
	err = leaf_fill(w, off, copy, v, split);
	if (!err)
		err = leaf_fill(w, off2, copy, v + split, n - split);
	if (!err)
		err = dx_insert(w, frames, &nr, nr - 1, hash2 | (v[split - 1].hash == hash2), off2 / w->x->chunk);
	*ret_off = hash >= hash2 ? off2 : off;
out:
	free(copy);
	free(v);
	return err;
}

/* --- from linear to hashed --- */

/* Hands @n sorted names out to leaves, to three quarters each.  Returns the leaves; @starts may be NULL to count only. */
static unsigned leaves_plan(const struct dir_work *w, const struct hashed *v, unsigned n, unsigned *starts)
{
	uint32_t fill = dir_leaf_end(w) / 4 * 3, sum = 0;
	unsigned leaves = 0;

	for (unsigned i = 0; i < n; i++) {
		if (!i || sum + v[i].size > fill) {
			if (starts)
				starts[leaves] = i;
			leaves++;
			sum = 0;
		}
		sum += v[i].size;
	}
	return leaves;
}

static unsigned names_collect(struct dir_work *w, const uint8_t *copy, unsigned version, struct hashed *v)
{
	unsigned n = 0;

	for (uint32_t off = 0; off < w->x->size; off += w->x->chunk) {
		unsigned m = leaf_collect(w, copy + off, version, v + n);

		for (unsigned i = n; i < n + m; i++)
			v[i].off += off;
		n += m;
	}
	return n;
}

/* Block 0 becomes the root: "." and ".." stay, the rest is the table. */
static int root_make(struct dir_work *w, unsigned version)
{
	struct ext2_dir_entry_2 *dot = dir_entry_at(w->x, 0), *dotdot = dir_entry_at(w->x, 12);

	if (dir_rec_len(w->x, dot) != 12 || dot->name_len != 1 || dotdot->name_len != 2)
		return dx_bad(w);
	memset(w->x->data + 24, 0, w->x->chunk - 24);
	dir_rec_len_set(w->x, dotdot, w->x->chunk - 12);
	dx_info(w)->hash_version = version;
	dx_info(w)->info_length = 8;
	dx_table_init(w, 0, 0);
	return 0;
}

/* Leaves and tables over all names; blocks [1, blocks) are there.  @nodes inner blocks come behind the leaves. */
static int tree_fill(struct dir_work *w, const uint8_t *copy, const struct hashed *v, unsigned n, const unsigned *starts,
		     unsigned leaves, unsigned nodes)
{
	unsigned per = nodes ? DIV_ROUND_UP(leaves, nodes) : leaves;
	int err = 0;

	if (nodes)
		dx_info(w)->indirect_levels = 1;
	for (unsigned i = 0; i < leaves && !err; i++) {
		unsigned from = starts[i], to = i + 1 < leaves ? starts[i + 1] : n;
		uint32_t hash = v[from].hash | (i && v[from - 1].hash == v[from].hash), table = 0, node = 1 + leaves + i / per;

		err = leaf_fill(w, (i + 1) * w->x->chunk, copy, v + from, to - from);
		if (nodes) {
			table = node * w->x->chunk;
			if (!(i % per)) {
				dx_table_init(w, table, i + 1);
				if (!i)
					dx_entries(w, 0)[0].block = node;
				else
					dx_entries(w, 0)[dx_count(w, 0)->count++] = (struct ext2_dx_entry){ hash, node };
				continue;
			}
		}
		if (!i)
			dx_entries(w, 0)[0].block = 1;
		else
			dx_entries(w, table)[dx_count(w, table)->count++] = (struct ext2_dx_entry){ hash, i + 1 };
	}
	for (unsigned i = 0; i < nodes && !err; i++)
		err = dir_block_put(w, (1 + leaves + i) * w->x->chunk);
	return err ? err : dir_block_put(w, 0);
}

int dir_htree_make(struct dir_work *w)
{
	unsigned version = w->es->fs->super->s_def_hash_version, n, leaves, nodes = 0, have = w->x->size / w->x->chunk;
	unsigned *starts = NULL;
	struct hashed *v;
	uint8_t *copy;
	uint32_t off;
	int err = 1;

	v = malloc((w->x->size / 12 + 1) * sizeof(*v));
	copy = malloc(w->x->size);
	if (!v || !copy) {
		err = -LINUX_ENOMEM;
		goto out;
	}
	if (version > EXT2_HASH_TEA)
		version = EXT2_HASH_HALF_MD4;
	memcpy(copy, w->x->data, w->x->size);
	n = names_collect(w, copy, version, v);
	if (n != w->x->nr_names || !n) /* a name twice: e2fsck's */
		goto out;
	qsort(v, n, sizeof(*v), hashed_cmp);
	leaves = leaves_plan(w, v, n, NULL);
	if (leaves > dx_limit(w, 0))
		nodes = DIV_ROUND_UP(leaves, dx_limit(w, w->x->chunk) / 4 * 3);
	if (nodes > dx_limit(w, 0) || 1 + leaves + nodes < have)
		goto out;
	starts = malloc(leaves * sizeof(*starts));
	if (!starts) {
		err = -LINUX_ENOMEM;
		goto out;
	}
	leaves_plan(w, v, n, starts);
	err = leaves + nodes + 32 > w->es->rw->max_running / 2 ? dir_blocks_renew(w, 1 + leaves + nodes) : 0;
	for (; have < 1 + leaves + nodes && !w->ordered && !err; have++)
		err = dir_block_append(w, &off);
	if (!err) {
		w->ei->flags |= EXT2_INDEX_FL;
		err = root_make(w, version);
	}
	if (!err)
		err = tree_fill(w, copy, v, n, starts, leaves, nodes);
	w->ordered = false;
out:
	free(starts);
	free(copy);
	free(v);
	return err;
}

/* --- adding --- */

int dir_htree_add(struct dir_work *w, const char *name, size_t len, uint32_t ino, unsigned ft, uint32_t *ret_at)
{
	uint32_t hash = dx_hash(w, dx_info(w)->hash_version, name, len), leaf = 0;
	struct frame frames[4];
	int nr = 0, err = dx_find(w, hash, frames, &nr, &leaf);

	if (err)
		return err;
	*ret_at = dir_entry_put(w, leaf, name, len, ino, ft);
	if (!*ret_at) {
		err = leaf_split(w, frames, nr, leaf, hash, &leaf);
		if (err)
			return err;
		*ret_at = dir_entry_put(w, leaf, name, len, ino, ft);
		if (!*ret_at)
			return -LINUX_ENOSPC;
	}
	return dir_block_put(w, leaf);
}
