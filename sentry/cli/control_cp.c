/* SPDX-License-Identifier: Apache-2.0 */
/* `sentry cp`, the sentry's part: the guest's files as a tree (tar.h), packed into a stream of the client's, or unpacked from one. */
#include <stdlib.h>
#include <string.h>

#include "sentry/abi/errno.h"
#include "sentry/abi/fcntl.h"
#include "sentry/abi/stat.h"
#include "sentry/cli/cli.h"
#include "sentry/cli/control.h"
#include "sentry/cli/tar.h"
#include "sentry/kernel/kernel.h"
#include "vfs/readdir.h"

static int guest_path(const char *name, bool follow, struct path *ret)
{
	return path_lookupat(LINUX_AT_FDCWD, name, follow ? LOOKUP_FOLLOW : 0, ret);
}

static int tree_stat(const char *name, bool follow, struct tree_node *ret)
{
	_cleanup_path_ struct path path = { NULL, NULL };
	struct kstat st;
	int err = guest_path(name, follow, &path);

	if (!err)
		err = vfs_getattr(&path, &st);
	if (!err)
		*ret = (struct tree_node){ st.mode, st.uid, st.gid, st.size, st.rdev, st.mtime.sec };
	return err;
}

static int tree_readlink(const char *name, struct strbuf *ret)
{
	_cleanup_path_ struct path path = { NULL, NULL };
	int err = guest_path(name, false, &path);

	if (!err)
		err = path.dentry->inode->ops->readlink ? path.dentry->inode->ops->readlink(path.dentry->inode, ret) : -LINUX_EINVAL;
	return err;
}

struct names {
	struct dir_context ctx;
	struct strbuf *ret;
};

static bool add_name(struct dir_context *ctx, const char *name, size_t len, uint64_t ino __unused, unsigned type __unused,
		     uint64_t next __unused)
{
	struct strbuf *ret = container_of(ctx, struct names, ctx)->ret;

	if ((len != 1 || *name != '.') && (len != 2 || memcmp(name, "..", 2))) {
		strbuf_add(ret, name, len);
		strbuf_add(ret, "", 1);
	}
	return !strbuf_err(ret);
}

static int tree_list(const char *name, struct strbuf *ret)
{
	_cleanup_fput_ struct file *f = filp_open(name, LINUX_O_RDONLY | LINUX_O_DIRECTORY | LINUX_O_NOFOLLOW, 0);
	struct names n = { .ctx = { .emit = add_name }, .ret = ret };
	size_t had;
	int err;

	if (IS_ERR(f)) {
		err = (int)PTR_ERR(f);
		f = NULL;
		return err;
	}
	do {
		had = ret->len;
		mutex_lock(&f->pos_lock);
		err = iterate_dir(f, &n.ctx);
		mutex_unlock(&f->pos_lock);
	} while (!err && ret->len > had && !strbuf_err(ret));
	return err ? err : strbuf_err(ret);
}

static void *tree_open(const char *name, bool create)
{
	/* What is not a regular file any more must not be waited for. */
	uint32_t flags = create ? LINUX_O_WRONLY | LINUX_O_CREAT | LINUX_O_EXCL | LINUX_O_NOFOLLOW : LINUX_O_RDONLY | LINUX_O_NONBLOCK;

	return filp_open(name, flags, 0600);
}

static int64_t tree_read(void *file, void *buf, size_t len, uint64_t off)
{
	return kernel_read(file, buf, len, off);
}

static int64_t tree_write(void *file, const void *buf, size_t len, uint64_t off)
{
	return kernel_write(file, buf, len, off);
}

static void tree_close(void *file)
{
	fput(file);
}

static int tree_mkdir(const char *name)
{
	return do_mkdirat(LINUX_AT_FDCWD, name, 0755);
}

static int tree_symlink(const char *target, const char *name)
{
	return do_symlinkat(target, LINUX_AT_FDCWD, name);
}

static int tree_link(const char *old, const char *name)
{
	return do_linkat(LINUX_AT_FDCWD, old, LINUX_AT_FDCWD, name, 0);
}

static int tree_mknod(const char *name, uint32_t mode, uint64_t rdev)
{
	return do_mknodat(LINUX_AT_FDCWD, name, mode, rdev);
}

static int tree_unlink(const char *name)
{
	return do_unlinkat(LINUX_AT_FDCWD, name);
}

static int tree_set(const char *name, const struct tree_node *n, bool owner)
{
	struct timespec64 times[2] = { { n->mtime, 0 }, { n->mtime, 0 } };
	_cleanup_path_ struct path path = { NULL, NULL };
	int err = guest_path(name, false, &path);

	if (!err && owner)
		err = vfs_chown(&path, n->uid, n->gid);
	if (!err && !LINUX_S_ISLNK(n->mode))
		err = vfs_chmod(&path, n->mode & 07777);
	return err ? err : vfs_utimes(&path, times);
}

static const struct tree_ops tree_guest_ops = {
	.stat = tree_stat, .readlink = tree_readlink, .list = tree_list, .open = tree_open, .read = tree_read, .write = tree_write,
	.close = tree_close, .mkdir = tree_mkdir, .symlink = tree_symlink, .link = tree_link, .mknod = tree_mknod,
	.unlink = tree_unlink, .set = tree_set };

/* --- requests --- */

/* The path, and behind it the top's name; NULL when it is nonsense. */
static const char *parse(const struct control_message *m, struct control_copy *ret, const char **ret_top)
{
	const char *path, *end;

	if (m->size < sizeof(*ret) + 2 || m->data[m->size - 1])
		return NULL;
	memcpy(ret, m->data, sizeof(*ret));
	path = (const char *)m->data + sizeof(*ret);
	end = (const char *)m->data + m->size;
	*ret_top = path + strlen(path) + 1;
	return *ret_top < end && *path == '/' ? path : NULL;
}

static void serve_stat(int sock, const char *path, bool follow)
{
	struct tree_node n;
	int err = tree_stat(path, follow, &n);
	const char *what = err == -LINUX_ENOENT ? "missing" : err ? NULL : LINUX_S_ISDIR(n.mode) ? "directory" : "file";

	if (what)
		control_send(sock, CONTROL_TEXT, what, strlen(what) + 1, NULL, 0);
	else
		control_error(sock, STATUS_SENTRY, "'%s' in the guest: %s", path, cli_strerror(err));
}

static void serve_stream(int sock, struct control_message *m, const struct control_copy *req, const char *path, const char *top)
{
	_cleanup_strbuf_ struct strbuf bad = STRBUF_INIT;
	int err;

	if (m->type == CONTROL_COPY_OUT)
		err = tar_pack(&tree_guest_ops, path, req->flags & CONTROL_COPY_FOLLOW, top, m->fds[0]);
	else
		err = tar_unpack(&tree_guest_ops, strcmp(path, "/") ? path : "", *top ? top : NULL,
				 req->flags & CONTROL_COPY_OWNER, m->fds[0], &bad);
	/* Its end is that of the stream. */
	host_close(m->fds[0]);
	m->fds[0] = -1;
	if (err)
		control_error(sock, STATUS_SENTRY, "copying '%s' in the guest%s%s: %s", path, bad.len ? ", " : "", strbuf_str(&bad),
			      cli_strerror(err));
	else
		control_send(sock, CONTROL_DONE, NULL, 0, NULL, 0);
}

void control_serve_copy(int sock, struct control_message *m)
{
	struct control_copy req;
	const char *top, *path = parse(m, &req, &top);

	current_fs = kernel_init_fs();
	if (!path || m->nr_fds != (m->type == CONTROL_COPY_STAT ? 0U : 1U))
		control_error(sock, STATUS_SENTRY, "malformed request");
	else if (!current_fs)
		control_error(sock, STATUS_SENTRY, "the guest is ending");
	else if (m->type == CONTROL_COPY_STAT)
		serve_stat(sock, path, req.flags & CONTROL_COPY_FOLLOW);
	else
		serve_stream(sock, m, &req, path, top);
}
