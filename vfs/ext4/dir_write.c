/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names, written.  A directory is changed in its index, block by block, and each changed block goes to the cache of
 * metadata blocks with its checksum; when the operation fails, the index is thrown away (txn.c).
 *
 * A directory that has more than one block of names and dir_index gets a hash tree, as Linux makes it when the first block
 * overflows; linear ones that mke2fs -d made are sorted into a tree when they grow (htree.c).
 */
#include <stdlib.h>
#include <string.h>

#include "vfs/ext4/dir_index.h"
#include "vfs/name_hash.h"

#define DIR_BLOCKS_MAX 65536U

uint32_t dir_entry_size(size_t name_len)
{
	return ALIGN_UP(8 + name_len, 4);
}

static bool is_indexed(const struct dir_work *w)
{
	return w->ei->flags & EXT2_INDEX_FL;
}

/* Where entries of a block end: a checksum may follow. */
uint32_t dir_leaf_end(const struct dir_work *w)
{
	return w->x->chunk - (w->es->metadata_csum ? sizeof(struct ext2_dir_entry_tail) : 0);
}

static int work_begin(struct dir_work *w, struct ext4_sb_info *es, struct inode *dir)
{
	*w = (struct dir_work){ .es = es, .ei = EXT4_I(dir) };
	if (w->ei->flags & (EXT4_INLINE_DATA_FL | EXT4_ENCRYPT_FL | EXT4_CASEFOLD_FL))
		return -LINUX_EOPNOTSUPP;
	w->x = ext4_dir_index_get(w->ei);
	if (IS_ERR(w->x))
		return PTR_ERR(w->x);
	return ext4_inode_touch(es, w->ei);
}

static int work_end(struct dir_work *w, int err)
{
	if (w->x && !IS_ERR(w->x))
		ext4_dir_index_put(w->x);
	return err;
}

/* --- blocks --- */

static void leaf_csum_set(struct dir_work *w, uint32_t off)
{
	struct ext2_dir_entry_tail *t = (void *)(w->x->data + off + dir_leaf_end(w));

	memset(t, 0, sizeof(*t));
	t->det_rec_len = sizeof(*t);
	t->det_reserved_name_len = EXT2_DIR_NAME_LEN_CSUM;
	t->det_checksum = ext4_crc32c(w->ei->csum_seed, w->x->data + off, dir_leaf_end(w));
}

/* The block at @off of the index goes to the cache. */
int dir_block_put(struct dir_work *w, uint32_t off)
{
	struct ext4_seg seg;
	uint8_t *b;
	int err = ext4_map(w->ei, off >> w->es->blkbits, &seg);

	if (!err && !seg.pblk)
		err = ext4_error(w->es, EFSCORRUPTED, "a hole in directory %llu", (unsigned long long)w->ei->vfs.ino);
	if (err)
		return err;
	if (w->es->metadata_csum) {
		if (dir_is_dx_block(w->ei, w->x, off))
			dir_dx_csum_set(w, off);
		else
			leaf_csum_set(w, off);
	}
	seg.pblk += (off >> w->es->blkbits) - seg.lblk;
	if (w->ordered && off) {
		atomic_store(&w->es->rw->need_flush, true);
		return ext4_image_write(&w->es->image, w->x->data + off, w->x->chunk, seg.pblk << w->es->blkbits);
	}
	b = ext4_mwrite(w->es, seg.pblk);
	if (IS_ERR(b))
		return PTR_ERR(b);
	memcpy(b, w->x->data + off, w->x->chunk);
	return 0;
}

static int data_grow(struct ext4_dir_index *x)
{
	if (x->size + x->chunk > x->max_size) {
		size_t max = x->max_size * 2;
		uint8_t *data = realloc(x->data, max + sizeof(struct ext2_dir_entry_2));

		if (!data)
			return -LINUX_ENOMEM;
		x->data = data;
		x->max_size = max;
	}
	memset(x->data + x->size, 0, x->chunk);
	return 0;
}

int dir_blocks_renew(struct dir_work *w, uint32_t nr)
{
	struct ext4_sb_info *es = w->es;
	uint64_t goal = ext4_goal(es, w->ei, 0);
	int err = 0;

	if (nr > DIR_BLOCKS_MAX)
		return -LINUX_ENOSPC;
	while (!err && w->x->size < (size_t)nr * w->x->chunk) {
		err = data_grow(w->x);
		w->x->size += err ? 0 : w->x->chunk;
	}
	w->ei->vfs.size = w->x->size;
	for (uint32_t at = 1, got; at < nr && !err; at += got) {
		uint64_t pblk;

		err = ext4_alloc_blocks(es, goal, MIN(nr - at, 8192U), &pblk, &got);
		for (uint32_t i = 0; i < got && !err; i++)
			err = ext4_mfind(es->rw, pblk + i) ? -LINUX_EIO : 0; /* what is free is not cached */
		if (!err)
			err = ext4_ext_set(es, w->ei, at, got, pblk, EXT4_EXT_WRITTEN);
		if (err)
			break;
		w->ei->vfs.blocks += got * (es->blocksize / 512);
		goal = pblk + got;
	}
	w->ordered = !err;
	return err;
}

/* One more block at the end, zero and not in the cache yet: one dir_block_put later.  Pointers into data are void. */
int dir_block_append(struct dir_work *w, uint32_t *ret_off)
{
	uint64_t pblk, lblk = w->x->size >> w->es->blkbits;
	uint32_t got;
	int err;

	if (lblk >= DIR_BLOCKS_MAX)
		return -LINUX_ENOSPC;
	err = data_grow(w->x);
	if (!err)
		err = ext4_alloc_blocks(w->es, ext4_goal(w->es, w->ei, lblk), 1, &pblk, &got);
	if (!err)
		err = ext4_ext_set(w->es, w->ei, lblk, 1, pblk, EXT4_EXT_WRITTEN);
	if (!err) {
		uint8_t *b = ext4_mnew(w->es, pblk);

		err = IS_ERR(b) ? PTR_ERR(b) : 0;
	}
	if (err)
		return err;
	*ret_off = w->x->size;
	w->x->size += w->x->chunk;
	w->ei->vfs.blocks += w->es->blocksize / 512;
	w->ei->vfs.size = w->x->size;
	return 0;
}

/* --- entries of one block --- */

static unsigned ft_of(const struct dir_work *w, uint32_t mode)
{
	static const uint8_t types[16] = {
		[LINUX_S_IFREG >> 12] = EXT2_FT_REG_FILE, [LINUX_S_IFDIR >> 12] = EXT2_FT_DIR,
		[LINUX_S_IFCHR >> 12] = EXT2_FT_CHRDEV,	  [LINUX_S_IFBLK >> 12] = EXT2_FT_BLKDEV,
		[LINUX_S_IFIFO >> 12] = EXT2_FT_FIFO,	  [LINUX_S_IFSOCK >> 12] = EXT2_FT_SOCK,
		[LINUX_S_IFLNK >> 12] = EXT2_FT_SYMLINK,
	};

	return w->x->has_type ? types[(mode & LINUX_S_IFMT) >> 12] : 0;
}

void dir_block_empty(struct dir_work *w, uint32_t off)
{
	struct ext2_dir_entry_2 *de = dir_entry_at(w->x, off);

	memset(w->x->data + off, 0, w->x->chunk);
	dir_rec_len_set(w->x, de, dir_leaf_end(w));
}

/* Puts an entry into the block at @off.  Its offset, 0 when there is no room (never is a name at 0). */
uint32_t dir_entry_put(struct dir_work *w, uint32_t off, const char *name, size_t len, uint32_t ino, unsigned ft)
{
	uint32_t need = dir_entry_size(len), end = off + dir_leaf_end(w);

	for (uint32_t at = off; at < end;) {
		struct ext2_dir_entry_2 *de = dir_entry_at(w->x, at);
		uint32_t rec = dir_rec_len(w->x, de), used = de->inode ? dir_entry_size(de->name_len) : 0;

		if (rec < used || rec < 8)
			return 0;
		if (rec - used < need) {
			at += rec;
			continue;
		}
		if (used) {
			dir_rec_len_set(w->x, de, used);
			at += used;
			de = dir_entry_at(w->x, at);
			dir_rec_len_set(w->x, de, rec - used);
		}
		de->inode = ino;
		de->name_len = len;
		de->file_type = ft;
		memcpy(de->name, name, len);
		return at;
	}
	return 0;
}

/* --- adding --- */

static int add_linear(struct dir_work *w, const char *name, size_t len, uint32_t ino, unsigned ft, uint32_t *ret_at)
{
	uint32_t off;
	int err;

	for (off = w->x->hint; off < w->x->size; off += w->x->chunk) {
		*ret_at = dir_entry_put(w, off, name, len, ino, ft);
		if (*ret_at)
			return dir_block_put(w, off);
		w->x->hint = off + w->x->chunk;
	}
	if (ext2fs_has_feature_dir_index(w->es->fs->super)) {
		err = dir_htree_make(w);
		if (err <= 0)
			return err ? err : -LINUX_EAGAIN;
	}
	err = dir_block_append(w, &off);
	if (err)
		return err;
	dir_block_empty(w, off);
	*ret_at = dir_entry_put(w, off, name, len, ino, ft);
	return dir_block_put(w, off);
}

int ext4_dir_add(struct ext4_sb_info *es, struct inode *dir, const char *name, struct inode *inode)
{
	size_t len = strlen(name);
	struct dir_work w;
	uint32_t at = 0;
	int err = work_begin(&w, es, dir);

	if (err)
		return work_end(&w, err);
	if (dir_slot_of(w.x, name, len, name_hash(name, len))->off)
		return work_end(&w, -LINUX_EEXIST);
	if (!is_indexed(&w))
		err = add_linear(&w, name, len, inode->ino, ft_of(&w, inode->mode), &at);
	if (is_indexed(&w) && (!err || err == -LINUX_EAGAIN))
		err = dir_htree_add(&w, name, len, inode->ino, ft_of(&w, inode->mode), &at);
	if (!err)
		err = dir_slot_add(w.x, name, len, at);
	if (!err)
		err = ext4_inode_store(es, w.ei);
	return work_end(&w, err);
}

/* --- removing, replacing --- */

static struct dir_slot *slot_find(struct dir_work *w, const char *name, const struct inode *inode)
{
	size_t len = strlen(name);
	struct dir_slot *s = dir_slot_of(w->x, name, len, name_hash(name, len));

	return s->off && (!inode || dir_entry_at(w->x, s->off)->inode == inode->ino) ? s : NULL;
}

int ext4_dir_remove(struct ext4_sb_info *es, struct inode *dir, const char *name, struct inode *inode)
{
	struct dir_slot *s = NULL;
	struct dir_work w;
	uint32_t block, prev;
	int err = work_begin(&w, es, dir);

	if (!err) {
		s = slot_find(&w, name, inode);
		err = s ? 0 : -LINUX_ENOENT;
	}
	if (err)
		return work_end(&w, err);
	block = s->off / w.x->chunk * w.x->chunk;
	for (prev = block; prev < s->off;) {
		uint32_t next = prev + dir_rec_len(w.x, dir_entry_at(w.x, prev));

		if (next >= s->off)
			break;
		prev = next;
	}
	if (prev < s->off)
		dir_rec_len_set(w.x, dir_entry_at(w.x, prev),
				dir_rec_len(w.x, dir_entry_at(w.x, prev)) + dir_rec_len(w.x, dir_entry_at(w.x, s->off)));
	dir_entry_at(w.x, s->off)->inode = 0;
	w.x->hint = MIN(w.x->hint, block);
	/* The name is still at its offset, which finding its slot needs no more. */
	dir_slot_del(w.ei, w.x, s);
	err = dir_block_put(&w, block);
	if (!err)
		err = ext4_inode_store(es, w.ei);
	return work_end(&w, err);
}

int ext4_dir_replace(struct ext4_sb_info *es, struct inode *dir, const char *name, struct inode *inode)
{
	struct dir_slot *s = NULL;
	struct dir_work w;
	int err = work_begin(&w, es, dir);

	if (!err) {
		s = slot_find(&w, name, NULL);
		err = s ? 0 : -LINUX_ENOENT;
	}
	if (err)
		return work_end(&w, err);
	dir_entry_at(w.x, s->off)->inode = inode->ino;
	dir_entry_at(w.x, s->off)->file_type = ft_of(&w, inode->mode);
	err = dir_block_put(&w, s->off / w.x->chunk * w.x->chunk);
	if (!err)
		err = ext4_inode_store(es, w.ei);
	return work_end(&w, err);
}

int ext4_dir_set_parent(struct ext4_sb_info *es, struct inode *dir, struct inode *parent)
{
	struct ext2_dir_entry_2 *dotdot;
	struct dir_work w;
	int err = work_begin(&w, es, dir);

	if (err)
		return work_end(&w, err);
	dotdot = dir_entry_at(w.x, dir_rec_len(w.x, dir_entry_at(w.x, 0)));
	if (dir_rec_len(w.x, dir_entry_at(w.x, 0)) > w.x->chunk - 12 || dotdot->name_len != 2 || dotdot->name[0] != '.')
		err = ext4_error(es, EFSCORRUPTED, "directory %llu has no \"..\"", (unsigned long long)dir->ino);
	if (!err) {
		dotdot->inode = parent->ino;
		err = dir_block_put(&w, 0);
	}
	return work_end(&w, err);
}

int ext4_dir_make(struct ext4_sb_info *es, struct inode *dir, struct inode *parent)
{
	struct ext4_inode_info *ei = EXT4_I(dir);
	struct ext4_dir_index fake = { .chunk = es->blocksize, .size = es->blocksize,
				       .has_type = ext2fs_has_feature_filetype(es->fs->super) };
	struct dir_work w = { .es = es, .ei = ei, .x = &fake };
	struct ext2_dir_entry_2 *de;
	uint64_t pblk;
	uint32_t got;
	int err = ext4_alloc_blocks(es, ext4_goal(es, ei, 0), 1, &pblk, &got);

	if (!err)
		err = ext4_ext_set(es, ei, 0, 1, pblk, EXT4_EXT_WRITTEN);
	if (err)
		return err;
	fake.data = ext4_mnew(es, pblk);
	if (IS_ERR(fake.data))
		return PTR_ERR(fake.data);
	dir->blocks += es->blocksize / 512;
	dir->size = es->blocksize;
	/* Only the first bytes of an entry: it is smaller than its type. */
	for (int i = 0; i < 2; i++) {
		de = dir_entry_at(&fake, i * 12);
		de->inode = i ? parent->ino : dir->ino;
		dir_rec_len_set(&fake, de, i ? dir_leaf_end(&w) - 12 : 12);
		de->name_len = i + 1;
		de->file_type = ft_of(&w, LINUX_S_IFDIR);
		memcpy(de->name, "..", i + 1);
	}
	if (es->metadata_csum)
		leaf_csum_set(&w, 0);
	return 0;
}

int ext4_dir_empty(struct inode *dir)
{
	struct ext4_dir_index *x = ext4_dir_index_get(EXT4_I(dir));
	int empty;

	if (IS_ERR(x))
		return PTR_ERR(x);
	empty = !x->nr_names;
	ext4_dir_index_put(x);
	return empty;
}
