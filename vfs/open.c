/* SPDX-License-Identifier: Apache-2.0 */
/*
 * open(2) and truncate(2).  The order of the checks is that of path_openat and do_open in fs/namei.c.
 */
#include <stdio.h>

#include "sentry/abi/signal.h"
#include "sentry/abi/time.h"
#include "vfs/fsnotify.h"
#include "vfs/internal.h"

/* What an open needs of the inode: ACC_MODE, with O_TRUNC and O_APPEND. */
static unsigned open_acc_mode(uint32_t flags)
{
	static const uint8_t acc[] = { MAY_READ, MAY_WRITE, MAY_READ | MAY_WRITE, MAY_READ | MAY_WRITE };
	unsigned mode = acc[flags & LINUX_O_ACCMODE];

	if (flags & LINUX_O_TRUNC)
		mode |= MAY_WRITE;
	if (flags & LINUX_O_APPEND)
		mode |= MAY_APPEND;
	if (flags & LINUX_O_EXEC)
		mode = MAY_EXEC;
	return mode | MAY_OPEN;
}

static int may_open(const struct path *path, unsigned acc_mode, uint32_t *flags)
{
	struct inode *inode = path->dentry->inode;
	int err;

	switch (inode->mode & LINUX_S_IFMT) {
	case LINUX_S_IFLNK:
		return -LINUX_ELOOP;
	case LINUX_S_IFDIR:
		if (acc_mode & MAY_WRITE)
			return -LINUX_EISDIR;
		if (acc_mode & MAY_EXEC)
			return -LINUX_EACCES;
		break;
	case LINUX_S_IFBLK:
	case LINUX_S_IFCHR:
		if (path->mnt->flags & LINUX_MS_NODEV || path->mnt->sb->no_devices)
			return -LINUX_EACCES;
		/* fall through */
	case LINUX_S_IFIFO:
	case LINUX_S_IFSOCK:
		if (acc_mode & MAY_EXEC)
			return -LINUX_EACCES;
		*flags &= ~LINUX_O_TRUNC;
		break;
	default:
		if (acc_mode & MAY_EXEC && path->mnt->flags & LINUX_MS_NOEXEC)
			return -LINUX_EACCES;
	}
	err = inode_permission(inode, acc_mode);
	if (err)
		return err;
	if (IS_APPEND(inode)) {
		if ((*flags & LINUX_O_ACCMODE) != LINUX_O_RDONLY && !(*flags & LINUX_O_APPEND))
			return -LINUX_EPERM;
		if (*flags & LINUX_O_TRUNC)
			return -LINUX_EPERM;
	}
	if (*flags & LINUX_O_NOATIME && !inode_owner_or_capable(inode))
		return -LINUX_EPERM;
	return 0;
}

/* do_open: nd->path is the object.  Consumes nothing of @nd. */
static struct file *open_found(struct nameidata *nd, uint32_t flags)
{
	struct inode *inode = nd->path.dentry->inode;
	unsigned acc_mode = open_acc_mode(flags);
	bool truncate = false;
	struct path path;
	struct file *f;
	int err;

	if (!inode)
		return ERR_PTR(-LINUX_ENOENT);
	if (flags & LINUX_O_CREAT) {
		if (flags & LINUX_O_EXCL && !nd->created)
			return ERR_PTR(-LINUX_EEXIST);
		if (LINUX_S_ISDIR(inode->mode))
			return ERR_PTR(-LINUX_EISDIR);
	}
	if (nd->flags & LOOKUP_DIRECTORY && !LINUX_S_ISDIR(inode->mode))
		return ERR_PTR(-LINUX_ENOTDIR);
	if (nd->created) {
		/* Whoever makes a file may use it as asked, whatever its mode. */
		flags &= ~LINUX_O_TRUNC;
	} else {
		if (LINUX_S_ISREG(inode->mode) && flags & LINUX_O_TRUNC) {
			err = mnt_want_write(nd->path.mnt);
			if (err)
				return ERR_PTR(err);
			truncate = true;
		}
		err = may_open(&nd->path, acc_mode, &flags);
		if (err)
			return ERR_PTR(err);
	}
	path = nd->path;
	path_get(&path);
	f = file_open_path(&path, flags, current_cred);
	if (IS_ERR(f))
		return f;
	if (truncate) {
		err = inode_get_write_access(inode);
		if (!err) {
			err = do_truncate(&f->path, 0, f);
			inode_put_write_access(inode);
		}
		if (err) {
			fput(f);
			return ERR_PTR(err);
		}
	}
	fsnotify_file(f, FS_OPEN);
	return f;
}

/* lookup_open with O_CREAT: the last component, made if it isn't there.  A dentry with a reference or ERR_PTR. */
static struct dentry *lookup_create(struct nameidata *nd, uint32_t mode)
{
	struct inode *dir = nd->path.dentry->inode, *made;
	int ro = mnt_want_write(nd->path.mnt);
	struct dentry *d;

	/* What is cached and there needs no lock. */
	d = dcache_find(nd->path.dentry, nd->last, nd->last_len);
	if (d && d->inode && !dir->ops->revalidate && !dir->sb->no_dcache)
		return d;
	if (d)
		dentry_put(d);
	rwlock_write(&dir->i_rwsem);
	d = dir->dead ? ERR_PTR(-LINUX_ENOENT) : nameidata_lookup_locked(nd);
	if (!IS_ERR(d) && !d->inode) {
		if (ro)
			made = ERR_PTR(ro);
		else
			made = dir_mknod(dir, nd->last_name, LINUX_S_IFREG | (mode & LINUX_S_IALLUGO), 0);
		if (IS_ERR(made)) {
			dentry_put(d);
			d = (struct dentry *)made;
		} else {
			dentry_instantiate(d, made);
			nd->created = true;
		}
	}
	rwlock_unlock(&dir->i_rwsem);
	if (nd->created)
		fsnotify_dir(dir, FS_CREATE, nd->last_name, 0);
	return d;
}

/* Walks to the object an open with O_CREAT means, and makes it when it isn't there. */
static int walk_create(struct nameidata *nd, uint32_t mode)
{
	for (;;) {
		struct dentry *d;
		int err = nameidata_parent(nd);

		if (err)
			return err;
		if (nd->last_type != LAST_NORM)
			return nameidata_last(nd);
		if (nd->last_slash)
			return -LINUX_EISDIR;
		d = lookup_create(nd, mode);
		if (IS_ERR(d))
			return (int)PTR_ERR(d);
		err = nameidata_step(nd, d);
		if (err <= 0)
			return err;
	}
}

static struct file *open_tmpfile(struct nameidata *nd, uint32_t flags, uint32_t mode)
{
	struct inode *dir, *inode;
	struct dentry *d;
	struct path path;
	char name[24];
	int err;

	nd->flags |= LOOKUP_DIRECTORY;
	err = nameidata_last(nd);
	if (err)
		return ERR_PTR(err);
	dir = nd->path.dentry->inode;
	if (!LINUX_S_ISDIR(dir->mode))
		return ERR_PTR(-LINUX_ENOTDIR);
	err = mnt_want_write(nd->path.mnt);
	if (!err)
		err = inode_permission(dir, MAY_WRITE | MAY_EXEC);
	if (err)
		return ERR_PTR(err);
	if (!dir->ops->tmpfile)
		return ERR_PTR(-LINUX_EOPNOTSUPP);
	mode = (mode & 07000) | posix_acl_create_mode(dir, mode & 0777);
	inode = dir->ops->tmpfile(dir, LINUX_S_IFREG | mode);
	if (IS_ERR(inode))
		return (struct file *)inode;
	posix_acl_inherit(dir, inode);
	inode->linkable = !(flags & LINUX_O_EXCL);
	snprintf(name, sizeof(name), "#%llu", (unsigned long long)inode->ino);
	d = dentry_new_unlinked(nd->path.dentry, name, inode);
	if (IS_ERR(d))
		return (struct file *)d;
	ref_get(&nd->path.mnt->ref);
	path = (struct path){ nd->path.mnt, d };
	/* O_TMPFILE's other half means a directory. */
	return file_open_path(&path, flags & ~LINUX_O_EXCL, current_cred);
}

/* build_open_flags' checks that every form of open shares. */
static int open_flags_check(uint32_t *flags, unsigned *lookup)
{
	if (*flags & LINUX___O_SYNC)
		*flags |= LINUX_O_DSYNC;
	if (*flags & LINUX___O_TMPFILE) {
		if ((*flags & (LINUX_O_TMPFILE | LINUX_O_CREAT)) != LINUX_O_TMPFILE)
			return -LINUX_EINVAL;
		if (!(open_acc_mode(*flags) & MAY_WRITE))
			return -LINUX_EINVAL;
	}
	if ((*flags & (LINUX_O_CREAT | LINUX_O_DIRECTORY)) == (LINUX_O_CREAT | LINUX_O_DIRECTORY))
		return -LINUX_EINVAL;
	if (*flags & LINUX_O_DIRECTORY)
		*lookup |= LOOKUP_DIRECTORY;
	/* O_EXCL: a symlink is something that exists. */
	if (!(*flags & LINUX_O_NOFOLLOW) && (*flags & (LINUX_O_CREAT | LINUX_O_EXCL)) != (LINUX_O_CREAT | LINUX_O_EXCL))
		*lookup |= LOOKUP_FOLLOW;
	return 0;
}

static struct file *open_path_only(struct nameidata *nd, uint32_t flags)
{
	struct path path;
	int err = *nd->name ? nameidata_last(nd) : 0;

	if (err)
		return ERR_PTR(err);
	if (nd->flags & LOOKUP_DIRECTORY && !LINUX_S_ISDIR(nd->path.dentry->inode->mode))
		return ERR_PTR(-LINUX_ENOTDIR);
	path = nd->path;
	path_get(&path);
	return file_open_path(&path, flags, current_cred);
}

static struct file *filp_open_once(int dfd, const char *name, uint32_t flags, uint32_t mode, unsigned lookup)
{
	struct nameidata nd;
	struct file *f = NULL;
	int err = open_flags_check(&flags, &lookup);

	if (err)
		return ERR_PTR(err);
	err = nameidata_init(&nd, dfd, name, lookup);
	if (!err && flags & LINUX_O_PATH) {
		f = open_path_only(&nd, flags);
	} else if (!err && flags & LINUX___O_TMPFILE) {
		f = open_tmpfile(&nd, flags, mode);
	} else if (!err) {
		err = flags & LINUX_O_CREAT ? walk_create(&nd, mode) : nameidata_last(&nd);
		if (!err)
			f = open_found(&nd, flags);
	}
	nameidata_fini(&nd);
	return err ? ERR_PTR(err) : f;
}

struct file *do_filp_open(int dfd, const char *name, uint32_t flags, uint32_t mode, unsigned lookup)
{
	struct file *f = filp_open_once(dfd, name, flags, mode, lookup);

	/* What the cache knew is gone from the store; the filesystem dropped it, so look again, as Linux does. */
	return f == ERR_PTR(-LINUX_ESTALE) ? filp_open_once(dfd, name, flags, mode, lookup) : f;
}

struct file *filp_open(const char *name, uint32_t flags, uint32_t mode)
{
	return do_filp_open(LINUX_AT_FDCWD, name, flags, mode, 0);
}

struct file *dentry_open(const struct path *path, uint32_t flags, const struct cred *cred)
{
	const struct cred *saved = current_cred;
	struct path p = *path;
	struct file *f;
	int err = 0;

	current_cred = cred;
	if (!(flags & LINUX_O_PATH))
		err = may_open(path, open_acc_mode(flags), &flags);
	current_cred = saved;
	if (err)
		return ERR_PTR(err);
	path_get(&p);
	f = file_open_path(&p, flags, cred);
	if (!IS_ERR(f))
		fsnotify_file(f, FS_OPEN);
	return f;
}

/* --- truncate --- */

int do_truncate(const struct path *path, uint64_t size, struct file *f)
{
	struct inode *inode = path->dentry->inode;
	struct iattr attr = { .valid = ATTR_SIZE, .size = size };
	int err;

	rwlock_write(&inode->i_rwsem);
	/* truncate(2) to the size a file has leaves its times alone, ftruncate(2) and O_TRUNC do not. */
	if (f || size != inode->size) {
		attr.valid |= ATTR_MTIME | ATTR_CTIME;
		attr.mtime = attr.ctime = current_time();
	}
	err = inode_remove_privs(path);
	if (!err)
		err = inode_setattr_locked(inode, &attr);
	rwlock_unlock(&inode->i_rwsem);
	if (!err)
		fsnotify_dentry(path->dentry, FS_MODIFY);
	return err;
}

int inode_size_ok(struct inode *inode, uint64_t size)
{
	if (size > READ_ONCE(inode->size) && size > kernel_rlimit(LINUX_RLIMIT_FSIZE)) {
		kernel_signal_self(LINUX_SIGXFSZ);
		return -LINUX_EFBIG;
	}
	return size > inode->sb->max_bytes ? -LINUX_EFBIG : 0;
}

/* truncate(2) by name: vfs_truncate in fs/open.c. */
int vfs_truncate(const struct path *path, uint64_t size)
{
	struct inode *inode = path->dentry->inode;
	int err;

	if (LINUX_S_ISDIR(inode->mode))
		return -LINUX_EISDIR;
	if (!LINUX_S_ISREG(inode->mode))
		return -LINUX_EINVAL;
	err = mnt_want_write(path->mnt);
	if (!err)
		err = inode_permission(inode, MAY_WRITE);
	if (!err && IS_APPEND(inode))
		err = -LINUX_EPERM;
	if (!err)
		err = inode_get_write_access(inode);
	if (err)
		return err;
	err = leases_break(inode, LINUX_O_WRONLY);
	if (!err)
		err = inode_size_ok(inode, size);
	if (!err)
		err = do_truncate(path, size, NULL);
	inode_put_write_access(inode);
	return err;
}

/* ftruncate(2). */
int file_truncate(struct file *f, int64_t size)
{
	int err;

	if (size < 0)
		return -LINUX_EINVAL;
	if (!LINUX_S_ISREG(f->inode->mode) || !(f->fmode & FMODE_WRITE))
		return -LINUX_EINVAL;
	if (IS_APPEND(f->inode))
		return -LINUX_EPERM;
	err = inode_size_ok(f->inode, size);
	return err ? err : do_truncate(&f->path, size, f);
}
