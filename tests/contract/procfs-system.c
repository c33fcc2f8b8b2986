/* SPDX-License-Identifier: Apache-2.0 */
/* /proc of the whole system: the files that programs read, their shape, directories of processes, read-only ones. */
#include "tests/contract/contract.h"
#include <dirent.h>

static char text[262144];

static bool has(const char *path, const char *what)
{
	int fd = open(path, O_RDONLY);
	ssize_t n, have = 0;

	if (fd < 0) {
		say("%s: %s", path, errno_name(errno));
		return false;
	}
	while ((n = read(fd, text + have, sizeof(text) - 1 - have)) > 0)
		have += n;
	text[have] = 0;
	close(fd);
	return strstr(text, what) != NULL;
}

#define HAS(path, what) say("%s has \"%s\": %s", path, what, has(path, what) ? "yes" : "no")

/* Directories can be read again from the start. */
static void show_rewind(const char *path, const char *name)
{
	DIR *d = opendir(path);
	struct dirent *e;
	int seen = 0;

	if (!d) {
		say("%s: %s", path, errno_name(errno));
		return;
	}
	for (int round = 0; round < 2; round++) {
		while ((e = readdir(d)))
			seen += !strcmp(e->d_name, name);
		rewinddir(d);
	}
	say("%s: %s seen %d times", path, name, seen);
	say("%s: lseek %s", path, lseek(dirfd(d), 0, SEEK_SET) ? errno_name(errno) : "0");
	closedir(d);
}

int main(void)
{
	char path[64], buf[100];
	double up, idle, load;
	pid_t pid;
	int fd;

	SECTION("shapes");
	HAS("/proc/cpuinfo", "processor\t: 0");
	HAS("/proc/cpuinfo", "flags\t\t: ");
	HAS("/proc/cpuinfo", "model name\t: ");
	HAS("/proc/meminfo", "MemTotal: ");
	HAS("/proc/meminfo", "MemAvailable: ");
	HAS("/proc/meminfo", "SwapTotal: ");
	HAS("/proc/stat", "cpu  ");
	HAS("/proc/stat", "cpu0 ");
	HAS("/proc/stat", "btime ");
	HAS("/proc/version", "Linux version ");
	HAS("/proc/filesystems", "nodev\tproc\n");
	HAS("/proc/filesystems", "nodev\ttmpfs\n");
	HAS("/proc/mounts", " /proc proc ");
	HAS("/proc/loadavg", "/");
	HAS("/proc/sys/kernel/ostype", "Linux\n");
	HAS("/proc/sys/kernel/pid_max", "\n");
	HAS("/proc/sys/kernel/random/boot_id", "-");
	HAS("/proc/sys/kernel/random/uuid", "-");
	HAS("/proc/sys/vm/overcommit_memory", "\n");
	HAS("/proc/sys/vm/max_map_count", "\n");
	HAS("/proc/sys/fs/file-max", "\n");
	HAS("/proc/sys/fs/pipe-max-size", "\n");
	HAS("/proc/sys/kernel/ngroups_max", "65536\n");
	HAS("/proc/sys/kernel/cap_last_cap", "\n");
	HAS("/proc/sys/kernel/osrelease", ".");
	HAS("/proc/sys/kernel/hostname", "\n");
	has("/proc/uptime", "");
	YES(sscanf(text, "%lf %lf", &up, &idle) == 2 && up > 0);
	has("/proc/loadavg", "");
	YES(sscanf(text, "%lf", &load) == 1 && load >= 0);
	SECTION("random/uuid is new on every read");
	char first[64];
	has("/proc/sys/kernel/random/uuid", "");
	snprintf(first, sizeof(first), "%.60s", text);
	has("/proc/sys/kernel/random/uuid", "");
	YES(strcmp(first, text) != 0 && strlen(text) == 37);
	has("/proc/sys/kernel/random/boot_id", "");
	snprintf(first, sizeof(first), "%.60s", text);
	has("/proc/sys/kernel/random/boot_id", "");
	YES(strcmp(first, text) == 0);
	SECTION("seeking and short reads");
	fd = MUST(open("/proc/version", O_RDONLY));
	CALL(read(fd, buf, 5));
	CALL(lseek(fd, 6, SEEK_SET));
	CALL(read(fd, buf, 7));
	BYTES(buf, 7);
	CALL(pread(fd, buf, 5, 0));
	BYTES(buf, 5);
	CALL(pread(fd, buf, 5, 100000));
	struct stat st;
	MUST(fstat(fd, &st));
	SHOW(st.st_size);
	HEX(st.st_mode);
	SECTION("processes come and go");
	pid = MUST(fork());
	if (pid == 0)
		for (;;)
			pause();
	snprintf(path, sizeof(path), "/proc/%d", pid);
	CALL(stat(path, &st));
	YES(S_ISDIR(st.st_mode));
	DIR *d = opendir("/proc");
	struct dirent *e;
	int found = 0, self = 0;
	while ((e = readdir(d))) {
		found += atoi(e->d_name) == pid;
		self += !strcmp(e->d_name, "self");
	}
	say("%d %d", found, self);
	closedir(d);
	int dir = MUST(open(path, O_RDONLY | O_DIRECTORY));
	kill(pid, SIGKILL);
	siginfo_t si;
	MUST(waitid(P_PID, pid, &si, WEXITED | WNOWAIT));
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	has(path, "");
	SHOW(strrchr(text, ')')[2]);
	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	has(path, "");
	SHOW(strlen(text));
	reap("child", pid);
	snprintf(path, sizeof(path), "/proc/%d", pid);
	CALL(stat(path, &st));
	CALL(openat(dir, "stat", O_RDONLY));
	SECTION("refusals");
	CALL(open("/proc/missing", O_RDONLY));
	CALL(open("/proc/0", O_RDONLY));
	CALL(open("/proc/new", O_WRONLY | O_CREAT, 0644));
	CALL(mkdir("/proc/new", 0755));
	CALL(unlink("/proc/version"));
	CALL(rename("/proc/version", "/proc/x"));
	drop_privileges();
	CALL(open("/proc/version", O_WRONLY));
	show_rewind("/proc", "self");
	show_rewind("/proc/self", "fd");
	show_rewind("/proc/self/fd", "0");
	show_rewind("/proc/self/task", "..");
	show_rewind("/proc/sys/kernel", "ostype");
	show_rewind("/sys/devices/system", "cpu");
	show_rewind("/sys/devices/system/cpu", "cpu0");
	show_rewind("/dev/pts", "ptmx");
	return 0;
}
