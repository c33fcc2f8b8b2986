/* SPDX-License-Identifier: Apache-2.0 */
/* Calls interrupted by a stop and continue, or by an ignored or blocked signal, go on with what is left of their time. */
#include "tests/contract/contract.h"
#include <linux/futex.h>
#include <poll.h>
#include <sys/epoll.h>

static int word;

static long do_nanosleep(void)
{
	struct timespec ts = { 0, 200000000 };

	return nanosleep(&ts, NULL);
}

static long do_clock(void)
{
	struct timespec ts = { 0, 200000000 };

	errno = clock_nanosleep(CLOCK_BOOTTIME, 0, &ts, NULL);
	return errno ? -1 : 0;
}

static long do_poll(void) { return poll(NULL, 0, 200); }

static long do_futex(void)
{
	struct timespec ts = { 0, 200000000 };

	return syscall(SYS_futex, &word, FUTEX_WAIT, 0, &ts, NULL, 0);
}

static void run(const char *what, long (*call)(void), int first, int second)
{
	pid_t me, helper;
	long before, r;

	me = MUST(fork());
	if (me) {
		reap(what, me);
		return;
	}
	me = getpid();
	/* The helper is the child's own, so the child can be stopped without the test stopping. */
	helper = MUST(fork());
	if (helper == 0) {
		wait_asleep(me);
		for (int i = 0; i < 3; i++) {
			kill(me, first);
			sleep_ms(5);
			if (second)
				kill(me, second);
			sleep_ms(5);
		}
		_exit(0);
	}
	before = now_ms();
	errno = 0;
	r = call();
	int e = errno;
	long took = now_ms() - before;
	say("%s: %s after %s", what, r == -1 ? errno_name(e) : "0", took < 195 ? "too little" : took < 2000 ? "its time" : "too long");
	waitpid(helper, NULL, 0);
	_exit(0);
}

static void all(const char *what, int first, int second)
{
	say("-- %s", what);
	run("nanosleep", do_nanosleep, first, second);
	run("clock_nanosleep", do_clock, first, second);
	run("poll", do_poll, first, second);
	run("futex", do_futex, first, second);
}

int main(void)
{
	sigset_t set;

	all("stopped and continued", SIGSTOP, SIGCONT);
	signal(SIGUSR1, SIG_IGN);
	all("ignored", SIGUSR1, 0);
	all("ignored by default", SIGWINCH, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	all("blocked", SIGUSR2, 0);
	return 0;
}
