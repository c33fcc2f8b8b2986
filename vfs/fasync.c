/* SPDX-License-Identifier: Apache-2.0 */
#include "vfs/fasync.h"

#include <stdlib.h>

#include "sentry/abi/fcntl.h"
#include "sentry/abi/poll.h"

struct fasync_entry {
	struct list_head link;
	struct file *file; /* borrowed: fput takes the entry off */
	int fd;
};

void fasync_init(struct fasync *q)
{
	mutex_init(&q->lock);
	list_init(&q->entries);
	atomic_init(&q->nr_entries, 0);
}

void fasync_fini(struct fasync *q)
{
	BUG_ON(!list_empty(&q->entries));
	mutex_fini(&q->lock);
}

static struct fasync_entry *fasync_find_locked(struct fasync *q, const struct file *f)
{
	struct fasync_entry *e;

	list_for_each_entry(e, &q->entries, link)
		if (e->file == f)
			return e;
	return NULL;
}

static void fasync_remove(struct fasync *q, struct file *f)
{
	struct fasync_entry *e;

	mutex_lock(&q->lock);
	e = fasync_find_locked(q, f);
	if (e) {
		list_del(&e->link);
		atomic_fetch_sub(&q->nr_entries, 1);
	}
	mutex_unlock(&q->lock);
	free(e);
	atomic_fetch_and(&f->flags, ~LINUX_O_ASYNC);
}

static int fasync_insert(struct fasync *q, int fd, struct file *f)
{
	struct fasync_entry *spare = malloc(sizeof(*spare)), *e;

	if (!spare)
		return -LINUX_ENOMEM;
	mutex_lock(&q->lock);
	e = fasync_find_locked(q, f);
	if (!e) {
		e = spare;
		spare = NULL;
		e->file = f;
		list_add_tail(&e->link, &q->entries);
		atomic_fetch_add(&q->nr_entries, 1);
	}
	e->fd = fd;
	mutex_unlock(&q->lock);
	free(spare);
	atomic_fetch_or(&f->flags, LINUX_O_ASYNC);
	return 0;
}

int fasync_update(struct fasync *q, int fd, struct file *f, bool on)
{
	if (on)
		return fasync_insert(q, fd, f);
	fasync_remove(q, f);
	return 0;
}

void fasync_kill_slow(struct fasync *q, int reason)
{
	struct fasync_entry *e;
	MUTEX_GUARD(&q->lock);

	list_for_each_entry(e, &q->entries, link)
		file_sigio(e->file, e->fd, reason);
}

/* --- owners --- */

/* Linux's band_table. */
static int64_t reason_band(int reason)
{
	static const unsigned bands[] = {
		[LINUX_POLL_IN] = LINUX_EPOLLIN | LINUX_EPOLLRDNORM,
		[LINUX_POLL_OUT] = LINUX_EPOLLOUT | LINUX_EPOLLWRNORM | LINUX_EPOLLWRBAND,
		[LINUX_POLL_MSG] = LINUX_EPOLLIN | LINUX_EPOLLRDNORM | LINUX_EPOLLMSG,
		[LINUX_POLL_ERR] = LINUX_EPOLLERR,
		[LINUX_POLL_PRI] = LINUX_EPOLLPRI | LINUX_EPOLLRDBAND,
		[LINUX_POLL_HUP] = LINUX_EPOLLHUP | LINUX_EPOLLERR,
	};

	return bands[reason];
}

void file_sigio(const struct file *f, int fd, int reason)
{
	if (READ_ONCE(f->owner_pid))
		kernel_sigio(f, fd, reason, reason_band(reason));
}

void file_sigurg(const struct file *f)
{
	if (READ_ONCE(f->owner_pid))
		kernel_sigio(f, -1, LINUX_POLL_PRI, 0);
}

int file_set_owner(struct file *f, int type, int32_t pid)
{
	if (pid && !kernel_owner_exists(-1, pid))
		return -LINUX_ESRCH;
	WRITE_ONCE(f->owner_pid, 0);
	f->owner_type = type;
	f->owner_uid = current_cred->uid;
	f->owner_euid = current_cred->euid;
	WRITE_ONCE(f->owner_pid, pid);
	return 0;
}

int file_set_owner_signed(struct file *f, int32_t who)
{
	if (who == INT32_MIN)
		return -LINUX_EINVAL;
	return who < 0 ? file_set_owner(f, LINUX_F_OWNER_PGRP, -who) : file_set_owner(f, LINUX_F_OWNER_PID, who);
}

int32_t file_get_owner_signed(const struct file *f)
{
	int32_t pid = READ_ONCE(f->owner_pid);

	if (!pid || !kernel_owner_exists(f->owner_type, pid))
		return 0;
	return f->owner_type == LINUX_F_OWNER_PGRP ? -pid : pid;
}
