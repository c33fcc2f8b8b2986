/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Timers: a function that is called once at a time.
 *
 * One service thread, started by the first timer, sleeps until the earliest deadline and calls the functions without locks.
 * A function may arm its timer again; it must not block for long.
 *
 * Locks: the timer lock (internal) is a leaf.
 */
#ifndef SENTRY_BASE_TIMER_H
#define SENTRY_BASE_TIMER_H

#include "sentry/base/rbtree.h"
#include "sentry/base/waitq.h"

struct timer {
	struct rb_node rb;	/* timer lock, as all below */
	int64_t deadline;	/* CLOCK_MONOTONIC nanoseconds */
	bool armed;
	bool running;
	void (*fn)(struct timer *t);
	void *data;
};

void timer_init(struct timer *t, void (*fn)(struct timer *t), void *data);
/* Calls the function at @deadline (at once when it has passed); replaces an earlier arming.  0 or -ENOMEM (no thread). */
int timer_arm(struct timer *t, int64_t deadline);
/* After it returns the function is not running (unless it is the caller) and will not run.  The caller holds no lock that it takes. */
void timer_cancel(struct timer *t);

#endif
