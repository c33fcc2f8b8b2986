/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/fake_file.h"

#include <stdlib.h>
#include <string.h>

__attribute__((noinline)) uint64_t fake_frame_word(pfn_t pfn)
{
	return __atomic_load_n((uint64_t *)frame_ptr(pfn), __ATOMIC_RELAXED);
}

static struct fake_file *file_of(struct backing *b)
{
	return container_of(b, struct fake_file, backing);
}

static int find_page(struct fake_file *f, uint64_t pgoff, bool write, pfn_t *ret_pfn)
{
	MUTEX_GUARD(&f->lock);
	if (pgoff >= f->size)
		return -LINUX_EFAULT;
	if (f->pfn[pgoff] == PFN_NONE) {
		f->pfn[pgoff] = frame_alloc(0, FRAME_ZERO | FRAME_NORECLAIM, PFN_NONE);
		if (f->pfn[pgoff] == PFN_NONE)
			return -LINUX_ENOMEM;
		*(uint64_t *)frame_ptr(f->pfn[pgoff]) = f->store[pgoff];
	}
	if (write)
		f->dirty[pgoff] = true;
	frame_get(f->pfn[pgoff]);
	*ret_pfn = f->pfn[pgoff];
	return 0;
}

static int fake_fault(struct backing *b, uint64_t pgoff, bool write, pfn_t *ret_pfn)
{
	struct fake_file *f = file_of(b);
	int err = find_page(f, pgoff, write, ret_pfn);
	void (*hook)(struct fake_file *) = f->hook;

	if (hook) {
		f->hook = NULL;
		hook(f);
	}
	return err;
}

static void fake_fault_around(struct backing *b, uint64_t pgoff, unsigned nr, bool write, pfn_t *pfns)
{
	struct fake_file *f = file_of(b);

	MUTEX_GUARD(&f->lock);
	for (unsigned i = 0; i < nr; i++) {
		uint64_t at = pgoff + i;

		pfns[i] = PFN_NONE;
		if (at >= f->size || f->pfn[at] == PFN_NONE || (write && !f->dirty[at]))
			continue;
		frame_get(f->pfn[at]);
		pfns[i] = f->pfn[at];
	}
}

static const struct backing_ops fake_backing_ops = { .fault = fake_fault, .fault_around = fake_fault_around };

static void fake_get(struct vm_file *vm)
{
	atomic_fetch_add(&container_of(vm, struct fake_file, vm)->refs, 1);
}

static void fake_put(struct vm_file *vm)
{
	BUG_ON(atomic_fetch_sub(&container_of(vm, struct fake_file, vm)->refs, 1) <= 0);
}

static void fake_describe(struct vm_file *vm __unused, struct strbuf *ret_path, uint64_t *ret_dev, uint64_t *ret_ino)
{
	strbuf_adds(ret_path, "/fake file");
	*ret_dev = 0x801;
	*ret_ino = 1234;
}

static int fake_punch(struct vm_file *vm, uint64_t off, uint64_t len)
{
	struct fake_file *f = container_of(vm, struct fake_file, vm);

	for (uint64_t i = off >> PAGE_SHIFT; i < (off + len) >> PAGE_SHIFT && i < FAKE_FILE_PAGES; i++) {
		mutex_lock(&f->lock);
		f->dirty[i] = false;
		f->store[i] = 0;
		mutex_unlock(&f->lock);
		fake_file_evict(f, i);
	}
	return 0;
}

static const struct vm_file_ops fake_file_ops = {
	.get = fake_get,
	.put = fake_put,
	.describe = fake_describe,
	.punch = fake_punch,
};

struct fake_file *fake_file_new(unsigned size)
{
	struct fake_file *f = calloc(1, sizeof(*f));

	backing_init(&f->backing, &fake_backing_ops);
	mutex_init(&f->lock);
	f->vm.ops = &fake_file_ops;
	f->vm.backing = &f->backing;
	f->size = size;
	atomic_init(&f->refs, 1);
	for (unsigned i = 0; i < FAKE_FILE_PAGES; i++) {
		f->pfn[i] = PFN_NONE;
		f->store[i] = i < size ? 1000000 + i : 0;
	}
	return f;
}

void fake_file_free(struct fake_file *f)
{
	BUG_ON(atomic_load(&f->refs) != 1);
	BUG_ON(atomic_load(&f->backing.nr_writable) != 0);
	for (unsigned i = 0; i < FAKE_FILE_PAGES; i++)
		if (f->pfn[i] != PFN_NONE)
			frame_put(f->pfn[i]);
	backing_fini(&f->backing);
	mutex_fini(&f->lock);
	free(f);
}

/* Takes a page out of the cache, so that no fault finds it. */
static pfn_t take_page(struct fake_file *f, unsigned pgoff)
{
	pfn_t pfn = f->pfn[pgoff];

	f->pfn[pgoff] = PFN_NONE;
	f->dirty[pgoff] = false;
	return pfn;
}

void fake_file_truncate(struct fake_file *f, unsigned size)
{
	pfn_t gone[FAKE_FILE_PAGES];
	unsigned nr = 0;

	mutex_lock(&f->lock);
	f->size = size;
	for (unsigned i = size; i < FAKE_FILE_PAGES; i++) {
		f->store[i] = 0;
		if (f->pfn[i] != PFN_NONE)
			gone[nr++] = take_page(f, i);
	}
	mutex_unlock(&f->lock);
	backing_unmap(&f->backing, size, UINT64_MAX, true);
	for (unsigned i = 0; i < nr; i++)
		frame_put(gone[i]);
}

void fake_file_writeback(struct fake_file *f)
{
	for (unsigned i = 0; i < FAKE_FILE_PAGES; i++) {
		bool dirty;

		mutex_lock(&f->lock);
		dirty = f->dirty[i];
		f->dirty[i] = false;
		mutex_unlock(&f->lock);
		if (!dirty)
			continue;
		backing_write_protect(&f->backing, i, i + 1);
		mutex_lock(&f->lock);
		if (f->pfn[i] != PFN_NONE)
			f->store[i] = fake_frame_word(f->pfn[i]);
		mutex_unlock(&f->lock);
	}
}

void fake_file_evict(struct fake_file *f, unsigned pgoff)
{
	pfn_t pfn = PFN_NONE;

	mutex_lock(&f->lock);
	if (!f->dirty[pgoff])
		pfn = take_page(f, pgoff);
	mutex_unlock(&f->lock);
	if (pfn == PFN_NONE)
		return;
	backing_unmap(&f->backing, pgoff, pgoff + 1, false);
	frame_put(pfn);
}
