/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Segments in: RFC 9293, 3.10.7, in its order of checks.
 */
#include <stdlib.h>

#include "netstack/sock_queue.h"
#include "netstack/tcp.h"
#include "sentry/abi/poll.h"

#define COPY_BREAK 4096	/* smaller data moves to a message of its own size, and the big buffer is freed */
#define FIN_WAIT2_NS (60 * 1000000000LL)

struct segment {
	uint32_t seq, ack;
	uint32_t wnd;	/* not scaled */
	uint8_t flags;
	uint8_t *data;
	size_t len;
	uint16_t mss;	/* options of a SYN; 0: none */
	int wscale;	/* -1: none */
};

static void tcp_parse_options(struct segment *s, const uint8_t *p, size_t len)
{
	while (len) {
		size_t n;

		if (p[0] == 0)
			return;
		if (p[0] == 1) {
			p++;
			len--;
			continue;
		}
		if (len < 2)
			return;
		n = p[1];
		if (n < 2 || n > len)
			return;
		if (p[0] == 2 && n == 4)
			s->mss = get_be16(p + 2);
		else if (p[0] == 3 && n == 3)
			s->wscale = MIN(p[2], 14);
		p += n;
		len -= n;
	}
}

static bool tcp_parse(struct pkt *k, struct segment *s)
{
	size_t hlen;

	if (k->len < 20)
		return false;
	hlen = (size_t)(k->p[12] >> 4) * 4;
	if (hlen < 20 || hlen > k->len)
		return false;
	*s = (struct segment){ .seq = get_be32(k->p + 4), .ack = get_be32(k->p + 8), .wnd = get_be16(k->p + 14),
			       .flags = k->p[13], .data = k->p + hlen, .len = k->len - hlen, .wscale = -1 };
	if (s->flags & TCP_SYN)
		tcp_parse_options(s, k->p + 20, hlen - 20);
	k->src.port = get_be16(k->p);
	k->dst.port = get_be16(k->p + 2);
	return k->src.port && k->dst.port;
}

static void tcp_take_options(struct tcp_sock *tp, const struct segment *s)
{
	unsigned max = tp->dst.mtu - (addr_is_v4(tp->remote.addr) ? IP_HLEN : IP6_HLEN) - 20;
	int user = READ_ONCE(inet_sk(tp->sk)->maxseg);

	tp->mss = MIN(MAX(s->mss ? s->mss : 536u, 64u), max);
	if (user)
		tp->mss = MIN(tp->mss, (unsigned)user);
	tp->wscale_ok = s->wscale >= 0;
	tp->snd_wscale = tp->wscale_ok ? (uint8_t)s->wscale : 0;
}

static void tcp_established(struct tcp_sock *tp, const struct segment *s)
{
	tp->state = tp->fin_queued ? TCP_FIN_WAIT1 : TCP_ESTABLISHED;
	tp->snd_una = tp->iss + 1;
	tp->snd_wnd = s->flags & TCP_SYN ? s->wnd : s->wnd << tp->snd_wscale;
	tp->snd_wl1 = s->seq;
	tp->snd_wl2 = s->ack;
	tp->backoff = 0;
	tcp_set_deadline(tp, tp->sk->keepalive ? monotonic_ns() + inet_sk(tp->sk)->keepidle * 1000000000LL : 0);
}

/* --- new connections --- */

static void tcp_listen_input(const struct pkt *k, const struct segment *s)
{
	struct sock *listener _cleanup_sock_ = NULL, *child _cleanup_sock_ = NULL;
	struct tcp_sock *tp;
	struct dst dst;

	if (s->flags & TCP_RST)
		return;
	listener = s->flags & (TCP_ACK | TCP_FIN) || !(s->flags & TCP_SYN) || k->broadcast ? NULL :
		   inet_listener_find(k->nif->net, &k->dst, &k->src);
	if (!listener) {
		tcp_refuse(k);
		return;
	}
	if (route_lookup(k->nif->net, k->src.addr, k->dst.addr, NULL, &dst) || dst.local || !sock_accept_room(listener))
		return; /* dropped: the client tries again, as with Linux's full queue */
	child = inet_child_new(listener, &k->dst, &k->src);
	tp = child ? tcp_alloc(child, &k->dst, &k->src, &dst) : NULL;
	if (!tp) {
		return;
	}
	tp->listener = sock_get(listener);
	tp->irs = s->seq;
	tp->rcv_nxt = tp->rcv_adv = s->seq + 1;
	tp->state = TCP_SYN_RECV;
	mutex_lock(&child->lock);
	inet_sk(child)->tcp = tp;
	child->remote = true;
	WRITE_ONCE(child->state, SS_CONNECTING);
	mutex_unlock(&child->lock);
	tcp_take_options(tp, s);
	tcp_send_syn(tp);
	tcp_set_deadline(tp, monotonic_ns() + TCP_RTO_NS);
}

/* The handshake's last acknowledgement.  False: no room, the segment is dropped. */
static bool tcp_syn_recv_done(struct tcp_sock *tp, const struct segment *s)
{
	struct sock *listener = tp->listener;
	int err;

	mutex_lock(&tp->sk->lock);
	WRITE_ONCE(tp->sk->state, SS_CONNECTED);
	mutex_unlock(&tp->sk->lock);
	err = sock_enqueue_child(listener, tp->sk, true, 0);
	if (err) {
		WRITE_ONCE(tp->sk->state, SS_CONNECTING);
		if (err != -LINUX_EAGAIN) {
			tcp_send_reset(tp);
			tcp_kill(tp, 0);
		}
		return false;
	}
	tcp_established(tp, s);
	tp->listener = NULL;
	sock_put(listener);
	return true;
}

static void tcp_syn_sent_input(struct tcp_sock *tp, const struct segment *s)
{
	struct sock *sk = tp->sk;

	if (s->flags & TCP_ACK && s->ack != tp->snd_nxt)
		return;
	if (s->flags & TCP_RST) {
		if (s->flags & TCP_ACK)
			tcp_kill(tp, -LINUX_ECONNREFUSED);
		return;
	}
	if ((s->flags & (TCP_SYN | TCP_ACK)) != (TCP_SYN | TCP_ACK))
		return; /* nobody opens towards us while we do */
	tp->irs = s->seq;
	tp->rcv_nxt = tp->rcv_adv = s->seq + 1;
	tcp_take_options(tp, s);
	tcp_established(tp, s);
	mutex_lock(&sk->lock);
	WRITE_ONCE(sk->state, SS_CONNECTED);
	mutex_unlock(&sk->lock);
	tcp_output(tp, true);
	sock_wake(sk, 0);
	fasync_kill(&sk->async, LINUX_POLL_OUT);
}

/* --- established and later --- */

/* Cuts @s to what is new and inside the window; false: nothing of it is acceptable. */
static bool tcp_trim(struct tcp_sock *tp, struct segment *s)
{
	uint32_t before = tp->rcv_nxt - s->seq, room;

	if ((int32_t)before > 0) { /* begins with what we have */
		if (s->flags & TCP_SYN) {
			s->flags &= ~TCP_SYN;
			s->seq++;
			before--;
		}
		if (before > s->len || (before == s->len && !(s->flags & TCP_FIN) && before))
			return false;
		s->seq += before;
		s->data += before;
		s->len -= before;
	}
	if (s->seq != tp->rcv_nxt && (s->len || s->flags & TCP_FIN)) /* a gap: it will be sent again */
		return false;
	room = tp->rcv_adv - tp->rcv_nxt;
	if (s->len > room) {
		s->len = room;
		s->flags &= ~TCP_FIN;
		if (!room)
			return false;
	}
	return true;
}

static void tcp_ack_input(struct tcp_sock *tp, const struct segment *s)
{
	uint32_t acked = s->ack - tp->snd_una;
	bool fin = tp->fin_sent && s->ack == tp->snd_max;

	if (seq_lt(tp->snd_una, s->ack)) {
		tcp_sndq_acked(tp, acked - fin);
		tp->snd_una = s->ack;
		if (seq_lt(tp->snd_nxt, tp->snd_una)) { /* of before we went back */
			tp->snd_nxt = tp->snd_una;
			tp->cursor = list_first_entry_or_null(&tp->sndq, struct skb, link);
			tp->cursor_off = tp->una_off;
		}
		tp->backoff = 0;
		tp->unacked_since = monotonic_ns();
		if (tp->snd_una != tp->snd_max)
			tp->deadline = tp->deadline ? tp->unacked_since + TCP_RTO_NS : 0;
		else if (!tp->sndq_bytes)
			tcp_set_deadline(tp, tp->sk->keepalive ? tp->unacked_since + inet_sk(tp->sk)->keepidle * 1000000000LL : 0);
	}
	if (seq_lt(tp->snd_wl1, s->seq) || (tp->snd_wl1 == s->seq && seq_leq(tp->snd_wl2, s->ack))) {
		if (!tp->snd_wnd && s->wnd)
			tp->backoff = 0;
		tp->snd_wnd = s->wnd << tp->snd_wscale;
		tp->snd_wl1 = s->seq;
		tp->snd_wl2 = s->ack;
	}
}

/* Our FIN is acknowledged.  False: the connection is gone. */
static bool tcp_fin_acked(struct tcp_sock *tp)
{
	switch (tp->state) {
	case TCP_FIN_WAIT1:
		tp->state = TCP_FIN_WAIT2;
		if (tp->orphan)
			tcp_set_deadline(tp, monotonic_ns() + FIN_WAIT2_NS);
		sock_wake(tp->sk, 0);
		return true;
	case TCP_CLOSING:
		tcp_enter_timewait(tp);
		return false;
	case TCP_LAST_ACK:
		tcp_kill(tp, 0);
		return false;
	default:
		return true;
	}
}

/* Data for the reader.  False: there is none any more, the connection was reset. */
static bool tcp_data_input(struct tcp_sock *tp, struct pkt *k, const struct segment *s)
{
	struct skb *skb = k->skb;

	if (tp->orphan) {
		tcp_send_reset(tp);
		tcp_kill(tp, 0);
		return false;
	}
	if (s->len < COPY_BREAK) {
		skb = skb_new(NULL, s->len);
		if (!skb)
			return true; /* not acknowledged: it comes again */
		memcpy(skb->data, s->data, s->len);
	} else {
		k->skb = NULL;
		skb->data = (char *)s->data;
		skb->len = s->len;
	}
	if (sock_deliver(tp->sk, skb)) {
		skb_free(skb);
		tcp_send_reset(tp);
		tcp_kill(tp, 0);
		return false;
	}
	tp->rcv_nxt += (uint32_t)s->len;
	tcp_ack_later(tp);
	return true;
}

static void tcp_fin_input(struct tcp_sock *tp)
{
	struct sock *sk = tp->sk;
	bool over = false;

	tp->rcv_nxt++;
	tcp_ack_later(tp);
	mutex_lock(&sk->lock);
	WRITE_ONCE(sk->shutdown, sk->shutdown | SHUT_BIT_RCV);
	mutex_unlock(&sk->lock);
	switch (tp->state) {
	case TCP_ESTABLISHED:
		tp->state = TCP_CLOSE_WAIT;
		break;
	case TCP_FIN_WAIT1:
		tp->state = TCP_CLOSING;
		break;
	case TCP_FIN_WAIT2:
		over = true;
		break;
	default:
		break;
	}
	sock_wake(sk, 0);
	sock_async_data(sk, LINUX_POLL_IN);
	if (over) {
		list_del(&tp->acks);
		tcp_output(tp, true);
		tcp_enter_timewait(tp);
	}
}

/* RFC 5961: a reset counts where it says exactly the next byte. */
static void tcp_reset_input(struct tcp_sock *tp, const struct segment *s)
{
	if (s->seq != tp->rcv_nxt) {
		if (s->seq - tp->rcv_nxt < tp->rcv_adv - tp->rcv_nxt)
			tcp_ack_later(tp);
		return;
	}
	if (tp->state == TCP_SYN_RECV)
		tcp_kill(tp, 0);
	else
		tcp_kill(tp, tp->state == TCP_CLOSE_WAIT ? -LINUX_EPIPE : -LINUX_ECONNRESET);
}

static void tcp_conn_input(struct tcp_sock *tp, struct pkt *k, struct segment *s)
{
	tp->last_rx = monotonic_ns();
	tp->probes = 0;
	if (s->flags & TCP_RST) {
		tcp_reset_input(tp, s);
		return;
	}
	if (s->flags & TCP_SYN && tp->state == TCP_SYN_RECV && s->seq == tp->irs) {
		tcp_send_syn(tp); /* ours was lost */
		return;
	}
	if (!tcp_trim(tp, s) || s->flags & TCP_SYN) {
		tcp_ack_later(tp);
		/* The acknowledgement of an old segment still counts where it is new. */
		if (!(s->flags & TCP_ACK) || tp->state == TCP_SYN_RECV)
			return;
		s->len = 0;
		s->flags &= ~(TCP_FIN | TCP_SYN);
	}
	if (!(s->flags & TCP_ACK))
		return;
	if (tp->state == TCP_SYN_RECV) {
		if (s->ack != tp->iss + 1) {
			tcp_refuse(k);
			return;
		}
		if (!tcp_syn_recv_done(tp, s))
			return;
	}
	if (seq_lt(tp->snd_max, s->ack)) {
		tcp_ack_later(tp);
		return;
	}
	tcp_ack_input(tp, s);
	if (tp->fin_sent && tp->snd_una == tp->snd_max && !tcp_fin_acked(tp))
		return;
	if (s->len && !tcp_data_input(tp, k, s))
		return;
	if (s->flags & TCP_FIN && s->seq + s->len == tp->rcv_nxt) {
		tcp_fin_input(tp);
		return; /* the connection may be gone */
	}
	tcp_output(tp, false);
}

static void tcp_timewait_input(struct tcp_sock *tp, const struct pkt *k, const struct segment *s)
{
	if (s->flags & TCP_RST) {
		tcp_kill(tp, 0);
	} else if (s->flags & TCP_SYN && !(s->flags & TCP_ACK) && seq_lt(tp->rcv_nxt, s->seq)) {
		tcp_kill(tp, 0); /* a new one with the same names: RFC 6191 */
		tcp_listen_input(k, s);
	} else if (s->len || s->flags & (TCP_FIN | TCP_SYN)) {
		tcp_output(tp, true);
	}
}

void tcp_input(struct pkt *k)
{
	struct tcp_sock *tp;
	struct segment s;

	if (!tcp_parse(k, &s))
		return;
	MUTEX_GUARD(&tcp_lock);
	tp = tcp_find_locked(k->nif->net, &k->dst, &k->src);
	if (!tp)
		tcp_listen_input(k, &s);
	else if (tp->state == TCP_TIME_WAIT)
		tcp_timewait_input(tp, k, &s);
	else if (tp->state == TCP_SYN_SENT)
		tcp_syn_sent_input(tp, &s);
	else
		tcp_conn_input(tp, k, &s);
}

void tcp_error(struct net *net, const struct inet_name *local, const struct inet_name *remote, uint32_t seq, int err, bool hard,
	       const struct icmp_info *info)
{
	struct tcp_sock *tp;
	MUTEX_GUARD(&tcp_lock);

	tp = tcp_find_locked(net, local, remote);
	if (!tp || !tp->sk || seq_lt(seq, tp->snd_una) || seq_lt(tp->snd_max, seq))
		return;
	hard |= icmp_denied(info, tp->sk, remote);
	/* RFC 1122, 4.2.3.9: an established connection outlives it. */
	if (tp->state == TCP_SYN_SENT || (hard && tp->state == TCP_SYN_RECV))
		tcp_kill(tp, err);
}
