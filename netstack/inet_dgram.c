/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Datagrams across links: UDP (RFC 768), and ping sockets, which send and receive ICMP echoes without any right.
 */
#include <stdlib.h>

#include "netstack/ip.h"
#include "netstack/sock_queue.h"
#include "sentry/abi/poll.h"

#define UDP_HLEN 8
#define ICMP_HLEN 8
#define ICMP_ECHO 8
#define ICMP6_ECHO 128

static uint8_t sock_ttl(const struct sock *sk, const struct inet_name *to)
{
	if (inet_is_multicast(to))
		return (uint8_t)inet_sk(sk)->mcast_ttl;
	return (uint8_t)(inet_sk(sk)->ttl < 0 ? 64 : inet_sk(sk)->ttl);
}

static const uint8_t *sock_source(const struct sock *sk, const struct msg *msg)
{
	const struct inet_name *local = &inet_sk(sk)->local;

	return msg->ctl.has_src || inet_is_any(local) || inet_is_multicast(local) ? msg->dst.src : local->addr;
}

static struct ip_params dgram_params(struct sock *sk, struct msg *msg, uint8_t proto)
{
	int discover = inet_sk(sk)->mtu_discover;

	return (struct ip_params){ .dst = &msg->dst, .src = sock_source(sk, msg), .to = msg->to.addr, .proto = proto,
				   .ttl = msg->ctl.ttl > 0 ? (uint8_t)msg->ctl.ttl : sock_ttl(sk, &msg->to),
				   .tos = (uint8_t)MAX(msg->ctl.has_tos ? msg->ctl.tos : inet_sk(sk)->tos, 0),
				   .dont_fragment = discover == 2 || discover == 3 };
}

int udp_xmit(struct sock *sk, struct skb *skb, struct msg *msg)
{
	struct ip_params ip = dgram_params(sk, msg, LINUX_IPPROTO_UDP);
	uint8_t head[IP_HEADROOM + UDP_HLEN], *h = head + IP_HEADROOM;
	struct iovec iov[2] = { { head, sizeof(head) }, { skb->data, skb->len } };
	struct iovec sum[2] = { { h, UDP_HLEN }, iov[1] };
	uint32_t len = (uint32_t)(UDP_HLEN + skb->len);
	uint16_t csum;
	int err;

	put_be16(h, inet_sk(sk)->local.port);
	put_be16(h + 2, msg->to.port);
	put_be16(h + 4, (uint16_t)len);
	put_be16(h + 6, 0);
	csum = csum_finish(csum_add_iov(csum_pseudo(ip.src, ip.to, LINUX_IPPROTO_UDP, len), sum, 2));
	csum = csum ? csum : 0xffff;
	memcpy(h + 6, &csum, 2);
	err = ip_output(&ip, iov, 2);
	skb_free(skb);
	return err;
}

uint8_t *udp_packet(const struct sock *sk, const struct skb *skb, size_t *ret_head)
{
	uint8_t *p = malloc(UDP_HLEN + skb->len);

	if (!p)
		return NULL;
	memcpy(p, &skb->addr.in.sin_port, 2); /* where an AF_INET6 address has it as well */
	put_be16(p + 2, inet_sk(sk)->local.port);
	put_be16(p + 4, (uint16_t)(UDP_HLEN + skb->len));
	put_be16(p + 6, 0);
	memcpy(p + UDP_HLEN, skb->data, skb->len);
	*ret_head = UDP_HLEN;
	return p;
}

void inet_deliver(struct sock *sk, struct pkt *k, const uint8_t *data, size_t len, const struct inet_name *from)
{
	struct skb *skb;

	if (sk->bound_if && sk->bound_if != k->nif->index)
		return;
	if (sk->rcvq_bytes >= (size_t)sk->rcvbuf) {
		atomic_fetch_add(&sk->drops, 1);
		return;
	}
	skb = skb_new(NULL, len);
	if (!skb)
		return;
	memcpy(skb->data, data, len);
	skb->addr_len = inet_to_sockaddr(sk->family, from, &skb->addr);
	skb->info = (struct pktinfo){ .valid = true, .ttl = k->ttl, .tos = k->tos, .ifindex = k->nif->index };
	memcpy(skb->info.to, k->dst.addr, 16);
	skb->stamp = sock_stamp_now(sk);
	if (!sock_filter_packet(sk, skb) || sock_deliver(sk, skb))
		skb_free(skb);
}

void udp_input(struct pkt *k)
{
	struct sock *sk _cleanup_sock_ = NULL;
	size_t len;

	if (k->len < UDP_HLEN)
		return;
	len = get_be16(k->p + 4);
	if (len < UDP_HLEN || len > k->len)
		return;
	k->src.port = get_be16(k->p);
	k->dst.port = get_be16(k->p + 2);
	sk = k->dst.port ? inet_find(k->nif->net, INET_DGRAM, &k->dst, &k->src) : NULL;
	if (sk)
		inet_deliver(sk, k, k->p + UDP_HLEN, len - UDP_HLEN, &k->src);
	else
		icmp_unreachable(k);
}

static bool sock_wants_errors(const struct sock *sk)
{
	return inet_sk(sk)->recverr || READ_ONCE(sk->state) == SS_CONNECTED;
}

void udp_error(struct net *net, int protocol, const struct inet_name *local, const struct inet_name *remote, int err,
	       const struct icmp_info *info)
{
	struct sock *sk _cleanup_sock_ = inet_find(net, protocol == LINUX_IPPROTO_UDP ? INET_DGRAM : INET_PING, local, remote);
	struct sock_error e;

	if (!sk)
		return;
	icmp_denied(info, sk, remote);
	if (!sock_wants_errors(sk))
		return;
	e = (struct sock_error){ (uint32_t)-err, info->info, info->origin, info->type, info->code, { 0 }, 0 };
	memcpy(e.offender, info->offender.addr, 16);
	inet_error_queue(sk, remote, info->data, info->len, &e);
}

/* --- ping sockets --- */

/* The socket's number takes the place of the echo's identifier, as net/ipv4/ping.c does. */
int ping_xmit(struct sock *sk, struct skb *skb, struct msg *msg)
{
	bool v4 = sk->protocol == LINUX_IPPROTO_ICMP;
	struct ip_params ip = dgram_params(sk, msg, (uint8_t)sk->protocol);
	uint8_t head[IP_HEADROOM], *p = (uint8_t *)skb->data;
	struct iovec iov[2] = { { head, sizeof(head) }, { skb->data, skb->len } };
	int err = -LINUX_EINVAL;

	if (skb->len < ICMP_HLEN || p[0] != (v4 ? ICMP_ECHO : ICMP6_ECHO) || p[1] || v4 != addr_is_v4(msg->to.addr))
		goto out;
	put_be16(p + 2, 0);
	put_be16(p + 4, inet_sk(sk)->local.port);
	memcpy(p + 2, &(uint16_t){ csum_finish(csum_add_iov(v4 ? 0 : csum_pseudo(ip.src, ip.to, ip.proto, (uint32_t)skb->len), iov + 1,
							    1)) }, 2);
	err = ip_output(&ip, iov, 2);
out:
	skb_free(skb);
	return err;
}

/* An echo's answer. */
void ping_input(struct pkt *k)
{
	struct sock *sk _cleanup_sock_ = NULL;
	struct inet_name from = k->src;

	k->dst.port = k->src.port = get_be16(k->p + 4);
	from.port = 0;
	sk = k->dst.port ? inet_find(k->nif->net, INET_PING, &k->dst, NULL) : NULL;
	if (!sk) /* a connected one */
		sk = k->dst.port ? inet_find(k->nif->net, INET_PING, &k->dst, &k->src) : NULL;
	if (sk)
		inet_deliver(sk, k, k->p, k->len, &from);
}
