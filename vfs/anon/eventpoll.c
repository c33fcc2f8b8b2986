/* SPDX-License-Identifier: Apache-2.0 */
/*
 * epoll(7).
 *
 * An epoll set (struct eventpoll) has an item per watched (file, fd).  An item hangs on the wait queues that its file's poll
 * names; a wake puts it on the ready list.  epoll_wait takes items off the ready list, asks the file again, and reports what
 * is true now; a level-triggered item goes back to the tail.
 *
 * An item does not keep its file open: the last fput removes the items first.  So an item's file pointer is valid under ep->mtx even
 * when the file's count is already zero, since its release waits for ep->mtx.
 *
 * Lock order: ep_mutex (nesting check, file release against set release) > ep->mtx (items) > what ops->poll takes > a waitq's lock >
 * ep->lock (the ready list; taken by wake functions) > the locks of ep->wait and ep->poll_wait.  Sets may watch sets, no deeper
 * than EP_MAX_NESTS and never in a loop, so locks of the same kind nest in the order of watching.
 */
#include <stdlib.h>

#include "sentry/abi/fcntl.h"
#include "vfs/anon/eventpoll.h"

#define EP_MAX_NESTS 4
#define EP_PRIVATE_BITS (LINUX_EPOLLWAKEUP | LINUX_EPOLLONESHOT | LINUX_EPOLLET | LINUX_EPOLLEXCLUSIVE)

struct eventpoll {
	struct mutex mtx;
	struct rb_root items;	 /* mtx; by file pointer and fd */
	struct mutex lock;
	struct list_head ready;	 /* lock */
	struct waitq wait;	 /* epoll_wait sleeps here */
	struct waitq poll_wait;	 /* sets and polls that watch this set */
};

struct epitem {
	struct rb_node rb;	  /* ep->mtx */
	struct list_head ready;	  /* ep->lock */
	struct list_head queues;  /* struct ep_queue; ep->mtx */
	struct list_head file_link; /* file->ep_links; file->ep_lock */
	struct eventpoll *ep;
	struct file *file;	  /* borrowed, see above */
	int fd;
	struct linux_epoll_event event; /* ep->mtx; events also read by wake functions */
};

/* An item's place on one wait queue. */
struct ep_queue {
	struct list_head link;
	struct waitq_entry entry;
	struct waitq *q;
	struct epitem *item;
};

struct ep_poll_table {
	struct poll_table pt;
	struct epitem *item;
	bool failed;
};

static struct mutex ep_mutex = MUTEX_INIT;
static const struct file_ops eventpoll_ops;

static int epitem_cmp(const struct rb_node *x, const struct rb_node *y)
{
	const struct epitem *a = rb_entry(x, const struct epitem, rb), *b = rb_entry(y, const struct epitem, rb);

	if (a->file != b->file)
		return a->file < b->file ? -1 : 1;
	return a->fd - b->fd;
}

static struct epitem *ep_find(struct eventpoll *ep, struct file *file, int fd)
{
	struct epitem key = { .file = file, .fd = fd };
	struct rb_node *n = ep->items.node;

	while (n) {
		int cmp = epitem_cmp(&key.rb, n);

		if (!cmp)
			return rb_entry(n, struct epitem, rb);
		n = cmp < 0 ? n->left : n->right;
	}
	return NULL;
}

/* Puts an item on the ready list and wakes those who wait for the set.  Runs under the lock of a watched wait queue. */
static bool ep_wake(struct waitq_entry *e, unsigned key)
{
	struct epitem *item = e->data;
	struct eventpoll *ep = item->ep;
	unsigned events = READ_ONCE(item->event.events);
	bool queued = false;

	if (!(events & ~EP_PRIVATE_BITS) || (key && !(key & events)))
		return false;
	mutex_lock(&ep->lock);
	if (list_empty(&item->ready)) {
		list_add_tail(&item->ready, &ep->ready);
		queued = true;
	}
	mutex_unlock(&ep->lock);
	waitq_wake_nr(&ep->wait, 0, 1);
	waitq_wake(&ep->poll_wait, LINUX_EPOLLIN);
	return queued;
}

static void ep_queue_add(struct poll_table *pt, struct file *f __unused, struct waitq *q)
{
	struct ep_poll_table *ept = container_of(pt, struct ep_poll_table, pt);
	struct ep_queue *eq = calloc(1, sizeof(*eq));

	if (!eq) {
		ept->failed = true;
		return;
	}
	eq->item = ept->item;
	eq->q = q;
	waitq_entry_init_fn(&eq->entry, ep_wake, eq->item);
	eq->entry.exclusive = eq->item->event.events & LINUX_EPOLLEXCLUSIVE;
	list_add_tail(&eq->link, &ept->item->queues);
	waitq_add(q, &eq->entry);
}

static void epitem_leave_queues(struct epitem *item)
{
	struct ep_queue *eq, *tmp;

	list_for_each_entry_safe(eq, tmp, &item->queues, link) {
		waitq_del(eq->q, &eq->entry);
		list_del(&eq->link);
		free(eq);
	}
}

/* ep->mtx held. */
static void ep_remove_locked(struct eventpoll *ep, struct epitem *item)
{
	epitem_leave_queues(item);
	mutex_lock(&item->file->ep_lock);
	list_del(&item->file_link);
	mutex_unlock(&item->file->ep_lock);
	rb_erase(&ep->items, &item->rb);
	mutex_lock(&ep->lock);
	list_del(&item->ready);
	mutex_unlock(&ep->lock);
	free(item);
}

void eventpoll_release_file(struct file *f)
{
	MUTEX_GUARD(&ep_mutex);

	for (;;) {
		struct epitem *item;
		struct eventpoll *ep;

		mutex_lock(&f->ep_lock);
		item = list_first_entry_or_null(&f->ep_links, struct epitem, file_link);
		ep = item ? item->ep : NULL;
		mutex_unlock(&f->ep_lock);
		if (!item)
			return;
		mutex_lock(&ep->mtx);
		/* epoll_ctl may have removed it meanwhile. */
		mutex_lock(&f->ep_lock);
		if (list_first_entry_or_null(&f->ep_links, struct epitem, file_link) != item)
			item = NULL;
		mutex_unlock(&f->ep_lock);
		if (item)
			ep_remove_locked(ep, item);
		mutex_unlock(&ep->mtx);
	}
}

static void eventpoll_release(struct file *f)
{
	struct eventpoll *ep = f->private_data;
	struct rb_node *n;

	mutex_lock(&ep_mutex);
	mutex_lock(&ep->mtx);
	while ((n = rb_first(&ep->items)))
		ep_remove_locked(ep, rb_entry(n, struct epitem, rb));
	mutex_unlock(&ep->mtx);
	mutex_unlock(&ep_mutex);
	waitq_fini(&ep->wait);
	waitq_fini(&ep->poll_wait);
	mutex_fini(&ep->mtx);
	mutex_fini(&ep->lock);
	free(ep);
}

static unsigned epitem_poll(struct epitem *item)
{
	return vfs_poll(item->file, NULL) & item->event.events;
}

static struct epitem *ep_pop_ready(struct eventpoll *ep)
{
	struct epitem *item;
	MUTEX_GUARD(&ep->lock);

	item = list_first_entry_or_null(&ep->ready, struct epitem, ready);
	if (item)
		list_del(&item->ready);
	return item;
}

static void ep_push_ready(struct eventpoll *ep, struct epitem *item)
{
	MUTEX_GUARD(&ep->lock);

	if (list_empty(&item->ready))
		list_add_tail(&item->ready, &ep->ready);
}

/* A set is readable while an item is truly ready; items that turn out not to be leave the ready list. */
static unsigned eventpoll_poll(struct file *f, struct poll_table *pt)
{
	struct eventpoll *ep = f->private_data;
	struct epitem *item;
	unsigned mask = 0;

	poll_wait(f, &ep->poll_wait, pt);
	MUTEX_GUARD(&ep->mtx);
	while (!mask && (item = ep_pop_ready(ep))) {
		if (!epitem_poll(item))
			continue;
		ep_push_ready(ep, item);
		mask = LINUX_EPOLLIN | LINUX_EPOLLRDNORM;
	}
	return mask;
}

static void eventpoll_show_fdinfo(struct file *f, struct strbuf *sb)
{
	struct eventpoll *ep = f->private_data;
	MUTEX_GUARD(&ep->mtx);

	for (struct rb_node *n = rb_first(&ep->items); n; n = rb_next(n)) {
		struct epitem *i = rb_entry(n, struct epitem, rb);

		strbuf_addf(sb, "tfd: %8d events: %8x data: %16llx  pos:%lli ino:%llx sdev:%llx\n", i->fd, i->event.events,
			    (unsigned long long)i->event.data, (long long)i->file->pos,
			    (unsigned long long)i->file->inode->ino, (unsigned long long)i->file->inode->sb->dev);
	}
}

static const struct file_ops eventpoll_ops = {
	.llseek = noop_llseek,
	.poll = eventpoll_poll,
	.release = eventpoll_release,
	.show_fdinfo = eventpoll_show_fdinfo,
};

struct file *eventpoll_file_new(void)
{
	struct eventpoll *ep = calloc(1, sizeof(*ep));
	struct file *f;

	if (!ep)
		return ERR_PTR(-LINUX_ENOMEM);
	mutex_init(&ep->mtx);
	mutex_init(&ep->lock);
	list_init(&ep->ready);
	waitq_init(&ep->wait);
	waitq_init(&ep->poll_wait);
	f = anon_file_new("anon_inode:[eventpoll]", 0600, &eventpoll_ops, LINUX_O_RDWR, ep);
	if (IS_ERR(f))
		free(ep);
	return f;
}

/*
 * The depth of sets below @f, or -LINUX_ELOOP when @avoid is one of them.  ep_mutex held, so no set gains a set meanwhile.
 */
static int ep_depth(struct file *f, struct file *avoid, int level)
{
	struct eventpoll *ep = f->private_data;
	int deepest = 0;

	if (f == avoid || level > EP_MAX_NESTS)
		return -LINUX_ELOOP;
	MUTEX_GUARD(&ep->mtx);
	for (struct rb_node *n = rb_first(&ep->items); n; n = rb_next(n)) {
		struct epitem *i = rb_entry(n, struct epitem, rb);
		int d;

		if (i->file->ops != &eventpoll_ops)
			continue;
		d = ep_depth(i->file, avoid, level + 1);
		if (d < 0)
			return d;
		deepest = MAX(deepest, d + 1);
	}
	return deepest;
}

static int ep_insert(struct eventpoll *ep, int fd, struct file *file, const struct linux_epoll_event *ev)
{
	struct epitem *item = calloc(1, sizeof(*item));
	struct ep_poll_table ept = { .pt = { .add = ep_queue_add } };
	unsigned ready;

	if (!item)
		return -LINUX_ENOMEM;
	list_init(&item->ready);
	list_init(&item->queues);
	list_init(&item->file_link);
	item->ep = ep;
	item->file = file;
	item->fd = fd;
	item->event = *ev;
	rb_insert(&ep->items, &item->rb, epitem_cmp);
	mutex_lock(&file->ep_lock);
	list_add_tail(&item->file_link, &file->ep_links);
	mutex_unlock(&file->ep_lock);
	ept.item = item;
	ept.pt.key = ev->events;
	ready = vfs_poll(file, &ept.pt) & ev->events;
	if (ept.failed) {
		ep_remove_locked(ep, item);
		return -LINUX_ENOMEM;
	}
	if (!ready)
		return 0;
	ep_push_ready(ep, item);
	waitq_wake_nr(&ep->wait, 0, 1);
	waitq_wake(&ep->poll_wait, LINUX_EPOLLIN);
	return 0;
}

static int ep_modify(struct eventpoll *ep, struct epitem *item, const struct linux_epoll_event *ev)
{
	item->event.data = ev->data;
	WRITE_ONCE(item->event.events, ev->events);
	/* The queues' wake functions see the new events from here on; what was true before must be looked at once. */
	atomic_thread_fence(memory_order_seq_cst);
	if (!epitem_poll(item))
		return 0;
	ep_push_ready(ep, item);
	waitq_wake_nr(&ep->wait, 0, 1);
	waitq_wake(&ep->poll_wait, LINUX_EPOLLIN);
	return 0;
}

static int ep_check_ctl(struct file *epf, int op, struct file *target, const struct linux_epoll_event *ev)
{
	if (!target->ops->poll)
		return -LINUX_EPERM;
	if (target == epf || epf->ops != &eventpoll_ops)
		return -LINUX_EINVAL;
	if (op != LINUX_EPOLL_CTL_DEL && (ev->events & LINUX_EPOLLEXCLUSIVE)) {
		const unsigned ok = LINUX_EPOLLIN | LINUX_EPOLLOUT | LINUX_EPOLLERR | LINUX_EPOLLHUP | LINUX_EPOLLWAKEUP |
				    LINUX_EPOLLET | LINUX_EPOLLEXCLUSIVE;

		if (op == LINUX_EPOLL_CTL_MOD || (ev->events & ~ok))
			return -LINUX_EINVAL;
		if (target->ops == &eventpoll_ops)
			return -LINUX_EINVAL;
	}
	return 0;
}

static int ep_ctl_locked(struct file *epf, int op, int fd, struct file *target, struct linux_epoll_event *ev)
{
	struct eventpoll *ep = epf->private_data;
	struct epitem *item = ep_find(ep, target, fd);

	switch (op) {
	case LINUX_EPOLL_CTL_ADD:
		ev->events |= LINUX_EPOLLERR | LINUX_EPOLLHUP;
		return item ? -LINUX_EEXIST : ep_insert(ep, fd, target, ev);
	case LINUX_EPOLL_CTL_DEL:
		if (!item)
			return -LINUX_ENOENT;
		ep_remove_locked(ep, item);
		return 0;
	case LINUX_EPOLL_CTL_MOD:
		if (!item)
			return -LINUX_ENOENT;
		if (item->event.events & LINUX_EPOLLEXCLUSIVE)
			return -LINUX_EINVAL;
		ev->events |= LINUX_EPOLLERR | LINUX_EPOLLHUP;
		return ep_modify(ep, item, ev);
	default:
		return -LINUX_EINVAL;
	}
}

int eventpoll_ctl(struct file *epf, int op, int fd, struct file *target, const struct linux_epoll_event *event)
{
	struct linux_epoll_event ev = event ? *event : (struct linux_epoll_event){ 0 };
	struct eventpoll *ep;
	bool nested;
	int err = ep_check_ctl(epf, op, target, &ev);

	if (err)
		return err;
	ep = epf->private_data;
	nested = op == LINUX_EPOLL_CTL_ADD && target->ops == &eventpoll_ops;
	if (nested) {
		int depth;

		mutex_lock(&ep_mutex);
		depth = ep_depth(target, epf, 0);
		if (depth < 0 || depth + 1 > EP_MAX_NESTS) {
			mutex_unlock(&ep_mutex);
			return -LINUX_ELOOP;
		}
	}
	mutex_lock(&ep->mtx);
	err = ep_ctl_locked(epf, op, fd, target, &ev);
	mutex_unlock(&ep->mtx);
	if (nested)
		mutex_unlock(&ep_mutex);
	return err;
}

/* Reports up to @max ready items.  Level-triggered ones are queued again once the pass is over. */
static int ep_send_events(struct eventpoll *ep, uaddr_t events, int max)
{
	struct list_head pass = LIST_HEAD_INIT(pass);
	int n = 0;
	MUTEX_GUARD(&ep->mtx);

	mutex_lock(&ep->lock);
	list_splice_tail(&ep->ready, &pass);
	mutex_unlock(&ep->lock);
	for (;;) {
		struct linux_epoll_event out;
		struct epitem *item;
		unsigned mask;

		/* `pass` is guarded like the ready list: a wake meanwhile finds item->ready linked and leaves it. */
		mutex_lock(&ep->lock);
		item = n < max ? list_first_entry_or_null(&pass, struct epitem, ready) : NULL;
		if (item) {
			list_del(&item->ready);
		} else { /* what was not looked at comes before what was queued meanwhile */
			list_splice_tail(&ep->ready, &pass);
			list_splice_tail(&pass, &ep->ready);
		}
		mutex_unlock(&ep->lock);
		if (!item)
			return n;
		mask = epitem_poll(item);
		if (!mask)
			continue;
		out = (struct linux_epoll_event){ mask, item->event.data };
		if (copy_to_user(events + n * sizeof(out), &out, sizeof(out))) {
			ep_push_ready(ep, item);
			if (!n)
				n = -LINUX_EFAULT;
			max = 0;
			continue;
		}
		n++;
		if (item->event.events & LINUX_EPOLLONESHOT)
			WRITE_ONCE(item->event.events, item->event.events & EP_PRIVATE_BITS);
		else if (!(item->event.events & LINUX_EPOLLET))
			ep_push_ready(ep, item);
	}
}

static bool ep_has_ready(struct eventpoll *ep)
{
	MUTEX_GUARD(&ep->lock);

	return !list_empty(&ep->ready);
}

int eventpoll_wait(struct file *epf, uaddr_t events, int max, deadline_t deadline)
{
	struct eventpoll *ep;
	struct waitq_entry we;
	int n, err = 0;

	if (epf->ops != &eventpoll_ops)
		return -LINUX_EINVAL;
	ep = epf->private_data;
	n = ep_has_ready(ep) ? ep_send_events(ep, events, max) : 0;
	if (n || !deadline)
		return n;
	waitq_entry_init(&we);
	we.exclusive = true;
	waitq_add(&ep->wait, &we);
	while (!n && !err) {
		while (!ep_has_ready(ep) && !err)
			err = sleeper_sleep(SLEEP_INTERRUPTIBLE, deadline);
		if (!ep_has_ready(ep))
			break;
		n = ep_send_events(ep, events, max);
		if (!n && !err && kernel_signal_pending())
			err = -LINUX_EINTR;
	}
	waitq_del(&ep->wait, &we);
	/* This sleeper may have been the one chosen for an event it did not take: pass the wake on. */
	if (ep_has_ready(ep))
		waitq_wake_nr(&ep->wait, 0, 1);
	if (n)
		return n;
	return err == -LINUX_ETIMEDOUT ? 0 : err ? -LINUX_EINTR : 0;
}

struct file *eventpoll_target(struct file *epf, int fd, unsigned nth)
{
	struct file *found = ERR_PTR(-LINUX_ENOENT);
	struct eventpoll *ep = epf->private_data;

	if (epf->ops != &eventpoll_ops)
		return ERR_PTR(-LINUX_EINVAL);
	MUTEX_GUARD(&ep->mtx);
	for (struct rb_node *n = rb_first(&ep->items); n; n = rb_next(n)) {
		struct epitem *item = rb_entry(n, struct epitem, rb);

		if (item->fd != fd || nth--)
			continue;
		/* One that is on its way out is watched no more. */
		if (ref_get_unless_zero(&item->file->ref))
			found = item->file;
		break;
	}
	return found;
}
