/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arch_prctl(2): segment bases, permission for extended state (AMX), faulting of cpuid; what cpuid says; and the old vsyscall page, whose
 * three calls work by being executed and cannot be read.
 */
#include "tests/contract/contract.h"
#include <cpuid.h>

#define SET_GS 0x1001
#define SET_FS 0x1002
#define GET_FS 0x1003
#define GET_GS 0x1004
#define GET_CPUID 0x1011
#define SET_CPUID 0x1012
#define GET_XCOMP_SUPP 0x1021
#define GET_XCOMP_PERM 0x1022
#define REQ_XCOMP_PERM 0x1023
#define XTILE_DATA 18

#define VSYSCALL 0xffffffffff600000UL

static long arch(int code, unsigned long arg)
{
	return syscall(SYS_arch_prctl, code, arg);
}

static void bases(void)
{
	uint64_t base = 0, there;
	static uint64_t word = 0x1234567890abcdef;

	say("-- segment bases");
	CALL(arch(SET_GS, (unsigned long)&word));
	CALL(arch(GET_GS, (unsigned long)&base));
	YES(base == (uint64_t)&word);
	__asm__ volatile("movq %%gs:0, %0" : "=r"(there));
	HEX(there);
	CALL(arch(SET_GS, 0));
	CALL(arch(SET_GS, 1UL << 47));
	CALL(arch(SET_GS, ~0UL));
	CALL(arch(GET_GS, (unsigned long)BAD_PTR));
	CALL(arch(GET_FS, (unsigned long)&base));
	YES(base != 0);
	CALL(arch(0, 0));
	CALL(arch(0x1005, 0));
}

/* A processor without AMX has nothing that is to be asked for; of one with it nobody knows what the test may have. */
static void extended_state(void)
{
	uint64_t supp = 0, perm = 0;

	say("-- extended state");
	CALL(arch(GET_XCOMP_SUPP, (unsigned long)&supp));
	CALL(arch(GET_XCOMP_PERM, (unsigned long)&perm));
	YES((perm & ~supp) == 0);
	YES((perm & 7) == 7);
	YES(!(perm >> XTILE_DATA & 1));
	CALL(arch(GET_XCOMP_SUPP, (unsigned long)BAD_PTR));
	for (unsigned long n = 0; n < XTILE_DATA; n++)
		CALL(arch(REQ_XCOMP_PERM, n));
	if (!(supp >> XTILE_DATA & 1))
		CALL(arch(REQ_XCOMP_PERM, XTILE_DATA));
	CALL(arch(REQ_XCOMP_PERM, 63));
	CALL(arch(REQ_XCOMP_PERM, 64));
	CALL(arch(REQ_XCOMP_PERM, ~0UL));
	/* Who is told that he may, can. */
	perm = 0;
	if (supp >> XTILE_DATA & 1 && !arch(REQ_XCOMP_PERM, XTILE_DATA))
		arch(GET_XCOMP_PERM, (unsigned long)&perm);
	YES(!(supp >> XTILE_DATA & 1) || perm >> XTILE_DATA & 1);
}

static sigjmp_buf back;

static void on_fault(int sig)
{
	siglongjmp(back, sig);
}

static void cpuid(void)
{
	unsigned a, b, c, d;

	say("-- cpuid");
	YES(arch(GET_CPUID, 0) == 1);
	YES(__get_cpuid(0, &a, &b, &c, &d) && a > 6);
	__cpuid(1, a, b, c, d);
	YES(d & bit_SSE2);
	YES(c & bit_OSXSAVE);
}

static void vsyscall(void)
{
	struct timeval tv = { 0 }, now;
	time_t t = 0, (*vtime)(time_t *) = (void *)(VSYSCALL + 0x400);
	int (*vgettimeofday)(struct timeval *, void *) = (void *)VSYSCALL;
	long (*vgetcpu)(unsigned *, unsigned *, void *) = (void *)(VSYSCALL + 0x800);
	unsigned cpu = ~0U;
	int sig;

	say("-- vsyscall page");
	signal(SIGSEGV, on_fault);
	sig = sigsetjmp(back, 1);
	if (!sig) {
		SHOW(vgettimeofday(&tv, NULL));
		gettimeofday(&now, NULL);
		YES(now.tv_sec - tv.tv_sec <= 60);
		YES(vtime(&t) == t && now.tv_sec - t <= 60);
		SHOW(vgetcpu(&cpu, NULL, NULL));
		YES(cpu < 4096);
	} else {
		say("-- vsyscall=none");
	}
	/* Other addresses of the page aren't entries. */
	sig = sigsetjmp(back, 1);
	if (!sig)
		((void (*)(void))(VSYSCALL + 0x10))();
	SHOW(sig);
}

int main(void)
{
	bases();
	extended_state();
	cpuid();
	vsyscall();
	return 0;
}
