/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of file systems: the whole VFS with a root of the test's choice, random trees, and the host's kernel as the oracle.
 *
 * A test keeps a twin of what the guest sees in a directory of the host, does the same to both, and compares.  What is wrong is
 * said on stderr and aborts: the fixture knows no test framework.
 */
#ifndef SENTRY_TESTS_UNIT_FS_FIXTURE_H
#define SENTRY_TESTS_UNIT_FS_FIXTURE_H

#include "vfs/vfs.h"

/* The VFS, frames and page cache; the guest's user is the one who runs the test. */
void fx_init(void);
/* Makes @sb (taken) the root of the calling thread's file system view. */
void fx_root(struct super_block *sb);
/* Unmounts what fx_root mounted: the super block's last reference goes. */
void fx_unroot(void);

/* A new directory on the host, removed when the test ends well. */
const char *fx_tmpdir(void);
/* Runs a shell command; it must succeed. */
void fx_run(const char *fmt, ...) __printf(1, 2);
/* Whether it succeeds, its output thrown away. */
bool fx_try(const char *fmt, ...) __printf(1, 2);
void fx_fail(const char *fmt, ...) __printf(1, 2) __noreturn;
#define fx_check(expr, ...)                                                                                            \
	do {                                                                                                           \
		if (!(expr))                                                                                           \
			fx_fail(__VA_ARGS__);                                                                          \
	} while (0)

/* @dir/@name. */
void fx_path(char buf[PATH_MAX_LEN], const char *dir, const char *name);
/* Pseudo-random numbers that are the same in every run. */
uint64_t fx_random(uint64_t *state);

/* A tree in @dir of the host: files of all kinds and sizes, links, attributes, odd names.  About @nr names. */
void fx_make_tree(const char *dir, uint64_t seed, unsigned nr);

enum fx_compare {
	FX_INO = 1,	 /* inode numbers: the guest sees the host's own files */
	FX_NO_TIMES = 2, /* mtime */
	FX_XATTRS = 4,
	FX_NO_LOST_FOUND = 8, /* the guest has a lost+found that the twin has not */
};
/* Compares names, attributes and contents, all the way down. */
void fx_compare_trees(const char *guest, const char *host, unsigned flags);

/*
 * Does @nr random operations to the trees at @guest and @host, which must be equal, and checks that both answer the same: results,
 * errors, contents that are read, through names and through descriptors that stay open.
 */
void fx_random_ops(const char *guest, const char *host, uint64_t seed, unsigned nr);

#endif
