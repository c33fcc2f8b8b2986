/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes to directories.  Each first gets the entries it will change, which may fail, and then changes them, which can't.
 */
#include <stdlib.h>
#include <string.h>

#include "sentry/abi/fcntl.h"
#include "vfs/overlay/overlay_fs.h"

#define LINK_MAX 65000 /* as ext4 has it for files; directories have no limit */

/* Link counts of directories.  1 is "not counted" (ext4's dir_nlink, btrfs) and stays. */
static void dir_link_inc(struct inode *dir)
{
	if (atomic_load(&dir->nlink) >= 2)
		atomic_fetch_add(&dir->nlink, 1);
}

static void dir_link_dec(struct inode *dir)
{
	if (atomic_load(&dir->nlink) > 2)
		atomic_fetch_sub(&dir->nlink, 1);
}

/* A name of @inode went. */
static void link_drop(struct inode *inode)
{
	overlay_changed(inode, OVERLAY_ATTR);
	inode_touch_ctime(inode);
	if (LINUX_S_ISDIR(inode->mode) || atomic_load(&inode->nlink) <= 1) {
		atomic_store(&inode->nlink, 0);
		overlay_unlinked(inode);
	} else {
		atomic_fetch_sub(&inode->nlink, 1);
	}
}

/* Names @inode (reference taken, on failure too) @name in @dir.  Returns it, as borrowed from the caller's reference. */
static struct inode *name_new(struct inode *dir, const char *name, struct inode *inode)
{
	struct overlay_entry *e;

	if (IS_ERR(inode))
		return inode;
	e = overlay_entry_get(dir, name, NULL);
	if (!e) {
		atomic_store(&inode->nlink, 0);
		inode_put(inode);
		return ERR_PTR(-LINUX_ENOMEM);
	}
	overlay_entry_set(dir, e, inode);
	inode_touch_mtime(dir);
	return inode;
}

static struct inode *overlay_mknod(struct inode *dir, const char *name, uint32_t mode, uint64_t rdev)
{
	return name_new(dir, name, overlay_new_inode(dir, mode, rdev));
}

static struct inode *overlay_mkdir(struct inode *dir, const char *name, uint32_t mode)
{
	struct inode *inode = overlay_new_inode(dir, mode | LINUX_S_IFDIR, 0);

	if (!IS_ERR(inode)) {
		atomic_store(&inode->nlink, 2);
		inode->size = PAGE_SIZE;
		inode = name_new(dir, name, inode);
	}
	if (!IS_ERR(inode))
		dir_link_inc(dir);
	return inode;
}

static struct inode *overlay_symlink(struct inode *dir, const char *name, const char *target)
{
	struct inode *inode = overlay_new_inode(dir, LINUX_S_IFLNK | 0777, 0);

	if (IS_ERR(inode))
		return inode;
	inode->size = strlen(target);
	OVERLAY_I(inode)->target = strdup(target);
	if (!OVERLAY_I(inode)->target) {
		inode_put(inode);
		return ERR_PTR(-LINUX_ENOMEM);
	}
	return name_new(dir, name, inode);
}

static struct inode *overlay_tmpfile(struct inode *dir, uint32_t mode)
{
	struct inode *inode = overlay_new_inode(dir, mode | LINUX_S_IFREG, 0);

	if (!IS_ERR(inode))
		atomic_store(&inode->nlink, 0);
	return inode;
}

static int overlay_link(struct inode *dir, const char *name, struct inode *inode)
{
	struct overlay_entry *e;

	if (atomic_load(&inode->nlink) >= LINK_MAX)
		return -LINUX_EMLINK;
	e = overlay_entry_get(dir, name, NULL);
	if (!e)
		return -LINUX_ENOMEM;
	overlay_changed(inode, OVERLAY_ATTR);
	atomic_fetch_add(&inode->nlink, 1);
	inode_touch_ctime(inode);
	overlay_entry_set(dir, e, inode);
	inode_touch_mtime(dir);
	return 0;
}

static int overlay_unlink(struct inode *dir, const char *name, struct inode *inode)
{
	struct overlay_entry *e = overlay_entry_get(dir, name, inode);

	if (!e)
		return -LINUX_ENOMEM;
	link_drop(inode);
	overlay_entry_set(dir, e, NULL);
	inode_touch_mtime(dir);
	return 0;
}

static int overlay_rmdir(struct inode *dir, const char *name, struct inode *inode)
{
	int err = overlay_check_empty(inode);

	if (!err)
		err = overlay_unlink(dir, name, inode);
	if (!err)
		dir_link_dec(dir);
	return err;
}

/* Link counts of the parents when a directory goes from one to the other. */
static void parents_account(struct inode *old_dir, struct inode *new_dir, struct inode *moved)
{
	if (old_dir == new_dir || !LINUX_S_ISDIR(moved->mode))
		return;
	dir_link_dec(old_dir);
	dir_link_inc(new_dir);
}

/* What overlayfs leaves behind to hide a name: here only because the caller asked for one. */
static struct inode *whiteout_new(struct inode *dir)
{
	return overlay_new_inode(dir, LINUX_S_IFCHR, 0);
}

static int overlay_rename(struct inode *old_dir, const char *old_name, struct inode *inode, struct inode *new_dir,
			  const char *new_name, struct inode *target, unsigned flags)
{
	bool exchange = flags & LINUX_RENAME_EXCHANGE;
	struct overlay_entry *from, *to;
	struct inode *left = NULL;
	int err;

	if (target && !exchange && LINUX_S_ISDIR(target->mode)) {
		err = overlay_check_empty(target);
		if (err)
			return err;
	}
	if (flags & LINUX_RENAME_WHITEOUT) {
		left = whiteout_new(old_dir);
		if (IS_ERR(left))
			return PTR_ERR(left);
	}
	from = overlay_entry_get(old_dir, old_name, inode);
	to = from ? overlay_entry_get(new_dir, new_name, target) : NULL;
	if (!to) {
		if (left)
			inode_put(left);
		return -LINUX_ENOMEM;
	}
	overlay_changed(inode, OVERLAY_ATTR);
	parents_account(old_dir, new_dir, inode);
	overlay_entry_set(new_dir, to, inode);
	if (exchange) {
		overlay_changed(target, OVERLAY_ATTR);
		parents_account(new_dir, old_dir, target);
		inode_touch_ctime(target);
		overlay_entry_set(old_dir, from, target);
	} else {
		overlay_entry_set(old_dir, from, left);
		if (target) {
			if (LINUX_S_ISDIR(target->mode))
				dir_link_dec(new_dir);
			link_drop(target);
		}
	}
	if (left)
		inode_put(left);
	inode_touch_ctime(inode);
	inode_touch_mtime(old_dir);
	if (new_dir != old_dir)
		inode_touch_mtime(new_dir);
	return 0;
}

const struct inode_ops overlay_dir_inode_ops = {
	.lookup = overlay_lookup,
	.mknod = overlay_mknod,
	.mkdir = overlay_mkdir,
	.symlink = overlay_symlink,
	.link = overlay_link,
	.unlink = overlay_unlink,
	.rmdir = overlay_rmdir,
	.rename = overlay_rename,
	.tmpfile = overlay_tmpfile,
	.getattr = overlay_getattr,
	.setattr = overlay_setattr,
	.getxattr = overlay_getxattr,
	.setxattr = overlay_setxattr,
	.removexattr = overlay_removexattr,
	.listxattr = overlay_listxattr,
};
