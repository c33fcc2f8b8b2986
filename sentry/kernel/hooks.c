/* SPDX-License-Identifier: Apache-2.0 */
/* What the VFS asks of the layer above it: the declarations are at the end of vfs/vfs.h. */
#include "sentry/kernel/task.h"

void kernel_signal_self(int sig)
{
	struct linux_siginfo info;

	if (!current)
		return;
	siginfo_init_user(&info, sig, LINUX_SI_USER);
	signal_send_task(current, &info, 0);
}

void kernel_signal_pgrp(int32_t pgrp, int sig)
{
	struct pid *pid;

	MUTEX_GUARD(&pids_lock);
	pid = pid_find_locked(pgrp);
	if (pid)
		signal_kernel_pgrp_locked(pid, sig);
}

/* F_SETOWN of a thread (F_OWNER_TID), a process or a group is sent as such by the caller's choice of @pid's sign. */
void kernel_signal_pid(int32_t pid, int sig, int si_code, int si_fd, int si_band)
{
	struct linux_siginfo info;
	struct tgroup *tg;
	struct pid *pgrp;

	siginfo_init(&info, sig, si_code);
	info.poll.band = si_band;
	info.poll.fd = si_fd;
	MUTEX_GUARD(&pids_lock);
	if (pid < 0) {
		pgrp = pid_find_locked(-pid);
		if (pgrp)
			signal_send_pgrp_locked(pgrp, &info, 0);
		return;
	}
	tg = tgroup_find_locked(pid);
	if (tg)
		signal_send_tgroup(tg, &info, 0);
}

uint64_t kernel_rlimit(int resource)
{
	if (!current || resource < 0 || resource >= LINUX_RLIM_NLIMITS)
		return LINUX_RLIM_INFINITY;
	return current_rlimit((unsigned)resource);
}

bool kernel_signal_pending(void)
{
	return current && signal_pending();
}

int32_t kernel_current_tgid(void)
{
	return current ? task_tgid(current) : 0;
}
