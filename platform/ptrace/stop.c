/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a stop of the tracee means for the guest.
 *
 * Read or write?  A signal shows the address of a page fault and whether the page was mapped, not the kind of access:
 *
 *     not mapped, the address is rip       fetch: nothing else can fault where the instruction itself is missing
 *     not mapped                           unknown: reported as a read; a write comes again, with the page mapped
 *     mapped, rip is elsewhere             write: whatever is mapped is readable (aspace.c maps nothing unreadable)
 *     mapped, at rip, or at the page       fetch, unless the instruction decodes to a write there; if it does, both may be
 *     behind it that the instruction       the cause, in this order: a fetch is reported first, and a write when the same
 *     reaches into                         fault comes back at once
 */
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "platform/host/host.h"
#include "platform/insn.h"
#include "platform/ptrace/ptrace.h"
#include "sentry/abi/errno.h"

#define AUDIT_ARCH_X86_64 0xc000003eU
#define USER_CS 0x33

#define TRAP_DE 0
#define TRAP_DB 1
#define TRAP_BP 3
#define TRAP_UD 6
#define TRAP_SS 12
#define TRAP_GP 13
#define TRAP_PF 14
#define TRAP_AC 17
#define TRAP_XF 19

#define PF_PRESENT 1
#define PF_WRITE 2
#define PF_USER 4
#define PF_FETCH 16

#define INT80_GP_ERROR (0x80 << 3 | 2) /* #GP: a reference to the interrupt table */
#define INT80_LENGTH 2

static void stop_signal(struct platform_stop *stop, int signo, int si_code, uint64_t addr, unsigned trapno, uint64_t err)
{
	stop->kind = STOP_SIGNAL;
	stop->signo = signo;
	stop->si_code = si_code;
	stop->addr = addr;
	stop->trapno = trapno;
	stop->err = err;
}

/*
 * int $0x80, or a call made in compatibility mode.  The `syscall` instruction leaves rip in rcx and the flags in r11, so what
 * looks so is not asked about; a guest that forges it gets a 64-bit call, which is no more than it could have had.
 */
static bool syscall_is_foreign(pid_t tid, const struct guest_regs *regs)
{
	struct __ptrace_syscall_info info;
	void *size = (void *)sizeof(info);

	if (regs->rcx == regs->rip && regs->r11 == regs->eflags && regs->cs == USER_CS)
		return false;
	memset(&info, 0, sizeof(info));
	if (host_ptrace(PTRACE_GET_SYSCALL_INFO, tid, (uintptr_t)size, &info) < 0)
		return true;
	return info.arch != AUDIT_ARCH_X86_64;
}

static void decode_syscall(struct ptrace_ctx *ctx, struct platform_stop *stop)
{
	struct guest_regs *regs = &ctx->ctx.regs;

	ctx->regs_valid = false;
	regs->rax = regs->orig_rax;
	if (!syscall_is_foreign(ctx->tid, regs)) {
		stop->kind = STOP_SYSCALL;
		return;
	}
	/* As a kernel without IA32 emulation: the gate is not there. */
	regs->orig_rax = ~0ULL;
	regs->rip -= INT80_LENGTH;
	stop_signal(stop, SIGSEGV, SI_KERNEL, 0, TRAP_GP, INT80_GP_ERROR);
}

/* The instruction at rip, as much of it as can be read; its number of bytes. */
static size_t insn_read(struct ptrace_ctx *ctx, uint8_t *buf, size_t len)
{
	ssize_t n = host_process_vm_readv(ctx->pid, ctx->ctx.regs.rip, buf, len);

	return n > 0 ? (size_t)n : 0;
}

static enum platform_access protection_fault_access(struct ptrace_ctx *ctx, uaddr_t addr)
{
	const struct guest_regs *regs = &ctx->ctx.regs;
	uaddr_t again = ctx->exec_fault_rip;
	uint8_t insn[INSN_MAX_LEN];
	size_t len;
	int access;

	ctx->exec_fault_rip = 0;
	if (addr - regs->rip >= INSN_MAX_LEN || (addr != regs->rip && PAGE_OFFSET(addr)))
		return ACCESS_WRITE;
	if (addr != regs->rip) {
		len = insn_read(ctx, insn, addr - regs->rip);
		if (len == addr - regs->rip && platform_insn_length(insn, len) > 0)
			return ACCESS_WRITE; /* complete before the page, so that is not where it was fetched */
	}
	len = insn_read(ctx, insn, sizeof(insn));
	access = len ? platform_decode_access(insn, len, regs, addr) : 0;
	if (access > 0 && access & PLATFORM_WRITE && again == regs->rip)
		return ACCESS_WRITE;
	ctx->exec_fault_rip = regs->rip;
	return ACCESS_EXEC;
}

static void stop_fault(struct platform_stop *stop, const siginfo_t *info, enum platform_access access)
{
	stop->kind = STOP_FAULT;
	stop->addr = (uintptr_t)info->si_addr;
	stop->access = access;
	stop->present = info->si_code == SEGV_ACCERR;
	stop->signo = SIGSEGV;
	stop->si_code = info->si_code;
	stop->trapno = TRAP_PF;
	stop->err = PF_USER | (stop->present ? PF_PRESENT : 0) | (access == ACCESS_WRITE ? PF_WRITE : 0) |
		    (access == ACCESS_EXEC ? PF_FETCH : 0);
}

static void decode_segv(struct ptrace_ctx *ctx, const siginfo_t *info, struct platform_stop *stop)
{
	uaddr_t addr = (uintptr_t)info->si_addr;

	switch (info->si_code) {
	case SEGV_MAPERR:
		stop_fault(stop, info, addr == ctx->ctx.regs.rip ? ACCESS_EXEC : ACCESS_READ);
		return;
	case SEGV_ACCERR:
		stop_fault(stop, info, protection_fault_access(ctx, addr));
		return;
	case SI_KERNEL:
		stop_signal(stop, SIGSEGV, SI_KERNEL, 0, TRAP_GP, 0);
		return;
	default:
		stop_signal(stop, SIGSEGV, info->si_code, addr, TRAP_PF, PF_USER | PF_PRESENT);
	}
}

static void decode_bus(const siginfo_t *info, struct platform_stop *stop)
{
	uaddr_t addr = (uintptr_t)info->si_addr;

	if (info->si_code == BUS_MCEERR_AO) /* about memory that this thread did not touch */
		return;
	if (info->si_code == SI_KERNEL)
		stop_signal(stop, SIGBUS, SI_KERNEL, 0, TRAP_SS, 0);
	else if (info->si_code == BUS_ADRALN)
		stop_signal(stop, SIGBUS, BUS_ADRALN, addr, TRAP_AC, 0);
	else
		stop_signal(stop, SIGBUS, info->si_code, addr, TRAP_PF, PF_USER);
}

/* A call of the vsyscall page: the filter has trapped it, and the host has already made the return to the caller. */
static void decode_sys(struct ptrace_ctx *ctx, const siginfo_t *info, struct platform_stop *stop)
{
	struct guest_regs *regs = &ctx->ctx.regs;

	stop->kind = STOP_SYSCALL;
	regs->orig_rax = regs->rax = (uint64_t)info->si_syscall;
	ctx->regs_valid = false;
}

/* Signals that are the guest's own doing have a positive code; what a process sends has not. */
static void decode_signal(struct ptrace_ctx *ctx, int sig, struct platform_stop *stop)
{
	siginfo_t info;

	if (sig != SIGSEGV && sig != SIGBUS && sig != SIGFPE && sig != SIGILL && sig != SIGTRAP && sig != SIGSYS)
		return;
	if (host_ptrace(PTRACE_GETSIGINFO, ctx->tid, 0, &info) < 0 || info.si_code <= 0)
		return;
	switch (sig) {
	case SIGSEGV:
		decode_segv(ctx, &info, stop);
		break;
	case SIGBUS:
		decode_bus(&info, stop);
		break;
	case SIGFPE:
		stop_signal(stop, sig, info.si_code, (uintptr_t)info.si_addr,
			    info.si_code == FPE_INTDIV ? TRAP_DE : TRAP_XF, 0);
		break;
	case SIGILL:
		stop_signal(stop, sig, info.si_code, (uintptr_t)info.si_addr, TRAP_UD, 0);
		break;
	case SIGTRAP:
		stop_signal(stop, sig, info.si_code, info.si_code == SI_KERNEL ? 0 : (uintptr_t)info.si_addr,
			    info.si_code == SI_KERNEL ? TRAP_BP : TRAP_DB, 0);
		break;
	default:
		decode_sys(ctx, &info, stop);
	}
}

void ptrace_stop_decode(struct ptrace_ctx *ctx, int status, struct platform_stop *stop)
{
	uaddr_t exec_fault_rip = ctx->exec_fault_rip;
	int sig = WSTOPSIG(status);

	*stop = (struct platform_stop){ .kind = STOP_INTERRUPTED };
	if (sig == (SIGTRAP | 0x80))
		decode_syscall(ctx, stop);
	else if (!(status >> 16)) /* no PTRACE_EVENT_* */
		decode_signal(ctx, sig, stop);
	/* Only a fault that comes back at once is the same fault. */
	if (stop->kind != STOP_INTERRUPTED && ctx->exec_fault_rip == exec_fault_rip)
		ctx->exec_fault_rip = 0;
}
