/* SPDX-License-Identifier: Apache-2.0 */
/* Path walk, names and mounts over a tmpfs. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/vfs_fixture.h"
#include "vfs/internal.h"

TestSuite(namei, .init = vfs_world_new, .timeout = 400);

static void expect_text(const char *name, const char *want)
{
	struct file *f = must_open(name, LINUX_O_RDONLY);
	char buf[64] = "";

	cr_assert_eq(kernel_read(f, buf, sizeof(buf) - 1, 0), (int64_t)strlen(want), "%s", name);
	cr_assert_str_eq(buf, want);
	fput(f);
}

static void expect_path(const char *name, const char *want)
{
	struct path path, root;
	struct strbuf sb = STRBUF_INIT;

	cr_assert_eq(path_lookupat(LINUX_AT_FDCWD, name, LOOKUP_FOLLOW, &path), 0, "%s", name);
	fs_get_root(&root);
	cr_assert_eq(path_format(&path, &root, &sb), 0);
	cr_assert_str_eq(strbuf_str(&sb), want);
	strbuf_fini(&sb);
	path_put(&path);
	path_put(&root);
}

static void chdir_to(const char *name)
{
	struct path path;

	cr_assert_eq(path_lookupat(LINUX_AT_FDCWD, name, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &path), 0);
	fs_set_pwd(current_fs, &path);
}

Test(namei, walk)
{
	make_dir("/a");
	make_dir("/a/b");
	make_file("/a/b/f", "hello");
	/* Twice: from the filesystem, then from the cache. */
	for (int i = 0; i < 2; i++) {
		expect_text("/a/b/f", "hello");
		expect_text("//a///b/./../b/f", "hello");
		cr_assert_eq(lookup_err("/a/b/f/", 0), -LINUX_ENOTDIR);
		cr_assert_eq(lookup_err("/a/b/f/x", 0), -LINUX_ENOTDIR);
		cr_assert_eq(lookup_err("/a/b/f/.", 0), -LINUX_ENOTDIR);
		cr_assert_eq(lookup_err("/a/b/f/..", 0), -LINUX_ENOTDIR);
		cr_assert_eq(lookup_err("/a/none", 0), -LINUX_ENOENT);
		cr_assert_eq(lookup_err("/a/none/x", 0), -LINUX_ENOENT);
		cr_assert_eq(lookup_err("/a/none/..", 0), -LINUX_ENOENT);
		cr_assert_eq(lookup_err("", 0), -LINUX_ENOENT);
		cr_assert_eq(lookup_err("/", 0), 0);
		cr_assert_eq(lookup_err("/../../a/..", 0), 0);
		cr_assert_eq(lookup_err("/a/b/", 0), 0);
		expect_path("/a/b/../b/.", "/a/b");
		expect_path("/..", "/");
	}
	chdir_to("/a/b");
	expect_text("f", "hello");
	expect_text("../b/f", "hello");
	expect_path(".", "/a/b");
	expect_path("..", "/a");
	expect_path("../..", "/");
	expect_path("../../..", "/");
}

Test(namei, long_names)
{
	char name[300], path[5000];

	memset(name, 'x', sizeof(name));
	name[255] = '\0';
	cr_assert_eq(open_err(name, LINUX_O_CREAT), 0);
	cr_assert_eq(lookup_err(name, 0), 0);
	name[255] = 'x';
	name[256] = '\0';
	cr_assert_eq(lookup_err(name, 0), -LINUX_ENAMETOOLONG);
	cr_assert_eq(open_err(name, LINUX_O_CREAT), -LINUX_ENAMETOOLONG);
	cr_assert_eq(do_mkdirat(LINUX_AT_FDCWD, name, 0755), -LINUX_ENAMETOOLONG);
	/* A walk may be long. */
	make_dir("/d");
	path[0] = '\0';
	for (int i = 0; i < 1000; i++)
		strcat(path, i % 2 ? "/.." : "/d");
	cr_assert_eq(lookup_err(path, 0), 0);
}

Test(namei, symlinks)
{
	char name[64];

	make_dir("/a");
	make_dir("/a/b");
	make_file("/a/b/f", "text");
	make_link("b", "/a/rel");
	make_link("/a/b", "/abs");
	make_link("../a/b/f", "/a/up");
	make_link("self", "/self");
	make_link("/a/b/f/", "/slash");
	make_link("none", "/dangling");
	for (int i = 0; i < 2; i++) {
		expect_text("/a/rel/f", "text");
		expect_text("/abs/f", "text");
		expect_text("/a/up", "text");
		expect_path("/abs", "/a/b");
		expect_path("/abs/..", "/a");
		cr_assert_eq(lookup_err("/self", LOOKUP_FOLLOW), -LINUX_ELOOP);
		cr_assert_eq(lookup_err("/self", 0), 0);
		cr_assert_eq(lookup_err("/self/x", 0), -LINUX_ELOOP);
		cr_assert_eq(lookup_err("/slash", LOOKUP_FOLLOW), -LINUX_ENOTDIR);
		cr_assert_eq(lookup_err("/dangling", LOOKUP_FOLLOW), -LINUX_ENOENT);
		cr_assert_eq(lookup_err("/dangling", 0), 0);
		cr_assert_eq(lookup_err("/abs/", 0), 0);
		cr_assert_eq(open_err("/abs", LINUX_O_RDONLY | LINUX_O_NOFOLLOW), -LINUX_ELOOP);
		cr_assert_eq(open_err("/abs", LINUX_O_RDONLY | LINUX_O_NOFOLLOW | LINUX_O_DIRECTORY), -LINUX_ENOTDIR);
		cr_assert_eq(open_err("/abs", LINUX_O_PATH | LINUX_O_NOFOLLOW), 0);
	}
	/* 40 links are followed, 41 are not. */
	make_file("/l0", "end");
	for (int i = 1; i <= 41; i++) {
		char target[64];

		snprintf(target, sizeof(target), "l%d", i - 1);
		snprintf(name, sizeof(name), "/l%d", i);
		make_link(target, name);
	}
	expect_text("/l40", "end");
	expect_text("/l40", "end");
	cr_assert_eq(lookup_err("/l41", LOOKUP_FOLLOW), -LINUX_ELOOP);
	/* Through a dangling link a file is made where it points. */
	cr_assert_eq(open_err("/dangling", LINUX_O_CREAT | LINUX_O_EXCL), -LINUX_EEXIST);
	cr_assert_eq(open_err("/dangling", LINUX_O_CREAT), 0);
	cr_assert_eq(lookup_err("/none", 0), 0);
}

Test(namei, resolve)
{
	unsigned beneath = LOOKUP_FOLLOW | LOOKUP_BENEATH, in_root = LOOKUP_FOLLOW | LOOKUP_IN_ROOT;

	make_dir("/jail");
	make_dir("/jail/in");
	make_file("/jail/f", "in");
	make_file("/f", "out");
	make_link("/f", "/jail/abs");
	make_link("../f", "/jail/up");
	make_link("in", "/jail/ok");
	chdir_to("/jail");
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(lookup_err("f", beneath), 0);
		cr_assert_eq(lookup_err("in/../f", beneath), 0);
		cr_assert_eq(lookup_err("ok/../f", beneath), 0);
		cr_assert_eq(lookup_err("..", beneath), -LINUX_EXDEV);
		cr_assert_eq(lookup_err("in/../../jail/f", beneath), -LINUX_EXDEV);
		cr_assert_eq(lookup_err("/jail/f", beneath), -LINUX_EXDEV);
		cr_assert_eq(lookup_err("abs", beneath), -LINUX_EXDEV);
		cr_assert_eq(lookup_err("up", beneath), -LINUX_EXDEV);
		cr_assert_eq(lookup_err("ok", LOOKUP_FOLLOW | LOOKUP_NO_SYMLINKS), -LINUX_ELOOP);
		cr_assert_eq(lookup_err("abs", in_root), 0);
		cr_assert_eq(lookup_err("up", in_root), 0);
		cr_assert_eq(lookup_err("/../../f", in_root), 0);
		cr_assert_eq(lookup_err("/jail/f", in_root), -LINUX_ENOENT);
	}
}

Test(namei, creation_errors)
{
	make_dir("/d");
	make_file("/f", "x");
	make_link("nowhere", "/l");
	cr_assert_eq(do_mkdirat(LINUX_AT_FDCWD, "/d", 0755), -LINUX_EEXIST);
	cr_assert_eq(do_mkdirat(LINUX_AT_FDCWD, "/", 0755), -LINUX_EEXIST);
	cr_assert_eq(do_mkdirat(LINUX_AT_FDCWD, "/d/.", 0755), -LINUX_EEXIST);
	cr_assert_eq(do_mkdirat(LINUX_AT_FDCWD, "/d/..", 0755), -LINUX_EEXIST);
	cr_assert_eq(do_mkdirat(LINUX_AT_FDCWD, "/l", 0755), -LINUX_EEXIST);
	cr_assert_eq(do_mkdirat(LINUX_AT_FDCWD, "/x/", 0755), 0);
	cr_assert_eq(do_mkdirat(LINUX_AT_FDCWD, "/f/x", 0755), -LINUX_ENOTDIR);
	cr_assert_eq(open_err("/new/", LINUX_O_CREAT), -LINUX_EISDIR);
	cr_assert_eq(open_err("/d", LINUX_O_CREAT), -LINUX_EISDIR);
	cr_assert_eq(open_err("/d", LINUX_O_WRONLY), -LINUX_EISDIR);
	cr_assert_eq(open_err("/d/.", LINUX_O_CREAT), -LINUX_EISDIR);
	cr_assert_eq(open_err("/f", LINUX_O_DIRECTORY), -LINUX_ENOTDIR);
	cr_assert_eq(open_err("/f/", 0), -LINUX_ENOTDIR);
	cr_assert_eq(open_err("/f", LINUX_O_CREAT | LINUX_O_EXCL), -LINUX_EEXIST);
	cr_assert_eq(open_err("/f", LINUX_O_CREAT | LINUX_O_DIRECTORY), -LINUX_EINVAL);
	cr_assert_eq(do_mknodat(LINUX_AT_FDCWD, "/n/", LINUX_S_IFREG | 0644, 0), -LINUX_ENOENT);
	cr_assert_eq(do_mknodat(LINUX_AT_FDCWD, "/n", LINUX_S_IFDIR | 0644, 0), -LINUX_EPERM);
	cr_assert_eq(do_mknodat(LINUX_AT_FDCWD, "/n", LINUX_S_IFLNK | 0644, 0), -LINUX_EINVAL);
	cr_assert_eq(do_symlinkat("", LINUX_AT_FDCWD, "/e"), -LINUX_ENOENT);
	cr_assert_eq(do_linkat(LINUX_AT_FDCWD, "/d", LINUX_AT_FDCWD, "/e", 0), -LINUX_EPERM);
	cr_assert_eq(do_linkat(LINUX_AT_FDCWD, "/f", LINUX_AT_FDCWD, "/d", 0), -LINUX_EEXIST);
	cr_assert_eq(do_unlinkat(LINUX_AT_FDCWD, "/d"), -LINUX_EISDIR);
	cr_assert_eq(do_unlinkat(LINUX_AT_FDCWD, "/f/"), -LINUX_ENOTDIR);
	cr_assert_eq(do_unlinkat(LINUX_AT_FDCWD, "/"), -LINUX_EISDIR);
	cr_assert_eq(do_unlinkat(LINUX_AT_FDCWD, "/none"), -LINUX_ENOENT);
	cr_assert_eq(do_rmdirat(LINUX_AT_FDCWD, "/f"), -LINUX_ENOTDIR);
	cr_assert_eq(do_rmdirat(LINUX_AT_FDCWD, "/d/."), -LINUX_EINVAL);
	cr_assert_eq(do_rmdirat(LINUX_AT_FDCWD, "/d/.."), -LINUX_ENOTEMPTY);
	cr_assert_eq(do_rmdirat(LINUX_AT_FDCWD, "/"), -LINUX_EBUSY);
	make_dir("/d/sub");
	cr_assert_eq(do_rmdirat(LINUX_AT_FDCWD, "/d"), -LINUX_ENOTEMPTY);
	cr_assert_eq(do_rmdirat(LINUX_AT_FDCWD, "/d/sub/"), 0);
	cr_assert_eq(do_rmdirat(LINUX_AT_FDCWD, "/d"), 0);
	cr_assert_eq(lookup_err("/d", 0), -LINUX_ENOENT);
}

Test(namei, removed_directory)
{
	make_dir("/d");
	chdir_to("/d");
	cr_assert_eq(do_rmdirat(LINUX_AT_FDCWD, "/d"), 0);
	cr_assert_eq(lookup_err(".", 0), 0);
	cr_assert_eq(lookup_err("x", 0), -LINUX_ENOENT);
	cr_assert_eq(open_err("x", LINUX_O_CREAT), -LINUX_ENOENT);
	cr_assert_eq(do_mkdirat(LINUX_AT_FDCWD, "x", 0755), -LINUX_ENOENT);
	expect_path(".", "/d (deleted)");
	expect_path("..", "/");
	make_dir("/d");
	cr_assert_eq(lookup_err("x", 0), -LINUX_ENOENT);
}

static int rename_err(const char *from, const char *to, unsigned flags)
{
	return do_renameat2(LINUX_AT_FDCWD, from, LINUX_AT_FDCWD, to, flags);
}

Test(namei, rename)
{
	make_dir("/a");
	make_dir("/a/b");
	make_dir("/c");
	make_file("/f", "f");
	make_file("/g", "g");
	cr_assert_eq(rename_err("/a", "/a/b/c", 0), -LINUX_EINVAL);
	cr_assert_eq(rename_err("/a", "/a/x", 0), -LINUX_EINVAL);
	cr_assert_eq(rename_err("/a/b", "/a", 0), -LINUX_ENOTEMPTY);
	cr_assert_eq(rename_err("/f", "/a", 0), -LINUX_EISDIR);
	cr_assert_eq(rename_err("/a", "/f", 0), -LINUX_ENOTDIR);
	cr_assert_eq(rename_err("/c", "/a", 0), -LINUX_ENOTEMPTY);
	cr_assert_eq(rename_err("/f/", "/h", 0), -LINUX_ENOTDIR);
	cr_assert_eq(rename_err("/f", "/h/", 0), -LINUX_ENOTDIR);
	cr_assert_eq(rename_err("/none", "/h", 0), -LINUX_ENOENT);
	cr_assert_eq(rename_err("/a/.", "/h", 0), -LINUX_EBUSY);
	cr_assert_eq(rename_err("/f", "/g", LINUX_RENAME_NOREPLACE), -LINUX_EEXIST);
	cr_assert_eq(rename_err("/f", "/h", LINUX_RENAME_EXCHANGE), -LINUX_ENOENT);
	cr_assert_eq(rename_err("/f", "/g", LINUX_RENAME_EXCHANGE), 0);
	expect_text("/f", "g");
	expect_text("/g", "f");
	cr_assert_eq(rename_err("/f", "/f", 0), 0);
	cr_assert_eq(rename_err("/f", "/g", 0), 0);
	cr_assert_eq(lookup_err("/f", 0), -LINUX_ENOENT);
	expect_text("/g", "g");
	cr_assert_eq(rename_err("/g", "/a/b/h", 0), 0);
	cr_assert_eq(lookup_err("/g", 0), -LINUX_ENOENT);
	expect_text("/a/b/h", "g");
	chdir_to("/a/b");
	cr_assert_eq(rename_err("/a/b", "/c/moved", 0), 0);
	expect_path(".", "/c/moved");
	expect_path("..", "/c");
	expect_text("/c/moved/h", "g");
	cr_assert_eq(rename_err("/c/moved", "/a", LINUX_RENAME_EXCHANGE), 0);
	expect_path(".", "/a");
	expect_text("/a/h", "g");
	cr_assert_eq(rename_err("/a/h", "/w", LINUX_RENAME_WHITEOUT), 0);
	expect_text("/w", "g");
	cr_assert_eq(lookup_err("/a/h", 0), 0);
}

/* A directory in use has one dentry, whatever the cache forgets: rename locks by it, and finds loops by it. */
Test(namei, one_dentry)
{
	struct path before, after;

	make_dir("/a");
	make_dir("/a/b");
	make_dir("/a/b/c");
	chdir_to("/a/b/c");
	fs_get_pwd(&before);
	dcache_shrink_tree(current_fs->root.dentry);
	cr_assert_eq(path_lookupat(LINUX_AT_FDCWD, "/a/b/c", 0, &after), 0);
	cr_assert_eq(before.dentry, after.dentry);
	path_put(&before);
	path_put(&after);
	chdir_to("/");
	dcache_shrink_tree(current_fs->root.dentry);
	cr_assert_eq(rename_err("/a/b", "/a/b/c/d", 0), -LINUX_EINVAL);
	cr_assert_eq(rename_err("/a/b/c", "/c", 0), 0);
}

Test(namei, mounts)
{
	struct path where;
	struct strbuf sb = STRBUF_INIT;

	make_dir("/m");
	make_dir("/m/hidden");
	cr_assert_eq(path_lookupat(LINUX_AT_FDCWD, "/m", LOOKUP_FOLLOW, &where), 0);
	cr_assert_eq(do_mount("t", &where, "tmpfs", LINUX_MS_NOSUID, "size=1m,mode=700"), 0);
	path_put(&where);
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(lookup_err("/m/hidden", 0), -LINUX_ENOENT);
		cr_assert_eq(lookup_err("/m", LOOKUP_NO_XDEV), -LINUX_EXDEV);
		expect_path("/m/..", "/");
		expect_path("/m", "/m");
	}
	cr_assert_eq(do_rmdirat(LINUX_AT_FDCWD, "/m"), -LINUX_EBUSY);
	make_dir("/m/new");
	cr_assert_eq(rename_err("/m/new", "/new", 0), -LINUX_EXDEV);
	cr_assert_eq(do_linkat(LINUX_AT_FDCWD, "/m/new", LINUX_AT_FDCWD, "/x", 0), -LINUX_EXDEV);
	chdir_to("/m/new");
	expect_path(".", "/m/new");
	cr_assert_eq(lookup_err("..", LOOKUP_NO_XDEV), 0);
	cr_assert_eq(lookup_err("../..", LOOKUP_NO_XDEV), -LINUX_EXDEV);
	fs_get_root(&where);
	cr_assert_eq(mounts_show(where.mnt->ns, &where, MOUNTS_MOUNTS, &sb), 0);
	path_put(&where);
	cr_assert_not_null(strstr(strbuf_str(&sb), "t /m tmpfs rw,nosuid,relatime,size=1024k,mode=700,inode64 0 0\n"));
	cr_assert_eq(path_lookupat(LINUX_AT_FDCWD, "/m", LOOKUP_FOLLOW, &where), 0);
	cr_assert_eq(do_umount(&where, 0), -LINUX_EBUSY);
	chdir_to("/");
	cr_assert_eq(do_umount(&where, 0), 0);
	path_put(&where);
	cr_assert_eq(lookup_err("/m/hidden", 0), 0);
	cr_assert_eq(do_rmdirat(LINUX_AT_FDCWD, "/m/hidden"), 0);
	strbuf_fini(&sb);
}

Test(namei, bind_and_chroot)
{
	struct path where;

	make_dir("/src");
	make_dir("/src/sub");
	make_file("/src/sub/f", "bound");
	make_dir("/dst");
	cr_assert_eq(path_lookupat(LINUX_AT_FDCWD, "/dst", LOOKUP_FOLLOW, &where), 0);
	cr_assert_eq(do_mount("/src/sub", &where, NULL, LINUX_MS_BIND, NULL), 0);
	path_put(&where);
	expect_text("/dst/f", "bound");
	expect_path("/dst/..", "/");
	cr_assert_eq(path_lookupat(LINUX_AT_FDCWD, "/dst", LOOKUP_FOLLOW, &where), 0);
	cr_assert_eq(do_mount(NULL, &where, NULL, LINUX_MS_REMOUNT | LINUX_MS_BIND | LINUX_MS_RDONLY, NULL), 0);
	cr_assert_eq(open_err("/dst/f", LINUX_O_WRONLY), -LINUX_EROFS);
	cr_assert_eq(open_err("/dst/new", LINUX_O_CREAT), -LINUX_EROFS);
	cr_assert_eq(open_err("/dst/f", LINUX_O_CREAT), 0);
	cr_assert_eq(do_unlinkat(LINUX_AT_FDCWD, "/dst/none"), -LINUX_EROFS);
	cr_assert_eq(open_err("/src/sub/new", LINUX_O_CREAT), 0);
	expect_text("/dst/new", "");
	fs_set_root(current_fs, &where);
	expect_text("/f", "bound");
	expect_text("/../../f", "bound");
	cr_assert_eq(lookup_err("/src", 0), -LINUX_ENOENT);
}

Test(namei, permissions)
{
	struct cred *user = cred_new(1000, 1000, 1, (uint32_t[]){ 50 });
	const struct cred *root = current_cred;

	make_dir("/closed");
	make_file("/closed/f", "x");
	make_dir("/sticky");
	make_file("/sticky/roots", "x");
	make_file("/group", "x");
	cr_assert_eq(vfs_chmod(&(struct path){ current_fs->root.mnt, current_fs->root.dentry }, 0755), 0);
	struct path p;
	cr_assert_eq(path_lookupat(LINUX_AT_FDCWD, "/closed", 0, &p), 0);
	cr_assert_eq(vfs_chmod(&p, 0700), 0);
	path_put(&p);
	cr_assert_eq(path_lookupat(LINUX_AT_FDCWD, "/sticky", 0, &p), 0);
	cr_assert_eq(vfs_chmod(&p, 01777), 0);
	path_put(&p);
	cr_assert_eq(path_lookupat(LINUX_AT_FDCWD, "/group", 0, &p), 0);
	cr_assert_eq(vfs_chown(&p, UINT32_MAX, 50), 0);
	cr_assert_eq(vfs_chmod(&p, 0640), 0);
	path_put(&p);
	current_cred = user;
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(lookup_err("/closed/f", 0), -LINUX_EACCES);
		cr_assert_eq(lookup_err("/closed/none", 0), -LINUX_EACCES);
		cr_assert_eq(open_err("/new", LINUX_O_CREAT), -LINUX_EACCES);
		cr_assert_eq(open_err("/group", LINUX_O_RDONLY), 0);
		cr_assert_eq(open_err("/group", LINUX_O_RDWR), -LINUX_EACCES);
		cr_assert_eq(do_unlinkat(LINUX_AT_FDCWD, "/sticky/roots"), -LINUX_EPERM);
	}
	make_file("/sticky/mine", "x");
	cr_assert_eq(path_lookupat(LINUX_AT_FDCWD, "/sticky/mine", 0, &p), 0);
	cr_assert_eq(vfs_chown(&p, 0, UINT32_MAX), -LINUX_EPERM);
	cr_assert_eq(vfs_chown(&p, 1000, 50), 0);
	cr_assert_eq(vfs_chmod(&p, 06777), 0);
	cr_assert_eq(p.dentry->inode->mode & 07777, 06777);
	cr_assert_eq(vfs_chown(&p, UINT32_MAX, UINT32_MAX), 0);
	cr_assert_eq(p.dentry->inode->mode & 07777, 0777);
	cr_assert_eq(vfs_chmod(&p, 06777), 0);
	struct file *f = must_open("/sticky/mine", LINUX_O_WRONLY);
	cr_assert_eq(kernel_write(f, "y", 1, 0), 1);
	fput(f);
	cr_assert_eq(p.dentry->inode->mode & 07777, 0777);
	path_put(&p);
	cr_assert_eq(do_unlinkat(LINUX_AT_FDCWD, "/sticky/mine"), 0);
	current_cred = root;
	cred_put(user);
}

/* Random operations against a table of what exists; every name is looked up afterwards. */
#define NR_NAMES 40

Test(namei, random)
{
	bool exists[NR_NAMES] = { false };
	char a[32], b[32];

	srand(11);
	make_dir("/x");
	make_dir("/y");
	for (int round = 0; round < 20000; round++) {
		int i = rand() % NR_NAMES, j = rand() % NR_NAMES;

		snprintf(a, sizeof(a), "/%c/n%d", i % 2 ? 'x' : 'y', i);
		snprintf(b, sizeof(b), "/%c/n%d", j % 2 ? 'x' : 'y', j);
		switch (rand() % 4) {
		case 0:
			cr_assert_eq(open_err(a, LINUX_O_CREAT | LINUX_O_EXCL), exists[i] ? -LINUX_EEXIST : 0);
			exists[i] = true;
			break;
		case 1:
			cr_assert_eq(do_unlinkat(LINUX_AT_FDCWD, a), exists[i] ? 0 : -LINUX_ENOENT);
			exists[i] = false;
			break;
		case 2:
			cr_assert_eq(rename_err(a, b, 0), exists[i] ? 0 : -LINUX_ENOENT);
			if (exists[i] && i != j) {
				exists[i] = false;
				exists[j] = true;
			}
			break;
		default:
			cr_assert_eq(lookup_err(a, 0), exists[i] ? 0 : -LINUX_ENOENT);
		}
	}
}
