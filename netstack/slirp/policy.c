/* SPDX-License-Identifier: Apache-2.0 */
#include "netstack/slirp/policy.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sentry/base/types.h"

struct range {
	uint8_t addr[16];
	uint8_t plen;
};

#define V4(a, b, c, d, n) { { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d }, 96 + (n) }

/* Nothing on a network answers there; a host's own stack does. */
static const struct range impossible[] = {
	V4(0, 0, 0, 0, 8),
	V4(127, 0, 0, 0, 8),
	V4(224, 0, 0, 0, 4),
	V4(240, 0, 0, 0, 4),
	{ { 0 }, 96 },					/* ::, ::1, and IPv4-compatible ones */
	{ { 0x00, 0x64, 0xff, 0x9b }, 32 },		/* NAT64: an IPv4 address in disguise */
	{ { 0x20, 0x02 }, 16 },				/* 6to4: the same */
	{ { 0xff }, 8 },
};

static const struct range closed[] = {
	V4(10, 0, 0, 0, 8),
	V4(100, 64, 0, 0, 10),
	V4(169, 254, 0, 0, 16),
	V4(172, 16, 0, 0, 12),
	V4(192, 0, 0, 0, 24),
	V4(192, 168, 0, 0, 16),
	V4(198, 18, 0, 0, 15),
	{ { 0xfc }, 7 },
	{ { 0xfe, 0x80 }, 10 },
	{ { 0xfe, 0xc0 }, 10 },
};

static bool in_prefix(const uint8_t a[16], const uint8_t prefix[16], unsigned plen)
{
	unsigned bytes = plen / 8, bits = plen % 8;

	return !memcmp(a, prefix, bytes) && (!bits || !((a[bytes] ^ prefix[bytes]) >> (8 - bits)));
}

static bool in_ranges(const uint8_t a[16], const struct range *r, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (in_prefix(a, r[i].addr, r[i].plen))
			return true;
	return false;
}

static bool rule_fits(const struct policy_rule *r, const uint8_t to[16], uint16_t port)
{
	if (r->name || !in_prefix(to, r->addr, r->plen))
		return false;
	/* Without a port: a rule about one port can't allow it, but does deny it. */
	return !r->port || (port ? r->port == port : !r->allow);
}

/* 1: allowed, -1: denied, 0: no rule. */
static int policy_rules(const struct policy *p, const uint8_t to[16], uint16_t port)
{
	int verdict = 0;

	for (unsigned i = 0; i < p->nr_rules; i++)
		if (rule_fits(&p->rules[i], to, port)) {
			if (!p->rules[i].allow)
				return -1;
			verdict = 1;
		}
	return verdict;
}

bool policy_allows(const struct policy *p, const uint8_t to[16], uint16_t port, int64_t now)
{
	int verdict;

	if (in_ranges(to, impossible, ARRAY_SIZE(impossible)))
		return false;
	verdict = policy_rules(p, to, port);
	if (verdict)
		return verdict > 0;
	if (in_ranges(to, closed, ARRAY_SIZE(closed)))
		return false;
	for (unsigned i = 0; i < p->nr_own; i++)
		if (!memcmp(p->own[i], to, 16))
			return false;
	if (!p->allowlist)
		return true;
	for (unsigned i = 0; i < POLICY_PINS_MAX; i++)
		if (p->pins[i].until > now && !memcmp(p->pins[i].addr, to, 16) && (!p->pins[i].port || p->pins[i].port == port))
			return true;
	return false;
}

static const uint8_t host_lo[16] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1 };

bool policy_allows_host(const struct policy *p, uint16_t port)
{
	int verdict = policy_rules(p, host_lo, port);

	return verdict ? verdict > 0 : p->host_loopback;
}

bool policy_connection(const struct policy *p, const uint8_t to[16], uint16_t port, int64_t now, uint8_t ret[16])
{
	static const uint8_t gateway[16] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 2, 2 };
	static const uint8_t gateway6[16] = { 0xfe, 0xc0, [15] = 2 };

	if (!port)
		return false;
	if (!memcmp(to, gateway, 16)) {
		memcpy(ret, host_lo, 16);
		return policy_allows_host(p, port);
	}
	if (!memcmp(to, gateway6, 16)) { /* ::1; who opens the one opens the other */
		memset(ret, 0, 16);
		ret[15] = 1;
		return p->ipv6 && policy_allows_host(p, port);
	}
	/* The rest of the guest's own network is libslirp's or nobody's. */
	memcpy(ret, to, 16);
	return !in_prefix(to, gateway, 96 + 24) && !in_prefix(to, gateway6, 64) && policy_allows(p, to, port, now);
}

bool policy_opens_host(const struct policy *p)
{
	if (p->host_loopback)
		return true;
	for (unsigned i = 0; i < p->nr_rules; i++)
		if (p->rules[i].allow && !p->rules[i].name && in_prefix(host_lo, p->rules[i].addr, p->rules[i].plen))
			return true;
	return false;
}

bool policy_publishes(const struct policy *p, bool udp, uint16_t guest_port)
{
	for (unsigned i = 0; i < p->nr_publish; i++)
		if (p->publish[i].udp == udp && p->publish[i].guest_port == guest_port)
			return true;
	return false;
}

static bool flow_is(const struct policy_flow *f, const uint8_t addr[4], uint16_t port, uint16_t guest_port)
{
	return f->port == port && f->guest_port == guest_port && !memcmp(f->addr, addr, 4);
}

void policy_flow_note(struct policy *p, const uint8_t addr[4], uint16_t port, uint16_t guest_port, int64_t now)
{
	struct policy_flow *f = NULL;

	for (unsigned i = 0; i < POLICY_FLOWS_MAX && !f; i++)
		if (flow_is(&p->flows[i], addr, port, guest_port))
			f = &p->flows[i];
	if (!f)
		f = &p->flows[p->next_flow++ % POLICY_FLOWS_MAX];
	*f = (struct policy_flow){ { addr[0], addr[1], addr[2], addr[3] }, port, guest_port, now + POLICY_FLOW_NS };
}

bool policy_flow_known(const struct policy *p, const uint8_t addr[4], uint16_t port, uint16_t guest_port, int64_t now)
{
	for (unsigned i = 0; i < POLICY_FLOWS_MAX; i++)
		if (p->flows[i].until > now && flow_is(&p->flows[i], addr, port, guest_port))
			return true;
	return false;
}

/* --- names --- */

/* "example.org" is itself alone, "*.example.org" every name below it. */
static bool name_fits(const char *pattern, const char *name)
{
	size_t n = strlen(name), m;

	if (n && name[n - 1] == '.')
		n--;
	if (!strncmp(pattern, "*.", 2)) {
		m = strlen(++pattern);
		return n > m && !strncasecmp(name + n - m, pattern, m);
	}
	return strlen(pattern) == n && !strncasecmp(pattern, name, n);
}

bool policy_allows_name(const struct policy *p, const char *name)
{
	bool allowed = !p->allowlist;

	for (unsigned i = 0; i < p->nr_rules; i++)
		if (p->rules[i].name && name_fits(p->rules[i].name, name)) {
			if (!p->rules[i].allow)
				return false;
			allowed = true;
		}
	return allowed;
}

void policy_pin(struct policy *p, const char *name, const uint8_t addr[16], uint32_t ttl, int64_t now)
{
	int64_t until = now + MAX((int64_t)MIN(ttl, 86400u) * 1000000000LL, POLICY_PIN_MIN_NS);

	for (unsigned i = 0; i < p->nr_rules; i++) {
		const struct policy_rule *r = &p->rules[i];
		struct policy_pin *pin = NULL;

		if (!r->name || !r->allow || !name_fits(r->name, name))
			continue;
		for (unsigned j = 0; j < POLICY_PINS_MAX && !pin; j++)
			if (p->pins[j].until && !memcmp(p->pins[j].addr, addr, 16) && p->pins[j].port == r->port)
				pin = &p->pins[j];
		if (!pin)
			pin = &p->pins[p->next_pin++ % POLICY_PINS_MAX];
		memcpy(pin->addr, addr, 16);
		pin->port = r->port;
		pin->until = until;
	}
}

/* --- what the command line says --- */

static bool parse_u(const char *s, size_t len, unsigned max, unsigned *ret)
{
	unsigned v = 0;

	if (!len || len > 5)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (s[i] < '0' || s[i] > '9')
			return false;
		v = v * 10 + (unsigned)(s[i] - '0');
	}
	*ret = v;
	return v <= max;
}

static bool parse_v4(const char *s, size_t len, uint8_t ret[4])
{
	for (int i = 0; i < 4; i++) {
		size_t n = 0;
		unsigned v;

		while (n < len && s[n] != '.')
			n++;
		if (!parse_u(s, n, 255, &v) || (i < 3) != (n < len))
			return false;
		ret[i] = (uint8_t)v;
		s += n + (i < 3);
		len -= n + (i < 3);
	}
	return true;
}

/* Groups of hexadecimal digits, one "::" at most; without embedded IPv4. */
static bool parse_v6(const char *s, size_t len, uint8_t ret[16])
{
	uint8_t out[16] = { 0 };
	int n = 0, gap = -1;
	size_t i = 0;

	if (len >= 2 && s[0] == ':' && s[1] == ':') {
		gap = 0;
		i = 2;
	}
	while (i < len) {
		unsigned v = 0, digits = 0;

		for (; i < len && digits < 5; i++, digits++) {
			char c = s[i] | 0x20;

			if (c >= '0' && c <= '9' && s[i] < ':')
				v = v << 4 | (unsigned)(c - '0');
			else if (c >= 'a' && c <= 'f')
				v = v << 4 | (unsigned)(c - 'a' + 10);
			else
				break;
		}
		if (!digits || digits > 4 || n > 14)
			return false;
		out[n++] = (uint8_t)(v >> 8);
		out[n++] = (uint8_t)v;
		if (i == len)
			break;
		if (s[i++] != ':' || i == len)
			return i == len && false;
		if (s[i] == ':') {
			if (gap >= 0)
				return false;
			gap = n;
			i++;
		}
	}
	if (gap < 0 ? n != 16 : n > 14)
		return false;
	memset(ret, 0, 16);
	memcpy(ret, out, gap < 0 ? 16 : (size_t)gap);
	if (gap >= 0)
		memcpy(ret + 16 - (n - gap), out + gap, (size_t)(n - gap));
	return true;
}

static bool name_ok(const char *s, size_t len)
{
	if (!len || len > 253)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.", s[i]) && !(s[i] == '*' && !i))
			return false;
	return s[len - 1] >= 'A' || s[0] == '*'; /* a name does not end in a digit */
}

const char *policy_add_rule(struct policy *p, bool allow, const char *spec)
{
	struct policy_rule r = { .allow = allow, .plen = 128 };
	const char *host = spec, *end = spec + strlen(spec), *slash, *port = NULL;
	size_t len;
	unsigned v;

	if (p->nr_rules == POLICY_RULES_MAX)
		return "there are too many rules";
	if (*host == '[') {
		const char *close = strchr(++host, ']');

		if (!close || (close[1] && close[1] != ':'))
			return "its brackets don't fit";
		port = close[1] ? close + 2 : NULL;
		end = close;
	} else if (strchr(host, ':') && strchr(host, ':') == strrchr(host, ':')) {
		end = strchr(host, ':');
		port = end + 1;
	}
	if (port) {
		if (!parse_u(port, strlen(port), 65535, &v) || !v)
			return "its port is not a number from 1 to 65535";
		r.port = (uint16_t)v;
	}
	len = (size_t)(end - host);
	slash = memchr(host, '/', len);
	if (slash)
		len = (size_t)(slash - host);
	if (parse_v4(host, len, r.addr + 12)) {
		memset(r.addr + 10, 0xff, 2);
		v = 32;
		if (slash && !parse_u(slash + 1, (size_t)(end - slash - 1), 32, &v))
			return "its prefix length is not a number from 0 to 32";
		r.plen = 96 + v;
	} else if (parse_v6(host, len, r.addr)) {
		v = 128;
		if (slash && !parse_u(slash + 1, (size_t)(end - slash - 1), 128, &v))
			return "its prefix length is not a number from 0 to 128";
		r.plen = v;
	} else if (!slash && name_ok(host, len)) {
		r.name = strndup(host, len);
		if (!r.name)
			return "there is no memory";
	} else {
		return "it is neither an address, a network nor a host name";
	}
	p->rules[p->nr_rules++] = r;
	return NULL;
}

const char *policy_add_publish(struct policy *p, const char *spec)
{
	struct policy_publish b = { .host = { 127, 0, 0, 1 }, .guest = { 10, 0, 2, 15 } };
	const char *end = spec + strlen(spec), *slash = strchr(spec, '/'), *last, *first;
	unsigned v;

	if (p->nr_publish == POLICY_PUBLISH_MAX)
		return "there are too many";
	if (slash) {
		if (strcmp(slash, "/udp") && strcmp(slash, "/tcp"))
			return "it ends in neither /tcp nor /udp";
		b.udp = !strcmp(slash, "/udp");
		end = slash;
	}
	for (last = end; last > spec && last[-1] != ':'; last--)
		;
	if (last == spec) { /* one port: the same on both sides */
		first = spec;
	} else {
		for (first = last - 1; first > spec && first[-1] != ':'; first--)
			;
		if (first > spec && !parse_v4(spec, (size_t)(first - 1 - spec), b.host))
			return "its host address is not an IPv4 address";
	}
	if (!parse_u(last, (size_t)(end - last), 65535, &v) || !v)
		return "its guest port is not a number from 1 to 65535";
	b.guest_port = b.host_port = (uint16_t)v;
	if (last > spec) {
		if (!parse_u(first, (size_t)(last - 1 - first), 65535, &v) || !v)
			return "its host port is not a number from 1 to 65535";
		b.host_port = (uint16_t)v;
	}
	p->publish[p->nr_publish++] = b;
	return NULL;
}
