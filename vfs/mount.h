/* SPDX-License-Identifier: Apache-2.0 */
/* The mount tree, for mount.c, mount_ops.c and mount_show.c. */
#ifndef SENTRY_VFS_MOUNT_H
#define SENTRY_VFS_MOUNT_H

#include "vfs/internal.h"

struct mnt_namespace {
	struct mount *root;	 /* namespace_lock */
	struct list_head mounts; /* namespace_lock; in the order mounted, by ns_link */
	unsigned nr_mounts;	 /* namespace_lock */
};

#define MOUNTS_MAX 100000 /* fs.mount-max */

/* Flags of a mount, as against those of its super block. */
#define MNT_FLAGS                                                                                                      \
	(LINUX_MS_RDONLY | LINUX_MS_NOSUID | LINUX_MS_NODEV | LINUX_MS_NOEXEC | LINUX_MS_NOATIME |                     \
	 LINUX_MS_NODIRATIME | LINUX_MS_RELATIME | LINUX_MS_STRICTATIME | LINUX_MS_NOSYMFOLLOW)

/* A mount in no tree, with one reference; takes the reference of @sb and gets one of @root.  Or ERR_PTR. */
struct mount *mount_new(struct super_block *sb, struct dentry *root, unsigned flags);
/* Puts @mnt (reference taken) on @where, which is followed to its topmost mount.  namespace_lock held. */
int mount_graft_locked(struct mount *mnt, const struct path *where);
/* Hangs @mnt on exactly @where in @parent's namespace, or takes it off; references stay with the caller.  namespace_lock held. */
void mount_link_locked(struct mount *mnt, struct mount *parent, struct dentry *where);
void mount_unlink_locked(struct mount *mnt);
/* Takes @mnt and all below it out of the namespace; each loses the tree's reference.  namespace_lock held. */
void mount_umount_tree_locked(struct mount *mnt);
bool mount_is_below_locked(const struct mount *mnt, const struct mount *ancestor);
unsigned mount_flags_normalize(uint64_t flags);

#endif
