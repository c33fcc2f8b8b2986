/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the overlay.
 *
 * Every overlay inode is in memory.  It stands for one inode of the lower file system (found by the lower's dev and ino, so
 * that all names of a file meet in one inode), or it is new.  Attributes are copied when a lower inode is first met; then
 * the copy counts.
 *
 *     clean      nothing differs from the lower: the inode goes when nobody uses it, and is made again from the lower.  Where
 *                the lower can change by itself the inode follows it
 *     changed    (overlay_changed was called) lives until its last name and its last user are gone.  One that stands for
 *                a lower inode holds a reference to itself for that, the `pin`; a new one is held by its directory entries
 *
 *     directories   names = the lower's, but for those with an entry of our own, plus our entries.  No table at all until
 *                   the first change
 *     file data     the overlay inode's page cache.  A page that is not cached comes from the lower when it is below
 *                   lower_limit and was not punched, else it is zeros; dirty pages stay
 *     xattrs        the lower's until the first change, which copies all
 *
 * Change tracking is in change.c alone: keeping an overlay in a file would start there.
 *
 * Locks: entries of a directory belong to its i_rwsem.  lower_limit, punched ranges and xattrs to i_lock.  overlay_sb_info.lock
 * is a leaf.  Locks of the lower file system are below ours.
 */
#ifndef SENTRY_VFS_OVERLAY_OVERLAY_FS_H
#define SENTRY_VFS_OVERLAY_OVERLAY_FS_H

#include "sentry/base/rbtree.h"
#include "vfs/inode_hash.h"
#include "vfs/overlay/overlay.h"

/* Positions from here on are of names the lower directory does not have. */
#define OVERLAY_POS_NEW (1ULL << 48)

struct overlay_sb_info {
	struct super_block *sb;	   /* borrowed */
	struct super_block *lower; /* reference */
	struct inode_hash icache;  /* those that stand for a lower inode */
	uint64_t max_pages;	   /* of file data */
	uint64_t max_inodes;	   /* new ones */
	atomic_ulong nr_pages, nr_inodes;
	struct mutex lock;
	struct list_head changed;  /* lock; overlay_inode_info.changed_link */
};

struct overlay_dir;
struct overlay_xattrs;

/* Page numbers [start, end). */
struct page_range {
	uint64_t start, end;
};

enum overlay_change {
	OVERLAY_NEW = 1,      /* not in the lower */
	OVERLAY_ATTR = 2,     /* mode, owner, times, link count, size */
	OVERLAY_DATA = 4,
	OVERLAY_ENTRIES = 8,
	OVERLAY_XATTR = 0x10,
};

struct overlay_inode_info {
	struct inode vfs;
	struct inode *lower;	   /* reference, immutable; NULL for a new one */
	atomic_uint changes;	   /* enum overlay_change; bits are only ever set */
	bool pinned;		   /* es->lock */
	int64_t checked;	   /* monotonic time when a clean inode was last compared with the lower; racy by design */
	struct list_head changed_link; /* es->lock */

	struct overlay_dir *dir;   /* i_rwsem; NULL: the lower's names are all */
	char *target;		   /* of a new symlink; immutable */

	uint64_t lower_limit;	   /* i_lock; bytes of the lower that still hold */
	struct page_range *punched; /* i_lock; sorted, disjoint: below lower_limit and zero nevertheless */
	unsigned nr_punched;
	uint64_t reserved;	   /* i_rwsem; pages that fallocate promised and no write has filled yet: st_blocks shows them */
	struct overlay_xattrs *xattrs; /* i_lock; NULL: the lower's */
};

static inline struct overlay_sb_info *OVERLAY_SB(const struct super_block *sb)
{
	return sb->s_private;
}

static inline struct overlay_inode_info *OVERLAY_I(const struct inode *inode)
{
	return container_of(inode, struct overlay_inode_info, vfs);
}

/* --- change.c --- */

/* @inode differs from the lower in @what.  Before the change is made, so that it can't get lost.  Any lock held. */
void overlay_changed(struct inode *inode, unsigned what);
/* The last name of @inode went (nlink is 0): it lives as long as its users. */
void overlay_unlinked(struct inode *inode);
/* The super block goes: lets go of everything that changes keep. */
void overlay_forget_changes(struct overlay_sb_info *es);

/* --- inode.c --- */

/* The overlay's inode for @lower (reference taken, on failure too), with a reference, or ERR_PTR. */
struct inode *overlay_iget(struct overlay_sb_info *es, struct inode *lower);
/* A new inode owned as one made in @dir is, with a reference, or ERR_PTR(-LINUX_ENOSPC, -LINUX_ENOMEM). */
struct inode *overlay_new_inode(struct inode *dir, uint32_t mode, uint64_t rdev);
void overlay_free_inode(struct inode *inode);
/*
 * Lets a clean inode follow its lower one, where that can change (a host directory); at most once a second unless @force.
 */
void overlay_follow_lower(struct overlay_inode_info *oi, bool force);
int overlay_getattr(struct inode *inode, struct kstat *ret);
int overlay_setattr(struct inode *inode, const struct iattr *attr);

extern const struct inode_ops overlay_file_inode_ops, overlay_symlink_inode_ops;

/* --- dir.c --- */

/* A name of a directory that differs from the lower.  Its fields are dir.c's but for `inode`. */
struct overlay_entry {
	struct overlay_entry *hash_next;
	struct rb_node by_pos;	/* in the tree while visible and not `over` */
	uint64_t pos;
	struct inode *inode;	/* reference; NULL: no such name */
	bool over;		/* the lower has the name: it is shown at the lower's position, and stays as a whiteout */
	uint32_t hash;
	uint32_t len;
	char name[];
};

/*
 * The entry of @name, made when there is none: so that what follows can't fail.  @inode: what the name means now, NULL when
 * there is no such name.  NULL: out of memory.  i_rwsem held for writing.
 */
struct overlay_entry *overlay_entry_get(struct inode *dir, const char *name, struct inode *inode);
/* Makes the entry name @inode (reference not taken), or nothing (NULL), and frees it when it says nothing any more. */
void overlay_entry_set(struct inode *dir, struct overlay_entry *e, struct inode *inode);
/* 0 or -LINUX_ENOTEMPTY.  i_rwsem held for writing. */
int overlay_check_empty(struct inode *dir);
struct inode *overlay_lookup(struct inode *dir, const char *name);
void overlay_dir_free(struct overlay_inode_info *oi);

extern const struct file_ops overlay_dir_ops;

/* --- namei.c --- */

extern const struct inode_ops overlay_dir_inode_ops;

/* --- file.c --- */

extern const struct mapping_ops overlay_mapping_ops;
extern const struct file_ops overlay_file_ops;
/* The file is @size bytes now: what the lower has behind that does not come back.  Before the pages are dropped. */
void overlay_limit_lower(struct overlay_inode_info *oi, uint64_t size);
/* Opens the lower inode for reading and closes it, for its errors. */
int overlay_probe_lower(struct overlay_inode_info *oi);

/* --- xattr.c --- */

int64_t overlay_getxattr(struct inode *inode, const char *name, void *buf, size_t size);
int overlay_setxattr(struct inode *inode, const char *name, const void *value, size_t size, int flags);
int overlay_removexattr(struct inode *inode, const char *name);
int overlay_listxattr(struct inode *inode, struct strbuf *ret);
void overlay_xattrs_free(struct overlay_xattrs *x);

#endif
