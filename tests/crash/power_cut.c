/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Power cuts.  A random workload runs on an image while every write to it and every flush is recorded.  Then, for many moments
 * of that record, the image is made as a disk might have it: all that was written before the last flush, and of what came
 * after it a random part, in any order, torn at 512 bytes.  Each must be recovered by sentry and by e2fsck, be clean then, and
 * have everything that was synchronised and not touched again.  The same of a run whose changes go to an overlay: there it is the
 * overlay that is cut, and in a second round the image while the overlay is committed to it, which must be possible again.
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
static enum ext4_traced traced; /* the file at risk */
static char img[100], cut[100], over[100];
static struct strbuf why;
static struct super_block *sb;

static void trace(enum ext4_traced file, uint64_t off, const void *buf, size_t len)
{
	struct record *r;

	if (file != traced)
		return;
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

/*
 * A file is @zeros bytes of nothing, then what @seed makes from its byte @skip on; @len bytes in all, or it does not exist (-1).
 * @tag is the value of an extended attribute, 0: it has none.
 */
struct state {
	int64_t len;
	uint64_t seed;
	uint32_t zeros, skip, tag;
};

#define ABSENT ((struct state){ .len = -1 })

/* From record @at on the path is known to be like that; or anything, while it is changed. */
struct event {
	size_t at;
	bool known;
	struct state is;
};

static struct path_state {
	char name[64];
	struct event *events;
	size_t nr_events;
	struct state is; /* in memory now */
} paths[NR_PATHS];

static void event_add(struct path_state *p, bool known)
{
	p->events = realloc(p->events, (p->nr_events + 1) * sizeof(*p->events));
	fx_check(p->events, "out of memory");
	p->events[p->nr_events++] = (struct event){ nr_records, known, p->is };
}

static void content(const struct state *is, uint8_t *buf)
{
	static uint8_t made[SIZE_MOST * 4];
	uint64_t seed = is->seed;
	size_t zeros = MIN(is->zeros, (size_t)is->len), len = is->len - zeros;

	fx_check(is->skip + len + 8 <= sizeof(made), "the model is too small");
	for (size_t i = 0; i < is->skip + len; i += 8) {
		uint64_t v = fx_random(&seed);

		memcpy(made + i, &v, 8);
	}
	memset(buf, 0, zeros);
	memcpy(buf + zeros, made + is->skip, len);
}

/* --- the workload --- */

static uint8_t buf[SIZE_MOST + 8];

static struct file *must_open(const struct path_state *p, unsigned flags)
{
	struct file *f = filp_open(p->name, LINUX_O_RDWR | flags, 0644);

	fx_check(!IS_ERR(f), "open %s: %s", p->name, strerror(-PTR_ERR(f)));
	return f;
}

static void maybe_sync(struct path_state *p, struct file *f, uint64_t *rnd)
{
	if (fx_random(rnd) % 3)
		return;
	fx_check(!vfs_fsync(f, fx_random(rnd) % 2), "fsync");
	event_add(p, true);
}

static void op_write(struct path_state *p, uint64_t *rnd)
{
	bool append = p->is.len > 0 && fx_random(rnd) % 2;
	int64_t from = append ? p->is.len : 0, len = from + fx_random(rnd) % (fx_random(rnd) % 4 ? 5000 : 40000);
	struct file *f;

	len = MIN(len, SIZE_MOST);
	event_add(p, false);
	f = must_open(p, LINUX_O_CREAT | (append ? 0 : LINUX_O_TRUNC));
	if (!append)
		p->is = (struct state){ .seed = fx_random(rnd), .tag = p->is.tag };
	p->is.len = len;
	content(&p->is, buf);
	if (len > from)
		fx_check(kernel_write(f, buf + from, len - from, from) == len - from, "write");
	maybe_sync(p, f, rnd);
	fput(f);
}

static void op_truncate(struct path_state *p, uint64_t *rnd)
{
	struct file *f;

	if (p->is.len <= 0)
		return;
	event_add(p, false);
	f = must_open(p, 0);
	p->is.len = fx_random(rnd) % p->is.len;
	p->is.zeros = MIN((int64_t)p->is.zeros, p->is.len);
	fx_check(!file_truncate(f, p->is.len), "truncate");
	maybe_sync(p, f, rnd);
	fput(f);
}

/* Blocks at the start of a file go, come, or become holes. */
static void op_range(struct path_state *p, uint64_t *rnd)
{
	static const int modes[] = { LINUX_FALLOC_FL_COLLAPSE_RANGE, LINUX_FALLOC_FL_INSERT_RANGE, LINUX_FALLOC_FL_ZERO_RANGE,
				     LINUX_FALLOC_FL_PUNCH_HOLE | LINUX_FALLOC_FL_KEEP_SIZE, LINUX_FALLOC_FL_KEEP_SIZE };
	int mode = modes[fx_random(rnd) % ARRAY_SIZE(modes)];
	int64_t n = (1 + fx_random(rnd) % 3) * 4096;
	struct state *is = &p->is;
	struct file *f;

	if (is->len <= n || is->len + n > SIZE_MOST || is->skip > SIZE_MOST)
		return;
	event_add(p, false);
	f = must_open(p, 0);
	fx_check(!vfs_fallocate(f, mode, 0, n), "fallocate %d", mode);
	if (mode == LINUX_FALLOC_FL_COLLAPSE_RANGE) {
		is->skip += n - MIN(n, (int64_t)is->zeros);
		is->zeros -= MIN(n, (int64_t)is->zeros);
		is->len -= n;
	} else if (mode == LINUX_FALLOC_FL_INSERT_RANGE) {
		is->zeros += n;
		is->len += n;
	} else if (mode != LINUX_FALLOC_FL_KEEP_SIZE && n > is->zeros) {
		is->skip += n - is->zeros;
		is->zeros = n;
	}
	maybe_sync(p, f, rnd);
	fput(f);
}

static void op_tag(struct path_state *p, uint64_t *rnd)
{
	struct file *f;

	if (p->is.len < 0)
		return;
	event_add(p, false);
	f = must_open(p, 0);
	p->is.tag = fx_random(rnd) % 3 ? 1 + fx_random(rnd) % 1000 : 0;
	if (p->is.tag)
		fx_check(!vfs_setxattr(&f->path, "user.tag", &p->is.tag, sizeof(p->is.tag), 0), "setxattr");
	else
		(void)vfs_removexattr(&f->path, "user.tag");
	maybe_sync(p, f, rnd);
	fput(f);
}

static void op_unlink(struct path_state *p)
{
	if (p->is.len < 0)
		return;
	event_add(p, false);
	fx_check(!do_unlinkat(LINUX_AT_FDCWD, p->name), "unlink");
	p->is = ABSENT;
}

static void op_rename(struct path_state *a, struct path_state *b, uint64_t *rnd)
{
	bool exchange = b->is.len >= 0 && fx_random(rnd) % 2;
	unsigned flags = exchange ? LINUX_RENAME_EXCHANGE : b->is.len < 0 && fx_random(rnd) % 2 ? LINUX_RENAME_NOREPLACE : 0;
	struct state was = b->is;

	if (a == b || a->is.len < 0)
		return;
	event_add(a, false);
	event_add(b, false);
	fx_check(!do_renameat2(LINUX_AT_FDCWD, a->name, LINUX_AT_FDCWD, b->name, flags), "rename");
	b->is = a->is;
	a->is = exchange ? was : ABSENT;
}

/* Files without a name, that are open for a while: orphans, should the power go. */
static struct file *held[6];

static void op_hold(uint64_t *rnd)
{
	struct file **f = &held[fx_random(rnd) % ARRAY_SIZE(held)];

	if (*f)
		fput(*f);
	*f = filp_open("/d0", LINUX_O_RDWR | LINUX_O_TMPFILE, 0600);
	fx_check(!IS_ERR(*f), "O_TMPFILE");
	fx_check(kernel_write(*f, buf, 20000, 0) == 20000, "write");
	if (fx_random(rnd) % 2)
		fx_check(!vfs_fsync(*f, false), "fsync");
}

static void held_put(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(held); i++)
		if (held[i])
			fput(held[i]);
	memset(held, 0, sizeof(held));
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
	if (fx_random(rnd) % 2) {
		char moved[64];

		snprintf(name, sizeof(name), "/tree-%u", step);
		snprintf(moved, sizeof(moved), "/d%u/tree-%u", step % 3, step);
		fx_check(!do_renameat2(LINUX_AT_FDCWD, name, LINUX_AT_FDCWD, moved, 0), "rename");
		return;
	}
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
		paths[i].is = ABSENT;
		event_add(&paths[i], true);
	}
}

static void workload(uint64_t *rnd, unsigned from)
{
	for (unsigned step = from; step < from + NR_STEPS / 3; step++) {
		struct path_state *p = &paths[fx_random(rnd) % NR_PATHS];

		switch (fx_random(rnd) % 20) {
		case 0:
		case 1:
			op_unlink(p);
			break;
		case 2:
			op_truncate(p, rnd);
			break;
		case 3:
		case 4:
			op_rename(p, &paths[fx_random(rnd) % NR_PATHS], rnd);
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
		case 8:
		case 9:
			op_range(p, rnd);
			break;
		case 10:
			op_tag(p, rnd);
			break;
		case 11:
			op_hold(rnd);
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
	sb = traced == EXT4_TRACED_OVERLAY ? ext4_open_image_overlay(img, over, 0, &why) : ext4_open_image_rw(img, 0, &why);
	fx_check(!IS_ERR(sb), "%s", strbuf_str(&why));
	fx_root(sb);
	for (unsigned i = 0; i < 3 && !nr; i++) {
		char name[8];

		snprintf(name, sizeof(name), "/d%u", i);
		cr_assert_eq(do_mkdirat(LINUX_AT_FDCWD, name, 0755), 0);
	}
	workload(rnd, nr * NR_STEPS);
	held_put();
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

static void file_check(const struct path_state *p, size_t at, const char *by)
{
	static uint8_t got[SIZE_MOST + 8];
	const struct event *e = event_at(p, at);
	struct file *f = filp_open(p->name, LINUX_O_RDONLY, 0);
	int64_t n = IS_ERR(f) ? PTR_ERR(f) : kernel_read(f, got, sizeof(got), 0);
	uint32_t tag = 0;

	if (!IS_ERR(f)) {
		(void)vfs_getxattr(&f->path, "user.tag", &tag, sizeof(tag));
		fput(f);
	}
	fx_check(n >= 0 || n == -LINUX_ENOENT, "cut %zu, %s: %s: %s", at, by, p->name, strerror(-n));
	if (!e || !e->known)
		return;
	fx_check(n == (e->is.len < 0 ? -LINUX_ENOENT : e->is.len), "cut %zu, %s: %s has %ld, not %ld", at, by, p->name, (long)n,
		 (long)e->is.len);
	if (e->is.len < 0)
		return;
	content(&e->is, buf);
	fx_check(!memcmp(buf, got, n), "cut %zu, %s: %s has other contents", at, by, p->name);
	fx_check(tag == e->is.tag, "cut %zu, %s: %s has another attribute", at, by, p->name);
}

static void contents_check(size_t at, const char *by)
{
	for (unsigned i = 0; i < NR_PATHS; i++)
		file_check(&paths[i], at, by);
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

/* What the overlay @cut_over says is in @cut then, which is clean. */
static void committed_check(size_t at, const char *cut_over)
{
	strbuf_reset(&why);
	fx_check(!ext4_overlay_commit(cut, cut_over, &why), "cut %zu: commit: %s", at, strbuf_str(&why));
	fsck_check(at, "commit");
	sb = ext4_open_image(cut, &why);
	fx_check(!IS_ERR(sb), "cut %zu: %s", at, strbuf_str(&why));
	fx_root(sb);
	contents_check(at, "commit");
	fx_unroot();
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

static void cut_write(const char *name, const uint8_t *data)
{
	FILE *f = fopen(name, "w");

	fx_check(f && fwrite(data, 1, disk_size, f) == disk_size && !fclose(f), "can't write %s", name);
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

/* The image at risk was cut. */
static void image_judge(size_t k, const uint8_t *torn, bool near, uint64_t *rnd)
{
	char command[400];

	cut_write(cut, torn);
	by_sentry(k);
	if (!near && fx_random(rnd) % 4)
		return;
	cut_write(cut, torn);
	snprintf(command, sizeof(command), "e2fsck -p %s; test $? -le 1", cut);
	by_other(k, "e2fsck", command);
	if (fx_random(rnd) % 4 || geteuid())
		return;
	cut_write(cut, torn);
	snprintf(command, sizeof(command), "mkdir -p %s/mnt && mount -o loop %s %s/mnt", fx_tmpdir(), cut, fx_tmpdir());
	if (!fx_try("%s", command)) /* not allowed here */
		return;
	snprintf(command, sizeof(command), "umount %s/mnt", fx_tmpdir());
	by_other(k, "Linux", command);
}

/* The overlay was: it goes on where it was synchronised, and can be committed. */
static void overlay_judge(size_t k, const uint8_t *torn, bool near, uint64_t *rnd)
{
	char cut_over[120];

	snprintf(cut_over, sizeof(cut_over), "%s.over", cut);
	cut_write(cut_over, torn);
	strbuf_reset(&why);
	sb = ext4_open_image_overlay(img, cut_over, 0, &why);
	fx_check(!IS_ERR(sb), "cut %zu: %s", k, strbuf_str(&why));
	fx_root(sb);
	contents_check(k, "sentry");
	fx_unroot();
	if (!near && fx_random(rnd) % 3)
		return;
	if (fx_random(rnd) % 2) /* recovered before, or by the commit */
		cut_write(cut_over, torn);
	fx_run("cp --sparse=always %s %s", img, cut);
	committed_check(k, cut_over);
}

/* The image was, while @over was committed to it. */
static void commit_judge(size_t k, const uint8_t *torn, bool near, uint64_t *rnd)
{
	char cut_over[120];

	(void)k, (void)near, (void)rnd;
	snprintf(cut_over, sizeof(cut_over), "%s.over", cut);
	cut_write(cut, torn);
	fx_run("cp --sparse=always %s %s", over, cut_over);
	committed_check(SIZE_MAX, cut_over);
}

static void points_run(unsigned nr, uint64_t *rnd, void (*judge)(size_t k, const uint8_t *torn, bool near, uint64_t *rnd))
{
	uint8_t *torn = malloc(disk_size);
	size_t done = 0, step = MAX(nr_records / nr, 1UL);

	fx_check(torn, "out of memory");
	for (size_t k = 1; k <= nr_records; k++) {
		size_t last = done;
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
		for (size_t i = last; i < k; i++)
			if (records[i].len)
				apply_torn(torn, &records[i], rnd);
		judge(k, torn, near, rnd);
	}
	free(torn);
}

/* What the file at risk has before the first record. */
static void disk_read(const char *name, bool empty)
{
	FILE *f = fopen(name, "r");

	fx_check(f && !fseek(f, 0, SEEK_END), "can't read %s", name);
	disk_size = ftell(f);
	rewind(f);
	free(disk);
	disk = calloc(1, disk_size);
	fx_check(disk && (empty || fread(disk, 1, disk_size, f) == disk_size), "can't read %s", name);
	fclose(f);
}

static void records_forget(void)
{
	for (size_t i = 0; i < nr_records; i++)
		free(records[i].data);
	nr_records = nr_marks = 0;
}

static unsigned env_number(const char *name, unsigned def)
{
	const char *s = getenv(name);

	return s ? strtoul(s, NULL, 10) : def;
}

static unsigned points(void)
{
	return MAX(env_number("SENTRY_CRASH_POINTS", 100) / 4, 1U);
}

/* Three sessions under the eyes of the test.  The state of its random numbers. */
static uint64_t record(const char *mkfs, unsigned share)
{
	uint64_t rnd = env_number("SENTRY_CRASH_SEED", 1) * 1000 + share;

	fx_init();
	snprintf(img, sizeof(img), "%s/img", fx_tmpdir());
	snprintf(cut, sizeof(cut), "%s/cut", fx_tmpdir());
	snprintf(over, sizeof(over), "%s/over", fx_tmpdir());
	fx_run("mke2fs -q -F -E root_owner %s %s 24M >/dev/null 2>&1", mkfs, img);
	paths_init();
	disk_read(img, false);
	ext4_image_trace = trace;
	for (unsigned i = 0; i < 3; i++)
		session(&rnd, i);
	ext4_image_trace = NULL;
	return rnd;
}

static void power_cuts(const char *mkfs, unsigned share)
{
	uint64_t rnd = record(mkfs, share);

	points_run(points(), &rnd, image_judge);
}

static void overlay_cuts(const char *mkfs, unsigned share)
{
	uint64_t rnd;
	char base[120];

	traced = EXT4_TRACED_OVERLAY;
	rnd = record(mkfs, share);
	disk_read(over, true);
	points_run(points(), &rnd, overlay_judge);

	records_forget();
	traced = EXT4_TRACED_IMAGE;
	snprintf(base, sizeof(base), "%s/base", fx_tmpdir());
	fx_run("cp --sparse=always %s %s", img, base);
	disk_read(base, false);
	ext4_image_trace = trace;
	fx_check(!ext4_overlay_commit(base, over, &why), "commit: %s", strbuf_str(&why));
	ext4_image_trace = NULL;
	points_run(points() / 2, &rnd, commit_judge);
}

Test(power_cut, blocks_of_4k)
{
	power_cuts("-t ext4 -b 4096 -J size=4", 1);
}

Test(power_cut, blocks_of_1k)
{
	power_cuts("-t ext4 -b 1024 -J size=1", 2);
}

Test(power_cut, overlay_of_4k)
{
	overlay_cuts("-t ext4 -b 4096 -J size=4", 3);
}

Test(power_cut, overlay_of_1k)
{
	overlay_cuts("-t ext4 -b 1024 -J size=1", 4);
}
