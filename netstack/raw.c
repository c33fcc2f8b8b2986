/* SPDX-License-Identifier: Apache-2.0 */
/*
 * raw(7): IP packets of one protocol, with CAP_NET_RAW.
 *
 * TCP and UDP between the guest's own addresses make no packets, so raw sockets don't see them; they see ICMP there, and all that
 * comes from links.
 */
#include <stdlib.h>

#include "netstack/ip.h"
#include "netstack/neigh.h"
#include "netstack/sock_queue.h"

#define SOL_RAW 255
#define ICMP_FILTER 1

static struct mutex raw_lock = MUTEX_INIT;
static struct list_head raw_socks = LIST_HEAD_INIT(raw_socks); /* inet_sock.link; raw_lock */
static atomic_uint nr_raw;

static int raw_bind(struct sock *sk, const struct linux_sockaddr *addr, unsigned len)
{
	struct inet_name name;
	int err = inet_bind_check(sk, addr, len, &name);

	if (err)
		return err;
	MUTEX_GUARD(&raw_lock);
	name.port = 0;
	inet_sk(sk)->local = name;
	return 0;
}

static int raw_connect(struct sock *sk, const struct linux_sockaddr *addr, unsigned len, bool nonblock __unused)
{
	struct inet_name to;
	struct dst dst;
	int err;

	if (len >= 2 && addr->family == LINUX_AF_UNSPEC) {
		WRITE_ONCE(sk->state, SS_UNCONNECTED);
		return 0;
	}
	err = inet_from_sockaddr(sk->family, addr, len, &to);
	if (!err)
		err = inet_resolve_dest(sk, &to, &dst);
	if (err)
		return err;
	MUTEX_GUARD(&raw_lock);
	if (inet_is_any(&inet_sk(sk)->local))
		memcpy(inet_sk(sk)->local.addr, dst.src, 16);
	inet_sk(sk)->remote = to;
	WRITE_ONCE(sk->state, SS_CONNECTED);
	return 0;
}

static int raw_listen(struct sock *sk __unused, int backlog __unused)
{
	return -LINUX_EOPNOTSUPP;
}

static struct sock *raw_route(struct sock *sk, struct msg *msg)
{
	struct inet_name to;
	int err = inet_msg_dest(sk, msg, false, &to);

	if (!err)
		err = inet_resolve_dest(sk, &to, &msg->dst);
	if (err)
		return ERR_PTR(err);
	msg->to = to;
	msg->remote = true;
	return NULL;
}

/* A packet with its header: what the sender left out is filled in, and what it may not say is checked. */
static int raw_xmit_whole(struct sock *sk, struct skb *skb, struct msg *msg)
{
	uint8_t head[ETH_HLEN], *h = (uint8_t *)skb->data;
	struct iovec iov[2] = { { head, sizeof(head) }, { skb->data, skb->len } };
	static const uint8_t zero[4];
	size_t hlen;

	if (skb->len < IP_HLEN || h[0] >> 4 != 4)
		return -LINUX_EINVAL;
	hlen = (size_t)(h[0] & 15) * 4;
	if (hlen < IP_HLEN || hlen > skb->len || skb->len > msg->dst.mtu)
		return hlen > skb->len || hlen < IP_HLEN ? -LINUX_EINVAL : -LINUX_EMSGSIZE;
	if (!memcmp(h + 12, zero, 4))
		memcpy(h + 12, msg->dst.src + 12, 4);
	put_be16(h + 2, (uint16_t)skb->len);
	put_be16(h + 10, 0);
	memcpy(h + 10, &(uint16_t){ csum_finish(csum_add(0, h, hlen)) }, 2);
	if (msg->dst.local)
		return ip_loopback(sk->net, iov + 1, 1, false);
	return neigh_xmit(msg->dst.oif, msg->dst.nexthop, iov, 2);
}

static int raw_xmit(struct sock *sk, struct skb *skb, struct msg *msg)
{
	const struct inet_sock *in = inet_sk(sk);
	uint8_t head[IP_HEADROOM];
	struct iovec iov[2] = { { head, sizeof(head) }, { skb->data, skb->len } };
	struct ip_params ip = { .dst = &msg->dst, .src = inet_is_any(&in->local) ? msg->dst.src : in->local.addr, .to = msg->to.addr,
				.proto = (uint8_t)sk->protocol, .ttl = (uint8_t)(inet_is_multicast(&msg->to) ? in->mcast_ttl : in->ttl),
				.tos = (uint8_t)MAX(in->tos, 0) };
	int err;

	if (in->hdrincl && sk->family == LINUX_AF_INET) {
		err = raw_xmit_whole(sk, skb, msg);
	} else {
		if (sk->protocol == LINUX_IPPROTO_ICMPV6 && skb->len >= 8) { /* always the kernel's to make: RFC 3542 */
			put_be16(skb->data + 2, 0);
			memcpy(skb->data + 2, &(uint16_t){ csum_finish(csum_add(csum_pseudo(ip.src, ip.to, ip.proto, (uint32_t)skb->len),
										skb->data, skb->len)) }, 2);
		}
		err = ip_output(&ip, iov, 2);
	}
	skb_free(skb);
	return err;
}

/* --- receiving --- */

static bool raw_wants(const struct inet_sock *in, const struct pkt *k)
{
	bool v4 = addr_is_v4(k->dst.addr);

	if (in->sk->net != k->nif->net || in->sk->protocol != k->proto || (in->sk->family == LINUX_AF_INET) != v4)
		return false;
	if (!inet_is_any(&in->local) && !inet_same_addr(&in->local, &k->dst))
		return false;
	if (READ_ONCE(in->sk->state) == SS_CONNECTED && !inet_same_addr(&in->remote, &k->src))
		return false;
	return !(v4 && k->proto == LINUX_IPPROTO_ICMP && k->len && k->p[0] < 32 && in->icmp_filter & BIT(k->p[0]));
}

bool raw_input(struct pkt *k)
{
	bool v4 = addr_is_v4(k->dst.addr), taken = false;
	struct inet_name from = k->src;
	struct inet_sock *in;

	if (!atomic_load_explicit(&nr_raw, memory_order_relaxed))
		return false;
	from.port = 0;
	MUTEX_GUARD(&raw_lock);
	list_for_each_entry(in, &raw_socks, link)
		if (raw_wants(in, k)) {
			taken = true;
			/* IPv4 ones see the header. */
			inet_deliver(in->sk, k, v4 ? k->ip : k->p, v4 ? k->ip_len : k->len, &from);
		}
	return taken;
}

/* --- the socket --- */

static int raw_setsockopt(struct sock *sk, int level, int name, const void *val, unsigned len)
{
	int v;

	if (level == SOL_RAW && name == ICMP_FILTER && sk->protocol == LINUX_IPPROTO_ICMP) {
		if (len < 4)
			return -LINUX_EINVAL;
		memcpy(&inet_sk(sk)->icmp_filter, val, 4);
		return 0;
	}
	if (level == LINUX_IPPROTO_IP && name == LINUX_IP_HDRINCL) {
		if (len < 4)
			return -LINUX_EINVAL;
		memcpy(&v, val, 4);
		inet_sk(sk)->hdrincl = v;
		return 0;
	}
	if ((level == LINUX_IPPROTO_IPV6 || level == SOL_RAW) && name == LINUX_IPV6_CHECKSUM && sk->family == LINUX_AF_INET6)
		return sk->protocol == LINUX_IPPROTO_ICMPV6 ? 0 : -LINUX_EOPNOTSUPP;
	return inet_setsockopt(sk, level, name, val, len);
}

static int raw_getsockopt(struct sock *sk, int level, int name, void *val, unsigned *len)
{
	int v = inet_sk(sk)->hdrincl;

	if (level == SOL_RAW && name == ICMP_FILTER && sk->protocol == LINUX_IPPROTO_ICMP)
		v = (int)inet_sk(sk)->icmp_filter;
	else if (level != LINUX_IPPROTO_IP || name != LINUX_IP_HDRINCL)
		return inet_getsockopt(sk, level, name, val, len);
	*len = MIN(*len, sizeof(v));
	memcpy(val, &v, *len);
	return 0;
}

static void raw_release(struct sock *sk)
{
	MUTEX_GUARD(&raw_lock);

	if (!list_empty(&inet_sk(sk)->link)) {
		list_del(&inet_sk(sk)->link);
		atomic_fetch_sub(&nr_raw, 1);
	}
}

static void raw_free(struct sock *sk)
{
	raw_release(sk);
	inet_free(sk);
}

static const struct sock_ops raw_ops = {
	.bind = raw_bind,
	.connect = raw_connect,
	.listen = raw_listen,
	.getname = inet_getname,
	.route = raw_route,
	.xmit = raw_xmit,
	.setsockopt = raw_setsockopt,
	.getsockopt = raw_getsockopt,
	.release = raw_release,
	.free = raw_free,
};

struct sock *raw_create(int family, int protocol)
{
	struct sock *sk;

	if (!net_capable(current_net_ns(), CAP_NET_RAW))
		return ERR_PTR(-LINUX_EPERM);
	if (!protocol || protocol > 255)
		return ERR_PTR(-LINUX_EPROTONOSUPPORT);
	sk = inet_alloc(current_net_ns(), family, LINUX_SOCK_RAW, protocol, &raw_ops);
	if (!sk)
		return ERR_PTR(-LINUX_ENOMEM);
	inet_sk(sk)->hdrincl = protocol == LINUX_IPPROTO_RAW;
	mutex_lock(&raw_lock);
	list_add_tail(&inet_sk(sk)->link, &raw_socks);
	atomic_fetch_add(&nr_raw, 1);
	mutex_unlock(&raw_lock);
	return sk;
}
