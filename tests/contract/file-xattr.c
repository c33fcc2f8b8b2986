/* SPDX-License-Identifier: Apache-2.0 */
/* Extended attributes: set, replace, list, sizes, namespaces, links, refusals. */
#include "tests/contract/contract.h"
#include <sys/xattr.h>

int main(void)
{
	char buf[300], big[70000];
	int fd;

	drop_privileges();
	scratch();
	put_file("f", "x", 0644);
	if (setxattr("f", "user.probe", "x", 1, 0) < 0 && errno == EOPNOTSUPP)
		skip("the file system has no extended attributes");
	MUST(removexattr("f", "user.probe"));
	MUST(symlink("f", "l"));
	MUST(mkdir("d", 0755));
	fd = MUST(open("f", O_RDONLY));
	SECTION("set and get");
	CALL(setxattr("f", "user.one", "value", 5, 0));
	CALL(getxattr("f", "user.one", buf, sizeof(buf)));
	BYTES(buf, 5);
	CALL(getxattr("f", "user.one", NULL, 0));
	CALL(getxattr("f", "user.one", buf, 3));
	CALL(setxattr("f", "user.one", "v2", 2, XATTR_CREATE));
	CALL(setxattr("f", "user.two", "v2", 2, XATTR_REPLACE));
	CALL(setxattr("f", "user.one", "v2", 2, XATTR_REPLACE));
	CALL(setxattr("f", "user.two", "", 0, XATTR_CREATE));
	CALL(setxattr("f", "user.two", "x", 1, XATTR_CREATE | XATTR_REPLACE));
	CALL(setxattr("f", "user.two", "x", 1, 0x100));
	CALL(getxattr("f", "user.two", buf, sizeof(buf)));
	CALL(fgetxattr(fd, "user.one", buf, sizeof(buf)));
	CALL(getxattr("l", "user.one", buf, sizeof(buf)));
	CALL(lgetxattr("l", "user.one", buf, sizeof(buf)));
	CALL(lsetxattr("l", "user.one", "x", 1, 0));
	CALL(setxattr("d", "user.dir", "x", 1, 0));
	SECTION("list");
	long n = CALL(listxattr("f", NULL, 0));
	CALL(listxattr("f", buf, 5));
	n = listxattr("f", buf, sizeof(buf));
	int one = 0, two = 0;
	for (char *p = buf; n > 0 && p < buf + n; p += strlen(p) + 1) {
		one += !strcmp(p, "user.one");
		two += !strcmp(p, "user.two");
	}
	say("%d %d", one, two);
	CALL(flistxattr(fd, NULL, 0));
	CALL(llistxattr("l", buf, sizeof(buf)) >= 0);
	SECTION("remove");
	CALL(removexattr("f", "user.two"));
	CALL(removexattr("f", "user.two"));
	CALL(fremovexattr(fd, "user.one"));
	CALL(getxattr("f", "user.one", buf, sizeof(buf)));
	SECTION("refusals");
	memset(big, 'b', sizeof(big));
	CALL(setxattr("f", "user.big", big, sizeof(big), 0));
	memset(buf, 'n', sizeof(buf));
	memcpy(buf, "user.", 5);
	buf[256] = 0;
	CALL(setxattr("f", buf, "x", 1, 0));
	CALL(getxattr("f", buf, big, 1));
	CALL(setxattr("f", "", "x", 1, 0));
	CALL(setxattr("f", "user.", "x", 1, 0));
	CALL(setxattr("f", "nothing", "x", 1, 0));
	CALL(setxattr("f", "unknown.space", "x", 1, 0));
	CALL(setxattr("f", "trusted.x", "x", 1, 0));
	CALL(getxattr("f", "trusted.x", buf, 1));
	CALL(setxattr("missing", "user.x", "x", 1, 0));
	CALL(setxattr("f", "user.x", BAD_PTR, 1, 0));
	CALL(setxattr("f", BAD_PTR, "x", 1, 0));
	CALL(getxattr("f", "user.missing", buf, 1));
	MUST(chmod("f", 0444));
	CALL(setxattr("f", "user.ro", "x", 1, 0));
	MUST(chmod("f", 0));
	CALL(getxattr("f", "user.ro", buf, 1));
	return 0;
}
