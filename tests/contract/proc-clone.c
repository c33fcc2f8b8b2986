/* SPDX-License-Identifier: Apache-2.0 */
/* clone(2): flags that share, flags that exclude each other, tid pointers, exit signals, and a child on a stack of its own. */
#include "tests/contract/contract.h"
#include <sched.h>

static char stack[256 * 1024] __attribute__((aligned(16)));
static volatile int shared;
static int fd;
static pid_t parent;

static int child(void *arg)
{
	(void)arg;
	shared = 5;
	MUST(chdir("/"));
	umask(077);
	close(fd);
	return 3;
}

static long raw(unsigned long flags, void *sp, int *ptid, int *ctid)
{
	return syscall(SYS_clone, flags, sp, ptid, ctid, 0);
}

static void shares(const char *what, int flags)
{
	char cwd[PATH_MAX];
	int status;
	pid_t pid;

	shared = 0;
	MUST(chdir(scratch_dir));
	umask(022);
	fd = MUST(open("/dev/null", O_RDONLY));
	pid = MUST(clone(child, stack + sizeof(stack), flags | SIGCHLD, NULL));
	MUST(waitpid(pid, &status, 0));
	show_status(what, status);
	say("%s: memory %s, fs %s, files %s", what, shared == 5 ? "shared" : "own",
	    strcmp(getcwd(cwd, sizeof(cwd)), "/") == 0 ? "shared" : "own", fcntl(fd, F_GETFD) < 0 ? "shared" : "own");
	SHOW(umask(022));
	close(fd);
}

static int sibling(void *arg)
{
	(void)arg;
	return getppid() == parent ? 0 : 1;
}

int main(void)
{
	int ptid = -1, ctid = -1, status;
	pid_t pid;

	scratch();
	parent = getppid();
	shares("nothing", 0);
	shares("CLONE_VM", CLONE_VM);
	shares("CLONE_FS", CLONE_FS);
	shares("CLONE_FILES", CLONE_FILES);
	shares("all three", CLONE_VM | CLONE_FS | CLONE_FILES);
	shares("VM and VFORK", CLONE_VM | CLONE_VFORK);
	MUST(chdir(scratch_dir));
	SECTION("refusals");
	CALL(raw(CLONE_SIGHAND, NULL, NULL, NULL));
	CALL(raw(CLONE_THREAD | CLONE_VM, NULL, NULL, NULL));
	CALL(raw(CLONE_THREAD, NULL, NULL, NULL));
	CALL(raw(CLONE_FS | CLONE_NEWNS, NULL, NULL, NULL));
	CALL(raw(CLONE_PIDFD | CLONE_PARENT_SETTID | SIGCHLD, NULL, NULL, NULL));
	SECTION("tid pointers");
	pid = raw(CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | SIGCHLD, NULL, &ptid, &ctid);
	if (pid == 0)
		_exit(ctid == getpid() ? 0 : 1);
	YES(ptid == pid);
	SHOW(ctid);
	reap("child", pid);
	pid = raw(CLONE_PARENT_SETTID | SIGCHLD, NULL, BAD_PTR, NULL);
	if (pid == 0)
		_exit(0);
	YES(pid > 0);
	reap("bad parent tid pointer", pid);
	pid = raw(CLONE_CHILD_SETTID | SIGCHLD, NULL, NULL, BAD_PTR);
	if (pid == 0)
		_exit(0);
	YES(pid > 0);
	reap("bad child tid pointer", pid);
	SECTION("exit signals");
	pid = raw(0, NULL, NULL, NULL);
	if (pid == 0)
		_exit(4);
	CALL(waitpid(pid, &status, WNOHANG));
	CALL(waitpid(pid, &status, 0));
	YES(waitpid(pid, &status, __WCLONE) == pid);
	show_status("no exit signal", status);
	signal(SIGUSR1, SIG_IGN);
	pid = raw(SIGUSR1, NULL, NULL, NULL);
	if (pid == 0)
		_exit(5);
	YES(waitpid(pid, &status, __WALL) == pid);
	show_status("SIGUSR1", status);
	SECTION("CLONE_PARENT");
	IN_CHILD("middle") {
		struct gate g;

		gate_init(&g);
		parent = getppid();
		pid = MUST(clone(sibling, stack + sizeof(stack), CLONE_PARENT | SIGCHLD, NULL));
		CALL(waitpid(pid, NULL, 0));
	}
	YES(waitpid(-1, &status, 0) > 0);
	show_status("sibling", status);
	SECTION("a pidfd");
	int pidfd = -1;
	pid = raw(CLONE_PIDFD | SIGCHLD, NULL, &pidfd, NULL);
	if (pid == 0)
		pause();
	YES(pidfd >= 0);
	CALL(fcntl(pidfd, F_GETFD));
	CALL(syscall(SYS_pidfd_send_signal, pidfd, SIGTERM, NULL, 0));
	reap("child", pid);
	CALL(syscall(SYS_pidfd_send_signal, pidfd, SIGTERM, NULL, 0));
	return 0;
}
