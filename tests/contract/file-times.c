/* SPDX-License-Identifier: Apache-2.0 */
/* utimensat, futimens, utime, utimes: NOW, OMIT, nanoseconds, links, permissions, refusals. */
#include "tests/contract/contract.h"
#include <sys/time.h>
#include <utime.h>

static void show(const char *name)
{
	struct stat st;

	MUST(lstat(name, &st));
	say("%s: atime %lld.%09ld mtime %lld.%09ld", name, (long long)st.st_atim.tv_sec, st.st_atim.tv_nsec,
	    (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

int main(void)
{
	struct timespec ts[2] = { { 1000000000, 123456789 }, { 1100000000, 987654321 } };
	struct timeval tv[2] = { { 1200000000, 5 }, { 1300000000, 6 } };
	struct utimbuf ut = { 10, 20 };
	struct stat st;
	int fd;

	drop_privileges();
	scratch();
	put_file("f", "x", 0644);
	MUST(symlink("f", "l"));
	fd = MUST(open("f", O_RDWR));
	CALL(utimensat(AT_FDCWD, "f", ts, 0));
	show("f");
	ts[0].tv_nsec = UTIME_OMIT;
	ts[1] = (struct timespec){ 5, 6 };
	CALL(utimensat(AT_FDCWD, "f", ts, 0));
	show("f");
	ts[0] = (struct timespec){ 0, UTIME_OMIT };
	ts[1] = (struct timespec){ 0, UTIME_OMIT };
	CALL(utimensat(AT_FDCWD, "f", ts, 0));
	show("f");
	ts[1].tv_nsec = UTIME_NOW;
	CALL(futimens(fd, ts));
	MUST(fstat(fd, &st));
	YES(labs(st.st_mtim.tv_sec - time(NULL)) <= 2);
	SHOW(st.st_atim.tv_sec);
	CALL(utimensat(AT_FDCWD, "f", NULL, 0));
	MUST(fstat(fd, &st));
	YES(labs(st.st_atim.tv_sec - time(NULL)) <= 2);
	CALL(utimes("f", tv));
	show("f");
	CALL(utime("f", &ut));
	show("f");
	ts[0] = (struct timespec){ -5, 0 };
	ts[1] = (struct timespec){ 4000000000LL, 7 };
	CALL(utimensat(AT_FDCWD, "f", ts, 0));
	MUST(fstat(fd, &st));
	YES(st.st_mtim.tv_sec == 4000000000LL);
	SECTION("a link itself");
	ts[0] = ts[1] = (struct timespec){ 77, 88 };
	CALL(utimensat(AT_FDCWD, "l", ts, AT_SYMLINK_NOFOLLOW));
	show("l");
	SECTION("refusals");
	ts[0].tv_nsec = 1000000000;
	CALL(utimensat(AT_FDCWD, "f", ts, 0));
	ts[0].tv_nsec = -1;
	CALL(utimensat(AT_FDCWD, "f", ts, 0));
	ts[0].tv_nsec = 0;
	CALL(utimensat(AT_FDCWD, "missing", ts, 0));
	CALL(utimensat(AT_FDCWD, "f", ts, 0x100000));
	CALL(utimensat(999, "f", ts, 0));
	CALL(syscall(SYS_utimensat, fd, NULL, ts, 0));
	CALL(syscall(SYS_utimensat, AT_FDCWD, NULL, ts, 0));
	tv[0].tv_usec = 1000000;
	CALL(utimes("f", tv));
	MUST(chmod("f", 0400));
	close(fd);
	CALL(utimensat(AT_FDCWD, "f", ts, 0));
	CALL(utimensat(AT_FDCWD, "f", NULL, 0));
	CALL(utimensat(AT_FDCWD, "/", ts, 0));
	CALL(utimensat(AT_FDCWD, "/", NULL, 0));
	return 0;
}
