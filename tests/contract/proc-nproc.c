/* SPDX-License-Identifier: Apache-2.0 */
/* RLIMIT_NPROC counts the processes and threads of a user: fork and pthread_create fail with EAGAIN, and recover. */
#include "tests/contract/contract.h"

/* Nobody else runs under this id. */
#define USER 54321

static void *sleeper(void *arg)
{
	for (;;)
		pause();
	return arg;
}

int main(void)
{
	if (geteuid() != 0)
		skip("not root");
	IN_CHILD("as another user") {
		struct rlimit rl = { 5, 5 };
		pid_t pids[10];
		pthread_t t;
		int n = 0, threads = 0;

		MUST(setrlimit(RLIMIT_NPROC, &rl));
		MUST(syscall(SYS_setgroups, 0, NULL));
		MUST(syscall(SYS_setresgid, USER, USER, USER));
		MUST(syscall(SYS_setresuid, USER, USER, USER));
		while (n < 10) {
			pids[n] = fork();
			if (pids[n] < 0)
				break;
			if (pids[n] == 0)
				for (;;)
					pause();
			n++;
		}
		say("%d forked, then %s", n, errno_name(errno));
		SHOW(pthread_create(&t, NULL, sleeper, NULL) == EAGAIN);
		kill(pids[0], SIGKILL);
		/* a zombie counts until it is waited for */
		siginfo_t si;
		MUST(waitid(P_PID, pids[0], &si, WEXITED | WNOWAIT));
		reap("one ends", pids[0]);
		while (pthread_create(&t, NULL, sleeper, NULL) == 0)
			threads++;
		SHOW(threads);
		for (int i = 1; i < n; i++) {
			kill(pids[i], SIGKILL);
			waitpid(pids[i], NULL, 0);
		}
	}
	return 0;
}
