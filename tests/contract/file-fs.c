/* SPDX-License-Identifier: Apache-2.0 */
/* statfs, sync family, umask, access to devices, mount-independent answers. */
#include "tests/contract/contract.h"
#include <sys/ioctl.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>

int main(void)
{
	struct statfs s, s2;
	struct statvfs v;
	int fd, ro, fds[2];

	scratch();
	fd = MUST(open("f", O_RDWR | O_CREAT, 0644));
	MUST(pipe(fds));
	SECTION("statfs");
	CALL(statfs(".", &s));
	YES(s.f_bsize >= 512 && s.f_blocks > 0 && s.f_bfree <= s.f_blocks && s.f_bavail <= s.f_bfree);
	YES(s.f_namelen >= 255);
	CALL(fstatfs(fd, &s2));
	YES(s.f_type == s2.f_type && s.f_blocks == s2.f_blocks);
	CALL(statfs("missing", &s));
	CALL(statfs("f/x", &s));
	CALL(fstatfs(999, &s));
	CALL(syscall(SYS_statfs, ".", BAD_PTR));
	CALL(statfs("/proc", &s));
	HEX(s.f_type);
	CALL(fstatfs(fds[0], &s));
	HEX(s.f_type);
	CALL(statvfs(".", &v));
	YES(v.f_namemax >= 255);
	SECTION("sync");
	CALL(fsync(fd));
	CALL(fdatasync(fd));
	CALL(syncfs(fd));
	sync();
	CALL(sync_file_range(fd, 0, 0, 0));
	CALL(sync_file_range(fd, 0, 100, SYNC_FILE_RANGE_WRITE));
	CALL(sync_file_range(fd, -1, 100, 0));
	CALL(sync_file_range(fd, 0, 100, 0x100));
	CALL(sync_file_range(fds[0], 0, 100, 0));
	CALL(fsync(fds[0]));
	CALL(fdatasync(999));
	CALL(syncfs(999));
	ro = MUST(open("f", O_RDONLY));
	CALL(fsync(ro));
	CALL(fsync(MUST(open(".", O_RDONLY))));
	SECTION("advice");
	CALL(posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL));
	CALL(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	CALL(syscall(SYS_fadvise64, fd, 0, 0, 77));
	CALL(syscall(SYS_fadvise64, fds[0], 0, 0, 0));
	CALL(syscall(SYS_fadvise64, 999, 0, 0, 0));
	CALL(readahead(fd, 0, 4096));
	CALL(readahead(fds[0], 0, 4096));
	CALL(readahead(999, 0, 4096));
	SECTION("umask");
	SHOW(umask(0777));
	SHOW(umask(01777));
	SHOW(umask(022));
	SECTION("ioctl on what is no terminal");
	int n = 1;
	struct { char b[256]; } t;
	CALL(ioctl(fd, TCGETS, &t));
	CALL(ioctl(fds[0], TCGETS, &t));
	CALL(ioctl(fd, TIOCGWINSZ, &t));
	CALL(isatty(fd));
	CALL(ioctl(fd, FIONBIO, &n));
	YES(fcntl(fd, F_GETFL) & O_NONBLOCK);
	CALL(ioctl(fd, FIOCLEX));
	CALL(fcntl(fd, F_GETFD));
	CALL(ioctl(fd, FIONCLEX));
	CALL(fcntl(fd, F_GETFD));
	n = 0;
	CALL(ioctl(fd, FIONBIO, &n));
	CALL(ioctl(fd, FIONBIO, BAD_PTR));
	CALL(ioctl(999, FIONBIO, &n));
	CALL(ioctl(fd, 0x12345678, &n));
	write(fd, "12345", 5);
	lseek(fd, 2, SEEK_SET);
	CALL(ioctl(fd, FIONREAD, &n));
	SHOW(n);
	return 0;
}
