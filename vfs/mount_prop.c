/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared subtrees, as mount_namespaces(7) and Documentation/filesystems/sharedsubtree.rst tell them.
 *
 * A peer group is a set of shared mounts: what is mounted or unmounted on one is on all.  A group, or a single mount, may be the
 * slave of another group: it receives from it, and gives nothing back.  All members of a group have the same master.  A group
 * exists while it has members; its slaves then go to its own master.
 *
 *     peers   master
 *     -       -       private (or unbindable)
 *     G       -       shared:G
 *     -       M       master:M
 *     G       M       shared:G master:M
 */
#include <stdlib.h>

#include "vfs/mount.h"
#include "vfs/super.h"

struct peer_group {
	int id;
	struct list_head members; /* mounts by peer_link; never empty */
	struct list_head slaves;  /* mounts by slave_link: slaves alone, and members of slave groups */
	unsigned visited;	  /* the propagation that has been here */
};

static int next_group_id = 1;	   /* namespace_lock */
static unsigned propagation_count; /* namespace_lock */

static void set_master(struct mount *m, struct peer_group *master)
{
	if (m->master)
		list_del(&m->slave_link);
	m->master = master;
	if (master)
		list_add_tail(&m->slave_link, &master->slaves);
}

static void leave_peers(struct mount *m)
{
	struct peer_group *g = m->peers;
	struct mount *slave, *tmp;

	if (!g)
		return;
	list_del(&m->peer_link);
	m->peers = NULL;
	if (!list_empty(&g->members))
		return;
	list_for_each_entry_safe(slave, tmp, &g->slaves, slave_link)
		set_master(slave, m->master);
	free(g);
}

static void join_peers(struct mount *m, struct peer_group *g)
{
	m->peers = g;
	list_add_tail(&m->peer_link, &g->members);
}

static int make_shared(struct mount *m)
{
	struct peer_group *g;

	m->unbindable = false;
	if (m->peers)
		return 0;
	g = calloc(1, sizeof(*g));
	if (!g)
		return -LINUX_ENOMEM;
	g->id = next_group_id++;
	list_init(&g->members);
	list_init(&g->slaves);
	join_peers(m, g);
	return 0;
}

static void make_slave(struct mount *m)
{
	struct peer_group *g = m->peers;

	if (!g)
		return;
	/* The last of a group has nobody to receive from but the group's master. */
	if (g->members.next == g->members.prev) {
		leave_peers(m);
		return;
	}
	leave_peers(m);
	set_master(m, g);
}

int mount_change_type_locked(struct mount *m, uint64_t type)
{
	mutex_assert_held(&namespace_lock);
	switch (type) {
	case LINUX_MS_SHARED:
		return make_shared(m);
	case LINUX_MS_SLAVE:
		make_slave(m);
		break;
	default:
		leave_peers(m);
		set_master(m, NULL);
		break;
	}
	m->unbindable = type == LINUX_MS_UNBINDABLE;
	return 0;
}

struct mount *mount_next(struct mount *m, struct mount *top)
{
	if (!list_empty(&m->children))
		return list_first_entry(&m->children, struct mount, child_link);
	while (m != top) {
		if (m->child_link.next != &m->parent->children)
			return list_entry(m->child_link.next, struct mount, child_link);
		m = m->parent;
	}
	return NULL;
}

/* --- copies --- */

static int copy_propagation(struct mount *copy, const struct mount *m, unsigned how)
{
	if (how & COPY_SLAVE && m->peers) {
		set_master(copy, m->peers);
		return how & COPY_SHARED ? make_shared(copy) : 0;
	}
	if (m->peers)
		join_peers(copy, m->peers);
	set_master(copy, m->master);
	copy->unbindable = m->unbindable && how & COPY_UNBINDABLE;
	return 0;
}

static struct mount *copy_one(struct mount *m, struct dentry *root, unsigned how)
{
	struct mount *copy = mount_new(sb_get(m->sb), root, m->flags);
	int err;

	if (IS_ERR(copy))
		return copy;
	copy->born = propagation_count;
	copy->locked = m->locked;
	copy->locked_flags = m->locked_flags;
	if (how & COPY_LOCK) {
		copy->locked = true;
		copy->locked_flags = m->flags & (LINUX_MS_RDONLY | LINUX_MS_NOSUID | LINUX_MS_NODEV | LINUX_MS_NOEXEC);
	}
	err = copy_propagation(copy, m, how);
	if (err) {
		mount_umount_tree_locked(copy);
		return ERR_PTR(err);
	}
	m->copy = copy;
	return copy;
}

struct mount *mount_copy_locked(struct mount *m, struct dentry *root, unsigned how)
{
	struct mount *copy, *child, *below;

	mutex_assert_held(&namespace_lock);
	copy = copy_one(m, root, how);
	if (IS_ERR(copy) || !(how & COPY_REC))
		return copy;
	list_for_each_entry(child, &m->children, child_link) {
		if (!dentry_is_below(child->mountpoint.dentry, root))
			continue;
		if (child->unbindable && !(how & COPY_UNBINDABLE))
			continue;
		below = mount_copy_locked(child, child->root, how);
		if (IS_ERR(below)) {
			mount_umount_tree_locked(copy);
			return below;
		}
		mount_link_locked(below, copy, child->mountpoint.dentry);
	}
	return copy;
}

/* --- what is mounted on one is mounted on all --- */

/* @tree, a fresh copy, goes on @where of @to; what is there already comes on top of it. */
static void attach_copy(struct mount *tree, struct mount *to, struct dentry *where)
{
	struct mount *there;

	rwlock_read(&dcache_lock);
	there = mount_find_locked(to, where);
	rwlock_unlock(&dcache_lock);
	if (there)
		mount_unlink_locked(there);
	mount_link_locked(tree, to, where);
	for (struct mount *m = tree; m; m = mount_next(m, tree)) {
		m->ns = to->ns;
		if (list_empty(&m->ns_link)) {
			list_add_tail(&m->ns_link, &to->ns->mounts);
			to->ns->nr_mounts++;
		}
	}
	if (there)
		mount_link_locked(there, tree, tree->root);
}

static bool may_receive(const struct mount *m, struct dentry *where)
{
	return m->ns && !m->detached && m->born != propagation_count && dentry_is_below(where, m->root) && m->ns->nr_mounts < MOUNTS_MAX;
}

/* Copies of @src for all members of @g but @except; *ret_first: one of them, for the slaves of @g. */
static int propagate_to_peers(struct peer_group *g, struct mount *except, struct mount *src, struct dentry *where, unsigned how,
			      struct mount **ret_first)
{
	struct mount *m, *copy, *from = src;

	list_for_each_entry(m, &g->members, peer_link) {
		if (m == except || !may_receive(m, where))
			continue;
		copy = mount_copy_locked(from, from->root, how | COPY_REC);
		if (IS_ERR(copy))
			return (int)PTR_ERR(copy);
		attach_copy(copy, m, where);
		if (*ret_first == NULL)
			*ret_first = from = copy;
		how = COPY_PEER; /* the next ones are peers of the first */
	}
	return 0;
}

static int propagate_to_slaves(struct peer_group *g, struct mount *src, struct dentry *where)
{
	struct mount *slave, *copy;
	int err = 0;

	list_for_each_entry(slave, &g->slaves, slave_link) {
		struct mount *first = NULL;

		if (!slave->peers) {
			if (!may_receive(slave, where))
				continue;
			copy = mount_copy_locked(src, src->root, COPY_REC | COPY_SLAVE);
			if (IS_ERR(copy))
				return (int)PTR_ERR(copy);
			attach_copy(copy, slave, where);
			continue;
		}
		if (slave->peers->visited == propagation_count)
			continue;
		slave->peers->visited = propagation_count;
		err = propagate_to_peers(slave->peers, NULL, src, where, COPY_SLAVE | COPY_SHARED, &first);
		if (!err)
			err = propagate_to_slaves(slave->peers, first ? first : src, where);
		if (err)
			return err;
	}
	return 0;
}

int mount_propagate_locked(struct mount *m)
{
	struct mount *parent = m->parent, *first = m;
	struct dentry *where = m->mountpoint.dentry;
	int err = 0;

	mutex_assert_held(&namespace_lock);
	if (!parent || !parent->peers)
		return 0;
	propagation_count++;
	/* What comes below a shared mount is shared.  What is new receives nothing of itself. */
	for (struct mount *p = m; p && !err; p = mount_next(p, m)) {
		p->born = propagation_count;
		err = make_shared(p);
	}
	if (err)
		return err;
	parent->peers->visited = propagation_count;
	err = propagate_to_peers(parent->peers, parent, m, where, COPY_PEER, &first);
	if (!err)
		err = propagate_to_slaves(parent->peers, m, where);
	if (err)
		mount_propagate_umount_locked(m);
	return err;
}

/* --- and unmounted from all --- */

/*
 * The mount on @where of @to goes too, unless others are on it that stay, as with umount(2) there.  *victims: found so far,
 * by `copy`, latest first.
 */
static void doom_on(struct mount *to, struct dentry *where, struct mount **victims)
{
	struct mount *m, *child;

	rwlock_read(&dcache_lock);
	m = mount_find_locked(to, where);
	rwlock_unlock(&dcache_lock);
	if (!m || m->doomed)
		return;
	list_for_each_entry(child, &m->children, child_link)
		if (!child->doomed)
			return;
	m->doomed = true;
	m->copy = *victims;
	*victims = m;
}

static void doom_propagated(struct peer_group *g, struct dentry *where, struct mount **victims)
{
	struct mount *m;

	if (g->visited == propagation_count)
		return;
	g->visited = propagation_count;
	list_for_each_entry(m, &g->members, peer_link)
		doom_on(m, where, victims);
	list_for_each_entry(m, &g->slaves, slave_link) {
		if (m->peers)
			doom_propagated(m->peers, where, victims);
		else
			doom_on(m, where, victims);
	}
}

/* From below, so that the copies have nothing on them any more when it's their turn. */
static void doom_tree(struct mount *m, struct mount **victims)
{
	struct mount *child;

	list_for_each_entry(child, &m->children, child_link)
		doom_tree(child, victims);
	if (!m->parent || !m->parent->peers)
		return;
	propagation_count++;
	doom_propagated(m->parent->peers, m->mountpoint.dentry, victims);
}

/* Later ones may be below earlier ones: each is taken off alone, and its children went first. */
static void umount_victims(struct mount *m)
{
	if (!m)
		return;
	umount_victims(m->copy);
	mount_umount_tree_locked(m);
}

void mount_propagate_umount_locked(struct mount *m)
{
	struct mount *victims = NULL;

	mutex_assert_held(&namespace_lock);
	for (struct mount *p = m; p; p = mount_next(p, m))
		p->doomed = true;
	doom_tree(m, &victims);
	umount_victims(victims);
}

void mount_show_propagation(const struct mount *m, struct strbuf *sb)
{
	struct peer_group *master = m->master;

	if (m->peers)
		strbuf_addf(sb, "shared:%d ", m->peers->id);
	if (master)
		strbuf_addf(sb, "master:%d ", master->id);
	if (m->unbindable)
		strbuf_adds(sb, "unbindable ");
}
