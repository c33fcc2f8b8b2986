/* SPDX-License-Identifier: Apache-2.0 */
#include "vfs/devpts/n_tty.h"

#include <string.h>

#include "sentry/abi/signal.h"

#define DISABLED 0 /* _POSIX_VDISABLE */

static bool ntty_i(const struct ntty *n, uint32_t f)
{
	return n->termios->c_iflag & f;
}

static bool ntty_o(const struct ntty *n, uint32_t f)
{
	return n->termios->c_oflag & f;
}

static bool ntty_l(const struct ntty *n, uint32_t f)
{
	return n->termios->c_lflag & f;
}

static bool ntty_is(const struct ntty *n, uint8_t c, int cc)
{
	return n->termios->c_cc[cc] != DISABLED && n->termios->c_cc[cc] == c;
}

void ntty_init(struct ntty *n, const struct linux_termios2 *termios)
{
	memset(n, 0, sizeof(*n));
	n->termios = termios;
}

/* Linux's own classes of characters are those of Latin 1, whatever the locale (lib/ctype.c). */
static bool is_cntrl(uint8_t c)
{
	return c < ' ' || c == 0x7f;
}

static bool is_upper(uint8_t c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 0xc0 && c <= 0xde && c != 0xd7);
}

static bool is_lower(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 0xdf && c != 0xf7);
}

static bool is_word(uint8_t c)
{
	return is_upper(c) || is_lower(c) || (c >= '0' && c <= '9') || c == '_';
}

/* --- output --- */

size_t ntty_output_room(const struct ntty *n)
{
	return NTTY_OUT_SIZE - (n->out_head - n->out_tail);
}

static void ntty_put_raw(struct ntty *n, uint8_t c)
{
	if (ntty_output_room(n))
		n->out[n->out_head++ % NTTY_OUT_SIZE] = c;
}

static bool utf8_continuation(const struct ntty *n, uint8_t c)
{
	return ntty_i(n, LINUX_IUTF8) && (c & 0xc0) == 0x80;
}

/* One character with output processing; at most 8 bytes. */
static void ntty_put(struct ntty *n, uint8_t c)
{
	if (!ntty_o(n, LINUX_OPOST)) {
		ntty_put_raw(n, c);
		return;
	}
	switch (c) {
	case '\n':
		if (ntty_o(n, LINUX_ONLRET))
			n->column = 0;
		if (ntty_o(n, LINUX_ONLCR)) {
			ntty_put_raw(n, '\r');
			n->column = 0;
		}
		n->canon_column = n->column;
		break;
	case '\r':
		if (ntty_o(n, LINUX_ONOCR) && !n->column)
			return;
		if (ntty_o(n, LINUX_OCRNL)) {
			c = '\n';
			if (ntty_o(n, LINUX_ONLRET))
				n->canon_column = n->column = 0;
			break;
		}
		n->canon_column = n->column = 0;
		break;
	case '\t': {
		unsigned spaces = 8 - (n->column & 7);

		n->column += spaces;
		if ((n->termios->c_oflag & LINUX_TABDLY) == LINUX_XTABS) {
			while (spaces--)
				ntty_put_raw(n, ' ');
			return;
		}
		break;
	}
	case '\b':
		if (n->column)
			n->column--;
		break;
	default:
		if (ntty_o(n, LINUX_OLCUC) && is_lower(c))
			c -= 'a' - 'A';
		if (!is_cntrl(c) && !utf8_continuation(n, c))
			n->column++;
		break;
	}
	ntty_put_raw(n, c);
}

size_t ntty_output(struct ntty *n, const uint8_t *buf, size_t len)
{
	size_t done = 0;

	if (n->stopped)
		return 0;
	while (done < len && ntty_output_room(n) >= 8)
		ntty_put(n, buf[done++]);
	return done;
}

size_t ntty_take_output(struct ntty *n, uint8_t *buf, size_t len)
{
	size_t done = 0;

	while (done < len && n->out_tail < n->out_head)
		buf[done++] = n->out[n->out_tail++ % NTTY_OUT_SIZE];
	return done;
}

void ntty_flush_output(struct ntty *n)
{
	n->out_tail = n->out_head;
}

void ntty_output_char(struct ntty *n, uint8_t c)
{
	ntty_put_raw(n, c);
}

/* --- echo --- */

/* As it is typed: control characters as ^X, but for the tab. */
static void ntty_echo_char(struct ntty *n, uint8_t c)
{
	if (ntty_l(n, LINUX_ECHOCTL) && is_cntrl(c) && c != '\t') {
		ntty_put_raw(n, '^');
		ntty_put_raw(n, c ^ 0100);
		n->column += 2;
		return;
	}
	ntty_put(n, c);
}

/* ECHOPRT: what was erased is between a backslash and a slash. */
static void ntty_finish_erasing(struct ntty *n)
{
	if (n->erasing)
		ntty_put(n, '/');
	n->erasing = false;
}

static void ntty_note_canon_column(struct ntty *n)
{
	if (n->in_head == n->in_canon)
		n->canon_column = n->column;
}

/* --- input --- */

static void ntty_push(struct ntty *n, uint8_t c, bool line_end)
{
	n->in[n->in_head % NTTY_IN_SIZE] = c;
	n->in_flags[n->in_head % NTTY_IN_SIZE] = line_end ? NTTY_LINE_END : 0;
	n->in_head++;
}

/* A line without an end must not block who types it: as long as it is full, each character takes the place of the last. */
static bool ntty_overflows(const struct ntty *n)
{
	return ntty_l(n, LINUX_ICANON) && n->in_canon == n->in_tail;
}

size_t ntty_room(const struct ntty *n)
{
	size_t free = NTTY_IN_SIZE - (n->in_head - n->in_tail);

	if (ntty_i(n, LINUX_PARMRK)) /* the mark of an error takes three */
		free = (free + 2) / 3;
	return free > 1 ? free - 1 : ntty_overflows(n);
}

void ntty_flush_input(struct ntty *n)
{
	n->in_tail = n->in_canon = n->in_head;
	n->erasing = false;
}

/* Back over a tab to where the text before it ends, which starts at canon_column or after another tab. */
static void ntty_erase_tab(struct ntty *n)
{
	unsigned cells = 0, back;
	uint64_t at = n->in_head;

	while (at > n->in_canon && n->in[(at - 1) % NTTY_IN_SIZE] != '\t') {
		uint8_t c = n->in[--at % NTTY_IN_SIZE];

		if (is_cntrl(c))
			cells += ntty_l(n, LINUX_ECHOCTL) ? 2 : 0;
		else if (!utf8_continuation(n, c))
			cells++;
	}
	if (at == n->in_canon)
		cells += n->canon_column;
	for (back = 8 - (cells & 7); back; back--) {
		ntty_put_raw(n, '\b');
		if (n->column)
			n->column--;
	}
}

static void ntty_erase_cell(struct ntty *n)
{
	ntty_put(n, '\b');
	ntty_put(n, ' ');
	ntty_put(n, '\b');
}

/* Shows that the character of @len bytes at in_head is gone. */
static void ntty_show_erased(struct ntty *n, unsigned len, bool one)
{
	uint8_t c = n->in[n->in_head % NTTY_IN_SIZE];

	if (ntty_l(n, LINUX_ECHOPRT)) {
		if (!n->erasing)
			ntty_put(n, '\\');
		n->erasing = true;
		ntty_echo_char(n, c);
		for (unsigned i = 1; i < len; i++)
			ntty_put(n, n->in[(n->in_head + i) % NTTY_IN_SIZE]);
	} else if (one && !ntty_l(n, LINUX_ECHOE)) {
		ntty_echo_char(n, n->termios->c_cc[LINUX_VERASE]);
	} else if (c == '\t') {
		ntty_erase_tab(n);
	} else if (!is_cntrl(c)) {
		ntty_erase_cell(n);
	} else if (ntty_l(n, LINUX_ECHOCTL)) {
		ntty_erase_cell(n);
		ntty_erase_cell(n);
	}
}

/* The length of the last character of the line being edited; 0: none, or one whose beginning is missing. */
static unsigned ntty_last_char(const struct ntty *n)
{
	uint64_t at = n->in_head;

	while (at > n->in_canon)
		if (!utf8_continuation(n, n->in[--at % NTTY_IN_SIZE]))
			return (unsigned)(n->in_head - at);
	return 0;
}

enum erase { ERASE_CHAR, ERASE_WORD, ERASE_LINE };

/* eraser() in Linux. */
static void ntty_erase(struct ntty *n, enum erase what)
{
	bool seen = false;
	unsigned len;

	if (n->in_head == n->in_canon)
		return;
	while ((len = ntty_last_char(n))) {
		bool word = is_word(n->in[(n->in_head - len) % NTTY_IN_SIZE]);

		if (what == ERASE_WORD && seen && !word)
			break;
		seen |= word;
		n->in_head -= len;
		if (ntty_l(n, LINUX_ECHO))
			ntty_show_erased(n, len, what == ERASE_CHAR);
		if (what == ERASE_CHAR)
			break;
	}
	if (n->in_head == n->in_canon && ntty_l(n, LINUX_ECHO))
		ntty_finish_erasing(n);
}

static void ntty_kill_line(struct ntty *n, uint8_t c)
{
	bool shown = ntty_l(n, LINUX_ECHOK) && ntty_l(n, LINUX_ECHOKE) && ntty_l(n, LINUX_ECHOE);

	if (ntty_l(n, LINUX_ECHO) && shown) {
		ntty_erase(n, ERASE_LINE);
		return;
	}
	if (n->in_head == n->in_canon)
		return;
	n->in_head = n->in_canon;
	if (!ntty_l(n, LINUX_ECHO))
		return;
	ntty_finish_erasing(n);
	ntty_echo_char(n, c);
	if (ntty_l(n, LINUX_ECHOK))
		ntty_put(n, '\n');
}

static void ntty_reprint(struct ntty *n, uint8_t c)
{
	ntty_finish_erasing(n);
	ntty_echo_char(n, c);
	ntty_put(n, '\n');
	for (uint64_t i = n->in_canon; i < n->in_head; i++)
		ntty_echo_char(n, n->in[i % NTTY_IN_SIZE]);
}

void ntty_start(struct ntty *n, struct ntty_result *res)
{
	if (!n->stopped || n->flow_off)
		return;
	n->stopped = false;
	res->started = true;
	res->stopped = false;
}

void ntty_stop(struct ntty *n, struct ntty_result *res)
{
	if (n->stopped)
		return;
	n->stopped = true;
	res->stopped = true;
	res->started = false;
}

static bool ntty_try_signal(struct ntty *n, uint8_t c, struct ntty_result *res)
{
	int sig = ntty_is(n, c, LINUX_VINTR) ? LINUX_SIGINT : ntty_is(n, c, LINUX_VQUIT) ? LINUX_SIGQUIT :
		  ntty_is(n, c, LINUX_VSUSP) ? LINUX_SIGTSTP : 0;

	if (!sig)
		return false;
	if (!ntty_l(n, LINUX_NOFLSH)) {
		ntty_flush_input(n);
		ntty_flush_output(n);
		res->flushed_input = res->flushed_output = true;
	}
	if (ntty_i(n, LINUX_IXON))
		ntty_start(n, res);
	if (ntty_l(n, LINUX_ECHO))
		ntty_echo_char(n, c);
	if (res->nr_signals < ARRAY_SIZE(res->signals))
		res->signals[res->nr_signals++] = sig;
	return true;
}

static bool ntty_try_flow(struct ntty *n, uint8_t c, struct ntty_result *res)
{
	if (ntty_is(n, c, LINUX_VSTART))
		ntty_start(n, res);
	else if (ntty_is(n, c, LINUX_VSTOP))
		ntty_stop(n, res);
	else
		return false;
	return true;
}

/* A byte of input; 0377 is doubled with PARMRK, where it would begin the mark of an error. */
static void ntty_push_data(struct ntty *n, uint8_t c)
{
	if (c == 0377 && ntty_i(n, LINUX_PARMRK) && n->in_head - n->in_tail < NTTY_IN_SIZE - 1)
		ntty_push(n, c, false);
	ntty_push(n, c, false);
}

/* The line is finished with @c; with DISABLED by an end of file. */
static void ntty_end_line(struct ntty *n, uint8_t c)
{
	ntty_push(n, c, true);
	n->in_canon = n->in_head;
}

static void ntty_take_next_literally(struct ntty *n)
{
	n->lnext = true;
	if (!ntty_l(n, LINUX_ECHO))
		return;
	ntty_finish_erasing(n);
	if (ntty_l(n, LINUX_ECHOCTL)) {
		ntty_put(n, '^');
		ntty_put(n, '\b');
	}
}

/* Editing characters and line ends of canonical mode; false: an ordinary character. */
static bool ntty_try_canon(struct ntty *n, uint8_t c)
{
	bool ext = ntty_l(n, LINUX_IEXTEN);

	if (ntty_is(n, c, LINUX_VERASE)) {
		ntty_erase(n, ERASE_CHAR);
	} else if (ext && ntty_is(n, c, LINUX_VWERASE)) {
		ntty_erase(n, ERASE_WORD);
	} else if (ntty_is(n, c, LINUX_VKILL)) {
		ntty_kill_line(n, c);
	} else if (ext && ntty_is(n, c, LINUX_VLNEXT)) {
		ntty_take_next_literally(n);
	} else if (ext && ntty_l(n, LINUX_ECHO) && ntty_is(n, c, LINUX_VREPRINT)) {
		ntty_reprint(n, c);
	} else if (c == '\n') {
		if (ntty_l(n, LINUX_ECHO) || ntty_l(n, LINUX_ECHONL))
			ntty_put(n, '\n');
		ntty_end_line(n, c);
	} else if (ntty_is(n, c, LINUX_VEOF)) {
		ntty_end_line(n, DISABLED);
	} else if (ntty_is(n, c, LINUX_VEOL) || (ext && ntty_is(n, c, LINUX_VEOL2))) {
		if (ntty_l(n, LINUX_ECHO)) {
			ntty_note_canon_column(n);
			ntty_echo_char(n, c);
		}
		ntty_end_line(n, c);
	} else {
		return false;
	}
	return true;
}

/*
 * Characters that stand for something.  Returns true when there is nothing left to take; *c is translated, and a newline that is one
 * here is echoed as one, not as ^J.
 */
static bool ntty_receive_special(struct ntty *n, uint8_t *c, bool *newline, struct ntty_result *res)
{
	if (ntty_i(n, LINUX_IXON) && ntty_try_flow(n, *c, res))
		return true;
	if (ntty_l(n, LINUX_ISIG) && ntty_try_signal(n, *c, res))
		return true;
	if (n->stopped && ntty_i(n, LINUX_IXON) && ntty_i(n, LINUX_IXANY))
		ntty_start(n, res);
	*newline = ntty_l(n, LINUX_ICANON) || ntty_i(n, LINUX_INLCR);
	if (*c == '\r') {
		if (ntty_i(n, LINUX_IGNCR))
			return true;
		*newline = ntty_i(n, LINUX_ICRNL);
		if (*newline)
			*c = '\n';
	} else if (*c == '\n' && ntty_i(n, LINUX_INLCR)) {
		*c = '\r';
	}
	return ntty_l(n, LINUX_ICANON) && ntty_try_canon(n, *c);
}

static void ntty_receive_char(struct ntty *n, uint8_t c, struct ntty_result *res)
{
	bool newline = false, literal = n->lnext;

	if (ntty_i(n, LINUX_ISTRIP))
		c &= 0x7f;
	if (ntty_i(n, LINUX_IUCLC) && ntty_l(n, LINUX_IEXTEN) && is_upper(c))
		c += 'a' - 'A';
	if (ntty_l(n, LINUX_EXTPROC)) { /* the other end has edited it */
		ntty_push(n, c, false);
		return;
	}
	n->lnext = false;
	if (!literal && ntty_receive_special(n, &c, &newline, res))
		return;
	if (ntty_l(n, LINUX_ECHO)) {
		ntty_finish_erasing(n);
		if (c != '\n' || !newline)
			ntty_note_canon_column(n);
		if (c == '\n' && newline)
			ntty_put(n, c);
		else
			ntty_echo_char(n, c);
	}
	ntty_push_data(n, c);
}

size_t ntty_receive(struct ntty *n, const uint8_t *buf, size_t len, struct ntty_result *res)
{
	size_t done;

	for (done = 0; done < len && ntty_room(n); done++) {
		if (n->in_head - n->in_tail == NTTY_IN_SIZE)
			n->in_head--;
		ntty_receive_char(n, buf[done], res);
	}
	return done;
}

/* Whether reads return lines. */
static bool ntty_lines(const struct ntty *n)
{
	return ntty_l(n, LINUX_ICANON) && !ntty_l(n, LINUX_EXTPROC);
}

size_t ntty_readable(const struct ntty *n)
{
	return (ntty_lines(n) ? n->in_canon : n->in_head) - n->in_tail;
}

size_t ntty_count(const struct ntty *n)
{
	size_t nr = ntty_readable(n);

	if (ntty_lines(n))
		for (uint64_t i = n->in_tail; i < n->in_canon; i++)
			nr -= n->in_flags[i % NTTY_IN_SIZE] && n->in[i % NTTY_IN_SIZE] == DISABLED;
	return nr;
}

static size_t ntty_read_line(struct ntty *n, uint8_t *buf, size_t len, bool *ret_end)
{
	size_t done = 0;

	while (n->in_tail < n->in_canon && !*ret_end) {
		uint8_t c = n->in[n->in_tail % NTTY_IN_SIZE];
		bool end = n->in_flags[n->in_tail % NTTY_IN_SIZE];

		/* The mark of an end of file is not data: it goes with the bytes before it. */
		if (!end || c != DISABLED) {
			if (done == len)
				break;
			buf[done++] = c;
		}
		n->in_tail++;
		*ret_end = end;
	}
	return done;
}

size_t ntty_read(struct ntty *n, uint8_t *buf, size_t len, bool *ret_end)
{
	size_t done = 0;

	*ret_end = false;
	if (ntty_lines(n))
		return ntty_read_line(n, buf, len, ret_end);
	while (done < len && n->in_tail < n->in_head)
		buf[done++] = n->in[n->in_tail++ % NTTY_IN_SIZE];
	n->in_canon = MAX(n->in_canon, n->in_tail);
	return done;
}

void ntty_set_termios(struct ntty *n, const struct linux_termios2 *old, struct ntty_result *res)
{
	if ((old->c_lflag ^ n->termios->c_lflag) & (LINUX_ICANON | LINUX_EXTPROC)) {
		memset(n->in_flags, 0, sizeof(n->in_flags));
		n->in_canon = n->in_tail;
		/* What came raw is one line, unless there is nothing. */
		if (ntty_l(n, LINUX_ICANON) && n->in_head > n->in_tail) {
			n->in_flags[(n->in_head - 1) % NTTY_IN_SIZE] = NTTY_LINE_END;
			n->in_canon = n->in_head;
		}
		n->erasing = n->lnext = false;
	}
	if (!ntty_i(n, LINUX_IXON) && (old->c_iflag & LINUX_IXON))
		ntty_start(n, res);
}
