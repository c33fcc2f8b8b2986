/* SPDX-License-Identifier: Apache-2.0 */
/* truncate, ftruncate, holes, SEEK_HOLE and SEEK_DATA, fallocate and its modes. */
#include "tests/contract/contract.h"
#include <linux/falloc.h>

static bool zero(int fd, off_t from, size_t n)
{
	char *buf = calloc(1, n);
	ssize_t r = pread(fd, buf, n, from);
	bool ok = r == (ssize_t)n && all_bytes(buf, 0, n);

	free(buf);
	return ok;
}

static long size_of(int fd)
{
	struct stat st;

	MUST(fstat(fd, &st));
	return st.st_size;
}

static bool supported(int fd, int mode)
{
	return fallocate(fd, mode, 0, 4096) == 0 || errno != EOPNOTSUPP;
}

int main(void)
{
	struct stat st;
	int fd, ro;
	char c;

	drop_privileges();
	scratch();
	fd = MUST(open("f", O_RDWR | O_CREAT, 0644));
	SECTION("truncate");
	CALL(write(fd, "0123456789", 10));
	CALL(ftruncate(fd, 5));
	show_file("f");
	CALL(ftruncate(fd, 8));
	show_file("f");
	CALL(lseek(fd, 0, SEEK_CUR));
	CALL(truncate("f", 3));
	SHOW(size_of(fd));
	CALL(truncate("f", -1));
	CALL(ftruncate(fd, -1));
	CALL(truncate("missing", 0));
	CALL(truncate(".", 0));
	CALL(truncate("", 0));
	CALL(truncate("f/x", 0));
	ro = MUST(open("f", O_RDONLY));
	CALL(ftruncate(ro, 0));
	CALL(ftruncate(999, 0));
	int fds[2];
	MUST(pipe(fds));
	CALL(ftruncate(fds[1], 0));
	MUST(chmod("f", 0444));
	CALL(truncate("f", 1));
	CALL(ftruncate(fd, 2));
	MUST(chmod("f", 0644));
	SECTION("holes");
	CALL(ftruncate(fd, 0));
	CALL(pwrite(fd, "A", 1, 0));
	CALL(pwrite(fd, "B", 1, 1 << 20));
	SHOW(size_of(fd));
	YES(zero(fd, 1, (1 << 20) - 1));
	MUST(fstat(fd, &st));
	YES(st.st_blocks * 512 < 1 << 20);
	SECTION("SEEK_DATA and SEEK_HOLE");
	CALL(lseek(fd, 0, SEEK_DATA));
	off_t hole = lseek(fd, 0, SEEK_HOLE);
	YES(hole >= 1 && hole <= 1 << 20);
	off_t data = lseek(fd, hole, SEEK_DATA);
	YES(data >= hole && data <= 1 << 20);
	CALL(lseek(fd, 1 << 20, SEEK_DATA));
	CALL(lseek(fd, 1 << 20, SEEK_HOLE));
	CALL(lseek(fd, (1 << 20) + 1, SEEK_DATA));
	CALL(lseek(fd, (1 << 20) + 1, SEEK_HOLE));
	CALL(lseek(fd, -1, SEEK_DATA));
	SECTION("fallocate");
	if (!supported(fd, 0))
		return 0;
	CALL(ftruncate(fd, 0));
	CALL(fallocate(fd, 0, 0, 10000));
	SHOW(size_of(fd));
	YES(zero(fd, 0, 10000));
	MUST(fstat(fd, &st));
	YES(st.st_blocks * 512 >= 10000);
	CALL(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 100000));
	SHOW(size_of(fd));
	CALL(fallocate(fd, 0, 5, 5));
	SHOW(size_of(fd));
	CALL(fallocate(fd, 0, 0, 0));
	CALL(fallocate(fd, 0, -1, 5));
	CALL(fallocate(fd, 0, 5, -1));
	CALL(fallocate(fd, 0x8000, 0, 5));
	CALL(fallocate(ro, 0, 0, 5));
	CALL(fallocate(999, 0, 0, 5));
	CALL(fallocate(fds[1], 0, 0, 5));
	SECTION("punching holes");
	for (int i = 0; i < 5; i++) {
		char page[4096];

		memset(page, 'a' + i, sizeof(page));
		MUST(pwrite(fd, page, sizeof(page), i * 4096));
	}
	CALL(ftruncate(fd, 5 * 4096));
	CALL(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 4096, 4096));
	CALL(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096 + 10, 4096));
	SHOW(size_of(fd));
	YES(zero(fd, 4096 + 10, 4096));
	CALL(pread(fd, &c, 1, 4096 + 9));
	SHOW(c);
	CALL(pread(fd, &c, 1, 8192 + 10));
	SHOW(c);
	CALL(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 1 << 20, 4096));
	SHOW(size_of(fd));
	SECTION("a hole under a mapping");
	char *p = mmap(NULL, 5 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	SHOW(p[3 * 4096]);
	CALL(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 3 * 4096, 4096));
	SHOW(p[3 * 4096]);
	p[3 * 4096] = 'm';
	CALL(pread(fd, &c, 1, 3 * 4096));
	SHOW(c);
	SECTION("posix_fallocate");
	SHOW(posix_fallocate(fd, 0, 50000));
	SHOW(size_of(fd));
	SHOW(posix_fallocate(fd, 0, 0) == EINVAL);
	return 0;
}
