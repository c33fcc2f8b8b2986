/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AF_NETLINK sockets: names, groups, requests and answers.
 *
 * Protocols: route, sock_diag, connector (connector.h), kobject_uevent (silent: devices don't come and go), generic (no families but
 * its own) and usersock.  The others answer as a kernel built without them.
 *
 * Lock order: nl_lock is below sock->lock and above receive queues'.
 */
#include <stdlib.h>
#include <string.h>

#include "netstack/connector.h"
#include "netstack/netlink.h"
#include "netstack/sock_queue.h"
#include "vfs/proc/proc_net.h"

#define DATAGRAM_MAX 3776	/* of a dump: what Linux fits in a page */
#define REQUEST_MAX (1U << 20)
#define NR_GROUPS 64

struct nl_sock {
	struct sock *sk;	/* borrowed: this is sk->proto */
	struct list_head link;	/* nl_socks */
	uint32_t portid;	/* nl_lock; 0: unbound */
	uint64_t groups;	/* nl_lock; bit n-1 is group n */
	uint32_t dst_portid, dst_groups;
	bool cap_ack, ext_ack, strict, pktinfo, no_enobufs, broadcast_error;
};

static struct mutex nl_lock = MUTEX_INIT;
static LIST_HEAD(nl_socks);

static struct nl_sock *nl_sk(const struct sock *sk)
{
	return sk->proto;
}

/* --- building messages --- */

void nlbuf_fini(struct nlbuf *b)
{
	free(b->p);
	b->p = NULL;
}

static void *nl_room(struct nlbuf *b, size_t n)
{
	size_t need = b->len + n;

	if (!b->oom && need > b->cap) {
		size_t cap = MAX(need, MAX(b->cap * 2, (size_t)1024));
		uint8_t *p = realloc(b->p, cap);

		if (p) {
			b->p = p;
			b->cap = cap;
		} else {
			b->oom = true;
		}
	}
	if (b->oom)
		return NULL;
	memset(b->p + b->len, 0, n);
	b->len += n;
	return b->p + b->len - n;
}

void nl_begin(struct nlbuf *b, uint16_t type, const void *fixed, size_t size)
{
	struct linux_nlmsghdr h = { .type = type, .flags = b->flags, .seq = b->seq, .pid = b->pid };
	uint8_t *p;

	b->msg = b->len;
	p = nl_room(b, sizeof(h) + LINUX_NLMSG_ALIGN(size));
	if (!p)
		return;
	memcpy(p, &h, sizeof(h));
	memcpy(p + sizeof(h), fixed, size);
}

void nl_end(struct nlbuf *b)
{
	uint32_t len = b->len - b->msg;

	if (!b->oom)
		memcpy(b->p + b->msg, &len, sizeof(len));
}

void nl_attr(struct nlbuf *b, uint16_t type, const void *data, size_t len)
{
	struct linux_nlattr a = { sizeof(a) + len, type };
	uint8_t *p = nl_room(b, LINUX_NLMSG_ALIGN(sizeof(a) + len));

	if (!p)
		return;
	memcpy(p, &a, sizeof(a));
	if (len)
		memcpy(p + sizeof(a), data, len);
}

void nl_attr_u8(struct nlbuf *b, uint16_t type, uint8_t v)
{
	nl_attr(b, type, &v, sizeof(v));
}

void nl_attr_u32(struct nlbuf *b, uint16_t type, uint32_t v)
{
	nl_attr(b, type, &v, sizeof(v));
}

void nl_attr_str(struct nlbuf *b, uint16_t type, const char *s)
{
	nl_attr(b, type, s, strlen(s) + 1);
}

size_t nl_nest(struct nlbuf *b, uint16_t type)
{
	size_t at = b->len;

	nl_attr(b, type, NULL, 0);
	return at;
}

void nl_nest_end(struct nlbuf *b, size_t nest)
{
	uint16_t len = (uint16_t)(b->len - nest);

	if (!b->oom)
		memcpy(b->p + nest, &len, sizeof(len));
}

/* --- reading requests --- */

void nlreq_fixed(const struct nlreq *r, void *ret, size_t size)
{
	memset(ret, 0, size);
	memcpy(ret, r->body, MIN(size, r->len));
}

int nl_attr_find(const void *attrs, size_t len, unsigned type, const void **ret_data)
{
	const uint8_t *p = attrs;
	size_t off = 0;
	int found = -1;

	while (off + sizeof(struct linux_nlattr) <= len) {
		struct linux_nlattr a;

		memcpy(&a, p + off, sizeof(a));
		if (a.len < sizeof(a) || a.len > len - off)
			break;
		if ((a.type & LINUX_NLA_TYPE_MASK) == type) {
			found = a.len - (int)sizeof(a);
			*ret_data = p + off + sizeof(a);
		}
		off += LINUX_NLMSG_ALIGN(a.len);
	}
	return found;
}

int nlreq_attr(const struct nlreq *r, size_t size, unsigned type, const void **ret_data)
{
	size_t off = LINUX_NLMSG_ALIGN(size);

	return off < r->len ? nl_attr_find(r->body + off, r->len - off, type, ret_data) : -1;
}

bool nlreq_attr_u32(const struct nlreq *r, size_t size, unsigned type, uint32_t *ret)
{
	const void *data;
	int len = nlreq_attr(r, size, type, &data);

	if (len >= 0 && len < 4)
		return false;
	if (len >= 4)
		memcpy(ret, data, 4);
	return true;
}

/* --- queueing --- */

/* One datagram from the kernel (@portid 0) or another socket. */
static int nl_queue(struct sock *to, uint32_t portid, uint32_t group, const void *data, size_t len)
{
	struct linux_sockaddr_nl from = { LINUX_AF_NETLINK, 0, portid, group ? 1U << ((group - 1) & 31) : 0 };
	struct skb *skb;
	int err;

	if (to->rcvq_bytes >= (size_t)to->rcvbuf) {
		atomic_store(&to->err, LINUX_ENOBUFS);
		sock_wake(to, 0);
		return -LINUX_ENOBUFS;
	}
	len = MIN(len, sock_filter_run(to, data, len, 0, 0));
	if (!len)
		return 0;
	skb = skb_new(NULL, len);
	if (!skb)
		return -LINUX_ENOMEM;
	memcpy(skb->data, data, len);
	memcpy(&skb->addr, &from, sizeof(from));
	skb->addr_len = sizeof(from);
	skb->scm.has_cred = true;
	err = sock_deliver(to, skb);
	if (err)
		skb_free(skb);
	return err;
}

int netlink_file_check(struct file *f)
{
	struct sock *sk = file_sock(f);

	if (!sk)
		return -LINUX_ENOTSOCK;
	return sk->family == LINUX_AF_NETLINK ? 0 : -LINUX_EINVAL;
}

void netlink_notify(struct file *f, const void *data, size_t len)
{
	nl_queue(file_sock(f), 0, 0, data, len);
}

/* The messages of @b, as many in a datagram as fit. */
static void nl_queue_all(struct sock *to, const struct nlbuf *b)
{
	size_t start = 0, end = 0;

	while (end < b->len) {
		uint32_t len;

		memcpy(&len, b->p + end, sizeof(len));
		if (end > start && end + len - start > DATAGRAM_MAX) {
			nl_queue(to, 0, 0, b->p + start, end - start);
			start = end;
		}
		end += LINUX_NLMSG_ALIGN(len);
	}
	if (end > start)
		nl_queue(to, 0, 0, b->p + start, end - start);
}

bool netlink_has_listeners(struct net *net, int protocol, unsigned group)
{
	struct nl_sock *nl;
	MUTEX_GUARD(&nl_lock);

	list_for_each_entry(nl, &nl_socks, link)
		if (nl->sk->net == net && nl->sk->protocol == protocol && nl->groups & BIT(group - 1))
			return true;
	return false;
}

void netlink_multicast(struct net *net, int protocol, unsigned group, struct nlbuf *b)
{
	struct nl_sock *nl;

	mutex_lock(&nl_lock);
	if (!b->oom)
		list_for_each_entry(nl, &nl_socks, link)
			if (nl->sk->net == net && nl->sk->protocol == protocol && nl->groups & BIT(group - 1))
				nl_queue(nl->sk, 0, group, b->p, b->len);
	mutex_unlock(&nl_lock);
	nlbuf_fini(b);
}

/* --- requests --- */

static int nl_generic_request(const struct nlreq *r)
{
	/* The controller's GETFAMILY: nobody is registered. */
	return r->h->type == LINUX_NLMSG_MIN_TYPE ? -LINUX_ENOENT : -LINUX_EOPNOTSUPP;
}

static int nl_dispatch(struct sock *sk, const struct nlreq *r, struct nlbuf *b)
{
	switch (sk->protocol) {
	case LINUX_NETLINK_ROUTE:
		return rtnetlink_request(r, b);
	case LINUX_NETLINK_SOCK_DIAG:
		return sock_diag_request(r, b);
	case LINUX_NETLINK_GENERIC:
		return nl_generic_request(r);
	default:
		return -LINUX_ECONNREFUSED;
	}
}

static void nl_ack(struct sock *sk, const struct nlreq *r, struct nlbuf *b, int err)
{
	size_t echo = err && !nl_sk(sk)->cap_ack ? r->len : 0;
	int32_t e = err;
	uint8_t *p;

	b->flags = echo == r->len ? 0 : LINUX_NLM_F_CAPPED;
	nl_begin(b, LINUX_NLMSG_ERROR, &e, sizeof(e));
	p = nl_room(b, sizeof(*r->h) + echo);
	if (p) {
		memcpy(p, r->h, sizeof(*r->h));
		memcpy(p + sizeof(*r->h), r->body, echo);
	}
	nl_end(b);
}

static void nl_request(struct sock *sk, const struct nlreq *r)
{
	struct nlbuf b = { .seq = r->h->seq, .pid = nl_sk(sk)->portid, .flags = r->dump ? LINUX_NLM_F_MULTI : 0 };
	int32_t zero = 0;
	int err = nl_dispatch(sk, r, &b);

	if (err) {
		b.len = 0;
		nl_ack(sk, r, &b, err);
	} else if (r->dump) {
		nl_queue_all(sk, &b); /* "done" comes in a datagram of its own */
		b.len = 0;
		nl_begin(&b, LINUX_NLMSG_DONE, &zero, sizeof(zero));
		nl_end(&b);
	} else if (r->h->flags & LINUX_NLM_F_ACK) {
		nl_queue_all(sk, &b);
		b.len = 0;
		nl_ack(sk, r, &b, 0);
	}
	if (b.oom)
		atomic_store(&sk->err, LINUX_ENOBUFS);
	else
		nl_queue_all(sk, &b);
	nlbuf_fini(&b);
}

static void nl_requests(struct sock *sk, const uint8_t *buf, size_t len)
{
	size_t off = 0;

	while (off + sizeof(struct linux_nlmsghdr) <= len) {
		struct linux_nlmsghdr h;
		struct nlreq r;

		memcpy(&h, buf + off, sizeof(h));
		if (h.len < sizeof(h) || h.len > len - off)
			return;
		r = (struct nlreq){ sk->net, &h, buf + off + sizeof(h), h.len - sizeof(h), false };
		if (h.flags & LINUX_NLM_F_REQUEST && h.type >= LINUX_NLMSG_MIN_TYPE) {
			/* NLM_F_DUMP's bits mean something else where things are made. */
			bool get = sk->protocol != LINUX_NETLINK_ROUTE || (h.type - LINUX_NLMSG_MIN_TYPE) % 4 == 2;

			r.dump = get && (h.flags & LINUX_NLM_F_DUMP) == LINUX_NLM_F_DUMP;
			nl_request(sk, &r);
		} else if (h.flags & LINUX_NLM_F_ACK) {
			struct nlbuf b = { .seq = h.seq, .pid = nl_sk(sk)->portid };

			nl_ack(sk, &r, &b, 0);
			if (!b.oom)
				nl_queue_all(sk, &b);
			nlbuf_fini(&b);
		}
		off += LINUX_NLMSG_ALIGN(h.len);
	}
}

/* --- the socket --- */

static struct nl_sock *nl_find_locked(const struct net *net, int protocol, uint32_t portid)
{
	struct nl_sock *nl;

	list_for_each_entry(nl, &nl_socks, link)
		if (nl->sk->net == net && nl->sk->protocol == protocol && nl->portid == portid)
			return nl;
	return NULL;
}

/* The process's id for its first socket, then numbers from the other end of the range. */
static void nl_autobind(struct sock *sk)
{
	uint32_t id = kernel_current_tgid(), next = -4097;
	MUTEX_GUARD(&nl_lock);

	if (nl_sk(sk)->portid)
		return;
	while (nl_find_locked(sk->net, sk->protocol, id))
		id = next--;
	nl_sk(sk)->portid = id;
}

static int nl_addr(const struct linux_sockaddr *addr, unsigned len, struct linux_sockaddr_nl *ret)
{
	if (len < sizeof(*ret) || addr->family != LINUX_AF_NETLINK)
		return -LINUX_EINVAL;
	memcpy(ret, addr, sizeof(*ret));
	return 0;
}

static bool nl_may_listen(const struct sock *sk)
{
	return sk->protocol == LINUX_NETLINK_ROUTE || sk->protocol == LINUX_NETLINK_KOBJECT_UEVENT ||
	       sk->protocol == LINUX_NETLINK_GENERIC || net_capable(sk->net, CAP_NET_ADMIN);
}

static int nl_bind(struct sock *sk, const struct linux_sockaddr *addr, unsigned len)
{
	struct linux_sockaddr_nl a;
	struct nl_sock *nl = nl_sk(sk);
	int err = nl_addr(addr, len, &a);

	if (err)
		return err;
	if (a.nl_groups && !nl_may_listen(sk))
		return -LINUX_EPERM;
	if (!a.nl_pid) {
		nl_autobind(sk);
	} else {
		MUTEX_GUARD(&nl_lock);

		if (nl->portid ? nl->portid != a.nl_pid : !!nl_find_locked(sk->net, sk->protocol, a.nl_pid))
			return nl->portid ? -LINUX_EINVAL : -LINUX_EADDRINUSE;
		nl->portid = a.nl_pid;
	}
	mutex_lock(&nl_lock);
	nl->groups = (nl->groups & ~0xffffffffULL) | a.nl_groups;
	mutex_unlock(&nl_lock);
	return 0;
}

static int nl_connect(struct sock *sk, const struct linux_sockaddr *addr, unsigned len, bool nonblock __unused)
{
	struct linux_sockaddr_nl a;
	int err;

	if (len >= 2 && addr->family == LINUX_AF_UNSPEC) {
		nl_sk(sk)->dst_portid = nl_sk(sk)->dst_groups = 0;
		WRITE_ONCE(sk->state, SS_UNCONNECTED);
		return 0;
	}
	err = nl_addr(addr, len, &a);
	if (err)
		return err;
	nl_autobind(sk);
	nl_sk(sk)->dst_portid = a.nl_pid;
	nl_sk(sk)->dst_groups = a.nl_groups;
	WRITE_ONCE(sk->state, SS_CONNECTED);
	return 0;
}

static int nl_getname(struct sock *sk, bool peer, struct linux_sockaddr *ret, unsigned *ret_len)
{
	struct nl_sock *nl = nl_sk(sk);
	struct linux_sockaddr_nl a = { LINUX_AF_NETLINK, 0, peer ? nl->dst_portid : nl->portid,
				       peer ? nl->dst_groups : (uint32_t)nl->groups };

	memset(ret, 0, sizeof(*ret));
	memcpy(ret, &a, sizeof(a));
	*ret_len = sizeof(a);
	return 0;
}

static int nl_listen(struct sock *sk __unused, int backlog __unused)
{
	return -LINUX_EOPNOTSUPP;
}

/* To another process's socket. */
static int64_t nl_send_unicast(struct sock *sk, uint32_t portid, const void *data, size_t len)
{
	struct nl_sock *to;
	int err;
	MUTEX_GUARD(&nl_lock);

	to = nl_find_locked(sk->net, sk->protocol, portid);
	if (!to || sk->protocol != LINUX_NETLINK_USERSOCK)
		return -LINUX_ECONNREFUSED;
	err = nl_queue(to->sk, nl_sk(sk)->portid, 0, data, len);
	return err ? err : (int64_t)len;
}

static int64_t nl_sendmsg(struct sock *sk, struct msg *msg, bool nonblock __unused)
{
	struct linux_sockaddr_nl to = { .nl_pid = nl_sk(sk)->dst_portid, .nl_groups = nl_sk(sk)->dst_groups };
	size_t len = msg->iter->count;
	int64_t ret = len;
	uint8_t *buf;

	if (msg->flags & LINUX_MSG_OOB)
		return -LINUX_EOPNOTSUPP;
	if (msg->addr_len && nl_addr(&msg->addr, msg->addr_len, &to))
		return -LINUX_EINVAL;
	if ((to.nl_groups || to.nl_pid) && sk->protocol != LINUX_NETLINK_USERSOCK && !net_capable(sk->net, CAP_NET_ADMIN))
		return -LINUX_EPERM;
	if (len > REQUEST_MAX || len > (size_t)sk->sndbuf)
		return -LINUX_EMSGSIZE;
	nl_autobind(sk);
	buf = malloc(len + 1);
	if (!buf)
		return -LINUX_ENOBUFS;
	if (iov_iter_copy_from(msg->iter, buf, len) != len)
		ret = -LINUX_EFAULT;
	else if (to.nl_pid)
		ret = nl_send_unicast(sk, to.nl_pid, buf, len);
	else if (sk->protocol == LINUX_NETLINK_CONNECTOR)
		cn_input(sk, buf, len);
	else
		nl_requests(sk, buf, len);
	free(buf);
	return ret;
}

static int nl_setsockopt(struct sock *sk, int level, int name, const void *val, unsigned len)
{
	struct nl_sock *nl = nl_sk(sk);
	int v = 0;

	if (level != LINUX_SOL_NETLINK)
		return -LINUX_ENOPROTOOPT;
	if (len >= sizeof(v))
		memcpy(&v, val, sizeof(v));
	else
		return -LINUX_EINVAL;
	switch (name) {
	case LINUX_NETLINK_ADD_MEMBERSHIP:
	case LINUX_NETLINK_DROP_MEMBERSHIP:
		if (!nl_may_listen(sk))
			return -LINUX_EPERM;
		if (v < 1 || v > NR_GROUPS)
			return -LINUX_EINVAL;
		mutex_lock(&nl_lock);
		nl->groups = name == LINUX_NETLINK_ADD_MEMBERSHIP ? nl->groups | BIT(v - 1) : nl->groups & ~BIT(v - 1);
		mutex_unlock(&nl_lock);
		return 0;
	case LINUX_NETLINK_PKTINFO:
		nl->pktinfo = v;
		return 0;
	case LINUX_NETLINK_BROADCAST_ERROR:
		nl->broadcast_error = v;
		return 0;
	case LINUX_NETLINK_NO_ENOBUFS:
		nl->no_enobufs = v;
		return 0;
	case LINUX_NETLINK_CAP_ACK:
		nl->cap_ack = v;
		return 0;
	case LINUX_NETLINK_EXT_ACK:
		nl->ext_ack = v;
		return 0;
	case LINUX_NETLINK_GET_STRICT_CHK:
		nl->strict = v;
		return 0;
	default:
		return -LINUX_ENOPROTOOPT;
	}
}

static int nl_getsockopt(struct sock *sk, int level, int name, void *val, unsigned *len)
{
	struct nl_sock *nl = nl_sk(sk);
	int v;

	if (level != LINUX_SOL_NETLINK)
		return -LINUX_ENOPROTOOPT;
	switch (name) {
	case LINUX_NETLINK_LIST_MEMBERSHIPS:
		memcpy(val, &nl->groups, MIN(*len, 8u));
		*len = 8;
		return 0;
	case LINUX_NETLINK_PKTINFO:
		v = nl->pktinfo;
		break;
	case LINUX_NETLINK_BROADCAST_ERROR:
		v = nl->broadcast_error;
		break;
	case LINUX_NETLINK_NO_ENOBUFS:
		v = nl->no_enobufs;
		break;
	case LINUX_NETLINK_CAP_ACK:
		v = nl->cap_ack;
		break;
	case LINUX_NETLINK_EXT_ACK:
		v = nl->ext_ack;
		break;
	case LINUX_NETLINK_GET_STRICT_CHK:
		v = nl->strict;
		break;
	default:
		return -LINUX_ENOPROTOOPT;
	}
	if (*len < sizeof(v))
		return -LINUX_EINVAL;
	*len = sizeof(v);
	memcpy(val, &v, sizeof(v));
	return 0;
}

static void nl_release(struct sock *sk)
{
	MUTEX_GUARD(&nl_lock);

	list_del(&nl_sk(sk)->link);
}

static void nl_free(struct sock *sk)
{
	if (!list_empty(&nl_sk(sk)->link))
		nl_release(sk);
	free(nl_sk(sk));
}

static const struct sock_ops nl_ops = {
	.bind = nl_bind,
	.connect = nl_connect,
	.listen = nl_listen,
	.getname = nl_getname,
	.sendmsg = nl_sendmsg,
	.setsockopt = nl_setsockopt,
	.getsockopt = nl_getsockopt,
	.release = nl_release,
	.free = nl_free,
};

struct sock *netlink_create(int type, int protocol)
{
	struct nl_sock *nl;
	struct sock *sk;

	if (type != LINUX_SOCK_RAW && type != LINUX_SOCK_DGRAM)
		return ERR_PTR(-LINUX_ESOCKTNOSUPPORT);
	if (protocol < 0 || protocol >= LINUX_NETLINK_MAX)
		return ERR_PTR(-LINUX_EPROTONOSUPPORT);
	if (protocol != LINUX_NETLINK_ROUTE && protocol != LINUX_NETLINK_SOCK_DIAG && protocol != LINUX_NETLINK_GENERIC &&
	    protocol != LINUX_NETLINK_KOBJECT_UEVENT && protocol != LINUX_NETLINK_USERSOCK && protocol != LINUX_NETLINK_CONNECTOR)
		return ERR_PTR(-LINUX_EPROTONOSUPPORT);
	nl = calloc(1, sizeof(*nl));
	sk = nl ? sock_alloc(current_net_ns(), LINUX_AF_NETLINK, type, protocol, &nl_ops) : NULL;
	if (!sk) {
		free(nl);
		return ERR_PTR(-LINUX_ENOMEM);
	}
	nl->sk = sk;
	sk->proto = nl;
	mutex_lock(&nl_lock);
	list_add_tail(&nl->link, &nl_socks);
	mutex_unlock(&nl_lock);
	return sk;
}

static void nl_show(struct net *net, struct strbuf *sb)
{
	struct nl_sock *nl;
	MUTEX_GUARD(&nl_lock);

	strbuf_adds(sb, "sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n");
	list_for_each_entry(nl, &nl_socks, link)
		if (nl->sk->net == net)
			strbuf_addf(sb, "%016x %-3d %-10u %08x %-8d %-8d %-5d %-8d %-8u %-8llu\n", 0, nl->sk->protocol, nl->portid,
			    (unsigned)nl->groups, (int)nl->sk->rcvq_bytes, 0, 0, ref_read(&nl->sk->ref), 0,
			    (unsigned long long)nl->sk->ino);
}

void netlink_init(void)
{
	proc_net_register("netlink", nl_show);
}
