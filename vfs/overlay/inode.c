/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "vfs/overlay/overlay_fs.h"

#define FOLLOW_NS 1000000000 /* how old a clean inode's attributes may be where the lower can change */

static void ops_set(struct inode *inode)
{
	inode->ops = &overlay_file_inode_ops;
	if (LINUX_S_ISREG(inode->mode)) {
		inode->fops = &overlay_file_ops;
		inode->mapping.ops = &overlay_mapping_ops;
	} else if (LINUX_S_ISDIR(inode->mode)) {
		inode->ops = &overlay_dir_inode_ops;
		inode->fops = &overlay_dir_ops;
	} else if (LINUX_S_ISLNK(inode->mode)) {
		inode->ops = &overlay_symlink_inode_ops;
	}
}

/* i_lock of both held, or @inode is new. */
static void attrs_copy(struct inode *inode, struct inode *lower)
{
	inode->mode = lower->mode;
	inode->uid = lower->uid;
	inode->gid = lower->gid;
	atomic_store(&inode->nlink, atomic_load(&lower->nlink));
	inode->rdev = lower->rdev;
	inode->size = lower->size;
	inode->blocks = lower->blocks;
	inode->atime = lower->atime;
	inode->mtime = lower->mtime;
	inode->ctime = lower->ctime;
	inode->btime = lower->btime;
	inode->generation = lower->generation;
	inode->attr_flags = lower->attr_flags;
}

static struct overlay_inode_info *info_new(struct overlay_sb_info *es, uint64_t ino, uint32_t mode)
{
	struct overlay_inode_info *oi = calloc(1, sizeof(*oi));

	if (!oi)
		return NULL;
	inode_init(&oi->vfs, es->sb, ino, mode, NULL, NULL);
	list_init(&oi->changed_link);
	return oi;
}

struct inode *overlay_iget(struct overlay_sb_info *es, struct inode *lower)
{
	struct inode *inode = inode_hash_find(&es->icache, lower->dev, lower->ino), *old;
	struct overlay_inode_info *oi;

	if (inode) {
		inode_put(lower);
		return inode;
	}
	oi = info_new(es, lower->ino, lower->mode);
	if (!oi) {
		inode_put(lower);
		return ERR_PTR(-LINUX_ENOMEM);
	}
	oi->lower = lower;
	oi->vfs.dev = lower->dev;
	mutex_lock(&lower->i_lock);
	attrs_copy(&oi->vfs, lower);
	mutex_unlock(&lower->i_lock);
	oi->checked = monotonic_ns();
	oi->lower_limit = oi->vfs.size;
	ops_set(&oi->vfs);
	old = inode_hash_insert(&es->icache, &oi->vfs);
	if (old) {
		inode_put(&oi->vfs);
		return old;
	}
	return &oi->vfs;
}

static bool timespec64_equal(const struct timespec64 *a, const struct timespec64 *b)
{
	return a->sec == b->sec && a->nsec == b->nsec;
}

/* Takes over what is new in the lower.  Whether the contents may be. */
static bool lower_take(struct overlay_inode_info *oi)
{
	struct inode *inode = &oi->vfs, *lower = oi->lower;
	bool changed;

	mutex_lock(&inode->i_lock);
	mutex_lock(&lower->i_lock);
	changed = inode->size != lower->size || !timespec64_equal(&inode->mtime, &lower->mtime) ||
		  !timespec64_equal(&inode->ctime, &lower->ctime);
	if (changed) {
		attrs_copy(inode, lower);
		oi->lower_limit = inode->size;
	}
	mutex_unlock(&lower->i_lock);
	mutex_unlock(&inode->i_lock);
	return changed;
}

void overlay_follow_lower(struct overlay_inode_info *oi, bool force)
{
	struct inode *inode = &oi->vfs, *lower = oi->lower;
	int64_t now;
	struct kstat st;

	/* Only a lower file system that fetches attributes from elsewhere has an operation for it. */
	if (!lower || !lower->ops->getattr || atomic_load(&oi->changes))
		return;
	now = monotonic_ns();
	if (!force && now - READ_ONCE(oi->checked) < FOLLOW_NS)
		return;
	WRITE_ONCE(oi->checked, now);
	if (lower->ops->getattr(lower, &st) || !rwlock_try_write(&inode->i_rwsem))
		return;
	if (!atomic_load(&oi->changes) && lower_take(oi) && LINUX_S_ISREG(inode->mode))
		mapping_invalidate(&inode->mapping);
	rwlock_unlock(&inode->i_rwsem);
}

struct inode *overlay_new_inode(struct inode *dir, uint32_t mode, uint64_t rdev)
{
	struct overlay_sb_info *es = OVERLAY_SB(dir->sb);
	struct overlay_inode_info *oi;

	if (atomic_fetch_add(&es->nr_inodes, 1) >= es->max_inodes) {
		atomic_fetch_sub(&es->nr_inodes, 1);
		return ERR_PTR(-LINUX_ENOSPC);
	}
	oi = info_new(es, 0, mode);
	if (!oi) {
		atomic_fetch_sub(&es->nr_inodes, 1);
		return ERR_PTR(-LINUX_ENOMEM);
	}
	inode_init_owner(&oi->vfs, dir, mode);
	oi->vfs.rdev = rdev;
	/* In a directory of another device of the host, what is made has that st_dev, as natively. */
	oi->vfs.dev = dir->dev;
	ops_set(&oi->vfs);
	overlay_changed(&oi->vfs, OVERLAY_NEW);
	return &oi->vfs;
}

void overlay_free_inode(struct inode *inode)
{
	struct overlay_inode_info *oi = OVERLAY_I(inode);
	struct overlay_sb_info *es = OVERLAY_SB(inode->sb);

	inode_hash_remove(&es->icache, inode);
	mutex_lock(&es->lock);
	list_del(&oi->changed_link);
	mutex_unlock(&es->lock);
	if (!oi->lower)
		atomic_fetch_sub(&es->nr_inodes, 1);
	overlay_dir_free(oi);
	overlay_xattrs_free(oi->xattrs);
	inode_fini(inode);
	if (oi->lower)
		inode_put(oi->lower);
	free(oi->punched);
	free(oi->target);
	free(oi);
}

/*
 * Of a file whose pages are partly the lower's the lower's blocks count too, as far as they hold.  Where dirty pages lie over
 * them both are counted, so the file's length is the upper bound.
 */
static uint64_t blocks_of(struct overlay_inode_info *oi, uint64_t size)
{
	uint64_t dirty = READ_ONCE(oi->vfs.mapping.nr_dirty) * (PAGE_SIZE / 512), lower, most;

	if (!oi->lower)
		return dirty;
	lower = READ_ONCE(oi->lower->blocks);
	if (oi->lower_limit < oi->lower->size)
		lower = MIN(lower, PAGES_FOR(oi->lower_limit) * (PAGE_SIZE / 512));
	most = MAX(lower, PAGES_FOR(size) * (PAGE_SIZE / 512));
	return MIN(lower + dirty, most);
}

int overlay_getattr(struct inode *inode, struct kstat *ret)
{
	int err;

	overlay_follow_lower(OVERLAY_I(inode), false);
	err = generic_getattr(inode, ret);
	if (!err && LINUX_S_ISREG(inode->mode))
		ret->blocks = MAX(blocks_of(OVERLAY_I(inode), ret->size), READ_ONCE(OVERLAY_I(inode)->reserved) * (PAGE_SIZE / 512));
	return err;
}

int overlay_setattr(struct inode *inode, const struct iattr *attr)
{
	overlay_changed(inode, OVERLAY_ATTR);
	if (attr->valid & ATTR_SIZE)
		overlay_limit_lower(OVERLAY_I(inode), attr->size);
	return simple_setattr(inode, attr);
}

static int overlay_readlink(struct inode *inode, struct strbuf *ret)
{
	struct overlay_inode_info *oi = OVERLAY_I(inode);

	if (!oi->target)
		return oi->lower->ops->readlink(oi->lower, ret);
	strbuf_adds(ret, oi->target);
	return strbuf_err(ret);
}

const struct inode_ops overlay_file_inode_ops = {
	.getattr = overlay_getattr,
	.setattr = overlay_setattr,
	.getxattr = overlay_getxattr,
	.setxattr = overlay_setxattr,
	.removexattr = overlay_removexattr,
	.listxattr = overlay_listxattr,
};

const struct inode_ops overlay_symlink_inode_ops = {
	.readlink = overlay_readlink,
	.getattr = overlay_getattr,
	.setattr = overlay_setattr,
	.getxattr = overlay_getxattr,
	.setxattr = overlay_setxattr,
	.removexattr = overlay_removexattr,
	.listxattr = overlay_listxattr,
};
