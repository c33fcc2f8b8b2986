/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Terminals: what a pseudo-terminal and the console have in common.  A struct tty has a line setting, a window size, and a place in
 * job control: the session it controls and the process group in its foreground.
 *
 * Locks: pids_lock > tty->ctrl_lock (session, pgrp).  tty->lock (settings and buffers) is held with neither.
 */
#ifndef SENTRY_VFS_DEVPTS_TTY_H
#define SENTRY_VFS_DEVPTS_TTY_H

#include "sentry/abi/tty.h"
#include "sentry/kernel/task.h"
#include "vfs/vfs.h"

struct tty;

struct tty_ops {
	void (*free)(struct tty *tty); /* the last reference went; under pids_lock at times: must not sleep */
	/* The line was lost: wake all, reads end, writes fail. */
	void (*hangup)(struct tty *tty);
	/* The leader of its session ended; may be NULL. */
	void (*session_end)(struct tty *tty);
};

struct tty {
	struct ref ref;
	const struct tty_ops *ops;
	uint64_t rdev;		     /* immutable: 136:N */
	struct mutex ctrl_lock;
	struct pid *session, *pgrp;  /* ctrl_lock; references; NULL: none */
	struct mutex lock;
	struct linux_termios2 termios; /* lock */
	struct linux_winsize winsize;  /* lock */
};

void tty_init(struct tty *tty, const struct tty_ops *ops, uint64_t rdev);
void tty_fini(struct tty *tty);
static inline struct tty *tty_get(struct tty *tty)
{
	ref_get(&tty->ref);
	return tty;
}
void tty_put(struct tty *tty);
/* The kernel's hooks for these terminals. */
extern const struct tty_hooks tty_core_hooks;

/* Makes @tty the calling process's controlling terminal when it may be: a session leader without one, the terminal free. */
void tty_open_controlling(struct tty *tty);
/*
 * A background process that touches its terminal: 0 when it may go on, -LINUX_EIO (orphaned, or ignoring SIGTTIN), or
 * -LINUX_ERESTARTSYS with @sig (SIGTTIN, SIGTTOU) sent to its group.
 */
int tty_check_change(struct tty *tty, int sig);
/* Signals the foreground group. */
void tty_signal_foreground(struct tty *tty, int sig);
int tty_foreground_nr(struct tty *tty);
/* The line is lost: SIGHUP and SIGCONT to the leader of its session, which loses it.  Without locks. */
void tty_vhangup(struct tty *tty);
/*
 * Job control and window size ioctls; -LINUX_ENOTTY for others.  @real: @tty when called on the terminal itself, NULL on a master.
 */
int64_t tty_ctrl_ioctl(struct tty *tty, struct tty *real, unsigned cmd, uint64_t arg);

#endif
