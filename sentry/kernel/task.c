/* SPDX-License-Identifier: Apache-2.0 */
/* Storage of tasks and processes, and what others ask about them. */
#include "sentry/kernel/key.h"
#include "sentry/kernel/task.h"

#include <stdlib.h>
#include <string.h>

#include "sentry/kernel/debugreg.h"
#include "sentry/kernel/nsproxy.h"
#include "sentry/kernel/seccomp.h"
#include "sentry/kernel/timers.h"
#include "sentry/kernel/user.h"
#include "vfs/cgroup/cgroup.h"
#include "vfs/user_ns.h"

_Thread_local struct task *current;
struct tgroup *init_tgroup;
struct list_head all_tgroups = LIST_HEAD_INIT(all_tgroups);

/* --- storage --- */

struct tgroup *tgroup_new(void)
{
	struct tgroup *tg = calloc(1, sizeof(*tg));

	if (!tg)
		return NULL;
	ref_init(&tg->ref);
	list_init(&tg->all_link);
	list_init(&tg->threads);
	list_init(&tg->pgrp_link);
	list_init(&tg->session_link);
	waitq_init(&tg->wait_chldexit);
	waitq_init(&tg->exec_wait);
	mutex_init(&tg->exec_lock);
	mutex_init(&tg->siglock);
	sigpending_init(&tg->shared_pending);
	waitq_init(&tg->signalfd_wait);
	mutex_init(&tg->rlim_lock);
	timers_init(tg);
	return tg;
}

void tgroup_put(struct tgroup *tg)
{
	if (!tg || !ref_put(&tg->ref))
		return;
	BUG_ON(!list_empty(&tg->threads));
	sigpending_flush(&tg->shared_pending);
	sighand_put(tg->sighand);
	pid_put(tg->pid);
	pid_put(tg->pgrp);
	pid_put(tg->session);
	cgroup_put(tg->cgroup);
	keys_tgroup_free(tg);
	waitq_fini(&tg->wait_chldexit);
	waitq_fini(&tg->exec_wait);
	waitq_fini(&tg->signalfd_wait);
	mutex_fini(&tg->exec_lock);
	mutex_fini(&tg->siglock);
	mutex_fini(&tg->rlim_lock);
	free(tg);
}

struct task *task_new(struct tgroup *tg)
{
	struct task *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	ref_init(&t->ref);
	t->tg = tgroup_get(tg);
	list_init(&t->thread_link);
	list_init(&t->children);
	list_init(&t->sibling);
	list_init(&t->ptraced);
	list_init(&t->ptrace_link);
	list_init(&t->pi_state_list);
	mutex_init(&t->lock);
	sleeper_init(&t->sleeper);
	sigpending_init(&t->pending);
	waitq_init(&t->vfork_wait);
	t->sigaltstack.ss_flags = LINUX_SS_DISABLE;
	t->syscall_nr = NO_SYSCALL;
	t->start_time = boottime_ns();
	return t;
}

void task_put(struct task *t)
{
	if (!t || !ref_put(&t->ref))
		return;
	BUG_ON(!list_empty(&t->thread_link) || t->ctx);
	sigpending_flush(&t->pending);
	seccomp_put(t->seccomp);
	cred_put(t->cred);
	user_put(t->user);
	pid_put(t->pid);
	pid_put(t->former_pid);
	nsproxy_put(t->nsproxy);
	tgroup_put(t->tg);
	waitq_fini(&t->vfork_wait);
	mutex_fini(&t->lock);
	free(t->xstate);
	debugregs_free(t);
	keys_task_free(t);
	free(t->cpus_allowed);
	free(t);
}

/* Swaps a pointer that others read under task->lock; the old value is the caller's to put. */
#define TASK_SWAP(t, field, value)                                                                                     \
	({                                                                                                             \
		__typeof__((t)->field) old_;                                                                           \
                                                                                                                       \
		mutex_lock(&(t)->lock);                                                                                \
		old_ = (t)->field;                                                                                     \
		(t)->field = (value);                                                                                  \
		mutex_unlock(&(t)->lock);                                                                              \
		old_;                                                                                                  \
	})

void task_set_mm(struct task *t, struct mm *mm)
{
	struct mm *old = TASK_SWAP(t, mm, mm);

	if (t == current)
		current_mm = mm;
	if (old)
		mm_put(old);
}

void task_set_files(struct task *t, struct files_struct *files)
{
	struct files_struct *old = TASK_SWAP(t, files, files);

	/* The table is still the calling thread's while its last put closes files. */
	if (old)
		files_put(old);
	if (t == current)
		current_files = files;
}

void task_set_fs(struct task *t, struct fs_struct *fs)
{
	struct fs_struct *old = TASK_SWAP(t, fs, fs);

	if (t == current)
		current_fs = fs;
	if (old)
		fs_struct_put(old);
}

/* The counters of another real user.  Out of memory: it stays counted where it was. */
static void task_set_user(struct task *t, uint32_t uid)
{
	struct user *new = user_find_get(uid), *old;

	if (!new)
		return;
	atomic_fetch_add(&new->nr_tasks, 1);
	old = TASK_SWAP(t, user, new);
	if (old) {
		atomic_fetch_sub(&old->nr_tasks, 1);
		user_put(old);
	}
}

void task_set_cred(struct task *t, const struct cred *cred)
{
	const struct cred *old;

	if (!t->user || t->user->uid != cred->uid)
		task_set_user(t, cred->uid);
	old = TASK_SWAP(t, cred, cred);
	if (t == current)
		current_cred = cred;
	if (t->mm)
		WRITE_ONCE(t->mm->cap_ipc_lock, cred->cap_effective & BIT(CAP_IPC_LOCK));
	cred_put(old);
}

void task_set_nsproxy(struct task *t, struct nsproxy *ns)
{
	struct nsproxy *old = TASK_SWAP(t, nsproxy, ns);

	if (t == current)
		current_net = ns ? ns->net : NULL;
	nsproxy_put(old);
}

void mm_sync_limits(struct mm *mm, struct tgroup *tg, const struct cred *cred)
{
	mm->rlim_as = READ_ONCE(tg->rlim[LINUX_RLIMIT_AS].rlim_cur);
	mm->rlim_data = READ_ONCE(tg->rlim[LINUX_RLIMIT_DATA].rlim_cur);
	mm->rlim_stack = READ_ONCE(tg->rlim[LINUX_RLIMIT_STACK].rlim_cur);
	mm->rlim_memlock = READ_ONCE(tg->rlim[LINUX_RLIMIT_MEMLOCK].rlim_cur);
	WRITE_ONCE(mm->cap_ipc_lock, cred->cap_effective & BIT(CAP_IPC_LOCK));
}

/* --- finding --- */

struct task *task_find_locked(int tid)
{
	struct pid *pid = tid > 0 ? pid_find_locked(tid) : NULL;

	return pid ? pid->task : NULL;
}

struct task *task_find_get(int tid)
{
	struct task *t;

	MUTEX_GUARD(&pids_lock);
	t = task_find_locked(tid);
	return t ? task_get(t) : NULL;
}

struct tgroup *tgroup_find_locked(int tgid)
{
	struct pid *pid = tgid > 0 ? pid_find_locked(tgid) : NULL;

	return pid ? pid->tgroup : NULL;
}

struct tgroup *tgroup_find_get(int tgid)
{
	struct tgroup *tg;

	MUTEX_GUARD(&pids_lock);
	tg = tgroup_find_locked(tgid);
	return tg ? tgroup_get(tg) : NULL;
}

struct tgroup *tgroup_next_get(int tgid)
{
	struct pid *pid;

	MUTEX_GUARD(&pids_lock);
	for (pid = pid_next_locked(tgid); pid; pid = pid_next_locked(pid_nr(pid) + 1))
		if (pid->tgroup)
			return tgroup_get(pid->tgroup);
	return NULL;
}

struct task *tgroup_next_thread_get(struct tgroup *tg, int tid)
{
	struct task *t, *best = NULL;

	MUTEX_GUARD(&pids_lock);
	list_for_each_entry(t, &tg->threads, thread_link)
		if (task_tid(t) >= tid && (!best || task_tid(t) < task_tid(best)))
			best = t;
	return best ? task_get(best) : NULL;
}

struct task *tgroup_leader_get(struct tgroup *tg)
{
	MUTEX_GUARD(&pids_lock);
	return tg->leader ? task_get(tg->leader) : NULL;
}

unsigned tgroup_nr_threads(struct tgroup *tg)
{
	return atomic_load(&tg->nr_threads);
}

/* --- asking --- */

struct mm *task_mm_get(struct task *t)
{
	MUTEX_GUARD(&t->lock);
	return t->mm ? mm_get(t->mm) : NULL;
}

struct files_struct *task_files_get(struct task *t)
{
	MUTEX_GUARD(&t->lock);
	return t->files ? files_get(t->files) : NULL;
}

struct fs_struct *task_fs_get(struct task *t)
{
	MUTEX_GUARD(&t->lock);
	return t->fs ? fs_struct_get(t->fs) : NULL;
}

const struct cred *task_cred_get(struct task *t)
{
	MUTEX_GUARD(&t->lock);
	return cred_get(t->cred);
}

struct nsproxy *task_nsproxy_get(struct task *t)
{
	MUTEX_GUARD(&t->lock);
	return t->nsproxy ? nsproxy_get(t->nsproxy) : NULL;
}

void task_comm(struct task *t, char ret[TASK_COMM_LEN])
{
	MUTEX_GUARD(&t->lock);
	memcpy(ret, t->comm, TASK_COMM_LEN);
}

void task_set_comm(struct task *t, const char *comm)
{
	size_t len = strnlen(comm, TASK_COMM_LEN - 1);

	MUTEX_GUARD(&t->lock);
	memset(t->comm, 0, TASK_COMM_LEN);
	memcpy(t->comm, comm, len);
}

char task_state_char(struct task *t)
{
	if (atomic_load(&t->exit_state) != EXIT_NONE)
		return atomic_load(&t->exit_state) == EXIT_ZOMBIE ? 'Z' : 'X';
	if (atomic_load(&t->jobctl) & JOBCTL_TRACED)
		return 't';
	if (atomic_load(&t->jobctl) & JOBCTL_STOPPED)
		return 'T';
	if (sleeper_asleep(&t->sleeper))
		return 'S';
	return 'R';
}

const char *task_state_name(char state)
{
	switch (state) {
	case 'R':
		return "R (running)";
	case 'S':
		return "S (sleeping)";
	case 'D':
		return "D (disk sleep)";
	case 'T':
		return "T (stopped)";
	case 't':
		return "t (tracing stop)";
	case 'Z':
		return "Z (zombie)";
	default:
		return "X (dead)";
	}
}

int task_ppid(struct task *t)
{
	if (likely(!pid_view))
		return atomic_load(&t->ppid);
	MUTEX_GUARD(&pids_lock);
	return t->real_parent ? task_tgid(t->real_parent) : 0;
}

int task_tracer_tid(struct task *t)
{
	MUTEX_GUARD(&pids_lock);
	return t->ptrace && t->parent ? task_tid(t->parent) : 0;
}

int tgroup_pgrp_nr(struct tgroup *tg)
{
	MUTEX_GUARD(&pids_lock);
	return pid_nr(tg->pgrp);
}

int tgroup_session_nr(struct tgroup *tg)
{
	MUTEX_GUARD(&pids_lock);
	return pid_nr(tg->session);
}

void task_signals(struct task *t, struct task_signals *ret)
{
	struct tgroup *tg = t->tg;

	*ret = (struct task_signals){ 0 };
	mutex_lock(&tg->siglock);
	ret->pending = t->pending.signal;
	ret->shared_pending = tg->shared_pending.signal;
	ret->blocked = task_sigmask_locked(t);
	mutex_lock(&tg->sighand->lock);
	for (int sig = 1; sig <= LINUX_NSIG; sig++) {
		uint64_t handler = tg->sighand->action[sig - 1].handler;

		if (handler == LINUX_SIG_IGN)
			ret->ignored |= LINUX_SIGMASK(sig);
		else if (handler != LINUX_SIG_DFL)
			ret->caught |= LINUX_SIGMASK(sig);
	}
	mutex_unlock(&tg->sighand->lock);
	mutex_unlock(&tg->siglock);
	mutex_lock(&t->lock);
	if (t->user)
		ret->nr_queued = (uint64_t)atomic_load(&t->user->nr_sigpending);
	mutex_unlock(&t->lock);
	ret->limit = tgroup_rlimit(tg, LINUX_RLIMIT_SIGPENDING).rlim_cur;
}

/* What is read here may change meanwhile, and then is neither the old nor the new: for show. */
#define RACY __attribute__((no_sanitize("thread")))

/*
 * The registers in the context are stable while the task's own thread isn't about to change them: while it sleeps in a call
 * or is stopped.  Without siglock the context could go away.
 */
RACY bool task_regs(struct task *t, struct guest_regs *ret)
{
	MUTEX_GUARD(&t->tg->siglock);
	if (!t->ctx || atomic_load(&t->in_guest) || !sleeper_asleep(&t->sleeper))
		return false;
	/* Word by word: a copy of the whole is memcpy's to some compilers, which is not exempt. */
	for (size_t i = 0; i < sizeof(*ret) / sizeof(uint64_t); i++)
		((uint64_t *)ret)[i] = ((const volatile uint64_t *)&t->ctx->regs)[i];
	return true;
}

bool task_syscall(struct task *t, uint64_t *ret_nr, uint64_t ret_args[6], uaddr_t *ret_sp, uaddr_t *ret_ip)
{
	struct guest_regs regs;

	if (!task_regs(t, &regs))
		return false;
	*ret_nr = atomic_load(&t->syscall_nr);
	ret_args[0] = regs.rdi;
	ret_args[1] = regs.rsi;
	ret_args[2] = regs.rdx;
	ret_args[3] = regs.r10;
	ret_args[4] = regs.r8;
	ret_args[5] = regs.r9;
	*ret_sp = regs.rsp;
	*ret_ip = regs.rip;
	return true;
}

const char *task_wchan(struct task *t)
{
	return sleeper_asleep(&t->sleeper) ? "sleeper_sleep" : "0";
}

/* As ptrace_may_access() in Linux, without security modules. */
bool task_may_access(struct task *t, bool attach)
{
	const struct cred *c = current->cred, *target;
	bool same, may, privileged;
	struct mm *mm;

	if (t->tg == current->tg)
		return true;
	target = task_cred_get(t);
	if (attach)
		same = c->uid == target->euid && c->uid == target->suid && c->uid == target->uid &&
		       c->gid == target->egid && c->gid == target->sgid && c->gid == target->gid;
	else
		same = c->fsuid == target->euid && c->fsuid == target->suid && c->fsuid == target->uid &&
		       c->fsgid == target->egid && c->fsgid == target->sgid && c->fsgid == target->gid;
	may = same && c->user_ns == target->user_ns && !(target->cap_permitted & ~c->cap_permitted);
	privileged = cred_ns_capable(c, target->user_ns, CAP_SYS_PTRACE);
	may = may || privileged;
	cred_put(target);
	if (!may)
		return false;
	mm = task_mm_get(t);
	if (mm && !READ_ONCE(mm->dumpable))
		may = privileged;
	if (mm)
		mm_put(mm);
	return may;
}

struct linux_rlimit tgroup_rlimit(struct tgroup *tg, unsigned resource)
{
	MUTEX_GUARD(&tg->rlim_lock);
	return tg->rlim[resource];
}
