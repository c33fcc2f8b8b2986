/* SPDX-License-Identifier: Apache-2.0 */
/* kill(2): targets 0, -1 and groups, permission, bad numbers. */
#include "tests/contract/contract.h"

int main(void)
{
	struct gate g;
	pid_t pid, other;

	gate_init(&g);
	SECTION("numbers");
	CALL(kill(getpid(), 0));
	CALL(kill(getpid(), 65));
	CALL(kill(getpid(), -1));
	CALL(kill(0x7ffffff0, 0));
	CALL(kill(0x7ffffff0, 65));
	CALL(kill(-0x7ffffff0, SIGTERM));
	CALL(kill(INT_MIN, 0));
	SECTION("a zombie can be signalled");
	pid = MUST(fork());
	if (pid == 0)
		_exit(0);
	siginfo_t si;
	MUST(waitid(P_PID, pid, &si, WEXITED | WNOWAIT));
	CALL(kill(pid, 0));
	CALL(kill(pid, SIGKILL));
	reap("zombie", pid);
	CALL(kill(pid, 0));
	SECTION("permission");
	if (geteuid() == 0) {
		pid = MUST(fork());
		if (pid == 0) {
			gate_open(&g);
			for (;;)
				pause();
		}
		gate_wait(&g);
		IN_CHILD("another user") {
			drop_privileges();
			CALL(kill(pid, 0));
			CALL(kill(pid, SIGTERM));
			/* of the same session, SIGCONT may be sent by anyone */
			CALL(kill(pid, SIGCONT));
			CALL(syscall(SYS_tgkill, pid, pid, SIGTERM));
			union sigval v = { 0 };
			CALL(sigqueue(pid, SIGTERM, v));
		}
		kill(pid, SIGTERM);
		reap("root's", pid);
	}
	drop_privileges();
	SECTION("groups");
	pid = MUST(fork());
	if (pid == 0) {
		setpgid(0, 0);
		other = MUST(fork());
		if (other == 0)
			for (;;)
				pause();
		CALL(kill(0, 0));
		CALL(kill(-getpid(), SIGKILL));
	}
	reap("group", pid);
	SECTION("everybody there is");
	pid = MUST(fork());
	if (pid == 0)
		for (;;)
			pause();
	CALL(kill(-1, 0));
	CALL(kill(-1, 65));
	kill(pid, SIGKILL);
	reap("child", pid);
	SECTION("one does not wait for the own signal to act");
	IN_CHILD("raise") {
		raise(SIGTERM);
		say("not reached");
	}
	IN_CHILD("kill") {
		kill(getpid(), SIGINT);
		say("not reached");
	}
	SECTION("defaults");
	for (int sig = 1; sig <= 64; sig++) {
		int st;

		if (sig == SIGSTOP || sig == SIGTSTP || sig == SIGTTIN || sig == SIGTTOU || sig == 32 || sig == 33)
			continue;
		pid = MUST(fork());
		if (pid == 0) {
			signal(sig, SIG_DFL);
			kill(getpid(), sig);
			_exit(0);
		}
		waitpid(pid, &st, 0);
		show_status(signal_name(sig), st);
	}
	return 0;
}
