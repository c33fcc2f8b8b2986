/* SPDX-License-Identifier: Apache-2.0 */
/* A SIGSEGV handler that mends the fault by mprotect or mmap and returns: the instruction runs again, a thousand times. */
#include "tests/contract/contract.h"

#define N 256
static char *base;
static volatile int faults;

static void mend_prot(int sig, siginfo_t *si, void *uc)
{
	(void)sig;
	(void)uc;
	faults++;
	mprotect((void *)((uintptr_t)si->si_addr & ~(PAGE - 1)), PAGE, PROT_READ | PROT_WRITE);
}

static void mend_map(int sig, siginfo_t *si, void *uc)
{
	(void)sig;
	(void)uc;
	faults++;
	mmap((void *)((uintptr_t)si->si_addr & ~(PAGE - 1)), PAGE, PROT_READ | PROT_WRITE,
	     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

static void handle(void (*fn)(int, siginfo_t *, void *))
{
	struct sigaction sa = { .sa_sigaction = fn, .sa_flags = SA_SIGINFO };

	sigaction(SIGSEGV, &sa, NULL);
	faults = 0;
}

int main(void)
{
	long sum = 0;

	base = mmap(NULL, N * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	handle(mend_prot);
	SECTION("write tracking, as a garbage collector does");
	for (int round = 0; round < 4; round++) {
		MUST(mprotect(base, N * PAGE, PROT_READ));
		for (int i = 0; i < N; i++)
			base[i * PAGE + round] = (char)i;
		SHOW(faults);
	}
	for (int i = 0; i < N; i++)
		sum += (unsigned char)base[i * PAGE + 3];
	SHOW(sum);
	SECTION("read barrier");
	MUST(mprotect(base, N * PAGE, PROT_NONE));
	faults = 0;
	sum = 0;
	for (int i = 0; i < N; i++)
		sum += (unsigned char)base[i * PAGE];
	SHOW(faults);
	SHOW(sum);
	SECTION("mapped on demand");
	handle(mend_map);
	MUST(munmap(base, N * PAGE));
	for (int i = 0; i < N; i += 3)
		base[i * PAGE] = 1;
	SHOW(faults);
	SECTION("an access across two pages takes two faults");
	MUST(munmap(base, N * PAGE));
	faults = 0;
	*(volatile long *)(base + PAGE - 4) = 0x0102030405060708;
	SHOW(faults);
	HEX(*(long *)(base + PAGE - 4));
	return 0;
}
