/* SPDX-License-Identifier: Apache-2.0 */
/* ptrace(2) between processes of the guest: stops, memory, registers, system calls, attaching, refusals. */
#include "tests/contract/contract.h"
#include <sys/ptrace.h>
#include <sys/user.h>

static volatile long word = 0x1111;

static int wait_stop(const char *what, pid_t pid)
{
	int st;

	if (waitpid(pid, &st, __WALL) != pid)
		say("%s: waitpid: %s", what, errno_name(errno));
	else
		show_status(what, st);
	return st;
}

int main(void)
{
	struct user_regs_struct regs;
	siginfo_t si;
	pid_t pid;
	int st, n = 0, getppids = 0;

	SECTION("traced from the start");
	pid = MUST(fork());
	if (pid == 0) {
		CALL(ptrace(PTRACE_TRACEME, 0, 0, 0));
		CALL(ptrace(PTRACE_TRACEME, 0, 0, 0));
		raise(SIGSTOP);
		if (word == 0x2222)
			say("the child sees what was poked");
		syscall(SYS_getppid);
		syscall(SYS_getppid);
		raise(SIGUSR1);
		_exit(5);
	}
	wait_stop("stop", pid);
	errno = 0;
	HEX(ptrace(PTRACE_PEEKDATA, pid, &word, 0));
	CALL(ptrace(PTRACE_POKEDATA, pid, &word, 0x2222));
	HEX(ptrace(PTRACE_PEEKDATA, pid, &word, 0));
	HEX(word);
	CALL(ptrace(PTRACE_PEEKDATA, pid, BAD_PTR, 0));
	CALL(ptrace(PTRACE_GETREGS, pid, 0, &regs));
	YES(regs.rip != 0 && regs.rsp != 0);
	HEX(regs.cs);
	CALL(ptrace(PTRACE_GETSIGINFO, pid, 0, &si));
	say("signo %d code %d", si.si_signo, si.si_code);
	CALL(ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD));
	SECTION("system calls");
	for (;;) {
		MUST(ptrace(PTRACE_SYSCALL, pid, 0, 0));
		MUST(waitpid(pid, &st, 0));
		if (!WIFSTOPPED(st) || WSTOPSIG(st) != (SIGTRAP | 0x80))
			break;
		n++;
		MUST(ptrace(PTRACE_GETREGS, pid, 0, &regs));
		getppids += regs.orig_rax == SYS_getppid;
	}
	show_status("then", st);
	YES(n >= 6);
	SHOW(getppids);
	SECTION("a signal is held back");
	MUST(ptrace(PTRACE_CONT, pid, 0, 0));
	wait_stop("end", pid);
	SECTION("a signal is passed on");
	pid = MUST(fork());
	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGTERM);
		_exit(5);
	}
	wait_stop("stop", pid);
	MUST(ptrace(PTRACE_CONT, pid, 0, SIGTERM));
	wait_stop("end", pid);
	SECTION("exec traps");
	pid = MUST(fork());
	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		execl("/bin/true", "true", NULL);
	}
	wait_stop("exec", pid);
	MUST(ptrace(PTRACE_CONT, pid, 0, 0));
	wait_stop("end", pid);
	SECTION("attached");
	pid = MUST(fork());
	if (pid == 0)
		for (;;)
			pause();
	wait_asleep(pid);
	CALL(ptrace(PTRACE_PEEKDATA, pid, &word, 0));
	CALL(ptrace(PTRACE_ATTACH, pid, 0, 0));
	wait_stop("attached", pid);
	CALL(ptrace(PTRACE_ATTACH, pid, 0, 0));
	CALL(ptrace(PTRACE_GETREGS, pid, 0, &regs));
	SHOW((long)regs.orig_rax == SYS_pause);
	CALL(ptrace(PTRACE_DETACH, pid, 0, 0));
	CALL(ptrace(PTRACE_CONT, pid, 0, 0));
	CALL(ptrace(PTRACE_SEIZE, pid, 0, 0));
	CALL(ptrace(PTRACE_INTERRUPT, pid, 0, 0));
	wait_stop("interrupted", pid);
	CALL(ptrace(PTRACE_KILL, pid, 0, 0));
	wait_stop("end", pid);
	SECTION("changing registers");
	pid = MUST(fork());
	if (pid == 0) {
		long r;

		ptrace(PTRACE_TRACEME, 0, 0, 0);
		__asm__ volatile("int3" : "=a"(r) : "0"(1L));
		_exit((int)r);
	}
	wait_stop("int3", pid);
	MUST(ptrace(PTRACE_GETREGS, pid, 0, &regs));
	regs.rax = 42;
	CALL(ptrace(PTRACE_SETREGS, pid, 0, &regs));
	CALL(ptrace(PTRACE_SINGLESTEP, pid, 0, 0));
	wait_stop("step", pid);
	MUST(ptrace(PTRACE_CONT, pid, 0, 0));
	wait_stop("end", pid);
	SECTION("refusals");
	CALL(ptrace(PTRACE_ATTACH, getpid(), 0, 0));
	CALL(ptrace(PTRACE_ATTACH, 0x7ffffff0, 0, 0));
	CALL(ptrace(PTRACE_CONT, 0x7ffffff0, 0, 0));
	SECTION("the tracer goes: the tracee is free");
	IN_CHILD("tracer") {
		pid = MUST(fork());
		if (pid == 0)
			for (;;)
				pause();
		MUST(ptrace(PTRACE_ATTACH, pid, 0, 0));
		MUST(waitpid(pid, &st, 0));
		kill(pid, SIGKILL);
	}
	return 0;
}
