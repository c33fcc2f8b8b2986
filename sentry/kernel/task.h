/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tasks: the guest's threads, and tgroups: its processes.
 *
 * Each task has one sentry thread, which runs the guest (run.c), serves what it asks, and blocks where it blocks.  `current`
 * is that thread's task.
 *
 * Lock order (outer first), below nothing of VFS or mm:
 *     tg->exec_lock            exec against attaching to what gains privileges; may be held for long
 *       pids_lock              the process tree: numbers, parents, children, groups, sessions, exit states
 *         tg->siglock          signals, stops, group exit, timers' lists, thread list (with pids_lock to change)
 *           sighand->lock
 *             user, timer, waitq locks
 *     task->lock               the pointers mm, files, fs, cred; a leaf
 *     tg->rlim_lock            a leaf
 * Two siglocks are never held together.  Nothing that may sleep runs under any of them.
 *
 * A task's fields belong to its own thread unless marked: (lock) names the lock to write; a field that others may read without it says
 * so.
 *
 *     clone --> RUNNING --> exiting (do_exit) --> ZOMBIE (leaders, until waited for) --> DEAD --> freed at the last task_put
 */
#ifndef SENTRY_KERNEL_TASK_H
#define SENTRY_KERNEL_TASK_H

#include <pthread.h>

#include "platform/platform.h"
#include "sentry/abi/sched.h"
#include "sentry/abi/time.h"
#include "sentry/base/timer.h"
#include "sentry/base/waitq.h"
#include "sentry/kernel/pid.h"
#include "sentry/kernel/signal.h"
#include "sentry/mm/mm.h"
#include "vfs/io_account.h"
#include "vfs/vfs.h"

struct seccomp_filter;
struct cgroup;
struct key;
struct nsproxy;
struct sem_undo_list;
struct tty;
struct user;
struct task;

#define TASK_COMM_LEN 16
#define TASK_SIZE_MAX 0x7ffffffff000UL /* segment bases are below it */
#define NO_SYSCALL UINT64_MAX

enum task_exit_state { EXIT_NONE, EXIT_ZOMBIE, EXIT_DEAD };

/* task->jobctl */
enum task_jobctl {
	JOBCTL_STOP_SIGMASK = 0xff,	 /* the signal of the group stop */
	JOBCTL_STOP_PENDING = 0x100,	 /* to stop */
	JOBCTL_STOP_CONSUME = 0x200,	 /* counts in group_stop_count */
	JOBCTL_STOP_DEQUEUED = 0x4000,	 /* took a stop signal; SIGCONT in the meantime cancels it */
	JOBCTL_STOPPED = 0x400,		 /* is stopped, or about to sleep as such */
	JOBCTL_TRACED = 0x800,		 /* stopped for its tracer */
	JOBCTL_TRAP_STOP = 0x1000,	 /* PTRACE_EVENT_STOP to come */
	JOBCTL_TRAP_NOTIFY = 0x2000,	 /* the same, for a change of a stop that the tracer watches */
	JOBCTL_LISTENING = 0x8000,	 /* PTRACE_LISTEN: stopped, but not to be worked on */
};

/* tg->flags; siglock */
enum tgroup_flags {
	TG_EXITING = 1,		 /* group exit: group_exit_code is the status */
	TG_STOPPED = 2,		 /* all threads stopped; group_exit_code is the signal */
	TG_CONTINUED = 4,	 /* not yet reported by wait */
	TG_NOTIFY_STOPPED = 8,	 /* the parent is still to be told */
	TG_NOTIFY_CONTINUED = 0x10,
	TG_UNKILLABLE = 0x20,	 /* PID 1 where it's protected: default actions from inside have no effect */
	TG_SUBREAPER = 0x40,	 /* PR_SET_CHILD_SUBREAPER */
	TG_NO_INIT = 0x200,	 /* PID 1 that never meant to be one: it gets no orphans */
	TG_ADOPTED = 0x400,	 /* an orphan that only looks like a child of such a PID 1: nobody waits for it */
	TG_ENTERED = 0x800,	 /* came from outside (kernel_enter): no parent, nobody waits for it */
	TG_FORKED_NOEXEC = 0x100, /* has not called exec since fork: setpgid by the parent is allowed */
};

/* tg->held */
#define TG_HELD_FROZEN 1U    /* cgroup.freeze */
#define TG_HELD_THROTTLED 2U /* cpu.max */

/* How an interrupted call goes on after restart_syscall(2). */
struct restart_block {
	int64_t (*fn)(struct restart_block *rb); /* NULL: -EINTR */
	union {
		struct {
			uaddr_t rmtp;
			deadline_t deadline;
		} nanosleep;
		struct {
			uaddr_t uaddr;
			uint32_t val, bitset;
			unsigned flags;
			deadline_t deadline;
		} futex;
		struct {
			uaddr_t fds;
			unsigned nfds;
			deadline_t deadline;
		} poll;
		uint64_t arg[8];
	};
};

struct rusage_acct { /* nanoseconds and counts; for tgroup sums: siglock */
	uint64_t utime, stime, min_flt, maj_flt, nvcsw, nivcsw;
	uint64_t rbytes, wbytes, rios, wios; /* from and to the image */
	uint64_t maxrss; /* pages */
};

/* What part of the CPU time of an address space is somebody's; acct.c. */
struct cpu_share {
	uint64_t used;		  /* ns, up to when these were read: */
	uint64_t cpu, mm_time;	  /* the address space's CPU time, and the time its tasks were in the guest */
	uint64_t time;		  /* of this, somebody's */
};

struct syscall_record {
	uint64_t nr;
	int64_t ret;
};
#define TASK_RECENT_SYSCALLS 8

struct futex_pi_state;

/* A process. */
struct tgroup {
	struct ref ref;
	struct pid *pid;		/* immutable; reference */
	struct list_head all_link;	/* pids_lock */
	struct task *leader;		/* pids_lock; changes when a thread calls exec; borrowed; NULL when released */
	struct list_head threads;	/* pids_lock and siglock to change, either to read; tasks by thread_link */
	atomic_uint nr_threads;		/* the same; zombie leader included */
	unsigned nr_live;		/* siglock; threads that have not begun to exit */
	struct pid *pgrp, *session;	/* pids_lock; references */
	struct list_head pgrp_link, session_link; /* pids_lock */
	struct tty *tty;		/* pids_lock; controlling terminal; see tty_ops below */
	struct pid *tty_old_pgrp;	/* pids_lock; a reference; of a session's leader: the foreground when the terminal hung up */
	struct waitq wait_chldexit;	/* parents in wait4; woken when a child changes state */
	struct mutex exec_lock;		/* taken by tgroup_exec_lock() only */

	struct mutex siglock;
	struct sighand *sighand;	/* siglock; reference */
	struct sigpending shared_pending; /* siglock */
	struct waitq signalfd_wait;	/* woken for each signal queued */
	atomic_uint flags;		/* siglock to change, read without; TG_* */
	int group_exit_code;		/* siglock */
	int group_stop_count;		/* siglock; threads that are still to stop */
	struct task *group_exec_task;	/* siglock; the thread that calls exec and waits for the others */
	struct waitq exec_wait;		/* where it waits */
	struct task *curr_target;	/* siglock; where the last process signal went */

	struct mutex rlim_lock;
	struct linux_rlimit rlim[LINUX_RLIM_NLIMITS]; /* rlim_lock; use tgroup_rlimit() */

	/* ITIMER_*; siglock */
	struct timer itimer_real;
	int64_t itimer_real_interval;	/* ns */
	deadline_t itimer_real_expired;	/* when it fired last */
	struct {
		uint64_t expires;	/* CPU time in ns; 0: off */
		int64_t interval;
	} itimer_cpu[2];		/* VIRTUAL (user time), PROF (user and system time) */
	struct timer cpu_timer;		/* looks at the CPU clocks while any of them, a CPU-time POSIX timer or RLIMIT_CPU is armed */
	struct list_head posix_timers;	/* siglock */
	int next_timer_id;		/* siglock */

	struct rusage_acct acct;	/* siglock; of threads that are gone, but for utime */
	uint64_t guest_time;		/* siglock; of threads that are gone */
	struct cpu_share utime;		/* siglock; of all threads; acct.c */
	struct rusage_acct cacct;	/* siglock; of children that were waited for, and theirs */

	int oom_score_adj;		/* atomic access */

	void (*exited)(void *data, int status); /* pids_lock; of TG_ENTERED: called once with pids_lock held, or NULL */
	void *exited_data;

	struct key *process_keyring;	/* keys_lock; key.h */
	struct cgroup *cgroup;		/* cgroup_lock (vfs/cgroup); a reference; NULL before the process is linked */
	struct rusage_acct cgroup_base;	/* cgroup_lock; what it had used when it came there */
	bool cgroup_left;		/* cgroup_lock; ended: no member any more */
	struct memcg *memcg;		/* memcg_lock; who pays for what it allocates; borrowed from the cgroup */
	atomic_uint held;		/* siglock to change; TG_HELD_*: its tasks do not run */
};

/* A thread. */
struct task {
	struct ref ref;
	struct pid *pid;		/* pids_lock to change (a thread that calls exec takes the leader's); reference */
	struct pid *former_pid;		/* ... the one it had: a reader without the lock may still look at it */
	atomic_int tid;			/* pid->nr; pids_lock to change, read without */
	struct tgroup *tg;		/* immutable; reference */
	struct list_head thread_link;	/* see tgroup.threads */

	struct task *parent;		/* pids_lock; tracer when traced, else real_parent; borrowed */
	struct task *real_parent;	/* pids_lock; NULL for PID 1; borrowed: children are moved before it goes */
	atomic_int ppid;		/* pids_lock to change; real_parent->tg->pid->nr, 0 for none; read without */
	struct list_head children;	/* pids_lock; leaders by sibling */
	struct list_head sibling;	/* pids_lock */
	int exit_signal;		/* pids_lock; sent to the parent at exit; -1 for threads */
	atomic_int pdeath_signal;	/* the task's own; its parent reads it */
	_Atomic enum task_exit_state exit_state; /* pids_lock to change, read without */
	atomic_int exit_code;		/* pids_lock once exiting; the wait status */
	atomic_bool exiting;		/* siglock to change; in do_exit */
	bool unlinked;			/* pids_lock; released: in no list, without a number */

	struct mutex lock;
	struct mm *mm;			/* lock; NULL when exited.  Own thread reads without */
	struct files_struct *files;	/* lock; the same */
	struct fs_struct *fs;		/* lock; the same */
	const struct cred *cred;	/* lock; never NULL */
	struct nsproxy *nsproxy;	/* lock; NULL when exited.  Own thread reads without */
	char comm[TASK_COMM_LEN];	/* lock */
	struct user *user;		/* lock; counters of cred->uid */

	/* Running */
	pthread_t thread;		/* sentry thread */
	struct sleeper sleeper;		/* any thread may wake */
	struct platform_ctx *ctx;	/* siglock to change; NULL before the first run and after exit */
	atomic_bool in_guest;		/* inside platform->run */
	bool in_syscall;		/* the stop being handled is a syscall: orig_rax is its number */
	void *xstate;			/* initial extended state from fork, for the first run; malloc; NULL */
	bool must_exit;			/* exit(2) or a fatal signal was handled: leave the run loop */
	uint64_t cr2, trapno, error_code; /* of the last fault that became a signal, for signal frames */
	struct restart_block restart;
	struct {
		uaddr_t addr, ip;
		unsigned count;
	} same_fault;			/* faults without progress */
	struct {
		struct platform_ctx *ctx;
		unsigned mask;
		uint64_t value[NR_PLATFORM_ANSWERS];
		int ppid, pgrp, sid;	/* as they were at `seen` */
		unsigned seen;
		atomic_uint changes;	/* any thread, with siglock */
		atomic_bool sigmask;	/* the guest may have another mask than `blocked` */
	} answers;			/* what the platform was last told; answers.c */

	atomic_bool is_held;		/* sleeps because of tg->held */

	/* Signals; siglock, but blocked may be read by its own thread without */
	linux_sigset_t blocked, real_blocked /* sigtimedwait */, saved_sigmask;
	bool restore_sigmask;		/* saved_sigmask is to be put back */
	struct sigpending pending;
	atomic_uint jobctl;		/* siglock to change; JOBCTL_* */
	struct linux_stack sigaltstack;	/* own thread */

	/* Things to tell others at exit or exec */
	uaddr_t clear_child_tid, set_child_tid;
	uaddr_t robust_list;
	struct list_head pi_state_list;	/* futex_pi.c; PI futexes held or waited for through the sentry */
	struct futex_pi_state *pi_blocked_on; /* futex_pi.c's lock */
	bool futex_exiting;		/* futex_pi.c's lock: no new PI state may name this task */
	atomic_bool vfork_pending;	/* the parent waits in vfork */
	struct waitq vfork_wait;
	struct mm *forked_from;	/* whose process runs before this one does; of the sentry thread, NULL after its first run */
	uint64_t forked_at;	/* the CPU time that forked_from had had, ns */

	/* Credentials and behaviour; own thread writes */
	bool no_new_privs, thp_disable, io_flusher, reset_on_fork;
	unsigned seccomp_mode;		/* siglock to change: TSYNC does it for other threads */
	struct sem_undo_list *sysvsem;	/* ipc_lock; kernel/ipc_sem.c */
	struct seccomp_filter *seccomp;	/* siglock; reference */
	struct key *thread_keyring, *session_keyring; /* keys_lock; key.h */
	uint8_t reqkey_keyring;
	struct {
		bool on;
		uaddr_t start, selector;
		uint64_t len;
	} user_dispatch;		/* PR_SET_SYSCALL_USER_DISPATCH; own thread */
	unsigned personality;
	uint64_t timer_slack, default_timer_slack; /* ns */
	int tsc_mode;
	int nice, sched_policy, sched_priority; /* pids_lock to write; recorded, and answered */
	int ioprio;
	uint32_t mempolicy;		/* own thread; set_mempolicy(2): mode, its flags, and whether node 0 is named */
	void *cpus_allowed;		/* lock; CPU_MASK_SIZE bytes; NULL: all */
	atomic_bool cpus_changed;	/* to be told to the platform before the next run */

	/* Accounting */
	int64_t start_time;		/* CLOCK_BOOTTIME at start, ns */
	atomic_ullong guest_time;	/* ns inside the guest by the clock on the wall */
	struct cpu_share utime;		/* siglock; acct.c */
	atomic_llong run_since;		/* monotonic ns when the guest was entered; 0 outside */
	uint64_t final_stime;		/* siglock; system time once the thread is gone */
	uint64_t cpu_told;		/* siglock; CPU time up to the last signal of a CPU timer that it was given */
	uint64_t thread_stime;		/* siglock; what the sentry thread had used before it was this task's, ns */
	bool has_thread;		/* siglock; `thread` may be asked for its CPU time */
	atomic_ulong min_flt, maj_flt, nr_interrupts, rchar, wchar, syscr, syscw;
	struct io_counts io;

	/* Crash reports and /proc/pid/syscall */
	atomic_ullong syscall_nr;	/* of the syscall in progress; NO_SYSCALL outside */
	struct syscall_record recent[TASK_RECENT_SYSCALLS];
	unsigned nr_recent;

	/* Guest ptrace(2): see ptrace.h; siglock unless marked */
	atomic_uint ptrace;		/* pids_lock and siglock; PT_*; 0: not traced */
	enum { PTRACE_SYSCALL_NONE, PTRACE_SYSCALL_TRACE, PTRACE_SYSCALL_EMULATE } ptrace_syscall;
	bool singlestep;
	struct debugregs *debugregs;	/* see debugreg.h; NULL: all 0 */
	struct ptrace_work *ptrace_work; /* what the tracer wants done while stopped */
	struct list_head ptraced;	/* pids_lock; tasks this one traces, by ptrace_link */
	struct list_head ptrace_link;
	uint64_t ptrace_message;
	struct linux_siginfo *last_siginfo;
};

/* The task of the calling sentry thread; NULL in service threads. */
extern _Thread_local struct task *current;
/* PID 1; set by kernel_start, never changes; pids_lock to look at its state. */
extern struct tgroup *init_tgroup;
extern struct list_head all_tgroups; /* pids_lock */

static inline struct task *task_get(struct task *t)
{
	ref_get(&t->ref);
	return t;
}
void task_put(struct task *t);
static inline void task_put_cleanup(struct task **t)
{
	if (*t)
		task_put(*t);
}
#define _cleanup_task_ __cleanup(task_put_cleanup)
static inline struct tgroup *tgroup_get(struct tgroup *tg)
{
	ref_get(&tg->ref);
	return tg;
}
void tgroup_put(struct tgroup *tg);
static inline void tgroup_put_cleanup(struct tgroup **tg)
{
	if (*tg)
		tgroup_put(*tg);
}
#define _cleanup_tgroup_ __cleanup(tgroup_put_cleanup)

/* Numbers in the namespace of pid_view, 0 when the task isn't seen there. */
static inline int task_tid(struct task *t)
{
	if (likely(!pid_view))
		return atomic_load_explicit(&t->tid, memory_order_relaxed);
	return pid_nr(READ_ONCE(t->pid));
}
/* answers.c: tells the platform which calls it may answer; before each entry of the guest. */
void task_update_answers(struct task *t);
/* @t is no longer who it was, or its calls are watched: what it makes from here on comes to the sentry.  Its siglock is held. */
void task_drop_answers_locked(struct task *t);
/* A process's parent, group or session is another one now; pids_lock is still held. */
void tgroup_drop_answers_locked(struct tgroup *tg);
/* @t, which is current, is about to enter the guest, and has left it: the signal mask is the guest's in between. */
void task_give_sigmask(struct task *t);
void task_take_sigmask(struct task *t);
/* The signals that a task of any kind blocks at this moment; siglock held. */
linux_sigset_t task_sigmask_locked(const struct task *t);

static inline int task_tgid(const struct task *t)
{
	return pid_nr(t->tg->pid);
}
static inline bool task_is_leader(const struct task *t)
{
	return READ_ONCE(t->tg->leader) == t;
}

/* --- finding --- */

/* The task with thread id @tid, or NULL.  Zombies that were not waited for are found, with mm, files and fs NULL. */
struct task *task_find_get(int tid);
struct task *task_find_locked(int tid); /* pids_lock; borrowed */
/* The process @tgid, or NULL. */
struct tgroup *tgroup_find_get(int tgid);
struct tgroup *tgroup_find_locked(int tgid);
/* For /proc: the process with the lowest id >= @tgid, or NULL. */
struct tgroup *tgroup_next_get(int tgid);
/* The thread of @tg with the lowest id >= @tid, or NULL. */
struct task *tgroup_next_thread_get(struct tgroup *tg, int tid);
/* The leader (perhaps a zombie), or NULL once the process was waited for. */
struct task *tgroup_leader_get(struct tgroup *tg);
unsigned tgroup_nr_threads(struct tgroup *tg);
/* Any thread of it, or NULL; siglock; borrowed. */
static inline struct task *tgroup_first_locked(struct tgroup *tg)
{
	return list_empty(&tg->threads) ? NULL : list_first_entry(&tg->threads, struct task, thread_link);
}

/* --- what /proc and others ask about any task --- */

/* References, or NULL when the task has given it up (exit). */
struct mm *task_mm_get(struct task *t);
struct files_struct *task_files_get(struct task *t);
struct fs_struct *task_fs_get(struct task *t);
const struct cred *task_cred_get(struct task *t); /* never NULL */
struct nsproxy *task_nsproxy_get(struct task *t);
void task_comm(struct task *t, char ret[TASK_COMM_LEN]);
void task_set_comm(struct task *t, const char *comm);
/* 'R', 'S', 'D', 'T', 't', 'Z', 'X' as /proc/pid/stat. */
char task_state_char(struct task *t);
const char *task_state_name(char state); /* "S (sleeping)" */
int task_ppid(struct task *t);	  /* tgid of the real parent, 0 for PID 1 */
int task_tracer_tid(struct task *t);
int tgroup_pgrp_nr(struct tgroup *tg);
int tgroup_session_nr(struct tgroup *tg);

struct task_signals { /* /proc/pid/status */
	linux_sigset_t pending, shared_pending, blocked, ignored, caught;
	uint64_t nr_queued, limit; /* SigQ */
};
void task_signals(struct task *t, struct task_signals *ret);
/* CLOCK_BOOTTIME; the guest's is the host's, because the vDSO reads it too. */
int64_t boottime_ns(void);
/* CPU time so far, ns. */
void task_cputime(struct task *t, uint64_t *ret_utime, uint64_t *ret_stime);
/* Of all threads, gone ones too. */
void tgroup_cputime(struct tgroup *tg, uint64_t *ret_utime, uint64_t *ret_stime);
/* The same with faults and switches; @ret_children: waited-for children; either may be NULL. */
void tgroup_rusage(struct tgroup *tg, struct rusage_acct *ret_self, struct rusage_acct *ret_children);
void task_rusage(struct task *t, struct rusage_acct *ret);
void task_cputime_locked(struct task *t, uint64_t *ret_utime, uint64_t *ret_stime);	  /* siglock */
void tgroup_cputime_locked(struct tgroup *tg, uint64_t *ret_utime, uint64_t *ret_stime); /* siglock */
void acct_add(struct rusage_acct *sum, const struct rusage_acct *a);
/* current gives up its mm for another, or NULL: before, without its context, and (for another) after. */
void acct_mm_leave(struct task *t);
void acct_mm_enter(struct task *t);
void acct_thread_exit_locked(struct task *t); /* the thread leaves its process; siglock */
void acct_thread_end(struct task *t);	      /* current's sentry thread is about to end */
/* Registers of a task that is not running the guest now (stopped, in a syscall); false otherwise. */
bool task_regs(struct task *t, struct guest_regs *ret);
/* The call in progress for /proc/pid/syscall: false while running. */
bool task_syscall(struct task *t, uint64_t *ret_nr, uint64_t ret_args[6], uaddr_t *ret_sp, uaddr_t *ret_ip);
/* What the task waits for, as /proc/pid/wchan; "0" when it runs. */
const char *task_wchan(struct task *t);
/* Whether current may look into @t: ptrace_may_access(PTRACE_MODE_READ) in Linux; @attach: stricter. */
bool task_may_access(struct task *t, bool attach);

struct linux_rlimit tgroup_rlimit(struct tgroup *tg, unsigned resource);
static inline uint64_t current_rlimit(unsigned resource)
{
	return READ_ONCE(current->tg->rlim[resource].rlim_cur);
}

/* --- controlling terminal --- */

/*
 * What the process layer asks of the terminal layer, which sets `tty_hooks`.  Called with pids_lock held unless marked.
 */
struct tty_hooks {
	void (*get)(struct tty *tty);
	void (*put)(struct tty *tty); /* may be the last: must not sleep */
	/* The leader of @tty's session exits: SIGHUP to the foreground group; a console hangs up.  Without pids_lock. */
	void (*session_exit)(struct tty *tty);
	/* For /proc/pid/stat. */
	uint64_t (*dev)(struct tty *tty);
	int (*foreground_pgrp)(struct tty *tty);
};
extern const struct tty_hooks *tty_hooks;

/* The calling process's terminal with a reference, or NULL. */
struct tty *current_tty_get(void);
/* Gives (@tty) or takes (NULL) the terminal of every process of a session.  References as needed. */
void session_set_tty(struct pid *session, struct tty *tty);
/* Takes it, for it hung up; the leader's end will be told to @pgrp (may be NULL), which was in the foreground. */
void session_hang_up(struct pid *session, struct pid *pgrp);
/* Gives or takes it for the calling process alone. */
void current_set_tty(struct tty *tty);
int current_pgrp(void);
int current_session(void);
bool current_is_session_leader(void);
/* Whether process group @pgrp has a member in session @session (tcsetpgrp's check). */
bool pgrp_in_session(int pgrp, int session);
/* Whether no member of @pgrp has a parent in another group of the same session. */
bool pgrp_is_orphaned(int pgrp);
/* Background access to the terminal: whether the caller blocks or ignores @sig (SIGTTIN, SIGTTOU). */
bool current_ignores_or_blocks(int sig);

/* --- making and ending (for the kernel's own files) --- */

struct clone_request {
	uint64_t flags;		/* LINUX_CLONE_*, without the signal byte */
	int exit_signal;
	uaddr_t stack;		/* new stack pointer, 0: the parent's */
	uaddr_t tls, parent_tid, child_tid, pidfd;
	int set_tid;		/* 0 or the number wanted */
	struct cgroup *cgroup;	/* where a process begins; borrowed; NULL: the parent's */
};
/* Makes a task and starts it.  Its tid, or -errno. */
int64_t kernel_clone(const struct clone_request *req);

/* exec(3) core for execve and execveat; returns only for the loop to enter the new program, or -errno with nothing changed. */
int64_t do_execveat(int dfd, const char *filename, uaddr_t argv, uaddr_t envp, unsigned flags);

/*
 * Keeps @tg from exec (and exec from attaching tracers), until mutex_unlock(&tg->exec_lock).  Exec kills threads that may be
 * waiting here, so the wait ends with the given @mode's interruption: 0 or -LINUX_ERESTARTNOINTR.
 */
int tgroup_exec_lock(struct tgroup *tg, enum sleep_mode mode);
/* The calling task ends: after the syscall it leaves the run loop. @status: wait status. */
void task_exit_request(int status);
void tgroup_exit_request(int status);
/* Ends current.  The last thing its sentry thread does. */
void do_exit(int status);
/* The parent stops waiting in vfork. */
void task_vfork_done(struct task *t);
/* current leaves its address space (exit, exec): robust futexes, clear_child_tid, vfork. */
void task_mm_release(struct task *t);
/* Starts the sentry thread of a new task.  0 or -LINUX_EAGAIN. */
int task_start_thread(struct task *t);
/* The body of a task's sentry thread. */
void task_run(struct task *t);

/* Storage. */
struct task *task_new(struct tgroup *tg); /* NULL: no memory */
struct tgroup *tgroup_new(void);
/* Changes the calling task's pointers, the thread-locals included; each takes the reference given. */
void task_set_mm(struct task *t, struct mm *mm);
void task_set_files(struct task *t, struct files_struct *files);
void task_set_fs(struct task *t, struct fs_struct *fs);
void task_set_cred(struct task *t, const struct cred *cred);
void task_set_nsproxy(struct task *t, struct nsproxy *ns);
/* Sets mm's copies of the limits and CAP_IPC_LOCK. */
void mm_sync_limits(struct mm *mm, struct tgroup *tg, const struct cred *cred);

#endif
