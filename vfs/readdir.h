/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SENTRY_VFS_READDIR_H
#define SENTRY_VFS_READDIR_H

#include "vfs/vfs.h"

/* Runs ops->iterate from the file's position; pos_lock held by the caller.  0 or -errno. */
int iterate_dir(struct file *f, struct dir_context *ctx);
/* getdents64(2) (or, with @old, getdents(2)) into a kernel buffer.  Bytes or -errno. */
int64_t dir_getdents(struct file *f, char *buf, size_t size, bool old);

#endif
