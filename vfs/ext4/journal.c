/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An image that was not unmounted cleanly has its newest metadata in the journal (Documentation/filesystems/ext4/journal.rst).
 * To show what a recovered image would, nothing has to be written: for each block that a complete transaction holds, the place of
 * its last copy is noted, and reads go there.
 *
 * The log is a ring of blocks in inode 8.  A transaction is descriptor blocks, each followed by the blocks its tags name, and
 * revoke blocks, and ends with a commit block; all carry its sequence number.  The first block that does not belong to the
 * expected transaction, or whose checksum is wrong, is the end of the log: what came after the last commit never happened.
 *
 *     seek ---descriptor---> tags ---commit---> the transaction counts, sequence + 1
 *          ---revoke-------> blocks whose older copies do not count
 *          ---else---------> end
 */
#include <stdlib.h>
#include <string.h>

#include "vfs/ext4/ext4_fs.h"
#include "vfs/ext4/jbd2.h"

struct jbd2_tag {
	uint64_t blk;
	uint32_t flags;
	uint32_t csum; /* V2 keeps 16 bits of it */
};

struct revoke {
	uint64_t blk;
	uint32_t sequence;
};

struct journal {
	struct ext4_sb_info *es;
	struct ext4_inode_info *ei; /* the journal's inode */
	uint32_t first, last, incompat, csum_seed; /* blocks [first, last) of the inode are the ring */
	uint32_t sequence;	    /* of the transaction looked for */
	uint32_t next;		    /* block of the ring to look at */
	uint32_t left;		    /* blocks that may still be looked at: the ring is walked once */
	uint8_t *block, *data;

	struct ext4_replay_block *blocks;
	uint32_t *sequences; /* of blocks[] */
	size_t nr, nr_complete, max;
	struct revoke *revokes;
	size_t nr_revokes, nr_revokes_complete, max_revokes;
};

static bool has_csum(const struct journal *j)
{
	return j->incompat & (JBD2_FEATURE_CSUM_V2 | JBD2_FEATURE_CSUM_V3);
}

/* --- blocks of the ring --- */

static int journal_read(struct journal *j, uint32_t lblk, void *buf)
{
	return ext4_read_data(j->ei, buf, (uint64_t)lblk << j->es->blkbits, j->es->blocksize);
}

static uint32_t ring_advance(struct journal *j)
{
	uint32_t at = j->next++;

	if (j->next >= j->last)
		j->next = j->first;
	j->left--;
	return at;
}

/* Where block @lblk of the ring is on the disk; 0: nowhere. */
static uint64_t ring_physical(struct journal *j, uint32_t lblk)
{
	struct ext4_seg seg;

	if (ext4_map(j->ei, lblk, &seg) || !seg.pblk)
		return 0;
	return seg.pblk + (lblk - seg.lblk);
}

/* The checksum of @block, with the four bytes at @off where it is kept taken as zero.  Clears them. */
static bool csum_ok(struct journal *j, uint8_t *block, size_t off)
{
	uint32_t stored, zero = 0;

	if (!has_csum(j))
		return true;
	memcpy(&stored, block + off, sizeof(stored));
	memcpy(block + off, &zero, sizeof(zero));
	return be32toh(stored) == ext2fs_crc32c_le(j->csum_seed, block, j->es->blocksize);
}

static bool data_csum_ok(struct journal *j, const struct jbd2_tag *tag)
{
	uint32_t sequence = htobe32(j->sequence), csum;

	if (!has_csum(j))
		return true;
	csum = ext2fs_crc32c_le(j->csum_seed, (uint8_t *)&sequence, sizeof(sequence));
	csum = ext2fs_crc32c_le(csum, j->data, j->es->blocksize);
	return tag->csum == (j->incompat & JBD2_FEATURE_CSUM_V3 ? csum : csum & 0xffff);
}

/* --- descriptors --- */

static uint32_t be32_at(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return be32toh(v);
}

static size_t tag_size(const struct journal *j)
{
	if (j->incompat & JBD2_FEATURE_CSUM_V3)
		return 16;
	return 8 + (j->incompat & JBD2_FEATURE_CSUM_V2 ? 2 : 0) + (j->incompat & JBD2_FEATURE_64BIT ? 4 : 0);
}

static struct jbd2_tag tag_decode(const struct journal *j, const uint8_t *p)
{
	struct jbd2_tag tag = { .blk = be32_at(p) };

	if (j->incompat & JBD2_FEATURE_CSUM_V3) {
		tag.flags = be32_at(p + 4);
		tag.csum = be32_at(p + 12);
	} else {
		tag.flags = be32_at(p + 4) & 0xffff;
		tag.csum = be32_at(p + 4) >> 16;
	}
	if (j->incompat & JBD2_FEATURE_64BIT)
		tag.blk |= (uint64_t)be32_at(p + 8) << 32;
	return tag;
}

static int block_add(struct journal *j, const struct jbd2_tag *tag, uint64_t src)
{
	if (j->nr == j->max) {
		size_t max = j->max * 2 + 256;
		struct ext4_replay_block *blocks = realloc(j->blocks, max * sizeof(*blocks));
		uint32_t *sequences;

		if (!blocks)
			return -LINUX_ENOMEM;
		j->blocks = blocks;
		sequences = realloc(j->sequences, max * sizeof(*sequences));
		if (!sequences)
			return -LINUX_ENOMEM;
		j->sequences = sequences;
		j->max = max;
	}
	j->sequences[j->nr] = j->sequence;
	j->blocks[j->nr] = (struct ext4_replay_block){ tag->blk, src, j->nr, tag->flags & JBD2_ESCAPE };
	j->nr++;
	return 0;
}

/* One tag and the block it stands for.  1: the log ends here. */
static int tag_take(struct journal *j, const struct jbd2_tag *tag)
{
	uint64_t src;
	uint32_t at;

	if (!j->left)
		return 1;
	at = ring_advance(j);
	src = ring_physical(j, at);
	if (!src || tag->blk >= j->es->nr_blocks)
		return 1;
	if (journal_read(j, at, j->data))
		return -LINUX_EIO;
	if (!data_csum_ok(j, tag))
		return 1;
	return block_add(j, tag, src);
}

static int descriptor_take(struct journal *j)
{
	size_t size = tag_size(j), end = j->es->blocksize - (has_csum(j) ? 4 : 0), off = sizeof(struct jbd2_header);
	struct jbd2_tag tag;
	int ret;

	if (!csum_ok(j, j->block, end))
		return 1;
	do {
		if (off + size > end)
			return 1;
		tag = tag_decode(j, j->block + off);
		off += size + (tag.flags & JBD2_SAME_UUID ? 0 : 16);
		ret = tag_take(j, &tag);
		if (ret)
			return ret;
	} while (!(tag.flags & JBD2_LAST_TAG) && off + size <= end);
	return 0;
}

/* --- revokes, commits --- */

static int revoke_take(struct journal *j)
{
	size_t end = j->es->blocksize - (has_csum(j) ? 4 : 0), off = sizeof(struct jbd2_header) + 4;
	size_t count = be32_at(j->block + sizeof(struct jbd2_header)), size = j->incompat & JBD2_FEATURE_64BIT ? 8 : 4;

	if (!csum_ok(j, j->block, end) || count > end)
		return 1;
	for (; off + size <= count; off += size) {
		uint64_t blk = be32_at(j->block + off);

		if (size == 8)
			blk = blk << 32 | be32_at(j->block + off + 4);
		if (j->nr_revokes == j->max_revokes) {
			size_t max = j->max_revokes * 2 + 256;
			struct revoke *revokes = realloc(j->revokes, max * sizeof(*revokes));

			if (!revokes)
				return -LINUX_ENOMEM;
			j->revokes = revokes;
			j->max_revokes = max;
		}
		j->revokes[j->nr_revokes++] = (struct revoke){ blk, j->sequence };
	}
	return 0;
}

static int commit_take(struct journal *j)
{
	/* h_chksum_type, h_chksum_size and padding lie before h_chksum. */
	if (!csum_ok(j, j->block, sizeof(struct jbd2_header) + 4))
		return 1;
	j->nr_complete = j->nr;
	j->nr_revokes_complete = j->nr_revokes;
	j->sequence++;
	return 0;
}

/* Walks the log to its end.  0 or -errno. */
static int journal_walk(struct journal *j)
{
	int ret = 0;

	while (!ret && j->left) {
		const struct jbd2_header *h = (const void *)j->block;

		if (journal_read(j, ring_advance(j), j->block))
			return -LINUX_EIO;
		if (be32toh(h->magic) != JBD2_MAGIC || be32toh(h->sequence) != j->sequence)
			break;
		switch (be32toh(h->type)) {
		case JBD2_DESCRIPTOR:
			ret = descriptor_take(j);
			break;
		case JBD2_REVOKE:
			ret = revoke_take(j);
			break;
		case JBD2_COMMIT:
			ret = commit_take(j);
			break;
		default:
			ret = 1;
		}
	}
	return MIN(ret, 0);
}

/* --- the result --- */

static int revoke_cmp(const void *a, const void *b)
{
	const struct revoke *x = a, *y = b;

	return x->blk < y->blk ? -1 : x->blk > y->blk;
}

/* Whether a copy of @blk from transaction @sequence was revoked, in that transaction or later.  Numbers wrap around. */
static bool is_revoked(const struct journal *j, uint64_t blk, uint32_t sequence)
{
	size_t lo = 0, hi = j->nr_revokes_complete;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (j->revokes[mid].blk < blk)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < j->nr_revokes_complete && j->revokes[lo].blk == blk; lo++)
		if ((int32_t)(j->revokes[lo].sequence - sequence) >= 0)
			return true;
	return false;
}

static int block_cmp(const void *a, const void *b)
{
	const struct ext4_replay_block *x = a, *y = b;

	if (x->blk != y->blk)
		return x->blk < y->blk ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

/* Leaves one entry per block, the last one that counts, and gives them to the image. */
static void journal_apply(struct journal *j)
{
	size_t nr = 0, last = 0;

	if (j->nr_revokes_complete)
		qsort(j->revokes, j->nr_revokes_complete, sizeof(*j->revokes), revoke_cmp);
	for (size_t i = 0; i < j->nr_complete; i++)
		if (!is_revoked(j, j->blocks[i].blk, j->sequences[i]))
			j->blocks[nr++] = j->blocks[i];
	if (nr)
		qsort(j->blocks, nr, sizeof(*j->blocks), block_cmp);
	for (size_t i = 0; i < nr; i++) {
		if (last && j->blocks[last - 1].blk == j->blocks[i].blk)
			last--;
		j->blocks[last++] = j->blocks[i];
	}
	j->es->image.replay = j->blocks;
	j->es->image.nr_replay = last;
	j->es->journal_tid = j->sequence;
	j->blocks = NULL;
	log_info("%s: %zu blocks are taken from the journal, as the image was not unmounted cleanly", j->es->name, last);
}

/* --- opening --- */

static int give_up(struct ext4_sb_info *es, struct strbuf *why, const char *reason)
{
	strbuf_addf(why, "%s was not unmounted cleanly, and %s; recover it with: e2fsck -p %s", es->name, reason, es->name);
	return -LINUX_EUCLEAN;
}

/* Reads the journal's superblock.  1: the log is empty. */
static int journal_open(struct journal *j, struct strbuf *why)
{
	struct ext4_sb_info *es = j->es;
	struct jbd2_super *s = (struct jbd2_super *)j->block;
	uint32_t type, maxlen, compat;
	int err;

	err = journal_read(j, 0, j->block);
	if (err)
		return give_up(es, why, "its journal can't be read");
	type = be32toh(s->h.type);
	maxlen = be32toh(s->maxlen);
	if (be32toh(s->h.magic) != JBD2_MAGIC || (type != JBD2_SUPER_V1 && type != JBD2_SUPER_V2) ||
	    be32toh(s->blocksize) != es->blocksize || maxlen > j->ei->vfs.size >> es->blkbits)
		return give_up(es, why, "its journal is damaged");
	j->incompat = type == JBD2_SUPER_V2 ? be32toh(s->incompat) : 0;
	compat = type == JBD2_SUPER_V2 ? be32toh(s->compat) : 0;
	if (j->incompat & ~JBD2_FEATURES_KNOWN || compat & JBD2_FEATURE_COMPAT_CHECKSUM)
		return give_up(es, why, "its journal has features that sentry does not know");
	j->first = be32toh(s->first);
	j->last = maxlen;
	j->sequence = be32toh(s->sequence);
	j->next = be32toh(s->start);
	if (!j->next)
		return 1;
	if (!j->first || j->first >= j->last || j->next < j->first || j->next >= j->last)
		return give_up(es, why, "its journal is damaged");
	j->left = j->last - j->first;
	j->csum_seed = ext2fs_crc32c_le(~0U, s->uuid, sizeof(s->uuid));
	return 0;
}

static int journal_run(struct journal *j, struct strbuf *why)
{
	int err;

	j->block = malloc(j->es->blocksize);
	j->data = malloc(j->es->blocksize);
	if (!j->block || !j->data)
		return -LINUX_ENOMEM;
	err = journal_open(j, why);
	if (err)
		return MIN(err, 0);
	err = journal_walk(j);
	if (err == -LINUX_EIO)
		return give_up(j->es, why, "its journal can't be read");
	if (!err)
		journal_apply(j);
	return err;
}

int ext4_journal_load(struct ext4_sb_info *es, struct strbuf *why)
{
	struct journal j = { .es = es };
	struct inode *inode;
	int err;

	if (!es->fs->super->s_journal_inum)
		return give_up(es, why, "its journal is on another device");
	inode = ext4_iget_special(es, es->fs->super->s_journal_inum);
	if (IS_ERR(inode))
		return give_up(es, why, "its journal can't be found");
	j.ei = EXT4_I(inode);
	err = LINUX_S_ISREG(inode->mode) ? journal_run(&j, why) : give_up(es, why, "its journal is damaged");
	inode_put(inode);
	free(j.block);
	free(j.data);
	free(j.blocks);
	free(j.sequences);
	free(j.revokes);
	return err;
}
