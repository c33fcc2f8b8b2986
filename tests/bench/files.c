/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What files cost on one file system: run in a directory of it, prints lines "NAME NANOSECONDS" (of one operation, or of the whole
 * where the name says how much that is).  files [prepare | NAME...]: `prepare` makes what the cold look-ups want, before the file
 * system is opened anew.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static char buf[1 << 20];

static long now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000L + ts.tv_nsec;
}

static long must(long r, const char *what)
{
	if (r >= 0)
		return r;
	fprintf(stderr, "files: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void names_make(const char *dir, int n)
{
	char name[64];

	must(mkdir(dir, 0755), dir);
	for (int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "%s/name-%d", dir, i);
		close(must(open(name, O_CREAT | O_WRONLY, 0644), name));
	}
}

/* Create, write 100 bytes, unlink in a directory of 10,000. */
static long create_write_unlink(void)
{
	long t, n = 20000;
	char name[64];

	names_make("ten", 10000);
	t = now();
	for (long i = 0; i < n; i++) {
		int fd;

		snprintf(name, sizeof(name), "ten/new-%ld", i);
		fd = must(open(name, O_CREAT | O_WRONLY, 0644), name);
		must(write(fd, buf, 100), "write");
		close(fd);
		must(unlink(name), name);
	}
	return (now() - t) / n;
}

static long stat_cached(void)
{
	struct stat st;
	char name[64];
	long t = 0;

	for (int round = 0; round < 2; round++) {
		t = now();
		for (int i = 0; i < 100000; i++) {
			snprintf(name, sizeof(name), "hundred/name-%d", i);
			must(stat(name, &st), name);
		}
	}
	return (now() - t) / 100000;
}

/* The first look at names of a directory that nobody looked at. */
static long lookup_cold(void)
{
	struct stat st;
	char name[64];
	long t = now();

	for (int i = 0; i < 20000; i++) {
		snprintf(name, sizeof(name), "hundred/name-%d", (int)(i * 7919L % 100000));
		must(stat(name, &st), name);
	}
	return (now() - t) / 20000;
}

static long write_fsync_64m(void)
{
	long t = now();
	int fd = must(open("large", O_CREAT | O_TRUNC | O_RDWR, 0644), "large");

	for (int i = 0; i < 64; i++)
		must(write(fd, buf, sizeof(buf)), "write");
	must(fsync(fd), "fsync");
	close(fd);
	return now() - t;
}

static long rewrite_1m(void)
{
	int fd = must(open("large", O_RDWR), "large");
	long t = now();

	for (int i = 0; i < 500; i++)
		must(pwrite(fd, buf, sizeof(buf), (long)(i % 16) << 20), "pwrite");
	t = (now() - t) / 500;
	close(fd);
	return t;
}

static long read_cold_64m(void)
{
	long t = now();
	int fd = must(open("cold", O_RDONLY), "cold");

	while (must(read(fd, buf, sizeof(buf)), "read"))
		;
	close(fd);
	return now() - t;
}

static long read_cached_64m(void)
{
	long t = 0;

	for (int i = 0; i < 3; i++)
		t = read_cold_64m();
	return t;
}

/* What a database does 200 times: a journal, its data, the journal's end. */
static long transactions_200(void)
{
	int db = must(open("db", O_CREAT | O_RDWR, 0644), "db");
	long t;

	must(pwrite(db, buf, sizeof(buf), 0), "pwrite");
	must(fsync(db), "fsync");
	t = now();
	for (int i = 0; i < 200; i++) {
		int j = must(open("db-journal", O_CREAT | O_RDWR | O_TRUNC, 0644), "db-journal");

		must(write(j, buf, 4616), "write");
		must(fdatasync(j), "fdatasync");
		must(pwrite(db, buf, 4096, i % 200 * 4096L), "pwrite");
		must(fdatasync(db), "fdatasync");
		close(j);
		must(unlink("db-journal"), "unlink");
	}
	t = now() - t;
	close(db);
	return t;
}

/* As tar x does: 10,000 files of 2 KiB in 100 directories. */
static long extract_10000(void)
{
	char name[64];
	long t = now();

	must(mkdir("x", 0755), "x");
	for (int d = 0; d < 100; d++) {
		snprintf(name, sizeof(name), "x/d%d", d);
		must(mkdir(name, 0755), name);
		for (int i = 0; i < 100; i++) {
			struct timespec times[2] = { { 1000000000, 0 }, { 1000000000, 0 } };
			int fd;

			snprintf(name, sizeof(name), "x/d%d/f%d", d, i);
			fd = must(open(name, O_CREAT | O_EXCL | O_WRONLY, 0600), name);
			must(write(fd, buf, 2048), "write");
			must(futimens(fd, times), "futimens");
			must(fchmod(fd, 0644), "fchmod");
			close(fd);
		}
	}
	return now() - t;
}

static long remove_10000(void)
{
	char name[64];
	long t = now();

	for (int d = 0; d < 100; d++) {
		for (int i = 0; i < 100; i++) {
			snprintf(name, sizeof(name), "x/d%d/f%d", d, i);
			must(unlink(name), name);
		}
		snprintf(name, sizeof(name), "x/d%d", d);
		must(rmdir(name), name);
	}
	return now() - t;
}

static const struct {
	const char *name;
	long (*run)(void);
} all[] = {
	{ "lookup-cold-in-100k", lookup_cold },
	{ "read-cold-64M", read_cold_64m },
	{ "read-cached-64M", read_cached_64m },
	{ "stat-cached-of-100k", stat_cached },
	{ "create-write-unlink-in-10k", create_write_unlink },
	{ "write-fsync-64M", write_fsync_64m },
	{ "rewrite-1M", rewrite_1m },
	{ "transactions-200", transactions_200 },
	{ "extract-10000", extract_10000 },
	{ "remove-10000", remove_10000 },
};

static void prepare(void)
{
	int fd;

	names_make("hundred", 100000);
	fd = must(open("cold", O_CREAT | O_WRONLY, 0644), "cold");
	for (int i = 0; i < 64; i++)
		must(write(fd, buf, sizeof(buf)), "write");
	close(fd);
	sync();
}

int main(int argc, char **argv)
{
	memset(buf, 'x', sizeof(buf));
	if (argc > 1 && !strcmp(argv[1], "prepare")) {
		prepare();
		return 0;
	}
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		printf("%s %ld\n", all[i].name, all[i].run());
		fflush(stdout);
	}
	return 0;
}
