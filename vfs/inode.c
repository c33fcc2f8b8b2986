/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inodes: life, times, permission, and attributes of in-memory filesystems.
 */
#include <stdlib.h>
#include <string.h>

#include "vfs/internal.h"

struct timespec64 current_time(void)
{
	int64_t ns = realtime_ns();

	return (struct timespec64){ .sec = ns / 1000000000, .nsec = ns % 1000000000 };
}

/* --- life --- */

void inode_init(struct inode *inode, struct super_block *sb, uint64_t ino, uint32_t mode, const struct inode_ops *ops,
		const struct file_ops *fops)
{
	static const struct inode_ops no_ops;

	ref_init(&inode->ref);
	inode->sb = sb;
	inode->ops = ops ? ops : &no_ops;
	inode->fops = fops;
	inode->ino = ino ? ino : atomic_fetch_add(&sb->next_ino, 1);
	inode->mode = mode;
	atomic_init(&inode->nlink, 1);
	inode->atime = inode->mtime = inode->ctime = inode->btime = current_time();
	mutex_init(&inode->i_lock);
	rwlock_init(&inode->i_rwsem);
	mapping_init(&inode->mapping, inode, NULL);
	list_init(&inode->s_link);
	inode->seals = SEALS_NONE;
}

struct inode *inode_new(struct super_block *sb, uint64_t ino, uint32_t mode, const struct inode_ops *ops,
			const struct file_ops *fops)
{
	struct inode *inode = calloc(1, sizeof(*inode));

	if (!inode)
		return ERR_PTR(-LINUX_ENOMEM);
	inode_init(inode, sb, ino, mode, ops, fops);
	return inode;
}

void inode_fini(struct inode *inode)
{
	locks_free_inode(inode);
	leases_free_inode(inode);
	free(inode->marks); /* no watch is left: each holds a reference */
	mapping_fini(&inode->mapping);
	rwlock_fini(&inode->i_rwsem);
	mutex_fini(&inode->i_lock);
	free(atomic_load(&inode->link));
}

void inode_put(struct inode *inode)
{
	if (ref_put(&inode->ref))
		inode->sb->ops->free_inode(inode);
}

void inode_init_owner(struct inode *inode, const struct inode *dir, uint32_t mode)
{
	inode->uid = current_cred->fsuid;
	inode->gid = current_cred->fsgid;
	if (dir && (dir->mode & LINUX_S_ISGID)) {
		inode->gid = dir->gid;
		if (LINUX_S_ISDIR(mode))
			mode |= LINUX_S_ISGID;
	}
	/* A set-group-id file for a group one is not in: as mode_strip_sgid in fs/inode.c. */
	if (!LINUX_S_ISDIR(mode) && dir && (dir->mode & LINUX_S_ISGID) &&
	    (mode & (LINUX_S_ISGID | 010)) == (LINUX_S_ISGID | 010) && !cred_in_group(current_cred, inode->gid) &&
	    !inode_capable(inode, CAP_FSETID))
		mode &= ~LINUX_S_ISGID;
	inode->mode = mode;
}

/* --- times --- */

/* Written with i_lock held; relatime looks at them without. */
static void time_write(struct timespec64 *t, const struct timespec64 *now)
{
	WRITE_ONCE(t->sec, now->sec);
	WRITE_ONCE(t->nsec, now->nsec);
}

static void inode_mark_dirty(struct inode *inode)
{
	if (inode->sb->ops->dirty_inode)
		inode->sb->ops->dirty_inode(inode);
}

void inode_touch_mtime(struct inode *inode)
{
	struct timespec64 now = current_time();

	mutex_lock(&inode->i_lock);
	time_write(&inode->mtime, &now);
	time_write(&inode->ctime, &now);
	mutex_unlock(&inode->i_lock);
	inode_mark_dirty(inode);
}

void inode_touch_ctime(struct inode *inode)
{
	struct timespec64 now = current_time();

	mutex_lock(&inode->i_lock);
	time_write(&inode->ctime, &now);
	mutex_unlock(&inode->i_lock);
	inode_mark_dirty(inode);
}

static bool timespec64_after(const struct timespec64 *a, const struct timespec64 *b)
{
	int64_t a_sec = READ_ONCE(a->sec), b_sec = READ_ONCE(b->sec);

	return a_sec > b_sec || (a_sec == b_sec && READ_ONCE(a->nsec) > READ_ONCE(b->nsec));
}

/* relatime: only when the file changed since it was last read, or a day went by (relatime_need_update). */
void inode_touch_atime(struct inode *inode, struct mount *mnt)
{
	unsigned flags = mnt ? READ_ONCE(mnt->flags) : 0;
	struct timespec64 now;

	if (flags & (LINUX_MS_NOATIME | LINUX_MS_RDONLY) || inode->sb->flags & (LINUX_SB_RDONLY | LINUX_MS_NOATIME))
		return;
	if (inode->attr_flags & LINUX_FS_NOATIME_FL)
		return;
	if (LINUX_S_ISDIR(inode->mode) && flags & LINUX_MS_NODIRATIME)
		return;
	if (!(flags & LINUX_MS_STRICTATIME) && timespec64_after(&inode->atime, &inode->mtime) &&
	    timespec64_after(&inode->atime, &inode->ctime)) {
		/* The common case costs no lock and, most of the time, no look at the clock: a day is long. */
		if (current_time().sec - READ_ONCE(inode->atime.sec) < 24 * 60 * 60)
			return;
	}
	now = current_time();
	mutex_lock(&inode->i_lock);
	time_write(&inode->atime, &now);
	mutex_unlock(&inode->i_lock);
	inode_mark_dirty(inode);
}

/* --- permission --- */

bool inode_owner_or_capable(const struct inode *inode)
{
	return current_cred->fsuid == inode->uid || inode_capable(inode, CAP_FOWNER);
}

/* Mode bits and ACLs; capabilities not looked at. */
static int acl_permission_check(struct inode *inode, unsigned mask)
{
	uint32_t mode = READ_ONCE(inode->mode);

	mask &= MAY_READ | MAY_WRITE | MAY_EXEC;
	if (current_cred->fsuid == inode->uid)
		return mask & ~(mode >> 6) ? -LINUX_EACCES : 0;
	if (mode & 070 && inode->ops->getxattr && atomic_load(&inode->acl_state) != ACL_NONE) {
		int err = posix_acl_permission(inode, mask);

		if (err != -LINUX_EAGAIN)
			return err;
	}
	if (cred_in_group(current_cred, inode->gid))
		mode >>= 3;
	return mask & ~mode ? -LINUX_EACCES : 0;
}

int generic_permission(struct inode *inode, unsigned mask)
{
	int err = acl_permission_check(inode, mask);

	if (err != -LINUX_EACCES)
		return err;
	mask &= MAY_READ | MAY_WRITE | MAY_EXEC;
	if (LINUX_S_ISDIR(inode->mode)) {
		if (!(mask & MAY_WRITE) && inode_capable(inode, CAP_DAC_READ_SEARCH))
			return 0;
		return inode_capable(inode, CAP_DAC_OVERRIDE) ? 0 : -LINUX_EACCES;
	}
	if (mask == MAY_READ && inode_capable(inode, CAP_DAC_READ_SEARCH))
		return 0;
	/* Nobody may execute what nobody may execute. */
	if ((!(mask & MAY_EXEC) || inode->mode & 0111) && inode_capable(inode, CAP_DAC_OVERRIDE))
		return 0;
	return -LINUX_EACCES;
}

int inode_permission(struct inode *inode, unsigned mask)
{
	if (mask & MAY_WRITE) {
		uint32_t mode = inode->mode;

		if (inode->sb->flags & LINUX_SB_RDONLY &&
		    (LINUX_S_ISREG(mode) || LINUX_S_ISDIR(mode) || LINUX_S_ISLNK(mode)))
			return -LINUX_EROFS;
		if (IS_IMMUTABLE(inode))
			return -LINUX_EPERM;
	}
	return inode->ops->permission ? inode->ops->permission(inode, mask) : generic_permission(inode, mask);
}

int inode_permission_as(struct inode *inode, unsigned mask, const struct cred *cred)
{
	const struct cred *saved = current_cred;
	int err;

	current_cred = cred;
	err = inode_permission(inode, mask);
	current_cred = saved;
	return err;
}

int inode_may_exec_fast(const struct inode *dir)
{
	uint32_t mode = READ_ONCE(dir->mode);

	if (dir->ops->permission)
		return 1;
	/* Everybody may, and no ACL takes it away (an ACL has the group bits as its mask). */
	if ((mode & 0111) == 0111 &&
	    (current_cred->fsuid == dir->uid || !dir->ops->getxattr ||
	     atomic_load_explicit(&((struct inode *)dir)->acl_state, memory_order_relaxed) == ACL_NONE))
		return 0;
	if (inode_capable(dir, CAP_DAC_READ_SEARCH) || inode_capable(dir, CAP_DAC_OVERRIDE))
		return 0;
	if (current_cred->fsuid == dir->uid)
		return mode & 0100 ? 0 : -LINUX_EACCES;
	return 1;
}

int inode_get_write_access(struct inode *inode)
{
	int n = atomic_load(&inode->writecount);

	do {
		if (n < 0)
			return -LINUX_ETXTBSY;
	} while (!atomic_compare_exchange_weak(&inode->writecount, &n, n + 1));
	return 0;
}

void inode_put_write_access(struct inode *inode)
{
	atomic_fetch_sub(&inode->writecount, 1);
}

int inode_deny_write(struct inode *inode)
{
	int n = atomic_load(&inode->writecount);

	do {
		if (n > 0)
			return -LINUX_ETXTBSY;
	} while (!atomic_compare_exchange_weak(&inode->writecount, &n, n - 1));
	return 0;
}

void inode_allow_write(struct inode *inode)
{
	atomic_fetch_add(&inode->writecount, 1);
}

/* --- attributes --- */

int generic_getattr(struct inode *inode, struct kstat *ret)
{
	MUTEX_GUARD(&inode->i_lock);

	*ret = (struct kstat){
		.dev = inode->dev ? inode->dev : inode->sb->dev,
		.ino = inode->ino,
		.rdev = inode->rdev,
		.size = inode->size,
		.blocks = inode->blocks,
		.mode = inode->mode,
		.nlink = atomic_load(&inode->nlink),
		.uid = inode->uid,
		.gid = inode->gid,
		.blksize = inode->sb->blksize,
		.atime = inode->atime,
		.mtime = inode->mtime,
		.ctime = inode->ctime,
		.btime = inode->btime,
		.attributes_mask = LINUX_STATX_ATTR_IMMUTABLE | LINUX_STATX_ATTR_APPEND,
	};
	/* FS_*_FL and STATX_ATTR_* agree in these bits. */
	ret->attributes = inode->attr_flags & ret->attributes_mask;
	return 0;
}

/* Takes over what @attr says but for the size. */
void setattr_copy(struct inode *inode, const struct iattr *attr)
{
	MUTEX_GUARD(&inode->i_lock);

	if (attr->valid & ATTR_UID)
		inode->uid = attr->uid;
	if (attr->valid & ATTR_GID)
		inode->gid = attr->gid;
	if (attr->valid & ATTR_ATIME)
		inode->atime = attr->atime;
	if (attr->valid & ATTR_MTIME)
		inode->mtime = attr->mtime;
	if (attr->valid & ATTR_CTIME)
		inode->ctime = attr->ctime;
	if (attr->valid & ATTR_MODE)
		inode->mode = (inode->mode & LINUX_S_IFMT) | (attr->mode & LINUX_S_IALLUGO);
}

int simple_setattr(struct inode *inode, const struct iattr *attr)
{
	if (attr->valid & ATTR_SIZE) {
		uint64_t old = inode->size;

		mutex_lock(&inode->i_lock);
		WRITE_ONCE(inode->size, attr->size);
		mutex_unlock(&inode->i_lock);
		if (inode->mapping.ops && attr->size < old)
			mapping_truncate(&inode->mapping, attr->size);
		else if (inode->mapping.ops)
			mapping_zero_tail(&inode->mapping, old);
	}
	setattr_copy(inode, attr);
	return 0;
}
