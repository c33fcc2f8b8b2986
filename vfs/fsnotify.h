/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Telling watchers (inotify, fanotify) what happened to an inode.  The VFS calls these; the watcher side sets fsnotify_event and counts
 * its marks.  Nothing costs more than one load while there is no mark.
 */
#ifndef SENTRY_VFS_FSNOTIFY_H
#define SENTRY_VFS_FSNOTIFY_H

#include "vfs/anon/fanotify.h"
#include "vfs/vfs.h"

/* The values are inotify(7)'s. */
enum fsnotify_mask {
	FS_ACCESS = 0x1,
	FS_MODIFY = 0x2,
	FS_ATTRIB = 0x4,
	FS_CLOSE_WRITE = 0x8,
	FS_CLOSE_NOWRITE = 0x10,
	FS_OPEN = 0x20,
	FS_MOVED_FROM = 0x40,
	FS_MOVED_TO = 0x80,
	FS_CREATE = 0x100,
	FS_DELETE = 0x200,
	FS_DELETE_SELF = 0x400,
	FS_MOVE_SELF = 0x800,
	FS_UNMOUNT = 0x2000,
	FS_RENAME = 0x10000000, /* within one directory; dnotify's */
	FS_ISDIR = 0x40000000,
};

/* How many marks there are on all inodes. */
extern atomic_int fsnotify_nr_marks;
/*
 * Delivers an event to the marks of @inode.  @name: the child a directory's event is about, or NULL.  No VFS lock but i_rwsem may
 * be held by the caller.
 */
extern void (*fsnotify_event)(struct inode *inode, uint32_t mask, const char *name, uint32_t cookie);

void fsnotify_dentry_slow(struct dentry *d, uint32_t mask);

static inline bool fsnotify_active(void)
{
	return atomic_load_explicit(&fsnotify_nr_marks, memory_order_relaxed) > 0;
}

/* An event of a directory about its entry @name. */
static inline void fsnotify_dir(struct inode *dir, uint32_t mask, const char *name, uint32_t cookie)
{
	if (fsnotify_active())
		fsnotify_event(dir, mask, name, cookie);
}

static inline void fsnotify_inode(struct inode *inode, uint32_t mask)
{
	if (fsnotify_active())
		fsnotify_event(inode, mask | (LINUX_S_ISDIR(inode->mode) ? FS_ISDIR : 0), NULL, 0);
}

/* An event of the object at @d, told to itself and to the directory it is in. */
static inline void fsnotify_dentry(struct dentry *d, uint32_t mask)
{
	if (fsnotify_active())
		fsnotify_dentry_slow(d, mask);
}

static inline void fsnotify_file(struct file *f, uint32_t mask)
{
	if (f->fmode & (FMODE_NONOTIFY | FMODE_PATH))
		return;
	if (fsnotify_active())
		fsnotify_dentry_slow(f->path.dentry, mask);
	if (unlikely(atomic_load_explicit(&fanotify_nr_marks, memory_order_relaxed)))
		fanotify_file_slow(f, mask);
}

uint32_t fsnotify_cookie(void);

#endif
