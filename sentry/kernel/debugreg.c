/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/kernel/debugreg.h"

#include <stdlib.h>

#include "platform/insn.h"
#include "sentry/abi/signal.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/uaccess.h"

#define NR_ADDRS 4
#define DR6_RESERVED 0xffff0ff0UL
#define DR6_STEP 0x4000UL
#define DR7_RESERVED 0xffffffff0000fc00UL
#define EFLAGS_TF 0x100

enum dr7_kind { DR7_EXECUTE, DR7_WRITE, DR7_IO, DR7_ACCESS };

/* Each has two bits that enable it, and from bit 16 on two of kind and two of length. */
static bool bp_enabled(uint64_t dr7, unsigned i)
{
	return dr7 >> (2 * i) & 3;
}

static enum dr7_kind bp_kind(uint64_t dr7, unsigned i)
{
	return dr7 >> (16 + 4 * i) & 3;
}

static unsigned bp_len(uint64_t dr7, unsigned i)
{
	static const uint8_t len[] = { 1, 2, 8, 4 };

	return len[dr7 >> (18 + 4 * i) & 3];
}

uint64_t debugreg_get(const struct task *t, unsigned n)
{
	const struct debugregs *d = t->debugregs;

	if (n == 6)
		return (d ? d->dr6 : 0) ^ DR6_RESERVED;
	if (!d)
		return 0;
	return n < NR_ADDRS ? d->addr[n] : n == 7 ? d->dr7 : 0;
}

/* arch_build_bp_info() and hw_breakpoint_arch_parse() of Linux. */
static int dr7_check(const struct debugregs *d, uint64_t dr7)
{
	for (unsigned i = 0; i < NR_ADDRS; i++) {
		unsigned len = bp_len(dr7, i);

		if (!bp_enabled(dr7, i))
			continue;
		if (bp_kind(dr7, i) == DR7_IO || (bp_kind(dr7, i) == DR7_EXECUTE && len != 1))
			return -LINUX_EINVAL;
		if (d->addr[i] & (len - 1))
			return -LINUX_EINVAL;
	}
	return 0;
}

int debugreg_set(struct task *t, unsigned n, uint64_t val)
{
	struct debugregs *d = t->debugregs;
	uint64_t old;
	int err;

	if (n == 4 || n == 5)
		return -LINUX_EIO;
	if (!d) {
		d = t->debugregs = calloc(1, sizeof(*d));
		if (!d)
			return -LINUX_ENOMEM;
	}
	if (n == 6) {
		d->dr6 = val ^ DR6_RESERVED;
		return 0;
	}
	if (n == 7) {
		val &= ~DR7_RESERVED;
		err = dr7_check(d, val);
		if (!err)
			d->dr7 = val;
		return err;
	}
	if (val >= GUEST_TASK_SIZE)
		return -LINUX_EINVAL;
	old = d->addr[n];
	d->addr[n] = val;
	err = dr7_check(d, d->dr7);
	if (err)
		d->addr[n] = old;
	return err;
}

void debugregs_free(struct task *t)
{
	free(t->debugregs);
	t->debugregs = NULL;
}

/* --- running --- */

static bool insn_touches(const struct guest_regs *r, const uint8_t *insn, size_t n, uaddr_t addr, unsigned len, int access)
{
	for (unsigned i = 0; i < len; i++) {
		int got = platform_decode_access(insn, n, r, addr + i);

		if (got > 0 && got & access)
			return true;
	}
	return false;
}

bool debugregs_begin(struct task *t, struct platform_stop *stop)
{
	struct debugregs *d = t->debugregs;
	struct guest_regs *r = &t->ctx->regs;
	uint8_t insn[INSN_MAX_LEN];
	size_t n = 0;

	d->touched = 0;
	d->stepping = true;
	for (unsigned i = 0; i < NR_ADDRS; i++) {
		enum dr7_kind kind = bp_kind(d->dr7, i);

		if (!bp_enabled(d->dr7, i))
			continue;
		if (kind == DR7_EXECUTE) {
			if (d->addr[i] != r->rip || d->passed == r->rip)
				continue;
			d->passed = r->rip;
			d->dr6 |= BIT(i);
			*stop = (struct platform_stop){ .kind = STOP_SIGNAL, .signo = LINUX_SIGTRAP, .si_code = LINUX_TRAP_HWBKPT,
							.trapno = 1 };
			return false;
		}
		if (!n)
			n = copy_from_user_partial(insn, r->rip, sizeof(insn));
		if (n && insn_touches(r, insn, n, d->addr[i], bp_len(d->dr7, i),
				      kind == DR7_WRITE ? PLATFORM_WRITE : PLATFORM_READ | PLATFORM_WRITE))
			d->touched |= BIT(i);
	}
	r->eflags |= EFLAGS_TF;
	t->ctx->regs_dirty = true;
	return true;
}

void debugregs_end(struct task *t, struct platform_stop *stop)
{
	struct debugregs *d = t->debugregs;
	struct guest_regs *r = &t->ctx->regs;

	if (!d->stepping)
		return;
	d->stepping = false;
	if (!t->singlestep) {
		r->eflags &= ~EFLAGS_TF;
		if (stop->kind == STOP_SYSCALL)
			r->r11 &= ~EFLAGS_TF;
		t->ctx->regs_dirty = true;
	}
	if (stop->kind == STOP_SYSCALL)
		d->passed = 0;
	/* A fault: the instruction comes again.  Anything but the end of a step is not ours. */
	if (stop->kind != STOP_SIGNAL || stop->signo != LINUX_SIGTRAP || stop->si_code != LINUX_TRAP_TRACE)
		return;
	d->passed = 0;
	d->dr6 |= d->touched;
	if (t->singlestep) {
		d->dr6 |= DR6_STEP;
	} else if (d->touched) {
		stop->si_code = LINUX_TRAP_HWBKPT;
	} else {
		stop->kind = STOP_INTERRUPTED;
	}
}
