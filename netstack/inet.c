/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AF_INET and AF_INET6: names and who is behind them.  Connections and datagrams between the guest's own addresses are joined in
 * memory without segments; what goes to others is handed to tcp.c and inet_dgram.c.
 *
 * The table has every bound sock by protocol and port, `inet_all` every sock.  They hold borrowed pointers that release takes away
 * under inet_lock; a look-up takes its reference under it.
 *
 * Lock order: inet_lock > sock->lock.
 */
#include <stdlib.h>

#include "netstack/direct.h"
#include "netstack/inet.h"
#include "netstack/sock_queue.h"
#include "netstack/tcp.h"
#include "platform/host/host.h"
#include "sentry/abi/poll.h"

#define PORT_FIRST 32768
#define PORT_LAST 60999
#define PORT_PRIVILEGED 1024
#define HASH_SIZE 256
#define CONNECT_NS (127 * 1000000000LL) /* net.ipv4.tcp_syn_retries = 6 */

struct mutex inet_lock = MUTEX_INIT;
static struct list_head inet_bound[NR_INET_TABLES][HASH_SIZE]; /* by port */
LIST_HEAD(inet_all);

struct list_head *inet_bucket(enum inet_table table, uint16_t port)
{
	struct list_head *h = &inet_bound[table][port % HASH_SIZE];

	if (!h->next)
		list_init(h);
	return h;
}

static const struct sock_ops inet_ops, udp_ops, ping_ops;

struct sock *inet_alloc(struct net *net, int family, int type, int protocol, const struct sock_ops *ops)
{
	struct inet_sock *in = calloc(1, sizeof(*in));
	struct sock *sk = in ? sock_alloc(net, family, type, protocol, ops) : NULL;

	if (!sk) {
		free(in);
		return NULL;
	}
	in->sk = sk;
	in->ttl = 64;
	in->mcast_ttl = 1;
	in->mcast_loop = in->quickack = true;
	in->mtu_discover = 1;
	in->autoflowlabel = true;
	in->syncnt = 6;
	in->linger2 = 60;
	in->keepidle = 7200;
	in->keepintvl = 75;
	in->keepcnt = 9;
	list_init(&in->link);
	if (family == LINUX_AF_INET)
		inet_set_v4(&in->local, 0);
	if (type == LINUX_SOCK_STREAM) {
		sk->sndbuf = TCP_SNDBUF_TUNED;
		sk->rcvbuf = 131072;
	}
	sk->proto = in;
	mutex_lock(&inet_lock);
	list_add_tail(&in->all, &inet_all);
	mutex_unlock(&inet_lock);
	return sk;
}

struct sock *inet_create(int family, int type, int protocol)
{
	struct net *net = current_net_ns();
	struct sock *sk;

	if (type == LINUX_SOCK_STREAM && (!protocol || protocol == LINUX_IPPROTO_TCP))
		sk = inet_alloc(net, family, type, LINUX_IPPROTO_TCP, &inet_ops);
	else if (type == LINUX_SOCK_DGRAM && (!protocol || protocol == LINUX_IPPROTO_UDP))
		sk = inet_alloc(net, family, type, LINUX_IPPROTO_UDP, &udp_ops);
	else if (type == LINUX_SOCK_DGRAM && protocol == LINUX_IPPROTO_UDPLITE)
		sk = inet_alloc(net, family, type, protocol, &udp_ops);
	else if (type == LINUX_SOCK_DGRAM && protocol == (family == LINUX_AF_INET ? LINUX_IPPROTO_ICMP : LINUX_IPPROTO_ICMPV6))
		sk = inet_alloc(net, family, type, protocol, &ping_ops); /* net.ipv4.ping_group_range: everybody */
	else if (type == LINUX_SOCK_RAW)
		return raw_create(family, protocol);
	else if (type == LINUX_SOCK_STREAM || type == LINUX_SOCK_DGRAM)
		return ERR_PTR(-LINUX_EPROTONOSUPPORT);
	else
		return ERR_PTR(-LINUX_ESOCKTNOSUPPORT);
	return sk ? sk : ERR_PTR(-LINUX_ENOMEM);
}

/* --- binding --- */

/* Whether two names of the same protocol and port cannot both be bound. */
static bool inet_overlap(const struct sock *a, const struct inet_name *x, const struct sock *b, const struct inet_name *y)
{
	if (inet_is_any(x) && inet_is_any(y)) /* :: and 0.0.0.0 meet unless an IPv6 one keeps to itself */
		return inet_is_v4(x) == inet_is_v4(y) || !(inet_sk(inet_is_v4(x) ? b : a)->v6only);
	if (inet_is_any(x) || inet_is_any(y)) {
		const struct inet_name *any = inet_is_any(x) ? x : y, *one = inet_is_any(x) ? y : x;
		const struct sock *any_sk = inet_is_any(x) ? a : b;

		if (inet_is_v4(any))
			return inet_is_v4(one);
		return !inet_is_v4(one) || !inet_sk(any_sk)->v6only;
	}
	return inet_same_addr(x, y);
}

static bool inet_conflict_locked(struct sock *sk, const struct inet_name *name)
{
	struct inet_sock *in;

	list_for_each_entry(in, inet_bucket(inet_table_of(sk), name->port), link) {
		struct sock *other = in->sk;

		if (other == sk || other->net != sk->net || in->local.port != name->port || !inet_overlap(sk, name, other, &in->local))
			continue;
		if (sk->reuseport && other->reuseport && sk->cred.uid == other->cred.uid)
			continue;
		if (sk->reuseaddr && other->reuseaddr &&
		    (sk->type == LINUX_SOCK_DGRAM || READ_ONCE(other->state) != SS_LISTENING))
			continue;
		return true;
	}
	return false;
}

static void inet_insert_locked(struct sock *sk, const struct inet_name *name)
{
	struct inet_sock *in = inet_sk(sk);

	in->local = *name;
	list_add_tail(&in->link, inet_bucket(inet_table_of(sk), name->port));
}

/* Binds to @name with any free port. */
static int inet_bind_ephemeral_locked(struct sock *sk, struct inet_name *name)
{
	uint32_t range = (uint32_t)inet_sk(sk)->port_range; /* IP_LOCAL_PORT_RANGE, 0 in a half: as the sysctl has it */
	unsigned first = MAX(range & 0xffff, range & 0xffff ? 1u : (unsigned)PORT_FIRST);
	unsigned last = range >> 16 ? range >> 16 : PORT_LAST, n = last >= first ? last - first + 1 : 0;
	uint32_t start = 0;

	host_getrandom(&start, sizeof(start));
	for (unsigned i = 0; i < n; i++) {
		name->port = (uint16_t)(first + (start + i) % n);
		if (!inet_conflict_locked(sk, name)) {
			inet_insert_locked(sk, name);
			return 0;
		}
	}
	return -LINUX_EADDRINUSE;
}

static bool inet_local_ok(const struct sock *sk, const struct inet_name *n)
{
	return inet_is_any(n) || addr_is_local(sk->net, n->addr) ||
	       (sk->type != LINUX_SOCK_STREAM && (inet_is_multicast(n) || addr_is_broadcast(sk->net, n->addr)));
}

int inet_bind_check(struct sock *sk, const struct linux_sockaddr *addr, unsigned len, struct inet_name *ret)
{
	int err = inet_from_sockaddr(sk->family, addr, len, ret);

	if (err)
		return err;
	if (!inet_local_ok(sk, ret) && !inet_sk(sk)->freebind && !inet_sk(sk)->transparent)
		return -LINUX_EADDRNOTAVAIL;
	if (sk->family == LINUX_AF_INET6 && inet_is_v4(ret) && inet_sk(sk)->v6only)
		return -LINUX_EINVAL;
	if (addr_has_scope(ret->addr) && !inet_is_multicast(ret) && !ret->scope && !sk->bound_if)
		return -LINUX_EINVAL;
	return 0;
}

static int inet_bind(struct sock *sk, const struct linux_sockaddr *addr, unsigned len)
{
	struct inet_name name;
	int err = inet_bind_check(sk, addr, len, &name);

	if (err)
		return err;
	if (name.port && name.port < PORT_PRIVILEGED && inet_table_of(sk) != INET_PING && !net_capable(sk->net, CAP_NET_BIND_SERVICE))
		return -LINUX_EACCES;
	MUTEX_GUARD(&inet_lock);
	if (!list_empty(&inet_sk(sk)->link) || sk->state != SS_UNCONNECTED)
		return -LINUX_EINVAL;
	if (!name.port)
		return inet_bind_ephemeral_locked(sk, &name);
	if (inet_conflict_locked(sk, &name))
		return -LINUX_EADDRINUSE;
	inet_insert_locked(sk, &name);
	return 0;
}

/* A socket that was not bound gets a port before it speaks. */
int inet_autobind(struct sock *sk)
{
	struct inet_name name = inet_sk(sk)->local;
	MUTEX_GUARD(&inet_lock);

	return list_empty(&inet_sk(sk)->link) ? inet_bind_ephemeral_locked(sk, &name) : 0;
}

void inet_unbind(struct sock *sk)
{
	MUTEX_GUARD(&inet_lock);

	list_del(&inet_sk(sk)->link);
	list_del(&inet_sk(sk)->all);
}

/* --- finding a receiver --- */

/* How well @in matches a packet to @to from @from: the exact before the general, the connected before all; < 0: not at all. */
static int inet_match_score(const struct inet_sock *in, const struct inet_name *to, const struct inet_name *from)
{
	int score = 0;

	if (in->local.port != to->port)
		return -1;
	if (!inet_is_any(&in->local)) {
		if (!inet_same_addr(&in->local, to))
			return -1;
		score += 2;
	} else if (inet_is_v4(&in->local) != inet_is_v4(to) && (inet_is_v4(&in->local) || in->v6only)) {
		return -1;
	} else if (inet_is_v4(&in->local) == inet_is_v4(to)) {
		score += 1;
	}
	if (in->remote.port) {
		if (!from || in->remote.port != from->port || !inet_same_addr(&in->remote, from))
			return -1;
		score += 4;
	}
	return score;
}

/* The best bound sock for @to, with a reference, or NULL.  Streams: only listeners. */
struct sock *inet_find(struct net *net, enum inet_table table, const struct inet_name *to, const struct inet_name *from)
{
	struct inet_sock *in, *best = NULL;
	int best_score = -1;
	MUTEX_GUARD(&inet_lock);

	list_for_each_entry(in, inet_bucket(table, to->port), link) {
		int score;

		if (in->sk->net != net)
			continue;
		if (table == INET_STREAM && READ_ONCE(in->sk->state) != SS_LISTENING)
			continue;
		score = inet_match_score(in, to, from);
		if (score > best_score) {
			best = in;
			best_score = score;
		}
	}
	return best && ref_get_unless_zero(&best->sk->ref) ? best->sk : NULL;
}

struct sock *inet_listener_find(struct net *net, const struct inet_name *to, const struct inet_name *from)
{
	return inet_find(net, INET_STREAM, to, from);
}

/* A destination: "any" means this host. */
int inet_resolve_dest(struct sock *sk, struct inet_name *to, struct dst *ret)
{
	int unicast = (int)__builtin_bswap32((uint32_t)inet_sk(sk)->unicast_if);
	int via = sk->bound_if ? sk->bound_if : to->scope ? to->scope : inet_is_multicast(to) ? inet_sk(sk)->mcast_if :
		  sock_is_stream(sk) ? 0 : unicast;
	struct netif *oif = via ? netif_find(sk->net, via) : NULL;
	const struct inet_name *local = &inet_sk(sk)->local;
	int err;

	if (inet_is_any(to)) {
		if (inet_is_v4(to))
			to->addr[12] = 127, to->addr[15] = 1;
		else
			to->addr[15] = 1;
	}
	if (sk->family == LINUX_AF_INET6 && inet_is_v4(to) && inet_sk(sk)->v6only)
		return -LINUX_ENETUNREACH;
	if (addr_is_broadcast(sk->net, to->addr) && !sk->broadcast)
		return -LINUX_EACCES;
	err = route_lookup(sk->net, to->addr, inet_is_any(local) || inet_is_v4(local) != inet_is_v4(to) ? NULL : local->addr, oif, ret);
	/* A socket on 127.0.0.1 speaks to nobody outside. */
	if (!err && !ret->local && addr_is_loopback(ret->src) && !inet_is_multicast(to))
		err = -LINUX_EINVAL;
	return err;
}

/* The source address that goes with a destination, where the socket is bound to "any". */
static void inet_pick_source(struct sock *sk, const struct dst *dst)
{
	struct inet_sock *in = inet_sk(sk);

	if (inet_is_any(&in->local)) {
		memcpy(in->local.addr, dst->src, 16);
		in->any_source = true;
	}
}

static void inet_forget_source(struct sock *sk)
{
	struct inet_sock *in = inet_sk(sk);

	if (in->any_source)
		addr_set(in->local.addr, sk->family, (uint8_t[16]){ 0 });
	in->any_source = false;
}

/* --- connections --- */

static int inet_listen(struct sock *sk, int backlog)
{
	int err;

	if (sk->type != LINUX_SOCK_STREAM)
		return -LINUX_EOPNOTSUPP;
	if (sk->state != SS_UNCONNECTED && sk->state != SS_LISTENING)
		return -LINUX_EINVAL;
	err = inet_autobind(sk);
	if (!err && sk->state != SS_LISTENING)
		err = direct_listen(sk, &inet_sk(sk)->local);
	if (err)
		return err;
	MUTEX_GUARD(&inet_lock);
	if (sk->state != SS_LISTENING) {
		struct inet_sock *in;

		/* Two sockets that share a name by SO_REUSEADDR cannot both listen. */
		list_for_each_entry(in, inet_bucket(INET_STREAM, inet_sk(sk)->local.port), link)
			if (in->sk != sk && in->sk->net == sk->net && in->local.port == inet_sk(sk)->local.port &&
			    READ_ONCE(in->sk->state) == SS_LISTENING &&
			    inet_overlap(sk, &inet_sk(sk)->local, in->sk, &in->local) && !(sk->reuseport && in->sk->reuseport))
				return -LINUX_EADDRINUSE;
	}
	mutex_lock(&sk->lock);
	sk->backlog = MIN((unsigned)MAX(backlog, 0), 4096u);
	WRITE_ONCE(sk->state, SS_LISTENING);
	mutex_unlock(&sk->lock);
	return 0;
}

struct sock *inet_child_new(struct sock *listener, const struct inet_name *local, const struct inet_name *remote)
{
	struct sock *child = inet_alloc(listener->net, listener->family, listener->type, listener->protocol, &inet_ops);
	struct inet_sock *in;

	if (!child)
		return NULL;
	in = inet_sk(child);
	in->local = *local;
	in->remote = *remote;
	in->ttl = inet_sk(listener)->ttl;
	in->tos = inet_sk(listener)->tos;
	in->keepidle = inet_sk(listener)->keepidle;
	in->keepintvl = inet_sk(listener)->keepintvl;
	in->keepcnt = inet_sk(listener)->keepcnt;
	in->user_timeout = inet_sk(listener)->user_timeout;
	in->maxseg = inet_sk(listener)->maxseg;
	in->nodelay = inet_sk(listener)->nodelay;
	in->v6only = inet_sk(listener)->v6only;
	child->sndbuf = listener->sndbuf;
	child->rcvbuf = listener->rcvbuf;
	child->reuseaddr = listener->reuseaddr;
	child->reuseport = listener->reuseport;
	child->keepalive = listener->keepalive;
	child->linger = listener->linger;
	child->oobinline = listener->oobinline;
	return child;
}

/*
 * The second connect(2) after one that did not wait tells how that ended; a failure leaves the socket as if never connected.
 * 1 when there was none.
 */
static int inet_connect_outcome(struct sock *sk)
{
	struct sock *peer _cleanup_sock_ = NULL;
	int err;
	MUTEX_GUARD(&sk->lock);

	if (!inet_sk(sk)->connecting)
		return 1;
	if (sk->state == SS_CONNECTING)
		return -LINUX_EALREADY;
	inet_sk(sk)->connecting = false;
	if (sk->state == SS_CONNECTED)
		return 0;
	err = atomic_exchange(&sk->err, 0);
	peer = sk->peer;
	WRITE_ONCE(sk->peer, NULL);
	WRITE_ONCE(sk->state, SS_UNCONNECTED);
	WRITE_ONCE(sk->shutdown, 0);
	sk->remote = false;
	direct_reset(sk);
	inet_sk(sk)->remote.port = 0;
	inet_forget_source(sk);
	return err ? -err : -LINUX_ECONNABORTED;
}

/* To somebody outside the guest. */
static int inet_connect_remote(struct sock *sk, const struct inet_name *to, const struct dst *dst, bool nonblock)
{
	struct inet_sock *in = inet_sk(sk);
	int err;

	inet_pick_source(sk, dst);
	in->remote = *to;
	sk->sndbuf = MIN(sk->sndbuf, 524288); /* as far as Linux's autotuning would go here */
	mutex_lock(&sk->lock);
	in->connecting = true;
	mutex_unlock(&sk->lock);
	err = direct_usable(to, dst) ? direct_connect(sk, to) : tcp_connect(sk, to, dst);
	if (err) {
		in->connecting = false;
		in->remote.port = 0;
		inet_forget_source(sk);
		return err;
	}
	return nonblock ? -LINUX_EINPROGRESS : 0;
}

/* Until a connection made across a link is there, or refused. */
static int inet_connect_wait(struct sock *sk)
{
	deadline_t deadline = sock_deadline(sk->sndtimeo);
	int err = waitq_wait(&sk->wait, READ_ONCE(sk->state) != SS_CONNECTING, SLEEP_INTERRUPTIBLE, deadline);

	if (err == -LINUX_ETIMEDOUT)
		return -LINUX_EINPROGRESS;
	if (err)
		return deadline == NO_DEADLINE ? err : -LINUX_EINTR;
	err = inet_connect_outcome(sk);
	return MIN(err, 0);
}

/* Nobody listens, and the caller does not wait to hear it: what the socket is once the reset came. */
static int inet_connect_refused(struct sock *sk)
{
	mutex_lock(&sk->lock);
	inet_sk(sk)->connecting = true;
	WRITE_ONCE(sk->state, SS_DISCONNECTED);
	WRITE_ONCE(sk->shutdown, SHUT_BIT_RCV | SHUT_BIT_SND);
	mutex_unlock(&sk->lock);
	atomic_store(&sk->err, LINUX_ECONNREFUSED);
	sock_wake(sk, 0);
	return -LINUX_EINPROGRESS;
}

static int inet_connect_stream(struct sock *sk, struct inet_name *to, bool nonblock)
{
	struct sock *listener _cleanup_sock_ = NULL, *child _cleanup_sock_ = NULL;
	struct dst dst;
	int err;

	err = inet_connect_outcome(sk);
	if (err == -LINUX_EALREADY && !nonblock)
		return inet_connect_wait(sk);
	if (err <= 0)
		return err;
	mutex_lock(&sk->lock);
	err = sk->state == SS_CONNECTED ? -LINUX_EISCONN : sk->state == SS_LISTENING ? -LINUX_EISCONN :
	      sk->state == SS_DISCONNECTED ? -LINUX_EISCONN : 0;
	mutex_unlock(&sk->lock);
	if (!err)
		err = inet_resolve_dest(sk, to, &dst);
	if (!err && (inet_is_multicast(to) || addr_is_broadcast(sk->net, to->addr)))
		err = -LINUX_ENETUNREACH;
	if (!err)
		err = inet_autobind(sk);
	if (err)
		return err;
	if (!dst.local) {
		err = inet_connect_remote(sk, to, &dst, nonblock);
		return err ? err : inet_connect_wait(sk);
	}
	listener = to->port ? inet_find(sk->net, INET_STREAM, to, NULL) : NULL;
	if (!listener)
		return nonblock ? inet_connect_refused(sk) : -LINUX_ECONNREFUSED;
	inet_pick_source(sk, &dst);
	child = inet_child_new(listener, to, &inet_sk(sk)->local);
	if (!child)
		return -LINUX_ENOMEM;
	inet_sk(sk)->remote = *to;
	sock_join(sk, child);
	/* Linux answers from the SYN queue: a connection is made though nobody has accepted yet. */
	err = sock_enqueue_child(listener, child, nonblock, sk->sndtimeo < 0 ? CONNECT_NS : MIN(sk->sndtimeo, CONNECT_NS));
	if (err == -LINUX_EAGAIN && nonblock) { /* as if its SYN were dropped until there is room */
		mutex_lock(&sk->lock);
		inet_sk(sk)->connecting = true;
		mutex_unlock(&sk->lock);
		err = sock_pend_child(listener, child);
		if (!err)
			return -LINUX_EINPROGRESS;
	}
	if (!err) {
		/* The handshake is over at once, but as on Linux's loopback only the second call says so. */
		mutex_lock(&sk->lock);
		inet_sk(sk)->connecting = nonblock;
		mutex_unlock(&sk->lock);
		sock_wake(sk, 0);
		fasync_kill(&sk->async, LINUX_POLL_OUT);
		return nonblock ? -LINUX_EINPROGRESS : 0;
	}
	sock_set_peer(sk, NULL);
	sock_set_peer(child, NULL);
	WRITE_ONCE(sk->state, SS_UNCONNECTED);
	inet_forget_source(sk);
	inet_sk(sk)->remote.port = 0;
	sock_close(child);
	return err == -LINUX_EAGAIN ? -LINUX_ETIMEDOUT : err;
}

static int inet_connect(struct sock *sk, const struct linux_sockaddr *addr, unsigned len, bool nonblock)
{
	struct inet_name to;
	struct dst dst;
	int err;

	if (len < 2)
		return -LINUX_EINVAL;
	if (addr->family == LINUX_AF_UNSPEC) {
		if (sk->type == LINUX_SOCK_STREAM)
			return sk->state == SS_UNCONNECTED ? 0 : -LINUX_EINVAL;
		mutex_lock(&inet_lock);
		inet_sk(sk)->remote.port = 0;
		inet_forget_source(sk);
		mutex_unlock(&inet_lock);
		WRITE_ONCE(sk->state, SS_UNCONNECTED);
		return 0;
	}
	err = inet_from_sockaddr(sk->family, addr, len, &to);
	if (!err && addr_has_scope(to.addr) && !to.scope && !sk->bound_if)
		err = -LINUX_EINVAL; /* every link has those */
	if (err)
		return err;
	if (sk->type == LINUX_SOCK_STREAM)
		return inet_connect_stream(sk, &to, nonblock);
	mutex_lock(&inet_lock);
	inet_forget_source(sk); /* of an earlier connect */
	mutex_unlock(&inet_lock);
	err = inet_resolve_dest(sk, &to, &dst);
	if (!err)
		err = inet_autobind(sk);
	if (err)
		return err;
	if (inet_table_of(sk) == INET_PING && !to.port)
		to.port = inet_sk(sk)->local.port; /* its number is the only one there is */
	mutex_lock(&inet_lock);
	inet_pick_source(sk, &dst);
	inet_sk(sk)->remote = to;
	mutex_unlock(&inet_lock);
	WRITE_ONCE(sk->state, SS_CONNECTED);
	return 0;
}

int inet_getname(struct sock *sk, bool peer, struct linux_sockaddr *ret, unsigned *ret_len)
{
	struct inet_sock *in = inet_sk(sk);
	struct inet_name n = peer ? in->remote : in->local;

	if (peer && (!n.port || sk->state == SS_UNCONNECTED || sk->state == SS_DISCONNECTED))
		return -LINUX_ENOTCONN;
	*ret_len = inet_to_sockaddr(sk->family, &n, ret);
	return 0;
}

/* --- datagrams --- */

int inet_msg_dest(struct sock *sk, const struct msg *msg, bool need_port, struct inet_name *ret)
{
	int err;

	*ret = inet_sk(sk)->remote;
	if (!msg->addr_len)
		return READ_ONCE(sk->state) == SS_CONNECTED ? 0 : -LINUX_EDESTADDRREQ;
	err = inet_from_sockaddr(sk->family, &msg->addr, msg->addr_len, ret);
	if (err)
		return err;
	return ret->port || !need_port ? 0 : -LINUX_EINVAL;
}

/* The receiver of a datagram; NULL when it goes nowhere but counts as sent, or out of the guest. */
static struct sock *inet_route(struct sock *sk, struct msg *msg)
{
	bool ping = inet_table_of(sk) == INET_PING;
	struct inet_name to, from;
	struct sock *found;
	int err = inet_msg_dest(sk, msg, !ping, &to);

	if (!err)
		err = inet_resolve_dest(sk, &to, &msg->dst);
	if (!err)
		err = inet_autobind(sk);
	if (err)
		return ERR_PTR(err);
	if (!ping && inet_is_multicast(&to)) {
		msg->multicast = true;
		msg->to = to;
		return NULL;
	}
	if (sk->protocol == LINUX_IPPROTO_UDPLITE && !msg->dst.local)
		return ERR_PTR(-LINUX_ENETUNREACH); /* libslirp has no idea of it */
	if (ping || !msg->dst.local) {
		if (msg->ctl.has_src)
			memcpy(msg->dst.src, msg->ctl.src, 16);
		msg->remote = true;
		msg->to = to;
		inet_sk(sk)->uses_link |= !msg->dst.local;
		return NULL;
	}
	from = inet_sk(sk)->local;
	if (inet_is_any(&from))
		memcpy(from.addr, msg->dst.src, 16);
	msg->info = (struct pktinfo){ .valid = true, .ifindex = 1 };
	msg->info.ttl = (uint8_t)(msg->ctl.ttl > 0 ? msg->ctl.ttl : inet_sk(sk)->ttl < 0 ? 64 : inet_sk(sk)->ttl);
	msg->info.tos = (uint8_t)MAX(msg->ctl.has_tos ? msg->ctl.tos : inet_sk(sk)->tos, 0);
	memcpy(msg->info.to, to.addr, 16);
	found = inet_find(sk->net, inet_table_of(sk), &to, &from);
	msg->to = to;
	return found;
}

/* What recvfrom shows: the source address in the receiver's family, "any" replaced by the address it was reached at. */
static unsigned inet_source(struct sock *sk, struct sock *to, struct linux_sockaddr *ret)
{
	struct inet_name from = inet_sk(sk)->local;

	if (inet_is_any(&from)) {
		uint16_t port = from.port;

		from = inet_sk(to)->local;
		if (inet_is_any(&from)) {
			if (inet_is_v4(&inet_sk(sk)->local))
				inet_set_v4(&from, __builtin_bswap32(0x7f000001));
			else
				from.addr[15] = 1;
		}
		from.port = port;
	}
	return inet_to_sockaddr(to->family, &from, ret);
}

void inet_free(struct sock *sk)
{
	if (!list_empty(&inet_sk(sk)->link) || !list_empty(&inet_sk(sk)->all))
		inet_unbind(sk);
	direct_free(sk);
	udp_cork_drop(sk);
	tcp_cork_free(sk);
	free(inet_sk(sk)->groups);
	free(inet_sk(sk));
}

static int inet_xmit(struct sock *sk, struct skb *skb, struct msg *msg)
{
	if (msg->multicast)
		return inet_mcast_xmit(sk, skb, msg);
	return sock_is_stream(sk) ? tcp_xmit(sk, skb, msg) : udp_xmit(sk, skb, msg);
}

static void inet_release(struct sock *sk)
{
	tcp_uncork(sk);
	inet_unbind(sk);
	direct_unlisten(sk);
}

static void inet_close(struct sock *sk, bool abort)
{
	if (sk->direct)
		direct_close(sk, abort);
	else
		tcp_close(sk, abort);
}

static void inet_keepalive(struct sock *sk)
{
	if (sock_is_stream(sk))
		tcp_keepalive(sk);
}

static const struct sock_ops inet_ops = {
	.bind = inet_bind,
	.connect = inet_connect,
	.listen = inet_listen,
	.getname = inet_getname,
	.route = inet_route,
	.source = inet_source,
	.lost = inet_lost,
	.xmit = inet_xmit,
	.cork = tcp_cork,
	.uncork = tcp_uncork,
	.rcvd = tcp_rcvd,
	.shutdown = tcp_shutdown,
	.close = inet_close,
	.keepalive = inet_keepalive,
	.setsockopt = inet_setsockopt,
	.getsockopt = inet_getsockopt,
	.release = inet_release,
	.free = inet_free,
};

static const struct sock_ops udp_ops = {
	.bind = inet_bind,
	.connect = inet_connect,
	.listen = inet_listen,
	.getname = inet_getname,
	.route = inet_route,
	.source = inet_source,
	.lost = inet_lost,
	.xmit = inet_xmit,
	.sendmsg = udp_sendmsg,
	.packet = udp_packet,
	.setsockopt = inet_setsockopt,
	.getsockopt = inet_getsockopt,
	.release = inet_unbind,
	.free = inet_free,
};

static const struct sock_ops ping_ops = {
	.bind = inet_bind,
	.connect = inet_connect,
	.listen = inet_listen,
	.getname = inet_getname,
	.route = inet_route,
	.xmit = ping_xmit,
	.setsockopt = inet_setsockopt,
	.getsockopt = inet_getsockopt,
	.release = inet_unbind,
	.free = inet_free,
};

/* --- /proc/net --- */

void inet_for_each(struct net *net, enum inet_table table, void (*fn)(struct inet_sock *in, void *arg), void *arg)
{
	struct inet_sock *in;
	MUTEX_GUARD(&inet_lock);

	/* Those that nobody could meet have no name yet. */
	list_for_each_entry(in, &inet_all, all)
		if ((!net || in->sk->net == net) && in->sk->type != LINUX_SOCK_RAW && inet_table_of(in->sk) == table && in->local.port)
			fn(in, arg);
}

static void inet_link_down_one(struct inet_sock *in, void *arg __unused)
{
	if (!in->uses_link)
		return;
	atomic_store(&in->sk->err, LINUX_ENETDOWN);
	sock_wake(in->sk, 0);
}

void inet_link_down(struct netif *nif)
{
	tcp_link_down(nif);
	inet_for_each(nif->net, INET_DGRAM, inet_link_down_one, NULL);
	inet_for_each(nif->net, INET_PING, inet_link_down_one, NULL);
}
