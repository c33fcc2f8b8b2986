/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signal-driven I/O: fcntl(F_SETOWN, F_SETSIG) and O_ASYNC.
 *
 * An object that can tell (pipe, socket, inotify) has a fasync list of the open files that want to hear of it; file_ops.fasync
 * puts a file on the list or takes it off, and O_ASYNC in the file's flags is changed there and nowhere else.  The signal
 * goes to the file's owner, and names the descriptor that the flag was set through.
 *
 * Locks: fasync.lock is taken inside the object's locks, and outside those of the process layer.
 */
#ifndef SENTRY_VFS_FASYNC_H
#define SENTRY_VFS_FASYNC_H

#include "sentry/abi/signal.h"
#include "vfs/vfs.h"

struct fasync {
	struct mutex lock;
	struct list_head entries; /* lock */
	atomic_uint nr_entries;	  /* written under lock */
};

void fasync_init(struct fasync *q);
/* No file is on it any more. */
void fasync_fini(struct fasync *q);
/* The body of file_ops.fasync: @on puts @f, or the new @fd of @f, on @q.  0 or -LINUX_ENOMEM. */
int fasync_update(struct fasync *q, int fd, struct file *f, bool on);

void fasync_kill_slow(struct fasync *q, int reason);
/* Signals the owners of all files on @q.  @reason: LINUX_POLL_*. */
static inline void fasync_kill(struct fasync *q, int reason)
{
	if (unlikely(atomic_load_explicit(&q->nr_entries, memory_order_relaxed)))
		fasync_kill_slow(q, reason);
}

/* Sends what @f's owner asked for about @fd. */
void file_sigio(const struct file *f, int fd, int reason);
/* Sends SIGURG to @f's owner. */
void file_sigurg(const struct file *f);
/* F_SETOWN_EX.  @type: LINUX_F_OWNER_*; @pid 0: nobody.  0 or -LINUX_ESRCH. */
int file_set_owner(struct file *f, int type, int32_t pid);
/* F_SETOWN, FIOSETOWN: a group when negative. */
int file_set_owner_signed(struct file *f, int32_t who);
/* F_GETOWN; 0 when it's gone. */
int32_t file_get_owner_signed(const struct file *f);

/* F_NOTIFY on @f by the caller's descriptor @fd; @arg: LINUX_DN_*.  anon/dnotify.c. */
int dnotify_fcntl(struct file *f, int fd, uint64_t arg);
/* A descriptor of @f in @files is closed: its watches end. */
void dnotify_flush_slow(struct file *f, struct files_struct *files);
extern atomic_int dnotify_nr;
static inline void dnotify_flush(struct file *f, struct files_struct *files)
{
	if (unlikely(atomic_load_explicit(&dnotify_nr, memory_order_relaxed)))
		dnotify_flush_slow(f, files);
}
/* What fsnotify_event() does for it. */
void dnotify_event_slow(struct inode *inode, uint32_t mask);
static inline void dnotify_event(struct inode *inode, uint32_t mask)
{
	if (unlikely(atomic_load_explicit(&dnotify_nr, memory_order_relaxed)))
		dnotify_event_slow(inode, mask);
}

#endif
