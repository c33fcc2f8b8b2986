/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ptrace(2) between guest tasks: where signals, job control, system calls, clone, exec and exit meet a tracer.
 *
 * A traced task stops in its own sentry thread (ptrace_stop): it says why in exit_code, wakes its tracer's wait, and sleeps
 * with JOBCTL_TRACED until the tracer resumes it, goes away, or it's killed.  While it sleeps, the tracer reads and writes its
 * registers under its siglock; what only its own thread may do (extended state) the tracer hands it as work.
 *
 * The relation (task->parent, ptrace, ptraced lists) is guarded by pids_lock; t->ptrace is also written under siglock.
 */
#ifndef SENTRY_KERNEL_PTRACE_H
#define SENTRY_KERNEL_PTRACE_H

#include "sentry/abi/ptrace.h"
#include "sentry/abi/signal.h"

struct task;
struct list_head;

/* task->ptrace: flags, and the options from PT_OPT_SHIFT. */
#define PT_TRACED 1U
#define PT_SEIZED 2U
#define PT_OPT_SHIFT 3
#define PT_OPT(t) ((t)->ptrace >> PT_OPT_SHIFT)
#define PT_EVENT_ENABLED(t, event) (PT_OPT(t) & (1U << (event)))

/* --- stops, all by current --- */

/*
 * A traced task is about to take @sig: stops for the tracer, which may change or drop it (0).  Called and returns with siglock.
 */
int ptrace_signal_locked(int sig, struct linux_siginfo *info);
/* A traced task takes part in a group stop, or was interrupted: JOBCTL_TRAP_*.  Called with siglock, returns without. */
void ptrace_jobctl_trap_locked(void);
/* Stops with SIGTRAP | @event << 8 when the tracer asked for it. */
void ptrace_event(int event, uint64_t message);
/* current has just become another program. */
void ptrace_event_exec(int old_tid);
/* current is about to exit with @status: PTRACE_EVENT_EXIT. */
void ptrace_event_exit(int status);
/* A handler is entered while single-stepping. */
void ptrace_step_into_handler(void);
/*
 * Stops at the entry of a system call (registers as on Linux: rax is -ENOSYS) and at its exit.  After the entry the number and the
 * arguments are to be read again; false: the call is not to be made.
 */
bool ptrace_syscall_enter(void);
void ptrace_syscall_exit(void);

/* --- relations, pids_lock held --- */

/* The event a clone is reported as, 0 for none; @child becomes traced too.  siglock of the child's process is held as well. */
int ptrace_clone_event(uint64_t flags, int exit_signal);
void ptrace_clone_locked(struct task *child, uint64_t flags, int event);
/* @tracer begins to trace @t: 0 or -LINUX_EPERM. */
int ptrace_link_locked(struct task *t, struct task *tracer, unsigned flags);
/* Ends it; the task goes on, or stays in its process's stop.  No effect when not traced. */
void ptrace_unlink_locked(struct task *t);
/* The same at PTRACE_DETACH or the tracer's exit; true: @t is a zombie that nobody waits for, to be released. */
bool ptrace_detach_locked(struct task *tracer, struct task *t);
/* Whether the tracer isn't of the parent's process. */
bool ptrace_reparented(struct task *t);
/*
 * The tracer waited for the zombie @t: true when it now becomes its parent's to reap.  @ret_dead: nobody wants it then.
 */
bool ptrace_reaped_locked(struct task *t, bool *ret_dead);
/* @t exits: it lets go of those it traces; those that died under it are released onto @dead. */
void ptrace_exit_locked(struct task *t, struct list_head *dead);

/* --- for sys_ptrace.c --- */

/* @fn runs in the thread of @t, which is stopped for current.  Its result, or -LINUX_ESRCH when @t is killed meanwhile. */
int ptrace_run_in(struct task *t, int (*fn)(struct task *t, void *arg), void *arg);

#endif
