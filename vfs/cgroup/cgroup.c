/* SPDX-License-Identifier: Apache-2.0 */
#include "vfs/cgroup/cgroup.h"

#include <stdlib.h>
#include <string.h>

#include "vfs/fsnotify.h"
#include "vfs/user_ns.h"

struct mutex cgroup_lock = MUTEX_INIT;

struct cgroup cgroup_root = {
	.ref = { 1 }, .name = (char *)"", .children = LIST_HEAD_INIT(cgroup_root.children),
	.link = LIST_HEAD_INIT(cgroup_root.link), .max_depth = CGROUP_UNLIMITED, .max_descendants = CGROUP_UNLIMITED,
	.pids_max = CGROUP_UNLIMITED, .events_wait = WAITQ_INIT(cgroup_root.events_wait),
};

void cgroup_put(struct cgroup *cg)
{
	struct cgroup *parent;

	while (cg && ref_put(&cg->ref)) {
		parent = cg->parent;
		waitq_fini(&cg->events_wait);
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
	if (!cg || !cg->name) {
		free(cg);
		return ERR_PTR(-LINUX_ENOMEM);
	}
	ref_init(&cg->ref);
	cg->parent = cgroup_get(parent);
	cg->level = parent->level + 1;
	cg->max_depth = cg->max_descendants = cg->pids_max = CGROUP_UNLIMITED;
	list_init(&cg->children);
	list_init(&cg->link);
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

void cgroup_notify(struct cgroup *cg)
{
	struct inode *inode = NULL;

	waitq_wake(&cg->events_wait, 0);
	if (!fsnotify_active())
		return;
	mutex_lock(&cgroup_lock);
	if (cg->files[CGF_EVENTS])
		inode = inode_get(cg->files[CGF_EVENTS]);
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

int cgroup_fork_locked(struct tgroup *tg, struct tgroup *parent, bool process)
{
	struct cgroup *cg;

	MUTEX_GUARD(&cgroup_lock);
	cg = !process ? tg->cgroup : parent ? parent->cgroup : &cgroup_root;
	if (!pids_room_locked(cg))
		return -LINUX_EAGAIN;
	add_pids_locked(cg, 1);
	if (process) {
		tg->cgroup = cgroup_get(cg);
		add_live_locked(cg, 1);
	}
	return 0;
}

void cgroup_release_locked(struct tgroup *tg)
{
	MUTEX_GUARD(&cgroup_lock);
	add_pids_locked(tg->cgroup, -1);
}

static void notify_all(struct cgroup *cg)
{
	for (; cg; cg = cg->parent)
		cgroup_notify(cg);
}

void cgroup_cancel_locked(struct tgroup *tg)
{
	MUTEX_GUARD(&cgroup_lock);
	if (tg->cgroup_left)
		return;
	tg->cgroup_left = true;
	add_live_locked(tg->cgroup, -1);
}

void cgroup_exit(struct tgroup *tg)
{
	struct cgroup *cg;
	uint64_t utime, stime;

	tgroup_cputime(tg, &utime, &stime);
	mutex_lock(&cgroup_lock);
	cg = cgroup_get(tg->cgroup);
	tg->cgroup_left = true;
	add_live_locked(cg, -1);
	for (struct cgroup *up = cg; up; up = up->parent) {
		up->user_usage += utime;
		up->system_usage += stime;
	}
	mutex_unlock(&cgroup_lock);
	notify_all(cg);
	cgroup_put(cg);
}

/* Moves @tg, which is counted where it was; its old cgroup is returned, for the caller to tell and put.  Both locks held. */
static struct cgroup *cgroup_move_locked(struct tgroup *tg, struct cgroup *cg)
{
	struct cgroup *old = tg->cgroup;
	unsigned nr = atomic_load(&tg->nr_threads);

	add_pids_locked(old, -(int64_t)nr);
	add_pids_locked(cg, nr);
	add_live_locked(old, -1);
	add_live_locked(cg, 1);
	tg->cgroup = cgroup_get(cg);
	return old;
}

static int attach_locked(struct cgroup *cg, int nr, struct cgroup **ret_old)
{
	struct tgroup *tg;

	MUTEX_GUARD(&pids_lock);
	if (nr) {
		struct task *t = task_find_locked(nr);

		tg = t ? t->tg : NULL;
	} else {
		tg = current->tg;
	}
	if (!tg)
		return -LINUX_ESRCH;
	MUTEX_GUARD(&cgroup_lock);
	if (cg->dead)
		return -LINUX_ENODEV;
	/* No processes beside children that controllers divide resources among. */
	if (cg->parent && cg->subtree_control)
		return -LINUX_EBUSY;
	if (tg->cgroup_left || tg->cgroup == cg)
		return 0;
	*ret_old = cgroup_move_locked(tg, cg);
	return 0;
}

int cgroup_attach(struct cgroup *cg, int nr)
{
	struct cgroup *old = NULL;
	int err = nr < 0 ? -LINUX_EINVAL : attach_locked(cg, nr, &old);

	if (err || !old)
		return err;
	notify_all(old);
	notify_all(cg);
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

int cgroup_set_subtree_control(struct cgroup *cg, char *text)
{
	unsigned on = 0, off = 0;
	char *save = NULL;
	struct cgroup *child;

	for (char *w = strtok_r(text, " \t\n", &save); w; w = strtok_r(NULL, " \t\n", &save)) {
		if ((*w != '+' && *w != '-') || strcmp(w + 1, "pids"))
			return -LINUX_EINVAL;
		if (*w == '+') {
			on |= CGROUP_PIDS;
			off &= ~CGROUP_PIDS;
		} else {
			off |= CGROUP_PIDS;
			on &= ~CGROUP_PIDS;
		}
	}
	MUTEX_GUARD(&pids_lock);
	MUTEX_GUARD(&cgroup_lock);
	if (on & ~(cg->parent ? cg->parent->subtree_control : CGROUP_PIDS))
		return -LINUX_ENOENT;
	if (off & cg->subtree_control)
		list_for_each_entry(child, &cg->children, link)
			if (child->subtree_control & off)
				return -LINUX_EBUSY;
	if (cg->parent && on & ~cg->subtree_control) {
		struct tgroup *tg;

		list_for_each_entry(tg, &all_tgroups, all_link)
			if (tg->cgroup == cg && !tg->cgroup_left)
				return -LINUX_EBUSY;
	}
	cg->subtree_control = (cg->subtree_control | on) & ~off;
	/* What is no longer controlled has no limit. */
	if (off)
		list_for_each_entry(child, &cg->children, link)
			child->pids_max = CGROUP_UNLIMITED;
	return 0;
}

static void show_path_locked(const struct cgroup *cg, struct strbuf *sb)
{
	if (!cg->parent)
		return;
	show_path_locked(cg->parent, sb);
	strbuf_addf(sb, "/%s", cg->name);
}

void cgroup_show_path(struct tgroup *tg, struct strbuf *sb)
{
	MUTEX_GUARD(&cgroup_lock);
	const struct cgroup *cg = tg->cgroup ? tg->cgroup : &cgroup_root;

	if (cg->parent)
		show_path_locked(cg, sb);
	else
		strbuf_addc(sb, '/');
	if (cg->dead)
		strbuf_adds(sb, " (deleted)");
}
