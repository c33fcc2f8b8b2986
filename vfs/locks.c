/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Advisory locks.
 *
 * Each inode that was ever locked has a context with two lists: flock(2) locks, owned by open files, and byte range locks, owned
 * by a descriptor table (POSIX) or an open file (OFD) and sorted by start.  The locks of one owner never overlap and are merged
 * where they touch.  Whoever waits sleeps on the context's queue and looks again whenever a lock went.
 *
 * Lock order: inode->i_lock (to make a context), all_lock, waiters_lock, ctx->lock.
 */
#include "vfs/locks.h"

#include <stdlib.h>

#include "vfs/internal.h"

#define OFFSET_MAX INT64_MAX
#define DEADLOCK_DEPTH 64

struct file_lock {
	struct list_head link;
	const void *owner;
	struct file *ofd;   /* the owner when it is an open file, else NULL; borrowed */
	const void *via;    /* the open file with which it was made; only compared */
	int32_t pid;	    /* as F_GETLK shows it */
	int type;	    /* LINUX_F_RDLCK, LINUX_F_WRLCK; in requests also LINUX_F_UNLCK */
	int64_t start, end; /* inclusive */
};

struct file_lock_ctx {
	struct mutex lock;
	struct list_head flocks, ranges; /* lock */
	struct waitq wait;
	struct inode *inode;	   /* borrowed: has it */
	struct list_head all_link; /* all_lock */
};

/* Of all inodes, for /proc/locks. */
static struct mutex all_lock = MUTEX_INIT;
static LIST_HEAD(all_ctx); /* all_lock */

/* Who waits for whom, for EDEADLK: POSIX locks only. */
struct lock_waiter {
	struct list_head link;
	const void *owner, *blocked_by;
};
static struct mutex waiters_lock = MUTEX_INIT;
static LIST_HEAD(waiters); /* waiters_lock */

static struct file_lock_ctx *ctx_get(struct inode *inode, bool create)
{
	struct file_lock_ctx *ctx;
	MUTEX_GUARD(&inode->i_lock);

	ctx = atomic_load(&inode->locks);
	if (ctx || !create)
		return ctx;
	ctx = calloc(1, sizeof(*ctx));
	if (!ctx)
		return NULL;
	mutex_init(&ctx->lock);
	list_init(&ctx->flocks);
	list_init(&ctx->ranges);
	waitq_init(&ctx->wait);
	ctx->inode = inode;
	mutex_lock(&all_lock);
	list_add_tail(&ctx->all_link, &all_ctx);
	mutex_unlock(&all_lock);
	/* Others look without the lock. */
	atomic_store(&inode->locks, ctx);
	return ctx;
}

static void list_free(struct list_head *list)
{
	while (!list_empty(list)) {
		struct file_lock *l = list_first_entry(list, struct file_lock, link);

		list_del(&l->link);
		free(l);
	}
}

void locks_free_inode(struct inode *inode)
{
	struct file_lock_ctx *ctx = atomic_load(&inode->locks);

	if (!ctx)
		return;
	mutex_lock(&all_lock);
	list_del(&ctx->all_link);
	mutex_unlock(&all_lock);
	list_free(&ctx->flocks);
	list_free(&ctx->ranges);
	waitq_fini(&ctx->wait);
	mutex_fini(&ctx->lock);
	free(ctx);
	atomic_store(&inode->locks, NULL);
}

/* --- flock --- */

static struct file_lock *flock_of_locked(struct file_lock_ctx *ctx, const struct file *f)
{
	struct file_lock *l;

	list_for_each_entry(l, &ctx->flocks, link)
		if (l->owner == f)
			return l;
	return NULL;
}

static bool flock_conflict_locked(struct file_lock_ctx *ctx, const struct file *f, int type)
{
	struct file_lock *l;

	list_for_each_entry(l, &ctx->flocks, link)
		if (l->owner != f && (type == LINUX_F_WRLCK || l->type == LINUX_F_WRLCK))
			return true;
	return false;
}

static void flock_drop_locked(struct file_lock_ctx *ctx, struct file *f)
{
	struct file_lock *l = flock_of_locked(ctx, f);

	if (!l)
		return;
	list_del(&l->link);
	free(l);
	waitq_wake(&ctx->wait, 0);
}

static int flock_take(struct file_lock_ctx *ctx, struct file *f, int type, bool wait)
{
	struct file_lock *l, *new = calloc(1, sizeof(*new));
	int err = 0;

	if (!new)
		return -LINUX_ENOMEM;
	mutex_lock(&ctx->lock);
	l = flock_of_locked(ctx, f);
	if (l && l->type == type) {
		mutex_unlock(&ctx->lock);
		free(new);
		return 0;
	}
	/* A change of kind gives the old lock up first, as flock(2) says. */
	flock_drop_locked(ctx, f);
	if (flock_conflict_locked(ctx, f, type))
		err = !wait ? -LINUX_EAGAIN
			    : waitq_wait_locked(&ctx->wait, &ctx->lock, !flock_conflict_locked(ctx, f, type),
						SLEEP_INTERRUPTIBLE, NO_DEADLINE);
	if (err) {
		free(new);
	} else {
		*new = (struct file_lock){
			.owner = f, .ofd = f, .type = type, .pid = kernel_current_tgid(), .end = OFFSET_MAX
		};
		list_add_tail(&new->link, &ctx->flocks);
	}
	mutex_unlock(&ctx->lock);
	return err;
}

int flock_file(struct file *f, int op)
{
	bool wait = !(op & LINUX_LOCK_NB);
	struct file_lock_ctx *ctx;
	int type;

	/* Windows-style mandatory locks are accepted and do nothing (since Linux 5.5). */
	if (op & LINUX_LOCK_MAND)
		return 0;
	switch (op & ~LINUX_LOCK_NB) {
	case LINUX_LOCK_SH:
		type = LINUX_F_RDLCK;
		break;
	case LINUX_LOCK_EX:
		type = LINUX_F_WRLCK;
		break;
	case LINUX_LOCK_UN:
		type = LINUX_F_UNLCK;
		break;
	default:
		return -LINUX_EINVAL;
	}
	if (type != LINUX_F_UNLCK && !(f->fmode & (FMODE_READ | FMODE_WRITE)))
		return -LINUX_EBADF;
	ctx = ctx_get(f->inode, type != LINUX_F_UNLCK);
	if (!ctx)
		return type == LINUX_F_UNLCK ? 0 : -LINUX_ENOMEM;
	if (type != LINUX_F_UNLCK)
		return flock_take(ctx, f, type, wait);
	mutex_lock(&ctx->lock);
	flock_drop_locked(ctx, f);
	mutex_unlock(&ctx->lock);
	return 0;
}

/* --- byte ranges --- */

static struct file_lock *range_conflict_locked(struct file_lock_ctx *ctx, const struct file_lock *req)
{
	struct file_lock *l;

	list_for_each_entry(l, &ctx->ranges, link)
		if (l->owner != req->owner && l->start <= req->end && req->start <= l->end &&
		    (req->type == LINUX_F_WRLCK || l->type == LINUX_F_WRLCK))
			return l;
	return NULL;
}

static void range_insert_locked(struct file_lock_ctx *ctx, struct file_lock *new)
{
	struct file_lock *l;

	list_for_each_entry(l, &ctx->ranges, link)
		if (l->start > new->start)
			break;
	/* Before l, or at the end when the loop came round to the head. */
	list_add_tail(&new->link, &l->link);
}

/*
 * Makes the owner's locks say @req over its range: cuts, splits and merges what the owner has.  @spare: storage for up to two
 * locks; what is used is set to NULL.
 */
static void range_apply_locked(struct file_lock_ctx *ctx, const struct file_lock *req, struct file_lock *spare[2])
{
	struct file_lock *l, *tmp, *new;
	int64_t start = req->start, end = req->end;
	bool released = false;

	list_for_each_entry_safe(l, tmp, &ctx->ranges, link) {
		int64_t touch_start = l->start > INT64_MIN + 1 ? l->start - 1 : l->start;
		int64_t touch_end = l->end < OFFSET_MAX ? l->end + 1 : l->end;

		if (l->owner != req->owner)
			continue;
		if (l->type == req->type) {
			/* Overlapping or touching locks of one kind become one. */
			if (touch_start > end || touch_end < start)
				continue;
			start = MIN(start, l->start);
			end = MAX(end, l->end);
			list_del(&l->link);
			free(l);
			continue;
		}
		if (l->start > req->end || l->end < req->start)
			continue;
		released = true;
		if (l->start < req->start && l->end > req->end) {
			new = spare[1];
			spare[1] = NULL;
			*new = *l;
			new->start = req->end + 1;
			l->end = req->start - 1;
			range_insert_locked(ctx, new);
		} else if (l->start < req->start) {
			l->end = req->start - 1;
		} else if (l->end > req->end) {
			list_del(&l->link);
			l->start = req->end + 1;
			range_insert_locked(ctx, l);
		} else {
			list_del(&l->link);
			free(l);
		}
	}
	if (req->type != LINUX_F_UNLCK) {
		new = spare[0];
		spare[0] = NULL;
		*new = *req;
		new->start = start;
		new->end = end;
		range_insert_locked(ctx, new);
	}
	if (released)
		waitq_wake(&ctx->wait, 0);
}

/* Whether the owner @by waits, through others, for @owner.  waiters_lock held. */
static bool deadlock_locked(const void *owner, const void *by)
{
	for (int i = 0; i < DEADLOCK_DEPTH; i++) {
		struct lock_waiter *w;
		const void *next = NULL;

		if (by == owner)
			return true;
		list_for_each_entry(w, &waiters, link)
			if (w->owner == by)
				next = w->blocked_by;
		if (!next)
			return false;
		by = next;
	}
	return false;
}

/* Waits until @l, which is in the way of @req, may have gone.  ctx->lock held, dropped meanwhile. */
static int range_wait_locked(struct file_lock_ctx *ctx, const struct file_lock *req, const struct file_lock *l)
{
	struct lock_waiter w = { .owner = req->owner, .blocked_by = l->owner };
	bool posix = !req->ofd && !l->ofd;
	int err;

	if (posix) {
		mutex_unlock(&ctx->lock);
		mutex_lock(&waiters_lock);
		err = deadlock_locked(req->owner, w.blocked_by) ? -LINUX_EDEADLK : 0;
		if (!err)
			list_add_tail(&w.link, &waiters);
		mutex_unlock(&waiters_lock);
		mutex_lock(&ctx->lock);
		if (err)
			return range_conflict_locked(ctx, req) ? err : 0;
	}
	/* Wakes when the way is free or another lock is in it: then who waits for whom has changed. */
	err = waitq_wait_locked(&ctx->wait, &ctx->lock,
				!(l = range_conflict_locked(ctx, req)) || l->owner != w.blocked_by, SLEEP_INTERRUPTIBLE,
				NO_DEADLINE);
	if (posix) {
		mutex_unlock(&ctx->lock);
		mutex_lock(&waiters_lock);
		list_del(&w.link);
		mutex_unlock(&waiters_lock);
		mutex_lock(&ctx->lock);
	}
	return err;
}

static int range_set(struct inode *inode, const struct file_lock *req, bool wait)
{
	struct file_lock_ctx *ctx = ctx_get(inode, req->type != LINUX_F_UNLCK);
	struct file_lock *spare[2], *l;
	int err = 0;

	if (!ctx)
		return req->type == LINUX_F_UNLCK ? 0 : -LINUX_ENOMEM;
	spare[0] = calloc(1, sizeof(*spare[0]));
	spare[1] = calloc(1, sizeof(*spare[1]));
	if (!spare[0] || !spare[1])
		err = -LINUX_ENOMEM;
	mutex_lock(&ctx->lock);
	while (!err && req->type != LINUX_F_UNLCK && (l = range_conflict_locked(ctx, req)))
		err = wait ? range_wait_locked(ctx, req, l) : -LINUX_EAGAIN;
	if (!err)
		range_apply_locked(ctx, req, spare);
	mutex_unlock(&ctx->lock);
	free(spare[0]);
	free(spare[1]);
	return err;
}

/* --- fcntl --- */

static bool cmd_is_ofd(unsigned cmd)
{
	return cmd == LINUX_F_OFD_GETLK || cmd == LINUX_F_OFD_SETLK || cmd == LINUX_F_OFD_SETLKW;
}

static int flock_to_range(struct file *f, const struct linux_flock *fl, int64_t *ret_start, int64_t *ret_end)
{
	int64_t start;

	switch (fl->l_whence) {
	case LINUX_SEEK_SET:
		start = 0;
		break;
	case LINUX_SEEK_CUR:
		start = f->pos;
		break;
	case LINUX_SEEK_END:
		start = READ_ONCE(f->inode->size);
		break;
	default:
		return -LINUX_EINVAL;
	}
	if (fl->l_start > OFFSET_MAX - start)
		return -LINUX_EOVERFLOW;
	start += fl->l_start;
	if (start < 0)
		return -LINUX_EINVAL;
	*ret_end = OFFSET_MAX;
	if (fl->l_len > 0) {
		if (fl->l_len - 1 > OFFSET_MAX - start)
			return -LINUX_EOVERFLOW;
		*ret_end = start + fl->l_len - 1;
	} else if (fl->l_len < 0) {
		if (start + fl->l_len < 0)
			return -LINUX_EINVAL;
		*ret_end = start - 1;
		start += fl->l_len;
	}
	*ret_start = start;
	return 0;
}

static int request_init(struct file *f, unsigned cmd, const struct linux_flock *fl, struct file_lock *req)
{
	bool ofd = cmd_is_ofd(cmd);

	*req = (struct file_lock){
		.owner = ofd ? (const void *)f : current_files,
		.ofd = ofd ? f : NULL,
		.via = f,
		.pid = ofd ? -1 : kernel_current_tgid(),
		.type = fl->l_type,
	};
	return flock_to_range(f, fl, &req->start, &req->end);
}

int fcntl_getlk(struct file *f, unsigned cmd, struct linux_flock *fl)
{
	struct file_lock_ctx *ctx;
	struct file_lock req, *l;
	int err;

	if (cmd_is_ofd(cmd)) {
		if (fl->l_pid)
			return -LINUX_EINVAL;
	} else if (fl->l_type != LINUX_F_RDLCK && fl->l_type != LINUX_F_WRLCK) {
		return -LINUX_EINVAL;
	}
	if (fl->l_type != LINUX_F_RDLCK && fl->l_type != LINUX_F_WRLCK && fl->l_type != LINUX_F_UNLCK)
		return -LINUX_EINVAL;
	err = request_init(f, cmd, fl, &req);
	if (err)
		return err;
	fl->l_type = LINUX_F_UNLCK;
	ctx = ctx_get(f->inode, false);
	if (!ctx)
		return 0;
	MUTEX_GUARD(&ctx->lock);
	l = range_conflict_locked(ctx, &req);
	if (!l)
		return 0;
	fl->l_type = l->type;
	fl->l_whence = LINUX_SEEK_SET;
	fl->l_start = l->start;
	fl->l_len = l->end == OFFSET_MAX ? 0 : l->end - l->start + 1;
	fl->l_pid = l->pid;
	return 0;
}

int fcntl_setlk(struct file *f, unsigned cmd, const struct linux_flock *fl)
{
	struct file_lock req;
	int err;

	if (cmd_is_ofd(cmd) && fl->l_pid)
		return -LINUX_EINVAL;
	err = request_init(f, cmd, fl, &req);
	if (err)
		return err;
	switch (fl->l_type) {
	case LINUX_F_RDLCK:
		if (!(f->fmode & FMODE_READ))
			return -LINUX_EBADF;
		break;
	case LINUX_F_WRLCK:
		if (!(f->fmode & FMODE_WRITE))
			return -LINUX_EBADF;
		break;
	case LINUX_F_UNLCK:
		break;
	default:
		return -LINUX_EINVAL;
	}
	return range_set(f->inode, &req, cmd == LINUX_F_SETLKW || cmd == LINUX_F_OFD_SETLKW);
}

/* --- the end of owners --- */

static void ranges_drop_locked(struct file_lock_ctx *ctx, const void *owner)
{
	struct file_lock all = { .owner = owner, .type = LINUX_F_UNLCK, .end = OFFSET_MAX };
	struct file_lock *spare[2] = { NULL, NULL };

	/* Everything goes, so nothing is split. */
	range_apply_locked(ctx, &all, spare);
}

void locks_remove_posix(struct file *f, const void *owner)
{
	struct file_lock_ctx *ctx = atomic_load(&f->inode->locks);

	if (!ctx)
		return;
	MUTEX_GUARD(&ctx->lock);
	ranges_drop_locked(ctx, owner);
}

void locks_remove_file(struct file *f)
{
	struct file_lock_ctx *ctx = atomic_load(&f->inode->locks);

	if (!ctx)
		return;
	MUTEX_GUARD(&ctx->lock);
	flock_drop_locked(ctx, f);
	ranges_drop_locked(ctx, f);
}

/* --- /proc --- */

static void lock_show(const struct file_lock_ctx *ctx, const struct file_lock *l, const char *kind, unsigned nr, struct strbuf *sb)
{
	const struct inode *inode = ctx->inode;
	uint64_t dev = inode->dev ? inode->dev : inode->sb->dev;

	strbuf_addf(sb, "%u: %s  ADVISORY  %s %d %02x:%02x:%lu %ld ", nr, kind, l->type == LINUX_F_WRLCK ? "WRITE" : "READ",
		    l->pid, (unsigned)LINUX_MAJOR(dev), (unsigned)LINUX_MINOR(dev), (unsigned long)inode->ino, (long)l->start);
	if (l->end == OFFSET_MAX)
		strbuf_adds(sb, "EOF\n");
	else
		strbuf_addf(sb, "%ld\n", (long)l->end);
}

static const char *range_kind(const struct file_lock *l)
{
	return l->ofd ? "OFDLCK" : "POSIX";
}

void locks_show_all(struct strbuf *sb)
{
	struct file_lock_ctx *ctx;
	struct file_lock *l;
	unsigned nr = 0;

	mutex_lock(&all_lock);
	list_for_each_entry(ctx, &all_ctx, all_link) {
		mutex_lock(&ctx->lock);
		list_for_each_entry(l, &ctx->flocks, link)
			lock_show(ctx, l, "FLOCK", ++nr, sb);
		list_for_each_entry(l, &ctx->ranges, link)
			lock_show(ctx, l, range_kind(l), ++nr, sb);
		mutex_unlock(&ctx->lock);
	}
	mutex_unlock(&all_lock);
	leases_show_all(&nr, sb);
}

void locks_show_file(struct file *f, int32_t pid, struct strbuf *sb)
{
	struct file_lock_ctx *ctx = atomic_load(&f->inode->locks);
	struct file_lock *l;
	unsigned nr = 0;

	if (!ctx)
		return;
	MUTEX_GUARD(&ctx->lock);
	list_for_each_entry(l, &ctx->flocks, link) {
		if (l->owner != f)
			continue;
		strbuf_adds(sb, "lock:\t");
		lock_show(ctx, l, "FLOCK", ++nr, sb);
	}
	list_for_each_entry(l, &ctx->ranges, link) {
		if (l->via != f || (!l->ofd && l->pid != pid))
			continue;
		strbuf_adds(sb, "lock:\t");
		lock_show(ctx, l, range_kind(l), ++nr, sb);
	}
}
