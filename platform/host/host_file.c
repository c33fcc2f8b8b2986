/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors and their data. */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "platform/host/host.h"
#include "platform/host/host_internal.h"

int host_openat(int dirfd, const char *path, int flags, unsigned mode)
{
	return retry_eintr(openat(dirfd, path, flags | O_CLOEXEC, mode));
}

int host_openat2(int dirfd, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve)
{
	struct open_how how = { .flags = flags | O_CLOEXEC, .mode = mode, .resolve = resolve };
	int r, tries = 0;

	do
		r = (int)retry_eintr(syscall(SYS_openat2, dirfd, path, &how, sizeof(how)));
	while (r == -EAGAIN && ++tries < 32);
	return r;
}

int host_reopen(int fd, int flags)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return host_openat(AT_FDCWD, path, flags & ~O_NOFOLLOW, 0);
}

int host_close(int fd)
{
	return ret_errno(close(fd));
}

int host_dup(int fd, int min)
{
	return ret_errno(fcntl(fd, F_DUPFD_CLOEXEC, min));
}

int host_dup3(int fd, int newfd)
{
	return ret_errno(dup3(fd, newfd, O_CLOEXEC));
}

int host_dup2(int fd, int newfd)
{
	return ret_errno(dup3(fd, newfd, 0));
}

/* Before Linux 5.9, or where a filter does not know the call, one by one: what stays open would keep peers waiting. */
int host_close_range(unsigned first, unsigned last)
{
	int err = (int)ret_errno(syscall(SYS_close_range, first, last, 0));
	struct rlimit lim;

	if (err != -ENOSYS && err != -EPERM)
		return err;
	if (getrlimit(RLIMIT_NOFILE, &lim) < 0)
		return -errno;
	if (last >= lim.rlim_max)
		last = (unsigned)lim.rlim_max - 1;
	for (unsigned fd = first; fd <= last; fd++)
		close((int)fd);
	return 0;
}

int host_fcntl_getfl(int fd)
{
	return ret_errno(fcntl(fd, F_GETFL));
}

int host_fcntl_setfl(int fd, int flags)
{
	return ret_errno(fcntl(fd, F_SETFL, flags));
}

int host_set_cloexec(int fd, bool on)
{
	return ret_errno(fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0));
}

ssize_t host_read(int fd, void *buf, size_t len)
{
	return ret_errno(read(fd, buf, len));
}

ssize_t host_write(int fd, const void *buf, size_t len)
{
	return ret_errno(write(fd, buf, len));
}

ssize_t host_readv(int fd, const struct iovec *iov, int nr)
{
	return ret_errno(readv(fd, iov, nr));
}

ssize_t host_writev(int fd, const struct iovec *iov, int nr)
{
	return ret_errno(writev(fd, iov, nr));
}

ssize_t host_pread(int fd, void *buf, size_t len, uint64_t off)
{
	return retry_eintr(pread(fd, buf, len, (off_t)off));
}

ssize_t host_pwrite(int fd, const void *buf, size_t len, uint64_t off)
{
	return retry_eintr(pwrite(fd, buf, len, (off_t)off));
}

ssize_t host_preadv(int fd, const struct iovec *iov, int nr, uint64_t off)
{
	return retry_eintr(preadv(fd, iov, nr, (off_t)off));
}

ssize_t host_pwritev(int fd, const struct iovec *iov, int nr, uint64_t off)
{
	return retry_eintr(pwritev(fd, iov, nr, (off_t)off));
}

int host_pread_full(int fd, void *buf, size_t len, uint64_t off)
{
	while (len) {
		ssize_t n = host_pread(fd, buf, len, off);

		if (n <= 0)
			return n ? (int)n : -EIO;
		buf = (char *)buf + n;
		off += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

int host_pwrite_full(int fd, const void *buf, size_t len, uint64_t off)
{
	while (len) {
		ssize_t n = host_pwrite(fd, buf, len, off);

		if (n <= 0)
			return n ? (int)n : -EIO;
		buf = (const char *)buf + n;
		off += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

int host_write_full(int fd, const void *buf, size_t len)
{
	while (len) {
		ssize_t n = retry_eintr(write(fd, buf, len));

		if (n <= 0)
			return n ? (int)n : -EIO;
		buf = (const char *)buf + n;
		len -= (size_t)n;
	}
	return 0;
}

int64_t host_lseek(int fd, int64_t off, int whence)
{
	return ret_errno(lseek(fd, off, whence));
}

int host_ftruncate(int fd, uint64_t size)
{
	return retry_eintr(ftruncate(fd, (off_t)size));
}

int host_fallocate(int fd, int mode, uint64_t off, uint64_t len)
{
	return retry_eintr(fallocate(fd, mode, (off_t)off, (off_t)len));
}

int host_punch_hole(int fd, uint64_t off, uint64_t len)
{
	return host_fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, off, len);
}

int host_fsync(int fd)
{
	return retry_eintr(fsync(fd));
}

int host_fdatasync(int fd)
{
	return retry_eintr(fdatasync(fd));
}

int host_sync_file_range(int fd, uint64_t off, uint64_t len, unsigned flags)
{
	return retry_eintr(sync_file_range(fd, (off_t)off, (off_t)len, flags));
}

int host_fadvise(int fd, uint64_t off, uint64_t len, int advice)
{
	return -posix_fadvise(fd, (off_t)off, (off_t)len, advice);
}

ssize_t host_copy_file_range(int in, int64_t *off_in, int out, int64_t *off_out, size_t len, unsigned flags)
{
	return ret_errno(copy_file_range(in, off_in, out, off_out, len, flags));
}

int host_flock(int fd, int op)
{
	return ret_errno(flock(fd, op));
}

int host_poll(struct pollfd *fds, unsigned nr, int timeout_ms)
{
	return ret_errno(poll(fds, nr, timeout_ms));
}

int host_ppoll(struct pollfd *fds, unsigned nr, int64_t timeout_ns)
{
	struct timespec ts = { timeout_ns / 1000000000, timeout_ns % 1000000000 };

	return ret_errno(ppoll(fds, nr, timeout_ns < 0 ? NULL : &ts, NULL));
}

int host_eventfd(unsigned count, int flags)
{
	return ret_errno(eventfd(count, flags | EFD_CLOEXEC));
}

int host_eventfd_signal(int fd)
{
	uint64_t one = 1;
	ssize_t n = retry_eintr(write(fd, &one, sizeof(one)));

	return n < 0 ? (int)n : 0;
}

int host_eventfd_drain(int fd)
{
	uint64_t count;
	ssize_t n = retry_eintr(read(fd, &count, sizeof(count)));

	return n < 0 ? (int)n : 0;
}

int host_epoll_create(void)
{
	return ret_errno(epoll_create1(EPOLL_CLOEXEC));
}

int host_epoll_ctl(int epfd, int op, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event ev = { .events = events, .data.u64 = data };

	return ret_errno(epoll_ctl(epfd, op, fd, &ev));
}

int host_epoll_wait(int epfd, int timeout_ms, uint64_t *ret_data)
{
	uint32_t events;

	return host_epoll_wait_events(epfd, timeout_ms, ret_data, &events);
}

int host_epoll_wait_events(int epfd, int timeout_ms, uint64_t *ret_data, uint32_t *ret_events)
{
	struct epoll_event ev;
	int n = ret_errno(epoll_wait(epfd, &ev, 1, timeout_ms));

	if (n > 0)
		*ret_data = ev.data.u64;
	if (n > 0)
		*ret_events = ev.events;
	return n;
}

int host_pipe2(int ret_fds[2], int flags)
{
	return ret_errno(pipe2(ret_fds, flags | O_CLOEXEC));
}

int host_socketpair(int type, int ret_fds[2])
{
	return ret_errno(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ret_fds));
}

int host_unix_connect(const char *path)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd, err;

	if (strlen(path) >= sizeof(name.sun_path))
		return -ENAMETOOLONG;
	strcpy(name.sun_path, path);
	fd = ret_errno(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
	if (fd < 0)
		return fd;
	err = ret_errno(connect(fd, (struct sockaddr *)&name, sizeof(name)));
	if (err < 0)
		close(fd);
	return err < 0 ? err : fd;
}

ssize_t host_send_fd(int sock, const void *buf, size_t len, int fd)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { (void *)(uintptr_t)buf, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		struct cmsghdr *cmsg;

		msg.msg_control = control.buf;
		msg.msg_controllen = sizeof(control.buf);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cmsg), &fd, sizeof(int));
	}
	return ret_errno(sendmsg(sock, &msg, MSG_NOSIGNAL));
}

ssize_t host_recv_fd(int sock, void *buf, size_t len, int *ret_fd)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { buf, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf,
			      .msg_controllen = sizeof(control.buf) };
	ssize_t n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	struct cmsghdr *cmsg;

	if (n < 0)
		return -errno;
	*ret_fd = -1;
	cmsg = CMSG_FIRSTHDR(&msg);
	if (cmsg && cmsg->cmsg_level == SOL_SOCKET && cmsg->cmsg_type == SCM_RIGHTS &&
	    cmsg->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(ret_fd, CMSG_DATA(cmsg), sizeof(int));
	return n;
}
