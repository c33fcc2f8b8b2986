/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tmpfs(5): files that live in memory.  The page cache is the store of file data; names, links and attributes are here.
 *
 * Locks: a directory's entries and an inode's extended attributes change under i_rwsem for writing, and are read under it for
 * reading; extended attributes have a lock of their own because permission checks read them without i_rwsem.
 */
#ifndef SENTRY_VFS_TMPFS_TMPFS_H
#define SENTRY_VFS_TMPFS_TMPFS_H

#include "vfs/vfs.h"

extern const struct fs_type tmpfs_type;

/* A new tmpfs with options as mount(2)'s data (NULL: none), to mount from inside the sentry.  Or ERR_PTR. */
struct super_block *tmpfs_sb_new(const struct fs_type *type, unsigned flags, const char *options);
/* tmpfs_type.mount, for filesystems that start as one. */
struct super_block *tmpfs_mount(const struct fs_type *type, unsigned flags, const char *source, const char *data);
/* An unnamed regular file of that filesystem with nlink 0 and one reference, or ERR_PTR. */
struct inode *tmpfs_inode_new_unlinked(struct super_block *sb, uint32_t mode);

#endif
