/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file with a page cache for tests of mm.  Pages are one word each: what is stored at the page's start.
 */
#ifndef SENTRY_TESTS_UNIT_FAKE_FILE_H
#define SENTRY_TESTS_UNIT_FAKE_FILE_H

#include "sentry/mm/mm_internal.h"

#define FAKE_FILE_PAGES 48

struct fake_file {
	struct vm_file vm;
	struct backing backing;
	atomic_int refs;
	struct mutex lock; /* of what follows; below pt_lock, as the page cache's */
	unsigned size;	   /* pages */
	pfn_t pfn[FAKE_FILE_PAGES];	/* cached page or PFN_NONE */
	bool dirty[FAKE_FILE_PAGES];
	uint64_t store[FAKE_FILE_PAGES]; /* what the disk has */
	/* Called once when a fault has found its page and not yet installed it; NULL. */
	void (*hook)(struct fake_file *f);
};

/* The word a page holds; guests may be writing it. */
uint64_t fake_frame_word(pfn_t pfn);
struct fake_file *fake_file_new(unsigned size);
/* Drops the cache; nobody maps it any more and all references are back. */
void fake_file_free(struct fake_file *f);
/* truncate(2), write-back of everything, and reclaim of one clean page, as a page cache does them. */
void fake_file_truncate(struct fake_file *f, unsigned size);
void fake_file_writeback(struct fake_file *f);
void fake_file_evict(struct fake_file *f, unsigned pgoff);

#endif
