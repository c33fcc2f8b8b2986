/* SPDX-License-Identifier: Apache-2.0 */
/* Permission bits: owner, group, others, root's powers, sticky directories, umask, access against effective ids. */
#include "tests/contract/contract.h"
#include <sys/prctl.h>

static void show(const char *who, const char *name)
{
	say("%s %s: access %s%s%s open %s %s", who, name, access(name, R_OK) ? "-" : "r", access(name, W_OK) ? "-" : "w",
	    access(name, X_OK) ? "-" : "x", open(name, O_RDONLY) < 0 ? errno_name(errno) : "r",
	    open(name, O_WRONLY) < 0 ? errno_name(errno) : "w");
}

static void as(const char *who, uid_t uid, gid_t gid, gid_t extra)
{
	static const char *const files[] = { "f600", "f060", "f006", "f640", "f444", "f711", "f000" };

	IN_CHILD(who) {
		MUST(syscall(SYS_setgroups, extra ? 1 : 0, &extra));
		MUST(syscall(SYS_setresgid, gid, gid, gid));
		MUST(syscall(SYS_setresuid, uid, uid, uid));
		for (size_t i = 0; i < ARRAY_SIZE(files); i++)
			show(who, files[i]);
		CALL(unlink("sticky/other"));
		CALL(rename("sticky/other", "sticky/x"));
		CALL(unlink("sticky/own1000") == 0 || errno == EPERM || errno == ENOENT);
		CALL(chmod("f600", 0600));
		CALL(chown("f600", -1, 7));
		CALL(utimensat(AT_FDCWD, "f444", NULL, 0));
		struct timespec ts[2] = { { 1, 0 }, { 1, 0 } };
		CALL(utimensat(AT_FDCWD, "f444", ts, 0));
		CALL(utimensat(AT_FDCWD, "f006", NULL, 0));
	}
}

int main(void)
{
	static const mode_t modes[] = { 0600, 0060, 0006, 0640, 0444, 0711, 0 };
	char name[16];

	if (geteuid() != 0)
		skip("not root");
	scratch();
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		snprintf(name, sizeof(name), "f%03o", modes[i]);
		put_file(name, "x", modes[i]);
		MUST(chown(name, 1000, 2000));
	}
	MUST(mkdir("sticky", 0777));
	MUST(chmod("sticky", 01777));
	put_file("sticky/other", "x", 0666);
	put_file("sticky/own1000", "x", 0666);
	MUST(chown("sticky/own1000", 1000, 1000));
	as("owner", 1000, 1000, 0);
	as("group", 1001, 2000, 0);
	as("extra group", 1001, 1001, 2000);
	as("other", 1001, 1001, 0);
	as("root", 0, 0, 0);
	SECTION("effective and real ids in access");
	IN_CHILD("real 1000, effective 0") {
		MUST(syscall(SYS_setresuid, 1000, 0, 0));
		CALL(access("f000", R_OK));
		CALL(faccessat(AT_FDCWD, "f000", R_OK, AT_EACCESS));
		CALL(access("f600", R_OK));
		CALL(faccessat(AT_FDCWD, "f600", R_OK, 0x8000));
		CALL(access("f600", 8));
		CALL(syscall(SYS_faccessat2, AT_FDCWD, "f600", R_OK, AT_EACCESS | AT_SYMLINK_NOFOLLOW));
	}
	SECTION("root needs one execute bit");
	CALL(access("f600", X_OK));
	CALL(access("f711", X_OK));
	CALL(access("f000", R_OK | W_OK));
	SECTION("set-id bits are cleared by a write, a chown and a truncate of an ordinary user");
	static const char *const how[] = { "write", "chown", "truncate", "ftruncate" };
	for (size_t i = 0; i < ARRAY_SIZE(how); i++) {
		struct stat st;

		put_file("s", "xxxx", 0666);
		MUST(chown("s", 1000, 1000));
		MUST(chmod("s", 06777));
		IN_CHILD(how[i]) {
			MUST(syscall(SYS_setgroups, 0, NULL));
			MUST(syscall(SYS_setresgid, 1000, 1000, 1000));
			MUST(syscall(SYS_setresuid, 1000, 1000, 1000));
			int fd = MUST(open("s", O_RDWR));
			if (i == 0)
				write(fd, "y", 1);
			else if (i == 1)
				MUST(chown("s", -1, 1000));
			else if (i == 2)
				MUST(truncate("s", 1));
			else
				MUST(ftruncate(fd, 2));
		}
		MUST(stat("s", &st));
		say("%s: %o", how[i], st.st_mode & 07777);
		unlink("s");
	}
	SECTION("a new file in a set-group-id directory");
	struct stat st;
	MUST(mkdir("sg", 0777));
	MUST(chown("sg", 1000, 2000));
	MUST(chmod("sg", 02777));
	put_file("sg/f", "", 0644);
	MUST(stat("sg/f", &st));
	SHOW(st.st_gid);
	MUST(mkdir("sg/d", 0755));
	MUST(stat("sg/d", &st));
	say("gid %d mode %o", st.st_gid, st.st_mode & 07777);
	IN_CHILD("chmod by a stranger to the group drops set-group-id") {
		MUST(chown("f711", 1000, 3000));
		MUST(syscall(SYS_setgroups, 0, NULL));
		MUST(syscall(SYS_setresgid, 1000, 1000, 1000));
		MUST(syscall(SYS_setresuid, 1000, 1000, 1000));
		CALL(chmod("f711", 02755));
		MUST(stat("f711", &st));
		say("%o", st.st_mode & 07777);
		CALL(chown("f711", 1001, -1));
		CALL(chown("f711", -1, 3001));
		CALL(chown("f711", 1000, 1000));
	}
	return 0;
}
