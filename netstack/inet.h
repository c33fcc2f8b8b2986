/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Internet sockets' own state, for inet.c and inet_opt.c.
 */
#ifndef SENTRY_NETSTACK_INET_H
#define SENTRY_NETSTACK_INET_H

#include "netstack/inet_addr.h"
#include "netstack/socket.h"

struct tcp_sock;
struct pkt;

/* The tables of bound names: one per name space of ports. */
enum inet_table { INET_STREAM, INET_DGRAM, INET_UDPLITE, INET_PING, NR_INET_TABLES };

struct inet_sock {
	struct sock *sk;	  /* borrowed: this is sk->proto */
	struct list_head all;	  /* inet_all; inet_lock */
	struct tcp_sock *tcp;	  /* tcp_lock and sk->lock to write; NULL: not across a link */
	bool any_source;	  /* the local address was chosen by connect */
	bool hdrincl, uses_link;  /* raw; has sent over a link: hears when it goes down */
	uint32_t icmp_filter;	  /* raw ICMP: types not wanted */
	struct list_head link;	  /* inet_lock; in the table while bound */
	struct inet_name local;	  /* inet_lock to bind; stable afterwards */
	struct inet_name remote;  /* inet_lock for datagrams; set once for streams; port 0: none */
	bool connecting;	  /* sk->lock; a connect that did not wait was begun, and nobody was told how it ended */
	bool v6only, freebind, nodelay, cork, quickack, recverr, pktinfo, recvttl, recvtos, mcast_loop, bind_no_port;
	bool recvopts, retopts, passsec, recvhopopts, recvrthdr, recvdstopts, autoflowlabel; /* as set: such never come */
	bool thin_linear, fastopen_connect, fastopen_no_cookie, mcast_all4;
	bool recvfragsize, recverr_rfc4884, recverr6_rfc4884, rtalert_isolate, flowinfo, flowinfo_send, recvpathmtu; /* the same */
	bool ip_checksum, no_check6_tx, no_check6_rx, gro, save_syn, recv2292opts, recv2292rthdr, recv2292dst;	      /* the same */
	bool transparent, recvorigdst, dontfrag, recv2292pktinfo, recv2292hoplimit, tcp_inq;
	int minttl, addr_prefs, port_range, tx_delay;	/* hints, but for the first */
	int unicast_if;		  /* where a datagram to one host leaves by, big endian; 0: by route */
	int gso;		  /* UDP_SEGMENT: how long the datagrams are that one is cut into; 0: it is not */
	struct tcp_held *held;	  /* sk->iolock to set, once; TCP_CORK inside the guest */
	struct udp_cork *cork_held; /* sk->iolock; UDP_CORK, MSG_MORE: a datagram that is not complete */
	int window_clamp, fastopen; /* hints */
	bool mcast_own;		  /* IP_MULTICAST_ALL cleared: only groups it joined itself */
	struct inet_group *groups; /* inet_lock; malloc */
	unsigned nr_groups;
	int mcast_if;		  /* IP_MULTICAST_IF; 0: by route */
	uint8_t mcast_addr[4];	  /* what it was set by */
	int tos, ttl, mcast_ttl, syncnt, notsent_lowat, keepidle, keepintvl, keepcnt;
	int user_timeout, linger2, defer_accept, mtu_discover, maxseg;
};

static inline struct inet_sock *inet_sk(const struct sock *sk)
{
	return sk->proto;
}

int inet_setsockopt(struct sock *sk, int level, int name, const void *val, unsigned len);
int inet_getsockopt(struct sock *sk, int level, int name, void *val, unsigned *len);
/* Calls @fn for every sock of @net (NULL: of all) of a kind (INET_STREAM: also those that were accepted), inet_lock held. */
void inet_for_each(struct net *net, enum inet_table table, void (*fn)(struct inet_sock *in, void *arg), void *arg);
static inline enum inet_table inet_table_of(const struct sock *sk)
{
	if (sk->type == LINUX_SOCK_STREAM)
		return INET_STREAM;
	return sk->protocol == LINUX_IPPROTO_UDP ? INET_DGRAM : sk->protocol == LINUX_IPPROTO_UDPLITE ? INET_UDPLITE : INET_PING;
}

/* --- inet_mcast.c --- */

/* 1: not an option of groups. */
int inet_mcast_setsockopt(struct sock *sk, int level, int name, const void *val, unsigned len);
int inet_mcast_xmit(struct sock *sk, struct skb *skb, struct msg *msg);

/* --- inet.c, for the protocols --- */

extern struct mutex inet_lock;
extern struct list_head inet_all;
/* Those bound to @port; inet_lock held. */
struct list_head *inet_bucket(enum inet_table table, uint16_t port);

struct sock *inet_alloc(struct net *net, int family, int type, int protocol, const struct sock_ops *ops);
/* The listener for a connection from @from to @to, with a reference, or NULL. */
struct sock *inet_listener_find(struct net *net, const struct inet_name *to, const struct inet_name *from);
struct sock *inet_find(struct net *net, enum inet_table table, const struct inet_name *to, const struct inet_name *from);
struct sock *inet_child_new(struct sock *listener, const struct inet_name *local, const struct inet_name *remote);
/* The way to *to ("any" is replaced by this host). */
int inet_resolve_dest(struct sock *sk, struct inet_name *to, struct dst *ret);
/* Where a datagram goes: msg's address or the connected one.  @need_port: -LINUX_EINVAL without one. */
int inet_msg_dest(struct sock *sk, const struct msg *msg, bool need_port, struct inet_name *ret);
int inet_autobind(struct sock *sk);
int inet_bind_check(struct sock *sk, const struct linux_sockaddr *addr, unsigned len, struct inet_name *ret);
int inet_getname(struct sock *sk, bool peer, struct linux_sockaddr *ret, unsigned *ret_len);
/* Leaves the tables; may be called again. */
void inet_unbind(struct sock *sk);
void inet_free(struct sock *sk);
/* Queues what a link brought for @sk (its own copy unless *@k's skb is taken).  Drops when its buffer is full. */
void inet_deliver(struct sock *sk, struct pkt *k, const uint8_t *data, size_t len, const struct inet_name *from);
/* Tells @sk of an error about @data, which it sent to @remote; queued where it asked for that. */
void inet_error_queue(struct sock *sk, const struct inet_name *remote, const void *data, size_t len, const struct sock_error *e);
void inet_lost(struct sock *sk, struct skb *skb, struct msg *msg);
struct sock *raw_create(int family, int protocol);
/* sock_ops.packet of UDP. */
uint8_t *udp_packet(const struct sock *sk, const struct skb *skb, size_t *ret_head);
/* udp_send.c: sock_ops.sendmsg of UDP; what a cork held back goes out, or away. */
int64_t udp_sendmsg(struct sock *sk, struct msg *msg, bool nonblock);
int udp_push(struct sock *sk);
void udp_cork_drop(struct sock *sk);
/*
 * tcp_cork.c.  Takes @msg of a connection inside the guest to wait for more: true, with what its sender is told.  False: it is to be
 * sent, and what waited has been.
 */
bool tcp_cork(struct sock *sk, struct msg *msg, bool nonblock, int64_t *ret);
/* What waits is sent, as far as that is possible without waiting. */
void tcp_uncork(struct sock *sk);
void tcp_cork_free(struct sock *sk);
int udp_xmit(struct sock *sk, struct skb *skb, struct msg *msg);
int ping_xmit(struct sock *sk, struct skb *skb, struct msg *msg);
/* Ends all that goes over a link which is gone, and won't come back. */
void inet_link_down(struct netif *nif);

#endif
