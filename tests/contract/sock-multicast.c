/* SPDX-License-Identifier: Apache-2.0 */
/* Groups on the loopback interface: joining, leaving, who receives, what the options say. */
#include "tests/contract/contract.h"
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define GROUP "239.7.7.7"
#define OTHER "239.7.7.8"

static in_port_t port;
static int lo;

static struct sockaddr_in to(const char *ip)
{
	return (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = port, .sin_addr.s_addr = inet_addr(ip) };
}

static int receiver(const char *ip)
{
	struct sockaddr_in addr = to(ip);
	socklen_t len = sizeof(addr);
	int s = MUST(socket(AF_INET, SOCK_DGRAM, 0)), one = 1;

	MUST(setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)));
	MUST(bind(s, (struct sockaddr *)&addr, sizeof(addr)));
	MUST(getsockname(s, (struct sockaddr *)&addr, &len));
	port = addr.sin_port;
	return s;
}

static int member(int s, int what, const char *ip, int index)
{
	struct ip_mreqn m = { .imr_multiaddr.s_addr = inet_addr(ip), .imr_ifindex = index };

	return setsockopt(s, IPPROTO_IP, what, &m, sizeof(m));
}

static void got(const char *who, int s)
{
	char buf[32];
	ssize_t n;

	usleep(20000);
	n = recv(s, buf, sizeof(buf), MSG_DONTWAIT);
	if (n < 0)
		say("%s: %s", who, errno_name(errno));
	else
		say("%s: '%.*s'", who, (int)n, buf);
}

static void put(int s, const char *ip, const char *text)
{
	struct sockaddr_in addr = to(ip);

	CALL(sendto(s, text, strlen(text), 0, (struct sockaddr *)&addr, sizeof(addr)));
}

static void six(void)
{
	struct sockaddr_in6 addr = { .sin6_family = AF_INET6 };
	struct ipv6_mreq m = { .ipv6mr_interface = (unsigned)lo };
	int s = MUST(socket(AF_INET6, SOCK_DGRAM, 0)), t = MUST(socket(AF_INET6, SOCK_STREAM, 0));

	MUST(bind(s, (struct sockaddr *)&addr, sizeof(addr)));
	inet_pton(AF_INET6, "ff15::77", &m.ipv6mr_multiaddr);
	CALL(setsockopt(s, IPPROTO_IPV6, IPV6_JOIN_GROUP, &m, sizeof(m)));
	CALL(setsockopt(s, IPPROTO_IPV6, IPV6_JOIN_GROUP, &m, sizeof(m)));
	CALL(setsockopt(t, IPPROTO_IPV6, IPV6_JOIN_GROUP, &m, sizeof(m)));
	CALL(setsockopt(s, IPPROTO_IPV6, IPV6_JOIN_GROUP, &m, 12));
	CALL(setsockopt(s, IPPROTO_IPV6, IPV6_MULTICAST_IF, &lo, sizeof(lo)));
	CALL(setsockopt(s, IPPROTO_IPV6, IPV6_LEAVE_GROUP, &m, sizeof(m)));
	CALL(setsockopt(s, IPPROTO_IPV6, IPV6_LEAVE_GROUP, &m, sizeof(m)));
	m.ipv6mr_interface = 9999;
	CALL(setsockopt(s, IPPROTO_IPV6, IPV6_JOIN_GROUP, &m, sizeof(m)));
	m.ipv6mr_interface = (unsigned)lo;
	m.ipv6mr_multiaddr = in6addr_loopback;
	CALL(setsockopt(s, IPPROTO_IPV6, IPV6_JOIN_GROUP, &m, sizeof(m)));
}

int main(void)
{
	struct ip_mreqn via = { .imr_ifindex = (int)if_nametoindex("lo") };
	struct group_req req = { .gr_interface = if_nametoindex("lo") };
	int zero = 0, a, b, c, s, t = MUST(socket(AF_INET, SOCK_STREAM, 0)), v = -1;
	struct in_addr in;
	socklen_t len = sizeof(v);

	lo = via.imr_ifindex;
	a = receiver("0.0.0.0");
	b = receiver(GROUP);
	c = receiver("0.0.0.0");
	s = MUST(socket(AF_INET, SOCK_DGRAM, 0));

	SECTION("joining");
	CALL(member(a, IP_ADD_MEMBERSHIP, GROUP, lo));
	CALL(member(a, IP_ADD_MEMBERSHIP, GROUP, lo));
	CALL(member(a, IP_ADD_MEMBERSHIP, "127.0.0.1", lo));
	CALL(member(a, IP_ADD_MEMBERSHIP, OTHER, 9999));
	CALL(member(t, IP_ADD_MEMBERSHIP, GROUP, lo));
	CALL(setsockopt(a, IPPROTO_IP, IP_ADD_MEMBERSHIP, &via, 4));
	*(struct sockaddr_in *)&req.gr_group = to(OTHER);
	CALL(setsockopt(b, IPPROTO_IP, MCAST_JOIN_GROUP, &req, sizeof(req)));
	CALL(setsockopt(b, IPPROTO_IP, MCAST_JOIN_GROUP, &req, sizeof(req)));
	CALL(setsockopt(b, IPPROTO_IP, MCAST_LEAVE_GROUP, &req, sizeof(req)));
	CALL(setsockopt(b, IPPROTO_IP, MCAST_LEAVE_GROUP, &req, sizeof(req)));

	SECTION("sending");
	CALL(setsockopt(s, IPPROTO_IP, IP_MULTICAST_IF, &via, sizeof(via)));
	put(s, GROUP, "one");
	got("joined", a);
	got("bound to the group", b);
	got("neither", c);
	CALL(setsockopt(c, IPPROTO_IP, IP_MULTICAST_ALL, &zero, sizeof(zero)));
	put(s, GROUP, "two");
	got("joined", a);
	got("only its own groups", c);
	put(s, OTHER, "three");
	got("another group", a);
	CALL(setsockopt(s, IPPROTO_IP, IP_MULTICAST_LOOP, &zero, sizeof(zero)));
	put(s, GROUP, "four");
	got("no loop", a);

	SECTION("options");
	MUST(getsockopt(s, IPPROTO_IP, IP_MULTICAST_LOOP, &v, &len));
	SHOW(v);
	len = sizeof(v);
	MUST(getsockopt(c, IPPROTO_IP, IP_MULTICAST_ALL, &v, &len));
	SHOW(v);
	in.s_addr = inet_addr("127.0.0.1");
	CALL(setsockopt(s, IPPROTO_IP, IP_MULTICAST_IF, &in, sizeof(in)));
	len = sizeof(in);
	MUST(getsockopt(s, IPPROTO_IP, IP_MULTICAST_IF, &in, &len));
	STR(inet_ntoa(in));
	in.s_addr = inet_addr("192.0.2.77");
	CALL(setsockopt(s, IPPROTO_IP, IP_MULTICAST_IF, &in, sizeof(in)));
	CALL(setsockopt(t, IPPROTO_IP, IP_MULTICAST_IF, &in, sizeof(in)));

	SECTION("leaving");
	CALL(member(a, IP_DROP_MEMBERSHIP, GROUP, lo));
	CALL(member(a, IP_DROP_MEMBERSHIP, GROUP, lo));
	close(s);
	s = MUST(socket(AF_INET, SOCK_DGRAM, 0));
	CALL(setsockopt(s, IPPROTO_IP, IP_MULTICAST_IF, &via, sizeof(via)));
	put(s, GROUP, "five");
	got("left", a);

	SECTION("IPv6");
	six();
	return 0;
}
