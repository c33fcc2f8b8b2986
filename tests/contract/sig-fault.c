/* SPDX-License-Identifier: Apache-2.0 */
/* Processor exceptions as signals: codes and addresses of SIGFPE, SIGILL, SIGTRAP, SIGSEGV, and single stepping. */
#include "tests/contract/contract.h"
#include <fenv.h>
#include <ucontext.h>
#include <xmmintrin.h>

static sigjmp_buf env;
static volatile int steps;
extern char div_insn[], ud_insn[], int3_insn[], idiv_insn[];

static void on_signal(int sig, siginfo_t *si, void *ucv)
{
	ucontext_t *uc = ucv;
	char *rip = (char *)uc->uc_mcontext.gregs[REG_RIP], *addr = si->si_addr;

	say("%s code %d trapno %lld address %s rip %s", signal_name(sig), si->si_code, uc->uc_mcontext.gregs[REG_TRAPNO],
	    addr == rip ? "is rip" : addr == NULL ? "null" : "other",
	    rip == div_insn || rip == ud_insn || rip == idiv_insn ? "at the instruction"
	    : rip == int3_insn + 1			       ? "behind it"
							       : "elsewhere");
	siglongjmp(env, 1);
}

static void on_step(int sig, siginfo_t *si, void *ucv)
{
	ucontext_t *uc = ucv;

	(void)sig;
	if (steps++ == 0)
		say("step: code %d", si->si_code);
	if (steps >= 5)
		uc->uc_mcontext.gregs[REG_EFL] &= ~0x100LL;
}

#define TRY(what, ...)                  \
	do {                            \
		say("-- %s", what);     \
		if (!sigsetjmp(env, 1)) \
			__VA_ARGS__;    \
	} while (0)

int main(void)
{
	static const int sigs[] = { SIGFPE, SIGILL, SIGTRAP, SIGSEGV, SIGBUS };
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };

	for (size_t i = 0; i < ARRAY_SIZE(sigs); i++)
		sigaction(sigs[i], &sa, NULL);
	TRY("divide by zero", __asm__ volatile("xor %%ecx, %%ecx; mov $1, %%eax; cltd; .globl div_insn; div_insn: idivl %%ecx" ::
						   : "eax", "ecx", "edx"));
	TRY("quotient too large", __asm__ volatile("mov $-1, %%ecx; mov $0x80000000, %%eax; cltd; .globl idiv_insn;"
						   "idiv_insn: idivl %%ecx" ::
							   : "eax", "ecx", "edx"));
	TRY("invalid opcode", __asm__ volatile(".globl ud_insn; ud_insn: ud2"));
	TRY("int3", __asm__ volatile(".globl int3_insn; int3_insn: int3"));
	TRY("SSE division by zero", {
		volatile double zero = 0, one = 1;

		_mm_setcsr(0x1f80 & ~(1 << 9));
		one = one / zero;
	});
	_mm_setcsr(0x1f80);
	TRY("SSE invalid", {
		volatile double zero = 0;

		_mm_setcsr(0x1f80 & ~(1 << 7));
		zero = zero / zero;
	});
	_mm_setcsr(0x1f80);
	TRY("x87 division by zero", {
		volatile long double zero = 0, one = 1;

		feenableexcept(FE_DIVBYZERO);
		one = one / zero;
		__asm__ volatile("fwait");
	});
	feclearexcept(FE_ALL_EXCEPT);
	fedisableexcept(FE_ALL_EXCEPT);
	__asm__ volatile("fninit");
	TRY("unaligned SSE access", {
		static char buf[64] __attribute__((aligned(16)));

		__asm__ volatile("movaps %0, %%xmm0" ::"m"(buf[1]) : "xmm0");
	});
	TRY("int 0x80's neighbour", __asm__ volatile("int $0x81"));
	TRY("a privileged register", __asm__ volatile("mov %%cr0, %%rax" ::: "rax"));
	SECTION("single steps");
	sa.sa_sigaction = on_step;
	sigaction(SIGTRAP, &sa, NULL);
	__asm__ volatile("pushf; orl $0x100, (%%rsp); popf; nop; nop; nop; nop; nop; nop; nop; nop" ::: "memory", "cc");
	SHOW(steps);
	SECTION("blocked exceptions kill");
	static const struct {
		const char *name;
		int sig;
	} kills[] = { { "SIGFPE", SIGFPE }, { "SIGILL", SIGILL }, { "SIGTRAP", SIGTRAP } };
	for (size_t i = 0; i < ARRAY_SIZE(kills); i++)
		IN_CHILD(kills[i].name) {
			sigset_t set;

			sigfillset(&set);
			sigprocmask(SIG_BLOCK, &set, NULL);
			if (kills[i].sig == SIGFPE)
				__asm__ volatile("xor %%ecx, %%ecx; div %%ecx" ::: "eax", "ecx", "edx");
			else if (kills[i].sig == SIGILL)
				__asm__ volatile("ud2");
			else
				__asm__ volatile("int3");
		}
	SECTION("ignored exceptions kill");
	IN_CHILD("SIGFPE ignored") {
		signal(SIGFPE, SIG_IGN);
		__asm__ volatile("xor %%ecx, %%ecx; div %%ecx" ::: "eax", "ecx", "edx");
	}
	return 0;
}
