/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pseudo-terminals: the master and the slave as files around a line discipline.
 *
 *     open(/dev/ptmx) --> pty, locked --TIOCSPTLCK 0--> slave may be opened, any number of times
 *     the master closes: the slave hangs up (reads end, writes fail with EIO, SIGHUP to the session)
 *     the last slave closes: the master reads what is left, then EIO, until a slave is opened again
 */
#include "vfs/devpts/pty.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sentry/abi/fcntl.h"
#include "sentry/abi/poll.h"
#include "vfs/device.h"

#define TTY_GID 5
#define CHUNK 1024
#define DECISECOND 100000000LL

static struct mutex pty_table_lock = MUTEX_INIT;
static struct pty *pty_table[PTY_MAX]; /* pty_table_lock; borrowed: the master's file holds the reference */

static const struct file_ops master_ops, slave_ops;

/* --- storage --- */

static void pty_free(struct tty *tty)
{
	struct pty *pty = tty_pty(tty);

	waitq_fini(&pty->wait);
	fasync_fini(&pty->slave_async);
	fasync_fini(&pty->master_async);
	tty_fini(tty);
	free(pty);
}

void pty_wake(struct pty *pty)
{
	if (waitq_active(&pty->wait))
		waitq_wake(&pty->wait, 0);
}

static void pty_hangup(struct tty *tty)
{
	struct pty *pty = tty_pty(tty);

	mutex_lock(&tty->lock);
	if (pty->console) {
		pty->generation++;
		ntty_flush_input(&pty->line);
	} else {
		pty->hung_up = true;
	}
	mutex_unlock(&tty->lock);
	pty_wake(pty);
}

/* A pseudo-terminal goes on as long as its master does: disassociate_ctty() in Linux. */
static void pty_session_end(struct tty *tty)
{
	if (tty_pty(tty)->console)
		pty_hangup(tty);
}

static const struct tty_ops pty_tty_ops = { .free = pty_free, .hangup = pty_hangup, .session_end = pty_session_end };

bool tty_is_pty(const struct tty *tty)
{
	return tty->ops == &pty_tty_ops;
}

struct pty *pty_find_get(unsigned index)
{
	struct pty *pty;
	MUTEX_GUARD(&pty_table_lock);

	pty = index < PTY_MAX ? pty_table[index] : NULL;
	if (pty)
		tty_get(&pty->tty);
	return pty;
}

int pty_next_index(unsigned from)
{
	MUTEX_GUARD(&pty_table_lock);

	for (; from < PTY_MAX; from++)
		if (pty_table[from])
			return (int)from;
	return -1;
}

static struct pty *pty_new(void)
{
	struct pty *pty = calloc(1, sizeof(*pty));
	unsigned i;

	if (!pty)
		return ERR_PTR(-LINUX_ENOMEM);
	mutex_lock(&pty_table_lock);
	for (i = 0; i < PTY_MAX && pty_table[i]; i++)
		;
	if (i < PTY_MAX)
		pty_table[i] = pty;
	mutex_unlock(&pty_table_lock);
	if (i == PTY_MAX) {
		free(pty);
		return ERR_PTR(-LINUX_ENOSPC);
	}
	tty_init(&pty->tty, &pty_tty_ops, LINUX_MKDEV(PTY_MAJOR, i));
	waitq_init(&pty->wait);
	fasync_init(&pty->slave_async);
	fasync_init(&pty->master_async);
	ntty_init(&pty->line, &pty->tty.termios);
	pty->index = i;
	pty->tty.termios.c_cflag &= ~LINUX_HUPCL;
	pty->locked = pty->master_open = true;
	pty->mode = LINUX_S_IFCHR | 0620;
	pty->uid = current_cred->fsuid;
	pty->gid = TTY_GID;
	return pty;
}

struct pty *pty_new_console(uint64_t rdev)
{
	struct pty *pty = calloc(1, sizeof(*pty));

	if (!pty)
		return ERR_PTR(-LINUX_ENOMEM);
	tty_init(&pty->tty, &pty_tty_ops, rdev);
	waitq_init(&pty->wait);
	fasync_init(&pty->slave_async);
	fasync_init(&pty->master_async);
	ntty_init(&pty->line, &pty->tty.termios);
	pty->master_open = true;
	pty->console = true;
	return pty;
}

/* --- what a change of the line asks for, done without tty->lock --- */

void pty_apply(struct pty *pty, const struct ntty_result *res)
{
	for (unsigned i = 0; i < res->nr_signals; i++)
		tty_signal_foreground(&pty->tty, res->signals[i]);
	pty_wake(pty);
}

void pty_note_locked(struct pty *pty, const struct ntty_result *res)
{
	if (!pty->packet)
		return;
	if (res->stopped || res->started)
		pty->packet_events &= ~(LINUX_TIOCPKT_STOP | LINUX_TIOCPKT_START);
	pty->packet_events |= (res->flushed_input ? LINUX_TIOCPKT_FLUSHREAD : 0) |
			      (res->flushed_output ? LINUX_TIOCPKT_FLUSHWRITE : 0) | (res->stopped ? LINUX_TIOCPKT_STOP : 0) |
			      (res->started ? LINUX_TIOCPKT_START : 0);
}

static bool pty_nonblock(struct file *f)
{
	return atomic_load(&f->flags) & LINUX_O_NONBLOCK;
}

/* --- master --- */

static bool master_has_data(struct pty *pty)
{
	return pty->packet_events || (ntty_output_pending(&pty->line) && !pty->line.stopped);
}

static int64_t master_read(struct file *f, struct iov_iter *to, uint64_t *pos __unused)
{
	struct pty *pty = f->private_data;
	uint8_t buf[CHUNK];
	size_t n = 0;
	int err = 0;

	if (!to->count)
		return 0;
	mutex_lock(&pty->tty.lock);
	if (!master_has_data(pty) && (pty->nr_slaves || !pty->was_open))
		err = pty_nonblock(f) ? -LINUX_EAGAIN :
		      waitq_wait_locked(&pty->wait, &pty->tty.lock, master_has_data(pty) || (!pty->nr_slaves && pty->was_open),
					SLEEP_INTERRUPTIBLE, NO_DEADLINE);
	if (!err && !master_has_data(pty))
		err = -LINUX_EIO;
	if (!err && pty->packet) {
		buf[n++] = pty->packet_events;
		if (!pty->packet_events)
			n += ntty_take_output(&pty->line, buf + 1, MIN(to->count - 1, sizeof(buf) - 1));
		pty->packet_events = 0;
	} else if (!err) {
		n = ntty_take_output(&pty->line, buf, MIN(to->count, sizeof(buf)));
	}
	mutex_unlock(&pty->tty.lock);
	if (err)
		return err;
	pty_wake(pty);
	return iov_iter_copy_to(to, buf, n) == n ? (int64_t)n : -LINUX_EFAULT;
}

/* Whether poll says so: a raw read without a timer is waited for until it has all its bytes. */
static bool slave_read_ready_locked(struct pty *pty)
{
	const struct linux_termios2 *t = &pty->tty.termios;
	bool all = !(t->c_lflag & LINUX_ICANON) && !t->c_cc[LINUX_VTIME];

	return ntty_readable(&pty->line) >= (all ? MAX(t->c_cc[LINUX_VMIN], 1) : 1);
}

/* One piece into the line; -EAGAIN when it takes nothing now. */
static int64_t master_write_some(struct pty *pty, const uint8_t *buf, size_t len)
{
	struct ntty_result res = { 0 };
	bool in, echo;
	size_t n;

	mutex_lock(&pty->tty.lock);
	n = ntty_receive(&pty->line, buf, len, &res);
	pty_note_locked(pty, &res);
	in = n && slave_read_ready_locked(pty);
	echo = n && ntty_output_pending(&pty->line);
	mutex_unlock(&pty->tty.lock);
	pty_apply(pty, &res);
	if (in)
		fasync_kill(&pty->slave_async, LINUX_POLL_IN);
	if (echo)
		fasync_kill(&pty->master_async, LINUX_POLL_IN);
	return n ? (int64_t)n : -LINUX_EAGAIN;
}

size_t pty_take_output(struct pty *pty, void *buf, size_t len)
{
	size_t n;

	mutex_lock(&pty->tty.lock);
	n = pty->line.stopped ? 0 : ntty_take_output(&pty->line, buf, len);
	mutex_unlock(&pty->tty.lock);
	if (n)
		pty_wake(pty);
	return n;
}

bool pty_has_output(struct pty *pty)
{
	MUTEX_GUARD(&pty->tty.lock);
	return ntty_output_pending(&pty->line) && !pty->line.stopped;
}

int64_t pty_put_input(struct pty *pty, const void *buf, size_t len)
{
	return master_write_some(pty, buf, len);
}

bool pty_has_room(struct pty *pty)
{
	MUTEX_GUARD(&pty->tty.lock);
	return ntty_room(&pty->line) > 0;
}

static bool master_writable(struct pty *pty)
{
	MUTEX_GUARD(&pty->tty.lock);

	return ntty_room(&pty->line) || !pty->nr_slaves;
}

static int64_t master_write(struct file *f, struct iov_iter *from, uint64_t *pos __unused)
{
	struct pty *pty = f->private_data;
	int64_t done = 0;

	while (from->count) {
		uint8_t buf[CHUNK];
		size_t want = MIN(from->count, sizeof(buf)), n = iov_iter_copy_from(from, buf, want), off = 0;

		if (!n)
			return done ? done : -LINUX_EFAULT;
		while (off < n) {
			int64_t k = master_write_some(pty, buf + off, n - off);
			int err;

			if (k > 0) {
				off += k;
				continue;
			}
			err = pty_nonblock(f) ? -LINUX_EAGAIN :
			      waitq_wait(&pty->wait, master_writable(pty), SLEEP_INTERRUPTIBLE, NO_DEADLINE);
			if (err) {
				iov_iter_revert(from, n - off);
				done += off;
				return done ? done : err;
			}
		}
		done += n;
	}
	return done;
}

static unsigned master_poll(struct file *f, struct poll_table *pt)
{
	struct pty *pty = f->private_data;
	unsigned mask = 0;

	poll_wait(f, &pty->wait, pt);
	MUTEX_GUARD(&pty->tty.lock);
	if (master_has_data(pty))
		mask |= LINUX_EPOLLIN | LINUX_EPOLLRDNORM;
	if (pty->packet_events)
		mask |= LINUX_EPOLLPRI;
	if (!pty->nr_slaves && pty->was_open)
		mask |= LINUX_EPOLLHUP;
	if (ntty_room(&pty->line))
		mask |= LINUX_EPOLLOUT | LINUX_EPOLLWRNORM;
	return mask;
}

void pty_master_hangup(struct pty *pty)
{
	mutex_lock(&pty_table_lock);
	if (pty_table[pty->index] == pty)
		pty_table[pty->index] = NULL;
	mutex_unlock(&pty_table_lock);
	mutex_lock(&pty->tty.lock);
	pty->master_open = false;
	pty->hung_up = true;
	mutex_unlock(&pty->tty.lock);
	tty_vhangup(&pty->tty);
	pty_wake(pty);
}

static void master_release(struct file *f)
{
	struct pty *pty = f->private_data;

	pty_master_hangup(pty);
	tty_put(&pty->tty);
}

/* --- slave --- */

bool pty_slave_gone(const struct file *f, const struct pty *pty)
{
	return READ_ONCE(pty->hung_up) ||
	       (f->tty_generation != READ_ONCE(pty->generation) && f->tty_generation != TTY_GENERATION_ALL);
}

/*
 * A raw read of at least @min bytes (termios(3)): MIN 0 is one byte within TIME of the call, or none; else TIME, if there is one, is
 * between bytes.
 */
struct slave_patience {
	size_t min;
	deadline_t first; /* 0: does not wait */
	int64_t between;  /* ns; negative: for ever */
};

static struct slave_patience slave_patience_locked(const struct pty *pty)
{
	const uint8_t *cc = pty->tty.termios.c_cc;
	int64_t time = cc[LINUX_VTIME] * DECISECOND;

	if (pty->tty.termios.c_lflag & LINUX_ICANON)
		return (struct slave_patience){ 0, NO_DEADLINE, -1 };
	if (cc[LINUX_VMIN])
		return (struct slave_patience){ cc[LINUX_VMIN], NO_DEADLINE, time ? time : -1 };
	return (struct slave_patience){ 1, time ? deadline_after(time) : 0, -1 };
}

/* Until there is something to read, the line is gone, or @deadline: 0, -LINUX_EAGAIN or that of a signal. */
static int slave_wait_locked(struct file *f, struct pty *pty, deadline_t deadline)
{
	int err;

	if (ntty_readable(&pty->line) || pty_slave_gone(f, pty) || !deadline)
		return 0;
	if (pty_nonblock(f))
		return -LINUX_EAGAIN;
	err = waitq_wait_locked(&pty->wait, &pty->tty.lock, ntty_readable(&pty->line) || pty_slave_gone(f, pty), SLEEP_INTERRUPTIBLE,
				deadline);
	return err == -LINUX_ETIMEDOUT ? 0 : err;
}

/* As n_tty_read(): what has come is taken, then waited for more. */
static int64_t slave_read(struct file *f, struct iov_iter *to, uint64_t *pos __unused)
{
	struct pty *pty = f->private_data;
	int err = tty_check_change(&pty->tty, LINUX_SIGTTIN);
	struct slave_patience patience;
	deadline_t deadline;
	bool end = false;
	int64_t done = 0;

	if (err || !to->count)
		return err;
	mutex_lock(&pty->tty.lock);
	patience = slave_patience_locked(pty);
	mutex_unlock(&pty->tty.lock);
	deadline = patience.first;
	do {
		uint8_t buf[CHUNK];
		size_t n = 0;

		mutex_lock(&pty->tty.lock);
		err = slave_wait_locked(f, pty, deadline);
		if (!err && !pty_slave_gone(f, pty))
			n = ntty_read(&pty->line, buf, MIN(to->count, sizeof(buf)), &end);
		mutex_unlock(&pty->tty.lock);
		if (err || !n)
			break;
		if (iov_iter_copy_to(to, buf, n) != n)
			return done ? done : -LINUX_EFAULT;
		done += (int64_t)n;
		deadline = (size_t)done >= patience.min ? 0 : deadline_after(patience.between);
	} while (to->count && !end);
	pty_wake(pty);
	return done ? done : err;
}

static int slave_wait_output_locked(struct file *f, struct pty *pty, bool nonblock)
{
	if (pty_slave_gone(f, pty))
		return -LINUX_EIO;
	if (!pty->line.stopped && ntty_output_room(&pty->line) >= 8)
		return 0;
	if (nonblock)
		return -LINUX_EAGAIN;
	return waitq_wait_locked(&pty->wait, &pty->tty.lock,
				 pty_slave_gone(f, pty) || (!pty->line.stopped && ntty_output_room(&pty->line) >= 8), SLEEP_INTERRUPTIBLE,
				 NO_DEADLINE);
}

static int64_t slave_write(struct file *f, struct iov_iter *from, uint64_t *pos __unused)
{
	struct pty *pty = f->private_data;
	int64_t done = 0;
	int err = 0;

	if (READ_ONCE(pty->tty.termios.c_lflag) & LINUX_TOSTOP)
		err = tty_check_change(&pty->tty, LINUX_SIGTTOU);
	while (!err && from->count) {
		uint8_t buf[CHUNK];
		size_t n = iov_iter_copy_from(from, buf, MIN(from->count, sizeof(buf))), took;

		if (!n)
			return done ? done : -LINUX_EFAULT;
		mutex_lock(&pty->tty.lock);
		err = slave_wait_output_locked(f, pty, pty_nonblock(f));
		if (!err && pty_slave_gone(f, pty))
			err = -LINUX_EIO;
		took = err ? 0 : ntty_output(&pty->line, buf, n);
		if (pty->deaf)
			ntty_flush_output(&pty->line);
		mutex_unlock(&pty->tty.lock);
		iov_iter_revert(from, n - took);
		done += took;
		pty_wake(pty);
		if (took)
			fasync_kill(&pty->master_async, LINUX_POLL_IN);
	}
	return done ? done : err;
}

static unsigned slave_poll(struct file *f, struct poll_table *pt)
{
	struct pty *pty = f->private_data;
	unsigned mask = 0;

	poll_wait(f, &pty->wait, pt);
	MUTEX_GUARD(&pty->tty.lock);
	if (slave_read_ready_locked(pty) || pty_slave_gone(f, pty))
		mask |= LINUX_EPOLLIN | LINUX_EPOLLRDNORM;
	if (pty_slave_gone(f, pty))
		mask |= LINUX_EPOLLHUP | LINUX_EPOLLERR | LINUX_EPOLLOUT | LINUX_EPOLLWRNORM;
	if (!pty->line.stopped && ntty_output_room(&pty->line) >= 256)
		mask |= LINUX_EPOLLOUT | LINUX_EPOLLWRNORM;
	return mask;
}

static void slave_release(struct file *f)
{
	struct pty *pty = f->private_data;

	mutex_lock(&pty->tty.lock);
	pty->nr_slaves--;
	mutex_unlock(&pty->tty.lock);
	pty_wake(pty);
	tty_put(&pty->tty);
}

int pty_open_slave(struct pty *pty, struct file *f)
{
	int err = 0;

	mutex_lock(&pty->tty.lock);
	if (pty->locked || pty->hung_up || !pty->master_open)
		err = -LINUX_EIO;
	else if (pty->exclusive && !capable(CAP_SYS_ADMIN))
		err = -LINUX_EBUSY;
	if (!err) {
		pty->nr_slaves++;
		pty->was_open = true;
	}
	mutex_unlock(&pty->tty.lock);
	if (err)
		return err;
	tty_get(&pty->tty);
	f->ops = &slave_ops;
	f->private_data = pty;
	f->tty_generation = READ_ONCE(pty->generation);
	file_set_stream(f);
	if (!(atomic_load(&f->flags) & LINUX_O_NOCTTY))
		tty_open_controlling(&pty->tty);
	return 0;
}

static int slave_open(struct inode *inode, struct file *f)
{
	struct pty *pty = pty_find_get(LINUX_MINOR(inode->rdev));
	int err;

	if (!pty)
		return -LINUX_EIO;
	err = pty_open_slave(pty, f);
	tty_put(&pty->tty);
	return err;
}

struct pty *pty_new_open(void)
{
	struct pty *pty = pty_new();

	if (!IS_ERR(pty))
		pty->locked = false;
	return pty;
}

struct file *pty_open_by_name(struct pty *pty)
{
	char name[32];
	struct file *f;

	snprintf(name, sizeof(name), "/dev/pts/%u", pty->index);
	/* Whatever the guest has put there: it is not waited for, and not taken for a terminal. */
	f = filp_open(name, LINUX_O_RDWR | LINUX_O_NOCTTY | LINUX_O_NONBLOCK, 0);
	if (IS_ERR(f))
		return f;
	if (f->ops != &slave_ops || f->private_data != pty) {
		fput(f);
		return ERR_PTR(-LINUX_ENOTTY);
	}
	atomic_fetch_and(&f->flags, ~(uint32_t)LINUX_O_NONBLOCK);
	return f;
}

static int master_open(struct inode *inode __unused, struct file *f)
{
	struct pty *pty = pty_new();

	if (IS_ERR(pty))
		return (int)PTR_ERR(pty);
	f->private_data = pty;
	file_set_stream(f);
	return 0;
}

/* Who asks without having named an owner means the foreground group, or himself: as tty_fasync() in Linux. */
static int pty_fasync(struct fasync *q, int pgrp, int fd, struct file *f, bool on)
{
	int err = fasync_update(q, fd, f, on);

	if (err || !on || READ_ONCE(f->owner_pid))
		return err;
	return pgrp > 0 ? file_set_owner(f, LINUX_F_OWNER_PGRP, pgrp) : file_set_owner(f, LINUX_F_OWNER_PID, kernel_current_tgid());
}

static int slave_fasync(int fd, struct file *f, bool on)
{
	struct pty *pty = f->private_data;

	return pty_fasync(&pty->slave_async, tty_foreground_nr(&pty->tty), fd, f, on);
}

static int master_fasync(int fd, struct file *f, bool on)
{
	struct pty *pty = f->private_data;

	return pty_fasync(&pty->master_async, 0, fd, f, on);
}

static const struct file_ops master_ops = {
	.open = master_open, .read = master_read, .write = master_write, .poll = master_poll, .ioctl = pty_master_ioctl,
	.fasync = master_fasync, .release = master_release };
static const struct file_ops slave_ops = {
	.open = slave_open, .read = slave_read, .write = slave_write, .poll = slave_poll, .ioctl = pty_slave_ioctl,
	.fasync = slave_fasync, .release = slave_release };

int pty_init(void)
{
	int err = chrdev_register(5, 2, 1, &master_ops);

	return err ? err : chrdev_register(PTY_MAJOR, 0, PTY_MAX, &slave_ops);
}
