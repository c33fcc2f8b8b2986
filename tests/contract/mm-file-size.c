/* SPDX-License-Identifier: Apache-2.0 */
/* A file that grows and shrinks under its mappings: SIGBUS past the end, zeroes in the last page, pages that come back. */
#include "tests/contract/contract.h"

int main(void)
{
	int fd;
	char *p, *q;

	scratch();
	fd = page_file("f", 2 * PAGE + 100);
	p = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	q = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	SECTION("the last page");
	SHOW(p[2 * PAGE + 99]);
	SHOW(p[2 * PAGE + 100]);
	YES(all_bytes(p + 2 * PAGE + 100, 0, PAGE - 100));
	PROBE(p + 3 * PAGE - 1, w);
	PROBE(p + 3 * PAGE, r);
	PROBE(p + 3 * PAGE, w);
	PROBE(q + 3 * PAGE, r);
	PROBE(q + 3 * PAGE, w);
	PROBE(p + 7 * PAGE, r);
	SECTION("grows by ftruncate");
	CALL(ftruncate(fd, 5 * PAGE));
	PROBE(p + 3 * PAGE, r);
	PROBE(p + 4 * PAGE, w);
	PROBE(p + 5 * PAGE, r);
	YES(all_bytes(p + 3 * PAGE, 0, PAGE));
	SECTION("grows by write");
	CALL(pwrite(fd, "grown", 5, 6 * PAGE));
	SHOW(p[6 * PAGE]);
	SHOW(q[6 * PAGE + 4]);
	PROBE(p + 7 * PAGE, r);
	SECTION("shrinks: mapped pages fault, private copies too");
	q[PAGE] = 'q';
	q[6 * PAGE] = 'q';
	p[PAGE + 10] = 'p';
	CALL(ftruncate(fd, PAGE + 5));
	SHOW(p[PAGE + 4]);
	SHOW(p[PAGE + 10]);
	PROBE(p + 2 * PAGE, r);
	PROBE(p + 6 * PAGE, w);
	PROBE(q + 6 * PAGE, r);
	SHOW(q[PAGE]);
	SECTION("grows again: zeroes, not the past");
	CALL(ftruncate(fd, 8 * PAGE));
	YES(all_bytes(p + PAGE + 5, 0, 7 * PAGE - 5));
	YES(q[6 * PAGE] == 0);
	SECTION("the kernel meets the end as EFAULT");
	CALL(ftruncate(fd, PAGE));
	int out = MUST(open("out", O_RDWR | O_CREAT, 0644));
	CALL(write(out, p + 2 * PAGE, 10));
	CALL(write(out, p + PAGE - 10, 20));
	CALL(pread(out, p + 3 * PAGE, 1, 0));
	SECTION("an empty file");
	CALL(ftruncate(fd, 0));
	PROBE(p, r);
	PROBE(p, w);
	return 0;
}
