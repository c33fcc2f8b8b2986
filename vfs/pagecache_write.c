/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The page cache: becoming dirty, being written back.
 */
#include "vfs/pagecache_internal.h"

/* --- becoming dirty --- */

int page_make_dirty_locked(struct mapping *m, uint64_t pgoff)
{
	uint64_t *entry = page_wait_locked(m, pgoff, PG_LOCKED);
	int err = 0;

	if (!entry || !(*entry & PG_UPTODATE))
		return 1;
	if (*entry & PG_DIRTY)
		return 0;
	if (m->ops->dirty) {
		*entry |= PG_LOCKED;
		mutex_unlock(&m->lock);
		err = m->ops->dirty(m, pgoff);
		mutex_lock(&m->lock);
		entry = radix_find(&m->tree, pgoff);
		*entry &= ~(uint64_t)PG_LOCKED;
		waitq_wake(&m->wait, 0);
	}
	if (!err)
		page_set_dirty_locked(m, pgoff, entry);
	return err;
}

/* A page behind the end of the file: there is nothing to read. */
static int page_fresh_locked(struct mapping *m, uint64_t pgoff)
{
	int err = 0;
	pfn_t pfn;

	mutex_unlock(&m->lock);
	pfn = frame_alloc(0, FRAME_ZERO, PFN_NONE);
	mutex_lock(&m->lock);
	if (pfn == PFN_NONE)
		return -LINUX_ENOMEM;
	if (!radix_find(&m->tree, pgoff))
		err = page_insert_locked(m, pgoff, pfn, PG_UPTODATE);
	else
		err = 1;
	if (err)
		frame_put(pfn);
	return MIN(err, 0);
}

int mapping_get_page_write(struct mapping *m, uint64_t pgoff, unsigned from, unsigned to, pfn_t *ret_pfn)
{
	int err;

	(void)from;
	(void)to;
	for (;;) {
		uint64_t *entry;
		pfn_t pfn;

		mutex_lock(&m->lock);
		entry = radix_find(&m->tree, pgoff);
		if (entry && (*entry & (PG_UPTODATE | PG_DIRTY)) == (PG_UPTODATE | PG_DIRTY)) {
			*ret_pfn = page_pfn(*entry);
			frame_get(*ret_pfn);
			mutex_unlock(&m->lock);
			return 0;
		}
		if (!entry && !mapping_is_store(m) && pgoff >= mapping_size_pages(m))
			err = page_fresh_locked(m, pgoff);
		else
			err = 0;
		if (!err && entry && *entry & PG_UPTODATE)
			err = page_make_dirty_locked(m, pgoff);
		mutex_unlock(&m->lock);
		if (err < 0)
			return err;
		if (entry)
			continue;
		err = mapping_get_page(m, pgoff, 0, &pfn);
		if (err)
			return err;
		frame_put(pfn);
	}
}

void mapping_write_end(struct mapping *m, uint64_t pgoff, pfn_t pfn)
{
	uint64_t *entry;

	mutex_lock(&m->lock);
	for (;;) {
		entry = radix_find(&m->tree, pgoff);
		if (!entry || page_pfn(*entry) != pfn || *entry & PG_DIRTY)
			break;
		/* Write-back took it between the two calls.  Its space is there; failing here could tell nobody. */
		if (page_make_dirty_locked(m, pgoff) < 0)
			break;
	}
	mutex_unlock(&m->lock);
}

/* --- whole pages that were not cached --- */

/* Asks for space for @nr pages; how many there is space for, or -errno. */
static int pages_reserve(struct mapping *m, uint64_t pgoff, unsigned nr)
{
	for (unsigned i = 0; m->ops->dirty && i < nr; i++) {
		int err = m->ops->dirty(m, pgoff + i);

		if (err)
			return i ? (int)i : err;
	}
	return nr;
}

/* Fills frames with whole pages from @from; what is not a whole page is given back to it.  Pages filled. */
static unsigned frames_fill(struct iov_iter *from, const pfn_t *pfns, unsigned nr)
{
	size_t done = 0;

	for (unsigned i = 0, run; i < nr; i += run) {
		size_t want, n;

		for (run = 1; i + run < nr && pfns[i + run] == pfns[i] + run;)
			run++;
		want = (size_t)run << PAGE_SHIFT;
		n = iov_iter_copy_from(from, frame_ptr(pfns[i]), want);
		done += n;
		if (n < want)
			break;
	}
	iov_iter_revert(from, PAGE_OFFSET(done));
	return done >> PAGE_SHIFT;
}

static unsigned fresh_run(struct mapping *m, uint64_t pgoff, size_t count)
{
	unsigned max = MIN(count >> PAGE_SHIFT, PAGE_RUN_MAX);
	uint64_t next;
	MUTEX_GUARD(&m->lock);

	if (radix_next(&m->tree, pgoff, false, &next) && next - pgoff < max)
		max = next - pgoff;
	return max;
}

int64_t mapping_write_fresh(struct mapping *m, uint64_t pgoff, struct iov_iter *from)
{
	unsigned nr = fresh_run(m, pgoff, from->count), filled, entered = 0;
	pfn_t pfns[PAGE_RUN_MAX], first;
	int reserved;

	if (!nr)
		return 0;
	nr = frame_alloc_run(nr, 0, PFN_NONE, &first);
	if (!nr)
		return -LINUX_ENOMEM;
	for (unsigned i = 0; i < nr; i++)
		pfns[i] = first + i;
	filled = frames_fill(from, pfns, nr);
	reserved = filled ? pages_reserve(m, pgoff, filled) : 0;
	mutex_lock(&m->lock);
	for (; reserved > 0 && entered < (unsigned)reserved; entered++) {
		uint64_t at = pgoff + entered;

		if (radix_find(&m->tree, at) || page_insert_locked(m, at, pfns[entered], PG_UPTODATE))
			break;
		page_set_dirty_locked(m, at, radix_find(&m->tree, at));
	}
	mutex_unlock(&m->lock);
	/* A fault was faster, or space ran out: the rest goes the page way, which reports it. */
	frame_put_many(pfns + entered, nr - entered);
	if (reserved > 0 && entered < (unsigned)reserved && m->ops->dropped)
		m->ops->dropped(m, pgoff + entered, reserved - entered);
	iov_iter_revert(from, (size_t)(filled - entered) << PAGE_SHIFT);
	if (reserved < 0)
		return reserved;
	return (int64_t)entered << PAGE_SHIFT;
}

/* --- write-back --- */

/* Takes a run of dirty pages from @pgoff on, before @end, for writing.  How many. */
static unsigned writeback_take_locked(struct mapping *m, uint64_t pgoff, uint64_t end, pfn_t *pfns)
{
	unsigned n = 0;

	for (; n < PAGE_RUN_MAX && pgoff + n < end; n++) {
		uint64_t *entry = radix_find(&m->tree, pgoff + n);

		if (!entry || !(*entry & PG_DIRTY) || *entry & (PG_LOCKED | PG_WRITEBACK))
			break;
		page_clear_dirty_locked(m, pgoff + n, entry);
		*entry |= PG_WRITEBACK;
		pfns[n] = page_pfn(*entry);
		frame_get(pfns[n]);
	}
	return n;
}

static void writeback_run_locked(struct mapping *m, uint64_t pgoff, unsigned nr, const pfn_t *pfns)
{
	int err;

	mutex_unlock(&m->lock);
	/* Clean first, then write-protected, then copied: a guest's write is either in the copy or faults and dirties again. */
	backing_write_protect(&m->backing, pgoff, pgoff + nr);
	err = m->ops->writepages(m, pgoff, nr, pfns);
	frame_put_many(pfns, nr);
	mutex_lock(&m->lock);
	for (unsigned i = 0; i < nr; i++)
		*radix_find(&m->tree, pgoff + i) &= ~(uint64_t)PG_WRITEBACK;
	if (err)
		m->wb_err = err;
	waitq_wake(&m->wait, 0);
}

int mapping_writeback(struct mapping *m, uint64_t start, uint64_t end)
{
	uint64_t at = start >> PAGE_SHIFT, last = end > UINT64_MAX - PAGE_SIZE ? UINT64_MAX : PAGES_FOR(end);
	pfn_t pfns[PAGE_RUN_MAX];
	int err;
	MUTEX_GUARD(&m->lock);

	if (!m->ops || !m->ops->writepages)
		return 0;
	while (radix_next(&m->tree, at, true, &at) && at < last) {
		unsigned n;

		page_wait_locked(m, at, PG_LOCKED | PG_WRITEBACK);
		n = writeback_take_locked(m, at, last, pfns);
		if (n)
			writeback_run_locked(m, at, n, pfns);
		at += n;
	}
	/* Others' transfers in the range. */
	for (at = start >> PAGE_SHIFT; radix_next(&m->tree, at, false, &at) && at < last; at++)
		page_wait_locked(m, at, PG_WRITEBACK);
	err = m->wb_err;
	m->wb_err = 0;
	return err;
}
