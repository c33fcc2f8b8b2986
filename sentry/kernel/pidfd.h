/* SPDX-License-Identifier: Apache-2.0 */
/* File descriptors that name processes: pidfd_open(2), CLONE_PIDFD. */
#ifndef SENTRY_KERNEL_PIDFD_H
#define SENTRY_KERNEL_PIDFD_H

#include "vfs/vfs.h"

struct pid;

/* A new descriptor (close-on-exec) for @pid (borrowed); @flags: LINUX_O_NONBLOCK or 0.  Or -errno. */
int pidfd_new(struct pid *pid, uint32_t flags);
/* One for the process @tgid of the caller's namespace, or -LINUX_ESRCH and other errors. */
int pidfd_open_tgid(int32_t tgid);
/* The number a descriptor names, with a reference, or ERR_PTR(-LINUX_EBADF). */
/* The number that @f, any file, names (borrowed), or NULL when it isn't such a descriptor. */
struct pid *pidfd_pid(struct file *f);
struct pid *pidfd_get_pid(int fd, uint32_t *ret_flags);
/* The same, or of a process's directory in /proc: pidfd_send_signal(2). */
struct pid *pidfd_get_pid_or_proc(int fd);

#endif
