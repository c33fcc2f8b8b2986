/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sending and receiving, for every family and type.
 */
#include <stdlib.h>
#include <string.h>

#include "netstack/direct.h"
#include "netstack/sock_queue.h"
#include "sentry/abi/poll.h"
#include "sentry/abi/signal.h"

#define STREAM_CHUNK 32768
#define UDP_MAX_PAYLOAD 65507
#define DGRAM_QLEN 512 /* net.unix.max_dgram_qlen */

int sock_wait_err(int err, deadline_t deadline)
{
	if (err == -LINUX_ETIMEDOUT)
		return -LINUX_EAGAIN;
	return err == -LINUX_ERESTARTSYS && deadline != NO_DEADLINE ? -LINUX_EINTR : err;
}

static int sock_take_err(struct sock *sk)
{
	return -atomic_exchange(&sk->err, 0);
}

/* --- sending --- */

static bool sock_has_space(struct sock *sk)
{
	return atomic_load(&sk->wmem) < (unsigned long)sk->sndbuf;
}

static bool sock_send_over(struct sock *sk)
{
	return READ_ONCE(sk->shutdown) & SHUT_BIT_SND || atomic_load(&sk->err);
}

static int sock_wait_space(struct sock *sk, bool nonblock, deadline_t deadline)
{
	int err;

	if (sock_has_space(sk))
		return 0;
	atomic_store(&sk->nospace, true);
	if (nonblock)
		return -LINUX_EAGAIN;
	err = waitq_wait(&sk->wait, sock_has_space(sk) || sock_send_over(sk), SLEEP_INTERRUPTIBLE, deadline);
	return sock_wait_err(err, deadline);
}

/* A message with @len bytes of @msg.  Its sender's address and, with the first, the ancillary data go along. */
static struct skb *sock_make_skb(struct sock *sk, struct sock *to, struct msg *msg, size_t len)
{
	struct skb *skb = skb_new(sk, len);
	size_t n;

	if (!skb)
		return ERR_PTR(-LINUX_ENOMEM);
	n = iov_iter_copy_from(msg->iter, skb->data, len);
	if (n != len) {
		iov_iter_revert(msg->iter, n);
		skb_free(skb);
		return ERR_PTR(-LINUX_EFAULT);
	}
	if (sk->remote)
		skb->addr_len = 0;
	else if (sk->ops->source && to)
		skb->addr_len = sk->ops->source(sk, to, &skb->addr);
	else if (sk->ops->getname(sk, false, &skb->addr, &skb->addr_len))
		skb->addr_len = 0;
	skb->info = msg->info;
	if (msg->scm.nr_files)
		scm_fly(&msg->scm);
	skb->scm = msg->scm;
	msg->scm.files = NULL;
	msg->scm.nr_files = 0;
	if (!skb->scm.has_cred && sk->family == LINUX_AF_UNIX) {
		skb->scm.cred = (struct linux_ucred){ kernel_current_tgid(), current_cred->uid, current_cred->gid };
		skb->scm.has_cred = true;
	}
	return skb;
}

/*
 * The last byte of @skb, which is going to be queued, is urgent.  One that came before is forgotten: where nothing is read
 * before it, it is dropped, else it is a byte like others: tcp_check_urg() of Linux.  What was dropped is to be freed.
 */
static struct skb *sock_mark_urgent_locked(struct sock *to, struct skb *skb)
{
	struct skb *first = list_first_entry_or_null(&to->rcvq, struct skb, link), *drop = NULL;

	if (to->urg_state != URG_NONE && to->urg_seq == to->rcv_seq && !to->oobinline && first) {
		first->off++;
		to->rcv_seq++;
		to->rcvq_bytes--;
		if (first->off == first->len) {
			list_del(&first->link);
			drop = first;
		}
	}
	to->urg_seq = to->rcv_seq + to->rcvq_bytes + skb->len - 1;
	to->urg_byte = (uint8_t)skb->data[skb->len - 1];
	to->urg_state = URG_VALID;
	return drop;
}

int sock_deliver(struct sock *to, struct skb *skb)
{
	bool urgent = skb->urgent;
	struct skb *drop = NULL;

	mutex_lock(&to->rcvq_lock);
	if (to->closed) {
		mutex_unlock(&to->rcvq_lock);
		return -LINUX_EPIPE;
	}
	if (unlikely(urgent))
		drop = sock_mark_urgent_locked(to, skb);
	list_add_tail(&skb->link, &to->rcvq);
	to->rcvq_bytes += skb->len;
	mutex_unlock(&to->rcvq_lock);
	if (drop)
		skb_free(drop);
	if (unlikely(urgent))
		sock_urgent(to);
	sock_wake(to, LINUX_EPOLLIN | LINUX_EPOLLRDNORM | LINUX_EPOLLRDBAND);
	sock_async_data(to, LINUX_POLL_IN);
	return 0;
}

/* Who is at the other end; *ret_peer stays NULL for one behind a link. */
static int sock_check_send(struct sock *sk, bool nonblock, struct sock **ret_peer)
{
	int err = 0;

	/* AF_UNIX keeps a pending error for those who receive; TCP tells it to whoever comes first. */
	if (sk->family != LINUX_AF_UNIX || !(READ_ONCE(sk->shutdown) & SHUT_BIT_SND))
		err = sock_take_err(sk);
	if (err)
		return err;
	MUTEX_GUARD(&sk->lock);
	if (sk->shutdown & SHUT_BIT_SND)
		return -LINUX_EPIPE;
	if (sk->state == SS_CONNECTING) {
		err = nonblock ? -LINUX_EAGAIN :
		      waitq_wait_locked(&sk->wait, &sk->lock, sk->state != SS_CONNECTING, SLEEP_INTERRUPTIBLE,
					sock_deadline(sk->sndtimeo));
		if (err)
			return err == -LINUX_ETIMEDOUT ? -LINUX_EAGAIN : err;
		err = sk->state == SS_CONNECTED ? 0 : sock_take_err(sk);
		if (err || sk->state != SS_CONNECTED)
			return err ? err : -LINUX_EPIPE;
	}
	if (sk->remote && sk->state == SS_CONNECTED)
		return 0;
	if (!sk->peer)
		return sk->family == LINUX_AF_UNIX ? -LINUX_ENOTCONN : -LINUX_EPIPE;
	*ret_peer = sock_get(sk->peer);
	return 0;
}

/* A TCP peer that closed answers the first data with a reset, which the next call sees. */
static int64_t sock_send_to_closed(struct sock *sk, size_t len)
{
	if (sk->family == LINUX_AF_UNIX)
		return -LINUX_EPIPE;
	mutex_lock(&sk->lock);
	WRITE_ONCE(sk->shutdown, sk->shutdown | SHUT_BIT_SND | SHUT_BIT_RCV);
	WRITE_ONCE(sk->state, SS_DISCONNECTED);
	mutex_unlock(&sk->lock);
	atomic_store(&sk->err, LINUX_EPIPE);
	sock_wake(sk, 0);
	return len;
}

int64_t sock_send_stream(struct sock *sk, struct msg *msg, bool nonblock)
{
	deadline_t deadline = sock_deadline(sk->sndtimeo);
	struct sock *peer _cleanup_sock_ = NULL;
	int64_t done = 0;
	int err = sock_check_send(sk, nonblock, &peer);

	while (!err && msg->iter->count) {
		size_t len = MIN(msg->iter->count, STREAM_CHUNK);
		struct skb *skb;

		err = sock_wait_space(sk, nonblock, deadline);
		if (!err && (READ_ONCE(sk->shutdown) & SHUT_BIT_SND))
			err = -LINUX_EPIPE;
		if (!err && !done)
			err = sock_take_err(sk);
		if (err)
			break;
		skb = sock_make_skb(sk, peer, msg, len);
		if (IS_ERR(skb))
			return done ? done : (int64_t)PTR_ERR(skb);
		skb->urgent = msg->flags & LINUX_MSG_OOB && !msg->iter->count;
		if (!peer) {
			err = sk->ops->xmit(sk, skb, msg);
			if (err)
				break;
			done += len;
			continue;
		}
		if (sock_deliver(peer, skb)) {
			skb_free(skb);
			done += MAX(sock_send_to_closed(sk, len), 0);
			err = -LINUX_EPIPE;
			break;
		}
		done += len;
	}
	return done ? done : err;
}

/* One message to @to, or to whom the protocol routes it. */
static bool sock_queue_full(struct sock *to)
{
	unsigned n = 0;
	struct skb *skb;
	MUTEX_GUARD(&to->rcvq_lock);

	if (to->closed)
		return false;
	if (to->family != LINUX_AF_UNIX)
		return to->rcvq_bytes >= (size_t)to->rcvbuf;
	list_for_each_entry(skb, &to->rcvq, link)
		if (++n > DGRAM_QLEN)
			return true;
	return false;
}

int64_t sock_send_packet(struct sock *sk, struct msg *msg, bool nonblock)
{
	deadline_t deadline = sock_deadline(sk->sndtimeo);
	struct sock *to _cleanup_sock_ = NULL;
	size_t len = msg->iter->count;
	struct skb *skb;
	int err = 0;

	if (sock_is_connection(sk)) {
		err = sock_check_send(sk, nonblock, &to);
	} else {
		if (READ_ONCE(sk->shutdown) & SHUT_BIT_SND)
			return -LINUX_EPIPE;
		err = sock_take_err(sk);
		if (!err) {
			to = sk->ops->route(sk, msg);
			if (IS_ERR(to)) {
				err = (int)PTR_ERR(to);
				to = NULL;
			}
		}
	}
	if (!err && len > (sk->family == LINUX_AF_UNIX ? (size_t)sk->sndbuf - 32 : UDP_MAX_PAYLOAD))
		err = -LINUX_EMSGSIZE;
	if (!err)
		err = sock_wait_space(sk, nonblock, deadline);
	if (err)
		return err;
	skb = sock_make_skb(sk, to, msg, len);
	if (IS_ERR(skb))
		return PTR_ERR(skb);
	if (to && unlikely(READ_ONCE(to->filter) != NULL) && !sock_filter_packet(to, skb)) {
		skb_free(skb);
		return len;
	}
	if (to)
		skb->stamp = sock_stamp_now(to);
	if (!to && (msg->remote || msg->multicast)) {
		err = sk->ops->xmit(sk, skb, msg);
		return err ? err : (int64_t)len;
	}
	if (!to) { /* nobody there: a datagram is lost, and counts as sent */
		if (sk->ops->lost)
			sk->ops->lost(sk, skb, msg);
		else
			skb_free(skb);
		return len;
	}
	if (sock_queue_full(to)) {
		if (sk->family != LINUX_AF_UNIX) {
			atomic_fetch_add(&to->drops, 1);
			skb_free(skb);
			return len;
		}
		err = nonblock ? -LINUX_EAGAIN : waitq_wait(&to->wait, !sock_queue_full(to), SLEEP_INTERRUPTIBLE, deadline);
	}
	if (!err && (READ_ONCE(to->shutdown) & SHUT_BIT_RCV) && !sock_is_connection(sk) && sk->family == LINUX_AF_UNIX)
		err = -LINUX_EPIPE;
	if (!err)
		err = sock_deliver(to, skb);
	if (!err)
		return len;
	skb_free(skb);
	if (err == -LINUX_EPIPE && !sock_is_connection(sk)) {
		err = -LINUX_ECONNREFUSED;
		if (to == READ_ONCE(sk->peer))
			sock_set_peer(sk, NULL);
	}
	return sock_wait_err(err, deadline);
}

int64_t sock_sendmsg(struct sock *sk, struct msg *msg, bool nonblock)
{
	int64_t ret;

	nonblock |= !!(msg->flags & LINUX_MSG_DONTWAIT);
	/* Not by frames: libslirp's handling of it is not to be trusted. */
	if (!sk->ops->sendmsg && msg->flags & LINUX_MSG_OOB && (!sock_is_stream(sk) || (READ_ONCE(sk->remote) && !sk->direct)))
		return -LINUX_EOPNOTSUPP;
	if (sk->ops->sendmsg) {
		ret = sk->ops->sendmsg(sk, msg, nonblock);
	} else if (sock_is_stream(sk)) {
		if (sk->family == LINUX_AF_UNIX && msg->addr_len)
			return READ_ONCE(sk->state) == SS_CONNECTED ? -LINUX_EISCONN : -LINUX_EOPNOTSUPP;
		if (sk->direct && sk->remote)
			ret = direct_sendmsg(sk, msg, nonblock);
		else if (!sk->ops->cork || !sk->ops->cork(sk, msg, nonblock, &ret))
			ret = sock_send_stream(sk, msg, nonblock);
	} else {
		ret = sock_send_packet(sk, msg, nonblock);
	}
	if (unlikely(msg->flags & LINUX_MSG_ZEROCOPY) && sk->zerocopy && ret > 0)
		sock_zerocopy_done(sk);
	if (ret == -LINUX_EPIPE && sock_is_connection(sk) && !(msg->flags & LINUX_MSG_NOSIGNAL))
		kernel_signal_self(LINUX_SIGPIPE);
	return ret;
}

/* --- receiving --- */

static bool sock_readable(struct sock *sk)
{
	bool data;

	mutex_lock(&sk->rcvq_lock);
	data = !list_empty(&sk->rcvq);
	mutex_unlock(&sk->rcvq_lock);
	return data || (READ_ONCE(sk->shutdown) & SHUT_BIT_RCV) || atomic_load(&sk->err);
}

/*
 * Waits for the first message; called with iolock held, which is dropped while asleep.  NULL and *ret_err: 0 at the end of the
 * stream.
 */
static struct skb *sock_first(struct sock *sk, bool nonblock, deadline_t deadline, int *ret_err)
{
	for (;;) {
		struct skb *skb;

		mutex_lock(&sk->rcvq_lock);
		skb = list_first_entry_or_null(&sk->rcvq, struct skb, link);
		mutex_unlock(&sk->rcvq_lock);
		if (skb)
			return skb;
		*ret_err = sock_take_err(sk);
		if (*ret_err)
			return NULL;
		if (READ_ONCE(sk->shutdown) & SHUT_BIT_RCV)
			return NULL;
		*ret_err = -LINUX_EAGAIN;
		if (nonblock)
			return NULL;
		mutex_unlock(&sk->iolock);
		atomic_store(&sk->waitdata, sock_is_stream(sk));
		*ret_err = waitq_wait(&sk->wait, sock_readable(sk), SLEEP_INTERRUPTIBLE, deadline);
		atomic_store(&sk->waitdata, false);
		mutex_lock(&sk->iolock);
		if (*ret_err) {
			*ret_err = sock_wait_err(*ret_err, deadline);
			return NULL;
		}
	}
}

/* iolock held: @skb is still first. */
static void sock_consume(struct sock *sk, struct skb *skb, size_t n, bool whole)
{
	bool gone;

	mutex_lock(&sk->rcvq_lock);
	if (list_first_entry_or_null(&sk->rcvq, struct skb, link) != skb) { /* closed meanwhile: flushed */
		mutex_unlock(&sk->rcvq_lock);
		return;
	}
	skb->off += n;
	gone = whole || skb->off == skb->len;
	if (gone)
		n += skb->len - skb->off;
	sk->rcvq_bytes -= n;
	sk->rcv_seq += n;
	if (sk->urg_state != URG_NONE && sk->rcv_seq > sk->urg_seq)
		sk->urg_state = URG_NONE;
	if (sk->peek_off > 0)
		sk->peek_off = n < (size_t)sk->peek_off ? sk->peek_off - (int)n : 0;
	if (gone)
		list_del(&skb->link);
	mutex_unlock(&sk->rcvq_lock);
	if (!gone)
		return;
	skb_free(skb);
	if (sk->remote)
		sk->ops->rcvd(sk);
	if (!sock_is_connection(sk))
		sock_wake(sk, LINUX_EPOLLOUT | LINUX_EPOLLWRNORM); /* senders that found the queue full */
}

/* Ancillary data goes to the first receiver; one that peeks gets copies. */
static int sock_take_scm(struct skb *skb, struct msg *msg)
{
	struct scm *s = &skb->scm;

	msg->scm.has_cred = s->has_cred;
	msg->scm.cred = s->cred;
	if (!s->nr_files)
		return 0;
	if (!(msg->flags & LINUX_MSG_PEEK)) {
		scm_land(s);
		msg->scm.files = s->files;
		msg->scm.nr_files = s->nr_files;
		s->files = NULL;
		s->nr_files = 0;
		return 0;
	}
	msg->scm.files = malloc(s->nr_files * sizeof(*s->files));
	if (!msg->scm.files)
		return -LINUX_ENOMEM;
	for (unsigned i = 0; i < s->nr_files; i++)
		msg->scm.files[i] = file_get(s->files[i]);
	msg->scm.nr_files = s->nr_files;
	return 0;
}

static void sock_take_addr(struct skb *skb, struct msg *msg)
{
	msg->addr = skb->addr;
	msg->addr_len = skb->addr_len;
	msg->info = skb->info;
	msg->stamp = skb->stamp;
	msg->aux_len = skb->aux_len;
}

/* Whether there is a message for one who looks from SO_PEEK_OFF on; rcvq_lock held.  *ret_off: where in it that is. */
static struct skb *sock_peek_from_locked(struct sock *sk, size_t *ret_off)
{
	struct skb *skb;

	*ret_off = (size_t)MAX(sk->peek_off, 0);
	list_for_each_entry(skb, &sk->rcvq, link) {
		if (!*ret_off || *ret_off < skb->len - skb->off)
			return skb;
		*ret_off -= skb->len - skb->off;
	}
	return NULL;
}

static struct skb *sock_peek_from(struct sock *sk, size_t *ret_off)
{
	MUTEX_GUARD(&sk->rcvq_lock);

	return sock_peek_from_locked(sk, ret_off);
}

/* sock_first() of one who peeks. */
static struct skb *sock_first_peek(struct sock *sk, bool nonblock, deadline_t deadline, size_t *ret_off, int *ret_err)
{
	struct skb *skb = sock_first(sk, nonblock, deadline, ret_err);

	*ret_off = 0;
	if (!skb || sk->peek_off < 0)
		return skb;
	for (;;) {
		skb = sock_peek_from(sk, ret_off);
		if (skb)
			return skb;
		*ret_err = READ_ONCE(sk->shutdown) & SHUT_BIT_RCV ? 0 : -LINUX_EAGAIN;
		if (nonblock || !*ret_err)
			return NULL;
		mutex_unlock(&sk->iolock);
		*ret_err = waitq_wait(&sk->wait, sock_peek_from(sk, ret_off) || READ_ONCE(sk->shutdown) & SHUT_BIT_RCV,
				      SLEEP_INTERRUPTIBLE, deadline);
		mutex_lock(&sk->iolock);
		if (*ret_err) {
			*ret_err = sock_wait_err(*ret_err, deadline);
			return NULL;
		}
	}
}

static int64_t sock_recv_packet(struct sock *sk, struct msg *msg, bool nonblock)
{
	deadline_t deadline = sock_deadline(sk->rcvtimeo);
	struct skb *skb;
	size_t n, len, off = 0;
	int err = 0;

	mutex_lock(&sk->iolock);
	if (msg->flags & LINUX_MSG_PEEK)
		skb = sock_first_peek(sk, nonblock, deadline, &off, &err);
	else
		skb = sock_first(sk, nonblock, deadline, &err);
	if (!skb) {
		mutex_unlock(&sk->iolock);
		return err;
	}
	len = skb->len - off;
	n = iov_iter_copy_to(msg->iter, skb->data + off, MIN(len, msg->iter->count));
	if (msg->flags & LINUX_MSG_PEEK && sk->peek_off >= 0)
		sk->peek_off += (int)n;
	if (n < len) {
		if (msg->iter->count) {
			err = -LINUX_EFAULT;
			goto out;
		}
		msg->out_flags |= LINUX_MSG_TRUNC;
	}
	sock_take_addr(skb, msg);
	err = sock_take_scm(skb, msg);
out:
	if (!(msg->flags & LINUX_MSG_PEEK))
		sock_consume(sk, skb, len, true);
	mutex_unlock(&sk->iolock);
	if (err)
		return err;
	return msg->flags & LINUX_MSG_TRUNC ? len : n;
}

/* Whether a stream read that has some bytes already goes on into @skb. */
static bool stream_may_join(const struct skb *skb, const struct msg *msg, bool passcred)
{
	if (msg->scm.nr_files) /* a read ends with the message that brought descriptors */
		return false;
	return !passcred || !msg->scm.has_cred || !memcmp(&skb->scm.cred, &msg->scm.cred, sizeof(skb->scm.cred));
}

static struct skb *stream_next(struct sock *sk, struct skb *skb)
{
	MUTEX_GUARD(&sk->rcvq_lock);

	return skb->link.next == &sk->rcvq ? NULL : list_next_entry(skb, link);
}

/* Where the urgent byte is, seen from @ahead bytes after the front of the queue; *@want is cut to end before it. */
enum mark { MARK_NONE, MARK_AHEAD, MARK_HERE };

static enum mark sock_mark(struct sock *sk, size_t ahead, size_t *want)
{
	uint64_t at;

	if (likely(READ_ONCE(sk->urg_state) == URG_NONE))
		return MARK_NONE;
	MUTEX_GUARD(&sk->rcvq_lock);
	at = sk->rcv_seq + ahead;
	if (sk->urg_state == URG_NONE || sk->urg_seq < at || sk->urg_seq - at > *want)
		return MARK_NONE;
	if (sk->urg_seq == at)
		return MARK_HERE;
	*want = sk->urg_seq - at;
	return MARK_AHEAD;
}

/* MSG_OOB: tcp_recv_urg() of Linux. */
static int64_t sock_recv_urgent(struct sock *sk, struct msg *msg)
{
	uint8_t byte;

	if (!sock_is_stream(sk))
		return -LINUX_EOPNOTSUPP;
	if (READ_ONCE(sk->state) == SS_LISTENING)
		return sk->family == LINUX_AF_UNIX ? -LINUX_EINVAL : -LINUX_ENOTCONN;
	mutex_lock(&sk->rcvq_lock);
	if (sk->oobinline || sk->urg_state != URG_VALID) {
		mutex_unlock(&sk->rcvq_lock);
		return -LINUX_EINVAL;
	}
	byte = sk->urg_byte;
	if (!(msg->flags & LINUX_MSG_PEEK))
		sk->urg_state = URG_READ;
	mutex_unlock(&sk->rcvq_lock);
	msg->out_flags |= LINUX_MSG_OOB;
	if (!msg->iter->count) {
		msg->out_flags |= LINUX_MSG_TRUNC;
		return 0;
	}
	return iov_iter_copy_to(msg->iter, &byte, 1) ? 1 : -LINUX_EFAULT;
}

/* Looks at what is queued without taking it. */
static int64_t sock_peek_stream(struct sock *sk, struct msg *msg, bool nonblock)
{
	int64_t done = 0;
	struct skb *skb;
	size_t off, passed = 0; /* the urgent byte */
	int err = 0;

	mutex_lock(&sk->iolock);
	skb = sock_first_peek(sk, nonblock, sock_deadline(sk->rcvtimeo), &off, &err);
	while (skb && msg->iter->count) {
		size_t want = MIN(skb->len - skb->off - off, msg->iter->count), n;
		enum mark mark = sock_mark(sk, (size_t)MAX(sk->peek_off, 0) + (size_t)done + passed, &want);

		if (mark == MARK_HERE && done)
			break;
		if (mark == MARK_HERE && !sk->oobinline) { /* it is passed over */
			off++;
			passed = 1;
			if (off == skb->len - skb->off) {
				skb = stream_next(sk, skb);
				off = 0;
				continue;
			}
			want = MIN(skb->len - skb->off - off, msg->iter->count);
		}
		n = iov_iter_copy_to(msg->iter, skb->data + skb->off + off, want);
		off = 0;

		if (!done)
			sock_take_addr(skb, msg);
		if (!done || skb->scm.nr_files)
			err = sock_take_scm(skb, msg);
		done += n;
		if (n < want || err) {
			if (!done)
				err = -LINUX_EFAULT;
			break;
		}
		if (mark == MARK_AHEAD)
			break;
		skb = stream_next(sk, skb);
		if (skb && !stream_may_join(skb, msg, sk->passcred))
			break;
	}
	if (sk->peek_off >= 0)
		sk->peek_off += (int)done;
	mutex_unlock(&sk->iolock);
	return done ? done : err;
}

static int64_t sock_recv_stream(struct sock *sk, struct msg *msg, bool nonblock)
{
	size_t target = msg->flags & LINUX_MSG_WAITALL ? msg->iter->count : MIN((size_t)sk->rcvlowat, msg->iter->count);
	deadline_t deadline = sock_deadline(sk->rcvtimeo);
	int64_t done = 0;
	int err = 0;

	mutex_lock(&sk->iolock);
	while (msg->iter->count) {
		bool enough = done && done >= (int64_t)target;
		struct skb *skb = sock_first(sk, nonblock || enough, deadline, &err);
		size_t want, n;
		enum mark mark;

		if (!skb || (done && !stream_may_join(skb, msg, sk->passcred)))
			break;
		want = MIN(skb->len - skb->off, msg->iter->count);
		mark = sock_mark(sk, 0, &want);
		if (mark == MARK_HERE && done)
			break;
		if (mark == MARK_HERE && !sk->oobinline) {
			sock_consume(sk, skb, 1, false);
			continue;
		}
		n = iov_iter_copy_to(msg->iter, skb->data + skb->off, want);
		if (!n) {
			err = -LINUX_EFAULT;
			break;
		}
		if (!done)
			sock_take_addr(skb, msg);
		if (!done || skb->scm.nr_files)
			sock_take_scm(skb, msg);
		done += n;
		sock_consume(sk, skb, n, false);
		if (n < want || msg->scm.nr_files || mark == MARK_AHEAD)
			break;
	}
	mutex_unlock(&sk->iolock);
	if (done)
		return done;
	return err;
}

/* The oldest error, with what it is about; the next one is pending then. */
static int64_t sock_recv_error(struct sock *sk, struct msg *msg)
{
	struct skb *skb, *next;
	size_t n;

	mutex_lock(&sk->rcvq_lock);
	skb = list_first_entry_or_null(&sk->errq, struct skb, link);
	if (skb) {
		list_del(&skb->link);
		next = list_first_entry_or_null(&sk->errq, struct skb, link);
		if (skb->error.err)
			atomic_store(&sk->err, next ? (int)next->error.err : 0);
	}
	mutex_unlock(&sk->rcvq_lock);
	if (!skb)
		return -LINUX_EAGAIN;
	n = iov_iter_copy_to(msg->iter, skb->data, MIN(skb->len, msg->iter->count));
	if (n < skb->len)
		msg->out_flags |= LINUX_MSG_TRUNC;
	msg->out_flags |= LINUX_MSG_ERRQUEUE;
	msg->error = skb->error;
	sock_take_addr(skb, msg);
	skb_free(skb);
	return n;
}

int64_t sock_recvmsg(struct sock *sk, struct msg *msg, bool nonblock)
{
	enum sock_state state = READ_ONCE(sk->state);
	int64_t ret;

	nonblock |= !!(msg->flags & LINUX_MSG_DONTWAIT);
	if (msg->flags & LINUX_MSG_ERRQUEUE)
		return sock_recv_error(sk, msg);
	if (sk->direct && READ_ONCE(sk->remote))
		return direct_recvmsg(sk, msg, nonblock);
	if (msg->flags & LINUX_MSG_OOB && (sock_is_stream(sk) || sk->family == LINUX_AF_UNIX))
		return sock_recv_urgent(sk, msg);
	if (sock_is_connection(sk) && (state == SS_UNCONNECTED || state == SS_LISTENING)) {
		if (sk->family != LINUX_AF_UNIX && (READ_ONCE(sk->shutdown) & SHUT_BIT_RCV))
			return 0;
		if (sk->family == LINUX_AF_UNIX)
			return sk->type == LINUX_SOCK_STREAM ? -LINUX_EINVAL : -LINUX_ENOTCONN;
		return -LINUX_ENOTCONN;
	}
	if (!sock_is_stream(sk))
		ret = sock_recv_packet(sk, msg, nonblock);
	else if (msg->flags & LINUX_MSG_PEEK)
		ret = sock_peek_stream(sk, msg, nonblock);
	else
		ret = sock_recv_stream(sk, msg, nonblock);
	if (ret < 0)
		scm_fini(&msg->scm);
	return ret;
}
