/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Power cuts.  A random workload runs on an image while every write to it and every flush is recorded.  Then, for many moments
 * of that record, the image is made as a disk might have it: all that was written before the last flush, and of what came
 * after it a random part, in any order, torn at 512 bytes.  Each must be recovered by sentry and by e2fsck, be clean then, and
 * have everything that was synchronised and not touched again.
 *
 * SENTRY_CRASH_POINTS (100) says how many moments, SENTRY_CRASH_SEED which.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sentry/abi/fcntl.h"
#include "tests/unit/fs_fixture.h"
#include "vfs/ext4/ext4.h"
#include "vfs/ext4/ext4_trace.h"
#include "vfs/super.h"

TestSuite(power_cut, .timeout = 3600);

#define SECTOR 512
#define NR_PATHS 40
#define NR_STEPS 700
#define SIZE_MOST 60000

struct record {
	uint64_t off;
	size_t len; /* 0: a flush */
	uint8_t *data;
};

static struct record *records;
static size_t nr_records, max_records;
static char img[100], cut[100];
static struct strbuf why;
static struct super_block *sb;

static void trace(uint64_t off, const void *buf, size_t len)
{
	struct record *r;

	if (nr_records == max_records) {
		max_records = max_records * 2 + 1024;
		records = realloc(records, max_records * sizeof(*records));
		fx_check(records, "out of memory");
	}
	r = &records[nr_records++];
	*r = (struct record){ off, len, NULL };
	if (!len)
		return;
	r->data = malloc(len);
	fx_check(r->data, "out of memory");
	memcpy(r->data, buf, len);
}

/* --- what must be there --- */

/* From record @at on a path is known to have this content, or (len < 0) not to exist; or anything, while it is changed. */
struct event {
	size_t at;
	bool known;
	int64_t len;
	uint64_t seed;
};

static struct path_state {
	char name[64];
	struct event *events;
	size_t nr_events;
	/* as it is in memory now */
	int64_t len; /* -1: absent */
	uint64_t seed;
} paths[NR_PATHS];

static void event_add(struct path_state *p, bool known)
{
	p->events = realloc(p->events, (p->nr_events + 1) * sizeof(*p->events));
	fx_check(p->events, "out of memory");
	p->events[p->nr_events++] = (struct event){ nr_records, known, p->len, p->seed };
}

static void content(uint64_t seed, uint8_t *buf, size_t len)
{
	for (size_t i = 0; i < len; i += 8) {
		uint64_t v = fx_random(&seed);

		memcpy(buf + i, &v, MIN(len - i, 8UL));
	}
}

/* --- the workload --- */

static uint8_t buf[SIZE_MOST + 8];

/* Only the first @len bytes of what @seed makes count, so that a file can be appended to and cut. */
static void op_write(struct path_state *p, uint64_t *rnd)
{
	bool append = p->len > 0 && fx_random(rnd) % 2;
	int64_t from = append ? p->len : 0, len = from + fx_random(rnd) % (fx_random(rnd) % 4 ? 5000 : 40000);
	struct file *f;

	len = MIN(len, SIZE_MOST);
	event_add(p, false);
	f = filp_open(p->name, LINUX_O_RDWR | LINUX_O_CREAT | (append ? 0 : LINUX_O_TRUNC), 0644);
	fx_check(!IS_ERR(f), "open %s: %s", p->name, strerror(-PTR_ERR(f)));
	if (!append)
		p->seed = fx_random(rnd);
	content(p->seed, buf, len);
	if (len > from)
		fx_check(kernel_write(f, buf + from, len - from, from) == len - from, "write");
	p->len = len;
	if (!(fx_random(rnd) % 3)) {
		fx_check(!vfs_fsync(f, fx_random(rnd) % 2), "fsync");
		event_add(p, true);
	}
	fput(f);
}

static void op_truncate(struct path_state *p, uint64_t *rnd)
{
	struct file *f;

	if (p->len <= 0)
		return;
	event_add(p, false);
	f = filp_open(p->name, LINUX_O_RDWR, 0);
	fx_check(!IS_ERR(f), "open");
	p->len = fx_random(rnd) % p->len;
	fx_check(!file_truncate(f, p->len), "truncate");
	fput(f);
}

static void op_unlink(struct path_state *p)
{
	if (p->len < 0)
		return;
	event_add(p, false);
	fx_check(!do_unlinkat(LINUX_AT_FDCWD, p->name), "unlink");
	p->len = -1;
}

static void op_rename(struct path_state *a, struct path_state *b)
{
	if (a == b || a->len < 0)
		return;
	event_add(a, false);
	event_add(b, false);
	fx_check(!do_renameat2(LINUX_AT_FDCWD, a->name, LINUX_AT_FDCWD, b->name, 0), "rename");
	b->len = a->len;
	b->seed = a->seed;
	a->len = -1;
}

/* Many names at once: directories grow, are split, and go. */
static void op_tree(uint64_t *rnd, unsigned step)
{
	char name[64];
	unsigned nr = 5 + fx_random(rnd) % 60;

	snprintf(name, sizeof(name), "/tree-%u", step);
	fx_check(!do_mkdirat(LINUX_AT_FDCWD, name, 0755), "mkdir");
	for (unsigned i = 0; i < nr; i++) {
		snprintf(name, sizeof(name), "/tree-%u/a-name-of-some-length-that-is-%u", step, i);
		fx_check(!do_symlinkat(name, LINUX_AT_FDCWD, name), "symlink");
	}
	if (fx_random(rnd) % 2)
		return;
	for (unsigned i = 0; i < nr; i++) {
		snprintf(name, sizeof(name), "/tree-%u/a-name-of-some-length-that-is-%u", step, i);
		fx_check(!do_unlinkat(LINUX_AT_FDCWD, name), "unlink");
	}
	snprintf(name, sizeof(name), "/tree-%u", step);
	fx_check(!do_rmdirat(LINUX_AT_FDCWD, name), "rmdir");
}

static void paths_init(void)
{
	for (unsigned i = 0; i < NR_PATHS; i++) {
		snprintf(paths[i].name, sizeof(paths[i].name), "/d%u/file-%u", i % 3, i);
		paths[i].len = -1;
		event_add(&paths[i], true);
	}
}

static void workload(uint64_t *rnd, unsigned from)
{
	for (unsigned step = from; step < from + NR_STEPS / 3; step++) {
		struct path_state *p = &paths[fx_random(rnd) % NR_PATHS];

		switch (fx_random(rnd) % 16) {
		case 0:
		case 1:
			op_unlink(p);
			break;
		case 2:
			op_truncate(p, rnd);
			break;
		case 3:
		case 4:
			op_rename(p, &paths[fx_random(rnd) % NR_PATHS]);
			break;
		case 5:
			op_tree(rnd, step);
			break;
		case 6:
			pagecache_writeback_sb(sb);
			break;
		case 7:
			if (fx_random(rnd) % 3)
				break;
			fx_check(!sb_sync(sb), "sync");
			for (unsigned i = 0; i < NR_PATHS; i++)
				event_add(&paths[i], true);
			break;
		default:
			op_write(p, rnd);
		}
	}
}

/* Each record behind these is a moment to cut at: opening, closing. */
#define NEAR 9
static size_t marks[8];
static unsigned nr_marks;

/* The image is opened and closed under the eyes of the test too. */
static void session(uint64_t *rnd, unsigned nr)
{
	marks[nr_marks++] = nr_records;
	sb = ext4_open_image_rw(img, 0, &why);
	fx_check(!IS_ERR(sb), "%s", strbuf_str(&why));
	fx_root(sb);
	for (unsigned i = 0; i < 3 && !nr; i++) {
		char name[8];

		snprintf(name, sizeof(name), "/d%u", i);
		cr_assert_eq(do_mkdirat(LINUX_AT_FDCWD, name, 0755), 0);
	}
	workload(rnd, nr * NR_STEPS);
	fx_unroot();
	marks[nr_marks++] = nr_records - MIN(nr_records, (size_t)NEAR);
	for (unsigned i = 0; i < NR_PATHS; i++)
		event_add(&paths[i], true);
}

/* --- judging --- */

static const struct event *event_at(const struct path_state *p, size_t at)
{
	const struct event *found = NULL;

	for (size_t i = 0; i < p->nr_events && p->events[i].at <= at; i++)
		found = &p->events[i];
	return found;
}

static void contents_check(size_t at, const char *by)
{
	static uint8_t got[SIZE_MOST + 8];

	for (unsigned i = 0; i < NR_PATHS; i++) {
		const struct event *e = event_at(&paths[i], at);
		struct file *f = filp_open(paths[i].name, LINUX_O_RDONLY, 0);
		int64_t n = IS_ERR(f) ? PTR_ERR(f) : kernel_read(f, got, sizeof(got), 0);

		if (!IS_ERR(f))
			fput(f);
		fx_check(n >= 0 || n == -LINUX_ENOENT, "cut %zu, %s: %s: %s", at, by, paths[i].name, strerror(-n));
		if (!e || !e->known)
			continue;
		fx_check(n == (e->len < 0 ? -LINUX_ENOENT : e->len), "cut %zu, %s: %s has %ld, not %ld", at, by, paths[i].name,
			 (long)n, (long)e->len);
		content(e->seed, buf, MAX(e->len, 0));
		fx_check(e->len <= 0 || !memcmp(buf, got, e->len), "cut %zu, %s: %s has other contents", at, by, paths[i].name);
	}
}

static void fsck_check(size_t at, const char *by)
{
	if (!fx_try("e2fsck -fn %s > %s/fsck 2>&1", cut, fx_tmpdir())) {
		fx_run("cat %s/fsck >&2", fx_tmpdir());
		fx_fail("cut %zu: not clean after recovery by %s", at, by);
	}
}

static void by_sentry(size_t at)
{
	strbuf_reset(&why);
	sb = ext4_open_image_rw(cut, 0, &why);
	fx_check(!IS_ERR(sb), "cut %zu: %s", at, strbuf_str(&why));
	fx_root(sb);
	contents_check(at, "sentry");
	fx_unroot();
	fsck_check(at, "sentry");
}

/* Recovered by others, read by us. */
static void by_other(size_t at, const char *who, const char *command)
{
	fx_check(fx_try("%s", command), "cut %zu: %s fails", at, who);
	fsck_check(at, who);
	fx_root(ext4_open_image(cut, &why));
	contents_check(at, who);
	fx_unroot();
}

static uint8_t *disk;
static size_t disk_size;

static void cut_write(const uint8_t *data)
{
	FILE *f = fopen(cut, "w");

	fx_check(f && fwrite(data, 1, disk_size, f) == disk_size && !fclose(f), "can't write %s", cut);
}

/* The superblock is one piece, as on every disk that has ever had a Linux file system on it. */
static bool is_super(uint64_t off)
{
	return off >= 1024 && off < 2048;
}

static void apply_torn(uint8_t *to, const struct record *r, uint64_t *rnd)
{
	unsigned how = fx_random(rnd) % 4;
	bool super = fx_random(rnd) % 2;

	if (!how)
		return;
	for (size_t at = 0; at < r->len; at += SECTOR) {
		bool take = how > 1 || fx_random(rnd) % 2;

		if (is_super(r->off + at) ? super : take)
			memcpy(to + r->off + at, r->data + at, MIN(r->len - at, (size_t)SECTOR));
	}
}

static bool is_near_mark(size_t k)
{
	for (unsigned i = 0; i < nr_marks; i++)
		if (k > marks[i] && k <= marks[i] + NEAR)
			return true;
	return false;
}

static void points_run(unsigned nr, uint64_t *rnd)
{
	uint8_t *torn = malloc(disk_size);
	size_t done = 0, step = MAX(nr_records / nr, 1UL);
	char command[400];

	fx_check(torn, "out of memory");
	for (size_t k = 1; k <= nr_records; k++) {
		size_t last = done, nr_done = 0;
		bool near = is_near_mark(k);

		if (!near && fx_random(rnd) % step)
			continue;
		for (size_t i = done; i < k; i++)
			if (!records[i].len)
				last = i + 1;
		for (; done < last; done++)
			if (records[done].len)
				memcpy(disk + records[done].off, records[done].data, records[done].len);
		memcpy(torn, disk, disk_size);
		for (size_t i = last; i < k; i++, nr_done++)
			if (records[i].len)
				apply_torn(torn, &records[i], rnd);
		cut_write(torn);
		by_sentry(k);
		if (!near && fx_random(rnd) % 4)
			continue;
		cut_write(torn);
		snprintf(command, sizeof(command), "e2fsck -p %s; test $? -le 1", cut);
		by_other(k, "e2fsck", command);
		if (fx_random(rnd) % 4 || geteuid())
			continue;
		cut_write(torn);
		snprintf(command, sizeof(command), "mkdir -p %s/mnt && mount -o loop %s %s/mnt", fx_tmpdir(), cut, fx_tmpdir());
		if (!fx_try("%s", command)) /* not allowed here */
			continue;
		snprintf(command, sizeof(command), "umount %s/mnt", fx_tmpdir());
		by_other(k, "Linux", command);
	}
	free(torn);
}

static void disk_read(void)
{
	FILE *f = fopen(img, "r");

	fx_check(f && !fseek(f, 0, SEEK_END), "can't read %s", img);
	disk_size = ftell(f);
	rewind(f);
	disk = malloc(disk_size);
	fx_check(disk && fread(disk, 1, disk_size, f) == disk_size, "can't read %s", img);
	fclose(f);
}

static unsigned env_number(const char *name, unsigned def)
{
	const char *s = getenv(name);

	return s ? strtoul(s, NULL, 10) : def;
}

static void power_cuts(const char *mkfs, unsigned share)
{
	uint64_t rnd = env_number("SENTRY_CRASH_SEED", 1) * 1000 + share;

	fx_init();
	snprintf(img, sizeof(img), "%s/img", fx_tmpdir());
	snprintf(cut, sizeof(cut), "%s/cut", fx_tmpdir());
	fx_run("mke2fs -q -F -E root_owner %s %s 24M >/dev/null 2>&1", mkfs, img);
	paths_init();
	disk_read();
	ext4_image_trace = trace;
	for (unsigned i = 0; i < 3; i++)
		session(&rnd, i);
	ext4_image_trace = NULL;
	points_run(MAX(env_number("SENTRY_CRASH_POINTS", 100) / 2, 1U), &rnd);
}

Test(power_cut, blocks_of_4k)
{
	power_cuts("-t ext4 -b 4096 -J size=4", 1);
}

Test(power_cut, blocks_of_1k)
{
	power_cuts("-t ext4 -b 1024 -J size=1", 2);
}
