/* SPDX-License-Identifier: Apache-2.0 */
/* fanotify_init(2), fanotify_mark(2). */
#include "sentry/abi/fcntl.h"
#include "sentry/sys/syscall.h"
#include "vfs/anon/fanotify.h"

#define INIT_FLAGS                                                                                                     \
	(LINUX_FAN_CLOEXEC | LINUX_FAN_NONBLOCK | LINUX_FAN_CLASS_CONTENT | LINUX_FAN_CLASS_PRE_CONTENT |              \
	 LINUX_FAN_UNLIMITED_QUEUE | LINUX_FAN_UNLIMITED_MARKS | LINUX_FAN_REPORT_TID)
#define EVENT_FILE_FLAGS                                                                                               \
	(LINUX_O_ACCMODE | LINUX_O_APPEND | LINUX_O_NONBLOCK | LINUX___O_SYNC | LINUX_O_DSYNC | LINUX_O_CLOEXEC |      \
	 LINUX_O_LARGEFILE | LINUX_O_NOATIME)
#define MARK_TYPES (LINUX_FAN_MARK_MOUNT | LINUX_FAN_MARK_FILESYSTEM)
#define MARK_COMMANDS (LINUX_FAN_MARK_ADD | LINUX_FAN_MARK_REMOVE | LINUX_FAN_MARK_FLUSH)
#define MARK_FLAGS                                                                                                     \
	(MARK_TYPES | MARK_COMMANDS | LINUX_FAN_MARK_DONT_FOLLOW | LINUX_FAN_MARK_ONLYDIR |                            \
	 LINUX_FAN_MARK_IGNORED_MASK | LINUX_FAN_MARK_IGNORED_SURV_MODIFY)
/* What comes with a descriptor; not what needs FAN_REPORT_FID. */
#define MARK_EVENTS                                                                                                    \
	(LINUX_FAN_ACCESS | LINUX_FAN_MODIFY | LINUX_FAN_CLOSE_WRITE | LINUX_FAN_CLOSE_NOWRITE | LINUX_FAN_OPEN |      \
	 LINUX_FAN_OPEN_EXEC | MARK_DECISIONS | LINUX_FAN_ONDIR | LINUX_FAN_EVENT_ON_CHILD)
#define MARK_DECISIONS (LINUX_FAN_OPEN_PERM | LINUX_FAN_ACCESS_PERM | LINUX_FAN_OPEN_EXEC_PERM)

SYSCALL_DEFINE2(fanotify_init, unsigned, flags, unsigned, event_flags)
{
	/* Without descriptors (FAN_REPORT_FID) it would be everybody's. */
	if (!capable(CAP_SYS_ADMIN))
		return -LINUX_EPERM;
	if (flags & ~INIT_FLAGS)
		return -LINUX_EINVAL;
	if (event_flags & ~EVENT_FILE_FLAGS || (event_flags & LINUX_O_ACCMODE) == LINUX_O_ACCMODE)
		return -LINUX_EINVAL;
	if ((flags & LINUX_FAN_CLASS_CONTENT) && (flags & LINUX_FAN_CLASS_PRE_CONTENT))
		return -LINUX_EINVAL;
	return fd_install_or_put(fanotify_file_new(flags & ~LINUX_FAN_CLOEXEC, event_flags), flags & LINUX_FAN_CLOEXEC);
}

/* What is marked: @upath, or without one what @dfd is. */
static int mark_path(int dfd, uaddr_t upath, unsigned flags, struct path *ret)
{
	unsigned lookup = flags & LINUX_FAN_MARK_DONT_FOLLOW ? 0 : LOOKUP_FOLLOW;
	struct file *f _cleanup_fput_ = NULL;
	int err;

	if (flags & LINUX_FAN_MARK_ONLYDIR)
		lookup |= LOOKUP_DIRECTORY;
	if (upath) {
		err = user_path_at(dfd, upath, lookup, ret);
		return err ? err : inode_permission(ret->dentry->inode, MAY_READ);
	}
	f = fget(dfd);
	if (!f)
		return -LINUX_EBADF;
	if (flags & LINUX_FAN_MARK_ONLYDIR && !LINUX_S_ISDIR(f->inode->mode))
		return -LINUX_ENOTDIR;
	*ret = f->path;
	path_get(ret);
	return inode_permission(f->inode, MAY_READ);
}

SYSCALL_DEFINE5(fanotify_mark, int, fd, unsigned, flags, uint64_t, mask, int, dfd, uaddr_t, upath)
{
	unsigned type = flags & MARK_TYPES, command = flags & MARK_COMMANDS;
	struct file *f _cleanup_fput_ = NULL;
	struct path path _cleanup_path_ = { 0 };
	int err;

	if (mask >> 32 || flags & ~MARK_FLAGS || type == MARK_TYPES)
		return -LINUX_EINVAL;
	switch (command) {
	case LINUX_FAN_MARK_ADD:
	case LINUX_FAN_MARK_REMOVE:
		if (!mask)
			return -LINUX_EINVAL;
		break;
	case LINUX_FAN_MARK_FLUSH:
		if (flags & ~(MARK_TYPES | LINUX_FAN_MARK_FLUSH))
			return -LINUX_EINVAL;
		break;
	default:
		return -LINUX_EINVAL;
	}
	if (mask & ~(uint64_t)MARK_EVENTS)
		return -LINUX_EINVAL;
	f = fget(fd);
	if (!f)
		return -LINUX_EBADF;
	if (!file_is_fanotify(f) || (mask & MARK_DECISIONS && !fanotify_decides(f)))
		return -LINUX_EINVAL;
	if (command == LINUX_FAN_MARK_FLUSH) {
		fanotify_mark_flush(f, type);
		return 0;
	}
	err = mark_path(dfd, upath, flags, &path);
	if (err)
		return err;
	if (command == LINUX_FAN_MARK_ADD)
		return fanotify_mark_add(f, type, &path, (uint32_t)mask, flags);
	return fanotify_mark_remove(f, type, &path, (uint32_t)mask, flags);
}
