/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: ext4 images.  Whatever an image holds, opening it, listing, looking up, reading and asking for attributes ends, in
 * bounded memory, and touches nothing that is not its own: to be run with the sanitizers.
 *
 *     mke2fs -q -d some/small/tree -t ext4 -O ^metadata_csum,^has_journal -b 1024 img 2M
 *     tests/fuzz/ext4_fuzz img 10000 1        [image, number of mutants, first seed]
 *
 * Without checksums, else they catch nearly everything.  A mutant that crashes is made again by its seed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/host/host.h"
#include "sentry/base/log.h"
#include "sentry/mm/frame.h"
#include "vfs/ext4/ext4.h"

#define IMAGE_MAX (64UL << 20)
#define NAMES_MAX 3000
#define DEPTH_MAX 12
#define BATCH 16

static uint64_t rnd_state;

static uint64_t rnd(uint64_t n)
{
	rnd_state ^= rnd_state << 13;
	rnd_state ^= rnd_state >> 7;
	rnd_state ^= rnd_state << 17;
	return rnd_state % n;
}

/* --- walking --- */

struct walk {
	struct dir_context ctx;
	struct inode *dir;
	unsigned depth;
};

static unsigned nr_names, nr_opened;
static pfn_t frames;

static void visit(struct inode *inode, unsigned depth);

static bool walk_emit(struct dir_context *ctx, const char *name, size_t len, uint64_t ino, unsigned type, uint64_t next)
{
	struct walk *w = container_of(ctx, struct walk, ctx);
	char copy[NAME_MAX_LEN + 1];
	struct inode *inode;

	(void)ino, (void)type, (void)next;
	if (!len || len > NAME_MAX_LEN)
		abort();
	if (nr_names++ > NAMES_MAX)
		return false;
	memcpy(copy, name, len);
	copy[len] = 0;
	if (strlen(copy) != len || strchr(copy, '/'))
		abort();
	inode = w->dir->ops->lookup(w->dir, copy);
	if (!IS_ERR(inode)) {
		visit(inode, w->depth + 1);
		inode_put(inode);
	}
	return true;
}

static void visit_dir(struct inode *inode, unsigned depth)
{
	struct walk w = { .ctx = { .emit = walk_emit, .pos = 2 }, .dir = inode, .depth = depth };
	struct file f = { .inode = inode, .ops = inode->fops };

	if (depth < DEPTH_MAX)
		f.ops->iterate(&f, &w.ctx);
	w.ctx.pos = rnd(100000) + 2;
	if (depth < DEPTH_MAX)
		f.ops->iterate(&f, &w.ctx);
}

static void visit_file(struct inode *inode)
{
	struct file f = { .inode = inode, .ops = inode->fops };
	uint64_t pages = PAGES_FOR(inode->size), at[3] = { 0, pages > BATCH ? pages - BATCH : 0, rnd(pages + 1) };
	pfn_t pfns[BATCH];
	int64_t pos = 0;

	for (int i = 0; i < BATCH; i++)
		pfns[i] = frames + (i ^ 5); /* not in order */
	for (int i = 0; i < 3; i++)
		inode->mapping.ops->readpages(&inode->mapping, at[i], BATCH, pfns);
	for (int i = 0; i < 50 && pos >= 0; i++) {
		pos = f.ops->llseek(&f, pos, 3);
		if (pos >= 0)
			pos = f.ops->llseek(&f, pos, 4);
	}
}

static void visit_xattrs(struct inode *inode)
{
	_cleanup_strbuf_ struct strbuf names = STRBUF_INIT;
	static char value[70000];

	inode->ops->getxattr(inode, "system.posix_acl_access", value, sizeof(value));
	if (inode->ops->listxattr(inode, &names))
		return;
	for (size_t off = 0; off < names.len && off < 5000; off += strlen(names.buf + off) + 1)
		inode->ops->getxattr(inode, names.buf + off, value, sizeof(value));
}

static void visit(struct inode *inode, unsigned depth)
{
	_cleanup_strbuf_ struct strbuf target = STRBUF_INIT;

	visit_xattrs(inode);
	if (LINUX_S_ISDIR(inode->mode))
		visit_dir(inode, depth);
	else if (LINUX_S_ISREG(inode->mode))
		visit_file(inode);
	else if (LINUX_S_ISLNK(inode->mode))
		inode->ops->readlink(inode, &target);
}

/* --- mutants --- */

/* Bytes that are not zero are changed, mostly: the metadata of a small image. */
static void mutate(uint8_t *img, size_t size)
{
	static const uint8_t values[] = { 0, 1, 2, 0x7f, 0x80, 0xff, 0xfe, 4 };
	unsigned nr = 1 + rnd(6);

	while (nr--) {
		size_t at = rnd(3) ? rnd(size) : 1024 + rnd(MIN(size - 1024, 100000UL)); /* the superblock and what follows */

		for (int tries = 0; tries < 1000 && !img[at]; tries++)
			at = rnd(4) ? rnd(size) : (at + 1) % size;
		switch (rnd(3)) {
		case 0:
			img[at] ^= 1 << rnd(8);
			break;
		case 1:
			img[at] = values[rnd(ARRAY_SIZE(values))];
			break;
		default:
			img[at] = rnd(256);
		}
	}
}

static void one(const uint8_t *good, size_t size, uint64_t seed)
{
	struct strbuf why = STRBUF_INIT;
	struct super_block *sb;
	uint8_t *img = malloc(size);
	int fd = host_memfd_create("mutant", 0);

	rnd_state = seed * 0x9e3779b97f4a7c15ULL | 1;
	memcpy(img, good, size);
	mutate(img, size);
	if (fd < 0 || host_pwrite_full(fd, img, size, 0))
		abort();
	free(img);
	sb = ext4_open_fd(fd, "mutant", &why);
	if (!IS_ERR(sb)) {
		nr_opened++;
		nr_names = 0;
		visit(sb->root->inode, 0);
		sb_put(sb);
	} else if (!why.len && PTR_ERR(sb) != -LINUX_ENOMEM) {
		fprintf(stderr, "seed %lu: error %ld without a message\n", (unsigned long)seed, PTR_ERR(sb));
		abort();
	}
	strbuf_fini(&why);
}

int main(int argc, char **argv)
{
	uint64_t nr = argc > 2 ? strtoull(argv[2], NULL, 0) : 1000, seed = argc > 3 ? strtoull(argv[3], NULL, 0) : 1;
	uint8_t *good = malloc(IMAGE_MAX);
	FILE *f = argc > 1 ? fopen(argv[1], "rb") : NULL;
	size_t size;

	if (!f) {
		fprintf(stderr, "usage: %s IMAGE [MUTANTS] [SEED]\n", argv[0]);
		return 2;
	}
	size = fread(good, 1, IMAGE_MAX, f);
	fclose(f);
	log_level = LOG_LEVEL_ERROR;
	if (frames_init(0) || vfs_init() || (frames = frame_alloc(4, 0, PFN_NONE)) == PFN_NONE)
		return 2;
	for (uint64_t i = 0; i < nr; i++)
		one(good, size, seed + i);
	printf("ext4_fuzz: %lu mutants, %u could be opened\n", (unsigned long)nr, nr_opened);
	free(good);
	return 0;
}
