/* SPDX-License-Identifier: Apache-2.0 */
/* mount(2), umount(2), pivot_root(2). */
#include <string.h>

#include "vfs/mount.h"
#include "vfs/super.h"
#include "vfs/user_ns.h"

#define MS_PROPAGATION (LINUX_MS_SHARED | LINUX_MS_PRIVATE | LINUX_MS_SLAVE | LINUX_MS_UNBINDABLE)

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

/* Mounts are changed by those in their namespace. */
bool mount_is_ours_locked(const struct mount *m)
{
	return m->ns && m->ns == current_fs->mnt_ns && !m->detached;
}

bool mount_is_loose_locked(const struct mount *m)
{
	return !m->ns && !m->parent && !m->detached;
}

/* Whether a mount below @root, which the caller may not take away, hides something that a copy without it would show. */
static bool mount_hides_locked(const struct mount *m, const struct dentry *root)
{
	struct mount *child;

	list_for_each_entry(child, &m->children, child_link)
		if (child->locked && dentry_is_below(child->mountpoint.dentry, root))
			return true;
	return false;
}

struct mount *mount_clone_locked(const struct path *src, bool rec)
{
	const struct ns_common *ns = nsfs_inode_ns(src->dentry->inode);

	/* A mount namespace in itself, or in an earlier one, would never go. */
	if (ns && ns->type == NS_MNT && container_of(ns, struct mnt_namespace, ns)->seq <= current_fs->mnt_ns->seq)
		return ERR_PTR(-LINUX_EINVAL);
	if (src->mnt->unbindable || (!ns && !mount_is_ours_locked(src->mnt) && !mount_is_loose_locked(src->mnt)))
		return ERR_PTR(-LINUX_EINVAL);
	if (!rec && mount_hides_locked(src->mnt, src->dentry))
		return ERR_PTR(-LINUX_EINVAL);
	return mount_copy_locked(src->mnt, src->dentry, rec ? COPY_REC : 0);
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
	NAMESPACE_GUARD();
	copy = mount_clone_locked(&src, rec);
	return IS_ERR(copy) ? (int)PTR_ERR(copy) : mount_graft_locked(copy, where);
}

static bool mount_has_unbindable_locked(struct mount *top)
{
	for (struct mount *m = top; m; m = mount_next(m, top))
		if (m->unbindable)
			return true;
	return false;
}

int mount_move(const struct path *src, const struct path *where)
{
	_cleanup_path_ struct path on = *where;
	struct mount *m = src->mnt;
	bool loose;

	path_get(&on);
	NAMESPACE_GUARD();
	path_follow_mounts(&on);
	loose = mount_is_loose_locked(m);
	if (src->dentry != m->root || !mount_is_ours_locked(on.mnt) || (!loose && (!m->parent || !mount_is_ours_locked(m) || m->locked)))
		return -LINUX_EINVAL;
	if ((m->parent && m->parent->peers) || (on.mnt->peers && mount_has_unbindable_locked(m)))
		return -LINUX_EINVAL;
	if (LINUX_S_ISDIR(m->root->inode->mode) != LINUX_S_ISDIR(on.dentry->inode->mode))
		return -LINUX_EINVAL;
	if (mount_is_below_locked(on.mnt, m))
		return -LINUX_ELOOP;
	if (loose)
		return mount_graft_locked(m, &on);
	mount_unlink_locked(m);
	mount_link_locked(m, on.mnt, on.dentry);
	return mount_propagate_locked(m);
}

static int do_move(const char *source, const struct path *where)
{
	_cleanup_path_ struct path src = { NULL, NULL };
	int err;

	if (!source || !*source)
		return -LINUX_EINVAL;
	err = path_lookupat(LINUX_AT_FDCWD, source, LOOKUP_FOLLOW, &src);
	return err ? err : mount_move(&src, where);
}

/* In the owner of the mount namespace. */
bool may_mount(void)
{
	return ns_capable(current_fs->mnt_ns->ns.user_ns, CAP_SYS_ADMIN);
}

static bool sb_has_writers_locked(const struct mnt_namespace *ns, const struct super_block *sb)
{
	struct mount *m;

	list_for_each_entry(m, &ns->mounts, ns_link)
		if (m->sb == sb && atomic_load(&m->writers) > 0)
			return true;
	return false;
}

static int sb_reconfigure_locked(struct super_block *sb, bool readonly)
{
	if (readonly && !(sb->flags & LINUX_SB_RDONLY)) {
		if (sb_has_writers_locked(current_fs->mnt_ns, sb))
			return -LINUX_EBUSY;
		sb_sync(sb);
		sb->flags |= LINUX_SB_RDONLY;
	} else if (!readonly && sb->flags & LINUX_SB_RDONLY) {
		if (sb->fixed_ro)
			return -LINUX_EROFS;
		sb->flags &= ~LINUX_SB_RDONLY;
	}
	return 0;
}

static bool may_reconfigure(const struct super_block *sb)
{
	return ns_capable(&init_user_ns, CAP_SYS_ADMIN) || sb->no_devices;
}

int sb_reconfigure(struct super_block *sb, bool readonly)
{
	if (!may_reconfigure(sb))
		return -LINUX_EPERM;
	NAMESPACE_GUARD();
	return sb_reconfigure_locked(sb, readonly);
}

static int do_remount(const struct path *where, uint64_t flags)
{
	struct mount *m = where->mnt;
	unsigned new_flags = mount_flags_normalize(flags);
	bool bind = flags & LINUX_MS_BIND;

	if (where->dentry != m->root)
		return -LINUX_EINVAL;
	NAMESPACE_GUARD();
	if (!mount_is_ours_locked(m))
		return -LINUX_EINVAL;
	/* What came from above keeps its restrictions. */
	if (m->locked_flags & ~new_flags)
		return -LINUX_EPERM;
	if (!bind && !may_reconfigure(m->sb))
		return -LINUX_EPERM;
	if (bind) {
		if (new_flags & LINUX_MS_RDONLY && !(m->flags & LINUX_MS_RDONLY) && atomic_load(&m->writers) > 0)
			return -LINUX_EBUSY;
	} else {
		int err = sb_reconfigure_locked(m->sb, flags & LINUX_MS_RDONLY);

		if (err)
			return err;
	}
	WRITE_ONCE(m->flags, new_flags);
	return 0;
}

struct super_block *sb_create(const struct fs_type *fs, uint64_t flags, const char *source, const char *data)
{
	struct super_block *sb;

	/* The machine's own file systems are its root's to mount. */
	if (!fs->userns_mount && !capable(CAP_SYS_ADMIN))
		return ERR_PTR(-LINUX_EPERM);
	sb = fs->mount(fs, flags & (LINUX_SB_RDONLY | LINUX_SB_SYNCHRONOUS | LINUX_SB_DIRSYNC | LINUX_SB_LAZYTIME),
		       source, data);
	if (IS_ERR(sb))
		return sb;
	if (current_cred->user_ns != &init_user_ns)
		sb->no_devices = true;
	if (!sb->source)
		sb->source = strdup(source && *source ? source : "none");
	return sb;
}

static int do_new_mount(const char *source, const struct path *where, const char *type, uint64_t flags, const char *data)
{
	const struct fs_type *fs;
	struct super_block *sb;

	if (!type)
		return -LINUX_EINVAL;
	fs = fs_type_find(type);
	if (!fs)
		return -LINUX_ENODEV;
	sb = sb_create(fs, flags, source, data);
	if (IS_ERR(sb))
		return (int)PTR_ERR(sb);
	return mount_attach(sb, where, flags & MNT_FLAGS);
}

static int do_change_type(const struct path *where, uint64_t flags)
{
	uint64_t type = flags & MS_PROPAGATION;
	struct mount *top = where->mnt;
	int err = 0;

	/* Exactly one type, nothing else but MS_REC and MS_SILENT. */
	if (type & (type - 1) || flags & ~(uint64_t)(MS_PROPAGATION | LINUX_MS_REC | LINUX_MS_SILENT))
		return -LINUX_EINVAL;
	if (where->dentry != top->root)
		return -LINUX_EINVAL;
	NAMESPACE_GUARD();
	if (!mount_is_ours_locked(top))
		return -LINUX_EINVAL;
	for (struct mount *m = top; m && !err; m = flags & LINUX_MS_REC ? mount_next(m, top) : NULL)
		err = mount_change_type_locked(m, type);
	return err;
}

int do_mount(const char *source, const struct path *where, const char *type, uint64_t flags, const char *data)
{
	if ((flags & LINUX_MS_MGC_MSK) == LINUX_MS_MGC_VAL)
		flags &= ~(uint64_t)LINUX_MS_MGC_MSK;
	if (!may_mount())
		return -LINUX_EPERM;
	if (flags & LINUX_MS_REMOUNT)
		return do_remount(where, flags);
	if (flags & LINUX_MS_BIND)
		return do_bind(source, where, flags & LINUX_MS_REC);
	if (flags & MS_PROPAGATION)
		return do_change_type(where, flags);
	if (flags & LINUX_MS_MOVE)
		return do_move(source, where);
	return do_new_mount(source, where, type, flags, data);
}

/* --- mount_setattr --- */

static unsigned attr_changed(const struct mount *m, const struct mount_attr_change *c)
{
	return (m->flags & ~c->clear) | c->set;
}

/* Whether all of @top's tree may be changed. */
static int setattr_check_locked(struct mount *top, const struct mount_attr_change *c)
{
	for (struct mount *m = top; m; m = c->recursive ? mount_next(m, top) : NULL) {
		unsigned flags = attr_changed(m, c);

		if (m->locked_flags & ~flags)
			return -LINUX_EPERM;
		if (flags & LINUX_MS_RDONLY && !(m->flags & LINUX_MS_RDONLY) && atomic_load(&m->writers) > 0)
			return -LINUX_EBUSY;
	}
	return 0;
}

int mount_setattr(const struct path *where, const struct mount_attr_change *c)
{
	struct mount *top = where->mnt;
	int err;

	if (where->dentry != top->root)
		return -LINUX_EINVAL;
	NAMESPACE_GUARD();
	if (!mount_is_ours_locked(top) && !mount_is_loose_locked(top))
		return -LINUX_EINVAL;
	err = setattr_check_locked(top, c);
	for (struct mount *m = top; m && !err; m = c->recursive ? mount_next(m, top) : NULL) {
		if (c->propagation)
			err = mount_change_type_locked(m, c->propagation);
		WRITE_ONCE(m->flags, attr_changed(m, c));
	}
	return err;
}

int do_umount(const struct path *where, unsigned flags)
{
	struct mount *m = where->mnt;

	if (flags & ~(LINUX_MNT_FORCE | LINUX_MNT_DETACH | LINUX_MNT_EXPIRE | LINUX_UMOUNT_NOFOLLOW))
		return -LINUX_EINVAL;
	if (!may_mount())
		return -LINUX_EPERM;
	if (where->dentry != m->root)
		return -LINUX_EINVAL;
	if (flags & LINUX_MNT_EXPIRE && flags & (LINUX_MNT_FORCE | LINUX_MNT_DETACH))
		return -LINUX_EINVAL;
	NAMESPACE_GUARD();
	if (!mount_is_ours_locked(m) || m->locked)
		return -LINUX_EINVAL;
	if (m == m->ns->root)
		return flags & LINUX_MNT_DETACH ? -LINUX_EINVAL : -LINUX_EBUSY;
	if (!(flags & LINUX_MNT_DETACH)) {
		/* The tree's reference and the caller's. */
		if (!list_empty(&m->children) || ref_read(&m->ref) > 2)
			return -LINUX_EBUSY;
		if (flags & LINUX_MNT_EXPIRE && !atomic_exchange(&m->expiring, true))
			return -LINUX_EAGAIN;
	}
	mount_propagate_umount_locked(m);
	mount_umount_tree_locked(m);
	return 0;
}

/* As pivot_root(2): the new root mount comes to the top, the old one hangs on @put_old. */
int do_pivot_root(const struct path *new_root, const struct path *put_old)
{
	_cleanup_path_ struct path root = { NULL, NULL };
	struct mount *new_mnt = new_root->mnt, *old_mnt;

	if (!may_mount())
		return -LINUX_EPERM;
	fs_get_root(&root);
	NAMESPACE_GUARD();
	old_mnt = root.mnt;
	if (!mount_is_ours_locked(old_mnt) || !mount_is_ours_locked(new_mnt) || !mount_is_ours_locked(put_old->mnt))
		return -LINUX_EINVAL;
	if (put_old->mnt->peers || (new_mnt->parent && new_mnt->parent->peers) || (old_mnt->parent && old_mnt->parent->peers))
		return -LINUX_EINVAL;
	if (new_mnt == old_mnt || put_old->mnt == old_mnt)
		return -LINUX_EBUSY;
	if (root.dentry != old_mnt->root || new_root->dentry != new_mnt->root || !new_mnt->parent || new_mnt->locked)
		return -LINUX_EINVAL;
	if (new_root->dentry->unhashed || put_old->dentry->unhashed)
		return -LINUX_ENOENT;
	/* put_old at or below new_root, new_root below the old one. */
	if (!mount_is_below_locked(put_old->mnt, new_mnt) || !mount_is_below_locked(new_mnt, old_mnt))
		return -LINUX_EINVAL;
	mount_unlink_locked(new_mnt);
	if (old_mnt->parent) {
		struct path at = old_mnt->mountpoint;

		dentry_get(at.dentry);
		mount_unlink_locked(old_mnt);
		mount_link_locked(new_mnt, at.mnt, at.dentry);
		dentry_put(at.dentry);
	} else {
		old_mnt->ns->root = new_mnt;
	}
	new_mnt->locked = old_mnt->locked;
	old_mnt->locked = false;
	mount_link_locked(old_mnt, put_old->mnt, put_old->dentry);
	fs_structs_replace_root(&root, new_root);
	return 0;
}
