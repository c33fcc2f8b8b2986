/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tar streams, and trees of files that are packed into them and unpacked from them: what `sentry cp` carries.
 *
 * Written is POSIX.1-1988 ustar with GNU's entries for long names; read also are pax headers (path, linkpath, size, mtime).  A stream may
 * come from an enemy: names that lead out of the directory it is unpacked into are refused (-LINUX_EPERM), sizes are bounded.
 */
#ifndef SENTRY_CLI_TAR_H
#define SENTRY_CLI_TAR_H

#include "sentry/base/strbuf.h"
#include "sentry/base/types.h"

struct tree_node {
	uint32_t mode; /* with the type */
	uint32_t uid, gid;
	uint64_t size, rdev;
	int64_t mtime; /* seconds */
};

/* The files that a tree is made of, by path: the host's (tar_host.c) or the guest's (control_cp.c).  All answer 0 or -errno. */
struct tree_ops {
	int (*stat)(const char *path, bool follow, struct tree_node *ret);
	int (*readlink)(const char *path, struct strbuf *ret);
	/* Names in a directory but for "." and "..", each with its NUL. */
	int (*list)(const char *path, struct strbuf *ret);
	/* A regular file: for reading, or a new one.  A handle for the next three, or ERR_PTR. */
	void *(*open)(const char *path, bool create);
	int64_t (*read)(void *file, void *buf, size_t len, uint64_t off);
	int64_t (*write)(void *file, const void *buf, size_t len, uint64_t off);
	void (*close)(void *file);
	int (*mkdir)(const char *path);
	int (*symlink)(const char *target, const char *path);
	int (*link)(const char *old, const char *path);
	int (*mknod)(const char *path, uint32_t mode, uint64_t rdev);
	int (*unlink)(const char *path);
	/* The mode (not of links), the time, and with @owner the owner. */
	int (*set)(const char *path, const struct tree_node *n, bool owner);
};
extern const struct tree_ops tree_host_ops;

/* Packs what is at @path, under the name @top ("." for what a directory has in it), and the end of the archive.  @follow: @path itself. */
int tar_pack(const struct tree_ops *ops, const char *path, bool follow, const char *top, int fd);
/*
 * Unpacks the stream below directory @dir; with @top not NULL, the first name of each entry becomes that.  *bad (may be NULL) names what
 * could not be made.
 */
int tar_unpack(const struct tree_ops *ops, const char *dir, const char *top, bool owner, int fd, struct strbuf *bad);

#endif
