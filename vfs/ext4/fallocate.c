/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fallocate(2): preallocation, holes, ranges of zeros, ranges that are taken out of a file or put into it.
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

/* Frees the blocks [at, last). */
static int cut(struct inode *inode, uint64_t at, uint64_t last)
{
	struct ext4_sb_info *es = EXT4_SB(inode->sb);
	struct ext4_inode_info *ei = EXT4_I(inode);
	int err = 0;

	rwlock_write(&ei->wb_lock);
	while (at < last && !err) {
		err = ext4_begin(es, EXT4_CUT_CREDITS, EXT4_USE_RESERVE);
		if (err)
			break;
		err = ext4_ext_cut(es, ei, &at, last);
		if (!err)
			err = ext4_inode_store(es, ei);
		err = ext4_end(es, err);
	}
	rwlock_unlock(&ei->wb_lock);
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
	if (!err)
		err = cut(inode, at, last);
	return err ? err : mapping_punch(&inode->mapping, off, end);
}

/* --- a range less, a range more --- */

/* The blocks from @from on go to @to, and the size changes with them. */
static int shift(struct inode *inode, uint64_t from, uint64_t to)
{
	struct ext4_sb_info *es = EXT4_SB(inode->sb);
	struct ext4_inode_info *ei = EXT4_I(inode);
	uint64_t size = inode->size + (to << es->blkbits) - (from << es->blkbits);
	int err;

	rwlock_write(&ei->wb_lock);
	err = ext4_begin(es, EXT4_SHIFT_CREDITS, EXT4_USE_RESERVE);
	if (!err) {
		err = ext4_ext_shift(es, ei, from, to);
		if (!err) {
			ei->disksize = size;
			err = ext4_inode_store(es, ei);
		}
		err = ext4_end(es, err);
	}
	if (!err) {
		MUTEX_GUARD(&inode->i_lock);
		WRITE_ONCE(inode->size, size);
	}
	rwlock_unlock(&ei->wb_lock);
	return err;
}

/* ext4_collapse_range, ext4_insert_range. */
static int move_range(struct inode *inode, bool insert, uint64_t off, uint64_t len)
{
	struct ext4_sb_info *es = EXT4_SB(inode->sb);
	uint64_t at = off >> es->blkbits, n = len >> es->blkbits, all = INT64_MAX & PAGE_MASK;
	struct mapping *m = &inode->mapping;
	int tries = 0, err;

	if ((off | len) & (es->blocksize - 1))
		return -LINUX_EINVAL;
	if (insert && len > inode->sb->max_bytes - inode->size)
		return -LINUX_EFBIG;
	if (insert ? off >= inode->size : off + len >= inode->size)
		return -LINUX_EINVAL;
	/* Where a page is does not say any more what is in it. */
	err = mapping_writeback(m, PAGE_DOWN(off), UINT64_MAX);
	if (!err)
		err = mapping_punch(m, PAGE_DOWN(off), all);
	if (!err && !insert)
		err = cut(inode, at, at + n);
	if (err)
		return err;
	do
		err = insert ? shift(inode, at, at + n) : shift(inode, at + n, at);
	while (ext4_retry(es, err, &tries));
	mapping_punch(m, PAGE_DOWN(off), all);
	return err;
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

	if (mode & (LINUX_FALLOC_FL_COLLAPSE_RANGE | LINUX_FALLOC_FL_INSERT_RANGE))
		return move_range(inode, mode & LINUX_FALLOC_FL_INSERT_RANGE, off, end - off);
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

	if (mode & ~(LINUX_FALLOC_FL_KEEP_SIZE | LINUX_FALLOC_FL_PUNCH_HOLE | LINUX_FALLOC_FL_ZERO_RANGE |
		     LINUX_FALLOC_FL_COLLAPSE_RANGE | LINUX_FALLOC_FL_INSERT_RANGE))
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
