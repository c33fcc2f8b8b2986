/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ethernet: frames to and from interfaces.
 */
#include "netstack/ip.h"
#include "netstack/pcap.h"
#include "netstack/sock_queue.h"

void link_input(struct netif *nif, struct skb *skb)
{
	uint8_t *p = (uint8_t *)skb->data;
	size_t len = skb->len;

	atomic_fetch_add_explicit(&nif->stats.rx_packets, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&nif->stats.rx_bytes, len, memory_order_relaxed);
	if (unlikely(atomic_load_explicit(&pcap_enabled, memory_order_relaxed)))
		pcap_frame(&(struct iovec){ p, len }, 1, false);
	if (len < ETH_HLEN) {
		atomic_fetch_add(&nif->stats.rx_errors, 1);
		skb_free(skb);
		return;
	}
	if (unlikely(atomic_load_explicit(&nr_packet_socks, memory_order_relaxed))) {
		struct iovec iov = { p, len };

		packet_tap(nif, &iov, 1, false);
	}
	if (!(READ_ONCE(nif->flags) & LINUX_IFF_UP) || (memcmp(p, nif->hwaddr, 6) && !(p[0] & 1))) {
		skb_free(skb);
		return;
	}
	switch (get_be16(p + 12)) {
	case ETH_P_ARP:
		arp_input(nif, p + ETH_HLEN, len - ETH_HLEN);
		skb_free(skb);
		return;
	case ETH_P_IP:
		ip_input(nif, skb, p + ETH_HLEN, len - ETH_HLEN, false, false);
		return;
	case ETH_P_IPV6:
		ip_input(nif, skb, p + ETH_HLEN, len - ETH_HLEN, true, false);
		return;
	default:
		atomic_fetch_add(&nif->stats.rx_dropped, 1);
		skb_free(skb);
	}
}

int link_xmit(struct netif *nif, const struct iovec *iov, unsigned nr)
{
	size_t len = 0;
	int err;

	for (unsigned i = 0; i < nr; i++)
		len += iov[i].iov_len;
	if (unlikely(atomic_load_explicit(&nr_packet_socks, memory_order_relaxed)))
		packet_tap(nif, iov, nr, true);
	if (unlikely(atomic_load_explicit(&pcap_enabled, memory_order_relaxed)))
		pcap_frame(iov, nr, true);
	err = nif->xmit ? nif->xmit(nif, iov, nr) : -LINUX_ENETDOWN;
	if (err) {
		atomic_fetch_add(&nif->stats.tx_dropped, 1);
		return err;
	}
	atomic_fetch_add_explicit(&nif->stats.tx_packets, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&nif->stats.tx_bytes, len, memory_order_relaxed);
	return 0;
}
