/* SPDX-License-Identifier: Apache-2.0 */
/* O_TMPFILE, linkat of it, O_EXCL, and files that are unlinked while open. */
#include "tests/contract/contract.h"

int main(void)
{
	char path[64], name[PATH_MAX], buf[32] = "";
	struct stat st;
	int fd;

	scratch();
	fd = open(".", O_TMPFILE | O_RDWR, 0600);
	if (fd < 0 && errno == EOPNOTSUPP)
		skip("the file system has no O_TMPFILE");
	YES(fd >= 0);
	CALL(fstat(fd, &st));
	SHOW(st.st_nlink);
	HEX(st.st_mode);
	CALL(write(fd, "nameless", 8));
	SECTION("given a name");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	CALL(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
	show_file("named");
	fstat(fd, &st);
	SHOW(st.st_nlink);
	CALL(linkat(AT_FDCWD, path, AT_FDCWD, "again", AT_SYMLINK_FOLLOW));
	CALL(linkat(AT_FDCWD, path, AT_FDCWD, "again", AT_SYMLINK_FOLLOW));
	SECTION("O_EXCL: never");
	fd = OK(open(".", O_TMPFILE | O_EXCL | O_RDWR, 0600));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	CALL(linkat(AT_FDCWD, path, AT_FDCWD, "excl", AT_SYMLINK_FOLLOW));
	SECTION("refusals");
	CALL(open(".", O_TMPFILE | O_RDONLY, 0600));
	CALL(open("named", O_TMPFILE | O_RDWR, 0600));
	CALL(open("missing", O_TMPFILE | O_RDWR, 0600));
	CALL(open(".", O_TMPFILE | O_CREAT | O_RDWR, 0600));
	SECTION("unlinked while open");
	fd = MUST(open("gone", O_RDWR | O_CREAT, 0644));
	CALL(write(fd, "still", 5));
	CALL(unlink("gone"));
	CALL(access("gone", F_OK));
	CALL(pread(fd, buf, sizeof(buf), 0));
	STR(buf);
	fstat(fd, &st);
	SHOW(st.st_nlink);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	CALL(linkat(AT_FDCWD, path, AT_FDCWD, "back", AT_SYMLINK_FOLLOW));
	ssize_t n = readlink(path, name, sizeof(name));
	YES(n > 10);
	CALL(ftruncate(fd, 100000));
	fstat(fd, &st);
	SHOW(st.st_size);
	return 0;
}
