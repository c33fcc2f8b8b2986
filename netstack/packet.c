/* SPDX-License-Identifier: Apache-2.0 */
/*
 * packet(7): frames as they are, with CAP_NET_RAW.  What they send passes the same filter as all frames do, in the helper.
 */
#include <stdlib.h>

#include "netstack/ip.h"
#include "netstack/sock_queue.h"
#include "vfs/proc/proc_net.h"

#define ETH_P_ALL 3
#define SOL_PACKET 263
#define PACKET_ADD_MEMBERSHIP 1
#define PACKET_DROP_MEMBERSHIP 2
#define PACKET_STATISTICS 6
#define PACKET_COPY_THRESH 7
#define PACKET_AUXDATA 8
#define PACKET_ORIGDEV 9
#define PACKET_TIMESTAMP 17
#define PACKET_QDISC_BYPASS 20
#define PACKET_IGNORE_OUTGOING 23
#define PACKET_OUTGOING 4
#define PACKET_HOST 0
#define PACKET_BROADCAST 1
#define PACKET_MULTICAST 2
#define PACKET_OTHERHOST 3

struct linux_sockaddr_ll {
	uint16_t sll_family, sll_protocol; /* big endian */
	int32_t sll_ifindex;
	uint16_t sll_hatype;
	uint8_t sll_pkttype, sll_halen, sll_addr[8];
};
static_assert(sizeof(struct linux_sockaddr_ll) == 20, "struct sockaddr_ll");

struct packet_sock {
	struct sock *sk;	/* borrowed: this is sk->proto */
	struct list_head link;	/* packet_socks */
	int ifindex;		/* packet_lock; 0: all */
	uint16_t protocol;	/* host order; 0: receives nothing */
	uint32_t packets, drops;
	bool auxdata, origdev, qdisc_bypass, ignore_outgoing; /* options; all but the first and last are hints */
	int timestamp;
};

static struct mutex packet_lock = MUTEX_INIT;
static LIST_HEAD(packet_socks);
atomic_int nr_packet_socks;

static struct packet_sock *packet_sk(const struct sock *sk)
{
	return sk->proto;
}

static void packet_addr(const struct linux_sockaddr *addr, unsigned len, struct linux_sockaddr_ll *ret)
{
	memset(ret, 0, sizeof(*ret));
	memcpy(ret, addr, MIN(len, sizeof(*ret)));
}

static int packet_bind(struct sock *sk, const struct linux_sockaddr *addr, unsigned len)
{
	struct linux_sockaddr_ll a;

	if (len < sizeof(a) || addr->family != LINUX_AF_PACKET)
		return -LINUX_EINVAL;
	packet_addr(addr, len, &a);
	if (a.sll_ifindex && !netif_find(sk->net, a.sll_ifindex))
		return -LINUX_ENODEV;
	MUTEX_GUARD(&packet_lock);
	packet_sk(sk)->ifindex = a.sll_ifindex;
	if (a.sll_protocol)
		packet_sk(sk)->protocol = __builtin_bswap16(a.sll_protocol);
	return 0;
}

static int packet_connect(struct sock *sk __unused, const struct linux_sockaddr *addr __unused, unsigned len __unused,
			  bool nonblock __unused)
{
	return -LINUX_EOPNOTSUPP;
}

static int packet_listen(struct sock *sk __unused, int backlog __unused)
{
	return -LINUX_EOPNOTSUPP;
}

static void packet_ll_fill(struct linux_sockaddr_ll *a, struct netif *nif, uint16_t protocol)
{
	*a = (struct linux_sockaddr_ll){ .sll_family = LINUX_AF_PACKET, .sll_protocol = __builtin_bswap16(protocol) };
	if (!nif)
		return;
	a->sll_ifindex = nif->index;
	a->sll_hatype = nif->type;
	a->sll_halen = 6;
	memcpy(a->sll_addr, nif->hwaddr, 6);
}

static int packet_getname(struct sock *sk, bool peer, struct linux_sockaddr *ret, unsigned *ret_len)
{
	struct packet_sock *ps = packet_sk(sk);
	struct linux_sockaddr_ll a;

	if (peer)
		return -LINUX_EOPNOTSUPP;
	packet_ll_fill(&a, ps->ifindex ? netif_find(sk->net, ps->ifindex) : NULL, ps->protocol);
	memset(ret, 0, sizeof(*ret));
	memcpy(ret, &a, sizeof(a));
	*ret_len = ps->ifindex ? sizeof(a) - 2 : 12;
	return 0;
}

/* --- sending --- */

static int packet_xmit(struct sock *sk, struct netif *nif, const struct linux_sockaddr_ll *to, uint8_t *frame, size_t len)
{
	struct iovec iov = { frame, len };

	if (sk->type == LINUX_SOCK_DGRAM) {
		memcpy(frame, to->sll_addr, 6);
		memcpy(frame + 6, nif->hwaddr, 6);
		memcpy(frame + 12, &to->sll_protocol, 2);
	} else if (len < ETH_HLEN) {
		return -LINUX_EINVAL;
	}
	if (len > READ_ONCE(nif->mtu) + ETH_HLEN)
		return -LINUX_EMSGSIZE;
	if (netif_is_lo(nif)) {
		uint16_t proto = get_be16(frame + 12);
		struct iovec ip = { frame + ETH_HLEN, len - ETH_HLEN };

		packet_tap(nif, &iov, 1, false);
		return proto == ETH_P_IP || proto == ETH_P_IPV6 ? ip_loopback(sk->net, &ip, 1, proto == ETH_P_IPV6) : 0;
	}
	return link_xmit(nif, &iov, 1);
}

static int64_t packet_sendmsg(struct sock *sk, struct msg *msg, bool nonblock __unused)
{
	struct packet_sock *ps = packet_sk(sk);
	size_t head = sk->type == LINUX_SOCK_DGRAM ? ETH_HLEN : 0, len = msg->iter->count;
	struct linux_sockaddr_ll to;
	struct netif *nif;
	uint8_t *frame;
	int err = 0;

	packet_ll_fill(&to, NULL, ps->protocol);
	to.sll_ifindex = ps->ifindex;
	/* The family is not looked at, as packet_snd() of Linux doesn't. */
	if (msg->addr_len && msg->addr_len < sizeof(to))
		return -LINUX_EINVAL;
	if (msg->addr_len)
		packet_addr(&msg->addr, msg->addr_len, &to);
	else if (sk->type == LINUX_SOCK_DGRAM)
		return -LINUX_EDESTADDRREQ;
	nif = netif_find(sk->net, to.sll_ifindex);
	if (!nif)
		return -LINUX_ENXIO;
	if (!(READ_ONCE(nif->flags) & LINUX_IFF_UP))
		return -LINUX_ENETDOWN;
	if (len > nif->max_mtu + ETH_HLEN)
		return -LINUX_EMSGSIZE;
	frame = malloc(head + len + ETH_HLEN);
	if (!frame)
		return -LINUX_ENOBUFS;
	if (iov_iter_copy_from(msg->iter, frame + head, len) != len)
		err = -LINUX_EFAULT;
	else
		err = packet_xmit(sk, nif, &to, frame, head + len);
	free(frame);
	return err ? err : (int64_t)len;
}

/* --- receiving --- */

static uint8_t packet_type(const struct netif *nif, const uint8_t *eth, bool outgoing)
{
	static const uint8_t ones[6] = { 255, 255, 255, 255, 255, 255 };

	if (outgoing)
		return PACKET_OUTGOING;
	if (!memcmp(eth, ones, 6))
		return PACKET_BROADCAST;
	if (eth[0] & 1)
		return PACKET_MULTICAST;
	return memcmp(eth, nif->hwaddr, 6) ? PACKET_OTHERHOST : PACKET_HOST;
}

static void packet_queue(struct packet_sock *ps, struct netif *nif, const uint8_t *frame, size_t len, bool outgoing)
{
	size_t skip = ps->sk->type == LINUX_SOCK_DGRAM ? ETH_HLEN : 0, take = len - skip;
	struct linux_sockaddr_ll from;
	struct skb *skb;

	take = MIN(take, sock_filter_run(ps->sk, frame + skip, len - skip, get_be16(frame + 12), packet_type(nif, frame, outgoing)));
	if (!take)
		return;
	ps->packets++;
	if (ps->sk->rcvq_bytes >= (size_t)ps->sk->rcvbuf) {
		ps->drops++;
		return;
	}
	skb = skb_new(NULL, take);
	if (!skb)
		return;
	memcpy(skb->data, frame + skip, take);
	packet_ll_fill(&from, nif, get_be16(frame + 12));
	from.sll_pkttype = packet_type(nif, frame, outgoing);
	skb->aux_len = (uint32_t)(len - skip);
	memcpy(from.sll_addr, frame + 6, 6);
	memcpy(&skb->addr, &from, sizeof(from));
	skb->addr_len = sizeof(from);
	skb->stamp = sock_stamp_now(ps->sk);
	if (sock_deliver(ps->sk, skb))
		skb_free(skb);
}

void packet_tap(struct netif *nif, const struct iovec *iov, unsigned nr, bool outgoing)
{
	struct packet_sock *ps;
	uint8_t *flat = NULL;
	size_t len = 0;
	MUTEX_GUARD(&packet_lock);

	list_for_each_entry(ps, &packet_socks, link) {
		/* What goes out is shown to those who want everything. */
		if (ps->sk->net != nif->net || !ps->protocol || (ps->ifindex && ps->ifindex != nif->index) ||
		    (outgoing && (ps->protocol != ETH_P_ALL || ps->ignore_outgoing)))
			continue;
		if (!flat) {
			for (unsigned i = 0; i < nr; i++)
				len += iov[i].iov_len;
			flat = len >= ETH_HLEN ? malloc(len) : NULL;
			if (!flat)
				return;
			len = 0;
			for (unsigned i = 0; i < nr; i++) {
				memcpy(flat + len, iov[i].iov_base, iov[i].iov_len);
				len += iov[i].iov_len;
			}
		}
		if (ps->protocol == ETH_P_ALL || ps->protocol == get_be16(flat + 12))
			packet_queue(ps, nif, flat, len, outgoing);
	}
	free(flat);
}

/* --- options --- */

static int packet_setsockopt(struct sock *sk, int level, int name, const void *val, unsigned len)
{
	struct packet_sock *ps = packet_sk(sk);
	int v = 0;

	if (level != SOL_PACKET)
		return -LINUX_ENOPROTOOPT;
	if (len < sizeof(v) && name != PACKET_STATISTICS)
		return -LINUX_EINVAL;
	memcpy(&v, val, MIN(len, (unsigned)sizeof(v)));
	switch (name) {
	case PACKET_AUXDATA:
		ps->auxdata = v;
		return 0;
	case PACKET_ORIGDEV:
		ps->origdev = v;
		return 0;
	case PACKET_COPY_THRESH: /* of rings */
		return 0;
	case PACKET_TIMESTAMP:
		ps->timestamp = v;
		return 0;
	case PACKET_QDISC_BYPASS:
		ps->qdisc_bypass = v;
		return 0;
	case PACKET_IGNORE_OUTGOING:
		if (v < 0 || v > 1)
			return -LINUX_EINVAL;
		ps->ignore_outgoing = v;
		return 0;
	case PACKET_ADD_MEMBERSHIP: /* promiscuous or not, this link brings what is for us */
	case PACKET_DROP_MEMBERSHIP:
		return len < 16 ? -LINUX_EINVAL : 0;
	default: /* no rings: PACKET_VERSION, PACKET_RX_RING and what goes with them */
		return -LINUX_ENOPROTOOPT;
	}
}

static int packet_getsockopt(struct sock *sk, int level, int name, void *val, unsigned *len)
{
	struct packet_sock *ps = packet_sk(sk);
	uint32_t stats[2];
	int v;

	if (level != SOL_PACKET)
		return -LINUX_ENOPROTOOPT;
	switch (name) {
	case PACKET_AUXDATA:
		v = ps->auxdata;
		break;
	case PACKET_ORIGDEV:
		v = ps->origdev;
		break;
	case PACKET_TIMESTAMP:
		v = ps->timestamp;
		break;
	case PACKET_QDISC_BYPASS:
		v = ps->qdisc_bypass;
		break;
	case PACKET_IGNORE_OUTGOING:
		v = ps->ignore_outgoing;
		break;
	case PACKET_STATISTICS:
		v = 0;
		break;
	default:
		return -LINUX_ENOPROTOOPT;
	}
	if (name != PACKET_STATISTICS) {
		*len = MIN(*len, (unsigned)sizeof(v));
		memcpy(val, &v, *len);
		return 0;
	}
	mutex_lock(&packet_lock);
	stats[0] = ps->packets;
	stats[1] = ps->drops;
	ps->packets = ps->drops = 0;
	mutex_unlock(&packet_lock);
	*len = MIN(*len, sizeof(stats));
	memcpy(val, stats, *len);
	return 0;
}

static void packet_release(struct sock *sk)
{
	MUTEX_GUARD(&packet_lock);

	if (list_empty(&packet_sk(sk)->link))
		return;
	list_del(&packet_sk(sk)->link);
	atomic_fetch_sub(&nr_packet_socks, 1);
}

static void packet_free(struct sock *sk)
{
	packet_release(sk);
	free(packet_sk(sk));
}

struct tpacket_auxdata {
	uint32_t status, len, snaplen;
	uint16_t mac, net, vlan_tci, vlan_tpid;
};

int packet_cmsg_recv(const struct sock *sk, const struct msg *msg, int64_t got, cmsg_put_fn put, void *c)
{
	struct tpacket_auxdata a = { .status = 1 /* TP_STATUS_USER */, .len = msg->aux_len, .snaplen = (uint32_t)got };

	if (!packet_sk(sk)->auxdata || msg->flags & LINUX_MSG_ERRQUEUE)
		return 0;
	a.net = sk->type == LINUX_SOCK_DGRAM ? 0 : ETH_HLEN;
	return put(c, SOL_PACKET, PACKET_AUXDATA, &a, sizeof(a));
}

static const struct sock_ops packet_ops = {
	.bind = packet_bind,
	.connect = packet_connect,
	.listen = packet_listen,
	.getname = packet_getname,
	.sendmsg = packet_sendmsg,
	.setsockopt = packet_setsockopt,
	.getsockopt = packet_getsockopt,
	.release = packet_release,
	.free = packet_free,
};

struct sock *packet_create(int type, int protocol)
{
	struct packet_sock *ps;
	struct sock *sk;

	if (!net_capable(current_net_ns(), CAP_NET_RAW))
		return ERR_PTR(-LINUX_EPERM);
	if (type != LINUX_SOCK_RAW && type != LINUX_SOCK_DGRAM)
		return ERR_PTR(-LINUX_ESOCKTNOSUPPORT);
	ps = calloc(1, sizeof(*ps));
	sk = ps ? sock_alloc(current_net_ns(), LINUX_AF_PACKET, type, protocol, &packet_ops) : NULL;
	if (!sk) {
		free(ps);
		return ERR_PTR(-LINUX_ENOMEM);
	}
	ps->sk = sk;
	ps->protocol = __builtin_bswap16((uint16_t)protocol);
	sk->proto = ps;
	mutex_lock(&packet_lock);
	list_add_tail(&ps->link, &packet_socks);
	atomic_fetch_add(&nr_packet_socks, 1);
	mutex_unlock(&packet_lock);
	return sk;
}

static void packet_show(struct net *net, struct strbuf *sb)
{
	struct packet_sock *ps;
	MUTEX_GUARD(&packet_lock);

	strbuf_adds(sb, "sk               RefCnt Type Proto  Iface R Rmem   User   Inode\n");
	list_for_each_entry(ps, &packet_socks, link)
		if (ps->sk->net == net)
			strbuf_addf(sb, "%016x %-6d %-4d %04x   %-5d %1d %-6u %-6u %-6llu\n", 0, ref_read(&ps->sk->ref), ps->sk->type,
				    ps->protocol,
			    ps->ifindex, 1, (unsigned)ps->sk->rcvq_bytes, ps->sk->cred.uid, (unsigned long long)ps->sk->ino);
}

void packet_init(void)
{
	proc_net_register("packet", packet_show);
}
