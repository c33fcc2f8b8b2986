/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entries of socket(2) and its family; messages are in sys_sockmsg.c.
 */
#include <stdlib.h>

#include "netstack/socket.h"
#include "sentry/abi/fcntl.h"
#include "sentry/kernel/pidfd.h"
#include "sentry/sys/sock_user.h"
#include "sentry/sys/syscall.h"

struct file *sock_fget(int fd, struct sock **ret_sk, int *ret_err)
{
	struct file *f = fget(fd);

	*ret_err = -LINUX_EBADF;
	if (!f)
		return NULL;
	*ret_sk = file_sock(f);
	if (*ret_sk)
		return f;
	fput(f);
	*ret_err = -LINUX_ENOTSOCK;
	return NULL;
}

int sockaddr_from_user(uaddr_t uaddr, int len, struct linux_sockaddr *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (len < 0 || len > (int)sizeof(*ret))
		return -LINUX_EINVAL;
	return len ? copy_from_user(ret, uaddr, len) : 0;
}

int sockaddr_to_user(const struct linux_sockaddr *addr, unsigned len, uaddr_t uaddr, uaddr_t ulen)
{
	int32_t room;

	if (get_user(&room, ulen))
		return -LINUX_EFAULT;
	if (room < 0)
		return -LINUX_EINVAL;
	if (copy_to_user(uaddr, addr, MIN((unsigned)room, len)))
		return -LINUX_EFAULT;
	return put_user((int32_t)len, ulen, int32_t);
}

static struct sock *sock_create(int family, int type, int protocol)
{
	if (family < 0 || family >= LINUX_AF_MAX)
		return ERR_PTR(-LINUX_EAFNOSUPPORT);
	if (type < 0 || type > LINUX_SOCK_PACKET)
		return ERR_PTR(-LINUX_EINVAL);
	switch (family) {
	case LINUX_AF_UNIX:
		return unix_create(type, protocol);
	case LINUX_AF_INET:
	case LINUX_AF_INET6:
		if (protocol < 0 || protocol > 262)
			return ERR_PTR(-LINUX_EINVAL);
		return inet_create(family, type, protocol);
	case LINUX_AF_NETLINK:
		return netlink_create(type, protocol);
	case LINUX_AF_PACKET:
		return packet_create(type, protocol);
	default:
		syscall_unsupported("socket address family", "AF_UNIX, AF_INET, AF_INET6, AF_NETLINK and AF_PACKET are there");
		return ERR_PTR(-LINUX_EAFNOSUPPORT);
	}
}

SYSCALL_DEFINE3(socket, int, family, int, type, int, protocol)
{
	unsigned flags = type & ~LINUX_SOCK_TYPE_MASK;
	struct sock *sk;

	if (flags & ~(LINUX_SOCK_CLOEXEC | LINUX_SOCK_NONBLOCK))
		return -LINUX_EINVAL;
	sk = sock_create(family, type & LINUX_SOCK_TYPE_MASK, protocol);
	if (IS_ERR(sk))
		return PTR_ERR(sk);
	return fd_install_or_put(sock_file_new(sk, flags), flags & LINUX_SOCK_CLOEXEC);
}

SYSCALL_DEFINE4(socketpair, int, family, int, type, int, protocol, uaddr_t, ufds)
{
	unsigned flags = type & ~LINUX_SOCK_TYPE_MASK;
	struct sock *sk[2];
	int32_t fds[2] = { -1, -1 };

	if (flags & ~(LINUX_SOCK_CLOEXEC | LINUX_SOCK_NONBLOCK))
		return -LINUX_EINVAL;
	for (int i = 0; i < 2; i++) {
		sk[i] = sock_create(family, type & LINUX_SOCK_TYPE_MASK, protocol);
		if (!IS_ERR(sk[i]) && family == LINUX_AF_UNIX)
			continue;
		if (i)
			sock_put(sk[0]);
		if (IS_ERR(sk[i]))
			return PTR_ERR(sk[i]);
		sock_put(sk[i]);
		return -LINUX_EOPNOTSUPP;
	}
	unix_pair(sk[0], sk[1]);
	for (int i = 0; i < 2; i++) {
		struct file *f = sock_file_new(sk[i], flags);

		fds[i] = fd_install_or_put(f, flags & LINUX_SOCK_CLOEXEC);
		if (fds[i] >= 0)
			continue;
		if (i)
			fd_close(fds[0]);
		else
			fput(sock_file_new(sk[1], 0));
		return fds[i];
	}
	if (!copy_to_user(ufds, fds, sizeof(fds)))
		return 0;
	fd_close(fds[0]);
	fd_close(fds[1]);
	return -LINUX_EFAULT;
}

SYSCALL_DEFINE3(bind, int, fd, uaddr_t, uaddr, int, len)
{
	struct linux_sockaddr addr;
	struct sock *sk;
	int err;
	struct file *f _cleanup_fput_ = sock_fget(fd, &sk, &err);

	if (!f)
		return err;
	err = sockaddr_from_user(uaddr, len, &addr);
	return err ? err : sk->ops->bind(sk, &addr, len);
}

SYSCALL_DEFINE3(connect, int, fd, uaddr_t, uaddr, int, len)
{
	struct linux_sockaddr addr;
	struct sock *sk;
	int err;
	struct file *f _cleanup_fput_ = sock_fget(fd, &sk, &err);

	if (!f)
		return err;
	err = sockaddr_from_user(uaddr, len, &addr);
	return err ? err : sk->ops->connect(sk, &addr, len, atomic_load(&f->flags) & LINUX_O_NONBLOCK);
}

SYSCALL_DEFINE2(listen, int, fd, int, backlog)
{
	struct sock *sk;
	int err;
	struct file *f _cleanup_fput_ = sock_fget(fd, &sk, &err);

	return f ? sk->ops->listen(sk, backlog) : err;
}

static int64_t do_accept(int fd, uaddr_t uaddr, uaddr_t ulen, unsigned flags)
{
	struct linux_sockaddr addr;
	struct sock *sk, *child;
	struct file *nf;
	unsigned len;
	int err;
	struct file *f _cleanup_fput_ = NULL;

	f = sock_fget(fd, &sk, &err);
	/* The flags come before the question what kind of file it is. */
	if (flags & ~(LINUX_SOCK_CLOEXEC | LINUX_SOCK_NONBLOCK) && (f || err == -LINUX_ENOTSOCK))
		return -LINUX_EINVAL;
	if (!f)
		return err;
	child = sock_accept(sk, atomic_load(&f->flags) & LINUX_O_NONBLOCK);
	if (IS_ERR(child))
		return PTR_ERR(child);
	nf = sock_file_new(child, flags);
	if (IS_ERR(nf))
		return PTR_ERR(nf);
	if (uaddr) {
		err = child->ops->getname(child, true, &addr, &len);
		if (err) { /* the client is gone already: Linux gives an address of the family alone */
			addr.family = child->family;
			len = sizeof(addr.family);
			err = child->family == LINUX_AF_UNIX ? 0 : err == -LINUX_ENOTCONN ? 0 : err;
		}
		if (!err)
			err = sockaddr_to_user(&addr, len, uaddr, ulen);
		if (err) {
			fput(nf);
			return err;
		}
	}
	return fd_install_or_put(nf, flags & LINUX_SOCK_CLOEXEC);
}

SYSCALL_DEFINE3(accept, int, fd, uaddr_t, uaddr, uaddr_t, ulen)
{
	return do_accept(fd, uaddr, ulen, 0);
}

SYSCALL_DEFINE4(accept4, int, fd, uaddr_t, uaddr, uaddr_t, ulen, unsigned, flags)
{
	return do_accept(fd, uaddr, ulen, flags);
}

static int64_t do_getname(int fd, uaddr_t uaddr, uaddr_t ulen, bool peer)
{
	struct linux_sockaddr addr;
	struct sock *sk;
	unsigned len;
	int err;
	struct file *f _cleanup_fput_ = sock_fget(fd, &sk, &err);

	if (!f)
		return err;
	err = sk->ops->getname(sk, peer, &addr, &len);
	return err ? err : sockaddr_to_user(&addr, len, uaddr, ulen);
}

SYSCALL_DEFINE3(getsockname, int, fd, uaddr_t, uaddr, uaddr_t, ulen)
{
	return do_getname(fd, uaddr, ulen, false);
}

SYSCALL_DEFINE3(getpeername, int, fd, uaddr_t, uaddr, uaddr_t, ulen)
{
	return do_getname(fd, uaddr, ulen, true);
}

SYSCALL_DEFINE2(shutdown, int, fd, int, how)
{
	struct sock *sk;
	int err;
	struct file *f _cleanup_fput_ = sock_fget(fd, &sk, &err);

	return f ? sock_shutdown(sk, how) : err;
}


SYSCALL_DEFINE5(setsockopt, int, fd, int, level, int, name, uaddr_t, uval, int, len)
{
	uint8_t val[SOCKOPT_MAX];
	struct sock *sk;
	int err;
	struct file *f _cleanup_fput_ = sock_fget(fd, &sk, &err);

	if (!f)
		return err;
	if (len < 0)
		return -LINUX_EINVAL;
	memset(val, 0, sizeof(uint64_t) * 2);
	if (copy_from_user(val, uval, MIN(len, SOCKOPT_MAX)))
		return -LINUX_EFAULT;
	return sock_setsockopt(sk, level, name, val, MIN(len, SOCKOPT_MAX));
}

/* A descriptor is made here, so this option is not the sock's. */
static int get_peerpidfd(const struct sock *sk, uaddr_t uval, uaddr_t ulen, unsigned len)
{
	int32_t fd;

	if (sk->family != LINUX_AF_UNIX || !sk->peer_cred.pid)
		return -LINUX_ENODATA;
	fd = pidfd_open_tgid(sk->peer_cred.pid);
	if (fd < 0)
		return fd;
	len = MIN(len, (unsigned)sizeof(fd));
	if (copy_to_user(uval, &fd, len))
		return -LINUX_EFAULT;
	return put_user((int32_t)len, ulen, int32_t);
}

SYSCALL_DEFINE5(getsockopt, int, fd, int, level, int, name, uaddr_t, uval, uaddr_t, ulen)
{
	uint8_t val[SOCKOPT_MAX] = { 0 };
	struct sock *sk;
	int32_t room;
	unsigned len;
	int err;
	struct file *f _cleanup_fput_ = sock_fget(fd, &sk, &err);

	if (!f)
		return err;
	if (get_user(&room, ulen))
		return -LINUX_EFAULT;
	if (room < 0)
		return -LINUX_EINVAL;
	len = MIN(room, SOCKOPT_MAX);
	if (level == LINUX_SOL_SOCKET && name == LINUX_SO_PEERPIDFD)
		return get_peerpidfd(sk, uval, ulen, len);
	err = sock_getsockopt(sk, level, name, val, &len);
	if (err)
		return err;
	/* Some options tell a length that is more than was asked for. */
	if (copy_to_user(uval, val, MIN(len, (unsigned)room)))
		return -LINUX_EFAULT;
	return put_user((int32_t)len, ulen, int32_t);
}
