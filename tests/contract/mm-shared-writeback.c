/* SPDX-License-Identifier: Apache-2.0 */
/* What is written to a MAP_SHARED mapping is in the file: at once for read(2), after msync, munmap, exit, exec and fork. */
#include "tests/contract/contract.h"

static char at(int fd, off_t off)
{
	char c = '?';

	return pread(fd, &c, 1, off) == 1 ? c : '-';
}

static char *map(int fd)
{
	return mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
}

int main(int argc, char **argv)
{
	char *p, *q;
	int fd;

	if (argc > 1)
		return 0;
	scratch();
	fd = page_file("f", 4 * PAGE);
	SECTION("coherent with read and write");
	p = map(fd);
	q = map(fd);
	p[5] = 'p';
	SHOW(at(fd, 5));
	SHOW(q[5]);
	CALL(pwrite(fd, "WW", 2, PAGE - 1));
	SHOW(p[PAGE - 1]);
	SHOW(q[PAGE]);
	SECTION("a second descriptor and a second name");
	MUST(link("f", "g"));
	int gd = MUST(open("g", O_RDONLY));
	p[6] = 'g';
	SHOW(at(gd, 6));
	SECTION("msync, munmap");
	p[7] = 'm';
	CALL(msync(p, PAGE, MS_SYNC));
	p[8] = 'u';
	CALL(munmap(p, 4 * PAGE));
	SHOW(at(gd, 7));
	SHOW(at(gd, 8));
	SECTION("the descriptor is closed before the write");
	p = map(fd);
	close(fd);
	p[9] = 'c';
	CALL(munmap(p, 4 * PAGE));
	SHOW(at(gd, 9));
	fd = MUST(open("f", O_RDWR));
	SECTION("a child that exits, is killed, or executes");
	IN_CHILD("exits") {
		p = map(fd);
		p[10] = 'e';
	}
	SHOW(at(gd, 10));
	IN_CHILD("killed") {
		p = map(fd);
		p[11] = 'k';
		kill(getpid(), SIGKILL);
	}
	SHOW(at(gd, 11));
	IN_CHILD("executes") {
		p = map(fd);
		p[12] = 'x';
		execl("/proc/self/exe", argv[0], "child", NULL);
		_exit(1);
	}
	SHOW(at(gd, 12));
	SECTION("inherited over fork, in both directions");
	p = map(fd);
	IN_CHILD("writes") {
		YES(p[12] == 'x');
		p[13] = 'f';
	}
	SHOW(p[13]);
	SHOW(at(gd, 13));
	SECTION("a private mapping sees it until it writes itself");
	q = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	p[14] = '1';
	SHOW(q[14]);
	q[15] = 'q';
	p[14] = '2';
	SHOW(q[14]);
	SHOW(at(gd, 15));
	SECTION("after unlink the mapping lives");
	MUST(unlink("f"));
	MUST(unlink("g"));
	p[16] = 'z';
	SHOW(at(gd, 16));
	return 0;
}
