/* SPDX-License-Identifier: Apache-2.0 */
/* Path walking: symlink limits, loops, "..", trailing slashes, dots, links in the middle, limits of names. */
#include "tests/contract/contract.h"

static void chain(int n)
{
	char from[32], to[32];

	for (int i = 0; i < n; i++) {
		snprintf(from, sizeof(from), "c%d", i);
		snprintf(to, sizeof(to), i == 0 ? "end" : "c%d", i - 1);
		MUST(symlink(to, from));
	}
}

int main(void)
{
	struct stat st;
	char path[PATH_MAX];

	drop_privileges();
	scratch();
	put_file("end", "the end", 0644);
	MUST(mkdir("a", 0755));
	MUST(mkdir("a/b", 0755));
	put_file("a/f", "f", 0644);
	put_file("a/b/g", "g", 0644);
	SECTION("forty links are followed, not one more");
	chain(42);
	CALL(stat("c38", &st));
	CALL(stat("c39", &st));
	CALL(stat("c40", &st));
	CALL(lstat("c41", &st));
	SECTION("links in the middle count too");
	MUST(symlink(".", "dot"));
	strcpy(path, "");
	for (int i = 0; i < 40; i++)
		strcat(path, "dot/");
	strcat(path, "end");
	CALL(stat(path, &st));
	strcpy(path, "");
	for (int i = 0; i < 41; i++)
		strcat(path, "dot/");
	strcat(path, "end");
	CALL(stat(path, &st));
	SECTION("loops");
	MUST(symlink("l2", "l1"));
	MUST(symlink("l1", "l2"));
	CALL(stat("l1", &st));
	CALL(stat("l1/x", &st));
	CALL(open("l1", O_RDONLY));
	CALL(open("l1", O_RDONLY | O_CREAT, 0644));
	CALL(mkdir("l1", 0755));
	CALL(lstat("l1", &st));
	CALL(chdir("l1"));
	SECTION("dot and dot-dot");
	CALL(access("a/../end", F_OK));
	CALL(access("a/b/../../end", F_OK));
	CALL(access("a/f/../f", F_OK));
	CALL(access("a/f/.", F_OK));
	CALL(access("./a/./b/./g", F_OK));
	CALL(access("missing/../end", F_OK));
	CALL(access("/..", F_OK));
	CALL(access("/../../..", F_OK));
	MUST(stat("/", &st));
	ino_t root = st.st_ino;
	MUST(stat("/..", &st));
	YES(st.st_ino == root);
	SECTION("slashes");
	CALL(access("a//b///g", F_OK));
	CALL(access("a/b/g/", F_OK));
	CALL(access("a/b//", F_OK));
	CALL(access("//", F_OK));
	CALL(access("end/", F_OK));
	CALL(access("c0/", F_OK));
	CALL(access("dot/", F_OK));
	SECTION("links with relative and absolute targets");
	MUST(symlink("../end", "a/up"));
	MUST(symlink("b/g", "a/down"));
	snprintf(path, sizeof(path), "%s/a/f", scratch_dir);
	MUST(symlink(path, "absolute"));
	MUST(symlink("a/", "slashed"));
	MUST(symlink("end/", "fslashed"));
	show_file("a/up");
	show_file("a/down");
	show_file("absolute");
	show_file("slashed/f");
	show_file("fslashed");
	CALL(lstat("slashed/", &st));
	YES(S_ISDIR(st.st_mode));
	SECTION("dangling");
	MUST(symlink("created", "dangling"));
	CALL(open("dangling", O_RDONLY));
	CALL(open("dangling", O_CREAT | O_EXCL | O_WRONLY, 0644));
	OK(open("dangling", O_CREAT | O_WRONLY, 0644));
	CALL(access("created", F_OK));
	MUST(symlink("nodir/x", "dangling2"));
	CALL(open("dangling2", O_CREAT | O_WRONLY, 0644));
	SECTION("permission to search");
	MUST(chmod("a", 0600));
	CALL(access("a/f", F_OK));
	CALL(access("a/missing", F_OK));
	CALL(access("a", F_OK));
	CALL(access("a/..", F_OK));
	CALL(open("a/f", O_RDONLY));
	MUST(chmod("a", 0100));
	CALL(access("a/f", F_OK));
	CALL(open("a", O_RDONLY));
	MUST(chmod("a", 0755));
	SECTION("deep directories, longer than PATH_MAX in all");
	char name[201];
	memset(name, 'd', 200);
	name[200] = 0;
	int depth = 0;
	for (; depth < 25; depth++) {
		MUST(mkdir(name, 0755));
		MUST(chdir(name));
	}
	errno = 0;
	char big[8192];
	SHOW(syscall(SYS_getcwd, big, sizeof(big)) < 0 ? errno == ENAMETOOLONG : 2);
	put_file("bottom", "bottom", 0644);
	show_file("bottom");
	CALL(syscall(SYS_getcwd, big, 10));
	while (depth-- > 0)
		MUST(chdir(".."));
	CALL(access("end", F_OK));
	return 0;
}
