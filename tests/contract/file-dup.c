/* SPDX-License-Identifier: Apache-2.0 */
/* dup, dup2, dup3, fcntl descriptors and flags, close, close_range. */
#include "tests/contract/contract.h"
#include <linux/close_range.h>

static void open_fds(const char *what)
{
	char line[64];
	int n = 0;

	for (int fd = 3; fd < 20; fd++) {
		int f = fcntl(fd, F_GETFD);

		line[n++] = f < 0 ? '.' : f & FD_CLOEXEC ? 'c' : 'o';
	}
	line[n] = 0;
	say("%s: %s", what, line);
}

int main(void)
{
	int fd;

	syscall(SYS_close_range, 3, ~0U, 0);
	open_fds("start");
	SECTION("dup and dup2");
	CALL(dup(1));
	CALL(dup2(1, 7));
	CALL(dup2(7, 7));
	CALL(dup2(15, 15));
	CALL(dup2(15, 5));
	CALL(dup2(1, -1));
	CALL(dup(-1));
	CALL(dup(19));
	CALL(dup2(1, 3));
	open_fds("after");
	SECTION("dup3");
	CALL(dup3(1, 9, O_CLOEXEC));
	CALL(dup3(1, 9, 0));
	CALL(dup3(1, 10, O_CLOEXEC | O_NONBLOCK));
	CALL(dup3(1, 1, 0));
	CALL(dup3(15, 15, 0));
	CALL(dup3(15, 16, 0));
	SECTION("fcntl");
	CALL(fcntl(1, F_DUPFD, 12));
	CALL(fcntl(1, F_DUPFD, 12));
	CALL(fcntl(1, F_DUPFD_CLOEXEC, 12));
	CALL(fcntl(1, F_DUPFD, -1));
	CALL(fcntl(1, F_DUPFD, 100000000));
	CALL(fcntl(1, 1234, 0));
	CALL(fcntl(19, F_GETFD));
	CALL(fcntl(12, F_SETFD, FD_CLOEXEC));
	CALL(fcntl(12, F_GETFD));
	CALL(fcntl(12, F_SETFD, ~FD_CLOEXEC));
	CALL(fcntl(12, F_GETFD));
	open_fds("after");
	SECTION("a duplicate of a close-on-exec one is not");
	CALL(dup2(14, 16));
	CALL(fcntl(16, F_GETFD));
	SECTION("status flags");
	scratch();
	fd = MUST(open("f", O_RDWR | O_CREAT, 0644));
	HEX(fcntl(fd, F_GETFL) & ~0100000);
	CALL(fcntl(fd, F_SETFL, O_APPEND | O_NONBLOCK | O_WRONLY | O_CREAT | O_TRUNC));
	HEX(fcntl(fd, F_GETFL) & ~0100000);
	CALL(fcntl(fd, F_SETFL, 0));
	HEX(fcntl(fd, F_GETFL) & ~0100000);
	CALL(fcntl(fd, F_SETFL, O_NOATIME));
	CALL(fcntl(fd, F_GETOWN));
	CALL(fcntl(fd, F_GETSIG));
	CALL(fcntl(fd, F_SETSIG, 100));
	CALL(fcntl(fd, F_GETLEASE));
	CALL(fcntl(fd, F_SETLEASE, 77));
	CALL(fcntl(1, F_GETPIPE_SZ) == -1 || 1);
	CALL(fcntl(fd, F_GETPIPE_SZ));
	CALL(fcntl(fd, F_GET_SEALS));
	SECTION("close");
	CALL(close(fd));
	CALL(close(fd));
	CALL(close(-1));
	CALL(close(99999));
	SECTION("close_range");
	IN_CHILD("some") {
		CALL(syscall(SYS_close_range, 7, 12, 0));
		open_fds("after");
	}
	IN_CHILD("all above") {
		CALL(syscall(SYS_close_range, 3, ~0U, 0));
		open_fds("after");
	}
	IN_CHILD("close on exec") {
		CALL(syscall(SYS_close_range, 3, 8, CLOSE_RANGE_CLOEXEC));
		open_fds("after");
	}
	IN_CHILD("unshared") {
		CALL(syscall(SYS_close_range, 3, 8, CLOSE_RANGE_UNSHARE));
		open_fds("after");
	}
	CALL(syscall(SYS_close_range, 8, 7, 0));
	CALL(syscall(SYS_close_range, 3, 8, 0x100));
	CALL(syscall(SYS_close_range, 1000, 2000, 0));
	open_fds("the parent");
	return 0;
}
