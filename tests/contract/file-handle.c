/* SPDX-License-Identifier: Apache-2.0 */
/* name_to_handle_at(2), open_by_handle_at(2). */
#include "tests/contract/contract.h"

#include <sys/syscall.h>

struct handle {
	struct file_handle h;
	unsigned char bytes[128];
};

static int name(int dfd, const char *path, struct handle *h, int *id, int flags)
{
	return syscall(SYS_name_to_handle_at, dfd, path, h, id, flags);
}

static int by_handle(int fd, const struct handle *h, int flags)
{
	return syscall(SYS_open_by_handle_at, fd, h, flags);
}

static struct handle get(const char *path, int flags)
{
	struct handle h = { .h.handle_bytes = sizeof(h.bytes) };
	int id;

	MUST(name(AT_FDCWD, path, &h, &id, flags));
	return h;
}

static bool same(const struct handle *a, const struct handle *b)
{
	return a->h.handle_type == b->h.handle_type && a->h.handle_bytes == b->h.handle_bytes &&
	       !memcmp(a->bytes, b->bytes, a->h.handle_bytes);
}

static void arguments(void)
{
	struct handle h = { .h.handle_bytes = 0 };
	int id = -1, p[2], fd;

	SECTION("arguments");
	CALL(name(AT_FDCWD, "f", &h, &id, 0));
	YES(h.h.handle_bytes > 0 && h.h.handle_bytes <= 128 && id > 0);
	CALL(name(AT_FDCWD, "f", &h, &id, 0));
	h.h.handle_bytes = 129;
	CALL(name(AT_FDCWD, "f", &h, &id, 0));
	h.h.handle_bytes = 128;
	CALL(name(AT_FDCWD, "f", &h, &id, 0x40000000));
	CALL(name(AT_FDCWD, "missing", &h, &id, 0));
	CALL(name(AT_FDCWD, "", &h, &id, 0));
	CALL(name(AT_FDCWD, "", &h, &id, AT_EMPTY_PATH));
	CALL(name(999, "f", &h, &id, 0));
	CALL(name(AT_FDCWD, "f/x", &h, &id, 0));
	CALL(name(AT_FDCWD, BAD_PTR, &h, &id, 0));
	CALL(name(AT_FDCWD, "f", BAD_PTR, &id, 0));
	CALL(name(AT_FDCWD, "f", &h, BAD_PTR, 0));
	CALL(name(AT_FDCWD, "/proc/self/status", &h, &id, 0));
	MUST(pipe(p));
	CALL(name(p[0], "", &h, &id, AT_EMPTY_PATH));
	close(p[0]);
	close(p[1]);
	h = get("f", 0);
	fd = MUST(open(".", O_RDONLY | O_DIRECTORY));
	CALL(by_handle(999, &h, O_RDONLY));
	CALL(by_handle(fd, BAD_PTR, O_RDONLY));
	h.h.handle_bytes = 0;
	CALL(by_handle(fd, &h, O_RDONLY));
	h.h.handle_bytes = 129;
	CALL(by_handle(fd, &h, O_RDONLY));
	h = get("f", 0);
	h.h.handle_type = -5;
	CALL(by_handle(fd, &h, O_RDONLY));
	close(fd);
}

static void handles(void)
{
	struct handle f = get("f", 0), d = get("d", 0), l = get("l", 0), through = get("l", AT_SYMLINK_FOLLOW), again = get("f", 0),
		      hard = get("g", 0);

	SECTION("handles");
	YES(same(&f, &again));
	YES(same(&f, &through));
	YES(same(&f, &hard));
	YES(same(&f, &l));
	YES(same(&f, &d));
}

static void show_open(const char *what, int fd, int flags)
{
	char buf[16] = "";

	if (fd < 0) {
		say("%s: %s", what, errno_name(errno));
		return;
	}
	if ((flags & O_ACCMODE) != O_WRONLY && !(flags & (O_DIRECTORY | O_PATH)))
		MUST(pread(fd, buf, sizeof(buf) - 1, 0));
	say("%s: opened %s", what, buf);
	close(fd);
}
#define OPEN(h, flags) show_open("open " #h " " #flags, by_handle(fd, &h, flags), flags)

static void opening(void)
{
	struct handle f = get("f", 0), d = get("d", 0), l = get("l", 0), in = get("d/in", 0), gone;
	int fd = MUST(open(".", O_RDONLY | O_DIRECTORY)), dir;

	SECTION("opening");
	OPEN(f, O_RDONLY);
	OPEN(f, O_RDWR);
	OPEN(f, O_WRONLY | O_CLOEXEC);
	OPEN(f, O_PATH);
	OPEN(f, O_DIRECTORY);
	OPEN(d, O_WRONLY);
	OPEN(l, O_RDONLY);
	OPEN(l, O_PATH);
	show_open("by the working directory", by_handle(AT_FDCWD, &f, O_RDONLY), 0);
	dir = by_handle(fd, &d, O_RDONLY | O_DIRECTORY);
	if (dir >= 0) {
		show_open("below a directory", openat(dir, "in", O_RDONLY), 0);
		MUST(close(MUST(openat(dir, "new", O_CREAT | O_WRONLY, 0644))));
		CALL(access("d/new", F_OK));
		MUST(mkdirat(dir, "sub", 0755));
		CALL(faccessat(dir, "sub/../../f", F_OK, 0));
		close(dir);
	}
	SECTION("names change");
	MUST(rename("d/in", "moved"));
	OPEN(in, O_RDONLY);
	MUST(unlink("f"));
	OPEN(f, O_RDONLY);
	gone = get("moved", 0);
	MUST(unlink("moved"));
	OPEN(gone, O_RDONLY);
	close(fd);
}

int main(void)
{
	struct handle h = { .h.handle_bytes = 128 };
	int id;

	scratch();
	put_file("f", "text", 0644);
	MUST(mkdir("d", 0755));
	put_file("d/in", "inside", 0644);
	MUST(symlink("f", "l"));
	MUST(link("f", "g"));
	if (name(AT_FDCWD, "f", &h, &id, 0) < 0 && errno == EOPNOTSUPP)
		skip("no file handles where the scratch directory is");
	arguments();
	handles();
	if (geteuid() == 0)
		opening();
	IN_CHILD("ordinary") {
		h = get("g", 0);
		drop_privileges();
		CALL(by_handle(AT_FDCWD, &h, O_RDONLY));
	}
	return 0;
}
