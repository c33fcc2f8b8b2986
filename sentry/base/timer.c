/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/base/timer.h"

#include <pthread.h>

#include "sentry/abi/errno.h"

static struct mutex timer_lock = MUTEX_INIT;
static struct rb_root timers = RB_ROOT;	  /* timer_lock; by deadline */
static bool timer_started;		  /* timer_lock */
static struct timer *timer_running;	  /* timer_lock; whose function is called just now: never dereferenced */
static struct waitq timer_idle = WAITQ_INIT(timer_idle); /* timer_running changed */
static struct sleeper timer_sleeper;
static pthread_t timer_thread;

static int timer_cmp(const struct rb_node *x, const struct rb_node *y)
{
	deadline_t a = rb_entry((struct rb_node *)x, struct timer, rb)->deadline;
	deadline_t b = rb_entry((struct rb_node *)y, struct timer, rb)->deadline;

	return (a > b) - (a < b);
}

static bool timer_disarm_locked(struct timer *t)
{
	if (!t->armed)
		return false;
	rb_erase(&timers, &t->rb);
	t->armed = false;
	return true;
}

/* Calls the first timer if it is due.  Otherwise returns the time to sleep until. */
static bool timer_run_due(deadline_t *ret_next)
{
	struct timer *t;
	bool due;

	mutex_lock(&timer_lock);
	t = rb_entry_or_null(rb_first(&timers), struct timer, rb);
	*ret_next = t ? t->deadline : NO_DEADLINE;
	due = t && t->deadline <= monotonic_ns();
	if (due) {
		timer_disarm_locked(t);
		timer_running = t;
	}
	mutex_unlock(&timer_lock);
	if (!due)
		return false;
	t->fn(t); /* may free it */
	mutex_lock(&timer_lock);
	timer_running = NULL;
	mutex_unlock(&timer_lock);
	waitq_wake(&timer_idle, 0);
	return true;
}

static void *timer_main(void *arg __unused)
{
	sleeper_set_self(&timer_sleeper);
	for (;;) {
		deadline_t next;

		if (!timer_run_due(&next))
			sleeper_sleep(SLEEP_UNINTERRUPTIBLE, next);
	}
	return NULL;
}

static int timer_start_locked(void)
{
	pthread_attr_t attr;
	int err;

	if (timer_started)
		return 0;
	sleeper_init(&timer_sleeper);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 256 << 10);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	err = pthread_create(&timer_thread, &attr, timer_main, NULL);
	pthread_attr_destroy(&attr);
	if (err)
		return -LINUX_ENOMEM;
	timer_started = true;
	return 0;
}

void timer_init(struct timer *t, void (*fn)(struct timer *t), void *data)
{
	*t = (struct timer){ .fn = fn, .data = data };
}

int timer_arm(struct timer *t, deadline_t deadline)
{
	bool first = false;
	int err = 0;

	mutex_lock(&timer_lock);
	timer_disarm_locked(t);
	/* An arming while somebody cancels counts as having come before. */
	if (deadline != NO_DEADLINE && !t->nr_cancelling) {
		err = timer_start_locked();
		if (err)
			goto out;
		t->deadline = deadline;
		t->armed = true;
		rb_insert(&timers, &t->rb, timer_cmp);
		first = rb_first(&timers) == &t->rb;
	}
out:
	mutex_unlock(&timer_lock);
	if (first)
		sleeper_wake(&timer_sleeper);
	return err;
}

bool timer_disarm(struct timer *t)
{
	MUTEX_GUARD(&timer_lock);

	return timer_disarm_locked(t);
}

void timer_cancel(struct timer *t)
{
	mutex_lock(&timer_lock);
	timer_disarm_locked(t);
	if (!timer_started || !pthread_equal(pthread_self(), timer_thread)) {
		t->nr_cancelling++;
		waitq_wait_locked(&timer_idle, &timer_lock, timer_running != t, SLEEP_UNINTERRUPTIBLE, NO_DEADLINE);
		t->nr_cancelling--;
	}
	mutex_unlock(&timer_lock);
}
