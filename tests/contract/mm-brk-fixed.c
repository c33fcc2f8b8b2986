/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mmap(MAP_FIXED) inside the heap, as musl's malloc does to make guard pages: brk goes on working around it, and the
 * mapping stays.
 */
#include "tests/contract/contract.h"
#include "tests/contract/maps.h"

static char *brk_to(void *p)
{
	return (char *)syscall(SYS_brk, p);
}

int main(void)
{
	char *start = brk_to(NULL);
	char *page = (char *)(((uintptr_t)start + PAGE - 1) & ~(PAGE - 1));

	YES(brk_to(page + 2 * PAGE) == page + 2 * PAGE);
	page[0] = 'a';
	page[PAGE] = 'b';
	SECTION("a guard page over the first page of the heap");
	YES(mmap(page, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == page);
	PROBE(page, r);
	YES(page[PAGE] == 'b');
	YES(brk_to(NULL) == page + 2 * PAGE);
	SECTION("the heap grows on");
	YES(brk_to(page + 10 * PAGE) == page + 10 * PAGE);
	YES(page[PAGE] == 'b');
	memset(page + 2 * PAGE, 'c', 8 * PAGE);
	PROBE(page, r);
	PROBE(page + 10 * PAGE, r);
	SECTION("a mapping in the middle, then growth and shrinking past it");
	YES(mmap(page + 5 * PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
	    page + 5 * PAGE);
	YES(page[5 * PAGE] == 0);
	page[5 * PAGE] = 'm';
	YES(brk_to(page + 20 * PAGE) == page + 20 * PAGE);
	YES(page[5 * PAGE] == 'm');
	YES(page[4 * PAGE] == 'c');
	YES(brk_to(page + 4 * PAGE) == page + 4 * PAGE);
	PROBE(page + 5 * PAGE, r);
	YES(brk_to(page + 6 * PAGE) == page + 6 * PAGE);
	YES(page[5 * PAGE] == 0);
	SECTION("a hole in the heap");
	CALL(munmap(page + 2 * PAGE, PAGE));
	PROBE(page + 2 * PAGE, r);
	YES(brk_to(page + 7 * PAGE) == page + 7 * PAGE);
	PROBE(page + 2 * PAGE, r);
	YES(page[3 * PAGE] == 'c');
	YES(brk_to(start) == start);
	PROBE(page + 3 * PAGE, r);
	return 0;
}
