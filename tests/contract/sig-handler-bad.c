/* SPDX-License-Identifier: Apache-2.0 */
/* Handlers that can't be entered or left: no restorer, code that is not there or not executable, a smashed frame. */
#include "tests/contract/contract.h"

struct k_sigaction {
	void (*handler)(int);
	unsigned long flags;
	void (*restorer)(void);
	uint64_t mask;
};

static void set(int sig, void (*handler)(int), unsigned long flags, void (*restorer)(void))
{
	struct k_sigaction sa = { handler, flags, restorer, 0 };

	CALL(syscall(SYS_rt_sigaction, sig, &sa, NULL, 8));
}

static void handler(int sig)
{
	say("in the handler of %s", signal_name(sig));
}

static void bad_restorer(void)
{
	say("in the restorer");
	_exit(8);
}

static void smash(int sig, siginfo_t *si, void *uc)
{
	(void)sig;
	(void)si;
	memset(uc, 0x41, 200);
}

int main(void)
{
	char *data = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	IN_CHILD("no SA_RESTORER") {
		set(SIGUSR1, handler, 0, NULL);
		raise(SIGUSR1);
		say("back");
	}
	IN_CHILD("a restorer of our own") {
		set(SIGUSR1, handler, 0x04000000, bad_restorer);
		raise(SIGUSR1);
	}
	IN_CHILD("handler address not mapped") {
		set(SIGUSR1, (void (*)(int))0x1000, 0x04000000, bad_restorer);
		raise(SIGUSR1);
	}
	IN_CHILD("handler address not executable") {
		set(SIGUSR1, (void (*)(int))(uintptr_t)data, 0x04000000, bad_restorer);
		raise(SIGUSR1);
	}
	IN_CHILD("handler address not canonical") {
		set(SIGUSR1, (void (*)(int))0x8000000000000000UL, 0x04000000, bad_restorer);
		raise(SIGUSR1);
	}
	IN_CHILD("the SIGSEGV handler itself is not there") {
		set(SIGSEGV, (void (*)(int))0x1000, 0x04000000, bad_restorer);
		*(volatile int *)8 = 1;
	}
	IN_CHILD("the SIGSEGV handler faults") {
		signal(SIGSEGV, (void (*)(int))0x2000);
		raise(SIGSEGV);
	}
	IN_CHILD("a smashed frame") {
		struct sigaction sa = { .sa_sigaction = smash, .sa_flags = SA_SIGINFO };

		sigaction(SIGUSR1, &sa, NULL);
		raise(SIGUSR1);
		say("back");
	}
	IN_CHILD("no room for the frame") {
		signal(SIGUSR1, handler);
		__asm__ volatile("mov %0, %%rsp; mov $39, %%eax; syscall; mov %%eax, %%edi; mov $10, %%esi; mov $62, %%eax; syscall;"
				 "mov $9, %%edi; mov $231, %%eax; syscall" ::"r"(data + 64)
				 : "memory");
	}
	return 0;
}
