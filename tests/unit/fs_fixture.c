/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/fs_fixture.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <dirent.h>
#include <unistd.h>

#include "sentry/abi/fcntl.h"
#include "sentry/mm/frame.h"
#include "vfs/internal.h"
#include "vfs/mount.h"
#include "vfs/tmpfs/tmpfs.h"

static char tmpdir[64];
static struct mnt_namespace *ns;
static struct path root;

void fx_fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("fs_fixture: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	abort();
}

uint64_t fx_random(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

void fx_path(char buf[PATH_MAX_LEN], const char *dir, const char *name)
{
	size_t n = strlen(dir), m = strlen(name);

	fx_check(n + m + 2 <= PATH_MAX_LEN, "path too long");
	memcpy(buf, dir, n);
	buf[n] = '/';
	memcpy(buf + n + 1, name, m + 1);
}

/* --- the host --- */

static void remove_tmpdir(void)
{
	char cmd[2 * sizeof(tmpdir) + 64];

	snprintf(cmd, sizeof(cmd), "chmod -R u+rwx %s 2>/dev/null; rm -rf %s", tmpdir, tmpdir);
	if (*tmpdir && system(cmd))
		perror(tmpdir);
}

const char *fx_tmpdir(void)
{
	if (!*tmpdir) {
		snprintf(tmpdir, sizeof(tmpdir), "/var/tmp/sentry-test.XXXXXX");
		fx_check(mkdtemp(tmpdir), "mkdtemp: %s", strerror(errno));
		atexit(remove_tmpdir);
	}
	return tmpdir;
}

static int run_va(const char *fmt, va_list ap, const char *tail)
{
	char cmd[8192];
	size_t n = vsnprintf(cmd, sizeof(cmd), fmt, ap);

	fx_check(n + strlen(tail) < sizeof(cmd), "command too long");
	strcat(cmd, tail);
	/* mke2fs and debugfs are not in an ordinary user's path. */
	setenv("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", 1);
	return system(cmd);
}

void fx_run(const char *fmt, ...)
{
	va_list ap;
	int rc;

	va_start(ap, fmt);
	rc = run_va(fmt, ap, "");
	va_end(ap);
	fx_check(rc == 0, "command failed with %d: %s", rc, fmt);
}

bool fx_try(const char *fmt, ...)
{
	va_list ap;
	int rc;

	va_start(ap, fmt);
	rc = run_va(fmt, ap, " >/dev/null 2>&1");
	va_end(ap);
	return rc == 0;
}

/* --- the guest --- */

static void root_set(struct super_block *sb)
{
	fx_check(!IS_ERR(sb), "no super block: %s", strerror(-PTR_ERR(sb)));
	ns = mnt_namespace_new(sb, 0, &root);
	fx_check(!IS_ERR(ns), "mnt_namespace_new");
	current_fs = fs_struct_new(&root, &root);
	fx_check(current_fs, "fs_struct_new");
	current_fs->umask = 022;
}

void fx_init(void)
{
	static bool done;

	if (done)
		return;
	done = true;
	umask(022);
	fx_check(!frames_init(0), "frames_init");
	fx_check(!vfs_init(), "vfs_init");
	/* The first root stays for ever, as the initial task's does: it is not one of the tests'. */
	root_set(tmpfs_type.mount(&tmpfs_type, 0, "none", NULL));
	if (getuid())
		current_cred = cred_new(getuid(), getgid(), 0, NULL);
}

void fx_root(struct super_block *sb)
{
	root_set(sb);
}

void fx_unroot(void)
{
	fs_struct_put(current_fs);
	current_fs = NULL;
	path_put(&root);
	/* A root is never unmounted but here. */
	fx_check(ref_read(&ns->root->ref) == 1 && ref_read(&ns->root->sb->ref) == 1, "something still uses the root");
	mount_put(ns->root);
	free(ns);
}

/* --- random trees --- */

static void fill(uint64_t *rnd, char *buf, size_t len)
{
	for (size_t i = 0; i < len; i += 8) {
		uint64_t v = fx_random(rnd);

		memcpy(buf + i, &v, MIN(len - i, 8UL));
	}
}

static void make_file(int dir, const char *name, uint64_t *rnd)
{
	static const uint32_t sizes[] = { 0, 1, 59, 60, 61, 150, 1000, 4095, 4096, 4097, 20000, 100000, 3000000 };
	uint64_t size = sizes[fx_random(rnd) % ARRAY_SIZE(sizes)], step = 1 + fx_random(rnd) % 5;
	int fd = openat(dir, name, O_RDWR | O_CREAT | O_EXCL, 0600 + fx_random(rnd) % 0200);
	char buf[5000];

	fx_check(fd >= 0, "make %s: %s", name, strerror(errno));
	/* Some with holes: every step-th piece is written. */
	for (uint64_t off = 0; off < size; off += step * sizeof(buf)) {
		size_t n = MIN(sizeof(buf), size - off);

		fill(rnd, buf, n);
		fx_check(pwrite(fd, buf, n, off) == (ssize_t)n, "write %s: %s", name, strerror(errno));
	}
	fx_check(!ftruncate(fd, size), "ftruncate %s", name);
	if (fx_random(rnd) % 4 == 0) {
		size_t n = 1 + fx_random(rnd) % 200;

		fill(rnd, buf, n);
		fsetxattr(fd, "user.fixture", buf, n, 0);
		fsetxattr(fd, "user.two", "2", 1, 0);
	}
	if (!getuid() && fx_random(rnd) % 4 == 0)
		fx_check(!fchown(fd, fx_random(rnd) % 100000, fx_random(rnd) % 100000), "fchown");
	close(fd);
}

static void make_name(char *name, size_t size, unsigned i, uint64_t *rnd)
{
	static const char *const forms[] = { "f%u", "a-rather-longer-name-%u", "%u with blanks", "\xc3\xa4-%u", ".hidden%u" };

	if (fx_random(rnd) % 40 == 0) {
		memset(name, 'L', size - 1);
		snprintf(name + 240, size - 240, "%u", i);
		return;
	}
	snprintf(name, size, forms[fx_random(rnd) % ARRAY_SIZE(forms)], i);
}

static void make_symlink(int dir, const char *name, uint64_t *rnd)
{
	char target[1000];
	size_t len = fx_random(rnd) % 3 ? 1 + fx_random(rnd) % 80 : 900;

	for (size_t i = 0; i < len; i++)
		target[i] = i % 100 == 99 ? '/' : 'a' + fx_random(rnd) % 26;
	target[len] = 0;
	fx_check(!symlinkat(target, dir, name), "symlink: %s", strerror(errno));
}

static unsigned make_level(int dir, uint64_t *rnd, unsigned nr, unsigned depth)
{
	char name[256], last[256] = "";
	unsigned done = 0;

	while (done < nr) {
		unsigned kind = fx_random(rnd) % 20;

		make_name(name, sizeof(name), done++, rnd);
		if (kind < 3 && depth < 6) {
			int sub;

			fx_check(!mkdirat(dir, name, 0700 | fx_random(rnd) % 0100), "mkdir: %s", strerror(errno));
			sub = openat(dir, name, O_RDONLY | O_DIRECTORY);
			done += make_level(sub, rnd, MIN(nr - done, 1 + fx_random(rnd) % (nr / 2 + 1)), depth + 1);
			close(sub);
		} else if (kind < 5) {
			make_symlink(dir, name, rnd);
		} else if (kind == 5 && *last) {
			fx_check(!linkat(dir, last, dir, name, 0), "link: %s", strerror(errno));
		} else if (kind == 6) {
			mknodat(dir, name, S_IFIFO | 0640, 0);
		} else if (kind == 7 && !getuid()) {
			mknodat(dir, name, S_IFCHR | 0600, LINUX_MKDEV(fx_random(rnd) % 4000, fx_random(rnd) % 70000));
		} else {
			make_file(dir, name, rnd);
			strcpy(last, name);
		}
	}
	return done;
}

void fx_make_tree(const char *dir, uint64_t seed, unsigned nr)
{
	int fd;

	mkdir(dir, 0755);
	fd = open(dir, O_RDONLY | O_DIRECTORY);
	fx_check(fd >= 0, "open %s: %s", dir, strerror(errno));
	make_level(fd, &seed, nr, 0);
	close(fd);
}

/* --- comparing --- */

struct names {
	struct dir_context ctx;
	struct name {
		char *name;
		uint64_t ino;
		unsigned type;
	} *names;
	unsigned nr, max, room;
};

static void names_add(struct names *n, const char *name, size_t len, uint64_t ino, unsigned type)
{
	if (n->nr == n->max) {
		n->max = n->max * 2 + 16;
		n->names = realloc(n->names, n->max * sizeof(*n->names));
	}
	n->names[n->nr++] = (struct name){ strndup(name, len), ino, type };
}

static bool names_emit(struct dir_context *ctx, const char *name, size_t len, uint64_t ino, unsigned type, uint64_t next)
{
	struct names *n = container_of(ctx, struct names, ctx);

	(void)next;
	if (!n->room)
		return false;
	n->room--;
	if (strncmp(name, ".", len) && strncmp(name, "..", len))
		names_add(n, name, len, ino, type);
	return true;
}

static int names_cmp(const void *a, const void *b)
{
	return strcmp(((const struct name *)a)->name, ((const struct name *)b)->name);
}

static void names_free(struct names *n)
{
	for (unsigned i = 0; i < n->nr; i++)
		free(n->names[i].name);
	free(n->names);
}

/* In pieces of odd size, as a small buffer of getdents makes them. */
static void guest_names(const char *path, struct names *n)
{
	struct file *f = filp_open(path, LINUX_O_RDONLY | LINUX_O_DIRECTORY, 0);

	*n = (struct names){ .ctx = { .emit = names_emit } };
	fx_check(!IS_ERR(f), "guest: open directory %s: %s", path, strerror(-PTR_ERR(f)));
	do {
		int err;

		n->room = 7;
		rwlock_read(&f->inode->i_rwsem);
		err = f->ops->iterate(f, &n->ctx);
		rwlock_unlock(&f->inode->i_rwsem);
		fx_check(!err, "guest: iterate %s: %s", path, strerror(-err));
	} while (n->room < 7);
	fput(f);
	if (n->nr)
		qsort(n->names, n->nr, sizeof(*n->names), names_cmp);
}

static void host_names(const char *path, struct names *n)
{
	DIR *d = opendir(path);
	struct dirent *de;

	*n = (struct names){ 0 };
	fx_check(d, "host: open directory %s: %s", path, strerror(errno));
	while ((de = readdir(d)))
		if (strcmp(de->d_name, ".") && strcmp(de->d_name, ".."))
			names_add(n, de->d_name, strlen(de->d_name), de->d_ino, de->d_type);
	closedir(d);
	if (n->nr)
		qsort(n->names, n->nr, sizeof(*n->names), names_cmp);
}

static int guest_stat(const char *path, struct kstat *st)
{
	struct path p;
	int err = path_lookupat(LINUX_AT_FDCWD, path, 0, &p);

	if (err)
		return err;
	err = vfs_getattr(&p, st);
	path_put(&p);
	return err;
}

static void compare_stat(const char *guest, const char *host, unsigned flags)
{
	struct kstat g;
	struct stat h;
	int err = guest_stat(guest, &g);
	bool dir;

	fx_check(!lstat(host, &h), "host: stat %s: %s", host, strerror(errno));
	fx_check(!err, "guest: stat %s: %s", guest, strerror(-err));
	dir = S_ISDIR(h.st_mode);
	fx_check(g.mode == h.st_mode, "%s: mode %o, host %o", guest, g.mode, h.st_mode);
	fx_check(g.uid == h.st_uid && g.gid == h.st_gid, "%s: owner %u:%u, host %u:%u", guest, g.uid, g.gid, h.st_uid, h.st_gid);
	fx_check(dir || g.size == (uint64_t)h.st_size, "%s: size %lu, host %ld", guest, (unsigned long)g.size, (long)h.st_size);
	fx_check((dir && (h.st_nlink == 1 || g.nlink == 1)) || g.nlink == h.st_nlink, "%s: nlink %u, host %lu", guest, g.nlink,
		 (unsigned long)h.st_nlink);
	fx_check(g.rdev == h.st_rdev, "%s: rdev %lx, host %lx", guest, (unsigned long)g.rdev, (unsigned long)h.st_rdev);
	fx_check(!(flags & FX_INO) || g.ino == h.st_ino, "%s: ino", guest);
	fx_check(flags & FX_NO_TIMES || g.mtime.sec == h.st_mtim.tv_sec, "%s: mtime %ld, host %ld", guest, (long)g.mtime.sec,
		 (long)h.st_mtim.tv_sec);
}

static void compare_contents(const char *guest, const char *host)
{
	struct file *f = filp_open(guest, LINUX_O_RDONLY, 0);
	static char a[65536], b[65536];
	int fd = open(host, O_RDONLY);
	uint64_t off = 0;

	fx_check(!IS_ERR(f), "guest: open %s: %s", guest, strerror(-PTR_ERR(f)));
	fx_check(fd >= 0, "host: open %s: %s", host, strerror(errno));
	for (;;) {
		int64_t n = kernel_read(f, a, sizeof(a), off);
		ssize_t m = pread(fd, b, sizeof(b), off);

		fx_check(n == m, "%s: read at %lu gives %ld, host %ld", guest, (unsigned long)off, (long)n, (long)m);
		for (ssize_t i = 0; i < n; i++)
			fx_check(a[i] == b[i], "%s: byte %lu is %#x, host %#x", guest, (unsigned long)(off + i), a[i] & 255, b[i] & 255);
		if (n <= 0)
			break;
		off += n;
	}
	close(fd);
	fput(f);
}

static void compare_symlink(const char *guest, const char *host)
{
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;
	char buf[5000];
	ssize_t n = readlink(host, buf, sizeof(buf));
	struct path p;
	int err = path_lookupat(LINUX_AT_FDCWD, guest, 0, &p);

	fx_check(!err, "guest: %s: %s", guest, strerror(-err));
	err = p.dentry->inode->ops->readlink(p.dentry->inode, &sb);
	path_put(&p);
	fx_check(!err && n == (ssize_t)sb.len && !memcmp(buf, sb.buf, n), "%s: readlink %d", guest, err);
}

static void compare_xattrs(const char *guest, const char *host)
{
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;
	static char list[65536], a[65536], b[65536];
	ssize_t n = llistxattr(host, list, sizeof(list));
	struct path p;
	int err = path_lookupat(LINUX_AT_FDCWD, guest, 0, &p);

	fx_check(!err, "guest: %s: %s", guest, strerror(-err));
	err = vfs_listxattr(&p, &sb);
	fx_check(!err && (n < 0 || (ssize_t)sb.len == n), "%s: %zu bytes of xattr names, host %zd", guest, sb.len, n);
	for (ssize_t off = 0; off < n; off += strlen(list + off) + 1) {
		int64_t g = vfs_getxattr(&p, list + off, a, sizeof(a));
		ssize_t h = lgetxattr(host, list + off, b, sizeof(b));

		fx_check(g == h && !memcmp(a, b, MAX(h, 0)), "%s: xattr %s: %ld, host %ld", guest, list + off, (long)g, (long)h);
	}
	path_put(&p);
}

static void compare_types(const char *guest, const struct name *g, const struct name *h, unsigned flags)
{
	fx_check(!strcmp(g->name, h->name), "%s: has '%s' where the host has '%s'", guest, g->name, h->name);
	fx_check(!g->type || g->type == h->type, "%s/%s: d_type %u, host %u", guest, g->name, g->type, h->type);
	fx_check(!(flags & FX_INO) || g->ino == h->ino, "%s/%s: d_ino", guest, g->name);
}

void fx_compare_trees(const char *guest, const char *host, unsigned flags)
{
	struct names g, h;
	unsigned skipped = 0;

	guest_names(guest, &g);
	host_names(host, &h);
	for (unsigned i = 0; i < g.nr; i++) {
		char gpath[PATH_MAX_LEN], hpath[PATH_MAX_LEN];
		struct stat st;

		if (flags & FX_NO_LOST_FOUND && !strcmp(g.names[i].name, "lost+found")) {
			skipped++;
			continue;
		}
		fx_check(i - skipped < h.nr, "%s: '%s' is not on the host", guest, g.names[i].name);
		compare_types(guest, &g.names[i], &h.names[i - skipped], flags);
		fx_path(gpath, strcmp(guest, "/") ? guest : "", g.names[i].name);
		fx_path(hpath, host, g.names[i].name);
		compare_stat(gpath, hpath, flags);
		if (flags & FX_XATTRS)
			compare_xattrs(gpath, hpath);
		lstat(hpath, &st);
		if (S_ISREG(st.st_mode))
			compare_contents(gpath, hpath);
		else if (S_ISLNK(st.st_mode))
			compare_symlink(gpath, hpath);
		else if (S_ISDIR(st.st_mode))
			fx_compare_trees(gpath, hpath, flags & ~FX_NO_LOST_FOUND);
	}
	fx_check(g.nr - skipped == h.nr, "%s: %u names, host %u", guest, g.nr - skipped, h.nr);
	names_free(&g);
	names_free(&h);
}
