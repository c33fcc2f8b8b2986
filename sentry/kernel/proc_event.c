/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/kernel/proc_event.h"

#include "sentry/kernel/pid.h"

static int32_t tgid_of(const struct task *t)
{
	return t->tg->pid->nr;
}

void proc_event_send_fork(struct task *child)
{
	struct linux_proc_event e = { .what = LINUX_PROC_EVENT_FORK };
	const struct task *parent;

	mutex_lock(&pids_lock);
	parent = child->real_parent;
	e.fork.parent_pid = parent ? parent->pid->nr : 0;
	e.fork.parent_tgid = parent ? tgid_of(parent) : 0;
	mutex_unlock(&pids_lock);
	e.fork.child_pid = child->pid->nr;
	e.fork.child_tgid = tgid_of(child);
	cn_proc_event(&e);
}

void proc_event_send(uint32_t what)
{
	struct linux_proc_event e = { .what = what };
	const struct task *parent;
	struct task *t = current;

	e.exit.pid = t->pid->nr;
	e.exit.tgid = tgid_of(t);
	if (what == LINUX_PROC_EVENT_COMM) {
		task_comm(t, e.comm.comm);
	} else if (what == LINUX_PROC_EVENT_EXIT) {
		e.exit.code = (uint32_t)t->exit_code;
		e.exit.signal = (uint32_t)t->exit_signal;
		mutex_lock(&pids_lock);
		parent = t->real_parent;
		e.exit.parent_pid = parent ? parent->pid->nr : 0;
		e.exit.parent_tgid = parent ? tgid_of(parent) : 0;
		mutex_unlock(&pids_lock);
	}
	cn_proc_event(&e);
}

static void send_id(uint32_t what, uint32_t real, uint32_t effective)
{
	struct linux_proc_event e = { .what = what, .id = { current->pid->nr, tgid_of(current), real, effective } };

	cn_proc_event(&e);
}

/* Of either kind any, as commit_creds() has it. */
static void send_ids(const struct cred *old, const struct cred *new)
{
	if (old->uid != new->uid || old->euid != new->euid || old->suid != new->suid || old->fsuid != new->fsuid)
		send_id(LINUX_PROC_EVENT_UID, new->uid, new->euid);
	if (old->gid != new->gid || old->egid != new->egid || old->sgid != new->sgid || old->fsgid != new->fsgid)
		send_id(LINUX_PROC_EVENT_GID, new->gid, new->egid);
}

void task_set_cred_told(struct task *t, const struct cred *cred)
{
	const struct cred *old = proc_event_wanted() && t == current ? cred_get(t->cred) : NULL;

	task_set_cred(t, cred);
	if (!old)
		return;
	send_ids(old, t->cred);
	cred_put(old);
}
