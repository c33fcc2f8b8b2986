/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TCP_CORK and MSG_MORE on connections inside the guest: what makes less than a segment waits for more, 200 ms at most, as tcp(7) has
 * it.  Across a link tcp_output.c does that.
 *
 * What waits is in inet_sock.held, which the sock's iolock guards; it holds a reference on the sock while its timer is armed.
 */
#include <stdlib.h>

#include "netstack/inet.h"
#include "netstack/sock_queue.h"

#define CORK_MAX 65483 /* a segment on lo */
#define CORK_NS 200000000LL
#define BUSY_NS 5000000LL

struct tcp_held {
	struct sock *sk;     /* borrowed: this is its inet_sock's */
	struct timer timer;  /* with a reference on sk while armed */
	size_t len;
	char data[CORK_MAX];
};

/* iolock held.  What can't be sent without waiting stays, unless the connection is over. */
static int held_send_locked(struct tcp_held *h)
{
	struct iov_iter it;
	struct msg msg = { .iter = &it, .flags = LINUX_MSG_NOSIGNAL };
	int64_t n;

	if (!h->len)
		return 0;
	iov_iter_init_kernel(&it, h->data, h->len);
	n = sock_send_stream(h->sk, &msg, true);
	if (n < 0 && n != -LINUX_EAGAIN)
		WRITE_ONCE(h->len, 0);
	if (n <= 0)
		return (int)n;
	memmove(h->data, h->data + n, h->len - (size_t)n);
	WRITE_ONCE(h->len, h->len - (size_t)n);
	return h->len ? -LINUX_EAGAIN : 0;
}

static void held_arm(struct tcp_held *h, int64_t ns)
{
	sock_get(h->sk);
	if (timer_disarm(&h->timer))
		sock_put(h->sk);
	if (timer_arm(&h->timer, deadline_after(ns)))
		sock_put(h->sk);
}

static void held_fire(struct timer *t)
{
	struct tcp_held *h = t->data;
	struct sock *sk = h->sk;

	/* Its holder may be copying, and this thread is not to wait. */
	if (!mutex_trylock(&sk->iolock)) {
		held_arm(h, BUSY_NS);
	} else {
		if (held_send_locked(h) == -LINUX_EAGAIN)
			held_arm(h, BUSY_NS);
		mutex_unlock(&sk->iolock);
	}
	sock_put(sk);
}

static struct tcp_held *held_get_locked(struct sock *sk)
{
	struct tcp_held *h = inet_sk(sk)->held;

	if (h)
		return h;
	h = malloc(sizeof(*h));
	if (!h)
		return NULL;
	h->sk = sk;
	h->len = 0;
	timer_init(&h->timer, held_fire, h);
	WRITE_ONCE(inet_sk(sk)->held, h);
	return h;
}

/* Sends what waits, with all the time that takes; iolock not held. */
static int held_send_wait(struct sock *sk)
{
	struct tcp_held *h = inet_sk(sk)->held;
	struct iov_iter it;
	struct msg msg = { .iter = &it, .flags = LINUX_MSG_NOSIGNAL };
	size_t len;
	char *data;
	int64_t n;

	mutex_lock(&sk->iolock);
	len = h->len;
	data = malloc(len + 1);
	if (data)
		memcpy(data, h->data, len);
	WRITE_ONCE(h->len, data ? 0 : len);
	mutex_unlock(&sk->iolock);
	if (!data)
		return -LINUX_ENOBUFS;
	iov_iter_init_kernel(&it, data, len);
	n = len ? sock_send_stream(sk, &msg, false) : 0;
	free(data);
	return n < 0 ? (int)n : 0;
}

/* True: *ret is the answer; false: what waited is sent, or, with -EAGAIN in *ret, has to be. */
static bool cork_take(struct sock *sk, struct msg *msg, int64_t *ret)
{
	bool more = (msg->flags & LINUX_MSG_MORE || inet_sk(sk)->cork) && !(msg->flags & LINUX_MSG_OOB);
	size_t n = msg->iter->count;
	struct tcp_held *h;

	MUTEX_GUARD(&sk->iolock);
	h = more ? held_get_locked(sk) : inet_sk(sk)->held;
	if (!h)
		return false;
	if (!more || h->len + n >= CORK_MAX) {
		*ret = held_send_locked(h);
		return *ret < 0 && *ret != -LINUX_EAGAIN;
	}
	if (iov_iter_copy_from(msg->iter, h->data + h->len, n) != n) {
		*ret = -LINUX_EFAULT;
		return true;
	}
	if (!h->len)
		held_arm(h, CORK_NS);
	WRITE_ONCE(h->len, h->len + n);
	*ret = (int64_t)n;
	return true;
}

bool tcp_cork(struct sock *sk, struct msg *msg, bool nonblock, int64_t *ret)
{
	if (likely(!(msg->flags & LINUX_MSG_MORE) && !inet_sk(sk)->cork && !READ_ONCE(inet_sk(sk)->held)))
		return false;
	if (READ_ONCE(sk->remote) || READ_ONCE(sk->state) != SS_CONNECTED || READ_ONCE(sk->shutdown) & SHUT_BIT_SND)
		return false;
	*ret = 0;
	if (cork_take(sk, msg, ret))
		return true;
	if (*ret == -LINUX_EAGAIN && !nonblock)
		*ret = held_send_wait(sk);
	return *ret < 0;
}

void tcp_uncork(struct sock *sk)
{
	struct tcp_held *h = READ_ONCE(inet_sk(sk)->held);

	if (!h || !READ_ONCE(h->len))
		return;
	MUTEX_GUARD(&sk->iolock);
	if (held_send_locked(h) != -LINUX_EAGAIN && timer_disarm(&h->timer))
		sock_put(sk);
}

void tcp_cork_free(struct sock *sk)
{
	struct tcp_held *h = inet_sk(sk)->held;

	if (!h)
		return;
	timer_cancel(&h->timer);
	free(h);
}
