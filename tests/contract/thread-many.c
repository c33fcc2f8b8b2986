/* SPDX-License-Identifier: Apache-2.0 */
/* Two hundred threads at a time: all run, all see each other's work, all end; and while they do, the process forks. */
#include "tests/contract/contract.h"

#define N 200

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int arrived, released, sum;
static __thread int mine;

static void *worker(void *arg)
{
	mine = (int)(long)arg;
	pthread_mutex_lock(&lock);
	if (++arrived == N)
		pthread_cond_broadcast(&cond);
	while (!released)
		pthread_cond_wait(&cond, &lock);
	sum += mine;
	pthread_mutex_unlock(&lock);
	return (void *)(long)mine;
}

int main(void)
{
	pthread_attr_t attr;
	pthread_t t[N];
	long total = 0;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 64 * 1024);
	for (int round = 0; round < 3; round++) {
		arrived = released = sum = 0;
		total = 0;
		for (long i = 0; i < N; i++)
			if (pthread_create(&t[i], &attr, worker, (void *)i))
				say("thread %ld not made", i);
		pthread_mutex_lock(&lock);
		while (arrived < N)
			pthread_cond_wait(&cond, &lock);
		pthread_mutex_unlock(&lock);
		IN_CHILD("fork among them") {
			char path[64];
			int n = 0;
			DIR *d = opendir("/proc/self/task");

			for (struct dirent *e; (e = readdir(d));)
				n += e->d_name[0] != '.';
			SHOW(n);
			snprintf(path, sizeof(path), "/proc/%d/task", getppid());
			n = 0;
			d = opendir(path);
			for (struct dirent *e; (e = readdir(d));)
				n += e->d_name[0] != '.';
			/* a joined thread of the last round may still be there */
			YES(n > N);
		}
		pthread_mutex_lock(&lock);
		released = 1;
		pthread_cond_broadcast(&cond);
		pthread_mutex_unlock(&lock);
		for (int i = 0; i < N; i++) {
			void *r;

			pthread_join(t[i], &r);
			total += (long)r;
		}
		say("arrived %d sum %d total %ld", arrived, sum, total);
	}
	return 0;
}
