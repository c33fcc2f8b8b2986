/* SPDX-License-Identifier: Apache-2.0 */
/*
 * File handles: name_to_handle_at(2), open_by_handle_at(2).
 *
 * A handle is the inode's number and generation.  No file system here finds inodes by number, so the sentry remembers the dentries
 * of the files that handles were asked for, the last HANDLES_MAX of them, as long as they have a name.  A handle of any other file is
 * stale, as after its removal.
 *
 * Lock order: handles_lock is a leaf.
 */
#include "vfs/file_handle.h"

#include <stdlib.h>
#include <string.h>

#include "vfs/internal.h"

#define HANDLES_MAX 8192
#define BUCKETS 1024

struct handle_entry {
	struct handle_entry *hash_next;
	struct list_head age;	/* oldest first */
	struct dentry *dentry;	/* a reference */
	struct file_handle_id id;
};

atomic_int nr_file_handles;
static struct mutex handles_lock = MUTEX_INIT;
static struct handle_entry *buckets[BUCKETS]; /* handles_lock */
static LIST_HEAD(by_age);		      /* handles_lock */

static struct handle_entry **bucket_of(const struct file_handle_id *id)
{
	return &buckets[(id->ino * 0x9e3779b97f4a7c15ULL) >> 54];
}

static bool entry_is(const struct handle_entry *e, const struct super_block *sb, const struct file_handle_id *id)
{
	return e->dentry->sb == sb && e->id.ino == id->ino && e->id.generation == id->generation;
}

static struct handle_entry *entry_find_locked(const struct super_block *sb, const struct file_handle_id *id)
{
	for (struct handle_entry *e = *bucket_of(id); e; e = e->hash_next)
		if (entry_is(e, sb, id))
			return e;
	return NULL;
}

static void entry_unlink_locked(struct handle_entry *e)
{
	struct handle_entry **p = bucket_of(&e->id);

	while (*p != e)
		p = &(*p)->hash_next;
	*p = e->hash_next;
	list_del(&e->age);
	atomic_fetch_sub(&nr_file_handles, 1);
}

static void entry_free(struct handle_entry *e)
{
	if (!e)
		return;
	dentry_put(e->dentry);
	free(e);
}

static void inode_to_id(const struct inode *inode, struct file_handle_id *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->ino = inode->ino;
	ret->generation = (uint32_t)inode->generation;
}

int file_handle_encode(const struct path *path, struct file_handle_id *ret)
{
	struct dentry *d = path->dentry;
	struct handle_entry *e, *old = NULL;

	/* What is made by each look-up, or has no name at all. */
	if (d->sb->no_dcache || d->anon)
		return -LINUX_EOPNOTSUPP;
	inode_to_id(d->inode, ret);
	e = malloc(sizeof(*e));
	if (!e)
		return -LINUX_ENOMEM;
	e->id = *ret;
	e->dentry = d;
	mutex_lock(&handles_lock);
	if (d->unhashed || entry_find_locked(d->sb, ret)) {
		free(e);
	} else {
		dentry_get(d);
		e->hash_next = *bucket_of(ret);
		*bucket_of(ret) = e;
		list_add_tail(&e->age, &by_age);
		if (atomic_fetch_add(&nr_file_handles, 1) == HANDLES_MAX) {
			old = list_first_entry(&by_age, struct handle_entry, age);
			entry_unlink_locked(old);
		}
	}
	mutex_unlock(&handles_lock);
	entry_free(old);
	return 0;
}

int file_handle_decode(struct mount *mnt, const struct file_handle_id *id, struct path *ret)
{
	struct handle_entry *e;

	MUTEX_GUARD(&handles_lock);
	e = entry_find_locked(mnt->sb, id);
	if (!e)
		return -LINUX_ESTALE;
	*ret = (struct path){ mnt, e->dentry };
	path_get(ret);
	return 0;
}

void file_handles_forget_inode(const struct inode *inode)
{
	struct file_handle_id id;
	struct handle_entry *e;

	inode_to_id(inode, &id);
	mutex_lock(&handles_lock);
	e = entry_find_locked(inode->sb, &id);
	if (e)
		entry_unlink_locked(e);
	mutex_unlock(&handles_lock);
	entry_free(e);
}

void file_handles_forget_sb(const struct super_block *sb)
{
	struct handle_entry *e, *tmp;
	LIST_HEAD(gone);

	mutex_lock(&handles_lock);
	list_for_each_entry_safe(e, tmp, &by_age, age) {
		if (e->dentry->sb != sb)
			continue;
		entry_unlink_locked(e);
		list_add(&e->age, &gone);
	}
	mutex_unlock(&handles_lock);
	list_for_each_entry_safe(e, tmp, &gone, age)
		entry_free(e);
}
