/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "vfs/overlayfs/ovl.h"

struct dentry *real_lookup(struct dentry *dir, const char *name)
{
	struct dentry *d;

	rwlock_read(&dir->inode->i_rwsem);
	d = lookup_one_locked(dir, name, strlen(name));
	rwlock_unlock(&dir->inode->i_rwsem);
	return d;
}

static struct inode *make_locked(struct inode *dir, const char *name, uint32_t mode, uint64_t rdev, const char *target,
				 struct inode *link)
{
	int err = may_create_in(dir);

	if (err)
		return ERR_PTR(err);
	if (link) {
		if (!dir->ops->link)
			return ERR_PTR(-LINUX_EPERM);
		if (dir->sb != link->sb)
			return ERR_PTR(-LINUX_EXDEV);
		err = dir->ops->link(dir, name, link);
		return err ? ERR_PTR(err) : inode_get(link);
	}
	if (target)
		return dir->ops->symlink ? dir->ops->symlink(dir, name, target) : ERR_PTR(-LINUX_EPERM);
	if (LINUX_S_ISDIR(mode))
		return dir->ops->mkdir ? dir->ops->mkdir(dir, name, mode) : ERR_PTR(-LINUX_EPERM);
	return dir->ops->mknod ? dir->ops->mknod(dir, name, mode, rdev) : ERR_PTR(-LINUX_EPERM);
}

struct dentry *real_make(struct dentry *dir, const char *name, uint32_t mode, uint64_t rdev, const char *target,
			 struct inode *link)
{
	struct inode *made = NULL;
	struct dentry *d;

	rwlock_write(&dir->inode->i_rwsem);
	d = lookup_one_locked(dir, name, strlen(name));
	if (!IS_ERR(d)) {
		made = d->inode ? ERR_PTR(-LINUX_EEXIST) : make_locked(dir->inode, name, mode, rdev, target, link);
		if (!IS_ERR(made)) {
			dentry_instantiate(d, made);
		} else {
			dentry_put(d);
			d = (struct dentry *)made;
		}
	}
	rwlock_unlock(&dir->inode->i_rwsem);
	return d;
}

int real_remove(struct dentry *dir, const char *name)
{
	struct inode *inode = NULL;
	struct dentry *d;
	int err;

	rwlock_write(&dir->inode->i_rwsem);
	d = lookup_one_locked(dir, name, strlen(name));
	err = IS_ERR(d) ? (int)PTR_ERR(d) : d->inode ? 0 : -LINUX_ENOENT;
	if (!err && LINUX_S_ISDIR(d->inode->mode)) {
		rwlock_write(&d->inode->i_rwsem);
		err = dir->inode->ops->rmdir ? dir->inode->ops->rmdir(dir->inode, name, d->inode) : -LINUX_EPERM;
		if (!err)
			d->inode->dead = true;
		rwlock_unlock(&d->inode->i_rwsem);
	} else if (!err) {
		err = dir->inode->ops->unlink ? dir->inode->ops->unlink(dir->inode, name, d->inode) : -LINUX_EPERM;
	}
	if (!err) {
		inode = inode_get(d->inode);
		dentry_delete(d);
	}
	if (!IS_ERR(d))
		dentry_put(d);
	rwlock_unlock(&dir->inode->i_rwsem);
	if (inode)
		inode_put(inode);
	return err;
}

bool ovl_is_whiteout(const struct inode *inode)
{
	return LINUX_S_ISCHR(inode->mode) && !inode->rdev;
}

bool ovl_is_opaque(const struct ovl_sb_info *si, const struct path *dir)
{
	struct inode *inode = dir->dentry->inode;
	char c = 0;

	return inode->ops->getxattr && inode->ops->getxattr(inode, si->opaque, &c, 1) == 1 && c == 'y';
}

int ovl_set_opaque(const struct ovl_sb_info *si, const struct path *dir)
{
	return vfs_setxattr(dir, si->opaque, "y", 1, 0);
}

void ovl_temp_name(struct ovl_sb_info *si, char buf[32])
{
	snprintf(buf, 32, "#%x", atomic_fetch_add(&si->next_temp, 1));
}

int ovl_whiteout(struct ovl_sb_info *si, struct dentry *dir, const char *name)
{
	struct dentry *old = real_lookup(dir, name), *d;
	bool is_dir;
	char temp[32];
	int err;

	if (IS_ERR(old))
		return PTR_ERR(old);
	is_dir = old->inode && LINUX_S_ISDIR(old->inode->mode);
	dentry_put(old);
	ovl_temp_name(si, temp);
	d = real_make(si->work.dentry, temp, LINUX_S_IFCHR, 0, NULL, NULL);
	if (IS_ERR(d))
		return PTR_ERR(d);
	dentry_put(d);
	err = dir_rename(si->work.dentry, temp, dir, name, is_dir ? LINUX_RENAME_EXCHANGE : 0);
	if (err) {
		real_remove(si->work.dentry, temp);
		return err;
	}
	if (!is_dir)
		return 0;
	/* The directory is out of the way; what is left in it are whiteouts. */
	old = real_lookup(si->work.dentry, temp);
	if (!IS_ERR(old)) {
		if (old->inode)
			ovl_dir_clear(&(struct path){ si->work.mnt, old });
		dentry_put(old);
	}
	real_remove(si->work.dentry, temp);
	return 0;
}
