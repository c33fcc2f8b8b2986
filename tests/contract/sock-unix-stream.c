/* SPDX-License-Identifier: Apache-2.0 */
/* AF_UNIX streams: names, abstract names, connect and accept, shutdown, peeking, credentials, lifetimes. */
#include "tests/contract/contract.h"
#include <sys/socket.h>
#include <sys/un.h>

static socklen_t name(struct sockaddr_un *sun, const char *path)
{
	memset(sun, 0, sizeof(*sun));
	sun->sun_family = AF_UNIX;
	if (path[0] == '@') {
		memcpy(sun->sun_path + 1, path + 1, strlen(path) - 1);
		return offsetof(struct sockaddr_un, sun_path) + strlen(path);
	}
	strcpy(sun->sun_path, path);
	return sizeof(*sun);
}

static int stream(void)
{
	return MUST(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

static void show_name(const char *what, const struct sockaddr_un *sun, socklen_t len)
{
	size_t n = len > offsetof(struct sockaddr_un, sun_path) ? len - offsetof(struct sockaddr_un, sun_path) : 0;

	say("%s: family %d", what, len >= 2 ? sun->sun_family : -1);
	show_bytes(what, sun->sun_path, n > 40 ? 40 : n);
}

int main(void)
{
	struct sockaddr_un sun, peer;
	socklen_t len, plen;
	char buf[64], unique[64];
	int l, c, s, sv[2];

	signal(SIGPIPE, SIG_IGN);
	scratch();
	SECTION("names");
	l = stream();
	plen = sizeof(peer);
	CALL(getsockname(l, (struct sockaddr *)&peer, &plen));
	SHOW(plen);
	len = name(&sun, "sock");
	CALL(bind(l, (struct sockaddr *)&sun, len));
	CALL(bind(l, (struct sockaddr *)&sun, len));
	s = stream();
	CALL(bind(s, (struct sockaddr *)&sun, len));
	plen = sizeof(peer);
	CALL(getsockname(l, (struct sockaddr *)&peer, &plen));
	SHOW(plen);
	show_name("name", &peer, plen);
	CALL(connect(s, (struct sockaddr *)&sun, len));
	CALL(listen(l, 2));
	CALL(connect(s, (struct sockaddr *)&sun, len));
	CALL(connect(s, (struct sockaddr *)&sun, len));
	plen = sizeof(peer);
	c = OK(accept4(l, (struct sockaddr *)&peer, &plen, SOCK_CLOEXEC));
	SHOW(plen);
	plen = sizeof(peer);
	CALL(getpeername(s, (struct sockaddr *)&peer, &plen));
	show_name("peer", &peer, plen);
	plen = 5;
	CALL(getpeername(s, (struct sockaddr *)&peer, &plen));
	SHOW(plen);
	SECTION("data");
	CALL(write(s, "hello", 5));
	CALL(recv(c, buf, 3, MSG_PEEK));
	CALL(recv(c, buf, 64, MSG_PEEK));
	CALL(recv(c, buf, 2, 0));
	CALL(recv(c, buf, 64, MSG_WAITALL | MSG_DONTWAIT));
	CALL(recv(c, buf, 64, MSG_DONTWAIT));
	CALL(sendto(s, "x", 1, 0, (struct sockaddr *)&sun, len));
	CALL(send(s, "", 0, 0));
	CALL(recv(c, buf, 64, MSG_DONTWAIT));
	SECTION("shutdown");
	CALL(shutdown(s, SHUT_WR));
	CALL(write(s, "x", 1));
	CALL(read(c, buf, 64));
	CALL(write(c, "back", 4));
	CALL(read(s, buf, 64));
	CALL(shutdown(s, SHUT_RD));
	CALL(write(c, "x", 1));
	CALL(shutdown(s, 77));
	close(s);
	CALL(write(c, "x", 1));
	CALL(read(c, buf, 1));
	close(c);
	SECTION("data left in a closed peer: reset");
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
	CALL(write(sv[0], "unread", 6));
	close(sv[1]);
	CALL(read(sv[0], buf, 1));
	CALL(read(sv[0], buf, 1));
	close(sv[0]);
	SECTION("credentials");
	struct ucred cr;
	plen = sizeof(cr);
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
	CALL(getsockopt(sv[0], SOL_SOCKET, SO_PEERCRED, &cr, &plen));
	YES(cr.pid == getpid() && cr.uid == geteuid() && cr.gid == getegid());
	SECTION("backlog");
	int extra[4];
	for (int i = 0; i < 4; i++) {
		extra[i] = stream();
		fcntl(extra[i], F_SETFL, O_NONBLOCK);
		CALL(connect(extra[i], (struct sockaddr *)&sun, len));
	}
	fcntl(l, F_SETFL, O_NONBLOCK);
	for (int i = 0; i < 4; i++)
		OK(accept(l, NULL, NULL));
	SECTION("the listener is gone, its name is not");
	close(l);
	s = stream();
	CALL(connect(s, (struct sockaddr *)&sun, len));
	CALL(access("sock", F_OK));
	CALL(unlink("sock"));
	CALL(connect(s, (struct sockaddr *)&sun, len));
	put_file("plain", "", 0644);
	len = name(&sun, "plain");
	CALL(connect(s, (struct sockaddr *)&sun, len));
	CALL(bind(s, (struct sockaddr *)&sun, len));
	SECTION("abstract");
	snprintf(unique, sizeof(unique), "@contract-%d", getpid());
	len = name(&sun, unique);
	l = stream();
	CALL(bind(l, (struct sockaddr *)&sun, len));
	CALL(listen(l, 5));
	s = stream();
	CALL(connect(s, (struct sockaddr *)&sun, len));
	int s2 = stream();
	CALL(bind(s2, (struct sockaddr *)&sun, len));
	close(l);
	CALL(bind(s2, (struct sockaddr *)&sun, len));
	len = offsetof(struct sockaddr_un, sun_path);
	l = stream();
	CALL(bind(l, (struct sockaddr *)&sun, len));
	plen = sizeof(peer);
	CALL(getsockname(l, (struct sockaddr *)&peer, &plen));
	SHOW(plen);
	SECTION("refusals");
	CALL(socket(AF_UNIX, SOCK_STREAM, 5));
	CALL(socket(AF_UNIX, 77, 0));
	CALL(socket(77, SOCK_STREAM, 0));
	CALL(socket(AF_UNIX, SOCK_STREAM | 0x100, 0));
	s = stream();
	CALL(listen(s, 1));
	CALL(accept(s, NULL, NULL));
	CALL(read(s, buf, 1));
	CALL(write(s, buf, 1));
	CALL(getpeername(s, (struct sockaddr *)&peer, &plen));
	CALL(shutdown(s, SHUT_RD));
	sun.sun_family = AF_INET;
	CALL(bind(s, (struct sockaddr *)&sun, sizeof(sun)));
	CALL(connect(s, (struct sockaddr *)&sun, sizeof(sun)));
	CALL(bind(s, (struct sockaddr *)&sun, 1));
	CALL(bind(s, (struct sockaddr *)&sun, sizeof(sun) + 1));
	CALL(bind(1, (struct sockaddr *)&sun, sizeof(sun)));
	CALL(bind(999, (struct sockaddr *)&sun, sizeof(sun)));
	CALL(socketpair(AF_INET, SOCK_STREAM, 0, sv));
	return 0;
}
