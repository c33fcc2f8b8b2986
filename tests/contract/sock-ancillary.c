/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What control messages tell and what datagram options do: times of arrival, destinations, drops, filters, corks, segments,
 * MSG_ZEROCOPY, SCM_PIDFD, TCP_INQ.
 */
#include "tests/contract/contract.h"
#include <arpa/inet.h>
#include <linux/errqueue.h>
#include <linux/filter.h>
#include <linux/net_tstamp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#ifndef SO_RCVMARK
#define SO_RCVMARK 75
#endif
#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76
#define SO_PEERPIDFD 77
#endif
#ifndef SCM_PIDFD
#define SCM_PIDFD 4
#endif
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef TCP_CM_INQ
#define TCP_INQ 36
#define TCP_CM_INQ TCP_INQ
#endif

static int set_int(int s, int level, int name, int v)
{
	return setsockopt(s, level, name, &v, sizeof(v));
}

static int get_int(int s, int level, int name)
{
	int v = -1;
	socklen_t len = sizeof(v);

	return getsockopt(s, level, name, &v, &len) ? -1 : v;
}

/* Two UDP sockets; the second is bound, the first connected to it. */
static void udp_pair(int family, int sk[2])
{
	struct sockaddr_storage a = { .ss_family = family };
	socklen_t len = sizeof(a);

	sk[0] = MUST(socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	sk[1] = MUST(socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	if (family == AF_INET)
		((struct sockaddr_in *)&a)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else
		((struct sockaddr_in6 *)&a)->sin6_addr = in6addr_loopback;
	MUST(bind(sk[1], (struct sockaddr *)&a, family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6)));
	MUST(getsockname(sk[1], (struct sockaddr *)&a, &len));
	MUST(connect(sk[0], (struct sockaddr *)&a, len));
}

static void close_pair(int sk[2])
{
	close(sk[0]);
	close(sk[1]);
}

static bool about_now(const void *data, bool us)
{
	struct timespec ts, now;

	memcpy(&ts, data, sizeof(ts));
	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec - ts.tv_sec < 100 && ts.tv_nsec < (us ? 1000000 : 1000000000);
}

/* Receives one message and names its control messages. */
static ssize_t receive(int s, int flags)
{
	char data[2048], control[1024];
	struct iovec iov = { data, sizeof(data) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(s, &m, flags | MSG_DONTWAIT);

	if (n < 0) {
		say("recvmsg: %s", errno_name(errno));
		return n;
	}
	say("%zd bytes, flags %#x", n, m.msg_flags);
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		size_t len = c->cmsg_len - CMSG_LEN(0);

		say("  level %d type %d, %zu bytes", c->cmsg_level, c->cmsg_type, len);
		if (c->cmsg_level == SOL_SOCKET && (c->cmsg_type == SO_TIMESTAMP || c->cmsg_type == SO_TIMESTAMPNS))
			say("  now: %s", about_now(CMSG_DATA(c), c->cmsg_type == SO_TIMESTAMP) ? "yes" : "no");
		else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_TIMESTAMPING)
			say("  now: %s, hardware: %s", about_now(CMSG_DATA(c), false) ? "yes" : "no",
			    all_bytes(CMSG_DATA(c) + 16, 0, 32) ? "no" : "yes");
		else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_ORIGDSTADDR)
			say("  to %s", inet_ntoa(((struct sockaddr_in *)CMSG_DATA(c))->sin_addr));
		else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_PIDFD)
			close(*(int *)CMSG_DATA(c));
		else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) {
			struct sock_extended_err e;

			memcpy(&e, CMSG_DATA(c), sizeof(e));
			say("  errno %u origin %u type %u code %u info %u data %u", e.ee_errno, e.ee_origin, e.ee_type, e.ee_code,
			    e.ee_info, e.ee_data);
		} else if (len == 4)
			say("  value %d", *(int *)CMSG_DATA(c));
	}
	return n;
}

static void stamps(void)
{
	int sk[2], v = SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_RX_SOFTWARE;

	SECTION("times");
	udp_pair(AF_INET, sk);
	MUST(send(sk[0], "early", 5, 0));
	CALL(set_int(sk[1], SOL_SOCKET, SO_TIMESTAMP, 1));
	SHOW(get_int(sk[1], SOL_SOCKET, SO_TIMESTAMP));
	SHOW(get_int(sk[1], SOL_SOCKET, SO_TIMESTAMPNS));
	receive(sk[1], 0);
	MUST(send(sk[0], "one", 3, 0));
	receive(sk[1], MSG_PEEK);
	receive(sk[1], 0);
	CALL(set_int(sk[1], SOL_SOCKET, SO_TIMESTAMPNS, 1));
	SHOW(get_int(sk[1], SOL_SOCKET, SO_TIMESTAMP));
	SHOW(get_int(sk[1], SOL_SOCKET, SO_TIMESTAMPNS));
	MUST(send(sk[0], "two", 3, 0));
	receive(sk[1], 0);
	CALL(set_int(sk[1], SOL_SOCKET, SO_TIMESTAMPING, v));
	for (int i = 0; i < 100; i++) { /* Linux begins to look at the clock a little later */
		struct cmsghdr *c;
		char data[16], control[128];
		struct iovec iov = { data, sizeof(data) };
		struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
		int other[2];

		udp_pair(AF_INET, other);
		MUST(set_int(other[1], SOL_SOCKET, SO_TIMESTAMPING, v));
		MUST(send(other[0], "x", 1, 0));
		MUST(recvmsg(other[1], &m, 0));
		c = CMSG_FIRSTHDR(&m);
		close_pair(other);
		if (c)
			break;
		sleep_ms(20);
	}
	MUST(send(sk[0], "three", 5, 0));
	receive(sk[1], 0);
	CALL(set_int(sk[1], SOL_SOCKET, SO_TIMESTAMP, 0));
	SHOW(get_int(sk[1], SOL_SOCKET, SO_TIMESTAMPNS));
	MUST(send(sk[0], "four", 4, 0));
	receive(sk[1], 0);
	CALL(set_int(sk[1], SOL_SOCKET, SO_TIMESTAMPING, 1 << 30));
	SHOW(get_int(sk[1], SOL_SOCKET, SO_TIMESTAMPING) == v);
	CALL(set_int(sk[1], SOL_SOCKET, SO_TIMESTAMPING, 0));
	MUST(send(sk[0], "five", 4, 0));
	receive(sk[1], 0);
	close_pair(sk);
}

static void destinations(void)
{
	int sk[2];

	SECTION("where it was sent to");
	udp_pair(AF_INET, sk);
	CALL(set_int(sk[1], IPPROTO_IP, IP_RECVORIGDSTADDR, 1));
	CALL(set_int(sk[1], IPPROTO_IP, IP_RECVTTL, 1));
	CALL(set_int(sk[1], IPPROTO_IP, IP_RECVTOS, 1));
	CALL(set_int(sk[0], IPPROTO_IP, IP_TTL, 7));
	MUST(send(sk[0], "x", 1, 0));
	receive(sk[1], 0);
	close_pair(sk);
	udp_pair(AF_INET6, sk);
	CALL(set_int(sk[1], IPPROTO_IPV6, IPV6_RECVPKTINFO, 1));
	CALL(set_int(sk[1], IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1));
	CALL(set_int(sk[1], IPPROTO_IPV6, IPV6_RECVTCLASS, 1));
	MUST(send(sk[0], "x", 1, 0));
	receive(sk[1], 0);
	close_pair(sk);
}

static void dropped(void)
{
	char big[1000] = { 0 };
	int sk[2], i;

	SECTION("dropped");
	udp_pair(AF_INET, sk);
	CALL(set_int(sk[1], SOL_SOCKET, SO_RCVBUF, 4096));
	CALL(set_int(sk[1], SOL_SOCKET, SO_RXQ_OVFL, 1));
	for (i = 0; i < 100; i++)
		MUST(send(sk[0], big, sizeof(big), 0));
	while (recv(sk[1], big, sizeof(big), MSG_DONTWAIT) > 0)
		;
	MUST(send(sk[0], "after", 5, 0));
	{
		char control[64], data[16];
		struct iovec iov = { data, sizeof(data) };
		struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
		struct cmsghdr *c;

		MUST(recvmsg(sk[1], &m, 0));
		c = CMSG_FIRSTHDR(&m);
		YES(c && c->cmsg_type == SO_RXQ_OVFL && *(int *)CMSG_DATA(c) > 10 && *(int *)CMSG_DATA(c) < 100);
	}
	close_pair(sk);
}

static int attach(int s, struct sock_filter *f, int n)
{
	struct sock_fprog p = { n, f };

	return setsockopt(s, SOL_SOCKET, SO_ATTACH_FILTER, &p, sizeof(p));
}

static void filters(void)
{
	/* Takes datagrams whose first byte, behind the UDP header, is 'a', and 3 bytes of them; of AF_UNIX there is no header. */
	struct sock_filter udp[] = { BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 8), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 'a', 0, 1),
				     BPF_STMT(BPF_RET | BPF_K, 11), BPF_STMT(BPF_RET | BPF_K, 0) };
	struct sock_filter local[] = { BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 'a', 0, 1),
				       BPF_STMT(BPF_RET | BPF_K, 3), BPF_STMT(BPF_RET | BPF_K, 0) };
	struct sock_filter port[] = { BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 4), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 8 + 4, 0, 1),
				      BPF_STMT(BPF_RET | BPF_K, 100), BPF_STMT(BPF_RET | BPF_K, 0) };
	struct sock_filter endless[] = { BPF_STMT(BPF_LD | BPF_IMM, 1) };
	struct sock_filter outside[] = { BPF_JUMP(BPF_JMP | BPF_JA, 5, 0, 0), BPF_STMT(BPF_RET | BPF_K, 0) };
	int sk[2], s;

	SECTION("filters");
	udp_pair(AF_INET, sk);
	CALL(set_int(sk[1], SOL_SOCKET, SO_DETACH_FILTER, 0));
	CALL(attach(sk[1], endless, 1));
	CALL(attach(sk[1], outside, 2));
	CALL(attach(sk[1], udp, 0));
	CALL(attach(sk[1], udp, 4));
	CALL(send(sk[0], "other", 5, 0));
	CALL(send(sk[0], "abcdef", 6, 0));
	receive(sk[1], 0);
	receive(sk[1], 0);
	CALL(attach(sk[1], port, 4));
	CALL(send(sk[0], "five5", 5, 0));
	CALL(send(sk[0], "four", 4, 0));
	receive(sk[1], 0);
	CALL(set_int(sk[1], SOL_SOCKET, SO_LOCK_FILTER, 1));
	CALL(set_int(sk[1], SOL_SOCKET, SO_DETACH_FILTER, 0));
	CALL(attach(sk[1], udp, 4));
	CALL(set_int(sk[1], SOL_SOCKET, SO_LOCK_FILTER, 0));
	close_pair(sk);
	MUST(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, sk));
	CALL(attach(sk[1], local, 4));
	CALL(send(sk[0], "bbb", 3, 0));
	CALL(send(sk[0], "aaaaa", 5, 0));
	receive(sk[1], 0);
	receive(sk[1], 0);
	CALL(set_int(sk[1], SOL_SOCKET, SO_DETACH_FILTER, 0));
	close_pair(sk);
	s = MUST(socket(AF_INET, SOCK_STREAM, 0));
	/* Newer kernels want a privilege for it. */
	if (!geteuid())
		CALL(attach(s, port, 4));
	close(s);
}

static void corks(void)
{
	static char big[65000];
	int sk[2];

	SECTION("corks");
	udp_pair(AF_INET, sk);
	CALL(send(sk[0], "one", 3, MSG_MORE));
	CALL(send(sk[0], "two", 3, MSG_MORE));
	receive(sk[1], 0);
	CALL(send(sk[0], "three", 5, 0));
	receive(sk[1], 0);
	CALL(set_int(sk[0], IPPROTO_UDP, UDP_CORK, 1));
	CALL(send(sk[0], "four", 4, 0));
	CALL(send(sk[0], "five", 4, 0));
	receive(sk[1], 0);
	CALL(set_int(sk[0], IPPROTO_UDP, UDP_CORK, 0));
	receive(sk[1], 0);
	CALL(set_int(sk[0], IPPROTO_UDP, UDP_CORK, 0));
	receive(sk[1], 0);
	CALL(send(sk[0], big, sizeof(big), MSG_MORE));
	CALL(send(sk[0], big, 1000, 0));
	CALL(send(sk[0], "after", 5, 0));
	receive(sk[1], 0);
	close_pair(sk);
	SECTION("segments");
	udp_pair(AF_INET, sk);
	CALL(set_int(sk[0], IPPROTO_UDP, UDP_SEGMENT, 100));
	SHOW(get_int(sk[0], IPPROTO_UDP, UDP_SEGMENT));
	CALL(send(sk[0], big, 250, 0));
	for (int i = 0; i < 4; i++)
		receive(sk[1], 0);
	CALL(send(sk[0], big, 100, 0));
	receive(sk[1], 0);
	CALL(set_int(sk[0], IPPROTO_UDP, UDP_SEGMENT, 1));
	CALL(send(sk[0], big, 1000, 0));
	CALL(set_int(sk[0], IPPROTO_UDP, UDP_SEGMENT, 70000));
	CALL(set_int(sk[0], IPPROTO_UDP, UDP_SEGMENT, 0));
	CALL(send(sk[0], big, 250, 0));
	receive(sk[1], 0);
	close_pair(sk);
}

static void zerocopy(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int l = MUST(socket(AF_INET, SOCK_STREAM, 0)), c, s;
	socklen_t len = sizeof(a);
	struct pollfd p;
	char buf[64];

	SECTION("MSG_ZEROCOPY");
	MUST(bind(l, (struct sockaddr *)&a, len));
	MUST(listen(l, 1));
	MUST(getsockname(l, (struct sockaddr *)&a, &len));
	c = MUST(socket(AF_INET, SOCK_STREAM, 0));
	MUST(connect(c, (struct sockaddr *)&a, len));
	s = MUST(accept(l, NULL, NULL));
	CALL(send(c, "plain", 5, MSG_ZEROCOPY));
	receive(c, MSG_ERRQUEUE);
	CALL(set_int(c, SOL_SOCKET, SO_ZEROCOPY, 2));
	CALL(set_int(c, SOL_SOCKET, SO_ZEROCOPY, 1));
	CALL(send(c, "one", 3, MSG_ZEROCOPY));
	CALL(send(c, "two", 3, MSG_ZEROCOPY));
	CALL(send(c, "not", 3, 0));
	for (size_t got = 0; got < 14;)
		got += MUST(read(s, buf, sizeof(buf)));
	p = (struct pollfd){ c, 0, 0 };
	for (int i = 0; i < 500 && !(poll(&p, 1, 10) && p.revents & POLLERR); i++)
		;
	YES(p.revents & POLLERR);
	sleep_ms(50);
	receive(c, MSG_ERRQUEUE);
	receive(c, MSG_ERRQUEUE);
	SHOW(get_int(c, SOL_SOCKET, SO_ERROR));
	SECTION("TCP_INQ");
	CALL(set_int(s, IPPROTO_TCP, TCP_INQ, 1));
	MUST(send(c, "0123456789", 10, 0));
	p = (struct pollfd){ s, POLLIN, 0 };
	MUST(poll(&p, 1, 5000));
	{
		char control[64];
		struct iovec iov = { buf, 4 };
		struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };

		CALL(recvmsg(s, &m, 0));
		SHOW(CMSG_FIRSTHDR(&m)->cmsg_level);
		SHOW(CMSG_FIRSTHDR(&m)->cmsg_type);
		SHOW(*(int *)CMSG_DATA(CMSG_FIRSTHDR(&m)));
	}
	close(c);
	close(s);
	close(l);
	c = MUST(socket(AF_UNIX, SOCK_STREAM, 0));
	CALL(set_int(c, SOL_SOCKET, SO_ZEROCOPY, 1));
	close(c);
}

static void pidfds(void)
{
	int sk[2], fd = -1;
	socklen_t len = sizeof(fd);

	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sk));
	if (set_int(sk[1], SOL_SOCKET, SO_PASSPIDFD, 1))
		return; /* an older kernel */
	SECTION("descriptors of processes");
	MUST(send(sk[0], "x", 1, 0));
	receive(sk[1], 0);
	CALL(getsockopt(sk[1], SOL_SOCKET, SO_PEERPIDFD, &fd, &len));
	YES(fd >= 0);
	SHOW(fcntl(fd, F_GETFD));
	CALL(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0));
	close_pair(sk);
	sk[0] = MUST(socket(AF_INET, SOCK_STREAM, 0));
	CALL(set_int(sk[0], SOL_SOCKET, SO_PASSPIDFD, 1));
	CALL(getsockopt(sk[0], SOL_SOCKET, SO_PEERPIDFD, &fd, &len));
	close(sk[0]);
}

static void others(void)
{
	int s = MUST(socket(AF_INET, SOCK_DGRAM, 0)), t = MUST(socket(AF_INET, SOCK_STREAM, 0));
	uint64_t rate = 12345678901;
	socklen_t len = sizeof(rate);

	SECTION("others");
	SHOW(get_int(s, SOL_SOCKET, SO_INCOMING_CPU));
	CALL(setsockopt(s, SOL_SOCKET, SO_MAX_PACING_RATE, &rate, sizeof(rate)));
	rate = 0;
	CALL(getsockopt(s, SOL_SOCKET, SO_MAX_PACING_RATE, &rate, &len));
	SHOW(rate);
	SHOW(get_int(t, SOL_SOCKET, SO_SNDBUF));
	SHOW(get_int(s, SOL_SOCKET, 48 /* SO_BPF_EXTENSIONS */));
	CALL(set_int(s, SOL_SOCKET, SO_ATTACH_BPF, -1));
	CALL(set_int(s, SOL_SOCKET, SO_ATTACH_BPF, 0));
	CALL(set_int(s, SOL_SOCKET, SO_BINDTOIFINDEX, 1));
	CALL(set_int(s, IPPROTO_IP, 50 /* IP_UNICAST_IF */, htonl(1)));
	SHOW(get_int(s, SOL_SOCKET, SO_BINDTOIFINDEX));
	CALL(set_int(s, SOL_SOCKET, SO_BINDTOIFINDEX, 0));
	CALL(set_int(s, IPPROTO_IP, 50 /* IP_UNICAST_IF */, htonl(1)));
	CALL(set_int(s, IPPROTO_IP, 50, htonl(77777)));
	CALL(set_int(s, IPPROTO_IP, IP_MINTTL, 256));
	CALL(set_int(t, IPPROTO_IP, 51 /* IP_LOCAL_PORT_RANGE */, 40010 << 16 | 40000));
	CALL(set_int(t, IPPROTO_IP, 51, 40000u << 16 | 40010));
	{
		struct sockaddr_in a = { .sin_family = AF_INET };

		len = sizeof(a);
		CALL(bind(t, (struct sockaddr *)&a, len));
		MUST(getsockname(t, (struct sockaddr *)&a, &len));
		YES(ntohs(a.sin_port) >= 40000 && ntohs(a.sin_port) <= 40010);
	}
	CALL(set_int(t, IPPROTO_TCP, 31 /* TCP_ULP */, 0));
	close(s);
	close(t);
}

int main(void)
{
	stamps();
	destinations();
	dropped();
	filters();
	corks();
	zerocopy();
	pidfds();
	others();
	return 0;
}
