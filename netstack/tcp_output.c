/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Segments out: what the window, Nagle's rule and corks let go, gathered from the send queue without copying.
 */
#include <stdlib.h>

#include "netstack/sock_queue.h"
#include "netstack/tcp.h"

#define TCP_HLEN 20
#define TCP_HEAD_MAX (IP_HEADROOM + 60)
#define CORK_NS 200000000LL

uint32_t tcp_rcv_space(const struct tcp_sock *tp)
{
	size_t used = READ_ONCE(tp->sk->rcvq_bytes), all = (size_t)tp->sk->rcvbuf;

	return used >= all ? 0 : (uint32_t)MIN(all - used, tp->wscale_ok ? (size_t)0xffff << tp->rcv_wscale : (size_t)0xffff);
}

/* What the window field says; a right edge once promised is not taken back. */
static uint16_t tcp_window(struct tcp_sock *tp, bool syn)
{
	uint32_t space = tp->sk ? tcp_rcv_space(tp) : 0;
	uint8_t scale = tp->wscale_ok && !syn ? tp->rcv_wscale : 0;

	if ((int32_t)(tp->rcv_adv - tp->rcv_nxt) > (int32_t)space)
		space = tp->rcv_adv - tp->rcv_nxt;
	space = MIN(space >> scale, 0xffffu);
	if ((int32_t)(tp->rcv_nxt + (space << scale) - tp->rcv_adv) > 0)
		tp->rcv_adv = tp->rcv_nxt + (space << scale);
	return (uint16_t)space;
}

static void tcp_checksum(uint8_t *h, const struct inet_name *src, const struct inet_name *dst, const struct iovec *iov, unsigned nr,
			 size_t hlen)
{
	struct iovec pieces[IOV_FRAME_MAX];
	size_t len = 0;

	memcpy(pieces, iov, nr * sizeof(*iov));
	pieces[0].iov_base = h;
	pieces[0].iov_len = hlen;
	for (unsigned i = 0; i < nr; i++)
		len += pieces[i].iov_len;
	memcpy(h + 16, &(uint16_t){ csum_finish(csum_add_iov(csum_pseudo(src->addr, dst->addr, LINUX_IPPROTO_TCP, (uint32_t)len),
							     pieces, nr)) }, 2);
}

/* One segment: @iov[1..] is its data, @iov[0] is free. */
static int tcp_emit(struct tcp_sock *tp, uint32_t seq, uint8_t flags, struct iovec *iov, unsigned nr)
{
	uint8_t head[TCP_HEAD_MAX], *h = head + IP_HEADROOM;
	struct ip_params ip = { .dst = &tp->dst, .src = tp->local.addr, .to = tp->remote.addr, .proto = LINUX_IPPROTO_TCP,
				.ttl = 64, .dont_fragment = true };
	size_t hlen = TCP_HLEN;

	if (tp->sk) {
		ip.ttl = (uint8_t)inet_sk(tp->sk)->ttl;
		ip.tos = (uint8_t)inet_sk(tp->sk)->tos;
	}
	memset(h, 0, TCP_HLEN);
	put_be16(h, tp->local.port);
	put_be16(h + 2, tp->remote.port);
	put_be32(h + 4, seq);
	put_be32(h + 8, flags & TCP_ACK ? tp->rcv_nxt : 0);
	h[13] = flags;
	put_be16(h + 14, tcp_window(tp, flags & TCP_SYN));
	if (flags & TCP_SYN) {
		unsigned mss = tp->dst.mtu - (addr_is_v4(tp->remote.addr) ? IP_HLEN : IP6_HLEN) - TCP_HLEN;

		memcpy(h + 20, (uint8_t[]){ 2, 4, mss >> 8, mss, 1, 3, 3, tp->rcv_wscale }, 8);
		/* In an answer the scale is offered only to those who know it. */
		hlen += !(flags & TCP_ACK) || tp->wscale_ok ? 8 : 4;
	}
	h[12] = (uint8_t)(hlen / 4 << 4);
	iov[0].iov_base = head;
	iov[0].iov_len = IP_HEADROOM + hlen;
	tcp_checksum(h, &tp->local, &tp->remote, iov, nr, hlen);
	list_del(&tp->acks);
	return ip_output(&ip, iov, nr);
}

int tcp_send_syn(struct tcp_sock *tp)
{
	struct iovec iov[1];

	tp->snd_nxt = tp->iss + 1;
	if (seq_lt(tp->snd_max, tp->snd_nxt))
		tp->snd_max = tp->snd_nxt;
	return tcp_emit(tp, tp->iss, tp->state == TCP_SYN_SENT ? TCP_SYN : TCP_SYN | TCP_ACK, iov, 1);
}

void tcp_send_reset(struct tcp_sock *tp)
{
	struct iovec iov[1];

	tcp_emit(tp, tp->snd_nxt, TCP_RST | TCP_ACK, iov, 1);
}

/* A segment from before the window makes the other end answer with an acknowledgement. */
void tcp_probe(struct tcp_sock *tp)
{
	struct iovec iov[1];

	tcp_emit(tp, tp->snd_una - 1, TCP_ACK, iov, 1);
}

void tcp_refuse(const struct pkt *k)
{
	struct tcp_sock tp = { .local = k->dst, .remote = k->src };
	uint32_t seq = get_be32(k->p + 4), ack = get_be32(k->p + 8);
	size_t hlen = (size_t)(k->p[12] >> 4) * 4;
	uint8_t flags = k->p[13];
	struct iovec iov[1];

	if (flags & TCP_RST || k->broadcast || route_lookup(k->nif->net, k->src.addr, k->dst.addr, NULL, &tp.dst))
		return;
	list_init(&tp.acks);
	tp.local.port = get_be16(k->p + 2);
	tp.remote.port = get_be16(k->p);
	tp.rcv_nxt = tp.rcv_adv = seq + (uint32_t)(k->len - hlen) + !!(flags & TCP_SYN) + !!(flags & TCP_FIN);
	if (flags & TCP_ACK)
		tcp_emit(&tp, ack, TCP_RST, iov, 1);
	else
		tcp_emit(&tp, 0, TCP_RST | TCP_ACK, iov, 1);
}

/* --- the send queue --- */

void tcp_sndq_acked(struct tcp_sock *tp, size_t n)
{
	n = MIN(n, tp->sndq_bytes);
	tp->sndq_bytes -= n;
	while (n) {
		struct skb *skb = list_first_entry(&tp->sndq, struct skb, link);
		size_t left = skb->len - tp->una_off;

		if (n < left) {
			tp->una_off += n;
			break;
		}
		n -= left;
		tp->una_off = 0;
		if (tp->cursor == skb) {
			tp->cursor = skb->link.next == &tp->sndq ? NULL : list_next_entry(skb, link);
			tp->cursor_off = 0;
		}
		list_del(&skb->link);
		skb_free(skb);
	}
}

/* Gathers up to @max bytes from the cursor into @iov[1..] and moves it behind them. */
static size_t tcp_gather(struct tcp_sock *tp, size_t max, struct iovec *iov, unsigned *ret_nr)
{
	unsigned nr = 1;
	size_t len = 0;

	while (tp->cursor && len < max && nr < IOV_FRAME_MAX) {
		size_t n = MIN(tp->cursor->len - tp->cursor_off, max - len);

		if (n) {
			iov[nr].iov_base = tp->cursor->data + tp->cursor_off;
			iov[nr++].iov_len = n;
		}
		len += n;
		tp->cursor_off += n;
		if (tp->cursor_off == tp->cursor->len) {
			tp->cursor = tp->cursor->link.next == &tp->sndq ? NULL : list_next_entry(tp->cursor, link);
			tp->cursor_off = 0;
		}
	}
	*ret_nr = nr;
	return len;
}

static void tcp_rewind(struct tcp_sock *tp)
{
	tp->snd_nxt = tp->snd_una;
	tp->fin_sent = false;
	tp->cursor = list_first_entry_or_null(&tp->sndq, struct skb, link);
	tp->cursor_off = tp->una_off;
}

/* Whether a segment smaller than the largest has to wait: RFC 9293, 3.7.4, and TCP_CORK. */
static bool tcp_hold(struct tcp_sock *tp, size_t len, size_t unsent)
{
	const struct inet_sock *in = inet_sk(tp->sk);

	if (len >= tp->mss || len < unsent || tp->fin_queued)
		return false;
	if (in->cork || tp->more) {
		if (!tp->deadline)
			tcp_set_deadline(tp, monotonic_ns() + CORK_NS);
		return true;
	}
	return !in->nodelay && tp->snd_nxt != tp->snd_una;
}

static bool tcp_may_send_data(const struct tcp_sock *tp)
{
	switch (tp->state) {
	case TCP_ESTABLISHED:
	case TCP_CLOSE_WAIT:
	case TCP_FIN_WAIT1:
	case TCP_LAST_ACK:
	case TCP_CLOSING:
		return true;
	default:
		return false;
	}
}

/* Sends one segment of data, or the FIN; false when there is nothing (more) to send now. */
static bool tcp_send_one(struct tcp_sock *tp, bool force)
{
	uint32_t flight = tp->snd_nxt - tp->snd_una;
	size_t unsent = tp->sndq_bytes - MIN(flight - (tp->fin_sent ? 1 : 0), tp->sndq_bytes);
	size_t room = tp->snd_wnd > flight ? tp->snd_wnd - flight : 0, len;
	struct iovec iov[IOV_FRAME_MAX];
	uint8_t flags = TCP_ACK;
	unsigned nr = 1;

	if (tp->fin_sent)
		return false;
	len = MIN(MIN(unsent, (size_t)tp->mss), room);
	if (force && !len && unsent)
		len = 1; /* a probe of the closed window */
	if (unsent && !len)
		return false;
	if (len && !force && tcp_hold(tp, len, unsent))
		return false;
	/* Silly window syndrome avoidance of the sender. */
	if (len && !force && len < unsent && len < tp->mss && flight && len < tp->snd_wnd / 2)
		return false;
	len = tcp_gather(tp, len, iov, &nr);
	if (tp->fin_queued && len == unsent) {
		flags |= TCP_FIN;
		tp->fin_sent = true;
	}
	if (!len && !(flags & TCP_FIN))
		return false;
	if (len == unsent)
		flags |= TCP_PSH;
	if (!flight)
		tp->unacked_since = monotonic_ns();
	tcp_emit(tp, tp->snd_nxt, flags, iov, nr);
	tp->snd_nxt += (uint32_t)len + !!(flags & TCP_FIN);
	if (seq_lt(tp->snd_max, tp->snd_nxt))
		tp->snd_max = tp->snd_nxt;
	return true;
}

void tcp_output(struct tcp_sock *tp, bool ack)
{
	bool sent = false;

	if (tp->sk && tcp_may_send_data(tp))
		while (tcp_send_one(tp, false))
			sent = true;
	if (ack && !sent) {
		struct iovec iov[1];

		tcp_emit(tp, tp->snd_nxt, TCP_ACK, iov, 1);
	}
	/* Data in flight needs the retransmission timer, data before a closed window the probe's. */
	if (tp->sk && !tp->deadline && (tp->snd_una != tp->snd_max || tp->sndq_bytes))
		tcp_set_deadline(tp, monotonic_ns() + TCP_RTO_NS);
}

int tcp_retransmit(struct tcp_sock *tp)
{
	if (tp->state == TCP_SYN_SENT || tp->state == TCP_SYN_RECV)
		return tcp_send_syn(tp);
	if (!tcp_may_send_data(tp))
		return 0;
	tp->more = false;
	/* A cork or a window that ran out has nothing in flight: this sends what was held. */
	if (tp->snd_una != tp->snd_nxt)
		tcp_rewind(tp);
	tcp_send_one(tp, true);
	return 0;
}
