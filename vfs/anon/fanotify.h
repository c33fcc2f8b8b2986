/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fanotify(7), the part that tells what was done by open file descriptors.
 *
 * A group (an open file) has marks on inodes, mounts and super blocks; an event goes to each group whose marks on what it is about,
 * or on the directory that is in, want it, and comes with a new descriptor for the object.  Groups of the content classes may
 * decide over opens and reads (permission events): who opens waits for their answers, one group after the other.  Groups are not told
 * of names (FAN_REPORT_FID): that is refused as by a kernel without it.
 *
 * Marks keep their inode alive, not a mount or super block: those call fanotify_forget() when they go.
 */
#ifndef SENTRY_VFS_ANON_FANOTIFY_H
#define SENTRY_VFS_ANON_FANOTIFY_H

#include "sentry/abi/fanotify.h"
#include "vfs/vfs.h"

/* fanotify_init(2): @flags without _CLOEXEC are checked.  Or ERR_PTR. */
struct file *fanotify_file_new(unsigned flags, unsigned event_flags);
bool file_is_fanotify(const struct file *f);
/* Whether it is of a class that may decide. */
bool fanotify_decides(const struct file *f);

/* fanotify_mark(2) after its arguments were checked.  @type: LINUX_FAN_MARK_MOUNT, _FILESYSTEM or 0 for the inode. */
int fanotify_mark_add(struct file *f, unsigned type, const struct path *path, uint32_t mask, unsigned flags);
int fanotify_mark_remove(struct file *f, unsigned type, const struct path *path, uint32_t mask, unsigned flags);
void fanotify_mark_flush(struct file *f, unsigned type);

extern atomic_int fanotify_nr_marks;
/* @object (a mount, a super block) goes. */
void fanotify_forget_slow(const void *object);
static inline void fanotify_forget(const void *object)
{
	if (unlikely(atomic_load_explicit(&fanotify_nr_marks, memory_order_relaxed)))
		fanotify_forget_slow(object);
}
/* @f is about to be opened, or read: 0, -LINUX_EPERM when it is denied, -LINUX_EINTR when the task is to die.  No lock held. */
extern atomic_int fanotify_nr_perm_marks;
int fanotify_perm_slow(struct file *f, uint32_t mask);
static inline int fanotify_perm(struct file *f, uint32_t mask)
{
	if (likely(!atomic_load_explicit(&fanotify_nr_perm_marks, memory_order_relaxed)))
		return 0;
	return fanotify_perm_slow(f, mask);
}
/* What fsnotify_file() does for it: @mask in FS_* of fsnotify.h. */
void fanotify_file_slow(struct file *f, uint32_t mask);

#endif
