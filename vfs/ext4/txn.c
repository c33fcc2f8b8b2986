/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cache of metadata blocks, and operations on it.  ext4_rw.h says how they work together.
 */
#include <stdlib.h>
#include <string.h>

#include "sentry/abi/fs.h"
#include "vfs/ext4/ext4_rw.h"

#define CLEAN_MAX 8192 /* blocks kept for reading */
#define BUCKETS_MIN 4096

/* --- the hash --- */

static uint32_t bucket_of(const struct ext4_rw *rw, uint64_t blk)
{
	return (uint32_t)((blk * 0x9e3779b97f4a7c15ULL) >> 40) & (rw->nr_buckets - 1);
}

struct ext4_mblock *ext4_mfind(struct ext4_rw *rw, uint64_t blk)
{
	struct ext4_mblock *m = rw->buckets[bucket_of(rw, blk)];

	while (m && m->blk != blk)
		m = m->hash_next;
	return m;
}

bool ext4_cache_any(struct ext4_rw *rw)
{
	return READ_ONCE(rw->nr_cached);
}

bool ext4_cache_copy(struct ext4_rw *rw, uint64_t blk, uint32_t off, void *buf, uint32_t len)
{
	struct ext4_mblock *m;
	MUTEX_GUARD(&rw->cache_lock);

	m = ext4_mfind(rw, blk);
	if (m)
		memcpy(buf, m->data + off, len);
	return m;
}

/* A failed allocation only makes look-ups slower. */
static void hash_grow(struct ext4_rw *rw)
{
	uint32_t old_nr = rw->nr_buckets;
	struct ext4_mblock **old = rw->buckets, **new = calloc(old_nr * 2, sizeof(*new));

	if (!new)
		return;
	rw->buckets = new;
	rw->nr_buckets = old_nr * 2;
	for (uint32_t i = 0; i < old_nr; i++) {
		for (struct ext4_mblock *m = old[i], *next; m; m = next) {
			uint32_t b = bucket_of(rw, m->blk);

			next = m->hash_next;
			m->hash_next = new[b];
			new[b] = m;
		}
	}
	free(old);
}

static void hash_insert(struct ext4_rw *rw, struct ext4_mblock *m)
{
	uint32_t b;
	MUTEX_GUARD(&rw->cache_lock);

	if (rw->nr_cached >= rw->nr_buckets)
		hash_grow(rw);
	b = bucket_of(rw, m->blk);
	m->hash_next = rw->buckets[b];
	rw->buckets[b] = m;
	WRITE_ONCE(rw->nr_cached, rw->nr_cached + 1);
}

void ext4_mdrop_locked(struct ext4_rw *rw, struct ext4_mblock *m)
{
	struct ext4_mblock **p;

	mutex_lock(&rw->cache_lock);
	for (p = &rw->buckets[bucket_of(rw, m->blk)]; *p != m; p = &(*p)->hash_next)
		;
	*p = m->hash_next;
	WRITE_ONCE(rw->nr_cached, rw->nr_cached - 1);
	mutex_unlock(&rw->cache_lock);
	list_del(&m->link);
	if (m->running)
		rw->nr_running--;
	else if (!m->logged)
		rw->nr_clean--;
	free(m->data);
	free(m);
}

/* --- blocks of an operation --- */

enum access { BLOCK_READ, BLOCK_WRITE, BLOCK_NEW };

static struct ext4_mblock *mblock_new(struct ext4_sb_info *es, uint64_t blk, enum access how)
{
	struct ext4_mblock *m = calloc(1, sizeof(*m));
	int err = m ? 0 : -LINUX_ENOMEM;

	if (m) {
		m->data = how == BLOCK_NEW ? calloc(1, es->blocksize) : malloc(es->blocksize);
		err = m->data ? 0 : -LINUX_ENOMEM;
	}
	if (!err && how != BLOCK_NEW)
		err = ext4_image_read_raw(&es->image, m->data, es->blocksize, blk << es->blkbits);
	if (err) {
		if (m)
			free(m->data);
		free(m);
		return ERR_PTR(err);
	}
	m->blk = blk;
	m->verified = how == BLOCK_NEW;
	list_add_tail(&m->link, &es->rw->clean);
	es->rw->nr_clean++;
	hash_insert(es->rw, m);
	return m;
}

/* Keeps what the block was before this operation; @fresh: nothing. */
static int undo_add(struct ext4_sb_info *es, struct ext4_mblock *m, bool fresh)
{
	struct ext4_rw *rw = es->rw;
	struct ext4_undo_block *u;

	if (rw->nr_undo == rw->max_undo) {
		size_t max = rw->max_undo * 2 + 64;
		struct ext4_undo_block *undo = realloc(rw->undo, max * sizeof(*undo));

		if (!undo)
			return -LINUX_ENOMEM;
		memset(undo + rw->max_undo, 0, (max - rw->max_undo) * sizeof(*undo));
		rw->undo = undo;
		rw->max_undo = max;
	}
	u = &rw->undo[rw->nr_undo];
	if (!u->old)
		u->old = malloc(es->blocksize);
	if (!u->old)
		return -LINUX_ENOMEM;
	memcpy(u->old, m->data, es->blocksize);
	u->m = m;
	u->was_running = m->running;
	u->fresh = fresh;
	rw->nr_undo++;
	m->op = rw->op;
	return 0;
}

static uint8_t *block_access(struct ext4_sb_info *es, uint64_t blk, enum access how)
{
	struct ext4_rw *rw = es->rw;
	struct ext4_mblock *m = ext4_mfind(rw, blk);
	bool fresh = !m && how == BLOCK_NEW;
	int err;

	if (!m) {
		m = mblock_new(es, blk, how);
		if (IS_ERR(m))
			return (uint8_t *)m;
	}
	if (how == BLOCK_READ)
		return m->data;
	if (m->op != rw->op) {
		err = undo_add(es, m, fresh);
		if (err) {
			if (fresh)
				ext4_mdrop_locked(rw, m);
			return ERR_PTR(err);
		}
	}
	if (how == BLOCK_NEW)
		memset(m->data, 0, es->blocksize);
	if (!m->running) {
		if (!m->logged)
			rw->nr_clean--;
		m->running = true;
		rw->nr_running++;
		list_move_tail(&m->link, &rw->running);
	}
	return m->data;
}

uint8_t *ext4_mread(struct ext4_sb_info *es, uint64_t blk)
{
	return block_access(es, blk, BLOCK_READ);
}

uint8_t *ext4_mwrite(struct ext4_sb_info *es, uint64_t blk)
{
	return block_access(es, blk, BLOCK_WRITE);
}

uint8_t *ext4_mnew(struct ext4_sb_info *es, uint64_t blk)
{
	return block_access(es, blk, BLOCK_NEW);
}

bool ext4_mfirst(struct ext4_sb_info *es, uint64_t blk)
{
	struct ext4_mblock *m = ext4_mfind(es->rw, blk);
	bool first = m && !m->verified;

	if (m)
		m->verified = true;
	return first;
}

int ext4_run_add(struct ext4_run_list *l, uint64_t blk, uint32_t len)
{
	if (l->nr == l->max) {
		size_t max = l->max * 2 + 64;
		struct ext4_run *v = realloc(l->v, max * sizeof(*v));

		if (!v)
			return -LINUX_ENOMEM;
		l->v = v;
		l->max = max;
	}
	l->v[l->nr++] = (struct ext4_run){ blk, len };
	return 0;
}

int ext4_mforget(struct ext4_sb_info *es, uint64_t blk)
{
	/* Room for the revoke record, which ext4_end must not fail to make. */
	int err = ext4_run_add(&es->rw->revokes, blk, 0);

	if (err)
		return err;
	es->rw->revokes.nr--;
	return ext4_run_add(&es->rw->forgets, blk, 1);
}

/* The block was freed by an operation that is over. */
static void forget_apply(struct ext4_sb_info *es, uint64_t blk)
{
	struct ext4_mblock *m = ext4_mfind(es->rw, blk);

	if (!m)
		return;
	if (m->logged && ext4_run_add(&es->rw->revokes, blk, 1))
		ext4_abort(es, -LINUX_ENOMEM, "a revoke record");
	ext4_mdrop_locked(es->rw, m);
}

/* --- inodes of an operation --- */

int ext4_inode_touch(struct ext4_sb_info *es, struct ext4_inode_info *ei)
{
	struct ext4_rw *rw = es->rw;
	struct ext4_undo_inode *u;

	for (unsigned i = 0; i < rw->nr_undo_inodes; i++)
		if (rw->undo_inodes[i].ei == ei)
			return 0;
	if (rw->nr_undo_inodes == EXT4_UNDO_INODES)
		return -LINUX_EIO;
	u = &rw->undo_inodes[rw->nr_undo_inodes];
	u->raw = malloc(ei->raw_size);
	if (!u->raw)
		return -LINUX_ENOMEM;
	memcpy(u->raw, ei->raw_bytes, ei->raw_size);
	u->ei = ei;
	u->flags = ei->flags;
	u->nlink = atomic_load(&ei->vfs.nlink);
	u->blocks = ei->vfs.blocks;
	u->size = READ_ONCE(ei->vfs.size);
	u->disksize = ei->disksize;
	u->on_orphans = ei->on_orphans;
	u->orphan_prev = ei->on_orphans ? ei->orphan_link.prev : NULL;
	rw->nr_undo_inodes++;
	return 0;
}

static void inode_undo(struct ext4_undo_inode *u)
{
	struct ext4_inode_info *ei = u->ei;

	mutex_lock(&ei->lock);
	memcpy(ei->raw_bytes, u->raw, ei->raw_size);
	ei->flags = u->flags;
	ei->disksize = u->disksize;
	ei->nr_segs = 0;
	mutex_unlock(&ei->lock);
	atomic_store(&ei->vfs.nlink, u->nlink);
	ei->vfs.blocks = u->blocks;
	if (ei->on_orphans && !u->on_orphans) {
		list_del(&ei->orphan_link);
		ei->on_orphans = false;
	} else if (!ei->on_orphans && u->on_orphans) {
		list_add(&ei->orphan_link, u->orphan_prev);
		ei->on_orphans = true;
	}
	if (LINUX_S_ISDIR(ei->vfs.mode)) {
		ei->vfs.size = u->size;
		ext4_dir_forget(ei);
	}
}

/* --- operations --- */

static void clean_trim(struct ext4_rw *rw)
{
	while (rw->nr_clean > CLEAN_MAX)
		ext4_mdrop_locked(rw, list_first_entry(&rw->clean, struct ext4_mblock, link));
}

int ext4_begin(struct ext4_sb_info *es, unsigned credits, unsigned flags)
{
	struct ext4_rw *rw = es->rw;
	int err;

	for (;;) {
		mutex_lock(&rw->lock);
		if (atomic_load(&rw->aborted)) {
			mutex_unlock(&rw->lock);
			return -LINUX_EROFS;
		}
		if (!rw->nr_running || rw->nr_running + credits <= rw->max_running)
			break;
		mutex_unlock(&rw->lock);
		err = ext4_commit(es, 0);
		if (err)
			return err;
	}
	/* Before operations have to wait for it. */
	if (rw->has_writer && rw->nr_running > rw->max_running / 2 && !atomic_exchange(&rw->commit_soon, true))
		waitq_wake(&rw->writer_wait, 0);
	clean_trim(rw);
	rw->op++;
	rw->reserve_ok = flags & EXT4_USE_RESERVE;
	rw->freed_mark = rw->freed.nr;
	rw->forgets_mark = rw->forgets.nr;
	rw->free_blocks_mark = atomic_load(&rw->free_blocks);
	rw->free_inodes_mark = atomic_load(&rw->free_inodes);
	return 0;
}

static void rollback(struct ext4_sb_info *es)
{
	struct ext4_rw *rw = es->rw;

	while (rw->nr_undo) {
		struct ext4_undo_block *u = &rw->undo[--rw->nr_undo];
		struct ext4_mblock *m = u->m;

		if (u->fresh) {
			ext4_mdrop_locked(rw, m);
			continue;
		}
		memcpy(m->data, u->old, es->blocksize);
		if (u->was_running || !m->running)
			continue;
		m->running = false;
		rw->nr_running--;
		if (!m->logged)
			rw->nr_clean++;
		list_move_tail(&m->link, m->logged ? &rw->logged : &rw->clean);
	}
	ext4_quarantine_undo(es, rw->freed_mark);
	rw->forgets.nr = rw->forgets_mark;
	atomic_store(&rw->free_blocks, rw->free_blocks_mark);
	atomic_store(&rw->free_inodes, rw->free_inodes_mark);
	for (unsigned i = rw->nr_undo_inodes; i--;)
		inode_undo(&rw->undo_inodes[i]);
}

int ext4_end(struct ext4_sb_info *es, int err)
{
	struct ext4_rw *rw = es->rw;

	if (err < 0) {
		rollback(es);
	} else {
		for (size_t i = rw->forgets_mark; i < rw->forgets.nr; i++)
			forget_apply(es, rw->forgets.v[i].blk);
		rw->forgets.nr = rw->forgets_mark;
	}
	rw->nr_undo = 0;
	for (unsigned i = 0; i < rw->nr_undo_inodes; i++)
		free(rw->undo_inodes[i].raw);
	rw->nr_undo_inodes = 0;
	mutex_unlock(&rw->lock);
	return err;
}

bool ext4_retry(struct ext4_sb_info *es, int err, int *tries)
{
	if (err != -LINUX_ENOSPC || (*tries)++ || !atomic_load(&es->rw->quarantined))
		return false;
	return !ext4_commit(es, 0);
}

void ext4_abort(struct ext4_sb_info *es, int err, const char *what)
{
	int none = 0;

	if (!atomic_compare_exchange_strong(&es->rw->aborted, &none, err ? err : -LINUX_EIO))
		return;
	log_error("%s: %s failed (%s): the file system is read-only from now on; what was synchronised is safe, recover with: "
		  "e2fsck -p %s", es->name, what, strerror(-err), es->name);
	es->sb->flags |= LINUX_SB_RDONLY;
}

void ext4_damaged(struct ext4_sb_info *es)
{
	if (!es->rw || atomic_exchange(&es->rw->damaged, true))
		return;
	if (es->fs->super->s_errors == EXT2_ERRORS_RO || es->fs->super->s_errors == EXT2_ERRORS_PANIC)
		ext4_abort(es, -LINUX_EUCLEAN, "reading a damaged structure");
}

int ext4_txn_init(struct ext4_sb_info *es)
{
	struct ext4_rw *rw = es->rw;

	list_init(&rw->running);
	list_init(&rw->logged);
	list_init(&rw->clean);
	list_init(&rw->orphans);
	list_init(&rw->dirty);
	mutex_init(&rw->commit_lock);
	mutex_init(&rw->lock);
	mutex_init(&rw->cache_lock);
	mutex_init(&rw->dirty_lock);
	for (size_t i = 0; i < ARRAY_SIZE(rw->iget_locks); i++)
		mutex_init(&rw->iget_locks[i]);
	waitq_init(&rw->writer_wait);
	rw->nr_buckets = BUCKETS_MIN;
	rw->buckets = calloc(rw->nr_buckets, sizeof(*rw->buckets));
	rw->scratch = malloc(es->blocksize);
	return rw->buckets && rw->scratch ? 0 : -LINUX_ENOMEM;
}

static void list_drop(struct ext4_rw *rw, struct list_head *l)
{
	while (!list_empty(l))
		ext4_mdrop_locked(rw, list_first_entry(l, struct ext4_mblock, link));
}

void ext4_txn_fini(struct ext4_sb_info *es)
{
	struct ext4_rw *rw = es->rw;

	list_drop(rw, &rw->running);
	list_drop(rw, &rw->logged);
	list_drop(rw, &rw->clean);
	for (size_t i = 0; i < rw->max_undo; i++)
		free(rw->undo[i].old);
	free(rw->undo);
	free(rw->freed.v);
	free(rw->forgets.v);
	free(rw->revokes.v);
	free(rw->buckets);
	free(rw->scratch);
	if (rw->groups)
		for (uint32_t g = 0; g < es->fs->group_desc_count; g++)
			free(rw->groups[g].quarantine);
	free(rw->groups);
	free(rw->log.segs);
	free(rw->log.buf);
	waitq_fini(&rw->writer_wait);
	free(rw);
	es->rw = NULL;
}
