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
#include "tests/unit/ext4_rw_fixture.h"
#include "tests/unit/fs_fixture.h"
#include "vfs/ext4/ext4.h"
#include "vfs/ext4/ext4_trace.h"
#include "vfs/super.h"

TestSuite(ext4_rw, .timeout = 800);

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

/* SENTRY_NAMES=1000000 makes it as large as it is meant to be. */
Test(ext4_rw, very_large_directory)
{
	const char *env = getenv("SENTRY_NAMES");
	unsigned nr = env ? strtoul(env, NULL, 0) : 50000;

	names_set();
	fx_run("truncate -s 1G %s; mke2fs -q -F -E root_owner,lazy_itable_init=1 -t ext4 -b 4096 -N %u %s >/dev/null 2>&1", img,
	       nr + 1000, img);
	image_mount();
	cr_assert_eq(do_mkdirat(LINUX_AT_FDCWD, "/d", 0755), 0);
	make_names("/d", 0, nr, "some-file-%u");
	cr_assert_eq(count_names("/d"), nr);
	image_unmount("made");
	image_mount();
	cr_assert_eq(count_names("/d"), nr);
	cr_assert_eq(do_mknodat(LINUX_AT_FDCWD, "/d/some-file-777", LINUX_S_IFREG, 0), -LINUX_EEXIST);
	remove_names("/d", 0, nr, 1, "some-file-%u");
	cr_assert_eq(do_rmdirat(LINUX_AT_FDCWD, "/d"), 0);
	image_unmount("gone");
}

/* mke2fs -d makes linear directories. */
Test(ext4_rw, linear_becomes_hashed)
{
	names_set();
	fx_run("mkdir -p %s/d; cd %s/d; seq -f 'file-with-some-name-%%.0f' 3000 | xargs touch", src, src);
	fx_run("mke2fs -q -F -E root_owner -t ext4 -b 4096 -N 30000 -d %s %s 200M >/dev/null 2>&1", src, img);
	image_mount();
	make_names("/d", 0, 100, "%u-a-new-one-that-needs-room-in-the-directory-and-so-makes-it-grow-by-some-blocks-more");
	cr_assert_eq(count_names("/d"), 3100);
	image_unmount("converted");
	fx_run("debugfs -R 'stat /d' %s 2>/dev/null | grep -q 'Flags: 0x81000'", img);
	image_mount();
	cr_assert_eq(count_names("/d"), 3100);
}

/* More blocks than fit into a transaction. */
Test(ext4_rw, large_linear_becomes_hashed)
{
	static const char name[] = "%u-a-name-that-is-so-long-that-few-of-its-kind-fit-into-one-block-of-a-directory-"
				   "a-name-that-is-so-long-that-few-of-its-kind-fit-into-one-block-of-a-directory-";

	names_set();
	for (unsigned bs = 1024; bs <= 4096; bs *= 4) {
		unsigned nr = bs == 1024 ? 1000 : 3000;

		fx_run("rm -rf %s %s; mkdir -p %s/d; cd %s/d; seq -f '%%.0f-%s' 0 %u | xargs touch", src, img, src, src, name + 3,
		       nr - 1);
		fx_run("mke2fs -q -F -E root_owner -t ext4 -b %u -J size=%u -N 10000 -d %s %s 100M >/dev/null 2>&1", bs, bs / 1024,
		       src, img);
		image_mount();
		make_names("/d", 0, 100, "%u-a-new-one-that-needs-room-in-the-directory-and-so-makes-it-grow-by-some-blocks-more");
		cr_assert_eq(count_names("/d"), nr + 100);
		cr_assert_eq(sb_sync(sb), 0);
		make_names("/d", 0, 2000, "%u-more");
		remove_names("/d", 0, nr, 10, name);
		image_unmount("converted");
		fx_run("debugfs -R 'stat /d' %s 2>/dev/null | grep -q 'Flags: 0x81000'", img);
		image_mount();
		cr_assert_eq(count_names("/d"), nr + 100 + 2000 - nr / 10);
		remove_names("/d", 1, nr, 10, name);
		image_unmount("again");
	}
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

/* --- space --- */

/* What was written before space ran out is there; what was refused left nothing; what is removed gives its space back. */
Test(ext4_rw, out_of_space)
{
	struct linux_statfs st;
	uint64_t free;

	names_set();
	for (unsigned small = 0; small < 2; small++) {
		mkfs(small ? "-t ext4 -b 1024 -m 0 -N 600" : "-t ext4 -b 4096 -m 0 -N 600", "20M");
		image_mount();
		cr_assert_eq(sb_statfs(sb, &st), 0);
		free = st.f_bfree;
		for (unsigned round = 0; round < 3; round++) {
			char name[32];
			int err = 0;
			unsigned i, nr;

			for (i = 0; !err; i++) {
				snprintf(name, sizeof(name), "/f%u", i);
				err = fill(name, 1000000);
			}
			cr_assert_eq(err, -LINUX_ENOSPC, "%d", err);
			for (nr = 0; !err || nr < 1; nr++) {
				snprintf(name, sizeof(name), "/d%u", nr);
				err = do_mkdirat(LINUX_AT_FDCWD, name, 0755);
				if (err)
					break;
			}
			cr_assert_eq(sb_sync(sb), 0);
			while (nr--) {
				snprintf(name, sizeof(name), "/d%u", nr);
				cr_assert_eq(do_rmdirat(LINUX_AT_FDCWD, name), 0);
			}
			while (i--) {
				snprintf(name, sizeof(name), "/f%u", i);
				(void)do_unlinkat(LINUX_AT_FDCWD, name);
			}
		}
		cr_assert_eq(sb_sync(sb), 0);
		cr_assert_eq(sb_statfs(sb, &st), 0);
		cr_assert_eq((uint64_t)st.f_bfree, free, "%lu, was %lu", (unsigned long)st.f_bfree, (unsigned long)free);
		image_unmount("full");
	}
}

Test(ext4_rw, out_of_inodes)
{
	char name[32];
	unsigned i;
	int err = 0;

	names_set();
	mkfs("-t ext4 -b 4096 -N 64", "20M");
	image_mount();
	for (i = 0; !err; i++) {
		snprintf(name, sizeof(name), "/f%u", i);
		err = do_mknodat(LINUX_AT_FDCWD, name, LINUX_S_IFREG | 0644, 0);
	}
	cr_assert_eq(err, -LINUX_ENOSPC);
	cr_assert_eq(do_unlinkat(LINUX_AT_FDCWD, "/f3"), 0);
	cr_assert_eq(do_mknodat(LINUX_AT_FDCWD, "/g", LINUX_S_IFIFO | 0644, 0), 0);
	image_unmount("no inodes");
}

/* --- extents --- */

/* Every second block of a file, then the holes, then it is cut in pieces: trees of more levels, split and merged. */
Test(ext4_rw, scattered_files)
{
	static char block[4096];
	struct file *f;

	names_set();
	for (unsigned bs = 1024; bs <= 4096; bs *= 4) {
		char opts[64];
		uint64_t rnd = bs;

		snprintf(opts, sizeof(opts), "-t ext4 -b %u", bs);
		mkfs(opts, "100M");
		image_mount();
		f = filp_open("/f", LINUX_O_RDWR | LINUX_O_CREAT, 0644);
		for (unsigned i = 0; i < 4000; i++) {
			snprintf(block, sizeof(block), "block %u", i * 2);
			cr_assert_eq(kernel_write(f, block, sizeof(block), i * 2 * 4096UL), 4096);
			if (!(i % 50))
				cr_assert_eq(vfs_fsync(f, true), 0);
		}
		cr_assert_eq(sb_sync(sb), 0);
		for (unsigned i = 0; i < 1000; i++) {
			uint64_t at = fx_random(&rnd) % (8000 * 4096UL);

			cr_assert_eq(vfs_fallocate(f, LINUX_FALLOC_FL_PUNCH_HOLE | LINUX_FALLOC_FL_KEEP_SIZE, at,
						   1 + fx_random(&rnd) % 30000), 0);
			at = fx_random(&rnd) % (8000 * 4096UL);
			cr_assert_eq(vfs_fallocate(f, fx_random(&rnd) % 2 ? 0 : LINUX_FALLOC_FL_ZERO_RANGE, at,
						   1 + fx_random(&rnd) % 30000), 0);
			cr_assert_eq(kernel_write(f, block, 4096, fx_random(&rnd) % (8000 * 4096UL)), 4096);
		}
		fput(f);
		image_unmount("scattered");
		image_mount();
		f = filp_open("/f", LINUX_O_RDWR, 0);
		for (uint64_t size = f->inode->size; size > 100000; size = size / 4 * 3)
			cr_assert_eq(file_truncate(f, size), 0);
		cr_assert_eq(file_truncate(f, 0), 0);
		cr_assert_eq(sb_sync(sb), 0);
		cr_assert_eq(f->inode->blocks, 0);
		fput(f);
		image_unmount("cut");
	}
}

/* What ext3 left behind: it is read as it is, and gets extents when it changes, directories and symlinks too. */
Test(ext4_rw, block_maps)
{
	struct file *f;
	char b[8];

	names_set();
	for (unsigned bs = 1024; bs <= 4096; bs *= 4) {
		fx_run("rm -rf %s %s; mkdir -p %s/d; cd %s; seq 1 400000 >large; seq 1 3000 >small; seq 1 300000 >gone; "
		       "ln -s $(printf 'x%%.0s' $(seq 100)) d/long; ln -s short d/short; seq -f 'd/n%%.0f' 200 | xargs touch; "
		       "truncate -s 70M sparse; echo end >>sparse; cp -a d e", src, img, src, src);
		fx_run("mke2fs -q -F -E root_owner -t ext4 -O ^extent,^64bit -b %u -d %s %s 64M >/dev/null 2>&1 && "
		       "tune2fs -O extent %s >/dev/null", bs, src, img, img);
		image_mount();
		fx_compare_trees("/", src, FX_NO_TIMES | FX_NO_LOST_FOUND);
		f = filp_open("/large", LINUX_O_RDWR, 0);
		cr_assert_eq(kernel_write(f, "written", 7, 1500000), 7);
		fput(f);
		f = filp_open("/small", LINUX_O_RDWR, 0);
		cr_assert_eq(file_truncate(f, 5000), 0);
		fput(f);
		f = filp_open("/sparse", LINUX_O_RDWR, 0);
		cr_assert_eq(kernel_write(f, "middle", 6, 35 << 20), 6);
		fput(f);
		cr_assert_eq(do_unlinkat(LINUX_AT_FDCWD, "/gone"), 0);
		make_names("/d", 0, 300, "a-name-that-is-new-%u");
		fx_run("cd %s; rm -r gone e; printf written | dd of=large bs=1 seek=1500000 conv=notrunc 2>/dev/null; "
		       "truncate -s 5000 small; printf middle | dd of=sparse bs=1M seek=35 conv=notrunc 2>/dev/null; "
		       "seq -f 'd/a-name-that-is-new-%%.0f' 0 299 | xargs touch; "
		       "chmod 644 d/a-name*", src);
		for (unsigned i = 1; i <= 200; i++) {
			char name[32];

			snprintf(name, sizeof(name), "/e/n%u", i);
			cr_assert_eq(do_unlinkat(LINUX_AT_FDCWD, name), 0);
		}
		cr_assert_eq(do_unlinkat(LINUX_AT_FDCWD, "/e/long"), 0);
		cr_assert_eq(do_unlinkat(LINUX_AT_FDCWD, "/e/short"), 0);
		cr_assert_eq(do_rmdirat(LINUX_AT_FDCWD, "/e"), 0);
		fx_compare_trees("/", src, FX_NO_TIMES | FX_NO_LOST_FOUND);
		image_unmount("block maps");
		image_mount();
		fx_compare_trees("/", src, FX_NO_TIMES | FX_NO_LOST_FOUND);
		f = filp_open("/large", LINUX_O_RDWR, 0);
		cr_assert_eq(kernel_read(f, b, 7, 1500000), 7);
		cr_assert(!memcmp(b, "written", 7));
		fput(f);
		image_unmount("block maps, again");
		fx_run("debugfs -R 'stat /sparse' %s 2>/dev/null | grep -q 'Flags: 0x80000'", img);
	}
}

/* Behind 2 TiB and up to the last block there is. */
/* Holes are read without frames, up to the data and behind it. */
static void holes_read(struct file *f)
{
	static char data[1 << 20], zeros[sizeof(data)];
	uint64_t pages = f->inode->mapping.nr_pages, at = (3ULL << 40) - sizeof(data) / 2;

	cr_assert_eq(kernel_read(f, data, sizeof(data), 1ULL << 40), (int64_t)sizeof(data));
	cr_assert(!memcmp(data, zeros, sizeof(data)));
	cr_assert_eq(f->inode->mapping.nr_pages, pages);
	for (int64_t done = 0, n; done < (int64_t)sizeof(data); done += n) {
		n = kernel_read(f, data + done, sizeof(data) - done, at + done);
		cr_assert_gt(n, 0);
	}
	cr_assert(!memcmp(data + sizeof(data) / 2, "far away", 8));
	memset(data + sizeof(data) / 2, 0, 8);
	cr_assert(!memcmp(data, zeros, sizeof(data)));
}

Test(ext4_rw, large_sparse_file)
{
	struct file *f;
	char back[8];

	names_set();
	mkfs("-t ext4 -b 4096", "64M");
	image_mount();
	f = filp_open("/f", LINUX_O_RDWR | LINUX_O_CREAT, 0644);
	cr_assert_eq(kernel_write(f, "far away", 8, 3ULL << 40), 8);
	cr_assert_eq(kernel_write(f, "the last", 8, (16ULL << 40) - 4096 - 8), 8);
	cr_assert_eq(kernel_write(f, "too far.", 8, (16ULL << 40) - 4096), -LINUX_EFBIG);
	fput(f);
	image_unmount("far");
	image_mount();
	f = filp_open("/f", LINUX_O_RDWR, 0);
	cr_assert_eq(f->inode->size, (16ULL << 40) - 4096);
	cr_assert_eq(kernel_read(f, back, 8, 3ULL << 40), 8);
	cr_assert(!memcmp(back, "far away", 8));
	holes_read(f);
	fput(f);
}

/* --- attributes --- */

Test(ext4_rw, extended_attributes)
{
	static char value[3000], back[4000];
	struct path p;

	names_set();
	mkfs("-t ext4 -b 4096", "64M");
	image_mount();
	cr_assert_eq(do_mknodat(LINUX_AT_FDCWD, "/f", LINUX_S_IFREG | 0644, 0), 0);
	cr_assert_eq(path_lookupat(LINUX_AT_FDCWD, "/f", 0, &p), 0);
	memset(value, 'v', sizeof(value));
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 20; i++) {
			char name[32];

			snprintf(name, sizeof(name), "user.number-%u", i * 7 % 20);
			cr_assert_eq(vfs_setxattr(&p, name, value, 10 + i * round, 0), 0, "%u %u", round, i);
			cr_assert_eq(vfs_getxattr(&p, name, back, sizeof(back)), 10 + i * round);
		}
	}
	cr_assert_eq(vfs_setxattr(&p, "user.large", value, 2500, 0), 0);
	cr_assert_eq(vfs_setxattr(&p, "user.larger", value, 2500, 0), -LINUX_ENOSPC);
	cr_assert_eq(vfs_getxattr(&p, "user.larger", back, sizeof(back)), -LINUX_ENODATA);
	cr_assert_eq(vfs_getxattr(&p, "user.large", back, sizeof(back)), 2500);
	for (unsigned i = 0; i < 20; i += 2) {
		char name[32];

		snprintf(name, sizeof(name), "user.number-%u", i);
		cr_assert_eq(vfs_removexattr(&p, name), 0);
	}
	path_put(&p);
	image_unmount("attributes");
	fx_run("test $(debugfs -R 'ea_list /f' %s 2>/dev/null | grep -c user.) = 11", img);
	image_mount();
	cr_assert_eq(do_unlinkat(LINUX_AT_FDCWD, "/f"), 0);
	image_unmount("attributes gone");
}

/* --- files without a name --- */

Test(ext4_rw, orphans)
{
	struct file *f[20];
	char back[16];

	names_set();
	mkfs("-t ext4 -b 4096", "64M");
	image_mount();
	for (unsigned i = 0; i < ARRAY_SIZE(f); i++) {
		char name[16];

		snprintf(name, sizeof(name), "/f%u", i);
		cr_assert_eq(fill(name, 100000), 0);
		f[i] = filp_open(name, LINUX_O_RDWR, 0);
		cr_assert_eq(do_unlinkat(LINUX_AT_FDCWD, name), 0);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(f); i += 3) {
		fput(f[i]);
		f[i] = NULL;
	}
	cr_assert_eq(sb_sync(sb), 0);
	cr_assert_eq(kernel_read(f[1], back, 16, 5000), 16);
	/* As it would be after a crash: recovered by us, and by e2fsck. */
	fx_run("cp %s %s.1; cp %s %s.2; e2fsck -p %s.1 >/dev/null; test $? -le 1 && e2fsck -fn %s.1 >/dev/null 2>&1", img, img, img,
	       img, img, img);
	/* As it is when sentry ends before them. */
	ext4_shutdown(sb);
	image_check("shut down with open files");
	for (unsigned i = 0; i < ARRAY_SIZE(f); i++)
		if (f[i])
			fput(f[i]);
	fx_unroot();
	image_check("shut down");
	fx_run("mv %s.2 %s", img, img);
	image_mount();
	image_unmount("recovered");
}

/* --- who may open it, and which --- */

Test(ext4_rw, one_writer)
{
	struct super_block *other;

	names_set();
	mkfs("-t ext4 -b 4096", "64M");
	image_mount();
	other = ext4_open_image_rw(img, 0, &why);
	cr_assert_eq(PTR_ERR(other), -LINUX_EBUSY);
	other = ext4_open_image(img, &why);
	cr_assert_eq(PTR_ERR(other), -LINUX_EBUSY);
	fx_unroot();
	fx_root(ext4_open_image(img, &why));
	other = ext4_open_image(img, &why);
	cr_assert(!IS_ERR(other));
	sb_put(other);
	other = ext4_open_image_rw(img, 0, &why);
	cr_assert_eq(PTR_ERR(other), -LINUX_EBUSY);
	fx_unroot();
}

Test(ext4_rw, feature_policy)
{
	static const struct {
		const char *opts, *said;
	} cases[] = {
		{ "-t ext4 -O inline_data -b 4096", "inline_data" },
		{ "-t ext4 -O bigalloc -b 4096", "bigalloc" },
		{ "-t ext4 -O ^has_journal -b 4096", "tune2fs -j" },
		{ "-t ext3 -b 4096", "tune2fs -O extents" },
		{ "-t ext4 -O quota -b 4096", "quota" },
		{ "-t ext4 -O encrypt -b 4096", "encrypt" },
	};

	names_set();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		mkfs(cases[i].opts, "64M");
		strbuf_reset(&why);
		fx_run("sha256sum < %s > %s.sum", img, img);
		cr_assert(IS_ERR(ext4_open_image_rw(img, 0, &why)), "%s", cases[i].opts);
		cr_assert(strstr(strbuf_str(&why), cases[i].said), "%s", strbuf_str(&why));
		fx_run("sha256sum < %s | cmp - %s.sum", img, img);
	}
}

/* The image stays byte for byte as it is, the overlay has the changes, and fits no other image. */
Test(ext4_rw, overlay_file)
{
	char over[120];

	names_set();
	for (unsigned small = 0; small < 2; small++) {
		snprintf(over, sizeof(over), "%s/over", fx_tmpdir());
		fx_run("rm -rf %s %s/src; mkdir -p %s", over, fx_tmpdir(), src);
		mkfs(small ? "-t ext4 -b 1024" : "-t ext4 -b 4096", "64M");
		fx_run("sha256sum < %s > %s.sum", img, img);
		for (unsigned round = 0; round < 3; round++) {
			strbuf_reset(&why);
			sb = ext4_open_image_overlay(img, over, 0, &why);
			fx_check(!IS_ERR(sb), "open: %s", strbuf_str(&why));
			fx_root(sb);
			if (!round)
				cr_assert_eq(do_mkdirat(LINUX_AT_FDCWD, "/t", 0755), 0);
			else
				fx_compare_trees("/t", src, FX_XATTRS | FX_NO_TIMES);
			cr_assert_eq(PTR_ERR(ext4_open_image_overlay(img, over, 0, &why)), -LINUX_EBUSY);
			fx_random_ops("/t", src, round + 50, 2000);
			fx_unroot();
			fx_run("sha256sum < %s | cmp - %s.sum", img, img);
		}
		mkfs("-t ext4 -b 4096 -U random", "64M");
		strbuf_reset(&why);
		cr_assert_eq(PTR_ERR(ext4_open_image_overlay(img, over, 0, &why)), -LINUX_ESTALE, "%s", strbuf_str(&why));
	}
}

/* --- many at once --- */

static struct fs_struct *shared_fs;
static atomic_bool stop;

static void *storm_main(void *arg)
{
	uint64_t rnd = (uintptr_t)arg;
	char a[64], b[64], data[9000];

	current_fs = shared_fs;
	memset(data, (int)rnd, sizeof(data));
	for (unsigned i = 0; i < 1500; i++) {
		struct file *f;

		/* A directory of its own and one that all have. */
		snprintf(a, sizeof(a), "/%s/f%u", fx_random(&rnd) % 2 ? "all" : arg == (void *)1 ? "d1" : "d2",
			 (unsigned)(fx_random(&rnd) % 60));
		snprintf(b, sizeof(b), "/all/g%u", (unsigned)(fx_random(&rnd) % 60));
		switch (fx_random(&rnd) % 8) {
		case 0:
			(void)do_unlinkat(LINUX_AT_FDCWD, a);
			break;
		case 1:
			(void)do_renameat2(LINUX_AT_FDCWD, a, LINUX_AT_FDCWD, b, fx_random(&rnd) % 3 ? 0 : LINUX_RENAME_EXCHANGE);
			break;
		case 2:
			(void)do_linkat(LINUX_AT_FDCWD, a, LINUX_AT_FDCWD, b, 0);
			break;
		case 3:
			if (do_mkdirat(LINUX_AT_FDCWD, b, 0755))
				(void)do_rmdirat(LINUX_AT_FDCWD, b);
			break;
		default:
			f = filp_open(a, LINUX_O_RDWR | LINUX_O_CREAT, 0644);
			if (IS_ERR(f))
				break;
			(void)kernel_write(f, data, fx_random(&rnd) % sizeof(data), fx_random(&rnd) % 50000);
			if (!(fx_random(&rnd) % 10))
				(void)vfs_fsync(f, false);
			if (!(fx_random(&rnd) % 5))
				(void)file_truncate(f, fx_random(&rnd) % 30000);
			fput(f);
		}
	}
	return NULL;
}

static void *sync_main(void *arg)
{
	(void)arg;
	current_fs = shared_fs;
	while (!atomic_load(&stop)) {
		sb_sync(sb);
		usleep(2000);
	}
	return NULL;
}

Test(ext4_rw, many_at_once)
{
	pthread_t th[4], syncer;

	names_set();
	for (unsigned small = 0; small < 2; small++) {
		mkfs(small ? "-t ext4 -b 1024" : "-t ext4 -b 4096", "64M");
		image_mount();
		cr_assert_eq(do_mkdirat(LINUX_AT_FDCWD, "/all", 0755), 0);
		cr_assert_eq(do_mkdirat(LINUX_AT_FDCWD, "/d1", 0755), 0);
		cr_assert_eq(do_mkdirat(LINUX_AT_FDCWD, "/d2", 0755), 0);
		shared_fs = current_fs;
		atomic_store(&stop, false);
		cr_assert_eq(pthread_create(&syncer, NULL, sync_main, NULL), 0);
		for (uintptr_t i = 0; i < ARRAY_SIZE(th); i++)
			cr_assert_eq(pthread_create(&th[i], NULL, storm_main, (void *)(i + 1)), 0);
		for (unsigned i = 0; i < ARRAY_SIZE(th); i++)
			pthread_join(th[i], NULL);
		atomic_store(&stop, true);
		pthread_join(syncer, NULL);
		image_unmount("storm");
	}
}
