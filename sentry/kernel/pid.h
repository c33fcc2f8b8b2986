/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Process numbers.  A struct pid is a number with what it names now: a thread, a process, a process group, a session.  The
 * number is in use while it names any of them; the structure lives as long as somebody refers to it (a pidfd, a
 * tty's foreground group), so that a stale reference never meets a newcomer with the same number.
 *
 * pids_lock is the outermost lock of the process tree (tasklist_lock in Linux); see task.h for the order.
 */
#ifndef SENTRY_KERNEL_PID_H
#define SENTRY_KERNEL_PID_H

#include "sentry/base/list.h"
#include "sentry/base/lock.h"
#include "sentry/base/rbtree.h"
#include "sentry/base/ref.h"
#include "sentry/base/waitq.h"

struct task;
struct tgroup;

#define PID_MAX 32768	 /* default /proc/sys/kernel/pid_max */
#define PID_MAX_LIMIT 4194304
#define PID_RESERVED 300 /* numbers below it aren't reused after the first round */

enum pid_type { PIDTYPE_PID, PIDTYPE_TGID, PIDTYPE_PGID, PIDTYPE_SID, NR_PID_TYPES };

struct pid {
	struct ref ref;
	struct rb_node rb;	    /* pids_lock; in the table while `uses` > 0 */
	int nr;			    /* immutable */
	unsigned uses;		    /* pids_lock: task + process + group members + session members */
	struct task *task;	    /* pids_lock; the thread of this number, or NULL; borrowed */
	struct tgroup *tgroup;	    /* pids_lock; the process, until it is reaped; borrowed */
	struct list_head pgrp;	    /* pids_lock; tgroups by pgrp_link */
	struct list_head session;   /* pids_lock; tgroups by session_link */
	struct waitq wait;	    /* pidfd pollers: the process has exited */
};

extern struct mutex pids_lock;

/*
 * A new number with one reference and one use (the task's), or ERR_PTR: -LINUX_EAGAIN when the numbers or the limit are used up,
 * -LINUX_ENOMEM.  @want: 0, or the number to have (-LINUX_EEXIST when it's taken).  pids_lock held.
 */
struct pid *pid_alloc_locked(int want);
static inline struct pid *pid_get(struct pid *pid)
{
	ref_get(&pid->ref);
	return pid;
}
void pid_put(struct pid *pid);
/* One more, one fewer role for the number; at none it becomes free. */
void pid_use_locked(struct pid *pid);
void pid_unuse_locked(struct pid *pid);
/* The number's structure, borrowed until pids_lock is dropped, or NULL. */
struct pid *pid_find_locked(int nr);
/* With a reference, or NULL. */
struct pid *pid_find_get(int nr);
/* The first number >= @nr in use, or NULL. */
struct pid *pid_next_locked(int nr);
/* 0 for NULL. */
static inline int pid_nr(const struct pid *pid)
{
	return pid ? pid->nr : 0;
}

/* At most @limit tasks (--pids, pids.max); 0: no limit but pid_max. */
void pids_set_limit(unsigned limit);
unsigned pids_limit(void);
unsigned pids_count(void);     /* tasks alive or unreaped */
unsigned pids_max(void);       /* /proc/sys/kernel/pid_max */
int pids_set_max(unsigned max); /* -LINUX_EINVAL */
int pids_last(void);	       /* the newest number, for /proc/loadavg */
/* A task came or went; false: the limit is reached (-EAGAIN).  pids_lock held. */
bool pids_charge_locked(void);
void pids_uncharge_locked(void);

#endif
