/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ARP (RFC 826) and the part of neighbour discovery (RFC 4861) that does its work for IPv6.
 */
#include "netstack/ip.h"
#include "netstack/neigh.h"

#define ARP_LEN 28

static void arp_send(struct netif *nif, const uint8_t eth_to[6], uint16_t op, const uint8_t sip[4], const uint8_t tha[6],
		     const uint8_t tip[4])
{
	uint8_t f[ETH_HLEN + ARP_LEN];
	struct iovec iov = { f, sizeof(f) };

	memcpy(f, eth_to, 6);
	memcpy(f + 6, nif->hwaddr, 6);
	put_be16(f + 12, ETH_P_ARP);
	memcpy(f + 14, (uint8_t[]){ 0, 1, 8, 0, 6, 4, 0, op }, 8);
	memcpy(f + 22, nif->hwaddr, 6);
	memcpy(f + 28, sip, 4);
	memcpy(f + 32, tha, 6);
	memcpy(f + 38, tip, 4);
	link_xmit(nif, &iov, 1);
}

void arp_request(struct netif *nif, const uint8_t to[16], const uint8_t from[16])
{
	static const uint8_t ones[6] = { 255, 255, 255, 255, 255, 255 }, zero[6];
	uint8_t src[4] = { 0 };
	struct ifaddr *a;

	if (from) {
		memcpy(src, from + 12, 4);
	} else {
		MUTEX_GUARD(&netif_lock);

		list_for_each_entry(a, &nif->addrs, link)
			if (addr_is_v4(a->addr) && (addr_in_prefix(to, a->addr, a->plen) || !src[0]))
				memcpy(src, a->addr + 12, 4);
	}
	arp_send(nif, ones, 1, src, zero, to + 12);
}

void arp_input(struct netif *nif, const uint8_t *p, size_t len)
{
	uint8_t sip[16], tip[16];
	bool ours = false;
	struct ifaddr *a;

	if (len < ARP_LEN || get_be16(p) != 1 || get_be16(p + 2) != ETH_P_IP || p[4] != 6 || p[5] != 4)
		return;
	if (READ_ONCE(nif->flags) & LINUX_IFF_NOARP)
		return;
	addr_set(sip, LINUX_AF_INET, p + 14);
	addr_set(tip, LINUX_AF_INET, p + 24);
	mutex_lock(&netif_lock);
	list_for_each_entry(a, &nif->addrs, link)
		ours |= !memcmp(a->addr, tip, 16);
	mutex_unlock(&netif_lock);
	if (!addr_is_any(sip))
		neigh_confirm(nif, sip, p + 8);
	if (ours && get_be16(p + 6) == 1)
		arp_send(nif, p + 8, 2, tip + 12, p + 8, p + 14);
}

/* --- IPv6 --- */

static void ndp_send(struct netif *nif, uint8_t type, uint32_t flags, const uint8_t src[16], const uint8_t to[16],
		     const uint8_t target[16])
{
	uint8_t f[IP_HEADROOM + 32] = { 0 }, *p = f + IP_HEADROOM;
	struct iovec iov = { f, sizeof(f) }, sum = { p, 32 };
	struct dst dst = { .oif = nif, .mtu = nif->mtu };
	struct ip_params ip = { .dst = &dst, .src = src, .to = to, .proto = LINUX_IPPROTO_ICMPV6, .ttl = 255 };

	memcpy(dst.nexthop, to, 16);
	p[0] = type;
	put_be32(p + 4, flags);
	memcpy(p + 8, target, 16);
	p[24] = type == 135 ? 1 : 2; /* source or target link-layer address */
	p[25] = 1;
	memcpy(p + 26, nif->hwaddr, 6);
	memcpy(p + 2, &(uint16_t){ csum_finish(csum_add_iov(csum_pseudo(src, to, LINUX_IPPROTO_ICMPV6, 32), &sum, 1)) }, 2);
	ip_output(&ip, &iov, 1);
}

static bool ndp_own_address(struct netif *nif, const uint8_t near[16], uint8_t ret[16])
{
	struct ifaddr *a;
	bool found = false;
	MUTEX_GUARD(&netif_lock);

	list_for_each_entry(a, &nif->addrs, link)
		if (!addr_is_v4(a->addr) && (!found || addr_in_prefix(near, a->addr, a->plen))) {
			memcpy(ret, a->addr, 16);
			found = true;
		}
	return found;
}

void ndp_solicit(struct netif *nif, const uint8_t to[16])
{
	uint8_t src[16], group[16] = { 0xff, 2, [11] = 1, [12] = 0xff, to[13], to[14], to[15] };

	if (ndp_own_address(nif, to, src))
		ndp_send(nif, 135, 0, src, group, to);
}

/* The link-layer address option of @type, or NULL. */
static const uint8_t *ndp_option(const uint8_t *p, size_t len, uint8_t type)
{
	while (len >= 8 && p[1] && (size_t)p[1] * 8 <= len) {
		size_t n = (size_t)p[1] * 8;

		if (p[0] == type)
			return p + 2;
		p += n;
		len -= n;
	}
	return NULL;
}

bool ndp_input(const struct pkt *k)
{
	const uint8_t *p = k->p, *ll;
	struct ifaddr *a;
	bool ours = false;

	if (k->len < 24 || (p[0] != 135 && p[0] != 136))
		return p[0] >= 133 && p[0] <= 137; /* router discovery: addresses are configured */
	if (k->ttl != 255 || p[1] || k->local)
		return true;
	ll = ndp_option(p + 24, k->len - 24, p[0] == 135 ? 1 : 2);
	if (p[0] == 136) {
		if (ll)
			neigh_confirm(k->nif, p + 8, ll);
		return true;
	}
	mutex_lock(&netif_lock);
	list_for_each_entry(a, &k->nif->addrs, link)
		ours |= !memcmp(a->addr, p + 8, 16);
	mutex_unlock(&netif_lock);
	if (!ours || inet_is_any(&k->src))
		return true;
	if (ll)
		neigh_set(k->nif, k->src.addr, ll, LINUX_NUD_REACHABLE, false);
	ndp_send(k->nif, 136, 0x60000000, p + 8, k->src.addr, p + 8);
	return true;
}
