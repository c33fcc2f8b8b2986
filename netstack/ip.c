/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IPv4 (RFC 791) and IPv6 (RFC 8200): headers, fragments, and which protocol a packet is for.
 */
#include <stdlib.h>

#include "netstack/ip.h"
#include "netstack/neigh.h"
#include "netstack/net_namespace.h"
#include "netstack/sock_queue.h"

#define IP_DF 0x4000
#define IP_MF 0x2000
#define NR_REASSEMBLIES 16
#define REASSEMBLY_NS (30 * 1000000000LL)
#define PACKET_MAX 65535

static atomic_uint next_id;

/* --- sending --- */

static void ip4_header(uint8_t *h, const struct ip_params *ip, size_t payload, uint16_t id, uint16_t frag)
{
	memset(h, 0, IP_HLEN);
	h[0] = 0x45;
	h[1] = ip->tos;
	put_be16(h + 2, (uint16_t)(IP_HLEN + payload));
	put_be16(h + 4, id);
	put_be16(h + 6, frag);
	h[8] = ip->ttl;
	h[9] = ip->proto;
	memcpy(h + 12, ip->src + 12, 4);
	memcpy(h + 16, ip->to + 12, 4);
	memcpy(h + 10, &(uint16_t){ csum_finish(csum_add(0, h, IP_HLEN)) }, 2);
}

static void ip6_header(uint8_t *h, const struct ip_params *ip, size_t payload)
{
	put_be32(h, 6U << 28 | (uint32_t)ip->tos << 20);
	put_be16(h + 4, (uint16_t)payload);
	h[6] = ip->proto;
	h[7] = ip->ttl;
	memcpy(h + 8, ip->src, 16);
	memcpy(h + 24, ip->to, 16);
}

static size_t iov_total(const struct iovec *iov, unsigned nr)
{
	size_t len = 0;

	for (unsigned i = 0; i < nr; i++)
		len += iov[i].iov_len;
	return len;
}

/* Copies @n bytes from @off of what @iov holds. */
static void iov_slice(const struct iovec *iov, unsigned nr, size_t off, uint8_t *to, size_t n)
{
	for (unsigned i = 0; i < nr && n; i++) {
		size_t take;

		if (off >= iov[i].iov_len) {
			off -= iov[i].iov_len;
			continue;
		}
		take = MIN(iov[i].iov_len - off, n);
		memcpy(to, (uint8_t *)iov[i].iov_base + off, take);
		to += take;
		n -= take;
		off = 0;
	}
}

/* In pieces that fit the link: copied, because this is rare. */
static int ip4_fragment(const struct ip_params *ip, const struct iovec *iov, unsigned nr, size_t payload)
{
	size_t max = ALIGN_DOWN(ip->dst->mtu - IP_HLEN, 8), off = 0;
	uint16_t id = (uint16_t)atomic_fetch_add(&next_id, 1);
	uint8_t *frame;
	int err = 0;

	if (payload + IP_HLEN > PACKET_MAX)
		return -LINUX_EMSGSIZE;
	frame = malloc(ETH_HLEN + IP_HLEN + max);
	if (!frame)
		return -LINUX_ENOMEM;
	while (off < payload && !err) {
		size_t n = MIN(max, payload - off);
		struct iovec f = { frame, ETH_HLEN + IP_HLEN + n };

		ip4_header(frame + ETH_HLEN, ip, n, id, (uint16_t)(off / 8 | (off + n < payload ? IP_MF : 0)));
		iov_slice(iov, nr, IP_HEADROOM + off, frame + ETH_HLEN + IP_HLEN, n);
		err = neigh_xmit(ip->dst->oif, ip->dst->nexthop, &f, 1);
		off += n;
	}
	free(frame);
	return err;
}

int ip_output(const struct ip_params *ip, struct iovec *iov, unsigned nr)
{
	bool v4 = addr_is_v4(ip->to);
	size_t hlen = v4 ? IP_HLEN : IP6_HLEN, payload = iov_total(iov, nr) - IP_HEADROOM;
	size_t skip = IP_HEADROOM - hlen - ETH_HLEN;
	struct iovec first = iov[0];
	int err;

	if (!ip->dst->local && payload + hlen > ip->dst->mtu) {
		if (!v4 || ip->dont_fragment)
			return -LINUX_EMSGSIZE;
		return ip4_fragment(ip, iov, nr, payload);
	}
	if (payload + (v4 ? hlen : 0) > PACKET_MAX)
		return -LINUX_EMSGSIZE;
	iov[0].iov_base = (uint8_t *)first.iov_base + skip;
	iov[0].iov_len = first.iov_len - skip;
	if (v4)
		ip4_header((uint8_t *)iov[0].iov_base + ETH_HLEN, ip, payload, (uint16_t)atomic_fetch_add(&next_id, 1),
			   ip->dont_fragment ? IP_DF : 0);
	else
		ip6_header((uint8_t *)iov[0].iov_base + ETH_HLEN, ip, payload);
	if (ip->dst->local) {
		iov[0].iov_base = (uint8_t *)iov[0].iov_base + ETH_HLEN;
		iov[0].iov_len -= ETH_HLEN;
		err = ip_loopback(ip->dst->oif->net, iov, nr, !v4);
	} else {
		err = neigh_xmit(ip->dst->oif, ip->dst->nexthop, iov, nr);
	}
	iov[0] = first;
	return err;
}

int ip_loopback(struct net *net, const struct iovec *iov, unsigned nr, bool v6)
{
	struct netif *lo = netif_lo(net);
	size_t len = iov_total(iov, nr);
	struct skb *skb = skb_new(NULL, len);

	if (!skb)
		return -LINUX_ENOMEM;
	iov_slice(iov, nr, 0, (uint8_t *)skb->data, len);
	atomic_fetch_add(&lo->stats.rx_packets, 1);
	atomic_fetch_add(&lo->stats.tx_packets, 1);
	atomic_fetch_add(&lo->stats.rx_bytes, len);
	atomic_fetch_add(&lo->stats.tx_bytes, len);
	ip_input(lo, skb, (uint8_t *)skb->data, len, v6, true);
	return 0;
}

/* --- fragments that arrive --- */

struct reassembly {
	uint8_t key[12];	/* source, destination, identification, protocol, 0 */
	deadline_t until;	/* 0: free */
	struct skb *skb;	/* IP header and payload; owned */
	size_t have, total;	/* bytes of payload; total 0: the last piece isn't there */
	uint8_t seen[PACKET_MAX / 64 + 2]; /* a bit per 8 bytes */
};
static struct mutex reassembly_lock = MUTEX_INIT;
static struct reassembly *reassemblies[NR_REASSEMBLIES]; /* reassembly_lock */

static void reassembly_free(struct reassembly *r)
{
	if (r->skb)
		skb_free(r->skb);
	r->skb = NULL;
	r->until = 0;
}

static struct reassembly *reassembly_get_locked(const uint8_t key[12])
{
	struct reassembly *oldest = NULL;
	int64_t now = monotonic_ns();

	for (int i = 0; i < NR_REASSEMBLIES; i++) {
		struct reassembly *r = reassemblies[i];

		if (!r) {
			r = reassemblies[i] = calloc(1, sizeof(*r));
			if (!r)
				return NULL;
		}
		if (r->until > now && !memcmp(r->key, key, 12))
			return r;
		if (!oldest || r->until < oldest->until)
			oldest = r;
	}
	reassembly_free(oldest);
	oldest->skb = skb_new(NULL, IP_HLEN + PACKET_MAX);
	if (!oldest->skb)
		return NULL;
	memcpy(oldest->key, key, 12);
	memset(oldest->seen, 0, sizeof(oldest->seen));
	oldest->have = oldest->total = 0;
	oldest->until = now + REASSEMBLY_NS;
	return oldest;
}

/* The whole packet once its last piece came (an skb with IP header), or NULL. */
static struct skb *ip4_reassemble(const uint8_t *h, size_t hlen, const uint8_t *p, size_t len)
{
	uint16_t frag = get_be16(h + 6);
	size_t off = (size_t)(frag & 0x1fff) * 8;
	uint8_t key[12], *to;
	struct reassembly *r;
	struct skb *whole;
	MUTEX_GUARD(&reassembly_lock);

	memcpy(key, h + 12, 8);
	memcpy(key + 8, h + 4, 2);
	key[10] = h[9];
	key[11] = 0;
	if (!len || off + len > PACKET_MAX - IP_HLEN || (frag & IP_MF && len % 8))
		return NULL;
	r = reassembly_get_locked(key);
	if (!r)
		return NULL;
	to = (uint8_t *)r->skb->data + IP_HLEN;
	for (size_t i = 0; i < len; i += 8) {
		size_t bit = (off + i) / 8;

		if (r->seen[bit / 8] & 1 << bit % 8) { /* overlapping pieces are an attack: RFC 5722 */
			reassembly_free(r);
			return NULL;
		}
		r->seen[bit / 8] |= 1 << bit % 8;
	}
	memcpy(to + off, p, len);
	r->have += len;
	if (!off)
		memcpy(r->skb->data, h, MIN(hlen, (size_t)IP_HLEN));
	if (!(frag & IP_MF)) {
		if (r->total)
			return NULL;
		r->total = off + len;
	}
	if (!r->total || r->have < r->total)
		return NULL;
	if (r->have > r->total) {
		reassembly_free(r);
		return NULL;
	}
	whole = r->skb;
	r->skb = NULL;
	whole->len = IP_HLEN + r->total;
	to = (uint8_t *)whole->data;
	to[0] = 0x45;
	put_be16(to + 2, (uint16_t)whole->len);
	put_be16(to + 6, 0);
	reassembly_free(r);
	return whole;
}

/* --- receiving --- */

static void ip_dispatch(struct pkt *k)
{
	bool raw = raw_input(k);

	switch (k->proto) {
	case LINUX_IPPROTO_ICMP:
		if (addr_is_v4(k->dst.addr))
			icmp_input(k);
		break;
	case LINUX_IPPROTO_ICMPV6:
		if (!addr_is_v4(k->dst.addr))
			icmp6_input(k);
		break;
	case LINUX_IPPROTO_TCP:
		tcp_input(k);
		break;
	case LINUX_IPPROTO_UDP:
		udp_input(k);
		break;
	default:
		if (!raw)
			icmp_unreachable(k);
	}
}

/* Whether a packet is for us; loopback addresses come from ourselves only. */
static bool ip_accept(struct pkt *k)
{
	if (!k->local && (inet_is_loopback(&k->src) || inet_is_loopback(&k->dst)))
		return false;
	if (inet_is_multicast(&k->src) || addr_is_broadcast(k->nif->net, k->src.addr))
		return false;
	k->broadcast = inet_is_multicast(&k->dst) || addr_is_broadcast(k->nif->net, k->dst.addr);
	return k->broadcast || addr_is_local(k->nif->net, k->dst.addr);
}

/* Fills in @k from the header at @p; false for what is malformed. */
static bool ip4_parse(struct pkt *k, uint8_t *p, size_t len)
{
	size_t hlen, total;

	if (len < IP_HLEN || p[0] >> 4 != 4)
		return false;
	hlen = (size_t)(p[0] & 15) * 4;
	total = get_be16(p + 2);
	if (hlen < IP_HLEN || total < hlen || total > len || csum_finish(csum_add(0, p, hlen)))
		return false;
	inet_set_v4(&k->src, 0);
	inet_set_v4(&k->dst, 0);
	memcpy(k->src.addr + 12, p + 12, 4);
	memcpy(k->dst.addr + 12, p + 16, 4);
	k->ip = p;
	k->ip_len = total;
	k->p = p + hlen;
	k->len = total - hlen;
	k->tos = p[1];
	k->ttl = p[8];
	k->proto = p[9];
	return true;
}

static bool ip6_parse(struct pkt *k, uint8_t *p, size_t len)
{
	size_t total;

	if (len < IP6_HLEN || p[0] >> 4 != 6)
		return false;
	total = get_be16(p + 4);
	if (total > len - IP6_HLEN)
		return false;
	memcpy(k->src.addr, p + 8, 16);
	memcpy(k->dst.addr, p + 24, 16);
	k->src.scope = addr_has_scope(k->src.addr) ? k->nif->index : 0;
	if (addr_is_v4(k->src.addr) || addr_is_v4(k->dst.addr)) /* mapped addresses never travel */
		return false;
	k->ip = p;
	k->ip_len = IP6_HLEN + total;
	k->p = p + IP6_HLEN;
	k->len = total;
	k->tos = (uint8_t)(get_be16(p) >> 4);
	k->ttl = p[7];
	k->proto = p[6];
	/* Hop-by-hop and destination options are passed over; routing headers and fragments are not for us. */
	for (int i = 0; i < 8 && (k->proto == 0 || k->proto == 60); i++) {
		size_t n;

		if (k->len < 8)
			return false;
		n = ((size_t)k->p[1] + 1) * 8;
		if (n > k->len)
			return false;
		k->proto = k->p[0];
		k->p += n;
		k->len -= n;
	}
	return k->proto != 43 && k->proto != 44;
}

void ip_input(struct netif *nif, struct skb *skb, uint8_t *p, size_t len, bool v6, bool local)
{
	struct pkt k = { .nif = nif, .skb = skb, .local = local };

	if (!(v6 ? ip6_parse(&k, p, len) : ip4_parse(&k, p, len))) {
		atomic_fetch_add(&nif->stats.rx_errors, 1);
		skb_free(skb);
		return;
	}
	if (!ip_accept(&k)) {
		atomic_fetch_add(&nif->stats.rx_dropped, 1);
		skb_free(skb);
		return;
	}
	if (!v6 && get_be16(p + 6) & (IP_MF | 0x1fff)) {
		struct skb *whole = ip4_reassemble(p, (size_t)(p[0] & 15) * 4, k.p, k.len);

		skb_free(skb);
		if (!whole)
			return;
		k.skb = whole;
		k.ip = (uint8_t *)whole->data;
		k.ip_len = whole->len;
		k.p = (uint8_t *)whole->data + IP_HLEN;
		k.len = whole->len - IP_HLEN;
	}
	ip_dispatch(&k);
	if (k.skb)
		skb_free(k.skb);
}
