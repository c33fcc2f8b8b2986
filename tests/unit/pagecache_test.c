/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The page cache: random reads, writes, truncations and holes against a flat copy, over a store in memory (tmpfs) and over a
 * store behind it; and storms of faults, truncation, write-back and reclaim, each frame's contents telling what it is.
 */
#include <pthread.h>
#include <stdlib.h>

#include "tests/unit/vfs_fixture.h"
#include "vfs/internal.h"

TestSuite(pagecache, .init = vfs_world_new, .timeout = 400);

/* --- a filesystem whose store is an array --- */

#define STORE_PAGES 64

struct store {
	struct mutex lock;
	char data[STORE_PAGES][PAGE_SIZE];
	atomic_int reserved; /* pages asked for by dirty and not yet given back */
	atomic_int nr_reads, nr_writes;
	int fail_dirty_at; /* page that finds no space, or -1 */
};

static struct store store;

static int store_readpages(struct mapping *m, uint64_t pgoff, unsigned nr, const pfn_t *pfns)
{
	uint64_t size = READ_ONCE(m->host->size);

	atomic_fetch_add(&store.nr_reads, 1);
	mutex_lock(&store.lock);
	for (unsigned i = 0; i < nr; i++) {
		uint64_t at = (pgoff + i) << PAGE_SHIFT;
		size_t n = at < size ? MIN(size - at, PAGE_SIZE) : 0;

		if (pgoff + i < STORE_PAGES)
			memcpy(frame_ptr(pfns[i]), store.data[pgoff + i], n);
		memset((char *)frame_ptr(pfns[i]) + n, 0, PAGE_SIZE - n);
	}
	mutex_unlock(&store.lock);
	return 0;
}

static int store_writepages(struct mapping *m, uint64_t pgoff, unsigned nr, const pfn_t *pfns)
{
	(void)m;
	atomic_fetch_add(&store.nr_writes, 1);
	mutex_lock(&store.lock);
	for (unsigned i = 0; i < nr && pgoff + i < STORE_PAGES; i++)
		memcpy(store.data[pgoff + i], frame_ptr(pfns[i]), PAGE_SIZE);
	mutex_unlock(&store.lock);
	atomic_fetch_sub(&store.reserved, nr);
	return 0;
}

static int store_dirty(struct mapping *m, uint64_t pgoff)
{
	(void)m;
	if ((int)pgoff == store.fail_dirty_at)
		return -LINUX_ENOSPC;
	atomic_fetch_add(&store.reserved, 1);
	return 0;
}

static void store_dropped(struct mapping *m, uint64_t pgoff, unsigned nr)
{
	(void)m;
	(void)pgoff;
	atomic_fetch_sub(&store.reserved, nr);
}

static const struct mapping_ops store_ops = {
	.readpages = store_readpages,
	.writepages = store_writepages,
	.dirty = store_dirty,
	.dropped = store_dropped,
};

/* A file of the world's tmpfs whose pages come from the store. */
static struct file *store_file(void)
{
	struct file *f = must_open("/store", LINUX_O_CREAT | LINUX_O_RDWR);

	mutex_init(&store.lock);
	store.fail_dirty_at = -1;
	f->inode->mapping.ops = &store_ops;
	f->inode->mapping.backing.shmem = false;
	return f;
}

/* truncate as a disk filesystem does it: the store's tail is zeroed too. */
static void store_truncate(struct file *f, uint64_t size)
{
	struct inode *inode = f->inode;

	rwlock_write(&inode->i_rwsem);
	uint64_t old = inode->size;
	cr_assert_eq(simple_setattr(inode, &(struct iattr){ .valid = ATTR_SIZE, .size = size }), 0);
	mutex_lock(&store.lock);
	if (size < old)
		memset((char *)store.data + size, 0, sizeof(store.data) - size);
	mutex_unlock(&store.lock);
	rwlock_unlock(&inode->i_rwsem);
}

/* --- the model --- */

#define MODEL_SIZE (STORE_PAGES * PAGE_SIZE)

struct model {
	char data[MODEL_SIZE];
	uint64_t size;
};

static struct model model;
static char buf[MODEL_SIZE], want[MODEL_SIZE];

static void model_check(struct file *f, uint64_t off, uint64_t len)
{
	int64_t n = kernel_read(f, buf, len, off);
	int64_t expect = off < model.size ? (int64_t)MIN(len, model.size - off) : 0;

	cr_assert_eq(n, expect, "read %lu at %lu: %ld", len, off, n);
	cr_assert_eq(memcmp(buf, model.data + off, n), 0);
}

static void model_write(struct file *f, uint64_t off, uint64_t len)
{
	for (uint64_t i = 0; i < len; i++)
		want[i] = (char)(rand() % 255 + 1);
	cr_assert_eq(kernel_write(f, want, len, off), (int64_t)len);
	memcpy(model.data + off, want, len);
	model.size = MAX(model.size, off + len);
}

static void model_truncate(struct file *f, uint64_t size)
{
	if (f->inode->mapping.ops == &store_ops)
		store_truncate(f, size);
	else
		cr_assert_eq(file_truncate(f, size), 0);
	if (size < model.size)
		memset(model.data + size, 0, model.size - size);
	model.size = size;
}

static void model_punch(struct file *f, uint64_t off, uint64_t len)
{
	cr_assert_eq(vfs_fallocate(f, LINUX_FALLOC_FL_PUNCH_HOLE | LINUX_FALLOC_FL_KEEP_SIZE, off, len), 0);
	memset(model.data + off, 0, len);
}

/* A guest's store through a shared mapping, bytes behind the end included: they must never be seen. */
static void mapped_write(struct file *f, uint64_t off)
{
	struct backing *b = &f->inode->mapping.backing;
	uint64_t page = off >> PAGE_SHIFT;
	pfn_t pfn;
	int err = b->ops->fault(b, page, true, &pfn);

	if (page >= PAGES_FOR(model.size)) {
		cr_assert_eq(err, -LINUX_EFAULT);
		return;
	}
	cr_assert_eq(err, 0);
	for (unsigned i = PAGE_OFFSET(off); i < PAGE_SIZE; i++) {
		((char *)frame_ptr(pfn))[i] = 'M';
		if ((page << PAGE_SHIFT) + i < model.size)
			model.data[(page << PAGE_SHIFT) + i] = 'M';
	}
	frame_put(pfn);
}

static uint64_t random_pos(void)
{
	uint64_t pos = (uint64_t)rand() % MODEL_SIZE;

	return rand() % 3 ? pos : PAGE_DOWN(pos);
}

static void random_round(struct file *f)
{
	uint64_t off = random_pos(), len = 1 + (uint64_t)rand() % (rand() % 4 ? 6000 : 60000);
	struct mapping *m = &f->inode->mapping;

	len = MIN(len, MODEL_SIZE - off);
	switch (rand() % 12) {
	case 0:
	case 1:
	case 2:
		model_write(f, off, len);
		break;
	case 3:
		model_truncate(f, off);
		break;
	case 4:
		if (m->ops != &store_ops)
			model_punch(f, off, len);
		break;
	case 5:
		cr_assert_eq(mapping_writeback(m, off, off + len), 0);
		break;
	case 6:
		mapping_drop_clean(m);
		break;
	case 7:
		/* Half of them in the last page, where the end lies. */
		mapped_write(f, model.size && rand() % 2 ? model.size - 1 : off);
		break;
	default:
		model_check(f, off, len);
	}
}

Test(pagecache, model_store_in_memory)
{
	struct file *f = must_open("/f", LINUX_O_CREAT | LINUX_O_RDWR);

	srand(3);
	for (int i = 0; i < 20000; i++)
		random_round(f);
	model_check(f, 0, MODEL_SIZE);
	fput(f);
	frame_check();
}

Test(pagecache, model_store_behind)
{
	struct file *f = store_file();

	srand(5);
	for (int i = 0; i < 20000; i++) {
		random_round(f);
		if (!(i % 64)) {
			cr_assert_eq((uint64_t)atomic_load(&store.reserved), f->inode->mapping.nr_dirty);
			cr_assert_eq(f->inode->mapping.wb_err, 0);
		}
	}
	model_check(f, 0, MODEL_SIZE);
	cr_assert_eq(mapping_writeback(&f->inode->mapping, 0, UINT64_MAX), 0);
	cr_assert_eq(atomic_load(&store.reserved), 0);
	cr_assert_eq(memcmp(store.data, model.data, model.size), 0);
	fput(f);
	frame_check();
}

Test(pagecache, holes_cost_nothing)
{
	struct file *f = must_open("/f", LINUX_O_CREAT | LINUX_O_RDWR);
	struct frame_stats before, after;

	cr_assert_eq(file_truncate(f, 1UL << 40), 0);
	frame_get_stats(&before);
	cr_assert_eq(kernel_read(f, buf, sizeof(buf), 1UL << 39), (int64_t)sizeof(buf));
	for (size_t i = 0; i < sizeof(buf); i++)
		cr_assert_eq(buf[i], 0);
	frame_get_stats(&after);
	cr_assert_eq(before.used, after.used);
	cr_assert_eq(vfs_llseek(f, 0, LINUX_SEEK_DATA), -LINUX_ENXIO);
	cr_assert_eq(kernel_write(f, "x", 1, 1UL << 30), 1);
	cr_assert_eq(vfs_llseek(f, 0, LINUX_SEEK_DATA), 1L << 30);
	cr_assert_eq(vfs_llseek(f, (1L << 30) + 5, LINUX_SEEK_DATA), (1L << 30) + 5);
	cr_assert_eq(vfs_llseek(f, 1L << 30, LINUX_SEEK_HOLE), (1L << 30) + 4096);
	cr_assert_eq(vfs_llseek(f, 0, LINUX_SEEK_HOLE), 0);
	cr_assert_eq(vfs_llseek(f, 1L << 40, LINUX_SEEK_DATA), -LINUX_ENXIO);
	fput(f);
}

Test(pagecache, no_space)
{
	struct path where;
	struct file *f;

	make_dir("/small");
	cr_assert_eq(path_lookupat(LINUX_AT_FDCWD, "/small", LOOKUP_FOLLOW, &where), 0);
	cr_assert_eq(do_mount("t", &where, "tmpfs", 0, "size=40960,nr_inodes=3"), 0);
	path_put(&where);
	f = must_open("/small/f", LINUX_O_CREAT | LINUX_O_RDWR);
	cr_assert_eq(kernel_write(f, want, 60000, 0), 40960);
	cr_assert_eq(kernel_write(f, want, 1, 50000), -LINUX_ENOSPC);
	cr_assert_eq(f->inode->size, 40960);
	cr_assert_eq(kernel_write(f, want, 100, 40900), 60);
	cr_assert_eq(f->inode->size, 40960);
	cr_assert_eq(file_truncate(f, 4096), 0);
	cr_assert_eq(kernel_write(f, want, 1, 50000), 1);
	cr_assert_eq(vfs_fallocate(f, 0, 0, 60000), -LINUX_ENOSPC);
	cr_assert_eq(open_err("/small/g", LINUX_O_CREAT), 0);
	cr_assert_eq(open_err("/small/h", LINUX_O_CREAT), -LINUX_ENOSPC);
	fput(f);

	/* Over a store: a page that finds no space leaves what was there. */
	f = store_file();
	cr_assert_eq(kernel_write(f, "old", 3, 5 * PAGE_SIZE), 3);
	cr_assert_eq(mapping_writeback(&f->inode->mapping, 0, UINT64_MAX), 0);
	mapping_drop_clean(&f->inode->mapping);
	store.fail_dirty_at = 5;
	memset(want, 'w', sizeof(want));
	cr_assert_eq(kernel_write(f, want, 4 * PAGE_SIZE, 4 * PAGE_SIZE), (int64_t)PAGE_SIZE);
	cr_assert_eq(kernel_write(f, "new", 3, 5 * PAGE_SIZE), -LINUX_ENOSPC);
	cr_assert_eq(kernel_read(f, buf, 3, 5 * PAGE_SIZE), 3);
	cr_assert_eq(memcmp(buf, "old", 3), 0);
	fput(f);
}

/* Write-back between "make it dirty" and the bytes: they must be written later. */
Test(pagecache, dirty_again)
{
	struct file *f = store_file();
	struct mapping *m = &f->inode->mapping;
	pfn_t pfn;

	cr_assert_eq(kernel_write(f, "a", 1, 0), 1);
	cr_assert_eq(mapping_get_page_write(m, 0, 0, 1, &pfn), 0);
	cr_assert_eq(mapping_writeback(m, 0, UINT64_MAX), 0);
	*(char *)frame_ptr(pfn) = 'b';
	mapping_write_end(m, 0, pfn);
	frame_put(pfn);
	cr_assert_eq(m->nr_dirty, 1);
	cr_assert_eq(mapping_writeback(m, 0, UINT64_MAX), 0);
	cr_assert_eq(store.data[0][0], 'b');
	fput(f);
}

/* --- storms --- */

static atomic_bool stop;
static struct file *storm_file;

/* What a guest and write(2) do to one page at the same time is a race by design; the thread sanitizer is not to say so. */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
	return "race:storm_fault\n";
}

/*
 * Faults pages in as mm does.  A page that a fault hands out holds its own number or zeros, and none may be handed out behind the
 * size that the file had at any time during the call.
 */
static void *storm_fault(void *arg)
{
	struct backing *b = &storm_file->inode->mapping.backing;
	unsigned seed = (unsigned)(uintptr_t)arg;

	while (!atomic_load(&stop)) {
		uint64_t page = (unsigned)rand_r(&seed) % STORE_PAGES;
		bool write = rand_r(&seed) % 4 == 0;
		pfn_t pfn, around[8];
		uint64_t *p;
		int err = b->ops->fault(b, page, write, &pfn);

		if (err) {
			cr_assert_eq(err, -LINUX_EFAULT);
			continue;
		}
		p = frame_ptr(pfn);
		cr_assert(p[8] == 0 || p[8] == page + 1, "page %lu holds %lu", page, p[8]);
		if (write)
			p[8] = page + 1;
		frame_put(pfn);
		b->ops->fault_around(b, ALIGN_DOWN(page, 8), 8, false, around);
		for (int i = 0; i < 8; i++)
			if (around[i] != PFN_NONE) {
				p = frame_ptr(around[i]);
				cr_assert(p[8] == 0 || p[8] == ALIGN_DOWN(page, 8) + i + 1);
				frame_put(around[i]);
			}
	}
	return NULL;
}

static void *storm_write(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg;
	static uint64_t pages[STORE_PAGES][PAGE_SIZE / 8];

	for (uint64_t i = 0; i < STORE_PAGES; i++)
		pages[i][8] = i + 1;
	while (!atomic_load(&stop)) {
		uint64_t page = (unsigned)rand_r(&seed) % STORE_PAGES, nr = 1 + (unsigned)rand_r(&seed) % 8;

		nr = MIN(nr, STORE_PAGES - page);
		cr_assert_gt(kernel_write(storm_file, pages[page], nr * PAGE_SIZE, page * PAGE_SIZE), 0);
	}
	return NULL;
}

static void *storm_truncate(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg;

	while (!atomic_load(&stop)) {
		uint64_t size = (uint64_t)((unsigned)rand_r(&seed) % STORE_PAGES) << PAGE_SHIFT;

		if (storm_file->inode->mapping.ops == &store_ops)
			store_truncate(storm_file, size);
		else if (rand_r(&seed) % 2)
			cr_assert_eq(file_truncate(storm_file, size), 0);
		else
			cr_assert_eq(mapping_punch(&storm_file->inode->mapping, size, size + 5 * PAGE_SIZE), 0);
	}
	return NULL;
}

static void *storm_writeback(void *arg)
{
	(void)arg;
	while (!atomic_load(&stop)) {
		cr_assert_eq(mapping_writeback(&storm_file->inode->mapping, 0, UINT64_MAX), 0);
		mapping_drop_clean(&storm_file->inode->mapping);
		frame_reclaim(1);
	}
	return NULL;
}

static void storm(void)
{
	void *(*const fns[])(void *) = { storm_fault, storm_fault, storm_write, storm_truncate, storm_writeback };
	pthread_t threads[ARRAY_SIZE(fns)];

	for (size_t i = 0; i < ARRAY_SIZE(fns); i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, fns[i], (void *)(i + 1)), 0);
	sleep_ms(1500);
	atomic_store(&stop, true);
	for (size_t i = 0; i < ARRAY_SIZE(fns); i++)
		pthread_join(threads[i], NULL);
	cr_assert_eq(file_truncate(storm_file, 0), 0);
	cr_assert_eq(storm_file->inode->mapping.nr_pages, 0);
	cr_assert_eq(storm_file->inode->mapping.nr_dirty, 0);
}

Test(pagecache, storm_in_memory)
{
	struct linux_statfs st;

	storm_file = must_open("/f", LINUX_O_CREAT | LINUX_O_RDWR);
	storm();
	/* Every page that was charged was given back. */
	storm_file->inode->sb->ops->statfs(storm_file->inode->sb, &st);
	cr_assert_eq(st.f_bfree, st.f_blocks);
	fput(storm_file);
	frame_check();
}

Test(pagecache, storm_store_behind)
{
	storm_file = store_file();
	storm();
	cr_assert_eq(atomic_load(&store.reserved), 0);
	fput(storm_file);
	frame_check();
}
