/* SPDX-License-Identifier: Apache-2.0 */
/* What execve keeps and what it resets; execveat; exec from a thread that is not the leader. */
#include "tests/contract/contract.h"
#include <sys/prctl.h>

extern char **environ;
static char self[PATH_MAX];

static void *exec_thread(void *arg)
{
	char *argv[] = { "x", "thread", NULL };

	(void)arg;
	execve("/proc/self/exe", argv, environ);
	say("execve: %s", errno_name(errno));
	return NULL;
}

static void *spin_thread(void *arg)
{
	for (;;)
		pause();
	return arg;
}

static void handler(int sig)
{
	(void)sig;
}

static void after(int argc, char **argv)
{
	char name[32] = "";
	struct sigaction sa;
	sigset_t set;
	stack_t ss;

	if (!strcmp(argv[1], "thread")) {
		YES(getpid() == get_tid());
		YES(getpid() == atoi(getenv("OLDPID")));
		exit(11);
	}
	if (!strcmp(argv[1], "fds")) {
		for (int fd = 0; fd < 12; fd++)
			say("fd %d %s", fd, fcntl(fd, F_GETFD) < 0 ? "closed" : "open");
		exit(12);
	}
	if (!strcmp(argv[1], "name")) {
		prctl(PR_GET_NAME, name);
		STR(name);
		SHOW(argc);
		exit(13);
	}
	YES(getpid() == atoi(getenv("OLDPID")));
	sigaction(SIGUSR1, NULL, &sa);
	YES(sa.sa_handler == SIG_DFL);
	sigaction(SIGUSR2, NULL, &sa);
	YES(sa.sa_handler == SIG_IGN);
	sigprocmask(SIG_BLOCK, NULL, &set);
	YES(sigismember(&set, SIGHUP) && !sigismember(&set, SIGTERM));
	sigpending(&set);
	YES(sigismember(&set, SIGHUP));
	sigaltstack(NULL, &ss);
	YES(ss.ss_flags == SS_DISABLE);
	YES(alarm(0) > 50);
	SHOW(umask(0));
	SHOW(prctl(PR_GET_PDEATHSIG, &argc));
	SHOW(argc);
	SHOW(prctl(PR_GET_DUMPABLE));
	SHOW(getpriority(PRIO_PROCESS, 0));
	char *brk0 = (char *)syscall(SYS_brk, 0);
	YES(brk0 != NULL);
	YES(getenv("KEPT") != NULL);
	exit(14);
}

static void run(const char *what, char *arg0, char *arg1)
{
	pid_t pid = MUST(fork());
	char text[32], *argv[] = { arg0, arg1, NULL };

	if (pid == 0) {
		snprintf(text, sizeof(text), "%d", getpid());
		setenv("OLDPID", text, 1);
		execve("/proc/self/exe", argv, environ);
		_exit(1);
	}
	reap(what, pid);
}

int main(int argc, char **argv)
{
	char text[32];
	pthread_t t;
	pid_t pid;
	int fd;

	if (getenv("KEPT"))
		after(argc, argv);
	scratch();
	setenv("KEPT", "1", 1);
	MUST(readlink("/proc/self/exe", self, sizeof(self) - 1));
	SECTION("signals, timers and the rest");
	pid = MUST(fork());
	if (pid == 0) {
		static char alt[16384];
		stack_t ss = { .ss_sp = alt, .ss_size = sizeof(alt) };
		char *args[] = { "x", "state", NULL };
		sigset_t set;

		signal(SIGUSR1, handler);
		signal(SIGUSR2, SIG_IGN);
		sigemptyset(&set);
		sigaddset(&set, SIGHUP);
		sigprocmask(SIG_BLOCK, &set, NULL);
		raise(SIGHUP);
		sigaltstack(&ss, NULL);
		alarm(100);
		umask(031);
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		prctl(PR_SET_NAME, "changed");
		setpriority(PRIO_PROCESS, 0, 3);
		snprintf(text, sizeof(text), "%d", getpid());
		setenv("OLDPID", text, 1);
		execve("/proc/self/exe", args, environ);
		_exit(1);
	}
	reap("state", pid);
	SECTION("close on exec");
	pid = MUST(fork());
	if (pid == 0) {
		MUST(dup2(1, 5));
		MUST(dup3(1, 6, O_CLOEXEC));
		MUST(fcntl(1, F_DUPFD, 7));
		MUST(fcntl(1, F_DUPFD_CLOEXEC, 8));
		MUST(dup2(1, 9));
		MUST(fcntl(9, F_SETFD, FD_CLOEXEC));
		MUST(dup2(6, 10));
		execve("/proc/self/exe", (char *[]){ "x", "fds", NULL }, environ);
		_exit(1);
	}
	reap("fds", pid);
	SECTION("the name of the process");
	MUST(symlink(self, "a-rather-long-name-of-a-link"));
	pid = MUST(fork());
	if (pid == 0) {
		execve("a-rather-long-name-of-a-link", (char *[]){ "zero", "name", NULL }, environ);
		_exit(1);
	}
	reap("name", pid);
	SECTION("execveat");
	fd = MUST(open(self, O_PATH | O_CLOEXEC));
	pid = MUST(fork());
	if (pid == 0) {
		syscall(SYS_execveat, fd, "", (char *[]){ "zero", "none", NULL }, environ, 0);
		say("no AT_EMPTY_PATH: %s", errno_name(errno));
		syscall(SYS_execveat, AT_FDCWD, self, (char *[]){ "zero", "none", NULL }, environ, 0x8000);
		say("bad flag: %s", errno_name(errno));
		syscall(SYS_execveat, 999, "", (char *[]){ "zero", "none", NULL }, environ, AT_EMPTY_PATH);
		say("bad fd: %s", errno_name(errno));
		syscall(SYS_execveat, AT_FDCWD, "a-rather-long-name-of-a-link", (char *[]){ "zero", NULL }, environ,
			AT_SYMLINK_NOFOLLOW);
		say("NOFOLLOW: %s", errno_name(errno));
		setenv("OLDPID", "0", 1);
		dup2(fd, 5);
		syscall(SYS_execveat, fd, "", (char *[]){ "zero", "fds", NULL }, environ, AT_EMPTY_PATH);
		say("empty path: %s", errno_name(errno));
		_exit(1);
	}
	reap("execveat", pid);
	put_file("script", "#!/bin/sh\nexit 21\n", 0755);
	int dir = MUST(open(".", O_PATH | O_DIRECTORY | O_CLOEXEC));
	pid = MUST(fork());
	if (pid == 0) {
		syscall(SYS_execveat, dir, "script", (char *[]){ "zero", NULL }, environ, 0);
		say("a script relative to a close-on-exec directory: %s", errno_name(errno));
		fcntl(dir, F_SETFD, 0);
		syscall(SYS_execveat, dir, "script", (char *[]){ "zero", NULL }, environ, 0);
		_exit(1);
	}
	reap("execveat script", pid);
	SECTION("exec from another thread ends the rest and keeps the pid");
	pid = MUST(fork());
	if (pid == 0) {
		snprintf(text, sizeof(text), "%d", getpid());
		setenv("OLDPID", text, 1);
		for (int i = 0; i < 3; i++)
			pthread_create(&t, NULL, spin_thread, NULL);
		pthread_create(&t, NULL, exec_thread, NULL);
		pause();
	}
	reap("thread", pid);
	run("again", "x", "name");
	return 0;
}
