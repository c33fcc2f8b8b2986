/* SPDX-License-Identifier: Apache-2.0 */
/* Many descriptors: a thousand open files, tables copied by fork, kept by exec, closed by exit, reused in order. */
#include "tests/contract/contract.h"
#include <poll.h>

#define N 900

int main(int argc, char **argv)
{
	struct rlimit rl;
	int fds[N], bad = 0, p[2];

	if (argc > 1) {
		int n = 0;

		for (int fd = 3; fd < 1000; fd++)
			n += fcntl(fd, F_GETFD) >= 0;
		say("after exec: %d", n);
		return 0;
	}
	syscall(SYS_close_range, 3, ~0U, 0);
	MUST(getrlimit(RLIMIT_NOFILE, &rl));
	rl.rlim_cur = rl.rlim_max < 4096 ? rl.rlim_max : 4096;
	MUST(setrlimit(RLIMIT_NOFILE, &rl));
	scratch();
	for (int i = 0; i < N; i++) {
		char name[16];

		snprintf(name, sizeof(name), "f%d", i);
		fds[i] = MUST(open(name, O_RDWR | O_CREAT | (i % 2 ? O_CLOEXEC : 0), 0644));
		bad += fds[i] != i + 3;
		write_all(fds[i], name, strlen(name));
	}
	SHOW(bad);
	SECTION("a child has them all");
	IN_CHILD("child") {
		int wrong = 0;

		for (int i = 0; i < N; i++) {
			char buf[16] = "", name[16];

			snprintf(name, sizeof(name), "f%d", i);
			wrong += pread(fds[i], buf, 15, 0) != (ssize_t)strlen(name) || strcmp(buf, name);
			close(fds[i]);
		}
		SHOW(wrong);
	}
	CALL(fcntl(fds[N - 1], F_GETFD));
	SECTION("exec keeps half");
	IN_CHILD("exec")
		execl("/proc/self/exe", argv[0], "child", NULL);
	SECTION("reuse: always the lowest");
	for (int i = 0; i < N; i += 3)
		close(fds[i]);
	bad = 0;
	for (int i = 0; i < N; i += 3)
		bad += open("/dev/null", O_RDONLY) != fds[i];
	SHOW(bad);
	CALL(dup2(0, 3000));
	CALL(fcntl(0, F_DUPFD, 2500));
	CALL(open("/dev/null", O_RDONLY));
	SECTION("polling them all");
	struct pollfd *pf = calloc(N, sizeof(*pf));
	MUST(pipe(p));
	for (int i = 0; i < N; i++)
		pf[i] = (struct pollfd){ i == N / 2 ? p[0] : fds[i], i == N / 2 ? POLLIN : 0, 0 };
	CALL(poll(pf, N, 0));
	write_all(p[1], "x", 1);
	CALL(poll(pf, N, 1000));
	HEX(pf[N / 2].revents);
	SECTION("closed all at once");
	CALL(syscall(SYS_close_range, 3, ~0U, 0));
	CALL(open("/dev/null", O_RDONLY));
	return 0;
}
