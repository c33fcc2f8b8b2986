/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of tmpfs share. */
#ifndef SENTRY_VFS_TMPFS_TMPFS_FS_H
#define SENTRY_VFS_TMPFS_TMPFS_FS_H

#include "sentry/base/rbtree.h"
#include "vfs/tmpfs/tmpfs.h"

struct tmpfs_sb_info {
	uint64_t max_pages, max_inodes; /* 0: no limit */
	uint64_t default_pages;		/* what size= is when it isn't given */
	atomic_ulong nr_pages, nr_inodes;
	uint32_t mode, uid, gid;
};

/* One name.  Its position in getdents never changes while it lives. */
struct tmpfs_entry {
	struct rb_node by_name, by_pos;
	struct list_head link; /* only while a whole tree is freed */
	struct inode *inode;   /* reference */
	uint64_t pos;
	uint32_t hash;
	char name[];
};

struct tmpfs_xattr {
	struct list_head link;
	size_t size;
	char *value; /* in the same allocation, behind the name */
	char name[];
};

struct tmpfs_inode {
	struct inode vfs;
	/* directories; i_rwsem */
	struct rb_root names, order;
	uint64_t next_pos, nr_entries;
	char *target; /* symlinks */
	struct mutex xattr_lock;
	struct list_head xattrs; /* xattr_lock */
	size_t xattr_bytes;	 /* xattr_lock */
};

static inline struct tmpfs_inode *TMPFS_I(const struct inode *inode)
{
	return container_of(inode, struct tmpfs_inode, vfs);
}

static inline struct tmpfs_sb_info *TMPFS_SB(const struct super_block *sb)
{
	return sb->s_private;
}

extern const struct inode_ops tmpfs_dir_inode_ops, tmpfs_file_inode_ops, tmpfs_symlink_inode_ops;
extern const struct file_ops tmpfs_dir_ops, tmpfs_file_ops;
extern const struct mapping_ops tmpfs_mapping_ops;

/* A new inode of @mode, owned as @dir says (NULL: the root), or ERR_PTR(-LINUX_ENOSPC). */
struct inode *tmpfs_inode_new(struct super_block *sb, const struct inode *dir, uint32_t mode, uint64_t rdev);
/* Drops all entries of a directory that nobody can reach any more. */
void tmpfs_dir_free(struct inode *dir);

int64_t tmpfs_getxattr(struct inode *inode, const char *name, void *buf, size_t size);
int tmpfs_setxattr(struct inode *inode, const char *name, const void *value, size_t size, int flags);
int tmpfs_removexattr(struct inode *inode, const char *name);
int tmpfs_listxattr(struct inode *inode, struct strbuf *ret);
void tmpfs_xattrs_free(struct tmpfs_inode *ti);
int tmpfs_getattr(struct inode *inode, struct kstat *ret);
int tmpfs_setattr(struct inode *inode, const struct iattr *attr);

#endif
