/* SPDX-License-Identifier: Apache-2.0 */
/* Guest ABI: getdents(2), getdents64(2). x86-64. */
#ifndef SENTRY_ABI_DIRENT_H
#define SENTRY_ABI_DIRENT_H

#include "sentry/base/types.h"

#define LINUX_DT_FIFO 1
#define LINUX_DT_CHR 2
#define LINUX_DT_DIR 4
#define LINUX_DT_BLK 6
#define LINUX_DT_REG 8
#define LINUX_DT_LNK 10
#define LINUX_DT_SOCK 12
#define LINUX_DT_WHT 14

struct linux_dirent64 {
	uint64_t d_ino;
	int64_t d_off;
	uint16_t d_reclen;
	uint8_t d_type;
	char d_name[];
} __attribute__((packed));
static_assert(sizeof(struct linux_dirent64) == 19, "struct linux_dirent64");

/* The type is in the record's last byte. */
struct linux_dirent {
	uint64_t d_ino;
	uint64_t d_off;
	uint16_t d_reclen;
	char d_name[];
} __attribute__((packed));
static_assert(sizeof(struct linux_dirent) == 18, "struct linux_dirent");

#endif
