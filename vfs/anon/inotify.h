/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inotify(7).
 */
#ifndef SENTRY_VFS_ANON_INOTIFY_H
#define SENTRY_VFS_ANON_INOTIFY_H

#include "vfs/vfs.h"

/* Connects to the VFS's events; once. */
void inotify_init(void);
struct file *inotify_file_new(unsigned flags);
/* The watch descriptor, or -errno.  @f: any file; -LINUX_EINVAL when it is not inotify's. */
int inotify_add_watch(struct file *f, struct inode *inode, uint32_t mask);
int inotify_rm_watch(struct file *f, int wd);

#define LINUX_IN_IGNORED 0x8000
#define LINUX_IN_Q_OVERFLOW 0x4000
#define LINUX_IN_ONLYDIR 0x01000000
#define LINUX_IN_DONT_FOLLOW 0x02000000
#define LINUX_IN_EXCL_UNLINK 0x04000000
#define LINUX_IN_MASK_CREATE 0x10000000
#define LINUX_IN_MASK_ADD 0x20000000
#define LINUX_IN_ONESHOT 0x80000000
#define LINUX_IN_ALL_EVENTS 0xfffU

bool file_is_inotify(const struct file *f);

#endif
