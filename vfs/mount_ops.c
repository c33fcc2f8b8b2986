/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mount(2), umount(2), pivot_root(2).  There is one mount namespace, so every propagation type behaves as private:
 * changing it is accepted and changes nothing.
 */
#include <string.h>

#include "vfs/mount.h"
#include "vfs/super.h"

/* MNT_RELATIME unless told otherwise, as path_mount in fs/namespace.c. */
unsigned mount_flags_normalize(uint64_t flags)
{
	unsigned f = flags & MNT_FLAGS;

	if (f & LINUX_MS_STRICTATIME)
		return f & ~(LINUX_MS_RELATIME | LINUX_MS_NOATIME);
	if (!(f & LINUX_MS_NOATIME))
		f |= LINUX_MS_RELATIME;
	return f;
}

/* A copy of @m (and with @rec of all below it) whose root is @root; in no tree. */
static struct mount *mount_clone_locked(struct mount *m, struct dentry *root, bool rec)
{
	struct mount *copy = mount_new(sb_get(m->sb), root, m->flags), *child;

	if (IS_ERR(copy) || !rec)
		return copy;
	copy->ns = m->ns;
	list_for_each_entry(child, &m->children, child_link) {
		struct mount *child_copy;

		if (!dentry_is_below(child->mountpoint.dentry, root))
			continue;
		child_copy = mount_clone_locked(child, child->root, true);
		if (IS_ERR(child_copy)) {
			mount_umount_tree_locked(copy);
			return child_copy;
		}
		mount_link_locked(child_copy, copy, child->mountpoint.dentry);
	}
	return copy;
}

static int do_bind(const char *source, const struct path *where, bool rec)
{
	_cleanup_path_ struct path src = { NULL, NULL };
	struct mount *copy;
	int err;

	if (!source || !*source)
		return -LINUX_EINVAL;
	err = path_lookupat(LINUX_AT_FDCWD, source, LOOKUP_FOLLOW, &src);
	if (err)
		return err;
	MUTEX_GUARD(&namespace_lock);
	if (!src.mnt->ns || src.mnt->detached)
		return -LINUX_EINVAL;
	copy = mount_clone_locked(src.mnt, src.dentry, rec);
	if (IS_ERR(copy))
		return (int)PTR_ERR(copy);
	return mount_graft_locked(copy, where);
}

static int do_move(const char *source, const struct path *where)
{
	_cleanup_path_ struct path src = { NULL, NULL };
	_cleanup_path_ struct path on = *where;
	struct mount *m;
	int err;

	path_get(&on);
	if (!source || !*source)
		return -LINUX_EINVAL;
	err = path_lookupat(LINUX_AT_FDCWD, source, LOOKUP_FOLLOW, &src);
	if (err)
		return err;
	MUTEX_GUARD(&namespace_lock);
	path_follow_mounts(&on);
	m = src.mnt;
	if (src.dentry != m->root || !m->parent || !on.mnt->ns || on.mnt->detached)
		return -LINUX_EINVAL;
	if (LINUX_S_ISDIR(m->root->inode->mode) != LINUX_S_ISDIR(on.dentry->inode->mode))
		return -LINUX_EINVAL;
	if (mount_is_below_locked(on.mnt, m))
		return -LINUX_ELOOP;
	mount_unlink_locked(m);
	mount_link_locked(m, on.mnt, on.dentry);
	return 0;
}

static bool sb_has_writers_locked(const struct mnt_namespace *ns, const struct super_block *sb)
{
	struct mount *m;

	list_for_each_entry(m, &ns->mounts, ns_link)
		if (m->sb == sb && atomic_load(&m->writers) > 0)
			return true;
	return false;
}

static int do_remount(const struct path *where, uint64_t flags)
{
	struct mount *m = where->mnt;
	unsigned new_flags = mount_flags_normalize(flags);
	bool bind = flags & LINUX_MS_BIND;

	if (where->dentry != m->root)
		return -LINUX_EINVAL;
	MUTEX_GUARD(&namespace_lock);
	if (!m->ns || m->detached)
		return -LINUX_EINVAL;
	if (bind) {
		if (new_flags & LINUX_MS_RDONLY && !(m->flags & LINUX_MS_RDONLY) && atomic_load(&m->writers) > 0)
			return -LINUX_EBUSY;
	} else {
		if (flags & LINUX_MS_RDONLY && !(m->sb->flags & LINUX_SB_RDONLY)) {
			if (sb_has_writers_locked(m->ns, m->sb))
				return -LINUX_EBUSY;
			sb_sync(m->sb);
			m->sb->flags |= LINUX_SB_RDONLY;
		} else if (!(flags & LINUX_MS_RDONLY) && m->sb->flags & LINUX_SB_RDONLY) {
			if (m->sb->fixed_ro)
				return -LINUX_EROFS;
			m->sb->flags &= ~LINUX_SB_RDONLY;
		}
	}
	WRITE_ONCE(m->flags, new_flags);
	return 0;
}

static int do_new_mount(const char *source, const struct path *where, const char *type, uint64_t flags,
			const char *data)
{
	const struct fs_type *fs;
	struct super_block *sb;

	if (!type)
		return -LINUX_EINVAL;
	fs = fs_type_find(type);
	if (!fs)
		return -LINUX_ENODEV;
	sb = fs->mount(fs, flags & (LINUX_SB_RDONLY | LINUX_SB_SYNCHRONOUS | LINUX_SB_DIRSYNC | LINUX_SB_LAZYTIME),
		       source, data);
	if (IS_ERR(sb))
		return (int)PTR_ERR(sb);
	if (!sb->source)
		sb->source = strdup(source && *source ? source : "none");
	return mount_attach(sb, where, flags & MNT_FLAGS);
}

int do_mount(const char *source, const struct path *where, const char *type, uint64_t flags, const char *data)
{
	const uint64_t propagation = LINUX_MS_SHARED | LINUX_MS_PRIVATE | LINUX_MS_SLAVE | LINUX_MS_UNBINDABLE;

	if ((flags & LINUX_MS_MGC_MSK) == LINUX_MS_MGC_VAL)
		flags &= ~(uint64_t)LINUX_MS_MGC_MSK;
	if (!capable(CAP_SYS_ADMIN))
		return -LINUX_EPERM;
	if (flags & LINUX_MS_REMOUNT)
		return do_remount(where, flags);
	if (flags & LINUX_MS_BIND)
		return do_bind(source, where, flags & LINUX_MS_REC);
	if (flags & propagation) {
		uint64_t type_flag = flags & propagation;

		/* Exactly one type, nothing else but MS_REC and MS_SILENT. */
		if (type_flag & (type_flag - 1) || flags & ~(propagation | LINUX_MS_REC | LINUX_MS_SILENT))
			return -LINUX_EINVAL;
		return where->dentry == where->mnt->root ? 0 : -LINUX_EINVAL;
	}
	if (flags & LINUX_MS_MOVE)
		return do_move(source, where);
	return do_new_mount(source, where, type, flags, data);
}

int do_umount(const struct path *where, unsigned flags)
{
	struct mount *m = where->mnt;

	if (flags & ~(LINUX_MNT_FORCE | LINUX_MNT_DETACH | LINUX_MNT_EXPIRE | LINUX_UMOUNT_NOFOLLOW))
		return -LINUX_EINVAL;
	if (!capable(CAP_SYS_ADMIN))
		return -LINUX_EPERM;
	if (where->dentry != m->root)
		return -LINUX_EINVAL;
	if (flags & LINUX_MNT_EXPIRE && flags & (LINUX_MNT_FORCE | LINUX_MNT_DETACH))
		return -LINUX_EINVAL;
	MUTEX_GUARD(&namespace_lock);
	if (!m->ns || m->detached)
		return -LINUX_EINVAL;
	if (m == m->ns->root)
		return -LINUX_EBUSY;
	if (!(flags & LINUX_MNT_DETACH)) {
		/* The tree's reference and the caller's. */
		if (!list_empty(&m->children) || ref_read(&m->ref) > 2)
			return -LINUX_EBUSY;
		if (flags & LINUX_MNT_EXPIRE)
			return -LINUX_EAGAIN;
	}
	mount_umount_tree_locked(m);
	return 0;
}

/* As pivot_root(2): the new root mount comes to the top, the old one hangs on @put_old. */
int do_pivot_root(const struct path *new_root, const struct path *put_old)
{
	_cleanup_path_ struct path root = { NULL, NULL };
	struct mount *new_mnt = new_root->mnt, *old_mnt;

	if (!capable(CAP_SYS_ADMIN))
		return -LINUX_EPERM;
	fs_get_root(&root);
	MUTEX_GUARD(&namespace_lock);
	old_mnt = root.mnt;
	if (new_mnt == old_mnt || put_old->mnt == old_mnt)
		return -LINUX_EBUSY;
	if (root.dentry != old_mnt->root || new_root->dentry != new_mnt->root || !new_mnt->parent)
		return -LINUX_EINVAL;
	if (old_mnt != old_mnt->ns->root || put_old->mnt->detached)
		return -LINUX_EINVAL;
	if (new_root->dentry->unhashed || put_old->dentry->unhashed)
		return -LINUX_ENOENT;
	/* put_old at or below new_root, new_root below the old one. */
	if (!mount_is_below_locked(put_old->mnt, new_mnt) || !mount_is_below_locked(new_mnt, old_mnt))
		return -LINUX_EINVAL;
	mount_unlink_locked(new_mnt);
	old_mnt->ns->root = new_mnt;
	mount_link_locked(old_mnt, put_old->mnt, put_old->dentry);
	fs_structs_replace_root(&root, new_root);
	return 0;
}
