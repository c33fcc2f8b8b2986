/* SPDX-License-Identifier: Apache-2.0 */
/* The line discipline: editing, echo, ends of lines, translation of input and output, flow control, limits. */
#include "tests/contract/tty.h"

static void editing(void)
{
	struct termios t;

	SECTION("editing a line");
	use(std);
	TYPE("abc\n");
	TYPE("abc\177\177x\n");
	TYPE("\177\177a\n");
	TYPE("abc\025def\n");
	TYPE("one two  three\027\027x\n");
	TYPE("a-b.c/d_e\027!\027\n");
	TYPE("\027\025x\n");
	TYPE("ab\001\177c\001\n");
	TYPE("abc\022def\n");
	TYPE("a\026\177\026\003\026\n\n");
	TYPE("\026\026\n");
	TYPE("x\026\n\177\n");
	TYPE("a\tb\177\177c\n");
	TYPE("\t\t\177\177x\n");
	TYPE("abcdefgh\tx\177\177\177\n");
	TYPE("a\001\t\177\177\177z\n");
	TYPE("\001\002\033[A\n");
	TYPE("\200\377\n");
	TYPE("two\nlines\n");
	TYPE("begun");
	TYPE(" and ended\n");
	PRINT("prompt> ");
	TYPE("\tx\177\177\n");
	PRINT("12345");
	TYPE("a\tb\tc\025d\n");

	SECTION("UTF-8");
	use(with(I, IUTF8, 0));
	TYPE("a\303\244\177b\n");
	TYPE("\342\202\254x\177\177y\n");
	TYPE("\360\237\230\200\360\237\230\200\177\n");
	TYPE("gr\303\274n haus\027\027x\n");
	TYPE("\303\244\t\177x\n");
	TYPE("\244\244\177x\n");
	PRINT("\303\244\303\244\tx\n");
	use(std);
	TYPE("a\303\244\177b\n");

	SECTION("what is echoed");
	use(with(L, 0, ECHO));
	TYPE("abc\177d\001\025\022x\n");
	use(with(L, ECHONL, ECHO));
	TYPE("abc\n");
	use(with(L, 0, ECHOCTL));
	TYPE("a\001\177b\026\001\n");
	TYPE("a\001\tb\177\177\177\n");
	use(with(L, 0, ECHOE));
	TYPE("abc\177\177d\027\n");
	use(with(L, 0, ECHOE | ECHOCTL));
	TYPE("abc\177d\n");
	use(with(L, 0, ECHOKE));
	TYPE("abc\025d\n");
	use(with(L, 0, ECHOK));
	TYPE("abc\025d\n");
	use(with(L, 0, ECHOK | ECHOKE));
	TYPE("abc\025d\n");
	use(with(L, ECHOPRT, 0));
	TYPE("abcd\177\177e\177\n");
	TYPE("abcd\027x\n");
	TYPE("abcd\025x\n");
	TYPE("ab\177\n");
	use(with(L, 0, IEXTEN));
	TYPE("a\027b\026c\022\n");
	use(with(L, 0, ICANON));
	TYPE("a\177\001\004\n\r");

	SECTION("other characters for editing");
	t = std;
	t.c_cc[VERASE] = '#';
	t.c_cc[VKILL] = '@';
	t.c_cc[VEOF] = '%';
	t.c_cc[VWERASE] = 0;
	use(t);
	TYPE("abc#d\177\n");
	TYPE("abc@d\n");
	TYPE("ab\027%");
	TYPE("%");
}

static void ends(void)
{
	struct termios t = std;

	SECTION("the end of a line");
	use(std);
	TYPE("\004");
	TYPE("abc\004");
	TYPE("abc\004\004");
	TYPE("\n\004\n");
	TYPE("a\026\004b\n");
	TYPE("x\004y\nz\004\004w\n");
	t.c_cc[VEOL] = ';';
	t.c_cc[VEOL2] = '!';
	use(t);
	TYPE("abc;def!ghi\n");
	TYPE("a\026;b;");
	t.c_lflag &= ~IEXTEN;
	use(t);
	TYPE("abc;def!ghi\n");
	use(std);
	TYPE("a\000b\n");
}

static void input(void)
{
	static const struct { const char *name; tcflag_t on, off; } modes[] = {
		{ "INLCR", INLCR, 0 }, { "IGNCR", IGNCR, 0 }, { "no ICRNL", 0, ICRNL }, { "INLCR, no ICRNL", INLCR, ICRNL },
		{ "IGNCR, ICRNL", IGNCR | ICRNL, 0 }, { "ISTRIP", ISTRIP, 0 }, { "IUCLC", IUCLC, 0 }, { "PARMRK", PARMRK, 0 },
		{ "ISTRIP, PARMRK", ISTRIP | PARMRK, 0 }, { "INPCK", INPCK, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		say("-- input with %s", modes[i].name);
		use(with(I, modes[i].on, modes[i].off));
		TYPE("a\rb\nC\303\344\377\n");
		TYPE("\n\n");
	}
	SECTION("IUCLC without IEXTEN");
	use(({ struct termios t = with(I, IUCLC, 0); t.c_lflag &= ~IEXTEN; t; }));
	TYPE("ABc\n");
}

static void output(void)
{
	static const struct { const char *name; tcflag_t on, off; } modes[] = {
		{ "nothing else", 0, 0 }, { "no OPOST", 0, OPOST }, { "no ONLCR", 0, ONLCR }, { "OLCUC", OLCUC, 0 },
		{ "OCRNL", OCRNL, 0 }, { "ONOCR", ONOCR, 0 }, { "ONLRET", ONLRET, 0 }, { "ONLRET, no ONLCR", ONLRET, ONLCR },
		{ "OCRNL, ONLRET", OCRNL | ONLRET, 0 }, { "tabs", TAB3, 0 }, { "OFILL", OFILL, 0 }, { "CR and NL delay", CR3 | NL1, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		say("-- output with %s", modes[i].name);
		use(with(O, modes[i].on, modes[i].off));
		PRINT("ab\ncd\re\b\bf\tg\n");
		PRINT("\t1234567\t12345678\tx\b\b\b\t\001\033\177\ty\r\n");
		PRINT("\r\rx\r\n");
		TYPE("a\tb\177\n");
	}
	SECTION("tabs after wide characters and backspaces");
	use(({ struct termios t = with(O, TAB3, 0); t.c_iflag |= IUTF8; t; }));
	PRINT("\303\244\342\202\254\t|\b\b\b\b\b\b\b\b\b\b\b\t|\n");
	TYPE("ab\tc\177\177\177d\n");
}

static void flow(void)
{
	struct termios t = std;

	SECTION("flow control");
	use(std);
	TYPE("a\023b\n");
	TYPE("c\n");
	TYPE("\021");
	TYPE("\021d\n");
	TYPE("\023");
	CALL(write(s, "out", 3));
	CALL(poll(&(struct pollfd){ s, POLLOUT, 0 }, 1, 0));
	show_end("  comes", m, false);
	TYPE("\021");
	CALL(write(s, "out\n", 4));
	show_end("  comes", m, false);
	use(with(I, IXANY, 0));
	TYPE("\023");
	TYPE("x\n");
	TYPE("\023\003y\n");
	use(with(I, 0, IXON));
	TYPE("a\023\021b\n");
	SECTION("switching IXON off starts it again");
	use(std);
	TYPE("\023q\n");
	use(with(I, 0, IXON));
	show_both();
	SECTION("one character for both");
	t.c_cc[VSTART] = t.c_cc[VSTOP] = 'S' & 0x1f;
	use(t);
	TYPE("\023a\n");
	TYPE("\023");
	TYPE("\026\023\n");
	SECTION("tcflow");
	use(std);
	CALL(tcflow(s, TCOOFF));
	CALL(write(s, "x", 1));
	TYPE("ab\n");
	TYPE("\021");
	CALL(tcflow(s, TCOON));
	PRINT("on"); /* which brings the echo along */
	CALL(tcflow(s, TCIOFF));
	show_both();
	CALL(tcflow(s, TCION));
	show_both();
	CALL(tcflow(s, 4));
	CALL(tcflow(m, TCOOFF));
	CALL(tcflow(m, TCOON));
	show_both();
}

static void limits(void)
{
	char text[6000];
	ssize_t n;

	SECTION("a line that is too long");
	use(with(L, 0, ECHO));
	memset(text, 'x', sizeof(text));
	for (size_t done = 0; done < 5000; done += 100) {
		MUST(write(m, text, 100));
		CALL(read(s, text, 0) == 0 || errno == EAGAIN ? 0 : -1);
		poll(&(struct pollfd){ s, POLLIN, 0 }, 1, 0);
	}
	show_end("  echo", m, false);
	MUST(write(m, "end\n", 4));
	while ((n = read(s, text, sizeof(text))) > 0)
		say("read %zd bytes, the last %#x", n, text[n - 1]);
	say("then %s", n ? errno_name(errno) : "0");
	SECTION("a line in pieces");
	use(std);
	MUST(write(m, "abcdefghij\nk\n", 13));
	poll(&(struct pollfd){ s, POLLIN, 0 }, 1, -1);
	for (int i = 0; i < 5; i++) {
		n = read(s, text, 4);
		show_bytes("read 4", text, n < 0 ? 0 : n);
	}
	SECTION("the end of file after just as much");
	MUST(write(m, "abcd\004\004ef\n", 9));
	poll(&(struct pollfd){ s, POLLIN, 0 }, 1, -1);
	for (int i = 0; i < 4; i++) {
		n = read(s, text, 4);
		say("%zd", n);
		show_bytes("read 4", text, n < 0 ? 0 : n);
	}
	show_both();
}

int main(void)
{
	tty_open();
	editing();
	ends();
	input();
	output();
	flow();
	limits();
	return 0;
}
