/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pseudo-terminals: pty(7), pts(4), and the devpts file system that shows their slaves.
 */
#ifndef SENTRY_VFS_DEVPTS_PTY_H
#define SENTRY_VFS_DEVPTS_PTY_H

#include "vfs/devpts/n_tty.h"
#include "vfs/devpts/tty.h"
#include "vfs/fasync.h"

#define PTY_MAX 4096
#define PTY_MAJOR 136

struct pty {
	struct tty tty;		/* the slave's; pty->tty.lock guards what follows but for the waitq */
	unsigned index;		/* immutable */
	struct ntty line;
	struct waitq wait;	/* either side's readiness */
	struct fasync slave_async, master_async; /* who is told of input by signal */
	bool master_open, locked, hung_up, was_open, exclusive, master_exclusive;
	struct linux_termios termios_locked; /* bits that stay as they are: TIOCSLCKTRMIOS */
	bool console;		/* immutable; a hangup ends what is open, and the line goes on */
	unsigned generation;	/* of a console: hangups so far */
	bool deaf;		/* immutable; nobody reads what is written to it */
	unsigned nr_slaves;
	bool packet;
	uint8_t packet_events;
	uint32_t mode, uid, gid; /* of the node; pty_table_lock */
};

extern const struct fs_type devpts_type;

/* Registers ptmx and the slaves' device numbers; once. */
int pty_init(void);
/* The live pty @index with a reference on its tty, or NULL. */
struct pty *pty_find_get(unsigned index);
/* The first live index >= @from, or -1. */
int pty_next_index(unsigned from);
/* Makes @f an open file on the slave: f->ops and private_data are set.  0, -LINUX_EIO (locked, hung up), -LINUX_EBUSY. */
int pty_open_slave(struct pty *pty, struct file *f);
static inline struct pty *tty_pty(struct tty *tty)
{
	return container_of(tty, struct pty, tty);
}
/* Whether @tty is a pseudo-terminal's. */
bool tty_is_pty(const struct tty *tty);

/*
 * An unlocked pty whose master's side is the caller, by the functions below, and not a file.  One reference, or ERR_PTR; ended by
 * pty_master_hangup (any number of times) and tty_put.
 */
struct pty *pty_new_open(void);
void pty_master_hangup(struct pty *pty);
/* Its slave as a new file, opened as /dev/pts/N below current_fs; or ERR_PTR. */
struct file *pty_open_by_name(struct pty *pty);
/* A line without a master file (conpty.h), for device @rdev: one reference, or ERR_PTR. */
struct pty *pty_new_console(uint64_t rdev);
#define TTY_GENERATION_ALL UINT32_MAX /* file->tty_generation of what no hangup ends */
/* The master's side of it: what is to be printed (0: nothing now), what was typed (-LINUX_EAGAIN: no room now). */
size_t pty_take_output(struct pty *pty, void *buf, size_t len);
int64_t pty_put_input(struct pty *pty, const void *buf, size_t len);
bool pty_has_output(struct pty *pty);
bool pty_has_room(struct pty *pty);

/* --- between pty.c and pty_ioctl.c --- */

void pty_wake(struct pty *pty);
/* What @res says is told to a master in packet mode (tty->lock is held), and done (it is not). */
void pty_note_locked(struct pty *pty, const struct ntty_result *res);
void pty_apply(struct pty *pty, const struct ntty_result *res);
/* Whether the line hung up since @f was opened.  /dev/console stays: what a shutdown prints comes after all sessions. */
bool pty_slave_gone(const struct file *f, const struct pty *pty);
int64_t pty_master_ioctl(struct file *f, unsigned cmd, uint64_t arg);
int64_t pty_slave_ioctl(struct file *f, unsigned cmd, uint64_t arg);

#endif
