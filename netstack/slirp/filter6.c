/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The filter's IPv6 part: fec0::/64 behind the helper, with its gateway fec0::2 and fe80::2 and its resolver fec0::3.
 *
 * No extension headers pass: what libslirp would do with them is nobody's need.  Of ICMPv6 echoes pass, and neighbour and router
 * discovery on the link itself.
 */
#include "netstack/slirp/filter6.h"

#include <string.h>

#include "netstack/slirp/filter_internal.h"

#define ND_RS 133
#define ND_NS 135
#define ND_NA 136
#define ECHO 128
#define DHCP6_SERVER 547

static const uint8_t site[8] = { 0xfe, 0xc0 }, link_net[8] = { 0xfe, 0x80 };

static bool in_net(const uint8_t a[16], const uint8_t net[8])
{
	return !memcmp(a, net, 8);
}

static bool is_host(const uint8_t a[16], uint8_t host)
{
	static const uint8_t zero[7];

	return !memcmp(a + 8, zero, 7) && a[15] == host;
}

/* Of the guest: an address of its link that isn't one of libslirp's, or none yet. */
static bool source_ok(const uint8_t a[16], bool nd)
{
	static const uint8_t any[16];

	if (!memcmp(a, any, 16))
		return nd;
	return (in_net(a, site) || in_net(a, link_net)) && !is_host(a, GATEWAY) && !is_host(a, RESOLVER);
}

/* Discovery: what stays on the link, as RFC 4861 asks for it. */
static bool nd_ok(const uint8_t *ip, const uint8_t *l4, size_t len)
{
	size_t fixed = l4[0] == ND_RS ? 8 : 24;

	if (ip[7] != 255 || l4[1] || len < fixed)
		return false;
	/* Nobody takes the gateway's name. */
	if (l4[0] == ND_NA && (is_host(l4 + 8, GATEWAY) || is_host(l4 + 8, RESOLVER)))
		return false;
	for (size_t off = fixed; off < len; off += (size_t)l4[off + 1] * 8)
		if (len - off < 8 || !l4[off + 1] || (size_t)l4[off + 1] * 8 > len - off)
			return false;
	return true;
}

enum filter_verdict filter_ip6(const struct policy *p, const uint8_t *ip, size_t *len, int64_t now)
{
	const uint8_t *l4 = ip + IP6_HLEN, *to = ip + 24;
	bool nd = false, own;
	size_t n;
	uint16_t port = 0;

	if (*len < IP6_HLEN || ip[0] >> 4 != 6)
		return FILTER_DROP;
	n = be16(ip + 4);
	if (n > *len - IP6_HLEN || n < 8)
		return FILTER_DROP;
	*len = IP6_HLEN + n;
	if (ip[6] == PROTO_ICMP6) {
		nd = l4[0] == ND_RS || l4[0] == ND_NS || l4[0] == ND_NA;
		if (nd ? !nd_ok(ip, l4, n) : l4[0] != ECHO || l4[1])
			return FILTER_DROP;
	} else if (ip[6] == PROTO_ICMP || !filter_transport(ip[6], l4, n, false, &port)) {
		return FILTER_DROP;
	}
	if (!source_ok(ip + 8, nd))
		return FILTER_DROP;
	if (to[0] == 0xff) /* of the link only: discovery, and the servers of DHCPv6 */
		return nd || (ip[6] == PROTO_UDP && port == DHCP6_SERVER && to[1] == 2) ? FILTER_PASS : FILTER_DROP;
	own = in_net(to, site) || in_net(to, link_net);
	if (nd)
		return own ? FILTER_PASS : FILTER_DROP;
	if (!own)
		return policy_allows(p, to, port, now) ? FILTER_PASS : FILTER_DENY;
	if (ip[6] == PROTO_ICMP6)
		return is_host(to, GATEWAY) || is_host(to, RESOLVER) ? FILTER_PASS : FILTER_DROP;
	if (is_host(to, GATEWAY))
		return policy_allows_host(p, port) ? FILTER_PASS : FILTER_DENY;
	/* Names are looked at in IPv4 only. */
	return is_host(to, RESOLVER) && port == 53 && !p->allowlist ? FILTER_PASS : FILTER_DENY;
}

size_t filter_denial6(const uint8_t *frame, size_t len, uint8_t *ret)
{
	static const uint8_t gateway[16] = { 0xfe, 0xc0, [15] = GATEWAY };
	size_t quote = MIN(len - ETH_HLEN, (size_t)(FILTER_REPLY_MAX - ETH_HLEN - IP6_HLEN - 8)), n = 8 + quote;
	uint8_t *ip = ret + ETH_HLEN, *icmp = ip + IP6_HLEN, sum[40 + FILTER_REPLY_MAX] = { 0 };

	memcpy(ret, frame + 6, 6);
	memcpy(ret + 6, (uint8_t[]){ 0x52, 0x56, 0, 0, 0, GATEWAY }, 6);
	put16(ret + 12, 0x86dd);
	memset(ip, 0, IP6_HLEN + 8);
	ip[0] = 0x60;
	put16(ip + 4, (unsigned)n);
	ip[6] = PROTO_ICMP6;
	ip[7] = 64;
	memcpy(ip + 8, gateway, 16);
	memcpy(ip + 24, frame + ETH_HLEN + 8, 16);
	icmp[0] = 1; /* administratively prohibited */
	icmp[1] = 1;
	memcpy(icmp + 8, frame + ETH_HLEN, quote);
	/* The pseudo header: addresses, length, protocol. */
	memcpy(sum, ip + 8, 32);
	put16(sum + 34, (unsigned)n);
	sum[39] = PROTO_ICMP6;
	memcpy(sum + 40, icmp, n);
	put16(icmp + 2, checksum(sum, 40 + n));
	return ETH_HLEN + IP6_HLEN + n;
}
