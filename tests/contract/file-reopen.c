/* SPDX-License-Identifier: Apache-2.0 */
/* Files without a name, opened once more by /proc/self/fd: those whose state is private to a file can't be. */
#include "tests/contract/contract.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>

static void reopen(const char *name, int fd)
{
	static const int modes[] = { O_RDONLY, O_RDWR, O_WRONLY | O_NONBLOCK };
	char path[64], buf[16];
	struct stat st;
	struct pollfd p = { .events = POLLIN | POLLOUT };

	fstat(fd, &st);
	printf("%s: mode %o, %s\n", name, st.st_mode, !st.st_uid ? "root's" : st.st_uid == geteuid() ? "the caller's" : "another's");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	for (unsigned i = 0; i < 3; i++) {
		int again = open(path, modes[i] | O_NONBLOCK);

		printf("%s %d: %s\n", name, modes[i], again < 0 ? strerrorname_np(errno) : "ok");
		if (again < 0)
			continue;
		p.fd = again;
		poll(&p, 1, 0);
		if (read(again, buf, 0) < 0)
			printf("  read: %s\n", strerrorname_np(errno));
		close(again);
	}
	p.fd = open(path, O_PATH);
	printf("%s O_PATH: %s\n", name, p.fd < 0 ? strerrorname_np(errno) : "ok");
	close(p.fd);
	close(fd);
}

static int reopen_all(void)
{
	sigset_t set;
	int fds[2];

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	reopen("eventfd", eventfd(0, 0));
	reopen("epoll", epoll_create1(0));
	reopen("timerfd", timerfd_create(CLOCK_MONOTONIC, 0));
	reopen("signalfd", signalfd(-1, &set, 0));
	reopen("inotify", inotify_init());
	reopen("socket", socket(AF_UNIX, SOCK_STREAM, 0));
	reopen("memfd", memfd_create("m", 0));
	if (pipe(fds))
		return 1;
	reopen("pipe", fds[0]);
	return 0;
}

/* Nobody but root may open an anonymous inode, were it possible. */
int main(void)
{
	if (reopen_all())
		return 1;
	if (!geteuid() && (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534)))
		return 1;
	/* Changed credentials hide /proc/self from its own user. */
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	return reopen_all();
}
