/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mount interface in steps: fsopen(2), fspick(2), fsconfig(2), fsmount(2), open_tree(2), move_mount(2).
 *
 * An open file stands for a super block that is being made (or changed).  Options are collected as they are set, and judged when
 * the file system is mounted with them, but for their names, where the file system tells them.  What went wrong is read(2) from the
 * file, a line each.
 *
 *     fsopen -> CREATE --set...--> CREATE --create--> MADE --fsmount--> CHANGE --set...--> CHANGE --reconfigure--> CHANGE
 *     fspick -> CHANGE                    \-> FAILED                         \-> FAILED
 *
 * A mount that fsmount or open_tree made belongs to the open file (FMODE_NEED_UNMOUNT), until move_mount gives it a place.
 */
#ifndef SENTRY_VFS_FS_CONTEXT_H
#define SENTRY_VFS_FS_CONTEXT_H

#include "vfs/vfs.h"

struct fs_context;

/* The open file of a new context, for @type, or for @sb: a reference, or ERR_PTR. */
struct file *fs_context_open(const struct fs_type *type);
struct file *fs_context_pick(struct super_block *sb);
/* The context of @f (borrowed), or NULL. */
struct fs_context *fs_context_of(const struct file *f);

/* FSCONFIG_SET_FLAG, or _STRING where there is a @value: 0, -LINUX_EBUSY, -LINUX_EINVAL, -LINUX_ENOMEM. */
int fs_context_set(struct fs_context *fc, const char *key, const char *value);
/* Whether its file system takes other things than flags and strings.  None does. */
int fs_context_create(struct fs_context *fc);
int fs_context_reconfigure(struct fs_context *fc);
/* The mount of what was created, with @flags (LINUX_MS_*), as an O_PATH file that owns it; or ERR_PTR. */
struct file *fs_context_mount(struct fs_context *fc, unsigned flags);
/* OPEN_TREE_CLONE: the same for a copy of what @src shows. */
struct file *mount_clone_open(const struct path *src, bool rec);

#endif
