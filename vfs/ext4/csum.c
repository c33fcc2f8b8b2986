/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crc32c, by the processor's own instruction where it has one: directory blocks and bitmaps are summed with each change.
 */
#include <string.h>

#include "vfs/ext4/ext4_rw.h"

__attribute__((target("sse4.2"))) static uint32_t crc32c_hw(uint32_t crc, const uint8_t *p, size_t len)
{
	uint64_t c = crc, word;

	for (; len >= 8; p += 8, len -= 8) {
		memcpy(&word, p, sizeof(word));
		c = __builtin_ia32_crc32di(c, word);
	}
	crc = (uint32_t)c;
	for (; len; p++, len--)
		crc = __builtin_ia32_crc32qi(crc, *p);
	return crc;
}

uint32_t ext4_crc32c(uint32_t crc, const void *buf, size_t len)
{
	if (__builtin_cpu_supports("sse4.2"))
		return crc32c_hw(crc, buf, len);
	return ext2fs_crc32c_le(crc, buf, len);
}
