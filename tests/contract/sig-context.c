/* SPDX-License-Identifier: Apache-2.0 */
/* What a handler finds in its ucontext and can change there: registers, flags, mask, the resumed address. */
#include "tests/contract/contract.h"
#include <ucontext.h>

static void skip_insn(int sig, siginfo_t *si, void *ucv)
{
	ucontext_t *uc = ucv;

	(void)si;
	/* ud2 is two bytes long */
	uc->uc_mcontext.gregs[REG_RIP] += 2;
	uc->uc_mcontext.gregs[REG_RAX] = sig * 100;
}

static void regs(int sig, siginfo_t *si, void *ucv)
{
	ucontext_t *uc = ucv;
	greg_t *g = uc->uc_mcontext.gregs;

	(void)sig;
	(void)si;
	say("rbx %llx r12 %llx r13 %llx r14 %llx r15 %llx rsi %llx", g[REG_RBX], g[REG_R12], g[REG_R13], g[REG_R14], g[REG_R15],
	    g[REG_RSI]);
	say("carry %lld direction %lld", g[REG_EFL] & 1, g[REG_EFL] >> 10 & 1);
	say("cs %llx", g[REG_CSGSFS] & 0xffff);
	say("flags %lx link %s", uc->uc_flags & ~7UL, uc->uc_link ? "set" : "null");
	say("mask has SIGHUP: %d", sigismember(&uc->uc_sigmask, SIGHUP));
	g[REG_RBX] = 0xb;
	g[REG_R12] = 0x12;
	g[REG_R15] = 0x15;
	g[REG_EFL] ^= 1;
	g[REG_RIP] += 2;
	sigaddset(&uc->uc_sigmask, SIGUSR2);
	sigdelset(&uc->uc_sigmask, SIGHUP);
}

static void direction(int sig)
{
	unsigned long flags;

	__asm__ volatile("pushf; pop %0" : "=r"(flags));
	say("%s: the handler's direction flag %lu", signal_name(sig), flags >> 10 & 1);
}

static void bad_return(int sig, siginfo_t *si, void *ucv)
{
	ucontext_t *uc = ucv;

	(void)si;
	uc->uc_mcontext.gregs[REG_RIP] = sig == SIGUSR1 ? 0x8000000000000000ULL : 0x10;
}

static void bad_stack(int sig, siginfo_t *si, void *ucv)
{
	ucontext_t *uc = ucv;

	(void)sig;
	(void)si;
	uc->uc_mcontext.gregs[REG_RSP] = 8;
}

static void handle(int sig, void (*fn)(int, siginfo_t *, void *))
{
	struct sigaction sa = { .sa_sigaction = fn, .sa_flags = SA_SIGINFO };

	sigaction(sig, &sa, NULL);
}

int main(void)
{
	register long rbx __asm__("rbx") = 0x1b, r12 __asm__("r12") = 0x112, r15 __asm__("r15") = 0x115;
	unsigned char carry;
	sigset_t set;
	long rax;

	SECTION("skipping an instruction");
	handle(SIGILL, skip_insn);
	__asm__ volatile("ud2" : "=a"(rax) : "0"(7L));
	SHOW(rax);
	SECTION("registers in, registers out");
	handle(SIGILL, regs);
	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	__asm__ volatile("mov $0x1b, %%ebx; mov $0x112, %%r12d; mov $0x113, %%r13d; mov $0x114, %%r14d; mov $0x115, %%r15d;"
			 "mov $0x151, %%esi; stc; ud2; setc %3"
			 : "=r"(rbx), "=r"(r12), "=r"(r15), "=r"(carry)
			 :
			 : "r13", "r14", "rsi", "cc", "memory");
	say("rbx %lx r12 %lx r15 %lx carry %d", rbx, r12, r15, carry);
	sigprocmask(SIG_BLOCK, NULL, &set);
	SHOW(sigismember(&set, SIGUSR2) * 10 + sigismember(&set, SIGHUP));
	SECTION("the direction flag is clear in handlers and comes back");
	signal(SIGALRM, direction);
	unsigned long flags;
	long pid = getpid(), ret;
	__asm__ volatile("std; syscall; pushf; cld; pop %0"
			 : "=r"(flags), "=a"(ret)
			 : "1"((long)SYS_kill), "D"(pid), "S"((long)SIGALRM)
			 : "rcx", "r11", "memory", "cc");
	SHOW(flags >> 10 & 1);
	SECTION("returns to where nothing is");
	IN_CHILD("wild") {
		handle(SIGUSR1, bad_return);
		raise(SIGUSR1);
	}
	IN_CHILD("low") {
		sigemptyset(&set);
		sigprocmask(SIG_SETMASK, &set, NULL);
		handle(SIGUSR2, bad_return);
		raise(SIGUSR2);
	}
	IN_CHILD("stack") {
		handle(SIGTERM, bad_stack);
		raise(SIGTERM);
	}
	IN_CHILD("sigreturn out of nothing") {
		__asm__ volatile("mov $15, %eax; xor %esp, %esp; syscall");
	}
	SECTION("rt_sigreturn gives all registers back, rcx and r11 too");
	handle(SIGILL, skip_insn);
	unsigned long rcx, r11;
	__asm__ volatile("mov $0x77, %%ecx; mov $0x88, %%r11d; ud2; mov %%rcx, %0; mov %%r11, %1"
			 : "=&r"(rcx), "=&r"(r11)
			 :
			 : "rax", "rcx", "r11", "memory");
	say("rcx %lx r11 %lx", rcx, r11);
	return 0;
}
