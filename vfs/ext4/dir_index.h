/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A directory in memory, for dir.c and dir_write.c: its blocks as they are on the disk, a hash table of the names, and the
 * order in which names came.
 *
 * A name keeps its place in the order however its entry moves, and that place is its position (d_off): so a scan of a
 * directory that changes meanwhile, is split or turned into a hash tree, meets every name that stays exactly once.  The
 * index stays while someone has the directory open.
 */
#ifndef SENTRY_VFS_EXT4_DIR_INDEX_H
#define SENTRY_VFS_EXT4_DIR_INDEX_H

#include "vfs/ext4/ext4_rw.h"

struct dir_slot {
	uint32_t hash;
	uint32_t off; /* of the entry in data; 0: free (no named entry is at 0) */
	uint32_t seq; /* its place in order[] */
};

/* Changed with the directory's i_rwsem held for writing, read with it held at all. */
struct ext4_dir_index {
	struct ref ref;
	uint8_t *data; /* the directory's blocks, and room for one entry behind them */
	size_t size, max_size;
	uint32_t chunk;	    /* entries do not cross a multiple of this... */
	uint32_t first, second; /* ... but in an inline directory start at `first`, and anew at `second` */
	bool has_type;
	struct dir_slot *slots;
	uint32_t mask, nr_names;
	uint32_t *order; /* offsets of entries; 0: the name was removed */
	uint32_t nr_order, max_order;
	uint32_t hint;	 /* linear: no block in front of this one has room */
	size_t counted;	 /* what ext4_sb_info.dir_bytes has of it */
};

static inline struct ext2_dir_entry_2 *dir_entry_at(const struct ext4_dir_index *x, size_t off)
{
	return (struct ext2_dir_entry_2 *)(x->data + off);
}

uint32_t dir_rec_len(const struct ext4_dir_index *x, const struct ext2_dir_entry_2 *de);
void dir_rec_len_set(const struct ext4_dir_index *x, struct ext2_dir_entry_2 *de, uint32_t len);
/* An entry that is in use and names something other than the directory itself and its parent. */
bool dir_is_child(const struct ext2_dir_entry_2 *de);
/* A block of the hash tree, not of names. */
bool dir_is_dx_block(const struct ext4_inode_info *ei, const struct ext4_dir_index *x, size_t off);
/* The slot of @name, or the free one where it would go. */
struct dir_slot *dir_slot_of(const struct ext4_dir_index *x, const char *name, size_t len, uint32_t hash);
/* Enters a name that is not there; 0 or -LINUX_ENOMEM.  dir_slot_del takes it out. */
int dir_slot_add(struct ext4_dir_index *x, const char *name, size_t len, uint32_t off);
void dir_slot_del(struct ext4_inode_info *ei, struct ext4_dir_index *x, struct dir_slot *s);
/* --- writing: dir_write.c, htree.c --- */

struct dir_work {
	struct ext4_sb_info *es;
	struct ext4_inode_info *ei;
	struct ext4_dir_index *x;
	bool ordered; /* blocks but the first are new, and written past the log before the transaction that names them */
};

/* What an entry takes at least. */
uint32_t dir_entry_size(size_t name_len);
/* Where entries of a block end: a checksum may follow. */
uint32_t dir_leaf_end(const struct dir_work *w);
/* The block at @off of the index goes to the cache, its checksum set. */
int dir_block_put(struct dir_work *w, uint32_t off);
/* One more block at the end, zero; dir_block_put it later.  Pointers into data are void. */
int dir_block_append(struct dir_work *w, uint32_t *ret_off);
/* All but the first of the directory's blocks, which will be @nr, are new ones: for more of them than fit into a transaction. */
int dir_blocks_renew(struct dir_work *w, uint32_t nr);
void dir_block_empty(struct dir_work *w, uint32_t off);
/* Puts an entry into the block at @off.  Its offset, 0 when there is no room (never is a name at 0). */
uint32_t dir_entry_put(struct dir_work *w, uint32_t off, const char *name, size_t len, uint32_t ino, unsigned ft);
void dir_dx_csum_set(struct dir_work *w, uint32_t off);
/* Turns a linear directory into a hashed one.  0, 1: it stays linear, or -errno. */
int dir_htree_make(struct dir_work *w);
/* Enters a name into a hashed directory. */
int dir_htree_add(struct dir_work *w, const char *name, size_t len, uint32_t ino, unsigned ft, uint32_t *ret_at);

/* The index with a reference, or ERR_PTR. */
struct ext4_dir_index *ext4_dir_index_get(struct ext4_inode_info *ei);
void ext4_dir_index_put(struct ext4_dir_index *x);

#endif
