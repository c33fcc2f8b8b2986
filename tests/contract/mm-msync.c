/* SPDX-License-Identifier: Apache-2.0 */
/* msync(2): flags, alignment and holes. */
#include "tests/contract/contract.h"

int main(void)
{
	char *p;
	int fd;

	scratch();
	fd = page_file("f", 8 * PAGE);
	p = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	p[0] = 'x';
	CALL(msync(p, 8 * PAGE, MS_SYNC));
	CALL(msync(p, 8 * PAGE, MS_ASYNC));
	CALL(msync(p, 8 * PAGE, MS_INVALIDATE));
	CALL(msync(p, 8 * PAGE, MS_SYNC | MS_INVALIDATE));
	CALL(msync(p, 8 * PAGE, 0));
	CALL(msync(p, 8 * PAGE, MS_SYNC | MS_ASYNC));
	CALL(msync(p, 8 * PAGE, 0x100));
	CALL(msync(p + 1, PAGE, MS_SYNC));
	CALL(msync(p, 0, MS_SYNC));
	CALL(msync(p, 1, MS_SYNC));
	CALL(msync(p, -1UL, MS_SYNC));
	CALL(msync((void *)-PAGE, 2 * PAGE, MS_SYNC));
	SECTION("a hole: the rest is still written");
	MUST(munmap(p + 2 * PAGE, PAGE));
	p[PAGE] = p[4 * PAGE] = 'h';
	CALL(msync(p, 8 * PAGE, MS_SYNC));
	CALL(msync(p + 2 * PAGE, PAGE, MS_ASYNC));
	SECTION("locked and invalidated");
	CALL(mlock(p, PAGE));
	CALL(msync(p, PAGE, MS_INVALIDATE | MS_SYNC));
	CALL(munlock(p, PAGE));
	CALL(msync(p, PAGE, MS_INVALIDATE | MS_SYNC));
	SECTION("anonymous and read-only");
	char *a = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CALL(msync(a, PAGE, MS_SYNC));
	CALL(mprotect(p, PAGE, PROT_NONE));
	CALL(msync(p, PAGE, MS_SYNC));
	return 0;
}
