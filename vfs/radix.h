/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A radix tree from page indexes to 64-bit entries, with one tag per entry.  A pure core: no locks, no meaning of an entry but
 * that 0 is "absent".
 */
#ifndef SENTRY_VFS_RADIX_H
#define SENTRY_VFS_RADIX_H

#include "sentry/base/types.h"

struct radix_node;

struct radix_root {
	struct radix_node *node; /* NULL: empty */
	unsigned height;	 /* levels */
};

/* The entry's place, or NULL when absent.  Valid until the tree is changed. */
uint64_t *radix_find(const struct radix_root *root, uint64_t index);
/* Stores @entry (not 0) where nothing was, untagged: 0 or -LINUX_ENOMEM. */
int radix_insert(struct radix_root *root, uint64_t index, uint64_t entry);
/* Takes the entry out, tag and all; 0 when there was none. */
uint64_t radix_erase(struct radix_root *root, uint64_t index);
/* The first entry with index >= @index and, with @tagged, a tag; *ret_index untouched when NULL. */
uint64_t *radix_next(const struct radix_root *root, uint64_t index, bool tagged, uint64_t *ret_index);
/* The first index >= @index without an entry. */
uint64_t radix_next_absent(const struct radix_root *root, uint64_t index);
/* The entry exists. */
void radix_tag(struct radix_root *root, uint64_t index, bool on);
bool radix_tagged(const struct radix_root *root, uint64_t index);
/* Frees the nodes, whatever entries are left. */
void radix_fini(struct radix_root *root);

#endif
