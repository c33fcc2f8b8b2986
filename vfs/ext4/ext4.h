/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ext2, ext3 and ext4 images, read only or, for ext4 with a journal, read-write.
 *
 * libext2fs opens the image (superblock, group descriptors, feature checks); everything read after that is decoded here
 * with positional reads of the image's descriptor, so that any number of tasks read at once and a hostile image meets
 * bounds checks of our own.  Checksums are verified where the image has them.
 *
 * What a damaged image gives at run time is what Linux gives: -LINUX_EUCLEAN for structures that cannot be, -LINUX_EBADMSG
 * for a checksum that does not match, -LINUX_EIO for what cannot be read; each is logged once per kind.
 */
#ifndef SENTRY_VFS_EXT4_EXT4_H
#define SENTRY_VFS_EXT4_EXT4_H

#include "vfs/vfs.h"

/*
 * mount(2) of type ext4 inside the guest: -LINUX_ENOTBLK, because no guest block device has an image behind it.  Listed
 * so that /proc/filesystems names it.
 */
extern const struct fs_type ext4_type;

/*
 * Opens the image at @path on the host (O_RDONLY).  Returns a super_block with its root set and LINUX_SB_RDONLY, or ERR_PTR
 * with one sentence, without a final newline, in @why: what is wrong with the image and what mends it.
 */
struct super_block *ext4_open_image(const char *path, struct strbuf *why);
enum ext4_open_flags {
	EXT4_OPEN_RW = 1,
	EXT4_OPEN_NOBARRIER = 2, /* no flushes: a crash of the host may damage the image, one of sentry does not */
	EXT4_OPEN_WRITER = 4,    /* a thread that writes back what is old */
};

/*
 * Opens the image for writing: recovered first where it was not closed, and locked against others.  -LINUX_EBUSY when
 * someone has it open, -LINUX_EOPNOTSUPP for features that are not written; @why says what to do.  Changes are durable as
 * fsync(2), sync(2) and syncfs(2) say, and the last ones with ext4_shutdown or when the super block goes.
 */
struct super_block *ext4_open_image_rw(const char *path, unsigned flags, struct strbuf *why);
/* The same with the changes in the file @overlay, which is made when it is missing: the image stays as it is. */
struct super_block *ext4_open_image_overlay(const char *path, const char *overlay, unsigned flags, struct strbuf *why);
/*
 * What is in @overlay goes to the image, which nobody may have open; the overlay is of no use then.  Interrupted, it can be done
 * again.
 */
int ext4_overlay_commit(const char *path, const char *overlay, struct strbuf *why);
/* The two for reading only, as recovery would leave them; nothing is written. */
struct super_block *ext4_open_image_overlay_ro(const char *path, const char *overlay, struct strbuf *why);

enum ext4_diff_kind { EXT4_DIFF_ADDED, EXT4_DIFF_MODIFIED, EXT4_DIFF_DELETED };
enum ext4_diff_what { /* of a path that was modified */
	EXT4_DIFF_CONTENT = 1, EXT4_DIFF_MODE = 2, EXT4_DIFF_OWNER = 4, EXT4_DIFF_MTIME = 8, EXT4_DIFF_XATTRS = 16,
};
struct ext4_change {
	const char *path;
	enum ext4_diff_kind kind;
	uint32_t mode;	/* of the new one, the old one where it was deleted */
	uint64_t size;
	unsigned what;
};
typedef int (*ext4_diff_fn)(const struct ext4_change *c, void *arg);
/* Calls @fn for each path that @overlay changes, in the order of names, until it returns an error. */
int ext4_overlay_diff(const char *path, const char *overlay, ext4_diff_fn fn, void *arg, struct strbuf *why);
/* The end of a sentry: everything goes to the image, which is clean then and refuses further writes.  No task runs. */
void ext4_shutdown(struct super_block *sb);
/* The same as ext4_open_image for an open descriptor (taken, on failure too).  @name is used in messages and as the mount's source. */
struct super_block *ext4_open_fd(int fd, const char *name, struct strbuf *why);

#endif
