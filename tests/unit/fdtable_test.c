/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptor tables: numbers, limits, and fget against close and dup2 in other threads. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/vfs_fixture.h"

TestSuite(fdtable, .init = vfs_world_new, .timeout = 400);

static int install(const char *name, bool cloexec, int min)
{
	struct file *f = must_open(name, LINUX_O_CREAT | LINUX_O_RDWR);
	int fd = fd_install(f, cloexec, min);

	if (fd < 0)
		fput(f);
	return fd;
}

Test(fdtable, lowest_free)
{
	for (int i = 0; i < 200; i++)
		cr_assert_eq(install("/f", false, 0), i);
	cr_assert_eq(fd_close(7), 0);
	cr_assert_eq(fd_close(130), 0);
	cr_assert_eq(fd_close(7), -LINUX_EBADF);
	cr_assert_eq(fd_close(-1), -LINUX_EBADF);
	cr_assert_eq(fd_close(100000), -LINUX_EBADF);
	cr_assert_eq(install("/f", false, 50), 130);
	cr_assert_eq(install("/f", false, 50), 200);
	cr_assert_eq(install("/f", false, 0), 7);
	cr_assert_eq(install("/f", false, 0), 201);
	cr_assert_eq(install("/f", false, 5000), 5000);
	cr_assert_eq(install("/f", false, 0), 202);
	cr_assert_eq(install("/f", false, 1048576), -LINUX_EMFILE);
	cr_assert_eq(files_next_fd(current_files, 203), 5000);
	cr_assert_eq(files_next_fd(current_files, 5001), -1);
	cr_assert_null(fget(203));
	cr_assert_null(fget(-1));
}

Test(fdtable, close_on_exec)
{
	struct files_struct *copy;
	struct file *f;

	for (int i = 0; i < 100; i++)
		cr_assert_eq(install("/f", i % 3 == 0, 0), i);
	cr_assert_eq(fd_get_cloexec(3), 1);
	cr_assert_eq(fd_get_cloexec(4), 0);
	cr_assert_eq(fd_get_cloexec(100), -LINUX_EBADF);
	cr_assert_eq(fd_set_cloexec(4, true), 0);
	f = fget(3);
	cr_assert_eq(fd_dup2(f, 3, false), 3);
	cr_assert_eq(fd_dup2(f, 300, true), 300);
	cr_assert_eq(fd_dup2(f, -1, true), -LINUX_EBADF);
	cr_assert_eq(fd_dup2(f, 1048576, true), -LINUX_EBADF);
	fput(f);
	copy = files_copy(current_files);
	cr_assert(!IS_ERR(copy));
	files_close_on_exec(copy);
	for (int i = 0; i < 100; i++) {
		f = files_fget(copy, i);
		cr_assert_eq(!f, i == 4 || (i % 3 == 0 && i != 3));
		if (f)
			fput(f);
	}
	cr_assert_null(files_fget(copy, 300));
	f = fget(300);
	cr_assert_not_null(f);
	fput(f);
	files_put(copy);
	cr_assert_eq(fd_close_range(10, 20, true), 0);
	cr_assert_eq(fd_get_cloexec(10), 1);
	cr_assert_eq(fd_close_range(5, UINT32_MAX, false), 0);
	cr_assert_eq(files_next_fd(current_files, 5), -1);
	cr_assert_eq(fd_close_range(5, 4, false), -LINUX_EINVAL);
}

/*
 * Each name's file is only ever installed at descriptors that are equal to the name modulo NR_NAMES: whoever gets another
 * file from fget was given one that was never there.
 */
#define NR_NAMES 8
#define NR_FDS 256

static struct fs_struct *world_fs;
static struct files_struct *world_files;
static atomic_bool stop;
static struct inode *inodes[NR_NAMES];

static void *churn(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg;

	vfs_world_thread(world_fs, world_files);
	while (!atomic_load(&stop)) {
		int fd = rand_r(&seed) % NR_FDS;
		char name[8];
		struct file *f;

		snprintf(name, sizeof(name), "/n%d", fd % NR_NAMES);
		f = must_open(name, LINUX_O_RDWR);
		if (rand_r(&seed) % 64 == 0)
			fd += 64 * (rand_r(&seed) % 200); /* makes the table grow */
		cr_assert_eq(fd_dup2(f, fd, false), fd);
		fput(f);
		if (rand_r(&seed) % 2)
			fd_close(fd);
	}
	return NULL;
}

static void *look(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg;

	vfs_world_thread(world_fs, world_files);
	while (!atomic_load(&stop)) {
		int fd = rand_r(&seed) % NR_FDS;
		struct file *f = fget(fd);

		if (!f)
			continue;
		cr_assert_eq(f->inode, inodes[fd % NR_NAMES], "fd %d has another file", fd);
		fput(f);
	}
	return NULL;
}

Test(fdtable, fget_storm)
{
	void *(*const fns[])(void *) = { churn, churn, look, look, look };
	pthread_t threads[ARRAY_SIZE(fns)];

	world_fs = current_fs;
	world_files = current_files;
	for (int i = 0; i < NR_NAMES; i++) {
		char name[16];
		struct file *f;

		snprintf(name, sizeof(name), "/n%d", i);
		f = must_open(name, LINUX_O_CREAT | LINUX_O_RDWR);
		inodes[i] = f->inode;
		fput(f);
	}
	for (size_t i = 0; i < ARRAY_SIZE(fns); i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, fns[i], (void *)(i + 1)), 0);
	sleep_ms(1500);
	atomic_store(&stop, true);
	for (size_t i = 0; i < ARRAY_SIZE(fns); i++)
		pthread_join(threads[i], NULL);
	files_put(world_files);
	cr_assert_eq(files_count(), 0);
}
