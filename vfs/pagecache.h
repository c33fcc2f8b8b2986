/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The page cache: one mapping per inode, shared by read, write and mmap, so that they are coherent by construction.
 *
 * A cached page is a frame plus state.  The cache holds one reference to each frame; whoever uses a page outside mapping->lock holds
 * another.  Pages below the inode's size only, but for those a truncation is about to drop.  Bytes behind the size in the last page
 * are zero.
 *
 *     absent --(lookup miss)--> locked, reading --(readpages)--> up to date <--> dirty --(writepages)--> up to date
 *
 * A page that is being read is `locked`: others wait on the mapping.  Truncation: shrinks size, backing_unmap, drops pages (waiting for
 * locked ones), so a fault that comes later sees the new size.  A fault holds a frame reference before it looks at the size under
 * mapping->lock: so no PTE for a page past the end can be made after truncation has unmapped.
 */
#ifndef SENTRY_VFS_PAGECACHE_H
#define SENTRY_VFS_PAGECACHE_H

#include "sentry/base/waitq.h"
#include "sentry/mm/backing.h"
#include "sentry/mm/frame.h"
#include "vfs/radix.h"

struct mapping;
struct inode;
struct super_block;
struct iov_iter;

struct mapping_ops {
	/*
	 * Fills @nr pages from page index @pgoff into the frames @pfns (not necessarily contiguous frames, but usually so: join
	 * neighbours into one transfer).  Holes and bytes behind the end of the file read as zero.  0 or -errno.  NULL: all pages
	 * that are not cached are zero (tmpfs).
	 */
	int (*readpages)(struct mapping *m, uint64_t pgoff, unsigned nr, const pfn_t *pfns);
	/*
	 * How many pages from @pgoff on, at most @nr, the store has nothing for: they need no frame to be read as zeros.  For a page that
	 * was written back the answer is 0 before it leaves the cache.  NULL: not known.
	 */
	uint64_t (*hole)(struct mapping *m, uint64_t pgoff, uint64_t nr);
	/* Writes dirty pages to the store.  NULL: pages are the store, stay dirty and are never reclaimed (tmpfs, throw-away overlay). */
	int (*writepages)(struct mapping *m, uint64_t pgoff, unsigned nr, const pfn_t *pfns);
	/*
	 * A page goes from clean (or absent) to dirty: reserve space (-ENOSPC).  Called once per transition, without mapping->lock.
	 * NULL: nothing to do.  Where readpages is NULL every cached page is dirty.
	 */
	int (*dirty)(struct mapping *m, uint64_t pgoff);
	/*
	 * A dirty page's contents were dropped (truncate, hole), or it did not become dirty after all: give back what dirty reserved.
	 * Without mapping->lock.  NULL.
	 */
	void (*dropped)(struct mapping *m, uint64_t pgoff, unsigned nr);
};

struct mapping {
	struct backing backing;	 /* what mm maps */
	struct inode *host;	 /* borrowed: the inode embeds the mapping */
	const struct mapping_ops *ops; /* NULL: no page cache */
	struct mutex lock;
	struct waitq wait;	 /* for locked pages */
	struct radix_root tree;	 /* lock; frame and state by page index (pagecache_internal.h); tagged: dirty */
	uint64_t nr_pages, nr_dirty; /* lock */
	int wb_err;		 /* lock; errno of a failed write-back, reported once by fsync */
	bool mapped_write;	 /* a guest wrote through a mapping: bytes behind the end may not be zero */
	uint64_t next_fault;	 /* where a sequence of faults would go on; racy by design */
	struct list_head lru;	 /* all mappings with pages, for reclaim and sync; pagecache_lock */
};

void mapping_init(struct mapping *m, struct inode *host, const struct mapping_ops *ops);
/* Drops all pages, dirty ones too. */
void mapping_fini(struct mapping *m);

/*
 * The page at @pgoff with a frame reference, reading (with @ra_pages of read-ahead behind it) on a miss.  -LINUX_EIO...,
 * -LINUX_ENOMEM.  Does not look at the inode's size.
 */
int mapping_get_page(struct mapping *m, uint64_t pgoff, unsigned ra_pages, pfn_t *ret_pfn);
/*
 * The same for up to @nr pages that follow each other; at least the first is there.  How many, or -errno.
 */
int mapping_get_pages(struct mapping *m, uint64_t pgoff, unsigned nr, unsigned ra_pages, pfn_t *pfns);
/*
 * The same for a write of [from, to) of the page: marks it dirty.  What will be overwritten whole is read all the same, so that a
 * write that fails half way loses nothing (mapping_write_fresh is the fast way), but a page behind the end of the file is new
 * and zero.  Say mapping_write_end when the bytes are in place: write-back may have come by in between.
 */
int mapping_get_page_write(struct mapping *m, uint64_t pgoff, unsigned from, unsigned to, pfn_t *ret_pfn);
void mapping_write_end(struct mapping *m, uint64_t pgoff, pfn_t pfn);
/*
 * Copies whole pages from @from into pages that are not cached yet, from @pgoff on, without reading what was there.  Bytes taken
 * (a multiple of the page size), 0 when the first page is cached or can't be filled whole: take the page way; or -errno.
 */
int64_t mapping_write_fresh(struct mapping *m, uint64_t pgoff, struct iov_iter *from);
/* Those that are cached and up to date: as many as follow each other from @pgoff on, perhaps none; never reads. */
unsigned mapping_find_pages(struct mapping *m, uint64_t pgoff, unsigned nr, pfn_t *pfns);
/* One of them, or PFN_NONE. */
pfn_t mapping_find_page(struct mapping *m, uint64_t pgoff);
/* How many pages from @pgoff on, at most @nr, are neither cached nor in the store: zeros. */
uint64_t mapping_hole(struct mapping *m, uint64_t pgoff, uint64_t nr);
/*
 * Drops pages for a file that is now @size long and zeroes the tail of the last page, unmapping them from all mms.
 * inode->size was already set; i_rwsem held for writing.
 */
void mapping_truncate(struct mapping *m, uint64_t size);
/* Before a file of @size bytes grows: what a mapping wrote behind its end must not come to light. */
void mapping_zero_tail(struct mapping *m, uint64_t size);
/* Zeroes [start, end) bytes: drops whole pages (a hole), zeroes parts. */
int mapping_punch(struct mapping *m, uint64_t start, uint64_t end);
/* Writes back dirty pages of the byte range and waits; returns (and clears) wb_err. */
int mapping_writeback(struct mapping *m, uint64_t start, uint64_t end);
/* Drops clean, unmapped pages (drop_caches, reclaim).  Returns pages dropped. */
uint64_t mapping_drop_clean(struct mapping *m);
/* Drops every clean page, mapped ones too: the store changed behind our back (hostfs).  Dirty pages stay. */
void mapping_invalidate(struct mapping *m);
/*
 * The store was given @buf at [pos, pos + len) past the page cache: cached pages follow.  i_rwsem held for writing.
 */
void mapping_update(struct mapping *m, uint64_t pos, const void *buf, size_t len);
/* SEEK_DATA and SEEK_HOLE: the next page that is dirty, or is not. */
bool mapping_next_data(struct mapping *m, uint64_t pgoff, uint64_t *ret_pgoff);
bool mapping_next_hole(struct mapping *m, uint64_t pgoff, uint64_t *ret_pgoff);
/* Totals for /proc/meminfo; pages. */
uint64_t pagecache_pages(void);
uint64_t pagecache_dirty_pages(void);
/* Drops every clean page that nobody maps (/proc/sys/vm/drop_caches); pages. */
uint64_t pagecache_drop_all(void);
/* Writes back every dirty page there is, or those of one super block; for sync(2), syncfs(2). */
void pagecache_writeback_all(void);
int pagecache_writeback_sb(struct super_block *sb);
/* After a write: has the writer write back when too much is dirty. */
void pagecache_balance(struct mapping *m);
/* Installs frame_reclaim. */
void pagecache_init(void);

#endif
