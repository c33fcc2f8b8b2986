/* SPDX-License-Identifier: Apache-2.0 */
/*
 * File data, written: delayed allocation, truncation, fsync.
 *
 * A page that becomes dirty is promised as many blocks as fit into it, mapped or not, until it was written or dropped.
 * i_size on the disk (disksize) follows what was written back, so that a crash never shows blocks that were not.
 */
#include <stdlib.h>
#include <string.h>

#include "sentry/abi/fcntl.h"
#include "vfs/ext4/ext4_rw.h"
#include "vfs/frame_io.h"
#include "vfs/internal.h"

#define ALLOCS_MAX 8 /* runs allocated in one operation: each may be in a group of its own */
#define WRITE_CREDITS (ALLOCS_MAX * 4 + 8)

static long page_blocks(const struct ext4_sb_info *es)
{
	return MAX(PAGE_SIZE >> es->blkbits, 1UL);
}

/* --- promises --- */

static bool page_is_mapped(struct ext4_inode_info *ei, uint64_t pgoff)
{
	struct ext4_sb_info *es = EXT4_SB(ei->vfs.sb);
	uint64_t lblk = (pgoff << PAGE_SHIFT) >> es->blkbits;
	struct ext4_seg seg;

	return !ext4_map(ei, lblk, &seg) && seg.pblk && seg.lblk + seg.len >= lblk + page_blocks(es);
}

int ext4_dirty(struct mapping *m, uint64_t pgoff)
{
	struct ext4_inode_info *ei = EXT4_I(m->host);
	struct ext4_sb_info *es = EXT4_SB(m->host->sb);
	struct ext4_rw *rw = es->rw;
	int tries = 0;

	if (atomic_load_explicit(&rw->aborted, memory_order_relaxed))
		return -LINUX_EROFS;
	do {
		atomic_fetch_add(&rw->reserved, page_blocks(es));
		if (ext4_blocks_left(es, ext4_may_use_reserve(es)) >= 0 || page_is_mapped(ei, pgoff))
			return 0;
		atomic_fetch_sub(&rw->reserved, page_blocks(es));
	} while (ext4_retry(es, -LINUX_ENOSPC, &tries));
	return -LINUX_ENOSPC;
}

void ext4_dropped(struct mapping *m, uint64_t pgoff, unsigned nr)
{
	struct ext4_sb_info *es = EXT4_SB(m->host->sb);

	(void)pgoff;
	atomic_fetch_sub(&es->rw->reserved, page_blocks(es) * nr);
}

/* --- write-back --- */

/* Pages being written: byte positions in the file, the last block filled up with zeros. */
struct wb {
	struct ext4_sb_info *es;
	struct ext4_inode_info *ei;
	const pfn_t *pfns;
	uint64_t start, end; /* end: of the file, or of the pages */
};

/*
 * The block that has the end of the file: what a mapping wrote behind that must not reach the disk.  A copy, because a write
 * that makes the file longer may be filling the page right now.
 */
static int wb_last_block(struct wb *w, uint64_t lblk, uint64_t pblk)
{
	uint64_t pos = lblk << w->es->blkbits, len = w->end - pos;
	uint8_t *buf = calloc(1, w->es->blocksize);
	int err;

	if (!buf)
		return -LINUX_ENOMEM;
	for (uint64_t done = 0; done < len;) {
		uint64_t at = pos + done - w->start, part = MIN(len - done, PAGE_SIZE - PAGE_OFFSET(at));

		memcpy(buf + done, (char *)frame_ptr(w->pfns[at >> PAGE_SHIFT]) + PAGE_OFFSET(at), part);
		done += part;
	}
	err = ext4_image_write(&w->es->image, buf, w->es->blocksize, pblk << w->es->blkbits);
	free(buf);
	return err;
}

/* File blocks [lblk, lblk + n) go to @pblk. */
static int wb_write(struct wb *w, uint64_t lblk, uint64_t n, uint64_t pblk)
{
	uint64_t pos = lblk << w->es->blkbits, end = (lblk + n) << w->es->blkbits, whole = n;
	int err = 0;

	atomic_store(&w->es->rw->need_flush, true);
	if (end > w->end)
		whole = n - 1;
	if (whole)
		err = ext4_image_write_frames(&w->es->image, pblk << w->es->blkbits, w->pfns, pos - w->start,
					      whole << w->es->blkbits);
	if (!err && whole < n)
		err = wb_last_block(w, lblk + whole, pblk + whole);
	return err;
}

/* Blocks that were never written get their first contents; *lblk and *nr_allocs go on. */
static int wb_block_run(struct wb *w, uint64_t *lblk, uint64_t end, unsigned *nr_allocs)
{
	enum ext4_ext_state state;
	uint64_t len, pblk;
	uint32_t got;
	int err = ext4_ext_get(w->es, w->ei, *lblk, &len, &pblk, &state);

	if (err)
		return err;
	len = MIN(len, end - *lblk);
	if (state == EXT4_EXT_HOLE) {
		err = ext4_alloc_blocks(w->es, ext4_goal(w->es, w->ei, *lblk), len, &pblk, &got);
		if (err)
			return err;
		len = got;
		w->ei->vfs.blocks += len * (w->es->blocksize / 512);
	}
	err = wb_write(w, *lblk, len, pblk);
	if (!err && state != EXT4_EXT_WRITTEN) {
		err = ext4_ext_set(w->es, w->ei, *lblk, len, pblk, EXT4_EXT_WRITTEN);
		(*nr_allocs)++;
	}
	*lblk += len;
	return err;
}

static int wb_allocate(struct wb *w, uint64_t *lblk, uint64_t end)
{
	unsigned nr_allocs = 0;
	int err = ext4_begin(w->es, WRITE_CREDITS, EXT4_USE_RESERVE);

	if (err)
		return err;
	err = ext4_inode_touch(w->es, w->ei);
	while (!err && *lblk < end && nr_allocs < ALLOCS_MAX)
		err = wb_block_run(w, lblk, end, &nr_allocs);
	if (!err) {
		uint64_t written = MIN(*lblk << w->es->blkbits, w->end);

		w->ei->disksize = MAX(w->ei->disksize, written);
		err = ext4_inode_store(w->es, w->ei);
	}
	return ext4_end(w->es, err);
}

/* What is mapped already is overwritten without the lock.  1: not all is. */
static int wb_overwrite(struct wb *w, uint64_t *lblk, uint64_t end)
{
	while (*lblk < end) {
		struct ext4_seg seg;
		uint64_t n;
		int err = ext4_map(w->ei, *lblk, &seg);

		if (err || !seg.pblk)
			return err ? err : 1;
		n = MIN(end, seg.lblk + seg.len) - *lblk;
		err = wb_write(w, *lblk, n, seg.pblk + (*lblk - seg.lblk));
		if (err)
			return err;
		*lblk += n;
	}
	return w->end > READ_ONCE(w->ei->disksize);
}

static int wb_run(struct wb *w)
{
	uint64_t lblk = w->start >> w->es->blkbits, end = ALIGN_UP(w->end, (uint64_t)w->es->blocksize) >> w->es->blkbits;
	int tries = 0, err = wb_overwrite(w, &lblk, end);

	while (err > 0) {
		uint64_t from = lblk;

		err = wb_allocate(w, &lblk, end);
		if (err) {
			lblk = from;
			err = ext4_retry(w->es, err, &tries) ? 1 : err;
		} else {
			err = lblk < end;
		}
	}
	return err;
}

int ext4_writepages(struct mapping *m, uint64_t pgoff, unsigned nr, const pfn_t *pfns)
{
	struct wb w = { EXT4_SB(m->host->sb), EXT4_I(m->host), pfns, pgoff << PAGE_SHIFT, 0 };
	uint64_t size = READ_ONCE(m->host->size);
	int err = 0;

	w.end = MIN(size, w.start + ((uint64_t)nr << PAGE_SHIFT));
	if (w.start < w.end) {
		rwlock_read(&w.ei->wb_lock);
		err = wb_run(&w);
		rwlock_unlock(&w.ei->wb_lock);
	}
	ext4_dropped(m, pgoff, nr);
	return err;
}

/* --- write(2), fsync(2) --- */

int64_t ext4_write(struct file *f, struct iov_iter *from, uint64_t *pos)
{
	int64_t n = generic_file_write(f, from, pos);

	if (n != -LINUX_ENOSPC)
		return n;
	/* Promises are generous: what is written back needs less, and what was freed comes back with a commit. */
	mapping_writeback(&f->inode->mapping, 0, UINT64_MAX);
	if (ext4_commit(EXT4_SB(f->inode->sb), 0))
		return n;
	return generic_file_write(f, from, pos);
}

int ext4_fsync(struct file *f, uint64_t start, uint64_t end, bool datasync)
{
	struct ext4_inode_info *ei = EXT4_I(f->inode);
	struct ext4_sb_info *es = EXT4_SB(f->inode->sb);
	int err = 0;
	uint32_t tid;

	if (f->inode->mapping.ops)
		err = mapping_writeback(&f->inode->mapping, start, end);
	/* For fdatasync, times that changed since the inode was stored can wait. */
	if (!err && !datasync)
		err = ext4_flush_inode(ei);
	tid = atomic_load(&ei->sync_tid);
	if (!err && tid)
		err = ext4_commit(es, tid);
	if (!err)
		err = ext4_flush(es);
	return err == -LINUX_EROFS ? -LINUX_EIO : err;
}

/* --- truncate(2) and attributes --- */

int ext4_truncate_blocks(struct ext4_inode_info *ei, uint64_t size)
{
	struct ext4_sb_info *es = EXT4_SB(ei->vfs.sb);
	uint64_t at = ALIGN_UP(size, (uint64_t)es->blocksize) >> es->blkbits;

	if (!ext4_has_blocks(ei))
		return 0;
	while (at < EXT4_MAX_LBLK) {
		int err = ext4_begin(es, EXT4_CUT_CREDITS, EXT4_USE_RESERVE);

		if (err)
			return err;
		err = ext4_ext_cut(es, ei, &at, EXT4_MAX_LBLK);
		if (!err)
			err = ext4_inode_store(es, ei);
		err = ext4_end(es, err);
		if (err)
			return err;
	}
	return 0;
}

static void size_set(struct inode *inode, uint64_t size)
{
	MUTEX_GUARD(&inode->i_lock);

	WRITE_ONCE(inode->size, size);
}

/*
 * The file's new last block has bytes behind the end that must read as zero when it grows again: they are zeroed on the disk
 * before the size that makes them invisible is committed.
 */
static int zero_last_block(struct inode *inode, uint64_t size)
{
	struct mapping *m = &inode->mapping;
	pfn_t pfn;
	int err;

	if (!PAGE_OFFSET(size))
		return 0;
	err = mapping_get_page_write(m, size >> PAGE_SHIFT, PAGE_OFFSET(size), PAGE_SIZE, &pfn);
	if (err)
		return err;
	mapping_write_end(m, size >> PAGE_SHIFT, pfn);
	frame_put(pfn);
	return 0;
}

static bool block_is_mapped(struct ext4_inode_info *ei, uint64_t pos)
{
	struct ext4_seg seg;

	return !ext4_map(ei, pos >> EXT4_SB(ei->vfs.sb)->blkbits, &seg) && seg.pblk;
}

static int shrink(struct inode *inode, uint64_t size)
{
	struct ext4_sb_info *es = EXT4_SB(inode->sb);
	struct ext4_inode_info *ei = EXT4_I(inode);
	uint64_t at = ALIGN_UP(size, (uint64_t)es->blocksize) >> es->blkbits, old = inode->size;
	bool zero = size & (es->blocksize - 1) && block_is_mapped(ei, size);
	int err = zero ? zero_last_block(inode, size) : 0;

	if (err)
		return err;
	size_set(inode, size);
	mapping_truncate(&inode->mapping, size);
	if (zero)
		err = mapping_writeback(&inode->mapping, PAGE_DOWN(size), size);
	if (!err)
		err = ext4_begin(es, EXT4_CUT_CREDITS + 8, EXT4_USE_RESERVE);
	if (err) {
		size_set(inode, old);
		return err;
	}
	err = ext4_inode_touch(es, ei);
	if (!err) {
		ei->disksize = size;
		err = ext4_ext_cut(es, ei, &at, EXT4_MAX_LBLK);
	}
	if (!err && at < EXT4_MAX_LBLK)
		err = ext4_orphan_add(es, ei);
	if (!err)
		err = ext4_inode_store(es, ei);
	err = ext4_end(es, err);
	if (err) {
		size_set(inode, old);
		return err;
	}
	if (at == EXT4_MAX_LBLK)
		return 0;
	err = ext4_truncate_blocks(ei, size);
	if (!err)
		err = ext4_begin(es, 8, EXT4_USE_RESERVE);
	return err ? err : ext4_end(es, ext4_orphan_del(es, ei));
}

static int grow(struct inode *inode, uint64_t size)
{
	struct ext4_sb_info *es = EXT4_SB(inode->sb);
	struct ext4_inode_info *ei = EXT4_I(inode);
	int err;

	mapping_zero_tail(&inode->mapping, inode->size);
	err = ext4_begin(es, 2, EXT4_USE_RESERVE);
	if (err)
		return err;
	err = ext4_inode_touch(es, ei);
	if (!err) {
		ei->disksize = size;
		err = ext4_inode_store(es, ei);
	}
	err = ext4_end(es, err);
	if (!err)
		size_set(inode, size);
	return err;
}

static struct timespec64 time_clamp(const struct ext4_inode_info *ei, struct timespec64 ts)
{
	bool extra = ei->raw_size > EXT2_GOOD_OLD_INODE_SIZE && EXT4_HAS_EXTRA(ei, i_ctime_extra);
	int64_t max = extra ? (1LL << 34) - (1LL << 31) - 1 : INT32_MAX;

	if (ts.sec > max || ts.sec < INT32_MIN)
		return (struct timespec64){ CLAMP(ts.sec, (int64_t)INT32_MIN, max), 0 };
	return ts;
}

int ext4_setattr(struct inode *inode, const struct iattr *attr)
{
	struct ext4_sb_info *es = EXT4_SB(inode->sb);
	struct ext4_inode_info *ei = EXT4_I(inode);
	struct iattr new = *attr, old = { .valid = attr->valid, .mode = inode->mode, .uid = inode->uid, .gid = inode->gid,
					  .atime = inode->atime, .mtime = inode->mtime, .ctime = inode->ctime };
	int err = 0;

	if (attr->valid & ATTR_SIZE && attr->size < inode->size)
		err = shrink(inode, attr->size);
	else if (attr->valid & ATTR_SIZE && attr->size > inode->size)
		err = grow(inode, attr->size);
	if (err)
		return err;
	new.atime = time_clamp(ei, new.atime);
	new.mtime = time_clamp(ei, new.mtime);
	new.ctime = time_clamp(ei, new.ctime);
	setattr_copy(inode, &new);
	err = ext4_begin(es, 2, EXT4_USE_RESERVE);
	if (!err)
		err = ext4_end(es, ext4_inode_store(es, ei));
	if (err)
		setattr_copy(inode, &old);
	return err;
}
