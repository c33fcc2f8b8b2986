/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rtnetlink(7): links, addresses, routes and neighbours shown and changed.
 */
#include <stdlib.h>
#include <string.h>

#include "netstack/neigh.h"
#include "netstack/net_namespace.h"
#include "netstack/netlink.h"

static bool family_fits(int wanted, const uint8_t a[16])
{
	return !wanted || wanted == addr_family(a);
}

static void nl_attr_addr(struct nlbuf *b, uint16_t type, const uint8_t a[16])
{
	nl_attr(b, type, addr_bytes(a), addr_size(a));
}

/* An address attribute of @family's size: 1 when there is one, 0, -EINVAL. */
static int req_addr(const struct nlreq *r, size_t size, unsigned type, int family, uint8_t ret[16])
{
	const void *data;
	int len = nlreq_attr(r, size, type, &data);

	if (len < 0)
		return 0;
	if (len < (family == LINUX_AF_INET ? 4 : 16))
		return -LINUX_EINVAL;
	addr_set(ret, family, data);
	return 1;
}

static bool family_known(int family)
{
	return family == LINUX_AF_INET || family == LINUX_AF_INET6;
}

/* --- addresses --- */

static void addr_fill(struct nlbuf *b, const struct ifaddr *a, uint16_t type)
{
	struct linux_ifaddrmsg m = { addr_family(a->addr), inet_plen(a->addr, a->plen), LINUX_IFA_F_PERMANENT, a->scope,
				     a->nif->index };
	uint32_t cache[4] = { UINT32_MAX, UINT32_MAX, 0, 0 };
	static const uint8_t zero[16];

	nl_begin(b, type, &m, sizeof(m));
	nl_attr_addr(b, LINUX_IFA_ADDRESS, a->addr);
	if (addr_is_v4(a->addr)) {
		nl_attr_addr(b, LINUX_IFA_LOCAL, a->addr);
		if (memcmp(a->brd, zero, 16))
			nl_attr_addr(b, LINUX_IFA_BROADCAST, a->brd);
		nl_attr_str(b, LINUX_IFA_LABEL, a->nif->name);
	}
	nl_attr_u32(b, LINUX_IFA_FLAGS, LINUX_IFA_F_PERMANENT);
	nl_attr(b, LINUX_IFA_CACHEINFO, cache, sizeof(cache));
	nl_end(b);
}

static int addr_get(const struct nlreq *r, struct nlbuf *b)
{
	struct linux_ifaddrmsg m;
	struct netif *nif;
	struct ifaddr *a;

	nlreq_fixed(r, &m, sizeof(m));
	if (!r->dump)
		return -LINUX_EOPNOTSUPP;
	MUTEX_GUARD(&netif_lock);
	for (int family = LINUX_AF_INET; family <= LINUX_AF_INET6; family += LINUX_AF_INET6 - LINUX_AF_INET)
		list_for_each_entry(nif, &r->net->netifs, link)
			list_for_each_entry(a, &nif->addrs, link)
				if (addr_family(a->addr) == family && family_fits(m.family, a->addr) &&
				    (!m.index || (int)m.index == nif->index || !(r->len >= sizeof(m))))
					addr_fill(b, a, LINUX_RTM_NEWADDR);
	return 0;
}

static int addr_change(const struct nlreq *r)
{
	bool add = r->h->type == LINUX_RTM_NEWADDR;
	struct linux_ifaddrmsg m;
	struct ifaddr a = { 0 };
	unsigned max;
	int has, err;

	nlreq_fixed(r, &m, sizeof(m));
	if (!family_known(m.family))
		return -LINUX_EAFNOSUPPORT;
	max = m.family == LINUX_AF_INET ? 32 : 128;
	a.nif = netif_find(r->net, (int)m.index);
	if (!a.nif)
		return -LINUX_ENODEV;
	has = req_addr(r, sizeof(m), LINUX_IFA_LOCAL, m.family, a.addr);
	if (!has)
		has = req_addr(r, sizeof(m), LINUX_IFA_ADDRESS, m.family, a.addr);
	if (has <= 0 || m.prefixlen > max)
		return -LINUX_EINVAL;
	a.plen = m.prefixlen + (128 - max);
	a.scope = m.scope;
	if (req_addr(r, sizeof(m), LINUX_IFA_BROADCAST, m.family, a.brd) < 0)
		return -LINUX_EINVAL;
	if (!add)
		return ifaddr_del(a.nif, a.addr, a.plen);
	err = ifaddr_add(&a);
	return err == -LINUX_EEXIST && r->h->flags & LINUX_NLM_F_REPLACE ? 0 : err;
}

void rtnl_notify_addr(const struct ifaddr *a, bool gone)
{
	unsigned group = addr_is_v4(a->addr) ? LINUX_RTNLGRP_IPV4_IFADDR : LINUX_RTNLGRP_IPV6_IFADDR;
	struct nlbuf b = { 0 };

	if (!netlink_has_listeners(a->nif->net, LINUX_NETLINK_ROUTE, group))
		return;
	addr_fill(&b, a, gone ? LINUX_RTM_DELADDR : LINUX_RTM_NEWADDR);
	netlink_multicast(a->nif->net, LINUX_NETLINK_ROUTE, group, &b);
}

/* --- routes --- */

static void route_fill(struct nlbuf *b, const struct route *r, uint16_t type, uint32_t flags)
{
	struct linux_rtmsg m = { .family = addr_family(r->dst), .dst_len = inet_plen(r->dst, r->plen), .table = r->table,
				 .protocol = r->protocol, .scope = r->scope, .type = r->type, .flags = flags };

	nl_begin(b, type, &m, sizeof(m));
	nl_attr_u32(b, LINUX_RTA_TABLE, r->table);
	if (m.dst_len)
		nl_attr_addr(b, LINUX_RTA_DST, r->dst);
	if (r->metric)
		nl_attr_u32(b, LINUX_RTA_PRIORITY, r->metric);
	if (flags & LINUX_RTM_F_CLONED) /* the order of rt_fill_info(), else of fib_dump_info() */
		nl_attr_u32(b, LINUX_RTA_OIF, r->oif->index);
	if (r->has_prefsrc)
		nl_attr_addr(b, LINUX_RTA_PREFSRC, r->prefsrc);
	if (r->has_gateway)
		nl_attr_addr(b, LINUX_RTA_GATEWAY, r->gateway);
	if (!(flags & LINUX_RTM_F_CLONED))
		nl_attr_u32(b, LINUX_RTA_OIF, r->oif->index);
	if (m.family == LINUX_AF_INET6)
		nl_attr_u8(b, LINUX_RTA_PREF, 0);
	nl_end(b);
}

/* The table "local" as the addresses imply it. */
static void route_fill_local(struct nlbuf *b, const struct ifaddr *a)
{
	struct route r = { .plen = 128, .oif = a->nif, .table = LINUX_RT_TABLE_LOCAL, .protocol = LINUX_RTPROT_KERNEL,
			   .scope = LINUX_RT_SCOPE_HOST, .type = LINUX_RTN_LOCAL, .has_prefsrc = addr_is_v4(a->addr) };
	bool lo = netif_is_lo(a->nif);

	memcpy(r.dst, a->addr, 16);
	memcpy(r.prefsrc, a->addr, 16);
	if (!r.has_prefsrc)
		r.scope = LINUX_RT_SCOPE_UNIVERSE;
	if (lo && r.has_prefsrc) {
		r.plen = a->plen;
		memset(r.dst + 13, 0, 3);
		route_fill(b, &r, LINUX_RTM_NEWROUTE, 0);
		memcpy(r.dst, a->addr, 16);
		r.plen = 128;
	}
	route_fill(b, &r, LINUX_RTM_NEWROUTE, 0);
	if (!r.has_prefsrc || a->plen >= 127)
		return;
	for (unsigned bit = a->plen; bit < 128; bit++)
		r.dst[bit / 8] |= 0x80 >> (bit % 8);
	r.type = LINUX_RTN_BROADCAST;
	r.scope = LINUX_RT_SCOPE_LINK;
	route_fill(b, &r, LINUX_RTM_NEWROUTE, 0);
}

static void route_dump(struct net *net, struct nlbuf *b, int family, unsigned table)
{
	struct netif *nif;
	struct ifaddr *a;
	struct route *r;
	MUTEX_GUARD(&netif_lock);

	for (int f = LINUX_AF_INET; f <= LINUX_AF_INET6; f += LINUX_AF_INET6 - LINUX_AF_INET) {
		if (family && family != f)
			continue;
		/* Linux's order: by prefix. */
		for (unsigned plen = 0; plen <= 128; plen++)
			list_for_each_entry(r, &net->routes, link)
				if (r->plen == plen && addr_family(r->dst) == f && (!table || table == r->table))
					route_fill(b, r, LINUX_RTM_NEWROUTE, 0);
		if (table && table != LINUX_RT_TABLE_LOCAL)
			continue;
		list_for_each_entry(nif, &net->netifs, link)
			list_for_each_entry(a, &nif->addrs, link)
				if (addr_family(a->addr) == f)
					route_fill_local(b, a);
	}
}

static int route_get(const struct nlreq *r, struct nlbuf *b)
{
	struct route found = { .plen = 128, .table = LINUX_RT_TABLE_MAIN, .type = LINUX_RTN_UNICAST, .has_prefsrc = true };
	uint8_t to[16], src[16] = { 0 };
	struct linux_rtmsg m;
	uint32_t table = 0, oif = 0;
	struct netif *nif = NULL;
	struct dst dst;
	int has, err;

	nlreq_fixed(r, &m, sizeof(m));
	table = m.table;
	nlreq_attr_u32(r, sizeof(m), LINUX_RTA_TABLE, &table);
	if (r->dump) {
		route_dump(r->net, b, m.family, r->len >= sizeof(m) ? table : 0);
		return 0;
	}
	if (!family_known(m.family))
		return -LINUX_EOPNOTSUPP;
	addr_set(src, m.family, (uint8_t[16]){ 0 });
	has = req_addr(r, sizeof(m), LINUX_RTA_DST, m.family, to);
	if (has <= 0)
		return -LINUX_EINVAL;
	if (req_addr(r, sizeof(m), LINUX_RTA_SRC, m.family, src) < 0 || !nlreq_attr_u32(r, sizeof(m), LINUX_RTA_OIF, &oif))
		return -LINUX_EINVAL;
	if (oif) {
		nif = netif_find(r->net, (int)oif);
		if (!nif)
			return -LINUX_ENODEV;
	}
	err = route_lookup(r->net, to, src, nif, &dst);
	if (err)
		return err;
	memcpy(found.dst, to, 16);
	memcpy(found.prefsrc, dst.src, 16);
	found.oif = dst.oif;
	if (dst.local) {
		found.type = LINUX_RTN_LOCAL;
	} else if (memcmp(dst.nexthop, to, 16)) {
		found.has_gateway = true;
		memcpy(found.gateway, dst.nexthop, 16);
	}
	route_fill(b, &found, LINUX_RTM_NEWROUTE, LINUX_RTM_F_CLONED);
	return 0;
}

static int route_change(const struct nlreq *q)
{
	bool add = q->h->type == LINUX_RTM_NEWROUTE;
	struct linux_rtmsg m;
	struct route r = { 0 };
	uint32_t oif = 0, table = 0;
	unsigned max;
	int has;

	nlreq_fixed(q, &m, sizeof(m));
	if (!family_known(m.family))
		return -LINUX_EOPNOTSUPP;
	max = m.family == LINUX_AF_INET ? 32 : 128;
	addr_set(r.dst, m.family, (uint8_t[16]){ 0 });
	has = req_addr(q, sizeof(m), LINUX_RTA_DST, m.family, r.dst);
	if (has < 0 || m.dst_len > max || (!has && m.dst_len))
		return -LINUX_EINVAL;
	r.plen = m.dst_len + (128 - max);
	table = m.table;
	has = req_addr(q, sizeof(m), LINUX_RTA_GATEWAY, m.family, r.gateway);
	if (has < 0 || !nlreq_attr_u32(q, sizeof(m), LINUX_RTA_OIF, &oif) || !nlreq_attr_u32(q, sizeof(m), LINUX_RTA_TABLE, &table) ||
	    !nlreq_attr_u32(q, sizeof(m), LINUX_RTA_PRIORITY, &r.metric))
		return -LINUX_EINVAL;
	r.has_gateway = has;
	has = req_addr(q, sizeof(m), LINUX_RTA_PREFSRC, m.family, r.prefsrc);
	if (has < 0 || (has && add && !addr_is_local(q->net, r.prefsrc)))
		return -LINUX_EINVAL;
	r.has_prefsrc = has;
	if (table && table != LINUX_RT_TABLE_MAIN)
		return add ? -LINUX_EOPNOTSUPP : -LINUX_ESRCH;
	if (oif) {
		r.oif = netif_find(q->net, (int)oif);
		if (!r.oif)
			return -LINUX_ENODEV;
	}
	r.table = LINUX_RT_TABLE_MAIN;
	r.protocol = m.protocol;
	if (!add)
		return route_del(q->net, &r);
	if (m.type != LINUX_RTN_UNICAST && m.type)
		return -LINUX_EOPNOTSUPP;
	r.scope = m.scope == LINUX_RT_SCOPE_NOWHERE ? LINUX_RT_SCOPE_UNIVERSE : m.scope;
	r.type = LINUX_RTN_UNICAST;
	if (m.family == LINUX_AF_INET6 && !r.metric)
		r.metric = 1024;
	return route_add(q->net, &r, q->h->flags);
}

void rtnl_notify_route(const struct route *r, bool gone)
{
	unsigned group = addr_is_v4(r->dst) ? LINUX_RTNLGRP_IPV4_ROUTE : LINUX_RTNLGRP_IPV6_ROUTE;
	struct nlbuf b = { 0 };

	if (!netlink_has_listeners(r->oif->net, LINUX_NETLINK_ROUTE, group))
		return;
	route_fill(&b, r, gone ? LINUX_RTM_DELROUTE : LINUX_RTM_NEWROUTE, 0);
	netlink_multicast(r->oif->net, LINUX_NETLINK_ROUTE, group, &b);
}

/* --- neighbours --- */

static void neigh_fill(struct nlbuf *b, const struct neigh *n, uint16_t type)
{
	struct linux_ndmsg m = { .family = addr_family(n->addr), .ifindex = n->nif->index, .state = n->state, .type = LINUX_RTN_UNICAST };
	uint32_t cache[4] = { 0 };

	nl_begin(b, type, &m, sizeof(m));
	nl_attr_addr(b, LINUX_NDA_DST, n->addr);
	if (n->state & (LINUX_NUD_REACHABLE | LINUX_NUD_PERMANENT))
		nl_attr(b, LINUX_NDA_LLADDR, n->lladdr, 6);
	nl_attr(b, LINUX_NDA_CACHEINFO, cache, sizeof(cache));
	nl_end(b);
}

static int neigh_get(const struct nlreq *r, struct nlbuf *b)
{
	struct linux_ndmsg m;
	struct neigh *n;

	nlreq_fixed(r, &m, sizeof(m));
	if (!r->dump)
		return -LINUX_EOPNOTSUPP;
	MUTEX_GUARD(&netif_lock);
	list_for_each_entry(n, &r->net->neighbours, link)
		if (family_fits(m.family, n->addr) && (r->len < sizeof(m) || !m.ifindex || m.ifindex == n->nif->index))
			neigh_fill(b, n, LINUX_RTM_NEWNEIGH);
	return 0;
}

static int neigh_change(const struct nlreq *r)
{
	struct linux_ndmsg m;
	struct netif *nif;
	uint8_t addr[16];
	const void *ll;
	int len;

	nlreq_fixed(r, &m, sizeof(m));
	if (!family_known(m.family))
		return -LINUX_EAFNOSUPPORT;
	nif = netif_find(r->net, m.ifindex);
	if (!nif)
		return -LINUX_ENODEV;
	if (req_addr(r, sizeof(m), LINUX_NDA_DST, m.family, addr) <= 0)
		return -LINUX_EINVAL;
	if (r->h->type == LINUX_RTM_DELNEIGH)
		return neigh_del(nif, addr);
	len = nlreq_attr(r, sizeof(m), LINUX_NDA_LLADDR, &ll);
	if (len != 6)
		return -LINUX_EINVAL;
	return neigh_set(nif, addr, ll, m.state & LINUX_NUD_PERMANENT ? LINUX_NUD_PERMANENT : LINUX_NUD_REACHABLE,
			 !(r->h->flags & LINUX_NLM_F_REPLACE));
}

void rtnl_notify_neigh(const struct neigh *n, bool gone)
{
	struct nlbuf b = { 0 };

	if (!netlink_has_listeners(n->nif->net, LINUX_NETLINK_ROUTE, LINUX_RTNLGRP_NEIGH))
		return;
	neigh_fill(&b, n, gone ? LINUX_RTM_DELNEIGH : LINUX_RTM_NEWNEIGH);
	netlink_multicast(n->nif->net, LINUX_NETLINK_ROUTE, LINUX_RTNLGRP_NEIGH, &b);
}

/* --- rules: the three every kernel starts with --- */

static int rule_get(const struct nlreq *r, struct nlbuf *b)
{
	static const struct {
		uint32_t pref;
		uint8_t table;
	} rules[] = { { 0, LINUX_RT_TABLE_LOCAL }, { 32766, LINUX_RT_TABLE_MAIN }, { 32767, 253 } };
	struct linux_rtmsg m;

	nlreq_fixed(r, &m, sizeof(m));
	if (!r->dump)
		return -LINUX_EOPNOTSUPP;
	for (int f = LINUX_AF_INET; f <= LINUX_AF_INET6; f += LINUX_AF_INET6 - LINUX_AF_INET) {
		if (m.family && m.family != f)
			continue;
		for (size_t i = 0; i < ARRAY_SIZE(rules) - (f == LINUX_AF_INET6); i++) {
			struct linux_rtmsg rule = { .family = f, .table = rules[i].table, .type = 1 /* FR_ACT_TO_TBL */ };

			nl_begin(b, LINUX_RTM_NEWRULE, &rule, sizeof(rule));
			nl_attr_u32(b, 15 /* FRA_TABLE */, rules[i].table);
			nl_attr_u32(b, 14 /* FRA_SUPPRESS_PREFIXLEN */, UINT32_MAX);
			if (rules[i].pref)
				nl_attr_u32(b, 6 /* FRA_PRIORITY */, rules[i].pref);
			nl_end(b);
		}
	}
	return 0;
}

int rtnetlink_request(const struct nlreq *r, struct nlbuf *b)
{
	/* Of each four: new, delete, get, set. */
	if ((r->h->type - LINUX_NLMSG_MIN_TYPE) % 4 != 2 && !net_capable(r->net, CAP_NET_ADMIN))
		return -LINUX_EPERM;
	switch (r->h->type) {
	case LINUX_RTM_NEWLINK:
	case LINUX_RTM_DELLINK:
	case LINUX_RTM_GETLINK:
	case LINUX_RTM_SETLINK:
		return rtnl_link_request(r, b);
	case LINUX_RTM_NEWNSID:
	case LINUX_RTM_GETNSID:
		return rtnl_nsid_request(r, b);
	case LINUX_RTM_GETADDR:
		return addr_get(r, b);
	case LINUX_RTM_NEWADDR:
	case LINUX_RTM_DELADDR:
		return addr_change(r);
	case LINUX_RTM_GETROUTE:
		return route_get(r, b);
	case LINUX_RTM_NEWROUTE:
	case LINUX_RTM_DELROUTE:
		return route_change(r);
	case LINUX_RTM_GETNEIGH:
		return neigh_get(r, b);
	case LINUX_RTM_NEWNEIGH:
	case LINUX_RTM_DELNEIGH:
		return neigh_change(r);
	case LINUX_RTM_GETRULE:
		return rule_get(r, b);
	default:
		return -LINUX_EOPNOTSUPP;
	}
}
