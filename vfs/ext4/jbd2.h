/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The format of the journal (Documentation/filesystems/ext4/journal.rst).  All numbers in it are big endian.
 */
#ifndef SENTRY_VFS_EXT4_JBD2_H
#define SENTRY_VFS_EXT4_JBD2_H

#include <endian.h>

#include "sentry/base/types.h"

#define JBD2_MAGIC 0xc03b3998U

enum jbd2_block { JBD2_DESCRIPTOR = 1, JBD2_COMMIT, JBD2_SUPER_V1, JBD2_SUPER_V2, JBD2_REVOKE };

enum jbd2_incompat {
	JBD2_FEATURE_REVOKE = 1,
	JBD2_FEATURE_64BIT = 2,
	JBD2_FEATURE_ASYNC_COMMIT = 4,
	JBD2_FEATURE_CSUM_V2 = 8,
	JBD2_FEATURE_CSUM_V3 = 0x10,
};
#define JBD2_FEATURE_COMPAT_CHECKSUM 1 /* of whole transactions, before metadata_csum */
#define JBD2_FEATURES_KNOWN 0x1f /* fast commits, 0x20, are another log behind this one */

enum jbd2_tag_flags { JBD2_ESCAPE = 1, JBD2_SAME_UUID = 2, JBD2_DELETED = 4, JBD2_LAST_TAG = 8 };

struct jbd2_header {
	uint32_t magic, type, sequence;
};

#define JBD2_CRC32C 4 /* checksum_type */

struct jbd2_super {
	struct jbd2_header h;
	uint32_t blocksize, maxlen, first;
	uint32_t sequence, start;
	uint32_t error;
	uint32_t compat, incompat, ro_compat;
	uint8_t uuid[16];
	uint32_t nr_users, dynsuper, max_transaction, max_trans_data;
	uint8_t checksum_type, pad[3];
	uint32_t num_fc_blocks, head;
	uint32_t pad2[40];
	uint32_t checksum;
	uint8_t users[16 * 48];
};
static_assert(sizeof(struct jbd2_super) == 1024, "journal superblock");

/* A tag with JBD2_FEATURE_CSUM_V3. */
struct jbd2_tag3 {
	uint32_t blk, flags, blk_high, csum;
};
static_assert(sizeof(struct jbd2_tag3) == 16, "journal_block_tag3_t");

struct jbd2_commit {
	struct jbd2_header h;
	uint8_t csum_type, csum_size, pad[2];
	uint32_t csum[8];
	uint64_t sec;
	uint32_t nsec;
} __attribute__((packed));
static_assert(offsetof(struct jbd2_commit, csum) == 16 && offsetof(struct jbd2_commit, sec) == 48, "struct commit_header");

#endif
