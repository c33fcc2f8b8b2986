/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Extended attributes: xattr(7), with the checks of fs/xattr.c.
 */
#include <string.h>

#include "vfs/fsnotify.h"
#include "vfs/internal.h"

#define ACL_ACCESS "system.posix_acl_access"
#define ACL_DEFAULT "system.posix_acl_default"

static bool has_prefix(const char *s, const char *prefix)
{
	return !strncmp(s, prefix, strlen(prefix));
}

/* xattr_permission. */
static int xattr_may(struct inode *inode, const char *name, unsigned mask)
{
	if (mask & MAY_WRITE && (IS_IMMUTABLE(inode) || IS_APPEND(inode)))
		return -LINUX_EPERM;
	if (has_prefix(name, "security.") || has_prefix(name, "system."))
		return 0;
	if (has_prefix(name, "trusted.")) {
		if (!capable(CAP_SYS_ADMIN))
			return mask & MAY_WRITE ? -LINUX_EPERM : -LINUX_ENODATA;
		return 0;
	}
	if (has_prefix(name, "user.")) {
		if (!LINUX_S_ISREG(inode->mode) && !LINUX_S_ISDIR(inode->mode))
			return mask & MAY_WRITE ? -LINUX_EPERM : -LINUX_ENODATA;
		if (LINUX_S_ISDIR(inode->mode) && inode->mode & LINUX_S_ISVTX && mask & MAY_WRITE &&
		    !inode_owner_or_capable(inode))
			return -LINUX_EPERM;
	}
	return inode_permission(inode, mask);
}

/* What may be asked of a filesystem at all. */
static int xattr_name_ok(const char *name)
{
	static const char *const prefixes[] = { "user.", "trusted.", "security." };

	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
		if (has_prefix(name, prefixes[i]))
			return name[strlen(prefixes[i])] ? 0 : -LINUX_EINVAL;
	return !strcmp(name, ACL_ACCESS) || !strcmp(name, ACL_DEFAULT) ? 0 : -LINUX_EOPNOTSUPP;
}

static bool is_acl(const char *name)
{
	return has_prefix(name, "system.posix_acl_");
}

int64_t vfs_getxattr(const struct path *path, const char *name, void *buf, size_t size)
{
	struct inode *inode = path->dentry->inode;
	int64_t ret = xattr_may(inode, name, MAY_READ);

	if (!ret)
		ret = xattr_name_ok(name);
	if (!ret && is_acl(name) && LINUX_S_ISLNK(inode->mode))
		ret = -LINUX_EOPNOTSUPP;
	if (ret)
		return ret;
	return inode->ops->getxattr ? inode->ops->getxattr(inode, name, buf, size) : -LINUX_EOPNOTSUPP;
}

/* security.* of no module of ours needs CAP_SYS_ADMIN to change (cap_inode_setxattr), file capabilities CAP_SETFCAP. */
static int security_may_change(const struct inode *inode, const char *name)
{
	if (!has_prefix(name, "security."))
		return 0;
	if (!strcmp(name, "security.capability"))
		return inode_capable(inode, CAP_SETFCAP) ? 0 : -LINUX_EPERM;
	return capable(CAP_SYS_ADMIN) ? 0 : -LINUX_EPERM;
}

static int change_checks(const struct path *path, const char *name)
{
	struct inode *inode = path->dentry->inode;
	int err = mnt_want_write(path->mnt);

	if (!err)
		err = xattr_may(inode, name, MAY_WRITE);
	if (!err)
		err = security_may_change(path->dentry->inode, name);
	if (!err)
		err = xattr_name_ok(name);
	if (!err && is_acl(name)) {
		if (LINUX_S_ISLNK(inode->mode))
			err = -LINUX_EOPNOTSUPP;
		else if (!inode_owner_or_capable(inode))
			err = -LINUX_EPERM;
	}
	return err;
}

static void xattr_changed(struct inode *inode, struct dentry *d)
{
	atomic_store(&inode->acl_state, ACL_UNKNOWN);
	atomic_store(&inode->default_acl_state, ACL_UNKNOWN);
	atomic_store(&inode->nosec, false);
	fsnotify_dentry(d, FS_ATTRIB);
}

int vfs_setxattr(const struct path *path, const char *name, const void *value, size_t size, int flags)
{
	struct inode *inode = path->dentry->inode;
	int err = change_checks(path, name);

	if (err)
		return err;
	if (!strcmp(name, "security.capability") && !vfs_caps_valid(value, size))
		return -LINUX_EINVAL;
	if (!inode->ops->setxattr)
		return -LINUX_EOPNOTSUPP;
	rwlock_write(&inode->i_rwsem);
	if (is_acl(name))
		err = posix_acl_set_locked(inode, name, value, size);
	else
		err = inode->ops->setxattr(inode, name, value, size, flags);
	rwlock_unlock(&inode->i_rwsem);
	if (!err)
		xattr_changed(inode, path->dentry);
	return err;
}

int vfs_removexattr(const struct path *path, const char *name)
{
	struct inode *inode = path->dentry->inode;
	int err = change_checks(path, name);

	if (err)
		return err;
	if (!inode->ops->removexattr)
		return -LINUX_EOPNOTSUPP;
	rwlock_write(&inode->i_rwsem);
	err = inode->ops->removexattr(inode, name);
	rwlock_unlock(&inode->i_rwsem);
	/* As posix_acl's set with no ACL. */
	if (err == -LINUX_ENODATA && is_acl(name))
		err = 0;
	if (!err)
		xattr_changed(inode, path->dentry);
	return err;
}

int vfs_listxattr(const struct path *path, struct strbuf *ret)
{
	struct inode *inode = path->dentry->inode;
	_cleanup_strbuf_ struct strbuf all = STRBUF_INIT;
	int err = inode->ops->listxattr ? inode->ops->listxattr(inode, &all) : 0;

	if (!err)
		err = strbuf_err(&all);
	if (err)
		return err;
	/* trusted.* exists only for the administrator. */
	for (size_t i = 0; i < all.len;) {
		size_t len = strlen(all.buf + i) + 1;

		if (capable(CAP_SYS_ADMIN) || !has_prefix(all.buf + i, "trusted."))
			strbuf_add(ret, all.buf + i, len);
		i += len;
	}
	return strbuf_err(ret);
}
