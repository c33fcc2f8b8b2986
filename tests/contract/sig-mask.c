/* SPDX-License-Identifier: Apache-2.0 */
/* Masks: blocking, pending, SIG_SETMASK, what can't be blocked, sizes and bad arguments; raw syscalls. */
#include "tests/contract/contract.h"

static volatile int caught;

static void on_signal(int sig)
{
	caught = caught * 10 + (sig == SIGUSR1 ? 1 : sig == SIGUSR2 ? 2 : 3);
}

static long procmask(int how, const uint64_t *set, uint64_t *old, size_t size)
{
	return syscall(SYS_rt_sigprocmask, how, set, old, size);
}

#define BIT(s) (1ULL << ((s) - 1))

int main(void)
{
	uint64_t set = BIT(SIGUSR1), old = 0, pend = 0;

	signal(SIGUSR1, on_signal);
	signal(SIGUSR2, on_signal);
	SECTION("block, pend, unblock");
	CALL(procmask(SIG_BLOCK, &set, &old, 8));
	HEX(old);
	raise(SIGUSR1);
	raise(SIGUSR1);
	SHOW(caught);
	CALL(syscall(SYS_rt_sigpending, &pend, 8));
	HEX(pend);
	CALL(procmask(SIG_UNBLOCK, &set, &old, 8));
	HEX(old);
	SHOW(caught);
	SECTION("lowest number first");
	caught = 0;
	set = BIT(SIGUSR1) | BIT(SIGUSR2);
	procmask(SIG_BLOCK, &set, NULL, 8);
	raise(SIGUSR2);
	raise(SIGUSR1);
	procmask(SIG_UNBLOCK, &set, NULL, 8);
	/* the later one is entered on top of the earlier, so it runs first */
	SHOW(caught);
	SECTION("what can't be blocked is left out");
	set = ~0ULL;
	CALL(procmask(SIG_SETMASK, &set, &old, 8));
	CALL(procmask(SIG_SETMASK, NULL, &old, 8));
	HEX(~old);
	set = 0;
	procmask(SIG_SETMASK, &set, NULL, 8);
	SECTION("arguments");
	CALL(procmask(77, &set, NULL, 8));
	CALL(procmask(77, NULL, &old, 8));
	CALL(procmask(SIG_BLOCK, &set, NULL, 4));
	CALL(procmask(SIG_BLOCK, &set, NULL, 16));
	CALL(procmask(SIG_BLOCK, BAD_PTR, NULL, 8));
	CALL(procmask(SIG_BLOCK, NULL, BAD_PTR, 8));
	CALL(syscall(SYS_rt_sigpending, BAD_PTR, 8));
	CALL(syscall(SYS_rt_sigpending, &pend, 9));
	CALL(syscall(SYS_rt_sigpending, &pend, 4));
	SECTION("sigaction");
	struct sigaction sa = { .sa_handler = on_signal };
	CALL(sigaction(0, NULL, NULL));
	CALL(syscall(SYS_rt_sigaction, 0, NULL, NULL, 8));
	CALL(syscall(SYS_rt_sigaction, 65, NULL, NULL, 8));
	CALL(syscall(SYS_rt_sigaction, -1, NULL, NULL, 8));
	CALL(syscall(SYS_rt_sigaction, SIGUSR1, NULL, NULL, 4));
	CALL(sigaction(SIGKILL, &sa, NULL));
	CALL(sigaction(SIGSTOP, &sa, NULL));
	CALL(sigaction(SIGKILL, NULL, &sa));
	YES(sa.sa_handler == SIG_DFL);
	sa.sa_handler = SIG_IGN;
	CALL(sigaction(SIGKILL, &sa, NULL));
	SECTION("ignoring throws away what is pending");
	set = BIT(SIGUSR1) | BIT(SIGCHLD) | BIT(SIGWINCH);
	procmask(SIG_BLOCK, &set, NULL, 8);
	raise(SIGUSR1);
	signal(SIGUSR1, SIG_IGN);
	syscall(SYS_rt_sigpending, &pend, 8);
	HEX(pend);
	signal(SIGUSR1, on_signal);
	syscall(SYS_rt_sigpending, &pend, 8);
	HEX(pend);
	SECTION("ignored by default, but blocked: pending");
	raise(SIGWINCH);
	syscall(SYS_rt_sigpending, &pend, 8);
	HEX(pend);
	signal(SIGWINCH, SIG_DFL);
	syscall(SYS_rt_sigpending, &pend, 8);
	HEX(pend);
	return 0;
}
