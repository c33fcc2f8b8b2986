/* SPDX-License-Identifier: Apache-2.0 */
/* PR_SET_SYSCALL_USER_DISPATCH: calls that become signals, but for those from a range of text, as a selector says. */
#include "tests/contract/contract.h"

#include <sys/prctl.h>

#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59
#endif

static volatile unsigned char selector;
static volatile sig_atomic_t caught, code, number, in_place, errno_seen;

static long dispatch(unsigned long mode, unsigned long start, unsigned long len, volatile void *sel)
{
	return prctl(PR_SET_SYSCALL_USER_DISPATCH, mode, start, len, sel);
}

/* A call at a place that is known. */
extern char call_begin[], call_end[];
__asm__(".text\ncall_begin:\n\tmov %rdi, %rax\n\tsyscall\ncall_end:\n\tret\n");
static long call(long nr)
{
	return ((long (*)(long))(uintptr_t)call_begin)(nr);
}

static void on_sigsys(int sig, siginfo_t *si, void *ucp)
{
	ucontext_t *uc = ucp;

	(void)sig;
	selector = 0;
	caught++;
	code = si->si_code;
	number = si->si_syscall;
	errno_seen = si->si_errno;
	in_place = si->si_call_addr == (void *)call_end && uc->uc_mcontext.gregs[REG_RIP] == (long)call_end;
	uc->uc_mcontext.gregs[REG_RAX] = uc->uc_mcontext.gregs[REG_RAX] == si->si_syscall ? 4711 : 1;
}

static void arguments(void)
{
	SECTION("arguments");
	CALL(dispatch(0, 0, 0, NULL));
	CALL(dispatch(0, 1, 0, NULL));
	CALL(dispatch(0, 0, 1, NULL));
	CALL(dispatch(0, 0, 0, &selector));
	CALL(dispatch(3, 0, 0, NULL));
	CALL(dispatch(1, 1, 0, NULL));
	CALL(dispatch(1, ~0UL, 2, NULL));
	CALL(dispatch(1, 0, ~0UL, KERNEL_PTR));
}

int main(void)
{
	struct sigaction sa = { .sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO };
	long r;

	MUST(sigaction(SIGSYS, &sa, NULL));
	arguments();
	SECTION("with a selector");
	CALL(dispatch(1, 0, 0, &selector));
	YES(call(SYS_getppid) == getppid());
	selector = 1;
	r = call(SYS_getppid);
	SHOW(r);
	SHOW(caught);
	SHOW(code);
	SHOW(errno_seen);
	YES(number == SYS_getppid);
	YES(in_place);
	selector = 1;
	r = call(99999);
	SHOW(r);
	YES(number == 99999);
	for (int i = 0; i < 100; i++) {
		selector = 1;
		r = call(SYS_getpid);
	}
	SHOW(r);
	SHOW(caught);
	IN_CHILD("a child has none") {
		selector = 1;
		YES(call(SYS_getppid) == getppid());
	}
	selector = 0;
	SECTION("a range");
	CALL(dispatch(1, (unsigned long)call_begin, call_end - call_begin + 1, &selector));
	selector = 1;
	r = call(SYS_getppid);
	selector = 0;
	YES(r == getppid());
	CALL(dispatch(0, 0, 0, NULL));
	selector = 1;
	YES(call(SYS_getppid) == getppid());
	selector = 0;
	IN_CHILD("a selector that is neither") {
		MUST(dispatch(1, 0, 0, &selector));
		selector = 7;
		call(SYS_getppid);
	}
	IN_CHILD("a selector that is gone") {
		char *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		MUST(dispatch(1, 0, 0, page));
		munmap(page, PAGE);
		call(SYS_getppid);
	}
	IN_CHILD("exec ends it") {
		char *argv[] = { "true", NULL };

		selector = 0;
		MUST(dispatch(1, 0, 0, &selector));
		execv("/bin/true", argv);
	}
	return 0;
}
