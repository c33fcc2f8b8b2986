/* SPDX-License-Identifier: Apache-2.0 */
/* A listener whose queue is full: who comes then is connecting until somebody accepts. */
#include "tests/contract/contract.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

static struct sockaddr_in addr;

static int client(void)
{
	int s = MUST(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));

	say("connect: %s", connect(s, (struct sockaddr *)&addr, sizeof(addr)) ? errno_name(errno) : "0");
	return s;
}

static int writable(int s, int ms)
{
	struct pollfd p = { s, POLLOUT, 0 };

	return poll(&p, 1, ms) == 1 ? p.revents : 0;
}

int main(void)
{
	socklen_t len = sizeof(addr);
	int l = MUST(socket(AF_INET, SOCK_STREAM, 0)), c[3], err;

	addr = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	MUST(bind(l, (struct sockaddr *)&addr, sizeof(addr)));
	MUST(listen(l, 0));
	MUST(getsockname(l, (struct sockaddr *)&addr, &len));
	for (int i = 0; i < 2; i++)
		c[i] = client();
	HEX(writable(c[0], 5000));
	HEX(writable(c[1], 200));
	CALL(connect(c[1], (struct sockaddr *)&addr, sizeof(addr)));
	CALL(send(c[1], "x", 1, MSG_NOSIGNAL));
	OK(accept(l, NULL, NULL));
	HEX(writable(c[1], 20000));
	CALL(connect(c[1], (struct sockaddr *)&addr, sizeof(addr)));
	c[2] = client();
	HEX(writable(c[2], 200));
	close(l);
	HEX(writable(c[2], 20000));
	len = sizeof(err);
	MUST(getsockopt(c[2], SOL_SOCKET, SO_ERROR, &err, &len));
	STR(errno_name(err));
	return 0;
}
