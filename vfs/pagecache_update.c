/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The page cache of files whose store is written past it.
 */
#include <string.h>

#include "vfs/pagecache_internal.h"

void mapping_update(struct mapping *m, uint64_t pos, const void *buf, size_t len)
{
	const char *src = buf;
	uint64_t end = pos + len, at = pos >> PAGE_SHIFT;
	MUTEX_GUARD(&m->lock);

	/* A page that is being read may have got the old bytes or the new ones: it is waited for, and gets ours. */
	for (; radix_next(&m->tree, at, false, &at) && at << PAGE_SHIFT < end; at++) {
		uint64_t *entry = page_wait_locked(m, at, PG_LOCKED);
		uint64_t from = MAX(pos, at << PAGE_SHIFT), to = MIN(end, (at + 1) << PAGE_SHIFT);

		if (entry && *entry & PG_UPTODATE)
			memcpy((char *)frame_ptr(page_pfn(*entry)) + PAGE_OFFSET(from), src + (from - pos), to - from);
	}
}
