/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the ext4 file system.  Nothing here is for other rooms.
 *
 *     image.c     the image's descriptor, block reads, the journal's overlay, libext2fs's io_manager
 *     journal.c   what a journal that was not replayed would have written
 *     super.c     opening, checks, statfs
 *     inode.c     inode decode, the inode table
 *     map.c       logical to physical blocks: cache; extent.c, indirect.c: the two on-disk forms
 *     dir.c       directories: loaded whole into an index on first use
 *     file.c      page cache reads, SEEK_DATA and SEEK_HOLE, symlinks
 *     xattr.c     extended attributes, ACLs
 *     ext4_rw.h   all that writes
 *
 * Locks: ext4_inode_info.lock (map cache, directory index) is below i_rwsem and mapping->lock; ext4_sb_info.dir_lock, the
 * list of loaded directories, is below it.  The image is read with either held.
 *
 * Every number from the disk is checked before it is used: block numbers by ext4_block_valid, lengths against the
 * structure that holds them.  On-disk structures are little endian, as the host is.
 */
#ifndef SENTRY_VFS_EXT4_EXT4_FS_H
#define SENTRY_VFS_EXT4_EXT4_FS_H

#ifdef SENTRY_ABI_STAT_H
#error "vfs/ext4/ext4_fs.h comes before what includes sentry/abi/stat.h"
#endif
#include <ext2fs/ext2fs.h>

#include <ext2fs/ext2_ext_attr.h>

/* libext2fs has its own copies of some of the names in sentry/abi/stat.h, spelled differently. */
#undef LINUX_S_IFMT
#undef LINUX_S_ISUID
#undef LINUX_S_ISGID
#undef LINUX_S_ISVTX
#undef LINUX_S_IFSOCK
#undef LINUX_S_IFLNK
#undef LINUX_S_IFREG
#undef LINUX_S_IFBLK
#undef LINUX_S_IFDIR
#undef LINUX_S_IFCHR
#undef LINUX_S_IFIFO
#undef LINUX_S_ISREG
#undef LINUX_S_ISDIR
#undef LINUX_S_ISLNK
#undef LINUX_S_ISCHR
#undef LINUX_S_ISBLK
#undef LINUX_S_ISFIFO
#undef LINUX_S_ISSOCK

#include "platform/host/host.h"
#include "sentry/base/log.h"
#include "vfs/ext4/ext4.h"
#include "vfs/ext4/ext4_trace.h"
#include "vfs/inode_hash.h"

/* Linux's names for the two answers to a damaged image (fs/ext4/ext4.h). */
#define EFSCORRUPTED LINUX_EUCLEAN
#define EFSBADCRC LINUX_EBADMSG

#define EXT4_MAX_LBLK (1ULL << 32) /* one past the last logical block number */

/* --- image.c --- */

/* A block whose newest copy is still in the journal. */
struct ext4_replay_block {
	uint64_t blk;	  /* where it belongs */
	uint64_t src;	  /* where it is */
	uint32_t order;	  /* later wins */
	bool escaped;	  /* its first four bytes, the journal's magic number, were blanked */
};

struct ext4_image {
	int fd;
	uint64_t size;	/* bytes */
	uint32_t blocksize;
	struct ext4_replay_block *replay; /* sorted by blk; NULL for a clean image */
	size_t nr_replay;
	struct ext4_cow *cow; /* changes go to another file; NULL */
	struct ext4_rw *rw; /* whose cache has newer blocks; NULL when opened read-only */
};

/* Bytes at an offset, the journal's overlay not applied: 0, -LINUX_EIO (past the end too). */
int ext4_image_read_raw(const struct ext4_image *img, void *buf, size_t len, uint64_t off);
/* @nr blocks from @blk on. */
int ext4_image_read(const struct ext4_image *img, uint64_t blk, uint32_t nr, void *buf);
/* Bytes inside one block. */
int ext4_image_read_part(const struct ext4_image *img, uint64_t blk, uint32_t off, void *buf, uint32_t len);
/* [start, start + len) of a frame vector from the blocks at byte @off of the image. */
int ext4_image_read_frames(const struct ext4_image *img, uint64_t off, const pfn_t *pfns, size_t start, size_t len);
/* Writes past the cache: 0 or -errno (-LINUX_ENOSPC when the host is full). */
int ext4_image_write(struct ext4_image *img, const void *buf, size_t len, uint64_t off);
int ext4_image_writev(struct ext4_image *img, const struct iovec *iov, int nr, uint64_t off);
int ext4_image_write_frames(struct ext4_image *img, uint64_t off, const pfn_t *pfns, size_t start, size_t len);
int ext4_image_flush(struct ext4_image *img);
/* --- cow.c: the changes of an image in a file of their own --- */

/* Opens or makes the overlay @name of the image of @size bytes behind @base_fd (borrowed for its life). */
int ext4_cow_open(int base_fd, uint64_t size, const char *name, struct ext4_cow **ret, struct strbuf *why);
void ext4_cow_close(struct ext4_cow *cow);
/* The blocks of an overlay whose file system is clean go to the image. */
int ext4_cow_commit(const char *path, const char *overlay, struct strbuf *why);
int ext4_cow_read(struct ext4_cow *cow, void *buf, size_t len, uint64_t off);
int ext4_cow_read_frames(struct ext4_cow *cow, uint64_t off, const pfn_t *pfns, size_t start, size_t len);
int ext4_cow_write(struct ext4_cow *cow, const void *buf, size_t len, uint64_t off);
int ext4_cow_flush(struct ext4_cow *cow);
/* Whether any of [off, off + len) is in the overlay. */
bool ext4_cow_any(const struct ext4_cow *cow, uint64_t off, uint64_t len);

/* libext2fs on @img.  Single-threaded: only while opening. */
errcode_t ext4_image_open_fs(struct ext4_image *img, ext2_filsys *ret_fs);

/* --- super.c --- */

struct ext4_sb_info {
	struct super_block *sb; /* borrowed */
	struct ext4_image image;
	ext2_filsys fs;		/* immutable after opening */
	uint32_t blocksize;
	unsigned blkbits;
	uint64_t nr_blocks;
	uint32_t first_block;
	bool metadata_csum;
	char *name;		/* for messages; owned */
	struct inode_hash icache;
	struct mutex dir_lock;
	struct list_head dirs;	/* dir_lock; ext4_inode_info.dir_link, least recently used first */
	size_t dir_bytes;	/* dir_lock; what the indexes hold */
	uint32_t journal_tid;	/* behind the last transaction that was replayed; 0: there was none */
	struct ext4_rw *rw;	/* NULL: read-only */
};

static inline struct ext4_sb_info *EXT4_SB(const struct super_block *sb)
{
	return sb->s_private;
}

/* Whether file data or metadata can be in [blk, blk + nr). */
static inline bool ext4_blocks_valid(const struct ext4_sb_info *es, uint64_t blk, uint64_t nr)
{
	return blk > es->first_block && blk < es->nr_blocks && nr <= es->nr_blocks - blk;
}

/* Damage was met: an image that is written is marked, and goes read-only where s_errors wants that (txn.c). */
void ext4_damaged(struct ext4_sb_info *es);

/* Logs a damaged structure; returns -@err. */
#define ext4_error(es, err, fmt, ...)                                                                                  \
	({                                                                                                             \
		log_once(LOG_LEVEL_WARN, "%s: damaged ext4 image: " fmt " (e2fsck -f mends it)", (es)->name,           \
			 ##__VA_ARGS__);                                                                               \
		ext4_damaged(es);                                                                                      \
		-(err);                                                                                                \
	})

/* --- inode.c --- */

struct ext4_seg;
struct ext4_dir_index;

struct ext4_inode_info {
	struct inode vfs;
	uint32_t flags;		/* EXT4_*_FL */
	uint32_t csum_seed;	/* of what belongs to this inode */
	struct mutex lock;
	struct ext4_seg *segs;	/* lock; sorted, disjoint */
	uint32_t nr_segs, max_segs;
	struct ext4_dir_index *dir; /* lock; NULL until the directory is used */
	struct list_head dir_link;  /* es->dir_lock */
	uint16_t extra_isize;
	uint16_t raw_size;
	/* What is below changes only in images opened for writing: rw->lock unless marked. */
	uint64_t disksize;	    /* i_size on the disk: what was written back of inode->size */
	struct list_head dirty_link; /* rw->dirty_lock; rw->dirty */
	bool is_dirty;		     /* rw->dirty_lock */
	struct list_head orphan_link;
	bool on_orphans;
	struct rwlock wb_lock;	    /* where blocks are: ext4_rw.h */
	bool stillborn;		    /* never came to be, or is only read: its end changes nothing */
	atomic_uint sync_tid;	    /* transaction that fsync waits for; 0: none */
	atomic_uint nr_open;	    /* of a directory: positions are handed out */
	/*
	 * The inode as on the disk, raw_size bytes and at least a struct ext2_inode_large.  i_block and attributes: `lock` too.
	 */
	uint8_t raw_bytes[] __attribute__((aligned(8)));
};

static inline const struct ext2_inode_large *ext4_raw(const struct ext4_inode_info *ei)
{
	return (const struct ext2_inode_large *)ei->raw_bytes;
}

static inline struct ext2_inode_large *ext4_raw_rw(struct ext4_inode_info *ei)
{
	return (struct ext2_inode_large *)ei->raw_bytes;
}

static inline struct ext4_inode_info *EXT4_I(const struct inode *inode)
{
	return container_of(inode, struct ext4_inode_info, vfs);
}

/* The inode with a reference, or ERR_PTR: -LINUX_ESTALE for one that is free. */
struct inode *ext4_iget(struct ext4_sb_info *es, uint32_t ino);
/* The same for the inode that holds a large extended attribute. */
struct inode *ext4_iget_special(struct ext4_sb_info *es, uint32_t ino);
/* The same for one on the orphan list, which may have no name. */
struct inode *ext4_iget_orphan(struct ext4_sb_info *es, uint32_t ino);
void ext4_free_inode(struct inode *inode);
/* Storage for inode @ino with zeroed raw bytes, not in the table yet; NULL without memory. */
struct ext4_inode_info *ext4_inode_alloc(struct ext4_sb_info *es, uint32_t ino, uint32_t mode);
void ext4_csum_seed_set(struct ext4_sb_info *es, struct ext4_inode_info *ei);
void ext4_ops_set(struct inode *inode);
void ext4_rdev_encode(struct ext2_inode_large *raw, uint64_t rdev);
/* A field behind the first 128 bytes is there when extra_isize reaches over it. */
#define EXT4_HAS_EXTRA(ei, field)                                                                                      \
	((size_t)EXT2_GOOD_OLD_INODE_SIZE + (ei)->extra_isize >=                                                       \
	 offsetof(struct ext2_inode_large, field) + sizeof(((struct ext2_inode_large *)0)->field))

/* --- map.c --- */

/* Logical blocks [lblk, lblk + len) are at pblk..., or read as zeros when pblk is 0 (a hole, or not written yet). */
struct ext4_seg {
	uint64_t lblk, len, pblk;
};

/* The segment that contains @lblk < EXT4_MAX_LBLK. */
int ext4_map(struct ext4_inode_info *ei, uint64_t lblk, struct ext4_seg *ret_seg);

/* A run of segments being collected by extent.c and indirect.c, in order. */
struct ext4_seg_list {
	struct ext4_seg *segs;
	uint32_t nr, max;
};

/* Appends a segment, merging it with the last one when they are one.  0 or -LINUX_ENOMEM. */
int ext4_seg_add(struct ext4_seg_list *list, uint64_t lblk, uint64_t len, uint64_t pblk);
/* Collects what one leaf of the tree says about the blocks around @lblk: consecutive segments, one of which contains it. */
/* A node of the tree as read from block @pblk: header and checksum.  @depth -1: any. */
int ext4_extent_check(struct ext4_inode_info *ei, const struct ext3_extent_header *eh, size_t size, int depth);
int ext4_extent_csum_check(struct ext4_inode_info *ei, const struct ext3_extent_header *eh);
int ext4_extent_load(struct ext4_inode_info *ei, uint64_t lblk, struct ext4_seg_list *ret);
int ext4_indirect_load(struct ext4_inode_info *ei, uint64_t lblk, struct ext4_seg_list *ret);

/* Reads [off, off + len) of the file's blocks, holes as zeros, without the page cache and whatever its size. */
int ext4_read_data(struct ext4_inode_info *ei, void *buf, uint64_t off, size_t len);

/* --- dir.c --- */

extern const struct inode_ops ext4_dir_inode_ops, ext4_dir_inode_ops_rw;
extern const struct file_ops ext4_dir_ops;
void ext4_dir_forget(struct ext4_inode_info *ei); /* frees the index; no one uses it */

/* --- file.c --- */

extern const struct inode_ops ext4_file_inode_ops, ext4_symlink_inode_ops;
extern const struct inode_ops ext4_file_inode_ops_rw, ext4_symlink_inode_ops_rw;
extern const struct file_ops ext4_file_ops, ext4_file_ops_rw;
extern const struct mapping_ops ext4_mapping_ops, ext4_mapping_ops_rw;

/* --- xattr.c --- */

/*
 * Called for each attribute with its value (NULL when it is in an inode of its own).  Nonzero stops the walk.  Holds
 * ei->lock.
 */
typedef int (*xattr_fn)(struct ext4_inode_info *ei, const struct ext2_ext_attr_entry *e, const uint8_t *value, void *arg);
int ext4_xattr_walk(struct ext4_inode_info *ei, xattr_fn fn, void *arg);
int64_t ext4_getxattr(struct inode *inode, const char *name, void *buf, size_t size);
int ext4_listxattr(struct inode *inode, struct strbuf *ret);
/* The part of an inline file or directory behind the first 60 bytes: *ret points into the raw inode, *ret_len 0 when there is none. */
int ext4_inline_tail(struct ext4_inode_info *ei, const uint8_t **ret, uint32_t *ret_len);

/* --- journal.c --- */

/*
 * Reads the journal of an image that needs recovery and fills img->replay with what the replay would write.  The image is
 * not changed.  0 or -errno with a sentence in @why.
 */
int ext4_journal_load(struct ext4_sb_info *es, struct strbuf *why);

#endif
