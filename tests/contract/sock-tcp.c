/* SPDX-License-Identifier: Apache-2.0 */
/* TCP over 127.0.0.1: the life of a connection, options, refusal, half close, reset, non-blocking, big transfers. */
#include "tests/contract/contract.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static struct sockaddr_in loopback(int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	return a;
}

static int tcp(void)
{
	return MUST(socket(AF_INET, SOCK_STREAM, 0));
}

static int listener(struct sockaddr_in *ret)
{
	struct sockaddr_in a = loopback(0);
	socklen_t len = sizeof(*ret);
	int s = tcp();

	MUST(bind(s, (struct sockaddr *)&a, sizeof(a)));
	MUST(listen(s, 8));
	MUST(getsockname(s, (struct sockaddr *)ret, &len));
	return s;
}

static void pair(int sv[2])
{
	struct sockaddr_in a;
	int l = listener(&a);

	sv[0] = tcp();
	MUST(connect(sv[0], (struct sockaddr *)&a, sizeof(a)));
	sv[1] = MUST(accept(l, NULL, NULL));
	close(l);
}

static long opt(int s, int level, int name)
{
	int v = -1;
	socklen_t len = sizeof(v);

	return getsockopt(s, level, name, &v, &len) < 0 ? -1000 - errno : v;
}

static void wait_events(int fd, int events)
{
	struct pollfd p = { fd, events, 0 };

	int n = poll(&p, 1, 5000);

	say("poll: %d %#x", n, p.revents);
}

int main(void)
{
	struct sockaddr_in a, b, peer;
	socklen_t len;
	char buf[65536];
	int l, s, c, sv[2], n;

	signal(SIGPIPE, SIG_IGN);
	SECTION("connecting");
	l = listener(&a);
	YES(ntohs(a.sin_port) > 1023);
	s = tcp();
	CALL(connect(s, (struct sockaddr *)&a, sizeof(a)));
	CALL(connect(s, (struct sockaddr *)&a, sizeof(a)));
	len = sizeof(peer);
	c = OK(accept4(l, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC));
	SHOW(len);
	YES(fcntl(c, F_GETFL) & O_NONBLOCK);
	YES(fcntl(c, F_GETFD) == FD_CLOEXEC);
	len = sizeof(b);
	CALL(getsockname(s, (struct sockaddr *)&b, &len));
	YES(b.sin_port == peer.sin_port && b.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
	len = sizeof(b);
	CALL(getpeername(s, (struct sockaddr *)&b, &len));
	YES(b.sin_port == a.sin_port);
	SECTION("data");
	CALL(read(c, buf, 10));
	CALL(send(s, "hello world", 11, 0));
	wait_events(c, POLLIN);
	CALL(recv(c, buf, 5, MSG_PEEK));
	CALL(ioctl(c, FIONREAD, &n));
	SHOW(n);
	CALL(recv(c, buf, 5, 0));
	CALL(recv(c, buf, 100, MSG_TRUNC));
	CALL(recv(c, buf, 100, 0));
	SECTION("half close");
	CALL(shutdown(s, SHUT_WR));
	wait_events(c, POLLIN | POLLRDHUP);
	CALL(read(c, buf, 10));
	CALL(write(s, "x", 1));
	CALL(write(c, "reply", 5));
	CALL(recv(s, buf, 5, MSG_WAITALL));
	close(c);
	wait_events(s, POLLIN);
	CALL(read(s, buf, 10));
	close(s);
	SECTION("refused");
	close(l);
	s = tcp();
	CALL(connect(s, (struct sockaddr *)&a, sizeof(a)));
	close(s);
	s = tcp();
	fcntl(s, F_SETFL, O_NONBLOCK);
	n = connect(s, (struct sockaddr *)&a, sizeof(a));
	YES(n < 0 && (errno == EINPROGRESS || errno == ECONNREFUSED));
	wait_events(s, POLLOUT);
	SHOW(opt(s, SOL_SOCKET, SO_ERROR));
	close(s);
	SECTION("non-blocking connect");
	l = listener(&a);
	s = tcp();
	fcntl(s, F_SETFL, O_NONBLOCK);
	n = connect(s, (struct sockaddr *)&a, sizeof(a));
	YES(n == 0 || errno == EINPROGRESS);
	wait_events(s, POLLOUT);
	SHOW(opt(s, SOL_SOCKET, SO_ERROR));
	c = MUST(accept(l, NULL, NULL));
	fcntl(l, F_SETFL, O_NONBLOCK);
	CALL(accept(l, NULL, NULL));
	close(s);
	close(c);
	SECTION("reset by linger");
	pair(sv);
	struct linger lg = { 1, 0 };
	CALL(setsockopt(sv[0], SOL_SOCKET, SO_LINGER, &lg, sizeof(lg)));
	close(sv[0]);
	wait_events(sv[1], POLLIN);
	CALL(read(sv[1], buf, 1));
	CALL(read(sv[1], buf, 1));
	CALL(write(sv[1], buf, 1));
	close(sv[1]);
	SECTION("writing to a closed peer");
	pair(sv);
	close(sv[1]);
	wait_events(sv[0], POLLIN);
	CALL(write(sv[0], "x", 1));
	for (int i = 0; i < 500 && write(sv[0], "x", 1) > 0; i++)
		sleep_ms(2);
	CALL(write(sv[0], "x", 1));
	close(sv[0]);
	SECTION("options");
	s = tcp();
	SHOW(opt(s, SOL_SOCKET, SO_TYPE));
	SHOW(opt(s, SOL_SOCKET, SO_PROTOCOL));
	SHOW(opt(s, SOL_SOCKET, SO_DOMAIN));
	SHOW(opt(s, SOL_SOCKET, SO_ACCEPTCONN));
	SHOW(opt(s, SOL_SOCKET, SO_REUSEADDR));
	n = 1;
	CALL(setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &n, sizeof(n)));
	SHOW(opt(s, SOL_SOCKET, SO_REUSEADDR));
	CALL(setsockopt(s, SOL_SOCKET, SO_KEEPALIVE, &n, sizeof(n)));
	SHOW(opt(s, SOL_SOCKET, SO_KEEPALIVE));
	SHOW(opt(s, IPPROTO_TCP, TCP_NODELAY));
	CALL(setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &n, sizeof(n)));
	SHOW(opt(s, IPPROTO_TCP, TCP_NODELAY));
	YES(opt(s, SOL_SOCKET, SO_RCVBUF) > 2000);
	YES(opt(s, SOL_SOCKET, SO_SNDBUF) > 2000);
	CALL(setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &n, 2));
	CALL(setsockopt(s, SOL_SOCKET, 7777, &n, sizeof(n)));
	CALL(setsockopt(s, 7777, 1, &n, sizeof(n)));
	CALL(setsockopt(s, SOL_SOCKET, SO_REUSEADDR, BAD_PTR, sizeof(n)));
	len = 2;
	CALL(getsockopt(s, SOL_SOCKET, SO_TYPE, &n, &len));
	SHOW(len);
	close(s);
	SECTION("addresses in use");
	s = tcp();
	CALL(bind(s, (struct sockaddr *)&a, sizeof(a)));
	b = loopback(0);
	b.sin_addr.s_addr = htonl(0x08080808);
	CALL(bind(s, (struct sockaddr *)&b, sizeof(b)));
	b.sin_family = 77;
	CALL(bind(s, (struct sockaddr *)&b, sizeof(b)));
	CALL(bind(s, (struct sockaddr *)&a, 4));
	CALL(connect(s, (struct sockaddr *)&a, 4));
	CALL(getpeername(s, (struct sockaddr *)&peer, &len));
	CALL(shutdown(s, SHUT_RD));
	CALL(send(s, "x", 1, 0));
	CALL(recv(s, buf, 1, 0));
	CALL(accept(s, NULL, NULL));
	close(s);
	SECTION("ten megabytes, both ways at once");
	pair(sv);
	pid_t pid = MUST(fork());
	if (pid == 0) {
		unsigned long sum = 0, total = 0;

		close(sv[0]);
		while (total < 10 << 20) {
			ssize_t r = read(sv[1], buf, sizeof(buf));

			if (r <= 0)
				break;
			for (ssize_t i = 0; i < r; i++)
				sum = sum * 31 + (unsigned char)buf[i];
			total += r;
			write_all(sv[1], buf, r);
		}
		say("received %lu sum %lx", total, sum);
		_exit(0);
	}
	close(sv[1]);
	fcntl(sv[0], F_SETFL, O_NONBLOCK);
	unsigned long out = 0, in = 0, bad = 0;
	unsigned char chunk[65536];
	while (in < 10 << 20) {
		struct pollfd p = { sv[0], POLLIN | (out < 10 << 20 ? POLLOUT : 0), 0 };

		if (poll(&p, 1, 10000) <= 0)
			break;
		if (p.revents & POLLOUT && out < 10 << 20) {
			size_t k = (10 << 20) - out < sizeof(chunk) ? (10 << 20) - out : sizeof(chunk);

			for (size_t i = 0; i < k; i++)
				chunk[i] = (unsigned char)((out + i) * 7 >> 3);
			ssize_t w = write(sv[0], chunk, k);
			out += w > 0 ? w : 0;
		}
		if (p.revents & POLLIN) {
			ssize_t r = read(sv[0], buf, sizeof(buf));

			for (ssize_t i = 0; i < r; i++)
				bad += (unsigned char)buf[i] != (unsigned char)((in + i) * 7 >> 3);
			if (r <= 0)
				break;
			in += r;
		}
	}
	reap("echo", pid);
	say("out %lu in %lu bad %lu", out, in, bad);
	return 0;
}
