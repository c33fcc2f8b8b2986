/* SPDX-License-Identifier: Apache-2.0 */
/* Writing ext4 on a host that fails: a full disk, I/O errors, an image that is cut or damaged. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/unit/ext4_rw_fixture.h"
#include "vfs/ext4/ext4_trace.h"
#include "vfs/super.h"

TestSuite(ext4_fault, .timeout = 800);

/*
 * The host's disk is full before the image is: the guest is told, nothing is torn, and what was synchronised is there when the
 * image is recovered on a disk with room.
 */
Test(ext4_fault, host_disk_full)
{
	char mnt[120], inner[140];
	int err = 0;

	names_set();
	if (geteuid())
		return;
	snprintf(mnt, sizeof(mnt), "%s/mnt", fx_tmpdir());
	snprintf(inner, sizeof(inner), "%s/img", mnt);
	if (!fx_try("mkdir %s && mount -t tmpfs -o size=12m none %s", mnt, mnt))
		return;
	mkfs("-t ext4 -b 4096 -J size=4 -E lazy_itable_init=1", "64M");
	fx_run("cp --sparse=always %s %s", img, inner);
	sb = ext4_open_image_rw(inner, 0, &why);
	fx_check(!IS_ERR(sb), "open: %s", strbuf_str(&why));
	fx_root(sb);
	cr_assert_eq(fill("/first", 100000), 0);
	for (unsigned i = 0; i < 40 && !err; i++) {
		char name[16];

		snprintf(name, sizeof(name), "/f%u", i);
		err = fill(name, 1000000);
	}
	cr_assert(err == -LINUX_ENOSPC || err == -LINUX_EIO || err == -LINUX_EROFS, "%d", err);
	cr_assert_eq(file_size_of("/first"), 100000);
	fx_unroot();
	fx_run("cp --sparse=always %s %s; umount %s", inner, img, mnt);
	fx_run("e2fsck -p %s >/dev/null; test $? -le 1", img);
	image_check("host full");
	image_mount();
	cr_assert_eq(file_size_of("/first"), 100000);
	image_unmount("host full, again");
}

static uint64_t fault_rnd;
static unsigned fault_one_in;
static bool fault_kinds[3];

static int fault(enum ext4_io what, uint64_t off, size_t len)
{
	(void)off, (void)len;
	if (!fault_kinds[what] || fx_random(&fault_rnd) % fault_one_in)
		return 0;
	return what == EXT4_IO_READ || fx_random(&fault_rnd) % 2 ? -LINUX_EIO : -LINUX_ENOSPC;
}

static void faulty_op(unsigned i)
{
	char name[32], other[32];
	struct file *f;

	snprintf(name, sizeof(name), "/d%u/f%u", (unsigned)(fx_random(&fault_rnd) % 3), (unsigned)(fx_random(&fault_rnd) % 40));
	snprintf(other, sizeof(other), "/d%u/f%u", (unsigned)(fx_random(&fault_rnd) % 3), (unsigned)(fx_random(&fault_rnd) % 40));
	switch (i % 7) {
	case 0:
		(void)do_unlinkat(LINUX_AT_FDCWD, name);
		break;
	case 1:
		(void)do_renameat2(LINUX_AT_FDCWD, name, LINUX_AT_FDCWD, other, 0);
		break;
	case 2:
		(void)do_linkat(LINUX_AT_FDCWD, name, LINUX_AT_FDCWD, other, 0);
		break;
	case 3:
		(void)sb_sync(sb);
		break;
	case 4:
		f = filp_open(name, LINUX_O_RDWR, 0);
		if (IS_ERR(f))
			break;
		(void)file_truncate(f, fx_random(&fault_rnd) % 200000);
		(void)vfs_fallocate(f, fx_random(&fault_rnd) % 2 ? LINUX_FALLOC_FL_COLLAPSE_RANGE : LINUX_FALLOC_FL_INSERT_RANGE,
				    4096, 8192);
		mapping_drop_clean(&f->inode->mapping);
		fput(f);
		break;
	default:
		(void)fill(name, fx_random(&fault_rnd) % 300000);
	}
}

/*
 * Errors of the host, now and then, of each kind: what was synchronised before is there, nothing crashes, and the image is
 * recovered.  Reads that fail only fail what asked; after a write of the log or a flush that failed nothing is written any more.
 */
Test(ext4_fault, host_errors)
{
	names_set();
	for (unsigned round = 0; round < 24; round++) {
		mkfs(round % 2 ? "-t ext4 -b 1024" : "-t ext4 -b 4096", "32M");
		image_mount();
		for (unsigned i = 0; i < 3; i++)
			cr_assert_eq(do_mkdirat(LINUX_AT_FDCWD, i == 0 ? "/d0" : i == 1 ? "/d1" : "/d2", 0755), 0);
		cr_assert_eq(fill("/kept", 123456), 0);
		cr_assert_eq(sb_sync(sb), 0);
		fault_rnd = round;
		fault_one_in = 3 + round * 4;
		for (unsigned i = 0; i < 3; i++)
			fault_kinds[i] = round % 4 == 3 || round % 4 == i;
		ext4_image_fault = fault;
		for (unsigned i = 0; i < 400; i++)
			faulty_op(i);
		(void)sb_sync(sb);
		fx_unroot();
		ext4_image_fault = NULL;
		fx_run("e2fsck -p %s >%s/fsck 2>&1; test $? -le 1 || { cat %s/fsck; false; } >&2", img, fx_tmpdir(), fx_tmpdir());
		image_check("host errors");
		image_mount();
		cr_assert_eq(file_size_of("/kept"), 123456);
		image_unmount("host errors, again");
	}
}

/* Someone makes the image shorter: who writes is told, and it does not grow again unnoticed. */
Test(ext4_fault, image_cut)
{
	int err = 0;

	names_set();
	mkfs("-t ext4 -b 4096", "64M");
	image_mount();
	cr_assert_eq(fill("/first", 100000), 0);
	fx_run("truncate -s 20M %s", img);
	for (unsigned i = 0; i < 10 && !err; i++)
		err = fill("/more", 1000000);
	cr_assert(err == -LINUX_EIO || err == -LINUX_EROFS, "%d", err);
	cr_assert_eq(do_mkdirat(LINUX_AT_FDCWD, "/d", 0755), -LINUX_EROFS);
	fx_unroot();
}

/* Damage that is met while the image is written is marked in it; with errors=remount-ro nothing is written any more. */
Test(ext4_fault, damage_met)
{
	names_set();
	for (unsigned ro = 0; ro < 2; ro++) {
		fx_run("rm -rf %s %s; mkdir -p %s/d; touch %s/d/f", src, img, src, src);
		fx_run("mke2fs -q -F -E root_owner -t ext4 -b 4096 -O ^metadata_csum -d %s %s 64M >/dev/null 2>&1 && "
		       "tune2fs -e %s %s >/dev/null && "
		       "debugfs -w -R 'set_inode_field /d block[2] 0xfffffff0' %s >/dev/null 2>&1 && "
		       "debugfs -w -R 'set_inode_field /d block[5] 0xfffffff0' %s >/dev/null 2>&1", src, img,
		       ro ? "remount-ro" : "continue", img, img, img);
		image_mount();
		cr_assert_eq(file_size_of("/d/f"), -LINUX_EUCLEAN);
		cr_assert_eq(do_mkdirat(LINUX_AT_FDCWD, "/e", 0755), ro ? -LINUX_EROFS : 0);
		fx_unroot();
		if (!ro)
			fx_run("dumpe2fs -h %s 2>/dev/null | grep -q 'clean with errors'", img);
	}
}
