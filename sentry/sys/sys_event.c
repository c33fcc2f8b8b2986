/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entries of pipe(2), eventfd(2), timerfd_create(2), epoll(7), signalfd(2) and inotify(7).
 */
#include "sentry/abi/fcntl.h"
#include "sentry/kernel/signal.h"
#include "sentry/kernel/signalfd.h"
#include "sentry/sys/syscall.h"
#include "vfs/anon/event.h"
#include "vfs/anon/eventpoll.h"
#include "vfs/anon/inotify.h"
#include "vfs/anon/pipe.h"

/* --- pipe --- */

static int64_t do_pipe2(uaddr_t ufds, unsigned flags)
{
	struct file *f[2];
	int32_t fds[2];
	int err;

	if (flags & ~(LINUX_O_CLOEXEC | LINUX_O_NONBLOCK | LINUX_O_DIRECT))
		return -LINUX_EINVAL;
	err = pipe_files_new(flags, f);
	if (err)
		return err;
	fds[0] = fd_install_or_put(f[0], flags & LINUX_O_CLOEXEC);
	if (fds[0] < 0) {
		fput(f[1]);
		return fds[0];
	}
	fds[1] = fd_install_or_put(f[1], flags & LINUX_O_CLOEXEC);
	if (fds[1] < 0) {
		fd_close(fds[0]);
		return fds[1];
	}
	if (copy_to_user(ufds, fds, sizeof(fds))) {
		fd_close(fds[0]);
		fd_close(fds[1]);
		return -LINUX_EFAULT;
	}
	return 0;
}

SYSCALL_DEFINE1(pipe, uaddr_t, ufds)
{
	return do_pipe2(ufds, 0);
}

SYSCALL_DEFINE2(pipe2, uaddr_t, ufds, unsigned, flags)
{
	return do_pipe2(ufds, flags);
}

/* --- eventfd, timerfd --- */

SYSCALL_DEFINE1(eventfd, uint32_t, count)
{
	return fd_install_or_put(eventfd_file_new(count, 0), false);
}

SYSCALL_DEFINE2(eventfd2, uint32_t, count, unsigned, flags)
{
	return fd_install_or_put(eventfd_file_new(count, flags), flags & LINUX_O_CLOEXEC);
}

SYSCALL_DEFINE2(timerfd_create, int, clockid, unsigned, flags)
{
	return fd_install_or_put(timerfd_file_new(clockid, flags), flags & LINUX_O_CLOEXEC);
}

SYSCALL_DEFINE4(timerfd_settime, int, fd, unsigned, flags, uaddr_t, unew, uaddr_t, uold)
{
	struct linux_itimerspec its, old;
	int err;

	if (get_user(&its, unew))
		return -LINUX_EFAULT;
	if (!timerfd_args_valid(flags, &its))
		return -LINUX_EINVAL;
	struct file *f _cleanup_fput_ = fget(fd);
	if (!f)
		return -LINUX_EBADF;
	err = timerfd_settime(f, flags, &its, &old);
	if (!err && uold && copy_to_user(uold, &old, sizeof(old)))
		err = -LINUX_EFAULT;
	return err;
}

SYSCALL_DEFINE2(timerfd_gettime, int, fd, uaddr_t, uits)
{
	struct file *f _cleanup_fput_ = fget(fd);
	struct linux_itimerspec its;
	int err;

	if (!f)
		return -LINUX_EBADF;
	err = timerfd_gettime(f, &its);
	return err ? err : copy_to_user(uits, &its, sizeof(its));
}

/* --- epoll --- */

SYSCALL_DEFINE1(epoll_create, int, size)
{
	return size <= 0 ? -LINUX_EINVAL : fd_install_or_put(eventpoll_file_new(), false);
}

SYSCALL_DEFINE1(epoll_create1, unsigned, flags)
{
	if (flags & ~LINUX_EPOLL_CLOEXEC)
		return -LINUX_EINVAL;
	return fd_install_or_put(eventpoll_file_new(), flags & LINUX_EPOLL_CLOEXEC);
}

SYSCALL_DEFINE4(epoll_ctl, int, epfd, int, op, int, fd, uaddr_t, uevent)
{
	struct linux_epoll_event ev = { 0 };

	if (op != LINUX_EPOLL_CTL_DEL && get_user(&ev, uevent))
		return -LINUX_EFAULT;
	struct file *epf _cleanup_fput_ = fget(epfd);
	if (!epf)
		return -LINUX_EBADF;
	struct file *f _cleanup_fput_ = fget(fd);
	if (!f)
		return -LINUX_EBADF;
	return eventpoll_ctl(epf, op, fd, f, &ev);
}

static int64_t do_epoll_wait(int epfd, uaddr_t events, int max, deadline_t deadline)
{
	struct file *epf _cleanup_fput_ = fget(epfd);

	if (!epf)
		return -LINUX_EBADF;
	if (max <= 0 || (unsigned)max > INT32_MAX / sizeof(struct linux_epoll_event))
		return -LINUX_EINVAL;
	if (!access_ok(events, max * sizeof(struct linux_epoll_event)))
		return -LINUX_EFAULT;
	return eventpoll_wait(epf, events, max, deadline);
}

static deadline_t msec_deadline(int msec)
{
	return msec < 0 ? NO_DEADLINE : msec ? deadline_after(msec * 1000000LL) : 0;
}

SYSCALL_DEFINE4(epoll_wait, int, epfd, uaddr_t, events, int, max, int, timeout)
{
	return do_epoll_wait(epfd, events, max, msec_deadline(timeout));
}

static int64_t do_epoll_pwait(int epfd, uaddr_t events, int max, deadline_t deadline, uaddr_t mask, size_t size)
{
	int64_t ret = sigmask_set_user(mask, size);

	if (ret)
		return ret;
	ret = do_epoll_wait(epfd, events, max, deadline);
	sigmask_restore_unless(ret == -LINUX_EINTR);
	return ret;
}

SYSCALL_DEFINE6(epoll_pwait, int, epfd, uaddr_t, events, int, max, int, timeout, uaddr_t, mask, size_t, size)
{
	return do_epoll_pwait(epfd, events, max, msec_deadline(timeout), mask, size);
}

SYSCALL_DEFINE6(epoll_pwait2, int, epfd, uaddr_t, events, int, max, uaddr_t, uts, uaddr_t, mask, size_t, size)
{
	deadline_t deadline = NO_DEADLINE;
	struct linux_timespec ts;

	if (uts) {
		if (get_user(&ts, uts))
			return -LINUX_EFAULT;
		if (ts.tv_sec < 0 || (uint64_t)ts.tv_nsec >= 1000000000)
			return -LINUX_EINVAL;
		if (ts.tv_sec < INT64_MAX / 1000000000 - 1)
			deadline = ts.tv_sec || ts.tv_nsec ? deadline_after(ts.tv_sec * 1000000000 + ts.tv_nsec) : 0;
	}
	return do_epoll_pwait(epfd, events, max, deadline, mask, size);
}

/* --- signalfd --- */

static int64_t do_signalfd(int fd, uaddr_t umask, size_t size, unsigned flags)
{
	linux_sigset_t mask;
	struct file *f;
	int err;

	if (flags & ~(LINUX_O_CLOEXEC | LINUX_O_NONBLOCK) || size != sizeof(mask))
		return -LINUX_EINVAL;
	if (get_user(&mask, umask))
		return -LINUX_EFAULT;
	if (fd == -1)
		return fd_install_or_put(signalfd_file_new(mask, flags), flags & LINUX_O_CLOEXEC);
	f = fget(fd);
	if (!f)
		return -LINUX_EBADF;
	err = signalfd_set_mask(f, mask);
	fput(f);
	return err ? err : fd;
}

SYSCALL_DEFINE3(signalfd, int, fd, uaddr_t, umask, size_t, size)
{
	return do_signalfd(fd, umask, size, 0);
}

SYSCALL_DEFINE4(signalfd4, int, fd, uaddr_t, umask, size_t, size, unsigned, flags)
{
	return do_signalfd(fd, umask, size, flags);
}

/* --- inotify --- */

SYSCALL_DEFINE0(inotify_init)
{
	return fd_install_or_put(inotify_file_new(0), false);
}

SYSCALL_DEFINE1(inotify_init1, unsigned, flags)
{
	return fd_install_or_put(inotify_file_new(flags), flags & LINUX_O_CLOEXEC);
}

SYSCALL_DEFINE3(inotify_add_watch, int, fd, uaddr_t, upath, uint32_t, mask)
{
	struct path path _cleanup_path_ = { 0 };
	struct file *f _cleanup_fput_ = NULL;
	unsigned flags = 0;
	int err;

	if (!(mask & LINUX_IN_ALL_EVENTS) || ((mask & LINUX_IN_MASK_ADD) && (mask & LINUX_IN_MASK_CREATE)))
		return -LINUX_EINVAL;
	f = fget(fd);
	if (!f)
		return -LINUX_EBADF;
	if (!file_is_inotify(f))
		return -LINUX_EINVAL;
	flags |= mask & LINUX_IN_DONT_FOLLOW ? 0 : LOOKUP_FOLLOW;
	flags |= mask & LINUX_IN_ONLYDIR ? LOOKUP_DIRECTORY : 0;
	err = user_path_at(LINUX_AT_FDCWD, upath, flags, &path);
	if (!err)
		err = inode_permission(path.dentry->inode, MAY_READ);
	return err ? err : inotify_add_watch(f, path.dentry->inode, mask);
}

SYSCALL_DEFINE2(inotify_rm_watch, int, fd, int, wd)
{
	struct file *f _cleanup_fput_ = fget(fd);

	return f ? inotify_rm_watch(f, wd) : -LINUX_EBADF;
}
