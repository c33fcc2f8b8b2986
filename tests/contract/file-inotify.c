/* SPDX-License-Identifier: Apache-2.0 */
/* inotify: events of every kind of change, masks, cookies, one-shot, removal, refusals. */
#include "tests/contract/contract.h"
#include <poll.h>
#include <sys/inotify.h>

static int ino, wd_dir, wd_file;

static void events(const char *what)
{
	char buf[8192] __attribute__((aligned(8)));
	ssize_t n = read(ino, buf, sizeof(buf));
	uint32_t cookie = 0;

	say("%s:", what);
	for (char *at = buf; n > 0 && at < buf + n;) {
		struct inotify_event *e = (struct inotify_event *)at;

		say("  %s mask %#x %s%s", e->wd == wd_dir ? "dir" : e->wd == wd_file ? "file" : "other", e->mask,
		    e->len ? e->name : "-", !e->cookie ? "" : e->cookie == cookie ? " same cookie" : " cookie");
		cookie = e->cookie;
		at += sizeof(*e) + e->len;
	}
}

int main(void)
{
	char buf[16];
	int fd;

	scratch();
	ino = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (ino < 0)
		skip("this kernel has no inotify");
	MUST(mkdir("d", 0755));
	wd_dir = OK(inotify_add_watch(ino, "d", IN_ALL_EVENTS));
	put_file("f", "x", 0644);
	wd_file = OK(inotify_add_watch(ino, "f", IN_ALL_EVENTS));
	YES(wd_dir == 1 && wd_file == 2);
	CALL(read(ino, buf, sizeof(buf)));
	SECTION("in the directory");
	fd = MUST(open("d/a", O_RDWR | O_CREAT, 0644));
	events("create");
	write(fd, "x", 1);
	events("write");
	lseek(fd, 0, SEEK_SET);
	read(fd, buf, 1);
	events("read");
	ftruncate(fd, 0);
	events("truncate");
	fchmod(fd, 0600);
	events("chmod");
	close(fd);
	events("close");
	close(MUST(open("d/a", O_RDONLY)));
	events("open and close");
	rename("d/a", "d/b");
	events("rename inside");
	rename("d/b", "b");
	events("rename out");
	rename("b", "d/c");
	events("rename in");
	link("d/c", "d/l");
	events("link");
	symlink("x", "d/s");
	events("symlink");
	mkdir("d/sub", 0755);
	events("mkdir");
	rmdir("d/sub");
	events("rmdir");
	unlink("d/l");
	events("unlink");
	SECTION("the file itself");
	fd = MUST(open("f", O_WRONLY));
	write(fd, "y", 1);
	close(fd);
	events("written");
	utimensat(AT_FDCWD, "f", NULL, 0);
	events("touched");
	rename("f", "g");
	events("moved");
	unlink("g");
	events("deleted");
	SECTION("masks");
	put_file("f", "x", 0644);
	wd_file = MUST(inotify_add_watch(ino, "f", IN_MODIFY));
	YES(wd_file > 2);
	close(MUST(open("f", O_RDONLY)));
	events("not asked for");
	YES(inotify_add_watch(ino, "f", IN_OPEN | IN_MASK_ADD) == wd_file);
	fd = MUST(open("f", O_WRONLY));
	write(fd, "z", 1);
	events("added");
	CALL(inotify_add_watch(ino, "f", IN_OPEN | IN_MASK_CREATE));
	YES(inotify_add_watch(ino, "f", IN_MODIFY | IN_ONESHOT) == wd_file);
	write(fd, "z", 1);
	write(fd, "z", 1);
	events("one-shot");
	CALL(inotify_rm_watch(ino, wd_file));
	SECTION("identical events are merged");
	wd_file = MUST(inotify_add_watch(ino, "f", IN_MODIFY));
	for (int i = 0; i < 5; i++)
		write(fd, "m", 1);
	events("merged");
	CALL(inotify_rm_watch(ino, wd_file));
	events("removed");
	SECTION("short buffers and poll");
	wd_file = MUST(inotify_add_watch(ino, "f", IN_MODIFY));
	struct pollfd p = { ino, POLLIN, 0 };
	CALL(poll(&p, 1, 0));
	write(fd, "m", 1);
	CALL(poll(&p, 1, 0));
	CALL(read(ino, buf, 15));
	CALL(read(ino, buf, 16));
	SECTION("refusals");
	CALL(inotify_add_watch(ino, "missing", IN_ALL_EVENTS));
	CALL(inotify_add_watch(ino, "f", 0));
	CALL(inotify_add_watch(ino, "f", IN_ALL_EVENTS | IN_ONLYDIR));
	CALL(inotify_add_watch(1, "f", IN_ALL_EVENTS));
	CALL(inotify_add_watch(999, "f", IN_ALL_EVENTS));
	CALL(inotify_rm_watch(ino, 12345));
	CALL(inotify_rm_watch(1, 1));
	CALL(inotify_init1(0x7777));
	CALL(write(ino, buf, 16));
	return 0;
}
