/* SPDX-License-Identifier: Apache-2.0 */
/* Signals: dispositions, masks, sending, waiting. */
#include "sentry/kernel/pidfd.h"
#include "sentry/kernel/sigframe.h"
#include "sentry/kernel/task.h"
#include "sentry/kernel/timers.h"
#include "sentry/mm/uaccess.h"
#include "sentry/sys/syscall.h"

/* --- dispositions and masks --- */

/* What is pending and now ignored is dropped, as POSIX wants. */
static void drop_ignored(struct tgroup *tg, int sig, uint64_t handler)
{
	struct task *t;

	if (handler != LINUX_SIG_IGN && !(handler == LINUX_SIG_DFL && sig_in(SIGMASK_IGNORE, sig)))
		return;
	sigpending_flush_mask(&tg->shared_pending, LINUX_SIGMASK(sig));
	list_for_each_entry(t, &tg->threads, thread_link)
		sigpending_flush_mask(&t->pending, LINUX_SIGMASK(sig));
}

SYSCALL_DEFINE4(rt_sigaction, int, sig, uaddr_t, uact, uaddr_t, uold, size_t, sigsetsize)
{
	struct tgroup *tg = current->tg;
	struct linux_sigaction new, old;

	if (sigsetsize != sizeof(linux_sigset_t))
		return -LINUX_EINVAL;
	if (uact && copy_from_user(&new, uact, sizeof(new)))
		return -LINUX_EFAULT;
	if (!sig_valid(sig) || (uact && sig_in(SIGMASK_UNBLOCKABLE, sig)))
		return -LINUX_EINVAL;
	mutex_lock(&tg->siglock);
	mutex_lock(&tg->sighand->lock);
	old = tg->sighand->action[sig - 1];
	if (uact) {
		new.flags &= LINUX_SA_KNOWN;
		new.mask &= ~SIGMASK_UNBLOCKABLE;
		tg->sighand->action[sig - 1] = new;
	}
	mutex_unlock(&tg->sighand->lock);
	if (uact)
		drop_ignored(tg, sig, new.handler);
	mutex_unlock(&tg->siglock);
	if (uold && copy_to_user(uold, &old, sizeof(old)))
		return -LINUX_EFAULT;
	return 0;
}

SYSCALL_DEFINE4(rt_sigprocmask, int, how, uaddr_t, unew, uaddr_t, uold, size_t, sigsetsize)
{
	linux_sigset_t old = current->blocked, new;

	if (sigsetsize != sizeof(linux_sigset_t))
		return -LINUX_EINVAL;
	if (unew) {
		if (get_user(&new, unew))
			return -LINUX_EFAULT;
		switch (how) {
		case LINUX_SIG_BLOCK:
			sigmask_set(old | new);
			break;
		case LINUX_SIG_UNBLOCK:
			sigmask_set(old & ~new);
			break;
		case LINUX_SIG_SETMASK:
			sigmask_set(new);
			break;
		default:
			return -LINUX_EINVAL;
		}
	}
	return uold ? put_user(old, uold, linux_sigset_t) : 0;
}

SYSCALL_DEFINE2(rt_sigpending, uaddr_t, uset, size_t, sigsetsize)
{
	struct task *t = current;
	linux_sigset_t set;

	if (sigsetsize > sizeof(set))
		return -LINUX_EINVAL;
	mutex_lock(&t->tg->siglock);
	set = (t->pending.signal | t->tg->shared_pending.signal) & t->blocked;
	mutex_unlock(&t->tg->siglock);
	return copy_to_user(uset, &set, sigsetsize);
}

SYSCALL_DEFINE2(sigaltstack, uaddr_t, unew, uaddr_t, uold)
{
	struct linux_stack new, old = current->sigaltstack;
	int err;

	if (unew && get_user(&new, unew))
		return -LINUX_EFAULT;
	old.ss_flags &= (int)LINUX_SS_AUTODISARM;
	if (!old.ss_size)
		old.ss_flags |= LINUX_SS_DISABLE;
	else if (on_sigaltstack(current->ctx->regs.rsp))
		old.ss_flags |= LINUX_SS_ONSTACK;
	err = unew ? sigaltstack_set(&new) : 0;
	if (!err && uold)
		err = copy_to_user(uold, &old, sizeof(old));
	return err;
}

SYSCALL_DEFINE0(rt_sigreturn)
{
	/* What is restored isn't the result of a call that could be restarted. */
	current->in_syscall = false;
	current->restart.fn = NULL;
	if (sigframe_restore())
		signal_force_sig(LINUX_SIGSEGV);
	return (int64_t)current->ctx->regs.rax;
}

SYSCALL_DEFINE0(restart_syscall)
{
	struct restart_block *rb = &current->restart;

	return rb->fn ? rb->fn(rb) : -LINUX_EINTR;
}

/* --- sending --- */

/* The number is looked at when a target was found, as check_kill_permission() does. */
static int check_and_send(struct task *t, const struct linux_siginfo *info, int sig, bool shared)
{
	int err = sig < 0 || sig > LINUX_NSIG ? -LINUX_EINVAL : signal_check_permission(sig, info, t);

	if (err || !sig)
		return err;
	return shared ? signal_send_tgroup(t->tg, info, 0) : signal_send_task(t, info, 0);
}

/* kill(2) to one process.  A thread's id finds its process too, as Linux does. */
static int kill_process(int pid, const struct linux_siginfo *info, int sig)
{
	struct task *t = task_find_get(pid);
	int err;

	if (!t)
		return -LINUX_ESRCH;
	err = check_and_send(t, info, sig, true);
	task_put(t);
	return err;
}

static int kill_pgrp(int nr, const struct linux_siginfo *info, int sig)
{
	int err = -LINUX_ESRCH, one;
	bool success = false;
	struct tgroup *tg;
	struct pid *pid;

	MUTEX_GUARD(&pids_lock);
	pid = pid_find_locked(nr);
	if (!pid)
		return err;
	list_for_each_entry(tg, &pid->pgrp, pgrp_link) {
		one = check_and_send(tg->leader, info, sig, true);
		success |= !one;
		err = one;
	}
	return success ? 0 : err;
}

/* Everybody but PID 1 and the caller's own process. */
static int kill_everybody(const struct linux_siginfo *info, int sig)
{
	int ret = -LINUX_ESRCH, one;
	struct tgroup *tg;

	MUTEX_GUARD(&pids_lock);
	list_for_each_entry(tg, &all_tgroups, all_link) {
		if (task_tgid(tg->leader) <= 1 || tg == current->tg)
			continue;
		one = check_and_send(tg->leader, info, sig, true);
		if (ret == -LINUX_ESRCH)
			ret = 0;
		if (one != -LINUX_EPERM)
			ret = one;
	}
	return ret;
}

SYSCALL_DEFINE2(kill, int32_t, pid, int, sig)
{
	struct linux_siginfo info;

	siginfo_init_user(&info, sig, LINUX_SI_USER);
	if (pid > 0)
		return kill_process(pid, &info, sig);
	if (pid == INT32_MIN)
		return -LINUX_ESRCH;
	if (pid == -1)
		return kill_everybody(&info, sig);
	return kill_pgrp(pid ? -pid : current_pgrp(), &info, sig);
}

/* @tgid <= 0: any. */
static int kill_thread(int tgid, int tid, const struct linux_siginfo *info, int sig)
{
	struct task *t = task_find_get(tid);
	int err = -LINUX_ESRCH;

	if (!t)
		return err;
	if (tgid <= 0 || task_tgid(t) == tgid) {
		err = check_and_send(t, info, sig, false);
		/* A thread on its way out got it, in vain. */
		if (err == -LINUX_ESRCH)
			err = 0;
	}
	task_put(t);
	return err;
}

SYSCALL_DEFINE3(tgkill, int32_t, tgid, int32_t, tid, int, sig)
{
	struct linux_siginfo info;

	if (tid <= 0 || tgid <= 0)
		return -LINUX_EINVAL;
	siginfo_init_user(&info, sig, LINUX_SI_TKILL);
	return kill_thread(tgid, tid, &info, sig);
}

SYSCALL_DEFINE2(tkill, int32_t, tid, int, sig)
{
	struct linux_siginfo info;

	if (tid <= 0)
		return -LINUX_EINVAL;
	siginfo_init_user(&info, sig, LINUX_SI_TKILL);
	return kill_thread(0, tid, &info, sig);
}

/* Others may not be told that the kernel, or kill(2), sent it. */
static int get_user_siginfo(struct linux_siginfo *info, uaddr_t uinfo, int sig, int tid)
{
	if (copy_from_user(info, uinfo, sizeof(*info)))
		return -LINUX_EFAULT;
	info->si_signo = sig;
	if ((info->si_code >= 0 || info->si_code == LINUX_SI_TKILL) && tid != task_tid(current))
		return -LINUX_EPERM;
	return 0;
}

SYSCALL_DEFINE3(rt_sigqueueinfo, int32_t, pid, int, sig, uaddr_t, uinfo)
{
	struct linux_siginfo info;
	int err = get_user_siginfo(&info, uinfo, sig, pid);

	return err ? err : kill_process(pid, &info, sig);
}

SYSCALL_DEFINE4(rt_tgsigqueueinfo, int32_t, tgid, int32_t, tid, int, sig, uaddr_t, uinfo)
{
	struct linux_siginfo info;
	int err;

	if (copy_from_user(&info, uinfo, sizeof(info)))
		return -LINUX_EFAULT;
	if (tid <= 0 || tgid <= 0)
		return -LINUX_EINVAL;
	err = get_user_siginfo(&info, uinfo, sig, tid);
	return err ? err : kill_thread(tgid, tid, &info, sig);
}

SYSCALL_DEFINE4(pidfd_send_signal, int, pidfd, int, sig, uaddr_t, uinfo, unsigned, flags)
{
	struct linux_siginfo info;
	struct pid *pid;
	int err;

	if (flags)
		return -LINUX_EINVAL;
	pid = pidfd_get_pid_or_proc(pidfd);
	if (IS_ERR(pid))
		return PTR_ERR(pid);
	err = 0;
	if (uinfo) {
		if (copy_from_user(&info, uinfo, sizeof(info)))
			err = -LINUX_EFAULT;
		else if (info.si_signo != sig)
			err = -LINUX_EINVAL;
		else if ((info.si_code >= 0 || info.si_code == LINUX_SI_TKILL) && pid != current->tg->pid)
			err = -LINUX_EPERM;
	} else {
		siginfo_init_user(&info, sig, LINUX_SI_USER);
	}
	if (!err) {
		/* The number may be another process's by now. */
		err = READ_ONCE(pid->tgroup) ? kill_process(pid->nr, &info, sig) : -LINUX_ESRCH;
	}
	pid_put(pid);
	return err;
}

/* --- waiting --- */

/* ERESTARTNOHAND: once a handler has run, these calls return. */
static int64_t sleep_until_signal(void)
{
	while (!signal_pending())
		sleeper_sleep(SLEEP_INTERRUPTIBLE, NO_DEADLINE);
	return -LINUX_ERESTARTNOHAND;
}

SYSCALL_DEFINE0(pause)
{
	return sleep_until_signal();
}

SYSCALL_DEFINE2(rt_sigsuspend, uaddr_t, umask, size_t, sigsetsize)
{
	int err;

	if (sigsetsize != sizeof(linux_sigset_t))
		return -LINUX_EINVAL;
	if (!umask)
		return -LINUX_EFAULT;
	err = sigmask_set_user(umask, sigsetsize);
	return err ? err : sleep_until_signal();
}

/* Takes a signal of @wanted, waiting for it until @deadline. */
static int sigtimedwait(linux_sigset_t wanted, struct linux_siginfo *ret, deadline_t deadline)
{
	struct task *t = current;
	struct tgroup *tg = t->tg;
	int sig, err;

	wanted &= ~SIGMASK_UNBLOCKABLE;
	mutex_lock(&tg->siglock);
	sig = signal_dequeue_locked(t, ~wanted, ret);
	if (!sig && deadline > monotonic_ns()) {
		/* They are unblocked, so that they wake us; real_blocked keeps them from being ignored or fatal meanwhile. */
		t->real_blocked = t->blocked;
		t->blocked &= ~wanted;
		signal_recalc_locked(t);
		mutex_unlock(&tg->siglock);
		do
			err = sleeper_sleep(SLEEP_INTERRUPTIBLE, deadline);
		while (!err);
		mutex_lock(&tg->siglock);
		t->blocked = t->real_blocked;
		t->real_blocked = 0;
		sig = signal_dequeue_locked(t, ~wanted, ret);
		signal_recalc_locked(t);
		if (!sig && err == -LINUX_ERESTARTSYS) {
			mutex_unlock(&tg->siglock);
			return -LINUX_EINTR;
		}
	}
	mutex_unlock(&tg->siglock);
	return sig ? sig : -LINUX_EAGAIN;
}

SYSCALL_DEFINE4(rt_sigtimedwait, uaddr_t, uset, uaddr_t, uinfo, uaddr_t, uts, size_t, sigsetsize)
{
	deadline_t deadline = NO_DEADLINE;
	struct linux_siginfo info;
	linux_sigset_t wanted;
	int64_t ns;
	int ret;

	if (sigsetsize != sizeof(wanted))
		return -LINUX_EINVAL;
	if (get_user(&wanted, uset))
		return -LINUX_EFAULT;
	if (uts) {
		ret = get_user_timespec(uts, &ns);
		if (ret)
			return ret;
		deadline = deadline_after(ns);
	}
	ret = sigtimedwait(wanted, &info, deadline);
	if (ret > 0 && uinfo && copy_to_user(uinfo, &info, sizeof(info)))
		return -LINUX_EFAULT;
	return ret;
}
