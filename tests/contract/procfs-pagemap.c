/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/self/pagemap: which pages are there, of a file, mapped by nobody else. */
#include "tests/contract/contract.h"

static int fd;

static void show(const char *what, const void *addr, int nr)
{
	uint64_t v[8] = { 0 };
	ssize_t n = pread(fd, v, nr * 8, (uintptr_t)addr / PAGE * 8);

	say("%s: %zd bytes", what, n);
	for (int i = 0; i < n / 8; i++)
		say("  page %d:%s%s%s%s", i, v[i] >> 63 ? " present" : "", v[i] >> 62 & 1 ? " swapped" : "",
		    v[i] >> 61 & 1 ? " file" : "", v[i] >> 56 & 1 ? " exclusive" : "");
}

int main(void)
{
	char buf[16];
	char *p;
	int file;

	scratch();
	fd = MUST(open("/proc/self/pagemap", O_RDONLY));
	p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	MUST(madvise(p, 4 * PAGE, MADV_NOHUGEPAGE));
	show("untouched", p, 4);
	p[0] = 1;
	p[2 * PAGE] = 1;
	show("two touched", p, 4);
	munmap(p, 4 * PAGE);
	show("unmapped", p, 4);
	file = page_file("file", 2 * PAGE);
	p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
	p[0] = 1;
	show("private copy of a file's page", p, 1);
	CALL(pread(fd, buf, 7, 0));
	CALL(pread(fd, buf, 8, 4));
	CALL(pread(fd, buf, 0, 0));
	CALL(read(fd, BAD_PTR, 8));
	CALL(write(fd, buf, 8));
	YES(lseek(fd, 800, SEEK_SET) == 800);
	OK(lseek(fd, 0, SEEK_END));
	return 0;
}
