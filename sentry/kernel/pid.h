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
#include "vfs/ns.h"

struct task;
struct tgroup;

#define PID_MAX 32768	 /* default /proc/sys/kernel/pid_max */
#define PID_MAX_LIMIT 4194304
#define PID_RESERVED 300 /* numbers below it aren't reused after the first round */

enum pid_type { PIDTYPE_PID, PIDTYPE_TGID, PIDTYPE_PGID, PIDTYPE_SID, NR_PID_TYPES };

/*
 * A PID namespace (pid_namespaces(7)): numbers of its own for the processes in it and below it.
 */
struct pid_namespace {
	struct ns_common ns;
	struct pid_namespace *parent;	/* immutable; a reference; NULL: the initial one */
	unsigned level;			/* immutable; the depth */
	struct rb_root pids;		/* pids_lock; struct upid by number */
	int last_pid;			/* pids_lock; read without */
	bool wrapped;			/* pids_lock; the numbers have gone round once */
	bool dead;			/* pids_lock; its init has ended: no new numbers */
	struct tgroup *child_reaper;	/* pids_lock; its init, once there is one; borrowed */
};
extern struct pid_namespace init_pid_ns;

/* A number in one namespace. */
struct upid {
	struct rb_node rb; /* pids_lock; in the table while the pid's `uses` > 0 */
	int nr;
	struct pid *pid;
	struct pid_namespace *ns; /* the innermost is a reference, which holds the others */
};

struct pid {
	struct ref ref;
	int nr;			    /* immutable; in the initial namespace */
	unsigned level;		    /* immutable; of the innermost namespace */
	unsigned uses;		    /* pids_lock: task + process + group members + session members */
	struct task *task;	    /* pids_lock; the thread of this number, or NULL; borrowed */
	struct tgroup *tgroup;	    /* pids_lock; the process, until it is reaped; borrowed */
	struct list_head pgrp;	    /* pids_lock; tgroups by pgrp_link */
	struct list_head session;   /* pids_lock; tgroups by session_link */
	struct waitq wait;	    /* pidfd pollers: the process has exited */
	struct upid numbers[];	    /* immutable; level + 1 of them, the initial namespace's first */
};

/*
 * The namespace in which the calling thread speaks of processes: its task's own, or that of the /proc it shows; NULL is the
 * initial one.  pid_nr(), task_tid() and the like give numbers of it, and pid_find_locked() takes them.  `pid->nr` is the number
 * in the initial namespace, for the sentry's own use.
 */
extern _Thread_local struct pid_namespace *pid_view;
static inline struct pid_namespace *pid_view_swap(struct pid_namespace *ns)
{
	struct pid_namespace *old = pid_view;

	pid_view = ns == &init_pid_ns ? NULL : ns;
	return old;
}
static inline void pid_view_restore(struct pid_namespace **old)
{
	pid_view = *old;
}
/* Until the end of the block. */
#define PID_VIEW_GUARD(ns) \
	struct pid_namespace *pid_view_old_ __cleanup(pid_view_restore) __unused = pid_view_swap(ns)

extern struct mutex pids_lock;

/*
 * A new number with one reference and one use (the task's), or ERR_PTR: -LINUX_EAGAIN when the numbers or the limit are used up,
 * -LINUX_ENOMEM.  @want: 0, or the number to have (-LINUX_EEXIST when it's taken).  pids_lock held.
 */
struct pid *pid_alloc_locked(int want);
/* The same for a process in @ns, with a number there (@want) and in each namespace above; -LINUX_ENOMEM when @ns is dead. */
struct pid *pid_alloc_ns_locked(struct pid_namespace *ns, int want);
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
/* In @ns; 0 when it isn't visible there. */
static inline int pid_nr_ns(const struct pid *pid, const struct pid_namespace *ns)
{
	return ns->level <= pid->level && pid->numbers[ns->level].ns == ns ? pid->numbers[ns->level].nr : 0;
}
/* In the namespace of pid_view; 0 for NULL. */
static inline int pid_nr(const struct pid *pid)
{
	if (!pid)
		return 0;
	return likely(!pid_view) ? pid->nr : pid_nr_ns(pid, pid_view);
}
/* The namespace of the process itself. */
static inline struct pid_namespace *pid_ns_of(const struct pid *pid)
{
	return pid->numbers[pid->level].ns;
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
