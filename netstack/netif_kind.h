/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kinds of interfaces that rtnetlink makes and deletes: what they share, and the list of them.
 */
#ifndef SENTRY_NETSTACK_NETIF_KIND_H
#define SENTRY_NETSTACK_NETIF_KIND_H

#include "netstack/netlink.h"

extern const struct netif_kind *const netif_kinds[]; /* to NULL */

/* An Ethernet interface as Linux makes them: no name, no xmit yet, with a carrier and a random address. */
void netif_init_ether(struct netif *nif, const struct netif_kind *kind);
void netif_random_hwaddr(uint8_t ret[6]);

/* Of a request about a link, whose fixed part is a struct ifinfomsg: the name.  1; 0: none, @name is untouched; -ERANGE. */
int link_req_name(const struct nlreq *q, char name[16]);
/* The namespace that it is to be in (IFLA_NET_NS_PID or FD, else the request's own), a reference; ERR_PTR: -EINVAL, -ESRCH, -EPERM. */
struct net *link_req_net(const struct nlreq *q);
/* Its address and MTU into an interface that is not registered yet.  0, -EINVAL, -EADDRNOTAVAIL. */
int link_req_init(const struct nlreq *q, struct netif *nif);

#endif
