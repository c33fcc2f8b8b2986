/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets on links: Ethernet, ARP, NDP, IPv4, IPv6, ICMP.
 *
 *     link_input -> arp_input | ip_input -> icmp_input | udp_input | tcp_input | raw_input
 *     ip_output  -> neigh_xmit -> netif->xmit           (or, to an own address, back to ip_input)
 *
 * Everything that arrives was written by somebody hostile: each parser checks lengths before it reads, and a packet that is not
 * understood is dropped and counted.
 */
#ifndef SENTRY_NETSTACK_IP_H
#define SENTRY_NETSTACK_IP_H

#include "netstack/inet.h"
#include "netstack/netif.h"
#include "platform/host/host.h"

#define ETH_HLEN 14
#define ETH_P_IP 0x0800
#define ETH_P_ARP 0x0806
#define ETH_P_IPV6 0x86dd
#define IP_HLEN 20
#define IP6_HLEN 40
/* Room in front of what a protocol sends: an Ethernet header and the larger IP header. */
#define IP_HEADROOM (ETH_HLEN + IP6_HLEN)
#define IOV_FRAME_MAX 20 /* pieces of one frame */

/* A packet that arrived, borrowed from the skb that holds its frame. */
struct pkt {
	struct netif *nif;
	struct skb *skb;	/* borrowed; a protocol that keeps it sets this to NULL */
	const uint8_t *ip;	/* the IP header */
	size_t ip_len;		/* of all of the packet */
	uint8_t *p;		/* the payload */
	size_t len;
	struct inet_name src, dst;
	uint8_t proto, ttl, tos;
	bool local;		/* from this guest */
	bool broadcast;		/* or multicast */
};

static inline uint16_t get_be16(const void *p)
{
	const uint8_t *b = p;

	return (uint16_t)(b[0] << 8 | b[1]);
}
static inline uint32_t get_be32(const void *p)
{
	const uint8_t *b = p;

	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}
static inline void put_be16(void *p, uint16_t v)
{
	uint8_t *b = p;

	b[0] = v >> 8;
	b[1] = v;
}
static inline void put_be32(void *p, uint32_t v)
{
	put_be16(p, v >> 16);
	put_be16((uint8_t *)p + 2, v);
}

/* --- checksum.c: RFC 1071 --- */

/* Adds @len bytes to a running sum; an odd length only in the last piece unless @odd says where the piece starts. */
uint64_t csum_add(uint64_t sum, const void *data, size_t len);
uint64_t csum_add_iov(uint64_t sum, const struct iovec *iov, unsigned nr);
/* The folded, inverted sum as it is stored (network order bytes). */
uint16_t csum_finish(uint64_t sum);
uint64_t csum_pseudo(const uint8_t src[16], const uint8_t dst[16], uint8_t proto, uint32_t len);

/* --- link.c --- */

/* Takes a frame (the skb's data).  Any thread that holds no lock of the net stack. */
void link_input(struct netif *nif, struct skb *skb);
/* Sends one frame, and shows it to those who listen. */
int link_xmit(struct netif *nif, const struct iovec *iov, unsigned nr);

/*
 * Has @nif take in a frame gathered from @iov, soon and in another thread.  Any lock of the stack may be held, and a reference on @nif's
 * namespace is.  0, -LINUX_ENOBUFS (dropped).
 */
int backlog_add(struct netif *nif, const struct iovec *iov, unsigned nr);

/* --- arp.c, ndp.c --- */

void arp_input(struct netif *nif, const uint8_t *p, size_t len);
/* Asks who has @to. */
void arp_request(struct netif *nif, const uint8_t to[16], const uint8_t from[16]);
void ndp_solicit(struct netif *nif, const uint8_t to[16]);
bool ndp_input(const struct pkt *k);

/* --- ip.c --- */

struct ip_params {
	const struct dst *dst;
	const uint8_t *src, *to; /* 16 bytes each */
	uint8_t proto, ttl, tos;
	bool dont_fragment;
};
/*
 * Sends a packet.  @iov[0] begins with IP_HEADROOM bytes of room; what follows is the payload.  0, -LINUX_EMSGSIZE (and it
 * may not be fragmented), -LINUX_ENETDOWN, -LINUX_ENOBUFS, -LINUX_ENOMEM.
 */
int ip_output(const struct ip_params *ip, struct iovec *iov, unsigned nr);
void ip_input(struct netif *nif, struct skb *skb, uint8_t *p, size_t len, bool v6, bool local);
/* To own addresses by loopback; a whole IP packet. */
int ip_loopback(struct net *net, const struct iovec *iov, unsigned nr, bool v6);

/* --- icmp.c --- */

void icmp_input(struct pkt *k);
void icmp6_input(struct pkt *k);
/* Tells the sender of @k that it can't be served: port unreachable. */
void icmp_unreachable(const struct pkt *k);

/* --- the protocols --- */

void tcp_input(struct pkt *k);
/* An ICMP error about a packet of ours, by its own source and destination: a guest errno, and whether it ends a connection. */
struct icmp_info;
void tcp_error(struct net *net, const struct inet_name *local, const struct inet_name *remote, uint32_t seq, int err, bool hard,
	       const struct icmp_info *info);
/* Sends the acknowledgements that tcp_input left for later. */
void tcp_flush(void);
void udp_input(struct pkt *k);
/* @err: for the socket; @info: what MSG_ERRQUEUE shows. */
struct icmp_info {
	uint8_t origin, type, code; /* SO_EE_ORIGIN_* */
	uint32_t info;
	struct inet_name offender;
	const void *data;	/* what of the datagram came back */
	size_t len;
};
void udp_error(struct net *net, int protocol, const struct inet_name *local, const struct inet_name *remote, int err,
	       const struct icmp_info *info);
void ping_input(struct pkt *k);
/* Whether an error means that the helper's policy refused a packet; says so in the log, with the process whose socket it was. */
bool icmp_denied(const struct icmp_info *info, const struct sock *sk, const struct inet_name *remote);
/* That policy keeps @sk from @remote. */
void net_log_denied(const struct sock *sk, const struct inet_name *remote);
/* Whether somebody took it. */
bool raw_input(struct pkt *k);
/* Packet sockets. */
void packet_tap(struct netif *nif, const struct iovec *iov, unsigned nr, bool outgoing);
extern atomic_int nr_packet_socks;

#endif
