/* SPDX-License-Identifier: Apache-2.0 */
/* ppoll, pselect, epoll_pwait: the mask is swapped for the time of the call, atomically, and restored after it. */
#include "tests/contract/contract.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>

static volatile int caught;

static void on_signal(int sig)
{
	caught += sig;
}

static bool blocked(int sig)
{
	sigset_t set;

	sigprocmask(SIG_BLOCK, NULL, &set);
	return sigismember(&set, sig);
}

int main(void)
{
	struct timespec t = { 0, 20000000 }, five = { 5, 0 }, zero = { 0, 0 }, left;
	struct epoll_event ev;
	struct pollfd p;
	sigset_t usr1, none;
	int fds[2], ep;

	sigemptyset(&none);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	signal(SIGUSR1, on_signal);
	sigprocmask(SIG_BLOCK, &usr1, NULL);
	MUST(pipe(fds));
	ep = MUST(epoll_create1(0));
	p = (struct pollfd){ fds[0], POLLIN, 0 };
	SECTION("pending before the call: EINTR at once");
	raise(SIGUSR1);
	CALL(ppoll(&p, 1, &five, &none));
	SHOW(caught);
	YES(blocked(SIGUSR1));
	raise(SIGUSR1);
	CALL(pselect(0, NULL, NULL, NULL, &five, &none));
	SHOW(caught);
	YES(blocked(SIGUSR1));
	raise(SIGUSR1);
	CALL(epoll_pwait(ep, &ev, 1, 5000, &none));
	SHOW(caught);
	YES(blocked(SIGUSR1));
	SECTION("ready and pending: ready wins, the signal stays");
	write_all(fds[1], "x", 1);
	raise(SIGUSR1);
	CALL(ppoll(&p, 1, &five, &none));
	SHOW(caught);
	caught = 0;
	sigprocmask(SIG_UNBLOCK, &usr1, NULL);
	SHOW(caught);
	SECTION("a mask that blocks more");
	pid_t me = getpid(), pid = MUST(fork());
	if (pid == 0) {
		wait_asleep(me);
		kill(me, SIGUSR1);
		_exit(0);
	}
	caught = 0;
	t.tv_nsec = 200000000;
	p.fd = -1;
	CALL(ppoll(&p, 1, &t, &usr1));
	/* delivered as soon as the old mask is back */
	SHOW(caught);
	reap("child", pid);
	SECTION("timeouts");
	t.tv_nsec = 10000000;
	long before = now_ms();
	CALL(ppoll(NULL, 0, &t, NULL));
	YES(now_ms() - before >= 10);
	left = (struct timespec){ 0, 10000000 };
	CALL(syscall(SYS_ppoll, NULL, 0, &left, NULL, 8));
	say("left %ld %ld", left.tv_sec, left.tv_nsec);
	struct timeval tv = { 0, 10000 };
	CALL(select(0, NULL, NULL, NULL, &tv));
	say("left %ld %ld", tv.tv_sec, tv.tv_usec);
	CALL(ppoll(NULL, 0, &zero, NULL));
	SECTION("refusals");
	t.tv_nsec = 1000000000;
	CALL(ppoll(NULL, 0, &t, NULL));
	CALL(pselect(0, NULL, NULL, NULL, &t, NULL));
	t.tv_nsec = -1;
	CALL(ppoll(NULL, 0, &t, NULL));
	CALL(syscall(SYS_ppoll, NULL, 0, &zero, &none, 4));
	CALL(syscall(SYS_ppoll, NULL, 0, &zero, BAD_PTR, 8));
	CALL(syscall(SYS_ppoll, NULL, 0, BAD_PTR, NULL, 8));
	CALL(poll(BAD_PTR, 1, 0));
	CALL(poll(NULL, 0x7fffffff, 0));
	CALL(select(-1, NULL, NULL, NULL, &tv));
	CALL(syscall(SYS_select, 1, BAD_PTR, NULL, NULL, NULL));
	tv.tv_usec = -1;
	CALL(select(0, NULL, NULL, NULL, &tv));
	CALL(epoll_wait(ep, &ev, 0, 0));
	CALL(epoll_wait(ep, &ev, -1, 0));
	CALL(epoll_wait(fds[0], &ev, 1, 0));
	CALL(epoll_wait(999, &ev, 1, 0));
	return 0;
}
