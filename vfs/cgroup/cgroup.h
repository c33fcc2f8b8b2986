/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control groups, version 2 only, as Documentation/admin-guide/cgroup-v2.rst: one tree, each process in one place of it.
 *
 *     cgroup.c       the tree, who is in it, the pids controller
 *     cgroup_file.c  what each file shows and takes
 *     cgroup_fs.c    the file system
 *
 * The one controller is pids.  There are no threaded cgroups, and none are frozen.
 *
 * Locks: cgroup_lock, a leaf inside pids_lock and siglock, guards the tree and all fields not marked.  tgroup.cgroup changes under
 * pids_lock, too.
 */
#ifndef SENTRY_VFS_CGROUP_CGROUP_H
#define SENTRY_VFS_CGROUP_CGROUP_H

#include "sentry/kernel/task.h"
#include "vfs/vfs.h"

#define CGROUP_UNLIMITED INT64_MAX
#define CGROUP_PIDS 1U /* in subtree_control */

enum cgroup_file {
	CGF_CONTROLLERS, CGF_EVENTS, CGF_KILL, CGF_MAX_DEPTH, CGF_MAX_DESCENDANTS, CGF_PROCS, CGF_STAT, CGF_SUBTREE_CONTROL,
	CGF_THREADS, CGF_TYPE, CGF_CPU_STAT, CGF_PIDS_CURRENT, CGF_PIDS_EVENTS, CGF_PIDS_MAX, CGF_PIDS_PEAK, NR_CGROUP_FILES
};

struct cgroup {
	struct ref ref;
	struct cgroup *parent;		   /* immutable; a reference; NULL: the root */
	char *name;			   /* immutable */
	unsigned level;			   /* immutable */
	struct list_head children, link;
	bool dead;			   /* removed */
	unsigned subtree_control;	   /* CGROUP_*: what the children have */
	unsigned nr_live;		   /* processes in it and below it that have not ended */
	unsigned nr_descendants;
	int64_t max_depth, max_descendants;
	int64_t pids, pids_max, pids_peak, pids_failed; /* tasks in it and below it */
	uint64_t user_usage, system_usage; /* CPU time of processes that ended here, ns */
	uint64_t events_seq;		   /* cgroup.events changed */
	struct waitq events_wait;
	struct inode *dir, *files[NR_CGROUP_FILES]; /* references until it is removed; then NULL */
};

extern struct mutex cgroup_lock;
extern struct cgroup cgroup_root;
extern const struct fs_type cgroup2_type;

static inline struct cgroup *cgroup_get(struct cgroup *cg)
{
	ref_get(&cg->ref);
	return cg;
}
void cgroup_put(struct cgroup *cg);

/* --- for the kernel; pids_lock held --- */

/* A new task of @tg: counted against pids.max.  A new process joins the cgroup of @parent (NULL: the root).  0 or -LINUX_EAGAIN. */
int cgroup_fork_locked(struct tgroup *tg, struct tgroup *parent, bool process);
/* The task is released. */
void cgroup_release_locked(struct tgroup *tg);
/* A new process that comes to nothing: undoes what cgroup_fork_locked did but for the count of tasks. */
void cgroup_cancel_locked(struct tgroup *tg);
/* The process has ended, and may stay a zombie.  pids_lock not held. */
void cgroup_exit(struct tgroup *tg);

/* Appends the path of @tg's cgroup: "/a/b", with " (deleted)". */
void cgroup_show_path(struct tgroup *tg, struct strbuf *sb);

/* --- for the files; cgroup_lock held where marked --- */

/* Below @parent, with one reference, or ERR_PTR: -LINUX_EAGAIN for the limits, -LINUX_ENOMEM.  Locked. */
struct cgroup *cgroup_new_locked(struct cgroup *parent, const char *name);
/* 0, or -LINUX_EBUSY.  Locked. */
int cgroup_remove_locked(struct cgroup *cg);
/* Moves the process of number @nr (0: the caller's) here. */
int cgroup_attach(struct cgroup *cg, int nr);
int cgroup_set_subtree_control(struct cgroup *cg, char *text);
void cgroup_kill(struct cgroup *cg);
/* cgroup.events is different: pollers wake, inotify tells.  Without cgroup_lock. */
void cgroup_notify(struct cgroup *cg);

/* cgroup_file.c */
struct cgroup_file_type {
	const char *name;
	uint32_t mode;
	bool not_root, pids; /* not in the root; only where the parent has enabled pids */
	int (*show)(struct cgroup *cg, struct strbuf *sb);
	int (*store)(struct cgroup *cg, char *text);
};
extern const struct cgroup_file_type cgroup_files[NR_CGROUP_FILES];

#endif
