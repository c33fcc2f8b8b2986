/* SPDX-License-Identifier: Apache-2.0 */
/* stat, lstat, fstat, fstatat, statx: types, modes, link counts, sizes, times that move, masks and flags. */
#include "tests/contract/contract.h"
#include <linux/stat.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

static const char *kind(mode_t m)
{
	switch (m & S_IFMT) {
	case S_IFREG: return "file";
	case S_IFDIR: return "directory";
	case S_IFLNK: return "link";
	case S_IFCHR: return "char";
	case S_IFBLK: return "block";
	case S_IFIFO: return "fifo";
	case S_IFSOCK: return "socket";
	default: return "?";
	}
}

static void show(const char *name)
{
	struct stat st, l;

	if (stat(name, &st) < 0)
		say("stat %s: %s", name, errno_name(errno));
	else
		say("stat %s: %s %o size %ld", name, kind(st.st_mode), st.st_mode & 07777, S_ISDIR(st.st_mode) ? 0 : (long)st.st_size);
	if (lstat(name, &l) < 0)
		say("lstat %s: %s", name, errno_name(errno));
	else
		say("lstat %s: %s %o size %ld nlink %d", name, kind(l.st_mode), l.st_mode & 07777,
		    S_ISDIR(l.st_mode) ? 0 : (long)l.st_size, S_ISDIR(l.st_mode) ? 0 : (int)l.st_nlink);
}

static long sx(int dir, const char *path, int flags, unsigned mask, struct statx *out)
{
	return syscall(SYS_statx, dir, path, flags, mask, out);
}

int main(void)
{
	struct stat a, b;
	struct statx x;
	int fd, sock;

	scratch();
	put_file("file", "12345", 0640);
	MUST(mkdir("dir", 0751));
	MUST(symlink("file", "link"));
	MUST(symlink("nowhere/at/all", "dangling"));
	MUST(mkfifo("fifo", 0622));
	MUST(link("file", "hard"));
	sock = MUST(socket(AF_UNIX, SOCK_STREAM, 0));
	struct sockaddr_un sun = { AF_UNIX, "socket" };
	MUST(bind(sock, (struct sockaddr *)&sun, sizeof(sun)));
	static const char *const names[] = { "file", "hard", "dir", "link", "dangling", "fifo", "socket", "missing", "file/",
					     "dir/", "link/", ".", "..", "/", "/dev/null", "/dev/zero" };
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		show(names[i]);
	SECTION("the same file");
	MUST(stat("file", &a));
	MUST(stat("hard", &b));
	YES(a.st_ino == b.st_ino && a.st_dev == b.st_dev);
	MUST(stat("link", &b));
	YES(a.st_ino == b.st_ino);
	MUST(lstat("link", &b));
	YES(a.st_ino != b.st_ino);
	YES(a.st_uid == geteuid() && a.st_gid == getegid());
	YES(a.st_blksize >= 512);
	fd = MUST(open("file", O_RDONLY));
	MUST(fstat(fd, &b));
	YES(a.st_ino == b.st_ino && a.st_mode == b.st_mode && a.st_mtim.tv_nsec == b.st_mtim.tv_nsec);
	SECTION("devices");
	MUST(stat("/dev/null", &b));
	say("%u:%u", major(b.st_rdev), minor(b.st_rdev));
	MUST(stat("/dev/zero", &b));
	say("%u:%u", major(b.st_rdev), minor(b.st_rdev));
	MUST(stat("/dev/urandom", &b));
	say("%u:%u", major(b.st_rdev), minor(b.st_rdev));
	SECTION("fstatat");
	CALL(fstatat(AT_FDCWD, "link", &b, AT_SYMLINK_NOFOLLOW));
	STR(kind(b.st_mode));
	CALL(fstatat(fd, "", &b, AT_EMPTY_PATH));
	STR(kind(b.st_mode));
	CALL(fstatat(fd, "x", &b, 0));
	CALL(fstatat(999, "x", &b, 0));
	CALL(fstatat(AT_FDCWD, "file", &b, 0x4000000));
	CALL(fstatat(AT_FDCWD, "", &b, AT_EMPTY_PATH));
	YES(S_ISDIR(b.st_mode));
	CALL(fstat(999, &b));
	CALL(fstat(-1, &b));
	SECTION("statx");
	memset(&x, 0x55, sizeof(x));
	CALL(sx(AT_FDCWD, "file", 0, STATX_BASIC_STATS, &x));
	YES((x.stx_mask & STATX_BASIC_STATS) == STATX_BASIC_STATS);
	say("%s %o size %llu nlink %u", kind(x.stx_mode), x.stx_mode & 07777, (unsigned long long)x.stx_size, x.stx_nlink);
	YES(x.stx_ino == a.st_ino && x.stx_uid == a.st_uid);
	YES(makedev(x.stx_dev_major, x.stx_dev_minor) == a.st_dev);
	YES(x.stx_mtime.tv_sec == a.st_mtim.tv_sec && x.stx_mtime.tv_nsec == a.st_mtim.tv_nsec);
	CALL(sx(AT_FDCWD, "link", AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &x));
	STR(kind(x.stx_mode));
	CALL(sx(fd, "", AT_EMPTY_PATH, 0, &x));
	STR(kind(x.stx_mode));
	CALL(sx(AT_FDCWD, "file", AT_STATX_FORCE_SYNC, STATX_SIZE, &x));
	CALL(sx(AT_FDCWD, "file", AT_STATX_FORCE_SYNC | AT_STATX_DONT_SYNC, STATX_SIZE, &x));
	CALL(sx(AT_FDCWD, "file", 0x4000000, STATX_SIZE, &x));
	CALL(sx(AT_FDCWD, "file", 0, 0x80000000, &x));
	CALL(sx(AT_FDCWD, "missing", 0, STATX_SIZE, &x));
	CALL(sx(AT_FDCWD, "file", 0, STATX_SIZE, NULL));
	SECTION("times move");
	MUST(stat("file", &a));
	sleep_ms(20);
	fd = MUST(open("file", O_RDWR));
	CALL(write(fd, "x", 1));
	MUST(fstat(fd, &b));
	YES(b.st_mtim.tv_sec > a.st_mtim.tv_sec || b.st_mtim.tv_nsec > a.st_mtim.tv_nsec);
	YES(b.st_mtim.tv_nsec == b.st_ctim.tv_nsec);
	sleep_ms(20);
	MUST(chmod("file", 0600));
	MUST(fstat(fd, &a));
	YES(a.st_mtim.tv_nsec == b.st_mtim.tv_nsec);
	YES(a.st_ctim.tv_sec > b.st_ctim.tv_sec || a.st_ctim.tv_nsec > b.st_ctim.tv_nsec);
	MUST(stat("dir", &a));
	sleep_ms(20);
	put_file("dir/new", "", 0644);
	MUST(stat("dir", &b));
	YES(b.st_mtim.tv_sec > a.st_mtim.tv_sec || b.st_mtim.tv_nsec > a.st_mtim.tv_nsec);
	return 0;
}
