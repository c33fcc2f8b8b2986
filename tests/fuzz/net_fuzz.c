/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: frames from a link, as a helper that was taken over would send them, and classic BPF filters.  Whatever comes, nothing
 * outside the frame is read, and memory stays bounded: to be run with the sanitizers.
 *
 *     tests/fuzz/net_fuzz 1000000 1        [number of frames, first seed]
 *
 * There is a TCP listener, sockets of UDP, ping, raw and packet; half of the frames are what those expect, changed in a few places, and
 * connections are really made: the link's other end answers with what was sent to it, source and destination exchanged.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netstack/ip.h"
#include "netstack/skf.h"
#include "netstack/sock_queue.h"
#include "netstack/tcp.h"

static uint64_t rnd_state = 1;

static uint32_t rnd(uint32_t n)
{
	rnd_state ^= rnd_state << 13;
	rnd_state ^= rnd_state >> 7;
	rnd_state ^= rnd_state << 17;
	return (uint32_t)(rnd_state >> 20) % n;
}

static struct netif nif = { .name = "eth0", .type = LINUX_ARPHRD_ETHER, .mtu = 16384, .max_mtu = 16384,
			    .hwaddr = { 0x52, 0x54, 0, 0x12, 0x34, 0x56 } };
static uint8_t last[20000];
static size_t last_len;

/* Remembers the frame. */
static int fuzz_xmit(struct netif *n, const struct iovec *iov, unsigned nr)
{
	(void)n;
	last_len = 0;
	for (unsigned i = 0; i < nr; i++) {
		if (last_len + iov[i].iov_len > sizeof(last))
			abort();
		memcpy(last + last_len, iov[i].iov_base, iov[i].iov_len);
		last_len += iov[i].iov_len;
	}
	return 0;
}

static void feed(const uint8_t *frame, size_t len)
{
	struct skb *skb = skb_new(NULL, len);

	if (!skb)
		abort();
	memcpy(skb->data, frame, len);
	link_input(&nif, skb);
	if (!rnd(4))
		tcp_flush();
}

/* An IPv4 packet for us with what @l4 holds. */
static size_t build(uint8_t *f, uint8_t proto, const uint8_t *l4, size_t len)
{
	uint8_t *h = f + ETH_HLEN;

	memcpy(f, nif.hwaddr, 6);
	memset(f + 6, 2, 6);
	put_be16(f + 12, ETH_P_IP);
	memset(h, 0, IP_HLEN);
	h[0] = 0x45;
	put_be16(h + 2, (uint16_t)(IP_HLEN + len));
	put_be16(h + 4, (uint16_t)rnd(4));
	if (!rnd(8))
		put_be16(h + 6, (uint16_t)(rnd(2) << 13 | rnd(64)));
	h[8] = 64;
	h[9] = proto;
	memcpy(h + 12, (uint8_t[]){ 10, 0, 2, (uint8_t)(2 + rnd(2)) }, 4);
	memcpy(h + 16, (uint8_t[]){ 10, 0, 2, 15 }, 4);
	memcpy(h + 10, &(uint16_t){ csum_finish(csum_add(0, h, IP_HLEN)) }, 2);
	memcpy(h + IP_HLEN, l4, len);
	return ETH_HLEN + IP_HLEN + len;
}

static void mutate(uint8_t *p, size_t len)
{
	for (unsigned n = rnd(4); n && len; n--)
		p[rnd((uint32_t)len)] = (uint8_t)rnd(256);
}

static size_t make_tcp(uint8_t *f)
{
	uint8_t l4[4096] = { 0 };
	size_t hlen = 20 + rnd(11) * 4, len = hlen + (rnd(2) ? rnd(2000) : 0);

	put_be16(l4, (uint16_t)(1000 + rnd(3)));
	put_be16(l4 + 2, 80);
	put_be32(l4 + 4, rnd(2) ? rnd(100) : (uint32_t)rnd_state);
	if (last_len > ETH_HLEN + IP_HLEN + 20 && last[ETH_HLEN + 9] == 6 && rnd(3)) { /* go on with a connection */
		const uint8_t *h = last + ETH_HLEN + IP_HLEN;

		memcpy(l4, h + 2, 2);
		memcpy(l4 + 2, h, 2);
		memcpy(l4 + 4, h + 8, 4);
		put_be32(l4 + 8, get_be32(h + 4) + !!(h[13] & 3));
		put_be32(l4 + 4, get_be32(l4 + 4) + (rnd(6) ? 0 : rnd(20) - 10));
	}
	l4[12] = (uint8_t)(hlen / 4 << 4);
	l4[13] = (uint8_t)(rnd(3) ? TCP_ACK : 1U << rnd(6));
	if (!rnd(4))
		l4[13] = TCP_SYN;
	put_be16(l4 + 14, (uint16_t)rnd(65536));
	for (size_t i = 20; i < hlen; i++)
		l4[i] = (uint8_t)rnd(6);
	mutate(l4, hlen);
	return build(f, 6, l4, len);
}

static size_t make_icmp(uint8_t *f)
{
	static const uint8_t types[] = { 0, 3, 8, 11, 12, 5 };
	uint8_t l4[700] = { 0 };
	size_t len = rnd(600);

	l4[0] = types[rnd(sizeof(types))];
	l4[1] = (uint8_t)rnd(16);
	if (rnd(2) && last_len > ETH_HLEN) { /* quotes what we sent */
		len = 8 + MIN(last_len - ETH_HLEN, (size_t)(20 + rnd(500)));
		memcpy(l4 + 8, last + ETH_HLEN, len - 8);
	}
	mutate(l4, len);
	put_be16(l4 + 2, 0);
	memcpy(l4 + 2, &(uint16_t){ csum_finish(csum_add(0, l4, len)) }, 2);
	return build(f, 1, l4, len);
}

static size_t make_udp(uint8_t *f)
{
	uint8_t l4[2048] = { 0 };
	size_t len = 8 + rnd(1500);

	put_be16(l4, 53);
	put_be16(l4 + 2, (uint16_t)(rnd(4) ? 5353 : rnd(65536)));
	put_be16(l4 + 4, (uint16_t)(rnd(8) ? len : rnd(65536)));
	return build(f, 17, l4, len);
}

static size_t make_arp(uint8_t *f)
{
	memset(f, 255, 6);
	memset(f + 6, 2, 6);
	put_be16(f + 12, ETH_P_ARP);
	memcpy(f + 14, (uint8_t[]){ 0, 1, 8, 0, 6, 4, 0, (uint8_t)(1 + rnd(2)), 2, 2, 2, 2, 2, 2,
				    10, 0, 2, (uint8_t)(2 + rnd(3)), 0, 0, 0, 0, 0, 0, 10, 0, 2, 15 }, 28);
	return 42;
}

static size_t make_ip6(uint8_t *f)
{
	size_t len = rnd(200);

	memcpy(f, nif.hwaddr, 6);
	memset(f + 6, 2, 6);
	put_be16(f + 12, ETH_P_IPV6);
	memset(f + 14, 0, 40 + len);
	f[14] = 0x60;
	put_be16(f + 18, (uint16_t)len);
	f[20] = (uint8_t[]){ 58, 0, 60, 17, 6, 43, 44 }[rnd(7)];
	f[21] = 255;
	memcpy(f + 22, (uint8_t[]){ 0xfd, 0, [15] = 2 }, 16);
	memcpy(f + 38, (uint8_t[]){ 0xfd, 0, [15] = 15 }, 16);
	for (size_t i = 0; i < len; i++)
		f[54 + i] = (uint8_t)rnd(3 + (i < 2) * 140);
	if (f[20] == 58 && len >= 8) {
		uint8_t src[16], dst[16];

		memcpy(src, f + 22, 16);
		memcpy(dst, f + 38, 16);
		put_be16(f + 56, 0);
		memcpy(f + 56, &(uint16_t){ csum_finish(csum_add(csum_pseudo(src, dst, 58, (uint32_t)len), f + 54, len)) }, 2);
	}
	return 54 + len;
}

static void fuzz_bpf(void)
{
	struct skf_insn insns[16];
	unsigned n = 1 + rnd(16);
	struct skf_prog *prog;
	uint8_t data[64];

	for (unsigned i = 0; i < n; i++)
		insns[i] = (struct skf_insn){ (uint16_t)rnd(0xc0), (uint8_t)rnd(4), (uint8_t)rnd(4),
					      rnd(3) ? rnd(70) : (uint32_t)rnd_state };
	insns[n - 1].code = 0x16;
	prog = skf_new(insns, n);
	if (IS_ERR(prog))
		return;
	skf_run(prog, data, rnd(sizeof(data)), 0x800, 0);
	skf_free(prog);
}

static struct sock *bound(int type, int protocol, uint16_t port)
{
	struct linux_sockaddr a = { .in = { .sin_family = LINUX_AF_INET, .sin_port = __builtin_bswap16(port) } };
	struct sock *sk = inet_create(LINUX_AF_INET, type, protocol);

	if (IS_ERR(sk) || (port && sk->ops->bind(sk, &a, sizeof(a.in))))
		abort();
	return sk;
}

/* What readers and callers of accept would do. */
static void drain(struct sock *sk)
{
	for (;;) {
		struct skb *skb;

		mutex_lock(&sk->rcvq_lock);
		skb = list_first_entry_or_null(&sk->rcvq, struct skb, link);
		if (skb) {
			list_del(&skb->link);
			sk->rcvq_bytes -= skb->len;
		}
		mutex_unlock(&sk->rcvq_lock);
		if (!skb)
			return;
		skb_free(skb);
	}
}

static void drain_listener(struct sock *sk)
{
	for (;;) {
		struct sock *child = sock_accept(sk, true);

		if (IS_ERR(child))
			return;
		drain(child);
		sock_close(child);
		sock_put(child);
	}
}

int main(int argc, char **argv)
{
	static size_t (*const makers[])(uint8_t *) = { make_tcp, make_tcp, make_tcp, make_icmp, make_udp, make_arp, make_ip6 };
	unsigned long rounds = argc > 1 ? strtoul(argv[1], NULL, 0) : 100000;
	struct ifaddr a = { .nif = &nif, .plen = 96 + 24 }, a6 = { .nif = &nif, .plen = 64, .addr = { 0xfd, 0, [15] = 15 } };
	struct sock *listener, *socks[4];
	static uint8_t f[20000];

	rnd_state = (argc > 2 ? strtoul(argv[2], NULL, 0) : 1) * 0x9e3779b97f4a7c15ULL | 1;
	net_init();
	nif.xmit = fuzz_xmit;
	nif.flags = LINUX_IFF_UP | LINUX_IFF_BROADCAST;
	atomic_store(&nif.carrier, true);
	netif_register(&nif);
	addr_set_v4(a.addr, 10, 0, 2, 15);
	ifaddr_add(&a);
	ifaddr_add(&a6);
	listener = bound(LINUX_SOCK_STREAM, 0, 80);
	listener->ops->listen(listener, 16);
	socks[0] = bound(LINUX_SOCK_DGRAM, 0, 5353);
	socks[1] = bound(LINUX_SOCK_DGRAM, LINUX_IPPROTO_ICMP, 7);
	socks[2] = bound(LINUX_SOCK_RAW, LINUX_IPPROTO_ICMP, 0);
	socks[3] = packet_create(LINUX_SOCK_RAW, 0x0300);
	for (unsigned long i = 0; i < rounds; i++) {
		size_t len = makers[rnd(ARRAY_SIZE(makers))](f);

		if (!rnd(3))
			mutate(f, len);
		if (!rnd(16))
			len = rnd((uint32_t)len + 1);
		feed(f, len);
		fuzz_bpf();
		if (!rnd(32))
			drain_listener(listener);
		for (int j = 0; j < 4; j++)
			if (!rnd(16))
				drain(socks[j]);
	}
	printf("%lu frames\n", rounds);
	return 0;
}
