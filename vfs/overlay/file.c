/* SPDX-License-Identifier: Apache-2.0 */
/*
 * File data: the page cache is the store of what was written, the lower file is read through it.
 */
#include <stdlib.h>
#include <string.h>

#include "sentry/abi/fcntl.h"
#include "vfs/frame_io.h"
#include "vfs/internal.h"
#include "vfs/overlay/overlay_fs.h"

/* More holes than this in one file are written as zeros instead of being remembered. */
#define PUNCHED_MAX 65536

/* --- what still holds of the lower file --- */

void overlay_limit_lower(struct overlay_inode_info *oi, uint64_t size)
{
	MUTEX_GUARD(&oi->vfs.i_lock);

	WRITE_ONCE(oi->lower_limit, MIN(oi->lower_limit, size));
	oi->reserved = MIN(oi->reserved, PAGES_FOR(size));
	while (oi->nr_punched && oi->punched[oi->nr_punched - 1].start >= PAGES_FOR(oi->lower_limit))
		oi->nr_punched--;
}

/* Index of the first punched range that ends behind @page.  i_lock held. */
static unsigned punched_from(const struct overlay_inode_info *oi, uint64_t page)
{
	unsigned lo = 0, hi = oi->nr_punched;

	while (lo < hi) {
		unsigned mid = lo + (hi - lo) / 2;

		if (oi->punched[mid].end <= page)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* Pages [start, end) of the lower do not hold any more.  0 or -LINUX_ENOMEM; then nothing changed. */
static int punched_add(struct overlay_inode_info *oi, uint64_t start, uint64_t end)
{
	struct page_range *punched;
	unsigned first, last;
	MUTEX_GUARD(&oi->vfs.i_lock);

	end = MIN(end, PAGES_FOR(oi->lower_limit));
	if (start >= end)
		return 0;
	first = start ? punched_from(oi, start - 1) : 0; /* a range that ends where ours starts joins it */
	for (last = first; last < oi->nr_punched && oi->punched[last].start <= end; last++) {
		start = MIN(start, oi->punched[last].start);
		end = MAX(end, oi->punched[last].end);
	}
	if (last == first) {
		if (oi->nr_punched == PUNCHED_MAX)
			return -LINUX_ENOMEM;
		punched = realloc(oi->punched, (oi->nr_punched + 1) * sizeof(*punched));
		if (!punched)
			return -LINUX_ENOMEM;
		oi->punched = punched;
	}
	memmove(&oi->punched[first + 1], &oi->punched[last], (oi->nr_punched - last) * sizeof(*oi->punched));
	oi->nr_punched += first + 1 - last;
	oi->punched[first] = (struct page_range){ start, end };
	return 0;
}

/*
 * Whether the lower's byte @pos holds, and up to where the answer is the same.
 */
static bool lower_holds(struct overlay_inode_info *oi, uint64_t pos, uint64_t *ret_end)
{
	uint64_t page = pos >> PAGE_SHIFT;
	unsigned i;
	MUTEX_GUARD(&oi->vfs.i_lock);

	*ret_end = UINT64_MAX;
	if (pos >= oi->lower_limit)
		return false;
	i = punched_from(oi, page);
	if (i < oi->nr_punched && oi->punched[i].start <= page) {
		*ret_end = oi->punched[i].end << PAGE_SHIFT;
		return false;
	}
	*ret_end = oi->lower_limit;
	if (i < oi->nr_punched)
		*ret_end = MIN(*ret_end, oi->punched[i].start << PAGE_SHIFT);
	return true;
}

/* --- pages --- */

static int overlay_readpages(struct mapping *m, uint64_t pgoff, unsigned nr, const pfn_t *pfns)
{
	struct overlay_inode_info *oi = OVERLAY_I(m->host);
	uint64_t start = pgoff << PAGE_SHIFT, len = (uint64_t)nr << PAGE_SHIFT, end, next;
	int err;

	/* Runs of whole pages go to the lower as they come; the page in which lower_limit lies is cut behind it. */
	for (uint64_t done = 0; done < len; done = next) {
		bool holds = lower_holds(oi, start + done, &end);

		end = end - start < len ? end - start : len;
		next = MIN(PAGE_ALIGN(end), len);
		if (holds) {
			struct mapping *lower = &oi->lower->mapping;

			err = lower->ops->readpages(lower, pgoff + (done >> PAGE_SHIFT), (next - done) >> PAGE_SHIFT,
						    pfns + (done >> PAGE_SHIFT));
			if (err)
				return err;
			frame_io_zero(pfns, end, next - end);
		} else {
			frame_io_zero(pfns, done, next - done);
		}
	}
	return 0;
}

/* A page that the lower has in part is not one. */
static uint64_t overlay_hole(struct mapping *m, uint64_t pgoff, uint64_t nr)
{
	struct overlay_inode_info *oi = OVERLAY_I(m->host);
	uint64_t end;
	bool holds = lower_holds(oi, pgoff << PAGE_SHIFT, &end);

	nr = MIN(nr, (end >> PAGE_SHIFT) - pgoff);
	if (!holds || !nr)
		return nr;
	return oi->lower->mapping.ops->hole ? oi->lower->mapping.ops->hole(&oi->lower->mapping, pgoff, nr) : 0;
}

static int overlay_dirty(struct mapping *m, uint64_t pgoff)
{
	struct overlay_sb_info *es = OVERLAY_SB(m->host->sb);

	(void)pgoff;
	if (!frame_files_may_grow())
		return -LINUX_ENOSPC;
	if (atomic_fetch_add(&es->nr_pages, 1) >= es->max_pages) {
		atomic_fetch_sub(&es->nr_pages, 1);
		return -LINUX_ENOSPC;
	}
	overlay_changed(m->host, OVERLAY_DATA);
	return 0;
}

static void overlay_dropped(struct mapping *m, uint64_t pgoff, unsigned nr)
{
	(void)pgoff;
	atomic_fetch_sub(&OVERLAY_SB(m->host->sb)->nr_pages, nr);
}

const struct mapping_ops overlay_mapping_ops = {
	.readpages = overlay_readpages,
	.hole = overlay_hole,
	.dirty = overlay_dirty,
	.dropped = overlay_dropped,
};

/* --- the lower file, opened --- */

static int lower_open(struct overlay_inode_info *oi, struct file *f)
{
	*f = (struct file){ .inode = oi->lower, .ops = oi->lower->fops, .fmode = FMODE_READ };
	return f->ops && f->ops->open ? f->ops->open(oi->lower, f) : 0;
}

static void lower_release(struct file *f)
{
	if (f->ops && f->ops->release)
		f->ops->release(f);
}

int overlay_probe_lower(struct overlay_inode_info *oi)
{
	struct file f;
	int err;

	if (!oi->lower || !oi->lower->fops || !oi->lower->fops->open)
		return 0;
	err = lower_open(oi, &f);
	if (!err)
		lower_release(&f);
	return err;
}

/* The directory in which @d is, with a reference, and its name there. */
static struct inode *dentry_place(struct dentry *d, char name[NAME_MAX_LEN + 1])
{
	struct inode *dir;

	rwlock_read(&dcache_lock);
	dir = inode_get(d->parent->inode);
	memcpy(name, d->name, MIN(d->name_len, (uint32_t)NAME_MAX_LEN));
	name[MIN(d->name_len, (uint32_t)NAME_MAX_LEN)] = 0;
	rwlock_unlock(&dcache_lock);
	return dir;
}

/* Whether the name under which a clean inode is opened means it in the lower directory still. */
static bool is_named_below(struct overlay_inode_info *oi, struct dentry *d)
{
	struct overlay_inode_info *dir;
	char name[NAME_MAX_LEN + 1];
	bool named = true;

	if (!d || d->sb != oi->vfs.sb || d->parent == d || d->unhashed)
		return true;
	dir = OVERLAY_I(dentry_place(d, name));
	if (dir->lower && dir->lower->ops->revalidate)
		named = dir->lower->ops->revalidate(dir->lower, name, oi->lower);
	inode_put(&dir->vfs);
	return named;
}

/*
 * Where the lower can change, what a clean inode stands for may be gone, or another file have its name: then the inode has no
 * claim to the name, and a second look finds what has.
 */
static int overlay_open(struct inode *inode, struct file *f)
{
	struct overlay_inode_info *oi = OVERLAY_I(inode);
	bool clean = oi->lower && !atomic_load(&oi->changes);
	int err;

	if (!clean && !READ_ONCE(oi->lower_limit))
		return 0;
	err = clean && !is_named_below(oi, f->path.dentry) ? -LINUX_ESTALE : overlay_probe_lower(oi);
	if (err == -LINUX_ENOENT || err == -LINUX_ENOTDIR)
		err = -LINUX_ESTALE;
	if (err == -LINUX_ESTALE && clean)
		dentry_drop(f->path.dentry);
	if (!err)
		overlay_follow_lower(oi, true);
	return err;
}

/* --- SEEK_DATA, SEEK_HOLE --- */

/* The lower's answer, or @pos itself where it has none to give. */
static uint64_t lower_seek(struct overlay_inode_info *oi, uint64_t pos, int whence)
{
	struct file f;
	int64_t ret;

	if (!oi->lower->fops->llseek || lower_open(oi, &f))
		return pos;
	ret = f.ops->llseek(&f, pos, whence);
	lower_release(&f);
	if (ret == -LINUX_ENXIO) /* no data from here on */
		return UINT64_MAX;
	return ret < 0 ? pos : (uint64_t)ret;
}

static bool page_cached(struct inode *inode, uint64_t pos)
{
	uint64_t next;

	return mapping_next_data(&inode->mapping, pos >> PAGE_SHIFT, &next) && next == pos >> PAGE_SHIFT;
}

static uint64_t seek_data(struct inode *inode, uint64_t pos, uint64_t size)
{
	struct overlay_inode_info *oi = OVERLAY_I(inode);
	uint64_t end, page, found = size, at;

	if (mapping_next_data(&inode->mapping, pos >> PAGE_SHIFT, &page))
		found = MIN(found, MAX(pos, page << PAGE_SHIFT));
	for (at = pos; at < found; at = end) {
		if (!lower_holds(oi, at, &end))
			continue;
		at = lower_seek(oi, at, LINUX_SEEK_DATA);
		if (at < end)
			return MIN(at, found);
	}
	return found;
}

static uint64_t seek_hole(struct inode *inode, uint64_t pos, uint64_t size)
{
	struct overlay_inode_info *oi = OVERLAY_I(inode);
	uint64_t end, page, next;

	for (; pos < size; pos = next) {
		next = pos;
		if (page_cached(inode, pos))
			next = mapping_next_hole(&inode->mapping, pos >> PAGE_SHIFT, &page) ? page << PAGE_SHIFT : size;
		else if (lower_holds(oi, pos, &end))
			next = MIN(end, lower_seek(oi, pos, LINUX_SEEK_HOLE));
		if (next <= pos)
			return pos;
	}
	return size;
}

static int64_t overlay_llseek(struct file *f, int64_t off, int whence)
{
	uint64_t size = READ_ONCE(f->inode->size), pos;

	if (whence != LINUX_SEEK_DATA && whence != LINUX_SEEK_HOLE)
		return generic_file_llseek(f, off, whence);
	if (off < 0 || (uint64_t)off >= size)
		return -LINUX_ENXIO;
	rwlock_read(&f->inode->i_rwsem);
	pos = whence == LINUX_SEEK_DATA ? seek_data(f->inode, off, size) : seek_hole(f->inode, off, size);
	rwlock_unlock(&f->inode->i_rwsem);
	if (whence == LINUX_SEEK_DATA && pos >= size)
		return -LINUX_ENXIO;
	f->pos = pos;
	return pos;
}

/* --- fallocate, fsync --- */

/* Makes [start, end) read as zeros. */
static int zero_range(struct inode *inode, uint64_t start, uint64_t end)
{
	struct overlay_inode_info *oi = OVERLAY_I(inode);
	uint64_t first = PAGES_FOR(start), last = end >> PAGE_SHIFT;
	int err;

	if (oi->lower && first < last && punched_add(oi, first, last)) {
		/* Too many holes to remember: zeros are data then. */
		for (uint64_t page = first; page < MIN(last, PAGES_FOR(oi->lower_limit)); page++) {
			pfn_t pfn;

			err = mapping_get_page_write(&inode->mapping, page, 0, PAGE_SIZE, &pfn);
			if (err)
				return err;
			memset(frame_ptr(pfn), 0, PAGE_SIZE);
			mapping_write_end(&inode->mapping, page, pfn);
			frame_put(pfn);
		}
	}
	return mapping_punch(&inode->mapping, start, end);
}

static int overlay_fallocate(struct file *f, int mode, uint64_t off, uint64_t len)
{
	struct inode *inode = f->inode;
	struct overlay_sb_info *es = OVERLAY_SB(inode->sb);
	uint64_t end = off + len, room;
	int err = 0;

	if (mode & ~(LINUX_FALLOC_FL_KEEP_SIZE | LINUX_FALLOC_FL_PUNCH_HOLE | LINUX_FALLOC_FL_ZERO_RANGE))
		return -LINUX_EOPNOTSUPP;
	room = es->max_pages - MIN(atomic_load(&es->nr_pages), es->max_pages);
	if (!(mode & LINUX_FALLOC_FL_PUNCH_HOLE) && PAGES_FOR(len) > room)
		return -LINUX_ENOSPC;
	rwlock_write(&inode->i_rwsem);
	overlay_changed(inode, OVERLAY_DATA);
	if (mode & (LINUX_FALLOC_FL_PUNCH_HOLE | LINUX_FALLOC_FL_ZERO_RANGE))
		err = zero_range(inode, off, MIN(end, PAGE_ALIGN(inode->size)));
	if (!err && !(mode & LINUX_FALLOC_FL_PUNCH_HOLE))
		OVERLAY_I(inode)->reserved = MAX(OVERLAY_I(inode)->reserved, PAGES_FOR(end) - (off >> PAGE_SHIFT));
	if (!err && !(mode & LINUX_FALLOC_FL_KEEP_SIZE) && end > inode->size)
		err = simple_setattr(inode, &(struct iattr){ .valid = ATTR_SIZE, .size = end });
	if (!err)
		inode_touch_mtime(inode);
	rwlock_unlock(&inode->i_rwsem);
	return err;
}

/* Nothing outlives the sandbox, so nothing has to be made durable. */
static int overlay_fsync(struct file *f, uint64_t start, uint64_t end, bool datasync)
{
	(void)f, (void)start, (void)end, (void)datasync;
	return 0;
}

const struct file_ops overlay_file_ops = {
	.read = generic_file_read,
	.write = generic_file_write,
	.llseek = overlay_llseek,
	.mmap = generic_file_mmap,
	.open = overlay_open,
	.fsync = overlay_fsync,
	.fallocate = overlay_fallocate,
};
