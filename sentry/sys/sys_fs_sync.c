/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fsync(2), sync(2), fallocate(2), posix_fadvise(2) and other advice about file data.
 */
#include "sentry/abi/fcntl.h"
#include "sentry/sys/syscall.h"
#include "vfs/super.h"
#include "vfs/vfs.h"

SYSCALL_DEFINE1(fsync, int, fd)
{
	_cleanup_fput_ struct file *f = fget(fd);

	return f ? vfs_fsync(f, false) : -LINUX_EBADF;
}

SYSCALL_DEFINE1(fdatasync, int, fd)
{
	_cleanup_fput_ struct file *f = fget(fd);

	return f ? vfs_fsync(f, true) : -LINUX_EBADF;
}

SYSCALL_DEFINE0(sync)
{
	sync_filesystems();
	return 0;
}

SYSCALL_DEFINE1(syncfs, int, fd)
{
	_cleanup_fput_ struct file *f = fget(fd);

	return f ? sb_sync(f->inode->sb) : -LINUX_EBADF;
}

SYSCALL_DEFINE4(sync_file_range, int, fd, int64_t, off, int64_t, len, unsigned, flags)
{
	_cleanup_fput_ struct file *f = NULL;
	uint32_t mode;

	f = fget(fd);
	if (!f)
		return -LINUX_EBADF;
	if (flags &
	    ~(LINUX_SYNC_FILE_RANGE_WAIT_BEFORE | LINUX_SYNC_FILE_RANGE_WRITE | LINUX_SYNC_FILE_RANGE_WAIT_AFTER))
		return -LINUX_EINVAL;
	if (off < 0 || len < 0 || len > INT64_MAX - off)
		return -LINUX_EINVAL;
	mode = f->inode->mode;
	if (!LINUX_S_ISREG(mode) && !LINUX_S_ISBLK(mode) && !LINUX_S_ISDIR(mode) && !LINUX_S_ISLNK(mode))
		return -LINUX_ESPIPE;
	return mapping_writeback(&f->inode->mapping, off, len ? (uint64_t)(off + len) : UINT64_MAX);
}

SYSCALL_DEFINE4(fallocate, int, fd, int, mode, int64_t, off, int64_t, len)
{
	_cleanup_fput_ struct file *f = fget(fd);

	return f ? vfs_fallocate(f, mode, off, len) : -LINUX_EBADF;
}

/* --- advice --- */

enum { FADV_NORMAL, FADV_RANDOM, FADV_SEQUENTIAL, FADV_WILLNEED, FADV_DONTNEED, FADV_NOREUSE };

/* Reads pages that are not there, in large transfers; at most 2 MiB, as Linux bounds it. */
static void readahead_range(struct inode *inode, uint64_t off, uint64_t len)
{
	uint64_t page = off >> PAGE_SHIFT, end = PAGES_FOR(MIN(READ_ONCE(inode->size), off + len));

	if (!inode->mapping.ops || !inode->mapping.ops->readpages)
		return;
	end = MIN(end, page + 512);
	while (page < end) {
		pfn_t pfns[32];
		int n = mapping_get_pages(&inode->mapping, page, MIN(end - page, ARRAY_SIZE(pfns)), end - page, pfns);

		if (n <= 0)
			return;
		frame_put_many(pfns, n);
		page += n;
	}
}

SYSCALL_DEFINE4(fadvise64, int, fd, int64_t, off, int64_t, len, int, advice)
{
	_cleanup_fput_ struct file *f = fget(fd);
	uint64_t end;

	if (!f)
		return -LINUX_EBADF;
	if (LINUX_S_ISFIFO(f->inode->mode))
		return -LINUX_ESPIPE;
	if (len < 0 || advice < FADV_NORMAL || advice > FADV_NOREUSE)
		return -LINUX_EINVAL;
	end = len && off >= 0 && len <= INT64_MAX - off ? (uint64_t)(off + len) : UINT64_MAX;
	switch (advice) {
	case FADV_NORMAL:
	case FADV_SEQUENTIAL:
		WRITE_ONCE(f->ra.window, 0);
		break;
	case FADV_RANDOM:
		WRITE_ONCE(f->ra.window, UINT32_MAX);
		break;
	case FADV_WILLNEED:
		if (off >= 0)
			readahead_range(f->inode, off, end - off);
		break;
	case FADV_DONTNEED:
		if (off == 0 && end >= READ_ONCE(f->inode->size))
			mapping_drop_clean(&f->inode->mapping);
		break;
	default:
		break;
	}
	return 0;
}

SYSCALL_DEFINE3(readahead, int, fd, int64_t, off, size_t, count)
{
	_cleanup_fput_ struct file *f = fget(fd);

	if (!f || !(f->fmode & FMODE_READ))
		return -LINUX_EBADF;
	if (!f->inode->mapping.ops || !LINUX_S_ISREG(f->inode->mode))
		return -LINUX_EINVAL;
	if (off >= 0)
		readahead_range(f->inode, off, count);
	return 0;
}
