/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Data.  Reads go through the page cache.  write(2) goes to the host first, exactly the bytes written, and then into the pages that
 * are cached: so the host sees it at once, and what others write beside it on the host is not overwritten with what a page had
 * before.  Only pages written through shared mappings are written back whole.
 */
#include <stdlib.h>
#include <string.h>

#include "sentry/abi/fcntl.h"
#include "vfs/frame_io.h"
#include "vfs/hostfs/hostfs_fs.h"
#include "vfs/internal.h"

#define WRITE_CHUNK (256UL << 10)

/* --- pages --- */

static int hostfs_readpages(struct mapping *m, uint64_t pgoff, unsigned nr, const pfn_t *pfns)
{
	_cleanup_hostfs_fd_ struct hostfs_fd *hfd = NULL;
	uint64_t start = pgoff << PAGE_SHIFT, size = READ_ONCE(m->host->size);
	size_t len = (size_t)nr << PAGE_SHIFT;
	int64_t n = hostfs_fd_get(HOSTFS_I(m->host), HOSTFS_READ, &hfd);

	if (n)
		return n;
	/* Not to its end: a second call would only say that it is there. */
	n = frame_io_pread(hfd->fd, start, pfns, 0, MIN(len, size > start ? size - start : 0));
	if (n < 0)
		return n;
	frame_io_zero(pfns, n, len - n);
	return 0;
}

static uint64_t hostfs_hole(struct mapping *m, uint64_t pgoff, uint64_t nr)
{
	_cleanup_hostfs_fd_ struct hostfs_fd *hfd = NULL;
	int64_t at = hostfs_fd_get(HOSTFS_I(m->host), HOSTFS_READ, &hfd);

	if (!at)
		at = host_lseek(hfd->fd, pgoff << PAGE_SHIFT, LINUX_SEEK_DATA);
	if (at == -LINUX_ENXIO) /* no data from here on */
		return nr;
	return at < 0 ? 0 : MIN(nr, ((uint64_t)at >> PAGE_SHIFT) - pgoff);
}

static int hostfs_writepages(struct mapping *m, uint64_t pgoff, unsigned nr, const pfn_t *pfns)
{
	_cleanup_hostfs_fd_ struct hostfs_fd *hfd = NULL;
	uint64_t start = pgoff << PAGE_SHIFT, size = READ_ONCE(m->host->size);
	size_t len = MIN((uint64_t)nr << PAGE_SHIFT, size > start ? size - start : 0);
	int err;

	if (!len)
		return 0;
	err = hostfs_fd_get(HOSTFS_I(m->host), HOSTFS_WRITE, &hfd);
	if (!err)
		err = frame_io_pwrite(hfd->fd, start, pfns, 0, len);
	if (!err)
		hostfs_refresh_own(m->host);
	return err;
}

const struct mapping_ops hostfs_mapping_ops = {
	.readpages = hostfs_readpages,
	.hole = hostfs_hole,
	.writepages = hostfs_writepages,
};

/* --- open and close --- */

static int hostfs_file_open(struct inode *inode, struct file *f)
{
	struct hostfs_fd *hfd;
	int err = hostfs_fd_get(HOSTFS_I(inode), f->fmode & FMODE_WRITE ? HOSTFS_WRITE : HOSTFS_READ, &hfd);

	if (err)
		return err;
	/* Held while the file is open: its name may go. */
	f->private_data = hfd;
	hostfs_refresh(inode, false);
	return 0;
}

static int write_back(struct file *f)
{
	struct mapping *m = &f->inode->mapping;

	return f->fmode & FMODE_WRITE && READ_ONCE(m->nr_dirty) ? mapping_writeback(m, 0, UINT64_MAX) : 0;
}

static void hostfs_file_release(struct file *f)
{
	write_back(f);
	if (f->private_data)
		hostfs_fd_put(f->private_data);
	f->private_data = NULL;
}

/* --- read and write --- */

static int64_t hostfs_file_read(struct file *f, struct iov_iter *to, uint64_t *pos)
{
	/* The file may have grown on the host. */
	if (to->count && *pos + to->count > READ_ONCE(f->inode->size))
		hostfs_refresh(f->inode, false);
	return generic_file_read(f, to, pos);
}

/* Writes one chunk.  Bytes, 0 at a bad user page, or -errno. */
static int64_t write_chunk(struct file *f, int fd, struct iov_iter *from, uint64_t pos, char *buf)
{
	struct inode *inode = f->inode;
	size_t len = iov_iter_copy_from(from, buf, MIN(from->count, WRITE_CHUNK));
	ssize_t n = len ? host_pwrite(fd, buf, len, pos) : 0;

	if (n < (ssize_t)len)
		iov_iter_revert(from, len - MAX(n, 0));
	if (n <= 0)
		return n;
	if (pos + n > inode->size) {
		mapping_zero_tail(&inode->mapping, inode->size);
		mutex_lock(&inode->i_lock);
		inode->size = pos + n;
		mutex_unlock(&inode->i_lock);
	}
	mapping_update(&inode->mapping, pos, buf, n);
	return n;
}

/* i_rwsem held for writing. */
static int64_t write_locked(struct file *f, struct hostfs_fd *hfd, struct iov_iter *from, uint64_t *pos)
{
	int64_t done = 0, n = inode_remove_privs(&f->path);
	char *buf;

	if (n)
		return n;
	buf = malloc(MIN(from->count, WRITE_CHUNK));
	if (!buf)
		return -LINUX_ENOMEM;
	while (from->count) {
		n = write_chunk(f, hfd->fd, from, *pos, buf);
		if (n <= 0)
			break;
		*pos += n;
		done += n;
	}
	free(buf);
	hostfs_refresh_own(f->inode);
	if (!done && !n && from->count)
		n = -LINUX_EFAULT;
	return done ? done : n;
}

static int64_t hostfs_file_write(struct file *f, struct iov_iter *from, uint64_t *pos)
{
	bool sync = atomic_load(&f->flags) & LINUX_O_DSYNC || current_rwf & (LINUX_RWF_DSYNC | LINUX_RWF_SYNC);
	struct hostfs_fd *hfd = f->private_data;
	struct inode *inode = f->inode;
	int64_t n;
	int err;

	/* Appending starts where the file ends on the host. */
	if (atomic_load(&f->flags) & LINUX_O_APPEND || current_rwf & LINUX_RWF_APPEND)
		hostfs_refresh(inode, true);
	rwlock_write(&inode->i_rwsem);
	n = generic_write_checks(f, from, pos);
	if (n > 0)
		n = write_locked(f, hfd, from, pos);
	rwlock_unlock(&inode->i_rwsem);
	if (n > 0 && sync) {
		err = host_fdatasync(hfd->fd);
		if (err)
			n = err;
	}
	return n;
}

/* --- the rest --- */

static int64_t hostfs_file_llseek(struct file *f, int64_t off, int whence)
{
	struct hostfs_fd *hfd = f->private_data;
	int64_t pos;
	int err;

	hostfs_refresh(f->inode, false);
	if (whence != LINUX_SEEK_DATA && whence != LINUX_SEEK_HOLE)
		return generic_file_llseek(f, off, whence);
	err = write_back(f);
	if (err)
		return err;
	pos = host_lseek(hfd->fd, off, whence); /* nobody uses the descriptor's own position */
	if (pos >= 0)
		f->pos = pos;
	return pos;
}

static int hostfs_file_fsync(struct file *f, uint64_t start, uint64_t end, bool datasync)
{
	struct hostfs_fd *hfd = f->private_data;
	int err = mapping_writeback(&f->inode->mapping, start, end);

	if (err)
		return err;
	return datasync ? host_fdatasync(hfd->fd) : host_fsync(hfd->fd);
}

/* The host changed the size for us. */
static int size_take(struct inode *inode, int fd)
{
	struct host_stat st;
	int err = host_fstat(fd, &st);

	if (err)
		return err;
	if (st.size > inode->size)
		mapping_zero_tail(&inode->mapping, inode->size);
	mutex_lock(&inode->i_lock);
	inode->size = st.size;
	mutex_unlock(&inode->i_lock);
	return 0;
}

static int hostfs_file_fallocate(struct file *f, int mode, uint64_t off, uint64_t len)
{
	struct hostfs_fd *hfd = f->private_data;
	struct inode *inode = f->inode;
	int err;

	rwlock_write(&inode->i_rwsem);
	err = write_back(f);
	if (!err)
		err = host_fallocate(hfd->fd, mode, off, len);
	if (!err && mode & ~LINUX_FALLOC_FL_KEEP_SIZE)
		mapping_invalidate(&inode->mapping);
	if (!err)
		err = size_take(inode, hfd->fd);
	hostfs_refresh_own(inode);
	rwlock_unlock(&inode->i_rwsem);
	return err;
}

const struct file_ops hostfs_file_ops = {
	.read = hostfs_file_read,
	.write = hostfs_file_write,
	.llseek = hostfs_file_llseek,
	.mmap = generic_file_mmap,
	.open = hostfs_file_open,
	.flush = write_back,
	.release = hostfs_file_release,
	.fsync = hostfs_file_fsync,
	.fallocate = hostfs_file_fallocate,
};
