/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registers of a task stopped for current, as ptrace(2) shows them.  All return 0, -LINUX_ESRCH when it isn't stopped any
 * more, or -LINUX_EIO.
 */
#ifndef SENTRY_KERNEL_PTRACE_REGS_H
#define SENTRY_KERNEL_PTRACE_REGS_H

#include "platform/platform.h"

struct task;

/* orig_rax: the number of the system call the task is in, or -1. */
int ptrace_get_regs(struct task *t, struct guest_regs *ret);
/* Refuses (-EIO) what the processor would: segments, bases that are no user addresses; flags are masked. */
int ptrace_set_regs(struct task *t, const struct guest_regs *regs);
/* The extended state, platform->xstate_size() bytes, with XCR0 where struct user_xstate has it. */
int ptrace_get_xstate(struct task *t, void *buf);
int ptrace_set_xstate(struct task *t, const void *buf);

#endif
