/* SPDX-License-Identifier: Apache-2.0 */
/* Whose transfers from and to the image are: what /proc/PID/io, getrusage(2) and io.stat of cgroups show. */
#ifndef SENTRY_VFS_IO_ACCOUNT_H
#define SENTRY_VFS_IO_ACCOUNT_H

#include <stdatomic.h>

#include "sentry/base/types.h"

struct io_counts {
	atomic_ulong rbytes, wbytes, rios, wios;
};

/* The image's st_dev; 0: there is none. */
extern atomic_ulong io_device;
/* The calling thread's task's, set by the kernel; NULL: nobody's. */
extern _Thread_local struct io_counts *current_io;

static inline void io_account_read(size_t len)
{
	if (!current_io)
		return;
	atomic_fetch_add_explicit(&current_io->rbytes, len, memory_order_relaxed);
	atomic_fetch_add_explicit(&current_io->rios, 1, memory_order_relaxed);
}

static inline void io_account_write(size_t len)
{
	if (!current_io)
		return;
	atomic_fetch_add_explicit(&current_io->wbytes, len, memory_order_relaxed);
	atomic_fetch_add_explicit(&current_io->wios, 1, memory_order_relaxed);
}

#endif
