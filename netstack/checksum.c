/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Internet checksum: RFC 1071.
 */
#include "netstack/ip.h"

static uint64_t csum_add64(uint64_t sum, uint64_t v)
{
	sum += v;
	return sum + (sum < v);
}

uint64_t csum_add(uint64_t sum, const void *data, size_t len)
{
	const uint8_t *p = data;
	uint64_t lanes[4] = { sum, 0, 0, 0 }, v[4];

	/* The sum of 32-bit words can't overflow 64 bits for any packet; four lanes, for the compiler to make vectors of. */
	for (; len >= 32; len -= 32, p += 32) {
		memcpy(v, p, 32);
		for (int i = 0; i < 4; i++)
			lanes[i] += (v[i] & 0xffffffff) + (v[i] >> 32);
	}
	sum = csum_add64(csum_add64(lanes[0], lanes[1]), csum_add64(lanes[2], lanes[3]));
	for (; len >= 8; len -= 8, p += 8) {
		memcpy(v, p, 8);
		sum = csum_add64(sum, v[0]);
	}
	if (len) {
		v[0] = 0;
		memcpy(v, p, len);
		sum = csum_add64(sum, v[0]);
	}
	return sum;
}

static uint16_t csum_fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

uint64_t csum_add_iov(uint64_t sum, const struct iovec *iov, unsigned nr)
{
	bool odd = false;

	for (unsigned i = 0; i < nr; i++) {
		uint16_t part = csum_fold(csum_add(0, iov[i].iov_base, iov[i].iov_len));

		/* A piece that starts at an odd place has its bytes in each other's column. */
		sum = csum_add64(sum, odd ? __builtin_bswap16(part) : part);
		odd ^= iov[i].iov_len & 1;
	}
	return sum;
}

uint16_t csum_finish(uint64_t sum)
{
	return (uint16_t)~csum_fold(sum);
}

uint64_t csum_pseudo(const uint8_t src[16], const uint8_t dst[16], uint8_t proto, uint32_t len)
{
	uint8_t tail[8] = { 0, 0, 0, 0, 0, 0, 0, proto };
	uint64_t sum = 0;

	put_be32(tail, len);
	sum = csum_add(sum, addr_bytes(src), addr_size(src));
	sum = csum_add(sum, addr_bytes(dst), addr_size(dst));
	return csum_add(sum, tail, sizeof(tail));
}
