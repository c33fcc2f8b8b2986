/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control messages of SOL_SOCKET about datagrams of any family: when they came (SO_TIMESTAMP, SO_TIMESTAMPNS, SO_TIMESTAMPING, as
 * Documentation/networking/timestamping.rst), how many were dropped before (SO_RXQ_OVFL), their mark; and the end of MSG_ZEROCOPY,
 * whose data is copied here, as its notice says.
 */
#include <string.h>

#include "netstack/sock_queue.h"
#include "sentry/abi/poll.h"
#include "sentry/abi/time.h"

#define ORIGIN_ZEROCOPY 5
#define CODE_ZEROCOPY_COPIED 1
#define TXTIME_FLAGS 3

struct so_timestamping {
	uint32_t flags;
	int32_t bind_phc;
};

struct sock_txtime {
	int32_t clockid;
	uint32_t flags;
};

static int set_stamp(struct sock *sk, int mode, bool new, const void *val, unsigned len)
{
	int v;

	if (len < sizeof(v))
		return -LINUX_EINVAL;
	memcpy(&v, val, sizeof(v));
	sk->stamp = v ? mode : STAMP_NONE;
	sk->stamp_new = v && new;
	return 0;
}

static int set_timestamping(struct sock *sk, bool new, const void *val, unsigned len)
{
	struct so_timestamping t = { 0 };

	if (len < sizeof(t.flags))
		return -LINUX_EINVAL;
	memcpy(&t, val, MIN(len, sizeof(t)));
	if (t.flags & ~LINUX_SOF_TIMESTAMPING_ALL)
		return -LINUX_EINVAL;
	sk->timestamping = t.flags;
	sk->stamp_new = new;
	return 0;
}

static int set_txtime(struct sock *sk, const void *val, unsigned len)
{
	struct sock_txtime t;

	if (len != sizeof(t))
		return -LINUX_EINVAL;
	memcpy(&t, val, sizeof(t));
	if (t.flags & ~TXTIME_FLAGS)
		return -LINUX_EINVAL;
	if (t.clockid != LINUX_CLOCK_MONOTONIC && !net_capable(sk->net, CAP_NET_ADMIN))
		return -LINUX_EPERM;
	memcpy(&sk->txtime, &t, sizeof(t));
	return 0;
}

int sock_stamp_setsockopt(struct sock *sk, int name, const void *val, unsigned len)
{
	switch (name) {
	case LINUX_SO_TIMESTAMP:
	case LINUX_SO_TIMESTAMP_NEW:
		return set_stamp(sk, STAMP_US, name == LINUX_SO_TIMESTAMP_NEW, val, len);
	case LINUX_SO_TIMESTAMPNS:
	case LINUX_SO_TIMESTAMPNS_NEW:
		return set_stamp(sk, STAMP_NS, name == LINUX_SO_TIMESTAMPNS_NEW, val, len);
	case LINUX_SO_TIMESTAMPING:
	case LINUX_SO_TIMESTAMPING_NEW:
		return set_timestamping(sk, name == LINUX_SO_TIMESTAMPING_NEW, val, len);
	case LINUX_SO_TXTIME:
		return set_txtime(sk, val, len);
	default:
		return 1;
	}
}

static int get_bytes(void *val, unsigned *len, const void *src, unsigned size)
{
	*len = MIN(*len, size);
	memcpy(val, src, *len);
	return 0;
}

int sock_stamp_getsockopt(struct sock *sk, int name, void *val, unsigned *len)
{
	struct so_timestamping t = { sk->timestamping, (int32_t)sk->bind_phc };
	bool new = sk->stamp_new;
	int v;

	switch (name) {
	case LINUX_SO_TIMESTAMP:
	case LINUX_SO_TIMESTAMP_NEW:
		v = sk->stamp == STAMP_US && new == (name == LINUX_SO_TIMESTAMP_NEW);
		return get_bytes(val, len, &v, sizeof(v));
	case LINUX_SO_TIMESTAMPNS:
	case LINUX_SO_TIMESTAMPNS_NEW:
		v = sk->stamp == STAMP_NS && new == (name == LINUX_SO_TIMESTAMPNS_NEW);
		return get_bytes(val, len, &v, sizeof(v));
	case LINUX_SO_TIMESTAMPING:
	case LINUX_SO_TIMESTAMPING_NEW:
		if (sk->timestamping && new != (name == LINUX_SO_TIMESTAMPING_NEW))
			t = (struct so_timestamping){ 0 };
		return get_bytes(val, len, &t, sizeof(t));
	case LINUX_SO_TXTIME:
		return get_bytes(val, len, &sk->txtime, sizeof(sk->txtime));
	default:
		return 1;
	}
}

int64_t sock_stamp_now(const struct sock *sk)
{
	return sk->stamp != STAMP_NONE || sk->timestamping & LINUX_SOF_TIMESTAMPING_RX_SOFTWARE ? realtime_ns() : 0;
}

static int put_stamp(const struct sock *sk, int64_t ns, cmsg_put_fn put, void *c)
{
	bool us = sk->stamp == STAMP_US;
	struct linux_timespec ts = { ns / 1000000000, us ? ns % 1000000000 / 1000 : ns % 1000000000 };
	int type = sk->stamp_new ? (us ? LINUX_SO_TIMESTAMP_NEW : LINUX_SO_TIMESTAMPNS_NEW) :
		   us		 ? LINUX_SO_TIMESTAMP : LINUX_SO_TIMESTAMPNS;

	return put(c, LINUX_SOL_SOCKET, type, &ts, sizeof(ts)); /* a timeval looks the same */
}

int sock_stamp_recv(const struct sock *sk, const struct msg *msg, cmsg_put_fn put, void *c)
{
	const uint32_t soft = LINUX_SOF_TIMESTAMPING_SOFTWARE | LINUX_SOF_TIMESTAMPING_RX_SOFTWARE;
	uint32_t drops = atomic_load(&((struct sock *)sk)->drops), mark = 0;
	int64_t ns = msg->stamp;
	int err = 0;

	if (sk->stamp != STAMP_NONE)
		err = put_stamp(sk, ns ? ns : realtime_ns(), put, c); /* what was queued before it was asked for */
	if (!err && (sk->timestamping & soft) == soft && ns) {
		struct linux_timespec ts[3] = { { ns / 1000000000, ns % 1000000000 } }; /* the others are of hardware */

		err = put(c, LINUX_SOL_SOCKET, sk->stamp_new ? LINUX_SO_TIMESTAMPING_NEW : LINUX_SO_TIMESTAMPING, ts, sizeof(ts));
	}
	if (!err && sk->rxq_ovfl && drops)
		err = put(c, LINUX_SOL_SOCKET, LINUX_SO_RXQ_OVFL, &drops, sizeof(drops));
	if (!err && sk->rcvmark)
		err = put(c, LINUX_SOL_SOCKET, LINUX_SO_MARK, &mark, sizeof(mark));
	return err;
}

/* Notices that follow each other become one: skb_zerocopy_notify_extend() of Linux. */
void sock_zerocopy_done(struct sock *sk)
{
	struct sock_error e = { .origin = ORIGIN_ZEROCOPY, .code = CODE_ZEROCOPY_COPIED };
	struct skb *skb = skb_new(NULL, 0), *last;

	mutex_lock(&sk->rcvq_lock);
	e.info = e.data = sk->zerocopy_id++;
	last = list_empty(&sk->errq) ? NULL : list_last_entry(&sk->errq, struct skb, link);
	if (last && last->error.origin == ORIGIN_ZEROCOPY && last->error.data + 1 == e.info) {
		last->error.data = e.data;
	} else if (skb && !sk->closed) {
		skb->error = e;
		list_add_tail(&skb->link, &sk->errq);
		skb = NULL;
	}
	mutex_unlock(&sk->rcvq_lock);
	if (skb)
		skb_free(skb);
	sock_wake(sk, LINUX_EPOLLERR);
}
