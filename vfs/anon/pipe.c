/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pipes and FIFOs: the ring, read, write, poll and open.
 *
 * Waking: readers are woken when data comes to an empty pipe or the last writer goes; writers when a slot comes free in
 * a full one or the last reader goes.
 */
#include <stdlib.h>
#include <string.h>

#include "sentry/abi/fcntl.h"
#include "sentry/abi/ioctl.h"
#include "sentry/abi/poll.h"
#include "sentry/abi/signal.h"
#include "vfs/anon/anon.h"
#include "vfs/anon/pipe_core.h"

static struct pipe *pipe_new(void)
{
	struct pipe *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->bufs = calloc(PIPE_DEF_SLOTS, sizeof(*p->bufs));
	if (!p->bufs) {
		free(p);
		return NULL;
	}
	ref_init(&p->ref);
	mutex_init(&p->lock);
	waitq_init(&p->rd_wait);
	waitq_init(&p->wr_wait);
	fasync_init(&p->rd_async);
	fasync_init(&p->wr_async);
	p->nr_slots = PIPE_DEF_SLOTS;
	return p;
}

static void pipe_free(struct pipe *p)
{
	for (unsigned i = 0; i < p->nr_slots; i++)
		free(p->bufs[i].page);
	free(p->bufs);
	waitq_fini(&p->rd_wait);
	waitq_fini(&p->wr_wait);
	fasync_fini(&p->rd_async);
	fasync_fini(&p->wr_async);
	mutex_fini(&p->lock);
	free(p);
}

/* inode->pipe is no reference of its own: the last put, under i_lock, takes it away, so that an open finds a live pipe or none. */
static void pipe_put(struct inode *inode, struct pipe *p)
{
	bool last;

	mutex_lock(&inode->i_lock);
	last = ref_put(&p->ref);
	if (last && inode->pipe == p)
		inode->pipe = NULL;
	mutex_unlock(&inode->i_lock);
	if (last)
		pipe_free(p);
}

struct pipe_buf *pipe_reserve_locked(struct pipe *p)
{
	struct pipe_buf *b = pipe_slot(p, p->nr);

	BUG_ON(pipe_full(p));
	if (!b->page)
		b->page = malloc(PAGE_SIZE);
	return b->page ? b : NULL;
}

void pipe_push_locked(struct pipe *p, struct pipe_buf *b, unsigned len, bool packet)
{
	b->off = 0;
	b->len = len;
	b->packet = packet;
	p->nr++;
}

void pipe_consume_locked(struct pipe *p, unsigned len)
{
	struct pipe_buf *b = pipe_slot(p, 0);

	b->off += len;
	b->len -= len;
	if (b->len && !b->packet)
		return;
	p->head = (p->head + 1) % p->nr_slots;
	p->nr--;
}

void pipe_wake_readers(struct pipe *p)
{
	if (waitq_active(&p->rd_wait))
		waitq_wake(&p->rd_wait, LINUX_EPOLLIN | LINUX_EPOLLRDNORM);
}

void pipe_wake_writers(struct pipe *p)
{
	if (waitq_active(&p->wr_wait))
		waitq_wake(&p->wr_wait, LINUX_EPOLLOUT | LINUX_EPOLLWRNORM);
}

int pipe_wait_readable_locked(struct pipe *p, bool nonblock)
{
	if (nonblock)
		return -LINUX_EAGAIN;
	return waitq_wait_locked(&p->rd_wait, &p->lock, p->nr || !p->writers, SLEEP_INTERRUPTIBLE, NO_DEADLINE);
}

int pipe_wait_writable_locked(struct pipe *p, bool nonblock)
{
	if (nonblock)
		return -LINUX_EAGAIN;
	return waitq_wait_locked(&p->wr_wait, &p->lock, !pipe_full(p) || !p->readers, SLEEP_INTERRUPTIBLE, NO_DEADLINE);
}

static bool file_nonblock(const struct file *f)
{
	return atomic_load(&((struct file *)f)->flags) & LINUX_O_NONBLOCK;
}

/* Copies what is there to @to; -LINUX_EFAULT only when nothing could be copied. */
static int64_t pipe_read_locked(struct pipe *p, struct iov_iter *to)
{
	int64_t done = 0;

	while (p->nr && to->count) {
		struct pipe_buf *b = pipe_slot(p, 0);
		size_t want = MIN(b->len, to->count);
		size_t n = iov_iter_copy_to(to, b->page + b->off, want);
		bool packet = b->packet;

		if (n < want) {
			if (n && !packet)
				pipe_consume_locked(p, n);
			return done + n ? (int64_t)(done + (int64_t)n) : -LINUX_EFAULT;
		}
		pipe_consume_locked(p, n);
		done += n;
		if (packet)
			break;
	}
	return done;
}

static int64_t pipe_read(struct file *f, struct iov_iter *to, uint64_t *pos __unused)
{
	struct pipe *p = f->private_data;
	bool was_full;
	int64_t ret;

	if (!to->count)
		return 0;
	mutex_lock(&p->lock);
	for (;;) {
		was_full = pipe_full(p);
		ret = pipe_read_locked(p, to);
		if (ret || !p->writers)
			break;
		ret = pipe_wait_readable_locked(p, file_nonblock(f));
		if (ret)
			break;
	}
	was_full = was_full && !pipe_full(p);
	mutex_unlock(&p->lock);
	if (was_full)
		pipe_wake_writers(p);
	fasync_kill(&p->wr_async, LINUX_POLL_OUT);
	if (ret > 0)
		inode_touch_atime(f->inode, NULL);
	return ret;
}

/*
 * Appends the part of a write that does not fill whole pages to the last slot when it fits there whole: small writes share
 * pages, and never split.  Bytes taken, or -LINUX_EFAULT.
 */
static int64_t pipe_merge_locked(struct pipe *p, struct iov_iter *from)
{
	struct pipe_buf *last = pipe_last(p);
	size_t chars = from->count & (PAGE_SIZE - 1);
	size_t n;

	if (!last || !chars || last->packet || last->off + last->len + chars > PAGE_SIZE)
		return 0;
	n = iov_iter_copy_from(from, last->page + last->off + last->len, chars);
	if (n < chars) {
		iov_iter_revert(from, n);
		return -LINUX_EFAULT;
	}
	last->len += n;
	return n;
}

static int64_t pipe_fill_slot_locked(struct pipe *p, struct iov_iter *from, bool packet)
{
	struct pipe_buf *b = pipe_reserve_locked(p);
	size_t want = MIN(from->count, PAGE_SIZE);
	size_t n;

	if (!b)
		return -LINUX_ENOMEM;
	n = iov_iter_copy_from(from, b->page, want);
	if (n < want) {
		iov_iter_revert(from, n);
		return -LINUX_EFAULT;
	}
	pipe_push_locked(p, b, n, packet);
	return n;
}

static int64_t pipe_write_locked(struct file *f, struct pipe *p, struct iov_iter *from)
{
	bool packet = atomic_load(&f->flags) & LINUX_O_DIRECT;
	int64_t done, n;

	if (!p->readers)
		return -LINUX_EPIPE;
	done = packet ? 0 : pipe_merge_locked(p, from);
	if (done < 0)
		return done;
	if (done)
		pipe_wake_readers(p);
	while (from->count) {
		bool was_empty = p->nr == 0;

		if (!p->readers)
			return done ? done : -LINUX_EPIPE;
		if (pipe_full(p)) {
			if (!file_nonblock(f))
				fasync_kill(&p->rd_async, LINUX_POLL_IN);
			n = pipe_wait_writable_locked(p, file_nonblock(f));
			if (n)
				return done ? done : n;
			continue;
		}
		n = pipe_fill_slot_locked(p, from, packet);
		if (n < 0)
			return done ? done : n;
		done += n;
		/* Level-triggered waiters need this once; edge-triggered epoll wants news of every write, as Linux gives. */
		if (was_empty || !from->count)
			pipe_wake_readers(p);
	}
	return done;
}

static int64_t pipe_write(struct file *f, struct iov_iter *from, uint64_t *pos __unused)
{
	struct pipe *p = f->private_data;
	int64_t ret;
	bool broken;

	if (!from->count)
		return 0;
	mutex_lock(&p->lock);
	ret = pipe_write_locked(f, p, from);
	broken = !p->readers && from->count;
	mutex_unlock(&p->lock);
	fasync_kill(&p->rd_async, LINUX_POLL_IN);
	if (broken && (ret == -LINUX_EPIPE || ret > 0))
		kernel_signal_self(LINUX_SIGPIPE);
	if (ret > 0)
		inode_touch_mtime(f->inode);
	return ret;
}

static unsigned pipe_poll(struct file *f, struct poll_table *pt)
{
	struct pipe *p = f->private_data;
	unsigned mask = 0;

	if (f->fmode & FMODE_READ)
		poll_wait(f, &p->rd_wait, pt);
	if (f->fmode & FMODE_WRITE)
		poll_wait(f, &p->wr_wait, pt);
	MUTEX_GUARD(&p->lock);
	if (f->fmode & FMODE_READ) {
		if (p->nr)
			mask |= LINUX_EPOLLIN | LINUX_EPOLLRDNORM;
		/* A FIFO opened for reading before any writer came shows no hang-up: file->pos holds w_counter at open. */
		if (!p->writers && f->pos != p->w_counter)
			mask |= LINUX_EPOLLHUP;
	}
	if (f->fmode & FMODE_WRITE) {
		if (!pipe_full(p))
			mask |= LINUX_EPOLLOUT | LINUX_EPOLLWRNORM;
		if (!p->readers)
			mask |= LINUX_EPOLLERR;
	}
	return mask;
}

static int64_t pipe_ioctl(struct file *f, unsigned cmd, uint64_t arg)
{
	struct pipe *p = f->private_data;
	int32_t n = 0;

	if (cmd != LINUX_FIONREAD)
		return -LINUX_ENOTTY;
	mutex_lock(&p->lock);
	for (unsigned i = 0; i < p->nr; i++)
		n += pipe_slot(p, i)->len;
	mutex_unlock(&p->lock);
	return put_user(n, arg, int32_t);
}

static void pipe_release(struct file *f)
{
	struct pipe *p = f->private_data;
	bool last;

	mutex_lock(&p->lock);
	if (f->fmode & FMODE_READ)
		p->readers--;
	if (f->fmode & FMODE_WRITE)
		p->writers--;
	last = !p->readers != !p->writers;
	mutex_unlock(&p->lock);
	if (last) {
		waitq_wake(&p->rd_wait, LINUX_EPOLLIN | LINUX_EPOLLRDNORM | LINUX_EPOLLHUP);
		waitq_wake(&p->wr_wait, LINUX_EPOLLOUT | LINUX_EPOLLWRNORM | LINUX_EPOLLERR);
		fasync_kill(&p->rd_async, LINUX_POLL_IN);
		fasync_kill(&p->wr_async, LINUX_POLL_OUT);
	}
	pipe_put(f->inode, p);
}

static int pipe_fasync(int fd, struct file *f, bool on)
{
	struct pipe *p = f->private_data;
	int err = 0;

	if (f->fmode & FMODE_READ)
		err = fasync_update(&p->rd_async, fd, f, on);
	if (!err && f->fmode & FMODE_WRITE) {
		err = fasync_update(&p->wr_async, fd, f, on);
		if (err && f->fmode & FMODE_READ)
			fasync_update(&p->rd_async, fd, f, false);
	}
	return err;
}

static const struct file_ops pipe_ops = {
	.read = pipe_read,
	.write = pipe_write,
	.poll = pipe_poll,
	.ioctl = pipe_ioctl,
	.release = pipe_release,
	.fasync = pipe_fasync,
};

struct pipe *file_pipe(struct file *f)
{
	return f->ops == &pipe_ops ? f->private_data : NULL;
}

int pipe_files_new(unsigned flags, struct file *ret[2])
{
	unsigned keep = flags & (LINUX_O_NONBLOCK | LINUX_O_DIRECT);
	struct pipe *p = pipe_new();
	struct file *rd, *wr;

	if (!p)
		return -LINUX_ENOMEM;
	rd = anon_file_new("pipe:[", LINUX_S_IFIFO | 0600, &pipe_ops, LINUX_O_RDONLY | (keep & LINUX_O_NONBLOCK), p);
	if (IS_ERR(rd)) {
		pipe_free(p);
		return (int)PTR_ERR(rd);
	}
	p->readers = p->writers = p->w_counter = p->r_counter = 1;
	wr = anon_file_again(rd, &pipe_ops, LINUX_O_WRONLY | keep, p);
	if (IS_ERR(wr)) {
		fput(rd);
		return (int)PTR_ERR(wr);
	}
	ref_get(&p->ref);
	rd->inode->pipe = p; /* so that /proc/pid/fd/N opens the same pipe; no reference, cleared by the last release */
	ret[0] = rd;
	ret[1] = wr;
	return 0;
}

/* The inode's pipe with a reference, made when there is none. */
static struct pipe *fifo_get_pipe(struct inode *inode)
{
	MUTEX_GUARD(&inode->i_lock);

	if (inode->pipe) {
		ref_get(&inode->pipe->ref);
		return inode->pipe;
	}
	inode->pipe = pipe_new();
	return inode->pipe;
}

/* Waits until the other side's count of opens moves on: it may have come and gone meanwhile. */
static int fifo_wait_partner_locked(struct pipe *p, struct waitq *q, unsigned *counter)
{
	unsigned seen = *counter;

	return waitq_wait_locked(q, &p->lock, *counter != seen, SLEEP_INTERRUPTIBLE, NO_DEADLINE);
}

static int fifo_open_locked(struct pipe *p, struct file *f)
{
	bool nonblock = file_nonblock(f);
	/* A pipe(2) that is opened again through /proc/pid/fd waits for nobody. */
	bool is_pipe = f->path.dentry->anon;

	switch (f->fmode & (FMODE_READ | FMODE_WRITE)) {
	case FMODE_READ:
		p->readers++;
		p->r_counter++;
		waitq_wake(&p->wr_wait, 0);
		f->pos = 0;
		if (!is_pipe && !p->writers) {
			if (nonblock)
				f->pos = p->w_counter;
			else
				return fifo_wait_partner_locked(p, &p->rd_wait, &p->w_counter);
		}
		return 0;
	case FMODE_WRITE:
		if (!is_pipe && nonblock && !p->readers)
			return -LINUX_ENXIO;
		p->writers++;
		p->w_counter++;
		waitq_wake(&p->rd_wait, 0);
		return is_pipe || p->readers ? 0 : fifo_wait_partner_locked(p, &p->wr_wait, &p->r_counter);
	default:
		p->readers++;
		p->writers++;
		p->r_counter++;
		p->w_counter++;
		waitq_wake(&p->rd_wait, 0);
		waitq_wake(&p->wr_wait, 0);
		return 0;
	}
}

int fifo_open(struct inode *inode, struct file *f)
{
	struct pipe *p = fifo_get_pipe(inode);
	int err;

	if (!p)
		return -LINUX_ENOMEM;
	f->fmode |= FMODE_STREAM;
	f->fmode &= ~(FMODE_LSEEK | FMODE_PREAD | FMODE_PWRITE | FMODE_ATOMIC_POS);
	mutex_lock(&p->lock);
	err = fifo_open_locked(p, f);
	mutex_unlock(&p->lock);
	f->ops = &pipe_ops;
	f->private_data = p;
	if (!err)
		return 0;
	if (err != -LINUX_ENXIO)
		pipe_release(f); /* undoes the counts */
	else
		pipe_put(inode, p);
	f->ops = NULL;
	f->private_data = NULL;
	return err;
}

static int64_t pipe_set_size(struct pipe *p, uint64_t size)
{
	struct pipe_buf *bufs;
	unsigned slots = PIPE_DEF_SLOTS;

	if (size > (1U << 31))
		return -LINUX_EINVAL;
	for (slots = 1; (uint64_t)slots * PAGE_SIZE < size; slots *= 2)
		;
	if ((uint64_t)slots * PAGE_SIZE > PIPE_MAX_SIZE && slots > p->nr_slots && !capable(CAP_SYS_RESOURCE))
		return -LINUX_EPERM;
	MUTEX_GUARD(&p->lock);
	if (slots < p->nr)
		return -LINUX_EBUSY;
	bufs = calloc(slots, sizeof(*bufs));
	if (!bufs)
		return -LINUX_ENOMEM;
	for (unsigned i = 0; i < p->nr_slots; i++) {
		if (i < p->nr)
			bufs[i] = *pipe_slot(p, i);
		else
			free(pipe_slot(p, i)->page);
	}
	free(p->bufs);
	p->bufs = bufs;
	p->head = 0;
	p->nr_slots = slots;
	waitq_wake(&p->wr_wait, 0);
	return (int64_t)slots * (int64_t)PAGE_SIZE;
}

int64_t pipe_fcntl(struct file *f, unsigned cmd, uint64_t arg)
{
	struct pipe *p = file_pipe(f);

	if (!p)
		return -LINUX_EBADF;
	if (cmd == LINUX_F_SETPIPE_SZ)
		return pipe_set_size(p, (uint32_t)arg);
	MUTEX_GUARD(&p->lock);
	return (int64_t)p->nr_slots * (int64_t)PAGE_SIZE;
}
