/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random operations on two trees at once: fx_random_ops.  Few names, so that they meet.
 */
#include "tests/unit/fs_fixture.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "sentry/abi/fcntl.h"
#include "vfs/internal.h"

#ifndef RENAME_EXCHANGE
#define RENAME_EXCHANGE 2
#endif
int renameat2(int olddirfd, const char *oldpath, int newdirfd, const char *newpath, unsigned flags);

#define NR_OPEN 8
#define SIZE_MAX_FILE 40000
#define MOST_PATHS 4096

struct pair {
	struct file *f;
	int fd;
	bool writable;
};

struct run {
	uint64_t rnd;
	const char *guest, *host;
	struct pair open[NR_OPEN];
	char **known; /* relative paths of the original tree */
	unsigned nr_known;
	unsigned step;
	char what[600];
};

static uint64_t rnd(struct run *r, uint64_t n)
{
	return fx_random(&r->rnd) % n;
}

/* What is being done, for messages; cut where it does not fit. */
static void __printf(2, 3) what(struct run *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->what, sizeof(r->what), fmt, ap);
	va_end(ap);
}

/* --- names --- */

static void collect(struct run *r)
{
	char cmd[PATH_MAX_LEN + 64], line[PATH_MAX_LEN];
	FILE *p;

	snprintf(cmd, sizeof(cmd), "cd '%s' && find . -mindepth 1 | LC_ALL=C sort", r->host);
	p = popen(cmd, "r");
	r->known = calloc(MOST_PATHS, sizeof(char *));
	while (r->nr_known < MOST_PATHS && fgets(line, sizeof(line), p)) {
		line[strcspn(line, "\n")] = 0;
		r->known[r->nr_known++] = strdup(line + 2);
	}
	pclose(p);
}

/* A path, perhaps of something that is there, in the form each side understands. */
struct name {
	char guest[PATH_MAX_LEN], host[PATH_MAX_LEN];
};

static void pick(struct run *r, struct name *n)
{
	char rel[PATH_MAX_LEN] = "";
	size_t len = 0;

	if (r->nr_known && rnd(r, 3))
		len = snprintf(rel, sizeof(rel), "%s", r->known[rnd(r, r->nr_known)]);
	if (!len || !rnd(r, 3)) {
		unsigned depth = 1 + rnd(r, len ? 1 : 3);

		for (unsigned i = 0; i < depth; i++)
			len += snprintf(rel + len, sizeof(rel) - len, "%s%c", len ? "/" : "", (int)('a' + rnd(r, 6)));
	}
	fx_path(n->guest, strcmp(r->guest, "/") ? r->guest : "", rel);
	fx_path(n->host, r->host, rel);
}

/* --- answers --- */

#define NATIVE(call) ({ int64_t ret_ = (call); ret_ < 0 ? -(int64_t)errno : ret_; })

static void same(struct run *r, int64_t guest, int64_t host)
{
	/* Which of two good reasons is given may depend on the file system. */
	if (guest < 0 && host < 0 && (guest == -LINUX_ENOTEMPTY || guest == -LINUX_EEXIST) &&
	    (host == -ENOTEMPTY || host == -EEXIST))
		return;
	fx_check(guest == host, "step %u: %s: %ld (%s), host %ld (%s)", r->step, r->what, (long)guest,
		 guest < 0 ? strerror(-guest) : "", (long)host, host < 0 ? strerror(-host) : "");
}


/* --- operations on open files --- */

static struct pair *pick_open(struct run *r)
{
	struct pair *p = &r->open[rnd(r, NR_OPEN)];

	return p->f ? p : NULL;
}

static void op_open(struct run *r)
{
	static const uint32_t modes[] = { O_RDONLY, O_RDWR, O_RDWR | O_CREAT, O_RDWR | O_CREAT | O_EXCL, O_RDWR | O_TRUNC,
					  O_RDWR | O_CREAT | O_TRUNC, O_RDWR | O_APPEND, O_RDWR | O_NOFOLLOW };
	uint32_t flags = modes[rnd(r, ARRAY_SIZE(modes))], mode = 0600 | rnd(r, 0100);
	struct pair *p = &r->open[rnd(r, NR_OPEN)];
	struct name n;
	struct stat st;

	pick(r, &n);
	/* A FIFO or a device would be another test. */
	if (!stat(n.host, &st) && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return;
	if (p->f) {
		fput(p->f);
		close(p->fd);
	}
	what(r, "open %s %o", n.guest, flags);
	p->f = filp_open(n.guest, flags, mode);
	p->fd = open(n.host, flags, mode);
	p->writable = flags & O_RDWR;
	same(r, IS_ERR(p->f) ? PTR_ERR(p->f) : 0, p->fd < 0 ? -errno : 0);
	if (p->fd >= 0 && !fstat(p->fd, &st) && S_ISDIR(st.st_mode)) {
		fput(p->f);
		close(p->fd);
		p->fd = -1;
	}
	if (p->fd < 0)
		p->f = NULL;
}

static void op_write(struct run *r)
{
	struct pair *p = pick_open(r);
	static char buf[12000];
	size_t len = rnd(r, 4) ? rnd(r, 200) : rnd(r, sizeof(buf));
	uint64_t off = rnd(r, SIZE_MAX_FILE);

	if (!p || !p->writable)
		return;
	for (size_t i = 0; i < len; i++)
		buf[i] = fx_random(&r->rnd);
	what(r, "write %zu at %lu", len, (unsigned long)off);
	same(r, kernel_write(p->f, buf, len, off), NATIVE(pwrite(p->fd, buf, len, off)));
}

static void op_read(struct run *r)
{
	static char a[70000], b[70000];
	struct pair *p = pick_open(r);
	size_t len = rnd(r, sizeof(a));
	uint64_t off = rnd(r, SIZE_MAX_FILE);
	int64_t n;

	if (!p)
		return;
	what(r, "read %zu at %lu", len, (unsigned long)off);
	n = kernel_read(p->f, a, len, off);
	same(r, n, NATIVE(pread(p->fd, b, len, off)));
	for (int64_t i = 0; i < n; i++)
		fx_check(a[i] == b[i], "step %u: %s: byte %ld is %#x, host %#x", r->step, r->what, (long)(off + i), a[i] & 255,
			 b[i] & 255);
}

static void op_ftruncate(struct run *r)
{
	struct pair *p = pick_open(r);
	uint64_t size = rnd(r, SIZE_MAX_FILE);

	if (!p || !p->writable)
		return;
	what(r, "ftruncate %lu", (unsigned long)size);
	same(r, file_truncate(p->f, size), NATIVE(ftruncate(p->fd, size)));
}

static void op_fallocate(struct run *r)
{
	static const int modes[] = { 0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, FALLOC_FL_ZERO_RANGE,
				     FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE };
	struct pair *p = pick_open(r);
	uint64_t off = rnd(r, SIZE_MAX_FILE), len = 1 + rnd(r, SIZE_MAX_FILE);
	int mode = modes[rnd(r, ARRAY_SIZE(modes))];
	int64_t host;

	if (!p || !p->writable)
		return;
	what(r, "fallocate %d %lu %lu", mode, (unsigned long)off, (unsigned long)len);
	host = NATIVE(fallocate(p->fd, mode, off, len));
	fx_check(host != -EOPNOTSUPP, "the host's file system has no fallocate mode %d", mode);
	same(r, vfs_fallocate(p->f, mode, off, len), host);
}

/* SEEK_DATA and SEEK_HOLE need not say the same, but between them must not lie. */
static void op_seek(struct run *r)
{
	struct pair *p = pick_open(r);
	int64_t data = 0, hole, size;
	static char buf[SIZE_MAX_FILE * 2];

	if (!p)
		return;
	what(r, "seek");
	size = lseek(p->fd, 0, SEEK_END);
	same(r, vfs_llseek(p->f, 0, SEEK_END), size);
	for (hole = 0; hole < size; hole = vfs_llseek(p->f, data, SEEK_HOLE)) {
		fx_check(hole >= data, "step %u: SEEK_HOLE from %ld gives %ld", r->step, (long)data, (long)hole);
		data = vfs_llseek(p->f, hole, SEEK_DATA);
		if (data == -LINUX_ENXIO)
			data = size;
		fx_check(data >= hole, "step %u: SEEK_DATA from %ld gives %ld", r->step, (long)hole, (long)data);
		same(r, pread(p->fd, buf, data - hole, hole), data - hole);
		for (int64_t i = 0; i < data - hole; i++)
			fx_check(!buf[i], "step %u: data in a hole at %ld", r->step, (long)(hole + i));
		if (data == size)
			break;
	}
}

static void op_fstat(struct run *r)
{
	struct pair *p = pick_open(r);
	struct kstat g;
	struct stat h;

	if (!p)
		return;
	what(r, "fstat");
	same(r, vfs_getattr(&p->f->path, &g), NATIVE(fstat(p->fd, &h)));
	fx_check(g.size == (uint64_t)h.st_size && g.mode == h.st_mode && g.nlink == h.st_nlink,
		 "step %u: fstat: size %lu/%ld mode %o/%o nlink %u/%lu", r->step, (unsigned long)g.size, (long)h.st_size, g.mode,
		 h.st_mode, g.nlink, (unsigned long)h.st_nlink);
}

/* --- operations on names --- */

static void op_mkdir(struct run *r)
{
	struct name n;

	pick(r, &n);
	what(r, "mkdir %s", n.guest);
	same(r, do_mkdirat(LINUX_AT_FDCWD, n.guest, 0755), NATIVE(mkdir(n.host, 0755)));
}

static void op_unlink(struct run *r)
{
	struct name n;

	pick(r, &n);
	what(r, "unlink %s", n.guest);
	same(r, do_unlinkat(LINUX_AT_FDCWD, n.guest), NATIVE(unlink(n.host)));
}

static void op_rmdir(struct run *r)
{
	struct name n;

	pick(r, &n);
	what(r, "rmdir %s", n.guest);
	same(r, do_rmdirat(LINUX_AT_FDCWD, n.guest), NATIVE(rmdir(n.host)));
}

static void op_rename(struct run *r)
{
	static const unsigned modes[] = { 0, 0, 0, LINUX_RENAME_NOREPLACE, LINUX_RENAME_EXCHANGE };
	unsigned flags = modes[rnd(r, ARRAY_SIZE(modes))];
	struct name a, b;

	pick(r, &a);
	pick(r, &b);
	what(r, "rename %s %s %u", a.guest, b.guest, flags);
	same(r, do_renameat2(LINUX_AT_FDCWD, a.guest, LINUX_AT_FDCWD, b.guest, flags),
	     NATIVE(renameat2(AT_FDCWD, a.host, AT_FDCWD, b.host, flags)));
}

static void op_link(struct run *r)
{
	struct name a, b;

	pick(r, &a);
	pick(r, &b);
	what(r, "link %s %s", a.guest, b.guest);
	same(r, do_linkat(LINUX_AT_FDCWD, a.guest, LINUX_AT_FDCWD, b.guest, 0),
	     NATIVE(linkat(AT_FDCWD, a.host, AT_FDCWD, b.host, 0)));
}

static void op_symlink(struct run *r)
{
	static const char *const targets[] = { "a", "b", "../c", "a/b", "nowhere", "." };
	const char *target = targets[rnd(r, ARRAY_SIZE(targets))];
	struct name n;

	pick(r, &n);
	what(r, "symlink %s", n.guest);
	same(r, do_symlinkat(target, LINUX_AT_FDCWD, n.guest), NATIVE(symlink(target, n.host)));
}

/* Looks @n up on both sides; false when it is on neither. */
static bool look(struct run *r, const struct name *n, struct path *ret, struct stat *st)
{
	int err = path_lookupat(LINUX_AT_FDCWD, n->guest, 0, ret);

	same(r, err, NATIVE(lstat(n->host, st)));
	return !err;
}

static void op_stat(struct run *r)
{
	struct name n;
	struct path p;
	struct kstat g;
	struct stat h;

	pick(r, &n);
	what(r, "stat %s", n.guest);
	if (!look(r, &n, &p, &h))
		return;
	vfs_getattr(&p, &g);
	path_put(&p);
	fx_check(g.mode == h.st_mode && (S_ISDIR(h.st_mode) || (g.size == (uint64_t)h.st_size && g.nlink == h.st_nlink)),
		 "step %u: %s: mode %o/%o size %lu/%ld nlink %u/%lu", r->step, r->what, g.mode, h.st_mode,
		 (unsigned long)g.size, (long)h.st_size, g.nlink, (unsigned long)h.st_nlink);
}

static void op_chmod(struct run *r)
{
	uint32_t mode = 0600 | rnd(r, 0200);
	struct name n;
	struct path p;
	struct stat h;

	pick(r, &n);
	what(r, "chmod %s", n.guest);
	if (!look(r, &n, &p, &h))
		return;
	if (!S_ISLNK(h.st_mode))
		same(r, vfs_chmod(&p, mode | (S_ISDIR(h.st_mode) ? 0700 : 0)),
		     NATIVE(chmod(n.host, mode | (S_ISDIR(h.st_mode) ? 0700 : 0))));
	path_put(&p);
}

static void op_truncate(struct run *r)
{
	uint64_t size = rnd(r, SIZE_MAX_FILE);
	struct name n;
	struct path p;
	struct stat h;

	pick(r, &n);
	what(r, "truncate %s %lu", n.guest, (unsigned long)size);
	if (!look(r, &n, &p, &h))
		return;
	if (S_ISREG(h.st_mode))
		same(r, vfs_truncate(&p, size), NATIVE(truncate(n.host, size)));
	path_put(&p);
}

static void op_utimes(struct run *r)
{
	struct timespec64 g[2] = { { rnd(r, 2000000000), rnd(r, 1000000000) }, { rnd(r, 2000000000), rnd(r, 1000000000) } };
	struct timespec h[2] = { { g[0].sec, g[0].nsec }, { g[1].sec, g[1].nsec } };
	struct name n;
	struct path p;
	struct stat st;

	pick(r, &n);
	what(r, "utimes %s", n.guest);
	if (!look(r, &n, &p, &st))
		return;
	same(r, vfs_utimes(&p, g), NATIVE(utimensat(AT_FDCWD, n.host, h, AT_SYMLINK_NOFOLLOW)));
	path_put(&p);
}

static void op_xattr(struct run *r)
{
	static const char *const names[] = { "user.fixture", "user.a", "user.b" };
	const char *name = names[rnd(r, ARRAY_SIZE(names))];
	char a[300], b[300];
	size_t size = rnd(r, 200);
	struct name n;
	struct path p;
	struct stat st;

	pick(r, &n);
	what(r, "xattr %s %s", name, n.guest);
	if (!look(r, &n, &p, &st))
		return;
	for (size_t i = 0; i < size; i++)
		a[i] = fx_random(&r->rnd);
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		;
	else if (!rnd(r, 3))
		same(r, vfs_removexattr(&p, name), NATIVE(lremovexattr(n.host, name)));
	else if (!rnd(r, 2))
		same(r, vfs_setxattr(&p, name, a, size, 0), NATIVE(lsetxattr(n.host, name, a, size, 0)));
	else
		same(r, vfs_getxattr(&p, name, a, sizeof(a)), NATIVE(lgetxattr(n.host, name, b, sizeof(b))));
	path_put(&p);
}

/* Everything that can be had again is forgotten: clean pages, and inodes that nobody uses. */
static void op_forget(struct run *r)
{
	struct path root;

	what(r, "forget");
	pagecache_drop_all();
	if (rnd(r, 4))
		return;
	fs_get_root(&root);
	dcache_shrink_tree(root.mnt->sb->root);
	path_put(&root);
}

void fx_random_ops(const char *guest, const char *host, uint64_t seed, unsigned nr)
{
	static void (*const ops[])(struct run *r) = {
		op_open,    op_open,   op_open,	    op_open,	op_write,  op_write, op_write,	  op_write, op_read,
		op_read,    op_read,   op_ftruncate, op_fallocate, op_seek, op_fstat, op_mkdir,	  op_mkdir, op_unlink,
		op_rmdir,   op_rename, op_rename,   op_link,	op_symlink, op_stat,  op_stat,	  op_chmod, op_truncate,
		op_utimes,  op_xattr,  op_unlink,   op_forget,
	};
	struct run r = { .rnd = seed, .guest = guest, .host = host };

	collect(&r);
	for (r.step = 0; r.step < nr; r.step++)
		ops[rnd(&r, ARRAY_SIZE(ops))](&r);
	for (unsigned i = 0; i < NR_OPEN; i++) {
		if (r.open[i].f) {
			fput(r.open[i].f);
			close(r.open[i].fd);
		}
	}
	for (unsigned i = 0; i < r.nr_known; i++)
		free(r.known[i]);
	free(r.known);
}
