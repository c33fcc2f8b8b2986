/* SPDX-License-Identifier: Apache-2.0 */
/* What children tell their parents, and how parents wait for it: exit.c and wait.c. */
#ifndef SENTRY_KERNEL_WAIT_H
#define SENTRY_KERNEL_WAIT_H

#include "sentry/abi/signal.h"
#include "sentry/abi/time.h"
#include "sentry/kernel/pid.h"

struct task;
struct tgroup;
struct rusage_acct;

struct wait_request {
	int type;		/* LINUX_P_* */
	struct pid *pid;	/* borrowed; NULL for P_ALL */
	unsigned options;	/* LINUX_W* */
	/* out */
	int status;		/* as wait4(2) shows it */
	struct linux_siginfo info; /* as waitid(2) shows it */
	struct linux_rusage rusage;
};

/* Waits for a child: its tid, 0 (WNOHANG and none), -LINUX_ECHILD or -LINUX_ERESTARTSYS. */
int64_t kernel_wait4(struct wait_request *req);

/* Tells @t's parent that its process stopped or continued (@why: LINUX_CLD_*).  Takes pids_lock. */
void task_notify_parent_stop(struct task *t, int why);
void task_notify_parent_stop_locked(struct task *t, int why); /* pids_lock held */
/* Tells the tracer of @t that it stopped.  pids_lock held. */
void task_notify_tracer_locked(struct task *t, int why);
/* Tells the parent that @t has ended, with signal @sig; true: nobody will wait for it.  pids_lock held. */
bool task_notify_parent_locked(struct task *t, int sig);
/* Wakes whoever waits for children of @parent's process.  pids_lock held. */
void task_wake_parent_locked(struct task *parent, struct task *child);
/* Takes @t off all lists and gives its number back; its reference there is the caller's to put.  pids_lock held. */
void task_release_locked(struct task *t);
/* Whether a child of @tg is a zombie. */
bool tgroup_has_zombie_child(struct tgroup *tg);
/* The wait status of a process whose threads are all gone.  pids_lock held. */
int task_wait_status(struct task *leader);

/* si_code and si_status for an exit with wait status @status. */
void siginfo_set_exit(struct linux_siginfo *info, int status);
/* What a rusage is made of. */
void rusage_fill(struct linux_rusage *ret, const struct rusage_acct *a);

/* A group became orphaned with stopped members: SIGHUP, SIGCONT.  @t leaves, @parent: NULL at its exit.  pids_lock held. */
void pgrp_check_orphaned_locked(struct task *t, struct task *parent);

#endif
