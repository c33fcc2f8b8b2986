/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: damaged ext4 images that are written.  A small image with files, hash trees, fragments, attributes and an orphan is
 * made and mutated; what can be opened for writing is then used at random.  Nothing may crash, hang or reach outside; what is
 * answered may be any error.
 *
 *     tests/fuzz/ext4_write_fuzz 10000 1      [number of mutants, first seed]
 *
 * Best with the sanitizers.  Without metadata checksums, else they catch nearly everything.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sentry/abi/fcntl.h"
#include "sentry/base/log.h"
#include "tests/unit/fs_fixture.h"
#include "vfs/ext4/ext4.h"
#include "vfs/super.h"

#define NR_OPS 120
#define NR_DIRS 5 /* the last has many names */

static uint64_t rnd_state;
static char img[100];
static struct super_block *sb;
static unsigned nr_opened, nr_errors;

static uint64_t rnd(uint64_t n)
{
	return fx_random(&rnd_state) % n;
}

static void name_make(char *buf, size_t size)
{
	unsigned d = rnd(NR_DIRS);

	if (!rnd(12))
		snprintf(buf, size, "/d%u", d);
	else
		snprintf(buf, size, "/d%u/%c%u%s", d, "flns"[rnd(4)], (unsigned)rnd(d == NR_DIRS - 1 ? 300 : 12),
			 d == NR_DIRS - 1 ? "-with-a-name-that-is-longer-than-most" : "");
}

static void use_file(const char *name)
{
	static uint8_t data[20000];
	static const int modes[] = { 0, LINUX_FALLOC_FL_KEEP_SIZE, LINUX_FALLOC_FL_PUNCH_HOLE | LINUX_FALLOC_FL_KEEP_SIZE,
				     LINUX_FALLOC_FL_ZERO_RANGE, LINUX_FALLOC_FL_COLLAPSE_RANGE, LINUX_FALLOC_FL_INSERT_RANGE };
	struct file *f = filp_open(name, LINUX_O_RDWR | (rnd(2) ? LINUX_O_CREAT : 0), 0644);

	if (IS_ERR(f)) {
		nr_errors++;
		return;
	}
	for (unsigned i = 0; i < 3; i++) {
		uint64_t at = rnd(8) ? rnd(200000) : rnd(1UL << 40);

		switch (rnd(6)) {
		case 0:
			(void)kernel_read(f, data, sizeof(data), at);
			break;
		case 1:
			(void)file_truncate(f, at);
			break;
		case 2:
			(void)vfs_fallocate(f, modes[rnd(ARRAY_SIZE(modes))], at / 1024 * 1024, (1 + rnd(40)) * 1024);
			break;
		case 3:
			(void)vfs_fsync(f, rnd(2));
			break;
		default:
			(void)kernel_write(f, data, 1 + rnd(sizeof(data)), at);
		}
	}
	mapping_drop_clean(&f->inode->mapping);
	fput(f);
}

static bool scan_emit(struct dir_context *ctx, const char *name, size_t len, uint64_t ino, unsigned type, uint64_t next)
{
	(void)ctx, (void)name, (void)ino, (void)type, (void)next;
	return len <= NAME_MAX_LEN;
}

static void scan(const char *name)
{
	struct dir_context ctx = { scan_emit, 0 };
	struct file *f = filp_open(name, LINUX_O_RDONLY | LINUX_O_DIRECTORY, 0);

	if (IS_ERR(f))
		return;
	(void)f->ops->iterate(f, &ctx);
	fput(f);
}

static void use_attributes(const char *name)
{
	static char value[3000];
	char attr[24];
	struct path p;

	if (path_lookupat(LINUX_AT_FDCWD, name, 0, &p))
		return;
	snprintf(attr, sizeof(attr), "user.a%u", (unsigned)rnd(6));
	if (rnd(3))
		(void)vfs_setxattr(&p, attr, value, rnd(sizeof(value)) >> rnd(8), 0);
	else
		(void)vfs_removexattr(&p, attr);
	(void)vfs_chmod(&p, rnd(01000));
	path_put(&p);
}

static void op(void)
{
	char a[80], b[80];

	name_make(a, sizeof(a));
	name_make(b, sizeof(b));
	switch (rnd(14)) {
	case 0:
		(void)do_mkdirat(LINUX_AT_FDCWD, a, 0755);
		break;
	case 1:
		(void)do_rmdirat(LINUX_AT_FDCWD, a);
		break;
	case 2 ... 3:
		(void)do_unlinkat(LINUX_AT_FDCWD, a);
		break;
	case 4:
		(void)do_linkat(LINUX_AT_FDCWD, a, LINUX_AT_FDCWD, b, 0);
		break;
	case 5:
		(void)do_renameat2(LINUX_AT_FDCWD, a, LINUX_AT_FDCWD, b, rnd(3) ? 0 : LINUX_RENAME_EXCHANGE);
		break;
	case 6:
		(void)do_symlinkat("a-target-that-is-much-longer-than-sixty-bytes-so-that-it-takes-a-block-of-its-own",
				   LINUX_AT_FDCWD, a);
		break;
	case 7:
		(void)sb_sync(sb);
		break;
	case 8:
		use_attributes(a);
		break;
	case 9:
		scan(a);
		break;
	default:
		use_file(a);
	}
}

/* --- images --- */

static bool image_mount(void)
{
	struct strbuf why = STRBUF_INIT;

	sb = ext4_open_image_rw(img, 0, &why);
	if (IS_ERR(sb))
		fx_check(why.len || PTR_ERR(sb) == -LINUX_ENOMEM, "error %ld without a message", PTR_ERR(sb));
	strbuf_fini(&why);
	if (IS_ERR(sb))
		return false;
	fx_root(sb);
	return true;
}

static uint8_t *image_make(unsigned kind, size_t *ret_size)
{
	FILE *f;
	uint8_t *data;

	fx_run("rm -f %s; mke2fs -q -F -E root_owner -t ext4 -O ^metadata_csum%s -b 1024 -J size=1 -N 800 %s 6M >/dev/null 2>&1", img,
	       kind ? ",^64bit" : "", img);
	fx_check(image_mount(), "the image can't be opened");
	for (unsigned i = 0; i < NR_DIRS; i++) {
		char name[16];

		snprintf(name, sizeof(name), "/d%u", i);
		fx_check(!do_mkdirat(LINUX_AT_FDCWD, name, 0755), "mkdir");
	}
	rnd_state = kind;
	for (unsigned i = 0; i < 1500; i++)
		op();
	fx_unroot();
	f = fopen(img, "rb");
	data = malloc(6 << 20);
	fx_check(f && data, "the image");
	*ret_size = fread(data, 1, 6 << 20, f);
	fclose(f);
	return data;
}

/* What is not zero is changed, mostly: metadata. */
static void mutate(uint8_t *data, size_t size)
{
	static const uint8_t values[] = { 0, 1, 2, 0x7f, 0x80, 0xff, 0xfe, 4 };

	for (unsigned nr = 1 + rnd(8); nr; nr--) {
		size_t at = rnd(4) ? 1024 + rnd(400000) : rnd(size);

		for (unsigned tries = 0; tries < 1000 && !data[at]; tries++)
			at = (at + 1) % size;
		data[at] = rnd(3) ? (rnd(2) ? data[at] ^ 1U << rnd(8) : values[rnd(ARRAY_SIZE(values))]) : (uint8_t)rnd(256);
	}
}

static void one(const uint8_t *good, size_t size, uint64_t seed)
{
	uint8_t *data = malloc(size);
	FILE *f = fopen(img, "wb");

	rnd_state = seed;
	fx_check(f && data, "the image");
	memcpy(data, good, size);
	mutate(data, size);
	fx_check(fwrite(data, 1, size, f) == size && !fclose(f), "the image");
	free(data);
	if (!image_mount())
		return;
	nr_opened++;
	for (unsigned i = 0; i < NR_OPS; i++)
		op();
	fx_unroot();
}

int main(int argc, char **argv)
{
	uint64_t nr = argc > 1 ? strtoull(argv[1], NULL, 0) : 1000, first = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
	bool verbose = getenv("SENTRY_FUZZ_VERBOSE");
	uint8_t *good[2];
	size_t size[2];

	fx_init();
	log_level = LOG_LEVEL_ERROR;
	snprintf(img, sizeof(img), "%s/img", fx_tmpdir());
	for (unsigned i = 0; i < 2; i++)
		good[i] = image_make(i, &size[i]);
	for (uint64_t seed = first; seed < first + nr; seed++) {
		if (verbose)
			fprintf(stderr, "seed %lu\n", (unsigned long)seed);
		one(good[seed % 2], size[seed % 2], seed);
	}
	printf("ext4_write_fuzz: %lu mutants, %u were written, %u files could not be opened\n", (unsigned long)nr, nr_opened, nr_errors);
	free(good[0]);
	free(good[1]);
	return 0;
}
