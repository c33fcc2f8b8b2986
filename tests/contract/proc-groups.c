/* SPDX-License-Identifier: Apache-2.0 */
/* setpgid, getpgid, setsid, getsid: errors and effects; kill to groups. */
#include "tests/contract/contract.h"

int main(void)
{
	struct gate ready, go;
	pid_t pid, a, b;

	gate_init(&ready);
	gate_init(&go);
	SECTION("errors");
	CALL(setpgid(-1, 0));
	CALL(setpgid(0, -1));
	CALL(setpgid(0x7ffffff0, 0));
	CALL(getpgid(0x7ffffff0));
	CALL(getpgid(-1));
	CALL(getsid(0x7ffffff0));
	IN_CHILD("in a child") {
		CALL(setpgid(0, getppid() == 0 ? 1 : 0x7ffffff0));
		CALL(setpgid(getppid(), 0));
		SECTION("a group of its own");
		CALL(setpgid(0, 0));
		YES(getpgrp() == getpid());
		CALL(setpgid(0, 0));
		SECTION("a group leader starts no session");
		CALL(setsid());
	}
	SECTION("session");
	IN_CHILD("session leader") {
		YES(setsid() == getpid());
		YES(getsid(0) == getpid() && getpgrp() == getpid());
		CALL(setsid());
		CALL(setpgid(0, 0));
		SECTION("groups in the session");
		a = MUST(fork());
		if (a == 0) {
			setpgid(0, 0);
			gate_open(&ready);
			for (;;)
				pause();
		}
		gate_wait(&ready);
		YES(getpgid(a) == a);
		b = MUST(fork());
		if (b == 0) {
			MUST(setpgid(0, a));
			gate_open(&ready);
			for (;;)
				pause();
		}
		gate_wait(&ready);
		YES(getpgid(b) == a);
		CALL(kill(-a, 0));
		CALL(kill(-a, SIGTERM));
		reap("a", a);
		YES(getpgid(b) == a);
		reap("b", b);
		CALL(kill(-a, SIGTERM));
		SECTION("a child in another session can't be moved");
		pid = MUST(fork());
		if (pid == 0) {
			setsid();
			gate_open(&ready);
			gate_wait(&go);
			_exit(0);
		}
		gate_wait(&ready);
		CALL(setpgid(pid, 0));
		CALL(setpgid(pid, getpid()));
		YES(getsid(pid) == pid);
		gate_open(&go);
		reap("other session", pid);
		SECTION("after exec the parent can't move it");
		struct gate in, executed;
		char c;

		gate_init(&in);
		gate_init(&executed);
		pid = MUST(fork());
		if (pid == 0) {
			dup2(in.fd[0], 0);
			execl("/bin/cat", "cat", NULL);
			_exit(1);
		}
		/* the other writing end is closed by the exec */
		close(executed.fd[1]);
		SHOW(read(executed.fd[0], &c, 1));
		CALL(setpgid(pid, pid));
		CALL(setpgid(pid, getpid()));
		YES(getpgid(pid) == getpid());
		close(in.fd[1]);
		reap("cat", pid);
	}
	SECTION("kill(0) reaches the whole group");
	pid = MUST(fork());
	if (pid == 0) {
		setpgid(0, 0);
		for (int i = 0; i < 3; i++)
			if (fork() == 0)
				for (;;)
					pause();
		kill(0, SIGKILL);
	}
	reap("leader", pid);
	return 0;
}
