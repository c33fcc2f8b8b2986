/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Path walk: path_resolution(7), openat2(2).
 *
 * A walk has two gears.  walk_fast goes over cached names under one hold of dcache_lock and counts references only where it
 * stops; it stops at whatever needs more than memory: a name that isn't cached, a directory whose filesystem must be asked
 * (permission, revalidate, no_dcache), a magic link.  The slow gear takes one component from there, with references and
 * locks, and the fast one goes on.
 *
 * Following a symlink puts its text in front of what is left of the path, so there is one string to walk and no stack.
 */
#include <stdlib.h>
#include <string.h>

#include "vfs/internal.h"

#define MAXSYMLINKS 40

int getname(uaddr_t uname, bool empty_ok, char **ret)
{
	char buf[PATH_MAX_LEN];
	int64_t len;

	len = strncpy_from_user(buf, uname, sizeof(buf));
	if (len < 0)
		return (int)len;
	if (len >= PATH_MAX_LEN)
		return -LINUX_ENAMETOOLONG;
	if (!len && !empty_ok)
		return -LINUX_ENOENT;
	*ret = malloc(len + 1);
	if (!*ret)
		return -LINUX_ENOMEM;
	memcpy(*ret, buf, len);
	(*ret)[len] = '\0';
	return 0;
}

int path_from_dfd(int dfd, struct path *ret)
{
	struct file *f;

	if (dfd == LINUX_AT_FDCWD) {
		fs_get_pwd(ret);
		return 0;
	}
	f = fget_raw(dfd);
	if (!f)
		return -LINUX_EBADF;
	*ret = f->path;
	path_get(ret);
	fput(f);
	return 0;
}

/* --- start and end --- */

static bool path_is_dir(const struct path *p)
{
	return p->dentry->inode && LINUX_S_ISDIR(p->dentry->inode->mode);
}

int nameidata_init(struct nameidata *nd, int dfd, const char *name, unsigned flags)
{
	int err;

	nd->path = nd->root = (struct path){ NULL, NULL };
	nd->owned = NULL;
	nd->flags = flags;
	nd->nr_links = 0;
	nd->created = nd->last_slash = false;
	nd->name = name;
	if (!*name && !(flags & LOOKUP_EMPTY))
		return -LINUX_ENOENT;
	if (*name == '/' && !(flags & LOOKUP_IN_ROOT)) {
		if (flags & LOOKUP_BENEATH)
			return -LINUX_EXDEV;
		fs_get_root(&nd->root);
		nd->path = nd->root;
		path_get(&nd->path);
		return 0;
	}
	err = path_from_dfd(dfd, &nd->path);
	if (err)
		return err;
	if (*name && !path_is_dir(&nd->path))
		return -LINUX_ENOTDIR;
	if (flags & (LOOKUP_BENEATH | LOOKUP_IN_ROOT)) {
		nd->root = nd->path;
		path_get(&nd->root);
	} else {
		fs_get_root(&nd->root);
	}
	return 0;
}

void nameidata_fini(struct nameidata *nd)
{
	if (nd->path.dentry)
		path_put(&nd->path);
	if (nd->root.dentry)
		path_put(&nd->root);
	free(nd->owned);
}

/* Moves the walk to @to, whose references it takes. */
static void nd_set_path(struct nameidata *nd, const struct path *to)
{
	struct path old = nd->path;

	nd->path = *to;
	path_put(&old);
}

/* Puts @target in front of @rest, the unwalked text behind the symlink ("" or "/..."). */
static int nd_push_link(struct nameidata *nd, const char *target, const char *rest)
{
	size_t target_len = strlen(target), rest_len = strlen(rest);
	char *name = malloc(target_len + rest_len + 1);

	if (!name)
		return -LINUX_ENOMEM;
	memcpy(name, target, target_len);
	memcpy(name + target_len, rest, rest_len + 1);
	free(nd->owned);
	nd->owned = name;
	nd->name = name;
	return 0;
}

/* --- one name in one directory --- */

/* Whether the file system still finds what @d, a child of @dir called @name, stands for. */
static bool lookup_holds(struct dentry *dir, struct dentry *d, const char *name, size_t len)
{
	struct inode *inode = dir->inode;
	char namez[NAME_MAX_LEN + 1];

	if (!inode->ops->revalidate || d->nr_mounts)
		return true;
	/* Not d->name, whose storage a rename may free at any time: the directory need not be locked. */
	memcpy(namez, name, len);
	namez[len] = '\0';
	return inode->ops->revalidate(inode, namez, d->inode);
}

/* A cached dentry that still holds, or NULL.  @len is at most NAME_MAX_LEN. */
static struct dentry *lookup_cached(struct dentry *dir, const char *name, size_t len)
{
	struct dentry *d = dcache_find(dir, name, len);

	if (!d || (dir->sb->no_dcache && READ_ONCE(d->nr_pins)))
		return d;
	if (dir->sb->no_dcache || !lookup_holds(dir, d, name, len)) {
		dentry_drop(d);
		dentry_put(d);
		return NULL;
	}
	return d;
}

struct dentry *lookup_one_locked(struct dentry *dir, const char *name, size_t len)
{
	struct inode *inode = dir->inode, *child;
	char namez[NAME_MAX_LEN + 1];
	struct dentry *d;

	if (len > NAME_MAX_LEN)
		return ERR_PTR(-LINUX_ENAMETOOLONG);
	d = lookup_cached(dir, name, len);
	if (d)
		return d;
	if (inode->dead)
		return ERR_PTR(-LINUX_ENOENT);
	if (!inode->ops->lookup)
		return ERR_PTR(-LINUX_ENOTDIR);
	memcpy(namez, name, len);
	namez[len] = '\0';
	child = inode->ops->lookup(inode, namez);
	if (IS_ERR(child)) {
		if (PTR_ERR(child) != -LINUX_ENOENT || dir->sb->no_negative)
			return (struct dentry *)child;
		child = NULL;
	}
	return dcache_add(dir, name, len, child);
}

struct dentry *dentry_lookup_child(struct dentry *dir, const char *name, size_t len)
{
	struct dentry *d;

	if (len > NAME_MAX_LEN)
		return ERR_PTR(-LINUX_ENAMETOOLONG);
	d = lookup_cached(dir, name, len);
	if (d)
		return d;
	rwlock_read(&dir->inode->i_rwsem);
	d = lookup_one_locked(dir, name, len);
	rwlock_unlock(&dir->inode->i_rwsem);
	return d;
}

struct dentry *nameidata_lookup_locked(struct nameidata *nd)
{
	return lookup_one_locked(nd->path.dentry, nd->last, nd->last_len);
}

/* --- steps of the slow gear --- */

/* Up from @at over the roots of mounts; false at the walk's root or the top of everything.  dcache_lock held. */
static bool choose_mountpoint_locked(struct path *at, const struct path *root)
{
	while (at->dentry == at->mnt->root) {
		if (!at->mnt->parent)
			return false;
		*at = at->mnt->mountpoint;
		if (path_equal(at, root))
			return false;
	}
	return true;
}

static int walk_dotdot(struct nameidata *nd)
{
	struct path at = nd->path;
	struct mount *m;
	int err = 0;

	rwlock_read(&dcache_lock);
	if (path_equal(&at, &nd->root) || !choose_mountpoint_locked(&at, &nd->root)) {
		if (nd->flags & LOOKUP_BENEATH)
			err = -LINUX_EXDEV;
		at = nd->path;
	} else {
		at.dentry = at.dentry->parent;
	}
	while (at.dentry->nr_mounts && (m = mount_find_locked(at.mnt, at.dentry)))
		at = (struct path){ m, m->root };
	if (at.mnt != nd->path.mnt && nd->flags & LOOKUP_NO_XDEV)
		err = -LINUX_EXDEV;
	if (!err)
		path_get(&at);
	rwlock_unlock(&dcache_lock);
	if (!err)
		nd_set_path(nd, &at);
	return err;
}

/* The target of a plain symlink; kept in the inode once read where names are kept at all. */
static int read_link(struct inode *inode, struct strbuf *text, const char **ret)
{
	char *cached = atomic_load(&inode->link), *copy;
	int err;

	if (cached) {
		*ret = cached;
		return 0;
	}
	err = inode->ops->readlink ? inode->ops->readlink(inode, text) : -LINUX_EINVAL;
	if (!err)
		err = strbuf_err(text);
	if (err)
		return err;
	*ret = strbuf_str(text);
	if (inode->sb->no_dcache)
		return 0;
	copy = strdup(*ret);
	if (copy && !atomic_compare_exchange_strong(&inode->link, &cached, copy))
		free(copy);
	return 0;
}

static int follow_magic_link(struct nameidata *nd, struct inode *inode, const char *rest)
{
	struct path to;
	int err;

	if (nd->flags & LOOKUP_NO_MAGICLINKS)
		return -LINUX_ELOOP;
	err = inode->ops->get_link(inode, &to);
	if (err)
		return err;
	if (nd->flags & (LOOKUP_BENEATH | LOOKUP_IN_ROOT) || (nd->flags & LOOKUP_NO_XDEV && to.mnt != nd->path.mnt)) {
		path_put(&to);
		return -LINUX_EXDEV;
	}
	nd_set_path(nd, &to);
	nd->name = rest;
	return 0;
}

/* Follows the symlink @link found in nd->path; @rest is the text behind it. */
static int follow_link(struct nameidata *nd, const struct path *link, const char *rest)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	struct inode *inode = link->dentry->inode;
	const char *target;
	int err;

	if (nd->nr_links++ >= MAXSYMLINKS || nd->flags & LOOKUP_NO_SYMLINKS || link->mnt->flags & LINUX_MS_NOSYMFOLLOW)
		return -LINUX_ELOOP;
	inode_touch_atime(inode, link->mnt);
	if (inode->ops->get_link)
		return follow_magic_link(nd, inode, rest);
	err = read_link(inode, &text, &target);
	if (err)
		return err;
	if (!*target)
		return -LINUX_ENOENT;
	err = nd_push_link(nd, target, rest);
	if (err || *target != '/')
		return err;
	if (nd->flags & LOOKUP_BENEATH || (nd->flags & LOOKUP_NO_XDEV && nd->root.mnt != nd->path.mnt))
		return -LINUX_EXDEV;
	path_get(&nd->root);
	nd_set_path(nd, &nd->root);
	return 0;
}

/*
 * Steps from nd->path onto its child @d (reference taken).  0 when nd->path is there, 1 when a symlink was followed and nd->name
 * is what is to be walked next.
 */
static int step_into(struct nameidata *nd, struct dentry *d, bool follow, const char *rest)
{
	struct path next = { nd->path.mnt, d };
	int err;

	ref_get(&next.mnt->ref);
	path_follow_mounts(&next);
	if (next.mnt != nd->path.mnt && nd->flags & LOOKUP_NO_XDEV) {
		path_put(&next);
		return -LINUX_EXDEV;
	}
	if (!next.dentry->inode) {
		path_put(&next);
		return -LINUX_ENOENT;
	}
	if (!follow || !LINUX_S_ISLNK(next.dentry->inode->mode)) {
		nd_set_path(nd, &next);
		return 0;
	}
	err = follow_link(nd, &next, rest);
	path_put(&next);
	return err ? err : 1;
}

int nameidata_step(struct nameidata *nd, struct dentry *d)
{
	return step_into(nd, d, nd->flags & LOOKUP_FOLLOW || nd->last_slash, nd->last + nd->last_len);
}

/* --- the fast gear --- */

static bool is_dot(const char *name, size_t len)
{
	return len == 1 && name[0] == '.';
}

static bool is_dotdot(const char *name, size_t len)
{
	return len == 2 && name[0] == '.' && name[1] == '.';
}

static const char *skip_slashes(const char *s)
{
	while (*s == '/')
		s++;
	return s;
}

enum fast_step { FAST_STOP, FAST_NEXT, FAST_LINK };

/* From the directory *at to its cached child; FAST_LINK when the link in *ret_link is to be followed from *at. */
static int fast_child(struct nameidata *nd, struct path *at, const char *name, size_t len, bool follow,
		      const char **ret_link)
{
	struct dentry *d;
	struct mount *m;

	if (len > NAME_MAX_LEN || at->dentry->inode->ops->revalidate || at->dentry->sb->no_dcache)
		return FAST_STOP;
	d = dcache_find_locked(at->dentry, name, len);
	if (!d)
		return FAST_STOP;
	if (!d->inode)
		return -LINUX_ENOENT;
	if (follow && LINUX_S_ISLNK(d->inode->mode)) {
		*ret_link = atomic_load_explicit(&d->inode->link, memory_order_acquire);
		if (!*ret_link || nd->flags & (LOOKUP_NO_SYMLINKS | LOOKUP_BENEATH | LOOKUP_IN_ROOT | LOOKUP_NO_XDEV) ||
		    at->mnt->flags & LINUX_MS_NOSYMFOLLOW || nd->nr_links >= MAXSYMLINKS)
			return FAST_STOP;
		return FAST_LINK;
	}
	if (d->nr_mounts) {
		if (nd->flags & LOOKUP_NO_XDEV)
			return FAST_STOP;
		at->dentry = d;
		while ((m = mount_find_locked(at->mnt, at->dentry)))
			*at = (struct path){ m, m->root };
		return FAST_NEXT;
	}
	at->dentry = d;
	return FAST_NEXT;
}

/* "..", when it stays inside one mount. */
static int fast_dotdot(struct nameidata *nd, struct path *at)
{
	if (path_equal(at, &nd->root) || at->dentry == at->mnt->root || at->dentry->parent->nr_mounts)
		return FAST_STOP;
	at->dentry = at->dentry->parent;
	return FAST_NEXT;
}

/*
 * Walks on from nd->path as far as the cache goes, up to the last component or, with @want_last, over it.  1 when everything was
 * walked, 0 when something is left at nd->name, or -errno.
 */
static int walk_fast(struct nameidata *nd, bool want_last)
{
	struct path at = nd->path, old = { NULL, NULL };
	const char *p = nd->name, *link = NULL;
	int ret = 0;

	rwlock_read(&dcache_lock);
	for (;;) {
		const char *comp = skip_slashes(p), *rest;
		size_t len = strchrnul(comp, '/') - comp;
		bool last, follow;

		p = comp;
		rest = skip_slashes(comp + len);
		last = !*rest;
		if (!len || (last && (!want_last || is_dot(comp, len) || is_dotdot(comp, len))) || !path_is_dir(&at) ||
		    inode_may_exec_fast(at.dentry->inode))
			break;
		follow = !last || nd->flags & LOOKUP_FOLLOW || comp[len] == '/';
		if (is_dot(comp, len))
			ret = FAST_NEXT;
		else if (is_dotdot(comp, len))
			ret = fast_dotdot(nd, &at);
		else
			ret = fast_child(nd, &at, comp, len, follow, &link);
		if (ret == FAST_LINK) {
			nd->nr_links++;
			if (*link == '/')
				at = nd->root;
			ret = nd_push_link(nd, link, comp + len);
			p = nd->name;
			if (!ret)
				continue;
		}
		if (ret <= FAST_STOP)
			break;
		if (last && comp[len] == '/')
			nd->flags |= LOOKUP_DIRECTORY;
		p = rest;
		if (last) {
			ret = 1;
			goto out;
		}
	}
	ret = MIN(ret, 0);
out:
	nd->name = p;
	if (ret >= 0 && !path_equal(&at, &nd->path)) {
		old = nd->path;
		nd->path = at;
		path_get(&at);
	}
	rwlock_unlock(&dcache_lock);
	if (old.dentry)
		path_put(&old);
	return ret;
}

/* --- whole walks --- */

static void nd_set_last(struct nameidata *nd, const char *comp, size_t len)
{
	nd->last = comp;
	nd->last_len = len;
	nd->last_slash = comp[len] == '/';
	if (!len)
		nd->last_type = LAST_ROOT;
	else if (is_dot(comp, len))
		nd->last_type = LAST_DOT;
	else if (is_dotdot(comp, len))
		nd->last_type = LAST_DOTDOT;
	else
		nd->last_type = LAST_NORM;
	len = MIN(len, (size_t)NAME_MAX_LEN);
	memcpy(nd->last_name, comp, len);
	nd->last_name[len] = '\0';
}

/* nameidata_parent without the fast gear's first try. */
static int walk_parent(struct nameidata *nd)
{
	for (;;) {
		const char *comp = skip_slashes(nd->name), *rest;
		size_t len = strchrnul(comp, '/') - comp;
		struct dentry *d;
		int err;

		if (!len) {
			nd_set_last(nd, comp, 0);
			return 0;
		}
		if (!path_is_dir(&nd->path))
			return -LINUX_ENOTDIR;
		err = inode_permission(nd->path.dentry->inode, MAY_EXEC);
		if (err)
			return err;
		rest = skip_slashes(comp + len);
		if (!*rest) {
			nd_set_last(nd, comp, len);
			return 0;
		}
		nd->name = rest;
		if (is_dotdot(comp, len)) {
			err = walk_dotdot(nd);
		} else if (!is_dot(comp, len)) {
			d = dentry_lookup_child(nd->path.dentry, comp, len);
			err = IS_ERR(d) ? (int)PTR_ERR(d) : step_into(nd, d, true, comp + len);
		}
		if (err < 0)
			return err;
		if (!err && !path_is_dir(&nd->path))
			return -LINUX_ENOTDIR;
		err = walk_fast(nd, false);
		if (err < 0)
			return err;
	}
}

int nameidata_parent(struct nameidata *nd)
{
	int err = walk_fast(nd, false);

	return err < 0 ? err : walk_parent(nd);
}

int nameidata_last(struct nameidata *nd)
{
	for (;;) {
		struct dentry *d;
		int err = walk_fast(nd, true);

		if (err)
			return MIN(err, 0);
		err = walk_parent(nd);
		if (err)
			return err;
		if (nd->last_slash)
			nd->flags |= LOOKUP_DIRECTORY;
		switch (nd->last_type) {
		case LAST_ROOT:
		case LAST_DOT:
			return 0;
		case LAST_DOTDOT:
			return walk_dotdot(nd);
		case LAST_NORM:
			break;
		}
		d = dentry_lookup_child(nd->path.dentry, nd->last, nd->last_len);
		err = IS_ERR(d) ? (int)PTR_ERR(d) : nameidata_step(nd, d);
		if (err <= 0)
			return err;
	}
}

int path_lookupat(int dfd, const char *name, unsigned flags, struct path *ret)
{
	struct nameidata nd;
	int err = nameidata_init(&nd, dfd, name, flags);

	if (!err && *name)
		err = nameidata_last(&nd);
	if (!err && nd.flags & LOOKUP_DIRECTORY && !path_is_dir(&nd.path))
		err = -LINUX_ENOTDIR;
	if (!err) {
		*ret = nd.path;
		nd.path.dentry = NULL;
	}
	nameidata_fini(&nd);
	return err;
}

int user_path_at(int dfd, uaddr_t uname, unsigned flags, struct path *ret)
{
	char *name;
	int err = getname(uname, flags & LOOKUP_EMPTY, &name);

	if (err)
		return err;
	err = path_lookupat(dfd, name, flags, ret);
	free(name);
	return err;
}
