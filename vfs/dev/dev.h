/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Character devices and the file system that holds their nodes.
 */
#ifndef SENTRY_VFS_DEV_DEV_H
#define SENTRY_VFS_DEV_DEV_H

#include "vfs/vfs.h"

/* Registers null, zero, full, random, urandom and kmsg. */
int mem_devices_init(void);

/*
 * devtmpfs: a tmpfs that comes with the nodes of the registered devices, the usual links into /proc/self/fd, and the
 * directories pts, shm and mqueue.  Type "devtmpfs" of mount(2).
 */
extern const struct fs_type devtmpfs_type;

/* /dev/rtc0, on booted machines.  Once. */
int rtc_init(void);

#endif
