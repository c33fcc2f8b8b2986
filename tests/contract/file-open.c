/* SPDX-License-Identifier: Apache-2.0 */
/* open(2): every combination of flags that matters, on files, directories, links, missing names, and bad paths. */
#include "tests/contract/contract.h"

static void try(const char *name, int flags, const char *text)
{
	int fd = open(name, flags, 0644);
	struct stat st;

	if (fd < 0) {
		say("%s %s -> %s", name, text, errno_name(errno));
		return;
	}
	fstat(fd, &st);
	say("%s %s -> ok, %s, %ld bytes, flags %#x", name, text,
	    S_ISDIR(st.st_mode) ? "directory" : S_ISLNK(st.st_mode) ? "link" : S_ISREG(st.st_mode) ? "file" : "other",
	    S_ISREG(st.st_mode) ? (long)st.st_size : 0, fcntl(fd, F_GETFL) & ~0100000);
	close(fd);
}

#define TRY(name, flags) try(name, flags, #flags)

int main(void)
{
	static const char *const names[] = { "file", "dir", "link", "dirlink", "dangling", "loop", "missing", "file/",
					     "dir/", "file/x", "missing/x", "dirlink/", "dangling/", ".", "" };
	char path[PATH_MAX + 10], deep[300];

	drop_privileges();
	scratch();
	put_file("file", "contents", 0644);
	MUST(mkdir("dir", 0755));
	MUST(symlink("file", "link"));
	MUST(symlink("dir", "dirlink"));
	MUST(symlink("nowhere", "dangling"));
	MUST(symlink("loop", "loop"));
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		say("-- %s", names[i]);
		TRY(names[i], O_RDONLY);
		TRY(names[i], O_WRONLY);
		TRY(names[i], O_RDWR);
		TRY(names[i], O_RDONLY | O_DIRECTORY);
		TRY(names[i], O_RDWR | O_DIRECTORY);
		TRY(names[i], O_RDONLY | O_NOFOLLOW);
		TRY(names[i], O_PATH);
		TRY(names[i], O_PATH | O_NOFOLLOW);
		TRY(names[i], O_PATH | O_DIRECTORY);
		TRY(names[i], O_CREAT | O_EXCL | O_RDWR);
		if (!strcmp(names[i], "missing"))
			unlink("missing");
		TRY(names[i], O_CREAT | O_RDWR);
		unlink("missing");
		unlink("nowhere");
		TRY(names[i], O_CREAT | O_NOFOLLOW | O_WRONLY);
		unlink("missing");
		unlink("nowhere");
	}
	SECTION("truncation");
	TRY("file", O_RDONLY);
	TRY("file", O_WRONLY | O_APPEND);
	TRY("file", O_RDONLY | O_TRUNC);
	put_file("file", "contents", 0644);
	TRY("file", O_WRONLY | O_TRUNC);
	TRY("dir", O_RDONLY | O_TRUNC);
	TRY("file", O_PATH | O_TRUNC | O_CREAT | O_EXCL);
	SECTION("the access mode 3");
	TRY("file", O_WRONLY | O_RDWR);
	int fd = open("file", O_WRONLY | O_RDWR);
	char c;
	CALL(read(fd, &c, 1));
	CALL(write(fd, "x", 1));
	SECTION("permissions");
	MUST(chmod("file", 0200));
	TRY("file", O_RDONLY);
	TRY("file", O_WRONLY);
	MUST(chmod("file", 0400));
	TRY("file", O_RDONLY);
	TRY("file", O_RDWR);
	TRY("file", O_RDONLY | O_TRUNC);
	MUST(chmod("file", 0));
	TRY("file", O_PATH);
	TRY("file", O_RDONLY);
	MUST(chmod("dir", 0));
	TRY("dir", O_RDONLY);
	TRY("dir/x", O_RDONLY);
	TRY("dir/x", O_RDONLY | O_CREAT);
	TRY("dir", O_PATH);
	MUST(chmod("dir", 0555));
	TRY("dir/x", O_RDONLY | O_CREAT);
	MUST(chmod("dir", 0333));
	TRY("dir", O_RDONLY);
	TRY("dir/x", O_RDONLY | O_CREAT);
	MUST(chmod("dir", 0755));
	SECTION("lengths");
	memset(deep, 'n', 256);
	deep[255] = 0;
	SHOW(open(deep, O_RDONLY | O_CREAT, 0600) >= 0);
	deep[255] = 'n', deep[256] = 0;
	CALL(open(deep, O_RDONLY | O_CREAT, 0600));
	memset(path, '/', sizeof(path));
	strcpy(path, "file");
	path[4] = '/';
	memset(path, '.', 1);
	for (int i = 0; i < PATH_MAX + 4; i += 2)
		memcpy(path + i, "./", 2);
	path[PATH_MAX - 1] = 0;
	SHOW(open(path, O_RDONLY) >= 0);
	path[PATH_MAX - 1] = '.';
	path[PATH_MAX] = 0;
	CALL(open(path, O_RDONLY));
	SECTION("modes and umask");
	struct stat st;
	umask(0137);
	close(open("m1", O_CREAT | O_WRONLY, 0777));
	stat("m1", &st);
	HEX(st.st_mode);
	umask(0);
	close(open("m2", O_CREAT | O_WRONLY, 07777));
	stat("m2", &st);
	HEX(st.st_mode);
	fd = open("m3", O_CREAT | O_RDWR, 0);
	CALL(write(fd, "w", 1));
	SECTION("the lowest free descriptor");
	int a = dup(1), b = dup(1), d = dup(1);
	close(b);
	YES(open("file", O_PATH) == b);
	close(a);
	YES(open("file", O_PATH) == a);
	(void)d;
	return 0;
}
