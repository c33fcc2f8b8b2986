/* SPDX-License-Identifier: Apache-2.0 */
/* prctl(2), arch_prctl(2), personality(2). */
#include <stdlib.h>
#include <string.h>

#include "sentry/kernel/proc_event.h"
#include "sentry/kernel/seccomp.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/uaccess.h"
#include "sentry/sys/syscall.h"
#include "vfs/cred.h"
#include "vfs/user_ns.h"

/* --- arch_prctl --- */

/* AMX's: with it a signal frame outgrows what the platforms keep, so it is not offered, though XGETBV may show it. */
#define XFEATURES_DYNAMIC (3UL << 17)
#define XFEATURE_MAX 20

/* User components that XSAVE keeps: what XCR0 has. */
static uint64_t xfeatures(void)
{
	uint32_t lo, hi;

	__asm__("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	return ((uint64_t)hi << 32 | lo) & ~XFEATURES_DYNAMIC;
}

SYSCALL_DEFINE2(arch_prctl, int, code, uint64_t, addr)
{
	struct platform_ctx *ctx = current->ctx;

	switch (code) {
	case LINUX_ARCH_SET_FS:
	case LINUX_ARCH_SET_GS:
		if (addr >= TASK_SIZE_MAX)
			return -LINUX_EPERM;
		*(code == LINUX_ARCH_SET_FS ? &ctx->regs.fs_base : &ctx->regs.gs_base) = addr;
		ctx->regs_dirty = true;
		return 0;
	case LINUX_ARCH_GET_FS:
		return put_user(ctx->regs.fs_base, addr, uint64_t);
	case LINUX_ARCH_GET_GS:
		return put_user(ctx->regs.gs_base, addr, uint64_t);
	case LINUX_ARCH_GET_CPUID:
		return 1;
	case LINUX_ARCH_SET_CPUID:
		return -LINUX_ENODEV;
	case LINUX_ARCH_GET_XCOMP_SUPP:
	case LINUX_ARCH_GET_XCOMP_PERM:
		return put_user(xfeatures(), addr, uint64_t);
	case LINUX_ARCH_REQ_XCOMP_PERM:
		/* Only those that are dynamic can be asked for. */
		return addr >= XFEATURE_MAX ? -LINUX_EINVAL : -LINUX_EOPNOTSUPP;
	default:
		return -LINUX_EINVAL;
	}
}

SYSCALL_DEFINE1(personality, unsigned, persona)
{
	unsigned old = current->personality;

	if (persona != 0xffffffff)
		current->personality = persona;
	return old;
}

/* --- prctl: capabilities --- */

static int cred_change(struct cred *new)
{
	if (!new)
		return -LINUX_ENOMEM;
	task_set_cred(current, new);
	return 0;
}

static int64_t prctl_capbset_drop(uint64_t cap)
{
	struct cred *new;

	if (!ns_capable(current_cred->user_ns, CAP_SETPCAP))
		return -LINUX_EPERM;
	if (cap >= NR_CAPS)
		return -LINUX_EINVAL;
	new = cred_copy(current->cred);
	if (new)
		new->cap_bset &= ~BIT(cap);
	return cred_change(new);
}

static int64_t prctl_set_securebits(uint64_t bits)
{
	const struct cred *old = current->cred;
	struct cred *new;
	uint32_t locked = (old->securebits & LINUX_SECURE_ALL_LOCKS) >> 1;

	if ((locked & (old->securebits ^ bits)) || ((old->securebits & LINUX_SECURE_ALL_LOCKS) & ~bits) ||
	    (bits & ~(uint64_t)(LINUX_SECURE_ALL_BITS | LINUX_SECURE_ALL_LOCKS)) || !ns_capable(current_cred->user_ns, CAP_SETPCAP))
		return -LINUX_EPERM;
	new = cred_copy(old);
	if (new)
		new->securebits = (uint32_t)bits;
	return cred_change(new);
}

static int64_t prctl_set_keepcaps(uint64_t on)
{
	struct cred *new;

	if (on > 1)
		return -LINUX_EINVAL;
	if (current->cred->securebits & LINUX_SECBIT_KEEP_CAPS_LOCKED)
		return -LINUX_EPERM;
	new = cred_copy(current->cred);
	if (new && on)
		new->securebits |= LINUX_SECBIT_KEEP_CAPS;
	else if (new)
		new->securebits &= ~LINUX_SECBIT_KEEP_CAPS;
	return cred_change(new);
}

static int64_t prctl_cap_ambient(uint64_t op, uint64_t cap, uint64_t a4, uint64_t a5)
{
	const struct cred *old = current->cred;
	struct cred *new;

	if (a4 || a5)
		return -LINUX_EINVAL;
	if (op == LINUX_PR_CAP_AMBIENT_CLEAR_ALL ? cap != 0 : cap >= NR_CAPS)
		return -LINUX_EINVAL;
	switch (op) {
	case LINUX_PR_CAP_AMBIENT_IS_SET:
		return !!(old->cap_ambient & BIT(cap));
	case LINUX_PR_CAP_AMBIENT_RAISE:
		if (!(old->cap_permitted & old->cap_inheritable & BIT(cap)) ||
		    (old->securebits & LINUX_SECBIT_NO_CAP_AMBIENT_RAISE))
			return -LINUX_EPERM;
		break;
	case LINUX_PR_CAP_AMBIENT_LOWER:
	case LINUX_PR_CAP_AMBIENT_CLEAR_ALL:
		break;
	default:
		return -LINUX_EINVAL;
	}
	new = cred_copy(old);
	if (!new)
		return -LINUX_ENOMEM;
	if (op == LINUX_PR_CAP_AMBIENT_RAISE)
		new->cap_ambient |= BIT(cap);
	else
		new->cap_ambient &= op == LINUX_PR_CAP_AMBIENT_LOWER ? ~BIT(cap) : 0;
	return cred_change(new);
}

/* --- prctl: the rest --- */

static int64_t prctl_set_name(uaddr_t uname)
{
	char comm[TASK_COMM_LEN] = "";
	int64_t n = strncpy_from_user(comm, uname, TASK_COMM_LEN - 1);

	if (n < 0)
		return n;
	comm[TASK_COMM_LEN - 1] = '\0';
	task_set_comm(current, comm);
	proc_event(LINUX_PROC_EVENT_COMM);
	return 0;
}

static int64_t prctl_get_name(uaddr_t uname)
{
	char comm[TASK_COMM_LEN];

	task_comm(current, comm);
	return copy_to_user(uname, comm, sizeof(comm));
}

static int64_t prctl_set_subreaper(bool on)
{
	struct tgroup *tg = current->tg;

	MUTEX_GUARD(&tg->siglock);
	tg->flags = on ? tg->flags | TG_SUBREAPER : tg->flags & ~TG_SUBREAPER;
	return 0;
}

static int64_t prctl_set_dumpable(uint64_t value)
{
	if (value > 1)
		return -LINUX_EINVAL;
	WRITE_ONCE(current->mm->dumpable, value);
	return 0;
}

#define VMA_NAME_MAX 80

static int64_t prctl_set_vma(uint64_t what, uaddr_t start, uint64_t len, uaddr_t uname)
{
	char name[VMA_NAME_MAX];
	int64_t n;

	if (what != LINUX_PR_SET_VMA_ANON_NAME)
		return -LINUX_EINVAL;
	if (!uname)
		return mm_set_anon_name(current->mm, start, len, NULL);
	n = strncpy_from_user(name, uname, sizeof(name));
	if (n < 0)
		return n;
	if (n == sizeof(name))
		return -LINUX_EINVAL;
	for (int64_t i = 0; i < n; i++)
		if (name[i] < ' ' || name[i] > '~' || strchr("\\`$[]", name[i]))
			return -LINUX_EINVAL;
	return mm_set_anon_name(current->mm, start, len, name);
}

static int64_t prctl_set_seccomp(uint64_t mode, uaddr_t uprog)
{
	switch (mode) {
	case LINUX_SECCOMP_MODE_STRICT:
		return seccomp_set_strict();
	case LINUX_SECCOMP_MODE_FILTER:
		return seccomp_set_filter(0, uprog);
	default:
		return -LINUX_EINVAL;
	}
}

SYSCALL_DEFINE3(seccomp, unsigned, op, unsigned, flags, uaddr_t, uargs)
{
	static const struct linux_seccomp_notif_sizes sizes = {
		sizeof(struct linux_seccomp_notif), sizeof(struct linux_seccomp_notif_resp), sizeof(struct linux_seccomp_data) };
	uint32_t action;

	switch (op) {
	case LINUX_SECCOMP_SET_MODE_STRICT:
		return flags || uargs ? -LINUX_EINVAL : seccomp_set_strict();
	case LINUX_SECCOMP_SET_MODE_FILTER:
		return seccomp_set_filter(flags, uargs);
	case LINUX_SECCOMP_GET_NOTIF_SIZES:
		return flags ? -LINUX_EINVAL : copy_to_user(uargs, &sizes, sizeof(sizes));
	case LINUX_SECCOMP_GET_ACTION_AVAIL:
		if (flags)
			return -LINUX_EINVAL;
		return get_user(&action, uargs) ? -LINUX_EFAULT : seccomp_action_avail(action);
	default:
		return -LINUX_EINVAL;
	}
}

static int64_t prctl_timerslack(uint64_t ns)
{
	struct task *t = current;

	t->timer_slack = (int64_t)ns <= 0 ? t->default_timer_slack : ns;
	return 0;
}

/* "Not affected", for the mitigations that exist. */
static int64_t prctl_get_speculation(uint64_t which, uint64_t a3, uint64_t a4, uint64_t a5)
{
	if (a3 || a4 || a5)
		return -LINUX_EINVAL;
	return which <= 2 ? 0 : -LINUX_ENODEV;
}

static int64_t prctl_mce(uint64_t op, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5)
{
	if (op == LINUX_PR_MCE_KILL_GET)
		return a2 || a3 || a4 || a5 ? -LINUX_EINVAL : 2; /* PR_MCE_KILL_DEFAULT */
	if (a4 || a5)
		return -LINUX_EINVAL;
	/* There are no memory errors to be told of. */
	return a2 == 0 ? (a3 ? -LINUX_EINVAL : 0) : a2 == 1 && a3 <= 2 ? 0 : -LINUX_EINVAL;
}

static int64_t prctl_flags(uint64_t op, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5)
{
	struct task *t = current;

	switch (op) {
	case LINUX_PR_SET_NO_NEW_PRIVS:
		if (a2 != 1 || a3 || a4 || a5)
			return -LINUX_EINVAL;
		t->no_new_privs = true;
		return 0;
	case LINUX_PR_GET_NO_NEW_PRIVS:
		return a2 || a3 || a4 || a5 ? -LINUX_EINVAL : t->no_new_privs;
	case LINUX_PR_SET_THP_DISABLE:
		if (a3 || a4 || a5)
			return -LINUX_EINVAL;
		t->thp_disable = a2;
		return 0;
	case LINUX_PR_GET_THP_DISABLE:
		return a2 || a3 || a4 || a5 ? -LINUX_EINVAL : t->thp_disable;
	case LINUX_PR_SET_IO_FLUSHER:
		if (!capable(CAP_SYS_RESOURCE))
			return -LINUX_EPERM;
		if (a2 > 1 || a3 || a4 || a5)
			return -LINUX_EINVAL;
		t->io_flusher = a2;
		return 0;
	default: /* PR_GET_IO_FLUSHER */
		if (!capable(CAP_SYS_RESOURCE))
			return -LINUX_EPERM;
		return a2 || a3 || a4 || a5 ? -LINUX_EINVAL : t->io_flusher;
	}
}

/* The auxiliary vector, as much as fits; its whole size. */
static int64_t prctl_get_auxv(uaddr_t ubuf, uint64_t size, uint64_t a4, uint64_t a5)
{
	const struct mm *mm = current->mm;

	if (a4 || a5)
		return -LINUX_EINVAL;
	if (copy_to_user(ubuf, mm->saved_auxv, MIN(size, sizeof(mm->saved_auxv))))
		return -LINUX_EFAULT;
	return sizeof(mm->saved_auxv);
}

/* Memory that was written is never to be run: what was allowed once stays so until exec. */
static int64_t prctl_mdwe(uint64_t op, uint64_t bits, uint64_t a3, uint64_t a4, uint64_t a5)
{
	struct mm *mm = current->mm;

	if (a3 || a4 || a5)
		return -LINUX_EINVAL;
	if (op == LINUX_PR_GET_MDWE)
		return bits ? -LINUX_EINVAL : READ_ONCE(mm->mdwe);
	if (bits & ~(uint64_t)(LINUX_PR_MDWE_REFUSE_EXEC_GAIN | LINUX_PR_MDWE_NO_INHERIT) || bits == LINUX_PR_MDWE_NO_INHERIT)
		return -LINUX_EINVAL;
	if (mm->mdwe && mm->mdwe != bits)
		return -LINUX_EPERM;
	WRITE_ONCE(mm->mdwe, (uint8_t)bits);
	return 0;
}

static int64_t prctl_user_dispatch(uint64_t mode, uaddr_t start, uint64_t len, uaddr_t selector)
{
	struct task *t = current;

	switch (mode) {
	case LINUX_PR_SYS_DISPATCH_OFF:
		if (start || len || selector)
			return -LINUX_EINVAL;
		t->user_dispatch.on = false;
		return 0;
	case LINUX_PR_SYS_DISPATCH_ON:
		if (start && start + len <= start)
			return -LINUX_EINVAL;
		if (selector && !access_ok(selector, 1))
			return -LINUX_EFAULT;
		t->user_dispatch.start = start;
		t->user_dispatch.len = len;
		t->user_dispatch.selector = selector;
		t->user_dispatch.on = true;
		return 0;
	default:
		return -LINUX_EINVAL;
	}
}

SYSCALL_DEFINE5(prctl, int, op, uint64_t, a2, uint64_t, a3, uint64_t, a4, uint64_t, a5)
{
	struct task *t = current;

	switch (op) {
	case LINUX_PR_SET_PDEATHSIG:
		if (a2 > LINUX_NSIG)
			return -LINUX_EINVAL;
		atomic_store(&t->pdeath_signal, (int)a2);
		return 0;
	case LINUX_PR_GET_PDEATHSIG:
		return put_user(atomic_load(&t->pdeath_signal), a2, int32_t);
	case LINUX_PR_GET_DUMPABLE:
		return READ_ONCE(t->mm->dumpable);
	case LINUX_PR_SET_DUMPABLE:
		return prctl_set_dumpable(a2);
	case LINUX_PR_SET_NAME:
		return prctl_set_name(a2);
	case LINUX_PR_GET_NAME:
		return prctl_get_name(a2);
	case LINUX_PR_GET_KEEPCAPS:
		return !!(t->cred->securebits & LINUX_SECBIT_KEEP_CAPS);
	case LINUX_PR_SET_KEEPCAPS:
		return prctl_set_keepcaps(a2);
	case LINUX_PR_GET_SECUREBITS:
		return t->cred->securebits;
	case LINUX_PR_SET_SECUREBITS:
		return prctl_set_securebits(a2);
	case LINUX_PR_CAPBSET_READ:
		return a2 < NR_CAPS ? !!(t->cred->cap_bset & BIT(a2)) : -LINUX_EINVAL;
	case LINUX_PR_CAPBSET_DROP:
		return prctl_capbset_drop(a2);
	case LINUX_PR_CAP_AMBIENT:
		return prctl_cap_ambient(a2, a3, a4, a5);
	case LINUX_PR_GET_TIMING:
		return 0;
	case LINUX_PR_SET_TIMING:
		return a2 ? -LINUX_EINVAL : 0;
	case LINUX_PR_GET_TSC:
		return put_user(1, a2, int32_t);
	case LINUX_PR_SET_TSC:
		/* Reading the time stamp counter can't be forbidden. */
		return a2 == 1 ? 0 : -LINUX_EINVAL;
	case LINUX_PR_SET_TIMERSLACK:
		return prctl_timerslack(a2);
	case LINUX_PR_GET_TIMERSLACK:
		return (int64_t)t->timer_slack;
	case LINUX_PR_MCE_KILL:
	case LINUX_PR_MCE_KILL_GET:
		return prctl_mce((unsigned)op, a2, a3, a4, a5);
	case LINUX_PR_SET_CHILD_SUBREAPER:
		return prctl_set_subreaper(a2);
	case LINUX_PR_GET_CHILD_SUBREAPER:
		return put_user(!!(atomic_load(&t->tg->flags) & TG_SUBREAPER), a2, int32_t);
	case LINUX_PR_SET_NO_NEW_PRIVS:
	case LINUX_PR_GET_NO_NEW_PRIVS:
	case LINUX_PR_SET_THP_DISABLE:
	case LINUX_PR_GET_THP_DISABLE:
	case LINUX_PR_SET_IO_FLUSHER:
	case LINUX_PR_GET_IO_FLUSHER:
		return prctl_flags((unsigned)op, a2, a3, a4, a5);
	case LINUX_PR_GET_TID_ADDRESS:
		return put_user(t->clear_child_tid, a2, uint64_t);
	case LINUX_PR_TASK_PERF_EVENTS_DISABLE:
	case LINUX_PR_TASK_PERF_EVENTS_ENABLE:
		return 0; /* there are none */
	case LINUX_PR_SET_MM:
		return capable(CAP_SYS_RESOURCE) ? -LINUX_EINVAL : -LINUX_EPERM;
	case LINUX_PR_GET_SPECULATION_CTRL:
		return prctl_get_speculation(a2, a3, a4, a5);
	case LINUX_PR_SET_SPECULATION_CTRL:
		/* None of the three kinds can be changed, and there are no others. */
		return a2 > 2 ? -LINUX_ENODEV : -LINUX_ENXIO;
	case LINUX_PR_SET_SYSCALL_USER_DISPATCH:
		return prctl_user_dispatch(a2, a3, a4, a5);
	case LINUX_PR_SET_MDWE:
	case LINUX_PR_GET_MDWE:
		return prctl_mdwe((unsigned)op, a2, a3, a4, a5);
	case LINUX_PR_GET_AUXV:
		return prctl_get_auxv(a2, a3, a4, a5);
	case LINUX_PR_SET_VMA:
		return prctl_set_vma(a2, a3, a4, a5);
	case LINUX_PR_GET_SECCOMP:
		return t->seccomp_mode;
	case LINUX_PR_SET_SECCOMP:
		return prctl_set_seccomp(a2, a3);
	default:
		return -LINUX_EINVAL;
	}
}
