/* SPDX-License-Identifier: Apache-2.0 */
/* The host's files as a tree (tar.h).  Links are never followed but at the top. */
#include <stdlib.h>
#include <string.h>

#include "platform/host/host.h"
#include "sentry/abi/dirent.h"
#include "sentry/abi/errno.h"
#include "sentry/abi/fcntl.h"
#include "sentry/abi/stat.h"
#include "sentry/cli/tar.h"

struct open_file {
	int fd;
};

static int tree_stat(const char *path, bool follow, struct tree_node *ret)
{
	struct host_stat st;
	int err = host_fstatat(HOST_AT_FDCWD, path, follow ? 0 : LINUX_AT_SYMLINK_NOFOLLOW, &st);

	if (err)
		return err;
	*ret = (struct tree_node){ st.mode, st.uid, st.gid, st.size, LINUX_MKDEV(st.rdev_major, st.rdev_minor), st.mtime.sec };
	return 0;
}

static int tree_readlink(const char *path, struct strbuf *ret)
{
	char buf[4096];
	ssize_t n = host_readlinkat(HOST_AT_FDCWD, path, buf, sizeof(buf));

	if (n < 0)
		return (int)n;
	strbuf_add(ret, buf, (size_t)n);
	return strbuf_err(ret);
}

static int tree_list(const char *path, struct strbuf *ret)
{
	int fd = host_openat(HOST_AT_FDCWD, path, LINUX_O_RDONLY | LINUX_O_DIRECTORY | LINUX_O_CLOEXEC, 0);
	_Alignas(8) char buf[8192];
	ssize_t n;

	if (fd < 0)
		return fd;
	while ((n = host_getdents64(fd, buf, sizeof(buf))) > 0) {
		for (ssize_t at = 0; at < n;) {
			const struct linux_dirent64 *d = (const struct linux_dirent64 *)(buf + at);

			if (strcmp(d->d_name, ".") && strcmp(d->d_name, ".."))
				strbuf_add(ret, d->d_name, strlen(d->d_name) + 1);
			at += d->d_reclen;
		}
	}
	host_close(fd);
	return n < 0 ? (int)n : strbuf_err(ret);
}

static void *tree_open(const char *path, bool create)
{
	int flags = create ? LINUX_O_WRONLY | LINUX_O_CREAT | LINUX_O_EXCL | LINUX_O_NOFOLLOW : LINUX_O_RDONLY | LINUX_O_NONBLOCK;
	struct open_file *f = malloc(sizeof(*f));
	int err;

	if (!f)
		return ERR_PTR(-LINUX_ENOMEM);
	f->fd = host_openat(HOST_AT_FDCWD, path, flags | LINUX_O_CLOEXEC, 0600);
	if (f->fd >= 0)
		return f;
	err = f->fd;
	free(f);
	return ERR_PTR(err);
}

static int64_t tree_read(void *file, void *buf, size_t len, uint64_t off)
{
	return host_pread(((struct open_file *)file)->fd, buf, len, off);
}

static int64_t tree_write(void *file, const void *buf, size_t len, uint64_t off)
{
	int err = host_pwrite_full(((struct open_file *)file)->fd, buf, len, off);

	return err ? err : (int64_t)len;
}

static void tree_close(void *file)
{
	host_close(((struct open_file *)file)->fd);
	free(file);
}

static int tree_mkdir(const char *path)
{
	return host_mkdirat(HOST_AT_FDCWD, path, 0777);
}

static int tree_symlink(const char *target, const char *path)
{
	return host_symlinkat(target, HOST_AT_FDCWD, path);
}

static int tree_link(const char *old, const char *path)
{
	return host_linkat(HOST_AT_FDCWD, old, HOST_AT_FDCWD, path, 0);
}

static int tree_mknod(const char *path, uint32_t mode, uint64_t rdev)
{
	return host_mknodat(HOST_AT_FDCWD, path, mode, rdev);
}

static int tree_unlink(const char *path)
{
	return host_unlinkat(HOST_AT_FDCWD, path, 0);
}

static int tree_set(const char *path, const struct tree_node *n, bool owner)
{
	struct host_timespec times[2] = { { n->mtime, 0 }, { n->mtime, 0 } };
	int err = owner ? host_fchownat(HOST_AT_FDCWD, path, n->uid, n->gid, LINUX_AT_SYMLINK_NOFOLLOW) : 0;

	if (!err && !LINUX_S_ISLNK(n->mode))
		err = host_fchmodat(HOST_AT_FDCWD, path, n->mode & 07777, 0);
	return err ? err : host_utimensat(HOST_AT_FDCWD, path, times, LINUX_AT_SYMLINK_NOFOLLOW);
}

const struct tree_ops tree_host_ops = {
	.stat = tree_stat, .readlink = tree_readlink, .list = tree_list, .open = tree_open, .read = tree_read, .write = tree_write,
	.close = tree_close, .mkdir = tree_mkdir, .symlink = tree_symlink, .link = tree_link, .mknod = tree_mknod,
	.unlink = tree_unlink, .set = tree_set };
