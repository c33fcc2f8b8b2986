/* SPDX-License-Identifier: Apache-2.0 */
/* Guest ABI: stat(2), statx(2), statfs(2), inode(7). x86-64. */
#ifndef SENTRY_ABI_STAT_H
#define SENTRY_ABI_STAT_H

#include "sentry/base/types.h"

#define LINUX_S_IFMT 0170000
#define LINUX_S_IFSOCK 0140000
#define LINUX_S_IFLNK 0120000
#define LINUX_S_IFREG 0100000
#define LINUX_S_IFBLK 0060000
#define LINUX_S_IFDIR 0040000
#define LINUX_S_IFCHR 0020000
#define LINUX_S_IFIFO 0010000
#define LINUX_S_ISUID 04000
#define LINUX_S_ISGID 02000
#define LINUX_S_ISVTX 01000
#define LINUX_S_IALLUGO 07777

#define LINUX_S_ISREG(m) (((m) & LINUX_S_IFMT) == LINUX_S_IFREG)
#define LINUX_S_ISDIR(m) (((m) & LINUX_S_IFMT) == LINUX_S_IFDIR)
#define LINUX_S_ISLNK(m) (((m) & LINUX_S_IFMT) == LINUX_S_IFLNK)
#define LINUX_S_ISCHR(m) (((m) & LINUX_S_IFMT) == LINUX_S_IFCHR)
#define LINUX_S_ISBLK(m) (((m) & LINUX_S_IFMT) == LINUX_S_IFBLK)
#define LINUX_S_ISFIFO(m) (((m) & LINUX_S_IFMT) == LINUX_S_IFIFO)
#define LINUX_S_ISSOCK(m) (((m) & LINUX_S_IFMT) == LINUX_S_IFSOCK)

#define LINUX_DT_UNKNOWN 0
#define LINUX_DT_OF_MODE(m) (((m) & LINUX_S_IFMT) >> 12)

/* st_dev and st_rdev as stat(2) gives them (new_encode_dev widened). */
#define LINUX_MKDEV(ma, mi) ((((uint64_t)(ma) & 0xfff) << 8) | ((mi) & 0xff) | (((uint64_t)(mi) & ~0xffUL) << 12))
#define LINUX_MAJOR(dev) (((dev) >> 8) & 0xfff)
#define LINUX_MINOR(dev) (((dev) & 0xff) | (((dev) >> 12) & 0xfff00))

struct linux_stat {
	uint64_t st_dev, st_ino, st_nlink;
	uint32_t st_mode, st_uid, st_gid, pad0;
	uint64_t st_rdev;
	int64_t st_size, st_blksize, st_blocks;
	uint64_t st_atime, st_atime_nsec, st_mtime, st_mtime_nsec, st_ctime, st_ctime_nsec;
	int64_t unused[3];
};
static_assert(sizeof(struct linux_stat) == 144, "struct stat");

struct linux_statfs {
	int64_t f_type, f_bsize, f_blocks, f_bfree, f_bavail, f_files, f_ffree;
	int32_t f_fsid[2];
	int64_t f_namelen, f_frsize, f_flags, f_spare[4];
};
static_assert(sizeof(struct linux_statfs) == 120, "struct statfs");

struct linux_statx_timestamp {
	int64_t tv_sec;
	uint32_t tv_nsec;
	int32_t pad;
};

struct linux_statx {
	uint32_t stx_mask, stx_blksize;
	uint64_t stx_attributes;
	uint32_t stx_nlink, stx_uid, stx_gid;
	uint16_t stx_mode, pad1;
	uint64_t stx_ino, stx_size, stx_blocks, stx_attributes_mask;
	struct linux_statx_timestamp stx_atime, stx_btime, stx_ctime, stx_mtime;
	uint32_t stx_rdev_major, stx_rdev_minor, stx_dev_major, stx_dev_minor;
	uint64_t stx_mnt_id;
	uint32_t stx_dio_mem_align, stx_dio_offset_align;
	uint64_t stx_spare3[12];
};
static_assert(sizeof(struct linux_statx) == 256, "struct statx");

#endif
