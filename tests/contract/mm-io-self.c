/* SPDX-License-Identifier: Apache-2.0 */
/* System calls whose buffers are mappings of the very file, pipe or socket they work on, and buffers over many pages. */
#include "tests/contract/contract.h"
#include <sys/socket.h>
#include <sys/uio.h>

int main(void)
{
	char *p, *q;
	int fd, sv[2], other;

	scratch();
	fd = page_file("f", 8 * PAGE);
	p = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	SECTION("a file into its own mapping, and out of it");
	CALL(pread(fd, p + 4 * PAGE, 2 * PAGE, 0));
	SHOW(p[4 * PAGE]);
	SHOW(p[5 * PAGE + 7]);
	CALL(pwrite(fd, p, PAGE, 7 * PAGE));
	SHOW(p[7 * PAGE]);
	CALL(pread(fd, p, 10, 0));
	CALL(pwrite(fd, p + 100, 10, 100));
	SHOW(p[100]);
	SECTION("overlapping by some bytes");
	for (int i = 0; i < 64; i++)
		p[i] = (char)('a' + i % 26);
	CALL(pread(fd, p + 3 * PAGE - 5, 10, 0));
	BYTES(p + 3 * PAGE - 5, 10);
	SECTION("past the end: only what is there");
	CALL(ftruncate(fd, 3 * PAGE));
	CALL(pwrite(fd, p + 2 * PAGE, 2 * PAGE, 0));
	CALL(pread(fd, p + 2 * PAGE, 2 * PAGE, 0));
	SECTION("an unaligned buffer over many pages, through a socket");
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
	q = mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (size_t i = 0; i < 40000; i++)
		q[i + 13] = (char)(i * 7);
	pid_t pid = MUST(fork());
	if (pid == 0) {
		write_all(sv[1], q + 13, 40000);
		_exit(0);
	}
	close(sv[1]);
	CALL(recv(sv[0], q + 100001, 40000, MSG_WAITALL));
	YES(memcmp(q + 13, q + 100001, 40000) == 0);
	reap("sender", pid);
	SECTION("scattered over pages that are not there yet");
	other = MUST(open("f", O_RDONLY));
	char *r = mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct iovec iov[8];
	for (int i = 0; i < 8; i++)
		iov[i] = (struct iovec){ r + i * 8 * PAGE + PAGE - 3, 6 };
	CALL(preadv(other, iov, 8, 0));
	BYTES(r + PAGE - 3, 6);
	BYTES(r + 7 * 8 * PAGE + PAGE - 3, 6);
	SECTION("a copy-on-write page is broken by read(2)");
	IN_CHILD("child") {
		CALL(pread(other, r + PAGE - 3, 6, 100));
		BYTES(r + PAGE - 3, 6);
	}
	BYTES(r + PAGE - 3, 6);
	return 0;
}
