/* SPDX-License-Identifier: Apache-2.0 */
/* TCP sockets of the host: made by the network helper, used by the sentry, which gets them ready. */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "platform/host/host.h"
#include "platform/host/host_internal.h"

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

static socklen_t to_sockaddr(const uint8_t addr[16], uint16_t port, struct sockaddr_storage *ret)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;
	struct sockaddr_in *in = (struct sockaddr_in *)ret;

	memset(ret, 0, sizeof(*ret));
	if (!memcmp(addr, mapped, sizeof(mapped))) {
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		memcpy(&in->sin_addr, addr + 12, 4);
		return sizeof(*in);
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(port);
	memcpy(&in6->sin6_addr, addr, 16);
	return sizeof(*in6);
}

static void from_sockaddr(const struct sockaddr_storage *sa, uint8_t ret_addr[16], uint16_t *ret_port)
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)sa;
	const struct sockaddr_in *in = (const struct sockaddr_in *)sa;

	if (sa->ss_family == AF_INET) {
		memcpy(ret_addr, mapped, sizeof(mapped));
		memcpy(ret_addr + 12, &in->sin_addr, 4);
		*ret_port = ntohs(in->sin_port);
		return;
	}
	memcpy(ret_addr, &in6->sin6_addr, 16);
	*ret_port = ntohs(in6->sin6_port);
}

static int stream_socket(const struct sockaddr_storage *sa)
{
	return ret_errno(socket(sa->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP));
}

int host_stream_error(int fd)
{
	int err = 0;
	socklen_t len = sizeof(err);

	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) ? -errno : -err;
}

int host_stream_connect(const uint8_t addr[16], uint16_t port, int *ret_fd)
{
	struct sockaddr_storage sa;
	socklen_t len = to_sockaddr(addr, port, &sa);
	int fd = stream_socket(&sa), err;
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	if (fd < 0)
		return fd;
	err = retry_eintr(connect(fd, (struct sockaddr *)&sa, len));
	/* On the host's own addresses it is over at once, but for the error code. */
	if (err == -EINPROGRESS && poll(&p, 1, 0) == 1)
		err = host_stream_error(fd);
	if (err && err != -EINPROGRESS) {
		close(fd);
		return err;
	}
	*ret_fd = fd;
	return err;
}

int host_stream_listen(const uint8_t addr[16], uint16_t port, int backlog)
{
	struct sockaddr_storage sa;
	socklen_t len = to_sockaddr(addr, port, &sa);
	int fd = stream_socket(&sa), err, one = 1;

	if (fd < 0)
		return fd;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	err = ret_errno(bind(fd, (struct sockaddr *)&sa, len));
	if (!err)
		err = ret_errno(listen(fd, backlog));
	if (!err)
		return fd;
	close(fd);
	return err;
}

int host_stream_accept(int fd, uint8_t ret_addr[16], uint16_t *ret_port)
{
	struct sockaddr_storage sa = { 0 };
	socklen_t len = sizeof(sa);
	int s = retry_eintr(accept4(fd, (struct sockaddr *)&sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC));

	if (s >= 0)
		from_sockaddr(&sa, ret_addr, ret_port);
	return s;
}

ssize_t host_stream_send(int fd, const void *buf, size_t len, int flags)
{
	return retry_eintr(sendto(fd, buf, len, flags | MSG_NOSIGNAL | MSG_DONTWAIT, NULL, 0));
}

ssize_t host_stream_recv(int fd, void *buf, size_t len, int flags)
{
	return retry_eintr(recvfrom(fd, buf, len, flags | MSG_DONTWAIT, NULL, NULL));
}

int host_stream_shutdown(int fd, int how)
{
	return ret_errno(shutdown(fd, how));
}

int host_stream_setopt(int fd, int level, int name, const void *val, unsigned len)
{
	return ret_errno(setsockopt(fd, level, name, val, len));
}

int host_stream_getopt(int fd, int level, int name, void *val, unsigned *len)
{
	socklen_t n = *len;
	int err = ret_errno(getsockopt(fd, level, name, val, &n));

	*len = n;
	return err;
}

int host_stream_ioctl(int fd, unsigned cmd, int *ret)
{
	return ret_errno(ioctl(fd, cmd, ret));
}
