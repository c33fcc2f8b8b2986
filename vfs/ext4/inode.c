/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inodes: found in the inode tables, checked, decoded (Documentation/filesystems/ext4/inodes.rst).
 */
#include <stdlib.h>
#include <string.h>

#include "platform/host/host.h"
#include "vfs/ext4/ext4_rw.h"

enum iget { IGET_NORMAL, IGET_EA_INODE, IGET_ORPHAN };

/* Where inode @ino is on the disk. */
int ext4_inode_place(struct ext4_sb_info *es, uint32_t ino, uint64_t *ret_blk, uint32_t *ret_off)
{
	struct ext2_super_block *s = es->fs->super;
	uint32_t size = EXT2_INODE_SIZE(s), per_block = es->blocksize / size;
	uint32_t group = (ino - 1) / s->s_inodes_per_group, index = (ino - 1) % s->s_inodes_per_group;
	uint64_t table;

	if (group >= es->fs->group_desc_count)
		return -EFSCORRUPTED;
	table = ext2fs_inode_table_loc(es->fs, group);
	if (!ext4_blocks_valid(es, table, es->fs->inode_blocks_per_group))
		return ext4_error(es, EFSCORRUPTED, "inode table of group %u leaves the image", group);
	*ret_blk = table + index / per_block;
	*ret_off = index % per_block * size;
	return 0;
}

void ext4_csum_seed_set(struct ext4_sb_info *es, struct ext4_inode_info *ei)
{
	uint32_t ino = ei->vfs.ino, gen = ext4_raw(ei)->i_generation;

	ei->csum_seed = ext4_crc32c(es->fs->csum_seed, &ino, sizeof(ino));
	ei->csum_seed = ext4_crc32c(ei->csum_seed, &gen, sizeof(gen));
}

/* Two bits of @extra extend the signed 32-bit seconds beyond 2038, the others are nanoseconds. */
static struct timespec64 time_decode(uint32_t sec, bool has_extra, uint32_t extra)
{
	struct timespec64 ts = { (int32_t)sec, 0 };

	if (has_extra) {
		ts.sec += (int64_t)(extra & EXT4_EPOCH_MASK) << 32;
		ts.nsec = extra >> EXT4_EPOCH_BITS;
		if (ts.nsec >= 1000000000)
			ts.nsec = 0;
	}
	return ts;
}

static void times_decode(struct ext4_inode_info *ei)
{
	const struct ext2_inode_large *raw = ext4_raw(ei);
	struct inode *inode = &ei->vfs;

	inode->atime = time_decode(raw->i_atime, EXT4_HAS_EXTRA(ei, i_atime_extra), raw->i_atime_extra);
	inode->mtime = time_decode(raw->i_mtime, EXT4_HAS_EXTRA(ei, i_mtime_extra), raw->i_mtime_extra);
	inode->ctime = time_decode(raw->i_ctime, EXT4_HAS_EXTRA(ei, i_ctime_extra), raw->i_ctime_extra);
	if (EXT4_HAS_EXTRA(ei, i_crtime))
		inode->btime = time_decode(raw->i_crtime, EXT4_HAS_EXTRA(ei, i_crtime_extra), raw->i_crtime_extra);
	else
		inode->btime = (struct timespec64){ 0, 0 };
}

static uint64_t rdev_decode(const struct ext2_inode_large *raw)
{
	uint32_t d = raw->i_block[0];

	if (d)
		return LINUX_MKDEV((d >> 8) & 0xff, d & 0xff);
	d = raw->i_block[1];
	return LINUX_MKDEV((d & 0xfff00) >> 8, (d & 0xff) | ((d >> 12) & 0xfff00));
}

static uint64_t blocks_decode(struct ext4_sb_info *es, const struct ext2_inode_large *raw)
{
	uint64_t blocks = raw->i_blocks;

	if (!ext2fs_has_feature_huge_file(es->fs->super))
		return blocks;
	blocks |= (uint64_t)raw->osd2.linux2.l_i_blocks_hi << 32;
	return raw->i_flags & EXT4_HUGE_FILE_FL ? blocks << (es->blkbits - 9) : blocks;
}

void ext4_rdev_encode(struct ext2_inode_large *raw, uint64_t rdev)
{
	uint32_t major = LINUX_MAJOR(rdev), minor = LINUX_MINOR(rdev);

	raw->i_block[0] = raw->i_block[1] = 0;
	if (major < 256 && minor < 256)
		raw->i_block[0] = major << 8 | minor;
	else
		raw->i_block[1] = (minor & 0xff) | major << 8 | (minor & ~0xffU) << 12;
}

void ext4_ops_set(struct inode *inode)
{
	bool rw = EXT4_SB(inode->sb)->rw;

	inode->ops = rw ? &ext4_file_inode_ops_rw : &ext4_file_inode_ops; /* of devices, fifos, sockets too */
	if (LINUX_S_ISREG(inode->mode)) {
		inode->fops = rw ? &ext4_file_ops_rw : &ext4_file_ops;
		inode->mapping.ops = rw ? &ext4_mapping_ops_rw : &ext4_mapping_ops;
	} else if (LINUX_S_ISDIR(inode->mode)) {
		inode->ops = rw ? &ext4_dir_inode_ops_rw : &ext4_dir_inode_ops;
		inode->fops = &ext4_dir_ops;
	} else if (LINUX_S_ISLNK(inode->mode)) {
		inode->ops = rw ? &ext4_symlink_inode_ops_rw : &ext4_symlink_inode_ops;
	}
}

static bool type_known(uint32_t mode)
{
	return LINUX_S_ISREG(mode) || LINUX_S_ISDIR(mode) || LINUX_S_ISLNK(mode) || LINUX_S_ISCHR(mode) ||
	       LINUX_S_ISBLK(mode) || LINUX_S_ISFIFO(mode) || LINUX_S_ISSOCK(mode);
}

static int inode_decode(struct ext4_sb_info *es, struct ext4_inode_info *ei)
{
	const struct ext2_inode_large *raw = ext4_raw(ei);
	struct inode *inode = &ei->vfs;

	if (!type_known(raw->i_mode))
		return ext4_error(es, EFSCORRUPTED, "inode %llu has no file type", (unsigned long long)inode->ino);
	if (ei->raw_size > EXT2_GOOD_OLD_INODE_SIZE) {
		ei->extra_isize = raw->i_extra_isize;
		if (EXT2_GOOD_OLD_INODE_SIZE + ei->extra_isize > ei->raw_size || ei->extra_isize & 3)
			return ext4_error(es, EFSCORRUPTED, "bad extra size in inode %llu", (unsigned long long)inode->ino);
	}
	ei->flags = raw->i_flags;
	inode->uid = inode_uid(*raw);
	inode->gid = inode_gid(*raw);
	atomic_store(&inode->nlink, raw->i_links_count);
	inode->size = raw->i_size | (uint64_t)raw->i_size_high << 32;
	if (inode->size > INT64_MAX)
		return ext4_error(es, EFSCORRUPTED, "bad size of inode %llu", (unsigned long long)inode->ino);
	inode->blocks = blocks_decode(es, raw);
	inode->generation = raw->i_generation;
	inode->attr_flags = raw->i_flags & EXT2_FL_USER_VISIBLE;
	if (LINUX_S_ISCHR(raw->i_mode) || LINUX_S_ISBLK(raw->i_mode))
		inode->rdev = rdev_decode(raw);
	times_decode(ei);
	return 0;
}

struct ext4_inode_info *ext4_inode_alloc(struct ext4_sb_info *es, uint32_t ino, uint32_t mode)
{
	uint32_t size = EXT2_INODE_SIZE(es->fs->super);
	struct ext4_inode_info *ei = calloc(1, sizeof(*ei) + MAX(size, sizeof(struct ext2_inode_large)));

	if (!ei)
		return NULL;
	ei->raw_size = size;
	inode_init(&ei->vfs, es->sb, ino, mode, NULL, NULL);
	list_init(&ei->vfs.s_link);
	list_init(&ei->dir_link);
	list_init(&ei->dirty_link);
	list_init(&ei->orphan_link);
	mutex_init(&ei->lock);
	rwlock_init(&ei->wb_lock);
	return ei;
}

static struct inode *inode_read(struct ext4_sb_info *es, uint32_t ino, enum iget what)
{
	struct ext4_inode_info *ei;
	uint32_t off;
	uint64_t blk;
	int err;

	err = ext4_inode_place(es, ino, &blk, &off);
	if (err)
		return ERR_PTR(err);
	ei = ext4_inode_alloc(es, ino, 0);
	if (!ei)
		return ERR_PTR(-LINUX_ENOMEM);
	err = ext4_image_read_part(&es->image, blk, off, ei->raw_bytes, ei->raw_size);
	ei->vfs.mode = ext4_raw(ei)->i_mode;
	ext4_csum_seed_set(es, ei);
	if (!err && es->metadata_csum && !ext2fs_inode_csum_verify(es->fs, ino, ext4_raw_rw(ei)))
		err = ext4_error(es, EFSBADCRC, "bad checksum in inode %u", ino);
	if (!err && !ext4_raw(ei)->i_links_count && what != IGET_ORPHAN)
		err = -LINUX_ESTALE;
	if (!err && what != IGET_EA_INODE && ext4_raw(ei)->i_flags & EXT4_EA_INODE_FL)
		err = ext4_error(es, EFSCORRUPTED, "inode %u holds an attribute, not a file", ino);
	if (!err)
		err = inode_decode(es, ei);
	if (err) {
		ei->stillborn = true;
		inode_put(&ei->vfs);
		return ERR_PTR(err);
	}
	ei->disksize = ei->vfs.size;
	if (what == IGET_EA_INODE)
		ei->stillborn = true;
	else
		ext4_ops_set(&ei->vfs);
	return &ei->vfs;
}

static bool number_ok(struct ext4_sb_info *es, uint32_t ino)
{
	return ino == EXT2_ROOT_INO || (ino >= EXT2_FIRST_INO(es->fs->super) && ino <= es->fs->super->s_inodes_count);
}

static struct inode *iget(struct ext4_sb_info *es, uint32_t ino, enum iget what)
{
	struct inode *inode = inode_read(es, ino, what), *old;

	if (IS_ERR(inode))
		return inode;
	old = inode_hash_insert(&es->icache, inode);
	if (old) {
		EXT4_I(inode)->stillborn = true;
		inode_put(inode);
		return old;
	}
	return inode;
}

/*
 * In an image that is written, an inode that is on its way out must be on the disk before it is read again: its end
 * (ext4_evict) and the reading are done under one lock.
 */
static struct inode *iget_rw(struct ext4_sb_info *es, uint32_t ino, enum iget what)
{
	struct mutex *lock = &es->rw->iget_locks[ino % ARRAY_SIZE(es->rw->iget_locks)];

	for (;;) {
		struct inode *inode;

		mutex_lock(lock);
		inode = inode_hash_find(&es->icache, 0, ino);
		if (!inode && !inode_hash_busy(&es->icache, 0, ino))
			inode = iget(es, ino, what);
		mutex_unlock(lock);
		if (inode)
			return inode;
		host_sched_yield();
	}
}

struct inode *ext4_iget(struct ext4_sb_info *es, uint32_t ino)
{
	struct inode *inode;

	if (!number_ok(es, ino))
		return ERR_PTR(ext4_error(es, EFSCORRUPTED, "a name for inode %u, which can't be", ino));
	inode = inode_hash_find(&es->icache, 0, ino);
	if (inode)
		return inode;
	return es->rw ? iget_rw(es, ino, IGET_NORMAL) : iget(es, ino, IGET_NORMAL);
}

struct inode *ext4_iget_orphan(struct ext4_sb_info *es, uint32_t ino)
{
	if (!number_ok(es, ino))
		return ERR_PTR(-EFSCORRUPTED);
	return iget_rw(es, ino, IGET_ORPHAN);
}

struct inode *ext4_iget_special(struct ext4_sb_info *es, uint32_t ino)
{
	if (!ino || ino > es->fs->super->s_inodes_count)
		return ERR_PTR(-EFSCORRUPTED);
	return inode_read(es, ino, IGET_EA_INODE);
}

void ext4_free_inode(struct inode *inode)
{
	struct ext4_inode_info *ei = EXT4_I(inode);
	struct ext4_sb_info *es = EXT4_SB(inode->sb);

	if (es->rw && !ei->stillborn)
		ext4_evict(ei);
	else
		inode_hash_remove(&es->icache, inode);
	ext4_dir_forget(ei);
	inode_fini(inode);
	mutex_fini(&ei->lock);
	rwlock_fini(&ei->wb_lock);
	free(ei->segs);
	free(ei);
}
