/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log, written: Documentation/filesystems/ext4/journal.rst has the format, ext4_rw.h the rules.
 *
 * A commit copies the running transaction's blocks into one buffer under rw->lock and writes that without it, so that
 * operations go on meanwhile; all who wait for durability wait for commit_lock, and whoever gets it commits for all.
 * When the next transaction might not fit behind this one, the lock is kept, so that the checkpoint which follows finds no
 * block that was changed since the commit.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "platform/host/host.h"
#include "vfs/ext4/ext4_rw.h"
#include "vfs/ext4/jbd2.h"

#define MAX_RUNNING 2048
#define IOV_BATCH 256

/* --- blocks of the ring --- */

int ext4_flush(struct ext4_sb_info *es)
{
	int err = 0;

	if (es->rw->nobarrier || !atomic_exchange(&es->rw->need_flush, false))
		return 0;
	err = ext4_image_flush(&es->image);
	if (err) {
		/* What of it reached the disk is not known, and the host tells only once: nothing is durable any more. */
		atomic_store(&es->rw->need_flush, true);
		ext4_abort(es, err, "flushing");
	}
	return err;
}

static int image_write(struct ext4_sb_info *es, const void *buf, size_t len, uint64_t off)
{
	atomic_store(&es->rw->need_flush, true);
	return ext4_image_write(&es->image, buf, len, off);
}

/* Blocks [at, at + nr) of the journal's inode. */
static int log_write(struct ext4_sb_info *es, uint32_t at, uint32_t nr, const uint8_t *buf)
{
	struct ext4_log *log = &es->rw->log;

	for (uint32_t i = 0; i < log->nr_segs && nr; i++) {
		const struct ext4_seg *s = &log->segs[i];
		uint32_t part;
		int err;

		if (at < s->lblk || at >= s->lblk + s->len)
			continue;
		part = MIN(nr, s->lblk + s->len - at);
		err = image_write(es, buf, (size_t)part << es->blkbits, (s->pblk + (at - s->lblk)) << es->blkbits);
		if (err)
			return err;
		at += part;
		nr -= part;
		buf += (size_t)part << es->blkbits;
	}
	return nr ? -LINUX_EIO : 0;
}

/* The same, around the end of the ring. */
static int ring_write(struct ext4_sb_info *es, uint32_t at, uint32_t nr, const uint8_t *buf)
{
	struct ext4_log *log = &es->rw->log;
	uint32_t part = MIN(nr, log->last - at);
	int err = log_write(es, at, part, buf);

	if (!err && part < nr)
		err = log_write(es, log->first, nr - part, buf + ((size_t)part << es->blkbits));
	return err;
}

static uint32_t ring_size(const struct ext4_log *log)
{
	return log->last - log->first;
}

static uint32_t ring_add(const struct ext4_log *log, uint32_t at, uint32_t nr)
{
	return log->first + (at - log->first + nr) % ring_size(log);
}

/* Where the log begins: block @start (0: it is empty) with transaction @tid. */
static int log_super_write(struct ext4_sb_info *es, uint32_t start, uint32_t tid)
{
	struct ext4_log *log = &es->rw->log;
	struct jbd2_super *s = (struct jbd2_super *)log->super;

	s->start = htobe32(start);
	s->sequence = htobe32(tid);
	s->checksum = 0;
	s->checksum = htobe32(ext4_crc32c(~0U, s, sizeof(*s)));
	return image_write(es, s, sizeof(*s), log->segs[0].pblk << es->blkbits);
}

/* --- a commit --- */

struct commit {
	struct ext4_sb_info *es;
	uint32_t tid, nr; /* blocks in log->buf */
	struct ext4_run_list freed;
};

static void header_set(void *block, uint32_t type, uint32_t tid)
{
	struct jbd2_header *h = block;

	h->magic = htobe32(JBD2_MAGIC);
	h->type = htobe32(type);
	h->sequence = htobe32(tid);
}

static uint8_t *buf_block(struct commit *c, uint32_t i)
{
	return c->es->rw->log.buf + ((size_t)i << c->es->blkbits);
}

/* A new block of the log, zeroed. */
static uint8_t *next_block(struct commit *c, uint32_t type)
{
	uint8_t *b = buf_block(c, c->nr++);

	memset(b, 0, c->es->blocksize);
	header_set(b, type, c->tid);
	return b;
}

static void tail_set(struct commit *c, uint8_t *block)
{
	uint32_t csum = htobe32(ext4_crc32c(c->es->rw->log.csum_seed, block, c->es->blocksize));

	memcpy(block + c->es->blocksize - sizeof(csum), &csum, sizeof(csum));
}

static uint32_t revokes_per_block(const struct ext4_sb_info *es)
{
	return (es->blocksize - sizeof(struct jbd2_header) - 8) / 8;
}

static void revokes_build(struct commit *c)
{
	struct ext4_run_list *l = &c->es->rw->revokes;
	uint32_t per = revokes_per_block(c->es);

	for (size_t at = 0; at < l->nr; at += per) {
		uint8_t *b = next_block(c, JBD2_REVOKE), *p = b + sizeof(struct jbd2_header) + 4;
		uint32_t n = MIN(l->nr - at, per), count = htobe32(sizeof(struct jbd2_header) + 4 + n * 8);

		memcpy(b + sizeof(struct jbd2_header), &count, sizeof(count));
		for (uint32_t i = 0; i < n; i++, p += 8) {
			uint64_t blk = htobe64(l->v[at + i].blk);

			memcpy(p, &blk, sizeof(blk));
		}
		tail_set(c, b);
	}
	l->nr = 0;
}

/* Tags in one descriptor: the first is followed by the journal's uuid. */
static uint32_t tags_per_block(const struct ext4_sb_info *es)
{
	return (es->blocksize - sizeof(struct jbd2_header) - 16 - 4) / sizeof(struct jbd2_tag3);
}

static struct jbd2_tag3 block_build(struct commit *c, const struct ext4_mblock *m)
{
	static const uint8_t magic[4] = { 0xc0, 0x3b, 0x39, 0x98 };
	uint8_t *b = buf_block(c, c->nr++);
	uint32_t tid = htobe32(c->tid), flags = 0, csum;

	memcpy(b, m->data, c->es->blocksize);
	if (!memcmp(b, magic, sizeof(magic))) {
		memset(b, 0, sizeof(magic));
		flags = JBD2_ESCAPE;
	}
	csum = ext4_crc32c(c->es->rw->log.csum_seed, &tid, sizeof(tid));
	csum = ext4_crc32c(csum, b, c->es->blocksize);
	return (struct jbd2_tag3){ htobe32((uint32_t)m->blk), flags, htobe32(m->blk >> 32), htobe32(csum) };
}

/* Descriptors with the blocks that they name. */
static void blocks_build(struct commit *c)
{
	struct ext4_rw *rw = c->es->rw;
	uint32_t per = tags_per_block(c->es), in_desc = 0, left = rw->nr_running;
	struct ext4_mblock *m;
	uint8_t *desc = NULL, *p = NULL;

	list_for_each_entry(m, &rw->running, link) {
		struct jbd2_tag3 tag;

		if (!desc) {
			desc = next_block(c, JBD2_DESCRIPTOR);
			p = desc + sizeof(struct jbd2_header);
			in_desc = 0;
		}
		tag = block_build(c, m);
		left--;
		if (in_desc)
			tag.flags |= JBD2_SAME_UUID;
		if (in_desc + 1 == per || !left)
			tag.flags |= JBD2_LAST_TAG;
		tag.flags = htobe32(tag.flags);
		memcpy(p, &tag, sizeof(tag));
		p += sizeof(tag);
		if (!in_desc++) {
			memcpy(p, ((struct jbd2_super *)rw->log.super)->uuid, 16);
			p += 16;
		}
		if (in_desc == per || !left) {
			tail_set(c, desc);
			desc = NULL;
		}
	}
}

/*
 * The commit block is written alone, and whoever recovers takes half of one for damage.  All it says is in its first sector: so its
 * place is zeroed together with the blocks before it, and the block itself is kept behind that in the buffer.
 */
static void commit_block_build(struct commit *c)
{
	struct jbd2_commit *b = (void *)buf_block(c, c->nr + 1);
	struct timespec64 now = current_time();

	memset(buf_block(c, c->nr++), 0, c->es->blocksize);
	memset(b, 0, c->es->blocksize);
	header_set(b, JBD2_COMMIT, c->tid);
	b->sec = htobe64(now.sec);
	b->nsec = htobe32(now.nsec);
	b->csum[0] = htobe32(ext4_crc32c(c->es->rw->log.csum_seed, b, c->es->blocksize));
}

static uint32_t commit_size(const struct ext4_sb_info *es)
{
	const struct ext4_rw *rw = es->rw;

	return rw->nr_running + rw->nr_running / tags_per_block(es) + rw->revokes.nr / revokes_per_block(es) + 3;
}

/* Damage that was met is for e2fsck to look at, as Linux says it. */
static void error_mark(struct ext4_sb_info *es, struct ext2_super_block *s)
{
	if (!atomic_load(&es->rw->damaged))
		return;
	s->s_state |= EXT2_ERROR_FS;
	s->s_last_error_time = current_time().sec;
	if (!s->s_error_count++)
		s->s_first_error_time = s->s_last_error_time;
}

/* The superblock's counters are right in every transaction. */
static int super_update(struct ext4_sb_info *es)
{
	struct ext4_rw *rw = es->rw;
	struct ext2_super_block *s;

	rw->op++;
	s = ext4_super(es);
	if (!IS_ERR(s)) {
		uint64_t free = atomic_load(&rw->free_blocks);

		s->s_free_blocks_count = (uint32_t)free;
		if (ext2fs_has_feature_64bit(es->fs->super))
			s->s_free_blocks_hi = free >> 32;
		s->s_free_inodes_count = atomic_load(&rw->free_inodes);
		s->s_wtime = current_time().sec;
		error_mark(es, s);
		ext4_super_done(es, s);
	}
	rw->nr_undo = 0;
	return IS_ERR(s) ? PTR_ERR(s) : 0;
}

/* Copies the running transaction; its blocks are logged from now on, and the next one runs. */
static int commit_build(struct commit *c)
{
	struct ext4_sb_info *es = c->es;
	struct ext4_rw *rw = es->rw;
	struct ext4_log *log = &rw->log;
	struct ext4_mblock *m;
	size_t size;
	int err = super_update(es);

	if (err)
		return err;
	if (log->used + commit_size(es) >= ring_size(log))
		return -LINUX_ENOSPC;
	size = (size_t)(commit_size(es) + 1) << es->blkbits;
	if (size > log->buf_size) {
		free(log->buf);
		log->buf_size = 0;
		log->buf = malloc(size);
		if (!log->buf)
			return -LINUX_ENOMEM;
		log->buf_size = size;
	}
	c->tid = rw->tid++;
	revokes_build(c);
	blocks_build(c);
	commit_block_build(c);
	list_for_each_entry(m, &rw->running, link) {
		m->running = false;
		m->logged = true;
	}
	list_splice_tail(&rw->running, &rw->logged);
	rw->nr_running = 0;
	c->freed = rw->freed;
	rw->freed = (struct ext4_run_list){ NULL, 0, 0 };
	return 0;
}

/* The log's blocks and all file data before the commit block, that before the end. */
static int commit_write(struct commit *c)
{
	struct ext4_log *log = &c->es->rw->log;
	uint32_t last = ring_add(log, log->head, c->nr - 1);
	int err = ring_write(c->es, log->head, c->nr, log->buf);

	if (!err)
		err = ext4_flush(c->es);
	if (!err)
		err = ring_write(c->es, last, 1, buf_block(c, c->nr));
	if (!err)
		err = ext4_flush(c->es);
	log->head = ring_add(log, last, 1);
	log->used += c->nr;
	return err;
}

/* --- checkpoint --- */

static int by_blk(const void *a, const void *b)
{
	const struct ext4_mblock *x = *(struct ext4_mblock *const *)a, *y = *(struct ext4_mblock *const *)b;

	return x->blk < y->blk ? -1 : x->blk > y->blk;
}

/* Blocks that follow each other go home in one write. */
static int blocks_home(struct ext4_sb_info *es, struct ext4_mblock **v, size_t nr)
{
	struct iovec iov[IOV_BATCH];

	for (size_t i = 0, n; i < nr; i += n) {
		int err;

		for (n = 0; n < IOV_BATCH && i + n < nr && v[i + n]->blk == v[i]->blk + n; n++)
			iov[n] = (struct iovec){ v[i + n]->data, es->blocksize };
		atomic_store(&es->rw->need_flush, true);
		err = ext4_image_writev(&es->image, iov, n, v[i]->blk << es->blkbits);
		if (err)
			return err;
	}
	return 0;
}

/* commit_lock and lock held; nothing is running. */
static int checkpoint_locked(struct ext4_sb_info *es)
{
	struct ext4_rw *rw = es->rw;
	struct ext4_mblock **v, *m;
	size_t nr = 0;
	int err;

	list_for_each_entry(m, &rw->logged, link)
		nr++;
	v = malloc((nr + 1) * sizeof(*v));
	if (!v)
		return -LINUX_ENOMEM;
	nr = 0;
	list_for_each_entry(m, &rw->logged, link)
		v[nr++] = m;
	qsort(v, nr, sizeof(*v), by_blk);
	err = blocks_home(es, v, nr);
	free(v);
	if (!err)
		err = ext4_flush(es);
	if (!err)
		err = log_super_write(es, rw->log.head, rw->tid);
	if (err)
		return err;
	rw->log.used = 0;
	list_for_each_entry(m, &rw->logged, link) {
		m->logged = false;
		rw->nr_clean++;
	}
	list_splice_tail(&rw->logged, &rw->clean);
	return 0;
}

/* lock and commit_lock held; lock is dropped while writing unless a checkpoint is due. */
static int commit_locked(struct ext4_sb_info *es, bool checkpoint)
{
	struct ext4_rw *rw = es->rw;
	struct ext4_log *log = &rw->log;
	struct commit c = { .es = es };
	int err = commit_build(&c);

	if (err) {
		ext4_abort(es, err, "building a transaction");
		return -LINUX_EIO;
	}
	checkpoint |= log->used + c.nr + rw->max_running * 2 + 64 > ring_size(log);
	if (!checkpoint)
		mutex_unlock(&rw->lock);
	err = commit_write(&c);
	if (!checkpoint)
		mutex_lock(&rw->lock);
	if (err)
		ext4_abort(es, err, "writing the journal");
	else
		atomic_store(&rw->committed_tid, c.tid);
	if (!err && checkpoint) {
		err = checkpoint_locked(es);
		if (err)
			ext4_abort(es, err, "writing metadata");
	}
	if (!err)
		ext4_quarantine_release(es, &c.freed);
	free(c.freed.v);
	return err ? -LINUX_EIO : 0;
}

int ext4_commit(struct ext4_sb_info *es, uint32_t tid)
{
	struct ext4_rw *rw = es->rw;
	int err;
	MUTEX_GUARD(&rw->commit_lock);

	if (tid && (int32_t)(atomic_load(&rw->committed_tid) - tid) >= 0)
		return 0;
	if (atomic_load(&rw->aborted))
		return -LINUX_EIO;
	mutex_lock(&rw->lock);
	if (rw->nr_running || rw->revokes.nr || rw->freed.nr) {
		err = commit_locked(es, false);
		mutex_unlock(&rw->lock);
		return err;
	}
	mutex_unlock(&rw->lock);
	return ext4_flush(es) ? -LINUX_EIO : 0;
}

int ext4_checkpoint(struct ext4_sb_info *es)
{
	struct ext4_rw *rw = es->rw;
	int err = 0;
	MUTEX_GUARD(&rw->commit_lock);

	if (atomic_load(&rw->aborted))
		return -LINUX_EIO;
	mutex_lock(&rw->lock);
	if (rw->nr_running || rw->revokes.nr || rw->freed.nr)
		err = commit_locked(es, true);
	else if (rw->log.used)
		err = checkpoint_locked(es);
	mutex_unlock(&rw->lock);
	return err ? err : ext4_flush(es);
}

/* --- opening --- */

static int log_map(struct ext4_sb_info *es, struct ext4_inode_info *ei, struct strbuf *why)
{
	struct ext4_log *log = &es->rw->log;
	struct ext4_seg_list list = { NULL, 0, 0 };
	uint64_t at = 0;
	int err = 0;

	while (at < log->last && !err) {
		struct ext4_seg seg;

		err = ext4_map(ei, at, &seg);
		if (!err && !seg.pblk)
			err = -EFSCORRUPTED;
		if (!err)
			err = ext4_seg_add(&list, at, MIN(seg.lblk + seg.len, log->last) - at, seg.pblk + (at - seg.lblk));
		at = seg.lblk + seg.len;
	}
	log->segs = list.segs;
	log->nr_segs = list.nr;
	if (err)
		strbuf_addf(why, "%s has a damaged journal; e2fsck -f %s mends it", es->name, es->name);
	return err;
}

/* What the replay of the log would write goes home. */
static int replay(struct ext4_sb_info *es)
{
	struct ext4_image *img = &es->image;
	int err = 0;

	for (size_t i = 0; i < img->nr_replay && !err; i++) {
		uint64_t blk = img->replay[i].blk;

		err = ext4_image_read_part(img, blk, 0, es->rw->scratch, es->blocksize);
		if (!err)
			err = image_write(es, es->rw->scratch, es->blocksize, blk << es->blkbits);
	}
	if (!err)
		err = ext4_flush(es);
	if (!err && img->nr_replay)
		log_warn("%s: recovered from its journal (%zu blocks)", es->name, img->nr_replay);
	if (!err) {
		free(img->replay);
		img->replay = NULL;
		img->nr_replay = 0;
	}
	return err;
}

/* The host must not run out of space while the journal is written: what it holds is kept for it. */
static void log_preallocate(struct ext4_sb_info *es)
{
	struct ext4_log *log = &es->rw->log;

	for (uint32_t i = 0; i < log->nr_segs && !es->image.cow; i++)
		host_fallocate(es->image.fd, 0, log->segs[i].pblk << es->blkbits, log->segs[i].len << es->blkbits);
}

static int log_super_read(struct ext4_sb_info *es, struct ext4_inode_info *ei, struct strbuf *why)
{
	struct ext4_log *log = &es->rw->log;
	struct jbd2_super *s = (struct jbd2_super *)log->super;
	uint32_t min = 256;
	int err = ext4_read_data(ei, s, 0, sizeof(*s));

	if (err || be32toh(s->h.magic) != JBD2_MAGIC || be32toh(s->h.type) != JBD2_SUPER_V2 ||
	    be32toh(s->blocksize) != es->blocksize || be32toh(s->maxlen) > ei->vfs.size >> es->blkbits ||
	    !be32toh(s->first) || be32toh(s->first) + min > be32toh(s->maxlen)) {
		strbuf_addf(why, "%s has a journal that is damaged or too small; make a new one with: tune2fs -O ^has_journal %s "
			    "&& tune2fs -j %s", es->name, es->name, es->name);
		return -LINUX_EUCLEAN;
	}
	/* The blocks that tune2fs leaves counted when it takes the feature away belong to this log again. */
	if (be32toh(s->incompat) & ~JBD2_FEATURES_KNOWN) {
		strbuf_addf(why, "%s has a journal with fast commits; take them away with: tune2fs -O ^fast_commit %s", es->name,
			    es->name);
		return -LINUX_EOPNOTSUPP;
	}
	log->first = be32toh(s->first);
	log->last = be32toh(s->maxlen);
	log->head = log->first;
	log->csum_seed = ext4_crc32c(~0U, s->uuid, sizeof(s->uuid));
	s->incompat = htobe32((be32toh(s->incompat) & ~(uint32_t)JBD2_FEATURE_CSUM_V2) | JBD2_FEATURE_REVOKE |
			      JBD2_FEATURE_64BIT | JBD2_FEATURE_CSUM_V3);
	s->compat &= ~htobe32(JBD2_FEATURE_COMPAT_CHECKSUM);
	s->checksum_type = JBD2_CRC32C;
	es->rw->max_running = MIN(ring_size(log) / 4, MAX_RUNNING);
	es->rw->tid = (es->journal_tid ? es->journal_tid : be32toh(s->sequence)) + 1;
	return 0;
}

int ext4_log_open(struct ext4_sb_info *es, struct strbuf *why)
{
	struct inode *inode = ext4_iget_special(es, es->fs->super->s_journal_inum);
	int err;

	if (IS_ERR(inode)) {
		strbuf_addf(why, "%s has a journal that can't be found; e2fsck -f %s mends it", es->name, es->name);
		return PTR_ERR(inode);
	}
	err = log_super_read(es, EXT4_I(inode), why);
	if (!err)
		err = log_map(es, EXT4_I(inode), why);
	inode_put(inode);
	if (err)
		return err;
	log_preallocate(es);
	err = replay(es);
	if (err)
		strbuf_addf(why, "%s can't be recovered from its journal: %s", es->name, strerror(-err));
	atomic_store(&es->rw->committed_tid, es->rw->tid - 1);
	return err;
}

/* The superblock in its place, past the log: only when that is empty. */
static int super_write_home(struct ext4_sb_info *es, bool clean)
{
	struct ext4_rw *rw = es->rw;
	uint64_t at = 1024;
	struct ext2_super_block *s;
	int err = ext4_begin(es, 1, EXT4_USE_RESERVE);

	if (err)
		return err;
	s = ext4_super(es);
	if (IS_ERR(s))
		return ext4_end(es, PTR_ERR(s));
	if (clean) {
		uint64_t free = atomic_load(&rw->free_blocks);

		s->s_feature_incompat &= ~EXT3_FEATURE_INCOMPAT_RECOVER;
		s->s_free_blocks_count = (uint32_t)free;
		if (ext2fs_has_feature_64bit(es->fs->super))
			s->s_free_blocks_hi = free >> 32;
		s->s_free_inodes_count = atomic_load(&rw->free_inodes);
	} else {
		s->s_feature_incompat |= EXT3_FEATURE_INCOMPAT_RECOVER;
		s->s_mtime = current_time().sec;
		s->s_mnt_count++;
	}
	s->s_wtime = current_time().sec;
	error_mark(es, s);
	ext4_super_done(es, s);
	err = image_write(es, s, sizeof(*s), at);
	ext4_end(es, err);
	return err ? err : ext4_flush(es);
}

/* A journal that has something while the superblock says that it has not is what e2fsck -p gives up on: never in between. */
int ext4_log_mark(struct ext4_sb_info *es, bool clean)
{
	struct ext4_log *log = &es->rw->log;
	int err = clean ? 0 : super_write_home(es, false);

	if (!err)
		err = log_super_write(es, clean ? 0 : log->head, es->rw->tid);
	if (!err)
		err = ext4_flush(es);
	return err || !clean ? err : super_write_home(es, true);
}
