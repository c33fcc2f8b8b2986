/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Routes: the longest prefix wins, then the lowest metric, then the oldest.  The guest's own addresses come before all, as Linux's
 * table "local" does; it is not kept, but follows from the addresses.
 */
#include <stdlib.h>

#include "netstack/net_namespace.h"
#include "sentry/abi/errno.h"

#define NR_ROUTES_MAX 4096

static void mask_addr(uint8_t a[16], unsigned plen)
{
	for (unsigned bit = plen; bit < 128; bit++)
		a[bit / 8] &= ~(0x80 >> (bit % 8));
}

/* Whether the interface's own networks hold @gw. */
static bool gateway_reachable_locked(struct net *net, const uint8_t gw[16], struct netif **oif)
{
	struct route *r;

	list_for_each_entry(r, &net->routes, link)
		if (!r->has_gateway && (!*oif || r->oif == *oif) && addr_is_v4(r->dst) == addr_is_v4(gw) &&
		    addr_in_prefix(gw, r->dst, r->plen)) {
			*oif = r->oif;
			return true;
		}
	return !addr_is_v4(gw) && *oif && gw[0] == 0xfe; /* IPv6: link-local */
}

static bool route_same_key(const struct route *a, const struct route *b)
{
	return a->plen == b->plen && !memcmp(a->dst, b->dst, 16) && a->metric == b->metric && a->table == b->table;
}

static bool route_same(const struct route *a, const struct route *b)
{
	return route_same_key(a, b) && a->oif == b->oif && a->has_gateway == b->has_gateway &&
	       !memcmp(a->gateway, b->gateway, 16) && a->scope == b->scope;
}

/* NLM_F_*: what `ip route add`, `replace`, `append` and `prepend` mean. */
static int route_insert_locked(struct net *net, struct route *new, unsigned flags, struct route **ret_old)
{
	struct route *r;

	if (new->has_gateway && !gateway_reachable_locked(net, new->gateway, &new->oif))
		return -LINUX_ENETUNREACH;
	if (!new->oif)
		return -LINUX_ENODEV;
	if (!(READ_ONCE(new->oif->flags) & LINUX_IFF_UP))
		return -LINUX_ENETDOWN;
	list_for_each_entry(r, &net->routes, link) {
		if (!route_same_key(r, new))
			continue;
		if (flags & LINUX_NLM_F_EXCL || route_same(r, new))
			return flags & LINUX_NLM_F_REPLACE ? 0 : -LINUX_EEXIST;
		if (flags & LINUX_NLM_F_REPLACE) {
			list_insert_between(&new->link, r->link.prev, &r->link);
			list_del(&r->link);
			*ret_old = r;
			return 1;
		}
	}
	if (!(flags & LINUX_NLM_F_CREATE))
		return -LINUX_ENOENT;
	if (net->nr_routes >= NR_ROUTES_MAX)
		return -LINUX_ENOBUFS;
	net->nr_routes++;
	if (flags & LINUX_NLM_F_APPEND)
		list_add_tail(&new->link, &net->routes);
	else
		list_add(&new->link, &net->routes);
	return 1;
}

int route_add(struct net *net, const struct route *r, unsigned flags)
{
	struct route *new = malloc(sizeof(*new)), *old = NULL;
	int err;

	if (!new)
		return -LINUX_ENOMEM;
	*new = *r;
	mask_addr(new->dst, new->plen);
	mutex_lock(&netif_lock);
	err = route_insert_locked(net, new, flags, &old);
	mutex_unlock(&netif_lock);
	if (err == 1)
		rtnl_notify_route(new, false);
	else
		free(new);
	free(old);
	return err == 1 ? 0 : err;
}

static bool route_fits(const struct route *r, const struct route *want)
{
	if (want->plen && (want->plen != r->plen || memcmp(r->dst, want->dst, 16)))
		return false;
	if (want->oif && want->oif != r->oif)
		return false;
	if (want->has_gateway && (!r->has_gateway || memcmp(r->gateway, want->gateway, 16)))
		return false;
	if (want->has_prefsrc && (!r->has_prefsrc || memcmp(r->prefsrc, want->prefsrc, 16)))
		return false;
	return (!want->metric || want->metric == r->metric) && (!want->protocol || want->protocol == r->protocol);
}

int route_del(struct net *net, const struct route *want)
{
	struct route *r, *found = NULL, key = *want;

	mask_addr(key.dst, key.plen);
	mutex_lock(&netif_lock);
	list_for_each_entry(r, &net->routes, link)
		if (route_fits(r, &key)) {
			found = r;
			list_del(&r->link);
			net->nr_routes--;
			break;
		}
	mutex_unlock(&netif_lock);
	if (!found)
		return -LINUX_ESRCH;
	rtnl_notify_route(found, true);
	free(found);
	return 0;
}

/* --- the decision --- */

static struct route *route_best_locked(struct net *net, const uint8_t to[16], struct netif *oif)
{
	struct route *r, *best = NULL;

	list_for_each_entry(r, &net->routes, link) {
		if ((oif && r->oif != oif) || addr_is_v4(r->dst) != addr_is_v4(to) || !addr_in_prefix(to, r->dst, r->plen))
			continue;
		if (!best || r->plen > best->plen || (r->plen == best->plen && r->metric < best->metric))
			best = r;
	}
	return best;
}

/* An address of @nif to speak to @to from: of its network, else the first that is not of less scope. */
static bool source_pick_locked(const struct netif *nif, const uint8_t to[16], uint8_t ret[16])
{
	const struct ifaddr *a, *best = NULL;

	list_for_each_entry(a, &nif->addrs, link) {
		if (addr_is_v4(a->addr) != addr_is_v4(to))
			continue;
		if (!best || (addr_in_prefix(to, a->addr, a->plen) && !addr_in_prefix(to, best->addr, best->plen)))
			best = a;
	}
	if (best)
		memcpy(ret, best->addr, 16);
	return best;
}

static int route_local(struct net *net, const uint8_t to[16], const uint8_t *src, struct dst *ret)
{
	ret->local = true;
	ret->oif = &net->lo;
	ret->mtu = READ_ONCE(ret->oif->mtu);
	if (!(READ_ONCE(ret->oif->flags) & LINUX_IFF_UP) && addr_is_loopback(to))
		return -LINUX_ENETUNREACH;
	if (src)
		memcpy(ret->src, src, 16);
	else if (addr_is_v4(to) && to[12] == 127)
		addr_set_v4(ret->src, 127, 0, 0, 1);
	else
		memcpy(ret->src, to, 16);
	memcpy(ret->nexthop, to, 16);
	return 0;
}

int route_lookup(struct net *net, const uint8_t to[16], const uint8_t *src, struct netif *oif, struct dst *ret)
{
	static const uint8_t ones[4] = { 255, 255, 255, 255 };
	bool bcast = addr_is_v4(to) && !memcmp(to + 12, ones, 4);
	bool mcast = addr_is_multicast(to);
	struct route *r;
	MUTEX_GUARD(&netif_lock);

	if (src && addr_is_any(src))
		src = NULL;
	*ret = (struct dst){ 0 };
	if (addr_is_local_locked(net, to))
		return route_local(net, to, src, ret);
	if (src && addr_is_v4(src) != addr_is_v4(to))
		return -LINUX_ENETUNREACH;
	r = route_best_locked(net, to, oif);
	if (!r && oif && (bcast || mcast || src)) {
		ret->oif = oif;
	} else if (!r && (bcast || mcast)) {
		struct netif *nif;

		list_for_each_entry(nif, &net->netifs, link)
			if (nif != &net->lo && nif->flags & LINUX_IFF_UP && !ret->oif)
				ret->oif = nif;
	} else if (r) {
		ret->oif = r->oif;
	}
	if (!ret->oif)
		return -LINUX_ENETUNREACH;
	/* eth0 without carrier too: the helper doesn't come back, and nobody is to wait for it. */
	if (!(ret->oif->flags & LINUX_IFF_UP) || (!ret->oif->kind && !atomic_load(&ret->oif->carrier)))
		return -LINUX_ENETDOWN;
	ret->broadcast = bcast;
	ret->mtu = READ_ONCE(ret->oif->mtu);
	memcpy(ret->nexthop, r && r->has_gateway && !bcast && !mcast ? r->gateway : to, 16);
	if (src)
		memcpy(ret->src, src, 16);
	else if (r && r->has_prefsrc)
		memcpy(ret->src, r->prefsrc, 16);
	else if (!source_pick_locked(ret->oif, to, ret->src))
		addr_set(ret->src, addr_family(to), (uint8_t[16]){ 0 });
	return 0;
}
