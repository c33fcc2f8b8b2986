/* SPDX-License-Identifier: Apache-2.0 */
/* SCM_RIGHTS and SCM_CREDENTIALS: descriptors in flight, truncation, closing, cycles, limits. */
#include "tests/contract/contract.h"
#include <sys/socket.h>
#include <sys/un.h>

static long send_fds(int s, const int *fds, int n, const char *data)
{
	char control[CMSG_SPACE(300 * sizeof(int))] = "";
	struct iovec iov = { (void *)data, strlen(data) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = CMSG_SPACE(n * sizeof(int)) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	return sendmsg(s, &m, 0);
}

/* Receives with room for @room descriptors; returns how many came. */
static int receive(const char *what, int s, int room, int *fds, int flags)
{
	char control[4096] = "", buf[64] = "";
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			    .msg_controllen = room < 0 ? 0 : CMSG_SPACE(room * sizeof(int)) };
	ssize_t n = recvmsg(s, &m, flags | MSG_DONTWAIT);
	int got = 0;

	if (n < 0) {
		say("%s: %s", what, errno_name(errno));
		return 0;
	}
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
			got = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
			memcpy(fds, CMSG_DATA(c), got * sizeof(int));
		}
	say("%s: \"%s\" with %d descriptors, flags %#x", what, buf, got, m.msg_flags & ~0x40000000);
	return got;
}

int main(void)
{
	int sv[2], fds[300], got[300], p[2], fd, n;
	char buf[32] = "";

	scratch();
	put_file("f", "0123456789", 0644);
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
	SECTION("one");
	fd = MUST(open("f", O_RDWR));
	CALL(lseek(fd, 4, SEEK_SET));
	CALL(send_fds(sv[0], &fd, 1, "one"));
	close(fd);
	n = receive("one", sv[1], 1, got, 0);
	CALL(read(got[0], buf, 3));
	STR(buf);
	CALL(fcntl(got[0], F_GETFD));
	close(got[0]);
	SECTION("several, close-on-exec");
	MUST(pipe(p));
	fds[0] = p[0], fds[1] = p[1], fds[2] = p[0];
	CALL(send_fds(sv[0], fds, 3, "three"));
	n = receive("three", sv[1], 3, got, MSG_CMSG_CLOEXEC);
	CALL(fcntl(got[0], F_GETFD));
	CALL(write(got[1], "through", 7));
	CALL(read(got[2], buf, 7));
	for (int i = 0; i < n; i++)
		close(got[i]);
	SECTION("no room: truncated, and the rest is closed");
	CALL(send_fds(sv[0], fds, 3, "trunc"));
	n = receive("room for one", sv[1], 1, got, 0);
	for (int i = 0; i < n; i++)
		close(got[i]);
	CALL(send_fds(sv[0], fds, 2, "none"));
	receive("no room", sv[1], -1, got, 0);
	SECTION("a message ends where the descriptors begin");
	CALL(write(sv[0], "plain", 5));
	CALL(send_fds(sv[0], fds, 1, "with"));
	CALL(write(sv[0], "after", 5));
	receive("first", sv[1], 1, got, 0);
	n = receive("second", sv[1], 1, got, 0);
	receive("third", sv[1], 1, got, 0);
	if (n)
		close(got[0]);
	SECTION("peeking duplicates");
	CALL(send_fds(sv[0], fds, 1, "peek"));
	n = receive("peek", sv[1], 1, got, MSG_PEEK);
	YES(n == 1 && fcntl(got[0], F_GETFD) >= 0);
	n = receive("taken", sv[1], 1, got + 1, 0);
	YES(n == 1 && got[0] != got[1]);
	SECTION("in flight when the receiver closes");
	close(p[0]);
	close(got[0]);
	close(got[1]);
	MUST(pipe(p));
	CALL(send_fds(sv[0], &p[1], 1, "lost"));
	close(p[1]);
	close(sv[0]);
	close(sv[1]);
	/* the last writer is gone only when the queue was freed */
	CALL(read(p[0], buf, 1));
	SECTION("a socket sent to itself");
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
	CALL(send_fds(sv[0], &sv[1], 1, "self"));
	close(sv[0]);
	close(sv[1]);
	SECTION("refusals");
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
	fd = 999;
	CALL(send_fds(sv[0], &fd, 1, "bad"));
	for (int i = 0; i < 300; i++)
		fds[i] = sv[0];
	CALL(send_fds(sv[0], fds, 253, "most"));
	n = receive("most", sv[1], 253, got, 0);
	for (int i = 0; i < n; i++)
		close(got[i]);
	CALL(send_fds(sv[0], fds, 254, "too many"));
	SECTION("credentials");
	int on = 1;
	char control[256];
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	CALL(setsockopt(sv[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)));
	pid_t pid = MUST(fork());
	if (pid == 0) {
		write(sv[0], "x", 1);
		_exit(0);
	}
	reap("child", pid);
	CALL(recvmsg(sv[1], &m, 0));
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	YES(c && c->cmsg_type == SCM_CREDENTIALS);
	struct ucred cr;
	memcpy(&cr, CMSG_DATA(c), sizeof(cr));
	YES(cr.pid == pid && cr.uid == getuid() && cr.gid == getgid());
	return 0;
}
