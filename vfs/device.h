/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Character devices by number.  There are no block devices: opening one gives ENXIO, as on a machine without the disk.
 */
#ifndef SENTRY_VFS_DEVICE_H
#define SENTRY_VFS_DEVICE_H

#include "vfs/vfs.h"

/*
 * Gives [minor_first, minor_first + nr) of @major to @ops, whose open is called for each open of such an inode.  0, -LINUX_EBUSY
 * when part of the range is taken, -LINUX_ENOMEM.
 */
int chrdev_register(uint32_t major, uint32_t minor_first, uint32_t nr, const struct file_ops *ops);
/* The operations behind a device number, or NULL. */
const struct file_ops *chrdev_find(uint64_t rdev);

#endif
