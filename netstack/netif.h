/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interfaces with their addresses, the routes over them, and the neighbours behind them.
 *
 * Addresses are the 16 bytes of inet_addr.h, IPv4 ones mapped, and prefix lengths count all 128 bits: so one table and one
 * longest-prefix match serve both families (inet_plen() is the family's own length).
 *
 * The table of interfaces only grows: a struct netif stays valid.  Everything else is read and changed under netif_lock, which is
 * below the locks of sockets and above nothing but those of waitqs and receive queues.
 */
#ifndef SENTRY_NETSTACK_NETIF_H
#define SENTRY_NETSTACK_NETIF_H

#include "netstack/inet_addr.h"
#include "sentry/abi/netlink.h"
#include "sentry/base/list.h"
#include "sentry/base/lock.h"
#include "sentry/base/waitq.h"

struct netif;
struct iovec;

struct netif_stats {
	atomic_ulong rx_packets, tx_packets, rx_bytes, tx_bytes, rx_dropped, tx_dropped, rx_errors;
};

struct netif {
	struct list_head link;	 /* netifs; netif_lock */
	int index;		 /* immutable, as all down to hwaddr */
	char name[16];
	uint16_t type;		 /* LINUX_ARPHRD_* */
	unsigned max_mtu;
	uint8_t hwaddr[6];
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
	struct list_head link;	 /* routes */
	uint8_t dst[16], gateway[16], prefsrc[16];
	unsigned plen;		 /* of 128; IPv4's default has 96 */
	bool has_gateway, has_prefsrc;
	struct netif *oif;
	uint32_t metric;
	uint8_t table, protocol, scope, type;
};

struct neigh {
	struct list_head link;	 /* neighbours */
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

extern struct mutex netif_lock;
extern struct list_head netifs, routes, neighbours;

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

/* lo, up, with its addresses.  Once. */
void netif_init(void);
/* Adds an interface (taken; calloc) with the next index. */
void netif_register(struct netif *nif);
struct netif *netif_find(int index);
struct netif *netif_find_name(const char *name);
struct netif *netif_lo(void);

/* Each tells the listeners of rtnetlink.  @flags, @mask: which of IFF_* to change.  0, -EINVAL. */
int netif_set_flags(struct netif *nif, unsigned flags, unsigned mask);
int netif_set_mtu(struct netif *nif, unsigned mtu);
/* The link is gone or back: IFF_RUNNING follows. */
void netif_set_carrier(struct netif *nif, bool on);
/* @a is copied.  Adds the connected route.  -EEXIST, -ENOMEM. */
int ifaddr_add(const struct ifaddr *a);
/* By address and, unless 0, length.  -EADDRNOTAVAIL. */
int ifaddr_del(struct netif *nif, const uint8_t addr[16], unsigned plen);
/* @r is copied.  @flags: LINUX_NLM_F_*.  -EEXIST, -ENETUNREACH (no way to its gateway), -ENOENT, -ENOMEM. */
int route_add(const struct route *r, unsigned flags);
/* The first that fits what @r names (zero fields fit all).  -ESRCH. */
int route_del(const struct route *r);

/*
 * The way to @to, from @src (NULL or any: to be chosen) and by @oif (NULL: any).  -ENETUNREACH, -ENETDOWN, -EINVAL (a source that
 * is not ours).
 */
int route_lookup(const uint8_t to[16], const uint8_t *src, struct netif *oif, struct dst *ret);
/* Whether @a is one of ours (127/8 as a whole). */
bool addr_is_local(const uint8_t a[16]);
/* A broadcast address of an interface, or 255.255.255.255. */
bool addr_is_broadcast(const uint8_t a[16]);

/* --- the listeners: netlink.c --- */

void rtnl_notify_link(struct netif *nif, bool gone);
void rtnl_notify_addr(const struct ifaddr *a, bool gone);
void rtnl_notify_route(const struct route *r, bool gone);
void rtnl_notify_neigh(const struct neigh *n, bool gone);

#endif
