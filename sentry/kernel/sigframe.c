/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/kernel/sigframe.h"

#include <stdlib.h>
#include <string.h>

#include "platform/xstate.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/uaccess.h"

#define RED_ZONE 128
#define XSTATE_ALIGN 64
#define MAGIC2_SIZE 4

#define EFLAGS_TF 0x100UL
#define EFLAGS_DF 0x400UL
#define EFLAGS_RF 0x10000UL
/* AC OF DF TF SF ZF AF PF CF RF: what a frame may change. */
#define EFLAGS_FIX (0x40000UL | 0x800UL | EFLAGS_DF | EFLAGS_TF | 0x80UL | 0x40UL | 0x10UL | 0x4UL | 0x1UL | EFLAGS_RF)

#define USER_CS 0x33
#define USER_DS 0x2b

static bool altstack_contains(const struct linux_stack *st, uaddr_t sp)
{
	return sp > st->ss_sp && sp - st->ss_sp <= st->ss_size;
}

bool on_sigaltstack(uaddr_t sp)
{
	const struct linux_stack *st = &current->sigaltstack;

	/* With SS_AUTODISARM a handler that runs there has disarmed it: sp says nothing. */
	if ((unsigned)st->ss_flags & LINUX_SS_AUTODISARM)
		return false;
	return st->ss_size && altstack_contains(st, sp);
}

int sigaltstack_set(const struct linux_stack *st)
{
	unsigned mode = (unsigned)st->ss_flags & ~LINUX_SS_AUTODISARM;
	struct task *t = current;

	if (on_sigaltstack(t->ctx->regs.rsp))
		return -LINUX_EPERM;
	if (mode != LINUX_SS_DISABLE && mode != LINUX_SS_ONSTACK && mode != 0)
		return -LINUX_EINVAL;
	if (mode == LINUX_SS_DISABLE) {
		t->sigaltstack = (struct linux_stack){ .ss_flags = st->ss_flags };
		return 0;
	}
	if (st->ss_size < LINUX_MINSIGSTKSZ)
		return -LINUX_ENOMEM;
	t->sigaltstack = *st;
	t->sigaltstack.pad = 0;
	return 0;
}

size_t sigframe_max_size(void)
{
	size_t size = sizeof(struct linux_rt_sigframe) + platform->xstate_size() + MAGIC2_SIZE + XSTATE_ALIGN + 16;

	return ALIGN_UP(size, 16);
}

/* Where frame and extended state go; false when an alternate stack would overflow. */
static bool sigframe_place(const struct linux_sigaction *sa, uaddr_t *ret_frame, uaddr_t *ret_fp)
{
	const struct linux_stack *st = &current->sigaltstack;
	uaddr_t sp = current->ctx->regs.rsp;
	bool nested = on_sigaltstack(sp), entering = false;

	sp -= RED_ZONE;
	if ((sa->flags & LINUX_SA_ONSTACK) && st->ss_size && !on_sigaltstack(sp)) {
		sp = st->ss_sp + st->ss_size;
		entering = true;
	}
	sp = ALIGN_DOWN(sp - platform->xstate_size() - MAGIC2_SIZE, XSTATE_ALIGN);
	*ret_fp = sp;
	sp -= sizeof(struct linux_rt_sigframe);
	sp = ALIGN_DOWN(sp, 16) - 8;
	*ret_frame = sp;
	return !(nested || entering) || altstack_contains(st, sp);
}

static int sigframe_put_xstate(uaddr_t fp)
{
	size_t size = platform->xstate_size();
	uint32_t magic2 = LINUX_FP_XSTATE_MAGIC2;
	void *buf = aligned_alloc(XSTATE_ALIGN, ALIGN_UP(size, XSTATE_ALIGN));
	int err;

	if (!buf)
		return -LINUX_EFAULT;
	err = platform->get_xstate(current->ctx, buf);
	if (!err)
		err = copy_to_user(fp, buf, size);
	if (!err)
		err = copy_to_user(fp + size, &magic2, sizeof(magic2));
	if (!err) {
		/* The handler starts with the state of a new program. */
		xstate_init(buf, size);
		err = platform->set_xstate(current->ctx, buf);
	}
	free(buf);
	return err;
}

static void sigcontext_save(struct linux_sigcontext *sc, const struct guest_regs *r, linux_sigset_t mask, uaddr_t fp)
{
	struct task *t = current;

	*sc = (struct linux_sigcontext){
		.r8 = r->r8, .r9 = r->r9, .r10 = r->r10, .r11 = r->r11,
		.r12 = r->r12, .r13 = r->r13, .r14 = r->r14, .r15 = r->r15,
		.di = r->rdi, .si = r->rsi, .bp = r->rbp, .bx = r->rbx,
		.dx = r->rdx, .ax = r->rax, .cx = r->rcx, .sp = r->rsp,
		.ip = r->rip, .flags = r->eflags, .cs = (uint16_t)r->cs, .ss = (uint16_t)r->ss,
		.err = t->error_code, .trapno = t->trapno, .cr2 = t->cr2,
		.oldmask = mask, .fpstate = fp,
	};
}

int sigframe_setup(const struct linux_sigaction *sa, const struct linux_siginfo *info, linux_sigset_t mask)
{
	struct task *t = current;
	struct guest_regs *r = &t->ctx->regs;
	struct linux_rt_sigframe frame;
	uaddr_t uframe, fp;
	int err;

	if (!sigframe_place(sa, &uframe, &fp) || !(sa->flags & LINUX_SA_RESTORER))
		return -LINUX_EFAULT;
	memset(&frame, 0, sizeof(frame));
	frame.pretcode = sa->restorer;
	frame.uc.uc_flags = LINUX_UC_FP_XSTATE | LINUX_UC_SIGCONTEXT_SS | LINUX_UC_STRICT_RESTORE_SS;
	frame.uc.uc_stack = t->sigaltstack;
	sigcontext_save(&frame.uc.uc_mcontext, r, mask, fp);
	frame.uc.uc_sigmask = mask;
	if (sa->flags & LINUX_SA_SIGINFO)
		frame.info = *info;
	/* Without SA_SIGINFO Linux leaves that part of the stack as it was. */
	err = copy_to_user(uframe, &frame,
			   sa->flags & LINUX_SA_SIGINFO ? sizeof(frame) : offsetof(struct linux_rt_sigframe, info));
	if (!err)
		err = sigframe_put_xstate(fp);
	if (err)
		return -LINUX_EFAULT;
	if ((unsigned)t->sigaltstack.ss_flags & LINUX_SS_AUTODISARM)
		t->sigaltstack = (struct linux_stack){ .ss_flags = LINUX_SS_DISABLE };
	r->rdi = (uint64_t)info->si_signo;
	r->rax = 0;
	r->rsi = uframe + offsetof(struct linux_rt_sigframe, info);
	r->rdx = uframe + offsetof(struct linux_rt_sigframe, uc);
	r->rip = sa->handler;
	r->rsp = uframe;
	r->cs = USER_CS;
	r->ss = USER_DS;
	r->eflags &= ~(EFLAGS_DF | EFLAGS_RF | EFLAGS_TF);
	t->ctx->regs_dirty = true;
	return 0;
}

/* --- rt_sigreturn --- */

/*
 * How much of the state at @fp is the frame's own: all of it, or, when its software bytes don't describe it, the FXSAVE part
 * (a frame made by a program that knows no XSAVE).
 */
static int sigframe_xstate_size(uaddr_t fp, size_t full, size_t *ret_size)
{
	struct linux_fpx_sw_bytes sw;
	uint32_t magic2;

	*ret_size = XSTATE_LEGACY_SIZE;
	if (get_user(&sw, fp + LINUX_FP_SW_OFFSET))
		return -LINUX_EFAULT;
	if (sw.magic1 != LINUX_FP_XSTATE_MAGIC1 || sw.xstate_size < XSTATE_MIN_SIZE || sw.xstate_size > full ||
	    sw.xstate_size > sw.extended_size)
		return 0;
	if (get_user(&magic2, fp + sw.xstate_size))
		return -LINUX_EFAULT;
	if (magic2 == LINUX_FP_XSTATE_MAGIC2)
		*ret_size = sw.xstate_size;
	return 0;
}

static int sigframe_get_xstate(uaddr_t fp)
{
	size_t full = platform->xstate_size(), size;
	char *buf = aligned_alloc(XSTATE_ALIGN, ALIGN_UP(full, XSTATE_ALIGN));
	int err = 0;

	if (!buf)
		return -LINUX_EFAULT;
	xstate_init(buf, full);
	if (fp) {
		err = sigframe_xstate_size(fp, full, &size);
		if (!err)
			err = copy_from_user(buf, fp, size);
		/* Only the legacy part: mark just that as present, the rest has its initial value. */
		if (!err && size == XSTATE_LEGACY_SIZE)
			((struct xstate_header *)(buf + XSTATE_HEADER_OFFSET))->xfeatures =
				XFEATURE_MASK_FP | XFEATURE_MASK_SSE;
	}
	if (!err)
		err = platform->set_xstate(current->ctx, buf);
	free(buf);
	return err ? -LINUX_EFAULT : 0;
}

static int sigcontext_restore(const struct linux_sigcontext *sc)
{
	struct guest_regs *r = &current->ctx->regs;

	/* Only 64-bit code is supported: its segments are the only valid ones. */
	if ((sc->cs | 3) != USER_CS)
		return -LINUX_EFAULT;
	r->r8 = sc->r8;
	r->r9 = sc->r9;
	r->r10 = sc->r10;
	r->r11 = sc->r11;
	r->r12 = sc->r12;
	r->r13 = sc->r13;
	r->r14 = sc->r14;
	r->r15 = sc->r15;
	r->rdi = sc->di;
	r->rsi = sc->si;
	r->rbp = sc->bp;
	r->rbx = sc->bx;
	r->rdx = sc->dx;
	r->rax = sc->ax;
	r->rcx = sc->cx;
	r->rsp = sc->sp;
	r->rip = sc->ip;
	r->cs = USER_CS;
	r->ss = USER_DS;
	r->eflags = (r->eflags & ~EFLAGS_FIX) | (sc->flags & EFLAGS_FIX);
	current->ctx->regs_dirty = true;
	return sigframe_get_xstate(sc->fpstate);
}

int sigframe_restore(void)
{
	uaddr_t uframe = current->ctx->regs.rsp - 8;
	struct linux_ucontext uc;

	/* The restorer popped pretcode.  siginfo isn't looked at. */
	if (get_user(&uc, uframe + offsetof(struct linux_rt_sigframe, uc)))
		return -LINUX_EFAULT;
	sigmask_set(uc.uc_sigmask);
	if (sigcontext_restore(&uc.uc_mcontext))
		return -LINUX_EFAULT;
	/* An error, as on the alternate stack itself, leaves it as it is. */
	sigaltstack_set(&uc.uc_stack);
	return 0;
}
