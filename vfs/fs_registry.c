/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The filesystems mount(2) knows.  To add one: fill its ops, one line here.
 */
#include <string.h>

#include "vfs/cgroup/cgroup.h"
#include "vfs/dev/dev.h"
#include "vfs/devpts/pty.h"
#include "vfs/ext4/ext4.h"
#include "vfs/mqueue/mqueue.h"
#include "vfs/overlayfs/overlayfs.h"
#include "vfs/proc/proc.h"
#include "vfs/sysfs/sysfs.h"
#include "vfs/tmpfs/tmpfs.h"

const struct fs_type *const fs_types[] = {
	&sysfs_type, &tmpfs_type, &proc_type, &devtmpfs_type, &devpts_type, &cgroup2_type, &mqueue_type, &ext4_type,
	&overlayfs_type, NULL,
};

const struct fs_type *fs_type_find(const char *name)
{
	for (const struct fs_type *const *t = fs_types; *t; t++)
		if (!strcmp((*t)->name, name))
			return *t;
	return NULL;
}
