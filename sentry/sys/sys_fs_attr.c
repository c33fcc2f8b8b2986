/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chmod(2), chown(2), utimensat(2), truncate(2), umask(2).
 */
#include "sentry/abi/fcntl.h"
#include "sentry/abi/fs.h"
#include "sentry/abi/time.h"
#include "sentry/sys/syscall.h"
#include "vfs/user_ns.h"
#include "vfs/vfs.h"

/* --- mode and owner --- */

static int64_t chmod_common(int dfd, uaddr_t uname, uint32_t mode, unsigned at_flags)
{
	_cleanup_path_ struct path path = { NULL, NULL };
	unsigned lookup = at_flags & LINUX_AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW;
	int err;

	if (at_flags & ~(LINUX_AT_SYMLINK_NOFOLLOW | LINUX_AT_EMPTY_PATH))
		return -LINUX_EINVAL;
	if (at_flags & LINUX_AT_EMPTY_PATH)
		lookup |= LOOKUP_EMPTY;
	err = user_path_at(dfd, uname, lookup, &path);
	return err ? err : vfs_chmod(&path, mode);
}

SYSCALL_DEFINE2(chmod, uaddr_t, uname, uint32_t, mode)
{
	return chmod_common(LINUX_AT_FDCWD, uname, mode, 0);
}

SYSCALL_DEFINE3(fchmodat, int, dfd, uaddr_t, uname, uint32_t, mode)
{
	return chmod_common(dfd, uname, mode, 0);
}

SYSCALL_DEFINE4(fchmodat2, int, dfd, uaddr_t, uname, uint32_t, mode, unsigned, flags)
{
	return chmod_common(dfd, uname, mode, flags);
}

SYSCALL_DEFINE2(fchmod, int, fd, uint32_t, mode)
{
	_cleanup_fput_ struct file *f = fget(fd);

	return f ? vfs_chmod(&f->path, mode) : -LINUX_EBADF;
}

/* IDs as the caller means them; UINT32_MAX: unchanged. */
static int64_t chown_path(const struct path *path, uint32_t uid, uint32_t gid)
{
	const struct user_namespace *ns = current_cred->user_ns;
	uint32_t kuid = uid == INVALID_ID ? uid : make_kuid(ns, uid), kgid = gid == INVALID_ID ? gid : make_kgid(ns, gid);

	if ((uid != INVALID_ID && kuid == INVALID_ID) || (gid != INVALID_ID && kgid == INVALID_ID))
		return -LINUX_EINVAL;
	return vfs_chown(path, kuid, kgid);
}

static int64_t chown_common(int dfd, uaddr_t uname, uint32_t uid, uint32_t gid, int at_flags)
{
	_cleanup_path_ struct path path = { NULL, NULL };
	unsigned lookup = at_flags & LINUX_AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW;
	int err;

	if (at_flags & ~(LINUX_AT_SYMLINK_NOFOLLOW | LINUX_AT_EMPTY_PATH))
		return -LINUX_EINVAL;
	if (at_flags & LINUX_AT_EMPTY_PATH)
		lookup |= LOOKUP_EMPTY;
	err = user_path_at(dfd, uname, lookup, &path);
	return err ? err : chown_path(&path, uid, gid);
}

SYSCALL_DEFINE3(chown, uaddr_t, uname, uint32_t, uid, uint32_t, gid)
{
	return chown_common(LINUX_AT_FDCWD, uname, uid, gid, 0);
}

SYSCALL_DEFINE3(lchown, uaddr_t, uname, uint32_t, uid, uint32_t, gid)
{
	return chown_common(LINUX_AT_FDCWD, uname, uid, gid, LINUX_AT_SYMLINK_NOFOLLOW);
}

SYSCALL_DEFINE5(fchownat, int, dfd, uaddr_t, uname, uint32_t, uid, uint32_t, gid, int, flags)
{
	return chown_common(dfd, uname, uid, gid, flags);
}

SYSCALL_DEFINE3(fchown, int, fd, uint32_t, uid, uint32_t, gid)
{
	_cleanup_fput_ struct file *f = fget(fd);

	return f ? chown_path(&f->path, uid, gid) : -LINUX_EBADF;
}

SYSCALL_DEFINE1(umask, uint32_t, mask)
{
	uint32_t old;
	MUTEX_GUARD(&current_fs->lock);

	old = current_fs->umask;
	WRITE_ONCE(current_fs->umask, mask & 0777);
	return old;
}

/* --- times --- */

static bool nsec_ok(uint64_t nsec)
{
	return nsec == LINUX_UTIME_NOW || nsec == LINUX_UTIME_OMIT || nsec < 1000000000;
}

/* do_utimes: @times NULL means now; a NULL name means @dfd itself. */
static int64_t utimes_common(int dfd, uaddr_t uname, const struct timespec64 *times, int at_flags)
{
	_cleanup_path_ struct path path = { NULL, NULL };
	unsigned lookup = at_flags & LINUX_AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW;
	int err;

	if (!uname && dfd != LINUX_AT_FDCWD) {
		_cleanup_fput_ struct file *f = NULL;

		if (at_flags)
			return -LINUX_EINVAL;
		f = fget(dfd);
		return f ? vfs_utimes(&f->path, times) : -LINUX_EBADF;
	}
	if (at_flags & ~(LINUX_AT_SYMLINK_NOFOLLOW | LINUX_AT_EMPTY_PATH))
		return -LINUX_EINVAL;
	if (at_flags & LINUX_AT_EMPTY_PATH)
		lookup |= LOOKUP_EMPTY;
	err = user_path_at(dfd, uname, lookup, &path);
	return err ? err : vfs_utimes(&path, times);
}

SYSCALL_DEFINE4(utimensat, int, dfd, uaddr_t, uname, uaddr_t, utimes, int, flags)
{
	struct linux_timespec ts[2];
	struct timespec64 times[2];

	if (!utimes)
		return utimes_common(dfd, uname, NULL, flags);
	if (copy_from_user(ts, utimes, sizeof(ts)))
		return -LINUX_EFAULT;
	/* Nothing to do: not even the path is looked at. */
	if (ts[0].tv_nsec == LINUX_UTIME_OMIT && ts[1].tv_nsec == LINUX_UTIME_OMIT)
		return 0;
	for (int i = 0; i < 2; i++) {
		if (!nsec_ok(ts[i].tv_nsec))
			return -LINUX_EINVAL;
		times[i] = (struct timespec64){ .sec = ts[i].tv_sec, .nsec = ts[i].tv_nsec };
	}
	return utimes_common(dfd, uname, times, flags);
}

static int64_t utimes_timeval(int dfd, uaddr_t uname, uaddr_t utimes)
{
	struct linux_timeval tv[2];
	struct timespec64 times[2];

	if (!utimes)
		return utimes_common(dfd, uname, NULL, 0);
	if (copy_from_user(tv, utimes, sizeof(tv)))
		return -LINUX_EFAULT;
	for (int i = 0; i < 2; i++) {
		if (tv[i].tv_usec < 0 || tv[i].tv_usec >= 1000000)
			return -LINUX_EINVAL;
		times[i] = (struct timespec64){ .sec = tv[i].tv_sec, .nsec = tv[i].tv_usec * 1000 };
	}
	return utimes_common(dfd, uname, times, 0);
}

SYSCALL_DEFINE2(utimes, uaddr_t, uname, uaddr_t, utimes)
{
	return utimes_timeval(LINUX_AT_FDCWD, uname, utimes);
}

SYSCALL_DEFINE3(futimesat, int, dfd, uaddr_t, uname, uaddr_t, utimes)
{
	return utimes_timeval(dfd, uname, utimes);
}

SYSCALL_DEFINE2(utime, uaddr_t, uname, uaddr_t, ubuf)
{
	struct linux_utimbuf buf;
	struct timespec64 times[2] = { { 0, 0 }, { 0, 0 } };

	if (!ubuf)
		return utimes_common(LINUX_AT_FDCWD, uname, NULL, 0);
	if (copy_from_user(&buf, ubuf, sizeof(buf)))
		return -LINUX_EFAULT;
	times[0].sec = buf.actime;
	times[1].sec = buf.modtime;
	return utimes_common(LINUX_AT_FDCWD, uname, times, 0);
}

/* --- size --- */

SYSCALL_DEFINE2(truncate, uaddr_t, uname, int64_t, size)
{
	_cleanup_path_ struct path path = { NULL, NULL };
	int err;

	if (size < 0)
		return -LINUX_EINVAL;
	err = user_path_at(LINUX_AT_FDCWD, uname, LOOKUP_FOLLOW, &path);
	return err ? err : vfs_truncate(&path, size);
}

SYSCALL_DEFINE2(ftruncate, int, fd, int64_t, size)
{
	_cleanup_fput_ struct file *f = NULL;

	if (size < 0)
		return -LINUX_EINVAL;
	f = fget(fd);
	return f ? file_truncate(f, size) : -LINUX_EBADF;
}
