/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>

#include "sentry/abi/errno.h"
#include "sentry/base/timer.h"

static struct mutex timer_lock = MUTEX_INIT;
static pthread_cond_t timer_idle = PTHREAD_COND_INITIALIZER; /* a function returned */
static struct rb_root timers = RB_ROOT;
static struct sleeper timer_sleeper;
static pthread_t timer_thread;
static bool timer_started; /* timer_lock */

static int timer_cmp(const struct rb_node *x, const struct rb_node *y)
{
	int64_t a = rb_entry(x, const struct timer, rb)->deadline, b = rb_entry(y, const struct timer, rb)->deadline;

	return a < b ? -1 : a > b;
}

/* Takes the first timer that is due; else the time to sleep until. */
static struct timer *timer_pop_due_locked(int64_t now, deadline_t *ret_next)
{
	struct timer *t = rb_entry_or_null(rb_first(&timers), struct timer, rb);

	*ret_next = NO_DEADLINE;
	if (!t)
		return NULL;
	if (t->deadline > now) {
		*ret_next = t->deadline;
		return NULL;
	}
	rb_erase(&timers, &t->rb);
	t->armed = false;
	t->running = true;
	return t;
}

static void *timer_main(void *arg)
{
	(void)arg;
	sleeper_set_self(&timer_sleeper);
	mutex_lock(&timer_lock);
	for (;;) {
		deadline_t next;
		struct timer *t = timer_pop_due_locked(monotonic_ns(), &next);

		mutex_unlock(&timer_lock);
		if (t)
			t->fn(t);
		else
			sleeper_sleep(SLEEP_UNINTERRUPTIBLE, next);
		mutex_lock(&timer_lock);
		if (t) {
			t->running = false;
			pthread_cond_broadcast(&timer_idle);
		}
	}
	return NULL;
}

static int timer_start_locked(void)
{
	pthread_attr_t attr;
	sigset_t all, old;
	int err;

	if (timer_started)
		return 0;
	sleeper_init(&timer_sleeper);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 256 << 10);
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	err = pthread_create(&timer_thread, &attr, timer_main, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (err)
		return -LINUX_ENOMEM;
	pthread_detach(timer_thread);
	timer_started = true;
	return 0;
}

void timer_init(struct timer *t, void (*fn)(struct timer *t), void *data)
{
	*t = (struct timer){ .fn = fn, .data = data };
}

int timer_arm(struct timer *t, int64_t deadline)
{
	bool first;
	int err;

	mutex_lock(&timer_lock);
	err = timer_start_locked();
	if (err) {
		mutex_unlock(&timer_lock);
		return err;
	}
	if (t->armed)
		rb_erase(&timers, &t->rb);
	t->deadline = deadline;
	t->armed = true;
	rb_insert(&timers, &t->rb, timer_cmp);
	first = rb_first(&timers) == &t->rb;
	mutex_unlock(&timer_lock);
	if (first)
		sleeper_wake(&timer_sleeper);
	return 0;
}

void timer_cancel(struct timer *t)
{
	mutex_lock(&timer_lock);
	for (;;) {
		if (t->armed)
			rb_erase(&timers, &t->rb);
		t->armed = false;
		if (!t->running || (timer_started && pthread_equal(pthread_self(), timer_thread)))
			break;
		pthread_cond_wait(&timer_idle, &timer_lock.m); /* may arm itself again: look again */
		timer_lock.owner = pthread_self();
		timer_lock.held = true;
	}
	mutex_unlock(&timer_lock);
}
