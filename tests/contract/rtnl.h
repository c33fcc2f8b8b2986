/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of rtnetlink(7) for contract programs about networks, which run in network namespaces of their own. */
#ifndef TESTS_CONTRACT_RTNL_H
#define TESTS_CONTRACT_RTNL_H

#include "tests/contract/contract.h"
#include <arpa/inet.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

struct rtnl {
	struct nlmsghdr h;
	char body[1000];
};

UNUSED_OK static void rtnl_init(struct rtnl *r, int type, int flags, const void *fixed, size_t size)
{
	memset(r, 0, sizeof(*r));
	r->h = (struct nlmsghdr){ NLMSG_SPACE(size), type, NLM_F_REQUEST | NLM_F_ACK | flags, 1, 0 };
	memcpy(r->body, fixed, size);
}

UNUSED_OK static struct rtattr *rtnl_attr(struct rtnl *r, int type, const void *data, size_t len)
{
	struct rtattr *a = (struct rtattr *)((char *)r + r->h.nlmsg_len);

	a->rta_type = type;
	a->rta_len = RTA_LENGTH(len);
	if (len)
		memcpy(RTA_DATA(a), data, len);
	r->h.nlmsg_len += RTA_ALIGN(a->rta_len);
	return a;
}

UNUSED_OK static void rtnl_nest_end(struct rtnl *r, struct rtattr *a)
{
	a->rta_len = (char *)r + r->h.nlmsg_len - (char *)a;
}

UNUSED_OK static void rtnl_str(struct rtnl *r, int type, const char *s)
{
	rtnl_attr(r, type, s, strlen(s) + 1);
}

UNUSED_OK static void rtnl_u32(struct rtnl *r, int type, uint32_t v)
{
	rtnl_attr(r, type, &v, 4);
}

/* Sends it on @s; 0, or -1 and errno as the kernel says. */
UNUSED_OK static int rtnl_talk_on(int s, struct rtnl *r)
{
	static char buf[32768];
	struct nlmsghdr *h = (struct nlmsghdr *)buf;
	struct nlmsgerr *e = NLMSG_DATA(h);

	MUST(send(s, r, r->h.nlmsg_len, 0));
	do
		MUST(recv(s, buf, sizeof(buf), 0));
	while (h->nlmsg_type != NLMSG_ERROR);
	errno = -e->error;
	return e->error ? -1 : 0;
}

UNUSED_OK static int rtnl_talk(struct rtnl *r)
{
	int s = MUST(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
	int ret = rtnl_talk_on(s, r), saved = errno;

	close(s);
	errno = saved;
	return ret;
}

/* A new link of @kind; a veth's other end is @peer, made in the namespace of @peer_pid unless that is 0. */
UNUSED_OK static int link_add(const char *kind, const char *name, const char *peer, pid_t peer_pid)
{
	struct ifinfomsg m = { 0 };
	struct rtattr *info, *data, *p;
	struct rtnl r;

	rtnl_init(&r, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &m, sizeof(m));
	if (name)
		rtnl_str(&r, IFLA_IFNAME, name);
	info = rtnl_attr(&r, IFLA_LINKINFO, NULL, 0);
	rtnl_str(&r, IFLA_INFO_KIND, kind);
	if (peer) {
		data = rtnl_attr(&r, IFLA_INFO_DATA, NULL, 0);
		p = rtnl_attr(&r, VETH_INFO_PEER, &m, sizeof(m));
		rtnl_str(&r, IFLA_IFNAME, peer);
		if (peer_pid)
			rtnl_u32(&r, IFLA_NET_NS_PID, peer_pid);
		rtnl_nest_end(&r, p);
		rtnl_nest_end(&r, data);
	}
	rtnl_nest_end(&r, info);
	return rtnl_talk(&r);
}

/* Something about the link @name: an attribute (@type 0: none), flags. */
UNUSED_OK static int link_set(const char *name, int type, const void *data, size_t len, unsigned flags, unsigned change)
{
	struct ifinfomsg m = { .ifi_index = if_nametoindex(name), .ifi_flags = flags, .ifi_change = change };
	struct rtnl r;

	rtnl_init(&r, RTM_NEWLINK, 0, &m, sizeof(m));
	if (!m.ifi_index)
		rtnl_str(&r, IFLA_IFNAME, name);
	if (type)
		rtnl_attr(&r, type, data, len);
	return rtnl_talk(&r);
}

UNUSED_OK static int link_up(const char *name)
{
	return link_set(name, 0, NULL, 0, IFF_UP, IFF_UP);
}

UNUSED_OK static int link_del(const char *name)
{
	struct ifinfomsg m = { .ifi_index = if_nametoindex(name) };
	struct rtnl r;

	rtnl_init(&r, RTM_DELLINK, 0, &m, sizeof(m));
	if (!m.ifi_index)
		rtnl_str(&r, IFLA_IFNAME, name);
	return rtnl_talk(&r);
}

/* An address, IPv4 or IPv6 by its look. */
UNUSED_OK static int addr_add(const char *link, const char *addr, int plen)
{
	struct ifaddrmsg m = { strchr(addr, ':') ? AF_INET6 : AF_INET, plen, IFA_F_NODAD, 0, if_nametoindex(link) };
	char bytes[16];
	struct rtnl r;

	inet_pton(m.ifa_family, addr, bytes);
	rtnl_init(&r, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &m, sizeof(m));
	rtnl_attr(&r, IFA_LOCAL, bytes, m.ifa_family == AF_INET ? 4 : 16);
	return rtnl_talk(&r);
}

/* A route to @dst/@plen (NULL: by default) by @gw. */
UNUSED_OK static int route_add(const char *dst, int plen, const char *gw)
{
	struct rtmsg m = { .rtm_family = AF_INET, .rtm_dst_len = plen, .rtm_table = RT_TABLE_MAIN, .rtm_protocol = RTPROT_BOOT,
			   .rtm_type = RTN_UNICAST };
	char bytes[4];
	struct rtnl r;

	rtnl_init(&r, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &m, sizeof(m));
	if (dst && inet_pton(AF_INET, dst, bytes) == 1)
		rtnl_attr(&r, RTA_DST, bytes, 4);
	inet_pton(AF_INET, gw, bytes);
	rtnl_attr(&r, RTA_GATEWAY, bytes, 4);
	return rtnl_talk(&r);
}

/* The flags of an interface that are the same everywhere, or -1. */
UNUSED_OK static long link_flags(const char *name)
{
	int s = MUST(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)), ret;
	struct ifreq r = { 0 };

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	ret = ioctl(s, SIOCGIFFLAGS, &r);
	close(s);
	return ret ? -1 : r.ifr_flags & (IFF_UP | IFF_LOOPBACK | IFF_BROADCAST | IFF_RUNNING | IFF_NOARP | IFF_MULTICAST);
}

/* Until @name has a carrier, which comes a moment after both ends are up. */
UNUSED_OK static void link_wait(const char *name)
{
	for (int i = 0; i < 1000 && !(link_flags(name) & IFF_RUNNING); i++)
		sleep_ms(10);
}

/* The calling process in a network namespace of its own, as whoever it is; ends the program where that is not to be had. */
UNUSED_OK static void own_network(void)
{
	if (!unshare(CLONE_NEWNET))
		return;
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET))
		skip("network namespaces are not to be had");
}

UNUSED_OK static struct sockaddr_in in4(const char *addr, int port)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };

	inet_pton(AF_INET, addr, &in.sin_addr);
	return in;
}

#define SA(a) ((struct sockaddr *)&(a))

#endif
