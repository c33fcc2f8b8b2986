/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptor tables.
 *
 * fget takes no lock.  It reads a slot, counts a reference unless the file is already dying, and then looks at the slot and at
 * the table once more: if both are what they were, the file was in that slot while the reference was taken.  If not, the
 * reference may be to a file that took over the storage (files are never freed to malloc, see file.c): it is dropped, and fget
 * starts again.
 *
 *     fget                                    close
 *     f = slot
 *                                             slot = NULL; fput(f): last reference, storage reused by another open
 *     reference on the other file
 *     slot != f: fput, again
 *
 * A table that grows is replaced; the old one stays until the files_struct goes, so that a reader may still look at it.
 * All changes hold files->lock.
 */
#include <stdlib.h>
#include <string.h>

#include "sentry/abi/time.h"
#include "vfs/fasync.h"
#include "vfs/internal.h"

#define NR_OPEN_MAX 1048576 /* fs.nr_open */
#define FD_MIN_SLOTS 64

struct fdtable {
	unsigned nr; /* multiple of 64 */
	struct fdtable *older;
	uint64_t *open, *cloexec; /* bitmaps; lock */
	_Atomic(struct file *) slot[];
};

struct files_struct {
	struct ref ref;
	struct mutex lock;
	_Atomic(struct fdtable *) fdt; /* written under lock */
	unsigned next;		       /* lock; no free descriptor below */
};

_Thread_local struct files_struct *current_files;

/* --- tables --- */

static struct fdtable *fdtable_new(unsigned nr)
{
	size_t words = nr / 64;
	struct fdtable *t = calloc(1, sizeof(*t) + nr * sizeof(t->slot[0]) + 2 * words * sizeof(uint64_t));

	if (!t)
		return NULL;
	t->nr = nr;
	t->open = (uint64_t *)&t->slot[nr];
	t->cloexec = t->open + words;
	return t;
}

static void fdtable_copy(struct fdtable *to, struct fdtable *from, unsigned nr)
{
	for (unsigned fd = 0; fd < nr; fd++)
		atomic_init(&to->slot[fd], atomic_load_explicit(&from->slot[fd], memory_order_relaxed));
	memcpy(to->open, from->open, nr / 8);
	memcpy(to->cloexec, from->cloexec, nr / 8);
}

static struct fdtable *fdt_locked(struct files_struct *files)
{
	return atomic_load_explicit(&files->fdt, memory_order_relaxed);
}

/* Room for descriptor @fd: 0, -LINUX_EMFILE, -LINUX_ENOMEM. */
static int files_grow_locked(struct files_struct *files, unsigned fd)
{
	struct fdtable *old = fdt_locked(files), *t;
	unsigned nr = old->nr;

	if (fd < nr)
		return 0;
	if (fd >= NR_OPEN_MAX)
		return -LINUX_EMFILE;
	while (nr <= fd)
		nr *= 2;
	t = fdtable_new(nr);
	if (!t)
		return -LINUX_ENOMEM;
	fdtable_copy(t, old, old->nr);
	t->older = old;
	atomic_store(&files->fdt, t);
	return 0;
}

static bool bit_test(const uint64_t *map, unsigned i)
{
	return map[i / 64] & BIT(i % 64);
}

static void bit_assign(uint64_t *map, unsigned i, bool on)
{
	if (on)
		map[i / 64] |= BIT(i % 64);
	else
		map[i / 64] &= ~BIT(i % 64);
}

/* The first set (or, with @inverted, clear) bit >= @from, or @nr. */
static unsigned bit_next(const uint64_t *map, unsigned nr, unsigned from, bool inverted)
{
	for (unsigned w = from / 64; w < nr / 64; w++) {
		uint64_t word = inverted ? ~map[w] : map[w];

		if (w == from / 64)
			word &= ~0ULL << (from % 64);
		if (word)
			return w * 64 + __builtin_ctzll(word);
	}
	return nr;
}

/* --- files_struct --- */

struct files_struct *files_new(void)
{
	struct files_struct *files = calloc(1, sizeof(*files));
	struct fdtable *t = fdtable_new(FD_MIN_SLOTS);

	if (!files || !t) {
		free(files);
		free(t);
		return NULL;
	}
	ref_init(&files->ref);
	mutex_init(&files->lock);
	atomic_init(&files->fdt, t);
	return files;
}

struct files_struct *files_copy(struct files_struct *files)
{
	struct files_struct *copy = calloc(1, sizeof(*copy));
	struct fdtable *from, *to;

	if (!copy)
		return ERR_PTR(-LINUX_ENOMEM);
	ref_init(&copy->ref);
	mutex_init(&copy->lock);
	mutex_lock(&files->lock);
	from = fdt_locked(files);
	to = fdtable_new(from->nr);
	if (to) {
		fdtable_copy(to, from, from->nr);
		for (unsigned fd = bit_next(to->open, to->nr, 0, false); fd < to->nr;
		     fd = bit_next(to->open, to->nr, fd + 1, false))
			file_get(atomic_load_explicit(&to->slot[fd], memory_order_relaxed));
		atomic_init(&copy->fdt, to);
		copy->next = files->next;
	}
	mutex_unlock(&files->lock);
	if (!to) {
		mutex_fini(&copy->lock);
		free(copy);
		return ERR_PTR(-LINUX_ENOMEM);
	}
	return copy;
}

bool files_shared(const struct files_struct *files)
{
	return ref_read(&files->ref) > 1;
}

struct files_struct *files_get(struct files_struct *files)
{
	ref_get(&files->ref);
	return files;
}

/* What close(2) does beyond dropping the reference: filp_close. */
static int file_close(struct file *f, struct files_struct *files)
{
	int err = 0;

	if (!(f->fmode & FMODE_PATH)) {
		if (f->ops->flush)
			err = f->ops->flush(f);
		dnotify_flush(f, files);
		locks_remove_posix(f, files);
	}
	fput(f);
	return err;
}

void files_put(struct files_struct *files)
{
	struct fdtable *t, *older;

	if (!ref_put(&files->ref))
		return;
	t = fdt_locked(files);
	for (unsigned fd = bit_next(t->open, t->nr, 0, false); fd < t->nr; fd = bit_next(t->open, t->nr, fd + 1, false))
		file_close(atomic_exchange(&t->slot[fd], NULL), files);
	for (; t; t = older) {
		older = t->older;
		free(t);
	}
	mutex_fini(&files->lock);
	free(files);
}

/* --- looking up --- */

struct file *files_fget(struct files_struct *files, int fd)
{
	for (;;) {
		struct fdtable *t = atomic_load_explicit(&files->fdt, memory_order_acquire);
		struct file *f;

		if ((unsigned)fd >= t->nr)
			return NULL;
		f = atomic_load_explicit(&t->slot[fd], memory_order_acquire);
		if (!f)
			return NULL;
		if (!ref_get_unless_zero(&f->ref))
			continue;
		if (likely(atomic_load(&t->slot[fd]) == f && atomic_load(&files->fdt) == t))
			return f;
		fput(f);
	}
}

struct file *fget_raw(int fd)
{
	return current_files ? files_fget(current_files, fd) : NULL;
}

struct file *fget(int fd)
{
	struct file *f = fget_raw(fd);

	if (f && f->fmode & FMODE_PATH) {
		fput(f);
		return NULL;
	}
	return f;
}

unsigned files_capacity(void)
{
	MUTEX_GUARD(&current_files->lock);

	return atomic_load(&current_files->fdt)->nr;
}

int files_next_fd(struct files_struct *files, int fd)
{
	struct fdtable *t;
	unsigned found;
	MUTEX_GUARD(&files->lock);

	t = fdt_locked(files);
	found = (unsigned)fd < t->nr ? bit_next(t->open, t->nr, fd, false) : t->nr;
	return found < t->nr ? (int)found : -1;
}

/* --- opening --- */

uint64_t files_rlimit_nofile(void)
{
	return MIN(kernel_rlimit(LINUX_RLIMIT_NOFILE), (uint64_t)NR_OPEN_MAX);
}

int fd_install(struct file *f, bool cloexec, int min)
{
	struct files_struct *files = current_files;
	uint64_t limit = files_rlimit_nofile();
	struct fdtable *t;
	unsigned fd;
	int err;
	MUTEX_GUARD(&files->lock);

	t = fdt_locked(files);
	fd = MAX((unsigned)min, files->next);
	fd = fd < t->nr ? bit_next(t->open, t->nr, fd, true) : fd;
	if (fd >= limit)
		return -LINUX_EMFILE;
	err = files_grow_locked(files, fd);
	if (err)
		return err;
	t = fdt_locked(files);
	bit_assign(t->open, fd, true);
	bit_assign(t->cloexec, fd, cloexec);
	if ((unsigned)min <= files->next)
		files->next = fd + 1;
	atomic_store(&t->slot[fd], f);
	return fd;
}

int fd_install_or_put(struct file *f, bool cloexec)
{
	int fd;

	if (IS_ERR(f))
		return (int)PTR_ERR(f);
	fd = fd_install(f, cloexec, 0);
	if (fd < 0)
		fput(f);
	return fd;
}

int fd_dup2(struct file *f, int newfd, bool cloexec)
{
	struct files_struct *files = current_files;
	struct fdtable *t;
	struct file *old;
	int err;

	if (newfd < 0 || (uint64_t)newfd >= files_rlimit_nofile())
		return -LINUX_EBADF;
	mutex_lock(&files->lock);
	err = files_grow_locked(files, newfd);
	if (err) {
		mutex_unlock(&files->lock);
		return err == -LINUX_EMFILE ? -LINUX_EBADF : err;
	}
	t = fdt_locked(files);
	bit_assign(t->open, newfd, true);
	bit_assign(t->cloexec, newfd, cloexec);
	old = atomic_exchange(&t->slot[newfd], file_get(f));
	mutex_unlock(&files->lock);
	if (old)
		file_close(old, files);
	return newfd;
}

/* --- closing --- */

static struct file *fd_take_locked(struct files_struct *files, unsigned fd)
{
	struct fdtable *t = fdt_locked(files);
	struct file *f;

	if (fd >= t->nr)
		return NULL;
	f = atomic_exchange(&t->slot[fd], NULL);
	if (!f)
		return NULL;
	bit_assign(t->open, fd, false);
	bit_assign(t->cloexec, fd, false);
	files->next = MIN(files->next, fd);
	return f;
}

int fd_close(int fd)
{
	struct files_struct *files = current_files;
	struct file *f;

	mutex_lock(&files->lock);
	f = fd_take_locked(files, fd);
	mutex_unlock(&files->lock);
	return f ? file_close(f, files) : -LINUX_EBADF;
}

/* Closes the open descriptors of [first, last]: all, or those marked close-on-exec. */
static void close_marked(struct files_struct *files, unsigned first, unsigned last, bool only_cloexec)
{
	for (unsigned fd = first;; fd++) {
		struct fdtable *t;
		struct file *f = NULL;

		mutex_lock(&files->lock);
		t = fdt_locked(files);
		fd = fd < t->nr ? bit_next(only_cloexec ? t->cloexec : t->open, t->nr, fd, false) : t->nr;
		if (fd >= t->nr || fd > last) {
			mutex_unlock(&files->lock);
			return;
		}
		f = fd_take_locked(files, fd);
		mutex_unlock(&files->lock);
		if (f)
			file_close(f, files);
	}
}

int fd_close_range(unsigned first, unsigned last, bool cloexec_only)
{
	struct files_struct *files = current_files;
	struct fdtable *t;

	if (first > last)
		return -LINUX_EINVAL;
	if (!cloexec_only) {
		close_marked(files, first, last, false);
		return 0;
	}
	MUTEX_GUARD(&files->lock);
	t = fdt_locked(files);
	for (unsigned fd = first; fd < t->nr && fd <= last; fd++)
		bit_assign(t->cloexec, fd, bit_test(t->open, fd));
	return 0;
}

void files_close_on_exec(struct files_struct *files)
{
	close_marked(files, 0, UINT32_MAX, true);
}

int fd_get_cloexec(int fd)
{
	struct files_struct *files = current_files;
	struct fdtable *t;
	MUTEX_GUARD(&files->lock);

	t = fdt_locked(files);
	if ((unsigned)fd >= t->nr || !bit_test(t->open, fd))
		return -LINUX_EBADF;
	return bit_test(t->cloexec, fd);
}

int fd_set_cloexec(int fd, bool on)
{
	struct files_struct *files = current_files;
	struct fdtable *t;
	MUTEX_GUARD(&files->lock);

	t = fdt_locked(files);
	if ((unsigned)fd >= t->nr || !bit_test(t->open, fd))
		return -LINUX_EBADF;
	bit_assign(t->cloexec, fd, on);
	return 0;
}
