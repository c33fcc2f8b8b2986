/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Block maps of ext2 and ext3: twelve direct pointers in the inode, then one tree each of one, two and three levels.
 * These have no checksums; a pointer of 0 is a hole, at every level.
 */
#include <stdlib.h>

#include "vfs/ext4/ext4_fs.h"

/* @nr pointers for the blocks from @lblk on, as segments. */
static int pointers_load(struct ext4_inode_info *ei, const uint32_t *ptr, uint32_t nr, uint64_t lblk,
			 struct ext4_seg_list *ret)
{
	struct ext4_sb_info *es = EXT4_SB(ei->vfs.sb);
	int err = 0;

	for (uint32_t i = 0; i < nr && !err; i++) {
		if (ptr[i] && !ext4_blocks_valid(es, ptr[i], 1))
			return ext4_error(es, EFSCORRUPTED, "bad block pointer in inode %llu",
					  (unsigned long long)ei->vfs.ino);
		err = ext4_seg_add(ret, lblk + i, 1, ptr[i]);
	}
	return err;
}

/*
 * Goes down the tree of @levels below pointer @ptr, which speaks for the blocks from @first on; @off is the block wanted,
 * counted from there.
 */
static int tree_load(struct ext4_inode_info *ei, uint32_t ptr, int levels, uint64_t first, uint64_t off,
		     struct ext4_seg_list *ret)
{
	struct ext4_sb_info *es = EXT4_SB(ei->vfs.sb);
	unsigned bits = es->blkbits - 2;
	uint32_t *block = malloc(es->blocksize);
	int err = block ? 0 : -LINUX_ENOMEM;

	for (; !err; levels--) {
		uint64_t span = 1ULL << (bits * levels); /* blocks that ptr speaks for */

		if (!ptr) {
			err = ext4_seg_add(ret, first, MIN(span, EXT4_MAX_LBLK - first), 0);
			break;
		}
		if (!ext4_blocks_valid(es, ptr, 1)) {
			err = ext4_error(es, EFSCORRUPTED, "bad indirect block in inode %llu",
					 (unsigned long long)ei->vfs.ino);
			break;
		}
		err = ext4_image_read(&es->image, ptr, 1, block);
		if (err)
			break;
		if (levels == 1) {
			err = pointers_load(ei, block, es->blocksize / 4, first, ret);
			break;
		}
		span >>= bits;
		ptr = block[off / span];
		first += off / span * span;
		off %= span;
	}
	free(block);
	return err;
}

int ext4_indirect_load(struct ext4_inode_info *ei, uint64_t lblk, struct ext4_seg_list *ret)
{
	const uint32_t *i_block = ext4_raw(ei)->i_block;
	unsigned bits = EXT4_SB(ei->vfs.sb)->blkbits - 2;
	uint64_t first = EXT2_NDIR_BLOCKS;

	if (lblk < first)
		return pointers_load(ei, i_block, EXT2_NDIR_BLOCKS, 0, ret);
	for (int levels = 1; levels <= 3; levels++) {
		uint64_t span = 1ULL << (bits * levels);

		if (lblk - first < span)
			return tree_load(ei, i_block[EXT2_NDIR_BLOCKS - 1 + levels], levels, first, lblk - first, ret);
		first += span;
	}
	/* Behind what the map can name: nothing can be there. */
	return ext4_seg_add(ret, first, EXT4_MAX_LBLK - first, 0);
}
