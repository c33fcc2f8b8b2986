/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of interfaces and their addresses.
 */
#include <stdio.h>
#include <stdlib.h>

#include "netstack/tcp.h"
#include "netstack/neigh.h"
#include "netstack/net_namespace.h"
#include "sentry/abi/errno.h"

#define NR_NETIFS_MAX 4096

struct mutex netif_lock = MUTEX_INIT, rtnl_lock = MUTEX_INIT;

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

static struct netif *netif_find_locked(struct net *net, int index)
{
	struct netif *nif;

	list_for_each_entry(nif, &net->netifs, link)
		if (nif->index == index)
			return nif;
	return NULL;
}

static struct netif *netif_find_name_locked(struct net *net, const char *name)
{
	struct netif *nif;

	list_for_each_entry(nif, &net->netifs, link)
		if (!strcmp(nif->name, name))
			return nif;
	return NULL;
}

struct netif *netif_find(struct net *net, int index)
{
	MUTEX_GUARD(&netif_lock);

	return netif_find_locked(net, index);
}

struct netif *netif_find_name(struct net *net, const char *name)
{
	MUTEX_GUARD(&netif_lock);

	return netif_find_name_locked(net, name);
}

struct netif *netif_next(struct net *net, int index)
{
	struct netif *nif, *best = NULL;
	MUTEX_GUARD(&netif_lock);

	list_for_each_entry(nif, &net->netifs, link)
		if (nif->index >= index && (!best || nif->index < best->index))
			best = nif;
	return best;
}

struct netif *netif_lo(struct net *net)
{
	return &net->lo;
}

/* dev_valid_name() of Linux. */
static bool netif_name_valid(const char *name)
{
	if (!*name || strnlen(name, 16) == 16 || !strcmp(name, ".") || !strcmp(name, ".."))
		return false;
	for (; *name; name++)
		if (*name == '/' || *name == ':' || *name == ' ' || (*name >= '\t' && *name <= '\r'))
			return false;
	return true;
}

/* The name that @want comes to: "%d" stands for the first number that is free.  0, -EEXIST, -EINVAL, -ENFILE. */
static int netif_name_locked(struct net *net, const char *want, char ret[16])
{
	const char *number = strchr(want, '%');

	if (!netif_name_valid(want))
		return -LINUX_EINVAL;
	if (!number) {
		snprintf(ret, 16, "%s", want);
		return netif_find_name_locked(net, ret) ? -LINUX_EEXIST : 0;
	}
	if (number[1] != 'd' || strchr(number + 2, '%'))
		return -LINUX_EINVAL;
	for (int i = 0; i < NR_NETIFS_MAX; i++) {
		if (snprintf(ret, 16, "%.*s%d%s", (int)(number - want), want, i, number + 2) >= 16)
			return -LINUX_EINVAL;
		if (!netif_find_name_locked(net, ret))
			return 0;
	}
	return -LINUX_ENFILE;
}

struct netif *netif_new(struct net *net, const char *name)
{
	struct netif *nif, *again = NULL;
	int err = -LINUX_ENFILE;

	nif = malloc(sizeof(*nif));
	mutex_lock(&netif_lock);
	if (net->nr_netifs < NR_NETIFS_MAX)
		again = list_first_entry_or_null(&net->unused, struct netif, link);
	if (again) {
		list_del(&again->link);
		free(nif);
		nif = again;
	}
	if (!nif) {
		mutex_unlock(&netif_lock);
		return ERR_PTR(-LINUX_ENOMEM);
	}
	memset(nif, 0, sizeof(*nif));
	list_init(&nif->link);
	list_init(&nif->addrs);
	nif->net = net;
	if (net->nr_netifs < NR_NETIFS_MAX)
		err = netif_name_locked(net, name, nif->name);
	mutex_unlock(&netif_lock);
	if (!err)
		return nif;
	netif_drop(nif);
	return ERR_PTR(err);
}

void netif_drop(struct netif *nif)
{
	MUTEX_GUARD(&netif_lock);

	list_add_tail(&nif->link, &nif->net->unused);
}

void netif_register(struct net *net, struct netif *nif, int index)
{
	list_init(&nif->addrs);
	nif->net = net;
	mutex_lock(&netif_lock);
	if (index <= 0 || netif_find_locked(net, index)) {
		do
			index = net->next_index++;
		while (netif_find_locked(net, index));
	}
	nif->index = index;
	list_add_tail(&nif->link, &net->netifs);
	net->nr_netifs++;
	mutex_unlock(&netif_lock);
	rtnl_notify_link(nif, false);
}

/* Its addresses, routes, neighbours and connections go. */
static void netif_forget_all(struct netif *nif)
{
	netif_set_flags(nif, 0, LINUX_IFF_UP);
	tcp_link_down(nif);
	for (;;) {
		struct ifaddr *a;
		uint8_t addr[16];

		mutex_lock(&netif_lock);
		a = list_first_entry_or_null(&nif->addrs, struct ifaddr, link);
		if (a)
			memcpy(addr, a->addr, 16);
		mutex_unlock(&netif_lock);
		if (!a || ifaddr_del(nif, addr, 0))
			break;
	}
	neigh_flush(nif);
}

void netif_unregister(struct netif *nif)
{
	if (nif->kind && nif->kind->leave)
		nif->kind->leave(nif, NULL);
	netif_forget_all(nif);
	mutex_lock(&netif_lock);
	list_del(&nif->link);
	nif->net->nr_netifs--;
	mutex_unlock(&netif_lock);
	rtnl_notify_link(nif, true);
	mutex_lock(&netif_lock);
	list_add_tail(&nif->link, &nif->net->unused);
	mutex_unlock(&netif_lock);
}

int netif_move(struct netif *nif, struct net *net, const char *name)
{
	struct netif *new;

	if (!nif->kind)
		return -LINUX_EINVAL;
	new = netif_new(net, name ? name : nif->name);
	if (IS_ERR(new))
		return (int)PTR_ERR(new);
	new->kind = nif->kind;
	new->type = nif->type;
	new->mtu = nif->mtu;
	new->max_mtu = nif->max_mtu;
	new->xmit = nif->xmit;
	new->flags = nif->flags & ~(LINUX_IFF_UP | LINUX_IFF_RUNNING | LINUX_IFF_LOWER_UP);
	memcpy(new->hwaddr, nif->hwaddr, 6);
	atomic_store(&new->carrier, !nif->peer);
	if (nif->kind->leave)
		nif->kind->leave(nif, new);
	netif_register(net, new, nif->index);
	netif_forget_all(nif);
	mutex_lock(&netif_lock);
	list_del(&nif->link);
	nif->net->nr_netifs--;
	mutex_unlock(&netif_lock);
	rtnl_notify_link(nif, true);
	netif_drop(nif);
	return 0;
}

int netif_rename(struct netif *nif, const char *name)
{
	char new[16];
	int err;

	mutex_lock(&netif_lock);
	err = nif->flags & LINUX_IFF_UP ? -LINUX_EBUSY : !strcmp(nif->name, name) ? 0 : netif_name_locked(nif->net, name, new);
	if (!err && strcmp(nif->name, name))
		memcpy(nif->name, new, sizeof(new));
	mutex_unlock(&netif_lock);
	if (!err)
		rtnl_notify_link(nif, false);
	return err;
}

/* Routes over an interface go with it, as fib_disable_ip() has it; the connected ones come back with it. */
static void netif_routes_changed(struct netif *nif, bool up)
{
	if (!up) {
		struct route any = { .oif = nif };

		while (!route_del(nif->net, &any))
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
		if (copy.plen < 128 && !netif_is_lo(nif)) {
			struct route r = { .plen = copy.plen, .oif = nif, .table = LINUX_RT_TABLE_MAIN, .has_prefsrc = true,
					   .protocol = LINUX_RTPROT_KERNEL, .scope = LINUX_RT_SCOPE_LINK, .type = LINUX_RTN_UNICAST };

			memcpy(r.dst, copy.addr, 16);
			memcpy(r.prefsrc, copy.addr, 16);
			route_add(nif->net, &r, LINUX_NLM_F_CREATE);
		}
	}
}

/* lo has its addresses once it was up: inetdev_event() and init_loopback() of Linux; ::1 goes when it goes down. */
static void lo_changed(struct netif *lo, bool up)
{
	struct ifaddr a = { .nif = lo, .plen = 96 + 8, .scope = LINUX_RT_SCOPE_HOST };
	struct ifaddr b = { .nif = lo, .plen = 128, .scope = LINUX_RT_SCOPE_HOST };

	b.addr[15] = 1;
	if (!up) {
		ifaddr_del(lo, b.addr, 128);
		return;
	}
	addr_set_v4(a.addr, 127, 0, 0, 1);
	ifaddr_add(&a);
	ifaddr_add(&b);
}

void netif_link_local(const struct netif *nif, uint8_t ret[16])
{
	const uint8_t *h = nif->hwaddr;

	memcpy(ret, (uint8_t[]){ 0xfe, 0x80, 0, 0, 0, 0, 0, 0, h[0] ^ 2, h[1], h[2], 0xff, 0xfe, h[3], h[4], h[5] }, 16);
}

/* An address of the link comes when it comes up, and all of IPv6 goes with it: addrconf_notify() of Linux. */
static void ether_changed(struct netif *nif, bool up)
{
	struct ifaddr a = { .nif = nif, .plen = 64, .scope = LINUX_RT_SCOPE_LINK }, *i;

	if (up) {
		netif_link_local(nif, a.addr);
		ifaddr_add(&a);
		return;
	}
	neigh_flush(nif);
	for (bool found = true; found;) {
		found = false;
		mutex_lock(&netif_lock);
		list_for_each_entry(i, &nif->addrs, link)
			if (!addr_is_v4(i->addr) && !found) {
				memcpy(a.addr, i->addr, 16);
				found = true;
			}
		mutex_unlock(&netif_lock);
		found = found && !ifaddr_del(nif, a.addr, 0);
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
	nif->was_up |= now & LINUX_IFF_UP;
	mutex_unlock(&netif_lock);
	if (now == old)
		return 0;
	rtnl_notify_link(nif, false);
	if (!((old ^ now) & LINUX_IFF_UP))
		return 0;
	if (netif_is_lo(nif))
		lo_changed(nif, now & LINUX_IFF_UP);
	netif_routes_changed(nif, now & LINUX_IFF_UP);
	if (nif->kind)
		ether_changed(nif, now & LINUX_IFF_UP);
	if (nif->kind && nif->kind->changed)
		nif->kind->changed(nif);
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

int netif_set_hwaddr(struct netif *nif, const uint8_t hwaddr[6])
{
	if (!memcmp(nif->hwaddr, hwaddr, 6))
		return 0;
	if (!nif->kind)
		return -LINUX_EOPNOTSUPP;
	mutex_lock(&netif_lock);
	memcpy(nif->hwaddr, hwaddr, 6);
	mutex_unlock(&netif_lock);
	rtnl_notify_link(nif, false);
	return 0;
}

void netif_set_carrier(struct netif *nif, bool on)
{
	if (atomic_exchange(&nif->carrier, on) != on)
		netif_set_flags(nif, 0, 0);
}

/* --- addresses --- */

static struct ifaddr *ifaddr_find_locked(struct net *net, const uint8_t addr[16])
{
	struct ifaddr *a;
	struct netif *nif;

	list_for_each_entry(nif, &net->netifs, link)
		list_for_each_entry(a, &nif->addrs, link)
			if (!memcmp(a->addr, addr, 16))
				return a;
	return NULL;
}

bool addr_is_local_locked(struct net *net, const uint8_t a[16])
{
	return (addr_is_v4(a) && a[12] == 127) || ifaddr_find_locked(net, a);
}

bool addr_is_local(struct net *net, const uint8_t a[16])
{
	MUTEX_GUARD(&netif_lock);

	return addr_is_local_locked(net, a);
}

bool addr_is_broadcast(struct net *net, const uint8_t addr[16])
{
	static const uint8_t ones[4] = { 255, 255, 255, 255 };
	struct ifaddr *a;
	struct netif *nif;

	if (!addr_is_v4(addr))
		return false;
	if (!memcmp(addr + 12, ones, 4))
		return true;
	MUTEX_GUARD(&netif_lock);
	list_for_each_entry(nif, &net->netifs, link)
		list_for_each_entry(a, &nif->addrs, link) {
			uint8_t last[16];

			if (!addr_is_v4(a->addr) || a->plen >= 127 || netif_is_lo(nif))
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
	old = ifaddr_find_locked(a->nif->net, a->addr);
	if (old && old->nif == a->nif && old->plen == a->plen) {
		mutex_unlock(&netif_lock);
		free(new);
		return -LINUX_EEXIST;
	}
	list_add_tail(&new->link, &a->nif->addrs);
	mutex_unlock(&netif_lock);
	rtnl_notify_addr(a, false);
	if (!netif_is_lo(a->nif) && a->plen < 128 && READ_ONCE(a->nif->flags) & LINUX_IFF_UP) {
		ifaddr_connected_route(a, &r);
		route_add(a->nif->net, &r, LINUX_NLM_F_CREATE);
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
	route_del(nif->net, &r);
	/* Routes that prefer it as their source, as fib_sync_down_addr() has it. */
	r = (struct route){ .has_prefsrc = true };
	memcpy(r.prefsrc, found->addr, 16);
	while (!route_del(nif->net, &r))
		;
	/* Without its last address IPv4 has no business on it. */
	r = (struct route){ .oif = nif };
	while (last && !route_del(nif->net, &r))
		;
	free(found);
	return 0;
}

void netif_init_lo(struct net *net)
{
	struct netif *lo = &net->lo;

	strcpy(lo->name, "lo");
	lo->type = LINUX_ARPHRD_LOOPBACK;
	lo->mtu = lo->max_mtu = 65536;
	lo->flags = LINUX_IFF_LOOPBACK;
	atomic_store(&lo->carrier, true);
	netif_register(net, lo, 1);
}
