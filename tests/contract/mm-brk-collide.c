/* SPDX-License-Identifier: Apache-2.0 */
/* brk grows up to the next mapping and no further, whoever put that mapping there; mmap never lands in the heap. */
#include "tests/contract/contract.h"

static char *brk_to(void *p)
{
	return (char *)syscall(SYS_brk, p);
}

int main(void)
{
	char *start = brk_to(NULL);
	char *page = (char *)(((uintptr_t)start + PAGE - 1) & ~(PAGE - 1));
	char *wall = page + 32 * PAGE, *end;
	int overlaps = 0;

	SECTION("a fixed mapping ahead of the heap");
	YES(mmap(wall, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == wall);
	wall[0] = 'w';
	YES(brk_to(wall) == start || brk_to(NULL) == wall);
	YES(brk_to(wall + 1) == brk_to(NULL));
	YES(brk_to(wall + 100 * PAGE) <= wall);
	YES(wall[0] == 'w');
	MUST(munmap(wall, PAGE));
	SECTION("gone: the heap grows over the place");
	YES(brk_to(wall + 100 * PAGE) == wall + 100 * PAGE);
	YES(wall[0] == 0);
	end = brk_to(NULL);
	SECTION("300 mappings of many sizes, none in the heap or its way");
	for (int i = 0; i < 300; i++) {
		size_t len = (size_t)(i % 7 + 1) * 3 * PAGE << i % 5;
		char *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED || (p < end && p + len > page))
			overlaps++;
		p[0] = p[len - 1] = (char)i;
		if (i % 10 == 0 && brk_to(end + PAGE) == end + PAGE)
			end += PAGE;
	}
	SHOW(overlaps);
	YES(end == wall + 130 * PAGE);
	YES(all_bytes(wall + PAGE, 0, 129 * PAGE));
	SECTION("a hint in the middle of the heap is not honoured");
	char *p = mmap(wall, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	YES(p != wall);
	YES(p < page || p >= end);
	return 0;
}
