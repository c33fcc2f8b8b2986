/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ICMP (RFC 792) and ICMPv6 (RFC 4443): echoes answered, errors handed to the socket they are about, and sent.
 */
#include "netstack/ip.h"
#include "sentry/base/log.h"

#define ERROR_QUOTE 576
#define ERRORS_PER_SECOND 1000

static bool error_allowed(void)
{
	static atomic_long second;
	static atomic_uint count;
	long now = (long)(monotonic_ns() / 1000000000);

	if (atomic_exchange(&second, now) != now)
		atomic_store(&count, 0);
	return atomic_fetch_add(&count, 1) < ERRORS_PER_SECOND;
}

/* Sends an ICMP message whose checksum is still to be made. */
static void icmp_send(struct net *net, const uint8_t *src, const uint8_t *to, uint8_t *head, const void *data, size_t len)
{
	bool v4 = addr_is_v4(to);
	uint8_t *h = head + IP_HEADROOM, proto = v4 ? LINUX_IPPROTO_ICMP : LINUX_IPPROTO_ICMPV6;
	struct iovec iov[2] = { { head, IP_HEADROOM + 8 }, { (void *)data, len } }, sum[2] = { { h, 8 }, iov[1] };
	struct dst dst;
	struct ip_params ip = { .dst = &dst, .src = src, .to = to, .proto = proto, .ttl = 64 };

	if (route_lookup(net, to, src, NULL, &dst))
		return;
	put_be16(h + 2, 0);
	memcpy(h + 2, &(uint16_t){ csum_finish(csum_add_iov(v4 ? 0 : csum_pseudo(src, to, proto, (uint32_t)(8 + len)), sum, 2)) }, 2);
	ip_output(&ip, iov, 2);
}

void icmp_unreachable(const struct pkt *k)
{
	bool v4 = addr_is_v4(k->dst.addr);
	uint8_t head[IP_HEADROOM + 8] = { 0 }, *h = head + IP_HEADROOM;

	if (k->broadcast || inet_is_any(&k->src) || !error_allowed())
		return;
	h[0] = v4 ? 3 : 1;
	h[1] = k->proto == LINUX_IPPROTO_UDP ? (v4 ? 3 : 4) : v4 ? 2 : 4;
	icmp_send(k->nif->net, k->dst.addr, k->src.addr, head, k->ip, MIN(k->ip_len, (size_t)ERROR_QUOTE));
}

static void icmp_echo_reply(const struct pkt *k, uint8_t type)
{
	uint8_t head[IP_HEADROOM + 8], *h = head + IP_HEADROOM;

	if (inet_is_multicast(&k->dst) || addr_is_broadcast(k->nif->net, k->dst.addr) || inet_is_any(&k->src))
		return;
	memcpy(h, k->p, 8);
	h[0] = type;
	icmp_send(k->nif->net, k->dst.addr, k->src.addr, head, k->p + 8, k->len - 8);
}

/* The sock's errno for ICMP's destination unreachable: icmp_err_convert[] in Linux. */
static int unreachable_errno(uint8_t code, bool *hard)
{
	static const struct {
		uint8_t err;
		bool fatal;
	} conv[] = {
		{ LINUX_ENETUNREACH, false }, { LINUX_EHOSTUNREACH, false }, { LINUX_ENOPROTOOPT, true }, { LINUX_ECONNREFUSED, true },
		{ LINUX_EMSGSIZE, false }, { LINUX_EOPNOTSUPP, false }, { LINUX_ENETUNREACH, true }, { LINUX_EHOSTDOWN, true },
		{ LINUX_ENONET, true }, { LINUX_ENETUNREACH, true }, { LINUX_EHOSTUNREACH, true }, { LINUX_ENETUNREACH, false },
		{ LINUX_EHOSTUNREACH, false }, { LINUX_EHOSTUNREACH, true }, { LINUX_EHOSTUNREACH, true }, { LINUX_EHOSTUNREACH, true },
	};

	code = MIN(code, ARRAY_SIZE(conv) - 1);
	*hard = conv[code].fatal;
	return -conv[code].err;
}

void net_log_denied(const struct sock *sk, const struct inet_name *remote)
{
	const char *what = sk->protocol == LINUX_IPPROTO_TCP ? "TCP" : sk->protocol == LINUX_IPPROTO_UDP ? "UDP" : "ICMP";
	const uint8_t *a = remote->addr;
	char comm[16];

	kernel_process_name(sk->cred.pid, comm);
	if (inet_is_v4(remote))
		log_warn("%s[%d]: denied: %s to %u.%u.%u.%u:%u", comm, sk->cred.pid, what, a[12], a[13], a[14], a[15], remote->port);
	else
		log_warn("%s[%d]: denied: %s to [%x:%x:%x:%x:%x:%x:%x:%x]:%u", comm, sk->cred.pid, what, get_be16(a), get_be16(a + 2),
			 get_be16(a + 4), get_be16(a + 6), get_be16(a + 8), get_be16(a + 10), get_be16(a + 12), get_be16(a + 14),
			 remote->port);
}

bool icmp_denied(const struct icmp_info *info, const struct sock *sk, const struct inet_name *remote)
{
	/* Only libslirp's side of the link speaks of prohibition from there. */
	if (!(info->origin == 2 && info->type == 3 && info->code == 13) && !(info->origin == 3 && info->type == 1 && info->code == 1))
		return false;
	net_log_denied(sk, remote);
	return true;
}

/* The packet that an error quotes was ours: whom it is for. */
static void icmp_quoted(const struct pkt *k, const uint8_t *q, size_t len, int err, bool hard, struct icmp_info *info)
{
	struct inet_name local = { .port = 0 }, remote = { .port = 0 };
	size_t hlen;
	uint8_t proto;

	if (len >= IP_HLEN && q[0] >> 4 == 4) {
		hlen = (size_t)(q[0] & 15) * 4;
		proto = q[9];
		addr_set(local.addr, LINUX_AF_INET, q + 12);
		addr_set(remote.addr, LINUX_AF_INET, q + 16);
	} else if (len >= IP6_HLEN && q[0] >> 4 == 6) {
		hlen = IP6_HLEN;
		proto = q[6];
		memcpy(local.addr, q + 8, 16);
		memcpy(remote.addr, q + 24, 16);
	} else {
		return;
	}
	if (hlen < IP_HLEN || len < hlen + 8 || memcmp(local.addr, k->dst.addr, 16))
		return;
	q += hlen;
	info->data = proto == LINUX_IPPROTO_UDP ? q + 8 : q;
	info->len = len - hlen - (proto == LINUX_IPPROTO_UDP ? 8 : 0);
	local.port = get_be16(q);
	remote.port = get_be16(q + 2);
	if (proto == LINUX_IPPROTO_TCP) {
		tcp_error(k->nif->net, &local, &remote, get_be32(q + 4), err, hard, info);
	} else if (proto == LINUX_IPPROTO_UDP) {
		udp_error(k->nif->net, LINUX_IPPROTO_UDP, &local, &remote, err, info);
	} else if (proto == LINUX_IPPROTO_ICMP || proto == LINUX_IPPROTO_ICMPV6) {
		local.port = remote.port = get_be16(q + 4);
		udp_error(k->nif->net, proto, &local, &remote, err, info);
	}
}

void icmp_input(struct pkt *k)
{
	struct icmp_info info = { .origin = 2 };
	bool hard = false;
	int err;

	if (k->len < 8 || csum_finish(csum_add(0, k->p, k->len)))
		return;
	info.type = k->p[0];
	info.code = k->p[1];
	info.offender = k->src;
	switch (k->p[0]) {
	case 0:
		ping_input(k);
		return;
	case 8:
		icmp_echo_reply(k, 0);
		return;
	case 3:
		err = unreachable_errno(k->p[1], &hard);
		break;
	case 11:
		err = -LINUX_EHOSTUNREACH;
		break;
	case 12:
		err = -LINUX_EPROTO;
		hard = true;
		break;
	default:
		return;
	}
	icmp_quoted(k, k->p + 8, k->len - 8, err, hard, &info);
}

void icmp6_input(struct pkt *k)
{
	struct icmp_info info = { .origin = 3 };
	uint64_t sum;
	int err;

	if (k->len < 8)
		return;
	sum = csum_pseudo(k->src.addr, k->dst.addr, LINUX_IPPROTO_ICMPV6, (uint32_t)k->len);
	if (csum_finish(csum_add_iov(sum, &(struct iovec){ k->p, k->len }, 1)) || ndp_input(k))
		return;
	info.type = k->p[0];
	info.code = k->p[1];
	info.offender = k->src;
	switch (k->p[0]) {
	case 129:
		ping_input(k);
		return;
	case 128:
		icmp_echo_reply(k, 129);
		return;
	case 1:
		err = k->p[1] == 4 ? -LINUX_ECONNREFUSED : k->p[1] == 1 ? -LINUX_EACCES : -LINUX_EHOSTUNREACH;
		icmp_quoted(k, k->p + 8, k->len - 8, err, k->p[1] == 1 || k->p[1] == 4, &info);
		return;
	case 3:
		icmp_quoted(k, k->p + 8, k->len - 8, -LINUX_EHOSTUNREACH, false, &info);
		return;
	default:
		return;
	}
}
