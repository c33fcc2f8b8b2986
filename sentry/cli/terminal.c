/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest may put the host's terminal into raw mode, and the sentry may die before the guest undoes it: by exit, by a
 * failed assertion, by a signal of its own making.  In each case the modes found at the start come back.  Nothing can be
 * done about SIGKILL.
 */
#include <stdlib.h>

#include "platform/host/host.h"
#include "sentry/abi/signal.h"
#include "sentry/abi/tty.h"
#include "sentry/cli/cli.h"

static int tty_fd = -1;
static struct host_termios saved;

static bool same_modes(const struct host_termios *a, const struct host_termios *b)
{
	if (a->iflag != b->iflag || a->oflag != b->oflag || a->cflag != b->cflag || a->lflag != b->lflag)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(a->cc); i++)
		if (a->cc[i] != b->cc[i])
			return false;
	return true;
}

/* Async-signal-safe. */
static void restore(enum host_tcset when)
{
	struct host_termios now;

	if (tty_fd < 0 || host_tcgetattr(tty_fd, &now) || same_modes(&now, &saved))
		return;
	host_tcsetattr(tty_fd, when, &saved);
}

void terminal_restore(void)
{
	restore(HOST_TCSADRAIN);
}

void terminal_restore_now(void)
{
	restore(HOST_TCSANOW);
}

/* Faults of the sentry's own.  The handler is reset before it runs: the repeated fault ends the process as it should. */
static void died(int sig)
{
	terminal_restore();
	host_kill(host_getpid(), sig);
}

void terminal_save(void)
{
	static const int deadly[] = { LINUX_SIGSEGV, LINUX_SIGBUS,  LINUX_SIGILL,
				      LINUX_SIGFPE,  LINUX_SIGABRT, LINUX_SIGSYS };

	for (int fd = 0; fd <= 2 && tty_fd < 0; fd++) {
		if (host_isatty(fd) && !host_tcgetattr(fd, &saved))
			tty_fd = host_dup(fd, 3);
	}
	if (tty_fd < 0)
		return;
	atexit(terminal_restore);
	bug_at_exit(terminal_restore);
	for (size_t i = 0; i < ARRAY_SIZE(deadly); i++)
		host_sigaction(deadly[i], died, LINUX_SA_RESETHAND | LINUX_SA_NODEFER);
}

void terminal_raw(int fd)
{
	struct host_termios t;

	if (host_tcgetattr(fd, &t))
		return;
	t.iflag &= ~(uint32_t)(LINUX_IGNBRK | LINUX_BRKINT | LINUX_PARMRK | LINUX_ISTRIP | LINUX_INLCR | LINUX_IGNCR |
			       LINUX_ICRNL | LINUX_IXON);
	t.oflag &= ~(uint32_t)LINUX_OPOST;
	t.lflag &= ~(uint32_t)(LINUX_ECHO | LINUX_ECHONL | LINUX_ICANON | LINUX_ISIG | LINUX_IEXTEN);
	t.cc[LINUX_VMIN] = 1;
	t.cc[LINUX_VTIME] = 0;
	host_tcsetattr(fd, HOST_TCSADRAIN, &t);
}
