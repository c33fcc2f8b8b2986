/* SPDX-License-Identifier: Apache-2.0 */
#include "netstack/slirp/filter.h"

#include <string.h>

#include "netstack/slirp/filter6.h"
#include "netstack/slirp/filter_internal.h"

#define URG 0x20
#define DNS_HLEN 12
#define DNS_NAME_MAX 256
#define DNS_A 1
#define DNS_AAAA 28

static const uint8_t net[3] = { 10, 0, 2 };
/* --- questions --- */

/* The name at @off, dotted; the offset behind it, or 0.  No compression: a question has none. */
static size_t dns_name(const uint8_t *p, size_t len, size_t off, char ret[DNS_NAME_MAX])
{
	size_t n = 0;

	for (;;) {
		size_t label;

		if (off >= len)
			return 0;
		label = p[off++];
		if (!label)
			break;
		if (label > 63 || label > len - off || n + label + 1 >= DNS_NAME_MAX)
			return 0;
		for (size_t i = 0; i < label; i++)
			ret[n++] = p[off + i] == '.' || !p[off + i] ? '?' : (char)p[off + i];
		ret[n++] = '.';
		off += label;
	}
	ret[n ? n - 1 : 0] = '\0';
	return off;
}

/* Passes over a name of an answer, compressed or not; 0: malformed. */
static size_t dns_skip_name(const uint8_t *p, size_t len, size_t off)
{
	while (off < len) {
		if (p[off] >= 0xc0)
			return off + 2 <= len ? off + 2 : 0;
		if (p[off] > 63)
			return 0;
		if (!p[off])
			return off + 1;
		off += p[off] + 1u;
	}
	return 0;
}

/* One plain question: its name and type. */
static bool dns_question(const uint8_t *p, size_t len, char name[DNS_NAME_MAX], uint16_t *ret_type, size_t *ret_end)
{
	size_t off;

	if (len < DNS_HLEN || be16(p + 4) != 1)
		return false;
	off = dns_name(p, len, DNS_HLEN, name);
	if (!off || len - off < 4 || be16(p + off + 2) != 1)
		return false;
	*ret_type = be16(p + off);
	*ret_end = off + 4;
	return true;
}

static enum filter_verdict filter_dns(const struct policy *p, const uint8_t *q, size_t len)
{
	char name[DNS_NAME_MAX];
	uint16_t type;
	size_t end;

	if (!p->allowlist)
		return FILTER_PASS;
	/* A query, of an address, for a name that is allowed: nothing else carries data out. */
	if (len < DNS_HLEN || q[2] & 0xf8 || !dns_question(q, len, name, &type, &end))
		return FILTER_DROP;
	if (be16(q + 6) || be16(q + 8) || be16(q + 10) > 1)
		return FILTER_DROP;
	return policy_allows_name(p, name) && (type == DNS_A || type == DNS_AAAA) ? FILTER_PASS : FILTER_NAME;
}

/* --- packets --- */

/* To one of libslirp's own addresses. */
static enum filter_verdict filter_own(const struct policy *p, const uint8_t *ip, const uint8_t *l4, size_t len, uint16_t port)
{
	uint8_t proto = ip[9], host = ip[19];

	if (host == GATEWAY && proto == PROTO_ICMP)
		return FILTER_PASS;
	if (host == GATEWAY && proto == PROTO_UDP && port == 67)
		return FILTER_PASS;
	if (host == GATEWAY)
		return policy_allows_host(p, port) ? FILTER_PASS : FILTER_DENY;
	if (host == RESOLVER && port == 53 && proto == PROTO_UDP)
		return filter_dns(p, l4 + 8, len - 8);
	if (host == RESOLVER && port == 53 && proto == PROTO_TCP)
		return p->allowlist ? FILTER_DENY : FILTER_PASS;
	if (host == RESOLVER && proto == PROTO_ICMP)
		return FILTER_PASS;
	return FILTER_DENY;
}

bool filter_transport(uint8_t proto, const uint8_t *l4, size_t len, bool fragment, uint16_t *ret_port)
{
	*ret_port = 0;
	switch (proto) {
	case PROTO_TCP:
		if (fragment || len < 20 || (size_t)(l4[12] >> 4) * 4 < 20 || (size_t)(l4[12] >> 4) * 4 > len)
			return false;
		if (l4[13] & URG) /* libslirp's arithmetic on the urgent pointer is not checked */
			return false;
		*ret_port = be16(l4 + 2);
		return *ret_port;
	case PROTO_UDP:
		if (fragment)
			return true;
		if (len < 8 || be16(l4 + 4) < 8 || be16(l4 + 4) > len)
			return false;
		*ret_port = be16(l4 + 2);
		return *ret_port;
	case PROTO_ICMP:
		return !fragment && len >= 8 && l4[0] == 8 && !l4[1];
	default:
		return false;
	}
}

static bool filter_source(const uint8_t *ip, uint8_t proto, uint16_t port)
{
	static const uint8_t zero[4];

	if (!memcmp(ip + 12, zero, 4)) /* before there is an address */
		return proto == PROTO_UDP && port == 67;
	return !memcmp(ip + 12, net, 3) && ip[15] != GATEWAY && ip[15] != RESOLVER && ip[15] != 255 && ip[15];
}

/*
 * An answer through a published port.  libslirp opens something new only for a plain SYN, or for a datagram from where none came.
 */
static bool filter_published(const struct policy *p, const uint8_t *ip, const uint8_t *l4, bool fragment, int64_t now)
{
	if (!p->nr_publish || fragment)
		return false;
	if (ip[9] == PROTO_TCP)
		return (l4[13] & 0x17) != 0x02 && policy_publishes(p, false, be16(l4));
	return ip[9] == PROTO_UDP && policy_publishes(p, true, be16(l4)) && policy_flow_known(p, ip + 16, be16(l4 + 2), be16(l4), now);
}

static enum filter_verdict filter_ip4(const struct policy *p, const uint8_t *ip, size_t *len, int64_t now)
{
	static const uint8_t ones[4] = { 255, 255, 255, 255 };
	uint8_t to[16] = { [10] = 0xff, [11] = 0xff };
	size_t total;
	bool fragment;
	uint16_t port;

	if (*len < IP_HLEN || ip[0] != 0x45 || checksum(ip, IP_HLEN))
		return FILTER_DROP;
	total = be16(ip + 2);
	if (total < IP_HLEN || total > *len)
		return FILTER_DROP;
	*len = total;
	fragment = be16(ip + 6) & 0x3fff;
	if (!filter_transport(ip[9], ip + IP_HLEN, total - IP_HLEN, fragment, &port) || !filter_source(ip, ip[9], port))
		return FILTER_DROP;
	memcpy(to + 12, ip + 16, 4);
	if (!memcmp(to + 12, ones, 4) || (!memcmp(to + 12, net, 3) && to[15] == 255))
		return ip[9] == PROTO_UDP && port == 67 ? FILTER_PASS : FILTER_DROP;
	if ((to[12] & 0xf0) == 0xe0)
		return FILTER_DROP;
	if (filter_published(p, ip, ip + IP_HLEN, fragment, now))
		return FILTER_PASS;
	if (!memcmp(to + 12, net, 3))
		return filter_own(p, ip, ip + IP_HLEN, total - IP_HLEN, port);
	return policy_allows(p, to, port, now) ? FILTER_PASS : FILTER_DENY;
}

enum filter_verdict filter_frame(const struct policy *p, uint8_t *frame, size_t *len, int64_t now)
{
	enum filter_verdict v;
	size_t rest;

	if (*len < ETH_HLEN)
		return FILTER_DROP;
	rest = *len - ETH_HLEN;
	switch (be16(frame + 12)) {
	case 0x0806:
		if (rest < 28 || be16(frame + 14) != 1 || be16(frame + 16) != 0x0800 || frame[18] != 6 || frame[19] != 4)
			return FILTER_DROP;
		/* Nobody takes the gateway's name. */
		return !memcmp(frame + 28, net, 3) && (frame[31] == GATEWAY || frame[31] == RESOLVER) ? FILTER_DROP : FILTER_PASS;
	case 0x0800:
		v = filter_ip4(p, frame + ETH_HLEN, &rest, now);
		*len = ETH_HLEN + rest;
		return v;
	case 0x86dd:
		v = p->ipv6 ? filter_ip6(p, frame + ETH_HLEN, &rest, now) : FILTER_DROP;
		*len = ETH_HLEN + rest;
		return v;
	default:
		return FILTER_DROP;
	}
}

/* --- answers --- */

/* Ethernet and IP headers back to the sender of @frame, from @from. */
static void reply_head(const uint8_t *frame, uint8_t *ret, const uint8_t from[4], uint8_t proto, size_t payload)
{
	uint8_t *ip = ret + ETH_HLEN;

	memcpy(ret, frame + 6, 6);
	memcpy(ret + 6, (uint8_t[]){ 0x52, 0x55, 10, 0, 2, GATEWAY }, 6);
	put16(ret + 12, 0x0800);
	memset(ip, 0, IP_HLEN);
	ip[0] = 0x45;
	put16(ip + 2, (unsigned)(IP_HLEN + payload));
	ip[8] = 64;
	ip[9] = proto;
	memcpy(ip + 12, from, 4);
	memcpy(ip + 16, frame + ETH_HLEN + 12, 4);
	put16(ip + 10, checksum(ip, IP_HLEN));
}

size_t filter_denial(const uint8_t *frame, size_t len, uint8_t *ret)
{
	static const uint8_t gateway[4] = { 10, 0, 2, GATEWAY };
	size_t quote = MIN(len - ETH_HLEN, (size_t)548);
	uint8_t *icmp = ret + ETH_HLEN + IP_HLEN;

	if (be16(frame + 12) == 0x86dd)
		return filter_denial6(frame, len, ret);
	memset(icmp, 0, 8);
	icmp[0] = 3;
	icmp[1] = 13;
	memcpy(icmp + 8, frame + ETH_HLEN, quote);
	put16(icmp + 2, checksum(icmp, 8 + quote));
	reply_head(frame, ret, gateway, PROTO_ICMP, 8 + quote);
	return ETH_HLEN + IP_HLEN + 8 + quote;
}

size_t filter_nxdomain(const uint8_t *frame, size_t len, uint8_t *ret)
{
	const uint8_t *udp = frame + ETH_HLEN + IP_HLEN, *q = udp + 8;
	uint8_t *out = ret + ETH_HLEN + IP_HLEN;
	char name[DNS_NAME_MAX];
	uint16_t type;
	size_t end;

	if (len < ETH_HLEN + IP_HLEN + 8 ||
	    !dns_question(q, len - (size_t)(q - frame), name, &type, &end) || end > FILTER_REPLY_MAX - ETH_HLEN - IP_HLEN - 8)
		return 0;
	memcpy(out, udp + 2, 2);
	memcpy(out + 2, udp, 2);
	put16(out + 4, (unsigned)(8 + end));
	put16(out + 6, 0); /* no checksum */
	memcpy(out + 8, q, end);
	out[8 + 2] = (uint8_t)(0x80 | (q[2] & 1));
	out[8 + 3] = 0x83; /* recursion available; no such name */
	memset(out + 8 + 6, 0, 6);
	reply_head(frame, ret, frame + ETH_HLEN + 16, PROTO_UDP, 8 + end);
	return ETH_HLEN + IP_HLEN + 8 + end;
}

void filter_learn(struct policy *p, const uint8_t *frame, size_t len, int64_t now)
{
	const uint8_t *ip = frame + ETH_HLEN, *q = ip + IP_HLEN + 8;
	char name[DNS_NAME_MAX];
	unsigned answers;
	size_t off, n;
	uint16_t type;

	if (len >= ETH_HLEN + IP_HLEN + 8 && be16(frame + 12) == 0x0800 && ip[0] == 0x45 && ip[9] == PROTO_UDP && p->nr_publish &&
	    policy_publishes(p, true, be16(ip + IP_HLEN + 2)))
		policy_flow_note(p, ip + 12, be16(ip + IP_HLEN), be16(ip + IP_HLEN + 2), now);
	if (len < ETH_HLEN + IP_HLEN + 8 + DNS_HLEN || be16(frame + 12) != 0x0800 || ip[0] != 0x45 || ip[9] != PROTO_UDP ||
	    memcmp(ip + 12, net, 3) || ip[15] != RESOLVER || be16(ip + IP_HLEN) != 53)
		return;
	n = len - (size_t)(q - frame);
	if (!(q[2] & 0x80) || !dns_question(q, n, name, &type, &off))
		return;
	answers = be16(q + 6);
	for (unsigned i = 0; i < answers && i < 64; i++) {
		uint8_t addr[16] = { [10] = 0xff, [11] = 0xff };
		unsigned rtype, rlen;
		uint32_t ttl;

		off = dns_skip_name(q, n, off);
		if (!off || n - off < 10)
			return;
		rtype = be16(q + off);
		ttl = (uint32_t)be16(q + off + 4) << 16 | be16(q + off + 6);
		rlen = be16(q + off + 8);
		off += 10;
		if (rlen > n - off)
			return;
		if (rtype == DNS_A && rlen == 4) {
			memcpy(addr + 12, q + off, 4);
			policy_pin(p, name, addr, ttl, now);
		} else if (rtype == DNS_AAAA && rlen == 16) {
			policy_pin(p, name, q + off, ttl, now);
		}
		off += rlen;
	}
}
