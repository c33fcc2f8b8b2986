/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inodes, found by (st_dev, st_ino), and how they follow what happens on the host.
 */
#include <stdlib.h>
#include <string.h>

#include "sentry/abi/fcntl.h"
#include "vfs/hostfs/hostfs_fs.h"
#include "vfs/pagecache.h"

#define REFRESH_NS 1000000 /* attributes are believed for a millisecond */
#define HOST_UTIME_NOW 0x3fffffff
#define HOST_UTIME_OMIT 0x3ffffffe

static bool timespec_equal(const struct host_timespec *a, const struct host_timespec *b)
{
	return a->sec == b->sec && a->nsec == b->nsec;
}

static struct timespec64 timespec64_of(const struct host_timespec *t)
{
	return (struct timespec64){ t->sec, t->nsec };
}

/* --- attributes --- */

static void attrs_copy_locked(struct hostfs_inode_info *hi, const struct host_stat *st)
{
	struct inode *inode = &hi->vfs;

	inode->mode = (inode->mode & LINUX_S_IFMT) | (st->mode & LINUX_S_IALLUGO);
	inode->uid = st->uid;
	inode->gid = st->gid;
	atomic_store(&inode->nlink, st->nlink);
	inode->size = st->size;
	inode->blocks = st->blocks;
	inode->atime = timespec64_of(&st->atime);
	inode->mtime = timespec64_of(&st->mtime);
	inode->ctime = timespec64_of(&st->ctime);
	inode->btime = timespec64_of(&st->btime);
	hi->host_mtime = st->mtime;
	hi->host_ctime = st->ctime;
	hi->checked = monotonic_ns();
}

static void attrs_copy(struct hostfs_inode_info *hi, const struct host_stat *st)
{
	MUTEX_GUARD(&hi->vfs.i_lock);

	attrs_copy_locked(hi, st);
}

/* Whether a regular file's contents may differ from what is cached. */
static bool contents_changed(struct hostfs_inode_info *hi, const struct host_stat *st)
{
	MUTEX_GUARD(&hi->vfs.i_lock);

	return LINUX_S_ISREG(hi->vfs.mode) && hi->vfs.mapping.nr_pages &&
	       (hi->vfs.size != st->size || !timespec_equal(&hi->host_mtime, &st->mtime) ||
		!timespec_equal(&hi->host_ctime, &st->ctime));
}

void hostfs_attrs_set(struct inode *inode, const struct host_stat *st, bool own)
{
	struct hostfs_inode_info *hi = HOSTFS_I(inode);

	/* Of another size than we left it, it was changed by others too: then the next look is to find that. */
	if (own && LINUX_S_ISREG(inode->mode) && st->size != READ_ONCE(inode->size))
		return;
	if (own || !contents_changed(hi, st)) {
		attrs_copy(hi, st);
		return;
	}
	/* Somebody is writing it or has it locked: the next look finds the difference again. */
	if (!rwlock_try_write(&inode->i_rwsem))
		return;
	attrs_copy(hi, st);
	mapping_invalidate(&inode->mapping);
	rwlock_unlock(&inode->i_rwsem);
}

int hostfs_refresh(struct inode *inode, bool force)
{
	struct hostfs_inode_info *hi = HOSTFS_I(inode);
	struct host_stat st;
	int err;

	if (!force && monotonic_ns() - READ_ONCE(hi->checked) < REFRESH_NS)
		return 0;
	err = hostfs_stat(hi, &st);
	if (!err)
		hostfs_attrs_set(inode, &st, false);
	return err;
}

void hostfs_refresh_own(struct inode *inode)
{
	struct host_stat st;

	if (!hostfs_stat(HOSTFS_I(inode), &st))
		hostfs_attrs_set(inode, &st, true);
}

int hostfs_getattr(struct inode *inode, struct kstat *ret)
{
	/* What is gone from the host keeps its last attributes. */
	if (!HOSTFS_I(inode)->closed)
		hostfs_refresh(inode, false);
	return generic_getattr(inode, ret);
}

/* --- changing them --- */

static int chown_host(int fd, const struct iattr *attr)
{
	if (!(attr->valid & (ATTR_UID | ATTR_GID)))
		return 0;
	return host_fchownat(fd, "", attr->valid & ATTR_UID ? attr->uid : UINT32_MAX,
			     attr->valid & ATTR_GID ? attr->gid : UINT32_MAX, LINUX_AT_EMPTY_PATH);
}

static bool is_now(const struct timespec64 *t)
{
	int64_t diff = current_time().sec - t->sec;

	return diff >= -1 && diff <= 1;
}

/*
 * Times together with a new size are the host's own doing.  One may set them to now who may not set them to anything else, and
 * which of the two the guest asked for is not known here any more.
 */
static int utimes_host(int fd, const struct iattr *attr)
{
	struct host_timespec ts[2] = { { 0, HOST_UTIME_OMIT }, { 0, HOST_UTIME_OMIT } };
	int err;

	if (attr->valid & ATTR_SIZE || !(attr->valid & (ATTR_ATIME | ATTR_MTIME)))
		return 0;
	if (attr->valid & ATTR_ATIME)
		ts[0] = (struct host_timespec){ attr->atime.sec, attr->atime.nsec };
	if (attr->valid & ATTR_MTIME)
		ts[1] = (struct host_timespec){ attr->mtime.sec, attr->mtime.nsec };
	err = host_utimensat(fd, "", ts, LINUX_AT_EMPTY_PATH);
	if (err != -LINUX_EPERM || attr->valid & ~(ATTR_ATIME | ATTR_MTIME | ATTR_CTIME) ||
	    !(attr->valid & ATTR_ATIME && attr->valid & ATTR_MTIME) || !is_now(&attr->atime) || !is_now(&attr->mtime))
		return err;
	ts[0].nsec = ts[1].nsec = HOST_UTIME_NOW;
	return host_utimensat(fd, "", ts, LINUX_AT_EMPTY_PATH);
}

static int resize_host(struct inode *inode, uint64_t size)
{
	_cleanup_hostfs_fd_ struct hostfs_fd *hfd = NULL;
	uint64_t old = inode->size;
	int err = hostfs_fd_get(HOSTFS_I(inode), HOSTFS_WRITE, &hfd);

	if (!err)
		err = host_ftruncate(hfd->fd, size);
	if (err)
		return err;
	mutex_lock(&inode->i_lock);
	inode->size = size;
	mutex_unlock(&inode->i_lock);
	if (size < old)
		mapping_truncate(&inode->mapping, size);
	else
		mapping_zero_tail(&inode->mapping, old);
	return 0;
}

int hostfs_setattr(struct inode *inode, const struct iattr *attr)
{
	_cleanup_hostfs_fd_ struct hostfs_fd *hfd = NULL;
	int err = hostfs_fd_get_any(HOSTFS_I(inode), &hfd);

	if (!err)
		err = chown_host(hfd->fd, attr);
	if (!err && attr->valid & ATTR_MODE)
		err = host_fchmod(hfd->fd, attr->mode & LINUX_S_IALLUGO);
	if (!err && attr->valid & ATTR_SIZE)
		err = resize_host(inode, attr->size);
	if (!err)
		err = utimes_host(hfd->fd, attr);
	hostfs_refresh_own(inode);
	return err;
}

/* --- life --- */

static void ops_set(struct inode *inode)
{
	inode->ops = &hostfs_file_inode_ops;
	if (LINUX_S_ISREG(inode->mode)) {
		inode->fops = &hostfs_file_ops;
		inode->mapping.ops = &hostfs_mapping_ops;
	} else if (LINUX_S_ISDIR(inode->mode)) {
		inode->ops = &hostfs_dir_inode_ops;
		inode->fops = &hostfs_dir_ops;
	} else if (LINUX_S_ISLNK(inode->mode)) {
		inode->ops = &hostfs_symlink_inode_ops;
	}
}

static struct hostfs_inode_info *info_new(struct hostfs_sb_info *hs, const struct host_stat *st, const char *name)
{
	struct hostfs_inode_info *hi = calloc(1, sizeof(*hi));

	if (!hi)
		return NULL;
	if (name) {
		hi->name = strdup(name);
		if (!hi->name) {
			free(hi);
			return NULL;
		}
	}
	inode_init(&hi->vfs, hs->sb, st->ino, st->mode, NULL, NULL);
	hi->host_dev = st->dev;
	hi->vfs.rdev = st->rdev;
	attrs_copy(hi, st);
	ops_set(&hi->vfs);
	return hi;
}

struct inode *hostfs_iget_root(struct hostfs_sb_info *hs, const char *name, const struct host_stat *st)
{
	struct hostfs_inode_info *hi = info_new(hs, st, name);

	if (!hi)
		return ERR_PTR(-LINUX_ENOMEM);
	inode_hash_insert(&hs->icache, &hi->vfs);
	return &hi->vfs;
}

/* The host may give a removed file's number to a new one. */
static bool is_same_file(struct inode *inode, const struct host_stat *st)
{
	return (inode->mode & LINUX_S_IFMT) == (st->mode & LINUX_S_IFMT) && inode->btime.sec == st->btime.sec &&
	       inode->btime.nsec == st->btime.nsec;
}

static bool is_closed(struct hostfs_sb_info *hs, const struct inode *dir, const char *name, const struct hostfs_dev *dev,
		      const struct host_stat *st)
{
	if (!LINUX_S_ISDIR(st->mode))
		return false;
	if (dev->closed)
		return true;
	return hs->host_root && !HOSTFS_I(dir)->parent && (!strcmp(name, "proc") || !strcmp(name, "sys") || !strcmp(name, "dev"));
}

struct inode *hostfs_iget(struct inode *dir, int dirfd, const char *name, const struct host_stat *st)
{
	struct hostfs_sb_info *hs = HOSTFS_SB(dir->sb);
	const struct hostfs_dev *dev = hostfs_dev_get(hs, st->dev, dirfd, name);
	struct inode *inode, *old;
	struct hostfs_inode_info *hi;

	if (!dev)
		return ERR_PTR(-LINUX_ENOMEM);
	inode = inode_hash_find(&hs->icache, dev->dev, st->ino);
	if (inode && !is_same_file(inode, st)) {
		inode_hash_remove(&hs->icache, inode);
		inode_put(inode);
		inode = NULL;
	}
	if (inode) {
		hostfs_seen(HOSTFS_I(inode), HOSTFS_I(dir), name);
		hostfs_attrs_set(inode, st, false);
		return inode;
	}
	hi = info_new(hs, st, name);
	if (!hi)
		return ERR_PTR(-LINUX_ENOMEM);
	hi->vfs.dev = dev->dev;
	hi->closed = is_closed(hs, dir, name, dev, st);
	hi->parent = HOSTFS_I(inode_get(dir));
	hi->seen = monotonic_ns();
	old = inode_hash_insert(&hs->icache, &hi->vfs);
	if (old) {
		inode_put(&hi->vfs);
		return old;
	}
	return &hi->vfs;
}

/* Whether @dir is @hi or below it: it can't be @hi's parent then.  where_lock held. */
static bool is_below_locked(const struct hostfs_inode_info *dir, const struct hostfs_inode_info *hi)
{
	for (; dir; dir = dir->parent)
		if (dir == hi)
			return true;
	return false;
}

static bool is_at_locked(const struct hostfs_inode_info *hi, const struct hostfs_inode_info *dir, const char *name)
{
	return hi->parent == dir && hi->name && !strcmp(hi->name, name);
}

bool hostfs_seen_lately(struct hostfs_inode_info *hi, struct hostfs_inode_info *dir, const char *name)
{
	struct hostfs_sb_info *hs = HOSTFS_SB(hi->vfs.sb);
	bool lately;

	rwlock_read(&hs->where_lock);
	lately = is_at_locked(hi, dir, name) && monotonic_ns() - READ_ONCE(hi->seen) < REFRESH_NS;
	rwlock_unlock(&hs->where_lock);
	return lately;
}

void hostfs_seen(struct hostfs_inode_info *hi, struct hostfs_inode_info *dir, const char *name)
{
	struct hostfs_sb_info *hs = HOSTFS_SB(hi->vfs.sb);
	struct hostfs_inode_info *old_parent = NULL;
	char *old_name = NULL, *copy;
	bool same;

	rwlock_read(&hs->where_lock);
	same = is_at_locked(hi, dir, name);
	if (same)
		WRITE_ONCE(hi->seen, monotonic_ns());
	rwlock_unlock(&hs->where_lock);
	copy = same ? NULL : strdup(name);
	if (!copy)
		return;
	rwlock_write(&hs->where_lock);
	/* The root stays where it is, also when the host shows it below itself (bind mounts). */
	if (hi->parent && !is_below_locked(dir, hi)) {
		inode_get(&dir->vfs);
		old_parent = hi->parent;
		old_name = hi->name;
		hi->parent = dir;
		hi->name = copy;
		hi->seen = monotonic_ns();
		copy = NULL;
	}
	rwlock_unlock(&hs->where_lock);
	free(copy);
	free(old_name);
	if (old_parent)
		inode_put(&old_parent->vfs);
}

/* All of @hi but its reference to the parent, which is returned. */
static struct hostfs_inode_info *info_free(struct hostfs_inode_info *hi)
{
	struct hostfs_inode_info *parent = hi->parent;

	inode_hash_remove(&HOSTFS_SB(hi->vfs.sb)->icache, &hi->vfs);
	inode_fini(&hi->vfs);
	hostfs_fds_drop(hi);
	if (hi->list)
		hostfs_list_put(hi->list);
	free(hi->name);
	free(hi);
	return parent;
}

/* A loop, because a chain of parents may be longer than the stack. */
void hostfs_free_inode(struct inode *inode)
{
	struct hostfs_inode_info *hi = info_free(HOSTFS_I(inode));

	while (hi && ref_put(&hi->vfs.ref))
		hi = info_free(hi);
}

static int hostfs_readlink(struct inode *inode, struct strbuf *ret)
{
	struct hostfs_place place;
	char buf[PATH_MAX_LEN];
	ssize_t n = hostfs_place_get(HOSTFS_I(inode), &place);

	if (n)
		return n;
	n = host_readlinkat(place.dirfd, place.name, buf, sizeof(buf));
	hostfs_place_put(&place);
	if (n < 0)
		return n;
	strbuf_add(ret, buf, n);
	return strbuf_err(ret);
}

const struct inode_ops hostfs_file_inode_ops = {
	.getattr = hostfs_getattr,
	.setattr = hostfs_setattr,
	.getxattr = hostfs_getxattr,
	.setxattr = hostfs_setxattr,
	.removexattr = hostfs_removexattr,
	.listxattr = hostfs_listxattr,
};

const struct inode_ops hostfs_symlink_inode_ops = {
	.readlink = hostfs_readlink,
	.getattr = hostfs_getattr,
	.setattr = hostfs_setattr,
	.getxattr = hostfs_getxattr,
	.setxattr = hostfs_setxattr,
	.removexattr = hostfs_removexattr,
	.listxattr = hostfs_listxattr,
};
