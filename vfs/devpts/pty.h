/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pseudo-terminals: pty(7), pts(4), and the devpts file system that shows their slaves.
 */
#ifndef SENTRY_VFS_DEVPTS_PTY_H
#define SENTRY_VFS_DEVPTS_PTY_H

#include "vfs/devpts/n_tty.h"
#include "vfs/devpts/tty.h"

#define PTY_MAX 4096
#define PTY_MAJOR 136

struct pty {
	struct tty tty;		/* the slave's; pty->tty.lock guards what follows but for the waitq */
	unsigned index;		/* immutable */
	struct ntty line;
	struct waitq wait;	/* either side's readiness */
	bool master_open, locked, hung_up, was_open, exclusive;
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

#endif
