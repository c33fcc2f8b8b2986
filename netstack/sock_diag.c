/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sock_diag(7): what ss(8) asks, for TCP, UDP and AF_UNIX.
 */
#include <string.h>

#include "netstack/netlink.h"
#include "netstack/tcp.h"
#include "netstack/unix.h"

struct diag {
	struct nlbuf *b;
	struct linux_inet_diag_req_v2 req;
};

static void diag_id(struct linux_inet_diag_sockid *id, int family, const struct inet_name *local, const struct inet_name *remote)
{
	struct linux_sockaddr l, r;

	inet_to_sockaddr(family, local, &l);
	inet_to_sockaddr(family, remote, &r);
	id->sport = __builtin_bswap16(local->port);
	id->dport = __builtin_bswap16(remote->port);
	if (family == LINUX_AF_INET) {
		memcpy(id->src, &l.in.sin_addr, 4);
		memcpy(id->dst, &r.in.sin_addr, 4);
	} else {
		memcpy(id->src, l.in6.sin6_addr, 16);
		memcpy(id->dst, r.in6.sin6_addr, 16);
	}
}

static void diag_inet_one(struct inet_sock *in, void *arg)
{
	struct diag *d = arg;
	struct sock *sk = in->sk;
	struct linux_inet_diag_msg m = { .family = (uint8_t)sk->family, .uid = sk->cred.uid, .inode = (uint32_t)sk->ino };
	static const struct inet_name none;

	m.state = !sock_is_stream(sk) ? (in->remote.port ? TCP_ESTABLISHED : TCP_CLOSE) : tcp_sock_state(sk);
	if (sk->family != d->req.family || !(d->req.states & BIT(m.state)))
		return;
	diag_id(&m.id, sk->family, &in->local, in->remote.port ? &in->remote : &none);
	m.id.ifindex = (uint32_t)sk->bound_if;
	memcpy(m.id.cookie, &sk->ino, sizeof(m.id.cookie));
	m.rqueue = m.state == TCP_LISTEN ? sk->nr_accept : (uint32_t)sk->rcvq_bytes;
	m.wqueue = m.state == TCP_LISTEN ? sk->backlog : (uint32_t)atomic_load(&sk->wmem);
	nl_begin(d->b, LINUX_SOCK_DIAG_BY_FAMILY, &m, sizeof(m));
	nl_attr_u8(d->b, LINUX_INET_DIAG_SHUTDOWN, (uint8_t)READ_ONCE(sk->shutdown));
	nl_end(d->b);
}

static void diag_timewait_one(const struct tcp_sock *tp, void *arg)
{
	struct linux_inet_diag_msg m = { .family = (uint8_t)addr_family(tp->local.addr), .state = TCP_TIME_WAIT, .timer = 3 };
	struct diag *d = arg;

	if (m.family != d->req.family)
		return;
	diag_id(&m.id, m.family, &tp->local, &tp->remote);
	nl_begin(d->b, LINUX_SOCK_DIAG_BY_FAMILY, &m, sizeof(m));
	nl_end(d->b);
}

static int diag_inet(const struct nlreq *r, struct nlbuf *b)
{
	struct diag d = { .b = b };

	if (r->len < sizeof(d.req))
		return -LINUX_EINVAL;
	memcpy(&d.req, r->body, sizeof(d.req));
	if (!r->dump)
		return -LINUX_EOPNOTSUPP;
	switch (d.req.protocol) {
	case LINUX_IPPROTO_TCP:
		inet_for_each(r->net, INET_STREAM, diag_inet_one, &d);
		if (d.req.states & BIT(TCP_TIME_WAIT)) {
			MUTEX_GUARD(&tcp_lock);

			tcp_for_each_timewait(r->net, diag_timewait_one, &d);
		}
		return 0;
	case LINUX_IPPROTO_UDP:
		inet_for_each(r->net, INET_DGRAM, diag_inet_one, &d);
		return 0;
	default:
		return -LINUX_ENOENT;
	}
}

/* --- AF_UNIX --- */

struct diag_unix {
	struct nlbuf *b;
	struct linux_unix_diag_req req;
};

static void diag_unix_one(struct sock *sk, const char *name, unsigned len, uint64_t peer_ino, void *arg)
{
	struct linux_unix_diag_msg m = { .family = LINUX_AF_UNIX, .type = (uint8_t)sk->type, .ino = (uint32_t)sk->ino };
	enum sock_state state = READ_ONCE(sk->state);
	struct diag_unix *d = arg;

	m.state = state == SS_LISTENING ? TCP_LISTEN : state == SS_CONNECTED ? TCP_ESTABLISHED : TCP_CLOSE;
	if (!(d->req.states & BIT(m.state)) || (d->req.ino && d->req.ino != m.ino))
		return;
	memcpy(m.cookie, &sk->ino, sizeof(m.cookie));
	nl_begin(d->b, LINUX_SOCK_DIAG_BY_FAMILY, &m, sizeof(m));
	if (d->req.show & LINUX_UDIAG_SHOW_NAME && len)
		nl_attr(d->b, LINUX_UNIX_DIAG_NAME, name, len);
	if (d->req.show & LINUX_UDIAG_SHOW_PEER && peer_ino)
		nl_attr_u32(d->b, LINUX_UNIX_DIAG_PEER, (uint32_t)peer_ino);
	if (d->req.show & LINUX_UDIAG_SHOW_RQLEN) {
		uint32_t q[2] = { state == SS_LISTENING ? sk->nr_accept : (uint32_t)sk->rcvq_bytes,
				  state == SS_LISTENING ? sk->backlog : (uint32_t)atomic_load(&sk->wmem) };

		nl_attr(d->b, LINUX_UNIX_DIAG_RQLEN, q, sizeof(q));
	}
	nl_attr_u8(d->b, LINUX_UNIX_DIAG_SHUTDOWN, (uint8_t)READ_ONCE(sk->shutdown));
	nl_end(d->b);
}

static int diag_unix(const struct nlreq *r, struct nlbuf *b)
{
	struct diag_unix d = { .b = b };

	if (r->len < sizeof(d.req))
		return -LINUX_EINVAL;
	memcpy(&d.req, r->body, sizeof(d.req));
	if (!r->dump && !d.req.ino)
		return -LINUX_EINVAL;
	unix_for_each(r->net, diag_unix_one, &d);
	return r->dump || b->len ? 0 : -LINUX_ENOENT;
}

int sock_diag_request(const struct nlreq *r, struct nlbuf *b)
{
	if (r->h->type != LINUX_SOCK_DIAG_BY_FAMILY)
		return r->h->type == 18 || r->h->type == 19 ? -LINUX_ENOENT : -LINUX_EINVAL;
	switch (r->len ? r->body[0] : 0) {
	case LINUX_AF_UNIX:
		return diag_unix(r, b);
	case LINUX_AF_INET:
	case LINUX_AF_INET6:
		return diag_inet(r, b);
	default:
		return r->len < 2 ? -LINUX_EINVAL : -LINUX_ENOENT;
	}
}
