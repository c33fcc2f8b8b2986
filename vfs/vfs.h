/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The virtual file system, in Linux's shape (Documentation/filesystems/vfs.rst): super_block, inode, dentry, file, mount.
 *
 * References: every pointer kept in a structure is a counted reference unless the field says otherwise.  Functions that
 * return an object return a reference; arguments are borrowed.
 *
 * Lock order (outer first):
 *     namespace_lock               the mount tree
 *     inode->i_rwsem               parent before child; two directories: s_rename_lock, then by address, ancestor first
 *       (mm->lock ... pt_lock)     user copies happen below i_rwsem
 *         mapping->lock            page cache of one inode
 *         inode->i_lock            attributes that change together (size, times, nlink)
 *         dcache_lock              the dentry tree, hash and LRU (internal to dcache.c)
 *           file system's own locks documented there
 *
 * Errors: negative guest errno.  A function that returns a pointer returns ERR_PTR.
 */
#ifndef SENTRY_VFS_VFS_H
#define SENTRY_VFS_VFS_H

#include "sentry/abi/errno.h"
#include "sentry/abi/stat.h"
#include "sentry/base/list.h"
#include "sentry/base/lock.h"
#include "sentry/base/ref.h"
#include "sentry/base/strbuf.h"
#include "sentry/base/waitq.h"
#include "sentry/mm/backing.h"
#include "sentry/mm/uaccess.h"
#include "vfs/cred.h"
#include "vfs/pagecache.h"

#define NAME_MAX_LEN 255
#define PATH_MAX_LEN 4096

struct inode;
struct dentry;
struct path;
struct file;
struct mount;
struct super_block;
struct poll_table;
struct mmap_args;
struct file_lock_ctx; /* locks.c */
struct leases; /* leases.c */
struct fsnotify_marks; /* anon/inotify.c */
struct peer_group; /* mount_prop.c */

struct timespec64 {
	int64_t sec;
	uint32_t nsec;
};
/* CLOCK_REALTIME at the granularity inode times have. */
struct timespec64 current_time(void);

/* --- super_block --- */

struct super_ops {
	/* The last reference to @inode went: write back, free blocks of an unlinked one (nlink == 0), free the storage. */
	void (*free_inode)(struct inode *inode);
	/* Times of @inode changed in memory: it is to be written some day.  No lock of the inode's held.  NULL. */
	void (*dirty_inode)(struct inode *inode);
	int (*statfs)(struct super_block *sb, struct linux_statfs *ret);
	int (*sync)(struct super_block *sb); /* NULL: nothing to do */
	/* Much is dirty: write back soon, from another thread.  NULL: there is none. */
	void (*writeback_soon)(struct super_block *sb);
	void (*kill)(struct super_block *sb); /* unmounted: free s_private */
	void (*show_options)(struct super_block *sb, struct strbuf *sb_out); /* ",size=1024k"; NULL */
	void (*show_path)(const struct dentry *root, struct strbuf *sb_out); /* mountinfo's root; NULL: its place below sb->root */
};

struct super_block {
	struct ref ref;
	const struct fs_type *type;
	const struct super_ops *ops;
	uint64_t dev;		/* st_dev (a new anonymous device number by sb_new; a filesystem may replace it) */
	unsigned flags;		/* LINUX_SB_RDONLY | ... */
	struct dentry *root;
	struct mutex rename_lock; /* directory renames across parents */
	const char *source;	/* owned; as /proc/mounts shows it */
	uint64_t magic;
	uint64_t max_bytes;	/* largest file size */
	uint32_t blksize;
	bool fixed_ro;		/* SB_RDONLY can't be taken away */
	bool no_devices;	/* mounted by an unprivileged user namespace: its device nodes can't be opened */
	bool no_negative;	/* a missing name is -ENOENT even to who wants to make it (proc) */
	bool no_dcache;		/* dentries are not kept (proc): every lookup asks the filesystem */
	void *s_private;
	atomic_ulong next_ino;	/* for filesystems without numbers of their own: inode_new takes one when ino == 0 */
	struct list_head supers; /* all super blocks; internal to super.c */
};

struct fs_type {
	const char *name; /* as in mount(2) and /proc/filesystems */
	bool nodev;
	bool userns_mount; /* root of any user namespace may mount it */
	/* The options there are, with a NULL behind; NULL: it is seen when it is mounted. */
	const char *const *options;
	/*
	 * mount(2).  @source, @data as given (may be NULL).  Returns a new super_block whose root is set, or ERR_PTR.
	 */
	struct super_block *(*mount)(const struct fs_type *type, unsigned flags, const char *source, const char *data);
	/* The directory of @sb that the caller sees as its root, a reference, or ERR_PTR.  NULL: sb->root. */
	struct dentry *(*mount_root)(struct super_block *sb);
};
extern const struct fs_type *const fs_types[]; /* fs_registry.c */
const struct fs_type *fs_type_find(const char *name);

struct super_block *sb_new(const struct fs_type *type, const struct super_ops *ops); /* or ERR_PTR(-ENOMEM) */
void sb_put(struct super_block *sb);

/* --- inode --- */

struct kstat { /* what getattr fills; stat and statx are made of it */
	uint64_t dev, ino, rdev, size, blocks; /* blocks of 512 bytes */
	uint32_t mode, nlink, uid, gid, blksize;
	struct timespec64 atime, mtime, ctime, btime; /* btime.sec == 0 && nsec == 0: not known */
	uint64_t attributes, attributes_mask; /* STATX_ATTR_* */
	uint64_t mnt_id;
};

enum iattr_valid {
	ATTR_MODE = 1, ATTR_UID = 2, ATTR_GID = 4, ATTR_SIZE = 8, ATTR_ATIME = 0x10, ATTR_MTIME = 0x20, ATTR_CTIME = 0x40,
	ATTR_KILL_PRIV = 0x80, /* drop file capabilities, as a write or chown does; done by the VFS */
};

struct iattr {
	unsigned valid;
	uint32_t mode, uid, gid;
	uint64_t size;
	struct timespec64 atime, mtime, ctime;
};

/*
 * Directory operations take names of 1..255 bytes without '/', never "." or "..".  They are called with the directory's i_rwsem
 * held for writing (lookup: at least reading) and after permission checks.  NULL gives the errno in brackets.
 */
struct inode_ops {
	/* The child's inode, or ERR_PTR(-LINUX_ENOENT).  [-ENOTDIR] */
	struct inode *(*lookup)(struct inode *dir, const char *name);
	/* Makes a regular file, device, fifo or socket as @mode says; returns its inode.  [-EPERM] */
	struct inode *(*mknod)(struct inode *dir, const char *name, uint32_t mode, uint64_t rdev);
	struct inode *(*mkdir)(struct inode *dir, const char *name, uint32_t mode);
	struct inode *(*symlink)(struct inode *dir, const char *name, const char *target);
	int (*link)(struct inode *dir, const char *name, struct inode *inode);
	int (*unlink)(struct inode *dir, const char *name, struct inode *inode);
	int (*rmdir)(struct inode *dir, const char *name, struct inode *inode);
	/* @target: the inode replaced or exchanged, or NULL.  flags: LINUX_RENAME_EXCHANGE, _WHITEOUT (NOREPLACE done by the caller). */
	int (*rename)(struct inode *old_dir, const char *old_name, struct inode *inode, struct inode *new_dir,
		      const char *new_name, struct inode *target, unsigned flags);
	/* An unnamed regular file (O_TMPFILE), nlink 0.  [-EOPNOTSUPP] */
	struct inode *(*tmpfile)(struct inode *dir, uint32_t mode);

	/* Appends the link's target.  [-EINVAL] */
	int (*readlink)(struct inode *inode, struct strbuf *ret);
	/* Magic links of proc: the object itself instead of a path.  NULL: readlink is followed. */
	int (*get_link)(struct inode *inode, struct path *ret);
	/* Whether a cached dentry of this directory still holds (@inode NULL: a negative one): hostfs.  NULL: always. */
	bool (*revalidate)(struct inode *dir, const char *name, struct inode *inode);

	/* Anonymous inodes: frees i_private with it.  NULL: nothing. */
	void (*free_anon)(struct inode *inode);
	/* NULL: generic_getattr. */
	int (*getattr)(struct inode *inode, struct kstat *ret);
	/* Checked attributes are applied; i_rwsem held for writing.  NULL: simple_setattr (in-memory filesystems).  [-EPERM] */
	int (*setattr)(struct inode *inode, const struct iattr *attr);
	/* NULL: generic_permission (mode bits, ACLs if any, capabilities).  @mask: MAY_*. */
	int (*permission)(struct inode *inode, unsigned mask);

	/* Extended attributes by full name.  Returns bytes (0 size: length only), -ERANGE, -ENODATA.  [-EOPNOTSUPP] */
	int64_t (*getxattr)(struct inode *inode, const char *name, void *buf, size_t size);
	int (*setxattr)(struct inode *inode, const char *name, const void *value, size_t size, int flags);
	int (*removexattr)(struct inode *inode, const char *name);
	/* Appends NUL-terminated names. */
	int (*listxattr)(struct inode *inode, struct strbuf *ret);
};

enum may { MAY_EXEC = 1, MAY_WRITE = 2, MAY_READ = 4, MAY_APPEND = 8, MAY_OPEN = 0x20, MAY_NOT_BLOCK = 0x80 };

struct inode {
	struct ref ref;
	struct super_block *sb; /* borrowed: a mounted or referenced sb outlives its inodes */
	const struct inode_ops *ops;
	const struct file_ops *fops; /* what open gives; devices, fifos and sockets are redirected by mode */
	bool own_special;	/* ... but not this one: it stands for a descriptor of the host */
	uint64_t ino;
	uint32_t mode;		/* i_lock; type bits immutable */
	uint32_t uid, gid;	/* i_lock */
	atomic_uint nlink;
	uint64_t rdev;		/* immutable */
	uint64_t dev;		/* st_dev when not the super block's (hostfs below a host mount); 0 */
	uint64_t size;		/* i_lock; READ_ONCE without */
	uint64_t blocks;	/* i_lock; 512-byte units */
	struct timespec64 atime, mtime, ctime, btime; /* i_lock */
	struct mutex i_lock;
	struct rwlock i_rwsem;
	struct mapping mapping;	/* the page cache; ops NULL for what has none */
	atomic_int writecount;	/* > 0: open for writing; < 0: being executed (deny write) */
	atomic_int readcount;	/* regular files: open for reading only */
	_Atomic(struct file_lock_ctx *) locks; /* i_lock to set; NULL until the first lock */
	struct leases *leases;		/* i_lock; NULL until the first lease */
	struct fsnotify_marks *marks;	/* i_lock */
	struct pipe *pipe;		/* FIFOs; i_lock */
	void *sock;			/* bound AF_UNIX socket; owned by netstack */
	struct list_head s_link;	/* filesystem's own list or hash */
	uint64_t generation;
	unsigned attr_flags;		/* FS_IOC_GETFLAGS: immutable, append */
	unsigned seals;			/* F_GET_SEALS, or SEALS_NONE for what can't be sealed; i_rwsem */
	bool dead;			/* a removed directory: nothing is made in it any more; i_rwsem */
	bool linkable;			/* O_TMPFILE without O_EXCL: link(2) may give it a name; i_rwsem */
	atomic_uchar acl_state;		/* enum acl_state: what generic_permission knows of ACLs */
	atomic_uchar default_acl_state;	/* the same of a directory's default ACL */
	atomic_bool nosec;		/* known to have no file capabilities (S_NOSEC) */
	_Atomic(char *) link;		/* a symlink's target, once read; freed by inode_fini */
	void *i_private;		/* filesystem's */
};

#define SEALS_NONE (~0U)

/*
 * A new inode with one reference, attributes zero, times now, i_rwsem and mapping initialised.  Filesystems that need
 * more storage embed struct inode in their own, allocate that zeroed and call inode_init.  ino 0: next free of the sb.
 */
struct inode *inode_new(struct super_block *sb, uint64_t ino, uint32_t mode, const struct inode_ops *ops,
			const struct file_ops *fops);
void inode_init(struct inode *inode, struct super_block *sb, uint64_t ino, uint32_t mode, const struct inode_ops *ops,
		const struct file_ops *fops);
/* Frees what inode_init made; the storage is the filesystem's.  For super_ops.free_inode. */
void inode_fini(struct inode *inode);
static inline struct inode *inode_get(struct inode *i)
{
	ref_get(&i->ref);
	return i;
}
void inode_put(struct inode *inode);
/* Owner for a new inode in @dir: fsuid, and fsgid or the directory's gid when it is setgid (inode_init_owner). */
void inode_init_owner(struct inode *inode, const struct inode *dir, uint32_t mode);
void inode_touch_mtime(struct inode *inode); /* mtime and ctime now */
void inode_touch_ctime(struct inode *inode);
void inode_touch_atime(struct inode *inode, struct mount *mnt); /* relatime */
int inode_permission(struct inode *inode, unsigned mask);
/* The same for who has @cred. */
int inode_permission_as(struct inode *inode, unsigned mask, const struct cred *cred);
int generic_permission(struct inode *inode, unsigned mask);
int generic_getattr(struct inode *inode, struct kstat *ret);
/* Applies to the in-memory inode, with truncation of the page cache for ATTR_SIZE. */
int simple_setattr(struct inode *inode, const struct iattr *attr);
bool inode_owner_or_capable(const struct inode *inode);
/* Takes over what @attr says, but for the size; for setattr operations. */
void setattr_copy(struct inode *inode, const struct iattr *attr);
/* While a program runs from it: nobody opens the file for writing.  0 or -LINUX_ETXTBSY. */
int inode_deny_write(struct inode *inode);
void inode_allow_write(struct inode *inode);

/* --- dentry and path --- */

struct dentry {
	struct ref ref;
	struct dentry *parent;	/* dcache_lock; itself at a root */
	char *name;		/* dcache_lock; iname or malloc */
	uint32_t name_len, hash;
	struct inode *inode;	/* NULL: negative.  Set once from negative to positive; cleared by unlink of the last user */
	struct super_block *sb;
	struct dentry *hash_next, **hash_pprev; /* dcache_lock; hash_pprev NULL: not in the hash */
	struct list_head children, child_link, lru; /* dcache_lock; children: those in the hash */
	atomic_bool referenced;	/* looked up since reclaim last came by */
	bool unhashed;		/* unlinked, or never hashed (pipes): shown as " (deleted)" */
	bool anon;		/* dentry_new_anon: the name is the whole text */
	unsigned nr_pins;	/* mounts here and below, where names are not cached; dcache_lock */
	unsigned nr_mounts;	/* something is mounted here in some namespace; namespace_lock and dcache_lock */
	char iname[32];
};

struct path {
	struct mount *mnt;
	struct dentry *dentry;
};
static inline bool path_equal(const struct path *a, const struct path *b)
{
	return a->mnt == b->mnt && a->dentry == b->dentry;
}
void path_get(const struct path *p);
void path_put(const struct path *p);
void dentry_get(struct dentry *d);
/* The child of that name with a reference; a negative one has no inode; or ERR_PTR.  Without locks. */
struct dentry *dentry_lookup_child(struct dentry *dir, const char *name, size_t len);
void dentry_put(struct dentry *d);
/* A root dentry for a super block; takes the inode reference. */
struct dentry *dentry_new_root(struct super_block *sb, struct inode *root);
/* An unhashed dentry with a name for pipes, sockets, memfds ("/memfd:x"); takes the inode reference. */
struct dentry *dentry_new_anon(struct super_block *sb, const char *name, struct inode *inode);
/* Appends the path of @p as seen from @root (d_path), with " (deleted)" behind it when its name was removed. */
int path_format(const struct path *p, const struct path *root, struct strbuf *ret);
/* getcwd(2): -LINUX_ENOENT for a removed directory, "(unreachable)" in front of one outside @root. */
int path_format_cwd(const struct path *p, const struct path *root, struct strbuf *ret);

/* --- mounts --- */

struct mount {
	struct ref ref;
	struct mount *parent;	/* namespace_lock; borrowed by children */
	struct path mountpoint;	/* in the parent; namespace_lock */
	struct dentry *root;
	struct super_block *sb;
	unsigned flags;		/* LINUX_MS_RDONLY | NOSUID | NODEV | NOEXEC | NOATIME... */
	int id;
	struct mnt_namespace *ns; /* borrowed; namespace_lock; NULL: in none (any more) */
	struct list_head ns_link, children, child_link; /* namespace_lock */
	struct mount *hash_next, **hash_pprev; /* by (parent, mountpoint); dcache_lock */
	bool detached;		/* lazily unmounted; namespace_lock */
	atomic_int writers;	/* files open for writing */
	atomic_bool expiring;	/* MNT_EXPIRE found it unused, and nothing was opened since */
	/* Propagation, mount_prop.c; namespace_lock */
	struct peer_group *peers, *master; /* shared with; slave of; NULL: not */
	struct list_head peer_link, slave_link;
	bool unbindable;
	bool locked;		/* came from a more privileged namespace: not to be unmounted alone; namespace_lock */
	unsigned locked_flags;	/* ... and not to lose these */
	struct mount *copy;	/* while a tree is copied */
	unsigned born;		/* the propagation that made it */
	bool doomed;		/* the one under way unmounts it */
};
struct mnt_namespace;
/* The initial namespace and its root mount. */
struct mnt_namespace *mnt_namespace_new(struct super_block *root_sb, unsigned flags, struct path *ret_root);
/* Mounts @sb (taken, on success and failure) on @where. */
int mount_attach(struct super_block *sb, const struct path *where, unsigned flags);
int do_mount(const char *source, const struct path *where, const char *type, uint64_t flags, const char *data);
int do_umount(const struct path *where, unsigned flags);
bool may_mount(void); /* in the calling task's mount namespace */
int do_pivot_root(const struct path *new_root, const struct path *put_old);
/* /proc/self/mounts, mountinfo, mountstats as seen from @root. */
enum mounts_format { MOUNTS_MOUNTS, MOUNTS_MOUNTINFO, MOUNTS_MOUNTSTATS };
int mounts_show(struct mnt_namespace *ns, const struct path *root, enum mounts_format fmt, struct strbuf *ret);

/* --- per-process file state --- */

struct fs_struct {
	struct ref ref;
	struct mutex lock;
	struct path root, pwd;	/* lock */
	uint32_t umask;		/* lock; atomic read */
	struct mnt_namespace *mnt_ns; /* lock; a reference */
	struct list_head link;	/* fs_struct.c */
};
extern _Thread_local struct fs_struct *current_fs;
struct fs_struct *fs_struct_new(const struct path *root, const struct path *pwd);
struct fs_struct *fs_struct_copy(struct fs_struct *fs);
struct fs_struct *fs_struct_get(struct fs_struct *fs);
void fs_struct_put(struct fs_struct *fs);
/* The calling task's root and working directory, with references; service threads have the first task's root. */
void fs_get_root(struct path *ret);
void fs_get_pwd(struct path *ret);
/* Takes over the references of @path. */
void fs_set_root(struct fs_struct *fs, const struct path *path);
void fs_set_pwd(struct fs_struct *fs, const struct path *path);
/* Gives @fs, which only the caller uses, a copy of its mount namespace, owned by @owner.  0 or -errno. */
int fs_unshare_mnt_ns(struct fs_struct *fs, struct user_namespace *owner);
/* setns(2): @fs, which only the caller uses, goes to the root of @ns (borrowed). */
void fs_enter_mnt_ns(struct fs_struct *fs, struct mnt_namespace *ns);
/* Whether its root is another than its namespace's. */
bool fs_is_chrooted(struct fs_struct *fs);

/* --- name lookup (namei.c) --- */

enum lookup_flags {
	LOOKUP_FOLLOW = 1,	/* follow a symlink in the last component */
	LOOKUP_DIRECTORY = 2,
	LOOKUP_EMPTY = 4,	/* AT_EMPTY_PATH: "" means dfd itself */
	LOOKUP_PARENT = 8,	/* internal */
	LOOKUP_NO_XDEV = 0x10, LOOKUP_NO_SYMLINKS = 0x20, LOOKUP_NO_MAGICLINKS = 0x40, LOOKUP_BENEATH = 0x80, LOOKUP_IN_ROOT = 0x100,
};
#define LINUX_AT_FDCWD (-100)

/* Looks up a kernel string relative to @dfd (a guest fd or LINUX_AT_FDCWD). */
int path_lookupat(int dfd, const char *name, unsigned flags, struct path *ret);
/* The same for a guest pointer (getname + lookup): -EFAULT, -ENAMETOOLONG, -ENOENT for "". */
int user_path_at(int dfd, uaddr_t name, unsigned flags, struct path *ret);
/* Copies a guest path; *ret is malloc'ed.  @empty_ok: "" allowed. */
int getname(uaddr_t uname, bool empty_ok, char **ret);

/* open(2) in all its forms. @how_resolve: RESOLVE_* as lookup flags. */
struct file *do_filp_open(int dfd, const char *name, uint32_t flags, uint32_t mode, unsigned lookup_flags);
/* From inside the sentry: relative to the current root. */
struct file *filp_open(const char *name, uint32_t flags, uint32_t mode);
/* Opens an already found object (exec, O_PATH re-open through /proc/self/fd). */
struct file *dentry_open(const struct path *path, uint32_t flags, const struct cred *cred);

int vfs_getattr(const struct path *path, struct kstat *ret);
int vfs_setattr(const struct path *path, const struct iattr *attr); /* notify_change: takes i_rwsem, checks permission */
int vfs_chmod(const struct path *path, uint32_t mode);
int vfs_chown(const struct path *path, uint32_t uid, uint32_t gid); /* UINT32_MAX: unchanged */
/* NULL @times: now.  nsec may be LINUX_UTIME_NOW or LINUX_UTIME_OMIT. */
int vfs_utimes(const struct path *path, const struct timespec64 *times);
int vfs_truncate(const struct path *path, uint64_t size);
int file_truncate(struct file *f, int64_t size); /* ftruncate(2) */
/* RLIMIT_FSIZE (with its signal) and the filesystem's limit for a file that is to have @size bytes. */
int inode_size_ok(struct inode *inode, uint64_t size);
/* Extended attributes by full name, with the checks of fs/xattr.c. */
int64_t vfs_getxattr(const struct path *path, const char *name, void *buf, size_t size);
int vfs_setxattr(const struct path *path, const char *name, const void *value, size_t size, int flags);
int vfs_removexattr(const struct path *path, const char *name);
int vfs_listxattr(const struct path *path, struct strbuf *ret);
int do_mknodat(int dfd, const char *name, uint32_t mode, uint64_t rdev);
int do_mkdirat(int dfd, const char *name, uint32_t mode);
int do_unlinkat(int dfd, const char *name);
int do_rmdirat(int dfd, const char *name);
int do_symlinkat(const char *target, int dfd, const char *name);
int do_linkat(int odfd, const char *oname, int ndfd, const char *nname, unsigned flags);
int do_renameat2(int odfd, const char *oname, int ndfd, const char *nname, unsigned flags);
/* Used by AF_UNIX bind: makes the socket node with @sock in inode->sock. */
int vfs_mksock(const char *name, uint32_t mode, void *sock, struct path *ret);

/* --- file --- */

struct dir_context {
	/*
	 * Takes one entry; false: the buffer is full, stop without consuming.  @type: LINUX_DT_*.  @next: the position behind
	 * this entry, for d_off.
	 */
	bool (*emit)(struct dir_context *ctx, const char *name, size_t len, uint64_t ino, unsigned type, uint64_t next);
	uint64_t pos; /* where to go on; the filesystem advances it as entries are taken */
};

/* NULL gives the errno in brackets.  @pos: in/out position; files without one (FMODE_STREAM) ignore it. */
struct file_ops {
	int64_t (*read)(struct file *f, struct iov_iter *to, uint64_t *pos);	/* [-EINVAL] */
	int64_t (*write)(struct file *f, struct iov_iter *from, uint64_t *pos);	/* [-EINVAL] */
	int64_t (*llseek)(struct file *f, int64_t off, int whence);		/* [generic for files and directories, else -ESPIPE] */
	/* i_rwsem held for reading.  "." and ".." included (dir_emit_dots).  [-ENOTDIR] */
	int (*iterate)(struct file *f, struct dir_context *ctx);
	/* Event bits now; registers with @pt through poll_wait (pt may be NULL).  [always readable and writable] */
	unsigned (*poll)(struct file *f, struct poll_table *pt);
	int64_t (*ioctl)(struct file *f, unsigned cmd, uint64_t arg);		/* [-ENOTTY] */
	/* Before a mapping is made: may refuse or change a.  [-ENODEV] */
	int (*mmap)(struct file *f, struct mmap_args *a);
	int (*open)(struct inode *inode, struct file *f);	/* may replace f->ops; [0] */
	int (*flush)(struct file *f);				/* each close(2); [0] */
	void (*release)(struct file *f);			/* the last reference went */
	int (*fsync)(struct file *f, uint64_t start, uint64_t end, bool datasync); /* [-EINVAL] */
	int (*fallocate)(struct file *f, int mode, uint64_t off, uint64_t len);	/* [-EOPNOTSUPP] */
	/* O_ASYNC through @fd: fasync_update() on the object's list, which changes the flag.  [the flag stays as it is] */
	int (*fasync)(int fd, struct file *f, bool on);
	/* fcntl(F_SETFL) of O_NONBLOCK, O_DIRECT...: tell the object.  [0] */
	int (*set_flags)(struct file *f, unsigned flags);
	void (*show_fdinfo)(struct file *f, struct strbuf *sb);
};

enum fmode {
	FMODE_READ = 1, FMODE_WRITE = 2, FMODE_LSEEK = 4, FMODE_PREAD = 8, FMODE_PWRITE = 0x10, FMODE_EXEC = 0x20,
	FMODE_PATH = 0x40,	/* O_PATH */
	FMODE_STREAM = 0x80,	/* no position */
	FMODE_ATOMIC_POS = 0x100, /* regular files and directories: pos_lock held across read, write, lseek, getdents */
	FMODE_NONOTIFY = 0x200,
	FMODE_UNSIGNED_POS = 0x800, /* positions may have the top bit set: /proc/pid/mem */
	FMODE_READER = 0x2000,	/* counted in inode->readcount */
	FMODE_WRITER = 0x400,	/* counted in inode->writecount and mnt->writers */
	FMODE_NEED_UNMOUNT = 0x1000, /* fsmount, open_tree: with the file goes the mount, if it was put nowhere */
};

struct file {
	struct ref ref;
	const struct file_ops *ops;
	struct path path;
	struct inode *inode;	/* borrowed from path.dentry (which holds it) */
	unsigned fmode;		/* immutable but for FMODE_* set in open */
	atomic_uint flags;	/* LINUX_O_* as F_GETFL shows them */
	struct mutex pos_lock;
	uint64_t pos;		/* pos_lock */
	const struct cred *cred; /* of the opener */
	struct vm_file vm;	/* what mm sees; backing = &inode->mapping.backing */
	struct list_head ep_links; /* epoll items that watch this; anon/eventpoll.c */
	struct mutex ep_lock;
	int32_t owner_pid;	/* F_SETOWN, and its type */
	int owner_type, owner_sig;
	uint32_t owner_uid, owner_euid; /* of who called F_SETOWN */
	struct file_ra { uint64_t next_pgoff; unsigned window; } ra; /* read-ahead: a hint, READ_ONCE and WRITE_ONCE without a lock */
	uint32_t tty_generation; /* of a terminal: hangups before it was opened */
	void *private_data;
};

/*
 * An open file made by hand, for the anonymous filesystem and the like: nothing is opened, no permission is looked at.
 * Borrows @path.  fmode from @flags.
 */
struct file *file_new_on(const struct path *path, const struct file_ops *ops, uint32_t flags, void *private_data);
/* A file on @path (both references taken, on failure too).  ops from the inode; calls ops->open. */
struct file *file_open_path(struct path *path, uint32_t flags, const struct cred *cred);
/* In an open operation: there is no position, for pread(2) neither; nonseekable_open() in Linux. */
static inline void file_set_stream(struct file *f)
{
	f->fmode = (f->fmode | FMODE_STREAM) & ~(unsigned)(FMODE_LSEEK | FMODE_PREAD | FMODE_PWRITE);
}
/*
 * A file with the given operations and state on an object that needs no open call; @path is borrowed.  FMODE_READ, FMODE_WRITE
 * from @flags; FMODE_STREAM set.  file.c.
 */
struct file *file_new_on(const struct path *path, const struct file_ops *ops, uint32_t flags, void *private_data);
/*
 * A file that has no name in a filesystem: pipes, sockets, eventfds.  @name as /proc/self/fd shows it: "anon_inode:[eventfd]";
 * one that ends in ":[" gets the inode number and "]" ("pipe:[" -> "pipe:[123]").  A new inode of @mode in the anonymous super
 * block.  anon/anon.c.
 */
struct file *anon_file_new(const char *name, uint32_t mode, const struct file_ops *ops, uint32_t flags, void *private_data);
/* tmpfs-backed unlinked file, for shared anonymous memory and memfd_create.  Name as shown in maps ("/dev/zero", "/memfd:x"). */
struct file *shmem_file_setup(const char *name, uint64_t size, uint32_t flags);

static inline struct file *file_get(struct file *f)
{
	ref_get(&f->ref);
	return f;
}
void fput(struct file *f);
uint64_t files_count(void); /* open files, for /proc/sys/fs/file-nr */
static inline void fput_cleanup(struct file **f)
{
	if (*f && !IS_ERR(*f))
		fput(*f);
}
#define _cleanup_fput_ __cleanup(fput_cleanup)
static inline void path_put_cleanup(struct path *p)
{
	if (p->dentry)
		path_put(p);
}
#define _cleanup_path_ __cleanup(path_put_cleanup)

/* RWF_* of the preadv2 or pwritev2 under way in this thread, else 0. */
extern _Thread_local unsigned current_rwf;
/* Whether this call must not wait: O_NONBLOCK or RWF_NOWAIT. */
static inline bool vfs_nonblock(const struct file *f)
{
	return (atomic_load_explicit(&((struct file *)f)->flags, memory_order_relaxed) & 04000) || (current_rwf & 8);
}

/* read(2)/write(2) bodies: mode and range checks, pos handling, SIGXFSZ limits, notify. */
int64_t vfs_read(struct file *f, struct iov_iter *to, uint64_t *pos);
int64_t vfs_write(struct file *f, struct iov_iter *from, uint64_t *pos);
int64_t kernel_read(struct file *f, void *buf, size_t len, uint64_t pos);
int64_t kernel_write(struct file *f, const void *buf, size_t len, uint64_t pos);
int64_t vfs_llseek(struct file *f, int64_t off, int whence);
unsigned vfs_poll(struct file *f, struct poll_table *pt);
int vfs_fsync(struct file *f, bool datasync);
int vfs_fsync_range(struct file *f, uint64_t start, uint64_t end, bool datasync);
int vfs_fallocate(struct file *f, int mode, uint64_t off, uint64_t len);
bool dir_emit_dots(struct file *f, struct dir_context *ctx); /* positions 0 and 1 */

/* Ready-made operations. */
extern const struct file_ops generic_file_ops;	/* regular files through the page cache */
int64_t generic_file_read(struct file *f, struct iov_iter *to, uint64_t *pos);
int64_t generic_file_write(struct file *f, struct iov_iter *from, uint64_t *pos);
int64_t generic_file_llseek(struct file *f, int64_t off, int whence);
int generic_file_mmap(struct file *f, struct mmap_args *a);
/* lseek(2) for files that have no position but don't mind (noop_llseek): eventfd, signalfd... */
int64_t noop_llseek(struct file *f, int64_t off, int whence);
/* lseek(2) for directories whose positions are plain numbers. */
int64_t generic_dir_llseek(struct file *f, int64_t off, int whence);

/* --- poll --- */

/* Called by file_ops.poll for each queue that can change the answer. */
struct poll_table {
	void (*add)(struct poll_table *pt, struct file *f, struct waitq *q);
	unsigned key; /* events asked for */
};
static inline void poll_wait(struct file *f, struct waitq *q, struct poll_table *pt)
{
	if (pt)
		pt->add(pt, f, q);
}

/* --- file descriptors (fdtable.c) --- */

struct files_struct; /* one table of descriptors, shared by CLONE_FILES */
extern _Thread_local struct files_struct *current_files;
struct files_struct *files_new(void);
struct files_struct *files_copy(struct files_struct *files); /* fork; or ERR_PTR */
struct files_struct *files_get(struct files_struct *files);
/* Whether another task, or /proc, holds the table too. */
bool files_shared(const struct files_struct *files);
void files_put(struct files_struct *files); /* the last put closes all */
/* The file at @fd with a reference, or NULL (fget: also NULL for O_PATH; fget_raw: any). */
struct file *fget(int fd);
struct file *fget_raw(int fd);
struct file *files_fget(struct files_struct *files, int fd); /* any; for /proc/pid/fd, pidfd_getfd */
/* Installs @f (reference taken on success) at the lowest free fd >= @min.  -EMFILE by RLIMIT_NOFILE. */
int fd_install(struct file *f, bool cloexec, int min);
/* Installs and consumes the reference in every case; ERR_PTR passes through: the tail of open-like calls. */
int fd_install_or_put(struct file *f, bool cloexec);
int fd_dup2(struct file *f, int newfd, bool cloexec); /* closes what was there; borrowed */
int fd_close(int fd);
int fd_close_range(unsigned first, unsigned last, bool cloexec_only);
void files_close_on_exec(struct files_struct *files);
int fd_get_cloexec(int fd); /* 0/1 or -EBADF */
int fd_set_cloexec(int fd, bool on);
/* The next open descriptor >= @fd, or -1: for /proc. */
int files_next_fd(struct files_struct *files, int fd);
/* Descriptors the calling process's table has room for now: select(2) looks no further. */
unsigned files_capacity(void);
uint64_t files_rlimit_nofile(void); /* hook below */

/* --- what the VFS asks of the layer above; the kernel defines these --- */

/* Sends @sig to the calling task (SIGPIPE, SIGXFSZ). */
void kernel_signal_self(int sig);
/* Sends @sig to a process group / process (tty, F_SETOWN), as the kernel. */
void kernel_signal_pgrp(int32_t pgrp, int sig);
void kernel_signal_pid(int32_t pid, int sig, int code, int fd, int band); /* as si_code, si_fd, si_band */
/* Signal-driven I/O: F_SETSIG's signal, or SIGIO, to @f's owner; @reason: LINUX_POLL_*.  @fd -1: SIGURG. */
void kernel_sigio(const struct file *f, int fd, int reason, int64_t band);
/* Whether there is such an owner: LINUX_F_OWNER_*, or -1 for any use of the number. */
bool kernel_owner_exists(int type, int32_t pid);
/* RLIMIT_* of the calling task (LINUX_RLIMIT_NOFILE, FSIZE). */
uint64_t kernel_rlimit(int resource);
/* A signal is waiting for the calling task. */
bool kernel_signal_pending(void);
/* The calling task is to die: a long transfer may stop where it is. */
static inline bool kernel_signal_killed(void)
{
	return atomic_load_explicit(&sleeper_self()->killed, memory_order_relaxed);
}
/* tgid, tid of the calling task, 0 in service threads (lock owners, credentials). */
int32_t kernel_current_tgid(void);
int32_t kernel_current_tid(void);
/* The name of process @tgid; "?" when there is none. */
void kernel_process_name(int32_t tgid, char ret[16]);
/* The network namespace of the process @tgid, a reference; NULL when there is none. */
struct ns_common;
struct ns_common *kernel_process_net(int32_t tgid);

/* Sets everything up that needs no image: dcache, anonymous super block, device registry. */
int vfs_init(void);

#endif
