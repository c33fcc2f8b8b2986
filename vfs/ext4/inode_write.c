/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inodes to the inode table, and their end.
 *
 * Times and sizes change in memory (inode_touch_mtime and the like) and are stored when something asks for it: an
 * operation on the inode, write-back of its data, fsync, sync, the background writer, its last reference.
 */
#include <stdlib.h>
#include <string.h>

#include "vfs/ext4/ext4_rw.h"

/* --- encoding --- */

static void time_encode(struct timespec64 ts, uint32_t *sec, uint32_t *extra)
{
	int64_t max = extra ? (1LL << 34) - (1LL << 31) - 1 : INT32_MAX;

	ts.sec = CLAMP(ts.sec, (int64_t)INT32_MIN, max);
	*sec = (uint32_t)ts.sec;
	if (extra)
		*extra = (uint32_t)((ts.sec - (int32_t)ts.sec) >> 32 & EXT4_EPOCH_MASK) | ts.nsec << EXT4_EPOCH_BITS;
}

#define TIME_ENCODE(ei, ts, field)                                                                                     \
	time_encode(ts, &ext4_raw_rw(ei)->field, EXT4_HAS_EXTRA(ei, field##_extra) ? &ext4_raw_rw(ei)->field##_extra : NULL)

static void times_encode(struct ext4_inode_info *ei)
{
	struct inode *inode = &ei->vfs;
	MUTEX_GUARD(&inode->i_lock);

	TIME_ENCODE(ei, inode->atime, i_atime);
	TIME_ENCODE(ei, inode->mtime, i_mtime);
	TIME_ENCODE(ei, inode->ctime, i_ctime);
	if (EXT4_HAS_EXTRA(ei, i_crtime))
		TIME_ENCODE(ei, inode->btime, i_crtime);
}

static void blocks_encode(struct ext4_sb_info *es, struct ext4_inode_info *ei)
{
	struct ext2_inode_large *raw = ext4_raw_rw(ei);
	uint64_t blocks = ei->vfs.blocks;
	bool huge = blocks >> 48 && ext2fs_has_feature_huge_file(es->fs->super);

	if (huge)
		blocks >>= es->blkbits - 9;
	/* Readers look at the other flags meanwhile. */
	if (huge != !!(ei->flags & EXT4_HUGE_FILE_FL))
		WRITE_ONCE(ei->flags, ei->flags ^ EXT4_HUGE_FILE_FL);
	raw->i_blocks = (uint32_t)blocks;
	if (ext2fs_has_feature_huge_file(es->fs->super))
		raw->osd2.linux2.l_i_blocks_hi = blocks >> 32;
}

static void csum_set(struct ext4_sb_info *es, struct ext4_inode_info *ei)
{
	struct ext2_inode_large *raw = ext4_raw_rw(ei);
	bool hi = ei->raw_size > EXT2_GOOD_OLD_INODE_SIZE && EXT4_HAS_EXTRA(ei, i_checksum_hi);
	uint32_t csum;

	if (!es->metadata_csum)
		return;
	raw->i_checksum_lo = 0;
	if (hi)
		raw->i_checksum_hi = 0;
	csum = ext4_crc32c(ei->csum_seed, raw, ei->raw_size);
	raw->i_checksum_lo = (uint16_t)csum;
	if (hi)
		raw->i_checksum_hi = csum >> 16;
}

static void inode_encode(struct ext4_sb_info *es, struct ext4_inode_info *ei)
{
	struct ext2_inode_large *raw = ext4_raw_rw(ei);
	struct inode *inode = &ei->vfs;
	uint64_t size = LINUX_S_ISREG(inode->mode) ? ei->disksize : READ_ONCE(inode->size);

	raw->i_mode = inode->mode;
	raw->i_uid = (uint16_t)inode->uid;
	raw->i_uid_high = inode->uid >> 16;
	raw->i_gid = (uint16_t)inode->gid;
	raw->i_gid_high = inode->gid >> 16;
	raw->i_size = (uint32_t)size;
	raw->i_size_high = size >> 32;
	raw->i_links_count = atomic_load(&inode->nlink);
	blocks_encode(es, ei);
	raw->i_flags = ei->flags;
	times_encode(ei);
}

/* From now on a change marks it anew. */
static void dirty_clear(struct ext4_rw *rw, struct ext4_inode_info *ei)
{
	MUTEX_GUARD(&rw->dirty_lock);

	if (ei->is_dirty) {
		WRITE_ONCE(ei->is_dirty, false);
		list_del(&ei->dirty_link);
	}
}

int ext4_inode_store(struct ext4_sb_info *es, struct ext4_inode_info *ei)
{
	uint64_t blk;
	uint32_t off;
	uint8_t *b;
	int err = ext4_inode_touch(es, ei);

	if (!err)
		err = ext4_inode_place(es, ei->vfs.ino, &blk, &off);
	if (err)
		return err;
	b = ext4_mwrite(es, blk);
	if (IS_ERR(b))
		return PTR_ERR(b);
	dirty_clear(es->rw, ei);
	inode_encode(es, ei);
	csum_set(es, ei);
	memcpy(b + off, ei->raw_bytes, ei->raw_size);
	atomic_store(&ei->sync_tid, es->rw->tid);
	return 0;
}

/* --- inodes changed in memory --- */

void ext4_dirty_inode(struct inode *inode)
{
	struct ext4_inode_info *ei = EXT4_I(inode);
	struct ext4_rw *rw = EXT4_RW(inode);

	if (!rw || READ_ONCE(ei->is_dirty) || ei->stillborn)
		return;
	MUTEX_GUARD(&rw->dirty_lock);
	if (!ei->is_dirty) {
		WRITE_ONCE(ei->is_dirty, true);
		list_add_tail(&ei->dirty_link, &rw->dirty);
	}
}

int ext4_flush_inode(struct ext4_inode_info *ei)
{
	struct ext4_sb_info *es = EXT4_SB(ei->vfs.sb);
	int err;

	if (!READ_ONCE(ei->is_dirty))
		return 0;
	err = ext4_begin(es, 1, EXT4_USE_RESERVE);
	if (err)
		return err;
	return ext4_end(es, ext4_inode_store(es, ei));
}

/* A few dirty inodes, each with a reference.  How many. */
static unsigned dirty_take(struct ext4_rw *rw, struct inode **inodes, unsigned max)
{
	struct ext4_inode_info *ei, *tmp;
	unsigned n = 0;
	MUTEX_GUARD(&rw->dirty_lock);

	list_for_each_entry_safe(ei, tmp, &rw->dirty, dirty_link) {
		if (n == max)
			break;
		/* One whose last reference went stores itself. */
		if (!ref_get_unless_zero(&ei->vfs.ref))
			continue;
		WRITE_ONCE(ei->is_dirty, false);
		list_del(&ei->dirty_link);
		inodes[n++] = &ei->vfs;
	}
	return n;
}

int ext4_flush_inodes(struct ext4_sb_info *es)
{
	struct inode *inodes[EXT4_UNDO_INODES];
	unsigned n;
	int ret = 0;

	while (!ret && (n = dirty_take(es->rw, inodes, EXT4_UNDO_INODES))) {
		ret = ext4_begin(es, n, EXT4_USE_RESERVE);
		if (!ret) {
			for (unsigned i = 0; i < n && !ret; i++)
				ret = ext4_inode_store(es, EXT4_I(inodes[i]));
			ext4_end(es, ret);
		}
		for (unsigned i = 0; i < n; i++)
			inode_put(inodes[i]);
	}
	return ret;
}

/* --- the end --- */

/* The inode without a name is freed, with all it has. */
static int inode_free(struct ext4_sb_info *es, struct ext4_inode_info *ei)
{
	struct inode *inode = &ei->vfs;
	int err;

	if (inode->mapping.ops)
		mapping_truncate(&inode->mapping, 0);
	if (!LINUX_S_ISLNK(inode->mode)) /* there it tells what i_block is */
		WRITE_ONCE(inode->size, 0);
	err = ei->vfs.blocks ? ext4_truncate_blocks(ei, 0) : 0;
	if (err)
		return err;
	err = ext4_begin(es, 12, EXT4_USE_RESERVE);
	if (err)
		return err;
	err = ext4_inode_touch(es, ei);
	if (!err)
		err = ext4_xattr_free_block(es, ei);
	if (!err)
		err = ext4_orphan_del(es, ei);
	if (!err) {
		ei->disksize = 0;
		ext4_raw_rw(ei)->i_dtime = current_time().sec;
		err = ext4_inode_store(es, ei);
	}
	if (!err)
		err = ext4_inode_free_number(es, ei);
	return ext4_end(es, err);
}

int ext4_orphan_end(struct ext4_sb_info *es, struct ext4_inode_info *ei)
{
	int err = inode_free(es, ei);

	ei->stillborn = true;
	return err;
}

void ext4_evict(struct ext4_inode_info *ei)
{
	struct ext4_sb_info *es = EXT4_SB(ei->vfs.sb);
	struct ext4_rw *rw = es->rw;
	struct inode *inode = &ei->vfs;
	struct mutex *lock = &rw->iget_locks[inode->ino % ARRAY_SIZE(rw->iget_locks)];
	int err = 0;
	MUTEX_GUARD(lock);

	if (!atomic_load(&inode->nlink)) {
		err = inode_free(es, ei);
	} else {
		if (inode->mapping.ops && READ_ONCE(inode->mapping.nr_dirty))
			err = mapping_writeback(&inode->mapping, 0, UINT64_MAX);
		if (!err)
			err = ext4_flush_inode(ei);
	}
	if (err && err != -LINUX_EROFS)
		log_once(LOG_LEVEL_ERROR, "%s: inode %llu could not be written: %s", es->name, (unsigned long long)inode->ino,
			 strerror(-err));
	dirty_clear(rw, ei);
	if (ei->on_orphans) { /* it stays on the disk's list, which only recovery reads from now on */
		mutex_lock(&rw->lock);
		list_del(&ei->orphan_link);
		mutex_unlock(&rw->lock);
	}
	inode_hash_remove(&es->icache, inode);
}
