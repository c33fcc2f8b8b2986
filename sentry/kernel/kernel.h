/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel as the command line sees it: start the first program, pass signals on, wait for the end.
 */
#ifndef SENTRY_KERNEL_KERNEL_H
#define SENTRY_KERNEL_KERNEL_H

#include "sentry/abi/sched.h"
#include "vfs/vfs.h"

#define KERNEL_SYSNAME "Linux"
#define KERNEL_RELEASE "6.1.0"
#define KERNEL_VERSION "#1 SMP PREEMPT_DYNAMIC sentry"
#define KERNEL_MACHINE "x86_64"

struct kernel_boot {
	struct fs_struct *fs;	     /* root and working directory; reference taken */
	struct files_struct *files;  /* descriptors 0-2; reference taken */
	const struct cred *cred;     /* reference taken */
	const char *path;	     /* looked up in fs; without '/': along PATH of envp, as execvp(3) */
	char *const *argv, *const *envp; /* NULL-terminated; borrowed */
	const char *hostname;	     /* borrowed; NULL: "sentry" */
	unsigned pid_limit;	     /* 0: none */
	/*
	 * PID 1 is immune to signals from inside that it has no handler for (pid_namespaces(7)).  For `boot`.  `run` and `do` leave it
	 * false: the program behaves as it does when it isn't PID 1, so that abort() and kill $$ end it.  Signals that the sentry
	 * sends itself (kernel_kill_init) always have their default action.
	 */
	bool protect_init;
	bool no_randomize;
	/*
	 * Called as PID 1 (current, current_fs...) when the program is loaded, before it runs: opens the controlling terminal.  NULL;
	 * 0 or -errno, which kernel_start returns.
	 */
	int (*setup)(void *data);
	/*
	 * kernel_enter only.  @linked: the task has its number and session.  @exited: its wait status; under pids_lock, once, if it
	 * runs.
	 */
	void (*linked)(void *data);
	void (*exited)(void *data, int status);
	void *setup_data;
};

/*
 * Makes PID 1 and starts it.  0, or -errno of finding and loading the program: -LINUX_ENOENT, -LINUX_EACCES, -LINUX_ENOEXEC...
 * The platform, frames and VFS are initialised.  Called once, from a service thread.
 */
int kernel_start(struct kernel_boot *boot);
/* Waits until PID 1 has ended and everything else was killed and reaped.  Its wait status. */
int kernel_wait(void);
/* The same until @deadline: -LINUX_ETIMEDOUT. */
int kernel_wait_deadline(deadline_t deadline, int *ret_status);
/* Sends @sig to PID 1 from outside (SI_KERNEL).  Async-signal-unsafe: call it from a thread. */
void kernel_kill_init(int sig);
/* Kills everything: the timeout, the end of the sentry.  kernel_wait returns soon. */
void kernel_kill_all(void);

/*
 * reboot(2): everything is killed, and PID 1's wait status reads as exit 0.  kernel_reboot_requested() then tells whether it
 * was a restart that was asked for.
 */
void kernel_reboot(bool restart);
bool kernel_reboot_requested(void);
/*
 * Starts a program beside PID 1, in a session of its own and in the first namespaces: its parent is nobody in the guest, and no
 * zombie stays of it, as of one that nsenter(1) put into a container.  @boot as for kernel_start, but for hostname, limits and
 * protect_init; setup is called before the task has a number.  Its number, or -errno with nothing started.  From a service thread.
 */
pid_t kernel_enter(struct kernel_boot *boot);
/* PID 1's root directory, as root and working directory: a reference, or NULL when it has ended. */
struct fs_struct *kernel_init_fs(void);
/*
 * The same with root's rights, PID 1's root directory and no descriptors: what Linux calls a user-mode helper.  0 or -errno.
 */
int kernel_spawn(const char *path, char *const *argv, char *const *envp);
/* Ctrl-alt-del: SIGINT to PID 1, or a restart at once when it has not asked for the signal with reboot(2). */
void kernel_ctrl_alt_del(void);
void kernel_cad_enable(bool on);
/* /proc/cmdline, without the newline; set before the start, borrowed for ever. */
extern const char *kernel_cmdline;
/* PID 1's last thread is through do_exit (for exit.c). */
void kernel_init_exited(void);

/* Names of uname(2); copies. */
void kernel_utsname(struct linux_utsname *ret);
int kernel_set_hostname(const char *name, size_t len);	 /* -LINUX_EINVAL */
int kernel_set_domainname(const char *name, size_t len);

/* For /proc/loadavg and /proc/stat. */
struct kernel_counts {
	unsigned nr_tasks, nr_running, last_pid;
	uint64_t nr_forks, nr_switches;
	uint64_t utime, stime; /* ns, all tasks ever */
};
void kernel_counts(struct kernel_counts *ret);

/* A guest page could not be made: kills the process that gains most, tells in one line.  Sleeps until it has given up memory. */
void oom_kill(void);
/* The same for mm_out_of_memory. */
bool oom_kill_for_copy(unsigned tries);

#endif
