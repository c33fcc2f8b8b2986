/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entries of a mapping's tree, for the files of the page cache only.
 *
 * An entry is a frame number and state bits:
 *
 *     0                         absent
 *     LOCKED                    being read; nobody may look at the frame
 *     UPTODATE                  clean
 *     UPTODATE|LOCKED           asks its filesystem for space to become dirty
 *     UPTODATE|DIRTY            as tagged in the tree
 *     UPTODATE|WRITEBACK        being written; may become DIRTY again meanwhile
 *
 * LOCKED and WRITEBACK pages stay in the tree: truncation waits.  ACCESSED is reclaim's second chance.
 */
#ifndef SENTRY_VFS_PAGECACHE_INTERNAL_H
#define SENTRY_VFS_PAGECACHE_INTERNAL_H

#include "vfs/vfs.h"

enum page_state {
	PG_UPTODATE = 1,
	PG_DIRTY = 2,
	PG_LOCKED = 4,
	PG_WRITEBACK = 8,
	PG_ACCESSED = 0x10,
};

#define PG_SHIFT 8
#define PAGE_RUN_MAX 256 /* most pages of one transfer */

static inline uint64_t page_entry(pfn_t pfn, unsigned state)
{
	return pfn << PG_SHIFT | state | 0x80; /* never 0 */
}

static inline pfn_t page_pfn(uint64_t entry)
{
	return entry >> PG_SHIFT;
}

static inline uint64_t mapping_size_pages(const struct mapping *m)
{
	return PAGES_FOR(READ_ONCE(m->host->size));
}

/* Mapping's pages are the store: every page that is there is dirty, and one that isn't is zero. */
static inline bool mapping_is_store(const struct mapping *m)
{
	return !m->ops->readpages;
}

/* Enters a page whose frame reference it takes; counts. 0 or -LINUX_ENOMEM.  mapping->lock held. */
int page_insert_locked(struct mapping *m, uint64_t pgoff, pfn_t pfn, unsigned state);
/* Takes a page out; the caller puts the frame. */
void page_erase_locked(struct mapping *m, uint64_t pgoff);
void page_set_dirty_locked(struct mapping *m, uint64_t pgoff, uint64_t *entry);
void page_clear_dirty_locked(struct mapping *m, uint64_t pgoff, uint64_t *entry);
/* Waits until the page at @pgoff, if any, is not in one of @states; the lock is dropped meanwhile.  The entry or NULL. */
uint64_t *page_wait_locked(struct mapping *m, uint64_t pgoff, unsigned states);
/* Makes the page at @pgoff dirty, asking the filesystem.  1: it went meanwhile.  The lock is dropped meanwhile. */
int page_make_dirty_locked(struct mapping *m, uint64_t pgoff);

#endif
