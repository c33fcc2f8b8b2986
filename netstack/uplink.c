/* SPDX-License-Identifier: Apache-2.0 */
#include "netstack/uplink.h"

#include <stdlib.h>

#include "netstack/direct.h"
#include "netstack/ip.h"
#include "netstack/net_namespace.h"
#include "netstack/slirp/helper.h"
#include "netstack/sock_queue.h"
#include "platform/host/host.h"
#include "platform/host/host_thread.h"
#include "platform/pairing.h"
#include "sentry/abi/fcntl.h"
#include "sentry/base/log.h"

#define NR_RX 16
#define NR_PENDING_MAX 2048
#define PENDING_BYTES_MAX (8UL << 20)
#define THREAD_STACK (128UL << 10)

struct pending {
	struct list_head link;
	size_t len;
	uint8_t data[];
};

static struct netif eth0;
static int uplink_fd = -1, kick_fd = -1;
static atomic_bool down;

static struct mutex uplink_lock = MUTEX_INIT; /* a leaf */
static bool started;			      /* uplink_lock, as all below */
static LIST_HEAD(pending);		      /* frames that the pair had no room for */
static unsigned nr_pending;
static size_t pending_bytes;

void uplink_lost(void)
{
	if (atomic_exchange(&down, true))
		return;
	log_error("the network helper is gone: the guest has no network any more");
	netif_set_carrier(&eth0, false);
	inet_link_down(&eth0);
}

/* --- receiving --- */

/* One skb for each place that is empty. */
static unsigned uplink_fill(struct skb **skbs, struct host_frame *frames, struct iovec *iov)
{
	unsigned n;

	for (n = 0; n < NR_RX; n++) {
		if (!skbs[n])
			skbs[n] = skb_new(NULL, HELPER_FRAME_MAX);
		if (!skbs[n])
			break;
		iov[n] = (struct iovec){ skbs[n]->data, HELPER_FRAME_MAX };
		frames[n] = (struct host_frame){ &iov[n], 1, 0 };
	}
	return n;
}

/* False: the helper is gone. */
static bool uplink_receive(struct skb **skbs)
{
	struct host_frame frames[NR_RX];
	struct iovec iov[NR_RX];
	unsigned room = uplink_fill(skbs, frames, iov);
	int n;

	if (!room) {
		host_nanosleep(1000000);
		return true;
	}
	n = host_recv_frames(uplink_fd, frames, room);
	if (n < 0)
		return n == -LINUX_EAGAIN;
	for (int i = 0; i < n; i++) {
		struct skb *skb = skbs[i];

		if (!frames[i].len) /* the end of the pair; or too long, which it never sends */
			return false;
		skb->len = frames[i].len;
		skbs[i] = NULL;
		link_input(&eth0, skb);
	}
	tcp_flush();
	return n > 0;
}

static void uplink_send_pending(void)
{
	MUTEX_GUARD(&uplink_lock);

	while (!list_empty(&pending)) {
		struct pending *f = list_first_entry(&pending, struct pending, link);
		struct iovec iov = { f->data, f->len };
		struct host_frame frame = { &iov, 1, 0 };

		if (host_send_frames(uplink_fd, &frame, 1, false) == -LINUX_EAGAIN)
			return;
		list_del(&f->link);
		nr_pending--;
		pending_bytes -= f->len;
		free(f);
	}
}

static void *uplink_main(void *arg __unused)
{
	struct skb *skbs[NR_RX] = { NULL };
	bool alive = true;

	pairing_release_thread();
	while (alive) {
		struct pollfd p[2] = { { .fd = uplink_fd, .events = POLLIN }, { .fd = kick_fd, .events = POLLIN } };

		mutex_lock(&uplink_lock);
		if (nr_pending)
			p[0].events |= POLLOUT;
		mutex_unlock(&uplink_lock);
		if (host_poll(p, 2, -1) < 0)
			continue;
		if (p[1].revents)
			host_eventfd_drain(kick_fd);
		if (p[0].revents & POLLOUT)
			uplink_send_pending();
		if (p[0].revents & (POLLIN | POLLHUP | POLLERR))
			alive = uplink_receive(skbs);
	}
	for (int i = 0; i < NR_RX; i++)
		if (skbs[i])
			skb_free(skbs[i]);
	uplink_lost();
	return NULL;
}

static int uplink_start_locked(void)
{
	int err;

	kick_fd = host_eventfd(0, LINUX_O_NONBLOCK);
	if (kick_fd < 0)
		return kick_fd;
	err = host_thread_start_detached(uplink_main, NULL, THREAD_STACK);
	started = !err;
	return err;
}

/* --- sending --- */

static int uplink_queue_locked(const struct iovec *iov, unsigned nr)
{
	struct pending *f;
	size_t len = 0;

	for (unsigned i = 0; i < nr; i++)
		len += iov[i].iov_len;
	if (nr_pending >= NR_PENDING_MAX || pending_bytes + len > PENDING_BYTES_MAX)
		return -LINUX_ENOBUFS;
	f = malloc(sizeof(*f) + len);
	if (!f)
		return -LINUX_ENOMEM;
	f->len = 0;
	for (unsigned i = 0; i < nr; i++) {
		memcpy(f->data + f->len, iov[i].iov_base, iov[i].iov_len);
		f->len += iov[i].iov_len;
	}
	list_add_tail(&f->link, &pending);
	nr_pending++;
	pending_bytes += len;
	if (nr_pending == 1)
		host_eventfd_signal(kick_fd);
	return 0;
}

static int uplink_xmit(struct netif *nif __unused, const struct iovec *iov, unsigned nr)
{
	struct host_frame frame = { (struct iovec *)(uintptr_t)iov, nr, 0 };
	int n;
	MUTEX_GUARD(&uplink_lock);

	if (atomic_load_explicit(&down, memory_order_relaxed))
		return -LINUX_ENETDOWN;
	if (!started) {
		int err = uplink_start_locked();

		if (err)
			return -LINUX_ENOBUFS;
	}
	if (nr_pending)
		return uplink_queue_locked(iov, nr);
	n = host_send_frames(uplink_fd, &frame, 1, false);
	if (n == -LINUX_EAGAIN)
		return uplink_queue_locked(iov, nr);
	return n == 1 ? 0 : -LINUX_ENETDOWN;
}

/*
 * What router advertisements of libslirp would come to: fec0::/64, a default route by fe80::2, and the address of the link.
 */
static int uplink_init_ipv6(void)
{
	struct route r = { .plen = 0, .has_gateway = true, .oif = &eth0, .table = LINUX_RT_TABLE_MAIN, .metric = 1024,
			   .protocol = LINUX_RTPROT_RA, .type = LINUX_RTN_UNICAST, .gateway = { 0xfe, 0x80, [15] = 2 } };
	struct ifaddr a = { .nif = &eth0, .plen = 64, .scope = LINUX_RT_SCOPE_SITE };
	int err;

	netif_link_local(&eth0, a.addr);
	a.addr[1] = 0xc0;
	err = ifaddr_add(&a);
	a.addr[1] = 0x80;
	a.scope = LINUX_RT_SCOPE_LINK;
	if (!err)
		err = ifaddr_add(&a);
	return err ? err : route_add(&init_net, &r, LINUX_NLM_F_CREATE);
}

int uplink_init(int fd, int ctl, bool start, bool ipv6)
{
	struct ifaddr a = { .nif = &eth0, .plen = 96 + 24, .scope = LINUX_RT_SCOPE_UNIVERSE };
	struct route r = { .plen = 96, .has_gateway = true, .oif = &eth0, .table = LINUX_RT_TABLE_MAIN,
			   .protocol = LINUX_RTPROT_BOOT, .type = LINUX_RTN_UNICAST };
	int err = 0;

	uplink_fd = fd;
	strcpy(eth0.name, "eth0");
	memcpy(eth0.hwaddr, (uint8_t[]){ 0x52, 0x54, 0x00, 0x12, 0x34, 0x56 }, 6);
	eth0.type = LINUX_ARPHRD_ETHER;
	eth0.mtu = eth0.max_mtu = HELPER_MTU;
	eth0.xmit = uplink_xmit;
	eth0.flags = LINUX_IFF_BROADCAST | LINUX_IFF_MULTICAST;
	atomic_store(&eth0.carrier, true);
	netif_register(&init_net, &eth0, 0);
	netif_set_flags(&eth0, LINUX_IFF_UP, LINUX_IFF_UP);
	addr_set_v4(a.addr, 10, 0, 2, 15);
	addr_set_v4(a.brd, 10, 0, 2, 255);
	addr_set_v4(r.dst, 0, 0, 0, 0);
	addr_set_v4(r.gateway, 10, 0, 2, 2);
	err = ifaddr_add(&a);
	if (!err)
		err = route_add(&init_net, &r, LINUX_NLM_F_CREATE);
	if (!err && ipv6)
		err = uplink_init_ipv6();
	if (!err && ctl >= 0)
		err = direct_init(ctl, &eth0);
	if (!err && start && ctl >= 0)
		err = direct_start();
	if (!err && start) {
		mutex_lock(&uplink_lock);
		err = uplink_start_locked();
		mutex_unlock(&uplink_lock);
		/* libslirp learns our address. */
		arp_request(&eth0, r.gateway, NULL);
	}
	return err;
}
