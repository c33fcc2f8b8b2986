/* SPDX-License-Identifier: Apache-2.0 */
/* ptrace(2) between guest tasks: where signals, job control, clone, exec and exit meet a tracer. */
#ifndef SENTRY_KERNEL_PTRACE_H
#define SENTRY_KERNEL_PTRACE_H

#include "sentry/abi/signal.h"

struct task;
struct list_head;

/* A traced task is about to take @sig: stops for the tracer, which may change or drop it.  Called and returns with siglock. */
int ptrace_signal_locked(int sig, struct linux_siginfo *info);
/* Acts on JOBCTL_TRAP_*.  siglock held; true: it was dropped. */
bool ptrace_jobctl_trap_locked(void);
/* current has just become another program. */
void ptrace_event_exec(void);
/* current is about to exit with @status: PTRACE_EVENT_EXIT. */
void ptrace_event_exit(int status);
/* The tracer waited for the zombie @t: true when it isn't the parent's to reap yet.  pids_lock held. */
bool ptrace_reaped_locked(struct task *t);
/* @t exits: it lets go of those it traces; those that died under it are released onto @dead.  pids_lock held. */
void ptrace_exit_locked(struct task *t, struct list_head *dead);

#endif
