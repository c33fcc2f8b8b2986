/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Host descriptors.  An inode is opened by its name below its parent's descriptor, and the parent in the same way, up to
 * one that is cached or to the root.  At most max_fds stay cached; those in use live on until they are put.
 */
#include <stdlib.h>
#include <string.h>

#include "sentry/abi/fcntl.h"
#include "vfs/hostfs/hostfs_fs.h"

void hostfs_fd_put(struct hostfs_fd *hfd)
{
	if (!ref_put(&hfd->ref))
		return;
	host_close(hfd->fd);
	free(hfd);
}

/* --- the cache --- */

static void uncache_locked(struct hostfs_sb_info *hs, struct hostfs_fd *hfd)
{
	hfd->owner->fds[hfd->slot] = NULL;
	hfd->owner = NULL;
	list_del(&hfd->lru);
	hs->nr_fds--;
}

/* The one used longest ago that nobody uses now: what an open file holds stays cached, as its name may be gone. */
static struct hostfs_fd *evict_locked(struct hostfs_sb_info *hs)
{
	struct hostfs_fd *hfd;

	list_for_each_entry(hfd, &hs->fds, lru) {
		if (ref_read(&hfd->ref) == 1) {
			uncache_locked(hs, hfd);
			return hfd;
		}
	}
	return NULL;
}

static struct hostfs_fd *cache_find(struct hostfs_inode_info *hi, enum hostfs_slot slot)
{
	struct hostfs_sb_info *hs = HOSTFS_SB(hi->vfs.sb);
	struct hostfs_fd *hfd;
	MUTEX_GUARD(&hs->fd_lock);

	hfd = hi->fds[slot];
	if (!hfd && slot == HOSTFS_READ && hi->fds[HOSTFS_WRITE] && hi->fds[HOSTFS_WRITE]->readable)
		hfd = hi->fds[HOSTFS_WRITE];
	if (hfd) {
		list_move_tail(&hfd->lru, &hs->fds);
		ref_get(&hfd->ref);
	}
	return hfd;
}

/* Wraps @fd (taken, on failure too) and enters it into the cache: with a reference, or NULL. */
static struct hostfs_fd *cache_add(struct hostfs_inode_info *hi, enum hostfs_slot slot, int fd, bool readable)
{
	struct hostfs_sb_info *hs = HOSTFS_SB(hi->vfs.sb);
	struct hostfs_fd *hfd = calloc(1, sizeof(*hfd)), *old = NULL;

	if (!hfd) {
		host_close(fd);
		return NULL;
	}
	ref_init(&hfd->ref);
	hfd->fd = fd;
	hfd->slot = slot;
	hfd->readable = readable;
	list_init(&hfd->lru);
	mutex_lock(&hs->fd_lock);
	if (!hi->fds[slot]) {
		if (hs->nr_fds >= hs->max_fds)
			old = evict_locked(hs);
		ref_get(&hfd->ref);
		hi->fds[slot] = hfd;
		hfd->owner = hi;
		list_add_tail(&hfd->lru, &hs->fds);
		hs->nr_fds++;
	}
	mutex_unlock(&hs->fd_lock);
	if (old)
		hostfs_fd_put(old);
	return hfd;
}

void hostfs_fds_drop(struct hostfs_inode_info *hi)
{
	struct hostfs_sb_info *hs = HOSTFS_SB(hi->vfs.sb);

	for (int slot = 0; slot < NR_HOSTFS_SLOTS; slot++) {
		struct hostfs_fd *hfd;

		mutex_lock(&hs->fd_lock);
		hfd = hi->fds[slot];
		if (hfd)
			uncache_locked(hs, hfd);
		mutex_unlock(&hs->fd_lock);
		if (hfd)
			hostfs_fd_put(hfd);
	}
}

/* --- opening --- */

static int identity_check(const struct hostfs_inode_info *hi, int fd)
{
	struct host_stat st;
	int err = host_fstat(fd, &st);

	if (err)
		return err;
	return st.ino == hi->vfs.ino && st.dev == hi->host_dev ? 0 : -LINUX_ESTALE;
}

static int open_flags(const struct hostfs_inode_info *hi, enum hostfs_slot slot)
{
	/* Nothing but regular files and directories is opened for more than its attributes: no device, no FIFO. */
	if (slot == HOSTFS_PATH)
		return LINUX_O_PATH | LINUX_O_NOFOLLOW;
	if (LINUX_S_ISDIR(hi->vfs.mode))
		return LINUX_O_RDONLY | LINUX_O_DIRECTORY | LINUX_O_NOFOLLOW;
	return (slot == HOSTFS_READ ? LINUX_O_RDONLY : LINUX_O_RDWR) | LINUX_O_NOFOLLOW | LINUX_O_NONBLOCK | LINUX_O_NOCTTY;
}

/* openat, with the cache making room when the process is out of descriptors. */
static int openat_room(struct hostfs_sb_info *hs, int dirfd, const char *name, int flags)
{
	int fd = host_openat(dirfd, name, flags, 0);

	while (fd == -LINUX_EMFILE || fd == -LINUX_ENFILE) {
		struct hostfs_fd *old;

		mutex_lock(&hs->fd_lock);
		old = evict_locked(hs);
		mutex_unlock(&hs->fd_lock);
		if (!old)
			return -LINUX_ENFILE;
		hostfs_fd_put(old);
		fd = host_openat(dirfd, name, flags, 0);
	}
	return fd;
}

/* Opens @name below @dirfd as @hi. */
static int open_at(struct hostfs_inode_info *hi, enum hostfs_slot slot, int dirfd, const char *name, bool *ret_readable)
{
	struct hostfs_sb_info *hs = HOSTFS_SB(hi->vfs.sb);
	int flags = open_flags(hi, slot), fd, err;

	if (slot != HOSTFS_PATH) {
		/* Look before opening: what another put in its place may be a device. */
		struct host_stat st;

		err = host_fstatat(dirfd, name, *name ? LINUX_AT_SYMLINK_NOFOLLOW : LINUX_AT_EMPTY_PATH, &st);
		if (err)
			return err;
		if (st.ino != hi->vfs.ino || st.dev != hi->host_dev)
			return -LINUX_ESTALE;
	}
	if (!*name)
		name = ".";
	*ret_readable = slot != HOSTFS_PATH;
	fd = openat_room(hs, dirfd, name, flags);
	if (fd == -LINUX_EACCES && slot == HOSTFS_WRITE) {
		*ret_readable = false;
		fd = openat_room(hs, dirfd, name, (flags & ~LINUX_O_ACCMODE) | LINUX_O_WRONLY);
	}
	if (fd < 0)
		return fd == -LINUX_ELOOP ? -LINUX_ESTALE : fd;
	err = identity_check(hi, fd);
	if (err) {
		host_close(fd);
		return err;
	}
	return fd;
}

/*
 * The O_PATH descriptor of a directory, opening what lies between it and the nearest cached ancestor.  where_lock held.
 */
static int dir_open(struct hostfs_inode_info *hi, struct hostfs_fd **ret)
{
	struct hostfs_sb_info *hs = HOSTFS_SB(hi->vfs.sb);
	struct hostfs_inode_info **chain = NULL, *at = hi;
	struct hostfs_fd *dir = NULL;
	unsigned nr = 0, max = 0;
	int err = 0;

	for (; at && !(dir = cache_find(at, HOSTFS_PATH)); at = at->parent) {
		if (nr == max) {
			struct hostfs_inode_info **more = realloc(chain, (max = max * 2 + 16) * sizeof(*chain));

			if (!more) {
				free(chain);
				return -LINUX_ENOMEM;
			}
			chain = more;
		}
		chain[nr++] = at;
	}
	while (nr && !err) {
		struct hostfs_fd *next;
		bool readable;
		int fd;

		at = chain[--nr];
		fd = open_at(at, HOSTFS_PATH, dir ? dir->fd : hs->base_fd, at->name ? at->name : "", &readable);
		next = fd < 0 ? NULL : cache_add(at, HOSTFS_PATH, fd, readable);
		err = fd < 0 ? fd : next ? 0 : -LINUX_ENOMEM;
		if (dir)
			hostfs_fd_put(dir);
		dir = next;
	}
	free(chain);
	if (!err)
		*ret = dir;
	return err;
}

static int fd_open_locked(struct hostfs_inode_info *hi, enum hostfs_slot slot, struct hostfs_fd **ret)
{
	struct hostfs_sb_info *hs = HOSTFS_SB(hi->vfs.sb);
	_cleanup_hostfs_fd_ struct hostfs_fd *dir = NULL;
	int fd = hs->base_fd, err = 0;
	bool readable;

	if (slot == HOSTFS_PATH && LINUX_S_ISDIR(hi->vfs.mode))
		return dir_open(hi, ret);
	if (hi->parent) {
		err = dir_open(hi->parent, &dir);
		if (err)
			return err;
		fd = dir->fd;
	}
	fd = open_at(hi, slot, fd, hi->name ? hi->name : "", &readable);
	if (fd < 0)
		return fd;
	*ret = cache_add(hi, slot, fd, readable);
	return *ret ? 0 : -LINUX_ENOMEM;
}

int hostfs_fd_get(struct hostfs_inode_info *hi, enum hostfs_slot slot, struct hostfs_fd **ret)
{
	struct hostfs_sb_info *hs = HOSTFS_SB(hi->vfs.sb);
	struct hostfs_fd *hfd = cache_find(hi, slot);
	int err;

	if (hfd) {
		*ret = hfd;
		return 0;
	}
	rwlock_read(&hs->where_lock);
	err = fd_open_locked(hi, slot, ret);
	rwlock_unlock(&hs->where_lock);
	return err;
}

/* Opens @hi's name to read the directory, which it may no longer be.  where_lock held. */
static int dir_open_name(struct hostfs_inode_info *hi)
{
	struct hostfs_sb_info *hs = HOSTFS_SB(hi->vfs.sb);
	_cleanup_hostfs_fd_ struct hostfs_fd *dir = NULL;
	int err = hi->parent ? dir_open(hi->parent, &dir) : 0, fd;

	if (err)
		return err;
	fd = openat_room(hs, dir ? dir->fd : hs->base_fd, hi->name ? hi->name : ".", open_flags(hi, HOSTFS_READ));
	return fd == -LINUX_ELOOP || fd == -LINUX_ENOTDIR ? -LINUX_ESTALE : fd;
}

int hostfs_dir_open_read(struct hostfs_inode_info *hi, struct host_stat *ret_st, bool *ret_keep)
{
	struct hostfs_sb_info *hs = HOSTFS_SB(hi->vfs.sb);
	_cleanup_hostfs_fd_ struct hostfs_fd *hfd = cache_find(hi, HOSTFS_PATH);
	int fd, err;

	if (hfd) {
		fd = openat_room(hs, hfd->fd, ".", open_flags(hi, HOSTFS_READ));
	} else {
		rwlock_read(&hs->where_lock);
		fd = dir_open_name(hi);
		rwlock_unlock(&hs->where_lock);
	}
	if (fd < 0)
		return fd;
	err = host_fstat(fd, ret_st);
	if (!err && (ret_st->ino != hi->vfs.ino || ret_st->dev != hi->host_dev))
		err = -LINUX_ESTALE;
	if (err) {
		host_close(fd);
		return err;
	}
	*ret_keep = !hfd;
	return fd;
}

int hostfs_fd_get_any(struct hostfs_inode_info *hi, struct hostfs_fd **ret)
{
	for (int slot = NR_HOSTFS_SLOTS - 1; slot >= 0; slot--) {
		*ret = cache_find(hi, slot);
		if (*ret)
			return 0;
	}
	return hostfs_fd_get(hi, HOSTFS_PATH, ret);
}

int hostfs_stat(struct hostfs_inode_info *hi, struct host_stat *ret_st)
{
	struct hostfs_sb_info *hs = HOSTFS_SB(hi->vfs.sb);
	_cleanup_hostfs_fd_ struct hostfs_fd *hfd = NULL;
	int err = 0;

	for (int slot = NR_HOSTFS_SLOTS - 1; slot >= 0 && !hfd; slot--)
		hfd = cache_find(hi, slot);
	if (hfd)
		return host_fstat(hfd->fd, ret_st);
	rwlock_read(&hs->where_lock);
	if (hi->parent)
		err = dir_open(hi->parent, &hfd);
	if (!err)
		err = host_fstatat(hfd ? hfd->fd : hs->base_fd, hi->name ? hi->name : "",
				   hi->name ? LINUX_AT_SYMLINK_NOFOLLOW | LINUX_AT_NO_AUTOMOUNT : LINUX_AT_EMPTY_PATH, ret_st);
	rwlock_unlock(&hs->where_lock);
	if (!err && (ret_st->ino != hi->vfs.ino || ret_st->dev != hi->host_dev))
		err = -LINUX_ESTALE;
	return err;
}

int hostfs_fd_add(struct hostfs_inode_info *hi, enum hostfs_slot slot, int fd)
{
	struct hostfs_fd *hfd = cache_add(hi, slot, fd, slot != HOSTFS_PATH);

	if (!hfd)
		return -LINUX_ENOMEM;
	hostfs_fd_put(hfd);
	return 0;
}

/* --- places --- */

int hostfs_place_get(struct hostfs_inode_info *hi, struct hostfs_place *ret)
{
	struct hostfs_sb_info *hs = HOSTFS_SB(hi->vfs.sb);
	int err = 0;

	*ret = (struct hostfs_place){ .dirfd = hs->base_fd };
	rwlock_read(&hs->where_lock);
	ret->name = strdup(hi->name ? hi->name : "");
	if (!ret->name)
		err = -LINUX_ENOMEM;
	else if (hi->parent)
		err = dir_open(hi->parent, &ret->dir);
	rwlock_unlock(&hs->where_lock);
	if (ret->dir)
		ret->dirfd = ret->dir->fd;
	if (err)
		hostfs_place_put(ret);
	return err;
}

void hostfs_place_put(struct hostfs_place *place)
{
	if (place->dir)
		hostfs_fd_put(place->dir);
	free(place->name);
	*place = (struct hostfs_place){ .dirfd = -1 };
}
