/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets as files.
 */
#include <string.h>

#include "netstack/direct.h"
#include "netstack/sock_queue.h"
#include "sentry/abi/fcntl.h"
#include "sentry/abi/ioctl.h"

static bool sock_file_nonblock(struct file *f)
{
	return atomic_load(&f->flags) & LINUX_O_NONBLOCK;
}

static int64_t sock_file_read(struct file *f, struct iov_iter *to, uint64_t *pos __unused)
{
	struct sock *sk = f->private_data;
	struct msg msg = { .iter = to };
	int64_t ret;

	if (!to->count && sock_is_stream(sk))
		return 0;
	ret = sock_recvmsg(sk, &msg, sock_file_nonblock(f));
	scm_fini(&msg.scm); /* read(2) has no place for descriptors: they are closed */
	return ret;
}

static int64_t sock_file_write(struct file *f, struct iov_iter *from, uint64_t *pos __unused)
{
	struct msg msg = { .iter = from };

	return sock_sendmsg(f->private_data, &msg, sock_file_nonblock(f));
}

static unsigned sock_file_poll(struct file *f, struct poll_table *pt)
{
	return sock_poll(f->private_data, f, pt);
}

/* FIONREAD: bytes of a stream, or of the next message. */
static int sock_inq(struct sock *sk)
{
	struct skb *skb;
	MUTEX_GUARD(&sk->rcvq_lock);

	/* What is before urgent data can be read at once. */
	if (sk->urg_state != URG_NONE && !sk->oobinline && sk->urg_seq >= sk->rcv_seq && sk->family != LINUX_AF_UNIX)
		return (int)(sk->urg_seq - sk->rcv_seq);
	if (sock_is_stream(sk) || sk->type == LINUX_SOCK_SEQPACKET)
		return (int)sk->rcvq_bytes;
	skb = list_first_entry_or_null(&sk->rcvq, struct skb, link);
	return skb ? (int)skb->len : 0;
}

static int64_t sock_file_ioctl(struct file *f, unsigned cmd, uint64_t arg)
{
	struct sock *sk = f->private_data;
	int32_t who;
	int n;

	if (sk->direct && READ_ONCE(sk->remote) && (cmd == LINUX_FIONREAD || cmd == LINUX_TIOCOUTQ || cmd == LINUX_SIOCATMARK)) {
		int err = direct_ioctl(sk, cmd, &n);

		return err ? err : put_user(n, arg, int32_t);
	}
	switch (cmd) {
	case LINUX_FIONREAD:
		if (READ_ONCE(sk->state) == SS_LISTENING)
			return -LINUX_EINVAL;
		return put_user(sock_inq(sk), arg, int32_t);
	case LINUX_TIOCOUTQ:
		if (READ_ONCE(sk->state) == SS_LISTENING)
			return -LINUX_EINVAL;
		return put_user((int32_t)atomic_load(&sk->wmem), arg, int32_t);
	case LINUX_FIOSETOWN:
	case LINUX_SIOCSPGRP:
		if (get_user(&who, arg))
			return -LINUX_EFAULT;
		return file_set_owner_signed(f, who);
	case LINUX_FIOGETOWN:
	case LINUX_SIOCGPGRP:
		return put_user(file_get_owner_signed(f), arg, int32_t);
	case LINUX_SIOCATMARK:
		if (!sock_is_stream(sk))
			return -LINUX_ENOTTY;
		mutex_lock(&sk->rcvq_lock);
		n = sk->urg_state != URG_NONE && sk->urg_seq == sk->rcv_seq;
		mutex_unlock(&sk->rcvq_lock);
		return put_user(n, arg, int32_t);
	default:
		return netdev_ioctl(sk->net, cmd, arg);
	}
}

static int sock_file_fasync(int fd, struct file *f, bool on)
{
	struct sock *sk = f->private_data;

	if (on)
		direct_watch_signals(sk);
	return fasync_update(&sk->async, fd, f, on);
}

static void sock_file_release(struct file *f)
{
	struct sock *sk = f->private_data;

	sock_close(sk);
	sock_put(sk);
}

static const struct file_ops sock_file_ops = {
	.read = sock_file_read,
	.write = sock_file_write,
	.poll = sock_file_poll,
	.ioctl = sock_file_ioctl,
	.fasync = sock_file_fasync,
	.release = sock_file_release,
};

struct file *sock_file_new(struct sock *sk, unsigned flags)
{
	struct file *f = anon_file_new("socket:[", LINUX_S_IFSOCK | 0777, &sock_file_ops,
				       LINUX_O_RDWR | (flags & LINUX_SOCK_NONBLOCK), sk);

	if (IS_ERR(f)) {
		sock_close(sk);
		sock_put(sk);
		return f;
	}
	sk->file = f;
	sk->ino = f->inode->ino;
	return f;
}

struct sock *file_sock(struct file *f)
{
	return f->ops == &sock_file_ops ? f->private_data : NULL;
}
