/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vma set: a pure core of range code.  It knows no page tables, files or locks beyond the pointers it carries, and is
 * unit-tested alone.  The caller holds mm->lock (read for look-ups, write for changes).
 *
 * Invariants: vmas are page aligned, not empty, sorted, disjoint, inside [0, GUEST_TASK_SIZE).
 */
#ifndef SENTRY_MM_VMA_H
#define SENTRY_MM_VMA_H

#include "sentry/base/list.h"
#include "sentry/base/rbtree.h"

struct vm_file;
struct mm;

enum vma_flags {
	VM_READ = 1,
	VM_WRITE = 2,
	VM_EXEC = 4, /* the low three equal LINUX_PROT_* and PLATFORM_* */
	VM_SHARED = 0x8,
	VM_MAYREAD = 0x10,
	VM_MAYWRITE = 0x20,
	VM_MAYEXEC = 0x40,
	VM_GROWSDOWN = 0x100,
	VM_LOCKED = 0x200,
	VM_LOCKONFAULT = 0x400,
	VM_DONTFORK = 0x800,
	VM_WIPEONFORK = 0x1000,
	VM_DONTDUMP = 0x2000,
	VM_NORESERVE = 0x4000,
	VM_STACK = 0x8000,
	VM_SPECIAL = 0x10000, /* vdso, vvar: never merged, no mremap growth, not counted */
	VM_VVAR = 0x20000,    /* no frames: the platform mapped it */
	VM_SEQ_READ = 0x40000,
	VM_RAND_READ = 0x80000,
	VM_IMAGE = 0x100000, /* a program or library, mapped by a loader (MAP_DENYWRITE): what to expect of its pages is known */
};

struct vma {
	struct rb_node rb;
	uaddr_t start, end;
	uint64_t gap;		/* free bytes directly below, less the guard of a VM_GROWSDOWN vma; kept by the set */
	uint64_t max_gap;	/* augmented: largest gap before any vma in this subtree */
	unsigned flags;
	uint8_t ahead;		/* how many isolated touches there were: pages given ahead double with each; pt_lock */
	uint64_t pgoff;		/* file page at start; for anonymous vmas start >> PAGE_SHIFT of where it was first mapped */
	struct vm_file *file;	/* reference; NULL for anonymous */
	const char *name;	/* "[stack]"...; static */
	uint32_t policy;	/* mbind(2), as mempolicy of a task; 0: the default */
	char *anon_name;	/* PR_SET_VMA_ANON_NAME; owned; NULL */
	struct mm *mm;
	struct list_head i_mmap; /* backing->i_mmap; i_mmap_lock */
	struct vma *next_free;	/* chain of removed vmas whose file is still to be put */
};

struct vma_set {
	struct rb_root root;
	unsigned nr;
	uint64_t pages;
};

void vma_set_init(struct vma_set *s);
/* The vma that contains @addr, or NULL. */
struct vma *vma_find(const struct vma_set *s, uaddr_t addr);
/* The first vma with end > @addr, or NULL (find_vma in Linux). */
struct vma *vma_find_from(const struct vma_set *s, uaddr_t addr);
/* The first vma that intersects [start, end), or NULL. */
struct vma *vma_find_intersection(const struct vma_set *s, uaddr_t start, uaddr_t end);
struct vma *vma_next(const struct vma *v);
struct vma *vma_prev(const struct vma *v);
struct vma *vma_first(const struct vma_set *s);
struct vma *vma_last(const struct vma_set *s);
/* The lowest address that free space below @v must leave alone (vm_start_gap in Linux). */
uaddr_t vma_start_gap(const struct vma *v);
void vma_insert(struct vma_set *s, struct vma *v);
void vma_remove(struct vma_set *s, struct vma *v);
/* Changes the bounds of a vma in the set without changing the order. */
void vma_set_bounds(struct vma_set *s, struct vma *v, uaddr_t start, uaddr_t end);
/* Whether @b directly behind @a can be one vma with it: same flags, file, contiguous pgoff, names. */
bool vma_can_merge(const struct vma *a, const struct vma *b);
/*
 * The highest free range of @len bytes inside [low, high) with @gap... of guard before a VM_GROWSDOWN neighbour, or the
 * lowest for vma_find_gap_up.  Ranges in [hole_start, hole_end) (the heap's reservation) are not used.  0 when there is none.
 */
uaddr_t vma_find_gap_down(const struct vma_set *s, uint64_t len, uint64_t align, uaddr_t low, uaddr_t high, uaddr_t hole_start,
			  uaddr_t hole_end);
uaddr_t vma_find_gap_up(const struct vma_set *s, uint64_t len, uint64_t align, uaddr_t low, uaddr_t high, uaddr_t hole_start,
			uaddr_t hole_end);
/* BUG unless every invariant holds; for tests and checking builds. */
void vma_set_check(const struct vma_set *s);

#define STACK_GUARD_GAP (256UL << PAGE_SHIFT)

#endif
