/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes of directories, made on the host at once.
 */
#include <string.h>

#include "sentry/abi/fcntl.h"
#include "vfs/hostfs/hostfs_fs.h"

/* --- making --- */

/*
 * What is made belongs to the guest's user when the host lets us give it away (we are root there), else to the user who runs
 * the sentry.  The mode is as asked for, whatever the host's umask.
 */
static int own(struct inode *dir, int fd, uint32_t mode, struct host_stat *st)
{
	uint32_t uid = current_cred->fsuid, gid = dir->mode & LINUX_S_ISGID ? st->gid : current_cred->fsgid;
	int err = 0;

	if (LINUX_S_ISDIR(mode) && dir->mode & LINUX_S_ISGID)
		mode |= LINUX_S_ISGID;
	if (host_geteuid() == 0 && (st->uid != uid || st->gid != gid))
		err = host_fchownat(fd, "", uid, gid, LINUX_AT_EMPTY_PATH);
	if (!err)
		err = host_fstat(fd, st);
	if (!err && !LINUX_S_ISLNK(st->mode) && (st->mode ^ mode) & LINUX_S_IALLUGO) {
		err = host_fchmod(fd, mode & LINUX_S_IALLUGO);
		if (!err)
			err = host_fstat(fd, st);
	}
	return err;
}

/* Finishes what was made as @name below @dirfd; @fd (taken) is an open descriptor of it, or -1. */
static struct inode *made(struct inode *dir, int dirfd, const char *name, uint32_t mode, int fd)
{
	enum hostfs_slot slot = fd < 0 ? HOSTFS_PATH : HOSTFS_WRITE;
	struct inode *inode;
	struct host_stat st;
	int err;

	if (fd < 0)
		fd = host_openat(dirfd, name, LINUX_O_PATH | LINUX_O_NOFOLLOW, 0);
	if (fd < 0)
		return ERR_PTR(fd);
	err = host_fstat(fd, &st);
	if (!err)
		err = own(dir, fd, mode, &st);
	inode = err ? ERR_PTR(err) : hostfs_iget(dir, dirfd, name, &st);
	if (IS_ERR(inode)) {
		host_close(fd);
		return inode;
	}
	/* The one who creates a file may write it, whatever its mode. */
	hostfs_fd_add(HOSTFS_I(inode), slot, fd);
	hostfs_refresh_own(dir);
	return inode;
}

static struct inode *hostfs_mknod(struct inode *dir, const char *name, uint32_t mode, uint64_t rdev)
{
	_cleanup_hostfs_fd_ struct hostfs_fd *hfd = NULL;
	int err, fd = -1;

	(void)rdev;
	/* A device node on the host would be the host's device. */
	if (LINUX_S_ISCHR(mode) || LINUX_S_ISBLK(mode))
		return ERR_PTR(-LINUX_EPERM);
	err = hostfs_fd_get(HOSTFS_I(dir), HOSTFS_PATH, &hfd);
	if (err)
		return ERR_PTR(err);
	if (LINUX_S_ISREG(mode)) {
		fd = host_openat(hfd->fd, name, LINUX_O_RDWR | LINUX_O_CREAT | LINUX_O_EXCL | LINUX_O_NOFOLLOW,
				 mode & LINUX_S_IALLUGO);
		err = MIN(fd, 0);
	} else {
		err = host_mknodat(hfd->fd, name, mode, 0);
	}
	return err ? ERR_PTR(err) : made(dir, hfd->fd, name, mode, fd);
}

static struct inode *hostfs_mkdir(struct inode *dir, const char *name, uint32_t mode)
{
	_cleanup_hostfs_fd_ struct hostfs_fd *hfd = NULL;
	int err = hostfs_fd_get(HOSTFS_I(dir), HOSTFS_PATH, &hfd);

	if (!err)
		err = host_mkdirat(hfd->fd, name, mode & LINUX_S_IALLUGO);
	return err ? ERR_PTR(err) : made(dir, hfd->fd, name, LINUX_S_IFDIR | mode, -1);
}

static struct inode *hostfs_symlink(struct inode *dir, const char *name, const char *target)
{
	_cleanup_hostfs_fd_ struct hostfs_fd *hfd = NULL;
	int err = hostfs_fd_get(HOSTFS_I(dir), HOSTFS_PATH, &hfd);

	if (!err)
		err = host_symlinkat(target, hfd->fd, name);
	return err ? ERR_PTR(err) : made(dir, hfd->fd, name, LINUX_S_IFLNK | 0777, -1);
}

/* --- naming --- */

static int hostfs_link(struct inode *dir, const char *name, struct inode *inode)
{
	_cleanup_hostfs_fd_ struct hostfs_fd *hfd = NULL;
	struct hostfs_place from;
	struct host_stat st;
	int err = hostfs_fd_get(HOSTFS_I(dir), HOSTFS_PATH, &hfd);

	if (!err)
		err = hostfs_place_get(HOSTFS_I(inode), &from);
	if (err)
		return err;
	err = host_linkat(from.dirfd, from.name, hfd->fd, name, 0);
	hostfs_place_put(&from);
	if (err)
		return err;
	/* Somebody may have put another file where ours was. */
	err = host_fstatat(hfd->fd, name, LINUX_AT_SYMLINK_NOFOLLOW, &st);
	if (!err && (st.ino != inode->ino || st.dev != HOSTFS_I(inode)->host_dev)) {
		host_unlinkat(hfd->fd, name, 0);
		err = -LINUX_ESTALE;
	}
	if (!err)
		hostfs_attrs_set(inode, &st, true);
	hostfs_refresh_own(dir);
	return err;
}

static int remove_name(struct inode *dir, const char *name, struct inode *inode, int flags)
{
	_cleanup_hostfs_fd_ struct hostfs_fd *hfd = NULL;
	int err = hostfs_fd_get(HOSTFS_I(dir), HOSTFS_PATH, &hfd);

	if (!err)
		err = host_unlinkat(hfd->fd, name, flags);
	if (err)
		return err;
	if (flags || atomic_load(&inode->nlink) <= 1)
		atomic_store(&inode->nlink, 0);
	else
		atomic_fetch_sub(&inode->nlink, 1);
	inode_touch_ctime(inode);
	hostfs_refresh_own(dir);
	return 0;
}

static int hostfs_unlink(struct inode *dir, const char *name, struct inode *inode)
{
	return remove_name(dir, name, inode, 0);
}

static int hostfs_rmdir(struct inode *dir, const char *name, struct inode *inode)
{
	return remove_name(dir, name, inode, LINUX_AT_REMOVEDIR);
}

static int hostfs_rename(struct inode *old_dir, const char *old_name, struct inode *inode, struct inode *new_dir,
			 const char *new_name, struct inode *target, unsigned flags)
{
	_cleanup_hostfs_fd_ struct hostfs_fd *from = NULL, *to = NULL;
	int err;

	/* A whiteout is a device node. */
	if (flags & LINUX_RENAME_WHITEOUT)
		return -LINUX_EINVAL;
	err = hostfs_fd_get(HOSTFS_I(old_dir), HOSTFS_PATH, &from);
	if (!err)
		err = hostfs_fd_get(HOSTFS_I(new_dir), HOSTFS_PATH, &to);
	if (!err)
		err = host_renameat2(from->fd, old_name, to->fd, new_name, flags);
	if (err)
		return err;
	hostfs_seen(HOSTFS_I(inode), HOSTFS_I(new_dir), new_name);
	if (target && flags & LINUX_RENAME_EXCHANGE) {
		hostfs_seen(HOSTFS_I(target), HOSTFS_I(old_dir), old_name);
		hostfs_refresh_own(target);
	} else if (target) {
		bool last = LINUX_S_ISDIR(target->mode) || atomic_load(&target->nlink) <= 1;

		atomic_store(&target->nlink, last ? 0 : atomic_load(&target->nlink) - 1);
		inode_touch_ctime(target);
	}
	hostfs_refresh_own(inode);
	hostfs_refresh_own(old_dir);
	if (new_dir != old_dir)
		hostfs_refresh_own(new_dir);
	return 0;
}

const struct inode_ops hostfs_dir_inode_ops = {
	.lookup = hostfs_lookup,
	.mknod = hostfs_mknod,
	.mkdir = hostfs_mkdir,
	.symlink = hostfs_symlink,
	.link = hostfs_link,
	.unlink = hostfs_unlink,
	.rmdir = hostfs_rmdir,
	.rename = hostfs_rename,
	.revalidate = hostfs_revalidate,
	.getattr = hostfs_getattr,
	.setattr = hostfs_setattr,
	.getxattr = hostfs_getxattr,
	.setxattr = hostfs_setxattr,
	.removexattr = hostfs_removexattr,
	.listxattr = hostfs_listxattr,
};
