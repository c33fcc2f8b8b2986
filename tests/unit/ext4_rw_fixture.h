/* SPDX-License-Identifier: Apache-2.0 */
/* An ext4 image that is written: made, mounted as the root, checked; files of it. */
#ifndef TESTS_UNIT_EXT4_RW_FIXTURE_H
#define TESTS_UNIT_EXT4_RW_FIXTURE_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "sentry/abi/fcntl.h"
#include "tests/unit/fs_fixture.h"
#include "vfs/ext4/ext4.h"

static struct strbuf why;
static char src[100], img[100];
static struct super_block *sb;

static inline void names_set(void)
{
	fx_init();
	snprintf(src, sizeof(src), "%s/src/t", fx_tmpdir());
	snprintf(img, sizeof(img), "%s/img", fx_tmpdir());
}

static inline void mkfs(const char *opts, const char *size)
{
	fx_run("rm -f %s; mke2fs -q -F -E root_owner %s %s %s >/dev/null 2>&1", img, opts, img, size);
}

static inline void image_mount(void)
{
	strbuf_reset(&why);
	sb = ext4_open_image_rw(img, 0, &why);
	fx_check(!IS_ERR(sb), "open: %s", strbuf_str(&why));
	fx_root(sb);
}

static inline void image_check(const char *when)
{
	fx_check(fx_try("e2fsck -fn %s > %s/fsck 2>&1", img, fx_tmpdir()) || (fx_run("cat %s/fsck >&2", fx_tmpdir()), false),
		 "e2fsck: %s", when);
}

static inline void image_unmount(const char *when)
{
	fx_unroot();
	image_check(when);
}

static inline int fill(const char *name, size_t len)
{
	static char data[65536];
	struct file *f = filp_open(name, LINUX_O_RDWR | LINUX_O_CREAT, 0644);
	int64_t n = 0;
	int err;

	if (IS_ERR(f))
		return PTR_ERR(f);
	memset(data, 'x', sizeof(data));
	for (uint64_t pos = 0; pos < len; pos += n) {
		n = kernel_write(f, data, MIN(len - pos, sizeof(data)), pos);
		if (n < 0)
			break;
	}
	err = vfs_fsync(f, false);
	fput(f);
	return n < 0 ? n : err;
}

static inline int64_t file_size_of(const char *name)
{
	struct kstat st;
	struct path p;
	int err = path_lookupat(LINUX_AT_FDCWD, name, 0, &p);

	if (err)
		return err;
	err = vfs_getattr(&p, &st);
	path_put(&p);
	return err ? err : (int64_t)st.size;
}

#endif
