/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Super blocks.  All are on one list, for sync(2) and ustat(2).
 */
#include <stdlib.h>
#include <string.h>

#include "vfs/anon/fanotify.h"
#include "vfs/file_handle.h"
#include "vfs/internal.h"
#include "vfs/super.h"

static struct mutex supers_lock = MUTEX_INIT;
static LIST_HEAD(supers); /* supers_lock */

uint64_t anon_dev_new(void)
{
	static atomic_uint next_minor = 20;

	return LINUX_MKDEV(0, atomic_fetch_add(&next_minor, 1));
}

struct super_block *sb_new(const struct fs_type *type, const struct super_ops *ops)
{
	struct super_block *sb = calloc(1, sizeof(*sb));

	if (!sb)
		return ERR_PTR(-LINUX_ENOMEM);
	ref_init(&sb->ref);
	sb->type = type;
	sb->ops = ops;
	sb->dev = anon_dev_new();
	sb->blksize = PAGE_SIZE;
	sb->max_bytes = INT64_MAX;
	mutex_init(&sb->rename_lock);
	atomic_init(&sb->next_ino, 1);
	MUTEX_GUARD(&supers_lock);
	list_add_tail(&sb->supers, &supers);
	return sb;
}

struct super_block *sb_get(struct super_block *sb)
{
	ref_get(&sb->ref);
	return sb;
}

void sb_put(struct super_block *sb)
{
	if (!ref_put(&sb->ref))
		return;
	mutex_lock(&supers_lock);
	list_del(&sb->supers);
	mutex_unlock(&supers_lock);
	file_handles_forget_sb(sb);
	fanotify_forget(sb);
	if (sb->root) {
		dcache_shrink_tree(sb->root);
		if (sb->ops->sync)
			sb->ops->sync(sb);
		dentry_put(sb->root);
	}
	if (sb->ops->kill)
		sb->ops->kill(sb);
	mutex_fini(&sb->rename_lock);
	free((char *)sb->source);
	free(sb);
}

/* The super block behind @after (NULL: the first) with a reference; puts @after. */
static struct super_block *sb_next(struct super_block *after)
{
	struct super_block *sb, *found = NULL;
	bool seen = !after;

	mutex_lock(&supers_lock);
	list_for_each_entry(sb, &supers, supers) {
		if (seen && ref_get_unless_zero(&sb->ref)) {
			found = sb;
			break;
		}
		seen = seen || sb == after;
	}
	mutex_unlock(&supers_lock);
	if (after)
		sb_put(after);
	return found;
}

void sync_filesystems(void)
{
	pagecache_writeback_all();
	for (struct super_block *sb = sb_next(NULL); sb; sb = sb_next(sb))
		if (sb->ops->sync)
			sb->ops->sync(sb);
}

int sb_sync(struct super_block *sb)
{
	int err = pagecache_writeback_sb(sb);
	int err2 = sb->ops->sync ? sb->ops->sync(sb) : 0;

	return err ? err : err2;
}

struct super_block *sb_find_dev(uint64_t dev)
{
	for (struct super_block *sb = sb_next(NULL); sb; sb = sb_next(sb))
		if (sb->dev == dev)
			return sb;
	return NULL;
}

int sb_statfs(struct super_block *sb, struct linux_statfs *ret)
{
	int err;

	memset(ret, 0, sizeof(*ret));
	if (!sb->ops->statfs)
		return -LINUX_ENOSYS;
	err = sb->ops->statfs(sb, ret);
	if (err)
		return err;
	if (!ret->f_frsize)
		ret->f_frsize = ret->f_bsize;
	return 0;
}
