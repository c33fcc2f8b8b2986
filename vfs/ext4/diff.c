/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an overlay changes in its image: both are opened for reading only, the overlay as recovery would leave it, and walked side
 * by side.  Contents are compared where blocks differ or are in the overlay.
 */
#include <stdlib.h>
#include <string.h>

#include "platform/host/host.h"
#include "vfs/ext4/ext4_rw.h"

#define DEPTH_MAX 2000 /* of directories; each is a level of recursion */
#define CHUNK (256UL << 10)

struct diff {
	struct super_block *old, *new;
	ext4_diff_fn fn;
	void *arg;
	struct strbuf path;
	uint8_t *seen_old, *seen_new; /* bits by inode number: directories that were walked */
	char *bufs[2];
	int err;
};

/* --- one directory --- */

struct name {
	char *name;
	uint32_t ino;
};

struct names {
	struct dir_context ctx;
	struct name *v;
	size_t nr, max;
	int err;
};

static bool names_emit(struct dir_context *ctx, const char *name, size_t len, uint64_t ino, unsigned type, uint64_t next)
{
	struct names *n = container_of(ctx, struct names, ctx);

	(void)type, (void)next;
	if (n->nr == n->max) {
		size_t max = n->max * 2 + 32;
		struct name *v = realloc(n->v, max * sizeof(*v));

		if (!v)
			goto no_memory;
		n->v = v;
		n->max = max;
	}
	n->v[n->nr].name = strndup(name, len);
	if (!n->v[n->nr].name)
		goto no_memory;
	n->v[n->nr++].ino = ino;
	return true;
no_memory:
	n->err = -LINUX_ENOMEM;
	return false;
}

static int name_cmp(const void *a, const void *b)
{
	return strcmp(((const struct name *)a)->name, ((const struct name *)b)->name);
}

static void names_free(struct names *n)
{
	for (size_t i = 0; i < n->nr; i++)
		free(n->v[i].name);
	free(n->v);
}

/* The names in @dir (NULL: none), sorted. */
static int names_read(struct inode *dir, struct names *ret)
{
	struct file f = { .inode = dir, .ops = dir ? dir->fops : NULL };
	int err;

	*ret = (struct names){ .ctx = { .emit = names_emit, .pos = 2 } };
	if (!dir)
		return 0;
	err = f.ops->iterate(&f, &ret->ctx);
	if (!err)
		err = ret->err;
	if (ret->nr)
		qsort(ret->v, ret->nr, sizeof(*ret->v), name_cmp);
	return err;
}

/* --- one file --- */

static bool attributes_equal(struct inode *a, struct inode *b)
{
	_cleanup_strbuf_ struct strbuf la = STRBUF_INIT, lb = STRBUF_INIT;
	static char va[65536], vb[65536];

	if (!a->ops->listxattr || a->ops->listxattr(a, &la) || b->ops->listxattr(b, &lb))
		return true; /* what can't be read says nothing */
	if (la.len != lb.len)
		return false;
	for (size_t at = 0; at < la.len; at += strlen(la.buf + at) + 1) {
		int64_t na = a->ops->getxattr(a, la.buf + at, va, sizeof(va));
		int64_t nb = b->ops->getxattr(b, la.buf + at, vb, sizeof(vb));

		if (na != nb || (na > 0 && memcmp(va, vb, na) != 0))
			return false;
	}
	return true;
}

/* [lblk, lblk + n) of both files.  1: equal, 0: not, or -errno. */
static int blocks_equal(struct diff *d, struct inode *a, struct inode *b, uint64_t lblk, uint64_t n)
{
	unsigned bits = EXT4_SB(a->sb)->blkbits;

	for (uint64_t off = lblk << bits, end = (lblk + n) << bits, part; off < end; off += part) {
		int err;

		part = MIN(end - off, CHUNK);
		err = ext4_read_data(EXT4_I(a), d->bufs[0], off, part);
		if (!err)
			err = ext4_read_data(EXT4_I(b), d->bufs[1], off, part);
		if (err)
			return err;
		/* Behind the end of the file anything may be. */
		if (memcmp(d->bufs[0], d->bufs[1], MIN(part, a->size - MIN(off, a->size))) != 0)
			return 0;
	}
	return 1;
}

/* The same for two regular files of one size. */
static int contents_equal(struct diff *d, struct inode *a, struct inode *b)
{
	struct ext4_sb_info *es = EXT4_SB(b->sb);
	uint64_t last = DIV_ROUND_UP(a->size, (uint64_t)es->blocksize), n;
	int equal = 1;

	if ((EXT4_I(a)->flags | EXT4_I(b)->flags) & EXT4_INLINE_DATA_FL)
		return 1; /* such an image is not written */
	for (uint64_t lblk = 0; lblk < last && equal == 1; lblk += n) {
		struct ext4_seg sa, sb;
		uint64_t pa, pb;
		int err = ext4_map(EXT4_I(a), lblk, &sa);

		if (!err)
			err = ext4_map(EXT4_I(b), lblk, &sb);
		if (err)
			return err;
		n = MIN(MIN(sa.lblk + sa.len, sb.lblk + sb.len), last) - lblk;
		pa = sa.pblk ? sa.pblk + (lblk - sa.lblk) : 0;
		pb = sb.pblk ? sb.pblk + (lblk - sb.lblk) : 0;
		if (pa == pb && (!pa || !ext4_cow_any(es->image.cow, pb << es->blkbits, n << es->blkbits)))
			continue;
		equal = blocks_equal(d, a, b, lblk, n);
	}
	return equal;
}

static bool links_equal(struct inode *a, struct inode *b)
{
	_cleanup_strbuf_ struct strbuf x = STRBUF_INIT, y = STRBUF_INIT;

	return !a->ops->readlink(a, &x) && !b->ops->readlink(b, &y) && x.len == y.len && !memcmp(x.buf, y.buf, x.len);
}

/* What differs between two inodes of one type: EXT4_DIFF_*. */
static unsigned inode_compare(struct diff *d, struct inode *a, struct inode *b)
{
	bool is_dir = LINUX_S_ISDIR(a->mode);
	unsigned ret = 0;

	if (a->mode != b->mode)
		ret |= EXT4_DIFF_MODE;
	if (a->uid != b->uid || a->gid != b->gid)
		ret |= EXT4_DIFF_OWNER;
	if (!attributes_equal(a, b))
		ret |= EXT4_DIFF_XATTRS;
	/* A directory's times and links are what happened in it, which is told by name. */
	if (!is_dir && (a->mtime.sec != b->mtime.sec || a->mtime.nsec != b->mtime.nsec))
		ret |= EXT4_DIFF_MTIME;
	if (LINUX_S_ISREG(a->mode)) {
		int equal = a->size == b->size ? contents_equal(d, a, b) : 0;

		if (equal < 0)
			d->err = d->err ? d->err : equal;
		if (equal != 1)
			ret |= EXT4_DIFF_CONTENT;
	} else if (LINUX_S_ISLNK(a->mode) ? !links_equal(a, b) : !is_dir && a->rdev != b->rdev) {
		ret |= EXT4_DIFF_CONTENT;
	}
	return ret;
}

/* --- two trees --- */

static void report(struct diff *d, enum ext4_diff_kind kind, struct inode *inode, unsigned what)
{
	struct ext4_change c = { .path = strbuf_str(&d->path), .kind = kind, .mode = inode->mode, .size = inode->size,
				 .what = what };

	if (!d->err)
		d->err = d->fn(&c, d->arg);
}

/* Whether the directory @ino was walked before: a damaged image may have loops. */
static bool walked(uint8_t *seen, uint32_t ino)
{
	bool was = seen[ino / 8] >> (ino % 8) & 1;

	seen[ino / 8] |= 1U << (ino % 8);
	return was;
}

static void walk(struct diff *d, struct inode *old, struct inode *new, unsigned depth);

/* An entry that is in one or in both; the inodes are put. */
static void entry(struct diff *d, struct inode *old, struct inode *new, unsigned depth)
{
	unsigned what;

	if (old && new && (old->mode ^ new->mode) & LINUX_S_IFMT) {
		/* Another kind of file took the name. */
		report(d, EXT4_DIFF_DELETED, old, 0);
		if (LINUX_S_ISDIR(old->mode))
			walk(d, old, NULL, depth + 1);
		report(d, EXT4_DIFF_ADDED, new, 0);
		if (LINUX_S_ISDIR(new->mode))
			walk(d, NULL, new, depth + 1);
		return;
	}
	if (!old) {
		report(d, EXT4_DIFF_ADDED, new, 0);
	} else if (!new) {
		report(d, EXT4_DIFF_DELETED, old, 0);
	} else {
		what = inode_compare(d, old, new);
		if (what)
			report(d, EXT4_DIFF_MODIFIED, new, what);
	}
	if (LINUX_S_ISDIR((new ? new : old)->mode))
		walk(d, old, new, depth + 1);
}

/* The inode of @n (NULL: none), NULL after an error. */
static struct inode *inode_of(struct diff *d, struct super_block *sb, const struct name *n)
{
	struct inode *inode = n ? ext4_iget(EXT4_SB(sb), n->ino) : NULL;

	if (!IS_ERR(inode))
		return inode;
	d->err = d->err ? d->err : (int)PTR_ERR(inode);
	return NULL;
}

static void entry_named(struct diff *d, const struct name *old, const struct name *new, unsigned depth)
{
	size_t len = d->path.len;
	struct inode *a = inode_of(d, d->old, old), *b = inode_of(d, d->new, new);

	strbuf_addc(&d->path, '/');
	strbuf_adds(&d->path, (new ? new : old)->name);
	if (!d->err)
		d->err = strbuf_err(&d->path);
	if (!d->err && (a || b))
		entry(d, a, b, depth);
	if (a)
		inode_put(a);
	if (b)
		inode_put(b);
	if (!strbuf_err(&d->path)) {
		d->path.len = len;
		d->path.buf[len] = 0;
	}
}

static void walk(struct diff *d, struct inode *old, struct inode *new, unsigned depth)
{
	struct names a, b;
	size_t i = 0, j = 0;
	int err;

	if (d->err)
		return;
	if (depth > DEPTH_MAX || (old && walked(d->seen_old, old->ino)) || (new && walked(d->seen_new, new->ino))) {
		d->err = -EFSCORRUPTED;
		return;
	}
	err = names_read(old, &a);
	if (!err) {
		err = names_read(new, &b);
		while (!err && !d->err && (i < a.nr || j < b.nr)) {
			int cmp = i == a.nr ? 1 : j == b.nr ? -1 : strcmp(a.v[i].name, b.v[j].name);

			entry_named(d, cmp <= 0 ? &a.v[i] : NULL, cmp >= 0 ? &b.v[j] : NULL, depth);
			i += cmp <= 0;
			j += cmp >= 0;
		}
		names_free(&b);
	}
	names_free(&a);
	if (err && !d->err)
		d->err = err;
}

static int diff_run(struct diff *d)
{
	uint32_t nr = MAX(EXT4_SB(d->old)->fs->super->s_inodes_count, EXT4_SB(d->new)->fs->super->s_inodes_count);
	struct inode *a = d->old->root->inode, *b = d->new->root->inode;
	unsigned what;

	d->seen_old = calloc(1, nr / 8 + 1);
	d->seen_new = calloc(1, nr / 8 + 1);
	d->bufs[0] = malloc(CHUNK);
	d->bufs[1] = malloc(CHUNK);
	if (!d->seen_old || !d->seen_new || !d->bufs[0] || !d->bufs[1]) {
		d->err = -LINUX_ENOMEM;
	} else {
		what = inode_compare(d, a, b);
		if (what) {
			strbuf_addc(&d->path, '/');
			report(d, EXT4_DIFF_MODIFIED, b, what);
			strbuf_reset(&d->path);
		}
		walk(d, a, b, 0);
	}
	free(d->seen_old);
	free(d->seen_new);
	free(d->bufs[0]);
	free(d->bufs[1]);
	strbuf_fini(&d->path);
	return d->err;
}

int ext4_overlay_diff(const char *path, const char *overlay, ext4_diff_fn fn, void *arg, struct strbuf *why)
{
	struct diff d = { .fn = fn, .arg = arg };
	struct host_stat st;
	int err = host_fstatat(HOST_AT_FDCWD, overlay, 0, &st);

	if (err) {
		strbuf_addf(why, "can't open %s: %s", overlay, strerror(-err));
		return err;
	}
	d.new = ext4_open_image_overlay_ro(path, overlay, why);
	if (IS_ERR(d.new))
		return PTR_ERR(d.new);
	d.old = ext4_open_image(path, why);
	if (IS_ERR(d.old)) {
		sb_put(d.new);
		return PTR_ERR(d.old);
	}
	if (EXT4_SB(d.old)->blocksize != EXT4_SB(d.new)->blocksize)
		d.err = -EFSCORRUPTED;
	err = d.err ? d.err : diff_run(&d);
	sb_put(d.old);
	sb_put(d.new);
	return err;
}
