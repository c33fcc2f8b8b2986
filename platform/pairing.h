/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which core a guest thread and the sentry thread that serves it run on.
 *
 * The two take turns: one sleeps while the other works.  A scheduler that knows nothing of that wakes each on the core that
 * is idle, and waking an idle core costs ten times the switch itself (50 us against 5 under virtualisation).  So both are
 * pinned to one core, at first the one the sentry thread happens to be on, and a new guest thread starts where the one that
 * made it runs, which is right for a shell that waits for its command.
 *
 * Pinned threads are not balanced by the host any more, so a balancer does it: every few milliseconds, while guests run, it
 * compares how much of the time the pairs of each core spent in the guest or waiting to.  A core that is wanted for more
 * than all of its time gives a pair to one that has much to spare.
 *
 * A pair may be split for a while: the sentry thread goes to another core, so that the two can wait for each other without sleeping.
 * That needs a core which nobody else wants.  What is known about it: how many of our pairs had work lately, how many threads
 * of the host can run at this moment, and that no new pair has come since.
 *
 * Where there are two cores only, several *dense* pairs, whose stops or sleeps are short, may share them: all guest threads are on
 * one core then, and all sentry threads on the other.  So one pair's sentry thread wakes another's on its own core, and what a guest
 * thread finds when it has its turn was in the cache.  Who waits there for long gives way to the others by sched_yield.
 *
 * Threads that a pinned thread makes inherit the pin.  A service thread of the sentry calls pairing_release_thread() first thing.
 */
#ifndef SENTRY_PLATFORM_PAIRING_H
#define SENTRY_PLATFORM_PAIRING_H

#include "sentry/base/list.h"
#include "sentry/base/types.h"

#define PAIRING_MAX_CPUS 1024

/* pairing_lock guards what is not marked. */
struct cpu_pair {
	struct list_head link;
	pid_t owner, runner; /* immutable while on the list */
	int cpu;	     /* -1: not pinned */
	bool restricted;     /* to `cpus`; else any core will do */
	uint64_t cpus[PAIRING_MAX_CPUS / 64];
	uint64_t seen;	     /* guest_time at the last look */
	uint64_t share;	     /* of the last period, in its units */
	bool split;	     /* the owner is elsewhere; the owner changes it, with pairing_lock */
	int home;	     /* where both were before */
	atomic_bool dense;   /* the owner: stops are short, or sleeps; a hint */
	/* Written by the owner, read by the balancer without lock. */
	_Atomic uint64_t entered;    /* cycle counter at the entry, 0 outside the guest */
	_Atomic uint64_t guest_time; /* cycles of the runs that are over */
};

/* Once; without it, or on a single core, the rest does nothing.  0 or -errno. */
int pairing_init(void);
/* No pair is left. */
void pairing_fini(void);
/* The calling thread is the owner.  Pins both; @runner_cpu: where the runner is known to be pinned, or -1. */
void cpu_pair_start(struct cpu_pair *pair, pid_t runner, int runner_cpu);
/*
 * The calling thread is the owner, and has started the pair.  Both stay where they are, since an owner is about to end, or to
 * start another pair.  Returns where the runner is pinned, or -1.
 */
int cpu_pair_stop(struct cpu_pair *pair);
/*
 * The cores the guest thread may use, now and later: a bit array of @size bytes.  Those the sentry itself may not use don't count.
 * The calling thread is the owner, or the pair was not started yet.
 */
void cpu_pair_set_cpus(struct cpu_pair *pair, const void *mask, size_t size);
/* Gives the calling thread the affinity that the sentry started with. */
void pairing_release_thread(void);

/*
 * Moves @tid, a helper that the calling thread is about to wait for, to the caller's core.  *inout_cpu is where it is (-1 at
 * first); the helper's calls are serialised by the caller.
 */
void pairing_bring(pid_t tid, int *inout_cpu);

/*
 * Whether there is a core for a split pair.  The calling thread is the owner of one that is to be split, or is; @both: its guest thread
 * is not asleep meanwhile, but waits awake or yields.  Asks the host: a few microseconds.
 */
bool pairing_has_room(bool both);
/* Changes when a pair comes: what pairing_has_room said is over. */
extern atomic_uint pairing_arrivals;
/* How many pairs are split. */
extern atomic_uint pairing_nr_split;
/* The calling thread is the owner, and leaves the pair's core.  False: it can't. */
bool cpu_pair_split(struct cpu_pair *pair);
/* And comes back. */
void cpu_pair_join(struct cpu_pair *pair);

/* Wakes the balancer. */
void pairing_wake(void);
extern atomic_bool pairing_asleep;

static inline uint64_t pairing_clock(void)
{
	return __builtin_ia32_rdtsc();
}

/* Around each run of the guest. */
static inline void cpu_pair_enter(struct cpu_pair *pair)
{
	atomic_store_explicit(&pair->entered, pairing_clock(), memory_order_relaxed);
	if (unlikely(atomic_load_explicit(&pairing_asleep, memory_order_relaxed)))
		pairing_wake();
}

static inline void cpu_pair_leave(struct cpu_pair *pair)
{
	uint64_t entered = atomic_load_explicit(&pair->entered, memory_order_relaxed);
	uint64_t total = atomic_load_explicit(&pair->guest_time, memory_order_relaxed);

	atomic_store_explicit(&pair->guest_time, total + (pairing_clock() - entered), memory_order_relaxed);
	atomic_store_explicit(&pair->entered, 0, memory_order_relaxed);
}

#endif
