/* SPDX-License-Identifier: Apache-2.0 */
/* mincore(2), mlock(2) and family: residency of touched pages, limits, refusals. */
#include "tests/contract/contract.h"
#include <sys/syscall.h>

#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

static void resident(const char *what, char *p, int n)
{
	unsigned char v[64];
	char line[65];

	if (mincore(p, n * PAGE, v) < 0) {
		say("%s: %s", what, errno_name(errno));
		return;
	}
	for (int i = 0; i < n; i++)
		line[i] = v[i] & 1 ? '1' : '0';
	line[n] = 0;
	say("%s: %s", what, line);
}

int main(void)
{
	char *p = mmap(NULL, 16 * PAGE, RW, ANON, -1, 0);
	unsigned char v[16];
	struct rlimit rl = { 64 * 1024, 64 * 1024 };

	madvise(p, 16 * PAGE, MADV_NOHUGEPAGE);
	SECTION("mincore");
	resident("fresh", p, 16);
	p[0] = p[5 * PAGE] = p[15 * PAGE] = 1;
	resident("three touched", p, 16);
	MUST(madvise(p + 5 * PAGE, PAGE, MADV_DONTNEED));
	resident("one dropped", p, 16);
	MUST(munmap(p + 8 * PAGE, PAGE));
	CALL(mincore(p, 16 * PAGE, v));
	CALL(mincore(p + 1, PAGE, v));
	CALL(mincore(p, 0, v));
	CALL(mincore(p, PAGE, BAD_PTR));
	CALL(mincore((void *)(1UL << 62), PAGE, v));
	CALL(mincore(p, -1UL, v));
	PTR(mmap(p + 8 * PAGE, PAGE, RW, ANON | MAP_FIXED, -1, 0));
	SECTION("mlock as an ordinary user with 64 KiB");
	MUST(setrlimit(RLIMIT_MEMLOCK, &rl));
	drop_privileges();
	CALL(mlock(p, 4 * PAGE));
	resident("locked", p, 16);
	CALL(mlock(p, 16 * PAGE));
	CALL(mlock(p + 12 * PAGE, 4 * PAGE));
	char *big = mmap(NULL, 32 * PAGE, RW, ANON, -1, 0);
	CALL(mlock(big, PAGE * 17));
	CALL(mlock(big, PAGE));
	CALL(munlock(p, 4 * PAGE));
	CALL(mlock(big, PAGE));
	CALL(mlockall(MCL_CURRENT));
	CALL(mlockall(0));
	CALL(mlockall(0x80));
	CALL(mlock2(big + 2 * PAGE, PAGE, 1));
	CALL(mlock2(big, PAGE, 2));
	PTR(mmap(NULL, 32 * PAGE, RW, ANON | MAP_LOCKED, -1, 0));
	SECTION("ranges");
	CALL(mlock(p + 1, 1));
	CALL(mlock(p, 0));
	CALL(mlock(p, -1UL));
	MUST(munmap(p + 2 * PAGE, PAGE));
	CALL(mlock(p, 4 * PAGE));
	CALL(munlock(p, 4 * PAGE));
	CALL(munlockall());
	SECTION("no limit at all means no lock");
	rl.rlim_cur = 0;
	MUST(setrlimit(RLIMIT_MEMLOCK, &rl));
	CALL(mlock(p, PAGE));
	return 0;
}
