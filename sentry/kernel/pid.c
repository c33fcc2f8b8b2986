/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/kernel/pid.h"

#include <stdlib.h>

#include "sentry/abi/errno.h"
#include "vfs/user_ns.h"

struct mutex pids_lock = MUTEX_INIT;

static unsigned max_pid = PID_MAX;	 /* pids_lock */
static unsigned limit;			 /* pids_lock */
static unsigned nr_charged;		 /* pids_lock to change */

struct pid_namespace init_pid_ns = { .ns = NS_INIT(NS_PID, NS_INUM_PID, &init_user_ns), .pids = RB_ROOT };
_Thread_local struct pid_namespace *pid_view;

static struct upid *to_upid(struct rb_node *n)
{
	return n ? rb_entry(n, struct upid, rb) : NULL;
}

static int upid_cmp(const struct rb_node *x, const struct rb_node *y)
{
	int a = to_upid((struct rb_node *)x)->nr, b = to_upid((struct rb_node *)y)->nr;

	return (a > b) - (a < b);
}

static struct upid *upid_next_locked(const struct pid_namespace *ns, int nr)
{
	struct rb_node *n = ns->pids.node;
	struct upid *best = NULL;

	mutex_assert_held(&pids_lock);
	while (n) {
		struct upid *p = to_upid(n);

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

struct pid *pid_next_locked(int nr)
{
	struct upid *u = upid_next_locked(pid_view ? pid_view : &init_pid_ns, nr);

	return u ? u->pid : NULL;
}

struct pid *pid_find_locked(int nr)
{
	struct upid *u = upid_next_locked(pid_view ? pid_view : &init_pid_ns, nr);

	return u && u->nr == nr ? u->pid : NULL;
}

struct pid *pid_find_get(int nr)
{
	struct pid *p;

	MUTEX_GUARD(&pids_lock);
	p = pid_find_locked(nr);
	return p ? pid_get(p) : NULL;
}

/* The first free number in [from, to), or 0. */
static int pid_free_nr(const struct pid_namespace *ns, int from, int to)
{
	struct upid *u = upid_next_locked(ns, from);

	while (from < to && u && u->nr == from) {
		from++;
		u = to_upid(rb_next(&u->rb));
	}
	return from < to ? from : 0;
}

/* Cyclic, as idr_alloc_cyclic in Linux: the number behind the newest, and after the first round none below PID_RESERVED. */
static int pid_choose_nr(struct pid_namespace *ns)
{
	int low = ns->wrapped ? PID_RESERVED : 1, nr;

	nr = pid_free_nr(ns, MAX(ns->last_pid + 1, low), (int)max_pid);
	if (!nr) {
		ns->wrapped = true;
		nr = pid_free_nr(ns, MIN(PID_RESERVED, (int)max_pid / 2), (int)max_pid);
	}
	return nr;
}

static void upid_erase(struct pid *p, unsigned level)
{
	rb_erase(&p->numbers[level].ns->pids, &p->numbers[level].rb);
}

/* A number for @p in @ns, one of the namespaces it is seen in. */
static int upid_insert(struct pid *p, struct pid_namespace *ns, int want)
{
	struct upid *u = &p->numbers[ns->level], *there;
	int nr = want;

	if (want) {
		there = upid_next_locked(ns, want);
		if (there && there->nr == want)
			return -LINUX_EEXIST;
	} else {
		nr = pid_choose_nr(ns);
		if (!nr)
			return -LINUX_EAGAIN;
		ns->last_pid = nr;
	}
	*u = (struct upid){ .nr = nr, .pid = p, .ns = ns };
	rb_insert(&ns->pids, &u->rb, upid_cmp);
	return 0;
}

struct pid *pid_alloc_ns_locked(struct pid_namespace *ns, int want)
{
	struct pid *p;
	int err = 0;

	if (want && (want < 0 || (unsigned)want >= max_pid))
		return ERR_PTR(-LINUX_EINVAL);
	if (ns->dead)
		return ERR_PTR(-LINUX_ENOMEM);
	/* The first process of a namespace is its init. */
	if (want > 1 && ns != &init_pid_ns && !ns->child_reaper)
		return ERR_PTR(-LINUX_EINVAL);
	p = calloc(1, sizeof(*p) + (ns->level + 1) * sizeof(p->numbers[0]));
	if (!p)
		return ERR_PTR(-LINUX_ENOMEM);
	for (struct pid_namespace *up = ns; up && !err; up = up->parent, want = 0) {
		err = upid_insert(p, up, want);
		for (unsigned level = up->level + 1; err && level <= ns->level; level++)
			upid_erase(p, level);
	}
	if (err) {
		free(p);
		return ERR_PTR(err);
	}
	ref_init(&p->ref);
	p->level = ns->level;
	p->nr = p->numbers[0].nr;
	p->uses = 1;
	list_init(&p->pgrp);
	list_init(&p->session);
	waitq_init(&p->wait);
	ns_get(&ns->ns);
	return p;
}

struct pid *pid_alloc_locked(int want)
{
	return pid_alloc_ns_locked(&init_pid_ns, want);
}

void pid_put(struct pid *pid)
{
	if (!pid || !ref_put(&pid->ref))
		return;
	BUG_ON(pid->uses);
	waitq_fini(&pid->wait);
	ns_put(&pid_ns_of(pid)->ns);
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
	if (--pid->uses)
		return;
	for (unsigned level = 0; level <= pid->level; level++)
		upid_erase(pid, level);
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
	return READ_ONCE((pid_view ? pid_view : &init_pid_ns)->last_pid);
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
	WRITE_ONCE(nr_charged, nr_charged + 1);
	return true;
}

void pids_uncharge_locked(void)
{
	mutex_assert_held(&pids_lock);
	BUG_ON(!nr_charged);
	WRITE_ONCE(nr_charged, nr_charged - 1);
}
