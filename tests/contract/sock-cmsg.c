/* SPDX-License-Identifier: Apache-2.0 */
/* Control messages of IP: IP_PKTINFO, TTL and TOS both ways, RFC 3542's for IPv6, and the queue of errors. */
#include "tests/contract/contract.h"
#include <arpa/inet.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <sys/socket.h>

static union {
	char bytes[512];
	struct cmsghdr align;
} control;

static void show_cmsg(const struct cmsghdr *c)
{
	char text[64];

	if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
		struct in_pktinfo *p = (void *)CMSG_DATA(c);

		say("pktinfo if %d dst %s", p->ipi_ifindex, inet_ntop(AF_INET, &p->ipi_addr, text, sizeof(text)));
	} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
		struct in6_pktinfo *p = (void *)CMSG_DATA(c);

		say("pktinfo6 if %d dst %s", p->ipi6_ifindex, inet_ntop(AF_INET6, &p->ipi6_addr, text, sizeof(text)));
	} else if (c->cmsg_type == IP_RECVERR || (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR)) {
		struct sock_extended_err *e = (void *)CMSG_DATA(c);

		say("error %s origin %d type %d code %d, %d bytes", errno_name(e->ee_errno), e->ee_origin, e->ee_type, e->ee_code,
		    (int)c->cmsg_len);
	} else {
		int v = 0;

		memcpy(&v, CMSG_DATA(c), c->cmsg_len - sizeof(*c) < 4 ? c->cmsg_len - sizeof(*c) : 4);
		say("level %d type %d: %d, %d bytes", c->cmsg_level, c->cmsg_type, v, (int)c->cmsg_len);
	}
}

static void receive(int s, int flags)
{
	struct sockaddr_storage from;
	char data[64];
	struct iovec iov = { data, sizeof(data) };
	struct msghdr m = { &from, sizeof(from), &iov, 1, &control, sizeof(control), 0 };

	if (CALL(recvmsg(s, &m, flags)) < 0)
		return;
	HEX(m.msg_flags);
	SHOW(m.msg_namelen);
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
		show_cmsg(c);
}

/* Sends "x" with one control message. */
static void send_with(int s, const void *to, socklen_t tolen, int level, int type, const void *data, size_t len)
{
	struct iovec iov = { "x", 1 };
	struct msghdr m = { (void *)to, tolen, &iov, 1, &control, CMSG_SPACE(len), 0 };
	struct cmsghdr *c;

	memset(&control, 0, sizeof(control));
	c = CMSG_FIRSTHDR(&m);
	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(c), data, len);
	CALL(sendmsg(s, &m, 0));
}

static void on(int s, int level, int name)
{
	int v = 1;

	CALL(setsockopt(s, level, name, &v, sizeof(v)));
	socklen_t len = sizeof(v);
	v = 7;
	CALL(getsockopt(s, level, name, &v, &len));
	SHOW(v);
}

static void poll_now(int s)
{
	struct pollfd p = { s, POLLIN | POLLOUT, 0 };

	poll(&p, 1, 2000);
	HEX(p.revents & (POLLIN | POLLERR));
}

int main(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) }, b = a, nobody;
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	socklen_t len = sizeof(a);
	int s = MUST(socket(AF_INET, SOCK_DGRAM, 0)), t = MUST(socket(AF_INET, SOCK_DGRAM, 0)), v;

	MUST(bind(s, (struct sockaddr *)&a, sizeof(a)));
	MUST(getsockname(s, (struct sockaddr *)&a, &len));
	SECTION("IPv4");
	on(s, IPPROTO_IP, IP_PKTINFO);
	on(s, IPPROTO_IP, IP_RECVTTL);
	on(s, IPPROTO_IP, IP_RECVTOS);
	MUST(sendto(t, "x", 1, 0, (struct sockaddr *)&a, sizeof(a)));
	receive(s, 0);
	v = 9;
	send_with(t, &a, sizeof(a), IPPROTO_IP, IP_TTL, &v, sizeof(v));
	receive(s, 0);
	v = 0x10;
	send_with(t, &a, sizeof(a), IPPROTO_IP, IP_TOS, &v, sizeof(v));
	receive(s, 0);
	v = 0;
	send_with(t, &a, sizeof(a), IPPROTO_IP, IP_TTL, &v, sizeof(v));
	send_with(t, &a, sizeof(a), IPPROTO_IP, 77, &v, sizeof(v));
	send_with(t, &a, sizeof(a), 99, 1, &v, sizeof(v));
	receive(s, MSG_DONTWAIT);
	struct in_pktinfo pi = { .ipi_spec_dst.s_addr = htonl(0x08080808) };
	send_with(t, &a, sizeof(a), IPPROTO_IP, IP_PKTINFO, &pi, sizeof(pi));
	SECTION("IPv6");
	int s6 = MUST(socket(AF_INET6, SOCK_DGRAM, 0)), t6 = MUST(socket(AF_INET6, SOCK_DGRAM, 0));
	if (bind(s6, (struct sockaddr *)&a6, sizeof(a6)) == 0) {
		len = sizeof(a6);
		MUST(getsockname(s6, (struct sockaddr *)&a6, &len));
		on(s6, IPPROTO_IPV6, IPV6_RECVPKTINFO);
		on(s6, IPPROTO_IPV6, IPV6_RECVHOPLIMIT);
		on(s6, IPPROTO_IPV6, IPV6_RECVTCLASS);
		MUST(sendto(t6, "x", 1, 0, (struct sockaddr *)&a6, sizeof(a6)));
		receive(s6, 0);
		v = 33;
		send_with(t6, &a6, sizeof(a6), IPPROTO_IPV6, IPV6_HOPLIMIT, &v, sizeof(v));
		receive(s6, 0);
		v = 300;
		send_with(t6, &a6, sizeof(a6), IPPROTO_IPV6, IPV6_TCLASS, &v, sizeof(v));
	}
	SECTION("errors");
	int u = MUST(socket(AF_INET, SOCK_DGRAM, 0));
	MUST(bind(u, (struct sockaddr *)&b, sizeof(b)));
	len = sizeof(nobody);
	MUST(getsockname(u, (struct sockaddr *)&nobody, &len));
	close(u);
	close(t);
	t = MUST(socket(AF_INET, SOCK_DGRAM, 0));
	receive(t, MSG_ERRQUEUE);
	on(t, IPPROTO_IP, IP_RECVERR);
	CALL(sendto(t, "lost", 4, 0, (struct sockaddr *)&nobody, sizeof(nobody)));
	poll_now(t);
	receive(t, MSG_ERRQUEUE);
	poll_now(t);
	receive(t, MSG_ERRQUEUE);
	CALL(sendto(t, "again", 5, 0, (struct sockaddr *)&nobody, sizeof(nobody)));
	CALL(recv(t, control.bytes, 9, MSG_DONTWAIT));
	receive(t, MSG_ERRQUEUE);
	SECTION("connected, without a queue");
	close(t);
	t = MUST(socket(AF_INET, SOCK_DGRAM, 0));
	MUST(connect(t, (struct sockaddr *)&nobody, sizeof(nobody)));
	CALL(send(t, "lost", 4, 0));
	poll_now(t);
	receive(t, MSG_ERRQUEUE);
	CALL(recv(t, control.bytes, 9, MSG_DONTWAIT));
	CALL(recv(t, control.bytes, 9, MSG_DONTWAIT));
	return 0;
}
