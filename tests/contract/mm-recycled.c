/* SPDX-License-Identifier: Apache-2.0 */
/* A range that is unmapped and mapped again is zero, faults for what was there, and keeps no protection of the past. */
#include "tests/contract/contract.h"

#define N 64
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

int main(void)
{
	char *base = mmap(NULL, N * PAGE, PROT_READ | PROT_WRITE, ANON, -1, 0);
	int fd, bad = 0;

	scratch();
	fd = page_file("f", N * PAGE);
	for (int round = 0; round < 20; round++) {
		memset(base, 0x40 + round, N * PAGE);
		MUST(munmap(base, N * PAGE));
		if (mmap(base, N * PAGE, PROT_READ | PROT_WRITE, ANON | MAP_FIXED_NOREPLACE, -1, 0) != base)
			bad += 1000;
		if (!all_bytes(base, 0, N * PAGE))
			bad++;
	}
	SHOW(bad);
	SECTION("anonymous, then file, then anonymous");
	memset(base, 'z', N * PAGE);
	YES(mmap(base, N * PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0) == base);
	YES(base[0] == 'A' && base[PAGE] == 'B' && base[27 * PAGE] == 'B');
	PROBE(base, w);
	YES(mmap(base, N * PAGE, PROT_READ | PROT_WRITE, ANON | MAP_FIXED, -1, 0) == base);
	YES(all_bytes(base, 0, N * PAGE));
	SECTION("every second page out and in again");
	memset(base, 'k', N * PAGE);
	for (int i = 0; i < N; i += 2)
		MUST(munmap(base + i * PAGE, PAGE));
	PROBE(base + 2 * PAGE, r);
	PROBE(base + 3 * PAGE, r);
	PTR(mmap(base, N * PAGE, PROT_READ | PROT_WRITE, ANON | MAP_FIXED, -1, 0));
	YES(all_bytes(base, 0, N * PAGE));
	SECTION("read-only, gone, writable again");
	MUST(mprotect(base, N * PAGE, PROT_READ));
	PROBE(base, w);
	MUST(munmap(base, N * PAGE));
	PROBE(base, r);
	PTR(mmap(base, N * PAGE, PROT_READ | PROT_WRITE, ANON | MAP_FIXED, -1, 0));
	PROBE(base, w);
	SECTION("executable code does not survive");
	base[0] = (char)0xc3;
	MUST(mprotect(base, PAGE, PROT_READ | PROT_EXEC));
	PROBE(base, x);
	PTR(mmap(base, PAGE, PROT_READ | PROT_WRITE, ANON | MAP_FIXED, -1, 0));
	PROBE(base, x);
	YES(base[0] == 0);
	return 0;
}
