/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A buddy allocator over the pages of one memfd.
 *
 *     0                                   frontier                              nr_frames
 *     | blocks in use, split, or on a list | never used: on no list, all holes  |
 *
 * A free run of 2^order frames is described by its first frame (`head`) and is on one of two lists of that order: the
 * resident one when the host may hold memory for any of its frames, else the clean one.  Resident runs are used first, the
 * last freed before others: their memory is warm and present in the sentry, which is worth more than the zeroing costs.
 *
 * `resident` of a free frame says that its contents are unknown.  A frame in use has it, too, unless it was handed out untouched
 * (FRAME_UNTOUCHED): then its holder finds out, before it is freed, whether somebody wrote to it.
 */
#include "sentry/mm/frame.h"

#include <string.h>

#include "platform/host/host.h"
#include "sentry/abi/errno.h"
#include "sentry/abi/fcntl.h"
#include "sentry/abi/mman.h"
#include "sentry/base/lock.h"
#include "sentry/base/log.h"
#include "sentry/base/timer.h"
#include "sentry/mm/memcg.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FRAME_ASAN
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define FRAME_ASAN
#endif

#ifdef FRAME_ASAN
#include <sanitizer/asan_interface.h>
#define frame_poison(p, len) ASAN_POISON_MEMORY_REGION(p, len)
#define frame_unpoison(p, len) ASAN_UNPOISON_MEMORY_REGION(p, len)
#define FRAME_CHECKS true
#elif defined(SENTRY_CHECK_FRAMES)
#define frame_poison(p, len) ((void)(p))
#define frame_unpoison(p, len) ((void)(p))
#define FRAME_CHECKS true
#else
#define frame_poison(p, len) ((void)(p))
#define frame_unpoison(p, len) ((void)(p))
#define FRAME_CHECKS false
#endif

#define BLOCK_FRAMES (1U << FRAME_MAX_ORDER)
#define NO_FRAME UINT32_MAX

/* Offset space: this many times the limit, so that long free runs are easy to find, within these bounds. */
#define SPACE_FACTOR 32
#define SPACE_MIN (64ULL << 30)
#define SPACE_MAX (16ULL << 40)

/*
 * Memory of free frames is worth keeping: zeroing a page costs a fraction of getting one from the host.  So up to KEEP_MAX (or a
 * quarter of the limit) is kept at once; but what nobody needed for a while, above KEEP_IDLE, goes back, half of it at each
 * tick.  Pages.
 */
#define KEEP_MAX ((512U << 20) >> PAGE_SHIFT)
#define KEEP_IDLE ((4U << 20) >> PAGE_SHIFT)
#define TRIM_TICK_NS 500000000LL
/* Resident runs from this length on are zeroed by giving the memory back; pages. */
#define PUNCH_MIN 256
/* Runs from this length on need no neighbour on the memfd; pages. */
#define NEAR_MAX 64

struct frame {
	atomic_int refs;      /* 0: free */
	uint32_t next, prev;  /* head: list of free runs; frame_lock.  In use: next is the memcg's id */
	uint16_t nr_resident; /* head: resident frames in the run; frame_lock */
	uint8_t head;	      /* 1 + order of the free run that starts here, else 0; frame_lock */
	bool resident;	      /* frame_lock; the holder's while in use */
};
static_assert(sizeof(struct frame) == 16, "struct frame");

bool (*frame_reclaim)(unsigned nr);
bool (*frame_drop_ahead)(void);
bool (*frame_unmap_files)(void);

static struct mutex frame_lock = MUTEX_INIT;
struct mutex *const memcg_lock = &frame_lock;
static struct frame *frames;
static char *memory;
static int memory_fd = -1;
static uint64_t nr_frames;
static uint64_t frontier;			/* frame_lock */
static uint64_t limit, used, free_resident;	/* frame_lock */
static uint32_t free_lists[FRAME_MAX_ORDER + 1][2]; /* frame_lock; [order][resident] */
static uint64_t idle_resident; /* frame_lock; the fewest there were of free_resident since the last tick */
static bool ticking;	       /* frame_lock; trim_timer is armed or its function runs */
static struct timer trim_timer;

static void trim_tick(struct timer *t);

/* --- set-up --- */

static void free_lists_init(void)
{
	for (unsigned o = 0; o <= FRAME_MAX_ORDER; o++)
		free_lists[o][0] = free_lists[o][1] = NO_FRAME;
	frontier = used = free_resident = 0;
}

/* Maps the memfd and the table for @size bytes of guest memory. */
static int frames_map(uint64_t size)
{
	uint64_t table = PAGE_ALIGN((size >> PAGE_SHIFT) * sizeof(struct frame));
	void *mem, *tab;
	int err;

	err = host_ftruncate(memory_fd, size);
	if (err)
		return err;
	err = host_mmap(NULL, size, LINUX_PROT_READ | LINUX_PROT_WRITE, LINUX_MAP_SHARED | LINUX_MAP_NORESERVE, memory_fd, 0,
			&mem);
	if (err)
		return err;
	err = host_mmap(NULL, table, LINUX_PROT_READ | LINUX_PROT_WRITE,
			LINUX_MAP_PRIVATE | LINUX_MAP_ANONYMOUS | LINUX_MAP_NORESERVE, -1, 0, &tab);
	if (err) {
		host_munmap(mem, size);
		return err;
	}
	/* Core dumps of the sentry hold no guest memory. */
	host_madvise(mem, size, LINUX_MADV_DONTDUMP);
	memory = mem;
	frames = tab;
	nr_frames = size >> PAGE_SHIFT;
	return 0;
}

int frames_init(uint64_t limit_bytes)
{
	struct host_sysinfo info;
	uint64_t size;
	int err;

	BUG_ON(memory_fd >= 0);
	err = host_sysinfo(&info);
	if (err)
		return err;
	limit = (limit_bytes ? limit_bytes : info.totalram) >> PAGE_SHIFT;
	limit = CLAMP(limit, BLOCK_FRAMES, SPACE_MAX >> PAGE_SHIFT);
	memory_fd = host_memfd_create("sentry-memory", 0);
	if (memory_fd < 0)
		return memory_fd;
	err = -LINUX_ENOMEM;
	free_lists_init();
	timer_init(&trim_timer, trim_tick, NULL);
	ticking = false;
	size = CLAMP(ALIGN_UP((limit << PAGE_SHIFT) * SPACE_FACTOR, BLOCK_FRAMES * PAGE_SIZE), SPACE_MIN, SPACE_MAX);
	/* The last number is NO_FRAME's. */
	size = MIN(size, SPACE_MAX - BLOCK_FRAMES * PAGE_SIZE);
	while (size >> PAGE_SHIFT >= limit) {
		err = frames_map(size);
		if (!err)
			return 0;
		/* A limit of the host's on address space or files.  Down to the limit it works, with shorter runs. */
		size = ALIGN_DOWN(size / 2, BLOCK_FRAMES * PAGE_SIZE);
	}
	host_close(memory_fd);
	memory_fd = -1;
	return err;
}

void frames_fini(void)
{
	if (memory_fd < 0)
		return;
	timer_cancel(&trim_timer);
	frame_unpoison(memory, frontier << PAGE_SHIFT);
	host_munmap(memory, nr_frames << PAGE_SHIFT);
	host_munmap(frames, PAGE_ALIGN(nr_frames * sizeof(struct frame)));
	host_close(memory_fd);
	memory_fd = -1;
	memory = NULL;
	frames = NULL;
}

int frames_memory_fd(void)
{
	return memory_fd;
}

/* --- free lists; frame_lock held --- */

static unsigned head_order(const struct frame *f)
{
	return f->head - 1;
}

static uint32_t *list_of(const struct frame *f)
{
	return &free_lists[head_order(f)][f->nr_resident != 0];
}

static void list_push(uint32_t pfn, unsigned order, unsigned nr_resident)
{
	struct frame *f = &frames[pfn];
	uint32_t *list;

	f->head = order + 1;
	f->nr_resident = nr_resident;
	list = list_of(f);
	f->prev = NO_FRAME;
	f->next = *list;
	if (f->next != NO_FRAME)
		frames[f->next].prev = pfn;
	*list = pfn;
}

static void list_remove(uint32_t pfn)
{
	struct frame *f = &frames[pfn];

	if (f->prev != NO_FRAME)
		frames[f->prev].next = f->next;
	else
		*list_of(f) = f->next;
	if (f->next != NO_FRAME)
		frames[f->next].prev = f->prev;
	f->head = 0;
}

static unsigned count_resident(uint32_t pfn, unsigned nr)
{
	unsigned n = 0;

	for (unsigned i = 0; i < nr; i++)
		n += frames[pfn + i].resident;
	return n;
}

/* Puts the upper half of a run that is on no list on one.  Returns the resident frames left in the lower half. */
static unsigned split_upper(uint32_t pfn, unsigned order, unsigned nr_resident)
{
	unsigned half = 1U << (order - 1);
	unsigned upper;

	if (nr_resident == 0 || nr_resident == half * 2)
		upper = nr_resident / 2;
	else
		upper = count_resident(pfn + half, half);
	list_push(pfn + half, order - 1, upper);
	return nr_resident - upper;
}

/* Takes the run at @pfn of @from off its list and cuts it down to @order. */
static void take_block(uint32_t pfn, unsigned order)
{
	unsigned nr_resident = frames[pfn].nr_resident;
	unsigned from = head_order(&frames[pfn]);

	list_remove(pfn);
	for (; from > order; from--)
		nr_resident = split_upper(pfn, from, nr_resident);
	free_resident -= nr_resident;
}

/* Puts the next never-used block on a list.  False at the end of the space. */
static bool frontier_advance(void)
{
	if (frontier + BLOCK_FRAMES > nr_frames)
		return false;
	list_push(frontier, FRAME_MAX_ORDER, 0);
	frontier += BLOCK_FRAMES;
	return true;
}

/* A run of exactly 2^@order frames, or NO_FRAME. */
static uint32_t take_order(unsigned order)
{
	for (int resident = 1; resident >= 0; resident--)
		for (unsigned o = order; o <= FRAME_MAX_ORDER; o++) {
			uint32_t pfn = free_lists[o][resident];

			if (pfn == NO_FRAME)
				continue;
			take_block(pfn, order);
			return pfn;
		}
	if (!frontier_advance())
		return NO_FRAME;
	take_block(frontier - BLOCK_FRAMES, order);
	return frontier - BLOCK_FRAMES;
}

/* The free run that holds @pfn, or NO_FRAME. */
static uint32_t find_free(uint64_t pfn)
{
	if (pfn >= frontier)
		return NO_FRAME;
	for (unsigned o = 0; o <= FRAME_MAX_ORDER; o++) {
		uint32_t head = pfn & ~((1ULL << o) - 1);

		if (frames[head].head)
			return pfn < head + (1ULL << head_order(&frames[head])) ? head : NO_FRAME;
	}
	return NO_FRAME;
}

/* Takes the free frame @pfn alone. */
static bool take_frame(uint64_t pfn)
{
	uint32_t head = find_free(pfn);
	unsigned order, nr_resident;

	if (head == NO_FRAME)
		return false;
	order = head_order(&frames[head]);
	nr_resident = frames[head].nr_resident;
	list_remove(head);
	while (order) {
		unsigned lower = split_upper(head, order, nr_resident);
		unsigned half = 1U << --order;

		if (pfn < head + half) {
			nr_resident = lower;
			continue;
		}
		/* The frame is in the upper half: that one is cut further, and the lower one goes on a list. */
		nr_resident -= lower;
		list_remove(head + half);
		list_push(head, order, lower);
		head += half;
	}
	free_resident -= nr_resident;
	return true;
}

/* Takes free frames from @near on, at most @nr.  Returns how many. */
static unsigned take_near(pfn_t near, unsigned nr)
{
	unsigned n = 0;

	if (near == frontier && !frontier_advance())
		return 0;
	while (n < nr) {
		uint64_t pfn = near + n;
		uint32_t head = find_free(pfn);
		unsigned order = 0;

		if (head == NO_FRAME)
			break;
		/* A whole run at once where it starts here and fits; else frame by frame. */
		if (head == pfn)
			while (order < head_order(&frames[head]) && (2U << order) <= nr - n)
				order++;
		if (order)
			take_block(head, order);
		else
			take_frame(pfn);
		n += 1U << order;
	}
	return n;
}

/* Returns 2^@order frames from @pfn to the lists, joining free buddies.  Whoever calls has counted free_resident. */
static void give_block(uint32_t pfn, unsigned order, unsigned nr_resident)
{
	while (order < FRAME_MAX_ORDER) {
		uint32_t buddy = pfn ^ (1U << order);

		if (frames[buddy].head != order + 1)
			break;
		nr_resident += frames[buddy].nr_resident;
		list_remove(buddy);
		pfn = MIN(pfn, buddy);
		order++;
	}
	list_push(pfn, order, nr_resident);
}

/* --- zeroing and giving memory back --- */

static void punch(uint64_t pfn, uint64_t nr)
{
	if (host_punch_hole(memory_fd, pfn << PAGE_SHIFT, nr << PAGE_SHIFT) < 0)
		memset(memory + (pfn << PAGE_SHIFT), 0, nr << PAGE_SHIFT);
}

/* Length of the run of frames from @pfn on, at most @nr, whose residence is the same; *ret_resident says which. */
static unsigned same_residence(uint64_t pfn, unsigned nr, bool *ret_resident)
{
	bool resident = frames[pfn].resident;
	unsigned n = 1;

	while (n < nr && frames[pfn + n].resident == resident)
		n++;
	*ret_resident = resident;
	return n;
}

/* Makes frames that were just allocated zero if asked to, and usable. */
static void frames_prepare(uint64_t pfn, unsigned nr, unsigned flags)
{
	bool resident;
	unsigned n;

	frame_unpoison(memory + (pfn << PAGE_SHIFT), (size_t)nr << PAGE_SHIFT);
	for (unsigned i = 0; (flags & FRAME_ZERO) && i < nr; i += n) {
		n = same_residence(pfn + i, nr - i, &resident);
		if (!resident)
			continue;
		if (n >= PUNCH_MIN && !(flags & FRAME_UNTOUCHED))
			punch(pfn + i, n);
		else
			memset(memory + ((pfn + i) << PAGE_SHIFT), 0, (size_t)n << PAGE_SHIFT);
	}
	for (unsigned i = 0; i < nr; i++) {
		if (!(flags & FRAME_UNTOUCHED))
			WRITE_ONCE(frames[pfn + i].resident, true); /* near_is_best looks at neighbours */
		atomic_store_explicit(&frames[pfn + i].refs, 1, memory_order_relaxed);
	}
}

void frame_trim(uint64_t keep)
{
	mutex_lock(&frame_lock);
	while (free_resident > keep) {
		unsigned order = FRAME_MAX_ORDER, n;
		uint32_t pfn;
		bool resident;

		while (order && free_lists[order][1] == NO_FRAME)
			order--;
		pfn = free_lists[order][1];
		BUG_ON(pfn == NO_FRAME);
		/* Off the lists it is ours: the host calls need no lock. */
		take_block(pfn, order);
		mutex_unlock(&frame_lock);
		frame_unpoison(memory + ((size_t)pfn << PAGE_SHIFT), PAGE_SIZE << order);
		for (unsigned i = 0; i < 1U << order; i += n) {
			n = same_residence(pfn + i, (1U << order) - i, &resident);
			if (resident)
				punch(pfn + i, n);
			for (unsigned j = 0; j < n; j++)
				frames[pfn + i + j].resident = false;
		}
		mutex_lock(&frame_lock);
		give_block(pfn, order, 0);
	}
	mutex_unlock(&frame_lock);
}

static void trim_tick(struct timer *t)
{
	uint64_t keep;

	mutex_lock(&frame_lock);
	keep = MAX(free_resident - MIN(idle_resident, free_resident) / 2, (uint64_t)KEEP_IDLE);
	mutex_unlock(&frame_lock);
	frame_trim(keep);
	mutex_lock(&frame_lock);
	idle_resident = free_resident;
	ticking = free_resident > KEEP_IDLE && timer_arm(t, monotonic_ns() + TRIM_TICK_NS) == 0;
	mutex_unlock(&frame_lock);
}

static uint64_t keep_max(void)
{
	return MIN((uint64_t)KEEP_MAX, limit / 4);
}

/* --- allocation --- */

bool frame_make_room(unsigned nr)
{
	if (frame_drop_ahead && frame_drop_ahead())
		return true;
	if (!frame_reclaim)
		return false;
	return frame_reclaim(nr) || (frame_unmap_files && frame_unmap_files() && frame_reclaim(nr));
}

/* A 32nd of the memory, within bounds. */
static uint64_t files_reserve(void)
{
	return CLAMP(limit / 32, (1 << 20) >> PAGE_SHIFT, (64 << 20) >> PAGE_SHIFT);
}

bool frame_files_may_grow(void)
{
	uint64_t reserve = files_reserve();

	for (;;) {
		struct frame_stats st;

		frame_get_stats(&st);
		if (likely(st.used + reserve <= st.limit))
			return true;
		if (!frame_make_room((unsigned)reserve))
			return false;
	}
}

static unsigned order_below(unsigned nr)
{
	return MIN(31U - (unsigned)__builtin_clz(nr), (unsigned)FRAME_MAX_ORDER);
}

static bool near_is_best(pfn_t near, unsigned nr)
{
	return free_resident < nr || (near < nr_frames && READ_ONCE(frames[near].resident));
}

/* One attempt at 1..@nr frames, or, with @exact, a run of exactly @nr (a power of two). */
static unsigned alloc_locked(unsigned nr, bool exact, pfn_t near, pfn_t *ret_pfn)
{
	uint64_t room = MIN(limit > used ? limit - used : 0, memcg_room_locked(nr));
	unsigned n = 0;
	uint16_t id;

	if (room < nr) {
		if (exact || !room)
			return 0;
		nr = room;
	}
	/* Long runs had better be recycled ones than continue others. */
	if (near != PFN_NONE && (!exact || nr == 1) && (nr < NEAR_MAX || near_is_best(near, nr))) {
		n = take_near(near, nr);
		*ret_pfn = near;
	}
	for (unsigned order = order_below(nr); !n; order--) {
		uint32_t pfn = take_order(order);

		if (pfn != NO_FRAME) {
			*ret_pfn = pfn;
			n = 1U << order;
		} else if (exact || !order) {
			return 0;
		}
	}
	used += n;
	id = memcg_charge_locked(n);
	for (unsigned i = 0; i < n; i++)
		frames[*ret_pfn + i].next = id;
	idle_resident = MIN(idle_resident, free_resident);
	return n;
}

static unsigned alloc(unsigned nr, bool exact, unsigned flags, pfn_t near, pfn_t *ret_pfn)
{
	pfn_t pfn = PFN_NONE;
	unsigned n;

	for (;;) {
		mutex_lock(&frame_lock);
		n = alloc_locked(nr, exact, near, &pfn);
		mutex_unlock(&frame_lock);
		if (n)
			break;
		if ((flags & FRAME_NORECLAIM) || !frame_make_room(nr))
			return 0;
	}
	frames_prepare(pfn, n, flags);
	*ret_pfn = pfn;
	return n;
}

pfn_t frame_alloc(unsigned order, unsigned flags, pfn_t near)
{
	pfn_t pfn;

	BUG_ON(order > FRAME_MAX_ORDER);
	return alloc(1U << order, true, flags, near, &pfn) ? pfn : PFN_NONE;
}

unsigned frame_alloc_run(unsigned nr, unsigned flags, pfn_t near, pfn_t *ret_pfn)
{
	BUG_ON(!nr);
	return alloc(nr, false, flags, near, ret_pfn);
}

pfn_t frame_fresh_group(unsigned nr)
{
	MUTEX_GUARD(&frame_lock);

	return free_resident < nr && frontier_advance() ? frontier - BLOCK_FRAMES : PFN_NONE;
}

void frame_get(pfn_t pfn)
{
	BUG_ON(pfn >= nr_frames || atomic_fetch_add_explicit(&frames[pfn].refs, 1, memory_order_relaxed) <= 0);
}

/* Drops a reference; true when it was the last one, and the frame is ready for the lists. */
static bool put_last(pfn_t pfn)
{
	int old;

	BUG_ON(pfn >= nr_frames);
	old = atomic_fetch_sub_explicit(&frames[pfn].refs, 1, memory_order_acq_rel);
	BUG_ON(old <= 0);
	if (old > 1)
		return false;
	if (FRAME_CHECKS) {
		if (frames[pfn].resident)
			memset(memory + (pfn << PAGE_SHIFT), FRAME_POISON, PAGE_SIZE);
		frame_poison(memory + (pfn << PAGE_SHIFT), PAGE_SIZE);
	}
	return true;
}

/* Frees @nr frames from @pfn on, which are resident or not together. */
static void free_run_locked(uint64_t pfn, unsigned nr)
{
	bool resident = frames[pfn].resident;

	used -= nr;
	for (unsigned i = 0; i < nr; i++)
		if (frames[pfn + i].next)
			memcg_uncharge_locked((uint16_t)frames[pfn + i].next, 1);
	free_resident += resident ? nr : 0;
	while (nr) {
		unsigned order = MIN(order_below(nr), pfn ? (unsigned)__builtin_ctzll(pfn) : (unsigned)FRAME_MAX_ORDER);

		give_block(pfn, order, resident ? 1U << order : 0);
		pfn += 1U << order;
		nr -= 1U << order;
	}
}

void frame_put(pfn_t pfn)
{
	frame_put_many(&pfn, 1);
}

void frame_put_many(const pfn_t *pfns, unsigned nr)
{
	bool locked = false, trim, tick;
	uint64_t start = 0;
	unsigned n = 0;

	for (unsigned i = 0; i < nr; i++) {
		if (!put_last(pfns[i]))
			continue;
		if (n && pfns[i] == start + n && frames[pfns[i]].resident == frames[start].resident) {
			n++;
			continue;
		}
		if (n && !locked)
			mutex_lock(&frame_lock);
		if (n) {
			locked = true;
			free_run_locked(start, n);
		}
		start = pfns[i];
		n = 1;
	}
	if (!n)
		return;
	if (!locked)
		mutex_lock(&frame_lock);
	free_run_locked(start, n);
	trim = free_resident > keep_max();
	tick = !ticking && free_resident > KEEP_IDLE;
	if (tick) {
		ticking = true;
		idle_resident = 0;
	}
	mutex_unlock(&frame_lock);
	if (trim)
		frame_trim(keep_max() / 4 * 3);
	/* No thread for it: at the next occasion. */
	if (tick && timer_arm(&trim_timer, monotonic_ns() + TRIM_TICK_NS)) {
		mutex_lock(&frame_lock);
		ticking = false;
		mutex_unlock(&frame_lock);
	}
}

bool frame_is_resident(pfn_t pfn)
{
	return frames[pfn].resident;
}

void frames_set_resident(pfn_t pfn, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++)
		WRITE_ONCE(frames[pfn + i].resident, true);
}

/* What there is from @at on; the length of data that begins behind @end is not asked for. */
static void ask_extent(int64_t at, int64_t end, struct frame_extent *ret)
{
	int64_t start = host_lseek(memory_fd, at, LINUX_SEEK_DATA), to;

	if (start == -LINUX_ENXIO)
		start = INT64_MAX;
	to = start >= 0 && start < end ? host_lseek(memory_fd, start, LINUX_SEEK_HOLE) : start;
	/* A host that does not say: what is not known to be clean is not. */
	*ret = to < 0 ? (struct frame_extent){ at, at, end } : (struct frame_extent){ at, start, to };
}

void frames_settle(pfn_t pfn, unsigned nr, struct frame_extent *known)
{
	int64_t at = (int64_t)(pfn << PAGE_SHIFT), end = at + ((int64_t)nr << PAGE_SHIFT), to;

	while (at < end) {
		if (at < known->hole || at >= known->end)
			ask_extent(at, end, known);
		at = MAX(at, known->start);
		to = MIN(known->end, end);
		if (at < to)
			frames_set_resident(at >> PAGE_SHIFT, (to - at) >> PAGE_SHIFT);
		at = MAX(at, to);
	}
}

int frame_refs(pfn_t pfn)
{
	return atomic_load_explicit(&frames[pfn].refs, memory_order_acquire);
}

void *frame_ptr(pfn_t pfn)
{
	return memory + (pfn << PAGE_SHIFT);
}

void frame_copy(pfn_t dst, pfn_t src)
{
	memcpy(frame_ptr(dst), frame_ptr(src), PAGE_SIZE);
}

int frames_write(pfn_t pfn, const void *src, size_t len)
{
	return host_pwrite_full(memory_fd, src, len, pfn << PAGE_SHIFT);
}

void frame_get_stats(struct frame_stats *ret)
{
	mutex_lock(&frame_lock);
	ret->limit = limit;
	ret->used = used;
	ret->free_resident = free_resident;
	mutex_unlock(&frame_lock);
}

/* --- checking --- */

static uint64_t check_list(unsigned order, bool resident, uint64_t *nr_resident)
{
	uint32_t prev = NO_FRAME;
	uint64_t nr = 0;

	for (uint32_t pfn = free_lists[order][resident]; pfn != NO_FRAME; prev = pfn, pfn = frames[pfn].next) {
		const struct frame *f = &frames[pfn];

		BUG_ON(f->prev != prev || f->head != order + 1);
		BUG_ON(pfn & ((1U << order) - 1) || pfn + (1ULL << order) > frontier);
		BUG_ON((f->nr_resident != 0) != resident || f->nr_resident != count_resident(pfn, 1U << order));
		for (unsigned i = 0; i < 1U << order; i++)
			BUG_ON(atomic_load(&frames[pfn + i].refs) || (i && frames[pfn + i].head));
		*nr_resident += f->nr_resident;
		nr += 1ULL << order;
	}
	return nr;
}

void frame_check(void)
{
	uint64_t nr_free = 0, nr_resident = 0;

	mutex_lock(&frame_lock);
	for (unsigned o = 0; o <= FRAME_MAX_ORDER; o++)
		for (int resident = 0; resident < 2; resident++)
			nr_free += check_list(o, resident, &nr_resident);
	/* Frames between their last put and the lists, and blocks being trimmed, are in neither: callers are quiet. */
	BUG_ON(nr_free + used != frontier || nr_resident != free_resident);
	mutex_unlock(&frame_lock);
}
