/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fallocate(2): preallocation, holes, ranges of zeros.  Ranges are not taken out of or put into a file (FALLOC_FL_COLLAPSE_RANGE,
 * FALLOC_FL_INSERT_RANGE).
 */
#include <string.h>

#include "sentry/abi/fcntl.h"
#include "vfs/ext4/ext4_rw.h"
#include "vfs/internal.h"

#define CREDITS 16

/* Unwritten blocks in the holes from *lblk to @end, one run of them. */
static int allocate_run(struct ext4_sb_info *es, struct ext4_inode_info *ei, uint64_t *lblk, uint64_t end)
{
	enum ext4_ext_state state;
	uint64_t len, pblk;
	uint32_t got;
	int err = ext4_ext_get(es, ei, *lblk, &len, &pblk, &state);

	if (err)
		return err;
	len = MIN(len, end - *lblk);
	if (state == EXT4_EXT_HOLE) {
		err = ext4_inode_touch(es, ei);
		if (!err)
			err = ext4_alloc_blocks(es, ext4_goal(es, ei, *lblk), MIN(len, EXT_UNINIT_MAX_LEN), &pblk, &got);
		if (!err)
			err = ext4_ext_set(es, ei, *lblk, got, pblk, EXT4_EXT_UNWRITTEN);
		if (err)
			return err;
		len = got;
		ei->vfs.blocks += len * (es->blocksize / 512);
		err = ext4_inode_store(es, ei);
	}
	*lblk += len;
	return err;
}

static int allocate(struct inode *inode, uint64_t off, uint64_t end)
{
	struct ext4_sb_info *es = EXT4_SB(inode->sb);
	uint64_t lblk = off >> es->blkbits, last = ALIGN_UP(end, (uint64_t)es->blocksize) >> es->blkbits;
	int tries = 0, err = 0;

	if ((int64_t)((end - off) >> es->blkbits) > (int64_t)es->nr_blocks)
		return -LINUX_ENOSPC;
	while (lblk < last && !err) {
		uint64_t from = lblk;

		if (kernel_signal_pending())
			return -LINUX_EINTR;
		err = ext4_begin(es, CREDITS, 0);
		if (err)
			break;
		err = ext4_end(es, allocate_run(es, EXT4_I(inode), &lblk, last));
		if (err) {
			lblk = from;
			err = ext4_retry(es, err, &tries) ? 0 : err;
		}
	}
	return err;
}

/*
 * Bytes [off, end) become a hole, but for parts of blocks, which are zeroed.  Pages go before the blocks and, because reading
 * does not wait for us, once more behind them.
 */
static int punch(struct inode *inode, uint64_t off, uint64_t end)
{
	struct ext4_sb_info *es = EXT4_SB(inode->sb);
	uint64_t at = ALIGN_UP(off, (uint64_t)es->blocksize) >> es->blkbits, last = end >> es->blkbits;
	int err = mapping_punch(&inode->mapping, off, end);

	/* Behind the end of the file there may be preallocated blocks too: the block with the end is then whole. */
	if (end >= inode->size)
		last = MAX(last, ALIGN_UP(MIN(end, inode->size), (uint64_t)es->blocksize) >> es->blkbits);
	while (at < last && !err) {
		err = ext4_begin(es, EXT4_CUT_CREDITS, EXT4_USE_RESERVE);
		if (err)
			break;
		err = ext4_ext_cut(es, EXT4_I(inode), &at, last);
		if (!err)
			err = ext4_inode_store(es, EXT4_I(inode));
		err = ext4_end(es, err);
	}
	return err ? err : mapping_punch(&inode->mapping, off, end);
}

static int size_extend(struct inode *inode, uint64_t size)
{
	if (size <= inode->size)
		return 0;
	return ext4_setattr(inode, &(struct iattr){ .valid = ATTR_SIZE, .size = size });
}

static int fallocate_locked(struct inode *inode, int mode, uint64_t off, uint64_t end)
{
	int err = 0;

	if (!(EXT4_I(inode)->flags & EXT4_EXTENTS_FL))
		return -LINUX_EOPNOTSUPP;
	if (mode & LINUX_FALLOC_FL_PUNCH_HOLE) {
		/* Behind the end there is nothing but what was preallocated, which stays, as in Linux. */
		end = MIN(end, inode->size);
		return off < end ? punch(inode, off, end) : 0;
	}
	if (end > inode->sb->max_bytes)
		return -LINUX_EFBIG;
	if (mode & LINUX_FALLOC_FL_ZERO_RANGE && off < inode->size)
		err = punch(inode, off, MIN(end, inode->size));
	if (!err)
		err = allocate(inode, off, end);
	if (!err && !(mode & LINUX_FALLOC_FL_KEEP_SIZE))
		err = size_extend(inode, end);
	return err;
}

int ext4_fallocate(struct file *f, int mode, uint64_t off, uint64_t len)
{
	struct inode *inode = f->inode;
	int err;

	if (mode & ~(LINUX_FALLOC_FL_KEEP_SIZE | LINUX_FALLOC_FL_PUNCH_HOLE | LINUX_FALLOC_FL_ZERO_RANGE))
		return -LINUX_EOPNOTSUPP;
	rwlock_write(&inode->i_rwsem);
	err = inode_remove_privs(&f->path);
	if (!err)
		err = fallocate_locked(inode, mode, off, off + len);
	if (!err)
		inode_touch_mtime(inode);
	rwlock_unlock(&inode->i_rwsem);
	return err;
}
