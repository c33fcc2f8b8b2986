/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/kernel/crash.h"

#include <inttypes.h>
#include <string.h>

#include "sentry/base/log.h"
#include "sentry/kernel/task.h"
#include "sentry/sys/syscall.h"

static bool signal_has_address(const struct linux_siginfo *info)
{
	return info->si_code > 0 && info->si_code < LINUX_SI_KERNEL && sig_in(SIGMASK_SYNCHRONOUS, info->si_signo);
}

static void report_signal(struct task *t, const struct linux_siginfo *info)
{
	if (signal_has_address(info))
		log_info("process %d (%s), thread %d: %s, code %d, address %#" PRIx64, task_tgid(t), t->comm, task_tid(t),
			 signal_name(info->si_signo), info->si_code, info->fault.addr);
	else
		log_info("process %d (%s), thread %d: %s, code %d", task_tgid(t), t->comm, task_tid(t),
			 signal_name(info->si_signo), info->si_code);
}

static void report_registers(const struct guest_regs *r)
{
	log_info("  rip %016" PRIx64 " rsp %016" PRIx64 " rbp %016" PRIx64 " flags %08" PRIx64, r->rip, r->rsp, r->rbp,
		 r->eflags);
	log_info("  rax %016" PRIx64 " rbx %016" PRIx64 " rcx %016" PRIx64 " rdx %016" PRIx64, r->rax, r->rbx, r->rcx,
		 r->rdx);
	log_info("  rsi %016" PRIx64 " rdi %016" PRIx64 " r8  %016" PRIx64 " r9  %016" PRIx64, r->rsi, r->rdi, r->r8, r->r9);
	log_info("  r10 %016" PRIx64 " r11 %016" PRIx64 " r12 %016" PRIx64 " r13 %016" PRIx64, r->r10, r->r11, r->r12,
		 r->r13);
	log_info("  r14 %016" PRIx64 " r15 %016" PRIx64 " fs  %016" PRIx64 " gs  %016" PRIx64, r->r14, r->r15, r->fs_base,
		 r->gs_base);
}

static void report_vma(struct task *t, const char *what, uaddr_t addr)
{
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;
	char *save = NULL, *line;

	mm_describe_addr(t->mm, addr, &sb);
	if (!sb.len)
		return;
	log_info("  around %s:", what);
	for (line = strtok_r(sb.buf, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		log_info("    %s", line);
}

static void report_syscalls(struct task *t)
{
	unsigned n = MIN(t->nr_recent, (unsigned)TASK_RECENT_SYSCALLS);

	log_info("  last system calls:");
	for (unsigned i = t->nr_recent - n; i != t->nr_recent; i++) {
		const struct syscall_record *r = &t->recent[i % TASK_RECENT_SYSCALLS];
		const char *name = r->nr < NR_SYSCALLS ? syscall_table[r->nr].name : NULL;

		if (r->ret < 0 && r->ret >= -MAX_ERRNO)
			log_info("    %s(%" PRIu64 ") = %" PRId64, name ? name : "?", r->nr, r->ret);
		else
			log_info("    %s(%" PRIu64 ") = %#" PRIx64, name ? name : "?", r->nr, (uint64_t)r->ret);
	}
}

void crash_report(const struct linux_siginfo *info)
{
	struct task *t = current;

	if (log_level < LOG_LEVEL_INFO)
		return;
	report_signal(t, info);
	report_registers(&t->ctx->regs);
	if (signal_has_address(info))
		report_vma(t, "the address", info->fault.addr);
	report_vma(t, "rip", t->ctx->regs.rip);
	report_syscalls(t);
}
