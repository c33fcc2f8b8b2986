/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "sentry/abi/fcntl.h"
#include "vfs/tmpfs/tmpfs_fs.h"

#define XATTR_BYTES_MAX (128 * 1024) /* per inode, names and values */

static struct tmpfs_xattr *xattr_find_locked(struct tmpfs_inode *ti, const char *name)
{
	struct tmpfs_xattr *x;

	list_for_each_entry(x, &ti->xattrs, link)
		if (!strcmp(x->name, name))
			return x;
	return NULL;
}

static size_t xattr_bytes(const struct tmpfs_xattr *x)
{
	return sizeof(*x) + strlen(x->name) + 1 + x->size;
}

static void xattr_free_locked(struct tmpfs_inode *ti, struct tmpfs_xattr *x)
{
	ti->xattr_bytes -= xattr_bytes(x);
	list_del(&x->link);
	free(x);
}

int64_t tmpfs_getxattr(struct inode *inode, const char *name, void *buf, size_t size)
{
	struct tmpfs_inode *ti = TMPFS_I(inode);
	struct tmpfs_xattr *x;
	MUTEX_GUARD(&ti->xattr_lock);

	x = xattr_find_locked(ti, name);
	if (!x)
		return -LINUX_ENODATA;
	if (!size)
		return x->size;
	if (size < x->size)
		return -LINUX_ERANGE;
	memcpy(buf, x->value, x->size);
	return x->size;
}

static struct tmpfs_xattr *xattr_new(const char *name, const void *value, size_t size)
{
	size_t name_size = strlen(name) + 1;
	struct tmpfs_xattr *x = malloc(sizeof(*x) + name_size + size);

	if (!x)
		return NULL;
	memcpy(x->name, name, name_size);
	x->value = x->name + name_size;
	x->size = size;
	if (size)
		memcpy(x->value, value, size);
	return x;
}

int tmpfs_setxattr(struct inode *inode, const char *name, const void *value, size_t size, int flags)
{
	struct tmpfs_inode *ti = TMPFS_I(inode);
	struct tmpfs_xattr *x, *old;

	x = xattr_new(name, value, size);
	if (!x)
		return -LINUX_ENOMEM;
	mutex_lock(&ti->xattr_lock);
	old = xattr_find_locked(ti, name);
	if ((old && flags & LINUX_XATTR_CREATE) || (!old && flags & LINUX_XATTR_REPLACE) ||
	    ti->xattr_bytes + xattr_bytes(x) - (old ? xattr_bytes(old) : 0) > XATTR_BYTES_MAX) {
		mutex_unlock(&ti->xattr_lock);
		free(x);
		if (old && flags & LINUX_XATTR_CREATE)
			return -LINUX_EEXIST;
		return !old && flags & LINUX_XATTR_REPLACE ? -LINUX_ENODATA : -LINUX_ENOSPC;
	}
	if (old)
		xattr_free_locked(ti, old);
	list_add_tail(&x->link, &ti->xattrs);
	ti->xattr_bytes += xattr_bytes(x);
	mutex_unlock(&ti->xattr_lock);
	inode_touch_ctime(inode);
	return 0;
}

int tmpfs_removexattr(struct inode *inode, const char *name)
{
	struct tmpfs_inode *ti = TMPFS_I(inode);
	struct tmpfs_xattr *x;

	mutex_lock(&ti->xattr_lock);
	x = xattr_find_locked(ti, name);
	if (x)
		xattr_free_locked(ti, x);
	mutex_unlock(&ti->xattr_lock);
	if (!x)
		return -LINUX_ENODATA;
	inode_touch_ctime(inode);
	return 0;
}

int tmpfs_listxattr(struct inode *inode, struct strbuf *ret)
{
	struct tmpfs_inode *ti = TMPFS_I(inode);
	struct tmpfs_xattr *x;
	MUTEX_GUARD(&ti->xattr_lock);

	list_for_each_entry(x, &ti->xattrs, link)
		strbuf_add(ret, x->name, strlen(x->name) + 1);
	return strbuf_err(ret);
}

void tmpfs_xattrs_free(struct tmpfs_inode *ti)
{
	MUTEX_GUARD(&ti->xattr_lock);

	while (!list_empty(&ti->xattrs))
		xattr_free_locked(ti, list_first_entry(&ti->xattrs, struct tmpfs_xattr, link));
}
