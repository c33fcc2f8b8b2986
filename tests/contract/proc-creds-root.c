/* SPDX-License-Identifier: Apache-2.0 */
/* setresuid and family as root: every transition, capabilities gained and lost, and the right to come back. */
#include "tests/contract/contract.h"
#include <linux/capability.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>

static void show(const char *what)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2];
	uid_t r, e, s;
	gid_t rg, eg, sg;
	int fs = setfsuid(-1), fsg = setfsgid(-1);

	syscall(SYS_getresuid, &r, &e, &s);
	syscall(SYS_getresgid, &rg, &eg, &sg);
	memset(d, 0, sizeof(d));
	syscall(SYS_capget, &h, d);
	say("%s: uid %d %d %d %d gid %d %d %d %d, effective capabilities: %s, permitted: %s", what, r, e, s, fs, rg, eg, sg,
	    fsg, d[0].effective ? "some" : "none", d[0].permitted ? "some" : "none");
}

int main(void)
{
	if (geteuid() != 0)
		skip("not root");
	show("start");
	IN_CHILD("setuid for good") {
		CALL(syscall(SYS_setgid, 20));
		CALL(syscall(SYS_setuid, 10));
		show("after");
		CALL(syscall(SYS_setuid, 0));
		CALL(syscall(SYS_setgid, 0));
	}
	IN_CHILD("effective only, and back") {
		CALL(syscall(SYS_setresuid, -1, 10, -1));
		show("away");
		CALL(syscall(SYS_setresgid, -1, 20, -1));
		CALL(syscall(SYS_setresuid, -1, 0, -1));
		show("back");
	}
	IN_CHILD("real and saved differ") {
		CALL(syscall(SYS_setresuid, 10, 11, 12));
		show("three");
		CALL(syscall(SYS_setuid, 12));
		show("to the saved");
		CALL(syscall(SYS_setuid, 11));
		CALL(syscall(SYS_setresuid, -1, 10, -1));
		CALL(syscall(SYS_setresuid, 12, -1, 12));
		show("swapped");
	}
	IN_CHILD("setreuid sets the saved one") {
		CALL(syscall(SYS_setreuid, 10, 11));
		show("after");
		CALL(syscall(SYS_setreuid, 11, 10));
		show("exchanged");
		CALL(syscall(SYS_setreuid, 0, -1));
	}
	IN_CHILD("setreuid with the real one only") {
		CALL(syscall(SYS_setreuid, 10, -1));
		show("after");
	}
	IN_CHILD("keep capabilities") {
		CALL(prctl(PR_SET_KEEPCAPS, 1));
		CALL(syscall(SYS_setresuid, 10, 10, 10));
		show("after");
		CALL(prctl(PR_GET_KEEPCAPS));
	}
	IN_CHILD("fsuid") {
		SHOW(setfsuid(33));
		show("after");
		SHOW(setfsuid(0));
		SHOW(setfsgid(44));
		SHOW(setfsgid(-1));
	}
	IN_CHILD("groups") {
		gid_t g[4] = { 30, 10, 20, 10 }, out[8] = { 0 };

		CALL(syscall(SYS_setgroups, 4, g));
		CALL(syscall(SYS_getgroups, 8, out));
		say("%d %d %d %d", out[0], out[1], out[2], out[3]);
		CALL(syscall(SYS_getgroups, 3, out));
		CALL(syscall(SYS_getgroups, 0, NULL));
		CALL(syscall(SYS_setgroups, 70000, g));
		CALL(syscall(SYS_setgroups, -1, g));
		CALL(syscall(SYS_setgroups, 2, BAD_PTR));
		CALL(syscall(SYS_setgroups, 0, NULL));
		CALL(syscall(SYS_getgroups, 0, NULL));
	}
	IN_CHILD("a file through effective and real ids") {
		scratch_owner = 0;
		scratch();
		put_file("secret", "s", 0600);
		put_file("group", "g", 0640);
		MUST(chown("group", 0, 20));
		MUST(syscall(SYS_setresuid, 0, 10, 0));
		CALL(open("secret", O_RDONLY));
		CALL(access("secret", R_OK));
		CALL(faccessat(AT_FDCWD, "secret", R_OK, AT_EACCESS));
		CALL(open("group", O_RDONLY));
		MUST(syscall(SYS_setresuid, 0, 0, 0));
		MUST(syscall(SYS_setgroups, 0, NULL));
		MUST(syscall(SYS_setresgid, 0, 20, 0));
		MUST(syscall(SYS_setresuid, 0, 10, 0));
		OK(open("group", O_RDONLY));
		CALL(open("group", O_RDWR));
		MUST(syscall(SYS_setresuid, 0, 0, 0));
		scratch_remove();
	}
	return 0;
}
