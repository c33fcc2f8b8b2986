/* SPDX-License-Identifier: Apache-2.0 */
/* Megabytes through pipes, splice, sendfile and sockets, by several processes in a chain: every byte in its place. */
#include "tests/contract/contract.h"
#include <sys/sendfile.h>
#include <sys/socket.h>

#define TOTAL (3 << 20)

static void fill(char *buf, size_t n, size_t at)
{
	for (size_t i = 0; i < n; i++)
		buf[i] = (char)((at + i) * 131 >> 5);
}

static void producer(int fd)
{
	char buf[10007];

	for (size_t at = 0; at < TOTAL; at += sizeof(buf)) {
		size_t n = TOTAL - at < sizeof(buf) ? TOTAL - at : sizeof(buf);

		fill(buf, n, at);
		write_all(fd, buf, n);
	}
	_exit(0);
}

static void check(const char *what, int fd)
{
	char buf[8192], want[8192];
	size_t at = 0, bad = 0;
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		fill(want, n, at);
		bad += memcmp(buf, want, n) != 0;
		at += n;
	}
	say("%s: %zu bytes, %zu bad", what, at, bad);
	while (wait(NULL) > 0)
		;
}

int main(void)
{
	int a[2], b[2], sv[2], fd;

	scratch();
	MUST(pipe(a));
	if (fork() == 0)
		producer(a[1]);
	close(a[1]);
	check("a pipe", a[0]);
	MUST(pipe(a));
	MUST(pipe(b));
	if (fork() == 0)
		producer(a[1]);
	close(a[1]);
	if (fork() == 0) {
		close(b[0]);
		while (splice(a[0], NULL, b[1], NULL, 50000, 0) > 0)
			;
		_exit(0);
	}
	close(b[1]);
	close(a[0]);
	check("splice between pipes", b[0]);
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
	if (fork() == 0) {
		close(sv[0]);
		producer(sv[1]);
	}
	close(sv[1]);
	check("a socket", sv[0]);
	fd = MUST(open("f", O_RDWR | O_CREAT, 0644));
	if (fork() == 0)
		producer(fd);
	wait(NULL);
	MUST(lseek(fd, 0, SEEK_SET));
	MUST(pipe(a));
	if (fork() == 0) {
		close(a[0]);
		while (sendfile(a[1], fd, NULL, 70000) > 0)
			;
		_exit(0);
	}
	close(a[1]);
	check("sendfile into a pipe", a[0]);
	MUST(lseek(fd, 0, SEEK_SET));
	MUST(pipe(a));
	if (fork() == 0) {
		close(a[0]);
		while (splice(fd, NULL, a[1], NULL, 33333, 0) > 0)
			;
		_exit(0);
	}
	close(a[1]);
	check("splice of a file", a[0]);
	MUST(lseek(fd, 0, SEEK_SET));
	check("the file", fd);
	SECTION("a chain of ten");
	MUST(pipe(a));
	if (fork() == 0)
		producer(a[1]);
	close(a[1]);
	for (int i = 0; i < 10; i++) {
		MUST(pipe(b));
		if (fork() == 0) {
			char buf[4096];
			ssize_t n;

			close(b[0]);
			while ((n = read(a[0], buf, sizeof(buf))) > 0)
				write_all(b[1], buf, n);
			_exit(0);
		}
		close(a[0]);
		close(b[1]);
		a[0] = b[0];
	}
	check("chain", a[0]);
	return 0;
}
