/* SPDX-License-Identifier: Apache-2.0 */
#include "vfs/devpts/n_tty.h"

#include <ctype.h>
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
		if (ntty_o(n, LINUX_OLCUC))
			c = toupper(c);
		if (!iscntrl(c) && !utf8_continuation(n, c))
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

/* --- echo --- */

static void ntty_echo(struct ntty *n, uint8_t c)
{
	if (!ntty_l(n, LINUX_ECHO) && !(c == '\n' && ntty_l(n, LINUX_ECHONL) && ntty_l(n, LINUX_ICANON)))
		return;
	if (ntty_l(n, LINUX_ECHOCTL) && iscntrl(c) && c != '\t' && c != '\n') {
		ntty_put(n, '^');
		ntty_put(n, c ^ 0100);
		return;
	}
	ntty_put(n, c);
}

/* --- input --- */

static void ntty_push(struct ntty *n, uint8_t c, uint8_t flags)
{
	n->in[n->in_head % NTTY_IN_SIZE] = c;
	n->in_flags[n->in_head % NTTY_IN_SIZE] = flags;
	n->in_head++;
}

size_t ntty_room(const struct ntty *n)
{
	size_t used = n->in_head - n->in_tail;

	/* A full line without an end must not block the master: what comes is dropped, with a bell. */
	if (ntty_l(n, LINUX_ICANON) && n->in_canon == n->in_tail)
		return NTTY_IN_SIZE;
	return NTTY_IN_SIZE - 1 - used;
}

void ntty_flush_input(struct ntty *n)
{
	n->in_tail = n->in_canon = n->in_head;
	n->lnext = false;
}

/* The column at which the text being edited, up to position @to, ends: for erasing tabs. */
static unsigned ntty_column_at(const struct ntty *n, uint64_t to)
{
	unsigned col = n->canon_column;

	for (uint64_t i = n->in_canon; i < to; i++) {
		uint8_t c = n->in[i % NTTY_IN_SIZE];

		if (c == '\t')
			col = (col | 7) + 1;
		else if (iscntrl(c))
			col += ntty_l(n, LINUX_ECHOCTL) ? 2 : 0;
		else if (!utf8_continuation(n, c))
			col++;
	}
	return col;
}

static void ntty_back(struct ntty *n, unsigned cells)
{
	while (cells--) {
		ntty_put(n, '\b');
		ntty_put(n, ' ');
		ntty_put(n, '\b');
	}
}

/* Removes the last character of the line being edited, with what it showed. */
static void ntty_erase_one(struct ntty *n)
{
	unsigned before = ntty_column_at(n, n->in_head), after;

	do
		n->in_head--;
	while (n->in_head > n->in_canon && utf8_continuation(n, n->in[n->in_head % NTTY_IN_SIZE]));
	if (!ntty_l(n, LINUX_ECHO))
		return;
	after = ntty_column_at(n, n->in_head);
	if (n->in[n->in_head % NTTY_IN_SIZE] == '\t') {
		while (before-- > after)
			ntty_put(n, '\b');
		return;
	}
	ntty_back(n, before - after);
}

static bool ntty_word_char(uint8_t c)
{
	return isalnum(c) || c == '_' || c >= 0x80;
}

static void ntty_erase_word(struct ntty *n)
{
	bool seen = false;

	while (n->in_head > n->in_canon) {
		bool word = ntty_word_char(n->in[(n->in_head - 1) % NTTY_IN_SIZE]);

		if (!word && seen)
			return;
		seen |= word;
		ntty_erase_one(n);
	}
}

static void ntty_kill_line(struct ntty *n, uint8_t c)
{
	if (ntty_l(n, LINUX_ECHO) && !(ntty_l(n, LINUX_ECHOK) && ntty_l(n, LINUX_ECHOKE) && ntty_l(n, LINUX_ECHOE))) {
		n->in_head = n->in_canon;
		ntty_echo(n, c);
		if (ntty_l(n, LINUX_ECHOK))
			ntty_put(n, '\n');
		return;
	}
	while (n->in_head > n->in_canon)
		ntty_erase_one(n);
}

static void ntty_erase(struct ntty *n, uint8_t c)
{
	if (n->in_head == n->in_canon)
		return;
	if (ntty_l(n, LINUX_ECHO) && !ntty_l(n, LINUX_ECHOE)) {
		n->in_head--;
		ntty_echo(n, c);
		return;
	}
	ntty_erase_one(n);
}

static void ntty_reprint(struct ntty *n, uint8_t c)
{
	ntty_echo(n, c);
	ntty_put(n, '\n');
	for (uint64_t i = n->in_canon; i < n->in_head; i++)
		ntty_echo(n, n->in[i % NTTY_IN_SIZE]);
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
	n->stopped = false;
	ntty_echo(n, c);
	if (res->nr_signals < ARRAY_SIZE(res->signals))
		res->signals[res->nr_signals++] = sig;
	return true;
}

static bool ntty_try_flow(struct ntty *n, uint8_t c, struct ntty_result *res)
{
	if (ntty_is(n, c, LINUX_VSTART)) {
		res->started = n->stopped;
		n->stopped = false;
		return true;
	}
	if (ntty_is(n, c, LINUX_VSTOP)) {
		res->stopped = !n->stopped;
		n->stopped = true;
		return true;
	}
	return false;
}

/* The line is finished with @c. */
static void ntty_end_line(struct ntty *n, uint8_t c, uint8_t flags)
{
	ntty_push(n, c, NTTY_LINE_END | flags);
	n->in_canon = n->in_head;
}

/* Editing characters and line ends of canonical mode; false: an ordinary character. */
static bool ntty_try_canon(struct ntty *n, uint8_t c)
{
	bool ext = ntty_l(n, LINUX_IEXTEN);

	if (ntty_is(n, c, LINUX_VERASE))
		ntty_erase(n, c);
	else if (ntty_is(n, c, LINUX_VKILL))
		ntty_kill_line(n, c);
	else if (ext && ntty_is(n, c, LINUX_VWERASE))
		ntty_erase_word(n);
	else if (ext && ntty_is(n, c, LINUX_VLNEXT)) {
		n->lnext = true;
		if (ntty_l(n, LINUX_ECHO) && ntty_l(n, LINUX_ECHOCTL)) {
			ntty_put(n, '^');
			ntty_put(n, '\b');
		}
	} else if (ext && ntty_l(n, LINUX_ECHO) && ntty_is(n, c, LINUX_VREPRINT))
		ntty_reprint(n, c);
	else if (c == '\n') {
		ntty_echo(n, c);
		ntty_end_line(n, c, 0);
	} else if (ntty_is(n, c, LINUX_VEOF))
		ntty_end_line(n, DISABLED, NTTY_EOF);
	else if (ntty_is(n, c, LINUX_VEOL) || (ext && ntty_is(n, c, LINUX_VEOL2))) {
		ntty_echo(n, c);
		ntty_end_line(n, c, 0);
	} else
		return false;
	return true;
}

static void ntty_receive_char(struct ntty *n, uint8_t c, struct ntty_result *res)
{
	if (ntty_i(n, LINUX_ISTRIP))
		c &= 0x7f;
	if (ntty_i(n, LINUX_IUCLC) && ntty_l(n, LINUX_IEXTEN))
		c = tolower(c);
	if (n->lnext) {
		n->lnext = false;
		goto ordinary;
	}
	if (n->stopped && ntty_i(n, LINUX_IXON) && ntty_i(n, LINUX_IXANY)) {
		n->stopped = false;
		res->started = true;
	}
	if (ntty_i(n, LINUX_IXON) && ntty_try_flow(n, c, res))
		return;
	if (ntty_l(n, LINUX_ISIG) && ntty_try_signal(n, c, res))
		return;
	if (c == '\r') {
		if (ntty_i(n, LINUX_IGNCR))
			return;
		if (ntty_i(n, LINUX_ICRNL))
			c = '\n';
	} else if (c == '\n' && ntty_i(n, LINUX_INLCR)) {
		c = '\r';
	}
	if (ntty_l(n, LINUX_ICANON) && ntty_try_canon(n, c))
		return;
ordinary:
	if (n->in_head - n->in_tail >= NTTY_IN_SIZE - 1) {
		if (ntty_i(n, LINUX_IMAXBEL))
			ntty_put_raw(n, '\a');
		return;
	}
	if (ntty_l(n, LINUX_ECHO)) {
		if (n->in_head == n->in_canon)
			n->canon_column = n->column;
		ntty_echo(n, c);
	}
	ntty_push(n, c, 0);
}

size_t ntty_receive(struct ntty *n, const uint8_t *buf, size_t len, struct ntty_result *res)
{
	size_t done = 0;

	while (done < len && ntty_room(n))
		ntty_receive_char(n, buf[done++], res);
	return done;
}

size_t ntty_readable(const struct ntty *n)
{
	return (ntty_l(n, LINUX_ICANON) ? n->in_canon : n->in_head) - n->in_tail;
}

bool ntty_has_line(const struct ntty *n)
{
	return n->in_canon > n->in_tail;
}

static size_t ntty_read_line(struct ntty *n, uint8_t *buf, size_t len, bool *ret_eof)
{
	size_t done = 0;

	while (n->in_tail < n->in_canon) {
		uint64_t at = n->in_tail % NTTY_IN_SIZE;
		uint8_t flags = n->in_flags[at];

		/* The end-of-file mark is not data: it goes with the bytes before it. */
		if (flags & NTTY_EOF) {
			n->in_tail++;
			*ret_eof = done == 0;
			return done;
		}
		if (done == len)
			return done;
		buf[done++] = n->in[at];
		n->in_tail++;
		if (flags & NTTY_LINE_END)
			return done;
	}
	return done;
}

size_t ntty_read(struct ntty *n, uint8_t *buf, size_t len, bool *ret_eof)
{
	size_t done = 0;

	*ret_eof = false;
	if (ntty_l(n, LINUX_ICANON))
		return ntty_read_line(n, buf, len, ret_eof);
	while (done < len && n->in_tail < n->in_head)
		buf[done++] = n->in[n->in_tail++ % NTTY_IN_SIZE];
	n->in_canon = MAX(n->in_canon, n->in_tail);
	return done;
}

void ntty_set_termios(struct ntty *n, const struct linux_termios2 *old)
{
	bool was = old->c_lflag & LINUX_ICANON, is = ntty_l(n, LINUX_ICANON);

	if (!was && is) { /* what came raw is one line, unless there is none */
		n->in_canon = n->in_head;
		if (n->in_head > n->in_tail)
			n->in_flags[(n->in_head - 1) % NTTY_IN_SIZE] |= NTTY_LINE_END;
	}
	if (!is)
		n->lnext = false;
	if (!ntty_i(n, LINUX_IXON) && (old->c_iflag & LINUX_IXON))
		n->stopped = false;
}
