/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signalfd(2).
 */
#ifndef SENTRY_KERNEL_SIGNALFD_H
#define SENTRY_KERNEL_SIGNALFD_H

#include "sentry/kernel/task.h"

/* A new file that reads the signals of @mask, or ERR_PTR. */
struct file *signalfd_file_new(linux_sigset_t mask, unsigned flags);
/* Changes what @f reads; -LINUX_EINVAL when it is no signalfd. */
int signalfd_set_mask(struct file *f, linux_sigset_t mask);

#endif
