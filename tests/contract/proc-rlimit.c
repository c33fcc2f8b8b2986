/* SPDX-License-Identifier: Apache-2.0 */
/* Limits that bite: RLIMIT_NOFILE, FSIZE, NPROC, CPU, CORE, SIGPENDING. */
#include "tests/contract/contract.h"

static void limit(int which, rlim_t cur)
{
	struct rlimit rl;

	MUST(getrlimit(which, &rl));
	rl.rlim_cur = cur;
	MUST(setrlimit(which, &rl));
}

/* A call under a file size limit of 1000; standard output may be a file too, and is not limited. */
#define LIMITED(e)                                      \
	({                                              \
		limit(RLIMIT_FSIZE, 1000);              \
		errno = 0;                              \
		long limited_ = (e);                    \
		int errno_ = errno;                     \
		limit(RLIMIT_FSIZE, RLIM_INFINITY);     \
		errno = errno_;                         \
		show_call(#e, limited_);                \
	})

int main(void)
{
	int fds[2];

	scratch();
	chmod(".", 0777);
	IN_CHILD("RLIMIT_NOFILE") {
		int n = 0, fd;

		limit(RLIMIT_NOFILE, 20);
		while ((fd = open("/dev/null", O_RDONLY)) >= 0)
			n = fd;
		SHOW(n);
		say("open: %s", errno_name(errno));
		CALL(dup(0));
		CALL(dup2(0, 20));
		CALL(dup2(0, 19));
		CALL(dup2(0, 1000));
		CALL(fcntl(0, F_DUPFD, 20));
		CALL(fcntl(0, F_DUPFD, 0));
		CALL(pipe(fds));
		close(19);
		CALL(pipe(fds));
		CALL(fcntl(0, F_DUPFD, 5));
		limit(RLIMIT_NOFILE, 5);
		CALL(fcntl(10, F_GETFD));
		CALL(dup(10));
		IN_CHILD("inherited")
			CALL(dup(0));
	}
	IN_CHILD("RLIMIT_FSIZE") {
		int fd = MUST(open("f", O_RDWR | O_CREAT, 0644));

		char buf[2000] = "";

		signal(SIGXFSZ, SIG_IGN);
		LIMITED(write(fd, buf, 600));
		LIMITED(write(fd, buf, 600));
		LIMITED(write(fd, buf, 1));
		LIMITED(pwrite(fd, buf, 10, 5000));
		LIMITED(ftruncate(fd, 1001));
		LIMITED(ftruncate(fd, 1000));
		LIMITED(pwrite(fd, buf, 10, 0));
		LIMITED(fallocate(fd, 0, 0, 2000));
		MUST(pipe(fds));
		LIMITED(write(fds[1], buf, 2000));
		signal(SIGXFSZ, SIG_DFL);
		LIMITED(write(fd, buf, 1));
	}
	IN_CHILD("RLIMIT_CPU") {
		struct rlimit rl = { 1, 2 };

		MUST(setrlimit(RLIMIT_CPU, &rl));
		for (;;)
			;
	}
	IN_CHILD("RLIMIT_SIGPENDING") {
		sigset_t set;
		int n = 0;

		drop_privileges();
		limit(RLIMIT_SIGPENDING, 0);
		sigfillset(&set);
		sigprocmask(SIG_BLOCK, &set, NULL);
		CALL(kill(getpid(), SIGRTMIN));
		CALL(kill(getpid(), SIGRTMIN));
		union sigval v = { .sival_int = 1 };
		CALL(sigqueue(getpid(), SIGRTMIN + 1, v));
		CALL(sigqueue(getpid(), SIGUSR1, v) == 0 || errno == EAGAIN);
		CALL(kill(getpid(), SIGUSR2));
		struct timespec zero = { 0, 0 };
		siginfo_t si;
		while (sigtimedwait(&set, &si, &zero) > 0)
			n++;
		YES(n >= 2);
	}
	SECTION("every limit can be read");
	int bad = 0;
	for (int i = 0; i < 16; i++) {
		struct rlimit rl;

		bad += getrlimit(i, &rl) != 0 || rl.rlim_cur > rl.rlim_max;
	}
	SHOW(bad);
	return 0;
}
