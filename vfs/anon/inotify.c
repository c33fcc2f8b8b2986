/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inotify(7).
 *
 * An instance has watches; a watch is on one inode and listed by it (inode->marks).  A watch keeps its inode alive, as in
 * Linux.  When an inode's last link goes, the VFS says FS_DELETE_SELF and the watch ends.
 *
 * Locks: marks_lock (all inodes' lists) > instance lock.  Events come with i_rwsem held at most.
 */
#include <stdlib.h>
#include <string.h>

#include "sentry/abi/fcntl.h"
#include "sentry/abi/ioctl.h"
#include "sentry/abi/poll.h"
#include "vfs/anon/inotify.h"
#include "vfs/fasync.h"
#include "vfs/fsnotify.h"

#define MAX_QUEUED 16384
#define MAX_WATCHES 65536

struct linux_inotify_event {
	int32_t wd;
	uint32_t mask, cookie, len;
};

struct inotify_event {
	struct list_head link;
	struct linux_inotify_event e;
	char name[]; /* e.len bytes, zero padded */
};

struct inotify_watch {
	struct list_head link;	     /* instance->watches; instance lock */
	struct list_head mark_link;  /* inode->marks list; marks_lock */
	struct inotify *in;	     /* borrowed; watches go before their instance */
	struct inode *inode;	     /* reference */
	uint32_t mask;		     /* marks_lock */
	int wd;
};

struct inotify {
	struct mutex lock;
	struct waitq wait;
	struct fasync async;
	struct list_head events, watches; /* lock */
	unsigned nr_events, nr_watches;	  /* lock */
	int next_wd;			  /* lock */
};

struct fsnotify_marks {
	struct list_head watches; /* marks_lock */
};

static struct mutex marks_lock = MUTEX_INIT;
static const struct file_ops inotify_ops;

/* --- queueing --- */

static bool inotify_same(const struct inotify_event *a, const struct inotify_event *b)
{
	return a->e.wd == b->e.wd && a->e.mask == b->e.mask && a->e.cookie == b->e.cookie && a->e.len == b->e.len &&
	       !memcmp(a->name, b->name, a->e.len);
}

static void inotify_queue(struct inotify *in, int wd, uint32_t mask, uint32_t cookie, const char *name)
{
	uint32_t len = name ? ALIGN_UP(strlen(name) + 1, sizeof(struct linux_inotify_event)) : 0;
	struct inotify_event *ev = calloc(1, sizeof(*ev) + len);

	if (!ev)
		return;
	ev->e = (struct linux_inotify_event){ wd, mask, cookie, len };
	if (name)
		memcpy(ev->name, name, strlen(name));
	mutex_lock(&in->lock);
	if (in->nr_events >= MAX_QUEUED) {
		ev->e = (struct linux_inotify_event){ -1, LINUX_IN_Q_OVERFLOW, 0, 0 };
		if (in->nr_events > MAX_QUEUED) {
			mutex_unlock(&in->lock);
			free(ev);
			return;
		}
	}
	/* An event like the newest one adds nothing. */
	if (!list_empty(&in->events) && inotify_same(list_last_entry(&in->events, struct inotify_event, link), ev)) {
		mutex_unlock(&in->lock);
		free(ev);
		return;
	}
	list_add_tail(&ev->link, &in->events);
	in->nr_events++;
	mutex_unlock(&in->lock);
	waitq_wake(&in->wait, LINUX_EPOLLIN | LINUX_EPOLLRDNORM);
	fasync_kill(&in->async, LINUX_POLL_IN);
}

/* Takes a watch off its inode and instance; the caller drops its inode reference and frees it without locks. */
static void watch_unlink_locked(struct inotify_watch *w)
{
	list_del(&w->mark_link);
	mutex_lock(&w->in->lock);
	list_del(&w->link);
	w->in->nr_watches--;
	mutex_unlock(&w->in->lock);
	atomic_fetch_sub(&fsnotify_nr_marks, 1);
}

static void watches_free(struct list_head *dead)
{
	struct inotify_watch *w, *tmp;

	list_for_each_entry_safe(w, tmp, dead, link) {
		list_del(&w->link);
		inode_put(w->inode);
		free(w);
	}
}

static void inotify_event(struct inode *inode, uint32_t mask, const char *name, uint32_t cookie)
{
	struct list_head dead = LIST_HEAD_INIT(dead);
	struct inotify_watch *w, *tmp;

	dnotify_event(inode, mask);
	mutex_lock(&marks_lock);
	if (inode->marks) {
		list_for_each_entry_safe(w, tmp, &inode->marks->watches, mark_link) {
			bool end = mask & FS_DELETE_SELF;

			if (w->mask & mask & LINUX_IN_ALL_EVENTS) {
				inotify_queue(w->in, w->wd, mask, cookie, name);
				end |= !!(w->mask & LINUX_IN_ONESHOT);
			}
			if (!end)
				continue;
			watch_unlink_locked(w);
			inotify_queue(w->in, w->wd, LINUX_IN_IGNORED, 0, NULL);
			list_add(&w->link, &dead);
		}
	}
	mutex_unlock(&marks_lock);
	watches_free(&dead);
}

void inotify_init(void)
{
	fsnotify_event = inotify_event;
}

/* --- watches --- */

static struct inotify_watch *watch_find_locked(struct inotify *in, const struct inode *inode)
{
	struct inotify_watch *w;

	if (inode->marks)
		list_for_each_entry(w, &inode->marks->watches, mark_link)
			if (w->in == in)
				return w;
	return NULL;
}

static int watch_update_locked(struct inotify_watch *w, uint32_t mask)
{
	if (mask & LINUX_IN_MASK_CREATE)
		return -LINUX_EEXIST;
	w->mask = mask & LINUX_IN_MASK_ADD ? w->mask | (mask & ~LINUX_IN_MASK_ADD) : mask;
	return w->wd;
}

static int watch_new_locked(struct inotify *in, struct inode *inode, uint32_t mask)
{
	struct inotify_watch *w;

	if (!inode->marks) {
		struct fsnotify_marks *m = calloc(1, sizeof(*m));

		if (!m)
			return -LINUX_ENOMEM;
		list_init(&m->watches);
		inode->marks = m;
	}
	w = calloc(1, sizeof(*w));
	if (!w)
		return -LINUX_ENOMEM;
	w->in = in;
	w->inode = inode_get(inode);
	w->mask = mask;
	mutex_lock(&in->lock);
	if (in->nr_watches >= MAX_WATCHES) {
		mutex_unlock(&in->lock);
		atomic_fetch_sub(&inode->ref.n, 1); /* the caller holds another */
		free(w);
		return -LINUX_ENOSPC;
	}
	w->wd = in->next_wd++;
	in->nr_watches++;
	list_add_tail(&w->link, &in->watches);
	mutex_unlock(&in->lock);
	list_add_tail(&w->mark_link, &inode->marks->watches);
	atomic_fetch_add(&fsnotify_nr_marks, 1);
	return w->wd;
}

int inotify_add_watch(struct file *f, struct inode *inode, uint32_t mask)
{
	struct inotify_watch *w;
	MUTEX_GUARD(&marks_lock);

	if (f->ops != &inotify_ops)
		return -LINUX_EINVAL;
	w = watch_find_locked(f->private_data, inode);
	return w ? watch_update_locked(w, mask) : watch_new_locked(f->private_data, inode, mask);
}

int inotify_rm_watch(struct file *f, int wd)
{
	struct list_head dead = LIST_HEAD_INIT(dead);
	struct inotify *in = f->private_data;
	struct inotify_watch *w, *found = NULL;

	if (f->ops != &inotify_ops)
		return -LINUX_EINVAL;
	mutex_lock(&marks_lock);
	mutex_lock(&in->lock);
	list_for_each_entry(w, &in->watches, link)
		if (w->wd == wd)
			found = w;
	mutex_unlock(&in->lock);
	if (found) {
		watch_unlink_locked(found);
		inotify_queue(in, wd, LINUX_IN_IGNORED, 0, NULL);
		list_add(&found->link, &dead);
	}
	mutex_unlock(&marks_lock);
	watches_free(&dead);
	return found ? 0 : -LINUX_EINVAL;
}

/* --- the file --- */

static bool inotify_has_events(struct inotify *in)
{
	MUTEX_GUARD(&in->lock);

	return !list_empty(&in->events);
}

/* The next event that fits into @room; NULL and *ret_err when none does. */
static struct inotify_event *inotify_take(struct inotify *in, size_t room, int *ret_err)
{
	struct inotify_event *ev;
	MUTEX_GUARD(&in->lock);

	*ret_err = 0;
	ev = list_first_entry_or_null(&in->events, struct inotify_event, link);
	if (!ev)
		return NULL;
	if (sizeof(ev->e) + ev->e.len > room) {
		*ret_err = -LINUX_EINVAL;
		return NULL;
	}
	list_del(&ev->link);
	in->nr_events--;
	return ev;
}

static int64_t inotify_read(struct file *f, struct iov_iter *to, uint64_t *pos __unused)
{
	struct inotify *in = f->private_data;
	int64_t done = 0;
	int err;

	for (;;) {
		struct inotify_event *ev = inotify_take(in, to->count, &err);
		size_t n;

		if (!ev && (done || err))
			return done ? done : err;
		if (!ev) {
			if (atomic_load(&f->flags) & LINUX_O_NONBLOCK)
				return -LINUX_EAGAIN;
			err = waitq_wait(&in->wait, inotify_has_events(in), SLEEP_INTERRUPTIBLE, NO_DEADLINE);
			if (err)
				return err;
			continue;
		}
		n = sizeof(ev->e) + ev->e.len;
		if (iov_iter_copy_to(to, &ev->e, n) != n) {
			free(ev);
			return done ? done : -LINUX_EFAULT;
		}
		free(ev);
		done += n;
	}
}

static unsigned inotify_poll(struct file *f, struct poll_table *pt)
{
	struct inotify *in = f->private_data;

	poll_wait(f, &in->wait, pt);
	return inotify_has_events(in) ? LINUX_EPOLLIN | LINUX_EPOLLRDNORM : 0;
}

static int64_t inotify_ioctl(struct file *f, unsigned cmd, uint64_t arg)
{
	struct inotify *in = f->private_data;
	struct inotify_event *ev;
	int32_t n = 0;

	if (cmd != LINUX_FIONREAD)
		return -LINUX_ENOTTY;
	mutex_lock(&in->lock);
	list_for_each_entry(ev, &in->events, link)
		n += sizeof(ev->e) + ev->e.len;
	mutex_unlock(&in->lock);
	return put_user(n, arg, int32_t);
}

static void inotify_release(struct file *f)
{
	struct list_head dead = LIST_HEAD_INIT(dead);
	struct inotify *in = f->private_data;
	struct inotify_event *ev, *tmp;

	mutex_lock(&marks_lock);
	while (!list_empty(&in->watches)) {
		struct inotify_watch *w = list_first_entry(&in->watches, struct inotify_watch, link);

		watch_unlink_locked(w);
		list_add(&w->link, &dead);
	}
	mutex_unlock(&marks_lock);
	watches_free(&dead);
	list_for_each_entry_safe(ev, tmp, &in->events, link)
		free(ev);
	waitq_fini(&in->wait);
	fasync_fini(&in->async);
	mutex_fini(&in->lock);
	free(in);
}

static int inotify_fasync(int fd, struct file *f, bool on)
{
	struct inotify *in = f->private_data;

	return fasync_update(&in->async, fd, f, on);
}

static void inotify_show_fdinfo(struct file *f, struct strbuf *sb)
{
	struct inotify *in = f->private_data;
	struct inotify_watch *w;
	MUTEX_GUARD(&in->lock);

	list_for_each_entry(w, &in->watches, link)
		strbuf_addf(sb, "inotify wd:%x ino:%llx sdev:%llx mask:%x ignored_mask:0\n", w->wd,
			    (unsigned long long)w->inode->ino, (unsigned long long)w->inode->sb->dev, w->mask);
}

static const struct file_ops inotify_ops = {
	.read = inotify_read, .llseek = noop_llseek, .poll = inotify_poll, .ioctl = inotify_ioctl, .release = inotify_release,
	.fasync = inotify_fasync, .show_fdinfo = inotify_show_fdinfo };

struct file *inotify_file_new(unsigned flags)
{
	struct inotify *in;
	struct file *f;

	if (flags & ~(LINUX_O_CLOEXEC | LINUX_O_NONBLOCK))
		return ERR_PTR(-LINUX_EINVAL);
	in = calloc(1, sizeof(*in));
	if (!in)
		return ERR_PTR(-LINUX_ENOMEM);
	mutex_init(&in->lock);
	waitq_init(&in->wait);
	fasync_init(&in->async);
	list_init(&in->events);
	list_init(&in->watches);
	in->next_wd = 1;
	f = anon_file_new("anon_inode:inotify", 0600, &inotify_ops, LINUX_O_RDONLY | (flags & LINUX_O_NONBLOCK), in);
	if (IS_ERR(f))
		free(in);
	return f;
}

bool file_is_inotify(const struct file *f)
{
	return f->ops == &inotify_ops;
}
