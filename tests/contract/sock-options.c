/* SPDX-License-Identifier: Apache-2.0 */
/* Options of socket(7), ip(7), ipv6(7), tcp(7): what each is at first, what is refused, and what becomes of values out of range. */
#include "tests/contract/contract.h"
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

struct option {
	const char *name;
	int level, opt;
};
#define O(l, n) { #n, l, n }

static const struct option sol[] = {
	O(SOL_SOCKET, SO_DEBUG), O(SOL_SOCKET, SO_REUSEADDR), O(SOL_SOCKET, SO_TYPE),
	O(SOL_SOCKET, SO_ERROR), O(SOL_SOCKET, SO_DONTROUTE),
	O(SOL_SOCKET, SO_BROADCAST), O(SOL_SOCKET, SO_KEEPALIVE), O(SOL_SOCKET, SO_OOBINLINE),
	O(SOL_SOCKET, SO_NO_CHECK),
	O(SOL_SOCKET, SO_PRIORITY), O(SOL_SOCKET, SO_REUSEPORT), O(SOL_SOCKET, SO_PASSCRED),
	O(SOL_SOCKET, SO_RCVLOWAT),
	O(SOL_SOCKET, SO_SNDLOWAT), O(SOL_SOCKET, SO_TIMESTAMP), O(SOL_SOCKET, SO_ACCEPTCONN),
	O(SOL_SOCKET, SO_PASSSEC),
	O(SOL_SOCKET, SO_TIMESTAMPNS), O(SOL_SOCKET, SO_MARK), O(SOL_SOCKET, SO_PROTOCOL), O(SOL_SOCKET, SO_DOMAIN),
	O(SOL_SOCKET, SO_RXQ_OVFL), O(SOL_SOCKET, SO_PEEK_OFF), O(SOL_SOCKET, SO_LOCK_FILTER),
	O(SOL_SOCKET, SO_SELECT_ERR_QUEUE),
	O(SOL_SOCKET, SO_BUSY_POLL), O(SOL_SOCKET, SO_ZEROCOPY), O(SOL_SOCKET, SO_BSDCOMPAT),
};
static const struct option ip[] = {
	O(IPPROTO_IP, IP_TOS), O(IPPROTO_IP, IP_TTL), O(IPPROTO_IP, IP_HDRINCL), O(IPPROTO_IP, IP_RECVOPTS),
	O(IPPROTO_IP, IP_RETOPTS),
	O(IPPROTO_IP, IP_PKTINFO), O(IPPROTO_IP, IP_MTU_DISCOVER), O(IPPROTO_IP, IP_RECVERR),
	O(IPPROTO_IP, IP_RECVTTL),
	O(IPPROTO_IP, IP_RECVTOS), O(IPPROTO_IP, IP_MTU), O(IPPROTO_IP, IP_FREEBIND), O(IPPROTO_IP, IP_TRANSPARENT),
	O(IPPROTO_IP, IP_RECVORIGDSTADDR), O(IPPROTO_IP, IP_MINTTL), O(IPPROTO_IP, IP_NODEFRAG),
	O(IPPROTO_IP, IP_CHECKSUM),
	O(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT), O(IPPROTO_IP, IP_MULTICAST_TTL), O(IPPROTO_IP, IP_MULTICAST_LOOP),
	O(IPPROTO_IP, IP_UNICAST_IF),
};
static const struct option ip6[] = {
	O(IPPROTO_IPV6, IPV6_UNICAST_HOPS), O(IPPROTO_IPV6, IPV6_MULTICAST_HOPS),
	O(IPPROTO_IPV6, IPV6_MULTICAST_LOOP),
	O(IPPROTO_IPV6, IPV6_MULTICAST_IF), O(IPPROTO_IPV6, IPV6_MTU_DISCOVER),
	O(IPPROTO_IPV6, IPV6_RECVERR), O(IPPROTO_IPV6, IPV6_V6ONLY),
	O(IPPROTO_IPV6, IPV6_RECVPKTINFO), O(IPPROTO_IPV6, IPV6_RECVHOPLIMIT),
	O(IPPROTO_IPV6, IPV6_RECVTCLASS), O(IPPROTO_IPV6, IPV6_TCLASS),
	O(IPPROTO_IPV6, IPV6_AUTOFLOWLABEL), O(IPPROTO_IPV6, IPV6_DONTFRAG),
};
static const struct option tcp[] = {
	O(IPPROTO_TCP, TCP_NODELAY), O(IPPROTO_TCP, TCP_MAXSEG), O(IPPROTO_TCP, TCP_CORK),
	O(IPPROTO_TCP, TCP_KEEPIDLE),
	O(IPPROTO_TCP, TCP_KEEPINTVL), O(IPPROTO_TCP, TCP_KEEPCNT), O(IPPROTO_TCP, TCP_SYNCNT),
	O(IPPROTO_TCP, TCP_LINGER2),
	O(IPPROTO_TCP, TCP_DEFER_ACCEPT), O(IPPROTO_TCP, TCP_WINDOW_CLAMP), O(IPPROTO_TCP, TCP_QUICKACK),
	O(IPPROTO_TCP, TCP_USER_TIMEOUT),
	O(IPPROTO_TCP, TCP_FASTOPEN), O(IPPROTO_TCP, TCP_FASTOPEN_CONNECT), O(IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS),
	O(IPPROTO_TCP, TCP_NOTSENT_LOWAT), O(IPPROTO_TCP, TCP_REPAIR), O(IPPROTO_TCP, TCP_SAVE_SYN),
	O(IPPROTO_TCP, TCP_INQ),
};

static void get(int s, const struct option *o)
{
	int v = -77;
	socklen_t len = sizeof(v);

	if (getsockopt(s, o->level, o->opt, &v, &len))
		say("%s: %s", o->name, errno_name(errno));
	else
		say("%s: %d, %d bytes", o->name, v, len);
}

static void show(int s, const struct option *o, size_t n)
{
	for (size_t i = 0; i < n; i++)
		get(s, &o[i]);
}
#define SHOW_ALL(s, table) show(s, table, ARRAY_SIZE(table))

/* Sets to each of a few values and shows what there is afterwards. */
static void try(int s, const char *name, int level, int opt)
{
	static const int values[] = { -1, 0, 1, 2, 255, 256, 70000 };
	const struct option o = { name, level, opt };

	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		int e = setsockopt(s, level, opt, &values[i], sizeof(int)) ? errno : 0;

		say("%s = %d: %s", name, values[i], e ? errno_name(e) : "ok");
		get(s, &o);
	}
}
#define TRY(s, l, n) try(s, #n, l, n)

int main(void)
{
	int t = MUST(socket(AF_INET, SOCK_STREAM, 0)), u = MUST(socket(AF_INET, SOCK_DGRAM, 0));
	int x = MUST(socket(AF_UNIX, SOCK_STREAM, 0));
	int t6 = socket(AF_INET6, SOCK_STREAM, 0), u6 = socket(AF_INET6, SOCK_DGRAM, 0);

	SECTION("TCP");
	SHOW_ALL(t, sol);
	SHOW_ALL(t, ip);
	SHOW_ALL(t, tcp);
	SHOW_ALL(t, ip6);
	SECTION("UDP");
	SHOW_ALL(u, sol);
	SHOW_ALL(u, ip);
	SHOW_ALL(u, tcp);
	SECTION("AF_UNIX");
	SHOW_ALL(x, sol);
	SHOW_ALL(x, ip);
	if (t6 >= 0) {
		SECTION("IPv6");
		SHOW_ALL(t6, ip6);
		SHOW_ALL(t6, ip);
		SHOW_ALL(u6, ip6);
	}
	SECTION("values");
	TRY(t, IPPROTO_IP, IP_TTL);
	TRY(t, IPPROTO_IP, IP_TOS);
	TRY(u, IPPROTO_IP, IP_MTU_DISCOVER);
	TRY(u, IPPROTO_IP, IP_MULTICAST_TTL);
	TRY(u, IPPROTO_IP, IP_RECVERR);
	TRY(t, IPPROTO_TCP, TCP_KEEPIDLE);
	TRY(t, IPPROTO_TCP, TCP_KEEPINTVL);
	TRY(t, IPPROTO_TCP, TCP_KEEPCNT);
	TRY(t, IPPROTO_TCP, TCP_SYNCNT);
	TRY(t, IPPROTO_TCP, TCP_MAXSEG);
	TRY(t, IPPROTO_TCP, TCP_USER_TIMEOUT);
	TRY(t, IPPROTO_TCP, TCP_LINGER2);
	TRY(t, IPPROTO_TCP, TCP_DEFER_ACCEPT);
	TRY(t, IPPROTO_TCP, TCP_NODELAY);
	TRY(t, IPPROTO_TCP, TCP_QUICKACK);
	TRY(t, IPPROTO_TCP, TCP_NOTSENT_LOWAT);
	if (u6 >= 0) {
		TRY(u6, IPPROTO_IPV6, IPV6_UNICAST_HOPS);
		TRY(u6, IPPROTO_IPV6, IPV6_MULTICAST_HOPS);
		TRY(u6, IPPROTO_IPV6, IPV6_TCLASS);
		TRY(u6, IPPROTO_IPV6, IPV6_V6ONLY);
	}
	return 0;
}
