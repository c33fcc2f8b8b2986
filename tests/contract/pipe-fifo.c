/* SPDX-License-Identifier: Apache-2.0 */
/* FIFOs: open semantics, both ends, non-blocking, unlink while open. */
#include "tests/contract/contract.h"
#include <poll.h>

int main(void)
{
	char buf[32] = "";
	int r, w;
	pid_t pid;

	signal(SIGPIPE, SIG_IGN);
	drop_privileges();
	scratch();
	SECTION("creation");
	CALL(mkfifo("f", 0600));
	CALL(mkfifo("f", 0600));
	CALL(mkfifo("missing/f", 0600));
	CALL(mkfifo("", 0600));
	CALL(mknod("f2", S_IFIFO | 0600, 0));
	CALL(mknod("reg", S_IFREG | 0600, 0));
	CALL(mknod("reg0", 0600, 0));
	CALL(mknod("dir", S_IFDIR | 0600, 0));
	CALL(mknod("dev", S_IFCHR | 0600, 0x103));
	CALL(mknod("bad", 0170000 | 0600, 0));
	SECTION("non-blocking opens");
	CALL(open("f", O_WRONLY | O_NONBLOCK));
	r = OK(open("f", O_RDONLY | O_NONBLOCK));
	CALL(read(r, buf, 1));
	struct pollfd p = { r, POLLIN, 0 };
	CALL(poll(&p, 1, 0));
	w = OK(open("f", O_WRONLY | O_NONBLOCK));
	CALL(read(r, buf, 1));
	CALL(write(w, "abc", 3));
	CALL(read(r, buf, 10));
	close(w);
	CALL(read(r, buf, 1));
	CALL(poll(&p, 1, 0));
	HEX(p.revents);
	w = OK(open("f", O_WRONLY));
	CALL(read(r, buf, 1));
	p.revents = 0;
	CALL(poll(&p, 1, 0));
	close(r);
	CALL(write(w, "x", 1));
	close(w);
	SECTION("read-write never blocks");
	w = OK(open("f", O_RDWR));
	CALL(write(w, "own", 3));
	CALL(read(w, buf, 3));
	close(w);
	SECTION("the opens wait for each other");
	pid = MUST(fork());
	if (pid == 0) {
		int fd = open("f", O_WRONLY);

		write(fd, "from the child", 14);
		_exit(0);
	}
	wait_asleep(pid);
	r = OK(open("f", O_RDONLY));
	memset(buf, 0, sizeof(buf));
	CALL(read(r, buf, sizeof(buf)));
	STR(buf);
	CALL(read(r, buf, sizeof(buf)));
	reap("child", pid);
	close(r);
	SECTION("unlinked while open");
	w = MUST(open("f", O_RDWR));
	CALL(unlink("f"));
	CALL(write(w, "still", 5));
	CALL(read(w, buf, 5));
	CALL(lseek(w, 0, SEEK_SET));
	CALL(ftruncate(w, 0));
	PTR(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, w, 0));
	struct stat st;
	MUST(fstat(w, &st));
	YES(S_ISFIFO(st.st_mode));
	return 0;
}
