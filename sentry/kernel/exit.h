/* SPDX-License-Identifier: Apache-2.0 */
/* Releasing tasks: what exit.c, wait.c and ptrace.c share.  All with pids_lock held unless marked. */
#ifndef SENTRY_KERNEL_EXIT_H
#define SENTRY_KERNEL_EXIT_H

#include "sentry/base/list.h"

struct task;
struct tgroup;

/*
 * Releases @t, a zombie or a thread that has ended, onto @dead: the tree's reference is put by task_dead_put.  When that leaves
 * only a zombie leader, its parent is told, and it may be released as well.
 */
void task_dead_add_locked(struct list_head *dead, struct task *t);
/* Without pids_lock. */
void task_dead_put(struct list_head *dead);
/* Whether @tg wants no zombies: SIGCHLD ignored, or SA_NOCLDWAIT. */
bool tgroup_ignores_children(struct tgroup *tg);

#endif
