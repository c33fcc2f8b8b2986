/* SPDX-License-Identifier: Apache-2.0 */
/* Old calls that old programs and musl still make: creat, getdents, dup2, pipe, poll, select, access, chmod, utime, time. */
#include "tests/contract/contract.h"
#include <poll.h>
#include <sys/select.h>
#include <utime.h>

struct old_dirent {
	unsigned long ino, off;
	unsigned short reclen;
	char name[];
};

int main(void)
{
	char buf[4096] __attribute__((aligned(8)));
	struct stat st;
	int fds[2], names = 0;
	long n;

	scratch();
	umask(022);
	OK(syscall(SYS_creat, "f", 0666));
	CALL(syscall(SYS_stat, "f", &st));
	HEX(st.st_mode);
	CALL(syscall(SYS_lstat, "f", &st));
	CALL(syscall(SYS_chmod, "f", 0600));
	CALL(syscall(SYS_chown, "f", -1, -1));
	CALL(syscall(SYS_lchown, "f", -1, -1));
	CALL(syscall(SYS_access, "f", R_OK));
	CALL(syscall(SYS_link, "f", "g"));
	CALL(syscall(SYS_symlink, "f", "s"));
	CALL(syscall(SYS_readlink, "s", buf, 10));
	CALL(syscall(SYS_rename, "g", "h"));
	CALL(syscall(SYS_mkdir, "d", 0777));
	CALL(syscall(SYS_rmdir, "d"));
	CALL(syscall(SYS_mknod, "p", S_IFIFO | 0644, 0));
	CALL(syscall(SYS_unlink, "p"));
	CALL(syscall(SYS_utime, "f", &(struct utimbuf){ 1, 2 }));
	CALL(syscall(SYS_utimes, "f", NULL));
	CALL(syscall(SYS_futimesat, AT_FDCWD, "f", NULL));
	SECTION("getdents");
	int d = MUST(open(".", O_RDONLY | O_DIRECTORY));
	while ((n = syscall(SYS_getdents, d, buf, sizeof(buf))) > 0)
		for (long at = 0; at < n;) {
			struct old_dirent *e = (struct old_dirent *)(buf + at);

			names++;
			/* the type is in the last byte */
			if (!strcmp(e->name, "s"))
				SHOW(buf[at + e->reclen - 1]);
			at += e->reclen;
		}
	SHOW(names);
	SECTION("descriptors");
	CALL(syscall(SYS_pipe, fds) == 0);
	CALL(syscall(SYS_dup2, fds[0], 20));
	CALL(syscall(SYS_dup, 20) >= 0);
	struct pollfd p = { fds[1], POLLOUT, 0 };
	CALL(syscall(SYS_poll, &p, 1, 0));
	CALL(syscall(SYS_epoll_create, 1) >= 0);
	CALL(syscall(SYS_eventfd, 3) >= 0);
	CALL(syscall(SYS_inotify_init) >= 0 || errno == ENOSYS);
	sigset_t set;
	sigemptyset(&set);
	CALL(syscall(SYS_signalfd, -1, &set, 8) >= 0);
	SECTION("time and processes");
	time_t t = 0;
	YES(syscall(SYS_time, &t) == t && t > 1700000000);
	CALL(syscall(SYS_getpgrp) == getpgid(0));
	CALL(syscall(SYS_alarm, 0));
	pid_t pid = syscall(SYS_fork);
	if (pid == 0)
		_exit(4);
	reap("fork", pid);
	pid = syscall(SYS_fork);
	if (pid == 0)
		syscall(SYS_exit_group, 5);
	reap("fork", pid);
	CALL(syscall(SYS_sysfs, 3) > 0 || errno == ENOSYS);
	CALL(syscall(SYS_ustat, 0, buf) == -1);
	return 0;
}
