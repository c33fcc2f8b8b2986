/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a sock: storage, joining, closing, readiness.
 *
 *     UNCONNECTED --listen--> LISTENING
 *          |  ^                   | a client's connect makes a CONNECTED child, queued until accept
 *       connect  |AF_UNSPEC (datagrams)
 *          v  |
 *      CONNECTED --the other end goes, shutdown both--> DISCONNECTED
 */
#include <stdlib.h>
#include <string.h>

#include "netstack/direct.h"
#include "netstack/skf.h"
#include "netstack/sock_queue.h"
#include "sentry/abi/poll.h"

#define BACKLOG_MAX 4096 /* net.core.somaxconn */

struct sock *sock_alloc(struct net *net, int family, int type, int protocol, const struct sock_ops *ops)
{
	struct sock *sk = calloc(1, sizeof(*sk));

	if (!sk)
		return NULL;
	ref_init(&sk->ref);
	sk->ops = ops;
	sk->net = net_get(net);
	sk->family = family;
	sk->type = type;
	sk->protocol = protocol;
	waitq_init(&sk->wait);
	fasync_init(&sk->async);
	mutex_init(&sk->lock);
	mutex_init(&sk->iolock);
	mutex_init(&sk->rcvq_lock);
	list_init(&sk->accept_queue);
	list_init(&sk->pending);
	list_init(&sk->accept_link);
	sk->peek_off = -1;
	sk->txrehash = sk->passrights = true;
	sk->incoming_cpu = -1;
	sk->max_pacing_rate = UINT64_MAX;
	list_init(&sk->rcvq);
	list_init(&sk->errq);
	sk->sndbuf = sk->rcvbuf = 212992;
	sk->rcvlowat = 1;
	sk->rcvtimeo = sk->sndtimeo = -1;
	sk->cred = (struct linux_ucred){ kernel_current_tgid(), current_cred->euid, current_cred->egid };
	sk->peer_cred = (struct linux_ucred){ 0, UINT32_MAX, UINT32_MAX };
	return sk;
}

void sock_put(struct sock *sk)
{
	if (!ref_put(&sk->ref))
		return;
	BUG_ON(!list_empty(&sk->rcvq) || sk->peer);
	if (sk->ops->free)
		sk->ops->free(sk);
	skf_free(sk->filter);
	waitq_fini(&sk->wait);
	fasync_fini(&sk->async);
	mutex_fini(&sk->lock);
	mutex_fini(&sk->iolock);
	mutex_fini(&sk->rcvq_lock);
	net_put(sk->net);
	free(sk);
}

void scm_fini(struct scm *scm)
{
	for (unsigned i = 0; i < scm->nr_files; i++)
		fput(scm->files[i]);
	free(scm->files);
	*scm = (struct scm){ 0 };
}

/* What Linux's truesize would be: small messages cost more than their bytes. */
static size_t skb_charge(size_t len)
{
	return ALIGN_UP(len + 320, 512) + 256;
}

/*
 * Large messages come and go by the thousand, from one thread and to another, and malloc would give their memory back to the host
 * and fault it in again each time: a few are kept.  They are all of one size, which is how they are told from others.
 */
#define POOL_SIZE (sizeof(struct skb) + 32768)
#define POOL_LEAST 8192
#define POOL_MAX 64

static struct mutex pool_lock = MUTEX_INIT;
static struct list_head pool = LIST_HEAD_INIT(pool);
static unsigned nr_pool;

static struct skb *skb_alloc(size_t len)
{
	struct skb *skb = NULL;

	if (len < POOL_LEAST || sizeof(*skb) + len > POOL_SIZE)
		return malloc(sizeof(*skb) + len);
	mutex_lock(&pool_lock);
	if (nr_pool) {
		skb = list_first_entry(&pool, struct skb, link);
		list_del(&skb->link);
		nr_pool--;
	}
	mutex_unlock(&pool_lock);
	return skb ? skb : malloc(POOL_SIZE);
}

/* @len as it was allocated with. */
static void skb_release(struct skb *skb, size_t len)
{
	if (len >= POOL_LEAST && sizeof(*skb) + len <= POOL_SIZE) {
		MUTEX_GUARD(&pool_lock);

		if (nr_pool < POOL_MAX) {
			list_init(&skb->link);
			list_add(&skb->link, &pool);
			nr_pool++;
			return;
		}
	}
	free(skb);
}

struct skb *skb_new(struct sock *from, size_t len)
{
	struct skb *skb = skb_alloc(len);

	if (!skb)
		return NULL;
	memset(skb, 0, sizeof(*skb));
	list_init(&skb->link);
	skb->data = skb->buf;
	skb->len = skb->size = len;
	skb->charge = skb_charge(len);
	if (from) {
		skb->from = sock_get(from);
		atomic_fetch_add(&from->wmem, skb->charge);
	}
	return skb;
}

/*
 * Whether there is so much room now that those who wait for it are to hear: as unix_write_space() has it and, for TCP,
 * sk_stream_write_space().  Who was woken for each message that is read would sleep again after one of his own.
 */
static bool sock_room_is_news(const struct sock *sk)
{
	return sock_is_stream(sk) && sk->family != LINUX_AF_UNIX ?
	       atomic_load(&((struct sock *)sk)->wmem) * 3 <= (unsigned long)sk->sndbuf * 2 : sock_writable(sk);
}

void skb_free(struct skb *skb)
{
	struct sock *from = skb->from;
	size_t size = skb->size;

	if (skb->scm.nr_files)
		scm_land(&skb->scm);
	if (!from) {
		scm_fini(&skb->scm);
		skb_release(skb, size);
		return;
	}
	atomic_fetch_sub(&from->wmem, skb->charge);
	if (sock_room_is_news(from))
		sock_wake(from, LINUX_EPOLLOUT | LINUX_EPOLLWRNORM | LINUX_EPOLLWRBAND);
	if (sock_writable(from) && atomic_load(&from->nospace) && atomic_exchange(&from->nospace, false))
		fasync_kill(&from->async, LINUX_POLL_OUT);
	sock_put(from);
	scm_fini(&skb->scm);
	skb_release(skb, size);
}

void sock_wake(struct sock *sk, unsigned events)
{
	if (waitq_active(&sk->wait))
		waitq_wake(&sk->wait, events);
}

void sock_async_data(struct sock *sk, int reason)
{
	if (!atomic_load_explicit(&sk->waitdata, memory_order_relaxed))
		fasync_kill(&sk->async, reason);
}

void sock_urgent(struct sock *sk)
{
	mutex_lock(&sk->lock);
	if (sk->file)
		file_sigurg(sk->file);
	mutex_unlock(&sk->lock);
	sock_wake(sk, 0);
	fasync_kill(&sk->async, LINUX_POLL_PRI);
}

deadline_t sock_deadline(int64_t timeo)
{
	return timeo < 0 ? NO_DEADLINE : deadline_after(timeo);
}

void sock_set_peer(struct sock *sk, struct sock *peer)
{
	struct sock *old;

	mutex_lock(&sk->lock);
	old = sk->peer;
	WRITE_ONCE(sk->peer, peer ? sock_get(peer) : NULL);
	mutex_unlock(&sk->lock);
	if (old)
		sock_put(old);
}

struct sock *sock_peer_get(struct sock *sk)
{
	MUTEX_GUARD(&sk->lock);

	return sk->peer ? sock_get(sk->peer) : NULL;
}

void sock_join(struct sock *a, struct sock *b)
{
	struct sock *ends[2] = { a, b };

	for (int i = 0; i < 2; i++) {
		mutex_lock(&ends[i]->lock);
		WRITE_ONCE(ends[i]->peer, sock_get(ends[!i]));
		ends[i]->peer_cred = ends[!i]->cred;
		WRITE_ONCE(ends[i]->state, SS_CONNECTED);
		mutex_unlock(&ends[i]->lock);
	}
}

/* --- closing --- */

/* Takes all messages off @sk; true when there was unread data. */
static bool sock_flush(struct sock *sk)
{
	struct list_head all = LIST_HEAD_INIT(all);
	struct skb *skb, *tmp;
	bool unread;

	mutex_lock(&sk->rcvq_lock);
	sk->closed = true;
	unread = !list_empty(&sk->rcvq);
	list_splice_tail(&sk->rcvq, &all);
	list_splice_tail(&sk->errq, &all);
	sk->rcvq_bytes = 0;
	mutex_unlock(&sk->rcvq_lock);
	list_for_each_entry_safe(skb, tmp, &all, link) {
		list_del(&skb->link);
		skb_free(skb);
	}
	return unread;
}

/* @peer's other end is gone.  @reset: with data of @peer's unread, or by an aborting close. */
static void sock_peer_gone(struct sock *peer, bool reset)
{
	bool full = peer->family == LINUX_AF_UNIX || reset, pending;

	mutex_lock(&peer->lock);
	pending = peer->state == SS_CONNECTING; /* with what was never accepted, nor in the queue for it */
	full |= pending;
	WRITE_ONCE(peer->shutdown, peer->shutdown | SHUT_BIT_RCV | (full ? SHUT_BIT_SND : 0));
	if (full)
		WRITE_ONCE(peer->state, SS_DISCONNECTED);
	mutex_unlock(&peer->lock);
	if (reset || pending)
		atomic_store(&peer->err, pending ? LINUX_ECONNREFUSED : LINUX_ECONNRESET);
	sock_wake(peer, 0);
	sock_async_data(peer, full ? LINUX_POLL_HUP : LINUX_POLL_IN);
}

/* A listener's children that nobody accepted are closed like any other end. */
static void sock_flush_children(struct sock *sk)
{
	for (;;) {
		struct sock *child;

		mutex_lock(&sk->lock);
		child = list_first_entry_or_null(&sk->accept_queue, struct sock, accept_link);
		if (child)
			sk->nr_accept--;
		else
			child = list_first_entry_or_null(&sk->pending, struct sock, accept_link);
		if (child)
			list_del(&child->accept_link);
		mutex_unlock(&sk->lock);
		if (!child)
			return;
		sock_close(child);
		sock_put(child);
	}
}

void sock_close(struct sock *sk)
{
	bool reset, listener, remote;
	struct sock *peer;

	if (sk->ops->release)
		sk->ops->release(sk);
	mutex_lock(&sk->lock);
	peer = sk->peer;
	WRITE_ONCE(sk->peer, NULL);
	listener = sk->state == SS_LISTENING;
	remote = sk->remote;
	WRITE_ONCE(sk->state, SS_DISCONNECTED);
	WRITE_ONCE(sk->shutdown, SHUT_BIT_RCV | SHUT_BIT_SND);
	sk->file = NULL;
	mutex_unlock(&sk->lock);
	reset = sock_flush(sk);
	reset |= sk->linger.l_onoff && !sk->linger.l_linger && sk->family != LINUX_AF_UNIX;
	if (listener)
		sock_flush_children(sk);
	if (remote)
		sk->ops->close(sk, reset);
	if (peer) {
		/* A datagram socket connected to this one finds out when it sends. */
		if (sock_is_connection(sk))
			sock_peer_gone(peer, reset);
		sock_put(peer);
	}
	sock_wake(sk, 0);
}

int sock_shutdown(struct sock *sk, int how)
{
	unsigned bits = (how == LINUX_SHUT_RD ? SHUT_BIT_RCV : how == LINUX_SHUT_WR ? SHUT_BIT_SND :
			 SHUT_BIT_RCV | SHUT_BIT_SND);
	struct sock *peer _cleanup_sock_ = NULL;
	bool listener, remote, remote_direct;

	if (how < LINUX_SHUT_RD || how > LINUX_SHUT_RDWR)
		return -LINUX_EINVAL;
	if (bits & SHUT_BIT_SND && sk->ops->uncork)
		sk->ops->uncork(sk);
	mutex_lock(&sk->lock);
	listener = sk->state == SS_LISTENING;
	WRITE_ONCE(sk->shutdown, sk->shutdown | bits); /* even where the call fails, as inet_shutdown() */
	remote = sk->remote && bits & SHUT_BIT_SND;
	remote_direct = sk->remote && sk->direct;
	if (sk->family != LINUX_AF_UNIX && !listener && sk->state != SS_CONNECTED && sk->state != SS_DISCONNECTED &&
	    sk->state != SS_CONNECTING) {
		mutex_unlock(&sk->lock);
		sock_wake(sk, 0);
		return -LINUX_ENOTCONN;
	}
	peer = sk->peer ? sock_get(sk->peer) : NULL;
	mutex_unlock(&sk->lock);
	if (remote_direct)
		direct_shutdown(sk, how);
	else if (remote)
		sk->ops->shutdown(sk);
	if (peer && sock_is_connection(sk)) {
		unsigned mirror = (bits & SHUT_BIT_SND ? SHUT_BIT_RCV : 0) |
				  (bits & SHUT_BIT_RCV && sk->family == LINUX_AF_UNIX ? SHUT_BIT_SND : 0);
		unsigned now;

		mutex_lock(&peer->lock);
		now = peer->shutdown | mirror;
		WRITE_ONCE(peer->shutdown, now);
		mutex_unlock(&peer->lock);
		sock_wake(peer, 0);
		if (mirror & SHUT_BIT_RCV)
			sock_async_data(peer, now == (SHUT_BIT_RCV | SHUT_BIT_SND) ? LINUX_POLL_HUP : LINUX_POLL_IN);
	}
	sock_wake(sk, 0);
	return 0;
}

/* --- listening --- */

static bool sock_has_room_locked(struct sock *listener)
{
	return listener->nr_accept <= listener->backlog;
}

int sock_enqueue_child_anyway(struct sock *listener, struct sock *child)
{
	int err = -LINUX_ECONNREFUSED;

	mutex_lock(&listener->lock);
	if (listener->state == SS_LISTENING && !(listener->shutdown & SHUT_BIT_RCV) && listener->nr_accept < BACKLOG_MAX) {
		list_add_tail(&sock_get(child)->accept_link, &listener->accept_queue);
		listener->nr_accept++;
		err = 0;
	}
	mutex_unlock(&listener->lock);
	if (err)
		return err;
	sock_wake(listener, LINUX_EPOLLIN | LINUX_EPOLLRDNORM);
	sock_async_data(listener, LINUX_POLL_IN);
	return 0;
}

bool sock_accept_room(struct sock *listener)
{
	MUTEX_GUARD(&listener->lock);

	return sock_has_room_locked(listener);
}

int sock_enqueue_child(struct sock *listener, struct sock *child, bool nonblock, int64_t timeout)
{
	int err = 0;

	mutex_lock(&listener->lock);
	if (listener->state == SS_LISTENING && !sock_has_room_locked(listener))
		err = nonblock ? -LINUX_EAGAIN :
		      waitq_wait_locked(&listener->wait, &listener->lock,
					listener->state != SS_LISTENING || sock_has_room_locked(listener),
					SLEEP_INTERRUPTIBLE, sock_deadline(timeout));
	if (!err && (listener->state != SS_LISTENING || (listener->shutdown & SHUT_BIT_RCV)))
		err = -LINUX_ECONNREFUSED;
	if (!err) {
		list_add_tail(&sock_get(child)->accept_link, &listener->accept_queue);
		listener->nr_accept++;
	}
	mutex_unlock(&listener->lock);
	if (!err) {
		sock_wake(listener, LINUX_EPOLLIN | LINUX_EPOLLRDNORM);
		sock_async_data(listener, LINUX_POLL_IN);
	}
	return err == -LINUX_ETIMEDOUT ? -LINUX_EAGAIN : err;
}

int sock_pend_child(struct sock *listener, struct sock *child)
{
	struct sock *client _cleanup_sock_ = sock_peer_get(child);
	int err = 0;

	mutex_lock(&client->lock);
	WRITE_ONCE(client->state, SS_CONNECTING);
	mutex_unlock(&client->lock);
	mutex_lock(&listener->lock);
	if (listener->state != SS_LISTENING || listener->shutdown & SHUT_BIT_RCV)
		err = -LINUX_ECONNREFUSED;
	else
		list_add_tail(&sock_get(child)->accept_link, &listener->pending);
	mutex_unlock(&listener->lock);
	return err;
}

/* There is room in the queue: the oldest that waits for it is connected. */
static void sock_unpend(struct sock *sk)
{
	for (;;) {
		struct sock *child = NULL, *client;
		bool gone;

		mutex_lock(&sk->lock);
		if (sk->state == SS_LISTENING && sock_has_room_locked(sk))
			child = list_first_entry_or_null(&sk->pending, struct sock, accept_link);
		gone = child && READ_ONCE(child->shutdown) & SHUT_BIT_RCV; /* its client gave up */
		if (child)
			list_del(&child->accept_link);
		if (child && !gone) {
			list_add_tail(&child->accept_link, &sk->accept_queue);
			sk->nr_accept++;
		}
		client = child && !gone ? sock_peer_get(child) : NULL;
		mutex_unlock(&sk->lock);
		if (!child)
			return;
		if (gone) {
			sock_close(child);
			sock_put(child);
			continue;
		}
		if (client) {
			mutex_lock(&client->lock);
			if (client->state == SS_CONNECTING)
				WRITE_ONCE(client->state, SS_CONNECTED);
			mutex_unlock(&client->lock);
			sock_wake(client, 0);
			fasync_kill(&client->async, LINUX_POLL_OUT);
			sock_put(client);
		}
		sock_wake(sk, LINUX_EPOLLIN | LINUX_EPOLLRDNORM);
		sock_async_data(sk, LINUX_POLL_IN);
		return;
	}
}

struct sock *sock_accept(struct sock *sk, bool nonblock)
{
	struct sock *child;
	int err = 0;

	if (!sock_is_connection(sk))
		return ERR_PTR(-LINUX_EOPNOTSUPP);
	mutex_lock(&sk->lock);
	if (sk->state != SS_LISTENING) {
		mutex_unlock(&sk->lock);
		return ERR_PTR(-LINUX_EINVAL);
	}
	if (list_empty(&sk->accept_queue))
		err = nonblock ? -LINUX_EAGAIN :
		      waitq_wait_locked(&sk->wait, &sk->lock,
					!list_empty(&sk->accept_queue) || sk->state != SS_LISTENING ||
						(sk->shutdown & SHUT_BIT_RCV),
					SLEEP_INTERRUPTIBLE, sock_deadline(sk->rcvtimeo));
	child = err ? NULL : list_first_entry_or_null(&sk->accept_queue, struct sock, accept_link);
	if (child) {
		list_del(&child->accept_link);
		sk->nr_accept--;
	}
	mutex_unlock(&sk->lock);
	if (!child)
		return ERR_PTR(err == -LINUX_ETIMEDOUT ? -LINUX_EAGAIN : err ? err : -LINUX_EINVAL);
	sock_wake(sk, LINUX_EPOLLOUT); /* room for another */
	if (!list_empty(&sk->pending))
		sock_unpend(sk);
	return child;
}

/* --- readiness --- */

static unsigned sock_poll_receive(struct sock *sk)
{
	unsigned mask = 0;

	mutex_lock(&sk->rcvq_lock);
	if (!list_empty(&sk->errq))
		mask |= LINUX_EPOLLERR;
	/* A byte that is urgent and not in line is not there to be read. */
	if (!list_empty(&sk->rcvq) &&
	    !(sk->urg_state != URG_NONE && sk->urg_seq == sk->rcv_seq && sk->rcvq_bytes == 1 && !sk->oobinline))
		mask |= LINUX_EPOLLIN | LINUX_EPOLLRDNORM;
	if (sk->urg_state == URG_VALID)
		mask |= LINUX_EPOLLPRI;
	mutex_unlock(&sk->rcvq_lock);
	return mask;
}

bool sock_writable(const struct sock *sk)
{
	return atomic_load(&((struct sock *)sk)->wmem) * 4 <= (unsigned long)sk->sndbuf;
}

unsigned sock_poll(struct sock *sk, struct file *f, struct poll_table *pt)
{
	const unsigned out = LINUX_EPOLLOUT | LINUX_EPOLLWRNORM |
			     (sk->protocol == LINUX_IPPROTO_TCP ? 0 : LINUX_EPOLLWRBAND);
	unsigned mask = 0, shutdown;
	enum sock_state state;
	bool children;

	poll_wait(f, &sk->wait, pt);
	mutex_lock(&sk->lock);
	state = sk->state;
	shutdown = sk->shutdown;
	children = !list_empty(&sk->accept_queue);
	mutex_unlock(&sk->lock);
	if (state == SS_CONNECTED && sk->direct && READ_ONCE(sk->remote))
		return direct_poll(sk);
	if (state == SS_LISTENING)
		return (children ? LINUX_EPOLLIN | LINUX_EPOLLRDNORM : 0) |
		       (shutdown & SHUT_BIT_RCV ? LINUX_EPOLLHUP | LINUX_EPOLLIN | LINUX_EPOLLRDNORM | LINUX_EPOLLRDHUP : 0);
	mask = sock_poll_receive(sk);
	if (atomic_load(&sk->err))
		mask |= LINUX_EPOLLERR;
	if (shutdown == (SHUT_BIT_RCV | SHUT_BIT_SND))
		mask |= LINUX_EPOLLHUP;
	if (shutdown & SHUT_BIT_RCV)
		mask |= LINUX_EPOLLRDHUP | LINUX_EPOLLIN | LINUX_EPOLLRDNORM;
	if (sock_is_connection(sk) && state == SS_UNCONNECTED)
		mask |= LINUX_EPOLLHUP;
	if (state != SS_CONNECTING && (sock_writable(sk) || (shutdown & SHUT_BIT_SND)))
		mask |= out;
	else
		atomic_store(&sk->nospace, true);
	return mask;
}
