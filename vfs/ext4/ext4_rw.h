/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing ext4.  Nothing here is for other rooms.
 *
 *     txn.c           the cache of metadata blocks; operations (begin, end), which are rolled back whole when they fail
 *     commit.c        the jbd2 log: commit, checkpoint, replay at open
 *     balloc.c        blocks; ialloc.c: inodes and the orphan list
 *     inode_write.c   inodes to the inode table, their end
 *     extent_write.c  changing extent trees; extent_range.c: ranges of a file's blocks; migrate.c: what has a block map
 *     dir_write.c     names in directories; htree.c: their hash trees; namei.c: the operations on them
 *     write.c         file data: delayed allocation, truncate, fsync; fallocate.c
 *     xattr_write.c   extended attributes
 *     cow.c           changes in a file beside the image
 *     mount_rw.c      opening for writing, sync, the background writer, the end
 *
 * Metadata is never written to its place directly.  An operation (ext4_begin ... ext4_end) changes blocks in the cache;
 * the first change of a block in an operation keeps a copy, so that an operation that fails leaves nothing behind.  All
 * operations since the last commit are one transaction:
 *
 *     running --commit: copied to the log, flush, commit block, flush--> logged --checkpoint: written home--> clean
 *
 * What holds, and what recovery depends on:
 *
 *  1. A block goes home only when the newest change of it is in a committed transaction.
 *  2. File data is written straight to the image, and before the extents that name its blocks enter a transaction: the
 *     flush in front of the commit block makes it durable first (data=ordered).
 *  3. A block that is freed is not used again before the transaction that frees it is durable (quarantine).
 *  4. A metadata block that is freed and may be in the log is revoked, so that a replay does not write over its next user.
 *  5. An inode that has lost its last name, or is being cut, is on the orphan list in the same transaction.
 *  6. The tail of the log moves only after what it held is home and flushed.
 *
 * Page cache: a page of a file becomes dirty only after space for it was set aside (ext4_dirty); blocks are chosen when it
 * is written back.  Blocks are freed only after the pages over them were dropped and every mapping of them was undone,
 * with i_rwsem held for writing or the inode unreachable: so no write-back and no guest mapping ever reaches a freed block.
 *
 * A hole that is punched does not change i_size, so that a fault may make a page dirty meanwhile: ext4_inode_info.wb_lock
 * is held by write-back from looking blocks up until they are written, and by who frees or moves them.
 *
 * Lock order: inode->i_rwsem, iget_locks, ext4_inode_info.wb_lock, commit_lock, lock, ext4_inode_info.lock, cache_lock and
 * dirty_lock (leaves).
 * `lock` is the one lock over allocator, formats and the running transaction.  Under it no page frame is allocated and no
 * inode reference is put: both may come back into the file system.
 */
#ifndef SENTRY_VFS_EXT4_EXT4_RW_H
#define SENTRY_VFS_EXT4_EXT4_RW_H

#include "vfs/ext4/ext4_fs.h"

/* --- the cache of metadata blocks and operations: txn.c --- */

struct ext4_mblock {
	struct ext4_mblock *hash_next; /* cache_lock to change */
	struct list_head link;	       /* rw->running, ->logged or ->clean */
	uint64_t blk;
	uint64_t op;	/* operation that has a copy of what was before it */
	bool running;	/* changed since the last commit */
	bool logged;	/* a copy is in the log that is not at home */
	bool verified;	/* its checksum was looked at */
	uint8_t *data;
};

struct ext4_run {
	uint64_t blk;
	uint32_t len;
};

struct ext4_run_list {
	struct ext4_run *v;
	size_t nr, max;
};

struct ext4_undo_block {
	struct ext4_mblock *m;
	uint8_t *old;	  /* kept for the next operation */
	bool was_running;
	bool fresh;	  /* it was not cached: there is no older content */
};

#define EXT4_UNDO_INODES 8

struct ext4_undo_inode {
	struct ext4_inode_info *ei;
	uint8_t *raw;
	uint32_t flags, nlink;
	uint64_t blocks, size, disksize;
	bool on_orphans;
	struct list_head *orphan_prev;
};

/* What the journal inode's blocks are, and where the log stands.  commit_lock, but for what is marked. */
struct ext4_log {
	struct ext4_seg *segs; /* immutable */
	uint32_t nr_segs;
	uint32_t first, last;  /* immutable: the ring is [first, last) */
	uint32_t head, used;   /* next block; blocks since the tail */
	uint32_t tail_tid;
	uint32_t csum_seed;
	uint8_t super[1024];
	uint8_t *buf; /* of the commit being written */
	size_t buf_size;
};

struct ext4_group {
	uint64_t *quarantine; /* bitmap; NULL when nothing is in it */
	uint32_t hint;	      /* where free blocks may be */
};

struct ext4_rw {
	struct mutex commit_lock;
	struct mutex lock;
	struct mutex cache_lock;
	struct mutex dirty_lock;
	struct mutex iget_locks[64];

	/* lock; the hash: cache_lock too for changes */
	struct ext4_mblock **buckets;
	uint32_t nr_buckets, nr_cached, nr_clean, nr_running;
	struct list_head running, logged, clean;
	uint32_t max_running;	/* blocks in a transaction */
	uint64_t op;		/* number of the operation under way */
	bool reserve_ok;	/* it may use what is kept for delayed writes and for root */
	struct ext4_undo_block *undo;
	size_t nr_undo, max_undo;
	struct ext4_undo_inode undo_inodes[EXT4_UNDO_INODES];
	unsigned nr_undo_inodes;
	struct ext4_run_list freed, forgets;   /* of the running transaction */
	size_t freed_mark, forgets_mark;       /* where the operation began */
	struct ext4_run_list revokes;
	atomic_ulong quarantined; /* blocks that are free with the next commit */
	int64_t free_blocks_mark, free_inodes_mark;
	struct list_head orphans; /* ext4_inode_info.orphan_link, as chained on the disk */
	uint32_t tid;		  /* of the running transaction */
	uint8_t *scratch;	  /* one block */
	uint32_t generations[64]; /* random numbers for new inodes, */
	unsigned nr_generations;  /* these are left */

	struct ext4_group *groups;
	atomic_long free_blocks, free_inodes;
	atomic_long reserved;	/* blocks promised to dirty pages */
	uint64_t pool;		/* blocks kept back for metadata of those */
	uint64_t root_reserve;

	atomic_uint committed_tid;
	atomic_bool need_flush; /* something was written since the last flush */
	atomic_int aborted;	/* errno; read-only from then on */
	atomic_bool damaged;	/* the superblock is to say so */
	bool nobarrier;
	struct ext4_log log;

	struct list_head dirty; /* dirty_lock; ext4_inode_info.dirty_link */

	pthread_t writer; /* background */
	bool has_writer, stop, closed;
	atomic_bool write_soon, commit_soon; /* what it was woken for */
	struct waitq writer_wait;
};

static inline struct ext4_rw *EXT4_RW(const struct inode *inode)
{
	return EXT4_SB(inode->sb)->rw;
}

enum ext4_begin_flags { EXT4_USE_RESERVE = 1 };

/*
 * Begins an operation that changes at most @credits blocks or so, with rw->lock held until ext4_end.  0, -LINUX_EROFS
 * after an error that stopped the file system, or the error of a commit it had to wait for.
 */
int ext4_begin(struct ext4_sb_info *es, unsigned credits, unsigned flags);
/* Ends it: @err 0 keeps what was done, else everything is as before ext4_begin.  Returns @err. */
int ext4_end(struct ext4_sb_info *es, int err);
/* Whether an operation that found no space is worth another try, because a commit set blocks free.  Not inside one. */
bool ext4_retry(struct ext4_sb_info *es, int err, int *tries);

/* A block to read, to change, or new and zero.  Valid until ext4_end; or ERR_PTR. */
uint8_t *ext4_mread(struct ext4_sb_info *es, uint64_t blk);
uint8_t *ext4_mwrite(struct ext4_sb_info *es, uint64_t blk);
uint8_t *ext4_mnew(struct ext4_sb_info *es, uint64_t blk);
/* Whether the block @data was returned for is looked at for the first time since it was read from the image. */
bool ext4_mfirst(struct ext4_sb_info *es, uint64_t blk);
/* A metadata block was freed: its contents are of no interest any more. */
int ext4_mforget(struct ext4_sb_info *es, uint64_t blk);
/* Must be said before the inode's raw fields are changed in an operation. */
int ext4_inode_touch(struct ext4_sb_info *es, struct ext4_inode_info *ei);
int ext4_run_add(struct ext4_run_list *l, uint64_t blk, uint32_t len);
/* The newest copy of a block in the cache, for readers without the lock.  false: the image has it. */
bool ext4_cache_copy(struct ext4_rw *rw, uint64_t blk, uint32_t off, void *buf, uint32_t len);
bool ext4_cache_any(struct ext4_rw *rw);
/* Drops a block that was committed (commit.c) or forgotten. */
void ext4_mdrop_locked(struct ext4_rw *rw, struct ext4_mblock *m);
struct ext4_mblock *ext4_mfind(struct ext4_rw *rw, uint64_t blk);
int ext4_txn_init(struct ext4_sb_info *es);
void ext4_txn_fini(struct ext4_sb_info *es);
/* Nothing can be written any more: says so once, and makes the file system read-only. */
void ext4_abort(struct ext4_sb_info *es, int err, const char *what);

/* --- commit.c --- */

/* Makes transaction @tid durable (0: the running one).  0 or -errno. */
int ext4_commit(struct ext4_sb_info *es, uint32_t tid);
/* Writes every committed block home; the log is empty then. */
int ext4_checkpoint(struct ext4_sb_info *es);
/* Opens the journal for writing; with recovery first where it is needed. */
int ext4_log_open(struct ext4_sb_info *es, struct strbuf *why);
/* Marks the journal empty and the file system clean (@clean) or in use. */
int ext4_log_mark(struct ext4_sb_info *es, bool clean);
int ext4_flush(struct ext4_sb_info *es);

/* --- checksums: csum.c --- */

uint32_t ext4_crc32c(uint32_t crc, const void *buf, size_t len);

/* --- balloc.c --- */

/* Up to @want blocks in a row, near @goal.  -LINUX_ENOSPC. */
int ext4_alloc_blocks(struct ext4_sb_info *es, uint64_t goal, uint32_t want, uint64_t *ret_blk, uint32_t *ret_nr);
int ext4_free_blocks(struct ext4_sb_info *es, uint64_t blk, uint32_t nr);
/* The transaction that freed @l is durable: the blocks may be used.  Empties @l. */
void ext4_quarantine_release(struct ext4_sb_info *es, struct ext4_run_list *l);
void ext4_quarantine_undo(struct ext4_sb_info *es, size_t from);
/* The group descriptor to change, and what to say when it was. */
struct ext4_group_desc *ext4_gd(struct ext4_sb_info *es, uint32_t group, bool write);
void ext4_gd_done(struct ext4_sb_info *es, uint32_t group, struct ext4_group_desc *gd);
int ext4_balloc_init(struct ext4_sb_info *es);
/* The first bit in [at, nr) that is set (@taken) in @map or @also (NULL: nowhere), or clear in both; nr when there is none. */
uint32_t ext4_bit_next(const uint64_t *map, const uint64_t *also, uint32_t at, uint32_t nr, bool taken);
/* Whether the caller may have the blocks kept for root: by s_def_resuid, s_def_resgid or privilege. */
bool ext4_may_use_reserve(struct ext4_sb_info *es);
/* Blocks that a caller without privilege may still have. */
int64_t ext4_blocks_left(struct ext4_sb_info *es, bool privileged);

/* --- ialloc.c --- */

/* A new inode in @dir (NULL: none), zero but for what the VFS needs, entered in the table of inodes.  In an operation. */
struct inode *ext4_inode_new(struct ext4_sb_info *es, struct inode *dir, uint32_t mode, uint64_t rdev);
/* Takes a new inode back after its operation failed. */
void ext4_inode_drop_new(struct inode *inode);
int ext4_inode_free_number(struct ext4_sb_info *es, struct ext4_inode_info *ei);
int ext4_orphan_add(struct ext4_sb_info *es, struct ext4_inode_info *ei);
int ext4_orphan_del(struct ext4_sb_info *es, struct ext4_inode_info *ei);
/* The superblock to change; ext4_super_done afterwards. */
struct ext2_super_block *ext4_super(struct ext4_sb_info *es);
void ext4_super_done(struct ext4_sb_info *es, struct ext2_super_block *s);
/* What was orphaned when the image was last used is freed. */
int ext4_orphans_recover(struct ext4_sb_info *es);

/* --- inode_write.c --- */

/* Encodes the inode into its place in the inode table. */
int ext4_inode_store(struct ext4_sb_info *es, struct ext4_inode_info *ei);
void ext4_dirty_inode(struct inode *inode);
/* Stores every inode that was changed in memory only. */
int ext4_flush_inodes(struct ext4_sb_info *es);
int ext4_flush_inode(struct ext4_inode_info *ei);
/* The last reference went. */
void ext4_evict(struct ext4_inode_info *ei);
/* The file system is closed: an inode without a name is freed though someone holds it. */
int ext4_orphan_end(struct ext4_sb_info *es, struct ext4_inode_info *ei);
int ext4_inode_place(struct ext4_sb_info *es, uint32_t ino, uint64_t *ret_blk, uint32_t *ret_off);

/* --- extent_range.c --- */

enum ext4_ext_state { EXT4_EXT_HOLE, EXT4_EXT_WRITTEN, EXT4_EXT_UNWRITTEN };

/*
 * [lblk, lblk + len) of the file is at @pblk (or nowhere) from now on.  Blocks that were there are freed unless they stay
 * where they are.  Takes ei->lock.
 */
int ext4_ext_set(struct ext4_sb_info *es, struct ext4_inode_info *ei, uint64_t lblk, uint64_t len, uint64_t pblk,
		 enum ext4_ext_state state);
/* What is at @lblk, unwritten blocks told apart; *ret_len blocks of it.  In an operation. */
int ext4_ext_get(struct ext4_sb_info *es, struct ext4_inode_info *ei, uint64_t lblk, uint64_t *ret_len, uint64_t *ret_pblk,
		 enum ext4_ext_state *ret_state);
/* Frees what is in [*lblk, end), as much as one operation may: up to *lblk then. */
int ext4_ext_cut(struct ext4_sb_info *es, struct ext4_inode_info *ei, uint64_t *lblk, uint64_t end);
#define EXT4_CUT_CREDITS 64
void ext4_ext_init(struct ext4_inode_info *ei);
/*
 * The blocks from @from on are at @to from now on, which is a hole up to there when they move away from the start; blocks in
 * between were cut before when they move towards it.  One operation, -LINUX_EOPNOTSUPP for more extents than fit into one.
 */
int ext4_ext_shift(struct ext4_sb_info *es, struct ext4_inode_info *ei, uint64_t from, uint64_t to);
/* Blocks that ext4_ext_shift may change. */
#define EXT4_SHIFT_CREDITS 256
/* The tree is made anew of @segs. */
int ext4_ext_convert(struct ext4_sb_info *es, struct ext4_inode_info *ei, const struct ext4_seg_list *segs);
/* Says that the inode changes, and gives it an extent tree when it has a block map, as ext3 made it.  In an operation. */
int ext4_migrate(struct ext4_sb_info *es, struct ext4_inode_info *ei);
/* Whether i_block is about blocks at all: not of a device, or of a symlink whose target it is. */
bool ext4_has_blocks(struct ext4_inode_info *ei);
bool ext4_is_fast_symlink(struct ext4_inode_info *ei);
/* Where new blocks of the file should be. */
uint64_t ext4_goal(struct ext4_sb_info *es, struct ext4_inode_info *ei, uint64_t lblk);

/* --- dir_write.c, inside an operation, the directory's i_rwsem held for writing --- */

int ext4_dir_add(struct ext4_sb_info *es, struct inode *dir, const char *name, struct inode *inode);
int ext4_dir_remove(struct ext4_sb_info *es, struct inode *dir, const char *name, struct inode *inode);
/* The entry @name names @inode now. */
int ext4_dir_replace(struct ext4_sb_info *es, struct inode *dir, const char *name, struct inode *inode);
int ext4_dir_set_parent(struct ext4_sb_info *es, struct inode *dir, struct inode *parent);
/* "." and ".." of a new directory. */
int ext4_dir_make(struct ext4_sb_info *es, struct inode *dir, struct inode *parent);
/* 1, 0, or -errno. */
int ext4_dir_empty(struct inode *dir);

/* --- namei.c, write.c, fallocate.c, xattr_write.c --- */

struct inode *ext4_mknod(struct inode *dir, const char *name, uint32_t mode, uint64_t rdev);
struct inode *ext4_mkdir(struct inode *dir, const char *name, uint32_t mode);
struct inode *ext4_symlink(struct inode *dir, const char *name, const char *target);
int ext4_link(struct inode *dir, const char *name, struct inode *inode);
int ext4_unlink(struct inode *dir, const char *name, struct inode *inode);
int ext4_rmdir(struct inode *dir, const char *name, struct inode *inode);
int ext4_rename(struct inode *old_dir, const char *old_name, struct inode *inode, struct inode *new_dir,
		const char *new_name, struct inode *target, unsigned flags);
struct inode *ext4_tmpfile(struct inode *dir, uint32_t mode);

int ext4_setattr(struct inode *inode, const struct iattr *attr);
int64_t ext4_write(struct file *f, struct iov_iter *from, uint64_t *pos);
int ext4_fsync(struct file *f, uint64_t start, uint64_t end, bool datasync);
int ext4_writepages(struct mapping *m, uint64_t pgoff, unsigned nr, const pfn_t *pfns);
int ext4_dirty(struct mapping *m, uint64_t pgoff);
void ext4_dropped(struct mapping *m, uint64_t pgoff, unsigned nr);
/* Frees the blocks behind @size, in as many operations as it takes. */
int ext4_truncate_blocks(struct ext4_inode_info *ei, uint64_t size);
int ext4_fallocate(struct file *f, int mode, uint64_t off, uint64_t len);

int ext4_setxattr(struct inode *inode, const char *name, const void *value, size_t size, int flags);
int ext4_removexattr(struct inode *inode, const char *name);
int ext4_xattr_free_block(struct ext4_sb_info *es, struct ext4_inode_info *ei);

/* --- mount_rw.c --- */

/* Makes a super block that was opened read-only writable. */
int ext4_rw_open(struct ext4_sb_info *es, unsigned flags, struct strbuf *why);
int ext4_rw_sync(struct super_block *sb);
void ext4_writeback_soon(struct super_block *sb);
/* Everything to the image, which is clean then. */
void ext4_rw_close(struct ext4_sb_info *es);

#endif
