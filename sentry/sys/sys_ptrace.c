/* SPDX-License-Identifier: Apache-2.0 */
/* ptrace(2). */
#include <stdlib.h>
#include <string.h>

#include "platform/xstate.h"
#include "sentry/kernel/debugreg.h"
#include "sentry/kernel/exit.h"
#include "sentry/kernel/ptrace.h"
#include "sentry/kernel/ptrace_regs.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/uaccess.h"
#include "sentry/sys/syscall.h"

#define USER_DEBUGREG_OFFSET 848 /* struct user: u_debugreg[8] */
#define USER_SIZE 912

/* --- attaching --- */

static int64_t ptrace_traceme(void)
{
	MUTEX_GUARD(&pids_lock);
	if (!current->real_parent)
		return -LINUX_EPERM;
	return ptrace_link_locked(current, current->real_parent, PT_TRACED);
}

/* SIGSTOP for PTRACE_ATTACH; a task that is stopped already comes out of that stop into its tracer's. */
static void ptrace_attached(struct task *t, bool seize)
{
	struct linux_siginfo info;

	siginfo_init(&info, LINUX_SIGSTOP, LINUX_SI_KERNEL);
	MUTEX_GUARD(&t->tg->siglock);
	if (!seize)
		signal_send_locked(t, &info, false, SIG_FORCE);
	if (t->jobctl & JOBCTL_STOPPED) {
		t->jobctl |= JOBCTL_TRAP_STOP;
		t->jobctl &= ~JOBCTL_STOPPED;
		signal_wake_up(t, false);
	}
}

static int64_t ptrace_attach(struct task *t, bool seize, uint64_t addr, uint64_t options)
{
	int err;

	if (seize && (addr || (options & ~(uint64_t)LINUX_PTRACE_O_MASK)))
		return -LINUX_EIO;
	if (t->tg == current->tg)
		return -LINUX_EPERM;
	err = tgroup_exec_lock(t->tg, SLEEP_INTERRUPTIBLE);
	if (err)
		return err;
	err = task_may_access(t, true) ? 0 : -LINUX_EPERM;
	mutex_lock(&pids_lock);
	if (!err)
		err = ptrace_link_locked(t, current,
					 PT_TRACED | (seize ? PT_SEIZED | (unsigned)options << PT_OPT_SHIFT : 0));
	if (!err)
		ptrace_attached(t, seize);
	mutex_unlock(&pids_lock);
	mutex_unlock(&t->tg->exec_lock);
	return err;
}

/* Whether @t is current's, and, unless @running, stopped. */
static int ptrace_check(struct task *t, bool running)
{
	int err = -LINUX_ESRCH;

	mutex_lock(&pids_lock);
	mutex_lock(&t->tg->siglock);
	if (t->ptrace && t->parent == current &&
	    (running || ((t->jobctl & JOBCTL_TRACED) && !(t->jobctl & JOBCTL_LISTENING))))
		err = 0;
	mutex_unlock(&t->tg->siglock);
	mutex_unlock(&pids_lock);
	return err;
}

static int64_t ptrace_detach(struct task *t, uint64_t sig)
{
	LIST_HEAD(dead);

	if (sig > LINUX_NSIG)
		return -LINUX_EIO;
	mutex_lock(&pids_lock);
	t->exit_code = (int)sig;
	if (ptrace_detach_locked(current, t))
		task_dead_add_locked(&dead, t);
	mutex_unlock(&pids_lock);
	task_dead_put(&dead);
	return 0;
}

/* --- going on --- */

static int64_t ptrace_resume(struct task *t, int request, uint64_t sig)
{
	bool step = request == LINUX_PTRACE_SINGLESTEP || request == LINUX_PTRACE_SYSEMU_SINGLESTEP;

	if (sig > LINUX_NSIG)
		return -LINUX_EIO;
	MUTEX_GUARD(&t->tg->siglock);
	if (!(t->jobctl & JOBCTL_TRACED))
		return -LINUX_ESRCH;
	t->ptrace_syscall = PTRACE_SYSCALL_NONE;
	if (request == LINUX_PTRACE_SYSCALL)
		t->ptrace_syscall = PTRACE_SYSCALL_TRACE;
	else if (request == LINUX_PTRACE_SYSEMU || request == LINUX_PTRACE_SYSEMU_SINGLESTEP)
		t->ptrace_syscall = PTRACE_SYSCALL_EMULATE;
	t->singlestep = step;
	t->exit_code = (int)sig;
	t->jobctl &= ~JOBCTL_TRACED;
	sleeper_wake(&t->sleeper);
	return 0;
}

static int64_t ptrace_interrupt(struct task *t)
{
	if (!(t->ptrace & PT_SEIZED))
		return -LINUX_EIO;
	MUTEX_GUARD(&t->tg->siglock);
	if (atomic_load(&t->sleeper.killed) || t->exiting)
		return 0;
	t->jobctl |= JOBCTL_TRAP_STOP;
	if (t->jobctl & JOBCTL_LISTENING)
		t->jobctl &= ~JOBCTL_TRACED;
	signal_wake_up(t, false);
	return 0;
}

static int64_t ptrace_listen(struct task *t)
{
	if (!(t->ptrace & PT_SEIZED))
		return -LINUX_EIO;
	MUTEX_GUARD(&t->tg->siglock);
	if (!t->last_siginfo || t->last_siginfo->si_code >> 8 != LINUX_PTRACE_EVENT_STOP)
		return -LINUX_EIO;
	t->jobctl |= JOBCTL_LISTENING;
	/* Something happened since the stop. */
	if (t->jobctl & JOBCTL_TRAP_NOTIFY) {
		t->jobctl &= ~JOBCTL_TRACED;
		signal_wake_up(t, false);
	}
	return 0;
}

static int64_t ptrace_setoptions(struct task *t, uint64_t options)
{
	if (options & ~(uint64_t)LINUX_PTRACE_O_MASK)
		return -LINUX_EINVAL;
	if (options & LINUX_PTRACE_O_SUSPEND_SECCOMP)
		return -LINUX_EINVAL;
	MUTEX_GUARD(&t->tg->siglock);
	t->ptrace = (t->ptrace & (PT_TRACED | PT_SEIZED)) | (unsigned)options << PT_OPT_SHIFT;
	return 0;
}

/* --- memory and registers --- */

static size_t ptrace_access(struct task *t, uaddr_t addr, void *buf, size_t len, bool write)
{
	struct mm *mm = task_mm_get(t);
	size_t n = 0;

	if (mm) {
		n = write ? mm_copy_to(mm, addr, buf, len, true) : mm_copy_from(mm, buf, addr, len, true);
		mm_put(mm);
	}
	return n;
}

static int64_t ptrace_peek(struct task *t, uaddr_t addr, uaddr_t data)
{
	uint64_t word;

	if (ptrace_access(t, addr, &word, sizeof(word), false) != sizeof(word))
		return -LINUX_EIO;
	return put_user(word, data, uint64_t);
}

static int64_t ptrace_poke(struct task *t, uaddr_t addr, uint64_t word)
{
	return ptrace_access(t, addr, &word, sizeof(word), true) == sizeof(word) ? 0 : -LINUX_EIO;
}

/* struct user: the registers first, the debug registers last; what is between is 0. */
static int64_t ptrace_peekusr(struct task *t, uint64_t offset, uaddr_t data)
{
	struct guest_regs regs;
	uint64_t word = 0;
	int err;

	if (offset % 8 || offset >= USER_SIZE)
		return -LINUX_EIO;
	if (offset < sizeof(regs)) {
		err = ptrace_get_regs(t, &regs);
		if (err)
			return err;
		memcpy(&word, (char *)&regs + offset, sizeof(word));
	} else if (offset >= USER_DEBUGREG_OFFSET) {
		word = debugreg_get(t, (unsigned)(offset - USER_DEBUGREG_OFFSET) / 8);
	}
	return put_user(word, data, uint64_t);
}

static int64_t ptrace_pokeusr(struct task *t, uint64_t offset, uint64_t word)
{
	struct guest_regs regs;
	int err;

	if (offset % 8 || offset >= USER_SIZE)
		return -LINUX_EIO;
	if (offset >= USER_DEBUGREG_OFFSET)
		return debugreg_set(t, (unsigned)(offset - USER_DEBUGREG_OFFSET) / 8, word);
	if (offset >= sizeof(regs))
		return -LINUX_EIO;
	err = ptrace_get_regs(t, &regs);
	if (err)
		return err;
	memcpy((char *)&regs + offset, &word, sizeof(word));
	return ptrace_set_regs(t, &regs);
}

static int64_t regs_to_user(struct task *t, uaddr_t buf, size_t len)
{
	struct guest_regs regs;
	int err = ptrace_get_regs(t, &regs);

	return err ? err : copy_to_user(buf, &regs, len);
}

/* What @len leaves out keeps its value. */
static int64_t regs_from_user(struct task *t, uaddr_t buf, size_t len)
{
	struct guest_regs regs;
	int err = ptrace_get_regs(t, &regs);

	if (!err)
		err = copy_from_user(&regs, buf, len);
	return err ? err : ptrace_set_regs(t, &regs);
}

static int64_t xstate_move(struct task *t, uaddr_t ubuf, size_t len, bool set)
{
	void *buf = aligned_alloc(64, ALIGN_UP(platform->xstate_size(), 64));
	int64_t err;

	if (!buf)
		return -LINUX_ENOMEM;
	err = ptrace_get_xstate(t, buf);
	if (!err)
		err = set ? copy_from_user(buf, ubuf, len) : copy_to_user(ubuf, buf, len);
	/* The legacy part alone counts as present. */
	if (!err && set && len == XSTATE_LEGACY_SIZE)
		((struct xstate_header *)((char *)buf + XSTATE_HEADER_OFFSET))->xfeatures |=
			XFEATURE_MASK_FP | XFEATURE_MASK_SSE;
	if (!err && set)
		err = ptrace_set_xstate(t, buf);
	free(buf);
	return err;
}

static int64_t ptrace_regset(struct task *t, uint64_t type, uaddr_t uiov, bool set)
{
	struct linux_iovec iov;
	size_t size;
	int64_t err;

	if (get_user(&iov, uiov))
		return -LINUX_EFAULT;
	switch (type) {
	case LINUX_NT_PRSTATUS:
		size = sizeof(struct guest_regs);
		break;
	case LINUX_NT_PRFPREG:
		size = XSTATE_LEGACY_SIZE;
		break;
	case LINUX_NT_X86_XSTATE:
		size = platform->xstate_size();
		if (set && iov.len < size)
			return -LINUX_EFAULT;
		break;
	default:
		return -LINUX_EINVAL;
	}
	if (iov.len % 8)
		return -LINUX_EINVAL;
	iov.len = MIN(iov.len, size);
	if (type == LINUX_NT_PRSTATUS)
		err = set ? regs_from_user(t, iov.base, iov.len) : regs_to_user(t, iov.base, iov.len);
	else
		err = xstate_move(t, iov.base, iov.len, set);
	return err ? err : copy_to_user(uiov, &iov, sizeof(iov));
}

static int64_t ptrace_arch_prctl(struct task *t, uint64_t code, uaddr_t addr)
{
	struct guest_regs regs;
	int err = ptrace_get_regs(t, &regs);

	if (err)
		return err;
	switch (code) {
	case LINUX_ARCH_GET_FS:
		return put_user(regs.fs_base, addr, uint64_t);
	case LINUX_ARCH_GET_GS:
		return put_user(regs.gs_base, addr, uint64_t);
	case LINUX_ARCH_SET_FS:
	case LINUX_ARCH_SET_GS:
		if (addr >= TASK_SIZE_MAX)
			return -LINUX_EPERM;
		*(code == LINUX_ARCH_SET_FS ? &regs.fs_base : &regs.gs_base) = addr;
		return ptrace_set_regs(t, &regs);
	default:
		return -LINUX_EINVAL;
	}
}

/* --- what a stop is about --- */

static int64_t ptrace_siginfo(struct task *t, uaddr_t uinfo, bool set)
{
	struct linux_siginfo info;
	int err = -LINUX_EINVAL;

	if (set && get_user(&info, uinfo))
		return -LINUX_EFAULT;
	mutex_lock(&t->tg->siglock);
	if ((t->jobctl & JOBCTL_TRACED) && t->last_siginfo) {
		err = 0;
		if (set)
			*t->last_siginfo = info;
		else
			info = *t->last_siginfo;
	}
	mutex_unlock(&t->tg->siglock);
	return err || set ? err : copy_to_user(uinfo, &info, sizeof(info));
}

static int64_t ptrace_peeksiginfo(struct task *t, uaddr_t uargs, uaddr_t udata)
{
	struct linux_ptrace_peeksiginfo_args args;
	struct linux_siginfo info;
	int32_t n;

	if (get_user(&args, uargs))
		return -LINUX_EFAULT;
	if ((args.flags & ~LINUX_PTRACE_PEEKSIGINFO_SHARED) || args.nr < 0)
		return -LINUX_EINVAL;
	for (n = 0; n < args.nr; n++) {
		uint64_t left = args.off + (uint64_t)n;
		struct sigpending *p;
		struct sigqueue *q;
		bool found = false;

		mutex_lock(&t->tg->siglock);
		p = args.flags & LINUX_PTRACE_PEEKSIGINFO_SHARED ? &t->tg->shared_pending : &t->pending;
		list_for_each_entry(q, &p->list, link) {
			if (left--)
				continue;
			info = q->info;
			found = true;
			break;
		}
		mutex_unlock(&t->tg->siglock);
		if (!found || signal_pending())
			break;
		if (copy_to_user(udata + (uint64_t)n * sizeof(info), &info, sizeof(info)))
			return n ? n : -LINUX_EFAULT;
	}
	return n;
}

static int64_t ptrace_sigmask(struct task *t, uint64_t size, uaddr_t umask, bool set)
{
	linux_sigset_t mask;

	if (size != sizeof(mask))
		return -LINUX_EINVAL;
	if (set && get_user(&mask, umask))
		return -LINUX_EFAULT;
	mutex_lock(&t->tg->siglock);
	if (set)
		t->blocked = mask & ~SIGMASK_UNBLOCKABLE;
	else
		mask = t->blocked;
	mutex_unlock(&t->tg->siglock);
	return set ? 0 : put_user(mask, umask, linux_sigset_t);
}

/* Bytes of the structure there are, of which at most @size are written. */
static int64_t ptrace_syscall_info(struct task *t, uint64_t size, uaddr_t uinfo)
{
	struct linux_ptrace_syscall_info info = { .arch = LINUX_AUDIT_ARCH_X86_64 };
	size_t len = offsetof(struct linux_ptrace_syscall_info, entry);
	struct guest_regs r;
	int code, err = ptrace_get_regs(t, &r);

	if (err)
		return err;
	mutex_lock(&t->tg->siglock);
	code = t->last_siginfo ? t->last_siginfo->si_code : 0;
	mutex_unlock(&t->tg->siglock);
	info.instruction_pointer = r.rip;
	info.stack_pointer = r.rsp;
	if (code == (LINUX_SIGTRAP | 0x80)) {
		info.op = (uint8_t)t->ptrace_message;
		if (info.op == LINUX_PTRACE_EVENTMSG_SYSCALL_ENTRY) {
			info.entry.nr = r.orig_rax;
			memcpy(info.entry.args, (uint64_t[]){ r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9 },
			       sizeof(info.entry.args));
			len = sizeof(info);
		} else if (info.op == LINUX_PTRACE_EVENTMSG_SYSCALL_EXIT) {
			info.exit.rval = (int64_t)r.rax;
			info.exit.is_error = info.exit.rval < 0 && info.exit.rval >= -MAX_ERRNO;
			len = offsetof(struct linux_ptrace_syscall_info, exit.is_error) + 1;
		}
	}
	err = copy_to_user(uinfo, &info, MIN(size, len));
	return err ? err : (int64_t)len;
}

/* --- dispatch --- */

static int64_t ptrace_request(struct task *t, int request, uint64_t addr, uint64_t data)
{
	switch (request) {
	case LINUX_PTRACE_PEEKTEXT:
	case LINUX_PTRACE_PEEKDATA:
		return ptrace_peek(t, addr, data);
	case LINUX_PTRACE_POKETEXT:
	case LINUX_PTRACE_POKEDATA:
		return ptrace_poke(t, addr, data);
	case LINUX_PTRACE_PEEKUSR:
		return ptrace_peekusr(t, addr, data);
	case LINUX_PTRACE_POKEUSR:
		return ptrace_pokeusr(t, addr, data);
	case LINUX_PTRACE_CONT:
	case LINUX_PTRACE_SYSCALL:
	case LINUX_PTRACE_SINGLESTEP:
	case LINUX_PTRACE_SYSEMU:
	case LINUX_PTRACE_SYSEMU_SINGLESTEP:
		return ptrace_resume(t, request, data);
	case LINUX_PTRACE_DETACH:
		return ptrace_detach(t, data);
	case LINUX_PTRACE_GETREGS:
		return regs_to_user(t, data, sizeof(struct guest_regs));
	case LINUX_PTRACE_SETREGS:
		return regs_from_user(t, data, sizeof(struct guest_regs));
	case LINUX_PTRACE_GETFPREGS:
		return xstate_move(t, data, XSTATE_LEGACY_SIZE, false);
	case LINUX_PTRACE_SETFPREGS:
		return xstate_move(t, data, XSTATE_LEGACY_SIZE, true);
	case LINUX_PTRACE_GETREGSET:
		return ptrace_regset(t, addr, data, false);
	case LINUX_PTRACE_SETREGSET:
		return ptrace_regset(t, addr, data, true);
	case LINUX_PTRACE_ARCH_PRCTL:
		return ptrace_arch_prctl(t, data, addr);
	case LINUX_PTRACE_SETOPTIONS:
		return ptrace_setoptions(t, data);
	case LINUX_PTRACE_GETEVENTMSG:
		return put_user(t->ptrace_message, data, uint64_t);
	case LINUX_PTRACE_GETSIGINFO:
		return ptrace_siginfo(t, data, false);
	case LINUX_PTRACE_SETSIGINFO:
		return ptrace_siginfo(t, data, true);
	case LINUX_PTRACE_PEEKSIGINFO:
		return ptrace_peeksiginfo(t, addr, data);
	case LINUX_PTRACE_GETSIGMASK:
		return ptrace_sigmask(t, addr, data, false);
	case LINUX_PTRACE_SETSIGMASK:
		return ptrace_sigmask(t, addr, data, true);
	case LINUX_PTRACE_GET_SYSCALL_INFO:
		return ptrace_syscall_info(t, addr, data);
	case LINUX_PTRACE_LISTEN:
		return ptrace_listen(t);
	default:
		return -LINUX_EIO;
	}
}

static int64_t ptrace_kill(struct task *t)
{
	struct linux_siginfo info;

	siginfo_init_user(&info, LINUX_SIGKILL, LINUX_SI_USER);
	signal_send_task(t, &info, 0);
	return 0;
}

SYSCALL_DEFINE4(ptrace, int, request, int32_t, pid, uint64_t, addr, uint64_t, data)
{
	struct task *t;
	int64_t ret;

	if (request == LINUX_PTRACE_TRACEME)
		return ptrace_traceme();
	t = task_find_get(pid);
	if (!t)
		return -LINUX_ESRCH;
	if (request == LINUX_PTRACE_ATTACH || request == LINUX_PTRACE_SEIZE) {
		ret = ptrace_attach(t, request == LINUX_PTRACE_SEIZE, addr, data);
	} else {
		ret = ptrace_check(t, request == LINUX_PTRACE_KILL || request == LINUX_PTRACE_INTERRUPT);
		if (!ret && request == LINUX_PTRACE_KILL)
			ret = ptrace_kill(t);
		else if (!ret && request == LINUX_PTRACE_INTERRUPT)
			ret = ptrace_interrupt(t);
		else if (!ret)
			ret = ptrace_request(t, request, addr, data);
	}
	task_put(t);
	return ret;
}
