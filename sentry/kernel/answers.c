/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that the platform answers for a task (platform_ops.set_answers).
 *
 * Most are values that only the task itself can change, by a call that the sentry serves.  So it is enough to look before the
 * guest is entered.  Its parent, process group and session may be changed by others: whoever does so counts the task's
 * answers.changes up and has the platform drop the answers, in this order, and the task looks at the count after it has set them.
 *
 * The signal mask is changed by the guest without our knowing, but only so that more is blocked than we believe (task.blocked).
 * Who sends a signal goes by what we believe: the task is interrupted, perhaps for nothing, tells its mask at the stop, and the
 * signal stays pending or goes to another thread.  Only what can't be taken back asks for the mask at hand, task_sigmask_locked.
 *
 * Nothing is answered while somebody wants to see the calls, or to decide about them.  A tracer and a filter that another thread
 * sets interrupt the task, and are seen at its next entry.
 */
#include <string.h>

#include "sentry/base/trace.h"
#include "sentry/kernel/jobctl.h"
#include "sentry/kernel/task.h"

#define ANSWERS_OF_ALL                                                                                                 \
	(1U << ANSWER_PID | 1U << ANSWER_TID | 1U << ANSWER_PPID | 1U << ANSWER_PGRP | 1U << ANSWER_PGID |             \
	 1U << ANSWER_SID | 1U << ANSWER_YIELD | 1U << ANSWER_GETCPU | 1U << ANSWER_SIGMASK | 1U << ANSWER_FUTEX)
#define ANSWERS_OF_IDS (1U << ANSWER_UID | 1U << ANSWER_EUID | 1U << ANSWER_GID | 1U << ANSWER_EGID)

static unsigned task_answers(struct task *t, uint64_t *value)
{
	if (trace_on() || t->ptrace || READ_ONCE(t->seccomp_mode) || t->user_dispatch.on)
		return 0;
	value[ANSWER_PID] = (uint64_t)task_tgid(t);
	value[ANSWER_TID] = (uint64_t)task_tid(t);
	value[ANSWER_PPID] = (uint64_t)t->answers.ppid;
	value[ANSWER_PGRP] = value[ANSWER_PGID] = (uint64_t)t->answers.pgrp;
	value[ANSWER_SID] = (uint64_t)t->answers.sid;
	value[ANSWER_SIGMASK] = t->blocked;
	/* The map of another user namespace is written by others, while the task runs. */
	if (t->cred->user_ns != &init_user_ns)
		return ANSWERS_OF_ALL;
	value[ANSWER_UID] = t->cred->uid;
	value[ANSWER_EUID] = t->cred->euid;
	value[ANSWER_GID] = t->cred->gid;
	value[ANSWER_EGID] = t->cred->egid;
	return ANSWERS_OF_ALL | ANSWERS_OF_IDS;
}

/* False when somebody has changed what others can change, meanwhile. */
static bool task_set_answers(struct task *t, unsigned changes)
{
	uint64_t value[NR_PLATFORM_ANSWERS] = { 0 };
	unsigned mask = task_answers(t, value);

	if (likely(t->answers.ctx == t->ctx && t->answers.mask == mask &&
		   !memcmp(t->answers.value, value, sizeof(value))))
		return true;
	t->answers.ctx = NULL;
	t->answers.mask = 0;
	if (!platform->set_answers(t->ctx, mask, value))
		return true;
	t->answers.ctx = t->ctx;
	t->answers.mask = mask;
	memcpy(t->answers.value, value, sizeof(value));
	return atomic_load(&t->answers.changes) == changes;
}

void task_update_answers(struct task *t)
{
	unsigned changes;

	if (!platform->set_answers)
		return;
	do {
		changes = atomic_load_explicit(&t->answers.changes, memory_order_acquire);
		if (unlikely(t->answers.ctx != t->ctx || t->answers.seen != changes)) {
			t->answers.ctx = NULL;
			t->answers.seen = changes;
			t->answers.ppid = task_ppid(t);
			t->answers.pgrp = current_pgrp();
			t->answers.sid = current_session();
		}
	} while (!task_set_answers(t, changes));
}

void task_drop_answers_locked(struct task *t)
{
	mutex_assert_held(&t->tg->siglock);
	if (!platform->set_answers)
		return;
	atomic_fetch_add(&t->answers.changes, 1);
	if (t->ctx)
		platform->drop_answers(t->ctx);
}

void tgroup_drop_answers_locked(struct tgroup *tg)
{
	struct task *t;

	mutex_assert_held(&pids_lock);
	MUTEX_GUARD(&tg->siglock);
	list_for_each_entry(t, &tg->threads, thread_link)
		task_drop_answers_locked(t);
}

/* --- the signal mask --- */

void task_give_sigmask(struct task *t)
{
	if (likely(t->answers.mask & 1U << ANSWER_SIGMASK))
		atomic_store_explicit(&t->answers.sigmask, true, memory_order_release);
}

void task_take_sigmask(struct task *t)
{
	if (!atomic_load_explicit(&t->answers.sigmask, memory_order_relaxed))
		return;
	sigmask_set(platform->answered_sigmask(t->ctx));
	/* From here on the mask is ours.  Just now both were the same. */
	atomic_store_explicit(&t->answers.sigmask, false, memory_order_release);
}

linux_sigset_t task_sigmask_locked(const struct task *t)
{
	mutex_assert_held(&t->tg->siglock);
	if (!atomic_load(&t->answers.sigmask) || !t->ctx)
		return t->blocked;
	return platform->answered_sigmask(t->ctx) & ~SIGMASK_UNBLOCKABLE;
}
