/* SPDX-License-Identifier: Apache-2.0 */
/* signalfd(2): what it reads, with which fields, changing the mask, non-blocking, poll, short buffers. */
#include "tests/contract/contract.h"
#include <poll.h>
#include <sys/signalfd.h>

int main(void)
{
	struct signalfd_siginfo si[3];
	union sigval v = { .sival_int = 1234 };
	struct pollfd p;
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = CALL(signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
	if (fd < 0)
		return 0;
	SHOW(fcntl(fd, F_GETFD));
	SHOW((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
	p = (struct pollfd){ fd, POLLIN, 0 };
	CALL(read(fd, si, sizeof(si[0])));
	CALL(poll(&p, 1, 0));
	SECTION("one signal");
	kill(getpid(), SIGUSR1);
	CALL(poll(&p, 1, 0));
	HEX(p.revents);
	CALL(read(fd, si, sizeof(si[0])));
	say("signo %u code %d pid %s uid %s", si[0].ssi_signo, si[0].ssi_code, si[0].ssi_pid == (uint32_t)getpid() ? "own" : "other",
	    si[0].ssi_uid == getuid() ? "own" : "other");
	CALL(read(fd, si, sizeof(si[0])));
	SECTION("several in one read");
	sigqueue(getpid(), SIGRTMIN, v);
	v.sival_int++;
	sigqueue(getpid(), SIGRTMIN, v);
	kill(getpid(), SIGUSR1);
	CALL(read(fd, si, sizeof(si)));
	for (int i = 0; i < 3; i++)
		say("signo %u int %d", si[i].ssi_signo, si[i].ssi_int);
	SECTION("a child");
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	CALL(signalfd(fd, &set, 0) == fd);
	pid_t pid = MUST(fork());
	if (pid == 0)
		_exit(9);
	p.revents = 0;
	CALL(poll(&p, 1, 5000));
	CALL(read(fd, si, sizeof(si[0])));
	say("signo %u code %d status %d pid %s", si[0].ssi_signo, si[0].ssi_code, si[0].ssi_status,
	    si[0].ssi_pid == (uint32_t)pid ? "child" : "other");
	reap("child", pid);
	SECTION("refusals");
	kill(getpid(), SIGUSR1);
	CALL(read(fd, si, 10));
	CALL(read(fd, BAD_PTR, sizeof(si[0])));
	CALL(write(fd, si, sizeof(si[0])));
	CALL(signalfd(-1, &set, 0x77));
	CALL(signalfd(0, &set, 0));
	CALL(signalfd(9999, &set, 0));
	CALL(syscall(SYS_signalfd4, -1, &set, 4, 0));
	CALL(syscall(SYS_signalfd4, -1, BAD_PTR, 8, 0));
	CALL(lseek(fd, 0, SEEK_SET));
	SECTION("blocking");
	fcntl(fd, F_SETFL, 0);
	struct timespec zero = { 0, 0 };
	while (sigtimedwait(&set, NULL, &zero) > 0)
		;
	pid = MUST(fork());
	if (pid == 0) {
		wait_asleep(getppid());
		kill(getppid(), SIGUSR1);
		_exit(0);
	}
	CALL(read(fd, si, sizeof(si[0])));
	SHOW(si[0].ssi_signo);
	reap("child", pid);
	return 0;
}
