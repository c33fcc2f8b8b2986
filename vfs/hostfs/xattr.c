/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "vfs/hostfs/hostfs_fs.h"

#define XATTR_LIST_MAX 65536

static bool name_supported(const char *name)
{
	return !strncmp(name, "user.", 5) || !strncmp(name, "trusted.", 8) || !strncmp(name, "security.", 9) ||
	       !strcmp(name, "system.posix_acl_access") || !strcmp(name, "system.posix_acl_default");
}

/* A descriptor for the attributes of @inode, if there can be one of @name (NULL: any). */
static int xattr_fd(struct inode *inode, const char *name, struct hostfs_fd **ret)
{
	if ((name && !name_supported(name)) || HOSTFS_I(inode)->closed)
		return -LINUX_EOPNOTSUPP;
	return hostfs_fd_get_any(HOSTFS_I(inode), ret);
}

int64_t hostfs_getxattr(struct inode *inode, const char *name, void *buf, size_t size)
{
	_cleanup_hostfs_fd_ struct hostfs_fd *hfd = NULL;
	int err = xattr_fd(inode, name, &hfd);

	return err ? err : host_fgetxattr(hfd->fd, name, buf, size);
}

int hostfs_setxattr(struct inode *inode, const char *name, const void *value, size_t size, int flags)
{
	_cleanup_hostfs_fd_ struct hostfs_fd *hfd = NULL;
	int err = xattr_fd(inode, name, &hfd);

	if (!err)
		err = host_fsetxattr(hfd->fd, name, value, size, flags);
	if (!err)
		hostfs_refresh_own(inode);
	return err;
}

int hostfs_removexattr(struct inode *inode, const char *name)
{
	_cleanup_hostfs_fd_ struct hostfs_fd *hfd = NULL;
	int err = xattr_fd(inode, name, &hfd);

	if (!err)
		err = host_fremovexattr(hfd->fd, name);
	if (!err)
		hostfs_refresh_own(inode);
	return err;
}

int hostfs_listxattr(struct inode *inode, struct strbuf *ret)
{
	_cleanup_hostfs_fd_ struct hostfs_fd *hfd = NULL;
	int err = xattr_fd(inode, NULL, &hfd);
	ssize_t n;
	char *buf;

	if (err)
		return err == -LINUX_EOPNOTSUPP ? 0 : err;
	buf = malloc(XATTR_LIST_MAX);
	if (!buf)
		return -LINUX_ENOMEM;
	n = host_flistxattr(hfd->fd, buf, XATTR_LIST_MAX);
	for (ssize_t off = 0; off < n; off += strlen(buf + off) + 1)
		if (name_supported(buf + off))
			strbuf_add(ret, buf + off, strlen(buf + off) + 1);
	free(buf);
	return n < 0 ? n : strbuf_err(ret);
}
