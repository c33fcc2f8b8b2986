/* SPDX-License-Identifier: Apache-2.0 */
/* mremap(2): growing in place and by moving, shrinking, MREMAP_FIXED, and what each keeps and frees. */
#include "tests/contract/contract.h"
#include "tests/contract/maps.h"

#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

/* @n pages in the middle of a free area of 100 pages. */
static char *island(int n)
{
	char *p = mmap(NULL, 100 * PAGE, PROT_NONE, ANON, -1, 0);

	MUST(munmap(p, 100 * PAGE));
	p = mmap(p + 40 * PAGE, n * PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0);
	for (int i = 0; i < n; i++)
		memset(p + i * PAGE, 'a' + i, PAGE);
	return p;
}

int main(void)
{
	char *p = island(4), *q, *r;
	int fd;

	SECTION("grow in place");
	YES(mremap(p, 4 * PAGE, 8 * PAGE, 0) == p);
	YES(p[0] == 'a' && p[3 * PAGE] == 'd' && p[4 * PAGE] == 0);
	p[7 * PAGE] = 'z';
	PROBE(p + 8 * PAGE, r);
	SECTION("the same size");
	YES(mremap(p, 8 * PAGE, 8 * PAGE, 0) == p);
	SECTION("shrink");
	YES(mremap(p, 8 * PAGE, 2 * PAGE, 0) == p);
	PROBE(p + 2 * PAGE, r);
	YES(p[PAGE] == 'b');
	SECTION("no room, and not allowed to move");
	r = mmap(p + 2 * PAGE, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0);
	r[0] = 'R';
	MUST(mprotect(r, PAGE, PROT_READ));
	PTR(mremap(p, 2 * PAGE, 3 * PAGE, 0));
	SECTION("MAYMOVE");
	q = mremap(p, 2 * PAGE, 30 * PAGE, MREMAP_MAYMOVE);
	YES(q != p && q != MAP_FAILED);
	YES(q[0] == 'a' && q[PAGE] == 'b' && q[2 * PAGE] == 0);
	PROBE(p, r);
	PROBE(r, r);
	SHOW(r[0]);
	memset(q, 'q', 30 * PAGE);
	SECTION("FIXED over something");
	p = island(6);
	q = mremap(q, 3 * PAGE, 3 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p + PAGE);
	YES(q == p + PAGE);
	SHOW(p[0]);
	SHOW(p[PAGE]);
	SHOW(p[3 * PAGE]);
	SHOW(p[4 * PAGE]);
	SECTION("FIXED, shrinking and growing on the way");
	q = island(4);
	r = island(1);
	YES(mremap(q, 4 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, r + 10 * PAGE) == r + 10 * PAGE);
	SHOW(r[11 * PAGE]);
	PROBE(r + 12 * PAGE, r);
	PROBE(q, r);
	PROBE(q + 3 * PAGE, r);
	YES(mremap(r + 10 * PAGE, 2 * PAGE, 5 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, q) == q);
	SHOW(q[PAGE]);
	SHOW(q[4 * PAGE]);
	SECTION("a part of a mapping");
	p = island(8);
	q = mremap(p + 2 * PAGE, 2 * PAGE, 4 * PAGE, MREMAP_MAYMOVE);
	YES(q[0] == 'c' && q[PAGE] == 'd' && q[2 * PAGE] == 0);
	PROBE(p + 2 * PAGE, r);
	YES(p[PAGE] == 'b' && p[4 * PAGE] == 'e');
	SECTION("a file mapping grows into the file");
	scratch();
	fd = page_file("f", 6 * PAGE);
	p = mmap(NULL, PAGE, RW, MAP_SHARED, fd, PAGE);
	p = mremap(p, PAGE, 5 * PAGE, MREMAP_MAYMOVE);
	SHOW(p[0]);
	SHOW(p[4 * PAGE]);
	p = mremap(p, 5 * PAGE, 7 * PAGE, MREMAP_MAYMOVE);
	PROBE(p + 5 * PAGE, r);
	p[PAGE] = 'X';
	char c;
	CALL(pread(fd, &c, 1, 2 * PAGE));
	SHOW(c);
	SECTION("old size 0 of a shared mapping: a second one");
	q = mremap(p, 0, 2 * PAGE, MREMAP_MAYMOVE);
	YES(q != MAP_FAILED && q != p);
	SHOW(q[PAGE]);
	q[0] = 'Y';
	SHOW(p[0]);
	SECTION("the protection moves along");
	p = island(2);
	MUST(mprotect(p, 2 * PAGE, PROT_READ));
	q = mremap(p, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, island(1) + 20 * PAGE);
	PROBE(q, r);
	PROBE(q, w);
	return 0;
}
