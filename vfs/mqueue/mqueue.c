/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages.  A receiver that sleeps when a message arrives is woken for it, and then nobody is notified; the notification goes out
 * once, for the first message of an empty queue, as mq_notify(3) has it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netstack/netlink.h"
#include "sentry/abi/fcntl.h"
#include "sentry/abi/poll.h"
#include "sentry/abi/signal.h"
#include "sentry/kernel/signal.h"
#include "sentry/kernel/task.h"
#include "vfs/mqueue/mqueue.h"
#include "vfs/user_ns.h"

/* The last byte of a cookie, as SIGEV_THREAD's reader knows it. */
#define COOKIE_WOKENUP 1
#define COOKIE_REMOVED 2

/* --- notification --- */

static void notify_free(struct mq_notify *n)
{
	if (n->sock)
		fput(n->sock);
	if (n->cred)
		cred_put(n->cred);
	if (n->owner)
		pid_put(n->owner);
}

static void notify_cookie(struct mq_notify *n, uint8_t why)
{
	n->cookie[MQ_COOKIE_SIZE - 1] = why;
	netlink_notify(n->sock, n->cookie, sizeof(n->cookie));
}

/* Takes @n: tells its owner that there is a message of the calling task's. */
static void notify_send(struct mq_notify *n)
{
	struct linux_siginfo info;
	struct tgroup *tg;

	if (n->how == LINUX_SIGEV_THREAD) {
		notify_cookie(n, COOKIE_WOKENUP);
	} else if (n->how == LINUX_SIGEV_SIGNAL && n->signo) {
		siginfo_init(&info, n->signo, LINUX_SI_MESGQ);
		info.rt.pid = pid_nr_ns(current->tg->pid, pid_ns_of(n->owner));
		info.rt.uid = from_kuid_munged(n->cred->user_ns, current_cred->uid);
		info.rt.value = n->value;
		mutex_lock(&pids_lock);
		tg = n->owner->tgroup;
		if (tg)
			signal_send_tgroup(tg, &info, 0);
		mutex_unlock(&pids_lock);
	}
	notify_free(n);
}

/* The registration, which is the caller's now, if it is @only's or anybody's.  False: there is none. */
static bool notify_take(struct mq_inode *mq, const struct pid *only, struct mq_notify *ret)
{
	MUTEX_GUARD(&mq->lock);
	if (!mq->notify.owner || (only && mq->notify.owner != only))
		return false;
	*ret = mq->notify;
	mq->notify = (struct mq_notify){ 0 };
	return true;
}

static void notify_drop(struct mq_inode *mq, const struct pid *only)
{
	struct mq_notify n;

	if (!notify_take(mq, only, &n))
		return;
	if (n.how == LINUX_SIGEV_THREAD)
		notify_cookie(&n, COOKIE_REMOVED);
	notify_free(&n);
}

int mqueue_notify(struct file *f, const struct linux_sigevent *ev, const uint8_t *cookie, struct file *sock)
{
	struct mq_inode *mq = file_mqueue(f);

	if (!mq)
		return -LINUX_EBADF;
	if (!ev) {
		notify_drop(mq, current->tg->pid);
		inode_touch_atime(&mq->inode, f->path.mnt);
		return 0;
	}
	mutex_lock(&mq->lock);
	if (mq->notify.owner) {
		mutex_unlock(&mq->lock);
		return -LINUX_EBUSY;
	}
	mq->notify = (struct mq_notify){ .owner = pid_get(current->tg->pid), .how = ev->sigev_notify, .signo = ev->sigev_signo,
					 .value = ev->sigev_value, .cred = cred_get(current_cred) };
	if (ev->sigev_notify == LINUX_SIGEV_THREAD) {
		mq->notify.sock = file_get(sock);
		memcpy(mq->notify.cookie, cookie, MQ_COOKIE_SIZE);
	}
	mutex_unlock(&mq->lock);
	inode_touch_ctime(&mq->inode);
	return 0;
}

/* --- the queue --- */

void mq_clear(struct mq_inode *mq)
{
	struct mq_msg *m, *tmp;

	notify_drop(mq, NULL);
	list_for_each_entry_safe(m, tmp, &mq->msgs, link)
		free(m);
	list_init(&mq->msgs);
}

/* Behind all of its priority and above. */
static void enqueue_locked(struct mq_inode *mq, struct mq_msg *m)
{
	struct list_head *at = mq->msgs.prev;

	while (at != &mq->msgs && list_entry(at, struct mq_msg, link)->prio < m->prio)
		at = at->prev;
	list_add(&m->link, at);
	mq->nr_msgs++;
	mq->bytes += m->size;
}

static struct mq_msg *dequeue_locked(struct mq_inode *mq)
{
	struct mq_msg *m = list_first_entry(&mq->msgs, struct mq_msg, link);

	list_del(&m->link);
	mq->nr_msgs--;
	mq->bytes -= m->size;
	return m;
}

/* Takes @m when it returns 0. */
static int send_locked(struct mq_inode *mq, struct mq_msg *m, bool nonblock, deadline_t deadline, struct mq_notify *ret_notify)
{
	int err;

	if (mq->nr_msgs == mq->max_msgs && nonblock)
		return -LINUX_EAGAIN;
	err = waitq_wait_locked(&mq->writable, &mq->lock, mq->nr_msgs < mq->max_msgs, SLEEP_INTERRUPTIBLE, deadline);
	if (err)
		return err;
	enqueue_locked(mq, m);
	if (mq->nr_msgs == 1 && !mq->nr_receivers && mq->notify.owner) {
		*ret_notify = mq->notify;
		mq->notify = (struct mq_notify){ 0 };
	}
	waitq_wake(&mq->readable, LINUX_EPOLLIN | LINUX_EPOLLRDNORM);
	return 0;
}

int64_t mqueue_send(struct file *f, uaddr_t buf, size_t len, unsigned prio, deadline_t deadline)
{
	struct mq_inode *mq = file_mqueue(f);
	struct mq_notify notify = { 0 };
	struct mq_msg *m;
	int err;

	if (!mq || !(f->fmode & FMODE_WRITE))
		return -LINUX_EBADF;
	if (len > mq->msg_size)
		return -LINUX_EMSGSIZE;
	m = malloc(sizeof(*m) + len);
	if (!m)
		return -LINUX_ENOMEM;
	m->prio = prio;
	m->size = len;
	if (copy_from_user(m->data, buf, len)) {
		free(m);
		return -LINUX_EFAULT;
	}
	mutex_lock(&mq->lock);
	err = send_locked(mq, m, vfs_nonblock(f), deadline, &notify);
	mutex_unlock(&mq->lock);
	if (err) {
		free(m);
		return err;
	}
	if (notify.owner)
		notify_send(&notify);
	inode_touch_mtime(&mq->inode);
	return 0;
}

static struct mq_msg *receive_locked(struct mq_inode *mq, bool nonblock, deadline_t deadline)
{
	struct mq_msg *m;
	int err;

	if (!mq->nr_msgs && nonblock)
		return ERR_PTR(-LINUX_EAGAIN);
	mq->nr_receivers++;
	err = waitq_wait_locked(&mq->readable, &mq->lock, mq->nr_msgs, SLEEP_INTERRUPTIBLE, deadline);
	mq->nr_receivers--;
	if (err)
		return ERR_PTR(err);
	m = dequeue_locked(mq);
	waitq_wake(&mq->writable, LINUX_EPOLLOUT | LINUX_EPOLLWRNORM);
	return m;
}

int64_t mqueue_receive(struct file *f, uaddr_t buf, size_t len, unsigned *ret_prio, deadline_t deadline)
{
	struct mq_inode *mq = file_mqueue(f);
	struct mq_msg *m;
	int64_t ret;

	if (!mq || !(f->fmode & FMODE_READ))
		return -LINUX_EBADF;
	if (len < mq->msg_size)
		return -LINUX_EMSGSIZE;
	mutex_lock(&mq->lock);
	m = receive_locked(mq, vfs_nonblock(f), deadline);
	mutex_unlock(&mq->lock);
	if (IS_ERR(m))
		return PTR_ERR(m);
	inode_touch_atime(&mq->inode, f->path.mnt);
	*ret_prio = m->prio;
	/* As on Linux: who has no room for it has lost it. */
	ret = copy_to_user(buf, m->data, m->size) ? -LINUX_EFAULT : (int64_t)m->size;
	free(m);
	return ret;
}

void mqueue_getattr(struct file *f, struct linux_mq_attr *ret)
{
	struct mq_inode *mq = file_mqueue(f);

	MUTEX_GUARD(&mq->lock);
	*ret = (struct linux_mq_attr){ .mq_flags = atomic_load(&f->flags) & LINUX_O_NONBLOCK, .mq_maxmsg = (int64_t)mq->max_msgs,
				       .mq_msgsize = (int64_t)mq->msg_size, .mq_curmsgs = (int64_t)mq->nr_msgs };
}

/* --- the file --- */

static int64_t mqueue_read(struct file *f, struct iov_iter *to, uint64_t *pos)
{
	struct mq_inode *mq = file_mqueue(f);
	char text[100];
	size_t len, n;

	mutex_lock(&mq->lock);
	len = (size_t)snprintf(text, sizeof(text), "QSIZE:%-10lu NOTIFY:%-5d SIGNO:%-5d NOTIFY_PID:%-6d\n", (unsigned long)mq->bytes,
			       mq->notify.owner ? mq->notify.how : 0,
			       mq->notify.owner && mq->notify.how == LINUX_SIGEV_SIGNAL ? mq->notify.signo : 0,
			       mq->notify.owner ? pid_nr(mq->notify.owner) : 0);
	mutex_unlock(&mq->lock);
	if (*pos >= len)
		return 0;
	n = iov_iter_copy_to(to, text + *pos, MIN(to->count, len - *pos));
	*pos += n;
	inode_touch_atime(&mq->inode, f->path.mnt);
	return n ? (int64_t)n : -LINUX_EFAULT;
}

static unsigned mqueue_poll(struct file *f, struct poll_table *pt)
{
	struct mq_inode *mq = file_mqueue(f);
	unsigned events = 0;

	poll_wait(f, &mq->readable, pt);
	poll_wait(f, &mq->writable, pt);
	MUTEX_GUARD(&mq->lock);
	if (mq->nr_msgs)
		events |= LINUX_EPOLLIN | LINUX_EPOLLRDNORM;
	if (mq->nr_msgs < mq->max_msgs)
		events |= LINUX_EPOLLOUT | LINUX_EPOLLWRNORM;
	return events;
}

/* Any close by the process that wants to be told ends that. */
static int mqueue_flush(struct file *f)
{
	if (current)
		notify_drop(file_mqueue(f), current->tg->pid);
	return 0;
}

const struct file_ops mqueue_file_ops = {
	.read = mqueue_read, .llseek = generic_file_llseek, .poll = mqueue_poll, .flush = mqueue_flush };
