/* SPDX-License-Identifier: Apache-2.0 */
/* chdir, fchdir, getcwd, chroot: buffers, removed directories, moved directories, permissions, threads and forks. */
#include "tests/contract/contract.h"

static void show(const char *what)
{
	char cwd[PATH_MAX];
	size_t n = strlen(scratch_dir);

	if (!getcwd(cwd, sizeof(cwd)))
		say("%s: %s", what, errno_name(errno));
	else
		say("%s: %s", what, strncmp(cwd, scratch_dir, n) ? "(elsewhere)" : cwd[n] ? cwd + n : "(base)");
}

static void *in_thread(void *arg)
{
	MUST(chdir("sub"));
	return arg;
}

int main(void)
{
	char buf[PATH_MAX];
	pthread_t t;
	int fd;

	scratch();
	put_file("f", "x", 0644);
	MUST(mkdir("d", 0755));
	MUST(mkdir("d/sub", 0755));
	MUST(symlink("d", "l"));
	show("start");
	CALL(chdir("d"));
	show("d");
	CALL(chdir("../l"));
	show("through a link");
	CALL(chdir("missing"));
	CALL(chdir("../f"));
	CALL(chdir(""));
	CALL(chdir("../f/x"));
	show("unchanged");
	SECTION("getcwd");
	long len = syscall(SYS_getcwd, buf, sizeof(buf));
	YES(len == (long)strlen(buf) + 1);
	CALL(syscall(SYS_getcwd, buf, len - 1));
	YES(syscall(SYS_getcwd, buf, len) == len);
	CALL(syscall(SYS_getcwd, buf, 0));
	SECTION("fchdir");
	fd = MUST(open("sub", O_RDONLY));
	CALL(fchdir(fd));
	show("fchdir");
	CALL(fchdir(999));
	CALL(fchdir(MUST(open("../../f", O_RDONLY))));
	SECTION("moved");
	MUST(rename("../../d", "../../moved"));
	show("moved");
	CALL(access("../sub", F_OK));
	SECTION("threads share it, children do not");
	MUST(chdir(".."));
	pthread_create(&t, NULL, in_thread, NULL);
	pthread_join(t, NULL);
	show("after the thread");
	IN_CHILD("child")
		MUST(chdir("/"));
	show("after the child");
	SECTION("removed");
	MUST(rmdir("../sub"));
	CALL(syscall(SYS_getcwd, buf, sizeof(buf)));
	CALL(chdir("."));
	CALL(chdir(".."));
	show("up");
	MUST(mkdir("gone", 0755));
	MUST(chdir("gone"));
	MUST(rmdir("../gone"));
	CALL(open("x", O_CREAT | O_WRONLY, 0644));
	CALL(mkdir("x", 0755));
	CALL(access(".", F_OK));
	CALL(access("..", F_OK));
	memset(buf, 0, sizeof(buf));
	long n = readlink("/proc/self/cwd", buf, sizeof(buf) - 1);
	YES(n > 10 && !strcmp(buf + n - 10, " (deleted)"));
	MUST(chdir(scratch_dir));
	SECTION("permission");
	MUST(mkdir("closed", 0));
	IN_CHILD("as an ordinary user") {
		drop_privileges();
		CALL(chdir("closed"));
	}
	MUST(chmod("closed", 0755));
	if (geteuid() != 0)
		return 0;
	SECTION("chroot");
	IN_CHILD("chroot") {
		CALL(chroot("missing"));
		CALL(chroot("f"));
		CALL(chroot("moved"));
		CALL(syscall(SYS_getcwd, buf, sizeof(buf)) > 0 && buf[0] == '(');
		CALL(access("f", F_OK));
		CALL(chdir("/"));
		CALL(syscall(SYS_getcwd, buf, sizeof(buf)));
		STR(buf);
		CALL(access("/gone", F_OK));
		CALL(access("../../../../f", F_OK));
		CALL(mkdir("/inside", 0755));
		CALL(symlink("/inside", "abs"));
		CALL(chdir("abs"));
		CALL(syscall(SYS_getcwd, buf, sizeof(buf)));
		STR(buf);
		CALL(execl("/bin/true", "true", NULL));
	}
	CALL(access("moved/inside", F_OK));
	return 0;
}
