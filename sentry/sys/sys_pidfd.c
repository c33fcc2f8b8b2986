/* SPDX-License-Identifier: Apache-2.0 */
/* pidfd_open(2), pidfd_getfd(2), kcmp(2). */
#include "sentry/abi/fcntl.h"
#include "sentry/kernel/pidfd.h"
#include "sentry/kernel/task.h"
#include "sentry/sys/syscall.h"
#include "vfs/anon/eventpoll.h"

SYSCALL_DEFINE2(pidfd_open, int32_t, nr, unsigned, flags)
{
	struct pid *pid;
	bool leader;
	int ret;

	if (flags & ~LINUX_O_NONBLOCK || nr <= 0)
		return -LINUX_EINVAL;
	pid = pid_find_get(nr);
	if (!pid)
		return -LINUX_ESRCH;
	mutex_lock(&pids_lock);
	leader = pid->tgroup;
	mutex_unlock(&pids_lock);
	ret = leader ? pidfd_new(pid, flags) : -LINUX_EINVAL;
	pid_put(pid);
	return ret;
}

static struct task *pidfd_task_get(int pidfd)
{
	struct pid *pid = pidfd_get_pid(pidfd, NULL);
	struct task *t;

	if (IS_ERR(pid))
		return ERR_PTR(PTR_ERR(pid));
	mutex_lock(&pids_lock);
	t = pid->task ? task_get(pid->task) : ERR_PTR(-LINUX_ESRCH);
	mutex_unlock(&pids_lock);
	pid_put(pid);
	return t;
}

/* The memory of a process that is being killed goes now, not when its tasks have come to their end; the exit does that as fast. */
SYSCALL_DEFINE2(process_mrelease, int, pidfd, unsigned, flags)
{
	int64_t ret = -LINUX_EINVAL;
	struct task *t;

	if (flags)
		return -LINUX_EINVAL;
	t = pidfd_task_get(pidfd);
	if (IS_ERR(t))
		return PTR_ERR(t);
	/* Only what is as good as dead. */
	if (atomic_load(&t->tg->flags) & TG_EXITING)
		ret = READ_ONCE(t->mm) ? 0 : -LINUX_ESRCH;
	task_put(t);
	return ret;
}

SYSCALL_DEFINE3(pidfd_getfd, int, pidfd, int, fd, unsigned, flags)
{
	struct files_struct *files = NULL;
	struct file *f = NULL;
	struct task *t;

	if (flags)
		return -LINUX_EINVAL;
	t = pidfd_task_get(pidfd);
	if (IS_ERR(t))
		return PTR_ERR(t);
	if (!task_may_access(t, true)) {
		task_put(t);
		return -LINUX_EPERM;
	}
	files = task_files_get(t);
	task_put(t);
	if (!files)
		return -LINUX_ESRCH;
	f = files_fget(files, fd);
	files_put(files);
	return f ? fd_install_or_put(f, true) : -LINUX_EBADF;
}

/* --- kcmp --- */

/* Equal: 0; else an order that is stable but tells no addresses. */
static int kcmp_ptr(const void *a, const void *b)
{
	static const uint64_t cookie = 0x9e3779b97f4a7c15UL;
	uint64_t x = ((uintptr_t)a ^ 0x5bd1e995UL) * cookie, y = ((uintptr_t)b ^ 0x5bd1e995UL) * cookie;

	return x == y ? 0 : x < y ? 1 : 2;
}

static struct file *task_fget(struct task *t, int fd)
{
	struct files_struct *files = task_files_get(t);
	struct file *f = files ? files_fget(files, fd) : NULL;

	if (files)
		files_put(files);
	return f;
}

static int64_t kcmp_files(struct task *t1, struct task *t2, int fd1, int fd2)
{
	_cleanup_fput_ struct file *f1 = task_fget(t1, fd1), *f2 = task_fget(t2, fd2);

	return f1 && f2 ? kcmp_ptr(f1, f2) : -LINUX_EBADF;
}

/* The file at @fd1 with one that an epoll set of @t2 watches. */
static int64_t kcmp_epoll_target(struct task *t1, struct task *t2, int fd1, uaddr_t uslot)
{
	_cleanup_fput_ struct file *f1 = NULL, *ep = NULL, *target = NULL;
	struct {
		uint32_t efd, tfd, toff;
	} slot;

	if (get_user(&slot, uslot))
		return -LINUX_EFAULT;
	f1 = task_fget(t1, fd1);
	ep = f1 ? task_fget(t2, (int)slot.efd) : NULL;
	if (!ep)
		return -LINUX_EBADF;
	target = eventpoll_target(ep, (int)slot.tfd, slot.toff);
	return IS_ERR(target) ? PTR_ERR(target) : kcmp_ptr(f1, target);
}

static int64_t do_kcmp(struct task *t1, struct task *t2, int type, uint64_t idx1, uint64_t idx2)
{
	if (!task_may_access(t1, false) || !task_may_access(t2, false))
		return -LINUX_EPERM;
	switch (type) {
	case LINUX_KCMP_FILE:
		return kcmp_files(t1, t2, (int)idx1, (int)idx2);
	case LINUX_KCMP_VM:
		return kcmp_ptr(READ_ONCE(t1->mm), READ_ONCE(t2->mm));
	case LINUX_KCMP_FILES:
		return kcmp_ptr(READ_ONCE(t1->files), READ_ONCE(t2->files));
	case LINUX_KCMP_FS:
		return kcmp_ptr(READ_ONCE(t1->fs), READ_ONCE(t2->fs));
	case LINUX_KCMP_SIGHAND:
		return kcmp_ptr(READ_ONCE(t1->tg->sighand), READ_ONCE(t2->tg->sighand));
	case LINUX_KCMP_SYSVSEM:
		return kcmp_ptr(READ_ONCE(t1->sysvsem), READ_ONCE(t2->sysvsem));
	case LINUX_KCMP_IO:
		return 0; /* nobody has any */
	case LINUX_KCMP_EPOLL_TFD:
		return kcmp_epoll_target(t1, t2, (int)idx1, idx2);
	default:
		return -LINUX_EINVAL;
	}
}

SYSCALL_DEFINE5(kcmp, int32_t, pid1, int32_t, pid2, int, type, uint64_t, idx1, uint64_t, idx2)
{
	struct task *t1 = task_find_get(pid1), *t2 = task_find_get(pid2);
	int64_t ret = t1 && t2 ? do_kcmp(t1, t2, type, idx1, idx2) : -LINUX_ESRCH;

	if (t1)
		task_put(t1);
	if (t2)
		task_put(t2);
	return ret;
}
