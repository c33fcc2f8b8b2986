/* SPDX-License-Identifier: Apache-2.0 */
/* unshare(2), setns(2). */
#include "sentry/kernel/fork.h"
#include "sentry/kernel/ipc.h"
#include "sentry/kernel/nsproxy.h"
#include "sentry/kernel/pidfd.h"
#include "sentry/sys/syscall.h"

static int unshare_check(uint64_t flags)
{
	if ((flags & (LINUX_CLONE_THREAD | LINUX_CLONE_SIGHAND | LINUX_CLONE_VM)) && tgroup_nr_threads(current->tg) > 1)
		return -LINUX_EINVAL;
	if ((flags & (LINUX_CLONE_SIGHAND | LINUX_CLONE_VM)) && ref_read(&current->tg->sighand->ref) > 1)
		return -LINUX_EINVAL;
	if ((flags & LINUX_CLONE_VM) && ref_read(&current->mm->users) > 1)
		return -LINUX_EINVAL;
	return 0;
}

SYSCALL_DEFINE1(unshare, uint64_t, flags)
{
	const uint64_t known = LINUX_CLONE_THREAD | LINUX_CLONE_FS | LINUX_CLONE_SIGHAND | LINUX_CLONE_VM |
			       LINUX_CLONE_FILES | LINUX_CLONE_SYSVSEM | CLONE_NAMESPACES;
	struct files_struct *files;
	struct fs_struct *fs;
	int err;

	if (flags & ~known)
		return -LINUX_EINVAL;
	err = unshare_check(flags);
	if (!err && flags & CLONE_NAMESPACES)
		err = nsproxy_unshare(flags);
	if (err)
		return err;
	if (flags & LINUX_CLONE_FS && !(flags & (LINUX_CLONE_NEWNS | LINUX_CLONE_NEWUSER))) {
		fs = fs_struct_copy(current->fs);
		if (!fs)
			return -LINUX_ENOMEM;
		task_set_fs(current, fs);
	}
	if (flags & LINUX_CLONE_FILES) {
		files = files_copy(current->files);
		if (!files || IS_ERR(files))
			return files ? PTR_ERR(files) : -LINUX_ENOMEM;
		task_set_files(current, files);
	}
	if (flags & (LINUX_CLONE_SYSVSEM | LINUX_CLONE_NEWIPC))
		sem_exit(current);
	return 0;
}

/* All namespaces of a process at once. */
static int64_t setns_pidfd(struct file *f, uint64_t flags)
{
	struct task *t _cleanup_task_ = NULL;
	struct pid *pid = pidfd_pid(f);

	if (!pid || !flags || flags & ~(CLONE_NAMESPACES & ~LINUX_CLONE_NEWTIME))
		return -LINUX_EINVAL;
	mutex_lock(&pids_lock);
	t = pid->task ? task_get(pid->task) : NULL;
	mutex_unlock(&pids_lock);
	return t ? nsproxy_enter_task(t, flags) : -LINUX_ESRCH;
}

SYSCALL_DEFINE2(setns, int, fd, int, nstype)
{
	_cleanup_fput_ struct file *f = fget(fd);
	struct ns_common *ns;

	if (!f)
		return -LINUX_EBADF;
	ns = nsfs_file_ns(f);
	if (!ns)
		return setns_pidfd(f, (unsigned)nstype);
	if (nstype && (uint64_t)(unsigned)nstype != ns_clone_flag(ns->type))
		return -LINUX_EINVAL;
	return nsproxy_enter(ns);
}
