/* SPDX-License-Identifier: Apache-2.0 */
/* Tells those who listen on a connector socket what becomes of processes; nothing while nobody does.  No lock held. */
#ifndef SENTRY_KERNEL_PROC_EVENT_H
#define SENTRY_KERNEL_PROC_EVENT_H

#include "netstack/connector.h"
#include "sentry/kernel/task.h"

void proc_event_send_fork(struct task *child);
/* Of the calling task; @what: LINUX_PROC_EVENT_EXEC, SID, COMM or EXIT. */
void proc_event_send(uint32_t what);
/* task_set_cred() of the calling task, with events about ids that change. */
void task_set_cred_told(struct task *t, const struct cred *cred);

static inline bool proc_event_wanted(void)
{
	return unlikely(atomic_load_explicit(&cn_proc_listeners, memory_order_relaxed));
}
static inline void proc_event_fork(struct task *child)
{
	if (proc_event_wanted())
		proc_event_send_fork(child);
}
static inline void proc_event(uint32_t what)
{
	if (proc_event_wanted())
		proc_event_send(what);
}

#endif
