/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Network namespaces: network_namespaces(7).
 *
 * A struct net has the interfaces, addresses, routes and neighbours (netif.h), and every sock belongs to one from birth to death, with a
 * reference.  The tables of names (ports, abstract names, port ids) are shared; whoever looks something up compares namespaces.
 *
 * When the last reference goes, which may be under any lock, what is left is put away later, by the timers' thread: until then an
 * interface of it may still be found by its other end, and is passed over since no reference can be had.
 */
#ifndef SENTRY_NETSTACK_NET_NAMESPACE_H
#define SENTRY_NETSTACK_NET_NAMESPACE_H

#include "netstack/netif.h"
#include "sentry/base/timer.h"
#include "vfs/ns.h"
#include "vfs/user_ns.h"

#define NR_NSIDS 64

struct net {
	struct ns_common ns;
	struct list_head netifs, routes, neighbours; /* netif_lock, as all but `cleanup` */
	struct list_head unused;		     /* netifs that were deleted, by `link`: for the next ones */
	int next_index;
	unsigned nr_netifs, nr_routes, nr_neigh;
	uint32_t nsids[NR_NSIDS];		     /* other namespaces' inode numbers: rtnl_nsid.c */
	struct netif lo;
	struct timer cleanup;
};

extern struct net init_net;

static inline struct net *net_get(struct net *net)
{
	ns_get(&net->ns);
	return net;
}
/* NULL is nothing. */
static inline void net_put(struct net *net)
{
	if (net)
		ns_put(&net->ns);
}
static inline void net_put_cleanup(struct net **net)
{
	if (*net && !IS_ERR(*net))
		net_put(*net);
}
#define _cleanup_net_ __cleanup(net_put_cleanup)

/* A file of a network namespace, or the namespace itself, as its struct net; NULL for another kind. */
static inline struct net *net_of(struct ns_common *ns)
{
	return ns && ns->type == NS_NET ? container_of(ns, struct net, ns) : NULL;
}
/* The calling task's, borrowed; init_net for threads without a task. */
static inline struct net *current_net_ns(void)
{
	return current_net ? container_of(current_net, struct net, ns) : &init_net;
}
/* Whether the caller has the right @cap over @net. */
static inline bool net_capable(const struct net *net, enum cap cap)
{
	return ns_capable(net->ns.user_ns, cap);
}

/* init_net with its lo, up.  Once, before all else of the network. */
void net_ns_init(void);

#endif
