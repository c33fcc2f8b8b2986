/* SPDX-License-Identifier: Apache-2.0 */
/* Terminals. */
#include <asm/termbits.h>
#include <errno.h>
#include <sys/ioctl.h>

#include "platform/host/host.h"
#include "platform/host/host_internal.h"

static_assert(sizeof(struct host_termios) == sizeof(struct termios), "struct termios");
static_assert(sizeof(struct host_winsize) == sizeof(struct winsize), "struct winsize");

bool host_isatty(int fd)
{
	struct host_termios t;

	return host_tcgetattr(fd, &t) == 0;
}

int host_tcgetattr(int fd, struct host_termios *ret_t)
{
	return ret_errno(ioctl(fd, TCGETS, ret_t));
}

int host_tcsetattr(int fd, enum host_tcset when, const struct host_termios *t)
{
	/* TCSETSW and TCSETSF follow TCSETS, in the order of enum host_tcset. */
	return retry_eintr(ioctl(fd, (unsigned long)(TCSETS + (int)when), t));
}

int host_get_winsize(int fd, struct host_winsize *ret_ws)
{
	return ret_errno(ioctl(fd, TIOCGWINSZ, ret_ws));
}

int host_set_winsize(int fd, const struct host_winsize *ws)
{
	return ret_errno(ioctl(fd, TIOCSWINSZ, ws));
}

int host_tcgetpgrp(int fd)
{
	int pgrp;

	return ioctl(fd, TIOCGPGRP, &pgrp) < 0 ? -errno : pgrp;
}

int host_ioctl(int fd, unsigned long request, void *arg)
{
	return ret_errno(ioctl(fd, request, arg));
}
