/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Multicast: who has joined which group on which interface, and datagrams to groups.
 *
 * No report of a group is sent on a link: behind it is libslirp, which passes nothing to groups on.  Inside the guest a datagram
 * goes to every socket on its port that is bound to the group or to "any", where the group is joined on the interface it leaves by:
 * by the socket itself, or, unless it cleared IP_MULTICAST_ALL, by anybody, as ip_mc_sf_allow() has it.
 */
#include <stdlib.h>

#include "netstack/inet.h"
#include "netstack/ip.h"
#include "netstack/sock_queue.h"
#include "vfs/vfs.h"

#define NR_GROUPS_MAX 64
#define NR_RECEIVERS_MAX 128

struct inet_group {
	uint8_t addr[16];
	int ifindex;
};

static bool group_joined(const struct inet_sock *in, const uint8_t addr[16], int ifindex)
{
	for (unsigned i = 0; i < in->nr_groups; i++)
		if (in->groups[i].ifindex == ifindex && !memcmp(in->groups[i].addr, addr, 16))
			return true;
	return false;
}

/* inet_lock held.  All systems are members of 224.0.0.1, ff01::1 and ff02::1. */
static bool group_joined_by_any_locked(const struct net *net, const uint8_t addr[16], int ifindex)
{
	static const uint8_t all4[4] = { 224, 0, 0, 1 }, all6[14] = { [13] = 1 };
	struct inet_sock *in;

	if (addr_is_v4(addr) ? !memcmp(addr + 12, all4, 4) : (addr[1] & 15) <= 2 && !memcmp(addr + 2, all6, 14))
		return true;
	list_for_each_entry(in, &inet_all, all)
		if (in->sk->net == net && group_joined(in, addr, ifindex))
			return true;
	return false;
}

/* --- joining and leaving --- */

static int group_change(struct sock *sk, bool join, const uint8_t addr[16], struct netif *nif)
{
	struct inet_sock *in = inet_sk(sk);
	struct inet_group *groups;
	MUTEX_GUARD(&inet_lock);

	if (!join) {
		for (unsigned i = 0; i < in->nr_groups; i++)
			if ((!nif || in->groups[i].ifindex == nif->index) && !memcmp(in->groups[i].addr, addr, 16)) {
				in->groups[i] = in->groups[--in->nr_groups];
				return 0;
			}
		return -LINUX_EADDRNOTAVAIL;
	}
	if (group_joined(in, addr, nif->index))
		return -LINUX_EADDRINUSE;
	if (in->nr_groups == NR_GROUPS_MAX)
		return -LINUX_ENOBUFS;
	groups = realloc(in->groups, (in->nr_groups + 1) * sizeof(*groups));
	if (!groups)
		return -LINUX_ENOBUFS;
	in->groups = groups;
	groups[in->nr_groups].ifindex = nif->index;
	memcpy(groups[in->nr_groups++].addr, addr, 16);
	return 0;
}

/* The interface with the address @addr. */
static struct netif *netif_by_addr(struct net *net, const uint8_t addr[16])
{
	struct netif *nif;
	struct ifaddr *a;
	MUTEX_GUARD(&netif_lock);

	list_for_each_entry(nif, &net->netifs, link)
		list_for_each_entry(a, &nif->addrs, link)
			if (!memcmp(a->addr, addr, 16))
				return nif;
	return NULL;
}

/* By number, else by address, else the way to the group; NULL: none. */
static struct netif *group_netif(struct net *net, const uint8_t group[16], int ifindex, const uint8_t *by_addr)
{
	struct dst dst;

	if (ifindex)
		return netif_find(net, ifindex);
	if (by_addr && !addr_is_any(by_addr))
		return netif_by_addr(net, by_addr);
	return route_lookup(net, group, NULL, NULL, &dst) ? NULL : dst.oif;
}

static int group_set(struct sock *sk, bool join, const uint8_t group[16], int ifindex, const uint8_t *by_addr)
{
	bool given = ifindex || (by_addr && !addr_is_any(by_addr));
	struct netif *nif;

	if (sock_is_stream(sk))
		return -LINUX_EPROTO;
	if (!addr_is_multicast(group))
		return -LINUX_EINVAL;
	nif = group_netif(sk->net, group, ifindex, by_addr);
	if (!nif && (join || given || addr_is_v4(group)))
		return -LINUX_ENODEV;
	return group_change(sk, join, group, join || given ? nif : NULL);
}

/* struct ip_mreqn, or one that ends before its number or before the interface's address. */
static int mreq_set(struct sock *sk, bool join, const uint8_t *val, unsigned len)
{
	uint8_t group[16], addr[16];
	int32_t ifindex = 0;

	if (len < 8)
		return -LINUX_EINVAL;
	addr_set(group, LINUX_AF_INET, val);
	addr_set(addr, LINUX_AF_INET, val + 4);
	if (len >= 12)
		memcpy(&ifindex, val + 8, 4);
	return group_set(sk, join, group, ifindex, addr);
}

static int mreq6_set(struct sock *sk, bool join, const uint8_t *val, unsigned len)
{
	int32_t ifindex;

	if (len < 20)
		return -LINUX_EINVAL;
	memcpy(&ifindex, val + 16, 4);
	return group_set(sk, join, val, ifindex, NULL);
}

/* struct group_req: a number, and a socket address. */
static int group_req_set(struct sock *sk, int level, bool join, const uint8_t *val, unsigned len)
{
	struct inet_name group;
	struct linux_sockaddr sa;
	uint32_t ifindex;
	int err;

	if (len < 8 + 128)
		return -LINUX_EINVAL;
	memcpy(&ifindex, val, 4);
	memset(&sa, 0, sizeof(sa));
	memcpy(&sa, val + 8, MIN(sizeof(sa), (size_t)128));
	err = inet_from_sockaddr(level == LINUX_IPPROTO_IP ? LINUX_AF_INET : LINUX_AF_INET6, &sa, 128, &group);
	if (err)
		return level == LINUX_IPPROTO_IP ? -LINUX_EINVAL : -LINUX_EADDRNOTAVAIL;
	return group_set(sk, join, group.addr, (int)ifindex, NULL);
}

/* Where datagrams to groups leave: by an address or a number. */
static int mcast_if_set(struct sock *sk, const uint8_t *val, unsigned len)
{
	uint8_t addr[16];
	int32_t ifindex = 0;
	struct netif *nif;

	if (sock_is_stream(sk) || len < 4)
		return -LINUX_EINVAL;
	addr_set(addr, LINUX_AF_INET, len >= 8 ? val + 4 : val);
	if (len >= 12)
		memcpy(&ifindex, val + 8, 4);
	if (!ifindex && addr_is_any(addr)) {
		inet_sk(sk)->mcast_if = 0;
		memset(inet_sk(sk)->mcast_addr, 0, 4);
		return 0;
	}
	nif = ifindex ? netif_find(sk->net, ifindex) : netif_by_addr(sk->net, addr);
	if (!nif)
		return -LINUX_EADDRNOTAVAIL;
	inet_sk(sk)->mcast_if = nif->index;
	memcpy(inet_sk(sk)->mcast_addr, addr + 12, 4);
	return 0;
}

static int mcast_if6_set(struct sock *sk, const uint8_t *val, unsigned len)
{
	int32_t ifindex;

	if (sock_is_stream(sk))
		return -LINUX_ENOPROTOOPT;
	if (len < 4)
		return -LINUX_EINVAL;
	memcpy(&ifindex, val, 4);
	if (ifindex && !netif_find(sk->net, ifindex))
		return -LINUX_ENODEV;
	inet_sk(sk)->mcast_if = ifindex;
	return 0;
}

int inet_mcast_setsockopt(struct sock *sk, int level, int name, const void *val, unsigned len)
{
	bool v6 = level == LINUX_IPPROTO_IPV6;

	if ((v6 && sk->family != LINUX_AF_INET6) || (!v6 && level != LINUX_IPPROTO_IP))
		return 1;
	switch (name) {
	case LINUX_MCAST_JOIN_GROUP:
	case LINUX_MCAST_LEAVE_GROUP:
		return group_req_set(sk, level, name == LINUX_MCAST_JOIN_GROUP, val, len);
	case LINUX_IP_ADD_MEMBERSHIP:
	case LINUX_IP_DROP_MEMBERSHIP:
		return v6 ? 1 : mreq_set(sk, name == LINUX_IP_ADD_MEMBERSHIP, val, len);
	case LINUX_IP_MULTICAST_IF:
		return v6 ? 1 : mcast_if_set(sk, val, len);
	case LINUX_IPV6_JOIN_GROUP:
	case LINUX_IPV6_LEAVE_GROUP:
		return v6 ? mreq6_set(sk, name == LINUX_IPV6_JOIN_GROUP, val, len) : 1;
	case LINUX_IPV6_MULTICAST_IF:
		return v6 ? mcast_if6_set(sk, val, len) : 1;
	default:
		return 1;
	}
}

/* --- sending --- */

static bool group_receives_locked(const struct inet_sock *in, const struct msg *msg, const struct inet_name *from, int ifindex)
{
	const struct inet_name *to = &msg->to;

	if (in->local.port != to->port || (in->sk->bound_if && in->sk->bound_if != ifindex))
		return false;
	if (inet_is_any(&in->local) ? inet_is_v4(&in->local) != inet_is_v4(to) && (inet_is_v4(&in->local) || in->v6only) :
				      !inet_same_addr(&in->local, to))
		return false;
	if (in->remote.port && (in->remote.port != from->port || !inet_same_addr(&in->remote, from)))
		return false;
	return group_joined(in, to->addr, ifindex) || (!in->mcast_own && group_joined_by_any_locked(in->sk->net, to->addr, ifindex));
}

static void group_deliver(struct sock *sk, struct sock *to, const struct skb *skb, const struct inet_name *from)
{
	struct skb *copy;

	if (READ_ONCE(to->rcvq_bytes) >= (size_t)to->rcvbuf) {
		atomic_fetch_add(&to->drops, 1);
		return;
	}
	copy = skb_new(sk, skb->len);
	if (!copy)
		return;
	memcpy(copy->data, skb->data, skb->len);
	copy->info = skb->info;
	copy->addr_len = inet_to_sockaddr(to->family, from, &copy->addr);
	copy->stamp = sock_stamp_now(to);
	if (!sock_filter_packet(to, copy) || sock_deliver(to, copy))
		skb_free(copy);
}

/* Takes @skb, a datagram to the group msg->to. */
int inet_mcast_xmit(struct sock *sk, struct skb *skb, struct msg *msg)
{
	struct inet_name from = inet_sk(sk)->local;
	struct sock *receivers[NR_RECEIVERS_MAX];
	int ifindex = msg->dst.oif->index;
	struct inet_sock *in;
	unsigned n = 0;

	if (inet_is_any(&from) || inet_is_multicast(&from))
		memcpy(from.addr, msg->dst.src, 16);
	skb->info = (struct pktinfo){ .valid = true, .ifindex = ifindex, .ttl = (uint8_t)MAX(inet_sk(sk)->mcast_ttl, 0) };
	memcpy(skb->info.to, msg->to.addr, 16);
	if (inet_sk(sk)->mcast_loop || netif_is_lo(msg->dst.oif)) { /* what leaves by lo comes in again */
		MUTEX_GUARD(&inet_lock);

		list_for_each_entry(in, inet_bucket(inet_table_of(sk), msg->to.port), link)
			if (n < NR_RECEIVERS_MAX && in->sk->net == sk->net && group_receives_locked(in, msg, &from, ifindex) &&
			    ref_get_unless_zero(&in->sk->ref))
				receivers[n++] = in->sk;
	}
	for (unsigned i = 0; i < n; i++) {
		group_deliver(sk, receivers[i], skb, &from);
		sock_put(receivers[i]);
	}
	if (netif_is_lo(msg->dst.oif) || !inet_sk(sk)->mcast_ttl || sk->protocol != LINUX_IPPROTO_UDP) {
		skb_free(skb);
		return 0;
	}
	return udp_xmit(sk, skb, msg);
}
