/* SPDX-License-Identifier: Apache-2.0 */
/* What the VFS asks of the layer above it: the declarations are at the end of vfs/vfs.h. */
#include <string.h>

#include "sentry/abi/fcntl.h"
#include "sentry/kernel/nsproxy.h"
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

/* --- signal-driven I/O --- */

/* sigio_perm() of Linux. */
static bool sigio_may(const struct file *f, struct task *t)
{
	const struct cred *c = task_cred_get(t);
	bool may = !f->owner_euid || f->owner_euid == c->suid || f->owner_euid == c->uid || f->owner_uid == c->suid ||
		   f->owner_uid == c->uid;

	cred_put(c);
	return may;
}

/* Signals for which POLL_* would mean something else. */
#define SIGMASK_OWN_CODES (SIGMASK_SYNCHRONOUS | LINUX_SIGMASK(LINUX_SIGCHLD))

static void sigio_send(const struct file *f, struct task *t, bool thread, int fd, int reason, int64_t band)
{
	struct linux_siginfo info;
	int sig = READ_ONCE(f->owner_sig);

	if (!t || !sigio_may(f, t))
		return;
	if (fd < 0) { /* send_sigurg() of Linux */
		siginfo_init(&info, LINUX_SIGURG, LINUX_SI_KERNEL);
		if (thread)
			signal_send_task(t, &info, SIG_FORCE);
		else
			signal_send_tgroup(t->tg, &info, SIG_FORCE);
		return;
	}
	if (sig) {
		siginfo_init(&info, sig, sig_in(SIGMASK_OWN_CODES, sig) ? LINUX_SI_SIGIO : reason);
		info.poll.band = band;
		info.poll.fd = fd;
		if ((thread ? signal_send_task(t, &info, 0) : signal_send_tgroup(t->tg, &info, 0)) != -LINUX_EAGAIN)
			return;
	}
	/* No signal chosen, or its queue is full. */
	siginfo_init(&info, LINUX_SIGIO, LINUX_SI_KERNEL);
	if (thread)
		signal_send_task(t, &info, SIG_FORCE);
	else
		signal_send_tgroup(t->tg, &info, SIG_FORCE);
}

void kernel_sigio(const struct file *f, int fd, int reason, int64_t band)
{
	int32_t nr = READ_ONCE(f->owner_pid);
	struct tgroup *tg;
	struct pid *pid;
	MUTEX_GUARD(&pids_lock);

	switch (f->owner_type) {
	case LINUX_F_OWNER_TID:
		sigio_send(f, task_find_locked(nr), true, fd, reason, band);
		break;
	case LINUX_F_OWNER_PID:
		tg = tgroup_find_locked(nr);
		sigio_send(f, tg ? tg->leader : NULL, false, fd, reason, band);
		break;
	default:
		pid = pid_find_locked(nr);
		if (pid)
			list_for_each_entry(tg, &pid->pgrp, pgrp_link)
				sigio_send(f, tg->leader, false, fd, reason, band);
	}
}

bool kernel_owner_exists(int type, int32_t nr)
{
	struct pid *pid;
	MUTEX_GUARD(&pids_lock);

	switch (type) {
	case LINUX_F_OWNER_TID:
		return task_find_locked(nr);
	case LINUX_F_OWNER_PID:
		return tgroup_find_locked(nr);
	case LINUX_F_OWNER_PGRP:
		pid = pid_find_locked(nr);
		return pid && !list_empty(&pid->pgrp);
	default:
		return pid_find_locked(nr);
	}
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

int32_t kernel_current_tid(void)
{
	return current ? task_tid(current) : 0;
}

struct ns_common *kernel_process_net(int32_t tgid)
{
	struct task *t _cleanup_task_ = NULL;
	struct tgroup *tg;

	mutex_lock(&pids_lock);
	tg = tgroup_find_locked(tgid);
	t = tg ? task_get(tg->leader) : NULL;
	mutex_unlock(&pids_lock);
	return t ? task_ns_get(t, NS_NET, NS_LINK_SELF) : NULL;
}

void kernel_process_name(int32_t tgid, char ret[16])
{
	struct tgroup *tg;
	MUTEX_GUARD(&pids_lock);

	static_assert(TASK_COMM_LEN == 16, "comm");
	tg = tgroup_find_locked(tgid);
	if (tg)
		task_comm(tg->leader, ret);
	else
		strcpy(ret, "?");
}
