/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of TCP connections across a link, and their timers: see tcp.h.
 */
#include <stdlib.h>

#include "netstack/sock_queue.h"
#include "netstack/tcp.h"
#include "platform/host/host.h"
#include "sentry/abi/poll.h"
#include "sentry/base/timer.h"

#define HASH_SIZE 1024
#define TICK_NS 100000000LL
#define TIMEWAIT_NS (60 * 1000000000LL)
#define NR_TIMEWAIT_MAX 4096
#define FIN_WAIT2_NS (60 * 1000000000LL)
#define RETRIES 15
#define ORPHAN_RETRIES 8

struct mutex tcp_lock = MUTEX_INIT;
static struct list_head tcp_hash[HASH_SIZE];
static LIST_HEAD(tcp_timers);
static LIST_HEAD(tcp_timewait); /* oldest first */
static LIST_HEAD(tcp_acks);
static unsigned nr_timewait;
static struct timer tick;
static bool tick_armed, tick_ready;

static struct list_head *tcp_bucket(const struct inet_name *local, const struct inet_name *remote)
{
	unsigned h = local->port * 31u + remote->port * 131u + remote->addr[15] * 7u + remote->addr[14];
	struct list_head *b = &tcp_hash[h % HASH_SIZE];

	if (!b->next)
		list_init(b);
	return b;
}

struct tcp_sock *tcp_find_locked(struct net *net, const struct inet_name *local, const struct inet_name *remote)
{
	struct tcp_sock *tp;

	list_for_each_entry(tp, tcp_bucket(local, remote), hash)
		if (tp->local.port == local->port && tp->remote.port == remote->port && inet_same_addr(&tp->local, local) &&
		    inet_same_addr(&tp->remote, remote) && tp->dst.oif->net == net)
			return tp;
	return NULL;
}

/* RFC 6528 in spirit: not to be guessed, and growing for one pair of names. */
static uint32_t tcp_iss(void)
{
	uint32_t rnd = 0;

	host_getrandom(&rnd, sizeof(rnd));
	return rnd;
}

struct tcp_sock *tcp_alloc(struct sock *sk, const struct inet_name *local, const struct inet_name *remote, const struct dst *dst)
{
	struct tcp_sock *tp = calloc(1, sizeof(*tp));

	if (!tp)
		return NULL;
	tp->sk = sock_get(sk);
	tp->local = *local;
	tp->remote = *remote;
	tp->dst = *dst;
	tp->state = TCP_CLOSE;
	tp->iss = tp->snd_una = tp->snd_nxt = tp->snd_max = tcp_iss();
	tp->mss = MIN(536u, dst->mtu - 60);
	tp->rcv_wscale = 7;
	tp->last_rx = monotonic_ns();
	list_init(&tp->acks);
	list_init(&tp->timers);
	list_init(&tp->sndq);
	list_add(&tp->hash, tcp_bucket(local, remote));
	return tp;
}

static void tcp_purge(struct tcp_sock *tp)
{
	struct skb *skb, *tmp;

	list_for_each_entry_safe(skb, tmp, &tp->sndq, link) {
		list_del(&skb->link);
		skb_free(skb);
	}
	tp->cursor = NULL;
	tp->sndq_bytes = tp->una_off = tp->cursor_off = 0;
}

/* The sock's part of the end of a connection. */
static void tcp_sock_done(struct sock *sk, int err)
{
	mutex_lock(&sk->lock);
	if (inet_sk(sk)->tcp)
		inet_sk(sk)->tcp = NULL;
	WRITE_ONCE(sk->shutdown, SHUT_BIT_RCV | SHUT_BIT_SND);
	WRITE_ONCE(sk->state, SS_DISCONNECTED);
	mutex_unlock(&sk->lock);
	if (err)
		atomic_store(&sk->err, -err);
	sock_wake(sk, 0);
	sock_async_data(sk, LINUX_POLL_HUP);
}

static void tcp_free(struct tcp_sock *tp)
{
	list_del(&tp->hash);
	list_del(&tp->acks);
	list_del(&tp->timers);
	tcp_purge(tp);
	if (tp->listener)
		sock_put(tp->listener);
	free(tp);
}

void tcp_kill(struct tcp_sock *tp, int err)
{
	struct sock *sk = tp->sk;

	if (tp->state == TCP_TIME_WAIT)
		nr_timewait--;
	tp->state = TCP_CLOSE;
	tp->sk = NULL;
	tcp_free(tp);
	if (!sk)
		return;
	tcp_sock_done(sk, err);
	sock_put(sk);
}

void tcp_enter_timewait(struct tcp_sock *tp)
{
	struct sock *sk = tp->sk;

	tcp_purge(tp);
	tp->state = TCP_TIME_WAIT;
	tp->sk = NULL;
	tcp_set_deadline(tp, monotonic_ns() + TIMEWAIT_NS);
	list_move_tail(&tp->timers, &tcp_timewait);
	if (++nr_timewait > NR_TIMEWAIT_MAX)
		tcp_kill(list_first_entry(&tcp_timewait, struct tcp_sock, timers), 0);
	tcp_sock_done(sk, 0);
	sock_put(sk);
}

/* --- timers: one tick for all, while any needs it --- */

static void tcp_timer_fire(struct tcp_sock *tp, int64_t now)
{
	struct inet_sock *in = inet_sk(tp->sk);
	bool opening = tp->state == TCP_SYN_SENT || tp->state == TCP_SYN_RECV;
	unsigned max = opening ? (unsigned)in->syncnt : tp->orphan ? ORPHAN_RETRIES : RETRIES;

	if (tp->state == TCP_FIN_WAIT2 && tp->orphan) { /* TCP_LINGER2 */
		tcp_kill(tp, 0);
		return;
	}
	if (tp->snd_una != tp->snd_max || tp->sndq_bytes || tp->state == TCP_SYN_SENT) {
		int64_t limit = READ_ONCE(in->user_timeout) * 1000000LL;

		if (++tp->backoff > max || (limit && tp->unacked_since && now - tp->unacked_since > limit)) {
			tcp_kill(tp, -LINUX_ETIMEDOUT);
			return;
		}
		if (tcp_retransmit(tp) == -LINUX_EHOSTUNREACH) {
			tcp_kill(tp, -LINUX_EHOSTUNREACH);
			return;
		}
		tcp_set_deadline(tp, now + MIN(TCP_RTO_NS << MIN(tp->backoff, 7u), TCP_RTO_MAX_NS));
		return;
	}
	if (tp->sk->keepalive && (tp->state == TCP_ESTABLISHED || tp->state == TCP_CLOSE_WAIT)) {
		int64_t idle = now - tp->last_rx, wait = in->keepidle * 1000000000LL;

		if (idle < wait) {
			tp->probes = 0;
			tcp_set_deadline(tp, tp->last_rx + wait);
		} else if (tp->probes++ >= (unsigned)in->keepcnt) {
			tcp_send_reset(tp);
			tcp_kill(tp, -LINUX_ETIMEDOUT);
		} else {
			tcp_probe(tp);
			tcp_set_deadline(tp, now + in->keepintvl * 1000000000LL);
		}
	}
}

static void tcp_tick(struct timer *t)
{
	int64_t now = monotonic_ns();
	LIST_HEAD(due);
	struct tcp_sock *tp, *tmp;

	mutex_lock(&tcp_lock);
	list_for_each_entry_safe(tp, tmp, &tcp_timers, timers)
		if (tp->deadline <= now)
			list_move_tail(&tp->timers, &due);
	while (!list_empty(&due)) {
		tp = list_first_entry(&due, struct tcp_sock, timers);
		list_del(&tp->timers);
		tp->deadline = 0;
		tcp_timer_fire(tp, now);
	}
	while (!list_empty(&tcp_timewait)) {
		tp = list_first_entry(&tcp_timewait, struct tcp_sock, timers);
		if (tp->deadline > now)
			break;
		tcp_kill(tp, 0);
	}
	tick_armed = !list_empty(&tcp_timers) || !list_empty(&tcp_timewait);
	if (tick_armed)
		timer_arm(t, now + TICK_NS);
	mutex_unlock(&tcp_lock);
}

void tcp_set_deadline(struct tcp_sock *tp, deadline_t at)
{
	tp->deadline = at;
	if (!at) {
		list_del(&tp->timers);
		return;
	}
	if (list_empty(&tp->timers))
		list_add_tail(&tp->timers, &tcp_timers);
	if (tick_armed)
		return;
	if (!tick_ready)
		timer_init(&tick, tcp_tick, NULL);
	tick_ready = tick_armed = true;
	timer_arm(&tick, monotonic_ns() + TICK_NS);
}

void tcp_ack_later(struct tcp_sock *tp)
{
	if (list_empty(&tp->acks))
		list_add_tail(&tp->acks, &tcp_acks);
}

void tcp_flush(void)
{
	mutex_lock(&tcp_lock);
	while (!list_empty(&tcp_acks)) {
		struct tcp_sock *tp = list_first_entry(&tcp_acks, struct tcp_sock, acks);

		list_del(&tp->acks);
		tcp_output(tp, true);
	}
	mutex_unlock(&tcp_lock);
}

/* --- what sockets ask for --- */

int tcp_connect(struct sock *sk, const struct inet_name *to, const struct dst *dst)
{
	struct tcp_sock *tp;
	MUTEX_GUARD(&tcp_lock);

	tp = tcp_find_locked(sk->net, &inet_sk(sk)->local, to);
	if (tp && tp->state == TCP_TIME_WAIT)
		tcp_kill(tp, 0);
	else if (tp)
		return -LINUX_EADDRNOTAVAIL;
	tp = tcp_alloc(sk, &inet_sk(sk)->local, to, dst);
	if (!tp)
		return -LINUX_ENOBUFS;
	mutex_lock(&sk->lock);
	inet_sk(sk)->tcp = tp;
	sk->remote = true;
	WRITE_ONCE(sk->state, SS_CONNECTING);
	mutex_unlock(&sk->lock);
	tp->state = TCP_SYN_SENT;
	tcp_send_syn(tp);
	tcp_set_deadline(tp, monotonic_ns() + TCP_RTO_NS);
	return 0;
}

int tcp_xmit(struct sock *sk, struct skb *skb, struct msg *msg)
{
	struct tcp_sock *tp;
	MUTEX_GUARD(&tcp_lock);

	tp = inet_sk(sk)->tcp;
	if (!tp || tp->fin_queued) {
		skb_free(skb);
		return -LINUX_EPIPE;
	}
	list_add_tail(&skb->link, &tp->sndq);
	tp->sndq_bytes += skb->len;
	if (!tp->cursor) {
		tp->cursor = skb;
		tp->cursor_off = 0;
	}
	tp->more = msg->flags & LINUX_MSG_MORE;
	tcp_output(tp, false);
	return 0;
}

void tcp_push(struct sock *sk)
{
	tcp_uncork(sk);
	MUTEX_GUARD(&tcp_lock);

	if (inet_sk(sk)->tcp) {
		inet_sk(sk)->tcp->more = false;
		tcp_output(inet_sk(sk)->tcp, false);
	}
}

void tcp_rcvd(struct sock *sk)
{
	struct tcp_sock *tp;
	MUTEX_GUARD(&tcp_lock);

	tp = inet_sk(sk)->tcp;
	if (!tp || tp->state < TCP_ESTABLISHED || tp->state == TCP_CLOSE)
		return;
	/* Silly window syndrome avoidance of the receiver: RFC 9293, 3.8.6.2.2. */
	if ((int32_t)(tp->rcv_nxt + tcp_rcv_space(tp) - tp->rcv_adv) >= (int32_t)MIN(2 * tp->mss, (unsigned)sk->rcvbuf / 2))
		tcp_output(tp, true);
}

static void tcp_queue_fin(struct tcp_sock *tp)
{
	if (tp->fin_queued)
		return;
	tp->fin_queued = true;
	if (tp->state == TCP_ESTABLISHED || tp->state == TCP_SYN_RECV)
		tp->state = TCP_FIN_WAIT1;
	else if (tp->state == TCP_CLOSE_WAIT)
		tp->state = TCP_LAST_ACK;
	tcp_output(tp, false);
}

void tcp_shutdown(struct sock *sk)
{
	struct tcp_sock *tp;
	MUTEX_GUARD(&tcp_lock);

	tp = inet_sk(sk)->tcp;
	if (!tp)
		return;
	if (tp->state == TCP_SYN_SENT)
		tcp_kill(tp, 0);
	else
		tcp_queue_fin(tp);
}

/* SO_LINGER: until all is acknowledged, or the time is up. */
static void tcp_linger(struct sock *sk)
{
	deadline_t deadline = deadline_after(sk->linger.l_linger * 1000000000LL);

	(void)waitq_wait(&sk->wait, READ_ONCE(inet_sk(sk)->tcp) == NULL || !atomic_load(&sk->wmem), SLEEP_INTERRUPTIBLE, deadline);
}

void tcp_close(struct sock *sk, bool abort)
{
	struct tcp_sock *tp;
	bool wait = false;

	mutex_lock(&tcp_lock);
	tp = inet_sk(sk)->tcp;
	if (tp) {
		tp->orphan = true;
		if (tp->state == TCP_SYN_SENT) {
			tcp_kill(tp, 0);
		} else if (abort) {
			tcp_send_reset(tp);
			tcp_kill(tp, 0);
		} else {
			wait = sk->linger.l_onoff && sk->linger.l_linger > 0;
			tcp_queue_fin(tp);
			if (inet_sk(sk)->tcp && tp->state == TCP_FIN_WAIT2)
				tcp_set_deadline(tp, monotonic_ns() + FIN_WAIT2_NS);
		}
	}
	mutex_unlock(&tcp_lock);
	if (wait)
		tcp_linger(sk);
}

void tcp_keepalive(struct sock *sk)
{
	struct tcp_sock *tp;
	MUTEX_GUARD(&tcp_lock);

	tp = inet_sk(sk)->tcp;
	if (tp && sk->keepalive && !tp->deadline)
		tcp_set_deadline(tp, tp->last_rx + inet_sk(sk)->keepidle * 1000000000LL);
}

void tcp_link_down(struct netif *nif)
{
	MUTEX_GUARD(&tcp_lock);

	for (unsigned i = 0; i < HASH_SIZE; i++) {
		struct tcp_sock *tp, *tmp;

		if (!tcp_hash[i].next)
			continue;
		list_for_each_entry_safe(tp, tmp, &tcp_hash[i], hash)
			if (tp->dst.oif == nif)
				tcp_kill(tp, -LINUX_ENETDOWN);
	}
}

/* --- what others see --- */

enum tcp_state tcp_sock_state(struct sock *sk)
{
	MUTEX_GUARD(&sk->lock);

	if (sk->state == SS_LISTENING)
		return TCP_LISTEN;
	if (inet_sk(sk)->tcp)
		return READ_ONCE(inet_sk(sk)->tcp->state);
	if (sk->state != SS_CONNECTED)
		return TCP_CLOSE;
	/* Joined in memory: by who has shut down what. */
	switch (sk->shutdown) {
	case SHUT_BIT_RCV:
		return TCP_CLOSE_WAIT;
	case SHUT_BIT_SND:
		return TCP_FIN_WAIT2;
	default:
		return sk->shutdown ? TCP_CLOSE : TCP_ESTABLISHED;
	}
}

void tcp_for_each_timewait(struct net *net, void (*fn)(const struct tcp_sock *tp, void *arg), void *arg)
{
	struct tcp_sock *tp;

	list_for_each_entry(tp, &tcp_timewait, timers)
		if (tp->dst.oif->net == net)
			fn(tp, arg);
}

int tcp_mss(struct sock *sk)
{
	MUTEX_GUARD(&tcp_lock);

	if (inet_sk(sk)->tcp)
		return (int)inet_sk(sk)->tcp->mss;
	return READ_ONCE(sk->state) == SS_CONNECTED ? 32768 : 536;
}

/* The fields of struct tcp_info that mean something here; the rest is zero. */
void tcp_info(struct sock *sk, void *ret, size_t size)
{
	uint8_t info[TCP_INFO_SIZE] = { 0 };
	uint32_t *w = (uint32_t *)info;
	struct tcp_sock *tp;
	MUTEX_GUARD(&tcp_lock);

	tp = inet_sk(sk)->tcp;
	info[0] = tcp_sock_state(sk);
	w[2] = 200000; /* rto, us */
	w[3] = 40000;  /* ato */
	w[4] = w[5] = tp ? tp->mss : 32768; /* snd_mss, rcv_mss */
	w[17] = 50; /* rtt, us */
	w[18] = 25;
	w[20] = 10; /* snd_cwnd */
	w[19] = 0x7fffffff; /* ssthresh */
	w[21] = tp ? tp->mss : 65483; /* advmss */
	if (tp) {
		info[2] = (uint8_t)tp->backoff;
		info[5] = tp->wscale_ok ? 4 : 0;
		info[6] = tp->snd_wscale | tp->rcv_wscale << 4;
		w[6] = (tp->snd_nxt - tp->snd_una) / tp->mss;
		w[15] = tp->dst.mtu;
	}
	memcpy(ret, info, MIN(size, sizeof(info)));
}
