/* SPDX-License-Identifier: Apache-2.0 */
/* veth pairs by rtnetlink: made, renamed, moved to other network namespaces, spoken over, deleted, and gone with a namespace. */
#include "tests/contract/rtnl.h"
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <poll.h>

static struct gate ready, go;
static pid_t other;

/* A process in another namespace, which waits. */
static void other_start(void)
{
	gate_init(&ready);
	gate_init(&go);
	other = MUST(fork());
	if (!other) {
		MUST(unshare(CLONE_NEWNET));
		gate_open(&ready);
		gate_wait(&go);
		_exit(0);
	}
	gate_wait(&ready);
}

static int other_fd(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/net", other);
	return MUST(open(path, O_RDONLY | O_CLOEXEC));
}

static void making(void)
{
	uint32_t mtu = 1400, small = 60;
	uint8_t mac[6] = { 2, 1, 2, 3, 4, 5 }, group[6] = { 3, 1, 2, 3, 4, 5 };

	SECTION("making");
	CALL(link_add("veth", "v0", "v1", 0));
	HEX(link_flags("v0"));
	HEX(link_flags("v1"));
	CALL(link_add("veth", "v0", "v2", 0));
	CALL(link_add("veth", "v2", "v1", 0));
	SHOW(if_nametoindex("v2"));
	CALL(link_add("veth", "v2", "v2", 0));
	CALL(link_add("no-such-kind", "v2", NULL, 0));
	CALL(link_add("veth", "a-name-too-long-for-it", "v3", 0));
	CALL(link_add("veth", "with/slash", "v3", 0));
	CALL(link_add("veth", "with:colon", "v3", 0));
	CALL(link_add("veth", "..", "v3", 0));
	CALL(link_add("veth", "n%d", "m%d", 0));
	YES(if_nametoindex("n0") && if_nametoindex("m0"));
	CALL(link_del("n0"));
	SHOW(if_nametoindex("m0"));
	CALL(link_del("n0"));
	SECTION("changing");
	CALL(link_set("v0", IFLA_MTU, &mtu, 4, 0, 0));
	CALL(link_set("v0", IFLA_MTU, &small, 4, 0, 0));
	CALL(link_set("v0", IFLA_ADDRESS, mac, 6, 0, 0));
	CALL(link_set("v0", IFLA_ADDRESS, group, 6, 0, 0));
	CALL(link_set("v0", IFLA_IFNAME, "w0", 3, 0, 0));
	CALL(link_set("w0", IFLA_IFNAME, "v1", 3, 0, 0));
	CALL(link_set("w0", IFLA_IFNAME, "lo", 3, 0, 0));
	CALL(link_set("w0", IFLA_IFNAME, "", 1, 0, 0));
	CALL(link_up("w0"));
	CALL(link_up("v1"));
	link_wait("w0");
	HEX(link_flags("w0"));
	CALL(link_set("v1", 0, NULL, 0, 0, IFF_UP));
	CALL(link_set("nothing", 0, NULL, 0, IFF_UP, IFF_UP));
	CALL(link_del("v1"));
	SHOW(if_nametoindex("w0"));
}

static void show_peer(int s)
{
	struct sockaddr_in a;
	socklen_t len = sizeof(a);

	MUST(getpeername(s, SA(a), &len));
	STR(inet_ntoa(a.sin_addr));
}

static uint16_t checksum(const void *data, size_t len)
{
	const uint8_t *p = data;
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i += 2)
		sum += p[i] << 8 | p[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons(~sum);
}

/* Echoes by a raw socket. */
static void ping(const char *to)
{
	struct icmphdr h = { .type = ICMP_ECHO, .un.echo.id = htons(77), .un.echo.sequence = htons(1) };
	struct sockaddr_in a = in4(to, 0);
	int s = MUST(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP));
	uint8_t buf[256];
	ssize_t n;

	h.checksum = checksum(&h, sizeof(h));
	CALL(sendto(s, &h, sizeof(h), 0, SA(a), sizeof(a)));
	do
		n = MUST(recv(s, buf, sizeof(buf), 0));
	while (n >= 28 && buf[20] != ICMP_ECHOREPLY);
	SHOW(n);
	SHOW(buf[8]);
	close(s);
}

#define BULK (4 << 20)

static void serve(struct gate *up)
{
	struct sockaddr_in a = in4("10.77.0.2", 5000), from;
	int l = MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), u = MUST(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)), s;
	socklen_t len = sizeof(from);
	static char buf[65536];
	size_t total = 0;
	ssize_t n;

	MUST(bind(l, SA(a), sizeof(a)));
	MUST(listen(l, 5));
	MUST(bind(u, SA(a), sizeof(a)));
	gate_open(up);
	s = MUST(accept(l, NULL, NULL));
	while ((n = MUST(read(s, buf, sizeof(buf)))) > 0) {
		for (ssize_t i = 0; i < n; i++)
			if (buf[i] != (char)((total + i) * 7))
				_exit(1);
		total += n;
	}
	write_all(s, (char *)&total, sizeof(total));
	close(s);
	for (int i = 0; i < 3; i++) {
		n = MUST(recvfrom(u, buf, sizeof(buf), 0, SA(from), &len));
		MUST(sendto(u, buf, n, 0, SA(from), len));
	}
	_exit(0);
}

static void talk(void)
{
	struct sockaddr_in a = in4("10.77.0.2", 5000), from;
	int s = MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), u;
	socklen_t len = sizeof(from);
	static char buf[BULK];
	size_t total = 0;

	SECTION("TCP");
	CALL(connect(s, SA(a), sizeof(a)));
	show_peer(s);
	for (size_t i = 0; i < BULK; i++)
		buf[i] = i * 7;
	write_all(s, buf, BULK);
	CALL(shutdown(s, SHUT_WR));
	CALL(recv(s, &total, sizeof(total), MSG_WAITALL));
	SHOW(total);
	CALL(recv(s, &total, sizeof(total), 0));
	close(s);
	a.sin_port = htons(5001);
	s = MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	CALL(connect(s, SA(a), sizeof(a)));
	close(s);
	SECTION("UDP");
	u = MUST(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	a.sin_port = htons(5000);
	for (int n = 10; n <= 20000; n = n * 44 + 7) { /* the last in fragments */
		CALL(sendto(u, buf, n, 0, SA(a), sizeof(a)));
		CALL(recvfrom(u, buf, BULK, 0, SA(from), &len));
		STR(inet_ntoa(from.sin_addr));
	}
	a.sin_port = htons(5001);
	CALL(connect(u, SA(a), sizeof(a)));
	CALL(send(u, "x", 1, 0));
	CALL(recv(u, buf, 1, 0));
	close(u);
	SECTION("ICMP");
	ping("10.77.0.2");
}

static void across(void)
{
	struct gate up;
	int fd = other_fd();
	pid_t server;

	SECTION("to another namespace");
	CALL(link_add("veth", "v0", "v1", 0));
	CALL(addr_add("v0", "10.77.0.1", 24));
	CALL(link_up("v0"));
	CALL(link_set("v1", IFLA_NET_NS_FD, &fd, 4, 0, 0));
	SHOW(if_nametoindex("v1"));
	CALL(addr_add("v0", "10.77.0.1", 24));
	gate_init(&up);
	server = MUST(fork());
	if (!server) {
		MUST(setns(fd, CLONE_NEWNET));
		HEX(link_flags("v1"));
		CALL(addr_add("v1", "10.77.0.2", 24));
		CALL(addr_add("v1", "10.77.0.3", 24));
		CALL(link_up("v1"));
		link_wait("v1");
		serve(&up);
	}
	gate_wait(&up);
	link_wait("v0");
	HEX(link_flags("v0"));
	talk();
	reap("server", server);
	close(fd);
}

static void errors(void)
{
	pid_t nobody = MUST(fork());
	int none = -1;

	if (!nobody)
		_exit(0);
	waitpid(nobody, NULL, 0);
	SECTION("errors of moving");
	CALL(link_set("v0", IFLA_NET_NS_PID, &nobody, 4, 0, 0));
	CALL(link_set("v0", IFLA_NET_NS_FD, &none, 4, 0, 0));
	CALL(link_set("lo", IFLA_NET_NS_PID, &other, 4, 0, 0));
	CALL(route_add("10.88.0.0", 16, "10.77.0.9"));
	CALL(route_add("10.88.0.0", 16, "10.77.0.9"));
	CALL(route_add("10.89.0.0", 16, "10.99.0.9"));
	CALL(link_add("veth", "x0", "x1", other));
	YES(if_nametoindex("x0") > 0);
	SHOW(if_nametoindex("x1"));
	CALL(link_add("veth", "x0", "x2", other));
	CALL(link_add("veth", "x3", "x1", other));
	SHOW(if_nametoindex("x3"));
}

/* Over addresses of the link, which need the interface's number; both ends are at hand here. */
static void link_local(void)
{
	struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_port = htons(6000) }, from;
	struct gate up, done;
	int fd = other_fd(), u;
	socklen_t len = sizeof(from);
	char buf[16] = "";
	pid_t pid;

	SECTION("addresses of the link");
	gate_init(&up);
	gate_init(&done);
	inet_pton(AF_INET6, "fe80::7:1", &a.sin6_addr);
	pid = MUST(fork());
	if (!pid) {
		MUST(setns(fd, CLONE_NEWNET));
		CALL(addr_add("v1", "fe80::7:1", 64));
		u = MUST(socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
		CALL(bind(u, SA(a), sizeof(a)));
		a.sin6_scope_id = if_nametoindex("v1");
		CALL(bind(u, SA(a), sizeof(a)));
		gate_open(&up);
		MUST(recvfrom(u, buf, sizeof(buf), 0, SA(from), &len));
		MUST(sendto(u, "answer", 6, 0, SA(from), len));
		gate_wait(&done);
		_exit(from.sin6_scope_id != if_nametoindex("v1"));
	}
	gate_wait(&up);
	CALL(addr_add("v0", "fe80::7:2", 64));
	u = MUST(socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	CALL(connect(u, SA(a), sizeof(a)));
	a.sin6_scope_id = if_nametoindex("v0");
	CALL(sendto(u, "question", 8, 0, SA(a), sizeof(a)));
	CALL(recvfrom(u, buf, sizeof(buf), 0, SA(from), &len));
	YES(from.sin6_scope_id == if_nametoindex("v0"));
	YES(!memcmp(&from.sin6_addr, &a.sin6_addr, 16));
	gate_open(&done);
	reap("other end", pid);
	close(u);
	close(fd);
}

/* With its last process a namespace goes, and with it both ends of its pairs. */
static void gone(void)
{
	SECTION("gone with its namespace");
	gate_open(&go);
	reap("other", other);
	for (int i = 0; i < 1000 && (if_nametoindex("v0") || if_nametoindex("x0")); i++)
		sleep_ms(10);
	SHOW(if_nametoindex("v0"));
	SHOW(if_nametoindex("x0"));
}

int main(void)
{
	if (geteuid())
		skip("needs root");
	own_network();
	if (link_add("veth", "probe", "probe2", 0))
		skip("the host has no veth");
	link_del("probe");
	link_up("lo");
	making();
	other_start();
	across();
	link_local();
	errors();
	gone();
	return 0;
}
