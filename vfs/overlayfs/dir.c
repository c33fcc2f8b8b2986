/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names.  Where a whiteout has the place, what is new is made in the directory "work" and renamed over it.
 */
#include <string.h>

#include "vfs/overlayfs/ovl.h"

/* --- making --- */

struct making {
	const char *target; /* of a symlink */
	struct inode *link; /* another name of this real inode */
	uint32_t mode;
	uint64_t rdev;
};

/* Owned by the caller, made with the mounter's rights. */
static const struct cred *making_cred(const struct ovl_sb_info *si, const struct cred *caller)
{
	struct cred *c = cred_copy(si->cred);

	if (c) {
		c->fsuid = caller->fsuid;
		c->fsgid = caller->fsgid;
	}
	return c;
}

/* The owner and mode that inode_init_owner gives, said once more where the copy's directory is another. */
static int owner_fix(struct inode *dir, const struct path *made, uint32_t mode)
{
	struct inode *inode = made->dentry->inode;
	struct iattr attr = { .valid = ATTR_GID, .gid = dir->gid };
	int err;

	if (!(dir->mode & LINUX_S_ISGID))
		return 0;
	if (LINUX_S_ISDIR(mode)) {
		attr.valid |= ATTR_MODE;
		attr.mode = inode->mode | LINUX_S_ISGID;
	}
	rwlock_write(&inode->i_rwsem);
	err = inode_setattr_locked(inode, &attr);
	rwlock_unlock(&inode->i_rwsem);
	return err;
}

/* Over a whiteout. */
static struct dentry *make_over(struct inode *dir, const char *name, const struct making *m)
{
	struct ovl_sb_info *si = OVL_SB(dir->sb);
	struct dentry *upper = OVL_I(dir)->upper.dentry, *d;
	bool is_dir = LINUX_S_ISDIR(m->mode);
	struct path p;
	char temp[32];
	int err = 0;

	ovl_temp_name(si, temp);
	d = real_make(si->work.dentry, temp, m->mode, m->rdev, m->target, m->link);
	if (IS_ERR(d))
		return d;
	p = (struct path){ si->work.mnt, d };
	if (!m->link)
		err = owner_fix(dir, &p, m->mode);
	if (!err && is_dir)
		err = ovl_set_opaque(si, &p);
	if (!err)
		err = dir_rename(si->work.dentry, temp, upper, name, is_dir ? LINUX_RENAME_EXCHANGE : 0);
	if (err || is_dir)
		real_remove(si->work.dentry, temp);
	if (!err)
		return d;
	dentry_put(d);
	return ERR_PTR(err);
}

/* Makes it in the upper layer: its dentry there, or ERR_PTR. */
static struct dentry *make_upper(struct inode *dir, const char *name, const struct making *m)
{
	struct dentry *there;
	bool over;
	int err = ovl_copy_up(dir, UINT64_MAX);

	if (err)
		return ERR_PTR(err);
	there = real_lookup(OVL_I(dir)->upper.dentry, name);
	if (IS_ERR(there))
		return there;
	over = there->inode && ovl_is_whiteout(there->inode);
	dentry_put(there);
	return over ? make_over(dir, name, m) :
		      real_make(OVL_I(dir)->upper.dentry, name, m->mode, m->rdev, m->target, m->link);
}

static struct inode *make(struct inode *dir, const char *name, const struct making *m)
{
	struct ovl_sb_info *si = OVL_SB(dir->sb);
	const struct cred *cred = making_cred(si, current_cred), *old = current_cred;
	struct inode *ret;
	struct dentry *d;
	struct path upper;

	if (!cred)
		return ERR_PTR(-LINUX_ENOMEM);
	current_cred = cred;
	d = make_upper(dir, name, m);
	if (IS_ERR(d)) {
		ret = (struct inode *)d;
	} else {
		upper = (struct path){ si->upper.mnt, d };
		ref_get(&si->upper.mnt->ref);
		ret = ovl_inode_get(dir->sb, OVL_I(dir), name, &upper, NULL, 0);
		ovl_copyattr(dir);
	}
	current_cred = old;
	cred_put(cred);
	return ret;
}

struct inode *ovl_mknod(struct inode *dir, const char *name, uint32_t mode, uint64_t rdev)
{
	/* A whiteout is not for guests to make here. */
	if (LINUX_S_ISCHR(mode) && !rdev)
		return ERR_PTR(-LINUX_EPERM);
	return make(dir, name, &(struct making){ .mode = mode, .rdev = rdev });
}

struct inode *ovl_mkdir(struct inode *dir, const char *name, uint32_t mode)
{
	return make(dir, name, &(struct making){ .mode = mode | LINUX_S_IFDIR });
}

struct inode *ovl_symlink(struct inode *dir, const char *name, const char *target)
{
	return make(dir, name, &(struct making){ .mode = LINUX_S_IFLNK | 0777, .target = target });
}

int ovl_link(struct inode *dir, const char *name, struct inode *inode)
{
	struct dentry *d;
	OVL_CREDS(dir->sb);
	int err = ovl_copy_up(inode, UINT64_MAX);

	if (err)
		return err;
	d = make_upper(dir, name, &(struct making){ .mode = inode->mode, .link = ovl_real_inode(OVL_I(inode)) });
	if (IS_ERR(d))
		return PTR_ERR(d);
	dentry_put(d);
	ovl_copyattr(inode);
	ovl_copyattr(dir);
	return 0;
}

/* --- removing --- */

/* The name is gone, or hidden where a lower layer would show through. */
static int take_away(struct inode *dir, const char *name, struct inode *inode)
{
	struct ovl_sb_info *si = OVL_SB(dir->sb);
	int err = ovl_copy_up(dir, UINT64_MAX), has;

	if (err)
		return err;
	has = ovl_lower_has(dir, name);
	if (has < 0)
		return has;
	if (has) {
		err = ovl_whiteout(si, OVL_I(dir)->upper.dentry, name);
	} else {
		if (LINUX_S_ISDIR(inode->mode))
			ovl_dir_clear(&OVL_I(inode)->upper);
		err = real_remove(OVL_I(dir)->upper.dentry, name);
	}
	if (err)
		return err;
	mutex_lock(&OVL_I(inode)->lock);
	OVL_I(inode)->gone = true;
	mutex_unlock(&OVL_I(inode)->lock);
	if (ovl_is_upper(OVL_I(inode)))
		ovl_copyattr(inode);
	if (LINUX_S_ISDIR(inode->mode) || !ovl_is_upper(OVL_I(inode)))
		atomic_store(&inode->nlink, 0);
	ovl_copyattr(dir);
	return 0;
}

int ovl_unlink(struct inode *dir, const char *name, struct inode *inode)
{
	OVL_CREDS(dir->sb);

	return take_away(dir, name, inode);
}

int ovl_rmdir(struct inode *dir, const char *name, struct inode *inode)
{
	OVL_CREDS(dir->sb);
	int err = ovl_dir_empty(inode);

	return err ? err : take_away(dir, name, inode);
}

/* --- rename --- */

/* Shows anything of a lower layer, so that a new place would lose it. */
static bool is_merged(const struct inode *inode)
{
	return LINUX_S_ISDIR(inode->mode) && (!ovl_is_upper(OVL_I(inode)) || OVL_I(inode)->nr_lower);
}

static int rename_prepare(struct inode *inode, struct inode *dir, const char *name)
{
	int err;

	if (is_merged(inode))
		return -LINUX_EXDEV;
	err = ovl_copy_up(inode, UINT64_MAX);
	/* What it will lie over must not shine through. */
	if (!err && LINUX_S_ISDIR(inode->mode)) {
		err = ovl_lower_has(dir, name);
		if (err > 0)
			err = ovl_set_opaque(OVL_SB(dir->sb), &OVL_I(inode)->upper);
	}
	return err;
}

/* The place that was left, where something of a lower layer would show. */
static int leave(struct inode *dir, const char *name)
{
	int has = ovl_lower_has(dir, name);

	return has > 0 ? ovl_whiteout(OVL_SB(dir->sb), OVL_I(dir)->upper.dentry, name) : has;
}

static int rename_over(struct inode *old_dir, const char *old_name, struct inode *inode, struct inode *new_dir,
		       const char *new_name, struct inode *target)
{
	struct dentry *from = OVL_I(old_dir)->upper.dentry, *to = OVL_I(new_dir)->upper.dentry, *there;
	bool is_dir = LINUX_S_ISDIR(inode->mode), over_whiteout;
	int err;

	if (target && LINUX_S_ISDIR(target->mode)) {
		err = ovl_dir_empty(target);
		/* Its place must be one that an empty directory has: what is in it of the upper layer are whiteouts. */
		if (!err && ovl_is_upper(OVL_I(target)))
			err = ovl_dir_clear(&OVL_I(target)->upper);
		if (err)
			return err;
	}
	there = real_lookup(to, new_name);
	if (IS_ERR(there))
		return PTR_ERR(there);
	over_whiteout = is_dir && there->inode && ovl_is_whiteout(there->inode);
	dentry_put(there);
	err = dir_rename(from, old_name, to, new_name, over_whiteout ? LINUX_RENAME_EXCHANGE : 0);
	if (!err && over_whiteout)
		err = real_remove(from, old_name);
	return err ? err : leave(old_dir, old_name);
}

int ovl_rename(struct inode *old_dir, const char *old_name, struct inode *inode, struct inode *new_dir, const char *new_name,
	       struct inode *target, unsigned flags)
{
	OVL_CREDS(old_dir->sb);
	int err = 0;

	if (flags & ~LINUX_RENAME_EXCHANGE)
		return -LINUX_EINVAL;
	if (flags && is_merged(target))
		return -LINUX_EXDEV;
	err = ovl_copy_up(old_dir, UINT64_MAX);
	if (!err)
		err = ovl_copy_up(new_dir, UINT64_MAX);
	if (!err)
		err = rename_prepare(inode, new_dir, new_name);
	if (!err && flags)
		err = rename_prepare(target, old_dir, old_name);
	if (err)
		return err;
	if (flags)
		err = dir_rename(OVL_I(old_dir)->upper.dentry, old_name, OVL_I(new_dir)->upper.dentry, new_name, flags);
	else
		err = rename_over(old_dir, old_name, inode, new_dir, new_name, target);
	if (!err && target && !flags) {
		mutex_lock(&OVL_I(target)->lock);
		OVL_I(target)->gone = true;
		mutex_unlock(&OVL_I(target)->lock);
		if (ovl_is_upper(OVL_I(target)) && !LINUX_S_ISDIR(target->mode))
			ovl_copyattr(target);
		else
			atomic_store(&target->nlink, 0);
	}
	ovl_copyattr(inode);
	ovl_copyattr(old_dir);
	ovl_copyattr(new_dir);
	return err;
}
