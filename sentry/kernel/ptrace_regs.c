/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/kernel/ptrace_regs.h"

#include <string.h>

#include "platform/xstate.h"
#include "sentry/abi/errno.h"
#include "sentry/kernel/ptrace.h"
#include "sentry/kernel/task.h"

#define USER_CS 0x33
#define USER_DS 0x2b
/* AC OF DF TF SF ZF AF PF CF RF NT: what a tracer may change. */
#define EFLAGS_USER 0x54dd5UL
#define EFLAGS_TF 0x100UL
#define EFLAGS_IF 0x200UL

/* With siglock a stopped task stays stopped, or its context at least stays. */
static bool is_stopped_locked(struct task *t)
{
	mutex_assert_held(&t->tg->siglock);
	return (t->jobctl & JOBCTL_TRACED) && t->ctx;
}

int ptrace_get_regs(struct task *t, struct guest_regs *ret)
{
	MUTEX_GUARD(&t->tg->siglock);
	if (!is_stopped_locked(t))
		return -LINUX_ESRCH;
	*ret = t->ctx->regs;
	ret->orig_rax = t->in_syscall ? t->syscall_nr : UINT64_MAX;
	return 0;
}

static int check_regs(const struct guest_regs *r)
{
	if (r->cs != USER_CS || r->ss != USER_DS)
		return -LINUX_EIO;
	if (r->fs_base >= TASK_SIZE_MAX || r->gs_base >= TASK_SIZE_MAX)
		return -LINUX_EIO;
	return 0;
}

int ptrace_set_regs(struct task *t, const struct guest_regs *regs)
{
	struct guest_regs *r;
	int err = check_regs(regs);

	if (err)
		return err;
	MUTEX_GUARD(&t->tg->siglock);
	if (!is_stopped_locked(t))
		return -LINUX_ESRCH;
	r = &t->ctx->regs;
	*r = *regs;
	r->eflags = (regs->eflags & EFLAGS_USER) | EFLAGS_IF | 2;
	/* -1: what was interrupted isn't made again, wherever the task goes on. */
	t->in_syscall = t->in_syscall && (int32_t)regs->orig_rax != -1;
	if (t->in_syscall)
		t->syscall_nr = (uint32_t)regs->orig_rax;
	t->ctx->regs_dirty = true;
	return 0;
}

static int get_xstate(struct task *t, void *buf)
{
	return platform->get_xstate(t->ctx, buf);
}

static int set_xstate(struct task *t, void *buf)
{
	return platform->set_xstate(t->ctx, buf);
}

int ptrace_get_xstate(struct task *t, void *buf)
{
	struct xstate_sw_bytes *sw = (struct xstate_sw_bytes *)((char *)buf + XSTATE_SW_OFFSET);
	uint64_t features;
	int err = ptrace_run_in(t, get_xstate, buf);

	if (err)
		return err;
	features = sw->xfeatures;
	memset(sw, 0, sizeof(*sw));
	memcpy(sw, &features, sizeof(features));
	return 0;
}

int ptrace_set_xstate(struct task *t, const void *buf)
{
	return ptrace_run_in(t, set_xstate, (void *)buf);
}
