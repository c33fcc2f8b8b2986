/* SPDX-License-Identifier: Apache-2.0 */
/* AF_UNIX datagrams and seqpackets: boundaries, truncation, addresses, queues, disconnection. */
#include "tests/contract/contract.h"
#include <sys/socket.h>
#include <sys/un.h>

static struct sockaddr_un addr(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	strcpy(sun.sun_path, path);
	return sun;
}

static void receive(const char *what, int fd, size_t size, int flags)
{
	char buf[64] = "";
	struct iovec iov = { buf, size };
	struct sockaddr_un from;
	struct msghdr m = { .msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	memset(&from, 0, sizeof(from));
	n = recvmsg(fd, &m, flags | MSG_DONTWAIT);
	if (n < 0)
		say("%s: %s", what, errno_name(errno));
	else
		say("%s: %zd \"%.*s\" flags %#x from %u \"%s\"", what, n, (int)(n > (ssize_t)size ? (ssize_t)size : n), buf, m.msg_flags,
		    m.msg_namelen, from.sun_path);
}

int main(void)
{
	struct sockaddr_un a = addr("a"), b = addr("b"), none = addr("none");
	int sa, sb, sv[2];
	char big[4096];

	signal(SIGPIPE, SIG_IGN);
	scratch();
	SECTION("pairs keep boundaries");
	MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, sv));
	CALL(write(sv[0], "one", 3));
	CALL(write(sv[0], "", 0));
	CALL(write(sv[0], "three", 5));
	receive("first", sv[1], 64, 0);
	receive("empty", sv[1], 64, 0);
	receive("short", sv[1], 2, 0);
	receive("nothing left", sv[1], 64, 0);
	CALL(write(sv[0], "trunc", 5));
	receive("peek", sv[1], 2, MSG_PEEK);
	receive("real length", sv[1], 2, MSG_TRUNC);
	close(sv[1]);
	CALL(write(sv[0], "x", 1));
	SECTION("named");
	sa = MUST(socket(AF_UNIX, SOCK_DGRAM, 0));
	sb = MUST(socket(AF_UNIX, SOCK_DGRAM, 0));
	CALL(sendto(sa, "x", 1, 0, (struct sockaddr *)&b, sizeof(b)));
	MUST(bind(sb, (struct sockaddr *)&b, sizeof(b)));
	CALL(sendto(sa, "anonymous", 9, 0, (struct sockaddr *)&b, sizeof(b)));
	receive("b", sb, 64, 0);
	MUST(bind(sa, (struct sockaddr *)&a, sizeof(a)));
	CALL(sendto(sa, "named", 5, 0, (struct sockaddr *)&b, sizeof(b)));
	receive("b", sb, 64, 0);
	CALL(sendto(sa, "x", 1, 0, (struct sockaddr *)&none, sizeof(none)));
	CALL(send(sa, "x", 1, 0));
	SECTION("connected");
	CALL(connect(sa, (struct sockaddr *)&b, sizeof(b)));
	CALL(send(sa, "connected", 9, 0));
	receive("b", sb, 64, 0);
	CALL(connect(sb, (struct sockaddr *)&a, sizeof(a)));
	int sc = MUST(socket(AF_UNIX, SOCK_DGRAM, 0));
	CALL(sendto(sc, "x", 1, 0, (struct sockaddr *)&b, sizeof(b)));
	struct sockaddr off = { .sa_family = AF_UNSPEC };
	CALL(connect(sa, &off, sizeof(off)));
	CALL(send(sa, "x", 1, 0));
	CALL(connect(sc, (struct sockaddr *)&none, sizeof(none)));
	close(sb);
	CALL(sendto(sa, "x", 1, 0, (struct sockaddr *)&b, sizeof(b)));
	CALL(listen(sa, 1));
	SECTION("a queue that fills");
	MUST(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, sv));
	int n = 0;
	memset(big, 'q', sizeof(big));
	while (write(sv[0], big, sizeof(big)) > 0)
		n++;
	YES(n > 5 && n < 100000);
	say("%s", errno_name(errno));
	SECTION("too long");
	int size = 4096;
	MUST(setsockopt(sv[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)));
	static char huge[1 << 20];
	CALL(write(sv[0], huge, sizeof(huge)));
	SECTION("seqpacket");
	MUST(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sv));
	CALL(write(sv[0], "one", 3));
	CALL(write(sv[0], "two", 3));
	receive("first", sv[1], 64, 0);
	receive("short", sv[1], 1, 0);
	close(sv[0]);
	receive("end", sv[1], 64, 0);
	CALL(write(sv[1], "x", 1));
	int l = MUST(socket(AF_UNIX, SOCK_SEQPACKET, 0));
	struct sockaddr_un q = addr("q");
	MUST(bind(l, (struct sockaddr *)&q, sizeof(q)));
	CALL(listen(l, 1));
	int st = MUST(socket(AF_UNIX, SOCK_STREAM, 0));
	CALL(connect(st, (struct sockaddr *)&q, sizeof(q)));
	int sq = MUST(socket(AF_UNIX, SOCK_SEQPACKET, 0));
	CALL(connect(sq, (struct sockaddr *)&q, sizeof(q)));
	CALL(connect(sa, (struct sockaddr *)&q, sizeof(q)));
	return 0;
}
