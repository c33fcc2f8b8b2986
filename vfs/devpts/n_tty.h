/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The line discipline N_TTY: what happens between the wire and the program (termios(3)).
 *
 *     master write --> ntty_receive --> input buffer --> ntty_read --> program
 *                          | echo
 *     master read  <-- output buffer <-- ntty_output <-- program write
 *
 * A pure state machine over a struct tty's settings: it knows no files, wait queues or processes.  What it wants done it
 * says in its results.  tty->lock is held for all of it.
 */
#ifndef SENTRY_VFS_DEVPTS_N_TTY_H
#define SENTRY_VFS_DEVPTS_N_TTY_H

#include "sentry/abi/tty.h"
#include "sentry/base/types.h"

#define NTTY_IN_SIZE 4096 /* N_TTY_BUF_SIZE: the longest line is one less */
#define NTTY_OUT_SIZE 65536

struct ntty {
	const struct linux_termios2 *termios; /* the tty's */
	/* Input ring; positions grow without wrapping.  [tail, canon_head) are finished lines, [canon_head, head) is being edited. */
	uint8_t in[NTTY_IN_SIZE];
	uint8_t in_flags[NTTY_IN_SIZE]; /* NTTY_LINE_END: a line ends here; with a NUL by an end of file, which is no data */
	uint64_t in_head, in_canon, in_tail;
	bool lnext;	   /* the next character is literal (^V) */
	bool erasing;	   /* ECHOPRT: erased characters are being shown */
	bool stopped;	   /* output, by ^S or TCOOFF */
	bool flow_off;	   /* by TCOOFF, so that only TCOON ends it */
	uint8_t out[NTTY_OUT_SIZE];
	uint64_t out_head, out_tail;
	unsigned column, canon_column;
};

#define NTTY_LINE_END 1

struct ntty_result {
	int signals[4]; /* to the foreground group */
	unsigned nr_signals;
	bool flushed_input, flushed_output; /* for packet mode */
	bool started, stopped;
};

void ntty_init(struct ntty *n, const struct linux_termios2 *termios);
/* Input from the line.  Takes all that fits; characters taken. */
size_t ntty_receive(struct ntty *n, const uint8_t *buf, size_t len, struct ntty_result *res);
/* Whether, and about how many bytes, a read would return now: in canonical mode those of finished lines. */
size_t ntty_readable(const struct ntty *n);
/* The same without ends of file: FIONREAD. */
size_t ntty_count(const struct ntty *n);
/* Takes up to @len bytes: at most a line in canonical mode. *ret_end: a line ended, with an end of file it may be empty. */
size_t ntty_read(struct ntty *n, uint8_t *buf, size_t len, bool *ret_end);
/* Room for input, for the master's write. */
size_t ntty_room(const struct ntty *n);
/* Output of the program, processed (OPOST).  Bytes of @buf taken; 0 when there is no room or output is stopped. */
size_t ntty_output(struct ntty *n, const uint8_t *buf, size_t len);
size_t ntty_output_room(const struct ntty *n);
/* Takes processed output for the master. */
size_t ntty_take_output(struct ntty *n, uint8_t *buf, size_t len);
static inline size_t ntty_output_pending(const struct ntty *n)
{
	return n->out_head - n->out_tail;
}
void ntty_flush_input(struct ntty *n);
void ntty_flush_output(struct ntty *n);
/* One character beside all processing: TCIOFF, TCION. */
void ntty_output_char(struct ntty *n, uint8_t c);
/* Output stops, and goes on unless TCOOFF keeps it. */
void ntty_stop(struct ntty *n, struct ntty_result *res);
void ntty_start(struct ntty *n, struct ntty_result *res);
/* Settings changed from @old. */
void ntty_set_termios(struct ntty *n, const struct linux_termios2 *old, struct ntty_result *res);

#endif
