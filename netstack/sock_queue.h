/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages and closing, for the generic socket code and the protocols.
 */
#ifndef SENTRY_NETSTACK_SOCK_QUEUE_H
#define SENTRY_NETSTACK_SOCK_QUEUE_H

#include "netstack/socket.h"

/* A message charged to @from (NULL: nobody), with room for @len bytes; NULL: no memory. */
struct skb *skb_new(struct sock *from, size_t len);
void skb_free(struct skb *skb);
/* Files of AF_UNIX sockets in messages: unix_gc.c.  Both are to be called with what is put in a message, or taken from one. */
void scm_fly(const struct scm *scm);
void scm_land(const struct scm *scm);
extern struct mutex scm_lock;
/* Frees what only unreceived messages still refer to. */
void unix_gc(void);
/* Puts @skb (taken on success) on @to's queue; -LINUX_EPIPE when its reader is gone. */
int sock_deliver(struct sock *to, struct skb *skb);
/* The peer with a reference, or NULL. */
struct sock *sock_peer_get(struct sock *sk);
/* Ends a sock: what release of its file does; also for children that were never accepted. */
void sock_close(struct sock *sk);
/* A call with a time-out is not restarted: sock_intr_errno() in Linux. */
int sock_wait_err(int err, deadline_t deadline);
bool sock_writable(const struct sock *sk);

#endif
