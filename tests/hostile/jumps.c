/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timeout: 300
 * Jumps into the stub's code, at any byte of it, with chosen registers.  HOSTILE_FULL=1 takes all of them.
 */
#include "tests/hostile/hostile.h"

#define OWN_PAGE (SYSTRAP_BLOCKS + SYSTRAP_BLOCK_SIZE + SYSTRAP_PAGE_OFF)
#define NR_PATTERNS 6
#define BATCH 60

static uint8_t fake[16 * 4096] __attribute__((aligned(4096)));

struct regs {
	uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15, rsp;
};

static void jump(uint64_t to, const struct regs *r) __attribute__((noreturn));
static void jump(uint64_t to, const struct regs *r)
{
	static uint64_t target;

	target = to;
	__asm__ volatile("movq %0, %%rsp\n"
			 "popq %%rax\npopq %%rbx\npopq %%rcx\npopq %%rdx\npopq %%rsi\npopq %%rdi\npopq %%rbp\n"
			 "popq %%r8\npopq %%r9\npopq %%r10\npopq %%r11\npopq %%r12\npopq %%r13\npopq %%r14\npopq "
			 "%%r15\npopq %%rsp\n"
			 "jmp *%1"
			 :
			 : "r"(r), "m"(target)
			 : "memory");
	__builtin_unreachable();
}

static const uint16_t calls[] = { SYS_mmap, SYS_munmap,	    SYS_mremap,	 SYS_write,	 SYS_clone,	   SYS_futex,
				  SYS_exit, SYS_exit_group, SYS_seccomp, SYS_arch_prctl, SYS_rt_sigreturn, SYS_kill };

static void pattern(unsigned nr, struct regs *r)
{
	uint64_t *w = (uint64_t *)r;

	for (unsigned i = 0; i < 16; i++) {
		static const uint64_t some[] = { 0,
						 1,
						 2,
						 OWN_PAGE,
						 SYSTRAP_ORDERS,
						 SYSTRAP_TEXT,
						 SYSTRAP_BLOCKS,
						 SYSTRAP_VVAR,
						 ~0UL,
						 0x8000000000000000,
						 4096,
						 SIGKILL };

		w[i] = hostile_rnd(3) ? (uint64_t)(uintptr_t)(fake + hostile_rnd(8) * 4096) : some[hostile_rnd(12)];
	}
	r->rax = calls[hostile_rnd(sizeof(calls) / sizeof(calls[0]))];
	r->rsp = hostile_rnd(2) ? (uint64_t)(uintptr_t)(fake + 8 * 4096) : OWN_PAGE - 1024;
	if (nr % 2)
		r->rbx = OWN_PAGE;
	if (nr % 3 == 0)
		r->r12 = (uint64_t)(uintptr_t)fake;
}

static void one(unsigned n)
{
	struct regs r;
	uint64_t *w = (uint64_t *)fake;

	hostile_seed += n * 104729UL;
	/* Orders, pages and frames of its own making. */
	for (unsigned i = 0; i < sizeof(fake) / 8; i++)
		w[i] = hostile_rnd(4)	? hostile_rnd(16)
		       : hostile_rnd(2) ? (uint64_t)(uintptr_t)fake
					: hostile_rnd(~0UL);
	pattern(n % NR_PATTERNS, &r);
	alarm(1);
	jump(SYSTRAP_TEXT + n / NR_PATTERNS, &r);
}

static void attacks(void)
{
	unsigned total = SYSTRAP_TEXT_SIZE * NR_PATTERNS, alone = 0, nr = 0;

	if (getenv("HOSTILE_FULL")) {
		for (unsigned n = 0; n < total; n += BATCH, nr += BATCH)
			alone += attack_many(one, n, BATCH, 1500);
	} else {
		/* The ends of batches lie where there is code: the first 1.75 KiB, and as much of the second page. */
		for (unsigned i = 0; i < 12; i++, nr += BATCH) {
			unsigned off = (unsigned)hostile_rnd(1700) + 0x100 + (i % 3 == 2 ? 0xf00 : 0);

			alone += attack_many(one, off * NR_PATTERNS, BATCH, 1500);
			if (i % 4 == 3)
				hostile_check();
		}
	}
	printf("%u jumps, %u ended by themselves\n", nr, alone);
}
