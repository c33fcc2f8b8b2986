/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside hostfs.
 *
 *     super.c   opening, statfs, device numbers
 *     fd.c      host descriptors: opened when needed by name below the parent's, kept in a bounded LRU
 *     inode.c   inodes by (st_dev, st_ino), refresh of attributes
 *     dir.c     look-up, revalidation, listings
 *     namei.c   changes of directories
 *     file.c    data
 *     xattr.c   extended attributes
 *
 * An inode knows one place where it was last seen, its parent and name, and is opened there; what is opened is compared with
 * (st_dev, st_ino), so that a replaced name gives -LINUX_ESTALE and never another file.
 *
 * Locks (below i_rwsem):
 *     where_lock    rwlock: parent and name of every inode.  Held for reading while descriptors are opened along them, for writing
 *                   while a rename changes them
 *       fd_lock     the LRU, hostfs_inode_info.fds and .list
 *       devs_lock   device numbers
 *       i_lock
 */
#ifndef SENTRY_VFS_HOSTFS_HOSTFS_FS_H
#define SENTRY_VFS_HOSTFS_HOSTFS_FS_H

#include "platform/host/host.h"
#include "vfs/hostfs/hostfs.h"
#include "vfs/inode_hash.h"

/* What a descriptor can do. */
enum hostfs_slot {
	HOSTFS_PATH,  /* O_PATH: names below a directory, attributes */
	HOSTFS_READ,
	HOSTFS_WRITE, /* O_RDWR, or O_WRONLY where the host refuses to read */
	NR_HOSTFS_SLOTS
};

/* An open descriptor of the host.  Closed when the cache and all users let go. */
struct hostfs_fd {
	struct ref ref;
	int fd;
	enum hostfs_slot slot;
	bool readable;
	struct hostfs_inode_info *owner; /* fd_lock; NULL: not in the cache */
	struct list_head lru;		 /* fd_lock */
};

/* A directory's names as they were at one moment.  Immutable. */
struct hostfs_list {
	struct ref ref;
	struct host_timespec mtime, ctime; /* of the directory before it was read */
	int64_t read_at;	/* monotonic time before it was read */
	uint32_t nr;
	uint32_t *offsets;	/* of each record in buf */
	char *buf;		/* records as getdents64 gives them, but for "." and ".." */
	size_t size;
};

struct hostfs_dev {
	struct hostfs_dev *next;
	uint64_t host_dev, dev;	/* dev 0: the root's, shown as the super block's */
	bool closed;		/* a kernel file system: its directories are shown empty */
};

struct hostfs_sb_info {
	struct super_block *sb;	/* borrowed */
	bool readonly;
	bool host_root;		/* the tree is the host's "/" */
	int base_fd;		/* O_PATH of the root, or of the directory in which a root that is a file is */
	struct inode_hash icache;
	struct rwlock where_lock;
	struct mutex fd_lock;
	struct list_head fds;	/* fd_lock; least recently used first */
	unsigned nr_fds, max_fds; /* fd_lock */
	struct mutex devs_lock;
	struct hostfs_dev *devs; /* devs_lock; only ever grows */
};

struct hostfs_inode_info {
	struct inode vfs;
	uint64_t host_dev;	/* immutable, with vfs.ino the identity */
	bool closed;		/* immutable: a directory that is not entered */
	struct hostfs_inode_info *parent; /* where_lock; reference; NULL for the root */
	char *name;		/* where_lock; NULL for a root directory */
	struct hostfs_fd *fds[NR_HOSTFS_SLOTS]; /* fd_lock; references of the cache */
	struct hostfs_list *list; /* fd_lock; the last one read */
	int64_t checked;	/* i_lock; monotonic time when the attributes were last compared */
	int64_t seen;		/* where_lock; monotonic time when it was last met at its place */
	struct host_timespec host_mtime, host_ctime; /* i_lock; as the host had them when the cached pages were right */
};

static inline struct hostfs_sb_info *HOSTFS_SB(const struct super_block *sb)
{
	return sb->s_private;
}

static inline struct hostfs_inode_info *HOSTFS_I(const struct inode *inode)
{
	return container_of(inode, struct hostfs_inode_info, vfs);
}

/* --- super.c --- */

/* The guest's number for a device of the host, made on first sight; @dirfd, @name: where it was seen.  NULL: out of memory. */
const struct hostfs_dev *hostfs_dev_get(struct hostfs_sb_info *hs, uint64_t host_dev, int dirfd, const char *name);

/* --- fd.c --- */

/* A descriptor of @hi that can do what @slot says, with a reference, or -errno. */
int hostfs_fd_get(struct hostfs_inode_info *hi, enum hostfs_slot slot, struct hostfs_fd **ret);
void hostfs_fd_put(struct hostfs_fd *hfd);
static inline void hostfs_fd_put_cleanup(struct hostfs_fd **p)
{
	if (*p)
		hostfs_fd_put(*p);
}
#define _cleanup_hostfs_fd_ __cleanup(hostfs_fd_put_cleanup)
/* @hi goes: closes what is cached for it. */
void hostfs_fds_drop(struct hostfs_inode_info *hi);
/* Any descriptor that is cached, else an O_PATH one: for attributes. */
int hostfs_fd_get_any(struct hostfs_inode_info *hi, struct hostfs_fd **ret);
/* What the host says of @hi, opening nothing for it; -LINUX_ESTALE when its name means another file now. */
int hostfs_stat(struct hostfs_inode_info *hi, struct host_stat *ret_st);
/*
 * A descriptor of the directory @hi for reading its names from the first on, with its attributes; the caller's.  *ret_keep: it may be
 * entered for HOSTFS_PATH afterwards, which is not cached.  Or -errno.
 */
int hostfs_dir_open_read(struct hostfs_inode_info *hi, struct host_stat *ret_st, bool *ret_keep);
/* Enters @fd (taken, on failure too), as when it was made together with the file.  0 or -LINUX_ENOMEM. */
int hostfs_fd_add(struct hostfs_inode_info *hi, enum hostfs_slot slot, int fd);

/* Where an inode was last seen: @name below @dirfd; "" for a root directory, which is @dirfd itself. */
struct hostfs_place {
	struct hostfs_fd *dir; /* reference; NULL: dirfd is the super block's */
	int dirfd;
	char *name;
};
int hostfs_place_get(struct hostfs_inode_info *hi, struct hostfs_place *ret);
void hostfs_place_put(struct hostfs_place *place);

/* --- inode.c --- */

/*
 * The inode of what is @name below @dir, whose attributes are @st; @dirfd is a descriptor of @dir.  With a reference, or
 * ERR_PTR.
 */
struct inode *hostfs_iget(struct inode *dir, int dirfd, const char *name, const struct host_stat *st);
/* The root: @name NULL for a directory. */
struct inode *hostfs_iget_root(struct hostfs_sb_info *hs, const char *name, const struct host_stat *st);
void hostfs_free_inode(struct inode *inode);
/* @inode was seen as @name in @dir: takes the place over.  A failed allocation leaves the old one. */
void hostfs_seen(struct hostfs_inode_info *hi, struct hostfs_inode_info *dir, const char *name);
/* Whether it was seen there within the last millisecond. */
bool hostfs_seen_lately(struct hostfs_inode_info *hi, struct hostfs_inode_info *dir, const char *name);
/*
 * Takes the host's attributes over.  When the contents changed behind our back cached pages are dropped, unless @own: the
 * change was ours.  i_rwsem of @inode not held, but with @own.
 */
void hostfs_attrs_set(struct inode *inode, const struct host_stat *st, bool own);
/* Asks the host again, unless that was done within the last millisecond and not @force.  0 or -errno. */
int hostfs_refresh(struct inode *inode, bool force);
/* The same after a change of ours; i_rwsem held for writing. */
void hostfs_refresh_own(struct inode *inode);
int hostfs_getattr(struct inode *inode, struct kstat *ret);
int hostfs_setattr(struct inode *inode, const struct iattr *attr);

extern const struct inode_ops hostfs_file_inode_ops, hostfs_symlink_inode_ops;

/* --- dir.c --- */

struct inode *hostfs_lookup(struct inode *dir, const char *name);
bool hostfs_revalidate(struct inode *dir, const char *name, struct inode *inode);
void hostfs_list_put(struct hostfs_list *list);
extern const struct file_ops hostfs_dir_ops;

/* --- namei.c --- */

extern const struct inode_ops hostfs_dir_inode_ops;

/* --- file.c --- */

extern const struct file_ops hostfs_file_ops;
extern const struct mapping_ops hostfs_mapping_ops;

/* --- xattr.c --- */

int64_t hostfs_getxattr(struct inode *inode, const char *name, void *buf, size_t size);
int hostfs_setxattr(struct inode *inode, const char *name, const void *value, size_t size, int flags);
int hostfs_removexattr(struct inode *inode, const char *name);
int hostfs_listxattr(struct inode *inode, struct strbuf *ret);

#endif
