/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sysfs(5): what programs look for when they count processors, huge pages and network links.
 */
#ifndef SENTRY_VFS_SYSFS_SYSFS_H
#define SENTRY_VFS_SYSFS_SYSFS_H

#include "vfs/vfs.h"

extern const struct fs_type sysfs_type;

struct proc_dir_ops;
struct proc_inode;
/* /sys/devices/system/cpu: its cpuN, and the list and the mask of all; sysfs_cpu.c. */
extern const struct proc_dir_ops sysfs_cpus_dir;
int sysfs_show_cpu_list(struct proc_inode *pi, struct strbuf *sb);
int sysfs_show_cpu_mask(struct proc_inode *pi, struct strbuf *sb);
/* /sys/class/net and /sys/devices/virtual/net; sysfs_net.c. */
extern const struct proc_dir_ops sysfs_class_net, sysfs_virtual_net;

#endif
