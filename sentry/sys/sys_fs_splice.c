/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sendfile(2), copy_file_range(2), splice(2), tee(2), vmsplice(2): bytes from one descriptor to another.  They go through a
 * buffer of the sentry's; what the calls promise is kept, not what they save.
 */
#include <stdlib.h>

#include "sentry/abi/fcntl.h"
#include "sentry/abi/fs.h"
#include "sentry/sys/syscall.h"
#include "vfs/anon/pipe.h"
#include "vfs/vfs.h"

#define COPY_CHUNK (256 * 1024)
#define SPLICE_F_ALL (LINUX_SPLICE_F_MOVE | LINUX_SPLICE_F_NONBLOCK | LINUX_SPLICE_F_MORE | LINUX_SPLICE_F_GIFT)

/* --- positions --- */

/* A position that is the guest's variable, or the file's own. */
struct user_pos {
	struct file *f;
	uaddr_t uptr; /* 0: the file's */
	uint64_t pos;
};

static int user_pos_begin(struct user_pos *p, struct file *f, uaddr_t uptr)
{
	p->f = f;
	p->uptr = uptr;
	p->pos = 0;
	if (uptr)
		return get_user(&p->pos, uptr);
	/* Without pos_lock, as in Linux: two files could be locked in either order. */
	if (!(f->fmode & FMODE_STREAM))
		p->pos = f->pos;
	return 0;
}

/* Stores the position where it came from; @failed: leaves it.  0 or -LINUX_EFAULT. */
static int user_pos_end(struct user_pos *p, bool failed)
{
	if (p->uptr)
		return failed ? 0 : put_user(p->pos, p->uptr, uint64_t);
	if (!failed && !(p->f->fmode & FMODE_STREAM))
		p->f->pos = p->pos;
	return 0;
}

/* --- copying through a buffer --- */

/* Writes all of @buf; fewer bytes only after an error, which comes alone when it is the first thing that happens. */
static int64_t write_all(struct file *out, char *buf, size_t len, uint64_t *pos)
{
	size_t done = 0;

	while (done < len) {
		struct iov_iter it;
		int64_t n;

		iov_iter_init_kernel(&it, buf + done, len - done);
		n = vfs_write(out, &it, pos);
		if (n <= 0)
			return done ? (int64_t)done : n;
		done += n;
	}
	return done;
}

/* Copies up to @len bytes; each position advances by what reached @out. */
static int64_t copy_range(struct file *in, uint64_t *in_pos, struct file *out, uint64_t *out_pos, size_t len)
{
	char *buf = malloc(MIN(len, (size_t)COPY_CHUNK));
	int64_t n = 0, done = 0;

	if (!buf)
		return -LINUX_ENOMEM;
	while (len) {
		uint64_t pos = *in_pos;
		struct iov_iter it;

		iov_iter_init_kernel(&it, buf, MIN(len, (size_t)COPY_CHUNK));
		n = vfs_read(in, &it, &pos);
		if (n > 0)
			n = write_all(out, buf, n, out_pos);
		if (n <= 0)
			break;
		*in_pos += n;
		done += n;
		len -= n;
		if (kernel_signal_pending())
			break;
	}
	free(buf);
	return done ? done : n;
}

/* --- sendfile --- */

SYSCALL_DEFINE4(sendfile, int, out_fd, int, in_fd, uaddr_t, uoff, size_t, count)
{
	_cleanup_fput_ struct file *in = fget(in_fd);
	_cleanup_fput_ struct file *out = NULL;
	struct user_pos in_pos, out_pos;
	int64_t n;
	int err;

	if (!in || !(in->fmode & FMODE_READ))
		return -LINUX_EBADF;
	if (uoff && !(in->fmode & FMODE_PREAD))
		return -LINUX_ESPIPE;
	out = fget(out_fd);
	if (!out || !(out->fmode & FMODE_WRITE))
		return -LINUX_EBADF;
	if (!(in->fmode & FMODE_LSEEK) || in->fmode & FMODE_STREAM || LINUX_S_ISDIR(in->inode->mode))
		return -LINUX_EINVAL;
	if (atomic_load(&out->flags) & LINUX_O_APPEND)
		return -LINUX_EINVAL;
	err = user_pos_begin(&in_pos, in, uoff);
	if (err)
		return err;
	if ((int64_t)in_pos.pos < 0)
		n = -LINUX_EINVAL;
	else if (user_pos_begin(&out_pos, out, 0))
		n = -LINUX_EFAULT;
	else {
		n = copy_range(in, &in_pos.pos, out, &out_pos.pos, MIN(count, MAX_RW_COUNT));
		user_pos_end(&out_pos, n < 0);
	}
	err = user_pos_end(&in_pos, n < 0);
	return err ? err : n;
}

/* --- copy_file_range --- */

/* generic_copy_file_checks, but for positions. */
static int copy_files_check(const struct file *in, const struct file *out)
{
	if (LINUX_S_ISDIR(in->inode->mode) || LINUX_S_ISDIR(out->inode->mode))
		return -LINUX_EISDIR;
	if (!LINUX_S_ISREG(in->inode->mode) || !LINUX_S_ISREG(out->inode->mode))
		return -LINUX_EINVAL;
	if (!(in->fmode & FMODE_READ) || !(out->fmode & FMODE_WRITE) ||
	    atomic_load(&((struct file *)out)->flags) & LINUX_O_APPEND)
		return -LINUX_EBADF;
	if (in->inode->sb != out->inode->sb)
		return -LINUX_EXDEV;
	return out->inode->attr_flags & LINUX_FS_IMMUTABLE_FL ? -LINUX_EPERM : 0;
}

static int64_t copy_positions(struct file *in, struct user_pos *ip, struct file *out, struct user_pos *op, size_t len)
{
	uint64_t size = READ_ONCE(in->inode->size);

	if ((int64_t)ip->pos < 0 || (int64_t)op->pos < 0)
		return -LINUX_EINVAL;
	if ((int64_t)(ip->pos + len) < 0 || (int64_t)(op->pos + len) < 0)
		return -LINUX_EOVERFLOW;
	if (ip->pos >= size)
		return 0;
	len = MIN(len, size - ip->pos);
	if (in->inode == out->inode && ip->pos < op->pos + len && op->pos < ip->pos + len)
		return -LINUX_EINVAL;
	return copy_range(in, &ip->pos, out, &op->pos, len);
}

SYSCALL_DEFINE6(copy_file_range, int, in_fd, uaddr_t, uin, int, out_fd, uaddr_t, uout, size_t, len, unsigned, flags)
{
	_cleanup_fput_ struct file *in = fget(in_fd);
	_cleanup_fput_ struct file *out = in ? fget(out_fd) : NULL;
	struct user_pos ip, op;
	int64_t n;
	int err;

	if (!in || !out)
		return -LINUX_EBADF;
	if (flags)
		return -LINUX_EINVAL;
	err = copy_files_check(in, out);
	if (err)
		return err;
	/* One file twice has one position: it can't be both. */
	if (in == out && !uin && !uout)
		return len ? -LINUX_EINVAL : 0;
	err = user_pos_begin(&ip, in, uin);
	if (err)
		return err;
	err = user_pos_begin(&op, out, uout);
	if (err) {
		user_pos_end(&ip, true);
		return err;
	}
	n = copy_positions(in, &ip, out, &op, MIN(len, MAX_RW_COUNT));
	err = user_pos_end(&op, n < 0);
	if (user_pos_end(&ip, n < 0))
		err = -LINUX_EFAULT;
	return err ? err : n;
}

/* --- splice --- */

struct splice_file {
	struct file *f;
	uint64_t pos;
	bool once; /* a stream: one transfer, because the next may wait */
	bool done;
};

static int64_t splice_fill(void *arg, void *data, size_t len)
{
	struct splice_file *s = arg;
	struct iov_iter it;
	int64_t n;

	if (s->once && s->done)
		return 0;
	iov_iter_init_kernel(&it, data, len);
	n = vfs_read(s->f, &it, &s->pos);
	s->done = true;
	return n;
}

static int64_t splice_drain(void *arg, void *data, size_t len)
{
	struct splice_file *s = arg;

	return write_all(s->f, data, len, &s->pos);
}

static int64_t splice_file_pipe(struct file *f, struct file *pipe, bool to_pipe, uaddr_t upos, size_t len,
				bool nonblock)
{
	struct splice_file s = { .f = f, .once = !LINUX_S_ISREG(f->inode->mode) };
	struct user_pos p;
	int64_t n;
	int err = user_pos_begin(&p, f, upos);

	if (err)
		return err;
	s.pos = p.pos;
	if (to_pipe)
		n = pipe_splice_in(pipe, len, nonblock, splice_fill, &s);
	else
		n = pipe_splice_out(pipe, len, nonblock, splice_drain, &s);
	p.pos = s.pos;
	err = user_pos_end(&p, n < 0);
	return err ? err : n;
}

static int64_t splice_skip(void *arg, void *data, size_t len)
{
	(void)arg;
	(void)data;
	return len;
}

/* As tee(2), and what was copied is then taken out of the first pipe. */
static int64_t splice_pipe_pipe(struct file *in, struct file *out, size_t len, bool nonblock)
{
	int64_t n;

	if (file_pipe(in) == file_pipe(out))
		return -LINUX_EINVAL;
	n = pipe_tee(in, out, len, nonblock);
	if (n > 0)
		pipe_splice_out(in, n, true, splice_skip, NULL);
	return n;
}

static bool is_nonblock(struct file *f, unsigned flags)
{
	return flags & LINUX_SPLICE_F_NONBLOCK || atomic_load(&f->flags) & LINUX_O_NONBLOCK;
}

static int64_t do_splice(struct file *in, uaddr_t uin, struct file *out, uaddr_t uout, size_t len, unsigned flags)
{
	struct pipe *ipipe = file_pipe(in), *opipe = file_pipe(out);

	if (!(in->fmode & FMODE_READ) || !(out->fmode & FMODE_WRITE))
		return -LINUX_EBADF;
	if (ipipe && opipe) {
		if (uin || uout)
			return -LINUX_ESPIPE;
		return splice_pipe_pipe(in, out, len, is_nonblock(in, flags) || is_nonblock(out, flags));
	}
	if (ipipe) {
		if (uin)
			return -LINUX_ESPIPE;
		if (uout && !(out->fmode & FMODE_PWRITE))
			return -LINUX_EINVAL;
		if (atomic_load(&out->flags) & LINUX_O_APPEND)
			return -LINUX_EINVAL;
		return splice_file_pipe(out, in, false, uout, len, is_nonblock(in, flags));
	}
	if (opipe) {
		if (uout)
			return -LINUX_ESPIPE;
		if (uin && !(in->fmode & FMODE_PREAD))
			return -LINUX_EINVAL;
		if (LINUX_S_ISDIR(in->inode->mode))
			return -LINUX_EINVAL;
		return splice_file_pipe(in, out, true, uin, len, is_nonblock(out, flags));
	}
	return -LINUX_EINVAL;
}

SYSCALL_DEFINE6(splice, int, in_fd, uaddr_t, uin, int, out_fd, uaddr_t, uout, size_t, len, unsigned, flags)
{
	_cleanup_fput_ struct file *in = NULL;
	_cleanup_fput_ struct file *out = NULL;

	if (!len)
		return 0;
	if (flags & ~SPLICE_F_ALL)
		return -LINUX_EINVAL;
	in = fget(in_fd);
	out = in ? fget(out_fd) : NULL;
	if (!in || !out)
		return -LINUX_EBADF;
	return do_splice(in, uin, out, uout, MIN(len, MAX_RW_COUNT), flags);
}

SYSCALL_DEFINE4(tee, int, in_fd, int, out_fd, size_t, len, unsigned, flags)
{
	_cleanup_fput_ struct file *in = NULL;
	_cleanup_fput_ struct file *out = NULL;

	if (flags & ~SPLICE_F_ALL)
		return -LINUX_EINVAL;
	if (!len)
		return 0;
	in = fget(in_fd);
	out = in ? fget(out_fd) : NULL;
	if (!in || !out || !(in->fmode & FMODE_READ) || !(out->fmode & FMODE_WRITE))
		return -LINUX_EBADF;
	return pipe_tee(in, out, MIN(len, MAX_RW_COUNT), is_nonblock(in, flags) || is_nonblock(out, flags));
}

SYSCALL_DEFINE4(vmsplice, int, fd, uaddr_t, uvec, uint64_t, nr, unsigned, flags)
{
	_cleanup_fput_ struct file *f = NULL;
	struct linux_iovec *storage = NULL;
	struct iov_iter it;
	uint64_t pos = 0;
	int64_t ret;

	if (flags & ~SPLICE_F_ALL)
		return -LINUX_EINVAL;
	f = fget(fd);
	if (!f || !file_pipe(f))
		return -LINUX_EBADF;
	ret = iov_iter_import(&it, uvec, nr, &storage);
	if (ret < 0)
		return ret;
	if (it.count) {
		current_rwf = flags & LINUX_SPLICE_F_NONBLOCK ? LINUX_RWF_NOWAIT : 0;
		ret = f->fmode & FMODE_WRITE ? vfs_write(f, &it, &pos) : vfs_read(f, &it, &pos);
		current_rwf = 0;
	}
	free(storage);
	return ret;
}
