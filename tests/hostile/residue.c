/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timeout: 120
 * A stub goes from process to process; its next guest looks for what the last one had in its registers, in the blocks of all of
 * the last one's threads.
 */
#include "tests/hostile/hostile.h"

#include <setjmp.h>

#define NR_THREADS 6
#define KEY 0x5ec2e7a11ce5b0b5ULL
#define HIDDEN 0x0123456789abcdefULL /* what is looked for is the sum; it stands nowhere before the first process makes it */

static sigjmp_buf *landing;

/* The secret in the general and vector registers, while the thread traps by signals, faults and takes one. */
static void hold_secret(void)
{
	volatile uint64_t a = KEY, b = HIDDEN;
	uint64_t secret = a + b;

	for (int i = 0; i < 40; i++) {
		long nr = i % 2 ? SYS_getppid : -1;

		asm volatile("movq %1, %%xmm6\npunpcklqdq %%xmm6, %%xmm6\nmovdqa %%xmm6, %%xmm7\nmovdqa %%xmm6, %%xmm15\n"
			     "movq %1, %%r12\nmovq %1, %%r13\nmovq %1, %%r14\nmovq %1, %%r15\n"
			     "syscall\n"
			     : "+a"(nr)
			     : "r"(secret)
			     : "rcx", "r11", "r12", "r13", "r14", "r15", "xmm6", "xmm7", "xmm15", "memory");
	}
}

static void *holder_main(void *unused)
{
	(void)unused;
	hold_secret();
	usleep(1000);
	hold_secret();
	return NULL;
}

static void leave_secret(unsigned nr_threads)
{
	pthread_t thread[NR_THREADS];

	for (unsigned i = 0; i < nr_threads; i++)
		pthread_create(&thread[i], NULL, holder_main, NULL);
	for (unsigned i = 0; i < nr_threads; i++)
		pthread_join(thread[i], NULL);
	hold_secret();
	_exit(0);
}

static void on_fault(int sig)
{
	(void)sig;
	siglongjmp(*landing, 1);
}

/* How often it is there; what can't be read has none. */
static unsigned search_page(uint64_t page)
{
	volatile unsigned found = 0;
	sigjmp_buf here;

	landing = &here;
	if (sigsetjmp(here, 1))
		return 0;
	for (const volatile uint64_t *p = (void *)page; p < (uint64_t *)(page + HOSTILE_PAGE); p++)
		found += *p - KEY == HIDDEN;
	return found;
}

static void search(unsigned unused)
{
	unsigned found = 0;

	(void)unused;
	signal(SIGSEGV, on_fault);
	signal(SIGBUS, on_fault);
	for (uint64_t page = SYSTRAP_BLOCKS; page < SYSTRAP_BLOCKS + 2 * SYSTRAP_UNIT_SIZE; page += HOSTILE_PAGE)
		found += search_page(page);
	if (found)
		REACHED("the registers of another process, %u times", found);
	_exit(0);
}

static void attacks(void)
{
	for (unsigned round = 0; round < 40; round++) {
		pid_t pid = fork();

		if (!pid)
			leave_secret(round % 2 ? NR_THREADS : 0);
		waitpid(pid, NULL, 0);
		attack_many(search, 0, 1, 5000);
	}
	puts("40 processes after others");
}
