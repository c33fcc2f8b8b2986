/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A writable file system over a read-only one, with all changes in memory.
 *
 * Unlike overlayfs it is one file system: a file has one inode number and one st_dev for life, hard links stay links, an
 * open descriptor sees later writes, directories can be renamed, and nothing is copied but the pages that are written.
 *
 * The lower file system should stay as it is.  Where it does not (a host directory), files that were not changed here follow it
 * when they are opened, and their attributes within a second; names that were looked up, found or not, stay as they were
 * as long as they are cached.  Errors of the lower one are passed on.
 */
#ifndef SENTRY_VFS_OVERLAY_OVERLAY_H
#define SENTRY_VFS_OVERLAY_OVERLAY_H

#include "vfs/vfs.h"

/*
 * An overlay over @lower (the reference is taken, on failure too).  @max_bytes: the most file data that may be written, then
 * -LINUX_ENOSPC; 0: no limit but guest memory.  Returns a super_block with its root set, or ERR_PTR.
 */
struct super_block *overlay_new(struct super_block *lower, uint64_t max_bytes);

#endif
