/* SPDX-License-Identifier: Apache-2.0 */
/* Stops, process groups, sessions, terminals: what the files of the kernel share. */
#ifndef SENTRY_KERNEL_JOBCTL_H
#define SENTRY_KERNEL_JOBCTL_H

#include "sentry/base/list.h"

struct task;
struct tgroup;

/* Both: siglock held.  See signal_deliver.c. */
bool jobctl_set_pending(struct task *t, unsigned mask);
bool jobctl_participate(struct task *t);

/* setpgid(2), setsid(2), getpgid(2), getsid(2): the result or -errno. */
int do_setpgid(int pid, int pgid);
int do_setsid(void);
int do_getpgid(int pid);
int do_getsid(int pid);

#endif
