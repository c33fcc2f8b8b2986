/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the stub processes of all platforms have in common when they come to be: a program that is one piece of text in
 * a sealed memfd, and a child that becomes it with nothing of ours but the descriptors it was given.  How it dies with the
 * sentry is the platform's affair, and the first thing its child sees to.
 */
#ifndef SENTRY_PLATFORM_STUB_EXEC_H
#define SENTRY_PLATFORM_STUB_EXEC_H

#include "sentry/base/types.h"

#define STUB_HIGH_FD 64 /* our duplicates are above the numbers that a child fills */
#define STUB_CHILD_STACK_SIZE (64 * 1024)
#define STUB_USER_HALF_END 0x7ffffffff000

struct stub_image {
	const void *text; /* has room for the ELF headers in front of the entry */
	size_t text_size;
	size_t size;	  /* page multiple; what the text leaves is filled with traps */
	uint64_t addr;	  /* where it is mapped, readable and executable */
	uint64_t entry;	  /* offset in the text */
};

/* A sealed executable memfd of the program; -errno with *ret_why, static storage. */
int stub_image_new(const struct stub_image *image, const char **ret_why);

/*
 * In a child of vfork whose descriptors are in place: ignores what a user, the terminal or the host may send to
 * processes, leaves the session, and becomes the program in @exec_fd with @name for argv[0].  Returns only on failure.
 */
int stub_exec(int exec_fd, char *name);

/* Whether the host lets the sentry make the calls that stubs depend on; 0, or -errno with *ret_why, static storage. */
int stub_exec_check(const char **ret_why);
/* Why no stub could be started, though: static storage. */
const char *stub_exec_why(int err);

#endif
