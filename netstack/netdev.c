/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interfaces as others see them: the ioctls of netdevice(7), and the tables of /proc/net.
 */
#include <string.h>

#include "netstack/net_namespace.h"
#include "netstack/socket.h"
#include "vfs/proc/proc_net.h"

#define SIOCADDRT 0x890b
#define SIOCDELRT 0x890c
#define SIOCGIFNAME 0x8910
#define SIOCGIFCONF 0x8912
#define SIOCGIFFLAGS 0x8913
#define SIOCSIFFLAGS 0x8914
#define SIOCGIFADDR 0x8915
#define SIOCSIFADDR 0x8916
#define SIOCGIFDSTADDR 0x8917
#define SIOCGIFBRDADDR 0x8919
#define SIOCSIFBRDADDR 0x891a
#define SIOCGIFNETMASK 0x891b
#define SIOCSIFNETMASK 0x891c
#define SIOCGIFMETRIC 0x891d
#define SIOCGIFMTU 0x8921
#define SIOCSIFMTU 0x8922
#define SIOCGIFHWADDR 0x8927
#define SIOCGIFINDEX 0x8933
#define SIOCGIFTXQLEN 0x8942
#define SIOCETHTOOL 0x8946
#define SIOCGIFMAP 0x8970

struct ifreq {
	char name[16];
	union {
		struct linux_sockaddr_in addr;
		struct {
			uint16_t family;
			char data[14];
		} hw;
		int16_t flags;
		int32_t value;
		uint8_t pad[24];
	};
};
static_assert(sizeof(struct ifreq) == 40, "struct ifreq");

struct rtentry {
	uint64_t pad1;
	struct linux_sockaddr_in dst, gateway, genmask;
	uint16_t flags;
	int16_t pad2;
	uint32_t pad3;
	uint64_t pad4;
	int16_t pad5[3], metric, pad6[3];
	uint64_t dev, mtu, window;
	uint16_t irtt;
};
static_assert(sizeof(struct rtentry) == 120, "struct rtentry");
#define RTF_UP 1
#define RTF_GATEWAY 2
#define RTF_HOST 4

/* --- addresses of an interface; IPv4 only, as these ioctls are --- */

/* A copy of the first; false when there is none. */
static bool netdev_addr(struct netif *nif, struct ifaddr *ret)
{
	struct ifaddr *a;
	MUTEX_GUARD(&netif_lock);

	list_for_each_entry(a, &nif->addrs, link)
		if (addr_is_v4(a->addr)) {
			*ret = *a;
			return true;
		}
	return false;
}

static struct linux_sockaddr_in in_addr(const uint8_t addr[16])
{
	struct linux_sockaddr_in in = { .sin_family = LINUX_AF_INET };

	memcpy(&in.sin_addr, addr + 12, 4);
	return in;
}

static uint32_t plen_mask(unsigned plen)
{
	unsigned bits = plen - 96;

	return __builtin_bswap32(bits ? ~0U << (32 - bits) : 0);
}

static unsigned mask_plen(uint32_t mask)
{
	return 96 + (unsigned)__builtin_popcount(mask);
}

static int64_t netdev_ifconf(struct net *net, uint64_t arg)
{
	struct {
		int32_t len, pad;
		uint64_t buf;
	} ifc;
	int32_t done = 0;
	struct netif *nif;

	if (get_user(&ifc, arg))
		return -LINUX_EFAULT;
	for (nif = netif_next(net, 1); nif; nif = netif_next(net, nif->index + 1)) {
		struct ifreq r = { 0 };
		struct ifaddr a;

		if (!netdev_addr(nif, &a))
			continue;
		memcpy(r.name, nif->name, sizeof(r.name));
		r.addr = in_addr(a.addr);
		if (ifc.buf) {
			if (ifc.len - done < (int)sizeof(r))
				break;
			if (copy_to_user(ifc.buf + done, &r, sizeof(r)))
				return -LINUX_EFAULT;
		}
		done += sizeof(r);
	}
	ifc.len = done;
	return copy_to_user(arg, &ifc, sizeof(ifc));
}

static int netdev_get(unsigned cmd, struct netif *nif, struct ifreq *r)
{
	struct ifaddr a;

	memset(r->pad, 0, sizeof(r->pad));
	switch (cmd) {
	case SIOCGIFFLAGS:
		r->flags = (int16_t)READ_ONCE(nif->flags);
		return 0;
	case SIOCGIFADDR:
	case SIOCGIFDSTADDR:
	case SIOCGIFBRDADDR:
	case SIOCGIFNETMASK:
		if (!netdev_addr(nif, &a))
			return -LINUX_EADDRNOTAVAIL;
		if (cmd == SIOCGIFBRDADDR)
			r->addr = in_addr(a.brd);
		else
			r->addr = in_addr(a.addr);
		if (cmd == SIOCGIFNETMASK)
			r->addr.sin_addr = plen_mask(a.plen);
		return 0;
	case SIOCGIFMETRIC:
	case SIOCGIFMAP:
		return 0;
	case SIOCGIFMTU:
		r->value = (int32_t)READ_ONCE(nif->mtu);
		return 0;
	case SIOCGIFHWADDR:
		r->hw.family = nif->type;
		memcpy(r->hw.data, nif->hwaddr, 6);
		return 0;
	case SIOCGIFINDEX:
		r->value = nif->index;
		return 0;
	case SIOCGIFTXQLEN:
		r->value = 1000;
		return 0;
	default:
		return -LINUX_ENOTTY;
	}
}

/* SIOCSIFADDR and its kin change the first address: devinet_ioctl() in Linux. */
static int netdev_set_addr(unsigned cmd, struct netif *nif, const struct ifreq *r)
{
	struct ifaddr a = { .nif = nif, .plen = 96 + 24 }, old;
	bool had = netdev_addr(nif, &old);
	uint32_t first = __builtin_bswap32(r->addr.sin_addr) >> 24;

	if (r->addr.sin_family != LINUX_AF_INET)
		return -LINUX_EINVAL;
	if (cmd != SIOCSIFADDR && !had)
		return -LINUX_EADDRNOTAVAIL;
	if (had)
		a = old;
	if (cmd == SIOCSIFADDR) {
		addr_set(a.addr, LINUX_AF_INET, &r->addr.sin_addr);
		a.plen = 96 + (first < 128 ? 8 : first < 192 ? 16 : 24); /* its class */
		memset(a.brd, 0, sizeof(a.brd));
	} else if (cmd == SIOCSIFNETMASK) {
		a.plen = mask_plen(r->addr.sin_addr);
	} else {
		addr_set(a.brd, LINUX_AF_INET, &r->addr.sin_addr);
	}
	if (had)
		ifaddr_del(nif, old.addr, old.plen);
	/* ifconfig eth0 0.0.0.0 takes it away. */
	return r->addr.sin_addr || cmd != SIOCSIFADDR ? ifaddr_add(&a) : 0;
}

static int netdev_set(struct net *net, unsigned cmd, struct netif *nif, const struct ifreq *r)
{
	if (!net_capable(net, CAP_NET_ADMIN))
		return -LINUX_EPERM;
	switch (cmd) {
	case SIOCSIFFLAGS:
		return netif_set_flags(nif, (unsigned)(uint16_t)r->flags, 0xffff);
	case SIOCSIFMTU:
		return netif_set_mtu(nif, (unsigned)r->value);
	default:
		return netdev_set_addr(cmd, nif, r);
	}
}

static int64_t netdev_route(struct net *net, unsigned cmd, uint64_t arg)
{
	struct route r = { .table = LINUX_RT_TABLE_MAIN, .protocol = LINUX_RTPROT_BOOT, .type = LINUX_RTN_UNICAST };
	struct rtentry e;
	char name[16] = "";

	if (!net_capable(net, CAP_NET_ADMIN))
		return -LINUX_EPERM;
	if (get_user(&e, arg))
		return -LINUX_EFAULT;
	if (e.dst.sin_family != LINUX_AF_INET)
		return -LINUX_EAFNOSUPPORT;
	addr_set(r.dst, LINUX_AF_INET, &e.dst.sin_addr);
	r.plen = e.flags & RTF_HOST ? 128 : mask_plen(e.genmask.sin_addr);
	r.has_gateway = e.flags & RTF_GATEWAY && e.gateway.sin_addr;
	if (r.has_gateway)
		addr_set(r.gateway, LINUX_AF_INET, &e.gateway.sin_addr);
	r.metric = e.metric > 0 ? (uint32_t)e.metric - 1 : 0;
	if (e.dev) {
		if (copy_from_user(name, e.dev, sizeof(name) - 1))
			return -LINUX_EFAULT;
		r.oif = netif_find_name(net, name);
		if (!r.oif)
			return -LINUX_ENODEV;
	}
	if (cmd == SIOCDELRT) {
		r.protocol = 0;
		return route_del(net, &r);
	}
	r.scope = r.has_gateway ? LINUX_RT_SCOPE_UNIVERSE : LINUX_RT_SCOPE_LINK;
	return route_add(net, &r, LINUX_NLM_F_CREATE | LINUX_NLM_F_EXCL);
}

int64_t netdev_ioctl(struct net *net, unsigned cmd, uint64_t arg)
{
	struct netif *nif;
	struct ifreq r;
	int err;

	if (cmd == SIOCADDRT || cmd == SIOCDELRT)
		return netdev_route(net, cmd, arg);
	if (cmd == SIOCGIFCONF)
		return netdev_ifconf(net, arg);
	if (cmd == SIOCETHTOOL)
		return -LINUX_EOPNOTSUPP;
	if (cmd < SIOCGIFNAME || cmd > SIOCGIFMAP)
		return -LINUX_ENOTTY;
	if (get_user(&r, arg))
		return -LINUX_EFAULT;
	if (cmd == SIOCGIFNAME) {
		nif = netif_find(net, r.value);
		if (!nif)
			return -LINUX_ENODEV;
		memcpy(r.name, nif->name, sizeof(r.name));
		return copy_to_user(arg, &r, sizeof(r));
	}
	r.name[sizeof(r.name) - 1] = '\0';
	r.name[strcspn(r.name, ":")] = '\0'; /* aliases are their interface's */
	nif = netif_find_name(net, r.name);
	switch (cmd) {
	case SIOCSIFFLAGS:
	case SIOCSIFADDR:
	case SIOCSIFBRDADDR:
	case SIOCSIFNETMASK:
	case SIOCSIFMTU:
		return nif ? netdev_set(net, cmd, nif, &r) : -LINUX_ENODEV;
	}
	if (!nif)
		return -LINUX_ENODEV;
	err = netdev_get(cmd, nif, &r);
	return err ? err : copy_to_user(arg, &r, sizeof(r));
}

/* --- /proc/net --- */

static void show_dev(struct net *net, struct strbuf *sb)
{
	struct netif *nif;

	strbuf_adds(sb, "Inter-|   Receive                                                |  Transmit\n"
			" face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls "
			"carrier compressed\n");
	for (nif = netif_next(net, 1); nif; nif = netif_next(net, nif->index + 1)) {
		struct netif_stats *s = &nif->stats;

		strbuf_addf(sb, "%6s: %7lu %7lu %4lu %4lu %4u %5u %10u %9u %8lu %7lu %4u %4lu %4u %5u %7u %10u\n", nif->name,
			    atomic_load(&s->rx_bytes), atomic_load(&s->rx_packets), atomic_load(&s->rx_errors),
			    atomic_load(&s->rx_dropped), 0, 0, 0, 0, atomic_load(&s->tx_bytes), atomic_load(&s->tx_packets), 0,
			    atomic_load(&s->tx_dropped), 0, 0, 0, 0);
	}
}

static void show_route(struct net *net, struct strbuf *sb)
{
	struct route *r;
	MUTEX_GUARD(&netif_lock);

	strbuf_adds(sb, "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT"
			"                                                       \n");
	for (unsigned plen = 96; plen <= 128; plen++)
		list_for_each_entry(r, &net->routes, link) {
			uint32_t dst, gw;

			if (r->plen != plen || !addr_is_v4(r->dst))
				continue;
			memcpy(&dst, r->dst + 12, 4);
			memcpy(&gw, r->gateway + 12, 4);
			strbuf_addf(sb, "%s\t%08X\t%08X\t%04X\t%d\t%u\t%d\t%08X\t%d\t%u\t%u\n", r->oif->name, dst, r->has_gateway ? gw : 0,
				    RTF_UP | (r->has_gateway ? RTF_GATEWAY : 0) | (plen == 128 ? RTF_HOST : 0), 0, 0, (int)r->metric,
				    plen_mask(plen), 0, 0, 0);
		}
}

static void show_if_inet6(struct net *net, struct strbuf *sb)
{
	struct netif *nif;
	struct ifaddr *a;
	MUTEX_GUARD(&netif_lock);

	list_for_each_entry(nif, &net->netifs, link)
		list_for_each_entry(a, &nif->addrs, link) {
			if (addr_is_v4(a->addr))
				continue;
			for (int i = 0; i < 16; i++)
				strbuf_addf(sb, "%02x", a->addr[i]);
			strbuf_addf(sb, " %02x %02x %02x %02x %8s\n", nif->index, a->plen,
				    addr_is_loopback(a->addr) ? 0x10 : a->addr[0] == 0xfe ? 0x20 : 0, 0x80, nif->name);
		}
}

static void show_arp(struct net *net, struct strbuf *sb)
{
	struct neigh *n;
	MUTEX_GUARD(&netif_lock);

	strbuf_adds(sb, "IP address       HW type     Flags       HW address            Mask     Device\n");
	list_for_each_entry(n, &net->neighbours, link) {
		char ip[16];

		if (!addr_is_v4(n->addr))
			continue;
		__builtin_snprintf(ip, sizeof(ip), "%u.%u.%u.%u", n->addr[12], n->addr[13], n->addr[14], n->addr[15]);
		strbuf_addf(sb, "%-16s 0x%-10x0x%-10x%02x:%02x:%02x:%02x:%02x:%02x     *        %s\n", ip, 1,
			    n->state == LINUX_NUD_REACHABLE ? 2 : n->state == LINUX_NUD_PERMANENT ? 6 : 0, n->lladdr[0], n->lladdr[1],
			    n->lladdr[2], n->lladdr[3], n->lladdr[4], n->lladdr[5], n->nif->name);
	}
}

void netdev_init(void)
{
	proc_net_register("dev", show_dev);
	proc_net_register("route", show_route);
	proc_net_register("if_inet6", show_if_inet6);
	proc_net_register("arp", show_arp);
}

void net_init(void)
{
	net_ns_init();
	netdev_init();
	unix_init();
	inet_init();
	netlink_init();
	packet_init();
}
