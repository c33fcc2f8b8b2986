/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "sentry/mm/mm_internal.h"
#include "sentry/mm/uaccess.h"

void iov_iter_init_user(struct iov_iter *it, uaddr_t buf, size_t len)
{
	memset(it, 0, sizeof(*it));
	it->user = true;
	it->mm = current_mm;
	it->one.base = buf;
	it->one.len = MIN(len, MAX_RW_COUNT);
	it->iov = &it->one;
	it->nr = 1;
	it->count = it->one.len;
}

void iov_iter_init_kernel(struct iov_iter *it, void *buf, size_t len)
{
	memset(it, 0, sizeof(*it));
	it->kbuf = buf;
	it->count = len;
}

int iov_iter_import(struct iov_iter *it, uaddr_t uvec, uint64_t nr, struct linux_iovec **ret_storage)
{
	struct linux_iovec *vec = NULL;
	uint64_t total = 0;
	int err = -LINUX_EFAULT;

	if (nr > LINUX_UIO_MAXIOV)
		return -LINUX_EINVAL;
	if (nr) {
		vec = malloc(nr * sizeof(*vec));
		if (!vec)
			return -LINUX_ENOMEM;
		if (copy_from_user(vec, uvec, nr * sizeof(*vec)))
			goto fail;
	}
	err = -LINUX_EINVAL;
	for (uint64_t i = 0; i < nr; i++)
		if (vec[i].len > INT64_MAX)
			goto fail;
	err = -LINUX_EFAULT;
	for (uint64_t i = 0; i < nr; i++) {
		if (!access_ok(vec[i].base, vec[i].len))
			goto fail;
		vec[i].len = MIN(vec[i].len, MAX_RW_COUNT - total);
		total += vec[i].len;
	}
	memset(it, 0, sizeof(*it));
	it->user = true;
	it->mm = current_mm;
	it->iov = vec;
	it->nr = nr;
	it->count = total;
	*ret_storage = vec;
	return 0;
fail:
	free(vec);
	return err;
}

/* Steps over segments that are done or empty; only while bytes are left, so the array does not end. */
static void next_segment(struct iov_iter *it)
{
	while (it->nr && it->seg_off == it->iov->len) {
		it->iov++;
		it->nr--;
		it->seg_off = 0;
	}
}

void iov_iter_advance(struct iov_iter *it, size_t len)
{
	len = MIN(len, it->count);
	it->count -= len;
	if (!it->user) {
		it->kbuf += len;
		return;
	}
	while (len) {
		size_t n;

		next_segment(it);
		n = MIN(len, it->iov->len - it->seg_off);
		it->seg_off += n;
		len -= n;
	}
}

void iov_iter_revert(struct iov_iter *it, size_t len)
{
	it->count += len;
	if (!it->user) {
		it->kbuf -= len;
		return;
	}
	while (len > it->seg_off) {
		len -= it->seg_off;
		it->iov--;
		it->nr++;
		it->seg_off = it->iov->len;
	}
	it->seg_off -= len;
}

void iov_iter_truncate(struct iov_iter *it, size_t len)
{
	it->count = MIN(it->count, len);
}

enum iter_op { ITER_TO, ITER_FROM, ITER_ZERO };

static size_t iter_segment(struct iov_iter *it, enum iter_op op, char *buf, uaddr_t addr, size_t n)
{
	switch (op) {
	case ITER_TO:
		return mm_copy_to(it->mm, addr, buf, n, false);
	case ITER_FROM:
		return mm_copy_from(it->mm, buf, addr, n, false);
	default:
		return mm_clear(it->mm, addr, n);
	}
}

static size_t iter_kernel(struct iov_iter *it, enum iter_op op, char *buf, size_t len)
{
	if (op == ITER_TO)
		memcpy(it->kbuf, buf, len);
	else if (op == ITER_FROM)
		memcpy(buf, it->kbuf, len);
	else
		memset(it->kbuf, 0, len);
	iov_iter_advance(it, len);
	return len;
}

static size_t iter_copy(struct iov_iter *it, enum iter_op op, char *buf, size_t len)
{
	size_t done = 0, n, got;

	len = MIN(len, it->count);
	if (!len)
		return 0;
	if (!it->user)
		return iter_kernel(it, op, buf, len);
	while (done < len) {
		next_segment(it);
		n = MIN(len - done, it->iov->len - it->seg_off);
		got = iter_segment(it, op, buf ? buf + done : NULL, it->iov->base + it->seg_off, n);
		iov_iter_advance(it, got);
		done += got;
		if (got < n)
			break;
	}
	return done;
}

size_t iov_iter_copy_to(struct iov_iter *it, const void *src, size_t len)
{
	return iter_copy(it, ITER_TO, (char *)src, len);
}

size_t iov_iter_copy_from(struct iov_iter *it, void *dst, size_t len)
{
	return iter_copy(it, ITER_FROM, dst, len);
}

size_t iov_iter_zero(struct iov_iter *it, size_t len)
{
	return iter_copy(it, ITER_ZERO, NULL, len);
}
