/* SPDX-License-Identifier: Apache-2.0 */
/* Processes: numbers, clone, exec, exit, wait, groups and sessions. */
#include <stdlib.h>
#include <string.h>

#include "sentry/abi/fcntl.h"
#include "sentry/kernel/fork.h"
#include "sentry/kernel/jobctl.h"
#include "sentry/kernel/pidfd.h"
#include "sentry/kernel/proc_event.h"
#include "sentry/kernel/task.h"
#include "sentry/kernel/wait.h"
#include "sentry/mm/uaccess.h"
#include "sentry/sys/syscall.h"
#include "vfs/cgroup/cgroup.h"

/* --- numbers --- */

SYSCALL_DEFINE0(getpid)
{
	return task_tgid(current);
}

SYSCALL_DEFINE0(gettid)
{
	return task_tid(current);
}

SYSCALL_DEFINE0(getppid)
{
	return task_ppid(current);
}

SYSCALL_DEFINE1(set_tid_address, uaddr_t, tidptr)
{
	current->clear_child_tid = tidptr;
	return task_tid(current);
}

SYSCALL_DEFINE2(setpgid, int32_t, pid, int32_t, pgid)
{
	return do_setpgid(pid, pgid);
}

SYSCALL_DEFINE1(getpgid, int32_t, pid)
{
	return do_getpgid(pid);
}

SYSCALL_DEFINE0(getpgrp)
{
	return do_getpgid(0);
}

SYSCALL_DEFINE0(setsid)
{
	int ret = do_setsid();

	if (ret > 0)
		proc_event(LINUX_PROC_EVENT_SID);
	return ret;
}

SYSCALL_DEFINE1(getsid, int32_t, pid)
{
	return do_getsid(pid);
}

/* --- clone --- */

SYSCALL_DEFINE0(fork)
{
	struct clone_request req = { .exit_signal = LINUX_SIGCHLD };

	return kernel_clone(&req);
}

SYSCALL_DEFINE0(vfork)
{
	struct clone_request req = { .flags = LINUX_CLONE_VFORK | LINUX_CLONE_VM, .exit_signal = LINUX_SIGCHLD };

	return kernel_clone(&req);
}

SYSCALL_DEFINE5(clone, uint64_t, flags, uaddr_t, stack, uaddr_t, parent_tid, uaddr_t, child_tid, uint64_t, tls)
{
	uint64_t low = (uint32_t)flags;
	struct clone_request req = {
		.flags = low & ~LINUX_CSIGNAL,
		.exit_signal = (int)(low & LINUX_CSIGNAL),
		.stack = stack, .tls = tls, .parent_tid = parent_tid, .child_tid = child_tid, .pidfd = parent_tid,
	};

	/* Both would be written to the same place. */
	if ((low & LINUX_CLONE_PIDFD) && (low & LINUX_CLONE_PARENT_SETTID))
		return -LINUX_EINVAL;
	return kernel_clone(&req);
}

static int clone3_check(const struct linux_clone_args *a, size_t size)
{
	const uint64_t known = 0xffffffffULL | LINUX_CLONE_CLEAR_SIGHAND | LINUX_CLONE_INTO_CGROUP;

	if (a->flags & (~known | LINUX_CLONE_DETACHED | (LINUX_CSIGNAL & ~LINUX_CLONE_NEWTIME)))
		return -LINUX_EINVAL;
	if ((a->flags & LINUX_CLONE_SIGHAND) && (a->flags & LINUX_CLONE_CLEAR_SIGHAND))
		return -LINUX_EINVAL;
	if ((a->flags & (LINUX_CLONE_THREAD | LINUX_CLONE_PARENT)) && a->exit_signal)
		return -LINUX_EINVAL;
	if (a->exit_signal > LINUX_NSIG)
		return -LINUX_EINVAL;
	if (!a->stack != !a->stack_size || (a->stack && !access_ok(a->stack, a->stack_size)))
		return -LINUX_EINVAL;
	if (!a->set_tid != !a->set_tid_size || a->set_tid_size > 32)
		return -LINUX_EINVAL;
	if (a->flags & LINUX_CLONE_INTO_CGROUP && (a->cgroup > INT32_MAX || size < sizeof(*a)))
		return -LINUX_EINVAL;
	return 0;
}

SYSCALL_DEFINE2(clone3, uaddr_t, uargs, size_t, size)
{
	struct linux_clone_args a = { 0 };
	struct clone_request req;
	int32_t set_tid = 0;
	int64_t ret;
	int err;

	if (size > PAGE_SIZE)
		return -LINUX_E2BIG;
	if (size < LINUX_CLONE_ARGS_SIZE_VER0)
		return -LINUX_EINVAL;
	err = copy_struct_from_user(&a, sizeof(a), uargs, size);
	if (!err)
		err = clone3_check(&a, size);
	if (err)
		return err;
	if (a.set_tid_size) {
		/* One namespace: one number. */
		if (a.set_tid_size > 1)
			return -LINUX_EINVAL;
		if (get_user(&set_tid, a.set_tid))
			return -LINUX_EFAULT;
		if (set_tid < 1 || (unsigned)set_tid >= pids_max())
			return -LINUX_EINVAL;
		if (!capable(CAP_CHECKPOINT_RESTORE) && !capable(CAP_SYS_ADMIN))
			return -LINUX_EPERM;
	}
	req = (struct clone_request){
		.flags = a.flags,
		.exit_signal = (int)a.exit_signal,
		.stack = a.stack ? a.stack + a.stack_size : 0,
		.tls = a.tls, .parent_tid = a.parent_tid, .child_tid = a.child_tid, .pidfd = a.pidfd,
		.set_tid = set_tid,
	};
	if (!(a.flags & LINUX_CLONE_INTO_CGROUP))
		return kernel_clone(&req);
	req.cgroup = cgroup_for_clone((int)a.cgroup);
	if (IS_ERR(req.cgroup))
		return PTR_ERR(req.cgroup);
	ret = kernel_clone(&req);
	cgroup_put(req.cgroup);
	return ret;
}

/* --- exec and exit --- */

static int64_t user_execveat(int dfd, uaddr_t ufilename, uaddr_t argv, uaddr_t envp, unsigned flags)
{
	char *filename;
	int64_t ret;
	int err;

	err = getname(ufilename, flags & LINUX_AT_EMPTY_PATH, &filename);
	if (err)
		return err;
	ret = do_execveat(dfd, filename, argv, envp, flags);
	free(filename);
	return ret;
}

SYSCALL_DEFINE3(execve, uaddr_t, filename, uaddr_t, argv, uaddr_t, envp)
{
	return user_execveat(LINUX_AT_FDCWD, filename, argv, envp, 0);
}

SYSCALL_DEFINE5(execveat, int, dfd, uaddr_t, filename, uaddr_t, argv, uaddr_t, envp, unsigned, flags)
{
	return user_execveat(dfd, filename, argv, envp, flags);
}

SYSCALL_DEFINE1(exit, int, status)
{
	task_exit_request((status & 0xff) << 8);
	return 0;
}

SYSCALL_DEFINE1(exit_group, int, status)
{
	tgroup_exit_request((status & 0xff) << 8);
	return 0;
}

/* --- wait --- */

static int64_t wait_with_pid(struct wait_request *req, int pid)
{
	int64_t ret;

	req->pid = pid_find_get(pid);
	if (!req->pid)
		return -LINUX_ECHILD;
	ret = kernel_wait4(req);
	pid_put(req->pid);
	return ret;
}

SYSCALL_DEFINE4(wait4, int32_t, pid, uaddr_t, ustatus, int, options, uaddr_t, urusage)
{
	struct wait_request req = { .type = LINUX_P_ALL, .options = (unsigned)options | LINUX_WEXITED };
	int64_t ret;

	if ((unsigned)options & ~(LINUX_WNOHANG | LINUX_WUNTRACED | LINUX_WCONTINUED | LINUX_WNOTHREAD | LINUX_WCLONE |
				  LINUX_WALL))
		return -LINUX_EINVAL;
	if (pid == INT32_MIN)
		return -LINUX_ESRCH;
	if (pid == -1) {
		ret = kernel_wait4(&req);
	} else {
		req.type = pid > 0 ? LINUX_P_PID : LINUX_P_PGID;
		ret = wait_with_pid(&req, pid > 0 ? pid : pid ? -pid : current_pgrp());
	}
	if (ret > 0 && ustatus && put_user(req.status, ustatus, int32_t))
		return -LINUX_EFAULT;
	if (ret > 0 && urusage && copy_to_user(urusage, &req.rusage, sizeof(req.rusage)))
		return -LINUX_EFAULT;
	return ret;
}

static int64_t waitid_pidfd(struct wait_request *req, int fd)
{
	uint32_t flags;
	int64_t ret;

	if (fd < 0)
		return -LINUX_EINVAL;
	req->pid = pidfd_get_pid(fd, &flags);
	if (IS_ERR(req->pid))
		return PTR_ERR(req->pid);
	req->type = LINUX_P_PID;
	if (flags & LINUX_O_NONBLOCK)
		req->options |= LINUX_WNOHANG;
	ret = kernel_wait4(req);
	if (!ret && (flags & LINUX_O_NONBLOCK))
		ret = -LINUX_EAGAIN;
	pid_put(req->pid);
	return ret;
}

static int64_t do_waitid(struct wait_request *req, int id)
{
	switch (req->type) {
	case LINUX_P_ALL:
		return kernel_wait4(req);
	case LINUX_P_PID:
		return id > 0 ? wait_with_pid(req, id) : -LINUX_EINVAL;
	case LINUX_P_PGID:
		return id >= 0 ? wait_with_pid(req, id ? id : current_pgrp()) : -LINUX_EINVAL;
	case LINUX_P_PIDFD:
		return waitid_pidfd(req, id);
	default:
		return -LINUX_EINVAL;
	}
}

SYSCALL_DEFINE5(waitid, int, which, int32_t, id, uaddr_t, uinfo, int, options, uaddr_t, urusage)
{
	struct wait_request req = { .type = which, .options = (unsigned)options };
	int64_t ret;

	if ((unsigned)options & ~(LINUX_WNOHANG | LINUX_WNOWAIT | LINUX_WEXITED | LINUX_WSTOPPED | LINUX_WCONTINUED |
				  LINUX_WNOTHREAD | LINUX_WCLONE | LINUX_WALL))
		return -LINUX_EINVAL;
	if (!(options & (LINUX_WEXITED | LINUX_WSTOPPED | LINUX_WCONTINUED)))
		return -LINUX_EINVAL;
	ret = do_waitid(&req, id);
	if (ret > 0 && urusage && copy_to_user(urusage, &req.rusage, sizeof(req.rusage)))
		return -LINUX_EFAULT;
	/* Nothing, or an error: the signal number and pid read as 0. */
	if (ret <= 0)
		memset(&req.info, 0, sizeof(req.info));
	/* The fields Linux writes, and no more: up to si_status. */
	if (uinfo && copy_to_user(uinfo, &req.info, offsetof(struct linux_siginfo, chld.pad)))
		return -LINUX_EFAULT;
	return MIN(ret, 0);
}
