/* SPDX-License-Identifier: Apache-2.0 */
#include "vfs/anon/fanotify.h"

#include <stdlib.h>

#include "sentry/abi/fcntl.h"
#include "sentry/abi/ioctl.h"
#include "sentry/abi/poll.h"
#include "vfs/internal.h"

#define MAX_QUEUED 16384
#define MAX_MARKS 65536 /* of all groups */
#define BUCKETS 1024
#define MERGE_DEPTH 128

struct fan_event {
	struct ref ref;
	struct list_head link;
	struct path path; /* references; dentry NULL: the queue overflowed */
	uint32_t mask;
	int32_t pid;
	/* Of a permission event, which has a reference of who waits; group lock */
	int32_t fd;	   /* it was read as */
	uint32_t response; /* LINUX_FAN_ALLOW, _DENY; 0: none yet */
};

struct fan_group {
	struct ref ref;		    /* the file's, and of those who wait for an answer */
	struct mutex lock;	    /* a leaf, below fan_lock */
	struct list_head asked;	    /* lock; permission events that were read */
	struct waitq answered;
	bool closed;		    /* lock */
	struct list_head events;    /* lock */
	unsigned nr_events;	    /* lock */
	struct waitq wait;
	struct list_head marks;	    /* fan_lock */
	unsigned flags, event_flags; /* immutable */
	/* Of the event that is being told; fan_lock */
	uint64_t event;
	uint32_t wanted, ignored;
	struct fan_group *next;
};

struct fan_mark {
	struct fan_mark *hash_next;
	struct list_head link;	 /* of the group */
	struct fan_group *group; /* borrowed: marks go first */
	unsigned type;		 /* LINUX_FAN_MARK_MOUNT, _FILESYSTEM, 0: an inode */
	const void *object;
	struct inode *inode;	 /* reference; of type 0 */
	uint32_t mask, ignored;
	bool survives_modify;	 /* the ignored mask does */
};

#define PERM_EVENTS (LINUX_FAN_OPEN_PERM | LINUX_FAN_ACCESS_PERM | LINUX_FAN_OPEN_EXEC_PERM)
#define MAX_DECIDERS 16

atomic_int fanotify_nr_marks, fanotify_nr_perm_marks;
/* The calling thread opens what an event is about: nobody is asked. */
static _Thread_local bool opening_event;
static struct mutex fan_lock = MUTEX_INIT; /* all marks */
static struct fan_mark *buckets[BUCKETS];
static uint64_t event_number;
static const struct file_ops fan_ops;

bool file_is_fanotify(const struct file *f)
{
	return f->ops == &fan_ops;
}

bool fanotify_decides(const struct file *f)
{
	const struct fan_group *g = f->private_data;

	return g->flags & (LINUX_FAN_CLASS_CONTENT | LINUX_FAN_CLASS_PRE_CONTENT);
}

static struct fan_mark **bucket_of(const void *object)
{
	return &buckets[((uintptr_t)object >> 5) * 0x9e3779b97f4a7c15ULL >> 54];
}

/* --- queueing --- */

static struct fan_event *event_new(const struct path *path, uint32_t mask, int32_t pid)
{
	struct fan_event *ev = calloc(1, sizeof(*ev));

	if (!ev)
		return NULL;
	ref_init(&ev->ref);
	ev->mask = mask;
	ev->pid = pid;
	if (path) {
		ev->path = *path;
		path_get(path);
	}
	return ev;
}

static void event_put(struct fan_event *ev)
{
	if (!ref_put(&ev->ref))
		return;
	if (ev->path.dentry)
		path_put(&ev->path);
	free(ev);
}

/* Events of one process on one object are one event, as long as nobody has read it and not too many came since. */
static bool event_merge_locked(struct fan_group *g, const struct path *path, uint32_t mask, int32_t pid)
{
	struct list_head *p = g->events.prev;

	for (unsigned i = 0; i < MERGE_DEPTH && p != &g->events; i++, p = p->prev) {
		struct fan_event *ev = list_entry(p, struct fan_event, link);

		if (ev->mask & PERM_EVENTS || ev->path.dentry != path->dentry || ev->path.mnt != path->mnt || ev->pid != pid)
			continue;
		ev->mask |= mask;
		return true;
	}
	return false;
}

static int32_t pid_for(const struct fan_group *g)
{
	return g->flags & LINUX_FAN_REPORT_TID ? kernel_current_tid() : kernel_current_tgid();
}

static void event_queue(struct fan_group *g, const struct path *path, uint32_t mask)
{
	int32_t pid = pid_for(g);
	bool limited = !(g->flags & LINUX_FAN_UNLIMITED_QUEUE);
	struct fan_event *ev;

	mutex_lock(&g->lock);
	if ((limited && g->nr_events > MAX_QUEUED) || event_merge_locked(g, path, mask, pid)) {
		mutex_unlock(&g->lock);
		return;
	}
	if (limited && g->nr_events == MAX_QUEUED)
		ev = event_new(NULL, LINUX_FAN_Q_OVERFLOW, 0);
	else
		ev = event_new(path, mask, pid);
	if (ev) {
		list_add_tail(&ev->link, &g->events);
		g->nr_events++;
	}
	mutex_unlock(&g->lock);
	waitq_wake(&g->wait, LINUX_EPOLLIN | LINUX_EPOLLRDNORM);
}

/* --- what happened, against the marks --- */

struct telling {
	uint32_t mask;
	bool is_dir;
	struct fan_group *groups; /* that have a mark on something concerned */
};

/* Adds what the marks on @object want; @child: the event is about something in it. */
static void consult_locked(struct telling *t, const void *object, bool child)
{
	for (struct fan_mark *m = *bucket_of(object); m; m = m->hash_next) {
		struct fan_group *g = m->group;

		if (m->object != object || (child && !(m->mask & LINUX_FAN_EVENT_ON_CHILD)))
			continue;
		if (g->event != event_number) {
			g->event = event_number;
			g->wanted = g->ignored = 0;
			g->next = t->groups;
			t->groups = g;
		}
		/* What was to be ignored was so as it was. */
		if (t->mask & LINUX_FAN_MODIFY && !m->survives_modify && !child)
			m->ignored = 0;
		if (!t->is_dir || m->mask & LINUX_FAN_ONDIR)
			g->wanted |= m->mask;
		g->ignored |= m->ignored;
	}
}

/* All marks that @f's object concerns. */
static void consult_all_locked(struct telling *t, struct file *f, struct dentry *parent)
{
	event_number++;
	consult_locked(t, f->inode, false);
	if (parent && parent->inode)
		consult_locked(t, parent->inode, true);
	consult_locked(t, f->path.mnt, false);
	consult_locked(t, f->path.mnt->sb, false);
}

/* With a reference, or NULL. */
static struct dentry *parent_get(struct dentry *d)
{
	struct dentry *parent = NULL;

	rwlock_read(&dcache_lock);
	if (d->parent != d && !d->unhashed) {
		parent = d->parent;
		dentry_get(parent);
	}
	rwlock_unlock(&dcache_lock);
	return parent;
}

static uint32_t fan_mask_of(const struct file *f, uint32_t mask)
{
	/* The numbers are the same. */
	uint32_t fan = mask & (LINUX_FAN_ACCESS | LINUX_FAN_MODIFY | LINUX_FAN_CLOSE_WRITE | LINUX_FAN_CLOSE_NOWRITE | LINUX_FAN_OPEN);

	if (fan & LINUX_FAN_OPEN && f->fmode & FMODE_EXEC)
		fan |= LINUX_FAN_OPEN_EXEC;
	return fan;
}

void fanotify_file_slow(struct file *f, uint32_t mask)
{
	struct telling t = { .mask = fan_mask_of(f, mask), .is_dir = LINUX_S_ISDIR(f->inode->mode) };
	struct dentry *parent;

	/* What is in no tree is nobody's to watch: pipes, sockets. */
	if (!t.mask || f->path.dentry->anon)
		return;
	parent = parent_get(f->path.dentry);
	mutex_lock(&fan_lock);
	consult_all_locked(&t, f, parent);
	for (struct fan_group *g = t.groups; g; g = g->next) {
		uint32_t tell = t.mask & g->wanted & ~g->ignored;

		if (tell)
			event_queue(g, &f->path, tell);
	}
	mutex_unlock(&fan_lock);
	if (parent)
		dentry_put(parent);
}

/* --- permission --- */

static void group_put(struct fan_group *g)
{
	if (!ref_put(&g->ref))
		return;
	waitq_fini(&g->wait);
	waitq_fini(&g->answered);
	mutex_fini(&g->lock);
	free(g);
}

/* What @g says of it: 0, -LINUX_EPERM, -LINUX_EINTR, -LINUX_ENOMEM. */
static int group_ask(struct fan_group *g, const struct path *path, uint32_t mask)
{
	struct fan_event *ev = event_new(path, mask, pid_for(g));
	int err = 0;

	if (!ev)
		return -LINUX_ENOMEM;
	mutex_lock(&g->lock);
	if (!g->closed) {
		ref_get(&ev->ref);
		list_add_tail(&ev->link, &g->events);
		g->nr_events++;
		waitq_wake(&g->wait, LINUX_EPOLLIN | LINUX_EPOLLRDNORM);
		err = waitq_wait_locked(&g->answered, &g->lock, ev->response, SLEEP_KILLABLE, NO_DEADLINE);
		if (!err && ev->response == LINUX_FAN_DENY)
			err = -LINUX_EPERM;
		else if (err)
			err = -LINUX_EINTR;
	}
	mutex_unlock(&g->lock);
	event_put(ev);
	return err;
}

/* The groups that are to be asked, with references; those of the higher class first.  Their number. */
static unsigned deciders_get(struct file *f, uint32_t mask, struct fan_group *ret[MAX_DECIDERS])
{
	struct telling t = { .mask = mask, .is_dir = LINUX_S_ISDIR(f->inode->mode) };
	struct dentry *parent = parent_get(f->path.dentry);
	unsigned n = 0;

	mutex_lock(&fan_lock);
	consult_all_locked(&t, f, parent);
	for (unsigned class = LINUX_FAN_CLASS_PRE_CONTENT; class >= LINUX_FAN_CLASS_CONTENT; class >>= 1)
		for (struct fan_group *g = t.groups; g && n < MAX_DECIDERS; g = g->next)
			if (g->flags & class && mask & g->wanted & ~g->ignored) {
				ref_get(&g->ref);
				ret[n++] = g;
			}
	mutex_unlock(&fan_lock);
	if (parent)
		dentry_put(parent);
	return n;
}

int fanotify_perm_slow(struct file *f, uint32_t mask)
{
	struct fan_group *deciders[MAX_DECIDERS];
	unsigned n;
	int err = 0;

	if (opening_event || f->fmode & (FMODE_NONOTIFY | FMODE_PATH) || f->path.dentry->anon || !kernel_current_tgid())
		return 0;
	n = deciders_get(f, mask, deciders);
	for (unsigned i = 0; i < n; i++) {
		if (!err)
			err = group_ask(deciders[i], &f->path, mask);
		group_put(deciders[i]);
	}
	return err;
}

/* Nobody will answer any more: what was asked is allowed. */
static void group_close(struct fan_group *g)
{
	struct fan_event *ev, *tmp;
	LIST_HEAD(events);

	mutex_lock(&g->lock);
	g->closed = true;
	list_splice_tail(&g->events, &events);
	list_splice_tail(&g->asked, &events);
	list_for_each_entry(ev, &events, link)
		if (!ev->response)
			ev->response = LINUX_FAN_ALLOW;
	mutex_unlock(&g->lock);
	waitq_wake(&g->answered, 0);
	list_for_each_entry_safe(ev, tmp, &events, link)
		event_put(ev);
}

/* --- marks --- */

static const void *object_of(unsigned type, const struct path *path)
{
	return type == LINUX_FAN_MARK_MOUNT	 ? (const void *)path->mnt :
	       type == LINUX_FAN_MARK_FILESYSTEM ? (const void *)path->mnt->sb :
						   (const void *)path->dentry->inode;
}

static struct fan_mark *mark_find_locked(const struct fan_group *g, const void *object)
{
	for (struct fan_mark *m = *bucket_of(object); m; m = m->hash_next)
		if (m->object == object && m->group == g)
			return m;
	return NULL;
}

static void mark_set_mask_locked(struct fan_mark *m, uint32_t mask)
{
	atomic_fetch_add(&fanotify_nr_perm_marks, !!(mask & PERM_EVENTS) - !!(m->mask & PERM_EVENTS));
	m->mask = mask;
}

/* Off all lists, and on @dead; the inode's reference goes with mark_list_free, without locks. */
static void mark_unlink_locked(struct fan_mark *m, struct list_head *dead)
{
	struct fan_mark **p = bucket_of(m->object);

	while (*p != m)
		p = &(*p)->hash_next;
	*p = m->hash_next;
	list_move_tail(&m->link, dead);
	mark_set_mask_locked(m, 0);
	atomic_fetch_sub(&fanotify_nr_marks, 1);
}

static void mark_list_free(struct list_head *dead)
{
	struct fan_mark *m, *tmp;

	list_for_each_entry_safe(m, tmp, dead, link) {
		if (m->inode)
			inode_put(m->inode);
		free(m);
	}
}

static struct fan_mark *mark_new_locked(struct fan_group *g, unsigned type, const struct path *path)
{
	struct fan_mark *m;

	if (atomic_load(&fanotify_nr_marks) >= MAX_MARKS)
		return ERR_PTR(-LINUX_ENOSPC);
	m = calloc(1, sizeof(*m));
	if (!m)
		return ERR_PTR(-LINUX_ENOMEM);
	m->group = g;
	m->type = type;
	m->object = object_of(type, path);
	if (!type)
		m->inode = inode_get(path->dentry->inode);
	m->hash_next = *bucket_of(m->object);
	*bucket_of(m->object) = m;
	list_add_tail(&m->link, &g->marks);
	atomic_fetch_add(&fanotify_nr_marks, 1);
	return m;
}

int fanotify_mark_add(struct file *f, unsigned type, const struct path *path, uint32_t mask, unsigned flags)
{
	struct fan_group *g = f->private_data;
	struct fan_mark *m;

	/* Only a directory has children. */
	if (!type && !LINUX_S_ISDIR(path->dentry->inode->mode))
		mask &= ~LINUX_FAN_EVENT_ON_CHILD;
	MUTEX_GUARD(&fan_lock);
	m = mark_find_locked(g, object_of(type, path));
	if (!m)
		m = mark_new_locked(g, type, path);
	if (IS_ERR(m))
		return (int)PTR_ERR(m);
	if (!(flags & LINUX_FAN_MARK_IGNORED_MASK)) {
		mark_set_mask_locked(m, m->mask | mask);
		return 0;
	}
	m->ignored |= mask & ~(LINUX_FAN_ONDIR | LINUX_FAN_EVENT_ON_CHILD);
	m->survives_modify |= !!(flags & LINUX_FAN_MARK_IGNORED_SURV_MODIFY);
	return 0;
}

int fanotify_mark_remove(struct file *f, unsigned type, const struct path *path, uint32_t mask, unsigned flags)
{
	struct fan_group *g = f->private_data;
	struct fan_mark *m;
	LIST_HEAD(dead);

	mutex_lock(&fan_lock);
	m = mark_find_locked(g, object_of(type, path));
	if (m && flags & LINUX_FAN_MARK_IGNORED_MASK)
		m->ignored &= ~mask;
	else if (m)
		mark_set_mask_locked(m, m->mask & ~mask);
	if (m && !((m->mask & ~(LINUX_FAN_ONDIR | LINUX_FAN_EVENT_ON_CHILD)) | m->ignored))
		mark_unlink_locked(m, &dead);
	mutex_unlock(&fan_lock);
	mark_list_free(&dead);
	return m ? 0 : -LINUX_ENOENT;
}

void fanotify_mark_flush(struct file *f, unsigned type)
{
	struct fan_group *g = f->private_data;
	struct fan_mark *m, *tmp;
	LIST_HEAD(dead);

	mutex_lock(&fan_lock);
	list_for_each_entry_safe(m, tmp, &g->marks, link)
		if (m->type == type)
			mark_unlink_locked(m, &dead);
	mutex_unlock(&fan_lock);
	mark_list_free(&dead);
}

void fanotify_forget_slow(const void *object)
{
	struct fan_mark *m, *next;
	LIST_HEAD(dead);

	mutex_lock(&fan_lock);
	for (m = *bucket_of(object); m; m = next) {
		next = m->hash_next;
		if (m->object == object)
			mark_unlink_locked(m, &dead);
	}
	mutex_unlock(&fan_lock);
	mark_list_free(&dead);
}

/* --- the file --- */

static bool group_has_events(struct fan_group *g)
{
	MUTEX_GUARD(&g->lock);
	return !list_empty(&g->events);
}

static struct fan_event *event_take(struct fan_group *g)
{
	struct fan_event *ev;

	MUTEX_GUARD(&g->lock);
	ev = list_first_entry_or_null(&g->events, struct fan_event, link);
	if (ev) {
		list_del(&ev->link);
		g->nr_events--;
	}
	return ev;
}

/* A descriptor for the object, whose use is no event. */
static int event_open(const struct fan_group *g, const struct fan_event *ev)
{
	struct path path = ev->path;
	struct file *f;

	if (!path.dentry)
		return LINUX_FAN_NOFD;
	path_get(&path);
	opening_event = true;
	f = file_open_path(&path, g->event_flags & ~LINUX_O_CLOEXEC, current_cred);
	opening_event = false;
	if (!IS_ERR(f))
		f->fmode |= FMODE_NONOTIFY;
	return fd_install_or_put(f, g->event_flags & LINUX_O_CLOEXEC);
}

static int group_answer(struct fan_group *g, int fd, uint32_t response)
{
	struct fan_event *ev, *found = NULL;

	mutex_lock(&g->lock);
	list_for_each_entry(ev, &g->asked, link)
		if (ev->fd == fd)
			found = ev;
	if (found) {
		list_del(&found->link);
		found->response = response;
		waitq_wake(&g->answered, 0);
	}
	mutex_unlock(&g->lock);
	if (!found)
		return -LINUX_ENOENT;
	event_put(found);
	return 0;
}

/* @ev was read as @fd, or could not be, which denies it. */
static void event_asked(struct fan_group *g, struct fan_event *ev, int fd)
{
	MUTEX_GUARD(&g->lock);
	ev->fd = fd;
	if (fd < 0) {
		ev->response = LINUX_FAN_DENY;
		waitq_wake(&g->answered, 0);
		return;
	}
	ref_get(&ev->ref);
	list_add_tail(&ev->link, &g->asked);
}

static int event_deliver(struct fan_group *g, struct fan_event *ev, struct iov_iter *to)
{
	struct linux_fanotify_event_metadata m = {
		.event_len = sizeof(m), .vers = LINUX_FANOTIFY_METADATA_VERSION, .metadata_len = sizeof(m), .mask = ev->mask,
		.fd = event_open(g, ev), .pid = ev->pid,
	};

	if (m.fd >= 0 || !ev->path.dentry) {
		/* Before the reader can know of it. */
		if (ev->mask & PERM_EVENTS)
			event_asked(g, ev, m.fd);
		if (iov_iter_copy_to(to, &m, sizeof(m)) == sizeof(m))
			return 0;
		if (m.fd >= 0)
			fd_close(m.fd);
		if (ev->mask & PERM_EVENTS)
			(void)group_answer(g, m.fd, LINUX_FAN_DENY);
		return -LINUX_EFAULT;
	}
	if (ev->mask & PERM_EVENTS)
		event_asked(g, ev, m.fd);
	return m.fd;
}

static int64_t fan_read(struct file *f, struct iov_iter *to, uint64_t *pos __unused)
{
	struct fan_group *g = f->private_data;
	int64_t done = 0;
	int err;

	for (;;) {
		struct fan_event *ev;

		if (to->count < sizeof(struct linux_fanotify_event_metadata))
			return done ? done : group_has_events(g) ? -LINUX_EINVAL : vfs_nonblock(f) ? -LINUX_EAGAIN : -LINUX_EINVAL;
		ev = event_take(g);
		if (!ev && done)
			return done;
		if (!ev && vfs_nonblock(f))
			return -LINUX_EAGAIN;
		if (!ev) {
			err = waitq_wait(&g->wait, group_has_events(g), SLEEP_INTERRUPTIBLE, NO_DEADLINE);
			if (err)
				return err;
			continue;
		}
		err = event_deliver(g, ev, to);
		event_put(ev);
		if (err)
			return done ? done : err;
		done += sizeof(struct linux_fanotify_event_metadata);
	}
}

/* The answer to a permission event. */
static int64_t fan_write(struct file *f, struct iov_iter *from, uint64_t *pos __unused)
{
	struct linux_fanotify_response r;
	int err;

	if (from->count < sizeof(r))
		return -LINUX_EINVAL;
	if (iov_iter_copy_from(from, &r, sizeof(r)) != sizeof(r))
		return -LINUX_EFAULT;
	if (r.fd < 0 || (r.response != LINUX_FAN_ALLOW && r.response != LINUX_FAN_DENY))
		return -LINUX_EINVAL;
	err = group_answer(f->private_data, r.fd, r.response);
	return err ? err : (int64_t)sizeof(r);
}

static unsigned fan_poll(struct file *f, struct poll_table *pt)
{
	struct fan_group *g = f->private_data;

	poll_wait(f, &g->wait, pt);
	return group_has_events(g) ? LINUX_EPOLLIN | LINUX_EPOLLRDNORM : 0;
}

static int64_t fan_ioctl(struct file *f, unsigned cmd, uint64_t arg)
{
	struct fan_group *g = f->private_data;
	int32_t n;

	if (cmd != LINUX_FIONREAD)
		return -LINUX_ENOTTY;
	mutex_lock(&g->lock);
	n = (int32_t)(g->nr_events * sizeof(struct linux_fanotify_event_metadata));
	mutex_unlock(&g->lock);
	return put_user(n, arg, int32_t);
}

static void fan_release(struct file *f)
{
	struct fan_group *g = f->private_data;
	struct fan_mark *m, *next;
	LIST_HEAD(dead);

	mutex_lock(&fan_lock);
	list_for_each_entry_safe(m, next, &g->marks, link)
		mark_unlink_locked(m, &dead);
	mutex_unlock(&fan_lock);
	mark_list_free(&dead);
	group_close(g);
	group_put(g);
}

static void fan_show_fdinfo(struct file *f, struct strbuf *sb)
{
	struct fan_group *g = f->private_data;
	struct fan_mark *m;

	strbuf_addf(sb, "fanotify flags:%x event-flags:%x\n", g->flags, g->event_flags);
	MUTEX_GUARD(&fan_lock);
	list_for_each_entry(m, &g->marks, link) {
		unsigned flags = m->survives_modify ? LINUX_FAN_MARK_IGNORED_SURV_MODIFY : 0;

		if (m->type == LINUX_FAN_MARK_MOUNT)
			strbuf_addf(sb, "fanotify mnt_id:%x", ((const struct mount *)m->object)->id);
		else if (m->type == LINUX_FAN_MARK_FILESYSTEM)
			strbuf_addf(sb, "fanotify sdev:%llx", (unsigned long long)((const struct super_block *)m->object)->dev);
		else
			strbuf_addf(sb, "fanotify ino:%llx sdev:%llx", (unsigned long long)m->inode->ino,
				    (unsigned long long)m->inode->sb->dev);
		strbuf_addf(sb, " mflags:%x mask:%x ignored_mask:%x\n", flags, m->mask, m->ignored);
	}
}

static const struct file_ops fan_ops = {
	.read = fan_read, .write = fan_write, .llseek = noop_llseek, .poll = fan_poll, .ioctl = fan_ioctl,
	.release = fan_release, .show_fdinfo = fan_show_fdinfo };

struct file *fanotify_file_new(unsigned flags, unsigned event_flags)
{
	struct fan_group *g = calloc(1, sizeof(*g));
	struct file *f;

	if (!g)
		return ERR_PTR(-LINUX_ENOMEM);
	ref_init(&g->ref);
	mutex_init(&g->lock);
	waitq_init(&g->wait);
	waitq_init(&g->answered);
	list_init(&g->events);
	list_init(&g->asked);
	list_init(&g->marks);
	g->flags = flags;
	g->event_flags = event_flags;
	f = anon_file_new("anon_inode:[fanotify]", 0600, &fan_ops,
			  LINUX_O_RDWR | (flags & LINUX_FAN_NONBLOCK ? LINUX_O_NONBLOCK : 0), g);
	if (IS_ERR(f))
		free(g);
	return f;
}
