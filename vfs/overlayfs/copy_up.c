/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copy-up: a copy is made in the directory "work" and renamed into its place, so that it is there whole or not at all.
 */
#include <stdlib.h>
#include <string.h>

#include "vfs/overlayfs/ovl.h"

#define CHUNK (256UL << 10)

static int copy_data(const struct path *from, const struct path *to, uint64_t size)
{
	struct file *in = dentry_open(from, LINUX_O_RDONLY, current_cred), *out;
	char *buf = malloc(CHUNK);
	uint64_t pos = 0;
	int err = IS_ERR(in) ? (int)PTR_ERR(in) : buf ? 0 : -LINUX_ENOMEM;

	out = err ? NULL : dentry_open(to, LINUX_O_WRONLY, current_cred);
	if (out && IS_ERR(out)) {
		err = PTR_ERR(out);
		out = NULL;
	}
	size = MIN(size, from->dentry->inode->size);
	while (!err && pos < size) {
		int64_t data = in->ops->llseek ? vfs_llseek(in, pos, LINUX_SEEK_DATA) : (int64_t)pos, n;

		/* Holes stay holes. */
		if (data == -LINUX_ENXIO)
			break;
		if (data > (int64_t)pos)
			pos = data / PAGE_SIZE * PAGE_SIZE;
		if (pos >= size)
			break;
		if (kernel_signal_killed()) {
			err = -LINUX_EINTR;
			break;
		}
		n = kernel_read(in, buf, MIN(size - pos, CHUNK), pos);
		if (n > 0)
			n = kernel_write(out, buf, n, pos) == n ? n : -LINUX_ENOSPC;
		if (n <= 0) {
			err = n ? (int)n : -LINUX_EIO;
			break;
		}
		pos += n;
	}
	if (!err && out && pos < size)
		err = file_truncate(out, size);
	if (out)
		fput(out);
	if (!IS_ERR(in))
		fput(in);
	free(buf);
	return err;
}

static int copy_xattrs(const struct ovl_sb_info *si, struct inode *from, const struct path *to)
{
	_cleanup_strbuf_ struct strbuf names = STRBUF_INIT;
	char *value = NULL;
	int err = from->ops->listxattr ? from->ops->listxattr(from, &names) : 0;

	if (err)
		return err == -LINUX_EOPNOTSUPP ? 0 : err;
	value = malloc(65536);
	if (!value)
		return -LINUX_ENOMEM;
	for (size_t at = 0; !err && at < names.len; at += strlen(names.buf + at) + 1) {
		const char *name = names.buf + at;
		int64_t n;

		if (!strcmp(name, si->opaque))
			continue;
		n = from->ops->getxattr(from, name, value, 65536);
		if (n < 0)
			continue;
		err = vfs_setxattr(to, name, value, n, 0);
		/* What the upper layer can't hold at all is left behind, as Linux does. */
		if (err == -LINUX_EOPNOTSUPP)
			err = 0;
	}
	free(value);
	return err;
}

static int copy_attributes(struct ovl_sb_info *si, const struct path *from, const struct path *to)
{
	struct inode *inode = to->dentry->inode;
	struct iattr attr = { .valid = ATTR_UID | ATTR_GID | ATTR_ATIME | ATTR_MTIME };
	struct kstat st;
	int err = vfs_getattr(from, &st);

	if (!err)
		err = copy_xattrs(si, from->dentry->inode, to);
	if (err)
		return err;
	attr.uid = st.uid;
	attr.gid = st.gid;
	attr.atime = st.atime;
	attr.mtime = st.mtime;
	if (!LINUX_S_ISLNK(st.mode)) {
		attr.valid |= ATTR_MODE;
		attr.mode = st.mode;
	}
	rwlock_write(&inode->i_rwsem);
	err = inode_setattr_locked(inode, &attr);
	rwlock_unlock(&inode->i_rwsem);
	return err;
}

/* A copy of @from as @temp in "work". */
static int copy_make(struct ovl_sb_info *si, const struct path *from, const char *temp, uint64_t size, struct path *ret)
{
	_cleanup_strbuf_ struct strbuf target = STRBUF_INIT;
	struct inode *inode = from->dentry->inode;
	bool link = LINUX_S_ISLNK(inode->mode);
	struct dentry *d;
	int err = link ? inode->ops->readlink(inode, &target) : 0;

	if (err)
		return err;
	d = real_make(si->work.dentry, temp, (inode->mode & LINUX_S_IFMT) | 0600, inode->rdev, link ? strbuf_str(&target) : NULL,
		      NULL);
	if (IS_ERR(d))
		return PTR_ERR(d);
	*ret = (struct path){ si->work.mnt, d };
	ref_get(&si->work.mnt->ref);
	if (LINUX_S_ISREG(inode->mode))
		err = copy_data(from, ret, size);
	if (!err)
		err = copy_attributes(si, from, ret);
	if (err) {
		real_remove(si->work.dentry, temp);
		path_put(ret);
	}
	return err;
}

/* Into its place; a name that someone made there meanwhile is the copy. */
static int copy_place(struct ovl_sb_info *si, struct ovl_inode *oi, const char *temp)
{
	struct dentry *dir = oi->parent->upper.dentry;
	int err;

	if (oi->gone)
		return real_remove(si->work.dentry, temp);
	err = dir_rename(si->work.dentry, temp, dir, oi->name, 0);
	if (!err) {
		/* The directory's times are not of our doing. */
		struct iattr attr = { .valid = ATTR_ATIME | ATTR_MTIME, .atime = oi->parent->vfs.atime,
				      .mtime = oi->parent->vfs.mtime };

		rwlock_write(&dir->inode->i_rwsem);
		(void)inode_setattr_locked(dir->inode, &attr);
		rwlock_unlock(&dir->inode->i_rwsem);
	}
	return err;
}

static int copy_up_locked(struct ovl_sb_info *si, struct ovl_inode *oi, uint64_t size)
{
	struct dentry *there = oi->gone ? NULL : real_lookup(oi->parent->upper.dentry, oi->name);
	struct path upper;
	char temp[32];
	int err = 0;

	if (there && IS_ERR(there))
		return PTR_ERR(there);
	if (there && there->inode && !((there->inode->mode ^ oi->vfs.mode) & LINUX_S_IFMT)) {
		/* By another inode of the same name. */
		upper = (struct path){ si->upper.mnt, there };
		ref_get(&si->upper.mnt->ref);
	} else {
		if (there)
			dentry_put(there);
		ovl_temp_name(si, temp);
		err = copy_make(si, &oi->lower[0], temp, size, &upper);
		if (err)
			return err;
		err = copy_place(si, oi, temp);
		if (err) {
			real_remove(si->work.dentry, temp);
			path_put(&upper);
			return err;
		}
	}
	oi->upper.mnt = upper.mnt;
	__atomic_store_n(&oi->upper.dentry, upper.dentry, __ATOMIC_RELEASE);
	ovl_rehash(oi);
	ovl_copyattr(&oi->vfs);
	return 0;
}

int ovl_copy_up(struct inode *inode, uint64_t size)
{
	struct ovl_sb_info *si = OVL_SB(inode->sb);
	struct ovl_inode *oi = OVL_I(inode);
	int err;

	if (ovl_is_upper(oi))
		return 0;
	if (!si->upper.dentry)
		return -LINUX_EROFS;
	err = oi->parent ? ovl_copy_up(&oi->parent->vfs, UINT64_MAX) : -LINUX_EIO;
	if (err)
		return err;
	MUTEX_GUARD(&oi->lock);
	return ovl_is_upper(oi) ? 0 : copy_up_locked(si, oi, size);
}
