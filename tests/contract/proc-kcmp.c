/* SPDX-License-Identifier: Apache-2.0 */
/* kcmp(2): what two processes, or two descriptors, share. */
#include "tests/contract/contract.h"

#include <sys/epoll.h>

enum { FILE_, VM, FILES, FS, SIGHAND, IO, SYSVSEM, EPOLL_TFD, TYPES };

static struct slot {
	uint32_t efd, tfd, toff;
} slot;

/* Equal, or not; the order is of no interest. */
static const char *kcmp(pid_t a, pid_t b, int type, unsigned long x, unsigned long y)
{
	long r = syscall(SYS_kcmp, a, b, type, x, y);

	return r < 0 ? errno_name(errno) : r ? "different" : "equal";
}
#define KCMP(a, b, type, x, y)                                                                                         \
	say("kcmp(%s, %s, %s, %s, %s): %s", #a, #b, #type, #x, #y,                                                     \
	    kcmp(a, b, type, (unsigned long)(x), (unsigned long)(y)))

int main(void)
{
	struct epoll_event ev = { .events = EPOLLIN };
	pid_t me = getpid(), child;
	struct gate g;
	int p[2], q[2], ep, dup_fd;

	gate_init(&g);
	MUST(pipe(p));
	MUST(pipe(q));
	dup_fd = MUST(dup(p[0]));
	ep = MUST(epoll_create1(0));
	MUST(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &ev));
	child = MUST(fork());
	if (!child) {
		gate_wait(&g);
		_exit(0);
	}
	KCMP(me, me, FILE_, p[0], dup_fd);
	KCMP(me, me, FILE_, p[0], p[1]);
	KCMP(me, child, FILE_, p[0], p[0]);
	KCMP(me, child, FILE_, p[0], 999);
	KCMP(me, child, VM, 0, 0);
	KCMP(me, me, VM, 0, 0);
	KCMP(me, child, FILES, 0, 0);
	KCMP(me, child, FS, 0, 0);
	KCMP(me, child, SIGHAND, 0, 0);
	KCMP(me, child, SYSVSEM, 0, 0);
	KCMP(me, 0x7ffffff0, VM, 0, 0);
	KCMP(me, me, TYPES, 0, 0);
	KCMP(me, me, -1, 0, 0);
	SECTION("epoll");
	slot = (struct slot){ ep, p[0], 0 };
	KCMP(me, me, EPOLL_TFD, p[0], &slot);
	KCMP(me, me, EPOLL_TFD, p[1], &slot);
	KCMP(me, me, EPOLL_TFD, dup_fd, &slot);
	KCMP(me, child, EPOLL_TFD, p[0], &slot);
	KCMP(me, me, EPOLL_TFD, p[0], BAD_PTR);
	KCMP(me, me, EPOLL_TFD, 999, &slot);
	slot.toff = 1;
	KCMP(me, me, EPOLL_TFD, p[0], &slot);
	/* The number comes to stand for another file, which is watched too. */
	MUST(dup2(q[0], p[0]));
	MUST(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &ev));
	say("two under one number: %s", strcmp(kcmp(me, me, EPOLL_TFD, dup_fd, (unsigned long)&slot), "ENOENT") ? "there" : "ENOENT");
	slot.toff = 2;
	KCMP(me, me, EPOLL_TFD, p[0], &slot);
	slot = (struct slot){ q[0], q[0], 0 };
	KCMP(me, me, EPOLL_TFD, p[0], &slot);
	slot = (struct slot){ ep, q[0], 0 };
	KCMP(me, me, EPOLL_TFD, p[0], &slot);
	gate_open(&g);
	reap("child", child);
	return 0;
}
