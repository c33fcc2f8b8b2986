/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "sentry/abi/fs.h"
#include "vfs/overlay/overlay_fs.h"

/* Without a limit of their own, new inodes take at most some two gigabytes of the sentry's memory. */
#define MAX_INODES (1UL << 21)

/* The lower's totals, minus what was written. */
static int overlay_statfs(struct super_block *sb, struct linux_statfs *ret)
{
	struct overlay_sb_info *es = OVERLAY_SB(sb);
	uint64_t used, room;
	int err = -LINUX_ENOSYS;

	if (es->lower->ops->statfs)
		err = es->lower->ops->statfs(es->lower, ret);
	if (err)
		return err;
	ret->f_type = LINUX_OVERLAYFS_SUPER_MAGIC;
	if (!ret->f_bsize)
		ret->f_bsize = PAGE_SIZE;
	used = atomic_load(&es->nr_pages) * PAGE_SIZE / ret->f_bsize;
	room = (es->max_pages - MIN(atomic_load(&es->nr_pages), es->max_pages)) / MAX(ret->f_bsize / (int64_t)PAGE_SIZE, 1);
	ret->f_bfree = MIN((uint64_t)ret->f_bfree - MIN((uint64_t)ret->f_bfree, used), room);
	ret->f_bavail = MIN((uint64_t)ret->f_bavail - MIN((uint64_t)ret->f_bavail, used), room);
	ret->f_ffree -= MIN((uint64_t)ret->f_ffree, atomic_load(&es->nr_inodes));
	return 0;
}

static void overlay_kill(struct super_block *sb)
{
	struct overlay_sb_info *es = OVERLAY_SB(sb);

	overlay_forget_changes(es);
	inode_hash_fini(&es->icache);
	mutex_fini(&es->lock);
	sb_put(es->lower);
	free(es);
	sb->s_private = NULL;
}

static const struct super_ops overlay_super_ops = {
	.free_inode = overlay_free_inode,
	.statfs = overlay_statfs,
	.kill = overlay_kill,
};

/* Not in the registry: it is made by overlay_new alone, so mount(2) answers ENODEV as a kernel without overlayfs does. */
static const struct fs_type overlay_type = {
	.name = "overlay",
	.nodev = true,
};

static struct overlay_sb_info *sb_info_new(struct super_block *lower, uint64_t max_bytes)
{
	struct overlay_sb_info *es = calloc(1, sizeof(*es));

	if (!es)
		return NULL;
	if (inode_hash_init(&es->icache)) {
		free(es);
		return NULL;
	}
	mutex_init(&es->lock);
	list_init(&es->changed);
	es->lower = lower;
	es->max_pages = max_bytes ? PAGES_FOR(max_bytes) : UINT64_MAX >> PAGE_SHIFT;
	es->max_inodes = MAX_INODES;
	return es;
}

static int root_open(struct overlay_sb_info *es)
{
	struct inode *root = overlay_iget(es, inode_get(es->lower->root->inode));
	struct dentry *d;

	if (IS_ERR(root))
		return PTR_ERR(root);
	d = dentry_new_root(es->sb, root);
	if (IS_ERR(d))
		return PTR_ERR(d);
	es->sb->root = d;
	return 0;
}

struct super_block *overlay_new(struct super_block *lower, uint64_t max_bytes)
{
	struct overlay_sb_info *es = sb_info_new(lower, max_bytes);
	struct super_block *sb;
	int err;

	if (!es) {
		sb_put(lower);
		return ERR_PTR(-LINUX_ENOMEM);
	}
	sb = sb_new(&overlay_type, &overlay_super_ops);
	if (IS_ERR(sb)) {
		inode_hash_fini(&es->icache);
		free(es);
		sb_put(lower);
		return sb;
	}
	es->sb = sb;
	sb->s_private = es;
	sb->magic = LINUX_OVERLAYFS_SUPER_MAGIC;
	sb->blksize = lower->blksize;
	sb->max_bytes = lower->max_bytes;
	sb->source = strdup("overlay");
	/* New inode numbers lie behind those the lower may have. */
	atomic_store(&sb->next_ino, MAX(atomic_load(&lower->next_ino), 1UL << 32));
	err = root_open(es);
	if (err) {
		sb_put(sb);
		return ERR_PTR(err);
	}
	return sb;
}
