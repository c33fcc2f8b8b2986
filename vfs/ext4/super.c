/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening an image: what can be wrong with it is found here and said in one sentence.
 */
#include <stdlib.h>
#include <string.h>

#include <et/com_err.h>

#include "platform/host/host.h"
#include "sentry/abi/fcntl.h"
#include "sentry/abi/fs.h"
#include "vfs/ext4/ext4_rw.h"
#include "vfs/io_account.h"

#define SUPERBLOCK_OFFSET 1024
#define EXT4_SUPER_MAGIC 0xef53
#define LOG_BLOCK_SIZE_MAX 6 /* 64 KiB */
#define GROUPS_MAX (1U << 22)

/* Features that change how data is found; what is not here is refused. */
#define INCOMPAT_SUPPORTED                                                                                             \
	(EXT2_FEATURE_INCOMPAT_FILETYPE | EXT3_FEATURE_INCOMPAT_RECOVER | EXT2_FEATURE_INCOMPAT_META_BG |              \
	 EXT3_FEATURE_INCOMPAT_EXTENTS | EXT4_FEATURE_INCOMPAT_64BIT | EXT4_FEATURE_INCOMPAT_MMP |                     \
	 EXT4_FEATURE_INCOMPAT_FLEX_BG | EXT4_FEATURE_INCOMPAT_EA_INODE | EXT4_FEATURE_INCOMPAT_CSUM_SEED |            \
	 EXT4_FEATURE_INCOMPAT_LARGEDIR | EXT4_FEATURE_INCOMPAT_INLINE_DATA | EXT4_FEATURE_INCOMPAT_ENCRYPT |          \
	 EXT4_FEATURE_INCOMPAT_CASEFOLD)

/* --- what is it, when it is not ext4 --- */

static void explain_foreign(const struct ext4_image *img, const char *name, struct strbuf *why)
{
	uint8_t head[520] = { 0 };

	ext4_image_read_raw(img, head, MIN(img->size, sizeof(head)), 0);
	if (!memcmp(head, "QFI\xfb", 4))
		strbuf_addf(why, "%s is a qcow2 image; make a raw one with: qemu-img convert -O raw %s %s.raw", name, name,
			    name);
	else if (!memcmp(head, "\x1f\x8b", 2) || !memcmp(head, "\xfd" "7zXZ", 5) || !memcmp(head, "\x28\xb5\x2f\xfd", 4))
		strbuf_addf(why, "%s is compressed; unpack it first", name);
	else if (!memcmp(head + 512, "EFI PART", 8) || (head[510] == 0x55 && head[511] == 0xaa))
		strbuf_addf(why,
			    "%s is a whole disk with a partition table; copy the partition with the root file system out "
			    "of it (fdisk -l %s shows where it is)",
			    name, name);
	else
		strbuf_addf(why, "%s is not an ext2, ext3 or ext4 image", name);
}

static int superblock_check(struct ext4_image *img, const char *name, struct ext2_super_block *s, struct strbuf *why)
{
	uint64_t blocks, groups;
	uint32_t incompat;

	if (img->size < SUPERBLOCK_OFFSET + sizeof(*s) || ext4_image_read_raw(img, s, sizeof(*s), SUPERBLOCK_OFFSET) ||
	    s->s_magic != EXT4_SUPER_MAGIC) {
		explain_foreign(img, name, why);
		return -LINUX_EINVAL;
	}
	incompat = s->s_feature_incompat & ~INCOMPAT_SUPPORTED;
	if (incompat & EXT3_FEATURE_INCOMPAT_JOURNAL_DEV) {
		strbuf_addf(why, "%s is an external journal, not a file system", name);
		return -LINUX_EINVAL;
	}
	if (incompat) {
		strbuf_addf(why, "%s uses ext4 features that sentry does not know (incompatible feature bits %#x)", name,
			    incompat);
		return -LINUX_EINVAL;
	}
	if (s->s_log_block_size > LOG_BLOCK_SIZE_MAX || !s->s_blocks_per_group || !s->s_inodes_per_group) {
		strbuf_addf(why, "%s has a damaged superblock; e2fsck -f %s mends it", name, name);
		return -LINUX_EUCLEAN;
	}
	img->blocksize = 1024U << s->s_log_block_size;
	blocks = s->s_blocks_count;
	if (s->s_feature_incompat & EXT4_FEATURE_INCOMPAT_64BIT)
		blocks |= (uint64_t)s->s_blocks_count_hi << 32;
	groups = blocks / s->s_blocks_per_group + 1;
	if (blocks > img->size / img->blocksize) {
		strbuf_addf(why,
			    "%s is truncated: its file system has %llu bytes, the file only %llu; copy it again from its "
			    "source",
			    name, (unsigned long long)blocks * img->blocksize, (unsigned long long)img->size);
		return -LINUX_EUCLEAN;
	}
	if (groups > GROUPS_MAX) {
		strbuf_addf(why, "%s has too many block groups", name);
		return -LINUX_EFBIG;
	}
	return 0;
}

/* --- opening --- */

static int fs_open(struct ext4_sb_info *es, struct strbuf *why)
{
	errcode_t err = ext4_image_open_fs(&es->image, &es->fs);

	if (err) {
		es->fs = NULL;
		if (err == EXT2_ET_SB_CSUM_INVALID)
			strbuf_addf(why, "%s has a damaged superblock (bad checksum); e2fsck -f %s mends it", es->name, es->name);
		else
			strbuf_addf(why, "%s can't be opened: %s; e2fsck -f %s may mend it", es->name, error_message(err),
				    es->name);
		return err == EXT2_ET_NO_MEMORY ? -LINUX_ENOMEM : -LINUX_EUCLEAN;
	}
	es->blocksize = es->fs->blocksize;
	es->blkbits = 10 + es->fs->super->s_log_block_size;
	es->nr_blocks = ext2fs_blocks_count(es->fs->super);
	es->first_block = es->fs->super->s_first_data_block;
	es->metadata_csum = ext2fs_has_feature_metadata_csum(es->fs->super);
	if (EXT2_INODE_SIZE(es->fs->super) < EXT2_GOOD_OLD_INODE_SIZE || EXT2_INODE_SIZE(es->fs->super) > es->blocksize ||
	    EXT2_INODE_SIZE(es->fs->super) & (EXT2_INODE_SIZE(es->fs->super) - 1) || es->first_block > 1) {
		strbuf_addf(why, "%s has a damaged superblock; e2fsck -f %s mends it", es->name, es->name);
		return -LINUX_EUCLEAN;
	}
	return 0;
}

static void groups_check(struct ext4_sb_info *es)
{
	for (dgrp_t g = 0; g < es->fs->group_desc_count; g++) {
		if (!ext2fs_group_desc_csum_verify(es->fs, g)) {
			log_warn("%s: bad checksum of block group %u; e2fsck -f %s mends it", es->name, g, es->name);
			return;
		}
	}
}

/* Opens es->fs; when the journal has what is not in its place yet, lays that over the image and opens again. */
static int fs_open_recovered(struct ext4_sb_info *es, struct strbuf *why)
{
	int err = fs_open(es, why);

	if (err || !ext2fs_has_feature_journal_needs_recovery(es->fs->super))
		return err;
	err = ext4_journal_load(es, why);
	if (err || !es->image.nr_replay)
		return err;
	ext2fs_free(es->fs);
	return fs_open(es, why);
}

static struct ext4_sb_info *sb_info_new(const char *name)
{
	struct ext4_sb_info *es = calloc(1, sizeof(*es));

	if (!es)
		return NULL;
	es->image.fd = -1;
	es->name = strdup(name);
	mutex_init(&es->dir_lock);
	list_init(&es->dirs);
	if (es->name && !inode_hash_init(&es->icache))
		return es;
	free(es->name);
	free(es);
	return NULL;
}

static void sb_info_free(struct ext4_sb_info *es)
{
	if (es->rw) {
		ext4_rw_close(es);
		ext4_txn_fini(es);
	}
	if (es->fs)
		ext2fs_free(es->fs);
	inode_hash_fini(&es->icache);
	mutex_fini(&es->dir_lock);
	free(es->image.replay);
	if (es->image.cow)
		ext4_cow_close(es->image.cow);
	if (es->image.fd >= 0)
		host_close(es->image.fd);
	free(es->name);
	free(es);
}

/* One who writes is alone; those who read share.  The lock goes with the descriptor. */
static int image_lock(struct ext4_sb_info *es, bool rw, struct strbuf *why)
{
	int err = host_flock(es->image.fd, (rw ? LINUX_LOCK_EX : LINUX_LOCK_SH) | LINUX_LOCK_NB);

	if (err == -LINUX_EAGAIN) {
		strbuf_addf(why, rw ? "%s is in use by another sentry" : "%s is being written by another sentry", es->name);
		return -LINUX_EBUSY;
	}
	return 0; /* a host without such locks has none */
}

static int image_size(struct ext4_sb_info *es, struct strbuf *why)
{
	struct host_stat st;
	int64_t size = host_fstat(es->image.fd, &st);

	if (!size && LINUX_S_ISDIR(st.mode)) {
		strbuf_addf(why, "%s is a directory, not an image", es->name);
		return -LINUX_EISDIR;
	}
	if (!size)
		size = host_lseek(es->image.fd, 0, LINUX_SEEK_END); /* block devices have no st_size */
	if (size < 0) {
		strbuf_addf(why, "%s can't be read: %s", es->name, strerror(-size));
		return size;
	}
	es->image.size = size;
	return 0;
}

static int info_open(struct ext4_sb_info *es, struct strbuf *why)
{
	struct ext2_super_block s;
	int err = superblock_check(&es->image, es->name, &s, why);
	if (!err)
		err = fs_open_recovered(es, why);
	if (err)
		return err;
	groups_check(es);
	if (es->fs->super->s_state & EXT2_ERROR_FS)
		log_warn("%s: the image is marked as damaged; e2fsck -f %s mends it", es->name, es->name);
	return 0;
}

/* --- the super block --- */

static int ext4_statfs(struct super_block *sb, struct linux_statfs *ret)
{
	struct ext4_sb_info *es = EXT4_SB(sb);
	struct ext2_super_block *s = es->fs->super;
	uint64_t overhead = (uint64_t)s->s_overhead_clusters * (1U << (s->s_log_cluster_size - s->s_log_block_size));
	uint64_t free = ext2fs_free_blocks_count(s), reserved = ext2fs_r_blocks_count(s), inodes = s->s_free_inodes_count;

	if (es->rw) {
		int64_t left = atomic_load(&es->rw->free_blocks) - atomic_load(&es->rw->reserved);

		free = MAX(left, 0);
		inodes = atomic_load(&es->rw->free_inodes);
		reserved += es->rw->pool;
	}

	*ret = (struct linux_statfs){
		.f_type = EXT4_SUPER_MAGIC,
		.f_bsize = es->blocksize,
		.f_frsize = es->blocksize,
		.f_blocks = es->nr_blocks - MIN(overhead, es->nr_blocks),
		.f_bfree = free,
		.f_bavail = free > reserved ? free - reserved : 0,
		.f_files = s->s_inodes_count,
		.f_ffree = inodes,
		.f_namelen = NAME_MAX_LEN,
	};
	memcpy(ret->f_fsid, s->s_uuid, sizeof(ret->f_fsid));
	return 0;
}

static void ext4_kill(struct super_block *sb)
{
	sb_info_free(EXT4_SB(sb));
	sb->s_private = NULL;
}

static const struct super_ops ext4_super_ops = {
	.free_inode = ext4_free_inode,
	.statfs = ext4_statfs,
	.kill = ext4_kill,
	.sync = ext4_rw_sync,
	.writeback_soon = ext4_writeback_soon,
	.dirty_inode = ext4_dirty_inode,
};

static struct super_block *ext4_mount(const struct fs_type *type, unsigned flags, const char *source, const char *data)
{
	(void)type, (void)flags, (void)source, (void)data;
	return ERR_PTR(-LINUX_ENOTBLK);
}

const struct fs_type ext4_type = {
	.name = "ext4",
	.nodev = false,
	.mount = ext4_mount,
};

static int root_open(struct ext4_sb_info *es, struct super_block *sb, struct strbuf *why)
{
	struct inode *root = ext4_iget(es, EXT2_ROOT_INO);
	struct dentry *d;

	if (!IS_ERR(root) && !LINUX_S_ISDIR(root->mode)) {
		inode_put(root);
		root = ERR_PTR(-LINUX_EUCLEAN);
	}
	if (IS_ERR(root)) {
		strbuf_addf(why, "%s has no root directory that can be read; e2fsck -f %s mends it", es->name, es->name);
		return PTR_ERR(root);
	}
	d = dentry_new_root(sb, root);
	if (IS_ERR(d))
		return PTR_ERR(d);
	sb->root = d;
	return 0;
}

static struct super_block *super_new(const char *name)
{
	struct ext4_sb_info *es = sb_info_new(name);
	struct super_block *sb;

	if (!es)
		return ERR_PTR(-LINUX_ENOMEM);
	sb = sb_new(&ext4_type, &ext4_super_ops);
	if (IS_ERR(sb)) {
		sb_info_free(es);
		return sb;
	}
	es->sb = sb;
	atomic_store(&io_device, sb->dev);
	sb->s_private = es;
	sb->flags = LINUX_SB_RDONLY;
	sb->fixed_ro = true;
	sb->magic = EXT4_SUPER_MAGIC;
	sb->source = strdup(name);
	return sb;
}

static struct super_block *open_fd(int fd, const char *name, const char *overlay, unsigned flags, struct strbuf *why)
{
	struct super_block *sb = super_new(name);
	struct ext4_sb_info *es;
	int err;

	if (IS_ERR(sb)) {
		host_close(fd);
		return sb;
	}
	initialize_ext2_error_table();
	es = EXT4_SB(sb);
	es->image.fd = fd;
	err = image_lock(es, flags & EXT4_OPEN_RW && !overlay, why);
	if (!err)
		err = image_size(es, why);
	if (!err && overlay)
		err = ext4_cow_open(fd, es->image.size, overlay, &es->image.cow, why);
	if (!err)
		err = info_open(es, why);
	if (!err) {
		sb->blksize = es->blocksize;
		sb->max_bytes = (EXT4_MAX_LBLK - 1) << es->blkbits;
		atomic_store(&sb->next_ino, es->fs->super->s_inodes_count + 1UL);
		if (flags & EXT4_OPEN_RW)
			err = ext4_rw_open(es, flags, why);
	}
	if (!err)
		err = root_open(es, sb, why);
	if (err) {
		sb_put(sb);
		return ERR_PTR(err);
	}
	return sb;
}

struct super_block *ext4_open_fd(int fd, const char *name, struct strbuf *why)
{
	return open_fd(fd, name, NULL, 0, why);
}

static struct super_block *open_path(const char *path, const char *overlay, unsigned flags, struct strbuf *why)
{
	int mode = flags & EXT4_OPEN_RW && !overlay ? LINUX_O_RDWR : LINUX_O_RDONLY;
	int fd = host_openat(HOST_AT_FDCWD, path, mode | LINUX_O_NOCTTY | LINUX_O_NONBLOCK, 0);

	if (fd < 0) {
		strbuf_addf(why, "can't open %s%s: %s", path, mode == LINUX_O_RDWR ? " for writing" : "", strerror(-fd));
		return ERR_PTR(fd);
	}
	return open_fd(fd, path, overlay, flags, why);
}

struct super_block *ext4_open_image(const char *path, struct strbuf *why)
{
	return open_path(path, NULL, 0, why);
}

struct super_block *ext4_open_image_rw(const char *path, unsigned flags, struct strbuf *why)
{
	return open_path(path, NULL, flags | EXT4_OPEN_RW, why);
}

struct super_block *ext4_open_image_overlay(const char *path, const char *overlay, unsigned flags, struct strbuf *why)
{
	return open_path(path, overlay, flags | EXT4_OPEN_RW, why);
}

struct super_block *ext4_open_image_overlay_ro(const char *path, const char *overlay, struct strbuf *why)
{
	return open_path(path, overlay, 0, why);
}

int ext4_overlay_commit(const char *path, const char *overlay, struct strbuf *why)
{
	struct super_block *sb;
	struct host_stat st;
	int err = host_fstatat(HOST_AT_FDCWD, overlay, 0, &st);

	if (err) {
		strbuf_addf(why, "can't open %s: %s", overlay, strerror(-err));
		return err;
	}
	/* Opened and closed: recovered where it was not closed. */
	sb = ext4_open_image_overlay(path, overlay, 0, why);
	if (IS_ERR(sb))
		return PTR_ERR(sb);
	sb_put(sb);
	return ext4_cow_commit(path, overlay, why);
}

void ext4_shutdown(struct super_block *sb)
{
	if (EXT4_SB(sb)->rw)
		ext4_rw_close(EXT4_SB(sb));
}
