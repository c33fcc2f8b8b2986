/* SPDX-License-Identifier: Apache-2.0 */
/* brk(2): growth, shrinking, refusal, zeroed pages, and the same fields seen through sbrk. */
#include "tests/contract/contract.h"

static char *brk_to(void *p)
{
	return (char *)syscall(SYS_brk, p);
}

int main(void)
{
	char *start = brk_to(NULL), *end;
	char *page = (char *)(((uintptr_t)start + PAGE - 1) & ~(PAGE - 1));
	struct rlimit rl;

	YES(start != NULL);
	YES(brk_to(NULL) == start);
	SECTION("grow by bytes");
	YES(brk_to(start + 1) == start + 1);
	start[0] = 'x';
	YES(start[0] == 'x');
	start[0] = 0;
	SECTION("grow by pages");
	end = page + 64 * PAGE;
	YES(brk_to(end) == end);
	YES(all_bytes(page, 0, 64 * PAGE));
	memset(page, 'b', 64 * PAGE);
	PROBE(end - 1, w);
	PROBE(end, r);
	SECTION("shrink, and grow again: zeroed");
	YES(brk_to(page + 8 * PAGE) == page + 8 * PAGE);
	PROBE(page + 8 * PAGE, r);
	YES(page[8 * PAGE - 1] == 'b');
	YES(brk_to(end) == end);
	YES(all_bytes(page + 8 * PAGE, 0, 56 * PAGE));
	SECTION("an end inside a page keeps the page");
	YES(brk_to(page + 8 * PAGE + 100) == page + 8 * PAGE + 100);
	PROBE(page + 9 * PAGE - 1, w);
	PROBE(page + 9 * PAGE, r);
	YES(brk_to(page + 8 * PAGE + 50) == page + 8 * PAGE + 50);
	SECTION("refused: the old value comes back");
	end = brk_to(NULL);
	YES(brk_to((void *)1) == end);
	YES(brk_to((void *)-1L) == end);
	YES(brk_to((void *)0x7ffffffff000) == end);
	MUST(getrlimit(RLIMIT_DATA, &rl));
	rl.rlim_cur = 1 << 20;
	MUST(setrlimit(RLIMIT_DATA, &rl));
	YES(brk_to(end + (16 << 20)) == end);
	rl.rlim_cur = rl.rlim_max;
	MUST(setrlimit(RLIMIT_DATA, &rl));
	YES(brk_to(end + (16 << 20)) == end + (16 << 20));
	PROBE(end + (16 << 20) - 1, w);
	SECTION("all the way back");
	YES(brk_to(start) == start);
	YES(brk_to(NULL) == start);
	return 0;
}
