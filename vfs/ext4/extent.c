/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Extent trees (Documentation/filesystems/ext4/ifork.rst).  A node is a header and sorted entries; the root is in the inode.
 * Index entries name the first logical block of a child, so the child speaks for all blocks up to the next entry.
 */
#include <stdlib.h>
#include <string.h>

#include "vfs/ext4/ext4_fs.h"

#define MAX_DEPTH 5 /* as in Linux: enough for 2^32 blocks */

/* What a node has to say something about: [lo, hi). */
struct extent_range {
	uint64_t lo, hi;
};

static uint64_t idx_pblk(const struct ext3_extent_idx *ix)
{
	return ix->ei_leaf | (uint64_t)ix->ei_leaf_hi << 32;
}

static uint64_t extent_pblk(const struct ext3_extent *ex)
{
	return ex->ee_start | (uint64_t)ex->ee_start_hi << 32;
}

int ext4_extent_check(struct ext4_inode_info *ei, const struct ext3_extent_header *eh, size_t size, int depth)
{
	struct ext4_sb_info *es = EXT4_SB(ei->vfs.sb);
	size_t max = (size - sizeof(*eh)) / sizeof(struct ext3_extent);

	if (eh->eh_magic != EXT3_EXT_MAGIC || eh->eh_depth > MAX_DEPTH || (depth >= 0 && eh->eh_depth != depth) ||
	    eh->eh_max > max || eh->eh_entries > eh->eh_max || (eh->eh_depth && !eh->eh_entries))
		return ext4_error(es, EFSCORRUPTED, "bad extent header in inode %llu", (unsigned long long)ei->vfs.ino);
	return 0;
}

int ext4_extent_csum_check(struct ext4_inode_info *ei, const struct ext3_extent_header *eh)
{
	struct ext4_sb_info *es = EXT4_SB(ei->vfs.sb);
	size_t tail;

	if (!es->metadata_csum)
		return 0;
	/* The checksum follows the last entry there is room for; ext4_extent_check bounded eh_max. */
	tail = sizeof(*eh) + (size_t)eh->eh_max * sizeof(struct ext3_extent);
	if (tail + sizeof(uint32_t) > es->blocksize)
		return ext4_error(es, EFSCORRUPTED, "bad extent header in inode %llu", (unsigned long long)ei->vfs.ino);
	if (ext2fs_crc32c_le(ei->csum_seed, (uint8_t *)eh, tail) != *(uint32_t *)((char *)eh + tail))
		return ext4_error(es, EFSBADCRC, "bad checksum in the extent tree of inode %llu",
				  (unsigned long long)ei->vfs.ino);
	return 0;
}

static int node_read(struct ext4_inode_info *ei, uint64_t pblk, int depth, struct ext3_extent_header *eh)
{
	struct ext4_sb_info *es = EXT4_SB(ei->vfs.sb);
	int err;

	if (!ext4_blocks_valid(es, pblk, 1))
		return ext4_error(es, EFSCORRUPTED, "extent tree of inode %llu leaves the image",
				  (unsigned long long)ei->vfs.ino);
	err = ext4_image_read(&es->image, pblk, 1, eh);
	if (!err)
		err = ext4_extent_check(ei, eh, es->blocksize, depth);
	return err ? err : ext4_extent_csum_check(ei, eh);
}

/*
 * Finds the child of @eh that speaks for @lblk and narrows @r to it.  *ret_pblk 0: none does, @r is a hole.
 */
static int index_search(struct ext4_inode_info *ei, const struct ext3_extent_header *eh, uint64_t lblk,
			struct extent_range *r, uint64_t *ret_pblk)
{
	const struct ext3_extent_idx *ix = (const struct ext3_extent_idx *)(eh + 1);
	int found = -1;

	for (int i = 0; i < eh->eh_entries; i++) {
		if ((i && ix[i].ei_block <= ix[i - 1].ei_block) || ix[i].ei_block < r->lo || ix[i].ei_block >= r->hi)
			return ext4_error(EXT4_SB(ei->vfs.sb), EFSCORRUPTED, "unsorted extent index in inode %llu",
					  (unsigned long long)ei->vfs.ino);
		if (ix[i].ei_block <= lblk)
			found = i;
	}
	if (found + 1 < eh->eh_entries)
		r->hi = ix[found + 1].ei_block;
	*ret_pblk = 0;
	if (found >= 0) {
		r->lo = ix[found].ei_block;
		*ret_pblk = idx_pblk(&ix[found]);
	}
	return 0;
}

static int leaf_load(struct ext4_inode_info *ei, const struct ext3_extent_header *eh, const struct extent_range *r,
		     struct ext4_seg_list *ret)
{
	const struct ext3_extent *ex = (const struct ext3_extent *)(eh + 1);
	struct ext4_sb_info *es = EXT4_SB(ei->vfs.sb);
	uint64_t next = r->lo;
	int err;

	for (int i = 0; i < eh->eh_entries; i++) {
		bool unwritten = ex[i].ee_len > EXT_INIT_MAX_LEN;
		uint64_t len = unwritten ? ex[i].ee_len - EXT_INIT_MAX_LEN : ex[i].ee_len;

		if (!len || ex[i].ee_block < next || ex[i].ee_block + len > r->hi ||
		    !ext4_blocks_valid(es, extent_pblk(&ex[i]), len))
			return ext4_error(es, EFSCORRUPTED, "bad extent in inode %llu", (unsigned long long)ei->vfs.ino);
		err = ext4_seg_add(ret, next, ex[i].ee_block - next, 0);
		if (!err)
			err = ext4_seg_add(ret, ex[i].ee_block, len, unwritten ? 0 : extent_pblk(&ex[i]));
		if (err)
			return err;
		next = ex[i].ee_block + len;
	}
	return ext4_seg_add(ret, next, r->hi - next, 0);
}

int ext4_extent_load(struct ext4_inode_info *ei, uint64_t lblk, struct ext4_seg_list *ret)
{
	const struct ext3_extent_header *eh = (const void *)ext4_raw(ei)->i_block;
	struct extent_range r = { 0, EXT4_MAX_LBLK };
	struct ext3_extent_header *node = NULL;
	uint64_t pblk;
	int err;

	err = ext4_extent_check(ei, eh, sizeof(ext4_raw(ei)->i_block), -1);
	while (!err && eh->eh_depth) {
		int depth = eh->eh_depth - 1;

		err = index_search(ei, eh, lblk, &r, &pblk);
		if (err)
			break;
		if (!pblk) {
			free(node);
			return ext4_seg_add(ret, r.lo, r.hi - r.lo, 0);
		}
		if (!node)
			node = malloc(EXT4_SB(ei->vfs.sb)->blocksize);
		err = node ? node_read(ei, pblk, depth, node) : -LINUX_ENOMEM;
		eh = node;
	}
	if (!err)
		err = leaf_load(ei, eh, &r, ret);
	free(node);
	return err;
}
