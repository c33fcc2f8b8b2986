/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asynchronous I/O, io_setup(2).  A request is carried out when it is submitted, which is what Linux does too where a file has nothing
 * better to offer (page cache hits, buffered writes, pipes); so its event is there at once and there is nothing to cancel.
 *
 * A context belongs to an address space, which has a table of them.  Its id is, as on Linux, the address of a page of the guest's: the
 * library reads the header of a ring there, and finds one that says "ask the kernel".
 */
#ifndef SENTRY_KERNEL_AIO_H
#define SENTRY_KERNEL_AIO_H

#include "sentry/abi/aio.h"
#include "sentry/base/waitq.h"

/* Arguments and results as of the system calls. */
int64_t aio_setup(unsigned nr, uaddr_t uctx);
int64_t aio_destroy(uint64_t id);
int64_t aio_submit(uint64_t id, int64_t nr, uaddr_t uiocbs);
int64_t aio_cancel(uint64_t id, uaddr_t uiocb);
int64_t aio_getevents(uint64_t id, int64_t min, int64_t nr, uaddr_t uevents, deadline_t deadline);

/* Requests all contexts have room for, for /proc/sys/fs/aio-nr. */
uint64_t aio_nr(void);
#define AIO_MAX_NR 65536

#endif
