/* SPDX-License-Identifier: Apache-2.0 */
/* SIGCHLD: its siginfo, SA_NOCLDWAIT, SIG_IGN, one for many children, and exec with it ignored. */
#include "tests/contract/contract.h"

static volatile int seen;
static siginfo_t last;

static void on_chld(int sig, siginfo_t *si, void *uc)
{
	(void)sig;
	(void)uc;
	seen++;
	last = *si;
}

static void await(int n)
{
	for (int i = 0; i < 1000 && seen < n; i++)
		sleep_ms(2);
}

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_sigaction = on_chld, .sa_flags = SA_SIGINFO };
	sigset_t set, old;
	pid_t pid;
	int st;

	if (argc > 1) {
		sigaction(SIGCHLD, NULL, &sa);
		YES(sa.sa_handler == SIG_IGN);
		return 6;
	}
	sigaction(SIGCHLD, &sa, NULL);
	SECTION("exit");
	pid = MUST(fork());
	if (pid == 0)
		_exit(41);
	await(1);
	YES(last.si_pid == pid);
	YES(last.si_uid == getuid());
	say("signo %d code %d status %d", last.si_signo, last.si_code, last.si_status);
	reap("child", pid);
	SECTION("killed");
	pid = MUST(fork());
	if (pid == 0)
		for (;;)
			pause();
	kill(pid, SIGTERM);
	await(2);
	say("signo %d code %d status %d", last.si_signo, last.si_code, last.si_status);
	reap("child", pid);
	SECTION("many while blocked are one");
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, &old);
	seen = 0;
	for (int i = 0; i < 5; i++)
		if (fork() == 0)
			_exit(i);
	for (int i = 0; i < 5; i++)
		wait(&st);
	sigprocmask(SIG_SETMASK, &old, NULL);
	SHOW(seen);
	SECTION("SA_NOCLDWAIT: no zombie, but the signal");
	sa.sa_flags = SA_SIGINFO | SA_NOCLDWAIT;
	sigaction(SIGCHLD, &sa, NULL);
	seen = 0;
	pid = MUST(fork());
	if (pid == 0)
		_exit(3);
	await(1);
	SHOW(seen);
	SHOW(last.si_status);
	CALL(waitpid(pid, &st, 0));
	SECTION("wait while it is ignored waits for all, and fails");
	signal(SIGCHLD, SIG_IGN);
	pid = MUST(fork());
	if (pid == 0) {
		sleep_ms(30);
		_exit(4);
	}
	long before = now_ms();
	CALL(wait(&st));
	YES(now_ms() - before >= 20);
	SECTION("set to ignore after the exit: the zombie stays");
	signal(SIGCHLD, SIG_DFL);
	pid = MUST(fork());
	if (pid == 0)
		_exit(5);
	siginfo_t si;
	MUST(waitid(P_PID, pid, &si, WEXITED | WNOWAIT));
	signal(SIGCHLD, SIG_IGN);
	reap("zombie", pid);
	SECTION("SIG_IGN lives through exec");
	signal(SIGCHLD, SIG_DFL);
	IN_CHILD("exec") {
		signal(SIGCHLD, SIG_IGN);
		execl("/proc/self/exe", argv[0], "ignored?", NULL);
	}
	SECTION("SIGPIPE");
	int fds[2];
	MUST(pipe(fds));
	close(fds[0]);
	IN_CHILD("default")
		write(fds[1], "x", 1);
	IN_CHILD("ignored") {
		signal(SIGPIPE, SIG_IGN);
		CALL(write(fds[1], "x", 1));
		CALL(write(fds[1], "", 0));
	}
	IN_CHILD("blocked") {
		sigset_t pend;

		sigemptyset(&set);
		sigaddset(&set, SIGPIPE);
		sigprocmask(SIG_BLOCK, &set, NULL);
		CALL(write(fds[1], "x", 1));
		sigpending(&pend);
		SHOW(sigismember(&pend, SIGPIPE));
	}
	return 0;
}
