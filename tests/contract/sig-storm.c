/* SPDX-License-Identifier: Apache-2.0 */
/* A process bombarded with signals while it computes, calls and forks: every queued one arrives, every result is right. */
#include "tests/contract/contract.h"

#define SIGNALS 300

static volatile int got, sum;

static void on_signal(int sig, siginfo_t *si, void *uc)
{
	(void)sig;
	(void)uc;
	got++;
	sum += si->si_value.sival_int;
	errno = 12345;
}

int main(void)
{
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART };
	pid_t me = getpid(), pid;
	int fds[2], bad = 0, rounds = 0, st;
	double d = 1;

	sigaction(SIGRTMIN, &sa, NULL);
	MUST(pipe(fds));
	pid = MUST(fork());
	if (pid == 0) {
		for (int i = 0; i < SIGNALS; i++) {
			union sigval v = { .sival_int = i };

			while (sigqueue(me, SIGRTMIN, v) < 0)
				sleep_ms(1);
			if (i % 10 == 0)
				sleep_ms(1);
		}
		_exit(7);
	}
	while (got < SIGNALS && rounds < 1000000) {
		char buf[100];
		int r;

		rounds++;
		for (int i = 0; i < 1000; i++)
			d = d * 1.0000001 + 0.5;
		if (d > 1e9)
			d = 1;
		r = write(fds[1], "0123456789", 10);
		bad += r != 10;
		r = read(fds[0], buf, sizeof(buf));
		bad += r != 10;
		if (rounds % 50 == 0) {
			pid_t kid = fork();

			if (kid == 0)
				_exit(3);
			while (waitpid(kid, &st, 0) < 0)
				;
			bad += !WIFEXITED(st) || WEXITSTATUS(st) != 3;
		}
		char *p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		p[0] = p[PAGE] = 1;
		bad += munmap(p, 2 * PAGE) != 0;
	}
	say("got %d sum %d bad %d", got, sum, bad);
	reap("sender", pid);
	return 0;
}
