/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pipe side of splice(2), tee(2) and vmsplice(2): whole slots are filled by, or offered to, an actor.
 */
#include <string.h>

#include "sentry/abi/fcntl.h"
#include "sentry/abi/signal.h"
#include "vfs/anon/pipe_core.h"

int64_t pipe_splice_in(struct file *f, size_t len, bool nonblock, pipe_actor fill, void *arg)
{
	struct pipe *p = file_pipe(f);
	int64_t done = 0, n = 0;

	mutex_lock(&p->lock);
	while (len) {
		struct pipe_buf *b;

		if (!p->readers) {
			n = -LINUX_EPIPE;
			break;
		}
		if (pipe_full(p)) {
			/* Once something moved, splice returns instead of waiting for the reader. */
			n = done ? -LINUX_EAGAIN : pipe_wait_writable_locked(p, nonblock);
			if (n)
				break;
			continue;
		}
		b = pipe_reserve_locked(p);
		n = b ? fill(arg, b->page, MIN(len, PAGE_SIZE)) : -LINUX_ENOMEM;
		if (n <= 0)
			break;
		pipe_push_locked(p, b, n, false);
		done += n;
		len -= n;
	}
	mutex_unlock(&p->lock);
	if (done)
		pipe_wake_readers(p);
	if (n == -LINUX_EPIPE)
		kernel_signal_self(LINUX_SIGPIPE);
	return done ? done : n;
}

int64_t pipe_splice_out(struct file *f, size_t len, bool nonblock, pipe_actor drain, void *arg)
{
	struct pipe *p = file_pipe(f);
	int64_t done = 0, n = 0;

	mutex_lock(&p->lock);
	while (len) {
		struct pipe_buf *b;

		if (!p->nr) {
			if (!p->writers || done)
				break;
			n = pipe_wait_readable_locked(p, nonblock);
			if (n)
				break;
			continue;
		}
		b = pipe_slot(p, 0);
		n = drain(arg, b->page + b->off, MIN(len, b->len));
		if (n <= 0)
			break;
		pipe_consume_locked(p, n);
		done += n;
		len -= n;
	}
	mutex_unlock(&p->lock);
	if (done)
		pipe_wake_writers(p);
	return done ? done : n;
}

/* Copies @p's bytes from the start, up to @len, to @q, both locked. */
static int64_t pipe_copy_locked(struct pipe *p, struct pipe *q, size_t len)
{
	int64_t done = 0;

	for (unsigned i = 0; i < p->nr && len && !pipe_full(q); i++) {
		struct pipe_buf *src = pipe_slot(p, i), *dst = pipe_reserve_locked(q);
		unsigned n = MIN(src->len, len);

		if (!dst)
			return done ? done : -LINUX_ENOMEM;
		memcpy(dst->page, src->page + src->off, n);
		pipe_push_locked(q, dst, n, src->packet);
		done += n;
		len -= n;
	}
	return done;
}

/* Two pipes are locked in the order of their addresses. */
static void pipe_lock_both(struct pipe *a, struct pipe *b)
{
	mutex_lock(a < b ? &a->lock : &b->lock);
	mutex_lock(a < b ? &b->lock : &a->lock);
}

static void pipe_unlock_both(struct pipe *a, struct pipe *b)
{
	mutex_unlock(&a->lock);
	mutex_unlock(&b->lock);
}

int64_t pipe_tee(struct file *in, struct file *out, size_t len, bool nonblock)
{
	struct pipe *p = file_pipe(in), *q = file_pipe(out);
	int64_t ret;

	if (!p || !q || p == q)
		return -LINUX_EINVAL;
	for (;;) {
		/* Waits with one lock at a time, then looks at both together. */
		mutex_lock(&p->lock);
		ret = p->nr || !p->writers ? 0 : pipe_wait_readable_locked(p, nonblock);
		mutex_unlock(&p->lock);
		if (ret)
			return ret;
		mutex_lock(&q->lock);
		ret = !pipe_full(q) || !q->readers ? 0 : pipe_wait_writable_locked(q, nonblock);
		mutex_unlock(&q->lock);
		if (ret)
			return ret;
		pipe_lock_both(p, q);
		if (!q->readers)
			ret = -LINUX_EPIPE;
		else
			ret = pipe_copy_locked(p, q, len);
		if (ret || !len || (!p->nr && !p->writers)) {
			pipe_unlock_both(p, q);
			break;
		}
		pipe_unlock_both(p, q);
	}
	if (ret > 0)
		pipe_wake_readers(q);
	if (ret == -LINUX_EPIPE)
		kernel_signal_self(LINUX_SIGPIPE);
	return ret;
}
