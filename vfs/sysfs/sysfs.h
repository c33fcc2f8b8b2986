/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sysfs(5): what programs look for when they count processors, huge pages and network links.
 */
#ifndef SENTRY_VFS_SYSFS_SYSFS_H
#define SENTRY_VFS_SYSFS_SYSFS_H

#include "vfs/vfs.h"

extern const struct fs_type sysfs_type;

#endif
