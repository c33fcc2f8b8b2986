/* SPDX-License-Identifier: Apache-2.0 */
/* pidfd_open, polling, waitid(P_PIDFD), pidfd_send_signal, pidfd_getfd. */
#include "tests/contract/contract.h"
#include <poll.h>

static long pidfd_open(pid_t pid, unsigned flags)
{
	return syscall(SYS_pidfd_open, pid, flags);
}

static long pidfd_signal(int fd, int sig, siginfo_t *si, unsigned flags)
{
	return syscall(SYS_pidfd_send_signal, fd, sig, si, flags);
}

int main(void)
{
	struct pollfd p;
	siginfo_t si;
	char buf[8];
	pid_t pid;
	int fd;

	SECTION("refusals");
	CALL(pidfd_open(0, 0));
	CALL(pidfd_open(-1, 0));
	CALL(pidfd_open(0x7ffffff0, 0));
	CALL(pidfd_open(getpid(), 0x10));
	CALL(pidfd_signal(1, 0, NULL, 0));
	CALL(pidfd_signal(999, 0, NULL, 0));
	SECTION("oneself");
	fd = MUST(pidfd_open(getpid(), 0));
	CALL(fcntl(fd, F_GETFD));
	p = (struct pollfd){ fd, POLLIN, 0 };
	CALL(poll(&p, 1, 0));
	CALL(read(fd, buf, 8));
	CALL(write(fd, buf, 8));
	CALL(pidfd_signal(fd, 0, NULL, 0));
	CALL(pidfd_signal(fd, 65, NULL, 0));
	CALL(pidfd_signal(fd, 0, NULL, 0x1000));
	close(fd);
	SECTION("a child");
	pid = MUST(fork());
	if (pid == 0)
		for (;;)
			pause();
	fd = MUST(pidfd_open(pid, 0));
	p.fd = fd;
	CALL(poll(&p, 1, 0));
	CALL(waitid(3, fd, &si, WEXITED | WNOHANG));
	CALL(pidfd_signal(fd, SIGTERM, NULL, 0));
	CALL(poll(&p, 1, 5000));
	HEX(p.revents);
	CALL(waitid(3, fd, &si, WEXITED | WNOWAIT));
	say("code %d status %d", si.si_code, si.si_status);
	CALL(pidfd_signal(fd, 0, NULL, 0));
	CALL(waitid(3, fd, &si, WEXITED));
	CALL(pidfd_signal(fd, 0, NULL, 0));
	CALL(waitid(3, fd, &si, WEXITED));
	CALL(poll(&p, 1, 0));
	CALL(pidfd_open(pid, 0));
	close(fd);
	SECTION("non-blocking");
	pid = MUST(fork());
	if (pid == 0)
		for (;;)
			pause();
	fd = MUST(pidfd_open(pid, O_NONBLOCK));
	CALL(waitid(3, fd, &si, WEXITED));
	SECTION("a descriptor of another process");
	CALL(syscall(SYS_pidfd_getfd, fd, 1, 1));
	CALL(syscall(SYS_pidfd_getfd, fd, 999, 0));
	int got = OK(syscall(SYS_pidfd_getfd, fd, 1, 0));
	CALL(fcntl(got, F_GETFD));
	kill(pid, SIGKILL);
	reap("child", pid);
	CALL(syscall(SYS_pidfd_getfd, fd, 1, 0));
	return 0;
}
