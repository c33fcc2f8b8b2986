/* SPDX-License-Identifier: Apache-2.0 */
/* One traced thread. */
#include <elf.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "platform/host/host.h"
#include "platform/ptrace/ptrace.h"
#include "sentry/abi/errno.h"

#define USER_CS 0x33
#define USER_SS 0x2b
#define EFLAGS_NEUTRAL 0x202 /* IF and the bit that is always set */

/* The selectors, which the host checks when they are set. */
static const struct guest_regs stub_regs = {
	.orig_rax = ~0ULL,
	.cs = USER_CS,
	.ss = USER_SS,
	.eflags = EFLAGS_NEUTRAL,
};

/* A thread in the hands of its tracer can fail a request only by dying. */
static int tracee_error(long r)
{
	return r < 0 ? -LINUX_ESRCH : 0;
}

/* A group stop shows the signal that caused it; a stop that was asked for shows SIGTRAP. */
int tracee_wait(pid_t tid, int *ret_status)
{
	int status;

	if (host_waitpid(tid, &status, __WALL) != tid || !WIFSTOPPED(status))
		return -LINUX_ESRCH;
	/* Somebody has stopped the whole process, parked threads and all. */
	if (unlikely(status >> 16 == PTRACE_EVENT_STOP && WSTOPSIG(status) != SIGTRAP))
		host_kill(tid, SIGCONT);
	*ret_status = status;
	return 0;
}

int tracee_seize(pid_t tid)
{
	void *options = (void *)(uintptr_t)(PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD);
	int status;

	if (host_ptrace(PTRACE_SEIZE, tid, 0, options) < 0)
		return -LINUX_ESRCH;
	/*
	 * Any stop will do.  Should it be a stranger's signal, the one asked for comes later, and is dropped as everything is
	 * that is not the guest's.
	 */
	if (host_ptrace(PTRACE_INTERRUPT, tid, 0, NULL) < 0)
		return -LINUX_ESRCH;
	return tracee_wait(tid, &status);
}

int tracee_get_regs(pid_t tid, struct guest_regs *ret_regs)
{
	return tracee_error(host_ptrace(PTRACE_GETREGS, tid, 0, ret_regs));
}

int tracee_set_regs(pid_t tid, const struct guest_regs *regs)
{
	return tracee_error(host_ptrace(PTRACE_SETREGS, tid, 0, (void *)(uintptr_t)regs));
}

int tracee_set_gprs(pid_t tid, const struct guest_regs *regs)
{
	struct iovec iov = { (void *)(uintptr_t)regs, offsetof(struct guest_regs, fs_base) };

	return tracee_error(host_ptrace(PTRACE_SETREGSET, tid, NT_PRSTATUS, &iov));
}

int tracee_get_xstate(pid_t tid, void *buf, size_t *inout_size)
{
	struct iovec iov = { buf, *inout_size };
	int err = tracee_error(host_ptrace(PTRACE_GETREGSET, tid, NT_X86_XSTATE, &iov));

	if (!err)
		*inout_size = iov.iov_len;
	return err;
}

int tracee_set_xstate(pid_t tid, const void *buf, size_t size)
{
	struct iovec iov = { (void *)(uintptr_t)buf, size };
	long r = host_ptrace(PTRACE_SETREGSET, tid, NT_X86_XSTATE, &iov);

	/* A state that the host finds fault with is the caller's problem, not the thread's. */
	return r < 0 && r != -LINUX_ESRCH ? -LINUX_EINVAL : tracee_error(r);
}

/* Lets a thread in the loop go on until its trap, whatever signals strangers send meanwhile. */
static int tracee_run_loop(pid_t tid, struct guest_regs *ret_regs)
{
	int err, status;

	do {
		if (host_ptrace(PTRACE_CONT, tid, 0, NULL) < 0)
			return -LINUX_ESRCH;
		err = tracee_wait(tid, &status);
		if (!err)
			err = tracee_get_regs(tid, ret_regs);
		if (err)
			return err;
	} while (status >> 8 != SIGTRAP || ret_regs->rip != STUB_TEXT + STUB_TRAP_RET_OFF);
	return 0;
}

int tracee_call(struct stub *stub, pid_t tid, const struct mapping_call *call, unsigned nr, unsigned *ret_done,
		int64_t *ret_result)
{
	struct stub_op *op = stub->page->op;
	struct guest_regs regs = stub_regs;
	int err;

	BUG_ON(nr > STUB_NR_OPS);
	for (unsigned i = 0; i < nr; i++) {
		op[i] = (struct stub_op){ .nr = call[i].nr };
		memcpy(op[i].arg, call[i].arg, sizeof(op[i].arg));
	}
	regs.rip = STUB_TEXT + STUB_LOOP_OFF;
	regs.rbx = STUB_PAGE + STUB_PAGE_OPS;
	regs.rbp = nr;
	regs.r14 = 1;
	err = tracee_set_gprs(tid, &regs);
	if (!err)
		err = tracee_run_loop(tid, &regs);
	/* The next guest in this stub could read it, and learn about the layout of this one. */
	memset(op, 0, nr * sizeof(*op));
	if (err)
		return err;
	*ret_done = nr - (unsigned)regs.rbp;
	*ret_result = (int64_t)regs.rax;
	return 0;
}

int tracee_park(pid_t tid)
{
	struct guest_regs regs = stub_regs;
	int err;

	regs.rip = STUB_TEXT + STUB_PARK_OFF;
	err = tracee_set_gprs(tid, &regs);
	return err ? err : tracee_error(host_ptrace(PTRACE_DETACH, tid, 0, NULL));
}

int tracee_exit(pid_t tid)
{
	struct guest_regs regs = stub_regs;
	int err;

	regs.rip = STUB_TEXT + STUB_LOOP_RET_OFF - 2; /* the syscall instruction */
	regs.rax = SYS_exit;
	err = tracee_set_gprs(tid, &regs);
	return err ? err : tracee_error(host_ptrace(PTRACE_DETACH, tid, 0, NULL));
}

void tracee_reap(pid_t tid)
{
	int status;

	/* A stop that was under way when the thread was killed may still be reported first. */
	while (host_waitpid(tid, &status, __WALL) == tid && WIFSTOPPED(status))
		;
}
