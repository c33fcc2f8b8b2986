/* SPDX-License-Identifier: Apache-2.0 */
#include "netstack/direct.h"

#include <stdlib.h>

#include "netstack/inet.h"
#include "netstack/ip.h"
#include "netstack/slirp/helper.h"
#include "netstack/sock_queue.h"
#include "netstack/tcp.h"
#include "netstack/uplink.h"
#include "platform/host/host.h"
#include "platform/host/host_thread.h"
#include "platform/pairing.h"
#include "sentry/abi/fcntl.h"
#include "sentry/abi/ioctl.h"
#include "sentry/abi/poll.h"
#include "sentry/base/log.h"

#define HASH_SIZE 256
#define THREAD_STACK (128UL << 10)
#define BUF_SIZE (256UL << 10)	/* fits the second-level cache, and is worth a call */
#define NR_BUFS 8		/* kept for the next */
#define SMALL 4096		/* on the stack */
#define LOOK_NS 1000000		/* how long a waiting thread looks at the socket itself, deaf to signals */
#define LISTEN_NS (10 * 1000000000LL)
#define EPOLL_ADD 1
#define EPOLL_MOD 3
#define EPOLL_ET (1u << 31)
#define CTL_ID 0
#define POLL_ALL (LINUX_EPOLLIN | LINUX_EPOLLPRI | LINUX_EPOLLOUT | LINUX_EPOLLRDNORM | LINUX_EPOLLRDBAND | LINUX_EPOLLWRNORM | \
		  LINUX_EPOLLWRBAND | LINUX_EPOLLRDHUP)

struct direct {
	struct list_head hash; /* streams; direct_lock */
	struct sock *sk;       /* borrowed; who finds it by id takes a reference */
	uint32_t id;
	int fd;		       /* -1: none */
	enum { LISTEN_NO, LISTEN_ASKED, LISTEN_ANSWERED } listen;
	int listen_err;	       /* the answer */
	bool out;	       /* direct_lock; somebody waits for room */
	atomic_bool watched;   /* written under direct_lock */
	/* sk->iolock: what was taken from the host's socket and the guest's memory had no room for; the next reader's. */
	char *spill;	       /* malloc */
	size_t spill_off, spill_len;
};

static struct mutex direct_lock = MUTEX_INIT;
static struct list_head streams[HASH_SIZE];
static uint32_t next_id = 1;
static int ctl_fd = -1, epoll_fd = -1;
static bool started, host_listens;
static atomic_bool down;
static struct netif *link_nif;

static struct mutex bufs_lock = MUTEX_INIT;
static char *bufs[NR_BUFS];
static unsigned nr_bufs;

static char *buf_get(void)
{
	char *buf = NULL;

	mutex_lock(&bufs_lock);
	if (nr_bufs)
		buf = bufs[--nr_bufs];
	mutex_unlock(&bufs_lock);
	return buf ? buf : malloc(BUF_SIZE);
}

static void buf_put(char *buf)
{
	mutex_lock(&bufs_lock);
	if (nr_bufs < NR_BUFS) {
		bufs[nr_bufs++] = buf;
		buf = NULL;
	}
	mutex_unlock(&bufs_lock);
	free(buf);
}

/* --- the table --- */

static struct list_head *direct_bucket(uint32_t id)
{
	struct list_head *h = &streams[id % HASH_SIZE];

	if (!h->next)
		list_init(h);
	return h;
}

/* With a reference on its sock, or NULL. */
static struct direct *direct_find(uint32_t id)
{
	struct direct *d;
	MUTEX_GUARD(&direct_lock);

	list_for_each_entry(d, direct_bucket(id), hash)
		if (d->id == id)
			return ref_get_unless_zero(&d->sk->ref) ? d : NULL;
	return NULL;
}

static struct direct *direct_new_locked(struct sock *sk)
{
	struct direct *d = sk->direct;

	if (!d) {
		d = calloc(1, sizeof(*d));
		if (!d)
			return NULL;
		list_init(&d->hash);
		d->sk = sk;
		d->fd = -1;
	}
	d->id = next_id++ ? next_id - 1 : next_id++;
	list_add(&d->hash, direct_bucket(d->id));
	WRITE_ONCE(sk->direct, d);
	return d;
}

int direct_fd(const struct sock *sk)
{
	return sk->direct ? READ_ONCE(sk->direct->fd) : -1;
}

static void direct_drop(struct direct *d)
{
	int fd;

	mutex_lock(&direct_lock);
	list_del(&d->hash);
	fd = d->fd;
	d->fd = -1;
	d->out = false;
	atomic_store(&d->watched, false);
	mutex_unlock(&direct_lock);
	if (fd >= 0)
		host_close(fd);
}

void direct_reset(struct sock *sk)
{
	if (sk->direct)
		direct_drop(sk->direct);
}

void direct_free(struct sock *sk)
{
	if (!sk->direct)
		return;
	direct_drop(sk->direct);
	free(sk->direct->spill);
	free(sk->direct);
}

/* --- watching --- */

/* Has the thread look at @d from now on; with @out until there is room. */
static void direct_watch(struct direct *d, bool out)
{
	uint32_t events = EPOLL_ET | LINUX_EPOLLIN | LINUX_EPOLLPRI | LINUX_EPOLLRDHUP;
	bool watched = atomic_load(&d->watched);

	if (watched && (!out || READ_ONCE(d->out)))
		return;
	MUTEX_GUARD(&direct_lock);
	if (d->fd < 0)
		return;
	d->out |= out;
	if (d->out)
		events |= LINUX_EPOLLOUT;
	watched = atomic_exchange(&d->watched, true);
	if (host_epoll_ctl(epoll_fd, watched ? EPOLL_MOD : EPOLL_ADD, d->fd, events, d->id))
		log_once(LOG_LEVEL_WARN, "a connection's events can't be watched");
}

void direct_watch_signals(struct sock *sk)
{
	if (sk->direct)
		direct_watch(sk->direct, false);
}

/* What of @events (LINUX_EPOLL*) is there now; errors always. */
static unsigned direct_ready(struct direct *d, unsigned events)
{
	struct pollfd p = { .fd = d->fd, .events = (short)events };

	if (atomic_load_explicit(&down, memory_order_relaxed) || d->fd < 0)
		return POLL_ALL | LINUX_EPOLLERR | LINUX_EPOLLHUP;
	return host_poll(&p, 1, 0) > 0 ? (unsigned)(unsigned short)p.revents : 0;
}

/* The same for one who is about to sleep. */
static bool direct_ready_or_watch(struct direct *d, unsigned events)
{
	if (direct_ready(d, events))
		return true;
	direct_watch(d, events & LINUX_EPOLLOUT);
	return direct_ready(d, events);
}

static int direct_wait(struct sock *sk, unsigned events, deadline_t deadline)
{
	struct pollfd p = { .fd = sk->direct->fd, .events = (short)events };
	int err;

	if (deadline == NO_DEADLINE && host_ppoll(&p, 1, LOOK_NS) > 0)
		return 0;
	atomic_store(&sk->waitdata, events & LINUX_EPOLLIN);
	err = waitq_wait(&sk->wait, direct_ready_or_watch(sk->direct, events), SLEEP_INTERRUPTIBLE, deadline);
	atomic_store(&sk->waitdata, false);
	return sock_wait_err(err, deadline);
}

size_t direct_spilled(const struct sock *sk)
{
	const struct direct *d = sk->direct;

	return READ_ONCE(d->spill) ? READ_ONCE(d->spill_len) - READ_ONCE(d->spill_off) : 0;
}

/* Keeps @n bytes for the next reader, whom their writer must not lose them for; iolock held.  -ENOMEM. */
static int direct_spill(struct direct *d, const char *data, size_t n)
{
	char *p = malloc(n);

	if (!p)
		return -LINUX_ENOMEM;
	d->spill_off = 0, d->spill_len = n;
	WRITE_ONCE(d->spill, memcpy(p, data, n));
	return 0;
}

/* Of what was kept, into @msg: how much, or -EFAULT; iolock held. */
static int64_t direct_take_spilled(struct sock *sk, struct msg *msg)
{
	struct direct *d = sk->direct;
	size_t want = MIN(msg->iter->count, direct_spilled(sk)), n;

	if (!want || msg->flags & LINUX_MSG_OOB)
		return 0;
	n = iov_iter_copy_to(msg->iter, d->spill + d->spill_off, want);
	if (msg->flags & LINUX_MSG_PEEK)
		return n ? (int64_t)n : -LINUX_EFAULT;
	d->spill_off += n;
	if (d->spill_off == d->spill_len) {
		free(d->spill);
		WRITE_ONCE(d->spill, NULL);
	}
	return n ? (int64_t)n : -LINUX_EFAULT;
}

unsigned direct_poll(struct sock *sk)
{
	unsigned ready = direct_ready(sk->direct, POLL_ALL);

	if (unlikely(direct_spilled(sk)))
		return ready | LINUX_EPOLLIN | LINUX_EPOLLRDNORM;

	if (ready & LINUX_EPOLLOUT && atomic_load(&sk->direct->watched))
		return ready;
	direct_watch(sk->direct, !(ready & LINUX_EPOLLOUT));
	return direct_ready(sk->direct, POLL_ALL);
}

static void direct_event(struct direct *d, uint32_t events)
{
	struct sock *sk = d->sk;

	if (READ_ONCE(sk->state) == SS_CONNECTING)
		return;
	if (events & LINUX_EPOLLOUT && READ_ONCE(d->out)) {
		MUTEX_GUARD(&direct_lock);
		d->out = false;
		if (d->fd >= 0)
			host_epoll_ctl(epoll_fd, EPOLL_MOD, d->fd, EPOLL_ET | LINUX_EPOLLIN | LINUX_EPOLLPRI | LINUX_EPOLLRDHUP, d->id);
	}
	sock_wake(sk, 0);
	if (events & LINUX_EPOLLPRI)
		sock_urgent(sk);
	if (events & (LINUX_EPOLLIN | LINUX_EPOLLHUP))
		sock_async_data(sk, events & LINUX_EPOLLHUP ? LINUX_POLL_HUP : LINUX_POLL_IN);
	if (events & LINUX_EPOLLOUT)
		fasync_kill(&sk->async, LINUX_POLL_OUT);
}

/* --- connections --- */

bool direct_usable(const struct inet_name *to, const struct dst *dst)
{
	static const uint8_t own[16] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 2, 2 };

	if (ctl_fd < 0 || dst->oif != link_nif || atomic_load(&nr_packet_socks))
		return false;
	return memcmp(to->addr, own, 15) || to->addr[15] == own[15];
}

/* The end of @sk, as tcp_kill() has it. */
static void direct_over(struct sock *sk, int err)
{
	mutex_lock(&sk->lock);
	WRITE_ONCE(sk->shutdown, SHUT_BIT_RCV | SHUT_BIT_SND);
	WRITE_ONCE(sk->state, SS_DISCONNECTED);
	mutex_unlock(&sk->lock);
	if (err)
		atomic_store(&sk->err, -err);
	sock_wake(sk, 0);
	sock_async_data(sk, LINUX_POLL_HUP);
}

static void direct_connected(struct sock *sk)
{
	direct_apply_all(sk);
	mutex_lock(&sk->lock);
	if (sk->state == SS_CONNECTING)
		WRITE_ONCE(sk->state, SS_CONNECTED);
	mutex_unlock(&sk->lock);
	sock_wake(sk, 0);
	fasync_kill(&sk->async, LINUX_POLL_OUT);
}

/* The socket of @d tells how its connecting ended, or is looked at until it does. */
static void direct_connecting(struct direct *d)
{
	struct pollfd p = { .fd = d->fd, .events = POLLOUT };
	int err;

	direct_watch(d, true);
	if (host_poll(&p, 1, 0) <= 0)
		return;
	err = host_stream_error(d->fd);
	if (err)
		direct_over(d->sk, err);
	else
		direct_connected(d->sk);
}

static void direct_told(const struct helper_tell *t, int fd)
{
	struct direct *d = direct_find(t->id);
	struct sock *sk = d ? d->sk : NULL;

	if (d && READ_ONCE(d->listen) == LISTEN_ASKED) {
		d->listen_err = t->what == HELPER_LISTENS ? 0 : t->err < 0 ? t->err : -LINUX_EACCES;
		__atomic_store_n(&d->listen, LISTEN_ANSWERED, __ATOMIC_RELEASE);
		sock_wake(sk, 0);
		sock_put(sk);
		return;
	}
	if (!d || READ_ONCE(sk->state) != SS_CONNECTING) {
		if (fd >= 0)
			host_close(fd);
		if (sk)
			sock_put(sk);
		return;
	}
	if (t->what <= HELPER_CONNECTING && fd >= 0) {
		bool gone;

		mutex_lock(&direct_lock);
		gone = list_empty(&d->hash) || d->fd >= 0;
		if (!gone)
			WRITE_ONCE(d->fd, fd);
		mutex_unlock(&direct_lock);
		if (gone)
			host_close(fd);
		else if (t->what == HELPER_CONNECTED)
			direct_connected(sk);
		else
			direct_connecting(d);
	} else {
		if (t->what == HELPER_DENIED)
			net_log_denied(sk, &inet_sk(sk)->remote);
		direct_over(sk, t->what == HELPER_DENIED ? -LINUX_EHOSTUNREACH : t->what == HELPER_FAILED && t->err < 0 ? t->err :
			    -LINUX_ENOBUFS);
	}
	sock_put(sk);
}

/* A connection to a published port.  The guest's backlog is not asked: the host's listener has taken it already. */
static int direct_accepted(const struct helper_tell *t, int fd)
{
	struct inet_name to = { .port = t->guest_port }, from = { .port = t->port };
	struct sock *listener _cleanup_sock_ = NULL, *child _cleanup_sock_ = NULL;
	struct direct *d;
	int err;

	memcpy(to.addr, t->guest, 16);
	memcpy(from.addr, t->addr, 16);
	listener = inet_listener_find(&init_net, &to, &from);
	child = listener ? inet_child_new(listener, &to, &from) : NULL;
	if (!child)
		return -LINUX_ECONNREFUSED;
	mutex_lock(&direct_lock);
	d = direct_new_locked(child);
	if (d)
		d->fd = fd;
	mutex_unlock(&direct_lock);
	if (!d)
		return -LINUX_ENOMEM;
	child->remote = true;
	WRITE_ONCE(child->state, SS_CONNECTED);
	direct_apply_all(child);
	err = sock_enqueue_child_anyway(listener, child);
	if (err)
		d->fd = -1;
	return err;
}

/* False: the helper is gone. */
static bool direct_receive(void)
{
	struct linux_linger reset = { 1, 0 };
	struct helper_tell t;
	int fd = -1;
	ssize_t n = host_recv_fd(ctl_fd, &t, sizeof(t), &fd);

	if (n == -LINUX_EINTR)
		return true;
	if (n != sizeof(t))
		return false;
	if (t.what != HELPER_ACCEPTED) {
		direct_told(&t, fd);
	} else if (fd >= 0 && direct_accepted(&t, fd)) {
		host_stream_setopt(fd, LINUX_SOL_SOCKET, LINUX_SO_LINGER, &reset, sizeof(reset));
		host_close(fd);
	}
	return true;
}

/* The link is gone: every stream ends, though the host's sockets would go on. */
static void direct_down(void)
{
	struct sock *sk;

	atomic_store(&down, true);
	do {
		sk = NULL;
		mutex_lock(&direct_lock);
		for (unsigned i = 0; i < HASH_SIZE && !sk; i++) {
			struct direct *d = streams[i].next ? list_first_entry_or_null(&streams[i], struct direct, hash) : NULL;

			if (!d)
				continue;
			list_del(&d->hash);
			if (ref_get_unless_zero(&d->sk->ref))
				sk = d->sk;
			else
				i--;
		}
		mutex_unlock(&direct_lock);
		if (sk) {
			if (sk->direct->listen == LISTEN_NO)
				direct_over(sk, -LINUX_ENETDOWN);
			else
				sock_wake(sk, 0);
			sock_put(sk);
		}
	} while (sk);
}

static void *direct_main(void *arg __unused)
{
	pairing_release_thread();
	for (;;) {
		struct direct *d;
		uint64_t data;
		uint32_t events;

		if (host_epoll_wait_events(epoll_fd, -1, &data, &events) != 1)
			continue;
		if (data == CTL_ID) {
			if (direct_receive())
				continue;
			break;
		}
		d = direct_find((uint32_t)data);
		if (!d)
			continue;
		if (READ_ONCE(d->sk->state) == SS_CONNECTING)
			direct_connecting(d);
		direct_event(d, events);
		sock_put(d->sk);
	}
	direct_down();
	uplink_lost();
	return NULL;
}

static int direct_start_locked(void)
{
	int err;

	if (started)
		return 0;
	err = host_thread_start_detached(direct_main, NULL, THREAD_STACK);
	started = !err;
	return err;
}

int direct_start(void)
{
	MUTEX_GUARD(&direct_lock);

	return direct_start_locked();
}

int direct_init(int ctl, struct netif *nif)
{
	int err;

	epoll_fd = host_epoll_create();
	if (epoll_fd < 0)
		return epoll_fd;
	err = host_epoll_ctl(epoll_fd, EPOLL_ADD, ctl, LINUX_EPOLLIN, CTL_ID);
	if (err)
		return err;
	ctl_fd = ctl;
	link_nif = nif;
	return 0;
}

int direct_connect(struct sock *sk, const struct inet_name *to)
{
	struct helper_ask ask = { .port = to->port };
	struct iovec iov = { &ask, sizeof(ask) };
	struct host_frame frame = { &iov, 1, 0 };
	struct direct *d;
	int n;

	if (atomic_load(&down))
		return -LINUX_ENETDOWN;
	memcpy(ask.addr, to->addr, 16);
	mutex_lock(&direct_lock);
	n = direct_start_locked();
	d = n ? NULL : direct_new_locked(sk);
	mutex_unlock(&direct_lock);
	if (!d)
		return -LINUX_ENOBUFS;
	mutex_lock(&sk->lock);
	sk->remote = true;
	WRITE_ONCE(sk->state, SS_CONNECTING);
	mutex_unlock(&sk->lock);
	ask.id = d->id;
	n = host_send_frames(ctl_fd, &frame, 1, false);
	if (n == 1)
		return 0;
	direct_drop(d);
	mutex_lock(&sk->lock);
	sk->remote = false;
	WRITE_ONCE(sk->state, SS_UNCONNECTED);
	mutex_unlock(&sk->lock);
	return n == -LINUX_EAGAIN ? -LINUX_ENOBUFS : -LINUX_ENETDOWN;
}

/* --- listening as the host does --- */

void direct_set_host_listens(void)
{
	host_listens = true;
}

static int direct_ask_listen(struct direct *d, enum helper_wish wish, const struct inet_name *name)
{
	struct helper_ask ask = { .id = d->id, .wish = wish };
	struct iovec iov = { &ask, sizeof(ask) };
	struct host_frame frame = { &iov, 1, 0 };

	if (name) {
		ask.port = name->port;
		memcpy(ask.addr, name->addr, 16);
		if (inet_is_any(name))
			addr_set_v4(ask.addr, 10, 0, 2, 15);
	}
	return host_send_frames(ctl_fd, &frame, 1, false) == 1 ? 0 : -LINUX_ENOBUFS;
}

int direct_listen(struct sock *sk, const struct inet_name *name)
{
	struct direct *d;
	int err;

	/* What listens on the guest's own loopback is nobody else's. */
	if (!host_listens || sk->net != &init_net || ctl_fd < 0 || atomic_load(&down) || inet_is_loopback(name) ||
	    (sk->direct && sk->direct->listen))
		return 0;
	mutex_lock(&direct_lock);
	err = direct_start_locked();
	d = err ? NULL : direct_new_locked(sk);
	if (d)
		d->listen = LISTEN_ASKED;
	mutex_unlock(&direct_lock);
	if (!d)
		return -LINUX_ENOBUFS;
	err = direct_ask_listen(d, HELPER_LISTEN, name);
	if (!err)
		err = waitq_wait(&sk->wait, __atomic_load_n(&d->listen, __ATOMIC_ACQUIRE) == LISTEN_ANSWERED || atomic_load(&down),
				 SLEEP_INTERRUPTIBLE, deadline_after(LISTEN_NS));
	if (!err)
		err = d->listen == LISTEN_ANSWERED ? d->listen_err : -LINUX_ENETDOWN;
	if (err)
		direct_unlisten(sk);
	return err;
}

void direct_unlisten(struct sock *sk)
{
	if (!sk->direct || sk->direct->listen == LISTEN_NO)
		return;
	direct_ask_listen(sk->direct, HELPER_UNLISTEN, NULL);
	sk->direct->listen = LISTEN_NO;
	direct_drop(sk->direct);
}

void direct_shutdown(struct sock *sk, int how)
{
	if (READ_ONCE(sk->state) == SS_CONNECTING) {
		direct_drop(sk->direct);
		direct_over(sk, 0);
	} else if (sk->direct->fd >= 0) {
		host_stream_shutdown(sk->direct->fd, how);
	}
}

/* SO_LINGER: until all is acknowledged, or the time is up.  The host doesn't say when, so it is asked, less and less often. */
static void direct_linger(struct sock *sk)
{
	deadline_t deadline = deadline_after(sk->linger.l_linger * 1000000000LL);
	int64_t pause = 100000;
	int left = 0;

	if (sk->direct->fd >= 0)
		host_stream_shutdown(sk->direct->fd, LINUX_SHUT_WR);
	while (sk->direct->fd >= 0 && !host_stream_ioctl(sk->direct->fd, LINUX_TIOCOUTQ, &left) && left > 0 && !atomic_load(&down)) {
		int64_t now = monotonic_ns();

		if (now >= deadline || sleeper_sleep(SLEEP_INTERRUPTIBLE, MIN(deadline, now + pause)) == -LINUX_ERESTARTSYS)
			return;
		pause = MIN(pause * 2, 20000000LL);
	}
}

/* What is unread makes the host's kernel answer with a reset; what is not sent yet it goes on sending. */
void direct_close(struct sock *sk, bool abort)
{
	struct linux_linger reset = { 1, 0 };
	int fd = sk->direct->fd;

	if (!abort && sk->linger.l_onoff && sk->linger.l_linger > 0)
		direct_linger(sk);
	if (fd >= 0 && (abort || atomic_load(&down) || direct_spilled(sk)))
		host_stream_setopt(fd, LINUX_SOL_SOCKET, LINUX_SO_LINGER, &reset, sizeof(reset));
	direct_drop(sk->direct);
}

/* --- data --- */

/* Until the connection is there: 0, or how it ended. */
static int direct_wait_connected(struct sock *sk, bool nonblock, deadline_t deadline)
{
	int err;

	if (READ_ONCE(sk->state) == SS_CONNECTING) {
		if (nonblock)
			return -LINUX_EAGAIN;
		err = waitq_wait(&sk->wait, READ_ONCE(sk->state) != SS_CONNECTING, SLEEP_INTERRUPTIBLE, deadline);
		if (err)
			return sock_wait_err(err, deadline);
	}
	err = -atomic_exchange(&sk->err, 0);
	return err;
}

static int64_t direct_send(struct sock *sk, struct msg *msg, bool nonblock, deadline_t deadline, char *buf, size_t size)
{
	int flags = (int)(msg->flags & (LINUX_MSG_MORE | LINUX_MSG_EOR));
	int64_t done = 0;

	do {
		size_t want = MIN(msg->iter->count, size), n = iov_iter_copy_from(msg->iter, buf, want);
		bool last = !msg->iter->count;
		ssize_t sent;

		if (n < want && !n)
			return done ? done : -LINUX_EFAULT;
		for (;;) {
			int err;

			sent = host_stream_send(sk->direct->fd, buf, n, flags | (last ? (int)(msg->flags & LINUX_MSG_OOB) : 0));
			if (sent != -LINUX_EAGAIN || nonblock)
				break;
			err = direct_wait(sk, LINUX_EPOLLOUT, deadline);
			if (!err && READ_ONCE(sk->state) != SS_CONNECTED)
				err = -atomic_exchange(&sk->err, 0);
			if (err) {
				sent = err;
				break;
			}
		}
		if (sent < 0) {
			if (sent == -LINUX_EAGAIN)
				direct_watch(sk->direct, true);
			iov_iter_revert(msg->iter, n);
			return done ? done : sent;
		}
		iov_iter_revert(msg->iter, n - (size_t)sent);
		done += sent;
	} while (msg->iter->count);
	return done;
}

int64_t direct_sendmsg(struct sock *sk, struct msg *msg, bool nonblock)
{
	deadline_t deadline = sock_deadline(sk->sndtimeo);
	int err = direct_wait_connected(sk, nonblock, deadline);
	char small[SMALL], *buf;
	int64_t ret;

	if (err)
		return err;
	if (READ_ONCE(sk->state) != SS_CONNECTED)
		return -LINUX_EPIPE;
	if (msg->iter->count <= sizeof(small))
		return direct_send(sk, msg, nonblock, deadline, small, sizeof(small));
	buf = buf_get();
	if (!buf)
		return -LINUX_ENOMEM;
	ret = direct_send(sk, msg, nonblock, deadline, buf, BUF_SIZE);
	buf_put(buf);
	return ret;
}

/* iolock held; dropped while waiting. */
static int64_t direct_recv(struct sock *sk, struct msg *msg, bool nonblock, char *buf, size_t size)
{
	size_t target = msg->flags & LINUX_MSG_WAITALL ? msg->iter->count : MIN((size_t)sk->rcvlowat, msg->iter->count);
	int flags = (int)(msg->flags & (LINUX_MSG_PEEK | LINUX_MSG_OOB));
	deadline_t deadline = sock_deadline(sk->rcvtimeo);
	int64_t done = 0;
	ssize_t n = 0;

	if (unlikely(READ_ONCE(sk->direct->spill) != NULL)) {
		done = direct_take_spilled(sk, msg);
		if (done < 0 || !msg->iter->count || flags)
			return done;
		nonblock |= done >= (int64_t)target;
	}
	do {
		size_t want = MIN(msg->iter->count, size), put;

		n = host_stream_recv(sk->direct->fd, buf, want, flags);
		if (n == -LINUX_EAGAIN && !nonblock && !(flags & LINUX_MSG_OOB) && (!done || done < (int64_t)target)) {
			mutex_unlock(&sk->iolock);
			n = direct_wait(sk, LINUX_EPOLLIN, deadline);
			mutex_lock(&sk->iolock);
			if (!n && READ_ONCE(sk->state) == SS_DISCONNECTED)
				n = -atomic_exchange(&sk->err, 0);
			else if (!n)
				continue;
		}
		if (n <= 0)
			break;
		put = iov_iter_copy_to(msg->iter, buf, (size_t)n);
		done += (int64_t)put;
		if (put != (size_t)n) {
			int err = flags & LINUX_MSG_PEEK ? 0 : direct_spill(sk->direct, buf + put, (size_t)n - put);

			return done ? done : err ? err : -LINUX_EFAULT;
		}
		if (flags || ((size_t)n < want && done >= (int64_t)target))
			break;
	} while (msg->iter->count);
	if (flags & LINUX_MSG_OOB && done)
		msg->out_flags |= LINUX_MSG_OOB;
	return done ? done : n;
}

int64_t direct_recvmsg(struct sock *sk, struct msg *msg, bool nonblock)
{
	int err = direct_wait_connected(sk, nonblock, sock_deadline(sk->rcvtimeo));
	char small[SMALL], *buf = small;
	int64_t ret;

	if (err)
		return err;
	if (READ_ONCE(sk->state) != SS_CONNECTED)
		return 0;
	if (msg->iter->count > sizeof(small))
		buf = buf_get();
	if (!buf)
		return -LINUX_ENOMEM;
	mutex_lock(&sk->iolock);
	ret = direct_recv(sk, msg, nonblock, buf, buf == small ? sizeof(small) : BUF_SIZE);
	mutex_unlock(&sk->iolock);
	if (buf != small)
		buf_put(buf);
	return ret;
}
