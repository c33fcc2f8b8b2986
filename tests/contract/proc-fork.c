/* SPDX-License-Identifier: Apache-2.0 */
/* fork(2) and vfork(2): what the child shares, what it has of its own, and what it does not inherit. */
#include "tests/contract/contract.h"
#include <sys/file.h>
#include <sys/times.h>

static int value = 1;

int main(void)
{
	pid_t me = getpid(), pid;
	sigset_t set;
	int fd;

	scratch();
	put_file("f", "0123456789", 0644);
	fd = MUST(open("f", O_RDWR | O_APPEND));
	SECTION("identities");
	IN_CHILD("child") {
		YES(getpid() != me);
		YES(getppid() == me);
		YES(getpid() == get_tid());
		YES(getpgrp() == getpgid(me));
		YES(getsid(0) == getsid(me));
	}
	SECTION("memory is copied, file offsets are shared");
	IN_CHILD("child") {
		value = 2;
		MUST(lseek(fd, 5, SEEK_SET));
		fcntl(fd, F_SETFL, O_APPEND | O_NONBLOCK);
		fcntl(fd, F_SETFD, FD_CLOEXEC);
		close(0);
	}
	SHOW(value);
	SHOW(lseek(fd, 0, SEEK_CUR));
	YES(fcntl(fd, F_GETFL) & O_NONBLOCK);
	YES(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	SHOW(fcntl(0, F_GETFD));
	SECTION("signals: mask and handlers inherited, pending and timers not");
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGALRM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGUSR2, SIG_IGN);
	raise(SIGUSR1);
	alarm(100);
	IN_CHILD("child") {
		struct sigaction sa;

		sigpending(&set);
		SHOW(sigismember(&set, SIGUSR1));
		SHOW(alarm(0));
		sigprocmask(SIG_BLOCK, NULL, &set);
		SHOW(sigismember(&set, SIGUSR1));
		sigaction(SIGUSR2, NULL, &sa);
		YES(sa.sa_handler == SIG_IGN);
	}
	YES(alarm(0) > 90);
	sigpending(&set);
	SHOW(sigismember(&set, SIGUSR1));
	SECTION("times start from zero, locks of the process are not inherited");
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 5 };
	CALL(fcntl(fd, F_SETLK, &fl));
	IN_CHILD("child") {
		struct tms t;

		times(&t);
		YES(t.tms_utime + t.tms_stime < 20);
		YES(t.tms_cutime + t.tms_cstime == 0);
		CALL(fcntl(fd, F_SETLK, &fl));
		CALL(flock(fd, LOCK_EX | LOCK_NB));
	}
	SECTION("cwd, umask and priority");
	umask(027);
	MUST(mkdir("d", 0755));
	MUST(chdir("d"));
	MUST(setpriority(PRIO_PROCESS, 0, 19));
	IN_CHILD("child") {
		SHOW(umask(0));
		YES(access("../f", R_OK) == 0);
		SHOW(getpriority(PRIO_PROCESS, 0));
		MUST(chdir("/"));
	}
	YES(access("../f", R_OK) == 0);
	SHOW(umask(022));
	SECTION("vfork: the parent waits, memory is the same");
	value = 10;
	pid = vfork();
	if (pid == 0) {
		value = 11;
		sleep_ms(20);
		value = 12;
		_exit(7);
	}
	SHOW(value);
	reap("vfork child", pid);
	pid = vfork();
	if (pid == 0) {
		value = 13;
		kill(getpid(), SIGKILL);
	}
	SHOW(value);
	reap("killed vfork child", pid);
	pid = vfork();
	if (pid == 0) {
		value = 14;
		execl("/bin/sh", "sh", "-c", "exit 9", NULL);
		_exit(1);
	}
	SHOW(value);
	reap("executing vfork child", pid);
	SECTION("a chain of 30 generations");
	int depth = 0;
	while (depth < 30) {
		pid = MUST(fork());
		if (pid)
			break;
		depth++;
	}
	if (depth < 30) {
		int st;

		waitpid(pid, &st, 0);
		if (depth)
			_exit(WEXITSTATUS(st) + 1);
		show_status("chain", st);
	} else {
		_exit(0);
	}
	MUST(chdir(".."));
	return 0;
}
