/* SPDX-License-Identifier: Apache-2.0 */
#include "vfs/frame_io.h"

#include <string.h>

#include "platform/host/host.h"
#include "sentry/abi/errno.h"
#include "sentry/base/lock.h"

#define SEGMENTS 64

/*
 * A frame without memory costs a fault and is zeroed by the host when it is read into.  Going through a buffer that stays in the
 * processor's cache is cheaper than that, from some pages on.
 */
#define BUFFER_SIZE (64UL << 10)
#define BUFFER_MIN (4 * PAGE_SIZE)

static struct mutex buffer_lock = MUTEX_INIT;
static char buffer[BUFFER_SIZE]; /* buffer_lock */

/*
 * The longest run of bytes from @start, at most @len, that lies together in the sentry's memory.
 */
static void *run_at(const pfn_t *pfns, size_t start, size_t len, size_t *ret_len)
{
	size_t i = start >> PAGE_SHIFT, off = PAGE_OFFSET(start);
	size_t run = PAGE_SIZE - off;

	for (size_t next = i + 1; run < len && pfns[next] == pfns[next - 1] + 1; next++)
		run += PAGE_SIZE;
	*ret_len = MIN(run, len);
	return (char *)frame_ptr(pfns[i]) + off;
}

static int segments_of(const pfn_t *pfns, size_t start, size_t len, struct iovec *iov, size_t *ret_len)
{
	size_t done = 0, run;
	int nr = 0;

	while (done < len && nr < SEGMENTS) {
		iov[nr].iov_base = run_at(pfns, start + done, len - done, &run);
		iov[nr++].iov_len = run;
		done += run;
	}
	*ret_len = done;
	return nr;
}

/* Puts @len bytes of @src, at most a buffer, into the vector. */
static int fill(const pfn_t *pfns, size_t start, const char *src, size_t len)
{
	size_t run;
	int err = 0;

	for (size_t done = 0; done < len && !err; done += run) {
		run_at(pfns, start + done, len - done, &run);
		err = frames_write(pfns[(start + done) >> PAGE_SHIFT], src + done, run);
	}
	return err;
}

/* As frame_io_pread; may stop anywhere.  @start is a page's. */
static int64_t pread_buffered(int fd, uint64_t off, const pfn_t *pfns, size_t start, size_t len)
{
	size_t done = 0;

	while (done < len && !PAGE_OFFSET(done)) {
		ssize_t n = host_pread(fd, buffer, MIN(len - done, BUFFER_SIZE), off + done);
		int err = n < 0 ? (int)n : fill(pfns, start + done, buffer, n);

		if (err)
			return err;
		if (n == 0)
			break;
		done += n;
	}
	return done;
}

static bool any_fresh(const pfn_t *pfns, size_t start, size_t len)
{
	for (size_t i = start >> PAGE_SHIFT; i < (start + len) >> PAGE_SHIFT; i++)
		if (!frame_is_resident(pfns[i]))
			return true;
	return false;
}

static bool worth_buffering(const pfn_t *pfns, size_t start, size_t len)
{
	return len >= BUFFER_MIN && !PAGE_OFFSET(start) && any_fresh(pfns, start, len);
}

int64_t frame_io_pread(int fd, uint64_t off, const pfn_t *pfns, size_t start, size_t len)
{
	struct iovec iov[SEGMENTS];
	size_t done = 0, part;

	if (worth_buffering(pfns, start, len) && mutex_trylock(&buffer_lock)) {
		int64_t n = pread_buffered(fd, off, pfns, start, len);

		mutex_unlock(&buffer_lock);
		if (n < 0)
			return n;
		done = n;
	}
	while (done < len) {
		int nr = segments_of(pfns, start + done, len - done, iov, &part);
		ssize_t n = host_preadv(fd, iov, nr, off + done);

		if (n < 0)
			return n;
		if (n == 0)
			break;
		done += n;
	}
	return done;
}

int frame_io_pwrite(int fd, uint64_t off, const pfn_t *pfns, size_t start, size_t len)
{
	struct iovec iov[SEGMENTS];
	size_t done = 0, part;

	while (done < len) {
		int nr = segments_of(pfns, start + done, len - done, iov, &part);
		ssize_t n = host_pwritev(fd, iov, nr, off + done);

		if (n < 0)
			return n;
		if (n == 0)
			return -LINUX_EIO;
		done += n;
	}
	return 0;
}

void frame_io_zero(const pfn_t *pfns, size_t start, size_t len)
{
	size_t run;

	for (size_t done = 0; done < len; done += run) {
		void *dst = run_at(pfns, start + done, len - done, &run);

		memset(dst, 0, run);
	}
}

void frame_io_copy(const pfn_t *pfns, size_t start, const void *src, size_t len)
{
	size_t run;

	for (size_t done = 0; done < len; done += run) {
		void *dst = run_at(pfns, start + done, len - done, &run);

		memcpy(dst, (const char *)src + done, run);
	}
}
