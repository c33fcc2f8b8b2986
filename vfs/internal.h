/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the VFS core share with each other and with nobody else.
 *
 * dcache_lock, a read-write lock, guards the dentry tree and hash, and the hash of mounts by mountpoint: a walk over cached
 * names takes it once for reading, counts no references on the way and never sleeps below it.
 */
#ifndef SENTRY_VFS_INTERNAL_H
#define SENTRY_VFS_INTERNAL_H

#include "sentry/abi/fcntl.h"
#include "sentry/abi/fs.h"
#include "vfs/vfs.h"

/* --- dcache.c --- */

extern struct rwlock dcache_lock;

uint32_t dentry_hash(const struct dentry *parent, const char *name, size_t len);
/* In the cache, or NULL.  dcache_lock held; borrowed. */
struct dentry *dcache_find_locked(const struct dentry *parent, const char *name, size_t len);
/* The same with a reference, lock taken inside. */
struct dentry *dcache_find(const struct dentry *parent, const char *name, size_t len);
/*
 * Enters @name below @parent with @inode (reference taken, in every case; NULL: negative) and returns the dentry with a
 * reference: the one that was there already when another lookup was faster.  Or ERR_PTR(-LINUX_ENOMEM).  The directory's
 * i_rwsem is held.
 */
struct dentry *dcache_add(struct dentry *parent, const char *name, size_t len, struct inode *inode);
/* Makes a negative dentry positive; takes the reference. */
void dentry_instantiate(struct dentry *d, struct inode *inode);
/* The name was removed from its directory: becomes negative when nobody else uses it, else is unhashed. */
void dentry_delete(struct dentry *d);
/* For O_TMPFILE: a dentry below @parent that looks removed; takes the inode reference. */
struct dentry *dentry_new_unlinked(struct dentry *parent, const char *name, struct inode *inode);
/* Takes @d out of the cache without calling it deleted: it no longer tells the truth. */
void dentry_drop(struct dentry *d);
/* @d is now @name in @new_parent; @target, which may be NULL, was there. */
int dentry_move(struct dentry *d, struct dentry *new_parent, const char *name, struct dentry *target);
int dentry_exchange(struct dentry *a, struct dentry *b);
/* Whether @d is @ancestor or below it, in one super block. */
bool dentry_is_below(struct dentry *d, const struct dentry *ancestor);
/* Forgets the cached dentries below @root that nobody uses.  The others stay: a directory must not get a second dentry. */
void dcache_shrink_tree(struct dentry *root);
/*
 * Where names are not cached, the way to a mount is: @d and what it is in stay in the hash from the first pin to the last unpin.
 * dcache_lock for writing.  dentry_unpin takes it.
 */
void dentry_pin_locked(struct dentry *d);
void dentry_unpin(struct dentry *d);
/* d_path: as path_format; *ret_reached is false when @root was not met on the way up. */
int path_format_reached(const struct path *p, const struct path *root, struct strbuf *ret, bool *ret_reached);
/* The path inside its own super block, mounts not looked at. */
int path_format_in_sb(const struct path *p, struct strbuf *ret);
uint64_t dcache_nr_dentries(void);

/* --- mount.c --- */

extern struct mutex namespace_lock;

/* The mount on top of @d in @mnt, or NULL.  dcache_lock held; borrowed. */
struct mount *mount_find_locked(const struct mount *mnt, const struct dentry *d);
void mount_put(struct mount *mnt);
/* A mount that was made or copied for an open file alone goes with it, unless it has got a place in a tree. */
void mount_dissolve(struct mount *mnt);
/* While a file is open for writing or a change is under way: 0 or -LINUX_EROFS. */
int mnt_want_write(const struct mount *mnt);
bool path_is_mountpoint(const struct path *path);

/* --- inode.c --- */

enum acl_state { ACL_UNKNOWN, ACL_NONE, ACL_PRESENT };

#define IS_IMMUTABLE(inode) ((inode)->attr_flags & LINUX_FS_IMMUTABLE_FL)
#define IS_APPEND(inode) ((inode)->attr_flags & LINUX_FS_APPEND_FL)

/* The answer for MAY_EXEC on a directory if no filesystem has to be asked: 0, -LINUX_EACCES, or 1 for "ask". */
int inode_may_exec_fast(const struct inode *dir);
/* Deny-write and write access: -LINUX_ETXTBSY. */
int inode_get_write_access(struct inode *inode);
void inode_put_write_access(struct inode *inode);
/* Drops set-id bits and file capabilities, as a write by someone without CAP_FSETID does.  i_rwsem held for writing. */
int inode_remove_privs(const struct path *path);

/* --- fs_struct.c --- */

/* pivot_root: every task whose root or working directory is @from gets @to. */
void fs_structs_replace_root(const struct path *from, const struct path *to);

/* --- namei.c --- */

enum last_type { LAST_NORM, LAST_ROOT, LAST_DOT, LAST_DOTDOT };

/*
 * A walk under way.  After nameidata_parent, `path` is the directory and last, last_len the final component, which
 * points into the walk's own storage: keep nd until the name is done with.
 */
struct nameidata {
	struct path path, root; /* references */
	const char *name;	/* what is left to walk */
	char *owned;		/* storage of @name after the first symlink */
	const char *last;
	size_t last_len;
	enum last_type last_type;
	bool last_slash; /* "name/" */
	bool created;	 /* do_filp_open made the file */
	unsigned flags, nr_links;
	char last_name[NAME_MAX_LEN + 1]; /* NUL-terminated copy of last, when it is LAST_NORM and not too long */
};

/* Starts a walk of @name at @dfd; undo with nameidata_fini in every case. */
int nameidata_init(struct nameidata *nd, int dfd, const char *name, unsigned flags);
void nameidata_fini(struct nameidata *nd);
/* Walks to the parent of the last component. */
int nameidata_parent(struct nameidata *nd);
/* The last component itself, symlinks followed as flags say; nd->path is the result. */
int nameidata_last(struct nameidata *nd);
/*
 * Looks @nd's last component up in nd->path with the directory's i_rwsem held by the caller: a dentry, perhaps negative, with
 * a reference, or ERR_PTR.
 */
struct dentry *nameidata_lookup_locked(struct nameidata *nd);
/* After nameidata_lookup_locked found @d (reference taken): steps onto it, over mounts and, as flags say, symlinks. */
int nameidata_step(struct nameidata *nd, struct dentry *d);
/* One name in a directory, from the cache or the filesystem.  The caller holds i_rwsem; at least reading. */
struct dentry *lookup_one_locked(struct dentry *dir, const char *name, size_t len);
/* Steps up over mounts: the mounts on @path, topmost. */
void path_follow_mounts(struct path *path);
int path_from_dfd(int dfd, struct path *ret);

/* --- namei_ops.c --- */

/* Whether a name may be made in @dir, or @victim removed from it; the directory is locked. */
int may_create_in(struct inode *dir);
int may_delete_in(struct inode *dir, struct dentry *victim, bool is_dir);
/* ops->mknod with vfs_mknod's checks; umask and default ACL are applied. */
struct inode *dir_mknod(struct inode *dir, const char *name, uint32_t mode, uint64_t rdev);

/* --- rename.c --- */

/* rename(2) of a name in one directory of a super block to one in another, both borrowed and unlocked. */
int dir_rename(struct dentry *old_dir, const char *old_name, struct dentry *new_dir, const char *new_name, unsigned flags);

/* --- open.c --- */

/* @f: the open file it is done through, or NULL for truncate(2). */
int do_truncate(const struct path *path, uint64_t size, struct file *f);

/* --- attr.c --- */

enum { ATTR_TIMES_SET = 0x100, ATTR_TOUCH = 0x200, ATTR_KILL_SUID = 0x400, ATTR_KILL_SGID = 0x800 };
#define ATTR_FS_MASK 0xff /* what setattr operations see */

/* notify_change with i_rwsem held for writing, checks done. */
int inode_setattr_locked(struct inode *inode, struct iattr *attr);

/* --- shmem.c --- */

/* F_SEAL_WRITE, F_SEAL_GROW: bytes that may be written at @pos (cuts @from), or -LINUX_EPERM.  i_rwsem held. */
int64_t shmem_write_allowed(struct inode *inode, uint64_t pos, struct iov_iter *from);
/* Seals against a mapping; may take may_write away. */
int shmem_mmap_allowed(struct inode *inode, struct mmap_args *a);

/* --- filemap.c --- */

/* Where a write goes, how much of it, and the signals of limits: bytes, 0, or -errno.  i_rwsem held for writing. */
int64_t generic_write_checks(struct file *f, struct iov_iter *from, uint64_t *pos);

/* --- locks.c --- */

/* The process closed a descriptor of @f, or @f went altogether. */
void locks_remove_posix(struct file *f, const void *owner);
void locks_remove_file(struct file *f);
void locks_free_inode(struct inode *inode);

/* --- leases.c --- */

void leases_remove_file(struct file *f);
void leases_free_inode(struct inode *inode);
int leases_break_slow(struct inode *inode, uint32_t flags);
/*
 * @inode is about to be opened with @flags, or truncated as if with O_WRONLY: waits until no lease is in the way.  0,
 * -LINUX_EAGAIN for O_NONBLOCK, -LINUX_ERESTARTSYS.  No lock held.
 */
static inline int leases_break(struct inode *inode, uint32_t flags)
{
	return unlikely(READ_ONCE(inode->leases)) ? leases_break_slow(inode, flags) : 0;
}

/* --- posix_acl.c --- */

/* As the ACL says: 0, -LINUX_EACCES, or -LINUX_EAGAIN when there is none. */
int posix_acl_permission(struct inode *inode, unsigned mask);
/* After chmod: makes the ACL's mask and owner entries follow the mode. */
int posix_acl_chmod(struct inode *inode, uint32_t mode);
/* The mode of something new in @dir: the umask counts only where there is no default ACL. */
uint32_t posix_acl_create_mode(struct inode *dir, uint32_t mode);
/* Gives @inode, just made in @dir and not yet to be seen, what @dir's default ACL says. */
int posix_acl_inherit(struct inode *dir, struct inode *inode);
/* setxattr of system.posix_acl_*; i_rwsem held for writing. */
int posix_acl_set_locked(struct inode *inode, const char *name, const void *value, size_t size);

#endif
