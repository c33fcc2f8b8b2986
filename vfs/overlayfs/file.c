/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open files: each has one open in a layer behind it, to which everything is passed on.  Mappings are of the pages that file had when
 * it was opened, also after it was copied up, as on Linux.
 */
#include <stdlib.h>

#include "sentry/mm/mm.h"
#include "vfs/overlayfs/ovl.h"

struct ovl_file {
	struct mutex lock;
	struct file *real;  /* as it was opened: what is mapped */
	struct file *upper; /* lock; the copy, where there is one since */
};

static struct file *real_open(struct file *f)
{
	uint32_t flags = atomic_load(&f->flags) & ~(uint32_t)(LINUX_O_CREAT | LINUX_O_EXCL | LINUX_O_TRUNC | LINUX_O_NOCTTY);
	OVL_CREDS(f->inode->sb);

	return dentry_open(ovl_real(OVL_I(f->inode)), flags | LINUX_O_NOATIME, current_cred);
}

/* The file to read and write; lower ones give way to a copy, as ovl_real_file does.  Borrowed, or ERR_PTR. */
static struct file *real_of(struct file *f)
{
	struct ovl_file *of = f->private_data;

	if (of->real->inode == ovl_real_inode(OVL_I(f->inode)))
		return of->real;
	MUTEX_GUARD(&of->lock);
	if (!of->upper) {
		struct file *upper = real_open(f);

		if (IS_ERR(upper))
			return upper;
		of->upper = upper;
	}
	return of->upper;
}

static int ovl_open(struct inode *inode, struct file *f)
{
	bool truncates = atomic_load(&f->flags) & LINUX_O_TRUNC;
	struct ovl_file *of;
	OVL_CREDS(inode->sb);
	int err = f->fmode & FMODE_WRITE ? ovl_copy_up(inode, truncates ? 0 : UINT64_MAX) : 0;

	if (err)
		return err;
	of = calloc(1, sizeof(*of));
	if (!of)
		return -LINUX_ENOMEM;
	of->real = real_open(f);
	if (IS_ERR(of->real)) {
		err = PTR_ERR(of->real);
		free(of);
		return err;
	}
	mutex_init(&of->lock);
	f->private_data = of;
	f->vm.backing = of->real->vm.backing;
	return 0;
}

static void ovl_release(struct file *f)
{
	struct ovl_file *of = f->private_data;

	if (!of)
		return;
	if (of->upper)
		fput(of->upper);
	fput(of->real);
	mutex_fini(&of->lock);
	free(of);
}

static int64_t ovl_read(struct file *f, struct iov_iter *to, uint64_t *pos)
{
	struct file *real = real_of(f);

	if (IS_ERR(real))
		return PTR_ERR(real);
	return real->ops->read ? real->ops->read(real, to, pos) : -LINUX_EINVAL;
}

static int64_t ovl_write(struct file *f, struct iov_iter *from, uint64_t *pos)
{
	struct file *real = real_of(f);
	int64_t n;

	if (IS_ERR(real))
		return PTR_ERR(real);
	/* With the caller's rights: they say whether set-id bits stay. */
	atomic_store(&real->flags, atomic_load(&f->flags));
	n = real->ops->write ? real->ops->write(real, from, pos) : -LINUX_EINVAL;
	ovl_copyattr(f->inode);
	return n;
}

static int64_t ovl_llseek(struct file *f, int64_t off, int whence)
{
	struct file *real = real_of(f);
	int64_t pos;

	if (IS_ERR(real))
		return PTR_ERR(real);
	mutex_lock(&real->pos_lock);
	real->pos = f->pos;
	pos = vfs_llseek(real, off, whence);
	mutex_unlock(&real->pos_lock);
	if (pos >= 0)
		f->pos = pos;
	return pos;
}

static int ovl_fsync(struct file *f, uint64_t start, uint64_t end, bool datasync)
{
	struct file *real = real_of(f);

	if (IS_ERR(real))
		return PTR_ERR(real);
	/* A lower file has nothing to write. */
	return ovl_is_upper(OVL_I(f->inode)) ? vfs_fsync_range(real, start, end, datasync) : 0;
}

static int ovl_fallocate(struct file *f, int mode, uint64_t off, uint64_t len)
{
	struct file *real = real_of(f);
	int err;

	if (IS_ERR(real))
		return PTR_ERR(real);
	err = real->ops->fallocate ? real->ops->fallocate(real, mode, off, len) : -LINUX_EOPNOTSUPP;
	ovl_copyattr(f->inode);
	return err;
}

static int ovl_mmap(struct file *f, struct mmap_args *a)
{
	struct file *real = ((struct ovl_file *)f->private_data)->real;

	return real->ops->mmap ? real->ops->mmap(real, a) : -LINUX_ENODEV;
}

const struct file_ops ovl_file_ops = {
	.read = ovl_read,
	.write = ovl_write,
	.llseek = ovl_llseek,
	.open = ovl_open,
	.release = ovl_release,
	.fsync = ovl_fsync,
	.fallocate = ovl_fallocate,
	.mmap = ovl_mmap,
};
