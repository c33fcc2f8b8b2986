/* SPDX-License-Identifier: Apache-2.0 */
/* POSIX access control lists, through the extended attributes that setfacl(1) writes. */
#include "tests/contract/contract.h"

#include <sys/xattr.h>

#define ACCESS "system.posix_acl_access"
#define DEFAULT "system.posix_acl_default"

struct entry {
	uint16_t tag, perm;
	uint32_t id;
};

struct acl {
	uint32_t version;
	struct entry e[8];
};

enum { USER_OBJ = 1, USER = 2, GROUP_OBJ = 4, GROUP = 8, MASK = 0x10, OTHER = 0x20 };

static int set(const char *path, const char *name, unsigned nr, const struct entry *e)
{
	struct acl a = { .version = 2 };

	memcpy(a.e, e, nr * sizeof(*e));
	return setxattr(path, name, &a, 4 + nr * sizeof(*e), 0);
}

static void show(const char *path, const char *name)
{
	struct acl a;
	ssize_t n = getxattr(path, name, &a, sizeof(a));

	if (n < 0) {
		say("%s %s: %s", path, name, errno_name(errno));
		return;
	}
	say("%s %s: %zd bytes", path, name, n);
	for (size_t i = 0; i < (n - 4) / sizeof(a.e[0]); i++)
		say("  %#x %o %d", a.e[i].tag, a.e[i].perm, (int)a.e[i].id);
}

static void show_mode(const char *path)
{
	struct stat st;

	MUST(stat(path, &st));
	say("%s mode %o", path, st.st_mode & 07777);
}

#define SET(path, name, ...)                                                                                           \
	({                                                                                                             \
		struct entry e_[] = { __VA_ARGS__ };                                                                   \
		CALL(set(path, name, ARRAY_SIZE(e_), e_));                                                             \
	})

int main(void)
{
	scratch();
	umask(022);
	put_file("f", "x", 0640);
	if (set("f", ACCESS, 3, (struct entry[]){ { USER_OBJ, 6, -1 }, { GROUP_OBJ, 4, -1 }, { OTHER, 0, -1 } }) < 0 &&
	    errno == EOPNOTSUPP)
		skip("the file system has no ACLs");
	MUST(mkdir("d", 0755));
	SECTION("one that says what the mode says");
	SET("f", ACCESS, { USER_OBJ, 7, -1 }, { GROUP_OBJ, 5, -1 }, { OTHER, 4, -1 });
	show("f", ACCESS);
	show_mode("f");
	SECTION("named entries");
	SET("f", ACCESS, { USER_OBJ, 6, -1 }, { USER, 7, NOBODY }, { GROUP_OBJ, 4, -1 }, { MASK, 5, -1 }, { OTHER, 0, -1 });
	show("f", ACCESS);
	show_mode("f");
	MUST(chmod("f", 0620));
	show("f", ACCESS);
	show_mode("f");
	SECTION("refused");
	SET("f", ACCESS, { USER_OBJ, 6, -1 }, { USER, 7, NOBODY }, { GROUP_OBJ, 4, -1 }, { OTHER, 0, -1 });
	SET("f", ACCESS, { USER_OBJ, 6, -1 }, { GROUP_OBJ, 4, -1 });
	SET("f", ACCESS, { GROUP_OBJ, 4, -1 }, { USER_OBJ, 6, -1 }, { OTHER, 0, -1 });
	SET("f", ACCESS, { USER_OBJ, 9, -1 }, { GROUP_OBJ, 4, -1 }, { OTHER, 0, -1 });
	SET("f", DEFAULT, { USER_OBJ, 6, -1 }, { GROUP_OBJ, 4, -1 }, { OTHER, 0, -1 });
	CALL(setxattr("f", ACCESS, "abc", 3, 0));
	CALL(setxattr("f", ACCESS, "\1\0\0\0", 4, 0));
	show_mode("f");
	SECTION("a default for what is made below");
	SET("d", DEFAULT, { USER_OBJ, 7, -1 }, { USER, 6, NOBODY }, { GROUP_OBJ, 5, -1 }, { MASK, 7, -1 }, { OTHER, 1, -1 });
	show("d", DEFAULT);
	show("d", ACCESS);
	show_mode("d");
	close(MUST(open("d/new", O_CREAT | O_WRONLY, 0666)));
	show("d/new", ACCESS);
	show_mode("d/new");
	MUST(mkdir("d/sub", 0777));
	show("d/sub", ACCESS);
	show("d/sub", DEFAULT);
	show_mode("d/sub");
	CALL(removexattr("d", DEFAULT));
	CALL(removexattr("d", DEFAULT));
	close(MUST(open("d/plain", O_CREAT | O_WRONLY, 0666)));
	show("d/plain", ACCESS);
	show_mode("d/plain");
	SECTION("what they allow");
	put_file("g", "x", 0600);
	SET("g", ACCESS, { USER_OBJ, 6, -1 }, { USER, 4, NOBODY }, { GROUP_OBJ, 0, -1 }, { MASK, 4, -1 }, { OTHER, 0, -1 });
	put_file("h", "x", 0600);
	SET("h", ACCESS, { USER_OBJ, 6, -1 }, { USER, 6, NOBODY }, { GROUP_OBJ, 0, -1 }, { MASK, 4, -1 }, { OTHER, 6, -1 });
	put_file("i", "x", 0600);
	SET("i", ACCESS, { USER_OBJ, 6, -1 }, { GROUP_OBJ, 0, -1 }, { GROUP, 4, NOBODY }, { MASK, 7, -1 }, { OTHER, 6, -1 });
	MUST(chmod(".", 0755));
	IN_CHILD("nobody") {
		MUST(setgid(NOBODY));
		MUST(setuid(NOBODY));
		OK(open("g", O_RDONLY));
		OK(open("g", O_RDWR));
		OK(open("h", O_RDONLY));
		OK(open("h", O_RDWR));
		OK(open("i", O_RDONLY));
		OK(open("i", O_WRONLY));
		CALL(access("g", R_OK));
		CALL(access("g", W_OK));
		SET("g", ACCESS, { USER_OBJ, 6, -1 }, { GROUP_OBJ, 0, -1 }, { OTHER, 7, -1 });
	}
	return 0;
}
