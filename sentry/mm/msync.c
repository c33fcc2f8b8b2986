/* SPDX-License-Identifier: Apache-2.0 */
/*
 * msync(2) and mincore(2).
 */
#include <string.h>

#include "sentry/mm/mm_internal.h"
#include "sentry/mm/uaccess.h"

#define MS_KNOWN (LINUX_MS_ASYNC | LINUX_MS_INVALIDATE | LINUX_MS_SYNC)

struct msync {
	unsigned flags;
	uaddr_t start, end;
	bool hole;
	/* out: the file range to write back next, file NULL when there is none in this step */
	struct vm_file *file;
	uint64_t off, len;
};

/* Looks at the vma at s->start or behind it and moves s->start past it. */
static int msync_step(struct mm *mm, struct msync *s)
{
	const struct vma *v = vma_find_from(&mm->vmas, s->start);
	uaddr_t from, to;

	s->file = NULL;
	if (!v)
		return -LINUX_ENOMEM;
	if (v->start > s->start) {
		if (s->flags == LINUX_MS_ASYNC)
			return -LINUX_ENOMEM;
		s->hole = true;
	}
	from = MAX(s->start, v->start);
	if (from >= s->end) {
		s->start = s->end;
		return 0;
	}
	to = MIN(v->end, s->end);
	if ((s->flags & LINUX_MS_INVALIDATE) && (v->flags & VM_LOCKED))
		return -LINUX_EBUSY;
	s->start = to;
	if (!(s->flags & LINUX_MS_SYNC) || !(v->flags & VM_SHARED) || !vma_backing(v))
		return 0;
	s->file = v->file;
	s->file->ops->get(s->file);
	s->off = vma_pgoff(v, from) << PAGE_SHIFT;
	s->len = to - from;
	return 0;
}

int mm_msync(struct mm *mm, uaddr_t addr, uint64_t len, unsigned flags,
	     int (*sync)(struct vm_file *f, uint64_t off, uint64_t len, void *arg), void *arg)
{
	struct msync s = { .flags = flags, .start = addr, .end = addr + PAGE_ALIGN(len) };
	int err = 0;

	if ((flags & ~MS_KNOWN) || PAGE_OFFSET(addr))
		return -LINUX_EINVAL;
	if ((flags & LINUX_MS_ASYNC) && (flags & LINUX_MS_SYNC))
		return -LINUX_EINVAL;
	if (s.end < s.start)
		return -LINUX_ENOMEM;
	while (s.start < s.end && !err) {
		rwlock_read(&mm->lock);
		err = msync_step(mm, &s);
		rwlock_unlock(&mm->lock);
		if (!s.file)
			continue;
		err = sync(s.file, s.off, s.len, arg);
		s.file->ops->put(s.file);
	}
	return err ? err : s.hole ? -LINUX_ENOMEM : 0;
}

/* --- mincore --- */

/* Pages without a PTE may still be in the page cache. */
static void mincore_file(const struct vma *v, uaddr_t start, unsigned nr, unsigned char *vec)
{
	struct backing *b = vma_backing(v);
	pfn_t pfns[64];

	if (!b || !b->ops->fault_around)
		return;
	for (unsigned i = 0; i < nr; i += ARRAY_SIZE(pfns)) {
		unsigned n = MIN(nr - i, ARRAY_SIZE(pfns));

		b->ops->fault_around(b, vma_pgoff(v, start) + i, n, false, pfns);
		for (unsigned j = 0; j < n; j++) {
			if (pfns[j] == PFN_NONE)
				continue;
			vec[i + j] = 1;
			frame_put(pfns[j]);
		}
	}
}

static void mincore_vma(struct mm *mm, const struct vma *v, uaddr_t start, uaddr_t end, unsigned char *vec)
{
	struct pt_leaf *leaf;
	uaddr_t addr;

	memset(vec, 0, (end - start) >> PAGE_SHIFT);
	mincore_file(v, start, (end - start) >> PAGE_SHIFT, vec);
	mutex_lock(&mm->pt_lock);
	mm_pt_settle(mm, start, end);
	page_table_for_each(mm->pt, leaf, addr, start, end)
		if (!(leaf->pte[pte_index(addr)] & PTE_AHEAD))
			vec[(addr - start) >> PAGE_SHIFT] = 1;
	mutex_unlock(&mm->pt_lock);
}

static uint8_t page_state(const struct vma *v, pte_t pte)
{
	int refs = frame_refs(PTE_PFN(pte));
	uint8_t state = MM_PAGE_MAPPED | MM_PAGE_PRESENT;

	if (!(pte & PTE_ANON))
		state |= MM_PAGE_FILE;
	/* The page cache holds its frames once itself. */
	if (refs == (pte & PTE_ANON ? 1 : 2) && !(v->flags & VM_SHARED && pte & PTE_ANON))
		state |= MM_PAGE_EXCLUSIVE;
	return state;
}

void mm_page_states(struct mm *mm, uaddr_t start, unsigned nr, uint8_t *ret)
{
	uaddr_t end = start + ((uaddr_t)nr << PAGE_SHIFT), at = start, addr;
	struct pt_leaf *leaf;

	memset(ret, 0, nr);
	rwlock_read(&mm->lock);
	while (at < end) {
		const struct vma *v = vma_find_from(&mm->vmas, at);
		uaddr_t to;

		if (!v || v->start >= end)
			break;
		at = MAX(at, v->start);
		to = MIN(v->end, end);
		memset(ret + ((at - start) >> PAGE_SHIFT), MM_PAGE_MAPPED, (to - at) >> PAGE_SHIFT);
		mutex_lock(&mm->pt_lock);
		mm_pt_limbo_end(mm);
		mm_pt_settle(mm, at, to);
		page_table_for_each(mm->pt, leaf, addr, at, to)
			if (!(leaf->pte[pte_index(addr)] & PTE_AHEAD))
				ret[(addr - start) >> PAGE_SHIFT] = page_state(v, leaf->pte[pte_index(addr)]);
		mutex_unlock(&mm->pt_lock);
		at = to;
	}
	rwlock_unlock(&mm->lock);
}

/* Fills @vec for pages of [start, end) up to the first hole.  Returns where it stopped. */
static uaddr_t mincore_range(struct mm *mm, uaddr_t start, uaddr_t end, unsigned char *vec)
{
	rwlock_read(&mm->lock);
	while (start < end) {
		const struct vma *v = vma_find(&mm->vmas, start);
		uaddr_t to;

		if (!v)
			break;
		to = MIN(v->end, end);
		mincore_vma(mm, v, start, to, vec);
		vec += (to - start) >> PAGE_SHIFT;
		start = to;
	}
	rwlock_unlock(&mm->lock);
	return start;
}

int mm_mincore(struct mm *mm, uaddr_t addr, uint64_t len, uaddr_t vec)
{
	unsigned char buf[1024];
	uaddr_t end;

	if (PAGE_OFFSET(addr))
		return -LINUX_EINVAL;
	if (!access_ok(addr, len))
		return -LINUX_ENOMEM;
	if (!access_ok(vec, PAGES_FOR(len)))
		return -LINUX_EFAULT;
	end = addr + PAGE_ALIGN(len);
	while (addr < end) {
		uaddr_t to = MIN(end, addr + sizeof(buf) * PAGE_SIZE), done = mincore_range(mm, addr, to, buf);

		if (copy_to_user(vec, buf, (done - addr) >> PAGE_SHIFT))
			return -LINUX_EFAULT;
		if (done < to)
			return -LINUX_ENOMEM;
		vec += (done - addr) >> PAGE_SHIFT;
		addr = done;
	}
	return 0;
}
