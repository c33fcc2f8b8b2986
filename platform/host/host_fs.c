/* SPDX-License-Identifier: Apache-2.0 */
/* Names and attributes of host files. */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "platform/host/host.h"
#include "platform/host/host_internal.h"

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

static struct host_timespec timespec_from_statx(const struct statx_timestamp *t)
{
	return (struct host_timespec){ t->tv_sec, t->tv_nsec };
}

int host_statx(int dirfd, const char *path, int flags, unsigned mask, struct host_stat *ret_st)
{
	struct statx x;

	if (!mask)
		mask = STATX_BASIC_STATS | STATX_BTIME;
	if (retry_eintr(statx(dirfd, path, flags, mask, &x)) < 0)
		return -errno;
	*ret_st = (struct host_stat){
		.ino = x.stx_ino,
		.size = x.stx_size,
		.blocks = x.stx_blocks,
		.attributes = x.stx_attributes,
		.attributes_mask = x.stx_attributes_mask,
		.mnt_id = x.stx_mnt_id,
		.dev = makedev(x.stx_dev_major, x.stx_dev_minor),
		.rdev = makedev(x.stx_rdev_major, x.stx_rdev_minor),
		.dev_major = x.stx_dev_major,
		.dev_minor = x.stx_dev_minor,
		.rdev_major = x.stx_rdev_major,
		.rdev_minor = x.stx_rdev_minor,
		.mode = x.stx_mode,
		.nlink = x.stx_nlink,
		.uid = x.stx_uid,
		.gid = x.stx_gid,
		.blksize = x.stx_blksize,
		.mask = x.stx_mask,
		.atime = timespec_from_statx(&x.stx_atime),
		.mtime = timespec_from_statx(&x.stx_mtime),
		.ctime = timespec_from_statx(&x.stx_ctime),
		.btime = timespec_from_statx(&x.stx_btime),
	};
	return 0;
}

int host_fstatat(int dirfd, const char *path, int flags, struct host_stat *ret_st)
{
	return host_statx(dirfd, path, flags, 0, ret_st);
}

int host_fstat(int fd, struct host_stat *ret_st)
{
	return host_statx(fd, "", AT_EMPTY_PATH, 0, ret_st);
}

int host_fstatfs(int fd, struct host_statfs *ret_st)
{
	struct statfs s;

	if (retry_eintr(fstatfs(fd, &s)) < 0)
		return -errno;
	*ret_st = (struct host_statfs){
		.type = (uint64_t)s.f_type,
		.bsize = (uint64_t)s.f_bsize,
		.blocks = s.f_blocks,
		.bfree = s.f_bfree,
		.bavail = s.f_bavail,
		.files = s.f_files,
		.ffree = s.f_ffree,
		.namelen = (uint64_t)s.f_namelen,
		.frsize = (uint64_t)s.f_frsize,
		.flags = (uint64_t)s.f_flags,
	};
	memcpy(ret_st->fsid, &s.f_fsid, sizeof(ret_st->fsid));
	return 0;
}

ssize_t host_readlinkat(int dirfd, const char *path, char *buf, size_t size)
{
	return ret_errno(readlinkat(dirfd, path, buf, size));
}

ssize_t host_getdents64(int fd, void *buf, size_t size)
{
	return ret_errno(syscall(SYS_getdents64, fd, buf, size));
}

int host_unlinkat(int dirfd, const char *path, int flags)
{
	return ret_errno(unlinkat(dirfd, path, flags));
}

int host_mkdirat(int dirfd, const char *path, unsigned mode)
{
	return ret_errno(mkdirat(dirfd, path, mode));
}

int host_mknodat(int dirfd, const char *path, unsigned mode, uint64_t dev)
{
	return ret_errno(mknodat(dirfd, path, mode, dev));
}

int host_linkat(int olddirfd, const char *oldpath, int newdirfd, const char *newpath, int flags)
{
	return ret_errno(linkat(olddirfd, oldpath, newdirfd, newpath, flags));
}

int host_symlinkat(const char *target, int dirfd, const char *path)
{
	return ret_errno(symlinkat(target, dirfd, path));
}

int host_renameat2(int olddirfd, const char *oldpath, int newdirfd, const char *newpath, unsigned flags)
{
	return ret_errno(renameat2(olddirfd, oldpath, newdirfd, newpath, flags));
}

int host_fchownat(int dirfd, const char *path, uint32_t uid, uint32_t gid, int flags)
{
	return ret_errno(fchownat(dirfd, path, uid, gid, flags));
}

int host_fchmodat(int dirfd, const char *path, unsigned mode, int flags)
{
	long r;

	if (!flags)
		return ret_errno((int)syscall(SYS_fchmodat, dirfd, path, mode));
	r = ret_errno(syscall(SYS_fchmodat2, dirfd, path, mode, flags));
	return r == -ENOSYS ? -EOPNOTSUPP : (int)r;
}

int host_fchmod(int fd, unsigned mode)
{
	int r = ret_errno(fchmod(fd, mode));
	char path[32];

	if (r != -EBADF)
		return r;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return host_fchmodat(AT_FDCWD, path, mode, 0);
}

int host_utimensat(int dirfd, const char *path, const struct host_timespec times[2], int flags)
{
	return ret_errno((int)syscall(SYS_utimensat, dirfd, path, times, flags));
}

int host_faccessat(int dirfd, const char *path, int mode, int flags)
{
	if (!flags)
		return ret_errno((int)syscall(SYS_faccessat, dirfd, path, mode));
	return ret_errno((int)syscall(SYS_faccessat2, dirfd, path, mode, flags));
}

int host_fchdir(int fd)
{
	return ret_errno(fchdir(fd));
}

int host_getcwd(char *buf, size_t size)
{
	return (int)ret_errno(syscall(SYS_getcwd, buf, size));
}

/*
 * Extended attributes.  The fd calls refuse O_PATH descriptors (EBADF), the path calls have no *at form before Linux
 * 6.13; /proc/self/fd/N is a link that leads to the very inode, be it a symlink, so it serves for both.
 */
struct proc_path {
	char s[32 + 4096];
};

static int proc_path_format(struct proc_path *p, int fd, const char *path)
{
	int n;

	if (!path)
		n = snprintf(p->s, sizeof(p->s), "/proc/self/fd/%d", fd);
	else if (fd == HOST_AT_FDCWD || path[0] == '/')
		n = snprintf(p->s, sizeof(p->s), "%s", path);
	else
		n = snprintf(p->s, sizeof(p->s), "/proc/self/fd/%d/%s", fd, path);
	return n < (int)sizeof(p->s) ? 0 : -ENAMETOOLONG;
}

/* Where no /proc is mounted, nothing can be said of them. */
static ssize_t no_such_link(ssize_t n)
{
	return n == -ENOENT || n == -ENOTDIR ? -EOPNOTSUPP : n;
}

ssize_t host_fgetxattr(int fd, const char *name, void *buf, size_t size)
{
	ssize_t n = ret_errno(fgetxattr(fd, name, buf, size));
	struct proc_path p;

	if (n != -EBADF || proc_path_format(&p, fd, NULL))
		return n;
	return no_such_link(ret_errno(getxattr(p.s, name, buf, size)));
}

ssize_t host_flistxattr(int fd, char *buf, size_t size)
{
	ssize_t n = ret_errno(flistxattr(fd, buf, size));
	struct proc_path p;

	if (n != -EBADF || proc_path_format(&p, fd, NULL))
		return n;
	return no_such_link(ret_errno(listxattr(p.s, buf, size)));
}

int host_fsetxattr(int fd, const char *name, const void *buf, size_t size, int flags)
{
	int r = ret_errno(fsetxattr(fd, name, buf, size, flags));
	struct proc_path p;

	if (r != -EBADF || proc_path_format(&p, fd, NULL))
		return r;
	return (int)no_such_link(ret_errno(setxattr(p.s, name, buf, size, flags)));
}

int host_fremovexattr(int fd, const char *name)
{
	int r = ret_errno(fremovexattr(fd, name));
	struct proc_path p;

	if (r != -EBADF || proc_path_format(&p, fd, NULL))
		return r;
	return (int)no_such_link(ret_errno(removexattr(p.s, name)));
}

ssize_t host_lgetxattrat(int dirfd, const char *path, const char *name, void *buf, size_t size)
{
	struct proc_path p;
	int r = proc_path_format(&p, dirfd, path);

	return r ? r : ret_errno(lgetxattr(p.s, name, buf, size));
}

ssize_t host_llistxattrat(int dirfd, const char *path, char *buf, size_t size)
{
	struct proc_path p;
	int r = proc_path_format(&p, dirfd, path);

	return r ? r : ret_errno(llistxattr(p.s, buf, size));
}

int host_lsetxattrat(int dirfd, const char *path, const char *name, const void *buf, size_t size, int flags)
{
	struct proc_path p;
	int r = proc_path_format(&p, dirfd, path);

	return r ? r : ret_errno(lsetxattr(p.s, name, buf, size, flags));
}

int host_lremovexattrat(int dirfd, const char *path, const char *name)
{
	struct proc_path p;
	int r = proc_path_format(&p, dirfd, path);

	return r ? r : ret_errno(lremovexattr(p.s, name));
}
