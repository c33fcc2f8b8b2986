/* SPDX-License-Identifier: Apache-2.0 */
#include "vfs/dev/hostfd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/host/host.h"
#include "sentry/abi/fcntl.h"
#include "sentry/abi/ioctl.h"
#include "sentry/abi/mman.h"
#include "sentry/abi/signal.h"
#include "sentry/mm/mm.h"
#include "vfs/frame_io.h"

#define COPY_SIZE (64UL << 10)
/* A pipe that is writable at all takes this much without blocking (PIPE_BUF). */
#define SAFE_WRITE 4096UL

int hostfd_init(struct hostfd *h, int fd, bool reopen)
{
	struct host_stat st;
	int err = host_fstat(fd, &st), own, flags;

	if (err)
		return err;
	h->fd = fd;
	h->regular = LINUX_S_ISREG(st.mode) || LINUX_S_ISBLK(st.mode) || LINUX_S_ISDIR(st.mode);
	flags = host_fcntl_getfl(fd);
	if (flags < 0)
		return flags;
	h->nonblock = !reopen && flags & LINUX_O_NONBLOCK;
	if (reopen && !h->regular && !LINUX_S_ISSOCK(st.mode)) {
		/* O_NONBLOCK on the description that we share with our parent would surprise it. */
		own = host_reopen(fd, (flags & LINUX_O_ACCMODE) | LINUX_O_NONBLOCK | LINUX_O_NOCTTY);
		if (own >= 0) {
			h->fd = own;
			h->nonblock = true;
		}
	}
	return hostpoll_init(&h->poll, h->fd);
}

/* Without a description of our own, the next call could still block when somebody else is faster; then a signal has to wait. */
static bool hostfd_may_block(struct hostfd *h, unsigned event)
{
	return !h->nonblock && !h->regular && !hostpoll_now(&h->poll, event);
}

ssize_t hostfd_try_read(struct hostfd *h, void *buf, size_t len)
{
	ssize_t n;

	if (hostfd_may_block(h, LINUX_EPOLLIN))
		return -LINUX_EAGAIN;
	do
		n = host_read(h->fd, buf, len);
	while (n == -LINUX_EINTR);
	return n;
}

ssize_t hostfd_try_write(struct hostfd *h, const void *buf, size_t len)
{
	ssize_t n;

	if (hostfd_may_block(h, LINUX_EPOLLOUT))
		return -LINUX_EAGAIN;
	if (!h->nonblock && !h->regular)
		len = MIN(len, SAFE_WRITE);
	do
		n = host_write(h->fd, buf, len);
	while (n == -LINUX_EINTR);
	return n;
}

int64_t hostfd_read_iter(struct hostfd *h, struct file *f, struct iov_iter *to, deadline_t deadline)
{
	bool nonblock = atomic_load(&f->flags) & LINUX_O_NONBLOCK;
	size_t len = MIN(to->count, COPY_SIZE);
	char *buf;
	ssize_t n;

	if (!len)
		return 0;
	buf = malloc(len);
	if (!buf)
		return -LINUX_ENOMEM;
	for (;;) {
		n = hostfd_try_read(h, buf, len);
		if (n != -LINUX_EAGAIN)
			break;
		if (nonblock) {
			/* An edge-triggered watcher waits for what comes next. */
			if (waitq_active(&h->poll.wait))
				hostpoll_arm(&h->poll, LINUX_EPOLLIN);
			break;
		}
		n = hostpoll_wait(&h->poll, LINUX_EPOLLIN, deadline);
		if (n == -LINUX_ETIMEDOUT)
			n = 0;
		else if (!n)
			continue;
		break;
	}
	if (n > 0 && iov_iter_copy_to(to, buf, (size_t)n) != (size_t)n)
		n = -LINUX_EFAULT;
	free(buf);
	return n;
}

/* All of @len unless an error or a signal comes; what was written counts then. */
static int64_t hostfd_write_buf(struct hostfd *h, const char *buf, size_t len, bool nonblock)
{
	size_t done = 0;
	ssize_t n = 0;

	while (done < len) {
		n = hostfd_try_write(h, buf + done, len - done);
		if (n == -LINUX_EAGAIN && nonblock && waitq_active(&h->poll.wait))
			hostpoll_arm(&h->poll, LINUX_EPOLLOUT);
		else if (n == -LINUX_EAGAIN && !nonblock)
			n = hostpoll_wait(&h->poll, LINUX_EPOLLOUT, NO_DEADLINE);
		else if (n > 0)
			done += (size_t)n;
		if (n < 0)
			break;
	}
	return done ? (int64_t)done : n;
}

int64_t hostfd_write_iter(struct hostfd *h, struct file *f, struct iov_iter *from)
{
	bool nonblock = atomic_load(&f->flags) & LINUX_O_NONBLOCK;
	size_t cap = MIN(from->count, COPY_SIZE);
	int64_t done = 0, n = 0;
	char *buf;

	if (!cap)
		return 0;
	buf = malloc(cap);
	if (!buf)
		return -LINUX_ENOMEM;
	while (from->count) {
		size_t len = iov_iter_copy_from(from, buf, MIN(from->count, cap));

		n = len ? hostfd_write_buf(h, buf, len, nonblock) : -LINUX_EFAULT;
		if (n > 0)
			done += n;
		if (n != (int64_t)len) {
			iov_iter_revert(from, len - (n > 0 ? (size_t)n : 0));
			break;
		}
	}
	free(buf);
	if (done)
		return done;
	if (n == -LINUX_EPIPE)
		kernel_signal_self(LINUX_SIGPIPE);
	return n;
}

unsigned hostfd_poll_file(struct hostfd *h, struct file *f, struct poll_table *pt)
{
	unsigned wanted = LINUX_EPOLLIN | LINUX_EPOLLOUT | LINUX_EPOLLPRI | LINUX_EPOLLRDHUP | LINUX_EPOLLRDNORM |
			  LINUX_EPOLLWRNORM;
	unsigned key = pt ? pt->key : wanted, now;

	poll_wait(f, &h->poll.wait, pt);
	now = hostpoll_now(&h->poll, wanted);
	/* Who waits is woken for what isn't there yet. */
	if (waitq_active(&h->poll.wait))
		hostpoll_arm(&h->poll,
			     key & (LINUX_EPOLLIN | LINUX_EPOLLOUT | LINUX_EPOLLPRI | LINUX_EPOLLRDHUP) & ~now);
	return now;
}

/* --- streams that are no terminals --- */

static struct mutex opens_lock = MUTEX_INIT; /* a leaf */

static struct hostfd *hostfd_of(struct file *f)
{
	return f->inode->i_private;
}

/*
 * Positions of regular files.  read and write come with @pos == &f->pos, pread and pwrite with their own; sendfile and its kin
 * with a copy, and change f->pos afterwards.  So the host's position is brought up to date before the primary file uses it.
 */
static bool hostfd_sequential(struct file *f, const uint64_t *pos)
{
	struct hostfd *h = hostfd_of(f);

	if (pos != &f->pos || f != h->primary)
		return false;
	if (f->pos != h->synced)
		host_lseek(h->fd, (int64_t)f->pos, LINUX_SEEK_SET);
	return true;
}

static void hostfd_sync_pos(struct file *f)
{
	int64_t pos = host_lseek(hostfd_of(f)->fd, 0, LINUX_SEEK_CUR);

	if (pos >= 0)
		f->pos = hostfd_of(f)->synced = (uint64_t)pos;
}

static int64_t hostfd_pread(struct hostfd *h, struct iov_iter *to, uint64_t *pos)
{
	size_t len = MIN(to->count, COPY_SIZE);
	char *buf = malloc(MAX(len, 1U));
	ssize_t n;

	if (!buf)
		return -LINUX_ENOMEM;
	n = host_pread(h->fd, buf, len, *pos);
	if (n > 0 && iov_iter_copy_to(to, buf, (size_t)n) != (size_t)n)
		n = -LINUX_EFAULT;
	if (n > 0)
		*pos += (uint64_t)n;
	free(buf);
	return n;
}

static int64_t hostfd_pwrite(struct hostfd *h, struct iov_iter *from, uint64_t *pos)
{
	size_t len = MIN(from->count, COPY_SIZE);
	char *buf = malloc(MAX(len, 1U));
	ssize_t n;

	if (!buf)
		return -LINUX_ENOMEM;
	len = iov_iter_copy_from(from, buf, len);
	n = len || !from->count ? host_pwrite(h->fd, buf, len, *pos) : -LINUX_EFAULT;
	iov_iter_revert(from, len - (n > 0 ? (size_t)n : 0));
	if (n > 0)
		*pos += (uint64_t)n;
	free(buf);
	return n;
}

static int64_t hostfd_read(struct file *f, struct iov_iter *to, uint64_t *pos)
{
	struct hostfd *h = hostfd_of(f);
	int64_t n;

	if (h->regular && !hostfd_sequential(f, pos))
		return hostfd_pread(h, to, pos);
	n = hostfd_read_iter(h, f, to, NO_DEADLINE);
	if (h->regular)
		hostfd_sync_pos(f);
	return n;
}

static int64_t hostfd_write(struct file *f, struct iov_iter *from, uint64_t *pos)
{
	struct hostfd *h = hostfd_of(f);
	bool follows;
	int64_t n;

	if (h->regular && !hostfd_sequential(f, pos)) {
		/* sendfile: other descriptors of the same file (2>&1) must write behind this. */
		follows = f == h->primary && *pos == f->pos;
		n = hostfd_pwrite(h, from, pos);
		if (n > 0 && follows && host_lseek(h->fd, (int64_t)*pos, LINUX_SEEK_SET) >= 0)
			h->synced = *pos;
		return n;
	}
	n = hostfd_write_iter(h, f, from);
	if (h->regular)
		hostfd_sync_pos(f);
	return n;
}

static int64_t hostfd_llseek(struct file *f, int64_t off, int whence)
{
	struct hostfd *h = hostfd_of(f);
	int64_t ret;

	if (f != h->primary)
		return generic_file_llseek(f, off, whence);
	if (f->pos != h->synced)
		host_lseek(h->fd, (int64_t)f->pos, LINUX_SEEK_SET);
	ret = host_lseek(h->fd, off, whence);
	hostfd_sync_pos(f);
	return ret;
}

/* What runs on the host after us goes on where the guest was. */
static void hostfd_release(struct file *f)
{
	struct hostfd *h = hostfd_of(f);
	bool last;
	int fd;

	if (h->regular && f == h->primary && f->pos != h->synced)
		host_lseek(h->fd, (int64_t)f->pos, LINUX_SEEK_SET);
	if (f == h->primary)
		h->primary = NULL;
	mutex_lock(&opens_lock);
	last = --h->opens == 0 && h->owned;
	fd = h->fd;
	if (last)
		h->fd = -1;
	mutex_unlock(&opens_lock);
	if (!last)
		return;
	hostpoll_fini(&h->poll);
	host_close(fd);
}

static unsigned hostfd_poll(struct file *f, struct poll_table *pt)
{
	return hostfd_poll_file(hostfd_of(f), f, pt);
}

static int64_t hostfd_ioctl(struct file *f, unsigned cmd, uint64_t arg)
{
	int value = 0, err;

	if (cmd != LINUX_FIONREAD)
		return -LINUX_ENOTTY;
	err = host_ioctl(hostfd_of(f)->fd, cmd, &value);
	return err < 0 ? err : put_user(value, arg, int);
}

static int hostfd_fsync(struct file *f, uint64_t start __unused, uint64_t end __unused, bool datasync)
{
	int fd = hostfd_of(f)->fd;

	return datasync ? host_fdatasync(fd) : host_fsync(fd);
}

/* --- mapping: a cache of its own, of what the host's file held when it was last mapped --- */

static int hostfd_readpages(struct mapping *m, uint64_t pgoff, unsigned nr, const pfn_t *pfns)
{
	struct hostfd *h = m->host->i_private;
	size_t len = (size_t)nr << PAGE_SHIFT;
	int64_t n = frame_io_pread(h->fd, pgoff << PAGE_SHIFT, pfns, 0, len);

	if (n < 0)
		return (int)n;
	frame_io_zero(pfns, (size_t)n, len - (size_t)n);
	return 0;
}

static const struct mapping_ops hostfd_mapping_ops = { .readpages = hostfd_readpages };

/* Regular files, and not to write the host's file through memory. */
static int hostfd_mmap(struct file *f, struct mmap_args *a)
{
	struct inode *inode = f->inode;
	struct host_stat st;
	int err;

	if (!hostfd_of(f)->regular)
		return -LINUX_ENODEV;
	if ((a->flags & LINUX_MAP_TYPE) != LINUX_MAP_PRIVATE) {
		if (a->prot & LINUX_PROT_WRITE)
			return -LINUX_ENODEV;
		a->may_write = false;
	}
	err = host_fstat(hostfd_of(f)->fd, &st);
	if (err)
		return err;
	rwlock_write(&inode->i_rwsem);
	inode->mapping.ops = &hostfd_mapping_ops;
	inode->size = st.size;
	mapping_invalidate(&inode->mapping);
	rwlock_unlock(&inode->i_rwsem);
	return generic_file_mmap(f, a);
}

/* --- the file --- */

static void hostfd_set_fmode(struct file *f)
{
	const unsigned positioned = FMODE_LSEEK | FMODE_PREAD | FMODE_PWRITE | FMODE_ATOMIC_POS;

	if (hostfd_of(f)->regular)
		f->fmode = (f->fmode & ~(unsigned)FMODE_STREAM) | positioned;
	else
		f->fmode = (f->fmode & ~positioned) | FMODE_STREAM;
}

/* Through /proc/self/fd. */
static int hostfd_reopen(struct inode *inode __unused, struct file *f)
{
	struct hostfd *h = hostfd_of(f);
	MUTEX_GUARD(&opens_lock);

	if (h->fd < 0)
		return -LINUX_ENXIO;
	h->opens++;
	hostfd_set_fmode(f);
	return 0;
}

static const struct file_ops hostfd_ops = {
	.read = hostfd_read,
	.write = hostfd_write,
	.llseek = hostfd_llseek,
	.poll = hostfd_poll,
	.ioctl = hostfd_ioctl,
	.mmap = hostfd_mmap,
	.open = hostfd_reopen,
	.release = hostfd_release,
	.fsync = hostfd_fsync,
};

static struct timespec64 timespec_of(const struct host_timespec *ts)
{
	return (struct timespec64){ ts->sec, (uint32_t)ts->nsec };
}

static int hostfd_getattr(struct inode *inode, struct kstat *ret)
{
	struct hostfd *h = inode->i_private;
	struct host_stat st;
	int err = host_fstat(h->fd, &st);

	if (err)
		return err;
	err = generic_getattr(inode, ret);
	ret->dev = st.dev;
	ret->ino = st.ino;
	ret->rdev = st.rdev;
	ret->size = st.size;
	ret->blocks = st.blocks;
	ret->nlink = st.nlink;
	ret->blksize = st.blksize;
	ret->atime = timespec_of(&st.atime);
	ret->mtime = timespec_of(&st.mtime);
	ret->ctime = timespec_of(&st.ctime);
	return err;
}

/* The size of a regular file is the host's; the rest is between the guest and the inode we made up. */
static int hostfd_setattr(struct inode *inode, const struct iattr *attr)
{
	struct hostfd *h = inode->i_private;
	struct iattr rest = *attr;
	int err = 0;

	if (attr->valid & ATTR_SIZE) {
		err = h->regular ? host_ftruncate(h->fd, attr->size) : -LINUX_EINVAL;
		rest.valid &= ~(unsigned)ATTR_SIZE;
	}
	return err ? err : simple_setattr(inode, &rest);
}

static void hostfd_free_inode(struct inode *inode)
{
	struct hostfd *h = inode->i_private;

	/* The last release has done so with one that is ours to close.  The sentry's own streams can be opened again until here. */
	if (h && !h->owned)
		hostpoll_fini(&h->poll);
	free(h);
}

static const struct inode_ops hostfd_inode_ops = {
	.getattr = hostfd_getattr, .setattr = hostfd_setattr, .free_anon = hostfd_free_inode };

/* What /proc/self/fd shows on the host: "pipe:[123]", a path; @by_name: where it may be asked. */
static void hostfd_name(int fd, bool by_name, const struct host_stat *st, char *buf, size_t size)
{
	const char *kind = LINUX_S_ISFIFO(st->mode) ? "pipe" : LINUX_S_ISSOCK(st->mode) ? "socket" : "host";
	char link[64];
	ssize_t len = -1;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (by_name)
		len = host_readlinkat(HOST_AT_FDCWD, link, buf, size - 1);
	buf[MAX(len, 0)] = '\0';
	if (len <= 0)
		snprintf(buf, size, "%s:[%llu]", kind, (unsigned long long)st->ino);
}

static struct file *hostfd_new(int fd, uint32_t uid, uint32_t gid, bool passed)
{
	struct hostfd *h = calloc(1, sizeof(*h));
	int flags = host_fcntl_getfl(fd), err;
	struct host_stat st;
	char name[NAME_MAX_LEN + 1];
	struct file *f;

	err = !h ? -LINUX_ENOMEM : flags < 0 ? flags : host_fstat(fd, &st);
	if (!err)
		err = hostfd_init(h, fd, !passed);
	if (err) {
		free(h);
		return ERR_PTR(err);
	}
	hostfd_name(fd, !passed, &st, name, sizeof(name));
	flags &= LINUX_O_ACCMODE | LINUX_O_APPEND | (passed ? 0 : LINUX_O_NONBLOCK);
	f = anon_file_new(name, st.mode, &hostfd_ops, (uint32_t)flags, NULL);
	if (IS_ERR(f)) {
		hostpoll_fini(&h->poll);
		free(h);
		return f;
	}
	h->owned = passed;
	h->opens = 1;
	f->inode->own_special = true;
	f->inode->ops = &hostfd_inode_ops;
	f->inode->i_private = h;
	f->inode->uid = uid;
	f->inode->gid = gid;
	hostfd_set_fmode(f);
	if (h->regular) {
		h->primary = f;
		hostfd_sync_pos(f);
	}
	return f;
}

struct file *hostfd_open(int fd, uint32_t uid, uint32_t gid)
{
	return hostfd_new(fd, uid, gid, false);
}

struct file *hostfd_open_passed(int fd, uint32_t uid, uint32_t gid)
{
	return hostfd_new(fd, uid, gid, true);
}
