/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many threads in one small tree: for the sanitizers.  What can be checked with everything going on at once is that answers are
 * among the possible ones, that a file only ever shows bytes that were written to some file, and that all ends well.
 *
 * timeout: 240
 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sentry/abi/fcntl.h"
#include "sentry/abi/fs.h"
#include "tests/unit/fs_fixture.h"
#include "vfs/ext4/ext4.h"
#include "vfs/hostfs/hostfs.h"
#include "vfs/internal.h"
#include "vfs/overlay/overlay.h"

TestSuite(fs_storm, .timeout = 800);

#define NR_THREADS 4
#define NR_NAMES 6

#ifdef __SANITIZE_THREAD__
static unsigned rounds = 600;
#else
static unsigned rounds = 3000;
#endif
static struct fs_struct *shared_fs;
static struct strbuf why;

/*
 * What is a race by design, as it is in Linux: the words of a file that is read while it is written; attributes, single words
 * that are read without a lock; the inode of a dentry, set once while others look.
 * The order among directories is that of the tree, which renames change: rename_lock keeps it, unseen.
 */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
	return "race:iter_kernel\nrace:punch_part\nrace:mapping_update\n"
	       "race:attrs_copy_locked\nrace:setattr_copy\nrace:inode_touch_\nrace:contents_changed\n"
	       "race:resize_host\nrace:hostfs_attrs_set\nrace:write_chunk\n"
	       "race:dentry_instantiate\nrace:dentry_delete\nrace:step_into\n"
	       "deadlock:lock_rename\ndeadlock:rename_locked\ndeadlock:rmdir_locked\n";
}

static void name_pick(uint64_t *rnd, char name[64])
{
	size_t len = 0;

	for (unsigned i = 0, depth = 1 + fx_random(rnd) % 3; i < depth; i++)
		len += sprintf(name + len, "/%c", (int)('a' + fx_random(rnd) % NR_NAMES));
}

/* Words are all of one letter, or zero. */
static void read_check(struct file *f)
{
	char buf[3 * PAGE_SIZE];
	int64_t n = kernel_read(f, buf, sizeof(buf), 0);

	for (int64_t i = 0; i < n; i++)
		if (buf[i] && (buf[i] < 'A' || buf[i] > 'Z'))
			fx_fail("byte %ld is %#x", (long)i, buf[i] & 255);
}

static void use_file(uint64_t *rnd, struct file *f)
{
	char buf[PAGE_SIZE * 2];
	uint64_t off = fx_random(rnd) % (3 * PAGE_SIZE);

	switch (fx_random(rnd) % 6) {
	case 0:
	case 1:
		memset(buf, 'A' + fx_random(rnd) % 26, sizeof(buf));
		kernel_write(f, buf, 1 + fx_random(rnd) % sizeof(buf), off);
		break;
	case 2:
		file_truncate(f, off);
		break;
	case 3:
		vfs_fallocate(f, LINUX_FALLOC_FL_PUNCH_HOLE | LINUX_FALLOC_FL_KEEP_SIZE, off, 1 + fx_random(rnd) % 9000);
		break;
	case 4:
		vfs_llseek(f, off, LINUX_SEEK_DATA);
		vfs_llseek(f, off, LINUX_SEEK_HOLE);
		break;
	default:
		read_check(f);
	}
}

static bool count_emit(struct dir_context *ctx, const char *name, size_t len, uint64_t ino, unsigned type, uint64_t next)
{
	(void)ctx, (void)name, (void)ino, (void)type, (void)next;
	if (!len)
		fx_fail("a name without letters");
	return true;
}

static void list(const char *name)
{
	struct file *f = filp_open(name, LINUX_O_RDONLY | LINUX_O_DIRECTORY, 0);
	struct dir_context ctx = { .emit = count_emit };

	if (IS_ERR(f))
		return;
	rwlock_read(&f->inode->i_rwsem);
	f->ops->iterate(f, &ctx);
	rwlock_unlock(&f->inode->i_rwsem);
	fput(f);
}

static void attributes(const char *name, uint64_t *rnd)
{
	struct timespec64 times[2] = { { 1, 2 }, { 3, 4 } };
	char buf[64];
	struct kstat st;
	struct path p;

	if (path_lookupat(LINUX_AT_FDCWD, name, 0, &p))
		return;
	vfs_getattr(&p, &st);
	vfs_getxattr(&p, "user.a", buf, sizeof(buf));
	if (LINUX_S_ISREG(st.mode))
		vfs_setxattr(&p, "user.a", "value", fx_random(rnd) % 5, 0);
	vfs_chmod(&p, 0700 | fx_random(rnd) % 0100);
	vfs_utimes(&p, times);
	path_put(&p);
}

static void step(uint64_t *rnd)
{
	char a[64], b[64];
	struct file *f;

	name_pick(rnd, a);
	name_pick(rnd, b);
	switch (fx_random(rnd) % 16) {
	case 0:
		do_mkdirat(LINUX_AT_FDCWD, a, 0755);
		break;
	case 1:
		do_unlinkat(LINUX_AT_FDCWD, a);
		break;
	case 2:
		do_rmdirat(LINUX_AT_FDCWD, a);
		break;
	case 3:
	case 4:
		do_renameat2(LINUX_AT_FDCWD, a, LINUX_AT_FDCWD, b, fx_random(rnd) % 3);
		break;
	case 5:
		do_linkat(LINUX_AT_FDCWD, a, LINUX_AT_FDCWD, b, 0);
		break;
	case 6:
		do_symlinkat("a", LINUX_AT_FDCWD, a);
		break;
	case 7:
		list(a);
		break;
	case 8:
		attributes(a, rnd);
		break;
	case 9:
		if (fx_random(rnd) % 8 == 0)
			pagecache_drop_all();
		if (fx_random(rnd) % 8 == 0)
			dcache_shrink_tree(current_fs->root.dentry);
		break;
	default:
		f = filp_open(a, LINUX_O_RDWR | (fx_random(rnd) % 2 ? LINUX_O_CREAT : 0), 0644);
		if (IS_ERR(f))
			break;
		for (int i = 0; i < 4; i++)
			use_file(rnd, f);
		fput(f);
	}
}

static void *storm(void *arg)
{
	uint64_t rnd = (uint64_t)arg;

	current_fs = shared_fs;
	for (unsigned i = 0; i < rounds; i++)
		step(&rnd);
	current_fs = NULL;
	return NULL;
}

/* The tree the threads start with: letters and directories. */
static void make_lower(char dir[100])
{
	snprintf(dir, 100, "%s/lower", fx_tmpdir());
	fx_run("mkdir %s; cd %s; for d in a b c; do mkdir -p $d/a $d/b; for f in c d; do head -c 9000 /dev/zero | tr '\\0' Q > $d/$f;"
	       "ln $d/$f $d/a/$f; done; done; head -c 20000 /dev/zero | tr '\\0' R > d", dir, dir);
}

static void run(struct super_block *sb)
{
	pthread_t threads[NR_THREADS];

	fx_root(sb);
	shared_fs = current_fs;
	for (uint64_t i = 0; i < NR_THREADS; i++)
		pthread_create(&threads[i], NULL, storm, (void *)(i + 1));
	for (int i = 0; i < NR_THREADS; i++)
		pthread_join(threads[i], NULL);
	list("/");
	fx_unroot();
}

Test(fs_storm, overlay_over_ext4)
{
	char lower[100], img[100];

	fx_init();
	make_lower(lower);
	snprintf(img, sizeof(img), "%s/img", fx_tmpdir());
	fx_run("mke2fs -q -F -E root_owner -d %s -t ext4 %s 20M >/dev/null", lower, img);
	run(overlay_new(ext4_open_image(img, &why), 0));
}

Test(fs_storm, overlay_over_hostfs)
{
	char lower[100];

	fx_init();
	make_lower(lower);
	run(overlay_new(hostfs_open(lower, LINUX_SB_RDONLY, &why), 0));
}

Test(fs_storm, hostfs)
{
	char lower[100];

	fx_init();
	make_lower(lower);
	run(hostfs_open(lower, 0, &why));
}
