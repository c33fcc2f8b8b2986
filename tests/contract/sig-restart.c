/* SPDX-License-Identifier: Apache-2.0 */
/* Interrupted calls: EINTR without SA_RESTART, restarted with it, and those that never restart. */
#include "tests/contract/contract.h"
#include <linux/futex.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/select.h>
#include <sys/socket.h>

static volatile int handled;
static int fds[2], sv[2], efd, lock_fd;
static pid_t kid;

static void on_signal(int sig)
{
	(void)sig;
	handled++;
}

static long do_read(void) { char c; return read(fds[0], &c, 1); }
static long do_recv(void) { char c; return recv(sv[0], &c, 1, 0); }
static long do_eventfd(void) { uint64_t v; return read(efd, &v, 8); }
static long do_wait(void) { int st; return waitpid(kid, &st, 0) > 0 ? 1 : -1; }
static long do_waitid(void) { siginfo_t si; return waitid(P_PID, kid, &si, WEXITED | WNOWAIT) == 0 ? 1 : -1; }
static long do_flock(void) { return flock(lock_fd, LOCK_EX); }

static long do_fcntl(void)
{
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	return fcntl(lock_fd, F_SETLKW, &fl);
}

static long do_open(void)
{
	int fd = open("fifo", O_RDONLY);

	if (fd < 0)
		return -1;
	close(fd);
	return 1;
}

static int word;
static long do_futex(void) { return syscall(SYS_futex, &word, FUTEX_WAIT, 0, NULL, NULL, 0); }

static long do_futex_timed(void)
{
	struct timespec ts = { 1, 0 };

	return syscall(SYS_futex, &word, FUTEX_WAIT, 0, &ts, NULL, 0);
}

static long do_poll(void) { struct pollfd p = { fds[0], POLLIN, 0 }; return poll(&p, 1, 5000); }

static long do_select(void)
{
	struct timeval tv = { 5, 0 };
	fd_set r;

	FD_ZERO(&r);
	FD_SET(fds[0], &r);
	return select(fds[0] + 1, &r, NULL, NULL, &tv);
}

static long do_epoll(void)
{
	struct epoll_event e;
	int ep = epoll_create1(EPOLL_CLOEXEC), saved;
	long r = epoll_wait(ep, &e, 1, 5000);

	saved = errno;
	close(ep);
	errno = saved;
	return r;
}

static long do_pause(void) { return pause(); }
static long do_sigsuspend(void) { sigset_t s; sigemptyset(&s); return sigsuspend(&s); }

static long do_sigtimedwait(void)
{
	struct timespec ts = { 5, 0 };
	sigset_t s;

	sigemptyset(&s);
	sigaddset(&s, SIGUSR2);
	return sigtimedwait(&s, NULL, &ts);
}

static long do_nanosleep(void)
{
	struct timespec ts = { 5, 0 }, rem = { 99, 0 };
	long r = nanosleep(&ts, &rem);
	int saved = errno;

	say("remaining plausible: %d", rem.tv_sec <= 5 && rem.tv_sec >= 3);
	errno = saved;
	return r;
}

static long do_clock_abs(void)
{
	struct timespec ts, rem = { 99, 99 };

	clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_sec += 5;
	errno = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, &rem);
	say("remaining untouched: %d", rem.tv_sec == 99);
	return errno ? -1 : 0;
}

static long do_rcvtimeo(void)
{
	struct timeval tv = { 5, 0 };
	char c;
	long r;

	setsockopt(sv[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	r = recv(sv[0], &c, 1, 0);
	int saved = errno;
	tv.tv_sec = 0;
	setsockopt(sv[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	errno = saved;
	return r;
}

/* What makes the call return when it was restarted. */
static void satisfy(void)
{
	int fd;

	write_all(fds[1], "x", 1);
	write_all(sv[1], "x", 1);
	uint64_t one = 1;
	write_all(efd, (char *)&one, 8);
	fd = open("fifo", O_WRONLY | O_NONBLOCK);
	if (fd >= 0) {
		sleep_ms(20);
		close(fd);
	}
	if (kid)
		kill(kid, SIGKILL);
}

static void drain(void)
{
	char buf[64];

	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	while (read(fds[0], buf, sizeof(buf)) > 0)
		;
	fcntl(fds[0], F_SETFL, 0);
	while (recv(sv[0], buf, sizeof(buf), MSG_DONTWAIT) > 0)
		;
	fcntl(efd, F_SETFL, O_NONBLOCK);
	read(efd, buf, 8);
	fcntl(efd, F_SETFL, 0);
}

enum { NEEDS_CHILD = 1, NEEDS_LOCK = 2 };

static void try(const char *name, long (*call)(void), int flags, int needs)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = flags };
	pid_t me = getpid(), helper, holder = 0;
	struct gate g;
	long r;

	sigaction(SIGUSR1, &sa, NULL);
	handled = 0;
	kid = 0;
	gate_init(&g);
	if (needs == NEEDS_CHILD) {
		kid = MUST(fork());
		if (kid == 0)
			for (;;)
				pause();
	}
	if (needs == NEEDS_LOCK) {
		holder = MUST(fork());
		if (holder == 0) {
			struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
			int fd = MUST(open("lock", O_RDWR));

			MUST(flock(fd, LOCK_EX));
			MUST(fcntl(fd, F_SETLK, &fl));
			gate_open(&g);
			for (;;)
				pause();
		}
		gate_wait(&g);
	}
	helper = MUST(fork());
	if (helper == 0) {
		wait_asleep(me);
		kill(me, SIGUSR1);
		if (flags & SA_RESTART) {
			sleep_ms(30);
			wait_asleep(me);
			satisfy();
			if (holder)
				kill(holder, SIGKILL);
		}
		_exit(0);
	}
	errno = 0;
	r = call();
	say("%s %s: %s, handled %d", name, flags & SA_RESTART ? "restart" : "plain",
	    r == -1 ? errno_name(errno) : "completed", handled);
	waitpid(helper, NULL, 0);
	if (holder) {
		kill(holder, SIGKILL);
		waitpid(holder, NULL, 0);
		flock(lock_fd, LOCK_UN);
	}
	if (kid) {
		kill(kid, SIGKILL);
		waitpid(kid, NULL, 0);
	}
	close(g.fd[0]);
	close(g.fd[1]);
	drain();
}

#define BOTH(name, fn, needs)                  \
	do {                                   \
		try(name, fn, 0, needs);          \
		try(name, fn, SA_RESTART, needs); \
	} while (0)

int main(void)
{
	scratch();
	MUST(pipe(fds));
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
	efd = MUST(eventfd(0, 0));
	lock_fd = MUST(open("lock", O_RDWR | O_CREAT, 0644));
	MUST(mkfifo("fifo", 0600));
	BOTH("read of a pipe", do_read, 0);
	BOTH("recv", do_recv, 0);
	BOTH("read of an eventfd", do_eventfd, 0);
	BOTH("wait4", do_wait, NEEDS_CHILD);
	BOTH("waitid", do_waitid, NEEDS_CHILD);
	BOTH("flock", do_flock, NEEDS_LOCK);
	BOTH("fcntl lock", do_fcntl, NEEDS_LOCK);
	BOTH("open of a fifo", do_open, 0);
	try("futex", do_futex, 0, 0);
	SECTION("never restarted");
	try("futex with a timeout", do_futex_timed, 0, 0);
	BOTH("poll", do_poll, 0);
	BOTH("select", do_select, 0);
	BOTH("epoll_wait", do_epoll, 0);
	BOTH("pause", do_pause, 0);
	BOTH("sigsuspend", do_sigsuspend, 0);
	BOTH("sigtimedwait", do_sigtimedwait, 0);
	BOTH("nanosleep", do_nanosleep, 0);
	BOTH("clock_nanosleep absolute", do_clock_abs, 0);
	BOTH("recv with a timeout", do_rcvtimeo, 0);
	return 0;
}
