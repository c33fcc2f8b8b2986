/* SPDX-License-Identifier: Apache-2.0 */
/* MAP_PRIVATE never writes through: not by stores, not by syscalls that write memory, not through a read-only fd. */
#include "tests/contract/contract.h"

int main(void)
{
	int fd, fds[2];
	char *p, *r;

	scratch();
	fd = page_file("f", 4 * PAGE);
	p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	r = mmap(NULL, 4 * PAGE, PROT_READ, MAP_SHARED, fd, 0);
	SECTION("stores");
	p[0] = 'x';
	SHOW(r[0]);
	SECTION("read(2) into it");
	MUST(pipe(fds));
	write_all(fds[1], "syscall", 7);
	CALL(read(fds[0], p + PAGE, 7));
	SHOW(p[PAGE]);
	SHOW(r[PAGE]);
	SECTION("read of the same file, into its own page");
	CALL(pread(fd, p + 2 * PAGE, PAGE, 0));
	SHOW(p[2 * PAGE]);
	SHOW(r[2 * PAGE]);
	SECTION("write(2) of the shared page");
	CALL(pwrite(fd, p, 10, 3 * PAGE));
	SHOW(p[3 * PAGE]);
	SHOW(p[3 * PAGE + 10]);
	SHOW(r[3 * PAGE]);
	SECTION("msync of a private mapping does nothing");
	CALL(msync(p, 4 * PAGE, MS_SYNC));
	SHOW(r[0]);
	CALL(munmap(p, 4 * PAGE));
	SHOW(r[0]);
	SECTION("writable private mapping of a read-only descriptor");
	int ro = MUST(open("f", O_RDONLY));
	p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, ro, 0);
	p[1] = 'w';
	SHOW(r[1]);
	SECTION("mprotect of a read-only shared one");
	char *s = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, ro, 0);
	CALL(mprotect(s, PAGE, PROT_READ | PROT_WRITE));
	CALL(mprotect(s, PAGE, PROT_READ));
	PROBE(s, w);
	return 0;
}
