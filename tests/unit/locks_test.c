/* SPDX-License-Identifier: Apache-2.0 */
/* Advisory locks: byte ranges against a byte map, waiting, deadlock, and what ends a lock. */
#include "vfs/locks.h"

#include <pthread.h>
#include <stdlib.h>

#include "tests/unit/vfs_fixture.h"

TestSuite(locks, .init = vfs_world_new, .timeout = 400);

static int setlk(struct file *f, unsigned cmd, int type, int64_t start, int64_t len)
{
	struct linux_flock fl = { .l_type = (int16_t)type, .l_whence = LINUX_SEEK_SET, .l_start = start, .l_len = len };

	return fcntl_setlk(f, cmd, &fl);
}

/* Random locks of several owners (OFD: each file is one) against a map of bytes. */
#define NR_OWNERS 4
#define NR_BYTES 60

Test(locks, ranges_model)
{
	struct file *f[NR_OWNERS];
	int map[NR_OWNERS][NR_BYTES];

	srand(9);
	for (int i = 0; i < NR_OWNERS; i++) {
		f[i] = must_open("/f", LINUX_O_CREAT | LINUX_O_RDWR);
		for (int b = 0; b < NR_BYTES; b++)
			map[i][b] = LINUX_F_UNLCK;
	}
	for (int round = 0; round < 30000; round++) {
		int who = rand() % NR_OWNERS, type = rand() % 3, start = rand() % NR_BYTES;
		int len = 1 + rand() % (NR_BYTES - start), err, conflict = 0;

		for (int i = 0; i < NR_OWNERS && type != LINUX_F_UNLCK; i++)
			for (int b = start; b < start + len && i != who; b++)
				if (map[i][b] != LINUX_F_UNLCK && (type == LINUX_F_WRLCK || map[i][b] == LINUX_F_WRLCK))
					conflict = -LINUX_EAGAIN;
		err = setlk(f[who], LINUX_F_OFD_SETLK, type, start, len);
		cr_assert_eq(err, conflict);
		for (int b = start; b < start + len && !err; b++)
			map[who][b] = type;
		if (round % 1000 == 999) {
			/* The last reference takes the owner's locks with it. */
			fput(f[who]);
			f[who] = must_open("/f", LINUX_O_RDWR);
			for (int b = 0; b < NR_BYTES; b++)
				map[who][b] = LINUX_F_UNLCK;
		}
	}
	for (int i = 0; i < NR_OWNERS; i++)
		fput(f[i]);
}

Test(locks, getlk)
{
	struct file *a = must_open("/f", LINUX_O_CREAT | LINUX_O_RDWR), *b = must_open("/f", LINUX_O_RDONLY);
	struct linux_flock fl = { .l_type = LINUX_F_RDLCK, .l_start = 0, .l_len = 0 };

	cr_assert_eq(setlk(a, LINUX_F_OFD_SETLK, LINUX_F_WRLCK, 10, 5), 0);
	cr_assert_eq(fcntl_getlk(b, LINUX_F_OFD_GETLK, &fl), 0);
	cr_assert_eq(fl.l_type, LINUX_F_WRLCK);
	cr_assert_eq(fl.l_start, 10);
	cr_assert_eq(fl.l_len, 5);
	cr_assert_eq(fl.l_pid, -1);
	fl = (struct linux_flock){ .l_type = LINUX_F_RDLCK, .l_start = 15, .l_len = -5 };
	cr_assert_eq(fcntl_getlk(b, LINUX_F_OFD_GETLK, &fl), 0);
	cr_assert_eq(fl.l_start, 10);
	fl = (struct linux_flock){ .l_type = LINUX_F_RDLCK, .l_start = 15, .l_len = 0 };
	cr_assert_eq(fcntl_getlk(b, LINUX_F_OFD_GETLK, &fl), 0);
	cr_assert_eq(fl.l_type, LINUX_F_UNLCK);
	cr_assert_eq(setlk(b, LINUX_F_OFD_SETLK, LINUX_F_WRLCK, 0, 1), -LINUX_EBADF);
	cr_assert_eq(setlk(b, LINUX_F_OFD_SETLK, 7, 0, 1), -LINUX_EINVAL);
	cr_assert_eq(setlk(b, LINUX_F_OFD_SETLK, LINUX_F_RDLCK, -1, 1), -LINUX_EINVAL);
	cr_assert_eq(setlk(b, LINUX_F_OFD_SETLK, LINUX_F_RDLCK, 5, -6), -LINUX_EINVAL);
	cr_assert_eq(setlk(b, LINUX_F_OFD_SETLK, LINUX_F_RDLCK, INT64_MAX, 2), -LINUX_EOVERFLOW);
	fput(a);
	fput(b);
}

/* POSIX locks belong to the descriptor table: any close of the file drops them. */
Test(locks, posix_close)
{
	struct files_struct *mine = current_files, *other = files_new();
	struct file *f = must_open("/f", LINUX_O_CREAT | LINUX_O_RDWR);
	int fd1, fd2;

	fd1 = fd_install(file_get(f), false, 0);
	fd2 = fd_install(must_open("/f", LINUX_O_RDWR), false, 0);
	cr_assert_eq(setlk(f, LINUX_F_SETLK, LINUX_F_WRLCK, 0, 0), 0);
	cr_assert_eq(setlk(f, LINUX_F_SETLK, LINUX_F_RDLCK, 5, 5), 0);
	current_files = other;
	cr_assert_eq(setlk(f, LINUX_F_SETLK, LINUX_F_RDLCK, 6, 2), 0);
	cr_assert_eq(setlk(f, LINUX_F_SETLK, LINUX_F_RDLCK, 4, 2), -LINUX_EAGAIN);
	current_files = mine;
	cr_assert_eq(fd_close(fd2), 0);
	current_files = other;
	cr_assert_eq(setlk(f, LINUX_F_SETLK, LINUX_F_WRLCK, 0, 0), 0);
	current_files = mine;
	cr_assert_eq(fd_close(fd1), 0);
	fput(f);
}

static struct file *shared;
static struct files_struct *tables[2];
static atomic_int result;

static void *wait_for_second(void *arg)
{
	(void)arg;
	current_files = tables[1];
	atomic_store(&result, setlk(shared, LINUX_F_SETLKW, LINUX_F_WRLCK, 0, 1));
	return NULL;
}

Test(locks, wait_and_deadlock)
{
	pthread_t t;

	shared = must_open("/f", LINUX_O_CREAT | LINUX_O_RDWR);
	tables[0] = current_files;
	tables[1] = files_new();
	/* 0 holds byte 0, 1 holds byte 1 and waits for byte 0; 0 must not wait for byte 1. */
	cr_assert_eq(setlk(shared, LINUX_F_SETLK, LINUX_F_WRLCK, 0, 1), 0);
	current_files = tables[1];
	cr_assert_eq(setlk(shared, LINUX_F_SETLK, LINUX_F_WRLCK, 1, 1), 0);
	current_files = tables[0];
	atomic_store(&result, 77);
	cr_assert_eq(pthread_create(&t, NULL, wait_for_second, NULL), 0);
	sleep_ms(100);
	cr_assert_eq(atomic_load(&result), 77);
	cr_assert_eq(setlk(shared, LINUX_F_SETLKW, LINUX_F_WRLCK, 1, 1), -LINUX_EDEADLK);
	cr_assert_eq(atomic_load(&result), 77);
	cr_assert_eq(setlk(shared, LINUX_F_SETLK, LINUX_F_UNLCK, 0, 0), 0);
	pthread_join(t, NULL);
	cr_assert_eq(atomic_load(&result), 0);
	cr_assert_eq(setlk(shared, LINUX_F_SETLK, LINUX_F_WRLCK, 0, 1), -LINUX_EAGAIN);
}

Test(locks, flock)
{
	struct file *a = must_open("/f", LINUX_O_CREAT | LINUX_O_RDWR), *b = must_open("/f", LINUX_O_RDONLY);

	cr_assert_eq(flock_file(a, LINUX_LOCK_SH), 0);
	cr_assert_eq(flock_file(b, LINUX_LOCK_SH | LINUX_LOCK_NB), 0);
	cr_assert_eq(flock_file(a, LINUX_LOCK_EX | LINUX_LOCK_NB), -LINUX_EAGAIN);
	/* The failed change of kind gave a's lock up. */
	cr_assert_eq(flock_file(b, LINUX_LOCK_EX | LINUX_LOCK_NB), 0);
	cr_assert_eq(flock_file(a, LINUX_LOCK_SH | LINUX_LOCK_NB), -LINUX_EAGAIN);
	fput(b);
	cr_assert_eq(flock_file(a, LINUX_LOCK_EX | LINUX_LOCK_NB), 0);
	cr_assert_eq(flock_file(a, LINUX_LOCK_UN), 0);
	cr_assert_eq(flock_file(a, 0), -LINUX_EINVAL);
	cr_assert_eq(flock_file(a, 3), -LINUX_EINVAL);
	fput(a);
}
