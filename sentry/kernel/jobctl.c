/* SPDX-License-Identifier: Apache-2.0 */
/* Process groups, sessions and their terminals: credentials(7), setpgid(2), setsid(2). */
#include "sentry/kernel/jobctl.h"

#include "sentry/kernel/fork.h"
#include "sentry/kernel/task.h"
#include "sentry/kernel/wait.h"

const struct tty_hooks *tty_hooks;

/* --- membership --- */

void tgroup_set_pgrp_locked(struct tgroup *tg, struct pid *pgrp)
{
	struct pid *old = tg->pgrp;

	mutex_assert_held(&pids_lock);
	if (pgrp == old)
		return;
	if (pgrp)
		pid_use_locked(pid_get(pgrp));
	tg->pgrp = pgrp;
	list_del(&tg->pgrp_link);
	if (pgrp)
		list_add_tail(&tg->pgrp_link, &pgrp->pgrp);
	if (old)
		pid_unuse_locked(old);
	pid_put(old);
}

void tgroup_set_session_locked(struct tgroup *tg, struct pid *session)
{
	struct pid *old = tg->session;

	mutex_assert_held(&pids_lock);
	if (session == old)
		return;
	if (session)
		pid_use_locked(pid_get(session));
	tg->session = session;
	list_del(&tg->session_link);
	if (session)
		list_add_tail(&tg->session_link, &session->session);
	if (old)
		pid_unuse_locked(old);
	pid_put(old);
}

int current_pgrp(void)
{
	return tgroup_pgrp_nr(current->tg);
}

int current_session(void)
{
	return tgroup_session_nr(current->tg);
}

bool current_is_session_leader(void)
{
	MUTEX_GUARD(&pids_lock);
	return current->tg->session == current->tg->pid;
}

bool pgrp_in_session(int pgrp, int session)
{
	struct tgroup *tg;
	struct pid *pid;

	MUTEX_GUARD(&pids_lock);
	pid = pid_find_locked(pgrp);
	if (!pid)
		return false;
	list_for_each_entry(tg, &pid->pgrp, pgrp_link)
		if (pid_nr(tg->session) == session)
			return true;
	return false;
}

/* --- orphans --- */

/* Whether @pgrp has nobody, but for @ignored, whose parent is in another group of the same session. */
static bool pgrp_orphaned_without_locked(struct pid *pgrp, struct task *ignored)
{
	struct tgroup *tg;

	list_for_each_entry(tg, &pgrp->pgrp, pgrp_link) {
		struct task *leader = tg->leader, *parent = leader->real_parent;

		if (leader == ignored || !parent || (leader->exit_state != EXIT_NONE && tg->nr_threads <= 1))
			continue;
		if (parent->tg->pgrp != pgrp && parent->tg->session == tg->session)
			return false;
	}
	return true;
}

bool pgrp_is_orphaned(int pgrp)
{
	struct pid *pid;

	MUTEX_GUARD(&pids_lock);
	pid = pid_find_locked(pgrp);
	return !pid || pgrp_orphaned_without_locked(pid, NULL);
}

static bool pgrp_has_stopped_locked(struct pid *pgrp)
{
	struct tgroup *tg;

	list_for_each_entry(tg, &pgrp->pgrp, pgrp_link)
		if (atomic_load(&tg->flags) & TG_STOPPED)
			return true;
	return false;
}

void pgrp_check_orphaned_locked(struct task *t, struct task *parent)
{
	struct task *leader = t->tg->leader, *ignored = leader;
	struct pid *pgrp = leader->tg->pgrp;

	mutex_assert_held(&pids_lock);
	if (parent)
		ignored = NULL;
	else
		parent = leader->real_parent;
	if (!parent || !pgrp || parent->tg->pgrp == pgrp || parent->tg->session != t->tg->session)
		return;
	if (!pgrp_orphaned_without_locked(pgrp, ignored) || !pgrp_has_stopped_locked(pgrp))
		return;
	signal_kernel_pgrp_locked(pgrp, LINUX_SIGHUP);
	signal_kernel_pgrp_locked(pgrp, LINUX_SIGCONT);
}

/* --- the controlling terminal --- */

struct tty *current_tty_get(void)
{
	struct tty *tty;

	MUTEX_GUARD(&pids_lock);
	tty = current->tg->tty;
	if (tty)
		tty_hooks->get(tty);
	return tty;
}

static void tgroup_set_tty_locked(struct tgroup *tg, struct tty *tty)
{
	struct tty *old = tg->tty;

	if (tty)
		tty_hooks->get(tty);
	tg->tty = tty;
	if (old)
		tty_hooks->put(old);
}

void session_set_tty(struct pid *session, struct tty *tty)
{
	struct tgroup *tg;

	MUTEX_GUARD(&pids_lock);
	list_for_each_entry(tg, &session->session, session_link)
		tgroup_set_tty_locked(tg, tty);
}

void session_hang_up(struct pid *session, struct pid *pgrp)
{
	struct pid *old;

	session_set_tty(session, NULL);
	MUTEX_GUARD(&pids_lock);
	if (!session->tgroup || session->tgroup->session != session)
		return;
	old = session->tgroup->tty_old_pgrp;
	session->tgroup->tty_old_pgrp = pgrp ? pid_get(pgrp) : NULL;
	if (old)
		pid_put(old);
}

void current_set_tty(struct tty *tty)
{
	MUTEX_GUARD(&pids_lock);
	tgroup_set_tty_locked(current->tg, tty);
}

bool current_ignores_or_blocks(int sig)
{
	struct task *t = current;

	return sig_in(t->blocked, sig) || sighand_action(t->tg->sighand, sig).handler == LINUX_SIG_IGN;
}

/* --- system calls --- */

int do_setpgid(int pid, int pgid)
{
	struct tgroup *me = current->tg, *tg;
	struct pid *pgrp;

	MUTEX_GUARD(&pids_lock);
	if (!pid)
		pid = pid_nr(me->pid);
	if (!pgid)
		pgid = pid;
	if (pgid < 0)
		return -LINUX_EINVAL;
	tg = tgroup_find_locked(pid);
	if (!tg) {
		/* A thread's id is not a process's. */
		return task_find_locked(pid) ? -LINUX_EINVAL : -LINUX_ESRCH;
	}
	if (tg != me) {
		struct task *parent = tg->leader->real_parent;

		if (!parent || parent->tg != me)
			return -LINUX_ESRCH;
		if (tg->session != me->session)
			return -LINUX_EPERM;
		if (!(atomic_load(&tg->flags) & TG_FORKED_NOEXEC))
			return -LINUX_EACCES;
	}
	if (tg->session == tg->pid)
		return -LINUX_EPERM;
	pgrp = tg->pid;
	if (pgid != pid) {
		pgrp = pid_find_locked(pgid);
		if (!pgrp || list_empty(&pgrp->pgrp) ||
		    list_first_entry(&pgrp->pgrp, struct tgroup, pgrp_link)->session != me->session)
			return -LINUX_EPERM;
	}
	tgroup_set_pgrp_locked(tg, pgrp);
	tgroup_drop_answers_locked(tg);
	return 0;
}

int do_setsid(void)
{
	struct tgroup *tg = current->tg;

	MUTEX_GUARD(&pids_lock);
	/* The leader of a session, or a group of its number: another session would have members of that group. */
	if (tg->session == tg->pid || !list_empty(&tg->pid->pgrp))
		return -LINUX_EPERM;
	tgroup_set_session_locked(tg, tg->pid);
	tgroup_set_pgrp_locked(tg, tg->pid);
	tgroup_set_tty_locked(tg, NULL);
	tgroup_drop_answers_locked(tg);
	return pid_nr(tg->pid);
}

static struct tgroup *find_tgroup_of_locked(int pid)
{
	struct task *t;

	if (!pid)
		return current->tg;
	t = task_find_locked(pid);
	return t ? t->tg : NULL;
}

int do_getpgid(int pid)
{
	struct tgroup *tg;

	MUTEX_GUARD(&pids_lock);
	tg = find_tgroup_of_locked(pid);
	return tg && tg->pgrp ? pid_nr(tg->pgrp) : -LINUX_ESRCH;
}

int do_getsid(int pid)
{
	struct tgroup *tg;

	MUTEX_GUARD(&pids_lock);
	tg = find_tgroup_of_locked(pid);
	return tg && tg->session ? pid_nr(tg->session) : -LINUX_ESRCH;
}
