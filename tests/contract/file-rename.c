/* SPDX-License-Identifier: Apache-2.0 */
/* rename and renameat2: every pair of kinds, itself, parents and children, EXCHANGE, NOREPLACE. */
#include "tests/contract/contract.h"

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#define RENAME_EXCHANGE 2
#define RENAME_WHITEOUT 4
#endif

static void reset(void)
{
	int fd = MUST(open("w", O_RDONLY | O_DIRECTORY));

	remove_tree(fd);
	MUST(chdir("w"));
	put_file("file", "file", 0644);
	put_file("file2", "file2", 0644);
	MUST(mkdir("dir", 0755));
	MUST(mkdir("empty", 0755));
	put_file("dir/inner", "inner", 0644);
	MUST(symlink("file", "link"));
	MUST(symlink("dir", "dlink"));
	MUST(link("file", "hard"));
	MUST(chdir(".."));
}

static void try(const char *from, const char *to, unsigned flags)
{
	struct stat st;
	long r;

	reset();
	MUST(chdir("w"));
	errno = 0;
	r = syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, flags);
	const char *result = r < 0 ? errno_name(errno) : "ok";
	say("%s -> %s%s: %s; then %s %s, %s %s", from, to, flags == 1 ? " noreplace" : flags == 2 ? " exchange" : "",
	    result, from, lstat(from, &st) < 0 ? "is gone" : "is there", to,
	    lstat(to, &st) < 0 ? "is gone" : "is there");
	MUST(chdir(".."));
}

int main(void)
{
	static const char *const names[] = { "file", "dir", "empty", "link", "dlink", "missing" };

	scratch();
	MUST(mkdir("w", 0755));
	SECTION("all pairs");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		for (size_t j = 0; j < ARRAY_SIZE(names); j++)
			try(names[i], names[j], 0);
	SECTION("special names");
	try("file", "hard", 0);
	try("dir", "dir/sub", 0);
	try("dir/inner", "dir", 0);
	try("empty", "dir/inner", 0);
	try("file", "dir/inner", 0);
	try("dir", ".", 0);
	try(".", "x", 0);
	try("..", "x", 0);
	try("dir/..", "x", 0);
	try("file", "missing/x", 0);
	try("file", "file2/x", 0);
	try("file/", "x", 0);
	try("file", "x/", 0);
	try("dir", "x/", 0);
	try("dir/", "x", 0);
	try("dir/", "x/", 0);
	try("dlink/", "x", 0);
	try("file", "", 0);
	try("", "x", 0);
	try("file", "/", 0);
	try("/", "x", 0);
	SECTION("noreplace");
	try("file", "file2", RENAME_NOREPLACE);
	try("file", "x", RENAME_NOREPLACE);
	try("file", "hard", RENAME_NOREPLACE);
	try("dir", "empty", RENAME_NOREPLACE);
	SECTION("exchange");
	try("file", "file2", RENAME_EXCHANGE);
	try("file", "dir", RENAME_EXCHANGE);
	try("dir", "link", RENAME_EXCHANGE);
	try("file", "x", RENAME_EXCHANGE);
	try("x", "file", RENAME_EXCHANGE);
	try("dir", "dir/inner", RENAME_EXCHANGE);
	try("dir/inner", "dir", RENAME_EXCHANGE);
	SECTION("bad flags");
	try("file", "x", RENAME_NOREPLACE | RENAME_EXCHANGE);
	try("file", "x", 0x100);
	SECTION("contents move along");
	reset();
	CALL(rename("w/file", "w/dir/moved"));
	show_file("w/dir/moved");
	CALL(syscall(SYS_renameat2, AT_FDCWD, "w/dir", AT_FDCWD, "w/file2", RENAME_EXCHANGE));
	show_file("w/dir");
	show_file("w/file2/moved");
	SECTION("over an open file");
	int fd = MUST(open("w/hard", O_RDONLY));
	char buf[16] = "";
	put_file("w/new", "new", 0644);
	CALL(rename("w/new", "w/hard"));
	CALL(read(fd, buf, sizeof(buf)));
	STR(buf);
	show_file("w/hard");
	SECTION("permissions");
	reset();
	IN_CHILD("another user") {
		chmod("w", 0755);
		if (geteuid() != 0)
			chmod("w", 0555);
		drop_privileges();
		CALL(rename("w/file", "w/x"));
		CALL(rename("w/dir/inner", "w/dir/x") == 0 || errno == EACCES);
		CALL(unlink("w/file2"));
		CALL(rmdir("w/empty"));
		CALL(mkdir("w/y", 0755));
	}
	chmod("w", 0755);
	return 0;
}
