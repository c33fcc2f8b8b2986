/* SPDX-License-Identifier: Apache-2.0 */
/* After kernel/ptrace.c and the traced parts of kernel/signal.c of Linux. */
#include "sentry/kernel/ptrace.h"

#include "sentry/kernel/exit.h"
#include "sentry/kernel/jobctl.h"
#include "sentry/kernel/task.h"
#include "sentry/kernel/wait.h"

/* --- work for a stopped task --- */

struct ptrace_work {
	int (*fn)(struct task *t, void *arg);
	void *arg;
	int ret;
	atomic_bool done;
	struct waitq wait;
};

static void work_finish(struct ptrace_work *w, int ret)
{
	w->ret = ret;
	mutex_lock(&w->wait.lock);
	atomic_store(&w->done, true);
	mutex_unlock(&w->wait.lock);
	waitq_wake(&w->wait, 0);
}

/* Does what the tracer has for current.  False when there's nothing. */
static bool work_run(void)
{
	struct task *t = current;
	struct ptrace_work *w;

	mutex_lock(&t->tg->siglock);
	w = t->ptrace_work;
	t->ptrace_work = NULL;
	mutex_unlock(&t->tg->siglock);
	if (w)
		work_finish(w, w->fn(t, w->arg));
	return w;
}

/* current leaves its stop: what the tracer still wants can't be had. */
static void work_cancel_locked(struct task *t)
{
	struct ptrace_work *w = t->ptrace_work;

	t->ptrace_work = NULL;
	if (w)
		work_finish(w, -LINUX_ESRCH);
}

int ptrace_run_in(struct task *t, int (*fn)(struct task *t, void *arg), void *arg)
{
	struct ptrace_work w = { .fn = fn, .arg = arg };
	bool stopped;

	waitq_init(&w.wait);
	mutex_lock(&t->tg->siglock);
	stopped = (t->jobctl & JOBCTL_TRACED) && !t->ptrace_work;
	if (stopped) {
		t->ptrace_work = &w;
		sleeper_wake(&t->sleeper);
	}
	mutex_unlock(&t->tg->siglock);
	if (!stopped)
		return -LINUX_ESRCH;
	/* It's done in a moment: the thread does nothing else while it's stopped. */
	waitq_wait(&w.wait, atomic_load(&w.done), SLEEP_UNINTERRUPTIBLE, NO_DEADLINE);
	/* Whoever finished it may still be waking. */
	mutex_lock(&t->tg->siglock);
	mutex_unlock(&t->tg->siglock);
	waitq_fini(&w.wait);
	return w.ret;
}

/* --- stopping --- */

static void ptrace_notify_tracer(struct task *t, int why, bool group_stop_done)
{
	MUTEX_GUARD(&pids_lock);
	if (t->ptrace)
		task_notify_tracer_locked(t, why);
	if (group_stop_done && (!t->ptrace || ptrace_reparented(t)))
		task_notify_parent_stop_locked(t, why);
}

/*
 * Stops current until the tracer resumes it.  siglock is held and is held again on return.  @code: the exit_code that wait
 * shows.  Returns what the tracer left there: the signal to go on with.
 */
static int ptrace_stop_locked(int code, int why, uint64_t message, struct linux_siginfo *info)
{
	struct task *t = current;
	struct tgroup *tg = t->tg;
	bool group_stop_done = false;

	if (!t->ptrace || atomic_load(&t->sleeper.killed))
		return code;
	t->last_siginfo = info;
	t->ptrace_message = message;
	t->exit_code = code;
	if (why == LINUX_CLD_STOPPED && (t->jobctl & JOBCTL_STOP_PENDING))
		group_stop_done = jobctl_participate(t);
	t->jobctl &= ~(JOBCTL_TRAP_STOP | JOBCTL_TRAP_NOTIFY);
	t->jobctl |= JOBCTL_TRACED;
	mutex_unlock(&tg->siglock);
	ptrace_notify_tracer(t, why, group_stop_done);
	while (t->jobctl & JOBCTL_TRACED)
		if (!work_run())
			sleeper_sleep(SLEEP_KILLABLE, NO_DEADLINE);
	mutex_lock(&tg->siglock);
	work_cancel_locked(t);
	t->last_siginfo = NULL;
	t->jobctl &= ~JOBCTL_LISTENING;
	signal_recalc_locked(t);
	return atomic_exchange(&t->exit_code, 0);
}

/* A stop that isn't a signal's: si_code tells what it is. */
static int ptrace_notify_locked(int sig, int code, int why, uint64_t message)
{
	struct linux_siginfo info;

	siginfo_init(&info, sig, code);
	info.rt.pid = task_tid(current);
	info.rt.uid = current->cred->uid;
	return ptrace_stop_locked(code, why, message, &info);
}

static int ptrace_notify(int code, uint64_t message)
{
	MUTEX_GUARD(&current->tg->siglock);
	return ptrace_notify_locked(LINUX_SIGTRAP, code, LINUX_CLD_TRAPPED, message);
}

int ptrace_signal_locked(int sig, struct linux_siginfo *info)
{
	struct task *t = current;

	/* A stop signal that the tracer passes on stops, unless SIGCONT comes in the meantime. */
	t->jobctl |= JOBCTL_STOP_DEQUEUED;
	sig = ptrace_stop_locked(sig, LINUX_CLD_TRAPPED, 0, info);
	if (!sig)
		return 0;
	if (!sig_valid(sig))
		return 0;
	if (sig != info->si_signo) {
		siginfo_init(info, sig, LINUX_SI_USER);
		if (t->parent) {
			info->rt.pid = task_tgid(t->parent);
			info->rt.uid = t->cred->uid;
		}
	}
	/* It may have become blocked: back to the queue. */
	if (sig_in(t->blocked, sig) || atomic_load(&t->sleeper.killed)) {
		signal_send_locked(t, info, false, 0);
		return 0;
	}
	return sig;
}

void ptrace_jobctl_trap_locked(void)
{
	struct task *t = current;
	struct tgroup *tg = t->tg;
	int sig = (int)(t->jobctl & JOBCTL_STOP_SIGMASK);

	if (t->ptrace & PT_SEIZED) {
		if (!tg->group_stop_count && !(tg->flags & TG_STOPPED))
			sig = LINUX_SIGTRAP;
		ptrace_notify_locked(sig, sig | LINUX_PTRACE_EVENT_STOP << 8, LINUX_CLD_STOPPED, 0);
	} else if (t->ptrace) {
		ptrace_stop_locked(sig, LINUX_CLD_STOPPED, 0, NULL);
	}
	/* Not traced any more: what was asked for is void. */
	t->jobctl &= ~(JOBCTL_TRAP_STOP | JOBCTL_TRAP_NOTIFY);
	mutex_unlock(&tg->siglock);
}

void ptrace_event(int event, uint64_t message)
{
	if (current->ptrace && PT_EVENT_ENABLED(current, event))
		ptrace_notify(event << 8 | LINUX_SIGTRAP, message);
}

void ptrace_event_exec(int old_tid)
{
	struct task *t = current;
	struct linux_siginfo info;

	if (!t->ptrace)
		return;
	if (PT_EVENT_ENABLED(t, LINUX_PTRACE_EVENT_EXEC)) {
		ptrace_event(LINUX_PTRACE_EVENT_EXEC, (uint64_t)old_tid);
	} else if (!(t->ptrace & PT_SEIZED)) {
		siginfo_init_user(&info, LINUX_SIGTRAP, LINUX_SI_USER);
		signal_send_task(t, &info, 0);
	}
}

void ptrace_event_exit(int status)
{
	ptrace_event(LINUX_PTRACE_EVENT_EXIT, (uint64_t)status);
}

void ptrace_step_into_handler(void)
{
	if (!current->ptrace || !current->singlestep)
		return;
	current->singlestep = false;
	ptrace_notify(LINUX_SIGTRAP, 0);
}

/* --- system calls --- */

/* What the tracer left in exit_code is a signal to send. */
static void ptrace_report_syscall(uint64_t message)
{
	int code = LINUX_SIGTRAP | (PT_OPT(current) & LINUX_PTRACE_O_TRACESYSGOOD ? 0x80 : 0), sig;
	struct linux_siginfo info;

	sig = ptrace_notify(code, message);
	/* Killed on the way, there was no stop. */
	if (!sig_valid(sig) || signal_fatal_pending())
		return;
	siginfo_init(&info, sig, LINUX_SI_KERNEL);
	signal_send_task(current, &info, 0);
}

bool ptrace_syscall_enter(void)
{
	struct task *t = current;
	unsigned mode = t->ptrace_syscall;

	t->ctx->regs.rax = (uint64_t)-LINUX_ENOSYS;
	ptrace_report_syscall(LINUX_PTRACE_EVENTMSG_SYSCALL_ENTRY);
	if (signal_fatal_pending() || mode == PTRACE_SYSCALL_EMULATE)
		return false;
	return t->in_syscall && t->syscall_nr != NO_SYSCALL;
}

void ptrace_syscall_exit(void)
{
	struct task *t = current;

	if (t->ptrace && t->singlestep)
		signal_force_fault(LINUX_SIGTRAP, LINUX_TRAP_BRKPT, t->ctx->regs.rip);
	else if (t->ptrace && t->ptrace_syscall == PTRACE_SYSCALL_TRACE)
		ptrace_report_syscall(LINUX_PTRACE_EVENTMSG_SYSCALL_EXIT);
}

/* --- relations --- */

bool ptrace_reparented(struct task *t)
{
	return t->real_parent && t->parent && t->real_parent->tg != t->parent->tg;
}

static void set_ptrace(struct task *t, unsigned flags)
{
	mutex_assert_held(&t->tg->siglock);
	t->ptrace = flags;
	if (!flags) {
		t->ptrace_syscall = PTRACE_SYSCALL_NONE;
		t->singlestep = false;
	}
}

int ptrace_link_locked(struct task *t, struct task *tracer, unsigned flags)
{
	mutex_assert_held(&pids_lock);
	if (t->ptrace || t->exit_state != EXIT_NONE || tracer->exiting)
		return -LINUX_EPERM;
	mutex_lock(&t->tg->siglock);
	set_ptrace(t, flags);
	mutex_unlock(&t->tg->siglock);
	t->parent = tracer;
	list_add_tail(&t->ptrace_link, &tracer->ptraced);
	return 0;
}

int ptrace_clone_event(uint64_t flags, int exit_signal)
{
	int event;

	if (!current->ptrace || (flags & LINUX_CLONE_UNTRACED))
		return 0;
	if (flags & LINUX_CLONE_VFORK)
		event = LINUX_PTRACE_EVENT_VFORK;
	else if ((flags & LINUX_CLONE_THREAD) || exit_signal != LINUX_SIGCHLD)
		event = LINUX_PTRACE_EVENT_CLONE;
	else
		event = LINUX_PTRACE_EVENT_FORK;
	return PT_EVENT_ENABLED(current, event) ? event : 0;
}

/* The child is traced by the same tracer, and stops before its first instruction. */
void ptrace_clone_locked(struct task *child, uint64_t flags, int event)
{
	struct task *t = current;

	mutex_assert_held(&pids_lock);
	if (!t->ptrace || (!event && !(flags & LINUX_CLONE_PTRACE)))
		return;
	set_ptrace(child, t->ptrace);
	child->parent = t->parent;
	list_add_tail(&child->ptrace_link, &t->parent->ptraced);
	if (child->ptrace & PT_SEIZED)
		child->jobctl |= JOBCTL_TRAP_STOP;
	else
		child->pending.signal |= LINUX_SIGMASK(LINUX_SIGSTOP);
	atomic_store(&child->sleeper.interrupted, true);
}

void ptrace_unlink_locked(struct task *t)
{
	struct tgroup *tg = t->tg;

	mutex_assert_held(&pids_lock);
	if (!t->ptrace)
		return;
	t->parent = t->real_parent;
	list_del(&t->ptrace_link);
	mutex_lock(&tg->siglock);
	set_ptrace(t, 0);
	t->jobctl &= ~(JOBCTL_TRAP_STOP | JOBCTL_TRAP_NOTIFY);
	/* Its process is stopped, or stopping: it joins in. */
	if (!t->exiting && ((tg->flags & TG_STOPPED) || tg->group_stop_count))
		t->jobctl |= JOBCTL_STOP_PENDING;
	if ((t->jobctl & JOBCTL_STOP_PENDING) || (t->jobctl & JOBCTL_TRACED)) {
		t->jobctl &= ~JOBCTL_TRACED;
		signal_wake_up(t, false);
	}
	mutex_unlock(&tg->siglock);
}

bool ptrace_detach_locked(struct task *tracer, struct task *t)
{
	bool dead = false;

	ptrace_unlink_locked(t);
	if (t->exit_state != EXIT_ZOMBIE)
		return false;
	if (t->tg->leader == t && t->tg->nr_threads == 1) {
		if (t->real_parent && t->real_parent->tg != tracer->tg)
			dead = task_notify_parent_locked(t, t->exit_signal);
		else if (tgroup_ignores_children(tracer->tg))
			dead = true;
	} else if (t->tg->leader != t) {
		dead = true;
	}
	return dead;
}

bool ptrace_reaped_locked(struct task *t, bool *ret_dead)
{
	*ret_dead = false;
	if (!t->ptrace || !ptrace_reparented(t) || t->tg->leader != t)
		return false;
	ptrace_unlink_locked(t);
	*ret_dead = task_notify_parent_locked(t, t->exit_signal);
	return true;
}

void ptrace_exit_locked(struct task *tracer, struct list_head *dead)
{
	struct task *t, *tmp;

	list_for_each_entry_safe(t, tmp, &tracer->ptraced, ptrace_link) {
		if (PT_OPT(t) & LINUX_PTRACE_O_EXITKILL)
			signal_kernel_tgroup(t->tg, LINUX_SIGKILL);
		if (ptrace_detach_locked(tracer, t))
			task_dead_add_locked(dead, t);
	}
}
