/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes to an image kept in a file of their own, the overlay: blocks of 4 KiB at the places they have in the image, and
 * behind them a header and a map of which are there.
 *
 *     [0, image size)    blocks that differ from the image; holes elsewhere
 *     then, aligned      header: magic, size and superblock checksum of the image it belongs to
 *     4 KiB on           map, one bit for each block
 *
 * A block counts when its bit is in the file.  Bits are written by a flush only, after the blocks were made durable: so a
 * crash loses what was not flushed and nothing else, as with a disk.
 *
 * Locks: flush_lock, then lock.
 */
#include <stdlib.h>
#include <string.h>

#include "sentry/abi/fcntl.h"
#include "vfs/ext4/ext4_rw.h"
#include "vfs/frame_io.h"

#define COW_BITS 12
#define COW_SIZE (1U << COW_BITS)
#define SUPER_OFF 1024
#define SUPER_SIZE 1024

static const char magic[16] = "sentry overlay\n";

struct cow_header {
	char magic[16];
	uint64_t image_size;
	uint32_t version, super_csum;
};

struct ext4_cow {
	int fd, base_fd;
	uint64_t size, header_off, map_size;
	struct mutex lock;
	uint8_t *map;	/* lock to change */
	uint8_t *dirty; /* lock; pages of the map that the file does not have yet, a byte each */
	bool any_dirty; /* lock */
	struct mutex flush_lock;
	uint8_t *shadow;   /* flush_lock; the map as a flush writes it */
	uint8_t *to_write; /* flush_lock; its pages that are to be written */
	bool unwritten;	   /* flush_lock; a flush that failed left some */
};

static int file_write(int fd, enum ext4_traced which, const void *buf, size_t len, uint64_t off)
{
	if (ext4_image_trace)
		ext4_image_trace(which, off, buf, len);
	return host_pwrite_full(fd, buf, len, off);
}

static int file_sync(int fd, enum ext4_traced which)
{
	if (ext4_image_trace)
		ext4_image_trace(which, 0, NULL, 0);
	return host_fdatasync(fd);
}

static int over_write(struct ext4_cow *cow, const void *buf, size_t len, uint64_t off)
{
	return file_write(cow->fd, EXT4_TRACED_OVERLAY, buf, len, off);
}

static bool is_there(const struct ext4_cow *cow, uint64_t block)
{
	return __atomic_load_n(&cow->map[block / 8], __ATOMIC_ACQUIRE) >> (block % 8) & 1;
}

/* Blocks [block, end) are in the overlay. */
static void mark_locked(struct ext4_cow *cow, uint64_t block, uint64_t end)
{
	for (; block < end; block++) {
		if (is_there(cow, block))
			continue;
		__atomic_fetch_or(&cow->map[block / 8], 1U << (block % 8), __ATOMIC_RELEASE);
		cow->dirty[block / 8 / COW_SIZE] = 1;
		cow->any_dirty = true;
	}
}

/* How much of [off, off + len) comes from one file, and from which. */
static size_t run_of(const struct ext4_cow *cow, uint64_t off, size_t len, int *ret_fd)
{
	uint64_t block = off >> COW_BITS, last = (off + len - 1) >> COW_BITS;
	bool there = is_there(cow, block);

	*ret_fd = there ? cow->fd : cow->base_fd;
	while (block < last && is_there(cow, block + 1) == there)
		block++;
	return MIN(len, ((block + 1) << COW_BITS) - off);
}

bool ext4_cow_any(const struct ext4_cow *cow, uint64_t off, uint64_t len)
{
	for (uint64_t block = off >> COW_BITS; len && block <= (off + len - 1) >> COW_BITS; block++)
		if (is_there(cow, block))
			return true;
	return false;
}

int ext4_cow_read(struct ext4_cow *cow, void *buf, size_t len, uint64_t off)
{
	while (len) {
		int fd;
		size_t part = run_of(cow, off, len, &fd);

		if (host_pread_full(fd, buf, part, off))
			return -LINUX_EIO;
		buf = (char *)buf + part;
		off += part;
		len -= part;
	}
	return 0;
}

int ext4_cow_read_frames(struct ext4_cow *cow, uint64_t off, const pfn_t *pfns, size_t start, size_t len)
{
	while (len) {
		int fd;
		size_t part = run_of(cow, off, len, &fd);

		if (frame_io_pread(fd, off, pfns, start, part) != (int64_t)part)
			return -LINUX_EIO;
		off += part;
		start += part;
		len -= part;
	}
	return 0;
}

/* Part of one block, which is copied first when it is not there. */
static int write_part(struct ext4_cow *cow, const void *buf, size_t len, uint64_t off)
{
	uint64_t block = off >> COW_BITS, size = MIN((uint64_t)COW_SIZE, cow->size - (block << COW_BITS));
	uint8_t copy[COW_SIZE];
	int err;
	MUTEX_GUARD(&cow->lock);

	if (is_there(cow, block))
		return over_write(cow, buf, len, off);
	err = host_pread_full(cow->base_fd, copy, size, block << COW_BITS);
	if (err)
		return -LINUX_EIO;
	memcpy(copy + off % COW_SIZE, buf, len);
	err = over_write(cow, copy, size, block << COW_BITS);
	if (!err)
		mark_locked(cow, block, block + 1);
	return err;
}

int ext4_cow_write(struct ext4_cow *cow, const void *buf, size_t len, uint64_t off)
{
	while (len) {
		size_t part = MIN(len, COW_SIZE - off % COW_SIZE);
		int err;

		if (part == COW_SIZE) {
			part = len & ~(size_t)(COW_SIZE - 1);
			err = over_write(cow, buf, part, off);
			if (!err) {
				MUTEX_GUARD(&cow->lock);
				mark_locked(cow, off >> COW_BITS, (off + part) >> COW_BITS);
			}
		} else {
			err = write_part(cow, buf, part, off);
		}
		if (err)
			return err;
		buf = (const char *)buf + part;
		off += part;
		len -= part;
	}
	return 0;
}

/* The pages of the map with bits that the file does not have, as they are now: their blocks were written before. */
static bool map_snapshot(struct ext4_cow *cow)
{
	bool any;
	MUTEX_GUARD(&cow->lock);

	any = cow->any_dirty;
	for (uint64_t page = 0; any && page * COW_SIZE < cow->map_size; page++) {
		if (!cow->dirty[page])
			continue;
		memcpy(cow->shadow + page * COW_SIZE, cow->map + page * COW_SIZE, COW_SIZE);
		cow->to_write[page] = 1;
		cow->dirty[page] = 0;
	}
	cow->any_dirty = false;
	return any;
}

int ext4_cow_flush(struct ext4_cow *cow)
{
	bool any;
	int err;
	MUTEX_GUARD(&cow->flush_lock);

	any = map_snapshot(cow) || cow->unwritten;
	err = file_sync(cow->fd, EXT4_TRACED_OVERLAY);
	if (err || !any) {
		cow->unwritten = any;
		return err;
	}
	for (uint64_t page = 0; page * COW_SIZE < cow->map_size && !err; page++) {
		uint64_t at = page * COW_SIZE;

		if (!cow->to_write[page])
			continue;
		err = over_write(cow, cow->shadow + at, COW_SIZE, cow->header_off + COW_SIZE + at);
		if (!err)
			cow->to_write[page] = 0;
	}
	if (!err)
		err = file_sync(cow->fd, EXT4_TRACED_OVERLAY);
	cow->unwritten = err;
	return err;
}

/* --- opening --- */

static int header_make(struct ext4_cow *cow, struct cow_header *h)
{
	uint8_t super[SUPER_SIZE];

	memset(h, 0, sizeof(*h));
	memcpy(h->magic, magic, sizeof(magic));
	h->version = 1;
	h->image_size = cow->size;
	if (cow->size < 2048 || host_pread_full(cow->base_fd, super, sizeof(super), SUPER_OFF))
		return -LINUX_EINVAL;
	/* Not over its own checksum, with which the result would always be the same. */
	h->super_csum = ext4_crc32c(~0U, super, offsetof(struct ext2_super_block, s_checksum));
	return 0;
}

static int header_write(struct ext4_cow *cow, const struct cow_header *h)
{
	int err = over_write(cow, h, sizeof(*h), cow->header_off);

	return err ? err : file_sync(cow->fd, EXT4_TRACED_OVERLAY);
}

static int cow_create(struct ext4_cow *cow, const struct cow_header *h)
{
	int err = host_ftruncate(cow->fd, cow->header_off + COW_SIZE + cow->map_size);

	return err ? err : header_write(cow, h);
}

/* Made, but interrupted before it had its header. */
static bool is_unborn(const struct ext4_cow *cow, uint64_t file_size, const struct cow_header *got)
{
	static const struct cow_header none;

	return file_size == cow->header_off + COW_SIZE + cow->map_size && !memcmp(got, &none, sizeof(none));
}

/* Whether all of the overlay is in the image already: its superblock, which goes last, is. */
static bool is_home(struct ext4_cow *cow)
{
	uint8_t ours[SUPER_SIZE], image[SUPER_SIZE];

	return is_there(cow, 0) && !host_pread_full(cow->fd, ours, sizeof(ours), SUPER_OFF) &&
	       !host_pread_full(cow->base_fd, image, sizeof(image), SUPER_OFF) && !memcmp(ours, image, sizeof(ours));
}

static int cow_load(struct ext4_cow *cow, uint64_t file_size, const struct cow_header *h, const char *name, struct strbuf *why)
{
	struct cow_header got;
	int err = host_pread_full(cow->fd, &got, sizeof(got), cow->header_off);

	if (!err && is_unborn(cow, file_size, &got))
		return cow_create(cow, h);
	if (err || memcmp(got.magic, magic, sizeof(magic)) != 0 || got.version != 1 || got.image_size != cow->size) {
		strbuf_addf(why, "%s is not an overlay of this image", name);
		return -LINUX_EINVAL;
	}
	err = host_pread_full(cow->fd, cow->map, cow->map_size, cow->header_off + COW_SIZE);
	if (err || got.super_csum == h->super_csum)
		return err;
	if (!is_home(cow)) {
		strbuf_addf(why, "the image was changed since the overlay %s was made, which is of no use without the old one", name);
		return -LINUX_ESTALE;
	}
	/* It belongs to the image as that is now. */
	return header_write(cow, h);
}

int ext4_cow_open(int base_fd, uint64_t size, const char *name, struct ext4_cow **ret, struct strbuf *why)
{
	struct ext4_cow *cow = calloc(1, sizeof(*cow));
	struct cow_header h;
	struct host_stat st;
	int err = -LINUX_ENOMEM;

	if (!cow)
		return err;
	mutex_init(&cow->lock);
	mutex_init(&cow->flush_lock);
	cow->base_fd = base_fd;
	cow->size = size;
	cow->header_off = ALIGN_UP(size, (uint64_t)COW_SIZE);
	cow->map_size = ALIGN_UP(DIV_ROUND_UP(cow->header_off >> COW_BITS, 8), (uint64_t)COW_SIZE);
	cow->map = calloc(1, cow->map_size);
	cow->shadow = malloc(cow->map_size);
	cow->dirty = calloc(1, cow->map_size / COW_SIZE + 1);
	cow->to_write = calloc(1, cow->map_size / COW_SIZE + 1);
	cow->fd = host_openat(HOST_AT_FDCWD, name, LINUX_O_RDWR | LINUX_O_CREAT | LINUX_O_NOCTTY, 0666);
	if (cow->map && cow->dirty && cow->shadow && cow->to_write)
		err = cow->fd < 0 ? cow->fd : header_make(cow, &h);
	if (!err && host_flock(cow->fd, LINUX_LOCK_EX | LINUX_LOCK_NB) == -LINUX_EAGAIN) {
		strbuf_addf(why, "%s is in use by another sentry", name);
		err = -LINUX_EBUSY;
	}
	if (!err)
		err = host_fstat(cow->fd, &st);
	if (!err)
		err = st.size ? cow_load(cow, st.size, &h, name, why) : cow_create(cow, &h);
	if (err) {
		if (!why->len)
			strbuf_addf(why, "can't use the overlay %s: %s", name, strerror(-err));
		ext4_cow_close(cow);
		return err;
	}
	*ret = cow;
	return 0;
}

/* --- commit --- */

/* Bytes [off, end) of the overlay, without holes in the map. */
static int run_home(struct ext4_cow *cow, uint64_t off, uint64_t end, uint8_t *buf, size_t buf_size)
{
	end = MIN(end, cow->size);
	while (off < end) {
		size_t part = MIN(end - off, buf_size);
		int err = host_pread_full(cow->fd, buf, part, off);

		if (!err)
			err = file_write(cow->base_fd, EXT4_TRACED_IMAGE, buf, part, off);
		if (err)
			return err;
		off += part;
	}
	return 0;
}

/* Everything but the superblock, which shares its block with the boot sector, and with other blocks where those are small. */
static int blocks_home(struct ext4_cow *cow, uint8_t *buf, size_t buf_size)
{
	uint64_t nr = cow->header_off >> COW_BITS;
	int err = 0;

	if (is_there(cow, 0))
		err = run_home(cow, SUPER_OFF + SUPER_SIZE, COW_SIZE, buf, buf_size);
	for (uint64_t block = 1, end; block < nr && !err; block = end + 1) {
		for (end = block; end < nr && is_there(cow, end); end++)
			;
		if (end > block)
			err = run_home(cow, block << COW_BITS, end << COW_BITS, buf, buf_size);
	}
	return err ? err : file_sync(cow->base_fd, EXT4_TRACED_IMAGE);
}

/*
 * The superblock goes last: until then the overlay still belongs to the image, and hides what of it is half written; from then on
 * all of it is home, and doing it again changes nothing.
 */
static int cow_home(struct ext4_cow *cow)
{
	size_t buf_size = 1 << 20;
	uint8_t *buf = malloc(buf_size);
	int err = buf ? blocks_home(cow, buf, buf_size) : -LINUX_ENOMEM;

	if (!err && is_there(cow, 0))
		err = run_home(cow, SUPER_OFF, SUPER_OFF + SUPER_SIZE, buf, buf_size);
	if (!err)
		err = file_sync(cow->base_fd, EXT4_TRACED_IMAGE);
	free(buf);
	return err;
}

int ext4_cow_commit(const char *path, const char *overlay, struct strbuf *why)
{
	int fd = host_openat(HOST_AT_FDCWD, path, LINUX_O_RDWR | LINUX_O_NOCTTY, 0), err;
	struct ext4_cow *cow;
	int64_t size;

	if (fd < 0) {
		strbuf_addf(why, "can't open %s for writing: %s", path, strerror(-fd));
		return fd;
	}
	err = host_flock(fd, LINUX_LOCK_EX | LINUX_LOCK_NB);
	if (err == -LINUX_EAGAIN) {
		strbuf_addf(why, "%s is in use by another sentry", path);
		host_close(fd);
		return -LINUX_EBUSY;
	}
	size = host_lseek(fd, 0, LINUX_SEEK_END);
	err = size < 0 ? (int)size : ext4_cow_open(fd, size, overlay, &cow, why);
	if (!err) {
		err = cow_home(cow);
		ext4_cow_close(cow);
	}
	host_close(fd);
	return err;
}

void ext4_cow_close(struct ext4_cow *cow)
{
	if (cow->fd >= 0)
		host_close(cow->fd);
	mutex_fini(&cow->lock);
	mutex_fini(&cow->flush_lock);
	free(cow->map);
	free(cow->dirty);
	free(cow->shadow);
	free(cow->to_write);
	free(cow);
}
