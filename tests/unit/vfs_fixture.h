/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small world for tests of the VFS: frames, a tmpfs as root, this thread's root, working directory and descriptors.
 */
#ifndef SENTRY_TESTS_UNIT_VFS_FIXTURE_H
#define SENTRY_TESTS_UNIT_VFS_FIXTURE_H

#include <criterion/criterion.h>
#include <string.h>

#include "sentry/abi/fcntl.h"
#include "sentry/abi/fs.h"
#include "vfs/tmpfs/tmpfs.h"
#include "vfs/vfs.h"

static inline void vfs_world_thread(struct fs_struct *fs, struct files_struct *files)
{
	current_fs = fs;
	current_files = files;
}

static inline void vfs_world_new(void)
{
	struct super_block *sb;
	struct path root;

	cr_assert_eq(frames_init(256UL << 20), 0);
	cr_assert_eq(vfs_init(), 0);
	sb = tmpfs_sb_new(&tmpfs_type, 0, NULL);
	cr_assert(!IS_ERR(sb));
	cr_assert(!IS_ERR(mnt_namespace_new(sb, 0, &root)));
	vfs_world_thread(fs_struct_new(&root, &root), files_new());
	path_put(&root);
	current_fs->umask = 022;
}

static inline struct file *must_open(const char *name, uint32_t flags)
{
	struct file *f = filp_open(name, flags, 0644);

	cr_assert(!IS_ERR(f), "%s: %ld", name, PTR_ERR(f));
	return f;
}

static inline void make_file(const char *name, const char *text)
{
	struct file *f = must_open(name, LINUX_O_CREAT | LINUX_O_WRONLY);

	cr_assert_eq(kernel_write(f, text, strlen(text), 0), (int64_t)strlen(text));
	fput(f);
}

static inline void make_dir(const char *name)
{
	cr_assert_eq(do_mkdirat(LINUX_AT_FDCWD, name, 0755), 0, "%s", name);
}

static inline void make_link(const char *target, const char *name)
{
	cr_assert_eq(do_symlinkat(target, LINUX_AT_FDCWD, name), 0, "%s", name);
}

static inline void sleep_ms(int64_t ms)
{
	deadline_t end = deadline_after(ms * 1000000);

	while (monotonic_ns() < end)
		(void)sleeper_sleep(SLEEP_UNINTERRUPTIBLE, end);
}

/* The error of looking @name up, or 0. */
static inline int lookup_err(const char *name, unsigned flags)
{
	struct path path;
	int err = path_lookupat(LINUX_AT_FDCWD, name, flags, &path);

	if (!err)
		path_put(&path);
	return err;
}

static inline int open_err(const char *name, uint32_t flags)
{
	struct file *f = filp_open(name, flags, 0644);

	if (IS_ERR(f))
		return (int)PTR_ERR(f);
	fput(f);
	return 0;
}

#endif
