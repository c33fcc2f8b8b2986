/* SPDX-License-Identifier: Apache-2.0 */
/* Fresh anonymous memory, touched here and there: what counts, what is zero, what a child gets. */
#include "tests/contract/contract.h"
#include <pthread.h>

#define N 2048
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

static char *fresh(size_t pages)
{
	char *p = mmap(NULL, pages * PAGE, RW, ANON, -1, 0);

	madvise(p, pages * PAGE, MADV_NOHUGEPAGE);
	return p;
}

static long rss(void)
{
	char line[256];
	long kb = -1;
	FILE *f = fopen("/proc/self/smaps_rollup", "r");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Anonymous: %ld", &kb) == 1)
			break;
	if (f)
		fclose(f);
	return kb / 4;
}

/* The pages that mincore says are there, and whether they are those that were touched. */
static void resident(const char *what, char *p, const char *touched)
{
	static unsigned char v[N];
	int n = 0, wrong = 0;

	MUST(mincore(p, N * PAGE, v));
	for (int i = 0; i < N; i++) {
		n += v[i] & 1;
		wrong += (v[i] & 1) != touched[i];
	}
	say("%s: %d resident, %d wrong", what, n, wrong);
}

static unsigned seed = 1;

static int random_page(void)
{
	seed = seed * 1103515245 + 12345;
	return (int)(seed >> 8) % N;
}

/* A thread writes to fresh pages, one after the other, and then says how many: whoever sees the number sees the pages. */
static char *trail;
static volatile int trail_len;

static void *walker(void *arg)
{
	for (int i = 0; i < N; i++) {
		trail[i * PAGE] = 'w';
		__atomic_store_n(&trail_len, i + 1, __ATOMIC_RELEASE);
		for (volatile int spin = 0; spin < 200; spin++)
			;
	}
	return arg;
}

static int trail_is_whole(void)
{
	int len = __atomic_load_n(&trail_len, __ATOMIC_ACQUIRE);

	for (int i = 0; i < len; i++)
		if (trail[i * PAGE] != 'w')
			return 0;
	return 1;
}

int main(void)
{
	static char touched[N];
	char *p = fresh(N), *q;
	long before = rss(), delta;
	pthread_t t;
	int holes = 0;

	SECTION("touched here and there");
	resident("fresh", p, touched);
	for (int i = 0; i < 300; i++) {
		int n = random_page();

		p[n * PAGE + 5] = (char)(n | 1);
		touched[n] = 1;
	}
	resident("random pages", p, touched);
	delta = rss() - before;
	for (int i = 0; i < N; i++)
		delta -= touched[i];
	YES(delta > -32 && delta < 32);
	SECTION("a child has the same pages");
	IN_CHILD("child") {
		int sum = 0;

		for (int i = 0; i < N; i++)
			sum += touched[i] ? p[i * PAGE + 5] == (char)(i | 1) : p[i * PAGE + 5] == 0;
		SHOW(sum);
		memset(p, 'c', N * PAGE);
	}
	for (int i = 0; i < N; i++)
		holes += touched[i] ? p[i * PAGE + 5] != (char)(i | 1) : p[i * PAGE + 5] != 0;
	SHOW(holes);
	SECTION("dropped and touched again");
	memset(p, 'p', N * PAGE);
	MUST(madvise(p + 100 * PAGE, 1000 * PAGE, MADV_DONTNEED));
	memset(touched, 1, N);
	memset(touched + 100, 0, 1000);
	resident("dropped", p, touched);
	YES(all_bytes(p + 100 * PAGE, 0, 1000 * PAGE));
	YES(all_bytes(p, 'p', 100 * PAGE));
	SECTION("protection and moves");
	q = fresh(N);
	memset(touched, 0, N);
	touched[0] = touched[7] = q[0] = q[7 * PAGE] = 1;
	MUST(mprotect(q, N * PAGE, PROT_READ));
	PROBE(q + PAGE, w);
	resident("read only", q, touched);
	MUST(mprotect(q, N * PAGE, PROT_NONE));
	PROBE(q + PAGE, r);
	MUST(mprotect(q, N * PAGE, RW));
	q = mremap(q, N * PAGE, 2 * N * PAGE, MREMAP_MAYMOVE);
	YES(q[0] == 1 && q[7 * PAGE] == 1);
	q[2 * N * PAGE - 1] = 1;
	resident("moved", q, touched);
	MUST(munmap(q, 2 * N * PAGE));
	SECTION("recycled pages are zero");
	MUST(munmap(p, N * PAGE));
	for (int i = 0; i < 20; i++) {
		size_t pages = (size_t)1 << i % 11;

		p = fresh(pages);
		if (!all_bytes(p, 0, pages * PAGE))
			say("%zu pages are not zero", pages);
		memset(p, 0xa5, pages * PAGE);
		MUST(munmap(p, pages * PAGE));
	}
	SECTION("fork while a thread walks through fresh memory");
	trail = fresh(N);
	YES(pthread_create(&t, NULL, walker, NULL) == 0);
	for (int i = 0; i < 10; i++) {
		pid_t pid = MUST(fork());
		int status;

		if (!pid)
			_exit(trail_is_whole() ? 0 : 1);
		MUST(waitpid(pid, &status, 0));
		if (status)
			say("a child misses a page that was written: %d", status);
	}
	pthread_join(t, NULL);
	YES(trail_is_whole() && trail_len == N);
	return 0;
}
