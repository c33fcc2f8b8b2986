/* SPDX-License-Identifier: Apache-2.0 */
/* Every option of every kind of socket: what a fresh one answers, what becomes of odd values, what a short buffer gets. */
#include "tests/contract/contract.h"
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

static const struct {
	int level, name;
	const char *text;
} options[] = {
#define O(l, n) { l, n, #n }
	O(SOL_SOCKET, SO_DEBUG), O(SOL_SOCKET, SO_REUSEADDR), O(SOL_SOCKET, SO_TYPE), O(SOL_SOCKET, SO_ERROR),
	O(SOL_SOCKET, SO_DONTROUTE), O(SOL_SOCKET, SO_BROADCAST), O(SOL_SOCKET, SO_KEEPALIVE),
	O(SOL_SOCKET, SO_OOBINLINE), O(SOL_SOCKET, SO_NO_CHECK), O(SOL_SOCKET, SO_PRIORITY),
	O(SOL_SOCKET, SO_BSDCOMPAT), O(SOL_SOCKET, SO_REUSEPORT), O(SOL_SOCKET, SO_PASSCRED),
	O(SOL_SOCKET, SO_RCVLOWAT), O(SOL_SOCKET, SO_SNDLOWAT), O(SOL_SOCKET, SO_TIMESTAMP),
	O(SOL_SOCKET, SO_ACCEPTCONN), O(SOL_SOCKET, SO_TIMESTAMPNS), O(SOL_SOCKET, SO_MARK),
	O(SOL_SOCKET, SO_PROTOCOL), O(SOL_SOCKET, SO_DOMAIN), O(SOL_SOCKET, SO_PEEK_OFF),
	O(SOL_SOCKET, SO_LOCK_FILTER), O(SOL_SOCKET, SO_SELECT_ERR_QUEUE), O(SOL_SOCKET, SO_BUSY_POLL),
	O(SOL_SOCKET, SO_INCOMING_NAPI_ID), O(SOL_SOCKET, SO_PREFER_BUSY_POLL), O(SOL_SOCKET, SO_NOFCS),
	O(SOL_SOCKET, SO_TXREHASH), O(SOL_SOCKET, SO_BUF_LOCK), O(SOL_SOCKET, SO_PASSSEC), O(IPPROTO_IP, IP_TOS),
	O(IPPROTO_IP, IP_TTL), O(IPPROTO_IP, IP_HDRINCL), O(IPPROTO_IP, IP_RECVOPTS), O(IPPROTO_IP, IP_RETOPTS),
	O(IPPROTO_IP, IP_PKTINFO), O(IPPROTO_IP, IP_MTU_DISCOVER), O(IPPROTO_IP, IP_RECVERR),
	O(IPPROTO_IP, IP_RECVTTL), O(IPPROTO_IP, IP_RECVTOS), O(IPPROTO_IP, IP_MTU), O(IPPROTO_IP, IP_FREEBIND),
	O(IPPROTO_IP, IP_PASSSEC), O(IPPROTO_IP, IP_NODEFRAG), O(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT),
	O(IPPROTO_IP, IP_MULTICAST_IF), O(IPPROTO_IP, IP_MULTICAST_TTL), O(IPPROTO_IP, IP_MULTICAST_LOOP),
	O(IPPROTO_IP, IP_MULTICAST_ALL), O(IPPROTO_IPV6, IPV6_CHECKSUM), O(IPPROTO_IPV6, IPV6_MULTICAST_IF),
	O(IPPROTO_IPV6, IPV6_MULTICAST_HOPS), O(IPPROTO_IPV6, IPV6_MULTICAST_LOOP),
	O(IPPROTO_IPV6, IPV6_MTU_DISCOVER), O(IPPROTO_IPV6, IPV6_RECVERR), O(IPPROTO_IPV6, IPV6_V6ONLY),
	O(IPPROTO_IPV6, IPV6_RECVPKTINFO), O(IPPROTO_IPV6, IPV6_RECVHOPLIMIT), O(IPPROTO_IPV6, IPV6_RECVTCLASS),
	O(IPPROTO_IPV6, IPV6_TCLASS), O(IPPROTO_IPV6, IPV6_AUTOFLOWLABEL), O(IPPROTO_IPV6, IPV6_MULTICAST_ALL),
	O(IPPROTO_IPV6, IPV6_FREEBIND), O(IPPROTO_IPV6, IPV6_RECVRTHDR), O(IPPROTO_IPV6, IPV6_RECVHOPOPTS),
	O(IPPROTO_IPV6, IPV6_RECVDSTOPTS), O(IPPROTO_IPV6, IPV6_UNICAST_HOPS), O(IPPROTO_TCP, TCP_NODELAY),
	O(IPPROTO_TCP, TCP_CORK), O(IPPROTO_TCP, TCP_KEEPIDLE), O(IPPROTO_TCP, TCP_KEEPINTVL),
	O(IPPROTO_TCP, TCP_KEEPCNT), O(IPPROTO_TCP, TCP_SYNCNT), O(IPPROTO_TCP, TCP_LINGER2),
	O(IPPROTO_TCP, TCP_DEFER_ACCEPT), O(IPPROTO_TCP, TCP_WINDOW_CLAMP), O(IPPROTO_TCP, TCP_QUICKACK),
	O(IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS), O(IPPROTO_TCP, TCP_THIN_DUPACK), O(IPPROTO_TCP, TCP_USER_TIMEOUT),
	O(IPPROTO_TCP, TCP_FASTOPEN), O(IPPROTO_TCP, TCP_NOTSENT_LOWAT), O(IPPROTO_TCP, TCP_FASTOPEN_CONNECT),
	O(IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE), O(IPPROTO_TCP, TCP_MAXSEG),
#undef O
};

static const int values[] = { 0, 1, 2, -1, 100, 300, 65536 };

/* The value, with all bytes of a short one. */
static const char *shown(int s, int level, int name)
{
	static char text[64];
	socklen_t len = sizeof(int);
	int v = 0;

	if (getsockopt(s, level, name, &v, &len))
		return errno_name(errno);
	snprintf(text, sizeof(text), "%d (%u)", v, len);
	return text;
}

static void kind(const char *what, int family, int type, int protocol)
{
	SECTION(what);
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		int s = socket(family, type, protocol), level = options[i].level, name = options[i].name;
		char line[512];
		size_t n = 0;

		if (s < 0) {
			say("%s", errno_name(errno));
			return;
		}
		n += (size_t)snprintf(line + n, sizeof(line) - n, "%s: %s", options[i].text, shown(s, level, name));
		for (size_t j = 0; j < ARRAY_SIZE(values) && n < sizeof(line); j++) {
			int err = setsockopt(s, level, name, &values[j], sizeof(int)) ? errno : 0;

			n += (size_t)snprintf(line + n, sizeof(line) - n, ", %d %s", values[j],
					      err ? errno_name(err) : shown(s, level, name));
		}
		say("%s", line);
		close(s);
	}
}

int main(void)
{
	kind("TCP", AF_INET, SOCK_STREAM, 0);
	kind("UDP", AF_INET, SOCK_DGRAM, 0);
	kind("TCP over IPv6", AF_INET6, SOCK_STREAM, 0);
	kind("UDP over IPv6", AF_INET6, SOCK_DGRAM, 0);
	kind("AF_UNIX stream", AF_UNIX, SOCK_STREAM, 0);
	kind("AF_UNIX datagram", AF_UNIX, SOCK_DGRAM, 0);
	return 0;
}
