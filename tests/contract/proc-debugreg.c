/* SPDX-License-Identifier: Apache-2.0 */
/* The debug registers through ptrace(2): what they hold, and the traps of breakpoints and watchpoints. */
#include "tests/contract/contract.h"

#include <sys/ptrace.h>
#include <sys/user.h>

#define DR(n) (offsetof(struct user, u_debugreg) + (n) * 8)
#define EXECUTE 0UL
#define WRITE 1UL
#define ACCESS 3UL
#define LEN1 0UL
#define LEN4 3UL
#define LEN8 2UL
#define DR7(i, kind, len) (1UL << (2 * (i)) | (kind) << (16 + 4 * (i)) | (len) << (18 + 4 * (i)))

static volatile uint32_t watched[4] __attribute__((aligned(16)));
static volatile uint32_t seen;

__attribute__((noinline)) static void place(void)
{
	asm volatile("" ::: "memory");
}

static pid_t child;

static long peek(int n)
{
	errno = 0;
	return ptrace(PTRACE_PEEKUSER, child, DR(n), 0);
}

static void poke(const char *what, int n, unsigned long val)
{
	errno = 0;
	say("%s: %s", what, ptrace(PTRACE_POKEUSER, child, DR(n), val) ? errno_name(errno) : "ok");
}

/* Lets the child run to its next stop. */
static void go(const char *what, int request)
{
	struct user_regs_struct r;
	siginfo_t si;
	int status;

	MUST(ptrace(request, child, 0, 0));
	MUST(waitpid(child, &status, 0));
	if (!WIFSTOPPED(status)) {
		show_status(what, status);
		return;
	}
	MUST(ptrace(PTRACE_GETSIGINFO, child, 0, &si));
	MUST(ptrace(PTRACE_GETREGS, child, 0, &r));
	say("%s: %s, code %d, dr6 %#lx, address is rip: %s, at place: %s", what, signal_name(WSTOPSIG(status)), si.si_code,
	    peek(6) & 0xe00f, si.si_addr == (void *)r.rip ? "yes" : "no", r.rip == (uintptr_t)place ? "yes" : "no");
	say("  watched %ld, seen %ld", ptrace(PTRACE_PEEKDATA, child, &watched[1], 0) & 0xffffffff,
	    ptrace(PTRACE_PEEKDATA, child, &seen, 0) & 0xffffffff);
	ptrace(PTRACE_POKEUSER, child, DR(6), 0);
}

static void run_child(void)
{
	int fd = open("/dev/zero", O_RDONLY);

	ptrace(PTRACE_TRACEME, 0, 0, 0);
	raise(SIGSTOP);
	for (int i = 0; i < 4; i++) {
		watched[0] = i;
		place();
		watched[1] = i + 1;
		watched[2] = i;
		seen = watched[1];
	}
	/* The kernel's writes trap nobody. */
	if (read(fd, (void *)&watched[1], 4) != 4)
		_exit(1);
	raise(SIGUSR2);
	_exit(0);
}

int main(void)
{
	int status;

	child = MUST(fork());
	if (!child)
		run_child();
	MUST(waitpid(child, &status, 0));
	HEX(peek(0));
	HEX(peek(6));
	HEX(peek(7));
	poke("address", 0, (uintptr_t)&watched[1]);
	poke("dr4", 4, 1);
	poke("an address of the kernel's", 1, 0xffffffff81000000);
	poke("a breakpoint of four bytes", 7, DR7(0, EXECUTE, LEN4));
	poke("a watched port", 7, DR7(0, 2UL, LEN1));
	poke("eight bytes, not aligned", 7, DR7(0, WRITE, LEN8));
	HEX(peek(7));
	poke("writes", 7, DR7(0, WRITE, LEN4));
	HEX(peek(7));
	YES(peek(0) == (long)(uintptr_t)&watched[1]);
	go("written", PTRACE_CONT);
	go("written again", PTRACE_CONT);
	poke("accesses", 7, DR7(0, ACCESS, LEN4));
	go("read", PTRACE_CONT);
	poke("address", 1, (uintptr_t)place);
	poke("a breakpoint", 7, DR7(1, EXECUTE, LEN1));
	go("reached", PTRACE_CONT);
	go("stepped", PTRACE_SINGLESTEP);
	go("reached again", PTRACE_CONT);
	poke("both", 7, DR7(0, WRITE, LEN1) | DR7(1, EXECUTE, LEN1));
	go("written", PTRACE_CONT);
	poke("none", 7, 0);
	go("to the signal", PTRACE_CONT);
	go("to the end", PTRACE_CONT);
	return 0;
}
