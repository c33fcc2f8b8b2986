/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Internet addresses as the sentry keeps them: 16 bytes, IPv4 ones mapped (::ffff:a.b.c.d), so that one table and one code
 * path serve both families.
 */
#ifndef SENTRY_NETSTACK_INET_ADDR_H
#define SENTRY_NETSTACK_INET_ADDR_H

#include <string.h>

#include "sentry/abi/errno.h"
#include "sentry/abi/socket.h"

struct inet_name {
	uint8_t addr[16];
	uint16_t port; /* host order; 0: none */
	int scope;     /* of a link-local address: the interface, 0: not said */
};

static inline void inet_set_v4(struct inet_name *n, uint32_t be_addr)
{
	memset(n->addr, 0, 10);
	n->addr[10] = n->addr[11] = 0xff;
	memcpy(n->addr + 12, &be_addr, 4);
}

/* Of the 16 bytes alone. */
static inline bool addr_is_v4(const uint8_t a[16])
{
	static const uint8_t prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

	return !memcmp(a, prefix, 12);
}

static inline bool addr_is_any(const uint8_t a[16])
{
	static const uint8_t zero[16];

	return addr_is_v4(a) ? !memcmp(a + 12, zero, 4) : !memcmp(a, zero, 16);
}

static inline bool addr_is_loopback(const uint8_t a[16])
{
	static const uint8_t lo6[16] = { [15] = 1 };

	return addr_is_v4(a) ? a[12] == 127 : !memcmp(a, lo6, 16);
}

static inline bool addr_is_multicast(const uint8_t a[16])
{
	return addr_is_v4(a) ? (a[12] & 0xf0) == 0xe0 : a[0] == 0xff;
}

/* fe80::/10, and groups of the link. */
static inline bool addr_has_scope(const uint8_t a[16])
{
	return (a[0] == 0xfe && (a[1] & 0xc0) == 0x80) || (a[0] == 0xff && (a[1] & 0x0f) == 2);
}

static inline bool inet_is_v4(const struct inet_name *n)
{
	return addr_is_v4(n->addr);
}

static inline bool inet_is_any(const struct inet_name *n)
{
	return addr_is_any(n->addr);
}

static inline bool inet_is_loopback(const struct inet_name *n)
{
	return addr_is_loopback(n->addr);
}

static inline bool inet_is_multicast(const struct inet_name *n)
{
	return addr_is_multicast(n->addr);
}

static inline bool inet_same_addr(const struct inet_name *a, const struct inet_name *b)
{
	return !memcmp(a->addr, b->addr, 16);
}

/* From a guest address of @family: -EINVAL (short), -EAFNOSUPPORT.  AF_INET6 sockets take AF_INET addresses in mapped form only. */
static inline int inet_from_sockaddr(int family, const struct linux_sockaddr *sa, unsigned len, struct inet_name *ret)
{
	if (family == LINUX_AF_INET) {
		if (len < sizeof(sa->in))
			return -LINUX_EINVAL;
		if (sa->family != LINUX_AF_INET && !(sa->family == LINUX_AF_UNSPEC && !sa->in.sin_addr))
			return -LINUX_EAFNOSUPPORT;
		inet_set_v4(ret, sa->in.sin_addr);
		ret->scope = 0;
		ret->port = __builtin_bswap16(sa->in.sin_port);
		return 0;
	}
	if (len < 24) /* without sin6_scope_id, as RFC 2133 had it */
		return -LINUX_EINVAL;
	if (sa->family != LINUX_AF_INET6)
		return -LINUX_EAFNOSUPPORT;
	memcpy(ret->addr, sa->in6.sin6_addr, 16);
	ret->port = __builtin_bswap16(sa->in6.sin6_port);
	ret->scope = len >= sizeof(sa->in6) && addr_has_scope(ret->addr) ? (int)sa->in6.sin6_scope_id : 0;
	return 0;
}

static inline unsigned inet_to_sockaddr(int family, const struct inet_name *n, struct linux_sockaddr *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->family = family;
	if (family == LINUX_AF_INET) {
		ret->in.sin_port = __builtin_bswap16(n->port);
		memcpy(&ret->in.sin_addr, n->addr + 12, 4);
		return sizeof(ret->in);
	}
	ret->in6.sin6_port = __builtin_bswap16(n->port);
	/* "any" is stored per family; an IPv6 socket always shows :: */
	if (!(inet_is_v4(n) && inet_is_any(n)))
		memcpy(ret->in6.sin6_addr, n->addr, 16);
	ret->in6.sin6_scope_id = (uint32_t)n->scope;
	return sizeof(ret->in6);
}

#endif
