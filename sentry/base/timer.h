/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Timers: a function that is called once at a time.
 *
 * One service thread, started by the first timer, sleeps until the earliest deadline and calls the functions one after the
 * other, without locks of its own held.  A function must not block for long; it may arm its own timer again, or free it
 * unless somebody may call timer_cancel on it.
 *
 * Locks: the timer lock (internal) is a leaf.
 */
#ifndef SENTRY_BASE_TIMER_H
#define SENTRY_BASE_TIMER_H

#include "sentry/base/rbtree.h"
#include "sentry/base/waitq.h"

struct timer {
	struct rb_node rb;   /* timer lock, as all below but fn and data */
	deadline_t deadline; /* when it fires, while armed */
	bool armed;
	unsigned nr_cancelling; /* threads in timer_cancel: it can't be armed meanwhile */
	void (*fn)(struct timer *t);
	void *data;
};

void timer_init(struct timer *t, void (*fn)(struct timer *t), void *data);
/*
 * Calls the function at @deadline (at once when it has passed), replacing an earlier arming; NO_DEADLINE only disarms.
 * 0, or -LINUX_ENOMEM when the service thread can't be started (then not armed).
 */
int timer_arm(struct timer *t, deadline_t deadline);
/* Disarms, under any lock.  True: it was armed, and the function won't run; false: it may be running. */
bool timer_disarm(struct timer *t);
/*
 * Disarms and waits, also for a function that arms its timer again and again: after it returns the function is not
 * running (unless it is the caller) and will not run.  The caller holds no lock that the function takes.
 */
void timer_cancel(struct timer *t);

/*
 * Moves *expires behind @now by whole intervals, of which @interval nanoseconds are one; returns how many that took.  A guest may ask
 * for intervals of centuries: what would be beyond all time is NO_DEADLINE.
 */
static inline int64_t timer_forward(int64_t *expires, int64_t now, int64_t interval)
{
	int64_t n, by;

	if (*expires > now)
		return 0;
	n = (now - *expires) / interval + 1;
	if (__builtin_mul_overflow(n, interval, &by) || __builtin_add_overflow(*expires, by, expires))
		*expires = NO_DEADLINE;
	return n;
}

#endif
