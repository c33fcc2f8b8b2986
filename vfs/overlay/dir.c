/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Directories: what the lower one has, with a table of the names that differ.
 *
 *     entry                    the name
 *     none                     as in the lower directory
 *     over,  inode             the lower's name, now meaning `inode`; shown where the lower shows it
 *     over,  no inode          a whiteout
 *     !over, inode             a new name, shown behind the lower's, in the order of creation
 *
 * So positions hold while names come and go: those below OVERLAY_POS_NEW are the lower's own, and never change; new names
 * get ever higher ones.  A program that renames or replaces what it reads does not meet it again for ever: a replaced name keeps
 * its position, and a reader does not see names made after it began (f->private_data holds the position to stop at).
 */
#include <stdlib.h>
#include <string.h>

#include "vfs/name_hash.h"
#include "vfs/overlay/overlay_fs.h"

struct overlay_dir {
	struct overlay_entry **buckets;
	uint32_t nr_buckets; /* a power of two */
	uint32_t nr;	     /* entries */
	uint32_t nr_visible; /* entries that have an inode */
	struct rb_root by_pos;
	uint64_t next_pos;
};

static struct overlay_dir *dir_new(void)
{
	struct overlay_dir *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->nr_buckets = 8;
	d->buckets = calloc(d->nr_buckets, sizeof(struct overlay_entry *));
	if (!d->buckets) {
		free(d);
		return NULL;
	}
	d->next_pos = OVERLAY_POS_NEW;
	return d;
}

/* --- the table --- */

static struct overlay_entry **entry_link(struct overlay_dir *d, const char *name, size_t len, uint32_t hash)
{
	struct overlay_entry **p = &d->buckets[hash & (d->nr_buckets - 1)];

	while (*p && ((*p)->hash != hash || (*p)->len != len || memcmp((*p)->name, name, len)))
		p = &(*p)->hash_next;
	return p;
}

static struct overlay_entry *entry_find(struct overlay_dir *d, const char *name, size_t len)
{
	return d ? *entry_link(d, name, len, name_hash(name, len)) : NULL;
}

/* When there is no memory for more buckets the chains grow instead. */
static void table_grow(struct overlay_dir *d)
{
	uint32_t nr = d->nr_buckets * 2;
	struct overlay_entry **buckets = calloc(nr, sizeof(struct overlay_entry *));

	if (!buckets)
		return;
	for (uint32_t i = 0; i < d->nr_buckets; i++) {
		for (struct overlay_entry *e = d->buckets[i], *next; e; e = next) {
			struct overlay_entry **p = &buckets[e->hash & (nr - 1)];

			next = e->hash_next;
			e->hash_next = *p;
			*p = e;
		}
	}
	free(d->buckets);
	d->buckets = buckets;
	d->nr_buckets = nr;
}

static int pos_cmp(const struct rb_node *a, const struct rb_node *b)
{
	uint64_t pa = rb_entry(a, struct overlay_entry, by_pos)->pos, pb = rb_entry(b, struct overlay_entry, by_pos)->pos;

	return pa < pb ? -1 : pa > pb;
}

static void entry_free(struct overlay_dir *d, struct overlay_entry *e)
{
	struct overlay_entry **p = entry_link(d, e->name, e->len, e->hash);

	*p = e->hash_next;
	d->nr--;
	free(e);
}

static struct overlay_entry *entry_new(struct overlay_dir *d, const char *name, size_t len, struct inode *inode)
{
	struct overlay_entry *e = malloc(sizeof(*e) + len + 1), **p;

	if (!e)
		return NULL;
	*e = (struct overlay_entry){ .hash = name_hash(name, len), .len = len, .over = inode };
	memcpy(e->name, name, len + 1);
	/* What has a name but no entry is the lower's. */
	if (inode) {
		e->inode = inode_get(inode);
		d->nr_visible++;
	}
	if (d->nr >= d->nr_buckets)
		table_grow(d);
	p = &d->buckets[e->hash & (d->nr_buckets - 1)];
	e->hash_next = *p;
	*p = e;
	d->nr++;
	return e;
}

struct overlay_entry *overlay_entry_get(struct inode *dir, const char *name, struct inode *inode)
{
	struct overlay_inode_info *oi = OVERLAY_I(dir);
	size_t len = strlen(name);
	struct overlay_entry *e;

	if (!oi->dir) {
		oi->dir = dir_new();
		if (!oi->dir)
			return NULL;
	}
	overlay_changed(dir, OVERLAY_ENTRIES);
	e = entry_find(oi->dir, name, len);
	return e ? e : entry_new(oi->dir, name, len, inode);
}

void overlay_entry_set(struct inode *dir, struct overlay_entry *e, struct inode *inode)
{
	struct overlay_dir *d = OVERLAY_I(dir)->dir;
	struct inode *old = e->inode;

	if (inode)
		inode_get(inode);
	e->inode = inode;
	d->nr_visible += !!inode - !!old;
	if (!e->over && inode && !old) {
		e->pos = d->next_pos++;
		rb_insert(&d->by_pos, &e->by_pos, pos_cmp);
	} else if (!e->over && !inode) {
		if (old)
			rb_erase(&d->by_pos, &e->by_pos);
		entry_free(d, e);
	}
	if (old)
		inode_put(old);
}

void overlay_dir_free(struct overlay_inode_info *oi)
{
	struct overlay_dir *d = oi->dir;

	if (!d)
		return;
	oi->dir = NULL;
	for (uint32_t i = 0; i < d->nr_buckets; i++) {
		for (struct overlay_entry *e = d->buckets[i], *next; e; e = next) {
			next = e->hash_next;
			if (e->inode)
				inode_put(e->inode);
			free(e);
		}
	}
	free(d->buckets);
	free(d);
}

/* --- the lower directory --- */

static int lower_iterate(struct overlay_inode_info *oi, struct dir_context *ctx)
{
	struct inode *lower = oi->lower;
	struct file f = { .inode = lower, .ops = lower->fops, .fmode = FMODE_READ };
	int err = f.ops->open ? f.ops->open(lower, &f) : 0;

	if (err)
		return err;
	rwlock_read(&lower->i_rwsem);
	err = f.ops->iterate(&f, ctx);
	rwlock_unlock(&lower->i_rwsem);
	if (f.ops->release)
		f.ops->release(&f);
	return err;
}

struct inode *overlay_lookup(struct inode *dir, const char *name)
{
	struct overlay_inode_info *oi = OVERLAY_I(dir);
	struct overlay_entry *e = entry_find(oi->dir, name, strlen(name));
	struct inode *lower;

	if (e)
		return e->inode ? inode_get(e->inode) : ERR_PTR(-LINUX_ENOENT);
	if (!oi->lower)
		return ERR_PTR(-LINUX_ENOENT);
	rwlock_read(&oi->lower->i_rwsem);
	lower = oi->lower->ops->lookup(oi->lower, name);
	rwlock_unlock(&oi->lower->i_rwsem);
	return IS_ERR(lower) ? lower : overlay_iget(OVERLAY_SB(dir->sb), lower);
}

/* --- reading --- */

/* Passes the lower's names on, but for those with an entry. */
struct merge_context {
	struct dir_context ctx; /* what the lower sees */
	struct dir_context *up;
	struct overlay_dir *dir;
	bool full;
};

static bool merge_emit(struct dir_context *ctx, const char *name, size_t len, uint64_t ino, unsigned type, uint64_t next)
{
	struct merge_context *m = container_of(ctx, struct merge_context, ctx);
	struct overlay_entry *e = entry_find(m->dir, name, len);

	if (e) {
		/* A new name that the lower has meanwhile is shown once, with the new ones. */
		if (!e->inode || !e->over)
			return true;
		ino = e->inode->ino;
		type = LINUX_DT_OF_MODE(e->inode->mode);
	}
	m->full = !m->up->emit(m->up, name, len, ino, type, next);
	return !m->full;
}

/* *ret_done: no name of the lower is left. */
static int iterate_lower(struct overlay_inode_info *oi, struct dir_context *ctx, bool *ret_done)
{
	struct merge_context m = { .ctx = { .emit = merge_emit, .pos = ctx->pos }, .up = ctx, .dir = oi->dir };
	int err = lower_iterate(oi, &m.ctx);

	ctx->pos = m.ctx.pos;
	*ret_done = !err && !m.full;
	return err;
}

/* The first new name at or behind @pos. */
static struct overlay_entry *entry_from(struct overlay_dir *d, uint64_t pos)
{
	struct rb_node *n = d->by_pos.node, *found = NULL;

	while (n) {
		if (rb_entry(n, struct overlay_entry, by_pos)->pos >= pos) {
			found = n;
			n = n->left;
		} else {
			n = n->right;
		}
	}
	return rb_entry_or_null(found, struct overlay_entry, by_pos);
}

static void iterate_new(struct overlay_dir *d, struct dir_context *ctx, uint64_t stop)
{
	struct overlay_entry *e = entry_from(d, ctx->pos);

	while (e && e->pos < stop) {
		if (!ctx->emit(ctx, e->name, e->len, e->inode->ino, LINUX_DT_OF_MODE(e->inode->mode), e->pos + 1))
			return;
		ctx->pos = e->pos + 1;
		e = rb_entry_or_null(rb_next(&e->by_pos), struct overlay_entry, by_pos);
	}
}

static void *stop_now(struct overlay_inode_info *oi)
{
	return (void *)(oi->dir ? oi->dir->next_pos : OVERLAY_POS_NEW);
}

static int overlay_iterate(struct file *f, struct dir_context *ctx)
{
	struct overlay_inode_info *oi = OVERLAY_I(f->inode);
	bool done = true;
	int err;

	if (!ctx->pos)
		f->private_data = stop_now(oi);
	if (!dir_emit_dots(f, ctx))
		return 0;
	if (ctx->pos < OVERLAY_POS_NEW && oi->lower) {
		err = iterate_lower(oi, ctx, &done);
		if (err || !done)
			return err;
	}
	if (!oi->dir)
		return 0;
	ctx->pos = MAX(ctx->pos, OVERLAY_POS_NEW);
	iterate_new(oi->dir, ctx, (uint64_t)f->private_data);
	return 0;
}

static int overlay_dir_open(struct inode *inode, struct file *f)
{
	rwlock_read(&inode->i_rwsem);
	f->private_data = stop_now(OVERLAY_I(inode));
	rwlock_unlock(&inode->i_rwsem);
	return overlay_probe_lower(OVERLAY_I(inode));
}

static bool any_emit(struct dir_context *ctx, const char *name, size_t len, uint64_t ino, unsigned type, uint64_t next)
{
	(void)ctx, (void)name, (void)len, (void)ino, (void)type, (void)next;
	return false;
}

int overlay_check_empty(struct inode *dir)
{
	struct overlay_inode_info *oi = OVERLAY_I(dir);
	struct dir_context ctx = { .emit = any_emit, .pos = 2 };
	bool done = true;
	int err;

	if (oi->dir && oi->dir->nr_visible)
		return -LINUX_ENOTEMPTY;
	if (!oi->lower)
		return 0;
	err = iterate_lower(oi, &ctx, &done);
	if (err)
		return err;
	return done ? 0 : -LINUX_ENOTEMPTY;
}

static int overlay_dir_fsync(struct file *f, uint64_t start, uint64_t end, bool datasync)
{
	(void)f, (void)start, (void)end, (void)datasync;
	return 0;
}

const struct file_ops overlay_dir_ops = {
	.iterate = overlay_iterate,
	.open = overlay_dir_open,
	.llseek = generic_file_llseek,
	.fsync = overlay_dir_fsync,
};
