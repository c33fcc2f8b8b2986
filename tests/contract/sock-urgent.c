/* SPDX-License-Identifier: Apache-2.0 */
/* Urgent data over 127.0.0.1: MSG_OOB, the mark, SO_OOBINLINE, POLLPRI, SIGURG, FIONREAD. */
#include "tests/contract/contract.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static int a, b;
static volatile sig_atomic_t urgs;

static void on_urg(int sig)
{
	urgs += sig == SIGURG;
}

static void pair(void)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(addr);
	int l = MUST(socket(AF_INET, SOCK_STREAM, 0)), one = 1;

	MUST(bind(l, (struct sockaddr *)&addr, sizeof(addr)));
	MUST(listen(l, 5));
	MUST(getsockname(l, (struct sockaddr *)&addr, &len));
	a = MUST(socket(AF_INET, SOCK_STREAM, 0));
	MUST(connect(a, (struct sockaddr *)&addr, sizeof(addr)));
	b = MUST(accept(l, NULL, NULL));
	MUST(setsockopt(a, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)));
	close(l);
}

static void end(void)
{
	close(a);
	close(b);
}

/* What poll and the ioctls say of the receiving end, once @want is among the events. */
static void state(short want)
{
	struct pollfd p = { b, POLLIN | POLLPRI | POLLRDHUP | POLLRDNORM | POLLRDBAND, 0 };
	int mark = -1, n = -1;

	for (int i = 0; i < 200 && !(poll(&p, 1, 0) >= 0 && (p.revents & want) == want); i++)
		usleep(10000);
	ioctl(b, SIOCATMARK, &mark);
	ioctl(b, FIONREAD, &n);
	say("events %#x, at mark %d, readable %d", p.revents, mark, n);
}

static void get(int flags)
{
	char buf[32];
	ssize_t n = recv(b, buf, sizeof(buf) - 1, flags | MSG_DONTWAIT);

	if (n < 0)
		say("recv %#x: %s", flags, errno_name(errno));
	else
		say("recv %#x: '%.*s'", flags, (int)n, buf);
}

int main(void)
{
	char buf[8] = "";
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	int one = 1, mark;

	signal(SIGURG, on_urg);
	signal(SIGPIPE, SIG_IGN);
	SECTION("none");
	pair();
	get(MSG_OOB);
	state(0);
	end();

	SECTION("in the middle");
	pair();
	MUST(fcntl(b, F_SETOWN, getpid()));
	CALL(send(a, "abc", 3, 0));
	CALL(send(a, "dU", 2, MSG_OOB));
	CALL(send(a, "xyz", 3, 0));
	state(POLLIN | POLLPRI);
	for (int i = 0; i < 100 && !urgs; i++)
		usleep(10000);
	YES(urgs == 1);
	get(MSG_OOB | MSG_PEEK);
	get(MSG_PEEK);
	get(0);
	state(POLLIN);
	get(MSG_OOB);
	get(MSG_OOB);
	state(POLLIN);
	get(MSG_PEEK);
	get(0);
	state(0);
	get(0);
	get(MSG_OOB);
	end();

	SECTION("alone");
	pair();
	CALL(send(a, "U", 1, MSG_OOB));
	state(POLLPRI);
	get(0);
	get(MSG_OOB);
	state(0);
	CALL(send(a, "V", 1, MSG_OOB));
	state(POLLPRI);
	CALL(recvmsg(b, &m, MSG_OOB));
	HEX(m.msg_flags & MSG_OOB);
	end();

	SECTION("passed over unread");
	pair();
	CALL(send(a, "aU", 2, MSG_OOB));
	CALL(send(a, "b", 1, 0));
	state(POLLIN | POLLPRI);
	get(0);
	get(0);
	get(MSG_OOB);
	state(0);
	end();

	SECTION("two");
	pair();
	CALL(send(a, "aU", 2, MSG_OOB));
	state(POLLPRI);
	CALL(send(a, "bV", 2, MSG_OOB));
	CALL(send(a, "c", 1, 0));
	usleep(50000);
	state(POLLIN | POLLPRI);
	get(0);
	get(MSG_OOB);
	get(0);
	end();

	SECTION("in line");
	pair();
	MUST(setsockopt(b, SOL_SOCKET, SO_OOBINLINE, &one, sizeof(one)));
	CALL(send(a, "aU", 2, MSG_OOB));
	CALL(send(a, "b", 1, 0));
	state(POLLIN | POLLPRI);
	get(MSG_OOB);
	get(0);
	MUST(ioctl(b, SIOCATMARK, &mark));
	SHOW(mark);
	get(0);
	MUST(ioctl(b, SIOCATMARK, &mark));
	SHOW(mark);
	end();

	SECTION("elsewhere");
	a = MUST(socket(AF_INET, SOCK_DGRAM, 0));
	CALL(send(a, "x", 1, MSG_OOB));
	CALL(recv(a, buf, 1, MSG_OOB | MSG_DONTWAIT));
	close(a);
	a = MUST(socket(AF_INET, SOCK_STREAM, 0));
	CALL(recv(a, buf, 1, MSG_OOB));
	MUST(listen(a, 1));
	CALL(recv(a, buf, 1, MSG_OOB));
	close(a);

	SECTION("counting after a part was read");
	pair();
	CALL(send(a, "0123456789", 10, 0));
	state(POLLIN);
	CALL(recv(b, buf, 3, 0));
	state(POLLIN);
	end();
	return 0;
}
