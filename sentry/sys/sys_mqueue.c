/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of mq_overview(7); the bodies are in vfs/mqueue. */
#include <stdlib.h>

#include "netstack/netlink.h"
#include "sentry/abi/fcntl.h"
#include "sentry/abi/signal.h"
#include "sentry/abi/time.h"
#include "sentry/kernel/signal.h"
#include "sentry/kernel/timers.h"
#include "sentry/mm/uaccess.h"
#include "sentry/sys/syscall.h"
#include "vfs/mqueue/mqueue.h"

SYSCALL_DEFINE4(mq_open, uaddr_t, uname, int, oflag, uint32_t, mode, uaddr_t, uattr)
{
	struct linux_mq_attr attr;
	struct file *f;
	char *name;
	int err;

	if (uattr && get_user(&attr, uattr))
		return -LINUX_EFAULT;
	err = getname(uname, false, &name);
	if (err)
		return err;
	f = mqueue_open(name, (uint32_t)oflag, mode, uattr ? &attr : NULL);
	free(name);
	return fd_install_or_put(f, true);
}

SYSCALL_DEFINE1(mq_unlink, uaddr_t, uname)
{
	char *name;
	int err = getname(uname, false, &name);

	if (err)
		return err;
	err = mqueue_unlink(name);
	free(name);
	return err;
}

static int abs_deadline(uaddr_t utimeout, deadline_t *ret)
{
	struct linux_timespec ts;

	*ret = NO_DEADLINE;
	if (!utimeout)
		return 0;
	if (get_user(&ts, utimeout))
		return -LINUX_EFAULT;
	if (ts.tv_sec < 0 || ts.tv_nsec < 0 || ts.tv_nsec >= 1000000000)
		return -LINUX_EINVAL;
	if (ts.tv_sec >= INT64_MAX / 1000000000 - 1)
		return 0;
	return clock_deadline(LINUX_CLOCK_REALTIME, ts.tv_sec * 1000000000 + ts.tv_nsec, true, ret);
}

SYSCALL_DEFINE5(mq_timedsend, int, mqdes, uaddr_t, ubuf, size_t, len, unsigned, prio, uaddr_t, utimeout)
{
	struct file *f _cleanup_fput_ = NULL;
	deadline_t deadline;
	int err = abs_deadline(utimeout, &deadline);

	if (err)
		return err;
	if (prio >= MQ_PRIO_MAX)
		return -LINUX_EINVAL;
	f = fget(mqdes);
	return f ? mqueue_send(f, ubuf, len, prio, deadline) : -LINUX_EBADF;
}

SYSCALL_DEFINE5(mq_timedreceive, int, mqdes, uaddr_t, ubuf, size_t, len, uaddr_t, uprio, uaddr_t, utimeout)
{
	struct file *f _cleanup_fput_ = NULL;
	deadline_t deadline;
	int err = abs_deadline(utimeout, &deadline);
	unsigned prio;
	int64_t ret;

	if (err)
		return err;
	f = fget(mqdes);
	ret = f ? mqueue_receive(f, ubuf, len, &prio, deadline) : -LINUX_EBADF;
	if (ret >= 0 && uprio && put_user(prio, uprio, uint32_t))
		return -LINUX_EFAULT;
	return ret;
}

static int notify_check(const struct linux_sigevent *ev, uint8_t *cookie, struct file **ret_sock)
{
	if (ev->sigev_notify != LINUX_SIGEV_NONE && ev->sigev_notify != LINUX_SIGEV_SIGNAL &&
	    ev->sigev_notify != LINUX_SIGEV_THREAD)
		return -LINUX_EINVAL;
	if (ev->sigev_notify == LINUX_SIGEV_SIGNAL && ev->sigev_signo && !sig_valid(ev->sigev_signo))
		return -LINUX_EINVAL;
	if (ev->sigev_notify != LINUX_SIGEV_THREAD)
		return 0;
	if (copy_from_user(cookie, ev->sigev_value, MQ_COOKIE_SIZE))
		return -LINUX_EFAULT;
	*ret_sock = fget(ev->sigev_signo);
	return *ret_sock ? netlink_file_check(*ret_sock) : -LINUX_EBADF;
}

SYSCALL_DEFINE2(mq_notify, int, mqdes, uaddr_t, uev)
{
	struct file *f _cleanup_fput_ = NULL, *sock _cleanup_fput_ = NULL;
	uint8_t cookie[MQ_COOKIE_SIZE];
	struct linux_sigevent ev;
	int err = 0;

	if (uev && get_user(&ev, uev))
		return -LINUX_EFAULT;
	if (uev)
		err = notify_check(&ev, cookie, &sock);
	if (err)
		return err;
	f = fget(mqdes);
	return f ? mqueue_notify(f, uev ? &ev : NULL, cookie, sock) : -LINUX_EBADF;
}

SYSCALL_DEFINE3(mq_getsetattr, int, mqdes, uaddr_t, unew, uaddr_t, uold)
{
	struct file *f _cleanup_fput_ = NULL;
	struct linux_mq_attr new, old;

	if (unew && get_user(&new, unew))
		return -LINUX_EFAULT;
	if (unew && new.mq_flags & ~(int64_t)LINUX_O_NONBLOCK)
		return -LINUX_EINVAL;
	f = fget(mqdes);
	if (!f || !file_mqueue(f))
		return -LINUX_EBADF;
	mqueue_getattr(f, &old);
	if (unew && new.mq_flags)
		atomic_fetch_or(&f->flags, LINUX_O_NONBLOCK);
	else if (unew)
		atomic_fetch_and(&f->flags, ~(unsigned)LINUX_O_NONBLOCK);
	return uold && copy_to_user(uold, &old, sizeof(old)) ? -LINUX_EFAULT : 0;
}
