/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is counted per real user id across processes: tasks (RLIMIT_NPROC), queued signals (RLIMIT_SIGPENDING)
 * and POSIX message queues (RLIMIT_MSGQUEUE).
 */
#ifndef SENTRY_KERNEL_USER_H
#define SENTRY_KERNEL_USER_H

#include "sentry/base/list.h"
#include "sentry/base/ref.h"

struct user {
	struct ref ref;
	uint32_t uid; /* immutable */
	struct list_head link; /* users_lock (internal) */
	atomic_long nr_tasks, nr_sigpending, mq_bytes;
};

/* The counters of @uid with a reference, or NULL when out of memory. */
struct user *user_find_get(uint32_t uid);
static inline struct user *user_get(struct user *u)
{
	ref_get(&u->ref);
	return u;
}
void user_put(struct user *u);

#endif
