/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The overlay file system that a guest mounts: Documentation/filesystems/overlayfs.rst, with redirect_dir, index, metacopy and
 * xino off.  Not the root under a guest that keeps its changes in memory, which is vfs/overlay.
 *
 *     mount -t overlay overlay -o lowerdir=A:B,upperdir=U,workdir=W DIR
 *
 * As on Linux: whiteouts are character devices 0:0, a directory that hides what is below it has the attribute
 * trusted.overlay.opaque (user.overlay.opaque with the option userxattr), a file is copied up before it changes, a directory of a
 * lower layer can't be renamed (-LINUX_EXDEV), who mapped a lower file goes on seeing that, and names with more links lose
 * them when they are copied up.
 */
#ifndef SENTRY_VFS_OVERLAYFS_OVERLAYFS_H
#define SENTRY_VFS_OVERLAYFS_OVERLAYFS_H

#include "vfs/vfs.h"

extern const struct fs_type overlayfs_type;

#endif
