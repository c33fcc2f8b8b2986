/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files with block maps, as ext3 made them, get an extent tree the first time that their blocks change, in the same operation.
 * Linux writes the map instead (and converts by EXT4_IOC_MIGRATE); what is read is the same.
 */
#include <stdlib.h>

#include "vfs/ext4/ext4_rw.h"

#define NODES_MAX 32768 /* indirect blocks of one file */

struct migrate {
	struct ext4_sb_info *es;
	struct ext4_inode_info *ei;
	struct ext4_seg_list segs;
	struct ext4_run_list nodes; /* indirect blocks */
};

static int map_bad(struct migrate *m)
{
	return ext4_error(m->es, EFSCORRUPTED, "bad block map of inode %llu", (unsigned long long)m->ei->vfs.ino);
}

/* What the pointer @ptr names, @levels above the file's blocks, of which the first is @lblk. */
static int pointer_collect(struct migrate *m, uint32_t ptr, int levels, uint64_t lblk)
{
	uint32_t per = m->es->blocksize / 4, *block;
	uint64_t span = 1;
	int err;

	if (!ptr)
		return 0;
	if (!ext4_blocks_valid(m->es, ptr, 1))
		return map_bad(m);
	if (!levels)
		return ext4_seg_add(&m->segs, lblk, 1, ptr);
	if (m->nodes.nr == NODES_MAX)
		return -LINUX_EFBIG;
	err = ext4_run_add(&m->nodes, ptr, 1);
	block = err ? NULL : (uint32_t *)ext4_mread(m->es, ptr);
	if (IS_ERR(block))
		err = PTR_ERR(block);
	for (int i = 1; i < levels; i++)
		span *= per;
	for (uint32_t i = 0; i < per && !err; i++)
		err = pointer_collect(m, block[i], levels - 1, lblk + i * span);
	return err;
}

static int map_collect(struct migrate *m)
{
	const uint32_t *i_block = ext4_raw(m->ei)->i_block;
	uint64_t lblk = 0, span = 1;
	int err = 0;

	for (; lblk < EXT2_NDIR_BLOCKS && !err; lblk++)
		err = pointer_collect(m, i_block[lblk], 0, lblk);
	for (int levels = 1; levels <= 3 && !err; levels++) {
		span *= m->es->blocksize / 4;
		err = pointer_collect(m, i_block[EXT2_NDIR_BLOCKS - 1 + levels], levels, lblk);
		lblk += span;
	}
	return err;
}

static int nodes_free(struct migrate *m)
{
	int err = 0;

	for (size_t i = 0; i < m->nodes.nr && !err; i++) {
		err = ext4_mforget(m->es, m->nodes.v[i].blk);
		if (!err)
			err = ext4_free_blocks(m->es, m->nodes.v[i].blk, 1);
		m->ei->vfs.blocks -= m->es->blocksize / 512;
	}
	return err;
}

bool ext4_has_blocks(struct ext4_inode_info *ei)
{
	uint32_t mode = ei->vfs.mode;

	return LINUX_S_ISREG(mode) || LINUX_S_ISDIR(mode) || (LINUX_S_ISLNK(mode) && !ext4_is_fast_symlink(ei));
}

int ext4_migrate(struct ext4_sb_info *es, struct ext4_inode_info *ei)
{
	struct migrate m = { .es = es, .ei = ei };
	int err = ext4_inode_touch(es, ei);

	if (err || ei->flags & EXT4_EXTENTS_FL)
		return err;
	if (!ext4_has_blocks(ei) || ei->flags & EXT4_INLINE_DATA_FL)
		return -LINUX_EOPNOTSUPP;
	err = map_collect(&m);
	if (!err)
		err = ext4_ext_convert(es, ei, &m.segs);
	if (!err)
		err = nodes_free(&m);
	if (!err)
		err = ext4_inode_store(es, ei);
	free(m.segs.segs);
	free(m.nodes.v);
	return err;
}
