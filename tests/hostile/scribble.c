/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timeout: 300
 * Threads that overwrite what the stub shares with the sentry (pages that pass the turn, signal stacks, the patch area) while others
 * trap, fault and take signals.
 */
#include "tests/hostile/hostile.h"

#define NR_BLOCKS 8

static atomic_bool stop;

static void on_signal(int sig)
{
	(void)sig;
}

static void *trap_main(void *arg)
{
	char buf[64];
	int fd = open("/dev/zero", O_RDONLY);

	(void)arg;
	while (!atomic_load(&stop)) {
		syscall(SYS_getppid);
		read(fd, buf, sizeof(buf));
		raise(SIGUSR1);
		munmap(mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0),
		       8192);
		close(dup(fd));
	}
	return NULL;
}

static uint64_t value(void)
{
	static const uint64_t some[] = {
		0,	   1,	      2, 3, ~0UL, SYSTRAP_BLOCKS, SYSTRAP_TEXT, SYSTRAP_ORDERS, 0x8000000000000000,
		1UL << 46, 0xffffffff
	};

	return hostile_rnd(3) ? some[hostile_rnd(11)] : hostile_rnd(2) ? hostile_rnd(64) : hostile_rnd(~0UL);
}

/* @n: what is written to. */
static void scribble(unsigned n)
{
	pthread_t thread;
	unsigned long words = 0;

	hostile_seed += n * 15485863UL;
	alarm(4);
	signal(SIGUSR1, on_signal);
	for (int i = 0; i < 3; i++)
		pthread_create(&thread, NULL, trap_main, NULL);
	usleep(20000);
	for (;;) {
		uint64_t block = SYSTRAP_BLOCKS + (hostile_rnd(NR_BLOCKS)) * SYSTRAP_BLOCK_SIZE, at;

		if (block == SYSTRAP_BLOCKS)
			block += SYSTRAP_MAPPER_PAGE; /* its first pages are elsewhere */
		switch (n % 4) {
		case 0: /* the turn and its neighbours */
			at = block + SYSTRAP_PAGE_OFF + hostile_rnd(8) * 8;
			break;
		case 1: /* all of the page */
			at = block + SYSTRAP_PAGE_OFF + hostile_rnd(SYSTRAP_PAGE_SIZE / 8) * 8;
			break;
		case 2: /* the frame on the signal stack */
			at = block + SYSTRAP_PAGE_OFF - 8 - hostile_rnd(512) * 8;
			break;
		default:
			at = block + hostile_rnd(SYSTRAP_BLOCK_SIZE / 8 - 2048) * 8;
		}
		*(volatile uint64_t *)at = value();
		if (n % 5 == 0 && ++words % 16 == 0)
			usleep(100);
	}
}

static void attacks(void)
{
	unsigned alone = 0;

	for (unsigned round = 0; round < 4; round++) {
		alone += attack_many(scribble, round * 24, 24, 5000);
		hostile_check();
	}
	printf("96 processes, %u ended by themselves\n", alone);
}
