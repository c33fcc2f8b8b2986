/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Host directories: against the host itself, with the host changing underneath, and with the host playing tricks.
 *
 * timeout: 240
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sentry/abi/fcntl.h"
#include "sentry/abi/fs.h"
#include "tests/unit/fs_fixture.h"
#include "vfs/hostfs/hostfs.h"
#include "vfs/hostfs/hostfs_fs.h"

TestSuite(hostfs, .timeout = 800);

static struct strbuf why;
static char dir[100];

static void setup(unsigned flags)
{
	fx_init();
	snprintf(dir, sizeof(dir), "%s/dir", fx_tmpdir());
	fx_run("mkdir -p %s", dir);
	fx_root(hostfs_open(dir, flags, &why));
}

/* What the guest reads in a file. */
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

static int guest_lookup(const char *path)
{
	struct path p;
	int err = path_lookupat(LINUX_AT_FDCWD, path, 0, &p);

	if (!err)
		path_put(&p);
	return err;
}

Test(hostfs, like_the_host)
{
	char twin[100], tree[110];

	for (uint64_t seed = 1; seed < 4; seed++) {
		setup(0);
		snprintf(tree, sizeof(tree), "%s/t", dir);
		snprintf(twin, sizeof(twin), "%s/twin", fx_tmpdir());
		fx_make_tree(tree, seed, 150);
		fx_run("rm -rf %s; cp -a %s %s", twin, dir, twin);
		snprintf(tree, sizeof(tree), "%s/t", twin);
		fx_compare_trees("/", dir, FX_XATTRS | FX_INO);
		fx_random_ops("/t", tree, seed, 6000);
		fx_compare_trees("/", twin, FX_XATTRS | FX_NO_TIMES);
		fx_compare_trees("/", dir, FX_XATTRS | FX_INO);
		fx_unroot();
		fx_run("rm -rf %s", dir);
	}
}

Test(hostfs, read_only)
{
	setup(LINUX_SB_RDONLY);
	fx_run("echo one > %s/f", dir);
	cr_assert_str_eq(guest_text("/f"), "one\n");
	cr_assert_eq(PTR_ERR(filp_open("/f", LINUX_O_WRONLY, 0)), -LINUX_EROFS);
	cr_assert_eq(PTR_ERR(filp_open("/new", LINUX_O_WRONLY | LINUX_O_CREAT, 0644)), -LINUX_EROFS);
	cr_assert_eq(do_mkdirat(LINUX_AT_FDCWD, "/d", 0755), -LINUX_EROFS);
	cr_assert_eq(do_unlinkat(LINUX_AT_FDCWD, "/f"), -LINUX_EROFS);
}

Test(hostfs, host_changes_show)
{
	struct file *f;
	char buf[20];

	setup(0);
	cr_assert_eq(guest_lookup("/f"), -LINUX_ENOENT);
	fx_run("echo one > %s/f", dir);
	cr_assert_str_eq(guest_text("/f"), "one\n");
	fx_run("sleep 0.01; echo three >> %s/f", dir);
	cr_assert_str_eq(guest_text("/f"), "one\nthree\n");
	fx_run("sleep 0.01; echo t > %s/f", dir);
	cr_assert_str_eq(guest_text("/f"), "t\n");
	fx_run("echo other > %s/g; mv %s/g %s/f", dir, dir, dir);
	cr_assert_str_eq(guest_text("/f"), "other\n");
	/* An open file meets what is appended when it comes to the end. */
	f = filp_open("/f", LINUX_O_RDONLY, 0);
	cr_assert_eq(kernel_read(f, buf, 20, 0), 6);
	fx_run("sleep 0.01; echo more >> %s/f", dir);
	cr_assert_eq(kernel_read(f, buf, 20, 6), 5);
	fput(f);
	fx_run("rm %s/f; mkdir %s/f; echo in > %s/f/x", dir, dir, dir);
	cr_assert_str_eq(guest_text("/f/x"), "in\n");
	fx_run("rm -r %s/f", dir);
	cr_assert_eq(guest_lookup("/f/x"), -LINUX_ENOENT);
	cr_assert_eq(guest_lookup("/f"), -LINUX_ENOENT);
	fx_compare_trees("/", dir, FX_INO);
	fx_run("touch %s/y", dir);
	fx_compare_trees("/", dir, FX_INO);
}

Test(hostfs, writes_show_on_the_host)
{
	struct file *f;

	setup(0);
	fx_run("printf 0123456789 > %s/f", dir);
	f = filp_open("/f", LINUX_O_RDWR, 0);
	cr_assert_eq(kernel_write(f, "ab", 2, 2), 2);
	fx_run("test \"`cat %s/f`\" = 01ab456789", dir);
	/* What the host wrote beside it is not undone, though the page was cached. */
	fx_run("printf X | dd of=%s/f bs=1 seek=8 conv=notrunc 2>/dev/null", dir);
	cr_assert_eq(kernel_write(f, "c", 1, 4), 1);
	fx_run("test \"`cat %s/f`\" = 01abc567X9", dir);
	fput(f);
	cr_assert_str_eq(guest_text("/f"), "01abc567X9");
	/* Appending goes behind what the host appended. */
	f = filp_open("/f", LINUX_O_WRONLY | LINUX_O_APPEND, 0);
	fx_run("printf HH >> %s/f", dir);
	cr_assert_eq(kernel_write(f, "g", 1, 0), 1);
	fx_run("test \"`cat %s/f`\" = 01abc567X9HHg", dir);
	fput(f);
	cr_assert_str_eq(guest_text("/f"), "01abc567X9HHg");
}

/* A page written through a shared mapping reaches the host with fsync, and with close. */
Test(hostfs, shared_pages)
{
	struct file *f;
	pfn_t pfn;

	setup(0);
	fx_run("printf 0123456789 > %s/f", dir);
	for (int by_close = 0; by_close < 2; by_close++) {
		f = filp_open("/f", LINUX_O_RDWR, 0);
		cr_assert_eq(f->inode->mapping.backing.ops->fault(&f->inode->mapping.backing, 0, true, &pfn), 0);
		memcpy(frame_ptr(pfn), by_close ? "close" : "fsync", 5);
		frame_put(pfn);
		if (!by_close)
			cr_assert_eq(vfs_fsync(f, false), 0);
		fput(f);
		fx_run("test \"`cat %s/f`\" = %s56789", dir, by_close ? "close" : "fsync");
	}
}

Test(hostfs, gone_but_open)
{
	struct file *f, *g;
	char buf[10];

	setup(0);
	fx_run("echo one > %s/f; echo two > %s/g; mkdir %s/d", dir, dir, dir);
	f = filp_open("/f", LINUX_O_RDWR, 0);
	cr_assert_eq(do_unlinkat(LINUX_AT_FDCWD, "/f"), 0);
	cr_assert_eq(kernel_read(f, buf, 10, 0), 4);
	cr_assert_eq(kernel_write(f, "late", 4, 4), 4);
	cr_assert_eq(kernel_read(f, buf, 10, 0), 8);
	cr_assert_eq(atomic_load(&f->inode->nlink), 0);
	g = filp_open("/g", LINUX_O_RDWR, 0);
	cr_assert_eq(do_renameat2(LINUX_AT_FDCWD, "/g", LINUX_AT_FDCWD, "/d/h", 0), 0);
	cr_assert_eq(kernel_write(g, "TWO", 3, 0), 3);
	cr_assert_str_eq(guest_text("/d/h"), "TWO\n");
	fx_run("rm -r %s/d", dir);
	cr_assert_eq(kernel_read(g, buf, 10, 0), 4);
	cr_assert_eq(guest_lookup("/d/h"), -LINUX_ENOENT);
	fput(f);
	fput(g);
}

/* The creator of a file may write it whatever its mode, as open(2) says. */
Test(hostfs, create_without_permission)
{
	struct file *f;

	setup(0);
	f = filp_open("/f", LINUX_O_RDWR | LINUX_O_CREAT, 0);
	cr_assert(!IS_ERR(f));
	cr_assert_eq(kernel_write(f, "x", 1, 0), 1);
	fput(f);
	fx_run("test \"`stat -c %%a %s/f`\" = 0", dir);
}

Test(hostfs, no_device_nodes)
{
	setup(0);
	cr_assert_eq(do_mknodat(LINUX_AT_FDCWD, "/null", LINUX_S_IFCHR | 0666, LINUX_MKDEV(1, 3)), -LINUX_EPERM);
	cr_assert_eq(do_mknodat(LINUX_AT_FDCWD, "/fifo", LINUX_S_IFIFO | 0666, 0), 0);
	fx_run("test -p %s/fifo", dir);
}

Test(hostfs, one_file)
{
	char path[120];

	fx_init();
	fx_run("echo one > %s/f; ln -s f %s/l; mkfifo %s/p", fx_tmpdir(), fx_tmpdir(), fx_tmpdir());
	snprintf(path, sizeof(path), "%s/f", fx_tmpdir());
	fx_root(hostfs_open(path, 0, &why));
	cr_assert_str_eq(guest_text("/"), "one\n");
	snprintf(path, sizeof(path), "%s/l", fx_tmpdir());
	cr_assert(IS_ERR(hostfs_open(path, 0, &why)));
	cr_assert(strstr(strbuf_str(&why), "symbolic link"));
	strbuf_reset(&why);
	snprintf(path, sizeof(path), "%s/p", fx_tmpdir());
	cr_assert(IS_ERR(hostfs_open(path, 0, &why)));
	cr_assert(strstr(strbuf_str(&why), "neither"));
}

/* The host's kernel file systems are shown empty. */
Test(hostfs, kernel_file_systems)
{
	struct path p;

	fx_init();
	fx_root(hostfs_open("/", LINUX_SB_RDONLY, &why));
	cr_assert_eq(path_lookupat(LINUX_AT_FDCWD, "/proc", 0, &p), 0);
	cr_assert(LINUX_S_ISDIR(p.dentry->inode->mode));
	cr_assert(HOSTFS_I(p.dentry->inode)->closed);
	path_put(&p);
	cr_assert_eq(guest_lookup("/proc/self"), -LINUX_ENOENT);
	cr_assert_eq(guest_lookup("/dev/null"), -LINUX_ENOENT);
	cr_assert_eq(guest_lookup("/usr/bin/env"), 0);
}

static unsigned nr_host_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned nr = 0;

	while (readdir(d))
		nr++;
	closedir(d);
	return nr;
}

Test(hostfs, few_descriptors)
{
	unsigned before, max;
	char name[64];

	setup(LINUX_SB_RDONLY);
	fx_run("cd %s; for i in `seq 40`; do mkdir -p d$i/a/b/c; for j in `seq 40`; do echo $i.$j > d$i/a/b/c/$j; done; done", dir);
	before = nr_host_fds();
	HOSTFS_SB(current_fs->root.mnt->sb)->max_fds = max = 20;
	for (int round = 0; round < 2; round++) {
		for (int i = 1; i <= 40; i++) {
			for (int j = 1; j <= 40; j++) {
				char want[32];

				snprintf(name, sizeof(name), "/d%d/a/b/c/%d", i, j);
				snprintf(want, sizeof(want), "%d.%d\n", i, j);
				cr_assert_str_eq(guest_text(name), want);
			}
		}
	}
	cr_assert(nr_host_fds() <= before + max + 8, "%u descriptors, %u before", nr_host_fds(), before);
	fx_compare_trees("/", dir, FX_INO);
}

static atomic_bool stop;

/* Directories and files become symlinks to the secret and back; and move away. */
static void *trickster(void *arg)
{
	while (!stop)
		fx_try("cd %s && mv d d2 && ln -s ../outside d && rm d && mv d2 d && mv d/f d/g && ln -s ../../outside/f d/f && "
		       "rm d/f && mv d/g d/f && mkdir -p x && mv d/sub x/ && mv x/sub d/",
		       dir);
	return arg;
}

Test(hostfs, tricks_of_the_host)
{
	uint64_t seen = 0, rnd = 1;
	pthread_t t;

	setup(0);
	fx_run("mkdir -p %s/../outside %s/d/sub/deep; echo secret > %s/../outside/f", dir, dir, dir);
	fx_run("echo open > %s/d/f; echo open > %s/d/sub/deep/f", dir, dir);
	pthread_create(&t, NULL, trickster, NULL);
	for (int i = 0; i < 20000 || seen < 200; i++) {
		static const char *const names[] = { "/d/f", "/d/sub/deep/f", "/d2/f", "/x/sub/deep/f", "/d/g" };
		const char *text = guest_text(names[fx_random(&rnd) % ARRAY_SIZE(names)]);

		cr_assert(!strstr(text, "secret"));
		seen += !strcmp(text, "open\n");
		cr_assert(i < 2000000, "only seen %lu times", (unsigned long)seen);
	}
	stop = true;
	pthread_join(t, NULL);
}
