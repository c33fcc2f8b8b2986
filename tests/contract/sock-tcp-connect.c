/* SPDX-License-Identifier: Apache-2.0 */
/* Connecting without waiting, over 127.0.0.1: what connect(2) says the first, second and third time, and after a refusal. */
#include "tests/contract/contract.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

static struct sockaddr_in addr;

static int listener(void)
{
	socklen_t len = sizeof(addr);
	int s = MUST(socket(AF_INET, SOCK_STREAM, 0));

	addr = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	MUST(bind(s, (struct sockaddr *)&addr, sizeof(addr)));
	MUST(listen(s, 5));
	MUST(getsockname(s, (struct sockaddr *)&addr, &len));
	return s;
}

static int tcp(void)
{
	return MUST(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
}

static int do_connect(int s)
{
	return connect(s, (struct sockaddr *)&addr, sizeof(addr));
}

static void events(int s)
{
	struct pollfd p = { s, POLLIN | POLLOUT | POLLRDHUP, 0 };
	int n = poll(&p, 1, 1000);

	say("poll: %d %#x", n, p.revents);
}

static int so_error(int s)
{
	socklen_t len = sizeof(int);
	int e = -1;

	getsockopt(s, SOL_SOCKET, SO_ERROR, &e, &len);
	return e;
}

int main(void)
{
	struct sockaddr_in name;
	socklen_t len = sizeof(name);
	int l = listener(), s, c;
	char buf[8];

	signal(SIGPIPE, SIG_IGN);
	SECTION("three times");
	s = tcp();
	CALL(do_connect(s));
	events(s);
	SHOW(so_error(s));
	CALL(getpeername(s, (struct sockaddr *)&name, &len));
	CALL(do_connect(s));
	CALL(do_connect(s));
	c = MUST(accept(l, NULL, NULL));
	CALL(write(s, "x", 1));
	events(c);
	close(s);
	SECTION("data first");
	close(c);
	s = tcp();
	CALL(do_connect(s));
	events(s);
	CALL(write(s, "abc", 3));
	c = MUST(accept(l, NULL, NULL));
	CALL(read(c, buf, sizeof(buf)));
	CALL(do_connect(s));
	CALL(do_connect(s));
	close(c);
	events(s);
	close(s);
	SECTION("waiting the second time");
	s = tcp();
	CALL(do_connect(s));
	MUST(fcntl(s, F_SETFL, 0));
	CALL(do_connect(s));
	CALL(do_connect(s));
	close(s);
	SECTION("refused, told by connect");
	close(l);
	s = tcp();
	CALL(do_connect(s));
	events(s);
	CALL(do_connect(s));
	SHOW(so_error(s));
	CALL(do_connect(s));
	close(s);
	SECTION("refused, told by SO_ERROR");
	s = tcp();
	CALL(do_connect(s));
	events(s);
	SHOW(so_error(s));
	events(s);
	CALL(read(s, buf, 1));
	CALL(write(s, buf, 1));
	CALL(do_connect(s));
	CALL(do_connect(s));
	close(s);
	SECTION("refused, told by read");
	s = tcp();
	CALL(do_connect(s));
	events(s);
	CALL(read(s, buf, 1));
	CALL(read(s, buf, 1));
	SHOW(so_error(s));
	SECTION("then accepted");
	CALL(do_connect(s));
	l = listener();
	CALL(do_connect(s));
	events(s);
	CALL(do_connect(s));
	close(s);
	close(l);
	return 0;
}
