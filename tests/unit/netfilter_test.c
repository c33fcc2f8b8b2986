/* SPDX-License-Identifier: Apache-2.0 */
/* What the network helper lets through: the policy and the frame filter alone. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "netstack/slirp/filter.h"
#include "sentry/base/types.h"

static struct policy *p;

static void setup(void)
{
	p = calloc(1, sizeof(*p));
}

static void teardown(void)
{
	for (unsigned i = 0; i < p->nr_rules; i++)
		free(p->rules[i].name);
	free(p);
}

TestSuite(policy, .init = setup, .fini = teardown, .timeout = 400);
TestSuite(filter, .init = setup, .fini = teardown, .timeout = 400);

/* An address written as a rule is. */
static const uint8_t *ip(const char *text)
{
	static uint8_t ret[16];
	struct policy *tmp = calloc(1, sizeof(*tmp));

	cr_assert_null(policy_add_rule(tmp, true, text), "%s", text);
	memcpy(ret, tmp->rules[0].addr, 16);
	free(tmp->rules[0].name);
	free(tmp);
	return ret;
}

static bool ok(const char *to, uint16_t port)
{
	return policy_allows(p, ip(to), port, 1);
}

Test(policy, closed_by_default)
{
	static const char *const closed[] = { "127.0.0.1", "127.1.2.3", "0.0.0.0", "0.1.2.3", "10.1.2.3", "172.16.0.1", "172.31.255.255",
					      "192.168.0.1", "169.254.169.254", "100.64.0.1", "198.18.0.1", "192.0.0.8", "224.0.0.1",
					      "255.255.255.255", "240.0.0.1", "::1", "::", "::7f00:1", "fe80::1", "fd00::1", "fec0::1",
					      "ff02::1", "64:ff9b::7f00:1", "2002:7f00:1::" };
	static const char *const open[] = { "1.1.1.1", "172.32.0.1", "172.15.0.1", "11.0.0.1", "100.128.0.1", "2606:4700::1111" };

	for (size_t i = 0; i < ARRAY_SIZE(closed); i++)
		cr_expect(!ok(closed[i], 80), "%s", closed[i]);
	for (size_t i = 0; i < ARRAY_SIZE(open); i++)
		cr_expect(ok(open[i], 80), "%s", open[i]);
}

Test(policy, mapped_addresses_are_ipv4)
{
	uint8_t a[16] = { [10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1 };

	cr_expect(!policy_allows(p, a, 80, 1));
	a[12] = 10;
	cr_expect(!policy_allows(p, a, 80, 1));
}

Test(policy, rules)
{
	cr_assert_null(policy_add_rule(p, true, "10.0.0.0/8"));
	cr_assert_null(policy_add_rule(p, false, "10.9.0.0/16"));
	cr_assert_null(policy_add_rule(p, false, "1.1.1.1:53"));
	cr_assert_null(policy_add_rule(p, true, "[fd00::/16]:443"));
	cr_assert_null(policy_add_rule(p, true, "127.0.0.1:8080"));
	cr_expect(ok("10.1.2.3", 80));
	cr_expect(!ok("10.9.2.3", 80), "denied wins");
	cr_expect(!ok("1.1.1.1", 53));
	cr_expect(ok("1.1.1.1", 80));
	cr_expect(!ok("1.1.1.1", 0), "a packet without a port might be for the one that is closed");
	cr_expect(ok("fd00::1", 443));
	cr_expect(!ok("fd00::1", 80));
	cr_expect(!ok("127.0.0.1", 8080), "the loopback is reached by the gateway's name only");
	cr_expect(policy_allows_host(p, 8080));
	cr_expect(!policy_allows_host(p, 8081));
	cr_expect(!policy_allows_host(p, 0));
	cr_expect(policy_opens_host(p));
}

Test(policy, connections)
{
	uint8_t to[16];

	cr_expect(!policy_connection(p, ip("10.0.2.2"), 80, 1, to), "the host's loopback is closed");
	cr_expect(!policy_connection(p, ip("127.0.0.1"), 80, 1, to));
	cr_expect(!policy_connection(p, ip("10.0.2.77"), 80, 1, to));
	cr_expect(!policy_connection(p, ip("1.1.1.1"), 0, 1, to));
	cr_expect(policy_connection(p, ip("1.1.1.1"), 80, 1, to) && !memcmp(to, ip("1.1.1.1"), 16));
	cr_assert_null(policy_add_rule(p, true, "10.0.0.0/8"));
	cr_assert_null(policy_add_rule(p, true, "127.0.0.1:8080"));
	cr_expect(!policy_connection(p, ip("10.0.2.3"), 53, 1, to), "the guest's own network is not the host's");
	cr_expect(policy_connection(p, ip("10.1.2.3"), 80, 1, to));
	cr_expect(!policy_connection(p, ip("10.0.2.2"), 80, 1, to));
	cr_expect(policy_connection(p, ip("10.0.2.2"), 8080, 1, to) && !memcmp(to, ip("127.0.0.1"), 16));
	cr_expect(!policy_connection(p, ip("127.0.0.1"), 8080, 1, to), "only by the gateway's name");
}

Test(policy, own_addresses_are_closed)
{
	memcpy(p->own[p->nr_own++], ip("8.8.8.8"), 16);
	cr_expect(!ok("8.8.8.8", 22));
	cr_assert_null(policy_add_rule(p, true, "8.8.8.8:22"));
	cr_expect(ok("8.8.8.8", 22));
}

Test(policy, names_pin_their_addresses)
{
	p->allowlist = true;
	cr_assert_null(policy_add_rule(p, true, "example.org:443"));
	cr_assert_null(policy_add_rule(p, true, "*.example.com"));
	cr_expect(!ok("1.2.3.4", 443));
	cr_expect(policy_allows_name(p, "example.org"));
	cr_expect(policy_allows_name(p, "EXAMPLE.org."));
	cr_expect(!policy_allows_name(p, "www.example.org"));
	cr_expect(policy_allows_name(p, "a.b.example.com"));
	cr_expect(!policy_allows_name(p, "example.com"));
	cr_expect(!policy_allows_name(p, "badexample.com"));
	policy_pin(p, "example.org", ip("1.2.3.4"), 300, 0);
	policy_pin(p, "other.org", ip("1.2.3.5"), 300, 0);
	policy_pin(p, "example.org", ip("127.0.0.1"), 300, 0);
	policy_pin(p, "example.org", ip("192.168.1.1"), 300, 0);
	cr_expect(ok("1.2.3.4", 443));
	cr_expect(!ok("1.2.3.4", 80), "another port");
	cr_expect(!ok("1.2.3.5", 443), "a name not listed");
	cr_expect(!ok("127.0.0.1", 443), "rebinding");
	cr_expect(!ok("192.168.1.1", 443), "rebinding");
	cr_expect(!policy_allows(p, ip("1.2.3.4"), 443, 301LL * 1000000000), "out of date");
}

Test(policy, what_is_no_rule)
{
	static const char *const bad[] = { "", ":", ":80", "1.2.3", "1.2.3.4.5", "1.2.3.256", "1.2.3.4/33", "1.2.3.4:0", "1.2.3.4:65536",
					   "1.2.3.4:x", "[::1", "[::1]x", "a b", "host/8", "1:2:3", "1::2::3", "12345::",
					   "-:1:2", "a..:x" };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		cr_expect(policy_add_rule(p, true, bad[i]), "'%s'", bad[i]);
	cr_expect_eq(p->nr_rules, 0);
}

Test(policy, publishing)
{
	static const char *const bad[] = { "", "x", "0:80", "80:0", "80:", ":80", "1.2.3:80:80", "80:80/sctp", "70000:80" };

	cr_assert_null(policy_add_publish(p, "8080:80"));
	cr_assert_null(policy_add_publish(p, "0.0.0.0:53:5353/udp"));
	cr_assert_null(policy_add_publish(p, "443"));
	cr_expect(p->publish[0].host_port == 8080);
	cr_expect(p->publish[0].guest_port == 80 && p->publish[0].host[0] == 127 && !p->publish[0].udp);
	cr_expect(p->publish[1].host_port == 53 && p->publish[1].guest_port == 5353 && !p->publish[1].host[0] && p->publish[1].udp);
	cr_expect(p->publish[2].host_port == 443 && p->publish[2].guest_port == 443);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		cr_expect(policy_add_publish(p, bad[i]), "'%s'", bad[i]);
}

/* --- frames --- */

static uint8_t f[2048];

static void put16(size_t off, unsigned v)
{
	f[off] = (uint8_t)(v >> 8);
	f[off + 1] = (uint8_t)v;
}

static void ip_checksum(void)
{
	uint32_t sum = 0;

	put16(24, 0);
	for (size_t i = 14; i < 34; i += 2)
		sum += (uint32_t)f[i] << 8 | f[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	put16(24, ~sum & 0xffff);
}

/* A packet from 10.0.2.15:5000 to @to:@port with a payload of @n bytes; its length. */
static size_t packet(uint8_t proto, const uint8_t to[4], uint16_t port, size_t n)
{
	size_t l4 = proto == 6 ? 20 : 8;

	memset(f, 0, sizeof(f));
	put16(12, 0x0800);
	f[14] = 0x45;
	put16(16, (unsigned)(20 + l4 + n));
	f[22] = 64;
	f[23] = proto;
	memcpy(f + 26, (uint8_t[]){ 10, 0, 2, 15 }, 4);
	memcpy(f + 30, to, 4);
	put16(34, 5000);
	put16(36, port);
	if (proto == 6) {
		f[46] = 0x50;
		f[47] = 2;
	} else {
		put16(38, (unsigned)(8 + n));
	}
	if (proto == 1) {
		memset(f + 34, 0, 8);
		f[34] = 8;
	}
	ip_checksum();
	return 14 + 20 + l4 + n;
}

#define TO(a, b, c, d) (const uint8_t[]){ a, b, c, d }

static enum filter_verdict send(size_t len)
{
	return filter_frame(p, f, &len, 1);
}

Test(filter, addresses)
{
	cr_expect_eq(send(packet(6, TO(1, 1, 1, 1), 80, 0)), FILTER_PASS);
	cr_expect_eq(send(packet(17, TO(1, 1, 1, 1), 53, 10)), FILTER_PASS);
	cr_expect_eq(send(packet(1, TO(1, 1, 1, 1), 0, 10)), FILTER_PASS);
	cr_expect_eq(send(packet(6, TO(127, 0, 0, 1), 80, 0)), FILTER_DENY, "the hole");
	cr_expect_eq(send(packet(17, TO(127, 0, 0, 1), 80, 0)), FILTER_DENY);
	cr_expect_eq(send(packet(6, TO(0, 0, 0, 0), 80, 0)), FILTER_DENY);
	cr_expect_eq(send(packet(6, TO(169, 254, 169, 254), 80, 0)), FILTER_DENY);
	cr_expect_eq(send(packet(6, TO(10, 0, 2, 2), 80, 0)), FILTER_DENY);
	cr_expect_eq(send(packet(17, TO(10, 0, 2, 2), 69, 0)), FILTER_DENY);
	cr_expect_eq(send(packet(17, TO(10, 0, 2, 2), 67, 0)), FILTER_PASS);
	cr_expect_eq(send(packet(1, TO(10, 0, 2, 2), 0, 0)), FILTER_PASS);
	cr_expect_eq(send(packet(17, TO(10, 0, 2, 3), 53, 0)), FILTER_PASS);
	cr_expect_eq(send(packet(17, TO(10, 0, 2, 3), 54, 0)), FILTER_DENY);
	cr_expect_eq(send(packet(17, TO(255, 255, 255, 255), 67, 0)), FILTER_PASS);
	cr_expect_eq(send(packet(17, TO(255, 255, 255, 255), 80, 0)), FILTER_DROP);
	cr_expect_eq(send(packet(17, TO(224, 0, 0, 1), 80, 0)), FILTER_DROP);
	p->host_loopback = true;
	cr_expect_eq(send(packet(6, TO(10, 0, 2, 2), 80, 0)), FILTER_PASS);
	cr_expect_eq(send(packet(6, TO(127, 0, 0, 1), 80, 0)), FILTER_DENY);
}

Test(filter, malformed)
{
	size_t len = packet(6, TO(1, 1, 1, 1), 80, 4);

	for (size_t i = 0; i < len; i++)
		cr_expect_eq(send(i), FILTER_DROP, "cut to %zu bytes", i);
	packet(6, TO(1, 1, 1, 1), 80, 0);
	f[14] = 0x46;
	ip_checksum();
	cr_expect_eq(send(54), FILTER_DROP, "options");
	packet(6, TO(1, 1, 1, 1), 80, 0);
	f[25] ^= 1;
	cr_expect_eq(send(54), FILTER_DROP, "checksum");
	packet(6, TO(1, 1, 1, 1), 80, 0);
	f[47] |= 0x20;
	cr_expect_eq(send(54), FILTER_DROP, "urgent data");
	packet(6, TO(1, 1, 1, 1), 80, 0);
	f[29] = 2;
	ip_checksum();
	cr_expect_eq(send(54), FILTER_DROP, "the gateway's address as the source");
	packet(6, TO(1, 1, 1, 1), 80, 0);
	put16(20, 0x2000);
	ip_checksum();
	cr_expect_eq(send(54), FILTER_DROP, "a fragment of TCP");
	packet(17, TO(10, 0, 2, 2), 80, 0);
	put16(20, 1);
	ip_checksum();
	cr_expect_eq(send(42), FILTER_DENY, "a fragment for the gateway");
	packet(6, TO(1, 1, 1, 1), 80, 0);
	put16(12, 0x86dd);
	cr_expect_eq(send(54), FILTER_DROP, "IPv6");
	packet(47, TO(1, 1, 1, 1), 80, 0);
	cr_expect_eq(send(54), FILTER_DROP, "another protocol");
}

Test(filter, published_ports_answer)
{
	static const uint8_t peer[4] = { 192, 168, 1, 5 };

	cr_assert_null(policy_add_publish(p, "5000:5000"));
	cr_assert_null(policy_add_publish(p, "5000:5000/udp"));
	cr_expect_eq(send(packet(6, peer, 40000, 0)), FILTER_DENY, "a SYN opens something new");
	packet(6, peer, 40000, 0);
	f[47] = 0x12;
	cr_expect_eq(send(54), FILTER_PASS);
	cr_expect_eq(send(packet(17, peer, 40000, 0)), FILTER_DENY);
	policy_flow_note(p, peer, 40000, 5000, 0);
	cr_expect_eq(send(packet(17, peer, 40000, 0)), FILTER_PASS);
	cr_expect_eq(send(packet(17, peer, 40001, 0)), FILTER_DENY);
	cr_expect_eq(send(packet(17, TO(10, 0, 2, 2), 40000, 0)), FILTER_DENY);
}

/* A question for @name, dotted; its length. */
static size_t question(const char *name, uint16_t type)
{
	size_t len = packet(17, TO(10, 0, 2, 3), 53, 12 + strlen(name) + 2 + 4), off = 42;

	put16(off, 0x1234);
	put16(off + 2, 0x0100);
	put16(off + 4, 1);
	off += 12;
	while (*name) {
		size_t n = strcspn(name, ".");

		f[off++] = (uint8_t)n;
		memcpy(f + off, name, n);
		off += n;
		name += n + (name[n] == '.');
	}
	f[off++] = 0;
	put16(off, type);
	put16(off + 2, 1);
	return len;
}

Test(filter, names)
{
	uint8_t reply[FILTER_REPLY_MAX];
	size_t len;

	p->allowlist = true;
	cr_assert_null(policy_add_rule(p, true, "example.org"));
	cr_expect_eq(send(question("example.org", 1)), FILTER_PASS);
	cr_expect_eq(send(question("example.org", 28)), FILTER_PASS);
	cr_expect_eq(send(question("example.org", 16)), FILTER_NAME, "text carries data");
	len = question("secret.example.org", 1);
	cr_expect_eq(send(len), FILTER_NAME);
	len = filter_nxdomain(f, len, reply);
	cr_assert_gt(len, 42);
	cr_expect_eq(reply[42 + 3] & 15, 3);
	cr_expect(!memcmp(reply + 42, f + 42, 2) && reply[42 + 2] & 0x80);
	cr_expect_eq(send(packet(6, TO(10, 0, 2, 3), 53, 0)), FILTER_DENY);
	/* An answer with one address. */
	len = question("example.org", 1);
	memcpy(f + 26, (uint8_t[]){ 10, 0, 2, 3 }, 4);
	put16(34, 53);
	put16(36, 5000);
	f[44] |= 0x80;
	put16(42 + 6, 1);
	memcpy(f + len, (uint8_t[]){ 0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 0, 0, 4, 9, 9, 9, 9 }, 16);
	cr_expect(!ok("9.9.9.9", 80));
	filter_learn(p, f, len + 16, 1);
	cr_expect(ok("9.9.9.9", 80));
}

Test(filter, noise)
{
	uint8_t reply[FILTER_REPLY_MAX];
	uint64_t rnd = 88172645463325252ULL;

	p->allowlist = true;
	cr_assert_null(policy_add_rule(p, true, "example.org"));
	cr_assert_null(policy_add_publish(p, "80:80/udp"));
	for (unsigned i = 0; i < 300000; i++) {
		size_t len = i % 3 ? question("example.org", 1) : packet(i % 2 ? 6 : 17, TO(10, 0, 2, 3), 53, i % 97);
		uint8_t *copy;

		for (unsigned n = i % 5 + 1; n; n--) {
			rnd ^= rnd << 13, rnd ^= rnd >> 7, rnd ^= rnd << 17;
			f[rnd % (len ? len : 1)] = (uint8_t)(rnd >> 32);
		}
		if (i % 4)
			ip_checksum();
		if (i % 7 == 0)
			len = rnd % (len + 1);
		copy = malloc(len ? len : 1); /* of its size, for the address sanitizer */
		memcpy(copy, f, len);
		filter_learn(p, copy, len, i);
		switch (filter_frame(p, copy, &len, i)) {
		case FILTER_DENY:
			cr_assert_leq(filter_denial(copy, len, reply), FILTER_REPLY_MAX);
			break;
		case FILTER_NAME:
			cr_assert_leq(filter_nxdomain(copy, len, reply), FILTER_REPLY_MAX);
			break;
		default:
			break;
		}
		free(copy);
	}
}

/* --- IPv6 --- */

/* A packet from the guest's address to @to; the payload is zero but for what the caller puts there. */
static size_t packet6(uint8_t *f, const char *from, const char *to, uint8_t proto, uint8_t hops, size_t n)
{
	memset(f, 0, 14 + 40 + n);
	f[12] = 0x86;
	f[13] = 0xdd;
	f[14] = 0x60;
	f[18] = (uint8_t)(n >> 8);
	f[19] = (uint8_t)n;
	f[20] = proto;
	f[21] = hops;
	memcpy(f + 22, ip(from), 16);
	memcpy(f + 38, ip(to), 16);
	return 14 + 40 + n;
}

static enum filter_verdict udp6(const char *from, const char *to, uint16_t port)
{
	uint8_t f[200];
	size_t len = packet6(f, from, to, 17, 64, 20);

	f[54 + 2] = (uint8_t)(port >> 8);
	f[54 + 3] = (uint8_t)port;
	f[54 + 5] = 20;
	return filter_frame(p, f, &len, 1);
}

Test(filter, ipv6_is_off_unless_the_host_has_it)
{
	cr_expect_eq(udp6("fec0::15", "2606:4700::1111", 53), FILTER_DROP);
	p->ipv6 = true;
	cr_expect_eq(udp6("fec0::15", "2606:4700::1111", 53), FILTER_PASS);
}

Test(filter, ipv6_addresses)
{
	p->ipv6 = true;
	cr_expect_eq(udp6("fec0::15", "::1", 80), FILTER_DENY);
	cr_expect_eq(udp6("fec0::15", "::7f00:1", 80), FILTER_DENY, "IPv4-compatible");
	cr_expect_eq(udp6("fec0::15", "64:ff9b::7f00:1", 80), FILTER_DENY, "NAT64");
	cr_expect_eq(udp6("fec0::15", "fd00::1", 80), FILTER_DENY);
	cr_expect_eq(udp6("fec0::15", "fec0::2", 80), FILTER_DENY, "the host's loopback");
	cr_expect_eq(udp6("fec0::15", "fec0::3", 53), FILTER_PASS, "the resolver");
	cr_expect_eq(udp6("fec0::15", "fec0::3", 54), FILTER_DENY);
	cr_expect_eq(udp6("fec0::2", "2606:4700::1111", 80), FILTER_DROP, "in the gateway's name");
	cr_expect_eq(udp6("2606:4700::9", "2606:4700::1111", 80), FILTER_DROP, "in another's name");
	cr_expect_eq(udp6("fec0::15", "ff02::1", 80), FILTER_DROP);
	cr_expect_eq(udp6("fe80::15", "ff02::1:2", 547), FILTER_PASS, "DHCPv6");
	p->host_loopback = true;
	cr_expect_eq(udp6("fec0::15", "fec0::2", 80), FILTER_PASS);
	cr_expect_eq(udp6("fec0::15", "::1", 80), FILTER_DENY, "whatever is open");
	p->allowlist = true;
	cr_expect_eq(udp6("fec0::15", "fec0::3", 53), FILTER_DENY, "names are looked at in IPv4 only");
}

Test(filter, ipv6_malformed)
{
	uint8_t f[300];
	size_t len;

	p->ipv6 = true;
	for (int proto = 0; proto < 256; proto++) {
		if (proto == 6 || proto == 17 || proto == 58)
			continue;
		len = packet6(f, "fec0::15", "2606:4700::1111", (uint8_t)proto, 64, 24);
		cr_expect_eq(filter_frame(p, f, &len, 1), FILTER_DROP, "protocol %d", proto);
	}
	len = packet6(f, "fec0::15", "2606:4700::1111", 17, 64, 20);
	f[19] = 200; /* longer than it is */
	cr_expect_eq(filter_frame(p, f, &len, 1), FILTER_DROP);
	for (size_t n = 0; n < 54; n++) {
		len = n;
		packet6(f, "fec0::15", "2606:4700::1111", 17, 64, 20);
		cr_expect_eq(filter_frame(p, f, &len, 1), FILTER_DROP);
	}
	/* Discovery: only from next door, with whole options, and not for the gateway. */
	len = packet6(f, "fec0::15", "ff02::1:ff00:2", 58, 255, 32);
	f[54] = 135;
	f[78] = f[79] = 1;
	cr_expect_eq(filter_frame(p, f, &len, 1), FILTER_PASS);
	f[21] = 254;
	cr_expect_eq(filter_frame(p, f, &len, 1), FILTER_DROP);
	f[21] = 255;
	f[79] = 0; /* an option without length */
	cr_expect_eq(filter_frame(p, f, &len, 1), FILTER_DROP);
	f[79] = 2;
	cr_expect_eq(filter_frame(p, f, &len, 1), FILTER_DROP);
	len = packet6(f, "fec0::15", "ff02::1", 58, 255, 24);
	f[54] = 136;
	memcpy(f + 62, ip("fec0::2"), 16);
	cr_expect_eq(filter_frame(p, f, &len, 1), FILTER_DROP);
	for (int type = 0; type < 256; type++) { /* no redirect, no router's word */
		len = packet6(f, "fec0::15", "fe80::2", 58, 255, 24);
		f[54] = (uint8_t)type;
		if (type != 128 && type != 133 && type != 135 && type != 136)
			cr_expect_eq(filter_frame(p, f, &len, 1), FILTER_DROP, "type %d", type);
	}
}

Test(filter, ipv6_denials_are_told)
{
	uint8_t f[300], reply[FILTER_REPLY_MAX];
	size_t len = packet6(f, "fec0::15", "fd00::1", 17, 64, 100), n;

	n = filter_denial(f, len, reply);
	cr_assert_eq(n, 14 + 40 + 8 + 140);
	cr_expect_eq(reply[20], 58);
	cr_expect_eq(reply[54], 1);
	cr_expect_eq(reply[55], 1);
	cr_expect(!memcmp(reply + 62, f + 14, 140));
	cr_expect(!memcmp(reply + 38, f + 22, 16));
}
