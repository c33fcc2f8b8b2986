/* SPDX-License-Identifier: Apache-2.0 */
/* MSG_MORE and TCP_CORK on loopback: what makes no segment waits for more, for the cork to be pulled, for the end, or a moment. */
#include "tests/contract/contract.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static void tcp_pair(int sk[2])
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int l = MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	socklen_t len = sizeof(a);

	MUST(bind(l, (struct sockaddr *)&a, len));
	MUST(listen(l, 1));
	MUST(getsockname(l, (struct sockaddr *)&a, &len));
	sk[0] = MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	MUST(connect(sk[0], (struct sockaddr *)&a, len));
	sk[1] = MUST(accept(l, NULL, NULL));
	close(l);
}

static int set_int(int s, int name, int v)
{
	return setsockopt(s, IPPROTO_TCP, name, &v, sizeof(v));
}

/* Reads until @want bytes came. */
static void take(int s, size_t want)
{
	char buf[256];
	size_t n = 0;

	while (n < want) {
		ssize_t r = MUST(recv(s, buf + n, sizeof(buf) - n, 0));

		if (!r)
			break;
		n += r;
	}
	BYTES(buf, n);
}

int main(void)
{
	int sk[2], one = 1;
	static char big[200000];
	struct pollfd p;
	char c;

	SECTION("MSG_MORE");
	tcp_pair(sk);
	MUST(setsockopt(sk[0], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)));
	CALL(send(sk[0], "one", 3, MSG_MORE));
	CALL(recv(sk[1], &c, 1, MSG_DONTWAIT));
	CALL(send(sk[0], "two", 3, MSG_MORE));
	CALL(send(sk[0], "three", 5, 0));
	take(sk[1], 11);
	close(sk[0]);
	close(sk[1]);
	SECTION("TCP_CORK");
	tcp_pair(sk);
	CALL(set_int(sk[0], TCP_CORK, 1));
	CALL(send(sk[0], "one", 3, 0));
	CALL(write(sk[0], "two", 3));
	CALL(recv(sk[1], &c, 1, MSG_DONTWAIT));
	CALL(set_int(sk[0], TCP_CORK, 0));
	take(sk[1], 6);
	CALL(set_int(sk[0], TCP_CORK, 1));
	CALL(send(sk[0], "end", 3, 0));
	CALL(shutdown(sk[0], SHUT_WR));
	take(sk[1], 3);
	CALL(recv(sk[1], &c, 1, 0));
	close(sk[0]);
	close(sk[1]);
	SECTION("closed with a cork in it");
	tcp_pair(sk);
	CALL(set_int(sk[0], TCP_CORK, 1));
	CALL(send(sk[0], "last", 4, 0));
	close(sk[0]);
	take(sk[1], 4);
	CALL(recv(sk[1], &c, 1, 0));
	close(sk[1]);
	SECTION("more than a segment");
	tcp_pair(sk);
	CALL(set_int(sk[0], TCP_CORK, 1));
	CALL(send(sk[0], big, sizeof(big), 0));
	for (size_t n = 0; n < 150000;)
		n += MUST(recv(sk[1], big, 150000 - n, 0));
	CALL(set_int(sk[0], TCP_CORK, 0));
	for (size_t n = 0; n < 50000;)
		n += MUST(recv(sk[1], big, sizeof(big), 0));
	SECTION("a moment");
	CALL(send(sk[0], "late", 4, MSG_MORE));
	p = (struct pollfd){ sk[1], POLLIN, 0 };
	CALL(poll(&p, 1, 30000));
	take(sk[1], 4);
	close(sk[0]);
	close(sk[1]);
	return 0;
}
