/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Internet sockets' own state, for inet.c and inet_opt.c.
 */
#ifndef SENTRY_NETSTACK_INET_H
#define SENTRY_NETSTACK_INET_H

#include "netstack/inet_addr.h"
#include "netstack/socket.h"

struct inet_sock {
	struct sock *sk;	  /* borrowed: this is sk->proto */
	struct list_head link;	  /* inet_lock; in the table while bound */
	struct inet_name local;	  /* inet_lock to bind; stable afterwards */
	struct inet_name remote;  /* inet_lock for datagrams; set once for streams; port 0: none */
	bool connecting;	  /* sk->lock; a connect that did not wait was begun, and nobody was told how it ended */
	bool v6only, freebind, nodelay, cork, quickack, recverr, pktinfo, mcast_loop;
	int tos, ttl, keepidle, keepintvl, keepcnt, user_timeout, linger2, defer_accept, mtu_discover, maxseg;
};

static inline struct inet_sock *inet_sk(const struct sock *sk)
{
	return sk->proto;
}

int inet_setsockopt(struct sock *sk, int level, int name, const void *val, unsigned len);
int inet_getsockopt(struct sock *sk, int level, int name, void *val, unsigned *len);
/* Calls @fn for every bound sock, inet_lock held. */
void inet_for_each(bool dgram, void (*fn)(struct inet_sock *in, void *arg), void *arg);

#endif
