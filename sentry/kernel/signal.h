/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signals, as signal(7).
 *
 * A signal is sent to a task or to a process (its tgroup).  It is dropped when ignored, else it is set in a pending set, with
 * its siginfo in a queue: standard signals once, real-time ones each time.  A thread that has a signal to act on has
 * `sleeper.interrupted` set, is woken and kicked out of the guest; it takes the signal itself on its way back to the
 * guest (signal_deliver), where it dies, stops, or gets a frame on its stack (sigframe.h).
 *
 *     send --> ignored? --> pending (task or shared) --> thread chosen, interrupted --> signal_deliver in that thread
 *                                                                                    --> sigtimedwait, signalfd
 *
 * A fatal signal starts the group exit at once: every thread gets SIGKILL and `sleeper.killed`.  Stopping and continuing
 * follow kernel/signal.c of Linux: SIGCONT removes pending stops and wakes; a stop is taken by one thread, which asks
 * the others (JOBCTL_STOP_PENDING); the last one to stop tells the parent.
 *
 * All of it is guarded by tg->siglock.
 */
#ifndef SENTRY_KERNEL_SIGNAL_H
#define SENTRY_KERNEL_SIGNAL_H

#include "sentry/abi/signal.h"
#include "sentry/base/list.h"
#include "sentry/base/lock.h"
#include "sentry/base/ref.h"
#include "sentry/base/waitq.h"

struct task;
struct tgroup;
struct pid;
struct user;
struct posix_timer;

/* One pending instance.  Counted against its receiver's RLIMIT_SIGPENDING. */
struct sigqueue {
	struct list_head link;	   /* pending list; empty while not queued */
	struct linux_siginfo info;
	struct user *user;	   /* reference; who is charged */
	struct posix_timer *timer; /* the timer that owns it, not freed with it; NULL */
};

struct sigpending {
	struct list_head list;
	linux_sigset_t signal;
};

/* Handlers, shared by CLONE_SIGHAND. */
struct sighand {
	struct ref ref;
	struct mutex lock; /* inside siglock */
	struct linux_sigaction action[LINUX_NSIG]; /* lock */
};

#define SIGMASK_UNBLOCKABLE (LINUX_SIGMASK(LINUX_SIGKILL) | LINUX_SIGMASK(LINUX_SIGSTOP))
#define SIGMASK_STOP                                                                                                   \
	(LINUX_SIGMASK(LINUX_SIGSTOP) | LINUX_SIGMASK(LINUX_SIGTSTP) | LINUX_SIGMASK(LINUX_SIGTTIN) |                  \
	 LINUX_SIGMASK(LINUX_SIGTTOU))
#define SIGMASK_IGNORE /* default action: none */                                                                     \
	(LINUX_SIGMASK(LINUX_SIGCONT) | LINUX_SIGMASK(LINUX_SIGCHLD) | LINUX_SIGMASK(LINUX_SIGWINCH) |                 \
	 LINUX_SIGMASK(LINUX_SIGURG))
#define SIGMASK_COREDUMP                                                                                               \
	(LINUX_SIGMASK(LINUX_SIGQUIT) | LINUX_SIGMASK(LINUX_SIGILL) | LINUX_SIGMASK(LINUX_SIGTRAP) |                   \
	 LINUX_SIGMASK(LINUX_SIGABRT) | LINUX_SIGMASK(LINUX_SIGFPE) | LINUX_SIGMASK(LINUX_SIGSEGV) |                   \
	 LINUX_SIGMASK(LINUX_SIGBUS) | LINUX_SIGMASK(LINUX_SIGSYS) | LINUX_SIGMASK(LINUX_SIGXCPU) |                    \
	 LINUX_SIGMASK(LINUX_SIGXFSZ))
/* Dequeued before others, because the handler wants to see the faulting state. */
#define SIGMASK_SYNCHRONOUS                                                                                            \
	(LINUX_SIGMASK(LINUX_SIGSEGV) | LINUX_SIGMASK(LINUX_SIGBUS) | LINUX_SIGMASK(LINUX_SIGILL) |                    \
	 LINUX_SIGMASK(LINUX_SIGTRAP) | LINUX_SIGMASK(LINUX_SIGFPE) | LINUX_SIGMASK(LINUX_SIGSYS))

static inline bool sig_valid(int sig)
{
	return sig >= 1 && sig <= LINUX_NSIG;
}

static inline bool sig_in(linux_sigset_t mask, int sig)
{
	return mask & LINUX_SIGMASK(sig);
}

/* "SIGSEGV", "SIGRT3"; static or thread-local storage. */
const char *signal_name(int sig);

/* --- handlers --- */

struct sighand *sighand_new(void);			      /* all default; NULL: no memory */
struct sighand *sighand_copy(struct sighand *sh, bool clear); /* fork; @clear: handlers to default (CLONE_CLEAR_SIGHAND) */
static inline struct sighand *sighand_get(struct sighand *sh)
{
	ref_get(&sh->ref);
	return sh;
}
void sighand_put(struct sighand *sh);
/* exec: handlers to default. */
void sighand_reset(struct sighand *sh);
struct linux_sigaction sighand_action(struct sighand *sh, int sig);

/* --- pending queues --- */

void sigpending_init(struct sigpending *p);
/* Drops all; siglock held, or the owner is dead. */
void sigpending_flush(struct sigpending *p);
/* Drops the signals of @mask. */
void sigpending_flush_mask(struct sigpending *p, linux_sigset_t mask);
/* The signal to take first out of those not in @blocked: synchronous ones, then by number; 0 for none. */
int sigpending_next(const struct sigpending *p, linux_sigset_t blocked);
/* Takes one instance of @sig off @p into *ret.  Returns the timer that owned the entry, or NULL. */
struct posix_timer *sigpending_collect(struct sigpending *p, int sig, struct linux_siginfo *ret);
/*
 * Adds info->si_signo.  A standard signal that is pending already is dropped.  @limit: the most queued instances for @user
 * (RLIMIT_SIGPENDING); what the kernel sends and kill(2) of a standard signal pass it.  0, or -LINUX_EAGAIN when a
 * real-time signal with a payload found no room; without one, it is set without its siginfo.
 */
int sigpending_add(struct sigpending *p, const struct linux_siginfo *info, struct user *user, uint64_t limit);
/* Adds an entry that its owner (a timer) keeps; no effect while it is queued. */
void sigpending_add_owned(struct sigpending *p, struct sigqueue *q);
/* Takes such an entry back, if it is on @p. */
void sigpending_remove(struct sigpending *p, struct sigqueue *q);

/* --- sending.  Any thread; none of these checks permissions. --- */

enum sig_flags {
	SIG_FORCE = 1, /* from the kernel: PID 1's protection does not hold */
};

void siginfo_init(struct linux_siginfo *info, int sig, int code);	     /* zeroed but for signo and code */
void siginfo_init_user(struct linux_siginfo *info, int sig, int code); /* from current: pid and real uid */

/* To one thread.  0 or -LINUX_EAGAIN (queue full). */
int signal_send_task(struct task *t, const struct linux_siginfo *info, unsigned flags);
/* To a process: the pending set all its threads share.  -LINUX_ESRCH when it's gone. */
int signal_send_tgroup(struct tgroup *tg, const struct linux_siginfo *info, unsigned flags);
/* To all processes of a group; pids_lock held.  0 when at least one got it, -LINUX_ESRCH for none. */
int signal_send_pgrp_locked(struct pid *pgrp, const struct linux_siginfo *info, unsigned flags);
/* The same with siglock held: @tg == t->tg; @type PIDTYPE_PID for the thread, else shared. */
int signal_send_locked(struct task *t, const struct linux_siginfo *info, bool shared, unsigned flags);
/* The same for a timer's own entry.  False: ignored, not queued. */
bool signal_send_owned_locked(struct task *t, struct sigqueue *q, bool shared);
/* @t stops looking at @mask (it blocks it, or exits): other threads of its process take over what is pending.  siglock. */
void signal_retarget_locked(struct task *t, linux_sigset_t mask);
/* Sends @sig as the kernel does (SI_KERNEL). */
void signal_kernel_tgroup(struct tgroup *tg, int sig);
void signal_kernel_pgrp_locked(struct pid *pgrp, int sig);
/* Kills every thread of @tg (OOM, pid limit, sentry's end). */
void signal_kill_tgroup(struct tgroup *tg);

/*
 * Sends @info to the calling task so that it can't be missed: blocked or ignored means the default action, and the
 * process dies (force_sig_info in Linux).
 */
void signal_force(const struct linux_siginfo *info);
void signal_force_sig(int sig);				    /* SI_KERNEL */
void signal_force_fault(int sig, int code, uaddr_t addr);
/* A frame can't be set up or restored: SIGSEGV; when that was SIGSEGV's own frame, the default action. */
void signal_force_sigsegv(int sig);

/* Whether current may send @sig to @t: 0 or -LINUX_EPERM (kill(2)). */
int signal_check_permission(int sig, const struct linux_siginfo *info, struct task *t);

/* --- masks and pending state of the calling task --- */

/* Replaces the blocked set (never KILL and STOP) and looks for newly deliverable signals. */
void sigmask_set(linux_sigset_t mask);
/*
 * For ppoll, pselect6, epoll_pwait: installs a mask read from the guest until the call is over.  @umask 0: nothing.  0 or
 * -LINUX_EINVAL, -LINUX_EFAULT.  Pair it with sigmask_restore_unless().
 */
int sigmask_set_user(uaddr_t umask, uint64_t sigsetsize);
/* The call was not interrupted: puts the old mask back.  Else signal delivery does, behind the handler's frame. */
void sigmask_restore_unless(bool interrupted);
/* Recomputes sleeper.interrupted; siglock held. */
void signal_recalc_locked(struct task *t);
/* A signal, a stop or death waits for the calling task. */
bool signal_pending(void);
bool signal_fatal_pending(void);
/* Makes @t look: sets interrupted (and killed), wakes it, takes it out of the guest.  siglock held. */
void signal_wake_up(struct task *t, bool kill);

/* Takes a pending signal not in @blocked, the task's own first.  Signal number or 0; siglock held, @t is current. */
int signal_dequeue_locked(struct task *t, linux_sigset_t blocked, struct linux_siginfo *ret);

/* --- acting --- */

/*
 * On the way back to the guest: takes pending signals until one has a frame, stops, or starts the process's exit; restarts
 * the interrupted syscall where due and restores a saved mask.  Only for current.
 */
void signal_deliver(void);
/* Sets the exit of the whole process with wait status @status (code << 8, or signal | 0x80).  siglock held. */
void tgroup_exit_start_locked(struct tgroup *tg, int status);

/* Keeps the tasks of @tg from running, but for dying, while any of TG_HELD_* is set; pids_lock held. */
void tgroup_hold(struct tgroup *tg, unsigned bits, bool on);

#endif
