/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/base/timer.h"

#include <criterion/criterion.h>
#include <stdlib.h>

TestSuite(timer, .timeout = 400);

#define MS 1000000LL

struct counter {
	struct timer timer;
	struct waitq waitq;
	atomic_int entered, fired;
	atomic_bool rearm, slow;
};

static void counter_fire(struct timer *t)
{
	struct counter *c = t->data;
	deadline_t end = deadline_after(20 * MS);

	atomic_fetch_add(&c->entered, 1);
	waitq_wake(&c->waitq, 0);
	while (c->slow && monotonic_ns() < end)
		sleeper_sleep(SLEEP_UNINTERRUPTIBLE, end);
	atomic_fetch_add(&c->fired, 1);
	if (c->rearm)
		timer_arm(t, 0);
	waitq_wake(&c->waitq, 0);
}

static void counter_init(struct counter *c)
{
	timer_init(&c->timer, counter_fire, c);
	waitq_init(&c->waitq);
	atomic_init(&c->entered, 0);
	atomic_init(&c->fired, 0);
	atomic_init(&c->rearm, false);
	atomic_init(&c->slow, false);
}

static void counter_wait(struct counter *c, int nr)
{
	cr_assert_eq(waitq_wait(&c->waitq, c->fired >= nr, SLEEP_UNINTERRUPTIBLE, deadline_after(10000 * MS)), 0);
}

Test(timer, fires_at_its_time)
{
	static struct counter c;
	int64_t start = monotonic_ns();

	counter_init(&c);
	cr_assert_eq(timer_arm(&c.timer, start + 30 * MS), 0);
	counter_wait(&c, 1);
	cr_assert_geq(monotonic_ns(), start + 30 * MS);
	cr_assert_eq(timer_arm(&c.timer, 0), 0);
	counter_wait(&c, 2);
	cr_assert_not(timer_disarm(&c.timer));
}

Test(timer, moving_and_disarming)
{
	static struct counter c, other;

	counter_init(&c);
	counter_init(&other);
	cr_assert_eq(timer_arm(&c.timer, NO_DEADLINE), 0);
	cr_assert_not(timer_disarm(&c.timer));
	timer_arm(&c.timer, deadline_after(3600 * 1000 * MS));
	cr_assert(timer_disarm(&c.timer));
	timer_arm(&c.timer, deadline_after(10 * MS));
	timer_arm(&c.timer, NO_DEADLINE);
	/* A later one proves that the service thread went past the time of the first. */
	timer_arm(&other.timer, deadline_after(30 * MS));
	counter_wait(&other, 1);
	cr_assert_eq(c.fired, 0);
	/* An earlier deadline must wake the thread that sleeps for a later one. */
	timer_arm(&other.timer, deadline_after(3600 * 1000 * MS));
	timer_arm(&c.timer, deadline_after(5 * MS));
	counter_wait(&c, 1);
	timer_cancel(&other.timer);
	cr_assert_eq(other.fired, 1);
}

Test(timer, cancel_waits_for_the_function)
{
	static struct counter c;

	for (int i = 0; i < 5; i++) {
		counter_init(&c);
		c.slow = c.rearm = true;
		timer_arm(&c.timer, 0);
		cr_assert_eq(waitq_wait(&c.waitq, c.entered, SLEEP_UNINTERRUPTIBLE, NO_DEADLINE), 0);
		cr_assert_eq(c.fired, 0);
		timer_cancel(&c.timer);
		cr_assert_eq(c.fired, 1);
		cr_assert_not(c.timer.armed);
	}
}

static atomic_int freed;

static void free_fire(struct timer *t)
{
	free(t);
	atomic_fetch_add(&freed, 1);
}

Test(timer, a_function_may_free_its_timer_and_order_is_kept)
{
	static struct counter last;
	int64_t base = deadline_after(20 * MS);

	for (int i = 0; i < 200; i++) {
		struct timer *t = malloc(sizeof(*t));

		timer_init(t, free_fire, NULL);
		cr_assert_eq(timer_arm(t, base + (i * 7919) % 200), 0);
	}
	counter_init(&last);
	timer_arm(&last.timer, base + 200);
	counter_wait(&last, 1);
	cr_assert_eq(freed, 200);
}

static void *arm_storm(void *arg)
{
	struct counter *c = arg;

	for (int i = 0; i < 20000; i++) {
		timer_arm(&c->timer, i % 3 ? 0 : deadline_after(i % 1000));
		if (i % 5 == 0)
			timer_disarm(&c->timer);
		if (i % 64 == 0)
			timer_cancel(&c->timer);
	}
	timer_cancel(&c->timer);
	return NULL;
}

Test(timer, storm)
{
	static struct counter c[3];
	pthread_t t[3];

	for (int i = 0; i < 3; i++) {
		counter_init(&c[i]);
		pthread_create(&t[i], NULL, arm_storm, &c[i]);
	}
	for (int i = 0; i < 3; i++) {
		pthread_join(t[i], NULL);
		cr_assert_not(c[i].timer.armed);
	}
}
