/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timeout: 300
 * Threads that do not answer: all signals masked behind the stub's back, waits of their own in the stub's code, loops there, ends that
 * nobody was told of, masks and actions by the dozen, stops; and then SIGKILL, exec or exit from beside.
 */
#include "tests/hostile/hostile.h"

#define OWN_PAGE (SYSTRAP_BLOCKS + SYSTRAP_BLOCK_SIZE + SYSTRAP_PAGE_OFF)

static uint8_t fake[4 * 4096] __attribute__((aligned(4096)));

static void jump_to(unsigned ret_off, uint64_t nr, uint64_t a, uint64_t b, uint64_t c, uint64_t rsp)
{
	__asm__ volatile("movq %[rsp], %%rsp\nxorl %%r10d, %%r10d\njmp *%[to]"
			 :
			 : [to] "b"(SYSTRAP_TEXT + ret_off - 2), "a"(nr), "D"(a), "S"(b), "d"(c), [rsp] "r"(rsp)
			 : "memory");
	__builtin_unreachable();
}

static void loop_for_ever(void)
{
	for (;;)
		__asm__ volatile("");
}

/* A frame as the host's kernel would have made it, with every signal blocked, that goes on in loop_for_ever. */
static void deaf(unsigned n)
{
	/* struct rt_sigframe: return address, ucontext (flags, link, stack, mcontext of 23 words and fpstate, mask). */
	uint64_t *uc = (uint64_t *)(fake + 4096), *mc = uc + 5;

	(void)n;
	memset(fake, 0, sizeof(fake));
	mc[15] = (uint64_t)(uintptr_t)(fake + 3 * 4096); /* rsp */
	mc[16] = (uint64_t)(uintptr_t)loop_for_ever;	 /* rip */
	mc[18] = 0x002b000000000033;			 /* cs, ss */
	uc[5 + 32] = ~0UL;				 /* the mask */
	jump_to(SYSTRAP_SIGRETURN_RET_OFF, SYS_rt_sigreturn, 0, 0, 0, (uint64_t)(uintptr_t)uc);
}

static void waiting(unsigned n)
{
	(void)n;
	jump_to(SYSTRAP_WAIT_RET_OFF, SYS_futex, (uint64_t)(uintptr_t)fake, 0, 0, (uint64_t)(uintptr_t)(fake + 4096));
}

static void ended(unsigned n)
{
	(void)n;
	jump_to(SYSTRAP_EXIT_RET_OFF, SYS_exit, 0, 0, 0, (uint64_t)(uintptr_t)(fake + 4096));
}

/* The turn passed by hand, in a loop: the sentry is told of stops that are none. */
static void lying(unsigned n)
{
	volatile uint32_t *turn = (uint32_t *)OWN_PAGE;

	(void)n;
	for (;;) {
		turn[SYSTRAP_PAGE_STOPS / 4]++;
		turn[0] = SYSTRAP_TURN_STOPPED;
	}
}

/* Segment bases that trampolines rely on. */
static void bases(unsigned n)
{
	jump_to(SYSTRAP_BASES_RET_OFF, SYS_arch_prctl, n % 2 ? 0x1001 : 0x1002, n & 2 ? 0 : 0x7000000000, 0,
		(uint64_t)(uintptr_t)(fake + 4096));
}

static void stopped(unsigned n)
{
	(void)n;
	kill(getpid(), SIGSTOP);
	for (;;)
		raise(SIGSTOP);
}

static void *in_thread(void *arg)
{
	void (*fn)(unsigned) = arg;

	fn(0);
	return NULL;
}

static void (*const ways[])(unsigned) = { deaf, waiting, ended, lying, bases, stopped };
#define NR_WAYS (sizeof(ways) / sizeof(ways[0]))

static void alone(unsigned n)
{
	ways[n % NR_WAYS](n);
}

/* One thread does it, and the process goes on: to exec, to exit, to fork. */
static void beside(unsigned n)
{
	pthread_t thread;

	for (int i = 0; i < 3; i++)
		pthread_create(&thread, NULL, in_thread, (void *)ways[n % NR_WAYS]);
	usleep(30000);
	switch (n / NR_WAYS % 4) {
	case 0:
		execl("/proc/self/exe", "hostile", "--well", NULL);
		break;
	case 1:
		_exit(0);
	case 2:
		if (!fork())
			_exit(0);
		wait(NULL);
		break;
	default:
		munmap(mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0),
		       1 << 20);
	}
}

/* Everything there is of descriptors, threads, timers, signals, watches, locks, pipes. */
static void *idle(void *arg)
{
	pause();
	return arg;
}

static void exhaust(unsigned n)
{
	pthread_attr_t attr;
	pthread_t thread;
	timer_t timer;
	int fds[2];

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 65536);
	alarm(10);
	for (unsigned long i = 0;; i++) {
		bool any = false;

		switch (n) {
		case 0:
			any = !pipe(fds);
			break;
		case 1:
			any = !pthread_create(&thread, &attr, idle, NULL);
			break;
		case 2:
			any = !timer_create(CLOCK_MONOTONIC, &(struct sigevent){ .sigev_notify = SIGEV_NONE }, &timer);
			break;
		case 3:
			any = !sigqueue(getpid(), SIGRTMIN, (union sigval){ 0 }) || (signal(SIGRTMIN, SIG_DFL), false);
			break;
		case 4:
			any = !socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
			write(fds[0], fake, sizeof(fake));
			break;
		case 5:
			any = dup(0) >= 0;
			break;
		}
		if (!any)
			break;
	}
}

static void attacks(void)
{
	printf("%u of 30 alone ended by themselves\n", attack_many(alone, 0, 30, 3000));
	hostile_check();
	printf("%u of 48 beside others ended by themselves\n", attack_many(beside, 0, 48, 4000));
	hostile_check();
	printf("%u of 6 exhausted\n", attack_many(exhaust, 0, 6, 20000));
	hostile_check();
}
