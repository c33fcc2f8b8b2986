/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timeout: 300
 * options: --memory=128m --pids=150
 * Everything at once and without end: processes, threads, memory, files, the overlay's space.
 */
#include "tests/hostile/hostile.h"

static void fork_bomb(unsigned n)
{
	(void)n;
	for (;;)
		fork();
}

static void fork_and_end(unsigned n)
{
	(void)n;
	for (;;)
		if (!fork())
			_exit(0);
}

static void vfork_bomb(unsigned n)
{
	(void)n;
	signal(SIGCHLD, SIG_IGN);
	for (;;)
		if (!vfork())
			_exit(0);
}

static void *thread_main(void *arg)
{
	return arg;
}

static void thread_bomb(unsigned n)
{
	pthread_attr_t attr;
	pthread_t thread;

	(void)n;
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	for (;;)
		pthread_create(&thread, &attr, thread_main, NULL);
}

static void exec_bomb(unsigned n)
{
	(void)n;
	signal(SIGCHLD, SIG_IGN);
	for (;;)
		if (!fork())
			execl("/proc/self/exe", "hostile", "--well", NULL);
}

static void memory_bomb(unsigned n)
{
	for (size_t size = n % 2 ? 1 << 20 : 1 << 12;;) {
		char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, (n & 2 ? MAP_SHARED : MAP_PRIVATE) | MAP_ANONYMOUS,
			       -1, 0);

		if (p == MAP_FAILED)
			continue;
		for (size_t i = 0; i < size; i += 4096)
			p[i] = 1;
	}
}

static void file_bomb(unsigned n)
{
	char path[64];

	for (unsigned i = 0; i < 100000; i++) {
		snprintf(path, sizeof(path), "/tmp/bomb.%u.%u", n, i);
		if (n % 2 ? mkdir(path, 0700) : symlink("x", path))
			break;
	}
}

static void write_bomb(unsigned n)
{
	static char page[1 << 16];
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/tmp/fill.%u", n);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	/* So that nothing is left of it, whoever kills it. */
	unlink(path);
	while (write(fd, page, sizeof(page)) > 0)
		;
}

static void signal_bomb(unsigned n)
{
	pid_t pid = fork();

	(void)n;
	for (;;)
		kill(pid ? pid : getppid(), SIGCONT);
}

static void (*const bombs[])(unsigned) = { fork_bomb,	fork_and_end, vfork_bomb, thread_bomb, exec_bomb,
					   memory_bomb, file_bomb,    write_bomb, signal_bomb };
#define NR_BOMBS (sizeof(bombs) / sizeof(bombs[0]))

/* SIGKILL by the parent finds the whole group. */
static void bomb(unsigned n)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY);

	setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
	/* Whom the kernel kills for want of memory is not the question here. */
	if (fd >= 0 && write(fd, "1000", 4) == 4)
		close(fd);
	bombs[n % NR_BOMBS](n);
}

static void settle(void)
{
	/* What forks as fast as it is killed is caught at the second or third time. */
	for (int i = 0; i < 50; i++)
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	usleep(200000);
}

static void attacks(void)
{
	for (unsigned i = 0; i < NR_BOMBS; i++) {
		attack_many(bomb, i, 1, 1500);
		settle();
		hostile_check();
	}
	attack_many(bomb, 0, NR_BOMBS, 4000);
	settle();
	hostile_check();
}
