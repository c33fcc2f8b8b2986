/* SPDX-License-Identifier: Apache-2.0 */
/* ioctl_tty(2) on both ends of a pseudo-terminal: settings, TIOCSTI, packet mode, TIOCEXCL, window size, and what is not there. */
#include "tests/contract/tty.h"
#include <linux/kd.h>
#include <linux/vt.h>
#include <sys/sysmacros.h>

struct old_termio {
	unsigned short iflag, oflag, cflag, lflag;
	unsigned char line, cc[8];
};

static void settings(void)
{
	struct termios t = std;
	struct old_termio o;

	SECTION("settings of a new terminal");
	HEX(std.c_iflag);
	HEX(std.c_oflag);
	HEX(std.c_cflag);
	HEX(std.c_lflag);
	BYTES(std.c_cc, 19);
	SHOW(cfgetospeed(&std));
	CALL(tcgetattr(m, &t));
	YES(!memcmp(&t, &std, sizeof(t)));
	SECTION("the old structure");
	CALL(ioctl(s, TCGETA, &o));
	HEX(o.iflag);
	HEX(o.oflag);
	HEX(o.cflag);
	HEX(o.lflag);
	BYTES(o.cc, 8);
	o.lflag &= ~ECHO;
	o.cc[VINTR] = 'x';
	CALL(ioctl(s, TCSETA, &o));
	MUST(tcgetattr(s, &t));
	HEX(t.c_lflag);
	BYTES(t.c_cc, 19);
	CALL(ioctl(s, TCSETAW, &o));
	CALL(ioctl(s, TCSETAF, &o));
	use(std);
	SECTION("what a pseudo-terminal has no say in");
	t = std;
	t.c_cflag = CS5 | PARENB | CSTOPB | HUPCL | B9600;
	t.c_iflag |= IGNBRK | BRKINT | IGNPAR;
	t.c_lflag |= FLUSHO | PENDIN | EXTPROC;
	CALL(tcsetattr(s, TCSANOW, &t));
	MUST(tcgetattr(s, &t));
	HEX(t.c_iflag);
	HEX(t.c_cflag);
	HEX(t.c_lflag);
	SHOW(cfgetospeed(&t));
	use(std);
	SECTION("set from the master");
	t = std;
	t.c_lflag &= ~ECHO;
	CALL(tcsetattr(m, TCSANOW, &t));
	MUST(tcgetattr(s, &t));
	HEX(t.c_lflag);
	use(std);
	CALL(ioctl(s, TCGETS, BAD_PTR));
	CALL(ioctl(s, TCSETS, BAD_PTR));
}

static void inject(void)
{
	SECTION("TIOCSTI");
	use(std);
	if (geteuid())
		return;
	for (const char *p = "abX\177\n"; *p; p++)
		CALL(ioctl(s, TIOCSTI, p));
	show_both();
	CALL(ioctl(s, TIOCSTI, BAD_PTR));
}

static void show_packets(void)
{
	char buf[256];
	ssize_t n;

	for (int i = 0; i < 12 && (n = read(m, buf, sizeof(buf))) >= 0; i++) {
		say("  packet %#x", buf[0]);
		if (n > 1)
			show_bytes("  data", buf + 1, n - 1);
	}
}

static void show_events(void)
{
	struct pollfd p = { m, POLLIN | POLLPRI, 0 };

	poll(&p, 1, 0);
	say("  events%s%s", p.revents & POLLIN ? " IN" : "", p.revents & POLLPRI ? " PRI" : "");
	show_packets();
}

static void packets(void)
{
	struct termios t;
	int on = 1;

	SECTION("packet mode");
	use(std);
	CALL(ioctl(m, TIOCGPKT, &on));
	SHOW(on);
	on = 1;
	CALL(ioctl(s, TIOCPKT, &on));
	CALL(ioctl(m, TIOCPKT, &on));
	CALL(ioctl(m, TIOCGPKT, &on));
	SHOW(on);
	show_events();
	CALL(write(s, "abc\n", 4));
	show_events();
	CALL(tcflush(s, TCIFLUSH));
	show_events();
	CALL(tcflush(s, TCOFLUSH));
	show_events();
	CALL(tcflush(s, TCIOFLUSH));
	show_events();
	CALL(tcflow(s, TCOOFF));
	show_events();
	CALL(tcflow(s, TCOON));
	show_events();
	CALL(tcflow(s, TCOON));
	show_events();
	use(with(I, 0, IXON));
	show_events();
	use(std);
	show_events();
	t = std;
	t.c_cc[VSTOP] = 'x';
	use(t);
	show_events();
	use(std);
	show_events();
	use(raw(1, 0));
	show_events();
	t = std;
	t.c_lflag |= EXTPROC;
	use(t);
	show_events();
	use(std);
	show_events();
	MUST(write(m, "\023", 1));
	poll(&(struct pollfd){ s, POLLIN, 0 }, 1, 0);
	show_events();
	MUST(write(m, "\021", 1));
	poll(&(struct pollfd){ s, POLLIN, 0 }, 1, 0);
	show_events();
	MUST(write(m, "ab\003", 3));
	poll(&(struct pollfd){ s, POLLIN, 0 }, 1, 0);
	show_events();
	CALL(tcflush(m, TCIFLUSH));
	show_events();
	on = 0;
	CALL(ioctl(m, TIOCPKT, &on));
	CALL(write(s, "plain\n", 6));
	show_both();
	CALL(ioctl(m, TIOCPKT, BAD_PTR));
}

static void numbers(void)
{
	struct winsize w = { 1, 2, 3, 4 };
	int v = -1;
	char name[64], mine[64];

	SECTION("window size");
	CALL(ioctl(s, TIOCGWINSZ, &w));
	say("%d %d %d %d", w.ws_row, w.ws_col, w.ws_xpixel, w.ws_ypixel);
	w = (struct winsize){ 24, 80, 640, 480 };
	CALL(ioctl(m, TIOCSWINSZ, &w));
	memset(&w, 0, sizeof(w));
	CALL(ioctl(s, TIOCGWINSZ, &w));
	say("%d %d %d %d", w.ws_row, w.ws_col, w.ws_xpixel, w.ws_ypixel);
	CALL(ioctl(s, TIOCSWINSZ, BAD_PTR));
	CALL(ioctl(s, TIOCGWINSZ, BAD_PTR));

	SECTION("locks and names");
	CALL(ioctl(m, TIOCGPTLCK, &v));
	SHOW(v);
	CALL(ioctl(s, TIOCGPTN, &v));
	CALL(ioctl(s, TIOCSPTLCK, &v));
	OK(ioctl(m, TIOCGPTN, &v));
	MUST(ptsname_r(m, name, sizeof(name)) ? -1 : 0);
	MUST(ttyname_r(s, mine, sizeof(mine)) ? -1 : 0);
	YES(!strcmp(name, mine));
	v = OK(ioctl(m, TIOCGPTPEER, O_RDWR | O_NOCTTY));
	MUST(ttyname_r(v, mine, sizeof(mine)) ? -1 : 0);
	YES(!strcmp(name, mine));
	close(v);
	CALL(ioctl(s, TIOCGPTPEER, O_RDWR | O_NOCTTY));
	YES(ptsname_r(s, name, sizeof(name)) == ENOTTY);

	SECTION("TIOCEXCL");
	CALL(ioctl(s, TIOCGEXCL, &v));
	SHOW(v);
	CALL(ioctl(s, TIOCEXCL, 0));
	CALL(ioctl(s, TIOCGEXCL, &v));
	SHOW(v);
	CALL(ioctl(m, TIOCGEXCL, &v));
	SHOW(v);
	ptsname_r(m, name, sizeof(name));
	IN_CHILD("another user") {
		MUST(chmod(name, 0666));
		drop_privileges();
		OK(open(name, O_RDWR | O_NOCTTY));
	}
	CALL(ioctl(s, TIOCNXCL, 0));
	CALL(ioctl(s, TIOCGEXCL, &v));
	SHOW(v);
	IN_CHILD("another user") {
		drop_privileges();
		OK(open(name, O_RDWR | O_NOCTTY));
	}
	SECTION("line disciplines");
	CALL(ioctl(s, TIOCGETD, &v));
	SHOW(v);
	v = 0;
	CALL(ioctl(s, TIOCSETD, &v));
	v = 1000;
	CALL(ioctl(s, TIOCSETD, &v));
	CALL(ioctl(m, TIOCGETD, &v));
	SHOW(v);
}

static void absent(void)
{
	char buf[256];
	unsigned dev = 0;
	struct stat st;

	SECTION("what a pseudo-terminal has not");
	CALL(ioctl(s, TIOCMGET, buf));
	CALL(ioctl(s, TIOCMSET, buf));
	CALL(ioctl(s, TIOCGICOUNT, buf));
	CALL(ioctl(s, TIOCGSERIAL, buf));
	CALL(ioctl(s, TIOCLINUX, buf));
	CALL(ioctl(s, KDGETMODE, buf));
	CALL(ioctl(s, KDSETMODE, 0));
	CALL(ioctl(s, VT_GETSTATE, buf));
	CALL(ioctl(s, TIOCSBRK, 0));
	CALL(ioctl(s, TIOCCBRK, 0));
	CALL(ioctl(s, TIOCGSOFTCAR, buf));
	CALL(ioctl(s, TIOCGLCKTRMIOS, buf));
	CALL(ioctl(s, TIOCGDEV, &dev));
	MUST(fstat(s, &st));
	YES(dev == st.st_rdev);
	YES(major(st.st_rdev) == 136);
	YES(S_ISCHR(st.st_mode));
	CALL(ioctl(m, TIOCGDEV, &dev));
	CALL(ioctl(s, 0x5499, 0));
	CALL(ioctl(m, 0x5499, 0));
	CALL(lseek(s, 0, SEEK_CUR));
	CALL(lseek(m, 0, SEEK_SET));
	CALL(pread(s, buf, 1, 0));
	CALL(fsync(s));
	CALL(ftruncate(s, 0));
	CALL(ioctl(m, TIOCSIG, 0));
	CALL(ioctl(m, TIOCSIG, 65));
	CALL(ioctl(s, TIOCSIG, SIGINT));
}

int main(void)
{
	tty_open();
	settings();
	inject();
	packets();
	numbers();
	absent();
	return 0;
}
