/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interfaces without hardware: veth(4), whose two ends are joined by a cable and may be in different namespaces, and dummy, which
 * swallows what it is given.
 */
#include "netstack/ip.h"
#include "netstack/net_namespace.h"
#include "netstack/netif_kind.h"
#include "netstack/netlink.h"
#include "platform/host/host.h"

#define VETH_INFO_PEER 1
#define MTU_MAX 65535

void netif_random_hwaddr(uint8_t ret[6])
{
	host_getrandom(ret, 6);
	ret[0] = (ret[0] & 0xfe) | 2; /* for one interface, and given locally */
}

void netif_init_ether(struct netif *nif, const struct netif_kind *kind)
{
	nif->kind = kind;
	nif->type = LINUX_ARPHRD_ETHER;
	nif->mtu = 1500;
	nif->max_mtu = MTU_MAX;
	nif->flags = LINUX_IFF_BROADCAST | LINUX_IFF_MULTICAST;
	atomic_store(&nif->carrier, true);
	netif_random_hwaddr(nif->hwaddr);
}

/* --- veth --- */

static const struct netif_kind veth_kind;

/* The other end, whose namespace gets a reference; NULL when there is none any more. */
static struct netif *veth_peer_get(struct netif *nif)
{
	struct netif *peer;
	MUTEX_GUARD(&netif_lock);

	peer = nif->peer;
	return peer && ref_get_unless_zero(&peer->net->ns.ref) ? peer : NULL;
}

static int veth_xmit(struct netif *nif, const struct iovec *iov, unsigned nr)
{
	struct netif *peer = veth_peer_get(nif);
	int err = -LINUX_ENOBUFS;

	if (!peer)
		return err;
	if (READ_ONCE(peer->flags) & LINUX_IFF_UP)
		err = backlog_add(peer, iov, nr);
	net_put(peer->net);
	return err;
}

/* There is a carrier at both ends while both are up. */
static void veth_changed(struct netif *nif)
{
	struct netif *peer = veth_peer_get(nif);
	bool on;

	if (!peer)
		return;
	on = READ_ONCE(nif->flags) & READ_ONCE(peer->flags) & LINUX_IFF_UP;
	netif_set_carrier(nif, on);
	netif_set_carrier(peer, on);
	net_put(peer->net);
}

/* @q with the peer's own attributes: where it is to be, and its name. */
static int veth_create_peer(struct netif *nif, const struct nlreq *q)
{
	struct net *net _cleanup_net_ = NULL;
	struct linux_ifinfomsg m;
	char name[16] = "veth%d";
	struct netif *peer;
	int err;

	nlreq_fixed(q, &m, sizeof(m));
	err = link_req_name(q, name);
	net = err < 0 ? NULL : link_req_net(q);
	if (err < 0 || IS_ERR(net))
		return err < 0 ? err : (int)PTR_ERR(net);
	peer = netif_new(net, name);
	if (IS_ERR(peer))
		return (int)PTR_ERR(peer);
	netif_init_ether(peer, &veth_kind);
	peer->xmit = veth_xmit;
	atomic_store(&peer->carrier, false);
	err = link_req_init(q, peer);
	if (err) {
		netif_drop(peer);
		return err;
	}
	mutex_lock(&netif_lock);
	peer->peer = nif;
	nif->peer = peer;
	mutex_unlock(&netif_lock);
	netif_register(net, peer, m.index);
	return 0;
}

static int veth_create(struct netif *nif, const struct nlreq *q, const void *data, size_t len)
{
	struct nlreq peer = { .net = q->net, .h = q->h, .body = (const uint8_t *)&(struct linux_ifinfomsg){ 0 },
			      .len = sizeof(struct linux_ifinfomsg) };
	const void *attrs;
	int n = data ? nl_attr_find(data, len, VETH_INFO_PEER, &attrs) : -1, err;

	if (n >= 0 && n < (int)sizeof(struct linux_ifinfomsg)) {
		netif_drop(nif);
		return -LINUX_EINVAL;
	}
	if (n >= 0) {
		peer.body = attrs;
		peer.len = (size_t)n;
	}
	netif_init_ether(nif, &veth_kind);
	nif->xmit = veth_xmit;
	atomic_store(&nif->carrier, false);
	err = link_req_init(q, nif);
	if (err) {
		netif_drop(nif);
		return err;
	}
	netif_register(nif->net, nif, nif->index);
	err = veth_create_peer(nif, &peer);
	if (err)
		netif_unregister(nif);
	return err;
}

/* An end that is deleted takes the other one along. */
static void veth_leave(struct netif *nif, struct netif *to)
{
	struct netif *peer;
	bool there;

	mutex_lock(&netif_lock);
	peer = nif->peer;
	there = peer && ref_get_unless_zero(&peer->net->ns.ref);
	if (peer)
		peer->peer = to;
	if (to)
		to->peer = peer;
	nif->peer = NULL;
	mutex_unlock(&netif_lock);
	if (!there) /* or on its way out by itself */
		return;
	if (to)
		netif_set_carrier(peer, false);
	else
		netif_unregister(peer);
	net_put(peer->net);
}

static int veth_lower(const struct netif *nif, struct net **ret_net)
{
	*ret_net = nif->peer ? nif->peer->net : NULL;
	return nif->peer ? nif->peer->index : 0;
}

static const struct netif_kind veth_kind = {
	.name = "veth", .create = veth_create, .leave = veth_leave, .lower = veth_lower, .changed = veth_changed,
};

/* --- dummy --- */

static const struct netif_kind dummy_kind;

static int dummy_xmit(struct netif *nif __unused, const struct iovec *iov __unused, unsigned nr __unused)
{
	return 0;
}

static int dummy_create(struct netif *nif, const struct nlreq *q, const void *data __unused, size_t len __unused)
{
	int err;

	netif_init_ether(nif, &dummy_kind);
	nif->flags = LINUX_IFF_BROADCAST | LINUX_IFF_NOARP;
	nif->xmit = dummy_xmit;
	err = link_req_init(q, nif);
	if (err)
		netif_drop(nif);
	else
		netif_register(nif->net, nif, nif->index);
	return err;
}

static const struct netif_kind dummy_kind = { .name = "dummy", .create = dummy_create };

const struct netif_kind *const netif_kinds[] = { &veth_kind, &dummy_kind, NULL };
