/* SPDX-License-Identifier: Apache-2.0 */
/* epoll: level, edge, one-shot, nesting, modification, closed descriptors, exclusivity, refusals. */
#include "tests/contract/contract.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

static int ep;

static long ctl(int op, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event e = { .events = events, .data.u64 = data };

	return epoll_ctl(ep, op, fd, &e);
}

static void ready(const char *what)
{
	struct epoll_event e[8];
	int n = epoll_wait(ep, e, 8, 0);
	char line[256];
	int o = 0;

	if (n < 0) {
		say("%s: %s", what, errno_name(errno));
		return;
	}
	line[0] = 0;
	/* the order is not promised */
	for (int i = 0; i < n; i++)
		for (int j = i + 1; j < n; j++)
			if (e[j].data.u64 < e[i].data.u64) {
				struct epoll_event t = e[i];

				e[i] = e[j];
				e[j] = t;
			}
	for (int i = 0; i < n; i++)
		o += snprintf(line + o, sizeof(line) - o, " %llu:%#x", (unsigned long long)e[i].data.u64, e[i].events);
	say("%s: %d%s", what, n, line);
}

int main(void)
{
	int a[2], b[2], ev, sv[2];
	char c;

	MUST(pipe2(a, O_NONBLOCK));
	MUST(pipe2(b, O_NONBLOCK));
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
	ev = MUST(eventfd(0, EFD_NONBLOCK));
	SECTION("creation");
	CALL(epoll_create(0));
	CALL(epoll_create(-1));
	OK(epoll_create(1));
	CALL(epoll_create1(0x7777));
	ep = MUST(epoll_create1(EPOLL_CLOEXEC));
	CALL(fcntl(ep, F_GETFD));
	SECTION("level triggered");
	CALL(ctl(EPOLL_CTL_ADD, a[0], EPOLLIN, 1));
	CALL(ctl(EPOLL_CTL_ADD, b[1], EPOLLOUT, 2));
	ready("writer only");
	write_all(a[1], "xx", 2);
	ready("both");
	ready("still");
	read(a[0], &c, 1);
	ready("one byte left");
	read(a[0], &c, 1);
	ready("empty");
	SECTION("modified");
	CALL(ctl(EPOLL_CTL_MOD, b[1], 0, 22));
	ready("no events");
	close(b[0]);
	ready("error comes anyway");
	CALL(ctl(EPOLL_CTL_DEL, b[1], 0, 0));
	ready("deleted");
	SECTION("edge triggered");
	CALL(ctl(EPOLL_CTL_MOD, a[0], EPOLLIN | EPOLLET, 3));
	ready("nothing");
	write_all(a[1], "x", 1);
	ready("first edge");
	ready("no edge");
	write_all(a[1], "x", 1);
	ready("second edge");
	read(a[0], &c, 1);
	ready("a read is no edge");
	CALL(ctl(EPOLL_CTL_MOD, a[0], EPOLLIN | EPOLLET, 4));
	ready("modified: checked again");
	SECTION("one-shot");
	CALL(ctl(EPOLL_CTL_MOD, a[0], EPOLLIN | EPOLLONESHOT, 5));
	ready("once");
	ready("not again");
	write_all(a[1], "x", 1);
	ready("nor with new data");
	CALL(ctl(EPOLL_CTL_MOD, a[0], EPOLLIN | EPOLLONESHOT, 6));
	ready("armed again");
	CALL(ctl(EPOLL_CTL_MOD, a[0], EPOLLIN, 7));
	ready("level again");
	while (read(a[0], &c, 1) > 0)
		;
	SECTION("edges of a socket and an eventfd");
	CALL(ctl(EPOLL_CTL_ADD, sv[0], EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, 8));
	CALL(ctl(EPOLL_CTL_ADD, ev, EPOLLIN | EPOLLET, 9));
	ready("writable");
	ready("nothing");
	write_all(sv[1], "x", 1);
	eventfd_write(ev, 1);
	ready("both");
	eventfd_write(ev, 1);
	ready("eventfd written again");
	shutdown(sv[1], SHUT_WR);
	ready("half closed");
	close(sv[1]);
	ready("closed");
	ready("no more");
	SECTION("closing removes, a duplicate keeps");
	int d = dup(ev);
	CALL(ctl(EPOLL_CTL_MOD, ev, EPOLLIN, 10));
	ready("level");
	close(ev);
	ready("the duplicate keeps it");
	CALL(ctl(EPOLL_CTL_DEL, ev, 0, 0));
	close(d);
	ready("gone");
	SECTION("refusals");
	CALL(ctl(EPOLL_CTL_ADD, a[0], EPOLLIN, 1));
	CALL(ctl(EPOLL_CTL_MOD, b[1], EPOLLIN, 1));
	CALL(ctl(EPOLL_CTL_DEL, b[1], EPOLLIN, 1));
	CALL(ctl(EPOLL_CTL_ADD, ep, EPOLLIN, 1));
	CALL(ctl(EPOLL_CTL_ADD, 999, EPOLLIN, 1));
	CALL(ctl(77, b[1], EPOLLIN, 1));
	CALL(epoll_ctl(999, EPOLL_CTL_ADD, a[0], NULL));
	CALL(epoll_ctl(ep, EPOLL_CTL_ADD, b[1], NULL));
	CALL(epoll_ctl(a[0], EPOLL_CTL_ADD, b[1], &(struct epoll_event){ 0 }));
	scratch();
	CALL(ctl(EPOLL_CTL_ADD, MUST(open("f", O_RDWR | O_CREAT, 0644)), EPOLLIN, 1));
	CALL(ctl(EPOLL_CTL_ADD, MUST(open(".", O_RDONLY)), EPOLLIN, 1));
	CALL(ctl(EPOLL_CTL_ADD, MUST(open("/dev/null", O_RDWR)), EPOLLIN, 1));
	CALL(ctl(EPOLL_CTL_MOD, a[0], EPOLLIN | EPOLLEXCLUSIVE, 1));
	CALL(read(ep, &c, 1));
	CALL(write(ep, &c, 1));
	SECTION("nested");
	int outer = MUST(epoll_create1(0)), inner = ep;
	ep = outer;
	CALL(ctl(EPOLL_CTL_ADD, inner, EPOLLIN, 100));
	ready("inner quiet");
	write_all(a[1], "x", 1);
	ready("inner ready");
	ep = inner;
	CALL(ctl(EPOLL_CTL_ADD, outer, EPOLLIN, 1));
	ready("inner itself");
	read(a[0], &c, 1);
	ep = outer;
	ready("quiet again");
	ep = inner;
	SECTION("a sleeper sees what is added");
	pid_t me = getpid(), pid = MUST(fork());
	if (pid == 0) {
		wait_asleep(me);
		write_all(a[1], "x", 1);
		_exit(0);
	}
	struct epoll_event e;
	CALL(epoll_wait(ep, &e, 1, 5000));
	reap("child", pid);
	SECTION("more ready than asked for: all in turns");
	int fds[6], seen[6] = { 0 };
	ep = MUST(epoll_create1(0));
	for (int i = 0; i < 6; i++) {
		fds[i] = MUST(eventfd(1, 0));
		MUST(ctl(EPOLL_CTL_ADD, fds[i], EPOLLIN, i));
	}
	for (int i = 0; i < 6; i++) {
		if (epoll_wait(ep, &e, 1, 0) == 1)
			seen[e.data.u64]++;
	}
	say("%d%d%d%d%d%d", seen[0], seen[1], seen[2], seen[3], seen[4], seen[5]);
	struct timespec ts = { 0, 20000000 };
	ep = MUST(epoll_create1(0));
	CALL(syscall(SYS_epoll_pwait2, ep, &e, 1, &ts, NULL, 8));
	return 0;
}
