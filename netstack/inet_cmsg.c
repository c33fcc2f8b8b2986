/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control messages of ip(7) and ipv6(7), RFC 3542: what is known of a datagram that came, what is wished for one that goes, and the
 * queue of errors.
 */
#include <stdlib.h>
#include <string.h>

#include "netstack/inet.h"
#include "netstack/ip.h"
#include "netstack/sock_queue.h"
#include "sentry/abi/poll.h"

#define ERRQ_MAX 64

struct linux_in_pktinfo {
	int32_t ifindex;
	uint32_t spec_dst, addr;
};
struct linux_in6_pktinfo {
	uint8_t addr[16];
	int32_t ifindex;
};

/* --- with what is sent --- */

static int cmsg_source(struct sock *sk, struct msg *msg, int family, const void *addr, int ifindex)
{
	uint8_t a[16];

	addr_set(a, family, addr);
	if (ifindex) {
		if (!netif_find(sk->net, ifindex))
			return -LINUX_ENODEV;
		msg->ctl.ifindex = ifindex;
	}
	if (addr_is_any(a))
		return 0;
	if (!addr_is_local(sk->net, a) && !inet_sk(sk)->freebind)
		return family == LINUX_AF_INET ? -LINUX_ENETUNREACH : -LINUX_EINVAL;
	memcpy(msg->ctl.src, a, 16);
	msg->ctl.has_src = true;
	return 0;
}

static int cmsg_number(const void *data, size_t len, int min, int max, int *ret)
{
	int v;

	if (len != sizeof(v))
		return -LINUX_EINVAL;
	memcpy(&v, data, sizeof(v));
	if (v < min || v > max)
		return -LINUX_EINVAL;
	*ret = v;
	return 0;
}

int inet_cmsg_send(struct sock *sk, int level, int type, const void *data, size_t len, struct msg *msg)
{
	struct linux_in_pktinfo p4;
	struct linux_in6_pktinfo p6;

	if (sock_is_stream(sk))
		return 0;
	if (level == LINUX_IPPROTO_UDP && type == LINUX_UDP_SEGMENT && sk->protocol == LINUX_IPPROTO_UDP) {
		if (len != sizeof(uint16_t))
			return -LINUX_EINVAL;
		memcpy(&msg->ctl.gso, data, sizeof(uint16_t));
		return 0;
	}
	if (level == LINUX_IPPROTO_IP) {
		switch (type) {
		case LINUX_IP_PKTINFO:
			if (len != sizeof(p4))
				return -LINUX_EINVAL;
			memcpy(&p4, data, sizeof(p4));
			return cmsg_source(sk, msg, LINUX_AF_INET, &p4.spec_dst, p4.ifindex);
		case LINUX_IP_TTL:
			return cmsg_number(data, len, 1, 255, &msg->ctl.ttl);
		case LINUX_IP_TOS:
			msg->ctl.has_tos = true;
			if (len == 1) {
				msg->ctl.tos = *(const uint8_t *)data;
				return 0;
			}
			return cmsg_number(data, len, 0, 255, &msg->ctl.tos);
		default:
			return -LINUX_EINVAL;
		}
	}
	if (level != LINUX_IPPROTO_IPV6 || sk->family != LINUX_AF_INET6)
		return 0;
	switch (type) {
	case LINUX_IPV6_PKTINFO:
		if (len < sizeof(p6))
			return -LINUX_EINVAL;
		memcpy(&p6, data, sizeof(p6));
		return cmsg_source(sk, msg, LINUX_AF_INET6, p6.addr, p6.ifindex);
	case LINUX_IPV6_HOPLIMIT:
		return cmsg_number(data, len, -1, 255, &msg->ctl.ttl);
	case LINUX_IPV6_TCLASS:
		msg->ctl.has_tos = true;
		return cmsg_number(data, len, -1, 255, &msg->ctl.tos);
	default:
		return -LINUX_EINVAL;
	}
}

/* --- with what is received --- */

static int cmsg_pktinfo(const struct sock *sk, const struct pktinfo *i, cmsg_put_fn put, void *c)
{
	int err = 0;

	if (sk->family == LINUX_AF_INET && inet_sk(sk)->pktinfo) {
		struct linux_in_pktinfo p = { .ifindex = i->ifindex };

		memcpy(&p.addr, i->to + 12, 4);
		p.spec_dst = p.addr;
		err = put(c, LINUX_IPPROTO_IP, LINUX_IP_PKTINFO, &p, sizeof(p));
	} else if (sk->family == LINUX_AF_INET6 && (inet_sk(sk)->pktinfo || inet_sk(sk)->recv2292pktinfo)) {
		struct linux_in6_pktinfo p = { .ifindex = i->ifindex };

		memcpy(p.addr, i->to, 16);
		err = put(c, LINUX_IPPROTO_IPV6, inet_sk(sk)->pktinfo ? LINUX_IPV6_PKTINFO : LINUX_IPV6_2292PKTINFO, &p, sizeof(p));
	}
	return err;
}

/* The name a datagram was sent to. */
static int cmsg_origdst(const struct sock *sk, const struct pktinfo *i, cmsg_put_fn put, void *c)
{
	struct inet_name to = { .port = inet_sk(sk)->local.port };
	struct linux_sockaddr addr;
	unsigned len;

	memcpy(to.addr, i->to, 16);
	len = inet_to_sockaddr(sk->family, &to, &addr);
	if (sk->family == LINUX_AF_INET)
		return put(c, LINUX_IPPROTO_IP, LINUX_IP_RECVORIGDSTADDR, &addr, len);
	return put(c, LINUX_IPPROTO_IPV6, LINUX_IPV6_RECVORIGDSTADDR, &addr, len);
}

static int cmsg_error(const struct sock *sk, const struct sock_error *e, cmsg_put_fn put, void *c)
{
	uint8_t buf[16 + sizeof(struct linux_sockaddr_in6)] = { 0 };
	struct inet_name offender = { .port = 0 };
	struct linux_sockaddr addr;
	unsigned alen = sk->family == LINUX_AF_INET ? sizeof(addr.in) : sizeof(addr.in6);

	memcpy(buf, &e->err, 4);
	buf[4] = e->origin;
	buf[5] = e->type;
	buf[6] = e->code;
	memcpy(buf + 8, &e->info, 4);
	memcpy(buf + 12, &e->data, 4);
	if (e->origin == 2 || e->origin == 3) {
		memcpy(offender.addr, e->offender, 16);
		inet_to_sockaddr(sk->family, &offender, &addr);
		memcpy(buf + 16, &addr, alen);
	}
	if (sk->family == LINUX_AF_INET)
		return put(c, LINUX_IPPROTO_IP, LINUX_IP_RECVERR, buf, 16 + alen);
	return put(c, LINUX_IPPROTO_IPV6, LINUX_IPV6_RECVERR, buf, 16 + alen);
}

int inet_cmsg_recv(const struct sock *sk, const struct msg *msg, cmsg_put_fn put, void *c)
{
	const struct inet_sock *in = inet_sk(sk);
	const struct pktinfo *i = &msg->info;
	int ttl = i->ttl, tos = i->tos, err = 0;
	uint8_t tos4 = i->tos;

	if (msg->error.origin)
		return cmsg_error(sk, &msg->error, put, c);
	if (sock_is_stream(sk) && in->tcp_inq) {
		int inq = (int)READ_ONCE(sk->rcvq_bytes);

		return put(c, LINUX_IPPROTO_TCP, LINUX_TCP_INQ, &inq, sizeof(inq));
	}
	if (sock_is_stream(sk) || !i->valid)
		return 0;
	err = cmsg_pktinfo(sk, i, put, c);
	if (!err && in->recv2292hoplimit && sk->family == LINUX_AF_INET6)
		err = put(c, LINUX_IPPROTO_IPV6, LINUX_IPV6_2292HOPLIMIT, &ttl, sizeof(ttl));
	if (!err && in->recvttl)
		err = sk->family == LINUX_AF_INET ? put(c, LINUX_IPPROTO_IP, LINUX_IP_TTL, &ttl, sizeof(ttl)) :
						    put(c, LINUX_IPPROTO_IPV6, LINUX_IPV6_HOPLIMIT, &ttl, sizeof(ttl));
	if (!err && in->recvtos)
		err = sk->family == LINUX_AF_INET ? put(c, LINUX_IPPROTO_IP, LINUX_IP_TOS, &tos4, sizeof(tos4)) :
						    put(c, LINUX_IPPROTO_IPV6, LINUX_IPV6_TCLASS, &tos, sizeof(tos));
	if (!err && in->recvorigdst)
		err = cmsg_origdst(sk, i, put, c);
	return err;
}

/* --- MSG_ERRQUEUE --- */

void inet_error_queue(struct sock *sk, const struct inet_name *remote, const void *data, size_t len, const struct sock_error *e)
{
	unsigned n = 0;
	struct skb *skb, *old;

	if (inet_sk(sk)->recverr) {
		skb = skb_new(NULL, len);
		if (skb) {
			memcpy(skb->data, data, len);
			skb->addr_len = inet_to_sockaddr(sk->family, remote, &skb->addr);
			skb->error = *e;
			mutex_lock(&sk->rcvq_lock);
			list_for_each_entry(old, &sk->errq, link)
				n++;
			if (!sk->closed && n < ERRQ_MAX) {
				list_add_tail(&skb->link, &sk->errq);
				skb = NULL;
			}
			mutex_unlock(&sk->rcvq_lock);
			if (skb)
				skb_free(skb);
		}
	}
	atomic_store(&sk->err, (int)e->err);
	sock_wake(sk, LINUX_EPOLLERR);
	fasync_kill(&sk->async, LINUX_POLL_ERR);
}

/* A datagram to an own address where nobody listens: what ICMP on loopback would say. */
void inet_lost(struct sock *sk, struct skb *skb, struct msg *msg)
{
	struct sock_error e = { .err = LINUX_ECONNREFUSED, .origin = 2, .type = 3, .code = 3 };

	if (!addr_is_v4(msg->dst.nexthop)) {
		e.origin = 3;
		e.type = 1;
		e.code = 4;
	}
	memcpy(e.offender, msg->dst.nexthop, 16);
	/* Unconnected sockets hear it only when they ask to. */
	if (READ_ONCE(sk->state) == SS_CONNECTED || inet_sk(sk)->recverr)
		inet_error_queue(sk, &msg->to, skb->data, skb->len, &e);
	skb_free(skb);
}
