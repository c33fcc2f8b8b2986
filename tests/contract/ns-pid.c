/* SPDX-License-Identifier: Apache-2.0 */
/* PID namespaces: numbers inside and outside, the init of one, what happens when it ends. */
#include "tests/contract/contract.h"
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>

static void put(const char *path, const char *text)
{
	int fd = MUST(open(path, O_WRONLY));

	MUST(write(fd, text, strlen(text)));
	close(fd);
}

static void map_root(void)
{
	char text[64];
	uid_t uid = geteuid();
	gid_t gid = getegid();

	prctl(PR_SET_DUMPABLE, 1);
	if (unshare(CLONE_NEWUSER) < 0)
		skip("no user namespaces here");
	put("/proc/self/setgroups", "deny");
	snprintf(text, sizeof(text), "0 %d 1", (int)uid);
	put("/proc/self/uid_map", text);
	snprintf(text, sizeof(text), "0 %d 1", (int)gid);
	put("/proc/self/gid_map", text);
}

static int count_numbers(void)
{
	DIR *d = opendir("/proc");
	struct dirent *e;
	int n = 0;

	while (d && (e = readdir(d)))
		n += e->d_name[0] >= '0' && e->d_name[0] <= '9';
	if (d)
		closedir(d);
	return n;
}

static void as_init(int out)
{
	char link[32] = "";
	int status, pipefd[2];
	pid_t pid;

	SHOW(getpid());
	SHOW(getppid());
	SHOW((int)syscall(SYS_gettid));
	SHOW(getpgrp());
	SHOW(getsid(0));
	CALL(kill(1, SIGKILL));
	CALL(kill(1, SIGTERM));
	CALL(kill(out, 0));
	SECTION("a child");
	IN_CHILD("second") {
		SHOW(getpid());
		SHOW(getppid());
		CALL(kill(1, SIGKILL));
		CALL(setsid());
		SHOW(getsid(0));
	}
	SECTION("an orphan comes to the init");
	MUST(pipe(pipefd));
	pid = MUST(fork());
	if (!pid) {
		if (fork() == 0) {
			char c;

			close(pipefd[1]);
			(void)!read(pipefd[0], &c, 1);
			_exit(getppid() == 1 ? 7 : 8);
		}
		_exit(0);
	}
	MUST(waitpid(pid, &status, 0));
	close(pipefd[1]);
	SHOW(MUST(waitpid(-1, &status, 0)));
	SHOW(WEXITSTATUS(status));
	SECTION("its own proc");
	CALL(unshare(CLONE_NEWNS));
	CALL(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL));
	CALL(mount("proc", "/proc", "proc", 0, NULL));
	SHOW(count_numbers());
	MUST(readlink("/proc/self", link, sizeof(link) - 1));
	STR(link);
	CALL(access("/proc/2", F_OK));
	SECTION("those it leaves are killed");
	for (int i = 0; i < 3; i++)
		if (!fork()) {
			sleep(100);
			_exit(0);
		}
	_exit(33);
}

static void first(pid_t self)
{
	int status;
	pid_t pid;

	map_root();
	CALL(unshare(CLONE_NEWPID));
	YES(getpid() == self);
	CALL(unshare(CLONE_NEWPID));
	CALL(access("/proc/self/ns/pid_for_children", F_OK));
	pid = MUST(fork());
	if (!pid)
		as_init(self);
	MUST(waitpid(pid, &status, 0));
	YES(pid != 1);
	SHOW(WEXITSTATUS(status));
	SECTION("a namespace whose init has ended makes nothing");
	CALL(fork());
}

static void killed_from_above(void)
{
	pid_t pid;
	int status;

	map_root();
	MUST(unshare(CLONE_NEWPID));
	pid = MUST(fork());
	if (!pid) {
		kill(getpid(), SIGTERM);
		pause();
	}
	sleep_ms(20);
	kill(pid, SIGTERM);
	sleep_ms(20);
	CALL(waitpid(pid, &status, WNOHANG));
	kill(pid, SIGKILL);
	MUST(waitpid(pid, &status, 0));
	SHOW(WTERMSIG(status));
}

static void entered(void)
{
	int status, fd, go[2];
	char path[64], c;
	pid_t pid;

	map_root();
	MUST(pipe(go));
	MUST(unshare(CLONE_NEWPID));
	pid = MUST(fork());
	if (!pid) {
		close(go[1]);
		(void)!read(go[0], &c, 1);
		_exit(waitpid(-1, NULL, 0) < 0 ? 0 : 1);
	}
	snprintf(path, sizeof(path), "/proc/%d/ns/pid", (int)pid);
	fd = MUST(open(path, O_RDONLY));
	CALL(setns(fd, CLONE_NEWPID));
	IN_CHILD("joined") {
		SHOW(getpid());
		SHOW(getppid());
	}
	close(fd);
	fd = MUST(open("/proc/self/ns/pid", O_RDONLY));
	CALL(setns(fd, 0));
	IN_CHILD("back") {
		YES(getpid() > 2);
	}
	close(go[1]);
	MUST(waitpid(pid, &status, 0));
	SHOW(WEXITSTATUS(status));
}

int main(void)
{
	drop_privileges();
	IN_CHILD("first")
		first(getpid());
	SECTION("from above the init can be killed");
	IN_CHILD("second")
		killed_from_above();
	SECTION("setns");
	IN_CHILD("third")
		entered();
	return 0;
}
