/* SPDX-License-Identifier: Apache-2.0 */
/* mremap(2): refusals, and MREMAP_DONTUNMAP. */
#include "tests/contract/contract.h"

#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

int main(void)
{
	char *p = mmap(NULL, 16 * PAGE, RW, ANON, -1, 0), *q;

	memset(p, 'p', 16 * PAGE);
	SECTION("arguments");
	PTR(mremap(p + 1, PAGE, PAGE, 0));
	PTR(mremap(p, PAGE, 0, 0));
	PTR(mremap(p, PAGE, 0, MREMAP_MAYMOVE));
	PTR(mremap(p, PAGE, PAGE, 0x40));
	PTR(mremap(p, PAGE, PAGE, MREMAP_FIXED, p));
	PTR(mremap(p, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p + PAGE));
	PTR(mremap(p + PAGE, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p));
	PTR(mremap(p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p + 8 * PAGE + 1));
	PTR(mremap(p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)(1UL << 62)));
	YES(mremap(p, PAGE, 1UL << 47, MREMAP_MAYMOVE) == MAP_FAILED);
	YES(mremap(p, PAGE, -PAGE, MREMAP_MAYMOVE) == MAP_FAILED);
	SECTION("not mapped");
	MUST(munmap(p + 8 * PAGE, 4 * PAGE));
	PTR(mremap(p + 8 * PAGE, PAGE, 2 * PAGE, MREMAP_MAYMOVE));
	PTR(mremap(p + 4 * PAGE, 8 * PAGE, 16 * PAGE, MREMAP_MAYMOVE));
	PTR(mremap((void *)(1UL << 62), PAGE, 2 * PAGE, MREMAP_MAYMOVE));
	SECTION("over two mappings, growing");
	MUST(mprotect(p + 2 * PAGE, PAGE, PROT_READ));
	PTR(mremap(p + PAGE, 2 * PAGE, 8 * PAGE, MREMAP_MAYMOVE));
	SECTION("old size 0 of a private mapping");
	PTR(mremap(p, 0, PAGE, MREMAP_MAYMOVE));
	YES(all_bytes(p, 'p', 8 * PAGE));
	SECTION("DONTUNMAP");
	p = mmap(NULL, 4 * PAGE, RW, ANON, -1, 0);
	memset(p, 'd', 4 * PAGE);
	PTR(mremap(p, 4 * PAGE, 4 * PAGE, MREMAP_DONTUNMAP));
	PTR(mremap(p, 4 * PAGE, 8 * PAGE, MREMAP_DONTUNMAP | MREMAP_MAYMOVE));
	q = PTR(mremap(p, 4 * PAGE, 4 * PAGE, MREMAP_DONTUNMAP | MREMAP_MAYMOVE));
	YES(q != p);
	YES(all_bytes(q, 'd', 4 * PAGE));
	YES(all_bytes(p, 0, 4 * PAGE));
	p[0] = 'n';
	SHOW(q[0]);
	return 0;
}
