/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tmpfs regular files: space, holes, seals.
 */
#include <string.h>

#include "sentry/abi/fcntl.h"
#include "vfs/tmpfs/tmpfs_fs.h"

static int tmpfs_dirty(struct mapping *m, uint64_t pgoff)
{
	struct tmpfs_sb_info *si = TMPFS_SB(m->host->sb);

	(void)pgoff;
	/* Without a limit it is shared memory, which is as good as a process's own. */
	if (si->max_pages && !frame_files_may_grow())
		return -LINUX_ENOSPC;
	if (atomic_fetch_add(&si->nr_pages, 1) >= si->max_pages && si->max_pages) {
		atomic_fetch_sub(&si->nr_pages, 1);
		return -LINUX_ENOSPC;
	}
	return 0;
}

static void tmpfs_dropped(struct mapping *m, uint64_t pgoff, unsigned nr)
{
	(void)pgoff;
	atomic_fetch_sub(&TMPFS_SB(m->host->sb)->nr_pages, nr);
}

const struct mapping_ops tmpfs_mapping_ops = { .dirty = tmpfs_dirty, .dropped = tmpfs_dropped };

int tmpfs_getattr(struct inode *inode, struct kstat *ret)
{
	int err = generic_getattr(inode, ret);

	ret->blocks = READ_ONCE(inode->mapping.nr_pages) * (PAGE_SIZE / 512);
	return err;
}

int tmpfs_setattr(struct inode *inode, const struct iattr *attr)
{
	if (attr->valid & ATTR_SIZE && LINUX_S_ISREG(inode->mode)) {
		if (attr->size < inode->size && inode->seals & LINUX_F_SEAL_SHRINK)
			return -LINUX_EPERM;
		if (attr->size > inode->size && inode->seals & LINUX_F_SEAL_GROW)
			return -LINUX_EPERM;
	}
	return simple_setattr(inode, attr);
}

static int64_t tmpfs_llseek(struct file *f, int64_t off, int whence)
{
	struct mapping *m = &f->inode->mapping;
	uint64_t size = READ_ONCE(f->inode->size), page, pos;
	bool found;

	if (whence != LINUX_SEEK_DATA && whence != LINUX_SEEK_HOLE)
		return generic_file_llseek(f, off, whence);
	if (off < 0 || (uint64_t)off >= size)
		return -LINUX_ENXIO;
	if (whence == LINUX_SEEK_DATA)
		found = mapping_next_data(m, off >> PAGE_SHIFT, &page);
	else
		found = mapping_next_hole(m, off >> PAGE_SHIFT, &page);
	pos = found ? MAX((uint64_t)off, page << PAGE_SHIFT) : size;
	if (pos >= size) {
		if (whence == LINUX_SEEK_DATA)
			return -LINUX_ENXIO;
		pos = size;
	}
	f->pos = pos;
	return pos;
}

/* Makes every page of the range be there.  When space runs out what was made stays, as on ext4. */
static int allocate_range(struct inode *inode, uint64_t first, uint64_t end)
{
	struct tmpfs_sb_info *si = TMPFS_SB(inode->sb);
	struct mapping *m = &inode->mapping;
	uint64_t hole;
	int err = 0;

	if (si->max_pages && end - first > si->max_pages)
		return -LINUX_ENOSPC;
	for (uint64_t at = first; at < end; at++) {
		pfn_t pfn;

		if (mapping_next_hole(m, at, &hole) && hole != at) {
			at = hole - 1;
			continue;
		}
		err = mapping_get_page_write(m, at, 0, PAGE_SIZE, &pfn);
		if (err)
			break;
		frame_put(pfn);
		if (kernel_signal_pending()) {
			err = -LINUX_EINTR;
			break;
		}
	}
	return err;
}

static int tmpfs_fallocate(struct file *f, int mode, uint64_t off, uint64_t len)
{
	struct inode *inode = f->inode;
	uint64_t end = off + len;
	int err = 0;

	if (mode & ~(LINUX_FALLOC_FL_KEEP_SIZE | LINUX_FALLOC_FL_PUNCH_HOLE))
		return -LINUX_EOPNOTSUPP;
	rwlock_write(&inode->i_rwsem);
	if (mode & LINUX_FALLOC_FL_PUNCH_HOLE) {
		if (inode->seals & (LINUX_F_SEAL_WRITE | LINUX_F_SEAL_FUTURE_WRITE))
			err = -LINUX_EPERM;
		else
			err = mapping_punch(&inode->mapping, off, end);
	} else {
		bool grow = !(mode & LINUX_FALLOC_FL_KEEP_SIZE) && end > inode->size;

		if (end > inode->size && inode->seals & LINUX_F_SEAL_GROW)
			err = -LINUX_EPERM;
		else
			err = allocate_range(inode, off >> PAGE_SHIFT, PAGES_FOR(end));
		if (!err && grow)
			err = simple_setattr(inode, &(struct iattr){ .valid = ATTR_SIZE, .size = end });
	}
	if (!err)
		inode_touch_mtime(inode);
	rwlock_unlock(&inode->i_rwsem);
	return err;
}

static int tmpfs_fsync(struct file *f __unused, uint64_t start __unused, uint64_t end __unused, bool datasync __unused)
{
	return 0;
}

const struct inode_ops tmpfs_file_inode_ops = {
	.getattr = tmpfs_getattr,
	.setattr = tmpfs_setattr,
	.getxattr = tmpfs_getxattr,
	.setxattr = tmpfs_setxattr,
	.removexattr = tmpfs_removexattr,
	.listxattr = tmpfs_listxattr,
};

const struct file_ops tmpfs_file_ops = {
	.read = generic_file_read,
	.write = generic_file_write,
	.llseek = tmpfs_llseek,
	.mmap = generic_file_mmap,
	.fsync = tmpfs_fsync,
	.fallocate = tmpfs_fallocate,
};
