/* SPDX-License-Identifier: Apache-2.0 */
/*
 * execve(2), execveat(2).
 *
 * The new address space is complete (loader), and has a context to run in, before anything of the old program is given up.
 * Then there is no way back: the other threads are ended (exec_dethread), the old address space is told and left, and what
 * must not survive goes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/loader.h"
#include "sentry/abi/fcntl.h"
#include "sentry/base/trace.h"
#include "sentry/kernel/exec.h"
#include "sentry/kernel/debugreg.h"
#include "sentry/kernel/key.h"
#include "sentry/kernel/proc_event.h"
#include "sentry/kernel/ptrace.h"
#include "sentry/kernel/task.h"
#include "sentry/kernel/timers.h"
#include "sentry/kernel/wait.h"
#include "sentry/mm/uaccess.h"

#define USER_CS 0x33
#define USER_DS 0x2b
#define EFLAGS_IF 0x200
#define MAX_ARG_STRLEN (32 * PAGE_SIZE)
#define DEFAULT_STACK_LIMIT (8UL << 20)
#define EXEC_LOCK_POLL_NS 1000000

/* --- arguments --- */

/* Adds the strings of a guest's pointer array to @s, while they and the pointers fit in *space. */
static int exec_copy_strings(struct exec_strings *s, uaddr_t uargv, uint64_t *space)
{
	char *buf = NULL;
	int err = 0;

	if (!uargv)
		return 0;
	buf = malloc(MAX_ARG_STRLEN);
	if (!buf)
		return -LINUX_ENOMEM;
	for (uaddr_t at = uargv;; at += 8) {
		uint64_t ptr;
		int64_t len;

		err = get_user(&ptr, at);
		if (err || !ptr)
			break;
		len = strncpy_from_user(buf, ptr, MAX_ARG_STRLEN);
		if (len < 0)
			err = (int)len;
		else if (len >= (int64_t)MAX_ARG_STRLEN || (uint64_t)len + 1 + 8 > *space)
			err = -LINUX_E2BIG;
		else if (signal_fatal_pending())
			err = -LINUX_ERESTARTNOHAND;
		else
			err = exec_strings_add(s, buf);
		if (err)
			break;
		*space -= (uint64_t)len + 1 + 8;
	}
	free(buf);
	return err;
}

void exec_request_fini(struct exec_request *req)
{
	if (req->file)
		fput(req->file);
	free(req->filename);
	exec_strings_fini(&req->argv);
	exec_strings_fini(&req->envp);
}

/* The name the program sees: scripts are opened by it again. */
static char *exec_filename(int dfd, const char *name)
{
	char *ret;

	if (dfd == LINUX_AT_FDCWD || name[0] == '/')
		return strdup(name);
	if (asprintf(&ret, name[0] ? "/dev/fd/%d/%s" : "/dev/fd/%d", dfd, name) < 0)
		return NULL;
	return ret;
}

int exec_open(struct exec_request *req, int dfd, const char *name, unsigned at_flags)
{
	uint32_t open_flags = LINUX_O_RDONLY | LINUX_O_EXEC;
	unsigned lookup = LOOKUP_FOLLOW;
	struct file *f;

	if (at_flags & ~(LINUX_AT_SYMLINK_NOFOLLOW | LINUX_AT_EMPTY_PATH))
		return -LINUX_EINVAL;
	if (at_flags & LINUX_AT_EMPTY_PATH)
		lookup |= LOOKUP_EMPTY;
	if (at_flags & LINUX_AT_SYMLINK_NOFOLLOW) {
		open_flags |= LINUX_O_NOFOLLOW;
		lookup &= ~LOOKUP_FOLLOW;
	}
	f = do_filp_open(dfd, name, open_flags, 0, lookup);
	if (IS_ERR(f))
		return (int)PTR_ERR(f);
	req->file = f;
	req->filename = exec_filename(dfd, name);
	if (!req->filename)
		return -LINUX_ENOMEM;
	/* A script is read again through /dev/fd by its interpreter, which won't find it. */
	req->path_inaccessible = dfd >= 0 && name[0] != '/' && fd_get_cloexec(dfd) == 1;
	return 0;
}

void exec_request_init(struct exec_request *req, struct task *t)
{
	*req = (struct exec_request){
		.stack_limit = READ_ONCE(t->tg->rlim[LINUX_RLIMIT_STACK].rlim_cur),
		.no_randomize = t->personality & LINUX_ADDR_NO_RANDOMIZE,
		.cred = t->cred,
		.setid_allowed = !t->no_new_privs && !t->ptrace,
	};
}

/* --- the other threads --- */

static bool dethread_done(struct tgroup *tg)
{
	bool done;

	MUTEX_GUARD(&tg->siglock);
	done = tg->nr_threads == 1;
	/* Only an unreaped leader and us. */
	if (tg->nr_threads == 2 && current != tg->leader)
		done = atomic_load(&tg->leader->exit_state) == EXIT_ZOMBIE;
	return done;
}

/* Tells all other threads to end.  False when the process is ending anyway, or another thread was first. */
static bool dethread_begin(struct tgroup *tg)
{
	struct task *t;

	MUTEX_GUARD(&tg->siglock);
	if ((tg->flags & TG_EXITING) || tg->group_exec_task)
		return false;
	tg->group_exec_task = current;
	tg->group_stop_count = 0;
	list_for_each_entry(t, &tg->threads, thread_link) {
		t->jobctl &= ~(JOBCTL_STOP_PENDING | JOBCTL_STOP_CONSUME);
		if (t == current || t->exiting)
			continue;
		t->pending.signal |= LINUX_SIGMASK(LINUX_SIGKILL);
		signal_wake_up(t, true);
	}
	return true;
}

/* The program's process id is the leader's number, so a thread that calls exec becomes the leader. */
static struct task *dethread_take_over(struct task *me)
{
	struct tgroup *tg = me->tg;
	struct task *leader = tg->leader;
	struct pid *old = me->pid;

	mutex_assert_held(&pids_lock);
	me->start_time = leader->start_time;
	if (!me->former_pid)
		me->former_pid = pid_get(old);
	WRITE_ONCE(me->pid, leader->pid);
	me->pid->task = me;
	leader->pid = old;
	old->task = leader;
	atomic_store(&leader->tid, old->nr);
	atomic_store(&me->tid, me->pid->nr);
	list_add_tail(&me->sibling, &leader->sibling);
	me->exit_signal = LINUX_SIGCHLD;
	leader->exit_signal = -1;
	mutex_lock(&tg->siglock);
	tg->leader = me;
	list_del(&me->thread_link);
	list_add(&me->thread_link, &tg->threads);
	mutex_unlock(&tg->siglock);
	leader->exit_state = EXIT_DEAD;
	task_release_locked(leader);
	return leader;
}

/* Makes current the only thread of its process, and its leader.  0 or -LINUX_EAGAIN when it's to die itself. */
static int exec_dethread(void)
{
	struct task *me = current, *dead = NULL;
	struct tgroup *tg = me->tg;
	int err;

	if (tgroup_nr_threads(tg) > 1) {
		if (!dethread_begin(tg))
			return -LINUX_EAGAIN;
		err = waitq_wait(&tg->exec_wait, dethread_done(tg), SLEEP_KILLABLE, NO_DEADLINE);
		mutex_lock(&pids_lock);
		if (!err && tg->leader != me)
			dead = dethread_take_over(me);
		mutex_lock(&tg->siglock);
		tg->group_exec_task = NULL;
		mutex_unlock(&tg->siglock);
		mutex_unlock(&pids_lock);
		if (dead)
			task_put(dead);
		if (err)
			return -LINUX_EAGAIN;
	}
	mutex_lock(&pids_lock);
	me->exit_signal = LINUX_SIGCHLD;
	mutex_unlock(&pids_lock);
	return 0;
}

/* --- the new program --- */

/* Handlers that are shared with another process (CLONE_SIGHAND without CLONE_THREAD) stay as they are there. */
static int exec_unshare_sighand(struct tgroup *tg)
{
	struct sighand *sh;

	if (ref_read(&tg->sighand->ref) == 1)
		return 0;
	sh = sighand_copy(tg->sighand, false);
	if (!sh)
		return -LINUX_ENOMEM;
	mutex_lock(&tg->siglock);
	sighand_put(tg->sighand);
	tg->sighand = sh;
	mutex_unlock(&tg->siglock);
	return 0;
}

static void exec_switch_mm(struct task *t, struct mm *mm, struct platform_ctx *ctx)
{
	struct tgroup *tg = t->tg;
	struct platform_ctx *old;

	task_mm_release(t);
	if (ref_read(&t->mm->users) == 1)
		mm_settle(t->mm);
	mutex_lock(&tg->siglock);
	tg->acct.maxrss = MAX(tg->acct.maxrss, (uint64_t)t->mm->rss_peak);
	old = t->ctx;
	t->ctx = ctx;
	t->answers.ctx = NULL;
	mutex_unlock(&tg->siglock);
	if (old)
		platform->ctx_free(old);
	acct_mm_leave(t);
	task_set_mm(t, mm);
	acct_mm_enter(t);
}

static void exec_init_regs(struct task *t, const struct exec_image *img)
{
	t->ctx->regs = (struct guest_regs){
		.rip = img->entry, .rsp = img->sp, .cs = USER_CS, .ss = USER_DS, .eflags = EFLAGS_IF,
	};
	t->ctx->regs_dirty = true;
}

/* Credentials, and what depends on their change: begin_new_exec() and setup_new_exec() of Linux. */
static void exec_commit_creds(struct task *t, struct exec_request *req)
{
	const struct cred *c = req->cred;
	bool same_ids = c->uid == c->euid && c->gid == c->egid;
	bool changed = c->euid != t->cred->euid || c->egid != t->cred->egid;

	if (req->secure || changed) {
		atomic_store(&t->pdeath_signal, 0);
		t->personality &= ~LINUX_PER_CLEAR_ON_SETID;
	}
	if (req->secure) {
		mutex_lock(&t->tg->rlim_lock);
		t->tg->rlim[LINUX_RLIMIT_STACK].rlim_cur =
			MIN(t->tg->rlim[LINUX_RLIMIT_STACK].rlim_cur, DEFAULT_STACK_LIMIT);
		mutex_unlock(&t->tg->rlim_lock);
	}
	/* Of an unreadable program it is not, to begin with. */
	if (!same_ids || changed || c->cap_permitted & ~t->cred->cap_permitted)
		WRITE_ONCE(t->mm->dumpable, false);
	task_set_cred_told(t, c);
	keys_exec();
	mm_sync_limits(t->mm, t->tg, t->cred);
}

static void exec_reset(struct task *t, const struct exec_image *img)
{
	struct tgroup *tg = t->tg;

	sighand_reset(tg->sighand);
	posix_timers_delete_all(tg);
	debugregs_free(t);
	t->sigaltstack = (struct linux_stack){ .ss_flags = LINUX_SS_DISABLE };
	t->restore_sigmask = false;
	t->restart.fn = NULL;
	t->user_dispatch.on = false;
	t->set_child_tid = 0;
	t->robust_list = 0;
	t->futex_exiting = false;
	t->tsc_mode = 0;
	t->cr2 = t->trapno = t->error_code = 0;
	t->cpus_changed = t->cpus_allowed != NULL;
	task_set_comm(t, img->comm);
	mutex_lock(&tg->siglock);
	tg->flags &= ~TG_FORKED_NOEXEC;
	mutex_unlock(&tg->siglock);
}

int exec_install(struct exec_request *req, struct exec_image *img)
{
	struct task *t = current;
	struct files_struct *files = NULL;
	struct platform_ctx *ctx;
	int old_tid = task_tid(t), err = 0;

	ctx = platform->ctx_new(img->mm->as);
	if (IS_ERR(ctx) || !ctx)
		err = ctx ? (int)PTR_ERR(ctx) : -LINUX_ENOMEM;
	else if (files_shared(t->files)) {
		/* Another task's descriptors are not closed by our exec. */
		files = files_copy(t->files);
		if (IS_ERR(files)) {
			err = (int)PTR_ERR(files);
			files = NULL;
		}
	}
	if (!err)
		err = exec_dethread();
	if (!err)
		err = exec_unshare_sighand(t->tg);
	if (err) {
		if (ctx && !IS_ERR(ctx))
			platform->ctx_free(ctx);
		if (files)
			files_put(files);
		mm_put(img->mm);
		return err;
	}
	/* No way back. */
	exec_switch_mm(t, img->mm, ctx);
	exec_init_regs(t, img);
	if (files)
		task_set_files(t, files);
	exec_commit_creds(t, req);
	exec_reset(t, img);
	files_close_on_exec(t->files);
	trace_task_exec(req->filename);
	proc_event(LINUX_PROC_EVENT_EXEC);
	ptrace_event_exec(old_tid);
	return 0;
}

/* PID 1's first program: nothing old to leave behind. */
int exec_install_init(struct task *t, struct exec_request *req, struct exec_image *img)
{
	struct platform_ctx *ctx = platform->ctx_new(img->mm->as);

	if (IS_ERR(ctx) || !ctx) {
		mm_put(img->mm);
		return ctx ? (int)PTR_ERR(ctx) : -LINUX_ENOMEM;
	}
	t->ctx = ctx;
	t->mm = img->mm;
	exec_init_regs(t, img);
	exec_commit_creds(t, req);
	exec_reset(t, img);
	files_close_on_exec(t->files);
	return 0;
}

int tgroup_exec_lock(struct tgroup *tg, enum sleep_mode mode)
{
	while (!mutex_trylock(&tg->exec_lock))
		if (sleeper_sleep(mode, deadline_after(EXEC_LOCK_POLL_NS)) == -LINUX_ERESTARTSYS)
			return -LINUX_ERESTARTNOINTR;
	return 0;
}

static int exec_locked(struct exec_request *req)
{
	struct task *t = current;
	struct exec_image img;
	int err;

	/* Nobody attaches any more: that decides whether set-id bits count. */
	req->setid_allowed = !t->no_new_privs && !t->ptrace;
	err = exec_load(req, &img);
	if (err)
		return err;
	err = exec_install(req, &img);
	if (err)
		cred_put(req->cred);
	return err;
}

int64_t do_execveat(int dfd, const char *filename, uaddr_t argv, uaddr_t envp, unsigned flags)
{
	struct tgroup *tg = current->tg;
	struct exec_request req;
	uint64_t space;
	int err;

	exec_request_init(&req, current);
	space = exec_arg_space(req.stack_limit);
	err = exec_open(&req, dfd, filename, flags);
	if (!err)
		err = exec_copy_strings(&req.argv, argv, &space);
	if (!err)
		err = exec_copy_strings(&req.envp, envp, &space);
	if (!err)
		err = tgroup_exec_lock(tg, SLEEP_KILLABLE);
	if (!err) {
		err = exec_locked(&req);
		mutex_unlock(&tg->exec_lock);
	}
	exec_request_fini(&req);
	return err;
}
