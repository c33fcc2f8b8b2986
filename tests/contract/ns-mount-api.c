/* SPDX-License-Identifier: Apache-2.0 */
/* fsopen(2), fsconfig(2), fsmount(2), fspick(2), open_tree(2), move_mount(2), mount_setattr(2). */
#include "tests/contract/contract.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>

#define TMPFS_MAGIC 0x01021994

struct attr {
	uint64_t set, clr, propagation, userns_fd;
};

static long fs_open(const char *name, unsigned flags)
{
	return syscall(SYS_fsopen, name, flags);
}

static long fs_config(int fd, unsigned cmd, const char *key, const void *value, int aux)
{
	return syscall(SYS_fsconfig, fd, cmd, key, value, aux);
}

static long fs_mount(int fd, unsigned flags, unsigned attr)
{
	return syscall(SYS_fsmount, fd, flags, attr);
}

static long fs_pick(int dfd, const char *path, unsigned flags)
{
	return syscall(SYS_fspick, dfd, path, flags);
}

static long tree_open(int dfd, const char *path, unsigned flags)
{
	return syscall(SYS_open_tree, dfd, path, flags);
}

static long mount_move(int from, const char *path, int to, const char *target, unsigned flags)
{
	return syscall(SYS_move_mount, from, path, to, target, flags);
}

static long set_attr(int dfd, const char *path, unsigned flags, struct attr *a, size_t n)
{
	return syscall(SYS_mount_setattr, dfd, path, flags, a, n);
}

/* Messages vary with versions: only whether there was one. */
static void show_log(const char *what, int fd)
{
	char buf[512];
	ssize_t n = read(fd, buf, sizeof(buf));

	say("%s: %s", what, n > 0 ? "a message" : errno_name(errno));
}

static void show_mount(const char *path)
{
	struct statvfs v;
	struct statfs s;

	MUST(statfs(path, &s));
	MUST(statvfs(path, &v));
	say("%s: %s%s%s%s%s%s%s", path, s.f_type == TMPFS_MAGIC ? "tmpfs" : "another", v.f_flag & ST_RDONLY ? " ro" : "",
	    v.f_flag & ST_NOSUID ? " nosuid" : "", v.f_flag & ST_NODEV ? " nodev" : "", v.f_flag & ST_NOEXEC ? " noexec" : "",
	    v.f_flag & ST_NOATIME ? " noatime" : "", v.f_flag & ST_NODIRATIME ? " nodiratime" : "");
}

static void put(const char *path, const char *text)
{
	int fd = MUST(open(path, O_WRONLY));

	MUST(write(fd, text, strlen(text)));
	close(fd);
}

/* Into namespaces where whoever runs this may mount. */
static void enter(void)
{
	char text[64];
	uid_t uid = geteuid();
	gid_t gid = getegid();

	prctl(PR_SET_DUMPABLE, 1);
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		skip("no user namespaces here");
	put("/proc/self/setgroups", "deny");
	snprintf(text, sizeof(text), "0 %d 1", (int)uid);
	put("/proc/self/uid_map", text);
	snprintf(text, sizeof(text), "0 %d 1", (int)gid);
	put("/proc/self/gid_map", text);
}

static void as_ordinary(void)
{
	struct attr a = { .set = 1 };

	SECTION("without rights");
	drop_privileges();
	CALL(fs_open("tmpfs", 0));
	CALL(fs_open("tmpfs", 99));
	CALL(fs_mount(-1, 0, 0));
	CALL(fs_pick(AT_FDCWD, "/", 0));
	CALL(mount_move(AT_FDCWD, "/", AT_FDCWD, "/", 0));
	CALL(tree_open(AT_FDCWD, "/", 1));
	OK(tree_open(AT_FDCWD, "/", 0));
	CALL(set_attr(AT_FDCWD, "/", 0, &a, sizeof(a)));
}

static void arguments(void)
{
	int fs = MUST(fs_open("tmpfs", 1)), other = MUST(open(".", O_RDONLY)), fl = fcntl(fs, F_GETFD);

	SECTION("arguments");
	SHOW(fl);
	CALL(fs_open("tmpfs", 2));
	CALL(fs_open("no-such-fs", 0));
	CALL(fs_open(BAD_PTR, 0));
	CALL(fs_config(-1, 6, NULL, NULL, 0));
	CALL(fs_config(999, 6, NULL, NULL, 0));
	CALL(fs_config(other, 6, NULL, NULL, 0));
	CALL(fs_config(fs, 99, NULL, NULL, 0));
	CALL(fs_config(fs, 0, NULL, NULL, 0));
	CALL(fs_config(fs, 0, "ro", "x", 0));
	CALL(fs_config(fs, 0, "ro", NULL, 1));
	CALL(fs_config(fs, 1, "size", NULL, 0));
	CALL(fs_config(fs, 1, NULL, "x", 0));
	CALL(fs_config(fs, 1, "size", "1m", 1));
	CALL(fs_config(fs, 1, BAD_PTR, "x", 0));
	CALL(fs_config(fs, 1, "size", BAD_PTR, 0));
	CALL(fs_config(fs, 2, "x", "y", 0));
	CALL(fs_config(fs, 3, "x", "y", -1));
	CALL(fs_config(fs, 5, "x", NULL, -1));
	CALL(fs_config(fs, 6, "x", NULL, 0));
	CALL(fs_config(fs, 7, NULL, NULL, 0));
	CALL(fs_mount(fs, 2, 0));
	CALL(fs_mount(fs, 0, 0x30));
	CALL(fs_mount(fs, 0, 0x40000000));
	CALL(fs_mount(999, 0, 0));
	CALL(fs_mount(other, 0, 0));
	CALL(fs_mount(fs, 0, 0));
	show_log("nothing said", fs);
	CALL(fs_config(fs, 1, "no-such-option", "1", 0));
	show_log("unknown option", fs);
	show_log("and again", fs);
	CALL(fs_config(fs, 1, "source", "one", 0));
	CALL(fs_config(fs, 1, "source", "two", 0));
	CALL(fs_config(fs, 0, "source", NULL, 0));
	CALL(fs_config(fs, 1, "", "x", 0));
	CALL(fs_pick(AT_FDCWD, ".", 0));
	CALL(fs_pick(AT_FDCWD, "/", 0x80));
	CALL(fs_pick(AT_FDCWD, "no-such-file", 0));
	CALL(tree_open(AT_FDCWD, "/", 0x8000));
	CALL(tree_open(AT_FDCWD, "/", 0x4));
	CALL(tree_open(AT_FDCWD, "no-such-file", 1));
	CALL(tree_open(999, "", 0x1001));
	CALL(mount_move(AT_FDCWD, ".", AT_FDCWD, ".", 0));
	CALL(mount_move(AT_FDCWD, "no-such-file", AT_FDCWD, ".", 0));
	CALL(mount_move(999, "", AT_FDCWD, ".", 4));
	CALL(mount_move(other, "", AT_FDCWD, ".", 4));
	CALL(mount_move(AT_FDCWD, ".", AT_FDCWD, ".", 0x1000));
	close(fs);
	close(other);
}

static void make_and_place(void)
{
	int fs = MUST(fs_open("tmpfs", 0)), mnt, file, again;

	SECTION("make, mount, place");
	MUST(mkdir("here", 0755));
	MUST(mkdir("there", 0755));
	CALL(fs_config(fs, 1, "source", "mine", 0));
	CALL(fs_config(fs, 1, "size", "1048576", 0));
	CALL(fs_config(fs, 1, "mode", "0711", 0));
	CALL(fs_config(fs, 6, NULL, NULL, 0));
	CALL(fs_config(fs, 6, NULL, NULL, 0));
	CALL(fs_config(fs, 1, "size", "2m", 0));
	mnt = OK(fs_mount(fs, 0, 0x8 | 0x10));
	CALL(fs_mount(fs, 0, 0));
	/* It is in no tree, and can be used by its descriptor. */
	file = OK(openat(mnt, "inside", O_CREAT | O_RDWR, 0644));
	close(file);
	CALL(mount("none", "/proc/self/fd/0", NULL, MS_BIND, NULL));
	CALL(mount_move(mnt, "", AT_FDCWD, "here", 4));
	show_mount("here");
	show_file("here/inside");
	CALL(mount_move(mnt, "", AT_FDCWD, "there", 4));
	CALL(access("here/inside", F_OK));
	CALL(access("there/inside", F_OK));
	close(mnt);
	CALL(access("there/inside", F_OK));
	SECTION("reconfigure");
	CALL(fs_config(fs, 0, "ro", NULL, 0));
	CALL(fs_config(fs, 7, NULL, NULL, 0));
	show_mount("there");
	again = OK(fs_pick(AT_FDCWD, "there", 0));
	CALL(fs_config(again, 0, "rw", NULL, 0));
	CALL(fs_config(again, 6, NULL, NULL, 0));
	CALL(fs_config(again, 7, NULL, NULL, 0));
	show_mount("there");
	CALL(fs_mount(again, 0, 0));
	close(again);
	/* The context does not keep what it made mounted. */
	CALL(umount("there"));
	close(fs);
	fs = MUST(fs_open("tmpfs", 0));
	/* When it is set, or when it is used. */
	say("a size that is none: %s",
	    fs_config(fs, 1, "size", "not a size", 0) < 0 || fs_config(fs, 6, NULL, NULL, 0) < 0 ? "refused" : "taken");
	close(fs);
}

static void trees(void)
{
	int t, f;

	SECTION("trees");
	MUST(mkdir("a", 0755));
	MUST(mkdir("b", 0755));
	MUST(mount("none", "a", "tmpfs", 0, NULL));
	MUST(mkdir("a/sub", 0755));
	MUST(mount("none", "a/sub", "tmpfs", 0, NULL));
	put_file("a/sub/deep", "deep", 0644);
	put_file("a/file", "file", 0644);
	t = OK(tree_open(AT_FDCWD, "a", 1));
	CALL(faccessat(t, "file", F_OK, 0));
	CALL(faccessat(t, "sub/deep", F_OK, 0));
	CALL(mount_move(t, "", AT_FDCWD, "b", 4));
	show_file("b/file");
	close(t);
	CALL(umount("b"));
	t = OK(tree_open(AT_FDCWD, "a", 1 | 0x8000 | O_CLOEXEC));
	CALL(faccessat(t, "sub/deep", F_OK, 0));
	/* What was opened through it outlives it. */
	f = MUST(openat(t, "sub/deep", O_RDONLY));
	close(t);
	CALL(lseek(f, 0, SEEK_END));
	close(f);
	t = OK(tree_open(AT_FDCWD, "a", 0));
	CALL(mount_move(t, "", AT_FDCWD, "b", 4));
	CALL(access("a/file", F_OK));
	CALL(access("b/sub/deep", F_OK));
	CALL(mount_move(AT_FDCWD, "b", AT_FDCWD, "b/sub", 0));
	CALL(mount_move(AT_FDCWD, "b/file", AT_FDCWD, "a", 0));
	CALL(mount_move(t, "", AT_FDCWD, "b/file", 4));
	close(t);
	/* A file on a file. */
	put_file("cover", "covered", 0644);
	t = OK(tree_open(AT_FDCWD, "b/file", 1));
	CALL(mount_move(t, "", AT_FDCWD, "a", 4));
	CALL(mount_move(t, "", AT_FDCWD, "cover", 4));
	show_file("cover");
	close(t);
	CALL(umount("cover"));
	show_file("cover");
	CALL(mount_move(AT_FDCWD, "b", AT_FDCWD, "a", 0));
}

static void attributes(void)
{
	struct attr a = { 0 };
	char big[8192] = "";
	int fd;

	SECTION("attributes");
	CALL(set_attr(AT_FDCWD, "a", 0, &a, sizeof(a)));
	CALL(set_attr(AT_FDCWD, "a", 0, &a, 31));
	CALL(set_attr(AT_FDCWD, "a", 0, &a, 0));
	CALL(set_attr(AT_FDCWD, "a", 0, (void *)big, sizeof(big)));
	big[40] = 1;
	CALL(set_attr(AT_FDCWD, "a", 0, (void *)big, 64));
	CALL(set_attr(AT_FDCWD, "a", 0, BAD_PTR, sizeof(a)));
	a.set = 1;
	CALL(set_attr(AT_FDCWD, "a", 1, &a, sizeof(a)));
	CALL(set_attr(AT_FDCWD, "a/sub/..", 0, &(struct attr){ .set = 0x40000000 }, sizeof(a)));
	CALL(set_attr(AT_FDCWD, "a/file", 0, &a, sizeof(a)));
	CALL(set_attr(AT_FDCWD, "no-such-file", 0, &a, sizeof(a)));
	CALL(set_attr(AT_FDCWD, "a", 0, &(struct attr){ .set = 0x10 }, sizeof(a)));
	CALL(set_attr(AT_FDCWD, "a", 0, &(struct attr){ .set = 0x10, .clr = 0x10 }, sizeof(a)));
	CALL(set_attr(AT_FDCWD, "a", 0, &(struct attr){ .set = 0x30, .clr = 0x70 }, sizeof(a)));
	CALL(set_attr(AT_FDCWD, "a", 0, &(struct attr){ .propagation = MS_SHARED | MS_PRIVATE }, sizeof(a)));
	CALL(set_attr(AT_FDCWD, "a", 0, &(struct attr){ .propagation = MS_RDONLY }, sizeof(a)));
	CALL(set_attr(AT_FDCWD, "a", 0, &(struct attr){ .set = 0x100000, .userns_fd = 999 }, sizeof(a)) == 0);
	CALL(set_attr(AT_FDCWD, "a", 0, &(struct attr){ .set = 0x2 | 0x8 }, sizeof(a)));
	show_mount("a");
	show_mount("a/sub");
	CALL(set_attr(AT_FDCWD, "a", 0, &(struct attr){ .set = 0x10, .clr = 0x70 | 0x2 }, sizeof(a)));
	show_mount("a");
	fd = MUST(open("a/file", O_RDWR));
	CALL(set_attr(AT_FDCWD, "a", 0, &a, sizeof(a)));
	close(fd);
	fd = MUST(open("a/sub/deep", O_RDWR));
	CALL(set_attr(AT_FDCWD, "a", 0x8000, &a, sizeof(a)));
	show_mount("a");
	close(fd);
	CALL(set_attr(AT_FDCWD, "a", 0x8000, &a, sizeof(a)));
	show_mount("a");
	show_mount("a/sub");
	CALL(open("a/new", O_CREAT | O_WRONLY, 0644));
	fd = MUST(open("a", O_PATH));
	CALL(set_attr(fd, "", AT_EMPTY_PATH | 0x8000, &(struct attr){ .clr = 1, .propagation = MS_SHARED }, sizeof(a)));
	show_mount("a/sub");
	CALL(set_attr(fd, "", 0, &a, sizeof(a)));
	close(fd);
	SECTION("of a tree in no namespace");
	fd = MUST(tree_open(AT_FDCWD, "a", 1));
	CALL(set_attr(fd, "", AT_EMPTY_PATH, &(struct attr){ .set = 1 | 4, .propagation = MS_PRIVATE }, sizeof(a)));
	CALL(mount_move(fd, "", AT_FDCWD, "b", 4));
	show_mount("b");
	show_mount("a");
	close(fd);
}

int main(void)
{
	scratch();
	IN_CHILD("ordinary")
		as_ordinary();
	enter();
	MUST(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	MUST(mount("none", scratch_dir, "tmpfs", 0, NULL));
	MUST(chdir(scratch_dir));
	arguments();
	make_and_place();
	trees();
	attributes();
	MUST(chdir("/"));
	umount2(scratch_dir, MNT_DETACH);
	return 0;
}
