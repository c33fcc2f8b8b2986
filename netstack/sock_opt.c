/* SPDX-License-Identifier: Apache-2.0 */
/*
 * socket(7) options: the SOL_SOCKET level, for all families.
 */
#include <stdlib.h>
#include <string.h>

#include "netstack/direct.h"
#include "netstack/skf.h"
#include "netstack/socket.h"
#include "sentry/abi/time.h"

#define SOCK_MIN_RCVBUF 2304
#define SOCK_MIN_SNDBUF 4608
#define TCP_MAX_LOWAT (16 << 20) /* half of net.ipv4.tcp_rmem */
#define TCP_SNDBUF_FIRST 16384 /* net.ipv4.tcp_wmem */
#define SOCK_MAX_BUF 212992 /* net.core.{r,w}mem_max */

static int opt_int(const void *val, unsigned len, int *ret)
{
	if (len < sizeof(int))
		return -LINUX_EINVAL;
	memcpy(ret, val, sizeof(int));
	return 0;
}

static int opt_timeout(const void *val, unsigned len, int64_t *ret)
{
	struct linux_timeval tv;

	if (len < sizeof(tv))
		return -LINUX_EINVAL;
	memcpy(&tv, val, sizeof(tv));
	if (tv.tv_usec < 0 || tv.tv_usec >= 1000000)
		return -LINUX_EDOM;
	if (tv.tv_sec < 0)
		*ret = 0;
	else if (!tv.tv_sec && !tv.tv_usec)
		*ret = -1;
	else if (tv.tv_sec >= INT64_MAX / 1000000000 - 1)
		*ret = -1;
	else
		*ret = tv.tv_sec * 1000000000 + tv.tv_usec * 1000;
	return 0;
}

/* Linux doubles what is asked, to pay for its bookkeeping, and shows the double. */
static int sock_bufsize(int val, int min, bool force)
{
	if (!force)
		val = (int)MIN((unsigned)val, (unsigned)SOCK_MAX_BUF);
	return MAX((int)MIN((unsigned)val, INT32_MAX / 2u) * 2, min);
}

/* SO_BINDTODEVICE by number; who has not bound it before needs no right, as since Linux 5.7. */
static int sock_bind_ifindex(struct sock *sk, int index)
{
	if (index < 0)
		return -LINUX_EINVAL;
	if (sk->bound_if && !net_capable(sk->net, CAP_NET_RAW))
		return -LINUX_EPERM;
	sk->bound_if = index;
	return 0;
}

/* A descriptor that can't be a program's. */
static int sock_bpf_fd(int fd)
{
	struct file *f = fget(fd);

	if (!f)
		return -LINUX_EBADF;
	fput(f);
	return -LINUX_EINVAL;
}

static int sock_set_socket(struct sock *sk, int name, int v, const void *val, unsigned len)
{
	struct linux_linger l;

	switch (name) {
	case LINUX_SO_DEBUG:
		if (v && !net_capable(sk->net, CAP_NET_ADMIN))
			return -LINUX_EACCES;
		sk->debug = v;
		return 0;
	case LINUX_SO_REUSEADDR:
		sk->reuseaddr = v;
		return 0;
	case LINUX_SO_REUSEPORT:
		if (v && sk->family != LINUX_AF_INET && sk->family != LINUX_AF_INET6)
			return -LINUX_EOPNOTSUPP;
		sk->reuseport = v;
		return 0;
	case LINUX_SO_TYPE:
	case LINUX_SO_PROTOCOL:
	case LINUX_SO_DOMAIN:
	case LINUX_SO_ERROR:
	case LINUX_SO_ACCEPTCONN:
		return -LINUX_ENOPROTOOPT;
	case LINUX_SO_DONTROUTE:
		sk->dontroute = v;
		return 0;
	case LINUX_SO_BROADCAST:
		sk->broadcast = v;
		return 0;
	case LINUX_SO_SNDBUF:
		sk->sndbuf = sock_bufsize(v, SOCK_MIN_SNDBUF, false);
		sock_wake(sk, 0);
		return 0;
	case LINUX_SO_SNDBUFFORCE:
	case LINUX_SO_RCVBUFFORCE:
		if (!net_capable(sk->net, CAP_NET_ADMIN))
			return -LINUX_EPERM;
		*(name == LINUX_SO_SNDBUFFORCE ? &sk->sndbuf : &sk->rcvbuf) = sock_bufsize(v, SOCK_MIN_RCVBUF, true);
		return 0;
	case LINUX_SO_RCVBUF:
		sk->rcvbuf = sock_bufsize(v, SOCK_MIN_RCVBUF, false);
		return 0;
	case LINUX_SO_KEEPALIVE:
		sk->keepalive = v;
		if (sk->ops->keepalive)
			sk->ops->keepalive(sk);
		return 0;
	case LINUX_SO_OOBINLINE:
		sk->oobinline = v;
		return 0;
	case LINUX_SO_BSDCOMPAT:
		return 0;
	case LINUX_SO_NO_CHECK:
		sk->no_check = v;
		return 0;
	case LINUX_SO_SELECT_ERR_QUEUE: /* POLLPRI for errors */
		sk->err_queue = v;
		return 0;
	case LINUX_SO_NOFCS:
		sk->nofcs = v;
		return 0;
	case LINUX_SO_BUSY_POLL:
		if (v < 0)
			return -LINUX_EINVAL;
		sk->busy_poll = v;
		return 0;
	case LINUX_SO_PREFER_BUSY_POLL:
		if (v && !net_capable(sk->net, CAP_NET_ADMIN))
			return -LINUX_EPERM;
		sk->prefer_busy = v;
		return 0;
	case LINUX_SO_TXREHASH:
		if (sk->protocol != LINUX_IPPROTO_TCP)
			return -LINUX_EOPNOTSUPP;
		if (v < -1 || v > 1)
			return -LINUX_EINVAL;
		sk->txrehash = v;
		return 0;
	case LINUX_SO_BUF_LOCK: /* nothing tunes them here */
		if (v & ~3)
			return -LINUX_EINVAL;
		sk->buf_lock = v;
		return 0;
	case LINUX_SO_LOCK_FILTER:
		if (sk->lock_filter && !v)
			return -LINUX_EPERM;
		sk->lock_filter = v;
		return 0;
	case LINUX_SO_PRIORITY:
		if ((v < 0 || v > 6) && !net_capable(sk->net, CAP_NET_ADMIN))
			return -LINUX_EPERM;
		sk->priority = v;
		return 0;
	case LINUX_SO_MARK:
		if (!net_capable(sk->net, CAP_NET_ADMIN))
			return -LINUX_EPERM;
		sk->mark = v;
		return 0;
	case LINUX_SO_LINGER:
		if (len < sizeof(l))
			return -LINUX_EINVAL;
		memcpy(&l, val, sizeof(l));
		sk->linger = (struct linux_linger){ !!l.l_onoff, l.l_linger };
		return 0;
	case LINUX_SO_PASSCRED:
		if (sk->family != LINUX_AF_UNIX && sk->family != LINUX_AF_NETLINK)
			return -LINUX_EOPNOTSUPP;
		sk->passcred = v;
		return 0;
	case LINUX_SO_PEEK_OFF:
		if (sk->family != LINUX_AF_UNIX && sk->protocol != LINUX_IPPROTO_UDP && sk->protocol != LINUX_IPPROTO_TCP)
			return -LINUX_EOPNOTSUPP;
		mutex_lock(&sk->iolock);
		sk->peek_off = v;
		mutex_unlock(&sk->iolock);
		return 0;
	case LINUX_SO_PASSSEC:
		/* There is no security module whose labels could come. */
		if (sk->family != LINUX_AF_UNIX && sk->family != LINUX_AF_NETLINK)
			return -LINUX_EOPNOTSUPP;
		sk->passsec = v;
		return 0;
	case LINUX_SO_RXQ_OVFL:
		sk->rxq_ovfl = v;
		return 0;
	case LINUX_SO_WIFI_STATUS:
		sk->wifi_status = v;
		return 0;
	case LINUX_SO_RCVMARK:
		sk->rcvmark = v;
		return 0;
	case LINUX_SO_RCVPRIORITY:
		sk->rcvpriority = v;
		return 0;
	case LINUX_SO_INCOMING_CPU:
		sk->incoming_cpu = v;
		return 0;
	case LINUX_SO_CNX_ADVICE: /* of a route that could be another */
		return 0;
	case LINUX_SO_BUSY_POLL_BUDGET:
		return v < 0 || v > UINT16_MAX ? -LINUX_EINVAL : 0;
	case LINUX_SO_MAX_PACING_RATE:
		sk->max_pacing_rate = v == -1 ? UINT64_MAX : (unsigned)v;
		if (len >= sizeof(uint64_t))
			memcpy(&sk->max_pacing_rate, val, sizeof(uint64_t));
		return 0;
	case LINUX_SO_ZEROCOPY:
		if (sk->family != LINUX_AF_INET && sk->family != LINUX_AF_INET6)
			return -LINUX_EOPNOTSUPP;
		if (v < 0 || v > 1)
			return -LINUX_EINVAL;
		sk->zerocopy = v;
		return 0;
	case LINUX_SO_RESERVE_MEM:
		return v < 0 ? -LINUX_EINVAL : -LINUX_EOPNOTSUPP; /* as without memory accounting */
	case LINUX_SO_ATTACH_BPF: /* there is no bpf(2) to make one */
	case LINUX_SO_ATTACH_REUSEPORT_EBPF:
		return sock_bpf_fd(v);
	case LINUX_SO_ATTACH_REUSEPORT_CBPF:
	case LINUX_SO_DETACH_REUSEPORT_BPF:
		return -LINUX_EINVAL;
	case LINUX_SO_PASSPIDFD:
		if (sk->family != LINUX_AF_UNIX)
			return -LINUX_EOPNOTSUPP;
		sk->passpidfd = v;
		return 0;
	case LINUX_SO_PASSRIGHTS:
		if (sk->family != LINUX_AF_UNIX)
			return -LINUX_EOPNOTSUPP;
		sk->passrights = v;
		return 0;
	case LINUX_SO_BINDTOIFINDEX:
		return sock_bind_ifindex(sk, v);
	case LINUX_SO_RCVLOWAT:
		v = v < 0 ? INT32_MAX : v ? v : 1;
		sk->rcvlowat = sk->protocol == LINUX_IPPROTO_TCP ? MIN(v, TCP_MAX_LOWAT) : v;
		return 0;
	default:
		return -LINUX_ENOPROTOOPT;
	}
}

/* By name; the empty one ends it. */
static int sock_bind_device(struct sock *sk, const void *val, unsigned len)
{
	char name[16] = "";
	struct netif *nif;

	memcpy(name, val, MIN(len, (unsigned)sizeof(name) - 1));
	nif = name[0] ? netif_find_name(sk->net, name) : NULL;
	if (name[0] && !nif)
		return -LINUX_ENODEV;
	return sock_bind_ifindex(sk, nif ? nif->index : 0);
}

int sock_setsockopt(struct sock *sk, int level, int name, const void *val, unsigned len)
{
	int v = 0, err;

	if (level != LINUX_SOL_SOCKET)
		return sk->ops->setsockopt ? sk->ops->setsockopt(sk, level, name, val, len) : -LINUX_EOPNOTSUPP;
	if (name == LINUX_SO_RCVTIMEO)
		return opt_timeout(val, len, &sk->rcvtimeo);
	if (name == LINUX_SO_SNDTIMEO)
		return opt_timeout(val, len, &sk->sndtimeo);
	if (name == LINUX_SO_BINDTODEVICE)
		return sock_bind_device(sk, val, len);
	if (name == LINUX_SO_RCVTIMEO_NEW)
		return opt_timeout(val, len, &sk->rcvtimeo);
	if (name == LINUX_SO_SNDTIMEO_NEW)
		return opt_timeout(val, len, &sk->sndtimeo);
	err = opt_int(val, len, &v);
	if (err)
		return err;
	if ((name == LINUX_SO_ATTACH_FILTER || name == LINUX_SO_DETACH_FILTER) && sk->lock_filter)
		return -LINUX_EPERM;
	if (name == LINUX_SO_ATTACH_FILTER)
		return sock_attach_filter(sk, val, len);
	if (name == LINUX_SO_DETACH_FILTER)
		return sock_detach_filter(sk);
	err = sock_stamp_setsockopt(sk, name, val, len);
	if (err <= 0)
		return err;
	err = sock_set_socket(sk, name, v, val, len);
	if (!err && sk->direct)
		direct_setsockopt(sk, level, name);
	return err;
}

static int get_int(void *val, unsigned *len, int v)
{
	*len = MIN(*len, sizeof(v));
	memcpy(val, &v, *len);
	return 0;
}

static int get_bytes(void *val, unsigned *len, const void *src, unsigned size)
{
	*len = MIN(*len, size);
	memcpy(val, src, *len);
	return 0;
}

static int get_timeout(void *val, unsigned *len, int64_t ns)
{
	struct linux_timeval tv = { 0 };

	if (ns >= 0)
		tv = (struct linux_timeval){ ns / 1000000000, ns % 1000000000 / 1000 };
	return get_bytes(val, len, &tv, sizeof(tv));
}

static int get_peername(struct sock *sk, void *val, unsigned *len)
{
	struct linux_sockaddr addr;
	unsigned alen;
	int err = sk->ops->getname(sk, true, &addr, &alen);

	if (err)
		return -LINUX_ENOTCONN;
	if (alen < *len)
		return -LINUX_EINVAL;
	return get_bytes(val, len, &addr, *len);
}

/* SK_MEMINFO_*: rmem, rcvbuf, wmem, sndbuf, and what is not kept apart here. */
static int get_meminfo(struct sock *sk, void *val, unsigned *len)
{
	uint32_t m[9] = { (uint32_t)sk->rcvq_bytes, (uint32_t)sk->rcvbuf, (uint32_t)atomic_load(&sk->wmem), (uint32_t)sk->sndbuf };

	m[8] = atomic_load(&sk->drops);
	return get_bytes(val, len, m, sizeof(m));
}

/* The program itself, in instructions; *len too. */
static int get_filter(struct sock *sk, void *val, unsigned *len)
{
	unsigned room = *len;
	MUTEX_GUARD(&sk->rcvq_lock);

	*len = sk->filter ? sk->filter->nr : 0;
	if (!*len || !room)
		return 0;
	if (room < *len || *len * sizeof(struct skf_insn) > SOCKOPT_MAX)
		return -LINUX_EINVAL;
	memcpy(val, sk->filter->insns, *len * sizeof(struct skf_insn));
	return 0;
}

static int sock_get_socket(struct sock *sk, int name, void *val, unsigned *len)
{
	switch (name) {
	case LINUX_SO_DEBUG:
		return get_int(val, len, sk->debug);
	case LINUX_SO_NO_CHECK:
		return get_int(val, len, sk->no_check);
	case LINUX_SO_SELECT_ERR_QUEUE:
		return get_int(val, len, sk->err_queue);
	case LINUX_SO_NOFCS:
		return get_int(val, len, sk->nofcs);
	case LINUX_SO_BUSY_POLL:
		return get_int(val, len, sk->busy_poll);
	case LINUX_SO_PREFER_BUSY_POLL:
		return get_int(val, len, sk->prefer_busy);
	case LINUX_SO_TXREHASH:
		return sk->protocol == LINUX_IPPROTO_TCP ? get_int(val, len, sk->txrehash) : -LINUX_EOPNOTSUPP;
	case LINUX_SO_BUF_LOCK:
		return get_int(val, len, sk->buf_lock);
	case LINUX_SO_LOCK_FILTER:
		return get_int(val, len, sk->lock_filter);
	case LINUX_SO_REUSEADDR:
		return get_int(val, len, sk->reuseaddr);
	case LINUX_SO_REUSEPORT:
		return get_int(val, len, sk->reuseport);
	case LINUX_SO_TYPE:
		return get_int(val, len, sk->type);
	case LINUX_SO_PROTOCOL:
		return get_int(val, len, sk->protocol);
	case LINUX_SO_DOMAIN:
		return get_int(val, len, sk->family);
	case LINUX_SO_ERROR:
		return get_int(val, len,
			       sk->direct && READ_ONCE(sk->state) == SS_CONNECTED ? direct_error(sk) : atomic_exchange(&sk->err, 0));
	case LINUX_SO_ACCEPTCONN:
		return get_int(val, len, READ_ONCE(sk->state) == SS_LISTENING);
	case LINUX_SO_DONTROUTE:
		return get_int(val, len, sk->dontroute);
	case LINUX_SO_BROADCAST:
		return get_int(val, len, sk->broadcast);
	case LINUX_SO_SNDBUF: /* where TCP's tuning starts and ends */
		return get_int(val, len, sk->protocol == LINUX_IPPROTO_TCP && sk->sndbuf == TCP_SNDBUF_TUNED &&
					 READ_ONCE(sk->state) == SS_UNCONNECTED ? TCP_SNDBUF_FIRST : sk->sndbuf);
	case LINUX_SO_RCVBUF:
		return get_int(val, len, sk->rcvbuf);
	case LINUX_SO_KEEPALIVE:
		return get_int(val, len, sk->keepalive);
	case LINUX_SO_OOBINLINE:
		return get_int(val, len, sk->oobinline);
	case LINUX_SO_INCOMING_CPU:
		return get_int(val, len, sk->incoming_cpu);
	case LINUX_SO_RXQ_OVFL:
		return get_int(val, len, sk->rxq_ovfl);
	case LINUX_SO_ZEROCOPY:
		return get_int(val, len, sk->zerocopy);
	case LINUX_SO_WIFI_STATUS:
		return get_int(val, len, sk->wifi_status);
	case LINUX_SO_RCVMARK:
		return get_int(val, len, sk->rcvmark);
	case LINUX_SO_RCVPRIORITY:
		return get_int(val, len, sk->rcvpriority);
	case LINUX_SO_PASSPIDFD:
		return sk->family == LINUX_AF_UNIX ? get_int(val, len, sk->passpidfd) : -LINUX_EOPNOTSUPP;
	case LINUX_SO_PASSRIGHTS:
		return sk->family == LINUX_AF_UNIX ? get_int(val, len, sk->passrights) : -LINUX_EOPNOTSUPP;
	case LINUX_SO_BPF_EXTENSIONS:
		return get_int(val, len, 64);
	case LINUX_SO_BINDTOIFINDEX:
		return get_int(val, len, sk->bound_if);
	case LINUX_SO_MAX_PACING_RATE:
		if (*len < sizeof(uint64_t))
			return get_int(val, len, (int)MIN(sk->max_pacing_rate, (uint64_t)UINT32_MAX));
		return get_bytes(val, len, &sk->max_pacing_rate, sizeof(uint64_t));
	case LINUX_SO_MEMINFO:
		return get_meminfo(sk, val, len);
	case LINUX_SO_ATTACH_FILTER:
		return get_filter(sk, val, len);
	case LINUX_SO_INCOMING_NAPI_ID:
	case LINUX_SO_BSDCOMPAT:
	case LINUX_SO_RESERVE_MEM:
		return get_int(val, len, 0);
	case LINUX_SO_PEEK_OFF:
		return sk->family == LINUX_AF_UNIX || sk->family == LINUX_AF_INET || sk->family == LINUX_AF_INET6 ?
			       get_int(val, len, sk->peek_off) : -LINUX_EOPNOTSUPP;
	case LINUX_SO_PASSSEC:
		return sk->family == LINUX_AF_UNIX ? get_int(val, len, sk->passsec) : -LINUX_EOPNOTSUPP;
	case LINUX_SO_PRIORITY:
		return get_int(val, len, sk->priority);
	case LINUX_SO_MARK:
		return get_int(val, len, sk->mark);
	case LINUX_SO_LINGER:
		return get_bytes(val, len, &sk->linger, sizeof(sk->linger));
	case LINUX_SO_PASSCRED:
		if (sk->family != LINUX_AF_UNIX && sk->family != LINUX_AF_NETLINK)
			return -LINUX_EOPNOTSUPP;
		return get_int(val, len, sk->passcred);
	case LINUX_SO_PEERCRED:
		return get_bytes(val, len, &sk->peer_cred, sizeof(sk->peer_cred));
	case LINUX_SO_PEERNAME:
		return get_peername(sk, val, len);
	case LINUX_SO_PEERSEC:
		return -LINUX_ENOPROTOOPT;
	case LINUX_SO_RCVLOWAT:
		return get_int(val, len, sk->rcvlowat);
	case LINUX_SO_SNDLOWAT:
		return get_int(val, len, 1);
	case LINUX_SO_RCVTIMEO:
		return get_timeout(val, len, sk->rcvtimeo);
	case LINUX_SO_SNDTIMEO:
		return get_timeout(val, len, sk->sndtimeo);
	case LINUX_SO_BINDTODEVICE: {
		struct netif *nif = sk->bound_if ? netif_find(sk->net, sk->bound_if) : NULL;

		if (!nif) {
			*len = 0;
			return 0;
		}
		return *len < sizeof(nif->name) ? -LINUX_EINVAL : get_bytes(val, len, nif->name, strlen(nif->name) + 1);
	}
	case LINUX_SO_COOKIE:
		if (*len < 8)
			return -LINUX_EINVAL;
		return get_bytes(val, len, &sk->ino, 8);
	case LINUX_SO_NETNS_COOKIE:
		if (*len != 8)
			return -LINUX_EINVAL;
		return get_bytes(val, len, &(uint64_t){ sk->net->ns.inum }, 8);
	default:
		return -LINUX_ENOPROTOOPT;
	}
}

int sock_getsockopt(struct sock *sk, int level, int name, void *val, unsigned *len)
{
	if (level == LINUX_SOL_SOCKET) {
		int err = name == LINUX_SO_RCVTIMEO_NEW ? get_timeout(val, len, sk->rcvtimeo) :
			  name == LINUX_SO_SNDTIMEO_NEW ? get_timeout(val, len, sk->sndtimeo) :
							  sock_stamp_getsockopt(sk, name, val, len);

		return err <= 0 ? err : sock_get_socket(sk, name, val, len);
	}
	return sk->ops->getsockopt ? sk->ops->getsockopt(sk, level, name, val, len) : -LINUX_EOPNOTSUPP;
}
