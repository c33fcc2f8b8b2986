/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks: bitmaps and group descriptors in the cache of metadata blocks.
 *
 * What an uncommitted transaction freed is free in the bitmap on the disk but kept in the group's quarantine: a crash may
 * bring its old owner back.
 */
#include <stdlib.h>
#include <string.h>

#include "vfs/ext4/ext4_rw.h"

#define GOOD_RUN 64 /* a run of this many blocks is worth leaving the goal's group for, not more */

/* --- group descriptors --- */

static uint32_t desc_size(const struct ext4_sb_info *es)
{
	return EXT2_DESC_SIZE(es->fs->super);
}

static bool has_hi(const struct ext4_sb_info *es)
{
	return desc_size(es) >= EXT2_MIN_DESC_SIZE_64BIT;
}

struct ext4_group_desc *ext4_gd(struct ext4_sb_info *es, uint32_t group, bool write)
{
	uint32_t per = es->blocksize / desc_size(es);
	uint64_t blk = ext2fs_descriptor_block_loc2(es->fs, es->first_block, group / per);
	uint8_t *b = write ? ext4_mwrite(es, blk) : ext4_mread(es, blk);

	if (IS_ERR(b))
		return (struct ext4_group_desc *)b;
	return (struct ext4_group_desc *)(b + group % per * desc_size(es));
}

void ext4_gd_done(struct ext4_sb_info *es, uint32_t group, struct ext4_group_desc *gd)
{
	void *copy = ext2fs_group_desc(es->fs, es->fs->group_desc, group);

	memcpy(copy, gd, desc_size(es));
	ext2fs_group_desc_csum_set(es->fs, group);
	memcpy(gd, copy, desc_size(es));
}

static uint32_t gd_free(const struct ext4_sb_info *es, const struct ext4_group_desc *gd)
{
	return gd->bg_free_blocks_count | (has_hi(es) ? (uint32_t)gd->bg_free_blocks_count_hi << 16 : 0);
}

static void gd_free_set(const struct ext4_sb_info *es, struct ext4_group_desc *gd, uint32_t n)
{
	gd->bg_free_blocks_count = (uint16_t)n;
	if (has_hi(es))
		gd->bg_free_blocks_count_hi = n >> 16;
}

/* --- bitmaps --- */

static uint32_t group_blocks(const struct ext4_sb_info *es, uint32_t group)
{
	uint64_t first = ext2fs_group_first_block2(es->fs, group);

	return MIN((uint64_t)es->fs->super->s_blocks_per_group, es->nr_blocks - first);
}

static uint32_t bitmap_csum(struct ext4_sb_info *es, const uint8_t *bitmap)
{
	return ext4_crc32c(es->fs->csum_seed, bitmap, es->fs->super->s_clusters_per_group / 8);
}

static bool bitmap_csum_ok(struct ext4_sb_info *es, const struct ext4_group_desc *gd, const uint8_t *bitmap)
{
	uint32_t csum = bitmap_csum(es, bitmap);

	if (!es->metadata_csum)
		return true;
	if ((csum & 0xffff) != gd->bg_block_bitmap_csum_lo)
		return false;
	return !has_hi(es) || csum >> 16 == gd->bg_block_bitmap_csum_hi;
}

static void bitmap_csum_set(struct ext4_sb_info *es, struct ext4_group_desc *gd, const uint8_t *bitmap)
{
	uint32_t csum = bitmap_csum(es, bitmap);

	if (!es->metadata_csum)
		return;
	gd->bg_block_bitmap_csum_lo = (uint16_t)csum;
	if (has_hi(es))
		gd->bg_block_bitmap_csum_hi = csum >> 16;
}

static void bit_set(uint8_t *map, uint32_t bit)
{
	map[bit / 8] |= 1U << (bit % 8);
}

static bool bit_test(const uint8_t *map, uint32_t bit)
{
	return map[bit / 8] >> (bit % 8) & 1;
}

/* Marks what of [blk, blk + nr) lies in @group. */
static void mark_own(struct ext4_sb_info *es, uint32_t group, uint8_t *map, uint64_t blk, uint32_t nr)
{
	uint64_t first = ext2fs_group_first_block2(es->fs, group), n = group_blocks(es, group);

	for (; nr; nr--, blk++)
		if (blk >= first && blk < first + n)
			bit_set(map, blk - first);
}

/* A group that nobody used yet has no bitmap: superblock and descriptor copies and its own tables are what is in it. */
static void bitmap_make(struct ext4_sb_info *es, uint32_t group, uint8_t *map)
{
	blk64_t super, old_desc, new_desc;
	uint32_t bits = es->blocksize * 8;
	blk_t used_blks;

	memset(map, 0, es->blocksize);
	ext2fs_super_and_bgd_loc2(es->fs, group, &super, &old_desc, &new_desc, &used_blks);
	if (super || !group)
		mark_own(es, group, map, super, 1);
	if (old_desc)
		mark_own(es, group, map, old_desc,
			 (ext2fs_has_feature_meta_bg(es->fs->super) ? es->fs->super->s_first_meta_bg : es->fs->desc_blocks) +
				 es->fs->super->s_reserved_gdt_blocks);
	if (new_desc)
		mark_own(es, group, map, new_desc, 1);
	mark_own(es, group, map, ext2fs_block_bitmap_loc(es->fs, group), 1);
	mark_own(es, group, map, ext2fs_inode_bitmap_loc(es->fs, group), 1);
	mark_own(es, group, map, ext2fs_inode_table_loc(es->fs, group), es->fs->inode_blocks_per_group);
	for (uint32_t i = group_blocks(es, group); i < bits; i++)
		bit_set(map, i);
}

/* The group's bitmap with its descriptor, to change or to look at. */
static uint8_t *bitmap_get(struct ext4_sb_info *es, uint32_t group, bool write, struct ext4_group_desc **ret_gd)
{
	struct ext4_group_desc *gd = ext4_gd(es, group, write);
	uint64_t blk = ext2fs_block_bitmap_loc(es->fs, group);
	uint8_t *map;

	if (IS_ERR(gd))
		return (uint8_t *)gd;
	if (!ext4_blocks_valid(es, blk, 1))
		return ERR_PTR(ext4_error(es, EFSCORRUPTED, "block bitmap of group %u leaves the image", group));
	*ret_gd = gd;
	if (gd->bg_flags & EXT2_BG_BLOCK_UNINIT && ext2fs_has_group_desc_csum(es->fs)) {
		/* Also to look at: the bitmap on the disk says nothing yet. */
		gd = *ret_gd = ext4_gd(es, group, true);
		map = IS_ERR(gd) ? (uint8_t *)gd : ext4_mnew(es, blk);
		if (IS_ERR(map))
			return map;
		bitmap_make(es, group, map);
		gd->bg_flags &= ~EXT2_BG_BLOCK_UNINIT;
		bitmap_csum_set(es, gd, map);
		ext4_gd_done(es, group, gd);
		return map;
	}
	map = write ? ext4_mwrite(es, blk) : ext4_mread(es, blk);
	if (IS_ERR(map))
		return map;
	if (ext4_mfirst(es, blk) && !bitmap_csum_ok(es, gd, map))
		return ERR_PTR(ext4_error(es, EFSBADCRC, "bad checksum in the block bitmap of group %u", group));
	return map;
}

/* --- looking for a run --- */

struct space {
	const uint64_t *map, *quarantine;
	uint32_t nr;
};

uint32_t ext4_bit_next(const uint64_t *map, const uint64_t *also, uint32_t at, uint32_t nr, bool taken)
{
	while (at < nr) {
		uint64_t w = map[at / 64] | (also ? also[at / 64] : 0);

		w = (taken ? w : ~w) >> (at % 64);
		if (w)
			return MIN(at + (uint32_t)__builtin_ctzll(w), nr);
		at = (at / 64 + 1) * 64;
	}
	return nr;
}

static uint32_t space_next(const struct space *s, uint32_t at, bool taken)
{
	return ext4_bit_next(s->map, s->quarantine, at, s->nr, taken);
}

/* A run of @want free bits from @start on, or the longest there is: its length, 0 for none. */
static uint32_t space_find(const struct space *s, uint32_t start, uint32_t want, uint32_t *ret_at)
{
	uint32_t best = 0;

	for (uint32_t at = space_next(s, start, false); at < s->nr; at = space_next(s, at, false)) {
		uint32_t end = space_next(s, at, true);

		if (end - at > best) {
			best = MIN(end - at, want);
			*ret_at = at;
			if (best == want)
				break;
		}
		at = end;
	}
	return best;
}

/* Takes up to @want blocks of @group from bit @start on, at least @min.  How many; 0: there are none. */
static int group_alloc(struct ext4_sb_info *es, uint32_t group, uint32_t start, uint32_t want, uint32_t min,
		       uint64_t *ret_blk)
{
	struct ext4_rw *rw = es->rw;
	struct ext4_group_desc *gd = ext4_gd(es, group, false);
	uint8_t *map;
	struct space s;
	uint32_t at = 0, nr, free;

	if (IS_ERR(gd))
		return PTR_ERR(gd);
	if (gd_free(es, gd) < min)
		return 0;
	map = bitmap_get(es, group, false, &gd);
	if (IS_ERR(map))
		return PTR_ERR(map);
	s = (struct space){ (const uint64_t *)map, rw->groups[group].quarantine, group_blocks(es, group) };
	if (start >= s.nr)
		start = 0;
	if (start && space_next(&s, start, false) == start) {
		at = start; /* the goal itself, however short the run is */
		nr = MIN(space_next(&s, start, true) - start, want);
	} else {
		nr = space_find(&s, start, want, &at);
		if (nr < want && start) {
			uint32_t at2 = 0, nr2 = space_find(&s, 0, want, &at2);

			if (nr2 > nr) {
				nr = nr2;
				at = at2;
			}
		}
		if (nr < min)
			return 0;
	}
	map = bitmap_get(es, group, true, &gd);
	if (IS_ERR(map))
		return PTR_ERR(map);
	free = gd_free(es, gd);
	if (free < nr)
		return ext4_error(es, EFSCORRUPTED, "block group %u has more free blocks than it says", group);
	for (uint32_t i = 0; i < nr; i++)
		bit_set(map, at + i);
	gd_free_set(es, gd, free - nr);
	bitmap_csum_set(es, gd, map);
	ext4_gd_done(es, group, gd);
	rw->groups[group].hint = at + nr;
	*ret_blk = ext2fs_group_first_block2(es->fs, group) + at;
	return nr;
}

bool ext4_may_use_reserve(struct ext4_sb_info *es)
{
	const struct ext2_super_block *s = es->fs->super;

	return s->s_def_resuid == current_cred->fsuid || (s->s_def_resgid && cred_in_group(current_cred, s->s_def_resgid)) ||
	       capable(CAP_SYS_RESOURCE);
}

int64_t ext4_blocks_left(struct ext4_sb_info *es, bool privileged)
{
	struct ext4_rw *rw = es->rw;
	int64_t left = atomic_load(&rw->free_blocks) - (int64_t)atomic_load(&rw->quarantined) - atomic_load(&rw->reserved) -
		       (int64_t)rw->pool;

	return privileged ? left : left - (int64_t)rw->root_reserve;
}

int ext4_alloc_blocks(struct ext4_sb_info *es, uint64_t goal, uint32_t want, uint64_t *ret_blk, uint32_t *ret_nr)
{
	struct ext4_rw *rw = es->rw;
	uint32_t groups = es->fs->group_desc_count, first, start;
	int n = 0;

	if (!rw->reserve_ok) {
		int64_t left = ext4_blocks_left(es, ext4_may_use_reserve(es));

		if (left < 1)
			return -LINUX_ENOSPC;
		want = MIN((int64_t)want, left);
	}
	if (goal <= es->first_block || goal >= es->nr_blocks)
		goal = es->first_block + 1;
	first = ext2fs_group_of_blk2(es->fs, goal);
	start = goal - ext2fs_group_first_block2(es->fs, first);
	for (int pass = 0; pass < 2 && !n; pass++) {
		uint32_t min = pass ? 1 : MIN(want, GOOD_RUN);

		for (uint32_t i = 0; i < groups && !n; i++) {
			uint32_t g = (first + i) % groups;

			n = group_alloc(es, g, i ? rw->groups[g].hint : start, want, min, ret_blk);
		}
	}
	if (!n)
		return -LINUX_ENOSPC;
	if (n < 0)
		return n;
	if (!ext4_blocks_valid(es, *ret_blk, n))
		return ext4_error(es, EFSCORRUPTED, "the bitmaps call block %llu free", (unsigned long long)*ret_blk);
	atomic_fetch_sub(&rw->free_blocks, n);
	*ret_nr = n;
	return 0;
}

/* --- freeing --- */

static int quarantine_add(struct ext4_sb_info *es, uint32_t group, uint32_t bit, uint32_t nr)
{
	struct ext4_group *g = &es->rw->groups[group];

	if (!g->quarantine)
		g->quarantine = calloc(1, es->blocksize);
	if (!g->quarantine)
		return -LINUX_ENOMEM;
	for (uint32_t i = 0; i < nr; i++)
		bit_set((uint8_t *)g->quarantine, bit + i);
	atomic_fetch_add(&es->rw->quarantined, nr);
	return 0;
}

static void quarantine_del(struct ext4_sb_info *es, const struct ext4_run *r)
{
	uint32_t group = ext2fs_group_of_blk2(es->fs, r->blk);
	uint32_t bit = r->blk - ext2fs_group_first_block2(es->fs, group);
	uint8_t *q = (uint8_t *)es->rw->groups[group].quarantine;

	for (uint32_t i = 0; i < r->len; i++)
		q[(bit + i) / 8] &= ~(1U << ((bit + i) % 8));
	atomic_fetch_sub(&es->rw->quarantined, r->len);
}

void ext4_quarantine_release(struct ext4_sb_info *es, struct ext4_run_list *l)
{
	for (size_t i = 0; i < l->nr; i++)
		quarantine_del(es, &l->v[i]);
	l->nr = 0;
}

void ext4_quarantine_undo(struct ext4_sb_info *es, size_t from)
{
	struct ext4_run_list *l = &es->rw->freed;

	for (size_t i = from; i < l->nr; i++)
		quarantine_del(es, &l->v[i]);
	l->nr = from;
}

static int group_free(struct ext4_sb_info *es, uint32_t group, uint32_t bit, uint32_t nr)
{
	struct ext4_group_desc *gd;
	uint8_t *map = bitmap_get(es, group, true, &gd);
	int err;

	if (IS_ERR(map))
		return PTR_ERR(map);
	for (uint32_t i = 0; i < nr; i++) {
		if (!bit_test(map, bit + i))
			return ext4_error(es, EFSCORRUPTED, "a block of group %u is freed that is free", group);
		map[(bit + i) / 8] &= ~(1U << ((bit + i) % 8));
	}
	gd_free_set(es, gd, gd_free(es, gd) + nr);
	bitmap_csum_set(es, gd, map);
	ext4_gd_done(es, group, gd);
	err = ext4_run_add(&es->rw->freed, ext2fs_group_first_block2(es->fs, group) + bit, nr);
	if (err)
		return err;
	err = quarantine_add(es, group, bit, nr);
	if (err)
		es->rw->freed.nr--;
	return err;
}

int ext4_free_blocks(struct ext4_sb_info *es, uint64_t blk, uint32_t nr)
{
	if (!ext4_blocks_valid(es, blk, nr))
		return -EFSCORRUPTED;
	while (nr) {
		uint32_t group = ext2fs_group_of_blk2(es->fs, blk);
		uint32_t bit = blk - ext2fs_group_first_block2(es->fs, group);
		uint32_t part = MIN(nr, group_blocks(es, group) - bit);
		int err = group_free(es, group, bit, part);

		if (err)
			return err;
		atomic_fetch_add(&es->rw->free_blocks, part);
		blk += part;
		nr -= part;
	}
	return 0;
}

int ext4_balloc_init(struct ext4_sb_info *es)
{
	struct ext4_rw *rw = es->rw;
	int64_t blocks = 0, inodes = 0;

	rw->groups = calloc(es->fs->group_desc_count, sizeof(*rw->groups));
	if (!rw->groups)
		return -LINUX_ENOMEM;
	/* The counters of a superblock that was not written by an unmount may be old. */
	for (dgrp_t g = 0; g < es->fs->group_desc_count; g++) {
		blocks += ext2fs_bg_free_blocks_count(es->fs, g);
		inodes += ext2fs_bg_free_inodes_count(es->fs, g);
	}
	atomic_store(&rw->free_blocks, blocks);
	atomic_store(&rw->free_inodes, inodes);
	rw->pool = MIN(es->nr_blocks / 50, 4096UL);
	rw->root_reserve = ext2fs_r_blocks_count(es->fs->super);
	return 0;
}
