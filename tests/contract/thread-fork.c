/* SPDX-License-Identifier: Apache-2.0 */
/* fork from a process with threads: only the caller is there; atfork handlers; exec and fork while others run. */
#include "tests/contract/contract.h"
#include <dirent.h>

static volatile int stop;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void prepare(void) { pthread_mutex_lock(&lock); }
static void release(void) { pthread_mutex_unlock(&lock); }

static void *churn(void *arg)
{
	while (!stop) {
		void *p = malloc(5000);

		memset(p, 1, 5000);
		free(p);
		pthread_mutex_lock(&lock);
		pthread_mutex_unlock(&lock);
	}
	return arg;
}

static int nr_threads(void)
{
	DIR *d = opendir("/proc/self/task");
	struct dirent *e;
	int n = 0;

	while (d && (e = readdir(d)))
		n += e->d_name[0] != '.';
	if (d)
		closedir(d);
	return n;
}

static void *forker(void *arg)
{
	IN_CHILD("fork in a thread") {
		SHOW(nr_threads());
		YES(getpid() == get_tid());
	}
	return arg;
}

int main(void)
{
	pthread_t t[3];
	volatile int bad = 0;

	pthread_atfork(prepare, release, release);
	for (int i = 0; i < 3; i++)
		pthread_create(&t[i], NULL, churn, NULL);
	SHOW(nr_threads());
	for (int i = 0; i < 40; i++) {
		pid_t pid = MUST(fork());
		int st;

		if (pid == 0) {
			free(malloc(5000));
			pthread_mutex_lock(&lock);
			_exit(nr_threads() == 1 ? 0 : 1);
		}
		MUST(waitpid(pid, &st, 0));
		bad += st != 0;
	}
	SHOW(bad);
	for (int i = 0; i < 5; i++) {
		pid_t pid = vfork();
		int st;

		if (pid == 0) {
			execl("/bin/true", "true", NULL);
			_exit(1);
		}
		MUST(waitpid(pid, &st, 0));
		bad += st != 0;
	}
	SHOW(bad);
	stop = 1;
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	pthread_create(&t[0], NULL, forker, NULL);
	pthread_join(t[0], NULL);
	return 0;
}
