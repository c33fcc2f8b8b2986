/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A directory tree (or one file) of the host.
 *
 * The host's own permissions hold: what the user who runs the sentry may not do, the guest may not, whoever it is in there
 * (-LINUX_EACCES, -LINUX_EPERM).  Owners and modes are shown as they are.  Symlinks are never followed on the host; each name is
 * looked up alone, below a descriptor of its directory.  Device nodes are shown and mean the guest's own devices; none is ever opened
 * or made on the host.  Directories of the host's kernel file systems (/proc, /sys, /dev and their like) are shown empty.
 *
 * Changes on the host show: names and attributes when they are looked up again, contents when the file is opened again or
 * its end is met, as NFS has it.  Writes go to the host at once; what a shared mapping wrote goes with msync, fsync, munmap and close.
 */
#ifndef SENTRY_VFS_HOSTFS_HOSTFS_H
#define SENTRY_VFS_HOSTFS_HOSTFS_H

#include "vfs/vfs.h"

/*
 * The tree at @path of the host; symlinks in @path are followed.  @flags: LINUX_SB_RDONLY.  Returns a super_block with its root
 * set, or ERR_PTR with one sentence, without a final newline, in @why.
 */
struct super_block *hostfs_open(const char *path, unsigned flags, struct strbuf *why);

#endif
