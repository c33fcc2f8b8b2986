/* SPDX-License-Identifier: Apache-2.0 */
/* Large and sparse areas: reservations far beyond memory, touched in a few places. */
#include "tests/contract/contract.h"

#define GB (1UL << 30)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE)

int main(void)
{
	char *p = mmap(NULL, 64 * GB, PROT_NONE, ANON, -1, 0), *q;
	int wrong = 0, fd;

	YES(p != MAP_FAILED);
	SECTION("a reservation, committed in pieces");
	for (size_t i = 0; i < 64; i++) {
		char *at = p + i * GB + i * 12345 * PAGE % GB;

		MUST(mprotect(at, 2 * PAGE, PROT_READ | PROT_WRITE));
		at[0] = (char)i;
		at[2 * PAGE - 1] = (char)i;
	}
	for (size_t i = 0; i < 64; i++) {
		char *at = p + i * GB + i * 12345 * PAGE % GB;

		wrong += at[0] != (char)i || at[2 * PAGE - 1] != (char)i || at[PAGE] != 0;
	}
	SHOW(wrong);
	PROBE(p + 5 * PAGE, r);
	CALL(munmap(p, 64 * GB));
	PROBE(p, r);
	SECTION("sparse file, far offsets");
	scratch();
	fd = MUST(open("sparse", O_RDWR | O_CREAT, 0644));
	CALL(ftruncate(fd, 100 * GB));
	q = mmap(NULL, 100 * GB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	YES(q != MAP_FAILED);
	q[99 * GB + 7] = 'x';
	SHOW(q[50 * GB]);
	char c = 0;
	CALL(pread(fd, &c, 1, 99 * GB + 7));
	SHOW(c);
	struct stat st;
	MUST(fstat(fd, &st));
	YES(st.st_blocks * 512 < 1 << 20);
	SECTION("a thousand small mappings and back");
	char *base = mmap(NULL, 2000 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < 1000; i++)
		MUST(mprotect(base + 2 * i * PAGE, PAGE, PROT_READ));
	PROBE(base + 600 * PAGE, w);
	PROBE(base + 601 * PAGE, w);
	CALL(mprotect(base, 2000 * PAGE, PROT_READ | PROT_WRITE));
	memset(base, 'm', 2000 * PAGE);
	YES(all_bytes(base, 'm', 2000 * PAGE));
	return 0;
}
