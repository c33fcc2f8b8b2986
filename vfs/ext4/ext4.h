/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ext2, ext3 and ext4 images, read only.
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
/* The same for an open descriptor (taken, on failure too).  @name is used in messages and as the mount's source. */
struct super_block *ext4_open_fd(int fd, const char *name, struct strbuf *why);

#endif
