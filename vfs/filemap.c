/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Regular files through the page cache: generic_file_ops.
 */
#include <string.h>

#include "sentry/abi/mman.h"
#include "sentry/abi/poll.h"
#include "sentry/abi/signal.h"
#include "sentry/abi/time.h"
#include "vfs/internal.h"

#define READ_BATCH 32 /* pages looked up under one lock */
#define RA_MIN 8      /* pages of read-ahead, doubled with each miss in sequence */
#define RA_MAX 255

/* --- read --- */

/* How far to read ahead at @pgoff; a first look at the start of a file counts as sequential. */
static unsigned ra_pages(struct file *f, uint64_t pgoff)
{
	unsigned window = READ_ONCE(f->ra.window);

	if (window == UINT32_MAX)
		return 0; /* POSIX_FADV_RANDOM */
	if (pgoff == READ_ONCE(f->ra.next_pgoff))
		return MIN(window ? window : RA_MIN, RA_MAX);
	return 0;
}

/* Reading went on up to @next, with @got pages at once. */
static void ra_advance(struct file *f, uint64_t pgoff, uint64_t next)
{
	unsigned window = READ_ONCE(f->ra.window);

	if (window == UINT32_MAX)
		return;
	if (pgoff != READ_ONCE(f->ra.next_pgoff))
		WRITE_ONCE(f->ra.window, 0);
	else if (next != pgoff)
		WRITE_ONCE(f->ra.window, MIN(window ? window * 2 : RA_MIN, RA_MAX));
	WRITE_ONCE(f->ra.next_pgoff, next);
}

/* Copies [pos, pos + len) out of pages that were looked up; contiguous frames in one go.  Bytes. */
static size_t copy_out(struct iov_iter *to, const pfn_t *pfns, unsigned nr, unsigned off, size_t len)
{
	size_t done = 0;

	for (unsigned i = 0, run; i < nr && done < len; i += run) {
		size_t want, n;

		for (run = 1; i + run < nr && pfns[i + run] == pfns[i] + run;)
			run++;
		want = MIN(len - done, ((size_t)run << PAGE_SHIFT) - off);
		n = iov_iter_copy_to(to, (char *)frame_ptr(pfns[i]) + off, want);
		done += n;
		off = 0;
		if (n < want)
			break;
	}
	return done;
}

/* Copies up to one batch of pages, or a run of holes, which have no frames.  Bytes (0: a bad user page) or -errno. */
static int64_t read_batch(struct file *f, struct mapping *m, struct iov_iter *to, uint64_t pos, size_t len)
{
	unsigned off = PAGE_OFFSET(pos), want = MIN(PAGES_FOR(off + len), (size_t)READ_BATCH);
	uint64_t pgoff = pos >> PAGE_SHIFT, zeros;
	pfn_t pfns[READ_BATCH];
	size_t done = 0;
	int nr = mapping_find_pages(m, pgoff, want, pfns);

	if (!nr) {
		zeros = mapping_hole(m, pgoff, PAGES_FOR(off + len));
		if (zeros)
			return iov_iter_zero(to, MIN(len, (zeros << PAGE_SHIFT) - off));
		nr = mapping_get_pages(m, pgoff, want, ra_pages(f, pgoff), pfns);
	}
	if (nr < 0)
		return nr;
	/* The size may have shrunk since: bytes of dropped pages are not for the guest. */
	if (pos < READ_ONCE(m->host->size)) {
		done = copy_out(to, pfns, nr, off, MIN(len, READ_ONCE(m->host->size) - pos));
		ra_advance(f, pgoff, (pos + done) >> PAGE_SHIFT);
	}
	frame_put_many(pfns, nr);
	return done;
}

int64_t generic_file_read(struct file *f, struct iov_iter *to, uint64_t *pos)
{
	struct inode *inode = f->inode;
	struct mapping *m = &inode->mapping;
	int64_t done = 0, n = 0;

	if (!m->ops)
		return -LINUX_EINVAL;
	while (to->count) {
		uint64_t size = READ_ONCE(inode->size);

		if (*pos >= size)
			break;
		n = read_batch(f, m, to, *pos, MIN(to->count, size - *pos));
		if (n <= 0) {
			if (!n && *pos < READ_ONCE(inode->size))
				n = -LINUX_EFAULT;
			break;
		}
		*pos += n;
		done += n;
		if (kernel_signal_killed())
			break;
	}
	if (!(atomic_load_explicit(&f->flags, memory_order_relaxed) & LINUX_O_NOATIME))
		inode_touch_atime(inode, f->path.mnt);
	return done ? done : MIN(n, 0);
}

/* --- write --- */

int64_t generic_write_checks(struct file *f, struct iov_iter *from, uint64_t *pos)
{
	struct inode *inode = f->inode;
	uint64_t limit = kernel_rlimit(LINUX_RLIMIT_FSIZE), max = inode->sb->max_bytes;
	bool append = atomic_load_explicit(&f->flags, memory_order_relaxed) & LINUX_O_APPEND;

	if (!from->count)
		return 0;
	if (current_rwf & LINUX_RWF_NOAPPEND)
		append = false;
	if (append || current_rwf & LINUX_RWF_APPEND)
		*pos = inode->size;
	if (*pos >= limit) {
		kernel_signal_self(LINUX_SIGXFSZ);
		return -LINUX_EFBIG;
	}
	iov_iter_truncate(from, MIN(from->count, limit - *pos));
	if (*pos >= max)
		return -LINUX_EFBIG;
	iov_iter_truncate(from, MIN(from->count, max - *pos));
	return from->count;
}

/* Writes into one page.  Bytes (0: a bad user page) or -errno. */
static int64_t write_page(struct mapping *m, struct iov_iter *from, uint64_t pos)
{
	unsigned off = PAGE_OFFSET(pos), len = MIN(from->count, PAGE_SIZE - off);
	uint64_t pgoff = pos >> PAGE_SHIFT;
	size_t n;
	pfn_t pfn;
	int err = mapping_get_page_write(m, pgoff, off, off + len, &pfn);

	if (err)
		return err;
	n = iov_iter_copy_from(from, (char *)frame_ptr(pfn) + off, len);
	mapping_write_end(m, pgoff, pfn);
	frame_put(pfn);
	return n;
}

static void extend_size(struct inode *inode, uint64_t end)
{
	if (end <= inode->size)
		return;
	mutex_lock(&inode->i_lock);
	WRITE_ONCE(inode->size, end);
	mutex_unlock(&inode->i_lock);
}

/* generic_perform_write; i_rwsem held for writing. */
static int64_t perform_write(struct file *f, struct iov_iter *from, uint64_t *pos)
{
	struct inode *inode = f->inode;
	struct mapping *m = &inode->mapping;
	int64_t done = 0, n = 0;

	if (*pos + from->count > inode->size && (READ_ONCE(m->mapped_write) || *pos > inode->size))
		mapping_zero_tail(m, inode->size);
	while (from->count) {
		n = 0;
		if (!PAGE_OFFSET(*pos) && from->count >= PAGE_SIZE)
			n = mapping_write_fresh(m, *pos >> PAGE_SHIFT, from);
		if (!n)
			n = write_page(m, from, *pos);
		if (n <= 0)
			break;
		*pos += n;
		done += n;
		extend_size(inode, *pos);
		if (kernel_signal_killed())
			break;
	}
	if (n <= 0 && from->count) {
		/* A page that was made behind the end for bytes that never came. */
		if (*pos >= inode->size)
			mapping_truncate(m, inode->size);
		n = n ? n : -LINUX_EFAULT;
	}
	return done ? done : n;
}

int64_t generic_file_write(struct file *f, struct iov_iter *from, uint64_t *pos)
{
	struct inode *inode = f->inode;
	uint64_t start = 0;
	int64_t n;
	bool sync;

	if (!inode->mapping.ops)
		return -LINUX_EINVAL;
	rwlock_write(&inode->i_rwsem);
	n = generic_write_checks(f, from, pos);
	if (n > 0 && inode->seals != SEALS_NONE)
		n = shmem_write_allowed(inode, *pos, from);
	if (n > 0) {
		int err = inode_remove_privs(&f->path);

		n = err;
		if (!err) {
			inode_touch_mtime(inode);
			start = *pos;
			n = perform_write(f, from, pos);
		}
	}
	rwlock_unlock(&inode->i_rwsem);
	sync = atomic_load_explicit(&f->flags, memory_order_relaxed) & LINUX_O_DSYNC ||
	       current_rwf & (LINUX_RWF_DSYNC | LINUX_RWF_SYNC);
	if (n > 0 && sync && f->ops->fsync) {
		int err = f->ops->fsync(f, start, start + n, true);

		if (err)
			n = err;
	}
	if (n > 0 && inode->mapping.ops->writepages)
		pagecache_balance(&inode->mapping);
	return n;
}

/* --- the rest --- */

int64_t generic_file_llseek(struct file *f, int64_t off, int whence)
{
	struct inode *inode = f->inode;
	uint64_t size = READ_ONCE(inode->size), max = inode->sb->max_bytes;

	if (LINUX_S_ISDIR(inode->mode))
		return generic_dir_llseek(f, off, whence);
	switch (whence) {
	case LINUX_SEEK_SET:
		break;
	case LINUX_SEEK_END:
		off = (int64_t)((uint64_t)off + size);
		break;
	case LINUX_SEEK_CUR:
		if (!off)
			return f->pos;
		off = (int64_t)((uint64_t)off + f->pos);
		break;
	case LINUX_SEEK_DATA:
		if (off < 0 || (uint64_t)off >= size)
			return -LINUX_ENXIO;
		break;
	case LINUX_SEEK_HOLE:
		if (off < 0 || (uint64_t)off >= size)
			return -LINUX_ENXIO;
		off = size;
		break;
	default:
		return -LINUX_EINVAL;
	}
	if (off < 0 || (uint64_t)off > max)
		return -LINUX_EINVAL;
	f->pos = off;
	if ((uint64_t)off >> PAGE_SHIFT != READ_ONCE(f->ra.next_pgoff))
		WRITE_ONCE(f->ra.next_pgoff, UINT64_MAX);
	return off;
}

int generic_file_mmap(struct file *f, struct mmap_args *a)
{
	struct inode *inode = f->inode;

	if (!inode->mapping.ops)
		return -LINUX_ENODEV;
	if (inode->seals != SEALS_NONE) {
		int err = shmem_mmap_allowed(inode, a);

		if (err)
			return err;
	}
	inode_touch_atime(inode, f->path.mnt);
	return 0;
}

static int generic_file_fsync(struct file *f, uint64_t start, uint64_t end, bool datasync __unused)
{
	return mapping_writeback(&f->inode->mapping, start, end);
}

const struct file_ops generic_file_ops = {
	.read = generic_file_read,
	.write = generic_file_write,
	.llseek = generic_file_llseek,
	.mmap = generic_file_mmap,
	.fsync = generic_file_fsync,
};
