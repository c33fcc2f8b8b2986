/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An image opened for writing: which may be, recovery, sync, the background writer, the end.
 */
#include <stdlib.h>
#include <string.h>

#include "platform/host/host.h"
#include "sentry/abi/fs.h"
#include "vfs/ext4/ext4_rw.h"

#define COMMIT_INTERVAL (5LL * 1000000000) /* between commits nobody asked for */
#define WRITEBACK_EVERY 6 /* of those: file data is written back too */

/* --- which images --- */

#define COMPAT_RW                                                                                                      \
	(EXT2_FEATURE_COMPAT_DIR_PREALLOC | EXT3_FEATURE_COMPAT_HAS_JOURNAL | EXT2_FEATURE_COMPAT_EXT_ATTR |           \
	 EXT2_FEATURE_COMPAT_RESIZE_INODE | EXT2_FEATURE_COMPAT_DIR_INDEX)
#define INCOMPAT_RW                                                                                                    \
	(EXT2_FEATURE_INCOMPAT_FILETYPE | EXT3_FEATURE_INCOMPAT_RECOVER | EXT3_FEATURE_INCOMPAT_EXTENTS |              \
	 EXT4_FEATURE_INCOMPAT_64BIT | EXT4_FEATURE_INCOMPAT_FLEX_BG | EXT4_FEATURE_INCOMPAT_CSUM_SEED |               \
	 EXT4_FEATURE_INCOMPAT_LARGEDIR | EXT2_FEATURE_INCOMPAT_META_BG)
#define RO_COMPAT_RW                                                                                                   \
	(EXT2_FEATURE_RO_COMPAT_SPARSE_SUPER | EXT2_FEATURE_RO_COMPAT_LARGE_FILE | EXT4_FEATURE_RO_COMPAT_HUGE_FILE |  \
	 EXT4_FEATURE_RO_COMPAT_GDT_CSUM | EXT4_FEATURE_RO_COMPAT_DIR_NLINK | EXT4_FEATURE_RO_COMPAT_EXTRA_ISIZE |     \
	 EXT4_FEATURE_RO_COMPAT_METADATA_CSUM)

/* How an image gets rid of a feature: tune2fs takes some away, e2fsck one, the others are there from the start to the end. */
enum feature_mend { BY_TUNE2FS, BY_E2FSCK, BY_MKE2FS };

struct feature {
	uint32_t bit;
	const char *name; /* as tune2fs spells it */
	enum feature_mend mend;
};

static const struct feature incompat_names[] = {
	{ EXT4_FEATURE_INCOMPAT_INLINE_DATA, "inline_data", BY_MKE2FS },
	{ EXT4_FEATURE_INCOMPAT_ENCRYPT, "encrypt", BY_MKE2FS },
	{ EXT4_FEATURE_INCOMPAT_CASEFOLD, "casefold", BY_TUNE2FS },
	{ EXT4_FEATURE_INCOMPAT_EA_INODE, "ea_inode", BY_MKE2FS },
	{ EXT4_FEATURE_INCOMPAT_MMP, "mmp", BY_TUNE2FS },
	{ 0, NULL, BY_MKE2FS },
};
static const struct feature ro_compat_names[] = {
	{ EXT4_FEATURE_RO_COMPAT_QUOTA, "quota", BY_TUNE2FS },
	{ EXT4_FEATURE_RO_COMPAT_BIGALLOC, "bigalloc", BY_MKE2FS },
	{ EXT4_FEATURE_RO_COMPAT_PROJECT, "project", BY_TUNE2FS },
	{ EXT4_FEATURE_RO_COMPAT_VERITY, "verity", BY_MKE2FS },
	{ 0x10000, "orphan_present", BY_E2FSCK },
	{ EXT4_FEATURE_RO_COMPAT_READONLY, "read-only", BY_TUNE2FS },
	{ EXT4_FEATURE_RO_COMPAT_SHARED_BLOCKS, "shared_blocks", BY_E2FSCK },
	{ 0, NULL, BY_MKE2FS },
};
static const struct feature compat_names[] = {
	{ 0x400, "fast_commit", BY_TUNE2FS },
	{ 0x800, "stable_inodes", BY_MKE2FS },
	{ 0x1000, "orphan_file", BY_TUNE2FS },
	{ EXT4_FEATURE_COMPAT_SPARSE_SUPER2, "sparse_super2", BY_MKE2FS },
	{ 0, NULL, BY_MKE2FS },
};

/* The first feature of @mask that is not in @known; one without a name when it is not among @names; NULL when all are known. */
static const struct feature *feature_unknown(const struct feature *names, uint32_t mask, uint32_t known)
{
	mask &= ~known;
	if (!mask)
		return NULL;
	while (names->name && !(mask & names->bit))
		names++;
	return names;
}

static void feature_explain(const struct ext4_sb_info *es, const struct feature *f, struct strbuf *why)
{
	const char *name = f->name ? f->name : "(unknown)";

	strbuf_addf(why, "%s has the feature '%s', with which sentry does not write; run it without --rw, or ", es->name, name);
	if (!f->name)
		strbuf_addf(why, "make it anew with: mke2fs -t ext4 %s", es->name);
	else if (f->mend == BY_TUNE2FS)
		strbuf_addf(why, "take the feature away with: tune2fs -O ^%s %s", name, es->name);
	else if (f->mend == BY_E2FSCK)
		strbuf_addf(why, "take it away with: e2fsck -fy -E unshare_blocks %s", es->name);
	else
		strbuf_addf(why, "make it anew with: mke2fs -t ext4 -O ^%s %s", name, es->name);
}

static int features_check(struct ext4_sb_info *es, struct strbuf *why)
{
	const struct ext2_super_block *s = es->fs->super;
	const struct feature *f = feature_unknown(incompat_names, s->s_feature_incompat, INCOMPAT_RW);

	if (!f)
		f = feature_unknown(ro_compat_names, s->s_feature_ro_compat, RO_COMPAT_RW);
	if (!f)
		f = feature_unknown(compat_names, s->s_feature_compat, COMPAT_RW);
	if (f) {
		feature_explain(es, f, why);
		return -LINUX_EOPNOTSUPP;
	}
	if (es->blocksize > PAGE_SIZE || s->s_log_cluster_size != s->s_log_block_size) {
		strbuf_addf(why, "%s has blocks of %u bytes, and sentry writes up to %lu; make it anew with: mke2fs -t ext4 -b %lu %s",
			    es->name, es->blocksize, PAGE_SIZE, PAGE_SIZE, es->name);
		return -LINUX_EOPNOTSUPP;
	}
	if (!ext2fs_has_feature_journal(es->fs->super)) {
		strbuf_addf(why, "%s has no journal, without which it would not survive a crash; add one with: tune2fs -j %s",
			    es->name, es->name);
		return -LINUX_EOPNOTSUPP;
	}
	if (!s->s_journal_inum) {
		strbuf_addf(why, "%s has its journal on another device; give it one of its own with: tune2fs -O ^has_journal %s && "
			    "tune2fs -j %s", es->name, es->name, es->name);
		return -LINUX_EOPNOTSUPP;
	}
	if (!ext2fs_has_feature_extents(es->fs->super) || !ext2fs_has_feature_filetype(es->fs->super)) {
		strbuf_addf(why, "%s is an ext2 or ext3 file system; make it ext4 with: tune2fs -O extents,filetype %s && e2fsck "
			    "-fyE bmap2extent %s", es->name, es->name, es->name);
		return -LINUX_EOPNOTSUPP;
	}
	if (s->s_state & EXT2_ERROR_FS) {
		strbuf_addf(why, "%s is marked as damaged; mend it first with: e2fsck -f %s", es->name, es->name);
		return -LINUX_EUCLEAN;
	}
	return 0;
}

/* --- the background writer --- */

static void *writer_main(void *arg)
{
	struct ext4_sb_info *es = arg;
	struct ext4_rw *rw = es->rw;

	for (unsigned round = 1;; round++) {
		bool soon;

		(void)waitq_wait(&rw->writer_wait,
				 READ_ONCE(rw->stop) || atomic_load(&rw->write_soon) || atomic_load(&rw->commit_soon),
				 SLEEP_UNINTERRUPTIBLE, deadline_after(COMMIT_INTERVAL));
		if (READ_ONCE(rw->stop))
			return NULL;
		atomic_store(&rw->commit_soon, false);
		soon = atomic_load(&rw->write_soon);
		if (!atomic_load(&rw->aborted) && (soon || !(round % WRITEBACK_EVERY)))
			pagecache_writeback_sb(es->sb);
		if (soon)
			atomic_store(&rw->write_soon, false);
		if (atomic_load(&rw->aborted))
			continue;
		ext4_flush_inodes(es);
		ext4_commit(es, 0);
	}
}

void ext4_writeback_soon(struct super_block *sb)
{
	struct ext4_rw *rw = EXT4_SB(sb)->rw;

	if (!rw || !rw->has_writer) {
		pagecache_writeback_sb(sb);
		return;
	}
	if (!atomic_exchange(&rw->write_soon, true))
		waitq_wake(&rw->writer_wait, 0);
}

static void writer_stop(struct ext4_rw *rw)
{
	if (!rw->has_writer)
		return;
	WRITE_ONCE(rw->stop, true);
	waitq_wake(&rw->writer_wait, 0);
	pthread_join(rw->writer, NULL);
	rw->has_writer = false;
}

/* --- opening --- */

static int rw_start(struct ext4_sb_info *es, unsigned flags, struct strbuf *why)
{
	int err = ext4_txn_init(es);

	if (!err)
		err = ext4_log_open(es, why);
	if (!err)
		err = ext4_balloc_init(es);
	if (!err) {
		es->image.rw = es->rw;
		err = ext4_log_mark(es, false);
	}
	if (!err)
		err = ext4_orphans_recover(es);
	if (!err && flags & EXT4_OPEN_WRITER)
		es->rw->has_writer = !pthread_create(&es->rw->writer, NULL, writer_main, es);
	if (err && !why->len)
		strbuf_addf(why, "%s can't be opened for writing: %s", es->name, strerror(-err));
	return err;
}

int ext4_rw_open(struct ext4_sb_info *es, unsigned flags, struct strbuf *why)
{
	int err = features_check(es, why);

	if (err)
		return err;
	es->rw = calloc(1, sizeof(*es->rw));
	if (!es->rw)
		return -LINUX_ENOMEM;
	es->rw->nobarrier = flags & EXT4_OPEN_NOBARRIER;
	err = rw_start(es, flags, why);
	if (err) {
		atomic_store(&es->rw->aborted, err);
		es->image.rw = NULL;
		ext4_txn_fini(es);
		return err;
	}
	es->sb->flags &= ~LINUX_SB_RDONLY;
	es->sb->fixed_ro = false;
	return 0;
}

/* --- sync, the end --- */

int ext4_rw_sync(struct super_block *sb)
{
	struct ext4_sb_info *es = EXT4_SB(sb);
	int err;

	if (!es->rw)
		return 0;
	err = ext4_flush_inodes(es);
	if (!err)
		err = ext4_commit(es, 0);
	return err == -LINUX_EROFS ? -LINUX_EIO : err;
}

/* Files without a name that are still open go with us. */
static int orphans_free(struct ext4_sb_info *es)
{
	struct ext4_rw *rw = es->rw;
	int err = 0;

	while (!err && !list_empty(&rw->orphans)) {
		struct ext4_inode_info *ei = list_first_entry(&rw->orphans, struct ext4_inode_info, orphan_link);

		err = ext4_orphan_end(es, ei);
	}
	return err;
}

void ext4_rw_close(struct ext4_sb_info *es)
{
	struct ext4_rw *rw = es->rw;
	int err = 0;

	if (rw->closed)
		return;
	rw->closed = true;
	writer_stop(rw);
	if (!atomic_load(&rw->aborted)) {
		err = pagecache_writeback_sb(es->sb);
		if (!err)
			err = ext4_flush_inodes(es);
		if (!err)
			err = orphans_free(es);
		if (!err)
			err = ext4_checkpoint(es);
		if (!err)
			err = ext4_log_mark(es, true);
		/* Without barriers too: the map of an overlay is written by a flush. */
		if (!err && es->image.cow)
			err = ext4_image_flush(&es->image);
		if (err)
			log_error("%s: could not be written to the end: %s; it is recovered when it is next used", es->name,
				  strerror(-err));
	}
	/* What comes now, from inodes that are still held, is refused. */
	atomic_store(&rw->aborted, -LINUX_EROFS);
	es->sb->flags |= LINUX_SB_RDONLY;
}
