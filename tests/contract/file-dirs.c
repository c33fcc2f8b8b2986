/* SPDX-License-Identifier: Apache-2.0 */
/* getdents64: all names once, types, ".", "..", short buffers, offsets, rewinding, changes while reading. */
#include "tests/contract/contract.h"

struct k_dirent {
	uint64_t ino;
	int64_t off;
	unsigned short reclen;
	unsigned char type;
	char name[];
};

static int names[300], dots, others;

static void note(const char *name)
{
	if (name[0] == '.')
		dots++;
	else if (name[0] == 'n')
		names[atoi(name + 1)]++;
	else
		others++;
}

static int read_all(int fd, size_t size)
{
	char buf[65536];
	long n;
	int calls = 0;

	memset(names, 0, sizeof(names));
	dots = others = 0;
	while ((n = syscall(SYS_getdents64, fd, buf, size)) > 0) {
		calls++;
		for (long at = 0; at < n;) {
			struct k_dirent *d = (struct k_dirent *)(buf + at);

			if (d->reclen % 8 || d->ino == 0)
				say("a bad entry");
			note(d->name);
			at += d->reclen;
		}
	}
	if (n < 0)
		say("getdents64: %s", errno_name(errno));
	return calls;
}

static void summary(const char *what)
{
	int once = 0, more = 0;

	for (int i = 0; i < 300; i++) {
		once += names[i] == 1;
		more += names[i] > 1;
	}
	say("%s: %d names once, %d more than once, %d dots, %d others", what, once, more, dots, others);
}

int main(void)
{
	char name[32], buf[4096];
	struct dirent *e;
	int fd;

	scratch();
	MUST(mkdir("d", 0755));
	for (int i = 0; i < 250; i++) {
		snprintf(name, sizeof(name), "d/n%d", i);
		close(MUST(open(name, O_CREAT | O_WRONLY, 0644)));
	}
	MUST(mkdir("d/subdir", 0755));
	MUST(symlink("x", "d/symlink"));
	MUST(mkfifo("d/fifo", 0600));
	fd = MUST(open("d", O_RDONLY | O_DIRECTORY));
	SECTION("buffers");
	YES(read_all(fd, 65536) == 1);
	summary("large");
	YES(read_all(fd, 65536) == 0);
	CALL(lseek(fd, 0, SEEK_SET));
	YES(read_all(fd, 300) > 10);
	summary("small");
	MUST(lseek(fd, 0, SEEK_SET));
	YES(read_all(fd, 24) >= 0);
	CALL(syscall(SYS_getdents64, fd, buf, 10));
	CALL(syscall(SYS_getdents64, fd, buf, 0));
	MUST(lseek(fd, 0, SEEK_SET));
	CALL(syscall(SYS_getdents64, fd, BAD_PTR, 1000));
	CALL(syscall(SYS_getdents64, 999, buf, 1000));
	CALL(syscall(SYS_getdents64, 1, buf, 1000) == -1 && errno == ENOTDIR);
	SECTION("types");
	DIR *d = opendir("d");
	int types[4] = { 0 };
	while ((e = readdir(d))) {
		types[0] += !strcmp(e->d_name, "subdir") && e->d_type == DT_DIR;
		types[1] += !strcmp(e->d_name, "symlink") && e->d_type == DT_LNK;
		types[2] += !strcmp(e->d_name, "fifo") && e->d_type == DT_FIFO;
		types[3] += e->d_name[0] == 'n' && e->d_type == DT_REG;
	}
	say("%d %d %d %d", types[0], types[1], types[2], types[3]);
	SECTION("telldir and seekdir");
	long pos[300];
	char order[300][32];
	int n = 0, wrong = 0;
	rewinddir(d);
	for (;;) {
		pos[n] = telldir(d);
		if (!(e = readdir(d)))
			break;
		strcpy(order[n++], e->d_name);
	}
	SHOW(n);
	for (int i = n - 1; i >= 0; i -= 7) {
		seekdir(d, pos[i]);
		e = readdir(d);
		wrong += !e || strcmp(e->d_name, order[i]);
	}
	SHOW(wrong);
	closedir(d);
	SECTION("inode numbers are those of stat");
	d = opendir("d");
	wrong = 0;
	while ((e = readdir(d))) {
		struct stat st;

		if (e->d_name[0] == '.')
			continue;
		wrong += fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_ino != e->d_ino;
	}
	SHOW(wrong);
	closedir(d);
	SECTION("everything removed while reading");
	d = opendir("d");
	n = 0;
	while ((e = readdir(d)))
		if (e->d_name[0] == 'n')
			n += unlinkat(dirfd(d), e->d_name, 0) == 0;
	SHOW(n);
	closedir(d);
	SECTION("a removed directory");
	MUST(mkdir("gone", 0755));
	fd = MUST(open("gone", O_RDONLY));
	MUST(rmdir("gone"));
	CALL(syscall(SYS_getdents64, fd, buf, sizeof(buf)));
	CALL(openat(fd, "x", O_CREAT | O_WRONLY, 0644));
	CALL(openat(fd, ".", O_RDONLY) >= 0);
	CALL(mkdirat(fd, "x", 0755));
	return 0;
}
