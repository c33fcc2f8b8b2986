/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rtnetlink(7), links: shown, made, changed, moved to another network namespace, deleted.
 */
#include <stdio.h>
#include <string.h>

#include "netstack/net_namespace.h"
#include "netstack/netif_kind.h"

/* --- shown --- */

static uint8_t link_operstate(const struct netif *nif, int lower)
{
	if (!(READ_ONCE(nif->flags) & LINUX_IFF_UP))
		return LINUX_IF_OPER_DOWN;
	if (netif_is_lo(nif) || (nif->kind && READ_ONCE(nif->flags) & LINUX_IFF_NOARP))
		return LINUX_IF_OPER_UNKNOWN; /* which never tell */
	return atomic_load(&nif->carrier) ? LINUX_IF_OPER_UP : lower ? LINUX_IF_OPER_LOWERLAYERDOWN : LINUX_IF_OPER_DOWN;
}

static void link_fill_stats(struct nlbuf *b, struct netif_stats *s)
{
	uint64_t stats64[24] = { atomic_load(&s->rx_packets), atomic_load(&s->tx_packets), atomic_load(&s->rx_bytes),
				 atomic_load(&s->tx_bytes), atomic_load(&s->rx_errors), 0, atomic_load(&s->rx_dropped),
				 atomic_load(&s->tx_dropped) };
	uint32_t stats[24];

	for (int i = 0; i < 24; i++)
		stats[i] = (uint32_t)stats64[i];
	nl_attr(b, LINUX_IFLA_STATS64, stats64, sizeof(stats64));
	nl_attr(b, LINUX_IFLA_STATS, stats, sizeof(stats) - 4);
}

/* What it works through, and whose; 0: nothing.  *ret_nsid: -1 in its own namespace. */
static int link_lower(struct netif *nif, int *ret_nsid, int *ret_master)
{
	struct net *net = NULL;
	int lower;
	MUTEX_GUARD(&netif_lock);

	lower = nif->kind && nif->kind->lower ? nif->kind->lower(nif, &net) : 0;
	*ret_nsid = lower && net != nif->net ? net_nsid_locked(nif->net, net) : -1;
	*ret_master = nif->master ? nif->master->index : 0;
	return lower;
}

static void link_fill(struct nlbuf *b, struct netif *nif, uint16_t type)
{
	struct linux_ifinfomsg m = { .type = nif->type, .index = nif->index, .flags = READ_ONCE(nif->flags), .change = 0 };
	const uint8_t ones[6] = { 255, 255, 255, 255, 255, 255 };
	bool lo = netif_is_lo(nif);
	static const uint8_t zero[6];
	int nsid, master, lower = link_lower(nif, &nsid, &master);
	size_t nest;

	nl_begin(b, type, &m, sizeof(m));
	nl_attr_str(b, LINUX_IFLA_IFNAME, nif->name);
	nl_attr_u32(b, LINUX_IFLA_TXQLEN, 1000);
	nl_attr_u8(b, LINUX_IFLA_OPERSTATE, link_operstate(nif, lower));
	nl_attr_u8(b, LINUX_IFLA_LINKMODE, 0);
	nl_attr_u32(b, LINUX_IFLA_MTU, READ_ONCE(nif->mtu));
	nl_attr_u32(b, LINUX_IFLA_GROUP, 0);
	nl_attr_u32(b, LINUX_IFLA_PROMISCUITY, 0);
	nl_attr_u32(b, LINUX_IFLA_NUM_TX_QUEUES, 1);
	nl_attr_u32(b, LINUX_IFLA_NUM_RX_QUEUES, 1);
	if (lower)
		nl_attr_u32(b, LINUX_IFLA_LINK, (uint32_t)lower);
	if (master)
		nl_attr_u32(b, LINUX_IFLA_MASTER, (uint32_t)master);
	nl_attr_u8(b, LINUX_IFLA_CARRIER, atomic_load(&nif->carrier));
	nl_attr_str(b, LINUX_IFLA_QDISC, !nif->was_up ? "noop" : lo || nif->kind ? "noqueue" : "pfifo_fast");
	nl_attr(b, LINUX_IFLA_ADDRESS, nif->hwaddr, 6);
	nl_attr(b, LINUX_IFLA_BROADCAST, lo ? zero : ones, 6);
	link_fill_stats(b, &nif->stats);
	if (nif->kind || master) {
		nest = nl_nest(b, LINUX_IFLA_LINKINFO);
		if (nif->kind)
			nl_attr_str(b, LINUX_IFLA_INFO_KIND, nif->kind->name);
		if (master)
			nl_attr_str(b, LINUX_IFLA_INFO_SLAVE_KIND, "bridge");
		nl_nest_end(b, nest);
	}
	if (nsid >= 0)
		nl_attr_u32(b, LINUX_IFLA_LINK_NETNSID, (uint32_t)nsid);
	nl_end(b);
}

void rtnl_notify_link(struct netif *nif, bool gone)
{
	struct nlbuf b = { 0 };

	if (!netlink_has_listeners(nif->net, LINUX_NETLINK_ROUTE, LINUX_RTNLGRP_LINK))
		return;
	link_fill(&b, nif, gone ? LINUX_RTM_DELLINK : LINUX_RTM_NEWLINK);
	netlink_multicast(nif->net, LINUX_NETLINK_ROUTE, LINUX_RTNLGRP_LINK, &b);
}

/* --- what a request says --- */

int link_req_name(const struct nlreq *q, char name[16])
{
	const void *data;
	int len = nlreq_attr(q, sizeof(struct linux_ifinfomsg), LINUX_IFLA_IFNAME, &data);

	if (len < 0)
		return 0;
	if (strnlen(data, (size_t)len) >= 16)
		return -LINUX_ERANGE;
	if (!len || !*(const char *)data) /* as if it were not there */
		return 0;
	memset(name, 0, 16);
	memcpy(name, data, strnlen(data, (size_t)len));
	return 1;
}

struct net *link_req_net(const struct nlreq *q)
{
	static const unsigned types[] = { LINUX_IFLA_NET_NS_PID, LINUX_IFLA_NET_NS_FD };
	struct net *net;

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		const void *data;
		int len = nlreq_attr(q, sizeof(struct linux_ifinfomsg), types[i], &data);
		uint32_t ref;

		if (len < 0)
			continue;
		if (len < (int)sizeof(ref))
			return ERR_PTR(-LINUX_EINVAL);
		memcpy(&ref, data, sizeof(ref));
		net = net_by_ref(ref, types[i] == LINUX_IFLA_NET_NS_FD);
		if (!IS_ERR(net) && !net_capable(net, CAP_NET_ADMIN)) {
			net_put(net);
			return ERR_PTR(-LINUX_EPERM);
		}
		return net;
	}
	return net_get(q->net);
}

/* 1: there is an address, in @ret. */
static int link_req_hwaddr(const struct nlreq *q, uint8_t ret[6])
{
	static const uint8_t zero[6];
	const void *data;
	int len = nlreq_attr(q, sizeof(struct linux_ifinfomsg), LINUX_IFLA_ADDRESS, &data);

	if (len < 0)
		return 0;
	if (len < 6)
		return -LINUX_EINVAL;
	memcpy(ret, data, 6);
	return ret[0] & 1 || !memcmp(ret, zero, 6) ? -LINUX_EADDRNOTAVAIL : 1;
}

int link_req_init(const struct nlreq *q, struct netif *nif)
{
	uint8_t hwaddr[6];
	uint32_t mtu = nif->mtu;
	int err = link_req_hwaddr(q, hwaddr);

	if (err < 0)
		return err;
	if (err)
		memcpy(nif->hwaddr, hwaddr, 6);
	if (!nlreq_attr_u32(q, sizeof(struct linux_ifinfomsg), LINUX_IFLA_MTU, &mtu) || mtu < 68 || mtu > nif->max_mtu)
		return -LINUX_EINVAL;
	nif->mtu = mtu;
	return 0;
}

/* The one that a request names by index or name; NULL: none, ERR_PTR: it names none. */
static struct netif *link_of(const struct nlreq *r, const struct linux_ifinfomsg *m)
{
	char name[16] = "";
	int err;

	if (m->index > 0)
		return netif_find(r->net, m->index);
	err = link_req_name(r, name);
	if (err <= 0)
		return ERR_PTR(-LINUX_EINVAL);
	return netif_find_name(r->net, name);
}

static int link_get(const struct nlreq *r, struct nlbuf *b)
{
	struct linux_ifinfomsg m;
	struct netif *nif;

	nlreq_fixed(r, &m, sizeof(m));
	if (r->dump) {
		for (nif = netif_next(r->net, 1); nif; nif = netif_next(r->net, nif->index + 1))
			link_fill(b, nif, LINUX_RTM_NEWLINK);
		return 0;
	}
	nif = link_of(r, &m);
	if (IS_ERR(nif))
		return (int)PTR_ERR(nif);
	if (!nif)
		return -LINUX_ENODEV;
	link_fill(b, nif, LINUX_RTM_NEWLINK);
	return 0;
}

/* --- changed --- */

/* IFLA_NET_NS_*: *nif is what it is in its new place.  1: it was moved. */
static int link_move(const struct nlreq *r, struct netif **nif)
{
	struct net *to _cleanup_net_ = link_req_net(r);
	char name[16] = "";
	int err;

	if (IS_ERR(to))
		return (int)PTR_ERR(to);
	if (to == r->net)
		return 0;
	err = link_req_name(r, name);
	if (err < 0)
		return err;
	return netif_move(*nif, to, err ? name : NULL) ? : 1;
}

static int link_change(const struct nlreq *r, struct netif *nif, const struct linux_ifinfomsg *m)
{
	uint32_t mtu = 0, master = 0;
	uint8_t hwaddr[6];
	const void *data;
	char name[16] = "";
	int err, has;

	if (!nlreq_attr_u32(r, sizeof(*m), LINUX_IFLA_MTU, &mtu) || !nlreq_attr_u32(r, sizeof(*m), LINUX_IFLA_MASTER, &master))
		return -LINUX_EINVAL;
	has = link_req_hwaddr(r, hwaddr);
	if (has < 0)
		return has;
	err = has ? netif_set_hwaddr(nif, hwaddr) : 0;
	if (!err && mtu)
		err = netif_set_mtu(nif, mtu);
	if (!err && m->index > 0) {
		err = link_req_name(r, name);
		if (err == 1)
			err = netif_rename(nif, name);
	}
	if (!err && nlreq_attr(r, sizeof(*m), LINUX_IFLA_MASTER, &data) >= 0)
		err = -LINUX_EOPNOTSUPP;
	if (!err && (m->change || m->flags))
		err = netif_set_flags(nif, m->flags, m->change ? m->change : ~0U);
	return err;
}

static const struct netif_kind *link_req_kind(const struct nlreq *r, const void **ret_data, size_t *ret_len)
{
	const void *info, *kind;
	int len = nlreq_attr(r, sizeof(struct linux_ifinfomsg), LINUX_IFLA_LINKINFO, &info), n;

	*ret_data = NULL;
	*ret_len = 0;
	if (len < 0)
		return NULL;
	n = nl_attr_find(info, (size_t)len, LINUX_IFLA_INFO_DATA, ret_data);
	if (n < 0)
		*ret_data = NULL;
	else
		*ret_len = (size_t)n;
	n = nl_attr_find(info, (size_t)len, LINUX_IFLA_INFO_KIND, &kind);
	n = n > 0 ? (int)strnlen(kind, (size_t)n) : 0;
	for (size_t i = 0; n && netif_kinds[i]; i++)
		if ((size_t)n == strlen(netif_kinds[i]->name) && !memcmp(kind, netif_kinds[i]->name, (size_t)n))
			return netif_kinds[i];
	return NULL;
}

static int link_make(const struct nlreq *r, const struct linux_ifinfomsg *m)
{
	struct net *net _cleanup_net_ = NULL;
	const struct netif_kind *kind;
	struct netif *nif;
	const void *data;
	char name[16];
	size_t len;
	int err;

	kind = link_req_kind(r, &data, &len);
	if (!kind)
		return -LINUX_EOPNOTSUPP;
	snprintf(name, sizeof(name), "%s%%d", kind->name);
	err = link_req_name(r, name);
	if (err < 0)
		return err;
	net = link_req_net(r);
	if (IS_ERR(net))
		return (int)PTR_ERR(net);
	nif = netif_new(net, name);
	if (IS_ERR(nif))
		return (int)PTR_ERR(nif);
	nif->index = m->index;
	err = kind->create(nif, r, data, len);
	if (!err && (m->change || m->flags))
		err = netif_set_flags(nif, m->flags, m->change ? m->change : ~0U);
	return err;
}

static int link_set(const struct nlreq *r)
{
	struct linux_ifinfomsg m;
	struct netif *nif;
	int err;

	nlreq_fixed(r, &m, sizeof(m));
	nif = link_of(r, &m);
	if (!nif || (IS_ERR(nif) && r->h->type == LINUX_RTM_NEWLINK)) {
		if (r->h->type != LINUX_RTM_NEWLINK || !(r->h->flags & LINUX_NLM_F_CREATE))
			return -LINUX_ENODEV;
		return link_make(r, &m);
	}
	if (IS_ERR(nif))
		return (int)PTR_ERR(nif);
	if (r->h->type == LINUX_RTM_NEWLINK && r->h->flags & LINUX_NLM_F_EXCL)
		return -LINUX_EEXIST;
	err = link_move(r, &nif);
	if (err)
		return err < 0 ? err : 0;
	return link_change(r, nif, &m);
}

static int link_delete(const struct nlreq *r)
{
	struct linux_ifinfomsg m;
	struct netif *nif;

	nlreq_fixed(r, &m, sizeof(m));
	nif = link_of(r, &m);
	if (IS_ERR(nif))
		return (int)PTR_ERR(nif);
	if (!nif)
		return -LINUX_ENODEV;
	if (!nif->kind)
		return -LINUX_EOPNOTSUPP;
	netif_unregister(nif);
	return 0;
}

int rtnl_link_request(const struct nlreq *r, struct nlbuf *b)
{
	if (r->h->type == LINUX_RTM_GETLINK)
		return link_get(r, b);
	MUTEX_GUARD(&rtnl_lock);
	return r->h->type == LINUX_RTM_DELLINK ? link_delete(r) : link_set(r);
}
