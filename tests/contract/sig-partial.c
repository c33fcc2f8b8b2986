/* SPDX-License-Identifier: Apache-2.0 */
/* A signal in the middle of a transfer: what was transferred counts, and SA_RESTART does not repeat it. */
#include "tests/contract/contract.h"
#include <sys/socket.h>
#include <sys/uio.h>

static volatile int handled;

static void on_signal(int sig)
{
	(void)sig;
	handled++;
}

/* Signals @me once it sleeps, then reads all that comes until the end. */
static pid_t reader(int fd, int other, pid_t me)
{
	pid_t pid = MUST(fork());

	if (pid == 0) {
		char buf[4096];
		long total = 0;
		ssize_t n;

		close(other);
		wait_asleep(me);
		kill(me, SIGUSR1);
		sleep_ms(30);
		while ((n = read(fd, buf, sizeof(buf))) > 0)
			total += n;
		_exit(total == 200000 ? 0 : total > 0 && total < 200000 ? 1 : 2);
	}
	return pid;
}

int main(void)
{
	static char buf[200000];
	int fds[2], flags[] = { 0, SA_RESTART };
	pid_t pid;

	for (int i = 0; i < 2; i++) {
		struct sigaction sa = { .sa_handler = on_signal, .sa_flags = flags[i] };

		sigaction(SIGUSR1, &sa, NULL);
		say("-- %s", i ? "SA_RESTART" : "plain");
		handled = 0;
		MUST(pipe(fds));
		pid = reader(fds[0], fds[1], getpid());
		close(fds[0]);
		long w = write(fds[1], buf, sizeof(buf));
		say("write of a pipe: %s, handled %d", w == 65536 ? "what fitted" : w == sizeof(buf) ? "all" : "something", handled);
		close(fds[1]);
		reap("reader", pid);
		MUST(pipe(fds));
		handled = 0;
		pid = MUST(fork());
		if (pid == 0) {
			pid_t parent = getppid();

			close(fds[0]);
			write_all(fds[1], "12345", 5);
			wait_asleep(parent);
			kill(parent, SIGUSR1);
			sleep_ms(30);
			write_all(fds[1], "67890", 5);
			_exit(0);
		}
		close(fds[1]);
		long total = 0;
		int calls = 0;
		while (total < 10) {
			errno = 0;
			ssize_t n = read(fds[0], buf, 10 - total);

			if (n < 0 && errno != EINTR)
				break;
			calls += n < 0;
			total += n > 0 ? n : 0;
			if (n == 0)
				break;
		}
		say("read: %ld bytes, %d interrupted, handled %d", total, calls, handled);
		close(fds[0]);
		reap("writer", pid);
		int sv[2];
		MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
		handled = 0;
		pid = MUST(fork());
		if (pid == 0) {
			pid_t parent = getppid();

			write_all(sv[1], "12345", 5);
			wait_asleep(parent);
			kill(parent, SIGUSR1);
			sleep_ms(30);
			write_all(sv[1], "67890", 5);
			_exit(0);
		}
		long r = recv(sv[0], buf, 10, MSG_WAITALL);
		say("recv with MSG_WAITALL: %ld, handled %d", r, handled);
		reap("writer", pid);
		close(sv[0]);
		close(sv[1]);
	}
	return 0;
}
