/* SPDX-License-Identifier: Apache-2.0 */
/* eventfd: counter, semaphore mode, overflow, blocking, sizes, fork; timerfd: expirations, absolute, cancel. */
#include "tests/contract/contract.h"
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

int main(void)
{
	uint64_t v = 5;
	int fd;
	pid_t pid;

	SECTION("counter");
	fd = MUST(eventfd(3, EFD_NONBLOCK));
	CALL(write(fd, &v, 8));
	CALL(read(fd, &v, 8));
	SHOW(v);
	CALL(read(fd, &v, 8));
	v = -1;
	CALL(write(fd, &v, 8));
	v = -2;
	CALL(write(fd, &v, 8));
	v = 1;
	CALL(write(fd, &v, 8));
	CALL(write(fd, &v, 7));
	CALL(read(fd, &v, 7));
	CALL(read(fd, BAD_PTR, 8));
	CALL(write(fd, BAD_PTR, 8));
	v = 0;
	CALL(write(fd, &v, 8));
	CALL(read(fd, &v, 100));
	SECTION("semaphore");
	fd = MUST(eventfd(2, EFD_NONBLOCK | EFD_SEMAPHORE | EFD_CLOEXEC));
	CALL(fcntl(fd, F_GETFD));
	CALL(read(fd, &v, 8));
	SHOW(v);
	CALL(read(fd, &v, 8));
	SHOW(v);
	CALL(read(fd, &v, 8));
	CALL(eventfd(0, 0x7777));
	CALL(syscall(SYS_eventfd2, -1, 0) >= 0);
	SECTION("blocking, across a fork");
	fd = MUST(eventfd(0, 0));
	pid = MUST(fork());
	if (pid == 0) {
		read(fd, &v, 8);
		_exit((int)v);
	}
	wait_asleep(pid);
	v = 42;
	MUST(write(fd, &v, 8));
	reap("reader", pid);
	v = -2;
	MUST(write(fd, &v, 8));
	pid = MUST(fork());
	if (pid == 0) {
		v = 7;
		_exit(write(fd, &v, 8) == 8 ? 1 : 2);
	}
	wait_asleep(pid);
	MUST(read(fd, &v, 8));
	reap("writer", pid);
	MUST(read(fd, &v, 8));
	SHOW(v);
	SECTION("timerfd");
	struct itimerspec its = { { 0, 0 }, { 0, 20000000 } }, old;
	fd = MUST(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
	CALL(read(fd, &v, 8));
	CALL(timerfd_settime(fd, 0, &its, NULL));
	CALL(read(fd, &v, 8));
	struct pollfd p = { fd, POLLIN, 0 };
	CALL(poll(&p, 1, 5000));
	CALL(read(fd, &v, 8));
	SHOW(v);
	CALL(read(fd, &v, 8));
	its.it_interval.tv_nsec = 5000000;
	its.it_value.tv_nsec = 5000000;
	CALL(timerfd_settime(fd, 0, &its, NULL));
	sleep_ms(60);
	CALL(read(fd, &v, 8));
	YES(v >= 8 && v < 1000);
	CALL(timerfd_gettime(fd, &old));
	SHOW(old.it_interval.tv_nsec);
	YES(old.it_value.tv_nsec > 0 && old.it_value.tv_nsec <= 5000000);
	CALL(read(fd, &v, 4));
	its = (struct itimerspec){ { 0, 0 }, { 0, 0 } };
	CALL(timerfd_settime(fd, 0, &its, &old));
	SHOW(old.it_interval.tv_nsec);
	CALL(poll(&p, 1, 30));
	SECTION("absolute");
	clock_gettime(CLOCK_MONOTONIC, &its.it_value);
	its.it_value.tv_sec -= 10;
	CALL(timerfd_settime(fd, TFD_TIMER_ABSTIME, &its, NULL));
	CALL(poll(&p, 1, 1000));
	CALL(read(fd, &v, 8));
	SHOW(v);
	fcntl(fd, F_SETFL, 0);
	its = (struct itimerspec){ { 0, 0 }, { 0, 20000000 } };
	CALL(timerfd_settime(fd, 0, &its, NULL));
	CALL(read(fd, &v, 8));
	SECTION("refusals");
	CALL(timerfd_create(77, 0));
	CALL(timerfd_create(CLOCK_PROCESS_CPUTIME_ID, 0));
	CALL(timerfd_create(CLOCK_MONOTONIC, 0x7777));
	OK(timerfd_create(CLOCK_REALTIME, 0));
	OK(timerfd_create(CLOCK_BOOTTIME, 0));
	its.it_value.tv_nsec = 1000000000;
	CALL(timerfd_settime(fd, 0, &its, NULL));
	its.it_value.tv_nsec = 1;
	CALL(timerfd_settime(fd, 0x100, &its, NULL));
	CALL(timerfd_settime(1, 0, &its, NULL));
	CALL(timerfd_settime(999, 0, &its, NULL));
	CALL(timerfd_gettime(1, &its));
	CALL(timerfd_settime(fd, 0, BAD_PTR, NULL));
	CALL(write(fd, &v, 8));
	return 0;
}
