/* SPDX-License-Identifier: Apache-2.0 */
/* sendmsg and recvmsg on streams: vectors, waiting for all, no signal, timeouts, limits, and what fork shares. */
#include "tests/contract/contract.h"
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static int sv[2];

static long send_iov(struct iovec *iov, size_t n, int flags)
{
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = n };

	return sendmsg(sv[0], &m, flags);
}

static long recv_iov(struct iovec *iov, size_t n, int flags, int *ret_flags)
{
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = n, .msg_flags = 0x7777 };
	long r = recvmsg(sv[1], &m, flags);

	*ret_flags = m.msg_flags;
	return r;
}

int main(void)
{
	char a[10] = "", b[10] = "", big[100000];
	struct iovec out[3] = { { "one", 3 }, { "", 0 }, { "two", 3 } }, in[2] = { { a, 4 }, { b, 9 } }, many[1025];
	int flags;

	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
	SECTION("vectors");
	CALL(send_iov(out, 3, 0));
	CALL(recv_iov(in, 2, 0, &flags));
	STR(a);
	STR(b);
	HEX(flags);
	CALL(send_iov(out, 0, 0));
	CALL(recv_iov(in, 2, MSG_DONTWAIT, &flags));
	for (int i = 0; i < 1025; i++)
		many[i] = (struct iovec){ "m", 1 };
	CALL(send_iov(many, 1024, 0));
	CALL(send_iov(many, 1025, 0));
	CALL(recv(sv[1], big, sizeof(big), 0));
	many[0].iov_len = -1UL;
	CALL(send_iov(many, 1, 0) == -1);
	CALL(sendmsg(sv[0], BAD_PTR, 0));
	CALL(recvmsg(sv[0], BAD_PTR, MSG_DONTWAIT));
	SECTION("MSG_WAITALL");
	pid_t pid = MUST(fork());
	if (pid == 0) {
		for (int i = 0; i < 10; i++) {
			write_all(sv[0], "0123456789", 10);
			sleep_ms(2);
		}
		_exit(0);
	}
	CALL(recv(sv[1], big, 100, MSG_WAITALL));
	reap("sender", pid);
	SECTION("MSG_PEEK with MSG_WAITALL, and peeking twice");
	write_all(sv[0], "peeked", 6);
	CALL(recv(sv[1], big, 3, MSG_PEEK));
	CALL(recv(sv[1], big, 6, MSG_PEEK | MSG_WAITALL));
	CALL(recv(sv[1], big, 100, 0));
	SECTION("timeouts");
	struct timeval tv = { 0, 30000 };
	CALL(setsockopt(sv[1], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	CALL(setsockopt(sv[0], SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)));
	long before = now_ms();
	CALL(recv(sv[1], big, 1, 0));
	YES(now_ms() - before >= 29);
	memset(big, 'x', sizeof(big));
	long total = 0, n;
	while ((n = send(sv[0], big, sizeof(big), 0)) > 0)
		total += n;
	say("%s after something: %d", errno_name(errno), total > 0);
	while (recv(sv[1], big, sizeof(big), MSG_DONTWAIT) > 0)
		;
	SECTION("the peer is gone: no signal with MSG_NOSIGNAL");
	int other = dup(sv[1]);
	close(sv[1]);
	CALL(send(sv[0], "x", 1, 0));
	close(other);
	CALL(send(sv[0], "x", 1, MSG_NOSIGNAL));
	IN_CHILD("without it")
		send(sv[0], "x", 1, 0);
	SECTION("shared by fork: the end comes when the last copy is closed");
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
	pid = MUST(fork());
	if (pid == 0) {
		close(sv[1]);
		sleep_ms(30);
		write_all(sv[0], "child", 5);
		_exit(0);
	}
	close(sv[0]);
	CALL(recv(sv[1], big, 5, MSG_WAITALL));
	CALL(recv(sv[1], big, 5, MSG_WAITALL));
	reap("child", pid);
	SECTION("shutdown acts on all copies at once");
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
	IN_CHILD("child")
		shutdown(sv[0], SHUT_WR);
	CALL(recv(sv[1], big, 5, 0));
	SECTION("options");
	int v = 0;
	socklen_t len = sizeof(v);
	CALL(getsockopt(sv[0], SOL_SOCKET, SO_TYPE, &v, &len));
	SHOW(v);
	CALL(getsockopt(sv[0], SOL_SOCKET, SO_DOMAIN, &v, &len));
	SHOW(v);
	CALL(getsockopt(sv[0], SOL_SOCKET, SO_ERROR, &v, &len));
	SHOW(v);
	CALL(getsockopt(sv[0], IPPROTO_TCP, 1, &v, &len));
	CALL(getsockopt(sv[0], SOL_SOCKET, 12345, &v, &len));
	CALL(getsockopt(1, SOL_SOCKET, SO_TYPE, &v, &len));
	v = 1000;
	CALL(setsockopt(sv[0], SOL_SOCKET, SO_SNDBUF, &v, sizeof(v)));
	CALL(getsockopt(sv[0], SOL_SOCKET, SO_SNDBUF, &v, &len));
	YES(v >= 2000);
	return 0;
}
