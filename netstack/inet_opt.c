/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options of ip(7), ipv6(7), tcp(7), and the tables of /proc/net/tcp and udp.
 */
#include <string.h>

#include "netstack/direct.h"
#include "netstack/inet.h"
#include "netstack/tcp.h"
#include "vfs/proc/proc_net.h"

/* A plain integer option: where it is kept, its bounds. */
struct inet_option {
	int level, name;
	size_t off;
	bool is_bool, fixed; /* fixed: shows @unset and can't be changed */
	int min, max;
	int unset;	     /* what -1 asks for, where that isn't in the bounds */
	int type;	     /* LINUX_SOCK_STREAM only, or 0 */
};

#define IP LINUX_IPPROTO_IP
#define IP6 LINUX_IPPROTO_IPV6
#define TCP LINUX_IPPROTO_TCP
#define UDP LINUX_IPPROTO_UDP
#define NO_UNSET INT32_MIN
#define OPT_INT(l, n, f, lo, hi, un, t) { l, n, offsetof(struct inet_sock, f), false, false, lo, hi, un, t }
#define OPT_BOOL(l, n, f, t) { l, n, offsetof(struct inet_sock, f), true, false, 0, 1, NO_UNSET, t }
#define OPT_FIXED(l, n, v, t) { l, n, 0, false, true, 0, 0, v, t }

static const struct inet_option inet_options[] = {
	OPT_INT(IP, LINUX_IP_TOS, tos, INT32_MIN, INT32_MAX, NO_UNSET, 0),
	OPT_INT(IP, LINUX_IP_TTL, ttl, 1, 255, 64, 0),
	OPT_INT(IP, LINUX_IP_MTU_DISCOVER, mtu_discover, 0, 5, NO_UNSET, 0),
	OPT_INT(IP, LINUX_IP_MULTICAST_TTL, mcast_ttl, 0, 255, 1, 0),
	OPT_BOOL(IP, LINUX_IP_RECVERR, recverr, 0),
	OPT_BOOL(IP, LINUX_IP_PKTINFO, pktinfo, 0),
	OPT_BOOL(IP, LINUX_IP_RECVTTL, recvttl, 0),
	OPT_BOOL(IP, LINUX_IP_RECVTOS, recvtos, 0),
	OPT_BOOL(IP, LINUX_IP_FREEBIND, freebind, 0),
	OPT_BOOL(IP, LINUX_IP_BIND_ADDRESS_NO_PORT, bind_no_port, 0),
	OPT_BOOL(IP, LINUX_IP_MULTICAST_LOOP, mcast_loop, 0),
	OPT_FIXED(IP, LINUX_IP_HDRINCL, 0, 0),
	OPT_BOOL(IP, LINUX_IP_RECVOPTS, recvopts, 0),
	OPT_BOOL(IP, LINUX_IP_RETOPTS, retopts, 0),
	OPT_BOOL(IP, LINUX_IP_PASSSEC, passsec, 0),
	OPT_BOOL(IP, LINUX_IP_TRANSPARENT, transparent, 0),
	OPT_BOOL(IP, LINUX_IP_RECVORIGDSTADDR, recvorigdst, 0),
	OPT_INT(IP, LINUX_IP_MINTTL, minttl, 0, 255, NO_UNSET, 0),
	OPT_FIXED(IP, LINUX_IP_NODEFRAG, 0, 0),
	OPT_BOOL(IP, LINUX_IP_CHECKSUM, ip_checksum, 0),
	OPT_BOOL(IP, LINUX_IP_RECVFRAGSIZE, recvfragsize, 0),
	OPT_BOOL(IP, LINUX_IP_RECVERR_RFC4884, recverr_rfc4884, 0),
	OPT_INT(IP, LINUX_IP_UNICAST_IF, unicast_if, INT32_MIN, INT32_MAX, NO_UNSET, 0),
	OPT_INT(IP, LINUX_IP_LOCAL_PORT_RANGE, port_range, INT32_MIN, INT32_MAX, NO_UNSET, 0),
	OPT_INT(IP6, LINUX_IPV6_UNICAST_HOPS, ttl, 0, 255, 64, 0),
	OPT_INT(IP6, LINUX_IPV6_MULTICAST_HOPS, mcast_ttl, 0, 255, 1, 0),
	OPT_INT(IP6, LINUX_IPV6_TCLASS, tos, 0, 255, 0, 0),
	OPT_INT(IP6, LINUX_IPV6_MTU_DISCOVER, mtu_discover, 0, 5, NO_UNSET, 0),
	OPT_BOOL(IP6, LINUX_IPV6_RECVERR, recverr, 0),
	OPT_BOOL(IP6, LINUX_IPV6_RECVPKTINFO, pktinfo, 0),
	OPT_BOOL(IP6, LINUX_IPV6_RECVHOPLIMIT, recvttl, 0),
	OPT_BOOL(IP6, LINUX_IPV6_RECVTCLASS, recvtos, 0),
	OPT_BOOL(IP6, LINUX_IPV6_MULTICAST_LOOP, mcast_loop, 0),
	OPT_INT(IP6, LINUX_IPV6_MULTICAST_IF, mcast_if, 0, 0, NO_UNSET, 0),
	OPT_BOOL(IP6, LINUX_IPV6_AUTOFLOWLABEL, autoflowlabel, 0),
	OPT_BOOL(IP6, LINUX_IPV6_FREEBIND, freebind, 0),
	OPT_BOOL(IP6, LINUX_IPV6_RECVHOPOPTS, recvhopopts, 0),
	OPT_BOOL(IP6, LINUX_IPV6_RECVRTHDR, recvrthdr, 0),
	OPT_BOOL(IP6, LINUX_IPV6_RECVDSTOPTS, recvdstopts, 0),
	OPT_BOOL(IP6, LINUX_IPV6_DONTFRAG, dontfrag, 0),
	OPT_BOOL(IP6, LINUX_IPV6_2292PKTINFO, recv2292pktinfo, 0),
	OPT_BOOL(IP6, LINUX_IPV6_2292HOPOPTS, recv2292opts, 0),
	OPT_BOOL(IP6, LINUX_IPV6_2292DSTOPTS, recv2292dst, 0),
	OPT_BOOL(IP6, LINUX_IPV6_2292RTHDR, recv2292rthdr, 0),
	OPT_BOOL(IP6, LINUX_IPV6_2292HOPLIMIT, recv2292hoplimit, 0),
	OPT_BOOL(IP6, LINUX_IPV6_FLOWINFO, flowinfo, 0),
	OPT_BOOL(IP6, LINUX_IPV6_ROUTER_ALERT_ISOLATE, rtalert_isolate, 0),
	OPT_BOOL(IP6, LINUX_IPV6_RECVERR_RFC4884, recverr6_rfc4884, 0),
	OPT_BOOL(IP6, LINUX_IPV6_FLOWINFO_SEND, flowinfo_send, 0),
	OPT_BOOL(IP6, LINUX_IPV6_RECVPATHMTU, recvpathmtu, 0),
	OPT_INT(IP6, LINUX_IPV6_MINHOPCOUNT, minttl, 0, 255, NO_UNSET, 0),
	OPT_BOOL(IP6, LINUX_IPV6_RECVORIGDSTADDR, recvorigdst, 0),
	OPT_BOOL(IP6, LINUX_IPV6_TRANSPARENT, transparent, 0),
	OPT_INT(IP6, LINUX_IPV6_UNICAST_IF, unicast_if, INT32_MIN, INT32_MAX, NO_UNSET, 0),
	OPT_BOOL(IP6, LINUX_IPV6_RECVFRAGSIZE, recvfragsize, 0),
	OPT_BOOL(UDP, LINUX_UDP_CORK, cork, LINUX_SOCK_DGRAM),
	OPT_FIXED(UDP, LINUX_UDP_ENCAP, 0, LINUX_SOCK_DGRAM),
	OPT_BOOL(UDP, LINUX_UDP_NO_CHECK6_TX, no_check6_tx, LINUX_SOCK_DGRAM),
	OPT_BOOL(UDP, LINUX_UDP_NO_CHECK6_RX, no_check6_rx, LINUX_SOCK_DGRAM),
	OPT_INT(UDP, LINUX_UDP_SEGMENT, gso, 0, 65535, NO_UNSET, LINUX_SOCK_DGRAM),
	OPT_BOOL(UDP, LINUX_UDP_GRO, gro, LINUX_SOCK_DGRAM),
	OPT_BOOL(TCP, LINUX_TCP_NODELAY, nodelay, LINUX_SOCK_STREAM),
	OPT_BOOL(TCP, LINUX_TCP_CORK, cork, LINUX_SOCK_STREAM),
	OPT_BOOL(TCP, LINUX_TCP_QUICKACK, quickack, LINUX_SOCK_STREAM),
	OPT_INT(TCP, LINUX_TCP_KEEPIDLE, keepidle, 1, 32767, NO_UNSET, LINUX_SOCK_STREAM),
	OPT_INT(TCP, LINUX_TCP_KEEPINTVL, keepintvl, 1, 32767, NO_UNSET, LINUX_SOCK_STREAM),
	OPT_INT(TCP, LINUX_TCP_KEEPCNT, keepcnt, 1, 127, NO_UNSET, LINUX_SOCK_STREAM),
	OPT_INT(TCP, LINUX_TCP_SYNCNT, syncnt, 1, 127, NO_UNSET, LINUX_SOCK_STREAM),
	OPT_INT(TCP, LINUX_TCP_USER_TIMEOUT, user_timeout, 0, INT32_MAX, NO_UNSET, LINUX_SOCK_STREAM),
	OPT_INT(TCP, LINUX_TCP_LINGER2, linger2, INT32_MIN, INT32_MAX, NO_UNSET, LINUX_SOCK_STREAM),
	OPT_INT(TCP, LINUX_TCP_DEFER_ACCEPT, defer_accept, INT32_MIN, INT32_MAX, NO_UNSET, LINUX_SOCK_STREAM),
	OPT_INT(TCP, LINUX_TCP_MAXSEG, maxseg, 0, 32767, NO_UNSET, LINUX_SOCK_STREAM),
	OPT_INT(TCP, LINUX_TCP_NOTSENT_LOWAT, notsent_lowat, INT32_MIN, INT32_MAX, NO_UNSET, LINUX_SOCK_STREAM),
	OPT_INT(TCP, LINUX_TCP_WINDOW_CLAMP, window_clamp, INT32_MIN, INT32_MAX, NO_UNSET, LINUX_SOCK_STREAM),
	OPT_INT(TCP, LINUX_TCP_FASTOPEN, fastopen, 0, INT32_MAX, NO_UNSET, LINUX_SOCK_STREAM),
	OPT_BOOL(TCP, LINUX_TCP_FASTOPEN_CONNECT, fastopen_connect, LINUX_SOCK_STREAM),
	OPT_BOOL(TCP, LINUX_TCP_FASTOPEN_NO_COOKIE, fastopen_no_cookie, LINUX_SOCK_STREAM),
	OPT_BOOL(TCP, LINUX_TCP_THIN_LINEAR_TIMEOUTS, thin_linear, LINUX_SOCK_STREAM),
	OPT_FIXED(TCP, LINUX_TCP_REPAIR, 0, LINUX_SOCK_STREAM),
	OPT_BOOL(TCP, LINUX_TCP_SAVE_SYN, save_syn, LINUX_SOCK_STREAM),
	OPT_BOOL(TCP, LINUX_TCP_INQ, tcp_inq, LINUX_SOCK_STREAM),
	OPT_INT(TCP, LINUX_TCP_TX_DELAY, tx_delay, 0, 1 << 30, NO_UNSET, LINUX_SOCK_STREAM),
};

/* TCP_DEFER_ACCEPT counts retransmissions: secs_to_retrans() and retrans_to_secs() of net/ipv4/tcp.c. */
static int defer_accept_round(int seconds)
{
	int timeout = 1, period = 1;

	if (seconds <= 0)
		return 0;
	for (int n = 1; seconds > period && n < 255; n++) {
		timeout = MIN(timeout * 2, 120);
		period += timeout;
	}
	return period;
}

/* Booleans that are no more than that. */
static bool inet_option_strict(const struct inet_option *o)
{
	if (o->level == TCP)
		return o->name == LINUX_TCP_THIN_LINEAR_TIMEOUTS || o->name == LINUX_TCP_FASTOPEN_CONNECT ||
		       o->name == LINUX_TCP_FASTOPEN_NO_COOKIE || o->name == LINUX_TCP_SAVE_SYN || o->name == LINUX_TCP_INQ;
	return (o->level == IP6 && (o->name == LINUX_IPV6_MULTICAST_LOOP || o->name == LINUX_IPV6_RECVERR_RFC4884)) ||
	       (o->level == IP && o->name == LINUX_IP_RECVERR_RFC4884);
}

/* What is kept of a value that is taken. */
static int inet_option_round(const struct sock *sk, const struct inet_option *o, int v)
{
	if (o->level == IP && o->name == LINUX_IP_TOS)
		return sock_is_stream(sk) ? (v & 0xfc) | (inet_sk(sk)->tos & 3) : v & 0xff; /* ECN is TCP's own */
	if (o->level == TCP && o->name == LINUX_TCP_LINGER2)
		return v < 0 ? -1 : v > 120 ? 120 : v ? v : 60;
	if (o->level == IP6 && o->name == LINUX_IPV6_TCLASS && sock_is_stream(sk))
		return (v & 0xfc) | (inet_sk(sk)->tos & 3);
	if (o->level == TCP && o->name == LINUX_TCP_WINDOW_CLAMP)
		return v ? (int)MAX((unsigned)v > INT32_MAX ? 1152u : (unsigned)v, 1152u) : 0; /* half of the least buffer */
	if (o->level == TCP && o->name == LINUX_TCP_FASTOPEN)
		return MIN(v, 4096);
	if (o->level == TCP && o->name == LINUX_TCP_DEFER_ACCEPT)
		return defer_accept_round(v);
	return v;
}

static const struct inet_option *inet_option_find(const struct sock *sk, int level, int name)
{
	for (size_t i = 0; i < ARRAY_SIZE(inet_options); i++) {
		const struct inet_option *o = &inet_options[i];

		if (o->level == level && o->name == name && (!o->type || o->type == sk->type) &&
		    (level != LINUX_IPPROTO_IPV6 || sk->family == LINUX_AF_INET6))
			return o;
	}
	return NULL;
}

/* IP options may be given as one byte, or as none for 0. */
static int inet_opt_value(int level, const void *val, unsigned len, int *ret)
{
	if (len >= sizeof(int)) {
		memcpy(ret, val, sizeof(int));
		return 0;
	}
	if (level == LINUX_IPPROTO_IP) {
		*ret = len ? *(const uint8_t *)val : 0;
		return 0;
	}
	return -LINUX_EINVAL;
}

/* What some options ask for besides bounds; 0 for all others. */
static int inet_option_refused(const struct sock *sk, int level, int name, int v, unsigned len)
{
	bool v6 = level == IP6;

	if ((level == IP && name == LINUX_IP_TRANSPARENT) || (v6 && name == LINUX_IPV6_TRANSPARENT))
		return v && !net_capable(sk->net, CAP_NET_RAW) && !net_capable(sk->net, CAP_NET_ADMIN) ? -LINUX_EPERM : 0;
	if ((level == IP && name == LINUX_IP_UNICAST_IF) || (v6 && name == LINUX_IPV6_UNICAST_IF)) {
		if (len < sizeof(int))
			return -LINUX_EINVAL;
		if (v && !netif_find(sk->net, (int)__builtin_bswap32((uint32_t)v)))
			return -LINUX_EADDRNOTAVAIL;
		/* A bound interface would have to be its layer 3 master, which there is none of. */
		return v && sk->bound_if ? -LINUX_EINVAL : 0;
	}
	if (level == IP && name == LINUX_IP_RECVFRAGSIZE && sock_is_stream(sk))
		return -LINUX_EINVAL;
	if (level == IP && name == LINUX_IP_LOCAL_PORT_RANGE) {
		uint16_t lo = (uint16_t)v, hi = (uint16_t)((uint32_t)v >> 16);

		return len != sizeof(int) || (lo && hi && lo > hi) ? -LINUX_EINVAL : 0;
	}
	return 0;
}

int inet_setsockopt(struct sock *sk, int level, int name, const void *val, unsigned len)
{
	const struct inet_option *o;
	int v, err;

	if (level != LINUX_IPPROTO_IP && level != LINUX_IPPROTO_IPV6 && level != sk->protocol)
		return -LINUX_ENOPROTOOPT;
	if (level == LINUX_IPPROTO_TCP && name == LINUX_TCP_CONGESTION)
		return len && (!strncmp(val, "cubic", len) || !strncmp(val, "reno", len)) ? 0 : -LINUX_ENOENT;
	if (level == LINUX_IPPROTO_TCP && name == LINUX_TCP_ULP)
		return len ? -LINUX_ENOENT : -LINUX_EINVAL; /* TLS is not the kernel's business here */
	if (level == IP && name == LINUX_IP_OPTIONS)
		return len ? -LINUX_EINVAL : 0; /* none are ever sent */
	err = inet_mcast_setsockopt(sk, level, name, val, len);
	if (err <= 0)
		return err;
	err = inet_opt_value(level, val, len, &v);
	if (err)
		return err;
	if (level == LINUX_IPPROTO_IPV6 && name == LINUX_IPV6_V6ONLY && sk->family == LINUX_AF_INET6) {
		if (inet_sk(sk)->local.port)
			return -LINUX_EINVAL;
		inet_sk(sk)->v6only = v;
		return 0;
	}
	if (level == IP && name == LINUX_IP_MULTICAST_ALL) {
		if (v != !!v)
			return -LINUX_EINVAL;
		if (sk->family == LINUX_AF_INET6)
			inet_sk(sk)->mcast_all4 = v;
		else
			inet_sk(sk)->mcast_own = !v;
		return 0;
	}
	if (level == IP6 && name == LINUX_IPV6_MULTICAST_ALL && sk->family == LINUX_AF_INET6) {
		inet_sk(sk)->mcast_own = !v;
		return 0;
	}
	if (level == TCP && name == LINUX_TCP_THIN_DUPACK && sk->protocol == TCP)
		return v == !!v ? 0 : -LINUX_EINVAL; /* Linux has dropped it, but not the option */
	if (level == IP && (name == LINUX_IP_HDRINCL || name == LINUX_IP_NODEFRAG))
		return -LINUX_ENOPROTOOPT; /* of raw sockets */
	if (level == IP6 && name == LINUX_IPV6_MULTICAST_HOPS && sock_is_stream(sk))
		return -LINUX_ENOPROTOOPT;
	err = inet_option_refused(sk, level, name, v, len);
	if (err)
		return err;
	o = inet_option_find(sk, level, name);
	if (!o || (o->fixed && v != o->unset))
		return -LINUX_ENOPROTOOPT;
	if (o->fixed)
		return 0;
	if (level == IP && name == LINUX_IP_MULTICAST_TTL && sock_is_stream(sk))
		return -LINUX_EINVAL;
	if (o->is_bool && inet_option_strict(o) && v != !!v)
		return -LINUX_EINVAL;
	if (v == -1 && o->unset != NO_UNSET)
		v = o->unset;
	if (!o->is_bool && (v < o->min || v > o->max || (o->name == LINUX_TCP_MAXSEG && level == TCP && v && v < 88)))
		return -LINUX_EINVAL;
	v = inet_option_round(sk, o, v);
	if (o->is_bool)
		*(bool *)((char *)inet_sk(sk) + o->off) = v;
	else
		*(int *)((char *)inet_sk(sk) + o->off) = v;
	/* Pulling the cork, and no delay, let go what waits. */
	if (level == UDP && name == LINUX_UDP_CORK && !v)
		return udp_push(sk);
	if (level == LINUX_IPPROTO_TCP && (name == LINUX_TCP_CORK ? !v : name == LINUX_TCP_NODELAY && v))
		tcp_push(sk);
	if (sk->direct)
		direct_setsockopt(sk, level, name);
	return 0;
}

int inet_getsockopt(struct sock *sk, int level, int name, void *val, unsigned *len)
{
	const struct inet_option *o;
	int v;

	if (level == LINUX_IPPROTO_TCP && name == LINUX_TCP_CONGESTION && sk->protocol == LINUX_IPPROTO_TCP) {
		*len = MIN(*len, 16u);
		strncpy(val, "cubic", *len);
		return 0;
	}
	if (level == LINUX_IPPROTO_TCP && name == LINUX_TCP_INFO && sk->protocol == LINUX_IPPROTO_TCP) {
		if (sk->direct && READ_ONCE(sk->state) == SS_CONNECTED)
			return direct_getsockopt(sk, level, name, val, len);
		*len = MIN(*len, (unsigned)TCP_INFO_SIZE);
		tcp_info(sk, val, *len);
		return 0;
	}
	if ((level == IP && name == LINUX_IP_OPTIONS) ||
	    (level == TCP && sk->protocol == TCP && (name == LINUX_TCP_ULP || name == LINUX_TCP_SAVED_SYN))) {
		*len = 0;
		return 0;
	}
	if (level == LINUX_IPPROTO_IPV6 && sk->family != LINUX_AF_INET6)
		return -LINUX_EOPNOTSUPP;
	if (level == LINUX_IPPROTO_IP && name == LINUX_IP_MULTICAST_IF) {
		memcpy(&v, inet_sk(sk)->mcast_addr, sizeof(v));
	} else if (level == IP && name == LINUX_IP_MULTICAST_ALL) {
		v = sk->family == LINUX_AF_INET6 ? inet_sk(sk)->mcast_all4 : !inet_sk(sk)->mcast_own;
	} else if (level == IP6 && name == LINUX_IPV6_MULTICAST_ALL) {
		v = !inet_sk(sk)->mcast_own;
	} else if (level == TCP && name == LINUX_TCP_THIN_DUPACK && sk->protocol == TCP) {
		v = 0;
	} else if (level == LINUX_IPPROTO_IPV6 && name == LINUX_IPV6_V6ONLY) {
		v = inet_sk(sk)->v6only;
	} else if (level == TCP && name == LINUX_TCP_MAXSEG && sk->protocol == TCP) {
		v = inet_sk(sk)->maxseg ? inet_sk(sk)->maxseg : tcp_mss(sk);
	} else if (level == TCP && name == LINUX_TCP_TIMESTAMP && sk->protocol == TCP) {
		v = (int)(monotonic_ns() / 1000000);
	} else if (level == IP && name == LINUX_IP_PROTOCOL) {
		v = sk->protocol;
	} else if ((level == IP && name == LINUX_IP_MTU) || (level == IP6 && name == LINUX_IPV6_MTU)) {
		struct dst dst;

		if (READ_ONCE(sk->state) != SS_CONNECTED)
			return -LINUX_ENOTCONN;
		v = route_lookup(sk->net, inet_sk(sk)->remote.addr, NULL, NULL, &dst) ? 65536 : (int)dst.mtu;
	} else {
		o = inet_option_find(sk, level, name);
		if (!o)
			return level == LINUX_IPPROTO_IP || level == LINUX_IPPROTO_IPV6 || level == sk->protocol ||
					       sk->family == LINUX_AF_INET6 ?
				       -LINUX_ENOPROTOOPT : -LINUX_EOPNOTSUPP;
		v = o->fixed ? o->unset : o->is_bool ? *(bool *)((char *)inet_sk(sk) + o->off) : *(int *)((char *)inet_sk(sk) + o->off);
	}
	*len = MIN(*len, sizeof(v));
	memcpy(val, &v, *len);
	return 0;
}

/* --- /proc/net/tcp and its kind --- */

struct inet_show {
	struct strbuf *sb;
	int family;
	unsigned row;
};

static void inet_show_name(struct strbuf *sb, int family, const struct inet_name *n)
{
	struct linux_sockaddr sa;
	uint32_t words[4];

	inet_to_sockaddr(family, n, &sa);
	memcpy(words, family == LINUX_AF_INET ? (void *)&sa.in.sin_addr : (void *)sa.in6.sin6_addr, family == LINUX_AF_INET ? 4 : 16);
	for (int i = 0; i < (family == LINUX_AF_INET ? 1 : 4); i++)
		strbuf_addf(sb, "%08X", words[i]);
	strbuf_addf(sb, ":%04X", n->port);
}

static void inet_show_one(struct inet_sock *in, void *arg)
{
	struct inet_show *s = arg;
	struct sock *sk = in->sk;
	unsigned st = sk->type == LINUX_SOCK_DGRAM ? (in->remote.port ? TCP_ESTABLISHED : TCP_CLOSE) : tcp_sock_state(sk);

	if (sk->family != s->family || (sock_is_stream(sk) && st == TCP_CLOSE))
		return;
	strbuf_addf(s->sb, "%4u: ", s->row++);
	inet_show_name(s->sb, s->family, &in->local);
	strbuf_addc(s->sb, ' ');
	inet_show_name(s->sb, s->family, &in->remote);
	strbuf_addf(s->sb, " %02X %08X:%08X %02X:%08X %08X %5u %8d %llu %d 0000000000000000 100 0 0 10 0\n", st, 0,
		    (unsigned)sk->rcvq_bytes, 0, 0, 0, sk->cred.uid, 0, (unsigned long long)sk->ino, ref_read(&sk->ref));
}

static void inet_show_timewait(const struct tcp_sock *tp, void *arg)
{
	struct inet_show *s = arg;

	if (s->family != addr_family(tp->local.addr))
		return;
	strbuf_addf(s->sb, "%4u: ", s->row++);
	inet_show_name(s->sb, s->family, &tp->local);
	strbuf_addc(s->sb, ' ');
	inet_show_name(s->sb, s->family, &tp->remote);
	strbuf_adds(s->sb, " 06 00000000:00000000 03:00000000 00000000     0        0 0 3 0000000000000000\n");
}

static void inet_show(struct net *net, struct strbuf *sb, int family, enum inet_table table)
{
	struct inet_show s = { sb, family, 0 };

	if (family == LINUX_AF_INET)
		strbuf_addf(sb, "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n");
	else
		strbuf_addf(sb, "  sl  local_address                         remote_address                        st tx_queue "
				"rx_queue tr tm->when retrnsmt   uid  timeout inode\n");
	inet_for_each(net, table, inet_show_one, &s);
	if (table != INET_STREAM)
		return;
	MUTEX_GUARD(&tcp_lock);
	tcp_for_each_timewait(net, inet_show_timewait, &s);
}

static void tcp_show(struct net *net, struct strbuf *sb)
{
	inet_show(net, sb, LINUX_AF_INET, INET_STREAM);
}

static void tcp6_show(struct net *net, struct strbuf *sb)
{
	inet_show(net, sb, LINUX_AF_INET6, INET_STREAM);
}

static void udp_show(struct net *net, struct strbuf *sb)
{
	inet_show(net, sb, LINUX_AF_INET, INET_DGRAM);
}

static void udp6_show(struct net *net, struct strbuf *sb)
{
	inet_show(net, sb, LINUX_AF_INET6, INET_DGRAM);
}

void inet_init(void)
{
	proc_net_register("tcp", tcp_show);
	proc_net_register("tcp6", tcp6_show);
	proc_net_register("udp", udp_show);
	proc_net_register("udp6", udp6_show);
}
