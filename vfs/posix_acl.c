/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POSIX access control lists: acl(5).  An ACL lives in the filesystem as the extended attribute that getfacl reads:
 * a version word, then entries sorted by tag and id.
 */
#include <stdlib.h>
#include <string.h>

#include "vfs/internal.h"

#define ACL_ACCESS "system.posix_acl_access"
#define ACL_DEFAULT "system.posix_acl_default"
#define ACL_VERSION 2
#define ACL_MAX_ENTRIES 1024

enum acl_tag { ACL_USER_OBJ = 1, ACL_USER = 2, ACL_GROUP_OBJ = 4, ACL_GROUP = 8, ACL_MASK = 0x10, ACL_OTHER = 0x20 };

struct acl_entry {
	uint16_t tag, perm;
	uint32_t id;
};
static_assert(sizeof(struct acl_entry) == 8, "struct posix_acl_xattr_entry");

struct acl {
	unsigned nr;
	struct acl_entry e[];
};

static size_t acl_xattr_size(unsigned nr)
{
	return 4 + nr * sizeof(struct acl_entry);
}

/* Entries sorted, each kind as often as it may be, a mask when there are named ones: posix_acl_valid. */
static bool acl_valid(const struct acl *acl)
{
	enum { WANT_USER_OBJ, WANT_USER, WANT_GROUP, WANT_OTHER, WANT_END } state = WANT_USER_OBJ;
	bool needs_mask = false;

	for (unsigned i = 0; i < acl->nr; i++) {
		const struct acl_entry *e = &acl->e[i];

		if (e->perm & ~7)
			return false;
		switch (e->tag) {
		case ACL_USER_OBJ:
			if (state != WANT_USER_OBJ)
				return false;
			state = WANT_USER;
			break;
		case ACL_USER:
			if (state != WANT_USER || e->id == UINT32_MAX)
				return false;
			needs_mask = true;
			break;
		case ACL_GROUP_OBJ:
			if (state != WANT_USER)
				return false;
			state = WANT_GROUP;
			break;
		case ACL_GROUP:
			if (state != WANT_GROUP || e->id == UINT32_MAX)
				return false;
			needs_mask = true;
			break;
		case ACL_MASK:
			if (state != WANT_GROUP)
				return false;
			state = WANT_OTHER;
			break;
		case ACL_OTHER:
			if (state != WANT_OTHER && (state != WANT_GROUP || needs_mask))
				return false;
			state = WANT_END;
			break;
		default:
			return false;
		}
	}
	return state == WANT_END;
}

/* 0 with *ret NULL for an ACL without entries. */
static int acl_parse(const void *value, size_t size, struct acl **ret)
{
	size_t nr = size < 4 ? 0 : (size - 4) / sizeof(struct acl_entry);
	uint32_t version;
	struct acl *acl;

	if (!value || !size) {
		*ret = NULL;
		return 0;
	}
	if (size != acl_xattr_size(nr) || nr > ACL_MAX_ENTRIES)
		return -LINUX_EINVAL;
	memcpy(&version, value, 4);
	if (version != ACL_VERSION)
		return -LINUX_EOPNOTSUPP;
	if (!nr) {
		*ret = NULL;
		return 0;
	}
	acl = malloc(sizeof(*acl) + nr * sizeof(acl->e[0]));
	if (!acl)
		return -LINUX_ENOMEM;
	acl->nr = nr;
	memcpy(acl->e, (const char *)value + 4, nr * sizeof(acl->e[0]));
	if (!acl_valid(acl)) {
		free(acl);
		return -LINUX_EINVAL;
	}
	*ret = acl;
	return 0;
}

/* The ACL of @inode called @name; *ret NULL when there is none. */
static int acl_read(struct inode *inode, const char *name, struct acl **ret)
{
	char buf[1024];
	int64_t n;

	*ret = NULL;
	if (!inode->ops->getxattr)
		return 0;
	n = inode->ops->getxattr(inode, name, buf, sizeof(buf));
	if (n == -LINUX_ENODATA || n == -LINUX_EOPNOTSUPP)
		return 0;
	if (n == -LINUX_ERANGE) {
		char *big = malloc(LINUX_XATTR_SIZE_MAX);
		int err = -LINUX_ENOMEM;

		if (big) {
			n = inode->ops->getxattr(inode, name, big, LINUX_XATTR_SIZE_MAX);
			err = n < 0 ? (int)n : acl_parse(big, n, ret);
		}
		free(big);
		return err;
	}
	return n < 0 ? (int)n : acl_parse(buf, n, ret);
}

static int acl_write(struct inode *inode, const char *name, const struct acl *acl)
{
	uint32_t version = ACL_VERSION;
	size_t size = acl_xattr_size(acl->nr);
	char *buf = malloc(size);
	int err;

	if (!buf)
		return -LINUX_ENOMEM;
	memcpy(buf, &version, 4);
	memcpy(buf + 4, acl->e, size - 4);
	err = inode->ops->setxattr(inode, name, buf, size, 0);
	free(buf);
	return err;
}

/* --- permission --- */

static int acl_check(const struct inode *inode, const struct acl *acl, unsigned want)
{
	const struct cred *c = current_cred;
	unsigned mask = 7;
	bool group_matched = false;

	for (unsigned i = 0; i < acl->nr; i++)
		if (acl->e[i].tag == ACL_MASK)
			mask = acl->e[i].perm;
	for (unsigned i = 0; i < acl->nr; i++) {
		const struct acl_entry *e = &acl->e[i];

		switch (e->tag) {
		case ACL_USER_OBJ:
			if (c->fsuid == inode->uid)
				return want & ~(unsigned)e->perm ? -LINUX_EACCES : 0;
			break;
		case ACL_USER:
			if (c->fsuid == e->id)
				return want & ~(e->perm & mask) ? -LINUX_EACCES : 0;
			break;
		case ACL_GROUP_OBJ:
		case ACL_GROUP:
			if (!cred_in_group(c, e->tag == ACL_GROUP ? e->id : inode->gid))
				break;
			group_matched = true;
			if (!(want & ~(e->perm & mask)))
				return 0;
			break;
		case ACL_OTHER:
			return group_matched || want & ~(unsigned)e->perm ? -LINUX_EACCES : 0;
		default:
			break;
		}
	}
	return -LINUX_EIO;
}

int posix_acl_permission(struct inode *inode, unsigned mask)
{
	struct acl *acl;
	int err = acl_read(inode, ACL_ACCESS, &acl);

	if (err)
		return err;
	atomic_store(&inode->acl_state, acl ? ACL_PRESENT : ACL_NONE);
	if (!acl)
		return -LINUX_EAGAIN;
	err = acl_check(inode, acl, mask & 7);
	free(acl);
	return err;
}

/* --- ACL and mode --- */

/* The permission bits an ACL amounts to; *ret_exact when they say all there is. */
static uint32_t acl_mode(const struct acl *acl, bool *ret_exact)
{
	uint32_t mode = 0;

	*ret_exact = true;
	for (unsigned i = 0; i < acl->nr; i++) {
		const struct acl_entry *e = &acl->e[i];

		switch (e->tag) {
		case ACL_USER_OBJ:
			mode |= e->perm << 6;
			break;
		case ACL_GROUP_OBJ:
			mode |= e->perm << 3;
			break;
		case ACL_OTHER:
			mode |= e->perm;
			break;
		case ACL_MASK:
			mode = (mode & ~070U) | e->perm << 3;
			*ret_exact = false;
			break;
		default:
			*ret_exact = false;
		}
	}
	return mode;
}

static void acl_apply_mode(struct acl *acl, uint32_t mode)
{
	struct acl_entry *group = NULL, *mask = NULL;

	for (unsigned i = 0; i < acl->nr; i++) {
		struct acl_entry *e = &acl->e[i];

		if (e->tag == ACL_USER_OBJ)
			e->perm = (mode >> 6) & 7;
		else if (e->tag == ACL_GROUP_OBJ)
			group = e;
		else if (e->tag == ACL_MASK)
			mask = e;
		else if (e->tag == ACL_OTHER)
			e->perm = mode & 7;
	}
	if (mask)
		mask->perm = (mode >> 3) & 7;
	else if (group)
		group->perm = (mode >> 3) & 7;
}

int posix_acl_chmod(struct inode *inode, uint32_t mode)
{
	struct acl *acl;
	int err;

	if (atomic_load(&inode->acl_state) == ACL_NONE || LINUX_S_ISLNK(inode->mode) || !inode->ops->setxattr)
		return 0;
	err = acl_read(inode, ACL_ACCESS, &acl);
	if (err || !acl) {
		if (!err)
			atomic_store(&inode->acl_state, ACL_NONE);
		return err;
	}
	acl_apply_mode(acl, mode);
	err = acl_write(inode, ACL_ACCESS, acl);
	free(acl);
	return err;
}

static int acl_remove(struct inode *inode, const char *name)
{
	int err = inode->ops->removexattr ? inode->ops->removexattr(inode, name) : -LINUX_EOPNOTSUPP;

	return err == -LINUX_ENODATA ? 0 : err;
}

/* setxattr of an ACL: an access ACL sets the mode, and vanishes when the mode says it all. */
int posix_acl_set_locked(struct inode *inode, const char *name, const void *value, size_t size)
{
	bool access = !strcmp(name, ACL_ACCESS), exact = true;
	struct acl *acl;
	int err = acl_parse(value, size, &acl);

	if (err)
		return err;
	if (!access && !LINUX_S_ISDIR(inode->mode)) {
		err = acl ? -LINUX_EACCES : 0;
		free(acl);
		return err;
	}
	if (acl && access) {
		struct iattr attr = { .valid = ATTR_MODE | ATTR_CTIME, .ctime = current_time() };

		attr.mode = (inode->mode & 07000) | acl_mode(acl, &exact);
		if (!cred_in_group(current_cred, inode->gid) && !inode_capable(inode, CAP_FSETID))
			attr.mode &= ~LINUX_S_ISGID;
		err = inode_setattr_locked(inode, &attr);
	}
	if (!err)
		err = !acl || (access && exact) ? acl_remove(inode, name) : acl_write(inode, name, acl);
	free(acl);
	return err;
}

/* --- default ACLs --- */

/* The default ACL of a directory, whose absence is remembered; *ret NULL when there is none. */
static int default_acl_read(struct inode *dir, struct acl **ret)
{
	int err;

	*ret = NULL;
	if (atomic_load_explicit(&dir->default_acl_state, memory_order_relaxed) == ACL_NONE)
		return 0;
	err = acl_read(dir, ACL_DEFAULT, ret);
	if (!err)
		atomic_store(&dir->default_acl_state, *ret ? ACL_PRESENT : ACL_NONE);
	return err;
}

uint32_t posix_acl_create_mode(struct inode *dir, uint32_t mode)
{
	uint32_t umask = current_fs ? READ_ONCE(current_fs->umask) : 0;
	struct acl *acl;

	if (default_acl_read(dir, &acl) || !acl)
		return mode & ~umask;
	free(acl);
	return mode;
}

int posix_acl_inherit(struct inode *dir, struct inode *inode)
{
	struct iattr attr = { .valid = ATTR_MODE };
	struct acl *acl;
	bool exact;
	int err = default_acl_read(dir, &acl);

	if (err || !acl || LINUX_S_ISLNK(inode->mode) || !inode->ops->setxattr)
		goto out;
	if (LINUX_S_ISDIR(inode->mode)) {
		err = acl_write(inode, ACL_DEFAULT, acl);
		atomic_store(&inode->default_acl_state, ACL_UNKNOWN);
		if (err)
			goto out;
	}
	attr.mode = inode->mode & 0777 & acl_mode(acl, &exact);
	acl_apply_mode(acl, attr.mode);
	attr.mode |= inode->mode & 07000;
	err = inode_setattr_locked(inode, &attr);
	if (!err && !exact) {
		err = acl_write(inode, ACL_ACCESS, acl);
		atomic_store(&inode->acl_state, ACL_UNKNOWN);
	}
out:
	free(acl);
	return err == -LINUX_EOPNOTSUPP ? 0 : err;
}
