/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Extended attributes: setxattr(2), getxattr(2), listxattr(2), removexattr(2) and their l and f variants.
 */
#include <stdlib.h>

#include "sentry/abi/fcntl.h"
#include "sentry/sys/syscall.h"
#include "vfs/vfs.h"

/* An attribute's name: -LINUX_ERANGE when it is empty or too long, as strncpy_from_user's callers say. */
static int name_from_user(uaddr_t uname, char name[LINUX_XATTR_NAME_MAX + 1])
{
	int64_t len = strncpy_from_user(name, uname, LINUX_XATTR_NAME_MAX + 1);

	if (len < 0)
		return (int)len;
	return len == 0 || len == LINUX_XATTR_NAME_MAX + 1 ? -LINUX_ERANGE : 0;
}

/* What the call is about: a path that is followed, one that isn't, or a descriptor (which O_PATH is not). */
enum target { FOLLOW, NOFOLLOW, DESCRIPTOR };

static int target_path(enum target how, uint64_t what, struct path *ret)
{
	struct file *f;

	if (how != DESCRIPTOR)
		return user_path_at(LINUX_AT_FDCWD, what, how == FOLLOW ? LOOKUP_FOLLOW : 0, ret);
	f = fget((int)what);
	if (!f)
		return -LINUX_EBADF;
	*ret = f->path;
	path_get(ret);
	fput(f);
	return 0;
}

/* --- set --- */

static int64_t xattr_set(enum target how, uint64_t what, uaddr_t uname, uaddr_t uvalue, size_t size, int flags)
{
	_cleanup_path_ struct path path = { NULL, NULL };
	char name[LINUX_XATTR_NAME_MAX + 1];
	void *value = NULL;
	int64_t err;

	if (flags & ~(LINUX_XATTR_CREATE | LINUX_XATTR_REPLACE))
		return -LINUX_EINVAL;
	err = name_from_user(uname, name);
	if (err)
		return err;
	if (size > LINUX_XATTR_SIZE_MAX)
		return -LINUX_E2BIG;
	if (size) {
		value = malloc(size);
		if (!value)
			return -LINUX_ENOMEM;
		if (copy_from_user(value, uvalue, size)) {
			free(value);
			return -LINUX_EFAULT;
		}
	}
	err = target_path(how, what, &path);
	if (!err)
		err = vfs_setxattr(&path, name, value, size, flags);
	free(value);
	return err;
}

SYSCALL_DEFINE5(setxattr, uaddr_t, path, uaddr_t, name, uaddr_t, value, size_t, size, int, flags)
{
	return xattr_set(FOLLOW, path, name, value, size, flags);
}

SYSCALL_DEFINE5(lsetxattr, uaddr_t, path, uaddr_t, name, uaddr_t, value, size_t, size, int, flags)
{
	return xattr_set(NOFOLLOW, path, name, value, size, flags);
}

SYSCALL_DEFINE5(fsetxattr, int, fd, uaddr_t, name, uaddr_t, value, size_t, size, int, flags)
{
	return xattr_set(DESCRIPTOR, (unsigned)fd, name, value, size, flags);
}

/* --- get --- */

static int64_t xattr_get(enum target how, uint64_t what, uaddr_t uname, uaddr_t ubuf, size_t size)
{
	_cleanup_path_ struct path path = { NULL, NULL };
	char name[LINUX_XATTR_NAME_MAX + 1];
	void *buf = NULL;
	int64_t n;

	n = name_from_user(uname, name);
	if (!n)
		n = target_path(how, what, &path);
	if (n)
		return n;
	size = MIN(size, (size_t)LINUX_XATTR_SIZE_MAX);
	if (size) {
		buf = malloc(size);
		if (!buf)
			return -LINUX_ENOMEM;
	}
	n = vfs_getxattr(&path, name, buf, size);
	if (n > 0 && size && copy_to_user(ubuf, buf, n))
		n = -LINUX_EFAULT;
	else if (n == -LINUX_ERANGE && size == LINUX_XATTR_SIZE_MAX)
		n = -LINUX_E2BIG;
	free(buf);
	return n;
}

SYSCALL_DEFINE4(getxattr, uaddr_t, path, uaddr_t, name, uaddr_t, buf, size_t, size)
{
	return xattr_get(FOLLOW, path, name, buf, size);
}

SYSCALL_DEFINE4(lgetxattr, uaddr_t, path, uaddr_t, name, uaddr_t, buf, size_t, size)
{
	return xattr_get(NOFOLLOW, path, name, buf, size);
}

SYSCALL_DEFINE4(fgetxattr, int, fd, uaddr_t, name, uaddr_t, buf, size_t, size)
{
	return xattr_get(DESCRIPTOR, (unsigned)fd, name, buf, size);
}

/* --- list --- */

static int64_t xattr_list(enum target how, uint64_t what, uaddr_t ubuf, size_t size)
{
	_cleanup_path_ struct path path = { NULL, NULL };
	_cleanup_strbuf_ struct strbuf names = STRBUF_INIT;
	int err = target_path(how, what, &path);

	if (!err)
		err = vfs_listxattr(&path, &names);
	if (err)
		return err;
	if (names.len > LINUX_XATTR_LIST_MAX)
		return -LINUX_E2BIG;
	if (!size)
		return names.len;
	if (names.len > size)
		return -LINUX_ERANGE;
	return names.len && copy_to_user(ubuf, names.buf, names.len) ? -LINUX_EFAULT : (int64_t)names.len;
}

SYSCALL_DEFINE3(listxattr, uaddr_t, path, uaddr_t, buf, size_t, size)
{
	return xattr_list(FOLLOW, path, buf, size);
}

SYSCALL_DEFINE3(llistxattr, uaddr_t, path, uaddr_t, buf, size_t, size)
{
	return xattr_list(NOFOLLOW, path, buf, size);
}

SYSCALL_DEFINE3(flistxattr, int, fd, uaddr_t, buf, size_t, size)
{
	return xattr_list(DESCRIPTOR, (unsigned)fd, buf, size);
}

/* --- remove --- */

static int64_t xattr_remove(enum target how, uint64_t what, uaddr_t uname)
{
	_cleanup_path_ struct path path = { NULL, NULL };
	char name[LINUX_XATTR_NAME_MAX + 1];
	int err = name_from_user(uname, name);

	if (!err)
		err = target_path(how, what, &path);
	return err ? err : vfs_removexattr(&path, name);
}

SYSCALL_DEFINE2(removexattr, uaddr_t, path, uaddr_t, name)
{
	return xattr_remove(FOLLOW, path, name);
}

SYSCALL_DEFINE2(lremovexattr, uaddr_t, path, uaddr_t, name)
{
	return xattr_remove(NOFOLLOW, path, name);
}

SYSCALL_DEFINE2(fremovexattr, int, fd, uaddr_t, name)
{
	return xattr_remove(DESCRIPTOR, (unsigned)fd, name);
}
