/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the signal in a frame means for the guest.  The host's kernel tells all that can be told: for a page fault the
 * address, the kind of access, and whether something was mapped.
 */
#include <signal.h>
#include <string.h>

#include "platform/systrap/systrap.h"

#define AUDIT_ARCH_X86_64 0xc000003eU

#define TRAP_GP 13
#define TRAP_PF 14

#define PF_PRESENT 1
#define PF_WRITE 2
#define PF_USER 4
#define PF_FETCH 16

#define INT80_GP_ERROR (0x80 << 3 | 2) /* #GP: a reference to the interrupt table */
#define INT80_LENGTH 2

/* siginfo of SIGSYS */
struct sigsys_info {
	uint64_t call_addr;
	int32_t nr;
	uint32_t arch;
};

static void stop_signal(struct platform_stop *stop, int signo, int si_code, uint64_t addr, uint64_t trapno, uint64_t err)
{
	stop->kind = STOP_SIGNAL;
	stop->signo = signo;
	stop->si_code = si_code;
	stop->addr = addr;
	stop->trapno = trapno;
	stop->err = err;
}

static void decode_sys(struct systrap_ctx *ctx, const struct linux_siginfo *info, struct platform_stop *stop)
{
	struct guest_regs *regs = &ctx->ctx.regs;
	struct sigsys_info sys;

	memcpy(&sys, (const char *)info + 16, sizeof(sys));
	if (sys.arch != AUDIT_ARCH_X86_64) {
		/* int $0x80, or a call made in compatibility mode.  As a kernel without IA32 emulation: the gate is not there. */
		regs->rip -= INT80_LENGTH;
		stop_signal(stop, SIGSEGV, SI_KERNEL, 0, TRAP_GP, INT80_GP_ERROR);
		ctx->ctx.regs_dirty = true;
		return;
	}
	/*
	 * The call is not made: the registers are as before it, but for rip, rcx and r11.  So it is with a call of the vsyscall
	 * page, for which the host has already made the return to the caller.
	 */
	stop->kind = STOP_SYSCALL;
	regs->orig_rax = regs->rax = (uint64_t)(int64_t)sys.nr;
}

static void decode_page_fault(const struct linux_siginfo *info, uint64_t err, uint64_t addr, struct platform_stop *stop)
{
	stop->kind = STOP_FAULT;
	stop->addr = addr;
	stop->access = err & PF_FETCH ? ACCESS_EXEC : err & PF_WRITE ? ACCESS_WRITE : ACCESS_READ;
	stop->present = info->si_code == SEGV_ACCERR;
	stop->signo = SIGSEGV;
	stop->si_code = info->si_code;
	stop->trapno = TRAP_PF;
	/* What the page table of a stub lacks yet is no matter of the guest's. */
	stop->err = PF_USER | (stop->present ? PF_PRESENT : 0) | (err & (PF_WRITE | PF_FETCH));
}

void systrap_stop_decode(struct systrap_ctx *ctx, struct platform_stop *stop)
{
	const struct linux_sigcontext *sc = &ctx->frame->uc.uc_mcontext;
	struct linux_siginfo info;
	uint64_t trapno = READ_ONCE(sc->trapno), err = READ_ONCE(sc->err), cr2 = READ_ONCE(sc->cr2);
	uint64_t addr;

	memcpy(&info, &ctx->frame->info, sizeof(info));
	memcpy(&addr, (const char *)&info + 16, sizeof(addr));
	*stop = (struct platform_stop){ .kind = STOP_INTERRUPTED };
	/* Signals that are the guest's own doing have a positive code; what a process sends has not. */
	if (info.si_code <= 0)
		return;
	switch (info.si_signo) {
	case SIGSYS:
		decode_sys(ctx, &info, stop);
		break;
	case SIGSEGV:
		if (info.si_code == SEGV_MAPERR || info.si_code == SEGV_ACCERR)
			decode_page_fault(&info, err, cr2, stop);
		else
			stop_signal(stop, SIGSEGV, info.si_code, info.si_code == SI_KERNEL ? 0 : addr, trapno, err);
		break;
	case SIGBUS:
		if (info.si_code != BUS_MCEERR_AO) /* about memory that this thread did not touch */
			stop_signal(stop, SIGBUS, info.si_code, info.si_code == SI_KERNEL ? 0 : addr, trapno, err);
		break;
	case SIGTRAP:
		stop_signal(stop, SIGTRAP, info.si_code, info.si_code == SI_KERNEL ? 0 : addr, trapno, 0);
		break;
	case SIGFPE:
	case SIGILL:
		stop_signal(stop, info.si_signo, info.si_code, addr, trapno, 0);
		break;
	}
}
