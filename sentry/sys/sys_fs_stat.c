/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stat(2), statx(2), access(2), statfs(2).
 */
#include <string.h>

#include "sentry/abi/fcntl.h"
#include "sentry/abi/fs.h"
#include "sentry/sys/syscall.h"
#include "vfs/super.h"
#include "vfs/user_ns.h"
#include "vfs/vfs.h"

/* --- stat --- */

static int64_t stat_to_user(const struct kstat *st, uaddr_t ubuf)
{
	struct linux_stat out = {
		.st_dev = st->dev,
		.st_ino = st->ino,
		.st_nlink = st->nlink,
		.st_mode = st->mode,
		.st_uid = from_kuid_munged(current_cred->user_ns, st->uid),
		.st_gid = from_kgid_munged(current_cred->user_ns, st->gid),
		.st_rdev = st->rdev,
		.st_size = (int64_t)st->size,
		.st_blksize = st->blksize,
		.st_blocks = (int64_t)st->blocks,
		.st_atime = (uint64_t)st->atime.sec,
		.st_atime_nsec = st->atime.nsec,
		.st_mtime = (uint64_t)st->mtime.sec,
		.st_mtime_nsec = st->mtime.nsec,
		.st_ctime = (uint64_t)st->ctime.sec,
		.st_ctime_nsec = st->ctime.nsec,
	};

	return copy_to_user(ubuf, &out, sizeof(out));
}

static int stat_at(int dfd, uaddr_t uname, unsigned at_flags, struct kstat *ret)
{
	_cleanup_path_ struct path path = { NULL, NULL };
	unsigned lookup = at_flags & LINUX_AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW;
	int err;

	if (at_flags & LINUX_AT_EMPTY_PATH)
		lookup |= LOOKUP_EMPTY;
	/* Since Linux 6.11 no name at all is as good as an empty one. */
	if (!uname && at_flags & LINUX_AT_EMPTY_PATH)
		err = path_lookupat(dfd, "", lookup, &path);
	else
		err = user_path_at(dfd, uname, lookup, &path);
	return err ? err : vfs_getattr(&path, ret);
}

static int64_t do_stat(int dfd, uaddr_t uname, uaddr_t ubuf, unsigned at_flags)
{
	struct kstat st;
	int err = stat_at(dfd, uname, at_flags, &st);

	return err ? err : stat_to_user(&st, ubuf);
}

SYSCALL_DEFINE2(stat, uaddr_t, uname, uaddr_t, ubuf)
{
	return do_stat(LINUX_AT_FDCWD, uname, ubuf, 0);
}

SYSCALL_DEFINE2(lstat, uaddr_t, uname, uaddr_t, ubuf)
{
	return do_stat(LINUX_AT_FDCWD, uname, ubuf, LINUX_AT_SYMLINK_NOFOLLOW);
}

SYSCALL_DEFINE4(newfstatat, int, dfd, uaddr_t, uname, uaddr_t, ubuf, int, flags)
{
	if (flags & ~(LINUX_AT_SYMLINK_NOFOLLOW | LINUX_AT_NO_AUTOMOUNT | LINUX_AT_EMPTY_PATH))
		return -LINUX_EINVAL;
	return do_stat(dfd, uname, ubuf, flags);
}

SYSCALL_DEFINE2(fstat, int, fd, uaddr_t, ubuf)
{
	_cleanup_fput_ struct file *f = fget_raw(fd);
	struct kstat st;
	int err;

	if (!f)
		return -LINUX_EBADF;
	err = vfs_getattr(&f->path, &st);
	return err ? err : stat_to_user(&st, ubuf);
}

static struct linux_statx_timestamp statx_time(const struct timespec64 *t)
{
	return (struct linux_statx_timestamp){ .tv_sec = t->sec, .tv_nsec = t->nsec };
}

SYSCALL_DEFINE5(statx, int, dfd, uaddr_t, uname, unsigned, flags, unsigned, mask, uaddr_t, ubuf)
{
	struct linux_statx out = { 0 };
	struct kstat st;
	int err;

	if (mask & LINUX_STATX__RESERVED)
		return -LINUX_EINVAL;
	if ((flags & LINUX_AT_STATX_SYNC_TYPE) == LINUX_AT_STATX_SYNC_TYPE)
		return -LINUX_EINVAL;
	if (flags &
	    ~(LINUX_AT_SYMLINK_NOFOLLOW | LINUX_AT_NO_AUTOMOUNT | LINUX_AT_EMPTY_PATH | LINUX_AT_STATX_SYNC_TYPE))
		return -LINUX_EINVAL;
	err = stat_at(dfd, uname, flags, &st);
	if (err)
		return err;
	out.stx_mask = LINUX_STATX_BASIC_STATS | LINUX_STATX_MNT_ID;
	if (st.btime.sec || st.btime.nsec) {
		out.stx_mask |= LINUX_STATX_BTIME;
		out.stx_btime = statx_time(&st.btime);
	}
	out.stx_blksize = st.blksize;
	out.stx_attributes = st.attributes;
	out.stx_attributes_mask = st.attributes_mask;
	out.stx_nlink = st.nlink;
	out.stx_uid = from_kuid_munged(current_cred->user_ns, st.uid);
	out.stx_gid = from_kgid_munged(current_cred->user_ns, st.gid);
	out.stx_mode = st.mode;
	out.stx_ino = st.ino;
	out.stx_size = st.size;
	out.stx_blocks = st.blocks;
	out.stx_atime = statx_time(&st.atime);
	out.stx_ctime = statx_time(&st.ctime);
	out.stx_mtime = statx_time(&st.mtime);
	out.stx_rdev_major = LINUX_MAJOR(st.rdev);
	out.stx_rdev_minor = LINUX_MINOR(st.rdev);
	out.stx_dev_major = LINUX_MAJOR(st.dev);
	out.stx_dev_minor = LINUX_MINOR(st.dev);
	out.stx_mnt_id = st.mnt_id;
	return copy_to_user(ubuf, &out, sizeof(out));
}

/* --- access --- */

/*
 * Credentials for access(2): the real ids, and the capabilities that go with them.  NULL when they are what the task has anyway.
 * -LINUX_ENOMEM as ERR_PTR.
 */
static const struct cred *access_cred(void)
{
	const struct cred *c = current_cred;
	uint64_t caps = c->securebits & 4 /* SECBIT_NO_SETUID_FIXUP */ ? c->cap_effective
			: c->uid				       ? 0
								       : c->cap_permitted;
	struct cred *copy;

	if (c->fsuid == c->uid && c->fsgid == c->gid && c->cap_effective == caps)
		return NULL;
	copy = cred_copy(c);
	if (!copy)
		return ERR_PTR(-LINUX_ENOMEM);
	copy->fsuid = c->uid;
	copy->fsgid = c->gid;
	copy->cap_effective = caps;
	return copy;
}

static int access_path(const struct path *path, unsigned mode)
{
	struct inode *inode = path->dentry->inode;
	int err;

	if (mode & MAY_EXEC && LINUX_S_ISREG(inode->mode) && path->mnt->flags & LINUX_MS_NOEXEC)
		return -LINUX_EACCES;
	err = inode_permission(inode, mode);
	if (err || !(mode & MAY_WRITE))
		return err;
	if (!LINUX_S_ISREG(inode->mode) && !LINUX_S_ISDIR(inode->mode) && !LINUX_S_ISLNK(inode->mode))
		return 0;
	return path->mnt->flags & LINUX_MS_RDONLY ? -LINUX_EROFS : 0;
}

static int64_t do_faccessat(int dfd, uaddr_t uname, int mode, int flags)
{
	_cleanup_path_ struct path path = { NULL, NULL };
	const struct cred *saved = current_cred, *cred = NULL;
	unsigned lookup = flags & LINUX_AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW;
	int err;

	if (mode & ~(LINUX_R_OK | LINUX_W_OK | LINUX_X_OK))
		return -LINUX_EINVAL;
	if (flags & ~(LINUX_AT_EACCESS | LINUX_AT_SYMLINK_NOFOLLOW | LINUX_AT_EMPTY_PATH))
		return -LINUX_EINVAL;
	if (flags & LINUX_AT_EMPTY_PATH)
		lookup |= LOOKUP_EMPTY;
	if (!(flags & LINUX_AT_EACCESS))
		cred = access_cred();
	if (IS_ERR(cred))
		return PTR_ERR(cred);
	if (cred)
		current_cred = cred;
	err = user_path_at(dfd, uname, lookup, &path);
	if (!err)
		err = access_path(&path, mode);
	current_cred = saved;
	if (cred)
		cred_put(cred);
	return err;
}

SYSCALL_DEFINE2(access, uaddr_t, uname, int, mode)
{
	return do_faccessat(LINUX_AT_FDCWD, uname, mode, 0);
}

SYSCALL_DEFINE3(faccessat, int, dfd, uaddr_t, uname, int, mode)
{
	return do_faccessat(dfd, uname, mode, 0);
}

SYSCALL_DEFINE4(faccessat2, int, dfd, uaddr_t, uname, int, mode, int, flags)
{
	return do_faccessat(dfd, uname, mode, flags);
}

/* --- statfs --- */

static int64_t statfs_flags(const struct mount *mnt)
{
	static const struct {
		unsigned ms, st;
	} map[] = {
		{ LINUX_MS_RDONLY, LINUX_ST_RDONLY },	  { LINUX_MS_NOSUID, LINUX_ST_NOSUID },
		{ LINUX_MS_NODEV, LINUX_ST_NODEV },	  { LINUX_MS_NOEXEC, LINUX_ST_NOEXEC },
		{ LINUX_MS_NOATIME, LINUX_ST_NOATIME },	  { LINUX_MS_NODIRATIME, LINUX_ST_NODIRATIME },
		{ LINUX_MS_RELATIME, LINUX_ST_RELATIME }, { LINUX_MS_NOSYMFOLLOW, LINUX_ST_NOSYMFOLLOW },
	};
	int64_t flags = LINUX_ST_VALID;

	for (size_t i = 0; i < ARRAY_SIZE(map); i++)
		if (mnt->flags & map[i].ms)
			flags |= map[i].st;
	if (mnt->sb->flags & LINUX_SB_RDONLY)
		flags |= LINUX_ST_RDONLY;
	if (mnt->sb->flags & LINUX_SB_SYNCHRONOUS)
		flags |= LINUX_ST_SYNCHRONOUS;
	return flags;
}

/* Pipes and sockets are filesystems of their own in Linux. */
#define PIPEFS_MAGIC 0x50495045
#define SOCKFS_MAGIC 0x534F434B

static int64_t statfs_path(const struct path *path, uaddr_t ubuf)
{
	uint32_t mode = path->dentry->inode->mode;
	struct linux_statfs st;
	int err = sb_statfs(path->mnt->sb, &st);

	if (err)
		return err;
	if (path->dentry->anon && LINUX_S_ISFIFO(mode))
		st.f_type = PIPEFS_MAGIC;
	if (path->dentry->anon && LINUX_S_ISSOCK(mode))
		st.f_type = SOCKFS_MAGIC;
	st.f_flags = statfs_flags(path->mnt);
	return copy_to_user(ubuf, &st, sizeof(st));
}

SYSCALL_DEFINE2(statfs, uaddr_t, uname, uaddr_t, ubuf)
{
	_cleanup_path_ struct path path = { NULL, NULL };
	int err = user_path_at(LINUX_AT_FDCWD, uname, LOOKUP_FOLLOW, &path);

	return err ? err : statfs_path(&path, ubuf);
}

SYSCALL_DEFINE2(fstatfs, int, fd, uaddr_t, ubuf)
{
	_cleanup_fput_ struct file *f = fget_raw(fd);

	return f ? statfs_path(&f->path, ubuf) : -LINUX_EBADF;
}

SYSCALL_DEFINE2(ustat, unsigned, dev, uaddr_t, ubuf)
{
	struct super_block *sb = sb_find_dev(dev);
	struct linux_ustat out = { 0 };
	struct linux_statfs st;
	int err;

	if (!sb)
		return -LINUX_EINVAL;
	err = sb_statfs(sb, &st);
	sb_put(sb);
	if (err)
		return err;
	out.f_tfree = (int32_t)st.f_bfree;
	out.f_tinode = (uint64_t)st.f_ffree;
	return copy_to_user(ubuf, &out, sizeof(out));
}
