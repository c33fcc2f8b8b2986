/* SPDX-License-Identifier: Apache-2.0 */
/*
 * epoll(7).
 */
#ifndef SENTRY_VFS_ANON_EVENTPOLL_H
#define SENTRY_VFS_ANON_EVENTPOLL_H

#include "sentry/abi/poll.h"
#include "vfs/vfs.h"

/* epoll_create1(2): a file with one reference or ERR_PTR. */
struct file *eventpoll_file_new(void);
/* epoll_ctl(2); both files borrowed.  @fd is the descriptor that names @target in this set. */
int eventpoll_ctl(struct file *epf, int op, int fd, struct file *target, const struct linux_epoll_event *ev);
/*
 * Waits for events until @deadline (0: does not wait) and copies up to @max of them to @events.  Their number, 0 at the deadline,
 * -LINUX_EINTR, -LINUX_EFAULT, -LINUX_EINVAL when @epf is no epoll file.
 */
int eventpoll_wait(struct file *epf, uaddr_t events, int max, deadline_t deadline);
/* kcmp(2): the @nth file that @fd was when @epf came to watch it, with a reference; ERR_PTR: -LINUX_EINVAL, -LINUX_ENOENT. */
struct file *eventpoll_target(struct file *epf, int fd, unsigned nth);
/* The last reference to @f went and it is watched: called by fput before ops->release. */
void eventpoll_release_file(struct file *f);

#endif
