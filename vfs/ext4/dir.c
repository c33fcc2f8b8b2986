/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Directories (Documentation/filesystems/ext4/directory.rst).
 *
 * A directory is read whole when it is first used and kept with a hash table over its names.  So a look-up costs the same
 * in a linear directory, which is what mke2fs -d makes, and in one with a hash tree, whose inner nodes are left aside:
 * they look like unused entries.  The indexes of directories that are not open together hold at most DIR_BYTES_MAX, the one
 * loaded first goes first.
 *
 * Positions 0 and 1 are "." and "..", then come the names in the order of dir_index.h.
 */
#include <stdlib.h>
#include <string.h>

#include "sentry/abi/dirent.h"
#include "vfs/ext4/dir_index.h"
#include "vfs/name_hash.h"

#define DIR_SIZE_MAX (256UL << 20)
#define DIR_BYTES_MAX (64UL << 20)

void ext4_dir_index_put(struct ext4_dir_index *x)
{
	if (!ref_put(&x->ref))
		return;
	free(x->order);
	free(x->slots);
	free(x->data);
	free(x);
}

static size_t index_bytes(const struct ext4_dir_index *x)
{
	return sizeof(*x) + x->max_size + ((size_t)x->mask + 1) * sizeof(*x->slots) + x->max_order * sizeof(*x->order);
}

/* With 64 KiB blocks a record's length does not fit 16 bits. */
uint32_t dir_rec_len(const struct ext4_dir_index *x, const struct ext2_dir_entry_2 *de)
{
	if (x->chunk < 65536)
		return de->rec_len;
	if (de->rec_len == 65535 || de->rec_len == 0)
		return x->chunk;
	return (de->rec_len & 65532) | (uint32_t)(de->rec_len & 3) << 16;
}

void dir_rec_len_set(const struct ext4_dir_index *x, struct ext2_dir_entry_2 *de, uint32_t len)
{
	de->rec_len = x->chunk < 65536 ? len : len == 65536 ? 65535 : (len & 65532) | len >> 16;
}

/* Where the run of entries that contains @off ends. */
static size_t run_end(const struct ext4_dir_index *x, size_t off)
{
	if (x->first) /* inline */
		return off < x->second ? MIN(x->second, x->size) : x->size;
	return MIN((off / x->chunk + 1) * x->chunk, x->size);
}

static bool is_dot(const struct ext2_dir_entry_2 *de)
{
	return de->name[0] == '.' && (de->name_len == 1 || (de->name_len == 2 && de->name[1] == '.'));
}

/* An entry that is in use and names something other than the directory itself and its parent. */
bool dir_is_child(const struct ext2_dir_entry_2 *de)
{
	return de->inode && de->name_len && !is_dot(de);
}

/* --- building --- */

static int entry_check(struct ext4_inode_info *ei, const struct ext4_dir_index *x, size_t off, size_t end)
{
	const struct ext2_dir_entry_2 *de = dir_entry_at(x, off);
	uint32_t rec_len;

	if (end - off < 8)
		goto bad;
	rec_len = dir_rec_len(x, de);
	if (rec_len < 12 || rec_len & 3 || rec_len > end - off)
		goto bad;
	if (!de->inode)
		return 0;
	if (8U + de->name_len > rec_len || memchr(de->name, '/', de->name_len) || memchr(de->name, 0, de->name_len))
		goto bad;
	return 0;
bad:
	return ext4_error(EXT4_SB(ei->vfs.sb), EFSCORRUPTED, "bad entry in directory %llu",
			  (unsigned long long)ei->vfs.ino);
}

static int entries_check(struct ext4_inode_info *ei, const struct ext4_dir_index *x, uint32_t *ret_nr)
{
	size_t off = x->first;
	uint32_t nr = 0;
	int err;

	while (off < x->size) {
		size_t end = run_end(x, off);

		for (; off < end; off += dir_rec_len(x, dir_entry_at(x, off))) {
			err = entry_check(ei, x, off, end);
			if (err)
				return err;
			nr += dir_is_child(dir_entry_at(x, off));
		}
	}
	*ret_nr = nr;
	return 0;
}

/* A block of the hash tree: the root, which has "." and "..", or a node, which looks like one big unused entry. */
bool dir_is_dx_block(const struct ext4_inode_info *ei, const struct ext4_dir_index *x, size_t off)
{
	const struct ext2_dir_entry_2 *de = dir_entry_at(x, off);

	return ei->flags & EXT2_INDEX_FL && (!off || (!de->inode && dir_rec_len(x, de) == x->chunk));
}

/*
 * Leaf blocks end in a fake entry with the checksum.  Those of the hash tree keep theirs elsewhere; nothing in them but "."
 * and ".." is used, so it is not looked at.
 */
static int csums_verify(struct ext4_inode_info *ei, const struct ext4_dir_index *x)
{
	for (size_t off = 0; off < x->size; off += x->chunk) {
		const struct ext2_dir_entry_tail *t = (const void *)(x->data + off + x->chunk - sizeof(*t));

		if (dir_is_dx_block(ei, x, off))
			continue;
		if (t->det_reserved_zero1 || t->det_rec_len != sizeof(*t) ||
		    t->det_reserved_name_len != EXT2_DIR_NAME_LEN_CSUM ||
		    ext4_crc32c(ei->csum_seed, x->data + off, x->chunk - sizeof(*t)) != t->det_checksum)
			return ext4_error(EXT4_SB(ei->vfs.sb), EFSBADCRC, "bad checksum in directory %llu",
					  (unsigned long long)ei->vfs.ino);
	}
	return 0;
}

static int data_load_inline(struct ext4_inode_info *ei, struct ext4_dir_index *x)
{
	const struct ext2_inode_large *raw = ext4_raw(ei);
	const uint8_t *tail;
	uint32_t tail_len;
	int err = ext4_inline_tail(ei, &tail, &tail_len);

	if (err)
		return err;
	x->size = sizeof(raw->i_block) + tail_len;
	x->chunk = 4096;
	x->first = 4; /* behind the parent's number */
	x->second = sizeof(raw->i_block);
	x->max_size = x->size;
	x->data = malloc(x->size + sizeof(struct ext2_dir_entry_2));
	if (!x->data)
		return -LINUX_ENOMEM;
	memcpy(x->data, raw->i_block, sizeof(raw->i_block));
	memcpy(x->data + sizeof(raw->i_block), tail, tail_len);
	return 0;
}

static int data_load(struct ext4_inode_info *ei, struct ext4_dir_index *x)
{
	struct ext4_sb_info *es = EXT4_SB(ei->vfs.sb);
	int err;

	if (ei->flags & EXT4_ENCRYPT_FL)
		return -LINUX_ENOKEY;
	if (ei->flags & EXT4_INLINE_DATA_FL)
		return data_load_inline(ei, x);
	x->size = ei->vfs.size;
	x->chunk = es->blocksize;
	if (!x->size || x->size % x->chunk || x->size > DIR_SIZE_MAX)
		return ext4_error(es, EFSCORRUPTED, "bad size of directory %llu", (unsigned long long)ei->vfs.ino);
	x->max_size = x->size;
	x->data = malloc(x->size + sizeof(struct ext2_dir_entry_2));
	if (!x->data)
		return -LINUX_ENOMEM;
	err = ext4_read_data(ei, x->data, 0, x->size);
	if (!err && es->metadata_csum)
		err = csums_verify(ei, x);
	return err;
}

/* The slot of @name, or the free one where it would go. */
struct dir_slot *dir_slot_of(const struct ext4_dir_index *x, const char *name, size_t len, uint32_t hash)
{
	for (uint32_t i = hash & x->mask;; i = (i + 1) & x->mask) {
		struct dir_slot *s = &x->slots[i];
		const struct ext2_dir_entry_2 *de = dir_entry_at(x, s->off);

		if (!s->off || (s->hash == hash && de->name_len == len && !memcmp(de->name, name, len)))
			return s;
	}
}

static int slots_resize(struct ext4_dir_index *x, uint32_t nr)
{
	struct dir_slot *old = x->slots;
	uint32_t old_mask = x->mask, nr_slots = 8;

	while (nr_slots < nr * 2ULL)
		nr_slots *= 2;
	x->slots = calloc(nr_slots, sizeof(*x->slots));
	if (!x->slots) {
		x->slots = old;
		return -LINUX_ENOMEM;
	}
	x->mask = nr_slots - 1;
	for (uint32_t i = 0; old && i <= old_mask; i++) {
		uint32_t at = old[i].hash & x->mask;

		if (!old[i].off)
			continue;
		while (x->slots[at].off)
			at = (at + 1) & x->mask;
		x->slots[at] = old[i];
	}
	free(old);
	return 0;
}

int dir_slot_add(struct ext4_dir_index *x, const char *name, size_t len, uint32_t off)
{
	uint32_t hash = name_hash(name, len);
	struct dir_slot *s;

	if (x->nr_order == x->max_order) {
		uint32_t max = x->max_order * 2 + 16, *order = realloc(x->order, max * sizeof(*order));

		if (!order)
			return -LINUX_ENOMEM;
		x->order = order;
		x->max_order = max;
	}
	if ((x->nr_names + 1) * 2ULL > x->mask + 1ULL && slots_resize(x, x->nr_names * 2 + 1))
		return -LINUX_ENOMEM;
	s = dir_slot_of(x, name, len, hash);
	if (s->off) /* of two entries with one name the first counts */
		return 0;
	*s = (struct dir_slot){ hash, off, x->nr_order };
	x->order[x->nr_order++] = off;
	x->nr_names++;
	return 0;
}

/* Places of removed names go when nobody has a position: those at the end in any case. */
static void order_compact(struct ext4_inode_info *ei, struct ext4_dir_index *x)
{
	uint32_t nr = 0;

	while (x->nr_order && !x->order[x->nr_order - 1])
		x->nr_order--;
	if (x->nr_order < 64 || x->nr_order < x->nr_names * 2 || atomic_load(&ei->nr_open))
		return;
	for (uint32_t i = 0; i < x->nr_order; i++) {
		const struct ext2_dir_entry_2 *de = dir_entry_at(x, x->order[i]);

		if (!x->order[i])
			continue;
		dir_slot_of(x, de->name, de->name_len, name_hash(de->name, de->name_len))->seq = nr;
		x->order[nr++] = x->order[i];
	}
	x->nr_order = nr;
}

void dir_slot_del(struct ext4_inode_info *ei, struct ext4_dir_index *x, struct dir_slot *s)
{
	uint32_t hole = s - x->slots;

	x->order[s->seq] = 0;
	x->nr_names--;
	/* Slots behind it that were pushed over it move back. */
	for (uint32_t i = (hole + 1) & x->mask; x->slots[i].off; i = (i + 1) & x->mask) {
		uint32_t home = x->slots[i].hash & x->mask;

		if (((i - home) & x->mask) >= ((i - hole) & x->mask)) {
			x->slots[hole] = x->slots[i];
			hole = i;
		}
	}
	x->slots[hole].off = 0;
	order_compact(ei, x);
}

static int names_hash(struct ext4_dir_index *x, uint32_t nr)
{
	int err = slots_resize(x, nr);

	x->order = malloc((nr + 1) * sizeof(*x->order));
	if (err || !x->order)
		return -LINUX_ENOMEM;
	x->max_order = nr + 1;
	for (size_t off = x->first; off < x->size && !err; off += dir_rec_len(x, dir_entry_at(x, off))) {
		const struct ext2_dir_entry_2 *de = dir_entry_at(x, off);

		if (dir_is_child(de) && off)
			err = dir_slot_add(x, de->name, de->name_len, off);
	}
	return err;
}

static struct ext4_dir_index *index_build(struct ext4_inode_info *ei)
{
	struct ext4_dir_index *x = calloc(1, sizeof(*x));
	uint32_t nr;
	int err;

	if (!x)
		return ERR_PTR(-LINUX_ENOMEM);
	ref_init(&x->ref);
	x->has_type = ext2fs_has_feature_filetype(EXT4_SB(ei->vfs.sb)->fs->super);
	err = data_load(ei, x);
	if (!err)
		err = entries_check(ei, x, &nr);
	if (!err)
		err = names_hash(x, nr);
	if (err) {
		ext4_dir_index_put(x);
		return ERR_PTR(err);
	}
	return x;
}

/* --- keeping --- */

/* Takes the index of @ei off the list.  dir_lock and ei->lock held. */
static struct ext4_dir_index *index_detach(struct ext4_sb_info *es, struct ext4_inode_info *ei)
{
	struct ext4_dir_index *x = ei->dir;

	if (x) {
		list_del(&ei->dir_link);
		es->dir_bytes -= x->counted;
		ei->dir = NULL;
	}
	return x;
}

/* ei->lock held; others' are below it in no order, so they are only tried. */
static void index_attach(struct ext4_sb_info *es, struct ext4_inode_info *ei, struct ext4_dir_index *x)
{
	struct ext4_inode_info *old, *tmp;

	mutex_lock(&es->dir_lock);
	list_for_each_entry_safe(old, tmp, &es->dirs, dir_link) {
		if (es->dir_bytes + index_bytes(x) <= DIR_BYTES_MAX)
			break;
		if (!atomic_load(&old->nr_open) && mutex_trylock(&old->lock)) {
			ext4_dir_index_put(index_detach(es, old));
			mutex_unlock(&old->lock);
		}
	}
	ei->dir = x;
	list_add_tail(&ei->dir_link, &es->dirs);
	x->counted = index_bytes(x);
	es->dir_bytes += x->counted;
	mutex_unlock(&es->dir_lock);
}

/* The index with a reference, or ERR_PTR. */
struct ext4_dir_index *ext4_dir_index_get(struct ext4_inode_info *ei)
{
	struct ext4_dir_index *x;
	MUTEX_GUARD(&ei->lock);

	x = ei->dir;
	if (!x) {
		/* The map cache has its lock inside: build without ours. */
		mutex_unlock(&ei->lock);
		x = index_build(ei);
		mutex_lock(&ei->lock);
		if (IS_ERR(x))
			return x;
		if (ei->dir) {
			ext4_dir_index_put(x);
			x = ei->dir;
		} else {
			index_attach(EXT4_SB(ei->vfs.sb), ei, x);
		}
	}
	ref_get(&x->ref);
	return x;
}

void ext4_dir_forget(struct ext4_inode_info *ei)
{
	struct ext4_sb_info *es = EXT4_SB(ei->vfs.sb);
	struct ext4_dir_index *x;

	mutex_lock(&es->dir_lock);
	x = index_detach(es, ei);
	mutex_unlock(&es->dir_lock);
	if (x)
		ext4_dir_index_put(x);
}

/* --- operations --- */

static struct inode *ext4_lookup(struct inode *dir, const char *name)
{
	struct ext4_dir_index *x = ext4_dir_index_get(EXT4_I(dir));
	size_t len = strlen(name);
	struct inode *inode;
	struct dir_slot *s;
	uint32_t ino;

	if (IS_ERR(x))
		return ERR_PTR(PTR_ERR(x));
	s = dir_slot_of(x, name, len, name_hash(name, len));
	ino = s->off ? dir_entry_at(x, s->off)->inode : 0;
	ext4_dir_index_put(x);
	if (!ino)
		return ERR_PTR(-LINUX_ENOENT);
	inode = ext4_iget(EXT4_SB(dir->sb), ino);
	if (inode == ERR_PTR(-LINUX_ESTALE))
		return ERR_PTR(ext4_error(EXT4_SB(dir->sb), EFSCORRUPTED, "a name for the deleted inode %u", ino));
	return inode;
}

static unsigned type_of(const struct ext4_dir_index *x, const struct ext2_dir_entry_2 *de)
{
	static const uint8_t types[EXT2_FT_MAX] = {
		[EXT2_FT_REG_FILE] = LINUX_DT_OF_MODE(LINUX_S_IFREG), [EXT2_FT_DIR] = LINUX_DT_OF_MODE(LINUX_S_IFDIR),
		[EXT2_FT_CHRDEV] = LINUX_DT_OF_MODE(LINUX_S_IFCHR),   [EXT2_FT_BLKDEV] = LINUX_DT_OF_MODE(LINUX_S_IFBLK),
		[EXT2_FT_FIFO] = LINUX_DT_OF_MODE(LINUX_S_IFIFO),     [EXT2_FT_SOCK] = LINUX_DT_OF_MODE(LINUX_S_IFSOCK),
		[EXT2_FT_SYMLINK] = LINUX_DT_OF_MODE(LINUX_S_IFLNK),
	};

	return x->has_type && de->file_type < ARRAY_SIZE(types) ? types[de->file_type] : LINUX_DT_UNKNOWN;
}

static int ext4_iterate(struct file *f, struct dir_context *ctx)
{
	struct ext4_dir_index *x;

	if (!dir_emit_dots(f, ctx))
		return 0;
	x = ext4_dir_index_get(EXT4_I(f->inode));
	if (IS_ERR(x))
		return PTR_ERR(x);
	for (uint64_t seq = ctx->pos - 2; seq < x->nr_order; seq++) {
		const struct ext2_dir_entry_2 *de = dir_entry_at(x, x->order[seq]);

		if (x->order[seq] &&
		    !ctx->emit(ctx, de->name, de->name_len, de->inode, type_of(x, de), seq + 3))
			break;
		ctx->pos = seq + 3;
	}
	ext4_dir_index_put(x);
	return 0;
}

static int ext4_dir_open(struct inode *inode, struct file *f)
{
	(void)f;
	atomic_fetch_add(&EXT4_I(inode)->nr_open, 1);
	return 0;
}

static void ext4_dir_release(struct file *f)
{
	atomic_fetch_sub(&EXT4_I(f->inode)->nr_open, 1);
}

static int ext4_dir_fsync(struct file *f, uint64_t start, uint64_t end, bool datasync)
{
	return EXT4_RW(f->inode) ? ext4_fsync(f, start, end, datasync) : 0;
}

const struct inode_ops ext4_dir_inode_ops = {
	.lookup = ext4_lookup,
	.getxattr = ext4_getxattr,
	.listxattr = ext4_listxattr,
};

const struct inode_ops ext4_dir_inode_ops_rw = {
	.lookup = ext4_lookup,
	.mknod = ext4_mknod,
	.mkdir = ext4_mkdir,
	.symlink = ext4_symlink,
	.link = ext4_link,
	.unlink = ext4_unlink,
	.rmdir = ext4_rmdir,
	.rename = ext4_rename,
	.tmpfile = ext4_tmpfile,
	.setattr = ext4_setattr,
	.getxattr = ext4_getxattr,
	.setxattr = ext4_setxattr,
	.removexattr = ext4_removexattr,
	.listxattr = ext4_listxattr,
};

const struct file_ops ext4_dir_ops = {
	.iterate = ext4_iterate,
	.llseek = generic_file_llseek,
	.open = ext4_dir_open,
	.release = ext4_dir_release,
	.fsync = ext4_dir_fsync,
};
