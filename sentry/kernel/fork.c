/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clone(2): a new task, sharing with or copying from the calling one.  After copy_process() of Linux.
 *
 * Everything that can fail is done before the child is linked into the process tree; from then on it's visible, and what is
 * left is to start its thread.
 */
#include <stdlib.h>
#include <string.h>

#include "sentry/base/trace.h"
#include "sentry/kernel/fork.h"
#include "sentry/kernel/ipc.h"
#include "sentry/kernel/key.h"
#include "sentry/kernel/nsproxy.h"
#include "sentry/kernel/pidfd.h"
#include "sentry/kernel/proc_event.h"
#include "sentry/kernel/ptrace.h"
#include "sentry/kernel/seccomp.h"
#include "sentry/kernel/task.h"
#include "sentry/kernel/user.h"
#include "sentry/kernel/wait.h"
#include "sentry/mm/uaccess.h"
#include "vfs/cgroup/cgroup.h"

static uint64_t nr_forks;

uint64_t fork_count(void)
{
	return __atomic_load_n(&nr_forks, __ATOMIC_RELAXED);
}

/* --- checks --- */

static int clone_check(const struct clone_request *req)
{
	uint64_t flags = req->flags;

	if ((flags & LINUX_CLONE_FS) && (flags & (LINUX_CLONE_NEWNS | LINUX_CLONE_NEWUSER)))
		return -LINUX_EINVAL;
	if ((flags & LINUX_CLONE_THREAD) && !(flags & LINUX_CLONE_SIGHAND))
		return -LINUX_EINVAL;
	if ((flags & LINUX_CLONE_SIGHAND) && !(flags & LINUX_CLONE_VM))
		return -LINUX_EINVAL;
	/* The children of PID 1, and of what came from outside, would have no parent. */
	if ((flags & LINUX_CLONE_PARENT) &&
	    (current->tg == init_tgroup || current->tg->flags & (TG_UNKILLABLE | TG_ENTERED)))
		return -LINUX_EINVAL;
	/* A thread is where its process is. */
	if ((flags & LINUX_CLONE_THREAD) &&
	    (flags & (LINUX_CLONE_NEWUSER | LINUX_CLONE_NEWPID) ||
	     current->nsproxy->pid_for_children != pid_ns_of(current->tg->pid)))
		return -LINUX_EINVAL;
	if ((flags & LINUX_CLONE_PIDFD) && (flags & (LINUX_CLONE_DETACHED | LINUX_CLONE_THREAD)))
		return -LINUX_EINVAL;
	/* As ARCH_SET_FS refuses it. */
	if ((flags & LINUX_CLONE_SETTLS) && req->tls >= TASK_SIZE_MAX)
		return -LINUX_EPERM;
	return 0;
}

static int clone_check_limits(void)
{
	struct task *t = current;
	uint64_t limit = current_rlimit(LINUX_RLIMIT_NPROC);

	if (!t->user || t->cred->uid == 0 || capable(CAP_SYS_RESOURCE) || capable(CAP_SYS_ADMIN))
		return 0;
	return (uint64_t)atomic_load(&t->user->nr_tasks) >= limit ? -LINUX_EAGAIN : 0;
}

/* --- copies --- */

static int copy_mm(struct task *child, uint64_t flags)
{
	struct mm *mm = flags & LINUX_CLONE_VM ? mm_get(current->mm) : mm_fork(current->mm);

	if (IS_ERR(mm))
		return (int)PTR_ERR(mm);
	if (!(flags & LINUX_CLONE_VM))
		mm_sync_limits(mm, child->tg, child->cred);
	else if (!(flags & LINUX_CLONE_THREAD))
		atomic_store(&mm->many_tgroups, true);
	child->mm = mm;
	return 0;
}

static int copy_files_and_fs(struct task *child, uint64_t flags)
{
	struct files_struct *files;
	struct fs_struct *fs;

	files = flags & LINUX_CLONE_FILES ? files_get(current->files) : files_copy(current->files);
	if (!files || IS_ERR(files))
		return files ? (int)PTR_ERR(files) : -LINUX_ENOMEM;
	child->files = files;
	fs = flags & LINUX_CLONE_FS ? fs_struct_get(current->fs) : fs_struct_copy(current->fs);
	if (!fs || IS_ERR(fs))
		return fs ? (int)PTR_ERR(fs) : -LINUX_ENOMEM;
	child->fs = fs;
	return 0;
}

/* The registers of the parent, with the result 0, the new stack and the new TLS; the extended state as it is. */
static int copy_thread(struct task *child, const struct clone_request *req)
{
	struct guest_regs *r;

	child->ctx = platform->ctx_new(child->mm->as);
	if (IS_ERR(child->ctx) || !child->ctx) {
		int err = child->ctx ? (int)PTR_ERR(child->ctx) : -LINUX_ENOMEM;

		child->ctx = NULL;
		return err;
	}
	r = &child->ctx->regs;
	*r = current->ctx->regs;
	r->rax = 0;
	if (req->stack)
		r->rsp = req->stack;
	if (req->flags & LINUX_CLONE_SETTLS)
		r->fs_base = req->tls;
	child->ctx->regs_dirty = true;
	child->xstate = aligned_alloc(64, ALIGN_UP(platform->xstate_size(), 64));
	if (!child->xstate)
		return -LINUX_ENOMEM;
	return platform->get_xstate(current->ctx, child->xstate);
}

static void copy_behaviour(struct task *child, const struct clone_request *req)
{
	struct task *t = current;

	task_comm(t, child->comm);
	child->blocked = t->blocked;
	child->no_new_privs = t->no_new_privs;
	child->thp_disable = t->thp_disable;
	child->io_flusher = t->io_flusher;
	child->personality = t->personality;
	child->timer_slack = child->default_timer_slack = t->timer_slack;
	child->tsc_mode = t->tsc_mode;
	child->ioprio = t->ioprio;
	child->mempolicy = t->mempolicy;
	child->nice = t->nice;
	child->sched_policy = t->sched_policy;
	child->sched_priority = t->sched_priority;
	if (t->reset_on_fork) {
		if (t->sched_policy == LINUX_SCHED_FIFO || t->sched_policy == LINUX_SCHED_RR) {
			child->sched_policy = LINUX_SCHED_NORMAL;
			child->sched_priority = 0;
			child->nice = 0;
		}
		child->nice = MAX(child->nice, 0);
	}
	if (!(req->flags & LINUX_CLONE_VM) || (req->flags & LINUX_CLONE_VFORK))
		child->sigaltstack = t->sigaltstack;
	if (req->flags & LINUX_CLONE_CHILD_SETTID)
		child->set_child_tid = req->child_tid;
	if (req->flags & LINUX_CLONE_CHILD_CLEARTID)
		child->clear_child_tid = req->child_tid;
	child->vfork_pending = req->flags & LINUX_CLONE_VFORK;
}

static int copy_affinity(struct task *child)
{
	if (!current->cpus_allowed)
		return 0;
	child->cpus_allowed = malloc(CPU_MASK_SIZE);
	if (!child->cpus_allowed)
		return -LINUX_ENOMEM;
	mutex_lock(&current->lock);
	memcpy(child->cpus_allowed, current->cpus_allowed, CPU_MASK_SIZE);
	mutex_unlock(&current->lock);
	child->cpus_changed = true;
	return 0;
}

static struct tgroup *copy_tgroup(uint64_t flags)
{
	struct tgroup *old = current->tg, *tg;

	if (flags & LINUX_CLONE_THREAD)
		return tgroup_get(old);
	tg = tgroup_new();
	if (!tg)
		return NULL;
	if (flags & LINUX_CLONE_SIGHAND)
		tg->sighand = sighand_get(old->sighand);
	else
		tg->sighand = sighand_copy(old->sighand, flags & LINUX_CLONE_CLEAR_SIGHAND);
	if (!tg->sighand) {
		tgroup_put(tg);
		return NULL;
	}
	mutex_lock(&old->rlim_lock);
	memcpy(tg->rlim, old->rlim, sizeof(tg->rlim));
	mutex_unlock(&old->rlim_lock);
	tg->oom_score_adj = READ_ONCE(old->oom_score_adj);
	tg->flags = TG_FORKED_NOEXEC;
	return tg;
}

/* Undoes what was built of a task that nobody has seen. */
static void clone_abort(struct task *child)
{
	if (child->ctx)
		platform->ctx_free(child->ctx);
	child->ctx = NULL;
	sem_exit(child);
	if (child->mm)
		mm_put(child->mm);
	if (child->files)
		files_put(child->files);
	if (child->fs)
		fs_struct_put(child->fs);
	if (child->user && !child->unlinked)
		atomic_fetch_sub(&child->user->nr_tasks, 1);
	task_put(child);
}

static struct task *clone_build(const struct clone_request *req)
{
	struct tgroup *tg = copy_tgroup(req->flags);
	struct task *child;
	int err;

	if (!tg)
		return ERR_PTR(-LINUX_ENOMEM);
	child = task_new(tg);
	tgroup_put(tg);
	if (!child)
		return ERR_PTR(-LINUX_ENOMEM);
	child->cred = cred_get(current->cred);
	child->user = user_get(current->user);
	atomic_fetch_add(&child->user->nr_tasks, 1);
	copy_behaviour(child, req);
	seccomp_copy(child);
	err = copy_affinity(child);
	if (!err)
		err = sem_copy(child, req->flags & LINUX_CLONE_SYSVSEM);
	if (!err)
		err = copy_files_and_fs(child, req->flags);
	if (!err)
		err = nsproxy_copy(child, req->flags);
	if (!err)
		err = keys_fork(child, req->flags & LINUX_CLONE_THREAD);
	if (!err)
		err = copy_mm(child, req->flags);
	if (!err)
		err = copy_thread(child, req);
	if (!err)
		return child;
	clone_abort(child);
	return ERR_PTR(err);
}

/* --- into the process tree --- */

static void clone_link_process(struct task *child)
{
	struct tgroup *tg = child->tg, *old = current->tg;

	tg->pid = pid_get(child->pid);
	pid_use_locked(child->pid);
	child->pid->tgroup = tg;
	tg->leader = child;
	/* The init of a namespace, as protected as PID 1. */
	if (!pid_ns_of(child->pid)->child_reaper) {
		pid_ns_of(child->pid)->child_reaper = tg;
		tg->flags |= TG_UNKILLABLE;
	}
	tgroup_set_pgrp_locked(tg, old->pgrp);
	tgroup_set_session_locked(tg, old->session);
	tg->tty = old->tty;
	if (tg->tty)
		tty_hooks->get(tg->tty);
	list_add_tail(&tg->all_link, &all_tgroups);
	list_add_tail(&child->sibling, &child->real_parent->children);
}

static int clone_link_locked(struct task *child, const struct clone_request *req, int event)
{
	bool thread = req->flags & LINUX_CLONE_THREAD;
	struct tgroup *tg = child->tg;
	struct pid *pid;
	int err;

	mutex_assert_held(&pids_lock);
	mutex_assert_held(&tg->siglock);
	if (!pids_charge_locked())
		return -LINUX_EAGAIN;
	err = cgroup_fork_locked(tg, req->cgroup ? req->cgroup : current->tg->cgroup, !thread);
	if (err) {
		pids_uncharge_locked();
		return err;
	}
	pid = pid_alloc_ns_locked(child->nsproxy->pid_for_children, req->set_tid);
	if (IS_ERR(pid)) {
		cgroup_release_locked(tg);
		if (!thread)
			cgroup_cancel_locked(tg);
		pids_uncharge_locked();
		return (int)PTR_ERR(pid);
	}
	child->pid = pid;
	child->tid = pid->nr;
	pid->task = child;
	child->exit_signal = thread ? -1 : req->exit_signal;
	child->real_parent = current;
	if (req->flags & (LINUX_CLONE_PARENT | LINUX_CLONE_THREAD)) {
		child->real_parent = current->real_parent;
		if (!thread)
			child->exit_signal = current->tg->leader->exit_signal;
		/* A sibling of one that nobody waits for. */
		if (!thread && current->tg->flags & TG_ADOPTED)
			tg->flags |= TG_ADOPTED;
	}
	child->parent = child->real_parent;
	child->ppid = child->real_parent ? child->real_parent->tg->pid->nr : 0;
	if (!thread)
		clone_link_process(child);
	list_add_tail(&child->thread_link, &tg->threads);
	tg->nr_threads++;
	tg->nr_live++;
	ptrace_clone_locked(child, req->flags, event);
	return 0;
}

static int clone_link(struct task *child, const struct clone_request *req, int event)
{
	struct tgroup *tg = current->tg;
	int err = 0;

	MUTEX_GUARD(&pids_lock);
	/*
	 * A process that is being killed, or replaced by exec, gets no new thread, and makes no more children: whoever kills
	 * all processes holds pids_lock, and meets either the parent or its child.
	 */
	mutex_lock(&tg->siglock);
	if (signal_fatal_pending() || (tg->flags & TG_EXITING) || tg->group_exec_task)
		err = -LINUX_EINTR;
	if (!err && child->tg == tg)
		err = clone_link_locked(child, req, event);
	mutex_unlock(&tg->siglock);
	if (err || child->tg == tg)
		return err;
	mutex_lock(&child->tg->siglock);
	err = clone_link_locked(child, req, event);
	mutex_unlock(&child->tg->siglock);
	return err;
}

/* The host has no thread to run it: the task ends before it began, unnoticed. */
static void clone_unlink(struct task *child)
{
	struct tgroup *tg = child->tg;

	mutex_lock(&pids_lock);
	mutex_lock(&tg->siglock);
	child->exiting = true;
	tg->nr_live--;
	mutex_unlock(&tg->siglock);
	child->exit_state = EXIT_DEAD;
	if (child == tg->leader)
		cgroup_cancel_locked(tg);
	task_release_locked(child);
	mutex_unlock(&pids_lock);
	clone_abort(child);
}

static void clone_wait_vfork(struct task *child)
{
	waitq_wait(&child->vfork_wait, !atomic_load(&child->vfork_pending), SLEEP_KILLABLE, NO_DEADLINE);
}

/* Notes how far the parent of a new process has come, for task_let_parent_run. */
static void clone_note_parent(struct task *child, const struct clone_request *req)
{
	struct mm *mm = current->mm;

	if (req->flags & (LINUX_CLONE_VM | LINUX_CLONE_VFORK))
		return;
	/* What the fork did to the mappings is not to be taken for the guest's own progress. */
	if (platform->sync)
		platform->sync(mm->as, true);
	child->forked_from = mm_get(mm);
	child->forked_at = platform->cpu_time(mm->as);
}

/* @child: two references, one for the process tree. */
static int64_t clone_start(struct task *child, const struct clone_request *req, int event)
{
	int nr = task_tid(child);
	int err;

	trace_task_new(child->pid->nr, req->flags);
	clone_note_parent(child, req);
	proc_event_fork(child);
	err = task_start_thread(child);
	if (err) {
		if (child->forked_from)
			mm_put(child->forked_from);
		task_put(child);
		clone_unlink(child);
		return err;
	}
	__atomic_fetch_add(&nr_forks, 1, __ATOMIC_RELAXED);
	if (event)
		ptrace_event(event, (uint64_t)nr);
	if (req->flags & LINUX_CLONE_VFORK) {
		clone_wait_vfork(child);
		ptrace_event(LINUX_PTRACE_EVENT_VFORK_DONE, (uint64_t)nr);
	}
	task_put(child);
	return nr;
}

int64_t kernel_clone(const struct clone_request *req)
{
	int err, pidfd = -1, event = ptrace_clone_event(req->flags, req->exit_signal);
	struct task *child;

	err = clone_check(req);
	if (!err)
		err = clone_check_limits();
	if (err)
		return err;
	/* A signal sent to several processes is acted on before the fork, so that it can't be outrun. */
	if (!(req->flags & LINUX_CLONE_THREAD) && signal_pending())
		return -LINUX_ERESTARTNOINTR;
	child = clone_build(req);
	if (IS_ERR(child))
		return PTR_ERR(child);
	err = clone_link(child, req, event);
	if (err) {
		clone_abort(child);
		return err;
	}
	task_get(child);
	if (req->flags & LINUX_CLONE_PIDFD) {
		pidfd = pidfd_new(child->pid, 0);
		err = pidfd < 0 ? pidfd : put_user(pidfd, req->pidfd, int32_t);
	}
	if (err) {
		if (pidfd >= 0)
			fd_close(pidfd);
		task_put(child);
		clone_unlink(child);
		return err;
	}
	if (req->flags & LINUX_CLONE_PARENT_SETTID && put_user(task_tid(child), req->parent_tid, int32_t))
		err = 0; /* ignored, as on Linux */
	return clone_start(child, req, event);
}
