/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control groups, version 2 only, as Documentation/admin-guide/cgroup-v2.rst: one tree, each process in one place of it.
 *
 *     cgroup.c       the tree, who is in it, the pids controller
 *     cgroup_hold.c  what keeps members from running: cgroup.freeze and cpu.max
 *     cgroup_file.c  what each file shows and takes; cgroup_memory.c, those of the memory controller (sentry/mm/memcg.h)
 *     cgroup_fs.c    the file system
 *
 * Controllers are cpu (cpu.max; there are no weights), memory and pids.  There are no threaded cgroups.
 *
 * Locks: cgroup_lock, a leaf inside pids_lock and siglock, guards the tree and all fields not marked.  tgroup.cgroup changes under
 * pids_lock, too.
 */
#ifndef SENTRY_VFS_CGROUP_CGROUP_H
#define SENTRY_VFS_CGROUP_CGROUP_H

#include "sentry/kernel/task.h"
#include "vfs/vfs.h"

#define CGROUP_UNLIMITED INT64_MAX
/* Controllers, in subtree_control. */
#define CGROUP_CPU 1U
#define CGROUP_MEMORY 2U
#define CGROUP_PIDS 4U
#define NR_CGROUP_CONTROLLERS 3
#define CGROUP_ALL (CGROUP_CPU | CGROUP_MEMORY | CGROUP_PIDS)

enum cgroup_file {
	CGF_CONTROLLERS, CGF_EVENTS, CGF_FREEZE, CGF_KILL, CGF_MAX_DEPTH, CGF_MAX_DESCENDANTS, CGF_PROCS, CGF_STAT, CGF_SUBTREE_CONTROL,
	CGF_THREADS, CGF_TYPE, CGF_CPU_MAX, CGF_CPU_STAT, CGF_MEMORY_CURRENT, CGF_MEMORY_EVENTS, CGF_MEMORY_HIGH, CGF_MEMORY_MAX,
	CGF_MEMORY_OOM_GROUP, CGF_MEMORY_PEAK, CGF_MEMORY_STAT, CGF_PIDS_CURRENT, CGF_PIDS_EVENTS, CGF_PIDS_MAX,
	CGF_PIDS_PEAK, NR_CGROUP_FILES
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
	bool freeze, frozen;		   /* asked for here; all tasks in it and below it are */
	struct memcg *memcg;		   /* immutable; NULL: the root */
	bool oom_group;
	uint64_t oom_group_kills;
	struct {
		struct list_head link;	   /* pids_lock; those with a quota */
		int64_t quota, period;	   /* ns; CGROUP_UNLIMITED; pids_lock */
		uint64_t base, period_start, throttled_since; /* pids_lock; usage at the period's start, less what it owes; times */
		bool throttled;		   /* pids_lock */
		uint64_t nr_periods, nr_throttled, throttled_ns; /* pids_lock */
	} cpu;
	uint64_t events_seq, memory_seq;   /* cgroup.events, memory.events changed */
	struct waitq events_wait;
	struct inode *dir, *files[NR_CGROUP_FILES]; /* references until it is removed; then NULL */
};

extern const char *const cgroup_controllers[NR_CGROUP_CONTROLLERS];
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

/* A new task of @tg: counted against pids.max.  A new process joins @cg; threads are where it is.  0 or -LINUX_EAGAIN. */
int cgroup_fork_locked(struct tgroup *tg, struct cgroup *cg, bool process);
/* The task is released. */
void cgroup_release_locked(struct tgroup *tg);
/* A new process that comes to nothing: undoes what cgroup_fork_locked did but for the count of tasks. */
void cgroup_cancel_locked(struct tgroup *tg);
/* A task of a cgroup that is to freeze sleeps now.  Without locks. */
void cgroup_frozen_changed(struct tgroup *tg);
/* Somebody dies for want of memory in @mc: tells, and true when the whole cgroup was killed (memory.oom.group).  Without locks. */
bool cgroup_oom_killed(struct memcg *mc);
/* The process has ended, and may stay a zombie.  pids_lock not held. */
void cgroup_exit(struct tgroup *tg);

/* Appends the path of @tg's cgroup: "/a/b", with " (deleted)". */
void cgroup_show_path(struct tgroup *tg, struct strbuf *sb);

/* --- for the files; cgroup_lock held where marked --- */

/* Below @parent, with one reference, or ERR_PTR: -LINUX_EAGAIN for the limits, -LINUX_ENOMEM.  Locked. */
struct cgroup *cgroup_new_locked(struct cgroup *parent, const char *name);
/*
 * CLONE_INTO_CGROUP: that of the directory @fd, with a reference, or ERR_PTR.  The caller may write its cgroup.procs, and it takes
 * members.
 */
struct cgroup *cgroup_for_clone(int fd);
/* 0, or -LINUX_EBUSY.  Locked. */
int cgroup_remove_locked(struct cgroup *cg);
/* Moves the process of number @nr (0: the caller's) here. */
int cgroup_attach(struct cgroup *cg, int nr);
int cgroup_set_subtree_control(struct cgroup *cg, char *text);
void cgroup_kill(struct cgroup *cg);
/* @file (CGF_EVENTS, CGF_MEMORY_EVENTS) is different: pollers wake, inotify tells.  Without cgroup_lock. */
void cgroup_notify(struct cgroup *cg, enum cgroup_file file);
bool cgroup_is_below(const struct cgroup *cg, const struct cgroup *above);
/* CPU time of it and below it, ns; pids_lock held. */
void cgroup_cputime_locked(struct cgroup *cg, uint64_t *ret_utime, uint64_t *ret_stime);

/* cgroup_hold.c; pids_lock held where marked */
int cgroup_set_freeze(struct cgroup *cg, bool on);
int cgroup_set_cpu_max(struct cgroup *cg, int64_t quota, int64_t period); /* ns */
/* What members of @cg are held by: TG_HELD_*.  pids_lock. */
unsigned cgroup_holds_locked(const struct cgroup *cg);
/* Somebody came, left or stopped: cgroup.events of frozen cgroups.  Without locks. */
void cgroup_update_frozen(void);

/* cgroup_file.c */
struct cgroup_file_type {
	const char *name;
	uint32_t mode;
	bool not_root;
	unsigned controller; /* CGROUP_*: only where the parent has enabled it; 0: always */
	int (*show)(struct cgroup *cg, struct strbuf *sb);
	int (*store)(struct cgroup *cg, char *text);
};
extern const struct cgroup_file_type cgroup_files[NR_CGROUP_FILES];
/* cgroup_memory.c */
int show_memory_current(struct cgroup *cg, struct strbuf *sb);
int show_memory_events(struct cgroup *cg, struct strbuf *sb);
int show_memory_high(struct cgroup *cg, struct strbuf *sb);
int show_memory_max(struct cgroup *cg, struct strbuf *sb);
int show_memory_oom_group(struct cgroup *cg, struct strbuf *sb);
int show_memory_peak(struct cgroup *cg, struct strbuf *sb);
int show_memory_stat(struct cgroup *cg, struct strbuf *sb);
int store_memory_high(struct cgroup *cg, char *text);
int store_memory_max(struct cgroup *cg, char *text);
int store_memory_oom_group(struct cgroup *cg, char *text);

#endif
