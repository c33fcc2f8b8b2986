/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames: the pages of guest memory.
 *
 * All guest memory, anonymous and page cache alike, is pages of one memfd, mapped whole in the sentry, so that a frame is
 * reached by the sentry at frame_ptr(pfn) and by a guest through a platform mapping of the memfd at pfn * PAGE_SIZE.  The memfd is
 * sparse and its offset space is plentiful: frames are handed out in naturally contiguous runs, so that one host mapping
 * covers many pages and neighbouring host mappings merge.
 *
 * One table of struct frame, indexed by pfn, says for each frame how many hold it.  Holders are: a present PTE, the page cache, and
 * anyone who called frame_get (an I/O, a pinned futex page).  A frame whose count drops to zero returns to the allocator, and its memory
 * goes back to the host at once or later (frame_trim).
 *
 * The allocator is a buddy system over runs of up to 2^FRAME_MAX_ORDER frames; frames of a run are freed one by one and coalesce.
 *
 * Locks: frame_lock (internal) is a leaf.  frame_get/put are lock-free until the last put.
 */
#ifndef SENTRY_MM_FRAME_H
#define SENTRY_MM_FRAME_H

#include "sentry/base/types.h"

#define FRAME_MAX_ORDER 9 /* 2 MiB */
#define PFN_NONE UINT64_MAX

enum frame_flags {
	FRAME_ZERO = 1,	     /* frame_alloc: contents must read as zero */
	FRAME_NORECLAIM = 2, /* fail at the limit rather than call frame_reclaim: for callers that hold locks */
	/*
	 * Frames that hold no memory of the host's are handed out as such (frame_is_resident says false), and get it when they are
	 * touched.  Whoever holds one says what became of it, by frames_settle or frames_set_resident, at the latest before it
	 * is put.
	 */
	FRAME_UNTOUCHED = 4,
};

/*
 * Creates the memfd and the table.  @limit: the most bytes of guest memory that may be in use (0: host RAM).  Returns 0 or
 * -errno; frames_memory_fd() is for platform_init.
 */
int frames_init(uint64_t limit);
int frames_memory_fd(void);

/*
 * Allocates 2^@order contiguous frames, each with one reference.  @near: a frame number that would be liked as the first one
 * (contiguity with a neighbour), or PFN_NONE.  Returns the first pfn, or PFN_NONE when the limit is reached.
 */
pfn_t frame_alloc(unsigned order, unsigned flags, pfn_t near);
/*
 * Allocates up to @nr contiguous frames, each with one reference: as many as can be had in one run, those from @near on when
 * that one is free.  Returns how many (0: the limit is reached) with the first in *ret_pfn.
 */
unsigned frame_alloc_run(unsigned nr, unsigned flags, pfn_t near, pfn_t *ret_pfn);
/*
 * Whether a file whose only place is memory may have one more page: the last of the guest's memory is for processes, so that a full file
 * system is an error of who writes, and no process is killed for it.  Without locks; may reclaim.
 */
bool frame_files_may_grow(void);
/*
 * The first of 2^FRAME_MAX_ORDER contiguous free frames that were never used, for frame_alloc_run's @near: they are free for
 * anybody, but for what needs little others are preferred.  PFN_NONE when there are none, or recycled ones for @nr.
 */
pfn_t frame_fresh_group(unsigned nr);
/* After FRAME_NORECLAIM failed, without locks: whether it is worth trying again (frame_reclaim freed something). */
bool frame_make_room(unsigned nr);
void frame_get(pfn_t pfn);
/* Drops a reference; the last one frees the frame. */
void frame_put(pfn_t pfn);
/* Whether the host may hold memory for a frame: false only for one of FRAME_UNTOUCHED.  The holder's. */
bool frame_is_resident(pfn_t pfn);
/* These frames count as touched from now on. */
void frames_set_resident(pfn_t pfn, unsigned nr);
/*
 * Asks the host which of @nr contiguous frames were touched: those are resident from now on.  @known, all zero at first, is
 * the last answer, about frames that the caller has held since: asking again about a long stretch costs its length.
 */
struct frame_extent {
	int64_t hole, start, end; /* bytes of the memfd: nothing in [hole, start), memory in [start, end) */
};
void frames_settle(pfn_t pfn, unsigned nr, struct frame_extent *known);
/* The same for @nr frames that need not be contiguous; cheaper than one by one. */
void frame_put_many(const pfn_t *pfns, unsigned nr);
int frame_refs(pfn_t pfn);
/* The frame in the sentry's own address space.  The caller holds a reference. */
void *frame_ptr(pfn_t pfn);
/* Copies a whole frame; the caller holds both. */
void frame_copy(pfn_t dst, pfn_t src);
/*
 * Writes @len bytes of @src to contiguous frames, from the start of @pfn on.  For frames that hold no memory yet: the host need
 * not zero what is written here, and they are not mapped in the sentry by it.  0 or -errno.
 */
int frames_write(pfn_t pfn, const void *src, size_t len);

struct frame_stats {
	uint64_t limit;	 /* pages */
	uint64_t used;	 /* frames with references */
	uint64_t free_resident; /* free frames whose memory the host still holds */
};
void frame_get_stats(struct frame_stats *ret);
/* Gives free frames' memory back to the host until at most @keep pages stay resident. */
void frame_trim(uint64_t keep);

/*
 * Called (without locks) when an allocation meets the limit, before it fails: frees what can be (page cache); returns true to
 * try again.  Set by the page cache.
 */
extern bool (*frame_reclaim)(unsigned nr);
/*
 * Called (without locks) before frame_reclaim: takes back frames that were handed out ahead of need and never touched.  True when
 * there were any.  Set by mm.
 */
extern bool (*frame_drop_ahead)(void);
/*
 * Called (without locks) when frame_reclaim found nothing: takes pages of files out of address spaces, so that it finds them
 * unused.  True when there were any.  Set by mm.
 */
extern bool (*frame_unmap_files)(void);

/*
 * Verifies the free lists against the table; BUG when they disagree.  Checking builds (--enable-asan, or compiled with
 * -DSENTRY_CHECK_FRAMES) fill frames that are freed with FRAME_POISON as well, so that a use after free is seen.
 */
void frame_check(void);
#define FRAME_POISON 0x6b
/* Frees all tables and the memfd: for tests that start over. */
void frames_fini(void);

#endif
