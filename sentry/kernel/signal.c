/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sending signals: who may, what is dropped, which thread is chosen, how it is told.  After kernel/signal.c of Linux.
 */
#include "sentry/kernel/signal.h"

#include "sentry/abi/errno.h"
#include "sentry/base/trace.h"
#include "sentry/kernel/ptrace.h"
#include "sentry/kernel/task.h"
#include "sentry/kernel/timers.h"
#include "sentry/kernel/user.h"
#include "vfs/user_ns.h"

void siginfo_init_user(struct linux_siginfo *info, int sig, int code)
{
	siginfo_init(info, sig, code);
	info->rt.pid = task_tgid(current);
	info->rt.uid = from_kuid_munged(current->cred->user_ns, current->cred->uid);
}

/* @t is interrupted: sleeps end, the guest is left.  @kill: killable sleeps, and stops, too. */
void signal_wake_up(struct task *t, bool kill)
{
	mutex_assert_held(&t->tg->siglock);
	atomic_store(&t->sleeper.interrupted, true);
	if (kill) {
		atomic_store(&t->sleeper.killed, true);
		t->jobctl &= ~(JOBCTL_STOPPED | JOBCTL_TRACED);
	}
	sleeper_wake(&t->sleeper);
	/* in_guest was set before the task looked at `interrupted` for the last time: one of the two sides sees the other. */
	if (atomic_load(&t->in_guest) && t->ctx)
		platform->interrupt(t->ctx);
}

static bool signal_has_work(struct task *t)
{
	return atomic_load(&t->tg->held) || ((t->pending.signal | t->tg->shared_pending.signal) & ~t->blocked) ||
	       (t->jobctl & (JOBCTL_STOP_PENDING | JOBCTL_TRAP_STOP | JOBCTL_TRAP_NOTIFY));
}

void signal_recalc_locked(struct task *t)
{
	mutex_assert_held(&t->tg->siglock);
	atomic_store(&t->sleeper.interrupted, signal_has_work(t));
}

void tgroup_hold(struct tgroup *tg, unsigned bits, bool on)
{
	struct task *t;

	MUTEX_GUARD(&tg->siglock);
	if (on == ((atomic_load(&tg->held) & bits) == bits))
		return;
	if (on)
		atomic_fetch_or(&tg->held, bits);
	else
		atomic_fetch_and(&tg->held, ~bits);
	list_for_each_entry(t, &tg->threads, thread_link) {
		if (on)
			signal_wake_up(t, false);
		else
			sleeper_wake(&t->sleeper);
	}
}

bool signal_pending(void)
{
	return atomic_load(&current->sleeper.interrupted);
}

bool signal_fatal_pending(void)
{
	return atomic_load(&current->sleeper.killed);
}

/* --- what a signal does before it is queued --- */

static bool handler_is_default_ignore(uint64_t handler, int sig)
{
	return handler == LINUX_SIG_IGN || (handler == LINUX_SIG_DFL && sig_in(SIGMASK_IGNORE, sig));
}

static bool signal_is_ignored(struct task *t, int sig, unsigned flags)
{
	struct tgroup *tg = t->tg;
	uint64_t handler;

	/* A blocked signal may get a handler before it is unblocked. */
	if (sig_in(task_sigmask_locked(t) | t->real_blocked, sig))
		return false;
	if (t->ptrace && sig != LINUX_SIGKILL)
		return false;
	handler = sighand_action(tg->sighand, sig).handler;
	if ((tg->flags & TG_UNKILLABLE) && handler == LINUX_SIG_DFL && !(flags & SIG_FORCE))
		return true;
	/* strace shows ignored signals too: under ptrace(2) they are delivered to be dropped. */
	if (unlikely(trace_flags & TRACE_HOOKS))
		return false;
	return handler_is_default_ignore(handler, sig);
}

static void tgroup_flush_pending(struct tgroup *tg, linux_sigset_t mask)
{
	struct task *t;

	sigpending_flush_mask(&tg->shared_pending, mask);
	list_for_each_entry(t, &tg->threads, thread_link)
		sigpending_flush_mask(&t->pending, mask);
}

/* A seized task tells its tracer of a change of its process's stop. */
static void ptrace_trap_notify(struct task *t)
{
	t->jobctl |= JOBCTL_TRAP_NOTIFY;
	if (t->jobctl & JOBCTL_LISTENING)
		t->jobctl &= ~JOBCTL_TRACED;
	signal_wake_up(t, false);
}

/* SIGCONT wakes what is stopped, whether it is blocked, ignored or handled. */
static void tgroup_continue(struct tgroup *tg)
{
	unsigned why = 0;
	struct task *t;

	tgroup_flush_pending(tg, SIGMASK_STOP);
	list_for_each_entry(t, &tg->threads, thread_link) {
		t->jobctl &= ~(JOBCTL_STOP_PENDING | JOBCTL_STOP_CONSUME | JOBCTL_STOP_DEQUEUED);
		if (t->ptrace & PT_SEIZED) {
			ptrace_trap_notify(t);
		} else if (t->jobctl & JOBCTL_STOPPED) {
			t->jobctl &= ~JOBCTL_STOPPED;
			sleeper_wake(&t->sleeper);
		}
	}
	/*
	 * The parent is told by the thread that wakes first.  A stop that was under way counts as done: both events, in
	 * order, merge into one notification.
	 */
	if (tg->flags & TG_STOPPED)
		why = TG_NOTIFY_CONTINUED;
	else if (tg->group_stop_count)
		why = TG_NOTIFY_STOPPED;
	if (why) {
		tg->flags &= ~(TG_STOPPED | TG_NOTIFY_STOPPED | TG_NOTIFY_CONTINUED);
		tg->flags |= why | TG_CONTINUED;
		tg->group_stop_count = 0;
		tg->group_exit_code = 0;
	}
}

/* False when the signal is to be dropped. */
static bool signal_prepare(struct task *t, int sig, unsigned flags)
{
	struct tgroup *tg = t->tg;

	if (tg->flags & TG_EXITING)
		return false;
	if (sig_in(SIGMASK_STOP, sig))
		tgroup_flush_pending(tg, LINUX_SIGMASK(LINUX_SIGCONT));
	else if (sig == LINUX_SIGCONT)
		tgroup_continue(tg);
	return !signal_is_ignored(t, sig, flags);
}

/* --- who takes it --- */

static bool task_wants_signal(struct task *t, int sig)
{
	if (sig_in(t->blocked, sig) || t->exiting)
		return false;
	if (sig == LINUX_SIGKILL)
		return true;
	if (t->jobctl & (JOBCTL_STOPPED | JOBCTL_TRACED))
		return false;
	return t == current || !atomic_load(&t->sleeper.interrupted);
}

/* The thread to tell about a process signal: @t if it wants it, else the next one round that does. */
static struct task *signal_choose_thread(struct task *t, int sig)
{
	struct tgroup *tg = t->tg;
	struct task *pos;

	if (task_wants_signal(t, sig))
		return t;
	pos = tg->curr_target ? tg->curr_target : t;
	for (unsigned i = 0; i <= tg->nr_threads; i++) {
		if (task_wants_signal(pos, sig)) {
			tg->curr_target = pos;
			return pos;
		}
		pos = pos->thread_link.next == &tg->threads ? list_first_entry(&tg->threads, struct task, thread_link)
							    : list_next_entry(pos, thread_link);
	}
	return NULL;
}

static bool signal_is_fatal(struct task *t, int sig)
{
	return !sig_in(SIGMASK_IGNORE | SIGMASK_STOP, sig) &&
	       sighand_action(t->tg->sighand, sig).handler == LINUX_SIG_DFL;
}

void tgroup_exit_start_locked(struct tgroup *tg, int status)
{
	struct task *t;

	mutex_assert_held(&tg->siglock);
	if (tg->flags & TG_EXITING)
		return;
	tg->flags = (tg->flags & ~(TG_STOPPED | TG_CONTINUED | TG_NOTIFY_STOPPED | TG_NOTIFY_CONTINUED)) | TG_EXITING;
	tg->group_exit_code = status;
	tg->group_stop_count = 0;
	list_for_each_entry(t, &tg->threads, thread_link) {
		t->jobctl &= ~(JOBCTL_STOP_PENDING | JOBCTL_STOP_CONSUME | JOBCTL_TRAP_STOP | JOBCTL_TRAP_NOTIFY);
		if (t->exiting)
			continue;
		t->pending.signal |= LINUX_SIGMASK(LINUX_SIGKILL);
		signal_wake_up(t, true);
	}
}

static void signal_complete(struct task *t, int sig, bool shared)
{
	struct tgroup *tg = t->tg;

	if (shared)
		t = signal_choose_thread(t, sig);
	else if (!task_wants_signal(t, sig))
		t = NULL;
	/* Nobody: it stays pending until somebody unblocks it. */
	if (!t)
		return;
	if (signal_is_fatal(t, sig) && !sig_in(t->real_blocked | task_sigmask_locked(t), sig) && (sig == LINUX_SIGKILL || !t->ptrace) &&
	    !sig_in(SIGMASK_COREDUMP, sig)) {
		tgroup_exit_start_locked(tg, sig);
		return;
	}
	signal_wake_up(t, sig == LINUX_SIGKILL);
}

static int signal_queue(struct task *t, const struct linux_siginfo *info, bool shared)
{
	struct sigpending *pending = shared ? &t->tg->shared_pending : &t->pending;
	struct user *user;
	int err;

	mutex_lock(&t->lock);
	user = t->user ? user_get(t->user) : NULL;
	mutex_unlock(&t->lock);
	err = sigpending_add(pending, info, user, READ_ONCE(t->tg->rlim[LINUX_RLIMIT_SIGPENDING].rlim_cur));
	user_put(user);
	return err;
}

/*
 * What a sender in another namespace looks like from here: IDs are translated, and a process that isn't seen is 0.  Only from a
 * namespace above can an init be killed or stopped.
 */
static unsigned siginfo_localize(struct task *t, struct linux_siginfo *info, unsigned flags)
{
	const struct user_namespace *ns;
	int sig = info->si_signo;

	if (info->si_code != LINUX_SI_USER && info->si_code != LINUX_SI_QUEUE && info->si_code != LINUX_SI_TKILL)
		return flags;
	mutex_lock(&t->lock);
	ns = t->cred->user_ns;
	if (ns != current->cred->user_ns)
		info->rt.uid = from_kuid_munged(ns, make_kuid(current->cred->user_ns, info->rt.uid));
	mutex_unlock(&t->lock);
	if (pid_nr_ns(current->pid, pid_ns_of(t->tg->pid)))
		return flags;
	info->rt.pid = 0;
	return flags | (sig == LINUX_SIGKILL || sig == LINUX_SIGSTOP ? SIG_FORCE : 0);
}

int signal_send_locked(struct task *t, const struct linux_siginfo *given, bool shared, unsigned flags)
{
	struct linux_siginfo local = *given;
	const struct linux_siginfo *info = &local;
	struct tgroup *tg = t->tg;
	int sig = info->si_signo, err;

	mutex_assert_held(&tg->siglock);
	BUG_ON(!sig_valid(sig));
	if (current)
		flags = siginfo_localize(t, &local, flags);
	if (!signal_prepare(t, sig, flags))
		return 0;
	/* From outside, a default action that ends PID 1 ends it. */
	if ((flags & SIG_FORCE) && (tg->flags & TG_UNKILLABLE) && signal_is_fatal(t, sig))
		tg->flags &= ~TG_UNKILLABLE;
	err = signal_queue(t, info, shared);
	if (err)
		return err;
	trace_signal_send(sig, task_tid(t), info->si_code);
	waitq_wake(&tg->signalfd_wait, 0);
	signal_complete(t, sig, shared);
	return 0;
}

/* A timer's own entry is pending already: only somebody must look.  False when it is ignored. */
bool signal_send_owned_locked(struct task *t, struct sigqueue *q, bool shared)
{
	int sig = q->info.si_signo;

	mutex_assert_held(&t->tg->siglock);
	if (!signal_prepare(t, sig, 0))
		return false;
	sigpending_add_owned(shared ? &t->tg->shared_pending : &t->pending, q);
	waitq_wake(&t->tg->signalfd_wait, 0);
	signal_complete(t, sig, shared);
	return true;
}

int signal_send_task(struct task *t, const struct linux_siginfo *info, unsigned flags)
{
	MUTEX_GUARD(&t->tg->siglock);
	return signal_send_locked(t, info, false, flags);
}

int signal_send_tgroup(struct tgroup *tg, const struct linux_siginfo *info, unsigned flags)
{
	MUTEX_GUARD(&tg->siglock);
	if (list_empty(&tg->threads))
		return -LINUX_ESRCH;
	return signal_send_locked(list_first_entry(&tg->threads, struct task, thread_link), info, true, flags);
}

int signal_send_pgrp_locked(struct pid *pgrp, const struct linux_siginfo *info, unsigned flags)
{
	struct tgroup *tg;
	int ret = -LINUX_ESRCH;

	mutex_assert_held(&pids_lock);
	list_for_each_entry(tg, &pgrp->pgrp, pgrp_link)
		if (signal_send_tgroup(tg, info, flags) == 0)
			ret = 0;
	return ret;
}

void signal_kernel_tgroup(struct tgroup *tg, int sig)
{
	struct linux_siginfo info;

	siginfo_init(&info, sig, LINUX_SI_KERNEL);
	signal_send_tgroup(tg, &info, 0);
}

void signal_kernel_pgrp_locked(struct pid *pgrp, int sig)
{
	struct linux_siginfo info;

	siginfo_init(&info, sig, LINUX_SI_KERNEL);
	signal_send_pgrp_locked(pgrp, &info, 0);
}

void signal_kill_tgroup(struct tgroup *tg)
{
	MUTEX_GUARD(&tg->siglock);
	tgroup_exit_start_locked(tg, LINUX_SIGKILL);
}

/* --- signals that can't be missed --- */

static void signal_force_handler(const struct linux_siginfo *info, bool must_die)
{
	struct task *t = current;
	struct tgroup *tg = t->tg;
	struct linux_sigaction *sa;
	int sig = info->si_signo;
	bool blocked;

	MUTEX_GUARD(&tg->siglock);
	mutex_lock(&tg->sighand->lock);
	sa = &tg->sighand->action[sig - 1];
	blocked = sig_in(t->blocked, sig);
	if (blocked || must_die || sa->handler == LINUX_SIG_IGN) {
		sa->handler = LINUX_SIG_DFL;
		t->blocked &= ~LINUX_SIGMASK(sig);
	}
	if (sa->handler == LINUX_SIG_DFL && !t->ptrace)
		tg->flags &= ~TG_UNKILLABLE;
	mutex_unlock(&tg->sighand->lock);
	signal_send_locked(t, info, false, 0);
	/* It may have been pending, and blocked, before. */
	signal_recalc_locked(t);
}

void signal_force(const struct linux_siginfo *info)
{
	signal_force_handler(info, false);
}

void signal_force_sig(int sig)
{
	struct linux_siginfo info;

	siginfo_init(&info, sig, LINUX_SI_KERNEL);
	signal_force(&info);
}

void signal_force_fault(int sig, int code, uaddr_t addr)
{
	struct linux_siginfo info;

	siginfo_init(&info, sig, code);
	info.fault.addr = addr;
	signal_force(&info);
}

void signal_force_sigsegv(int sig)
{
	struct linux_siginfo info;

	siginfo_init(&info, LINUX_SIGSEGV, LINUX_SI_KERNEL);
	signal_force_handler(&info, sig == LINUX_SIGSEGV);
}

/* --- permissions and masks --- */

static bool cred_may_kill(const struct cred *c, const struct cred *target)
{
	return c->euid == target->suid || c->euid == target->uid || c->uid == target->suid || c->uid == target->uid ||
	       cred_ns_capable(c, target->user_ns, CAP_KILL);
}

int signal_check_permission(int sig, const struct linux_siginfo *info, struct task *t)
{
	const struct cred *target;
	bool may;

	if (info->si_code == LINUX_SI_KERNEL || t->tg == current->tg)
		return 0;
	target = task_cred_get(t);
	may = cred_may_kill(current->cred, target);
	cred_put(target);
	if (may)
		return 0;
	if (sig == LINUX_SIGCONT && READ_ONCE(t->tg->session) == READ_ONCE(current->tg->session))
		return 0;
	return -LINUX_EPERM;
}

/* Pending process signals that only this thread could have taken go to another one when it blocks them or exits. */
void signal_retarget_locked(struct task *t, linux_sigset_t mask)
{
	struct tgroup *tg = t->tg;
	linux_sigset_t shared = tg->shared_pending.signal & mask;
	struct task *pos;

	mutex_assert_held(&tg->siglock);
	if (!shared)
		return;
	list_for_each_entry(pos, &tg->threads, thread_link) {
		if (pos == t || pos->exiting || !(shared & ~pos->blocked))
			continue;
		shared &= pos->blocked;
		if (!atomic_load(&pos->sleeper.interrupted))
			signal_wake_up(pos, false);
		if (!shared)
			break;
	}
}

void sigmask_set(linux_sigset_t mask)
{
	struct task *t = current;

	mask &= ~SIGMASK_UNBLOCKABLE;
	if (mask == t->blocked)
		return;
	MUTEX_GUARD(&t->tg->siglock);
	if (atomic_load(&t->sleeper.interrupted) && t->tg->nr_threads > 1)
		signal_retarget_locked(t, mask & ~t->blocked);
	t->blocked = mask;
	signal_recalc_locked(t);
}

int sigmask_set_user(uaddr_t umask, uint64_t sigsetsize)
{
	linux_sigset_t mask;

	if (!umask)
		return 0;
	if (sigsetsize != sizeof(mask))
		return -LINUX_EINVAL;
	if (get_user(&mask, umask))
		return -LINUX_EFAULT;
	current->saved_sigmask = current->blocked;
	current->restore_sigmask = true;
	sigmask_set(mask);
	return 0;
}

void sigmask_restore_unless(bool interrupted)
{
	if (interrupted || !current->restore_sigmask)
		return;
	current->restore_sigmask = false;
	sigmask_set(current->saved_sigmask);
}

int signal_dequeue_locked(struct task *t, linux_sigset_t blocked, struct linux_siginfo *ret)
{
	struct sigpending *pending = &t->pending;
	struct posix_timer *timer;
	int sig;

	mutex_assert_held(&t->tg->siglock);
	sig = sigpending_next(pending, blocked);
	if (!sig) {
		pending = &t->tg->shared_pending;
		sig = sigpending_next(pending, blocked);
	}
	if (!sig)
		return 0;
	timer = sigpending_collect(pending, sig, ret);
	if (timer)
		posix_timer_rearm_locked(timer, ret);
	else if (sig == LINUX_SIGALRM)
		itimer_real_rearm_locked(t->tg);
	if (sig_in(SIGMASK_STOP, sig))
		t->jobctl |= JOBCTL_STOP_DEQUEUED;
	signal_recalc_locked(t);
	return sig;
}
