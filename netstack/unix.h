/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AF_UNIX sockets, for those who list them.
 */
#ifndef SENTRY_NETSTACK_UNIX_H
#define SENTRY_NETSTACK_UNIX_H

#include "netstack/socket.h"

/* Calls @fn for each of @net (NULL: of all), unix_lock held.  @name: @len bytes as in sun_path (0: none); @peer_ino: 0 without one. */
void unix_for_each(struct net *net, void (*fn)(struct sock *sk, const char *name, unsigned len, uint64_t peer_ino, void *arg), void *arg);

#endif
