/* SPDX-License-Identifier: Apache-2.0 */
/* Processes killed, exiting and executing in the middle of everything: no status is lost, nothing hangs. */
#include "tests/contract/contract.h"

static void *busy(void *arg)
{
	long kind = (long)arg;

	for (;;) {
		if (kind == 0) {
			char *p = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

			p[PAGE] = 1;
			munmap(p, 16 * PAGE);
		} else if (kind == 1) {
			pid_t pid = fork();

			if (pid == 0)
				_exit(0);
			waitpid(pid, NULL, 0);
		} else if (kind == 2) {
			int fds[2];

			if (pipe(fds) == 0) {
				write(fds[1], "x", 1);
				close(fds[0]);
				close(fds[1]);
			}
		} else {
			struct timespec ts = { 0, 1000 };

			nanosleep(&ts, NULL);
		}
	}
	return NULL;
}

int main(void)
{
	int killed = 0, exited = 0, executed = 0, other = 0;
	unsigned seed = 7;

	signal(SIGPIPE, SIG_IGN);
	for (int i = 0; i < 45; i++) {
		pid_t pid = MUST(fork());
		int st;

		seed = seed * 1103515245 + 12345;
		if (pid == 0) {
			pthread_t t;

			for (long k = 0; k < 4; k++)
				pthread_create(&t, NULL, busy, (void *)k);
			if (i % 3 == 0)
				busy((void *)3);
			usleep(seed >> 16 & 0x1fff);
			if (i % 3 == 1)
				_exit(9);
			execl("/bin/true", "true", NULL);
		}
		if (i % 3 == 0) {
			usleep(seed >> 16 & 0x1fff);
			kill(pid, SIGKILL);
		}
		MUST(waitpid(pid, &st, 0));
		if (WIFSIGNALED(st) && WTERMSIG(st) == SIGKILL)
			killed++;
		else if (WIFEXITED(st) && WEXITSTATUS(st) == 9)
			exited++;
		else if (WIFEXITED(st) && WEXITSTATUS(st) == 0)
			executed++;
		else
			other++;
	}
	say("killed %d exited %d executed %d other %d", killed, exited, executed, other);
	return 0;
}
