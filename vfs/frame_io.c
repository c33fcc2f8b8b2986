/* SPDX-License-Identifier: Apache-2.0 */
#include "vfs/frame_io.h"

#include <string.h>

#include "platform/host/host.h"
#include "sentry/abi/errno.h"

#define SEGMENTS 64

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

int64_t frame_io_pread(int fd, uint64_t off, const pfn_t *pfns, size_t start, size_t len)
{
	struct iovec iov[SEGMENTS];
	size_t done = 0, part;

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
