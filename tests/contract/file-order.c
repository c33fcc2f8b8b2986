/* SPDX-License-Identifier: Apache-2.0 */
/* Which of two mistakes is told, where a call could complain of both. */
#include "tests/contract/contract.h"

#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

int main(void)
{
	struct itimerspec bad = { .it_value.tv_nsec = -1 }, good = { 0 };
	struct epoll_event ev;
	int fd;

	scratch();
	fd = MUST(open("file", O_RDWR | O_CREAT, 0600));
	CALL(inotify_add_watch(fd, "nowhere", IN_CREATE));
	CALL(inotify_add_watch(-1, "nowhere", IN_CREATE));
	CALL(inotify_add_watch(fd, "nowhere", 0));
	CALL(flock(-1, LOCK_MAND));
	CALL(flock(-1, LOCK_SH));
	CALL(accept4(-1, NULL, NULL, 0x99999));
	CALL(accept4(fd, NULL, NULL, 0x99999));
	CALL(epoll_wait(-1, &ev, 0, 0));
	CALL(epoll_wait(fd, &ev, 0, 0));
	CALL(timerfd_settime(-1, 99, &good, NULL));
	CALL(timerfd_settime(-1, 0, &bad, NULL));
	CALL(timerfd_settime(-1, 0, &good, NULL));
	CALL(timerfd_settime(fd, 0, &good, NULL));
	return 0;
}
