/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How tasks end.  After kernel/exit.c of Linux.
 *
 *     do_exit    tells what is told from inside (futexes, clear_child_tid, vfork), gives up mm, files and terminal
 *     exit_notify  children go to a new parent; a thread is released at once; a process becomes a zombie, and its parent
 *                is told, when its last thread has gone
 *     task_release_locked  out of every list, the number is free
 */
#include "sentry/base/log.h"
#include "sentry/base/trace.h"
#include "sentry/kernel/exit.h"
#include "sentry/kernel/fork.h"
#include "sentry/kernel/futex.h"
#include "sentry/kernel/ipc.h"
#include "sentry/kernel/jobctl.h"
#include "sentry/kernel/kernel.h"
#include "sentry/kernel/proc_event.h"
#include "sentry/kernel/ptrace.h"
#include "sentry/kernel/task.h"
#include "sentry/kernel/timers.h"
#include "sentry/kernel/user.h"
#include "sentry/kernel/wait.h"
#include "sentry/mm/uaccess.h"
#include "vfs/cgroup/cgroup.h"
#include "vfs/user_ns.h"

/* How long PID 1's end waits for the others to be gone. */
#define ZAP_PATIENCE_NS (10 * 1000000000LL)

static void zap_wake_locked(const struct pid *pid);

/* --- leaving the lists --- */

static void tgroup_release_locked(struct tgroup *tg)
{
	tg->pid->tgroup = NULL;
	pid_unuse_locked(tg->pid);
	tgroup_set_pgrp_locked(tg, NULL);
	tgroup_set_session_locked(tg, NULL);
	if (tg->tty)
		tty_hooks->put(tg->tty);
	tg->tty = NULL;
	tg->leader = NULL;
	list_del(&tg->all_link);
	zap_wake_locked(tg->pid);
	if (pid_ns_of(tg->pid)->child_reaper == tg && tg != init_tgroup)
		pid_ns_of(tg->pid)->child_reaper = NULL;
}

void task_release_locked(struct task *t)
{
	struct tgroup *tg = t->tg;
	bool last;

	mutex_assert_held(&pids_lock);
	ptrace_unlink_locked(t);
	mutex_lock(&tg->siglock);
	acct_thread_exit_locked(t);
	if (tg->curr_target == t)
		tg->curr_target = NULL;
	list_del(&t->thread_link);
	tg->nr_threads--;
	last = list_empty(&tg->threads);
	sigpending_flush(&t->pending);
	mutex_unlock(&tg->siglock);
	waitq_wake(&tg->exec_wait, 0);
	list_del(&t->sibling);
	if (t->pid->task == t)
		t->pid->task = NULL;
	waitq_wake(&t->pid->wait, 0);
	pid_unuse_locked(t->pid);
	if (last)
		tgroup_release_locked(tg);
	t->unlinked = true;
	pids_uncharge_locked();
	cgroup_release_locked(tg);
	if (t->user)
		atomic_fetch_sub(&t->user->nr_tasks, 1);
}

void task_dead_add_locked(struct list_head *dead, struct task *t)
{
	struct tgroup *tg = t->tg;
	struct task *leader = tg->leader;

	t->exit_state = EXIT_DEAD;
	task_release_locked(t);
	list_add_tail(&t->sibling, dead);
	/* The leader's end is told when all threads have gone, whichever goes last. */
	if (leader != t && tg->nr_threads == 1 && leader->exit_state == EXIT_ZOMBIE &&
	    task_notify_parent_locked(leader, leader->exit_signal))
		task_dead_add_locked(dead, leader);
}

void task_dead_put(struct list_head *dead)
{
	struct task *t, *tmp;

	list_for_each_entry_safe(t, tmp, dead, sibling) {
		list_del(&t->sibling);
		task_put(t);
	}
}

/* --- telling the parent --- */

int task_wait_status(struct task *leader)
{
	struct tgroup *tg = leader->tg;

	return atomic_load(&tg->flags) & TG_EXITING ? tg->group_exit_code : leader->exit_code;
}

void task_wake_parent_locked(struct task *parent, struct task *child)
{
	(void)child;
	mutex_assert_held(&pids_lock);
	waitq_wake(&parent->tg->wait_chldexit, 0);
}

/* As @parent sees it. */
static void siginfo_init_child(struct linux_siginfo *info, struct task *t, struct task *parent, int sig)
{
	const struct cred *cred = task_cred_get(t), *parent_cred = task_cred_get(parent);
	uint64_t utime, stime;

	siginfo_init(info, sig, 0);
	info->chld.pid = pid_nr_ns(t->pid, pid_ns_of(parent->tg->pid));
	info->chld.uid = from_kuid_munged(parent_cred->user_ns, cred->uid);
	cred_put(cred);
	cred_put(parent_cred);
	tgroup_cputime(t->tg, &utime, &stime);
	info->chld.utime = (int64_t)(utime / (1000000000 / LINUX_USER_HZ));
	info->chld.stime = (int64_t)(stime / (1000000000 / LINUX_USER_HZ));
}

void siginfo_set_exit(struct linux_siginfo *info, int status)
{
	info->chld.status = status & 0x7f;
	if (status & 0x80) {
		info->si_code = LINUX_CLD_DUMPED;
	} else if (status & 0x7f) {
		info->si_code = LINUX_CLD_KILLED;
	} else {
		info->si_code = LINUX_CLD_EXITED;
		info->chld.status = (status >> 8) & 0xff;
	}
}

static bool ignores_children_locked(struct tgroup *tg)
{
	struct linux_sigaction sa = sighand_action(tg->sighand, LINUX_SIGCHLD);

	return sa.handler == LINUX_SIG_IGN || (sa.flags & LINUX_SA_NOCLDWAIT);
}

bool tgroup_ignores_children(struct tgroup *tg)
{
	MUTEX_GUARD(&tg->siglock);
	return ignores_children_locked(tg);
}

/* Whoever put it here is told; PID 1 may be waiting for all others to be gone. */
static bool entered_exited_locked(struct task *t)
{
	struct tgroup *tg = t->tg;

	if (tg->exited)
		tg->exited(tg->exited_data, task_wait_status(t));
	tg->exited = NULL;
	waitq_wake(&init_tgroup->wait_chldexit, 0);
	return true;
}

bool task_notify_parent_locked(struct task *t, int sig)
{
	struct task *parent = t->parent;
	struct linux_siginfo info;
	bool autoreap = false;

	mutex_assert_held(&pids_lock);
	waitq_wake(&t->pid->wait, 0);
	if (!parent)
		return t->tg->flags & TG_ENTERED && entered_exited_locked(t);
	if (!t->ptrace && t->tg->flags & TG_ADOPTED) {
		/* Whoever waits for the last one to go sees it. */
		task_wake_parent_locked(parent, t);
		return true;
	}
	siginfo_init_child(&info, t, parent, sig);
	siginfo_set_exit(&info, task_wait_status(t));
	mutex_lock(&parent->tg->siglock);
	if (!t->ptrace && sig == LINUX_SIGCHLD) {
		/* Nobody wants the zombie.  SA_NOCLDWAIT alone still sends the signal. */
		autoreap = ignores_children_locked(parent->tg);
		if (sighand_action(parent->tg->sighand, LINUX_SIGCHLD).handler == LINUX_SIG_IGN)
			sig = 0;
	}
	if (sig_valid(sig) && !list_empty(&parent->tg->threads))
		signal_send_locked(parent, &info, true, 0);
	mutex_unlock(&parent->tg->siglock);
	task_wake_parent_locked(parent, t);
	return autoreap;
}

/* do_notify_parent_cldstop() in Linux. */
static void notify_stop(struct task *t, struct task *parent, int why)
{
	struct linux_siginfo info;
	struct linux_sigaction sa;

	if (!parent)
		return;
	siginfo_init_child(&info, t, parent, LINUX_SIGCHLD);
	info.si_code = why;
	if (why == LINUX_CLD_CONTINUED)
		info.chld.status = LINUX_SIGCONT;
	else
		info.chld.status = (why == LINUX_CLD_TRAPPED ? t->exit_code : t->tg->group_exit_code) & 0x7f;
	mutex_lock(&parent->tg->siglock);
	sa = sighand_action(parent->tg->sighand, LINUX_SIGCHLD);
	if (sa.handler != LINUX_SIG_IGN && !(sa.flags & LINUX_SA_NOCLDSTOP) && !list_empty(&parent->tg->threads))
		signal_send_locked(parent, &info, true, 0);
	mutex_unlock(&parent->tg->siglock);
	/* The parent looks even when it doesn't want the signal. */
	task_wake_parent_locked(parent, t);
}

void task_notify_tracer_locked(struct task *t, int why)
{
	notify_stop(t, t->parent, why);
}

void task_notify_parent_stop_locked(struct task *t, int why)
{
	if (!(t->tg->flags & TG_ADOPTED))
		notify_stop(t->tg->leader, t->tg->leader->real_parent, why);
}

void task_notify_parent_stop(struct task *t, int why)
{
	MUTEX_GUARD(&pids_lock);
	task_notify_parent_stop_locked(t, why);
}

/* --- children of the dead --- */

static struct task *tgroup_live_thread_locked(struct tgroup *tg)
{
	struct task *t;

	list_for_each_entry(t, &tg->threads, thread_link)
		if (!t->exiting)
			return t;
	return NULL;
}

/* Another thread of the process, the nearest ancestor that is a subreaper, or its init; NULL when that's what ends. */
static struct task *find_new_reaper(struct task *father)
{
	struct task *reaper = tgroup_live_thread_locked(father->tg);
	struct pid_namespace *ns = pid_ns_of(father->pid);

	if (reaper)
		return reaper;
	/* The init of a nested namespace has killed all others there; what joined from outside goes to the init above. */
	if (father->tg == ns->child_reaper && ns->parent)
		ns = ns->parent;
	for (struct task *p = father->real_parent; p && p->tg != ns->child_reaper && pid_ns_of(p->pid) == ns; p = p->real_parent) {
		if (!(atomic_load(&p->tg->flags) & TG_SUBREAPER))
			continue;
		reaper = tgroup_live_thread_locked(p->tg);
		if (reaper)
			return reaper;
	}
	reaper = tgroup_live_thread_locked(ns->child_reaper);
	/* The init is in do_exit, and waits there for all others: it reaps until the last. */
	if (!reaper && father->tg != ns->child_reaper)
		reaper = ns->child_reaper->leader;
	return reaper;
}

static void send_pdeath_signal(struct task *t)
{
	int sig = atomic_load(&t->pdeath_signal);
	struct linux_siginfo info;

	if (!sig)
		return;
	siginfo_init_user(&info, sig, LINUX_SI_USER);
	signal_send_tgroup(t->tg, &info, 0);
}

static void reparent(struct task *child, struct task *reaper, struct task *father, struct list_head *dead)
{
	struct task *t;

	list_for_each_entry(t, &child->tg->threads, thread_link) {
		t->real_parent = reaper;
		atomic_store(&t->ppid, reaper->tg->pid->nr);
		if (!t->ptrace)
			t->parent = reaper;
		send_pdeath_signal(t);
	}
	tgroup_drop_answers_locked(child->tg);
	list_move_tail(&child->sibling, &reaper->children);
	if (reaper->tg == father->tg)
		return;
	child->exit_signal = LINUX_SIGCHLD;
	if ((reaper->tg->flags & (TG_NO_INIT | TG_SUBREAPER)) == TG_NO_INIT)
		atomic_fetch_or(&child->tg->flags, TG_ADOPTED);
	if (!child->ptrace && child->exit_state == EXIT_ZOMBIE && child->tg->nr_threads == 1 &&
	    task_notify_parent_locked(child, child->exit_signal))
		task_dead_add_locked(dead, child);
	else
		pgrp_check_orphaned_locked(child, father);
}

static void forget_children(struct task *father, struct list_head *dead)
{
	struct task *reaper, *child, *tmp;

	if (list_empty(&father->children))
		return;
	reaper = find_new_reaper(father);
	if (!reaper)
		return;
	list_for_each_entry_safe(child, tmp, &father->children, sibling)
		reparent(child, reaper, father, dead);
}

/* --- PID 1 --- */

static bool only_init_is_left(const struct pid_namespace *ns)
{
	struct tgroup *tg;

	MUTEX_GUARD(&pids_lock);
	if (ns == &init_pid_ns)
		return all_tgroups.next == &init_tgroup->all_link && all_tgroups.prev == &init_tgroup->all_link;
	list_for_each_entry(tg, &all_tgroups, all_link)
		if (tg != ns->child_reaper && pid_nr_ns(tg->pid, ns))
			return false;
	return true;
}

/* Nobody is left to look after the others of the namespace: they are killed, and reaped here. */
static void zap_others(struct pid_namespace *ns)
{
	deadline_t deadline = deadline_after(ZAP_PATIENCE_NS);
	struct tgroup *init = ns->child_reaper, *tg;
	int err;

	mutex_lock(&init->sighand->lock);
	init->sighand->action[LINUX_SIGCHLD - 1].handler = LINUX_SIG_IGN;
	mutex_unlock(&init->sighand->lock);
	mutex_lock(&pids_lock);
	ns->dead = true;
	list_for_each_entry(tg, &all_tgroups, all_link)
		if (tg != init && pid_nr_ns(tg->pid, ns))
			signal_kill_tgroup(tg);
	mutex_unlock(&pids_lock);
	do {
		struct wait_request req = { .type = LINUX_P_ALL, .options = LINUX_WEXITED | LINUX_WNOHANG | LINUX_WALL };

		while (kernel_wait4(&req) > 0)
			;
		err = waitq_wait(&init->wait_chldexit, only_init_is_left(ns) || tgroup_has_zombie_child(init),
				 SLEEP_UNINTERRUPTIBLE, deadline);
	} while (!err && !only_init_is_left(ns));
	if (err)
		log_warn("%u tasks have not ended", pids_count() - 1);
}

/* A process is gone: the init of a namespace that ends may be waiting for the last one. */
static void zap_wake_locked(const struct pid *pid)
{
	for (unsigned level = 1; level <= pid->level; level++)
		if (pid->numbers[level].ns->dead && pid->numbers[level].ns->child_reaper)
			waitq_wake(&pid->numbers[level].ns->child_reaper->wait_chldexit, 0);
}

/* --- the task's own part --- */

/* From here on signals are others' business.  Returns whether it is the last thread to come here. */
static bool exit_signals(struct task *t)
{
	struct tgroup *tg = t->tg;
	bool notify = false, last;

	mutex_lock(&tg->siglock);
	t->exiting = true;
	if (tg->nr_threads > 1 && !(tg->flags & TG_EXITING)) {
		signal_retarget_locked(t, ~t->blocked);
		if (t->jobctl & JOBCTL_STOP_PENDING)
			notify = jobctl_participate(t);
	}
	last = --tg->nr_live == 0;
	mutex_unlock(&tg->siglock);
	if (notify)
		task_notify_parent_stop(t, LINUX_CLD_STOPPED);
	return last;
}

void task_vfork_done(struct task *t)
{
	if (!atomic_load(&t->vfork_pending))
		return;
	atomic_store(&t->vfork_pending, false);
	waitq_wake(&t->vfork_wait, 0);
}

/* What the address space is told before the task leaves it: at exit and at exec. */
void task_mm_release(struct task *t)
{
	uaddr_t clear = t->clear_child_tid;

	futex_exit(t);
	t->clear_child_tid = 0;
	if (clear && ref_read(&t->mm->users) > 1 && put_user(0, clear, int32_t) == 0)
		futex_wake_user(clear, 1);
	task_vfork_done(t);
}

static void exit_mm(struct task *t)
{
	struct tgroup *tg = t->tg;
	struct platform_ctx *ctx;

	task_mm_release(t);
	if (ref_read(&t->mm->users) == 1)
		mm_settle(t->mm);
	mutex_lock(&tg->siglock);
	tg->acct.maxrss = MAX(tg->acct.maxrss, (uint64_t)t->mm->rss_peak);
	ctx = t->ctx;
	t->ctx = NULL;
	mutex_unlock(&tg->siglock);
	platform->ctx_free(ctx);
	acct_mm_leave(t);
	task_set_mm(t, NULL);
}

/* The terminal hung up before its session's leader ended: now whom it ran hears of it. */
static void exit_old_tty(struct task *t)
{
	struct pid *pgrp;

	MUTEX_GUARD(&pids_lock);
	pgrp = t->tg->tty_old_pgrp;
	t->tg->tty_old_pgrp = NULL;
	if (!pgrp)
		return;
	signal_kernel_pgrp_locked(pgrp, LINUX_SIGHUP);
	signal_kernel_pgrp_locked(pgrp, LINUX_SIGCONT);
	pid_put(pgrp);
}

/* The leader of a session takes its terminal away from everybody. */
static void exit_tty(struct task *t)
{
	struct tty *tty;

	if (!current_is_session_leader())
		return;
	exit_old_tty(t);
	tty = current_tty_get();
	if (tty) {
		tty_hooks->session_exit(tty);
		mutex_lock(&pids_lock);
		tty_hooks->put(tty);
		mutex_unlock(&pids_lock);
	}
	session_set_tty(t->tg->session, NULL);
}

/* Whether nobody will wait for @t, which has become a zombie. */
static bool exit_notify_one(struct task *t)
{
	bool leader = t->tg->leader == t, alone = t->tg->nr_threads == 1;

	if (t->ptrace)
		return task_notify_parent_locked(t, leader && alone && !ptrace_reparented(t) ? t->exit_signal : LINUX_SIGCHLD);
	if (leader)
		return alone && task_notify_parent_locked(t, t->exit_signal);
	return true;
}

static void exit_notify(struct task *t, bool group_dead)
{
	struct tgroup *tg = t->tg;
	LIST_HEAD(dead);

	sleeper_wakes_hold();
	mutex_lock(&pids_lock);
	forget_children(t, &dead);
	ptrace_exit_locked(t, &dead);
	if (group_dead)
		pgrp_check_orphaned_locked(t, NULL);
	t->exit_state = EXIT_ZOMBIE;
	if (exit_notify_one(t))
		task_dead_add_locked(&dead, t);
	waitq_wake(&tg->exec_wait, 0);
	mutex_unlock(&pids_lock);
	sleeper_wakes_release();
	task_dead_put(&dead);
}

static void exit_log(struct task *t, int status)
{
	if (status & 0x7f)
		log_info("process %d (%s): killed by %s", task_tgid(t), t->comm, signal_name(status & 0x7f));
}

void do_exit(int status)
{
	struct task *t = current;
	bool group_dead;

	ptrace_event_exit(status);
	group_dead = exit_signals(t);
	t->exit_code = status;
	if (group_dead) {
		timers_exit(t->tg);
		exit_log(t, task_wait_status(t));
	}
	exit_mm(t);
	sem_exit(t);
	task_set_files(t, NULL);
	task_set_fs(t, NULL);
	task_set_nsproxy(t, NULL);
	if (group_dead) {
		exit_tty(t);
		if (t->tg == pid_ns_of(t->tg->pid)->child_reaper)
			zap_others(pid_ns_of(t->tg->pid));
	}
	trace_task_exit(task_tid(t), task_wait_status(t), group_dead);
	proc_event(LINUX_PROC_EVENT_EXIT);
	if (group_dead)
		cgroup_exit(t->tg);
	exit_notify(t, group_dead);
	if (group_dead && t->tg == init_tgroup)
		kernel_init_exited();
}
