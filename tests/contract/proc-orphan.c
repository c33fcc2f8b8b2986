/* SPDX-License-Identifier: Apache-2.0 */
/* Orphans: a subreaper takes them; PR_SET_PDEATHSIG; SIGHUP to stopped orphaned groups. */
#include "tests/contract/contract.h"
#include <sys/prctl.h>

int main(void)
{
	struct gate go, told;
	int st, n = 0, flag = -1;
	pid_t pid, me = getpid();

	gate_init(&go);
	gate_init(&told);
	SECTION("subreaper");
	CALL(prctl(PR_GET_CHILD_SUBREAPER, &flag));
	SHOW(flag);
	CALL(prctl(PR_SET_CHILD_SUBREAPER, 1));
	CALL(prctl(PR_GET_CHILD_SUBREAPER, &flag));
	SHOW(flag);
	IN_CHILD("the child is none") {
		prctl(PR_GET_CHILD_SUBREAPER, &flag);
		SHOW(flag);
	}
	pid = MUST(fork());
	if (pid == 0) {
		for (int i = 0; i < 3; i++)
			if (fork() == 0) {
				gate_wait(&go);
				_exit(getppid() == me ? 20 : 30);
			}
		_exit(1);
	}
	reap("parent of three", pid);
	for (int i = 0; i < 3; i++)
		gate_open(&go);
	while (wait(&st) > 0)
		n += WEXITSTATUS(st);
	SHOW(n);
	SECTION("a great-grandchild, when two generations die");
	pid = MUST(fork());
	if (pid == 0) {
		if (fork() == 0) {
			if (fork() == 0) {
				gate_wait(&go);
				_exit(getppid() == me ? 5 : 6);
			}
			_exit(2);
		}
		_exit(3);
	}
	reap("child", pid);
	YES(wait(&st) > 0);
	show_status("grandchild", st);
	gate_open(&go);
	YES(wait(&st) > 0);
	show_status("great-grandchild", st);
	SECTION("PDEATHSIG");
	pid = MUST(fork());
	if (pid == 0) {
		if (fork() == 0) {
			MUST(prctl(PR_SET_PDEATHSIG, SIGTERM));
			gate_open(&told);
			for (;;)
				pause();
		}
		gate_wait(&told);
		_exit(0);
	}
	reap("child", pid);
	YES(wait(&st) > 0);
	show_status("grandchild", st);
	CALL(prctl(PR_SET_PDEATHSIG, 65));
	CALL(prctl(PR_SET_PDEATHSIG, -1));
	SECTION("a stopped member of a group that becomes orphaned gets SIGHUP");
	pid = MUST(fork());
	if (pid == 0) {
		pid_t member;

		setsid();
		member = fork();
		if (member == 0) {
			setpgid(0, 0);
			gate_open(&told);
			raise(SIGSTOP);
			_exit(9);
		}
		gate_wait(&told);
		waitpid(member, &st, WUNTRACED);
		_exit(0);
	}
	reap("session leader", pid);
	YES(wait(&st) > 0);
	show_status("member", st);
	return 0;
}
