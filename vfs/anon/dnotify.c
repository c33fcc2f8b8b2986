/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Directory notification, fcntl(F_NOTIFY): the forerunner of inotify.
 *
 * A watch belongs to an open file and to the descriptor table it was made through; it ends when a descriptor of that file is
 * closed there.  The signal is that of signal-driven I/O (fasync.h).
 *
 * Locks: dnotify_lock is taken inside i_rwsem, and outside those of the process layer.
 */
#include <stdlib.h>

#include "sentry/abi/fcntl.h"
#include "vfs/fasync.h"
#include "vfs/fsnotify.h"

struct dnotify {
	struct list_head link;
	struct file *file;		/* borrowed, as the table: the watch ends first */
	struct files_struct *files;
	int fd;
	uint32_t mask;			/* FS_* */
	bool multishot;
};

static struct mutex dnotify_lock = MUTEX_INIT;
static struct list_head watches = LIST_HEAD_INIT(watches); /* dnotify_lock; few, if any */
atomic_int dnotify_nr;

static uint32_t dnotify_mask(uint64_t arg)
{
	return (arg & LINUX_DN_ACCESS ? FS_ACCESS : 0) | (arg & LINUX_DN_MODIFY ? FS_MODIFY : 0) |
	       (arg & LINUX_DN_CREATE ? FS_CREATE | FS_MOVED_TO : 0) | (arg & LINUX_DN_DELETE ? FS_DELETE | FS_MOVED_FROM : 0) |
	       (arg & LINUX_DN_RENAME ? FS_RENAME : 0) | (arg & LINUX_DN_ATTRIB ? FS_ATTRIB : 0);
}

static void dnotify_drop_locked(struct dnotify *dn)
{
	list_del(&dn->link);
	atomic_fetch_sub(&dnotify_nr, 1);
	atomic_fetch_sub(&fsnotify_nr_marks, 1);
	free(dn);
}

void dnotify_flush_slow(struct file *f, struct files_struct *files)
{
	struct dnotify *dn, *tmp;
	MUTEX_GUARD(&dnotify_lock);

	list_for_each_entry_safe(dn, tmp, &watches, link)
		if (dn->file == f && dn->files == files)
			dnotify_drop_locked(dn);
}

void dnotify_event_slow(struct inode *inode, uint32_t mask)
{
	struct dnotify *dn, *tmp;
	MUTEX_GUARD(&dnotify_lock);

	list_for_each_entry_safe(dn, tmp, &watches, link) {
		if (dn->file->inode != inode || !(dn->mask & mask))
			continue;
		file_sigio(dn->file, dn->fd, LINUX_POLL_MSG);
		if (!dn->multishot)
			dnotify_drop_locked(dn);
	}
}

static struct dnotify *dnotify_find_locked(struct file *f, struct files_struct *files)
{
	struct dnotify *dn;

	list_for_each_entry(dn, &watches, link)
		if (dn->file == f && dn->files == files)
			return dn;
	return NULL;
}

static int dnotify_add(struct file *f, int fd, struct files_struct *files, uint64_t arg)
{
	struct dnotify *dn;
	MUTEX_GUARD(&dnotify_lock);

	dn = dnotify_find_locked(f, files);
	if (!dn) {
		dn = calloc(1, sizeof(*dn));
		if (!dn)
			return -LINUX_ENOMEM;
		dn->file = f;
		dn->files = files;
		list_add_tail(&dn->link, &watches);
		atomic_fetch_add(&dnotify_nr, 1);
		atomic_fetch_add(&fsnotify_nr_marks, 1);
	}
	dn->fd = fd;
	dn->mask |= dnotify_mask(arg);
	dn->multishot |= !!(arg & LINUX_DN_MULTISHOT);
	return 0;
}

int dnotify_fcntl(struct file *f, int fd, uint64_t arg)
{
	struct file *now;
	int err;

	arg = (uint32_t)arg;
	if (!(arg & ~(uint64_t)LINUX_DN_MULTISHOT)) {
		dnotify_flush(f, current_files);
		return 0;
	}
	if (!LINUX_S_ISDIR(f->inode->mode))
		return -LINUX_ENOTDIR;
	if (!READ_ONCE(f->owner_pid))
		file_set_owner(f, LINUX_F_OWNER_PID, kernel_current_tgid());
	err = dnotify_add(f, fd, current_files, arg);
	if (err)
		return err;
	/* A close(2) that raced with us took the watches away before ours was made. */
	now = fget_raw(fd);
	if (now != f)
		dnotify_flush(f, current_files);
	if (now)
		fput(now);
	return 0;
}
