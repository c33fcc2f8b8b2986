/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/kernel/aio.h"

#include <stdlib.h>

#include "sentry/abi/fcntl.h"
#include "sentry/abi/mman.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/vma.h"
#include "vfs/anon/event.h"

struct aio_ctx {
	struct ref ref; /* the table's, and one of each call under way */
	struct list_head link; /* aio_table.lock */
	uint64_t id;
	unsigned asked; /* counted in all_nr */
	unsigned size;
	struct mutex take_lock; /* one taker at a time; held while copying to the guest, outside lock */
	struct mutex lock;
	bool dead;	/* lock: destroyed */
	unsigned head, nr, reserved; /* lock; events, and requests that will become some */
	struct waitq wait;
	struct linux_io_event events[];
};

struct aio_table {
	struct mutex lock;
	struct list_head ctxs; /* lock */
};

static atomic_ulong all_nr;
static struct mutex tables_lock = MUTEX_INIT; /* to make an mm's table */

uint64_t aio_nr(void)
{
	return atomic_load(&all_nr);
}

/* --- contexts --- */

static void ctx_put(struct aio_ctx *ctx)
{
	if (!ref_put(&ctx->ref))
		return;
	atomic_fetch_sub(&all_nr, ctx->asked);
	waitq_fini(&ctx->wait);
	mutex_fini(&ctx->lock);
	mutex_fini(&ctx->take_lock);
	free(ctx);
}

static void ctx_put_cleanup(struct aio_ctx **ctx)
{
	if (*ctx)
		ctx_put(*ctx);
}
#define _cleanup_ctx_ __cleanup(ctx_put_cleanup)

static void table_free(struct aio_table *table)
{
	struct aio_ctx *ctx, *tmp;

	list_for_each_entry_safe(ctx, tmp, &table->ctxs, link)
		ctx_put(ctx);
	mutex_fini(&table->lock);
	free(table);
}

/* The calling process's; NULL when there is none and @make is not set, or no memory. */
static struct aio_table *table_get(bool make)
{
	struct aio_table *table = atomic_load(&current_mm->aio);

	if (table || !make)
		return table;
	MUTEX_GUARD(&tables_lock);
	table = atomic_load(&current_mm->aio);
	if (!table) {
		table = calloc(1, sizeof(*table));
		if (!table)
			return NULL;
		mutex_init(&table->lock);
		list_init(&table->ctxs);
		WRITE_ONCE(mm_aio_free, table_free);
		atomic_store(&current_mm->aio, table);
	}
	return table;
}

/* With a reference, or NULL. */
static struct aio_ctx *ctx_find(uint64_t id)
{
	struct aio_table *table = table_get(false);
	struct aio_ctx *ctx;

	if (!table)
		return NULL;
	MUTEX_GUARD(&table->lock);
	list_for_each_entry(ctx, &table->ctxs, link)
		if (ctx->id == id) {
			ref_get(&ctx->ref);
			return ctx;
		}
	return NULL;
}

static struct aio_ctx *ctx_new(unsigned asked)
{
	/* Linux rounds up to whole pages of a ring, and keeps some for each processor. */
	unsigned size = MAX(asked, 8U) * 2 + 2;
	struct aio_ctx *ctx;

	if (atomic_fetch_add(&all_nr, asked) + asked > AIO_MAX_NR) {
		atomic_fetch_sub(&all_nr, asked);
		return ERR_PTR(-LINUX_EAGAIN);
	}
	ctx = calloc(1, sizeof(*ctx) + size * sizeof(ctx->events[0]));
	if (!ctx) {
		atomic_fetch_sub(&all_nr, asked);
		return ERR_PTR(-LINUX_ENOMEM);
	}
	ref_init(&ctx->ref);
	mutex_init(&ctx->lock);
	mutex_init(&ctx->take_lock);
	waitq_init(&ctx->wait);
	ctx->asked = asked;
	ctx->size = size;
	return ctx;
}

/* A page of zeros in the guest, which is no ring by its first word. */
static int64_t ring_map(void)
{
	const struct mmap_args a = {
		.len = PAGE_SIZE,
		.prot = LINUX_PROT_READ | LINUX_PROT_WRITE,
		.flags = LINUX_MAP_PRIVATE | LINUX_MAP_ANONYMOUS,
		.vm_flags = VM_DONTFORK,
		.name = "/[aio] (deleted)",
	};

	return mm_mmap(current_mm, &a);
}

int64_t aio_setup(unsigned nr, uaddr_t uctx)
{
	struct aio_table *table;
	struct aio_ctx *ctx;
	uint64_t old;
	int64_t id;

	if (get_user(&old, uctx))
		return -LINUX_EFAULT;
	if (old || !nr || nr > INT32_MAX / sizeof(struct linux_io_event))
		return -LINUX_EINVAL;
	if (nr > AIO_MAX_NR)
		return -LINUX_EAGAIN;
	table = table_get(true);
	ctx = table ? ctx_new(nr) : ERR_PTR(-LINUX_ENOMEM);
	if (IS_ERR(ctx))
		return PTR_ERR(ctx);
	id = ring_map();
	if (id < 0) {
		ctx_put(ctx);
		return id;
	}
	ctx->id = (uint64_t)id;
	mutex_lock(&table->lock);
	list_add_tail(&ctx->link, &table->ctxs);
	mutex_unlock(&table->lock);
	if (put_user(ctx->id, uctx, uint64_t)) {
		aio_destroy((uint64_t)id);
		return -LINUX_EFAULT;
	}
	return 0;
}

int64_t aio_destroy(uint64_t id)
{
	_cleanup_ctx_ struct aio_ctx *ctx = ctx_find(id);
	struct aio_table *table = table_get(false);
	bool mine;

	if (!ctx)
		return -LINUX_EINVAL;
	mutex_lock(&table->lock);
	mine = !ctx->dead;
	mutex_lock(&ctx->lock);
	ctx->dead = true;
	mutex_unlock(&ctx->lock);
	if (mine)
		list_del(&ctx->link);
	mutex_unlock(&table->lock);
	if (!mine)
		return -LINUX_EINVAL;
	waitq_wake(&ctx->wait, 0);
	mm_munmap(current_mm, id, PAGE_SIZE);
	ctx_put(ctx);
	return 0;
}

/* --- requests --- */

static int64_t request_rw(struct file *f, const struct linux_iocb *cb, bool write, bool vector)
{
	struct linux_iovec *storage = NULL;
	uint64_t pos = (uint64_t)cb->aio_offset;
	struct iov_iter it;
	int64_t ret;

	if (!(f->fmode & (write ? FMODE_WRITE : FMODE_READ)))
		return -LINUX_EBADF;
	if (!(write ? (void *)f->ops->write : (void *)f->ops->read))
		return -LINUX_EINVAL;
	if (vector) {
		ret = iov_iter_import(&it, cb->aio_buf, cb->aio_nbytes, &storage);
		if (ret < 0)
			return ret;
	} else {
		if (!access_ok(cb->aio_buf, cb->aio_nbytes))
			return -LINUX_EFAULT;
		iov_iter_init_user(&it, cb->aio_buf, cb->aio_nbytes);
	}
	current_rwf = cb->aio_rw_flags;
	ret = cb->aio_offset < 0 && !(f->fmode & FMODE_STREAM) ? -LINUX_EINVAL :
	      write						? vfs_write(f, &it, &pos) :
								  vfs_read(f, &it, &pos);
	current_rwf = 0;
	free(storage);
	/* There is nobody to start it again. */
	return ret == -LINUX_ERESTARTSYS || ret == -LINUX_ERESTARTNOINTR || ret == -LINUX_ERESTARTNOHAND ? -LINUX_EINTR : ret;
}

static int64_t request_fsync(struct file *f, const struct linux_iocb *cb, bool datasync)
{
	if (cb->aio_buf || cb->aio_offset || cb->aio_nbytes || cb->aio_rw_flags || !f->ops->fsync)
		return -LINUX_EINVAL;
	return vfs_fsync(f, datasync);
}

/* *ret_event: what the request came to.  An error is one of submission: there is no event then. */
static int request_run(struct file *f, const struct linux_iocb *cb, int64_t *ret_event)
{
	bool write = cb->aio_lio_opcode == LINUX_IOCB_CMD_PWRITE || cb->aio_lio_opcode == LINUX_IOCB_CMD_PWRITEV;

	switch (cb->aio_lio_opcode) {
	case LINUX_IOCB_CMD_PREAD:
	case LINUX_IOCB_CMD_PWRITE:
	case LINUX_IOCB_CMD_PREADV:
	case LINUX_IOCB_CMD_PWRITEV:
		if (cb->aio_rw_flags & ~LINUX_RWF_SUPPORTED)
			return -LINUX_EOPNOTSUPP;
		*ret_event = request_rw(f, cb, write, cb->aio_lio_opcode >= LINUX_IOCB_CMD_PREADV);
		/* What is wrong with the file or the addresses is told at once. */
		return *ret_event == -LINUX_EBADF || (*ret_event == -LINUX_EINVAL && cb->aio_offset >= 0) ||
				       (*ret_event == -LINUX_EFAULT && !access_ok(cb->aio_buf, cb->aio_nbytes)) ?
			       (int)*ret_event : 0;
	case LINUX_IOCB_CMD_FSYNC:
	case LINUX_IOCB_CMD_FDSYNC:
		*ret_event = request_fsync(f, cb, cb->aio_lio_opcode == LINUX_IOCB_CMD_FDSYNC);
		return *ret_event == -LINUX_EINVAL ? -LINUX_EINVAL : 0;
	default:
		return -LINUX_EINVAL;
	}
}

static void event_add(struct aio_ctx *ctx, const struct linux_iocb *cb, uaddr_t uiocb, int64_t res)
{
	struct linux_io_event ev = { cb->aio_data, uiocb, res, 0 };

	mutex_lock(&ctx->lock);
	ctx->events[(ctx->head + ctx->nr++) % ctx->size] = ev;
	ctx->reserved--;
	mutex_unlock(&ctx->lock);
	waitq_wake(&ctx->wait, 0);
}

static int iocb_check(const struct linux_iocb *cb)
{
	if (cb->aio_reserved2)
		return -LINUX_EINVAL;
	return (int64_t)cb->aio_nbytes < 0 ? -LINUX_EINVAL : 0;
}

/* The request in a place that is reserved for its event. */
static int submit_reserved(struct aio_ctx *ctx, const struct linux_iocb *cb, uaddr_t uiocb)
{
	_cleanup_fput_ struct file *f = fget((int)cb->aio_fildes), *resfd = NULL;
	int64_t res;
	int err;

	if (!f)
		return -LINUX_EBADF;
	if (cb->aio_flags & LINUX_IOCB_FLAG_RESFD) {
		resfd = fget((int)cb->aio_resfd);
		if (!resfd)
			return -LINUX_EBADF;
		if (!file_is_eventfd(resfd))
			return -LINUX_EINVAL;
	}
	if (put_user(0, uiocb + offsetof(struct linux_iocb, aio_key), uint32_t))
		return -LINUX_EFAULT;
	err = request_run(f, cb, &res);
	if (err)
		return err;
	event_add(ctx, cb, uiocb, res);
	if (resfd)
		eventfd_signal(resfd, 1);
	return 0;
}

static int submit_one(struct aio_ctx *ctx, uaddr_t uiocb)
{
	struct linux_iocb cb;
	int err;

	if (get_user(&cb, uiocb))
		return -LINUX_EFAULT;
	err = iocb_check(&cb);
	if (err)
		return err;
	mutex_lock(&ctx->lock);
	if (ctx->nr + ctx->reserved < ctx->size)
		ctx->reserved++;
	else
		err = -LINUX_EAGAIN;
	mutex_unlock(&ctx->lock);
	if (err)
		return err;
	err = submit_reserved(ctx, &cb, uiocb);
	if (err) {
		mutex_lock(&ctx->lock);
		ctx->reserved--;
		mutex_unlock(&ctx->lock);
	}
	return err;
}

int64_t aio_submit(uint64_t id, int64_t nr, uaddr_t uiocbs)
{
	_cleanup_ctx_ struct aio_ctx *ctx = NULL;
	int64_t i;
	int err = 0;

	if (nr < 0)
		return -LINUX_EINVAL;
	ctx = ctx_find(id);
	if (!ctx)
		return -LINUX_EINVAL;
	nr = MIN(nr, (int64_t)ctx->size);
	for (i = 0; i < nr && !err; i++) {
		uint64_t uiocb;

		err = get_user(&uiocb, uiocbs + (uaddr_t)i * sizeof(uiocb)) ? -LINUX_EFAULT : submit_one(ctx, uiocb);
		if (err)
			break;
	}
	return i ? i : err;
}

int64_t aio_cancel(uint64_t id, uaddr_t uiocb)
{
	_cleanup_ctx_ struct aio_ctx *ctx = NULL;
	uint32_t key;

	if (get_user(&key, uiocb + offsetof(struct linux_iocb, aio_key)))
		return -LINUX_EFAULT;
	if (key)
		return -LINUX_EINVAL;
	ctx = ctx_find(id);
	/* Whatever was submitted is done. */
	return -LINUX_EINVAL;
}

/* --- events --- */

/* Copies out up to @nr; their number or -LINUX_EFAULT. */
static int64_t events_take(struct aio_ctx *ctx, uaddr_t uevents, int64_t nr)
{
	struct linux_io_event ev;
	int64_t n = 0;
	bool some;

	MUTEX_GUARD(&ctx->take_lock);
	while (n < nr) {
		mutex_lock(&ctx->lock);
		some = ctx->nr;
		ev = ctx->events[ctx->head];
		mutex_unlock(&ctx->lock);
		if (!some)
			break;
		/* One that can't be delivered stays. */
		if (copy_to_user(uevents + (uaddr_t)n * sizeof(ev), &ev, sizeof(ev)))
			return n ? n : -LINUX_EFAULT;
		mutex_lock(&ctx->lock);
		ctx->head = (ctx->head + 1) % ctx->size;
		ctx->nr--;
		mutex_unlock(&ctx->lock);
		n++;
	}
	return n;
}

int64_t aio_getevents(uint64_t id, int64_t min, int64_t nr, uaddr_t uevents, deadline_t deadline)
{
	_cleanup_ctx_ struct aio_ctx *ctx = ctx_find(id);
	int64_t done = 0, n;
	int err;

	if (!ctx || min > nr || min < 0)
		return -LINUX_EINVAL;
	for (;;) {
		n = events_take(ctx, uevents + (uaddr_t)done * sizeof(struct linux_io_event), nr - done);
		if (n < 0)
			return done ? done : n;
		done += n;
		if (done >= min || !deadline)
			return done;
		mutex_lock(&ctx->lock);
		err = waitq_wait_locked(&ctx->wait, &ctx->lock, ctx->nr || ctx->dead, SLEEP_INTERRUPTIBLE, deadline);
		if (!err && ctx->dead && !ctx->nr)
			err = -LINUX_EINVAL;
		mutex_unlock(&ctx->lock);
		if (err)
			return done ? done : err == -LINUX_ETIMEDOUT ? 0 : err == -LINUX_ERESTARTSYS ? -LINUX_EINTR : err;
	}
}
