/* SPDX-License-Identifier: Apache-2.0 */
/* What threads.sh runs in a guest: threads idle N | races N | exec N | processes N. */
#define _GNU_SOURCE 1
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define STACK_SIZE (64 * 1024)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER, all = PTHREAD_COND_INITIALIZER;
static int arrived, released, woken;
static atomic_int work;

static void die(const char *what, int err) __attribute__((noreturn));
static void die(const char *what, int err)
{
	printf("%s: %s\n", what, strerror(err));
	exit(1);
}

static pthread_t start(void *(*fn)(void *), void *arg)
{
	pthread_attr_t attr;
	pthread_t t;
	int err;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	err = pthread_create(&t, &attr, fn, arg);
	if (err)
		die("pthread_create", err);
	pthread_attr_destroy(&attr);
	return t;
}

static void *idle_main(void *unused)
{
	(void)unused;
	pthread_mutex_lock(&lock);
	arrived++;
	pthread_cond_signal(&all);
	while (!released)
		pthread_cond_wait(&cond, &lock);
	woken++;
	pthread_mutex_unlock(&lock);
	return NULL;
}

static void run_idle(int n)
{
	pthread_t *t = calloc((size_t)n, sizeof(*t));

	for (int i = 0; i < n; i++)
		t[i] = start(idle_main, NULL);
	pthread_mutex_lock(&lock);
	while (arrived < n)
		pthread_cond_wait(&all, &lock);
	released = 1;
	pthread_cond_broadcast(&cond);
	pthread_mutex_unlock(&lock);
	for (int i = 0; i < n; i++)
		pthread_join(t[i], NULL);
	printf("%d threads,%s all ended\n", arrived, woken == n ? " all woken," : "");
}

static void *short_main(void *left)
{
	atomic_fetch_add(&work, 1);
	if ((long)left > 0)
		pthread_join(start(short_main, (void *)((long)left - 1)), NULL);
	return NULL;
}

static void *busy_main(void *unused)
{
	(void)unused;
	for (;;)
		getppid();
	return NULL;
}

/* Chains of threads that start the next and end, while some are busy; the process ends under them. */
static void run_races(int n)
{
	for (int i = 0; i < n; i++) {
		int status;
		pid_t pid = fork();

		if (!pid) {
			for (int j = 0; j < 8; j++)
				start(j % 2 ? short_main : busy_main, (void *)20L);
			while (atomic_load(&work) < 30 + i)
				usleep(100);
			_exit(7);
		}
		if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 7 << 8)
			die("a child", errno);
	}
	printf("%d rounds\n", n);
}

static void *exec_main(void *self)
{
	usleep(1000);
	execl(self, self, "done", NULL);
	_exit(9);
}

static void run_exec(char *self, int n)
{
	for (int i = 0; i < n; i++) {
		int status;
		pid_t pid = fork();

		if (!pid) {
			for (int j = 0; j < 12; j++)
				start(j % 3 ? busy_main : short_main, (void *)20L);
			start(exec_main, self);
			start(exec_main, self);
			for (;;)
				pause();
		}
		if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 5 << 8)
			die("a child", errno);
	}
	printf("%d times\n", n);
}

/* Fifty at a time. */
static void run_processes(int n)
{
	int running = 0, status, ended = 0;

	for (int i = 0; i < n || running; i++) {
		pid_t pid = i < n ? fork() : -1;

		if (!pid)
			_exit(i % 100);
		if (pid < 0 && i < n)
			die("fork", errno);
		running += pid > 0;
		while (running && (running >= 50 || i >= n)) {
			if (wait(&status) < 0 || !WIFEXITED(status))
				die("a child", errno);
			running--;
			ended++;
		}
	}
	printf("%d processes\n", ended);
}

int main(int argc, char **argv)
{
	int n = argc > 2 ? atoi(argv[2]) : 0;

	if (argc > 1 && !strcmp(argv[1], "done"))
		return 5;
	if (argc > 1 && !strcmp(argv[1], "idle"))
		run_idle(n);
	else if (argc > 1 && !strcmp(argv[1], "races"))
		run_races(n);
	else if (argc > 1 && !strcmp(argv[1], "exec"))
		run_exec(argv[0], n);
	else if (argc > 1 && !strcmp(argv[1], "processes"))
		run_processes(n);
	else
		return 2;
	return 0;
}
