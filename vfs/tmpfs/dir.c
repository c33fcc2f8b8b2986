/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tmpfs directories: entries in two trees, by name for look-up and by position for getdents.
 */
#include <stdlib.h>
#include <string.h>

#include "sentry/abi/fcntl.h"
#include "vfs/name_hash.h"
#include "vfs/tmpfs/tmpfs_fs.h"

#define ENTRY_SIZE 20 /* what an entry adds to a directory's size (BOGO_DIRENT_SIZE) */

static int entry_cmp_name(const struct tmpfs_entry *e, uint32_t hash, const char *name)
{
	if (e->hash != hash)
		return e->hash < hash ? -1 : 1;
	return strcmp(e->name, name);
}

static int by_name_cmp(const struct rb_node *a, const struct rb_node *b)
{
	const struct tmpfs_entry *x = rb_entry(a, struct tmpfs_entry, by_name),
				 *y = rb_entry(b, struct tmpfs_entry, by_name);

	return entry_cmp_name(x, y->hash, y->name);
}

static int by_pos_cmp(const struct rb_node *a, const struct rb_node *b)
{
	const struct tmpfs_entry *x = rb_entry(a, struct tmpfs_entry, by_pos),
				 *y = rb_entry(b, struct tmpfs_entry, by_pos);

	return x->pos < y->pos ? -1 : x->pos > y->pos;
}

static struct tmpfs_entry *entry_find(struct tmpfs_inode *dir, const char *name)
{
	uint32_t hash = name_hash(name, strlen(name));
	struct rb_node *n = dir->names.node;

	while (n) {
		struct tmpfs_entry *e = rb_entry(n, struct tmpfs_entry, by_name);
		int c = entry_cmp_name(e, hash, name);

		if (!c)
			return e;
		n = c > 0 ? n->left : n->right;
	}
	return NULL;
}

/* Takes the inode reference; on failure nothing changed but that it was put. */
static int entry_add(struct inode *dir, const char *name, struct inode *inode)
{
	struct tmpfs_inode *ti = TMPFS_I(dir);
	size_t len = strlen(name);
	struct tmpfs_entry *e = malloc(sizeof(*e) + len + 1);

	if (!e) {
		inode_put(inode);
		return -LINUX_ENOMEM;
	}
	memcpy(e->name, name, len + 1);
	e->hash = name_hash(name, len);
	e->inode = inode;
	e->pos = ti->next_pos++;
	rb_insert(&ti->names, &e->by_name, by_name_cmp);
	rb_insert(&ti->order, &e->by_pos, by_pos_cmp);
	ti->nr_entries++;
	mutex_lock(&dir->i_lock);
	dir->size += ENTRY_SIZE;
	mutex_unlock(&dir->i_lock);
	inode_touch_mtime(dir);
	return 0;
}

/* Takes the entry out and frees it; its inode reference goes to the caller. */
static struct inode *entry_remove(struct inode *dir, struct tmpfs_entry *e)
{
	struct tmpfs_inode *ti = TMPFS_I(dir);
	struct inode *inode = e->inode;

	rb_erase(&ti->names, &e->by_name);
	rb_erase(&ti->order, &e->by_pos);
	ti->nr_entries--;
	mutex_lock(&dir->i_lock);
	dir->size -= ENTRY_SIZE;
	mutex_unlock(&dir->i_lock);
	inode_touch_mtime(dir);
	free(e);
	return inode;
}

static void entries_splice(struct tmpfs_inode *ti, struct list_head *to)
{
	struct rb_node *n;

	while ((n = ti->order.node)) {
		struct tmpfs_entry *e = rb_entry(n, struct tmpfs_entry, by_pos);

		rb_erase(&ti->order, n);
		list_add_tail(&e->link, to);
	}
	ti->names.node = NULL;
	ti->nr_entries = 0;
}

/* A tree of any depth: its entries are flattened into one list, so that no put has more to free than its own inode. */
void tmpfs_dir_free(struct inode *dir)
{
	LIST_HEAD(todo);

	entries_splice(TMPFS_I(dir), &todo);
	while (!list_empty(&todo)) {
		struct tmpfs_entry *e = list_first_entry(&todo, struct tmpfs_entry, link);

		list_del(&e->link);
		if (LINUX_S_ISDIR(e->inode->mode))
			entries_splice(TMPFS_I(e->inode), &todo);
		inode_put(e->inode);
		free(e);
	}
}

/* --- inode operations --- */

static struct inode *tmpfs_lookup(struct inode *dir, const char *name)
{
	struct tmpfs_entry *e = entry_find(TMPFS_I(dir), name);

	return e ? inode_get(e->inode) : ERR_PTR(-LINUX_ENOENT);
}

/* Enters a new inode (one reference, which the entry gets) and returns a second reference for the caller. */
static struct inode *enter_new(struct inode *dir, const char *name, struct inode *inode)
{
	int err;

	if (IS_ERR(inode))
		return inode;
	err = entry_add(dir, name, inode);
	return err ? ERR_PTR(err) : inode_get(inode);
}

static struct inode *tmpfs_mknod(struct inode *dir, const char *name, uint32_t mode, uint64_t rdev)
{
	return enter_new(dir, name, tmpfs_inode_new(dir->sb, dir, mode, rdev));
}

static struct inode *tmpfs_mkdir(struct inode *dir, const char *name, uint32_t mode)
{
	struct inode *inode = enter_new(dir, name, tmpfs_inode_new(dir->sb, dir, mode, 0));

	if (!IS_ERR(inode))
		atomic_fetch_add(&dir->nlink, 1);
	return inode;
}

static struct inode *tmpfs_symlink(struct inode *dir, const char *name, const char *target)
{
	struct inode *inode = tmpfs_inode_new(dir->sb, dir, LINUX_S_IFLNK | 0777, 0);

	if (IS_ERR(inode))
		return inode;
	TMPFS_I(inode)->target = strdup(target);
	if (!TMPFS_I(inode)->target) {
		inode_put(inode);
		return ERR_PTR(-LINUX_ENOMEM);
	}
	inode->size = strlen(target);
	return enter_new(dir, name, inode);
}

static struct inode *tmpfs_tmpfile(struct inode *dir, uint32_t mode)
{
	struct inode *inode = tmpfs_inode_new(dir->sb, dir, mode, 0);

	if (!IS_ERR(inode))
		atomic_store(&inode->nlink, 0);
	return inode;
}

static int tmpfs_link(struct inode *dir, const char *name, struct inode *inode)
{
	int err = entry_add(dir, name, inode_get(inode));

	if (!err) {
		atomic_fetch_add(&inode->nlink, 1);
		inode_touch_ctime(inode);
	}
	return err;
}

static int tmpfs_unlink(struct inode *dir, const char *name, struct inode *inode)
{
	struct tmpfs_entry *e = entry_find(TMPFS_I(dir), name);

	if (!e)
		return -LINUX_ENOENT;
	atomic_fetch_sub(&inode->nlink, 1);
	inode_touch_ctime(inode);
	inode_put(entry_remove(dir, e));
	return 0;
}

static int tmpfs_rmdir(struct inode *dir, const char *name, struct inode *inode)
{
	int err;

	if (TMPFS_I(inode)->nr_entries)
		return -LINUX_ENOTEMPTY;
	err = tmpfs_unlink(dir, name, inode);
	if (!err) {
		atomic_fetch_sub(&inode->nlink, 1);
		atomic_fetch_sub(&dir->nlink, 1);
	}
	return err;
}

static int tmpfs_exchange(struct inode *old_dir, struct tmpfs_entry *a, struct inode *new_dir, struct tmpfs_entry *b)
{
	struct inode *inode = a->inode;

	if (old_dir != new_dir) {
		bool a_dir = LINUX_S_ISDIR(a->inode->mode), b_dir = LINUX_S_ISDIR(b->inode->mode);

		atomic_fetch_add(&old_dir->nlink, b_dir - a_dir);
		atomic_fetch_add(&new_dir->nlink, a_dir - b_dir);
	}
	a->inode = b->inode;
	b->inode = inode;
	inode_touch_ctime(a->inode);
	inode_touch_ctime(b->inode);
	inode_touch_mtime(old_dir);
	inode_touch_mtime(new_dir);
	return 0;
}

static int tmpfs_rename(struct inode *old_dir, const char *old_name, struct inode *inode, struct inode *new_dir,
			const char *new_name, struct inode *target, unsigned flags)
{
	struct tmpfs_entry *old = entry_find(TMPFS_I(old_dir), old_name), *new = NULL;
	bool is_dir = LINUX_S_ISDIR(inode->mode);
	struct inode *whiteout = NULL;
	int err;

	if (target)
		new = entry_find(TMPFS_I(new_dir), new_name);
	if (!old || (target && !new))
		return -LINUX_ENOENT;
	if (flags & LINUX_RENAME_EXCHANGE)
		return tmpfs_exchange(old_dir, old, new_dir, new);
	if (target && is_dir && TMPFS_I(target)->nr_entries)
		return -LINUX_ENOTEMPTY;
	if (flags & LINUX_RENAME_WHITEOUT) {
		whiteout = tmpfs_inode_new(old_dir->sb, old_dir, LINUX_S_IFCHR, 0);
		if (IS_ERR(whiteout))
			return (int)PTR_ERR(whiteout);
	}
	if (new) {
		/* The entry stays and gets another inode. */
		new->inode = inode_get(inode);
		atomic_fetch_sub(&target->nlink, is_dir ? 2 : 1);
		if (is_dir)
			atomic_fetch_sub(&new_dir->nlink, 1);
		inode_touch_ctime(target);
		inode_put(target);
		inode_touch_mtime(new_dir);
	} else {
		err = entry_add(new_dir, new_name, inode_get(inode));
		if (err) {
			if (whiteout)
				inode_put(whiteout);
			return err;
		}
	}
	if (whiteout) {
		inode_put(old->inode);
		old->inode = whiteout;
	} else {
		inode_put(entry_remove(old_dir, old));
	}
	if (is_dir) {
		atomic_fetch_sub(&old_dir->nlink, 1);
		atomic_fetch_add(&new_dir->nlink, 1);
	}
	inode_touch_ctime(inode);
	return 0;
}

static int tmpfs_readlink(struct inode *inode, struct strbuf *ret)
{
	strbuf_adds(ret, TMPFS_I(inode)->target);
	return 0;
}

const struct inode_ops tmpfs_dir_inode_ops = {
	.lookup = tmpfs_lookup,
	.mknod = tmpfs_mknod,
	.mkdir = tmpfs_mkdir,
	.symlink = tmpfs_symlink,
	.link = tmpfs_link,
	.unlink = tmpfs_unlink,
	.rmdir = tmpfs_rmdir,
	.rename = tmpfs_rename,
	.tmpfile = tmpfs_tmpfile,
	.getattr = tmpfs_getattr,
	.setattr = tmpfs_setattr,
	.getxattr = tmpfs_getxattr,
	.setxattr = tmpfs_setxattr,
	.removexattr = tmpfs_removexattr,
	.listxattr = tmpfs_listxattr,
};

const struct inode_ops tmpfs_symlink_inode_ops = {
	.readlink = tmpfs_readlink,
	.getattr = tmpfs_getattr,
	.setattr = tmpfs_setattr,
	.getxattr = tmpfs_getxattr,
	.setxattr = tmpfs_setxattr,
	.removexattr = tmpfs_removexattr,
	.listxattr = tmpfs_listxattr,
};

/* --- getdents --- */

static struct tmpfs_entry *entry_from(struct tmpfs_inode *dir, uint64_t pos)
{
	struct tmpfs_entry *found = NULL;
	struct rb_node *n = dir->order.node;

	while (n) {
		struct tmpfs_entry *e = rb_entry(n, struct tmpfs_entry, by_pos);

		if (e->pos < pos) {
			n = n->right;
			continue;
		}
		found = e;
		n = n->left;
	}
	return found;
}

static int tmpfs_iterate(struct file *f, struct dir_context *ctx)
{
	struct tmpfs_inode *dir = TMPFS_I(f->inode);
	struct tmpfs_entry *e;

	if (!dir_emit_dots(f, ctx))
		return 0;
	for (e = entry_from(dir, ctx->pos); e;) {
		struct rb_node *next = rb_next(&e->by_pos);

		if (!ctx->emit(ctx, e->name, strlen(e->name), e->inode->ino, LINUX_DT_OF_MODE(e->inode->mode),
			       e->pos + 1))
			break;
		ctx->pos = e->pos + 1;
		e = rb_entry_or_null(next, struct tmpfs_entry, by_pos);
	}
	return 0;
}

static int tmpfs_dir_fsync(struct file *f __unused, uint64_t start __unused, uint64_t end __unused,
			   bool datasync __unused)
{
	return 0;
}

const struct file_ops tmpfs_dir_ops = {
	.iterate = tmpfs_iterate,
	.llseek = generic_dir_llseek,
	.fsync = tmpfs_dir_fsync,
};
