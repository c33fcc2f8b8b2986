/* SPDX-License-Identifier: Apache-2.0 */
/* Hints: one that is free is taken exactly; one in use, too low or too high is replaced; FIXED and FIXED_NOREPLACE. */
#include "tests/contract/contract.h"

#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

int main(void)
{
	char *base = mmap(NULL, 64 * PAGE, PROT_NONE, ANON, -1, 0);
	char *p, *q;

	MUST(munmap(base, 64 * PAGE));
	SECTION("a free hint is exact");
	p = mmap(base + 8 * PAGE, 4 * PAGE, PROT_READ | PROT_WRITE, ANON, -1, 0);
	YES(p == base + 8 * PAGE);
	SECTION("not page aligned: rounded");
	q = mmap(base + 20 * PAGE + 123, PAGE, PROT_READ | PROT_WRITE, ANON, -1, 0);
	YES(q == base + 20 * PAGE || q == base + 21 * PAGE);
	SECTION("taken, wholly or in part: elsewhere");
	YES(mmap(base + 8 * PAGE, PAGE, PROT_READ, ANON, -1, 0) != base + 8 * PAGE);
	YES(mmap(base + 7 * PAGE, 2 * PAGE, PROT_READ, ANON, -1, 0) != base + 7 * PAGE);
	YES(mmap(base + 12 * PAGE, PAGE, PROT_READ, ANON, -1, 0) == base + 12 * PAGE);
	SECTION("below 64K, and where nothing can be");
	q = mmap((void *)(8 * PAGE), PAGE, PROT_READ, ANON, -1, 0);
	YES(q == MAP_FAILED || (uintptr_t)q >= 0x10000);
	q = mmap((void *)1, PAGE, PROT_READ, ANON, -1, 0);
	YES(q != MAP_FAILED && (uintptr_t)q >= 0x10000);
	q = mmap((void *)0x7ffffffff000, PAGE, PROT_READ, ANON, -1, 0);
	YES(q != MAP_FAILED && (uintptr_t)q < 0x7ffffffff000);
	q = mmap((void *)(1UL << 60), PAGE, PROT_READ, ANON, -1, 0);
	YES(q != MAP_FAILED && (uintptr_t)q < 0x7ffffffff000);
	SECTION("MAP_FIXED_NOREPLACE");
	memset(p, 'p', 4 * PAGE);
	PTR(mmap(p, PAGE, PROT_READ, ANON | MAP_FIXED_NOREPLACE, -1, 0));
	PTR(mmap(p - PAGE, 2 * PAGE, PROT_READ, ANON | MAP_FIXED_NOREPLACE, -1, 0));
	PTR(mmap(p + 3 * PAGE, 2 * PAGE, PROT_READ, ANON | MAP_FIXED_NOREPLACE, -1, 0));
	PTR(mmap(p + 1, PAGE, PROT_READ, ANON | MAP_FIXED_NOREPLACE, -1, 0));
	YES(all_bytes(p, 'p', 4 * PAGE));
	YES(mmap(base + 30 * PAGE, PAGE, PROT_READ, ANON | MAP_FIXED_NOREPLACE, -1, 0) == base + 30 * PAGE);
	SECTION("MAP_FIXED replaces");
	YES(mmap(p + PAGE, 2 * PAGE, PROT_READ | PROT_WRITE, ANON | MAP_FIXED, -1, 0) == p + PAGE);
	YES(all_bytes(p, 'p', PAGE));
	YES(all_bytes(p + PAGE, 0, 2 * PAGE));
	YES(all_bytes(p + 3 * PAGE, 'p', PAGE));
	SECTION("MAP_32BIT");
	q = mmap(NULL, PAGE, PROT_READ, ANON | MAP_32BIT, -1, 0);
	YES(q != MAP_FAILED && (uintptr_t)q < 1UL << 31);
	return 0;
}
