/* SPDX-License-Identifier: Apache-2.0 */
/* crc32c of every length and alignment, against libext2fs's. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "vfs/ext4/ext4_rw.h"

Test(ext4_csum, lengths)
{
	static uint8_t buf[9000];

	srandom(1);
	for (size_t i = 0; i < sizeof(buf); i++)
		buf[i] = random();
	for (size_t len = 0; len < sizeof(buf) - 8; len += len < 1100 || len % 4096 > 4000 ? 1 : 37) {
		uint32_t seed = random();
		const uint8_t *p = buf + len % 8;

		cr_assert_eq(ext4_crc32c(seed, p, len), ext2fs_crc32c_le(seed, p, len), "%zu bytes", len);
	}
}
