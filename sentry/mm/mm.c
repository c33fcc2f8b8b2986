/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Life of an address space: new and end.  fork is in fork.c.
 */
#include "sentry/mm/mm.h"

#include <stdlib.h>
#include <string.h>

#include "sentry/mm/mm_internal.h"

/* The top of mappings until the loader chooses: room for a stack of default size above. */
#define DEFAULT_MMAP_BASE (GUEST_TASK_SIZE - (128UL << 20))

_Thread_local struct mm *current_mm;

/* Every mm, to find memory in; outside pt_lock, inside everything else. */
static struct mutex all_lock = MUTEX_INIT;
static LIST_HEAD(all_mms);

/* Fewer mapped pages of files than these, or than this part of the limit, are all in use: programs could not go on without. */
#define FILES_MIN 512
#define FILES_MIN_PART 64

/* Counts before anything is done, because a page of code and the page it works on may otherwise take turns for ever. */
static bool enough_files_locked(void)
{
	struct frame_stats st;
	uint64_t nr = 0;
	struct mm *mm;

	frame_get_stats(&st);
	list_for_each_entry(mm, &all_mms, all_link) {
		MUTEX_GUARD(&mm->pt_lock);
		nr += mm->rss[MM_FILEPAGES];
	}
	return nr > MIN(st.limit / FILES_MIN_PART, (uint64_t)FILES_MIN);
}

/*
 * Memory is short and the page cache has nothing that only it holds: every address space gives up its pages of files, which
 * come back one fault at a time where they are in use.
 */
static bool unmap_files(void)
{
	struct mm *mm;

	MUTEX_GUARD(&all_lock);
	if (!enough_files_locked())
		return false;
	list_for_each_entry(mm, &all_mms, all_link) {
		MUTEX_GUARD(&mm->pt_lock);
		if (mm->rss[MM_FILEPAGES])
			mm_pt_zap(mm, 0, GUEST_TASK_SIZE, false);
	}
	return true;
}

static bool drop_ahead(void)
{
	bool any = false;
	struct mm *mm;

	MUTEX_GUARD(&all_lock);
	list_for_each_entry(mm, &all_mms, all_link)
		any |= mm_drop_ahead(mm);
	return any;
}

static void mm_free(struct mm *mm)
{
	page_table_free(mm->pt);
	mutex_fini(&mm->pt_lock);
	rwlock_fini(&mm->lock);
	free(mm);
}

struct mm *mm_new(void)
{
	struct mm *mm = calloc(1, sizeof(*mm));
	struct platform_aspace *as;

	if (!mm)
		return ERR_PTR(-LINUX_ENOMEM);
	ref_init(&mm->users);
	rwlock_init(&mm->lock);
	mutex_init(&mm->pt_lock);
	vma_set_init(&mm->vmas);
	mm->mmap_base = DEFAULT_MMAP_BASE;
	mm->rlim_as = mm->rlim_data = mm->rlim_stack = mm->rlim_memlock = UINT64_MAX;
	mm->dumpable = true;
	mm->pt = page_table_new();
	if (!mm->pt) {
		mm_free(mm);
		return ERR_PTR(-LINUX_ENOMEM);
	}
	as = platform->aspace_new();
	if (IS_ERR(as)) {
		mm_free(mm);
		return (struct mm *)as;
	}
	mm->as = as;
	mutex_lock(&all_lock);
	list_add_tail(&mm->all_link, &all_mms);
	frame_unmap_files = unmap_files;
	frame_drop_ahead = drop_ahead;
	mutex_unlock(&all_lock);
	return mm;
}

/* Takes all vmas out of the rmap: from now on nobody else reaches the mm. */
static void unlink_all(struct mm *mm, struct vma_gc *gc)
{
	struct vma *v, *next;

	rwlock_write(&mm->lock);
	for (v = vma_first(&mm->vmas); v; v = next) {
		next = vma_next(v);
		mm_vma_unlink(mm, v, gc);
	}
	rwlock_unlock(&mm->lock);
}

void (*mm_aio_free)(struct aio_table *table);

void mm_put(struct mm *mm)
{
	struct vma_gc gc = { NULL };
	struct platform_aspace *as;

	if (!mm || !ref_put(&mm->users))
		return;
	/*
	 * A truncation that comes now must not find the vmas of an address space that has no platform any more, and frames
	 * must not be put while the platform maps them: so the rmap first, then the platform, then the pages.
	 */
	mutex_lock(&all_lock);
	list_del(&mm->all_link);
	mutex_unlock(&all_lock);
	unlink_all(mm, &gc);
	as = mm->as;
	mm->as = NULL;
	platform->aspace_free(as);
	mutex_lock(&mm->pt_lock);
	mm_pt_limbo_end(mm);
	mm_pt_zap(mm, 0, GUEST_TASK_SIZE, true);
	mutex_unlock(&mm->pt_lock);
	vma_gc_run(&gc);
	if (mm->exe)
		mm->exe->ops->put(mm->exe);
	if (atomic_load(&mm->aio))
		READ_ONCE(mm_aio_free)(atomic_load(&mm->aio));
	mm_free(mm);
}

uint64_t mm_rss(struct mm *mm)
{
	uint64_t rss = 0;

	mutex_lock(&mm->pt_lock);
	mm_pt_settle(mm, 0, GUEST_TASK_SIZE);
	for (unsigned i = 0; i < NR_MM_COUNTERS; i++)
		rss += mm->rss[i];
	mutex_unlock(&mm->pt_lock);
	return rss;
}
