/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TCP across a link (RFC 9293).  Connections inside the guest are joined in memory and never get here (inet.c).
 *
 *                         connect                      SYN for a listener
 *     CLOSED ------------------------> SYN_SENT            SYN_RECV --ACK--> ESTABLISHED, to the accept queue
 *                                         | SYN+ACK
 *                                         v
 *          close or SHUT_WR          ESTABLISHED          FIN
 *        FIN_WAIT1 <---------------------+ +---------------------> CLOSE_WAIT
 *          | ACK  | FIN                                               | close or SHUT_WR
 *          v      v                                                   v
 *     FIN_WAIT2  CLOSING --ACK--> TIME_WAIT                        LAST_ACK --ACK--> CLOSED
 *          | FIN                     ^
 *          +-------------------------+
 *
 * The link neither drops nor reorders, so there is no congestion control, no selective acknowledgement, and what comes out of order is
 * dropped and asked for again; but every loss is repaired: retransmission is go-back-N with a coarse timer that doubles.
 *
 * One lock, tcp_lock, guards all connections.  A connection holds a reference on its sock until it is CLOSED or in TIME_WAIT; the sock's
 * pointer to it (inet_sock.tcp) is cleared then.  What is sent stays in `sndq` and in the sock's wmem until it is acknowledged; what
 * arrives goes to the sock's receive queue as it does for every other socket.
 *
 * Lock order: tcp_lock > inet_lock > sock->lock > rcvq_lock, netif_lock.
 */
#ifndef SENTRY_NETSTACK_TCP_H
#define SENTRY_NETSTACK_TCP_H

#include "netstack/ip.h"

/* As /proc/net/tcp shows them. */
enum tcp_state {
	TCP_ESTABLISHED = 1,
	TCP_SYN_SENT,
	TCP_SYN_RECV,
	TCP_FIN_WAIT1,
	TCP_FIN_WAIT2,
	TCP_TIME_WAIT,
	TCP_CLOSE,
	TCP_CLOSE_WAIT,
	TCP_LAST_ACK,
	TCP_LISTEN,
	TCP_CLOSING,
};

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_PSH 0x08
#define TCP_ACK 0x10

#define TCP_RTO_NS 1000000000LL
#define TCP_RTO_MAX_NS (120 * 1000000000LL)

struct tcp_sock {
	struct list_head hash;	 /* all connections, by ports */
	struct list_head acks;	 /* those that owe an acknowledgement */
	struct list_head timers; /* those with a deadline; or the queue of TIME_WAIT */
	struct sock *sk;	 /* reference; NULL in TIME_WAIT */
	struct sock *listener;	 /* reference; SYN_RECV only */
	struct inet_name local, remote;
	struct dst dst;
	enum tcp_state state;

	uint32_t iss, snd_una, snd_nxt, snd_max, snd_wnd, snd_wl1, snd_wl2;
	uint32_t irs, rcv_nxt, rcv_adv; /* rcv_adv: the right edge that was promised */
	uint8_t snd_wscale, rcv_wscale;
	bool wscale_ok;
	unsigned mss;

	struct list_head sndq;	 /* skbs from snd_una on */
	size_t sndq_bytes;	 /* not acknowledged, sent or not */
	size_t una_off;		 /* of the first skb, how much is acknowledged */
	struct skb *cursor;	 /* where snd_nxt is; NULL: at the end */
	size_t cursor_off;
	bool fin_queued, fin_sent, more, orphan;

	deadline_t deadline;	 /* 0: none */
	int64_t last_rx, unacked_since;
	unsigned backoff, probes;
};

extern struct mutex tcp_lock;

static inline bool seq_lt(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}
static inline bool seq_leq(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) <= 0;
}

/* --- for inet.c --- */

/* Begins a connection to @to by the way @dst; the name is bound.  0 (SS_CONNECTING), -LINUX_EADDRNOTAVAIL, -LINUX_ENOMEM... */
int tcp_connect(struct sock *sk, const struct inet_name *to, const struct dst *dst);
/* Takes @skb to be sent. */
int tcp_xmit(struct sock *sk, struct skb *skb, struct msg *msg);
/* Sends what was held back by TCP_CORK or Nagle's rule. */
void tcp_push(struct sock *sk);
void tcp_rcvd(struct sock *sk);
void tcp_shutdown(struct sock *sk);
/* The file is gone; @abort: with a reset. */
void tcp_close(struct sock *sk, bool abort);
void tcp_keepalive(struct sock *sk);
/* Ends every connection over @nif: the link is gone. */
void tcp_link_down(struct netif *nif);
enum tcp_state tcp_sock_state(struct sock *sk);
/* The largest segment; 536 without a connection. */
int tcp_mss(struct sock *sk);
/* What LINUX_TCP_INFO shows; @size bytes at @ret, of which TCP_INFO_SIZE mean something. */
#define TCP_INFO_SIZE 248
void tcp_info(struct sock *sk, void *ret, size_t size);
/* Those of @net in TIME_WAIT, tcp_lock held. */
void tcp_for_each_timewait(struct net *net, void (*fn)(const struct tcp_sock *tp, void *arg), void *arg);

/* --- between tcp*.c; tcp_lock held --- */

struct tcp_sock *tcp_alloc(struct sock *sk, const struct inet_name *local, const struct inet_name *remote, const struct dst *dst);
struct tcp_sock *tcp_find_locked(struct net *net, const struct inet_name *local, const struct inet_name *remote);
/* Leaves all tables; @err: for the sock, 0: in order. */
void tcp_kill(struct tcp_sock *tp, int err);
void tcp_enter_timewait(struct tcp_sock *tp);
void tcp_set_deadline(struct tcp_sock *tp, deadline_t at);
void tcp_ack_later(struct tcp_sock *tp);
/* Sends what may be sent; with @ack at least an acknowledgement. */
void tcp_output(struct tcp_sock *tp, bool ack);
/* -errno when there is no way any more: nobody answers on the link, or it is down. */
int tcp_retransmit(struct tcp_sock *tp);
int tcp_send_syn(struct tcp_sock *tp);
void tcp_send_reset(struct tcp_sock *tp);
void tcp_probe(struct tcp_sock *tp);
/* The answer to a segment that belongs to nothing. */
void tcp_refuse(const struct pkt *k);
/* @n more bytes are acknowledged. */
void tcp_sndq_acked(struct tcp_sock *tp, size_t n);
uint32_t tcp_rcv_space(const struct tcp_sock *tp);

#endif
