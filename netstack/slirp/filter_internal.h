/* SPDX-License-Identifier: Apache-2.0 */
/* Between filter.c and filter6.c: how packets are read. */
#ifndef SENTRY_NETSTACK_SLIRP_FILTER_INTERNAL_H
#define SENTRY_NETSTACK_SLIRP_FILTER_INTERNAL_H

#include <stddef.h>

#include "sentry/base/types.h"

#define ETH_HLEN 14
#define IP_HLEN 20
#define IP6_HLEN 40
#define PROTO_ICMP 1
#define PROTO_TCP 6
#define PROTO_UDP 17
#define PROTO_ICMP6 58

/* libslirp's own addresses end in these. */
enum { GATEWAY = 2, RESOLVER = 3 };

static inline uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline uint16_t checksum(const uint8_t *p, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < len; i += 2)
		sum += be16(p + i);
	if (len & 1)
		sum += (uint32_t)p[len - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* The transport header; *ret_port is the destination's, 0 where there is none. */
bool filter_transport(uint8_t proto, const uint8_t *l4, size_t len, bool fragment, uint16_t *ret_port);

#endif
