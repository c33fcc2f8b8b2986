/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/kernel/pid.h"

#include <stdlib.h>

#include "sentry/abi/errno.h"

struct mutex pids_lock = MUTEX_INIT;

static struct rb_root pids = RB_ROOT;	 /* pids_lock; by number */
static int last_pid;			 /* pids_lock */
static bool wrapped;			 /* pids_lock; the numbers have gone round once */
static unsigned max_pid = PID_MAX;	 /* pids_lock */
static unsigned limit;			 /* pids_lock */
static unsigned nr_charged;		 /* pids_lock to change */

static struct pid *to_pid(struct rb_node *n)
{
	return n ? rb_entry(n, struct pid, rb) : NULL;
}

static int pid_cmp(const struct rb_node *x, const struct rb_node *y)
{
	int a = to_pid((struct rb_node *)x)->nr, b = to_pid((struct rb_node *)y)->nr;

	return (a > b) - (a < b);
}

struct pid *pid_next_locked(int nr)
{
	struct rb_node *n = pids.node;
	struct pid *best = NULL;

	mutex_assert_held(&pids_lock);
	while (n) {
		struct pid *p = to_pid(n);

		if (p->nr == nr)
			return p;
		if (p->nr > nr) {
			best = p;
			n = n->left;
		} else {
			n = n->right;
		}
	}
	return best;
}

struct pid *pid_find_locked(int nr)
{
	struct pid *p = pid_next_locked(nr);

	return p && p->nr == nr ? p : NULL;
}

struct pid *pid_find_get(int nr)
{
	struct pid *p;

	MUTEX_GUARD(&pids_lock);
	p = pid_find_locked(nr);
	return p ? pid_get(p) : NULL;
}

/* The first free number in [from, to), or 0. */
static int pid_free_nr(int from, int to)
{
	struct pid *p = pid_next_locked(from);

	while (from < to && p && p->nr == from) {
		from++;
		p = to_pid(rb_next(&p->rb));
	}
	return from < to ? from : 0;
}

/* Cyclic, as idr_alloc_cyclic in Linux: the number behind the newest, and after the first round none below PID_RESERVED. */
static int pid_choose_nr(void)
{
	int low = wrapped ? PID_RESERVED : 1, nr;

	nr = pid_free_nr(MAX(last_pid + 1, low), (int)max_pid);
	if (!nr) {
		wrapped = true;
		nr = pid_free_nr(MIN(PID_RESERVED, (int)max_pid / 2), (int)max_pid);
	}
	return nr;
}

struct pid *pid_alloc_locked(int want)
{
	struct pid *p;
	int nr = want;

	if (want && (want < 0 || (unsigned)want >= max_pid))
		return ERR_PTR(-LINUX_EINVAL);
	if (want && pid_find_locked(want))
		return ERR_PTR(-LINUX_EEXIST);
	if (!want)
		nr = pid_choose_nr();
	if (!nr)
		return ERR_PTR(-LINUX_EAGAIN);
	p = calloc(1, sizeof(*p));
	if (!p)
		return ERR_PTR(-LINUX_ENOMEM);
	ref_init(&p->ref);
	p->nr = nr;
	p->uses = 1;
	list_init(&p->pgrp);
	list_init(&p->session);
	waitq_init(&p->wait);
	rb_insert(&pids, &p->rb, pid_cmp);
	if (!want)
		last_pid = nr;
	return p;
}

void pid_put(struct pid *pid)
{
	if (!pid || !ref_put(&pid->ref))
		return;
	BUG_ON(pid->uses);
	waitq_fini(&pid->wait);
	free(pid);
}

void pid_use_locked(struct pid *pid)
{
	mutex_assert_held(&pids_lock);
	BUG_ON(!pid->uses);
	pid->uses++;
}

void pid_unuse_locked(struct pid *pid)
{
	mutex_assert_held(&pids_lock);
	BUG_ON(!pid->uses);
	if (--pid->uses == 0)
		rb_erase(&pids, &pid->rb);
}

void pids_set_limit(unsigned new_limit)
{
	MUTEX_GUARD(&pids_lock);
	limit = new_limit;
}

unsigned pids_limit(void)
{
	return READ_ONCE(limit);
}

unsigned pids_count(void)
{
	return READ_ONCE(nr_charged);
}

unsigned pids_max(void)
{
	return READ_ONCE(max_pid);
}

int pids_last(void)
{
	return READ_ONCE(last_pid);
}

int pids_set_max(unsigned max)
{
	if (max <= PID_RESERVED || max > PID_MAX_LIMIT)
		return -LINUX_EINVAL;
	MUTEX_GUARD(&pids_lock);
	max_pid = max;
	return 0;
}

bool pids_charge_locked(void)
{
	mutex_assert_held(&pids_lock);
	if (limit && nr_charged >= limit)
		return false;
	nr_charged++;
	return true;
}

void pids_uncharge_locked(void)
{
	mutex_assert_held(&pids_lock);
	BUG_ON(!nr_charged);
	nr_charged--;
}
