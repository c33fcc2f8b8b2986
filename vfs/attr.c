/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changing attributes: chmod(2), chown(2), utimensat(2).  The rules are those of fs/attr.c and fs/open.c.
 */
#include <string.h>

#include "vfs/fsnotify.h"
#include "vfs/internal.h"

static bool chown_ok(const struct inode *inode, uint32_t uid)
{
	return (current_cred->fsuid == inode->uid && uid == inode->uid) || inode_capable(inode, CAP_CHOWN);
}

static bool chgrp_ok(const struct inode *inode, uint32_t gid)
{
	if (current_cred->fsuid == inode->uid && (gid == inode->gid || cred_in_group(current_cred, gid)))
		return true;
	return inode_capable(inode, CAP_CHOWN);
}

/* setattr_prepare: who may change what; may take S_ISGID out of a new mode. */
static int setattr_prepare(struct inode *inode, struct iattr *attr)
{
	if (attr->valid & ATTR_UID && !chown_ok(inode, attr->uid))
		return -LINUX_EPERM;
	if (attr->valid & ATTR_GID && !chgrp_ok(inode, attr->gid))
		return -LINUX_EPERM;
	if (attr->valid & ATTR_MODE) {
		uint32_t gid = attr->valid & ATTR_GID ? attr->gid : inode->gid;

		if (!inode_owner_or_capable(inode))
			return -LINUX_EPERM;
		if (!cred_in_group(current_cred, gid) && !inode_capable(inode, CAP_FSETID))
			attr->mode &= ~LINUX_S_ISGID;
	}
	if (attr->valid & ATTR_TIMES_SET && !inode_owner_or_capable(inode))
		return -LINUX_EPERM;
	return 0;
}

int inode_setattr_locked(struct inode *inode, struct iattr *attr)
{
	struct iattr fs_attr = *attr;

	fs_attr.valid &= ATTR_FS_MASK & ~ATTR_KILL_PRIV;
	if (inode->ops->setattr)
		return inode->ops->setattr(inode, &fs_attr);
	return simple_setattr(inode, &fs_attr);
}

/* The bits to lose become part of the mode that is set. */
static void setattr_kill(struct inode *inode, struct iattr *attr)
{
	uint32_t mode = inode->mode, kill = 0;

	if (attr->valid & ATTR_KILL_SUID)
		kill |= mode & LINUX_S_ISUID;
	if (attr->valid & ATTR_KILL_SGID)
		kill |= mode & LINUX_S_ISGID;
	if (!kill)
		return;
	if (!(attr->valid & ATTR_MODE))
		attr->mode = mode;
	attr->mode &= ~kill;
	attr->valid |= ATTR_MODE;
}

static int remove_file_caps(struct inode *inode)
{
	int err;

	if (atomic_load_explicit(&inode->nosec, memory_order_relaxed) || !inode->ops->removexattr)
		return 0;
	/* Looked for first (cap_inode_need_killpriv): the host may refuse to remove even what is not there. */
	if (!inode->ops->getxattr || inode->ops->getxattr(inode, "security.capability", NULL, 0) > 0) {
		err = inode->ops->removexattr(inode, "security.capability");
		if (err && err != -LINUX_ENODATA && err != -LINUX_EOPNOTSUPP)
			return err;
	}
	atomic_store(&inode->nosec, true);
	return 0;
}

/* notify_change; i_rwsem held for writing. */
static int setattr_checked_locked(const struct path *path, struct iattr *attr)
{
	struct inode *inode = path->dentry->inode;
	int err;

	if (attr->valid & (ATTR_MODE | ATTR_UID | ATTR_GID | ATTR_TIMES_SET) &&
	    (IS_IMMUTABLE(inode) || IS_APPEND(inode)))
		return -LINUX_EPERM;
	if (attr->valid & ATTR_TOUCH) {
		if (IS_IMMUTABLE(inode))
			return -LINUX_EPERM;
		if (!inode_owner_or_capable(inode)) {
			err = inode_permission(inode, MAY_WRITE);
			if (err)
				return err;
		}
	}
	if (attr->valid & ATTR_MODE && LINUX_S_ISLNK(inode->mode))
		return -LINUX_EOPNOTSUPP;
	setattr_kill(inode, attr);
	err = setattr_prepare(inode, attr);
	if (!err && attr->valid & ATTR_KILL_PRIV)
		err = remove_file_caps(inode);
	if (!err)
		err = inode_setattr_locked(inode, attr);
	if (!err && attr->valid & ATTR_MODE && inode->ops->getxattr)
		err = posix_acl_chmod(inode, inode->mode);
	return err;
}

static int setattr_checked(const struct path *path, struct iattr *attr)
{
	struct inode *inode = path->dentry->inode;
	int err = mnt_want_write(path->mnt);

	if (err)
		return err;
	rwlock_write(&inode->i_rwsem);
	err = setattr_checked_locked(path, attr);
	rwlock_unlock(&inode->i_rwsem);
	if (!err)
		fsnotify_dentry(path->dentry, FS_ATTRIB);
	return err;
}

int vfs_setattr(const struct path *path, const struct iattr *attr)
{
	struct iattr copy = *attr;

	return setattr_checked(path, &copy);
}

int vfs_chmod(const struct path *path, uint32_t mode)
{
	struct iattr attr = { .valid = ATTR_MODE | ATTR_CTIME,
			      .mode = mode & LINUX_S_IALLUGO,
			      .ctime = current_time() };

	return setattr_checked(path, &attr);
}

/* A change of owner takes set-id bits away, even root's; a set-group-id directory-like bit without x only from strangers. */
static unsigned chown_kill(const struct inode *inode)
{
	unsigned kill = ATTR_KILL_SUID | ATTR_KILL_PRIV;

	if (LINUX_S_ISDIR(inode->mode))
		return 0;
	if (inode->mode & LINUX_S_ISGID &&
	    (inode->mode & 010 || (!cred_in_group(current_cred, inode->gid) && !inode_capable(inode, CAP_FSETID))))
		kill |= ATTR_KILL_SGID;
	return kill;
}

int vfs_chown(const struct path *path, uint32_t uid, uint32_t gid)
{
	struct iattr attr = { .valid = ATTR_CTIME, .uid = uid, .gid = gid, .ctime = current_time() };

	if (uid != UINT32_MAX)
		attr.valid |= ATTR_UID;
	if (gid != UINT32_MAX)
		attr.valid |= ATTR_GID;
	attr.valid |= chown_kill(path->dentry->inode);
	return setattr_checked(path, &attr);
}

int vfs_utimes(const struct path *path, const struct timespec64 *times)
{
	struct timespec64 now = current_time();
	struct iattr attr = { .valid = ATTR_CTIME | ATTR_MTIME | ATTR_ATIME, .atime = now, .mtime = now, .ctime = now };

	if (times && times[0].nsec == LINUX_UTIME_NOW && times[1].nsec == LINUX_UTIME_NOW)
		times = NULL;
	if (!times) {
		attr.valid |= ATTR_TOUCH;
		return setattr_checked(path, &attr);
	}
	if (times[0].nsec == LINUX_UTIME_OMIT)
		attr.valid &= ~ATTR_ATIME;
	else if (times[0].nsec != LINUX_UTIME_NOW)
		attr.atime = times[0];
	if (times[1].nsec == LINUX_UTIME_OMIT)
		attr.valid &= ~ATTR_MTIME;
	else if (times[1].nsec != LINUX_UTIME_NOW)
		attr.mtime = times[1];
	attr.valid |= ATTR_TIMES_SET;
	return setattr_checked(path, &attr);
}

int inode_remove_privs(const struct path *path)
{
	struct inode *inode = path->dentry->inode;
	struct iattr attr = { .valid = ATTR_CTIME };
	uint32_t mode = inode->mode;
	int err;

	if (!LINUX_S_ISREG(mode))
		return 0;
	err = remove_file_caps(inode);
	if (err || inode_capable(inode, CAP_FSETID))
		return err;
	if (mode & LINUX_S_ISUID)
		attr.valid |= ATTR_KILL_SUID;
	if ((mode & (LINUX_S_ISGID | 010)) == (LINUX_S_ISGID | 010))
		attr.valid |= ATTR_KILL_SGID;
	if (attr.valid == ATTR_CTIME)
		return 0;
	attr.ctime = current_time();
	setattr_kill(inode, &attr);
	return inode_setattr_locked(inode, &attr);
}
