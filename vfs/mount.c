/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mount tree.
 *
 * A mount in the tree has one reference from the tree; each path that leads through it (working directories, open files, walks)
 * has one more, which is how umount knows it is busy.  Parents are not counted by their children: taking a parent away
 * takes its children first.  Changes hold namespace_lock, and dcache_lock for writing while links move; walks look mounts up
 * under dcache_lock alone.
 */
#include "vfs/mount.h"

#include <stdlib.h>

#include "vfs/anon/fanotify.h"

#define MOUNT_HASH_BITS 8

struct mutex namespace_lock = MUTEX_INIT;
atomic_ulong mount_events;
struct waitq mount_events_wait = WAITQ_INIT(mount_events_wait);
static LIST_HEAD(unmounted); /* namespace_lock; by ns_link, each with the tree's reference */

static struct mount *mount_table[1 << MOUNT_HASH_BITS]; /* dcache_lock */

static struct mount **mount_bucket(const struct mount *parent, const struct dentry *d)
{
	uint64_t h = ((uintptr_t)parent >> 4) * 0x9e3779b97f4a7c15ULL ^ ((uintptr_t)d >> 4);

	return &mount_table[(h * 0x9e3779b97f4a7c15ULL) >> (64 - MOUNT_HASH_BITS)];
}

struct mount *mount_find_locked(const struct mount *mnt, const struct dentry *d)
{
	for (struct mount *m = *mount_bucket(mnt, d); m; m = m->hash_next)
		if (m->parent == mnt && m->mountpoint.dentry == d)
			return m;
	return NULL;
}

static void mount_hash_locked(struct mount *m)
{
	struct mount **bucket = mount_bucket(m->parent, m->mountpoint.dentry);

	m->hash_next = *bucket;
	if (m->hash_next)
		m->hash_next->hash_pprev = &m->hash_next;
	m->hash_pprev = bucket;
	*bucket = m;
}

static void mount_unhash_locked(struct mount *m)
{
	*m->hash_pprev = m->hash_next;
	if (m->hash_next)
		m->hash_next->hash_pprev = m->hash_pprev;
	m->hash_pprev = NULL;
	m->hash_next = NULL;
}

struct mount *mount_new(struct super_block *sb, struct dentry *root, unsigned flags)
{
	static atomic_int next_id = 20;
	struct mount *m = calloc(1, sizeof(*m));

	if (!m) {
		sb_put(sb);
		return ERR_PTR(-LINUX_ENOMEM);
	}
	ref_init(&m->ref);
	m->sb = sb;
	m->root = root;
	dentry_get(root);
	m->flags = flags;
	m->id = atomic_fetch_add(&next_id, 1);
	list_init(&m->ns_link);
	list_init(&m->children);
	list_init(&m->child_link);
	list_init(&m->peer_link);
	list_init(&m->slave_link);
	return m;
}

void namespace_unlock(struct mutex **lock)
{
	struct mount *m, *tmp;
	LIST_HEAD(gone);

	list_for_each_entry_safe(m, tmp, &unmounted, ns_link)
		list_move_tail(&m->ns_link, &gone);
	mutex_unlock(*lock);
	atomic_fetch_add(&mount_events, 1);
	waitq_wake(&mount_events_wait, 0);
	list_for_each_entry_safe(m, tmp, &gone, ns_link) {
		list_del(&m->ns_link);
		mount_put(m);
	}
}

void mount_put(struct mount *m)
{
	if (!ref_put(&m->ref))
		return;
	BUG_ON(m->parent);
	fanotify_forget(m);
	dentry_put(m->root);
	sb_put(m->sb);
	free(m);
}

void mount_link_locked(struct mount *m, struct mount *parent, struct dentry *where)
{
	mutex_assert_held(&namespace_lock);
	dentry_get(where);
	rwlock_write(&dcache_lock);
	m->parent = parent;
	m->mountpoint = (struct path){ parent, where };
	m->ns = parent->ns;
	m->detached = false;
	list_add_tail(&m->child_link, &parent->children);
	if (list_empty(&m->ns_link) && m->ns) {
		list_add_tail(&m->ns_link, &m->ns->mounts);
		m->ns->nr_mounts++;
	}
	where->nr_mounts++;
	dentry_pin_locked(where);
	mount_hash_locked(m);
	rwlock_unlock(&dcache_lock);
}

void mount_unlink_locked(struct mount *m)
{
	struct dentry *where = m->mountpoint.dentry;

	mutex_assert_held(&namespace_lock);
	rwlock_write(&dcache_lock);
	mount_unhash_locked(m);
	where->nr_mounts--;
	m->parent = NULL;
	m->mountpoint = (struct path){ NULL, NULL };
	list_del(&m->child_link);
	rwlock_unlock(&dcache_lock);
	dentry_unpin(where);
	dentry_put(where);
}

void mount_umount_tree_locked(struct mount *m)
{
	while (!list_empty(&m->children))
		mount_umount_tree_locked(list_first_entry(&m->children, struct mount, child_link));
	if (m->parent)
		mount_unlink_locked(m);
	if (!list_empty(&m->ns_link)) {
		list_del(&m->ns_link);
		m->ns->nr_mounts--;
	}
	mount_change_type_locked(m, LINUX_MS_PRIVATE);
	m->detached = true;
	m->ns = NULL;
	list_add_tail(&m->ns_link, &unmounted);
}

bool mount_is_below_locked(const struct mount *m, const struct mount *ancestor)
{
	for (; m; m = m->parent)
		if (m == ancestor)
			return true;
	return false;
}

void path_follow_mounts(struct path *path)
{
	struct path top = *path;

	if (!READ_ONCE(path->dentry->nr_mounts))
		return;
	rwlock_read(&dcache_lock);
	for (struct mount *m; (m = mount_find_locked(top.mnt, top.dentry));)
		top = (struct path){ m, m->root };
	path_get(&top);
	rwlock_unlock(&dcache_lock);
	path_put(path);
	*path = top;
}

int mount_check_target_locked(const struct mount *m, const struct path *on)
{
	struct inode *inode = on->dentry->inode;

	if (!on->mnt->ns || on->mnt->detached)
		return -LINUX_EINVAL;
	if (LINUX_S_ISDIR(inode->mode) != LINUX_S_ISDIR(m->root->inode->mode))
		return -LINUX_ENOTDIR;
	if (inode->dead || on->dentry->unhashed)
		return -LINUX_ENOENT;
	return on->mnt->ns->nr_mounts >= MOUNTS_MAX ? -LINUX_ENOSPC : 0;
}

/* The tree below @m is now part of @ns. */
static void mount_join_ns_locked(struct mount *m, struct mnt_namespace *ns)
{
	for (struct mount *p = m; p; p = mount_next(p, m)) {
		p->ns = ns;
		if (list_empty(&p->ns_link)) {
			list_add_tail(&p->ns_link, &ns->mounts);
			ns->nr_mounts++;
		}
	}
}

int mount_graft_locked(struct mount *m, const struct path *where)
{
	struct path on = *where;
	struct inode *inode;
	int err;

	path_get(&on);
	path_follow_mounts(&on);
	inode = on.dentry->inode;
	rwlock_write(&inode->i_rwsem);
	err = mount_check_target_locked(m, &on);
	if (!err) {
		mount_link_locked(m, on.mnt, on.dentry);
		mount_join_ns_locked(m, on.mnt->ns);
	}
	rwlock_unlock(&inode->i_rwsem);
	path_put(&on);
	if (!err)
		err = mount_propagate_locked(m);
	if (err)
		mount_umount_tree_locked(m);
	return err;
}

struct mount *mount_new_top(struct super_block *sb, unsigned flags)
{
	struct dentry *root = sb->type->mount_root ? sb->type->mount_root(sb) : NULL;
	struct mount *m;

	if (IS_ERR(root)) {
		sb_put(sb);
		return (struct mount *)root;
	}
	m = mount_new(sb, root ? root : sb->root, mount_flags_normalize(flags));
	if (root)
		dentry_put(root);
	return m;
}

int mount_attach(struct super_block *sb, const struct path *where, unsigned flags)
{
	struct mount *m = mount_new_top(sb, flags);

	if (IS_ERR(m))
		return (int)PTR_ERR(m);
	NAMESPACE_GUARD();
	return mount_graft_locked(m, where);
}

void mount_dissolve(struct mount *m)
{
	NAMESPACE_GUARD();
	if (!m->ns && !m->parent && !m->detached)
		mount_umount_tree_locked(m);
}

int mnt_want_write(const struct mount *mnt)
{
	return READ_ONCE(mnt->flags) & LINUX_MS_RDONLY || READ_ONCE(mnt->sb->flags) & LINUX_SB_RDONLY ? -LINUX_EROFS
												      : 0;
}

bool path_is_mountpoint(const struct path *path)
{
	bool found;

	if (!READ_ONCE(path->dentry->nr_mounts))
		return false;
	rwlock_read(&dcache_lock);
	found = mount_find_locked(path->mnt, path->dentry);
	rwlock_unlock(&dcache_lock);
	return found;
}
