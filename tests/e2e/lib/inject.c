/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inject PID CALL [ARG...] - has another process make a system call, as if it had been taken over, and prints what becomes of it:
 *
 *     killed by signal N
 *     returned VALUE
 *
 * The process must be waiting in a system call of its own: the instruction that made it serves again.  Afterwards it goes on where it was.
 * Exit status 77, with the reason, when it can't be traced.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

static int await_stop(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, __WALL) < 0 && errno == EINTR)
		;
	if (WIFSIGNALED(status)) {
		printf("killed by signal %d\n", WTERMSIG(status));
		exit(0);
	}
	if (!WIFSTOPPED(status)) {
		printf("ended with status %d\n", WEXITSTATUS(status));
		exit(1);
	}
	return WSTOPSIG(status);
}

int main(int argc, char **argv)
{
	struct user_regs_struct saved, regs;
	unsigned long long *arg[3] = { &regs.rdi, &regs.rsi, &regs.rdx };
	int nr = argc > 2 ? seccomp_syscall_resolve_name(argv[2]) : -1, sig;
	pid_t pid = argc > 2 ? atoi(argv[1]) : 0;

	if (pid <= 0 || nr < 0) {
		fputs("usage: inject PID CALL [ARG...]\n", stderr);
		return 2;
	}
	if (ptrace(PTRACE_SEIZE, pid, 0, 0) || ptrace(PTRACE_INTERRUPT, pid, 0, 0)) {
		printf("process %d can't be traced: %s\n", pid, strerror(errno));
		return 77;
	}
	await_stop(pid);
	if (ptrace(PTRACE_GETREGS, pid, 0, &saved) ||
	    (ptrace(PTRACE_PEEKTEXT, pid, saved.rip - 2, 0) & 0xffff) != 0x050f) {
		puts("the process is not in a system call");
		return 1;
	}
	regs = saved;
	regs.rip -= 2;
	regs.rax = (unsigned)nr;
	regs.orig_rax = -1ULL;
	regs.rdi = regs.rsi = regs.rdx = 0;
	for (int i = 3; i < argc && i < 6; i++)
		*arg[i - 3] = strtoull(argv[i], NULL, 0);
	ptrace(PTRACE_SETREGS, pid, 0, &regs);
	ptrace(PTRACE_SINGLESTEP, pid, 0, 0);
	/* A SIGSYS is shown before it is delivered. */
	while ((sig = await_stop(pid)) != SIGTRAP)
		ptrace(PTRACE_CONT, pid, 0, sig);
	ptrace(PTRACE_GETREGS, pid, 0, &regs);
	printf("returned %lld\n", (long long)regs.rax);
	ptrace(PTRACE_SETREGS, pid, 0, &saved);
	ptrace(PTRACE_DETACH, pid, 0, 0);
	return 0;
}
