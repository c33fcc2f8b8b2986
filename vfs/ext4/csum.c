/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crc32c, by the processor's own instruction where it has one: directory blocks and bitmaps are summed with each change.
 *
 * The instruction takes three cycles, and one can begin in each: so three lanes are summed at once and put together.  To sum
 * zeros behind what was summed is to multiply by a power of x, which depends on how many they are: a multiplication without
 * carries, reduced by the instruction itself.
 */
#include <string.h>

#include "vfs/ext4/ext4_rw.h"

#define TARGET __attribute__((target("sse4.2,pclmul")))

/* A length of lanes, with x^(8n - 33) mod P, bits reversed, for n bytes of one and of two of them. */
struct lanes {
	size_t len;
	uint64_t shift_one, shift_two;
};

static const struct lanes lanes_long = { 1344, 0xc9c8b782, 0x889774e1 }; /* three are nearly a block of 4096 */
static const struct lanes lanes_short = { 320, 0xbac2fd7b, 0x6b749fb2 };

static inline uint64_t word_at(const uint8_t *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof(word));
	return word;
}

TARGET static uint64_t crc_shift(uint64_t crc, uint64_t by)
{
	typedef long long v2 __attribute__((vector_size(16)));
	v2 product = __builtin_ia32_pclmulqdq128((v2){ (long long)crc, 0 }, (v2){ (long long)by, 0 }, 0);

	return __builtin_ia32_crc32di(0, (uint64_t)product[0]);
}

TARGET static uint64_t crc_lanes(uint64_t a, const uint8_t *p, const struct lanes *l)
{
	uint64_t b = 0, c = 0;

	for (size_t i = 0; i < l->len; i += 8) {
		a = __builtin_ia32_crc32di(a, word_at(p + i));
		b = __builtin_ia32_crc32di(b, word_at(p + l->len + i));
		c = __builtin_ia32_crc32di(c, word_at(p + 2 * l->len + i));
	}
	return crc_shift(a, l->shift_two) ^ crc_shift(b, l->shift_one) ^ c;
}

TARGET static uint32_t crc32c_hw(uint32_t crc, const uint8_t *p, size_t len)
{
	uint64_t c = crc;

	for (; len >= 3 * lanes_long.len; p += 3 * lanes_long.len, len -= 3 * lanes_long.len)
		c = crc_lanes(c, p, &lanes_long);
	for (; len >= 3 * lanes_short.len; p += 3 * lanes_short.len, len -= 3 * lanes_short.len)
		c = crc_lanes(c, p, &lanes_short);
	for (; len >= 8; p += 8, len -= 8)
		c = __builtin_ia32_crc32di(c, word_at(p));
	crc = (uint32_t)c;
	for (; len; p++, len--)
		crc = __builtin_ia32_crc32qi(crc, *p);
	return crc;
}

uint32_t ext4_crc32c(uint32_t crc, const void *buf, size_t len)
{
	if (__builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul"))
		return crc32c_hw(crc, buf, len);
	return ext2fs_crc32c_le(crc, buf, len);
}
