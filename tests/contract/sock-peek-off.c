/* SPDX-License-Identifier: Apache-2.0 */
/* SO_PEEK_OFF: peeking goes on where it ended, reading moves the place back. */
#include "tests/contract/contract.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

static void get(int fd, int flags, size_t size)
{
	socklen_t len = sizeof(int);
	char buf[64];
	int off = -7;
	ssize_t n = recv(fd, buf, size, flags | MSG_DONTWAIT);

	getsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &off, &len);
	if (n < 0)
		say("recv %#x %zu: %s, offset %d", flags, size, errno_name(errno), off);
	else
		say("recv %#x %zu: '%.*s', offset %d", flags, size, (int)n, buf, off);
}

static void set(int fd, int off)
{
	CALL(setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &off, sizeof(off)));
}

static void stream(void)
{
	int s[2];

	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	MUST(write(s[0], "abcdef", 6));
	MUST(write(s[0], "ghij", 4));
	get(s[1], MSG_PEEK, 3);
	get(s[1], MSG_PEEK, 3);
	set(s[1], 0);
	get(s[1], MSG_PEEK, 3);
	get(s[1], MSG_PEEK, 3);
	get(s[1], MSG_PEEK, 3);
	get(s[1], MSG_PEEK, 3);
	get(s[1], MSG_PEEK, 3);
	get(s[1], 0, 2);
	get(s[1], 0, 20);
	MUST(write(s[0], "klm", 3));
	set(s[1], 1);
	get(s[1], MSG_PEEK, 9);
	set(s[1], -1);
	get(s[1], MSG_PEEK, 9);
	get(s[1], MSG_PEEK, 9);
	close(s[0]);
	close(s[1]);
}

static void dgram(int tx, int rx)
{
	MUST(send(tx, "one11", 5, 0));
	MUST(send(tx, "two", 3, 0));
	usleep(20000);
	set(rx, 0);
	get(rx, MSG_PEEK, 3);
	get(rx, MSG_PEEK, 3);
	get(rx, MSG_PEEK, 9);
	get(rx, MSG_PEEK, 9);
	set(rx, 2);
	get(rx, MSG_PEEK, 9);
	get(rx, 0, 9);
	set(rx, -1);
	get(rx, MSG_PEEK, 9);
	get(rx, 0, 9);
}

int main(void)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(addr);
	int s[2], u, v;

	SECTION("AF_UNIX stream");
	stream();
	SECTION("AF_UNIX datagrams");
	MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, s));
	dgram(s[0], s[1]);
	SECTION("UDP");
	u = MUST(socket(AF_INET, SOCK_DGRAM, 0));
	MUST(bind(u, (struct sockaddr *)&addr, sizeof(addr)));
	MUST(getsockname(u, (struct sockaddr *)&addr, &len));
	v = MUST(socket(AF_INET, SOCK_DGRAM, 0));
	MUST(connect(v, (struct sockaddr *)&addr, sizeof(addr)));
	dgram(v, u);
	return 0;
}
