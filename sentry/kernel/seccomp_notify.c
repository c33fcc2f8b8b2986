/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/kernel/seccomp_notify.h"

#include <stdlib.h>

#include "platform/host/host.h"
#include "sentry/abi/fcntl.h"
#include "sentry/abi/poll.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/uaccess.h"

enum notif_state { NOTIF_INIT, NOTIF_SENT, NOTIF_REPLIED };

/* A descriptor on its way; on the stack of who adds it, who waits until `done`. */
struct addfd {
	struct list_head link;
	struct file *file; /* a reference, the installing thread's */
	int newfd;	   /* with `setfd`: this number */
	bool setfd, cloexec, send;
	bool done;
	int result;
};

/* A call that waits for its answer; on the stack of its thread. */
struct notif {
	struct list_head link;
	uint64_t id;
	enum notif_state state;
	struct task *task; /* borrowed: the thread that waits */
	const struct linux_seccomp_data *data;
	struct list_head addfds; /* to be installed */
	int64_t val;
	int32_t error;
	uint32_t flags;
};

struct seccomp_listener {
	struct ref ref;
	struct mutex lock; /* guards all below, and every notif and addfd */
	struct list_head notifs;
	struct waitq listening; /* receivers and pollers */
	struct waitq asking;	/* those who wait for answers, or to add descriptors */
	uint64_t next_id;
	bool closed, orphaned;
};

struct seccomp_listener *seccomp_listener_get(struct seccomp_listener *l)
{
	ref_get(&l->ref);
	return l;
}

void seccomp_listener_put(struct seccomp_listener *l)
{
	if (!l || !ref_put(&l->ref))
		return;
	waitq_fini(&l->listening);
	waitq_fini(&l->asking);
	mutex_fini(&l->lock);
	free(l);
}

void seccomp_listener_orphan(struct seccomp_listener *l)
{
	if (!l)
		return;
	mutex_lock(&l->lock);
	l->orphaned = true;
	mutex_unlock(&l->lock);
	waitq_wake(&l->listening, LINUX_EPOLLHUP);
	seccomp_listener_put(l);
}

/* --- the thread that asks --- */

/* Puts what was sent into the calling task's table.  The lock is dropped meanwhile. */
static void addfd_install(struct seccomp_listener *l, struct notif *n)
{
	while (!list_empty(&n->addfds)) {
		struct addfd *a = list_first_entry(&n->addfds, struct addfd, link);
		int fd;

		list_del(&a->link);
		mutex_unlock(&l->lock);
		if (a->setfd) {
			fd = fd_dup2(a->file, a->newfd, a->cloexec);
			fput(a->file);
		} else {
			fd = fd_install_or_put(a->file, a->cloexec);
		}
		mutex_lock(&l->lock);
		a->result = fd;
		if (a->send && fd >= 0 && n->state == NOTIF_SENT) {
			n->state = NOTIF_REPLIED;
			n->val = fd;
		}
		a->done = true;
		waitq_wake(&l->asking, 0);
	}
}

static void addfd_refuse(struct seccomp_listener *l, struct notif *n)
{
	while (!list_empty(&n->addfds)) {
		struct addfd *a = list_first_entry(&n->addfds, struct addfd, link);

		list_del(&a->link);
		fput(a->file);
		a->result = -LINUX_ESRCH;
		a->done = true;
	}
	waitq_wake(&l->asking, 0);
}

bool seccomp_notify(struct seccomp_listener *l, const struct linux_seccomp_data *data, bool killable, int64_t *ret)
{
	struct notif n = { .data = data, .task = current };
	int err = 0;

	*ret = -LINUX_ENOSYS;
	list_init(&n.addfds);
	MUTEX_GUARD(&l->lock);
	if (l->closed)
		return false;
	n.id = l->next_id++;
	list_add_tail(&n.link, &l->notifs);
	waitq_wake(&l->listening, LINUX_EPOLLIN | LINUX_EPOLLRDNORM);
	while (!err && n.state != NOTIF_REPLIED) {
		enum notif_state seen = n.state;
		enum sleep_mode mode = killable && seen == NOTIF_SENT ? SLEEP_KILLABLE : SLEEP_INTERRUPTIBLE;

		err = waitq_wait_locked(&l->asking, &l->lock,
					n.state == NOTIF_REPLIED || !list_empty(&n.addfds) || (killable && n.state != seen),
					mode, NO_DEADLINE);
		if (!err)
			addfd_install(l, &n);
	}
	list_del(&n.link);
	addfd_refuse(l, &n);
	if (err) {
		*ret = err;
		return false;
	}
	if (n.flags & LINUX_SECCOMP_USER_NOTIF_FLAG_CONTINUE)
		return true;
	*ret = n.error ? n.error : n.val;
	return false;
}

/* --- the listener --- */

static struct notif *notif_find_locked(struct seccomp_listener *l, uint64_t id)
{
	struct notif *n;

	list_for_each_entry(n, &l->notifs, link)
		if (n->id == id)
			return n;
	return NULL;
}

static struct notif *notif_in_state_locked(struct seccomp_listener *l, enum notif_state state)
{
	struct notif *n;

	list_for_each_entry(n, &l->notifs, link)
		if (n->state == state)
			return n;
	return NULL;
}

static int64_t notif_recv(struct seccomp_listener *l, uaddr_t uarg)
{
	struct linux_seccomp_notif out;
	struct notif *n;
	int err;

	if (get_user(&out, uarg))
		return -LINUX_EFAULT;
	for (size_t i = 0; i < sizeof(out); i++)
		if (((char *)&out)[i])
			return -LINUX_EINVAL;
	mutex_lock(&l->lock);
	err = waitq_wait_locked(&l->listening, &l->lock, notif_in_state_locked(l, NOTIF_INIT) || l->orphaned,
				SLEEP_INTERRUPTIBLE, NO_DEADLINE);
	n = err ? NULL : notif_in_state_locked(l, NOTIF_INIT);
	if (n) {
		out = (struct linux_seccomp_notif){ .id = n->id, .pid = (uint32_t)task_tid(n->task), .data = *n->data };
		n->state = NOTIF_SENT;
		waitq_wake(&l->listening, LINUX_EPOLLOUT | LINUX_EPOLLWRNORM);
		waitq_wake(&l->asking, 0);
	}
	mutex_unlock(&l->lock);
	if (!n)
		return err ? err : -LINUX_ENOENT;
	if (!copy_to_user(uarg, &out, sizeof(out)))
		return 0;
	/* It is somebody else's to receive, if it is still there. */
	mutex_lock(&l->lock);
	n = notif_find_locked(l, out.id);
	if (n && n->state == NOTIF_SENT)
		n->state = NOTIF_INIT;
	mutex_unlock(&l->lock);
	waitq_wake(&l->listening, LINUX_EPOLLIN | LINUX_EPOLLRDNORM);
	return -LINUX_EFAULT;
}

static int64_t notif_send(struct seccomp_listener *l, uaddr_t uarg)
{
	struct linux_seccomp_notif_resp resp;
	struct notif *n;

	if (get_user(&resp, uarg))
		return -LINUX_EFAULT;
	if (resp.flags & ~LINUX_SECCOMP_USER_NOTIF_FLAG_CONTINUE || (resp.flags && (resp.error || resp.val)))
		return -LINUX_EINVAL;
	MUTEX_GUARD(&l->lock);
	n = notif_find_locked(l, resp.id);
	if (!n)
		return -LINUX_ENOENT;
	if (n->state != NOTIF_SENT)
		return -LINUX_EINPROGRESS;
	n->state = NOTIF_REPLIED;
	n->val = resp.val;
	n->error = resp.error;
	n->flags = resp.flags;
	waitq_wake(&l->asking, 0);
	return 0;
}

static int64_t notif_id_valid(struct seccomp_listener *l, uaddr_t uarg)
{
	struct notif *n;
	uint64_t id;

	if (get_user(&id, uarg))
		return -LINUX_EFAULT;
	MUTEX_GUARD(&l->lock);
	n = notif_find_locked(l, id);
	return n && n->state == NOTIF_SENT ? 0 : -LINUX_ENOENT;
}

/* Gives @a to the thread behind @id, and waits until it has installed it. */
static int64_t addfd_give(struct seccomp_listener *l, uint64_t id, struct addfd *a)
{
	struct notif *n;
	int err = 0;

	MUTEX_GUARD(&l->lock);
	n = notif_find_locked(l, id);
	if (!n)
		err = -LINUX_ENOENT;
	else if (n->state != NOTIF_SENT)
		err = -LINUX_EINPROGRESS;
	else if (a->send && !list_empty(&n->addfds))
		err = -LINUX_EBUSY;
	if (err) {
		fput(a->file);
		return err;
	}
	list_add_tail(&a->link, &n->addfds);
	waitq_wake(&l->asking, 0);
	err = waitq_wait_locked(&l->asking, &l->lock, a->done, SLEEP_INTERRUPTIBLE, NO_DEADLINE);
	if (!err)
		return a->result;
	if (!list_empty(&a->link)) {
		list_del(&a->link);
		fput(a->file);
		return err;
	}
	/* It is being installed this moment. */
	(void)waitq_wait_locked(&l->asking, &l->lock, a->done, SLEEP_UNINTERRUPTIBLE, NO_DEADLINE);
	return a->result;
}

static int64_t notif_addfd(struct seccomp_listener *l, uaddr_t uarg, size_t size)
{
	struct linux_seccomp_notif_addfd in;
	struct addfd a = { 0 };
	int err;

	if (size < sizeof(in) || size >= PAGE_SIZE)
		return -LINUX_EINVAL;
	err = copy_struct_from_user(&in, sizeof(in), uarg, size);
	if (err)
		return err;
	if (in.newfd_flags & ~LINUX_O_CLOEXEC)
		return -LINUX_EINVAL;
	if (in.flags & ~(LINUX_SECCOMP_ADDFD_FLAG_SETFD | LINUX_SECCOMP_ADDFD_FLAG_SEND) ||
	    (in.newfd && !(in.flags & LINUX_SECCOMP_ADDFD_FLAG_SETFD)))
		return -LINUX_EINVAL;
	a.file = fget((int)in.srcfd);
	if (!a.file)
		return -LINUX_EBADF;
	a.setfd = in.flags & LINUX_SECCOMP_ADDFD_FLAG_SETFD;
	a.send = in.flags & LINUX_SECCOMP_ADDFD_FLAG_SEND;
	a.cloexec = in.newfd_flags & LINUX_O_CLOEXEC;
	a.newfd = (int)in.newfd;
	return addfd_give(l, in.id, &a);
}

static int64_t listener_ioctl(struct file *f, unsigned cmd, uint64_t arg)
{
	struct seccomp_listener *l = f->private_data;

	switch (cmd) {
	case LINUX_SECCOMP_IOCTL_NOTIF_RECV:
		return notif_recv(l, arg);
	case LINUX_SECCOMP_IOCTL_NOTIF_SEND:
		return notif_send(l, arg);
	case LINUX_SECCOMP_IOCTL_NOTIF_ID_VALID:
	case LINUX_SECCOMP_IOCTL_NOTIF_ID_VALID_OLD:
		return notif_id_valid(l, arg);
	}
	/* Its structure may grow. */
	if ((cmd & ~LINUX_IOC_SIZE_BITS) == (LINUX_SECCOMP_IOCTL_NOTIF_ADDFD & ~LINUX_IOC_SIZE_BITS))
		return notif_addfd(l, arg, (cmd & LINUX_IOC_SIZE_BITS) >> 16);
	return -LINUX_EINVAL;
}

static unsigned listener_poll(struct file *f, struct poll_table *pt)
{
	struct seccomp_listener *l = f->private_data;
	unsigned mask = 0;

	poll_wait(f, &l->listening, pt);
	MUTEX_GUARD(&l->lock);
	if (notif_in_state_locked(l, NOTIF_INIT))
		mask |= LINUX_EPOLLIN | LINUX_EPOLLRDNORM;
	if (notif_in_state_locked(l, NOTIF_SENT))
		mask |= LINUX_EPOLLOUT | LINUX_EPOLLWRNORM;
	if (l->orphaned)
		mask |= LINUX_EPOLLHUP;
	return mask;
}

/* Nobody will answer: the calls don't exist. */
static void listener_release(struct file *f)
{
	struct seccomp_listener *l = f->private_data;
	struct notif *n;

	mutex_lock(&l->lock);
	l->closed = true;
	list_for_each_entry(n, &l->notifs, link) {
		if (n->state == NOTIF_REPLIED)
			continue;
		n->state = NOTIF_REPLIED;
		n->error = -LINUX_ENOSYS;
		n->val = 0;
	}
	mutex_unlock(&l->lock);
	waitq_wake(&l->asking, 0);
	seccomp_listener_put(l);
}

static const struct file_ops listener_ops = {
	.poll = listener_poll, .ioctl = listener_ioctl, .llseek = noop_llseek, .release = listener_release };

struct seccomp_listener *seccomp_listener_new(struct file **ret_file)
{
	struct seccomp_listener *l = calloc(1, sizeof(*l));
	struct file *f;

	if (!l)
		return ERR_PTR(-LINUX_ENOMEM);
	ref_init(&l->ref);
	mutex_init(&l->lock);
	list_init(&l->notifs);
	waitq_init(&l->listening);
	waitq_init(&l->asking);
	if (host_getrandom(&l->next_id, sizeof(l->next_id)) < 0)
		l->next_id = 1;
	f = anon_file_new("anon_inode:seccomp notify", 0600, &listener_ops, LINUX_O_RDWR, l);
	if (IS_ERR(f)) {
		seccomp_listener_put(l);
		return (struct seccomp_listener *)f;
	}
	*ret_file = f;
	return seccomp_listener_get(l);
}
