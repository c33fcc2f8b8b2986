/* SPDX-License-Identifier: Apache-2.0 */
/*
 * eventfd(2): a 64-bit counter.
 */
#include <stdlib.h>

#include "sentry/abi/fcntl.h"
#include "sentry/abi/poll.h"
#include "vfs/anon/event.h"

struct eventfd {
	struct mutex lock;
	struct waitq wait;
	uint64_t count; /* lock */
	bool semaphore;
};

static bool eventfd_nonblock(struct file *f)
{
	return atomic_load(&f->flags) & LINUX_O_NONBLOCK;
}

static int64_t eventfd_read(struct file *f, struct iov_iter *to, uint64_t *pos __unused)
{
	struct eventfd *e = f->private_data;
	uint64_t val;
	int err;

	if (to->count < sizeof(val))
		return -LINUX_EINVAL;
	mutex_lock(&e->lock);
	if (!e->count && eventfd_nonblock(f)) {
		mutex_unlock(&e->lock);
		return -LINUX_EAGAIN;
	}
	err = waitq_wait_locked(&e->wait, &e->lock, e->count, SLEEP_INTERRUPTIBLE, NO_DEADLINE);
	if (err) {
		mutex_unlock(&e->lock);
		return err;
	}
	val = e->semaphore ? 1 : e->count;
	e->count -= val;
	mutex_unlock(&e->lock);
	waitq_wake(&e->wait, LINUX_EPOLLOUT);
	return iov_iter_copy_to(to, &val, sizeof(val)) == sizeof(val) ? (int64_t)sizeof(val) : -LINUX_EFAULT;
}

static int64_t eventfd_write(struct file *f, struct iov_iter *from, uint64_t *pos __unused)
{
	struct eventfd *e = f->private_data;
	uint64_t val;
	int err;

	if (from->count != sizeof(val))
		return -LINUX_EINVAL;
	if (iov_iter_copy_from(from, &val, sizeof(val)) != sizeof(val))
		return -LINUX_EFAULT;
	if (val == UINT64_MAX)
		return -LINUX_EINVAL;
	mutex_lock(&e->lock);
	if (UINT64_MAX - e->count <= val && eventfd_nonblock(f)) {
		mutex_unlock(&e->lock);
		return -LINUX_EAGAIN;
	}
	err = waitq_wait_locked(&e->wait, &e->lock, UINT64_MAX - e->count > val, SLEEP_INTERRUPTIBLE, NO_DEADLINE);
	if (!err)
		e->count += val;
	mutex_unlock(&e->lock);
	if (err)
		return err;
	waitq_wake(&e->wait, LINUX_EPOLLIN);
	return sizeof(val);
}

static unsigned eventfd_poll(struct file *f, struct poll_table *pt)
{
	struct eventfd *e = f->private_data;
	unsigned mask = 0;

	poll_wait(f, &e->wait, pt);
	MUTEX_GUARD(&e->lock);
	if (e->count > 0)
		mask |= LINUX_EPOLLIN;
	if (e->count == UINT64_MAX)
		mask |= LINUX_EPOLLERR;
	if (UINT64_MAX - 1 > e->count)
		mask |= LINUX_EPOLLOUT;
	return mask;
}

static void eventfd_release(struct file *f)
{
	struct eventfd *e = f->private_data;

	waitq_fini(&e->wait);
	mutex_fini(&e->lock);
	free(e);
}

static void eventfd_show_fdinfo(struct file *f, struct strbuf *sb)
{
	struct eventfd *e = f->private_data;
	MUTEX_GUARD(&e->lock);

	strbuf_addf(sb, "eventfd-count: %16llx\n", (unsigned long long)e->count);
}

static const struct file_ops eventfd_ops = {
	.read = eventfd_read,
	.llseek = noop_llseek,
	.write = eventfd_write,
	.poll = eventfd_poll,
	.release = eventfd_release,
	.show_fdinfo = eventfd_show_fdinfo,
};

bool file_is_eventfd(const struct file *f)
{
	return f->ops == &eventfd_ops;
}

void eventfd_signal(struct file *f, uint64_t n)
{
	struct eventfd *e = f->private_data;

	mutex_lock(&e->lock);
	e->count += MIN(n, UINT64_MAX - e->count);
	mutex_unlock(&e->lock);
	waitq_wake(&e->wait, LINUX_EPOLLIN);
}

struct file *eventfd_file_new(uint32_t count, unsigned flags)
{
	struct eventfd *e;
	struct file *f;

	if (flags & ~(LINUX_EFD_SEMAPHORE | LINUX_O_CLOEXEC | LINUX_O_NONBLOCK))
		return ERR_PTR(-LINUX_EINVAL);
	e = calloc(1, sizeof(*e));
	if (!e)
		return ERR_PTR(-LINUX_ENOMEM);
	mutex_init(&e->lock);
	waitq_init(&e->wait);
	e->count = count;
	e->semaphore = flags & LINUX_EFD_SEMAPHORE;
	f = anon_file_new("anon_inode:[eventfd]", 0600, &eventfd_ops, LINUX_O_RDWR | (flags & LINUX_O_NONBLOCK), e);
	if (IS_ERR(f))
		free(e);
	return f;
}
