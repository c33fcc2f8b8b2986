/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Merged directories: the names of all layers are collected when a scan begins, and stay as they are until it begins anew.
 */
#include <stdlib.h>
#include <string.h>

#include "vfs/name_hash.h"
#include "vfs/overlayfs/ovl.h"

struct entry {
	char *name;
	uint64_t ino;
	uint32_t hash;
	unsigned type;
	bool hidden; /* a whiteout */
};

struct listing {
	struct entry *v;
	uint32_t nr, max;
	uint32_t *slots; /* index + 1 by hash */
	uint32_t nr_slots;
	bool valid;
};

struct collect {
	struct dir_context ctx;
	struct listing *l;
	int err;
};

static void listing_free(struct listing *l)
{
	for (uint32_t i = 0; i < l->nr; i++)
		free(l->v[i].name);
	free(l->v);
	free(l->slots);
	memset(l, 0, sizeof(*l));
}

static uint32_t *slot_of(struct listing *l, const char *name, size_t len, uint32_t hash)
{
	uint32_t i = hash & (l->nr_slots - 1);

	for (; l->slots[i]; i = (i + 1) & (l->nr_slots - 1)) {
		const struct entry *e = &l->v[l->slots[i] - 1];

		if (e->hash == hash && strlen(e->name) == len && !memcmp(e->name, name, len))
			break;
	}
	return &l->slots[i];
}

static int listing_grow(struct listing *l)
{
	uint32_t max = l->max ? l->max * 2 : 32;
	struct entry *v = realloc(l->v, max * sizeof(*v));
	uint32_t *slots = calloc(max * 2, sizeof(*slots));

	if (v)
		l->v = v;
	if (!v || !slots) {
		free(slots);
		return -LINUX_ENOMEM;
	}
	free(l->slots);
	l->slots = slots;
	l->nr_slots = max * 2;
	l->max = max;
	for (uint32_t i = 0; i < l->nr; i++)
		*slot_of(l, l->v[i].name, strlen(l->v[i].name), l->v[i].hash) = i + 1;
	return 0;
}

static bool collect_emit(struct dir_context *ctx, const char *name, size_t len, uint64_t ino, unsigned type, uint64_t next)
{
	struct collect *c = container_of(ctx, struct collect, ctx);
	uint32_t hash = name_hash(name, len), *slot;
	struct listing *l = c->l;

	(void)next;
	if ((len == 1 && name[0] == '.') || (len == 2 && name[0] == '.' && name[1] == '.'))
		return true;
	if (l->nr == l->max) {
		c->err = listing_grow(l);
		if (c->err)
			return false;
	}
	slot = slot_of(l, name, len, hash);
	if (*slot)
		return true; /* a layer above has it */
	l->v[l->nr] = (struct entry){ strndup(name, len), ino, hash, type, false };
	if (!l->v[l->nr].name) {
		c->err = -LINUX_ENOMEM;
		return false;
	}
	*slot = ++l->nr;
	return true;
}

/* Which of the entries from @from on, which came from @dir, are whiteouts. */
static int find_whiteouts(struct listing *l, uint32_t from, struct dentry *dir)
{
	for (uint32_t i = from; i < l->nr; i++) {
		struct dentry *d;

		if (l->v[i].type != LINUX_DT_OF_MODE(LINUX_S_IFCHR) && l->v[i].type != LINUX_DT_UNKNOWN)
			continue;
		d = real_lookup(dir, l->v[i].name);
		if (IS_ERR(d))
			return PTR_ERR(d);
		l->v[i].hidden = d->inode && ovl_is_whiteout(d->inode);
		dentry_put(d);
	}
	return 0;
}

static int collect_layer(struct listing *l, const struct path *dir)
{
	struct collect c = { .ctx = { .emit = collect_emit }, .l = l };
	struct file *f = dentry_open(dir, LINUX_O_RDONLY | LINUX_O_DIRECTORY, current_cred);
	uint32_t from = l->nr;
	int err;

	if (IS_ERR(f))
		return PTR_ERR(f);
	rwlock_read(&f->inode->i_rwsem);
	err = f->ops->iterate ? f->ops->iterate(f, &c.ctx) : -LINUX_ENOTDIR;
	rwlock_unlock(&f->inode->i_rwsem);
	if (!err)
		err = c.err;
	if (!err)
		err = find_whiteouts(l, from, dir->dentry);
	fput(f);
	return err;
}

static int listing_make(struct inode *inode, struct listing *l)
{
	struct ovl_inode *oi = OVL_I(inode);
	OVL_CREDS(inode->sb);
	int err = ovl_is_upper(oi) ? collect_layer(l, &oi->upper) : 0;

	for (unsigned i = 0; i < oi->nr_lower && !err; i++)
		err = collect_layer(l, &oi->lower[i]);
	if (err)
		listing_free(l);
	else
		l->valid = true;
	return err;
}

static int ovl_iterate(struct file *f, struct dir_context *ctx)
{
	struct listing *l = f->private_data;
	int err;

	if (ctx->pos == 0)
		listing_free(l);
	if (!dir_emit_dots(f, ctx))
		return 0;
	if (!l->valid) {
		err = listing_make(f->inode, l);
		if (err)
			return err;
	}
	for (uint64_t i = ctx->pos - 2; i < l->nr; i++) {
		const struct entry *e = &l->v[i];

		if (!e->hidden && !ctx->emit(ctx, e->name, strlen(e->name), e->ino, e->type, i + 3))
			break;
		ctx->pos = i + 3;
	}
	return 0;
}

static int ovl_dir_open(struct inode *inode, struct file *f)
{
	(void)inode;
	f->private_data = calloc(1, sizeof(struct listing));
	return f->private_data ? 0 : -LINUX_ENOMEM;
}

static void ovl_dir_release(struct file *f)
{
	if (f->private_data)
		listing_free(f->private_data);
	free(f->private_data);
}

static int ovl_dir_fsync(struct file *f, uint64_t start, uint64_t end, bool datasync)
{
	struct ovl_inode *oi = OVL_I(f->inode);
	OVL_CREDS(f->inode->sb);
	struct file *real;
	int err;

	if (!ovl_is_upper(oi))
		return 0;
	real = dentry_open(&oi->upper, LINUX_O_RDONLY | LINUX_O_DIRECTORY, current_cred);
	if (IS_ERR(real))
		return PTR_ERR(real);
	err = vfs_fsync_range(real, start, end, datasync);
	fput(real);
	return err;
}

const struct file_ops ovl_dir_ops = {
	.iterate = ovl_iterate,
	.llseek = generic_dir_llseek,
	.open = ovl_dir_open,
	.release = ovl_dir_release,
	.fsync = ovl_dir_fsync,
};

int ovl_dir_empty(struct inode *dir)
{
	struct listing l = { 0 };
	int err = listing_make(dir, &l);

	for (uint32_t i = 0; i < l.nr && !err; i++)
		err = l.v[i].hidden ? 0 : -LINUX_ENOTEMPTY;
	listing_free(&l);
	return err;
}

int ovl_dir_clear(const struct path *upper)
{
	struct listing l = { 0 };
	int err = collect_layer(&l, upper);

	for (uint32_t i = 0; i < l.nr && !err; i++)
		err = l.v[i].hidden ? real_remove(upper->dentry, l.v[i].name) : -LINUX_ENOTEMPTY;
	listing_free(&l);
	return err;
}
