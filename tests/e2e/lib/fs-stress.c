/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several processes do random things to files below the current directory: each to a directory of its own and to one that all share.
 *
 *     fs-stress run SEED PROCESSES STEPS     does it
 *     fs-stress list                         prints what is there: kind, links, size, a sum of the contents, name
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define NAMES 24
#define SIZE_MOST 300000

static uint64_t state;
static char own[32];

static unsigned rnd(unsigned n)
{
	state = state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (state >> 33) % n;
}

static void name_pick(char name[96])
{
	const char *dir = rnd(3) ? own : "shared";

	if (rnd(2))
		snprintf(name, 96, "%s/%u", dir, rnd(NAMES));
	else
		snprintf(name, 96, "%s/d%u/a-longer-name-than-most-%u", dir, rnd(3), rnd(NAMES));
}

static void mapping_write(int fd, off_t size)
{
	char *p;

	if (size < 1)
		return;
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return;
	/* Others may cut the file meanwhile: only what fstat of our own directory's files can promise. */
	p[rnd(size)] = 'm';
	if (rnd(2))
		msync(p, size, MS_SYNC);
	munmap(p, size);
}

static void file_use(const char *name)
{
	static char buf[70000];
	static const int modes[] = { 0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, FALLOC_FL_ZERO_RANGE,
				     FALLOC_FL_COLLAPSE_RANGE, FALLOC_FL_INSERT_RANGE };
	int fd = open(name, O_RDWR | (rnd(3) ? O_CREAT : 0) | (rnd(8) ? 0 : O_APPEND), 0644);
	struct stat st;

	if (fd < 0)
		return;
	memset(buf, 'a' + rnd(26), sizeof(buf));
	for (unsigned i = rnd(5); i--;) {
		if (fstat(fd, &st) || !S_ISREG(st.st_mode))
			break;
		switch (rnd(9)) {
		case 0:
			if (ftruncate(fd, rnd(SIZE_MOST)))
				perror("ftruncate");
			break;
		case 1:
			if (st.st_size < SIZE_MOST)
				fallocate(fd, modes[rnd(6)], rnd(50) * 4096, (1 + rnd(10)) * 4096);
			break;
		case 2:
			if (rnd(4) ? fdatasync(fd) : fsync(fd))
				perror("fsync");
			break;
		case 3:
			if (!strncmp(name, own, strlen(own)))
				mapping_write(fd, st.st_size);
			break;
		case 4:
			fsetxattr(fd, "user.stress", buf, 1 + rnd(200), 0);
			break;
		case 5:
			if (pread(fd, buf, 1 + rnd(sizeof(buf)), rnd(SIZE_MOST)) < 0)
				perror("pread");
			break;
		default:
			if (pwrite(fd, buf, 1 + rnd(sizeof(buf)), rnd(SIZE_MOST)) < 0)
				perror("pwrite");
		}
	}
	close(fd);
}

static void step(void)
{
	char a[96], b[96];

	name_pick(a);
	name_pick(b);
	switch (rnd(14)) {
	case 0:
	case 1:
		unlink(a);
		break;
	case 2:
		rename(a, b);
		break;
	case 3:
		renameat2(AT_FDCWD, a, AT_FDCWD, b, 1 + rnd(2));
		break;
	case 4:
		if (link(a, b) && errno == EIO)
			perror("link");
		break;
	case 5:
		if (symlink(b, a) && errno == EIO)
			perror("symlink");
		break;
	case 6:
		mkdir(a, 0755);
		break;
	case 7:
		rmdir(a);
		break;
	case 8:
		if (mknod(a, S_IFIFO | 0600, 0) && errno == EIO)
			perror("mknod");
		break;
	default:
		file_use(a);
	}
}

static int run(unsigned seed, unsigned processes, unsigned steps)
{
	int failed = 0, status;

	for (unsigned i = 0; i <= processes; i++) {
		char name[64];

		snprintf(own, sizeof(own), i < processes ? "p%u" : "shared", i);
		mkdir(own, 0755);
		for (unsigned d = 0; d < 3; d++) {
			snprintf(name, sizeof(name), "%s/d%u", own, d);
			mkdir(name, 0755);
		}
	}
	for (unsigned i = 0; i < processes; i++) {
		if (fork())
			continue;
		state = seed * 1000 + i;
		snprintf(own, sizeof(own), "p%u", i);
		for (unsigned s = 0; s < steps; s++)
			step();
		_exit(0);
	}
	while (wait(&status) > 0)
		failed |= status;
	return failed != 0;
}

static uint64_t sum_of(const char *name)
{
	int fd = open(name, O_RDONLY | O_NOFOLLOW);
	uint64_t sum = 14695981039346656037ULL;
	static unsigned char buf[65536];
	ssize_t n;

	if (fd < 0)
		return 0;
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		for (ssize_t i = 0; i < n; i++)
			sum = (sum ^ buf[i]) * 1099511628211ULL;
	close(fd);
	return n ? 1 : sum;
}

static int not_dots(const struct dirent *d)
{
	return strcmp(d->d_name, ".") && strcmp(d->d_name, "..") && strcmp(d->d_name, "lost+found");
}

static void list(const char *dir)
{
	struct dirent **v;
	int n = scandir(dir, &v, not_dots, alphasort);

	for (int i = 0; i < n; i++) {
		char name[4096], target[256] = "";
		struct stat st;

		snprintf(name, sizeof(name), "%s/%s", dir, v[i]->d_name);
		if (!lstat(name, &st)) {
			if (S_ISLNK(st.st_mode) && readlink(name, target, sizeof(target) - 1) < 0)
				strcpy(target, "?");
			printf("%o %lld %llx %s %s\n", st.st_mode & S_IFMT, S_ISDIR(st.st_mode) ? 0LL : (long long)st.st_size,
			       S_ISREG(st.st_mode) ? (unsigned long long)sum_of(name) : 0ULL, name, target);
			if (S_ISDIR(st.st_mode))
				list(name);
		}
		free(v[i]);
	}
	if (n >= 0)
		free(v);
}

int main(int argc, char **argv)
{
	if (argc == 5 && !strcmp(argv[1], "run"))
		return run(atoi(argv[2]), atoi(argv[3]), atoi(argv[4]));
	list(".");
	return 0;
}
