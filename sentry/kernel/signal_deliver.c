/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a task does about its signals on the way back to the guest: get_signal() in kernel/signal.c and
 * arch_do_signal_or_restart() of Linux.
 */
#include "sentry/base/trace.h"
#include "sentry/kernel/crash.h"
#include "sentry/kernel/jobctl.h"
#include "sentry/kernel/ptrace.h"
#include "sentry/kernel/sigframe.h"
#include "sentry/kernel/task.h"
#include "sentry/kernel/wait.h"
#include "vfs/cgroup/cgroup.h"

#define SYSCALL_INSN_SIZE 2
#define NR_restart_syscall 219

/* --- job control --- */

/* Asks @t to stop; false when it's on its way out. */
bool jobctl_set_pending(struct task *t, unsigned mask)
{
	mutex_assert_held(&t->tg->siglock);
	if (atomic_load(&t->sleeper.killed) || t->exiting)
		return false;
	if (mask & JOBCTL_STOP_SIGMASK)
		t->jobctl &= ~JOBCTL_STOP_SIGMASK;
	t->jobctl |= mask;
	return true;
}

/* @t has stopped, or leaves, as far as a group stop goes.  True: it was the last one; tell the parent. */
bool jobctl_participate(struct task *t)
{
	struct tgroup *tg = t->tg;
	bool consume = t->jobctl & JOBCTL_STOP_CONSUME;

	mutex_assert_held(&tg->siglock);
	t->jobctl &= ~(JOBCTL_STOP_PENDING | JOBCTL_STOP_CONSUME | JOBCTL_STOP_DEQUEUED);
	if (!consume)
		return false;
	if (tg->group_stop_count > 0)
		tg->group_stop_count--;
	if (tg->group_stop_count || (tg->flags & TG_STOPPED))
		return false;
	tg->flags = (tg->flags & ~TG_CONTINUED) | TG_STOPPED;
	return true;
}

/* Asks every thread to stop for @sig.  False when the stop was cancelled in the meantime. */
static bool stop_begin(int sig)
{
	struct task *me = current, *t;
	struct tgroup *tg = me->tg;
	unsigned stop = (unsigned)sig | JOBCTL_STOP_PENDING | JOBCTL_STOP_CONSUME;

	if (!(me->jobctl & JOBCTL_STOP_DEQUEUED) || (tg->flags & TG_EXITING) || tg->group_exec_task)
		return false;
	if (!(tg->flags & TG_STOPPED))
		tg->group_exit_code = sig;
	tg->group_stop_count = 0;
	if (jobctl_set_pending(me, stop))
		tg->group_stop_count++;
	list_for_each_entry(t, &tg->threads, thread_link) {
		if (t == me || (t->jobctl & JOBCTL_STOPPED) || !jobctl_set_pending(t, stop))
			continue;
		tg->group_stop_count++;
		if (t->ptrace & PT_SEIZED)
			t->jobctl |= JOBCTL_TRAP_NOTIFY;
		signal_wake_up(t, false);
	}
	return true;
}

/*
 * Takes part in a group stop, starting it for @sig when none is pending (0: only takes part).  siglock is held; true: it was
 * dropped, and the task has stopped and gone on.
 */
static bool signal_stop(int sig)
{
	struct task *me = current;
	struct tgroup *tg = me->tg;
	bool notify;

	if (!(me->jobctl & JOBCTL_STOP_PENDING) && !stop_begin(sig))
		return false;
	if (!(me->jobctl & JOBCTL_STOP_PENDING))
		return false;
	/* A traced task stops as such, and its tracer is told. */
	if (me->ptrace) {
		jobctl_set_pending(me, JOBCTL_TRAP_STOP);
		return false;
	}
	notify = jobctl_participate(me);
	me->jobctl |= JOBCTL_STOPPED;
	mutex_unlock(&tg->siglock);
	if (notify)
		task_notify_parent_stop(me, LINUX_CLD_STOPPED);
	while (atomic_load(&me->jobctl) & JOBCTL_STOPPED)
		sleeper_sleep(SLEEP_KILLABLE, NO_DEADLINE);
	return true;
}

/*
 * Frozen, or out of time: the task sleeps until it is let go or must die.  siglock is held, and dropped.  As in Linux, a signal that comes
 * meanwhile is taken afterwards.
 */
static void task_sleep_held(void)
{
	struct task *me = current;
	struct tgroup *tg = me->tg;

	atomic_store(&me->is_held, true);
	mutex_unlock(&tg->siglock);
	if (atomic_load(&tg->held) & TG_HELD_FROZEN)
		cgroup_frozen_changed(tg);
	while (atomic_load(&tg->held) && !atomic_load(&me->sleeper.killed))
		sleeper_sleep(SLEEP_KILLABLE, NO_DEADLINE);
	atomic_store(&me->is_held, false);
}

/* --- taking signals --- */

/* Tells the parent of a stop or continuation that SIGCONT found.  True: siglock was dropped. */
static bool signal_report_cld(void)
{
	struct tgroup *tg = current->tg;
	int why;

	if (!(tg->flags & (TG_NOTIFY_STOPPED | TG_NOTIFY_CONTINUED)))
		return false;
	why = tg->flags & TG_NOTIFY_CONTINUED ? LINUX_CLD_CONTINUED : LINUX_CLD_STOPPED;
	tg->flags &= ~(TG_NOTIFY_STOPPED | TG_NOTIFY_CONTINUED);
	mutex_unlock(&tg->siglock);
	task_notify_parent_stop(current, why);
	return true;
}

/* The handler of @sig, reset when it is to run once. */
static struct linux_sigaction take_action(struct sighand *sh, int sig)
{
	struct linux_sigaction sa;

	MUTEX_GUARD(&sh->lock);
	sa = sh->action[sig - 1];
	if (sa.handler != LINUX_SIG_DFL && sa.handler != LINUX_SIG_IGN && (sa.flags & LINUX_SA_RESETHAND))
		sh->action[sig - 1].handler = LINUX_SIG_DFL;
	return sa;
}

enum signal_action { ACT_NONE, ACT_HANDLE, ACT_EXIT, ACT_AGAIN };

/* The default action of @info's signal.  siglock held; dropped when it returns ACT_AGAIN or ACT_EXIT. */
static enum signal_action signal_default(const struct linux_siginfo *info)
{
	struct tgroup *tg = current->tg;
	int sig = info->si_signo;

	if (sig_in(SIGMASK_IGNORE, sig) || (tg->flags & TG_UNKILLABLE))
		return ACT_NONE;
	if (sig_in(SIGMASK_STOP, sig)) {
		if (sig != LINUX_SIGSTOP) {
			bool orphaned;

			/* pids_lock is outside siglock: SIGCONT may come in between, and then stop_begin sees it. */
			mutex_unlock(&tg->siglock);
			orphaned = pgrp_is_orphaned(current_pgrp());
			mutex_lock(&tg->siglock);
			if (orphaned)
				return ACT_NONE;
		}
		return signal_stop(sig) ? ACT_AGAIN : ACT_NONE;
	}
	mutex_unlock(&tg->siglock);
	crash_report(info);
	tgroup_exit_request(sig);
	return ACT_EXIT;
}

#define SIGNAL_DROPPED (-1)

/* A traced task shows each signal to its tracer first, who may drop it.  0: there is none. */
static int signal_dequeue(struct linux_siginfo *info)
{
	struct task *t = current;
	int sig = signal_dequeue_locked(t, t->blocked, info);

	if (sig && t->ptrace && sig != LINUX_SIGKILL) {
		sig = ptrace_signal_locked(sig, info);
		return sig ? sig : SIGNAL_DROPPED;
	}
	return sig;
}

/* One round: takes a signal.  siglock held; dropped unless it returns ACT_NONE. */
static enum signal_action signal_take_one(struct linux_sigaction *ret_sa, struct linux_siginfo *info, bool *ret_found)
{
	struct task *t = current;
	struct tgroup *tg = t->tg;
	enum signal_action act;
	int sig;

	*ret_found = true;
	if ((tg->flags & TG_EXITING) || tg->group_exec_task) {
		t->pending.signal &= ~LINUX_SIGMASK(LINUX_SIGKILL);
		signal_recalc_locked(t);
		mutex_unlock(&tg->siglock);
		task_exit_request(tg->flags & TG_EXITING ? tg->group_exit_code : LINUX_SIGKILL);
		return ACT_EXIT;
	}
	if (unlikely(atomic_load(&tg->held)) && !atomic_load(&t->sleeper.killed)) {
		task_sleep_held();
		return ACT_AGAIN;
	}
	if ((t->jobctl & JOBCTL_STOP_PENDING) && signal_stop(0))
		return ACT_AGAIN;
	if (t->jobctl & (JOBCTL_TRAP_STOP | JOBCTL_TRAP_NOTIFY)) {
		ptrace_jobctl_trap_locked();
		return ACT_AGAIN;
	}
	sig = signal_dequeue(info);
	*ret_found = sig;
	if (!sig || sig == SIGNAL_DROPPED)
		return ACT_NONE;
	*ret_sa = take_action(tg->sighand, sig);
	/* Hooks of the trace read guest memory: not under siglock. */
	mutex_unlock(&tg->siglock);
	trace_signal(info, sig, info->si_code, info->fault.addr, ret_sa->handler);
	if (ret_sa->handler != LINUX_SIG_DFL && ret_sa->handler != LINUX_SIG_IGN)
		return ACT_HANDLE;
	mutex_lock(&tg->siglock);
	if (ret_sa->handler == LINUX_SIG_IGN)
		return ACT_NONE;
	act = signal_default(info);
	return act;
}

/* True: *ret_sa is the handler to enter.  False: nothing more to do, or the task ends. */
static bool signal_get(struct linux_sigaction *ret_sa, struct linux_siginfo *info)
{
	struct tgroup *tg = current->tg;
	enum signal_action act;
	bool found;

again:
	mutex_lock(&tg->siglock);
	if (signal_report_cld())
		goto again;
	do {
		act = signal_take_one(ret_sa, info, &found);
	} while (act == ACT_NONE && found);
	if (act == ACT_AGAIN)
		goto again;
	if (act == ACT_NONE) {
		signal_recalc_locked(current);
		mutex_unlock(&tg->siglock);
	}
	return act == ACT_HANDLE;
}

/* --- handlers and restarts --- */

static bool in_restartable_syscall(int64_t ret)
{
	return current->in_syscall && (ret == -LINUX_ERESTARTSYS || ret == -LINUX_ERESTARTNOINTR ||
				       ret == -LINUX_ERESTARTNOHAND || ret == -LINUX_ERESTART_RESTARTBLOCK);
}

static void syscall_again(uint64_t nr)
{
	struct guest_regs *r = &current->ctx->regs;

	r->rax = nr;
	r->rip -= SYSCALL_INSN_SIZE;
	current->ctx->regs_dirty = true;
}

/* A handler is about to run: the call it interrupted fails with EINTR, or is made again when the handler returns. */
static void syscall_interrupted(const struct linux_sigaction *sa)
{
	struct guest_regs *r = &current->ctx->regs;
	int64_t ret = (int64_t)r->rax;

	if (!in_restartable_syscall(ret))
		return;
	if (ret == -LINUX_ERESTARTNOINTR || (ret == -LINUX_ERESTARTSYS && (sa->flags & LINUX_SA_RESTART))) {
		syscall_again(current->syscall_nr);
		return;
	}
	r->rax = (uint64_t)-LINUX_EINTR;
	current->ctx->regs_dirty = true;
}

static void syscall_restart(void)
{
	int64_t ret = (int64_t)current->ctx->regs.rax;

	if (in_restartable_syscall(ret))
		syscall_again(ret == -LINUX_ERESTART_RESTARTBLOCK ? NR_restart_syscall : current->syscall_nr);
}

static void handler_enter(const struct linux_sigaction *sa, const struct linux_siginfo *info)
{
	struct task *t = current;
	linux_sigset_t mask = t->restore_sigmask ? t->saved_sigmask : t->blocked, blocked;

	syscall_interrupted(sa);
	if (sigframe_setup(sa, info, mask)) {
		signal_force_sigsegv(info->si_signo);
		return;
	}
	t->in_syscall = false;
	t->restore_sigmask = false;
	blocked = t->blocked | sa->mask;
	if (!(sa->flags & LINUX_SA_NODEFER))
		blocked |= LINUX_SIGMASK(info->si_signo);
	sigmask_set(blocked);
	ptrace_step_into_handler();
}

void signal_deliver(void)
{
	struct task *t = current;
	struct linux_sigaction sa;
	struct linux_siginfo info;
	bool handled = false;

	/* Each frame goes on top of the one before, so the last one runs first, as on Linux. */
	while (!t->must_exit && atomic_load(&t->sleeper.interrupted)) {
		if (!signal_get(&sa, &info))
			break;
		handler_enter(&sa, &info);
		handled = true;
	}
	if (t->must_exit || handled)
		return;
	syscall_restart();
	if (t->restore_sigmask) {
		t->restore_sigmask = false;
		sigmask_set(t->saved_sigmask);
	}
}
