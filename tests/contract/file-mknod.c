/* SPDX-License-Identifier: Apache-2.0 */
/* mknod(2): every type, who may, what a node is and does. */
#include "tests/contract/contract.h"

#include <sys/sysmacros.h>

static void show_node(const char *path)
{
	struct stat st;

	MUST(lstat(path, &st));
	say("%s: mode %o rdev %u:%u size %ld", path, st.st_mode, major(st.st_rdev), minor(st.st_rdev), (long)st.st_size);
}

int main(void)
{
	scratch();
	umask(027);
	MUST(chmod(".", 0777));
	SECTION("types anybody makes");
	CALL(mknod("none", 0666, 0));
	CALL(mknod("reg", S_IFREG | 0666, makedev(1, 3)));
	CALL(mknod("fifo", S_IFIFO | 0666, makedev(1, 3)));
	CALL(mknod("sock", S_IFSOCK | 04666, 0));
	show_node("none");
	show_node("reg");
	show_node("fifo");
	show_node("sock");
	SECTION("types nobody makes");
	CALL(mknod("x", S_IFDIR | 0755, 0));
	CALL(mknod("x", S_IFLNK | 0755, 0));
	CALL(mknod("x", 0150000 | 0644, 0));
	CALL(mknod("none", S_IFREG | 0644, 0));
	CALL(mknod("none", S_IFDIR | 0644, 0));
	CALL(mknod("nodir/x", S_IFREG | 0644, 0));
	CALL(mknod("none/x", S_IFREG | 0644, 0));
	CALL(mknod("x/", S_IFREG | 0644, 0));
	CALL(mknod(".", S_IFREG | 0644, 0));
	CALL(mknod("", S_IFREG | 0644, 0));
	CALL(mknodat(999, "x", S_IFREG | 0644, 0));
	CALL(mknodat(AT_FDCWD, BAD_PTR, S_IFREG | 0644, 0));
	SECTION("opened");
	OK(open("sock", O_RDWR));
	OK(open("sock", O_PATH));
	OK(open("fifo", O_RDONLY | O_NONBLOCK));
	CALL(open("fifo", O_WRONLY | O_NONBLOCK));
	CALL(truncate("fifo", 0));
	OK(open("fifo", O_RDWR | O_TRUNC));
	SECTION("nobody and devices");
	IN_CHILD("nobody") {
		if (!getuid()) {
			MUST(setgid(NOBODY));
			MUST(setuid(NOBODY));
		}
		CALL(mknod("n1", S_IFCHR | 0666, makedev(1, 3)));
		CALL(mknod("n2", S_IFBLK | 0666, makedev(7, 0)));
		CALL(mknod("n3", S_IFCHR | 0666, 0));
		CALL(mknod("n4", S_IFIFO | 0666, 0));
		show_node("n4");
	}
	return 0;
}
