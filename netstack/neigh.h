/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Neighbours: which hardware address an IP address of the link has.  ARP (arp.c) fills the table, and rtnetlink.
 */
#ifndef SENTRY_NETSTACK_NEIGH_H
#define SENTRY_NETSTACK_NEIGH_H

#include "netstack/netif.h"

/*
 * Sends an IP packet to @to on the link: at once when its address is known; else the packet is copied and waits, a few at most,
 * while the link is asked.  @iov[0] has room for an Ethernet header in its first 14 bytes.
 */
int neigh_xmit(struct netif *nif, const uint8_t to[16], const struct iovec *iov, unsigned nr);
/* What the link said, or an administrator.  -EEXIST with @excl when there is an entry, -ENOMEM. */
int neigh_set(struct netif *nif, const uint8_t addr[16], const uint8_t lladdr[6], uint16_t state, bool excl);
/* The same, but only if somebody asked, or it was known. */
void neigh_confirm(struct netif *nif, const uint8_t addr[16], const uint8_t lladdr[6]);
int neigh_del(struct netif *nif, const uint8_t addr[16]);
/* All of an interface that goes. */
void neigh_flush(struct netif *nif);

#endif
