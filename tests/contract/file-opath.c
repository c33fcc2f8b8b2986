/* SPDX-License-Identifier: Apache-2.0 */
/* O_PATH descriptors: what they can do, what is EBADF, links opened as such, reopening through /proc/self/fd. */
#include "tests/contract/contract.h"
#include <sys/ioctl.h>
#include <sys/xattr.h>

int main(void)
{
	char buf[100] = "", path[64];
	struct stat st;
	int fd, l, d;

	drop_privileges();
	scratch();
	put_file("file", "contents", 0644);
	MUST(symlink("target text", "link"));
	MUST(mkdir("dir", 0755));
	put_file("dir/inner", "inner", 0644);
	fd = MUST(open("file", O_PATH));
	SECTION("EBADF");
	CALL(read(fd, buf, 1));
	CALL(write(fd, buf, 1));
	CALL(pread(fd, buf, 1, 0));
	CALL(lseek(fd, 0, SEEK_SET));
	CALL(fchmod(fd, 0600));
	CALL(fchown(fd, -1, -1));
	CALL(ftruncate(fd, 0));
	CALL(fsync(fd));
	CALL(ioctl(fd, FIONREAD, buf));
	CALL(fgetxattr(fd, "user.x", buf, 10));
	PTR(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0));
	CALL(fcntl(fd, F_SETFL, O_APPEND));
	struct flock fl = { .l_type = F_RDLCK };
	CALL(fcntl(fd, F_GETLK, &fl));
	SECTION("allowed");
	CALL(fstat(fd, &st));
	SHOW(st.st_size);
	CALL(fcntl(fd, F_GETFD));
	HEX(fcntl(fd, F_GETFL));
	OK(dup(fd));
	CALL(fchdir(fd));
	CALL(close(dup(fd)));
	SECTION("a link itself");
	l = MUST(open("link", O_PATH | O_NOFOLLOW));
	CALL(fstat(l, &st));
	YES(S_ISLNK(st.st_mode));
	CALL(readlinkat(l, "", buf, sizeof(buf)));
	STR(buf);
	CALL(readlinkat(fd, "", buf, sizeof(buf)));
	SECTION("reopened");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int again = OK(open(path, O_RDONLY));
	memset(buf, 0, sizeof(buf));
	CALL(read(again, buf, sizeof(buf)));
	STR(buf);
	MUST(chmod("file", 0));
	CALL(open(path, O_RDONLY));
	MUST(chmod("file", 0644));
	MUST(unlink("file"));
	OK(open(path, O_RDONLY));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", l);
	CALL(open(path, O_RDONLY));
	SECTION("as a directory");
	d = MUST(open("dir", O_PATH | O_DIRECTORY));
	OK(openat(d, "inner", O_RDONLY));
	CALL(openat(fd, "inner", O_RDONLY));
	CALL(openat(d, "inner/x", O_RDONLY));
	CALL(openat(9999, "inner", O_RDONLY));
	OK(openat(9999, "/", O_RDONLY));
	CALL(syscall(SYS_getdents64, d, buf, sizeof(buf)));
	CALL(fchdir(d));
	show_file("inner");
	SECTION("AT_EMPTY_PATH");
	CALL(fstatat(fd, "", &st, AT_EMPTY_PATH));
	CALL(fstatat(fd, "", &st, 0));
	CALL(linkat(fd, "", AT_FDCWD, "new", 0));
	CALL(faccessat(d, "", R_OK, 0));
	CALL(syscall(SYS_faccessat2, d, "", R_OK, AT_EMPTY_PATH));
	CALL(syscall(SYS_fchownat, d, "", -1, -1, AT_EMPTY_PATH));
	MUST(chdir(scratch_dir));
	return 0;
}
