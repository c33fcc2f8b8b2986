/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ring of a pipe, for pipe.c and pipe_splice.c only.
 */
#ifndef SENTRY_VFS_ANON_PIPE_CORE_H
#define SENTRY_VFS_ANON_PIPE_CORE_H

#include "vfs/anon/pipe.h"
#include "vfs/fasync.h"

#define PIPE_DEF_SLOTS 16
#define PIPE_MAX_SIZE 1048576 /* fs.pipe-max-size */

struct pipe_buf {
	char *page; /* malloc'ed on first use of the slot; kept for the next */
	unsigned off, len;
	bool packet; /* O_DIRECT: one read takes one packet */
};

struct pipe {
	struct ref ref;
	struct mutex lock; /* all below; outside mm->lock, since user copies happen under it */
	struct waitq rd_wait, wr_wait;
	struct fasync rd_async, wr_async;
	struct pipe_buf *bufs;
	unsigned nr_slots, head, nr; /* occupied slots are [head, head + nr) modulo nr_slots */
	unsigned readers, writers;
	unsigned r_counter, w_counter; /* opens so far, for fifo_open and POLLHUP */
};

static inline struct pipe_buf *pipe_slot(struct pipe *p, unsigned i)
{
	return &p->bufs[(p->head + i) % p->nr_slots];
}

static inline bool pipe_full(const struct pipe *p)
{
	return p->nr >= p->nr_slots;
}

static inline struct pipe_buf *pipe_last(struct pipe *p)
{
	return p->nr ? pipe_slot(p, p->nr - 1) : NULL;
}

/* The first free slot with storage, or NULL when out of memory.  Occupied once pipe_push_locked says how much is in it. */
struct pipe_buf *pipe_reserve_locked(struct pipe *p);
void pipe_push_locked(struct pipe *p, struct pipe_buf *b, unsigned len, bool packet);
/* @len bytes of the first slot were taken. */
void pipe_consume_locked(struct pipe *p, unsigned len);
/* Waits for data (true) or end; 0: look again, else -errno.  The lock is dropped while asleep. */
int pipe_wait_readable_locked(struct pipe *p, bool nonblock);
int pipe_wait_writable_locked(struct pipe *p, bool nonblock);
void pipe_wake_readers(struct pipe *p);
void pipe_wake_writers(struct pipe *p);

#endif
