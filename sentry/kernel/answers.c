/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that the platform answers for a task (platform_ops.set_answers): those whose value only the task itself can change, by a call
 * that the sentry serves.  So it is enough to look before the guest is entered.
 *
 * Nothing is answered while somebody wants to see the calls, or to decide about them.  A tracer and a filter that another thread
 * sets interrupt the task, and are seen at its next entry.
 */
#include <string.h>

#include "sentry/base/trace.h"
#include "sentry/kernel/task.h"

static unsigned task_answers(struct task *t, uint64_t *value)
{
	if (trace_on() || t->ptrace || t->seccomp_mode)
		return 0;
	value[ANSWER_PID] = (uint64_t)task_tgid(t);
	value[ANSWER_TID] = (uint64_t)task_tid(t);
	/* The map of another user namespace is written by others, while the task runs. */
	if (t->cred->user_ns != &init_user_ns)
		return 1U << ANSWER_PID | 1U << ANSWER_TID;
	value[ANSWER_UID] = t->cred->uid;
	value[ANSWER_EUID] = t->cred->euid;
	value[ANSWER_GID] = t->cred->gid;
	value[ANSWER_EGID] = t->cred->egid;
	return 1U << ANSWER_PID | 1U << ANSWER_TID | 1U << ANSWER_UID | 1U << ANSWER_EUID | 1U << ANSWER_GID |
	       1U << ANSWER_EGID;
}

void task_update_answers(struct task *t)
{
	uint64_t value[NR_PLATFORM_ANSWERS] = { 0 };
	unsigned mask;

	if (!platform->set_answers)
		return;
	mask = task_answers(t, value);
	if (likely(t->answers.ctx == t->ctx && t->answers.mask == mask &&
		   !memcmp(t->answers.value, value, sizeof(value))))
		return;
	t->answers.ctx = t->ctx;
	t->answers.mask = mask;
	memcpy(t->answers.value, value, sizeof(value));
	platform->set_answers(t->ctx, mask, value);
}
