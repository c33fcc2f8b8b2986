/* SPDX-License-Identifier: Apache-2.0 */
/* Instructions and data across page borders: the fault is at the page that is missing, and mending it lets the program go on. */
#include "tests/contract/contract.h"

static char *base;
static int faults;
static char where[8];

static void mend(int sig, siginfo_t *si, void *uc)
{
	uintptr_t page = (uintptr_t)si->si_addr & ~(PAGE - 1);

	(void)sig;
	(void)uc;
	if (faults < 7)
		where[faults] = (char)('0' + (page - (uintptr_t)base) / PAGE);
	if (faults++ > 20)
		_exit(3);
	mprotect((void *)page, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC);
}

static void reset(void)
{
	faults = 0;
	memset(where, 0, sizeof(where));
	MUST(mprotect(base, 4 * PAGE, PROT_NONE));
}

int main(void)
{
	struct sigaction sa = { .sa_sigaction = mend, .sa_flags = SA_SIGINFO };
	/* mov $0x12345678, %eax; ret */
	static const char code[] = { (char)0xb8, 0x78, 0x56, 0x34, 0x12, (char)0xc3 };
	char *at;

	base = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	at = base + 2 * PAGE - 3;
	memcpy(at, code, sizeof(code));
	sigaction(SIGSEGV, &sa, NULL);
	SECTION("code over two pages");
	reset();
	int (*fn)(void) = (int (*)(void))(uintptr_t)at;
	HEX(fn());
	say("faults in pages %s", where);
	SECTION("the second page alone missing");
	reset();
	MUST(mprotect(base + PAGE, PAGE, PROT_READ | PROT_EXEC));
	HEX(fn());
	say("faults in pages %s", where);
	SECTION("a long store over two pages, then a load");
	reset();
	*(volatile long *)(base + PAGE - 4) = 0x1122334455667788;
	say("faults in pages %s", where);
	HEX(*(volatile long *)(base + PAGE - 4));
	SECTION("string instructions over four pages");
	reset();
	char *d = base;
	long n = 4 * PAGE;
	__asm__ volatile("rep stosb" : "+D"(d), "+c"(n) : "a"('s') : "memory");
	say("faults in pages %s", where);
	YES(all_bytes(base, 's', 4 * PAGE) && n == 0 && d == base + 4 * PAGE);
	SECTION("push and call onto a stack page that is missing");
	reset();
	MUST(mprotect(base, PAGE, PROT_READ | PROT_WRITE));
	static char alt[16384];
	stack_t ss = { .ss_sp = alt, .ss_size = sizeof(alt) };
	MUST(sigaltstack(&ss, NULL));
	sa.sa_flags |= SA_ONSTACK;
	sigaction(SIGSEGV, &sa, NULL);
	long popped;
	__asm__ volatile("mov %%rsp, %%rbx; mov %1, %%rsp; push $77; pop %0; mov %%rbx, %%rsp"
			 : "=&r"(popped)
			 : "r"(base + 3 * PAGE)
			 : "rbx", "memory");
	SHOW(popped);
	say("faults in pages %s", where);
	return 0;
}
