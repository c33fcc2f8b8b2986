/* SPDX-License-Identifier: Apache-2.0 */
/* The seams where ptrace(2) between guest tasks goes in.  No task is ever traced yet. */
#include "sentry/kernel/ptrace.h"

#include "sentry/base/list.h"
#include "sentry/base/types.h"

int ptrace_signal_locked(int sig, struct linux_siginfo *info __unused)
{
	return sig;
}

bool ptrace_jobctl_trap_locked(void)
{
	return false;
}

void ptrace_event_exec(void)
{
}

void ptrace_event_exit(int status __unused)
{
}

bool ptrace_reaped_locked(struct task *t __unused)
{
	return false;
}

void ptrace_exit_locked(struct task *t __unused, struct list_head *dead __unused)
{
}
