/* SPDX-License-Identifier: Apache-2.0 */
/* The mount tree, for mount.c, mount_ops.c and mount_show.c. */
#ifndef SENTRY_VFS_MOUNT_H
#define SENTRY_VFS_MOUNT_H

#include "vfs/internal.h"
#include "vfs/ns.h"

struct mnt_namespace {
	struct ns_common ns;
	uint64_t seq;		 /* immutable; later ones may hold earlier ones' files, not the other way round */
	struct mount *root;	 /* namespace_lock */
	struct list_head mounts; /* namespace_lock; in the order mounted, by ns_link */
	unsigned nr_mounts;	 /* namespace_lock */
};

/* Changes of mounts, in whatever namespace, and who waits for them: for poll on /proc/PID/mountinfo. */
extern atomic_ulong mount_events;
extern struct waitq mount_events_wait;

#define MOUNTS_MAX 100000 /* fs.mount-max */

/* Flags of a mount, as against those of its super block. */
#define MNT_FLAGS                                                                                                      \
	(LINUX_MS_RDONLY | LINUX_MS_NOSUID | LINUX_MS_NODEV | LINUX_MS_NOEXEC | LINUX_MS_NOATIME |                     \
	 LINUX_MS_NODIRATIME | LINUX_MS_RELATIME | LINUX_MS_STRICTATIME | LINUX_MS_NOSYMFOLLOW)

/*
 * Holds namespace_lock until the end of the block.  What is unmounted meanwhile loses the tree's reference behind it: the last one
 * may free a namespace.
 */
#define NAMESPACE_GUARD()                                                                                              \
	struct mutex *namespace_guard_ __cleanup(namespace_unlock) __unused = &namespace_lock;                         \
	mutex_lock(&namespace_lock)
void namespace_unlock(struct mutex **lock);

/* A mount in no tree, with one reference; takes the reference of @sb and gets one of @root.  Or ERR_PTR. */
struct mount *mount_new(struct super_block *sb, struct dentry *root, unsigned flags);
/* The same at what the caller sees as the root of @sb (fs_type.mount_root), with the flags of mount(2). */
struct mount *mount_new_top(struct super_block *sb, unsigned flags);
/* Puts @mnt (reference taken) on @where, which is followed to its topmost mount.  namespace_lock held. */
int mount_graft_locked(struct mount *mnt, const struct path *where);
/* Hangs @mnt on exactly @where in @parent's namespace, or takes it off; references stay with the caller.  namespace_lock held. */
void mount_link_locked(struct mount *mnt, struct mount *parent, struct dentry *where);
void mount_unlink_locked(struct mount *mnt);
/* Takes @mnt and all below it out of the namespace; each loses the tree's reference.  namespace_lock held. */
void mount_umount_tree_locked(struct mount *mnt);
bool mount_is_below_locked(const struct mount *mnt, const struct mount *ancestor);
unsigned mount_flags_normalize(uint64_t flags);
/* In the calling task's mount namespace; in none, with nothing above it: made or copied for an open file. */
bool mount_is_ours_locked(const struct mount *m);
bool mount_is_loose_locked(const struct mount *m);
/* A copy of what @src shows, as a bind mount is, in no tree; namespace_lock held.  Or ERR_PTR. */
struct mount *mount_clone_locked(const struct path *src, bool rec);
/* A new super block for whoever calls, or ERR_PTR. */
struct super_block *sb_create(const struct fs_type *fs, uint64_t flags, const char *source, const char *data);
/* Makes @sb read-only, or not: -LINUX_EPERM, -LINUX_EBUSY (open for writing), -LINUX_EROFS. */
int sb_reconfigure(struct super_block *sb, bool readonly);
/* The mount at @src, ours or loose, goes on top of @where. */
int mount_move(const struct path *src, const struct path *where);
/* mount_setattr(2): what is cleared, then set, of LINUX_MS_*; @propagation: LINUX_MS_SHARED and its like, or 0. */
struct mount_attr_change {
	unsigned set, clear;
	uint64_t propagation;
	bool recursive;
};
int mount_setattr(const struct path *where, const struct mount_attr_change *c);
/* mount_graft_locked without propagation, and without following @on. */
int mount_check_target_locked(const struct mount *m, const struct path *on);

/* --- mount_prop.c; namespace_lock held --- */

/* What becomes of a copy: the same peers and master, or a slave of the original's peers. */
enum mount_copy {
	COPY_PEER = 0,
	COPY_REC = 1,		   /* with all below */
	COPY_UNBINDABLE = 2,	   /* even those; else they are left out */
	COPY_SLAVE = 4,		   /* what is shared has the original as master */
	COPY_SHARED = 8,	   /* ... and is the first of a peer group */
	COPY_LOCK = 0x10,	   /* for a less privileged namespace */
};
/* A copy of @m, seen from @root, in no tree; m->copy is set in all that were copied.  Or ERR_PTR. */
struct mount *mount_copy_locked(struct mount *m, struct dentry *root, unsigned how);
/* Makes @m shared, private, slave or unbindable: LINUX_MS_*.  0 or -LINUX_ENOMEM. */
int mount_change_type_locked(struct mount *m, uint64_t type);
/* @m was linked: so it is on all mounts that @m's parent propagates to.  0 or -errno with nothing but @m left. */
int mount_propagate_locked(struct mount *m);
/* @m is about to be unlinked: so are the mounts that were propagated from it.  Whether one of them is busy is not asked. */
void mount_propagate_umount_locked(struct mount *m);
/* "shared:1 master:2 ", for mountinfo. */
void mount_show_propagation(const struct mount *m, struct strbuf *sb);
/* The next mount of the tree below @top, parents first, or NULL. */
struct mount *mount_next(struct mount *m, struct mount *top);

#endif
