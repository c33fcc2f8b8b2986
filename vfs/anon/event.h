/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Event files: eventfd(2), timerfd_create(2).
 */
#ifndef SENTRY_VFS_ANON_EVENT_H
#define SENTRY_VFS_ANON_EVENT_H

#include "sentry/abi/time.h"
#include "vfs/vfs.h"

#define LINUX_EFD_SEMAPHORE 1
#define LINUX_TFD_TIMER_ABSTIME 1
#define LINUX_TFD_TIMER_CANCEL_ON_SET 2

/* A new file or ERR_PTR.  @flags: the syscall's, checked; of them O_NONBLOCK goes to the file, O_CLOEXEC is the caller's. */
struct file *eventfd_file_new(uint32_t count, unsigned flags);
struct file *timerfd_file_new(int clockid, unsigned flags);

bool file_is_eventfd(const struct file *f);
/* Adds @n to the counter of an eventfd, or as much as it takes. */
void eventfd_signal(struct file *f, uint64_t n);
bool timerfd_args_valid(unsigned flags, const struct linux_itimerspec *its);
/* -LINUX_EINVAL when @f is no timerfd.  @ret_old may be NULL; it is filled only on success. */
int timerfd_settime(struct file *f, unsigned flags, const struct linux_itimerspec *its, struct linux_itimerspec *ret_old);
int timerfd_gettime(struct file *f, struct linux_itimerspec *ret);

#endif
