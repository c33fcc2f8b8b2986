/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The image: reads by byte, by block and into frames, with the blocks of a journal that was not replayed laid over it; and
 * the io_manager through which libext2fs sees the same.
 */
#include <stdlib.h>
#include <string.h>

#include "platform/host/host.h"
#include "vfs/ext4/ext4_rw.h"
#include "vfs/frame_io.h"
#include "vfs/io_account.h"

_Thread_local struct io_counts *current_io;
atomic_ulong io_device;

void (*ext4_image_trace)(enum ext4_traced file, uint64_t off, const void *buf, size_t len);
int (*ext4_image_fault)(enum ext4_io what, uint64_t off, size_t len);

static int fault(enum ext4_io what, uint64_t off, size_t len)
{
	return ext4_image_fault ? ext4_image_fault(what, off, len) : 0;
}

int ext4_image_read_raw(const struct ext4_image *img, void *buf, size_t len, uint64_t off)
{
	if (off > img->size || len > img->size - off || fault(EXT4_IO_READ, off, len))
		return -LINUX_EIO;
	io_account_read(len);
	if (img->cow)
		return ext4_cow_read(img->cow, buf, len, off);
	return host_pread_full(img->fd, buf, len, off) ? -LINUX_EIO : 0;
}

/* The first replayed block >= @blk, or NULL. */
static const struct ext4_replay_block *replay_from(const struct ext4_image *img, uint64_t blk)
{
	size_t lo = 0, hi = img->nr_replay;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (img->replay[mid].blk < blk)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < img->nr_replay ? &img->replay[lo] : NULL;
}

static const struct ext4_replay_block *replay_find(const struct ext4_image *img, uint64_t blk)
{
	const struct ext4_replay_block *r = img->nr_replay ? replay_from(img, blk) : NULL;

	return r && r->blk == blk ? r : NULL;
}

int ext4_image_read_part(const struct ext4_image *img, uint64_t blk, uint32_t off, void *buf, uint32_t len)
{
	const struct ext4_replay_block *r = replay_find(img, blk);
	uint64_t src = r ? r->src : blk;
	static const uint8_t magic[4] = { 0xc0, 0x3b, 0x39, 0x98 };
	int err;

	if (img->rw && ext4_cache_copy(img->rw, blk, off, buf, len))
		return 0;
	if (src > img->size / img->blocksize)
		return -LINUX_EIO;
	err = ext4_image_read_raw(img, buf, len, src * img->blocksize + off);
	if (!err && r && r->escaped && off < sizeof(magic))
		memcpy(buf, magic + off, MIN(sizeof(magic) - off, len));
	return err;
}

int ext4_image_read(const struct ext4_image *img, uint64_t blk, uint32_t nr, void *buf)
{
	const struct ext4_replay_block *r = img->nr_replay ? replay_from(img, blk) : NULL;
	int err = 0;

	if (blk > img->size / img->blocksize)
		return -LINUX_EIO;
	if ((!r || r->blk >= blk + nr) && (!img->rw || !ext4_cache_any(img->rw)))
		return ext4_image_read_raw(img, buf, (size_t)nr * img->blocksize, blk * img->blocksize);
	for (uint32_t i = 0; i < nr && !err; i++)
		err = ext4_image_read_part(img, blk + i, 0, (char *)buf + (size_t)i * img->blocksize, img->blocksize);
	return err;
}

/* The slow way, for ranges the journal has newer blocks of (data=journal). */
static int read_frames_replayed(const struct ext4_image *img, uint64_t off, const pfn_t *pfns, size_t start, size_t len)
{
	char *bounce = malloc(img->blocksize);
	int err = bounce ? 0 : -LINUX_ENOMEM;

	while (len && !err) {
		uint32_t in_blk = off % img->blocksize;
		uint32_t part = MIN(len, img->blocksize - in_blk);

		err = ext4_image_read_part(img, off / img->blocksize, in_blk, bounce, part);
		if (!err)
			frame_io_copy(pfns, start, bounce, part);
		off += part;
		start += part;
		len -= part;
	}
	free(bounce);
	return err;
}

int ext4_image_read_frames(const struct ext4_image *img, uint64_t off, const pfn_t *pfns, size_t start, size_t len)
{
	const struct ext4_replay_block *r = img->nr_replay ? replay_from(img, off / img->blocksize) : NULL;

	if (fault(EXT4_IO_READ, off, len))
		return -LINUX_EIO;
	if (r && r->blk * img->blocksize < off + len)
		return read_frames_replayed(img, off, pfns, start, len);
	io_account_read(len);
	if (img->cow)
		return off <= img->size && len <= img->size - off ? ext4_cow_read_frames(img->cow, off, pfns, start, len) :
								    -LINUX_EIO;
	return frame_io_pread(img->fd, off, pfns, start, len) == (int64_t)len ? 0 : -LINUX_EIO;
}

/* --- writing --- */

/* The file system's own size is the limit: nothing is ever written behind it. */
static bool write_ok(const struct ext4_image *img, uint64_t off, size_t len)
{
	return off <= img->size && len <= img->size - off;
}

int ext4_image_write(struct ext4_image *img, const void *buf, size_t len, uint64_t off)
{
	int err = write_ok(img, off, len) ? fault(EXT4_IO_WRITE, off, len) : -LINUX_EIO;

	if (err)
		return err;
	io_account_write(len);
	if (img->cow)
		return ext4_cow_write(img->cow, buf, len, off);
	if (ext4_image_trace)
		ext4_image_trace(EXT4_TRACED_IMAGE, off, buf, len);
	return host_pwrite_full(img->fd, buf, len, off);
}

int ext4_image_writev(struct ext4_image *img, const struct iovec *iov, int nr, uint64_t off)
{
	size_t len = 0;
	ssize_t n;

	for (int i = 0; i < nr; i++)
		len += iov[i].iov_len;
	if (!write_ok(img, off, len))
		return -LINUX_EIO;
	if (!ext4_image_trace && !ext4_image_fault && !img->cow) {
		n = host_pwritev(img->fd, iov, nr, off);
		if (n == (ssize_t)len) {
			io_account_write(len);
			return 0;
		}
	}
	/* One at a time, to the place that fails. */
	for (int i = 0; i < nr; off += iov[i++].iov_len) {
		int err = ext4_image_write(img, iov[i].iov_base, iov[i].iov_len, off);

		if (err)
			return err;
	}
	return 0;
}

int ext4_image_write_frames(struct ext4_image *img, uint64_t off, const pfn_t *pfns, size_t start, size_t len)
{
	int err = write_ok(img, off, len) ? fault(EXT4_IO_WRITE, off, len) : -LINUX_EIO;

	if (err)
		return err;
	io_account_write(len);
	for (size_t done = 0; ext4_image_trace && !img->cow && done < len;) {
		size_t at = start + done, part = MIN(len - done, PAGE_SIZE - PAGE_OFFSET(at));

		ext4_image_trace(EXT4_TRACED_IMAGE, off + done, (char *)frame_ptr(pfns[at >> PAGE_SHIFT]) + PAGE_OFFSET(at),
				 part);
		done += part;
	}
	for (size_t done = 0; img->cow && done < len;) {
		size_t at = start + done, part = MIN(len - done, PAGE_SIZE - PAGE_OFFSET(at));

		/* Neighbouring frames in one transfer. */
		while (part < len - done && pfns[(at + part) >> PAGE_SHIFT] == pfns[(at + part - 1) >> PAGE_SHIFT] + 1)
			part = MIN(part + PAGE_SIZE, len - done);
		err = ext4_cow_write(img->cow, (char *)frame_ptr(pfns[at >> PAGE_SHIFT]) + PAGE_OFFSET(at), part, off + done);
		if (err)
			return err;
		done += part;
	}
	return img->cow ? 0 : frame_io_pwrite(img->fd, off, pfns, start, len);
}

/* A file that someone made shorter would grow again with holes in it, and nobody would know. */
static int size_check(const struct ext4_image *img)
{
	struct host_stat st;

	if (img->cow || host_fstat(img->fd, &st) || !LINUX_S_ISREG(st.mode) || (uint64_t)st.size >= img->size)
		return 0;
	log_once(LOG_LEVEL_ERROR, "the image was cut to %llu bytes while it was in use", (unsigned long long)st.size);
	return -LINUX_EIO;
}

int ext4_image_flush(struct ext4_image *img)
{
	int err = fault(EXT4_IO_FLUSH, 0, 0);

	if (!err)
		err = size_check(img);
	if (err)
		return err;
	if (img->cow)
		return ext4_cow_flush(img->cow);
	if (ext4_image_trace)
		ext4_image_trace(EXT4_TRACED_IMAGE, 0, NULL, 0);
	return host_fdatasync(img->fd);
}

/* --- libext2fs's view --- */

/* io_manager.open has no argument for it. */
static _Thread_local struct ext4_image *opening;

static struct struct_io_manager image_io_manager;

static errcode_t channel_open(const char *name, int flags, io_channel *ret)
{
	io_channel io;

	(void)flags;
	io = calloc(1, sizeof(*io));
	if (!io)
		return EXT2_ET_NO_MEMORY;
	io->name = strdup(name);
	if (!io->name) {
		free(io);
		return EXT2_ET_NO_MEMORY;
	}
	io->magic = EXT2_ET_MAGIC_IO_CHANNEL;
	io->manager = &image_io_manager;
	io->block_size = 1024;
	io->refcount = 1;
	io->private_data = opening;
	*ret = io;
	return 0;
}

static errcode_t channel_close(io_channel io)
{
	if (--io->refcount > 0)
		return 0;
	free(io->name);
	free(io);
	return 0;
}

static errcode_t channel_set_blksize(io_channel io, int blksize)
{
	io->block_size = blksize;
	return 0;
}

/* libext2fs reads the superblock as a block of 1 KiB, whatever the block size. */
static errcode_t channel_read_blk64(io_channel io, unsigned long long blk, int count, void *buf)
{
	const struct ext4_image *img = io->private_data;
	size_t len = count < 0 ? (size_t)-(int64_t)count : (size_t)count * io->block_size;
	uint64_t off = blk * io->block_size;

	if (blk > img->size / io->block_size)
		return EXT2_ET_SHORT_READ;
	if (!img->nr_replay && !img->rw)
		return ext4_image_read_raw(img, buf, len, off) ? EXT2_ET_SHORT_READ : 0;
	while (len) {
		uint32_t in_blk = off % img->blocksize, part = MIN(len, img->blocksize - in_blk);

		if (ext4_image_read_part(img, off / img->blocksize, in_blk, buf, part))
			return EXT2_ET_SHORT_READ;
		buf = (char *)buf + part;
		off += part;
		len -= part;
	}
	return 0;
}

static errcode_t channel_read_blk(io_channel io, unsigned long blk, int count, void *buf)
{
	return channel_read_blk64(io, blk, count, buf);
}

static errcode_t channel_write_blk64(io_channel io, unsigned long long blk, int count, const void *buf)
{
	(void)io, (void)blk, (void)count, (void)buf;
	return EXT2_ET_RO_FILSYS;
}

static errcode_t channel_write_blk(io_channel io, unsigned long blk, int count, const void *buf)
{
	return channel_write_blk64(io, blk, count, buf);
}

static errcode_t channel_flush(io_channel io)
{
	(void)io;
	return 0;
}

static struct struct_io_manager image_io_manager = {
	.magic = EXT2_ET_MAGIC_IO_MANAGER,
	.name = "sentry image",
	.open = channel_open,
	.close = channel_close,
	.set_blksize = channel_set_blksize,
	.read_blk = channel_read_blk,
	.write_blk = channel_write_blk,
	.flush = channel_flush,
	.read_blk64 = channel_read_blk64,
	.write_blk64 = channel_write_blk64,
};

errcode_t ext4_image_open_fs(struct ext4_image *img, ext2_filsys *ret_fs)
{
	errcode_t err;

	opening = img;
	err = ext2fs_open2("image", NULL, EXT2_FLAG_64BITS, 0, 0, &image_io_manager, ret_fs);
	opening = NULL;
	return err;
}
