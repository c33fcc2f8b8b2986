/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a path back to text: d_path in Linux.
 */
#include <string.h>

#include "vfs/internal.h"

/* Components from the object up to the root, in that order. */
struct upward {
	struct strbuf text; /* "/name" pieces, each written backwards */
};

static void upward_add(struct upward *up, const char *name, size_t len)
{
	while (len)
		strbuf_addc(&up->text, name[--len]);
	strbuf_addc(&up->text, '/');
}

static void upward_flush(struct upward *up, struct strbuf *ret)
{
	for (size_t i = up->text.len; i; i--)
		strbuf_addc(ret, up->text.buf[i - 1]);
	if (!up->text.len)
		strbuf_addc(ret, '/');
	if (up->text.failed)
		ret->failed = true;
	strbuf_fini(&up->text);
}

int path_format_reached(const struct path *p, const struct path *root, struct strbuf *ret, bool *ret_reached)
{
	struct upward up = { STRBUF_INIT };
	struct path at = *p;
	bool deleted = p->dentry->unhashed && p->dentry->parent != p->dentry;

	*ret_reached = false;
	rwlock_read(&dcache_lock);
	for (;;) {
		if (root && path_equal(&at, root)) {
			*ret_reached = true;
			break;
		}
		if (at.dentry == at.mnt->root) {
			if (!at.mnt->parent)
				break;
			at = at.mnt->mountpoint;
			continue;
		}
		if (at.dentry->parent == at.dentry)
			break;
		upward_add(&up, at.dentry->name, at.dentry->name_len);
		at.dentry = at.dentry->parent;
	}
	/* Without a root of one's own the namespace's is meant. */
	if (!root && at.mnt->ns)
		*ret_reached = true;
	rwlock_unlock(&dcache_lock);
	upward_flush(&up, ret);
	if (deleted)
		strbuf_adds(ret, " (deleted)");
	return strbuf_err(ret);
}

int path_format(const struct path *p, const struct path *root, struct strbuf *ret)
{
	struct dentry *d = p->dentry;
	bool reached;

	if (!d->anon)
		return path_format_reached(p, root, ret, &reached);
	strbuf_add(ret, d->name, d->name_len);
	/* shmem files have no link but do have a size: they are shown like removed ones. */
	if (d->inode && LINUX_S_ISREG(d->inode->mode) && !d->inode->own_special && d->name[0] == '/')
		strbuf_adds(ret, " (deleted)");
	return strbuf_err(ret);
}

int path_format_cwd(const struct path *p, const struct path *root, struct strbuf *ret)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	bool reached;
	int err;

	if (p->dentry->unhashed)
		return -LINUX_ENOENT;
	err = path_format_reached(p, root, &text, &reached);
	if (err)
		return err;
	if (!reached)
		strbuf_adds(ret, "(unreachable)");
	strbuf_adds(ret, strbuf_str(&text));
	return strbuf_err(ret);
}

int path_format_in_sb(const struct path *p, struct strbuf *ret)
{
	struct upward up = { STRBUF_INIT };

	rwlock_read(&dcache_lock);
	for (struct dentry *d = p->dentry; d->parent != d; d = d->parent)
		upward_add(&up, d->name, d->name_len);
	rwlock_unlock(&dcache_lock);
	upward_flush(&up, ret);
	return strbuf_err(ret);
}
