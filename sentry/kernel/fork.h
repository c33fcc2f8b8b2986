/* SPDX-License-Identifier: Apache-2.0 */
/* What clone shares with unshare(2), setns(2) and the process syscalls. */
#ifndef SENTRY_KERNEL_FORK_H
#define SENTRY_KERNEL_FORK_H

#include "sentry/base/types.h"

struct tgroup;
struct pid;

#define CPU_MASK_SIZE 128 /* bytes of task->cpus_allowed: 1024 processors */

/* Tasks ever made: /proc/stat's "processes". */
uint64_t fork_count(void);

/* Moves @tg; pids_lock held. */
void tgroup_set_pgrp_locked(struct tgroup *tg, struct pid *pgrp);
void tgroup_set_session_locked(struct tgroup *tg, struct pid *session);

#endif
