/* SPDX-License-Identifier: Apache-2.0 */
#include "vfs/cgroup/cgroup.h"

#include <stdlib.h>
#include <string.h>

#include "sentry/mm/memcg.h"
#include "vfs/fsnotify.h"
#include "vfs/user_ns.h"

struct mutex cgroup_lock = MUTEX_INIT;

struct cgroup cgroup_root = {
	.ref = { 1 }, .name = (char *)"", .children = LIST_HEAD_INIT(cgroup_root.children),
	.link = LIST_HEAD_INIT(cgroup_root.link), .max_depth = CGROUP_UNLIMITED, .max_descendants = CGROUP_UNLIMITED,
	.pids_max = CGROUP_UNLIMITED, .cpu = { .weight = CGROUP_WEIGHT_DEFAULT, .quota = CGROUP_UNLIMITED, .period = 100000000,
		 .link = LIST_HEAD_INIT(cgroup_root.cpu.link) },
	.events_wait = WAITQ_INIT(cgroup_root.events_wait),
};

void cgroup_put(struct cgroup *cg)
{
	struct cgroup *parent;

	while (cg && ref_put(&cg->ref)) {
		parent = cg->parent;
		waitq_fini(&cg->events_wait);
		memcg_kill(cg->memcg);
		free(cg->name);
		free(cg);
		cg = parent;
	}
}

struct cgroup *cgroup_new_locked(struct cgroup *parent, const char *name)
{
	struct cgroup *cg;

	mutex_assert_held(&cgroup_lock);
	for (struct cgroup *up = parent; up; up = up->parent)
		if (up->nr_descendants >= up->max_descendants || (int64_t)(parent->level + 1 - up->level) > up->max_depth)
			return ERR_PTR(-LINUX_EAGAIN);
	cg = calloc(1, sizeof(*cg));
	if (cg)
		cg->name = strdup(name);
	if (cg && cg->name)
		cg->memcg = memcg_new(parent->memcg, cg);
	if (!cg || !cg->memcg) {
		free(cg ? cg->name : NULL);
		free(cg);
		return ERR_PTR(-LINUX_ENOMEM);
	}
	ref_init(&cg->ref);
	cg->parent = cgroup_get(parent);
	cg->level = parent->level + 1;
	cg->max_depth = cg->max_descendants = cg->pids_max = cg->cpu.quota = CGROUP_UNLIMITED;
	cg->cpu.period = 100000000;
	cg->cpu.weight = CGROUP_WEIGHT_DEFAULT;
	list_init(&cg->children);
	list_init(&cg->link);
	list_init(&cg->cpu.link);
	waitq_init(&cg->events_wait);
	list_add_tail(&cg->link, &parent->children);
	for (struct cgroup *up = parent; up; up = up->parent)
		up->nr_descendants++;
	return cg;
}

int cgroup_remove_locked(struct cgroup *cg)
{
	mutex_assert_held(&cgroup_lock);
	if (cg->nr_live || !list_empty(&cg->children))
		return -LINUX_EBUSY;
	cg->dead = true;
	list_del(&cg->link);
	for (struct cgroup *up = cg->parent; up; up = up->parent)
		up->nr_descendants--;
	return 0;
}

void cgroup_notify(struct cgroup *cg, enum cgroup_file file)
{
	struct inode *inode = NULL;

	waitq_wake(&cg->events_wait, 0);
	if (!fsnotify_active())
		return;
	mutex_lock(&cgroup_lock);
	if (cg->files[file])
		inode = inode_get(cg->files[file]);
	mutex_unlock(&cgroup_lock);
	if (!inode)
		return;
	fsnotify_inode(inode, FS_MODIFY);
	inode_put(inode);
}

/* --- members --- */

/* @n processes more in @cg and above; those that became populated or empty get a new events_seq. */
static void add_live_locked(struct cgroup *cg, int n)
{
	for (; cg; cg = cg->parent) {
		bool was = cg->nr_live;

		cg->nr_live += (unsigned)n;
		if (was != !!cg->nr_live)
			cg->events_seq++;
	}
}

static void add_pids_locked(struct cgroup *cg, int64_t n)
{
	for (; cg; cg = cg->parent) {
		cg->pids += n;
		cg->pids_peak = MAX(cg->pids_peak, cg->pids);
	}
}

/* As pids_can_fork() in Linux. */
static bool pids_room_locked(struct cgroup *cg)
{
	for (struct cgroup *up = cg; up; up = up->parent) {
		if (up->pids < up->pids_max)
			continue;
		up->pids_failed++;
		return false;
	}
	return true;
}

int cgroup_fork_locked(struct tgroup *tg, struct cgroup *cg, bool process)
{
	MUTEX_GUARD(&cgroup_lock);
	if (!process)
		cg = tg->cgroup;
	if (process && cg->dead)
		return -LINUX_ENODEV;
	if (!pids_room_locked(cg))
		return -LINUX_EAGAIN;
	add_pids_locked(cg, 1);
	if (process) {
		tg->cgroup = cgroup_get(cg);
		memcg_set(&tg->memcg, cg->memcg);
		/* Its first task looks at it before it runs. */
		atomic_store(&tg->held, cgroup_holds_locked(cg));
		add_live_locked(cg, 1);
	}
	return 0;
}

void cgroup_release_locked(struct tgroup *tg)
{
	MUTEX_GUARD(&cgroup_lock);
	add_pids_locked(tg->cgroup, -1);
}

/* Shares of CPU time are estimates, which may be a little less later. */
static void usage_subtract(struct rusage_acct *u, const struct rusage_acct *base)
{
	u->utime -= MIN(u->utime, base->utime);
	u->stime -= MIN(u->stime, base->stime);
	u->rbytes -= base->rbytes;
	u->wbytes -= base->wbytes;
	u->rios -= base->rios;
	u->wios -= base->wios;
}

static void notify_all(struct cgroup *cg)
{
	for (; cg; cg = cg->parent)
		cgroup_notify(cg, CGF_EVENTS);
}

void cgroup_cancel_locked(struct tgroup *tg)
{
	MUTEX_GUARD(&cgroup_lock);
	if (tg->cgroup_left)
		return;
	tg->cgroup_left = true;
	add_live_locked(tg->cgroup, -1);
}

/* What it has used counts where it was, whatever comes. */
static void add_usage_locked(struct tgroup *tg, const struct rusage_acct *now)
{
	struct rusage_acct used = *now;

	usage_subtract(&used, &tg->cgroup_base);
	for (struct cgroup *cg = tg->cgroup; cg; cg = cg->parent)
		acct_add(&cg->usage, &used);
	tg->cgroup_base = *now;
}

void cgroup_exit(struct tgroup *tg)
{
	struct rusage_acct now;
	struct cgroup *cg;

	tgroup_rusage(tg, &now, NULL);
	mutex_lock(&cgroup_lock);
	cg = cgroup_get(tg->cgroup);
	tg->cgroup_left = true;
	add_live_locked(cg, -1);
	add_usage_locked(tg, &now);
	mutex_unlock(&cgroup_lock);
	notify_all(cg);
	cgroup_update_frozen();
	cgroup_put(cg);
}

/* Moves @tg, which is counted where it was; its old cgroup is returned, for the caller to tell and put.  Both locks held. */
static struct cgroup *cgroup_move_locked(struct tgroup *tg, struct cgroup *cg, const struct rusage_acct *now)
{
	struct cgroup *old = tg->cgroup;
	unsigned nr = atomic_load(&tg->nr_threads);

	add_pids_locked(old, -(int64_t)nr);
	add_pids_locked(cg, nr);
	add_live_locked(old, -1);
	add_live_locked(cg, 1);
	add_usage_locked(tg, now);
	tg->cgroup = cgroup_get(cg);
	memcg_set(&tg->memcg, cg->memcg);
	return old;
}

bool cgroup_nsdelegate;

int cgroup_may_migrate(struct cgroup *from, struct cgroup *to, const struct cgroup_writer *by)
{
	struct cgroup *common = from;
	struct inode *procs;
	int err;

	mutex_lock(&cgroup_lock);
	while (!cgroup_is_below(to, common))
		common = common->parent;
	procs = common->files[CGF_PROCS] ? inode_get(common->files[CGF_PROCS]) : NULL;
	mutex_unlock(&cgroup_lock);
	if (!procs)
		return -LINUX_ENODEV;
	err = inode_permission_as(procs, MAY_WRITE, by->cred);
	inode_put(procs);
	if (!err && READ_ONCE(cgroup_nsdelegate) && (!cgroup_is_below(from, by->ns_root) || !cgroup_is_below(to, by->ns_root)))
		err = -LINUX_ENOENT;
	return err;
}

bool cgroup_takes_processes(const struct cgroup *cg)
{
	/* No processes beside children that controllers divide resources among. */
	return !cg->parent || !cg->subtree_control;
}

static int move_locked(struct cgroup *cg, struct tgroup *tg, struct cgroup **ret_old)
{
	struct rusage_acct now;

	tgroup_rusage(tg, &now, NULL);
	MUTEX_GUARD(&cgroup_lock);
	if (cg->dead)
		return -LINUX_ENODEV;
	if (!cgroup_takes_processes(cg))
		return -LINUX_EBUSY;
	if (tg->cgroup_left || tg->cgroup == cg)
		return 0;
	*ret_old = cgroup_move_locked(tg, cg, &now);
	return 0;
}

static int attach_locked(struct cgroup *cg, int nr, const struct cgroup_writer *by, struct cgroup **ret_old)
{
	struct tgroup *tg;
	unsigned held;
	int err;

	MUTEX_GUARD(&pids_lock);
	if (nr) {
		struct task *t = task_find_locked(nr);

		tg = t ? t->tg : NULL;
	} else {
		tg = current->tg;
	}
	if (!tg)
		return -LINUX_ESRCH;
	err = cgroup_may_migrate(tg->cgroup, cg, by);
	if (!err)
		err = move_locked(cg, tg, ret_old);
	if (err || !*ret_old)
		return err;
	held = cgroup_holds_locked(cg);
	tgroup_hold(tg, held, true);
	tgroup_hold(tg, (TG_HELD_FROZEN | TG_HELD_THROTTLED) & ~held, false);
	return 0;
}

int cgroup_attach(struct cgroup *cg, int nr, const struct cgroup_writer *by)
{
	struct cgroup *old = NULL;
	int err = nr < 0 ? -LINUX_EINVAL : attach_locked(cg, nr, by, &old);

	if (err || !old)
		return err;
	notify_all(old);
	notify_all(cg);
	cgroup_update_frozen();
	cgroup_put(old);
	return 0;
}

void cgroup_kill(struct cgroup *cg)
{
	struct tgroup *tg;

	MUTEX_GUARD(&pids_lock);
	list_for_each_entry(tg, &all_tgroups, all_link) {
		struct cgroup *at = READ_ONCE(tg->cgroup);

		while (at && at != cg)
			at = at->parent;
		if (at)
			signal_kill_tgroup(tg);
	}
}

bool cgroup_is_below(const struct cgroup *cg, const struct cgroup *above)
{
	while (cg && cg != above)
		cg = cg->parent;
	return cg;
}

const char *const cgroup_controllers[NR_CGROUP_CONTROLLERS] = { "cpu", "io", "memory", "pids" };

/* The bit of a controller's name, 0 for none. */
static unsigned controller_bit(const char *name)
{
	for (unsigned i = 0; i < NR_CGROUP_CONTROLLERS; i++)
		if (!strcmp(cgroup_controllers[i], name))
			return 1U << i;
	return 0;
}

static int parse_subtree_control(char *text, unsigned *on, unsigned *off)
{
	char *save = NULL;

	for (char *w = strtok_r(text, " \t\n", &save); w; w = strtok_r(NULL, " \t\n", &save)) {
		unsigned bit = controller_bit(w + 1);

		if ((*w != '+' && *w != '-') || !bit)
			return -LINUX_EINVAL;
		*on = *w == '+' ? *on | bit : *on & ~bit;
		*off = *w == '+' ? *off & ~bit : *off | bit;
	}
	return 0;
}

static int change_subtree_control_locked(struct cgroup *cg, unsigned on, unsigned off)
{
	struct cgroup *child;
	struct tgroup *tg;

	MUTEX_GUARD(&cgroup_lock);
	if (on & ~(cg->parent ? cg->parent->subtree_control : CGROUP_ALL))
		return -LINUX_ENOENT;
	list_for_each_entry(child, &cg->children, link)
		if (child->subtree_control & off & cg->subtree_control)
			return -LINUX_EBUSY;
	if (cg->parent && on & ~cg->subtree_control)
		list_for_each_entry(tg, &all_tgroups, all_link)
			if (tg->cgroup == cg && !tg->cgroup_left)
				return -LINUX_EBUSY;
	cg->subtree_control = (cg->subtree_control | on) & ~off;
	/* What is no longer controlled has no limit. */
	list_for_each_entry(child, &cg->children, link) {
		if (off & CGROUP_PIDS)
			child->pids_max = CGROUP_UNLIMITED;
		if (off & CGROUP_CPU) {
			child->cpu.quota = CGROUP_UNLIMITED;
			cgroup_forget_weight_locked(child);
		}
		if (off & CGROUP_MEMORY) {
			memcg_set_limits(child->memcg, MEMCG_NONE, MEMCG_NONE);
			child->oom_group = false;
		}
	}
	return 0;
}

int cgroup_set_subtree_control(struct cgroup *cg, char *text)
{
	unsigned on = 0, off = 0;
	int err = parse_subtree_control(text, &on, &off);

	if (err)
		return err;
	MUTEX_GUARD(&pids_lock);
	return change_subtree_control_locked(cg, on, off);
}

void cgroup_tgroup_usage(struct tgroup *tg, struct rusage_acct *ret)
{
	tgroup_rusage(tg, ret, NULL);
	usage_subtract(ret, &tg->cgroup_base);
}

void cgroup_usage_locked(struct cgroup *cg, struct rusage_acct *ret)
{
	struct rusage_acct used;
	struct tgroup *tg;

	mutex_assert_held(&pids_lock);
	mutex_lock(&cgroup_lock);
	*ret = cg->usage;
	mutex_unlock(&cgroup_lock);
	list_for_each_entry(tg, &all_tgroups, all_link) {
		if (tg->cgroup_left || !cgroup_is_below(READ_ONCE(tg->cgroup), cg))
			continue;
		cgroup_tgroup_usage(tg, &used);
		acct_add(ret, &used);
	}
}
