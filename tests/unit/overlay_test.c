/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The overlay: against the host's kernel, over an image and over a directory; and what it promises beyond that.
 *
 * timeout: 240
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "sentry/abi/fcntl.h"
#include "sentry/abi/fs.h"
#include "tests/unit/fs_fixture.h"
#include "vfs/ext4/ext4.h"
#include "vfs/hostfs/hostfs.h"
#include "vfs/overlay/overlay.h"

/* The order among directories is that of the tree, which renames change: the thread sanitizer can't know it. */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
	return "deadlock:lock_rename\n";
}

TestSuite(overlay, .timeout = 800);

static struct strbuf why;
static char src[100], twin[100], img[100], lower[100];

/* The same tree on the host (src, with all in its folder t) and as what the overlay will lie over. */
static void setup(uint64_t seed, unsigned nr, const char *mkfs)
{
	fx_init();
	snprintf(src, sizeof(src), "%s/src", fx_tmpdir());
	snprintf(twin, sizeof(twin), "%s/src/t", fx_tmpdir());
	snprintf(img, sizeof(img), "%s/img", fx_tmpdir());
	snprintf(lower, sizeof(lower), "%s/lower", fx_tmpdir());
	fx_run("rm -rf %s %s %s; mkdir %s", src, img, lower, src);
	fx_make_tree(twin, seed, nr);
	if (mkfs)
		fx_run("mke2fs -q -F -E root_owner -d %s %s %s 300M >/dev/null", src, mkfs, img);
	else
		fx_run("cp -a %s %s", src, lower);
}

static void over_image(uint64_t seed, const char *mkfs)
{
	setup(seed, 150, mkfs);
	fx_root(overlay_new(ext4_open_image(img, &why), 0));
	fx_compare_trees("/", src, FX_XATTRS | FX_NO_LOST_FOUND);
	fx_run("sha256sum < %s > %s.sum", img, img);
	fx_random_ops("/t", twin, seed, 6000);
	fx_compare_trees("/", src, FX_XATTRS | FX_NO_LOST_FOUND | FX_NO_TIMES);
	fx_unroot();
	fx_run("sha256sum < %s | cmp - %s.sum", img, img);
}

Test(overlay, over_ext4)
{
	for (uint64_t seed = 1; seed < 4; seed++)
		over_image(seed, "-t ext4 -b 4096");
}

Test(overlay, over_small_blocks)
{
	over_image(10, "-t ext4 -b 1024");
}

Test(overlay, over_ext2)
{
	over_image(11, "-t ext2 -b 2048");
}

Test(overlay, over_directory)
{
	for (uint64_t seed = 20; seed < 23; seed++) {
		setup(seed, 150, NULL);
		fx_root(overlay_new(hostfs_open(lower, LINUX_SB_RDONLY, &why), 0));
		fx_compare_trees("/", src, FX_XATTRS);
		fx_run("cd %s && find . -printf '%%p %%i %%m %%n %%s %%t %%c\\n' | sort > %s.sum", lower, lower);
		fx_random_ops("/t", twin, seed, 6000);
		fx_compare_trees("/", src, FX_XATTRS | FX_NO_TIMES);
		fx_unroot();
		fx_run("cd %s && find . -printf '%%p %%i %%m %%n %%s %%t %%c\\n' | sort | cmp - %s.sum", lower, lower);
	}
}

/* --- its own promises --- */

static void over_shell(const char *commands)
{
	fx_init();
	snprintf(lower, sizeof(lower), "%s/lower", fx_tmpdir());
	fx_run("rm -rf %s; mkdir %s; cd %s; %s", lower, lower, lower, commands);
	fx_root(overlay_new(hostfs_open(lower, LINUX_SB_RDONLY, &why), 0));
}

static struct file *open_ok(const char *path, uint32_t flags)
{
	struct file *f = filp_open(path, flags, 0644);

	cr_assert(!IS_ERR(f), "%s: %s", path, strerror(-PTR_ERR(f)));
	return f;
}

static const char *guest_text(const char *path)
{
	struct file *f = filp_open(path, LINUX_O_RDONLY, 0);
	static char buf[10000];
	int64_t n;

	if (IS_ERR(f))
		return strerror(-PTR_ERR(f));
	n = kernel_read(f, buf, sizeof(buf) - 1, 0);
	buf[MAX(n, 0)] = 0;
	fput(f);
	return n < 0 ? strerror(-n) : buf;
}

static uint64_t ino_of(const char *path)
{
	struct path p;
	uint64_t ino;

	cr_assert_eq(path_lookupat(LINUX_AT_FDCWD, path, 0, &p), 0, "%s", path);
	ino = p.dentry->inode->ino;
	path_put(&p);
	return ino;
}

/* Reads one name of an open directory; false at the end. */
struct one_name {
	struct dir_context ctx;
	char name[256];
	uint64_t next;
	bool full;
};

static bool one_emit(struct dir_context *ctx, const char *name, size_t len, uint64_t ino, unsigned type, uint64_t next)
{
	struct one_name *o = container_of(ctx, struct one_name, ctx);

	(void)ino, (void)type;
	if (o->full)
		return false;
	memcpy(o->name, name, len);
	o->name[len] = 0;
	o->next = next;
	return o->full = true;
}

static bool read_one(struct file *f, uint64_t *pos, char name[256])
{
	struct one_name o = { .ctx = { .emit = one_emit, .pos = *pos } };

	rwlock_read(&f->inode->i_rwsem);
	cr_assert_eq(f->ops->iterate(f, &o.ctx), 0);
	rwlock_unlock(&f->inode->i_rwsem);
	if (!o.full)
		return false;
	strcpy(name, o.name);
	*pos = o.next;
	return true;
}

/* rm -r: removes each name as it reads it. */
Test(overlay, remove_while_reading)
{
	char name[256], path[300];
	unsigned removed = 0;
	struct file *d;
	uint64_t pos = 0;

	over_shell("mkdir d; touch `seq -f d/low%.0f 500`");
	for (int i = 0; i < 500; i++) {
		snprintf(path, sizeof(path), "/d/new%d", i);
		fput(open_ok(path, LINUX_O_CREAT | LINUX_O_WRONLY));
	}
	d = open_ok("/d", LINUX_O_RDONLY | LINUX_O_DIRECTORY);
	while (read_one(d, &pos, name)) {
		if (!strcmp(name, ".") || !strcmp(name, ".."))
			continue;
		snprintf(path, sizeof(path), "/d/%s", name);
		cr_assert_eq(do_unlinkat(LINUX_AT_FDCWD, path), 0);
		removed++;
	}
	fput(d);
	cr_assert_eq(removed, 1000);
	cr_assert_eq(do_rmdirat(LINUX_AT_FDCWD, "/d"), 0);
}

/* Replacing and renaming what is read comes to an end, and no name that stays is missed. */
Test(overlay, rename_while_reading)
{
	char name[256], path[300], other[300];
	unsigned steps = 0, kept = 0;
	struct file *d;
	uint64_t pos = 0;

	over_shell("mkdir d; touch `seq -f d/low%.0f 100` `seq -f d/keep%.0f 100`");
	for (int i = 0; i < 100; i++) {
		snprintf(path, sizeof(path), "/d/new%d", i);
		fput(open_ok(path, LINUX_O_CREAT | LINUX_O_WRONLY));
	}
	d = open_ok("/d", LINUX_O_RDONLY | LINUX_O_DIRECTORY);
	while (read_one(d, &pos, name)) {
		cr_assert(steps++ < 2000, "no end");
		kept += !strncmp(name, "keep", 4);
		if (name[0] == '.' || !strncmp(name, "keep", 4))
			continue;
		snprintf(path, sizeof(path), "/d/%s", name);
		snprintf(other, sizeof(other), steps % 2 ? "/d/%s.renamed" : "/d/tmp", name);
		if (steps % 2 == 0) {
			fput(open_ok(other, LINUX_O_CREAT | LINUX_O_WRONLY));
			cr_assert_eq(do_renameat2(LINUX_AT_FDCWD, other, LINUX_AT_FDCWD, path, 0), 0);
		} else {
			cr_assert_eq(do_renameat2(LINUX_AT_FDCWD, path, LINUX_AT_FDCWD, other, 0), 0);
		}
	}
	fput(d);
	cr_assert_eq(kept, 100);
}

/* telldir and seekdir: a position means the same name while others come and go. */
Test(overlay, positions_hold)
{
	char name[256], again[256], path[300];
	uint64_t pos[400] = { 0 }, at;
	unsigned nr = 0;
	struct file *d;

	over_shell("mkdir d; touch `seq -f d/low%.0f 100`");
	for (int i = 0; i < 100; i++) {
		snprintf(path, sizeof(path), "/d/new%d", i);
		fput(open_ok(path, LINUX_O_CREAT | LINUX_O_WRONLY));
	}
	d = open_ok("/d", LINUX_O_RDONLY | LINUX_O_DIRECTORY);
	for (at = 0; read_one(d, &at, name); nr++) {
		static char names[400][256];

		strcpy(names[nr], name);
		if (nr >= 50 && nr % 7 == 0) {
			/* Back to one of before, with another removed and another made. */
			unsigned to = nr - 20;
			uint64_t p = pos[to];

			snprintf(path, sizeof(path), "/d/%s", names[nr - 45]);
			do_unlinkat(LINUX_AT_FDCWD, path);
			snprintf(path, sizeof(path), "/d/late%u", nr);
			fput(open_ok(path, LINUX_O_CREAT | LINUX_O_WRONLY));
			cr_assert(read_one(d, &p, again));
			cr_assert_str_eq(again, names[to + 1]);
		}
		pos[nr] = at;
	}
	fput(d);
	cr_assert_eq(nr, 202);
}

Test(overlay, one_inode_for_all_names)
{
	struct file *f;
	uint64_t ino;
	char buf[10];

	over_shell("echo one > a; ln a b; mkdir d; ln a d/c");
	ino = ino_of("/a");
	cr_assert(ino == ino_of("/b") && ino == ino_of("/d/c"));
	f = open_ok("/b", LINUX_O_RDWR);
	cr_assert_eq(kernel_write(f, "two", 3, 0), 3);
	fput(f);
	cr_assert_str_eq(guest_text("/d/c"), "two\n");
	cr_assert_eq(do_renameat2(LINUX_AT_FDCWD, "/d", LINUX_AT_FDCWD, "/e", 0), 0);
	cr_assert_eq(do_unlinkat(LINUX_AT_FDCWD, "/a"), 0);
	cr_assert_eq(ino_of("/e/c"), ino);
	f = open_ok("/b", LINUX_O_RDONLY);
	cr_assert_eq(do_unlinkat(LINUX_AT_FDCWD, "/b"), 0);
	cr_assert_eq(do_unlinkat(LINUX_AT_FDCWD, "/e/c"), 0);
	cr_assert_eq(kernel_read(f, buf, 10, 0), 4);
	fput(f);
	fx_unroot();
	fx_run("test `cat %s/b` = one", lower);
}

Test(overlay, space_is_limited)
{
	struct linux_statfs before, after;
	char buf[PAGE_SIZE] = "x";
	struct super_block *sb;
	int64_t n, off = 0;
	struct file *f;

	fx_init();
	fx_run("mkdir %s/lower; head -c 100000 /dev/zero > %s/lower/f", fx_tmpdir(), fx_tmpdir());
	snprintf(lower, sizeof(lower), "%s/lower", fx_tmpdir());
	sb = overlay_new(hostfs_open(lower, LINUX_SB_RDONLY, &why), 1 << 20);
	fx_root(sb);
	sb->ops->statfs(sb, &before);
	f = open_ok("/new", LINUX_O_CREAT | LINUX_O_RDWR);
	while ((n = kernel_write(f, buf, sizeof(buf), off)) > 0)
		off += n;
	cr_assert_eq(n, -LINUX_ENOSPC);
	cr_assert_eq(off, 1 << 20);
	sb->ops->statfs(sb, &after);
	cr_assert(after.f_bfree == 0 && before.f_bfree > 0);
	/* What is over pages that are there already fits; what is given back can be had again. */
	cr_assert_eq(kernel_write(f, buf, sizeof(buf), 0), (int)sizeof(buf));
	cr_assert_eq(file_truncate(f, 1 << 19), 0);
	cr_assert_eq(kernel_write(f, buf, sizeof(buf), 1 << 19), (int)sizeof(buf));
	fput(f);
	cr_assert_eq(do_unlinkat(LINUX_AT_FDCWD, "/new"), 0);
	f = open_ok("/f", LINUX_O_RDWR);
	for (off = 0; off < 100000; off += PAGE_SIZE)
		cr_assert_eq(kernel_write(f, buf, 1, off), 1);
	fput(f);
	sb->ops->statfs(sb, &after);
	cr_assert(after.f_bfree < before.f_bfree);
}

/* What was cut off does not come back from below when the file grows again, nor what was punched out. */
Test(overlay, lower_data_stays_hidden)
{
	struct file *f;
	char buf[100];

	over_shell("head -c 100000 /dev/zero | tr '\\0' x > f");
	f = open_ok("/f", LINUX_O_RDWR);
	cr_assert_eq(file_truncate(f, 5000), 0);
	cr_assert_eq(file_truncate(f, 90000), 0);
	cr_assert_eq(vfs_fallocate(f, LINUX_FALLOC_FL_PUNCH_HOLE | LINUX_FALLOC_FL_KEEP_SIZE, 0, 4096), 0);
	for (int round = 0; round < 2; round++) {
		cr_assert_eq(kernel_read(f, buf, 100, 4950), 100);
		for (int i = 0; i < 100; i++)
			cr_assert_eq(buf[i], i < 50 ? 'x' : 0);
		cr_assert_eq(kernel_read(f, buf, 1, 50000), 1);
		cr_assert_eq(buf[0], 0);
		cr_assert_eq(kernel_read(f, buf, 1, 100), 1);
		cr_assert_eq(buf[0], 0);
		mapping_drop_clean(&f->inode->mapping);
	}
	cr_assert_eq(vfs_llseek(f, 0, LINUX_SEEK_DATA), 4096);
	cr_assert(vfs_llseek(f, 4096, LINUX_SEEK_HOLE) <= 8192);
	fput(f);
}

/* Files that were not changed here follow the host; others do not. */
Test(overlay, lower_changes)
{
	struct file *f;

	over_shell("echo one > a; echo one > b; echo one > c");
	cr_assert_str_eq(guest_text("/a"), "one\n");
	cr_assert_str_eq(guest_text("/b"), "one\n");
	f = open_ok("/c", LINUX_O_RDWR);
	cr_assert_eq(kernel_write(f, "ours\n", 5, 0), 5);
	fput(f);
	fx_run("sleep 0.01; cd %s; echo three > a; echo four > b2; mv b2 b; echo theirs > c2; mv c2 c", lower);
	cr_assert_str_eq(guest_text("/a"), "three\n");
	cr_assert_str_eq(guest_text("/b"), "four\n");
	cr_assert_str_eq(guest_text("/c"), "ours\n");
	fx_run("rm %s/a", lower);
	cr_assert_str_eq(guest_text("/a"), "No such file or directory");
}

/* A guest may nest directories deeper than a stack. */
Test(overlay, deep_directories)
{
	struct path p;

	over_shell("true");
	for (int i = 0; i < 30000; i++) {
		cr_assert_eq(do_mkdirat(LINUX_AT_FDCWD, "d", 0755), 0);
		cr_assert_eq(path_lookupat(LINUX_AT_FDCWD, "d", 0, &p), 0);
		fs_set_pwd(current_fs, &p);
	}
	fx_unroot();
}

Test(overlay, unnamed_files)
{
	struct file *f;

	over_shell("mkdir d");
	f = open_ok("/d", LINUX_O_TMPFILE | LINUX_O_RDWR);
	cr_assert_eq(kernel_write(f, "tmp", 3, 0), 3);
	cr_assert_eq(atomic_load(&f->inode->nlink), 0);
	fput(f);
	cr_assert_eq(do_rmdirat(LINUX_AT_FDCWD, "/d"), 0);
	fx_unroot();
}
