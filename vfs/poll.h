/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for one of many files: the body of poll(2) and select(2).
 */
#ifndef SENTRY_VFS_POLL_H
#define SENTRY_VFS_POLL_H

#include "sentry/abi/poll.h"
#include "vfs/vfs.h"

struct poll_req {
	struct file *file;   /* reference, dropped by the caller; NULL: no file, `revents` is as the caller set it */
	unsigned events;     /* ERR and HUP are always added */
	unsigned revents;    /* out */
};

/*
 * Waits until a request's file shows one of its events, a request without a file has revents set, or @deadline (0: only looks).
 * The number of requests with revents; 0 at the deadline; -LINUX_ERESTARTSYS for a signal; -LINUX_ENOMEM.
 */
int poll_wait_many(struct poll_req *reqs, unsigned nr, deadline_t deadline);

#endif
