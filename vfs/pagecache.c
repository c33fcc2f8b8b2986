/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The page cache: look-up, reading, faults.
 */
#include "vfs/pagecache_internal.h"

#include <string.h>

#define FAULT_READ_PAGES 32	 /* read around a fault */
#define SMALL_PAGES 512		 /* a file up to here is read whole, or in halves: most of it will be wanted */
#define GROUP_PAGES 512		 /* of a file, that had better be together on the memfd */
#define FAULT_READ_PAGES_SEQ 256 /* and ahead of one that follows the last */

static const struct backing_ops mapping_backing_ops;

void mapping_init(struct mapping *m, struct inode *host, const struct mapping_ops *ops)
{
	backing_init(&m->backing, &mapping_backing_ops);
	m->host = host;
	m->ops = ops;
	mutex_init(&m->lock);
	waitq_init(&m->wait);
	m->tree = (struct radix_root){ NULL, 0 };
	m->nr_pages = m->nr_dirty = 0;
	m->wb_err = 0;
	m->mapped_write = false;
	m->next_fault = 0;
	list_init(&m->lru);
}

static bool page_is(struct mapping *m, uint64_t pgoff, unsigned states)
{
	uint64_t *entry = radix_find(&m->tree, pgoff);

	return entry && *entry & states;
}

uint64_t *page_wait_locked(struct mapping *m, uint64_t pgoff, unsigned states)
{
	(void)waitq_wait_locked(&m->wait, &m->lock, !page_is(m, pgoff, states), SLEEP_UNINTERRUPTIBLE, NO_DEADLINE);
	return radix_find(&m->tree, pgoff);
}

/* --- reading --- */

/*
 * The frame that would suit the page at @pgoff, by where others of its group are: pages that follow each other in file and memfd
 * are one host mapping, however many faults brought them in.
 */
static pfn_t near_locked(struct mapping *m, uint64_t pgoff)
{
	uint64_t group = ALIGN_DOWN(pgoff, GROUP_PAGES), next, *entry;

	for (uint64_t at = pgoff; at > group; at = ALIGN_DOWN(at - 1, FAULT_READ_PAGES)) {
		entry = radix_find(&m->tree, at - 1);
		if (entry)
			return page_pfn(*entry) + (pgoff - at + 1);
	}
	entry = radix_next(&m->tree, pgoff, false, &next);
	if (entry && next < group + GROUP_PAGES && page_pfn(*entry) >= next - pgoff)
		return page_pfn(*entry) - (next - pgoff);
	return PFN_NONE;
}

/* Frames for @nr pages, in runs as long as they can be had.  How many there are. */
static unsigned frames_alloc(unsigned nr, unsigned flags, pfn_t near, pfn_t *pfns)
{
	unsigned done = 0;

	while (done < nr) {
		pfn_t first;
		unsigned n = frame_alloc_run(nr - done, flags, near, &first);

		if (!n)
			break;
		for (unsigned i = 0; i < n; i++)
			pfns[done++] = first + i;
		near = first + n;
	}
	return done;
}

/* Enters frames as locked pages as far as the places are free; puts the others.  How many were entered, or -errno. */
static int pages_insert_locked(struct mapping *m, uint64_t pgoff, unsigned nr, const pfn_t *pfns)
{
	unsigned n = 0;
	int err = 0;

	while (n < nr && !radix_find(&m->tree, pgoff + n)) {
		err = page_insert_locked(m, pgoff + n, pfns[n], PG_LOCKED);
		if (err)
			break;
		n++;
	}
	frame_put_many(pfns + n, nr - n);
	return n ? (int)n : err;
}

/* The pages were read (or @err): lets those who wait look. */
static void pages_unlock_locked(struct mapping *m, uint64_t pgoff, unsigned nr, const pfn_t *pfns, int err)
{
	for (unsigned i = 0; i < nr; i++) {
		if (err)
			page_erase_locked(m, pgoff + i);
		else
			*radix_find(&m->tree, pgoff + i) = page_entry(pfns[i], PG_UPTODATE);
	}
	waitq_wake(&m->wait, 0);
	if (err)
		frame_put_many(pfns, nr);
}

/*
 * Makes @nr absent pages from @pgoff on present by reading them, in one transfer where nobody else is faster.  Holds the lock
 * on entry and return.  @near: as for frame_alloc.  0: look again.
 */
static int pages_read_locked(struct mapping *m, uint64_t pgoff, unsigned nr, pfn_t near)
{
	pfn_t pfns[PAGE_RUN_MAX];
	int n, err;

	mutex_unlock(&m->lock);
	n = frames_alloc(nr, FRAME_UNTOUCHED, near, pfns);
	mutex_lock(&m->lock);
	if (!n)
		return -LINUX_ENOMEM;
	n = pages_insert_locked(m, pgoff, n, pfns);
	if (n <= 0)
		return n;
	mutex_unlock(&m->lock);
	err = m->ops->readpages(m, pgoff, n, pfns);
	for (int i = 0; i < n; i++)
		frames_set_resident(pfns[i], 1);
	mutex_lock(&m->lock);
	pages_unlock_locked(m, pgoff, n, pfns, err);
	/* A bad block behind the one that is wanted must not hide it. */
	return err && n > 1 ? pages_read_locked(m, pgoff, 1, near) : err;
}

/* The store has no page there: a new one, zero and dirty. */
static int page_new_locked(struct mapping *m, uint64_t pgoff)
{
	uint64_t *before = pgoff ? radix_find(&m->tree, pgoff - 1) : NULL;
	pfn_t near = before ? page_pfn(*before) + 1 : PFN_NONE, pfn;
	int err = 0;

	mutex_unlock(&m->lock);
	pfn = frame_alloc(0, FRAME_ZERO, near);
	if (pfn == PFN_NONE)
		err = -LINUX_ENOMEM;
	else if (m->ops->dirty)
		err = m->ops->dirty(m, pgoff);
	mutex_lock(&m->lock);
	if (err) {
		if (pfn != PFN_NONE)
			frame_put(pfn);
		return err;
	}
	if (!radix_find(&m->tree, pgoff)) {
		err = page_insert_locked(m, pgoff, pfn, PG_UPTODATE);
		if (!err) {
			page_set_dirty_locked(m, pgoff, radix_find(&m->tree, pgoff));
			return 0;
		}
	}
	mutex_unlock(&m->lock);
	frame_put(pfn);
	if (m->ops->dropped)
		m->ops->dropped(m, pgoff, 1);
	mutex_lock(&m->lock);
	return err;
}

/* How many pages from @pgoff on, at most @max, are absent and worth reading: not behind the end of the file, but for the first. */
static unsigned absent_run_locked(struct mapping *m, uint64_t pgoff, unsigned max)
{
	uint64_t end = mapping_size_pages(m), next;

	max = MIN(max, PAGE_RUN_MAX);
	if (pgoff + 1 >= end)
		return 1;
	max = MIN(max, end - pgoff);
	if (radix_next(&m->tree, pgoff, false, &next) && next - pgoff < max)
		max = next - pgoff;
	return max;
}

/* The up-to-date entry at @pgoff, read together with up to @ra more when it is absent; or ERR_PTR. */
static uint64_t *page_get_locked(struct mapping *m, uint64_t pgoff, unsigned ra)
{
	for (;;) {
		uint64_t *entry = radix_find(&m->tree, pgoff);
		int err;

		if (entry && *entry & PG_UPTODATE) {
			*entry |= PG_ACCESSED;
			return entry;
		}
		if (entry) {
			page_wait_locked(m, pgoff, PG_LOCKED);
			continue;
		}
		if (mapping_is_store(m))
			err = page_new_locked(m, pgoff);
		else
			err = pages_read_locked(m, pgoff, absent_run_locked(m, pgoff, MIN(ra, PAGE_RUN_MAX - 1) + 1),
						near_locked(m, pgoff));
		if (err)
			return ERR_PTR(err);
	}
}

/* References to the up-to-date pages that follow each other from @pgoff on. */
static unsigned pages_collect_locked(struct mapping *m, uint64_t pgoff, unsigned nr, pfn_t *pfns)
{
	unsigned n;

	for (n = 0; n < nr; n++) {
		uint64_t *entry = radix_find(&m->tree, pgoff + n);

		if (!entry || !(*entry & PG_UPTODATE))
			break;
		*entry |= PG_ACCESSED;
		pfns[n] = page_pfn(*entry);
		frame_get(pfns[n]);
	}
	return n;
}

int mapping_get_pages(struct mapping *m, uint64_t pgoff, unsigned nr, unsigned ra_pages, pfn_t *pfns)
{
	uint64_t *entry;
	MUTEX_GUARD(&m->lock);

	entry = page_get_locked(m, pgoff, MAX(ra_pages, nr - 1));
	return IS_ERR(entry) ? (int)PTR_ERR(entry) : (int)pages_collect_locked(m, pgoff, nr, pfns);
}

int mapping_get_page(struct mapping *m, uint64_t pgoff, unsigned ra_pages, pfn_t *ret_pfn)
{
	uint64_t *entry;
	MUTEX_GUARD(&m->lock);

	entry = page_get_locked(m, pgoff, ra_pages);
	if (IS_ERR(entry))
		return (int)PTR_ERR(entry);
	*ret_pfn = page_pfn(*entry);
	frame_get(*ret_pfn);
	return 0;
}

unsigned mapping_find_pages(struct mapping *m, uint64_t pgoff, unsigned nr, pfn_t *pfns)
{
	MUTEX_GUARD(&m->lock);

	return pages_collect_locked(m, pgoff, nr, pfns);
}

pfn_t mapping_find_page(struct mapping *m, uint64_t pgoff)
{
	pfn_t pfn;

	return mapping_find_pages(m, pgoff, 1, &pfn) ? pfn : PFN_NONE;
}

uint64_t mapping_hole(struct mapping *m, uint64_t pgoff, uint64_t nr)
{
	uint64_t next;

	mutex_lock(&m->lock);
	if (radix_next(&m->tree, pgoff, false, &next))
		nr = MIN(nr, next - pgoff);
	mutex_unlock(&m->lock);
	if (!nr || mapping_is_store(m))
		return nr;
	/* Asked after the cache: what was in neither was in neither when the cache was looked at. */
	return m->ops->hole ? m->ops->hole(m, pgoff, nr) : 0;
}

/* --- faults --- */

/* Where to begin a group of a mapped file of which nothing is there: at the same place of frames that nobody has used yet. */
static pfn_t near_mapped_locked(struct mapping *m, uint64_t pgoff, unsigned nr)
{
	pfn_t near = near_locked(m, pgoff);

	if (near == PFN_NONE && mapping_size_pages(m) > 2 * FAULT_READ_PAGES) {
		near = frame_fresh_group(nr);
		near = near == PFN_NONE ? near : near + pgoff % GROUP_PAGES;
	}
	return near;
}

/* Reads around an absent page: an aligned window, cut to what is absent; a long one ahead of faults in sequence. */
static int fault_read_locked(struct mapping *m, uint64_t pgoff)
{
	bool seq = pgoff && pgoff == READ_ONCE(m->next_fault);
	unsigned window = mapping_size_pages(m) <= SMALL_PAGES ? PAGE_RUN_MAX : FAULT_READ_PAGES, nr;
	uint64_t start = pgoff, low = seq ? pgoff : ALIGN_DOWN(pgoff, window);

	while (start > low && !radix_find(&m->tree, start - 1))
		start--;
	nr = absent_run_locked(m, start, seq ? FAULT_READ_PAGES_SEQ : low + window - start);
	if (start + nr <= pgoff) {
		start = pgoff;
		nr = 1;
	}
	WRITE_ONCE(m->next_fault, start + nr);
	return pages_read_locked(m, start, nr, near_mapped_locked(m, start, nr));
}

static int mapping_fault(struct backing *b, uint64_t pgoff, bool write, pfn_t *ret_pfn)
{
	struct mapping *m = container_of(b, struct mapping, backing);
	bool touched = false;
	uint64_t *entry;
	int err = 0;

	if (!m->ops)
		return -LINUX_EFAULT;
	mutex_lock(&m->lock);
	for (;;) {
		/* The size is looked at after every sleep: truncation changes it first and drops pages then. */
		if (pgoff >= mapping_size_pages(m)) {
			err = -LINUX_EFAULT;
			break;
		}
		entry = radix_find(&m->tree, pgoff);
		if (!entry && !mapping_is_store(m)) {
			err = fault_read_locked(m, pgoff);
			if (err)
				break;
			continue;
		}
		if (!entry || !(*entry & PG_UPTODATE)) {
			entry = page_get_locked(m, pgoff, 0);
			if (IS_ERR(entry)) {
				err = (int)PTR_ERR(entry);
				break;
			}
			continue;
		}
		*entry |= PG_ACCESSED;
		if (write)
			WRITE_ONCE(m->mapped_write, true);
		if (write && !(*entry & PG_DIRTY)) {
			err = page_make_dirty_locked(m, pgoff);
			if (err < 0)
				break;
			touched = true;
			continue;
		}
		*ret_pfn = page_pfn(*entry);
		frame_get(*ret_pfn);
		break;
	}
	mutex_unlock(&m->lock);
	if (touched && !err)
		inode_touch_mtime(m->host);
	return err && err != -LINUX_ENOMEM ? -LINUX_EFAULT : err;
}

static void mapping_fault_around(struct backing *b, uint64_t pgoff, unsigned nr, bool write, pfn_t *pfns)
{
	struct mapping *m = container_of(b, struct mapping, backing);
	unsigned want = PG_UPTODATE | (write ? PG_DIRTY : 0);
	uint64_t end;
	MUTEX_GUARD(&m->lock);

	end = mapping_size_pages(m);
	for (unsigned i = 0; i < nr; i++) {
		uint64_t *entry = pgoff + i < end ? radix_find(&m->tree, pgoff + i) : NULL;

		pfns[i] = PFN_NONE;
		if (!entry || (*entry & want) != want)
			continue;
		pfns[i] = page_pfn(*entry);
		frame_get(pfns[i]);
	}
}

static const struct backing_ops mapping_backing_ops = {
	.fault = mapping_fault,
	.fault_around = mapping_fault_around,
};

/* --- SEEK_DATA and SEEK_HOLE --- */

bool mapping_next_data(struct mapping *m, uint64_t pgoff, uint64_t *ret_pgoff)
{
	MUTEX_GUARD(&m->lock);

	return radix_next(&m->tree, pgoff, !mapping_is_store(m), ret_pgoff);
}

bool mapping_next_hole(struct mapping *m, uint64_t pgoff, uint64_t *ret_pgoff)
{
	MUTEX_GUARD(&m->lock);

	if (mapping_is_store(m)) {
		*ret_pgoff = radix_next_absent(&m->tree, pgoff);
		return true;
	}
	while (radix_tagged(&m->tree, pgoff))
		pgoff++;
	*ret_pgoff = pgoff;
	return true;
}
