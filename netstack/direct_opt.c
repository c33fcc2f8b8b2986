/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options of direct streams: what the guest set is told to the host's socket, what only that knows is asked there.
 */
#include "netstack/direct.h"
#include "netstack/inet.h"
#include "platform/host/host.h"
#include "sentry/abi/ioctl.h"

/* Options that were set before there was a socket. */
void direct_apply_all(struct sock *sk)
{
	static const struct {
		int level, name;
	} all[] = {
		{ LINUX_SOL_SOCKET, LINUX_SO_KEEPALIVE }, { LINUX_SOL_SOCKET, LINUX_SO_OOBINLINE }, { LINUX_SOL_SOCKET, LINUX_SO_RCVLOWAT },
		{ LINUX_IPPROTO_TCP, LINUX_TCP_NODELAY }, { LINUX_IPPROTO_TCP, LINUX_TCP_CORK }, { LINUX_IPPROTO_TCP, LINUX_TCP_KEEPIDLE },
		{ LINUX_IPPROTO_TCP, LINUX_TCP_KEEPINTVL }, { LINUX_IPPROTO_TCP, LINUX_TCP_KEEPCNT },
		{ LINUX_IPPROTO_TCP, LINUX_TCP_USER_TIMEOUT },
	};
	struct inet_sock fresh = { .keepidle = 7200, .keepintvl = 75, .keepcnt = 9 }, *in = inet_sk(sk);

	if (!sk->keepalive && !sk->oobinline && sk->rcvlowat == 1 && in->nodelay == fresh.nodelay && in->cork == fresh.cork &&
	    in->keepidle == fresh.keepidle && in->keepintvl == fresh.keepintvl && in->keepcnt == fresh.keepcnt && !in->user_timeout)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		direct_setsockopt(sk, all[i].level, all[i].name);
}

int direct_error(struct sock *sk)
{
	int err = atomic_exchange(&sk->err, 0);

	return err || direct_fd(sk) < 0 ? err : -host_stream_error(direct_fd(sk));
}

int direct_ioctl(struct sock *sk, unsigned cmd, int *ret)
{
	int err;

	*ret = 0;
	err = direct_fd(sk) < 0 ? 0 : host_stream_ioctl(direct_fd(sk), cmd, ret);
	if (!err && cmd == LINUX_FIONREAD)
		*ret += (int)direct_spilled(sk);
	return err;
}

void direct_setsockopt(struct sock *sk, int level, int name)
{
	const struct inet_sock *in = inet_sk(sk);
	int v;

	if (direct_fd(sk) < 0)
		return;
	if (level == LINUX_SOL_SOCKET && name == LINUX_SO_KEEPALIVE)
		v = sk->keepalive;
	else if (level == LINUX_SOL_SOCKET && name == LINUX_SO_OOBINLINE)
		v = sk->oobinline;
	else if (level == LINUX_SOL_SOCKET && name == LINUX_SO_RCVLOWAT)
		v = sk->rcvlowat;
	else if (level == LINUX_SOL_SOCKET && name == LINUX_SO_RCVBUF)
		v = sk->rcvbuf / 2;
	else if (level == LINUX_SOL_SOCKET && name == LINUX_SO_SNDBUF)
		v = sk->sndbuf / 2;
	else if (level != LINUX_IPPROTO_TCP)
		return;
	else if (name == LINUX_TCP_NODELAY)
		v = in->nodelay;
	else if (name == LINUX_TCP_CORK)
		v = in->cork;
	else if (name == LINUX_TCP_QUICKACK)
		v = in->quickack;
	else if (name == LINUX_TCP_KEEPIDLE)
		v = in->keepidle;
	else if (name == LINUX_TCP_KEEPINTVL)
		v = in->keepintvl;
	else if (name == LINUX_TCP_KEEPCNT)
		v = in->keepcnt;
	else if (name == LINUX_TCP_USER_TIMEOUT)
		v = in->user_timeout;
	else
		return;
	host_stream_setopt(direct_fd(sk), level, name, &v, sizeof(v));
}

int direct_getsockopt(struct sock *sk, int level, int name, void *val, unsigned *len)
{
	return direct_fd(sk) < 0 ? -LINUX_ENOTCONN : host_stream_getopt(direct_fd(sk), level, name, val, len);
}
