/* SPDX-License-Identifier: Apache-2.0 */
/* Reads of a terminal: VMIN and VTIME, changes of mode with input waiting, what is counted and polled, hangup. */
#include "tests/contract/tty.h"

/* One read of up to @size bytes; how long it may take is told as "at once" or "waited". */
static void read_once(size_t size, long least_ms)
{
	char buf[256];
	long start = now_ms();
	ssize_t n = read(s, buf, size);
	int err = errno;

	/* A clock that ticks is a bit early at times. */
	say("  read %zu -> %zd%s%s%s", size, n, n < 0 ? " " : "", n < 0 ? errno_name(err) : "",
	    now_ms() - start >= least_ms - 20 ? "" : ", too early");
	if (n > 0)
		show_bytes("  data", buf, n);
}

/* A child types @text when the reader waits. */
static pid_t typist(const char *text)
{
	pid_t me = getpid(), pid = MUST(fork());

	if (pid == 0) {
		wait_asleep(me);
		write_all(m, text, strlen(text));
		_exit(0);
	}
	return pid;
}

static void min_and_time(void)
{
	pid_t pid;

	SECTION("MIN 0, TIME 0: what is there");
	use(raw(0, 0));
	read_once(10, 0);
	MUST(write(m, "abc", 3));
	read_once(2, 0);
	read_once(10, 0);
	SECTION("MIN 1, TIME 0: at least one");
	set_blocking(s, true);
	use(raw(1, 0));
	pid = typist("ab");
	read_once(10, 0);
	reap("typist", pid);
	SECTION("MIN 3, TIME 0: at least three, or as many as are wanted");
	use(raw(3, 0));
	pid = typist("abcd");
	read_once(10, 0);
	reap("typist", pid);
	pid = typist("ab");
	read_once(2, 0);
	reap("typist", pid);
	SECTION("MIN 0, TIME 2: the first byte, or a time out");
	use(raw(0, 2));
	read_once(10, 200);
	pid = typist("x");
	read_once(10, 0);
	reap("typist", pid);
	SECTION("MIN 3, TIME 2: a pause after the first byte");
	use(raw(3, 2));
	pid = typist("ab");
	read_once(10, 200);
	reap("typist", pid);
	pid = typist("abcd");
	read_once(10, 0);
	reap("typist", pid);
	SECTION("without blocking");
	set_blocking(s, false);
	use(raw(3, 2));
	read_once(10, 0);
	MUST(write(m, "ab", 2));
	read_once(10, 0);
	use(raw(0, 2));
	read_once(10, 0);
	use(raw(0, 0));
	read_once(10, 0);
	use(raw(1, 0));
	read_once(10, 0);
	read_once(0, 0);
	use(std);
	read_once(10, 0);
}

static void show_poll(int timeout)
{
	struct pollfd p = { s, POLLIN | POLLOUT | POLLPRI, 0 };
	int n = poll(&p, 1, timeout), count = -1;

	CALL(ioctl(s, FIONREAD, &count));
	say("poll %d%s%s%s%s%s, FIONREAD %d", n, p.revents & POLLIN ? " IN" : "", p.revents & POLLOUT ? " OUT" : "",
	    p.revents & POLLHUP ? " HUP" : "", p.revents & POLLERR ? " ERR" : "", p.revents & POLLPRI ? " PRI" : "", count);
}

static void polling(void)
{
	SECTION("poll and FIONREAD");
	use(std);
	show_poll(0);
	MUST(write(m, "abc", 3));
	show_poll(0);
	MUST(write(m, "d\nxy", 4));
	show_poll(0);
	show_both();
	MUST(write(m, "\n\004", 2));
	poll(&(struct pollfd){ s, POLLIN, 0 }, 1, -1);
	show_both();
	use(raw(3, 0));
	MUST(write(m, "ab", 2));
	show_poll(0);
	MUST(write(m, "c", 1));
	show_poll(0);
	show_both();
	use(raw(3, 1));
	MUST(write(m, "a", 1));
	show_poll(0);
	show_both();
	use(raw(0, 0));
	show_poll(0);
	use(std);
	SECTION("the master");
	CALL(write(s, "hello", 5));
	poll(&(struct pollfd){ m, POLLIN, 0 }, 1, -1);
	CALL(ioctl(m, FIONREAD, &(int){ 0 }));
	CALL(ioctl(m, TIOCOUTQ, &(int){ 0 }));
	CALL(ioctl(s, TIOCOUTQ, &(int){ 0 }));
	show_both();
}

static void switching(void)
{
	SECTION("from canonical to raw with a line begun");
	use(std);
	MUST(write(m, "ab\ncd", 5));
	poll(&(struct pollfd){ s, POLLIN, 0 }, 1, -1);
	show_poll(0);
	use(raw(1, 0));
	show_poll(0);
	show_both();
	SECTION("from raw to canonical with input");
	MUST(write(m, "xy", 2));
	poll(&(struct pollfd){ s, POLLIN, 0 }, 1, -1);
	use(std);
	show_poll(0);
	TYPE("z\n");
	SECTION("to canonical and back");
	use(raw(1, 0));
	use(std);
	TYPE("ab");
	use(raw(1, 0));
	show_both();
	SECTION("an end of file read raw");
	use(std);
	MUST(write(m, "a\004b\n", 4));
	poll(&(struct pollfd){ s, POLLIN, 0 }, 1, -1);
	use(raw(1, 0));
	show_both();
	SECTION("TCSAFLUSH throws input away");
	use(std);
	MUST(write(m, "gone\nand this", 13));
	poll(&(struct pollfd){ s, POLLIN, 0 }, 1, -1);
	MUST(tcsetattr(s, TCSAFLUSH, &std));
	show_both();
	TYPE("kept\n");
	SECTION("tcflush");
	MUST(write(m, "gone\nand this", 13));
	poll(&(struct pollfd){ s, POLLIN, 0 }, 1, -1);
	CALL(tcflush(s, TCIFLUSH));
	show_both();
	TYPE("kept\n");
	MUST(write(m, "kept\n", 5));
	poll(&(struct pollfd){ s, POLLIN, 0 }, 1, -1);
	show_end("  echo", m, false);
	CALL(tcflush(s, TCOFLUSH));
	show_end("  read", s, true);
	CALL(tcflush(s, TCIOFLUSH));
	CALL(tcflush(s, 3));
	SECTION("TCSBRK, tcdrain");
	CALL(write(s, "unread", 6));
	CALL(tcdrain(s));
	CALL(tcsendbreak(s, 0));
	CALL(ioctl(s, TCSBRKP, 0));
	CALL(tcsetattr(s, TCSADRAIN, &std));
	show_both();
}

static void hangup(void)
{
	char buf[16], name[64];
	int other;

	SECTION("the slave closes");
	MUST(ptsname_r(m, name, sizeof(name)) ? -1 : 0);
	CALL(write(s, "last", 4));
	close(s);
	CALL(poll(&(struct pollfd){ m, POLLIN, 0 }, 1, -1));
	CALL(read(m, buf, sizeof(buf)));
	CALL(read(m, buf, sizeof(buf)));
	SHOW(({ struct pollfd p = { m, POLLIN | POLLOUT, 0 }; poll(&p, 1, 0); p.revents; }));
	CALL(write(m, "typed\n", 6));
	SECTION("and is opened again");
	s = MUST(open(name, O_RDWR | O_NOCTTY | O_NONBLOCK));
	show_both();
	OK(write(s, "x", 1));
	show_both();
	other = MUST(open(name, O_RDWR | O_NOCTTY));
	SECTION("the master closes");
	MUST(write(m, "unread\n", 7));
	poll(&(struct pollfd){ s, POLLIN, 0 }, 1, -1);
	close(m);
	SHOW(({ struct pollfd p = { s, POLLIN | POLLOUT, 0 }; poll(&p, 1, 0); p.revents; }));
	CALL(read(s, buf, sizeof(buf)));
	CALL(read(other, buf, sizeof(buf)));
	CALL(write(s, "x", 1));
	CALL(ioctl(s, FIONREAD, &(int){ 0 }));
	CALL(tcgetattr(s, &std));
	CALL(isatty(s));
	CALL(open(name, O_RDWR | O_NOCTTY));
	SECTION("a master without a slave");
	m = MUST(posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK));
	MUST(ptsname_r(m, name, sizeof(name)) ? -1 : 0);
	CALL(open(name, O_RDWR | O_NOCTTY));
	CALL(read(m, buf, sizeof(buf)));
	SHOW(({ struct pollfd p = { m, POLLIN | POLLOUT, 0 }; poll(&p, 1, 0); p.revents; }));
	CALL(unlockpt(m));
	MUST(write(m, "early\n", 6));
	s = MUST(open(name, O_RDWR | O_NOCTTY | O_NONBLOCK));
	MUST(tcgetattr(s, &std));
	show_both();
}

int main(void)
{
	tty_open();
	min_and_time();
	polling();
	switching();
	hangup();
	return 0;
}
