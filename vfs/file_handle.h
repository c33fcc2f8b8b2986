/* SPDX-License-Identifier: Apache-2.0 */
/* What file handles are made of; sentry/sys/sys_file_handle.c makes the calls of it. */
#ifndef SENTRY_VFS_FILE_HANDLE_H
#define SENTRY_VFS_FILE_HANDLE_H

#include "vfs/vfs.h"

/* The opaque part, FILE_HANDLE_SIZE bytes of it; padded with zeros. */
struct file_handle_id {
	uint64_t ino;
	uint32_t generation;
};
#define FILE_HANDLE_SIZE 12

/* The handle of what @path names: 0, -LINUX_EOPNOTSUPP where the file system has none, -LINUX_ENOMEM. */
int file_handle_encode(const struct path *path, struct file_handle_id *ret);
/* What the handle names, seen through @mnt: 0 with references, or -LINUX_ESTALE. */
int file_handle_decode(struct mount *mnt, const struct file_handle_id *id, struct path *ret);

void file_handles_forget_inode(const struct inode *inode);
/* The last name of @inode went. */
extern atomic_int nr_file_handles;
static inline void file_handles_forget(const struct inode *inode)
{
	if (unlikely(atomic_load_explicit(&nr_file_handles, memory_order_relaxed)))
		file_handles_forget_inode(inode);
}
/* @sb goes. */
void file_handles_forget_sb(const struct super_block *sb);

#endif
