/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/kernel/pid.h"

#include <criterion/criterion.h>

#include "sentry/abi/errno.h"

TestSuite(pid, .timeout = 400);

static struct pid *take(int want)
{
	struct pid *p;

	MUTEX_GUARD(&pids_lock);
	p = pid_alloc_locked(want);
	return p;
}

static void give(struct pid *p)
{
	mutex_lock(&pids_lock);
	pid_unuse_locked(p);
	mutex_unlock(&pids_lock);
	pid_put(p);
}

Test(pid, the_first_is_1_and_they_go_up)
{
	for (int i = 1; i <= 5; i++)
		cr_assert_eq(take(0)->nr, i);
	cr_assert_eq(pids_last(), 5);
}

Test(pid, a_free_number_is_not_reused_at_once)
{
	struct pid *p = take(0);

	take(0);
	give(p);
	cr_assert_eq(take(0)->nr, 3);
}

Test(pid, after_the_first_round_low_numbers_stay_free)
{
	struct pid *p = NULL;

	for (int i = 1; i < PID_MAX; i++) {
		p = take(0);
		cr_assert_eq(p->nr, i);
		if (i == 5 || i == PID_RESERVED + 7 || i == PID_RESERVED + 9)
			give(p);
	}
	cr_assert_eq(take(0)->nr, PID_RESERVED + 7);
	cr_assert_eq(take(0)->nr, PID_RESERVED + 9);
	/* 5 is free, but reserved. */
	cr_assert_eq(PTR_ERR(take(0)), -LINUX_EAGAIN);
	cr_assert_eq(take(5)->nr, 5);
}

Test(pid, a_wanted_number)
{
	struct pid *p = take(77);

	cr_assert_eq(p->nr, 77);
	cr_assert_eq(PTR_ERR(take(77)), -LINUX_EEXIST);
	cr_assert_eq(PTR_ERR(take(-1)), -LINUX_EINVAL);
	cr_assert_eq(PTR_ERR(take(PID_MAX)), -LINUX_EINVAL);
	cr_assert_eq(take(0)->nr, 1);
	give(p);
	cr_assert_eq(take(77)->nr, 77);
}

Test(pid, a_number_is_in_use_while_anything_has_it)
{
	struct pid *p = take(0), *ref = pid_get(p);

	mutex_lock(&pids_lock);
	pid_use_locked(p); /* a group of that number */
	pid_unuse_locked(p); /* the process is gone */
	cr_assert_eq(pid_find_locked(1), p);
	pid_unuse_locked(p); /* the group's last member too */
	cr_assert_null(pid_find_locked(1));
	mutex_unlock(&pids_lock);
	pid_put(p);
	/* A newcomer of that number is another object than the one still referred to. */
	cr_assert_neq(take(1), ref);
	cr_assert_eq(ref->nr, 1);
	pid_put(ref);
}

Test(pid, walking)
{
	struct pid *p;

	take(3);
	take(9);
	take(100);
	mutex_lock(&pids_lock);
	p = pid_next_locked(0);
	cr_assert_eq(p->nr, 3);
	p = pid_next_locked(4);
	cr_assert_eq(p->nr, 9);
	p = pid_next_locked(9);
	cr_assert_eq(p->nr, 9);
	p = pid_next_locked(10);
	cr_assert_eq(p->nr, 100);
	cr_assert_null(pid_next_locked(101));
	mutex_unlock(&pids_lock);
}

Test(pid, limits)
{
	pids_set_limit(2);
	cr_assert_eq(pids_limit(), 2);
	mutex_lock(&pids_lock);
	cr_assert(pids_charge_locked());
	cr_assert(pids_charge_locked());
	cr_assert_not(pids_charge_locked());
	pids_uncharge_locked();
	cr_assert(pids_charge_locked());
	mutex_unlock(&pids_lock);
	cr_assert_eq(pids_count(), 2);
	cr_assert_eq(pids_set_max(PID_RESERVED), -LINUX_EINVAL);
	cr_assert_eq(pids_set_max(PID_MAX_LIMIT + 1), -LINUX_EINVAL);
	cr_assert_eq(pids_set_max(1000), 0);
	cr_assert_eq(PTR_ERR(take(1000)), -LINUX_EINVAL);
	cr_assert_eq(take(999)->nr, 999);
}
