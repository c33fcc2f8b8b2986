/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fcntl(2), flock(2), and what ioctl(2) means for every file.
 */
#include "sentry/abi/fcntl.h"
#include "sentry/abi/fs.h"
#include "sentry/abi/ioctl.h"
#include "sentry/abi/signal.h"
#include "sentry/sys/syscall.h"
#include "vfs/anon/pipe.h"
#include "vfs/fasync.h"
#include "vfs/locks.h"
#include "vfs/shmem.h"
#include "vfs/vfs.h"

/* --- status flags --- */

#define SETFL_MASK (LINUX_O_APPEND | LINUX_O_NONBLOCK | LINUX_O_DIRECT | LINUX_O_NOATIME)

/* Changes @mask of the flags to @flags and tells the object. */
static int file_set_flags(struct file *f, uint32_t mask, uint32_t flags)
{
	uint32_t old = atomic_load(&f->flags), new;
	int err;

	do {
		new = (old & ~mask) | (flags & mask);
		if (new == old)
			return 0;
	} while (!atomic_compare_exchange_weak(&f->flags, &old, new));
	err = f->ops->set_flags ? f->ops->set_flags(f, new) : 0;
	if (err)
		atomic_store(&f->flags, old);
	return err;
}

static int64_t fcntl_setfl(int fd, struct file *f, uint32_t arg)
{
	uint32_t old = atomic_load(&f->flags);
	int err;

	if ((arg ^ old) & LINUX_O_APPEND && f->inode->attr_flags & LINUX_FS_APPEND_FL)
		return -LINUX_EPERM;
	if (arg & ~old & LINUX_O_NOATIME && !inode_owner_or_capable(f->inode))
		return -LINUX_EPERM;
	if ((arg ^ old) & LINUX_O_ASYNC && f->ops->fasync) {
		err = f->ops->fasync(fd, f, arg & LINUX_O_ASYNC);
		if (err)
			return err;
	}
	return file_set_flags(f, SETFL_MASK, arg);
}

/* --- locks --- */

static int64_t fcntl_lock(int fd, struct file *f, unsigned cmd, uaddr_t uarg)
{
	struct linux_flock fl;
	struct file *now;
	int err;

	if (get_user(&fl, uarg))
		return -LINUX_EFAULT;
	if (cmd == LINUX_F_GETLK || cmd == LINUX_F_OFD_GETLK) {
		err = fcntl_getlk(f, cmd, &fl);
		return err ? err : copy_to_user(uarg, &fl, sizeof(fl));
	}
	err = fcntl_setlk(f, cmd, &fl);
	if (err || fl.l_type == LINUX_F_UNLCK)
		return err;
	/* A close(2) that raced with us took the locks away before ours was made: as do_lock_file_wait's callers do. */
	now = fget_raw(fd);
	if (now != f) {
		fl.l_type = LINUX_F_UNLCK;
		fcntl_setlk(f, cmd, &fl);
		err = -LINUX_EBADF;
	}
	if (now)
		fput(now);
	return err;
}

/* --- signals --- */

static int64_t fcntl_setown_ex(struct file *f, uaddr_t uarg)
{
	struct linux_f_owner_ex o;

	if (get_user(&o, uarg))
		return -LINUX_EFAULT;
	if (o.type != LINUX_F_OWNER_TID && o.type != LINUX_F_OWNER_PID && o.type != LINUX_F_OWNER_PGRP)
		return -LINUX_EINVAL;
	return file_set_owner(f, o.type, o.pid);
}

/* --- fcntl --- */

/* What works on O_PATH descriptors too. */
static bool cmd_for_path(unsigned cmd)
{
	return cmd == LINUX_F_DUPFD || cmd == LINUX_F_DUPFD_CLOEXEC || cmd == LINUX_F_GETFD || cmd == LINUX_F_SETFD ||
	       cmd == LINUX_F_GETFL || cmd == LINUX_F_DUPFD_QUERY;
}

static int64_t fcntl_dupfd(struct file *f, uint64_t min, bool cloexec)
{
	int fd;

	if (min >= files_rlimit_nofile())
		return -LINUX_EINVAL;
	fd = fd_install(file_get(f), cloexec, (int)min);
	if (fd < 0)
		fput(f);
	return fd;
}

static int64_t fcntl_dupfd_query(struct file *f, int fd)
{
	_cleanup_fput_ struct file *other = fget_raw(fd);

	return other ? other == f : -LINUX_EBADF;
}

static int64_t rw_hint(unsigned cmd, uaddr_t uarg)
{
	uint64_t hint = 0;

	if (cmd == LINUX_F_GET_RW_HINT || cmd == LINUX_F_GET_FILE_RW_HINT)
		return copy_to_user(uarg, &hint, sizeof(hint));
	if (get_user(&hint, uarg))
		return -LINUX_EFAULT;
	return hint > 5 /* RWH_WRITE_LIFE_EXTREME */ ? -LINUX_EINVAL : 0;
}

static int64_t fcntl_signals(struct file *f, unsigned cmd, uint64_t arg)
{
	int32_t who = file_get_owner_signed(f);
	struct linux_f_owner_ex o = { f->owner_type, who < 0 ? -who : who };

	switch (cmd) {
	case LINUX_F_SETOWN:
		return file_set_owner_signed(f, (int32_t)arg);
	case LINUX_F_GETOWN:
		return who;
	case LINUX_F_SETOWN_EX:
		return fcntl_setown_ex(f, arg);
	case LINUX_F_GETOWN_EX:
		return copy_to_user(arg, &o, sizeof(o));
	case LINUX_F_SETSIG:
		if (arg > LINUX_NSIG)
			return -LINUX_EINVAL;
		f->owner_sig = (int)arg;
		return 0;
	default:
		return f->owner_sig;
	}
}

static int64_t fcntl_file(int fd, struct file *f, unsigned cmd, uint64_t arg)
{
	switch (cmd) {
	case LINUX_F_SETFL:
		return fcntl_setfl(fd, f, (uint32_t)arg);
	case LINUX_F_GETLK:
	case LINUX_F_SETLK:
	case LINUX_F_SETLKW:
	case LINUX_F_OFD_GETLK:
	case LINUX_F_OFD_SETLK:
	case LINUX_F_OFD_SETLKW:
		return fcntl_lock(fd, f, cmd, arg);
	case LINUX_F_SETOWN:
	case LINUX_F_GETOWN:
	case LINUX_F_SETOWN_EX:
	case LINUX_F_GETOWN_EX:
	case LINUX_F_SETSIG:
	case LINUX_F_GETSIG:
		return fcntl_signals(f, cmd, arg);
	case LINUX_F_NOTIFY:
		return dnotify_fcntl(f, fd, arg);
	case LINUX_F_GETLEASE:
		return fcntl_getlease(f);
	case LINUX_F_SETLEASE:
		return fcntl_setlease(fd, f, (int)arg);
	case LINUX_F_SETPIPE_SZ:
	case LINUX_F_GETPIPE_SZ:
		return file_pipe(f) ? pipe_fcntl(f, cmd, arg) : -LINUX_EBADF;
	case LINUX_F_ADD_SEALS:
		return arg > UINT32_MAX ? -LINUX_EINVAL : memfd_add_seals(f, (unsigned)arg);
	case LINUX_F_GET_SEALS:
		return memfd_get_seals(f);
	case LINUX_F_GET_RW_HINT:
	case LINUX_F_SET_RW_HINT:
	case LINUX_F_GET_FILE_RW_HINT:
	case LINUX_F_SET_FILE_RW_HINT:
		return rw_hint(cmd, arg);
	default:
		return -LINUX_EINVAL;
	}
}

SYSCALL_DEFINE3(fcntl, int, fd, unsigned, cmd, uint64_t, arg)
{
	_cleanup_fput_ struct file *f = fget_raw(fd);

	if (!f || (f->fmode & FMODE_PATH && !cmd_for_path(cmd)))
		return -LINUX_EBADF;
	switch (cmd) {
	case LINUX_F_DUPFD:
	case LINUX_F_DUPFD_CLOEXEC:
		return fcntl_dupfd(f, arg, cmd == LINUX_F_DUPFD_CLOEXEC);
	case LINUX_F_DUPFD_QUERY:
		return fcntl_dupfd_query(f, (int)arg);
	case LINUX_F_GETFD:
		return fd_get_cloexec(fd);
	case LINUX_F_SETFD:
		return fd_set_cloexec(fd, arg & LINUX_FD_CLOEXEC);
	case LINUX_F_GETFL:
		return atomic_load(&f->flags);
	default:
		return fcntl_file(fd, f, cmd, arg);
	}
}

SYSCALL_DEFINE2(flock, int, fd, unsigned, op)
{
	_cleanup_fput_ struct file *f = NULL;

	/* Windows-style mandatory locks do nothing, whatever the descriptor. */
	if (op & LINUX_LOCK_MAND)
		return 0;
	f = fget(fd);
	return f ? flock_file(f, (int)op) : -LINUX_EBADF;
}

/* --- ioctl --- */

/* FS_IOC_GETFLAGS is for filesystems that keep such flags. */
static bool has_attr_flags(const struct inode *inode)
{
	uint64_t magic = inode->sb->magic;

	return (LINUX_S_ISREG(inode->mode) || LINUX_S_ISDIR(inode->mode)) &&
	       (magic == LINUX_TMPFS_MAGIC || magic == LINUX_EXT4_SUPER_MAGIC || magic == LINUX_OVERLAYFS_SUPER_MAGIC);
}

static int64_t ioctl_setflags(struct file *f, uaddr_t uarg)
{
	const uint32_t known = LINUX_FS_IMMUTABLE_FL | LINUX_FS_APPEND_FL | LINUX_FS_NODUMP_FL | LINUX_FS_NOATIME_FL;
	struct inode *inode = f->inode;
	int64_t err = 0;
	uint32_t flags;

	if (get_user(&flags, uarg))
		return -LINUX_EFAULT;
	if (f->path.mnt->flags & LINUX_MS_RDONLY || inode->sb->flags & LINUX_SB_RDONLY)
		return -LINUX_EROFS;
	if (!inode_owner_or_capable(inode))
		return -LINUX_EPERM;
	rwlock_write(&inode->i_rwsem);
	if ((flags ^ inode->attr_flags) & (LINUX_FS_IMMUTABLE_FL | LINUX_FS_APPEND_FL) && !capable(CAP_LINUX_IMMUTABLE))
		err = -LINUX_EPERM;
	else if ((flags ^ inode->attr_flags) & ~known)
		err = -LINUX_EOPNOTSUPP;
	else
		inode->attr_flags = flags;
	rwlock_unlock(&inode->i_rwsem);
	if (!err)
		inode_touch_ctime(inode);
	return err;
}

static int64_t ioctl_flag(struct file *f, uint32_t flag, uaddr_t uarg)
{
	int32_t on;

	if (get_user(&on, uarg))
		return -LINUX_EFAULT;
	return file_set_flags(f, flag, on ? flag : 0);
}

static int64_t ioctl_async(int fd, struct file *f, uaddr_t uarg)
{
	int32_t on;

	if (get_user(&on, uarg))
		return -LINUX_EFAULT;
	if (!on == !(atomic_load(&f->flags) & LINUX_O_ASYNC))
		return 0;
	return f->ops->fasync ? f->ops->fasync(fd, f, on) : -LINUX_ENOTTY;
}

/* do_vfs_ioctl: -LINUX_ENOIOCTLCMD when it is the file's own. */
static int64_t ioctl_common(int fd, struct file *f, unsigned cmd, uaddr_t uarg)
{
	struct inode *inode = f->inode;

	switch (cmd) {
	case LINUX_FIOCLEX:
		return fd_set_cloexec(fd, true);
	case LINUX_FIONCLEX:
		return fd_set_cloexec(fd, false);
	case LINUX_FIONBIO:
		return ioctl_flag(f, LINUX_O_NONBLOCK, uarg);
	case LINUX_FIOASYNC:
		return ioctl_async(fd, f, uarg);
	case LINUX_FIOQSIZE:
		if (!LINUX_S_ISREG(inode->mode) && !LINUX_S_ISDIR(inode->mode) && !LINUX_S_ISLNK(inode->mode))
			return -LINUX_ENOTTY;
		return put_user(READ_ONCE(inode->size), uarg, int64_t);
	case LINUX_FIGETBSZ:
		return put_user(inode->sb->blksize, uarg, int32_t);
	case LINUX_FIONREAD:
		if (!LINUX_S_ISREG(inode->mode))
			return -LINUX_ENOIOCTLCMD;
		return put_user((int32_t)(READ_ONCE(inode->size) - f->pos), uarg, int32_t);
	case LINUX_FS_IOC_GETFLAGS:
		if (!has_attr_flags(inode))
			return -LINUX_ENOIOCTLCMD;
		return put_user(inode->attr_flags, uarg, uint32_t);
	case LINUX_FS_IOC_SETFLAGS:
		return has_attr_flags(inode) ? ioctl_setflags(f, uarg) : -LINUX_ENOIOCTLCMD;
	case LINUX_FICLONE:
	case LINUX_FICLONERANGE:
	case LINUX_FIDEDUPERANGE:
		return LINUX_S_ISREG(inode->mode) ? -LINUX_EOPNOTSUPP : -LINUX_ENOIOCTLCMD;
	default:
		return -LINUX_ENOIOCTLCMD;
	}
}

SYSCALL_DEFINE3(ioctl, int, fd, unsigned, cmd, uint64_t, arg)
{
	_cleanup_fput_ struct file *f = fget(fd);
	int64_t ret;

	if (!f)
		return -LINUX_EBADF;
	ret = ioctl_common(fd, f, cmd, arg);
	if (ret == -LINUX_ENOIOCTLCMD)
		ret = f->ops->ioctl ? f->ops->ioctl(f, cmd, arg) : -LINUX_ENOTTY;
	return ret == -LINUX_ENOIOCTLCMD ? -LINUX_ENOTTY : ret;
}
