/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that live in no filesystem tree: the anonymous super block and what makes files in it.
 */
#ifndef SENTRY_VFS_ANON_ANON_H
#define SENTRY_VFS_ANON_ANON_H

#include "vfs/vfs.h"

/* Another open file on the same anonymous inode as @f, with operations and state of its own (a pipe's other end). */
struct file *anon_file_again(struct file *f, const struct file_ops *ops, uint32_t flags, void *private_data);

#endif
