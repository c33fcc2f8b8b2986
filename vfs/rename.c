/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rename(2), renameat2(2).
 *
 * Both directories are locked, the ancestor first; across directories s->rename_lock keeps the shape of the tree still,
 * so that "is one below the other" stays true while we look.  What changes behind our back (hostfs) may have two dentries for
 * one directory, which is locked once.
 */
#include <string.h>

#include "vfs/fsnotify.h"
#include "vfs/internal.h"

/*
 * The child of the one directory that leads to the other: moving it would cut the tree.  NULL when neither is above the
 * other.  The super block's rename_lock is held.
 */
static struct dentry *lock_rename(struct dentry *a, struct dentry *b)
{
	struct dentry *trap = NULL, *first = a, *second = b;

	if (a == b) {
		rwlock_write(&a->inode->i_rwsem);
		return NULL;
	}
	mutex_lock(&a->sb->rename_lock);
	rwlock_read(&dcache_lock);
	for (struct dentry *d = b; !trap && d->parent != d; d = d->parent)
		if (d->parent == a)
			trap = d;
	if (!trap) {
		for (struct dentry *d = a; !trap && d->parent != d; d = d->parent)
			if (d->parent == b)
				trap = d;
		if (trap || (uintptr_t)b < (uintptr_t)a) {
			first = b;
			second = a;
		}
	}
	rwlock_unlock(&dcache_lock);
	rwlock_write(&first->inode->i_rwsem);
	if (first->inode != second->inode)
		rwlock_write(&second->inode->i_rwsem);
	return trap;
}

static void unlock_rename(struct dentry *a, struct dentry *b)
{
	rwlock_unlock(&a->inode->i_rwsem);
	if (a->inode != b->inode)
		rwlock_unlock(&b->inode->i_rwsem);
	if (a != b)
		mutex_unlock(&a->sb->rename_lock);
}

static int may_rename(struct dentry *old_dir, struct dentry *old, struct dentry *new_dir, struct dentry *new,
		      unsigned flags)
{
	bool is_dir = LINUX_S_ISDIR(old->inode->mode), exchange = flags & LINUX_RENAME_EXCHANGE;
	bool new_is_dir = new->inode &&LINUX_S_ISDIR(new->inode->mode);
	int err = may_delete_in(old_dir->inode, old, is_dir);

	if (err)
		return err;
	if (!new->inode)
		err = may_create_in(new_dir->inode);
	else
		err = may_delete_in(new_dir->inode, new, exchange ? new_is_dir : is_dir);
	if (err)
		return err;
	if (!old_dir->inode->ops->rename)
		return -LINUX_EPERM;
	/* A directory that changes parents has its ".." written. */
	if (old_dir != new_dir) {
		if (is_dir)
			err = inode_permission(old->inode, MAY_WRITE);
		if (!err && exchange && new_is_dir)
			err = inode_permission(new->inode, MAY_WRITE);
	}
	return err;
}

/* vfs_rename: both directories are locked, every name was looked up. */
static int rename_locked(struct dentry *old_dir, struct dentry *old, const char *old_name, struct dentry *new_dir,
			 struct dentry *new, const char *new_name, unsigned flags)
{
	struct inode *inode = old->inode, *target = new->inode;
	bool exchange = flags & LINUX_RENAME_EXCHANGE, lock_target = target && !exchange && LINUX_S_ISDIR(target->mode);
	int err;

	if (inode == target)
		return 0;
	if (target && (target == old_dir->inode || target == new_dir->inode))
		return -LINUX_ENOTEMPTY;
	err = may_rename(old_dir, old, new_dir, new, flags);
	if (err)
		return err;
	if (lock_target)
		rwlock_write(&target->i_rwsem);
	if (READ_ONCE(old->nr_mounts) || READ_ONCE(new->nr_mounts))
		err = -LINUX_EBUSY;
	else
		err = old_dir->inode->ops->rename(old_dir->inode, old_name, inode, new_dir->inode, new_name, target,
						  flags);
	if (lock_target) {
		if (!err)
			target->dead = true;
		rwlock_unlock(&target->i_rwsem);
	}
	if (err)
		return err;
	if (exchange)
		err = dentry_exchange(old, new);
	else
		err = dentry_move(old, new_dir, new_name, new);
	if (err) {
		/* The names could not be copied: let the cache forget them, the filesystem knows better. */
		dentry_drop(old);
		dentry_drop(new);
	}
	return 0;
}

static void rename_notify(struct inode *old_dir, const char *old_name, struct inode *new_dir, const char *new_name,
			  struct inode *moved, struct inode *replaced)
{
	uint32_t cookie = fsnotify_cookie(), is_dir = LINUX_S_ISDIR(moved->mode) ? FS_ISDIR : 0;

	if (old_dir == new_dir)
		fsnotify_dir(old_dir, FS_RENAME | is_dir, old_name, 0);
	fsnotify_dir(old_dir, FS_MOVED_FROM | is_dir, old_name, cookie);
	fsnotify_dir(new_dir, FS_MOVED_TO | is_dir, new_name, cookie);
	if (replaced)
		fsnotify_inode(replaced, FS_ATTRIB);
	fsnotify_inode(moved, FS_MOVE_SELF);
}

/* With both parents in hand: locks, looks up, checks in Linux's order, renames. */
static int rename_between(struct nameidata *from, struct nameidata *to, unsigned flags)
{
	struct dentry *old_dir = from->path.dentry, *new_dir = to->path.dentry, *old, *new = NULL, *trap;
	struct inode *moved = NULL, *other = NULL;
	bool exchange = flags & LINUX_RENAME_EXCHANGE;
	int err = 0;

	trap = lock_rename(old_dir, new_dir);
	old = nameidata_lookup_locked(from);
	if (IS_ERR(old)) {
		err = (int)PTR_ERR(old);
		old = NULL;
	} else if (!old->inode) {
		err = -LINUX_ENOENT;
	}
	if (!err) {
		new = nameidata_lookup_locked(to);
		if (IS_ERR(new)) {
			err = (int)PTR_ERR(new);
			new = NULL;
		}
	}
	if (err)
		goto out;
	if (flags & LINUX_RENAME_NOREPLACE && new->inode)
		err = -LINUX_EEXIST;
	else if (exchange && !new->inode)
		err = -LINUX_ENOENT;
	else if (exchange && !LINUX_S_ISDIR(new->inode->mode) && to->last_slash)
		err = -LINUX_ENOTDIR;
	else if (!LINUX_S_ISDIR(old->inode->mode) && (from->last_slash || (!exchange && to->last_slash)))
		err = -LINUX_ENOTDIR;
	else if (old == trap)
		err = -LINUX_EINVAL;
	else if (new == trap)
		err = exchange ? -LINUX_EINVAL : -LINUX_ENOTEMPTY;
	if (err)
		goto out;
	moved = inode_get(old->inode);
	other = new->inode ? inode_get(new->inode) : NULL;
	err = rename_locked(old_dir, old, from->last_name, new_dir, new, to->last_name, flags);
out:
	unlock_rename(old_dir, new_dir);
	if (!err && moved != other) {
		rename_notify(old_dir->inode, from->last_name, new_dir->inode, to->last_name, moved,
			      exchange ? NULL : other);
		if (exchange)
			rename_notify(new_dir->inode, to->last_name, old_dir->inode, from->last_name, other, NULL);
	}
	if (old)
		dentry_put(old);
	if (new)
		dentry_put(new);
	if (moved)
		inode_put(moved);
	if (other)
		inode_put(other);
	return err;
}

int dir_rename(struct dentry *old_dir, const char *old_name, struct dentry *new_dir, const char *new_name, unsigned flags)
{
	struct dentry *trap = lock_rename(old_dir, new_dir), *old, *new;
	struct inode *moved = NULL, *replaced = NULL;
	int err = 0;

	old = lookup_one_locked(old_dir, old_name, strlen(old_name));
	new = lookup_one_locked(new_dir, new_name, strlen(new_name));
	if (IS_ERR(old) || IS_ERR(new))
		err = IS_ERR(old) ? (int)PTR_ERR(old) : (int)PTR_ERR(new);
	else if (!old->inode || (flags & LINUX_RENAME_EXCHANGE && !new->inode))
		err = -LINUX_ENOENT;
	else if (old == trap || new == trap)
		err = -LINUX_EINVAL;
	if (!err) {
		moved = inode_get(old->inode);
		replaced = new->inode ? inode_get(new->inode) : NULL;
		err = rename_locked(old_dir, old, old_name, new_dir, new, new_name, flags);
	}
	unlock_rename(old_dir, new_dir);
	if (!IS_ERR(old))
		dentry_put(old);
	if (!IS_ERR(new))
		dentry_put(new);
	if (moved)
		inode_put(moved);
	if (replaced)
		inode_put(replaced);
	return err;
}

int do_renameat2(int odfd, const char *oname, int ndfd, const char *nname, unsigned flags)
{
	struct nameidata from, to;
	int err;

	if (flags & ~(LINUX_RENAME_NOREPLACE | LINUX_RENAME_EXCHANGE | LINUX_RENAME_WHITEOUT))
		return -LINUX_EINVAL;
	if (flags & (LINUX_RENAME_NOREPLACE | LINUX_RENAME_WHITEOUT) && flags & LINUX_RENAME_EXCHANGE)
		return -LINUX_EINVAL;
	err = nameidata_init(&from, odfd, oname, 0);
	if (!err)
		err = nameidata_parent(&from);
	if (err)
		goto out_from;
	err = nameidata_init(&to, ndfd, nname, 0);
	if (!err)
		err = nameidata_parent(&to);
	if (err)
		goto out_to;
	if (from.path.mnt != to.path.mnt)
		err = -LINUX_EXDEV;
	else if (from.last_type != LAST_NORM)
		err = -LINUX_EBUSY;
	else if (to.last_type != LAST_NORM)
		err = flags & LINUX_RENAME_NOREPLACE ? -LINUX_EEXIST : -LINUX_EBUSY;
	else
		err = mnt_want_write(from.path.mnt);
	if (!err)
		err = rename_between(&from, &to, flags);
out_to:
	nameidata_fini(&to);
out_from:
	nameidata_fini(&from);
	return err;
}
