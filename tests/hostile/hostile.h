/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every hostile program includes.
 *
 * It defines attacks: functions that do their worst in a process of their own and then return, or die.  Around them,
 *
 *     - a victim, another process of the guest, keeps its memory under watch: private, shared with nobody, and a file's pages
 *     - when an attack is over, or its time is, what is left of it is killed with SIGKILL and must be gone soon
 *     - in the end the guest must still work: files, processes, memory, threads
 *
 * The runner (tests/run) does the same outside: HOSTILE_VICTIM is a process of the host, HOSTILE_CANARY a directory of it that the
 * guest sees read-only.  An attack that must not succeed says so with REACHED(), which no SIGKILL takes back.
 *
 * A comment of the first 12 lines may have "timeout: SECONDS" and "options: ..." for sentry.
 */
#ifndef TESTS_HOSTILE_HOSTILE_H
#define TESTS_HOSTILE_HOSTILE_H

#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "platform/systrap/layout.h"

#define HOSTILE_PAGE 4096UL
#define VICTIM_PAGES 64
#define GONE_MS 60000 /* on a machine with much else to do */

/* Shared by all processes. */
struct hostile {
	atomic_uint heartbeat, spoilt, reached;
	char what[200];
};
static struct hostile *hostile;
static char hostile_file[64];

#define REACHED(...)                                                                                                   \
	do {                                                                                                           \
		if (!atomic_fetch_add(&hostile->reached, 1))                                                           \
			snprintf(hostile->what, sizeof(hostile->what), __VA_ARGS__);                                   \
	} while (0)

static inline long hostile_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static uint64_t hostile_seed = 88172645463325252ULL;

static inline uint64_t hostile_rnd(uint64_t n)
{
	hostile_seed ^= hostile_seed << 13;
	hostile_seed ^= hostile_seed >> 7;
	hostile_seed ^= hostile_seed << 17;
	return (hostile_seed >> 11) % n;
}

/* A host number that the runner gave, 0 when there is none. */
static inline int hostile_victim_pid(void)
{
	const char *s = getenv("HOSTILE_VICTIM");

	return s ? atoi(s) : 0;
}

/* --- the victim --- */

static void victim_main(void) __attribute__((noreturn));
static void victim_main(void)
{
	uint64_t *mine =
		mmap(NULL, VICTIM_PAGES * HOSTILE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = open(hostile_file, O_RDONLY);
	const uint64_t *file = mmap(NULL, HOSTILE_PAGE, PROT_READ, MAP_SHARED, fd, 0);
	size_t words = VICTIM_PAGES * HOSTILE_PAGE / 8;

	for (size_t i = 0; i < words; i++)
		mine[i] = i * 0x9e3779b97f4a7c15ULL;
	for (;;) {
		for (size_t i = 0; i < words; i++)
			if (mine[i] != i * 0x9e3779b97f4a7c15ULL)
				atomic_store(&hostile->spoilt, 1);
		for (size_t i = 0; i < HOSTILE_PAGE / 8; i++)
			if (file[i] != 0x6666666666666666)
				atomic_store(&hostile->spoilt, 2);
		atomic_fetch_add(&hostile->heartbeat, 1);
		usleep(20000);
	}
}

/* --- attacks --- */

/* Runs @fn(@arg) in @nr processes at once, for at most @ms.  Returns how many ended by themselves. */
static inline unsigned attack_many(void (*fn)(unsigned arg), unsigned first, unsigned nr, long ms)
{
	long deadline = hostile_ms() + ms, gone = deadline + GONE_MS;
	static pid_t pid[256];
	unsigned left = nr, alone = 0;
	bool killed = false;

	for (unsigned i = 0; i < nr; i++) {
		pid[i] = fork();
		if (!pid[i]) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			setpgid(0, 0);
			fn(first + i);
			_exit(0);
		}
		if (pid[i] < 0)
			left--;
	}
	while (left) {
		long now = hostile_ms();

		for (unsigned i = 0; i < nr; i++) {
			int status;

			if (pid[i] > 0 && waitpid(pid[i], &status, WNOHANG) == pid[i]) {
				kill(-pid[i], SIGKILL); /* its children */
				pid[i] = 0;
				left--;
				alone += !killed;
			}
		}
		if (now > gone) {
			printf("%u processes are not gone %d ms after SIGKILL\n", left, GONE_MS);
			exit(1);
		}
		if (now > deadline && !killed) {
			killed = true;
			for (unsigned i = 0; i < nr; i++)
				if (pid[i] > 0 && (kill(-pid[i], SIGKILL) || 1))
					kill(pid[i], SIGKILL);
		}
		if (left)
			usleep(2000);
	}
	return alone;
}

static inline void attack(const char *name, void (*fn)(unsigned arg), long ms)
{
	unsigned alone = attack_many(fn, 0, 1, ms);

	printf("%-40s %s\n", name, alone ? "ended by itself" : "killed in the end");
	fflush(stdout);
}

/* --- the guest still works --- */

static void *hostile_thread(void *arg)
{
	return arg;
}

static inline void hostile_check(void)
{
	unsigned beat = atomic_load(&hostile->heartbeat);
	long deadline = hostile_ms() + GONE_MS;
	pthread_t thread;
	void *back;
	int status;
	pid_t pid;
	char *p;

	while (atomic_load(&hostile->heartbeat) - beat < 3) {
		if (hostile_ms() > deadline) {
			puts("the victim is gone or stuck");
			exit(1);
		}
		usleep(5000);
	}
	if (atomic_load(&hostile->spoilt)) {
		printf("the victim's memory was changed (%u)\n", atomic_load(&hostile->spoilt));
		exit(1);
	}
	if (atomic_load(&hostile->reached)) {
		printf("reached: %s\n", hostile->what);
		exit(1);
	}
	p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED || (memset(p, 1, 1 << 20), munmap(p, 1 << 20))) {
		puts("no memory any more");
		exit(1);
	}
	pid = fork();
	if (!pid) {
		execl("/proc/self/exe", "hostile", "--well", NULL);
		_exit(1);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 7 << 8) {
		puts("a new program does not run any more");
		exit(1);
	}
	if (pthread_create(&thread, NULL, hostile_thread, &status) || pthread_join(thread, &back) || back != &status) {
		puts("a new thread does not run any more");
		exit(1);
	}
}

/* What a program defines. */
static void attacks(void);

int main(int argc, char **argv)
{
	char page[HOSTILE_PAGE];
	pid_t victim;
	int fd;

	if (argc > 1 && !strcmp(argv[1], "--well"))
		return 7;
	if (argc > 1)
		hostile_seed ^= strtoull(argv[1], NULL, 0) * 0x9e3779b97f4a7c15ULL;
	setvbuf(stdout, NULL, _IOLBF, 0);
	hostile = mmap(NULL, HOSTILE_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	memset(page, 0x66, sizeof(page));
	snprintf(hostile_file, sizeof(hostile_file), "/tmp/hostile.%d", getpid());
	fd = open(hostile_file, O_RDWR | O_CREAT | O_EXCL, 0444);
	if (hostile == MAP_FAILED || fd < 0 || write(fd, page, sizeof(page)) != sizeof(page)) {
		perror("hostile");
		return 1;
	}
	close(fd);
	victim = fork();
	if (!victim)
		victim_main();
	hostile_check();
	attacks();
	hostile_check();
	kill(victim, SIGKILL);
	waitpid(victim, NULL, 0);
	unlink(hostile_file);
	return 0;
}

#endif
