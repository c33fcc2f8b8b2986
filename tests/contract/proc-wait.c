/* SPDX-License-Identifier: Apache-2.0 */
/* wait4 and waitid: every option, every selector, what is reported and when it is consumed. */
#include "tests/contract/contract.h"

static pid_t pid;

static void show_info(const char *what, const siginfo_t *si)
{
	say("%s: signo %d code %d status %d pid %s uid %s", what, si->si_signo, si->si_code, si->si_status,
	    si->si_pid == pid ? "right" : si->si_pid ? "other" : "0", si->si_uid == getuid() ? "right" : "other");
}

static pid_t exiting(int code)
{
	pid_t p = MUST(fork());

	if (p == 0)
		_exit(code);
	return p;
}

static pid_t pausing(void)
{
	pid_t p = MUST(fork());

	/* a group of its own whose leader's parent is in the session: not orphaned, so SIGTSTP stops it */
	if (p == 0) {
		setpgid(0, 0);
		for (;;)
			pause();
	}
	setpgid(p, p);
	return p;
}

int main(void)
{
	struct rusage ru;
	siginfo_t si;
	int st;

	SECTION("no children");
	CALL(wait(&st));
	CALL(waitpid(-1, &st, WNOHANG));
	CALL(waitpid(1, &st, 0));
	CALL(waitid(P_ALL, 0, &si, WEXITED));
	SECTION("exits");
	pid = exiting(300);
	YES(waitpid(pid, &st, 0) == pid);
	HEX(st);
	pid = exiting(42);
	YES(wait4(-1, &st, 0, &ru) == pid);
	HEX(st);
	CALL(waitpid(pid, &st, 0));
	pid = exiting(1);
	CALL(waitid(P_PID, pid, &si, WEXITED));
	show_info("exit", &si);
	SECTION("killed");
	pid = pausing();
	CALL(waitpid(pid, &st, WNOHANG));
	kill(pid, SIGKILL);
	CALL(waitid(P_PID, pid, &si, WEXITED | WNOWAIT));
	show_info("kill", &si);
	CALL(waitid(P_PID, pid, &si, WEXITED | WNOWAIT | WNOHANG));
	YES(waitpid(pid, &st, 0) == pid);
	HEX(st);
	CALL(waitid(P_PID, pid, &si, WEXITED | WNOHANG));
	SECTION("stopped and continued");
	pid = pausing();
	kill(pid, SIGSTOP);
	YES(waitpid(pid, &st, WUNTRACED) == pid);
	HEX(st);
	CALL(waitpid(pid, &st, WUNTRACED | WNOHANG));
	kill(pid, SIGCONT);
	YES(waitpid(pid, &st, WCONTINUED) == pid);
	HEX(st);
	CALL(waitpid(pid, &st, WCONTINUED | WNOHANG));
	kill(pid, SIGTSTP);
	CALL(waitid(P_PID, pid, &si, WSTOPPED | WNOWAIT));
	show_info("stopped", &si);
	CALL(waitid(P_PID, pid, &si, WSTOPPED));
	memset(&si, 0x55, sizeof(si));
	CALL(waitid(P_PID, pid, &si, WSTOPPED | WNOHANG));
	SHOW(si.si_pid);
	SHOW(si.si_signo);
	kill(pid, SIGCONT);
	CALL(waitid(P_PID, pid, &si, WCONTINUED));
	show_info("continued", &si);
	kill(pid, SIGSTOP);
	YES(waitpid(pid, &st, WUNTRACED) == pid);
	kill(pid, SIGKILL);
	YES(waitpid(pid, &st, 0) == pid);
	HEX(st);
	SECTION("selectors");
	pid = MUST(fork());
	if (pid == 0) {
		setpgid(0, 0);
		_exit(3);
	}
	setpgid(pid, pid);
	CALL(waitpid(0, &st, WNOHANG));
	YES(waitpid(-pid, &st, 0) == pid);
	HEX(st);
	pid = MUST(fork());
	if (pid == 0) {
		setpgid(0, 0);
		_exit(4);
	}
	setpgid(pid, pid);
	CALL(waitid(P_PGID, pid, &si, WEXITED));
	show_info("group", &si);
	pid = exiting(5);
	CALL(waitid(P_PGID, 0, &si, WEXITED));
	show_info("own group", &si);
	pid = exiting(6);
	int pidfd = MUST(syscall(SYS_pidfd_open, pid, 0));
	CALL(waitid(3 /* P_PIDFD */, pidfd, &si, WEXITED));
	show_info("pidfd", &si);
	SECTION("refusals");
	pid = exiting(7);
	CALL(waitid(P_PID, pid, &si, 0));
	CALL(waitid(P_PID, pid, &si, WEXITED | 0x100));
	CALL(waitid(77, pid, &si, WEXITED));
	CALL(waitid(P_PID, 0, &si, WEXITED));
	CALL(waitid(P_PID, -5, &si, WEXITED));
	CALL(waitid(3, 9999, &si, WEXITED));
	CALL(waitid(3, 1, &si, WEXITED));
	CALL(waitpid(pid, &st, 0x100));
	CALL(waitpid(INT_MIN, &st, 0));
	CALL(syscall(SYS_wait4, pid, BAD_PTR, 0, NULL));
	CALL(waitpid(pid, &st, WNOHANG));
	pid = exiting(8);
	CALL(syscall(SYS_waitid, P_PID, pid, NULL, WEXITED, NULL));
	SECTION("ten children, any order");
	int sum = 0;
	for (int i = 0; i < 10; i++)
		exiting(1 << i % 7);
	while (wait(&st) > 0)
		sum += WEXITSTATUS(st);
	SHOW(sum);
	SECTION("SIGCHLD ignored: nothing to wait for");
	signal(SIGCHLD, SIG_IGN);
	exiting(1);
	CALL(wait(&st));
	return 0;
}
