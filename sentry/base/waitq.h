/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sleeping and waking.
 *
 * A sleeper is one sentry thread that may block.  A waitq is a set of entries, each with a wake function: a sleeping
 * thread, an epoll item, a poll table.  The pattern is Linux's: put the entry on the queue, test the condition, sleep,
 * test again; a wake between test and sleep is not lost because the sleeper's word was set.
 *
 *     waiter                                   waker
 *     waitq_add(q, entry)
 *     while (!condition)                       make condition true (under its own lock)
 *             sleeper_sleep(deadline)          waitq_wake(q, key)  -> sleeper_wake()
 *     waitq_del(q, entry)
 *
 * Interruption: the kernel layer sets `interrupted` on a task's sleeper while the task has a signal to act on (or has
 * been killed), and every interruptible sleep then returns -LINUX_ERESTARTSYS.  `killable` sleeps look only at `killed`.
 *
 * Locks: a waitq's lock is a leaf but for what a wake function takes; a wake function runs under it and must not sleep,
 * must not wake its own queue, and may take only locks documented as "below waitq".
 */
#ifndef SENTRY_BASE_WAITQ_H
#define SENTRY_BASE_WAITQ_H

#include "sentry/base/list.h"
#include "sentry/base/lock.h"

/* A time to wake at: nanoseconds on the host's CLOCK_MONOTONIC, or NO_DEADLINE. */
typedef int64_t deadline_t;
#define NO_DEADLINE INT64_MAX

/* Host monotonic now, in nanoseconds (vDSO, no host syscall). */
int64_t monotonic_ns(void);
int64_t realtime_ns(void);
/* now + @ns without overflow; a negative @ns means NO_DEADLINE. */
deadline_t deadline_after(int64_t ns);

struct sleeper {
	atomic_uint word;	 /* futex: 1 = woken */
	atomic_bool interrupted; /* a signal waits: interruptible sleeps end */
	atomic_bool killed;	 /* the task must die: killable sleeps end too */
	atomic_ulong nr_sleeps;	 /* how often it slept: voluntary context switches */
};

/* The calling thread's sleeper.  Threads without a task (timers, flushers) get one of their own on first use. */
struct sleeper *sleeper_self(void);
/* Makes @s the calling thread's; NULL returns to the default one.  Borrows @s. */
void sleeper_set_self(struct sleeper *s);
void sleeper_init(struct sleeper *s);
/* Whether the thread of @s is asleep: for /proc. */
bool sleeper_asleep(const struct sleeper *s);
/* Wakes @s, now or at its next sleep.  Any thread, any lock. */
void sleeper_wake(struct sleeper *s);
/*
 * Between the two the host is told of the calling thread's wakes at the end only: who wakes up would just wait for the lock that is
 * held here.  They nest.  A woken thread may run before, and its sleeper be gone by then; a wake too many is no harm.
 */
void sleeper_wakes_hold(void);
void sleeper_wakes_release(void);

enum sleep_mode { SLEEP_INTERRUPTIBLE, SLEEP_KILLABLE, SLEEP_UNINTERRUPTIBLE };

/*
 * Sleeps until woken, interrupted (per @mode) or @deadline.  Returns 0 when woken (perhaps spuriously: test the
 * condition), -LINUX_ETIMEDOUT, or -LINUX_ERESTARTSYS.  Consumes a wake that came before it.
 */
int sleeper_sleep(enum sleep_mode mode, deadline_t deadline);
/* The platform's: called by a thread that is about to block, and again (false) when it goes on.  Set once; NULL: nobody's. */
extern void (*sleeper_blocks)(bool asleep);

struct waitq_entry;
/* @key: poll event bits (LINUX_EPOLL*), 0 = all.  Returns true when this entry used up an exclusive wake. */
typedef bool (*waitq_wake_fn)(struct waitq_entry *e, unsigned key);

struct waitq_entry {
	struct list_head link; /* waitq.lock */
	waitq_wake_fn wake;
	void *data;
	bool exclusive; /* at most nr exclusive entries are woken by waitq_wake_nr */
};

struct waitq {
	struct mutex lock;
	struct list_head entries; /* lock */
	atomic_uint nr_entries;	  /* written under lock; read without it by waitq_active */
};

#define WAITQ_INIT(name) { .lock = MUTEX_INIT, .entries = LIST_HEAD_INIT((name).entries) }
void waitq_init(struct waitq *q);
/* The queue must be empty. */
void waitq_fini(struct waitq *q);

/* An entry that wakes the calling thread's sleeper. */
void waitq_entry_init(struct waitq_entry *e);
void waitq_entry_init_fn(struct waitq_entry *e, waitq_wake_fn wake, void *data);
/* Non-exclusive entries go to the head, exclusive ones to the tail. */
void waitq_add(struct waitq *q, struct waitq_entry *e);
/* No effect when @e is on no queue.  After it returns the wake function is not running and will not run. */
void waitq_del(struct waitq *q, struct waitq_entry *e);
/* Wakes all entries. */
void waitq_wake(struct waitq *q, unsigned key);
/* Wakes all non-exclusive and at most @nr exclusive entries. */
void waitq_wake_nr(struct waitq *q, unsigned key, int nr);
/* A hint read without the lock; safe after a full barrier that orders it behind the condition's store. */
static inline bool waitq_active(const struct waitq *q)
{
	atomic_thread_fence(memory_order_seq_cst);
	return atomic_load_explicit(&q->nr_entries, memory_order_relaxed) != 0;
}

/*
 * Waits on @q until @cond (an expression, evaluated without locks) is true.  Value: 0, -LINUX_ETIMEDOUT or
 * -LINUX_ERESTARTSYS.
 */
#define waitq_wait(q, cond, mode, deadline)                                                                            \
	({                                                                                                             \
		struct waitq_entry we_;                                                                                \
		int ret_ = 0;                                                                                          \
                                                                                                                       \
		if (!(cond)) {                                                                                         \
			waitq_entry_init(&we_);                                                                        \
			waitq_add((q), &we_);                                                                          \
			while (!(cond)) {                                                                              \
				ret_ = sleeper_sleep((mode), (deadline));                                              \
				if (ret_) {                                                                            \
					if (cond)                                                                      \
						ret_ = 0;                                                              \
					break;                                                                         \
				}                                                                                      \
			}                                                                                              \
			waitq_del((q), &we_);                                                                          \
		}                                                                                                      \
		ret_;                                                                                                  \
	})

/* The same with @lock (struct mutex *) held around each evaluation of @cond and on return, dropped while asleep. */
#define waitq_wait_locked(q, lk, cond, mode, deadline)                                                                 \
	({                                                                                                             \
		struct waitq_entry we_;                                                                                \
		int ret_ = 0;                                                                                          \
                                                                                                                       \
		if (!(cond)) {                                                                                         \
			waitq_entry_init(&we_);                                                                        \
			waitq_add((q), &we_);                                                                          \
			while (!(cond)) {                                                                              \
				mutex_unlock(lk);                                                                      \
				ret_ = sleeper_sleep((mode), (deadline));                                              \
				mutex_lock(lk);                                                                        \
				if (ret_) {                                                                            \
					if (cond)                                                                      \
						ret_ = 0;                                                              \
					break;                                                                         \
				}                                                                                      \
			}                                                                                              \
			waitq_del((q), &we_);                                                                          \
		}                                                                                                      \
		ret_;                                                                                                  \
	})

#endif
