/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entries of send(2), recv(2) and their families, with ancillary data: cmsg(3).
 */
#include <stdlib.h>

#include "sentry/abi/fcntl.h"
#include "sentry/abi/time.h"
#include "sentry/kernel/pidfd.h"
#include "sentry/kernel/task.h"
#include "sentry/sys/sock_user.h"
#include "sentry/sys/syscall.h"
#include "vfs/user_ns.h"

#define CONTROL_MAX 20480 /* net.core.optmem_max, about */
#define MMSG_MAX 1024

/* --- ancillary data out of the guest --- */

static int scm_add_rights(struct scm *scm, const uint8_t *data, size_t len)
{
	unsigned n = len / sizeof(int32_t);
	struct file **files;

	if (n + scm->nr_files > LINUX_SCM_MAX_FD)
		return -LINUX_EINVAL;
	files = realloc(scm->files, (n + scm->nr_files + 1) * sizeof(*files));
	if (!files)
		return -LINUX_ENOMEM;
	scm->files = files;
	for (unsigned i = 0; i < n; i++) {
		int32_t fd;
		struct file *f;

		memcpy(&fd, data + i * sizeof(fd), sizeof(fd));
		f = fget_raw(fd);
		if (!f)
			return -LINUX_EBADF;
		scm->files[scm->nr_files++] = f;
	}
	return 0;
}

/* A process may name itself and its IDs; more needs capabilities. */
static int scm_add_cred(struct scm *scm, const uint8_t *data, size_t len)
{
	const struct cred *c = current_cred;
	struct linux_ucred u;

	if (len != sizeof(u))
		return -LINUX_EINVAL;
	memcpy(&u, data, sizeof(u));
	if (u.pid != task_tgid(current) && !capable(CAP_SYS_ADMIN))
		return -LINUX_EPERM;
	if (u.uid != c->uid && u.uid != c->euid && u.uid != c->suid && !capable(CAP_SETUID))
		return -LINUX_EPERM;
	if (u.gid != c->gid && u.gid != c->egid && u.gid != c->sgid && !capable(CAP_SETGID))
		return -LINUX_EPERM;
	scm->cred = u;
	scm->has_cred = true;
	return 0;
}

static int scm_parse(struct sock *sk, const uint8_t *buf, size_t len, struct scm *scm, struct msg *msg)
{
	size_t off = 0;

	while (off + sizeof(struct linux_cmsghdr) <= len) {
		struct linux_cmsghdr h;
		size_t dlen;
		int err = 0;

		memcpy(&h, buf + off, sizeof(h));
		if (h.cmsg_len < sizeof(h) || h.cmsg_len > len - off)
			return -LINUX_EINVAL;
		dlen = h.cmsg_len - sizeof(h);
		if (h.cmsg_level == LINUX_SOL_SOCKET && sk->family == LINUX_AF_UNIX) {
			if (h.cmsg_type == LINUX_SCM_RIGHTS)
				err = scm_add_rights(scm, buf + off + sizeof(h), dlen);
			else if (h.cmsg_type == LINUX_SCM_CREDENTIALS)
				err = scm_add_cred(scm, buf + off + sizeof(h), dlen);
			else
				err = -LINUX_EINVAL;
		} else if (h.cmsg_level == LINUX_SOL_SOCKET && h.cmsg_type != LINUX_SCM_RIGHTS) {
			err = -LINUX_EINVAL;
		} else if (sk->family == LINUX_AF_INET || sk->family == LINUX_AF_INET6) {
			err = inet_cmsg_send(sk, h.cmsg_level, h.cmsg_type, buf + off + sizeof(h), dlen, msg);
		}
		if (err)
			return err;
		off += LINUX_CMSG_ALIGN(h.cmsg_len);
	}
	return 0;
}

static int scm_from_user(struct sock *sk, uaddr_t control, uint64_t len, struct scm *scm, struct msg *msg)
{
	uint8_t *buf;
	int err;

	if (!len)
		return 0;
	if (len > CONTROL_MAX)
		return -LINUX_ENOBUFS;
	buf = malloc(len);
	if (!buf)
		return -LINUX_ENOMEM;
	err = copy_from_user(buf, control, len) ? -LINUX_EFAULT : scm_parse(sk, buf, len, scm, msg);
	free(buf);
	return err;
}

/* --- ancillary data to the guest --- */

struct control_out {
	uaddr_t addr;
	uint64_t room, done;
	bool truncated;
};

/* Appends one control message, or what fits of it. */
static int control_put(void *to, int level, int type, const void *data, size_t len)
{
	struct linux_cmsghdr h = { sizeof(h) + len, level, type };
	struct control_out *c = to;
	size_t take = len;

	if (c->room < sizeof(h)) {
		c->truncated = true;
		return 0;
	}
	if (c->room < h.cmsg_len) {
		c->truncated = true;
		take = c->room - sizeof(h);
		h.cmsg_len = c->room;
	}
	if (copy_to_user(c->addr, &h, sizeof(h)) || copy_to_user(c->addr + sizeof(h), data, take))
		return -LINUX_EFAULT;
	take = MIN(LINUX_CMSG_ALIGN(h.cmsg_len), c->room);
	c->addr += take;
	c->room -= take;
	c->done += take;
	return 0;
}

/* Descriptors that do not fit are closed, and MSG_CTRUNC says so. */
static int control_put_rights(struct control_out *c, struct scm *scm, bool cloexec)
{
	size_t max = c->room < sizeof(struct linux_cmsghdr) ? 0 : (c->room - sizeof(struct linux_cmsghdr)) / sizeof(int32_t);
	int32_t fds[LINUX_SCM_MAX_FD];
	unsigned n = 0;

	while (n < scm->nr_files && n < max) {
		int fd = fd_install_or_put(file_get(scm->files[n]), cloexec);

		if (fd < 0)
			break;
		fds[n++] = fd;
	}
	if (n < scm->nr_files)
		c->truncated = true;
	return n ? control_put(c, LINUX_SOL_SOCKET, LINUX_SCM_RIGHTS, fds, n * sizeof(*fds)) : 0;
}

/* A descriptor of the sender's process; the errno in its place where it is gone. */
static int control_put_pidfd(struct control_out *c, int32_t tgid)
{
	int32_t fd = pidfd_open_tgid(tgid);

	return control_put(c, LINUX_SOL_SOCKET, LINUX_SCM_PIDFD, &fd, sizeof(fd));
}

static int scm_to_user(struct sock *sk, struct msg *msg, int64_t got, struct control_out *c)
{
	int err = 0;

	if (sk->passcred && msg->scm.has_cred)
		err = control_put(c, LINUX_SOL_SOCKET, LINUX_SCM_CREDENTIALS, &msg->scm.cred, sizeof(msg->scm.cred));
	if (!err && sk->passpidfd && msg->scm.has_cred && sk->family == LINUX_AF_UNIX)
		err = control_put_pidfd(c, msg->scm.cred.pid);
	if (!err && msg->scm.nr_files)
		err = control_put_rights(c, &msg->scm, msg->flags & LINUX_MSG_CMSG_CLOEXEC);
	if (!err && !sock_is_stream(sk))
		err = sock_stamp_recv(sk, msg, control_put, c);
	if (!err && (sk->family == LINUX_AF_INET || sk->family == LINUX_AF_INET6))
		err = inet_cmsg_recv(sk, msg, control_put, c);
	if (!err && sk->family == LINUX_AF_PACKET)
		err = packet_cmsg_recv(sk, msg, got, control_put, c);
	if (c->truncated)
		msg->out_flags |= LINUX_MSG_CTRUNC;
	return err;
}

/* --- one message --- */

static bool file_nonblock(struct file *f)
{
	return atomic_load(&f->flags) & LINUX_O_NONBLOCK;
}

static int64_t do_sendmsg(struct file *f, struct sock *sk, const struct linux_msghdr *h, unsigned flags)
{
	struct linux_iovec *storage = NULL;
	struct iov_iter it;
	struct msg msg = { .iter = &it, .flags = flags };
	int64_t ret;

	ret = iov_iter_import(&it, h->msg_iov, h->msg_iovlen, &storage);
	if (ret < 0)
		return h->msg_iovlen > LINUX_UIO_MAXIOV ? -LINUX_EMSGSIZE : ret;
	if (h->msg_name && h->msg_namelen) {
		msg.addr_len = MIN(h->msg_namelen, sizeof(msg.addr));
		ret = sockaddr_from_user(h->msg_name, (int)msg.addr_len, &msg.addr);
	}
	if (!ret)
		ret = scm_from_user(sk, h->msg_control, h->msg_controllen, &msg.scm, &msg);
	if (!ret)
		ret = sock_sendmsg(sk, &msg, file_nonblock(f));
	scm_fini(&msg.scm);
	free(storage);
	return ret;
}

/* Fills the parts of *h that are results; the caller copies them out. */
static int64_t do_recvmsg(struct file *f, struct sock *sk, struct linux_msghdr *h, unsigned flags)
{
	struct control_out c = { h->msg_control, h->msg_controllen, 0, false };
	struct linux_iovec *storage = NULL;
	struct iov_iter it;
	struct msg msg = { .iter = &it, .flags = flags };
	int64_t ret;
	int err;

	ret = iov_iter_import(&it, h->msg_iov, h->msg_iovlen, &storage);
	if (ret < 0)
		return h->msg_iovlen > LINUX_UIO_MAXIOV ? -LINUX_EMSGSIZE : ret;
	if ((int32_t)h->msg_namelen < 0) {
		free(storage);
		return -LINUX_EINVAL;
	}
	ret = sock_recvmsg(sk, &msg, file_nonblock(f));
	free(storage);
	if (ret < 0)
		return ret;
	err = scm_to_user(sk, &msg, ret, &c);
	scm_fini(&msg.scm);
	if (err)
		return err;
	if (h->msg_name) {
		/* Connected streams give no name; unbound AF_UNIX senders one of length 0. */
		unsigned len = sock_is_connection(sk) || msg.addr_len <= 2 ? 0 : msg.addr_len;

		if (len && copy_to_user(h->msg_name, &msg.addr, MIN(len, h->msg_namelen)))
			return -LINUX_EFAULT;
		h->msg_namelen = len;
	}
	h->msg_controllen = c.done;
	h->msg_flags = msg.out_flags | (flags & LINUX_MSG_CMSG_CLOEXEC);
	return ret;
}

SYSCALL_DEFINE6(sendto, int, fd, uaddr_t, buf, size_t, len, unsigned, flags, uaddr_t, uaddr, int, alen)
{
	struct iov_iter it;
	struct msg msg = { .iter = &it, .flags = flags };
	struct sock *sk;
	int err;
	struct file *f _cleanup_fput_ = sock_fget(fd, &sk, &err);

	if (!f)
		return err;
	if (!access_ok(buf, len))
		return -LINUX_EFAULT;
	if (uaddr) {
		err = sockaddr_from_user(uaddr, alen, &msg.addr);
		if (err)
			return err;
		msg.addr_len = alen;
	}
	iov_iter_init_user(&it, buf, MIN(len, MAX_RW_COUNT));
	return sock_sendmsg(sk, &msg, file_nonblock(f));
}

SYSCALL_DEFINE6(recvfrom, int, fd, uaddr_t, buf, size_t, len, unsigned, flags, uaddr_t, uaddr, uaddr_t, ualen)
{
	struct iov_iter it;
	struct msg msg = { .iter = &it, .flags = flags };
	struct sock *sk;
	int64_t ret;
	int err;
	struct file *f _cleanup_fput_ = sock_fget(fd, &sk, &err);

	if (!f)
		return err;
	if (!access_ok(buf, len))
		return -LINUX_EFAULT;
	iov_iter_init_user(&it, buf, MIN(len, MAX_RW_COUNT));
	ret = sock_recvmsg(sk, &msg, file_nonblock(f));
	if (ret < 0)
		return ret;
	scm_fini(&msg.scm);
	if (uaddr) {
		unsigned alen = sock_is_connection(sk) || msg.addr_len <= 2 ? 0 : msg.addr_len;

		err = sockaddr_to_user(&msg.addr, alen, uaddr, ualen);
		if (err)
			return err;
	}
	return ret;
}

SYSCALL_DEFINE3(sendmsg, int, fd, uaddr_t, umsg, unsigned, flags)
{
	struct linux_msghdr h;
	struct sock *sk;
	int err;
	struct file *f _cleanup_fput_ = sock_fget(fd, &sk, &err);

	if (!f)
		return err;
	if (get_user(&h, umsg))
		return -LINUX_EFAULT;
	return do_sendmsg(f, sk, &h, flags);
}

static int64_t recvmsg_user(struct file *f, struct sock *sk, uaddr_t umsg, unsigned flags)
{
	struct linux_msghdr h;
	int64_t ret;

	if (get_user(&h, umsg))
		return -LINUX_EFAULT;
	ret = do_recvmsg(f, sk, &h, flags);
	if (ret < 0)
		return ret;
	if (copy_to_user(umsg + offsetof(struct linux_msghdr, msg_namelen), &h.msg_namelen, sizeof(h.msg_namelen)) ||
	    copy_to_user(umsg + offsetof(struct linux_msghdr, msg_controllen), &h.msg_controllen, sizeof(h.msg_controllen)) ||
	    copy_to_user(umsg + offsetof(struct linux_msghdr, msg_flags), &h.msg_flags, sizeof(h.msg_flags)))
		return -LINUX_EFAULT;
	return ret;
}

SYSCALL_DEFINE3(recvmsg, int, fd, uaddr_t, umsg, unsigned, flags)
{
	struct sock *sk;
	int err;
	struct file *f _cleanup_fput_ = sock_fget(fd, &sk, &err);

	return f ? recvmsg_user(f, sk, umsg, flags) : err;
}

/* --- many messages --- */

SYSCALL_DEFINE4(sendmmsg, int, fd, uaddr_t, uvec, unsigned, n, unsigned, flags)
{
	struct sock *sk;
	unsigned done = 0;
	int64_t ret = 0;
	int err;
	struct file *f _cleanup_fput_ = sock_fget(fd, &sk, &err);

	if (!f)
		return err;
	for (n = MIN(n, MMSG_MAX); done < n; done++) {
		uaddr_t u = uvec + done * sizeof(struct linux_mmsghdr);
		struct linux_msghdr h;

		ret = get_user(&h, u) ? -LINUX_EFAULT : do_sendmsg(f, sk, &h, flags);
		if (ret < 0)
			break;
		if (put_user((uint32_t)ret, u + offsetof(struct linux_mmsghdr, msg_len), uint32_t)) {
			ret = -LINUX_EFAULT;
			break;
		}
	}
	return done ? done : ret;
}

static int64_t do_recvmmsg(struct file *f, struct sock *sk, uaddr_t uvec, unsigned n, unsigned flags, deadline_t deadline)
{
	unsigned done = 0;
	int64_t ret = 0;

	for (n = MIN(n, MMSG_MAX); done < n; done++) {
		uaddr_t u = uvec + done * sizeof(struct linux_mmsghdr);

		ret = recvmsg_user(f, sk, u, flags & ~LINUX_MSG_WAITFORONE);
		if (ret < 0)
			break;
		if (put_user((uint32_t)ret, u + offsetof(struct linux_mmsghdr, msg_len), uint32_t)) {
			ret = -LINUX_EFAULT;
			break;
		}
		if (flags & LINUX_MSG_WAITFORONE)
			flags |= LINUX_MSG_DONTWAIT;
		if (deadline != NO_DEADLINE && monotonic_ns() >= deadline) {
			done++;
			break;
		}
	}
	return done ? done : ret;
}

SYSCALL_DEFINE5(recvmmsg, int, fd, uaddr_t, uvec, unsigned, n, unsigned, flags, uaddr_t, uts)
{
	deadline_t deadline = NO_DEADLINE;
	struct linux_timespec ts;
	struct sock *sk;
	int64_t ret, left;
	int err;
	struct file *f _cleanup_fput_ = NULL;

	if (uts) {
		if (get_user(&ts, uts))
			return -LINUX_EFAULT;
		if (ts.tv_sec < 0 || (uint64_t)ts.tv_nsec >= 1000000000)
			return -LINUX_EINVAL;
		if (ts.tv_sec < INT64_MAX / 1000000000 - 1)
			deadline = deadline_after(ts.tv_sec * 1000000000 + ts.tv_nsec);
	}
	f = sock_fget(fd, &sk, &err);
	if (!f)
		return err;
	ret = do_recvmmsg(f, sk, uvec, n, flags, deadline);
	if (uts && ret > 0) {
		left = deadline == NO_DEADLINE ? 0 : MAX(deadline - monotonic_ns(), 0);
		ts = (struct linux_timespec){ left / 1000000000, left % 1000000000 };
		if (deadline != NO_DEADLINE && copy_to_user(uts, &ts, sizeof(ts)))
			return -LINUX_EFAULT;
	}
	return ret;
}
