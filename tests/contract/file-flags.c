/* SPDX-License-Identifier: Apache-2.0 */
/* Inode flags of FS_IOC_SETFLAGS: append-only and immutable files and directories. */
#include "tests/contract/contract.h"

#include <linux/fs.h>
#include <sys/ioctl.h>

#define KEPT (FS_APPEND_FL | FS_IMMUTABLE_FL | FS_NODUMP_FL | FS_NOATIME_FL)

static int get_flags(const char *path)
{
	int fd = MUST(open(path, O_RDONLY)), flags = 0;

	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0)
		flags = -1;
	close(fd);
	return flags;
}

static int change_flags(const char *path, int on, int off)
{
	int fd = MUST(open(path, O_RDONLY)), flags = 0, ret;

	ret = ioctl(fd, FS_IOC_GETFLAGS, &flags);
	flags = (flags | on) & ~off;
	if (!ret)
		ret = ioctl(fd, FS_IOC_SETFLAGS, &flags);
	close(fd);
	return ret;
}

static void attempts(void)
{
	int fd;

	OK(open("f", O_RDONLY));
	OK(open("f", O_WRONLY));
	OK(open("f", O_WRONLY | O_TRUNC));
	fd = OK(open("f", O_WRONLY | O_APPEND));
	if (fd >= 0) {
		CALL(write(fd, "more", 4));
		CALL(fcntl(fd, F_SETFL, 0));
		CALL(ftruncate(fd, 0));
		close(fd);
	}
	CALL(truncate("f", 0));
	CALL(chmod("f", 0600));
	CALL(chown("f", 0, 0));
	CALL(utimensat(AT_FDCWD, "f", NULL, 0));
	CALL(utimensat(AT_FDCWD, "f", (struct timespec[]){ { 1, 0 }, { 2, 0 } }, 0));
	CALL(link("f", "g"));
	CALL(rename("f", "g"));
	CALL(unlink("f"));
	CALL(access("f", W_OK));
}

int main(void)
{
	scratch();
	put_file("f", "x", 0644);
	MUST(mkdir("d", 0755));
	put_file("d/old", "x", 0644);
	if (get_flags("f") < 0)
		skip("the file system has no inode flags");
	if (change_flags("f", FS_APPEND_FL, 0) < 0)
		skip("inode flags need CAP_LINUX_IMMUTABLE");
	SECTION("append only");
	HEX(get_flags("f") & KEPT);
	attempts();
	MUST(change_flags("f", 0, FS_APPEND_FL));
	SECTION("immutable");
	MUST(change_flags("f", FS_IMMUTABLE_FL, 0));
	attempts();
	MUST(change_flags("f", 0, FS_IMMUTABLE_FL));
	CALL(unlink("f"));
	SECTION("an append-only directory");
	MUST(change_flags("d", FS_APPEND_FL, 0));
	OK(open("d/new", O_CREAT | O_WRONLY, 0644));
	CALL(mkdir("d/sub", 0755));
	CALL(unlink("d/old"));
	CALL(rename("d/old", "d/x"));
	CALL(rmdir("d/sub"));
	MUST(change_flags("d", 0, FS_APPEND_FL));
	SECTION("an immutable directory");
	MUST(change_flags("d", FS_IMMUTABLE_FL, 0));
	OK(open("d/newer", O_CREAT | O_WRONLY, 0644));
	OK(open("d/old", O_WRONLY));
	CALL(mkdir("d/sub2", 0755));
	CALL(unlink("d/old"));
	CALL(rmdir("d/sub"));
	MUST(change_flags("d", 0, FS_IMMUTABLE_FL));
	CALL(rmdir("d/sub"));
	SECTION("others and no flags");
	put_file("f", "x", 0644);
	CALL(change_flags("f", FS_NODUMP_FL, 0));
	HEX(get_flags("f") & KEPT);
	IN_CHILD("nobody") {
		MUST(setgid(NOBODY));
		MUST(setuid(NOBODY));
		CALL(change_flags("f", FS_NOATIME_FL, 0));
	}
	int p[2], flags;
	MUST(pipe(p));
	CALL(ioctl(p[0], FS_IOC_GETFLAGS, &flags));
	CALL(ioctl(MUST(open("/dev/null", O_RDONLY)), FS_IOC_GETFLAGS, &flags));
	CALL(ioctl(MUST(open("/proc/version", O_RDONLY)), FS_IOC_GETFLAGS, &flags));
	return 0;
}
