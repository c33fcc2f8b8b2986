/* SPDX-License-Identifier: Apache-2.0 */
/* madvise(2): DONTNEED, FREE, REMOVE, POPULATE_*, DONTFORK, WIPEONFORK, and every refusal. */
#include "tests/contract/contract.h"

#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_COLD
#define MADV_COLD 20
#define MADV_PAGEOUT 21
#endif

int main(void)
{
	char *p = mmap(NULL, 16 * PAGE, RW, ANON, -1, 0), *q;
	int fd;

	memset(p, 'p', 16 * PAGE);
	SECTION("DONTNEED: zero again, only there");
	CALL(madvise(p + 4 * PAGE, 2 * PAGE, MADV_DONTNEED));
	YES(p[3 * PAGE] == 'p' && p[4 * PAGE] == 0 && p[5 * PAGE] == 0 && p[6 * PAGE] == 'p');
	p[4 * PAGE] = 'n';
	CALL(madvise(p + 4 * PAGE, 1, MADV_DONTNEED));
	YES(p[4 * PAGE] == 0);
	SECTION("DONTNEED of files");
	scratch();
	fd = page_file("f", 8 * PAGE);
	q = mmap(NULL, 8 * PAGE, RW, MAP_PRIVATE, fd, 0);
	q[0] = 'q';
	CALL(madvise(q, PAGE, MADV_DONTNEED));
	SHOW(q[0]);
	char *s = mmap(NULL, 8 * PAGE, RW, MAP_SHARED, fd, 0);
	s[PAGE] = 's';
	CALL(madvise(s, 8 * PAGE, MADV_DONTNEED));
	SHOW(s[PAGE]);
	char *m = mmap(NULL, 2 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	m[0] = 'm';
	CALL(madvise(m, 2 * PAGE, MADV_DONTNEED));
	SHOW(m[0]);
	SECTION("FREE: a later write is kept");
	CALL(madvise(p, PAGE, MADV_FREE));
	p[1] = 'f';
	YES(p[1] == 'f' && (p[0] == 'p' || p[0] == 0));
	CALL(madvise(s, PAGE, MADV_FREE));
	SECTION("REMOVE");
	CALL(madvise(m, PAGE, MADV_REMOVE));
	SHOW(m[0]);
	CALL(madvise(p, PAGE, MADV_REMOVE));
	char *r = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, MUST(open("f", O_RDONLY)), 0);
	CALL(madvise(r, PAGE, MADV_REMOVE));
	SECTION("POPULATE");
	q = mmap(NULL, 4 * PAGE, RW, ANON, -1, 0);
	CALL(madvise(q, 4 * PAGE, MADV_POPULATE_WRITE));
	CALL(madvise(q, 4 * PAGE, MADV_POPULATE_READ));
	CALL(madvise(r, PAGE, MADV_POPULATE_WRITE));
	CALL(madvise(r, PAGE, MADV_POPULATE_READ));
	q = mmap(NULL, 16 * PAGE, RW, MAP_SHARED, fd, 0);
	CALL(madvise(q, 16 * PAGE, MADV_POPULATE_READ));
	SECTION("DONTFORK, DOFORK, WIPEONFORK, KEEPONFORK");
	memset(p, 'k', 16 * PAGE);
	CALL(madvise(p + PAGE, PAGE, MADV_DONTFORK));
	CALL(madvise(p + 2 * PAGE, PAGE, MADV_WIPEONFORK));
	CALL(madvise(p + 3 * PAGE, PAGE, MADV_DONTFORK));
	CALL(madvise(p + 3 * PAGE, PAGE, MADV_DOFORK));
	CALL(madvise(p + 4 * PAGE, PAGE, MADV_WIPEONFORK));
	CALL(madvise(p + 4 * PAGE, PAGE, MADV_KEEPONFORK));
	CALL(madvise(s, PAGE, MADV_WIPEONFORK));
	IN_CHILD("child") {
		PROBE(p, r);
		PROBE(p + PAGE, r);
		SHOW(p[2 * PAGE]);
		SHOW(p[3 * PAGE]);
		SHOW(p[4 * PAGE]);
		p[2 * PAGE] = 'c';
		IN_CHILD("grandchild")
			SHOW(p[2 * PAGE]);
	}
	SHOW(p[2 * PAGE]);
	SECTION("hints that change nothing");
	CALL(madvise(p, 16 * PAGE, MADV_NORMAL));
	CALL(madvise(p, 16 * PAGE, MADV_RANDOM));
	CALL(madvise(p, 16 * PAGE, MADV_SEQUENTIAL));
	CALL(madvise(p, 16 * PAGE, MADV_WILLNEED));
	CALL(madvise(p, 16 * PAGE, MADV_COLD));
	CALL(madvise(p, 16 * PAGE, MADV_DONTDUMP));
	CALL(madvise(p, 16 * PAGE, MADV_DODUMP));
	YES(all_bytes(p, 'k', 16 * PAGE));
	SECTION("refusals");
	CALL(madvise(p + 1, PAGE, MADV_DONTNEED));
	CALL(madvise(p, PAGE, 12345));
	CALL(madvise(p, PAGE, -1));
	CALL(madvise(p, 0, MADV_DONTNEED));
	CALL(madvise(p, 0, 12345));
	CALL(madvise(p, -1UL, MADV_DONTNEED));
	CALL(madvise(p, -PAGE, MADV_DONTNEED));
	MUST(munmap(p + 8 * PAGE, PAGE));
	CALL(madvise(p, 16 * PAGE, MADV_DONTNEED));
	YES(p[7 * PAGE] == 0 && p[9 * PAGE] == 0);
	CALL(madvise(p + 8 * PAGE, PAGE, MADV_WILLNEED));
	CALL(madvise(p + 8 * PAGE, PAGE, MADV_POPULATE_READ));
	return 0;
}
