/* SPDX-License-Identifier: Apache-2.0 */
/* Super blocks, beyond what vfs.h says for filesystems. */
#ifndef SENTRY_VFS_SUPER_H
#define SENTRY_VFS_SUPER_H

#include "vfs/vfs.h"

/* The next free anonymous device number (major 0). */
uint64_t anon_dev_new(void);
struct super_block *sb_get(struct super_block *sb);
/* The super block with st_dev @dev, with a reference, or NULL. */
struct super_block *sb_find_dev(uint64_t dev);
/* statfs(2) but for the mount's flags. */
int sb_statfs(struct super_block *sb, struct linux_statfs *ret);
/* Writes back what is dirty: one super block (syncfs), or all (sync). */
int sb_sync(struct super_block *sb);
void sync_filesystems(void);

#endif
