/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of sentry/mm share among themselves.  Locks stand beside each function; the order is in mm.h.
 */
#ifndef SENTRY_MM_INTERNAL_H
#define SENTRY_MM_INTERNAL_H

#include "sentry/abi/errno.h"
#include "sentry/abi/mman.h"
#include "sentry/mm/mm.h"
#include "sentry/mm/page_table.h"

#define VM_ACCESS_FLAGS (VM_READ | VM_WRITE | VM_EXEC)

static inline uint64_t vma_pages(const struct vma *v)
{
	return (v->end - v->start) >> PAGE_SHIFT;
}

/* What @v maps, or NULL for anonymous memory (a private mapping of /dev/zero has a file and no backing). */
static inline struct backing *vma_backing(const struct vma *v)
{
	return v->file ? v->file->backing : NULL;
}

static inline uint64_t vma_pgoff(const struct vma *v, uaddr_t addr)
{
	return v->pgoff + ((addr - v->start) >> PAGE_SHIFT);
}

/* What x86-64 makes of a vma's access flags: pages that may be written or executed may be read. */
static inline unsigned vma_prot(unsigned vm_flags)
{
	unsigned prot = vm_flags & VM_ACCESS_FLAGS;

	return prot ? prot | PTE_READ : 0;
}

/* The access bits of a page with @pte's flags in a vma with @vm_flags. */
static inline unsigned pte_prot(pte_t pte, unsigned vm_flags)
{
	unsigned prot = vma_prot(vm_flags);

	return pte & PTE_OWNED ? prot : prot & ~PTE_WRITE;
}

/* Counted against RLIMIT_DATA (is_data_mapping in Linux). */
static inline bool is_data_mapping(unsigned vm_flags)
{
	return (vm_flags & (VM_WRITE | VM_SHARED | VM_STACK | VM_GROWSDOWN)) == VM_WRITE;
}

/* Memory that may have to be found for private copies (accountable_mapping in Linux). */
static inline bool is_accountable(unsigned vm_flags)
{
	return (vm_flags & (VM_NORESERVE | VM_SHARED | VM_WRITE)) == VM_WRITE;
}

static inline unsigned max_map_count(void)
{
	return LINUX_DEFAULT_MAX_MAP_COUNT;
}

/* --- mm_vma.c: changes of the vma set with what hangs on it.  mm->lock held for writing. --- */

/* Vmas taken out, to be freed without locks because the last put of a file may sleep. */
struct vma_gc {
	struct vma *head;
};
void vma_gc_run(struct vma_gc *gc);

/* A vma that is in no set, with a reference to @file (borrowed; NULL).  NULL when memory is short. */
struct vma *mm_vma_new(struct mm *mm, uaddr_t start, uaddr_t end, unsigned flags, uint64_t pgoff, struct vm_file *file);
/* A copy of @v in no set: same range, file, names. */
struct vma *mm_vma_dup(struct mm *mm, const struct vma *v);
/* Frees a vma that was never linked.  No locks. */
void mm_vma_free(struct vma *v);
/* Puts @v into the set, the rmap (behind @after, or at the end) and the counters. */
void mm_vma_link(struct mm *mm, struct vma *v, struct vma *after);
/* Takes @v out again, to @gc. */
void mm_vma_unlink(struct mm *mm, struct vma *v, struct vma_gc *gc);
/* Moves the bounds; a changed start keeps which page is where. */
void mm_vma_adjust(struct mm *mm, struct vma *v, uaddr_t start, uaddr_t end);
void mm_vma_set_flags(struct mm *mm, struct vma *v, unsigned flags);
/* Cuts the vma that has @addr inside, if any.  -LINUX_ENOMEM: memory or max_map_count. */
int mm_vma_split_at(struct mm *mm, uaddr_t addr);
/* Cuts at both ends of the range. */
int mm_vma_split_range(struct mm *mm, uaddr_t start, uaddr_t end);
/* Joins neighbours in and around [start, end) where they can be one. */
void mm_vma_merge_range(struct mm *mm, uaddr_t start, uaddr_t end);
/* Whether @pages more with @vm_flags fit RLIMIT_AS and RLIMIT_DATA. */
bool mm_may_expand(struct mm *mm, unsigned vm_flags, uint64_t pages);
/* Whether @pages of private memory are no obvious overcommit (vm.overcommit_memory 0). */
bool mm_enough_memory(uint64_t pages);
/* Whether @pages more may be locked. */
bool mm_may_lock(struct mm *mm, uint64_t pages);
/* Unmaps [start, end): cuts, zaps PTEs, takes the vmas out. */
int mm_unmap_range(struct mm *mm, uaddr_t start, uaddr_t end, struct vma_gc *gc);

/* --- mm_pt.c: PTEs and the host mappings that follow them.  mm->pt_lock held. --- */

/* Removes pages of the range; private pages only with @anon_too. */
void mm_pt_zap(struct mm *mm, uaddr_t start, uaddr_t end, bool anon_too);
/*
 * The same, all pages, for the address space's own guest: where it has one thread, which waits for this call, the host's
 * mappings need not be gone before it goes on, and the frames are let go some time later.  With @park they may stay where they are
 * (limbo.c).
 */
void mm_pt_zap_own(struct mm *mm, uaddr_t start, uaddr_t end, bool park);
/* Takes a range from the host, and nothing else. */
void mm_pt_host_unmap(struct mm *mm, uaddr_t start, uaddr_t end);
/*
 * To be called between taking pages from the host and what relies on it: with @frames, letting go of frames; without, going
 * back to the guest's threads, of which the caller's is not the only one.
 */
void mm_pt_host_sync(struct mm *mm, bool frames);
/* Pages with frames that were parked at the same place, just installed and all alike: the guest may use them. */
void mm_pt_unparked(struct mm *mm, uaddr_t start, unsigned nr);
/* The vma's flags became @vm_flags. */
void mm_pt_protect(struct mm *mm, uaddr_t start, uaddr_t end, unsigned vm_flags);
/* Makes pages of the cache in the range ask again before they are written. */
void mm_pt_write_protect(struct mm *mm, uaddr_t start, uaddr_t end);
/* Maps the page at @addr, and neighbours that fit one host mapping with it.  Nothing to do for an inaccessible page. */
void mm_pt_map(struct mm *mm, uaddr_t addr);
/* The host has lost the page at @addr: maps it again, with the neighbours that probably went the same way. */
void mm_pt_remap(struct mm *mm, uaddr_t addr);
/* The host may have lost everything: maps what is present again, with at most @max calls; the rest at its next fault. */
void mm_pt_remap_all(struct mm *mm, unsigned max);
/* Drops whatever the host maps in the range, the special pages that have no PTE (VM_VVAR) too. */
void mm_pt_unmap_host(struct mm *mm, uaddr_t start, uaddr_t end);
/* Sets the PTE of @addr, which is !MAPPED, and counts it.  The slot was 0. */
void mm_pt_install(struct mm *mm, struct pt_leaf *leaf, uaddr_t addr, pte_t pte);
/* The page at @addr, given ahead, was touched; counts it.  Its frame is resident. */
void mm_pt_touched(struct mm *mm, struct pt_leaf *leaf, uaddr_t addr);
/* The page at @addr, given ahead and not MAPPED, goes. */
void mm_pt_drop_ahead(struct mm *mm, struct pt_leaf *leaf, uaddr_t addr);
/* Takes the right to write from pages given ahead, so that none is touched unseen from now on. */
void mm_pt_ahead_protect(struct mm *mm, uaddr_t start, uaddr_t end);
#define REPLACE_MAX 64
/*
 * Puts @nr (at most REPLACE_MAX) PTEs, which are !MAPPED, in the place of those at @addr and behind it: the host's mappings
 * change with them, and the old frames are put when no guest can use them any more.
 */
void mm_pt_replace(struct mm *mm, uaddr_t addr, unsigned nr, const pte_t *ptes);
/*
 * Lets pages around @addr, within [start, end), that only this address space holds be written in place.  The page at @addr
 * is one.
 */
void mm_pt_own_around(struct mm *mm, uaddr_t addr, uaddr_t start, uaddr_t end, unsigned vm_flags);
/*
 * fork: the range's pages of files, and its private pages from @anon_start on, become @dst's too; the private ones are
 * write-protected on both sides.  @dst has no PTEs there.  Both pt_locks held; mm_pt_sync(src) before @dst is used.
 * -LINUX_ENOMEM.
 */
int mm_pt_share(struct mm *dst, struct mm *src, uaddr_t start, uaddr_t end, uaddr_t anon_start);
/* Returns when the guest can't use what was taken from it before.  No lock needed. */
void mm_pt_sync(struct mm *mm);
/* Maps pages of the range that are present, with at most @max host calls.  Returns how many it made. */
unsigned mm_pt_map_range(struct mm *mm, uaddr_t start, uaddr_t end, unsigned max);
/* mremap: moves PTEs.  The new range is empty.  -LINUX_ENOMEM with nothing moved. */
int mm_pt_move(struct mm *mm, uaddr_t old, uaddr_t new, uint64_t len);

/* --- limbo.c: mm->pt_lock held --- */

/* Whether @nr frames may go to mm->limbo; then there is room. */
bool mm_limbo_has_room(struct mm *mm, unsigned nr);
/* Lets go of all that is kept until the host has lost it. */
void mm_pt_limbo_end(struct mm *mm);
/*
 * Parks the pages of [start, end), if they are few and of one piece: the caller takes their PTEs away, and the frames' references
 * are limbo.c's.
 */
bool mm_park(struct mm *mm, uaddr_t start, uaddr_t end);
/* Frames that were parked from @addr on, zeroed, if they are no more than @max: their number, with the first in *ret_pfn. */
unsigned mm_unpark(struct mm *mm, uaddr_t addr, unsigned max, pfn_t *ret_pfn);
/* What is parked anywhere in [start, end) can't come back.  Without @unmap the host loses that range by itself, or has. */
void mm_park_forget(struct mm *mm, uaddr_t start, uaddr_t end, bool unmap);

/* --- ahead.c: mm->pt_lock held, but for mm_drop_ahead --- */

/* Counts those pages of the range given ahead that were touched as ordinary ones. */
void mm_pt_settle(struct mm *mm, uaddr_t start, uaddr_t end);
/* The range's pages go, none is mapped any more: says of their frames which were touched. */
void mm_pt_ahead_close(struct mm *mm, uaddr_t start, uaddr_t end);
/* Takes back what was given ahead and not touched; true when there was any. */
bool mm_drop_ahead(struct mm *mm);

/* --- fault_anon.c --- */

/* New anonymous memory in [start, end), a part of @v: the first pages ahead of their touch.  mm->lock held for writing. */
void mm_anon_ahead(struct mm *mm, const struct vma *v, uaddr_t start, uaddr_t end);

/* --- fork.c --- */

/* Areas with at most this many private pages are copied by fork instead of shared; tests set it to 0. */
extern unsigned fork_copy_max;

/* --- fault.c --- */

enum fault_flags {
	FAULT_GUEST = 1, /* map the page for the guest, too */
	FAULT_FORCE = 2, /* as ptrace(2): regardless of the vma's protection, copying private pages */
	FAULT_TOUCH = 8, /* the page counts as touched: MAP_POPULATE, mlock */
	FAULT_CACHED = 4, /* ahead of a touch: only if the page is in the page cache, without reading or waiting */
};
int mm_handle_fault(struct mm *mm, struct mm_fault *f, unsigned flags);
/*
 * A file was just mapped at [@addr, @end): its first pages are brought in if they are cached, because whoever maps a file reads its
 * beginning next, and a fault costs more.
 */
void mm_prefault(struct mm *mm, uaddr_t addr, uaddr_t end, unsigned vm_flags);
/* Faults the range in, as far as it is mapped and accessible (MAP_POPULATE, mlock).  No locks.  0 or the first error. */
int mm_populate(struct mm *mm, uaddr_t start, uaddr_t end, bool write);
/* The same over several vmas, writing where private memory is writable; holes are passed over.  The first error or 0. */
int mm_populate_range(struct mm *mm, uaddr_t start, uaddr_t end);

/* --- mmap.c --- */

/* The arguments of munmap(2) before any vma is looked at: 0 or -LINUX_EINVAL. */
int mm_munmap_check(uaddr_t addr, uint64_t len);

/* Extends the VM_GROWSDOWN vma above @addr down to it.  Takes mm->lock for writing.  0 or -LINUX_ENOMEM. */
int mm_expand_stack(struct mm *mm, uaddr_t addr);

/* A free range of @len bytes for a mapping with @flags (LINUX_MAP_*), @addr a hint.  mm->lock held. */
int64_t mm_get_unmapped_area(struct mm *mm, uaddr_t addr, uint64_t len, unsigned flags);

#endif
