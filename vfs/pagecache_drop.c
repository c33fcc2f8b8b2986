/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The page cache: counting, dropping, reclaim.
 *
 * Every mapping that has pages is on one list, which reclaim walks like a clock hand and sync walks from end to end.
 * pagecache_lock is taken inside mapping->lock; who comes from the list only tries the mapping's lock.
 */
#include "vfs/pagecache_internal.h"

#include <string.h>

#include "sentry/base/log.h"

/* Pages that wait to be written back: above the first a background writer is told, above the second writers write themselves. */
#define DIRTY_SOON (32UL * 1024 * 1024 / PAGE_SIZE)
#define DIRTY_MAX (128UL * 1024 * 1024 / PAGE_SIZE)

static struct mutex pagecache_lock = MUTEX_INIT;
static LIST_HEAD(mappings); /* pagecache_lock */
static atomic_ulong total_pages, total_dirty;

uint64_t pagecache_pages(void)
{
	return atomic_load(&total_pages);
}

uint64_t pagecache_dirty_pages(void)
{
	return atomic_load(&total_dirty);
}

/* --- counting --- */

int page_insert_locked(struct mapping *m, uint64_t pgoff, pfn_t pfn, unsigned state)
{
	int err = radix_insert(&m->tree, pgoff, page_entry(pfn, state));

	if (err)
		return err;
	atomic_fetch_add_explicit(&total_pages, 1, memory_order_relaxed);
	if (!m->nr_pages++) {
		MUTEX_GUARD(&pagecache_lock);
		if (list_empty(&m->lru))
			list_add_tail(&m->lru, &mappings);
	}
	return 0;
}

void page_set_dirty_locked(struct mapping *m, uint64_t pgoff, uint64_t *entry)
{
	*entry |= PG_DIRTY;
	radix_tag(&m->tree, pgoff, true);
	WRITE_ONCE(m->nr_dirty, m->nr_dirty + 1);
	if (m->ops->writepages)
		atomic_fetch_add_explicit(&total_dirty, 1, memory_order_relaxed);
}

void page_clear_dirty_locked(struct mapping *m, uint64_t pgoff, uint64_t *entry)
{
	*entry &= ~(uint64_t)PG_DIRTY;
	radix_tag(&m->tree, pgoff, false);
	WRITE_ONCE(m->nr_dirty, m->nr_dirty - 1);
	if (m->ops->writepages)
		atomic_fetch_sub_explicit(&total_dirty, 1, memory_order_relaxed);
}

void page_erase_locked(struct mapping *m, uint64_t pgoff)
{
	uint64_t *entry = radix_find(&m->tree, pgoff);

	if (*entry & PG_DIRTY)
		page_clear_dirty_locked(m, pgoff, entry);
	radix_erase(&m->tree, pgoff);
	atomic_fetch_sub_explicit(&total_pages, 1, memory_order_relaxed);
	m->nr_pages--;
}

/* --- dropping --- */

struct drop_batch {
	struct mapping *m;
	pfn_t pfns[64];
	unsigned nr;
	uint64_t dirty_start;
	unsigned nr_dirty; /* a run of dirty pages from dirty_start on */
};

/* Tells the filesystem and frees the frames; the lock is dropped meanwhile. */
static void drop_flush_locked(struct drop_batch *b)
{
	if (!b->nr)
		return;
	mutex_unlock(&b->m->lock);
	frame_put_many(b->pfns, b->nr);
	if (b->nr_dirty && b->m->ops->dropped)
		b->m->ops->dropped(b->m, b->dirty_start, b->nr_dirty);
	mutex_lock(&b->m->lock);
	b->nr = b->nr_dirty = 0;
}

/* Drops every page of [first, end). */
static void drop_range_locked(struct mapping *m, uint64_t first, uint64_t end)
{
	struct drop_batch b = { .m = m };
	uint64_t at = first;

	while (radix_next(&m->tree, at, false, &at) && at < end) {
		uint64_t *entry = page_wait_locked(m, at, PG_LOCKED | PG_WRITEBACK);

		if (!entry)
			continue;
		if (b.nr == ARRAY_SIZE(b.pfns) ||
		    (*entry & PG_DIRTY && b.nr_dirty && b.dirty_start + b.nr_dirty != at)) {
			drop_flush_locked(&b);
			continue;
		}
		b.pfns[b.nr++] = page_pfn(*entry);
		if (*entry & PG_DIRTY && !b.nr_dirty++)
			b.dirty_start = at;
		page_erase_locked(m, at);
	}
	drop_flush_locked(&b);
}

static void zero_in_page_locked(struct mapping *m, uint64_t pgoff, unsigned from, unsigned to)
{
	uint64_t *entry = page_wait_locked(m, pgoff, PG_LOCKED | PG_WRITEBACK);

	if (entry && *entry & PG_UPTODATE)
		memset((char *)frame_ptr(page_pfn(*entry)) + from, 0, to - from);
}

void mapping_truncate(struct mapping *m, uint64_t size)
{
	uint64_t first = PAGES_FOR(size);

	backing_unmap(&m->backing, first, UINT64_MAX, true);
	mutex_lock(&m->lock);
	if (PAGE_OFFSET(size))
		zero_in_page_locked(m, first - 1, PAGE_OFFSET(size), PAGE_SIZE);
	if (m->nr_pages)
		drop_range_locked(m, first, UINT64_MAX);
	mutex_unlock(&m->lock);
}

void mapping_zero_tail(struct mapping *m, uint64_t size)
{
	if (!PAGE_OFFSET(size))
		return;
	MUTEX_GUARD(&m->lock);
	zero_in_page_locked(m, size >> PAGE_SHIFT, PAGE_OFFSET(size), PAGE_SIZE);
}

/* Zeroes part of one page, in the cache or, where the store lies behind it, through it. */
static int punch_part(struct mapping *m, uint64_t pgoff, unsigned from, unsigned to)
{
	pfn_t pfn;
	int err;

	if (mapping_is_store(m) || pgoff >= mapping_size_pages(m)) {
		pfn = mapping_find_page(m, pgoff);
		if (pfn == PFN_NONE)
			return 0;
	} else {
		err = mapping_get_page_write(m, pgoff, from, to, &pfn);
		if (err)
			return err;
	}
	memset((char *)frame_ptr(pfn) + from, 0, to - from);
	if (!mapping_is_store(m))
		mapping_write_end(m, pgoff, pfn);
	frame_put(pfn);
	return 0;
}

int mapping_punch(struct mapping *m, uint64_t start, uint64_t end)
{
	uint64_t first = PAGES_FOR(start), last = end >> PAGE_SHIFT;
	int err = 0;

	if (start >= end)
		return 0;
	if (first > last)
		return punch_part(m, last, PAGE_OFFSET(start), PAGE_OFFSET(end));
	if (PAGE_OFFSET(start))
		err = punch_part(m, first - 1, PAGE_OFFSET(start), PAGE_SIZE);
	if (!err && PAGE_OFFSET(end))
		err = punch_part(m, last, 0, PAGE_OFFSET(end));
	if (err)
		return err;
	mutex_lock(&m->lock);
	drop_range_locked(m, first, last);
	mutex_unlock(&m->lock);
	/* From now on a fault finds the hole; those that found the page before are undone. */
	backing_unmap(&m->backing, first, last, false);
	return 0;
}

void mapping_fini(struct mapping *m)
{
	/* Also without pages: reclaim may just be taking the last one. */
	mutex_lock(&m->lock);
	drop_range_locked(m, 0, UINT64_MAX);
	mutex_unlock(&m->lock);
	mutex_lock(&pagecache_lock);
	list_del(&m->lru);
	mutex_unlock(&pagecache_lock);
	radix_fini(&m->tree);
	backing_fini(&m->backing);
	waitq_fini(&m->wait);
	mutex_fini(&m->lock);
}

/* --- reclaim --- */

/* Clean pages that only the cache holds, at most @max; recently used ones get another round unless @all. */
static uint64_t drop_clean_locked(struct mapping *m, uint64_t max, bool all)
{
	pfn_t pfns[64];
	uint64_t at = 0, dropped = 0, *entry;
	unsigned n = 0;

	if (!m->ops || mapping_is_store(m) || m->nr_pages == m->nr_dirty)
		return 0;
	for (; dropped < max && (entry = radix_next(&m->tree, at, false, &at)); at++) {
		if (*entry & (PG_DIRTY | PG_LOCKED | PG_WRITEBACK) || frame_refs(page_pfn(*entry)) > 1)
			continue;
		if (*entry & PG_ACCESSED && !all) {
			*entry &= ~(uint64_t)PG_ACCESSED;
			continue;
		}
		pfns[n++] = page_pfn(*entry);
		page_erase_locked(m, at);
		dropped++;
		if (n == ARRAY_SIZE(pfns)) {
			frame_put_many(pfns, n);
			n = 0;
		}
	}
	frame_put_many(pfns, n);
	return dropped;
}

uint64_t mapping_drop_clean(struct mapping *m)
{
	MUTEX_GUARD(&m->lock);

	return drop_clean_locked(m, UINT64_MAX, true);
}

/* Out of reach first, then out of every mm: backing_unmap catches the faults in between. */
void mapping_invalidate(struct mapping *m)
{
	uint64_t at = 0, *entry;

	mutex_lock(&m->lock);
	for (; m->ops && !mapping_is_store(m) && (entry = radix_next(&m->tree, at, false, &at)); at++) {
		entry = page_wait_locked(m, at, PG_LOCKED | PG_WRITEBACK);
		if (entry && !(*entry & PG_DIRTY)) {
			pfn_t pfn = page_pfn(*entry);

			page_erase_locked(m, at);
			frame_put(pfn);
		}
	}
	mutex_unlock(&m->lock);
	backing_unmap(&m->backing, 0, UINT64_MAX, false);
}

/* One round over all mappings, from the one that was looked at longest ago. */
static uint64_t reclaim_round(uint64_t want, bool all)
{
	struct mapping *m, *tmp;
	uint64_t done = 0;
	LIST_HEAD(seen);

	mutex_lock(&pagecache_lock);
	list_for_each_entry_safe(m, tmp, &mappings, lru) {
		if (done >= want)
			break;
		list_move_tail(&m->lru, &seen);
		if (!mutex_trylock(&m->lock))
			continue;
		done += drop_clean_locked(m, want - done, all);
		mutex_unlock(&m->lock);
	}
	list_splice_tail(&seen, &mappings);
	mutex_unlock(&pagecache_lock);
	return done;
}

uint64_t pagecache_drop_all(void)
{
	return reclaim_round(UINT64_MAX, true);
}

/* The next mapping with dirty pages to write, its inode referenced; each mapping comes once per @round. */
static struct inode *next_dirty(struct list_head *seen, struct super_block *sb)
{
	struct mapping *m, *tmp;
	struct inode *inode = NULL;
	MUTEX_GUARD(&pagecache_lock);

	list_for_each_entry_safe(m, tmp, &mappings, lru) {
		list_move_tail(&m->lru, seen);
		if ((sb && m->host->sb != sb) || !m->ops || !m->ops->writepages || !READ_ONCE(m->nr_dirty))
			continue;
		if (!ref_get_unless_zero(&m->host->ref))
			continue;
		inode = m->host;
		break;
	}
	return inode;
}

/* One walk at a time, because a walk takes what it has seen off the list. */
static struct mutex writeback_lock = MUTEX_INIT;

static int writeback_walk_locked(struct super_block *sb)
{
	struct inode *inode;
	LIST_HEAD(seen);
	int ret = 0;

	while ((inode = next_dirty(&seen, sb))) {
		int err = mapping_writeback(&inode->mapping, 0, UINT64_MAX);

		if (err)
			ret = err;
		inode_put(inode);
	}
	mutex_lock(&pagecache_lock);
	list_splice_tail(&seen, &mappings);
	mutex_unlock(&pagecache_lock);
	return ret;
}

int pagecache_writeback_sb(struct super_block *sb)
{
	MUTEX_GUARD(&writeback_lock);

	return writeback_walk_locked(sb);
}

void pagecache_writeback_all(void)
{
	pagecache_writeback_sb(NULL);
}

void pagecache_balance(struct mapping *m)
{
	uint64_t dirty = atomic_load_explicit(&total_dirty, memory_order_relaxed);
	struct super_block *sb = m->host->sb;

	if (dirty <= DIRTY_SOON)
		return;
	if (sb->ops->writeback_soon && dirty <= DIRTY_MAX)
		sb->ops->writeback_soon(sb);
	else
		mapping_writeback(m, 0, UINT64_MAX);
}

static bool pagecache_reclaim(unsigned nr)
{
	/* A little more than asked for, so that the next allocation doesn't come back at once. */
	uint64_t want = nr + 256;

	if (reclaim_round(want, false))
		return true;
	if (reclaim_round(want, true))
		return true;
	/* The caller may be writing back itself. */
	if (!atomic_load(&total_dirty) || !mutex_trylock(&writeback_lock))
		return false;
	writeback_walk_locked(NULL);
	mutex_unlock(&writeback_lock);
	return reclaim_round(want, true) > 0;
}

void pagecache_init(void)
{
	frame_reclaim = pagecache_reclaim;
}
