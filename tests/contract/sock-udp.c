/* SPDX-License-Identifier: Apache-2.0 */
/* UDP over 127.0.0.1: addresses, truncation, peeking, connecting, refusal, sendmmsg and recvmmsg, timeouts. */
#include "tests/contract/contract.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

static int udp(struct sockaddr_in *ret)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(*ret);
	int s = MUST(socket(AF_INET, SOCK_DGRAM, 0));

	MUST(bind(s, (struct sockaddr *)&a, sizeof(a)));
	MUST(getsockname(s, (struct sockaddr *)ret, &len));
	return s;
}

static void arrived(int s)
{
	struct pollfd p = { s, POLLIN, 0 };

	poll(&p, 1, 5000);
}

int main(void)
{
	struct sockaddr_in a, b, c, from;
	socklen_t len = sizeof(from);
	char buf[70000];
	int sa = udp(&a), sb = udp(&b), sc;

	YES(a.sin_port != b.sin_port && ntohs(a.sin_port) > 1023);
	SECTION("sending");
	CALL(sendto(sa, "first", 5, 0, (struct sockaddr *)&b, sizeof(b)));
	CALL(sendto(sa, "", 0, 0, (struct sockaddr *)&b, sizeof(b)));
	CALL(sendto(sa, "third one", 9, 0, (struct sockaddr *)&b, sizeof(b)));
	arrived(sb);
	CALL(recvfrom(sb, buf, sizeof(buf), MSG_PEEK, (struct sockaddr *)&from, &len));
	SHOW(len);
	YES(from.sin_port == a.sin_port && from.sin_addr.s_addr == htonl(INADDR_LOOPBACK) && from.sin_family == AF_INET);
	CALL(recvfrom(sb, buf, 2, 0, NULL, NULL));
	CALL(recv(sb, buf, sizeof(buf), 0));
	CALL(recv(sb, buf, 3, MSG_TRUNC));
	CALL(recv(sb, buf, sizeof(buf), MSG_DONTWAIT));
	SECTION("connected");
	CALL(send(sa, "x", 1, 0));
	CALL(connect(sa, (struct sockaddr *)&b, sizeof(b)));
	CALL(send(sa, "connected", 9, 0));
	arrived(sb);
	CALL(recv(sb, buf, sizeof(buf), 0));
	CALL(getpeername(sa, (struct sockaddr *)&from, &len));
	sc = udp(&c);
	CALL(sendto(sc, "stranger", 8, 0, (struct sockaddr *)&a, sizeof(a)));
	CALL(sendto(sb, "friend", 6, 0, (struct sockaddr *)&a, sizeof(a)));
	arrived(sa);
	CALL(recv(sa, buf, sizeof(buf), MSG_DONTWAIT));
	CALL(recv(sa, buf, sizeof(buf), MSG_DONTWAIT));
	struct sockaddr off = { .sa_family = AF_UNSPEC };
	CALL(connect(sa, &off, sizeof(off)));
	CALL(getpeername(sa, (struct sockaddr *)&from, &len));
	SECTION("nobody there");
	close(sc);
	CALL(connect(sa, (struct sockaddr *)&c, sizeof(c)));
	CALL(send(sa, "x", 1, 0));
	struct pollfd p = { sa, POLLIN, 0 };
	poll(&p, 1, 1000);
	CALL(recv(sa, buf, 1, MSG_DONTWAIT));
	CALL(recv(sa, buf, 1, MSG_DONTWAIT));
	CALL(connect(sa, &off, sizeof(off)));
	SECTION("sizes");
	memset(buf, 'u', sizeof(buf));
	CALL(sendto(sa, buf, 65507, 0, (struct sockaddr *)&b, sizeof(b)));
	arrived(sb);
	CALL(recv(sb, buf, sizeof(buf), MSG_DONTWAIT));
	CALL(sendto(sa, buf, 65508, 0, (struct sockaddr *)&b, sizeof(b)));
	SECTION("many at once");
	struct iovec iov[3] = { { "one", 3 }, { "two", 3 }, { "three", 5 } };
	struct mmsghdr mm[3];
	memset(mm, 0, sizeof(mm));
	for (int i = 0; i < 3; i++) {
		mm[i].msg_hdr.msg_iov = &iov[i];
		mm[i].msg_hdr.msg_iovlen = 1;
		mm[i].msg_hdr.msg_name = &b;
		mm[i].msg_hdr.msg_namelen = sizeof(b);
	}
	CALL(sendmmsg(sa, mm, 3, 0));
	say("%u %u %u", mm[0].msg_len, mm[1].msg_len, mm[2].msg_len);
	char in[3][16];
	for (int i = 0; i < 3; i++) {
		iov[i] = (struct iovec){ in[i], 16 };
		mm[i].msg_hdr.msg_name = NULL;
	}
	CALL(recvmmsg(sb, mm, 3, MSG_DONTWAIT, NULL));
	say("%u %u %u", mm[0].msg_len, mm[1].msg_len, mm[2].msg_len);
	CALL(recvmmsg(sb, mm, 3, MSG_DONTWAIT, NULL));
	SECTION("timeouts and blocking");
	struct timeval tv = { 0, 30000 };
	CALL(setsockopt(sb, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	long before = now_ms();
	CALL(recv(sb, buf, 1, 0));
	YES(now_ms() - before >= 29);
	SECTION("refusals");
	CALL(sendto(sa, "x", 1, 0, (struct sockaddr *)&b, 4));
	b.sin_family = 77;
	CALL(sendto(sa, "x", 1, 0, (struct sockaddr *)&b, sizeof(b)));
	b.sin_family = AF_INET;
	CALL(sendto(sa, "x", 1, MSG_OOB, (struct sockaddr *)&b, sizeof(b)));
	b.sin_port = 0;
	CALL(sendto(sa, "x", 1, 0, (struct sockaddr *)&b, sizeof(b)));
	CALL(listen(sa, 1));
	CALL(accept(sa, NULL, NULL));
	CALL(recvfrom(sa, buf, 1, MSG_DONTWAIT, BAD_PTR, &len));
	return 0;
}
