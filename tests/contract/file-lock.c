/* SPDX-License-Identifier: Apache-2.0 */
/* POSIX record locks, OFD locks and flock between processes: conflicts, splitting, release by close, deadlock. */
#include "tests/contract/contract.h"
#include <sys/file.h>

static int fd;
static struct gate go, done;

static long lock(int f, int cmd, int type, off_t start, off_t len)
{
	struct flock fl = { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len };

	return fcntl(f, cmd, &fl);
}

/* What another process sees in the first @n bytes. */
static void map_locks(const char *what, int n)
{
	IN_CHILD(what) {
		char line[64];

		for (int i = 0; i < n; i++) {
			struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = i, .l_len = 1 };

			MUST(fcntl(fd, F_GETLK, &fl));
			line[i] = fl.l_type == F_UNLCK ? '.' : fl.l_type == F_RDLCK ? 'r' : 'w';
			if (fl.l_type != F_UNLCK && fl.l_pid != getppid())
				line[i] = '?';
		}
		line[n] = 0;
		say("%s: %s", what, line);
	}
}

/* The lines of @path that speak of file "g" and locks of kind @want, without numbers that vary. */
static void show_kind(const char *path, const char *want)
{
	char line[200], kind[20], type[20], start[30], end[30];
	FILE *f = fopen(path, "r");
	struct stat st;
	unsigned long ino;
	int pid;

	MUST(stat("g", &st));
	while (f && fgets(line, sizeof(line), f)) {
		const char *s = strstr(line, ": ");

		if (s && sscanf(s, ": %19s ADVISORY %19s %d %*x:%*x:%lu %29s %29s", kind, type, &pid, &ino, start, end) == 6 &&
		    ino == st.st_ino && !strcmp(kind, want))
			say("%s %s %s-%s %s", kind, type, start, end, pid == getpid() ? "mine" : pid == -1 ? "no pid" : "other");
	}
	if (f)
		fclose(f);
}

static void show_locks(const char *path)
{
	show_kind(path, "FLOCK");
	show_kind(path, "POSIX");
	show_kind(path, "OFDLCK");
}

static void proc_files(void)
{
	char path[64];
	int a = MUST(open("g", O_RDWR | O_CREAT, 0644)), b = MUST(open("g", O_RDWR));
	struct flock fl = { .l_type = F_WRLCK, .l_start = 10, .l_len = 5 };

	SECTION("/proc");
	MUST(fcntl(a, F_SETLK, &fl));
	fl = (struct flock){ .l_type = F_RDLCK, .l_start = 100 };
	MUST(fcntl(b, F_OFD_SETLK, &fl));
	MUST(flock(b, LOCK_SH));
	show_locks("/proc/locks");
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", a);
	show_locks(path);
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", b);
	show_locks(path);
	close(b);
	close(a);
	show_locks("/proc/locks");
}

int main(void)
{
	pid_t pid;
	int other;

	gate_init(&go);
	gate_init(&done);
	scratch();
	put_file("f", "0123456789", 0644);
	fd = MUST(open("f", O_RDWR));
	SECTION("ranges");
	CALL(lock(fd, F_SETLK, F_WRLCK, 2, 10));
	map_locks("one", 20);
	CALL(lock(fd, F_SETLK, F_UNLCK, 5, 2));
	map_locks("split", 20);
	CALL(lock(fd, F_SETLK, F_RDLCK, 3, 6));
	map_locks("changed", 20);
	CALL(lock(fd, F_SETLK, F_WRLCK, 0, 0));
	map_locks("to the end", 20);
	CALL(lock(fd, F_SETLK, F_UNLCK, 0, 0));
	map_locks("none", 20);
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_END, .l_start = -4, .l_len = 2 };
	CALL(fcntl(fd, F_SETLK, &fl));
	map_locks("from the end", 20);
	fl = (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 3, .l_len = -2 };
	CALL(fcntl(fd, F_SETLK, &fl));
	map_locks("negative length", 20);
	SECTION("conflicts");
	CALL(lock(fd, F_SETLK, F_UNLCK, 0, 0));
	CALL(lock(fd, F_SETLK, F_RDLCK, 0, 5));
	IN_CHILD("another process") {
		CALL(lock(fd, F_SETLK, F_RDLCK, 0, 5));
		CALL(lock(fd, F_SETLK, F_WRLCK, 0, 5));
		CALL(lock(fd, F_SETLK, F_WRLCK, 5, 5));
	}
	SECTION("any close of the file releases them all");
	CALL(lock(fd, F_SETLK, F_WRLCK, 0, 5));
	close(MUST(open("f", O_RDONLY)));
	map_locks("after", 10);
	CALL(lock(fd, F_SETLK, F_WRLCK, 0, 5));
	close(dup(fd));
	map_locks("after", 10);
	SECTION("waiting");
	CALL(lock(fd, F_SETLK, F_WRLCK, 0, 5));
	pid = MUST(fork());
	if (pid == 0) {
		CALL(lock(fd, F_SETLKW, F_WRLCK, 0, 5));
		_exit(0);
	}
	wait_asleep(pid);
	MUST(lock(fd, F_SETLK, F_UNLCK, 0, 5));
	reap("child", pid);
	SECTION("deadlock");
	CALL(lock(fd, F_SETLK, F_WRLCK, 0, 1));
	pid = MUST(fork());
	if (pid == 0) {
		CALL(lock(fd, F_SETLK, F_WRLCK, 1, 1));
		gate_open(&done);
		_exit(lock(fd, F_SETLKW, F_WRLCK, 0, 1) == 0 ? 0 : 1);
	}
	gate_wait(&done);
	wait_asleep(pid);
	CALL(lock(fd, F_SETLKW, F_WRLCK, 1, 1));
	MUST(lock(fd, F_SETLK, F_UNLCK, 0, 0));
	reap("child", pid);
	SECTION("OFD locks belong to the open file");
	other = MUST(open("f", O_RDWR));
	CALL(lock(fd, F_OFD_SETLK, F_WRLCK, 0, 5));
	CALL(lock(other, F_OFD_SETLK, F_WRLCK, 0, 5));
	CALL(lock(other, F_OFD_SETLK, F_WRLCK, 5, 5));
	CALL(lock(fd, F_SETLK, F_WRLCK, 0, 5));
	fl = (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };
	CALL(fcntl(other, F_OFD_GETLK, &fl));
	SHOW(fl.l_pid);
	fl = (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1, .l_pid = 5 };
	CALL(fcntl(other, F_OFD_SETLK, &fl));
	IN_CHILD("inherited with the open file")
		CALL(lock(fd, F_OFD_SETLK, F_WRLCK, 0, 5));
	close(MUST(open("f", O_RDONLY)));
	CALL(lock(other, F_OFD_SETLK, F_WRLCK, 0, 5));
	close(fd);
	CALL(lock(other, F_OFD_SETLK, F_WRLCK, 0, 5));
	SECTION("flock");
	fd = MUST(open("f", O_RDWR));
	CALL(flock(fd, LOCK_EX));
	IN_CHILD("inherited")
		CALL(flock(fd, LOCK_EX | LOCK_NB));
	IN_CHILD("another open file") {
		int f = MUST(open("f", O_RDONLY));

		CALL(flock(f, LOCK_SH | LOCK_NB));
		CALL(flock(f, LOCK_EX | LOCK_NB));
	}
	CALL(flock(other, LOCK_SH | LOCK_NB));
	CALL(flock(fd, LOCK_SH));
	CALL(flock(other, LOCK_SH | LOCK_NB));
	CALL(flock(other, LOCK_EX | LOCK_NB));
	/* a failed conversion loses the lock */
	CALL(flock(fd, LOCK_EX | LOCK_NB));
	CALL(flock(fd, LOCK_UN));
	CALL(flock(fd, 0));
	CALL(flock(fd, 77));
	CALL(flock(999, LOCK_SH));
	CALL(flock(other, LOCK_EX | LOCK_NB));
	pid = MUST(fork());
	if (pid == 0) {
		close(other);
		CALL(flock(fd, LOCK_EX));
		_exit(0);
	}
	wait_asleep(pid);
	close(other);
	reap("waiter", pid);
	proc_files();
	SECTION("refusals");
	int ro = MUST(open("f", O_RDONLY)), wo = MUST(open("f", O_WRONLY));
	CALL(lock(ro, F_SETLK, F_WRLCK, 0, 1));
	CALL(lock(wo, F_SETLK, F_RDLCK, 0, 1));
	CALL(lock(fd, F_SETLK, 77, 0, 1));
	CALL(lock(fd, F_SETLK, F_WRLCK, -1, 1));
	CALL(lock(999, F_SETLK, F_WRLCK, 0, 1));
	CALL(lock(fd, F_SETLK, F_WRLCK, LONG_MAX, 2));
	CALL(fcntl(fd, F_SETLK, BAD_PTR));
	fl.l_whence = 77;
	CALL(fcntl(fd, F_SETLK, &fl));
	return 0;
}
