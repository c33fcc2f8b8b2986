/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SENTRY_VFS_POSIX_ACL_H
#define SENTRY_VFS_POSIX_ACL_H

#include "vfs/vfs.h"

/*
 * A new @inode, not yet visible, takes over @dir's default ACL, if it has one: for mknod and mkdir operations of filesystems that
 * store ACLs.  The umask was already applied to the mode.
 */
int posix_acl_inherit(struct inode *dir, struct inode *inode);

#endif
