/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Extended attributes (Documentation/filesystems/ext4/attributes.rst): entries behind the fields of the inode, then those
 * of one block; large values in an inode of their own.
 */
#include <stdlib.h>
#include <string.h>

#include "vfs/ext4/ext4_fs.h"

#define XATTR_SIZE_MAX 65536
#define INDEX_SYSTEM_DATA 7

static const char *const prefixes[] = {
	[1] = "user.",	  [2] = "system.posix_acl_access", [3] = "system.posix_acl_default",
	[4] = "trusted.", [6] = "security.",		   [INDEX_SYSTEM_DATA] = "system.",
	[8] = "system.richacl",
};
#define INDEX_ACL_ACCESS 2
#define INDEX_ACL_DEFAULT 3

/* One place where entries are: values are found from `base` on. */
struct xattr_area {
	const uint8_t *base, *first, *end;
};

static int bad_xattr(struct ext4_inode_info *ei)
{
	return ext4_error(EXT4_SB(ei->vfs.sb), EFSCORRUPTED, "bad extended attributes of inode %llu",
			  (unsigned long long)ei->vfs.ino);
}

static int area_walk(struct ext4_inode_info *ei, const struct xattr_area *a, xattr_fn fn, void *arg)
{
	const uint8_t *p = a->first;
	int ret;

	for (;;) {
		const struct ext2_ext_attr_entry *e = (const void *)p;
		const uint8_t *value = NULL;

		if (a->end - p < 4)
			return p > a->end ? bad_xattr(ei) : 0;
		if (EXT2_EXT_IS_LAST_ENTRY(e))
			return 0;
		if ((size_t)(a->end - p) < sizeof(*e) || (size_t)(a->end - p) < EXT2_EXT_ATTR_LEN(e->e_name_len))
			return bad_xattr(ei);
		if (!e->e_value_inum) {
			size_t room = a->end - a->base;

			if (e->e_value_offs > room || e->e_value_size > room - e->e_value_offs)
				return bad_xattr(ei);
			value = a->base + e->e_value_offs;
		} else if (e->e_value_size > XATTR_SIZE_MAX) {
			return bad_xattr(ei);
		}
		ret = fn(ei, e, value, arg);
		if (ret)
			return ret;
		p += EXT2_EXT_ATTR_LEN(e->e_name_len);
	}
}

/* The area in the inode; first == NULL when there is none. */
static struct xattr_area inode_area(const struct ext4_inode_info *ei)
{
	struct xattr_area a = { NULL, NULL, NULL };
	uint32_t off = EXT2_GOOD_OLD_INODE_SIZE + ei->extra_isize, magic;

	if (ei->raw_size <= EXT2_GOOD_OLD_INODE_SIZE || !ei->extra_isize || off + 8 > ei->raw_size)
		return a;
	memcpy(&magic, ei->raw_bytes + off, sizeof(magic));
	if (magic != EXT2_EXT_ATTR_MAGIC)
		return a;
	a.base = a.first = ei->raw_bytes + off + sizeof(magic);
	a.end = ei->raw_bytes + ei->raw_size;
	return a;
}

/*
 * The attribute block of @ei in *ret_block (the caller frees it); NULL when it has none.
 */
static int block_read(struct ext4_inode_info *ei, uint8_t **ret_block)
{
	struct ext4_sb_info *es = EXT4_SB(ei->vfs.sb);
	const struct ext2_inode_large *raw = ext4_raw(ei);
	uint64_t blk = raw->i_file_acl;
	struct ext2_ext_attr_header *h;
	uint8_t *block;
	int err;

	*ret_block = NULL;
	if (ext2fs_has_feature_64bit(es->fs->super))
		blk |= (uint64_t)raw->osd2.linux2.l_i_file_acl_high << 32;
	if (!blk)
		return 0;
	if (!ext4_blocks_valid(es, blk, 1))
		return bad_xattr(ei);
	block = malloc(es->blocksize);
	if (!block)
		return -LINUX_ENOMEM;
	err = ext4_image_read(&es->image, blk, 1, block);
	h = (struct ext2_ext_attr_header *)block;
	if (!err && (h->h_magic != EXT2_EXT_ATTR_MAGIC || h->h_blocks != 1))
		err = bad_xattr(ei);
	if (!err && es->metadata_csum && !ext2fs_ext_attr_block_csum_verify(es->fs, ei->vfs.ino, blk, h))
		err = ext4_error(es, EFSBADCRC, "bad checksum in the attributes of inode %llu",
				 (unsigned long long)ei->vfs.ino);
	if (err)
		free(block);
	else
		*ret_block = block;
	return err;
}

int ext4_xattr_walk(struct ext4_inode_info *ei, xattr_fn fn, void *arg)
{
	struct xattr_area a;
	uint8_t *block;
	int ret;
	MUTEX_GUARD(&ei->lock);

	a = inode_area(ei);
	ret = a.first ? area_walk(ei, &a, fn, arg) : 0;
	if (ret)
		return ret;
	ret = block_read(ei, &block);
	if (ret || !block)
		return ret;
	a = (struct xattr_area){ block, block + sizeof(struct ext2_ext_attr_header),
				 block + EXT4_SB(ei->vfs.sb)->blocksize };
	ret = area_walk(ei, &a, fn, arg);
	free(block);
	return ret;
}

static const char *prefix_of(const struct ext2_ext_attr_entry *e)
{
	return e->e_name_index < ARRAY_SIZE(prefixes) ? prefixes[e->e_name_index] : NULL;
}

static bool name_matches(const struct ext2_ext_attr_entry *e, const char *name)
{
	const char *prefix = prefix_of(e);
	size_t len = prefix ? strlen(prefix) : 0;

	return prefix && !strncmp(name, prefix, len) && strlen(name + len) == e->e_name_len &&
	       !memcmp(name + len, e + 1, e->e_name_len);
}

/* --- values --- */

/* A value in an inode of its own. */
static int value_from_inode(struct ext4_inode_info *ei, const struct ext2_ext_attr_entry *e, uint8_t *buf)
{
	struct inode *ea = ext4_iget_special(EXT4_SB(ei->vfs.sb), e->e_value_inum);
	int err;

	if (IS_ERR(ea))
		return PTR_ERR(ea) == -LINUX_ESTALE ? bad_xattr(ei) : PTR_ERR(ea);
	if (!(EXT4_I(ea)->flags & EXT4_EA_INODE_FL) || !LINUX_S_ISREG(ea->mode) || ea->size != e->e_value_size)
		err = bad_xattr(ei);
	else
		err = ext4_read_data(EXT4_I(ea), buf, 0, e->e_value_size);
	inode_put(ea);
	return err;
}

/*
 * ACLs have a form of their own on the disk; the guest sees that of posix_acl_xattr(5): version 2, entries of tag, perm, id.
 */
static int64_t acl_convert(struct ext4_inode_info *ei, const uint8_t *value, size_t size, uint8_t *out)
{
	static const uint32_t version = 2;
	const uint8_t *end = value + size;
	uint8_t *p = out + sizeof(version);

	if (size < 4 || value[0] != 1 || value[1] || value[2] || value[3])
		return bad_xattr(ei);
	memcpy(out, &version, sizeof(version));
	for (value += 4; value < end; p += 8) {
		uint32_t id = UINT32_MAX;
		uint16_t tag;

		if (end - value < 4)
			return bad_xattr(ei);
		memcpy(&tag, value, sizeof(tag));
		memcpy(p, value, 4);
		value += 4;
		if (tag == 2 || tag == 8) { /* ACL_USER, ACL_GROUP */
			if (end - value < 4)
				return bad_xattr(ei);
			memcpy(&id, value, sizeof(id));
			value += 4;
		}
		memcpy(p + 4, &id, sizeof(id));
	}
	return p - out;
}

struct get_arg {
	const char *name;
	void *buf;
	size_t size;
	int64_t ret;
};

static int get_one(struct ext4_inode_info *ei, const struct ext2_ext_attr_entry *e, const uint8_t *value, void *arg)
{
	bool acl = e->e_name_index == INDEX_ACL_ACCESS || e->e_name_index == INDEX_ACL_DEFAULT;
	struct get_arg *get = arg;
	uint8_t *copy = NULL, *converted = NULL;

	if (!name_matches(e, get->name))
		return 0;
	get->ret = e->e_value_size;
	if (!get->size && !acl)
		return 1;
	if (!value) {
		value = copy = malloc(e->e_value_size + 1);
		get->ret = copy ? value_from_inode(ei, e, copy) : -LINUX_ENOMEM;
		if (!get->ret)
			get->ret = e->e_value_size;
	}
	if (get->ret >= 0 && acl) {
		converted = malloc(4 + (size_t)e->e_value_size * 2 + 8);
		get->ret = converted ? acl_convert(ei, value, e->e_value_size, converted) : -LINUX_ENOMEM;
		value = converted;
	}
	if (get->ret >= 0 && get->size && (uint64_t)get->ret > get->size)
		get->ret = -LINUX_ERANGE;
	if (get->ret >= 0 && get->size)
		memcpy(get->buf, value, get->ret);
	free(converted);
	free(copy);
	return 1;
}

int64_t ext4_getxattr(struct inode *inode, const char *name, void *buf, size_t size)
{
	struct get_arg get = { name, buf, size, 0 };
	int ret;

	if (!strcmp(name, "system.data")) /* an inline file's contents: not the guest's */
		return -LINUX_EOPNOTSUPP;
	ret = ext4_xattr_walk(EXT4_I(inode), get_one, &get);
	if (ret < 0)
		return ret;
	return ret ? get.ret : -LINUX_ENODATA;
}

static int list_one(struct ext4_inode_info *ei, const struct ext2_ext_attr_entry *e, const uint8_t *value, void *arg)
{
	const char *prefix = prefix_of(e);
	struct strbuf *sb = arg;

	(void)ei, (void)value;
	if (!prefix || e->e_name_index == INDEX_SYSTEM_DATA)
		return 0;
	strbuf_adds(sb, prefix);
	strbuf_add(sb, e + 1, strnlen((const char *)(e + 1), e->e_name_len));
	strbuf_addc(sb, '\0');
	return 0;
}

int ext4_listxattr(struct inode *inode, struct strbuf *ret)
{
	int err = ext4_xattr_walk(EXT4_I(inode), list_one, ret);

	return err ? err : strbuf_err(ret);
}

/* --- inline data --- */

struct inline_arg {
	const uint8_t *value;
	uint32_t len;
};

static int inline_one(struct ext4_inode_info *ei, const struct ext2_ext_attr_entry *e, const uint8_t *value, void *arg)
{
	struct inline_arg *found = arg;

	(void)ei;
	if (!value || !name_matches(e, "system.data"))
		return 0;
	found->value = value;
	found->len = e->e_value_size;
	return 1;
}

int ext4_inline_tail(struct ext4_inode_info *ei, const uint8_t **ret, uint32_t *ret_len)
{
	struct xattr_area a = inode_area(ei);
	struct inline_arg found = { (const uint8_t *)"", 0 };
	int err = a.first ? area_walk(ei, &a, inline_one, &found) : 0;

	if (err < 0)
		return err;
	*ret = found.value;
	*ret_len = found.len;
	return 0;
}
