/* SPDX-License-Identifier: Apache-2.0 */
/* Files beyond 4 GiB: offsets, sizes, holes, appending, truncation, reading back across the border. */
#include "tests/contract/contract.h"

#define GB (1LL << 30)

int main(void)
{
	char buf[32] = "";
	struct stat st;
	int fd;

	scratch();
	fd = MUST(open("big", O_RDWR | O_CREAT, 0644));
	CALL(pwrite(fd, "start", 5, 0));
	CALL(pwrite(fd, "border", 6, 4 * GB - 3));
	CALL(pwrite(fd, "far", 3, 9 * GB));
	MUST(fstat(fd, &st));
	SHOW(st.st_size);
	YES(st.st_blocks < 2048);
	CALL(pread(fd, buf, 6, 4 * GB - 3));
	BYTES(buf, 6);
	CALL(pread(fd, buf, 3, 4 * GB));
	BYTES(buf, 3);
	CALL(pread(fd, buf, 10, 5 * GB));
	BYTES(buf, 10);
	CALL(lseek(fd, 9 * GB, SEEK_SET));
	CALL(read(fd, buf, 10));
	BYTES(buf, 3);
	CALL(lseek(fd, 0, SEEK_CUR));
	CALL(lseek(fd, -5 * GB, SEEK_CUR));
	CALL(write(fd, "middle", 6));
	CALL(pread(fd, buf, 6, 4 * GB + 3));
	BYTES(buf, 6);
	int ap = MUST(open("big", O_WRONLY | O_APPEND));
	CALL(write(ap, "+", 1));
	CALL(lseek(ap, 0, SEEK_CUR));
	SECTION("a mapping over the border");
	char *p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 4 * GB - PAGE);
	BYTES(p + PAGE - 3, 6);
	p[PAGE] = 'M';
	CALL(pread(fd, buf, 6, 4 * GB - 3));
	BYTES(buf, 6);
	SECTION("cut at the border");
	CALL(ftruncate(fd, 4 * GB - 1));
	MUST(fstat(fd, &st));
	SHOW(st.st_size);
	CALL(pread(fd, buf, 6, 4 * GB - 3));
	BYTES(buf, 2);
	CALL(ftruncate(fd, 6 * GB));
	CALL(pread(fd, buf, 6, 4 * GB - 3));
	BYTES(buf, 6);
	YES(lseek(fd, 5 * GB, SEEK_DATA) == -1 && errno == ENXIO);
	CALL(lseek(fd, 5 * GB, SEEK_HOLE));
	return 0;
}
