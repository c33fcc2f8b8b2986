/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of a process that are about its memory at any address: mem, and pagemap, with 64 bits a page as
 * Documentation/admin-guide/mm/pagemap.rst has it.
 */
#include <stdlib.h>

#include "sentry/abi/fcntl.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/mm.h"
#include "vfs/proc/proc.h"

#define PM_SOFT_DIRTY (1ULL << 55) /* always: nobody can have cleared it */
#define PM_EXCLUSIVE (1ULL << 56)
#define PM_FILE (1ULL << 61)
#define PM_PRESENT (1ULL << 63)

#define BATCH 512

/* As Linux: private_data is the address space at open, though the process may exec; NULL without one. */
static int mm_file_open(struct inode *inode, struct file *f, bool attach)
{
	struct task *t _cleanup_task_ = proc_task_get(PROC_I(inode));

	if (!t)
		return -LINUX_ESRCH;
	if (!task_may_access(t, attach))
		return -LINUX_EACCES;
	f->private_data = task_mm_get(t);
	f->fmode |= FMODE_LSEEK | FMODE_PREAD;
	return 0;
}

static void mm_file_release(struct file *f)
{
	if (f->private_data)
		mm_put(f->private_data);
}

/* As mem_lseek() in Linux: addresses of the upper half are positions too. */
static int64_t mm_file_llseek(struct file *f, int64_t off, int whence)
{
	if (whence == LINUX_SEEK_CUR)
		off += (int64_t)f->pos;
	else if (whence != LINUX_SEEK_SET)
		return -LINUX_EINVAL;
	f->pos = off;
	return off;
}

/* --- pagemap --- */

static int pagemap_open(struct inode *inode, struct file *f)
{
	return mm_file_open(inode, f, false);
}

/* @vec[i] for page i: what mm told of it into what the file shows.  Frame numbers are nobody's business: 0. */
static void pagemap_fill(struct mm *mm, uaddr_t addr, unsigned nr, uint64_t *vec)
{
	uint8_t state[BATCH];

	mm_page_states(mm, addr, nr, state);
	for (unsigned i = 0; i < nr; i++) {
		vec[i] = state[i] & MM_PAGE_MAPPED ? PM_SOFT_DIRTY : 0;
		if (state[i] & MM_PAGE_PRESENT)
			vec[i] |= PM_PRESENT;
		if (state[i] & MM_PAGE_FILE)
			vec[i] |= PM_FILE;
		if (state[i] & MM_PAGE_EXCLUSIVE)
			vec[i] |= PM_EXCLUSIVE;
	}
}

static int64_t pagemap_read(struct file *f, struct iov_iter *to, uint64_t *pos)
{
	const uint64_t pages = GUEST_TASK_SIZE >> PAGE_SHIFT;
	uint64_t vec[BATCH];
	int64_t done = 0;

	if (*pos % sizeof(*vec) || to->count % sizeof(*vec))
		return -LINUX_EINVAL;
	while (f->private_data && to->count && *pos / sizeof(*vec) < pages && !kernel_signal_killed()) {
		uint64_t page = *pos / sizeof(*vec);
		unsigned nr = MIN(MIN(to->count / sizeof(*vec), pages - page), (uint64_t)BATCH);
		size_t n;

		pagemap_fill(f->private_data, page << PAGE_SHIFT, nr, vec);
		n = iov_iter_copy_to(to, vec, nr * sizeof(*vec));
		done += (int64_t)n;
		*pos += n;
		if (n < nr * sizeof(*vec))
			return done ? done : -LINUX_EFAULT;
	}
	return done;
}

const struct file_ops proc_pagemap_fops = {
	.open = pagemap_open, .release = mm_file_release, .read = pagemap_read, .llseek = mm_file_llseek };

/* --- mem --- */

static int mem_open(struct inode *inode, struct file *f)
{
	int err = mm_file_open(inode, f, true);

	if (!err)
		f->fmode |= FMODE_PWRITE;
	return err;
}

static int64_t mem_rw(struct file *f, struct iov_iter *it, uint64_t *pos, bool write)
{
	char *buf = malloc(PAGE_SIZE);
	int64_t done = 0;

	if (!buf)
		return -LINUX_ENOMEM;
	while (it->count && f->private_data) {
		size_t want = MIN(it->count, PAGE_SIZE), n;

		if (write) {
			n = iov_iter_copy_from(it, buf, want);
			n = n ? mm_copy_to(f->private_data, *pos, buf, n, true) : 0;
		} else {
			n = mm_copy_from(f->private_data, buf, *pos, want, true);
			if (n)
				n = iov_iter_copy_to(it, buf, n);
		}
		if (!n) {
			done = done ? done : -LINUX_EIO;
			break;
		}
		done += n;
		*pos += n;
		if (n < want)
			break;
	}
	free(buf);
	return done;
}

static int64_t mem_read(struct file *f, struct iov_iter *to, uint64_t *pos)
{
	return mem_rw(f, to, pos, false);
}

static int64_t mem_write(struct file *f, struct iov_iter *from, uint64_t *pos)
{
	return mem_rw(f, from, pos, true);
}

const struct file_ops proc_mem_fops = {
	.open = mem_open, .release = mm_file_release, .read = mem_read, .write = mem_write, .llseek = mm_file_llseek };
