/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of overlayfs share.
 *
 *     super.c     mount options, layers
 *     real.c      names made, moved and removed in a layer, so that the layer's own dentries know
 *     inode.c     inodes, lookup, attributes
 *     copy_up.c   a file gets its place in the upper layer
 *     dir.c       operations on names
 *     readdir.c   merged directories
 *     file.c      open files
 *
 * An inode of the overlay stands for the object in the upper layer, or for one in a lower layer until it changes; a directory
 * stands for all of its name that are not hidden.  Layers are worked on with the credentials of who mounted.
 *
 * Lock order: i_rwsem of the overlay's inodes, ovl_inode.lock (the parent's first), i_rwsem of the layers' inodes.
 */
#ifndef SENTRY_VFS_OVERLAYFS_OVL_H
#define SENTRY_VFS_OVERLAYFS_OVL_H

#include "vfs/internal.h"

#define OVL_LAYERS_MAX 500
#define OVL_SUPER_MAGIC 0x794c7630

struct ovl_sb_info {
	struct path upper, work; /* dentry NULL: only to be read; work: the directory "work" in workdir */
	struct path *lower;
	unsigned nr_lower;
	const struct cred *cred; /* of who mounted */
	const char *opaque;	 /* name of the attribute */
	char *options;		 /* as /proc/mounts shows them */
	struct super_block *main; /* borrowed: whose inode numbers are shown as they are */
	atomic_uint next_temp;
	struct mutex hash_lock;
	struct list_head hash[256]; /* hash_lock; ovl_inode.link by real inode */
};

struct ovl_inode {
	struct inode vfs;
	struct mutex lock;
	struct path upper;	 /* lock; set once */
	struct ovl_inode *parent; /* a reference; where it is copied up to: immutable, NULL at the root or when made above */
	char *name;		 /* immutable */
	bool gone;		 /* lock; it lost its name: a copy gets none */
	const struct inode *key; /* hash_lock; the real inode */
	struct list_head link;
	unsigned nr_lower;	 /* immutable */
	struct path lower[];	 /* uppermost first; of what is no directory one at most */
};

static inline struct ovl_sb_info *OVL_SB(const struct super_block *sb)
{
	return sb->s_private;
}

static inline struct ovl_inode *OVL_I(const struct inode *inode)
{
	return container_of(inode, struct ovl_inode, vfs);
}

static inline bool ovl_is_upper(const struct ovl_inode *oi)
{
	return __atomic_load_n(&oi->upper.dentry, __ATOMIC_ACQUIRE);
}

/* What the inode stands for now, borrowed. */
static inline const struct path *ovl_real(const struct ovl_inode *oi)
{
	return ovl_is_upper(oi) ? &oi->upper : &oi->lower[0];
}

static inline struct inode *ovl_real_inode(const struct ovl_inode *oi)
{
	return ovl_real(oi)->dentry->inode;
}

/* The mounter's credentials to the end of the scope. */
static inline const struct cred *ovl_cred_swap(const struct cred *c)
{
	const struct cred *old = current_cred;

	current_cred = c;
	return old;
}
static inline void ovl_cred_restore(const struct cred **old)
{
	current_cred = *old;
}
#define OVL_CREDS(sb)                                                                                                  \
	const struct cred *__cleanup(ovl_cred_restore) __unused ovl_old_cred = ovl_cred_swap(OVL_SB(sb)->cred)

/* --- real.c: on a directory of a layer --- */

/* The name's dentry with a reference, perhaps negative; or ERR_PTR. */
struct dentry *real_lookup(struct dentry *dir, const char *name);
/* Makes it: a symlink when @target, a link when @link, else what @mode says.  A dentry with a reference or ERR_PTR. */
struct dentry *real_make(struct dentry *dir, const char *name, uint32_t mode, uint64_t rdev, const char *target,
			 struct inode *link);
int real_remove(struct dentry *dir, const char *name);
bool ovl_is_whiteout(const struct inode *inode);
bool ovl_is_opaque(const struct ovl_sb_info *si, const struct path *dir);
int ovl_set_opaque(const struct ovl_sb_info *si, const struct path *dir);
/* A name for a while in the directory "work". */
void ovl_temp_name(struct ovl_sb_info *si, char buf[32]);
/* Puts a whiteout in the place of @name, which may be there, as directory or not. */
int ovl_whiteout(struct ovl_sb_info *si, struct dentry *dir, const char *name);

/* --- inode.c --- */

/* The overlay's inode for these real objects (references taken, on failure too). */
struct inode *ovl_inode_get(struct super_block *sb, struct ovl_inode *parent, const char *name, const struct path *upper,
			    const struct path *lower, unsigned nr_lower);
struct inode *ovl_lookup(struct inode *dir, const char *name);
/* Whether a lower layer shows something at @name, were it not for the upper one: 1, 0 or -errno. */
int ovl_lower_has(struct inode *dir, const char *name);
/* Attributes that the layer changed. */
void ovl_copyattr(struct inode *inode);
/* The real inode is another one now. */
void ovl_rehash(struct ovl_inode *oi);
void ovl_free_inode(struct inode *inode);
extern const struct inode_ops ovl_dir_inode_ops, ovl_file_inode_ops;

/* --- copy_up.c --- */

/* The inode and the directories it is in get their place in the upper layer.  @size: how much of a file is worth copying. */
int ovl_copy_up(struct inode *inode, uint64_t size);

/* --- dir.c --- */

struct inode *ovl_mknod(struct inode *dir, const char *name, uint32_t mode, uint64_t rdev);
struct inode *ovl_mkdir(struct inode *dir, const char *name, uint32_t mode);
struct inode *ovl_symlink(struct inode *dir, const char *name, const char *target);
int ovl_link(struct inode *dir, const char *name, struct inode *inode);
int ovl_unlink(struct inode *dir, const char *name, struct inode *inode);
int ovl_rmdir(struct inode *dir, const char *name, struct inode *inode);
int ovl_rename(struct inode *old_dir, const char *old_name, struct inode *inode, struct inode *new_dir, const char *new_name,
	       struct inode *target, unsigned flags);

/* --- readdir.c --- */

extern const struct file_ops ovl_dir_ops;
/* 0, -LINUX_ENOTEMPTY or another error. */
int ovl_dir_empty(struct inode *dir);
/* Removes the whiteouts in a directory of the upper layer that shows nothing. */
int ovl_dir_clear(const struct path *upper);

/* --- file.c --- */

extern const struct file_ops ovl_file_ops;

#endif
