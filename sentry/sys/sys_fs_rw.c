/* SPDX-License-Identifier: Apache-2.0 */
/*
 * read(2), write(2), their vectored and positioned variants, lseek(2).
 */
#include <stdlib.h>

#include "sentry/abi/fcntl.h"
#include "sentry/sys/syscall.h"
#include "vfs/vfs.h"

#define POS_CURRENT UINT64_MAX /* preadv2: use the file's own position */

/* Locks what shares the file's position; NULL when nothing does. */
static struct mutex *pos_begin(struct file *f)
{
	if (!(f->fmode & FMODE_ATOMIC_POS))
		return NULL;
	mutex_lock(&f->pos_lock);
	return &f->pos_lock;
}

static void pos_end(struct mutex *lock)
{
	if (lock)
		mutex_unlock(lock);
}

/* One transfer at the file's position, which moves on. */
static int64_t file_rw(struct file *f, struct iov_iter *it, bool write)
{
	struct mutex *lock = pos_begin(f);
	bool stream = f->fmode & FMODE_STREAM;
	uint64_t old = f->pos, zero = 0;
	/* The file's own position, so that those whose position is somebody else's (hostfd.c) can tell. */
	uint64_t *pos = stream ? &zero : &f->pos;
	int64_t n = write ? vfs_write(f, it, pos) : vfs_read(f, it, pos);

	if (n < 0 && !stream)
		f->pos = old;
	pos_end(lock);
	return n;
}

static int64_t do_rw(int fd, uaddr_t buf, size_t count, bool write)
{
	_cleanup_fput_ struct file *f = fget(fd);
	struct iov_iter it;

	if (!f || !(f->fmode & (write ? FMODE_WRITE : FMODE_READ)))
		return -LINUX_EBADF;
	if (!(write ? (void *)f->ops->write : (void *)f->ops->read) && !LINUX_S_ISDIR(f->inode->mode))
		return -LINUX_EINVAL;
	if (!access_ok(buf, count))
		return -LINUX_EFAULT;
	iov_iter_init_user(&it, buf, count);
	return file_rw(f, &it, write);
}

SYSCALL_DEFINE3(read, int, fd, uaddr_t, buf, size_t, count)
{
	return do_rw(fd, buf, count, false);
}

SYSCALL_DEFINE3(write, int, fd, uaddr_t, buf, size_t, count)
{
	return do_rw(fd, buf, count, true);
}

static int64_t do_prw(int fd, uaddr_t buf, size_t count, int64_t pos, bool write)
{
	_cleanup_fput_ struct file *f = NULL;
	uint64_t at = pos;
	struct iov_iter it;

	if (pos < 0)
		return -LINUX_EINVAL;
	f = fget(fd);
	if (!f)
		return -LINUX_EBADF;
	if (!(f->fmode & (write ? FMODE_PWRITE : FMODE_PREAD)))
		return -LINUX_ESPIPE;
	if (!(f->fmode & (write ? FMODE_WRITE : FMODE_READ)))
		return -LINUX_EBADF;
	if (!access_ok(buf, count))
		return -LINUX_EFAULT;
	iov_iter_init_user(&it, buf, count);
	return write ? vfs_write(f, &it, &at) : vfs_read(f, &it, &at);
}

SYSCALL_DEFINE4(pread64, int, fd, uaddr_t, buf, size_t, count, int64_t, pos)
{
	return do_prw(fd, buf, count, pos, false);
}

SYSCALL_DEFINE4(pwrite64, int, fd, uaddr_t, buf, size_t, count, int64_t, pos)
{
	return do_prw(fd, buf, count, pos, true);
}

/* --- vectors --- */

/* kiocb_set_rw_flags. */
static int rwf_check(const struct file *f, unsigned rwf)
{
	if (rwf & ~LINUX_RWF_SUPPORTED)
		return -LINUX_EOPNOTSUPP;
	if (rwf & LINUX_RWF_APPEND && rwf & LINUX_RWF_NOAPPEND)
		return -LINUX_EINVAL;
	/* Regular files are in memory or read at once: an answer "would block" is never needed, and none is promised. */
	if (rwf & LINUX_RWF_NOAPPEND && !LINUX_S_ISREG(f->inode->mode))
		return -LINUX_EINVAL;
	return 0;
}

/* With @pos POS_CURRENT the file's own position is used and moved. */
static int64_t do_rwv(int fd, uaddr_t uvec, uint64_t nr, uint64_t pos, unsigned rwf, bool write)
{
	_cleanup_fput_ struct file *f = fget(fd);
	struct linux_iovec *storage = NULL;
	struct iov_iter it;
	int64_t ret;

	if (!f)
		return -LINUX_EBADF;
	if (pos != POS_CURRENT && !(f->fmode & (write ? FMODE_PWRITE : FMODE_PREAD)))
		return -LINUX_ESPIPE;
	if (!(f->fmode & (write ? FMODE_WRITE : FMODE_READ)))
		return -LINUX_EBADF;
	ret = iov_iter_import(&it, uvec, nr, &storage);
	if (ret < 0)
		return ret;
	ret = it.count ? rwf_check(f, rwf) : 0;
	if (!ret && it.count) {
		current_rwf = rwf;
		if (pos == POS_CURRENT)
			ret = file_rw(f, &it, write);
		else
			ret = write ? vfs_write(f, &it, &pos) : vfs_read(f, &it, &pos);
		current_rwf = 0;
	}
	free(storage);
	return ret;
}

SYSCALL_DEFINE3(readv, int, fd, uaddr_t, uvec, uint64_t, nr)
{
	return do_rwv(fd, uvec, nr, POS_CURRENT, 0, false);
}

SYSCALL_DEFINE3(writev, int, fd, uaddr_t, uvec, uint64_t, nr)
{
	return do_rwv(fd, uvec, nr, POS_CURRENT, 0, true);
}

/* On x86-64 the low word is the whole position. */
SYSCALL_DEFINE4(preadv, int, fd, uaddr_t, uvec, uint64_t, nr, int64_t, pos)
{
	return pos < 0 ? -LINUX_EINVAL : do_rwv(fd, uvec, nr, pos, 0, false);
}

SYSCALL_DEFINE4(pwritev, int, fd, uaddr_t, uvec, uint64_t, nr, int64_t, pos)
{
	return pos < 0 ? -LINUX_EINVAL : do_rwv(fd, uvec, nr, pos, 0, true);
}

SYSCALL_DEFINE6(preadv2, int, fd, uaddr_t, uvec, uint64_t, nr, int64_t, pos, uint64_t, pos_high, unsigned, rwf)
{
	(void)pos_high;
	return pos < -1 ? -LINUX_EINVAL : do_rwv(fd, uvec, nr, pos, rwf, false);
}

SYSCALL_DEFINE6(pwritev2, int, fd, uaddr_t, uvec, uint64_t, nr, int64_t, pos, uint64_t, pos_high, unsigned, rwf)
{
	(void)pos_high;
	return pos < -1 ? -LINUX_EINVAL : do_rwv(fd, uvec, nr, pos, rwf, true);
}

/* --- lseek --- */

SYSCALL_DEFINE3(lseek, int, fd, int64_t, off, unsigned, whence)
{
	_cleanup_fput_ struct file *f = fget(fd);
	struct mutex *lock;
	int64_t ret;

	if (!f)
		return -LINUX_EBADF;
	lock = pos_begin(f);
	ret = vfs_llseek(f, off, whence > LINUX_SEEK_HOLE ? -1 : (int)whence);
	pos_end(lock);
	return ret;
}
