/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "sentry/abi/signal.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/uaccess.h"
#include "sentry/trace/decode.h"

typedef unsigned long long ull;

/* strace counts real-time signals from SIGRTMIN as the kernel has it. */
void decode_signal_value(struct strbuf *sb, uint64_t sig)
{
	static const struct xlat_table *t;
	const char *name;

	if (!t)
		t = xlat_find("signal");
	name = sig < LINUX_SIGRTMIN ? xlat_name(t, sig) : NULL;
	if (name)
		strbuf_adds(sb, name);
	else if (sig == LINUX_SIGRTMIN)
		strbuf_adds(sb, "SIGRTMIN");
	else if (sig > LINUX_SIGRTMIN && sig <= LINUX_NSIG)
		strbuf_addf(sb, "SIGRT_%u", (unsigned)sig - LINUX_SIGRTMIN);
	else
		strbuf_addf(sb, "%llu", (ull)sig);
}

void decode_signal(struct decode *d, uint64_t v)
{
	decode_signal_value(d->sb, (uint32_t)v);
}

/* A set that is more than half full is shown by what it lacks. */
void decode_sigset_value(struct strbuf *sb, uint64_t set)
{
	const char *sep = "";
	bool inverse = __builtin_popcountll(set) >= 2 * LINUX_NSIG / 3;

	if (inverse) {
		set = ~set;
		strbuf_addc(sb, '~');
	}
	strbuf_addc(sb, '[');
	for (unsigned sig = 1; sig <= LINUX_NSIG; sig++) {
		_cleanup_strbuf_ struct strbuf name = STRBUF_INIT;

		if (!(set & LINUX_SIGMASK(sig)))
			continue;
		decode_signal_value(&name, sig);
		strbuf_addf(sb, "%s%s", sep, strbuf_str(&name) + (name.len > 3 ? 3 : 0));
		sep = " ";
	}
	strbuf_addc(sb, ']');
}

void decode_sigset(struct decode *d, uint64_t v)
{
	uint64_t set;

	if (d->param && decode_param(d) != sizeof(set))
		decode_addr(d->sb, v);
	else if (decode_fetch(d, v, &set, sizeof(set)))
		decode_sigset_value(d->sb, set);
}

/* The sixth argument of pselect6. */
void decode_pselect_sig(struct decode *d, uint64_t v)
{
	struct linux_sigset_argpack p;
	uint64_t set;

	if (!decode_fetch(d, v, &p, sizeof(p)))
		return;
	strbuf_adds(d->sb, "{sigmask=");
	if (p.p && !copy_from_user(&set, p.p, sizeof(set)))
		decode_sigset_value(d->sb, set);
	else
		decode_addr(d->sb, p.p);
	strbuf_addf(d->sb, ", sigsetsize=%llu}", (ull)p.size);
}

void decode_sigaction(struct decode *d, uint64_t v)
{
	struct linux_sigaction sa;

	if (!decode_fetch(d, v, &sa, sizeof(sa)))
		return;
	strbuf_adds(d->sb, "{sa_handler=");
	if (sa.handler == LINUX_SIG_DFL)
		strbuf_adds(d->sb, "SIG_DFL");
	else if (sa.handler == LINUX_SIG_IGN)
		strbuf_adds(d->sb, "SIG_IGN");
	else
		decode_addr(d->sb, sa.handler);
	strbuf_adds(d->sb, ", sa_mask=");
	decode_sigset_value(d->sb, sa.mask);
	strbuf_adds(d->sb, ", sa_flags=");
	xlat_print_by(d->sb, "sa_flags", sa.flags);
	if (sa.flags & LINUX_SA_RESTORER) {
		strbuf_adds(d->sb, ", sa_restorer=");
		decode_addr(d->sb, sa.restorer);
	}
	strbuf_addc(d->sb, '}');
}

void decode_stack_t(struct decode *d, uint64_t v)
{
	struct linux_stack ss;

	if (!decode_fetch(d, v, &ss, sizeof(ss)))
		return;
	strbuf_adds(d->sb, "{ss_sp=");
	decode_addr(d->sb, ss.ss_sp);
	strbuf_adds(d->sb, ", ss_flags=");
	xlat_print_by(d->sb, "ss_flags", (uint32_t)ss.ss_flags);
	strbuf_addf(d->sb, ", ss_size=%llu}", (ull)ss.ss_size);
}

void decode_sigevent(struct decode *d, uint64_t v)
{
	struct linux_sigevent e;

	if (!decode_fetch(d, v, &e, sizeof(e)))
		return;
	strbuf_addf(d->sb, "{sigev_value={sival_int=%d, sival_ptr=", (int)e.sigev_value);
	decode_addr(d->sb, e.sigev_value);
	strbuf_adds(d->sb, "}, sigev_signo=");
	decode_signal_value(d->sb, (uint32_t)e.sigev_signo);
	strbuf_adds(d->sb, ", sigev_notify=");
	xlat_print_by(d->sb, "sigev_notify", (uint32_t)e.sigev_notify);
	if (e.sigev_notify == LINUX_SIGEV_THREAD_ID)
		strbuf_addf(d->sb, ", sigev_notify_thread_id=%d", e.sigev_tid);
	strbuf_addc(d->sb, '}');
}

/* --- siginfo --- */

static const char *code_table(int sig)
{
	switch (sig) {
	case LINUX_SIGCHLD:
		return "cld_code";
	case LINUX_SIGSEGV:
		return "segv_code";
	case LINUX_SIGBUS:
		return "bus_code";
	case LINUX_SIGFPE:
		return "fpe_code";
	case LINUX_SIGILL:
		return "ill_code";
	case LINUX_SIGTRAP:
		return "trap_code";
	default:
		return NULL;
	}
}

static void print_si_code(struct strbuf *sb, const struct linux_siginfo *i)
{
	const struct xlat_table *t = xlat_find("si_code");
	const char *name = xlat_name(t, (uint32_t)i->si_code);
	const char *own = i->si_code > 0 && i->si_code < LINUX_SI_KERNEL ? code_table(i->si_signo) : NULL;

	if (own)
		xlat_print_by(sb, own, (uint32_t)i->si_code);
	else if (name)
		strbuf_adds(sb, name);
	else
		strbuf_addf(sb, "%d", i->si_code);
}

static void print_chld(struct strbuf *sb, const struct linux_siginfo *i)
{
	strbuf_addf(sb, ", si_pid=%d, si_uid=%u, si_status=", i->chld.pid, i->chld.uid);
	if (i->si_code == LINUX_CLD_EXITED)
		strbuf_addf(sb, "%d", i->chld.status);
	else
		decode_signal_value(sb, (uint32_t)i->chld.status);
	strbuf_addf(sb, ", si_utime=%lld, si_stime=%lld", (long long)i->chld.utime, (long long)i->chld.stime);
}

static bool is_fault(int sig)
{
	return sig == LINUX_SIGSEGV || sig == LINUX_SIGBUS || sig == LINUX_SIGFPE || sig == LINUX_SIGILL ||
	       sig == LINUX_SIGTRAP;
}

void decode_siginfo_value(struct strbuf *sb, const void *siginfo)
{
	const struct linux_siginfo *i = siginfo;

	strbuf_adds(sb, "{si_signo=");
	decode_signal_value(sb, (uint32_t)i->si_signo);
	strbuf_adds(sb, ", si_code=");
	print_si_code(sb, i);
	if (i->si_errno)
		strbuf_addf(sb, ", si_errno=%d", i->si_errno);
	if (i->si_code == LINUX_SI_TIMER) {
		strbuf_addf(sb, ", si_timerid=%#x, si_overrun=%d", (unsigned)i->timer.tid, i->timer.overrun);
	} else if (i->si_code == LINUX_SI_KERNEL) {
		if (is_fault(i->si_signo))
			strbuf_adds(sb, ", si_addr=NULL");
	} else if (i->si_code > 0 && i->si_signo == LINUX_SIGCHLD) {
		print_chld(sb, i);
	} else if (i->si_code > 0 && is_fault(i->si_signo)) {
		strbuf_adds(sb, ", si_addr=");
		decode_addr(sb, i->fault.addr);
	} else if (i->si_code <= 0) {
		strbuf_addf(sb, ", si_pid=%d, si_uid=%u", i->rt.pid, i->rt.uid);
		if (i->si_code == LINUX_SI_QUEUE) {
			strbuf_addf(sb, ", si_int=%d, si_ptr=", (int)i->rt.value);
			decode_addr(sb, i->rt.value);
		}
	}
	strbuf_addc(sb, '}');
}

void decode_siginfo(struct decode *d, uint64_t v)
{
	struct linux_siginfo info;

	if (decode_fetch(d, v, &info, sizeof(info)))
		decode_siginfo_value(d->sb, &info);
}

/* rt_sigreturn: the mask that comes back.  The handler's return has popped the frame's first word. */
void decode_sigframe(struct decode *d, uint64_t v __unused)
{
	uint64_t mask, uc = current && current->ctx ? current->ctx->regs.rsp : 0;

	if (!uc || copy_from_user(&mask, uc + offsetof(struct linux_ucontext, uc_sigmask), sizeof(mask))) {
		strbuf_adds(d->sb, "{...}");
		return;
	}
	strbuf_adds(d->sb, "{mask=");
	decode_sigset_value(d->sb, mask);
	strbuf_addc(d->sb, '}');
}
