/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "sentry/abi/socket.h"
#include "sentry/mm/uaccess.h"
#include "sentry/trace/decode.h"

enum { AF_UNIX = 1, AF_INET = 2, AF_INET6 = 10, AF_NETLINK = 16 };
enum { SOL_IP = 0, SOL_SOCKET = 1, SOL_TCP = 6, SOL_IPV6 = 41 };
#define SOCK_TYPE_MASK 0xf

typedef unsigned long long ull;

static unsigned be16(uint16_t v)
{
	return (unsigned)(v >> 8 | (v & 0xff) << 8);
}

static void print_unix(struct strbuf *sb, const struct linux_sockaddr *a, size_t len)
{
	size_t path_len = len - offsetof(struct linux_sockaddr_un, sun_path);

	if (path_len == 0)
		return;
	strbuf_adds(sb, ", sun_path=");
	if (a->un.sun_path[0]) {
		decode_quote(sb, a->un.sun_path, strnlen(a->un.sun_path, path_len), false);
		return;
	}
	strbuf_addc(sb, '@');
	decode_quote(sb, a->un.sun_path + 1, path_len - 1, false);
}

static void print_inet(struct strbuf *sb, const struct linux_sockaddr_in *in)
{
	const uint8_t *ip = (const uint8_t *)&in->sin_addr;

	strbuf_addf(sb, ", sin_port=htons(%u), sin_addr=inet_addr(\"%u.%u.%u.%u\")", be16(in->sin_port), ip[0], ip[1],
		    ip[2], ip[3]);
}

/* The longest run of zero groups is left out, as inet_ntop(3) does. */
static void print_ip6(struct strbuf *sb, const uint8_t ip[16])
{
	int best = -1, best_len = 1;

	for (int i = 0; i < 8; i++) {
		int n = 0;

		while (i + n < 8 && !ip[2 * (i + n)] && !ip[2 * (i + n) + 1])
			n++;
		if (n > best_len) {
			best = i;
			best_len = n;
		}
	}
	for (int i = 0; i < 8; i++) {
		if (i == best) {
			strbuf_adds(sb, "::");
			i += best_len - 1;
			continue;
		}
		strbuf_addf(sb, "%s%x", i && i != best + (best < 0 ? 0 : best_len) ? ":" : "",
			    ip[2 * i] << 8 | ip[2 * i + 1]);
	}
}

static void print_sockaddr(struct strbuf *sb, const struct linux_sockaddr *a, size_t len)
{
	strbuf_adds(sb, "{sa_family=");
	xlat_print_by(sb, "family", a->family);
	if (a->family == AF_UNIX) {
		print_unix(sb, a, MIN(len, sizeof(a->un)));
	} else if (a->family == AF_INET && len >= 8) {
		print_inet(sb, &a->in);
	} else if (a->family == AF_INET6 && len >= 24) {
		strbuf_addf(sb, ", sin6_port=htons(%u), sin6_flowinfo=htonl(%u), inet_pton(AF_INET6, \"",
			    be16(a->in6.sin6_port), __builtin_bswap32(a->in6.sin6_flowinfo));
		print_ip6(sb, a->in6.sin6_addr);
		strbuf_addf(sb, "\", &sin6_addr), sin6_scope_id=%u", a->in6.sin6_scope_id);
	} else if (a->family == AF_NETLINK && len >= 12) {
		uint32_t nl[3];

		memcpy(nl, a->bytes, sizeof(nl));
		strbuf_addf(sb, ", nl_pid=%d, nl_groups=%08x", (int)nl[1], nl[2]);
	} else if (len > 2) {
		strbuf_adds(sb, ", sa_data=");
		decode_quote(sb, a->bytes + 2, MIN(len - 2, 14U), false);
	}
	strbuf_addc(sb, '}');
}

static void fetch_sockaddr(struct decode *d, uint64_t v, uint64_t len)
{
	struct linux_sockaddr a = { 0 };

	len = MIN(len, sizeof(a));
	if (len < 2)
		decode_addr(d->sb, v);
	else if (decode_fetch(d, v, &a, len))
		print_sockaddr(d->sb, &a, len);
}

void decode_sockaddr(struct decode *d, uint64_t v)
{
	fetch_sockaddr(d, v, (uint32_t)decode_param(d));
}

/* The length is behind a pointer. */
void decode_sockaddr_out(struct decode *d, uint64_t v)
{
	uint32_t len;

	if (!v || decode_failed(d) || !decode_param(d) || copy_from_user(&len, decode_param(d), sizeof(len)))
		decode_addr(d->sb, v);
	else
		fetch_sockaddr(d, v, len);
}

/* "[128 => 16]" */
void decode_socklen(struct decode *d, uint64_t v)
{
	uint32_t now, before = (uint32_t)d->saved[d->index];

	if (!v || copy_from_user(&now, v, sizeof(now)))
		decode_addr(d->sb, v);
	else if (now != before && !decode_failed(d))
		strbuf_addf(d->sb, "[%u => %u]", before, now);
	else
		strbuf_addf(d->sb, "[%u]", now);
}

void decode_socktype(struct decode *d, uint64_t v)
{
	uint32_t flags = (uint32_t)v & ~(uint32_t)SOCK_TYPE_MASK;

	xlat_print_by(d->sb, "socktype_base", v & SOCK_TYPE_MASK);
	if (flags) {
		strbuf_addc(d->sb, '|');
		xlat_print_by(d->sb, "sock_flags", flags);
	}
}

void decode_sockproto(struct decode *d, uint64_t v)
{
	switch ((int)decode_param(d)) {
	case AF_INET:
	case AF_INET6:
		xlat_print_by(d->sb, "ipproto", (uint32_t)v);
		return;
	case AF_NETLINK:
		xlat_print_by(d->sb, "nlproto", (uint32_t)v);
		return;
	default:
		decode_int(d, v);
	}
}

void decode_sockopt(struct decode *d, uint64_t v)
{
	switch ((int)decode_param(d)) {
	case SOL_SOCKET:
		xlat_print_by(d->sb, "so", (uint32_t)v);
		return;
	case SOL_TCP:
		xlat_print_by(d->sb, "so_tcp", (uint32_t)v);
		return;
	case SOL_IP:
		xlat_print_by(d->sb, "so_ip", (uint32_t)v);
		return;
	case SOL_IPV6:
		xlat_print_by(d->sb, "so_ipv6", (uint32_t)v);
		return;
	default:
		decode_int(d, v);
	}
}

/* Most options are an int; others are shown as bytes. */
static void print_optval(struct decode *d, uint64_t v, uint64_t len)
{
	int32_t n;

	if (len == sizeof(n) && decode_fetch(d, v, &n, sizeof(n)))
		strbuf_addf(d->sb, "[%d]", n);
	else if (len != sizeof(n))
		decode_bytes(d, v, len);
}

void decode_optval(struct decode *d, uint64_t v)
{
	print_optval(d, v, (uint32_t)decode_param(d));
}

void decode_optval_out(struct decode *d, uint64_t v)
{
	uint32_t len;

	if (decode_failed(d) || !decode_param(d) || copy_from_user(&len, decode_param(d), sizeof(len)))
		decode_addr(d->sb, v);
	else
		print_optval(d, v, len);
}

/* @bytes: how much of the vectors was moved. */
static void print_msghdr(struct decode *d, uint64_t v, uint64_t bytes)
{
	struct linux_msghdr m;

	if (!decode_fetch(d, v, &m, sizeof(m)))
		return;
	strbuf_adds(d->sb, "{msg_name=");
	fetch_sockaddr(d, m.msg_name, m.msg_namelen);
	strbuf_addf(d->sb, ", msg_namelen=%u, msg_iov=", m.msg_namelen);
	decode_iovec_array(d, m.msg_iov, m.msg_iovlen, bytes, true);
	strbuf_addf(d->sb, ", msg_iovlen=%llu", (ull)m.msg_iovlen);
	if (m.msg_control && m.msg_controllen)
		strbuf_addf(d->sb, ", msg_control=%#llx", (ull)m.msg_control);
	strbuf_addf(d->sb, ", msg_controllen=%llu, msg_flags=", (ull)m.msg_controllen);
	xlat_print_by(d->sb, "msg", m.msg_flags);
	strbuf_addc(d->sb, '}');
}

void decode_msghdr(struct decode *d, uint64_t v)
{
	print_msghdr(d, v, UINT64_MAX);
}

void decode_msghdr_out(struct decode *d, uint64_t v)
{
	if (decode_failed(d))
		decode_addr(d->sb, v);
	else
		print_msghdr(d, v, (uint64_t)d->ret);
}
