/* SPDX-License-Identifier: Apache-2.0 */
/* The *at calls: relative to a directory descriptor, absolute names that ignore it, flags, and descriptors that are wrong. */
#include "tests/contract/contract.h"

int main(void)
{
	char buf[64] = "";
	struct stat st;
	int d, f;

	drop_privileges();
	scratch();
	MUST(mkdir("dir", 0755));
	put_file("file", "file", 0644);
	d = MUST(open("dir", O_RDONLY | O_DIRECTORY));
	f = MUST(open("file", O_RDONLY));
	SECTION("relative");
	CALL(mkdirat(d, "sub", 0755));
	OK(openat(d, "new", O_CREAT | O_RDWR, 0644));
	CALL(symlinkat("new", d, "link"));
	CALL(readlinkat(d, "link", buf, sizeof(buf)));
	STR(buf);
	CALL(linkat(d, "new", d, "hard", 0));
	CALL(linkat(d, "new", AT_FDCWD, "outside", 0));
	CALL(renameat(d, "hard", d, "moved"));
	CALL(mknodat(d, "fifo", S_IFIFO | 0600, 0));
	CALL(fstatat(d, "fifo", &st, 0));
	YES(S_ISFIFO(st.st_mode));
	CALL(faccessat(d, "new", R_OK, 0));
	CALL(faccessat(d, "missing", R_OK, 0));
	CALL(fchmodat(d, "new", 0600, 0));
	CALL(fchownat(d, "new", -1, -1, 0));
	CALL(utimensat(d, "new", NULL, 0));
	CALL(unlinkat(d, "moved", 0));
	CALL(unlinkat(d, "sub", 0));
	CALL(unlinkat(d, "sub", AT_REMOVEDIR));
	CALL(unlinkat(d, "missing", 0));
	SECTION("the directory is moved: the descriptor follows");
	CALL(rename("dir", "other"));
	CALL(faccessat(d, "new", R_OK, 0));
	CALL(faccessat(d, "../file", R_OK, 0));
	SECTION("absolute names ignore it");
	CALL(faccessat(999, "/", R_OK, 0));
	CALL(fstatat(f, "/", &st, 0));
	CALL(mkdirat(-1, "/", 0755));
	SECTION("wrong descriptors");
	CALL(openat(999, "x", O_RDONLY));
	CALL(openat(f, "x", O_RDONLY));
	CALL(mkdirat(f, "x", 0755));
	CALL(mkdirat(-1, "x", 0755));
	CALL(renameat(f, "x", d, "y"));
	CALL(renameat(d, "new", 999, "y"));
	CALL(symlinkat("x", f, "y"));
	CALL(readlinkat(f, "x", buf, sizeof(buf)));
	CALL(fchmodat(999, "x", 0600, 0));
	CALL(fchownat(999, "x", -1, -1, 0));
	CALL(unlinkat(-100000, "x", 0));
	SECTION("links");
	CALL(fstatat(d, "link", &st, AT_SYMLINK_NOFOLLOW));
	YES(S_ISLNK(st.st_mode));
	CALL(fchownat(d, "link", -1, -1, AT_SYMLINK_NOFOLLOW));
	CALL(utimensat(d, "link", NULL, AT_SYMLINK_NOFOLLOW));
	CALL(syscall(SYS_faccessat2, d, "link", R_OK, AT_SYMLINK_NOFOLLOW));
	SECTION("unknown flags");
	CALL(syscall(SYS_fchownat, d, "new", -1, -1, 0x40));
	CALL(syscall(SYS_linkat, d, "new", d, "z", 0x40));
	CALL(syscall(SYS_unlinkat, d, "new", 0x40));
	CALL(syscall(SYS_faccessat2, d, "new", R_OK, 0x40));
	CALL(syscall(SYS_newfstatat, d, "new", &st, 0x40));
	SECTION("null and empty names");
	CALL(syscall(SYS_openat, d, NULL, O_RDONLY));
	CALL(openat(d, "", O_RDONLY));
	CALL(mkdirat(d, "", 0755));
	CALL(renameat(d, "", d, "x"));
	return 0;
}
