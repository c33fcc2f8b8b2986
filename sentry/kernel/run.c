/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A task's sentry thread: runs the guest, and serves what stops it.
 *
 *     for (;;) {
 *             signals, stops, death       signal_deliver
 *             platform->run               the guest, until ...
 *             syscall / fault / exception
 *     }
 */
#include <stdlib.h>
#include <string.h>

#include "platform/host/host.h"
#include "platform/insn.h"
#include "sentry/base/log.h"
#include "sentry/base/trace.h"
#include "sentry/kernel/debugreg.h"
#include "sentry/kernel/fork.h"
#include "sentry/kernel/kernel.h"
#include "sentry/kernel/nsproxy.h"
#include "sentry/kernel/ptrace.h"
#include "sentry/kernel/seccomp.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/frame.h"
#include "sentry/mm/memcg.h"
#include "sentry/mm/uaccess.h"
#include "sentry/sys/syscall.h"

enum { NR_clone = 56, NR_fork = 57, NR_vfork = 58, NR_clone3 = 435 };

#define X86_TRAP_PF 14
#define X86_TRAP_MF 16
#define X86_TRAP_XF 19
#define X87_STATUS_OFFSET 2
#define X87_STATUS_ES 0x80
#define EFLAGS_TF 0x100UL
#define X86_PF_PROT 1
#define X86_PF_WRITE 2
#define X86_PF_USER 4
#define X86_PF_INSTR 16

/* This often the same instruction may fault at the same address, although each time mm says that the page is there. */
#define MAX_SAME_FAULT 1000

/* What a fault over memory.high costs. */
#define PARENT_FIRST_YIELDS 2
#define PARENT_FIRST_TRIES  200
#define PARENT_FIRST_NAP_NS 50000
#define HIGH_PAUSE_NS (5 * 1000000LL)

#define VSYSCALL_ADDR 0xffffffffff600000UL
#define VSYSCALL_STEP 0x400

/* --- the guest --- */

/* sched_setaffinity(2), perhaps by another task. */
static void task_apply_affinity(struct task *t)
{
	uint8_t mask[CPU_MASK_SIZE];

	atomic_store(&t->cpus_changed, false);
	mutex_lock(&t->lock);
	memcpy(mask, t->cpus_allowed, sizeof(mask));
	mutex_unlock(&t->lock);
	if (platform->set_affinity)
		platform->set_affinity(t->ctx, mask, sizeof(mask));
}

/* Single steps, for a tracer: the trap flag is set only while the guest runs. */
static void task_step_begin(struct task *t)
{
	if (t->singlestep) {
		t->ctx->regs.eflags |= EFLAGS_TF;
		t->ctx->regs_dirty = true;
	}
}

static void task_step_end(struct task *t, const struct platform_stop *stop)
{
	struct guest_regs *r = &t->ctx->regs;

	if (!t->singlestep)
		return;
	r->eflags &= ~EFLAGS_TF;
	if (stop->kind == STOP_SYSCALL)
		r->r11 &= ~EFLAGS_TF;
	t->ctx->regs_dirty = true;
}

static void task_enter_guest(struct task *t, struct platform_stop *stop)
{
	int64_t begin, end;

	t->in_syscall = false;
	if (unlikely(atomic_load_explicit(&t->cpus_changed, memory_order_relaxed)))
		task_apply_affinity(t);
	if (unlikely(t->singlestep))
		task_step_begin(t);
	if (unlikely(t->ptrace || t->user_dispatch.on))
		mm_patch_off(t->mm);
	task_update_answers(t);
	atomic_store(&t->in_guest, true);
	/* signal_wake_up sets the flag, then looks at in_guest. */
	if (unlikely(atomic_load(&t->sleeper.interrupted))) {
		atomic_store(&t->in_guest, false);
		stop->kind = STOP_INTERRUPTED;
		return;
	}
	if (unlikely(debugregs_active(t->debugregs)) && !debugregs_begin(t, stop)) {
		atomic_store(&t->in_guest, false);
		return;
	}
	begin = monotonic_ns();
	atomic_store_explicit(&t->run_since, begin, memory_order_relaxed);
	task_give_sigmask(t);
	trace_guest_enter();
	platform->run(t->ctx, stop);
	trace_guest_stop(stop->kind, t->ctx->regs.rip);
	end = monotonic_ns();
	atomic_store_explicit(&t->run_since, 0, memory_order_relaxed);
	atomic_fetch_add_explicit(&t->guest_time, (uint64_t)(end - begin), memory_order_relaxed);
	atomic_fetch_add_explicit(&t->mm->guest_time, (uint64_t)(end - begin), memory_order_relaxed);
	atomic_store(&t->in_guest, false);
	task_take_sigmask(t);
	if (unlikely(t->singlestep))
		task_step_end(t, stop);
	if (unlikely(t->debugregs))
		debugregs_end(t, stop);
}

/* --- syscalls --- */

static void task_record_syscall(struct task *t, uint64_t nr, int64_t ret)
{
	t->recent[t->nr_recent++ % TASK_RECENT_SYSCALLS] = (struct syscall_record){ nr, ret };
}

static bool is_restart(int64_t ret)
{
	return ret <= -LINUX_ERESTARTSYS && ret >= -LINUX_ERESTART_RESTARTBLOCK;
}

/*
 * PR_SET_SYSCALL_USER_DISPATCH: whether the call, which is not from the range that may make calls, is a SIGSYS instead, as the
 * selector says.  The handler sees the registers as before it.
 */
static bool task_dispatch_to_user(struct task *t)
{
	const uint64_t nr = t->syscall_nr;
	struct guest_regs *r = &t->ctx->regs;
	struct linux_siginfo info;
	uint8_t selector = LINUX_SYSCALL_DISPATCH_FILTER_BLOCK;

	if (r->rip - t->user_dispatch.start < t->user_dispatch.len)
		return false;
	if (t->user_dispatch.selector) {
		if (get_user(&selector, t->user_dispatch.selector)) {
			signal_force_fault(LINUX_SIGSEGV, LINUX_SEGV_MAPERR, t->user_dispatch.selector);
			return true;
		}
		if (selector == LINUX_SYSCALL_DISPATCH_FILTER_ALLOW)
			return false;
		if (selector != LINUX_SYSCALL_DISPATCH_FILTER_BLOCK) {
			tgroup_exit_request(LINUX_SIGSYS);
			return true;
		}
	}
	siginfo_init(&info, LINUX_SIGSYS, LINUX_SYS_USER_DISPATCH);
	info.sys.call_addr = r->rip;
	info.sys.syscall = (int32_t)nr;
	info.sys.arch = LINUX_AUDIT_ARCH_X86_64;
	r->rax = nr;
	t->in_syscall = false;
	signal_force(&info);
	return true;
}

static int64_t task_make_syscall(struct task *t)
{
	const struct guest_regs *r = &t->ctx->regs;
	uint64_t args[6] = { r->rdi, r->rsi, r->rdx, r->r10, r->r8, r->r9 };

	if (unlikely(t->user_dispatch.on) && task_dispatch_to_user(t))
		return (int64_t)t->ctx->regs.rax;
	if (unlikely(READ_ONCE(t->seccomp_mode)) && seccomp_check(t->syscall_nr, args) == SECCOMP_SKIP)
		return (int64_t)t->ctx->regs.rax;
	return syscall_dispatch(t->syscall_nr, args);
}

/* With a tracer that looks at both ends.  It may change the call, and the result. */
static int64_t task_syscall_traced(struct task *t)
{
	bool make = !t->ptrace_syscall || ptrace_syscall_enter();

	if (make)
		t->ctx->regs.rax = (uint64_t)task_make_syscall(t);
	if (!t->must_exit)
		ptrace_syscall_exit();
	return (int64_t)t->ctx->regs.rax;
}

static void task_syscall_stop(struct task *t)
{
	uint64_t nr = (uint32_t)t->ctx->regs.orig_rax;
	int64_t ret;

	t->in_syscall = true;
	t->syscall_nr = nr;
	ret = unlikely(t->ptrace) ? task_syscall_traced(t) : task_make_syscall(t);
	/* exec has made a new context. */
	t->ctx->regs.rax = (uint64_t)ret;
	t->ctx->regs_dirty = true;
	task_record_syscall(t, nr, ret);
	/* Before the call is forgotten: it may have to be made again. */
	if (unlikely(is_restart(ret) || t->restore_sigmask) && !t->must_exit)
		signal_deliver();
	t->syscall_nr = NO_SYSCALL;
}

/* --- faults --- */

/*
 * The three calls of the old vsyscall page, which isn't mapped: executing one of its entries is the call and a return.
 */
static bool task_vsyscall(struct task *t, const struct platform_stop *stop)
{
	static const uint16_t nrs[] = { 96 /* gettimeofday */, 201 /* time */, 309 /* getcpu */ };
	struct guest_regs *r = &t->ctx->regs;
	uint64_t args[6] = { r->rdi, r->rsi, r->rdx }, i = (r->rip - VSYSCALL_ADDR) / VSYSCALL_STEP;
	uint64_t ret_addr;
	int64_t ret;

	if (stop->addr != r->rip || r->rip < VSYSCALL_ADDR || (r->rip - VSYSCALL_ADDR) % VSYSCALL_STEP ||
	    i >= ARRAY_SIZE(nrs))
		return false;
	if (get_user(&ret_addr, r->rsp))
		return false;
	ret = syscall_dispatch(nrs[i], args);
	if (ret == -LINUX_EFAULT) {
		signal_force_fault(LINUX_SIGSEGV, LINUX_SEGV_MAPERR, r->rdi);
		return true;
	}
	r->rax = (uint64_t)ret;
	r->rip = ret_addr;
	r->rsp += 8;
	t->ctx->regs_dirty = true;
	return true;
}

/* Whether a fault that mm resolved is one too many of the same kind. */
static bool task_fault_stuck(struct task *t, uaddr_t addr, uaddr_t ip)
{
	if (t->same_fault.addr != addr || t->same_fault.ip != ip) {
		t->same_fault.addr = addr;
		t->same_fault.ip = ip;
		t->same_fault.count = 0;
		return false;
	}
	return ++t->same_fault.count >= MAX_SAME_FAULT;
}

/* Whether the instruction at rip writes to @addr: a platform that can't tell reports a read first. */
static bool task_fault_writes(struct task *t, uaddr_t addr)
{
	const struct guest_regs *r = &t->ctx->regs;
	uint8_t insn[INSN_MAX_LEN];
	size_t len = copy_from_user_partial(insn, r->rip, sizeof(insn));
	int access = len ? platform_decode_access(insn, len, r, addr) : 0;

	return access > 0 && (access & PLATFORM_WRITE);
}

static void task_fault_signal(struct task *t, const struct mm_fault *f)
{
	t->cr2 = f->addr;
	t->trapno = X86_TRAP_PF;
	t->error_code = X86_PF_USER;
	if (f->access == ACCESS_WRITE || (f->access == ACCESS_READ && task_fault_writes(t, f->addr)))
		t->error_code |= X86_PF_WRITE;
	if (f->access == ACCESS_EXEC)
		t->error_code |= X86_PF_INSTR;
	/* Above the guest's half Linux always says "protection", so that its own layout stays secret. */
	if (f->si_code == LINUX_SEGV_ACCERR || f->addr >= GUEST_TASK_SIZE)
		t->error_code |= X86_PF_PROT;
	signal_force_fault(f->signo, f->si_code, f->addr);
}

static void task_fault(struct task *t, const struct platform_stop *stop)
{
	struct guest_regs *r = &t->ctx->regs;
	struct mm_fault f = {
		.addr = stop->addr, .access = stop->access, .present = stop->present, .ip = r->rip, .sp = r->rsp,
		.regs = r,
	};
	int err;

	if (unlikely(stop->addr >= VSYSCALL_ADDR) && task_vsyscall(t, stop))
		return;
	err = mm_fault(t->mm, &f);
	trace_fault(f.addr, f.ip, f.access, f.present, err ? -f.signo : 0, err ? f.si_code : 0, f.what);
	atomic_fetch_add_explicit(&t->min_flt, 1, memory_order_relaxed);
	if (!err && likely(!task_fault_stuck(t, f.addr, f.ip)))
		return;
	if (!err) {
		log_error("process %d (%s): the instruction at %#lx faults for ever at %#lx", task_tgid(t), t->comm, f.ip,
			  f.addr);
		f.signo = LINUX_SIGSEGV;
		f.si_code = LINUX_SEGV_ACCERR;
	}
	if (f.signo)
		task_fault_signal(t, &f);
	else
		oom_kill();
}

/* #MF when the x87 status word says that an x87 instruction raised it, else #XM. */
static uint64_t task_fpe_trapno(struct task *t, uint64_t guess)
{
	size_t size = platform->xstate_size();
	uint8_t *buf = aligned_alloc(64, ALIGN_UP(size, 64));
	uint16_t status = 0;

	if (buf && !platform->get_xstate(t->ctx, buf)) {
		memcpy(&status, buf + X87_STATUS_OFFSET, sizeof(status));
		guess = status & X87_STATUS_ES ? X86_TRAP_MF : X86_TRAP_XF;
	}
	free(buf);
	return guess;
}

/* Another exception; si_addr as arch/x86/kernel/traps.c gives it. */
static void task_exception(struct task *t, const struct platform_stop *stop)
{
	struct linux_siginfo info;

	t->trapno = stop->trapno;
	t->error_code = stop->err;
	if (stop->signo == LINUX_SIGFPE && stop->si_code > LINUX_FPE_INTOVF)
		t->trapno = task_fpe_trapno(t, stop->trapno);
	siginfo_init(&info, stop->signo, stop->si_code);
	if (stop->si_code != LINUX_SI_KERNEL) {
		if (stop->signo == LINUX_SIGBUS || stop->signo == LINUX_SIGSEGV)
			info.fault.addr = stop->addr;
		else
			info.fault.addr = t->ctx->regs.rip;
	}
	signal_force(&info);
}

static void task_vehicle_dead(struct task *t)
{
	log_error("process %d (%s): its stub process on the host is gone; killing the process", task_tgid(t), t->comm);
	signal_kill_tgroup(t->tg);
}

/*
 * A call that reads the extended state needs the signal that an unpatched site comes by: a patched one may have to be followed by a
 * signal, which costs more than it saves.  rt_sigreturn, which only writes it, doesn't.
 */
static bool syscall_uses_xstate(int64_t nr)
{
	return nr == NR_clone || nr == NR_fork || nr == NR_vfork || nr == NR_clone3;
}

static void task_handle_stop(struct task *t, const struct platform_stop *stop)
{
	if (stop->kind != STOP_FAULT)
		t->same_fault.ip = 0;
	switch (stop->kind) {
	case STOP_SYSCALL:
		if (unlikely(stop->patch) && !t->ptrace && !syscall_uses_xstate((int64_t)t->ctx->regs.orig_rax))
			mm_patch(t->mm, t->ctx);
		task_syscall_stop(t);
		break;
	case STOP_FAULT:
		task_fault(t, stop);
		break;
	case STOP_SIGNAL:
		task_exception(t, stop);
		break;
	case STOP_INTERRUPTED:
		atomic_fetch_add_explicit(&t->nr_interrupts, 1, memory_order_relaxed);
		break;
	case STOP_DEAD:
		task_vehicle_dead(t);
		break;
	}
}

/* --- the thread --- */

static void task_become_current(struct task *t)
{
	current = t;
	current_mm = t->mm;
	mm_fault_forget();
	current_files = t->files;
	current_fs = t->fs;
	current_cred = t->cred;
	sleeper_set_self(&t->sleeper);
	trace_thread_init(task_tid(t));
	current_net = t->nsproxy->net;
	current_memcg = &t->tg->memcg;
	current_io = &t->io;
	pid_view_swap(pid_ns_of(t->tg->pid));
}

static void task_forget_current(void)
{
	trace_thread_fini();
	sleeper_set_self(NULL);
	current = NULL;
	current_mm = NULL;
	current_files = NULL;
	current_fs = NULL;
	current_net = NULL;
	current_memcg = NULL;
	current_io = NULL;
	pid_view = NULL;
}

/*
 * As in Linux, who forks goes on before the child does.  Programs lean on that without knowing: what fork returned is stored long
 * before SIGCHLD can come.  Here the host's scheduler chooses, and a child that is served by threads that it has never seen can
 * overtake a parent that has used up its share, all the way to its end.  So the child waits until the parent's guest code has run, for a
 * while at most: a stopped or killed parent does not.
 */
static void task_let_parent_run(struct task *t)
{
	if (!t->forked_from)
		return;
	for (int i = 0; i < PARENT_FIRST_TRIES && platform->cpu_time(t->forked_from->as) == t->forked_at; i++) {
		if (atomic_load(&t->sleeper.killed))
			break;
		if (i < PARENT_FIRST_YIELDS)
			host_sched_yield();
		else
			host_nanosleep(PARENT_FIRST_NAP_NS);
	}
	mm_put(t->forked_from);
	t->forked_from = NULL;
}

/* What the child of a clone does itself: its extended state, its tid in its memory. */
static void task_first_run(struct task *t)
{
	if (t->xstate && platform->set_xstate(t->ctx, t->xstate))
		signal_kill_tgroup(t->tg);
	free(t->xstate);
	t->xstate = NULL;
	/* As schedule_tail() in Linux: a bad address is ignored. */
	if (t->set_child_tid && put_user(task_tid(t), t->set_child_tid, int32_t))
		t->set_child_tid = 0;
	task_let_parent_run(t);
}

/* Over memory.high: what can be freed is, and the allocating goes on slowly, so that somebody can do something about it. */
static void task_slow_down(void)
{
	frame_make_room(64);
	sleeper_sleep(SLEEP_INTERRUPTIBLE, deadline_after(HIGH_PAUSE_NS));
}

void task_run(struct task *t)
{
	struct platform_stop stop;

	task_become_current(t);
	task_first_run(t);
	/* A member of a frozen cgroup. */
	if (atomic_load(&t->tg->held)) {
		mutex_lock(&t->tg->siglock);
		signal_recalc_locked(t);
		mutex_unlock(&t->tg->siglock);
	}
	while (!t->must_exit) {
		if (atomic_load(&t->sleeper.interrupted) || t->restore_sigmask) {
			signal_deliver();
			continue;
		}
		task_enter_guest(t, &stop);
		task_handle_stop(t, &stop);
		if (unlikely(memcg_take_high()))
			task_slow_down();
	}
	do_exit(t->exit_code);
	acct_thread_end(t);
	task_forget_current();
	task_put(t);
}

void task_exit_request(int status)
{
	if (current->must_exit)
		return;
	current->exit_code = status;
	current->must_exit = true;
}

void tgroup_exit_request(int status)
{
	struct tgroup *tg = current->tg;

	mutex_lock(&tg->siglock);
	if (tg->flags & TG_EXITING)
		status = tg->group_exit_code;
	else if (tg->group_exec_task)
		status = LINUX_SIGKILL;
	else
		tgroup_exit_start_locked(tg, status);
	mutex_unlock(&tg->siglock);
	task_exit_request(status);
}
