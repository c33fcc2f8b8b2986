/* SPDX-License-Identifier: Apache-2.0 */
/* AF_NETLINK: names, options, requests about lo and 127.0.0.1, dumps, acknowledgements and errors, sock_diag of a listener. */
#include "tests/contract/contract.h"
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <linux/if_link.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static char buf[65536];

static int nl(int protocol)
{
	return MUST(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
}

struct request {
	struct nlmsghdr h;
	union {
		struct ifinfomsg link;
		struct ifaddrmsg addr;
		struct rtmsg route;
		struct inet_diag_req_v2 diag;
		char bytes[128];
	};
};

static void ask(int s, struct request *r, int type, int flags, size_t size)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };

	r->h = (struct nlmsghdr){ NLMSG_LENGTH(size), type, NLM_F_REQUEST | flags, 7, 0 };
	CALL(sendto(s, r, r->h.nlmsg_len, 0, (struct sockaddr *)&kernel, sizeof(kernel)) == r->h.nlmsg_len);
}

static void add_attr(struct request *r, size_t *size, int type, const void *data, size_t len)
{
	struct rtattr *a = (struct rtattr *)(r->bytes + NLMSG_ALIGN(*size));

	a->rta_type = type;
	a->rta_len = RTA_LENGTH(len);
	memcpy(RTA_DATA(a), data, len);
	*size = NLMSG_ALIGN(*size) + a->rta_len;
}

static void show_link(struct nlmsghdr *h)
{
	struct ifinfomsg *m = NLMSG_DATA(h);
	int len = IFLA_PAYLOAD(h);

	if (m->ifi_index != 1)
		return;
	say("link type %d flags %#x", m->ifi_type, m->ifi_flags & (IFF_UP | IFF_LOOPBACK | IFF_RUNNING | IFF_BROADCAST));
	for (struct rtattr *a = IFLA_RTA(m); RTA_OK(a, len); a = RTA_NEXT(a, len))
		if (a->rta_type == IFLA_IFNAME)
			say("name %s", (char *)RTA_DATA(a));
		else if (a->rta_type == IFLA_MTU)
			say("mtu %u", *(unsigned *)RTA_DATA(a));
		else if (a->rta_type == IFLA_ADDRESS)
			say("address of %d bytes", (int)RTA_PAYLOAD(a));
		else if (a->rta_type == IFLA_OPERSTATE)
			say("operstate %d", *(unsigned char *)RTA_DATA(a));
}

static void show_addr(struct nlmsghdr *h)
{
	struct ifaddrmsg *m = NLMSG_DATA(h);
	int len = IFA_PAYLOAD(h);
	char text[64];

	if (m->ifa_index != 1)
		return;
	say("address family %d prefix %d scope %d", m->ifa_family, m->ifa_prefixlen, m->ifa_scope);
	for (struct rtattr *a = IFA_RTA(m); RTA_OK(a, len); a = RTA_NEXT(a, len))
		if (a->rta_type == IFA_LOCAL || a->rta_type == IFA_ADDRESS)
			say("%d: %s", a->rta_type, inet_ntop(m->ifa_family, RTA_DATA(a), text, sizeof(text)));
		else if (a->rta_type == IFA_LABEL)
			say("label %s", (char *)RTA_DATA(a));
}

static void show_route(struct nlmsghdr *h)
{
	struct rtmsg *m = NLMSG_DATA(h);
	int len = RTM_PAYLOAD(h);
	char text[64];

	say("route family %d/%d table %d type %d scope %d flags %#x", m->rtm_family, m->rtm_dst_len, m->rtm_table, m->rtm_type,
	    m->rtm_scope, m->rtm_flags & RTM_F_CLONED);
	for (struct rtattr *a = RTM_RTA(m); RTA_OK(a, len); a = RTA_NEXT(a, len))
		if (a->rta_type == RTA_DST || a->rta_type == RTA_PREFSRC)
			say("%d: %s", a->rta_type, inet_ntop(m->rtm_family, RTA_DATA(a), text, sizeof(text)));
		else if (a->rta_type == RTA_OIF)
			say("oif %d", *(int *)RTA_DATA(a));
}

static unsigned diag_port;

static void show_diag(struct nlmsghdr *h)
{
	struct inet_diag_msg *m = NLMSG_DATA(h);

	if (ntohs(m->id.idiag_sport) == diag_port)
		say("socket state %d family %d backlog %u waiting %u", m->idiag_state, m->idiag_family, m->idiag_wqueue, m->idiag_rqueue);
}

/* Until the end of the answer. */
static void answer(int s)
{
	struct sockaddr_nl from;
	socklen_t flen = sizeof(from);

	for (;;) {
		ssize_t n = recvfrom(s, buf, sizeof(buf), 0, (struct sockaddr *)&from, &flen);

		if (n < 0) {
			say("recvfrom: %s", errno_name(errno));
			return;
		}
		if (from.nl_pid || flen != sizeof(from))
			say("from %u, %u bytes", from.nl_pid, flen);
		for (struct nlmsghdr *h = (void *)buf; NLMSG_OK(h, n); h = NLMSG_NEXT(h, n)) {
			if (h->nlmsg_seq != 7)
				say("seq %u", h->nlmsg_seq);
			switch (h->nlmsg_type) {
			case NLMSG_DONE:
				say("done, multi %d", !!(h->nlmsg_flags & NLM_F_MULTI));
				return;
			case NLMSG_ERROR:
				say("error %s", errno_name(-((struct nlmsgerr *)NLMSG_DATA(h))->error));
				return;
			case RTM_NEWLINK:
				show_link(h);
				break;
			case RTM_NEWADDR: /* and SOCK_DIAG_BY_FAMILY */
				if (diag_port)
					show_diag(h);
				else
					show_addr(h);
				break;
			case RTM_NEWROUTE:
				show_route(h);
				break;
			}
			if (!(h->nlmsg_flags & NLM_F_MULTI))
				return;
		}
	}
}

int main(void)
{
	struct sockaddr_nl a = { .nl_family = AF_NETLINK }, b;
	socklen_t len = sizeof(b);
	struct request r;
	struct in_addr lo = { htonl(0x7f000005) };
	size_t size;
	int s, t, v;

	SECTION("creating");
	CALL(socket(AF_NETLINK, SOCK_STREAM, 0));
	CALL(socket(AF_NETLINK, SOCK_RAW, 77));
	CALL(socket(AF_NETLINK, SOCK_RAW, -1));
	s = nl(NETLINK_ROUTE);
	CALL(listen(s, 1));
	CALL(getsockname(s, (struct sockaddr *)&b, &len));
	SHOW(len);
	SHOW(b.nl_pid);
	CALL(bind(s, (struct sockaddr *)&a, sizeof(a)));
	CALL(getsockname(s, (struct sockaddr *)&b, &len));
	YES(b.nl_pid == (unsigned)getpid());
	t = nl(NETLINK_ROUTE);
	a.nl_pid = getpid();
	CALL(bind(t, (struct sockaddr *)&a, sizeof(a)));
	a.nl_pid = 0;
	CALL(bind(t, (struct sockaddr *)&a, sizeof(a)));
	CALL(getsockname(t, (struct sockaddr *)&b, &len));
	YES(b.nl_pid && b.nl_pid != (unsigned)getpid());
	CALL(bind(t, (struct sockaddr *)&a, 4));
	a.nl_family = AF_INET;
	CALL(bind(t, (struct sockaddr *)&a, sizeof(a)));
	close(t);
	SECTION("options");
	v = 1;
	CALL(setsockopt(s, SOL_NETLINK, NETLINK_EXT_ACK, &v, sizeof(v)));
	CALL(setsockopt(s, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &v, sizeof(v)));
	v = 0;
	CALL(setsockopt(s, SOL_NETLINK, NETLINK_EXT_ACK, &v, sizeof(v)));
	CALL(setsockopt(s, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &v, sizeof(v)));
	CALL(setsockopt(s, SOL_NETLINK, 999, &v, sizeof(v)));
	v = RTNLGRP_LINK;
	CALL(setsockopt(s, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &v, sizeof(v)));
	CALL(setsockopt(s, SOL_NETLINK, NETLINK_DROP_MEMBERSHIP, &v, sizeof(v)));
	v = 0;
	CALL(setsockopt(s, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &v, sizeof(v)));
	SECTION("links");
	memset(&r, 0, sizeof(r));
	ask(s, &r, RTM_GETLINK, NLM_F_DUMP, sizeof(r.link));
	answer(s);
	memset(&r, 0, sizeof(r));
	r.link.ifi_index = 1;
	ask(s, &r, RTM_GETLINK, 0, sizeof(r.link));
	answer(s);
	memset(&r, 0, sizeof(r));
	size = sizeof(r.link);
	add_attr(&r, &size, IFLA_IFNAME, "lo", 3);
	ask(s, &r, RTM_GETLINK, 0, size);
	answer(s);
	memset(&r, 0, sizeof(r));
	r.link.ifi_index = 99999;
	ask(s, &r, RTM_GETLINK, 0, sizeof(r.link));
	answer(s);
	SECTION("addresses");
	memset(&r, 0, sizeof(r));
	r.addr.ifa_family = AF_INET;
	ask(s, &r, RTM_GETADDR, NLM_F_DUMP, sizeof(r.addr));
	answer(s);
	SECTION("routes");
	memset(&r, 0, sizeof(r));
	r.route.rtm_family = AF_INET;
	r.route.rtm_dst_len = 32;
	size = sizeof(r.route);
	add_attr(&r, &size, RTA_DST, &lo, sizeof(lo));
	ask(s, &r, RTM_GETROUTE, 0, size);
	answer(s);
	SECTION("errors");
	memset(&r, 0, sizeof(r));
	ask(s, &r, 998, NLM_F_ACK, sizeof(r.link));
	answer(s);
	memset(&r, 0, sizeof(r));
	ask(s, &r, NLMSG_NOOP, NLM_F_ACK, sizeof(r.link));
	answer(s);
	CALL(recv(s, buf, sizeof(buf), MSG_DONTWAIT));
	IN_CHILD ("without rights") {
		if (setuid(NOBODY))
			say("setuid: %s", errno_name(errno));
		memset(&r, 0, sizeof(r));
		r.link.ifi_index = 1;
		ask(s, &r, RTM_NEWLINK, NLM_F_ACK, sizeof(r.link));
		answer(s);
	}
	SECTION("the next datagram");
	memset(&r, 0, sizeof(r));
	r.link.ifi_index = 1;
	ask(s, &r, RTM_GETLINK, 0, sizeof(r.link));
	CALL(recv(s, buf, 0, MSG_PEEK));
	YES(recv(s, buf, 0, MSG_PEEK | MSG_TRUNC) > 100);
	CALL(recv(s, buf, 20, 0));
	CALL(recv(s, buf, 20, MSG_DONTWAIT));
	close(s);
	SECTION("sockets");
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	t = MUST(socket(AF_INET, SOCK_STREAM, 0));
	MUST(bind(t, (struct sockaddr *)&in, sizeof(in)));
	MUST(listen(t, 9));
	len = sizeof(in);
	MUST(getsockname(t, (struct sockaddr *)&in, &len));
	diag_port = ntohs(in.sin_port);
	s = nl(NETLINK_SOCK_DIAG);
	memset(&r, 0, sizeof(r));
	r.diag.sdiag_family = AF_INET;
	r.diag.sdiag_protocol = IPPROTO_TCP;
	r.diag.idiag_states = 1 << 10;
	ask(s, &r, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, sizeof(r.diag));
	answer(s);
	SECTION("libc");
	struct ifaddrs *all;
	CALL(getifaddrs(&all));
	for (struct ifaddrs *i = all; i; i = i->ifa_next)
		if (!strcmp(i->ifa_name, "lo") && i->ifa_addr && i->ifa_addr->sa_family == AF_INET)
			say("lo has %s", inet_ntoa(((struct sockaddr_in *)i->ifa_addr)->sin_addr));
	SHOW(if_nametoindex("lo"));
	CALL(if_nametoindex("nosuch"));
	SECTION("ioctls");
	struct ifreq q = { .ifr_name = "lo" };
	CALL(ioctl(t, SIOCGIFFLAGS, &q));
	YES(q.ifr_flags & IFF_UP && q.ifr_flags & IFF_LOOPBACK);
	CALL(ioctl(t, SIOCGIFADDR, &q));
	say("%s", inet_ntoa(((struct sockaddr_in *)&q.ifr_addr)->sin_addr));
	CALL(ioctl(t, SIOCGIFNETMASK, &q));
	say("%s", inet_ntoa(((struct sockaddr_in *)&q.ifr_addr)->sin_addr));
	CALL(ioctl(t, SIOCGIFMTU, &q));
	SHOW(q.ifr_mtu);
	CALL(ioctl(t, SIOCGIFINDEX, &q));
	SHOW(q.ifr_ifindex);
	CALL(ioctl(t, SIOCGIFNAME, &q));
	strcpy(q.ifr_name, "nosuch");
	CALL(ioctl(t, SIOCGIFFLAGS, &q));
	return 0;
}
