/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The neighbour table.
 *
 *     (none) --packet--> INCOMPLETE --answer--> REACHABLE        PERMANENT by rtnetlink
 *                            | asked in vain: FAILED, what waited is dropped
 *
 * The link behind eth0 is one helper process that answers at once, so its entries don't age; those of others are confirmed now and
 * then while they are used.  A new answer replaces an old one.
 */
#include <stdlib.h>

#include "netstack/ip.h"
#include "netstack/neigh.h"
#include "netstack/net_namespace.h"

#define NR_NEIGH_MAX 256
#define NR_PENDING_MAX 16
#define ASK_INTERVAL_NS 1000000000LL
#define ASK_TRIES 2
#define REACHABLE_NS (30 * 1000000000LL)

struct neigh_frame {
	struct list_head link;
	size_t len;
	uint8_t data[];
};

static struct neigh *neigh_find_locked(struct netif *nif, const uint8_t addr[16])
{
	struct neigh *n;

	list_for_each_entry(n, &nif->net->neighbours, link)
		if (n->nif == nif && !memcmp(n->addr, addr, 16))
			return n;
	return NULL;
}

static void neigh_drop_pending(struct list_head *frames)
{
	struct neigh_frame *f, *tmp;

	list_for_each_entry_safe(f, tmp, frames, link) {
		list_del(&f->link);
		free(f);
	}
}

static struct neigh *neigh_new_locked(struct netif *nif, const uint8_t addr[16])
{
	struct neigh *n;

	if (nif->net->nr_neigh >= NR_NEIGH_MAX) { /* the oldest that is not permanent goes */
		list_for_each_entry(n, &nif->net->neighbours, link)
			if (n->state != LINUX_NUD_PERMANENT) {
				list_del(&n->link);
				neigh_drop_pending(&n->pending);
				free(n);
				nif->net->nr_neigh--;
				break;
			}
		if (nif->net->nr_neigh >= NR_NEIGH_MAX)
			return NULL;
	}
	n = calloc(1, sizeof(*n));
	if (!n)
		return NULL;
	memcpy(n->addr, addr, 16);
	n->nif = nif;
	list_init(&n->pending);
	list_add_tail(&n->link, &nif->net->neighbours);
	nif->net->nr_neigh++;
	return n;
}

/*
 * Whether what is known of @n may be used.  Behind a veth pair somebody else may have the address by now: what was not confirmed for a
 * while is asked for again (*ret_ask), and forgotten when nobody answers.
 */
static bool neigh_usable_locked(struct neigh *n, bool *ret_ask)
{
	int64_t now = monotonic_ns();

	if (!(n->state & (LINUX_NUD_REACHABLE | LINUX_NUD_PERMANENT)))
		return false;
	if (n->state == LINUX_NUD_PERMANENT || !n->nif->kind || now - n->asked < (n->tries ? ASK_INTERVAL_NS : REACHABLE_NS))
		return true;
	if (n->tries > ASK_TRIES) {
		n->state = LINUX_NUD_FAILED;
		return false;
	}
	n->tries++;
	n->asked = now;
	*ret_ask = true;
	return true;
}

static void neigh_header(struct netif *nif, const uint8_t lladdr[6], bool v4, uint8_t *eth)
{
	memcpy(eth, lladdr, 6);
	memcpy(eth + 6, nif->hwaddr, 6);
	put_be16(eth + 12, v4 ? ETH_P_IP : ETH_P_IPV6);
}

static int neigh_hold_locked(struct neigh *n, const struct iovec *iov, unsigned nr)
{
	struct neigh_frame *f;
	size_t len = 0;

	if (n->nr_pending >= NR_PENDING_MAX)
		return -LINUX_ENOBUFS;
	for (unsigned i = 0; i < nr; i++)
		len += iov[i].iov_len;
	f = malloc(sizeof(*f) + len);
	if (!f)
		return -LINUX_ENOMEM;
	f->len = len;
	len = 0;
	for (unsigned i = 0; i < nr; i++) {
		memcpy(f->data + len, iov[i].iov_base, iov[i].iov_len);
		len += iov[i].iov_len;
	}
	list_add_tail(&f->link, &n->pending);
	n->nr_pending++;
	return 0;
}

/* 33:33 and 01:00:5e addresses of multicast groups. */
static void multicast_lladdr(const uint8_t to[16], uint8_t ret[6])
{
	if (addr_is_v4(to))
		memcpy(ret, (uint8_t[]){ 1, 0, 0x5e, to[13] & 0x7f, to[14], to[15] }, 6);
	else
		memcpy(ret, (uint8_t[]){ 0x33, 0x33, to[12], to[13], to[14], to[15] }, 6);
}

static void neigh_ask(struct netif *nif, const uint8_t to[16])
{
	if (addr_is_v4(to))
		arp_request(nif, to, NULL);
	else
		ndp_solicit(nif, to);
}

int neigh_xmit(struct netif *nif, const uint8_t to[16], const struct iovec *iov, unsigned nr)
{
	static const uint8_t ones[6] = { 255, 255, 255, 255, 255, 255 };
	uint8_t lladdr[6];
	bool v4 = addr_is_v4(to), ask = false;
	struct neigh *n;
	int err;

	if (addr_is_broadcast(nif->net, to)) {
		memcpy(lladdr, ones, 6);
	} else if (addr_is_multicast(to)) {
		multicast_lladdr(to, lladdr);
	} else {
		mutex_lock(&netif_lock);
		n = neigh_find_locked(nif, to);
		if (n && neigh_usable_locked(n, &ask)) {
			memcpy(lladdr, n->lladdr, 6);
			mutex_unlock(&netif_lock);
			if (ask)
				neigh_ask(nif, to);
		} else {
			if (!n)
				n = neigh_new_locked(nif, to);
			if (n && (n->state != LINUX_NUD_INCOMPLETE || monotonic_ns() - n->asked > ASK_INTERVAL_NS)) {
				n->tries = n->state == LINUX_NUD_INCOMPLETE ? n->tries + 1 : 1;
				n->state = LINUX_NUD_INCOMPLETE;
				n->asked = monotonic_ns();
				ask = true;
				if (n->tries > ASK_TRIES) {
					n->state = LINUX_NUD_FAILED;
					neigh_drop_pending(&n->pending);
					n->nr_pending = 0;
					mutex_unlock(&netif_lock);
					return -LINUX_EHOSTUNREACH;
				}
			}
			err = n ? neigh_hold_locked(n, iov, nr) : -LINUX_ENOBUFS;
			mutex_unlock(&netif_lock);
			if (ask)
				neigh_ask(nif, to);
			return err == -LINUX_ENOBUFS ? 0 : err; /* dropped, as on a busy link */
		}
	}
	neigh_header(nif, lladdr, v4, iov[0].iov_base);
	return link_xmit(nif, iov, nr);
}

static void neigh_learn(struct netif *nif, const uint8_t addr[16], const uint8_t lladdr[6], uint16_t state, bool create,
			bool excl, int *ret_err)
{
	LIST_HEAD(frames);
	struct neigh_frame *f, *tmp;
	struct neigh *n, copy;
	bool changed = false;

	*ret_err = 0;
	mutex_lock(&netif_lock);
	n = neigh_find_locked(nif, addr);
	if (n && excl)
		*ret_err = -LINUX_EEXIST;
	else if (!n && create)
		n = neigh_new_locked(nif, addr);
	if (!n && create)
		*ret_err = -LINUX_ENOMEM;
	if (n && !*ret_err && (state == LINUX_NUD_PERMANENT || n->state != LINUX_NUD_PERMANENT || create)) {
		changed = n->state != state || memcmp(n->lladdr, lladdr, 6);
		memcpy(n->lladdr, lladdr, 6);
		n->state = state;
		n->tries = 0;
		n->asked = monotonic_ns();
		n->nr_pending = 0;
		list_splice_tail(&n->pending, &frames);
		copy = *n;
	}
	mutex_unlock(&netif_lock);
	list_for_each_entry_safe(f, tmp, &frames, link) {
		struct iovec iov = { f->data, f->len };

		neigh_header(nif, lladdr, addr_is_v4(addr), f->data);
		link_xmit(nif, &iov, 1);
		list_del(&f->link);
		free(f);
	}
	if (changed)
		rtnl_notify_neigh(&copy, false);
}

int neigh_set(struct netif *nif, const uint8_t addr[16], const uint8_t lladdr[6], uint16_t state, bool excl)
{
	int err;

	neigh_learn(nif, addr, lladdr, state, true, excl, &err);
	return err;
}

void neigh_confirm(struct netif *nif, const uint8_t addr[16], const uint8_t lladdr[6])
{
	int err;

	neigh_learn(nif, addr, lladdr, LINUX_NUD_REACHABLE, false, false, &err);
}

int neigh_del(struct netif *nif, const uint8_t addr[16])
{
	struct neigh *n;

	mutex_lock(&netif_lock);
	n = neigh_find_locked(nif, addr);
	if (n) {
		list_del(&n->link);
		nif->net->nr_neigh--;
	}
	mutex_unlock(&netif_lock);
	if (!n)
		return -LINUX_ENOENT;
	neigh_drop_pending(&n->pending);
	rtnl_notify_neigh(n, true);
	free(n);
	return 0;
}

void neigh_flush(struct netif *nif)
{
	for (;;) {
		struct neigh *n, *found = NULL;
		uint8_t addr[16];

		mutex_lock(&netif_lock);
		list_for_each_entry(n, &nif->net->neighbours, link)
			if (n->nif == nif) {
				found = n;
				memcpy(addr, n->addr, 16);
				break;
			}
		mutex_unlock(&netif_lock);
		if (!found || neigh_del(nif, addr))
			return;
	}
}
