/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for the host's descriptors from guest tasks.  A task sleeps on a waitq, where signals reach it; one service
 * thread, started at the first need, sleeps in the host's poll and wakes the queues.
 *
 * An interest is armed, fires once, and must be armed again: a descriptor that stays ready while nobody asks costs nothing.
 *
 *     reader                                   service thread
 *     try: -EAGAIN
 *     hostpoll_wait: ready &= ~IN, arm IN  -->  poll says IN: armed &= ~IN, ready |= IN, waitq_wake
 *     try again                            <--
 */
#ifndef SENTRY_VFS_DEV_HOSTPOLL_H
#define SENTRY_VFS_DEV_HOSTPOLL_H

#include "sentry/abi/poll.h"
#include "sentry/base/waitq.h"

struct hostpoll {
	int fd;
	struct waitq wait;	   /* woken with the event bits */
	atomic_uint armed, ready; /* LINUX_EPOLL* */
};

/* @fd and @h are borrowed until hostpoll_fini.  0, or -LINUX_EMFILE when there are too many. */
int hostpoll_init(struct hostpoll *h, int fd);
/* Nobody waits for it any more.  @fd may be closed then.  May sleep for a moment; not from a wake function. */
void hostpoll_fini(struct hostpoll *h);
/* The events of @events (and ERR, HUP) that the host shows now. */
unsigned hostpoll_now(struct hostpoll *h, unsigned events);
/* Wakes h->wait when one of @events comes. */
void hostpoll_arm(struct hostpoll *h, unsigned events);
/*
 * Sleeps until one of @events comes: 0, -LINUX_ETIMEDOUT, -LINUX_ERESTARTSYS, -LINUX_EAGAIN when the service thread can't be
 * had.
 */
int hostpoll_wait(struct hostpoll *h, unsigned events, deadline_t deadline);

#endif
