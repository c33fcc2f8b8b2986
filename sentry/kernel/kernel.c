/* SPDX-License-Identifier: Apache-2.0 */
/* Starting PID 1, and the end. */
#include "sentry/kernel/kernel.h"

#include <stdlib.h>
#include <string.h>

#include "platform/host/host.h"
#include "sentry/base/log.h"
#include "sentry/kernel/exec.h"
#include "sentry/kernel/exit.h"
#include "sentry/kernel/fork.h"
#include "sentry/kernel/key.h"
#include "sentry/kernel/nsproxy.h"
#include "sentry/kernel/task.h"
#include "sentry/kernel/user.h"
#include "sentry/mm/uaccess.h"
#include "vfs/cgroup/cgroup.h"

/* --- PID 1 --- */

/* The host's limits, where they mean the same in the guest; descriptors and processes are the guest's own. */
static void init_rlimits(struct tgroup *tg)
{
	struct host_rlimit lim;

	for (int i = 0; i < LINUX_RLIM_NLIMITS; i++) {
		if (host_caller_rlimit(i, &lim))
			lim.cur = lim.max = LINUX_RLIM_INFINITY;
		tg->rlim[i] = (struct linux_rlimit){ lim.cur, lim.max };
	}
}

static struct task *init_task_new(struct kernel_boot *boot)
{
	struct tgroup *tg = tgroup_new();
	struct task *t = tg ? task_new(tg) : NULL;

	tgroup_put(tg);
	if (!t)
		return NULL;
	tg->sighand = sighand_new();
	t->user = user_find_get(boot->cred->uid);
	if (!tg->sighand || !t->user) {
		task_put(t);
		return NULL;
	}
	atomic_fetch_add(&t->user->nr_tasks, 1);
	init_rlimits(tg);
	t->cred = boot->cred;
	t->fs = boot->fs;
	t->files = boot->files;
	t->timer_slack = t->default_timer_slack = 50000;
	t->exit_signal = LINUX_SIGCHLD;
	t->nice = host_getnice();
	t->nsproxy = nsproxy_init();
	if (!t->nsproxy) {
		task_put(t);
		return NULL;
	}
	keys_init_session(t);
	if (boot->no_randomize)
		t->personality |= LINUX_ADDR_NO_RANDOMIZE;
	tg->flags |= boot->protect_init ? TG_UNKILLABLE : TG_NO_INIT;
	return t;
}

/* As PID 1, or beside it. */
static int init_task_link(struct task *t)
{
	struct tgroup *tg = t->tg;
	struct pid *pid;

	MUTEX_GUARD(&pids_lock);
	if (!pids_charge_locked())
		return -LINUX_EAGAIN;
	if (cgroup_fork_locked(tg, &cgroup_root, true)) {
		pids_uncharge_locked();
		return -LINUX_EAGAIN;
	}
	pid = pid_alloc_locked(0);
	if (IS_ERR(pid)) {
		cgroup_release_locked(tg);
		pids_uncharge_locked();
		return (int)PTR_ERR(pid);
	}
	t->pid = pid;
	t->tid = pid->nr;
	pid->task = t;
	tg->pid = pid_get(pid);
	pid_use_locked(pid);
	pid->tgroup = tg;
	tg->leader = t;
	tgroup_set_pgrp_locked(tg, pid);
	tgroup_set_session_locked(tg, pid);
	list_add_tail(&tg->all_link, &all_tgroups);
	list_add_tail(&t->thread_link, &tg->threads);
	tg->nr_threads = tg->nr_live = 1;
	return 0;
}

/* Where a name without '/' is along the PATH of @envp, as execvp(3) looks: EACCES is remembered, others are passed over. */
static int init_open_path(struct exec_request *req, const char *name, char *const *envp)
{
	const char *path = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin";
	int err = -LINUX_ENOENT, denied = 0;

	for (; *envp; envp++)
		if (!strncmp(*envp, "PATH=", 5))
			path = *envp + 5;
	while (path) {
		const char *end = strchrnul(path, ':');
		size_t len = (size_t)(end - path), name_len = strlen(name);
		char *full = malloc(len + name_len + 3);

		if (!full)
			return -LINUX_ENOMEM;
		memcpy(full, len ? path : ".", len ? len : 1);
		len = len ? len : 1;
		full[len] = '/';
		memcpy(full + len + 1, name, name_len + 1);
		err = exec_open(req, LINUX_AT_FDCWD, full, 0);
		free(full);
		if (!err || err == -LINUX_ENOMEM)
			return err;
		if (err == -LINUX_EACCES)
			denied = err;
		path = *end ? end + 1 : NULL;
	}
	return denied ? denied : err;
}

static int init_strings(struct exec_strings *s, char *const *strings)
{
	int err = 0;

	for (; *strings && !err; strings++)
		err = exec_strings_add(s, *strings);
	return err;
}

/* Loads the program as task @t, on a service thread: its pointers are made the thread's for the time. */
static int init_exec(struct task *t, struct kernel_boot *boot)
{
	struct exec_request req;
	struct exec_image img;
	int err;

	exec_request_init(&req, t);
	if (strchr(boot->path, '/'))
		err = exec_open(&req, LINUX_AT_FDCWD, boot->path, 0);
	else if (*boot->path)
		err = init_open_path(&req, boot->path, boot->envp);
	else
		err = -LINUX_ENOENT;
	if (!err)
		err = init_strings(&req.argv, boot->argv);
	if (!err)
		err = init_strings(&req.envp, boot->envp);
	if (!err)
		err = exec_load(&req, &img);
	if (!err) {
		err = exec_install_init(t, &req, &img);
		if (err)
			cred_put(req.cred);
	}
	exec_request_fini(&req);
	return err;
}

static struct task *init_task; /* kernel_wait's reference */
static struct waitq init_wait = WAITQ_INIT(init_wait);
static atomic_bool init_done;

void kernel_init_exited(void)
{
	atomic_store(&init_done, true);
	waitq_wake(&init_wait, 0);
}

static void boot_become(struct task *t)
{
	current = t;
	current_fs = t ? t->fs : NULL;
	current_files = t ? t->files : NULL;
	if (t)
		current_cred = t->cred;
}

int kernel_start(struct kernel_boot *boot)
{
	const struct cred *service_cred = current_cred;
	struct fs_struct *service_fs = current_fs;
	struct files_struct *service_files = current_files;
	struct task *t;
	int err;

	pids_set_limit(boot->pid_limit);
	mm_out_of_memory = oom_kill_for_copy;
	if (boot->hostname) {
		err = kernel_set_hostname(boot->hostname, strlen(boot->hostname));
		if (err)
			return err;
	}
	t = init_task_new(boot);
	if (!t)
		return -LINUX_ENOMEM;
	err = init_task_link(t);
	if (!err) {
		init_tgroup = t->tg;
		init_pid_ns.child_reaper = t->tg;
		boot_become(t);
		err = init_exec(t, boot);
		if (!err && boot->setup)
			err = boot->setup(boot->setup_data);
		boot_become(NULL);
		current_cred = service_cred;
		current_fs = service_fs;
		current_files = service_files;
	}
	if (err)
		return err;
	init_task = task_get(t);
	return task_start_thread(t);
}

int kernel_wait_deadline(deadline_t deadline, int *ret_status)
{
	int err = waitq_wait(&init_wait, atomic_load(&init_done), SLEEP_UNINTERRUPTIBLE, deadline);

	if (!err)
		*ret_status = init_task->tg->flags & TG_EXITING ? init_task->tg->group_exit_code : init_task->exit_code;
	return err;
}

int kernel_wait(void)
{
	int status = 0;

	kernel_wait_deadline(NO_DEADLINE, &status);
	return status;
}

void kernel_kill_init(int sig)
{
	struct linux_siginfo info;

	if (!init_tgroup)
		return;
	siginfo_init(&info, sig, LINUX_SI_KERNEL);
	signal_send_tgroup(init_tgroup, &info, SIG_FORCE);
}

void kernel_kill_all(void)
{
	struct tgroup *tg;

	MUTEX_GUARD(&pids_lock);
	list_for_each_entry(tg, &all_tgroups, all_link)
		signal_kill_tgroup(tg);
}

/* --- helpers --- */

/* What a task that never ran had. */
static void entered_drop(struct task *t)
{
	if (t->ctx)
		platform->ctx_free(t->ctx);
	t->ctx = NULL;
	task_set_mm(t, NULL);
	task_set_files(t, NULL);
	task_set_fs(t, NULL);
	task_put(t);
}

static int entered_load(struct task *t, struct kernel_boot *boot)
{
	const struct cred *service_cred = current_cred;
	struct fs_struct *service_fs = current_fs;
	struct files_struct *service_files = current_files;
	int err;

	boot_become(t);
	err = init_exec(t, boot);
	if (!err && boot->setup)
		err = boot->setup(boot->setup_data);
	if (!err) {
		err = init_task_link(t);
		if (!err && boot->linked)
			boot->linked(boot->setup_data);
	}
	boot_become(NULL);
	current_cred = service_cred;
	current_fs = service_fs;
	current_files = service_files;
	return err;
}

/* From now on it is a process like others, which ends at once without a thread to run it. */
static void entered_undo(struct task *t)
{
	LIST_HEAD(dead);

	platform->ctx_free(t->ctx);
	t->ctx = NULL;
	task_set_mm(t, NULL);
	task_set_files(t, NULL);
	task_set_fs(t, NULL);
	mutex_lock(&pids_lock);
	task_dead_add_locked(&dead, t);
	mutex_unlock(&pids_lock);
	task_dead_put(&dead);
}

pid_t kernel_enter(struct kernel_boot *boot)
{
	struct task *t = init_tgroup ? init_task_new(boot) : NULL;
	pid_t pid;
	int err;

	if (!t)
		return init_tgroup ? -LINUX_ENOMEM : -LINUX_ESRCH;
	t->tg->flags = TG_ENTERED;
	t->tg->exited = boot->exited;
	t->tg->exited_data = boot->setup_data;
	err = entered_load(t, boot);
	if (err) {
		entered_drop(t);
		return err;
	}
	pid = t->tid;
	err = task_start_thread(t);
	if (err)
		entered_undo(t);
	return err ? err : pid;
}

struct fs_struct *kernel_init_fs(void)
{
	struct task *leader = init_tgroup ? tgroup_leader_get(init_tgroup) : NULL;
	struct fs_struct *fs = leader ? task_fs_get(leader) : NULL, *copy = fs ? fs_struct_copy(fs) : NULL;

	task_put(leader);
	if (fs)
		fs_struct_put(fs);
	if (!copy)
		return NULL;
	path_put(&copy->pwd);
	copy->pwd = copy->root;
	path_get(&copy->pwd);
	return copy;
}

int kernel_spawn(const char *path, char *const *argv, char *const *envp)
{
	struct kernel_boot boot = { .path = path, .argv = argv, .envp = envp };
	pid_t pid;

	boot.fs = kernel_init_fs();
	if (!boot.fs)
		return -LINUX_ESRCH;
	boot.files = files_new();
	boot.cred = cred_new(0, 0, 0, NULL);
	if (!boot.files || !boot.cred)
		return -LINUX_ENOMEM;
	pid = kernel_enter(&boot);
	return pid < 0 ? pid : 0;
}

const char *kernel_cmdline = "sentry console=tty0 quiet";
static atomic_bool cad_enabled = true;

void kernel_cad_enable(bool on)
{
	atomic_store(&cad_enabled, on);
}

void kernel_ctrl_alt_del(void)
{
	if (atomic_load(&cad_enabled))
		kernel_reboot(true);
	else if (init_tgroup)
		signal_kernel_tgroup(init_tgroup, LINUX_SIGINT);
}

static atomic_bool reboot_requested;

void kernel_reboot(bool restart)
{
	atomic_store(&reboot_requested, restart);
	mutex_lock(&init_tgroup->siglock);
	tgroup_exit_start_locked(init_tgroup, 0);
	mutex_unlock(&init_tgroup->siglock);
}

bool kernel_reboot_requested(void)
{
	return atomic_load(&reboot_requested);
}

/* --- counts --- */

void kernel_counts(struct kernel_counts *ret)
{
	struct rusage_acct sum = { 0 }, acct;
	struct tgroup *tg;
	struct task *t;

	*ret = (struct kernel_counts){ .last_pid = (unsigned)pids_last(), .nr_forks = fork_count() };
	MUTEX_GUARD(&pids_lock);
	list_for_each_entry(tg, &all_tgroups, all_link) {
		list_for_each_entry(t, &tg->threads, thread_link) {
			ret->nr_tasks++;
			ret->nr_running += task_state_char(t) == 'R';
		}
		tgroup_rusage(tg, &acct, NULL);
		acct_add(&sum, &acct);
	}
	ret->nr_running = MAX(ret->nr_running, 1U);
	ret->nr_switches = sum.nvcsw + sum.nivcsw;
	ret->utime = sum.utime;
	ret->stime = sum.stime;
}
