/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for each other without sleeping.
 *
 * A turn that is handed over on one core costs two wake-ups and two switches between processes, some microseconds; without the wake-ups,
 * if each side gives the core away by sched_yield, half of that; between two cores that look at the same word, a few hundred
 * nanoseconds.  But a thread that yields to somebody else than its partner loses whole time slices; one that sleeps on an idle core
 * is woken in dozens of microseconds, and one that looks for a word on a core that somebody needs takes it away from him.  So:
 *
 *     together     as pairing.h has it: guest and sentry thread on one core, nobody spins
 *     yielding     the same, and each yields once before it sleeps
 *     split        the sentry thread on another core; each looks for the other's word for up to SPIN_NS before it sleeps
 *
 *     together -> yielding no stop took as long as a time slice for a while
 *     yielding -> together MAX_LATE stops in a row did
 *     together -> split    (yielding or not) there is credit, and, as often as QUIET_LOOKS in a row, each RUN_STOPS after the
 *                          last, there was room (pairing_has_room)
 *     split -> together    there is no credit any more; somebody came; or there is no room any more, looked at every ROOM_STOPS stops
 *
 * Credit is what the last stops say about the next.  A stop that came soon after the last one gives some; one that took long, on
 * either side, takes as much as many such stops gave, for that is what waking a thread on another core costs; one that took a time
 * slice, or a gap in which somebody else had the core, still more.  Time in which the sentry thread slept is nobody's, if it was
 * short: then another pair had its turn.  When the sentry thread sleeps, the guest thread does not go on looking.
 *
 * Where there are two cores only, several pairs may be split (pairing.h), if they wait for each other or get more done so; which is
 * asked anew after SHARED_STOPS, since how long their stops take then says little.  A thread looks for its word for a short while,
 * which is enough for most stops, and goes on to look between calls of sched_yield.
 *
 * Each time that being split did not last for GOOD_STOPS, the next try is put off twice as long, up to MAX_BACKOFF times
 * RUN_STOPS; and so it is with yielding, from MIN_PATIENCE to MAX_PATIENCE stops.  All of it is decided by the sentry thread from
 * its own clock; what the guest writes can only make its own sentry thread sleep or spin.
 */
#include <pthread.h>

#include "platform/host/host.h"
#include "platform/systrap/systrap.h"
#include "sentry/base/log.h"
#include "sentry/base/waitq.h"

#define SPIN_NS 50000	 /* about what waking an idle core costs */
#define LONG_NS 25000	 /* a stop, with all that belongs to it, that is no sign for spinning */
#define GAP_NS 12000	 /* between two looks at the clock: another thread was there */
#define RUN_STOPS 64
#define QUIET_LOOKS 4
#define ROOM_STOPS 1024
#define GOOD_STOPS 512 /* what they save is many times what moving the thread there and back costs */
#define DENSE_NS 7000	 /* from stop to stop, above which pairs that don't wait for each other do more with a core each */
#define SHARED_STOPS (1 << 20)
#define FULL_CREDIT 256
#define ENOUGH_CREDIT 128
#define LONG_CREDIT 16
#define LATE_CREDIT 64
#define SLEEP_NS 200000	 /* a sleep that says something: the next wake-up is of an idle core */
#define SHARED_LOOKS 160 /* before yielding, where others have use for the core */
#define GUEST_YIELDS 64
#define MAX_BACKOFF 512
#define LATE_NS 300000	 /* less than any scheduler's slice */
#define MAX_LATE 2
#define MIN_PATIENCE 16
#define MAX_PATIENCE 32768 /* in which time a slice or two lost are little */
#define LOOKS 32	 /* at the word between two at the clock */

#define CLOCK_MONOTONIC 1
#define CALIBRATE_NS 200000

static enum platform_spin spin_mode = PLATFORM_SPIN_NEVER;
static int64_t init_ns;		/* when systrap_spin_init was called */
static uint64_t init_cycles;	/* the same by pairing_clock */
static pthread_once_t clock_once = PTHREAD_ONCE_INIT, looks_once = PTHREAD_ONCE_INIT;
/* Constant after clock_calibrate. */
static uint64_t spin_cycles, long_cycles, late_cycles, gap_cycles, sleep_cycles, dense_cycles;
static uint32_t guest_looks; /* in SPIN_NS; constant after looks_calibrate */

static atomic_ulong nr_splits, nr_spun;

/* Whose stops the calling thread serves. */
static _Thread_local struct systrap_ctx *served;

static void spin_sleeps(bool asleep);

/* --- how long things take: found out when it is needed, which for most guests is never --- */

static void clock_calibrate(void)
{
	int64_t now;

	/* Since the start so much time has passed already. */
	do
		now = host_clock_ns(CLOCK_MONOTONIC);
	while (now - init_ns < CALIBRATE_NS);
	spin_cycles = (pairing_clock() - init_cycles) * SPIN_NS / (uint64_t)(now - init_ns);
	long_cycles = spin_cycles * LONG_NS / SPIN_NS;
	late_cycles = spin_cycles * LATE_NS / SPIN_NS;
	gap_cycles = spin_cycles * GAP_NS / SPIN_NS;
	sleep_cycles = spin_cycles * SLEEP_NS / SPIN_NS;
	dense_cycles = spin_cycles * DENSE_NS / SPIN_NS;
}

static void looks_calibrate(void)
{
	int64_t begin = host_clock_ns(CLOCK_MONOTONIC), now;
	uint64_t looks = 0;

	do {
		for (int i = 0; i < LOOKS; i++)
			__builtin_ia32_pause();
		looks += LOOKS;
		now = host_clock_ns(CLOCK_MONOTONIC);
	} while (now - begin < CALIBRATE_NS);
	guest_looks = (uint32_t)MIN(looks * SPIN_NS / (uint64_t)(now - begin), 1000000UL);
}

void systrap_spin_init(enum platform_spin mode)
{
	init_ns = host_clock_ns(CLOCK_MONOTONIC);
	init_cycles = pairing_clock();
	spin_mode = mode;
	sleeper_blocks = spin_sleeps;
}

/* --- yielding --- */

static void yield_begin(struct systrap_ctx *ctx)
{
	struct systrap_spin *s = &ctx->spin;

	s->yields = true;
	s->yielded = s->late = 0;
	ctx->page->spin = -1;
}

static void yield_end(struct systrap_ctx *ctx)
{
	struct systrap_spin *s = &ctx->spin;

	s->yields = false;
	s->patience = s->yielded < s->patience ? MIN(s->patience * 2, (unsigned)MAX_PATIENCE) : MIN_PATIENCE;
	s->prompt = 0;
	ctx->page->spin = 0;
}

static void yield_check(struct systrap_ctx *ctx, bool late)
{
	struct systrap_spin *s = &ctx->spin;

	if (!s->yields) {
		s->prompt = late ? 0 : s->prompt + 1;
		if (s->prompt >= s->patience)
			yield_begin(ctx);
		return;
	}
	s->yielded += s->yielded < UINT32_MAX;
	s->late = late ? s->late + 1 : 0;
	if (s->late == MAX_LATE)
		yield_end(ctx);
}

/* --- split and together --- */

static bool spin_shared(void)
{
	return atomic_load_explicit(&pairing_nr_split, memory_order_relaxed) > 1;
}

static void spin_join(struct systrap_ctx *ctx)
{
	struct systrap_spin *s = &ctx->spin;

	s->split = false;
	ctx->page->spin = s->yields ? -1 : 0;
	cpu_pair_join(&ctx->pair);
	s->backoff = s->stops < GOOD_STOPS ? MIN(MAX(s->backoff * 2, 1U), (unsigned)MAX_BACKOFF) : 0;
	s->wait = s->backoff;
	s->run = s->quiet = s->heavy = s->answers = 0;
	if (!s->credit)
		atomic_store_explicit(&ctx->pair.dense, false, memory_order_relaxed);
	atomic_fetch_add_explicit(&nr_spun, s->stops, memory_order_relaxed);
}

static void spin_split(struct systrap_ctx *ctx)
{
	struct systrap_spin *s = &ctx->spin;

	pthread_once(&looks_once, looks_calibrate);
	s->arrivals = atomic_load(&pairing_arrivals);
	if (!cpu_pair_split(&ctx->pair))
		return;
	s->split = true;
	s->credit = MAX(s->credit, (unsigned)ENOUGH_CREDIT);
	s->stops = 0;
	s->run = 0;
	ctx->page->spin = (int32_t)guest_looks;
	atomic_fetch_add_explicit(&nr_splits, 1, memory_order_relaxed);
}

static void spin_charge(struct systrap_spin *s, unsigned credit)
{
	s->credit -= MIN(s->credit, credit);
}

/* RUN_STOPS more, not split. */
static void spin_consider(struct systrap_ctx *ctx)
{
	struct systrap_spin *s = &ctx->spin;
	bool dense = s->heavy <= s->run / 4 || s->answers >= s->run / 8;

	atomic_store_explicit(&ctx->pair.dense, dense && s->credit >= ENOUGH_CREDIT, memory_order_relaxed);
	s->run = s->heavy = s->answers = 0;
	if (s->credit < ENOUGH_CREDIT && spin_mode == PLATFORM_SPIN_AUTO) {
		s->quiet = 0;
		return;
	}
	if (s->wait) {
		s->wait--;
		return;
	}
	if (spin_mode == PLATFORM_SPIN_AUTO && !pairing_has_room(s->yields)) {
		s->quiet = 0;
		s->backoff = MIN(MAX(s->backoff * 2, 1U), (unsigned)MAX_BACKOFF);
		s->wait = s->backoff;
	} else if (++s->quiet >= QUIET_LOOKS || spin_mode == PLATFORM_SPIN_ALWAYS) {
		s->quiet = 0;
		spin_split(ctx);
	}
}

static void spin_check(struct systrap_ctx *ctx)
{
	struct systrap_spin *s = &ctx->spin;

	s->stops++;
	if (!s->credit || s->arrivals != atomic_load_explicit(&pairing_arrivals, memory_order_relaxed)) {
		spin_join(ctx);
	} else if (++s->run >= ROOM_STOPS) {
		s->run = 0;
		if (spin_mode == PLATFORM_SPIN_AUTO && (!pairing_has_room(true) || (spin_shared() && s->stops >= SHARED_STOPS)))
			spin_join(ctx);
	}
}

/* --- what happens --- */

void systrap_spin_stopped(struct systrap_ctx *ctx)
{
	struct systrap_spin *s = &ctx->spin;
	uint64_t now = pairing_clock(), took = now - s->last;

	pthread_once(&clock_once, clock_calibrate);
	s->last = now;
	served = ctx;
	if (!s->split)
		yield_check(ctx, took > late_cycles);
	if (spin_mode == PLATFORM_SPIN_NEVER)
		return;
	s->heavy += took > dense_cycles;
	if (took > long_cycles)
		spin_charge(s, took > late_cycles ? LATE_CREDIT : LONG_CREDIT);
	else
		s->credit = MIN(s->credit + 1, (unsigned)FULL_CREDIT);
	if (s->split)
		spin_check(ctx);
	else if (++s->run >= RUN_STOPS)
		spin_consider(ctx);
}

/* The sentry thread is about to sleep, or goes on. */
static void spin_sleeps(bool asleep)
{
	struct systrap_ctx *ctx = served;
	struct systrap_spin *s;
	uint64_t now;

	if (!ctx)
		return;
	s = &ctx->spin;
	now = pairing_clock();
	if (asleep) {
		s->asleep = now;
	} else {
		if (now - s->asleep > sleep_cycles)
			spin_charge(s, LONG_CREDIT);
		else
			s->answers++;
		s->last = now;
	}
	if (s->split)
		ctx->page->spin = asleep ? -GUEST_YIELDS : (int32_t)guest_looks;
}

/* The same as a guest thread's looking, but for the core that it has to itself, perhaps. */
static bool spin_wait_shared(struct systrap_ctx *ctx)
{
	uint64_t begin = pairing_clock();
	unsigned looks = SHARED_LOOKS;

	do {
		for (; looks; looks--) {
			if (atomic_load_explicit(&ctx->page->stops, memory_order_acquire) != ctx->stops)
				return true;
			__builtin_ia32_pause();
		}
		host_sched_yield();
		looks = 1;
	} while (pairing_clock() - begin < spin_cycles);
	return false;
}

bool systrap_spin_wait(struct systrap_ctx *ctx)
{
	struct systrap_spin *s = &ctx->spin;
	uint64_t begin, last, now;

	if (!s->split) {
		if (s->yields)
			host_sched_yield();
		return atomic_load_explicit(&ctx->page->stops, memory_order_acquire) != ctx->stops;
	}
	/* It is on this core, and comes first. */
	if (s->mapper)
		host_sched_yield();
	s->mapper = false;
	if (spin_shared())
		return spin_wait_shared(ctx);
	begin = last = pairing_clock();
	for (;;) {
		for (int i = 0; i < LOOKS; i++) {
			if (atomic_load_explicit(&ctx->page->stops, memory_order_acquire) != ctx->stops)
				return true;
			__builtin_ia32_pause();
		}
		now = pairing_clock();
		if (now - last > gap_cycles)
			spin_charge(s, LATE_CREDIT);
		last = now;
		if (now - begin > spin_cycles)
			return false;
	}
}

void systrap_spin_new_thread(struct systrap_ctx *ctx)
{
	ctx->spin = (struct systrap_spin){ .patience = MIN_PATIENCE };
}

void systrap_spin_lost_thread(struct systrap_ctx *ctx)
{
	if (served == ctx)
		served = NULL;
}

void systrap_spin_report(void)
{
	log_info("spinning: %lu times a guest thread and its sentry thread had a core each, for %lu stops",
		 atomic_load(&nr_splits), atomic_load(&nr_spun));
}
