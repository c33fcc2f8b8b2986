/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every kind of file has in common: read(2), write(2), lseek(2), fsync(2), fallocate(2), as fs/read_write.c.
 */
#include "sentry/abi/poll.h"
#include "vfs/fsnotify.h"
#include "vfs/internal.h"

_Thread_local unsigned current_rwf;

/* rw_verify_area: the position and what it becomes stay in a signed 64-bit integer. */
static int verify_area(const struct file *f, const uint64_t *pos, struct iov_iter *it)
{
	if (it->count > MAX_RW_COUNT)
		iov_iter_truncate(it, MAX_RW_COUNT);
	if (f->fmode & FMODE_STREAM || !pos || f->fmode & FMODE_UNSIGNED_POS)
		return 0;
	if ((int64_t)*pos < 0)
		return -LINUX_EINVAL;
	return (int64_t)(*pos + it->count) < 0 ? -LINUX_EINVAL : 0;
}

int64_t vfs_read(struct file *f, struct iov_iter *to, uint64_t *pos)
{
	int64_t n;

	if (!(f->fmode & FMODE_READ))
		return -LINUX_EBADF;
	if (LINUX_S_ISDIR(f->inode->mode))
		return -LINUX_EISDIR;
	if (!f->ops->read)
		return -LINUX_EINVAL;
	n = verify_area(f, pos, to);
	if (!n)
		n = fanotify_perm(f, LINUX_FAN_ACCESS_PERM);
	if (n)
		return n;
	n = f->ops->read(f, to, pos);
	if (n > 0)
		fsnotify_file(f, FS_ACCESS);
	return n;
}

int64_t vfs_write(struct file *f, struct iov_iter *from, uint64_t *pos)
{
	int64_t n;

	if (!(f->fmode & FMODE_WRITE))
		return -LINUX_EBADF;
	if (!f->ops->write)
		return -LINUX_EINVAL;
	n = verify_area(f, pos, from);
	if (n)
		return n;
	n = f->ops->write(f, from, pos);
	if (n > 0)
		fsnotify_file(f, FS_MODIFY);
	return n;
}

int64_t kernel_read(struct file *f, void *buf, size_t len, uint64_t pos)
{
	struct iov_iter it;

	iov_iter_init_kernel(&it, buf, len);
	return f->ops->read ? f->ops->read(f, &it, &pos) : -LINUX_EINVAL;
}

int64_t kernel_write(struct file *f, const void *buf, size_t len, uint64_t pos)
{
	struct iov_iter it;

	iov_iter_init_kernel(&it, (void *)buf, len);
	return f->ops->write ? f->ops->write(f, &it, &pos) : -LINUX_EINVAL;
}

int64_t vfs_llseek(struct file *f, int64_t off, int whence)
{
	if (whence > LINUX_SEEK_HOLE || whence < 0)
		return -LINUX_EINVAL;
	if (!(f->fmode & FMODE_LSEEK))
		return -LINUX_ESPIPE;
	if (f->ops->llseek)
		return f->ops->llseek(f, off, whence);
	if (LINUX_S_ISDIR(f->inode->mode))
		return generic_dir_llseek(f, off, whence);
	return LINUX_S_ISREG(f->inode->mode) ? generic_file_llseek(f, off, whence) : -LINUX_ESPIPE;
}

int64_t noop_llseek(struct file *f, int64_t off __unused, int whence __unused)
{
	return f->pos;
}

unsigned vfs_poll(struct file *f, struct poll_table *pt)
{
	if (!f->ops->poll)
		return LINUX_EPOLLIN | LINUX_EPOLLOUT | LINUX_EPOLLRDNORM | LINUX_EPOLLWRNORM;
	return f->ops->poll(f, pt);
}

int vfs_fsync_range(struct file *f, uint64_t start, uint64_t end, bool datasync)
{
	return f->ops->fsync ? f->ops->fsync(f, start, end, datasync) : -LINUX_EINVAL;
}

int vfs_fsync(struct file *f, bool datasync)
{
	return vfs_fsync_range(f, 0, INT64_MAX, datasync);
}

/* The modes that go together: fs/open.c. */
static int fallocate_mode_ok(int mode)
{
	const int all = LINUX_FALLOC_FL_KEEP_SIZE | LINUX_FALLOC_FL_PUNCH_HOLE | LINUX_FALLOC_FL_COLLAPSE_RANGE |
			LINUX_FALLOC_FL_ZERO_RANGE | LINUX_FALLOC_FL_INSERT_RANGE | LINUX_FALLOC_FL_UNSHARE_RANGE;

	if (mode & ~all)
		return -LINUX_EOPNOTSUPP;
	switch (mode & ~LINUX_FALLOC_FL_KEEP_SIZE) {
	case 0:
	case LINUX_FALLOC_FL_ZERO_RANGE:
	case LINUX_FALLOC_FL_UNSHARE_RANGE:
		return 0;
	case LINUX_FALLOC_FL_PUNCH_HOLE:
		return mode & LINUX_FALLOC_FL_KEEP_SIZE ? 0 : -LINUX_EOPNOTSUPP;
	case LINUX_FALLOC_FL_COLLAPSE_RANGE:
	case LINUX_FALLOC_FL_INSERT_RANGE:
		return mode & LINUX_FALLOC_FL_KEEP_SIZE ? -LINUX_EOPNOTSUPP : 0;
	default:
		return -LINUX_EOPNOTSUPP;
	}
}

int vfs_fallocate(struct file *f, int mode, uint64_t off, uint64_t len)
{
	struct inode *inode = f->inode;
	int err;

	if ((int64_t)off < 0 || (int64_t)len <= 0)
		return -LINUX_EINVAL;
	err = fallocate_mode_ok(mode);
	if (err)
		return err;
	if (!(f->fmode & FMODE_WRITE))
		return -LINUX_EBADF;
	if (IS_APPEND(inode) && mode & ~LINUX_FALLOC_FL_KEEP_SIZE)
		return -LINUX_EPERM;
	if (IS_IMMUTABLE(inode))
		return -LINUX_EPERM;
	if (LINUX_S_ISFIFO(inode->mode))
		return -LINUX_ESPIPE;
	if (LINUX_S_ISDIR(inode->mode))
		return -LINUX_EISDIR;
	if (!LINUX_S_ISREG(inode->mode) && !LINUX_S_ISBLK(inode->mode))
		return -LINUX_ENODEV;
	if ((int64_t)(off + len) < 0 || off + len > inode->sb->max_bytes)
		return -LINUX_EFBIG;
	if (!f->ops->fallocate)
		return -LINUX_EOPNOTSUPP;
	if (!(mode & (LINUX_FALLOC_FL_KEEP_SIZE | LINUX_FALLOC_FL_PUNCH_HOLE))) {
		err = inode_size_ok(inode, off + len);
		if (err)
			return err;
	}
	err = f->ops->fallocate(f, mode, off, len);
	if (!err)
		fsnotify_file(f, FS_MODIFY);
	return err;
}
