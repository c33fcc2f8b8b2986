/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations on names.  The VFS has checked permissions and looked names up, and holds the directories' i_rwsem for
 * writing.  Each is one operation: whole, or not at all.
 */
#include <string.h>

#include "sentry/abi/fcntl.h"
#include "vfs/ext4/ext4_rw.h"

#define LINK_MAX 65000
#define CREDITS 40 /* blocks that adding or removing a name may change, a split of the hash tree included */

/* --- links of directories: ext4_inc_count, ext4_dec_count --- */

static bool link_room(const struct inode *dir)
{
	const struct ext4_sb_info *es = EXT4_SB(dir->sb);

	return atomic_load(&dir->nlink) < LINK_MAX ||
	       (EXT4_I(dir)->flags & EXT2_INDEX_FL && ext2fs_has_feature_dir_nlink(es->fs->super));
}

static void dir_link_inc(struct inode *dir)
{
	unsigned n = atomic_load(&dir->nlink);

	/* 1 says "too many to count". */
	if (n != 1)
		atomic_store(&dir->nlink, n + 1 > LINK_MAX ? 1 : n + 1);
}

static void dir_link_dec(struct inode *dir)
{
	unsigned n = atomic_load(&dir->nlink);

	if (n > 2)
		atomic_store(&dir->nlink, n - 1);
}

/* One name less.  The inode without a name is an orphan until its last reference goes. */
static int link_drop(struct ext4_sb_info *es, struct inode *inode)
{
	unsigned n = atomic_load(&inode->nlink);
	int err = ext4_inode_touch(es, EXT4_I(inode));

	if (err)
		return err;
	atomic_store(&inode->nlink, LINUX_S_ISDIR(inode->mode) || !n ? 0 : n - 1);
	inode_touch_ctime(inode);
	err = ext4_inode_store(es, EXT4_I(inode));
	if (!err && !atomic_load(&inode->nlink))
		err = ext4_orphan_add(es, EXT4_I(inode));
	return err;
}

/* --- making --- */

/* What an operation makes besides the inode, before its name. */
typedef int (*fill_fn)(struct ext4_sb_info *es, struct inode *inode, struct inode *dir, const char *arg);

static int make_locked(struct ext4_sb_info *es, struct inode *dir, const char *name, struct inode *inode, fill_fn fill,
		       const char *arg)
{
	int err = ext4_inode_touch(es, EXT4_I(dir));

	if (!err)
		err = ext4_inode_touch(es, EXT4_I(inode));
	if (!err && fill)
		err = fill(es, inode, dir, arg);
	if (!err && name) {
		inode_touch_mtime(dir);
		err = ext4_dir_add(es, dir, name, inode);
	}
	if (!err && !name) {
		atomic_store(&inode->nlink, 0);
		err = ext4_orphan_add(es, EXT4_I(inode));
	}
	return err ? err : ext4_inode_store(es, EXT4_I(inode));
}

static struct inode *make(struct inode *dir, const char *name, uint32_t mode, uint64_t rdev, fill_fn fill, const char *arg)
{
	struct ext4_sb_info *es = EXT4_SB(dir->sb);
	struct inode *inode;
	int tries = 0, err;

	do {
		err = ext4_begin(es, CREDITS, 0);
		if (err)
			return ERR_PTR(err);
		inode = ext4_inode_new(es, dir, mode, rdev);
		err = IS_ERR(inode) ? PTR_ERR(inode) : make_locked(es, dir, name, inode, fill, arg);
		ext4_end(es, err);
		if (err && !IS_ERR(inode))
			ext4_inode_drop_new(inode);
	} while (ext4_retry(es, err, &tries));
	return err ? ERR_PTR(err) : inode;
}

struct inode *ext4_mknod(struct inode *dir, const char *name, uint32_t mode, uint64_t rdev)
{
	return make(dir, name, mode, rdev, NULL, NULL);
}

struct inode *ext4_tmpfile(struct inode *dir, uint32_t mode)
{
	return make(dir, NULL, mode, 0, NULL, NULL);
}

static int mkdir_fill(struct ext4_sb_info *es, struct inode *inode, struct inode *dir, const char *arg)
{
	(void)arg;
	atomic_store(&inode->nlink, 2);
	dir_link_inc(dir);
	return ext4_dir_make(es, inode, dir);
}

struct inode *ext4_mkdir(struct inode *dir, const char *name, uint32_t mode)
{
	if (!link_room(dir))
		return ERR_PTR(-LINUX_EMLINK);
	return make(dir, name, mode, 0, mkdir_fill, NULL);
}

static int symlink_fill(struct ext4_sb_info *es, struct inode *inode, struct inode *dir, const char *target)
{
	struct ext4_inode_info *ei = EXT4_I(inode);
	size_t len = strlen(target);
	uint64_t pblk;
	uint32_t got;
	uint8_t *b;
	int err;

	(void)dir;
	inode->size = len;
	if (len < sizeof(ext4_raw(ei)->i_block)) {
		memcpy(ext4_raw_rw(ei)->i_block, target, len);
		return 0;
	}
	ext4_ext_init(ei);
	err = ext4_alloc_blocks(es, ext4_goal(es, ei, 0), 1, &pblk, &got);
	if (!err)
		err = ext4_ext_set(es, ei, 0, 1, pblk, EXT4_EXT_WRITTEN);
	if (err)
		return err;
	inode->blocks += es->blocksize / 512;
	b = ext4_mnew(es, pblk);
	if (IS_ERR(b))
		return PTR_ERR(b);
	memcpy(b, target, len);
	return 0;
}

struct inode *ext4_symlink(struct inode *dir, const char *name, const char *target)
{
	/* A target lives in one block, its NUL too. */
	if (strlen(target) >= EXT4_SB(dir->sb)->blocksize)
		return ERR_PTR(-LINUX_ENAMETOOLONG);
	return make(dir, name, LINUX_S_IFLNK | 0777, 0, symlink_fill, target);
}

static int link_locked(struct ext4_sb_info *es, struct inode *dir, const char *name, struct inode *inode)
{
	int err = ext4_inode_touch(es, EXT4_I(inode));

	if (err)
		return err;
	/* An O_TMPFILE file gets its first name. */
	if (!atomic_load(&inode->nlink))
		err = ext4_orphan_del(es, EXT4_I(inode));
	atomic_fetch_add(&inode->nlink, 1);
	inode_touch_ctime(inode);
	inode_touch_mtime(dir);
	if (!err)
		err = ext4_dir_add(es, dir, name, inode);
	return err ? err : ext4_inode_store(es, EXT4_I(inode));
}

int ext4_link(struct inode *dir, const char *name, struct inode *inode)
{
	struct ext4_sb_info *es = EXT4_SB(dir->sb);
	int tries = 0, err;

	do {
		/* The name's inode is not locked: two links at once meet here. */
		err = ext4_begin(es, CREDITS, 0);
		if (!err)
			err = ext4_end(es, atomic_load(&inode->nlink) >= LINK_MAX ? -LINUX_EMLINK :
										    link_locked(es, dir, name, inode));
	} while (ext4_retry(es, err, &tries));
	return err;
}

/* --- removing --- */

static int remove_locked(struct ext4_sb_info *es, struct inode *dir, const char *name, struct inode *inode)
{
	int err;

	inode_touch_mtime(dir);
	err = ext4_dir_remove(es, dir, name, inode);
	if (!err && LINUX_S_ISDIR(inode->mode)) {
		dir_link_dec(dir);
		err = ext4_inode_store(es, EXT4_I(dir));
	}
	return err ? err : link_drop(es, inode);
}

int ext4_unlink(struct inode *dir, const char *name, struct inode *inode)
{
	struct ext4_sb_info *es = EXT4_SB(dir->sb);
	int err = ext4_begin(es, CREDITS, EXT4_USE_RESERVE);

	return err ? err : ext4_end(es, remove_locked(es, dir, name, inode));
}

static int check_empty(struct inode *dir)
{
	int empty = ext4_dir_empty(dir);

	return empty < 0 ? empty : empty ? 0 : -LINUX_ENOTEMPTY;
}

int ext4_rmdir(struct inode *dir, const char *name, struct inode *inode)
{
	int err = check_empty(inode);

	return err ? err : ext4_unlink(dir, name, inode);
}

/* --- rename --- */

struct rename {
	struct ext4_sb_info *es;
	struct inode *old_dir, *inode, *new_dir, *target, *whiteout;
	const char *old_name, *new_name;
};

/* A directory changed its parent. */
static int reparent(struct ext4_sb_info *es, struct inode *inode, struct inode *from, struct inode *to)
{
	int err = ext4_inode_touch(es, EXT4_I(from));

	if (!err)
		err = ext4_inode_touch(es, EXT4_I(to));
	if (!err)
		err = ext4_dir_set_parent(es, inode, to);
	if (err)
		return err;
	dir_link_dec(from);
	dir_link_inc(to);
	err = ext4_inode_store(es, EXT4_I(from));
	return err ? err : ext4_inode_store(es, EXT4_I(to));
}

static void rename_times(struct rename *r)
{
	inode_touch_mtime(r->old_dir);
	inode_touch_mtime(r->new_dir);
	inode_touch_ctime(r->inode);
}

static int exchange_locked(struct rename *r)
{
	bool a = LINUX_S_ISDIR(r->inode->mode), b = LINUX_S_ISDIR(r->target->mode);
	int err;

	rename_times(r);
	inode_touch_ctime(r->target);
	err = ext4_dir_replace(r->es, r->new_dir, r->new_name, r->inode);
	if (!err)
		err = ext4_dir_replace(r->es, r->old_dir, r->old_name, r->target);
	if (!err && a && r->old_dir != r->new_dir)
		err = reparent(r->es, r->inode, r->old_dir, r->new_dir);
	if (!err && b && r->old_dir != r->new_dir)
		err = reparent(r->es, r->target, r->new_dir, r->old_dir);
	if (!err)
		err = ext4_inode_store(r->es, EXT4_I(r->inode));
	return err ? err : ext4_inode_store(r->es, EXT4_I(r->target));
}

/* The new name: an entry that is there gets another inode. */
static int rename_enter(struct rename *r)
{
	int err;

	if (!r->target)
		return ext4_dir_add(r->es, r->new_dir, r->new_name, r->inode);
	err = ext4_dir_replace(r->es, r->new_dir, r->new_name, r->inode);
	if (!err && LINUX_S_ISDIR(r->target->mode)) {
		dir_link_dec(r->new_dir);
		err = ext4_inode_store(r->es, EXT4_I(r->new_dir));
	}
	return err ? err : link_drop(r->es, r->target);
}

static int rename_locked(struct rename *r, bool whiteout)
{
	int err = 0;

	if (whiteout) {
		r->whiteout = ext4_inode_new(r->es, r->old_dir, LINUX_S_IFCHR, 0);
		if (IS_ERR(r->whiteout)) {
			err = PTR_ERR(r->whiteout);
			r->whiteout = NULL;
			return err;
		}
		err = ext4_inode_store(r->es, EXT4_I(r->whiteout));
	}
	rename_times(r);
	if (!err)
		err = rename_enter(r);
	if (!err && whiteout)
		err = ext4_dir_replace(r->es, r->old_dir, r->old_name, r->whiteout);
	else if (!err)
		err = ext4_dir_remove(r->es, r->old_dir, r->old_name, r->inode);
	if (!err && LINUX_S_ISDIR(r->inode->mode) && r->old_dir != r->new_dir)
		err = reparent(r->es, r->inode, r->old_dir, r->new_dir);
	return err ? err : ext4_inode_store(r->es, EXT4_I(r->inode));
}

int ext4_rename(struct inode *old_dir, const char *old_name, struct inode *inode, struct inode *new_dir,
		const char *new_name, struct inode *target, unsigned flags)
{
	struct rename r = { EXT4_SB(old_dir->sb), old_dir, inode, new_dir, target, NULL, old_name, new_name };
	bool is_dir = LINUX_S_ISDIR(inode->mode), exchange = flags & LINUX_RENAME_EXCHANGE;
	int tries = 0, err;

	if (target && !exchange && LINUX_S_ISDIR(target->mode)) {
		err = check_empty(target);
		if (err)
			return err;
	}
	if (old_dir != new_dir && is_dir && !target && !link_room(new_dir))
		return -LINUX_EMLINK;
	do {
		err = ext4_begin(r.es, CREDITS * 2, 0);
		if (err)
			return err;
		r.whiteout = NULL;
		err = exchange ? exchange_locked(&r) : rename_locked(&r, flags & LINUX_RENAME_WHITEOUT);
		ext4_end(r.es, err);
		if (r.whiteout && err)
			ext4_inode_drop_new(r.whiteout);
		else if (r.whiteout)
			inode_put(r.whiteout);
	} while (ext4_retry(r.es, err, &tries));
	return err;
}
