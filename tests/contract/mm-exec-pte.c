/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PROT_EXEC reaches the pages that are there: code that is present runs without a fault for each page, and stays the file's.
 * (mm-exec-prot shows that it runs at all, which a fault may have mended.)
 */
#include "tests/contract/contract.h"
#include <sys/resource.h>

#define N 64
#define RW (PROT_READ | PROT_WRITE)
#define RX (PROT_READ | PROT_EXEC)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

/* mov $imm, %eax; ret */
static void emit(char *at, int value)
{
	at[0] = (char)0xb8;
	memcpy(at + 1, &value, 4);
	at[5] = (char)0xc3;
}

static long faults(void)
{
	struct rusage ru;

	MUST(getrusage(RUSAGE_SELF, &ru));
	return ru.ru_minflt + ru.ru_majflt;
}

/* Calls every page; more faults than @max are too many. */
static void run(const char *what, const char *p, int max)
{
	long before = faults(), after;
	int sum = 0;

	for (int i = 0; i < N; i++)
		sum += ((int (*)(void))(uintptr_t)(p + i * PAGE))();
	after = faults();
	say("%s: %d, %s", what, sum, after - before <= max ? "few faults" : "a fault for every page");
}

/* Kilobytes of the mapping at @p that are no longer the file's. */
static long anonymous(const char *p)
{
	char line[512], start[32];
	FILE *f = fopen("/proc/self/smaps", "r");
	long kb = -1;
	bool here = false;

	snprintf(start, sizeof(start), "%lx-", (unsigned long)(uintptr_t)p);
	while (f && fgets(line, sizeof(line), f)) {
		if (strncmp(line, start, strlen(start)) == 0)
			here = true;
		if (here && sscanf(line, "Anonymous: %ld", &kb) == 1)
			break;
	}
	if (f)
		fclose(f);
	return kb;
}

int main(void)
{
	char *p = mmap(NULL, N * PAGE, RW, ANON, -1, 0), *q;
	int fd;

	madvise(p, N * PAGE, MADV_NOHUGEPAGE);
	for (int i = 0; i < N; i++)
		emit(p + i * PAGE, i + 1);
	MUST(mprotect(p, N * PAGE, RX));
	run("made executable", p, N / 4);
	for (int i = 0; i < N; i += 2)
		MUST(mprotect(p + i * PAGE, PAGE, PROT_READ));
	for (int i = 0; i < N; i += 2)
		MUST(mprotect(p + i * PAGE, PAGE, RX));
	run("split and merged", p, N / 4);
	MUST(mprotect(p, N * PAGE, RW | PROT_EXEC));
	for (int i = 0; i < N; i++)
		emit(p + i * PAGE, 2 * i);
	run("rewritten in place", p, N / 4);
	IN_CHILD("child") {
		run("in a child", p, N / 2);
		emit(p + 5 * PAGE, 0);
		run("of its own", p, N / 2);
	}
	run("in the parent", p, N / 2);
	q = mmap(NULL, N * PAGE, PROT_NONE, ANON, -1, 0);
	YES(mremap(p, N * PAGE, N * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, q) == q);
	run("moved", q, N / 4);
	SECTION("executable from the start");
	p = mmap(NULL, N * PAGE, RW | PROT_EXEC, ANON, -1, 0);
	madvise(p, N * PAGE, MADV_NOHUGEPAGE);
	for (int i = 0; i < N; i++)
		emit(p + i * PAGE, 3 * i);
	run("touched", p, N / 4);
	SECTION("of a file");
	scratch();
	fd = MUST(open("code", O_RDWR | O_CREAT, 0755));
	for (int i = 0; i < N; i++) {
		static char page[PAGE];

		emit(page, i + 7);
		MUST(write(fd, page, PAGE));
	}
	p = mmap(NULL, N * PAGE, RX, MAP_PRIVATE, fd, 0);
	run("private", p, N / 2);
	SHOW(anonymous(p));
	MUST(mprotect(p, N * PAGE, PROT_READ));
	MUST(mprotect(p, N * PAGE, RX));
	run("flipped", p, N / 2);
	SHOW(anonymous(p));
	q = mmap(NULL, N * PAGE, RX, MAP_SHARED, fd, 0);
	run("shared", q, N / 2);
	return 0;
}
