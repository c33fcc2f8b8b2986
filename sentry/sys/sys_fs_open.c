/* SPDX-License-Identifier: Apache-2.0 */
/*
 * open(2) and its variants, close(2), dup(2).
 */
#include <stdlib.h>

#include "sentry/abi/fcntl.h"
#include "sentry/kernel/task.h"
#include "sentry/sys/syscall.h"
#include "vfs/shmem.h"
#include "vfs/vfs.h"

/* --- open --- */

/* openat(2) forgives what openat2(2) refuses: build_open_how in fs/open.c. */
static int64_t open_common(int dfd, uaddr_t uname, int uflags, uint32_t mode)
{
	uint32_t flags = (uflags & LINUX_VALID_OPEN_FLAGS) | LINUX_O_LARGEFILE;
	struct file *f;
	char *name;
	int err;

	if (flags & LINUX_O_PATH)
		flags &= LINUX_O_PATH_FLAGS;
	if (!(flags & (LINUX_O_CREAT | LINUX___O_TMPFILE)))
		mode = 0;
	err = getname(uname, false, &name);
	if (err)
		return err;
	f = do_filp_open(dfd, name, flags, mode & LINUX_S_IALLUGO, 0);
	free(name);
	return fd_install_or_put(f, flags & LINUX_O_CLOEXEC);
}

SYSCALL_DEFINE3(open, uaddr_t, name, int, flags, uint32_t, mode)
{
	return open_common(LINUX_AT_FDCWD, name, flags, mode);
}

SYSCALL_DEFINE2(creat, uaddr_t, name, uint32_t, mode)
{
	return open_common(LINUX_AT_FDCWD, name, LINUX_O_CREAT | LINUX_O_WRONLY | LINUX_O_TRUNC, mode);
}

SYSCALL_DEFINE4(openat, int, dfd, uaddr_t, name, int, flags, uint32_t, mode)
{
	return open_common(dfd, name, flags, mode);
}

/* What openat2(2) asks for, checked; *ret_lookup gets RESOLVE_* as lookup flags. */
static int open_how_check(const struct linux_open_how *how, unsigned *ret_lookup)
{
	static const struct {
		uint64_t resolve;
		unsigned lookup;
	} map[] = {
		{ LINUX_RESOLVE_NO_XDEV, LOOKUP_NO_XDEV },
		{ LINUX_RESOLVE_NO_MAGICLINKS, LOOKUP_NO_MAGICLINKS },
		{ LINUX_RESOLVE_NO_SYMLINKS, LOOKUP_NO_SYMLINKS | LOOKUP_NO_MAGICLINKS },
		{ LINUX_RESOLVE_BENEATH, LOOKUP_BENEATH },
		{ LINUX_RESOLVE_IN_ROOT, LOOKUP_IN_ROOT },
	};
	const uint64_t beneath = LINUX_RESOLVE_BENEATH | LINUX_RESOLVE_IN_ROOT;
	uint64_t left = how->resolve;

	*ret_lookup = 0;
	if (how->flags & ~(uint64_t)LINUX_VALID_OPEN_FLAGS)
		return -LINUX_EINVAL;
	for (size_t i = 0; i < ARRAY_SIZE(map); i++) {
		if (how->resolve & map[i].resolve)
			*ret_lookup |= map[i].lookup;
		left &= ~map[i].resolve;
	}
	if (left & ~(uint64_t)LINUX_RESOLVE_CACHED || (how->resolve & beneath) == beneath)
		return -LINUX_EINVAL;
	if (how->flags & (LINUX_O_CREAT | LINUX___O_TMPFILE)) {
		if (how->mode & ~(uint64_t)LINUX_S_IALLUGO)
			return -LINUX_EINVAL;
	} else if (how->mode) {
		return -LINUX_EINVAL;
	}
	if (how->flags & LINUX_O_PATH && how->flags & ~(uint64_t)LINUX_O_PATH_FLAGS)
		return -LINUX_EINVAL;
	/* RESOLVE_CACHED: whoever asks must be ready to hear "not now". */
	return left ? -LINUX_EAGAIN : 0;
}

SYSCALL_DEFINE4(openat2, int, dfd, uaddr_t, uname, uaddr_t, uhow, size_t, size)
{
	struct linux_open_how how = { 0 };
	unsigned lookup;
	uint32_t flags;
	struct file *f;
	char *name;
	int err;

	if (size < sizeof(how))
		return -LINUX_EINVAL;
	err = copy_struct_from_user(&how, sizeof(how), uhow, size);
	if (!err)
		err = open_how_check(&how, &lookup);
	if (!err)
		err = getname(uname, false, &name);
	if (err)
		return err;
	flags = how.flags;
	if (!(flags & LINUX_O_PATH))
		flags |= LINUX_O_LARGEFILE;
	f = do_filp_open(dfd, name, flags, how.mode, lookup);
	free(name);
	return fd_install_or_put(f, flags & LINUX_O_CLOEXEC);
}

/* --- close --- */

SYSCALL_DEFINE1(close, int, fd)
{
	int err = fd_close(fd);

	/* The descriptor is gone: the call can't be restarted. */
	if (err == -LINUX_ERESTARTSYS || err == -LINUX_ERESTARTNOINTR || err == -LINUX_ERESTARTNOHAND)
		return -LINUX_EINTR;
	return err;
}

SYSCALL_DEFINE3(close_range, unsigned, first, unsigned, last, unsigned, flags)
{
	if (flags & ~(LINUX_CLOSE_RANGE_UNSHARE | LINUX_CLOSE_RANGE_CLOEXEC))
		return -LINUX_EINVAL;
	if (first > last)
		return -LINUX_EINVAL;
	if (flags & LINUX_CLOSE_RANGE_UNSHARE) {
		struct files_struct *files = files_copy(current_files);

		if (IS_ERR(files))
			return PTR_ERR(files);
		task_set_files(current, files);
	}
	return fd_close_range(first, last, flags & LINUX_CLOSE_RANGE_CLOEXEC);
}

/* --- dup --- */

SYSCALL_DEFINE1(dup, int, fd)
{
	struct file *f = fget_raw(fd);

	return f ? fd_install_or_put(f, false) : -LINUX_EBADF;
}

SYSCALL_DEFINE2(dup2, int, oldfd, int, newfd)
{
	_cleanup_fput_ struct file *f = fget_raw(oldfd);

	if (!f)
		return -LINUX_EBADF;
	return oldfd == newfd ? newfd : fd_dup2(f, newfd, false);
}

SYSCALL_DEFINE3(dup3, int, oldfd, int, newfd, int, flags)
{
	_cleanup_fput_ struct file *f = NULL;

	if (flags & ~LINUX_O_CLOEXEC || oldfd == newfd)
		return -LINUX_EINVAL;
	if (newfd < 0 || (uint64_t)newfd >= files_rlimit_nofile())
		return -LINUX_EBADF;
	f = fget_raw(oldfd);
	return f ? fd_dup2(f, newfd, flags & LINUX_O_CLOEXEC) : -LINUX_EBADF;
}

/* --- memfd --- */

#define MFD_NAME_MAX 249 /* NAME_MAX without "memfd:" */

SYSCALL_DEFINE2(memfd_create, uaddr_t, uname, unsigned, flags)
{
	char name[MFD_NAME_MAX + 1];
	int64_t len;

	if (flags & ~(LINUX_MFD_CLOEXEC | LINUX_MFD_ALLOW_SEALING | LINUX_MFD_NOEXEC_SEAL | LINUX_MFD_EXEC |
		      LINUX_MFD_HUGETLB) &&
	    !(flags & LINUX_MFD_HUGETLB))
		return -LINUX_EINVAL;
	if (flags & LINUX_MFD_EXEC && flags & LINUX_MFD_NOEXEC_SEAL)
		return -LINUX_EINVAL;
	len = strncpy_from_user(name, uname, sizeof(name));
	if (len < 0)
		return len;
	if (len == sizeof(name))
		return -LINUX_EINVAL;
	if (flags & LINUX_MFD_HUGETLB)
		return -LINUX_ENOSYS;
	return fd_install_or_put(memfd_file_new(name, flags), flags & LINUX_MFD_CLOEXEC);
}
