/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tty programs share: a pseudo-terminal, and what comes out of its two ends.
 *
 * Natively a worker carries bytes from one end to the other; a read or a poll that finds nothing waits for it first.  So
 * both ends are read until they are dry, the slave first, for what it gets may be echoed.
 */
#ifndef TESTS_CONTRACT_TTY_H
#define TESTS_CONTRACT_TTY_H

#include "tests/contract/contract.h"
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>

static int m = -1, s = -1; /* master and slave; they do not block */
static struct termios std; /* as a new terminal has it */

UNUSED_OK static void tty_open(void)
{
	char name[64];

	m = MUST(posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC));
	MUST(grantpt(m));
	MUST(unlockpt(m));
	MUST(ptsname_r(m, name, sizeof(name)) ? -1 : 0);
	s = MUST(open(name, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC));
	MUST(tcgetattr(s, &std));
}

UNUSED_OK static void set_blocking(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	MUST(fcntl(fd, F_SETFL, on ? flags & ~O_NONBLOCK : flags | O_NONBLOCK));
}

/* Reads @fd until it is dry; what came in one read is one line when @each. */
UNUSED_OK static void show_end(const char *what, int fd, bool each)
{
	char buf[8192];
	size_t have = 0;
	int nr = 0;

	for (;;) {
		ssize_t n = read(fd, buf + have, sizeof(buf) - have);

		if (n < 0) {
			if (errno != EAGAIN)
				say("%s: %s", what, errno_name(errno));
			break;
		}
		if (each) {
			show_bytes(what, buf, n);
			if (++nr == 40)
				break;
		} else {
			have += n;
		}
	}
	if (have)
		show_bytes(what, buf, have);
}

UNUSED_OK static void show_both(void)
{
	show_end("  read", s, true);
	show_end("  echo", m, false);
}

#define TYPE(text) (say("type %s", #text), MUST(write(m, text, sizeof(text) - 1)), show_both())
#define PRINT(text) (say("print %s", #text), MUST(write(s, text, sizeof(text) - 1)), show_end("  comes", m, false))

enum { I, O, C, L };

/* The standard settings with @on set and @off cleared in one of the words. */
UNUSED_OK static struct termios with(int word, tcflag_t on, tcflag_t off)
{
	struct termios t = std;
	tcflag_t *w = word == I ? &t.c_iflag : word == O ? &t.c_oflag : word == C ? &t.c_cflag : &t.c_lflag;

	*w = (*w | on) & ~off;
	return t;
}

UNUSED_OK static void use(struct termios t)
{
	MUST(tcsetattr(s, TCSANOW, &t));
}

UNUSED_OK static struct termios raw(int min, int time)
{
	struct termios t = std;

	cfmakeraw(&t);
	t.c_cc[VMIN] = min;
	t.c_cc[VTIME] = time;
	return t;
}

#endif
