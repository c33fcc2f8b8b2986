/* SPDX-License-Identifier: Apache-2.0 */
/* fcntl(F_NOTIFY): a signal when something in a directory changes. */
#include "tests/contract/contract.h"

static sigset_t all;

static void came(const char *what, int fd)
{
	struct timespec soon = { 0, 20000000 };
	siginfo_t si;
	int n = 0;

	for (;;) {
		int sig = sigtimedwait(&all, &si, &soon);

		if (sig < 0)
			break;
		n++;
		if (sig == SIGIO && si.si_code == SI_KERNEL)
			say("%s: SIGIO", what);
		else
			say("%s: real-time, code %d, band %#lx, the descriptor %d", what, si.si_code, si.si_band, si.si_fd == fd);
	}
	if (!n)
		say("%s: nothing", what);
}

int main(void)
{
	int d, e, fd;
	char buf[8];

	scratch();
	sigemptyset(&all);
	sigaddset(&all, SIGIO);
	sigaddset(&all, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &all, NULL);
	MUST(mkdir("d", 0755));
	MUST(mkdir("e", 0755));
	put_file("d/old", "abc", 0644);
	d = MUST(open("d", O_RDONLY));
	SECTION("errors");
	fd = MUST(open("d/old", O_RDWR));
	CALL(fcntl(fd, F_NOTIFY, DN_CREATE));
	CALL(fcntl(fd, F_NOTIFY, 0));
	CALL(fcntl(-1, F_NOTIFY, DN_CREATE));
	e = MUST(open("d", O_PATH));
	CALL(fcntl(e, F_NOTIFY, DN_CREATE));
	close(e);
	SECTION("once");
	CALL(fcntl(d, F_NOTIFY, DN_CREATE));
	YES(fcntl(d, F_GETOWN) == getpid());
	put_file("e/x", "", 0644);
	came("elsewhere", d);
	put_file("d/x", "", 0644);
	came("create", d);
	put_file("d/y", "", 0644);
	came("create again", d);
	SECTION("each time");
	CALL(fcntl(d, F_SETSIG, SIGRTMIN));
	CALL(fcntl(d, F_NOTIFY, DN_CREATE | DN_DELETE | DN_MULTISHOT));
	put_file("d/z", "", 0644);
	came("create", d);
	CALL(link("d/z", "d/zz"));
	came("link", d);
	CALL(unlink("d/zz"));
	came("unlink", d);
	CALL(mkdir("d/sub", 0755));
	came("mkdir", d);
	CALL(rmdir("d/sub"));
	came("rmdir", d);
	CALL(rename("d/z", "e/z"));
	came("moved away", d);
	CALL(rename("e/z", "d/z"));
	came("moved here", d);
	CALL(write(fd, "x", 1));
	came("not asked for", d);
	SECTION("more");
	CALL(fcntl(d, F_NOTIFY, DN_MODIFY | DN_MULTISHOT));
	CALL(write(fd, "x", 1));
	came("write", d);
	CALL(ftruncate(fd, 1));
	came("truncate", d);
	CALL(mkdir("d/sub", 0755));
	came("mkdir", d);
	SECTION("the rest");
	CALL(fcntl(d, F_NOTIFY, 0));
	CALL(mkdir("d/sub2", 0755));
	came("off", d);
	CALL(fcntl(d, F_NOTIFY, DN_ACCESS | DN_MULTISHOT));
	CALL(pread(fd, buf, 1, 0));
	came("read", d);
	CALL(fcntl(d, F_NOTIFY, 0));
	CALL(fcntl(d, F_NOTIFY, DN_ATTRIB | DN_MULTISHOT));
	CALL(chmod("d/old", 0600));
	came("chmod", d);
	CALL(chmod("d", 0700));
	came("chmod of the directory", d);
	CALL(fcntl(d, F_NOTIFY, 0));
	CALL(fcntl(d, F_NOTIFY, DN_RENAME | DN_MULTISHOT));
	CALL(rename("d/old", "d/new"));
	came("rename", d);
	CALL(rename("d/new", "e/new"));
	came("rename out", d);
	CALL(rename("d/sub", "d/sub3"));
	came("rename of a directory", d);
	SECTION("closed");
	e = MUST(dup(d));
	close(e);
	CALL(rename("d/sub3", "d/sub"));
	came("a duplicate was closed", d);
	close(d);
	CALL(rename("d/sub", "d/sub3"));
	came("closed", d);
	return 0;
}
