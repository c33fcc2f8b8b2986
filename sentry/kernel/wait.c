/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for children: wait4(2), waitid(2).  After do_wait() of Linux. */
#include "sentry/kernel/wait.h"

#include "sentry/kernel/exit.h"
#include "sentry/kernel/ptrace.h"
#include "sentry/kernel/task.h"
#include "vfs/user_ns.h"

/* Results of looking at one child, and at all. */
enum wait_result {
	WAIT_NONE = 0,	   /* no child is eligible: ECHILD */
	WAIT_MAYBE = -1,   /* one is, but there's nothing to report yet */
};

void rusage_fill(struct linux_rusage *ret, const struct rusage_acct *a)
{
	*ret = (struct linux_rusage){
		.ru_utime = { (int64_t)(a->utime / 1000000000), (int64_t)(a->utime % 1000000000 / 1000) },
		.ru_stime = { (int64_t)(a->stime / 1000000000), (int64_t)(a->stime % 1000000000 / 1000) },
		.ru_maxrss = (int64_t)(a->maxrss * (PAGE_SIZE / 1024)),
		.ru_minflt = (int64_t)a->min_flt,
		.ru_majflt = (int64_t)a->maj_flt,
		.ru_inblock = (int64_t)(a->rbytes / 512),
		.ru_oublock = (int64_t)(a->wbytes / 512),
		.ru_nvcsw = (int64_t)a->nvcsw,
		.ru_nivcsw = (int64_t)a->nivcsw,
	};
}

bool tgroup_has_zombie_child(struct tgroup *tg)
{
	struct task *t, *child;

	MUTEX_GUARD(&pids_lock);
	list_for_each_entry(t, &tg->threads, thread_link)
		list_for_each_entry(child, &t->children, sibling)
			if (child->exit_state == EXIT_ZOMBIE && child->tg->nr_threads == 1)
				return true;
	return false;
}

static bool wait_matches_pid(const struct wait_request *req, struct task *p)
{
	switch (req->type) {
	case LINUX_P_PID:
		return p->pid == req->pid;
	case LINUX_P_PGID:
		return p->tg->pgrp == req->pid;
	default:
		return true;
	}
}

/* "Clone" children are those whose end isn't told with SIGCHLD. */
static bool wait_eligible(const struct wait_request *req, struct task *p, bool traced)
{
	if (!wait_matches_pid(req, p))
		return false;
	if (traced || (req->options & LINUX_WALL))
		return true;
	return (p->exit_signal != LINUX_SIGCHLD) == !!(req->options & LINUX_WCLONE);
}

static void wait_fill(struct wait_request *req, struct task *p, int code, int status)
{
	const struct cred *cred = task_cred_get(p);
	struct rusage_acct acct, children;

	siginfo_init(&req->info, LINUX_SIGCHLD, code);
	req->info.chld.pid = task_tid(p);
	req->info.chld.uid = from_kuid_munged(current_cred->user_ns, cred->uid);
	req->info.chld.status = status;
	cred_put(cred);
	tgroup_rusage(p->tg, &acct, &children);
	acct_add(&acct, &children);
	rusage_fill(&req->rusage, &acct);
}

/* The child's and its own waited-for children's use goes to ours. */
static void wait_account(struct task *p)
{
	struct rusage_acct acct, children;
	struct tgroup *tg = current->tg;

	tgroup_rusage(p->tg, &acct, &children);
	acct_add(&acct, &children);
	mutex_lock(&tg->siglock);
	acct_add(&tg->cacct, &acct);
	mutex_unlock(&tg->siglock);
}

/* A zombie.  @dead: released tasks.  A tracer that isn't the parent only learns of it; then the parent is told. */
static int wait_zombie(struct wait_request *req, struct task *p, struct list_head *dead)
{
	int status = task_wait_status(p), tid = task_tid(p);
	bool unwanted;

	if (!(req->options & LINUX_WEXITED))
		return WAIT_NONE;
	wait_fill(req, p, 0, 0);
	siginfo_set_exit(&req->info, status);
	req->status = status;
	if (req->options & LINUX_WNOWAIT)
		return tid;
	if (ptrace_reaped_locked(p, &unwanted)) {
		if (unwanted)
			task_dead_add_locked(dead, p);
		return tid;
	}
	if (p->tg->leader == p)
		wait_account(p);
	task_dead_add_locked(dead, p);
	return tid;
}

static int wait_stopped(struct wait_request *req, struct task *p, bool traced)
{
	struct tgroup *tg = p->tg;
	int sig = 0;

	if (!traced && !(req->options & LINUX_WUNTRACED))
		return WAIT_NONE;
	mutex_lock(&tg->siglock);
	if (traced) {
		if ((p->jobctl & JOBCTL_TRACED) && !(p->jobctl & JOBCTL_LISTENING)) {
			sig = p->exit_code;
			if (!(req->options & LINUX_WNOWAIT))
				p->exit_code = 0;
		}
	} else if (tg->flags & TG_STOPPED) {
		sig = tg->group_exit_code;
		if (!(req->options & LINUX_WNOWAIT))
			tg->group_exit_code = 0;
	}
	mutex_unlock(&tg->siglock);
	if (!sig)
		return WAIT_NONE;
	wait_fill(req, p, traced ? LINUX_CLD_TRAPPED : LINUX_CLD_STOPPED, sig);
	req->status = sig << 8 | 0x7f;
	return task_tid(p);
}

static int wait_continued(struct wait_request *req, struct task *p)
{
	struct tgroup *tg = p->tg;
	bool continued;

	if (!(req->options & LINUX_WCONTINUED) || !(atomic_load(&tg->flags) & TG_CONTINUED))
		return WAIT_NONE;
	mutex_lock(&tg->siglock);
	continued = tg->flags & TG_CONTINUED;
	if (!(req->options & LINUX_WNOWAIT))
		tg->flags &= ~TG_CONTINUED;
	mutex_unlock(&tg->siglock);
	if (!continued)
		return WAIT_NONE;
	wait_fill(req, p, LINUX_CLD_CONTINUED, LINUX_SIGCONT);
	req->status = 0xffff;
	return task_tid(p);
}

/* One child: its tid, WAIT_MAYBE or WAIT_NONE. */
static int wait_consider(struct wait_request *req, struct task *p, bool traced, struct list_head *dead)
{
	int ret;

	/* Traced by the parent's own process: what the tracer sees is what the parent sees. */
	if (p->ptrace && !ptrace_reparented(p))
		traced = true;

	if (!traced && p->tg->flags & TG_ADOPTED)
		return WAIT_NONE;
	if (p->exit_state == EXIT_DEAD || !wait_eligible(req, p, traced))
		return WAIT_NONE;
	/* Its tracer sees its end first. */
	if (p->exit_state == EXIT_ZOMBIE && !traced && p->ptrace)
		return WAIT_MAYBE;
	if (p->exit_state == EXIT_ZOMBIE && (p->tg->leader != p || p->tg->nr_threads == 1)) {
		ret = wait_zombie(req, p, dead);
		return ret ? ret : req->options & LINUX_WEXITED ? WAIT_MAYBE : WAIT_NONE;
	}
	ret = wait_stopped(req, p, traced);
	if (!ret)
		ret = wait_continued(req, p);
	return ret ? ret : WAIT_MAYBE;
}

static int wait_scan_thread(struct wait_request *req, struct task *t, struct list_head *dead)
{
	int ret = WAIT_NONE, one;
	struct task *p;

	list_for_each_entry(p, &t->children, sibling) {
		one = wait_consider(req, p, false, dead);
		if (one > 0)
			return one;
		ret = one ? one : ret;
	}
	list_for_each_entry(p, &t->ptraced, ptrace_link) {
		one = wait_consider(req, p, true, dead);
		if (one > 0)
			return one;
		ret = one ? one : ret;
	}
	return ret;
}

/* All children of the caller, or, unless __WNOTHREAD, of its process. */
static int wait_scan(struct wait_request *req)
{
	int ret = WAIT_NONE, one;
	struct task *t;
	LIST_HEAD(dead);

	mutex_lock(&pids_lock);
	list_for_each_entry(t, &current->tg->threads, thread_link) {
		if ((req->options & LINUX_WNOTHREAD) && t != current)
			continue;
		one = wait_scan_thread(req, t, &dead);
		ret = one ? one : ret;
		if (one > 0)
			break;
	}
	mutex_unlock(&pids_lock);
	task_dead_put(&dead);
	return ret;
}

int64_t kernel_wait4(struct wait_request *req)
{
	struct waitq *q = &current->tg->wait_chldexit;
	struct waitq_entry e;
	int64_t ret;

	waitq_entry_init(&e);
	waitq_add(q, &e);
	for (;;) {
		int n = wait_scan(req);

		ret = n > 0 ? n : n == WAIT_NONE ? -LINUX_ECHILD : 0;
		if (ret || (req->options & LINUX_WNOHANG))
			break;
		ret = sleeper_sleep(SLEEP_INTERRUPTIBLE, NO_DEADLINE);
		if (ret)
			break;
	}
	waitq_del(q, &e);
	return ret;
}
