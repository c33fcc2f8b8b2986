/* SPDX-License-Identifier: Apache-2.0 */
/* Pipes: capacity, atomicity, ends, non-blocking, SIGPIPE, packet mode, FIONREAD, poll. */
#include "tests/contract/contract.h"
#include <poll.h>
#include <sys/ioctl.h>

static void show_poll(const char *what, int r, int w)
{
	struct pollfd p[2] = { { r, POLLIN | POLLOUT, 0 }, { w, POLLIN | POLLOUT, 0 } };

	poll(p, 2, 0);
	say("%s: reader %#x writer %#x", what, p[0].revents, p[1].revents);
}

int main(void)
{
	char buf[70000];
	int fds[2], n = 0, r;

	signal(SIGPIPE, SIG_IGN);
	memset(buf, 'p', sizeof(buf));
	SECTION("creation");
	CALL(pipe2(fds, O_NONBLOCK | O_CLOEXEC));
	HEX(fcntl(fds[0], F_GETFL));
	HEX(fcntl(fds[1], F_GETFL));
	CALL(fcntl(fds[0], F_GETFD));
	int bad[2];
	CALL(pipe2(bad, O_APPEND));
	CALL(pipe2(BAD_PTR, 0));
	CALL(write(fds[0], "x", 1));
	CALL(read(fds[1], buf, 1));
	SECTION("empty, filling, full");
	show_poll("empty", fds[0], fds[1]);
	CALL(read(fds[0], buf, 1));
	CALL(write(fds[1], buf, 10));
	CALL(ioctl(fds[0], FIONREAD, &r));
	SHOW(r);
	CALL(read(fds[0], buf, 4));
	CALL(read(fds[0], buf, 100));
	CALL(read(fds[0], buf, 0));
	SHOW(fcntl(fds[0], F_GETPIPE_SZ));
	while ((r = write(fds[1], buf, 4096)) > 0)
		n += r;
	SHOW(n);
	say("%s", errno_name(errno));
	show_poll("full", fds[0], fds[1]);
	CALL(write(fds[1], buf, 1));
	SECTION("writes up to PIPE_BUF are whole or nothing");
	CALL(read(fds[0], buf, 5000));
	CALL(write(fds[1], buf, 4096));
	CALL(write(fds[1], buf, 4096));
	CALL(write(fds[1], buf, 70000) > 0 || errno == EAGAIN);
	while (read(fds[0], buf, sizeof(buf)) > 0)
		;
	CALL(write(fds[1], buf, 70000));
	while (read(fds[0], buf, sizeof(buf)) > 0)
		;
	SECTION("capacity");
	CALL(fcntl(fds[1], F_SETPIPE_SZ, 4096));
	CALL(write(fds[1], buf, 10000));
	CALL(fcntl(fds[1], F_SETPIPE_SZ, 5000));
	CALL(fcntl(fds[1], F_SETPIPE_SZ, 100000));
	CALL(write(fds[1], buf, 4096));
	CALL(fcntl(fds[1], F_SETPIPE_SZ, 4096));
	CALL(fcntl(fds[1], F_SETPIPE_SZ, 0));
	CALL(fcntl(fds[1], F_SETPIPE_SZ, -1));
	CALL(ioctl(fds[1], FIONREAD, &r));
	SHOW(r);
	SECTION("the writer is gone");
	close(fds[1]);
	show_poll("data and end", fds[0], -1);
	CALL(read(fds[0], buf, sizeof(buf)));
	CALL(read(fds[0], buf, sizeof(buf)));
	show_poll("end", fds[0], -1);
	close(fds[0]);
	SECTION("the reader is gone");
	MUST(pipe(fds));
	CALL(write(fds[1], buf, 100));
	close(fds[0]);
	show_poll("no reader", -1, fds[1]);
	CALL(write(fds[1], buf, 1));
	close(fds[1]);
	SECTION("packets");
	CALL(pipe2(fds, O_DIRECT | O_NONBLOCK));
	CALL(write(fds[1], "first", 5));
	CALL(write(fds[1], "second", 6));
	CALL(read(fds[0], buf, 100));
	CALL(read(fds[0], buf, 3));
	CALL(read(fds[0], buf, 100));
	close(fds[0]);
	close(fds[1]);
	SECTION("a blocked writer goes on when there is room");
	MUST(pipe(fds));
	pid_t pid = MUST(fork());
	if (pid == 0) {
		close(fds[0]);
		long w = write(fds[1], buf, 70000);
		say("wrote %ld", w);
		w = write(fds[1], buf, 70000);
		say("wrote %ld", w);
		_exit(0);
	}
	close(fds[1]);
	wait_asleep(pid);
	long total = 0;
	while (total < 140000) {
		r = read(fds[0], buf, 999);
		if (r <= 0)
			break;
		total += r;
	}
	reap("writer", pid);
	SHOW(total);
	CALL(read(fds[0], buf, 1));
	SECTION("a blocked writer whose reader goes");
	MUST(pipe(fds));
	pid = MUST(fork());
	if (pid == 0) {
		close(fds[0]);
		long w = write(fds[1], buf, 70000);
		say("wrote %ld", w);
		CALL(write(fds[1], buf, 1));
		_exit(0);
	}
	close(fds[1]);
	wait_asleep(pid);
	close(fds[0]);
	reap("writer", pid);
	SECTION("two writers, whole lines");
	MUST(pipe(fds));
	for (int i = 0; i < 2; i++)
		if (fork() == 0) {
			char line[512];

			memset(line, 'a' + i, sizeof(line));
			for (int k = 0; k < 300; k++)
				write(fds[1], line, sizeof(line));
			_exit(0);
		}
	close(fds[1]);
	int lines = 0, mixed = 0, have = 0;
	char line[512];
	while ((r = read(fds[0], line + have, sizeof(line) - have)) > 0) {
		have += r;
		if (have == sizeof(line)) {
			lines++;
			mixed += !all_bytes(line, line[0], sizeof(line));
			have = 0;
		}
	}
	say("%d lines, %d mixed", lines, mixed);
	while (wait(NULL) > 0)
		;
	return 0;
}
