/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Extended attributes, written.  All attributes of the inode are read into a list, one is changed, and the list is laid out
 * anew: into the inode as far as there is room, the rest into one block, sorted as Linux wants it there.  A block shared
 * with other inodes is left to them.
 */
#include <stdlib.h>
#include <string.h>

#include "sentry/abi/fcntl.h"
#include "vfs/ext4/ext4_rw.h"

#define INDEX_ACL_ACCESS 2
#define INDEX_ACL_DEFAULT 3
#define CREDITS 8

struct attr {
	uint8_t index;
	size_t name_len, size;
	char name[256];
	uint8_t *value; /* malloc */
};

struct attrs {
	struct attr *v;
	unsigned nr, max;
};

/* --- names and values --- */

static const struct {
	uint8_t index;
	bool whole; /* the prefix is the name */
	const char *prefix;
} kinds[] = {
	{ 1, false, "user." },	 { INDEX_ACL_ACCESS, true, "system.posix_acl_access" },
	{ 4, false, "trusted." }, { INDEX_ACL_DEFAULT, true, "system.posix_acl_default" },
	{ 6, false, "security." },
};

static int name_split(const char *name, struct attr *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		size_t len = strlen(kinds[i].prefix);

		if (strncmp(name, kinds[i].prefix, len) != 0 || (kinds[i].whole && name[len]))
			continue;
		ret->index = kinds[i].index;
		ret->name_len = strlen(name + len);
		if (ret->name_len > 255)
			return -LINUX_ERANGE;
		memcpy(ret->name, name + len, ret->name_len);
		return 0;
	}
	return -LINUX_EOPNOTSUPP;
}

/* From posix_acl_xattr(5)'s form to that on the disk. */
static int acl_encode(const uint8_t *in, size_t size, struct attr *a)
{
	static const uint8_t version[4] = { 1, 0, 0, 0 };
	uint8_t *p;

	if (size < 4 || (size - 4) % 8)
		return -LINUX_EINVAL;
	a->value = p = malloc(size);
	if (!p)
		return -LINUX_ENOMEM;
	memcpy(p, version, sizeof(version));
	p += sizeof(version);
	for (size_t at = 4; at < size; at += 8) {
		uint16_t tag;

		memcpy(&tag, in + at, sizeof(tag));
		memcpy(p, in + at, 4);
		p += 4;
		if (tag == 2 || tag == 8) { /* ACL_USER, ACL_GROUP */
			memcpy(p, in + at + 4, 4);
			p += 4;
		}
	}
	a->size = p - a->value;
	return 0;
}

static int value_set(struct attr *a, const void *value, size_t size)
{
	if (a->index == INDEX_ACL_ACCESS || a->index == INDEX_ACL_DEFAULT)
		return acl_encode(value, size, a);
	a->value = malloc(size + 1);
	if (!a->value)
		return -LINUX_ENOMEM;
	if (size)
		memcpy(a->value, value, size);
	a->size = size;
	return 0;
}

/* --- reading all --- */

static int collect_one(struct ext4_inode_info *ei, const struct ext2_ext_attr_entry *e, const uint8_t *value, void *arg)
{
	struct attrs *l = arg;
	struct attr *a;

	(void)ei;
	if (!value)
		return -LINUX_EOPNOTSUPP; /* in an inode of its own: opened read-only, this is not */
	if (l->nr == l->max) {
		unsigned max = l->max * 2 + 8;

		a = realloc(l->v, max * sizeof(*a));
		if (!a)
			return -LINUX_ENOMEM;
		l->v = a;
		l->max = max;
	}
	a = &l->v[l->nr];
	*a = (struct attr){ .index = e->e_name_index, .name_len = e->e_name_len, .size = e->e_value_size };
	memcpy(a->name, e + 1, e->e_name_len);
	a->value = malloc(a->size + 1);
	if (!a->value)
		return -LINUX_ENOMEM;
	memcpy(a->value, value, a->size);
	l->nr++;
	return 0;
}

static void attrs_free(struct attrs *l)
{
	for (unsigned i = 0; i < l->nr; i++)
		free(l->v[i].value);
	free(l->v);
}

static struct attr *attr_find(struct attrs *l, const struct attr *key)
{
	for (unsigned i = 0; i < l->nr; i++)
		if (l->v[i].index == key->index && l->v[i].name_len == key->name_len &&
		    !memcmp(l->v[i].name, key->name, key->name_len))
			return &l->v[i];
	return NULL;
}

static void attr_del(struct attrs *l, struct attr *a)
{
	free(a->value);
	memmove(a, a + 1, (l->v + --l->nr - a) * sizeof(*a));
}

static int attr_add(struct attrs *l, struct attr *a)
{
	struct attr *v = realloc(l->v, (l->nr + 1) * sizeof(*v));

	if (!v)
		return -LINUX_ENOMEM;
	l->v = v;
	l->max = l->nr + 1;
	l->v[l->nr++] = *a;
	a->value = NULL;
	return 0;
}

/* --- laying out --- */

static size_t attr_room(const struct attr *a)
{
	return EXT2_EXT_ATTR_LEN(a->name_len) + EXT2_EXT_ATTR_SIZE(a->size);
}

static int attr_cmp(const void *a, const void *b)
{
	const struct attr *x = a, *y = b;

	if (x->index != y->index)
		return x->index - y->index;
	if (x->name_len != y->name_len)
		return x->name_len < y->name_len ? -1 : 1;
	return memcmp(x->name, y->name, x->name_len);
}

/* Entries from @first on, values from @end down; offsets count from @base. */
static void area_fill(uint8_t *base, uint8_t *first, uint8_t *end, const struct attr *const *v, unsigned nr, bool hash)
{
	for (unsigned i = 0; i < nr; i++) {
		struct ext2_ext_attr_entry *e = (void *)first;

		memset(e, 0, EXT2_EXT_ATTR_LEN(v[i]->name_len));
		e->e_name_len = v[i]->name_len;
		e->e_name_index = v[i]->index;
		e->e_value_size = v[i]->size;
		memcpy(e + 1, v[i]->name, v[i]->name_len);
		if (v[i]->size) {
			end -= EXT2_EXT_ATTR_SIZE(v[i]->size);
			memset(end, 0, EXT2_EXT_ATTR_SIZE(v[i]->size));
			memcpy(end, v[i]->value, v[i]->size);
			e->e_value_offs = end - base;
		}
		if (hash)
			e->e_hash = ext2fs_ext_attr_hash_entry(e, end);
		first += EXT2_EXT_ATTR_LEN(v[i]->name_len);
	}
}

static uint32_t block_hash(const struct ext2_ext_attr_header *h)
{
	const struct ext2_ext_attr_entry *e = (const void *)(h + 1);
	uint32_t hash = 0;

	for (; !EXT2_EXT_IS_LAST_ENTRY(e); e = EXT2_EXT_ATTR_NEXT(e)) {
		if (!e->e_hash)
			return 0;
		hash = hash << 16 ^ hash >> 16 ^ e->e_hash;
	}
	return hash;
}

static uint64_t file_acl(struct ext4_sb_info *es, const struct ext4_inode_info *ei)
{
	uint64_t blk = ext4_raw(ei)->i_file_acl;

	if (ext2fs_has_feature_64bit(es->fs->super))
		blk |= (uint64_t)ext4_raw(ei)->osd2.linux2.l_i_file_acl_high << 32;
	return blk;
}

static void file_acl_set(struct ext4_sb_info *es, struct ext4_inode_info *ei, uint64_t blk)
{
	ext4_raw_rw(ei)->i_file_acl = (uint32_t)blk;
	if (ext2fs_has_feature_64bit(es->fs->super))
		ext4_raw_rw(ei)->osd2.linux2.l_i_file_acl_high = blk >> 32;
}

static void block_csum_set(struct ext4_sb_info *es, uint64_t blk, struct ext2_ext_attr_header *h)
{
	uint32_t csum;

	if (!es->metadata_csum)
		return;
	h->h_checksum = 0;
	csum = ext4_crc32c(es->fs->csum_seed, &blk, sizeof(blk));
	h->h_checksum = ext4_crc32c(csum, h, es->blocksize);
}

/* The inode has no use for its attribute block any more. */
int ext4_xattr_free_block(struct ext4_sb_info *es, struct ext4_inode_info *ei)
{
	uint64_t blk = file_acl(es, ei);
	struct ext2_ext_attr_header *h;
	int err;

	if (!blk)
		return 0;
	if (!ext4_blocks_valid(es, blk, 1))
		return -EFSCORRUPTED;
	h = (void *)ext4_mread(es, blk);
	if (IS_ERR(h))
		return PTR_ERR(h);
	if (h->h_magic != EXT2_EXT_ATTR_MAGIC || !h->h_refcount)
		return ext4_error(es, EFSCORRUPTED, "bad attribute block of inode %llu", (unsigned long long)ei->vfs.ino);
	if (h->h_refcount > 1) {
		h = (void *)ext4_mwrite(es, blk);
		if (IS_ERR(h))
			return PTR_ERR(h);
		h->h_refcount--;
		block_csum_set(es, blk, h);
	} else {
		err = ext4_mforget(es, blk);
		if (!err)
			err = ext4_free_blocks(es, blk, 1);
		if (err)
			return err;
	}
	file_acl_set(es, ei, 0);
	ei->vfs.blocks -= es->blocksize / 512;
	return 0;
}

/* Makes the inode's attribute block hold @v: its own, which is kept when it is not shared. */
static int block_store(struct ext4_sb_info *es, struct ext4_inode_info *ei, const struct attr *const *v, unsigned nr)
{
	uint64_t blk = file_acl(es, ei);
	struct ext2_ext_attr_header *h = NULL;
	uint32_t got;
	int err;

	if (!nr)
		return ext4_xattr_free_block(es, ei);
	if (blk) {
		h = (void *)ext4_mread(es, blk);
		if (IS_ERR(h))
			return PTR_ERR(h);
		if (h->h_refcount != 1) {
			err = ext4_xattr_free_block(es, ei);
			if (err)
				return err;
			blk = 0;
		}
	}
	if (!blk) {
		err = ext4_alloc_blocks(es, ext4_goal(es, ei, UINT64_MAX), 1, &blk, &got);
		if (err)
			return err;
		ei->vfs.blocks += es->blocksize / 512;
		file_acl_set(es, ei, blk);
	}
	h = (void *)ext4_mnew(es, blk);
	if (IS_ERR(h))
		return PTR_ERR(h);
	h->h_magic = EXT2_EXT_ATTR_MAGIC;
	h->h_refcount = 1;
	h->h_blocks = 1;
	area_fill((uint8_t *)h, (uint8_t *)(h + 1), (uint8_t *)h + es->blocksize, v, nr, true);
	h->h_hash = block_hash(h);
	block_csum_set(es, blk, h);
	return 0;
}

static void inode_store_area(struct ext4_inode_info *ei, const struct attr *const *v, unsigned nr)
{
	uint32_t off = EXT2_GOOD_OLD_INODE_SIZE + ei->extra_isize, magic = nr ? EXT2_EXT_ATTR_MAGIC : 0;
	uint8_t *base = ei->raw_bytes + off;

	if (off + 8 > ei->raw_size)
		return;
	memset(base, 0, ei->raw_size - off);
	memcpy(base, &magic, sizeof(magic));
	area_fill(base + 4, base + 4, ei->raw_bytes + ei->raw_size, v, nr, false);
}

static int attrs_store(struct ext4_sb_info *es, struct ext4_inode_info *ei, struct attrs *l)
{
	size_t off = EXT2_GOOD_OLD_INODE_SIZE + ei->extra_isize + 4;
	size_t in_room = ei->extra_isize && off + 8 <= ei->raw_size ? ei->raw_size - off - 4 : 0;
	size_t block_room = es->blocksize - sizeof(struct ext2_ext_attr_header) - 4;
	const struct attr **v = malloc((2 * l->nr + 1) * sizeof(*v)), **in = v, **out = v + l->nr;
	unsigned nr_in = 0, nr_out = 0;
	int err = v ? 0 : -LINUX_ENOMEM;

	if (l->nr)
		qsort(l->v, l->nr, sizeof(*l->v), attr_cmp);
	for (unsigned i = 0; i < l->nr && !err; i++) {
		size_t need = attr_room(&l->v[i]);

		if (need <= in_room) {
			in[nr_in++] = &l->v[i];
			in_room -= need;
		} else if (need <= block_room) {
			out[nr_out++] = &l->v[i];
			block_room -= need;
		} else {
			err = -LINUX_ENOSPC;
		}
	}
	if (!err) {
		mutex_lock(&ei->lock);
		err = block_store(es, ei, out, nr_out);
		if (!err)
			inode_store_area(ei, in, nr_in);
		mutex_unlock(&ei->lock);
	}
	free(v);
	return err;
}

/* --- operations --- */

/* @new: the value is set, else removed. */
static int change_locked(struct ext4_sb_info *es, struct ext4_inode_info *ei, const struct attr *key, const void *value,
			 size_t size, int flags, bool new)
{
	struct attrs l = { NULL, 0, 0 };
	struct attr add = *key, *old;
	int err = ext4_inode_touch(es, ei);

	if (!err)
		err = ext4_xattr_walk(ei, collect_one, &l);
	old = err ? NULL : attr_find(&l, key);
	if (!err && !old && (!new || flags & LINUX_XATTR_REPLACE))
		err = -LINUX_ENODATA;
	if (!err && old && new && flags & LINUX_XATTR_CREATE)
		err = -LINUX_EEXIST;
	if (!err && old)
		attr_del(&l, old);
	if (!err && new) {
		err = value_set(&add, value, size);
		if (!err)
			err = attr_add(&l, &add);
		free(add.value);
	}
	if (!err)
		err = attrs_store(es, ei, &l);
	if (!err) {
		inode_touch_ctime(&ei->vfs);
		err = ext4_inode_store(es, ei);
	}
	attrs_free(&l);
	return err;
}

static int change(struct inode *inode, const char *name, const void *value, size_t size, int flags, bool new)
{
	struct ext4_sb_info *es = EXT4_SB(inode->sb);
	struct attr key = { 0 };
	int tries = 0, err = name_split(name, &key);

	if (err)
		return err;
	do {
		err = ext4_begin(es, CREDITS, 0);
		if (!err)
			err = ext4_end(es, change_locked(es, EXT4_I(inode), &key, value, size, flags, new));
	} while (ext4_retry(es, err, &tries));
	return err;
}

int ext4_setxattr(struct inode *inode, const char *name, const void *value, size_t size, int flags)
{
	return change(inode, name, value, size, flags, true);
}

int ext4_removexattr(struct inode *inode, const char *name)
{
	return change(inode, name, NULL, 0, 0, false);
}
