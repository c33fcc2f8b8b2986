/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names: mkdir(2), unlink(2), link(2), symlink(2), rename(2), mknod(2), readlink(2), getdents(2), chdir(2), getcwd(2), chroot(2).
 */
#include <stdlib.h>
#include <string.h>

#include "sentry/abi/fcntl.h"
#include "sentry/sys/syscall.h"
#include "vfs/readdir.h"
#include "vfs/user_ns.h"
#include "vfs/vfs.h"

static void free_cleanup(char **p)
{
	free(*p);
}
#define _cleanup_free_ __cleanup(free_cleanup)

/* --- making and removing --- */

static int64_t mkdir_common(int dfd, uaddr_t uname, uint32_t mode)
{
	_cleanup_free_ char *name = NULL;
	int err = getname(uname, false, &name);

	return err ? err : do_mkdirat(dfd, name, mode);
}

SYSCALL_DEFINE2(mkdir, uaddr_t, uname, uint32_t, mode)
{
	return mkdir_common(LINUX_AT_FDCWD, uname, mode);
}

SYSCALL_DEFINE3(mkdirat, int, dfd, uaddr_t, uname, uint32_t, mode)
{
	return mkdir_common(dfd, uname, mode);
}

/* A 32-bit device number is st_rdev's encoding. */
static int64_t mknod_common(int dfd, uaddr_t uname, uint32_t mode, unsigned dev)
{
	_cleanup_free_ char *name = NULL;
	int err = getname(uname, false, &name);

	return err ? err : do_mknodat(dfd, name, mode, dev);
}

SYSCALL_DEFINE3(mknod, uaddr_t, uname, uint32_t, mode, unsigned, dev)
{
	return mknod_common(LINUX_AT_FDCWD, uname, mode, dev);
}

SYSCALL_DEFINE4(mknodat, int, dfd, uaddr_t, uname, uint32_t, mode, unsigned, dev)
{
	return mknod_common(dfd, uname, mode, dev);
}

static int64_t unlink_common(int dfd, uaddr_t uname, bool dir)
{
	_cleanup_free_ char *name = NULL;
	int err = getname(uname, false, &name);

	if (err)
		return err;
	return dir ? do_rmdirat(dfd, name) : do_unlinkat(dfd, name);
}

SYSCALL_DEFINE1(unlink, uaddr_t, uname)
{
	return unlink_common(LINUX_AT_FDCWD, uname, false);
}

SYSCALL_DEFINE1(rmdir, uaddr_t, uname)
{
	return unlink_common(LINUX_AT_FDCWD, uname, true);
}

SYSCALL_DEFINE3(unlinkat, int, dfd, uaddr_t, uname, int, flags)
{
	if (flags & ~LINUX_AT_REMOVEDIR)
		return -LINUX_EINVAL;
	return unlink_common(dfd, uname, flags & LINUX_AT_REMOVEDIR);
}

static int64_t symlink_common(uaddr_t utarget, int dfd, uaddr_t uname)
{
	_cleanup_free_ char *target = NULL, *name = NULL;
	int err = getname(utarget, false, &target);

	if (!err)
		err = getname(uname, false, &name);
	return err ? err : do_symlinkat(target, dfd, name);
}

SYSCALL_DEFINE2(symlink, uaddr_t, target, uaddr_t, name)
{
	return symlink_common(target, LINUX_AT_FDCWD, name);
}

SYSCALL_DEFINE3(symlinkat, uaddr_t, target, int, dfd, uaddr_t, name)
{
	return symlink_common(target, dfd, name);
}

static int64_t link_common(int odfd, uaddr_t uold, int ndfd, uaddr_t unew, int flags)
{
	_cleanup_free_ char *old = NULL, *new = NULL;
	int err = getname(uold, flags & LINUX_AT_EMPTY_PATH, &old);

	if (!err)
		err = getname(unew, false, &new);
	return err ? err : do_linkat(odfd, old, ndfd, new, flags);
}

SYSCALL_DEFINE2(link, uaddr_t, old, uaddr_t, new)
{
	return link_common(LINUX_AT_FDCWD, old, LINUX_AT_FDCWD, new, 0);
}

SYSCALL_DEFINE5(linkat, int, odfd, uaddr_t, old, int, ndfd, uaddr_t, new, int, flags)
{
	if (flags & ~(LINUX_AT_SYMLINK_FOLLOW | LINUX_AT_EMPTY_PATH))
		return -LINUX_EINVAL;
	return link_common(odfd, old, ndfd, new, flags);
}

static int64_t rename_common(int odfd, uaddr_t uold, int ndfd, uaddr_t unew, unsigned flags)
{
	_cleanup_free_ char *old = NULL, *new = NULL;
	int err = getname(uold, false, &old);

	if (!err)
		err = getname(unew, false, &new);
	return err ? err : do_renameat2(odfd, old, ndfd, new, flags);
}

SYSCALL_DEFINE2(rename, uaddr_t, old, uaddr_t, new)
{
	return rename_common(LINUX_AT_FDCWD, old, LINUX_AT_FDCWD, new, 0);
}

SYSCALL_DEFINE4(renameat, int, odfd, uaddr_t, old, int, ndfd, uaddr_t, new)
{
	return rename_common(odfd, old, ndfd, new, 0);
}

SYSCALL_DEFINE5(renameat2, int, odfd, uaddr_t, old, int, ndfd, uaddr_t, new, unsigned, flags)
{
	return rename_common(odfd, old, ndfd, new, flags);
}

/* --- reading --- */

static int64_t readlink_common(int dfd, uaddr_t uname, uaddr_t ubuf, int size)
{
	_cleanup_path_ struct path path = { NULL, NULL };
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	_cleanup_free_ char *name = NULL;
	struct inode *inode;
	size_t len;
	int err;

	if (size <= 0)
		return -LINUX_EINVAL;
	err = getname(uname, true, &name);
	if (!err)
		err = path_lookupat(dfd, name, LOOKUP_EMPTY, &path);
	if (err)
		return err;
	inode = path.dentry->inode;
	if (!LINUX_S_ISLNK(inode->mode) || !inode->ops->readlink)
		return *name ? -LINUX_EINVAL : -LINUX_ENOENT;
	inode_touch_atime(inode, path.mnt);
	err = inode->ops->readlink(inode, &text);
	if (!err)
		err = strbuf_err(&text);
	if (err)
		return err;
	len = MIN(text.len, (size_t)size);
	return copy_to_user(ubuf, strbuf_str(&text), len) ? -LINUX_EFAULT : (int64_t)len;
}

SYSCALL_DEFINE3(readlink, uaddr_t, uname, uaddr_t, ubuf, int, size)
{
	return readlink_common(LINUX_AT_FDCWD, uname, ubuf, size);
}

SYSCALL_DEFINE4(readlinkat, int, dfd, uaddr_t, uname, uaddr_t, ubuf, int, size)
{
	return readlink_common(dfd, uname, ubuf, size);
}

#define GETDENTS_MAX (128 * 1024) /* made at once; the guest comes back for more */

static int64_t getdents_common(int fd, uaddr_t ubuf, unsigned size, bool old)
{
	_cleanup_fput_ struct file *f = fget(fd);
	_cleanup_free_ char *buf = NULL;
	uint64_t pos;
	int64_t n;

	if (!f)
		return -LINUX_EBADF;
	size = MIN(size, (unsigned)GETDENTS_MAX);
	buf = malloc(MAX(size, 1U));
	if (!buf)
		return -LINUX_ENOMEM;
	mutex_lock(&f->pos_lock);
	pos = f->pos;
	n = dir_getdents(f, buf, size, old);
	if (n > 0 && copy_to_user(ubuf, buf, n)) {
		f->pos = pos;
		n = -LINUX_EFAULT;
	}
	mutex_unlock(&f->pos_lock);
	return n;
}

SYSCALL_DEFINE3(getdents, int, fd, uaddr_t, ubuf, unsigned, size)
{
	return getdents_common(fd, ubuf, size, true);
}

SYSCALL_DEFINE3(getdents64, int, fd, uaddr_t, ubuf, unsigned, size)
{
	return getdents_common(fd, ubuf, size, false);
}

/* --- root and working directory --- */

SYSCALL_DEFINE1(chdir, uaddr_t, uname)
{
	struct path path;
	int err = user_path_at(LINUX_AT_FDCWD, uname, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &path);

	if (err)
		return err;
	err = inode_permission(path.dentry->inode, MAY_EXEC);
	if (err)
		path_put(&path);
	else
		fs_set_pwd(current_fs, &path);
	return err;
}

SYSCALL_DEFINE1(fchdir, int, fd)
{
	_cleanup_fput_ struct file *f = fget_raw(fd);
	struct path path;
	int err;

	if (!f)
		return -LINUX_EBADF;
	if (!LINUX_S_ISDIR(f->inode->mode))
		return -LINUX_ENOTDIR;
	err = inode_permission(f->inode, MAY_EXEC);
	if (err)
		return err;
	path = f->path;
	path_get(&path);
	fs_set_pwd(current_fs, &path);
	return 0;
}

SYSCALL_DEFINE1(chroot, uaddr_t, uname)
{
	struct path path;
	int err = user_path_at(LINUX_AT_FDCWD, uname, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &path);

	if (err)
		return err;
	err = inode_permission(path.dentry->inode, MAY_EXEC);
	if (!err && !ns_capable(current_cred->user_ns, CAP_SYS_CHROOT))
		err = -LINUX_EPERM;
	if (err)
		path_put(&path);
	else
		fs_set_root(current_fs, &path);
	return err;
}

SYSCALL_DEFINE2(getcwd, uaddr_t, ubuf, uint64_t, size)
{
	_cleanup_path_ struct path root = { NULL, NULL };
	_cleanup_path_ struct path pwd = { NULL, NULL };
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	int err;

	fs_get_root(&root);
	fs_get_pwd(&pwd);
	err = path_format_cwd(&pwd, &root, &text);
	if (err)
		return err;
	if (text.len + 1 > PATH_MAX_LEN)
		return -LINUX_ENAMETOOLONG;
	if (text.len + 1 > size)
		return -LINUX_ERANGE;
	return copy_to_user(ubuf, strbuf_str(&text), text.len + 1) ? -LINUX_EFAULT : (int64_t)text.len + 1;
}
