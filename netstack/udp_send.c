/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sends of UDP that aren't one datagram each: UDP_CORK and MSG_MORE put several into one, UDP_SEGMENT cuts one into several.
 */
#include <stdlib.h>

#include "netstack/inet.h"
#include "netstack/sock_queue.h"

#define UDP_MAX_PAYLOAD 65507
#define UDP_MAX_SEGMENTS 128

struct udp_cork {
	struct msg msg; /* where the first part goes, and how */
	size_t len;
	uint8_t data[];
};

static struct udp_cork *cork_take(struct sock *sk)
{
	struct udp_cork *c;
	MUTEX_GUARD(&sk->iolock);

	c = inet_sk(sk)->cork_held;
	WRITE_ONCE(inet_sk(sk)->cork_held, NULL);
	return c;
}

static int64_t cork_send(struct sock *sk, struct udp_cork *c, bool nonblock)
{
	struct iov_iter it;
	int64_t ret;

	iov_iter_init_kernel(&it, c->data, c->len);
	c->msg.iter = &it;
	ret = sock_send_packet(sk, &c->msg, nonblock);
	free(c);
	return ret;
}

/* A part more; 0 or -errno, then what was held is lost, as in ip_flush_pending_frames(). */
static int cork_add(struct sock *sk, struct msg *msg)
{
	struct inet_sock *in = inet_sk(sk);
	size_t n = msg->iter->count, old;
	struct udp_cork *c;
	int err = 0;
	MUTEX_GUARD(&sk->iolock);

	old = in->cork_held ? in->cork_held->len : 0;
	if (old + n > UDP_MAX_PAYLOAD)
		err = -LINUX_EMSGSIZE;
	c = err ? NULL : realloc(in->cork_held, sizeof(*c) + old + n);
	if (!c) {
		free(in->cork_held);
		WRITE_ONCE(in->cork_held, NULL);
		return err ? err : -LINUX_ENOBUFS;
	}
	if (!in->cork_held) {
		c->msg = *msg;
		c->msg.scm = (struct scm){ 0 };
		c->msg.flags &= ~LINUX_MSG_MORE;
		c->len = 0;
	}
	WRITE_ONCE(in->cork_held, c);
	if (iov_iter_copy_from(msg->iter, c->data + old, n) != n) {
		WRITE_ONCE(in->cork_held, NULL);
		free(c);
		return -LINUX_EFAULT;
	}
	c->len = old + n;
	return 0;
}

static int64_t udp_send_corked(struct sock *sk, struct msg *msg, bool nonblock)
{
	bool more = msg->flags & LINUX_MSG_MORE || inet_sk(sk)->cork;
	size_t len = msg->iter->count;
	struct inet_name to;
	struct udp_cork *c;
	int64_t ret;
	int err = READ_ONCE(inet_sk(sk)->cork_held) ? 0 : inet_msg_dest(sk, msg, true, &to);

	if (!err)
		err = cork_add(sk, msg);
	if (err)
		return err;
	c = more ? NULL : cork_take(sk);
	ret = c ? cork_send(sk, c, nonblock) : 0;
	return ret < 0 ? ret : (int64_t)len;
}

static int64_t udp_send_segments(struct sock *sk, struct msg *msg, bool nonblock, size_t size)
{
	size_t left = msg->iter->count, total = left;

	if (total > size * UDP_MAX_SEGMENTS)
		return -LINUX_EINVAL;
	while (left) {
		size_t n = MIN(left, size);
		int64_t ret;

		msg->iter->count = n;
		ret = sock_send_packet(sk, msg, nonblock);
		left -= n;
		msg->iter->count += left;
		if (ret < 0)
			return left + n < total ? (int64_t)(total - left - n) : ret;
	}
	return (int64_t)total;
}

int64_t udp_sendmsg(struct sock *sk, struct msg *msg, bool nonblock)
{
	struct inet_sock *in = inet_sk(sk);
	size_t gso = msg->ctl.gso ? msg->ctl.gso : (size_t)in->gso;

	if (msg->flags & LINUX_MSG_OOB)
		return -LINUX_EOPNOTSUPP;
	if (unlikely(msg->flags & LINUX_MSG_MORE || in->cork || READ_ONCE(in->cork_held)))
		return udp_send_corked(sk, msg, nonblock);
	if (unlikely(gso && msg->iter->count > gso))
		return udp_send_segments(sk, msg, nonblock, gso);
	return sock_send_packet(sk, msg, nonblock);
}

int udp_push(struct sock *sk)
{
	struct udp_cork *c = cork_take(sk);
	int64_t ret = c ? cork_send(sk, c, true) : 0;

	return ret < 0 ? (int)ret : 0;
}

void udp_cork_drop(struct sock *sk)
{
	free(inet_sk(sk)->cork_held);
	inet_sk(sk)->cork_held = NULL;
}
