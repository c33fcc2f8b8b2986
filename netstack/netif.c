/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of interfaces and their addresses.
 */
#include <stdlib.h>

#include "netstack/netif.h"
#include "sentry/abi/errno.h"

struct mutex netif_lock = MUTEX_INIT;
LIST_HEAD(netifs);
static int next_index = 1;
static struct netif lo;

void addr_set(uint8_t ret[16], int family, const void *bytes)
{
	if (family == LINUX_AF_INET) {
		memset(ret, 0, 10);
		ret[10] = ret[11] = 0xff;
		memcpy(ret + 12, bytes, 4);
	} else {
		memcpy(ret, bytes, 16);
	}
}

void addr_set_v4(uint8_t ret[16], uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
	addr_set(ret, LINUX_AF_INET, (uint8_t[]){ a, b, c, d });
}

bool addr_in_prefix(const uint8_t a[16], const uint8_t prefix[16], unsigned plen)
{
	unsigned bytes = plen / 8, bits = plen % 8;

	if (memcmp(a, prefix, bytes))
		return false;
	return !bits || !((a[bytes] ^ prefix[bytes]) >> (8 - bits));
}

/* --- interfaces --- */

void netif_register(struct netif *nif)
{
	list_init(&nif->addrs);
	mutex_lock(&netif_lock);
	nif->index = next_index++;
	list_add_tail(&nif->link, &netifs);
	mutex_unlock(&netif_lock);
	rtnl_notify_link(nif, false);
}

struct netif *netif_find(int index)
{
	struct netif *nif;
	MUTEX_GUARD(&netif_lock);

	list_for_each_entry(nif, &netifs, link)
		if (nif->index == index)
			return nif;
	return NULL;
}

struct netif *netif_find_name(const char *name)
{
	struct netif *nif;
	MUTEX_GUARD(&netif_lock);

	list_for_each_entry(nif, &netifs, link)
		if (!strcmp(nif->name, name))
			return nif;
	return NULL;
}

struct netif *netif_lo(void)
{
	return &lo;
}

/* Routes over an interface go with it, as fib_disable_ip() has it; the connected ones come back with it. */
static void netif_routes_changed(struct netif *nif, bool up)
{
	if (!up) {
		struct route any = { .oif = nif };

		while (!route_del(&any))
			;
		return;
	}
	for (unsigned i = 0;; i++) {
		struct ifaddr *a, copy;
		unsigned n = 0;
		bool found = false;

		mutex_lock(&netif_lock);
		list_for_each_entry(a, &nif->addrs, link)
			if (n++ == i) {
				copy = *a;
				found = true;
			}
		mutex_unlock(&netif_lock);
		if (!found)
			return;
		if (copy.plen < 128 && nif != &lo) {
			struct route r = { .plen = copy.plen, .oif = nif, .table = LINUX_RT_TABLE_MAIN, .has_prefsrc = true,
					   .protocol = LINUX_RTPROT_KERNEL, .scope = LINUX_RT_SCOPE_LINK, .type = LINUX_RTN_UNICAST };

			memcpy(r.dst, copy.addr, 16);
			memcpy(r.prefsrc, copy.addr, 16);
			route_add(&r, LINUX_NLM_F_CREATE);
		}
	}
}

int netif_set_flags(struct netif *nif, unsigned flags, unsigned mask)
{
	unsigned old, now;

	mask &= LINUX_IFF_UP | LINUX_IFF_PROMISC | LINUX_IFF_ALLMULTI | LINUX_IFF_NOARP;
	mutex_lock(&netif_lock);
	old = nif->flags;
	now = (old & ~mask) | (flags & mask);
	now &= ~(LINUX_IFF_RUNNING | LINUX_IFF_LOWER_UP);
	if (now & LINUX_IFF_UP && atomic_load(&nif->carrier))
		now |= LINUX_IFF_RUNNING | LINUX_IFF_LOWER_UP;
	WRITE_ONCE(nif->flags, now);
	mutex_unlock(&netif_lock);
	if (now == old)
		return 0;
	rtnl_notify_link(nif, false);
	if ((old ^ now) & LINUX_IFF_UP)
		netif_routes_changed(nif, now & LINUX_IFF_UP);
	return 0;
}

int netif_set_mtu(struct netif *nif, unsigned mtu)
{
	if (mtu < 68 || mtu > nif->max_mtu)
		return -LINUX_EINVAL;
	WRITE_ONCE(nif->mtu, mtu);
	rtnl_notify_link(nif, false);
	return 0;
}

void netif_set_carrier(struct netif *nif, bool on)
{
	if (atomic_exchange(&nif->carrier, on) != on)
		netif_set_flags(nif, 0, 0);
}

/* --- addresses --- */

static struct ifaddr *ifaddr_find_locked(const uint8_t addr[16])
{
	struct ifaddr *a;
	struct netif *nif;

	list_for_each_entry(nif, &netifs, link)
		list_for_each_entry(a, &nif->addrs, link)
			if (!memcmp(a->addr, addr, 16))
				return a;
	return NULL;
}

static bool addr_is_loopback_net(const uint8_t a[16])
{
	return addr_is_v4(a) && a[12] == 127;
}

bool addr_is_local(const uint8_t a[16])
{
	MUTEX_GUARD(&netif_lock);

	return addr_is_loopback_net(a) || ifaddr_find_locked(a);
}

bool addr_is_broadcast(const uint8_t addr[16])
{
	static const uint8_t ones[4] = { 255, 255, 255, 255 };
	struct ifaddr *a;
	struct netif *nif;

	if (!addr_is_v4(addr))
		return false;
	if (!memcmp(addr + 12, ones, 4))
		return true;
	MUTEX_GUARD(&netif_lock);
	list_for_each_entry(nif, &netifs, link)
		list_for_each_entry(a, &nif->addrs, link) {
			uint8_t last[16];

			if (!addr_is_v4(a->addr) || a->plen >= 127 || nif == &lo)
				continue;
			memcpy(last, a->addr, 16);
			for (unsigned bit = a->plen; bit < 128; bit++)
				last[bit / 8] |= 0x80 >> (bit % 8);
			if (!memcmp(last, addr, 16))
				return true;
		}
	return false;
}

static void ifaddr_connected_route(const struct ifaddr *a, struct route *r)
{
	*r = (struct route){ .plen = a->plen, .oif = a->nif, .table = LINUX_RT_TABLE_MAIN, .protocol = LINUX_RTPROT_KERNEL,
			     .scope = LINUX_RT_SCOPE_LINK, .type = LINUX_RTN_UNICAST };
	memcpy(r->dst, a->addr, 16);
	memcpy(r->prefsrc, a->addr, 16);
	r->has_prefsrc = addr_is_v4(a->addr);
	if (!r->has_prefsrc) {
		r->scope = LINUX_RT_SCOPE_UNIVERSE;
		r->metric = 256;
	}
}

int ifaddr_add(const struct ifaddr *a)
{
	struct ifaddr *old, *new = malloc(sizeof(*new));
	struct route r;

	if (!new)
		return -LINUX_ENOMEM;
	*new = *a;
	mutex_lock(&netif_lock);
	old = ifaddr_find_locked(a->addr);
	if (old && old->nif == a->nif && old->plen == a->plen) {
		mutex_unlock(&netif_lock);
		free(new);
		return -LINUX_EEXIST;
	}
	list_add_tail(&new->link, &a->nif->addrs);
	mutex_unlock(&netif_lock);
	rtnl_notify_addr(a, false);
	if (a->nif != &lo && a->plen < 128 && READ_ONCE(a->nif->flags) & LINUX_IFF_UP) {
		ifaddr_connected_route(a, &r);
		route_add(&r, LINUX_NLM_F_CREATE);
	}
	return 0;
}

int ifaddr_del(struct netif *nif, const uint8_t addr[16], unsigned plen)
{
	struct ifaddr *a, *found = NULL;
	bool last = addr_is_v4(addr);
	struct route r;

	mutex_lock(&netif_lock);
	list_for_each_entry(a, &nif->addrs, link)
		if (!memcmp(a->addr, addr, 16) && (!plen || plen == a->plen)) {
			found = a;
			list_del(&a->link);
			break;
		}
	list_for_each_entry(a, &nif->addrs, link)
		last &= addr_is_v4(a->addr) != addr_is_v4(addr);
	mutex_unlock(&netif_lock);
	if (!found)
		return -LINUX_EADDRNOTAVAIL;
	rtnl_notify_addr(found, true);
	ifaddr_connected_route(found, &r);
	route_del(&r);
	/* Routes that prefer it as their source, as fib_sync_down_addr() has it. */
	r = (struct route){ .has_prefsrc = true };
	memcpy(r.prefsrc, found->addr, 16);
	while (!route_del(&r))
		;
	/* Without its last address IPv4 has no business on it. */
	r = (struct route){ .oif = nif };
	while (last && !route_del(&r))
		;
	free(found);
	return 0;
}

void netif_init(void)
{
	struct ifaddr a = { .nif = &lo, .plen = 96 + 8, .scope = LINUX_RT_SCOPE_HOST };

	strcpy(lo.name, "lo");
	lo.type = LINUX_ARPHRD_LOOPBACK;
	lo.mtu = lo.max_mtu = 65536;
	lo.flags = LINUX_IFF_UP | LINUX_IFF_LOOPBACK | LINUX_IFF_RUNNING | LINUX_IFF_LOWER_UP;
	atomic_store(&lo.carrier, true);
	netif_register(&lo);
	addr_set_v4(a.addr, 127, 0, 0, 1);
	ifaddr_add(&a);
	memset(a.addr, 0, 16);
	a.addr[15] = 1;
	a.plen = 128;
	ifaddr_add(&a);
}
