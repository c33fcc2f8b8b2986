/* SPDX-License-Identifier: Apache-2.0 */
#include "vfs/fsnotify.h"

#include <string.h>

#include "vfs/internal.h"

atomic_int fsnotify_nr_marks;
void (*fsnotify_event)(struct inode *inode, uint32_t mask, const char *name, uint32_t cookie);

void fsnotify_dentry_slow(struct dentry *d, uint32_t mask)
{
	struct dentry *parent = NULL;
	struct inode *inode = d->inode;
	char name[NAME_MAX_LEN + 1];

	if (!inode)
		return;
	if (LINUX_S_ISDIR(inode->mode))
		mask |= FS_ISDIR;
	rwlock_read(&dcache_lock);
	if (d->parent != d && !d->unhashed) {
		parent = d->parent;
		dentry_get(parent);
		memcpy(name, d->name, d->name_len + 1);
	}
	rwlock_unlock(&dcache_lock);
	if (parent) {
		if (parent->inode)
			fsnotify_event(parent->inode, mask, name, 0);
		dentry_put(parent);
	}
	fsnotify_event(inode, mask, NULL, 0);
}

uint32_t fsnotify_cookie(void)
{
	static atomic_uint next = 1;

	return atomic_fetch_add(&next, 1);
}
