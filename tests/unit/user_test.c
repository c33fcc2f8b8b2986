/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/kernel/user.h"

#include <criterion/criterion.h>
#include <pthread.h>

TestSuite(user, .timeout = 400);

Test(user, one_per_uid)
{
	struct user *a = user_find_get(1), *b = user_find_get(65), *again = user_find_get(1);

	cr_assert_eq(a, again);
	cr_assert_neq(a, b);
	cr_assert_eq(b->uid, 65);
	atomic_fetch_add(&a->nr_tasks, 1);
	user_put(a);
	cr_assert_eq(atomic_load(&again->nr_tasks), 1);
	user_put(again);
	/* The counters went with the last reference. */
	a = user_find_get(1);
	cr_assert_eq(atomic_load(&a->nr_tasks), 0);
	user_put(a);
	user_put(b);
	user_put(NULL);
}

static void *get_and_put(void *arg)
{
	for (int i = 0; i < 20000; i++) {
		struct user *u = user_find_get(7);

		atomic_fetch_add(&u->nr_tasks, 1);
		atomic_fetch_sub(&u->nr_tasks, 1);
		user_put(u);
	}
	return arg;
}

Test(user, look_ups_against_the_last_put)
{
	pthread_t t[3];

	for (int i = 0; i < 3; i++)
		pthread_create(&t[i], NULL, get_and_put, NULL);
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
}
