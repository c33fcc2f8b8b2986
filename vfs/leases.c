/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leases: fcntl(F_SETLEASE), as "Leases" in fcntl(2).
 *
 * Whoever holds a lease on a file is told by a signal when somebody is about to open or truncate it, who waits meanwhile: until
 * the lease is given up, or lowered to one that is not in the way, or lease_break_time has passed.
 *
 *     held --conflict--> breaking (to none, or from a write lease to a read lease) --F_SETLEASE, close, or time--> that
 *
 * Each inode that was ever leased has a list of leases.  Nobody can slip between: who asks for a lease puts it on the list and then
 * looks at the inode's counts of opens, who opens counts himself and then looks at the list.
 *
 * Lock order: inode->i_lock (to make the list), leases->lock, the process layer's.
 */
#include <stdlib.h>

#include "vfs/fasync.h"
#include "vfs/internal.h"
#include "vfs/locks.h"

struct lease {
	struct list_head link;
	struct file *file; /* borrowed: its last put ends the lease */
	int fd;		   /* for the signal */
	int32_t pid;	   /* for /proc/locks */
	int type;	   /* LINUX_F_RDLCK, LINUX_F_WRLCK */
	int becomes;	   /* what it is being broken to; == type: it is not */
	deadline_t until;  /* ... at the latest */
};

struct leases {
	struct mutex lock;
	struct list_head list; /* lock; struct lease */
	struct waitq wait;     /* a lease went, or became another */
	struct inode *inode;   /* borrowed: has it */
	struct list_head all_link; /* all_lock */
};

struct sysctl_int lease_break_time = { 45, 0, INT32_MAX }, leases_enable = { 1, 0, 1 };

static struct mutex all_lock = MUTEX_INIT;
static LIST_HEAD(all_leases); /* all_lock */

static struct leases *leases_get(struct inode *inode, bool create)
{
	MUTEX_GUARD(&inode->i_lock);
	struct leases *ls = inode->leases;

	if (ls || !create)
		return ls;
	ls = calloc(1, sizeof(*ls));
	if (!ls)
		return NULL;
	mutex_init(&ls->lock);
	list_init(&ls->list);
	waitq_init(&ls->wait);
	ls->inode = inode;
	mutex_lock(&all_lock);
	list_add_tail(&ls->all_link, &all_leases);
	mutex_unlock(&all_lock);
	return inode->leases = ls;
}

void leases_free_inode(struct inode *inode)
{
	struct leases *ls = inode->leases;

	if (!ls)
		return;
	BUG_ON(!list_empty(&ls->list));
	mutex_lock(&all_lock);
	list_del(&ls->all_link);
	mutex_unlock(&all_lock);
	waitq_fini(&ls->wait);
	mutex_fini(&ls->lock);
	free(ls);
	inode->leases = NULL;
}

/* --- single leases; leases->lock held --- */

static struct lease *lease_of_locked(struct leases *ls, const struct file *f)
{
	struct lease *l;

	list_for_each_entry(l, &ls->list, link)
		if (l->file == f)
			return l;
	return NULL;
}

/* @l is of @type from now on, whatever it was being broken to; LINUX_F_UNLCK ends it, and what it did to the file's owner. */
static void lease_modify_locked(struct leases *ls, struct lease *l, int type)
{
	l->type = type;
	if (type == LINUX_F_UNLCK || l->becomes != LINUX_F_UNLCK)
		l->becomes = type;
	if (type == LINUX_F_UNLCK) {
		WRITE_ONCE(l->file->owner_pid, 0);
		l->file->owner_sig = 0;
		list_del(&l->link);
		free(l);
	}
	waitq_wake(&ls->wait, 0);
}

static void leases_time_out_locked(struct leases *ls)
{
	struct lease *l, *tmp;

	list_for_each_entry_safe(l, tmp, &ls->list, link)
		if (l->becomes != l->type && monotonic_ns() >= l->until)
			lease_modify_locked(ls, l, l->becomes);
}

/* The first lease in the way of somebody who opens for reading, or for writing as well; NULL when there is none. */
static struct lease *lease_in_way_locked(struct leases *ls, bool write)
{
	struct lease *l;

	list_for_each_entry(l, &ls->list, link)
		if (write || l->type == LINUX_F_WRLCK)
			return l;
	return NULL;
}

/* --- F_SETLEASE, F_GETLEASE --- */

/* Whether the file is open in a way that a lease of @type for @f would say it isn't. */
static bool open_conflicts(const struct file *f, int type)
{
	struct inode *inode = f->inode;
	int writers = atomic_load(&inode->writecount), mine = !!(f->fmode & FMODE_WRITE);

	if (type == LINUX_F_RDLCK)
		return writers > 0;
	return writers != mine || atomic_load(&inode->readcount) != (!mine && f->fmode & FMODE_READ);
}

static int lease_add_locked(struct leases *ls, int fd, struct file *f, int type)
{
	struct lease *l, *mine = lease_of_locked(ls, f);

	leases_time_out_locked(ls);
	mine = lease_of_locked(ls, f);
	if (open_conflicts(f, type))
		return -LINUX_EAGAIN;
	list_for_each_entry(l, &ls->list, link)
		if (l != mine && (type == LINUX_F_WRLCK || l->becomes == LINUX_F_UNLCK))
			return -LINUX_EAGAIN;
	if (mine) {
		mine->fd = fd;
		lease_modify_locked(ls, mine, type);
		return 0;
	}
	if (!sysctl_read(&leases_enable))
		return -LINUX_EINVAL;
	l = calloc(1, sizeof(*l));
	if (!l)
		return -LINUX_ENOMEM;
	*l = (struct lease){ .file = f, .fd = fd, .pid = kernel_current_tgid(), .type = type, .becomes = type };
	list_add_tail(&l->link, &ls->list);
	atomic_thread_fence(memory_order_seq_cst);
	if (open_conflicts(f, type)) {
		list_del(&l->link);
		free(l);
		return -LINUX_EAGAIN;
	}
	if (!READ_ONCE(f->owner_pid))
		(void)file_set_owner(f, LINUX_F_OWNER_PID, kernel_current_tgid()); /* the caller exists */
	return 0;
}

int fcntl_setlease(int fd, struct file *f, int type)
{
	struct leases *ls;
	struct lease *l;

	if (type != LINUX_F_RDLCK && type != LINUX_F_WRLCK && type != LINUX_F_UNLCK)
		return -LINUX_EINVAL;
	if (current_cred->fsuid != f->inode->uid && !inode_capable(f->inode, CAP_LEASE))
		return -LINUX_EACCES;
	if (!LINUX_S_ISREG(f->inode->mode))
		return -LINUX_EINVAL;
	ls = leases_get(f->inode, type != LINUX_F_UNLCK);
	if (!ls)
		return type == LINUX_F_UNLCK ? -LINUX_EAGAIN : -LINUX_ENOMEM;
	MUTEX_GUARD(&ls->lock);
	if (type != LINUX_F_UNLCK)
		return lease_add_locked(ls, fd, f, type);
	l = lease_of_locked(ls, f);
	if (!l)
		return -LINUX_EAGAIN;
	lease_modify_locked(ls, l, LINUX_F_UNLCK);
	return 0;
}

int fcntl_getlease(struct file *f)
{
	struct leases *ls = leases_get(f->inode, false);
	struct lease *l;

	if (!ls)
		return LINUX_F_UNLCK;
	MUTEX_GUARD(&ls->lock);
	leases_time_out_locked(ls);
	l = lease_of_locked(ls, f);
	return l ? l->becomes : LINUX_F_UNLCK;
}

void leases_remove_file(struct file *f)
{
	struct leases *ls = READ_ONCE(f->inode->leases);
	struct lease *l;

	if (!ls)
		return;
	MUTEX_GUARD(&ls->lock);
	l = lease_of_locked(ls, f);
	if (l)
		lease_modify_locked(ls, l, LINUX_F_UNLCK);
}

/* --- breaking --- */

/* Tells the holders of what is in the way, each once. */
static void leases_begin_break_locked(struct leases *ls, bool write)
{
	int64_t seconds = sysctl_read(&lease_break_time);
	deadline_t until = seconds ? deadline_after(seconds * 1000000000) : NO_DEADLINE;
	struct lease *l;

	list_for_each_entry(l, &ls->list, link) {
		if (!write && l->type != LINUX_F_WRLCK)
			continue;
		if (write ? l->becomes == LINUX_F_UNLCK : l->becomes != l->type)
			continue;
		l->becomes = write ? LINUX_F_UNLCK : LINUX_F_RDLCK;
		l->until = until;
		file_sigio(l->file, l->fd, LINUX_POLL_MSG);
	}
}

int leases_break_slow(struct inode *inode, uint32_t flags)
{
	bool write = (flags & LINUX_O_ACCMODE) != LINUX_O_RDONLY;
	struct leases *ls = leases_get(inode, false);
	struct lease *l;
	int err = 0;

	MUTEX_GUARD(&ls->lock);
	leases_time_out_locked(ls);
	if (!lease_in_way_locked(ls, write))
		return 0;
	leases_begin_break_locked(ls, write);
	if (flags & LINUX_O_NONBLOCK)
		return -LINUX_EAGAIN;
	while (!err && (l = lease_in_way_locked(ls, write))) {
		deadline_t until = l->until;

		err = waitq_wait_locked(&ls->wait, &ls->lock, lease_in_way_locked(ls, write) != l, SLEEP_INTERRUPTIBLE, until);
		if (err != -LINUX_ETIMEDOUT)
			continue;
		err = 0;
		leases_time_out_locked(ls);
	}
	return err;
}

/* --- /proc --- */

void leases_show_all(unsigned *nr, struct strbuf *sb)
{
	static const char *const types[] = {
		[LINUX_F_RDLCK] = "READ", [LINUX_F_WRLCK] = "WRITE", [LINUX_F_UNLCK] = "UNLCK" };
	struct leases *ls;
	struct lease *l;

	MUTEX_GUARD(&all_lock);
	list_for_each_entry(ls, &all_leases, all_link) {
		const struct inode *inode = ls->inode;
		uint64_t dev = inode->dev ? inode->dev : inode->sb->dev;

		mutex_lock(&ls->lock);
		list_for_each_entry(l, &ls->list, link)
			strbuf_addf(sb, "%u: LEASE  %s%s %d %02x:%02x:%lu 0 EOF\n", ++*nr,
				    l->becomes != l->type ? "BREAKING  " : "ACTIVE    ", types[l->becomes], l->pid,
				    (unsigned)LINUX_MAJOR(dev), (unsigned)LINUX_MINOR(dev), (unsigned long)inode->ino);
		mutex_unlock(&ls->lock);
	}
}
