/* SPDX-License-Identifier: Apache-2.0 */
/* poll and select: every event on files, pipes, sockets, closed descriptors; waking sleepers; counts. */
#include "tests/contract/contract.h"
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/socket.h>

#define ALL (POLLIN | POLLOUT | POLLPRI | POLLRDHUP | POLLRDNORM | POLLWRNORM | POLLRDBAND | POLLWRBAND)

static void show(const char *what, int fd)
{
	struct pollfd p = { fd, ALL, 0x7777 };
	int r = poll(&p, 1, 0);

	say("%s: %d %#x", what, r, p.revents);
}

int main(void)
{
	int fds[2], sv[2], dg[2], ev, file, null;
	struct pollfd p[4];

	signal(SIGPIPE, SIG_IGN);
	scratch();
	file = MUST(open("f", O_RDWR | O_CREAT, 0644));
	null = MUST(open("/dev/null", O_RDWR));
	ev = MUST(eventfd(0, 0));
	MUST(pipe(fds));
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
	MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, dg));
	SECTION("always ready");
	show("regular file", file);
	show("/dev/null", null);
	show("/dev/zero", MUST(open("/dev/zero", O_RDWR)));
	show("directory", MUST(open(".", O_RDONLY)));
	show("not open", 999);
	show("negative", -5);
	SECTION("eventfd");
	show("zero", ev);
	uint64_t v = 1;
	write(ev, &v, 8);
	show("one", ev);
	v = 0xfffffffffffffffeULL - 1;
	write(ev, &v, 8);
	show("full", ev);
	SECTION("stream sockets");
	show("fresh", sv[0]);
	write_all(sv[1], "x", 1);
	show("data", sv[0]);
	shutdown(sv[1], SHUT_WR);
	show("half closed, data", sv[0]);
	char c;
	read(sv[0], &c, 1);
	show("half closed, empty", sv[0]);
	close(sv[1]);
	show("closed", sv[0]);
	SECTION("datagram sockets");
	show("fresh", dg[0]);
	write_all(dg[1], "x", 1);
	show("data", dg[0]);
	close(dg[1]);
	show("closed, data", dg[0]);
	SECTION("a stream socket that is not connected");
	show("unconnected", MUST(socket(AF_UNIX, SOCK_STREAM, 0)));
	show("unconnected tcp", MUST(socket(AF_INET, SOCK_STREAM, 0)));
	show("udp", MUST(socket(AF_INET, SOCK_DGRAM, 0)));
	SECTION("only what was asked for, and errors always");
	p[0] = (struct pollfd){ fds[0], 0, 0 };
	p[1] = (struct pollfd){ fds[1], POLLIN, 0 };
	p[2] = (struct pollfd){ 999, 0, 0 };
	p[3] = (struct pollfd){ -1, POLLIN, 0x55 };
	CALL(poll(p, 4, 0));
	say("%#x %#x %#x %#x", p[0].revents, p[1].revents, p[2].revents, p[3].revents);
	SECTION("the same descriptor twice");
	p[0] = (struct pollfd){ fds[1], POLLOUT, 0 };
	p[1] = (struct pollfd){ fds[1], POLLOUT, 0 };
	CALL(poll(p, 2, 0));
	SECTION("a sleeper is woken");
	static const char *const how[] = { "data", "close", "timeout" };
	for (int i = 0; i < 3; i++) {
		pid_t me = getpid(), pid = MUST(fork());

		if (pid == 0) {
			close(fds[0]);
			wait_asleep(me);
			if (i == 0)
				write_all(fds[1], "x", 1);
			_exit(0);
		}
		if (i == 1)
			close(fds[1]);
		p[0] = (struct pollfd){ fds[0], POLLIN, 0 };
		long r = poll(p, 1, i == 2 ? 30 : 5000);
		say("%s: %ld %#x", how[i], r, p[0].revents);
		reap("child", pid);
		if (i == 0)
			read(fds[0], &c, 1);
		if (i == 1) {
			close(fds[0]);
			MUST(pipe(fds));
		}
	}
	SECTION("select");
	fd_set r, w, e;
	struct timeval tv = { 0, 0 };
	FD_ZERO(&r);
	FD_ZERO(&w);
	FD_ZERO(&e);
	FD_SET(fds[0], &r);
	FD_SET(fds[1], &r);
	FD_SET(fds[0], &w);
	FD_SET(fds[1], &w);
	FD_SET(file, &r);
	FD_SET(file, &w);
	FD_SET(file, &e);
	CALL(select(100, &r, &w, &e, &tv));
	say("%d%d%d %d%d%d %d", FD_ISSET(fds[0], &r) != 0, FD_ISSET(fds[1], &r) != 0, FD_ISSET(file, &r) != 0, FD_ISSET(fds[0], &w) != 0,
	    FD_ISSET(fds[1], &w) != 0, FD_ISSET(file, &w) != 0, FD_ISSET(file, &e) != 0);
	FD_ZERO(&r);
	FD_SET(60, &r);
	CALL(select(61, &r, NULL, NULL, &tv));
	CALL(select(60, &r, NULL, NULL, &tv));
	FD_ZERO(&r);
	FD_SET(fds[0], &r);
	CALL(select(fds[0], &r, NULL, NULL, &tv));
	CALL(select(fds[0] + 1, &r, NULL, NULL, &tv));
	CALL(select(0, NULL, NULL, NULL, &tv));
	return 0;
}
