/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/self: links, cmdline, environ, comm, cwd, exe, root, fd and fdinfo, stat and status against the system calls. */
#include "tests/contract/contract.h"
#include <dirent.h>
#include <sys/prctl.h>

static char text[65536];

static const char *slurp(const char *path)
{
	int fd = open(path, O_RDONLY);
	size_t have = 0;
	ssize_t n;

	text[0] = 0;
	if (fd < 0) {
		say("%s: %s", path, errno_name(errno));
		return text;
	}
	while ((n = read(fd, text + have, sizeof(text) - 1 - have)) > 0)
		have += n;
	text[have] = 0;
	close(fd);
	return text;
}

/* The value of "Key:" in a file of such lines. */
static const char *field(const char *file, const char *key)
{
	static char value[256];
	const char *p;
	size_t n = strlen(key);

	for (p = slurp(file); p && *p; p = strchr(p, '\n'), p = p ? p + 1 : p)
		if (!strncmp(p, key, n) && p[n] == ':') {
			sscanf(p + n + 1, " %255[^\n]", value);
			return value;
		}
	return "(missing)";
}

static void on_signal(int sig)
{
	(void)sig;
}

static const char *link_of(const char *path)
{
	static char buf[PATH_MAX];
	ssize_t n = readlink(path, buf, sizeof(buf) - 1);

	if (n < 0)
		return errno_name(errno);
	buf[n] = 0;
	return buf;
}

int main(int argc, char **argv)
{
	char path[64], cwd[PATH_MAX];
	long values[52] = { 0 };
	int fd, n;
	char *p;

	if (argc == 1) {
		/* a known command line and environment */
		char *args[] = { "first", "", "third arg", NULL }, *env[] = { "A=1", "B=two words", NULL, NULL };
		static char tmp[PATH_MAX];

		snprintf(tmp, sizeof(tmp), "SENTRY_TEST_TMP=%s", getenv("SENTRY_TEST_TMP") ? getenv("SENTRY_TEST_TMP") : "/tmp");
		env[2] = tmp;
		execve("/proc/self/exe", args, env);
		return 1;
	}
	scratch();
	SECTION("cmdline, environ, comm");
	int len = 0;
	fd = MUST(open("/proc/self/cmdline", O_RDONLY));
	len = read(fd, text, sizeof(text));
	BYTES(text, len);
	close(fd);
	YES(!memcmp(slurp("/proc/self/environ"), "A=1\0B=two words\0SENTRY_TEST_TMP=", 32));
	YES(!strcmp(slurp("/proc/self/comm"), "exe\n"));
	SECTION("links");
	YES(!strcmp(link_of("/proc/self/cwd"), getcwd(cwd, sizeof(cwd))));
	YES(strstr(link_of("/proc/self/exe"), "procfs-self") != NULL);
	STR(link_of("/proc/self/root"));
	snprintf(path, sizeof(path), "%d", getpid());
	YES(!strcmp(link_of("/proc/self"), path));
	snprintf(path, sizeof(path), "%d/task/%d", getpid(), get_tid());
	YES(!strcmp(link_of("/proc/thread-self"), path));
	SECTION("fd");
	fd = MUST(open("f", O_RDWR | O_CREAT | O_APPEND, 0644));
	write(fd, "12345", 5);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	YES(!strcmp(strrchr(link_of(path), '/'), "/f"));
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	STR(field(path, "pos"));
	STR(field(path, "flags"));
	MUST(unlink("f"));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	YES(!strcmp(strrchr(link_of(path), '/'), "/f (deleted)"));
	int fds[2];
	MUST(pipe(fds));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fds[0]);
	YES(!strncmp(link_of(path), "pipe:[", 6));
	DIR *d = opendir("/proc/self/fd");
	struct dirent *e;
	n = 0;
	while ((e = readdir(d)))
		n += e->d_name[0] != '.';
	SHOW(n);
	closedir(d);
	STR(link_of("/proc/self/fd/999"));
	CALL(open("/proc/self/fd/999", O_RDONLY));
	SECTION("status");
	STR(field("/proc/self/status", "Name"));
	YES(atoi(field("/proc/self/status", "Pid")) == getpid());
	YES(atoi(field("/proc/self/status", "Tgid")) == getpid());
	YES(atoi(field("/proc/self/status", "PPid")) == getppid());
	STR(field("/proc/self/status", "State"));
	STR(field("/proc/self/status", "Threads"));
	STR(field("/proc/self/status", "TracerPid"));
	STR(field("/proc/self/status", "Umask"));
	sscanf(field("/proc/self/status", "Uid"), "%ld %ld %ld %ld", values, values + 1, values + 2, values + 3);
	YES(values[0] == getuid() && values[1] == geteuid() && values[3] == geteuid());
	YES(atol(field("/proc/self/status", "VmRSS")) > 100);
	YES(atol(field("/proc/self/status", "VmSize")) > 1000);
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGRTMAX);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGUSR2, SIG_IGN);
	signal(SIGHUP, on_signal);
	kill(getpid(), SIGUSR1);
	STR(field("/proc/self/status", "SigBlk"));
	STR(field("/proc/self/status", "ShdPnd"));
	YES(strtoull(field("/proc/self/status", "SigIgn"), NULL, 16) & 1ULL << (SIGUSR2 - 1));
	STR(field("/proc/self/status", "SigCgt"));
	SECTION("stat");
	slurp("/proc/self/stat");
	YES(atoi(text) == getpid());
	p = strrchr(text, ')');
	YES(!strncmp(strchr(text, '('), "(exe)", 5));
	SHOW(p[2]);
	n = 3;
	for (p += 4; *p && n < 52; p = strchr(p, ' '), p = p ? p + 1 : "")
		values[n++] = strtol(p, NULL, 10);
	SHOW(n);
	YES(values[3] == getppid());
	YES(values[4] == getpgrp());
	YES(values[5] == getsid(0));
	YES(values[17] == 20 + values[18] && values[18] == getpriority(PRIO_PROCESS, 0));
	SHOW(values[19]);
	YES(values[22] > 1 << 20);
	YES(values[23] > 10);
	SECTION("statm, limits, and others that must be there");
	slurp("/proc/self/statm");
	YES(sscanf(text, "%ld %ld", values, values + 1) == 2 && values[0] >= values[1] && values[1] > 0);
	slurp("/proc/self/limits");
	YES(strstr(text, "Max open files") && strstr(text, "Max stack size"));
	static const char *const files[] = { "mounts", "mountinfo", "auxv", "smaps_rollup", "maps", "task", "mem" };
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		snprintf(path, sizeof(path), "/proc/self/%s", files[i]);
		CALL(access(path, F_OK));
	}
	SECTION("mounts");
	slurp("/proc/self/mounts");
	YES(strstr(text, " / ") != NULL);
	YES(strstr(text, " /proc proc ") != NULL);
	slurp("/proc/self/mountinfo");
	YES(strstr(text, " / / ") != NULL && strstr(text, " - proc ") != NULL);
	SECTION("mem");
	static char word[] = "in memory";
	fd = MUST(open("/proc/self/mem", O_RDWR));
	memset(cwd, 0, sizeof(cwd));
	CALL(pread(fd, cwd, 9, (off_t)(uintptr_t)word));
	STR(cwd);
	CALL(pwrite(fd, "on", 2, (off_t)(uintptr_t)word));
	STR(word);
	CALL(pread(fd, cwd, 9, 8));
	SECTION("task");
	snprintf(path, sizeof(path), "/proc/self/task/%d/comm", get_tid());
	YES(!strcmp(slurp(path), "exe\n"));
	CALL(access("/proc/self/task/1234567", F_OK));
	(void)argv;
	return 0;
}
