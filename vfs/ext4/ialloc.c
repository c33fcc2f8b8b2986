/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inode numbers, the superblock's fields that change, the orphan list.
 *
 * The orphan list is chained through i_dtime from s_last_orphan: inodes without a name that are still open, and (never
 * across a commit here) inodes being cut.  rw->orphans is the same list in memory.
 */
#include <stdlib.h>
#include <string.h>

#include "platform/host/host.h"
#include "vfs/ext4/ext4_rw.h"

/* --- the superblock --- */

struct ext2_super_block *ext4_super(struct ext4_sb_info *es)
{
	uint8_t *b = ext4_mwrite(es, 1024 / es->blocksize);

	if (IS_ERR(b))
		return (struct ext2_super_block *)b;
	return (struct ext2_super_block *)(b + 1024 % es->blocksize);
}

void ext4_super_done(struct ext4_sb_info *es, struct ext2_super_block *s)
{
	if (es->metadata_csum)
		s->s_checksum = ext4_crc32c(~0U, s, offsetof(struct ext2_super_block, s_checksum));
}

/* --- numbers --- */

static uint32_t per_group(const struct ext4_sb_info *es)
{
	return es->fs->super->s_inodes_per_group;
}

static bool gd_has_hi(const struct ext4_sb_info *es)
{
	return EXT2_DESC_SIZE(es->fs->super) >= EXT2_MIN_DESC_SIZE_64BIT;
}

#define GD_FIELD(es, gd, field) ((gd)->field | (gd_has_hi(es) ? (uint32_t)(gd)->field##_hi << 16 : 0))
#define GD_FIELD_SET(es, gd, field, v)                                                                                 \
	do {                                                                                                           \
		uint32_t v_ = (v);                                                                                     \
                                                                                                                       \
		(gd)->field = (uint16_t)v_;                                                                            \
		if (gd_has_hi(es))                                                                                     \
			(gd)->field##_hi = v_ >> 16;                                                                   \
	} while (0)

static void bitmap_csum_set(struct ext4_sb_info *es, struct ext4_group_desc *gd, const uint8_t *map)
{
	uint32_t csum;

	if (!es->metadata_csum)
		return;
	csum = ext4_crc32c(es->fs->csum_seed, map, per_group(es) / 8);
	gd->bg_inode_bitmap_csum_lo = (uint16_t)csum;
	if (gd_has_hi(es))
		gd->bg_inode_bitmap_csum_hi = csum >> 16;
}

static bool bitmap_csum_ok(struct ext4_sb_info *es, const struct ext4_group_desc *gd, const uint8_t *map)
{
	uint32_t csum = ext4_crc32c(es->fs->csum_seed, map, per_group(es) / 8);

	if (!es->metadata_csum)
		return true;
	return (csum & 0xffff) == gd->bg_inode_bitmap_csum_lo &&
	       (!gd_has_hi(es) || csum >> 16 == gd->bg_inode_bitmap_csum_hi);
}

/* The group's inode bitmap and descriptor, to change. */
static uint8_t *bitmap_get(struct ext4_sb_info *es, uint32_t group, struct ext4_group_desc **ret_gd)
{
	struct ext4_group_desc *gd = ext4_gd(es, group, true);
	uint64_t blk = ext2fs_inode_bitmap_loc(es->fs, group);
	uint8_t *map;

	if (IS_ERR(gd))
		return (uint8_t *)gd;
	if (!ext4_blocks_valid(es, blk, 1))
		return ERR_PTR(ext4_error(es, EFSCORRUPTED, "inode bitmap of group %u leaves the image", group));
	*ret_gd = gd;
	if (gd->bg_flags & EXT2_BG_INODE_UNINIT && ext2fs_has_group_desc_csum(es->fs)) {
		map = ext4_mnew(es, blk);
		if (IS_ERR(map))
			return map;
		memset(map + per_group(es) / 8, 0xff, es->blocksize - per_group(es) / 8);
		gd->bg_flags &= ~EXT2_BG_INODE_UNINIT;
		return map;
	}
	map = ext4_mwrite(es, blk);
	if (!IS_ERR(map) && ext4_mfirst(es, blk) && !bitmap_csum_ok(es, gd, map))
		return ERR_PTR(ext4_error(es, EFSBADCRC, "bad checksum in the inode bitmap of group %u", group));
	return map;
}

/* Inodes up to @index of a group's table come into use: those that were never written are zero. */
static int table_extend(struct ext4_sb_info *es, uint32_t group, struct ext4_group_desc *gd, uint32_t index)
{
	uint32_t size = EXT2_INODE_SIZE(es->fs->super), per_block = es->blocksize / size;
	uint32_t unused = GD_FIELD(es, gd, bg_itable_unused), used = per_group(es) - MIN(unused, per_group(es));

	if (!ext2fs_has_group_desc_csum(es->fs) || index < used)
		return 0;
	while (used <= index) {
		uint32_t end = MIN((used / per_block + 1) * per_block, per_group(es));
		uint64_t blk = ext2fs_inode_table_loc(es->fs, group) + used / per_block;
		uint8_t *b;

		if (!ext4_blocks_valid(es, blk, 1))
			return -EFSCORRUPTED;
		b = used % per_block ? ext4_mwrite(es, blk) : ext4_mnew(es, blk);
		if (IS_ERR(b))
			return PTR_ERR(b);
		memset(b + used % per_block * size, 0, (end - used) * size);
		used = end;
	}
	GD_FIELD_SET(es, gd, bg_itable_unused, per_group(es) - index - 1);
	return 0;
}

/* Takes an inode of @group.  Its number, 0 when there is none. */
static int group_take(struct ext4_sb_info *es, uint32_t group, bool dir, uint32_t *ret_ino)
{
	struct ext4_group_desc *gd = ext4_gd(es, group, false);
	uint32_t index, from = group ? 0 : EXT2_FIRST_INO(es->fs->super) - 1;
	uint8_t *map;
	int err;

	*ret_ino = 0;
	if (IS_ERR(gd))
		return PTR_ERR(gd);
	if (!GD_FIELD(es, gd, bg_free_inodes_count))
		return 0;
	map = bitmap_get(es, group, &gd);
	if (IS_ERR(map))
		return PTR_ERR(map);
	index = ext4_bit_next((const uint64_t *)map, NULL, from, per_group(es), false);
	if (index >= per_group(es))
		return 0;
	err = table_extend(es, group, gd, index);
	if (err)
		return err;
	map[index / 8] |= 1U << (index % 8);
	GD_FIELD_SET(es, gd, bg_free_inodes_count, GD_FIELD(es, gd, bg_free_inodes_count) - 1);
	if (dir)
		GD_FIELD_SET(es, gd, bg_used_dirs_count, GD_FIELD(es, gd, bg_used_dirs_count) + 1);
	bitmap_csum_set(es, gd, map);
	ext4_gd_done(es, group, gd);
	atomic_fetch_sub(&es->rw->free_inodes, 1);
	*ret_ino = group * per_group(es) + index + 1;
	return 0;
}

/* Directories below the root are spread over the groups, the emptiest first; what is deeper stays near its parent. */
static uint32_t group_choose(struct ext4_sb_info *es, const struct inode *dir, bool is_dir)
{
	uint32_t groups = es->fs->group_desc_count, parent = dir ? (dir->ino - 1) / per_group(es) : 0, best = parent;
	uint64_t best_free = 0;

	if (!is_dir || (dir && dir->ino != EXT2_ROOT_INO) || groups > 4096)
		return parent;
	for (uint32_t g = 0; g < groups; g++) {
		uint64_t free = MIN(ext2fs_bg_free_inodes_count(es->fs, g), ext2fs_bg_free_blocks_count(es->fs, g));

		if (free > best_free + best_free / 4) {
			best_free = free;
			best = g;
		}
	}
	return best;
}

static int number_take(struct ext4_sb_info *es, const struct inode *dir, bool is_dir, uint32_t *ret_ino)
{
	uint32_t groups = es->fs->group_desc_count, first = group_choose(es, dir, is_dir);

	for (uint32_t i = 0; i < groups; i++) {
		int err = group_take(es, (first + i) % groups, is_dir, ret_ino);

		if (err || *ret_ino)
			return err;
	}
	return -LINUX_ENOSPC;
}

int ext4_inode_free_number(struct ext4_sb_info *es, struct ext4_inode_info *ei)
{
	uint32_t group = (ei->vfs.ino - 1) / per_group(es), index = (ei->vfs.ino - 1) % per_group(es);
	struct ext4_group_desc *gd;
	uint8_t *map = bitmap_get(es, group, &gd);

	if (IS_ERR(map))
		return PTR_ERR(map);
	if (!(map[index / 8] >> (index % 8) & 1))
		return ext4_error(es, EFSCORRUPTED, "inode %llu is freed that is free", (unsigned long long)ei->vfs.ino);
	map[index / 8] &= ~(1U << (index % 8));
	GD_FIELD_SET(es, gd, bg_free_inodes_count, GD_FIELD(es, gd, bg_free_inodes_count) + 1);
	if (LINUX_S_ISDIR(ei->vfs.mode) && GD_FIELD(es, gd, bg_used_dirs_count))
		GD_FIELD_SET(es, gd, bg_used_dirs_count, GD_FIELD(es, gd, bg_used_dirs_count) - 1);
	bitmap_csum_set(es, gd, map);
	ext4_gd_done(es, group, gd);
	atomic_fetch_add(&es->rw->free_inodes, 1);
	return 0;
}

/* --- a new inode --- */

/* What stands for an inode's life.  The host is asked for many at once. */
static uint32_t generation_new(struct ext4_rw *rw)
{
	if (!rw->nr_generations) {
		host_getrandom(rw->generations, sizeof(rw->generations));
		rw->nr_generations = ARRAY_SIZE(rw->generations);
	}
	return rw->generations[--rw->nr_generations];
}

static void raw_init(struct ext4_sb_info *es, struct ext4_inode_info *ei)
{
	struct ext2_inode_large *raw = ext4_raw_rw(ei);
	uint32_t want = es->fs->super->s_want_extra_isize;

	raw->i_generation = ei->vfs.generation = generation_new(es->rw);
	if (ei->raw_size > EXT2_GOOD_OLD_INODE_SIZE) {
		if (!want || want & 3 || EXT2_GOOD_OLD_INODE_SIZE + want > ei->raw_size)
			want = 32;
		raw->i_extra_isize = ei->extra_isize = want;
	}
	if (LINUX_S_ISREG(ei->vfs.mode) || LINUX_S_ISDIR(ei->vfs.mode))
		ext4_ext_init(ei);
	else if (LINUX_S_ISCHR(ei->vfs.mode) || LINUX_S_ISBLK(ei->vfs.mode))
		ext4_rdev_encode(raw, ei->vfs.rdev);
}

struct inode *ext4_inode_new(struct ext4_sb_info *es, struct inode *dir, uint32_t mode, uint64_t rdev)
{
	struct ext4_inode_info *ei;
	struct inode *old;
	uint32_t ino;
	int err = number_take(es, dir, LINUX_S_ISDIR(mode), &ino);

	if (err)
		return ERR_PTR(err);
	ei = ext4_inode_alloc(es, ino, mode);
	if (!ei)
		return ERR_PTR(-LINUX_ENOMEM);
	inode_init_owner(&ei->vfs, dir, mode);
	ei->vfs.rdev = rdev;
	raw_init(es, ei);
	ext4_csum_seed_set(es, ei);
	ext4_ops_set(&ei->vfs);
	/* Flags that directories pass on to what is made in them. */
	if (dir)
		ei->flags |= EXT4_I(dir)->flags &
			     (LINUX_S_ISDIR(mode) ? EXT2_SYNC_FL | EXT2_NODUMP_FL | EXT2_NOATIME_FL | EXT2_DIRSYNC_FL :
						    EXT2_SYNC_FL | EXT2_NODUMP_FL | EXT2_NOATIME_FL);
	ei->vfs.attr_flags = ei->flags & EXT2_FL_USER_VISIBLE;
	old = inode_hash_insert(&es->icache, &ei->vfs);
	if (old) {
		/* The bitmap calls an inode free that is in use.  Its reference stays: a put might need our lock. */
		err = ext4_error(es, EFSCORRUPTED, "inode %u is in use and called free", ino);
		ext4_inode_drop_new(&ei->vfs);
		return ERR_PTR(err);
	}
	return &ei->vfs;
}

void ext4_inode_drop_new(struct inode *inode)
{
	EXT4_I(inode)->stillborn = true;
	inode_put(inode);
}

/* --- orphans --- */

static uint32_t orphan_next(struct ext4_rw *rw, const struct ext4_inode_info *ei)
{
	if (ei->orphan_link.next == &rw->orphans)
		return 0;
	return list_entry(ei->orphan_link.next, struct ext4_inode_info, orphan_link)->vfs.ino;
}

int ext4_orphan_add(struct ext4_sb_info *es, struct ext4_inode_info *ei)
{
	struct ext2_super_block *s;
	int err = ext4_inode_touch(es, ei);

	if (err || ei->on_orphans)
		return err;
	s = ext4_super(es);
	if (IS_ERR(s))
		return PTR_ERR(s);
	list_add(&ei->orphan_link, &es->rw->orphans);
	ei->on_orphans = true;
	ext4_raw_rw(ei)->i_dtime = orphan_next(es->rw, ei);
	s->s_last_orphan = ei->vfs.ino;
	ext4_super_done(es, s);
	return ext4_inode_store(es, ei);
}

int ext4_orphan_del(struct ext4_sb_info *es, struct ext4_inode_info *ei)
{
	uint32_t next;
	int err = ext4_inode_touch(es, ei);

	if (err || !ei->on_orphans)
		return err;
	next = orphan_next(es->rw, ei);
	if (ei->orphan_link.prev == &es->rw->orphans) {
		struct ext2_super_block *s = ext4_super(es);

		if (IS_ERR(s))
			return PTR_ERR(s);
		s->s_last_orphan = next;
		ext4_super_done(es, s);
	} else {
		struct ext4_inode_info *prev = list_entry(ei->orphan_link.prev, struct ext4_inode_info, orphan_link);

		err = ext4_inode_touch(es, prev);
		if (err)
			return err;
		ext4_raw_rw(prev)->i_dtime = next;
		err = ext4_inode_store(es, prev);
		if (err)
			return err;
	}
	list_del(&ei->orphan_link);
	ei->on_orphans = false;
	ext4_raw_rw(ei)->i_dtime = 0;
	return ext4_inode_store(es, ei);
}

#define ORPHANS_MAX 65536 /* a longer chain is e2fsck's */

/* The inodes of the chain, in its order, each with a reference.  How many, or -errno with none. */
static int orphans_read(struct ext4_sb_info *es, struct ext4_inode_info ***ret)
{
	uint32_t ino = es->fs->super->s_last_orphan;
	struct ext4_inode_info **v = NULL, **more;
	size_t nr = 0, max = 0;
	int err = 0;

	while (ino && !err) {
		struct inode *inode = ext4_iget_orphan(es, ino);

		if (IS_ERR(inode)) {
			err = PTR_ERR(inode);
			break;
		}
		if (EXT4_I(inode)->on_orphans || nr >= ORPHANS_MAX) {
			inode_put(inode);
			err = -EFSCORRUPTED;
			break;
		}
		if (nr == max) {
			max = max * 2 + 64;
			more = realloc(v, max * sizeof(*v));
			if (!more) {
				inode_put(inode);
				err = -LINUX_ENOMEM;
				break;
			}
			v = more;
		}
		v[nr] = EXT4_I(inode);
		v[nr]->on_orphans = true;
		list_add_tail(&v[nr]->orphan_link, &es->rw->orphans);
		ino = ext4_raw(v[nr])->i_dtime;
		nr++;
	}
	*ret = v;
	if (!err)
		return nr;
	while (nr--) {
		list_del(&v[nr]->orphan_link);
		v[nr]->on_orphans = false;
		ext4_inode_drop_new(&v[nr]->vfs);
	}
	free(v);
	return err;
}

/* Named inodes are cut to their size, the others go with their last reference. */
int ext4_orphans_recover(struct ext4_sb_info *es)
{
	struct ext4_inode_info **v;
	int nr = orphans_read(es, &v), err = 0;

	if (nr < 0)
		return ext4_error(es, -nr, "the list of orphans is broken");
	if (!nr)
		return 0;
	for (int i = 0; i < nr; i++) {
		struct inode *inode = &v[i]->vfs;

		if (atomic_load(&inode->nlink) && !err) {
			err = ext4_truncate_blocks(v[i], inode->size);
			if (!err)
				err = ext4_begin(es, 4, EXT4_USE_RESERVE);
			if (!err)
				err = ext4_end(es, ext4_orphan_del(es, v[i]));
		}
		inode_put(inode);
	}
	free(v);
	log_info("%s: %d files that had lost their last name, or were being cut, were cleaned up", es->name, nr);
	return err;
}
