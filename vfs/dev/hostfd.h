/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sentry's standard streams as files of the guest.
 *
 * A stream is what it is on the host: a pipe stays a pipe with its number, a regular file has its size, and its position is
 * the host's own, so that what runs before and after the sentry reads and writes on where the guest left off.  /dev/null is the
 * guest's.  A terminal becomes the guest's console (devpts/hosttty.h).
 *
 * Files of this kind can be opened again through /proc/self/fd, as /dev/stderr is.
 */
#ifndef SENTRY_VFS_DEV_HOSTFD_H
#define SENTRY_VFS_DEV_HOSTFD_H

#include "vfs/dev/hostpoll.h"
#include "vfs/vfs.h"

/*
 * A file for the host's @fd (borrowed for ever), owned by @uid and @gid in the guest.  Or ERR_PTR.  A descriptor of a
 * terminal is not for here.
 */
struct file *hostfd_open(int fd, uint32_t uid, uint32_t gid);
/*
 * The same for a descriptor that came while the guest runs: the file takes it, and closes it with its last open file.  On failure it
 * stays the caller's.  A terminal is a device without modes.  Who passes a pipe or terminal passes a description with O_NONBLOCK.
 */
struct file *hostfd_open_passed(int fd, uint32_t uid, uint32_t gid);

/* --- shared with hosttty.c --- */

/* A host object that may block. */
struct hostfd {
	struct hostpoll poll;
	int fd;	       /* to read and write: our own non-blocking description of the object where that can be had */
	bool nonblock; /* it could */
	bool regular;
	bool owned;	 /* came from hostfd_open_passed */
	unsigned opens;	 /* opens_lock; open files */
	/*
	 * Of a regular file: the open file whose position is that of the host's description, and that position as we left it there.
	 * Other files, opened again through /proc/self/fd, have a position of their own.
	 */
	struct file *primary; /* borrowed: only compared */
	uint64_t synced;      /* primary's pos_lock */
};

/* @reopen: for a description of our own, by name. */
int hostfd_init(struct hostfd *h, int fd, bool reopen);
/* One host read or write of up to @len bytes that does not block: -LINUX_EAGAIN instead. */
ssize_t hostfd_try_read(struct hostfd *h, void *buf, size_t len);
ssize_t hostfd_try_write(struct hostfd *h, const void *buf, size_t len);
/*
 * read(2) and write(2) with the file's O_NONBLOCK.  A read that finds nothing until @deadline returns 0 (VTIME of a terminal).
 */
int64_t hostfd_read_iter(struct hostfd *h, struct file *f, struct iov_iter *to, deadline_t deadline);
int64_t hostfd_write_iter(struct hostfd *h, struct file *f, struct iov_iter *from);
unsigned hostfd_poll_file(struct hostfd *h, struct file *f, struct poll_table *pt);

#endif
