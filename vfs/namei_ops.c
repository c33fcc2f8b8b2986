/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making and removing names: mknod(2), mkdir(2), symlink(2), link(2), unlink(2), rmdir(2).  The order of the checks, and so of
 * the errors, is fs/namei.c's.
 */
#include <string.h>

#include "vfs/file_handle.h"
#include "vfs/fsnotify.h"
#include "vfs/internal.h"

/* --- checks --- */

int may_create_in(struct inode *dir)
{
	if (dir->dead)
		return -LINUX_ENOENT;
	return inode_permission(dir, MAY_WRITE | MAY_EXEC);
}

/* In a sticky directory only the owners of file and directory remove a name. */
static bool sticky_forbids(const struct inode *dir, const struct inode *inode)
{
	if (!(dir->mode & LINUX_S_ISVTX))
		return false;
	return current_cred->fsuid != inode->uid && current_cred->fsuid != dir->uid && !inode_capable(inode, CAP_FOWNER);
}

int may_delete_in(struct inode *dir, struct dentry *victim, bool is_dir)
{
	struct inode *inode = victim->inode;
	int err;

	if (!inode)
		return -LINUX_ENOENT;
	err = inode_permission(dir, MAY_WRITE | MAY_EXEC);
	if (err)
		return err;
	if (IS_APPEND(dir) || sticky_forbids(dir, inode) || IS_APPEND(inode) || IS_IMMUTABLE(inode))
		return -LINUX_EPERM;
	if (is_dir) {
		if (!LINUX_S_ISDIR(inode->mode))
			return -LINUX_ENOTDIR;
		if (victim->parent == victim)
			return -LINUX_EBUSY;
	} else if (LINUX_S_ISDIR(inode->mode)) {
		return -LINUX_EISDIR;
	}
	return dir->dead ? -LINUX_ENOENT : 0;
}

/* --- making --- */

/*
 * Walks to the parent of @name, locks it and looks the last component up: a negative dentry to fill, with the directory locked for
 * writing; or ERR_PTR with nothing locked.  Finish with end_create in every case.
 */
static struct dentry *begin_create(struct nameidata *nd, int dfd, const char *name, bool is_dir)
{
	int err = nameidata_init(nd, dfd, name, 0), ro;
	struct dentry *d;

	if (!err)
		err = nameidata_parent(nd);
	if (err)
		return ERR_PTR(err);
	if (nd->last_type != LAST_NORM)
		return ERR_PTR(-LINUX_EEXIST);
	ro = mnt_want_write(nd->path.mnt);
	rwlock_write(&nd->path.dentry->inode->i_rwsem);
	d = nameidata_lookup_locked(nd);
	if (IS_ERR(d))
		err = (int)PTR_ERR(d);
	else if (d->inode)
		err = -LINUX_EEXIST;
	else if (nd->last_slash && !is_dir)
		err = -LINUX_ENOENT;
	else
		err = ro;
	if (!err)
		return d;
	rwlock_unlock(&nd->path.dentry->inode->i_rwsem);
	if (!IS_ERR(d))
		dentry_put(d);
	return ERR_PTR(err);
}

/* Fills @d with what an operation made, or passes its error on; unlocks. */
static int finish_create(struct nameidata *nd, struct dentry *d, struct inode *made)
{
	struct inode *dir = nd->path.dentry->inode;
	int err = IS_ERR(made) ? (int)PTR_ERR(made) : 0;
	uint32_t is_dir = !err && LINUX_S_ISDIR(made->mode) ? FS_ISDIR : 0;

	if (!err)
		dentry_instantiate(d, made);
	rwlock_unlock(&dir->i_rwsem);
	if (!err)
		fsnotify_dir(dir, FS_CREATE | is_dir, nd->last_name, 0);
	dentry_put(d);
	return err;
}

/* Umask or default ACL; type and set-id bits stay. */
static uint32_t create_mode(struct inode *dir, uint32_t mode)
{
	return (mode & ~0777U) | posix_acl_create_mode(dir, mode & 0777);
}

/* What an operation made in @dir inherits; a failure is not worth undoing the creation. */
static struct inode *created(struct inode *dir, struct inode *made)
{
	if (!IS_ERR(made))
		posix_acl_inherit(dir, made);
	return made;
}

struct inode *dir_mknod(struct inode *dir, const char *name, uint32_t mode, uint64_t rdev)
{
	int err = may_create_in(dir);

	if (err)
		return ERR_PTR(err);
	/* A whiteout, device 0:0, is harmless. */
	if ((LINUX_S_ISCHR(mode) || LINUX_S_ISBLK(mode)) && !(LINUX_S_ISCHR(mode) && !rdev) && !capable(CAP_MKNOD))
		return ERR_PTR(-LINUX_EPERM);
	if (!dir->ops->mknod)
		return ERR_PTR(LINUX_S_ISREG(mode) ? -LINUX_EACCES : -LINUX_EPERM);
	return created(dir, dir->ops->mknod(dir, name, create_mode(dir, mode), rdev));
}

int do_mknodat(int dfd, const char *name, uint32_t mode, uint64_t rdev)
{
	struct nameidata nd;
	struct dentry *d;
	int err;

	switch (mode & LINUX_S_IFMT) {
	case 0:
		mode |= LINUX_S_IFREG;
		break;
	case LINUX_S_IFREG:
	case LINUX_S_IFCHR:
	case LINUX_S_IFBLK:
	case LINUX_S_IFIFO:
	case LINUX_S_IFSOCK:
		break;
	case LINUX_S_IFDIR:
		return -LINUX_EPERM;
	default:
		return -LINUX_EINVAL;
	}
	d = begin_create(&nd, dfd, name, false);
	if (IS_ERR(d)) {
		err = (int)PTR_ERR(d);
	} else {
		mode &= LINUX_S_IFMT | LINUX_S_IALLUGO;
		if (!LINUX_S_ISCHR(mode) && !LINUX_S_ISBLK(mode))
			rdev = 0;
		err = finish_create(&nd, d, dir_mknod(nd.path.dentry->inode, nd.last_name, mode, rdev));
	}
	nameidata_fini(&nd);
	return err;
}

int vfs_mksock(const char *name, uint32_t mode, void *sock, struct path *ret)
{
	struct nameidata nd;
	struct dentry *d = begin_create(&nd, LINUX_AT_FDCWD, name, false);
	struct inode *made;
	int err = IS_ERR(d) ? (int)PTR_ERR(d) : 0;

	if (!err) {
		mode = LINUX_S_IFSOCK | (mode & LINUX_S_IALLUGO);
		made = dir_mknod(nd.path.dentry->inode, nd.last_name, mode, 0);
		if (!IS_ERR(made))
			made->sock = sock;
		dentry_get(d);
		err = finish_create(&nd, d, made);
		if (err) {
			dentry_put(d);
		} else {
			ref_get(&nd.path.mnt->ref);
			*ret = (struct path){ nd.path.mnt, d };
		}
	}
	nameidata_fini(&nd);
	return err == -LINUX_EEXIST ? -LINUX_EADDRINUSE : err;
}

int do_mkdirat(int dfd, const char *name, uint32_t mode)
{
	struct nameidata nd;
	struct dentry *d = begin_create(&nd, dfd, name, true);
	int err = IS_ERR(d) ? (int)PTR_ERR(d) : 0;

	if (!err) {
		struct inode *dir = nd.path.dentry->inode, *made;

		err = may_create_in(dir);
		if (err)
			made = ERR_PTR(err);
		else if (!dir->ops->mkdir)
			made = ERR_PTR(-LINUX_EPERM);
		else
			made = created(dir, dir->ops->mkdir(dir, nd.last_name,
							    LINUX_S_IFDIR | create_mode(dir, mode & 01777)));
		err = finish_create(&nd, d, made);
	}
	nameidata_fini(&nd);
	return err;
}

int do_symlinkat(const char *target, int dfd, const char *name)
{
	struct nameidata nd;
	struct dentry *d;
	int err;

	if (!*target)
		return -LINUX_ENOENT;
	d = begin_create(&nd, dfd, name, false);
	err = IS_ERR(d) ? (int)PTR_ERR(d) : 0;
	if (!err) {
		struct inode *dir = nd.path.dentry->inode, *made;

		err = may_create_in(dir);
		if (err)
			made = ERR_PTR(err);
		else if (!dir->ops->symlink)
			made = ERR_PTR(-LINUX_EPERM);
		else
			made = dir->ops->symlink(dir, nd.last_name, target);
		err = finish_create(&nd, d, made);
	}
	nameidata_fini(&nd);
	return err;
}

/* vfs_link, with the directory locked and @d negative. */
static int link_locked(struct inode *dir, struct dentry *d, const char *name, struct inode *inode)
{
	int err = may_create_in(dir);

	if (err)
		return err;
	if (dir->sb != inode->sb)
		return -LINUX_EXDEV;
	if (IS_APPEND(inode) || IS_IMMUTABLE(inode) || !dir->ops->link || LINUX_S_ISDIR(inode->mode))
		return -LINUX_EPERM;
	if (!atomic_load(&inode->nlink) && !inode->linkable)
		return -LINUX_ENOENT;
	err = dir->ops->link(dir, name, inode);
	if (!err) {
		inode->linkable = false;
		dentry_instantiate(d, inode_get(inode));
	}
	return err;
}

int do_linkat(int odfd, const char *oname, int ndfd, const char *nname, unsigned flags)
{
	_cleanup_path_ struct path old = { NULL, NULL };
	unsigned lookup = flags & LINUX_AT_SYMLINK_FOLLOW ? LOOKUP_FOLLOW : 0;
	struct nameidata nd;
	struct dentry *d;
	int err;

	if (flags & ~(LINUX_AT_SYMLINK_FOLLOW | LINUX_AT_EMPTY_PATH))
		return -LINUX_EINVAL;
	if (flags & LINUX_AT_EMPTY_PATH) {
		if (!*oname && !capable(CAP_DAC_READ_SEARCH))
			return -LINUX_ENOENT;
		lookup |= LOOKUP_EMPTY;
	}
	err = path_lookupat(odfd, oname, lookup, &old);
	if (err)
		return err;
	d = begin_create(&nd, ndfd, nname, false);
	err = IS_ERR(d) ? (int)PTR_ERR(d) : 0;
	if (!err) {
		struct inode *dir = nd.path.dentry->inode;

		err = old.mnt != nd.path.mnt ? -LINUX_EXDEV : link_locked(dir, d, nd.last_name, old.dentry->inode);
		rwlock_unlock(&dir->i_rwsem);
		if (!err) {
			fsnotify_inode(old.dentry->inode, FS_ATTRIB);
			fsnotify_dir(dir, FS_CREATE, nd.last_name, 0);
		}
		dentry_put(d);
	}
	nameidata_fini(&nd);
	return err;
}

/* --- removing --- */

/* Takes the entry @d, which exists, out of the locked directory. */
typedef int remove_fn(struct inode *dir, struct dentry *d, const struct nameidata *nd);

static int unlink_locked(struct inode *dir, struct dentry *d, const struct nameidata *nd)
{
	int err;

	if (nd->last_slash)
		return LINUX_S_ISDIR(d->inode->mode) ? -LINUX_EISDIR : -LINUX_ENOTDIR;
	err = may_delete_in(dir, d, false);
	if (err)
		return err;
	if (!dir->ops->unlink)
		return -LINUX_EPERM;
	if (READ_ONCE(d->nr_mounts))
		return -LINUX_EBUSY;
	err = dir->ops->unlink(dir, nd->last_name, d->inode);
	if (!err)
		fsnotify_inode(d->inode, FS_ATTRIB);
	return err;
}

static int rmdir_locked(struct inode *dir, struct dentry *d, const struct nameidata *nd)
{
	struct inode *inode = d->inode;
	int err = may_delete_in(dir, d, true);

	if (err)
		return err;
	if (!dir->ops->rmdir)
		return -LINUX_EPERM;
	rwlock_write(&inode->i_rwsem);
	if (READ_ONCE(d->nr_mounts))
		err = -LINUX_EBUSY;
	else
		err = dir->ops->rmdir(dir, nd->last_name, inode);
	if (!err)
		inode->dead = true;
	rwlock_unlock(&inode->i_rwsem);
	return err;
}

/* @last_err: what "/", "." and ".." as the last component give.  @event is told to who watches the directory. */
static int remove_at(int dfd, const char *name, const int *last_err, remove_fn *remove_locked, uint32_t event)
{
	struct nameidata nd;
	int err = nameidata_init(&nd, dfd, name, 0);
	struct inode *dir, *inode = NULL;
	struct dentry *d;

	if (!err)
		err = nameidata_parent(&nd);
	if (!err && nd.last_type != LAST_NORM)
		err = last_err[nd.last_type];
	if (!err)
		err = mnt_want_write(nd.path.mnt);
	if (err)
		goto out;
	dir = nd.path.dentry->inode;
	rwlock_write(&dir->i_rwsem);
	d = nameidata_lookup_locked(&nd);
	if (IS_ERR(d)) {
		err = (int)PTR_ERR(d);
	} else {
		err = d->inode ? remove_locked(dir, d, &nd) : -LINUX_ENOENT;
		if (!err) {
			inode = inode_get(d->inode);
			dentry_delete(d);
		}
		dentry_put(d);
	}
	rwlock_unlock(&dir->i_rwsem);
	if (inode) {
		fsnotify_dir(dir, event, nd.last_name, 0);
		if (!atomic_load(&inode->nlink) || inode->dead)
			file_handles_forget(inode);
		/* May free the file's blocks: outside the directory's lock. */
		inode_put(inode);
	}
out:
	nameidata_fini(&nd);
	return err;
}

int do_unlinkat(int dfd, const char *name)
{
	static const int last_err[] = {
		[LAST_ROOT] = -LINUX_EISDIR, [LAST_DOT] = -LINUX_EISDIR, [LAST_DOTDOT] = -LINUX_EISDIR
	};

	return remove_at(dfd, name, last_err, unlink_locked, FS_DELETE);
}

int do_rmdirat(int dfd, const char *name)
{
	static const int last_err[] = {
		[LAST_ROOT] = -LINUX_EBUSY, [LAST_DOT] = -LINUX_EINVAL, [LAST_DOTDOT] = -LINUX_ENOTEMPTY
	};

	return remove_at(dfd, name, last_err, rmdir_locked, FS_DELETE | FS_ISDIR);
}
