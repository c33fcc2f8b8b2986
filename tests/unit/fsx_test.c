/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One file, exercised: writes, reads, truncations, holes, ranges of zeros, ranges taken out and put in, preallocation, fsync, dropped
 * caches, closing and opening of the image, each compared with a model in memory; at the end e2fsck, and the file as libext2fs and
 * the host's kernel read it.  SENTRY_FSX_OPS and SENTRY_FSX_SEED make it longer, or another one.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sentry/abi/fcntl.h"
#include "tests/unit/fs_fixture.h"
#include "vfs/ext4/ext4.h"
#include "vfs/super.h"

TestSuite(fsx, .timeout = 600);

#define SIZE_MAX_MODEL (400 * 1024)
#define NAME "/some-file"

struct fsx {
	const char *opts;
	const char *overlay; /* NULL: the image itself is written */
	char img[128], over[128];
	struct super_block *sb;
	struct file *f;
	uint8_t *model;
	uint64_t size, rnd, step;
	uint32_t bs;
	char what[120];
};

static uint64_t pick(struct fsx *x, uint64_t n)
{
	return fx_random(&x->rnd) % n;
}

static void image_open(struct fsx *x)
{
	struct strbuf why = STRBUF_INIT;

	x->sb = x->overlay ? ext4_open_image_overlay(x->img, x->over, 0, &why) : ext4_open_image_rw(x->img, 0, &why);
	fx_check(!IS_ERR(x->sb), "open: %s", strbuf_str(&why));
	fx_root(x->sb);
	x->f = filp_open(NAME, LINUX_O_RDWR | LINUX_O_CREAT, 0644);
	fx_check(!IS_ERR(x->f), "open the file: %ld", PTR_ERR(x->f));
}

static void image_close(struct fsx *x)
{
	fput(x->f);
	fx_unroot();
}

static void check(struct fsx *x, uint64_t from, uint64_t len)
{
	static uint8_t buf[SIZE_MAX_MODEL + 1];
	int64_t n = kernel_read(x->f, buf, len, from), want = from < x->size ? (int64_t)MIN(len, x->size - from) : 0;

	fx_check(n == want, "step %lu: %s: read of %lu at %lu gave %ld, not %ld", x->step, x->what, len, from, n, want);
	for (int64_t i = 0; i < n; i++)
		fx_check(buf[i] == x->model[from + i], "step %lu: %s: byte %lu is %02x, not %02x", x->step, x->what, from + i,
			 buf[i], x->model[from + i]);
}

static void done(struct fsx *x, int64_t got, int64_t want)
{
	fx_check(got == want, "step %lu: %s: %ld, not %ld", x->step, x->what, got, want);
	fx_check(x->f->inode->size == x->size, "step %lu: %s: the size is %lu, not %lu", x->step, x->what, x->f->inode->size,
		 x->size);
}

static void op_write(struct fsx *x)
{
	uint64_t at = pick(x, SIZE_MAX_MODEL), len = 1 + pick(x, MIN(70000, SIZE_MAX_MODEL - at));

	for (uint64_t i = 0; i < len; i++)
		x->model[at + i] = (uint8_t)(x->step + i / 512 + 1);
	x->size = MAX(x->size, at + len);
	snprintf(x->what, sizeof(x->what), "write of %lu at %lu", len, at);
	done(x, kernel_write(x->f, x->model + at, len, at), len);
}

static void op_truncate(struct fsx *x)
{
	uint64_t size = pick(x, SIZE_MAX_MODEL);

	if (size < x->size)
		memset(x->model + size, 0, x->size - size);
	x->size = size;
	snprintf(x->what, sizeof(x->what), "truncate to %lu", size);
	done(x, file_truncate(x->f, size), 0);
}

static void op_fallocate(struct fsx *x)
{
	static const int modes[] = { 0, LINUX_FALLOC_FL_KEEP_SIZE, LINUX_FALLOC_FL_PUNCH_HOLE | LINUX_FALLOC_FL_KEEP_SIZE,
				     LINUX_FALLOC_FL_ZERO_RANGE, LINUX_FALLOC_FL_ZERO_RANGE | LINUX_FALLOC_FL_KEEP_SIZE };
	int mode = modes[pick(x, ARRAY_SIZE(modes))];
	uint64_t at = pick(x, SIZE_MAX_MODEL), len = 1 + pick(x, MIN(70000, SIZE_MAX_MODEL - at)), end = MIN(at + len, x->size);

	if (mode & (LINUX_FALLOC_FL_PUNCH_HOLE | LINUX_FALLOC_FL_ZERO_RANGE) && at < end)
		memset(x->model + at, 0, end - at);
	if (!(mode & LINUX_FALLOC_FL_KEEP_SIZE))
		x->size = MAX(x->size, at + len);
	snprintf(x->what, sizeof(x->what), "fallocate %#x of %lu at %lu", mode, len, at);
	done(x, vfs_fallocate(x->f, mode, at, len), 0);
}

static void op_collapse(struct fsx *x)
{
	uint64_t at = pick(x, SIZE_MAX_MODEL) / x->bs * x->bs, len = (1 + pick(x, 20)) * x->bs;
	int want = at + len < x->size ? 0 : -LINUX_EINVAL;

	if (!want) {
		memmove(x->model + at, x->model + at + len, x->size - at - len);
		memset(x->model + x->size - len, 0, len);
		x->size -= len;
	}
	snprintf(x->what, sizeof(x->what), "collapse of %lu at %lu", len, at);
	done(x, vfs_fallocate(x->f, LINUX_FALLOC_FL_COLLAPSE_RANGE, at, len), want);
	done(x, vfs_fallocate(x->f, LINUX_FALLOC_FL_COLLAPSE_RANGE, 1, x->bs), -LINUX_EINVAL);
}

static void op_insert(struct fsx *x)
{
	uint64_t at = pick(x, SIZE_MAX_MODEL) / x->bs * x->bs, len = (1 + pick(x, 20)) * x->bs;
	int want = at < x->size ? 0 : -LINUX_EINVAL;

	if (x->size + len > SIZE_MAX_MODEL)
		return;
	if (!want) {
		memmove(x->model + at + len, x->model + at, x->size - at);
		memset(x->model + at, 0, len);
		x->size += len;
	}
	snprintf(x->what, sizeof(x->what), "insert of %lu at %lu", len, at);
	done(x, vfs_fallocate(x->f, LINUX_FALLOC_FL_INSERT_RANGE, at, len), want);
}

static void op(struct fsx *x)
{
	switch (pick(x, 16)) {
	case 0:
		op_truncate(x);
		break;
	case 1 ... 3:
		op_fallocate(x);
		break;
	case 4:
		op_collapse(x);
		break;
	case 5:
		op_insert(x);
		break;
	case 6:
		snprintf(x->what, sizeof(x->what), "fsync");
		done(x, vfs_fsync(x->f, pick(x, 2)), 0);
		break;
	case 7:
		snprintf(x->what, sizeof(x->what), "drop");
		(void)vfs_fsync(x->f, true);
		mapping_drop_clean(&x->f->inode->mapping);
		break;
	case 8:
		if (pick(x, 20))
			break;
		snprintf(x->what, sizeof(x->what), "reopen");
		image_close(x);
		image_open(x);
		done(x, 0, 0);
		break;
	default:
		op_write(x);
	}
	check(x, pick(x, SIZE_MAX_MODEL), 1 + pick(x, 20000));
}

/* What others find in the image. */
static void judge(struct fsx *x)
{
	char model[140];
	FILE *f;

	snprintf(model, sizeof(model), "%s/model", fx_tmpdir());
	f = fopen(model, "w");
	fx_check(f && fwrite(x->model, 1, x->size, f) == x->size && !fclose(f), "model");
	if (x->overlay) {
		struct strbuf why = STRBUF_INIT;

		fx_check(!ext4_overlay_commit(x->img, x->over, &why), "commit: %s", strbuf_str(&why));
	}
	fx_run("e2fsck -fn %s >%s/fsck 2>&1 || { cat %s/fsck >&2; false; }", x->img, fx_tmpdir(), fx_tmpdir());
	fx_run("debugfs -R 'dump %s %s/dump' %s >/dev/null 2>&1 && cmp %s/dump %s", NAME, fx_tmpdir(), x->img, fx_tmpdir(), model);
	if (!geteuid() && fx_try("mkdir -p %s/mnt && mount -o loop %s %s/mnt", fx_tmpdir(), x->img, fx_tmpdir())) {
		bool same = fx_try("cmp %s/mnt%s %s", fx_tmpdir(), NAME, model);

		fx_run("umount %s/mnt", fx_tmpdir());
		fx_check(same, "the host's kernel reads something else");
	}
}

static void run(struct fsx *x, uint64_t seed)
{
	const char *ops = getenv("SENTRY_FSX_OPS"), *env = getenv("SENTRY_FSX_SEED");
	uint64_t nr = ops ? strtoul(ops, NULL, 0) : 4000;

	fx_init();
	x->rnd = env ? strtoul(env, NULL, 0) : seed;
	x->model = calloc(1, SIZE_MAX_MODEL + 1);
	snprintf(x->img, sizeof(x->img), "%s/img", fx_tmpdir());
	snprintf(x->over, sizeof(x->over), "%s/over", fx_tmpdir());
	fx_run("mke2fs -q -F -E root_owner -t ext4 %s %s 24M >/dev/null 2>&1", x->opts, x->img);
	image_open(x);
	x->bs = x->sb->blksize;
	for (x->step = 0; x->step < nr; x->step++)
		op(x);
	snprintf(x->what, sizeof(x->what), "end");
	check(x, 0, SIZE_MAX_MODEL);
	image_close(x);
	image_open(x);
	check(x, 0, SIZE_MAX_MODEL);
	image_close(x);
	judge(x);
	free(x->model);
}

Test(fsx, blocks_of_4096)
{
	run(&(struct fsx){ .opts = "-b 4096" }, 1);
}

Test(fsx, blocks_of_1024)
{
	run(&(struct fsx){ .opts = "-b 1024" }, 2);
}

Test(fsx, no_checksums)
{
	run(&(struct fsx){ .opts = "-b 2048 -O ^metadata_csum,^64bit" }, 3);
}

Test(fsx, overlay)
{
	run(&(struct fsx){ .opts = "-b 1024", .overlay = "over" }, 4);
}
