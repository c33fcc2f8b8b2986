/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The overlay: against the host's kernel, over an image and over a directory; and what it promises beyond that.
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

TestSuite(overlay, .timeout = 240);

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
		fx_run("mke2fs -q -F -d %s %s %s 300M >/dev/null", src, mkfs, img);
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
