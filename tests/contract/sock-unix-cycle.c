/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets that only unreceived messages refer to, in circles, are let go: seen by a pipe whose end is in such a message. */
#include "tests/contract/contract.h"
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

static void pass(int via, const int *fds, unsigned n)
{
	char data = 'x';
	struct iovec iov = { &data, 1 };
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(4 * sizeof(int))];
	} c = { 0 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = c.buf, .msg_controllen = CMSG_SPACE(n * sizeof(int)) };
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);

	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(h), fds, n * sizeof(int));
	MUST(sendmsg(via, &m, 0));
}

/* Another socket closed makes the kernel look. */
static void look(void)
{
	int s[2];

	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	close(s[0]);
	close(s[1]);
}

static void ended(const char *what, int fd, int ms)
{
	struct pollfd p = { fd, POLLIN, 0 };

	for (int i = 0; i < ms / 50 && poll(&p, 1, 50) == 0; i++)
		look();
	say("%s: %s", what, p.revents & POLLHUP ? "let go" : "alive");
}

int main(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int s[2], t[2], p[2], l;
	char buf[4];

	SECTION("a socket in its own queue");
	MUST(pipe(p));
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	pass(s[0], (int[]){ s[1], p[1] }, 2);
	close(p[1]);
	close(s[0]);
	ended("one end open", p[0], 200);
	close(s[1]);
	ended("both closed", p[0], 10000);
	close(p[0]);

	SECTION("two in each other's");
	MUST(pipe(p));
	MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, s));
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, t));
	pass(s[0], (int[]){ t[0], t[1], p[1] }, 3);
	pass(t[0], (int[]){ s[0], s[1] }, 2);
	close(p[1]);
	close(s[0]);
	close(s[1]);
	close(t[0]);
	ended("one left", p[0], 200);
	CALL(recv(t[1], buf, sizeof(buf), MSG_PEEK | MSG_DONTWAIT));
	close(t[1]);
	ended("none left", p[0], 10000);
	close(p[0]);

	SECTION("a listener with one who was not accepted");
	MUST(pipe(p));
	l = MUST(socket(AF_UNIX, SOCK_STREAM, 0));
	MUST(bind(l, (struct sockaddr *)&un, sizeof(un.sun_family)));
	MUST(listen(l, 5));
	MUST(getsockname(l, (struct sockaddr *)&un, &(socklen_t){ sizeof(un) }));
	s[0] = MUST(socket(AF_UNIX, SOCK_STREAM, 0));
	CALL(connect(s[0], (struct sockaddr *)&un, sizeof(un.sun_family) + 6));
	pass(s[0], (int[]){ l, s[0], p[1] }, 3);
	close(p[1]);
	close(l);
	close(s[0]);
	ended("none left", p[0], 10000);
	return 0;
}
