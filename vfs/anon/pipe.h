/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pipes and FIFOs: pipe(7).  As fs/pipe.c, a pipe is a ring of slots of up to a page each, so that what fits, what merges and
 * what is atomic is what Linux programs meet.
 */
#ifndef SENTRY_VFS_ANON_PIPE_H
#define SENTRY_VFS_ANON_PIPE_H

#include "vfs/vfs.h"

#define LINUX_PIPE_BUF 4096

/* pipe2(2): two files with a reference each.  @flags: LINUX_O_CLOEXEC (ignored here), O_NONBLOCK, O_DIRECT. */
int pipe_files_new(unsigned flags, struct file *ret[2]);
/* open(2) of a FIFO inode: waits for the other side as fifo(7) says.  Sets f->ops and f->private_data. */
int fifo_open(struct inode *inode, struct file *f);
/* The pipe behind @f, or NULL when it is none. */
struct pipe *file_pipe(struct file *f);
/* F_SETPIPE_SZ and F_GETPIPE_SZ. */
int64_t pipe_fcntl(struct file *f, unsigned cmd, uint64_t arg);

/*
 * splice(2) support.  pipe_splice_in puts up to @len bytes that @fill produces into @f's pipe, slot by slot; pipe_splice_out
 * offers the pipe's bytes to @drain, which says how many it took.  Both wait as read and write do unless @nonblock.  Bytes moved,
 * 0 at end of file (drain), or -errno.
 */
typedef int64_t (*pipe_actor)(void *arg, void *data, size_t len);
int64_t pipe_splice_in(struct file *f, size_t len, bool nonblock, pipe_actor fill, void *arg);
int64_t pipe_splice_out(struct file *f, size_t len, bool nonblock, pipe_actor drain, void *arg);
/* tee(2): copies without consuming. */
int64_t pipe_tee(struct file *in, struct file *out, size_t len, bool nonblock);

#endif
