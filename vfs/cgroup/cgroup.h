/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control groups, version 2 only, as Documentation/admin-guide/cgroup-v2.rst: one tree, each process in one place of it.
 *
 *     cgroup.c       the tree, who is in it, the pids controller
 *     cgroup_hold.c  what keeps members from running: cgroup.freeze and cpu.max; cgroup_weight.c: cpu.weight
 *     cgroup_ns.c    cgroup namespaces
 *     cgroup_file.c  what each file shows and takes; cgroup_memory.c, those of the memory controller (sentry/mm/memcg.h)
 *     cgroup_fs.c    the file system
 *
 * Controllers are cpu, io (io.stat alone, as without throttling and io.cost), memory and pids.  There are no threaded cgroups, and no
 * pressure files, as in a kernel without CONFIG_PSI.
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
#define CGROUP_IO 2U
#define CGROUP_MEMORY 4U
#define CGROUP_PIDS 8U
#define NR_CGROUP_CONTROLLERS 4
#define CGROUP_ALL (CGROUP_CPU | CGROUP_IO | CGROUP_MEMORY | CGROUP_PIDS)
#define CGROUP_WEIGHT_DEFAULT 100U

enum cgroup_file {
	CGF_CONTROLLERS, CGF_EVENTS, CGF_FREEZE, CGF_KILL, CGF_MAX_DEPTH, CGF_MAX_DESCENDANTS, CGF_PROCS, CGF_STAT, CGF_SUBTREE_CONTROL,
	CGF_THREADS, CGF_TYPE, CGF_CPU_MAX, CGF_CPU_STAT, CGF_CPU_WEIGHT, CGF_CPU_WEIGHT_NICE, CGF_IO_STAT,
	CGF_MEMORY_CURRENT, CGF_MEMORY_EVENTS, CGF_MEMORY_HIGH, CGF_MEMORY_MAX,
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
	struct rusage_acct usage;	   /* of processes that ended here or left, of their time here */
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
		unsigned weight;	   /* pids_lock; 1 to 10000 */
		uint64_t used, vtime;	   /* pids_lock; at the last tick: usage, and usage by weight */
		uint64_t live;		   /* pids_lock; of a tick: usage of those that live */
		unsigned runnable;	   /* pids_lock; of a tick: tasks that want to run */
		bool outweighed;	   /* pids_lock; held, for others are due */
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
/* Who opened a file of the tree: what he may do counts, not what the writer may. */
struct cgroup_writer {
	const struct cred *cred;
	struct cgroup *ns_root; /* that of his namespace */
};
/*
 * Moves the process of number @nr (0: the caller's) here.  -LINUX_EACCES unless @by may write the cgroup.procs of the nearest cgroup above
 * both places; with nsdelegate -LINUX_ENOENT when one of them is outside of his namespace.
 */
int cgroup_attach(struct cgroup *cg, int nr, const struct cgroup_writer *by);
int cgroup_may_migrate(struct cgroup *from, struct cgroup *to, const struct cgroup_writer *by);
/* Whether processes may be in it.  Locked. */
bool cgroup_takes_processes(const struct cgroup *cg);
extern bool cgroup_nsdelegate; /* atomic access; the mount option: namespaces are borders of delegation */
int cgroup_set_subtree_control(struct cgroup *cg, char *text);
void cgroup_kill(struct cgroup *cg);
/* @file (CGF_EVENTS, CGF_MEMORY_EVENTS) is different: pollers wake, inotify tells.  Without cgroup_lock. */
void cgroup_notify(struct cgroup *cg, enum cgroup_file file);
bool cgroup_is_below(const struct cgroup *cg, const struct cgroup *above);
/* What processes used in it and below it: times in ns and transfers; pids_lock held. */
void cgroup_usage_locked(struct cgroup *cg, struct rusage_acct *ret);
/* What @tg used since it came to its cgroup.  pids_lock, or nobody can move it. */
void cgroup_tgroup_usage(struct tgroup *tg, struct rusage_acct *ret);

/* cgroup_ns.c; cgroup_lock held where marked */
void cgroup_ns_init(void); /* once, before the first task */
/* The root of the calling task's namespace; borrowed, from the namespace. */
struct cgroup *cgroup_ns_root(void);
bool cgroup_ns_is_initial(void);
struct user_namespace *cgroup_ns_owner(void); /* borrowed */
/* Appends the path of @cg as seen from @root: "/a", "/..", "/".  Locked. */
void cgroup_show_from(const struct cgroup *cg, const struct cgroup *root, struct strbuf *sb);

/* cgroup_hold.c; pids_lock held where marked */
int cgroup_set_freeze(struct cgroup *cg, bool on);
int cgroup_set_cpu_max(struct cgroup *cg, int64_t quota, int64_t period); /* ns */
/* Its own weight against its siblings'; 0 or -LINUX_EAGAIN. */
int cgroup_set_cpu_weight(struct cgroup *cg, unsigned weight);
/* The thread that looks every few milliseconds is there as long as somebody wants it: 0 or -LINUX_EAGAIN.  pids_lock. */
int cgroup_tick_start_locked(void);
/* cgroup_weight.c: a look; true while it wants more.  pids_lock. */
bool cgroup_weigh_locked(void);
/* A cgroup goes: its weight counts no more.  pids_lock. */
void cgroup_forget_weight_locked(struct cgroup *cg);
/* Brings the members of @cg and below it to what their cgroups say.  pids_lock. */
void cgroup_apply_holds_locked(const struct cgroup *cg);
/* The next cgroup after @cg in the tree, from the top; NULL at the end.  cgroup_lock. */
struct cgroup *cgroup_next_locked(struct cgroup *cg);
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
	int (*store_as)(struct cgroup *cg, char *text, const struct cgroup_writer *by); /* instead, where it matters who */
	bool delegatable; /* written from inside of a namespace at its root, with nsdelegate */
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
