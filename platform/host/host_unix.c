/* SPDX-License-Identifier: Apache-2.0 */
/* Local sockets with a name, their peers, and descriptors sent over them. */
#define _GNU_SOURCE 1
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "platform/host/host.h"
#include "platform/host/host_internal.h"

union rights {
	struct cmsghdr align;
	char buf[CMSG_SPACE(sizeof(int) * HOST_FDS_MAX)];
};

/* The limit of 108 bytes is for the name in the directory only. */
static int unix_address(struct sockaddr_un *a, int dirfd, const char *name)
{
	int n;

	*a = (struct sockaddr_un){ .sun_family = AF_UNIX };
	n = snprintf(a->sun_path, sizeof(a->sun_path), "/proc/self/fd/%d/%s", dirfd, name);
	return n > 0 && (size_t)n < sizeof(a->sun_path) ? 0 : -ENAMETOOLONG;
}

static int unix_socket_on(int dirfd, const char *name, int (*fn)(int, const struct sockaddr *, socklen_t))
{
	struct sockaddr_un a;
	int err = unix_address(&a, dirfd, name), fd;

	if (err)
		return err;
	fd = ret_errno(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
	if (fd < 0)
		return fd;
	err = ret_errno(fn(fd, (struct sockaddr *)&a, sizeof(a)));
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}

static int bind_and_listen(int fd, const struct sockaddr *a, socklen_t len)
{
	return bind(fd, a, len) ? -1 : listen(fd, 16);
}

int host_unix_listen_at(int dirfd, const char *name)
{
	return unix_socket_on(dirfd, name, bind_and_listen);
}

int host_unix_connect_at(int dirfd, const char *name)
{
	return unix_socket_on(dirfd, name, connect);
}

int host_accept(int fd)
{
	return retry_eintr(accept4(fd, NULL, NULL, SOCK_CLOEXEC));
}

int host_peer_uid(int fd, uint32_t *ret_uid)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);
	int err = ret_errno(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len));

	if (!err)
		*ret_uid = cred.uid;
	return err;
}

ssize_t host_send_fds(int sock, const void *buf, size_t len, const int *fds, unsigned nr)
{
	union rights control = { 0 };
	struct iovec iov = { (void *)(uintptr_t)buf, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (nr > HOST_FDS_MAX)
		return -EINVAL;
	if (nr) {
		struct cmsghdr *cmsg;

		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * nr);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int) * nr);
		memcpy(CMSG_DATA(cmsg), fds, sizeof(int) * nr);
	}
	return retry_eintr(sendmsg(sock, &msg, MSG_NOSIGNAL));
}

ssize_t host_recv_fds(int sock, void *buf, size_t len, int ret_fds[HOST_FDS_MAX], unsigned *ret_nr)
{
	union rights control = { 0 };
	struct iovec iov = { buf, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf,
			      .msg_controllen = sizeof(control.buf) };
	ssize_t n = retry_eintr(recvmsg(sock, &msg, MSG_CMSG_CLOEXEC));

	*ret_nr = 0;
	if (n < 0)
		return n;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		size_t bytes = c->cmsg_len - CMSG_LEN(0);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < bytes / sizeof(int) && *ret_nr < HOST_FDS_MAX; i++)
			memcpy(&ret_fds[(*ret_nr)++], CMSG_DATA(c) + i * sizeof(int), sizeof(int));
	}
	/* More than there is room for: the rest was closed by the kernel. */
	return msg.msg_flags & MSG_CTRUNC ? -EMSGSIZE : n;
}
