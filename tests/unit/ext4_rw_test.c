/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing ext4: the same operations done to an image and to a directory of the host, compared; e2fsck and the host's kernel
 * as judges of what is on the disk; power cuts.
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

TestSuite(ext4_rw, .timeout = 240);

static struct strbuf why;
static char src[100], img[100];
static struct super_block *sb;

static void names_set(void)
{
	fx_init();
	snprintf(src, sizeof(src), "%s/src/t", fx_tmpdir());
	snprintf(img, sizeof(img), "%s/img", fx_tmpdir());
}

static void mkfs(const char *opts, const char *size)
{
	fx_run("rm -f %s; mke2fs -q -F %s %s %s >/dev/null 2>&1", img, opts, img, size);
}

static void image_mount(void)
{
	strbuf_reset(&why);
	sb = ext4_open_image_rw(img, 0, &why);
	fx_check(!IS_ERR(sb), "open: %s", strbuf_str(&why));
	fx_root(sb);
}

static void image_check(const char *when)
{
	fx_check(fx_try("e2fsck -fn %s > %s/fsck 2>&1", img, fx_tmpdir()) || (fx_run("cat %s/fsck >&2", fx_tmpdir()), false),
		 "e2fsck: %s", when);
}

static void image_unmount(const char *when)
{
	fx_unroot();
	image_check(when);
}

static const struct format {
	const char *opts, *size;
} formats[] = {
	{ "-t ext4 -b 4096", "200M" },
	{ "-t ext4", "200M" },
	{ "-t ext4 -b 4096 -O ^metadata_csum,^64bit", "200M" },
	{ "-t ext4 -b 2048 -I 512 -O metadata_csum_seed", "100M" },
	{ "-t ext4 -b 4096 -I 128 -O ^dir_index", "100M" },
	{ "-t ext4 -b 1024 -O meta_bg,^resize_inode,^flex_bg", "100M" },
};

Test(ext4_rw, open_and_close)
{
	names_set();
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		mkfs(formats[i].opts, formats[i].size);
		image_mount();
		image_unmount(formats[i].opts);
	}
}

Test(ext4_rw, random_ops)
{
	names_set();
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		fx_run("rm -rf %s/src; mkdir -p %s", fx_tmpdir(), src);
		mkfs(formats[i].opts, formats[i].size);
		image_mount();
		cr_assert_eq(do_mkdirat(LINUX_AT_FDCWD, "/t", 0755), 0);
		fx_random_ops("/t", src, i + 1, 6000);
		fx_compare_trees("/t", src, FX_XATTRS | FX_NO_TIMES);
		image_unmount(formats[i].opts);
		image_mount();
		fx_compare_trees("/t", src, FX_XATTRS | FX_NO_TIMES);
		image_unmount("second time");
	}
}

/* --- directories --- */

static void make_names(const char *dir, unsigned from, unsigned to, const char *fmt)
{
	for (unsigned i = from; i < to; i++) {
		char name[300];
		int n = snprintf(name, sizeof(name), "%s/", dir), err;

		snprintf(name + n, sizeof(name) - n, fmt, i);
		err = do_mknodat(LINUX_AT_FDCWD, name, LINUX_S_IFREG | 0644, 0);
		fx_check(!err, "mknod %s: %s", name, strerror(-err));
	}
}

static void remove_names(const char *dir, unsigned from, unsigned to, unsigned step, const char *fmt)
{
	for (unsigned i = from; i < to; i += step) {
		char name[300];
		int n = snprintf(name, sizeof(name), "%s/", dir), err;

		snprintf(name + n, sizeof(name) - n, fmt, i);
		err = do_unlinkat(LINUX_AT_FDCWD, name);
		fx_check(!err, "unlink %s: %s", name, strerror(-err));
	}
}

struct counter {
	struct dir_context ctx;
	unsigned nr, stop;
};

static bool count_emit(struct dir_context *ctx, const char *name, size_t len, uint64_t ino, unsigned type, uint64_t next)
{
	struct counter *c = container_of(ctx, struct counter, ctx);

	(void)name, (void)len, (void)ino, (void)type, (void)next;
	return c->nr < c->stop ? c->nr++, true : false;
}

static unsigned count_names(const char *dir)
{
	struct counter c = { { count_emit, 0 }, 0, UINT32_MAX };
	struct file *f = filp_open(dir, LINUX_O_RDONLY | LINUX_O_DIRECTORY, 0);

	cr_assert(!IS_ERR(f));
	cr_assert_eq(f->ops->iterate(f, &c.ctx), 0);
	fput(f);
	return c.nr - 2;
}

/* Leaves and index nodes split; the tree gets a second level where blocks are small. */
Test(ext4_rw, large_directories)
{
	static const char long_name[] = "a-name-that-is-so-long-that-few-of-its-kind-fit-into-one-block-of-a-directory-"
					"a-name-that-is-so-long-that-few-of-its-kind-fit-into-one-block-of-a-directory-%u";

	names_set();
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		mkfs(formats[i].opts, "200M -N 40000");
		image_mount();
		cr_assert_eq(do_mkdirat(LINUX_AT_FDCWD, "/d", 0755), 0);
		make_names("/d", 0, 6000, "some-file-%u");
		make_names("/d", 0, 6000, long_name);
		cr_assert_eq(count_names("/d"), 12000);
		cr_assert_eq(do_mknodat(LINUX_AT_FDCWD, "/d/some-file-77", LINUX_S_IFREG, 0), -LINUX_EEXIST);
		remove_names("/d", 0, 6000, 2, "some-file-%u");
		cr_assert_eq(count_names("/d"), 9000);
		image_unmount(formats[i].opts);
		image_mount();
		cr_assert_eq(count_names("/d"), 9000);
		make_names("/d", 10000, 12000, "some-file-%u");
		remove_names("/d", 10000, 12000, 1, "some-file-%u");
		remove_names("/d", 1, 6000, 2, "some-file-%u");
		remove_names("/d", 0, 6000, 1, long_name);
		cr_assert_eq(count_names("/d"), 0);
		cr_assert_eq(do_rmdirat(LINUX_AT_FDCWD, "/d"), 0);
		image_unmount(formats[i].opts);
	}
}

/* mke2fs -d makes linear directories. */
Test(ext4_rw, linear_becomes_hashed)
{
	names_set();
	fx_run("mkdir -p %s/d; cd %s/d; seq -f 'file-with-some-name-%%.0f' 3000 | xargs touch", src, src);
	fx_run("mke2fs -q -F -t ext4 -b 4096 -N 30000 -d %s %s 200M >/dev/null 2>&1", src, img);
	image_mount();
	make_names("/d", 0, 100, "%u-a-new-one-that-needs-room-in-the-directory-and-so-makes-it-grow-by-some-blocks-more");
	cr_assert_eq(count_names("/d"), 3100);
	image_unmount("converted");
	fx_run("debugfs -R 'stat /d' %s 2>/dev/null | grep -q 'Flags: 0x81000'", img);
	image_mount();
	cr_assert_eq(count_names("/d"), 3100);
}

/* A scan meets every name that stays exactly once, whatever happens to the directory meanwhile. */
Test(ext4_rw, scan_of_a_changing_directory)
{
	struct counter c = { { count_emit, 0 }, 0, 0 };
	struct file *f;

	names_set();
	mkfs("-t ext4 -b 4096", "64M");
	image_mount();
	cr_assert_eq(do_mkdirat(LINUX_AT_FDCWD, "/d", 0755), 0);
	make_names("/d", 0, 100, "first-%u");
	f = filp_open("/d", LINUX_O_RDONLY | LINUX_O_DIRECTORY, 0);
	for (unsigned i = 0; i < 5; i++) {
		c.stop = c.nr + 10;
		cr_assert_eq(f->ops->iterate(f, &c.ctx), 0);
		make_names("/d", i * 1000, (i + 1) * 1000, "more-%u");
		remove_names("/d", i * 1000, (i + 1) * 1000, 1, "more-%u");
	}
	c.stop = UINT32_MAX;
	cr_assert_eq(f->ops->iterate(f, &c.ctx), 0);
	cr_assert_eq(c.nr, 102);
	fput(f);
	image_unmount("scan");
}

/* 65,000 links of a directory are too many to count, and 1 is said. */
Test(ext4_rw, many_subdirectories)
{
	struct path p;

	names_set();
	mkfs("-t ext4 -b 1024 -N 70000", "200M");
	image_mount();
	cr_assert_eq(do_mkdirat(LINUX_AT_FDCWD, "/d", 0755), 0);
	for (unsigned i = 0; i < 65010; i++) {
		char name[32];

		snprintf(name, sizeof(name), "/d/%u", i);
		cr_assert_eq(do_mkdirat(LINUX_AT_FDCWD, name, 0755), 0, "%s", name);
	}
	cr_assert_eq(path_lookupat(LINUX_AT_FDCWD, "/d", 0, &p), 0);
	cr_assert_eq(atomic_load(&p.dentry->inode->nlink), 1);
	path_put(&p);
	image_unmount("links");
}
