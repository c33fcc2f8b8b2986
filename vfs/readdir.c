/* SPDX-License-Identifier: Apache-2.0 */
/*
 * getdents(2), getdents64(2), and readdir's helpers.
 */
#include "vfs/readdir.h"

#include <string.h>

#include "sentry/abi/dirent.h"
#include "vfs/fsnotify.h"
#include "vfs/internal.h"

bool dir_emit_dots(struct file *f, struct dir_context *ctx)
{
	struct inode *parent;
	uint64_t ino;

	if (ctx->pos == 0) {
		if (!ctx->emit(ctx, ".", 1, f->inode->ino, LINUX_DT_DIR, 1))
			return false;
		ctx->pos = 1;
	}
	if (ctx->pos == 1) {
		rwlock_read(&dcache_lock);
		parent = f->path.dentry->parent->inode;
		ino = parent ? parent->ino : f->inode->ino;
		rwlock_unlock(&dcache_lock);
		if (!ctx->emit(ctx, "..", 2, ino, LINUX_DT_DIR, 2))
			return false;
		ctx->pos = 2;
	}
	return true;
}

int iterate_dir(struct file *f, struct dir_context *ctx)
{
	struct inode *inode = f->inode;
	int err;

	if (!f->ops->iterate)
		return -LINUX_ENOTDIR;
	err = fanotify_perm(f, LINUX_FAN_ACCESS_PERM);
	if (err)
		return err;
	rwlock_read(&inode->i_rwsem);
	/* A removed directory has no entries, not even "." (fs/readdir.c). */
	if (inode->dead) {
		err = -LINUX_ENOENT;
	} else {
		ctx->pos = f->pos;
		err = f->ops->iterate(f, ctx);
		f->pos = ctx->pos;
		inode_touch_atime(inode, f->path.mnt);
	}
	rwlock_unlock(&inode->i_rwsem);
	if (!err)
		fsnotify_file(f, FS_ACCESS);
	return err;
}

/* Records are made here and copied to the guest in one go. */
struct getdents_ctx {
	struct dir_context ctx;
	char *buf;
	size_t len, size;
	bool old; /* struct linux_dirent */
	bool too_small;
};

static bool getdents_emit(struct dir_context *ctx, const char *name, size_t len, uint64_t ino, unsigned type,
			  uint64_t next)
{
	struct getdents_ctx *g = container_of(ctx, struct getdents_ctx, ctx);
	size_t head = g->old ? sizeof(struct linux_dirent) : sizeof(struct linux_dirent64);
	size_t reclen = ALIGN_UP(head + len + 1 + (g->old ? 1 : 0), 8);
	char *p = g->buf + g->len;

	if (len > NAME_MAX_LEN)
		return true; /* what can't be shown is not there */
	if (reclen > g->size - g->len) {
		g->too_small = true;
		return false;
	}
	memset(p, 0, reclen);
	if (g->old) {
		struct linux_dirent d = { .d_ino = ino, .d_off = next, .d_reclen = reclen };

		memcpy(p, &d, sizeof(d));
		p[reclen - 1] = type;
	} else {
		struct linux_dirent64 d = { .d_ino = ino, .d_off = next, .d_reclen = reclen, .d_type = type };

		memcpy(p, &d, sizeof(d));
	}
	memcpy(p + head, name, len);
	g->len += reclen;
	return true;
}

int64_t dir_getdents(struct file *f, char *buf, size_t size, bool old)
{
	struct getdents_ctx g = { .ctx.emit = getdents_emit, .buf = buf, .size = size, .old = old };
	int err = iterate_dir(f, &g.ctx);

	if (g.len)
		return g.len;
	if (err)
		return err;
	return g.too_small ? -LINUX_EINVAL : 0;
}

int64_t generic_dir_llseek(struct file *f, int64_t off, int whence)
{
	if (whence == LINUX_SEEK_CUR)
		off = (int64_t)((uint64_t)off + f->pos);
	else if (whence != LINUX_SEEK_SET)
		return -LINUX_EINVAL;
	if (off < 0)
		return -LINUX_EINVAL;
	f->pos = off;
	return off;
}
