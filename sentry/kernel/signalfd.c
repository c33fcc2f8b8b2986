/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signalfd(2).  As in Linux, what is read is the pending signals of the reader, not of whoever made the descriptor; so a poll
 * waits on the polling process's queue, and the file keeps a reference to each process that ever polled it.
 */
#include <stdlib.h>

#include "sentry/abi/fcntl.h"
#include "sentry/abi/poll.h"
#include "sentry/kernel/signalfd.h"

struct signalfd_poller {
	struct signalfd_poller *next;
	struct tgroup *tg; /* reference */
};

struct signalfd {
	struct mutex lock;
	linux_sigset_t mask;		 /* lock */
	struct signalfd_poller *pollers; /* lock */
};

static linux_sigset_t signalfd_mask(struct signalfd *s)
{
	MUTEX_GUARD(&s->lock);

	return s->mask;
}

/* siginfo_layout() of Linux: signal-driven I/O uses POLL_* with any signal that has no codes of its own. */
static bool siginfo_is_poll(const struct linux_siginfo *i)
{
	if (i->si_code == LINUX_SI_SIGIO)
		return true;
	return i->si_code >= LINUX_POLL_IN && i->si_code <= LINUX_POLL_HUP && !sig_in(SIGMASK_SYNCHRONOUS, i->si_signo);
}

static void signalfd_fill(const struct linux_siginfo *i, struct linux_signalfd_siginfo *r)
{
	*r = (struct linux_signalfd_siginfo){ .ssi_signo = i->si_signo, .ssi_errno = i->si_errno, .ssi_code = i->si_code };
	if (i->si_code == LINUX_SI_TIMER) {
		r->ssi_tid = i->timer.tid;
		r->ssi_overrun = i->timer.overrun;
		r->ssi_ptr = i->timer.value;
		r->ssi_int = (int32_t)i->timer.value;
	} else if (i->si_signo == LINUX_SIGCHLD && i->si_code > 0) {
		r->ssi_pid = i->chld.pid;
		r->ssi_uid = i->chld.uid;
		r->ssi_status = i->chld.status;
		r->ssi_utime = i->chld.utime;
		r->ssi_stime = i->chld.stime;
	} else if (siginfo_is_poll(i)) {
		r->ssi_band = (uint32_t)i->poll.band;
		r->ssi_fd = i->poll.fd;
	} else if (i->si_code > 0 && i->si_code < LINUX_SI_KERNEL && sig_in(SIGMASK_SYNCHRONOUS, i->si_signo)) {
		r->ssi_addr = i->fault.addr;
		r->ssi_addr_lsb = i->fault.addr_lsb;
	} else {
		r->ssi_pid = i->rt.pid;
		r->ssi_uid = i->rt.uid;
		r->ssi_ptr = i->rt.value;
		r->ssi_int = (int32_t)i->rt.value;
	}
}

static bool signalfd_dequeue(struct signalfd *s, struct linux_siginfo *ret)
{
	linux_sigset_t mask = signalfd_mask(s);
	MUTEX_GUARD(&current->tg->siglock);

	return signal_dequeue_locked(current, ~mask, ret) > 0;
}

static bool signalfd_ready(struct signalfd *s)
{
	linux_sigset_t mask = signalfd_mask(s);
	MUTEX_GUARD(&current->tg->siglock);

	return (current->pending.signal | current->tg->shared_pending.signal) & mask;
}

static int64_t signalfd_read(struct file *f, struct iov_iter *to, uint64_t *pos __unused)
{
	bool nonblock = atomic_load(&f->flags) & LINUX_O_NONBLOCK;
	struct linux_signalfd_siginfo out;
	struct signalfd *s = f->private_data;
	struct linux_siginfo info;
	int64_t done = 0;

	if (to->count < sizeof(out))
		return -LINUX_EINVAL;
	while (to->count >= sizeof(out)) {
		while (!signalfd_dequeue(s, &info)) {
			int err;

			if (done)
				return done;
			if (nonblock)
				return -LINUX_EAGAIN;
			err = waitq_wait(&current->tg->signalfd_wait, signalfd_ready(s), SLEEP_INTERRUPTIBLE, NO_DEADLINE);
			if (err)
				return err;
		}
		signalfd_fill(&info, &out);
		if (iov_iter_copy_to(to, &out, sizeof(out)) != sizeof(out))
			return done ? done : -LINUX_EFAULT;
		done += sizeof(out);
	}
	return done;
}

/* Keeps the polling process, whose queue the poller is about to stand in. */
static bool signalfd_keep_poller(struct signalfd *s, struct tgroup *tg)
{
	struct signalfd_poller *p;
	MUTEX_GUARD(&s->lock);

	for (p = s->pollers; p; p = p->next)
		if (p->tg == tg)
			return true;
	p = malloc(sizeof(*p));
	if (!p)
		return false;
	p->tg = tgroup_get(tg);
	p->next = s->pollers;
	s->pollers = p;
	return true;
}

static unsigned signalfd_poll(struct file *f, struct poll_table *pt)
{
	struct signalfd *s = f->private_data;

	if (!current)
		return 0;
	if (pt && signalfd_keep_poller(s, current->tg))
		poll_wait(f, &current->tg->signalfd_wait, pt);
	return signalfd_ready(s) ? LINUX_EPOLLIN : 0;
}

static void signalfd_release(struct file *f)
{
	struct signalfd *s = f->private_data;
	struct signalfd_poller *p;

	while ((p = s->pollers)) {
		s->pollers = p->next;
		tgroup_put(p->tg);
		free(p);
	}
	mutex_fini(&s->lock);
	free(s);
}

static void signalfd_show_fdinfo(struct file *f, struct strbuf *sb)
{
	strbuf_addf(sb, "sigmask:\t%016llx\n", (unsigned long long)signalfd_mask(f->private_data));
}

static const struct file_ops signalfd_ops = {
	.read = signalfd_read, .llseek = noop_llseek, .poll = signalfd_poll, .release = signalfd_release,
	.show_fdinfo = signalfd_show_fdinfo };

struct file *signalfd_file_new(linux_sigset_t mask, unsigned flags)
{
	struct signalfd *s = calloc(1, sizeof(*s));
	struct file *f;

	if (!s)
		return ERR_PTR(-LINUX_ENOMEM);
	mutex_init(&s->lock);
	s->mask = mask & ~SIGMASK_UNBLOCKABLE;
	f = anon_file_new("anon_inode:[signalfd]", 0600, &signalfd_ops, LINUX_O_RDWR | (flags & LINUX_O_NONBLOCK), s);
	if (IS_ERR(f))
		free(s);
	return f;
}

int signalfd_set_mask(struct file *f, linux_sigset_t mask)
{
	struct signalfd *s = f->private_data;

	if (f->ops != &signalfd_ops)
		return -LINUX_EINVAL;
	mutex_lock(&s->lock);
	s->mask = mask & ~SIGMASK_UNBLOCKABLE;
	mutex_unlock(&s->lock);
	waitq_wake(&current->tg->signalfd_wait, 0);
	return 0;
}
