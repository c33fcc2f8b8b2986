/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a file's blocks are.  What was learned from the tree on the disk is kept per inode as sorted, disjoint segments; a
 * miss loads all that one leaf says, so that a file whose tree has no second level is learned at once.
 */
#include <stdlib.h>
#include <string.h>

#include "vfs/ext4/ext4_fs.h"

/* An inode keeps no more segments than this (24 MB); then it starts anew. */
#define MAX_SEGS (1U << 20)

int ext4_seg_add(struct ext4_seg_list *list, uint64_t lblk, uint64_t len, uint64_t pblk)
{
	struct ext4_seg *last = list->nr ? &list->segs[list->nr - 1] : NULL;

	if (!len)
		return 0;
	if (last && last->lblk + last->len == lblk && (pblk ? last->pblk && last->pblk + last->len == pblk : !last->pblk)) {
		last->len += len;
		return 0;
	}
	if (list->nr == list->max) {
		uint32_t max = list->max ? list->max * 2 : 4;
		struct ext4_seg *segs = realloc(list->segs, max * sizeof(*segs));

		if (!segs)
			return -LINUX_ENOMEM;
		list->segs = segs;
		list->max = max;
	}
	list->segs[list->nr++] = (struct ext4_seg){ lblk, len, pblk };
	return 0;
}

/* Index of the first cached segment that ends behind @lblk. */
static uint32_t seg_from(const struct ext4_inode_info *ei, uint64_t lblk)
{
	uint32_t lo = 0, hi = ei->nr_segs;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (ei->segs[mid].lblk + ei->segs[mid].len <= lblk)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static bool seg_find(const struct ext4_inode_info *ei, uint64_t lblk, struct ext4_seg *ret)
{
	uint32_t i = seg_from(ei, lblk);

	if (i == ei->nr_segs || ei->segs[i].lblk > lblk)
		return false;
	*ret = ei->segs[i];
	return true;
}

/* Puts @list, which takes up a range that is not cached, into the cache.  A failure only means it is asked for again. */
static void cache_insert(struct ext4_inode_info *ei, const struct ext4_seg_list *list)
{
	uint32_t at;

	if (ei->nr_segs + list->nr > MAX_SEGS)
		ei->nr_segs = 0;
	if (ei->nr_segs + list->nr > ei->max_segs) {
		uint32_t max = ei->nr_segs ? (ei->nr_segs + list->nr) * 2 : list->nr;
		struct ext4_seg *segs = realloc(ei->segs, max * sizeof(*segs));

		if (!segs)
			return;
		ei->segs = segs;
		ei->max_segs = max;
	}
	at = seg_from(ei, list->segs[0].lblk);
	memmove(&ei->segs[at + list->nr], &ei->segs[at], (ei->nr_segs - at) * sizeof(*ei->segs));
	memcpy(&ei->segs[at], list->segs, list->nr * sizeof(*ei->segs));
	ei->nr_segs += list->nr;
}

static int map_locked(struct ext4_inode_info *ei, uint64_t lblk, struct ext4_seg *ret)
{
	struct ext4_seg_list list = { NULL, 0, 0 };
	int err;

	if (seg_find(ei, lblk, ret))
		return 0;
	if (ei->flags & EXT4_EXTENTS_FL)
		err = ext4_extent_load(ei, lblk, &list);
	else
		err = ext4_indirect_load(ei, lblk, &list);
	if (!err) {
		err = -EFSCORRUPTED;
		for (uint32_t i = 0; i < list.nr; i++) {
			if (lblk - list.segs[i].lblk < list.segs[i].len) {
				*ret = list.segs[i];
				err = 0;
			}
		}
		if (!err)
			cache_insert(ei, &list);
	}
	free(list.segs);
	return err;
}

int ext4_map(struct ext4_inode_info *ei, uint64_t lblk, struct ext4_seg *ret_seg)
{
	struct ext4_seg seg;
	int err;

	if (lblk >= EXT4_MAX_LBLK)
		return -LINUX_EFBIG;
	mutex_lock(&ei->lock);
	err = map_locked(ei, lblk, &seg);
	mutex_unlock(&ei->lock);
	if (!err)
		*ret_seg = seg;
	return err;
}

int ext4_read_data(struct ext4_inode_info *ei, void *buf, uint64_t off, size_t len)
{
	struct ext4_sb_info *es = EXT4_SB(ei->vfs.sb);
	char *p = buf;

	while (len) {
		uint64_t lblk = off >> es->blkbits;
		uint32_t in_blk = off & (es->blocksize - 1);
		struct ext4_seg seg;
		size_t part;
		int err = ext4_map(ei, lblk, &seg);

		if (err)
			return err;
		part = MIN(len, ((seg.lblk + seg.len - lblk) << es->blkbits) - in_blk);
		if (!seg.pblk) {
			memset(p, 0, part);
		} else if (in_blk || part < es->blocksize) {
			part = MIN(part, es->blocksize - in_blk);
			err = ext4_image_read_part(&es->image, seg.pblk + (lblk - seg.lblk), in_blk, p, part);
		} else {
			part = MIN(part & ~(size_t)(es->blocksize - 1), 1UL << 30);
			err = ext4_image_read(&es->image, seg.pblk + (lblk - seg.lblk), part >> es->blkbits, p);
		}
		if (err)
			return err;
		p += part;
		off += part;
		len -= part;
	}
	return 0;
}
