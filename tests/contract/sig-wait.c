/* SPDX-License-Identifier: Apache-2.0 */
/* sigsuspend, sigtimedwait, sigwaitinfo, rt_sigtimedwait: what they take, with which siginfo, and when they give up. */
#include "tests/contract/contract.h"

static volatile int caught;

static void on_signal(int sig)
{
	caught = caught * 100 + sig;
}

int main(void)
{
	struct timespec zero = { 0, 0 }, short_time = { 0, 30000000 }, bad = { 0, 1000000000 }, negative = { -1, 0 };
	sigset_t all, none, usr1, pend;
	union sigval v = { .sival_int = 77 };
	siginfo_t si;
	long before;

	sigfillset(&all);
	sigemptyset(&none);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	signal(SIGUSR1, on_signal);
	signal(SIGUSR2, on_signal);
	sigprocmask(SIG_BLOCK, &all, NULL);
	SECTION("taking pending ones");
	kill(getpid(), SIGUSR1);
	SHOW(sigtimedwait(&usr1, &si, &zero));
	say("signo %d code %d", si.si_signo, si.si_code);
	CALL(sigtimedwait(&usr1, &si, &zero));
	SHOW(caught);
	sigqueue(getpid(), SIGUSR1, v);
	SHOW(sigwaitinfo(&all, &si));
	say("code %d value %d", si.si_code, si.si_value.sival_int);
	SECTION("giving up");
	before = now_ms();
	CALL(sigtimedwait(&usr1, &si, &short_time));
	YES(now_ms() - before >= 29);
	CALL(sigtimedwait(&usr1, &si, &bad));
	CALL(sigtimedwait(&usr1, &si, &negative));
	CALL(syscall(SYS_rt_sigtimedwait, &usr1, NULL, &zero, 4));
	CALL(syscall(SYS_rt_sigtimedwait, BAD_PTR, NULL, &zero, 8));
	CALL(syscall(SYS_rt_sigtimedwait, &usr1, NULL, BAD_PTR, 8));
	kill(getpid(), SIGUSR1);
	CALL(syscall(SYS_rt_sigtimedwait, &usr1, BAD_PTR, &zero, 8));
	SECTION("waiting for a child's");
	pid_t pid = MUST(fork());
	if (pid == 0) {
		sleep_ms(20);
		kill(getppid(), SIGUSR1);
		_exit(3);
	}
	SHOW(sigwaitinfo(&usr1, &si));
	YES(si.si_pid == pid);
	sigset_t chld;
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	SHOW(sigwaitinfo(&chld, &si));
	YES(si.si_pid == pid);
	say("code %d status %d", si.si_code, si.si_status);
	reap("child", pid);
	SECTION("sigsuspend: the handler runs with the mask of the call, then the old one is back");
	kill(getpid(), SIGUSR1);
	kill(getpid(), SIGUSR2);
	caught = 0;
	sigset_t but_usr2 = all;
	sigdelset(&but_usr2, SIGUSR2);
	CALL(sigsuspend(&but_usr2));
	SHOW(caught);
	sigpending(&pend);
	SHOW(sigismember(&pend, SIGUSR1) * 10 + sigismember(&pend, SIGUSR2));
	caught = 0;
	kill(getpid(), SIGUSR2);
	CALL(sigsuspend(&none));
	SHOW(caught == SIGUSR1 * 100 + SIGUSR2 || caught == SIGUSR2 * 100 + SIGUSR1);
	CALL(syscall(SYS_rt_sigsuspend, &none, 4));
	CALL(syscall(SYS_rt_sigsuspend, BAD_PTR, 8));
	SECTION("sigwait");
	int sig = 0;
	kill(getpid(), SIGTERM);
	SHOW(sigwait(&all, &sig));
	SHOW(sig);
	return 0;
}
