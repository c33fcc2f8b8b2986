/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ext4 images: made by mke2fs from trees of the host, changed by debugfs, and compared with where they came from.
 *
 * timeout: 240
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sentry/abi/fcntl.h"
#include "tests/unit/fs_fixture.h"
#include "vfs/ext4/ext4.h"

TestSuite(ext4, .timeout = 800);

static struct strbuf why;
static char src[100], img[100];

static void names_set(void)
{
	fx_init();
	snprintf(src, sizeof(src), "%s/src", fx_tmpdir());
	snprintf(img, sizeof(img), "%s/img", fx_tmpdir());
}

static void mkfs(const char *opts, const char *size)
{
	fx_run("rm -f %s; mke2fs -q -F -d %s %s %s %s >/dev/null 2>&1", img, src, opts, img, size);
}

/* debugfs commands, one per line. */
static void debugfs(const char *commands)
{
	fx_run("cd %s && cat > commands <<'.' && debugfs -w -f commands img >/dev/null 2>&1\n%s\n.\n", fx_tmpdir(), commands);
}

static void image_mount(void)
{
	fx_root(ext4_open_image(img, &why));
}

/* The guest's first error with a file: opening, reading. */
static int file_error(const char *path)
{
	struct file *f = filp_open(path, LINUX_O_RDONLY, 0);
	char buf[4096];
	int64_t n;

	if (IS_ERR(f))
		return PTR_ERR(f);
	for (uint64_t off = 0; (n = kernel_read(f, buf, sizeof(buf), off)) > 0; off += n)
		;
	fput(f);
	return n;
}

static int stat_error(const char *path, struct kstat *st)
{
	struct path p;
	int err = path_lookupat(LINUX_AT_FDCWD, path, 0, &p);

	if (!err) {
		err = vfs_getattr(&p, st);
		path_put(&p);
	}
	return err;
}

/* --- formats --- */

static const struct format {
	const char *opts, *size;
} formats[] = {
	{ "-t ext4", "200M" }, /* 1 KiB blocks */
	{ "-t ext4 -b 4096", "200M" },
	{ "-t ext4 -b 2048 -I 512", "200M" },
	{ "-t ext4 -b 4096 -I 128", "200M" },
	{ "-t ext4 -b 4096 -O ^64bit,^metadata_csum", "200M" },
	{ "-t ext4 -b 4096 -O ^flex_bg,^extent,^64bit", "200M" },
	{ "-t ext4 -b 1024 -O meta_bg,^resize_inode", "200M" },
	{ "-t ext4 -b 4096 -O bigalloc -C 16384", "800M" },
	{ "-t ext4 -b 4096 -O ea_inode,large_dir,metadata_csum_seed", "200M" },
	{ "-t ext4 -b 65536", "800M" },
	{ "-t ext2 -b 1024", "200M" },
	{ "-t ext2 -b 4096 -O ^filetype", "200M" },
	{ "-t ext3 -b 2048", "200M" },
};

Test(ext4, formats)
{
	names_set();
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		fx_run("rm -rf %s", src);
		fx_make_tree(src, i + 1, 120);
		mkfs(formats[i].opts, formats[i].size);
		image_mount();
		fx_compare_trees("/", src, FX_XATTRS | FX_NO_LOST_FOUND);
		fx_unroot();
	}
}

/* Files and directories that live in their inodes. */
Test(ext4, inline_data)
{
	names_set();
	fx_run("mkdir -p %s/d/e %s/big; cd %s; for i in `seq 0 9 700`; do head -c $i /dev/urandom > f$i; done;"
	       "touch d/x d/e/y; for i in `seq 9`; do touch big/$i; done; ln -s abc l; ln -s `seq -s/ 40` ll",
	       src, src, src);
	for (int large = 0; large < 2; large++) {
		mkfs(large ? "-t ext4 -O inline_data -b 4096 -I 1024" : "-t ext4 -O inline_data -b 4096", "50M");
		image_mount();
		fx_compare_trees("/", src, FX_XATTRS | FX_NO_LOST_FOUND);
		fx_unroot();
	}
}

/* Extent and block trees of every depth: each second block of a long file. */
Test(ext4, deep_trees)
{
	static const char *const opts[] = { "-t ext4 -b 1024", "-t ext2 -b 1024", "-t ext4 -b 4096" };

	names_set();
	fx_run("mkdir %s; cd %s; awk 'BEGIN { for (i = 0; i < 16000; i++) printf \"%%01024d%%01024d\", i, 0 }' > a;"
	       "for i in `seq 0 2 1000`; do dd if=/dev/urandom of=b bs=4096 count=1 seek=$i conv=notrunc; done 2>/dev/null",
	       src, src);
	/* mke2fs leaves blocks of zeros out. */
	for (size_t i = 0; i < ARRAY_SIZE(opts); i++) {
		fx_run("cd %s && truncate -s 100M b && tr 0 '\\0' < a > c && cp --sparse=always c d && rm c", src);
		mkfs(opts[i], "400M");
		image_mount();
		fx_compare_trees("/", src, FX_NO_LOST_FOUND);
		fx_unroot();
	}
}

Test(ext4, huge_sparse_file)
{
	struct file *f;
	char buf[8];

	names_set();
	fx_run("mkdir %s; cd %s; printf begin > f; printf middle | dd of=f bs=1 seek=20000000000 conv=notrunc 2>/dev/null;"
	       "truncate -s 1000G f", src, src);
	mkfs("-t ext4 -b 4096", "100M");
	image_mount();
	f = filp_open("/f", LINUX_O_RDONLY, 0);
	cr_assert(!IS_ERR(f));
	cr_assert_eq(f->inode->size, 1000ULL << 30);
	cr_assert_eq(vfs_llseek(f, 0, LINUX_SEEK_HOLE), 4096);
	cr_assert_eq(vfs_llseek(f, 4096, LINUX_SEEK_DATA), 20000000000 / 4096 * 4096);
	cr_assert_eq(kernel_read(f, buf, 6, 20000000000), 6);
	cr_assert(!memcmp(buf, "middle", 6));
	cr_assert_eq(vfs_llseek(f, 20000005000, LINUX_SEEK_DATA), -LINUX_ENXIO);
	cr_assert_eq(kernel_read(f, buf, 8, (1000ULL << 30) - 4), 4);
	cr_assert(!memcmp(buf, "\0\0\0\0", 4));
	fput(f);
}

/* --- directories --- */

static void look_up_all(unsigned nr)
{
	for (unsigned i = 1; i <= nr; i++) {
		char name[64];
		struct path p;

		snprintf(name, sizeof(name), "/d/file-with-some-name-%u", i);
		cr_assert_eq(path_lookupat(LINUX_AT_FDCWD, name, 0, &p), 0, "%s", name);
		path_put(&p);
		snprintf(name, sizeof(name), "/d/no-file-has-this-name-%u", i);
		cr_assert_eq(path_lookupat(LINUX_AT_FDCWD, name, 0, &p), -LINUX_ENOENT);
	}
}

/* 12,000 names, linear as mke2fs makes them and hashed as the kernel does; a linear search for each would take long. */
Test(ext4, large_directories)
{
	int64_t start;

	names_set();
	fx_run("mkdir -p %s/d; cd %s/d; seq -f 'file-with-some-name-%%.0f' 12000 | xargs touch", src, src);
	mkfs("-t ext4 -b 4096 -N 20000", "200M");
	for (int hashed = 0; hashed < 2; hashed++) {
		if (hashed)
			fx_run("e2fsck -fyD %s >/dev/null 2>&1; test $? -le 1", img);
		image_mount();
		start = monotonic_ns();
		look_up_all(12000);
		cr_assert(monotonic_ns() - start < 20000000000, "too slow");
		fx_compare_trees("/", src, FX_NO_LOST_FOUND);
		fx_unroot();
	}
}

static bool first_emit(struct dir_context *ctx, const char *name, size_t len, uint64_t ino, unsigned type, uint64_t next)
{
	(void)ctx, (void)name, (void)ino, (void)type, (void)next;
	cr_assert(len >= 21);
	return false;
}

/* From positions that are none. */
Test(ext4, positions)
{
	struct file *f;

	names_set();
	fx_run("mkdir -p %s/d; cd %s/d; seq -f 'file-with-some-name-%%.0f' 3000 | xargs touch", src, src);
	mkfs("-t ext4 -b 1024", "20M");
	image_mount();
	f = filp_open("/d", LINUX_O_RDONLY | LINUX_O_DIRECTORY, 0);
	for (unsigned pos = 2; pos < 200000; pos += 37) {
		struct dir_context ctx = { .emit = first_emit, .pos = pos };

		rwlock_read(&f->inode->i_rwsem);
		cr_assert_eq(f->ops->iterate(f, &ctx), 0);
		rwlock_unlock(&f->inode->i_rwsem);
	}
	fput(f);
}

/* --- metadata --- */

Test(ext4, times_and_devices)
{
	struct kstat st;

	names_set();
	fx_run("mkdir %s; echo > %s/f; echo > %s/old", src, src, src);
	mkfs("-t ext4 -b 4096", "20M");
	debugfs("sif /f mtime 21060708091011\nsif /f mtime_extra 0x1dcd6501\nsif /f crtime 20010203040506\n"
		"sif /old mtime @0x87654321\nsif /old mtime_extra 0\nmknod n1 c 1 3\nmknod n2 b 259 7000");
	image_mount();
	cr_assert_eq(stat_error("/f", &st), 0);
	cr_assert(st.mtime.sec > 409600000 && st.mtime.nsec == 0x1dcd6501 >> 2, "%ld.%u", (long)st.mtime.sec, st.mtime.nsec);
	cr_assert_eq(st.btime.sec, 981173106);
	cr_assert_eq(stat_error("/old", &st), 0);
	cr_assert_eq(st.mtime.sec, (int32_t)0x87654321);
	cr_assert_eq(stat_error("/n1", &st), 0);
	cr_assert(LINUX_S_ISCHR(st.mode) && st.rdev == LINUX_MKDEV(1, 3));
	cr_assert_eq(stat_error("/n2", &st), 0);
	cr_assert(LINUX_S_ISBLK(st.mode) && st.rdev == LINUX_MKDEV(259, 7000), "%lx", (unsigned long)st.rdev);
}

Test(ext4, large_attributes)
{
	char buf[5000], want[2001], cmds[2200];
	struct path p;

	names_set();
	fx_run("mkdir %s; echo > %s/f", src, src);
	mkfs("-t ext4 -b 1024 -O ea_inode", "20M"); /* more than a block is in an inode of its own */
	memset(want, 'v', 2000);
	want[2000] = 0;
	snprintf(cmds, sizeof(cmds), "ea_set /f user.one 1\nea_set /f user.large %s\nea_set /f trusted.two 22", want);
	debugfs(cmds);
	image_mount();
	cr_assert_eq(path_lookupat(LINUX_AT_FDCWD, "/f", 0, &p), 0);
	cr_assert_eq(vfs_getxattr(&p, "user.one", buf, sizeof(buf)), 1);
	cr_assert_eq(vfs_getxattr(&p, "user.large", NULL, 0), 2000);
	cr_assert_eq(vfs_getxattr(&p, "user.large", buf, 1999), -LINUX_ERANGE);
	cr_assert_eq(vfs_getxattr(&p, "user.large", buf, sizeof(buf)), 2000);
	cr_assert_eq(vfs_getxattr(&p, "user.none", buf, sizeof(buf)), -LINUX_ENODATA);
	cr_assert(!memcmp(buf, want, 2000));
	path_put(&p);
}

/* --- the journal --- */

Test(ext4, journal)
{
	static const char *const opts[] = { "-t ext4 -b 4096", "-t ext4 -b 1024", "-t ext4 -b 4096 -O ^64bit" };
	static const char *const versions[] = { "", " -c -v 2", " -c -v 3" };
	char cmds[300];

	names_set();
	fx_run("mkdir %s; head -c 20000 /dev/zero | tr '\\0' A > %s/f", src, src);
	fx_run("for c in B C D; do head -c 4096 /dev/zero | tr '\\0' $c > %s/block$c; done", fx_tmpdir());
	for (size_t i = 0; i < ARRAY_SIZE(opts) * ARRAY_SIZE(versions); i++) {
		unsigned long blk;
		char line[100];
		FILE *p;

		mkfs(opts[i % ARRAY_SIZE(opts)], "64M");
		snprintf(cmds, sizeof(cmds), "debugfs -R 'blocks /f' %s 2>/dev/null", img);
		p = popen(cmds, "r");
		cr_assert(fgets(line, sizeof(line), p));
		pclose(p);
		blk = strtoul(line, NULL, 10);
		/* Written twice: the later one counts.  Written and revoked.  Written without a commit. */
		snprintf(cmds, sizeof(cmds), "jo%s\njw -b %lu blockB\njw -b %lu blockC\njw -b %lu blockD\njw -r %lu\njc",
			 versions[i / ARRAY_SIZE(opts)], blk, blk, blk + 1, blk + 1);
		debugfs(cmds);
		fx_run("sha256sum < %s > %s.sum; cp %s %s.rec; e2fsck -fy %s.rec >/dev/null 2>&1; "
		       "rm -rf %s/dump; mkdir %s/dump; debugfs -R 'dump /f %s/dump/f' %s.rec 2>/dev/null",
		       img, img, img, img, img, fx_tmpdir(), fx_tmpdir(), fx_tmpdir(), img);
		image_mount();
		snprintf(line, sizeof(line), "%s/dump", fx_tmpdir());
		fx_compare_trees("/", line, FX_NO_LOST_FOUND | FX_NO_TIMES);
		fx_unroot();
		fx_run("sha256sum < %s | cmp - %s.sum", img, img);
	}
}

/* --- what is wrong is said --- */

static void open_fails(const char *path, const char *word)
{
	struct super_block *sb;

	strbuf_reset(&why);
	sb = ext4_open_image(path, &why);
	cr_assert(IS_ERR(sb), "%s opens", path);
	cr_assert(why.len && strstr(strbuf_str(&why), word), "said '%s', not '%s'", strbuf_str(&why), word);
	cr_assert(!strchr(strbuf_str(&why), '\n'));
}

Test(ext4, messages)
{
	names_set();
	fx_run("mkdir %s; echo > %s/f", src, src);
	open_fails("/nonexistent", "No such file");
	open_fails(src, "directory");
	fx_run("head -c 100000 /dev/zero > %s", img);
	open_fails(img, "not an ext2, ext3 or ext4 image");
	fx_run(": > %s", img);
	open_fails(img, "not an ext2, ext3 or ext4 image");
	fx_run("printf 'QFI\\373' | dd of=%s conv=notrunc 2>/dev/null; truncate -s 1M %s", img, img);
	open_fails(img, "qemu-img convert");
	fx_run("head -c 100000 /dev/zero | gzip > %s", img);
	open_fails(img, "compressed");
	fx_run("truncate -s 1M %s; printf '\\125\\252' | dd of=%s bs=1 seek=510 conv=notrunc 2>/dev/null;"
	       "printf 'x' | dd of=%s bs=1 conv=notrunc 2>/dev/null", img, img, img);
	open_fails(img, "partition table");
	mkfs("-t ext4 -b 4096", "20M");
	fx_run("truncate -s 15M %s", img);
	open_fails(img, "truncated");
	mkfs("-t ext4 -b 4096", "20M");
	fx_run("printf 'xyz' | dd of=%s bs=1 seek=1140 conv=notrunc 2>/dev/null", img);
	open_fails(img, "checksum");
	mkfs("-t ext4 -b 4096 -O ^metadata_csum,^uninit_bg", "20M");
	debugfs("ssv feature_incompat 0x80002c2");
	open_fails(img, "features");
	mkfs("-t ext4 -b 4096", "20M");
	debugfs("clri <2>");
	open_fails(img, "root directory");
}

/* --- damage at run time --- */

Test(ext4, damage)
{
	struct kstat st;

	names_set();
	fx_run("mkdir -p %s/d; for f in a b c e g h; do head -c 100000 /dev/urandom > %s/$f; done; touch %s/d/x", src, src, src);
	mkfs("-t ext4 -b 4096", "20M");
	/* An extent that leaves the image, a wrong magic, a wrong depth, a type that is none, a name for nothing. */
	debugfs("sif /a block[5] 0x7fffffff\nsif /b block[0] 0x1234\nsif /c block[1] 0x30000\nsif /e mode 0\n"
		"sif /g links_count 0\nsif /d block[0] 0");
	image_mount();
	cr_assert_eq(file_error("/a"), -LINUX_EUCLEAN);
	cr_assert_eq(file_error("/b"), -LINUX_EUCLEAN);
	cr_assert_eq(file_error("/c"), -LINUX_EUCLEAN);
	cr_assert_eq(stat_error("/e", &st), -LINUX_EUCLEAN);
	cr_assert_eq(stat_error("/g", &st), -LINUX_EUCLEAN);
	cr_assert_eq(stat_error("/d/x", &st), -LINUX_EUCLEAN);
	cr_assert_eq(file_error("/h"), 0);
	fx_unroot();
	/* And whatever one byte of the inode tables and directories may be: never a crash, mostly a checksum error. */
	fx_run("dd if=/dev/zero of=%s bs=4096 seek=20 count=200 conv=notrunc 2>/dev/null", img);
	strbuf_reset(&why);
	cr_assert(IS_ERR(ext4_open_image(img, &why)));
}
