/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Data of files, and symlinks.  Pages are read by extents, straight from the image into the frames.
 */
#include <stdlib.h>
#include <string.h>

#include "sentry/abi/fcntl.h"
#include "vfs/ext4/ext4_rw.h"
#include "vfs/frame_io.h"

/* Bytes of a file that lives in its inode: the first 60 in i_block, more in an attribute. */
static int inline_read(struct ext4_inode_info *ei, const pfn_t *pfns, uint64_t start, uint64_t len)
{
	const struct ext2_inode_large *raw = ext4_raw(ei);
	uint8_t buf[sizeof(raw->i_block)];
	const uint8_t *tail;
	uint32_t tail_len;
	int err = ext4_inline_tail(ei, &tail, &tail_len);

	if (err)
		return err;
	frame_io_zero(pfns, 0, len);
	if (start)
		return 0; /* an inode is smaller than a page */
	memcpy(buf, raw->i_block, sizeof(buf));
	frame_io_copy(pfns, 0, buf, MIN(ei->vfs.size, sizeof(buf)));
	if (ei->vfs.size > sizeof(buf))
		frame_io_copy(pfns, sizeof(buf), tail, MIN(ei->vfs.size - sizeof(buf), tail_len));
	return 0;
}

static int ext4_readpages(struct mapping *m, uint64_t pgoff, unsigned nr, const pfn_t *pfns)
{
	struct ext4_inode_info *ei = EXT4_I(m->host);
	struct ext4_sb_info *es = EXT4_SB(m->host->sb);
	uint64_t start = pgoff << PAGE_SHIFT, len = (uint64_t)nr << PAGE_SHIFT, done = 0;
	uint64_t end = m->host->size > start ? MIN(len, m->host->size - start) : 0;

	if (ei->flags & EXT4_ENCRYPT_FL)
		return -LINUX_ENOKEY;
	if (ei->flags & EXT4_INLINE_DATA_FL)
		return inline_read(ei, pfns, start, len);
	while (done < end) {
		uint64_t pos = start + done, lblk = pos >> es->blkbits, in_seg, part;
		struct ext4_seg seg;
		int err = ext4_map(ei, lblk, &seg);

		if (err)
			return err;
		in_seg = pos - (seg.lblk << es->blkbits);
		part = MIN((seg.len << es->blkbits) - in_seg, end - done);
		if (seg.pblk)
			err = ext4_image_read_frames(&es->image, (seg.pblk << es->blkbits) + in_seg, pfns, done, part);
		else
			frame_io_zero(pfns, done, part);
		if (err)
			return err;
		done += part;
	}
	frame_io_zero(pfns, end, len - end);
	return 0;
}

static uint64_t ext4_hole(struct mapping *m, uint64_t pgoff, uint64_t nr)
{
	struct ext4_inode_info *ei = EXT4_I(m->host);
	uint64_t start = pgoff << PAGE_SHIFT, end;
	unsigned bits = EXT4_SB(m->host->sb)->blkbits;
	struct ext4_seg seg;

	if (ei->flags & (EXT4_ENCRYPT_FL | EXT4_INLINE_DATA_FL) || ext4_map(ei, start >> bits, &seg) || seg.pblk)
		return 0;
	end = (seg.lblk + seg.len) << bits;
	return MIN(nr, (end - start) >> PAGE_SHIFT);
}

/*
 * The first byte at or behind @pos that is (@data) or is not in a block with contents; the size when there is none.
 * As ext4_llseek, preallocated blocks that were never written are holes.
 */
static int64_t seek_data_hole(struct ext4_inode_info *ei, uint64_t pos, bool data)
{
	unsigned bits = EXT4_SB(ei->vfs.sb)->blkbits;
	uint64_t size = ei->vfs.size;
	struct ext4_seg seg;

	if (ei->flags & EXT4_INLINE_DATA_FL)
		return data ? pos : size;
	while (pos < size) {
		int err = ext4_map(ei, pos >> bits, &seg);

		if (err)
			return err;
		if (data == !!seg.pblk)
			return pos;
		pos = (seg.lblk + seg.len) << bits;
	}
	return size;
}

static int64_t ext4_llseek(struct file *f, int64_t off, int whence)
{
	uint64_t size = READ_ONCE(f->inode->size);
	int64_t pos;
	int err;

	if (whence != LINUX_SEEK_DATA && whence != LINUX_SEEK_HOLE)
		return generic_file_llseek(f, off, whence);
	if (off < 0 || (uint64_t)off >= size)
		return -LINUX_ENXIO;
	/* What waits to be written back has no blocks yet. */
	err = EXT4_RW(f->inode) ? mapping_writeback(&f->inode->mapping, 0, UINT64_MAX) : 0;
	if (err)
		return err;
	pos = seek_data_hole(EXT4_I(f->inode), off, whence == LINUX_SEEK_DATA);
	if (pos >= 0 && whence == LINUX_SEEK_DATA && (uint64_t)pos >= size)
		return -LINUX_ENXIO;
	if (pos >= 0)
		f->pos = pos;
	return pos;
}

/* Nothing is dirty. */
static int fsync_read_only(struct file *f, uint64_t start, uint64_t end, bool datasync)
{
	(void)f, (void)start, (void)end, (void)datasync;
	return 0;
}

/* A fast symlink is in the inode: short, and without a block but that of its attributes. */
bool ext4_is_fast_symlink(struct ext4_inode_info *ei)
{
	return ei->vfs.size < sizeof(ext4_raw(ei)->i_block) && !(ei->flags & (EXT4_EXTENTS_FL | EXT4_INLINE_DATA_FL)) &&
	       (ei->vfs.blocks == 0 || ext4_raw(ei)->i_file_acl);
}

static int ext4_readlink(struct inode *inode, struct strbuf *ret)
{
	struct ext4_inode_info *ei = EXT4_I(inode);
	char buf[PATH_MAX_LEN];
	const uint8_t *tail;
	uint32_t tail_len;
	size_t len = inode->size;
	int err = 0;

	if (ei->flags & EXT4_ENCRYPT_FL)
		return -LINUX_ENOKEY;
	if (!len || len >= sizeof(buf))
		return ext4_error(EXT4_SB(inode->sb), EFSCORRUPTED, "bad length of symlink %llu",
				  (unsigned long long)inode->ino);
	if (ext4_is_fast_symlink(ei)) {
		memcpy(buf, ext4_raw(ei)->i_block, len);
	} else if (ei->flags & EXT4_INLINE_DATA_FL) {
		err = ext4_inline_tail(ei, &tail, &tail_len);
		if (!err && len > sizeof(ext4_raw(ei)->i_block) + tail_len)
			err = -EFSCORRUPTED;
		if (err)
			return err;
		memcpy(buf, ext4_raw(ei)->i_block, MIN(len, sizeof(ext4_raw(ei)->i_block)));
		if (len > sizeof(ext4_raw(ei)->i_block))
			memcpy(buf + sizeof(ext4_raw(ei)->i_block), tail, len - sizeof(ext4_raw(ei)->i_block));
	} else {
		err = ext4_read_data(ei, buf, 0, len);
	}
	if (err)
		return err;
	strbuf_add(ret, buf, strnlen(buf, len));
	return strbuf_err(ret);
}

const struct inode_ops ext4_file_inode_ops = {
	.getxattr = ext4_getxattr,
	.listxattr = ext4_listxattr,
};

const struct inode_ops ext4_file_inode_ops_rw = {
	.setattr = ext4_setattr,
	.getxattr = ext4_getxattr,
	.setxattr = ext4_setxattr,
	.removexattr = ext4_removexattr,
	.listxattr = ext4_listxattr,
};

const struct inode_ops ext4_symlink_inode_ops_rw = {
	.readlink = ext4_readlink,
	.setattr = ext4_setattr,
	.getxattr = ext4_getxattr,
	.setxattr = ext4_setxattr,
	.removexattr = ext4_removexattr,
	.listxattr = ext4_listxattr,
};

const struct inode_ops ext4_symlink_inode_ops = {
	.readlink = ext4_readlink,
	.getxattr = ext4_getxattr,
	.listxattr = ext4_listxattr,
};

const struct mapping_ops ext4_mapping_ops = {
	.readpages = ext4_readpages,
	.hole = ext4_hole,
};

const struct file_ops ext4_file_ops = {
	.read = generic_file_read,
	.llseek = ext4_llseek,
	.mmap = generic_file_mmap,
	.fsync = fsync_read_only,
};

const struct mapping_ops ext4_mapping_ops_rw = {
	.readpages = ext4_readpages,
	.hole = ext4_hole,
	.writepages = ext4_writepages,
	.dirty = ext4_dirty,
	.dropped = ext4_dropped,
};

const struct file_ops ext4_file_ops_rw = {
	.read = generic_file_read,
	.write = ext4_write,
	.llseek = ext4_llseek,
	.mmap = generic_file_mmap,
	.fsync = ext4_fsync,
	.fallocate = ext4_fallocate,
};
