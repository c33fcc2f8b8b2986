/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interfaces with their addresses, the routes over them, and the neighbours behind them.
 *
 * Addresses are the 16 bytes of inet_addr.h, IPv4 ones mapped, and prefix lengths count all 128 bits: so one table and one
 * longest-prefix match serve both families (inet_plen() is the family's own length).
 *
 * They belong to a network namespace (net_namespace.h).  A struct netif stays valid as long as its namespace and never leaves it: one
 * that is deleted is kept for the next that is made there, and to move one means to make another.  Who holds a pointer while others
 * delete it meets an interface that is down, or, at the worst, its successor.
 *
 * Interfaces are made, moved, renamed and deleted by one thread at a time, which holds rtnl_lock, the outermost of all.  Everything
 * is read and changed under netif_lock, which is below the locks of sockets and above nothing but those of waitqs and
 * receive queues.
 */
#ifndef SENTRY_NETSTACK_NETIF_H
#define SENTRY_NETSTACK_NETIF_H

#include "netstack/inet_addr.h"
#include "sentry/abi/netlink.h"
#include "sentry/base/list.h"
#include "sentry/base/lock.h"
#include "sentry/base/waitq.h"

struct iovec;
struct net;
struct netif;
struct nlreq;
struct skb;

struct netif_stats {
	atomic_ulong rx_packets, tx_packets, rx_bytes, tx_bytes, rx_dropped, tx_dropped, rx_errors;
};

/* What is particular to a kind of interface that can be made and deleted: `ip link add type NAME`. */
struct netif_kind {
	const char *name;
	/* Fills in @nif, which has its name, and registers it, with whatever belongs to it.  @q: the request, @data: IFLA_INFO_DATA. */
	int (*create)(struct netif *nif, const struct nlreq *q, const void *data, size_t len);
	/* @nif is leaving its namespace (@to: to be made anew there, else NULL), no lock held.  NULL: nothing to do. */
	void (*leave)(struct netif *nif, struct netif *to);
	/* The index of the interface it works through and its namespace (borrowed), netif_lock held; 0: none.  NULL: none. */
	int (*lower)(const struct netif *nif, struct net **ret_net);
	/* IFF_UP changed, no lock held.  NULL: nothing to do. */
	void (*changed)(struct netif *nif);
};

struct netif {
	struct list_head link;	 /* net->netifs; netif_lock */
	struct net *net;	 /* borrowed; immutable */
	const struct netif_kind *kind; /* immutable; NULL: lo and eth0, which stay */
	int index;		 /* immutable */
	char name[16];		 /* netif_lock; read without it, at the worst torn */
	uint16_t type;		 /* immutable; LINUX_ARPHRD_* */
	unsigned max_mtu;	 /* immutable */
	uint8_t hwaddr[6];	 /* netif_lock to write; the same */
	unsigned flags;		 /* netif_lock to write; LINUX_IFF_UP... */
	unsigned mtu;		 /* the same */
	atomic_bool carrier;
	struct list_head addrs;	 /* netif_lock */
	struct netif_stats stats;
	/*
	 * Sends one Ethernet frame gathered from @iov, without sleeping: what the link can't take now is queued or dropped.
	 * 0, -LINUX_ENETDOWN when the link is gone for good, -LINUX_ENOBUFS.
	 */
	int (*xmit)(struct netif *nif, const struct iovec *iov, unsigned nr);
	bool was_up;		 /* netif_lock; ever */
	struct netif *peer;	 /* netif_lock; veth: the other end, of any namespace */
	struct netif *master;	 /* netif_lock; the bridge it is a port of, of the same namespace */
};

struct ifaddr {
	struct list_head link;	 /* netif->addrs */
	struct netif *nif;
	uint8_t addr[16];
	unsigned plen;		 /* of 128 */
	uint8_t scope;		 /* LINUX_RT_SCOPE_* */
	uint8_t brd[16];	 /* IPv4; zero: none */
};

struct route {
	struct list_head link;	 /* net->routes */
	uint8_t dst[16], gateway[16], prefsrc[16];
	unsigned plen;		 /* of 128; IPv4's default has 96 */
	bool has_gateway, has_prefsrc;
	struct netif *oif;
	uint32_t metric;
	uint8_t table, protocol, scope, type;
};

struct neigh {
	struct list_head link;	 /* net->neighbours */
	uint8_t addr[16];
	struct netif *nif;
	uint8_t lladdr[6];
	uint16_t state;		 /* LINUX_NUD_* */
	unsigned tries;
	deadline_t asked;
	struct list_head pending; /* struct neigh_frame: waiting for lladdr */
	unsigned nr_pending;
};

/* Where a packet goes. */
struct dst {
	struct netif *oif;
	bool local;		 /* an address of this guest: loopback */
	bool broadcast;
	uint8_t src[16], nexthop[16];
	unsigned mtu;
};

extern struct mutex netif_lock, rtnl_lock;

static inline int addr_family(const uint8_t a[16])
{
	return addr_is_v4(a) ? LINUX_AF_INET : LINUX_AF_INET6;
}
/* The family's own bytes. */
static inline const uint8_t *addr_bytes(const uint8_t a[16])
{
	return addr_is_v4(a) ? a + 12 : a;
}
static inline unsigned addr_size(const uint8_t a[16])
{
	return addr_is_v4(a) ? 4 : 16;
}
static inline unsigned inet_plen(const uint8_t a[16], unsigned plen)
{
	return addr_is_v4(a) ? plen - 96 : plen;
}
/* @bytes: 4 or 16 by @family. */
void addr_set(uint8_t ret[16], int family, const void *bytes);
void addr_set_v4(uint8_t ret[16], uint8_t a, uint8_t b, uint8_t c, uint8_t d);
bool addr_in_prefix(const uint8_t a[16], const uint8_t prefix[16], unsigned plen);

/* lo of a new namespace, down. */
void netif_init_lo(struct net *net);
/*
 * A netif for @net with a name ("%d" in it: the first number that is free), not registered yet; or ERR_PTR: -EEXIST, -EINVAL,
 * -ENOMEM, -ENFILE.
 */
struct netif *netif_new(struct net *net, const char *name);
/* Gives back one that was not registered. */
void netif_drop(struct netif *nif);
/* Adds an interface of netif_new or a static one with an index that is free: @index if it can be, else (and for 0) the next. */
void netif_register(struct net *net, struct netif *nif, int index);
/* Deletes an interface that was registered, with all that is about it.  No lock held. */
void netif_unregister(struct netif *nif);
/* Makes @nif anew in @net and deletes it here.  @name: NULL as it is.  0, -EEXIST, -EINVAL (it stays where it is), -ENOMEM. */
int netif_move(struct netif *nif, struct net *net, const char *name);
/* 0, -EEXIST, -EINVAL, -EBUSY (it is up). */
int netif_rename(struct netif *nif, const char *name);
struct netif *netif_find(struct net *net, int index);
struct netif *netif_find_name(struct net *net, const char *name);
/* The one with the least index from @index on; NULL: no more. */
struct netif *netif_next(struct net *net, int index);
struct netif *netif_lo(struct net *net);
static inline bool netif_is_lo(const struct netif *nif)
{
	return nif->flags & LINUX_IFF_LOOPBACK;
}

/* Each tells the listeners of rtnetlink.  @flags, @mask: which of IFF_* to change.  0, -EINVAL. */
int netif_set_flags(struct netif *nif, unsigned flags, unsigned mask);
int netif_set_mtu(struct netif *nif, unsigned mtu);
int netif_set_hwaddr(struct netif *nif, const uint8_t hwaddr[6]); /* -EOPNOTSUPP: it is the link's */
/* fe80::/64 with the number that RFC 4291 makes of the hardware address. */
void netif_link_local(const struct netif *nif, uint8_t ret[16]);
/* The link is gone or back: IFF_RUNNING follows.  No lock held. */
void netif_set_carrier(struct netif *nif, bool on);
/* @a is copied.  Adds the connected route.  -EEXIST, -ENOMEM. */
int ifaddr_add(const struct ifaddr *a);
/* By address and, unless 0, length.  -EADDRNOTAVAIL. */
int ifaddr_del(struct netif *nif, const uint8_t addr[16], unsigned plen);
/* @r is copied.  @flags: LINUX_NLM_F_*.  -EEXIST, -ENETUNREACH (no way to its gateway), -ENOENT, -ENOMEM. */
int route_add(struct net *net, const struct route *r, unsigned flags);
/* The first that fits what @r names (zero fields fit all).  -ESRCH. */
int route_del(struct net *net, const struct route *r);

/*
 * The way to @to, from @src (NULL or any: to be chosen) and by @oif (NULL: any).  -ENETUNREACH, -ENETDOWN, -EINVAL (a source that
 * is not ours).
 */
int route_lookup(struct net *net, const uint8_t to[16], const uint8_t *src, struct netif *oif, struct dst *ret);
/* Whether @a is one of ours (127/8 as a whole). */
bool addr_is_local(struct net *net, const uint8_t a[16]);
bool addr_is_local_locked(struct net *net, const uint8_t a[16]);
/* A broadcast address of an interface, or 255.255.255.255. */
bool addr_is_broadcast(struct net *net, const uint8_t a[16]);

/* --- the listeners: netlink.c --- */

void rtnl_notify_link(struct netif *nif, bool gone);
void rtnl_notify_addr(const struct ifaddr *a, bool gone);
void rtnl_notify_route(const struct route *r, bool gone);
void rtnl_notify_neigh(const struct neigh *n, bool gone);

#endif
