/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Extended attributes: the lower's until the first change, then a list in memory.
 */
#include <stdlib.h>
#include <string.h>

#include "sentry/abi/fs.h"
#include "vfs/overlay/overlay_fs.h"

/* What the attributes of one inode may take up. */
#define XATTRS_BYTES_MAX (1UL << 20)
#define XATTR_VALUE_MAX 65536
#define XATTR_CREATE 1
#define XATTR_REPLACE 2

struct overlay_xattr {
	struct overlay_xattr *next;
	void *value;
	size_t size;
	char name[];
};

struct overlay_xattrs {
	struct overlay_xattr *first;
	size_t bytes;
};

static size_t xattr_bytes(const struct overlay_xattr *a)
{
	return sizeof(*a) + strlen(a->name) + 1 + a->size;
}

static void xattr_free(struct overlay_xattr *a)
{
	if (!a)
		return;
	free(a->value);
	free(a);
}

static struct overlay_xattr *xattr_new(const char *name, const void *value, size_t size)
{
	size_t len = strlen(name) + 1;
	struct overlay_xattr *a = malloc(sizeof(*a) + len);

	if (!a)
		return NULL;
	a->next = NULL;
	a->size = size;
	memcpy(a->name, name, len);
	a->value = malloc(size + 1);
	if (!a->value) {
		free(a);
		return NULL;
	}
	if (size)
		memcpy(a->value, value, size);
	return a;
}

void overlay_xattrs_free(struct overlay_xattrs *x)
{
	if (!x)
		return;
	while (x->first) {
		struct overlay_xattr *a = x->first;

		x->first = a->next;
		xattr_free(a);
	}
	free(x);
}

static struct overlay_xattr **xattr_link(struct overlay_xattrs *x, const char *name)
{
	struct overlay_xattr **p = &x->first;

	while (*p && strcmp((*p)->name, name))
		p = &(*p)->next;
	return p;
}

/* --- copying the lower's --- */

static int copy_one(struct inode *lower, const char *name, struct overlay_xattrs *x)
{
	int64_t size = lower->ops->getxattr(lower, name, NULL, 0);
	struct overlay_xattr *a;

	if (size < 0)
		return size == -LINUX_ENODATA ? 0 : size;
	a = xattr_new(name, NULL, 0);
	if (!a)
		return -LINUX_ENOMEM;
	free(a->value);
	a->value = malloc(size + 1);
	size = a->value ? lower->ops->getxattr(lower, name, a->value, size + 1) : -LINUX_ENOMEM;
	if (size < 0) {
		xattr_free(a);
		return size;
	}
	a->size = size;
	*xattr_link(x, name) = a;
	x->bytes += xattr_bytes(a);
	return 0;
}

static int copy_all(struct inode *lower, struct overlay_xattrs *x)
{
	_cleanup_strbuf_ struct strbuf names = STRBUF_INIT;
	int err;

	if (!lower || !lower->ops->listxattr || !lower->ops->getxattr)
		return 0;
	err = lower->ops->listxattr(lower, &names);
	if (err)
		return err == -LINUX_EOPNOTSUPP ? 0 : err;
	for (size_t off = 0; off < names.len && !err; off += strlen(names.buf + off) + 1)
		err = copy_one(lower, names.buf + off, x);
	return err;
}

/* The inode's own list, made on first use.  i_rwsem held for writing. */
static struct overlay_xattrs *xattrs_own(struct overlay_inode_info *oi)
{
	struct overlay_xattrs *x = oi->xattrs;
	int err;

	if (x)
		return x;
	x = calloc(1, sizeof(*x));
	if (!x)
		return ERR_PTR(-LINUX_ENOMEM);
	err = copy_all(oi->lower, x);
	if (err) {
		overlay_xattrs_free(x);
		return ERR_PTR(err);
	}
	mutex_lock(&oi->vfs.i_lock);
	oi->xattrs = x;
	mutex_unlock(&oi->vfs.i_lock);
	return x;
}

/* --- operations --- */

static bool name_supported(const char *name)
{
	return !strncmp(name, "user.", 5) || !strncmp(name, "trusted.", 8) || !strncmp(name, "security.", 9) ||
	       !strcmp(name, "system.posix_acl_access") || !strcmp(name, "system.posix_acl_default");
}

/* From our own list: *ret_own is false when there is none. */
static int64_t get_own(struct overlay_inode_info *oi, const char *name, void *buf, size_t size, bool *ret_own)
{
	struct overlay_xattr *a;
	MUTEX_GUARD(&oi->vfs.i_lock);

	*ret_own = oi->xattrs || !oi->lower;
	if (!oi->xattrs)
		return -LINUX_ENODATA;
	a = *xattr_link(oi->xattrs, name);
	if (!a)
		return -LINUX_ENODATA;
	if (!size)
		return a->size;
	if (a->size > size)
		return -LINUX_ERANGE;
	memcpy(buf, a->value, a->size);
	return a->size;
}

int64_t overlay_getxattr(struct inode *inode, const char *name, void *buf, size_t size)
{
	struct overlay_inode_info *oi = OVERLAY_I(inode);
	bool own;
	int64_t ret;

	if (!name_supported(name))
		return -LINUX_EOPNOTSUPP;
	ret = get_own(oi, name, buf, size, &own);
	if (own)
		return ret;
	if (!oi->lower->ops->getxattr)
		return -LINUX_ENODATA;
	ret = oi->lower->ops->getxattr(oi->lower, name, buf, size);
	return ret == -LINUX_EOPNOTSUPP ? -LINUX_ENODATA : ret;
}

int overlay_setxattr(struct inode *inode, const char *name, const void *value, size_t size, int flags)
{
	struct overlay_xattrs *x;
	struct overlay_xattr *a, *old, **link;
	int err = 0;

	if (!name_supported(name))
		return -LINUX_EOPNOTSUPP;
	if (size > XATTR_VALUE_MAX)
		return -LINUX_E2BIG;
	x = xattrs_own(OVERLAY_I(inode));
	if (IS_ERR(x))
		return PTR_ERR(x);
	a = xattr_new(name, value, size);
	if (!a)
		return -LINUX_ENOMEM;
	overlay_changed(inode, OVERLAY_XATTR);
	mutex_lock(&inode->i_lock);
	link = xattr_link(x, name);
	old = *link;
	if (old && flags & XATTR_CREATE)
		err = -LINUX_EEXIST;
	else if (!old && flags & XATTR_REPLACE)
		err = -LINUX_ENODATA;
	else if (x->bytes + xattr_bytes(a) - (old ? xattr_bytes(old) : 0) > XATTRS_BYTES_MAX)
		err = -LINUX_ENOSPC;
	if (!err) {
		x->bytes += xattr_bytes(a) - (old ? xattr_bytes(old) : 0);
		a->next = old ? old->next : NULL;
		*link = a;
		inode->ctime = current_time();
	}
	mutex_unlock(&inode->i_lock);
	xattr_free(err ? a : old);
	return err;
}

int overlay_removexattr(struct inode *inode, const char *name)
{
	struct overlay_xattr *old, **link;
	struct overlay_xattrs *x;

	if (!name_supported(name))
		return -LINUX_EOPNOTSUPP;
	x = xattrs_own(OVERLAY_I(inode));
	if (IS_ERR(x))
		return PTR_ERR(x);
	overlay_changed(inode, OVERLAY_XATTR);
	mutex_lock(&inode->i_lock);
	link = xattr_link(x, name);
	old = *link;
	if (old) {
		*link = old->next;
		x->bytes -= xattr_bytes(old);
		inode->ctime = current_time();
	}
	mutex_unlock(&inode->i_lock);
	xattr_free(old);
	return old ? 0 : -LINUX_ENODATA;
}

int overlay_listxattr(struct inode *inode, struct strbuf *ret)
{
	struct overlay_inode_info *oi = OVERLAY_I(inode);
	bool own;

	mutex_lock(&inode->i_lock);
	own = oi->xattrs || !oi->lower;
	for (struct overlay_xattr *a = oi->xattrs ? oi->xattrs->first : NULL; a; a = a->next)
		strbuf_add(ret, a->name, strlen(a->name) + 1);
	mutex_unlock(&inode->i_lock);
	if (!own && oi->lower->ops->listxattr) {
		int err = oi->lower->ops->listxattr(oi->lower, ret);

		return err == -LINUX_EOPNOTSUPP ? 0 : err;
	}
	return strbuf_err(ret);
}
